//! Failures: how long a source or its host is left alone. Nothing is ever given up, and the first success ends it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::{LONGEST_WAIT, Poll, span};
use crate::model::Time;

/// 410: asked again after a day, then in this step.
pub const GONE_AGAIN: TimeDelta = TimeDelta::days(30);
/// A 403 this soon after a 429 is a 429: some hosts block those who came too often.
const SOON: TimeDelta = TimeDelta::hours(6);
/// While the fault is ours, we look again so soon, then ever more rarely, up to the usual interval: soon enough for those
/// who wait, and no storm of thousands of sources.
const OUTAGE_RETRY: TimeDelta = TimeDelta::minutes(2);
/// Nobody's fault for so long, though others are reached meanwhile, is theirs after all.
const LONGEST_OUTAGE: TimeDelta = TimeDelta::hours(24);
/// After so many failures in a row a source is known to be broken.
pub(super) const LONG_BROKEN: u32 = 5;
/// A source that never answered yet: somebody has just written it down and waits, and the network of a machine that is
/// being set up often comes late. Minutes after the first failure, the second ...; then the usual backoff.
const NEWCOMER: [i64; 4] = [1, 3, 10, 30];
/// The same for one that was reached and refused us, or is no feed: nothing that time mends soon.
const NEWCOMER_REFUSED: [i64; 2] = [15, 60];

/// Why a poll failed, as far as it matters for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Failure {
    /// 410.
    Gone,
    /// 404.
    NotFound,
    /// 403.
    Forbidden,
    /// 429.
    TooMany,
    /// Any other 4xx.
    Refused,
    /// 503.
    Unavailable,
    /// Any other 5xx.
    ServerError,
    /// The name does not resolve.
    Dns,
    Connect,
    Tls,
    Timeout,
    /// More bytes than `max-body`.
    TooLarge,
    /// More than one content coding, an unknown one, or one that does not decode.
    BadCoding,
    /// The connection ended before the body did.
    CutShort,
    /// The address is not a public one.
    AddressRefused,
    /// Too many, in a circle, to nowhere, or out of http and https.
    Redirects,
    /// 304, though nothing was remembered to compare with.
    UnaskedNotModified,
    /// 206, though no range was asked for.
    UnaskedPartial,
    /// A status that is neither 200 nor 304 nor any of the above.
    UnexpectedStatus,
    /// The answer is not HTTP.
    Protocol,
    /// The document is not a feed, or cannot be read at all.
    NotAFeed,
    /// The source's own settings cannot be sent (a header with a line break).
    Settings,
    /// Nothing of the publisher's: our disk, our store.
    Ours,
}

impl Failure {
    /// Does it prove that the line to the world works?
    fn reached(self) -> bool {
        use Failure::*;
        matches!(self, Gone | NotFound | Forbidden | TooMany | Refused | Settings | Ours | AddressRefused)
    }

    /// Did somebody answer, though not as hoped? What does not mend by itself within minutes.
    fn answered(self) -> bool {
        use Failure::*;
        !matches!(self, Dns | Connect | Tls | Timeout | CutShort | Protocol | Unavailable | ServerError | Ours)
    }

    pub(super) fn words(self) -> &'static str {
        use Failure::*;
        match self {
            Gone => "gone (410)",
            NotFound => "not found (404)",
            Forbidden => "forbidden (403)",
            TooMany => "too many requests (429)",
            Refused => "refused (4xx)",
            Unavailable => "unavailable (503)",
            ServerError => "server error (5xx)",
            Dns => "its name does not resolve",
            Connect => "no connection",
            Tls => "no secure connection",
            Timeout => "too slow",
            TooLarge => "too large",
            BadCoding => "content coding cannot be read",
            CutShort => "cut short",
            AddressRefused => "address is not public",
            Redirects => "redirects lead nowhere",
            UnaskedNotModified => "304 that was not asked for",
            UnaskedPartial => "206 that was not asked for",
            UnexpectedStatus => "unexpected status",
            Protocol => "not HTTP",
            NotAFeed => "not a feed",
            Settings => "its settings cannot be sent",
            Ours => "our own trouble",
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words())
    }
}

/// Why and until when a source is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Delay {
    pub until: Time,
    /// The publisher named the time: no earlier.
    pub exact: bool,
    pub reason: String,
}

/// A 403 soon after a 429 is one.
pub(super) fn meaning(failure: Failure, limited_at: Option<Time>, now: Time) -> Failure {
    let soon = limited_at.is_some_and(|at| at <= now && now - at <= SOON);
    if failure == Failure::Forbidden && soon { Failure::TooMany } else { failure }
}

/// How long a host that named a time is left alone: as long as it says, at most a day; when it keeps saying so, at
/// least a minute, then two, four ... so that "Retry-After: 1" cannot make us ask every second.
pub fn park(stated: TimeDelta, times: u32) -> TimeDelta {
    let floor = if times < 2 { TimeDelta::zero() } else { doubled(TimeDelta::minutes(1), times - 2) };
    stated.max(floor).min(LONGEST_WAIT)
}

/// The delay of a source whose normal wait would be `interval`. `None`: the last poll succeeded.
pub(super) fn delay(poll: &Poll, interval: TimeDelta, now: Time) -> Option<Delay> {
    let failure = poll.last_failure?;
    if poll.frozen {
        let reason = format!("most hosts fail, so the fault is taken to be ours ({failure})");
        let wait = doubled(OUTAGE_RETRY, poll.frozen_times.saturating_sub(1)).min(interval);
        return Some(Delay { until: now + wait, exact: false, reason });
    }
    if let Some(until) = poll.parked_until {
        let reason = format!("parked by the host for {}: {failure}", span(until - now));
        return Some(Delay { until, exact: true, reason });
    }
    let (wait, reason) = match failure {
        Failure::Gone if poll.gone_times < 2 => (LONGEST_WAIT, format!("{failure}, asked again after a day")),
        Failure::Gone => (GONE_AGAIN, format!("{failure}, asked again every month")),
        Failure::TooMany => (backed_off(interval, poll.limited_times), format!("{failure}")),
        _ => {
            let usual = backed_off(interval, poll.failures);
            let wait = newcomer(poll, failure).map_or(usual, |soon| soon.min(usual));
            let reason = match (poll.failures, poll.last_success) {
                (1, Some(_)) => format!("after a failure: {failure}"),
                (1, None) => format!("after its first try failed: {failure}"),
                (times, _) => format!("after {times} failures in a row, last: {failure}"),
            };
            (wait, reason)
        }
    };
    Some(Delay { until: now + wait, exact: false, reason })
}

/// The short ladder of a source that never answered yet. `None`: it did, or the ladder is at its end.
fn newcomer(poll: &Poll, failure: Failure) -> Option<TimeDelta> {
    if poll.last_success.is_some() {
        return None;
    }
    let ladder: &[i64] = if failure.answered() { &NEWCOMER_REFUSED } else { &NEWCOMER };
    let step = usize::try_from(poll.failures.saturating_sub(1)).ok()?;
    ladder.get(step).map(|minutes| TimeDelta::minutes(*minutes))
}

/// `interval` x 2^`times`, at most a day (or the interval itself, where that is longer).
fn backed_off(interval: TimeDelta, times: u32) -> TimeDelta {
    doubled(interval, times).min(LONGEST_WAIT.max(interval))
}

fn doubled(wait: TimeDelta, times: u32) -> TimeDelta {
    // Twenty doublings of a second are twelve days: beyond every cap, and far from an overflow.
    wait.min(TimeDelta::days(366)) * (1i32 << times.min(20))
}

/// Tells an outage of ours from troubles of theirs: when of at least five hosts asked within five minutes over 60 %
/// fail, counters freeze.
///
/// An answer with a 4xx status is a failure of the source, but proves that the line works. A host that never answered
/// says nothing of our line once another has: an old list of subscriptions is mostly dead, and must not freeze itself.
#[derive(Debug, Default)]
pub struct Outage {
    /// Oldest first; a host asked again stands here twice, the later one counts.
    asked: VecDeque<(Time, Arc<str>)>,
    /// Host -> when it was asked last, and whether it failed.
    hosts: HashMap<Arc<str>, (Time, bool)>,
    failing: usize,
    /// When anybody was reached last.
    reached: Option<Time>,
}

impl Outage {
    const WINDOW: TimeDelta = TimeDelta::minutes(5);
    const LEAST_HOSTS: usize = 5;

    /// `host`: its bucket. `failure`: `None` for a success. `proven`: the source has answered before, and not failed many
    /// times in a row since.
    pub fn note(&mut self, host: impl Into<Arc<str>>, failure: Option<Failure>, proven: bool, now: Time) {
        self.forget(now);
        let failed = failure.is_some_and(|failure| !failure.reached());
        if failed && !proven && self.reached.is_some() {
            return;
        }
        if !failed {
            self.reached = Some(now);
        }
        let host: Arc<str> = host.into();
        if let Some((_, before)) = self.hosts.insert(host.clone(), (now, failed)) {
            self.failing -= usize::from(before);
        }
        self.failing += usize::from(failed);
        self.asked.push_back((now, host));
    }

    /// Is the fault ours?
    pub fn is_ours(&mut self, now: Time) -> bool {
        self.forget(now);
        let asked = self.hosts.len();
        asked >= Self::LEAST_HOSTS && self.failing * 10 > asked * 6
    }

    /// Is it ours for this source too? Not where somebody answered, whatever he said; and not for ever, when others are
    /// reached meanwhile.
    pub fn freezes(&mut self, poll: &Poll, failure: Failure, now: Time) -> bool {
        let long = poll
            .frozen_since
            .is_some_and(|since| now - since > LONGEST_OUTAGE && self.reached.is_some_and(|reached| reached > since));
        self.is_ours(now) && !failure.reached() && !long
    }

    fn forget(&mut self, now: Time) {
        // Before the clock was set back.
        self.reached = self.reached.map(|at| at.min(now));
        // What lies in the future was asked before the clock was set back.
        let stale = |at: Time| at > now || now - at > Self::WINDOW;
        while self.asked.front().is_some_and(|(at, _)| stale(*at)) {
            let Some((at, host)) = self.asked.pop_front() else { break };
            if self.hosts.get(&host).is_some_and(|(last, _)| *last == at)
                && let Some((_, failed)) = self.hosts.remove(&host)
            {
                self.failing -= usize::from(failed);
            }
        }
    }
}
