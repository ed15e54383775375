//! Model: the plain data that every room speaks about, in the terms of RFC 4287.
//!
//! Uses nothing of ours. RSS 2.0 and JSON Feed 1.1 are mapped onto these types by `parse` and back by `render`.
//! Times are UTC instants; what a source did not say is `None`, never a guess.

pub mod compact;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// An instant in UTC; stored and published to the second.
pub type Time = DateTime<Utc>;

/// Dates before 1990, in seconds since 1970, are defaults of software, not of publishers.
pub const YEAR_1990: i64 = 631_152_000;

/// Can the date that an entry states be true of one that was first seen then? Clocks differ by ten minutes.
pub fn is_possible(date: Time, first_seen: Time) -> bool {
    date <= first_seen + TimeDelta::minutes(10) && date.timestamp() >= YEAR_1990
}

/// The published id of an entry (RFC 4287 §4.2.6): an absolute IRI, chosen once when the entry is first stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(pub String);

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The last segment of `/entries/ID`: an id as one name that means the same as a path and as a file. What web servers
/// decode (`%2F`) cannot stand in it, so `~` takes the place of `%`.
pub fn entry_name(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for (at, byte) in id.bytes().enumerate() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(byte as char),
            b'.' if at > 0 => name.push('.'),
            _ => name.push_str(&format!("~{byte:02X}")),
        }
    }
    name
}

/// The id of such a name. `None`: it is no text.
pub fn id_of_name(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after.first_chunk::<2>().filter(|_| *byte == b'~');
        let escaped = escaped.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(escaped.unwrap_or(*byte));
        rest = escaped.and_then(|_| after.get(2..)).unwrap_or(after);
    }
    String::from_utf8(bytes).ok().filter(|id| !id.contains('\0'))
}

/// Sanitized HTML with absolute URLs. Only `normalize::clean` makes it out of foreign text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Html(pub String);

/// A person construct (RFC 4287 §3.2). At least one field is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Person {
    /// Atom `name`, RSS `dc:creator` or the words beside the address in `author`, JSON Feed `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Atom `email`, RSS `author`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Atom `uri`, JSON Feed `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// A category (RFC 4287 §4.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Category {
    /// Atom `term`, the text of RSS `category`, a JSON Feed tag.
    pub term: String,
    /// Atom `scheme`, RSS `domain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Atom `label`: what people read, if it differs from the term.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// A link other than the alternate one and the enclosures (RFC 4287 §4.2.7).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Link {
    /// Absolute URL.
    pub href: String,
    /// Registered relation ("related", "via", "replies", "self", "hub" ...); "alternate" when not stated.
    pub rel: String,
    /// Media type, advisory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Language of the target (BCP 47).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hreflang: Option<String>,
}

/// A file that belongs to an entry: Atom link rel="enclosure", RSS `enclosure`, `media:content`, JSON Feed attachment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Enclosure {
    /// Absolute URL.
    pub url: String,
    /// Media type as stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Bytes as stated; RSS demands a number, so an unknown one is written as 0 there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Seconds of play (`itunes:duration`, Media RSS `duration`, JSON Feed `duration_in_seconds`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_secs: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Where an entry comes from: the metadata of its feed, carried along as `atom:source` (RFC 4287 §4.2.11).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// Absolute IRI; stored once for each source and never changed with its URL or name.
    pub id: String,
    /// Never empty: the feed's title, else the source's name.
    pub title: String,
    /// Home page (Atom link rel="alternate", RSS `link`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The feed's own address. `None` for folders and for sources that are private.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<String>,
    /// The feed's stated `updated`, if it states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Person>,
}

/// What a source says of one entry, cleaned: plain-text title, sanitized HTML, absolute URLs, bounded lengths.
///
/// Two refreshes that state the same compare equal, so that an unchanged entry costs a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stated {
    /// Plain text, may be empty.
    pub title: String,
    /// Alternate link (Atom rel="alternate", RSS `link`, JSON Feed `url`), absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
    /// Teaser (RFC 4287 §4.2.13).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Html>,
    /// Whole text (RFC 4287 §4.1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Html>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<Person>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contributors: Vec<Person>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<Category>,
    /// As the source states it, however unlikely; see [`Entry::effective`] for what orders feeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated: Option<Time>,
    /// BCP 47 tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rights: Option<String>,
    /// Page with the comments (RSS `comments`, Atom link rel="replies").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comments: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub enclosures: Vec<Enclosure>,
    /// Picture of the entry (`media:thumbnail`, `itunes:image`, JSON Feed `image`, front matter `image`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The entry's own source, when the document carries one (Atom `source`, RSS `source`, an article's attribution).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Sections that the entry itself names: an article's section line, header or sub-folder.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<String>,
}

impl Stated {
    /// Its text: the content (Atom `content`, RSS `content:encoded`), else the summary.
    pub fn body(&self) -> Option<&Html> {
        self.content.as_ref().or(self.summary.as_ref())
    }
}

/// One published piece, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: EntryId,
    /// Name of the source that brought it.
    pub source: String,
    /// What the source says.
    pub stated: Stated,
    /// When newsdesk first saw it.
    pub first_seen: Time,
    /// Orders feeds, and is what all formats state as published: the stated date if it can be true, else `first_seen`.
    pub effective: Time,
    /// Last significant change (RFC 4287 §4.2.15); never in the future of the refresh, and so before `effective` by at most
    /// the ten minutes that a stated date may lie ahead.
    pub updated: Time,
    /// Last path segment of the entry's own page when it is a local article, fixed at first publication.
    pub slug: Option<String>,
}

/// One named stream, as configured. Its rendered documents are feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Path segment of its URL.
    pub name: String,
    pub title: String,
    pub description: Option<String>,
    pub language: Option<String>,
    /// Further words by which articles may name it.
    pub aliases: Vec<String>,
    /// Names of sources whose every entry belongs here.
    pub sources: Vec<String>,
    /// Category terms, compared without regard to case.
    pub categories: Vec<String>,
    /// Other sections whose entries belong here too.
    pub include: Vec<String>,
    /// Entries in the current document.
    pub limit: usize,
    /// By effective date; `None`: no limit.
    pub max_age: Option<TimeDelta>,
    /// By effective date, in archive and days too; `None`: as long as the store keeps them.
    pub keep: Option<TimeDelta>,
    /// Entries of one source in the current document; `None`: no limit.
    pub max_per_source: Option<usize>,
    /// Copies of one story are one entry; else each copy stands for itself.
    pub merges_copies: bool,
    /// So long a story waits for better copies of itself.
    pub settle: TimeDelta,
    /// Whole text or summary only.
    pub full_text: bool,
    /// Begin each text with "From NAME": many readers hide `source`.
    pub attribution: bool,
}

/// A document about to be rendered: one section's, the site's or one source's entries, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Feed {
    /// Absolute IRI, stored once.
    pub id: String,
    pub title: String,
    pub description: Option<String>,
    pub language: Option<String>,
    /// The readable page (Atom rel="alternate", RSS `link`, JSON Feed `home_page_url`). Ends in a slash: the documents stand beside it.
    pub page: String,
    /// Newest `updated` of what is in it; of an empty one, when the section was made.
    pub updated: Time,
    /// Picture of the whole feed (Atom `icon`, RSS `image`, JSON Feed `icon`). Absolute.
    pub icon: Option<String>,
    /// Under what terms it is published (Atom `rights`, RSS `copyright`, JSON Feed `_newsdesk.rights`).
    pub rights: Option<String>,
    /// WebSub hubs (Atom and RSS rel="hub", JSON Feed `hubs`).
    pub hubs: Vec<String>,
    /// Minutes a reader may keep the document (RSS `ttl`).
    pub ttl_minutes: u32,
    /// Whole text or summary only.
    pub full_text: bool,
    /// Begin each text with "From NAME".
    pub attribution: bool,
    pub entries: Vec<FeedEntry>,
    /// What its owner withdrew (RFC 6721).
    pub deleted: Vec<Tombstone>,
    pub paging: Paging,
}

/// Where a document stands in the archive of its section (RFC 5005 §4). The site and single sources keep none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Paging {
    #[default]
    Alone,
    /// The current document; `previous` is the newest document of the archive that follows it.
    Current { previous: Option<u64> },
    /// Document `number` of the archive, counted from 1.
    Archived { number: u64, previous: Option<u64> },
}

/// What order, caps and archives ask of an entry, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The store's.
    pub row: i64,
    pub id: EntryId,
    /// Name of the source that brought it.
    pub source: String,
    pub effective: Time,
    pub updated: Time,
    /// In its section, from 1 in the order of joining. `None`: not given yet, or a feed without an archive.
    pub number: Option<u64>,
    /// The last correction that readers are told of, once the entry had its number.
    pub corrected: Option<Time>,
    /// Changes whenever the entry, or what is said of its source, does.
    pub version: [u8; 16],
}

/// How far the archive of a section has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shelf {
    /// Numbers given so far; never given again.
    pub numbered: u64,
    /// Numbers in one document, chosen with the first number of the section. 0: none was given yet.
    pub size: u64,
    /// The oldest document that retention has left, from 1.
    pub from: u64,
}

impl Shelf {
    /// The newest document: those that are full are there.
    pub fn newest(&self) -> u64 {
        self.numbered.checked_div(self.size).unwrap_or_default()
    }

    pub fn holds(&self, document: u64) -> bool {
        (self.from.max(1)..=self.newest()).contains(&document)
    }

    /// Highest number in document `document`, and below it the lowest of the next.
    pub fn last_of(&self, document: u64) -> u64 {
        document.saturating_mul(self.size)
    }

    /// The document in which a number stands, full or not.
    pub fn document_of(&self, number: u64) -> u64 {
        number.div_ceil(self.size.max(1))
    }
}

/// An entry with what only its publication adds.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedEntry {
    pub entry: Entry,
    /// Its own origin, else its source's.
    pub origin: Origin,
    /// The entry's link, else its page on this site. Absolute.
    pub link: String,
    /// Other sources that carry the same story, by name.
    pub also_in: Vec<AlsoIn>,
}

/// Another place where a story stands (JSON Feed `_newsdesk.also_in`, Atom link rel="related").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlsoIn {
    /// Name of the publisher.
    pub name: String,
    /// Absolute URL of its copy.
    pub link: String,
}

/// An entry withdrawn by its owner (RFC 6721 `at:deleted-entry`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    pub id: EntryId,
    pub when: Time,
}

/// `[origins.X]`: the short name under which articles credit a publisher.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OriginName {
    pub name: String,
    pub url: Option<String>,
    pub feed: Option<String>,
}

/// Short name, compared without regard to case (the key is lower-case) -> who it is.
pub type OriginNames = BTreeMap<String, OriginName>;
