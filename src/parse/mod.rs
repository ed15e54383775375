//! Parse: the bytes of one document in, one [`ParsedFeed`] out.
//!
//! May use: `model`, tokenizers and decoders. Never: a clock, the disk, the network, `tokio`. What the document does
//! not say stays `None`; an id or a date is never invented. The readers of the `rss` and `atom_syndication` crates are
//! not used: one broken item loses them the document, 55 KB of nesting aborts the process. They write feeds (`render`).
//!
//! ```text
//! bytes ──charset──> text ──xml──> tokens ──reader──> elements ──rss, atom, cdf, extensions──> ParsedFeed
//!                         └─json─> values ──────────────json_feed────────────────────────────> ParsedFeed
//! ```

pub mod article;
pub mod atom;
pub mod cdf;
pub mod charset;
mod code_pages;
pub mod date;
pub mod discover;
pub mod extensions;
pub mod feed;
mod files;
mod finish;
pub mod html;
mod json;
pub mod json_feed;
pub mod markdown;
mod namespaces;
pub mod newsboat;
pub mod opml;
pub mod person;
pub mod plain;
pub mod reader;
pub mod robots;
pub mod rss;
pub mod xml;

use url::Url;

pub use feed::{Format, ParsedEntry, ParsedFeed};
use reader::{Element, Ns, Reader};

/// Attributes of one element that are read; the rest are passed over.
pub const MAX_ATTRIBUTES: usize = 100;

/// How much of a document is taken in. A limit that cuts is named in [`ParsedFeed::repairs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Elements (or JSON values) inside each other; what lies deeper is passed over.
    pub depth: usize,
    /// Entries: the newest by stated date if all have one, else the first.
    pub entries: usize,
    /// Characters of a title.
    pub title_chars: usize,
    /// Bytes of an address; a longer one is dropped, since a cut one leads nowhere.
    pub url_bytes: usize,
    /// Authors, and contributors, of one entry or feed.
    pub people: usize,
    pub categories: usize,
    pub enclosures: usize,
    /// Links of one entry or feed besides the alternate one and the enclosures.
    pub links: usize,
    /// Bytes of a summary or content; cut at a character.
    pub text_bytes: usize,
    /// Bytes of a name, a term, a line of rights, a generator.
    pub name_bytes: usize,
    /// Bytes of an id; a longer one is replaced by its hash, never cut.
    pub id_bytes: usize,
    /// Namespace declarations in scope at once.
    pub namespaces: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 256,
            entries: 1000,
            title_chars: 1000,
            url_bytes: 4096,
            people: 50,
            categories: 50,
            enclosures: 20,
            links: 100,
            text_bytes: 1 << 20,
            name_bytes: 4096,
            id_bytes: 2048,
            namespaces: 100,
        }
    }
}

/// One document and what is known about it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub bytes: &'a [u8],
    /// The value of the HTTP header, verbatim.
    pub content_type: Option<&'a str>,
    /// Where it came from, after redirects.
    pub base: Option<&'a Url>,
}

/// Why a document is not read as a feed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAFeed {
    #[error("the document is empty")]
    Empty,
    #[error("this is a web page{}, not a feed", .title.as_ref().map(|title| format!(" (\"{title}\")")).unwrap_or_default())]
    WebPage { title: Option<String> },
    #[error("this is {what}, not a feed")]
    Binary { what: &'static str },
    #[error("this is a list of feeds (OPML), not a feed; name it as `opml` of a source")]
    Opml,
    #[error("this is XML (<{root}>), but no feed")]
    OtherXml { root: String },
    #[error("this is JSON, but no JSON Feed: it has no list of items")]
    OtherJson,
    #[error("this is no feed; it begins with {begins:?}")]
    Unknown { begins: String },
}

/// Read one document, whatever feed it is.
///
/// The format is told by the content alone. Whatever can be read is read: what had to be mended on the way is counted
/// in [`ParsedFeed::repairs`].
pub fn document(input: &Input<'_>, limits: &Limits) -> Result<ParsedFeed, NotAFeed> {
    if input.bytes.trim_ascii().is_empty() {
        return Err(NotAFeed::Empty);
    }
    if let Some(what) = charset::binary(input.bytes) {
        return Err(NotAFeed::Binary { what });
    }
    let decoded = charset::decode(input.bytes, input.content_type);
    let text = decoded.text.trim_start();
    let mut feed = if text.starts_with('{') || text.starts_with('[') {
        json_feed::read(text, limits)?
    } else {
        xml_document(text, input.base, limits)?
    };
    for (kind, count) in decoded.repairs.0 {
        *feed.repairs.0.entry(kind).or_default() += count;
    }
    finish::finish(&mut feed, input.base, limits);
    Ok(feed)
}

/// A document of elements.
fn xml_document(text: &str, base: Option<&Url>, limits: &Limits) -> Result<ParsedFeed, NotAFeed> {
    let mut reader = Reader::new(text, base, limits);
    let root = find_root(&mut reader, text)?;
    let format = format_of(&root, &reader);
    reader.set_core(&root);
    let mut feed = ParsedFeed { format, language: reader.language().map(str::to_owned), ..ParsedFeed::default() };
    let mut draft = rss::Draft::default();
    elements(&mut reader, root, &mut feed, &mut draft, limits);
    draft.finish(&mut feed);
    feed.repairs = reader.into_repairs();
    Ok(feed)
}

/// Everything in a document of RSS or Atom. `rss`, `channel` and `feed` are only wrappers, so that an item outside of
/// the channel, a second root and a missing one make no difference.
fn elements<'a>(
    reader: &mut Reader<'a>,
    root: Element<'a>,
    feed: &mut ParsedFeed,
    draft: &mut rss::Draft,
    limits: &Limits,
) {
    let mut wrapper = root.level - 1;
    let mut next = Some(root);
    loop {
        let Some(element) = next.take().or_else(|| reader.child(wrapper)) else {
            if wrapper == 0 {
                return;
            }
            wrapper = reader.level();
            continue;
        };
        match (element.ns, &*element.name) {
            (Ns::Core | Ns::Rdf | Ns::Atom, "rss" | "rdf" | "channel" | "feed" | "items") => {
                wrapper = element.level;
                rss::wrapper(reader, feed);
                if feed.format == Format::Cdf {
                    cdf::wrapper(reader, &element, feed);
                }
            }
            (Ns::Core | Ns::Atom, "item" | "entry") => {
                // Filled where it will stand: it is large, and there are many.
                feed.entries.push(ParsedEntry::default());
                if let Some(new) = feed.entries.last_mut() {
                    entry(reader, &element, feed.format, new);
                }
                settle(&mut feed.entries, reader.is_cut_below(element.level), limits);
            }
            _ => {
                let _ = feed.format == Format::Cdf && cdf::feed_element(reader, &element, feed)
                    || atom_first(feed.format) && atom::feed_element(reader, &element, feed, draft)
                    || rss::feed_element(reader, &element, feed, draft)
                    || !atom_first(feed.format) && atom::feed_element(reader, &element, feed, draft)
                    || extensions::feed_element(reader, &element, feed, draft);
            }
        }
    }
}

/// One entry of RSS or Atom.
fn entry<'a>(reader: &mut Reader<'a>, element: &Element<'a>, format: Format, entry: &mut ParsedEntry) {
    entry.language = reader.language().map(str::to_owned);
    let mut draft = rss::Draft::default();
    rss::entry_attributes(element, entry);
    if format == Format::Cdf {
        cdf::entry_attributes(reader, element, entry);
    }
    while let Some(element) = reader.child(element.level) {
        let _ = format == Format::Cdf && cdf::entry_element(reader, &element, entry)
            || atom_first(format) && atom::entry_element(reader, &element, entry, &mut draft)
            || rss::entry_element(reader, &element, entry, &mut draft)
            || !atom_first(format) && atom::entry_element(reader, &element, entry, &mut draft)
            || extensions::entry_element(reader, &element, entry, &mut draft);
    }
    draft.finish_entry(entry);
}

/// Atom's reading of an element goes before that of RSS.
fn atom_first(format: Format) -> bool {
    matches!(format, Format::Atom | Format::Atom03 | Format::Atom10)
}

/// Keep the last entry or not, within memory that does not grow with a document of a million.
fn settle(entries: &mut Vec<ParsedEntry>, is_cut: bool, limits: &Limits) {
    let before = entries.len().saturating_sub(1);
    // One that the end of the document cuts is better read whole the next time, unless there is no other.
    let unwanted = is_cut && before > 0;
    // One that states no date was seen: the first ones will stay, whatever comes.
    let beyond = before > limits.entries && !finish::is_dated(&entries[before - 1]);
    if unwanted || beyond {
        entries.pop();
    } else if entries.len() >= limits.entries.saturating_mul(3).max(64) {
        finish::thin_out(entries, limits.entries);
    }
}

/// The element that the feed begins with. Junk before it is passed over.
fn find_root<'a>(reader: &mut Reader<'a>, text: &str) -> Result<Element<'a>, NotAFeed> {
    let mut first: Option<String> = None;
    let mut page = false;
    let mut level = 0;
    loop {
        let Some(element) = reader.child(level) else {
            if level == 0 {
                break;
            }
            level = reader.level();
            continue;
        };
        level = element.level;
        let is_root = match &*element.name {
            "rss" | "rdf" => true,
            "feed" | "channel" => !page || element.ns == Ns::Atom,
            "item" | "entry" => !page,
            "opml" if first.is_none() => return Err(NotAFeed::Opml),
            _ => false,
        };
        if is_root {
            if first.is_some() {
                reader.repairs().note("junk before the feed");
            }
            return Ok(element);
        }
        page |= matches!(&*element.name, "html" | "head" | "body");
        first.get_or_insert_with(|| element.name.chars().take(60).collect());
    }
    let begins = || text.chars().take(60).collect::<String>();
    match first {
        _ if page || is_html(reader.doctype()) => Err(NotAFeed::WebPage { title: html_title(text) }),
        Some(root) if text.starts_with("<?xml") || text.trim_start().starts_with('<') => {
            Err(NotAFeed::OtherXml { root })
        }
        _ => Err(NotAFeed::Unknown { begins: begins() }),
    }
}

/// `<!DOCTYPE html ...>`; its `<html>`, `<head>` and `<body>` may all be left out.
fn is_html(doctype: &str) -> bool {
    doctype.split_whitespace().next().is_some_and(|name| name.eq_ignore_ascii_case("html"))
}

/// What the `<title>` of a web page says.
fn html_title(text: &str) -> Option<String> {
    let mut reader = Reader::new(text, None, &Limits::default());
    let mut level = 0;
    loop {
        let Some(element) = reader.child(level) else {
            if level == 0 {
                return None;
            }
            level = reader.level();
            continue;
        };
        if element.name == "title" {
            let title = reader.text(&element).split_whitespace().collect::<Vec<_>>().join(" ");
            return (!title.is_empty()).then(|| title.chars().take(100).collect());
        }
        level = element.level;
    }
}

/// The format that a root element, its namespace and its version say.
fn format_of(root: &Element<'_>, reader: &Reader<'_>) -> Format {
    let version = root.attribute("version").unwrap_or_default();
    match &*root.name {
        "rdf" => rss::rdf_format(reader.declared()),
        "channel" if reader.declared().any(|uri| uri.contains("purl.org/net/rss1.1")) => Format::Rss11,
        // Only CDF has it for a root.
        "channel" => Format::Cdf,
        "feed" | "entry" => atom::format(&version, reader.declared()),
        _ => rss::format(&version, reader.doctype()),
    }
}

/// Does the address name its own scheme?
pub(crate) fn is_absolute(href: &str) -> bool {
    match href.bytes().position(|b| b == b':') {
        Some(colon) => {
            let scheme = &href.as_bytes()[..colon];
            scheme.first().is_some_and(u8::is_ascii_alphabetic)
                && scheme.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        }
        None => false,
    }
}
