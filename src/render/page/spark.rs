//! Sparkline: thirty days of a source as thirty bars, and the same in words for those who do not see them.
//!
//! One path without a colour of its own: the stylesheet gives it one, for a page that allows no inline style.

/// Units of the drawing: a bar is three wide, one stands between two.
const STEP: usize = 4;
const BAR: usize = 3;
const HEIGHT: usize = 24;
/// One entry among hundreds is still seen.
const LEAST: usize = 2;

/// Width and height of the drawing.
pub(super) fn size(days: &[u32]) -> (usize, usize) {
    ((days.len() * STEP).saturating_sub(STEP - BAR), HEIGHT)
}

/// The outline of all bars, from the left; a day without entries has none.
pub(super) fn path(days: &[u32]) -> String {
    let most = days.iter().copied().max().unwrap_or_default().max(1) as usize;
    let bars = days.iter().enumerate().filter(|(_, count)| **count > 0);
    let bar = |(day, count): (usize, &u32)| {
        let height = (*count as usize * HEIGHT).div_ceil(most).max(LEAST);
        format!("M{} {HEIGHT}v-{height}h{BAR}v{height}z", day * STEP)
    };
    bars.map(bar).collect()
}

/// "42 entries in 30 days, at most 7 a day, the last one 3 days ago"
pub(super) fn words(days: &[u32]) -> String {
    let sum: u64 = days.iter().map(|count| u64::from(*count)).sum();
    let most = days.iter().copied().max().unwrap_or_default();
    let ago = days.iter().rev().position(|count| *count > 0);
    let last = match ago {
        None => return format!("no entry in {} days", days.len()),
        Some(0) => "the last one today".to_owned(),
        Some(1) => "the last one yesterday".to_owned(),
        Some(n) => format!("the last one {n} days ago"),
    };
    match sum {
        1 => format!("1 entry in {} days, {}", days.len(), last.trim_start_matches("the last one ")),
        _ => format!("{sum} entries in {} days, at most {most} a day, {last}", days.len()),
    }
}

/// Entries a week over the last four: "12", "0.5", "under 0.5", "0".
pub(super) fn a_week(days: &[u32]) -> String {
    const WEEKS: u64 = 4;
    let sum: u64 = days.iter().rev().take(28).map(|count| u64::from(*count)).sum();
    match (sum, sum * 10 / WEEKS) {
        (0, _) => "0".to_owned(),
        (1, _) => "under 0.5".to_owned(),
        (_, tenths) if tenths % 10 == 0 || tenths >= 100 => format!("{}", (sum + WEEKS / 2) / WEEKS),
        (_, tenths) => format!("{}.{}", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(ago: &[(usize, u32)]) -> Vec<u32> {
        let mut days = vec![0; 30];
        ago.iter().for_each(|(ago, count)| days[29 - ago] = *count);
        days
    }

    #[test]
    fn the_same_in_words() {
        let check = |ago: &[(usize, u32)], want: &str| assert_eq!(words(&days(ago)), want);
        check(&[], "no entry in 30 days");
        check(&[(1, 1)], "1 entry in 30 days, yesterday");
        check(&[(0, 2), (5, 7)], "9 entries in 30 days, at most 7 a day, the last one today");
        check(&[(4, 2)], "2 entries in 30 days, at most 2 a day, the last one 4 days ago");
    }

    #[test]
    fn bars_are_as_high_as_their_days() {
        assert_eq!(path(&days(&[])), "");
        assert_eq!(path(&days(&[(29, 12), (28, 6), (0, 1)])), "M0 24v-24h3v24zM4 24v-12h3v12zM116 24v-2h3v2z");
        assert_eq!(size(&days(&[])), (119, 24));
        assert_eq!(path(&[u32::MAX, 1]).matches('M').count(), 2);
    }

    #[test]
    fn entries_a_week() {
        let check = |counts: &[(usize, u32)], want: &str| assert_eq!(a_week(&days(counts)), want, "{counts:?}");
        check(&[], "0");
        check(&[(29, 100)], "0");
        check(&[(3, 1)], "under 0.5");
        check(&[(3, 2)], "0.5");
        check(&[(3, 4)], "1");
        check(&[(3, 7)], "1.7");
        check(&[(3, 50)], "13");
        check(&[(0, u32::MAX), (1, u32::MAX)], "2147483648");
    }
}
