//! Changes: what is known of a source and what it says now, in; what the store must write, out.
//!
//! May use: `model`, the types of `normalize`, the clues of `duplicates`. Pure: `now` is a value, nothing is looked up. Here it is decided whether
//! an entry is new, the same, corrected or back under another id, and which dates it gets (DESIGN section 3).

mod dates;
mod matching;
mod weight;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;

pub use dates::origin;
use matching::Match;
use weight::Change;

use crate::duplicates::Clues;
use crate::model::{EntryId, Stated, Time};
use crate::normalize::identity::{Key, KeyHash, Print};
use crate::normalize::{Incoming, Refreshed};

/// So many small changes are taken in silently; then only a significant one is.
const SILENT_CHANGES: u8 = 3;
/// So many entries that are new and old at once are a flood: an archive was published again, and nobody recognised it.
const FLOOD: usize = 10;

/// One stored entry of the source, as far as a comparison needs it.
#[derive(Debug, Clone)]
pub struct Known {
    pub row: i64,
    pub id: EntryId,
    pub key: KeyHash,
    pub print: Print,
    pub first_seen: Time,
    pub effective: Time,
    pub updated: Time,
    /// Small changes taken in since the last significant one.
    pub silent: u8,
    pub withdrawn: Option<Time>,
    /// Withdrawn by hand: whatever its source says, it stays so.
    pub barred: bool,
    /// Loaded where the print differs from the incoming one or an alias led here.
    pub stated: Option<Stated>,
}

/// What the store knows about the keys and aliases of one document.
#[derive(Debug, Clone, Default)]
pub struct KnownEntries {
    pub entries: Vec<Known>,
    /// Key or alias -> place in `entries`.
    pub by_key: HashMap<KeyHash, usize>,
    pub by_alias: HashMap<KeyHash, usize>,
    /// Keys and aliases of entries that retention removed while the source still carried them: not taken in again.
    pub gone: BTreeSet<KeyHash>,
    /// Links that the source once used for two entries: no keys.
    pub shared: BTreeSet<KeyHash>,
}

/// What is true of the source as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    pub now: Time,
    /// Nothing of this source was ever stored: old entries are old news.
    pub first_fetch: bool,
    /// Any visible change of a local article is its author's act.
    pub local: bool,
    /// When its document was last read with success: what is dated long before, and new, is no news.
    pub last_read: Option<Time>,
}

/// What one refresh changes. Rows are the store's.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    pub new: Vec<NewEntry>,
    pub changed: Vec<ChangedEntry>,
    /// Carried again, nothing to write.
    pub unchanged: usize,
    /// Withdrawn by their owner.
    pub withdrawn: Vec<i64>,
    /// Keys and aliases of removed entries that the source still carries.
    pub still_gone: Vec<KeyHash>,
    /// Links that turned out to stand for two entries.
    pub shared: Vec<KeyHash>,
    /// More than half of the document came under new ids.
    pub migrated: bool,
    /// A first fetch or a mass change of ids: nobody is to be told.
    pub flood: bool,
    /// How often each rule matched; filled by `sections`. By its print.
    pub hits: BTreeMap<String, u64>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.changed.is_empty() && self.withdrawn.is_empty()
    }

    /// Is there something in it that readers are told?
    pub fn is_told(&self) -> bool {
        !self.new.is_empty() || self.changed.iter().any(|entry| entry.significant)
    }
}

#[derive(Debug, Clone)]
pub struct NewEntry {
    pub key: Key,
    pub aliases: Vec<KeyHash>,
    /// The native id, if it may be the published one; the store asks whether another source has claimed it.
    pub publishable: Option<String>,
    pub stated: Stated,
    /// `stated` as it is stored.
    pub json: Vec<u8>,
    pub print: Print,
    pub effective: Time,
    pub updated: Time,
    pub slug: Option<String>,
    /// Where it stands; filled by `sections`.
    pub sections: Vec<String>,
    /// What leads to its copies.
    pub clues: Clues,
}

#[derive(Debug, Clone)]
pub struct ChangedEntry {
    pub row: i64,
    pub first_seen: Time,
    /// Set when the entry came under another key.
    pub key: Option<Key>,
    pub aliases: Vec<KeyHash>,
    pub stated: Stated,
    /// `stated` as it is stored.
    pub json: Vec<u8>,
    pub print: Print,
    pub updated: Time,
    pub silent: u8,
    /// Readers are told.
    pub significant: bool,
    /// Withdrawn by hand: it is kept up to date, and shown nowhere.
    pub barred: bool,
    /// Where it stands now; filled by `sections`.
    pub sections: Vec<String>,
    /// What leads to its copies.
    pub clues: Clues,
}

/// Compare a document with what is known of its source.
pub fn between(known: &KnownEntries, refreshed: Refreshed, situation: Situation) -> Changes {
    let matches = matching::matches(known, &refreshed.entries, &refreshed.shared);
    let taken_back = matching::taken_back(&refreshed.entries, &refreshed.deleted);
    let is_back = |entry: &Incoming| taken_back.get(&entry.key.hash()) == Some(&true);
    let mut changes =
        Changes { migrated: matches.migrated, shared: matches.shared.into_iter().collect(), ..Changes::default() };
    let undated = dates::UndatedDates::of(&refreshed.entries, situation);
    let carried = refreshed.entries.len();
    let incoming = refreshed.entries.into_iter().zip(matches.found).zip(matches.keys).enumerate();
    for (position, ((incoming, found), key)) in incoming {
        match found {
            _ if is_back(&incoming) => {}
            Match::Known(at) => changes.compare(&known.entries[at], incoming, key, situation),
            Match::Gone => changes.still_gone.extend(keys(&incoming)),
            Match::New => changes.new.push(new_entry(incoming, key, undated.at(position), situation)),
        }
    }
    let by_source = taken_back.into_iter().filter(|(_, counts)| *counts);
    // Under an id that it had once, too.
    let by_source = by_source.filter_map(|(hash, _)| known.by_key.get(&hash).or_else(|| known.by_alias.get(&hash)));
    let held = refreshed.held.iter().filter_map(|(key, _)| known.by_key.get(&key.hash()));
    let rows: BTreeSet<i64> = by_source
        .chain(held)
        .map(|at| &known.entries[*at])
        .filter(|entry| entry.withdrawn.is_none())
        .map(|entry| entry.row)
        .collect();
    changes.changed.retain(|entry| !rows.contains(&entry.row));
    changes.withdrawn.extend(rows);
    changes.flood = situation.first_fetch || changes.migrated || is_archive(&changes.new, carried, situation);
    changes
}

/// Is most of a document new and dated long before it was last read? Its ids changed, and its texts with them.
fn is_archive(new: &[NewEntry], carried: usize, situation: Situation) -> bool {
    let Some(last_read) = situation.last_read.filter(|_| new.len() >= FLOOD && new.len() * 2 > carried) else {
        return false;
    };
    let old = new.iter().filter(|entry| entry.effective < last_read - TimeDelta::days(1)).count();
    old * 2 > new.len()
}

fn keys(incoming: &Incoming) -> impl Iterator<Item = KeyHash> + '_ {
    std::iter::once(&incoming.key).chain(&incoming.aliases).map(Key::hash)
}

impl Changes {
    fn compare(&mut self, known: &Known, incoming: Incoming, key: KeyHash, situation: Situation) {
        let print = incoming.print;
        let returns = known.withdrawn.is_some() && !known.barred;
        let rekeyed = known.key != key;
        if print == known.print && !returns && !rekeyed {
            self.unchanged += 1;
            return;
        }
        let change = known
            .stated
            .as_ref()
            .map_or(Change::None, |before| weight::change(before, &incoming.stated, situation.local));
        let significant = change == Change::Significant;
        // What its author does to an article is meant.
        let tired = change == Change::Small && known.silent >= SILENT_CHANGES && !situation.local;
        if (tired || change == Change::Dates) && !returns && !rekeyed {
            self.unchanged += 1;
            return;
        }
        let updated = if significant {
            dates::moved(known.updated, incoming.stated.updated, situation.now)
        } else {
            known.updated
        };
        self.changed.push(ChangedEntry {
            row: known.row,
            first_seen: known.first_seen,
            aliases: incoming.aliases.iter().map(Key::hash).collect(),
            key: rekeyed.then(|| chosen(&incoming, key)),
            stated: incoming.stated,
            json: incoming.json,
            print,
            updated,
            silent: if significant { 0 } else { known.silent.saturating_add(u8::from(change == Change::Small)) },
            significant,
            barred: known.barred,
            sections: Vec::new(),
            clues: Clues::from(&incoming.gist),
        });
    }
}

/// The key with this hash: the entry's own, or its print.
fn chosen(incoming: &Incoming, hash: KeyHash) -> Key {
    let print = matching::print(incoming).filter(|print| print.hash() == hash);
    print.unwrap_or(&incoming.key).clone()
}

fn new_entry(incoming: Incoming, key: KeyHash, undated: Time, situation: Situation) -> NewEntry {
    let (effective, updated) = dates::of_new(&incoming, undated, situation);
    NewEntry {
        print: incoming.print,
        aliases: incoming.aliases.iter().map(Key::hash).filter(|alias| *alias != key).collect(),
        key: chosen(&incoming, key),
        json: incoming.json,
        publishable: incoming.publishable,
        stated: incoming.stated,
        effective,
        updated,
        slug: incoming.slug,
        sections: Vec::new(),
        clues: Clues::from(&incoming.gist),
    }
}

/// What to ask the store about a document: key, aliases and print of every entry it carries or withdraws.
pub fn question(refreshed: &Refreshed) -> Vec<Asked> {
    let carried = refreshed.entries.iter().map(|entry| Asked {
        key: entry.key.hash(),
        is_link: matches!(entry.key, Key::Link(_)),
        instead: matching::print(entry).map(Key::hash),
        aliases: entry.aliases.iter().map(Key::hash).collect(),
        print: entry.print,
    });
    let leaving = refreshed.deleted.iter().map(|(key, _)| key).chain(refreshed.held.iter().map(|(key, _)| key));
    carried.chain(leaving.map(|key| Asked { key: key.hash(), ..Asked::default() })).collect()
}

/// One entry of a [`question`].
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub key: KeyHash,
    /// The key is a link, which may turn out to be none; then this takes its place.
    pub is_link: bool,
    pub instead: Option<KeyHash>,
    /// Asked only if the key is unknown.
    pub aliases: Vec<KeyHash>,
    /// Where the stored print is another one, the stored text is wanted.
    pub print: Print,
}

#[cfg(test)]
mod tests;
