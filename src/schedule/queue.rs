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
use crate::model::Time;

/// The slowest rate that is learned from a host's refusals.
const SLOWEST: TimeDelta = TimeDelta::hours(1);
/// Once in this time a learned interval comes a quarter closer to the one that was too short.
const EASED_EVERY: TimeDelta = TimeDelta::hours(24);
/// After this time without a refusal, what was too short then is tried again.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::days(7);

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
    waiting: BTreeMap<Place, Arc<str>>,
    running: usize,
    /// No start before: the interval since the last one.
    next_start: Option<Time>,
    parked: Option<Time>,
    learned: Option<Learned>,
    /// The turn of its last start: whoever has waited longer is before it.
    served: u64,
    /// As it stands in [`Queue::ready`].
    ready: Option<(Time, u64)>,
}

/// A rate that a host has taught us by refusing: found by halving the distance, from the polite side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// Between two starts, milliseconds.
    pub interval_millis: i64,
    /// The interval at which the host refused, milliseconds: not gone below until it is forgotten.
    pub too_short_millis: i64,
    /// The last refusal.
    pub refused: Time,
    /// The last refusal, or the last time that the interval was eased.
    pub since: Time,
}

impl Learned {
    fn interval(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.interval_millis)
    }

    fn eased(self, now: Time) -> Learned {
        let forgotten = now - self.refused >= FORGOTTEN_AFTER;
        let too_short_millis = if forgotten { self.too_short_millis / 2 } else { self.too_short_millis };
        let distance = (self.interval_millis - too_short_millis).max(0);
        Learned { interval_millis: too_short_millis + distance / 4 * 3, too_short_millis, since: now, ..self }
    }
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
        let Some((at, _, bucket)) = self.ready.first().cloned() else { return Next::Idle };
        if at > now {
            return Next::WaitUntil(at);
        }
        let default = self.default;
        self.turns += 1;
        // A bucket stands among the ready ones only while something waits in it.
        let Some(waits) = self.buckets.get_mut(&bucket) else { return Next::Idle };
        let Some((_, source)) = waits.waiting.pop_first() else { return Next::Idle };
        waits.served = self.turns;
        waits.ease(default.interval, now);
        waits.running += 1;
        waits.next_start = Some(now + waits.interval(default));
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
        let waits = self.buckets.entry(bucket.into()).or_default();
        waits.parked = Some(waits.parked.map_or(until, |parked| parked.max(until)));
        self.settle_named(bucket);
    }

    /// The host refused a request that was started at `started` for being one too many. With `retry_after` it tells how
    /// much longer the interval should have been, else it is doubled. Refusals of requests that were under way when the
    /// last one was learned teach nothing new.
    pub fn refused(&mut self, bucket: &str, retry_after: Option<TimeDelta>, started: Time, now: Time) {
        self.notice_clock(now);
        let default = self.default;
        let waits = self.buckets.entry(bucket.into()).or_default();
        if waits.learned.is_some_and(|learned| started < learned.refused) {
            return;
        }
        let too_short = waits.interval(default);
        let second = TimeDelta::seconds(1);
        let interval = match retry_after {
            // A little more than was asked for: clocks differ.
            Some(wait) => too_short + wait.clamp(TimeDelta::zero(), SLOWEST) + second,
            None => too_short.max(second) * 2,
        };
        let interval = interval.min(SLOWEST);
        waits.learned = Some(Learned {
            interval_millis: interval.num_milliseconds(),
            too_short_millis: too_short.num_milliseconds(),
            refused: now,
            since: now,
        });
        waits.next_start = waits.next_start.max(Some(now + interval));
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
            waits.learned = waits.learned.map(|known| Learned {
                since: known.since - back,
                refused: known.refused - back,
                ..known
            });
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
        self.learned.map_or(default.interval, |learned| learned.interval().max(default.interval))
    }

    fn may_start(&self, default: Budget) -> Option<Time> {
        // A host that has refused us is asked one thing at a time.
        let connections = if self.learned.is_some() { 1 } else { default.connections.max(1) };
        let ((due, _), _) = self.waiting.first_key_value().filter(|_| self.running < connections)?;
        [self.next_start, self.parked].into_iter().flatten().chain([*due]).max()
    }

    fn ease(&mut self, default: TimeDelta, now: Time) {
        if let Some(learned) = self.learned.filter(|learned| now - learned.since >= EASED_EVERY) {
            self.learned = Some(learned.eased(now)).filter(|learned| learned.interval() > default);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::UNIX_EPOCH + TimeDelta::seconds(1_000_000_000 + seconds)
    }

    fn queue(connections: usize, interval: i64) -> Queue {
        Queue::new(Budget { connections, interval: TimeDelta::seconds(interval) })
    }

    fn start(queue: &mut Queue, now: i64) -> String {
        match queue.next(at(now)) {
            Next::Start { source, .. } => source.to_string(),
            Next::WaitUntil(until) => format!("wait {}", (until - at(0)).num_seconds()),
            Next::Idle => "idle".to_owned(),
        }
    }

    #[track_caller]
    fn check(queue: &mut Queue, now: i64, expected: &[&str]) {
        let found: Vec<String> = expected.iter().map(|_| start(queue, now)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn buckets_of_urls() {
        for (url, expected) in [
            ("https://feeds.bbci.co.uk/news/rss.xml", "bbci.co.uk"),
            ("https://www.Example.COM./feed", "example.com"),
            ("https://a.github.io/feed", "a.github.io"),
            ("https://github.io/feed", "github.io"),
            ("http://localhost:8080/", "localhost"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("http://127.0.0.1/", "127.0.0.1:80"),
            ("https://[::1]/", "[::1]:443"),
            ("https://feeds.example.test/", "example.test"),
            ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ] {
            assert_eq!(bucket(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn due_times_and_idleness() {
        let mut queue = queue(2, 0);
        check(&mut queue, 0, &["idle"]);
        queue.push("b", "x", at(20));
        queue.push("a", "x", at(10));
        check(&mut queue, 0, &["wait 10"]);
        check(&mut queue, 10, &["a", "wait 20"]);
        // Moved to another time and another bucket; it waits once.
        queue.push("b", "y", at(15));
        assert_eq!(queue.len(), 1);
        check(&mut queue, 15, &["b", "idle"]);
        queue.push("c", "y", at(30));
        assert!(queue.remove("c") && !queue.remove("c"));
        check(&mut queue, 40, &["idle"]);
    }

    #[test]
    fn one_start_in_each_interval_and_so_many_at_once() {
        let mut queue = queue(2, 1);
        (0..4).for_each(|n| queue.push(&n.to_string(), "x", at(0)));
        check(&mut queue, 0, &["0", "wait 1"]);
        check(&mut queue, 1, &["1", "idle"]);
        queue.finished("x", at(5));
        check(&mut queue, 5, &["2", "idle"]);
        queue.finished("x", at(5));
        check(&mut queue, 5, &["wait 6"]);
        // Finished more often than started: nothing breaks.
        (0..9).for_each(|_| queue.finished("x", at(5)));
        check(&mut queue, 6, &["3", "idle"]);
    }

    #[test]
    fn no_bucket_delays_another() {
        let mut queue = queue(1, 1);
        (0..1000).for_each(|n| queue.push(&format!("big {n}"), "big", at(0)));
        queue.push("small", "small", at(1));
        queue.push("tiny", "tiny", at(2));
        check(&mut queue, 0, &["big 0", "wait 1"]);
        check(&mut queue, 2, &["small", "tiny", "idle"]);
        queue.finished("big", at(2));
        queue.park("big", at(100), at(2));
        queue.finished("small", at(3));
        queue.push("small", "small", at(50));
        check(&mut queue, 3, &["wait 50"]);
        check(&mut queue, 60, &["small", "wait 100"]);
        check(&mut queue, 100, &["big 1", "idle"]);
    }

    #[test]
    fn buckets_take_turns() {
        let mut queue = queue(9, 0);
        for bucket in ["x", "y", "z"] {
            (0..3).for_each(|n| queue.push(&format!("{bucket}{n}"), bucket, at(0)));
        }
        let order: Vec<String> = (0..9).map(|now| start(&mut queue, now)).collect();
        for turn in order.chunks(3) {
            let mut buckets: Vec<&str> = turn.iter().map(|source| &source[..1]).collect();
            buckets.sort_unstable();
            assert_eq!(buckets, ["x", "y", "z"], "{order:?}");
        }
    }

    #[test]
    fn parking_is_at_most_a_day() {
        let mut queue = queue(1, 1);
        queue.push("a", "x", at(0));
        queue.park("x", at(1_000_000), at(0));
        check(&mut queue, 0, &["wait 86400"]);
    }

    #[test]
    fn a_clock_set_back_takes_all_times_with_it() {
        let mut queue = queue(1, 1);
        queue.push("a", "x", at(1000));
        queue.push("b", "x", at(1060));
        queue.push("c", "y", at(1060));
        queue.park("y", at(1100), at(1000));
        check(&mut queue, 1000, &["a", "wait 1100"]);
        // An hour earlier: the same waits from there.
        check(&mut queue, -2600, &["wait -2500"]);
        queue.finished("x", at(-2600));
        check(&mut queue, -2600, &["wait -2540"]);
        check(&mut queue, -2540, &["b", "wait -2500"]);
        // Forward: all is due, each bucket still one at a time.
        (0..5).for_each(|n| queue.push(&format!("d{n}"), "z", at(0)));
        check(&mut queue, 1_000_000, &["c", "d0", "idle"]);
    }

    /// A host that allows one request in so many seconds, ten of its feeds asked every quarter of an hour, and a clock
    /// that this loop turns. The times of refusals, and when the last feed was fresh for the first time.
    fn simulate(allowed_every: i64, tells: bool, until: i64) -> (Vec<i64>, i64) {
        let mut queue = queue(2, 1);
        (0..10).for_each(|n| queue.push(&n.to_string(), "x", at(0)));
        let (mut fresh, mut refusals, mut allowed_from, mut now) = (BTreeMap::new(), Vec::new(), 0, 0);
        while now < until {
            match queue.next(at(now)) {
                Next::WaitUntil(until) => now = ((until - at(0)).num_milliseconds() + 999) / 1000,
                Next::Idle => panic!("nothing waits at {now}"),
                Next::Start { source, bucket } if now < allowed_from => {
                    let wait = TimeDelta::seconds(allowed_from - now);
                    refusals.push(now);
                    queue.refused(&bucket, tells.then_some(wait), at(now), at(now));
                    if tells {
                        queue.park(&bucket, at(now) + wait, at(now));
                    }
                    queue.finished(&bucket, at(now));
                    queue.push(&source, &bucket, at(now) + wait);
                }
                Next::Start { source, bucket } => {
                    allowed_from = now + allowed_every;
                    fresh.entry(source.clone()).or_insert(now);
                    queue.finished(&bucket, at(now));
                    queue.push(&source, &bucket, at(now + 900));
                }
            }
        }
        (refusals, if fresh.len() == 10 { fresh.into_values().max().unwrap() } else { i64::MAX })
    }

    #[test]
    fn the_rate_that_a_host_allows_is_learned() {
        let day = 86_400;
        let (refusals, all_fresh) = simulate(60, true, day);
        assert!(all_fresh <= 15 * 60, "{all_fresh}");
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        // Later it is tried whether more is allowed, ever more carefully, then hardly ever.
        let (refusals, _) = simulate(60, true, 30 * day);
        assert!(refusals.len() <= 12, "{refusals:?}");
        // Without Retry-After it takes some more refusals.
        let (refusals, all_fresh) = simulate(60, false, day);
        assert!(all_fresh <= 30 * 60 && refusals.len() <= 8, "{all_fresh} {refusals:?}");
    }

    #[test]
    fn a_rate_is_doubled_without_a_header_and_forgotten_when_no_longer_true() {
        let mut queue = queue(2, 1);
        for now in [0, 10, 20] {
            queue.refused("x", None, at(now), at(now));
        }
        // Started before the last lesson: no new one.
        queue.refused("x", None, at(5), at(21));
        let interval = |queue: &Queue| queue.learned().get("x").map(|known| known.interval_millis);
        assert_eq!(interval(&queue), Some(8000));
        let day = 86_400;
        queue.push("a", "x", at(day + 20));
        check(&mut queue, day + 20, &["a"]);
        assert_eq!(interval(&queue), Some(7000), "a quarter closer to 4 s");
        let mut again = Queue::new(Budget { connections: 2, interval: TimeDelta::seconds(1) });
        queue.learned().iter().for_each(|(bucket, known)| again.learn(bucket, *known));
        assert_eq!(again.learned(), queue.learned());
        for n in 2..60 {
            queue.finished("x", at(n * day + 20));
            queue.push("a", "x", at(n * day + 20));
            check(&mut queue, n * day + 20, &["a"]);
        }
        assert!(queue.learned().is_empty(), "back at its own pace");
    }

    #[test]
    fn what_is_over_is_forgotten_and_many_are_no_burden() {
        let mut queue = queue(2, 1);
        for round in 0..3 {
            for n in 0..20_000 {
                queue.push(&format!("source {n}"), &format!("host {}", n % 5000), at(round * 100_000));
            }
            let mut now = round * 100_000;
            let mut started = 0;
            while started < 20_000 {
                match queue.next(at(now)) {
                    Next::Start { bucket, .. } => {
                        started += 1;
                        queue.finished(&bucket, at(now + 1));
                    }
                    Next::WaitUntil(until) => now = (until - at(0)).num_seconds(),
                    Next::Idle => panic!("{started} at {now}"),
                }
                now = now.max((queue.last.unwrap() - at(0)).num_seconds());
            }
        }
        assert!(queue.is_empty() && queue.ready.is_empty());
        assert!(queue.buckets.is_empty(), "{}", queue.buckets.len());
    }
}
