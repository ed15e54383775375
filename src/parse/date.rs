//! Dates of every kind that feeds hold: RFC 822/2822 and its relatives, RFC 3339, W3C-DTF and ISO 8601, asctime, epoch
//! seconds, with the names of months, days and zones that people write in their languages.
//!
//! A date without a time is midnight, one without a zone is UTC unless the reader knows better. Parts that cannot be (31 June, 24:00, a leap second)
//! are carried over, as every calendar does it. A text that holds anything else is no date.

mod names;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _, Utc, Weekday};
use chrono_tz::Tz;

use crate::model::Time;
use names::{ENGLISH, is_filler, is_unknown_zone, is_weekday, month, zone_name};

/// The instant a text names, to the second; `None` when it names none.
pub fn parse(text: &str) -> Option<Time> {
    usual(text.as_bytes()).or_else(|| unusual(text, Tz::UTC))
}

/// The same of a text whose writer lives in this zone, and does not say so.
pub fn parse_in(text: &str, zone: Tz) -> Option<Time> {
    usual(text.as_bytes()).or_else(|| unusual(text, zone))
}

/// The instant at which clocks of the zone show this: the first of two, and where there is none, what it would be had
/// they not been set forward.
pub fn on_clocks_of(zone: Tz, shown: NaiveDateTime) -> Option<Time> {
    const LONGEST_GAP: TimeDelta = TimeDelta::days(1);
    if zone == Tz::UTC {
        return Some(shown.and_utc());
    }
    let at = |shown: NaiveDateTime| zone.from_local_datetime(&shown).earliest().map(|time| time.with_timezone(&Utc));
    at(shown).or_else(|| at(shown.checked_sub_signed(LONGEST_GAP)?)?.checked_add_signed(LONGEST_GAP))
}

fn unusual(text: &str, zone: Tz) -> Option<Time> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '\u{FEFF}'));
    if text.is_empty() || text.len() > 120 {
        return None;
    }
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return digits_only(text, zone);
    }
    iso(text, zone).or_else(|| words(text, zone))
}

/// "Fri, 27 Mar 2026 10:00:00 +0100" and "2026-03-27T10:00:00Z": nearly every date there is, read without a detour.
/// `None`: written in another way, perhaps.
fn usual(text: &[u8]) -> Option<Time> {
    let number = |digits: &[u8]| {
        let all = digits.iter().all(u8::is_ascii_digit);
        all.then(|| digits.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
    };
    let mut parts = Parts::of(Tz::UTC);
    let rest = if let [a, b, c, d, b'-', e, f, b'-', g, h, b'T' | b' ', rest @ ..] = text {
        parts.year = i32::try_from(number(&[*a, *b, *c, *d])?).ok()?;
        (parts.month, parts.day) = (number(&[*e, *f])?, number(&[*g, *h])?);
        rest
    } else {
        let text = if let [_, _, _, b',', b' ', text @ ..] = text { text } else { text };
        let [d, e, b' ', m, n, o, b' ', y1, y2, y3, y4, b' ', rest @ ..] = text else { return None };
        let name = [*m, *n, *o];
        let month = ENGLISH.iter().position(|month| month.as_bytes()[..3].eq_ignore_ascii_case(&name))?;
        parts.year = i32::try_from(number(&[*y1, *y2, *y3, *y4])?).ok()?;
        (parts.month, parts.day) = (u32::try_from(month).ok()? + 1, number(&[*d, *e])?);
        rest
    };
    let [h, i, b':', m, n, b':', s, t, rest @ ..] = rest else { return None };
    (parts.hour, parts.minute, parts.second) = (number(&[*h, *i])?, number(&[*m, *n])?, number(&[*s, *t])?);
    let zone = match rest {
        [b'.', fraction @ ..] => &fraction[fraction.iter().take_while(|b| b.is_ascii_digit()).count()..],
        rest => rest,
    };
    let minutes = match zone.trim_ascii_start() {
        b"Z" | b"GMT" | b"UTC" => 0,
        [sign @ (b'+' | b'-'), a, b, b':', c, d] | [sign @ (b'+' | b'-'), a, b, c, d] => {
            let minutes = i32::try_from(number(&[*a, *b])? * 60 + number(&[*c, *d])?).ok()?;
            if *sign == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    parts.offset_minutes = Some(minutes);
    parts.instant()
}

/// What is known of a date.
#[derive(Debug, Clone, Copy)]
struct Parts {
    year: i32,
    /// 1 to 12; more is carried over.
    month: u32,
    /// 1 to 31; more is carried over.
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    /// East of Greenwich, if it is stated.
    offset_minutes: Option<i32>,
    /// If it is not.
    zone: Tz,
}

impl Parts {
    /// Midnight of the first of January, once its year is known.
    fn of(zone: Tz) -> Parts {
        Parts { year: 0, month: 1, day: 1, hour: 0, minute: 0, second: 0, offset_minutes: None, zone }
    }

    fn instant(self) -> Option<Time> {
        if !(1..=9999).contains(&self.year) || !(1..=99).contains(&self.month) || !(1..=99).contains(&self.day) {
            return None;
        }
        let months = self.month - 1;
        let year = self.year.checked_add(i32::try_from(months / 12).ok()?)?;
        let first = NaiveDate::from_ymd_opt(year, months % 12 + 1, 1)?.and_hms_opt(0, 0, 0)?;
        let seconds = i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        let after = TimeDelta::days(i64::from(self.day) - 1) + TimeDelta::seconds(seconds);
        let local = first.checked_add_signed(after)?;
        let instant = match self.offset_minutes {
            Some(minutes) => local.checked_sub_signed(TimeDelta::minutes(i64::from(minutes)))?.and_utc(),
            None => on_clocks_of(self.zone, local)?,
        };
        (1..=9999).contains(&instant.year()).then_some(instant)
    }
}

/// Epoch seconds or milliseconds, `YYYYMMDD[HHMM[SS]]`, `YYYYDDD`, `YYYYMM`, `YYMMDD`, `YYYY`.
fn digits_only(text: &str, zone: Tz) -> Option<Time> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    let year = |range| number(range).and_then(|year| i32::try_from(year).ok());
    let mut parts = Parts::of(zone);
    match text.len() {
        4 => parts.year = year(0..4)?,
        6 => match (year(0..4)?, number(4..6)?) {
            (year @ 1900..=2100, month @ 1..=12) => (parts.year, parts.month) = (year, month),
            _ => (parts.year, parts.month, parts.day) = (full_year(number(0..2)?, 2), number(2..4)?, number(4..6)?),
        },
        7 => {
            let date = ordinal(year(0..4)?, number(4..7)?)?;
            (parts.year, parts.month, parts.day) = (date.year(), date.month(), date.day());
        }
        8 | 12 | 14 => {
            (parts.year, parts.month, parts.day) = (year(0..4)?, number(4..6)?, number(6..8)?);
            if text.len() > 8 {
                (parts.hour, parts.minute) = (number(8..10)?, number(10..12)?);
                parts.second = number(12..14).unwrap_or(0);
            }
        }
        9 | 10 => return DateTime::from_timestamp(text.parse().ok()?, 0),
        13 => return DateTime::from_timestamp(text.parse::<i64>().ok()? / 1000, 0),
        _ => return None,
    }
    parts.instant()
}

/// A cursor over the text of a date.
struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    fn eat(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let c = self.rest.chars().next().filter(|c| wanted(*c))?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Up to `most` digits: their value and their number.
    fn number(&mut self, most: usize) -> Option<(u32, usize)> {
        let count = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let value = self.rest[..count].parse().ok()?;
        self.rest = &self.rest[count..];
        Some((value, count))
    }

    /// Letters of any script.
    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_alphabetic()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }
}

/// Year first: RFC 3339, W3C-DTF, ISO 8601 (extended, basic, ordinal, week), with dots or slashes, in Korean and
/// Hungarian.
fn iso(text: &str, zone: Tz) -> Option<Time> {
    let mut scan = Scan { rest: text };
    let sign = scan.eat(|c| c == '-').is_some();
    let digits = scan.rest.bytes().take_while(u8::is_ascii_digit).count();
    let mut parts = Parts::of(zone);
    if sign || digits == 2 || digits == 5 {
        // "-0312", "--0401", "03-12-31", "03335": the year in two digits, as old ISO 8601 allowed.
        scan.eat(|c| c == '-');
        let (year, count) = scan.number(2)?;
        parts.year = full_year(year, count);
    } else if digits >= 4 {
        parts.year = i32::try_from(scan.number(4)?.0).ok()?;
    } else {
        return None;
    }
    let is_separator = |c: char| matches!(c, '-' | '/' | '.' | '년' | '年');
    let separator = scan.eat(is_separator);
    scan.space();
    if scan.eat(|c| c == 'W').is_some() {
        return week(scan, parts);
    }
    // Two digits could as well be a day: "06-11-1994" and "06 Nov 94" are read elsewhere.
    let short_year = digits == 2 && !sign;
    if short_year && separator.is_some_and(|c| c != '-') {
        return None;
    }
    let digits = scan.rest.bytes().take_while(u8::is_ascii_digit).count();
    match digits {
        0 if separator.is_some() => {
            // "2004-július-13"
            let month = month(scan.word())?;
            parts.month = month;
            scan.eat(is_separator)?;
            parts.day = scan.number(2)?.0;
        }
        0 if short_year => return None,
        0 => {}
        3 => {
            let date = ordinal(parts.year, scan.number(3)?.0)?;
            (parts.month, parts.day) = (date.month(), date.day());
        }
        _ => {
            parts.month = scan.number(2)?.0;
            let separator = scan.eat(|c| is_separator(c) || matches!(c, '월' | '月'));
            scan.space();
            let day_follows = scan.rest.starts_with(|c: char| c.is_ascii_digit());
            match separator {
                Some(_) if day_follows => parts.day = scan.number(2)?.0,
                None if digits >= 4 && day_follows => parts.day = scan.number(2)?.0,
                _ if short_year => return None,
                _ => {}
            }
            scan.eat(|c| matches!(c, '일' | '日' | '.'));
        }
    }
    if short_year && !(1..=12).contains(&parts.month) {
        return None;
    }
    time_and_zone(scan, parts)
}

/// `2003-W52-3`
fn week(mut scan: Scan<'_>, mut parts: Parts) -> Option<Time> {
    let (week, _) = scan.number(2)?;
    scan.eat(|c| c == '-');
    let day = scan.number(1).map_or(1, |(day, _)| day);
    let weekday = Weekday::try_from(u8::try_from(day.checked_sub(1)?).ok()?).ok()?;
    let date = NaiveDate::from_isoywd_opt(parts.year, week, weekday)?;
    (parts.year, parts.month, parts.day) = (date.year(), date.month(), date.day());
    time_and_zone(scan, parts)
}

/// What follows an ISO date: nothing, or a time with or without its zone.
fn time_and_zone(mut scan: Scan<'_>, mut parts: Parts) -> Option<Time> {
    scan.eat(|c| matches!(c, ',' | ';'));
    let marked = scan.eat(|c| matches!(c, 'T' | 't' | '_' | ':')).is_some();
    scan.space();
    let afternoon = half_of_day(&mut scan);
    if scan.rest.is_empty() {
        return parts.instant();
    }
    if scan.rest.starts_with(|c: char| c.is_ascii_digit()) {
        time(&mut scan, &mut parts)?;
        if afternoon.is_some() {
            // Korean names of the halves of the day are only used there.
            parts.offset_minutes = Some(9 * 60);
        }
        to_24_hours(&mut parts, afternoon.or_else(|| half_of_day(&mut scan)));
    } else if marked || afternoon.is_some() {
        return None;
    }
    if let Some(offset) = zone(&mut scan)? {
        parts.offset_minutes = Some(offset);
    }
    scan.rest.is_empty().then(|| parts.instant()).flatten()
}

/// `hh[:mm[:ss[.fraction]]]`, `hhmm[ss]`, also with dots.
fn time(scan: &mut Scan<'_>, parts: &mut Parts) -> Option<()> {
    let digits = scan.rest.bytes().take_while(u8::is_ascii_digit).count();
    parts.hour = scan.number(2)?.0;
    if digits >= 4 {
        parts.minute = scan.number(2)?.0;
        parts.second = scan.number(2).map_or(0, |(second, _)| second);
    } else if scan.eat(|c| matches!(c, ':' | '.' | 'h' | '시')).is_some() {
        scan.space();
        parts.minute = scan.number(2).map_or(0, |(minute, _)| minute);
        if scan.eat(|c| matches!(c, ':' | '.' | '분')).is_some() {
            scan.space();
            parts.second = scan.number(2).map_or(0, |(second, _)| second);
            scan.eat(|c| c == '초');
        }
    }
    if scan.rest.starts_with(['.', ',']) && scan.rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
        scan.rest = scan.rest[1..].trim_start_matches(|c: char| c.is_ascii_digit());
    }
    Some(())
}

/// AM or PM, in English and Korean. `Some(true)`: after noon.
fn half_of_day(scan: &mut Scan<'_>) -> Option<bool> {
    let rest = scan.rest.trim_start();
    let halves = [
        ("a.m.", false),
        ("p.m.", true),
        ("am", false),
        ("pm", true),
        ("오전", false),
        ("오후", true),
        ("上午", false),
        ("下午", true),
    ];
    let (name, afternoon) = halves.into_iter().find(|(name, _)| {
        let head = rest.get(..name.len());
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphabetic());
        head.is_some_and(|head| head.eq_ignore_ascii_case(name)) && rest.get(name.len()..).is_some_and(ends)
    })?;
    scan.rest = rest[name.len()..].trim_start();
    Some(afternoon)
}

fn to_24_hours(parts: &mut Parts, afternoon: Option<bool>) {
    match afternoon {
        Some(true) if parts.hour < 12 => parts.hour += 12,
        Some(false) if parts.hour == 12 => parts.hour = 0,
        _ => {}
    }
}

/// A zone at the end of a date. Outer `None`: something that is none; inner `None`: nothing there.
fn zone(scan: &mut Scan<'_>) -> Option<Option<i32>> {
    scan.space();
    if scan.rest.is_empty() {
        return Some(None);
    }
    let mut offset = None;
    if scan.rest.starts_with(|c: char| c.is_alphabetic()) {
        let word = scan.word();
        // "Etc/GMT", "Europe/London": the city is a zone that we do not know, the rest is named.
        let word = if scan.eat(|c| c == '/').is_some() { scan.word() } else { word };
        offset = Some(zone_name(word)?);
        scan.space();
    }
    if let Some(sign) = scan.eat(|c| matches!(c, '+' | '-' | '\u{2212}')) {
        let minutes = numeric_offset(scan)?;
        offset = Some(if sign == '+' { minutes } else { -minutes });
    }
    scan.space();
    // "(PDT)", "[Europe/Berlin]": said already.
    if scan.rest.starts_with(['(', '[']) && offset.is_some() {
        scan.rest = "";
    }
    offset.map(Some)
}

/// `hh`, `hhmm`, `hh:mm`, after the sign.
fn numeric_offset(scan: &mut Scan<'_>) -> Option<i32> {
    let (value, count) = scan.number(4)?;
    let (hours, minutes) = match count {
        1 | 2 => {
            let minutes =
                if scan.eat(|c| c == ':').is_some() { scan.number(2).map_or(0, |(minutes, _)| minutes) } else { 0 };
            (value, minutes)
        }
        _ => (value / 100, value % 100),
    };
    i32::try_from(hours * 60 + minutes).ok().filter(|minutes| *minutes <= 24 * 60)
}

/// Everything with words in it: RFC 822, RFC 850, asctime, and how people write.
fn words(text: &str, zone: Tz) -> Option<Time> {
    let mut parts = Parts::of(zone);
    let (mut month_found, mut time_found) = (None, false);
    let mut may_be_weekday = false;
    let mut numbers: [Option<(u32, usize)>; 2] = [None; 2];
    let mut afternoon = None;
    let mut scan = Scan { rest: text };
    loop {
        while scan.eat(|c| c.is_whitespace() || matches!(c, ',' | ';' | '.' | '/' | '\u{200E}' | '\u{200F}')).is_some()
        {
        }
        let Some(next) = scan.rest.chars().next() else { break };
        match next {
            '0'..='9' => {
                if !time_found && is_time(scan.rest) {
                    time(&mut scan, &mut parts)?;
                    afternoon = half_of_day(&mut scan);
                    time_found = true;
                    continue;
                }
                let number = scan.number(9)?;
                *numbers.iter_mut().find(|slot| slot.is_none())? = Some(number);
                ordinal_suffix(&mut scan);
                if month_found.is_none() && scan.rest.starts_with(['/', '.', '-']) {
                    numeric_month(&mut scan, &mut numbers, &mut month_found)?;
                }
            }
            '+' | '-' | '\u{2212}' if time_found => {
                scan.rest = &scan.rest[next.len_utf8()..];
                let minutes = numeric_offset(&mut scan)?;
                parts.offset_minutes = Some(if next == '+' { minutes } else { -minutes });
            }
            '-' => scan.rest = &scan.rest[1..],
            '(' | '[' if time_found => break,
            '\'' | '\u{2019}' => scan.rest = &scan.rest[next.len_utf8()..],
            c if c.is_alphabetic() => {
                let word = scan.word();
                let before_time = !time_found;
                if before_time && ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].contains(&word) {
                    continue;
                }
                let named = month(word);
                if let Some(month) = named.filter(|_| month_found.is_none() || may_be_weekday) {
                    // "mar, 14 abr": a Tuesday, and no March.
                    may_be_weekday = month_found.is_none() && numbers[0].is_none() && is_weekday(word);
                    month_found = Some(month);
                } else if time_found && half_of_day(&mut Scan { rest: word }).is_some() {
                    afternoon = half_of_day(&mut Scan { rest: word });
                } else if is_filler(word) || (before_time && is_weekday(word)) {
                    // "Monday", "the 3rd of May", "at"
                } else if let Some(offset) = zone_name(word).filter(|_| time_found || month_found.is_some()) {
                    parts.offset_minutes = parts.offset_minutes.or(Some(offset));
                } else if !(is_weekday(word) || time_found && is_unknown_zone(word)) {
                    return None;
                }
            }
            _ => return None,
        }
    }
    parts.month = month_found?;
    (parts.day, parts.year) = match numbers {
        [Some((year, 3..)), Some((day, _))] => (day, i32::try_from(year).ok()?),
        [Some((day, _)), Some((year, count))] => (day, full_year(year, count)),
        [Some((year, 4)), None] => (1, i32::try_from(year).ok()?),
        _ => return None,
    };
    to_24_hours(&mut parts, afternoon);
    parts.instant()
}

/// Does a time stand here: two digits at most, then a colon and a digit?
fn is_time(text: &str) -> bool {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let after = text.as_bytes().get(digits..).unwrap_or_default();
    matches!(digits, 1 | 2) && matches!(after, [b':' | b'h', b'0'..=b'9', ..])
}

/// "st", "nd", "rd", "th", "er" behind a number.
fn ordinal_suffix(scan: &mut Scan<'_>) {
    let mut ahead = Scan { rest: scan.rest };
    let word = ahead.word();
    if ["st", "nd", "rd", "th", "er", "º", "ª"].iter().any(|suffix| word.eq_ignore_ascii_case(suffix)) {
        scan.rest = ahead.rest;
    }
}

/// `dd.mm.yyyy`, `mm/dd/yyyy` (unless the first cannot be a month), `dd-mm-yyyy`.
fn numeric_month(scan: &mut Scan<'_>, numbers: &mut [Option<(u32, usize)>; 2], month: &mut Option<u32>) -> Option<()> {
    let mut ahead = Scan { rest: scan.rest };
    let separator = ahead.eat(|c| matches!(c, '/' | '.' | '-'))?;
    ahead.space();
    let Some((second, 1 | 2)) = ahead.number(2) else { return Some(()) };
    if ahead.eat(|c| c == separator).is_none() {
        return Some(());
    }
    ahead.space();
    let Some(year) = ahead.number(4) else { return Some(()) };
    let (first, _) = numbers[0]?;
    let month_first = separator == '/' && first <= 12;
    let (day, number) = if month_first { (second, first) } else { (first, second) };
    if !(1..=12).contains(&number) {
        return None;
    }
    *month = Some(number);
    *numbers = [Some((day, 2)), Some(year)];
    scan.rest = ahead.rest;
    Some(())
}

/// RFC 2822 §4.3: two digits up to 49 are of this century, three count from 1900.
fn full_year(year: u32, digits: usize) -> i32 {
    let year = i32::try_from(year).unwrap_or(0);
    match (digits, year) {
        (1 | 2, 0..=49) => 2000 + year,
        (1..=3, _) => 1900 + year,
        _ => year,
    }
}

fn ordinal(year: i32, day: u32) -> Option<NaiveDate> {
    NaiveDate::from_yo_opt(year, day).filter(|_| (1..=9999).contains(&year))
}

#[cfg(test)]
mod tests;
