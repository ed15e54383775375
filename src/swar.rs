//! Eight bytes of text at once, in one register: nearly all of most texts is plain ASCII that only has to be got over.

const EACH: u64 = 0x0101_0101_0101_0101;

/// The bit of every byte that tells, in all masks of this module.
pub const ALL: u64 = EACH * 0x80;

/// Eight bytes, the first one highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eight(pub u64);

impl Eight {
    pub fn of(bytes: [u8; 8]) -> Eight {
        Eight(u64::from_be_bytes(bytes))
    }

    /// Which bytes lie between these two of ASCII, both among them: the highest bit of each byte tells.
    pub fn within(self, least: u8, most: u8) -> u64 {
        let low = self.0 & !ALL;
        // Without its highest bit a byte and what is added to it stay below 256: nothing is carried into the next one.
        let at_least = |least: u8| low + EACH * u64::from(0x80 - least.min(0x7F));
        let above = if most < 0x7F { at_least(most + 1) } else { 0 };
        at_least(least) & !above & !self.0 & ALL
    }

    pub fn is(self, byte: u8) -> u64 {
        self.within(byte, byte)
    }

    /// Letters of ASCII in lower case; digits stay what they are, other bytes become others.
    pub fn small(self) -> Eight {
        Eight(self.0 | (EACH * 0x20))
    }
}

/// How many of eight bytes are in the mask before the first one that is not.
pub fn leading(mask: u64) -> u32 {
    (!mask & ALL).leading_zeros() / 8
}

/// Where the first byte is that is `special`. `plain` says of eight which ones certainly are not.
pub fn position(bytes: &[u8], plain: impl Fn(Eight) -> u64, special: impl Fn(u8) -> bool) -> Option<usize> {
    let (eights, rest) = bytes.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        if plain(Eight::of(*eight)) != ALL
            && let Some(offset) = eight.iter().position(|b| special(*b))
        {
            return Some(at * 8 + offset);
        }
    }
    rest.iter().position(|b| special(*b)).map(|offset| eights.len() * 8 + offset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn eight_at_once_are_as_one_by_one(bytes: [u8; 8], least in 0_u8..0x80, most in 0_u8..0x80) {
            let mask = Eight::of(bytes).within(least, most);
            let want = bytes.map(|b| if (least..=most).contains(&b) { 0x80 } else { 0 });
            prop_assert_eq!(mask, u64::from_be_bytes(want));
            let count = bytes.iter().take_while(|b| (least..=most).contains(*b)).count();
            prop_assert_eq!(leading(mask) as usize, count);
            let lower = Eight::of(bytes).small().0.to_be_bytes();
            for (b, small) in bytes.iter().zip(lower).filter(|(b, _)| b.is_ascii_alphanumeric()) {
                prop_assert_eq!(b.to_ascii_lowercase(), small);
            }
        }

        #[test]
        fn the_first_is_found(text in "[ -~é\n]{0,40}", sought in "[ -~]") {
            let sought = sought.as_bytes()[0];
            let found = position(text.as_bytes(), |eight| !eight.is(sought) & ALL, |b| b == sought);
            prop_assert_eq!(found, text.bytes().position(|b| b == sought));
        }
    }
}
