//! The gate: what was written is read back on an independent path before it goes live.

use crate::model::{Feed, FeedEntry};

use super::Documents;
use super::fragment::Fragment;

/// A feed that must not be published as it is; what was live before stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{document}: {reason}")]
pub struct Refused {
    /// `atom.xml`, `rss.xml` or `feed.json`.
    pub document: &'static str,
    pub reason: String,
}

/// One entry's fragments, read back. `Err`: why it cannot be published.
pub fn fragment(entry: &FeedEntry, fragment: &Fragment) -> Result<(), String> {
    let _ = (entry, fragment);
    Ok(())
}

/// The three documents of a feed that holds `entries`, read back.
pub fn documents(feed: &Feed, entries: &[&FeedEntry], documents: &Documents) -> Result<(), Refused> {
    let _ = (feed, entries, documents);
    Ok(())
}
