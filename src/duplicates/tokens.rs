//! Words of a text, normalised: copies of one story differ in quotes, dashes, case and markup, and stay the same words.

use crate::swar::{self, Eight};

/// One word, or one character of a script that writes no spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub hash: u64,
    /// Holds a digit.
    pub is_number: bool,
}

/// Of longer texts the beginning is compared.
pub const MOST_TOKENS: usize = 4096;

const SEED: u64 = 0xCBF2_9CE4_8422_2325;
const PRIME: u64 = 0x9E37_79B9_7F4A_7C15;

/// Runs of letters and digits in lower case. Apostrophes and marks inside a word are dropped, and so are the separators
/// inside a number: "1,200", "1.200" and "1200" are one.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::with_capacity((text.len() / 6).min(MOST_TOKENS));
    let mut word = Word::default();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        // Nearly all of most texts is ASCII, which is read by bytes.
        let (kind, c) = match ASCII.get(usize::from(b)) {
            Some(Kind::Letter) => {
                at += word.push_ascii(&bytes[at..]);
                continue;
            }
            Some(kind) => (*kind, char::from(b)),
            None => {
                let Some(c) = text[at..].chars().next() else { break };
                (beyond_ascii(c), c)
            }
        };
        at += c.len_utf8();
        match kind {
            Kind::Letter => {
                word.push(c);
                continue;
            }
            Kind::Alone => {
                found.extend(word.end());
                word.push(c);
                found.extend(word.end());
            }
            Kind::Ignored => continue,
            Kind::Point if word.ends_in_digit && bytes.get(at).is_some_and(u8::is_ascii_digit) => continue,
            Kind::Point | Kind::Other => found.extend(word.end()),
        }
        if found.len() >= MOST_TOKENS {
            return found;
        }
    }
    found.extend(word.end());
    found
}

struct Word {
    hash: u64,
    /// The last letters of ASCII, a byte each: eight of them are mixed into the hash at once.
    tail: u64,
    /// Characters.
    length: u64,
    is_number: bool,
    ends_in_digit: bool,
}

impl Default for Word {
    fn default() -> Word {
        Word { hash: SEED, tail: 0, length: 0, is_number: false, ends_in_digit: false }
    }
}

impl Word {
    /// As many letters and digits of ASCII as follow; how many. A word that begins here is read by eight of them.
    fn push_ascii(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while self.length.is_multiple_of(8) {
            let rest = &bytes[at..];
            let eight = match rest.first_chunk::<8>() {
                Some(eight) => *eight,
                None => {
                    let mut eight = [0; 8];
                    eight[..rest.len()].copy_from_slice(rest);
                    eight
                }
            };
            let eight = Eight::of(eight);
            let digits = eight.within(b'0', b'9');
            let count = swar::leading(digits | eight.small().within(b'a', b'z'));
            if count == 0 {
                return at;
            }
            self.tail = (self.tail.checked_shl(8 * count).unwrap_or_default()) | (eight.small().0 >> (64 - 8 * count));
            self.length += u64::from(count);
            // One bit for each of the run, the first one highest.
            let digits = digits >> (64 - 8 * count);
            self.is_number |= digits != 0;
            self.ends_in_digit = digits & 0x80 != 0;
            at += count as usize;
            if count < 8 {
                return at;
            }
            self.hash = mixed(self.hash, self.tail);
        }
        for &b in bytes[at..].iter().take_while(|b| b.is_ascii_alphanumeric()) {
            // The bit that makes a letter small is set in every digit.
            self.add_ascii(b | 0x20);
            at += 1;
        }
        at
    }

    fn push(&mut self, c: char) {
        c.to_lowercase().for_each(|c| self.add(c));
    }

    fn add(&mut self, c: char) {
        match u8::try_from(c) {
            Ok(b) if b.is_ascii() => self.add_ascii(b),
            _ => {
                self.hash = mixed(mixed(self.hash, self.tail), u64::from(c));
                (self.tail, self.length) = (0, self.length + 1);
                self.ends_in_digit = c.is_numeric();
                self.is_number |= self.ends_in_digit;
            }
        }
    }

    fn add_ascii(&mut self, b: u8) {
        self.tail = self.tail << 8 | u64::from(b);
        self.length += 1;
        if self.length.is_multiple_of(8) {
            self.hash = mixed(self.hash, self.tail);
        }
        self.ends_in_digit = b.is_ascii_digit();
        self.is_number |= self.ends_in_digit;
    }

    fn end(&mut self) -> Option<Token> {
        if self.length == 0 {
            return None;
        }
        let word = std::mem::take(self);
        let hash = mixed(mixed(word.hash, word.tail), word.length);
        Some(Token { hash, is_number: word.is_number })
    }
}

fn mixed(hash: u64, c: u64) -> u64 {
    (hash ^ c).wrapping_mul(PRIME).rotate_left(29)
}

#[derive(Clone, Copy)]
enum Kind {
    Letter,
    /// A token of its own.
    Alone,
    /// Parts nothing.
    Ignored,
    /// May stand inside a number.
    Point,
    Other,
}

const ASCII: [Kind; 128] = {
    let mut kinds = [Kind::Other; 128];
    let mut b: u8 = 0;
    while b < 128 {
        if b.is_ascii_alphanumeric() {
            kinds[b as usize] = Kind::Letter;
        }
        b += 1;
    }
    kinds[b'.' as usize] = Kind::Point;
    kinds[b',' as usize] = Kind::Point;
    kinds[b'\'' as usize] = Kind::Ignored;
    kinds
};

fn beyond_ascii(c: char) -> Kind {
    match c {
        '’' | '‘' | 'ʼ' | '\u{AD}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}' => Kind::Ignored,
        '\u{300}'..='\u{36F}' => Kind::Ignored,
        _ if writes_no_spaces(c) && c.is_alphanumeric() => Kind::Alone,
        _ if c.is_alphanumeric() => Kind::Letter,
        _ => Kind::Other,
    }
}

/// Thai, Lao, Myanmar, Khmer, kana and ideographs.
fn writes_no_spaces(c: char) -> bool {
    matches!(u32::from(c), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_words_are_the_same_tokens() {
        let check = |one: &str, other: &str| assert_eq!(tokens(one), tokens(other), "{one} / {other}");
        check("The Mayor's plan", "the mayor’s PLAN!");
        check("1,200 people, 3.5 percent", "1200 people — 3,5 percent");
        check("re\u{AD}port", "report");
        check("na\u{EF}ve".to_uppercase().as_str(), "NAÏVE");
        check("", " . — ! ");
    }

    proptest! {
        #[test]
        fn a_word_is_one_however_it_is_read(word in "[a-zA-Z0-9]{1,20}", cut in 0_usize..20) {
            // Parted by what is ignored it is read by the byte from there on.
            let cut = cut.min(word.len());
            let parted = format!("{}\u{AD}{}", &word[..cut], &word[cut..]);
            prop_assert_eq!(tokens(&word), tokens(&parted));
            prop_assert_eq!(tokens(&word), tokens(&word.to_lowercase()));
            let is_number = word.bytes().any(|b| b.is_ascii_digit());
            prop_assert_eq!(tokens(&format!("\u{E9} {word}\u{E9}"))[1].is_number, is_number);
        }

        #[test]
        fn words_are_runs_of_letters_and_digits(text in "[\\PC\t\n]{0,60}") {
            let parted = text.chars().map(|c| if c.is_ascii() && !c.is_ascii_alphanumeric() { ' ' } else { c });
            if !text.contains(['.', ',', '\'']) {
                prop_assert_eq!(tokens(&text), tokens(&parted.collect::<String>()));
            }
        }
    }

    #[test]
    fn what_is_a_token() {
        let check = |text: &str, want: usize| assert_eq!(tokens(text).len(), want, "{text}");
        check("one two", 2);
        check("one-two", 2);
        check("end. 5 begins", 3);
        check("東京で地震", 5);
        check("Seoul 서울 시장", 3);
        check(&"word ".repeat(10_000), MOST_TOKENS);
        assert!(tokens("b2b")[0].is_number && !tokens("beta")[0].is_number);
    }
}
