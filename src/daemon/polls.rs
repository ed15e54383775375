//! Polls: which feed is asked next, how many are at once, and what their hosts have taught. It decides by the queue of
//! hosts and starts nothing itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::full_text;
use super::refresh::{Asks, Refused};
use crate::config::Settings;
use crate::fetch::http::Way;
use crate::model::Time;
use crate::schedule::queue::{self, Next, Queue, Taught};

/// A poll under way for longer than this waits for somebody slow: it no longer counts among those that may be at once,
/// so that a few dozen hosts that drip do not hold up a thousand that answer.
const SLOW: Duration = Duration::from_secs(1);
/// All polls under way, slow ones and those of troubled sources included, are at most so many times `concurrency`.
const WITH_SLOW: usize = 2;

/// See the module.
pub(super) struct Polls {
    queue: Queue,
    running: HashMap<Arc<str>, Running>,
    /// Source -> bucket of the URL that is really asked, after a permanent redirect was adopted.
    hosts: HashMap<String, Arc<str>>,
    /// Source -> how far redirects have led it, while it waits for the host that the last one names.
    ways: HashMap<String, Vec<Way>>,
    concurrency: usize,
    /// When the queue has the next one ready; `None`: when something finishes.
    ready: Option<Time>,
}

struct Running {
    bucket: Arc<str>,
    /// By the wall clock, for the hosts' lessons, and by one that does not jump.
    started: Time,
    since: Instant,
    /// It failed last time: it may well be slow again, and takes no place from those that are well.
    troubled: bool,
}

/// A poll to be started.
pub(super) struct Start {
    pub source: Arc<str>,
    /// When its host refused us last.
    pub host_refused: Option<Time>,
    /// What [`Polls::go_on`] was given.
    pub ways: Vec<Way>,
}

impl Polls {
    pub fn new(settings: &Settings) -> Polls {
        Polls {
            queue: Queue::new(settings.fetch.budget(), settings.hosts.clone()),
            running: HashMap::new(),
            hosts: HashMap::new(),
            ways: HashMap::new(),
            concurrency: settings.fetch.concurrency,
            ready: None,
        }
    }

    /// Another configuration: its budgets hold from now on.
    pub fn configure(&mut self, settings: &Settings) {
        self.queue.set_budgets(settings.fetch.budget(), settings.hosts.clone());
        self.concurrency = settings.fetch.concurrency;
    }

    /// Sources go by the names that `stays` gives them; those that have none are no longer asked about.
    pub fn follow(&mut self, stays: impl Fn(&String) -> Option<String>) {
        // Pages wait under the row of their source, which it keeps.
        let stays = |name: &String| full_text::row_of(name).map_or_else(|| stays(name), |_| Some(name.clone()));
        let running = std::mem::take(&mut self.running).into_iter();
        self.running = running.filter_map(|(name, poll)| Some((stays(&name.to_string())?.into(), poll))).collect();
        under_new_names(&mut self.hosts, stays);
        under_new_names(&mut self.ways, stays);
    }

    pub fn remove(&mut self, source: &str) {
        self.queue.remove(source);
        self.ways.remove(source);
    }

    /// Let `source` wait until `due`; `bucket`: of its configured URL, unless another one is known to be asked.
    pub fn push(&mut self, source: &str, bucket: impl Into<Arc<str>>, due: Time) {
        let bucket = self.hosts.get(source).cloned().unwrap_or_else(|| bucket.into());
        self.ways.remove(source);
        self.queue.push(source, bucket, due);
    }

    /// Let `source` wait for the host to which redirects have led it, so that no budget is passed by; `ways`: that of
    /// each request that has not come to its end, the last one next.
    pub fn go_on(&mut self, source: &str, ways: Vec<Way>, now: Time) {
        let Some(way) = ways.last() else { return };
        self.queue.push(source, queue::bucket(way.url()), now);
        self.ways.insert(source.to_owned(), ways);
    }

    /// The bucket of the URL that is really asked; `true`: until now it was another one.
    pub fn asks(&mut self, source: &str, asks: &Asks) -> bool {
        match asks {
            Asks::Configured => self.hosts.remove(source).is_some(),
            Asks::Other(bucket) => {
                let other = self.hosts.get(source).is_none_or(|known| **known != **bucket);
                if other {
                    self.hosts.insert(source.to_owned(), bucket.as_str().into());
                }
                other
            }
        }
    }

    /// Does this source wait for its turn?
    pub fn waits(&self, source: &str) -> bool {
        self.queue.holds(source)
    }

    /// Until when the host that it waits for asked to be left alone.
    pub fn waits_for_parked(&self, source: &str, now: Time) -> Option<Time> {
        self.queue.waits_for_parked(source, now)
    }

    /// Is it being asked, or on its way to another host?
    pub fn is_under_way(&self, source: &str) -> bool {
        self.running.contains_key(source) || self.ways.contains_key(source)
    }

    /// Sources that wait for their time or their host.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// When the next one may start; `None`: when something finishes, or never.
    pub fn next(&self) -> Option<Time> {
        self.ready
    }

    /// The next poll that may start now. Ask again until there is none. `troubled`: did this source fail last time?
    pub fn start(&mut self, now: Time, clock: Instant, troubled: impl FnOnce(&str) -> bool) -> Option<Start> {
        self.ready = None;
        if self.is_full(clock) {
            return None;
        }
        match self.queue.next(now) {
            Next::Start { source, bucket } => {
                let host_refused = self.queue.refused_at(&bucket);
                let running = Running { bucket, started: now, since: clock, troubled: troubled(&source) };
                self.running.insert(source.clone(), running);
                let ways = self.ways.remove(&*source).unwrap_or_default();
                Some(Start { source, host_refused, ways })
            }
            Next::WaitUntil(time) => {
                self.ready = Some(time);
                None
            }
            Next::Idle => None,
        }
    }

    fn is_full(&self, clock: Instant) -> bool {
        // Only when there are many does it matter which of them count.
        let running = self.running.len();
        if running < self.concurrency {
            return false;
        }
        let swift = self.running.values().filter(|poll| poll.is_swift(clock)).count();
        running >= self.concurrency * WITH_SLOW || swift >= self.concurrency
    }

    /// A poll has ended. `true`: its host taught something that is worth storing.
    pub fn finished(&mut self, source: &str, refused: Option<&Refused>, now: Time) -> bool {
        let Some(Running { bucket, started, .. }) = self.running.remove(source) else { return false };
        self.queue.finished(&bucket, now);
        let Some(refused) = refused else { return false };
        let bucket = refused.bucket.as_deref().unwrap_or(&bucket);
        if refused.limited {
            self.queue.refused(bucket, refused.retry_after, started, now);
        }
        if let Some(wait) = refused.retry_after {
            self.queue.park(bucket, now + wait, now);
        }
        refused.limited || refused.retry_after.is_some()
    }

    /// What hosts have taught is not to be learned again after a restart.
    pub fn taught(&self) -> Option<String> {
        let taught: BTreeMap<String, Taught> =
            self.queue.taught().into_iter().map(|(bucket, taught)| (bucket.to_string(), taught)).collect();
        serde_json::to_string(&taught).ok()
    }

    /// What [`Polls::taught`] said before a restart.
    pub fn teach(&mut self, json: &str, now: Time) {
        for (bucket, taught) in serde_json::from_str::<BTreeMap<String, Taught>>(json).unwrap_or_default() {
            self.queue.teach(&bucket, taught, now);
        }
    }

    /// When to call [`Polls::start`] again, if nothing finishes before. `None`: only then.
    pub fn wake(&self, now: Time, clock: Instant) -> Option<Instant> {
        if self.is_full(clock) {
            // The oldest that counts is the first that no longer does.
            let oldest = self.running.values().filter(|poll| poll.is_swift(clock)).map(|poll| poll.since).min();
            return oldest.map(|since| since + SLOW).filter(|_| self.running.len() < self.concurrency * WITH_SLOW);
        }
        self.ready.map(|time| clock + (time - now).to_std().unwrap_or_default())
    }
}

/// The map under the names of now.
pub(super) fn under_new_names<V>(map: &mut HashMap<String, V>, stays: impl Fn(&String) -> Option<String>) {
    *map = std::mem::take(map).into_iter().filter_map(|(name, value)| Some((stays(&name)?, value))).collect();
}

impl Running {
    fn is_swift(&self, clock: Instant) -> bool {
        !self.troubled && clock.saturating_duration_since(self.since) < SLOW
    }
}

#[cfg(test)]
mod tests;
