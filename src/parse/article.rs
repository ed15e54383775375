//! Local articles: the bytes of one file out of a folder -> what it says, whatever its format.
//!
//! The file's ending, then its content, decides the format: plain text ([`super::plain`]), Markdown
//! ([`super::markdown`]), HTML ([`super::html`]) or a feed document. Pure like the rest of `parse`: the path is only
//! read for what its words say (sub-folders that name sections, a date in the name), never opened.

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use url::Url;

use super::feed::{Text, TextKind};
use super::plain::{SectionLine, Vocabulary};
use super::{Format, Limits, ParsedEntry, ParsedFeed, charset, files, html, markdown, plain};
use crate::model::Time;

/// What the reader of articles needs to know besides the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Relative to the folder, with `/` between its parts.
    pub path: &'a str,
    pub vocabulary: &'a Vocabulary,
    pub section_line: SectionLine,
    /// Further lines of web forms to drop, lower-case.
    pub residue: &'a [String],
    /// HTML: look for the text of a page in which it is not marked.
    pub full_text: bool,
    /// Of dates that say none.
    pub zone: Tz,
    pub limits: &'a Limits,
}

/// One article file, read.
#[derive(Debug, Clone, Default)]
pub struct Article {
    /// [`Format::Article`] with one entry, or the feed of a feed document.
    pub feed: ParsedFeed,
    /// Plain text only: what became of every line that is not blank, in order.
    pub lines: Vec<Line>,
    /// Local files that the article refers to (image, audio, video, PDF), relative to the folder, sorted.
    pub files: Vec<String>,
    /// What was cut, mended or left out, in words for people.
    pub warnings: Vec<String>,
}

/// One line of a plain-text article.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// From 1.
    pub number: usize,
    /// Without the white space around it.
    pub text: String,
    pub used: LineUse,
}

/// What a line of a plain-text article became: exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineUse {
    Section,
    Title,
    Header,
    Body,
    Origin,
    Dropped,
}

/// Why a file cannot be read as an article. Says what it is and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnArticle {
    #[error("the file is empty; write the article, or delete the file")]
    Empty,
    #[error("the file is {0}, not text; save the article as text, Markdown or HTML")]
    Binary(&'static str),
    #[error("there is no text in the file besides headers; write the article, or delete the file")]
    NoText,
    #[error("the ending of {0:?} is none of an article's; use .txt, .md, .html, .xml or .json")]
    UnknownEnding(String),
    #[error("front matter, line {line}: {reason}")]
    FrontMatter {
        /// From 1, in the file.
        line: usize,
        reason: String,
    },
    #[error("the markup is nested more than {0} levels deep; simplify it")]
    TooDeep(usize),
    #[error("the markup cannot be taken: {0}; mend it")]
    Markup(&'static str),
    #[error(transparent)]
    Feed(#[from] super::NotAFeed),
}

/// Reads one article file. A date that its name states stands in where the text states none; sub-folders that are named
/// like sections put it in them.
pub fn read(bytes: &[u8], options: &Options<'_>) -> Result<Article, NotAnArticle> {
    if bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0) {
        return Err(NotAnArticle::Empty);
    }
    if let Some(what) = charset::binary(bytes) {
        return Err(NotAnArticle::Binary(what));
    }
    let declared = html::tags::declared_charset(bytes).filter(|_| bytes.trim_ascii_start().starts_with(b"<"));
    let media_type = declared.map(|charset| format!("text/html; charset={charset}"));
    let decoded = charset::decode(bytes, media_type.as_deref());
    if looks_binary(&decoded.text) {
        return Err(NotAnArticle::Binary("binary data"));
    }
    let mut article = match kind(options.path, &decoded.text)? {
        Kind::Plain => plain::read(&decoded.text, options)?,
        Kind::Markdown => markdown::read(&decoded.text, options)?,
        Kind::Html => html::read(&decoded.text, options)?,
        Kind::Feed => {
            let input = super::Input { bytes, content_type: None, base: None };
            Article { feed: super::document(&input, options.limits)?, ..Article::default() }
        }
    };
    article.files = files::referred(&article.feed.entries, options.path);
    article.warnings.extend(decoded.repairs.0.into_iter().map(|(kind, count)| format!("{kind} ({count})")));
    let folders = folder_sections(options);
    for entry in &mut article.feed.entries {
        if article.feed.format == Format::Article {
            entry.published = entry.published.or_else(|| date_in_name(options.path, options.zone));
            bound(entry, options.limits, &mut article.warnings);
        }
        for section in &folders {
            if !entry.sections.contains(section) {
                entry.sections.push(section.clone());
            }
        }
    }
    Ok(article)
}

/// Could the file of this name be an article? Hidden files, editors' temporaries and partial uploads are not.
pub fn is_article_name(path: &str) -> bool {
    let hidden = |part: &str| part.is_empty() || part.starts_with(['.', '~', '#']);
    if path.split('/').any(hidden) || !ending(path).is_some_and(|ending| ENDINGS.contains(&ending.as_str())) {
        return false;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_ascii_lowercase();
    let partial = [".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp", ".bak", "~"];
    !stem.is_empty() && !partial.iter().any(|mark| stem.ends_with(mark))
}

/// Midnight of the day, in this zone, that a file's name begins with: `2026-03-27-title.txt`, `2026_03_27 title.md`,
/// `20260327-title.txt`, and `2026-03-27-title/index.md`.
pub fn date_in_name(path: &str, zone: Tz) -> Option<Time> {
    let mut parts = path.rsplit('/');
    let name = parts.next()?;
    let is_index = name.rsplit_once('.').is_some_and(|(stem, _)| stem == "index");
    let name = if is_index { parts.next()? } else { name };
    let digits = |range: std::ops::Range<usize>| {
        name.get(range).filter(|part| part.bytes().all(|b| b.is_ascii_digit()))?.parse::<u32>().ok()
    };
    let apart = |at: usize| name.get(at..at + 1).filter(|mark| matches!(*mark, "-" | "_" | "."));
    let (month, day, end) = match apart(4) {
        Some(mark) => (digits(5..7)?, digits(8..10).filter(|_| apart(7) == Some(mark))?, 10),
        None => (digits(4..6)?, digits(6..8)?, 8),
    };
    // What follows the day is the title or the ending, not more of a number.
    if name.get(end..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(digits(0..4)?).ok()?, month, day)?;
    let year = chrono::Datelike::year(&date);
    (1900..=2200).contains(&year).then(|| super::date::on_clocks_of(zone, date.and_time(NaiveTime::MIN))).flatten()
}

/// Endings of articles, lower-case.
const ENDINGS: [&str; 9] = ["txt", "md", "markdown", "html", "htm", "xml", "json", "rss", "atom"];

enum Kind {
    Plain,
    Markdown,
    Html,
    Feed,
}

/// The ending decides; a web page saved as `.txt` or `.xml`, or a feed as `.html`, is still what it is.
fn kind(path: &str, text: &str) -> Result<Kind, NotAnArticle> {
    let ending = ending(path).unwrap_or_default();
    let start = text.trim_start();
    let start: String = start.chars().take(1_024).collect::<String>().to_ascii_lowercase();
    let is_page = start.starts_with("<!doctype html") || start.starts_with("<html");
    let xml = start.starts_with("<?xml");
    let has = |name: &str| start.contains(&format!("<{name}"));
    let is_feed = (xml || start.starts_with("<rss") || start.starts_with("<feed") || start.starts_with("<rdf:rdf"))
        && (has("rss") || has("feed") || has("rdf:rdf"));
    Ok(match ending.as_str() {
        "txt" if is_page => Kind::Html,
        "txt" | "html" | "htm" if is_feed => Kind::Feed,
        "txt" => Kind::Plain,
        "md" | "markdown" => Kind::Markdown,
        "html" | "htm" => Kind::Html,
        "xml" if is_page || xml && has("html") => Kind::Html,
        "xml" | "json" | "rss" | "atom" => Kind::Feed,
        _ => return Err(NotAnArticle::UnknownEnding(path.to_owned())),
    })
}

fn ending(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

/// Text holds hardly any characters that no decoder knew.
fn looks_binary(text: &str) -> bool {
    const SAMPLE: usize = 8_192;
    let (mut seen, mut bad) = (0, 0);
    for c in text.chars().take(SAMPLE) {
        seen += 1;
        bad += usize::from(c == char::REPLACEMENT_CHARACTER);
    }
    seen == 0 || bad * 10 > seen
}

/// Sections that the sub-folders of a path name.
fn folder_sections(options: &Options<'_>) -> Vec<String> {
    let mut folders: Vec<&str> = options.path.split('/').collect();
    folders.pop();
    folders
        .iter()
        .filter_map(|folder| options.vocabulary.resolve(&folder.replace(['-', '_'], " ")))
        .map(str::to_owned)
        .collect()
}

/// Keeps an article within the limits of every other document.
fn bound(entry: &mut ParsedEntry, limits: &Limits, warnings: &mut Vec<String>) {
    let mut say = |what: &str, limit: usize| warnings.push(format!("{what} beyond {limit} left out"));
    let title = entry.title.as_mut().map(|title| &mut title.value);
    if let Some((title, (end, _))) = title.and_then(|title| {
        let end = title.char_indices().nth(limits.title_chars)?;
        Some((title, end))
    }) {
        title.truncate(end);
        say("characters of the title", limits.title_chars);
    }
    if entry.authors.len() > limits.people {
        entry.authors.truncate(limits.people);
        say("authors", limits.people);
    }
    if entry.categories.len() > limits.categories {
        entry.categories.truncate(limits.categories);
        say("categories", limits.categories);
    }
    if entry.enclosures.len() > limits.enclosures {
        entry.enclosures.truncate(limits.enclosures);
        say("enclosures", limits.enclosures);
    }
    entry.attributions.truncate(limits.people);
}

// What the readers of all formats share.

/// The article with this one entry.
pub(super) fn of_entry(entry: ParsedEntry) -> Article {
    let feed = ParsedFeed { format: Format::Article, entries: vec![entry], ..ParsedFeed::default() };
    Article { feed, ..Article::default() }
}

/// At most `limit` bytes of a text, whole lines if they are short, with a warning when it cuts.
pub(super) fn cut<'a>(text: &'a str, limit: usize, warnings: &mut Vec<String>) -> &'a str {
    if text.len() <= limit {
        return text;
    }
    warnings.push(format!("text beyond {limit} bytes left out"));
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let head = text.get(..end).unwrap_or_default();
    head.rfind('\n').filter(|line| *line > limit / 2).and_then(|line| head.get(..line)).unwrap_or(head)
}

/// Plain text, on one line; `None` if there is none.
pub(super) fn plain_text(text: &str) -> Option<Text> {
    let value = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!value.is_empty()).then_some(Text { kind: TextKind::Plain, value, base: None, language: None })
}

pub(super) fn html_text(value: String) -> Option<Text> {
    (!value.trim().is_empty()).then_some(Text { kind: TextKind::Html, value, base: None, language: None })
}

/// The date that a value states; in this zone, if it states none.
pub(super) fn date(text: &str, zone: Tz) -> Option<Time> {
    super::date::parse_in(text, zone)
}

/// An absolute address on the web, as it is written.
pub(super) fn web_address(text: &str) -> Option<String> {
    const LONGEST: usize = 4_096;
    let text = text.trim();
    let scheme = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    let web = scheme.starts_with("http://") || scheme.starts_with("https://");
    let sound = web && text.len() <= LONGEST && !text.contains(char::is_whitespace);
    (sound && Url::parse(text).is_ok_and(|url| url.has_host())).then(|| text.to_owned())
}

/// Is this the name of a file that goes with an article, beside it or below it?
pub(super) fn file_reference(text: &str) -> bool {
    const LONGEST: usize = 200;
    text.len() <= LONGEST && !text.contains("://") && files::is_media(text)
}

/// A language tag of BCP 47, by its looks.
pub(super) fn is_language(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let main =
        parts.next().is_some_and(|main| (2..=3).contains(&main.len()) && main.bytes().all(|b| b.is_ascii_alphabetic()));
    main && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}
