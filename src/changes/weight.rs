//! How much a change weighs: whether readers are told, whether it is taken in at all.

use std::collections::HashMap;

use crate::model::Stated;
use crate::normalize::clean;

/// A change of the visible text by more characters than this is one that readers want to see again.
const SIGNIFICANT_CHARS: usize = 50;

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Change {
    None,
    /// Only what the source says of the time: an archive that is published again with new dates says nothing.
    Dates,
    /// Taken in, but nobody is told.
    Small,
    Significant,
}

pub(super) fn change(before: &Stated, now: &Stated, local: bool) -> Change {
    if before == now {
        return Change::None;
    }
    let titles_differ = before.title != now.title;
    let (old, new) =
        (before.body().map(clean::visible).unwrap_or_default(), now.body().map(clean::visible).unwrap_or_default());
    let visible = titles_differ || old != new;
    let says_so = now.updated.is_some() && now.updated > before.updated;
    if titles_differ || (visible && (local || says_so)) || differing_chars(&old, &new) > SIGNIFICANT_CHARS {
        Change::Significant
    } else if !visible && !local && *before == with_dates_of(before, now.clone()) {
        Change::Dates
    } else {
        Change::Small
    }
}

fn with_dates_of(before: &Stated, mut now: Stated) -> Stated {
    (now.published, now.updated) = (before.published, before.updated);
    if let (Some(before), Some(now)) = (&before.origin, &mut now.origin) {
        now.updated = before.updated;
    }
    now
}

/// How many characters of the longer text are not in the other: what stands between the common beginning and the common
/// end, and of that only words that the other lacks, so that two numbers that change far apart count as two numbers.
fn differing_chars(old: &str, new: &str) -> usize {
    let front: usize = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let (old, new) = (&old[front..], &new[front..]);
    let back = old.chars().rev().zip(new.chars().rev()).take_while(|(a, b)| a == b).count();
    let between = old.chars().count().max(new.chars().count()) - back;
    if between <= SIGNIFICANT_CHARS {
        return between;
    }
    // Word -> characters, and how often more in the new text than in the old.
    let mut words: HashMap<&str, i64> = HashMap::new();
    self::words(new).for_each(|word| *words.entry(word).or_default() += 1);
    self::words(old).for_each(|word| *words.entry(word).or_default() -= 1);
    let (mut gone, mut come) = (0, 0);
    for (word, more) in words {
        let chars = word.chars().count().saturating_mul(usize::try_from(more.unsigned_abs()).unwrap_or(usize::MAX));
        *(if more < 0 { &mut gone } else { &mut come }) += chars;
    }
    between.min(gone.max(come))
}

/// Runs of letters and digits; scripts that write without spaces are told by the character.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).flat_map(|word| {
        let alone = word.chars().any(|c| ('\u{2e80}'..='\u{d7ff}').contains(&c) || c >= '\u{20000}');
        let whole = (!alone && !word.is_empty()).then_some(word);
        let apart = alone.then(|| word.split_inclusive(|_| true));
        whole.into_iter().chain(apart.into_iter().flatten())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_counted() {
        let check = |old: &str, new: &str, want: usize| assert_eq!(differing_chars(old, new), want, "{old} / {new}");
        check("the same", "the same", 0);
        check("the cat sat", "the dog sat", 3);
        check("", "abc", 3);
        check("aaaa", "aa", 2);
        check("über alles", "unter alles", 3);
        let long = "words between that stay as they were, and more of them than anybody counts, on and on they go";
        check(&format!("seen 17 times {long} by 3 people"), &format!("seen 18 times {long} by 4 people"), 2);
        check(&format!("{long}."), &format!("{long}. {}", "fresh ".repeat(12)), 60);
        let town = "東京で大きな地震がありました。けが人の情報はまだありませんが、鉄道は止まっています。空港も閉鎖されました。";
        check(&format!("一{town}二"), &format!("三{town}四"), 2);
    }
}
