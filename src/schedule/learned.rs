//! The rate that a host allows, learned from its refusals: found by halving the distance, from the polite side.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use crate::model::Time;

/// The slowest rate that is learned.
const SLOWEST: TimeDelta = TimeDelta::hours(1);
/// A Retry-After up to this is read as what was missing between two requests; a longer one as a penalty, which says
/// nothing of the rate.
const LONGEST_GAP: TimeDelta = TimeDelta::minutes(5);
/// The first guess after a penalty: what the strict ones among the public hosts allow.
const AFTER_PENALTY: TimeDelta = TimeDelta::minutes(1);
/// Once in this time a learned interval comes a quarter closer to the one that was too short.
const EASED_EVERY: TimeDelta = TimeDelta::hours(24);
/// After this time without a refusal, what was too short then is tried again.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::days(7);

/// What one host has taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// Between two starts, milliseconds.
    pub interval_millis: i64,
    /// The interval at which the host refused, milliseconds: not gone below until it is forgotten.
    pub too_short_millis: i64,
    /// The interval before it was eased last, milliseconds: that one was long enough. 0: none is known.
    #[serde(default)]
    pub worked_millis: i64,
    /// The last refusal.
    pub refused: Time,
    /// The last refusal, or the last time that the interval was eased.
    pub since: Time,
}

impl Learned {
    /// A request was one too many although `too_short` had passed since the one before. `before`: what was known then.
    pub(super) fn from_refusal(
        before: Option<Learned>,
        too_short: TimeDelta,
        retry_after: Option<TimeDelta>,
        now: Time,
    ) -> Learned {
        let second = TimeDelta::seconds(1);
        let worked = before.map_or(0, |before| before.worked_millis);
        let interval = match retry_after {
            // A little more than was asked for: clocks differ.
            Some(wait) if wait <= LONGEST_GAP => too_short + wait.max(TimeDelta::zero()) + second,
            // Eased too far: back to what was long enough.
            _ if worked > too_short.num_milliseconds() => TimeDelta::milliseconds(worked),
            Some(_) => (too_short * 2).max(AFTER_PENALTY),
            None => too_short.max(second) * 2,
        };
        Learned {
            interval_millis: interval.min(SLOWEST).num_milliseconds(),
            too_short_millis: too_short.num_milliseconds(),
            worked_millis: 0,
            refused: now,
            since: now,
        }
    }

    pub(super) fn interval(&self) -> TimeDelta {
        TimeDelta::milliseconds(self.interval_millis)
    }

    /// After a day without a refusal a little less is tried. `None`: back at `least`, there is nothing left to know.
    pub(super) fn eased(self, least: TimeDelta, now: Time) -> Option<Learned> {
        if now - self.since < EASED_EVERY {
            return Some(self);
        }
        let forgotten = now - self.refused >= FORGOTTEN_AFTER;
        let too_short_millis = if forgotten { self.too_short_millis / 2 } else { self.too_short_millis };
        let distance = (self.interval_millis - too_short_millis).max(0);
        let eased = Learned {
            interval_millis: too_short_millis + distance / 4 * 3,
            too_short_millis,
            worked_millis: self.interval_millis,
            since: now,
            ..self
        };
        Some(eased).filter(|eased| eased.interval() > least)
    }

    /// The clock was set back.
    pub(super) fn moved_back(self, by: TimeDelta) -> Learned {
        Learned { since: self.since - by, refused: self.refused - by, ..self }
    }
}
