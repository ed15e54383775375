//! Choice: which copy of a story a section shows.

use std::cmp::Reverse;

use crate::model::Time;

/// One copy of a story in one section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    pub row: i64,
    /// A local article: the desk's own.
    pub local: bool,
    /// Of its source: the smaller, the better.
    pub priority: i32,
    /// Characters of visible text.
    pub completeness: usize,
    pub first_seen: Time,
}

/// How a copy stands in a section before something changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Published under its own id.
    Shown,
    /// Another one stands for it, or stood until now.
    Hidden,
}

/// The best of several: local first, then source priority, completeness, first seen.
pub fn best(copies: &[Copy]) -> Option<i64> {
    let order = |copy: &&Copy| (!copy.local, copy.priority, Reverse(copy.completeness), copy.first_seen, copy.row);
    copies.iter().min_by_key(order).map(|copy| copy.row)
}

/// The one that stands for a story, and whether the others that are shown already step back.
///
/// What was published once is not hidden for a better one that comes later. Only where copies are merged from now on
/// (`anew`) a single one of several is left: who asks for that does not want to look at those of yesterday.
pub fn shown(copies: &[(Copy, Standing)], anew: bool) -> Vec<i64> {
    let of = |wanted: Standing| {
        let found = copies.iter().filter(|(_, standing)| *standing == wanted);
        found.map(|(copy, _)| copy.clone()).collect::<Vec<Copy>>()
    };
    let (shown, hidden) = (of(Standing::Shown), of(Standing::Hidden));
    match shown.len() {
        0 => best(&hidden).into_iter().collect(),
        1 => vec![shown[0].row],
        _ if anew => best(&shown).into_iter().collect(),
        _ => {
            let mut rows: Vec<&Copy> = shown.iter().collect();
            rows.sort_by_key(|copy| (copy.first_seen, copy.row));
            rows.into_iter().map(|copy| copy.row).collect()
        }
    }
}

/// Does [`shown`] have to ask who is best? Else their completeness need not be known.
pub fn compares(copies: &[(Copy, Standing)], anew: bool) -> bool {
    let shown = copies.iter().filter(|(_, standing)| *standing == Standing::Shown).count();
    copies.len() > 1 && (shown == 0 || (anew && shown > 1))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn copy(row: i64, local: bool, priority: i32, completeness: usize, second: i64) -> Copy {
        Copy { row, local, priority, completeness, first_seen: DateTime::from_timestamp(second, 0).unwrap() }
    }

    #[test]
    fn which_is_best() {
        let check = |copies: &[Copy], want: i64| assert_eq!(best(copies), Some(want), "{copies:?}");
        let plain = copy(1, false, 0, 100, 10);
        check(&[plain.clone(), copy(2, true, 5, 10, 20)], 2);
        check(&[plain.clone(), copy(2, false, -1, 10, 20)], 2);
        check(&[plain.clone(), copy(2, false, 0, 101, 20)], 2);
        check(&[plain.clone(), copy(2, false, 0, 100, 9)], 2);
        check(&[plain.clone(), copy(2, false, 0, 100, 10)], 1);
        assert_eq!(best(&[]), None);
    }

    #[test]
    fn who_is_shown_stays() {
        use Standing::{Hidden, Shown};
        let check = |copies: &[(i64, bool, Standing)], anew: bool, want: &[i64]| {
            let copies: Vec<(Copy, Standing)> =
                copies.iter().map(|(row, local, standing)| (copy(*row, *local, 0, 0, *row), *standing)).collect();
            assert_eq!(shown(&copies, anew), want, "{copies:?}");
        };
        check(&[(1, false, Hidden), (2, true, Hidden)], false, &[2]);
        check(&[(1, false, Shown), (2, true, Hidden)], false, &[1]);
        check(&[(1, false, Shown), (2, true, Hidden)], true, &[1]);
        check(&[(1, false, Shown), (2, true, Shown)], false, &[1, 2]);
        check(&[(1, false, Shown), (2, true, Shown)], true, &[2]);
        check(&[], false, &[]);
    }
}
