//! Full texts: the pages behind entries, one request at a time, each in its turn in the queue of hosts.
//!
//! A source with pages to read waits in the bucket of the next page's host like one with a poll. A turn is one request:
//! for robots.txt where it is not known, else for the page; one that is redirected goes on in a turn of its own, as the
//! robots.txt of where it leads allows. What is found is stored beside the entry, which was
//! published before with what its feed says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use url::Url;

use super::refresh::Refused;
use super::work::blocking;
use super::{Newsdesk, chain, now};
use crate::config::settings::{Place, Source};
use crate::fetch::http::{Answer, Document, FetchError, Request, Way};
use crate::model::{Html, Stated, Time};
use crate::normalize::full_text;
use crate::parse::html::main_text;
use crate::parse::robots::Robots;
use crate::parse::{Input, Limits};
use crate::schedule::{Failure, queue};
use crate::store::{Applied, PageOutcome, StoreError, WantedPage};

/// Pages of one refresh: the newest entries' of a first fetch, all of an ordinary one.
const PAGES: usize = 20;
/// Bytes of a page, and of a robots.txt.
const PAGE_BYTES: u64 = 4 << 20;
const ROBOTS_BYTES: u64 = 4 << 20;
/// A page that cannot be had for reasons that may pass is asked for again after this, twice as long each time.
const AGAIN: TimeDelta = TimeDelta::hours(1);
const TRIES: u32 = 4;
/// What robots.txt says holds for a day (RFC 9309 §2.4), that it could not be had for an hour; so many are kept.
const ROBOTS_HOLD: TimeDelta = TimeDelta::hours(24);
const ROBOTS_AGAIN: TimeDelta = TimeDelta::hours(1);
const ROBOTS_KEPT: usize = 500;
/// Pages that need no request are settled within one turn, at most so many.
const SETTLED_AT_ONCE: usize = 50;

const ACCEPT_PAGE: &str = "text/html, application/xhtml+xml;q=0.9, */*;q=0.1";
const ACCEPT_ROBOTS: &str = "text/plain, */*;q=0.1";

/// How many pages a refresh of this source may want.
pub(super) fn pages_of(source: &Source) -> usize {
    if source.full_text { PAGES } else { 0 }
}

/// Under which key a source's pages wait in the queue; no source is called so.
pub(super) fn key(row: i64) -> String {
    format!("\u{0}{row}")
}

/// The row behind such a key.
pub(super) fn row_of(key: &str) -> Option<i64> {
    key.strip_prefix('\u{0}')?.parse().ok()
}

/// What a turn brought.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Row of the source.
    pub row: i64,
    /// It took its place in the queue of hosts.
    pub asked: bool,
    pub applied: Vec<Applied>,
    pub refused: Option<Refused>,
    /// Bucket and time of the next one; `None`: nothing waits.
    pub next: Option<(String, Time)>,
    /// Requests that redirects have led elsewhere: the last one goes on before anything else is asked.
    pub ways: Vec<Way>,
}

/// What sites ask of us, by origin; forgotten when the daemon stops.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownRobots {
    known: Arc<Mutex<HashMap<String, Known>>>,
}

/// And until when it holds.
type Known = (Arc<Robots>, Time);

impl KnownRobots {
    fn of(&self, url: &Url, now: Time) -> Option<Arc<Robots>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (robots, until) = known.get(&origin(url))?;
        (*until > now && *until <= now + ROBOTS_HOLD).then(|| robots.clone())
    }

    fn put(&self, url: &Url, robots: Robots, until: Time, now: Time) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= ROBOTS_KEPT {
            known.retain(|_, (_, until)| *until > now);
        }
        if known.len() >= ROBOTS_KEPT
            && let Some(first) = known.iter().min_by_key(|(_, (_, until))| *until).map(|(origin, _)| origin.clone())
        {
            known.remove(&first);
        }
        known.insert(origin(url), (Arc::new(robots), until));
    }
}

impl Newsdesk {
    /// Only look whether something waits.
    pub(super) async fn look_for_pages(&self, row: i64) -> Turn {
        Turn { row, next: self.next_page(row).await, ..Turn::default() }
    }

    /// One turn.
    pub(super) async fn read_pages(&self, source: Arc<Source>, row: i64, robots: KnownRobots, ways: Vec<Way>) -> Turn {
        let mut turn = Turn { row, asked: true, ways, ..Turn::default() };
        turn.next = match self.take_turn(&source, &mut turn, &robots).await {
            Ok(()) => self.next_page(row).await,
            Err(cause) => store_failed(&cause),
        };
        turn
    }

    async fn next_page(&self, row: i64) -> Option<(String, Time)> {
        match self.store.wanted_page(row, now()).await {
            Ok(wanted) => {
                wanted.map(|page| (address(&page.stated).map_or_else(String::new, |url| queue::bucket(&url)), page.due))
            }
            Err(cause) => store_failed(&cause),
        }
    }

    /// Sources that want no full texts any more show what their feeds say.
    pub(super) async fn keep_pages(&self) -> Result<(), StoreError> {
        let wanting = self.sources.values().filter(|source| source.full_text);
        self.store.keep_pages(wanting.map(|source| self.row(&source.name)).collect()).await
    }

    async fn take_turn(&self, source: &Source, turn: &mut Turn, robots: &KnownRobots) -> Result<(), StoreError> {
        let ways = std::mem::take(&mut turn.ways);
        let mut bucket = None;
        for _ in 0..SETTLED_AT_ONCE {
            let now = now();
            let Some(page) = self.store.wanted_page(turn.row, now).await?.filter(|page| page.due <= now) else {
                return Ok(());
            };
            let Some(url) = address(&page.stated) else {
                self.note_page(source, turn, page.entry, PageOutcome::None("the entry has no link".to_owned())).await?;
                continue;
            };
            let way = ways.iter().find(|way| way.is_from(&url)).cloned().unwrap_or_else(|| Way::to(&url));
            let there = way.url();
            // The turn is one of this host: a page elsewhere has to wait for its own.
            let of = queue::bucket(there);
            if bucket.get_or_insert_with(|| of.clone()) != &of {
                return Ok(());
            }
            let Some(rules) = robots.of(there, now) else {
                self.ask_robots(way, &ways, turn, robots).await;
                return Ok(());
            };
            let path =
                there.query().map_or_else(|| there.path().to_owned(), |query| format!("{}?{query}", there.path()));
            if *rules == Robots::closed() {
                let outcome = later(&page, "its robots.txt cannot be read, or asks to be left alone".to_owned(), now);
                self.note_page(source, turn, page.entry, outcome).await?;
                continue;
            }
            if !rules.allows(&path) {
                let why = "its robots.txt asks to leave this page alone".to_owned();
                self.note_page(source, turn, page.entry, PageOutcome::None(why)).await?;
                continue;
            }
            if let Some(outcome) = self.ask_page(source, &page, &url, way, turn).await {
                self.note_page(source, turn, page.entry, outcome).await?;
            }
            return Ok(());
        }
        Ok(())
    }

    async fn note_page(
        &self,
        source: &Source,
        turn: &mut Turn,
        entry: i64,
        outcome: PageOutcome,
    ) -> Result<(), StoreError> {
        match &outcome {
            PageOutcome::Text(_) => {}
            PageOutcome::None(why) | PageOutcome::Later { trouble: why, .. } => {
                tracing::debug!(source = %source.name, stage = "full text", "{why}");
            }
        }
        turn.applied.push(self.store.put_page(entry, outcome, now()).await?);
        Ok(())
    }

    /// RFC 9309 §2.3.1: what is not there forbids nothing, what cannot be reached forbids all.
    async fn ask_robots(&self, page: Way, ways: &[Way], turn: &mut Turn, robots: &KnownRobots) {
        let Ok(url) = page.url().join("/robots.txt") else { return };
        let request = Request { accept: ACCEPT_ROBOTS, ..Request::feed(&url, ROBOTS_BYTES) };
        let way = ways.iter().find(|way| way.is_from(&url)).cloned().unwrap_or_else(|| Way::to(&url));
        let answer = self.door.go_on(request, way).await;
        let now = now();
        let (rules, holds) = match answer {
            Ok(Answer::Document(document)) => {
                (blocking(move || Robots::read(&document.body, "newsdesk")).await, ROBOTS_HOLD)
            }
            Ok(Answer::NotModified(_)) => (Robots::closed(), ROBOTS_AGAIN),
            Ok(Answer::Elsewhere(way)) => {
                turn.ways = vec![page, way];
                return;
            }
            Err(cause) => {
                turn.refused = refused(&cause);
                match cause.status() {
                    Some(400..=428 | 430..=499) => (Robots::open(), ROBOTS_HOLD),
                    // A site that leads nowhere has none (§2.3.1.2).
                    _ if cause.kind() == Failure::Redirects => (Robots::open(), ROBOTS_HOLD),
                    _ => (Robots::closed(), ROBOTS_AGAIN),
                }
            }
        };
        robots.put(page.url(), rules, now + holds, now);
        turn.ways = vec![page];
    }

    /// `None`: a redirect leads elsewhere.
    async fn ask_page(
        &self,
        source: &Source,
        page: &WantedPage,
        url: &Url,
        way: Way,
        turn: &mut Turn,
    ) -> Option<PageOutcome> {
        let Place::Feed(configured) = &source.place else {
            return Some(PageOutcome::None("articles of a folder have no pages elsewhere".to_owned()));
        };
        let request = Request {
            configured,
            headers: &source.headers,
            credentials: source.credentials.as_ref(),
            accept: ACCEPT_PAGE,
            keep: true,
            // What robots.txt says of its target is looked up first.
            each_hop: true,
            ..Request::feed(url, PAGE_BYTES.min(self.settings.fetch.max_body))
        };
        Some(match self.door.go_on(request, way).await {
            Ok(Answer::Elsewhere(way)) => {
                turn.ways = vec![way];
                return None;
            }
            Ok(Answer::Document(document)) => {
                let stated = page.stated.clone();
                // What a stranger's page may bring down is this one text.
                match tokio::spawn(blocking(move || text(&document, &stated))).await {
                    Ok(Ok(text)) => PageOutcome::Text(text),
                    Ok(Err(why)) => PageOutcome::None(why),
                    Err(cause) => {
                        tracing::error!(source = %source.name, stage = "full text", "a page panicked, please report this: {cause}");
                        PageOutcome::None("a defect of newsdesk; see its log".to_owned())
                    }
                }
            }
            Ok(Answer::NotModified(_)) => PageOutcome::None("it answered 304 though nothing was known".to_owned()),
            Err(cause) => {
                turn.refused = refused(&cause);
                let words = chain(&cause);
                if may_pass(cause.kind()) { later(page, words, now()) } else { PageOutcome::None(words) }
            }
        })
    }
}

/// The text of a page, where it says more than the feed.
fn text(document: &Document, stated: &Stated) -> Result<Html, String> {
    let media_type = document.content_type.as_deref().unwrap_or("text/html").to_ascii_lowercase();
    if !(media_type.contains("html") || media_type.starts_with("text/plain")) {
        return Err(format!("it is {:?}, not a web page", media_type.chars().take(60).collect::<String>()));
    }
    let input =
        Input { bytes: &document.body, content_type: document.content_type.as_deref(), base: Some(&document.url) };
    let found = main_text::read(&input, &Limits::default()).map_err(|why| why.to_string())?;
    full_text::better(&found, stated).ok_or_else(|| "its page says no more than the feed does".to_owned())
}

/// Tried again, unless that has been done often enough.
fn later(page: &WantedPage, trouble: String, now: Time) -> PageOutcome {
    if page.tries + 1 >= TRIES {
        return PageOutcome::None(trouble);
    }
    PageOutcome::Later { due: now + AGAIN * 2_i32.pow(page.tries.min(TRIES)), trouble }
}

fn may_pass(failure: Failure) -> bool {
    use Failure::{Connect, CutShort, Dns, ServerError, Timeout, Tls, TooMany, Unavailable};
    matches!(failure, TooMany | Unavailable | ServerError | Dns | Connect | Tls | Timeout | CutShort)
}

/// What the queue of hosts has to know.
fn refused(cause: &FetchError) -> Option<Refused> {
    let limited = cause.kind() == Failure::TooMany;
    let retry_after = cause.retry_after();
    (limited || retry_after.is_some()).then(|| Refused {
        bucket: Some(queue::bucket(&cause.url)),
        limited,
        retry_after,
    })
}

fn address(stated: &Stated) -> Option<Url> {
    Url::parse(stated.link.as_deref()?).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// What is stored waits there; the store is asked again soon.
fn store_failed(cause: &StoreError) -> Option<(String, Time)> {
    tracing::error!(stage = "store", "{}", chain(cause));
    Some((String::new(), now() + TimeDelta::minutes(1)))
}
