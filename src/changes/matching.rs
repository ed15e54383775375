//! Which known entry each incoming one is: by key, else by an alias that something else confirms.
//!
//! An alias alone proves little: a live page is linked every day, "Photo of the day" is said every day.

use std::collections::{BTreeMap, BTreeSet};

use super::{Known, KnownEntries};
use crate::normalize::Incoming;
use crate::normalize::clean;
use crate::normalize::identity::{self, Key, KeyHash};

/// A text of so many visible characters is told from others by itself.
const TELLING_CHARS: usize = 200;
/// One entry that changes its id may be a coincidence; so many at once, and more than half of a document, are a move.
const FEWEST_MOVED: usize = 2;

/// What an incoming entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    /// Its place among the known ones.
    Known(usize),
    /// Retention removed it while the source still carried it.
    Gone,
    New,
}

pub(super) struct Matches {
    pub found: Vec<Match>,
    /// The key by which each entry goes: its own, or its print where its link turned out to be none.
    pub keys: Vec<KeyHash>,
    /// More than half of the document came under new ids.
    pub migrated: bool,
    /// Links that the source used for two entries: no keys from now on.
    pub shared: BTreeSet<KeyHash>,
}

pub(super) fn matches(known: &KnownEntries, incoming: &[Incoming], doubled: &[Key]) -> Matches {
    let mut shared: BTreeSet<KeyHash> = doubled.iter().map(Key::hash).collect();
    let is_key = |link: &KeyHash| !known.shared.contains(link);
    let keys: Vec<KeyHash> = incoming.iter().map(|entry| key(known, entry).hash()).collect();
    let mut rows: Vec<Option<usize>> = keys.iter().map(|key| known.by_key.get(key).copied()).collect();
    let mut taken: BTreeSet<usize> = rows.iter().flatten().copied().collect();
    let gone = |at: &usize| known.gone.contains(&keys[*at]);
    let unknown: Vec<usize> = (0..incoming.len()).filter(|at| rows[*at].is_none() && !gone(at)).collect();
    // Ten items with one text are one that moved, or none.
    let by_content: BTreeSet<KeyHash> =
        unknown.iter().filter_map(|at| known_by_text(known, &incoming[*at], &taken)).collect();
    let by_content = by_content.len();
    let migrated = by_content >= FEWEST_MOVED && by_content * 2 > incoming.len();
    let mut gone_too: BTreeSet<usize> = (0..incoming.len()).filter(gone).collect();
    for at in unknown {
        let entry = &incoming[at];
        let link = link(entry).filter(is_key);
        let mut candidates = candidates(known, keys[at], entry).filter(|found| !taken.contains(found));
        let found = candidates.find(|found| migrated || confirmed(&known.entries[*found], entry, link.is_some()));
        if let Some(found) = found {
            taken.insert(found);
            rows[at] = Some(found);
            continue;
        }
        if was_removed(known, entry, link, migrated) {
            gone_too.insert(at);
            continue;
        }
        // A new entry with the link of another one.
        let other = link.filter(|link| known.by_alias.contains_key(link) || known.by_key.contains_key(link));
        shared.extend(other);
    }
    let found = rows.iter().enumerate().map(|(at, row)| match row {
        Some(at) => Match::Known(*at),
        None if gone_too.contains(&at) => Match::Gone,
        None => Match::New,
    });
    shared.retain(is_key);
    Matches { found: found.collect(), keys, migrated, shared }
}

/// The key by which an entry goes: a link that the source used for two entries is none, and its print stands in.
pub(super) fn key<'a>(known: &KnownEntries, entry: &'a Incoming) -> &'a Key {
    match &entry.key {
        Key::Link(_) if known.shared.contains(&entry.key.hash()) => print(entry).unwrap_or(&entry.key),
        key => key,
    }
}

/// Title, text and date of what goes by its link.
pub(super) fn print(entry: &Incoming) -> Option<&Key> {
    entry.aliases.iter().find(|alias| matches!(alias, Key::Print(_)))
}

/// The link, where it is unique in its document.
fn link(entry: &Incoming) -> Option<KeyHash> {
    let keys = std::iter::once(&entry.key).chain(&entry.aliases);
    keys.into_iter().find(|key| matches!(key, Key::Link(_))).map(Key::hash)
}

/// A key may be known as another entry's alias and the other way round: an id that became doubled is a link now.
fn candidates<'a>(known: &'a KnownEntries, key: KeyHash, entry: &'a Incoming) -> impl Iterator<Item = usize> + 'a {
    std::iter::once(key)
        .chain(entry.aliases.iter().map(Key::hash))
        .filter(|hash| !known.shared.contains(hash))
        .filter_map(|hash| known.by_alias.get(&hash).or_else(|| known.by_key.get(&hash)).copied())
}

fn text(entry: &Incoming) -> Option<KeyHash> {
    entry.aliases.iter().find(|alias| matches!(alias, Key::Text(_))).map(Key::hash)
}

/// The text by which it may be an entry that is known, and that nothing else in the document is.
fn known_by_text(known: &KnownEntries, entry: &Incoming, taken: &BTreeSet<usize>) -> Option<KeyHash> {
    let is_free = |hash: &KeyHash| match known.by_alias.get(hash) {
        Some(at) => !taken.contains(at),
        None => known.gone.contains(hash),
    };
    text(entry).filter(is_free)
}

/// Of what retention removed only the keys are left: two must agree, or the whole document came under new ids.
fn was_removed(known: &KnownEntries, entry: &Incoming, link: Option<KeyHash>, migrated: bool) -> bool {
    let by_text = text(entry).is_some_and(|hash| known.gone.contains(&hash));
    let by_link = link.is_some_and(|hash| known.gone.contains(&hash));
    let other = |key: &Key| matches!(key, Key::Path(_)) && known.gone.contains(&key.hash());
    (by_text && (by_link || entry.aliases.iter().any(other))) || (migrated && (by_text || by_link))
}

/// The title, a telling text, the date or a link that stands for one entry must agree too.
fn confirmed(known: &Known, incoming: &Incoming, link_tells: bool) -> bool {
    let Some(before) = &known.stated else { return false };
    let now = &incoming.stated;
    let text_before = identity::text_hash(before, &identity::Gist::of(before));
    let same_text = text_before == identity::text_hash(now, &incoming.gist);
    let same_title = !now.title.is_empty() && before.title == now.title;
    let same_date = now.published.is_some() && before.published == now.published;
    let same_link = link_tells && now.link.is_some() && before.link == now.link;
    let telling = clean::collapse(&incoming.gist.words).chars().nth(TELLING_CHARS).is_some();
    (same_text && (telling || same_date || same_link || matches!(incoming.key, Key::File(_))))
        || (same_title && (same_date || same_link))
}

/// Which of the incoming entries their source takes back in the same document (RFC 6721 §3): the later word counts, and
/// where nothing tells which is later, the entry that is there.
pub(super) fn taken_back(
    incoming: &[Incoming],
    deleted: &[(Key, Option<crate::model::Time>)],
) -> BTreeMap<KeyHash, bool> {
    let mut back: BTreeMap<KeyHash, bool> = deleted.iter().map(|(key, _)| (key.hash(), true)).collect();
    let whens: BTreeMap<KeyHash, _> = deleted.iter().map(|(key, when)| (key.hash(), *when)).collect();
    for entry in incoming {
        let hash = entry.key.hash();
        let Some(when) = whens.get(&hash) else { continue };
        let said = entry.stated.updated.or(entry.stated.published);
        let later = match (said, when) {
            (Some(said), Some(when)) => said > *when,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        if later {
            back.insert(hash, false);
        }
    }
    back
}
