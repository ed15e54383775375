//! Our subscriptions at other people's hubs, at work: asked for, confirmed, renewed, let go, and what is pushed handed to
//! the loop. What is asked and what an answer means is decided in `websub::subscriber`.
//!
//! All subscriptions are in memory and are written down whenever one has changed; one that was lost between the two is
//! asked for once more. A callback leads to the row of one source, and to nothing else.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use url::Url;
use uuid::Uuid;

use super::clock::wall;
use super::work::blocking;
use super::{Newsdesk, STATES_AT_ONCE};
use crate::config::settings::{Place, Source};
use crate::fetch::FetchError;
use crate::fetch::coding::{Body, CodingError};
use crate::fetch::exchange::{Answered, Exchange, FORM};
use crate::fetch::http::Document;
use crate::model::Time;
use crate::normalize::Refreshed;
use crate::schedule::NextPoll;
use crate::schedule::queue::{self, Budget, Next, Queue};
use crate::serve::websub::{self, Call, Said};
use crate::store::StoreError;
use crate::websub::hub::Refusal;
use crate::websub::rate::Rate;
use crate::websub::subscriber::{self, Advertised, Phase, Question, Step, Subscription, Verdict};
use crate::websub::{host, signature};

/// Requests to hubs at once, and to one of them.
const AT_ONCE: usize = 8;
const AT_ONCE_TO_A_HUB: usize = 2;
/// Redirects of a request that are followed (§5.1.2: a hub may name another one).
const REDIRECTS: usize = 3;
/// Pushes that wait for the loop.
const WAITING: usize = 64;
/// Pushes to one callback at once, and then one in each period.
const BURST: i32 = 60;
const PERIOD: TimeDelta = TimeDelta::seconds(1);
/// A body that is larger is checked off the async threads.
const LARGE: usize = 64 * 1024;
/// The wall clock may jump: look at it at least so often.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Changes are gathered for so long before they are written.
const GATHER: Duration = Duration::from_millis(50);

/// What the loop is told.
#[derive(Debug)]
pub(super) enum Event {
    Came(Pushed),
    /// The hub of this source pushes no more: polls are all there is.
    Lost(i64),
}

/// A document that its hub has pushed, with the right signature.
#[derive(Debug)]
pub(super) struct Pushed {
    /// Of its source.
    pub row: i64,
    pub token: String,
    pub body: Bytes,
    pub content_type: Option<String>,
    /// Its part of the memory for such bodies.
    pub _room: OwnedSemaphorePermit,
}

/// All subscriptions; it outlives configurations.
pub struct Pushes {
    known: Mutex<All>,
    /// Something has changed.
    changed: Notify,
    rate: Mutex<Rate>,
    events: mpsc::Sender<Event>,
    /// Until the loop takes them.
    receiver: Mutex<Option<mpsc::Receiver<Event>>>,
    words: mpsc::UnboundedSender<Word>,
    inbox: Mutex<Option<mpsc::UnboundedReceiver<Word>>>,
}

#[derive(Default)]
struct All {
    by_token: HashMap<String, Known>,
    /// Their tokens, by the row of the source.
    by_source: HashMap<i64, Vec<String>>,
}

impl All {
    fn of_source(&self, source: i64) -> impl Iterator<Item = &Known> {
        self.by_source.get(&source).into_iter().flatten().filter_map(|token| self.by_token.get(token))
    }

    /// The one of a source that is in force.
    fn in_force(&mut self, source: i64) -> Option<&mut Known> {
        let in_force = |known: &Known| known.subscription.phase != Phase::Leaving;
        let token = self.of_source(source).find(|known| in_force(known))?.subscription.token.clone();
        self.by_token.get_mut(&token)
    }

    fn insert(&mut self, known: Known) {
        let token = known.subscription.token.clone();
        self.by_source.entry(known.source).or_default().push(token.clone());
        self.by_token.insert(token, known);
    }

    fn remove(&mut self, token: &str) {
        let Some(known) = self.by_token.remove(token) else { return };
        if let Some(tokens) = self.by_source.get_mut(&known.source) {
            tokens.retain(|other| other != token);
        }
    }
}

struct Known {
    source: i64,
    subscription: Subscription,
    /// Not written down yet.
    dirty: bool,
}

enum Word {
    /// Another configuration is in force.
    Renewed(Newsdesk),
    Stop(oneshot::Sender<()>),
}

impl Default for Pushes {
    fn default() -> Pushes {
        let (events, receiver) = mpsc::channel(WAITING);
        let (words, inbox) = mpsc::unbounded_channel();
        Pushes {
            known: Mutex::default(),
            changed: Notify::new(),
            rate: Mutex::new(Rate::new(BURST, PERIOD)),
            events,
            receiver: Mutex::new(Some(receiver)),
            words,
            inbox: Mutex::new(Some(inbox)),
        }
    }
}

impl Pushes {
    fn known(&self) -> MutexGuard<'_, All> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Change the subscription of a source that is in force.
    fn change<T>(&self, source: i64, change: impl FnOnce(&mut Subscription) -> T) -> Option<T> {
        let mut known = self.known();
        let found = known.in_force(source)?;
        found.dirty = true;
        let changed = change(&mut found.subscription);
        drop(known);
        self.changed.notify_one();
        Some(changed)
    }
}

impl Newsdesk {
    /// Whatever comes in on the two WebSub endpoints.
    pub async fn websub(&self, call: Call) -> Said {
        match call {
            Call::Wish { client, form } => self.hub_wish(&client, &form).await,
            Call::Question { token, query } => self.push_question(&token, &query),
            Call::Push(push) => self.push_came(push).await,
        }
    }

    /// Does a subscription of ours have this token? What we are leaving is not read any more.
    pub fn expects_push(&self, token: &str) -> bool {
        self.pushes.known().by_token.get(token).is_some_and(|known| known.subscription.phase == Phase::Wanted)
    }

    /// A hub makes sure that we meant it.
    fn push_question(&self, token: &str, query: &str) -> Said {
        let mut all = self.pushes.known();
        let Some(known) = all.by_token.get_mut(token) else { return Said::new(404, "") };
        let verdict = known.subscription.answer(&Question::read(query), wall());
        let (source, to) = (known.source, host(&known.subscription.at.hub));
        known.dirty |= verdict != Verdict::No;
        let said = match verdict {
            Verdict::Echo(challenge) => Said::new(200, challenge),
            Verdict::Left(challenge) => {
                // Nothing is left to be done but to forget it.
                known.subscription.lease_until = None;
                known.subscription.due = wall();
                Said::new(200, challenge)
            }
            Verdict::Heard => {
                tracing::warn!(stage = "fetch", "the hub {to} does not want to push; its source is polled");
                // A loop that is too busy to hear it polls at the end of the lease.
                let _ = self.pushes.events.try_send(Event::Lost(source));
                Said::new(200, "")
            }
            Verdict::No => Said::new(404, ""),
        };
        drop(all);
        self.pushes.changed.notify_one();
        said
    }

    /// A delivery. Whether it was right is nobody's business but ours: a wrong signature is answered like a right one.
    async fn push_came(&self, push: websub::Push) -> Said {
        let websub::Push { token, body, content_type, content_encoding, signature, room } = push;
        let now = wall();
        if let Err(wait) = self.pushes.rate.lock().unwrap_or_else(PoisonError::into_inner).take(&token, now) {
            return Refusal::too_often(wait).into();
        }
        let found = {
            let all = self.pushes.known();
            let wanted = all.by_token.get(&token).filter(|known| known.subscription.phase == Phase::Wanted);
            wanted.map(|known| (known.source, known.subscription.secret.clone(), host(&known.subscription.at.hub)))
        };
        let Some((row, secret, to)) = found else { return Said::new(410, "there is no subscription here") };
        let limit = self.settings.fetch.max_body;
        let large = body.len() > LARGE || !content_encoding.is_empty();
        let check = move || {
            let proved = signature.is_some_and(|stated| signature::proves(&stated, &secret, &body));
            proved.then(|| decoded(body, &content_encoding, limit))
        };
        let checked = if large { blocking(check).await } else { check() };
        match checked {
            None => {
                tracing::warn!(
                    stage = "fetch",
                    "a push in the name of {to} is ignored: its signature is missing or wrong"
                );
                Said::new(202, "")
            }
            Some(Err(cause)) => {
                tracing::warn!(stage = "fetch", "a push of {to} is ignored: {cause}");
                Said::new(202, "")
            }
            Some(Ok(body)) => {
                match self.pushes.events.try_send(Event::Came(Pushed { row, token, body, content_type, _room: room })) {
                    Ok(()) => Said::new(202, ""),
                    Err(_) => Said { retry_after: Some(60), ..Said::new(503, "too much at once; come again") },
                }
            }
        }
    }

    /// What the last document of a source says about hubs.
    pub(super) fn push_offered(&self, source: &Source, advertised: Option<&Advertised>) {
        let row = self.row(&source.name);
        let base = subscriber::callback_base(self.settings.site.url.as_ref(), &self.settings.fetch.allow_networks);
        // A hub would be told what its address or credentials keep to us and the publisher.
        let open = !source.private && source.credentials.is_none() && source.headers.is_empty();
        let wanted = match (&source.place, base, advertised) {
            (Place::Feed(url), Some(base), Some(advertised)) if open => Some((url, base, advertised)),
            _ => None,
        };
        let now = wall();
        let mut all = self.pushes.known();
        let mut stays = false;
        if let Some(known) = all.in_force(row) {
            stays = wanted.is_some_and(|(url, base, at)| known.subscription.is_for(at, url.as_str(), base));
            if !stays {
                known.subscription.leave(now);
                known.dirty = true;
            }
        }
        if let Some((url, base, at)) = wanted.filter(|_| !stays) {
            let (token, secret) = (unguessable(), unguessable());
            let subscription = Subscription::begin(at.clone(), url.as_str(), base, &token, &secret, now);
            all.insert(Known { source: row, subscription, dirty: true });
        }
        drop(all);
        self.pushes.changed.notify_one();
    }

    /// A poll has found something new: had it been pushed?
    pub(super) fn push_missed(&self, row: i64, now: Time) {
        let missed = self.pushes.change(row, |subscription| {
            let before = subscription.trust.is_given();
            subscription.note_miss(now);
            before && !subscription.trust.is_given()
        });
        if missed == Some(true) {
            tracing::info!(
                stage = "fetch",
                source = self.source_of(row).map(|source| &*source.name),
                "a poll found what its hub had not pushed"
            );
        }
    }

    /// The next poll after the one at `from`, with a hub that is trusted taken into account.
    pub(super) fn push_paced(&self, row: i64, normal: NextPoll, from: Time, now: Time) -> NextPoll {
        let all = self.pushes.known();
        match all.of_source(row).find(|known| known.subscription.is_live(now)) {
            Some(known) => known.subscription.pace(normal, from, now),
            None => normal,
        }
    }

    /// Does the schedule of this source count on its hub?
    pub(super) fn counts_on_pushes(&self, row: i64, now: Time) -> bool {
        let all = self.pushes.known();
        all.of_source(row).any(|known| known.subscription.is_live(now) && known.subscription.trust.is_given())
    }

    pub(super) fn note_push(&self, row: i64, token: &str, now: Time) {
        let mut all = self.pushes.known();
        if let Some(known) = all.by_token.get_mut(token).filter(|known| known.source == row) {
            known.subscription.note_push(now);
            known.dirty = true;
        }
        drop(all);
        self.pushes.changed.notify_one();
    }

    pub(super) fn source_of(&self, row: i64) -> Option<&Arc<Source>> {
        let name = self.rows.iter().find(|(_, known)| **known == row)?.0;
        self.source(name)
    }

    /// Read what is written down; before anything is asked or served.
    pub(super) async fn load_pushes(&self) -> Result<(), StoreError> {
        let stored = self.store.pushes().await?;
        let mut all = self.pushes.known();
        for (source, subscription) in stored {
            all.insert(Known { source, subscription, dirty: false });
        }
        Ok(())
    }

    /// Bring the subscriptions in line with the configuration.
    fn match_pushes(&self) -> Result<(), StoreError> {
        let rows: BTreeSet<i64> = self.rows.values().copied().collect();
        let now = wall();
        for known in self.pushes.known().by_token.values_mut().filter(|known| !rows.contains(&known.source)) {
            known.subscription.leave(now);
            known.dirty = true;
        }
        for sources in self.settings.sources.chunks(STATES_AT_ONCE) {
            for (source, state) in sources.iter().zip(self.states_of(sources)?) {
                self.push_offered(source, state.advertised.as_ref());
            }
        }
        Ok(())
    }

    /// From now on, until [`Newsdesk::stop_pushes`]. What is pushed comes out of the receiver.
    pub(super) async fn start_pushes(&self) -> Result<mpsc::Receiver<Event>, StoreError> {
        let events = taken(&self.pushes.receiver).unwrap_or_else(|| mpsc::channel(1).1);
        let inbox = taken(&self.pushes.inbox);
        if let Some(inbox) = inbox {
            self.match_pushes()?;
            tokio::spawn(Subscriber::new(self.clone()).run(inbox));
        }
        Ok(events)
    }

    /// This configuration is in force from now on.
    pub(super) fn pushes_renewed(&self) {
        let _ = self.pushes.words.send(Word::Renewed(self.clone()));
    }

    pub(super) async fn stop_pushes(&self, patience: Duration) {
        let (reply, done) = oneshot::channel();
        if self.pushes.words.send(Word::Stop(reply)).is_ok() {
            let _ = tokio::time::timeout(patience, done).await;
        }
    }
}

/// A poisoned lock guards plain data here: take it as it is.
fn taken<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// What the Link header and the document say, once it is read.
pub(super) fn advertised(document: &Document, refreshed: &Refreshed) -> Option<Advertised> {
    subscriber::advertised(&document.links, &refreshed.hubs, refreshed.own.as_deref(), &document.url)
}

/// 244 bits of the operating system's randomness.
fn unguessable() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// The body without its codings, which are few and stop at the limit.
fn decoded(body: Bytes, codings: &[String], limit: u64) -> Result<Bytes, CodingError> {
    if codings.is_empty() {
        return Ok(body);
    }
    let mut decoding = Body::new(codings.iter().map(String::as_str), limit)?;
    let mut rest = decoding.push(&body)?;
    while let Some(more) = rest {
        rest = decoding.go_on(more)?;
    }
    Ok(decoding.finish()?.into())
}

/// Token, bucket of the hub, and its answer.
type Asked = (String, Arc<str>, Result<Answered, FetchError>);

/// The task that speaks to hubs.
struct Subscriber {
    newsdesk: Newsdesk,
    queue: Queue,
    running: JoinSet<Asked>,
    /// Tokens in the queue or under way.
    busy: BTreeSet<String>,
}

impl Subscriber {
    fn new(newsdesk: Newsdesk) -> Subscriber {
        let interval = TimeDelta::from_std(newsdesk.settings.fetch.host_interval).unwrap_or(TimeDelta::seconds(1));
        let queue = Queue::new(Budget { connections: AT_ONCE_TO_A_HUB, interval }, HashMap::new());
        Subscriber { newsdesk, queue, running: JoinSet::new(), busy: BTreeSet::new() }
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Word>) {
        loop {
            if let Err(cause) = self.write_down().await {
                tracing::error!(stage = "store", "{}", super::chain(&cause));
            }
            let wake = self.take_steps().await.min(Instant::now() + LONGEST_SLEEP);
            let pushes = self.newsdesk.clone();
            tokio::select! {
                word = inbox.recv() => match word {
                    Some(Word::Renewed(newsdesk)) => {
                        self.newsdesk = newsdesk;
                        if let Err(cause) = self.newsdesk.match_pushes() {
                            tracing::error!(stage = "store", "{}", super::chain(&cause));
                        }
                    }
                    Some(Word::Stop(reply)) => {
                        let _ = self.write_down().await;
                        let _ = reply.send(());
                        return;
                    }
                    None => return,
                },
                Some(done) = self.running.join_next() => self.asked(done),
                () = pushes.pushes.changed.notified() => tokio::time::sleep(GATHER).await,
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Start whatever is due; when to look again.
    async fn take_steps(&mut self) -> Instant {
        let now = wall();
        let mut wake = Instant::now() + LONGEST_SLEEP;
        let at = |time: Time| Instant::now() + (time - now).to_std().unwrap_or_default();
        let mut over = Vec::new();
        for (token, known) in &self.newsdesk.pushes.known().by_token {
            match known.subscription.step(now) {
                _ if self.busy.contains(token) => {}
                Step::Ask => {
                    self.busy.insert(token.clone());
                    self.queue.push(token, queue::bucket(&known.subscription.at.hub), now);
                }
                Step::Forget => over.push(token.clone()),
                Step::Wait(time) => wake = wake.min(at(time)),
            }
        }
        for token in over {
            self.newsdesk.pushes.known().remove(&token);
            if let Err(cause) = self.newsdesk.store.remove_push(token).await {
                tracing::error!(stage = "store", "{}", super::chain(&cause));
            }
        }
        while self.running.len() < AT_ONCE {
            match self.queue.next(now) {
                Next::Start { source, bucket } => self.ask(&source, bucket, now).await,
                Next::WaitUntil(time) => {
                    wake = wake.min(at(time));
                    break;
                }
                Next::Idle => break,
            }
        }
        wake
    }

    /// Send a request; it is written down before, so that the hub's question finds what it asks about.
    async fn ask(&mut self, token: &str, bucket: Arc<str>, now: Time) {
        let asked = {
            let mut all = self.newsdesk.pushes.known();
            all.by_token.get_mut(token).map(|known| {
                known.dirty = true;
                let fields = known.subscription.ask(now);
                (known.subscription.at.hub.clone(), fields)
            })
        };
        let Some((hub, fields)) = asked else {
            self.busy.remove(token);
            self.queue.finished(&bucket, now);
            return;
        };
        if let Err(cause) = self.write_down().await {
            tracing::error!(stage = "store", "{}", super::chain(&cause));
        }
        let (newsdesk, token) = (self.newsdesk.clone(), token.to_owned());
        self.running.spawn(async move {
            let answer = request(&newsdesk, hub, &fields).await;
            (token, bucket, answer)
        });
    }

    fn asked(&mut self, done: Result<Asked, tokio::task::JoinError>) {
        let (token, bucket, answer) = match done {
            Ok(done) => done,
            // Asked again by the next start; until then it stays busy.
            Err(panicked) => {
                return tracing::error!(stage = "fetch", "a subscription panicked, please report this: {panicked}");
            }
        };
        let now = wall();
        self.busy.remove(&token);
        self.queue.finished(&bucket, now);
        let status = answer.as_ref().ok().map(|answer| answer.status);
        if status.is_some_and(|status| (200..300).contains(&status)) {
            return;
        }
        let retry_after = answer.as_ref().ok().and_then(|answer| answer.retry_after);
        if let (Some(429 | 503), Some(wait)) = (status, retry_after) {
            self.queue.park(&bucket, now + wait, now);
        }
        let mut all = self.newsdesk.pushes.known();
        let Some(known) = all.by_token.get_mut(&token) else { return };
        known.dirty = true;
        known.subscription.not_taken(status, retry_after, now);
        let to = host(&known.subscription.at.hub);
        let why = match (&answer, status) {
            (Err(error), _) => super::chain(&error.trouble),
            (Ok(_), status) => format!("it answered {}", status.unwrap_or_default()),
        };
        tracing::info!(stage = "fetch", "the hub {to} was not reached, its source is polled meanwhile: {why}");
    }

    async fn write_down(&self) -> Result<(), StoreError> {
        let changed: Vec<(i64, Subscription)> = {
            let mut all = self.newsdesk.pushes.known();
            let dirty = all.by_token.values_mut().filter(|known| known.dirty);
            let taken = dirty.map(|known| {
                known.dirty = false;
                (known.source, known.subscription.clone())
            });
            taken.collect()
        };
        if changed.is_empty() {
            return Ok(());
        }
        let tokens: Vec<String> = changed.iter().map(|(_, subscription)| subscription.token.clone()).collect();
        let written = self.newsdesk.store.put_pushes(changed).await;
        if written.is_err() {
            let mut all = self.newsdesk.pushes.known();
            for token in tokens {
                if let Some(known) = all.by_token.get_mut(&token) {
                    known.dirty = true;
                }
            }
        }
        written
    }
}

/// POST to a hub, and to the one that it names instead.
async fn request(newsdesk: &Newsdesk, mut hub: Url, fields: &[(&'static str, String)]) -> Result<Answered, FetchError> {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut redirects = 0;
    loop {
        let post = Some((Bytes::from(form.clone()), FORM));
        let answer = newsdesk.door.exchange(Exchange { url: &hub, post, fields: Vec::new(), most: 0 }).await?;
        match &answer.location {
            Some(to) if matches!(answer.status, 307 | 308) && redirects < REDIRECTS => {
                redirects += 1;
                hub = to.clone();
            }
            _ => return Ok(answer),
        }
    }
}
