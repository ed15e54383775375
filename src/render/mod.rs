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

use crate::model::{EntryId, Feed};
use fragment::{Fragment, Manner};

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

/// The feed as it is, unchecked. Pure: the same feed gives the same bytes.
pub fn documents(feed: &Feed) -> Documents {
    let manner = Manner::of(feed);
    let fragments: Vec<Fragment> = feed.entries.iter().map(|entry| fragment::make(entry, &manner)).collect();
    assemble(feed, &fragments.iter().collect::<Vec<_>>())
}

/// The feed as it may go live: every fragment and every document was read back by [`guard`]. Entries that fail are left
/// out and named; the rest is published. `Err`: the feed itself cannot be published (its own id, title or address is
/// wrong); what was live before stays.
pub fn documents_checked(feed: &Feed) -> Result<(Documents, Vec<Left>), guard::Refused> {
    let manner = Manner::of(feed);
    let mut left = Vec::new();
    let mut kept = Vec::with_capacity(feed.entries.len());
    let mut fragments = Vec::with_capacity(feed.entries.len());
    let mut ids = std::collections::BTreeSet::new();
    for entry in &feed.entries {
        let fragment = fragment::make(entry, &manner);
        let verdict = guard::fragment(entry, &fragment).and_then(|()| match ids.insert(&entry.entry.id) {
            true => Ok(()),
            false => Err("its id stands in the feed already".to_owned()),
        });
        match verdict {
            Ok(()) => {
                kept.push(entry);
                fragments.push(fragment);
            }
            Err(reason) => left.push(Left { id: entry.entry.id.clone(), reason }),
        }
    }
    let documents = assemble(feed, &fragments.iter().collect::<Vec<_>>());
    guard::documents(feed, &kept, &documents)?;
    Ok((documents, left))
}

/// Head, fragments in order, tail.
pub fn assemble(feed: &Feed, fragments: &[&Fragment]) -> Documents {
    Documents {
        atom: atom::document(feed, fragments),
        rss: rss::document(feed, fragments),
        json: json_feed::document(feed, fragments),
    }
}

/// The feed's title; formats demand one.
fn title(feed: &Feed) -> String {
    Some(text::line(&feed.title)).filter(|title| !title.is_empty()).unwrap_or_else(|| feed.page.clone())
}
