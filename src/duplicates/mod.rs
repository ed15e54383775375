//! Duplicates: is this the same story, and which of its copies stands for it?
//!
//! May use: `model`, the visible text and the link key of `normalize`. Pure: what is known comes in as values. The
//! [`Index`] finds in one look who may be alike; `likeness` then compares the real texts; [`choice`] says which copy
//! a section shows. A source's own entries are never copies of one another: what it says twice it means twice.

pub mod choice;
mod index;
mod likeness;
mod tokens;

use crate::model::Stated;
use crate::normalize::clean;
use crate::normalize::identity::{self, Gist};

pub use index::{Index, WINDOW_HOURS};
pub use likeness::{ANCHORS, LEAST_TOKENS, Likeness, Text};

/// What of an entry leads to its copies. Made once, when it is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clues {
    /// Shingles of its text that its copies have too, most likely; none of a text too short to be told from others.
    pub anchors: Vec<u32>,
    /// Hash of the canonical link; `None`: it has none that names a document.
    pub link: Option<i64>,
}

impl Clues {
    pub fn of(stated: &Stated) -> Clues {
        Clues::from(&Gist::of(stated))
    }
}

impl From<&Gist> for Clues {
    fn from(gist: &Gist) -> Clues {
        Clues { anchors: Text::new(&gist.words).anchors(), link: gist.link.as_deref().and_then(hash_of) }
    }
}

/// The text by which an entry is compared: what a reader sees of it, without its title, since every desk writes its own.
pub fn text(stated: &Stated) -> Text {
    stated.body().map(|html| Text::new(&clean::words(html))).unwrap_or_default()
}

/// Hash of the canonical link, without scheme, `www.` and a slash at its end; never that of a site's root.
pub fn link(stated: &Stated) -> Option<i64> {
    hash_of(&identity::link_key_of(stated)?)
}

fn hash_of(link: &str) -> Option<i64> {
    let hash = blake3::hash(link.as_bytes());
    let first: [u8; 8] = hash.as_bytes().first_chunk().copied()?;
    Some(i64::from_le_bytes(first))
}

/// Do two entries with one native id say the same? A short text has to be equal word for word.
pub fn same_words(one: &Stated, other: &Stated) -> bool {
    if text(one).likeness(&text(other)).is_some() {
        return true;
    }
    let words = |stated: &Stated| stated.body().map(clean::visible).filter(|words| !words.is_empty());
    words(one).is_some_and(|words_of_one| words(other) == Some(words_of_one))
}

/// Characters of visible text: the more, the more complete is a copy.
pub fn completeness(stated: &Stated) -> usize {
    stated.body().map_or(0, |html| clean::visible(html).chars().count())
}
