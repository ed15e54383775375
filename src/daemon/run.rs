//! The loop: due sources start, finished ones are written down, what changed is published, wishes are answered.

mod appointments;
mod finishing;
mod folders;
mod publishing;
mod pushes;
mod reading;
mod reloading;
mod starting;
mod telling;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::clock::{now, wall};
use super::control::{Ask, SourceReport, UpdateReport};
use super::dirty::Dirty;
use super::polls::Polls;
use super::push::Pushed;
use super::refresh::{Refreshing, Wish};
use super::work::on_disk;
use super::{LastRun, Newsdesk, StartError, reload};
use crate::fetch::folder::Watcher;
use crate::model::Time;
use appointments::Appointments;
use folders::{FolderState, watch_folders};
use publishing::{Publishing, published};
use reading::Reading;
use reloading::Reload;
use waiting::Waiting;

/// Time alone changes sections with a `max-age` or `keep-days`, and brings tombstones.
const TICK: Duration = Duration::from_secs(300);
/// The wall clock may jump: look at it at least so often.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// What is under way when the word to stop comes gets this long; what it brought is published then, within ten seconds
/// of the word in all.
const DRAIN: Duration = Duration::from_secs(3);
/// The publications of the end. What is not through by then is stored, and live with the next start.
const LAST_PUBLICATIONS: Duration = Duration::from_secs(4);
/// Words to the hub that are not through by then are lost: subscribers poll.
const FAREWELL: Duration = Duration::from_secs(1);

/// What reaches the loop from outside.
pub struct Events {
    pub asks: mpsc::Receiver<Ask>,
    /// How the configuration is read when a reload is asked for.
    pub read: reload::Read,
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
    /// The configuration is read anew.
    fn reloading(&mut self);
    /// From now on this one is served.
    fn adopted(&mut self, newsdesk: &Newsdesk);
    /// The reload is through, whatever came of it.
    fn reloaded(&mut self);
}

/// Run until the word to stop; then finish what is under way.
pub async fn run(newsdesk: Newsdesk, events: Events, serving: impl Serving + 'static) -> Result<(), StartError> {
    among_workers(serve(newsdesk, events, serving)).await
}

/// The loop as one task among those that it starts: they wake each other without waking another thread.
async fn among_workers<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

async fn serve(newsdesk: Newsdesk, mut events: Events, mut serving: impl Serving) -> Result<(), StartError> {
    let (sender, mut changes) = mpsc::channel(64);
    let reload = Reload::new(events.read, sender.clone());
    let mut state = Loop { reload, ..Loop::new(newsdesk.clone()) };
    let last_run = newsdesk.last_run().await?;
    newsdesk.prepare_to_serve().await?;
    // Before they are scanned for the first time, so that nothing is saved unseen between the two.
    let watching = newsdesk.clone();
    state.watcher = on_disk(move || watch_folders(&watching, sender)).await;
    state.schedule_all().await?;
    newsdesk.sweep().await?;
    state.first_publication(last_run).await;
    newsdesk.start_hub().await?;
    let mut pushes = newsdesk.start_pushes().await?;
    serving.ready();
    state.look_at_everything(last_run).await;
    let mut told = Instant::now();
    loop {
        state.go_on_reloading(&mut serving);
        state.start_due();
        let wake = state.wake();
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            serving.status(state.words());
        }
        state.count();
        tokio::select! {
            biased;
            () = stopped(&mut events.stop) => break,
            Some(finished) = state.running.join_next_with_id() => state.finished_together(finished).await,
            Some(turn) = state.reading.turns.join_next() => state.pages_read(turn),
            published = published(&mut state.publishing) => state.published(published),
            came = reloading::came(&mut state.reload) => state.reload_came(came, &mut serving),
            Some(_) = state.aside.join_next() => {}
            Some(change) = changes.recv() => state.folder_changed(change),
            Some(event) = pushes.recv() => state.pushed(event),
            Some(ask) = events.asks.recv() => state.asked(ask),
            () = sleep_until(wake) => state.tick().await,
        }
    }
    state.drain().await;
    newsdesk.stop_hub(FAREWELL).await;
    newsdesk.stop_pushes(FAREWELL).await;
    newsdesk.store.close().await;
    Ok(())
}

/// Refresh the named sources, or all, publish, and return: `newsdesk update` where no daemon runs.
pub async fn update(
    newsdesk: Newsdesk,
    sources: Vec<String>,
    confirm_missing: bool,
    stop: watch::Receiver<bool>,
    progress: Progress,
) -> Result<UpdateReport, StartError> {
    among_workers(refresh_once(newsdesk, sources, confirm_missing, stop, progress)).await
}

async fn refresh_once(
    newsdesk: Newsdesk,
    sources: Vec<String>,
    confirm_missing: bool,
    mut stop: watch::Receiver<bool>,
    progress: Progress,
) -> Result<UpdateReport, StartError> {
    let mut state = Loop { once: true, ..Loop::new(newsdesk.clone()) };
    state.remember_what_hosts_taught().await?;
    newsdesk.sweep().await?;
    // What an earlier run stored but could not publish any more is published now.
    if newsdesk.last_run().await? != LastRun::Whole {
        state.dirty = newsdesk.everything().await?;
    }
    state.dirty.sections.extend(newsdesk.settle(now()).await?.0);
    let (reply, mut answer) = oneshot::channel();
    state.asked_to_update(sources, confirm_missing, reply, Some(progress));
    let report = loop {
        state.start_due();
        let wake = state.wake();
        tokio::select! {
            biased;
            report = &mut answer => break report.unwrap_or_default(),
            () = stopped(&mut stop) => break UpdateReport { trouble: Some("interrupted".to_owned()), ..UpdateReport::default() },
            Some(finished) = state.running.join_next_with_id() => state.finished_together(finished).await,
            Some(turn) = state.reading.turns.join_next() => state.pages_read(turn),
            published = published(&mut state.publishing) => state.published(published),
            () = sleep_until(wake) => {}
        }
    };
    state.drain().await;
    newsdesk.mirror_rest().await;
    newsdesk.store.close().await;
    Ok(report)
}

/// Until the word is given, or nobody is left to give it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// A refresh that is under way.
struct Task {
    /// By the name that it has now.
    source: String,
    /// Under which configuration it was begun.
    generation: u64,
    abort: AbortHandle,
    /// It reads what was pushed.
    pushed: bool,
}

struct Loop {
    newsdesk: Newsdesk,
    reload: Reload,
    watcher: Option<Watcher>,
    polls: Polls,
    appointments: Appointments,
    folders: HashMap<String, FolderState>,
    running: JoinSet<Refreshing>,
    reading: Reading,
    /// Words to the hub, and retention: nobody waits for them.
    aside: JoinSet<()>,
    tasks: HashMap<Id, Task>,
    dirty: Dirty,
    publishing: Option<Publishing>,
    /// When, and how much of its second was left then.
    last_publication: Option<(Instant, Duration)>,
    last_tick: Instant,
    /// When tombstones go out.
    tombstones: BTreeSet<Time>,
    /// When the first of the stories that wait for better copies is to be chosen.
    settles: Option<Time>,
    waiting: Vec<Waiting>,
    wishes: HashMap<String, Wish>,
    /// What was pushed and waits to be read, by the row of its source.
    pushes: HashMap<i64, VecDeque<Pushed>>,
    /// Sources that fail, and the step that was told.
    failing: BTreeMap<String, String>,
    /// An update without a daemon: what it brings is published once, at its end.
    once: bool,
    /// The next publication is the look at everything after the start: what it takes is given back.
    started: bool,
    /// What the mirror lacks since it could not be written, and when that is tried again.
    unmirrored: Option<(Dirty, Instant)>,
}

impl Loop {
    fn new(newsdesk: Newsdesk) -> Loop {
        let mut appointments = Appointments::default();
        appointments.replan(&newsdesk.settings.schedule.retention, now());
        Loop {
            reload: Reload::default(),
            watcher: None,
            polls: Polls::new(&newsdesk.settings),
            appointments,
            folders: HashMap::new(),
            running: JoinSet::new(),
            reading: Reading::default(),
            aside: JoinSet::new(),
            tasks: HashMap::new(),
            dirty: Dirty::default(),
            publishing: None,
            last_publication: None,
            last_tick: Instant::now(),
            tombstones: BTreeSet::new(),
            settles: None,
            waiting: Vec::new(),
            wishes: HashMap::new(),
            pushes: HashMap::new(),
            failing: BTreeMap::new(),
            once: false,
            started: false,
            unmirrored: None,
            newsdesk,
        }
    }

    async fn tick(&mut self) {
        let now = now();
        if self.tombstones.first().is_some_and(|due| *due <= now) {
            self.tombstones.retain(|due| *due > now);
            self.dirty.sections.extend(self.newsdesk.sections.iter().map(|(row, _)| row.name.clone()));
            let own = self.newsdesk.settings.sources.iter().filter(|source| source.publish);
            self.dirty.sources.extend(own.map(|source| source.name.clone()));
        }
        self.mirror_again();
        self.dirty.sections.extend(self.newsdesk.take_stale());
        if self.settles.is_some_and(|due| due <= now) {
            match self.newsdesk.settle(now).await {
                Ok((sections, next)) => {
                    self.dirty.sections.extend(sections);
                    self.settles = next;
                }
                Err(cause) => {
                    tracing::error!(stage = "store", "{}", super::chain(&cause));
                    self.settles = Some(now + TimeDelta::seconds(30));
                }
            }
        }
        if self.appointments.retention_is_due(&self.newsdesk.settings.schedule.retention, now) {
            let newsdesk = self.newsdesk.clone();
            // In small batches, each a write of its own, so that nobody waits for it.
            self.aside.spawn(async move { newsdesk.retire(now).await });
        }
        if self.last_tick.elapsed() >= TICK {
            self.last_tick = Instant::now();
            let aging = self
                .newsdesk
                .sections
                .iter()
                .filter(|(_, section)| section.max_age.is_some() || section.keep.is_some());
            self.dirty.sections.extend(aging.map(|(row, _)| row.name.clone()));
            self.dirty.merge(self.newsdesk.no_longer_told(now - 2 * TICK, now).await);
            self.aside.spawn(self.newsdesk.clone().give_back());
        }
    }

    fn wake(&self) -> Instant {
        let (wall, clock) = (wall(), Instant::now());
        let at = |time: Time| clock + (time - wall).to_std().unwrap_or_default();
        let feeds = self.polls.wake(wall, clock);
        let appointments = self.appointments.next().map(at);
        let tombstones = self.tombstones.first().copied().map(at);
        let settles = self.settles.map(at);
        let wakes = [feeds, appointments, tombstones, settles, self.publication_due(), Some(self.last_tick + TICK)];
        wakes.into_iter().flatten().min().unwrap_or(clock).min(clock + LONGEST_SLEEP)
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
        self.reading.turns.abort_all();
        // A service manager does not wait; whoever asked for an update does.
        let last = Instant::now() + if self.once { Duration::from_hours(24) } else { LAST_PUBLICATIONS };
        self.publication_ends(last).await;
        if self.publishing.is_none() && !self.dirty.is_empty() {
            self.start_publication();
            self.publication_ends(last).await;
        }
        if self.publishing.is_none()
            && self.unmirrored.is_none()
            && self.dirty.is_empty()
            && self.running.is_empty()
            && self.reload.is_idle()
            && let Err(cause) = self.newsdesk.mark_all_published().await
        {
            tracing::error!(stage = "store", "{}", super::chain(&cause));
        }
        let spoken = async { while self.aside.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(FAREWELL, spoken).await;
    }

    /// The publication under way, if one is, until it is done or it is too late.
    async fn publication_ends(&mut self, last: Instant) {
        if self.publishing.is_none() {
            return;
        }
        match tokio::time::timeout_at(last, published(&mut self.publishing)).await {
            Ok(done) => self.published(done),
            Err(_) => {
                tracing::warn!(stage = "publish", "no time is left to publish the last changes: the next start does");
            }
        }
    }
}

#[cfg(test)]
mod tests;
