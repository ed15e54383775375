//! Which dates an entry gets when it is first seen, and how they move.

use chrono::TimeDelta;

use super::Situation;
use crate::model::{Origin, Time, YEAR_1990, is_possible};
use crate::normalize::Incoming;

/// The effective date and `updated` of a new entry. `undated`: for one whose dates say nothing.
pub(super) fn of_new(incoming: &Incoming, undated: Time, situation: Situation) -> (Time, Time) {
    let now = situation.now;
    let possible = |date: &Time| is_possible(*date, now);
    let stated = incoming.stated.published.or(incoming.fallback_date);
    let effective = match stated {
        Some(date) if possible(&date) => date,
        // A date of the year 2037 or 1970 is none: old entries of a first fetch are not on top for it.
        Some(_) => undated,
        // A feed that says only when an entry was changed says thereby that it existed then.
        None => incoming.stated.updated.filter(possible).unwrap_or(undated),
    };
    let updated = incoming.stated.updated.filter(possible).unwrap_or(effective).max(effective);
    // A feed says when it last changed, and that is never in the future.
    (effective, updated.min(now))
}

/// `updated` after a significant change: the source's own word if it can be true, else now. It only moves forward.
pub(super) fn moved(before: Time, stated: Option<Time>, now: Time) -> Time {
    stated.filter(|stated| *stated > before && *stated <= now).unwrap_or(now).max(before)
}

/// Dates of entries that state none that can be true: when first seen; in a first fetch below the oldest dated one, in
/// document order.
pub(super) struct UndatedDates {
    start: Time,
    step: TimeDelta,
}

impl UndatedDates {
    pub fn of(entries: &[Incoming], situation: Situation) -> UndatedDates {
        if !situation.first_fetch {
            return UndatedDates { start: situation.now, step: TimeDelta::zero() };
        }
        let dates =
            entries.iter().filter_map(|entry| entry.stated.published.or(entry.fallback_date).or(entry.stated.updated));
        let oldest = dates.filter(|date| *date <= situation.now && date.timestamp() >= YEAR_1990).min();
        UndatedDates { start: oldest.unwrap_or(situation.now), step: TimeDelta::seconds(1) }
    }

    pub fn at(&self, position: usize) -> Time {
        let position = i32::try_from(position + 1).unwrap_or(i32::MAX);
        self.start - self.step * position
    }
}

/// What is kept of a feed's own metadata. Many feeds state the moment of their making as their date: it counts only when
/// an entry is new or was corrected, so that a poll that brings nothing changes nothing. `told`: one was.
pub fn origin(before: Option<&Origin>, mut now: Origin, told: bool, at: Time) -> Origin {
    now.updated = now.updated.filter(|date| is_possible(*date, at)).map(|date| date.min(at));
    if let Some(before) = before
        && !told
    {
        now.updated = before.updated;
    }
    now
}
