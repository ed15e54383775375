//! The result of `parse`: what one document says, in Atom's terms, before any rule of ours is applied.
//!
//! Addresses are resolved where the document gives a base; texts keep their kind, base and language for `normalize`.

use std::collections::BTreeMap;

use url::Url;

use crate::model::{Category, Enclosure, Link, Person, Time};

/// The format a document turned out to have, by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    Rss090,
    /// Netscape's 0.91, with its DTD.
    Rss091Netscape,
    /// UserLand's 0.91.
    Rss091UserLand,
    Rss092,
    Rss093,
    Rss094,
    Rss10,
    Rss11,
    Rss20,
    /// `<rss>` without a version that we know.
    #[default]
    Rss,
    Atom03,
    Atom10,
    /// `<feed>` or `<entry>` in no known namespace.
    Atom,
    Cdf,
    JsonFeed10,
    JsonFeed11,
    /// A local article.
    Article,
}

/// How a text was meant, as far as its format says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// Plain text; `<` is a less-than sign.
    Plain,
    /// HTML, entities and tags.
    Html,
    /// The format does not say (RSS `title`): plain unless what is left holds a known entity or a closed inline tag.
    Undeclared,
}

/// A text construct (RFC 4287 §3.1) with the context that its markup is read in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    pub kind: TextKind,
    pub value: String,
    /// Base of relative URLs in the markup (xml:base in scope, else the feed's own link, else where it came from).
    pub base: Option<Url>,
    /// xml:lang in scope.
    pub language: Option<String>,
}

/// One document, read.
#[derive(Debug, Clone, Default)]
pub struct ParsedFeed {
    pub format: Format,
    pub id: Option<String>,
    pub title: Option<Text>,
    /// Atom `subtitle`, RSS `description`.
    pub subtitle: Option<Text>,
    /// The alternate link: the home page.
    pub link: Option<String>,
    /// Every other link, `self`, `hub`, `next`, `prev-archive` among them.
    pub links: Vec<Link>,
    /// Small and square (Atom `icon`).
    pub icon: Option<String>,
    /// Atom `logo`, RSS `image/url`, `itunes:image`, JSON Feed `icon`.
    pub image: Option<String>,
    pub language: Option<String>,
    pub rights: Option<String>,
    pub generator: Option<String>,
    pub authors: Vec<Person>,
    pub contributors: Vec<Person>,
    pub categories: Vec<Category>,
    pub published: Option<Time>,
    pub updated: Option<Time>,
    /// What the document says about when to ask again.
    pub hints: Hints,
    /// `fh:complete` (RFC 5005 §2): what is not in the document is no longer in the feed.
    pub complete: bool,
    /// Entries the feed withdraws (RFC 6721 `at:deleted-entry`).
    pub deleted: Vec<Deleted>,
    /// In document order, at most [`super::Limits::entries`].
    pub entries: Vec<ParsedEntry>,
    /// What had to be mended to read the document, by kind.
    pub repairs: Repairs,
}

/// An `at:deleted-entry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deleted {
    pub id: String,
    pub when: Option<Time>,
}

/// Publisher's wishes inside the document (RSS `ttl`, `skipHours`, `skipDays`; `sy:updatePeriod`).
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Hints {
    /// RSS `ttl`, minutes.
    pub ttl_minutes: Option<u32>,
    /// Hours of the day in GMT, 0 to 23.
    pub skip_hours: Vec<u8>,
    /// Days of the week, Monday is 0.
    pub skip_days: Vec<u8>,
    /// `sy:updatePeriod` divided by `sy:updateFrequency`, minutes.
    pub update_minutes: Option<u32>,
}

/// One entry, as its document states it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParsedEntry {
    /// Atom `id`, RSS `guid`, rdf:about, JSON Feed `id`; never derived here.
    pub id: Option<String>,
    pub title: Option<Text>,
    /// Alternate link. A guid that is a permalink counts when there is no other.
    pub link: Option<String>,
    pub links: Vec<Link>,
    pub summary: Option<Text>,
    pub content: Option<Text>,
    pub authors: Vec<Person>,
    pub contributors: Vec<Person>,
    pub categories: Vec<Category>,
    pub published: Option<Time>,
    pub updated: Option<Time>,
    pub language: Option<String>,
    pub rights: Option<String>,
    pub comments: Option<String>,
    pub enclosures: Vec<Enclosure>,
    pub image: Option<String>,
    pub source: Option<ParsedSource>,
    /// Local articles: names of sections they state themselves.
    pub sections: Vec<String>,
    /// Local articles: whom they credit ("Source: FT"), before `[origins.X]` is asked.
    pub attributions: Vec<Attribution>,
    /// Local articles: `draft = true` holds the entry back.
    pub draft: bool,
    /// Local articles: wished last segment of its page's URL.
    pub slug: Option<String>,
}

/// `atom:source` or RSS `source` of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParsedSource {
    pub id: Option<String>,
    pub title: Option<Text>,
    /// Home page.
    pub link: Option<String>,
    /// The feed itself (rel="self", RSS `source/@url`).
    pub feed: Option<String>,
    pub updated: Option<Time>,
    pub icon: Option<String>,
    pub rights: Option<String>,
    pub authors: Vec<Person>,
}

/// Whom an article credits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribution {
    pub name: String,
    pub url: Option<String>,
}

/// Kind of repair -> how often. The kinds are short words for people ("lone ampersand", "wrong charset declared").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repairs(pub BTreeMap<&'static str, u32>);

impl Repairs {
    pub fn note(&mut self, kind: &'static str) {
        *self.0.entry(kind).or_default() += 1;
    }
}
