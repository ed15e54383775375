//! Markdown articles: front matter in the names that Hugo, Jekyll and Zola use, then CommonMark with tables, footnotes
//! and strikethrough.

mod front_matter;
mod value;

use pulldown_cmark::{Event, HeadingLevel, Options as Extensions, Parser, Tag, TagEnd};

use super::article::{Article, NotAnArticle, Options, cut, html_text, of_entry, plain_text};
use super::feed::ParsedEntry;
use super::plain::first_sentence;

/// Reads one Markdown article.
pub fn read(text: &str, options: &Options<'_>) -> Result<Article, NotAnArticle> {
    let mut warnings = Vec::new();
    let (front, text) = value::split(text)?;
    let mut entry = ParsedEntry::default();
    if let Some(front) = front {
        front_matter::apply(&front, &mut entry, options, &mut warnings)?;
    }
    let body = Body::read(cut(text, options.limits.text_bytes, &mut warnings), entry.title.as_ref().map(|t| &*t.value));
    if text.contains("{{<") || text.contains("{{%") || text.contains("{%") {
        warnings.push("shortcodes of a site generator are left as they stand".to_owned());
    }
    let title = entry.title.is_none().then(|| body.title.clone().unwrap_or_else(|| first_sentence(&body.opening)));
    entry.title = entry.title.or_else(|| plain_text(title.as_deref().unwrap_or_default()));
    entry.summary = entry.summary.or_else(|| plain_text(&body.summary));
    entry.content = html_text(cut(&body.html, options.limits.text_bytes, &mut warnings).to_owned());
    if entry.title.is_none() {
        return Err(NotAnArticle::NoText);
    }
    Ok(Article { warnings, ..of_entry(entry) })
}

/// The text behind the front matter.
#[derive(Debug, Default)]
struct Body {
    html: String,
    /// The first heading of the first level.
    title: Option<String>,
    /// What stands above `<!--more-->`, else the first paragraph. Plain.
    summary: String,
    /// The first text of any kind. Plain.
    opening: String,
}

impl Body {
    /// `stated`: the title of the front matter. A heading in front of the text that is the title, or repeats it, is
    /// not part of the text.
    fn read(text: &str, stated: Option<&str>) -> Self {
        let extensions = Extensions::ENABLE_TABLES
            | Extensions::ENABLE_FOOTNOTES
            | Extensions::ENABLE_STRIKETHROUGH
            | Extensions::ENABLE_HEADING_ATTRIBUTES;
        let events: Vec<Event<'_>> = Parser::new_ext(text, extensions).collect();
        let mut body = Body::default();
        let title_at = events.iter().position(is_title_start);
        let title_end =
            title_at.and_then(|start| Some(start + 1 + events.get(start..)?.iter().position(is_title_end)?));
        let heading = title_at.zip(title_end).and_then(|(start, end)| events.get(start..end));
        body.title = heading.map(plain).filter(|title| !title.is_empty());
        let repeated = stated.is_none_or(|stated| body.title.as_deref() == Some(stated));
        let leads = title_at == Some(0) && body.title.is_some() && repeated;
        let events = events.get(if leads { title_end.unwrap_or_default() } else { 0 }..).unwrap_or_default();
        let more = events.iter().position(|event| matches!(event, Event::Html(html) if is_more(html)));
        body.opening = first_of(events, |_| true);
        body.summary = match more.and_then(|more| events.get(..more)) {
            Some(above) => plain(above),
            None => first_of(events, |tag| matches!(tag, Tag::Paragraph)),
        };
        let shown = events.iter().filter(|event| !matches!(event, Event::Html(html) if is_more(html)));
        pulldown_cmark::html::push_html(&mut body.html, shown.cloned());
        body
    }
}

fn is_title_start(event: &Event<'_>) -> bool {
    matches!(event, Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }))
}

fn is_title_end(event: &Event<'_>) -> bool {
    matches!(event, Event::End(TagEnd::Heading(HeadingLevel::H1)))
}

/// The mark by which Hugo, Zola and Jekyll end a summary.
fn is_more(html: &str) -> bool {
    let inner = html.trim().strip_prefix("<!--").and_then(|html| html.strip_suffix("-->"));
    inner.is_some_and(|inner| inner.trim().eq_ignore_ascii_case("more"))
}

/// The text of the first block that holds any and that `wanted` names.
fn first_of(events: &[Event<'_>], wanted: impl Fn(&Tag<'_>) -> bool) -> String {
    const MOST_BLOCKS: usize = 20;
    let blocks = events.iter().enumerate().filter(|(_, event)| matches!(event, Event::Start(tag) if wanted(tag)));
    for (start, _) in blocks.take(MOST_BLOCKS) {
        let rest = events.get(start..).unwrap_or_default();
        let mut depth = 0_usize;
        let end = rest.iter().position(|event| {
            match event {
                Event::Start(_) => depth += 1,
                Event::End(_) => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        });
        let text = plain(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
        if !text.is_empty() {
            return text;
        }
    }
    String::new()
}

/// The words of events, on one line; neither markup nor the marks of footnotes, nor what stands in for pictures.
fn plain(events: &[Event<'_>]) -> String {
    let mut text = String::new();
    let mut pictures = 0_usize;
    for event in events {
        match event {
            Event::Start(Tag::Image { .. }) => pictures += 1,
            Event::End(TagEnd::Image) => pictures = pictures.saturating_sub(1),
            Event::Text(words) | Event::Code(words) if pictures == 0 => text.push_str(words),
            // The end of emphasis is no end of a word, the end of a block is.
            Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link) => {}
            Event::SoftBreak | Event::HardBreak | Event::End(_) => text.push(' '),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
