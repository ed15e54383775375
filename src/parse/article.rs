//! Local articles: the bytes of one file out of a folder -> what it says, whatever its format.
//!
//! The file's ending, then its content, decides the format: plain text ([`super::plain`]), Markdown
//! ([`super::markdown`]), HTML ([`super::html`]) or a feed document. Pure like the rest of `parse`: the path is only
//! read for what its words say (sub-folders that name sections, a date in the name), never opened.

use chrono::{NaiveDate, NaiveTime};

use super::plain::{SectionLine, Vocabulary};
use super::{Format, Limits, ParsedEntry, ParsedFeed, html, markdown, plain};
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
    #[error("the file is binary data, not text; save the article as text, Markdown or HTML")]
    Binary,
    #[error("there is no text in the file besides headers and residue; write the article, or delete the file")]
    NoText,
    #[error("the ending of {0:?} is none of an article's; use .txt, .md, .html, .xml or .json")]
    UnknownEnding(String),
    #[error("front matter, line {line}: {reason}")]
    FrontMatter { line: usize, reason: String },
    #[error("the markup is nested more than {0} levels deep; simplify it")]
    TooDeep(usize),
    #[error("the feed document cannot be read: {0}")]
    Feed(String),
}

/// Reads one article file. A date that its name states stands in where the text states none.
pub fn read(bytes: &[u8], options: &Options<'_>) -> Result<Article, NotAnArticle> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(NotAnArticle::Empty);
    }
    let text = String::from_utf8_lossy(bytes);
    let ending = ending(options.path).unwrap_or_default();
    let mut article = match ending.as_str() {
        "txt" => plain::read(&text, options)?,
        "md" | "markdown" => markdown::read(&text, options)?,
        "html" | "htm" => html::read(&text, options)?,
        _ => return Err(NotAnArticle::UnknownEnding(options.path.to_owned())),
    };
    for entry in &mut article.feed.entries {
        entry.published = entry.published.or_else(|| date_in_name(options.path));
    }
    Ok(article)
}

/// Could the file of this name be an article? Hidden files, editors' temporaries and partial uploads are not.
pub fn is_article_name(path: &str) -> bool {
    let hidden = path.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    !hidden && ending(path).is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Midnight UTC of the day that a file's name begins with (`2026-03-27-title.txt`).
pub fn date_in_name(path: &str) -> Option<Time> {
    let name = path.rsplit('/').next()?;
    let date = NaiveDate::parse_from_str(name.get(..10)?, "%Y-%m-%d").ok()?;
    Some(date.and_time(NaiveTime::MIN).and_utc())
}

/// Endings of articles, lower-case.
const ENDINGS: [&str; 9] = ["txt", "md", "markdown", "html", "htm", "xml", "json", "rss", "atom"];

/// The article with this one entry.
pub(super) fn of_entry(entry: ParsedEntry) -> Article {
    let feed = ParsedFeed { format: Format::Article, entries: vec![entry], ..ParsedFeed::default() };
    Article { feed, ..Article::default() }
}

fn ending(path: &str) -> Option<String> {
    let name = path.rsplit('/').next()?;
    name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}
