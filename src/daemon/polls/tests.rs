//! The loop over a day that the test turns itself: two clocks as values, hosts that answer as they are told, and polls
//! that take as long as they are told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::PathBuf;

use chrono::TimeDelta;

use super::*;
use crate::config::{Locations, defaults};
use crate::schedule::{self, Bounds, Cadence, Failure, Freshness, Outcome, Poll};

/// How a host answers.
#[derive(Clone, Copy, PartialEq)]
enum Host {
    /// 304 after so many milliseconds.
    Well(u64),
    /// Nothing, until the deadline.
    Drips,
    /// One request in so many seconds; else 429 with Retry-After.
    Strict(i64),
}

const DEADLINE: u64 = 30_000;

/// A desk and its world. Times are milliseconds since the start.
struct World {
    polls: Polls,
    /// Source -> its host.
    sources: BTreeMap<String, (String, Host)>,
    states: BTreeMap<String, Poll>,
    begin: Instant,
    /// What the wall clock shows at 0, and by how much it is wrong since.
    wall: Time,
    jumped: TimeDelta,
    now: u64,
    ends: BinaryHeap<Reverse<(u64, String)>>,
    /// Host -> when it answers again.
    strict_until: BTreeMap<String, i64>,
    /// (when, source) of every request and of every answer that was refused.
    asked: Vec<(u64, String)>,
    refused: Vec<(u64, String)>,
}

impl World {
    fn new(sources: &[(String, String, Host)]) -> World {
        let mut settings =
            defaults(&Locations { state_dir: PathBuf::new(), credentials_dir: None, admin_socket: None });
        settings.fetch.host_interval = Duration::from_secs(1);
        let wall = "2026-03-02T12:00:00Z".parse().unwrap();
        let mut world = World {
            polls: Polls::new(&settings),
            sources: sources.iter().map(|(name, host, kind)| (name.clone(), (host.clone(), *kind))).collect(),
            states: sources.iter().map(|(name, ..)| (name.clone(), Poll::default())).collect(),
            begin: Instant::now(),
            wall,
            jumped: TimeDelta::zero(),
            now: 0,
            ends: BinaryHeap::new(),
            strict_until: BTreeMap::new(),
            asked: Vec::new(),
            refused: Vec::new(),
        };
        for (name, host, _) in sources {
            world.polls.push(name, host.clone(), schedule::first_poll(name, wall).at);
        }
        world
    }

    /// As the loop of the daemon does, until then.
    fn run(&mut self, until: u64) {
        while self.now < until {
            let states = &self.states;
            let troubled = |source: &str| states[source].failures > 0;
            let (wall, clock) = (self.wall(), self.clock());
            if let Some(start) = self.polls.start(wall, clock, troubled) {
                self.started(&start);
                continue;
            }
            let wake = self.polls.wake(wall, clock).map(|at| (at - self.begin).as_millis() as u64);
            let end = self.ends.peek().map(|Reverse((at, _))| *at);
            // A timer is never early; it fires at the next millisecond at the soonest.
            let wake = wake.map(|at| at.max(self.now + 1));
            // The loop looks at the wall clock at least so often.
            let look = self.now + 30_000;
            self.now = wake.into_iter().chain(end).fold(look, u64::min).min(until);
            while let Some(Reverse((at, _))) = self.ends.peek()
                && *at <= self.now
                && let Some(Reverse((_, source))) = self.ends.pop()
            {
                self.ended(&source);
            }
        }
    }

    fn wall(&self) -> Time {
        self.wall + TimeDelta::milliseconds(self.now as i64) + self.jumped
    }

    fn clock(&self) -> Instant {
        self.begin + Duration::from_millis(self.now)
    }

    fn started(&mut self, start: &Start) {
        let source = start.source.to_string();
        assert!(!self.ends.iter().any(|Reverse((_, other))| *other == source), "{source} is asked twice at once");
        let takes = match self.sources[&source].1 {
            Host::Well(millis) => millis,
            Host::Drips => DEADLINE,
            Host::Strict(_) => 10,
        };
        self.asked.push((self.now, source.clone()));
        self.ends.push(Reverse((self.now + takes, source)));
    }

    fn ended(&mut self, source: &str) {
        let (host, kind) = self.sources[source].clone();
        let second = self.now as i64 / 1000;
        let outcome = match kind {
            Host::Well(_) => Outcome::NotModified { freshness: Freshness::default() },
            Host::Drips => Outcome::Failed { failure: Failure::Timeout, retry_after: None, frozen: false },
            Host::Strict(every) => {
                let until = self.strict_until.entry(host.clone()).or_default();
                let wait = *until - second;
                if wait > 0 {
                    self.refused.push((self.now, source.to_owned()));
                    let retry_after = Some(TimeDelta::seconds(wait));
                    Outcome::Failed { failure: Failure::TooMany, retry_after, frozen: false }
                } else {
                    *until = second + every;
                    Outcome::NotModified { freshness: Freshness::default() }
                }
            }
        };
        let now = self.wall();
        let poll = self.states.get_mut(source).unwrap();
        poll.record(&outcome, now);
        let refused = match outcome {
            Outcome::Failed { failure, retry_after, .. } => {
                Some(Refused { bucket: None, limited: failure == Failure::TooMany, retry_after })
            }
            _ => None,
        };
        self.polls.finished(source, refused.as_ref(), now);
        let hourly = Bounds { min: TimeDelta::minutes(15), max: TimeDelta::hours(1) };
        let next = schedule::next_poll(&Cadence::Adaptive, hourly, poll, now, source);
        self.polls.push(source, host, next.at);
    }

    /// When the last of these sources had been asked for the first time since `from`.
    fn all_asked(&self, prefix: &str, from: u64) -> u64 {
        let mut first: BTreeMap<&str, u64> = BTreeMap::new();
        for (at, source) in self.asked.iter().filter(|(at, source)| *at >= from && source.starts_with(prefix)) {
            first.entry(source).or_insert(*at);
        }
        let all = self.sources.keys().filter(|source| source.starts_with(prefix)).count();
        assert_eq!(first.len(), all, "not all of {prefix} were asked");
        first.into_values().max().unwrap() - from
    }
}

const MINUTE: u64 = 60_000;

#[test]
fn ten_feeds_of_a_host_that_allows_one_request_a_minute() {
    let sources: Vec<_> = (0..10).map(|n| (format!("feed {n}"), "x.example".to_owned(), Host::Strict(60))).collect();
    let mut world = World::new(&sources);
    world.run(15 * MINUTE);
    assert!(world.states.values().all(|poll| poll.last_success.is_some()), "fresh within a quarter of an hour");
    assert!(world.refused.len() <= 2, "{:?}", world.refused);
    let taught = world.refused.len();
    world.run(23 * 60 * MINUTE);
    assert_eq!(world.refused.len(), taught, "no 429 once it is learned");
    // A restart remembers.
    let json = world.polls.taught().unwrap();
    let mut again = World::new(&sources);
    again.polls.teach(&json, again.wall());
    again.run(15 * MINUTE);
    assert!(again.refused.is_empty(), "{:?}", again.refused);
}

fn healthy() -> Vec<(String, String, Host)> {
    (0..1000).map(|n| (format!("well {n}"), format!("well-{n}.example"), Host::Well(100))).collect()
}

#[test]
fn hosts_that_drip_hold_up_nobody() {
    let hostile = (0..50).map(|n| (format!("drip {n}"), format!("drip-{n}.example"), Host::Drips));
    let mixed: Vec<_> = hostile.chain(healthy()).collect();
    let time = |sources: &[(String, String, Host)]| {
        let mut world = World::new(sources);
        world.run(10 * MINUTE);
        // The same again, all due at once, as an update by hand has it.
        let (names, now) = (world.sources.clone(), world.wall());
        for (name, (host, _)) in names {
            world.polls.push(&name, host, now);
        }
        world.run(20 * MINUTE);
        (world.all_asked("well", 0), world.all_asked("well", 10 * MINUTE))
    };
    let (alone, beside) = (time(&healthy()), time(&mixed));
    // The first time nobody knows yet who drips: their places are free after a second.
    assert!(beside.0 <= alone.0 + 1000, "{beside:?}, alone {alone:?}");
    assert!(beside.1 * 10 <= alone.1 * 11, "{beside:?}, alone {alone:?}");
}

#[test]
fn a_redirect_waits_for_the_host_that_it_leads_to() {
    let mut world = World::new(&[]);
    let (polls, now, clock) = (&mut world.polls, world.wall, world.begin);
    let started = |polls: &mut Polls, now: Time| {
        std::iter::from_fn(|| polls.start(now, clock, |_| false).map(|start| (start.source.to_string(), start.ways)))
            .collect::<Vec<_>>()
    };
    let a = "a.example";
    polls.push("moved", a, now);
    polls.push("of b", "b.example", now);
    assert_eq!(started(polls, now).len(), 2);
    polls.finished("of b", None, now);
    polls.finished("moved", None, now);
    polls.push("of a", a, now);
    let way = Way::to(&"https://www.b.example/feed".parse().unwrap());
    polls.go_on("moved", vec![way.clone()], now);
    assert!(polls.is_under_way("moved"));
    assert_eq!(started(polls, now), [], "b.example was asked this second");
    let later = now + TimeDelta::seconds(1);
    assert_eq!(started(polls, later), [("of a".to_owned(), vec![]), ("moved".to_owned(), vec![way.clone()])]);
    polls.finished("of a", None, later);

    // It counts against b.example while it runs, and what is learned of b.example holds for it.
    let refused = Refused { bucket: Some("b.example".to_owned()), limited: true, retry_after: TimeDelta::try_hours(1) };
    polls.finished("moved", Some(&refused), later);
    polls.push("moved", a, later + TimeDelta::seconds(1));
    assert_eq!(started(polls, later + TimeDelta::seconds(1)), [("moved".to_owned(), vec![])], "a.example is well");
    polls.finished("moved", None, later + TimeDelta::seconds(1));
    polls.go_on("moved", vec![way.clone()], later + TimeDelta::seconds(1));
    assert_eq!(started(polls, later + TimeDelta::minutes(59)), []);
    assert_eq!(started(polls, later + TimeDelta::minutes(61)), [("moved".to_owned(), vec![way.clone()])]);
    polls.finished("moved", None, later + TimeDelta::minutes(61));

    // Pushed anew, it begins anew.
    polls.go_on("moved", vec![way], later + TimeDelta::minutes(62));
    polls.push("moved", a, later + TimeDelta::minutes(63));
    assert_eq!(started(polls, later + TimeDelta::hours(2)), [("moved".to_owned(), vec![])]);
}

#[test]
fn clocks_that_jump_neither_stall_nor_flood() {
    for jump in [TimeDelta::hours(-3), TimeDelta::hours(10), TimeDelta::days(400), TimeDelta::days(-400)] {
        // Ten hosts with ten feeds each.
        let sources: Vec<_> =
            (0..100).map(|n| (format!("feed {n}"), format!("{}.example", n % 10), Host::Well(200))).collect();
        let mut world = World::new(&sources);
        world.run(150 * MINUTE);
        world.jumped = jump;
        world.run(300 * MINUTE);
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        let mut host_last: BTreeMap<&str, u64> = BTreeMap::new();
        for (at, source) in &world.asked {
            let gap = at - last.insert(source, *at).unwrap_or(0);
            assert!(gap <= 67 * MINUTE, "{jump}: {source} waited {} min", gap / MINUTE);
            if let Some(before) = host_last.insert(&world.sources[source].0, *at) {
                assert!(at - before >= 1000, "{jump}: {source} {} ms after another of its host", at - before);
            }
        }
        assert!(last.values().all(|at| *at >= (300 - 67) * MINUTE), "{jump}: stalled");
        assert!(world.asked.len() <= 100 * 7, "{jump}: {} polls", world.asked.len());
    }
}
