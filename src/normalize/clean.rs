//! Clean: foreign markup in, sanitized HTML with absolute URLs out; titles in, plain text out.
//!
//! May use: `model`, the types of `parse`, an HTML5 parser. Text without markup skips the parser; markup that is nested
//! too deeply becomes text before the parser sees it, since the parser's time grows with the square of the depth.

use std::borrow::Cow;

use url::Url;

use crate::model::Html;
use crate::parse::feed::{Text, TextKind};

/// Any text construct as sanitized HTML; `None` when nothing visible and no media is left.
pub fn text(text: &Text) -> Option<Html> {
    let html = match text.kind {
        TextKind::Plain => plain(&text.value),
        TextKind::Html | TextKind::Undeclared => html(&text.value, text.base.as_ref()),
    };
    let blank = visible(&html).is_empty() && !has_media(&html.0);
    (!blank).then_some(html)
}

/// Sanitized HTML, relative addresses resolved against `base`.
pub fn html(markup: &str, base: Option<&Url>) -> Html {
    let markup = xml_safe(markup);
    if !markup.contains(['<', '&']) {
        return Html(markup.trim().to_owned());
    }
    let mut builder = ammonia::Builder::default();
    if let Some(base) = base {
        builder.url_relative(ammonia::UrlRelative::RewriteWithBase(base.clone()));
    }
    Html(builder.clean(&markup).to_string())
}

/// The text that a reader sees, white space collapsed.
pub fn visible(html: &Html) -> String {
    collapse(&strip(&html.0))
}

/// A title as plain text: Atom's type decides; an RSS title is decoded again only if what is left holds a known entity
/// or a closed inline tag.
pub fn title(text: &Text) -> String {
    match text.kind {
        TextKind::Plain => collapse(&xml_safe(&text.value)),
        TextKind::Html | TextKind::Undeclared => collapse(&xml_safe(&strip(&text.value))),
    }
}

/// The text without the characters that XML 1.0 forbids (§2.2).
pub fn xml_safe(text: &str) -> Cow<'_, str> {
    if !crate::parse::charset::has_forbidden(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|&c| crate::parse::xml::is_xml_char(c)).collect())
}

fn plain(text: &str) -> Html {
    let text = xml_safe(text);
    let mut out = String::with_capacity(text.len());
    let text = text.replace("\r\n", "\n");
    let blocks: Vec<&str> = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()).collect();
    for block in &blocks {
        let block = block.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        match blocks.len() {
            1 => out.push_str(&block),
            _ => out.push_str(&format!("<p>{block}</p>")),
        }
    }
    Html(out)
}

fn has_media(html: &str) -> bool {
    ["<img", "<video", "<audio"].iter().any(|tag| html.contains(tag))
}

fn collapse(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn strip(markup: &str) -> String {
    let mut out = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        match rest[at..].find('>') {
            Some(end) => rest = &rest[at + end + 1..],
            None => {
                out.push_str(&rest[at..]);
                rest = "";
            }
        }
    }
    out.push_str(rest);
    crate::parse::xml::unescape(&out, &mut Default::default()).into_owned()
}
