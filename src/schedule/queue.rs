//! Due sources, waiting in the buckets of their hosts: one bucket's queue never delays another's.
//!
//! A bucket starts at most so many requests at once and one in each interval; among the buckets that could start one,
//! the one that has waited longest is next. Every step costs O(log n).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::LONGEST_WAIT;
pub use super::learned::Learned;
use crate::model::Time;

/// When a parked host may be asked again, what has piled up comes back one at a time, in a twentieth of the parking
/// each, and no slower than this.
const RETURNING: (i32, TimeDelta) = (20, TimeDelta::seconds(30));

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

/// What a host has taught us: for the store, so that a restart asks nobody early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Taught {
    pub learned: Option<Learned>,
    pub parked: Option<Time>,
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
    /// Of buckets that have one of their own.
    budgets: HashMap<String, Budget>,
    buckets: HashMap<Arc<str>, Bucket>,
    /// Source -> where it waits.
    waiting: HashMap<Arc<str>, (Arc<str>, Place)>,
    /// When each bucket may start its first source, and its turn among those of that time; buckets that may not are
    /// absent.
    ready: BTreeSet<(Time, u64, Arc<str>)>,
    /// Counts pushes and starts: first come, first served.
    turns: u64,
    /// The latest time seen: an earlier one means that the clock was set back.
    last: Option<Time>,
}

type Place = (Time, u64);

#[derive(Debug, Default)]
struct Bucket {
    waiting: Waits,
    running: usize,
    /// No start before: the interval since the last one.
    next_start: Option<Time>,
    /// Apart, since it is not known of most hosts.
    special: Option<Box<Special>>,
    /// The turn of its last start: whoever has waited longer is before it.
    served: u64,
    /// As it stands in [`Queue::ready`].
    ready: Option<(Time, u64)>,
}

/// What is not the same for every host.
#[derive(Debug, Default, Clone, Copy)]
struct Special {
    /// The operator's for this host.
    budget: Option<Budget>,
    parked: Option<Time>,
    /// After parking: the time between two starts, until nothing that is due waits any more.
    returning: Option<TimeDelta>,
    learned: Option<Learned>,
}

/// The sources of one bucket, in their order. Most buckets have one, for which a map would be ten times its size.
#[derive(Debug, Default)]
struct Waits {
    /// `None`: nothing waits.
    first: Option<(Place, Arc<str>)>,
    /// All are after the first.
    others: BTreeMap<Place, Arc<str>>,
}

impl Waits {
    fn first(&self) -> Option<Time> {
        self.first.as_ref().map(|((due, _), _)| *due)
    }

    fn insert(&mut self, place: Place, source: Arc<str>) {
        match self.first.take() {
            None => self.first = Some((place, source)),
            Some((first, before)) if place < first => {
                self.first = Some((place, source));
                self.others.insert(first, before);
            }
            first => {
                self.first = first;
                self.others.insert(place, source);
            }
        }
    }

    fn remove(&mut self, place: Place) {
        if self.first.as_ref().is_some_and(|(first, _)| *first == place) {
            self.pop_first();
        } else {
            self.others.remove(&place);
        }
    }

    fn pop_first(&mut self) -> Option<Arc<str>> {
        let next = self.others.pop_first();
        std::mem::replace(&mut self.first, next).map(|(_, source)| source)
    }

    fn move_back(&mut self, back: TimeDelta) {
        let all = self.first.take().into_iter().chain(std::mem::take(&mut self.others));
        let mut moved = all.map(|((due, turn), source)| ((due - back, turn), source));
        self.first = moved.next();
        self.others = moved.collect();
    }
}

impl Queue {
    /// `default`: the budget of hosts of which nothing is learned. `budgets`: of some buckets, another one.
    pub fn new(default: Budget, budgets: HashMap<String, Budget>) -> Queue {
        Queue {
            default,
            budgets,
            buckets: HashMap::new(),
            waiting: HashMap::new(),
            ready: BTreeSet::new(),
            turns: 0,
            last: None,
        }
    }

    /// Other budgets, from now on.
    pub fn set_budgets(&mut self, default: Budget, budgets: HashMap<String, Budget>) {
        (self.default, self.budgets) = (default, budgets);
        for (name, waits) in &mut self.buckets {
            waits.set_budget(self.budgets.get(&**name).copied());
        }
        let names: Vec<Arc<str>> = self.buckets.keys().cloned().collect();
        names.iter().for_each(|name| self.settle(name));
    }

    /// Sources that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Does this source wait for its turn?
    pub fn holds(&self, source: &str) -> bool {
        self.waiting.contains_key(source)
    }

    /// Lets `source` wait in `bucket` until `due`. One that waits already is moved.
    pub fn push(&mut self, source: &str, bucket: impl Into<Arc<str>>, due: Time) {
        self.remove(source);
        self.turns += 1;
        let (source, place): (Arc<str>, Place) = (source.into(), (due, self.turns));
        let bucket = bucket.into();
        let budget = self.budgets.get(&*bucket).copied();
        let waits = self.buckets.entry(bucket.clone()).or_insert_with(|| Bucket::with(budget));
        waits.waiting.insert(place, source.clone());
        self.waiting.insert(source, (bucket.clone(), place));
        self.settle(&bucket);
    }

    fn bucket(&mut self, name: &str) -> &mut Bucket {
        let budget = self.budgets.get(name).copied();
        self.buckets.entry(name.into()).or_insert_with(|| Bucket::with(budget))
    }

    /// Forgets a source that waits; `false`: it does not.
    pub fn remove(&mut self, source: &str) -> bool {
        let Some((bucket, place)) = self.waiting.remove(source) else { return false };
        if let Some(waits) = self.buckets.get_mut(&bucket) {
            waits.waiting.remove(place);
        }
        self.settle(&bucket);
        true
    }

    /// The next step. Ask again after each `Start`.
    pub fn next(&mut self, now: Time) -> Next {
        self.notice_clock(now);
        let Some((at, _, bucket)) = self.ready.first().cloned() else { return Next::Idle };
        if at > now {
            return Next::WaitUntil(at);
        }
        let default = self.default;
        self.turns += 1;
        // A bucket stands among the ready ones only while something waits in it.
        let Some(waits) = self.buckets.get_mut(&bucket) else { return Next::Idle };
        let Some(source) = waits.waiting.pop_first() else { return Next::Idle };
        waits.served = self.turns;
        waits.ease(default, now);
        waits.running += 1;
        waits.next_start = Some(now + waits.interval(default));
        if waits.waiting.first().is_none_or(|due| due > now) {
            waits.returned();
        }
        self.waiting.remove(&source);
        self.settle(&bucket);
        Next::Start { source, bucket }
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
        let special = self.bucket(bucket).special.get_or_insert_default();
        special.parked = special.parked.max(Some(until));
        let pause = ((until - now) / RETURNING.0).clamp(TimeDelta::zero(), RETURNING.1);
        special.returning = special.returning.max(Some(pause));
        self.settle_named(bucket);
    }

    /// Until when the host that `source` waits for asked to be left alone, if it did.
    pub fn waits_for_parked(&self, source: &str, now: Time) -> Option<Time> {
        let (bucket, _) = self.waiting.get(source)?;
        self.buckets.get(bucket)?.special().parked.filter(|until| *until > now)
    }

    /// The host refused a request that was started at `started` for being one too many. Refusals of requests that were
    /// under way when the last one was learned teach nothing new.
    pub fn refused(&mut self, bucket: &str, retry_after: Option<TimeDelta>, started: Time, now: Time) {
        self.notice_clock(now);
        let default = self.default;
        let waits = self.bucket(bucket);
        let known = waits.special().learned;
        if known.is_some_and(|learned| started < learned.refused) {
            return;
        }
        let learned = Learned::from_refusal(known, waits.interval(default), retry_after, now);
        waits.special.get_or_insert_default().learned = Some(learned);
        waits.next_start = waits.next_start.max(Some(now + learned.interval()));
        self.settle_named(bucket);
    }

    /// When the host refused us last, as far as it is remembered.
    pub fn refused_at(&self, bucket: &str) -> Option<Time> {
        self.buckets.get(bucket)?.special().learned.map(|learned| learned.refused)
    }

    /// What hosts have taught, for the store.
    pub fn taught(&self) -> BTreeMap<Arc<str>, Taught> {
        let taught = self.buckets.iter().map(|(name, waits)| (name.clone(), waits.taught()));
        taught.filter(|(_, taught)| *taught != Taught::default()).collect()
    }

    /// What a host had taught before a restart.
    pub fn teach(&mut self, bucket: &str, taught: Taught, now: Time) {
        if taught.learned.is_some() {
            self.bucket(bucket).special.get_or_insert_default().learned = taught.learned;
        }
        if let Some(until) = taught.parked.filter(|until| *until > now) {
            self.park(bucket, until, now);
        }
        self.settle_named(bucket);
    }

    /// A clock that was set back takes all times with it, so that nothing waits for the old time to come again.
    fn notice_clock(&mut self, now: Time) {
        let Some(last) = self.last.replace(now).filter(|last| *last > now) else { return };
        let back = last - now;
        for waits in self.buckets.values_mut() {
            waits.waiting.move_back(back);
            waits.next_start = waits.next_start.map(|at| at - back);
            if let Some(special) = &mut waits.special {
                special.parked = special.parked.map(|at| at - back);
                special.learned = special.learned.map(|known| known.moved_back(back));
            }
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
        let ready = waits.may_start(default).map(|at| (at, waits.served));
        let before = std::mem::replace(&mut waits.ready, ready);
        if before == ready {
            return;
        }
        if let Some((at, turn)) = before {
            self.ready.remove(&(at, turn, bucket.clone()));
        }
        if let Some((at, turn)) = ready {
            self.ready.insert((at, turn, bucket.clone()));
        }
    }

    /// A bucket about which nothing is worth knowing costs nothing.
    fn forget_idle(&mut self, bucket: &str, now: Time) {
        let over = |at: Option<Time>| at.is_none_or(|at| at <= now);
        let idle = self.buckets.get(bucket).is_some_and(|waits| {
            waits.waiting.first().is_none()
                && waits.running == 0
                && waits.special().learned.is_none()
                && over(waits.special().parked)
                && over(waits.next_start)
        });
        if idle {
            self.buckets.remove(bucket);
        }
    }
}

impl Bucket {
    fn with(budget: Option<Budget>) -> Bucket {
        let special = budget.map(|budget| Box::new(Special { budget: Some(budget), ..Special::default() }));
        Bucket { special, ..Bucket::default() }
    }

    fn special(&self) -> Special {
        self.special.as_deref().copied().unwrap_or_default()
    }

    fn set_budget(&mut self, budget: Option<Budget>) {
        match (&mut self.special, budget) {
            (Some(special), budget) => special.budget = budget,
            (None, Some(_)) => self.special = Bucket::with(budget).special,
            (None, None) => {}
        }
    }

    fn returned(&mut self) {
        if let Some(special) = &mut self.special {
            special.returning = None;
        }
    }

    fn interval(&self, default: Budget) -> TimeDelta {
        let Special { budget, returning, learned, .. } = self.special();
        let least = budget.unwrap_or(default).interval;
        let learned = learned.map(|learned| learned.interval());
        [learned, returning].into_iter().flatten().fold(least, TimeDelta::max)
    }

    fn may_start(&self, default: Budget) -> Option<Time> {
        // A host that has refused us is asked one thing at a time.
        let Special { budget, parked, returning, learned } = self.special();
        let cautious = learned.is_some() || returning.is_some();
        let connections = if cautious { 1 } else { budget.unwrap_or(default).connections.max(1) };
        let due = self.waiting.first().filter(|_| self.running < connections)?;
        [self.next_start, parked].into_iter().flatten().chain([due]).max()
    }

    fn ease(&mut self, default: Budget, now: Time) {
        let Some(special) = &mut self.special else { return };
        let least = special.budget.unwrap_or(default).interval;
        special.learned = special.learned.and_then(|learned| learned.eased(least, now));
    }

    fn taught(&self) -> Taught {
        let Special { parked, learned, .. } = self.special();
        Taught { learned, parked }
    }
}

#[cfg(test)]
mod tests;
