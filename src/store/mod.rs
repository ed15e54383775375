//! Store: what is known, kept across restarts, behind operations in the domain's words.
//!
//! May use: `model`, `changes`, the keys of `normalize`, and what it keeps for others as it is (`schedule`'s poll, the
//! door's validators, `websub`'s subscriptions). Decides nothing but what only a unique index can: which of two
//! sources owns a published id, which of two articles a slug. Every time is passed in.

mod activity;
mod aliases;
mod apply;
mod archives;
mod capped;
mod copies;
mod dossier;
mod files;
mod full_text;
mod hits;
mod hub;
mod ids;
mod known;
mod members;
mod mirror;
mod pack;
mod push;
mod queue;
mod retention;
mod revisions;
mod sources;
mod spells;
mod sqlite;
mod stories;
pub mod upkeep;
mod windows;
mod withdraw;

use std::path::PathBuf;

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use crate::fetch::http::Validators;
use crate::model::{Entry, EntryId, Origin, Time, compact};
use crate::schedule::Poll;
use crate::websub::subscriber::Advertised;

pub use activity::{Activity, DAYS};
pub use apply::{Applied, Refresh};
pub use archives::{ArchiveRow, Reach, Standings};
pub use copies::Manners;
pub use dossier::{Dossier, Sought, Standpoint, Whole};
pub use full_text::{PageCounts, PageOutcome, WantedPage};
pub use hits::RuleHits;
pub use mirror::{SectionDay, Unmirrored};
pub use retention::Pruned;
pub use revisions::{Packed, StoredRevision};
pub use sources::{SectionRow, SourceRow};
pub use spells::{Spell, Spells};
pub use sqlite::{Store, View};
pub use windows::{Shown, Span};
pub use withdraw::{Undone, Wanted};

/// What went wrong, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot open the store {path}; check that its folder exists and may be written")]
    Open {
        path: PathBuf,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(
        "the store {path} is in use by another newsdesk; stop that one first, or give this one its own state directory with --state"
    )]
    InUse { path: PathBuf },
    #[error(
        "the store {path} was written by a newer newsdesk (schema {found}, this program knows {known}); install that version again"
    )]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "{path} is no store of newsdesk, or it is damaged; put a backup in its place, or move it away to begin anew"
    )]
    NotAStore {
        path: PathBuf,
        #[source]
        cause: rusqlite::Error,
    },
    #[error("cannot bring the store {path} to schema {version}; a copy from before is beside it")]
    Migrate {
        path: PathBuf,
        version: usize,
        #[source]
        cause: rusqlite::Error,
    },
    #[error("the disk is full: nothing was changed; free some space, the next refresh repeats what was lost")]
    Full,
    #[error("the store failed")]
    Sqlite(#[source] rusqlite::Error),
    #[error("the store holds something that this program cannot read ({what})")]
    Damaged {
        what: &'static str,
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(cause: rusqlite::Error) -> StoreError {
        match cause.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => StoreError::Full,
            _ => StoreError::Sqlite(cause),
        }
    }
}

/// What is kept about the polls of one source, besides its entries.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceState {
    /// Byte for byte as the server sent them, with the last document that was read whole.
    #[serde(skip_serializing_if = "compact::usual")]
    pub validators: Validators,
    /// Hash of that document and of the reader's version.
    #[serde(skip_serializing_if = "compact::usual")]
    pub body_hash: Option<String>,
    /// Its size, decoded: what a 304 saves.
    #[serde(skip_serializing_if = "compact::usual")]
    pub body_bytes: u64,
    /// What the schedule knows.
    #[serde(skip_serializing_if = "compact::usual")]
    pub poll: Poll,
    #[serde(with = "compact::moment", skip_serializing_if = "compact::usual")]
    pub next_poll: Option<Time>,
    /// In words: "next poll at T because ...".
    #[serde(skip_serializing_if = "compact::usual")]
    pub next_reason: String,
    #[serde(with = "compact::moment", skip_serializing_if = "compact::usual")]
    pub last_try: Option<Time>,
    #[serde(with = "compact::moment", skip_serializing_if = "compact::usual")]
    pub last_success: Option<Time>,
    /// Of the last answer; `None`: there was none, or the source is no feed.
    #[serde(skip_serializing_if = "compact::usual")]
    pub http_status: Option<u16>,
    /// "304 not modified", "3 new, 1 changed".
    #[serde(skip_serializing_if = "compact::usual")]
    pub outcome: String,
    /// Set while the last try failed.
    #[serde(skip_serializing_if = "compact::usual")]
    pub trouble: Option<Trouble>,
    /// What had to be repaired in the last document, in words.
    #[serde(skip_serializing_if = "compact::usual")]
    pub repairs: Vec<String>,
    /// The hub that the last document named.
    #[serde(skip_serializing_if = "compact::usual")]
    pub advertised: Option<Advertised>,
}

/// Why the last try failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// fetch, parse, store ...
    pub stage: String,
    /// With its causes; holds no address of another source.
    pub cause: String,
    pub since: Time,
}

/// One file of a local source, as last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    pub path: String,
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: i64,
    pub held: Option<Time>,
    pub trouble: Option<String>,
    /// What was cut, mended or left out of it, in words.
    pub repairs: Vec<String>,
    /// Paths of the files that its article shows.
    pub shows: Vec<String>,
}

/// A stored entry with what belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    pub entry: Entry,
    pub row: i64,
    pub key_text: String,
    /// Metadata of its source, with the published feed id.
    pub origin: Origin,
    pub withdrawn: Option<Time>,
    /// Names of the sections in which it is shown itself.
    pub sections: Vec<String>,
    /// Of a window: those that it stands for there. Of a single entry: the others of its story.
    pub copies: Vec<Stored>,
}

/// An entry that leaves, for those who follow what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    pub id: EntryId,
    pub slug: Option<String>,
}

fn time(seconds: i64) -> Time {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}
