//! One pass over one source: fetch, parse, normalize, compare, store; each failure says who, at which step and why.

pub(super) mod document;
mod folder;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use url::Url;

use document::{Read, ReadError, tell_cuts};

use super::work::blocking;
use super::{Newsdesk, search};
use crate::changes;
use crate::config::settings::{Place, Source, without_secrets};
use crate::fetch::folder::FolderChanged;
use crate::fetch::http::{Answer, Document, FetchError, Hop, Request, Way};
use crate::model::Time;
use crate::schedule::found::Step;
use crate::schedule::{self, Failure, Freshness, NextPoll, Outcome, queue};
use crate::store::{Applied, SourceState, StoreError, Trouble};

/// Changes when the same bytes are read in another way: then every document is asked for and read once more.
const READER: &str = "reader 1";

const STORE_FAILED: &str = "the store failed";

/// What is said of a document or folder that brought nothing.
pub(super) const NOTHING_NEW: &str = "nothing new";

/// A step of the way through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Fetch,
    Parse,
    Store,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stage::Fetch => "fetch",
            Stage::Parse => "parse",
            Stage::Store => "store",
        })
    }
}

/// Printed with its causes: `bbc-world: parse: this is a web page ("Log in"), not a feed`.
#[derive(Debug, thiserror::Error)]
#[error("{source_name}: {stage}")]
pub struct RefreshError {
    pub source_name: String,
    pub stage: Stage,
    #[source]
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

impl RefreshError {
    pub(super) fn new(source: &Source, stage: Stage, cause: Box<dyn std::error::Error + Send + Sync>) -> RefreshError {
        RefreshError { source_name: source.name.clone(), stage, cause }
    }
}

/// How a refresh ended.
#[derive(Debug)]
pub struct Refreshing {
    pub source: Arc<Source>,
    pub result: Result<Done, RefreshError>,
    /// When it is asked next, and why.
    pub next: NextPoll,
    /// Whom the next poll asks; `None`: whom it would have asked, or it is a folder.
    pub asks: Option<Asks>,
    /// What the queue of hosts has to know of a failure.
    pub refused: Option<Refused>,
    /// Files are still being written: look again so soon.
    pub again: Option<Duration>,
    /// A web page, whose feed is looked for by the next poll: nothing has come of it yet.
    pub searching: bool,
    /// A redirect leads to another host, which is asked in its turn: nothing has come of it yet.
    pub way: Option<Way>,
}

/// Which host a poll asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Asks {
    /// That of the configured address.
    Configured,
    /// The bucket of another one, which was found or moved to.
    Other(String),
}

/// A host that did not answer as it should.
#[derive(Debug)]
pub struct Refused {
    /// Its bucket: after redirects it may be another one than the source's.
    pub bucket: Option<String>,
    /// It said that this was one request too many.
    pub limited: bool,
    pub retry_after: Option<TimeDelta>,
}

impl Refreshing {
    pub(super) fn ended(source: Arc<Source>, result: Result<Done, RefreshError>, next: NextPoll) -> Refreshing {
        Refreshing { source, result, next, asks: None, refused: None, again: None, searching: false, way: None }
    }

    fn asking(self, asks: Option<Asks>) -> Refreshing {
        Refreshing { asks, ..self }
    }
}

/// What a refresh that worked found.
#[derive(Debug, Default)]
pub struct Done {
    pub applied: Applied,
    /// "not modified", "3 new, 1 changed".
    pub words: String,
    /// What somebody has to look at although the rest went well: files that cannot be read, or that are missing.
    pub trouble: Option<String>,
    /// It was a 304; the bytes of the document that was not sent again.
    pub not_modified: Option<u64>,
    /// Repairs that the document needed.
    pub warnings: usize,
}

impl Done {
    /// Did it write entries?
    pub fn stored(&self) -> bool {
        !(self.applied.new.is_empty() && self.applied.changed.is_empty() && self.applied.sections.is_empty())
    }
}

/// What whoever starts a refresh has to say about it.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// Files that are missing were meant to be.
    pub confirm_missing: bool,
    /// When its host refused us last, whichever of its sources asked.
    pub host_refused: Option<Time>,
    /// Where redirects have led it already.
    pub way: Option<Way>,
    /// What the store knows of it, where it has been asked already.
    pub state: Option<Box<SourceState>>,
}

impl Newsdesk {
    /// Refresh one source and write down how it went. Never fails as a whole: what went wrong is part of the answer.
    pub async fn refresh(&self, source: Arc<Source>, change: Option<FolderChanged>, mut wish: Wish) -> Refreshing {
        let now = super::now();
        let row = self.row(&source.name);
        let mut state = match wish.state.take().map_or_else(|| self.store.state(row), Ok) {
            Ok(state) => state,
            Err(cause) => return self.store_failed(source, cause.into(), now),
        };
        match &source.place {
            Place::Feed(configured) => {
                state.poll.limited_at = state.poll.limited_at.max(wish.host_refused);
                self.refresh_feed(&source, configured, row, state, wish.way).await
            }
            Place::Folder(root) => {
                let root = root.clone();
                Box::pin(self.refresh_folder(source, row, &root, state, change, wish, now)).await
            }
        }
    }

    async fn refresh_feed(
        &self,
        source: &Arc<Source>,
        configured: &Url,
        row: i64,
        mut state: Box<SourceState>,
        way: Option<Way>,
    ) -> Refreshing {
        let source = source.clone();
        let page = configured;
        // On a web page's behalf its feed is asked; that it moves is a matter of its own.
        let configured = &state.poll.found.ask(page).clone();
        let url = state.poll.moved.ask(configured);
        // Of another address nothing is known that would lead on.
        let way = way.filter(|way| way.is_from(url)).unwrap_or_else(|| Way::to(url));
        let same_reader = state.body_hash.as_deref().is_some_and(|hash| hash.ends_with(&self.feed_reading));
        let request = Request {
            configured: page,
            validators: same_reader.then_some(&state.validators),
            headers: &source.headers,
            credentials: source.credentials.as_ref(),
            keep: self.shared_hosts.contains(&source.name),
            ..Request::feed(page, self.settings.fetch.max_body)
        };
        let answer = self.door.go_on(request, way).await;
        // Earlier than it began, where the clock was set back meanwhile: the next poll counts from the new time.
        let now = super::now();
        match answer {
            Ok(Answer::Elsewhere(way)) => {
                let next = NextPoll { at: now, reason: "a redirect leads to another host".to_owned() };
                let done = Done { words: "a redirect, followed".to_owned(), ..Done::default() };
                Refreshing { way: Some(way), ..Refreshing::ended(source, Ok(done), next) }
            }
            Ok(Answer::NotModified(answer)) => {
                state.validators = answer.validators;
                state.http_status = Some(304);
                search::is_a_feed(&source, &mut state);
                went_through(&source, configured, &mut state, &answer.hops, true);
                let outcome = Outcome::NotModified { freshness: answer.freshness };
                let saved = state.body_bytes;
                let mut refreshing =
                    self.not_modified(source.clone(), row, state, outcome, "304 not modified", now).await;
                if let Ok(done) = &mut refreshing.result {
                    done.not_modified = Some(saved);
                }
                refreshing
            }
            // Boxed, so that a poll that brings nothing takes no room for all that.
            Ok(Answer::Document(document)) => {
                Box::pin(self.read_document(source, configured, row, state, document, now)).await
            }
            Err(cause) => Box::pin(self.fetch_failed(source, configured, row, state, cause, now)).await,
        }
    }

    async fn read_document(
        &self,
        source: Arc<Source>,
        configured: &Url,
        row: i64,
        mut state: Box<SourceState>,
        document: Document,
        now: Time,
    ) -> Refreshing {
        let hash = format!("{} {}", blake3::hash(&document.body).to_hex(), self.feed_reading);
        let freshness = document.freshness;
        state.http_status = Some(200);
        if state.body_hash.as_ref() == Some(&hash) {
            state.validators = document.validators;
            search::is_a_feed(&source, &mut state);
            went_through(&source, configured, &mut state, &document.hops, true);
            self.push_offered(&source, state.advertised.as_ref());
            // Unlike a 304, a 200 leaves nothing in force that it does not say again (RFC 9111 §4.3.4).
            state.poll.freshness = Freshness::default();
            let outcome = Outcome::NotModified { freshness };
            return self.not_modified(source, row, state, outcome, "200, the same bytes", now).await;
        }
        let (validators, hops) = (document.validators.clone(), document.hops.clone());
        let body_bytes = document.body.len() as u64;
        let document = Arc::new(document);
        let read = {
            let (newsdesk, source, document) = (self.clone(), source.clone(), document.clone());
            let (configured, last_read) = (configured.clone(), state.last_success);
            blocking(move || newsdesk.read_feed(&source, &configured, &document, row, last_read, now)).await
        };
        let Read { compared, repairs, hints, advertised } = match read {
            Ok(read) => read,
            Err(ReadError::Store(cause)) => return self.store_failed(source, cause.into(), now),
            Err(ReadError::NotAFeed(cause)) => {
                let cause = match search::is_no_feed(&source, &mut state, document, &cause, now).await {
                    Step::Next => return self.search_on(source, row, state, now).await,
                    Step::InVain => search::NoFeed.into(),
                    Step::Failure => cause.into(),
                };
                led_nowhere(&source, configured, &mut state);
                let outcome = Outcome::Failed { failure: Failure::NotAFeed, retry_after: None, frozen: false };
                let error = RefreshError::new(&source, Stage::Parse, cause);
                return self.failed(source, row, state, outcome, error, now).await;
            }
        };
        search::is_a_feed(&source, &mut state);
        state.advertised = advertised;
        went_through(&source, configured, &mut state, &hops, compared.same_feed);
        state.validators = validators;
        state.body_hash = Some(hash);
        tell_cuts(&source, &state.repairs, &repairs);
        state.body_bytes = body_bytes;
        let warnings = repairs.len();
        state.repairs = repairs;
        let words = in_words(&compared.changes);
        let new = compared.changes.new.len();
        state.poll.record(&Outcome::Changed { entries: new, hints, freshness }, now);
        if new > 0 {
            self.push_missed(row, now);
        }
        self.push_offered(&source, state.advertised.as_ref());
        let next = self.well(&source, &mut state, &words, now);
        let asks = asked_next(&source, &state);
        let refresh = compared.refresh(&source, row, state, now);
        match self.store.apply_refresh(refresh).await {
            Ok(applied) => {
                let done = Done { applied, words, warnings, ..Done::default() };
                Refreshing::ended(source, Ok(done), next).asking(asks)
            }
            Err(cause) => self.news_not_stored(source, cause, next, now),
        }
    }

    async fn not_modified(
        &self,
        source: Arc<Source>,
        row: i64,
        mut state: Box<SourceState>,
        outcome: Outcome,
        words: &str,
        now: Time,
    ) -> Refreshing {
        state.poll.record(&outcome, now);
        let next = self.well(&source, &mut state, words, now);
        let asks = asked_next(&source, &state);
        match self.store.record_poll(row, state).await {
            Ok(()) => {
                let done = Done { words: words.to_owned(), ..Done::default() };
                Refreshing::ended(source, Ok(done), next).asking(asks)
            }
            Err(cause) => not_stored(source, cause, next),
        }
    }

    async fn fetch_failed(
        &self,
        source: Arc<Source>,
        configured: &Url,
        row: i64,
        mut state: Box<SourceState>,
        cause: FetchError,
        now: Time,
    ) -> Refreshing {
        let (failure, retry_after) = (cause.kind(), cause.retry_after());
        let bucket = queue::bucket(&cause.url);
        state.http_status = cause.status();
        let frozen = self.outage_is_ours(&source, Some(failure), &state.poll, now);
        // What our own outage breaks says nothing against an address that was found or moved to.
        let step = if frozen { Step::Failure } else { search::failed(&source, &mut state, failure, now) };
        if !frozen {
            led_nowhere(&source, configured, &mut state);
        }
        let (failure, error) = match step {
            Step::Next => {
                // The search is no failure of the source, and its host is left alone all the same.
                let limited = failure == Failure::TooMany;
                let refused = Refused { bucket: Some(bucket), limited, retry_after };
                return Refreshing { refused: Some(refused), ..self.search_on(source, row, state, now).await };
            }
            Step::InVain => (Failure::NotAFeed, RefreshError::new(&source, Stage::Parse, search::NoFeed.into())),
            Step::Failure => (failure, RefreshError::new(&source, Stage::Fetch, cause.into())),
        };
        let outcome = Outcome::Failed { failure, retry_after, frozen };
        let mut refreshing = self.failed(source, row, state, outcome, error, now).await;
        if let Some(refused) = &mut refreshing.refused {
            refused.bucket = Some(bucket);
        }
        refreshing
    }

    /// A refresh that failed: the reason is kept, the entries stay.
    async fn failed(
        &self,
        source: Arc<Source>,
        row: i64,
        mut state: Box<SourceState>,
        outcome: Outcome,
        error: RefreshError,
        now: Time,
    ) -> Refreshing {
        state.poll.record(&outcome, now);
        let refused = match &outcome {
            Outcome::Failed { retry_after, .. } => {
                let limited = state.poll.last_failure == Some(Failure::TooMany);
                Some(Refused { bucket: None, limited, retry_after: *retry_after })
            }
            Outcome::Changed { .. } | Outcome::NotModified { .. } => None,
        };
        state.last_try = Some(now);
        let words = super::chain(&*error.cause);
        let since = state.trouble.as_ref().map_or(now, |trouble| trouble.since);
        state.outcome = words.clone();
        state.trouble = Some(Trouble { stage: error.stage.to_string(), cause: words, since });
        let next = self.next(&source, &mut state, now);
        let asks = asked_next(&source, &state);
        match self.store.record_poll(row, state).await {
            Ok(()) => Refreshing { refused, ..Refreshing::ended(source, Err(error), next).asking(asks) },
            // What the host said holds all the same.
            Err(cause) => Refreshing { refused, ..not_stored(source, cause, next) },
        }
    }

    /// The store would not give: nobody was asked, so it is tried again soon.
    pub(super) fn store_failed(
        &self,
        source: Arc<Source>,
        cause: Box<dyn std::error::Error + Send + Sync>,
        now: Time,
    ) -> Refreshing {
        let next = NextPoll { at: now + TimeDelta::minutes(1), reason: STORE_FAILED.to_owned() };
        let error = RefreshError::new(&source, Stage::Store, cause);
        Refreshing::ended(source, Err(error), next)
    }

    /// The store would not take what a document brought: it is asked for once more before it may have lost what is new in
    /// it, but no sooner than any source is.
    pub(super) fn news_not_stored(
        &self,
        source: Arc<Source>,
        cause: StoreError,
        next: NextPoll,
        now: Time,
    ) -> Refreshing {
        let at = next.at.min(now + self.settings.schedule.min);
        not_stored(source, cause, NextPoll { at, ..next })
    }

    /// A refresh that worked: when next, and a state that says so.
    fn well(&self, source: &Source, state: &mut SourceState, words: &str, now: Time) -> NextPoll {
        if matches!(source.place, Place::Feed(_)) {
            self.outage_is_ours(source, None, &state.poll, now);
        }
        state.last_try = Some(now);
        state.last_success = Some(now);
        state.outcome = words.to_owned();
        state.trouble = None;
        self.next(source, state, now)
    }

    fn next(&self, source: &Source, state: &mut SourceState, now: Time) -> NextPoll {
        let schedule = &self.settings.schedule;
        let next = match &source.place {
            Place::Feed(_) => {
                let cadence = source.schedule.as_ref().unwrap_or(&schedule.default);
                let bounds = schedule::Bounds { min: schedule.min, max: schedule.max };
                let next = schedule::next_poll(cadence, bounds, &state.poll, now, &source.name);
                state.poll.paced_by = Some(match cadence {
                    schedule::Cadence::Adaptive => self.adaptive_print,
                    schedule::Cadence::Cron(_) => cadence.print(bounds),
                });
                match cadence {
                    schedule::Cadence::Adaptive if state.poll.last_failure.is_none() => {
                        self.push_paced(self.row(&source.name), next, now, now)
                    }
                    // A cron line is the operator's word, and trouble has its own pace.
                    _ => next,
                }
            }
            Place::Folder(_) => {
                let line = match &source.schedule {
                    Some(schedule::Cadence::Cron(line)) => line,
                    _ => &schedule.rescan,
                };
                let at = line.after(now).unwrap_or(now + TimeDelta::hours(1));
                NextPoll { at, reason: "watched; scanned again then to be sure".to_owned() }
            }
        };
        state.next_poll = Some(next.at);
        state.next_reason = next.reason.clone();
        next
    }

    /// The reader's version and everything in the configuration that makes it read articles otherwise.
    pub(super) fn reading_print(settings: &crate::config::Settings) -> String {
        let sections: Vec<_> = settings.sections.iter().map(|s| (&s.name, &s.title, &s.aliases)).collect();
        let (feeds, zone) = (Self::feed_reading_print(settings), settings.site.timezone);
        print_of(&format!("{feeds} {:?} {sections:?} {zone}", settings.residue))
    }

    /// The same for feeds: a new title of a section is no reason to have every feed sent once more.
    pub(super) fn feed_reading_print(settings: &crate::config::Settings) -> String {
        print_of(&format!("{READER} {:?} {:?}", settings.origins, settings.tracking_parameters))
    }
}

/// Somebody was asked, and the store would not take what came of it. That is no reason to ask him again any sooner.
pub(super) fn not_stored(source: Arc<Source>, cause: StoreError, next: NextPoll) -> Refreshing {
    let error = RefreshError::new(&source, Stage::Store, cause.into());
    Refreshing::ended(source, Err(error), NextPoll { reason: STORE_FAILED.to_owned(), ..next })
}

fn print_of(words: &str) -> String {
    blake3::hash(words.as_bytes()).to_hex().chars().take(16).collect()
}

/// The host of a feed's next poll.
pub(super) fn asked_next(source: &Source, state: &SourceState) -> Option<Asks> {
    let Place::Feed(configured) = &source.place else { return None };
    let asked = state.poll.ask(configured);
    // Nearly always, and then no host has to be looked up.
    Some(if asked == configured { Asks::Configured } else { Asks::Other(queue::bucket(asked)) })
}

/// A poll succeeded through these redirects: a permanent one that has proved itself is told once.
fn went_through(source: &Source, configured: &Url, state: &mut SourceState, hops: &[Hop], same_feed: bool) {
    if state.poll.moved.succeeded(configured, hops, same_feed)
        && let Some(to) = state.poll.moved.suggestion(configured)
    {
        tracing::info!(source = %source.name, "moved for good; write it into the configuration: url = \"{}\"", without_secrets(to));
    }
}

/// A poll failed: where it had moved to may have been the wrong place.
fn led_nowhere(source: &Source, configured: &Url, state: &mut SourceState) {
    if state.poll.moved.failed(configured) {
        tracing::warn!(source = %source.name, "it had moved, but is not there any more: its configured address is asked again");
    }
}

pub(super) fn in_words(changes: &changes::Changes) -> String {
    let counts =
        [(changes.new.len(), "new"), (changes.changed.len(), "changed"), (changes.withdrawn.len(), "withdrawn")];
    let words: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if words.is_empty() { NOTHING_NEW.to_owned() } else { words.join(", ") }
}
