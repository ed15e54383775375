//! Render: one [`Feed`] in, the bytes of its documents and pages out.
//!
//! May use: `model`, the writers (`rss`, `atom_syndication`, `serde_json`), templates (`askama`), and `quick-xml` to
//! read back what was written ([`guard`]). Never: a clock, the disk, the network, `tokio`. The same feed gives the same
//! bytes: every instant in them comes from the entries or from [`Feed::updated`].
//!
//! An entry becomes a [`fragment::Fragment`] once; a document is a head, the fragments in order, and a tail.

mod atom;
pub mod discreet;
pub mod fragment;
pub mod guard;
mod json_feed;
pub mod opml;
pub mod page;
mod rss;
pub mod text;
pub mod troubles;

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;

use crate::model::{EntryId, Feed, FeedEntry, Paging};

pub use fragment::{Fragment, Fragments, Manner};
pub use guard::Refused;

/// File names of the three documents, beside [`Feed::page`].
pub const ATOM: &str = "atom.xml";
pub const RSS: &str = "rss.xml";
pub const JSON: &str = "feed.json";

/// Before the number of a document, below the page of its section.
pub const ARCHIVE: &str = "archive/";

/// Namespace of `fh:archive` (RFC 5005 §7).
const HISTORY: &str = "http://purl.org/syndication/history/1.0";

/// Namespaces that every head declares, whatever the entries use.
const MEDIA: &str = "http://search.yahoo.com/mrss/";
const ITUNES: &str = "http://www.itunes.com/dtds/podcast-1.0.dtd";

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
                fragments.push(fragment);
                prints.push(print);
            }
            Err(reason) => left.push(reason),
        }
    }
    let documents = documents_of(feed, &fragments)?;
    *kept = Fragments::keep(manner, prints, fragments);
    Ok((documents, left))
}

/// One entry as it stands in documents of this manner, read back.
pub fn checked_fragment(entry: &FeedEntry, manner: &Manner) -> Result<Fragment, Left> {
    let fragment = fragment::make(entry, manner);
    let left = |reason| Left { id: entry.entry.id.clone(), reason };
    guard::fragment(entry, &fragment).map(|()| fragment).map_err(left)
}

/// The documents of a feed that consists of these fragments, whatever its own entries are, read back.
pub fn documents_of(feed: &Feed, fragments: &[Fragment]) -> Result<Documents, Refused> {
    let documents = assemble(feed, fragments);
    guard::documents(feed, fragments, &documents)?;
    Ok(documents)
}

/// One of them, unchecked.
pub fn document_of(feed: &Feed, fragments: &[Fragment], format: Format) -> Vec<u8> {
    match format {
        Format::Atom => atom::document(feed, fragments.iter().map(|fragment| &*fragment.atom)),
        Format::Rss => rss::document(feed, fragments.iter().map(|fragment| &*fragment.rss)),
        Format::Json => json_feed::document(feed, fragments.iter().map(|fragment| &*fragment.json)),
    }
}

/// Let the fragments be parts of the documents that were made of them, so that they are kept in memory once.
/// `bodies`: Atom, RSS, JSON Feed. `true`: all of them are.
pub fn settle(fragments: &mut [Fragment], bodies: [&Bytes; 3]) -> bool {
    let places = places(fragments, bodies);
    let all = places.iter().flatten().all(Option::is_some);
    for (fragment, places) in fragments.iter_mut().zip(places) {
        for ((part, body), place) in fragment.parts().into_iter().zip(bodies).zip(places) {
            if let Some(place) = place {
                *part = body.slice(place);
            }
        }
    }
    all
}

/// Where each fragment stands in the documents that were made of them; `None`: not there. `bodies`: Atom, RSS, JSON Feed.
pub fn places(fragments: &[Fragment], bodies: [&Bytes; 3]) -> Vec<[Option<Range<usize>>; 3]> {
    const BETWEEN: [usize; 3] = [atom::BETWEEN, rss::BETWEEN, json_feed::BETWEEN];
    const TAILS: [usize; 3] = [atom::TAIL, rss::TAIL, json_feed::TAIL];
    // Of a feed that never passed the gate there is no document.
    let mut ends: [usize; 3] = std::array::from_fn(|at| bodies[at].len().saturating_sub(TAILS[at]));
    let mut places: Vec<[Option<Range<usize>>; 3]> = Vec::with_capacity(fragments.len());
    for fragment in fragments.iter().rev() {
        let parts = [&fragment.atom, &fragment.rss, &fragment.json];
        places.push(std::array::from_fn(|at| {
            let place = ends[at].saturating_sub(parts[at].len())..ends[at];
            ends[at] = place.start.saturating_sub(BETWEEN[at]);
            let is_there = !parts[at].is_empty() && bodies[at].get(place.clone()) == Some(&parts[at][..]);
            is_there.then_some(place)
        }));
    }
    places.reverse();
    places
}

/// Head, fragments in order, tail.
fn assemble(feed: &Feed, fragments: &[Fragment]) -> Documents {
    let document = |format| document_of(feed, fragments, format);
    Documents { atom: document(Format::Atom), rss: document(Format::Rss), json: document(Format::Json) }
}

/// Where a document of the feed lives, by its file name.
fn address(feed: &Feed, name: &str) -> String {
    let page = text::url(&feed.page);
    match feed.paging {
        Paging::Archived { number, .. } => archived(&page, number, name),
        Paging::Alone | Paging::Current { .. } => format!("{page}{name}"),
    }
}

/// The document that follows, with older entries (RFC 5005 §4, prev-archive).
fn previous(feed: &Feed, name: &str) -> Option<String> {
    match feed.paging {
        Paging::Archived { previous, .. } | Paging::Current { previous } => {
            Some(archived(&text::url(&feed.page), previous?, name))
        }
        Paging::Alone => None,
    }
}

/// Of a document of an archive: the one that new entries come in (RFC 5005 §4, current).
fn current(feed: &Feed, name: &str) -> Option<String> {
    matches!(feed.paging, Paging::Archived { .. }).then(|| format!("{}{name}", text::url(&feed.page)))
}

fn archived(page: &str, number: u64, name: &str) -> String {
    format!("{page}{ARCHIVE}{number}/{name}")
}

/// The feed's title; formats demand one.
fn title(feed: &Feed) -> String {
    Some(text::line(&feed.title)).filter(|title| !title.is_empty()).unwrap_or_else(|| feed.page.clone())
}
