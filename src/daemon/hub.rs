//! Our WebSub hub at work: wishes are written down, verified and carried out; what changed is delivered. What a request or
//! an answer means is decided in `websub::hub`.
//!
//! One task holds everything that the store holds too, so that nothing is asked of it when a document changes: whose last
//! delivery carries another ETag than the live revision has still to be told. That is all there is to be remembered, so
//! that a restart, or a kill at any point, delivers what was not delivered.

mod verdicts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use url::Url;
use uuid::Uuid;

use super::Newsdesk;
use super::clock::wall;
use super::work::blocking;
use crate::config::settings;
use crate::fetch::FetchError;
use crate::fetch::exchange::{Answered, Exchange};
use crate::schedule::queue::{self, Budget, Next, Queue};
use crate::serve::websub::Said;
use crate::store::StoreError;
use crate::websub::hub::{self, House, Pending, Subscription, Wish};
use crate::websub::rate::Rate;

/// Leases that have ended are looked for at least so often.
const LOOK: Duration = Duration::from_secs(60);
/// What failed before gets so many of the places, so that it never fills them.
const RETRIES_AT_ONCE: usize = hub::AT_ONCE / 4;
/// A body that is larger is signed off the async threads.
const LARGE: usize = 256 * 1024;
const PLACES: usize = 64;

/// The way to the task, which outlives configurations.
pub struct Hub {
    inbox: mpsc::UnboundedSender<Word>,
    /// Until the task takes it.
    words: Mutex<Option<mpsc::UnboundedReceiver<Word>>>,
    /// Of wishes that may wait in the inbox; what the loop has to say is little and never lost.
    places: Semaphore,
    rate: Mutex<Rate>,
}

enum Word {
    Wish(Wish, oneshot::Sender<Said>),
    /// The bytes of these paths are new.
    Published(Vec<String>),
    /// So are those of these, but they are no news: whoever has been told all before counts as told.
    Hushed(Vec<String>),
    /// Another configuration is in force.
    Renewed(Newsdesk),
    /// Finish what is under way.
    Stop(oneshot::Sender<()>),
}

impl Default for Hub {
    fn default() -> Hub {
        let (inbox, words) = mpsc::unbounded_channel();
        let rate = Rate::new(hub::BURST, hub::PERIOD);
        Hub { inbox, words: Mutex::new(Some(words)), places: Semaphore::new(PLACES), rate: Mutex::new(rate) }
    }
}

impl Newsdesk {
    fn has_hub(&self) -> bool {
        self.settings.publish.hub == settings::Hub::Own
    }

    /// A request to the hub: it is answered when it is written down.
    pub async fn hub_wish(&self, client: &str, form: &[u8]) -> Said {
        if !self.has_hub() {
            return Said::new(404, "there is no hub here");
        }
        let take = |who: &str| self.hub.rate.lock().unwrap_or_else(PoisonError::into_inner).take(who, wall());
        if let Err(wait) = take(client) {
            return hub::Refusal::too_often(wait).into();
        }
        let is_topic = |path: &str| self.live.get(path).is_some_and(|revision| revision.media.is_feed());
        let allow = &self.settings.fetch.allow_networks;
        let wish = match hub::wish(form, &House { base: &self.site.base, is_topic: &is_topic, allow }) {
            Ok(wish) => wish,
            Err(refusal) => return refusal.into(),
        };
        // Whoever asks, nobody's callback is asked too often.
        if let Err(wait) = take(&format!("to {}", queue::bucket(&wish.callback))) {
            return hub::Refusal::too_often(wait).into();
        }
        let busy = || Said { retry_after: Some(60), ..Said::new(503, "the hub is busy; ask again in a minute") };
        let Ok(_place) = self.hub.places.try_acquire() else { return busy() };
        let (reply, answer) = oneshot::channel();
        match self.hub.inbox.send(Word::Wish(wish, reply)) {
            Ok(()) => answer.await.unwrap_or_else(|_| busy()),
            Err(_) => busy(),
        }
    }

    /// These documents have changed. Without a task, as in an update by hand, the next daemon sees by itself what is new.
    pub(super) fn hub_published(&self, changed: Vec<String>) {
        let _ = self.hub.inbox.send(Word::Published(changed));
    }

    /// These have changed too, by a flood that is announced to nobody.
    pub(super) fn hub_hushed(&self, changed: Vec<String>) {
        if !changed.is_empty() {
            let _ = self.hub.inbox.send(Word::Hushed(changed));
        }
    }

    /// This configuration is in force from now on.
    pub(super) fn hub_renewed(&self) {
        let _ = self.hub.inbox.send(Word::Renewed(self.clone()));
    }

    /// From now on, until [`Newsdesk::stop_hub`].
    pub(super) async fn start_hub(&self) -> Result<(), StoreError> {
        let words = self.hub.words.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(words) = words else { return Ok(()) };
        let (subscriptions, pending) = self.store.hub().await?;
        tokio::spawn(Desk::new(self.clone(), subscriptions, pending).run(words));
        Ok(())
    }

    /// What is under way is finished, as far as there is time for it; the rest is done after the next start.
    pub(super) async fn stop_hub(&self, patience: Duration) {
        let (reply, done) = oneshot::channel();
        if self.hub.inbox.send(Word::Stop(reply)).is_ok() {
            let _ = tokio::time::timeout(patience, done).await;
        }
    }
}

/// What a task was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Work {
    /// A pending wish, by its row.
    Ask(i64),
    /// A subscription, by its row.
    Tell(i64),
}

impl Work {
    fn name(self) -> String {
        match self {
            Work::Ask(row) => format!("?{row}"),
            Work::Tell(row) => format!("!{row}"),
        }
    }

    fn of(name: &str) -> Option<Work> {
        let row = name.get(1..)?.parse().ok()?;
        Some(if name.starts_with('?') { Work::Ask(row) } else { Work::Tell(row) })
    }
}

/// How it went.
enum Done {
    Asked {
        challenge: String,
        answer: Result<Answered, FetchError>,
    },
    /// `to`: topic and callback; the row may be another subscription's by now. `etag`: of what was sent.
    Told {
        to: (String, Url),
        etag: String,
        answer: Result<Answered, FetchError>,
    },
    /// There is nothing to be told.
    Nothing,
}

struct Desk {
    newsdesk: Newsdesk,
    subscriptions: BTreeMap<i64, Subscription>,
    by_topic: HashMap<String, BTreeSet<i64>>,
    /// Subscriptions of each callback's domain.
    of_host: HashMap<String, usize>,
    pending: BTreeMap<i64, Pending>,
    /// First tries, and what has failed before.
    fresh: Queue,
    again: Queue,
    running: JoinSet<Done>,
    tasks: HashMap<Id, (Work, std::sync::Arc<str>, bool)>,
    /// Subscriptions that are being told.
    telling: BTreeSet<i64>,
    retrying: usize,
    looked: Instant,
}

impl Desk {
    fn new(newsdesk: Newsdesk, subscriptions: Vec<Subscription>, pending: Vec<Pending>) -> Desk {
        let budget = |connections| Budget { connections, interval: TimeDelta::zero() };
        let mut desk = Desk {
            newsdesk,
            subscriptions: BTreeMap::new(),
            by_topic: HashMap::new(),
            of_host: HashMap::new(),
            pending: BTreeMap::new(),
            fresh: Queue::new(budget(hub::AT_ONCE_TO_A_HOST), HashMap::new()),
            again: Queue::new(budget(1), HashMap::new()),
            running: JoinSet::new(),
            tasks: HashMap::new(),
            telling: BTreeSet::new(),
            retrying: 0,
            looked: Instant::now(),
        };
        for subscription in subscriptions {
            desk.know(subscription);
        }
        for pending in pending {
            desk.wait(pending);
        }
        desk
    }

    async fn run(mut self, mut words: mpsc::UnboundedReceiver<Word>) {
        self.look().await;
        loop {
            let wake = self.start_due();
            tokio::select! {
                word = words.recv() => match word {
                    Some(Word::Wish(wish, reply)) => {
                        // Who asked may have hung up.
                        let _ = reply.send(self.wished(wish).await);
                    }
                    Some(Word::Published(paths)) => self.published(&paths),
                    Some(Word::Hushed(paths)) => self.hushed(&paths).await,
                    Some(Word::Renewed(newsdesk)) => {
                        self.newsdesk = newsdesk;
                        self.tell_all();
                    }
                    Some(Word::Stop(reply)) => {
                        self.start_due();
                        while let Some(done) = self.running.join_next_with_id().await {
                            self.finished(done).await;
                        }
                        let _ = reply.send(());
                        return;
                    }
                    None => return,
                },
                Some(done) = self.running.join_next_with_id() => self.finished(done).await,
                () = sleep_until(wake) => {}
            }
            if self.looked.elapsed() >= LOOK {
                self.look().await;
            }
        }
    }

    /// Whatever time alone has changed; and what was left over by a run that was killed.
    async fn look(&mut self) {
        self.looked = Instant::now();
        self.end_topics().await;
        self.expire().await;
        self.tell_all();
    }

    fn tell_all(&mut self) {
        let rows: Vec<i64> = self.subscriptions.keys().copied().collect();
        rows.into_iter().for_each(|row| self.tell(row));
    }

    fn know(&mut self, subscription: Subscription) {
        self.by_topic.entry(subscription.topic.clone()).or_default().insert(subscription.row);
        let bucket = queue::bucket(&subscription.callback);
        if self.subscriptions.insert(subscription.row, subscription).is_none() {
            *self.of_host.entry(bucket).or_default() += 1;
        }
    }

    fn forget(&mut self, row: i64) {
        let Some(subscription) = self.subscriptions.remove(&row) else { return };
        if let Some(rows) = self.by_topic.get_mut(&subscription.topic) {
            rows.remove(&row);
        }
        let bucket = queue::bucket(&subscription.callback);
        if let Some(count) = self.of_host.get_mut(&bucket) {
            *count -= 1;
            if *count == 0 {
                self.of_host.remove(&bucket);
            }
        }
        self.fresh.remove(&Work::Tell(row).name());
        self.again.remove(&Work::Tell(row).name());
    }

    fn wait(&mut self, pending: Pending) {
        let (name, bucket) = (Work::Ask(pending.row).name(), queue::bucket(&pending.wish.callback));
        let queue = if pending.tries == 0 { &mut self.fresh } else { &mut self.again };
        queue.push(&name, bucket, pending.due);
        self.pending.insert(pending.row, pending);
    }

    fn live_etag(&self, topic: &str) -> Option<String> {
        self.newsdesk.live.get(topic).map(|revision| revision.etag.clone())
    }

    /// Is there something new for this subscriber? Then it is told when it is its turn.
    fn tell(&mut self, row: i64) {
        let Some(subscription) = self.subscriptions.get(&row) else { return };
        let news = self.live_etag(&subscription.topic).is_some_and(|etag| etag != subscription.told);
        if !news || !self.newsdesk.has_hub() || self.telling.contains(&row) {
            return;
        }
        let (name, bucket) = (Work::Tell(row).name(), queue::bucket(&subscription.callback));
        match subscription.due {
            // A failed one keeps its time, whatever changes meanwhile.
            Some(due) => self.again.push(&name, bucket, due),
            None => self.fresh.push(&name, bucket, wall()),
        }
    }

    fn published(&mut self, paths: &[String]) {
        let rows: Vec<i64> = paths.iter().filter_map(|path| self.by_topic.get(path)).flatten().copied().collect();
        rows.into_iter().for_each(|row| self.tell(row));
    }

    /// A flood (the first fetch of a source, an archive) is no news: it comes along with the next.
    async fn hushed(&mut self, paths: &[String]) {
        let rows: Vec<i64> = paths.iter().filter_map(|path| self.by_topic.get(path)).flatten().copied().collect();
        for row in rows {
            let Some(etag) = self.subscriptions.get(&row).and_then(|known| self.live_etag(&known.topic)) else {
                continue;
            };
            let waits = self.telling.contains(&row) || self.fresh.holds(&Work::Tell(row).name());
            let Some(subscription) = self.subscriptions.get_mut(&row).filter(|known| !waits && known.due.is_none())
            else {
                continue;
            };
            subscription.told.clone_from(&etag);
            if let Err(cause) = self.newsdesk.store.hub_told(row, etag, 0, None).await {
                tracing::error!(stage = "store", "{}", super::chain(&cause));
            }
        }
    }

    /// Start whatever may start; when to look again.
    fn start_due(&mut self) -> Instant {
        let now = wall();
        let mut wake = self.looked + LOOK;
        for again in [false, true] {
            loop {
                let full = if again { self.retrying >= RETRIES_AT_ONCE } else { self.running.len() >= hub::AT_ONCE };
                if full {
                    break;
                }
                let queue = if again { &mut self.again } else { &mut self.fresh };
                match queue.next(now) {
                    Next::Start { source, bucket } => self.start(&source, bucket, again),
                    Next::WaitUntil(time) => {
                        wake = wake.min(Instant::now() + (time - now).to_std().unwrap_or_default());
                        break;
                    }
                    Next::Idle => break,
                }
            }
        }
        wake
    }

    fn start(&mut self, name: &str, bucket: std::sync::Arc<str>, again: bool) {
        let newsdesk = self.newsdesk.clone();
        let work = Work::of(name);
        let pending = work.and_then(|work| if let Work::Ask(row) = work { self.pending.get(&row) } else { None });
        let known = work.and_then(|work| if let Work::Tell(row) = work { self.subscriptions.get(&row) } else { None });
        let task = match (pending.cloned(), known.cloned()) {
            (Some(pending), _) => self.running.spawn(async move { ask(&newsdesk, &pending.wish).await }),
            (None, Some(subscription)) => {
                self.telling.insert(subscription.row);
                self.running.spawn(async move { tell(&newsdesk, &subscription).await })
            }
            // Forgotten meanwhile.
            (None, None) => self.running.spawn(async { Done::Nothing }),
        };
        self.retrying += usize::from(again);
        self.tasks.insert(task.id(), (work.unwrap_or(Work::Ask(0)), bucket, again));
    }

    async fn finished(&mut self, done: Result<(Id, Done), JoinError>) {
        let (id, done) = match done {
            Ok((id, done)) => (id, Some(done)),
            Err(panicked) => {
                tracing::error!(stage = "announce", "a delivery panicked, please report this: {panicked}");
                (panicked.id(), None)
            }
        };
        let Some((work, bucket, again)) = self.tasks.remove(&id) else { return };
        let now = wall();
        self.retrying -= usize::from(again);
        if again {
            self.again.finished(&bucket, now)
        } else {
            self.fresh.finished(&bucket, now)
        }
        if let Work::Tell(row) = work {
            self.telling.remove(&row);
        }
        let written = match (work, done) {
            (Work::Ask(row), Some(Done::Asked { challenge, answer })) => self.asked(row, &challenge, answer, now).await,
            (Work::Tell(row), Some(Done::Told { to, etag, answer })) if self.is_still(row, &to) => {
                self.told(row, etag, answer, now).await
            }
            _ => Ok(()),
        };
        if let Err(cause) = written {
            tracing::error!(stage = "store", "{}", super::chain(&cause));
        }
        if let Work::Tell(row) = work {
            self.tell(row);
        }
    }
}

/// Ask a callback whether it meant it; the challenge is used this once.
async fn ask(newsdesk: &Newsdesk, wish: &Wish) -> Done {
    let challenge = Uuid::new_v4().simple().to_string();
    let url = hub::question(wish, &newsdesk.site.base, &challenge);
    let exchange = Exchange { url: &url, post: None, fields: Vec::new(), most: challenge.len() };
    let answer = newsdesk.door.exchange(exchange).await;
    Done::Asked { challenge, answer }
}

/// Send a topic as it is now.
async fn tell(newsdesk: &Newsdesk, subscription: &Subscription) -> Done {
    let Some(revision) = newsdesk.live.get(&subscription.topic) else { return Done::Nothing };
    let Some(body) = revision.body().cloned() else { return Done::Nothing };
    let (base, hub) = (newsdesk.site.base.clone(), newsdesk.site.hubs.first().cloned().unwrap_or_default());
    let (topic, secret, sent) = (subscription.topic.clone(), subscription.secret.clone(), body.clone());
    let head = move || hub::delivery(&base, &topic, &hub, secret.as_deref(), &sent);
    let fields = if body.len() > LARGE { blocking(head).await } else { head() };
    let post = Some((body, revision.media.content_type()));
    let answer = newsdesk.door.exchange(Exchange { url: &subscription.callback, post, fields, most: 0 }).await;
    let to = (subscription.topic.clone(), subscription.callback.clone());
    Done::Told { to, etag: revision.etag.clone(), answer }
}
