//! One document: read, held against what is known of its source, and its entries placed. Nothing is written.

use std::collections::BTreeSet;

use url::Url;

use crate::changes::{self, Situation};
use crate::config::settings::{Source, holds_secret};
use crate::daemon::{Newsdesk, full_text, push, rules};
use crate::fetch::http::Document;
use crate::model::{Origin, Time};
use crate::normalize::{self, Context, Refreshed};
use crate::parse::{self, Limits, ParsedFeed};
use crate::store::{Refresh, SourceState, StoreError};
use crate::websub::subscriber::Advertised;

/// A feed document beside what the store knows of its source.
pub struct Compared {
    pub changes: changes::Changes,
    origin: Origin,
    /// Its native id, if it may be published.
    feed_id: Option<String>,
    /// It is the first, or carries at least one entry that is known.
    pub same_feed: bool,
}

/// What [`Newsdesk::read_feed`] found.
pub struct Read {
    pub compared: Compared,
    pub repairs: Vec<String>,
    pub hints: parse::feed::Hints,
    /// The hub that it names.
    pub advertised: Option<Advertised>,
}

pub enum ReadError {
    NotAFeed(parse::NotAFeed),
    Store(StoreError),
}

impl From<parse::NotAFeed> for ReadError {
    fn from(cause: parse::NotAFeed) -> ReadError {
        ReadError::NotAFeed(cause)
    }
}

impl From<StoreError> for ReadError {
    fn from(cause: StoreError) -> ReadError {
        ReadError::Store(cause)
    }
}

impl Compared {
    /// The write of it, together with what became of the source.
    pub fn refresh(self, source: &Source, row: i64, state: Box<SourceState>, now: Time) -> Refresh {
        Refresh {
            source: row,
            now,
            changes: self.changes,
            origin: Some(self.origin),
            feed_id: self.feed_id,
            state: *state,
            files: Vec::new(),
            vanished: Vec::new(),
            pages: full_text::pages_of(source),
        }
    }
}

impl Newsdesk {
    /// Read a document and say what is new in it and where that stands. All of it on one thread: to hand it on from
    /// step to step would cost more than some of them do.
    pub fn read_feed(
        &self,
        source: &Source,
        configured: &Url,
        document: &Document,
        row: i64,
        last_read: Option<Time>,
        now: Time,
    ) -> Result<Read, ReadError> {
        let (refreshed, repairs, hints) = self.normalize_feed(source, configured, document)?;
        let advertised = push::advertised(document, &refreshed);
        let (known, first_fetch) = self.store.known_now(row, &changes::question(&refreshed))?;
        let same_feed = first_fetch || !known.by_key.is_empty();
        let (origin, feed_id) = (refreshed.origin.clone(), refreshed.feed_id.clone());
        let situation = Situation { now, first_fetch, local: false, last_read };
        let changes = self.placed(&source.name, changes::between(&known, refreshed, situation), now);
        let compared = Compared { changes, origin, feed_id, same_feed };
        Ok(Read { compared, repairs, hints, advertised })
    }

    fn normalize_feed(
        &self,
        source: &Source,
        configured: &Url,
        document: &Document,
    ) -> Result<(Refreshed, Vec<String>, parse::feed::Hints), parse::NotAFeed> {
        let input = parse::Input {
            bytes: &document.body,
            content_type: document.content_type.as_deref(),
            base: Some(&document.url),
        };
        let parsed = parse::document(&input, &Limits::default())?;
        let repairs = repairs_in_words(&parsed);
        let hints = parsed.hints.clone();
        // A page without a secret may name a feed with one.
        let public = !source.private && !holds_secret(configured);
        let context = Context {
            source: &source.name,
            feed_url: public.then_some(configured.as_str()),
            origins: &self.settings.origins,
            tracking: &self.settings.tracking_parameters,
            file: None,
        };
        Ok((normalize::document(parsed, &context), repairs, hints))
    }

    /// Decide where each entry that is new or changed stands.
    pub fn placed(&self, source: &str, mut changes: changes::Changes, now: Time) -> changes::Changes {
        for entry in &mut changes.new {
            let placement = self.placer.placed(source, &entry.stated, now);
            entry.sections = placement.sections;
            rules::count(&mut changes.hits, placement.hits);
        }
        for entry in &mut changes.changed {
            let placement = self.placer.placed(source, &entry.stated, entry.first_seen);
            entry.sections = placement.sections;
            rules::count(&mut changes.hits, placement.hits);
        }
        changes
    }
}

/// "limit: entries (12)", each kind once.
pub fn repairs_in_words(feed: &ParsedFeed) -> Vec<String> {
    feed.repairs.0.iter().map(|(kind, count)| format!("{kind} ({count})")).collect()
}

/// A limit that begins to cut is told once; the status has it as long as it does.
pub fn tell_cuts(source: &Source, before: &[String], after: &[String]) {
    let kind = |repair: &str| repair.split(" (").next().unwrap_or_default().to_owned();
    let known: BTreeSet<String> = before.iter().map(|repair| kind(repair)).collect();
    for repair in after.iter().filter(|repair| repair.starts_with("limit") && !known.contains(&kind(repair))) {
        tracing::warn!(source = %source.name, stage = "parse", "more than is taken of one document: {repair}");
    }
}
