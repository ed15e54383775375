//! Clean: foreign markup in, sanitized HTML with absolute URLs out; titles in, plain text out.
//!
//! May use: `model`, the types of `parse`, `sanitize`. Text without markup skips the HTML parser; markup that is too
//! deep for it becomes text.

use std::borrow::Cow;

use url::Url;

use super::sanitize;
use crate::model::Html;
use crate::parse::Limits;
use crate::parse::feed::{Text, TextKind};
use crate::parse::xml;
use crate::swar::{self, Eight};

/// Any text construct as sanitized HTML; `None` when nothing visible and no media is left.
pub fn text(text: &Text) -> Option<Html> {
    let is_markup = match text.kind {
        TextKind::Plain => false,
        TextKind::Html => true,
        TextKind::Undeclared => has_entity(&text.value) || has_closed_tag(&text.value),
    };
    let html = if is_markup { html(&text.value, text.base.as_ref()) } else { plain(&text.value) };
    is_visible(&html.0).then_some(html)
}

/// Sanitized HTML, relative addresses resolved against `base`. Text without a tag keeps its paragraphs.
pub fn html(markup: &str, base: Option<&Url>) -> Html {
    let markup = markup.trim();
    if memchr::memchr(b'<', markup.as_bytes()).is_none() {
        return plain(&xml::unescape(markup, &mut Default::default()));
    }
    let Some(safe) = sanitize::sanitize(markup, base) else { return plain(&strip(markup)) };
    let trimmed = safe.trim();
    Html(if trimmed.len() == safe.len() { safe } else { trimmed.to_owned() })
}

/// The text that a reader sees, white space collapsed.
pub fn visible(html: &Html) -> String {
    collapse(&strip(&html.0))
}

/// The same with its white space as it was written: for who looks at words only, and the cheaper.
pub fn words(html: &Html) -> String {
    strip(&html.0)
}

/// A title as plain text: Atom's type decides; an RSS title is decoded again only if what is left holds a known entity
/// or a closed inline tag, so that a lone `<b>` stays what someone wrote about.
pub fn title(text: &Text) -> String {
    let plain = match text.kind {
        TextKind::Plain => Cow::Borrowed(text.value.as_str()),
        TextKind::Html => Cow::Owned(strip(&text.value)),
        TextKind::Undeclared if has_closed_tag(&text.value) => Cow::Owned(strip(&text.value)),
        TextKind::Undeclared => xml::unescape(&text.value, &mut Default::default()),
    };
    let mut title = collapse(&xml_safe(&plain));
    if let Some((end, _)) = title.char_indices().nth(Limits::default().title_chars) {
        title.truncate(end);
    }
    title
}

/// The text without the characters that XML 1.0 forbids (§2.2).
pub fn xml_safe(text: &str) -> Cow<'_, str> {
    if !crate::parse::charset::has_forbidden(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|&c| xml::is_xml_char(c)).collect())
}

/// Text as HTML.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    sanitize::escape(text, &mut out);
    out
}

/// Plain text as HTML, a paragraph for each block between blank lines if there is more than one.
fn plain(text: &str) -> Html {
    let text = text.trim();
    if !has_blank_line(text) {
        return Html(escape(text));
    }
    let mut out = String::with_capacity(text.len() + 64);
    let mut open = false;
    for line in text.lines() {
        if line.trim().is_empty() {
            if open {
                out.push_str("</p>\n");
            }
            open = false;
        } else {
            out.push_str(if open { "\n" } else { "<p>" });
            sanitize::escape(line.trim_end(), &mut out);
            open = true;
        }
    }
    if open {
        out.push_str("</p>");
    }
    Html(out)
}

fn has_blank_line(text: &str) -> bool {
    memchr::memchr_iter(b'\n', text.as_bytes()).any(|at| {
        let after = text.as_bytes()[at + 1..].iter().find(|b| !matches!(b, b' ' | b'\t' | b'\r'));
        after == Some(&b'\n')
    })
}

/// Is there anything to see, or to play?
fn is_visible(html: &str) -> bool {
    let mut rest = html;
    loop {
        let Some(at) = memchr::memchr(b'<', rest.as_bytes()) else { return !is_blank(rest) };
        if !is_blank(&rest[..at]) {
            return true;
        }
        let tag = &rest[at..];
        if ["<img", "<video", "<audio"].iter().any(|media| tag.starts_with(media)) {
            return true;
        }
        rest = memchr::memchr(b'>', tag.as_bytes()).map_or("", |end| &tag[end + 1..]);
    }
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || matches!(c, '\u{200B}' | '\u{FEFF}'))
}

/// The words of a text with one space between them. By bytes, since nearly all of most texts is ASCII, and in runs of
/// words that stand so already.
pub fn collapse(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    // Where the run begins that is yet to be copied; `None`: between words.
    let (mut at, mut run) = (0, None);
    while let Some(&b) = bytes.get(at) {
        if run.is_some() {
            let ahead = regular(&bytes[at..]);
            if ahead > 0 {
                at += ahead;
                continue;
            }
            let word = bytes[at..].iter().take_while(|b| b.is_ascii_graphic()).count();
            // The space between two words.
            let is_regular =
                bytes.get(at + word) == Some(&b' ') && bytes.get(at + word + 1).is_some_and(u8::is_ascii_graphic);
            if word > 0 || is_regular {
                at += word + usize::from(is_regular);
                continue;
            }
        }
        let (is_space, width) = if b.is_ascii() {
            (matches!(b, b' ' | b'\t'..=b'\r'), 1)
        } else {
            text[at..].chars().next().map_or((false, 1), |c| (c.is_whitespace(), c.len_utf8()))
        };
        match run {
            None if !is_space => run = Some(at),
            Some(from) if is_space => {
                push_words(&mut out, &text[from..at]);
                run = None;
            }
            _ => {}
        }
        at += width;
    }
    if let Some(from) = run {
        push_words(&mut out, &text[from..]);
    }
    out
}

/// How many bytes follow that are words with one space between them, eight at a time; a space at their end does not count.
fn regular(bytes: &[u8]) -> usize {
    // What stands before the first one may be a space.
    let mut after_space = true;
    let mut count = 0;
    for eight in bytes.as_chunks::<8>().0 {
        let eight = Eight::of(*eight);
        let spaces = eight.is(b' ');
        let doubled = spaces & (spaces >> 8) != 0 || (after_space && spaces >> 63 != 0);
        if eight.within(b' ', b'~') != swar::ALL || doubled {
            break;
        }
        after_space = spaces & 0x80 != 0;
        count += 8;
    }
    count - usize::from(count > 0 && after_space)
}

fn push_words(out: &mut String, words: &str) {
    if !out.is_empty() {
        out.push(' ');
    }
    out.push_str(words);
}

/// `&eacute;`, `&#233;`: would anything be resolved?
fn has_entity(text: &str) -> bool {
    matches!(xml::unescape(text, &mut Default::default()), Cow::Owned(resolved) if resolved != text)
}

/// Does an element that is allowed in a line have both its tags, or need no second?
fn has_closed_tag(text: &str) -> bool {
    const INLINE: [&str; 34] = [
        "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "blink", "cite", "code", "del", "div", "dfn", "em", "font",
        "i", "ins", "kbd", "mark", "p", "q", "s", "samp", "script", "small", "span", "strike", "strong", "style",
        "sub", "sup", "tt", "u", "var",
    ];
    let Some(first) = memchr::memchr(b'<', text.as_bytes()) else { return false };
    let lower = text[first..].to_ascii_lowercase();
    let opens = |name: &str| {
        memchr::memmem::find_iter(lower.as_bytes(), b"<").any(|at| {
            let after = &lower[at + 1..];
            after.starts_with(name) && after[name.len()..].starts_with([' ', '>', '/', '\n', '\t'])
        })
    };
    if ["br", "img", "wbr"].iter().any(|name| opens(name)) {
        return true;
    }
    let mut closes = memchr::memmem::find_iter(lower.as_bytes(), b"</").take(16);
    closes.any(|at| {
        let name = lower[at + 2..].split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
        INLINE.contains(&name) && opens(name)
    })
}

/// The text of markup: tags, comments, scripts and styles left out, references resolved. Blocks are kept apart.
pub(super) fn strip(markup: &str) -> String {
    let mut out = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let tag = &rest[at + 1..];
        let name_at = usize::from(tag.starts_with('/'));
        if let Some(comment) = tag.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        if !tag[name_at..].starts_with(|c: char| c.is_ascii_alphabetic()) && !tag.starts_with(['!', '?']) {
            out.push('<');
            rest = tag;
            continue;
        }
        let mut letters = [0; 12];
        let name = lower_name(&tag[name_at..], &mut letters);
        rest = after_tag(tag);
        match name {
            "script" | "style" if name_at == 0 => rest = after_end(rest, name),
            "p" | "div" | "br" | "li" | "ul" | "ol" | "tr" | "td" | "th" | "table" | "h1" | "h2" | "h3" | "h4"
            | "h5" | "h6" | "hr" | "blockquote" | "pre" | "dt" | "dd" | "figure" | "figcaption" | "section"
            | "article" | "header" | "footer" => out.push('\n'),
            _ => {}
        }
    }
    out.push_str(rest);
    match xml::unescape(&out, &mut Default::default()) {
        Cow::Owned(resolved) => resolved,
        Cow::Borrowed(_) => out,
    }
}

/// The name of a tag in lower case, or its beginning.
fn lower_name<'a>(tag: &str, letters: &'a mut [u8; 12]) -> &'a str {
    let length = tag.bytes().take(letters.len()).take_while(u8::is_ascii_alphanumeric).count();
    letters[..length].copy_from_slice(&tag.as_bytes()[..length]);
    letters[..length].make_ascii_lowercase();
    std::str::from_utf8(&letters[..length]).unwrap_or_default()
}

/// What follows a tag whose name begins here; a value in quotes may hold `>`.
fn after_tag(tag: &str) -> &str {
    let bytes = tag.as_bytes();
    let (mut at, mut after_equals) = (0, false);
    while let Some(&b) = bytes.get(at) {
        at += 1;
        match b {
            b'>' => return &tag[at..],
            b'"' | b'\'' if after_equals => {
                after_equals = false;
                at += memchr::memchr(b, &bytes[at..]).map_or(0, |end| end + 1);
            }
            b'=' => after_equals = true,
            b if b.is_ascii_whitespace() => {}
            _ => after_equals = false,
        }
    }
    ""
}

/// What follows the end tag of `name`.
fn after_end<'a>(text: &'a str, name: &str) -> &'a str {
    let end = memchr::memmem::find_iter(text.as_bytes(), b"</").find(|at| {
        text.as_bytes()
            .get(at + 2..at + 2 + name.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
    });
    end.map_or("", |at| after_tag(&text[at + 2..]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn collapsed_are_the_words(text in "[ \t\n\r\u{A0}\u{3000}\u{1}ab<é]{0,40}") {
            prop_assert_eq!(collapse(&text), text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}
