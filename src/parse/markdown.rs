//! Markdown articles: front matter in the names that Hugo, Jekyll and Zola use, then CommonMark.

use pulldown_cmark::{Options as Extensions, Parser};

use super::article::{Article, NotAnArticle, Options, of_entry};
use super::feed::{ParsedEntry, Text, TextKind};

/// Reads one Markdown article.
pub fn read(text: &str, _options: &Options<'_>) -> Result<Article, NotAnArticle> {
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, Parser::new_ext(text, Extensions::ENABLE_TABLES));
    let content = Some(Text { kind: TextKind::Html, value: html, base: None, language: None });
    Ok(of_entry(ParsedEntry { content, ..ParsedEntry::default() }))
}
