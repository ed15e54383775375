//! Text: the small rules that every format shares. Characters that XML may carry, URLs as strict readers want them,
//! dates, and what a person sees of sanitized HTML. Everything is linear in its input.

use std::borrow::Cow;

use crate::model::Time;

/// Visible characters of a derived summary, cut at a word.
pub const EXCERPT_CHARS: usize = 300;

/// Visible characters of a derived title, cut at a word.
pub const DERIVED_TITLE_CHARS: usize = 80;

/// The text without what the Char production of XML 1.0 forbids, which the writers write raw and no reader opens, and
/// without the control characters that it discourages: they come of a wrong charset and show as boxes.
pub fn xml(text: &str) -> Cow<'_, str> {
    if !has_unclean(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().filter(|c| is_clean(*c)).collect())
}

/// XML 1.0 §2.2, Char, without the controls that its note discourages. U+0085 is a line end.
pub fn is_clean(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        c => !c.is_control(),
    }
}

/// The same of UTF-8 bytes, a block at a time, so that clean text costs next to nothing.
fn has_unclean(bytes: &[u8]) -> bool {
    let control = |b: u8| (b < 0x20) & !((b == b'\t') | (b == b'\n') | (b == b'\r')) | (b == 0x7F);
    let after = |at: usize, n: usize| bytes.get(at + n).copied().unwrap_or_default();
    bytes.chunks(64).any(|block| block.iter().fold(false, |any, b| any | control(*b)))
        // U+0080 to U+009F, but for U+0085
        || memchr::memchr_iter(0xC2, bytes).any(|at| after(at, 1) < 0xA0 && after(at, 1) != 0x85)
        // U+FFFE and U+FFFF
        || memchr::memchr_iter(0xEF, bytes).any(|at| after(at, 1) == 0xBF && after(at, 2) >= 0xBE)
}

/// One line: every run of white space is one space, none at the ends.
pub fn line(text: &str) -> String {
    if is_line(text) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().filter(|c| is_clean(*c)));
    }
    line
}

fn is_line(text: &str) -> bool {
    let mut gap = true;
    for c in text.chars() {
        if c == ' ' && gap || c != ' ' && (c.is_whitespace() || !is_clean(c)) {
            return false;
        }
        gap = c == ' ';
    }
    !gap || text.is_empty()
}

/// A URL in the characters of RFC 3986 alone: IRIs become URIs, host names punycode, stray brackets, spaces and percent
/// signs are escaped. What is no absolute URL stays one that is none: the gate names it.
pub fn url(text: &str) -> Cow<'_, str> {
    if is_plain_uri(text) {
        return Cow::Borrowed(text);
    }
    match url::Url::parse(text) {
        Ok(parsed) => Cow::Owned(escape_uri(parsed.as_str())),
        Err(_) => Cow::Owned(escape_uri(text.trim())),
    }
}

/// Nothing to escape, and a scheme in front: the common case, checked without parsing.
fn is_plain_uri(text: &str) -> bool {
    let mut fragment = false;
    let plain = |b: u8| PLAIN[usize::from(b)] || b == b'#' && !std::mem::replace(&mut fragment, true);
    text.bytes().all(plain) && has_scheme(text.as_bytes())
}

/// Unreserved and reserved characters of RFC 3986 §2.2 and §2.3, but for `#`, `[` and `]`, which have one place each.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let allowed = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?@!$&'()*+,;=";
    let mut at = 0;
    while at < allowed.len() {
        plain[allowed[at] as usize] = true;
        at += 1;
    }
    plain
};

/// RFC 3986 §3.1: a letter, then letters, digits, `+`, `-`, `.`, then a colon.
pub fn has_scheme(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|b| !(b.is_ascii_alphanumeric() || b"+-.".contains(b)));
    bytes.first().is_some_and(u8::is_ascii_alphabetic) && end.is_some_and(|at| bytes.get(at) == Some(&b':'))
}

fn escape_uri(text: &str) -> String {
    let authority = text.find("://").map(|at| at + 3).map_or(0..0, |start| {
        let rest = text.get(start..).unwrap_or_default();
        start..start + rest.find(['/', '?', '#']).unwrap_or(rest.len())
    });
    let bytes = text.as_bytes();
    let mut uri = String::with_capacity(text.len() + 16);
    let mut fragment = false;
    for (at, &byte) in bytes.iter().enumerate() {
        let hex = |offset: usize| bytes.get(at + offset).is_some_and(u8::is_ascii_hexdigit);
        let keep = match byte {
            b'%' => hex(1) && hex(2),
            b'#' => !std::mem::replace(&mut fragment, true),
            b'[' | b']' => authority.contains(&at),
            _ => PLAIN[usize::from(byte)],
        };
        match keep {
            true => uri.push(char::from(byte)),
            false => push_percent(&mut uri, byte),
        }
    }
    uri
}

/// One segment of a path (a slug, a section's name, an id) as it stands in a URL: all but the unreserved characters of
/// RFC 3986 §2.3 is escaped.
pub fn segment(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => path.push(char::from(byte)),
            false => push_percent(&mut path, byte),
        }
    }
    path
}

fn push_percent(to: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    to.push('%');
    to.push(char::from(HEX[usize::from(byte >> 4)]));
    to.push(char::from(HEX[usize::from(byte & 15)]));
}

/// A language tag (BCP 47) that readers accept: `en_US` becomes `en-US`; what has no such shape is left out.
pub fn language(tag: &str) -> Option<String> {
    let tag = tag.trim().replace('_', "-");
    let mut parts = tag.split('-');
    let primary =
        parts.next().is_some_and(|p| (2..=3).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphabetic()));
    let further = parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    (primary && further).then_some(tag)
}

/// To the second, within the years that all formats can say (0001 to 9999).
pub fn instant(time: Time) -> Time {
    const FIRST: i64 = -62_135_596_800; // 0001-01-01T00:00:00Z
    const LAST: i64 = 253_402_300_799; // 9999-12-31T23:59:59Z
    Time::from_timestamp(time.timestamp().clamp(FIRST, LAST), 0).unwrap_or(Time::UNIX_EPOCH)
}

/// RFC 822 with a four-digit year, as RSS wants it: `Fri, 27 Mar 2026 08:05:00 +0000`.
pub fn rfc822(time: Time) -> String {
    use chrono::{Datelike, Timelike};
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let time = instant(time);
    let day = DAYS[time.weekday().num_days_from_monday() as usize % 7];
    let month = MONTHS[time.month0() as usize % 12];
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    format!("{day}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} +0000", time.day(), time.year())
}

/// RFC 3339 in UTC: `2026-03-27T08:05:00Z`.
pub fn rfc3339(time: Time) -> String {
    use chrono::{Datelike, Timelike};
    let time = instant(time);
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    format!("{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z", time.year(), time.month(), time.day())
}

/// `&`, `<`, `>` and quotes as HTML entities.
pub fn escape_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            c => html.push(c),
        }
    }
    html
}

/// What a person sees of sanitized HTML, on one line; reading stops soon after `chars` characters.
pub fn visible(html: &str, chars: usize) -> String {
    let mut seen = Seen::default();
    let mut rest = html;
    while !rest.is_empty() && seen.count <= chars {
        let markup = memchr::memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len());
        let (text, tail) = rest.split_at(markup);
        seen.push_str(text, chars);
        rest = match tail.as_bytes().first() {
            Some(b'<') => {
                let (tag, after) = split_tag(tail);
                if !is_inline(tag) {
                    seen.space();
                }
                after
            }
            Some(_) => {
                let (c, after) = split_reference(tail);
                seen.push(c);
                after
            }
            None => tail,
        };
    }
    seen.text
}

/// The text itself if it has at most `chars` characters, else its beginning cut at a word, with an ellipsis.
pub fn excerpt(text: &str, chars: usize) -> String {
    let Some((end, _)) = text.char_indices().nth(chars) else { return text.to_owned() };
    let head = text.get(..end).unwrap_or_default();
    // A script without spaces is cut where it is.
    let words = head.rfind(' ').filter(|at| *at > end / 2).and_then(|at| head.get(..at)).unwrap_or(head);
    format!("{}…", words.trim_end_matches([' ', ',', ';', ':', '-', '–', '—', '.']))
}

#[derive(Default)]
struct Seen {
    text: String,
    count: usize,
    /// A space is due before the next visible character.
    gap: bool,
}

impl Seen {
    fn push_str(&mut self, text: &str, chars: usize) {
        for c in text.chars() {
            self.push(c);
            if self.count > chars {
                return;
            }
        }
    }

    fn push(&mut self, c: char) {
        if c.is_whitespace() {
            return self.space();
        }
        if !is_clean(c) {
            return;
        }
        if std::mem::take(&mut self.gap) && !self.text.is_empty() {
            self.text.push(' ');
            self.count += 1;
        }
        self.text.push(c);
        self.count += 1;
    }

    fn space(&mut self) {
        self.gap = true;
    }
}

/// `<tag ...>` and what follows; quotes may hold `>`.
fn split_tag(html: &str) -> (&str, &str) {
    let mut quote = None;
    for (at, byte) in html.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return html.split_at(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    (html, "")
}

/// Tags that stand inside a word or a line; all others separate words.
fn is_inline(tag: &str) -> bool {
    let name = tag.trim_start_matches(['<', '/']);
    let name = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    matches!(
        name,
        "a" | "abbr"
            | "b"
            | "bdi"
            | "bdo"
            | "big"
            | "cite"
            | "code"
            | "data"
            | "del"
            | "dfn"
            | "em"
            | "font"
            | "i"
            | "ins"
            | "kbd"
            | "mark"
            | "q"
            | "rp"
            | "rt"
            | "ruby"
            | "s"
            | "samp"
            | "small"
            | "span"
            | "strike"
            | "strong"
            | "sub"
            | "sup"
            | "time"
            | "tt"
            | "u"
            | "var"
            | "wbr"
    )
}

/// `&amp;` or `&#x26;` and what follows. Sanitized HTML knows five names; any other ampersand stands for itself.
fn split_reference(html: &str) -> (char, &str) {
    const LONGEST: usize = 10;
    let end = html.bytes().take(LONGEST).position(|b| b == b';');
    let name = end.and_then(|end| html.get(1..end)).unwrap_or_default();
    let c = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => name.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok().and_then(char::from_u32),
            None => number.parse().ok().and_then(char::from_u32),
        }),
    };
    match (c, end) {
        (Some(c), Some(end)) => (c, html.get(end + 1..).unwrap_or_default()),
        _ => ('&', html.get(1..).unwrap_or_default()),
    }
}

/// The media type of a file by the ending of its URL's path; `application/octet-stream` when that says nothing.
pub fn media_type_by_ending(url: &str) -> &'static str {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("mp3") => "audio/mpeg",
        Some("m4a" | "m4b") => "audio/mp4",
        Some("ogg" | "oga") => "audio/ogg",
        Some("opus") => "audio/opus",
        Some("flac") => "audio/flac",
        Some("wav") => "audio/wav",
        Some("aac") => "audio/aac",
        Some("mp4" | "m4v") => "video/mp4",
        Some("webm") => "video/webm",
        Some("ogv") => "video/ogg",
        Some("mov") => "video/quicktime",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("png") => "image/png",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("avif") => "image/avif",
        Some("bmp") => "image/bmp",
        Some("tif" | "tiff") => "image/tiff",
        Some("ico") => "image/vnd.microsoft.icon",
        Some("svg") => "image/svg+xml",
        Some("pdf") => "application/pdf",
        Some("epub") => "application/epub+zip",
        _ => "application/octet-stream",
    }
}

/// The first `chars` characters, as they are.
pub fn excerpt_start(text: &str, chars: usize) -> String {
    line(text).chars().take(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_xml_characters_are_left() {
        assert!(matches!(xml("plain\t\r\n\u{85} ü 👩 \u{fffd}"), Cow::Borrowed(_)));
        assert_eq!(xml("a\0b\u{1}c\u{b}d\u{fffe}e\u{ffff}f\u{10ffff}"), "abcdef\u{10ffff}");
        for c in ('\0'..='\u{100}').chain('\u{ffe0}'..='\u{10010}') {
            let written = xml(&format!("é{c}")) == format!("é{c}");
            assert_eq!(written, is_clean(c), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn urls_hold_what_rfc_3986_allows() {
        for (given, written) in [
            ("https://e.example/a?b=c&d#e", "https://e.example/a?b=c&d#e"),
            ("https://bücher.example/ä b", "https://xn--bcher-kva.example/%C3%A4%20b"),
            ("http://e.example/?x=[1]|{2}#a#b", "http://e.example/?x=%5B1%5D%7C%7B2%7D#a%23b"),
            ("http://[::1]:8080/a", "http://[::1]:8080/a"),
            ("http://e.example/100%", "http://e.example/100%25"),
            ("http://e.example/%c3%A4", "http://e.example/%c3%A4"),
            ("mailto:a@e.example", "mailto:a@e.example"),
            ("urn:uuid:5b0e6a7c-93a0-5d5c-9a8e-4a7f1e9b0c01", "urn:uuid:5b0e6a7c-93a0-5d5c-9a8e-4a7f1e9b0c01"),
            ("/relative ü", "/relative%20%C3%BC"),
            ("", ""),
        ] {
            assert_eq!(url(given), written, "{given}");
            assert_eq!(url(written), written, "{written} stays as it is");
        }
    }

    #[test]
    fn dates_are_those_of_their_standards() {
        let time = "2026-03-07T08:05:09.9Z".parse::<Time>().unwrap();
        assert_eq!(rfc822(time), "Sat, 07 Mar 2026 08:05:09 +0000");
        assert_eq!(rfc3339(time), "2026-03-07T08:05:09Z");
        assert_eq!(rfc3339(Time::MAX_UTC), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(Time::MIN_UTC), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn what_people_see_of_markup() {
        for (html, seen) in [
            ("<p>One</p><p>two</p>", "One two"),
            ("H<sub>2</sub>O &amp; more&nbsp;<br>next", "H2O & more next"),
            ("<a title=\"a > b\">link</a>", "link"),
            ("&#8222;x&#x201C; &lt;b&gt; &bogus; & 1", "„x“ <b> &bogus; & 1"),
            ("  \n ", ""),
            ("<img src=\"x\">", ""),
            ("unclosed <a href=\"x", "unclosed"),
        ] {
            assert_eq!(visible(html, 1000), seen, "{html}");
        }
        assert!(visible(&"word ".repeat(100_000), 300).len() < 400, "reading stops");
    }

    #[test]
    fn excerpts_are_cut_at_words() {
        for (text, chars, cut) in [
            ("short", 10, "short"),
            ("exactly 10", 10, "exactly 10"),
            ("one two, three", 10, "one two…"),
            ("日本語の見出しは長い", 4, "日本語の…"),
            ("averyveryverylongword", 5, "avery…"),
        ] {
            assert_eq!(excerpt(text, chars), cut);
        }
    }

    #[test]
    fn language_tags_are_mended_or_left_out() {
        for (given, tag) in [
            ("en", Some("en")),
            ("en_US", Some("en-US")),
            ("zh-Hant-TW", Some("zh-Hant-TW")),
            ("english", None),
            ("", None),
            ("e n", None),
        ] {
            assert_eq!(language(given).as_deref(), tag, "{given}");
        }
    }

    #[test]
    fn segments_survive_any_path() {
        assert_eq!(segment("tag:e.example,2026:a/b?c#ü"), "tag%3Ae.example%2C2026%3Aa%2Fb%3Fc%23%C3%BC");
    }
}
