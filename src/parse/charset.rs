//! Charset: bytes to text, whatever they claim to be.
//!
//! The order is that of browsers and of RFC 7303: byte order mark, HTTP header, XML declaration, UTF-8, detection. A
//! name that is wrong by what the bytes say is not believed. UTF-7 is never read. What cannot be decoded becomes
//! U+FFFD, characters that XML 1.0 forbids are dropped; the rest lives.

use std::borrow::Cow;
use std::sync::LazyLock;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use memchr::memmem;

use super::code_pages;
use super::feed::Repairs;

/// Text, and how it was found.
#[derive(Debug, Clone)]
pub struct Decoded<'a> {
    /// Without a byte order mark and without characters that XML 1.0 forbids.
    pub text: Cow<'a, str>,
    /// Name of the encoding as the WHATWG Encoding Standard has it, "UTF-32BE" or "UTF-32LE".
    pub charset: &'static str,
    pub repairs: Repairs,
}

/// Decode a document. `content_type` is the HTTP header, verbatim; an XML declaration or HTML `meta` is looked for in
/// the bytes themselves.
pub fn decode<'a>(bytes: &'a [u8], content_type: Option<&str>) -> Decoded<'a> {
    let mut repairs = Repairs::default();
    let (text, charset) = to_text(bytes, content_type, &mut repairs);
    let text = without_forbidden(text, &mut repairs);
    Decoded { text, charset, repairs }
}

/// What kind of file this is when it is certainly no text.
pub fn binary(bytes: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 11] = [
        (b"\x1F\x8B", "a gzip file"),
        (b"PK\x03\x04", "a zip file"),
        (b"%PDF-", "a PDF file"),
        (b"\x89PNG", "a picture"),
        (b"\xFF\xD8\xFF", "a picture"),
        (b"GIF8", "a picture"),
        (b"BZh", "a bzip2 file"),
        (b"\xFD7zXZ", "an xz file"),
        (b"\x28\xB5\x2F\xFD", "a zstd file"),
        (b"ID3", "an audio file"),
        (b"\x7FELF", "a program"),
    ];
    KINDS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what)
}

fn to_text<'a>(bytes: &'a [u8], content_type: Option<&str>, repairs: &mut Repairs) -> (Cow<'a, str>, &'static str) {
    if let Some((text, charset)) = utf32(bytes) {
        return (Cow::Owned(text), charset);
    }
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        return (with(encoding, &bytes[length..], repairs), encoding.name());
    }
    if let Some(encoding) = utf16_without_mark(bytes) {
        return (with(encoding, bytes, repairs), encoding.name());
    }
    let in_declaration = |text: &str| declaration(text.as_bytes()).map(str::to_owned);
    if let Some((text, charset)) = code_pages::decode_ebcdic(bytes, in_declaration) {
        return (Cow::Owned(text), charset);
    }
    let declared = declared(bytes, content_type);
    if declared.is_none() && !bytes.is_ascii() {
        let named = content_type.and_then(charset_parameter).or_else(|| declaration(bytes));
        if let Some((text, charset)) = named.and_then(|name| code_pages::decode(bytes, name)) {
            return (Cow::Owned(text), charset);
        }
    }
    // UTF-8 that is valid is UTF-8: no other encoding in use makes such bytes by accident, ASCII aside.
    if let Ok(text) = std::str::from_utf8(bytes) {
        match declared {
            Some(encoding) if encoding != UTF_8 => {
                if !bytes.is_ascii() && encoding.is_single_byte() {
                    repairs.note("wrong charset declared");
                } else if !encoding.is_ascii_compatible() {
                    if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
                        return (text, encoding.name());
                    }
                } else if !encoding.is_single_byte() {
                    // Bytes that are not what they are said to be are not taken for it.
                    if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(bytes) {
                        return (text, encoding.name());
                    }
                    repairs.note("wrong charset declared");
                }
            }
            _ => {}
        }
        return (Cow::Borrowed(text), UTF_8.name());
    }
    if let Some(encoding) = declared.filter(|encoding| *encoding != UTF_8 && encoding.is_ascii_compatible()) {
        let (text, failed) = encoding.decode_without_bom_handling(bytes);
        if !failed {
            return (text, encoding.name());
        }
    }
    detected(bytes, declared, repairs)
}

/// Neither UTF-8 nor what was declared: mostly UTF-8 with a few wrong bytes, or another encoding altogether.
fn detected<'a>(
    bytes: &'a [u8],
    declared: Option<&'static Encoding>,
    repairs: &mut Repairs,
) -> (Cow<'a, str>, &'static str) {
    let (good, bad) = utf8_counts(bytes);
    // Other encodings make such sequences by accident, but more that are none.
    if good > bad {
        return (with(UTF_8, bytes, repairs), UTF_8.name());
    }
    repairs.note(if declared.is_some() { "wrong charset declared" } else { "no charset declared" });
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    let encoding = match declared {
        Some(encoding) if encoding != UTF_8 && encoding.is_ascii_compatible() => encoding,
        _ => detector.guess(None, Utf8Detection::Deny),
    };
    (with(encoding, bytes, repairs), encoding.name())
}

/// Sequences of more than one byte that are UTF-8, and bytes that are not.
fn utf8_counts(bytes: &[u8]) -> (usize, usize) {
    bytes.utf8_chunks().fold((0, 0), |(good, bad), chunk| {
        let multibyte = chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        (good + multibyte, bad + usize::from(!chunk.invalid().is_empty()))
    })
}

fn with<'a>(encoding: &'static Encoding, bytes: &'a [u8], repairs: &mut Repairs) -> Cow<'a, str> {
    let (text, failed) = encoding.decode_without_bom_handling(bytes);
    if failed {
        repairs.note("undecodable bytes");
    }
    text
}

/// The charset that the header names, else that of the XML declaration.
fn declared(bytes: &[u8], content_type: Option<&str>) -> Option<&'static Encoding> {
    content_type
        .and_then(charset_parameter)
        .and_then(encoding)
        .or_else(|| declaration(bytes).or_else(|| meta(bytes)).and_then(encoding))
}

/// `charset` of a media type.
fn charset_parameter(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches(['"', '\'']))
    })
}

/// `encoding` of the XML declaration.
fn declaration(bytes: &[u8]) -> Option<&str> {
    let head = &bytes[..bytes.len().min(1024)];
    let start = DECLARATION.find(head)?;
    let end = start + memchr::memchr(b'>', &head[start..])?;
    let text = std::str::from_utf8(&head[start..end]).ok()?;
    let value = text.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    value[1..].split(quote).next()
}

/// `charset` of an HTML `meta`, in either of its forms.
fn meta(bytes: &[u8]) -> Option<&str> {
    let head = &bytes[..bytes.len().min(1024)];
    let found = |at: usize| head.get(at..at + 5).is_some_and(|tag| tag.eq_ignore_ascii_case(b"<meta"));
    memchr::memchr_iter(b'<', head).filter(|at| found(*at)).find_map(|at| {
        let end = at + memchr::memchr(b'>', &head[at..])?;
        let tag = std::str::from_utf8(&head[at..end]).ok()?;
        let name = tag.to_ascii_lowercase().find("charset=")? + "charset=".len();
        let value = tag.get(name..)?.trim_start_matches(['"', '\'', ' ']);
        value.split(['"', '\'', ' ', ';', '/']).next().filter(|value| !value.is_empty())
    })
}

/// An encoding by any of its names. UTF-7 is none; UTF-16 without a mark that its bytes belie is none either.
fn encoding(name: &str) -> Option<&'static Encoding> {
    let name = name.trim();
    let found = Encoding::for_label_no_replacement(name.as_bytes())?;
    (found != UTF_16BE && found != UTF_16LE).then_some(found)
}

/// UTF-16 shows in the zero bytes around the first `<` or `{`.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0, b'<' | b'{' | b' ' | b'\n', 0, b, ..] if *b != 0 => Some(UTF_16BE),
        [b'<' | b'{' | b' ' | b'\n', 0, b, 0, ..] if *b != 0 => Some(UTF_16LE),
        _ => None,
    }
}

/// UTF-32, by its mark or by its zero bytes.
fn utf32(bytes: &[u8]) -> Option<(String, &'static str)> {
    let (big, skip) = match bytes {
        [0, 0, 0xFE, 0xFF, ..] => (true, 4),
        [0xFF, 0xFE, 0, 0, ..] => (false, 4),
        [0, 0, 0, b'<' | b'{', ..] => (true, 0),
        [b'<' | b'{', 0, 0, 0, ..] => (false, 0),
        _ => return None,
    };
    let text = bytes[skip..]
        .chunks_exact(4)
        .map(|unit| {
            let unit = [unit[0], unit[1], unit[2], unit[3]];
            let code = if big { u32::from_be_bytes(unit) } else { u32::from_le_bytes(unit) };
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        })
        .collect();
    Some((text, if big { "UTF-32BE" } else { "UTF-32LE" }))
}

/// The text without what XML 1.0 forbids (§2.2), and with what windows-1252 has where Unicode has the other control
/// characters: nobody means those.
fn without_forbidden<'a>(text: Cow<'a, str>, repairs: &mut Repairs) -> Cow<'a, str> {
    let high_controls = has_high_controls(text.as_bytes());
    if !high_controls && !has_forbidden(text.as_bytes()) {
        return text;
    }
    repairs.note("control character");
    let mend = |c: char| match c {
        '\u{80}'..='\u{9F}' => super::xml::windows_1252(c.into()),
        c => super::xml::is_xml_char(c).then_some(c),
    };
    Cow::Owned(text.chars().filter_map(mend).collect())
}

/// U+0080 to U+009F.
fn has_high_controls(bytes: &[u8]) -> bool {
    memchr::memchr_iter(0xC2, bytes).any(|at| matches!(bytes.get(at + 1), Some(0x80..=0x9F)))
}

/// How U+FFFE and U+FFFF begin.
static NONCHARACTERS: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(b"\xEF\xBF"));
static DECLARATION: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new("<?xml"));

/// Control characters, U+FFFE, U+FFFF.
pub fn has_forbidden(bytes: &[u8]) -> bool {
    let control = |chunk: &[u8]| chunk.iter().fold(false, |found, &b| found | (b < 0x20 && !matches!(b, 9 | 10 | 13)));
    bytes.chunks(4096).any(control)
        || NONCHARACTERS.find_iter(bytes).any(|at| matches!(bytes.get(at + 2), Some(0xBE | 0xBF)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_that_is_declared_as_something_else() {
        let check = |bytes: &[u8], stated: &str, expected: &str, charset: &str| {
            let decoded = decode(bytes, Some(stated));
            assert_eq!((&*decoded.text, decoded.charset), (expected, charset), "{stated}");
        };
        let document = "<rss><channel><title>中</title></channel></rss>";
        for charset in ["GBK", "Big5", "EUC-KR", "EUC-JP", "ISO-8859-1"] {
            check(document.as_bytes(), &format!("text/xml; charset={charset}"), document, "UTF-8");
        }
        // What fits is believed.
        let (bytes, ..) = encoding_rs::GBK.encode(document);
        check(&bytes, "text/xml; charset=GBK", document, "GBK");
    }
}
