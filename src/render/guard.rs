//! The gate: what was written is read back before it goes live, on a path that shares nothing with the writing.
//!
//! XML by a strict `quick-xml` pass that knows only what a document must look like, JSON by `serde_json`, dates by
//! `chrono`, URLs by `url`. Checked: well-formed, no forbidden character, every prefix declared, no attribute twice;
//! the ids, links and instants of the entries, in order; every URL absolute; titles not empty.

use std::borrow::Cow;

use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{QName, ResolveResult};
use serde::Deserialize;

use crate::model::{Feed, FeedEntry, Time};

use super::Documents;
use super::fragment::Fragment;

/// A feed that must not be published as it is; what was live before stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{document} was not published: {reason}")]
pub struct Refused {
    /// `atom.xml`, `rss.xml` or `feed.json`.
    pub document: &'static str,
    pub reason: String,
}

/// One entry's fragments, read back. `Err`: why it cannot be published.
pub fn fragment(entry: &FeedEntry, fragment: &Fragment) -> Result<(), String> {
    let expected = Expected::of(entry)?;
    let said = |format: &'static str| move |reason: String| format!("{format}: {reason}");
    let atom = wrapped(ATOM_WRAP, &fragment.atom).and_then(|xml| read_xml(&xml)).map_err(said("Atom"))?;
    compare(std::slice::from_ref(&expected), &atom.entries).map_err(said("Atom"))?;
    let rss = wrapped(RSS_WRAP, &fragment.rss).and_then(|xml| read_xml(&xml)).map_err(said("RSS"))?;
    compare(std::slice::from_ref(&expected), &rss.entries).map_err(said("RSS"))?;
    let json: JsonItem<'_> = serde_json::from_slice(&fragment.json).map_err(|e| format!("JSON Feed: {e}"))?;
    json.read().and_then(|read| compare(&[expected], &[read])).map_err(said("JSON Feed"))
}

/// The three documents of a feed that holds `fragments`, in this order, read back.
pub fn documents(feed: &Feed, fragments: &[Fragment], documents: &Documents) -> Result<(), Refused> {
    let refused = |document: &'static str| move |reason: String| Refused { document, reason };
    let expected: Vec<Expected> = fragments.iter().map(Expected::again).collect();
    xml_document(&documents.atom, feed, &expected).map_err(refused(super::ATOM))?;
    xml_document(&documents.rss, feed, &expected).map_err(refused(super::RSS))?;
    json_document(&documents.json, feed, &expected).map_err(refused(super::JSON))
}

fn xml_document(bytes: &[u8], feed: &Feed, expected: &[Expected]) -> Result<(), String> {
    let xml = std::str::from_utf8(bytes).map_err(|e| format!("not UTF-8: {e}"))?;
    let read = read_xml(xml)?;
    if !read.titled {
        return Err("the feed has no title".to_owned());
    }
    match read.updated {
        Some(updated) if updated == feed.updated.timestamp() => compare(expected, &read.entries),
        _ => Err(format!("the feed's last change is not {}", feed.updated)),
    }
}

fn json_document(bytes: &[u8], feed: &Feed, expected: &[Expected]) -> Result<(), String> {
    let json: JsonFeed<'_> = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if json.version != "https://jsonfeed.org/version/1.1" || json.title.is_empty() {
        return Err("the feed has no version or no title".to_owned());
    }
    [&json.home_page_url, &json.feed_url].into_iter().try_for_each(absolute)?;
    json.icon.iter().chain(&json.next_url).try_for_each(absolute)?;
    json.hubs.iter().try_for_each(|hub| absolute(&hub.url))?;
    if instant(&json._newsdesk.updated)? != feed.updated.timestamp() {
        return Err(format!("the feed's last change is not {}", feed.updated));
    }
    let read: Result<Vec<Read>, String> = json.items.iter().map(JsonItem::read).collect();
    compare(expected, &read?)
}

/// What every format must say of an entry.
#[derive(Debug, Clone)]
struct Expected {
    id: String,
    published: i64,
    updated: i64,
}

impl Expected {
    fn of(entry: &FeedEntry) -> Result<Self, String> {
        let id = &entry.entry.id.0;
        let iri = || !id.chars().any(|c| c.is_whitespace() || c.is_control()) && url::Url::parse(id).is_ok();
        if !is_plain_web_address(id) && !iri() {
            return Err(format!("its id {id:?} is not an absolute IRI"));
        }
        let seconds = |time: Time| time.timestamp();
        Ok(Self { id: id.clone(), published: seconds(entry.entry.effective), updated: seconds(entry.entry.updated) })
    }

    /// Of a fragment that was read back when it was made.
    fn again(fragment: &Fragment) -> Self {
        let Fragment { id, published, updated, .. } = fragment;
        Self { id: id.0.clone(), published: published.timestamp(), updated: updated.timestamp() }
    }
}

/// What a document was found to say of an entry.
#[derive(Debug, Default)]
struct Read {
    id: Option<String>,
    titled: bool,
    link: Option<String>,
    published: Option<i64>,
    updated: Option<i64>,
}

fn compare(expected: &[Expected], read: &[Read]) -> Result<(), String> {
    if expected.len() != read.len() {
        return Err(format!("{} entries were written and {} read back", expected.len(), read.len()));
    }
    for (expected, read) in expected.iter().zip(read) {
        let id = &expected.id;
        if read.id.as_ref() != Some(id) {
            return Err(format!("where {id:?} was written, {:?} was read", read.id.as_deref().unwrap_or_default()));
        }
        if read.published != Some(expected.published) || read.updated != Some(expected.updated) {
            return Err(format!("the dates of {id:?} do not read back as they were"));
        }
        if !read.titled {
            return Err(format!("{id:?} has no title"));
        }
        match &read.link {
            Some(link) => absolute(link)?,
            None => return Err(format!("{id:?} has no link")),
        }
    }
    Ok(())
}

fn absolute(url: impl AsRef<str>) -> Result<(), String> {
    let url = url.as_ref();
    if is_plain_web_address(url) {
        return Ok(());
    }
    let plain = url.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&b));
    match url::Url::parse(url) {
        Ok(_) if plain => Ok(()),
        Ok(_) => Err(format!("{url:?} holds characters that no URL may hold")),
        Err(_) => Err(format!("{url:?} is not an absolute URL")),
    }
}

/// `https://host/path` in plain characters: the common case, which needs no parser.
fn is_plain_web_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    host.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
        && path
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'?' | b'=' | b'&'))
}

fn instant(text: &str) -> Result<i64, String> {
    let parsed = chrono::DateTime::parse_from_rfc3339(text).map(|time| time.timestamp());
    parsed.map_err(|e| format!("{text:?} is not a date: {e}"))
}

fn rfc822(text: &str) -> Result<i64, String> {
    let parsed = chrono::DateTime::parse_from_rfc2822(text).map(|time| time.timestamp());
    parsed.map_err(|e| format!("{text:?} is not a date: {e}"))
}

// ---- XML ----

const ATOM_NS: &[u8] = b"http://www.w3.org/2005/Atom";
const ATOM_WRAP: (&str, &str) =
    ("<feed xmlns=\"http://www.w3.org/2005/Atom\" xmlns:media=\"http://search.yahoo.com/mrss/\">", "</feed>");
const RSS_WRAP: (&str, &str) = (
    "<rss xmlns:atom=\"http://www.w3.org/2005/Atom\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\" \
     xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:media=\"http://search.yahoo.com/mrss/\" \
     xmlns:itunes=\"http://www.itunes.com/dtds/podcast-1.0.dtd\"><channel>",
    "</channel></rss>",
);

/// Deeper than any document that we write.
const MAX_DEPTH: usize = 12;

fn wrapped((start, end): (&str, &str), fragment: &[u8]) -> Result<String, String> {
    let fragment = std::str::from_utf8(fragment).map_err(|e| format!("not UTF-8: {e}"))?;
    Ok([start, fragment, end].concat())
}

/// A feed as read back.
#[derive(Default)]
struct ReadFeed {
    titled: bool,
    updated: Option<i64>,
    entries: Vec<Read>,
}

/// An element that is open.
struct Open {
    name: Name,
    /// RSS: the guid is a permalink, so it must be a URL.
    permalink: bool,
    /// Its text, where it is one that is looked at.
    text: String,
}

/// The elements that the gate looks at; all others only have to be well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Feed,
    Channel,
    Entry,
    Source,
    /// Author or contributor: its `uri` is a URL.
    Person,
    Id,
    Guid,
    Title,
    Link,
    Published,
    Updated,
    PubDate,
    LastBuildDate,
    /// Its text is a URL (`icon`, `uri`, `comments`, `url`).
    Address,
    Other,
}

fn read_xml(xml: &str) -> Result<ReadFeed, String> {
    if let Some(c) = forbidden(xml) {
        return Err(format!("it holds U+{:04X}, which XML forbids", u32::from(c)));
    }
    let mut reader = NsReader::from_str(xml);
    reader.config_mut().check_comments = true;
    let mut feed = ReadFeed::default();
    let mut open: Vec<Open> = Vec::with_capacity(MAX_DEPTH);
    let mut ended = false;
    loop {
        let (namespace, event) = reader.read_resolved_event().map_err(|e| format!("not well-formed: {e}"))?;
        match event {
            Event::Start(start) => {
                let mut element = self::open(&namespace, &start, open.last().map(|parent| parent.name))?;
                if open.len() >= MAX_DEPTH || (open.is_empty() && ended) {
                    return Err("not well-formed: more than one root, or too deep".to_owned());
                }
                attributes(&reader, &start, &mut element, &open, &mut feed)?;
                if element.name == Name::Entry {
                    feed.entries.push(Read::default());
                }
                open.push(element);
            }
            Event::Empty(start) => {
                let mut element = self::open(&namespace, &start, open.last().map(|parent| parent.name))?;
                attributes(&reader, &start, &mut element, &open, &mut feed)?;
                close(&element, &open, &mut feed)?;
            }
            Event::End(_) => {
                let element = open.pop().ok_or("not well-formed: an end without a start")?;
                close(&element, &open, &mut feed)?;
                ended = open.is_empty();
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|e| e.to_string())?;
                if text.contains("]]>") || (open.is_empty() && !text.trim().is_empty()) {
                    return Err("not well-formed: text where none may be".to_owned());
                }
                keep(&mut open, &text);
            }
            Event::CData(text) => keep(&mut open, &text.decode().map_err(|e| e.to_string())?),
            Event::GeneralRef(reference) => {
                let c = match reference.resolve_char_ref().map_err(|e| format!("not well-formed: {e}"))? {
                    Some(c) => Some(c),
                    None => match &*reference.decode().map_err(|e| e.to_string())? {
                        "amp" => Some('&'),
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        _ => None,
                    },
                };
                let c = c.filter(|c| forbidden(c.encode_utf8(&mut [0; 4])).is_none());
                let c = c.ok_or("not well-formed: a reference to nothing that XML knows")?;
                keep(&mut open, c.encode_utf8(&mut [0; 4]));
            }
            Event::Decl(_) | Event::Comment(_) => {}
            Event::PI(_) | Event::DocType(_) => {
                return Err("it holds instructions that feeds have no use for".to_owned());
            }
            Event::Eof => break,
        }
    }
    match ended && open.is_empty() {
        true => Ok(feed),
        false => Err("not well-formed: it ends before its root element does".to_owned()),
    }
}

/// The first character outside of XML 1.0's Char production.
fn forbidden(text: &str) -> Option<char> {
    let suspect = |b: u8| (b < 0x20) & (b != b'\t') & (b != b'\n') & (b != b'\r') | (b == 0xEF);
    if !text.as_bytes().chunks(64).any(|block| block.iter().fold(false, |any, b| any | suspect(*b))) {
        return None;
    }
    text.chars().find(|c| matches!(c, '\0'..='\x08' | '\x0B' | '\x0C' | '\x0E'..='\x1F' | '\u{FFFE}' | '\u{FFFF}'))
}

fn open(namespace: &ResolveResult<'_>, start: &BytesStart<'_>, parent: Option<Name>) -> Result<Open, String> {
    let local = start.local_name();
    let name = match namespace {
        ResolveResult::Unknown(prefix) => {
            return Err(format!("the prefix {:?} is not declared", String::from_utf8_lossy(prefix)));
        }
        ResolveResult::Unbound => match (local.as_ref(), parent) {
            (b"channel", _) => Name::Channel,
            (b"item", _) => Name::Entry,
            (b"guid", _) => Name::Guid,
            (b"title", _) => Name::Title,
            (b"link", _) => Name::Link,
            (b"pubDate", _) => Name::PubDate,
            (b"lastBuildDate", _) => Name::LastBuildDate,
            (b"comments" | b"docs" | b"url", _) => Name::Address,
            _ => Name::Other,
        },
        ResolveResult::Bound(ns) if ns.as_ref() == ATOM_NS => match (local.as_ref(), parent) {
            (b"feed", _) => Name::Feed,
            (b"entry", _) => Name::Entry,
            (b"source", _) => Name::Source,
            (b"author" | b"contributor", _) => Name::Person,
            (b"id", _) => Name::Id,
            (b"title", _) => Name::Title,
            (b"published", _) => Name::Published,
            (b"updated", _) => Name::Updated,
            (b"icon" | b"logo", _) | (b"uri", Some(Name::Person)) => Name::Address,
            _ => Name::Other,
        },
        ResolveResult::Bound(_) => Name::Other,
    };
    Ok(Open { name, permalink: name == Name::Guid, text: String::new() })
}

/// Attributes are unique, their prefixes declared, their URLs absolute; the alternate link of an entry is noted.
fn attributes(
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
    element: &mut Open,
    open: &[Open],
    feed: &mut ReadFeed,
) -> Result<(), String> {
    let (mut href, mut rel) = (None, None);
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| format!("not well-formed: {e}"))?;
        let declared =
            |name: QName<'_>| !matches!(reader.resolver().resolve_attribute(name).0, ResolveResult::Unknown(_));
        if !declared(attribute.key) || attribute.value.contains(&b'<') {
            return Err(format!("an attribute of {:?} is wrong", String::from_utf8_lossy(start.name().as_ref())));
        }
        let value = attribute
            .decoded_and_normalized_value(quick_xml::XmlVersion::Implicit1_0, reader.decoder())
            .map_err(|e| format!("not well-formed: {e}"))?;
        if forbidden(&value).is_some() {
            return Err("an attribute holds a character that XML forbids".to_owned());
        }
        match attribute.key.as_ref() {
            b"href" => {
                absolute(&value)?;
                href = Some(value);
            }
            b"url" | b"scheme" | b"domain" | b"src" => absolute(&value)?,
            b"rel" => rel = Some(value),
            b"isPermaLink" => element.permalink &= value != "false",
            _ => {}
        }
    }
    let in_entry = open.last().is_some_and(|parent| parent.name == Name::Entry);
    let alternate = start.name().as_ref() == b"link" && rel.as_deref().is_none_or(|rel| rel == "alternate");
    if let (Some(href), Some(entry), true, true) = (href, feed.entries.last_mut(), in_entry, alternate) {
        entry.link = Some(href.into_owned());
    }
    Ok(())
}

fn keep(open: &mut [Open], text: &str) {
    if let Some(element) = open.last_mut().filter(|element| element.name != Name::Other) {
        element.text.push_str(text);
    }
}

/// What an element said, once it is whole.
fn close(element: &Open, open: &[Open], feed: &mut ReadFeed) -> Result<(), String> {
    let text: Cow<'_, str> = Cow::Borrowed(element.text.trim());
    if element.name == Name::Address || element.permalink {
        absolute(&text)?;
    }
    match (element.name, open.last().map(|parent| parent.name)) {
        (name, Some(Name::Entry)) => {
            let Some(entry) = feed.entries.last_mut() else { return Ok(()) };
            match name {
                Name::Id | Name::Guid => entry.id = Some(text.into_owned()),
                Name::Title => entry.titled = !text.is_empty(),
                Name::Link => {
                    absolute(&text)?;
                    entry.link = Some(text.into_owned());
                }
                Name::Published => entry.published = Some(instant(&text)?),
                Name::Updated => entry.updated = Some(instant(&text)?),
                Name::PubDate => entry.published = Some(rfc822(&text)?),
                _ => {}
            }
        }
        (name, Some(Name::Feed | Name::Channel)) => match name {
            Name::Title => feed.titled = !text.is_empty(),
            Name::Updated => feed.updated = Some(instant(&text)?),
            Name::LastBuildDate => feed.updated = Some(rfc822(&text)?),
            Name::Link | Name::Id => absolute_or_iri(name, &text)?,
            _ => {}
        },
        (Name::Id, Some(Name::Source)) => absolute_or_iri(Name::Id, &text)?,
        (Name::Updated, Some(Name::Source)) => drop(instant(&text)?),
        _ => {}
    }
    Ok(())
}

/// An id may be any absolute IRI, a link must be a URL.
fn absolute_or_iri(name: Name, text: &str) -> Result<(), String> {
    match name {
        Name::Id if url::Url::parse(text).is_ok() => Ok(()),
        Name::Id => Err(format!("the id {text:?} is not an absolute IRI")),
        _ => absolute(text),
    }
}

// ---- JSON ----

#[derive(Deserialize)]
struct JsonFeed<'a> {
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    title: Cow<'a, str>,
    #[serde(borrow)]
    home_page_url: Cow<'a, str>,
    #[serde(borrow)]
    feed_url: Cow<'a, str>,
    next_url: Option<String>,
    icon: Option<String>,
    #[serde(default)]
    hubs: Vec<JsonAddress>,
    #[serde(borrow)]
    items: Vec<JsonItem<'a>>,
    _newsdesk: JsonExtension,
}

#[derive(Deserialize)]
struct JsonExtension {
    updated: String,
}

#[derive(Deserialize)]
struct JsonAddress {
    url: String,
}

#[derive(Deserialize)]
struct JsonItem<'a> {
    id: String,
    url: String,
    #[serde(borrow)]
    title: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content_html: Option<Cow<'a, str>>,
    #[serde(borrow)]
    content_text: Option<Cow<'a, str>>,
    image: Option<String>,
    date_published: String,
    date_modified: String,
    #[serde(default)]
    attachments: Vec<JsonAttachment>,
}

#[derive(Deserialize)]
struct JsonAttachment {
    url: String,
    mime_type: String,
}

impl JsonItem<'_> {
    fn read(&self) -> Result<Read, String> {
        if self.content_html.is_none() == self.content_text.is_none() {
            return Err(format!("{:?} has no text", self.id));
        }
        self.image.iter().try_for_each(absolute)?;
        for file in &self.attachments {
            absolute(&file.url)?;
            if !file.mime_type.contains('/') {
                return Err(format!("{:?} is not a media type", file.mime_type));
            }
        }
        Ok(Read {
            id: Some(self.id.clone()),
            // The only format in which an entry may go without one.
            titled: self.title.as_ref().is_none_or(|title| !title.is_empty()),
            link: Some(self.url.clone()),
            published: Some(instant(&self.date_published)?),
            updated: Some(instant(&self.date_modified)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(xml: &str, because: &str) {
        let read = read_xml(xml).map(|feed| feed.entries.len());
        assert!(read.as_ref().is_err_and(|reason| reason.contains(because)), "{xml:?} gave {read:?}");
    }

    #[test]
    fn what_is_not_xml_does_not_pass() {
        for xml in [
            "",
            "<feed>",
            "<feed></feeds>",
            "<feed/>text",
            "<feed></feed><feed></feed>",
            "<feed>a & b</feed>",
            "<feed>&nbsp;</feed>",
            "<feed>&#0;</feed>",
            "<feed>&#xFFFE;</feed>",
            "<feed>]]></feed>",
            "<feed a=\"1\" a=\"2\"/>",
            "<feed a=\"<\"/>",
            "<feed a=1/>",
            "<feed><!-- a -- b --></feed>",
        ] {
            assert!(read_xml(xml).is_err(), "{xml:?}");
        }
        refuses("<feed>\u{1}</feed>", "U+0001");
        refuses("<feed>\u{fffe}</feed>", "U+FFFE");
        refuses("<feed a=\"&#1;\"/>", "forbids");
        refuses("<x:feed/>", "not declared");
        refuses("<feed x:a=\"1\"/>", "is wrong");
        refuses("<!DOCTYPE feed><feed></feed>", "no use for");
        refuses(&"<a>".repeat(100_000), "too deep");
    }

    #[test]
    fn addresses_must_be_whole() {
        refuses("<rss><channel><item><link>/a</link></item></channel></rss>", "not an absolute URL");
        refuses("<rss><channel><item><guid>4711</guid></item></channel></rss>", "not an absolute URL");
        refuses("<rss><channel><item><enclosure url=\"a.mp3\"/></item></channel></rss>", "not an absolute URL");
        refuses("<rss><channel><link>https://e.example/ü</link></channel></rss>", "no URL may hold");
        refuses(
            "<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry><link href=\"a\"/></entry></feed>",
            "not an absolute URL",
        );
        assert!(read_xml("<rss><channel><item><guid isPermaLink=\"false\">4711</guid></item></channel></rss>").is_ok());
    }

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let expected =
            [Expected { id: "tag:e.example,2026:1".into(), published: 1_774_605_600, updated: 1_774_605_600 }];
        let item = |guid: &str, date: &str, title: &str| {
            let xml = format!(
                "<rss xmlns:atom=\"http://www.w3.org/2005/Atom\"><channel><item><title>{title}</title><link>https://e.example/1</link>\
                 <guid isPermaLink=\"false\">{guid}</guid><pubDate>{date}</pubDate><atom:updated>2026-03-27T10:00:00Z</atom:updated></item></channel></rss>"
            );
            read_xml(&xml).and_then(|feed| compare(&expected, &feed.entries))
        };
        let date = "Fri, 27 Mar 2026 10:00:00 +0000";
        assert_eq!(item("tag:e.example,2026:1", date, "T"), Ok(()));
        assert!(item("tag:e.example,2026:2", date, "T").unwrap_err().contains("was read"));
        assert!(item("tag:e.example,2026:1", "Fri, 27 Mar 2026 10:00:01 +0000", "T").unwrap_err().contains("dates"));
        assert!(item("tag:e.example,2026:1", "27. März", "T").unwrap_err().contains("not a date"));
        assert!(item("tag:e.example,2026:1", date, " ").unwrap_err().contains("no title"));
    }
}
