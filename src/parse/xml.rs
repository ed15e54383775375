//! Tokens of a document that claims to be XML, whatever it looks like.
//!
//! One pass over decoded text, nothing is copied and nothing is refused: what is no markup is text, what is cut ends
//! where the document does. No DTD is processed. Every search that may fail remembers that it did, so that the time is
//! linear in the document, however it is built.

use std::borrow::Cow;
use std::sync::LazyLock;

use html5ever::data::NAMED_ENTITIES;
use memchr::{memchr, memchr2, memmem};

use super::feed::Repairs;

/// What stands next in the document. Texts are raw: references are not yet resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token<'a> {
    Open(Tag<'a>),
    /// The name in an end tag.
    Close(&'a str),
    Text(&'a str),
    CData(&'a str),
    /// What stands between `<!DOCTYPE` and its end; never looked into, but it tells one format from another.
    DocType(&'a str),
}

/// A start tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// With its prefix, as written.
    pub name: &'a str,
    /// Everything between the name and the end of the tag.
    pub attributes: &'a str,
    /// `<name/>`
    pub empty: bool,
}

/// The tokens of one document.
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// For each needle that may be missing: where the last search began and what it found (`None`: nothing to the end).
    found: [Option<(usize, Option<usize>)>; 6],
    pub repairs: Repairs,
    /// The document ended in the middle of a tag.
    pub cut: bool,
    /// Sections that were put in others: as many ends are still to come that end nothing.
    stray_ends: u32,
}

/// Searches whose answer is kept.
#[derive(Clone, Copy)]
enum Needle {
    CDataEnd,
    CommentEnd,
    InstructionEnd,
    DoubleQuote,
    SingleQuote,
    DocTypeEnd,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a str) -> Self {
        Tokens { text, at: 0, found: [None; 6], repairs: Repairs::default(), cut: false, stray_ends: 0 }
    }

    /// Byte offset of the next token.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Go back to a place that [`Tokens::position`] named.
    pub fn rewind(&mut self, position: usize) {
        self.at = position;
    }

    /// The text of the whole document.
    pub fn document(&self) -> &'a str {
        self.text
    }

    /// The next token. `parent` is the name of the element that is open: a CDATA section that lacks its end stops at
    /// the end tag of that name.
    pub fn next(&mut self, parent: &str) -> Option<Token<'a>> {
        loop {
            let bytes = self.text.as_bytes();
            if *bytes.get(self.at)? != b'<' || !is_markup(bytes, self.at) {
                return Some(self.text_token());
            }
            let token = match bytes[self.at + 1] {
                b'/' => self.close(),
                b'!' => self.declaration(parent),
                b'?' => self.instruction(),
                _ => self.open(),
            };
            match token {
                Step::Token(token) => return Some(token),
                Step::Nothing => {}
                Step::NoMarkup => return Some(self.text_token()),
            }
        }
    }

    /// Text from here to the next markup; the first byte is text whatever it is.
    fn text_token(&mut self) -> Token<'a> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut from = start;
        if bytes[start] == b'<' {
            self.repairs.note("less-than sign in text");
            from += 1;
        }
        self.at = loop {
            match memchr(b'<', &bytes[from..]) {
                None => break bytes.len(),
                Some(offset) if is_markup(bytes, from + offset) => break from + offset,
                Some(offset) => {
                    self.repairs.note("less-than sign in text");
                    from += offset + 1;
                }
            }
        };
        if self.stray_ends > 0
            && let Some(offset) = memmem::find(&bytes[start..self.at], b"]]>")
        {
            self.stray_ends -= 1;
            self.at = start + offset + 3;
            return Token::Text(&self.text[start..start + offset]);
        }
        Token::Text(&self.text[start..self.at])
    }

    fn close(&mut self) -> Step<'a> {
        let bytes = self.text.as_bytes();
        let start = self.at + 2;
        let Some(offset) = memchr2(b'>', b'<', &bytes[start..]) else {
            self.cut = true;
            self.at = bytes.len();
            return Step::Nothing;
        };
        let end = start + offset;
        self.at = if bytes[end] == b'>' { end + 1 } else { end };
        Step::Token(Token::Close(self.text[start..end].trim_ascii()))
    }

    fn open(&mut self) -> Step<'a> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut i = start;
        while let Some(b) = bytes.get(i) {
            match b {
                b'>' | b'/' | b' ' | b'\n' | b'\t' | b'\r' | b'<' | b'=' | b'"' | b'\'' => break,
                _ => i += 1,
            }
        }
        let name = &self.text[start..i];
        // "John <john@example.org>" and "<http://example.org/>" are no tags.
        if name.ends_with(':') || name.contains('@') {
            return Step::NoMarkup;
        }
        let attributes = i;
        let mut after_equals = false;
        loop {
            match bytes.get(i) {
                None => {
                    self.cut = true;
                    self.at = bytes.len();
                    return Step::Nothing;
                }
                Some(b'>') => {
                    let mut end = i;
                    let empty = end > attributes && bytes[end - 1] == b'/' && !after_equals;
                    if empty {
                        end -= 1;
                    }
                    self.at = i + 1;
                    let attributes = &self.text[attributes..end];
                    return Step::Token(Token::Open(Tag { name, attributes, empty }));
                }
                Some(b'<') => {
                    let attributes = &self.text[attributes..i];
                    if !attributes.contains('=') && !attributes.trim().is_empty() {
                        return Step::NoMarkup;
                    }
                    self.repairs.note("tag without its end");
                    self.at = i;
                    return Step::Token(Token::Open(Tag { name, attributes, empty: false }));
                }
                Some(b'=') => {
                    after_equals = true;
                    i += 1;
                }
                Some(&quote @ (b'"' | b'\'')) if after_equals => {
                    after_equals = false;
                    i = self.quoted_end(i + 1, quote);
                }
                Some(b) => {
                    after_equals &= b.is_ascii_whitespace();
                    i += 1;
                }
            }
        }
    }

    /// After the closing quote of a value that begins at `from`; `from` itself when the quote is never really closed.
    fn quoted_end(&mut self, from: usize, quote: u8) -> usize {
        let bytes = self.text.as_bytes();
        // Nearly every value is short and sound.
        let near = &bytes[from..bytes.len().min(from + 64)];
        if let Some(offset) = memchr(quote, near)
            && memchr2(b'<', b'>', &near[..offset]).is_none()
        {
            return from + offset + 1;
        }
        let needle = if quote == b'"' { Needle::DoubleQuote } else { Needle::SingleQuote };
        let Some(end) = self.find(needle, from) else {
            self.repairs.note("attribute without its closing quote");
            return from;
        };
        // In `<a b="c>text <d e="f">` the quote that closes is not the one that was meant.
        let closes = matches!(bytes.get(end + 1), None | Some(b' ' | b'\n' | b'\t' | b'\r' | b'/' | b'>' | b'?'));
        if !closes && memchr(b'>', &bytes[from..end]).is_some() {
            self.repairs.note("attribute without its closing quote");
            return from;
        }
        end + 1
    }

    fn declaration(&mut self, parent: &str) -> Step<'a> {
        let rest = &self.text.as_bytes()[self.at..];
        if starts_cdata(rest) {
            return self.cdata(parent);
        }
        if rest.starts_with(b"<!--") {
            let end = self.find(Needle::CommentEnd, self.at + 4).map(|end| end + 3);
            self.at = end.unwrap_or_else(|| self.after_angle());
            return Step::Nothing;
        }
        if rest.len() > 9 && rest[..9].eq_ignore_ascii_case(b"<!DOCTYPE") {
            return self.doctype();
        }
        self.at = self.after_angle();
        Step::Nothing
    }

    fn cdata(&mut self, parent: &str) -> Step<'a> {
        let bytes = self.text.as_bytes();
        let start = self.at + 9;
        let end = self.find(Needle::CDataEnd, start);
        let stop = end.unwrap_or(bytes.len());
        // An end that belongs to a later section means that this one lacks its own, or that one was put in another.
        let nested = MARKED_SECTION
            .find_iter(&bytes[start..stop])
            .map(|offset| start + offset)
            .find(|at| starts_cdata(&bytes[*at..stop]));
        if end.is_none() || nested.is_some() {
            let limit = nested.unwrap_or(stop);
            if let Some(tag) = end_tag(&self.text[start..limit], parent) {
                self.repairs.note("CDATA section without its end");
                self.at = start + tag;
                return Step::Token(Token::CData(&self.text[start..start + tag]));
            }
        }
        match (end, nested) {
            (_, Some(nested)) => {
                self.repairs.note("CDATA section in another");
                self.stray_ends += 1;
                self.at = nested;
                Step::Token(Token::CData(&self.text[start..nested]))
            }
            (Some(end), None) => {
                self.at = end + 3;
                Step::Token(Token::CData(&self.text[start..end]))
            }
            (None, None) => {
                self.repairs.note("CDATA section without its end");
                self.at = bytes.len();
                Step::Token(Token::CData(&self.text[start..]))
            }
        }
    }

    fn doctype(&mut self) -> Step<'a> {
        let bytes = self.text.as_bytes();
        let start = self.at + 9;
        let first = memchr2(b'>', b'[', &bytes[start..]).map(|offset| start + offset);
        let end = match first {
            Some(bracket) if bytes[bracket] == b'[' => self.find(Needle::DocTypeEnd, bracket).map(|end| end + 1),
            other => other,
        };
        self.at = match end {
            Some(end) => memchr(b'>', &bytes[end..]).map_or(bytes.len(), |offset| end + offset + 1),
            None => {
                self.repairs.note("DOCTYPE without its end");
                self.after_angle()
            }
        };
        let stop = first.unwrap_or(self.at).clamp(start.min(self.at), self.at);
        Step::Token(Token::DocType(&self.text[start.min(stop)..stop]))
    }

    fn instruction(&mut self) -> Step<'a> {
        let end = self.find(Needle::InstructionEnd, self.at + 2).map(|end| end + 2);
        self.at = end.unwrap_or_else(|| self.after_angle());
        Step::Nothing
    }

    /// After the next `>`: where unknown or unfinished markup is given up.
    fn after_angle(&self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        memchr(b'>', rest).map_or(self.text.len(), |offset| self.at + offset + 1)
    }

    /// The first place of the needle at or after `from`. The last answer is reused while it is still one.
    fn find(&mut self, needle: Needle, from: usize) -> Option<usize> {
        if let Some((began, answer)) = self.found[needle as usize]
            && began <= from
            && answer.is_none_or(|at| at >= from)
        {
            return answer;
        }
        let rest = &self.text.as_bytes()[from..];
        let offset = match needle {
            Needle::CDataEnd => CDATA_END.find(rest),
            Needle::CommentEnd => memmem::find(rest, b"-->"),
            Needle::InstructionEnd => memmem::find(rest, b"?>"),
            Needle::DoubleQuote => memchr(b'"', rest),
            Needle::SingleQuote => memchr(b'\'', rest),
            Needle::DocTypeEnd => memchr::memchr_iter(b']', rest)
                .find(|&at| rest[at + 1..].iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|&b| b == b'>')),
        };
        let answer = offset.map(|offset| from + offset);
        self.found[needle as usize] = Some((from, answer));
        answer
    }
}

static MARKED_SECTION: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("<!["));

fn starts_cdata(bytes: &[u8]) -> bool {
    bytes.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<![CDATA["))
}
static CDATA_END: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("]]>"));

/// What a piece of markup turned out to be.
enum Step<'a> {
    Token(Token<'a>),
    /// A comment, an instruction: on to the next.
    Nothing,
    /// Text that begins like a tag.
    NoMarkup,
}

/// Does the `<` at `at` begin markup?
fn is_markup(bytes: &[u8], at: usize) -> bool {
    let starts_name = |b: u8| b.is_ascii_alphabetic() || b == b'_' || b >= 0x80;
    match bytes.get(at + 1) {
        Some(b'/') => bytes.get(at + 2).is_some_and(|&b| starts_name(b)),
        Some(b'!') => bytes.get(at + 2).is_some_and(|&b| b == b'[' || b == b'-' || b.is_ascii_alphabetic()),
        Some(b'?') => true,
        Some(&b) => starts_name(b),
        None => false,
    }
}

/// Where in `text` the end tag of `name` begins.
fn end_tag(text: &str, name: &str) -> Option<usize> {
    if name.is_empty() {
        return None;
    }
    memmem::find_iter(text.as_bytes(), b"</").find(|&at| {
        let rest = &text.as_bytes()[at + 2..];
        rest.starts_with(name.as_bytes()) && rest.get(name.len()).is_none_or(|&b| b == b'>' || b.is_ascii_whitespace())
    })
}

/// Name and raw value of each attribute, in order, as far as the limit goes.
pub fn attributes(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let bytes = text.as_bytes();
    // Every place that is cut at is before or after an ASCII byte.
    let until = move |from: usize, stop: fn(u8) -> bool| {
        bytes[from..].iter().position(|&b| stop(b)).map_or(bytes.len(), |offset| from + offset)
    };
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = until(at, |b| !b.is_ascii_whitespace() && !matches!(b, b'/' | b'"' | b'\'' | b'='));
        if start == bytes.len() {
            return None;
        }
        let end = until(start, |b| b.is_ascii_whitespace() || b == b'=');
        let name = &text[start..end];
        let equals = until(end, |b| !b.is_ascii_whitespace());
        if bytes.get(equals) != Some(&b'=') {
            at = end;
            return Some((name, ""));
        }
        let value = until(equals + 1, |b| !b.is_ascii_whitespace());
        let (value, after) = match bytes.get(value) {
            Some(&quote @ (b'"' | b'\'')) => {
                let close = memchr(quote, &bytes[value + 1..]).map_or(bytes.len(), |offset| value + 1 + offset);
                (&text[value + 1..close], (close + 1).min(bytes.len()))
            }
            _ => {
                let end = until(value, |b| b.is_ascii_whitespace());
                (&text[value..end], end)
            }
        };
        at = after;
        Some((name, value))
    })
    .take(super::MAX_ATTRIBUTES)
}

/// Text with its references resolved: the predefined ones, those of HTML, numbers; others stay as they are.
pub fn unescape<'a>(raw: &'a str, repairs: &mut Repairs) -> Cow<'a, str> {
    let Some(first) = memchr(b'&', raw.as_bytes()) else { return Cow::Borrowed(raw) };
    let mut out = String::with_capacity(raw.len());
    let mut copied = 0;
    let mut from = first;
    loop {
        match reference(&raw[from..]) {
            Some((length, resolved)) => {
                out.push_str(&raw[copied..from]);
                match resolved {
                    Resolved::Char(c) => out.push(c),
                    Resolved::Html(first, second) => {
                        repairs.note("HTML entity");
                        out.push(first);
                        out.extend(second);
                    }
                    Resolved::Mended(c) => {
                        repairs.note("reference to no character");
                        out.extend(c);
                    }
                }
                from += length;
                copied = from;
            }
            None => {
                repairs.note("lone ampersand");
                from += 1;
            }
        }
        match memchr(b'&', &raw.as_bytes()[from..]) {
            Some(offset) => from += offset,
            None => break,
        }
    }
    out.push_str(&raw[copied..]);
    Cow::Owned(out)
}

/// What a reference stands for.
enum Resolved {
    Char(char),
    Html(char, Option<char>),
    /// A number that names no character of XML: read as windows-1252, or nothing.
    Mended(Option<char>),
}

/// The reference that the text begins with, and its length in bytes.
fn reference(text: &str) -> Option<(usize, Resolved)> {
    let bytes = text.as_bytes();
    // The longest name in HTML has 32 letters.
    let end = bytes.iter().take(40).position(|&b| b == b';');
    if bytes.get(1) == Some(&b'#') {
        return numeric(bytes);
    }
    let end = end?;
    let resolved = match &bytes[1..end] {
        b"amp" => Resolved::Char('&'),
        b"lt" => Resolved::Char('<'),
        b"gt" => Resolved::Char('>'),
        b"quot" => Resolved::Char('"'),
        b"apos" => Resolved::Char('\''),
        _ => {
            let (first, second) = html_entity(&text[1..=end])?;
            Resolved::Html(first, second)
        }
    };
    Some((end + 1, resolved))
}

/// An HTML entity by its name with the semicolon.
pub fn html_entity(name: &str) -> Option<(char, Option<char>)> {
    let lookup = |name: &str| NAMED_ENTITIES.get(name).copied().filter(|&(first, _)| first != 0);
    let (first, second) = lookup(name)?;
    Some((char::from_u32(first)?, char::from_u32(second).filter(|_| second != 0)))
}

/// `&#233;`, `&#xE9;`, with or without the semicolon.
fn numeric(bytes: &[u8]) -> Option<(usize, Resolved)> {
    let (radix, start) = if matches!(bytes.get(2), Some(b'x' | b'X')) { (16, 3) } else { (10, 2) };
    let digits = bytes[start..].iter().take_while(|b| (**b as char).is_digit(radix)).count();
    if digits == 0 {
        return None;
    }
    let end = start + digits;
    let length = end + usize::from(bytes.get(end) == Some(&b';'));
    let value = bytes[start..end]
        .iter()
        .try_fold(0_u32, |value, &b| value.checked_mul(radix)?.checked_add((b as char).to_digit(radix)?));
    let resolved = match value.unwrap_or(u32::MAX) {
        code @ 0x80..=0x9F => Resolved::Mended(windows_1252(code)),
        code => match char::from_u32(code) {
            Some(c) if is_xml_char(c) => Resolved::Char(c),
            Some(_) => Resolved::Mended(None),
            None => Resolved::Mended(Some(char::REPLACEMENT_CHARACTER)),
        },
    };
    Some((length, resolved))
}

/// What windows-1252 has at a place where Unicode has a control character.
pub fn windows_1252(code: u32) -> Option<char> {
    let byte = [u8::try_from(code).ok()?];
    let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&byte);
    text.chars().next().filter(|c| !c.is_control())
}

/// Appends a text to HTML, markup characters escaped; fit for attributes too.
pub fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
}

/// A character that XML 1.0 (§2.2) allows.
pub fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
