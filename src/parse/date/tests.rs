use chrono_tz::Tz;

use super::{parse, parse_in};

fn check(text: &str, expected: &str) {
    let found = parse(text).map_or_else(|| "none".to_owned(), |time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    assert_eq!(found, expected, "{text}");
}

#[test]
fn rfc_822_and_its_relatives() {
    check("Thu, 01 Jan 2004 19:48:21 GMT", "2004-01-01T19:48:21Z");
    check("Thu, 01 Jan 04 19:48 EST", "2004-01-02T00:48:00Z");
    check("1 Jan 99 00:00:00 UT", "1999-01-01T00:00:00Z");
    check("Wed, 19 Aug 2015 02:08:13 +01:00", "2015-08-19T01:08:13Z");
    check("Wed, 19 Aug 2015 02:08:13 -0430 (VET)", "2015-08-19T06:38:13Z");
    check("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z");
    check("Sun Jan  4 16:29:06 PDT 2004", "2004-01-04T23:29:06Z");
    check("Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z");
    check("Fri, 31 Dec 2010 23:59:60 GMT", "2011-01-01T00:00:00Z");
    check("Thu, 31 Jun 2004 19:48:21 GMT", "2004-07-01T19:48:21Z");
    check("Mon, 3 September 2012 24:00:00 UTC", "2012-09-04T00:00:00Z");
    check("Mon,03 Sep 2012 10:00:00 GMT+0200", "2012-09-03T08:00:00Z");
    check("Mon, 03 Sep 2012 10:00:00 Z", "2012-09-03T10:00:00Z");
    check("Mon, 03 Sep 2012 10:00:00 A", "2012-09-03T11:00:00Z");
    check("Mon, 03 Sep 2012 10:00:00 N", "2012-09-03T09:00:00Z");
    check("03 Sep 2012", "2012-09-03T00:00:00Z");
    check("Thu Aug 30 2012 17:26:16 +0200", "2012-08-30T15:26:16Z");
    check("Thu, Aug 30 2012 17:26:16 XYZ", "2012-08-30T17:26:16Z");
}

#[test]
fn a_zone_that_the_text_does_not_say() {
    let check = |text: &str, zone: Tz, expected: &str| {
        let found = parse_in(text, zone).map(|time| time.format("%Y-%m-%dT%H:%M:%SZ").to_string());
        assert_eq!(found.as_deref(), Some(expected), "{text} in {zone}");
    };
    check("2026-03-27", Tz::America__New_York, "2026-03-27T04:00:00Z");
    check("27 March 2026, 10:30", Tz::Europe__Berlin, "2026-03-27T09:30:00Z");
    check("2026-07-27 10:30", Tz::Europe__Berlin, "2026-07-27T08:30:00Z");
    check("20260327", Tz::Asia__Kolkata, "2026-03-26T18:30:00Z");
    check("2026086", Tz::Asia__Tokyo, "2026-03-26T15:00:00Z");
    check("2026-W13-5", Tz::Asia__Tokyo, "2026-03-26T15:00:00Z");
    // What says its zone means it.
    check("2026-03-27T10:00:00Z", Tz::Asia__Tokyo, "2026-03-27T10:00:00Z");
    check("Fri, 27 Mar 2026 10:00 EST", Tz::Asia__Tokyo, "2026-03-27T15:00:00Z");
    check("1774605600", Tz::Asia__Tokyo, "2026-03-27T10:00:00Z");
    // Clocks are set forward over it, and back over it; a day that a calendar left out.
    check("2026-03-29 02:30", Tz::Europe__Berlin, "2026-03-29T01:30:00Z");
    check("2026-10-25 02:30", Tz::Europe__Berlin, "2026-10-25T00:30:00Z");
    check("2011-12-30 12:00", Tz::Pacific__Apia, "2011-12-30T22:00:00Z");
}

#[test]
fn iso_8601() {
    check("2003-12-31T10:14:55Z", "2003-12-31T10:14:55Z");
    check("2003-12-31T10:14:55.123+02:00", "2003-12-31T08:14:55Z");
    check("2003-12-31T10:14+0530", "2003-12-31T04:44:00Z");
    check("2003-12-31 10:14:55", "2003-12-31T10:14:55Z");
    check("2003-12-31 10:14:55 -0800", "2003-12-31T18:14:55Z");
    check("2003-12-31T10:14:55 EST", "2003-12-31T15:14:55Z");
    check("2003-12-31", "2003-12-31T00:00:00Z");
    check("2003-12", "2003-12-01T00:00:00Z");
    check("2003", "2003-01-01T00:00:00Z");
    check("20031231", "2003-12-31T00:00:00Z");
    check("20031231T101455Z", "2003-12-31T10:14:55Z");
    check("2003-335", "2003-12-01T00:00:00Z");
    check("2003335", "2003-12-01T00:00:00Z");
    check("03-12-31", "2003-12-31T00:00:00Z");
    check("-0312", "2003-12-01T00:00:00Z");
    check("2004-W01-1", "2003-12-29T00:00:00Z");
    check("2003/12/31 10:14", "2003-12-31T10:14:00Z");
    check("2003-12-31T24:00:00Z", "2004-01-01T00:00:00Z");
    check("2003-12-31T10:14:55+24", "2003-12-30T10:14:55Z");
}

#[test]
fn as_people_write() {
    check("March 27, 2026", "2026-03-27T00:00:00Z");
    check("27th of March 2026 at 3:05 pm", "2026-03-27T15:05:00Z");
    check("27.03.2026", "2026-03-27T00:00:00Z");
    check("27.03.2026 14:30 Uhr", "2026-03-27T14:30:00Z");
    check("3/27/2026 12:05:00 AM", "2026-03-27T00:05:00Z");
    check("27/03/2026", "2026-03-27T00:00:00Z");
    check("Fr, 27 März 2026 10:00:00 CET", "2026-03-27T09:00:00Z");
    // A Tuesday that looks like March.
    check("mar, 14 abr 2026 10:00:00 +0200", "2026-04-14T08:00:00Z");
    check("mar. 14 avr. 2026 10:00:00 +0200", "2026-04-14T08:00:00Z");
    check("mar, 10 mar 2026 10:00:00 +0100", "2026-03-10T09:00:00Z");
    check("mar 10 2026 10:00:00 +0100", "2026-03-10T09:00:00Z");
    check("tis, 14 apr 2026 10:00:00 +0200", "2026-04-14T08:00:00Z");
    check("sob, 18 kwi 2026 10:00:00 +0200", "2026-04-18T08:00:00Z");
    check("wo 15 apr 2026 10:00:00 +0200", "2026-04-15T08:00:00Z");
    check("čt, 16 dub 2026 10:00:00 +0200", "2026-04-16T08:00:00Z");
    check("ven, 27 févr. 2026 10:00:00 +0100", "2026-02-27T09:00:00Z");
    check("27 de febrero de 2026", "2026-02-27T00:00:00Z");
    check("Κυρ, 11 Ιούλ 2004 12:00:00 EST", "2004-07-11T17:00:00Z");
    check("2004-július-13T9:15-05:00", "2004-07-13T14:15:00Z");
    check("2004년 05월 28일 12:31:25", "2004-05-28T12:31:25Z");
    check("2004-05-25 오후 11:23:17", "2004-05-25T14:23:17Z");
    check("1080000000", "2004-03-23T00:00:00Z");
}

#[test]
fn what_is_no_date() {
    for text in [
        "",
        "yesterday",
        "Ukraine: what we know so far",
        "12",
        "12:30",
        "Mon",
        "May",
        "99999",
        "1. FC Koln won",
        "3 little pigs 2004",
        "March on",
        "In May 2004 they came",
        "2004-12-05!",
        "T",
        "-",
        "+",
        "::",
    ] {
        check(text, "none");
    }
}

#[test]
fn no_year_is_zero() {
    assert_eq!(parse("0000332\n"), None);
    assert_eq!(parse("0000-332"), None);
    assert!(parse("2026332").is_some());
}
