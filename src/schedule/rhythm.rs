//! The source's own pace: half the robust median of the gaps between the moments at which new entries were first seen.
//!
//! The gaps are measured by our own polls, so they can be no shorter than the wait between two of them; but since we ask
//! twice in every gap, each round that always finds news halves the wait, until it is right or at its lower bound.

use chrono::TimeDelta;

use super::{Bounds, span};
use crate::model::Time;

/// Moments kept: enough for a median that two odd days do not move, few enough to follow a change of habit.
pub const KEPT: usize = 16;
/// Fewer gaps than this are chance.
const LEAST_GAPS: usize = 3;
/// While nothing is known.
const DEFAULT_WAIT: TimeDelta = TimeDelta::hours(1);
/// A source that has been silent for long is asked when a twentieth of that time has passed again.
const SILENCE_SHARE: i32 = 20;

/// A wait and what it follows from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    pub wait: TimeDelta,
    pub reason: String,
}

/// Notes that new entries were seen at `now`.
pub fn note(seen: &mut Vec<Time>, now: Time) {
    // What lies in the future was seen before the clock was set back.
    seen.retain(|at| *at < now);
    seen.push(now);
    if seen.len() > KEPT {
        seen.drain(..seen.len() - KEPT);
    }
}

/// The median gap between the moments of `seen` (oldest first). `None`: too few to tell.
pub fn usual_gap(seen: &[Time]) -> Option<TimeDelta> {
    let mut gaps: Vec<TimeDelta> =
        seen.iter().zip(seen.iter().skip(1)).map(|(a, b)| *b - *a).filter(|gap| *gap > TimeDelta::zero()).collect();
    if gaps.len() < LEAST_GAPS {
        return None;
    }
    gaps.sort_unstable();
    gaps.get(gaps.len() / 2).copied()
}

/// "every 3 h": how often it brings something. `None`: too little is known.
pub fn in_words(seen: &[Time]) -> Option<String> {
    usual_gap(seen).map(|gap| format!("every {}", span(gap)))
}

/// The wait before the next poll, within the bounds.
pub fn pace(seen: &[Time], bounds: Bounds, now: Time) -> Pace {
    let Some(gap) = usual_gap(seen) else {
        let wait = bounds.clamp(silence(seen, now).max(DEFAULT_WAIT));
        return Pace { wait, reason: "too little is known of its rhythm".to_owned() };
    };
    let half = bounds.clamp(gap / 2);
    let quiet = bounds.clamp(silence(seen, now));
    if quiet > half {
        let reason = format!("silent for {}", span(silence(seen, now) * SILENCE_SHARE));
        return Pace { wait: quiet, reason };
    }
    let reason = match gap / 2 {
        exact if exact < bounds.min => format!("never sooner, though its usual gap is {}", span(gap)),
        exact if exact > bounds.max => format!("never later, though its usual gap is {}", span(gap)),
        _ => format!("half of the usual gap of {}", span(gap)),
    };
    Pace { wait: half, reason }
}

fn silence(seen: &[Time], now: Time) -> TimeDelta {
    seen.last().map_or(TimeDelta::zero(), |last| (now - *last).max(TimeDelta::zero()) / SILENCE_SHARE)
}
