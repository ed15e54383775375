//! Schedule: what is known of a source and now, in; when to ask again and why, out.
//!
//! May use: `model`, the hints and the candidates of `parse`. Never: a clock, the disk, the network, `tokio`; `now` is a parameter, so that
//! every rule is a table in a test and a clock that jumps is only another value.
//!
//! ```text
//! hints    what the publisher wishes (HTTP freshness, ttl, skipHours ...): raises the wait, never lowers it
//! rhythm   the source's own pace, learned from when its entries were first seen
//! backoff  failures, parking, 410, and the outage that is ours
//! moved    permanent redirects: adopted after three agreeing successes, left after three failures
//! found    the feed that a web page led to: looked for once, then asked in its place
//! cron     the operator's word
//! health   a source at a glance: quiet told from broken
//! learned  the rate that a host allows, from its refusals
//! queue    due sources in buckets of their hosts, so that none delays another
//! ```

pub mod backoff;
pub mod cron;
pub mod found;
pub mod health;
pub mod hints;
pub mod learned;
pub mod moved;
pub mod queue;
pub mod rhythm;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use url::Url;

pub use backoff::{Failure, Outage};
pub use cron::{CronError, CronLine};
pub use found::Found;
pub use health::Health;
pub use hints::Freshness;
pub use moved::Moved;

use crate::model::{Time, compact};
use crate::parse::feed::Hints;

/// No hint, backoff or parking of a host holds a source longer than this.
pub const LONGEST_WAIT: TimeDelta = TimeDelta::hours(24);

/// A source that is new is asked within this many seconds, spread by its name.
const FIRST_POLL_SPREAD_SECS: u64 = 5;

/// When a source is polled.
#[derive(Debug, Clone, PartialEq)]
pub enum Cadence {
    /// From the source's own rhythm.
    Adaptive,
    /// The operator's word: only parking, backoff and the budgets of hosts delay it.
    Cron(CronLine),
}

impl Cadence {
    /// Another one where the times of polls would be others: a change of the configuration is seen over a restart, too.
    pub fn print(&self, bounds: Bounds) -> u64 {
        print_of(&match self {
            Cadence::Adaptive => format!("{} {}", bounds.min, bounds.max),
            Cadence::Cron(line) => format!("{line} {}", line.zone()),
        })
    }
}

/// `[schedule] min` and `max`: bounds of the adaptive interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub min: TimeDelta,
    pub max: TimeDelta,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { min: TimeDelta::minutes(15), max: TimeDelta::hours(24) }
    }
}

impl Bounds {
    fn clamp(&self, wait: TimeDelta) -> TimeDelta {
        // Not `clamp`, which panics when an operator writes min over max. A year is as good as never.
        wait.min(self.max).max(self.min).min(TimeDelta::days(366))
    }
}

/// What is remembered of a source between polls; a row of the store.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Poll {
    #[serde(with = "compact::moment", skip_serializing_if = "compact::usual")]
    pub last_try: Option<Time>,
    /// Last 200 that was read, or 304.
    #[serde(with = "compact::moment", skip_serializing_if = "compact::usual")]
    pub last_success: Option<Time>,
    /// In a row; 0 after a success.
    #[serde(skip_serializing_if = "compact::usual")]
    pub failures: u32,
    /// Why the last try failed; `None` after a success.
    #[serde(skip_serializing_if = "compact::usual")]
    pub last_failure: Option<Failure>,
    /// The failures are ours: more than half of all hosts fail, so nothing is held against this one.
    #[serde(skip_serializing_if = "compact::usual")]
    pub frozen: bool,
    /// Since when, and how many tries in a row.
    #[serde(with = "compact::moment", skip_serializing_if = "compact::usual")]
    pub frozen_since: Option<Time>,
    #[serde(skip_serializing_if = "compact::usual")]
    pub frozen_times: u32,
    /// The first 410 since the last success.
    #[serde(with = "compact::moment", skip_serializing_if = "compact::usual")]
    pub gone_since: Option<Time>,
    /// How often the source was found gone since then.
    #[serde(skip_serializing_if = "compact::usual")]
    pub gone_times: u32,
    /// The last 429; a 403 soon after means the same.
    #[serde(with = "compact::moment", skip_serializing_if = "compact::usual")]
    pub limited_at: Option<Time>,
    /// 429 (or 503 with Retry-After) in a row.
    #[serde(skip_serializing_if = "compact::usual")]
    pub limited_times: u32,
    /// The host asked to be left alone until then.
    #[serde(with = "compact::moment", skip_serializing_if = "compact::usual")]
    pub parked_until: Option<Time>,
    /// Wishes inside the last document that was parsed.
    #[serde(skip_serializing_if = "compact::usual")]
    pub hints: Hints,
    /// Wishes of the last heads.
    #[serde(skip_serializing_if = "compact::usual")]
    pub freshness: Freshness,
    /// Distinct instants at which new entries were first seen, oldest first, at most [`rhythm::KEPT`].
    #[serde(with = "compact::moments", skip_serializing_if = "compact::usual")]
    pub seen: Vec<Time>,
    /// The feed that the configured web page led to.
    #[serde(skip_serializing_if = "compact::usual")]
    pub found: Found,
    /// Permanent redirects, of the configured URL or of the feed found in its place.
    #[serde(skip_serializing_if = "compact::usual")]
    pub moved: Moved,
    /// [`Cadence::print`] of the one that gave the next poll its time.
    #[serde(skip_serializing_if = "compact::usual")]
    pub paced_by: Option<u64>,
}

/// How a poll ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A 200 that was read and parsed; `entries` are new to us.
    Changed { entries: usize, hints: Hints, freshness: Freshness },
    /// A 304, or a 200 with the bytes of the last one.
    NotModified { freshness: Freshness },
    /// `retry_after` as stated with a 429 or 503, already relative to now. `frozen`: [`Outage`] says the fault is ours.
    Failed { failure: Failure, retry_after: Option<TimeDelta>, frozen: bool },
}

/// When to ask again, and why, in words for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextPoll {
    pub at: Time,
    pub reason: String,
}

impl Poll {
    /// The URL to ask now: behind the configured one may stand a feed that was found, behind that one a redirect.
    pub fn ask<'a>(&'a self, configured: &'a Url) -> &'a Url {
        self.moved.ask(self.found.ask(configured))
    }

    /// The URL that the operator should write instead of the configured one, and why.
    pub fn suggestion(&self, configured: &Url) -> Option<(&Url, &'static str)> {
        let moved = || Some((self.moved.suggestion(self.found.ask(configured))?, "it has moved for good"));
        let found = || Some((self.found.suggestion(configured)?, "found on the web page"));
        moved().or_else(found)
    }

    /// Takes one outcome in. Call it once for each poll, then [`next_poll`].
    pub fn record(&mut self, outcome: &Outcome, now: Time) {
        if let Some(last) = self.last_try.replace(now) {
            self.unwatched(now - last);
        }
        match outcome {
            Outcome::Changed { entries, hints, freshness } => {
                self.succeeded(now);
                self.hints = hints.clone();
                self.freshness = *freshness;
                if *entries > 0 {
                    rhythm::note(&mut self.seen, now);
                }
            }
            Outcome::NotModified { freshness } => {
                self.succeeded(now);
                self.freshness = self.freshness.updated(*freshness);
            }
            Outcome::Failed { failure, retry_after, frozen } => self.failed(*failure, *retry_after, *frozen, now),
        }
    }

    /// Has it answered before, and not been failing for long? Only then do its failures say something of our own line.
    pub fn proven(&self) -> bool {
        self.last_success.is_some() && self.failures < backoff::LONG_BROKEN
    }

    /// Time in which nobody looked (we were down, the clock jumped, or was set back) is no silence of the source: what
    /// was seen before moves along with it.
    fn unwatched(&mut self, elapsed: TimeDelta) {
        if elapsed < TimeDelta::zero() || elapsed > LONGEST_WAIT * 2 {
            self.seen = self.seen.iter().filter_map(|at| at.checked_add_signed(elapsed)).collect();
        }
    }

    fn succeeded(&mut self, now: Time) {
        self.last_success = Some(now);
        self.failures = 0;
        self.last_failure = None;
        self.thaw();
        self.gone_since = None;
        self.gone_times = 0;
        self.limited_times = 0;
        self.parked_until = None;
    }

    fn thaw(&mut self) {
        self.frozen = false;
        self.frozen_since = None;
        self.frozen_times = 0;
    }

    fn failed(&mut self, failure: Failure, retry_after: Option<TimeDelta>, frozen: bool, now: Time) {
        let failure = backoff::meaning(failure, self.limited_at, now);
        self.last_failure = Some(failure);
        self.parked_until = None;
        if frozen {
            self.frozen = true;
            self.frozen_since.get_or_insert(now);
            self.frozen_times = self.frozen_times.saturating_add(1);
            return;
        }
        self.thaw();
        self.failures = self.failures.saturating_add(1);
        if failure == Failure::Gone {
            self.gone_since.get_or_insert(now);
            self.gone_times = self.gone_times.saturating_add(1);
        }
        if failure == Failure::TooMany {
            self.limited_at = Some(now);
        }
        let usable = retry_after.filter(|wait| *wait >= TimeDelta::seconds(1));
        if failure == Failure::TooMany || (failure == Failure::Unavailable && usable.is_some()) {
            self.limited_times = self.limited_times.saturating_add(1);
            self.parked_until = usable.map(|wait| now + backoff::park(wait, self.limited_times));
        } else {
            self.limited_times = 0;
        }
    }
}

/// When to ask a source that was last tried at `now`, after [`Poll::record`].
///
/// `name` spreads sources that would otherwise be asked in the same second: never earlier, at most a tenth of the wait
/// later. A cron line is kept to the second.
pub fn next_poll(cadence: &Cadence, bounds: Bounds, poll: &Poll, now: Time, name: &str) -> NextPoll {
    match cadence {
        Cadence::Adaptive => adaptive(bounds, poll, now, name),
        Cadence::Cron(line) => by_cron(line, poll, now, name),
    }
}

/// A source that was never polled is due at once, spread over a few seconds.
pub fn first_poll(name: &str, now: Time) -> NextPoll {
    NextPoll { at: now + spread(name, TimeDelta::seconds(FIRST_POLL_SPREAD_SECS as i64)), reason: "new".to_owned() }
}

/// The stored time of a source's next poll, made usable at a start. Nobody is asked early; but if the last try lies in
/// the future, the clock was set back since, and the wait that was meant counts from now.
pub fn resume(next: Time, last_try: Option<Time>, now: Time) -> Time {
    let set_back = last_try.map_or(TimeDelta::zero(), |tried| (tried - now).max(TimeDelta::zero()));
    let next = next.checked_sub_signed(set_back).unwrap_or(now);
    // A time that comes of no try is none that anybody stated: it may be of a clock that ran ahead.
    if last_try.is_some() { next } else { next.min(now + backoff::GONE_AGAIN + LONGEST_WAIT) }
}

fn adaptive(bounds: Bounds, poll: &Poll, now: Time, name: &str) -> NextPoll {
    let pace = rhythm::pace(&poll.seen, bounds, now);
    if let Some(delay) = backoff::delay(poll, pace.wait, now) {
        return after_failure(delay, poll, now, name);
    }
    let wish = hints::wish(&poll.freshness, &poll.hints, now);
    let (wait, reason) = match wish {
        Some((wish, who)) if wish > pace.wait => (wish, who),
        _ => (pace.wait, pace.reason),
    };
    // Spread first: the hour it then falls into is the one that must not be skipped.
    let at = now + wait + spread(name, wait / 10);
    match hints::unskipped(&poll.hints, at, now, name) {
        Some(later) => NextPoll { at: later, reason: format!("at {}: {}", clock(later, now), hints::SKIPPED) },
        None => NextPoll { at, reason: format!("in {}: {reason}", span(wait)) },
    }
}

/// What was said with the last success still holds: an update by hand that fails is no reason to come back early.
fn after_failure(delay: backoff::Delay, poll: &Poll, now: Time, name: &str) -> NextPoll {
    let next = delayed(delay, now, name);
    let wish = poll.last_success.and_then(|success| {
        // The clock may have been set back since.
        let success = success.min(now);
        let (wish, who) = hints::wish(&poll.freshness, &poll.hints, success)?;
        Some((success + wish, who)).filter(|(until, _)| *until > next.at)
    });
    let next = match wish {
        Some((at, who)) => NextPoll { at, reason: format!("in {}: {who}", span(at - now)) },
        None => next,
    };
    match hints::unskipped(&poll.hints, next.at, now, name) {
        Some(at) if at > next.at => NextPoll { at, reason: format!("at {}: {}", clock(at, now), hints::SKIPPED) },
        _ => next,
    }
}

fn by_cron(line: &CronLine, poll: &Poll, now: Time, name: &str) -> NextPoll {
    let Some(tick) = line.after(now) else {
        // The line has no tick left before the year 2100: as good as never, but not forgotten.
        let at = now + backoff::GONE_AGAIN;
        return NextPoll { at, reason: format!("schedule \"{line}\" has no tick left; in {}", span(at - now)) };
    };
    let Some(delay) = backoff::delay(poll, tick - now, now) else {
        return NextPoll { at: tick, reason: format!("at {}: schedule \"{line}\"", clock(tick, now)) };
    };
    if poll.frozen {
        return delayed(delay, now, name);
    }
    // A tick that comes a little before the delay has passed is good enough: a daily line stays daily.
    let earliest = if delay.exact { delay.until } else { delay.until - (delay.until - now) / 50 };
    let at = line.after(earliest - TimeDelta::seconds(1)).unwrap_or(delay.until).max(tick);
    NextPoll { at, reason: format!("at {}: schedule \"{line}\", {}", clock(at, now), delay.reason) }
}

fn delayed(delay: backoff::Delay, now: Time, name: &str) -> NextPoll {
    let wait = delay.until - now;
    let at = delay.until + spread(name, wait / 10);
    // The cap holds with the spread, but for what was asked for to the second.
    let at = if delay.exact { at } else { at.min(now + wait.max(LONGEST_WAIT)) };
    NextPoll { at, reason: format!("in {}: {}", span(at - now), delay.reason) }
}

/// A share of `range`, always the same for one name.
fn spread(name: &str, range: TimeDelta) -> TimeDelta {
    let seconds = range.num_seconds().max(0) as u64 + 1;
    TimeDelta::seconds((print_of(name) % seconds) as i64)
}

/// The same in every version and on every machine.
fn print_of(text: &str) -> u64 {
    blake3::hash(text.as_bytes()).as_bytes().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// "40 min", "2 h 30 min", "3 days": for people.
pub(crate) fn span(wait: TimeDelta) -> String {
    let seconds = wait.num_seconds().max(0);
    let minutes = (seconds + 30) / 60;
    match (seconds, minutes / 60, minutes % 60) {
        (0..100, _, _) => format!("{seconds} s"),
        (_, 0, minutes) => format!("{minutes} min"),
        (_, hours @ 0..48, 0) => format!("{hours} h"),
        (_, hours @ 0..48, minutes) => format!("{hours} h {minutes} min"),
        (_, hours, _) => format!("{} days", (hours + 12) / 24),
    }
}

/// Time of day in UTC, with the date when it is not today's.
fn clock(at: Time, now: Time) -> String {
    let form = if at.date_naive() == now.date_naive() { "%H:%M" } else { "%Y-%m-%d %H:%M" };
    format!("{} UTC", at.format(form))
}

#[cfg(test)]
mod tests;
