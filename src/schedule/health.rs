//! Health: a source at a glance. Quiet, measured by its own rhythm, is told from broken.

use chrono::TimeDelta;

use super::{Poll, rhythm, span};
use crate::model::Time;

/// Silence of this many usual gaps is more than chance.
const MANY_GAPS: i32 = 4;
/// Nobody is called quiet for a weekend.
const LEAST_SILENCE: TimeDelta = TimeDelta::days(3);
/// A source of a few entries in all, or of one a year: silence beyond this is quiet, whatever its rhythm.
const LONG_SILENCE: TimeDelta = TimeDelta::days(365);

/// How a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// The last try failed.
    Failing,
    /// The publisher said 410.
    Gone,
    /// It answers, and has brought nothing for much longer than it usually does.
    Quiet,
    /// Not asked yet.
    Waiting,
    Well,
}

impl Health {
    /// `fails`: the last try left trouble behind. `moments`: when its latest entries came out, oldest first.
    pub fn of(fails: bool, tried: bool, poll: &Poll, moments: &[Time], now: Time) -> Health {
        match (poll.gone_since.is_some(), fails, tried) {
            (true, ..) => Health::Gone,
            (false, true, _) => Health::Failing,
            (false, false, false) => Health::Waiting,
            (false, false, true) if silence(moments, now).is_some() => Health::Quiet,
            (false, false, true) => Health::Well,
        }
    }

    /// For scripts: these words do not change.
    pub fn word(self) -> &'static str {
        match self {
            Health::Failing => "failing",
            Health::Gone => "gone",
            Health::Quiet => "quiet",
            Health::Waiting => "waiting",
            Health::Well => "well",
        }
    }
}

/// "nothing new for 12 days; its usual gap is 3 h": of a source that is quiet by its own measure.
pub fn silence(moments: &[Time], now: Time) -> Option<String> {
    let silent = now - *moments.last()?;
    let usual = rhythm::usual_gap(moments);
    let most = usual.map_or(LONG_SILENCE, |gap| (gap * MANY_GAPS).max(LEAST_SILENCE).min(LONG_SILENCE));
    if silent <= most {
        return None;
    }
    let usual = usual.map(|gap| format!("; its usual gap is {}", span(gap))).unwrap_or_default();
    Some(format!("nothing new for {}{usual}", span(silent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Time {
        Time::from_timestamp(1_700_000_000 + hours * 3600, 0).unwrap()
    }

    fn every(gap: i64) -> Vec<Time> {
        (0..10).map(|n| at(n * gap)).collect()
    }

    #[test]
    fn silence_is_measured_by_the_sources_own_rhythm() {
        let check = |gap: i64, silent: i64, quiet: bool| {
            let moments = every(gap);
            let now = *moments.last().unwrap() + TimeDelta::hours(silent);
            assert_eq!(silence(&moments, now).is_some(), quiet, "every {gap} h, silent for {silent} h");
        };
        check(1, 60, false); // a weekend
        check(1, 80, true);
        check(24 * 7, 24 * 20, false);
        check(24 * 7, 24 * 30, true);
        check(24 * 200, 24 * 300, false);
        check(24 * 200, 24 * 400, true);
    }

    #[test]
    fn too_few_entries_to_know_a_rhythm() {
        assert_eq!(silence(&[], at(0)), None);
        assert_eq!(silence(&[at(0)], at(24 * 300)), None);
        assert_eq!(silence(&[at(0)], at(24 * 400)).as_deref(), Some("nothing new for 400 days"));
    }

    #[test]
    fn broken_outranks_quiet() {
        let (poll, old, now) = (Poll::default(), every(1), at(24 * 60));
        assert_eq!(Health::of(true, true, &poll, &old, now), Health::Failing);
        assert_eq!(Health::of(false, true, &poll, &old, now), Health::Quiet);
        assert_eq!(Health::of(false, true, &poll, &old, at(10)), Health::Well);
        assert_eq!(Health::of(false, false, &poll, &[], now), Health::Waiting);
        let gone = Poll { gone_since: Some(at(0)), ..Poll::default() };
        assert_eq!(Health::of(true, true, &gone, &old, now), Health::Gone);
    }
}
