//! The text of a web page, without what stands around it: Mozilla's Readability, as `dom_smoothie` does it.
//!
//! Its work grows faster than the page: the bytes, the depth and the elements are bounded before it begins. What it finds
//! is markup of the page; `normalize` sanitizes it.

use dom_query::Document;
use dom_smoothie::{Config, Readability};
use url::Url;

use super::{dom, tags};
use crate::parse::feed::{Text, TextKind};
use crate::parse::{Input, Limits, charset};

/// Bytes of a page that are looked at.
const PAGE_BYTES: usize = 4 << 20;
/// Elements of a page: a long article has hundreds.
const MOST_ELEMENTS: usize = 20_000;

/// Why a page has no text to be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoText {
    #[error("it is {0}, not a web page")]
    Binary(&'static str),
    #[error("the page is larger than {} MiB", PAGE_BYTES >> 20)]
    TooLarge,
    #[error("its markup is too tangled to be taken apart")]
    Tangled,
    #[error("no text stands out from what is around it")]
    NoneFound,
}

/// The text of the page, as HTML with its base.
pub fn read(input: &Input<'_>, limits: &Limits) -> Result<Text, NoText> {
    if let Some(what) = charset::binary(input.bytes) {
        return Err(NoText::Binary(what));
    }
    if input.bytes.len() > PAGE_BYTES {
        return Err(NoText::TooLarge);
    }
    let stated = input.content_type.filter(|stated| stated.to_ascii_lowercase().contains("charset="));
    let declared = tags::declared_charset(input.bytes).map(|charset| format!("text/html; charset={charset}"));
    let page = charset::decode(input.bytes, stated.or(declared.as_deref()).or(input.content_type)).text;
    let document = dom::build(&page, limits.depth).map_err(|_| NoText::Tangled)?;
    let mut value = of_document(document, input.base).ok_or(NoText::NoneFound)?;
    if value.len() > limits.text_bytes {
        // Half a text would take the place of a feed's whole one.
        return Err(NoText::TooLarge);
    }
    value.truncate(value.trim_end().len());
    Ok(Text { kind: TextKind::Html, value, base: input.base.cloned(), language: None })
}

/// The markup of the text in a page that was built within its limits.
pub(super) fn of_document(document: Document, base: Option<&Url>) -> Option<String> {
    let config = Config { max_elements_to_parse: MOST_ELEMENTS, disable_json_ld: true, ..Config::default() };
    let mut readability = Readability::with_document(document, base.map(Url::as_str), Some(config)).ok()?;
    let article = readability.parse().ok()?;
    Some(article.content.trim().to_owned()).filter(|content| !content.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(page: &str) -> Result<String, NoText> {
        let base = Url::parse("https://example.org/a/b").unwrap();
        let input = Input { bytes: page.as_bytes(), content_type: Some("text/html"), base: Some(&base) };
        read(&input, &Limits::default()).map(|text| text.value)
    }

    fn paragraphs(count: usize) -> String {
        let sentence = "Ministers of eleven countries signed the treaty on Tuesday, after nine years of talks, in the hall of the old mint. ";
        format!("<p>{}</p>", sentence.repeat(3)).repeat(count)
    }

    #[test]
    fn the_text_is_told_from_what_stands_around_it() {
        let page = format!(
            "<html><body><nav><ul><li><a href=/1>Home</a><li><a href=/2>World</a></ul></nav><div class=sidebar><p>Buy this</p></div>
            <div id=content><h1>A treaty</h1>{}<p><a href='c'>More of it</a>, says the ministry, which will publish the whole text on its pages.</p></div>
            <footer>Imprint</footer></body></html>",
            paragraphs(4)
        );
        let text = text(&page).unwrap();
        assert!(text.contains("eleven countries") && text.contains("https://example.org/a/c"), "{text}");
        for furniture in ["Home", "Buy this", "Imprint"] {
            assert!(!text.contains(furniture), "{furniture}: {text}");
        }
    }

    #[test]
    fn a_page_without_text_says_so() {
        assert_eq!(text("<html><body></body></html>"), Err(NoText::NoneFound));
        assert_eq!(text("%PDF-1.4 ..."), Err(NoText::Binary("a PDF file")));
    }

    #[test]
    fn hostile_pages_are_refused_before_the_work_begins() {
        assert_eq!(text(&"<div>".repeat(300_000)), Err(NoText::Tangled));
        assert_eq!(text(&"<b>x".repeat(100_000)), Err(NoText::Tangled));
        assert_eq!(text(&"<p>x".repeat(MOST_ELEMENTS + 1)), Err(NoText::NoneFound));
        assert_eq!(text(&"x".repeat(PAGE_BYTES + 1)), Err(NoText::TooLarge));
        let table = format!("<table>{}", "<tr><td><p>a, b, c, d".repeat(4000));
        assert!(text(&table).is_ok() || text(&table) == Err(NoText::NoneFound));
    }
}
