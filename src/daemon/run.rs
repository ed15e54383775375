//! The loop: due sources start, finished ones are written down, what changed is published, wishes are answered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::control::{Ask, SourceReport, UpdateReport};
use super::publication::{Dirty, Published, TOMBSTONE_DELAY};
use super::refresh::{Done, NOTHING_NEW, Refreshing, Stage, Wish, blocking};
use super::{Newsdesk, StartError, memory, now};
use crate::config::settings::{Place, Source};
use crate::fetch::folder::{FolderChanged, Watcher};
use crate::model::Time;
use crate::schedule::queue::{self, Next, Queue, Taught};
use crate::schedule::{self};
use crate::store::StoreError;

/// What could not be published is tried again after this.
const AFTER_TROUBLE: Duration = Duration::from_secs(30);
/// Time alone changes sections with a `max-age`, and brings tombstones.
const TICK: Duration = Duration::from_secs(300);
/// The wall clock may jump: look at it at least so often.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// What is under way when the word to stop comes gets this long.
const DRAIN: Duration = Duration::from_secs(8);
/// Words to the hub that are not through by then are lost: subscribers poll.
const FAREWELL: Duration = Duration::from_secs(1);
/// The first publication waits so long for the first scan of the folders.
const FIRST_SCAN: Duration = Duration::from_secs(3);

/// What reaches the loop from outside.
pub struct Events {
    pub asks: mpsc::Receiver<Ask>,
    /// Becomes true when it is time to stop.
    pub stop: watch::Receiver<bool>,
}

/// Where the store keeps what hosts have taught.
const HOSTS: &str = "hosts";

/// Told as an update goes on: sources done, of how many, and the one that has just ended.
pub type Progress = Box<dyn FnMut(usize, usize, &SourceReport) + Send>;

/// Told once when the first publication stands, and then in one line how things are.
pub trait Serving: Send {
    fn ready(&mut self);
    fn status(&mut self, words: String);
}

/// Run until the word to stop; then finish what is under way.
pub async fn run(newsdesk: Newsdesk, mut events: Events, mut serving: impl Serving) -> Result<(), StartError> {
    let (sender, mut changes) = mpsc::channel(64);
    let mut state = Loop::new(newsdesk.clone());
    newsdesk.was_all_published().await?;
    newsdesk.prepare_to_serve().await;
    state.schedule_all().await?;
    newsdesk.sweep().await?;
    let _watcher = watch_folders(&newsdesk, sender);
    state.first_publication().await;
    serving.ready();
    let mut told = Instant::now();
    loop {
        state.start_due();
        let wake = state.wake();
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            serving.status(state.words());
        }
        tokio::select! {
            biased;
            () = stopped(&mut events.stop) => break,
            Some(finished) = state.running.join_next_with_id() => state.finished(finished),
            published = published(&mut state.publishing) => state.published(published),
            Some(_) = state.aside.join_next() => {}
            Some(change) = changes.recv() => state.folder_changed(change),
            Some(ask) = events.asks.recv() => state.asked(ask, None),
            () = sleep_until(wake) => state.tick().await,
        }
    }
    state.drain().await;
    newsdesk.store.close().await;
    Ok(())
}

/// Refresh the named sources, or all, publish, and return: `newsdesk update` where no daemon runs.
pub async fn update(
    newsdesk: Newsdesk,
    sources: Vec<String>,
    confirm_missing: bool,
    mut stop: watch::Receiver<bool>,
    progress: Progress,
) -> Result<UpdateReport, StartError> {
    let mut state = Loop { once: true, ..Loop::new(newsdesk.clone()) };
    newsdesk.sweep().await?;
    // What an earlier run stored but could not publish any more is published now.
    if !newsdesk.was_all_published().await? {
        state.dirty = newsdesk.everything().await?;
    }
    let (reply, mut answer) = oneshot::channel();
    state.asked(Ask::Update { sources, confirm_missing, reply }, Some(progress));
    let report = loop {
        state.start_due();
        let wake = state.wake();
        tokio::select! {
            biased;
            report = &mut answer => break report.unwrap_or_default(),
            () = stopped(&mut stop) => break UpdateReport { trouble: Some("interrupted".to_owned()), ..UpdateReport::default() },
            Some(finished) = state.running.join_next_with_id() => state.finished(finished),
            published = published(&mut state.publishing) => state.published(published),
            () = sleep_until(wake) => {}
        }
    };
    state.drain().await;
    newsdesk.store.close().await;
    Ok(report)
}

fn watch_folders(newsdesk: &Newsdesk, sender: mpsc::Sender<FolderChanged>) -> Option<Watcher> {
    let folders = newsdesk.settings.sources.iter().filter_map(|source| match &source.place {
        Place::Folder(root) => Some((source.name.clone(), root.clone())),
        Place::Feed(_) => None,
    });
    match Watcher::start(folders.collect(), sender) {
        Ok(watcher) => Some(watcher),
        Err(cause) => {
            tracing::warn!(stage = "fetch", "{}; changes are found at the next re-scan", super::chain(&cause));
            None
        }
    }
}

/// Until the word is given, or nobody is left to give it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

type Publishing = tokio::task::JoinHandle<(Dirty, Result<Published, StoreError>)>;

/// Waits for the publication under way; for ever if there is none.
async fn published(publishing: &mut Option<Publishing>) -> (Dirty, Result<Published, StoreError>) {
    let Some(handle) = publishing else { return pending().await };
    let done = handle.await;
    *publishing = None;
    match done {
        Ok(done) => done,
        Err(panicked) if panicked.is_panic() => std::panic::resume_unwind(panicked.into_panic()),
        Err(_) => (Dirty::default(), Ok(Published::default())),
    }
}

/// A folder that is being read, and what came in meanwhile.
#[derive(Default)]
struct FolderState {
    running: bool,
    again: Option<FolderChanged>,
}

/// Somebody waits for these sources to be refreshed and published.
struct Waiting {
    pending: BTreeSet<String>,
    /// Folders that were being read when the wish came: the refresh after that one is the answer.
    next_refresh: BTreeSet<String>,
    /// Folders that are looked at once more, because a file had only just been written; and what was found so far.
    once_more: BTreeMap<String, String>,
    report: UpdateReport,
    reply: Option<oneshot::Sender<UpdateReport>>,
    progress: Option<Progress>,
    all: usize,
}

struct Loop {
    newsdesk: Newsdesk,
    feeds: Queue,
    /// Folders by the time of their next scan.
    folders_due: BTreeSet<(Time, String)>,
    folders: HashMap<String, FolderState>,
    running: JoinSet<Refreshing>,
    /// Words to the hub, and retention: nobody waits for them.
    aside: JoinSet<()>,
    /// Running feeds: bucket and start.
    buckets: HashMap<String, (Arc<str>, Time)>,
    /// Source -> bucket of the URL that is really asked, after a permanent redirect was adopted.
    hosts: HashMap<String, Arc<str>>,
    /// Names of the sources that are being refreshed.
    tasks: HashMap<Id, String>,
    /// When the next feed may start; `None`: when something finishes.
    feeds_wake: Option<Time>,
    dirty: Dirty,
    publishing: Option<Publishing>,
    /// When, and how much of its second was left then.
    last_publication: Option<(Instant, Duration)>,
    last_tick: Instant,
    /// When tombstones go out.
    tombstones: Option<Time>,
    next_retention: Option<Time>,
    waiting: Vec<Waiting>,
    wishes: HashMap<String, Wish>,
    /// Sources that fail, and the step that was told.
    failing: BTreeMap<String, String>,
    /// An update without a daemon: what it brings is published once, at its end.
    once: bool,
}

impl Loop {
    fn new(newsdesk: Newsdesk) -> Loop {
        let fetch = &newsdesk.settings.fetch;
        Loop {
            feeds: Queue::new(fetch.budget(), newsdesk.settings.hosts.clone()),
            folders_due: BTreeSet::new(),
            folders: HashMap::new(),
            running: JoinSet::new(),
            aside: JoinSet::new(),
            buckets: HashMap::new(),
            hosts: HashMap::new(),
            tasks: HashMap::new(),
            feeds_wake: None,
            dirty: Dirty::default(),
            publishing: None,
            last_publication: None,
            last_tick: Instant::now(),
            tombstones: None,
            next_retention: newsdesk.settings.schedule.retention.after(now()),
            waiting: Vec::new(),
            wishes: HashMap::new(),
            failing: BTreeMap::new(),
            once: false,
            newsdesk,
        }
    }

    /// Every source waits for its own time; folders are scanned at once, since they may have changed meanwhile.
    async fn schedule_all(&mut self) -> Result<(), StoreError> {
        let states = self.newsdesk.store.states().await?;
        let taught = self.newsdesk.store.meta(HOSTS).await?.unwrap_or_default();
        let now = now();
        for (bucket, taught) in serde_json::from_str::<BTreeMap<String, Taught>>(&taught).unwrap_or_default() {
            self.feeds.teach(&bucket, taught, now);
        }
        for source in &self.newsdesk.settings.sources.clone() {
            let state = states.get(&source.name);
            if let Some(trouble) = state.and_then(|state| state.trouble.as_ref()) {
                self.failing.insert(source.name.clone(), trouble.stage.clone());
            }
            match &source.place {
                Place::Folder(_) => self.start_folder(&source.name, None),
                Place::Feed(url) => {
                    let asked = state.map_or(url, |state| state.poll.moved.ask(url));
                    self.hosts.insert(source.name.clone(), queue::bucket(asked).into());
                    let known = state.and_then(|state| Some((state.next_poll?, state.last_try)));
                    let due = match known {
                        Some((next, last_try)) => schedule::resume(next, last_try, now),
                        None => schedule::first_poll(&source.name, now).at,
                    };
                    self.push(source, due);
                }
            }
        }
        Ok(())
    }

    /// What is stored and what the folders hold, live before anybody is told that we are ready.
    async fn first_publication(&mut self) {
        let patience = Instant::now() + FIRST_SCAN;
        while self.folders.values().any(|folder| folder.running) && Instant::now() < patience {
            tokio::select! {
                Some(finished) = self.running.join_next_with_id() => self.finished(finished),
                () = sleep_until(patience) => {}
            }
        }
        match self.newsdesk.everything().await {
            Ok(everything) => self.dirty.merge(everything),
            Err(cause) => tracing::error!(stage = "store", "{}", super::chain(&cause)),
        }
        self.start_publication();
        let done = published(&mut self.publishing).await;
        self.published(done);
        // What was withdrawn right before the last stop is announced, too.
        self.tombstones = Some(now() + TOMBSTONE_DELAY + TimeDelta::seconds(1));
        // A file saved right after the start is not to wait for the interval.
        self.last_publication = None;
    }

    fn push(&mut self, source: &Source, due: Time) {
        match &source.place {
            Place::Feed(url) => {
                let bucket = self.hosts.get(&source.name).cloned().unwrap_or_else(|| queue::bucket(url).into());
                self.feeds.push(&source.name, &bucket, due);
            }
            Place::Folder(_) => {
                self.folders_due.retain(|(_, name)| *name != source.name);
                self.folders_due.insert((due, source.name.clone()));
            }
        }
    }

    /// Start whatever may start now.
    fn start_due(&mut self) {
        let now = now();
        while let Some((due, name)) = self.folders_due.first().cloned() {
            if due > now {
                break;
            }
            self.folders_due.pop_first();
            self.start_folder(&name, None);
        }
        self.feeds_wake = None;
        while self.buckets.len() < self.newsdesk.settings.fetch.concurrency {
            let (source, bucket) = match self.feeds.next(now) {
                Next::Start { source, bucket } => (source, bucket),
                Next::WaitUntil(time) => {
                    self.feeds_wake = Some(time);
                    break;
                }
                Next::Idle => break,
            };
            let Some(source) = self.newsdesk.source(&source).cloned() else { continue };
            self.buckets.insert(source.name.clone(), (bucket, now));
            self.spawn(source, None, Wish::default(), Duration::ZERO);
        }
        if self.publication_due().is_some_and(|due| due <= Instant::now()) {
            self.start_publication();
        }
    }

    fn start_folder(&mut self, name: &str, change: Option<FolderChanged>) {
        let Some(source) = self.newsdesk.source(name).cloned() else { return };
        let folder = self.folders.entry(name.to_owned()).or_default();
        if folder.running {
            let mut again = folder.again.take().unwrap_or_default();
            if let Some(change) = change {
                again.complete.extend(change.complete);
                again.writing.extend(change.writing);
            }
            again.source = name.to_owned();
            folder.again = Some(again);
            return;
        }
        folder.running = true;
        let wish = self.wishes.remove(name).unwrap_or_default();
        self.spawn(source, change, wish, Duration::ZERO);
    }

    fn folder_changed(&mut self, change: FolderChanged) {
        let name = change.source.clone();
        self.start_folder(&name, Some(change));
    }

    fn spawn(&mut self, source: Arc<Source>, change: Option<FolderChanged>, wish: Wish, wait: Duration) {
        let (newsdesk, name) = (self.newsdesk.clone(), source.name.clone());
        let task = self.running.spawn(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            newsdesk.refresh(source, change, wish).await
        });
        self.tasks.insert(task.id(), name);
    }

    fn finished(&mut self, finished: Result<(Id, Refreshing), JoinError>) {
        let refreshing = match finished {
            Ok((task, refreshing)) => {
                self.tasks.remove(&task);
                refreshing
            }
            Err(panicked) => return self.panicked(&panicked),
        };
        let now = now();
        let source = refreshing.source.clone();
        self.free_bucket(&refreshing, now);
        if let Some(bucket) = &refreshing.bucket {
            self.hosts.insert(source.name.clone(), bucket.as_str().into());
        }
        self.push(&source, refreshing.next.at.max(now));
        self.note(&refreshing);
        if let Ok(done) = &refreshing.result {
            if matches!(source.place, Place::Folder(_)) && !done.applied.sections.is_empty() {
                self.dirty.urgent = true;
            }
            self.dirty.add(&source, &done.applied);
            if !done.applied.withdrawn.is_empty() {
                self.tombstones = Some(now + TOMBSTONE_DELAY + TimeDelta::seconds(1));
            }
        }
        if let Place::Folder(_) = &source.place {
            self.folder_finished(&source.name, refreshing.again);
        }
        self.answer_waiting(&refreshing);
    }

    fn free_bucket(&mut self, refreshing: &Refreshing, now: Time) {
        let Some((bucket, started)) = self.buckets.remove(&refreshing.source.name) else { return };
        self.feeds.finished(&bucket, now);
        let Some(refused) = &refreshing.refused else { return };
        let bucket = refused.bucket.as_deref().unwrap_or(&bucket);
        if refused.limited {
            self.feeds.refused(bucket, refused.retry_after, started, now);
        }
        if let Some(wait) = refused.retry_after {
            self.feeds.park(bucket, now + wait, now);
        }
        if refused.limited || refused.retry_after.is_some() {
            self.remember_hosts();
        }
    }

    /// What hosts have taught by refusing is not to be learned again after a restart.
    fn remember_hosts(&mut self) {
        let taught: BTreeMap<String, Taught> =
            self.feeds.taught().into_iter().map(|(bucket, taught)| (bucket.to_string(), taught)).collect();
        let Ok(json) = serde_json::to_string(&taught) else { return };
        let store = self.newsdesk.store.clone();
        self.aside.spawn(async move {
            if let Err(cause) = store.set_meta(HOSTS, json).await {
                tracing::error!(stage = "store", "{}", super::chain(&cause));
            }
        });
    }

    fn folder_finished(&mut self, name: &str, look_again: Option<Duration>) {
        let folder = self.folders.entry(name.to_owned()).or_default();
        folder.running = false;
        if let Some(change) = folder.again.take() {
            self.start_folder(name, Some(change));
        } else if let Some(wait) = look_again
            && let Some(source) = self.newsdesk.source(name).cloned()
        {
            folder.running = true;
            self.spawn(source, None, Wish::default(), wait);
        }
    }

    fn note(&mut self, refreshing: &Refreshing) {
        let name = &refreshing.source.name;
        match &refreshing.result {
            Ok(done) if done.trouble.is_some() => {
                // Each of its troubles was said where it was found.
                self.failing.insert(name.clone(), Stage::Parse.to_string());
                tracing::debug!(source = %name, "{}", done.words);
            }
            Ok(done) => {
                if self.failing.remove(name).is_some() {
                    tracing::info!(source = %name, "well again: {}", done.words);
                } else if done.applied.sections.is_empty() {
                    tracing::debug!(source = %name, "{}", done.words);
                } else {
                    tracing::info!(source = %name, "{}", done.words);
                }
            }
            Err(error) => {
                let cause = super::chain(&*error.cause);
                let stage = error.stage.to_string();
                if self.failing.insert(name.clone(), stage.clone()) != Some(stage) {
                    tracing::warn!(source = %name, stage = %error.stage, "{cause}; next try {}", refreshing.next.at);
                } else {
                    // It was said when it began; the status page has the rest.
                    tracing::debug!(source = %name, stage = %error.stage, "{cause}");
                }
            }
        }
    }

    /// A refresh that panicked is a defect of ours: it is named, the others go on, the source is asked again in an hour.
    fn panicked(&mut self, panicked: &JoinError) {
        let Some(name) = self.tasks.remove(&panicked.id()) else { return };
        tracing::error!(source = %name, "its refresh panicked, please report this: {panicked}");
        let now = now();
        if let Some((bucket, _)) = self.buckets.remove(&name) {
            self.feeds.finished(&bucket, now);
        }
        if self.folders.contains_key(&name) {
            self.folder_finished(&name, None);
        }
        if let Some(source) = self.newsdesk.source(&name).cloned() {
            self.push(&source, now + TimeDelta::hours(1));
        }
        let report = SourceReport { source: name, ok: false, outcome: "a defect of newsdesk; see its log".to_owned() };
        self.tell_waiting(report, false);
    }

    fn publication_due(&self) -> Option<Instant> {
        if self.once || self.dirty.is_empty() || self.publishing.is_some() {
            return None;
        }
        let Some((at, second)) = self.last_publication else { return Some(Instant::now()) };
        // Last-Modified counts seconds and strictly grows without running ahead: one publication in each.
        let next_second = at + second;
        let interval = self.newsdesk.settings.publish.min_interval;
        Some(if self.dirty.urgent { next_second } else { next_second.max(at + interval) })
    }

    fn start_publication(&mut self) {
        let (newsdesk, dirty) = (self.newsdesk.clone(), std::mem::take(&mut self.dirty));
        let rest = 1_000_u64.saturating_sub(u64::from(chrono::Utc::now().timestamp_subsec_millis()));
        self.last_publication = Some((Instant::now(), Duration::from_millis(rest)));
        self.publishing = Some(tokio::spawn(async move {
            let published = newsdesk.publish(&dirty, now()).await;
            (dirty, published)
        }));
    }

    fn published(&mut self, (dirty, result): (Dirty, Result<Published, StoreError>)) {
        let (changed, trouble) = match result {
            Ok(published) => (published.changed, None),
            Err(cause) => {
                let words = super::chain(&cause);
                tracing::error!(stage = "publish", "{words}");
                self.dirty.merge(Dirty { urgent: false, ..dirty });
                self.last_publication = Some((Instant::now(), AFTER_TROUBLE));
                (Vec::new(), Some(words))
            }
        };
        if !changed.is_empty() {
            tracing::info!("published {} documents", changed.len());
            let (newsdesk, changed) = (self.newsdesk.clone(), changed.clone());
            self.aside.spawn(async move { newsdesk.announce(changed).await });
        }

        let nothing_left = self.dirty.is_empty();
        for waiting in &mut self.waiting {
            waiting.report.published.extend(changed.iter().cloned());
            waiting.report.trouble = trouble.clone().or(waiting.report.trouble.take());
            if waiting.pending.is_empty() && (nothing_left || trouble.is_some()) {
                waiting.done();
            }
        }
        self.waiting.retain(|waiting| waiting.reply.is_some());
    }

    fn asked(&mut self, ask: Ask, progress: Option<Progress>) {
        let Ask::Update { sources, confirm_missing, reply } = ask;
        let now = now();
        let all = self.newsdesk.settings.sources.iter().map(|source| source.name.clone());
        let named: BTreeSet<String> = if sources.is_empty() { all.collect() } else { sources.into_iter().collect() };
        let mut waiting = Waiting {
            all: named.len(),
            pending: named.clone(),
            next_refresh: BTreeSet::new(),
            once_more: BTreeMap::new(),
            report: UpdateReport::default(),
            reply: Some(reply),
            progress,
        };
        for name in named {
            let Some(source) = self.newsdesk.source(&name).cloned() else {
                waiting.note(SourceReport { source: name, ok: false, outcome: "there is no such source".to_owned() });
                continue;
            };
            match &source.place {
                Place::Feed(_) if self.buckets.contains_key(&name) => {}
                Place::Feed(_) => self.push(&source, now),
                Place::Folder(_) => {
                    self.wishes.insert(name.clone(), Wish { confirm_missing });
                    if self.folders.get(&name).is_some_and(|folder| folder.running) {
                        waiting.next_refresh.insert(name.clone());
                    }
                    self.start_folder(&name, None);
                }
            }
        }
        self.waiting.push(waiting);
        self.settle_waiting();
    }

    fn answer_waiting(&mut self, refreshing: &Refreshing) {
        let name = &refreshing.source.name;
        let report = match &refreshing.result {
            Ok(Done { words, trouble: Some(trouble), .. }) => {
                SourceReport { source: name.clone(), ok: false, outcome: format!("{words}; {trouble}") }
            }
            Ok(done) => SourceReport { source: name.clone(), ok: true, outcome: done.words.clone() },
            Err(error) => {
                let outcome = format!("{}: {}", error.stage, super::chain(&*error.cause));
                SourceReport { source: name.clone(), ok: false, outcome }
            }
        };
        self.tell_waiting(report, refreshing.again.is_some());
    }

    /// `again`: the source is refreshed once more, at once.
    fn tell_waiting(&mut self, report: SourceReport, again: bool) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.pending.contains(&report.source)) {
            if waiting.next_refresh.remove(&report.source) {
                continue;
            }
            if again && !waiting.once_more.contains_key(&report.source) {
                waiting.once_more.insert(report.source.clone(), report.outcome.clone());
                continue;
            }
            waiting.note(report.clone());
        }
        self.settle_waiting();
    }

    /// Who waits for nothing any more gets the publication at once and then the answer.
    fn settle_waiting(&mut self) {
        if !self.waiting.iter().any(|waiting| waiting.pending.is_empty()) {
            return;
        }
        if self.publishing.is_some() {
            return;
        }
        if self.dirty.is_empty() {
            for waiting in self.waiting.iter_mut().filter(|waiting| waiting.pending.is_empty()) {
                waiting.done();
            }
            self.waiting.retain(|waiting| waiting.reply.is_some());
        } else {
            self.start_publication();
        }
    }

    async fn tick(&mut self) {
        let now = now();
        if self.tombstones.is_some_and(|due| due <= now) {
            self.tombstones = None;
            self.dirty.sections.extend(self.newsdesk.sections.iter().map(|(row, _)| row.name.clone()));
        }
        if self.next_retention.is_some_and(|due| due <= now) {
            self.next_retention = self.newsdesk.settings.schedule.retention.after(now);
            let newsdesk = self.newsdesk.clone();
            // In small batches, each a write of its own, so that nobody waits for it.
            self.aside.spawn(async move { newsdesk.retire(now).await });
        }
        if self.last_tick.elapsed() >= TICK {
            self.last_tick = Instant::now();
            let aging = self.newsdesk.sections.iter().filter(|(_, section)| section.max_age.is_some());
            self.dirty.sections.extend(aging.map(|(row, _)| row.name.clone()));
            self.aside.spawn(blocking(memory::give_back));
        }
    }

    fn wake(&self) -> Instant {
        let (wall, clock) = (now(), Instant::now());
        let at = |time: Time| clock + (time - wall).to_std().unwrap_or_default();
        let feeds = self.feeds_wake.map(at);
        let folders = self.folders_due.first().map(|(time, _)| at(*time));
        let tombstones = self.tombstones.map(at);
        let retention = self.next_retention.map(at);
        let wakes = [feeds, folders, tombstones, retention, self.publication_due(), Some(self.last_tick + TICK)];
        wakes.into_iter().flatten().min().unwrap_or(clock).min(clock + LONGEST_SLEEP)
    }

    fn words(&self) -> String {
        let sources = self.newsdesk.settings.sources.len();
        let wait = self.wake().saturating_duration_since(Instant::now());
        format!(
            "{sources} sources, {} failing; {} at work; next look in {} s",
            self.failing.len(),
            self.running.len(),
            wait.as_secs()
        )
    }

    /// Let what is under way come to its end, and publish it.
    async fn drain(&mut self) {
        let patience = Instant::now() + DRAIN;
        while !self.running.is_empty() && Instant::now() < patience {
            tokio::select! {
                Some(finished) = self.running.join_next_with_id() => self.finished(finished),
                () = sleep_until(patience) => {}
            }
        }
        self.running.abort_all();
        if self.publishing.is_some() {
            let done = published(&mut self.publishing).await;
            self.published(done);
        }
        if !self.dirty.is_empty() {
            self.start_publication();
            let done = published(&mut self.publishing).await;
            self.published(done);
        }
        if self.dirty.is_empty()
            && self.running.is_empty()
            && let Err(cause) = self.newsdesk.mark_all_published().await
        {
            tracing::error!(stage = "store", "{}", super::chain(&cause));
        }
        let spoken = async { while self.aside.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, spoken).await;
    }
}

impl Waiting {
    fn note(&mut self, mut report: SourceReport) {
        self.pending.remove(&report.source);
        if let Some(before) = self.once_more.remove(&report.source).filter(|before| before != NOTHING_NEW) {
            report.outcome = format!("{before}; then {}", report.outcome);
        }
        if let Some(progress) = &mut self.progress {
            progress(self.all - self.pending.len(), self.all, &report);
        }
        self.report.sources.push(report);
    }

    fn done(&mut self) {
        self.report.sources.sort_by(|a, b| a.source.cmp(&b.source));
        self.report.published.sort();
        self.report.published.dedup();
        if let Some(reply) = self.reply.take() {
            // Whoever asked may have hung up.
            let _ = reply.send(std::mem::take(&mut self.report));
        }
    }
}
