//! What stands in the current document of a section that keeps an archive (RFC 5005 §4).
//!
//! The current document holds the newest entries by date, and every entry that no document behind it holds; it leads to
//! the newest document none of whose entries it holds itself. So whoever follows `prev-archive` from it meets every
//! entry, and none twice. A late entry with an old date takes the next number, stands at the bottom of the current
//! document until that is full, and then in the newest document of the archive: nothing shifts.
//!
//! One thing outranks "none twice": a flood of old entries, such as the first fetch of a large feed, would push the
//! day's news behind hundreds of numbers. The current document would have to grow until it holds them all; instead it
//! leads to a document that repeats some of its entries, byte for byte, under the same ids. So it does where
//! `max-per-source` hides entries: they are met in the newest full document, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;

use super::{Priority, capped, is_young, sort};
use crate::model::{Section, Shelf, Standing, Time};

/// A corrected entry that only the archive holds stands in the current document for so long, too; as far as
/// `max-per-source` has room for it.
pub const CORRECTED: TimeDelta = TimeDelta::days(7);

/// Entries in one document of an archive: half of what the current one holds, so that this always covers the newest.
pub fn size(section: &Section) -> u64 {
    (section.limit / 2).max(1) as u64
}

/// The current document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Current {
    /// In order.
    pub entries: Vec<Standing>,
    /// The document that it leads to.
    pub previous: Option<u64>,
}

/// Beyond the newest `limit` the current document holds at most so many entries because no document behind it does.
fn most_beyond(section: &Section, shelf: &Shelf) -> u64 {
    (section.limit as u64).max(shelf.size.saturating_mul(2))
}

/// So many corrections are looked at: where a source may fill up its room, more than can be shown.
pub fn most_corrected(section: &Section) -> usize {
    if section.max_per_source.is_some() { section.limit.saturating_mul(8) } else { section.limit }
}

/// Documents before the newest, full one whose entries the current document may hold.
pub fn reach(section: &Section, shelf: &Shelf) -> u64 {
    (section.limit as u64 + most_beyond(section, shelf)).div_ceil(shelf.size.max(1))
}

/// `window`: the newest by date. `latest`: all numbers after the last of the document that lies [`reach`] before the
/// newest. `corrected`: the last [`most_corrected`], corrected since `now` - [`CORRECTED`].
pub fn current(
    section: &Section,
    shelf: &Shelf,
    window: Vec<Standing>,
    latest: Vec<Standing>,
    corrected: Vec<Standing>,
    priority: Priority<'_>,
    now: Time,
) -> Current {
    let mut shown = capped(section, window.into_iter().chain(latest).collect(), priority, now);
    let beyond = shown.split_off(shown.len().min(section.limit));
    let last = behind(section, shelf, &shown, &beyond);
    shown.extend(beyond.into_iter().filter(|standing| is_ahead(standing, last.0)));
    let here: BTreeSet<i64> = shown.iter().map(|standing| standing.row).collect();
    let mut room = Room::left(section, &shown);
    let told = corrected.into_iter().filter(|standing| {
        let is_told = !here.contains(&standing.row) && standing.number.is_some() && is_young(section, standing, now);
        is_told && room.takes(&standing.source)
    });
    shown.extend(told.take(section.limit));
    sort(&mut shown, priority);
    Current { entries: shown, previous: Some(last.1).filter(|document| shelf.holds(*document)) }
}

/// How many entries of each source are shown, where a section takes only so many.
struct Room {
    most: Option<usize>,
    shown: BTreeMap<String, usize>,
}

impl Room {
    fn left(section: &Section, shown: &[Standing]) -> Room {
        let mut room = Room { most: section.max_per_source, shown: BTreeMap::new() };
        for standing in shown {
            room.takes(&standing.source);
        }
        room
    }

    fn takes(&mut self, source: &str) -> bool {
        let Some(most) = self.most else { return true };
        let shown = self.shown.entry(source.to_owned()).or_default();
        *shown += 1;
        *shown <= most
    }
}

/// The last number behind the current document, and the document it stands in: before all that the newest are, if what
/// else has to stand in the current document then is not too much.
fn behind(section: &Section, shelf: &Shelf, newest: &[Standing], beyond: &[Standing]) -> (u64, u64) {
    if shelf.size == 0 {
        return (0, 0);
    }
    if section.max_per_source.is_some() {
        // What the cap hides stands in no current document: the newest full one leads to all of it.
        return (shelf.last_of(shelf.newest()), shelf.newest());
    }
    let lowest = newest.iter().filter_map(|standing| standing.number).min();
    let clear = lowest.map_or(shelf.newest(), |lowest| (lowest - 1) / shelf.size);
    let farthest = shelf.newest().saturating_sub(reach(section, shelf));
    let mut document = clear.clamp(farthest, shelf.newest());
    let most = usize::try_from(most_beyond(section, shelf)).unwrap_or(usize::MAX);
    // A document more leaves at least one number fewer: `reach` steps at most.
    while document < shelf.newest()
        && beyond.iter().filter(|standing| is_ahead(standing, shelf.last_of(document))).count() > most
    {
        document += 1;
    }
    (shelf.last_of(document), document)
}

fn is_ahead(standing: &Standing, last: u64) -> bool {
    standing.number.is_some_and(|number| number > last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::EntryId;

    fn at(second: i64) -> Time {
        Time::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn section(limit: usize) -> Section {
        Section {
            name: "s".into(),
            title: "S".into(),
            description: None,
            language: None,
            aliases: Vec::new(),
            sources: Vec::new(),
            categories: Vec::new(),
            include: Vec::new(),
            limit,
            max_age: None,
            keep: None,
            max_per_source: None,
            merges_copies: true,
            settle: TimeDelta::zero(),
            full_text: true,
            attribution: false,
        }
    }

    /// What the store does, in memory.
    #[derive(Default)]
    struct Desk {
        entries: BTreeMap<i64, Standing>,
        shelf: Shelf,
        rows: i64,
    }

    impl Desk {
        fn join(&mut self, section: &Section, dates: &[i64]) {
            self.shelf.size = if self.shelf.size == 0 { size(section) } else { self.shelf.size };
            self.shelf.from = self.shelf.from.max(1);
            let mut dates = dates.to_vec();
            dates.sort_unstable();
            for date in dates {
                self.rows += 1;
                self.shelf.numbered += 1;
                let standing = Standing {
                    row: self.rows,
                    id: EntryId(format!("urn:{}", self.rows)),
                    source: format!("source {}", self.rows % 3),
                    effective: at(date),
                    updated: at(date),
                    number: Some(self.shelf.numbered),
                    corrected: None,
                    version: [0; 16],
                };
                self.entries.insert(self.rows, standing);
            }
        }

        fn current(&self, section: &Section, now: i64) -> Current {
            let mut window: Vec<Standing> = self.entries.values().cloned().collect();
            sort(&mut window, &|_| 0);
            window.truncate(section.limit);
            let after = self.shelf.last_of(self.shelf.newest().saturating_sub(reach(section, &self.shelf)));
            let latest = self.entries.values().filter(|standing| standing.number > Some(after)).cloned();
            let since = at(now) - CORRECTED;
            let corrected = self.entries.values().filter(|s| s.corrected.is_some_and(|when| when > since)).cloned();
            current(section, &self.shelf, window, latest.collect(), corrected.collect(), &|_| 0, at(now))
        }

        /// The newest by date reach so far back among the numbers that the current document would grow too large.
        fn is_flooded(&self, section: &Section) -> bool {
            let mut newest: Vec<&Standing> = self.entries.values().collect();
            newest.sort_by_key(|standing| (std::cmp::Reverse(standing.effective), &standing.id));
            let beyond = newest.split_off(newest.len().min(section.limit));
            let lowest = newest.iter().filter_map(|standing| standing.number).min().unwrap_or(1);
            let clear = (lowest - 1) / self.shelf.size.max(1);
            let ahead = beyond.iter().filter(|standing| is_ahead(standing, self.shelf.last_of(clear))).count();
            ahead as u64 > most_beyond(section, &self.shelf)
                || clear + reach(section, &self.shelf) < self.shelf.newest()
        }

        fn document(&self, number: u64) -> Vec<i64> {
            let numbers = self.shelf.last_of(number - 1) + 1..=self.shelf.last_of(number);
            let held = self.entries.values().filter(|s| s.number.is_some_and(|number| numbers.contains(&number)));
            held.map(|standing| standing.row).collect()
        }
    }

    fn rows(current: &Current) -> Vec<i64> {
        current.entries.iter().map(|standing| standing.row).collect()
    }

    /// One source is hidden but for one entry: all the others are met behind the current document.
    #[test]
    fn what_a_cap_hides_is_met_in_the_archive() {
        let section = Section { max_per_source: Some(1), ..section(4) };
        let mut desk = Desk::default();
        (1..=12).for_each(|date| desk.join(&section, &[date]));
        let current = desk.current(&section, 20);
        assert_eq!(current.previous, Some(desk.shelf.newest()));
        let mut met = rows(&current);
        (1..=desk.shelf.newest()).for_each(|number| met.extend(desk.document(number)));
        assert_eq!(met.into_iter().collect::<BTreeSet<i64>>(), (1..=12).collect());
    }

    #[test]
    fn corrections_do_not_pass_a_cap() {
        let mut section = Section { max_per_source: Some(2), ..section(4) };
        let mut desk = Desk::default();
        (1..=30).for_each(|date| desk.join(&section, &[date]));
        for row in 1..=9 {
            desk.entries.get_mut(&row).unwrap().corrected = Some(at(0));
        }
        let of_source = |current: &Current| {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            current.entries.iter().for_each(|standing| *counts.entry(standing.source.clone()).or_default() += 1);
            counts.into_values().max()
        };
        assert_eq!(of_source(&desk.current(&section, 40)), Some(2));
        section.max_per_source = None;
        assert!(rows(&desk.current(&section, 40)).contains(&1));
    }

    #[test]
    fn documents_begin_behind_what_the_current_one_holds() {
        let section = section(4);
        let mut desk = Desk::default();
        let check = |desk: &Desk, want: &[i64], previous: Option<u64>| {
            let current = desk.current(&section, 0);
            assert_eq!((rows(&current).as_slice(), current.previous), (want, previous));
        };
        check(&desk, &[], None);
        desk.join(&section, &[1, 2, 3]);
        check(&desk, &[3, 2, 1], None);
        desk.join(&section, &[4, 5]);
        check(&desk, &[5, 4, 3, 2, 1], None);
        desk.join(&section, &[6]);
        check(&desk, &[6, 5, 4, 3], Some(1));
        // Late, with an old date: at the bottom, until two more have come.
        desk.join(&section, &[0]);
        check(&desk, &[6, 5, 4, 3, 7], Some(1));
        desk.join(&section, &[8]);
        check(&desk, &[8, 6, 5, 4, 3, 7], Some(1));
        desk.join(&section, &[9, 10]);
        check(&desk, &[10, 9, 8, 6, 5, 7], Some(2));
        assert_eq!((desk.document(1), desk.document(2)), (vec![1, 2], vec![3, 4]));
        desk.entries.remove(&3);
        assert_eq!(desk.document(2), [4], "a gap");
        desk.entries.get_mut(&1).unwrap().corrected = Some(at(0));
        check(&desk, &[10, 9, 8, 6, 5, 1, 7], Some(2));
        assert_eq!(rows(&desk.current(&section, 8 * 86_400)), [10, 9, 8, 6, 5, 7]);
    }

    #[test]
    fn a_flood_of_old_entries_hides_no_news() {
        let section = section(10);
        let mut desk = Desk::default();
        desk.join(&section, &(1000..1010).collect::<Vec<_>>());
        desk.join(&section, &(0..500).collect::<Vec<_>>());
        let current = desk.current(&section, 2000);
        assert_eq!(rows(&current)[..10], [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert!(current.entries.len() <= 20);
        assert!(current.previous > Some(95));
    }

    #[test]
    fn another_limit_moves_nothing() {
        let mut desk = Desk::default();
        desk.join(&section(8), &(0..100).collect::<Vec<_>>());
        let before: Vec<Vec<i64>> = (1..=desk.shelf.newest()).map(|number| desk.document(number)).collect();
        for limit in [1, 3, 50, 1000] {
            let current = desk.current(&section(limit), 0);
            let last = current.previous.map_or(0, |document| desk.shelf.last_of(document));
            let held: BTreeSet<i64> = rows(&current).into_iter().collect();
            assert!((1..=100).all(|row| (row as u64) <= last || held.contains(&row)), "limit {limit}");
        }
        desk.join(&section(2), &[200]);
        let after: Vec<Vec<i64>> = (1..=desk.shelf.newest()).map(|number| desk.document(number)).collect();
        assert_eq!(after[..before.len()], before);
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// New ones, so many seconds before or after the newest date there is.
        Join(Vec<i64>),
        Correct(usize),
        Withdraw(usize),
        /// Days go by.
        Wait(i64),
        Limit(usize),
        /// The client polls.
        Poll,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => prop::collection::vec(-40..60_i64, 1..6).prop_map(Step::Join),
            1 => prop::collection::vec(-100_000..-50_000_i64, 1..80).prop_map(Step::Join),
            1 => any::<prop::sample::Index>().prop_map(|at| Step::Correct(at.index(1000))),
            1 => any::<prop::sample::Index>().prop_map(|at| Step::Withdraw(at.index(1000))),
            1 => (1..9_i64).prop_map(Step::Wait),
            1 => (1..12_usize).prop_map(Step::Limit),
            4 => Just(Step::Poll),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Whoever follows prev-archive meets every entry of the section, whenever it starts; a client that comes back
        /// stops at the first document that it knows, and misses nothing; none stands twice on the way but one that was
        /// corrected, unless a flood came.
        #[test]
        fn who_follows_the_archive_gets_everything(steps in prop::collection::vec(step(), 1..60), limit in 1..12_usize) {
            let mut section = section(limit);
            let mut desk = Desk::default();
            let (mut now, mut newest) = (0, 0);
            let mut known_rows: BTreeSet<i64> = BTreeSet::new();
            let mut known_documents: BTreeSet<u64> = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Join(offsets) => {
                        let dates: Vec<i64> = offsets.iter().map(|offset| newest + offset).collect();
                        newest = dates.iter().copied().chain([newest]).max().unwrap_or(newest);
                        desk.join(&section, &dates);
                    }
                    Step::Correct(nth) => {
                        let row = desk.entries.keys().nth(nth % desk.entries.len().max(1)).copied();
                        if let Some(row) = row {
                            desk.entries.get_mut(&row).unwrap().corrected = Some(at(now));
                        }
                    }
                    Step::Withdraw(nth) => {
                        let row = desk.entries.keys().nth(nth % desk.entries.len().max(1)).copied();
                        row.map(|row| desk.entries.remove(&row));
                    }
                    Step::Wait(days) => now += days * 86_400,
                    Step::Limit(limit) => section.limit = limit,
                    Step::Poll => {
                        let current = desk.current(&section, now);
                        prop_assert!(current.entries.len() <= 3 * section.limit + 2 * desk.shelf.size as usize);
                        // Anew, to the end.
                        let mut met: Vec<i64> = rows(&current);
                        for document in (1..=current.previous.unwrap_or(0)).rev() {
                            met.extend(desk.document(document));
                        }
                        let set: BTreeSet<i64> = met.iter().copied().collect();
                        prop_assert_eq!(&set, &desk.entries.keys().copied().collect::<BTreeSet<i64>>());
                        if !desk.is_flooded(&section) {
                            let count = |row: i64| met.iter().filter(|other| **other == row).count();
                            let fresh = |row: i64| desk.entries[&row].corrected.is_some_and(|when| when > at(now) - CORRECTED);
                            prop_assert!(set.iter().all(|row| count(*row) == 1 || fresh(*row)), "{met:?}");
                        }
                        // Coming back.
                        known_rows.extend(rows(&current));
                        let mut document = current.previous.unwrap_or(0);
                        while document > 0 && known_documents.insert(document) {
                            known_rows.extend(desk.document(document));
                            document -= 1;
                        }
                        prop_assert!(desk.entries.keys().all(|row| known_rows.contains(row)));
                    }
                }
            }
        }
    }
}
