//! Index: texts of the last 72 hours by their anchors. One look costs the same whatever the number of texts.
//!
//! It is only a hint: who is found is compared, who is not found any more is harmless. The store keeps the anchors and
//! fills it again after a start.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use crate::model::Time;

/// Two copies of one story are first seen within this time of each other.
pub const WINDOW_HOURS: i64 = 72;
/// Texts leave the index a segment at a time.
const SEGMENT_HOURS: i64 = 6;
/// An anchor that so many texts of a segment share is a phrase that stands under everything.
const COMMON: usize = 32;
/// One anchor may be a phrase of the house; copies share several.
const LEAST_SHARED: usize = 2;
/// Texts that are worth a comparison, at most.
const MOST_CANDIDATES: usize = 8;

/// See the module. 100,000 texts take about 14 MB.
#[derive(Debug, Default)]
pub struct Index {
    /// By the hour at which they begin, in hours since 1970.
    segments: BTreeMap<i64, Segment>,
}

impl Index {
    pub fn insert(&mut self, first_seen: Time, row: i64, anchors: &[u32]) {
        if !anchors.is_empty() {
            self.segments.entry(segment(first_seen)).or_default().insert(row, anchors);
        }
    }

    /// Rows of texts that share at least two anchors, those that share most first, of several the oldest.
    pub fn candidates(&self, first_seen: Time, anchors: &[u32]) -> Vec<i64> {
        let window = TimeDelta::hours(WINDOW_HOURS);
        let mut found: BTreeMap<i64, usize> = BTreeMap::new();
        for near in self.segments.range(segment(first_seen - window)..=segment(first_seen + window)) {
            near.1.find(anchors, |row| *found.entry(row).or_default() += 1);
        }
        let mut found: Vec<(i64, usize)> = found.into_iter().filter(|(_, shared)| *shared >= LEAST_SHARED).collect();
        found.sort_by_key(|(row, shared)| (std::cmp::Reverse(*shared), *row));
        found.truncate(MOST_CANDIDATES);
        found.into_iter().map(|(row, _)| row).collect()
    }

    /// Let go of what nothing first seen from `now` on can be a copy of.
    pub fn forget(&mut self, now: Time) {
        let oldest = segment(now - TimeDelta::hours(WINDOW_HOURS));
        self.segments.retain(|begin, _| *begin >= oldest);
    }

    /// Texts in it.
    pub fn len(&self) -> usize {
        self.segments.values().map(|segment| segment.rows.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }
}

fn segment(time: Time) -> i64 {
    time.timestamp().div_euclid(3600 * SEGMENT_HOURS) * SEGMENT_HOURS
}

/// Open addressing, so that an anchor costs eight bytes and not a small object.
#[derive(Debug, Default)]
struct Segment {
    rows: Vec<i64>,
    /// Anchor, and place in `rows` plus one; 0 is a free slot. A power of two of them, at most three quarters full.
    slots: Vec<(u32, u32)>,
    used: usize,
}

impl Segment {
    fn insert(&mut self, row: i64, anchors: &[u32]) {
        // So many texts in six hours are more than any desk reads.
        let Ok(place) = u32::try_from(self.rows.len() + 1) else { return };
        self.rows.push(row);
        if (self.used + anchors.len()) * 4 > self.slots.len() * 3 {
            self.grow(anchors.len());
        }
        for anchor in anchors {
            self.put(*anchor, place);
        }
    }

    fn put(&mut self, anchor: u32, place: u32) {
        let mut alike = 0;
        let mut at = self.start(anchor);
        while let Some(slot) = self.slots.get_mut(at) {
            if slot.1 == 0 {
                *slot = (anchor, place);
                self.used += 1;
                return;
            }
            alike += usize::from(slot.0 == anchor);
            if alike > COMMON {
                return;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn find(&self, anchors: &[u32], mut found: impl FnMut(i64)) {
        for anchor in anchors {
            let mut rows = [0; COMMON];
            let mut count = 0;
            let mut at = self.start(*anchor);
            while let Some(&(known, place)) = self.slots.get(at).filter(|slot| slot.1 != 0) {
                if known == *anchor {
                    if let (Some(slot), Some(row)) = (rows.get_mut(count), self.rows.get(place as usize - 1)) {
                        *slot = *row;
                    }
                    count += 1;
                }
                at = (at + 1) & (self.slots.len() - 1);
            }
            if count <= COMMON {
                rows.iter().take(count).for_each(|row| found(*row));
            }
        }
    }

    fn start(&self, anchor: u32) -> usize {
        // Anchors are mixed hashes already.
        anchor as usize & self.slots.len().saturating_sub(1)
    }

    fn grow(&mut self, more: usize) {
        let wanted = ((self.used + more) * 2).next_power_of_two().max(64);
        let before = std::mem::replace(&mut self.slots, vec![(0, 0); wanted]);
        self.used = 0;
        for (anchor, place) in before.into_iter().filter(|slot| slot.1 != 0) {
            self.put(anchor, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn at(hour: i64) -> Time {
        DateTime::from_timestamp(1_700_000_000 + hour * 3600, 0).unwrap()
    }

    #[test]
    fn who_shares_most_comes_first() {
        let mut index = Index::default();
        index.insert(at(0), 1, &[10, 20, 30]);
        index.insert(at(7), 2, &[10, 21, 30]);
        index.insert(at(8), 3, &[10, 21, 30]);
        index.insert(at(8), 4, &[10, 22, 32]);
        assert_eq!(index.candidates(at(9), &[10, 21, 30]), [2, 3, 1], "one anchor alone leads nowhere");
        assert_eq!(index.candidates(at(9), &[44]), [0; 0]);
    }

    #[test]
    fn what_is_too_old_is_let_go() {
        let mut index = Index::default();
        index.insert(at(0), 1, &[10, 11]);
        index.insert(at(50), 2, &[10, 11]);
        index.forget(at(100));
        assert_eq!((index.len(), index.candidates(at(100), &[10, 11])), (1, vec![2]));
    }

    #[test]
    fn a_phrase_under_everything_leads_nowhere() {
        let mut index = Index::default();
        for row in 0..1000 {
            index.insert(at(0), row, &[7, 1000 + row as u32, 5000 + row as u32]);
        }
        assert_eq!(index.candidates(at(1), &[7, 1500, 5500]), [500]);
    }

    #[test]
    fn many_are_all_found_again() {
        let mut index = Index::default();
        let anchors = |row: i64| [(row as u32).wrapping_mul(2_654_435_761), row as u32 ^ 0x9E37_79B9];
        for row in 1..20_000 {
            index.insert(at(row / 500), row, &anchors(row));
        }
        for row in [1, 77, 9_999, 19_999] {
            assert!(index.candidates(at(30), &anchors(row)).contains(&row));
        }
    }
}
