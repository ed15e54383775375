//! Buckets, turns, lessons: what starts when, on a clock that the test turns.

use super::*;

fn at(seconds: i64) -> Time {
    Time::UNIX_EPOCH + TimeDelta::seconds(1_000_000_000 + seconds)
}

fn queue(connections: usize, interval: i64) -> Queue {
    Queue::new(Budget { connections, interval: TimeDelta::seconds(interval) }, HashMap::new())
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

/// What the host of [`simulate`] says to who comes too early.
#[derive(Clone, Copy, PartialEq)]
enum Tells {
    /// Retry-After: when it would have answered.
    When,
    /// Retry-After: so many seconds, whatever was missing; it refuses until they have passed.
    Penalty(i64),
    Nothing,
}

/// A host that allows one request in so many seconds, ten of its feeds asked every quarter of an hour, and a clock
/// that this loop turns. The times of refusals, and when the last feed was fresh for the first time.
fn simulate(allowed_every: i64, tells: Tells, until: i64) -> (Vec<i64>, i64) {
    let mut queue = queue(2, 1);
    (0..10).for_each(|n| queue.push(&n.to_string(), "x", at(0)));
    let (mut fresh, mut refusals, mut allowed_from, mut now) = (BTreeMap::new(), Vec::new(), 0, 0);
    while now < until {
        match queue.next(at(now)) {
            Next::WaitUntil(until) => now = ((until - at(0)).num_milliseconds() + 999) / 1000,
            Next::Idle => panic!("nothing waits at {now}"),
            Next::Start { source, bucket } if now < allowed_from => {
                let wait = match tells {
                    Tells::Penalty(seconds) => seconds,
                    Tells::When | Tells::Nothing => allowed_from - now,
                };
                if tells != Tells::Nothing {
                    allowed_from = now + wait;
                }
                let stated = (tells != Tells::Nothing).then_some(TimeDelta::seconds(wait));
                refusals.push(now);
                queue.refused(&bucket, stated, at(now), at(now));
                if stated.is_some() {
                    queue.park(&bucket, at(now + wait), at(now));
                }
                queue.finished(&bucket, at(now));
                queue.push(&source, bucket.clone(), at(now + wait));
            }
            Next::Start { source, bucket } => {
                allowed_from = now + allowed_every;
                fresh.entry(source.clone()).or_insert(now);
                queue.finished(&bucket, at(now));
                queue.push(&source, bucket.clone(), at(now + 900));
            }
        }
    }
    (refusals, if fresh.len() == 10 { fresh.into_values().max().unwrap() } else { i64::MAX })
}

#[test]
fn the_rate_that_a_host_allows_is_learned() {
    let day = 86_400;
    let (refusals, all_fresh) = simulate(60, Tells::When, day);
    assert!(all_fresh <= 15 * 60, "{all_fresh}");
    assert_eq!(refusals.len(), 1, "{refusals:?}");
    // Later it is tried whether more is allowed, ever more carefully, then hardly ever.
    let (refusals, _) = simulate(60, Tells::When, 30 * day);
    assert!(refusals.len() <= 12, "{refusals:?}");
    // Without Retry-After it takes some more refusals.
    let (refusals, all_fresh) = simulate(60, Tells::Nothing, day);
    assert!(all_fresh <= 30 * 60 && refusals.len() <= 8, "{all_fresh} {refusals:?}");
    // A penalty of an hour says nothing of the rate: after it, all are fresh within a quarter of an hour.
    let (refusals, all_fresh) = simulate(60, Tells::Penalty(3600), day);
    assert!(all_fresh <= 3600 + 15 * 60 && refusals.len() == 1, "{all_fresh} {refusals:?}");
    let (refusals, _) = simulate(60, Tells::Penalty(3600), 30 * day);
    assert!(refusals.len() <= 12, "{refusals:?}");
}

#[test]
fn what_piled_up_behind_a_parked_host_comes_back_in_single_file() {
    let mut queue = queue(2, 1);
    (0..4).for_each(|n| queue.push(&n.to_string(), "x", at(n)));
    queue.park("x", at(400), at(0));
    check(&mut queue, 399, &["wait 400"]);
    check(&mut queue, 400, &["0", "idle"]);
    queue.finished("x", at(400));
    check(&mut queue, 401, &["wait 420"]);
    for (now, source) in [(420, "1"), (440, "2"), (460, "3")] {
        check(&mut queue, now, &[source]);
        queue.finished("x", at(now));
    }
    // Nothing is left behind: the usual budget again.
    (4..8).for_each(|n| queue.push(&n.to_string(), "x", at(500)));
    check(&mut queue, 500, &["4", "wait 501"]);
    check(&mut queue, 501, &["5", "idle"]);
}

#[test]
fn a_restart_leaves_parked_hosts_alone() {
    let mut queue = queue(2, 1);
    queue.park("x", at(400), at(0));
    queue.park("over", at(50), at(0));
    let mut again = self::queue(2, 1);
    queue.taught().iter().for_each(|(bucket, known)| again.teach(bucket, *known, at(100)));
    again.push("sibling", "x", at(100));
    again.push("other", "over", at(100));
    check(&mut again, 100, &["other", "wait 400"]);
    check(&mut again, 400, &["sibling"]);
}

#[test]
fn a_host_may_have_a_budget_of_its_own() {
    let default = Budget { connections: 2, interval: TimeDelta::seconds(1) };
    let strict = Budget { connections: 1, interval: TimeDelta::seconds(60) };
    let ours = Budget { connections: 8, interval: TimeDelta::zero() };
    let budgets = HashMap::from([("strict".to_owned(), strict), ("ours".to_owned(), ours)]);
    let mut queue = Queue::new(default, budgets);
    for bucket in ["strict", "ours"] {
        (0..3).for_each(|n| queue.push(&format!("{bucket} {n}"), bucket, at(0)));
    }
    check(&mut queue, 0, &["ours 0", "strict 0", "ours 1", "ours 2", "idle"]);
    queue.finished("strict", at(5));
    check(&mut queue, 5, &["wait 60"]);
    // A lesson beyond it is kept, and no lesson goes below it.
    queue.refused("ours", None, at(5), at(5));
    assert_eq!(queue.taught()["ours"].learned.unwrap().interval_millis, 2000);
}

#[test]
fn a_rate_is_doubled_without_a_header_and_forgotten_when_no_longer_true() {
    let mut queue = queue(2, 1);
    for now in [0, 10, 20] {
        queue.refused("x", None, at(now), at(now));
    }
    // Started before the last lesson: no new one.
    queue.refused("x", None, at(5), at(21));
    let interval = |queue: &Queue| queue.taught().get("x").and_then(|known| Some(known.learned?.interval_millis));
    assert_eq!(interval(&queue), Some(8000));
    let day = 86_400;
    queue.push("a", "x", at(day + 20));
    check(&mut queue, day + 20, &["a"]);
    assert_eq!(interval(&queue), Some(7000), "a quarter closer to 4 s");
    let mut again = self::queue(2, 1);
    queue.taught().iter().for_each(|(bucket, known)| again.teach(bucket, *known, at(day + 20)));
    assert_eq!(again.taught(), queue.taught());
    for n in 2..60 {
        queue.finished("x", at(n * day + 20));
        queue.push("a", "x", at(n * day + 20));
        check(&mut queue, n * day + 20, &["a"]);
    }
    assert!(queue.taught().is_empty(), "back at its own pace");
}

#[test]
fn what_is_over_is_forgotten_and_many_are_no_burden() {
    let mut queue = queue(2, 1);
    for round in 0..3 {
        for n in 0..20_000 {
            queue.push(&format!("source {n}"), format!("host {}", n % 5000), at(round * 100_000));
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
