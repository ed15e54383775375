//! Render: one [`Feed`] in, the bytes of its documents and pages out.
//!
//! May use: `model`, the writers (`rss`, `atom_syndication`, `serde_json`), templates (`askama`), and `quick-xml` to
//! read back what was written ([`guard`]). Never: a clock, the disk, the network, `tokio`. The same feed gives the same
//! bytes: every instant in them comes from the entries or from [`Feed::updated`].
//!
//! An entry becomes a [`fragment::Fragment`] once; a document is a head, the fragments in order, and a tail.

mod atom;
pub mod fragment;
pub mod guard;
mod json_feed;
pub mod opml;
pub mod page;
mod rss;
pub mod text;

use std::collections::BTreeSet;

use crate::model::{EntryId, Feed, FeedEntry};
use fragment::{Fragment, Manner};

pub use fragment::Fragments;
pub use guard::Refused;

/// File names of the three documents, beside [`Feed::page`].
pub const ATOM: &str = "atom.xml";
pub const RSS: &str = "rss.xml";
pub const JSON: &str = "feed.json";

/// The media types they are served as. The XML ones name the charset.
pub const ATOM_TYPE: &str = "application/atom+xml; charset=utf-8";
pub const RSS_TYPE: &str = "application/rss+xml; charset=utf-8";
pub const JSON_TYPE: &str = "application/feed+json";

/// Named in every document, without a version: an upgrade alone changes no bytes.
const GENERATOR: &str = "newsdesk";

/// One feed in the three formats: the same ids, order and instants in all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Documents {
    pub atom: Vec<u8>,
    pub rss: Vec<u8>,
    pub json: Vec<u8>,
}

/// An entry that did not pass the gate and is not in the documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub id: EntryId,
    /// In words, for status and log.
    pub reason: String,
}

/// One of the three formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Atom,
    Rss,
    Json,
}

/// The feed as it is, unchecked. Pure: the same feed gives the same bytes.
pub fn documents(feed: &Feed) -> Documents {
    let manner = Manner::of(feed);
    let fragments: Vec<Fragment> = feed.entries.iter().map(|entry| fragment::make(entry, &manner)).collect();
    assemble(feed, &fragments)
}

/// One document of the feed, unchecked; the same bytes as in [`documents`].
pub fn document(feed: &Feed, format: Format) -> Vec<u8> {
    let manner = Manner::of(feed);
    let one = |render: fn(&fragment::Piece<'_>) -> Vec<u8>| -> Vec<Vec<u8>> {
        feed.entries.iter().map(|entry| render(&fragment::Piece::of(entry, &manner))).collect()
    };
    match format {
        Format::Atom => atom::document(feed, one(atom::entry).iter().map(Vec::as_slice)),
        Format::Rss => rss::document(feed, one(rss::item).iter().map(Vec::as_slice)),
        Format::Json => json_feed::document(feed, one(json_feed::item).iter().map(Vec::as_slice)),
    }
}

/// The feed as it may go live: every fragment and every document was read back by [`guard`]. Entries that fail are left
/// out and named; the rest is published. `Err`: the feed itself cannot be published (its own id, title or address is
/// wrong); what was live before stays.
pub fn documents_checked(feed: &Feed) -> Result<(Documents, Vec<Left>), Refused> {
    documents_with(feed, &mut Fragments::default())
}

/// As [`documents_checked`], with fragments kept from one revision of this feed to the next: an entry that did not
/// change is neither rendered nor checked again. The bytes are the same as without. `kept` holds afterwards what this
/// feed consists of and nothing else, so it is bounded by the feed's length; keep one for each feed.
pub fn documents_with(feed: &Feed, kept: &mut Fragments) -> Result<(Documents, Vec<Left>), Refused> {
    let manner = Manner::of(feed);
    let mut left = Vec::new();
    let mut entries = Vec::with_capacity(feed.entries.len());
    let mut fragments = Vec::with_capacity(feed.entries.len());
    let mut prints = Vec::with_capacity(feed.entries.len());
    let mut ids = BTreeSet::new();
    let mut before = std::mem::take(kept).of_manner(&manner);
    for entry in &feed.entries {
        if !ids.insert(&entry.entry.id) {
            left.push(Left { id: entry.entry.id.clone(), reason: "its id stands in the feed already".to_owned() });
            continue;
        }
        let print = fragment::print(entry);
        let fragment = before.take(&entry.entry.id, &print);
        match fragment.map_or_else(|| checked_fragment(entry, &manner), Ok) {
            Ok(fragment) => {
                entries.push(entry);
                fragments.push(fragment);
                prints.push(print);
            }
            Err(reason) => left.push(Left { id: entry.entry.id.clone(), reason }),
        }
    }
    let documents = assemble(feed, &fragments);
    guard::documents(feed, &entries, &documents)?;
    *kept = Fragments::keep(manner, prints, fragments);
    Ok((documents, left))
}
fn checked_fragment(entry: &FeedEntry, manner: &Manner) -> Result<Fragment, String> {
    let fragment = fragment::make(entry, manner);
    guard::fragment(entry, &fragment).map(|()| fragment)
}

/// Head, fragments in order, tail.
fn assemble(feed: &Feed, fragments: &[Fragment]) -> Documents {
    Documents {
        atom: atom::document(feed, fragments.iter().map(|fragment| fragment.atom.as_slice())),
        rss: rss::document(feed, fragments.iter().map(|fragment| fragment.rss.as_slice())),
        json: json_feed::document(feed, fragments.iter().map(|fragment| fragment.json.as_slice())),
    }
}

/// The feed's title; formats demand one.
fn title(feed: &Feed) -> String {
    Some(text::line(&feed.title)).filter(|title| !title.is_empty()).unwrap_or_else(|| feed.page.clone())
}
