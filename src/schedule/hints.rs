//! Publishers' wishes: HTTP freshness (RFC 9111 §4.2), RSS `ttl`, `skipHours`, `skipDays`, `sy:updatePeriod`.
//!
//! They raise the wait, never lower it, and never beyond a day.

use std::time::Duration;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};

use super::{LONGEST_WAIT, span, spread};
use crate::model::{Time, compact};
use crate::parse::feed::Hints;

pub(super) const SKIPPED: &str = "the publisher skips the hours before (skipHours, skipDays)";

/// Within the first hour that is not skipped, sources are spread over this time.
const AFTER_SKIPPED: TimeDelta = TimeDelta::minutes(10);

/// How long an answer stays fresh, by its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Freshness {
    /// Cache-Control `max-age`; zero for `no-cache` and `no-store`. Outranks `expires`. `s-maxage` is not ours.
    #[serde(skip_serializing_if = "compact::usual")]
    pub max_age: Option<Duration>,
    /// How long the answer had lain in caches when it came: that much less of `max_age` is left.
    #[serde(skip_serializing_if = "compact::usual")]
    pub age: Duration,
    /// `Expires`, moved by the difference between the publisher's `Date` and our clock.
    #[serde(with = "compact::moment", skip_serializing_if = "compact::usual")]
    pub expires: Option<Time>,
}

impl Freshness {
    /// From the values of the header fields; each of `cache_control` is one field line.
    pub fn from_fields<'a>(
        cache_control: impl IntoIterator<Item = &'a str>,
        age: Option<&str>,
        expires: Option<&str>,
        date: Option<&str>,
        now: Time,
    ) -> Freshness {
        let max_age = max_age(cache_control).map(Duration::from_secs);
        let age = Duration::from_secs(age.and_then(delta_seconds).unwrap_or(0));
        let skew = date.and_then(http_date).map_or(TimeDelta::zero(), |date| now - date);
        let expires = expires.and_then(http_date).and_then(|at| at.checked_add_signed(skew));
        Freshness { max_age, age, expires }
    }

    /// After a 304: what it says replaces what was known, what it leaves out stays (RFC 9111 §4.3.4). Its `Age` is its
    /// own: one that states none comes from the publisher just now.
    pub fn updated(self, by: Freshness) -> Freshness {
        match by {
            Freshness { max_age: None, expires: None, age } => Freshness { age, ..self },
            // A new max-age outranks; a new Expires alone cannot be told from a dropped max-age, so the head counts whole.
            by => by,
        }
    }
}

/// Retry-After in both forms (RFC 9110 §10.2.3), relative to `now`. A date is read against the publisher's own `date`.
/// `None`: unreadable, or not in the future.
pub fn retry_after(value: &str, date: Option<&str>, now: Time) -> Option<TimeDelta> {
    let wait = match delta_seconds(value) {
        Some(seconds) => TimeDelta::seconds(seconds as i64),
        None => http_date(value)? - date.and_then(http_date).unwrap_or(now),
    };
    (wait > TimeDelta::zero()).then_some(wait)
}

/// The longest of the wishes, with who wishes it. Capped at a day.
pub(super) fn wish(freshness: &Freshness, hints: &Hints, now: Time) -> Option<(TimeDelta, String)> {
    let minutes = |minutes: Option<u32>| minutes.map(|minutes| TimeDelta::minutes(i64::from(minutes)));
    let http = match (freshness.max_age, freshness.expires) {
        (Some(lasts), _) => {
            let left = lasts.saturating_sub(freshness.age);
            Some((TimeDelta::from_std(left).unwrap_or(LONGEST_WAIT), "Cache-Control max-age"))
        }
        (None, Some(expires)) => Some((expires - now, "Expires")),
        (None, None) => None,
    };
    let ttl = minutes(hints.ttl_minutes).map(|wait| (wait, "ttl"));
    let period = minutes(hints.update_minutes).map(|wait| (wait, "sy:updatePeriod"));
    let (wait, name) = [http, ttl, period].into_iter().flatten().max_by_key(|(wait, _)| *wait)?;
    let stated = span(wait);
    Some((wait.min(LONGEST_WAIT), format!("the publisher says {name} {stated}")))
}

/// If `at` falls into an hour or day that the publisher skips: the start of the next one that it does not, spread a
/// little, but no more than a day from now. `None`: `at` is as good as any, or everything is skipped.
pub(super) fn unskipped(hints: &Hints, at: Time, now: Time, name: &str) -> Option<Time> {
    let skipped = |at: Time| {
        hints.skip_hours.contains(&(at.hour() as u8))
            || hints.skip_days.contains(&(at.weekday().num_days_from_monday() as u8))
    };
    if !skipped(at) {
        return None;
    }
    let hour = at - TimeDelta::seconds(i64::from(at.minute() * 60 + at.second()));
    // A week of hours: beyond it, all are skipped, which no publisher can mean.
    let free = (1..=7 * 24).map(|hours| hour + TimeDelta::hours(hours)).find(|at| !skipped(*at))?;
    Some((free + spread(name, AFTER_SKIPPED)).min((now + LONGEST_WAIT).max(at)))
}

fn max_age<'a>(cache_control: impl IntoIterator<Item = &'a str>) -> Option<u64> {
    let mut stated = None;
    for directive in cache_control.into_iter().flat_map(|line| line.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-cache" | "no-store" => return Some(0),
            // Of several, the first counts (RFC 9111 §4.2.1).
            "max-age" if stated.is_none() => stated = delta_seconds(value.trim().trim_matches('"')),
            _ => {}
        }
    }
    stated
}

/// A number of seconds (RFC 9111 §1.2.2); one too large to hold counts as the largest.
fn delta_seconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(u64::MAX).min(i32::MAX as u64))
}

/// Any of the three forms of an HTTP date (RFC 9110 §5.6.7).
fn http_date(value: &str) -> Option<Time> {
    httpdate::parse_http_date(value.trim()).ok().map(DateTime::<Utc>::from)
}
