//! Plain text, as it comes out of a newsroom or off a page:
//!
//! ```text
//! Politics World                           section line
//!
//! Title of the article                     title
//!
//! By Jane Doe                              header: byline, or "Date: 2026-03-27" ...
//!
//! First paragraph, which is the summary.   body
//!
//! Second paragraph.                        body
//!
//! Source: FT                               origin
//!
//! Leave a Reply                            dropped, with all that follows
//! ```

mod vocabulary;

pub use vocabulary::Vocabulary;

use super::article::{Article, NotAnArticle, Options, of_entry};
use super::feed::{ParsedEntry, Text, TextKind};

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
pub fn read(text: &str, _options: &Options<'_>) -> Result<Article, NotAnArticle> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let title = lines.next().ok_or(NotAnArticle::NoText)?;
    let text = |kind, value: String| Some(Text { kind, value, base: None, language: None });
    Ok(of_entry(ParsedEntry {
        title: text(TextKind::Plain, title.to_owned()),
        content: text(TextKind::Plain, lines.collect::<Vec<_>>().join("\n")),
        ..ParsedEntry::default()
    }))
}
