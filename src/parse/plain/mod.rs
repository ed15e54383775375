//! Plain text, as it comes out of a newsroom or off a page.
//!
//! ```text
//! Politics World                           section    which sections it goes to
//!
//! Title of the article                     title
//! By Jane Doe                              header     byline, or "Date: 2026-03-27" and the like
//!
//! First paragraph, which is the summary.   body
//!
//! Second paragraph.                        body
//!
//! Source: FT                               origin     whom it credits
//!
//! Leave a Reply                            dropped    with all that follows
//! ```
//!
//! Every line that is not blank becomes exactly one of these; what is the body's stands in the published text.

mod attribution;
mod body;
mod head;
mod headers;
mod names;
mod page;
mod residue;
mod section_line;
mod tail;
mod title;
mod vocabulary;

pub(super) use title::first_sentence;
pub use vocabulary::Vocabulary;

use chrono_tz::Tz;

use head::{Head, Title};
use headers::Header;
use page::Page;

use super::article::{Article, Line, LineUse, NotAnArticle, Options, cut, date, of_entry, plain_text};
use super::feed::{ParsedEntry, Text, TextKind};
use crate::model::Category;

/// Does the first line of a plain-text article name sections?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SectionLine {
    /// When its words say so.
    #[default]
    Auto,
    Always,
    Never,
}

/// Reads one plain-text article.
pub fn read(text: &str, options: &Options<'_>) -> Result<Article, NotAnArticle> {
    let mut warnings = Vec::new();
    let text = page::normalized(cut(text, options.limits.text_bytes, &mut warnings));
    let page = Page::new(&text);
    if page.rows.is_empty() {
        return Err(NotAnArticle::Empty);
    }
    let head = head::read(&page, options.section_line, options.vocabulary);
    let mut uses = vec![LineUse::Body; page.rows.len()];
    for (rows, used) in &head.uses {
        uses.get_mut(rows.clone()).unwrap_or_default().fill(*used);
    }
    tail::drop_residue(&page, head.body, options.residue, &mut uses);
    let attributions = tail::take_attributions(&page, head.body, &mut uses);
    let rows: Vec<usize> = (head.body..uses.len()).filter(|row| uses.get(*row) == Some(&LineUse::Body)).collect();
    let body = body::html(&page, &rows);
    let title = match &head.title {
        Title::Rows(rows) => page.joined(rows.clone()),
        Title::SentenceAt(row) => title::first_sentence(&page.joined(page.unit(*row))),
        Title::Stated | Title::Missing => String::new(),
    };
    let mut entry = ParsedEntry {
        title: plain_text(&title),
        summary: body.first.as_deref().and_then(plain_text),
        content: Some(Text { kind: TextKind::Html, value: body.html, base: None, language: None }),
        attributions,
        ..ParsedEntry::default()
    };
    entry.content.take_if(|content| content.value.is_empty());
    apply_head(head, &mut entry, options.zone);
    if entry.title.is_none() {
        return Err(NotAnArticle::NoText);
    }
    let line = |(row, used): (&page::Row<'_>, LineUse)| Line { number: row.number, text: row.text.to_owned(), used };
    let lines = page.rows.iter().zip(uses).map(line).collect();
    Ok(Article { lines, warnings, ..of_entry(entry) })
}

/// What the head states, into the entry's fields. What is stated twice counts once, as first stated; lists add up.
fn apply_head(head: Head, entry: &mut ParsedEntry, zone: Tz) {
    entry.authors = head.authors;
    entry.sections = head.sections;
    let mut terms = head.categories;
    let mut summary = None;
    for header in head.headers {
        match header {
            Header::Published(text) => entry.published = entry.published.or_else(|| date(&text, zone)),
            Header::Updated(text) => entry.updated = entry.updated.or_else(|| date(&text, zone)),
            Header::Authors(people) => add(&mut entry.authors, people),
            Header::Sections(names, unknown) => {
                add(&mut entry.sections, names);
                add(&mut terms, unknown);
            }
            Header::Categories(found) => add(&mut terms, found),
            Header::Title(title) => entry.title = entry.title.take().or_else(|| plain_text(&title)),
            Header::Link(link) => _ = entry.link.get_or_insert(link),
            Header::Language(tag) => _ = entry.language.get_or_insert(tag),
            Header::Summary(text) => _ = summary.get_or_insert(text),
            Header::Image(image) => _ = entry.image.get_or_insert(image),
            Header::Blank => {}
        }
    }
    entry.summary = summary.as_deref().and_then(plain_text).or(entry.summary.take());
    entry.categories = terms.into_iter().map(|term| Category { term, ..Category::default() }).collect();
}

fn add<T: PartialEq>(list: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}
