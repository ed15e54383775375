//! Due sources, waiting in the buckets of their hosts: one bucket's queue never delays another's.
//!
//! A bucket starts at most so many requests at once and one in each interval; among the buckets that could start one,
//! the one that has waited longest is next. Every step costs O(log n).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use url::{Host, Url};

use super::LONGEST_WAIT;
use crate::model::Time;

/// The slowest rate that is learned from a host's refusals.
const SLOWEST: TimeDelta = TimeDelta::hours(1);
/// A learned interval shrinks by a tenth for each such time without a refusal.
const EASED_EVERY: TimeDelta = TimeDelta::hours(24);

/// The bucket of a URL: its registrable domain (by the public suffix list); for an IP address the host and port.
pub fn bucket(url: &Url) -> String {
    let port = url.port_or_known_default().unwrap_or(0);
    match url.host() {
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            psl::domain_str(name).unwrap_or(name).to_owned()
        }
        Some(Host::Ipv4(ip)) => std::net::SocketAddr::new(IpAddr::V4(ip), port).to_string(),
        Some(Host::Ipv6(ip)) => std::net::SocketAddr::new(IpAddr::V6(ip), port).to_string(),
        None => String::new(),
    }
}

/// What one host may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Requests at once; at least 1 is taken.
    pub connections: usize,
    /// Least time between the starts of two requests.
    pub interval: TimeDelta,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Start this source; then [`Queue::finished`] with the bucket.
    Start { source: Arc<str>, bucket: Arc<str> },
    /// Nothing may start before then, unless something is pushed or finishes.
    WaitUntil(Time),
    /// Nothing waits, or all that waits does so for running requests.
    Idle,
}

/// See the module.
#[derive(Debug)]
pub struct Queue {
    default: Budget,
    buckets: HashMap<Arc<str>, Bucket>,
    /// Source -> where it waits.
    waiting: HashMap<Arc<str>, (Arc<str>, Place)>,
    /// When each bucket may start its first source; buckets that may not are absent.
    ready: BTreeSet<(Time, Arc<str>)>,
    /// Source's turn among those due at the same time: first come, first served.
    turns: u64,
    /// The latest time seen: an earlier one means that the clock was set back.
    last: Option<Time>,
}

type Place = (Time, u64);

#[derive(Debug, Default)]
struct Bucket {
    waiting: BTreeMap<Place, Arc<str>>,
    running: usize,
    /// No start before: the interval since the last one.
    next_start: Option<Time>,
    parked: Option<Time>,
    learned: Option<Learned>,
    /// As it stands in [`Queue::ready`].
    ready: Option<Time>,
}

/// A rate that a host has taught us by refusing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learned {
    pub interval: TimeDelta,
    /// The last refusal, or the last time it was eased.
    pub since: Time,
}

impl Queue {
    /// `default`: the budget of hosts of which nothing is learned.
    pub fn new(default: Budget) -> Queue {
        Queue {
            default,
            buckets: HashMap::new(),
            waiting: HashMap::new(),
            ready: BTreeSet::new(),
            turns: 0,
            last: None,
        }
    }

    /// Sources that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Lets `source` wait in `bucket` until `due`. One that waits already is moved.
    pub fn push(&mut self, source: &str, bucket: &str, due: Time) {
        self.remove(source);
        self.turns += 1;
        let (source, place): (Arc<str>, Place) = (source.into(), (due, self.turns));
        let bucket = match self.buckets.get_key_value(bucket) {
            Some((known, _)) => known.clone(),
            None => bucket.into(),
        };
        self.buckets.entry(bucket.clone()).or_default().waiting.insert(place, source.clone());
        self.waiting.insert(source, (bucket.clone(), place));
        self.settle(&bucket);
    }

    /// Forgets a source that waits; `false`: it does not.
    pub fn remove(&mut self, source: &str) -> bool {
        let Some((bucket, place)) = self.waiting.remove(source) else { return false };
        if let Some(waits) = self.buckets.get_mut(&bucket) {
            waits.waiting.remove(&place);
        }
        self.settle(&bucket);
        true
    }

    /// The next step. Ask again after each `Start`.
    pub fn next(&mut self, now: Time) -> Next {
        self.notice_clock(now);
        let Some((at, bucket)) = self.ready.first().cloned() else { return Next::Idle };
        if at > now {
            return Next::WaitUntil(at);
        }
        let default = self.default;
        let Some((bucket_name, waits)) = self.buckets.get_mut(&bucket).map(|waits| (bucket.clone(), waits)) else {
            return Next::Idle;
        };
        let Some((_, source)) = waits.waiting.pop_first() else { return Next::Idle };
        waits.ease(default.interval, now);
        waits.running += 1;
        waits.next_start = Some(now + waits.interval(default));
        self.waiting.remove(&source);
        self.settle(&bucket);
        Next::Start { source, bucket: bucket_name }
    }

    /// A request of this bucket has ended, however it did.
    pub fn finished(&mut self, bucket: &str, now: Time) {
        self.notice_clock(now);
        let Some(waits) = self.buckets.get_mut(bucket) else { return };
        waits.running = waits.running.saturating_sub(1);
        self.settle_named(bucket);
        self.forget_idle(bucket, now);
    }

    /// The host asks to be left alone until then; at most a day.
    pub fn park(&mut self, bucket: &str, until: Time, now: Time) {
        self.notice_clock(now);
        let until = until.min(now + LONGEST_WAIT);
        let waits = self.buckets.entry(bucket.into()).or_default();
        waits.parked = Some(waits.parked.map_or(until, |parked| parked.max(until)));
        self.settle_named(bucket);
    }

    /// The host refused a request that was started at `started` for being one too many: from now on it is asked at half
    /// the rate, or at the rate that `retry_after` tells. Refusals of requests that were already under way when the last
    /// one was learned teach nothing new.
    pub fn refused(&mut self, bucket: &str, retry_after: Option<TimeDelta>, started: Time, now: Time) {
        self.notice_clock(now);
        let default = self.default;
        let waits = self.buckets.entry(bucket.into()).or_default();
        if waits.learned.is_some_and(|learned| started < learned.since) {
            return;
        }
        let doubled = waits.interval(default).max(TimeDelta::seconds(1)) * 2;
        // A little more than was asked for: clocks differ.
        let told = retry_after.map_or(TimeDelta::zero(), |wait| wait.min(SLOWEST) + TimeDelta::seconds(1));
        let interval = doubled.max(told).min(SLOWEST);
        waits.learned = Some(Learned { interval, since: now });
        waits.next_start = waits.next_start.map(|at| at.max(now + interval)).or(Some(now + interval));
        self.settle_named(bucket);
    }

    /// What hosts have taught, for the store.
    pub fn learned(&self) -> BTreeMap<Arc<str>, Learned> {
        self.buckets.iter().filter_map(|(name, waits)| Some((name.clone(), waits.learned?))).collect()
    }

    /// What a host had taught before a restart.
    pub fn learn(&mut self, bucket: &str, learned: Learned) {
        self.buckets.entry(bucket.into()).or_default().learned = Some(learned);
        self.settle_named(bucket);
    }

    /// A clock that was set back takes all times with it, so that nothing waits for the old time to come again.
    fn notice_clock(&mut self, now: Time) {
        let Some(last) = self.last.replace(now).filter(|last| *last > now) else { return };
        let back = last - now;
        for waits in self.buckets.values_mut() {
            let waiting = std::mem::take(&mut waits.waiting);
            waits.waiting = waiting.into_iter().map(|((due, turn), source)| ((due - back, turn), source)).collect();
            waits.next_start = waits.next_start.map(|at| at - back);
            waits.parked = waits.parked.map(|at| at - back);
            waits.learned = waits.learned.map(|known| Learned { since: known.since - back, ..known });
        }
        for (_, (due, _)) in self.waiting.values_mut() {
            *due -= back;
        }
        let names: Vec<Arc<str>> = self.buckets.keys().cloned().collect();
        names.iter().for_each(|name| self.settle(name));
    }

    fn settle_named(&mut self, bucket: &str) {
        if let Some((name, _)) = self.buckets.get_key_value(bucket) {
            let name = name.clone();
            self.settle(&name);
        }
    }

    /// Puts the bucket where it belongs among the ready ones.
    fn settle(&mut self, bucket: &Arc<str>) {
        let default = self.default;
        let Some(waits) = self.buckets.get_mut(bucket) else { return };
        let ready = waits.may_start(default);
        let before = std::mem::replace(&mut waits.ready, ready);
        if before == ready {
            return;
        }
        if let Some(before) = before {
            self.ready.remove(&(before, bucket.clone()));
        }
        if let Some(ready) = ready {
            self.ready.insert((ready, bucket.clone()));
        }
    }

    /// A bucket about which nothing is worth knowing costs nothing.
    fn forget_idle(&mut self, bucket: &str, now: Time) {
        let over = |at: Option<Time>| at.is_none_or(|at| at <= now);
        let idle = self.buckets.get(bucket).is_some_and(|waits| {
            waits.waiting.is_empty()
                && waits.running == 0
                && waits.learned.is_none()
                && over(waits.parked)
                && over(waits.next_start)
        });
        if idle {
            self.buckets.remove(bucket);
        }
    }
}

impl Bucket {
    fn interval(&self, default: Budget) -> TimeDelta {
        self.learned.map_or(default.interval, |learned| learned.interval.max(default.interval))
    }

    fn may_start(&self, default: Budget) -> Option<Time> {
        // A host that has refused us is asked one thing at a time.
        let connections = if self.learned.is_some() { 1 } else { default.connections.max(1) };
        let ((due, _), _) = self.waiting.first_key_value().filter(|_| self.running < connections)?;
        [self.next_start, self.parked].into_iter().flatten().chain([*due]).max()
    }

    fn ease(&mut self, default: TimeDelta, now: Time) {
        let Some(learned) = self.learned.as_mut().filter(|learned| now - learned.since >= EASED_EVERY) else { return };
        *learned = Learned { interval: learned.interval * 9 / 10, since: now };
        if learned.interval <= default {
            self.learned = None;
        }
    }
}
