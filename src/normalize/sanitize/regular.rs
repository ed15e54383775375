//! Regular markup, read in one pass: known elements properly inside each other, attributes in quotes, references with
//! their semicolons. So most feeds are written, by machines. What comes of it is what a browser's parser gives (HTML,
//! §13.2.6.4.7): everything that it would repair, move or close by itself is not regular and left to it.

use std::borrow::Cow;

use memchr::memchr;

use super::escape;
use super::policy::{Attribute, Fate, Policy, close};
use crate::parse::xml::html_entity;
use crate::swar;

/// Elements inside each other.
const DEEPEST: usize = 64;
/// Attributes of one element.
const MOST_ATTRIBUTES: usize = 24;

/// What the parser's rules say of an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A heading, paragraph or other block: its start closes a paragraph that is open.
    Block,
    Paragraph,
    Heading,
    /// A list, and what may stand in it alone.
    List,
    Item,
    Preformatted,
    /// Closes a paragraph too, and is empty.
    Rule,
    Phrase,
    /// Not inside another one.
    Anchor,
    Empty,
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "p" => Kind::Paragraph,
        "a" => Kind::Anchor,
        "br" | "img" | "wbr" => Kind::Empty,
        "b" | "i" | "em" | "strong" | "code" | "small" | "s" | "u" | "big" | "tt" | "strike" | "span" | "abbr"
        | "cite" | "sub" | "sup" | "q" | "mark" | "time" | "del" | "ins" | "kbd" | "samp" | "var" | "dfn" => {
            Kind::Phrase
        }
        "ul" | "ol" => Kind::List,
        "li" => Kind::Item,
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => Kind::Heading,
        "div" | "blockquote" | "figure" | "figcaption" | "section" | "article" | "aside" | "header" | "footer"
        | "main" | "nav" | "address" | "center" => Kind::Block,
        "pre" => Kind::Preformatted,
        "hr" => Kind::Rule,
        _ => return None,
    })
}

/// An element that is open.
struct Open<'a> {
    name: &'a str,
    kind: Kind,
    /// Its tag was written.
    kept: bool,
}

/// Safe HTML; `None`: it is not regular.
pub fn sanitize(markup: &str, policy: &Policy<'_>) -> Option<String> {
    let is_control = |b: u8| b < b' ' && !matches!(b, b'\t' | b'\n');
    if swar::position(markup.as_bytes(), |eight| !eight.within(0, b' ' - 1) & swar::ALL, is_control).is_some() {
        return None;
    }
    let mut out = String::with_capacity(markup.len() + 16);
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut attributes = Vec::new();
    let mut rest = markup;
    while let Some(at) = memchr(b'<', rest.as_bytes()) {
        text(&rest[..at], &mut out)?;
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = after_comment(comment)?;
        } else if let Some(tag) = rest.strip_prefix('/') {
            let (name, after) = name(tag)?;
            let last = open.pop().filter(|last| last.name == name)?;
            if last.kept {
                close(last.name, &mut out);
            }
            rest = after.strip_prefix('>')?;
        } else {
            let (name, after) = name(rest)?;
            let kind = kind(name).filter(|kind| may_begin(*kind, &open))?;
            let is_empty = matches!(kind, Kind::Empty | Kind::Rule);
            attributes.clear();
            rest = read_attributes(after, is_empty, &mut attributes)?;
            let kept = match policy.open(name, true, &attributes, &mut out) {
                Fate::Keep => true,
                Fate::Unwrap => false,
                Fate::Drop if is_empty => false,
                Fate::Drop => return None,
            };
            // The first line break in it, however it is written, is not part of it.
            if kind == Kind::Preformatted && rest.starts_with(['\n', '&']) {
                return None;
            }
            if !is_empty {
                open.push(Open { name, kind, kept });
            }
        }
    }
    text(rest, &mut out)?;
    // Whatever the end finds open ends there.
    for last in open.iter().rev().filter(|last| last.kept) {
        close(last.name, &mut out);
    }
    Some(out)
}

/// May such an element begin inside those that are open, and end none of them by that?
fn may_begin(kind: Kind, open: &[Open<'_>]) -> bool {
    let none = |kind: Kind| open.iter().all(|element| element.kind != kind);
    open.len() < DEEPEST
        && match kind {
            Kind::Phrase | Kind::Empty => true,
            Kind::Anchor => none(Kind::Anchor),
            Kind::Item => none(Kind::Paragraph) && open.last().is_some_and(|last| last.kind == Kind::List),
            Kind::Heading => none(Kind::Paragraph) && none(Kind::Heading),
            Kind::Block | Kind::Paragraph | Kind::List | Kind::Preformatted | Kind::Rule => none(Kind::Paragraph),
        }
}

/// The name of a tag, and what follows it.
fn name(tag: &str) -> Option<(&str, &str)> {
    let length = tag.bytes().take(16).take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
    (length > 0).then(|| tag.split_at(length))
}

/// The attributes of a start tag; returns what follows it.
fn read_attributes<'a>(mut tag: &'a str, is_empty: bool, attributes: &mut Vec<Attribute<'a>>) -> Option<&'a str> {
    loop {
        let trimmed = tag.trim_start_matches([' ', '\t', '\n']);
        if let Some(after) = trimmed.strip_prefix('>') {
            return Some(after);
        }
        if let Some(after) = trimmed.strip_prefix("/>") {
            return is_empty.then_some(after);
        }
        // Between two attributes, and before the first, there is white space.
        if trimmed.len() == tag.len() || attributes.len() >= MOST_ATTRIBUTES {
            return None;
        }
        let length = trimmed.bytes().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-').count();
        let (name, after) = trimmed.split_at(length);
        let value = after.strip_prefix('=')?;
        let quote = *value.as_bytes().first().filter(|b| matches!(b, b'"' | b'\''))?;
        let value = &value[1..];
        let end = memchr(quote, value.as_bytes())?;
        if name.is_empty() || attributes.iter().any(|attribute| attribute.name == name) {
            return None;
        }
        attributes.push(Attribute { name, value: resolved(&value[..end])? });
        tag = &value[end + 1..];
    }
}

/// What follows a comment, whose content begins here.
fn after_comment(comment: &str) -> Option<&str> {
    let end = memchr::memmem::find(comment.as_bytes(), b"--")?;
    let after = comment[end..].strip_prefix("-->")?;
    // `<!-->` and `<!--->` are whole comments, and one that nearly ends may end elsewhere.
    (!comment.starts_with(['>', '-']) && !comment[..end].ends_with('<')).then_some(after)
}

fn text(text: &str, out: &mut String) -> Option<()> {
    escape(&resolved(text)?, out);
    Some(())
}

/// Text or a value with its references resolved.
fn resolved(text: &str) -> Option<Cow<'_, str>> {
    let Some(mut at) = memchr(b'&', text.as_bytes()) else { return Some(Cow::Borrowed(text)) };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = match rest.as_bytes().get(1) {
            Some(b'#') => {
                let (c, after) = numbered(&rest[2..])?;
                out.push(c);
                after
            }
            Some(b) if b.is_ascii_alphanumeric() => {
                // The longest name in HTML has 32 letters.
                let end = rest.bytes().take(40).position(|b| b == b';')?;
                let (first, second) = html_entity(&rest[1..=end])?;
                out.push(first);
                out.extend(second);
                &rest[end + 1..]
            }
            // A lone one stands for itself.
            _ => {
                out.push('&');
                &rest[1..]
            }
        };
        match memchr(b'&', rest.as_bytes()) {
            Some(next) => at = next,
            None => break,
        }
    }
    out.push_str(rest);
    Some(Cow::Owned(out))
}

/// A character by its number: one that means what it says.
fn numbered(reference: &str) -> Option<(char, &str)> {
    let (digits, after) = reference.split_at_checked(reference.bytes().take(8).position(|b| b == b';')?)?;
    let number = match digits.strip_prefix(['x', 'X']) {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok()?,
        None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    let means_itself =
        matches!(number, 0x20..=0x7E | 0xA0..=0xFDCF | 0xFDF0..=0xFFFD | 0x1_0000..) && number & 0xFFFE != 0xFFFE;
    Some((char::from_u32(number).filter(|_| means_itself)?, &after[1..]))
}
