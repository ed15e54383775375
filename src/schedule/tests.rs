//! Every rule as a table: what is known, what happened, when it is asked again and why.

use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;

use super::*;

/// A Monday.
fn time(text: &str) -> Time {
    format!("2026-03-{text}:00Z").parse().unwrap()
}

fn now() -> Time {
    time("02T12:00")
}

fn failed(failure: Failure, retry_after: Option<i64>) -> Outcome {
    Outcome::Failed { failure, retry_after: retry_after.map(TimeDelta::seconds), frozen: false }
}

fn unchanged() -> Outcome {
    Outcome::NotModified { freshness: Freshness::default() }
}

/// A source that has brought news every `minutes` until just now.
fn steady(minutes: i64) -> Poll {
    let seen = (0..10).rev().map(|at| now() - TimeDelta::minutes(minutes * at)).collect();
    Poll { seen, last_success: Some(now()), ..Poll::default() }
}

fn next(poll: &mut Poll, outcome: &Outcome) -> NextPoll {
    poll.record(outcome, now());
    next_poll(&Cadence::Adaptive, Bounds::default(), poll, now(), "wires")
}

/// The wait is `minutes` and at most a tenth more, and never less.
fn check(next: NextPoll, minutes: i64, reason: &str) {
    let wait = (next.at - now()).num_seconds();
    assert!((minutes * 60..=minutes * 66).contains(&wait), "{wait} s, expected {minutes} min: {}", next.reason);
    assert!(next.reason.contains(reason), "{}", next.reason);
}

#[test]
fn the_rhythm_of_a_source() {
    check(next(&mut Poll::default(), &unchanged()), 60, "in 1 h: too little is known of its rhythm");
    check(next(&mut steady(80), &unchanged()), 40, "in 40 min: half of the usual gap of 1 h 20 min");
    check(next(&mut steady(2), &unchanged()), 15, "in 15 min: never sooner, though its usual gap is 2 min");
    check(
        next(&mut steady(7 * 24 * 60), &unchanged()),
        24 * 60,
        "in 24 h: never later, though its usual gap is 7 days",
    );

    // Two odd gaps do not move the median.
    let mut odd = steady(80);
    odd.seen.insert(0, now() - TimeDelta::days(300));
    odd.seen.push(now() + TimeDelta::seconds(1));
    check(next(&mut odd, &unchanged()), 40, "half of the usual gap");

    // Silent against its rhythm: asked ever more rarely, to the upper bound.
    let mut silent = steady(80);
    silent.seen.iter_mut().for_each(|at| *at -= TimeDelta::hours(30));
    check(next(&mut silent, &unchanged()), 90, "in 1 h 30 min: silent for 30 h");
    silent.seen.iter_mut().for_each(|at| *at -= TimeDelta::days(300));
    check(next(&mut silent, &unchanged()), 24 * 60, "silent for 301 days");
}

#[test]
fn news_is_noted_once_for_each_poll() {
    let mut poll = Poll::default();
    for minute in 0..40 {
        let at = now() + TimeDelta::minutes(minute);
        let outcome = Outcome::Changed { entries: 1, hints: Hints::default(), freshness: Freshness::default() };
        poll.record(&outcome, at);
        poll.record(&Outcome::Changed { entries: 0, hints: Hints::default(), freshness: Freshness::default() }, at);
    }
    assert_eq!(poll.seen.len(), rhythm::KEPT);
    assert_eq!(rhythm::usual_gap(&poll.seen), Some(TimeDelta::minutes(1)));
    // The clock was set back: what was seen in the future is forgotten.
    rhythm::note(&mut poll.seen, now() + TimeDelta::minutes(30));
    assert!(poll.seen.is_sorted() && poll.seen.last() == Some(&(now() + TimeDelta::minutes(30))));
}

#[test]
fn hints_raise_the_wait_and_never_lower_it() {
    let ttl = |minutes| Hints { ttl_minutes: Some(minutes), ..Hints::default() };
    let age = |seconds| Freshness { max_age: Some(Duration::from_secs(seconds)), ..Freshness::default() };
    let with = |hints: Hints, freshness| Outcome::Changed { entries: 0, hints, freshness };
    let none = Freshness::default();
    let mut poll = steady(80);
    check(next(&mut poll, &with(ttl(20), none)), 40, "half of the usual gap");
    check(next(&mut poll, &with(ttl(120), none)), 120, "in 2 h: the publisher says ttl 2 h");
    check(next(&mut poll, &with(ttl(120), age(9000))), 150, "the publisher says Cache-Control max-age 2 h 30 min");
    check(next(&mut poll, &with(ttl(u32::MAX), none)), 24 * 60, "in 24 h: the publisher says ttl");
    check(next(&mut poll, &with(Hints::default(), age(u64::MAX))), 24 * 60, "in 24 h");
    let period = Hints { update_minutes: Some(60), ..Hints::default() };
    check(next(&mut poll, &with(period, none)), 60, "the publisher says sy:updatePeriod 1 h");
    let expires = Freshness { expires: Some(now() + TimeDelta::minutes(90)), ..Freshness::default() };
    check(next(&mut poll, &with(Hints::default(), expires)), 90, "the publisher says Expires 1 h 30 min");
    // max-age outranks Expires, also when it is shorter.
    check(next(&mut poll, &with(Hints::default(), Freshness { max_age: age(0).max_age, ..expires })), 40, "half");
    // A 304 keeps what it does not say, and replaces what it says.
    check(next(&mut poll, &with(ttl(50), expires)), 90, "Expires");
    check(next(&mut poll, &unchanged()), 90, "Expires");
    check(next(&mut poll, &Outcome::NotModified { freshness: age(0) }), 50, "ttl 50 min");
    // Age is subtracted, and is each answer's own, whatever else a 304 leaves out.
    let aged = |seconds| Freshness { age: Duration::from_secs(seconds), ..none };
    check(next(&mut poll, &with(Hints::default(), Freshness { age: aged(1800).age, ..age(9000) })), 120, "max-age 2 h");
    check(next(&mut poll, &unchanged()), 150, "max-age 2 h 30 min");
    check(next(&mut poll, &Outcome::NotModified { freshness: aged(3600) }), 90, "max-age 1 h 30 min");
    check(next(&mut poll, &Outcome::NotModified { freshness: aged(90_000) }), 40, "half");
}

#[test]
fn freshness_as_heads_state_it() {
    let of = |cache: &[&str], age: Option<&str>, expires: Option<&str>, date: Option<&str>| {
        Freshness::from_fields(cache.iter().copied(), age, expires, date, now())
    };
    for (cache, seconds) in [
        (&["max-age=600"][..], Some(600)),
        (&["public, Max-Age = 600 "], Some(600)),
        (&["max-age=\"600\""], Some(600)),
        (&["public", "max-age=600"], Some(600)),
        (&["max-age=600, max-age=60"], Some(600)),
        (&["s-maxage=600"], None),
        (&["max-age=600, no-cache"], Some(0)),
        (&["no-store"], Some(0)),
        (&["max-age=-1"], None),
        (&["max-age=soon"], None),
        (&["max-age=99999999999999999999999"], Some(i32::MAX as u64)),
        (&[""], None),
    ] {
        assert_eq!(of(cache, None, None, None).max_age.map(|age| age.as_secs()), seconds, "{cache:?}");
    }
    for (age, seconds) in [(None, 0), (Some("100"), 100), (Some("-5"), 0), (Some("soon"), 0)] {
        assert_eq!(of(&["max-age=600"], age, None, None).age.as_secs(), seconds, "{age:?}");
    }
    // Their clock is an hour ahead: an Expires ten minutes after their Date is ten minutes from now.
    let ahead = of(&[], None, Some("Mon, 02 Mar 2026 13:10:00 GMT"), Some("Mon, 02 Mar 2026 13:00:00 GMT"));
    assert_eq!(ahead.expires, Some(now() + TimeDelta::minutes(10)));
    assert_eq!(of(&[], None, Some("Mon Mar  2 12:10:00 2026"), None).expires, Some(now() + TimeDelta::minutes(10)));
    assert_eq!(of(&[], None, Some("0"), None).expires, None);
}

#[test]
fn retry_after_in_both_forms() {
    let read = |value, date| hints::retry_after(value, date, now()).map(|wait| wait.num_seconds());
    assert_eq!(read("120", None), Some(120));
    assert_eq!(read(" 120 ", None), Some(120));
    assert_eq!(read("0", None), None);
    assert_eq!(read("-5", None), None);
    assert_eq!(read("1.5", None), None);
    assert_eq!(read("99999999999999999999", None), Some(i64::from(i32::MAX)));
    assert_eq!(read("Mon, 02 Mar 2026 12:01:00 GMT", None), Some(60));
    assert_eq!(read("Monday, 02-Mar-26 12:01:00 GMT", None), Some(60));
    assert_eq!(read("Mon Mar  2 12:01:00 2026", None), Some(60));
    assert_eq!(read("Mon, 02 Mar 2026 11:00:00 GMT", None), None);
    assert_eq!(read("Mon, 02 Mar 2026 11:01:00 GMT", Some("Mon, 02 Mar 2026 11:00:00 GMT")), Some(60));
    assert_eq!(read("tomorrow", None), None);
}

#[test]
fn skipped_hours_and_days() {
    let with = |hours: &[u8], days: &[u8]| {
        let hints = Hints { skip_hours: hours.to_vec(), skip_days: days.to_vec(), ..Hints::default() };
        let mut poll = Poll { hints, ..steady(80) };
        next(&mut poll, &unchanged())
    };
    // 12:00 and 40 to 44 minutes falls into hour 12.
    check(with(&[13, 14], &[]), 40, "half of the usual gap");
    let (from, until) = (time("02T15:00"), time("02T15:10"));
    let moved = with(&[12, 13, 14], &[]);
    assert!((from..=until).contains(&moved.at), "{moved:?}");
    assert!(moved.reason.contains("skipHours"), "{}", moved.reason);
    // The rest of Monday is skipped: asked on Tuesday.
    let (from, until) = (time("03T00:00"), time("03T00:10"));
    assert!((from..=until).contains(&with(&[], &[0]).at));
    // Three days: no more than a day.
    assert_eq!(with(&[], &[0, 1, 2]).at, time("03T12:00"));
    // All of them, and numbers that are no hours: nobody can mean that.
    check(with(&(0..24).collect::<Vec<_>>(), &[]), 40, "half");
    check(with(&[], &[0, 1, 2, 3, 4, 5, 6]), 40, "half");
    check(with(&[24, 99], &[7]), 40, "half");
}

#[test]
fn failures_double_the_wait_up_to_a_day() {
    let mut poll = steady(80);
    for (minutes, reason) in [
        (80, "in 1 h 2"),
        (160, "after 2 failures in a row, last: server error (5xx)"),
        (320, "after 3 failures in a row"),
        (640, "after 4 failures in a row"),
        (1280, "after 5 failures in a row"),
    ] {
        check(next(&mut poll, &failed(Failure::ServerError, None)), minutes, reason);
    }
    for _ in 0..100 {
        let at = next(&mut poll, &failed(Failure::Dns, None)).at;
        assert_eq!(at, now() + TimeDelta::hours(24));
    }
    // The first success ends it.
    check(next(&mut poll, &unchanged()), 40, "half of the usual gap");
    assert_eq!((poll.failures, poll.last_failure), (0, None));
    check(next(&mut poll, &failed(Failure::NotAFeed, None)), 80, "after a failure: not a feed");
    // An interval that the operator made longer than a day is not shortened by failing.
    let long = Bounds { min: TimeDelta::days(7), max: TimeDelta::days(7) };
    assert_eq!(next_poll(&Cadence::Adaptive, long, &poll, now(), "x").at, now() + TimeDelta::days(7));
}

#[test]
fn a_newcomer_is_asked_again_soon_but_not_for_long() {
    for (failure, minutes) in
        [(Failure::Dns, [1, 3, 10, 30, 1440, 1440]), (Failure::NotFound, [15, 60, 480, 960, 1440, 1440])]
    {
        let mut poll = Poll::default();
        for minutes in minutes {
            check(next(&mut poll, &failed(failure, None)), minutes, &failure.to_string());
        }
    }
    // Never later than a source that worked once would be.
    let often = Bounds { min: TimeDelta::minutes(1), max: TimeDelta::minutes(1) };
    let mut poll = Poll::default();
    poll.record(&failed(Failure::NotFound, None), now());
    let next = next_poll(&Cadence::Adaptive, often, &poll, now(), "wires");
    assert!(next.at <= now() + TimeDelta::seconds(132), "{next:?}");
    // Who says when is taken at their word, also by a newcomer.
    let mut poll = Poll::default();
    poll.record(&failed(Failure::Unavailable, Some(7200)), now());
    assert!(next_poll(&Cadence::Adaptive, Bounds::default(), &poll, now(), "wires").at >= now() + TimeDelta::hours(2));
}

#[test]
fn what_was_said_with_the_last_success_holds_through_a_failure() {
    let mut poll = steady(80);
    poll.hints.ttl_minutes = Some(6 * 60);
    poll.last_success = Some(now() - TimeDelta::minutes(10));
    check(next(&mut poll, &failed(Failure::Timeout, None)), 350, "ttl 6 h");
    // Asked at the right time, it had run out.
    poll.last_success = Some(now() - TimeDelta::hours(6));
    poll.failures = 0;
    check(next(&mut poll, &failed(Failure::Timeout, None)), 80, "after a failure: too slow");
    poll.hints.skip_hours = vec![13];
    poll.failures = 0;
    let moved = next(&mut poll, &failed(Failure::Timeout, None));
    assert!(moved.at >= time("02T14:00") && moved.reason.contains("skipHours"), "{moved:?}");
}

#[test]
fn gone_is_asked_after_a_day_then_monthly_and_kept() {
    let mut poll = steady(80);
    let gone = failed(Failure::Gone, None);
    check(next(&mut poll, &gone), 24 * 60, "gone (410), asked again after a day");
    check(next(&mut poll, &gone), 30 * 24 * 60, "gone (410), asked again every month");
    check(next(&mut poll, &gone), 30 * 24 * 60, "every month");
    assert_eq!(poll.gone_since, Some(now()));
    check(next(&mut poll, &unchanged()), 40, "half");
    assert_eq!(poll.gone_since, None);
}

#[test]
fn refusals_park_the_host() {
    let mut poll = steady(80);
    let parked = next(&mut poll, &failed(Failure::TooMany, Some(600)));
    assert_eq!(poll.parked_until, Some(now() + TimeDelta::minutes(10)));
    check(parked, 10, "parked by the host for 10 min: too many requests (429)");
    // It keeps refusing with a second each time: no spinning.
    let mut last = TimeDelta::zero();
    for _ in 0..8 {
        let wait = next(&mut poll, &failed(Failure::TooMany, Some(1))).at - now();
        assert!(wait >= TimeDelta::minutes(1) && wait > last);
        last = wait;
    }
    next(&mut poll, &unchanged());
    assert_eq!(poll.parked_until, None);
    // At most a day.
    next(&mut poll, &failed(Failure::Unavailable, Some(10_000_000)));
    assert_eq!(poll.parked_until, Some(now() + TimeDelta::hours(24)));
    // Without a usable header: twice the interval, doubling.
    let mut poll = steady(80);
    check(next(&mut poll, &failed(Failure::TooMany, None)), 80, "too many requests");
    check(next(&mut poll, &failed(Failure::TooMany, None)), 160, "too many requests");
    assert_eq!(poll.parked_until, None);
    // 503 without the header is a failure like others.
    check(next(&mut steady(80), &failed(Failure::Unavailable, None)), 80, "unavailable (503)");
}

#[test]
fn a_403_soon_after_a_429_is_one() {
    let later = |hours| now() + TimeDelta::hours(hours);
    let mut poll = steady(80);
    poll.record(&failed(Failure::TooMany, Some(60)), now());
    poll.record(&failed(Failure::Forbidden, None), later(1));
    assert_eq!(poll.last_failure, Some(Failure::TooMany));
    // Each of them begins the time anew.
    poll.record(&failed(Failure::Forbidden, None), later(6));
    assert_eq!(poll.last_failure, Some(Failure::TooMany));
    poll.record(&failed(Failure::Forbidden, None), later(13));
    assert_eq!(poll.last_failure, Some(Failure::Forbidden));
}

#[test]
fn a_cron_line_is_the_operators_word() {
    let at = |line: &str, poll: &Poll| {
        let line = CronLine::parse(line, Tz::UTC).unwrap();
        next_poll(&Cadence::Cron(line), Bounds::default(), poll, now(), "wires")
    };
    // Hints and rhythm do not delay it, to the second.
    let mut poll = steady(80);
    poll.hints.ttl_minutes = Some(1000);
    poll.record(&unchanged(), now());
    let next = at("*/20 * * * *", &poll);
    assert_eq!((next.at, next.reason.as_str()), (time("02T12:20"), "at 12:20 UTC: schedule \"*/20 * * * *\""));
    assert_eq!(at("20 6 * * *", &poll).reason, "at 2026-03-03 06:20 UTC: schedule \"20 6 * * *\"");
    // Parking and backoff do: the first tick after them.
    poll.record(&failed(Failure::TooMany, Some(30 * 60)), now());
    assert_eq!(at("*/20 * * * *", &poll).at, time("02T12:40"));
    poll.record(&failed(Failure::Timeout, None), now());
    poll.record(&failed(Failure::Timeout, None), now());
    assert_eq!(at("*/20 * * * *", &poll).at, time("02T14:40"));
    let next = at("0 12 * * *", &poll);
    assert_eq!(next.at, time("03T12:00"), "daily stays daily: {}", next.reason);
    poll.record(&failed(Failure::Gone, None), now());
    poll.record(&failed(Failure::Gone, None), now());
    assert!(at("*/20 * * * *", &poll).at > now() + TimeDelta::days(29));
}

#[test]
fn when_most_hosts_fail_the_fault_is_ours() {
    let mut outage = Outage::default();
    let fail = Some(Failure::Connect);
    for host in 0..4 {
        outage.note(format!("{host}.example"), fail, true, now());
    }
    assert!(!outage.is_ours(now()), "four hosts are too few");
    outage.note("4.example", None, true, now());
    assert!(outage.is_ours(now()), "four of five");
    outage.note("3.example", None, true, now());
    assert!(!outage.is_ours(now()), "60 % are not over 60 %");
    outage.note("3.example", fail, true, now());
    assert!(outage.is_ours(now()), "the last answer of a host counts");
    assert!(!outage.is_ours(now() + TimeDelta::minutes(6)), "long ago");
    for host in 0..9 {
        outage.note(format!("{host}.example"), Some(Failure::NotFound), true, now() + TimeDelta::minutes(7));
    }
    assert!(!outage.is_ours(now() + TimeDelta::minutes(7)), "whoever answers 404 is reached");
    for host in 0..9 {
        outage.note(format!("{host}.example"), fail, true, now() + TimeDelta::minutes(8));
    }
    assert!(outage.is_ours(now() + TimeDelta::minutes(8)));
    assert!(!outage.is_ours(now()), "a clock set back forgets");

    // Counters freeze, and it is soon tried again, then at the usual pace.
    let mut poll = steady(80);
    poll.record(&failed(Failure::Dns, None), now());
    let frozen = Outcome::Failed { failure: Failure::Dns, retry_after: None, frozen: true };
    for minutes in [2, 4, 8, 16, 32, 40, 40] {
        check(next(&mut poll, &frozen), minutes, "the fault is taken to be ours (its name does not resolve)");
    }
    assert_eq!((poll.failures, poll.frozen_times), (1, 7));
    poll.record(&unchanged(), now());
    assert_eq!((poll.failures, poll.frozen_times, poll.frozen_since), (0, 0, None));
}

#[test]
fn an_old_list_of_dead_feeds_is_no_outage() {
    let fail = Some(Failure::Dns);
    let mut outage = Outage::default();
    // Nobody was ever reached: the machine has just been switched on, perhaps before its network.
    (0..6).for_each(|host| outage.note(format!("{host}.example"), fail, false, now()));
    assert!(outage.is_ours(now()));
    let later = now() + TimeDelta::minutes(10);
    outage.note("alive.example", None, false, later);
    (0..60).for_each(|host| outage.note(format!("{host}.example"), fail, false, later));
    assert!(!outage.is_ours(later), "the line works, so they are dead");
    // Known to be broken for long: the same.
    let mut poll = steady(80);
    assert!(poll.proven() && !Poll::default().proven());
    (0..5).for_each(|_| poll.record(&failed(Failure::Dns, None), now()));
    assert!(!poll.proven());
}

#[test]
fn an_outage_in_which_others_are_reached_does_not_last_for_ever() {
    let (mut outage, mut poll) = (Outage::default(), steady(80));
    let later = now() + TimeDelta::hours(25);
    let all_fail = |outage: &mut Outage, at| {
        (0..6).for_each(|host| outage.note(format!("{host}.example"), Some(Failure::Connect), true, at));
    };
    all_fail(&mut outage, now());
    assert!(outage.freezes(&poll, Failure::Dns, now()));
    poll.record(&Outcome::Failed { failure: Failure::Connect, retry_after: None, frozen: true }, now());
    all_fail(&mut outage, later);
    assert!(outage.freezes(&poll, Failure::Dns, later), "the cable is still out");
    outage.note("alive.example", None, true, later);
    assert!(!outage.freezes(&poll, Failure::Dns, later) && outage.freezes(&steady(80), Failure::Dns, later));
}

#[test]
fn sources_are_spread_and_restarts_ask_nobody_early() {
    let first: Vec<Time> = (0..50).map(|at| first_poll(&format!("source {at}"), now()).at).collect();
    assert!(first.iter().all(|at| *at >= now() && *at <= now() + TimeDelta::seconds(5)));
    assert!(first.iter().any(|at| *at != first[0]));
    assert_eq!(first_poll("a", now()), first_poll("a", now()));

    let minutes = |minutes| now() + TimeDelta::minutes(minutes);
    assert_eq!(resume(minutes(30), Some(minutes(-10)), now()), minutes(30));
    assert_eq!(resume(minutes(-30), Some(minutes(-70)), now()), minutes(-30));
    // The clock was a year ahead when this was stored.
    let ahead = TimeDelta::days(365);
    assert_eq!(resume(minutes(40) + ahead, Some(now() + ahead), now()), minutes(40));
    // A line of once a year.
    assert_eq!(resume(now() + TimeDelta::days(200), Some(minutes(-1)), now()), now() + TimeDelta::days(200));
    assert!(resume(Time::MAX_UTC, None, now()) <= now() + TimeDelta::days(31));
    assert!(resume(Time::MIN_UTC, Some(Time::MAX_UTC), now()) <= now());
}

#[test]
fn what_is_remembered_survives_the_store() {
    let mut poll = steady(80);
    let url = "https://a.example/feed".parse().unwrap();
    poll.moved.succeeded(&url, &[moved::Hop { status: 301, to: "https://b.example/".parse().unwrap() }], true);
    next(&mut poll, &failed(Failure::TooMany, Some(60)));
    let stored = serde_json::to_string(&poll).unwrap();
    assert_eq!(serde_json::from_str::<Poll>(&stored).unwrap(), poll);
    assert_eq!(serde_json::from_str::<Poll>("{}").unwrap(), Poll::default());
}

/// A day of three hundred sources on thirty hosts, as the daemon's loop lives it: `jumps` are made by the wall clock at
/// these minutes, by so many minutes. How long a source waited at most, how often one was asked at most, and how often a
/// host was asked twice within its interval.
fn a_day(jumps: &[(i64, i64)]) -> (i64, usize, usize) {
    let (second, start) = (TimeDelta::seconds(1), now());
    let wall = |real: i64| {
        let moved: i64 = jumps.iter().filter(|(at, _)| at * 60 <= real).map(|(_, by)| by * 60).sum();
        start + second * (real + moved) as i32
    };
    let mut queue = queue::Queue::new(queue::Budget { connections: 2, interval: second }, Default::default());
    let mut polls: Vec<(Poll, Vec<i64>)> = vec![Default::default(); 300];
    for source in 0..polls.len() {
        queue.push(&source.to_string(), format!("host {}", source % 30), first_poll(&source.to_string(), start).at);
    }
    let mut hosts: std::collections::BTreeMap<String, Vec<i64>> = Default::default();
    let mut real = 0;
    while real < 24 * 3600 {
        let now = wall(real);
        match queue.next(now) {
            queue::Next::Start { source, bucket } => {
                let (poll, asked) = &mut polls[source.parse::<usize>().unwrap()];
                // Something new in every hour.
                let news = asked.last().is_some_and(|last| last / 3600 < real / 3600);
                let (hints, freshness) = Default::default();
                poll.record(&Outcome::Changed { entries: usize::from(news), hints, freshness }, now);
                asked.push(real);
                let next = next_poll(&Cadence::Adaptive, Bounds::default(), poll, now, &source);
                assert!(next.at > now, "{next:?}");
                hosts.entry(bucket.to_string()).or_default().push(real);
                queue.finished(&bucket, now);
                queue.push(&source, bucket, next.at);
            }
            // A timer knows nothing of the wall clock: it sleeps as long as it seemed right when it was set.
            queue::Next::WaitUntil(until) => real += (until - now).num_seconds().max(1),
            queue::Next::Idle => panic!("sources wait"),
        }
    }
    let gaps = |times: &[i64]| times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
    let whole = |asked: &[i64]| gaps(&[asked, &[24 * 3600]].concat());
    let longest = polls.iter().flat_map(|(_, asked)| whole(asked)).max().unwrap_or(0);
    let most = polls.iter().map(|(_, asked)| asked.len()).max().unwrap_or(0);
    let crowded = hosts.values().flat_map(|asked| gaps(asked)).filter(|gap| *gap < 1).count();
    (longest / 60, most, crowded)
}

#[test]
fn a_clock_that_jumps_neither_stalls_nor_floods() {
    let (longest, most, crowded) = a_day(&[]);
    assert!(longest <= 67 && (24..=60).contains(&most) && crowded == 0, "{longest} {most} {crowded}");
    for jumps in
        [&[(360, -180)][..], &[(360, 600)], &[(300, -1), (301, 1)], &[(360, -60 * 24 * 400), (700, 60 * 24 * 400)]]
    {
        let (longest, most, crowded) = a_day(jumps);
        // A jump forward makes all due once more, each host still asked one after the other.
        assert!(longest <= 67 && (24..=60).contains(&most) && crowded == 0, "{jumps:?}: {longest} {most} {crowded}");
    }
}

#[test]
fn spans_for_people() {
    for (seconds, words) in [
        (-5, "0 s"),
        (0, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (2400, "40 min"),
        (3570, "1 h"),
        (3600, "1 h"),
        (9000, "2 h 30 min"),
        (86_400, "24 h"),
        (172_800, "2 days"),
        (2_592_000, "30 days"),
    ] {
        assert_eq!(span(TimeDelta::seconds(seconds)), words, "{seconds}");
    }
}

#[test]
fn a_success_of_a_clock_that_ran_ahead_puts_no_failure_off() {
    let freshness = Freshness { max_age: Some(Duration::from_secs(6 * 3600)), ..Freshness::default() };
    let ahead = TimeDelta::days(365);
    let mut poll = Poll { freshness, last_success: Some(now() + ahead), last_try: Some(now() + ahead), ..steady(80) };
    poll.seen.iter_mut().for_each(|at| *at += ahead);
    let next = next(&mut poll, &failed(Failure::Timeout, None));
    assert!(next.at <= now() + TimeDelta::hours(7), "{next:?}");
}

#[test]
fn whoever_answers_is_not_behind_an_outage_of_ours() {
    let mut outage = Outage::default();
    (0..6).for_each(|host| outage.note(format!("{host}.example"), Some(Failure::ServerError), true, now()));
    let mut check = |failure, frozen| assert_eq!(outage.freezes(&steady(80), failure, now()), frozen, "{failure:?}");
    check(Failure::Timeout, true);
    check(Failure::ServerError, true);
    check(Failure::TooMany, false);
    check(Failure::Gone, false);
}
