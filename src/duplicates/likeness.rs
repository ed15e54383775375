//! Likeness: are two texts one story? Anchors say who is worth a comparison, shingles say who is the same.

use std::sync::OnceLock;

use super::tokens::{Token, tokens};

/// Shorter texts are told from others by their links alone.
pub const LEAST_TOKENS: usize = 48;
/// So much of the smaller text must stand in the larger one.
const LEAST_CONTAINED: f64 = 0.8;
/// The first so many tokens of one of the two texts must stand in the other to this part: two notes of one house may
/// share nine tenths, which are what stands under everything that it writes.
const LEAD: usize = 24;
const LEAST_LEAD: f64 = 0.5;
/// And so much of its numbers, if it has at least [`TELLING_NUMBERS`]: weather, markets and tables are one text with
/// other numbers every day.
const LEAST_NUMBERS: f64 = 0.6;
const TELLING_NUMBERS: usize = 3;
/// Tokens in a shingle of the comparison: short, so that a changed word costs little.
const SHINGLE: usize = 3;
/// Tokens in a shingle that may become an anchor: long, so that unrelated texts share none.
const ANCHOR_SHINGLE: usize = 5;
/// The tokens that a teaser and its article both begin with.
const LEAD_OF_TEASER: usize = 44;
const WHOLE_ANCHORS: usize = 6;
const LEAD_ANCHORS: usize = 4;
/// Deals the beginning out in another way than the whole.
const LEAD_SEED: u64 = 0xD6E8_FEB8_6659_FD93;
/// Anchors of one text, at most. Its shingles are dealt out by their hashes into so many heaps, and an anchor is the
/// smallest of a heap (MinHash in one permutation, bands of one row): two texts that share the part J of their shingles
/// share each anchor with the probability J. Some are taken from the beginning alone, so that a teaser meets an article
/// of ten times its length.
pub const ANCHORS: usize = WHOLE_ANCHORS + LEAD_ANCHORS;

/// A text, as far as a comparison needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    tokens: Vec<Token>,
    /// Made when it is first compared.
    shingles: OnceLock<Vec<u64>>,
}

/// How far two texts that are one story agree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// Part of the smaller text's shingles that stand in the larger one.
    pub contained: f64,
}

impl Text {
    /// Of visible text, without markup.
    pub fn new(visible: &str) -> Text {
        Text { tokens: tokens(visible), shingles: OnceLock::new() }
    }

    /// None of a text too short to be told from others.
    pub fn anchors(&self) -> Vec<u32> {
        if self.tokens.len() < LEAST_TOKENS {
            return Vec::new();
        }
        let mut smallest = [u64::MAX; ANCHORS];
        let (whole, lead) = smallest.split_at_mut(WHOLE_ANCHORS);
        for (at, window) in self.tokens.windows(ANCHOR_SHINGLE).enumerate() {
            let shingle = shingle(window);
            lower(whole, shingle);
            if at + ANCHOR_SHINGLE <= LEAD_OF_TEASER {
                lower(lead, mix(shingle ^ LEAD_SEED));
            }
        }
        // The smallest of many hashes are near zero: mixed once more they fill the room. A heap may be empty.
        smallest.iter().filter(|hash| **hash != u64::MAX).map(|hash| (mix(*hash) >> 32) as u32).collect()
    }

    /// `None`: not the same story, or one of them is too short to say.
    pub fn likeness(&self, other: &Text) -> Option<Likeness> {
        if self.tokens.len().min(other.tokens.len()) < LEAST_TOKENS {
            return None;
        }
        let (mut small, mut large) = (self.shingles(), other.shingles());
        let (mut small_text, mut large_text) = (&self.tokens, &other.tokens);
        if small.len() > large.len() {
            (small, large) = (large, small);
            (small_text, large_text) = (large_text, small_text);
        }
        let contained = part_of(small, large);
        let lead = |text: &[Token]| shingles(text.get(..LEAD).unwrap_or(text));
        let alike = contained >= LEAST_CONTAINED
            && (part_of(&lead(small_text), large) >= LEAST_LEAD || part_of(&lead(large_text), small) >= LEAST_LEAD)
            && same_numbers(small_text, large_text);
        alike.then_some(Likeness { contained })
    }

    fn shingles(&self) -> &[u64] {
        self.shingles.get_or_init(|| shingles(&self.tokens))
    }
}

fn same_numbers(small: &[Token], large: &[Token]) -> bool {
    let (small, large) = (numbers(small), numbers(large));
    small.len() < TELLING_NUMBERS || part_of(&small, &large) >= LEAST_NUMBERS
}

fn numbers(tokens: &[Token]) -> Vec<u64> {
    distinct(tokens.iter().filter(|token| token.is_number).map(|token| token.hash).collect())
}

fn shingles(tokens: &[Token]) -> Vec<u64> {
    distinct(tokens.windows(SHINGLE).map(shingle).collect())
}

fn distinct(mut values: Vec<u64>) -> Vec<u64> {
    values.sort_unstable();
    values.dedup();
    values
}

/// Which part of the first set stands in the second. Both are sorted.
fn part_of(small: &[u64], large: &[u64]) -> f64 {
    let mut rest = large.iter().peekable();
    let shared = small.iter().filter(|value| {
        while rest.next_if(|other| other < value).is_some() {}
        rest.peek() == Some(value)
    });
    shared.count() as f64 / small.len().max(1) as f64
}

fn shingle(tokens: &[Token]) -> u64 {
    mix(tokens.iter().fold(0, |hash: u64, token| hash.rotate_left(23).wrapping_mul(5) ^ token.hash))
}

/// The lower half of the hash says into which heap it comes, the upper one how small it is there.
fn lower(heaps: &mut [u64], hash: u64) {
    let heap = ((hash & 0xFFFF_FFFF) * heaps.len() as u64) >> 32;
    if let Some(smallest) = heaps.get_mut(heap as usize) {
        *smallest = hash.min(*smallest);
    }
}

/// Every bit of the input moves every bit of the output.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 32)).wrapping_mul(0xE703_7ED1_A0B4_28DB);
    let value = (value ^ (value >> 29)).wrapping_mul(0x8EBC_6AF0_9C88_C6E3);
    value ^ (value >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every other one of these words is given by no other seed.
    fn words(seed: &str, count: usize) -> String {
        (0..count / 2).map(|at| format!("{seed}{} {}", letters(at), letters(at))).collect()
    }

    fn letters(mut at: usize) -> String {
        let mut word = String::new();
        loop {
            word.push((b'a' + (at % 26) as u8) as char);
            at /= 26;
            if at == 0 {
                return word + " ";
            }
        }
    }

    fn check(one: &str, other: &str, same: bool) {
        let (one, other) = (Text::new(one), Text::new(other));
        assert_eq!(one.likeness(&other).is_some(), same, "{:?}", one.likeness(&other));
        assert_eq!(other.likeness(&one), one.likeness(&other), "in both directions");
    }

    #[test]
    fn what_is_the_same_story() {
        let story = words("s", 100);
        check(&story, &story, true);
        check(&story, &format!("{} {}", story.to_uppercase(), words("more", 400)), true);
        check(&format!("{} {story}", words("intro", 30)), &story, true);
        // A teaser of a third, long enough to be told from others.
        let long = words("s", 200);
        check(&long[..long.len() / 3], &long, true);
    }

    #[test]
    fn what_is_another_story() {
        let story = words("s", 100);
        check(&story, &words("t", 100), false);
        check(&words("s", 20), &words("s", 20), false);
        // Nine tenths of what stands under it, and a beginning of its own.
        let footer = words("footer", 250);
        check(&format!("{}{footer}", words("x", 25)), &format!("{}{footer}", words("y", 25)), false);
    }

    #[test]
    fn the_same_text_with_other_numbers_is_another_story() {
        let report = |day: usize| {
            (0..12)
                .map(|at| format!("the index of {} closed at {} points ", letters(at), day * 100 + at))
                .collect::<String>()
        };
        check(&report(1), &report(2), false);
        check(&report(1), &report(1), true);
    }

    #[test]
    fn anchors_meet() {
        let story = words("s", 300);
        let shared = |other: &str| {
            let (one, other) = (Text::new(&story).anchors(), Text::new(other).anchors());
            one.iter().filter(|anchor| other.contains(anchor)).count()
        };
        assert_eq!(shared(&story), ANCHORS);
        assert_eq!(shared(&words("t", 300)), 0);
        assert!(shared(&story[..story.len() / 4]) >= LEAD_ANCHORS);
        assert!(Text::new("too short to tell").anchors().is_empty());
    }
}
