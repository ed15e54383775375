//! Cron lines against croner, which has crontab's rules right, and against tables where clocks change.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use newsdesk::schedule::cron::CronLine;
use proptest::prelude::*;

/// The first ticks after `from` (RFC 3339), as local wall time with offset.
fn ticks(line: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let zone: Tz = zone.parse().unwrap();
    let line = CronLine::parse(line, zone).unwrap();
    let mut at: DateTime<Utc> = from.parse().unwrap();
    let mut found = Vec::new();
    while let Some(next) = line.after(at).filter(|_| found.len() < count) {
        assert!(next > at, "{line} stands still at {at}");
        found.push(next.with_timezone(&zone).format("%m-%d %H:%M %z").to_string());
        at = next;
    }
    found
}

fn check(line: &str, zone: &str, from: &str, expected: &[&str]) {
    assert_eq!(ticks(line, zone, from, expected.len()), expected, "{line} in {zone} from {from}");
}

#[test]
fn crontab_as_written() {
    let utc = |line: &str, from: &str, expected: &[&str]| {
        let expected: Vec<String> = expected.iter().map(|at| format!("{at} +0000")).collect();
        check(line, "UTC", from, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    };
    // 2026-03-02 is a Monday.
    utc("*/20 6-22 * * mon-fri", "2026-03-06T22:30:00Z", &["03-06 22:40", "03-09 06:00", "03-09 06:20"]);
    utc("20 6 * * *", "2026-03-02T06:20:00Z", &["03-03 06:20", "03-04 06:20"]);
    utc(
        "0 9 1 * mon",
        "2026-03-02T10:00:00Z",
        &["03-09 09:00", "03-16 09:00", "03-23 09:00", "03-30 09:00", "04-01 09:00"],
    );
    // A day field that begins with a star does not widen the other one.
    utc("0 9 */10 * mon", "2026-03-02T10:00:00Z", &["05-11 09:00", "06-01 09:00"]);
    utc("0 0 * * 0", "2026-03-02T00:00:00Z", &["03-08 00:00"]);
    utc("0 0 * * 7", "2026-03-02T00:00:00Z", &["03-08 00:00"]);
    utc("0 0 * * 1", "2026-03-03T00:00:00Z", &["03-09 00:00"]);
    utc("0 0 * * 5-7", "2026-03-02T00:00:00Z", &["03-06 00:00", "03-07 00:00", "03-08 00:00", "03-13 00:00"]);
    utc("0 0 * * fri-mon", "2026-03-03T00:00:00Z", &["03-06 00:00", "03-07 00:00", "03-08 00:00", "03-09 00:00"]);
    utc(
        "0 22-2 * * *",
        "2026-03-02T21:00:00Z",
        &["03-02 22:00", "03-02 23:00", "03-03 00:00", "03-03 01:00", "03-03 02:00", "03-03 22:00"],
    );
    utc("0 22-2/2 * * *", "2026-03-02T21:00:00Z", &["03-02 22:00", "03-03 00:00", "03-03 02:00"]);
    utc("0 0 1 nov-feb *", "2026-03-02T00:00:00Z", &["11-01 00:00", "12-01 00:00", "01-01 00:00", "02-01 00:00"]);
    utc("0,30 12 * JAN,Jul *", "2026-03-02T00:00:00Z", &["07-01 12:00", "07-01 12:30"]);
    utc("0 0 29 2 *", "2026-03-02T00:00:00Z", &["02-29 00:00"]);
    utc("@hourly", "2026-03-02T00:00:01Z", &["03-02 01:00"]);
    utc("@midnight", "2026-03-02T00:00:00Z", &["03-03 00:00"]);
    utc("@Weekly", "2026-03-02T00:00:00Z", &["03-08 00:00"]);
    utc("@monthly", "2026-03-02T00:00:00Z", &["04-01 00:00"]);
    utc("@annually", "2026-03-02T00:00:00Z", &["01-01 00:00"]);
    let line = CronLine::parse("*/15 * * * * *", Tz::UTC).unwrap();
    let at = Utc.with_ymd_and_hms(2026, 3, 2, 0, 0, 7).unwrap() + TimeDelta::milliseconds(500);
    assert_eq!(line.after(at), Some(Utc.with_ymd_and_hms(2026, 3, 2, 0, 0, 15).unwrap()));
}

#[test]
fn fixed_times_run_once_when_clocks_change() {
    // New York: on 2026-03-08 02:00 becomes 03:00, on 2026-11-01 02:00 becomes 01:00.
    check("30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z", &["03-08 03:00 -0400", "03-09 02:30 -0400"]);
    check("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", &["11-01 01:30 -0400", "11-02 01:30 -0500"]);
    // Also when asked in the second pass.
    check("30 1 * * *", "America/New_York", "2026-11-01T06:10:00Z", &["11-02 01:30 -0500"]);
    check(
        "0,30 1,2 * * *",
        "America/New_York",
        "2026-11-01T05:10:00Z",
        &["11-01 01:30 -0400", "11-01 02:00 -0500", "11-01 02:30 -0500"],
    );
    // Several in the gap are one.
    check("0,30 2,3 * * *", "America/New_York", "2026-03-08T06:00:00Z", &["03-08 03:00 -0400", "03-08 03:30 -0400"]);
    // Berlin: on 2026-03-29 02:00 becomes 03:00, on 2026-10-25 03:00 becomes 02:00.
    check("15 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", &["03-29 03:00 +0200", "03-30 02:15 +0200"]);
    check("15 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", &["10-25 02:15 +0200", "10-26 02:15 +0100"]);
    // Lord Howe moves by half an hour: on 2026-10-04 02:00 becomes 02:30, on 2026-04-05 02:00 becomes 01:30.
    check("10 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", &["10-04 02:30 +1100", "10-05 02:10 +1100"]);
    check("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z", &["04-05 01:45 +1100", "04-06 01:45 +1030"]);
    // Samoa went without the 30th of December 2011.
    check("0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00:00Z", &["12-31 00:00 +1400"]);
}

#[test]
fn stars_follow_the_wall_clock() {
    check(
        "*/30 * * * *",
        "America/New_York",
        "2026-11-01T05:00:00Z",
        &["11-01 01:30 -0400", "11-01 01:00 -0500", "11-01 01:30 -0500", "11-01 02:00 -0500"],
    );
    check("*/30 * * * *", "America/New_York", "2026-11-01T06:10:00Z", &["11-01 01:30 -0500", "11-01 02:00 -0500"]);
    check(
        "30 * * * *",
        "America/New_York",
        "2026-03-08T06:00:00Z",
        &["03-08 01:30 -0500", "03-08 03:30 -0400", "03-08 04:30 -0400"],
    );
    check("*/30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", &["03-09 02:00 -0400", "03-09 02:30 -0400"]);
    check("*/20 1 * * *", "Australia/Lord_Howe", "2026-04-04T14:41:00Z", &["04-05 01:40 +1030", "04-06 01:00 +1030"]);
    check("45 * * * *", "Australia/Lord_Howe", "2026-10-03T15:20:00Z", &["10-04 02:45 +1100", "10-04 03:45 +1100"]);
}

#[test]
fn what_is_refused_names_field_value_and_what_is_allowed() {
    for (line, words) in [
        ("", "five fields"),
        ("* * * *", "here are 4"),
        ("* * * * * * *", "here are 7"),
        ("60 * * * *", "minute: \"60\" is not allowed: numbers 0 to 59"),
        ("* 24 * * *", "hour: \"24\" is not allowed: numbers 0 to 23"),
        ("* * 0 * *", "day of the month: \"0\" is not allowed: numbers 1 to 31"),
        ("* * * 13 *", "month: \"13\" is not allowed: numbers 1 to 12, jan to dec"),
        ("* * * * 8", "day of the week: \"8\" is not allowed: numbers 0 to 7, sun to sat"),
        ("* * * * mond", "day of the week: \"mond\""),
        ("60 * * * * *", "second: \"60\""),
        ("*/0 * * * *", "minute: the step \"0\" is not allowed"),
        ("*/61 * * * *", "a number from 1 to 59"),
        ("5/15 * * * *", "perhaps \"5-59/15\" is meant"),
        ("1,,2 * * * *", "minute: \"\""),
        ("1- * * * *", "minute: \"1-\""),
        ("-1 * * * *", "minute: \"-1\""),
        ("+1 * * * *", "minute: \"+1\""),
        ("* * L * *", "day of the month: \"L\""),
        ("* * * * 5#2", "day of the week: \"5#2\""),
        ("0 0 31 2 *", "never happens"),
        ("0 0 31 4,6,9,11 *", "never happens"),
        ("@reboot", "unknown macro \"@reboot\""),
        ("@every 5m", "unknown macro"),
    ] {
        let error = CronLine::parse(line, Tz::UTC).expect_err(line).to_string();
        assert!(error.contains(words), "{line}: {error}");
    }
    // Either day may match: a 31st of February costs nothing where Mondays do.
    assert!(CronLine::parse("0 0 31 2 mon", Tz::UTC).is_ok());
}

#[test]
fn a_line_is_shown_as_written() {
    let line = CronLine::parse("  */20  6-22 * *\tmon-fri ", Tz::Europe__Berlin).unwrap();
    assert_eq!(line.to_string(), "*/20 6-22 * * mon-fri");
    assert_eq!(line, CronLine::parse("*/20 6-22 * * mon-fri", Tz::Europe__Berlin).unwrap());
    assert_ne!(line, CronLine::parse("*/20 6-22 * * mon-fri", Tz::UTC).unwrap());
}

/// A field in the grammar that both know.
fn field(least: u8, most: u8) -> impl Strategy<Value = String> {
    let value = least..=most;
    let range = (value.clone(), value.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    let list = prop::collection::vec(value.clone(), 1..4)
        .prop_map(|values| values.iter().map(u8::to_string).collect::<Vec<_>>().join(","));
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => value.prop_map(|value| value.to_string()),
        1 => list,
        1 => range.clone(),
        1 => (range, 1..=most / 2).prop_map(|(range, step)| format!("{range}/{step}")),
    ]
}

fn minutes() -> impl Strategy<Value = String> {
    prop_oneof![2 => field(0, 59), 1 => (1u8..30).prop_map(|step| format!("*/{step}"))]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_croner(
        minute in minutes(), hour in field(0, 23), day in field(1, 31), month in field(1, 12), weekday in field(0, 7),
        zone in prop::sample::select(vec![Tz::UTC, Tz::America__New_York, Tz::Europe__Berlin, Tz::Australia__Lord_Howe]),
        // Most starts lie around the days on which clocks change in 2026.
        change in prop::sample::select(vec![
            "2026-03-08T07:00:00Z", "2026-11-01T06:00:00Z", "2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z",
            "2026-04-04T15:00:00Z", "2026-10-03T15:30:00Z", "2026-06-15T12:00:00Z",
        ]),
        offset in -200_000i64..200_000,
    ) {
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        let croner = croner::Cron::from_str(&text).unwrap();
        let stars = minute.contains('*') || hour.contains('*');
        let single = minute.parse::<u8>().is_ok() && hour.parse::<u8>().is_ok();
        // crontab(5) calls a line fixed if there is no star in it, croner if there is one single time.
        let zone = if stars || single { zone } else { Tz::UTC };
        let Ok(ours) = CronLine::parse(&text, zone) else {
            // Never happens: croner searches for long, and finds nothing either.
            return Ok(());
        };
        let mut at = change.parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(offset);
        for _ in 0..6 {
            let expected = croner.find_next_occurrence(&at.with_timezone(&zone), false).unwrap().to_utc();
            prop_assert_eq!(ours.after(at), Some(expected), "{} in {} after {}", text, zone, at.with_timezone(&zone));
            at = expected;
        }
    }

    #[test]
    fn no_line_of_characters_panics(text in "[-0-9*/,@a-z# L]{0,24}", seconds in 0i64..4_000_000_000) {
        if let Ok(line) = CronLine::parse(&text, Tz::America__New_York) {
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            prop_assert!(line.after(now).is_none_or(|at| at > now));
        }
    }
}
