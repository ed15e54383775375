//! The feed behind a web page: looked for through the door, one address after the other. Which one is next says
//! `schedule::found`, what a page names says `parse::discover`.
//!
//! The daemon asks each in a poll of its own, within the budgets of hosts; the verbs ask them here, one in each interval.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::Instant;
use url::Url;

use super::Newsdesk;
use super::clock::wall;
use super::refresh::{Done, Refreshing, asked_next, not_stored};
use super::work::blocking;
use crate::config::settings::{FetchSettings, Place, Source, without_secrets};
use crate::fetch::http::{Answer, Document, Door, FetchError, Request, Way};
use crate::model::Time;
use crate::parse::discover::{self, Candidate};
use crate::parse::{self, Limits, NotAFeed, ParsedFeed};
use crate::schedule::found::Step;
use crate::schedule::{Failure, Found, NextPoll, queue};
use crate::store::SourceState;

/// A page without a feed.
#[derive(Debug, thiserror::Error)]
#[error(
    "this is a web page without a feed: it names none that can be read, and there is none in the usual places; find the address of the feed itself and write it as url"
)]
pub struct NoFeed;

/// What was asked of the source is a feed.
pub(super) fn is_a_feed(source: &Source, state: &mut SourceState) {
    let Place::Feed(url) = &source.place else { return };
    if state.poll.found.succeeded(url) {
        let feed = state
            .poll
            .found
            .suggestion(url)
            .filter(|_| !source.private)
            .map(|feed| format!(": {}", without_secrets(feed)));
        tracing::info!(source = %source.name, "its feed was found{}; newsdesk status has the line to change", feed.unwrap_or_default());
    }
}

/// What was asked of the source could not be had.
pub(super) fn failed(source: &Source, state: &mut SourceState, failure: Failure, now: Time) -> Step {
    match &source.place {
        Place::Feed(url) => state.poll.found.failed(url, failure, now),
        Place::Folder(_) => Step::Failure,
    }
}

/// What was asked of the source could be had, but is no feed.
pub(super) async fn is_no_feed(
    source: &Source,
    state: &mut SourceState,
    document: Arc<Document>,
    cause: &NotAFeed,
    now: Time,
) -> Step {
    match (&source.place, cause) {
        (Place::Feed(url), NotAFeed::WebPage { .. }) => {
            let candidates = blocking(move || candidates(&document)).await;
            let succeeded = state.poll.last_success.is_some();
            state.poll.found.is_a_page(url, candidates, succeeded, now)
        }
        _ => failed(source, state, Failure::NotAFeed, now),
    }
}

impl Newsdesk {
    /// The search goes on with the next poll, which comes as soon as its host may be asked.
    pub(super) async fn search_on(
        &self,
        source: Arc<Source>,
        row: i64,
        mut state: Box<SourceState>,
        now: Time,
    ) -> Refreshing {
        let asks = asked_next(&source, &state);
        let seconds = self.settings.fetch.host_interval.as_millis().div_ceil(1000);
        let wait = TimeDelta::seconds(i64::try_from(seconds).unwrap_or(1));
        let next = NextPoll { at: now + wait, reason: "the page's feed is looked for".to_owned() };
        let words = "a web page; its feed is looked for".to_owned();
        state.last_try = Some(now);
        state.outcome = words.clone();
        (state.next_poll, state.next_reason) = (Some(next.at), next.reason.clone());
        if let Err(cause) = self.store.record_poll(row, state).await {
            // What the search knows was not kept either: it would ask the same again.
            let at = now + self.settings.schedule.min.max(TimeDelta::minutes(1));
            return not_stored(source, cause, NextPoll { at, ..next });
        }
        let done = Done { words, ..Done::default() };
        Refreshing { asks, searching: true, ..Refreshing::ended(source, Ok(done), next) }
    }
}

/// A feed, found for somebody who waits.
#[derive(Debug)]
pub struct Discovered {
    /// To be written as `url`; where it differs from what was asked for, it was found on that page.
    pub url: Url,
    pub document: Document,
    pub feed: ParsedFeed,
    /// Other feeds that the page names.
    pub others: Vec<Url>,
}

/// Why no feed was found.
#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    NotAFeed(#[from] NotAFeed),
    #[error(transparent)]
    NoFeed(#[from] NoFeed),
    #[error("it answered 304 (not modified), though nothing was remembered to compare with")]
    NotModified,
}

/// The feed at `request.url`, or the one that the page there leads to.
pub async fn discover(
    door: &Door,
    request: Request<'_>,
    settings: &FetchSettings,
) -> Result<Discovered, DiscoverError> {
    let page = request.url;
    let mut found = Found::default();
    let mut pace = Pace { interval: settings.host_interval, last: HashMap::new() };
    // Of the first one that was named and is down: worth more than that no other was found.
    let mut passed_over = None;
    // Hosts that said 429.
    let mut patient = BTreeSet::new();
    loop {
        let asked = found.ask(page).clone();
        let mut way = Way::to(&asked);
        let answer = loop {
            pace.wait_for(way.url()).await;
            match door.go_on(Request { url: &asked, keep: true, ..request.clone() }, way).await {
                Ok(Answer::Elsewhere(further)) => way = further,
                Ok(Answer::NotModified(_)) => return Err(DiscoverError::NotModified),
                Ok(Answer::Document(document)) => break Ok(document),
                Err(cause) => break Err(cause),
            }
        };
        let (step, cause) = match answer {
            Ok(document) => {
                let document = Arc::new(document);
                match read(document.clone()).await {
                    (Ok(feed), _) => {
                        found.succeeded(page);
                        let document = Arc::unwrap_or_clone(document);
                        return Ok(Discovered { url: asked, document, feed, others: found.others().to_vec() });
                    }
                    (Err(cause @ NotAFeed::WebPage { .. }), candidates) => {
                        (found.is_a_page(page, candidates, false, wall()), cause.into())
                    }
                    (Err(cause), _) => (found.failed(page, Failure::NotAFeed, wall()), cause.into()),
                }
            }
            Err(cause) => {
                if cause.kind() == Failure::TooMany {
                    patient.insert(queue::bucket(&cause.url));
                }
                (found.failed(page, cause.kind(), wall()), DiscoverError::from(cause))
            }
        };
        let mut further = match step {
            Step::Failure if !found.is_searching(page) => return Err(cause),
            // The daemon would come back to it; whoever waits here is better served by the next one.
            Step::Failure => {
                passed_over.get_or_insert(cause);
                found.pass_over(wall())
            }
            step => step,
        };
        // A host that asks for patience is asked nothing else.
        while further == Step::Next && patient.contains(&queue::bucket(found.ask(page))) {
            further = found.pass_over(wall());
        }
        if further != Step::Next {
            return Err(passed_over.unwrap_or_else(|| NoFeed.into()));
        }
    }
}

async fn read(document: Arc<Document>) -> (Result<ParsedFeed, NotAFeed>, Vec<Candidate>) {
    blocking(move || {
        let read = parse::document(&input(&document), &Limits::default());
        let named = if matches!(read, Err(NotAFeed::WebPage { .. })) { candidates(&document) } else { Vec::new() };
        (read, named)
    })
    .await
}

fn candidates(document: &Document) -> Vec<Candidate> {
    discover::candidates(&input(document))
}

fn input(document: &Document) -> parse::Input<'_> {
    parse::Input { bytes: &document.body, content_type: document.content_type.as_deref(), base: Some(&document.url) }
}

/// One request to a host in each interval, where no daemon keeps its budget.
struct Pace {
    interval: Duration,
    /// Bucket -> the last request.
    last: HashMap<String, Instant>,
}

impl Pace {
    async fn wait_for(&mut self, url: &Url) {
        let last = self.last.entry(queue::bucket(url));
        let now = Instant::now();
        if let std::collections::hash_map::Entry::Occupied(last) = &last {
            tokio::time::sleep_until(*last.get() + self.interval).await;
        }
        last.insert_entry(now.max(Instant::now()));
    }
}
