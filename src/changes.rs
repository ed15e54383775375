//! Changes: what is known of a source and what it says now, in; what the store must write, out.
//!
//! May use: `model`, the types of `normalize`. Pure: `now` is a value, nothing is looked up. Here it is decided whether
//! an entry is new, the same, corrected or back under another id, and which dates it gets (DESIGN section 3).

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta};

use crate::model::{EntryId, Html, Stated, Time};
use crate::normalize::clean;
use crate::normalize::identity::{self, Key, KeyHash, Print};
use crate::normalize::{Incoming, Refreshed};

/// A stated date may be this much later than the moment of first sight: clocks differ.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(10);
/// A change of the visible text by more characters than this is one that readers want to see again.
const SIGNIFICANT_CHARS: usize = 50;
/// So many small changes are taken in silently; then only a significant one is.
const SILENT_CHANGES: u8 = 3;
/// A text of so many visible characters is told from others by itself.
const TELLING_CHARS: usize = 200;

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
    /// Keys of entries that retention removed while the source still carried them: not taken in again.
    pub gone: BTreeSet<KeyHash>,
}

/// What is true of the source as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    pub now: Time,
    /// Nothing of this source was ever stored: old entries are old news.
    pub first_fetch: bool,
    /// Any visible change of a local article is its author's act.
    pub local: bool,
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
    /// Keys of removed entries that the source still carries.
    pub still_gone: Vec<KeyHash>,
    /// More than half of the document came under new ids.
    pub migrated: bool,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.changed.is_empty() && self.withdrawn.is_empty()
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
    /// Where it stands now; filled by `sections`.
    pub sections: Vec<String>,
}

/// Compare a document with what is known of its source.
pub fn between(known: &KnownEntries, refreshed: Refreshed, situation: Situation) -> Changes {
    let matches = matches(known, &refreshed.entries);
    let mut changes = Changes { migrated: matches.migrated, ..Changes::default() };
    let undated = UndatedDates::of(&refreshed.entries, situation);
    for (position, (incoming, found)) in refreshed.entries.into_iter().zip(matches.rows).enumerate() {
        match found {
            Some(at) => changes.compare(&known.entries[at], incoming, situation),
            None if known.gone.contains(&incoming.key.hash()) => changes.still_gone.push(incoming.key.hash()),
            None => changes.new.push(new_entry(incoming, undated.at(position), situation)),
        }
    }
    let withdrawn = refreshed.deleted.iter().chain(refreshed.held.iter().map(|(key, _)| key));
    let rows: BTreeSet<i64> = withdrawn
        .filter_map(|key| known.by_key.get(&key.hash()))
        .map(|at| &known.entries[*at])
        .filter(|entry| entry.withdrawn.is_none())
        .map(|entry| entry.row)
        .collect();
    changes.withdrawn.extend(rows);
    changes
}

struct Matches {
    rows: Vec<Option<usize>>,
    migrated: bool,
}

/// Which known entry each incoming one is: by key, else by an alias that something else confirms.
fn matches(known: &KnownEntries, incoming: &[Incoming]) -> Matches {
    let mut rows: Vec<Option<usize>> =
        incoming.iter().map(|entry| known.by_key.get(&entry.key.hash()).copied()).collect();
    let mut taken: BTreeSet<usize> = rows.iter().flatten().copied().collect();
    let unknown: Vec<usize> = (0..incoming.len()).filter(|at| rows[*at].is_none()).collect();
    let by_content = unknown.iter().filter(|at| by_text(known, &incoming[**at]).is_some()).count();
    let migrated = by_content >= 2 && by_content * 2 > incoming.len();
    for at in unknown {
        let entry = &incoming[at];
        let found = candidates(known, entry)
            .filter(|found| !taken.contains(found))
            .find(|found| migrated || confirmed(&known.entries[*found], entry));
        if let Some(found) = found {
            taken.insert(found);
            rows[at] = Some(found);
        }
    }
    Matches { rows, migrated }
}

/// A key may be known as another entry's alias and the other way round: an id that became doubled is a link now.
fn candidates<'a>(known: &'a KnownEntries, entry: &'a Incoming) -> impl Iterator<Item = usize> + 'a {
    let own = entry.key.hash();
    std::iter::once(own)
        .chain(entry.aliases.iter().map(Key::hash))
        .filter_map(|hash| known.by_alias.get(&hash).or_else(|| known.by_key.get(&hash)).copied())
}

fn by_text(known: &KnownEntries, entry: &Incoming) -> Option<usize> {
    let hash = entry.aliases.iter().find(|alias| matches!(alias, Key::Text(_)))?.hash();
    known.by_alias.get(&hash).copied()
}

/// An alias alone proves little (a live page is linked every day, "Photo of the day" is said every day): the title, a
/// telling text or the date must agree too.
fn confirmed(known: &Known, incoming: &Incoming) -> bool {
    let Some(before) = &known.stated else { return false };
    let now = &incoming.stated;
    let same_text = identity::text_hash(before) == identity::text_hash(now);
    let same_title = !now.title.is_empty() && before.title == now.title;
    let same_date = now.published.is_some() && before.published == now.published;
    let same_link = now.link.is_some() && before.link == now.link;
    let telling = body(now).is_some_and(|html| clean::visible(html).chars().nth(TELLING_CHARS).is_some());
    (same_text && (telling || same_date || same_link || matches!(incoming.key, Key::File(_))))
        || (same_title && same_date)
        || (same_title && same_link)
}

impl Changes {
    fn compare(&mut self, known: &Known, incoming: Incoming, situation: Situation) {
        let print = incoming.print;
        let returns = known.withdrawn.is_some();
        let rekeyed = known.key != incoming.key.hash();
        if print == known.print && !returns && !rekeyed {
            self.unchanged += 1;
            return;
        }
        let change =
            known.stated.as_ref().map_or(Change::None, |before| change(before, &incoming.stated, situation.local));
        let significant = change == Change::Significant;
        if change == Change::Small && known.silent >= SILENT_CHANGES && !returns && !rekeyed {
            self.unchanged += 1;
            return;
        }
        let updated =
            if significant { moved(known.updated, incoming.stated.updated, situation.now) } else { known.updated };
        self.changed.push(ChangedEntry {
            row: known.row,
            first_seen: known.first_seen,
            key: rekeyed.then_some(incoming.key),
            aliases: incoming.aliases.iter().map(Key::hash).collect(),
            stated: incoming.stated,
            json: incoming.json,
            print,
            updated,
            silent: if significant { 0 } else { known.silent.saturating_add(u8::from(change == Change::Small)) },
            significant,
            sections: Vec::new(),
        });
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    None,
    /// Taken in, but nobody is told.
    Small,
    Significant,
}

fn change(before: &Stated, now: &Stated, local: bool) -> Change {
    if before == now {
        return Change::None;
    }
    let titles_differ = before.title != now.title;
    let (old, new) =
        (body(before).map(clean::visible).unwrap_or_default(), body(now).map(clean::visible).unwrap_or_default());
    let visible = titles_differ || old != new;
    let says_so = now.updated.is_some() && now.updated > before.updated;
    if titles_differ || (visible && (local || says_so)) || differing_chars(&old, &new) > SIGNIFICANT_CHARS {
        Change::Significant
    } else {
        Change::Small
    }
}

fn body(stated: &Stated) -> Option<&Html> {
    stated.content.as_ref().or(stated.summary.as_ref())
}

/// Length of what stands between the common beginning and the common end.
fn differing_chars(old: &str, new: &str) -> usize {
    let front: usize = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let (old, new) = (&old[front..], &new[front..]);
    let back = old.chars().rev().zip(new.chars().rev()).take_while(|(a, b)| a == b).count();
    old.chars().count().max(new.chars().count()) - back
}

/// `updated` after a significant change: the source's own word if it can be true, else now. It only moves forward.
fn moved(before: Time, stated: Option<Time>, now: Time) -> Time {
    stated.filter(|stated| *stated > before && *stated <= now).unwrap_or(now).max(before)
}

fn new_entry(incoming: Incoming, undated: Time, situation: Situation) -> NewEntry {
    let possible = |date: &Time| *date <= situation.now + CLOCK_SKEW && *date >= first_plausible();
    let stated = incoming.stated.published.or(incoming.fallback_date);
    let effective = match stated {
        Some(date) if possible(&date) => date,
        Some(_) => situation.now,
        // A feed that says only when an entry was changed says thereby that it existed then.
        None => incoming.stated.updated.filter(possible).unwrap_or(undated),
    };
    let updated = incoming.stated.updated.filter(|date| possible(date)).unwrap_or(effective).max(effective);
    NewEntry {
        print: incoming.print,
        json: incoming.json,
        aliases: incoming.aliases.iter().map(Key::hash).collect(),
        key: incoming.key,
        publishable: incoming.publishable,
        stated: incoming.stated,
        effective,
        updated,
        slug: incoming.slug,
        sections: Vec::new(),
    }
}

/// Dates of entries that state none: when first seen; in a first fetch below the oldest dated one, in document order.
struct UndatedDates {
    start: Time,
    step: TimeDelta,
}

impl UndatedDates {
    fn of(entries: &[Incoming], situation: Situation) -> UndatedDates {
        if !situation.first_fetch {
            return UndatedDates { start: situation.now, step: TimeDelta::zero() };
        }
        let dates =
            entries.iter().filter_map(|entry| entry.stated.published.or(entry.fallback_date).or(entry.stated.updated));
        let oldest = dates.filter(|date| *date <= situation.now && *date >= first_plausible()).min();
        UndatedDates { start: oldest.unwrap_or(situation.now), step: TimeDelta::seconds(1) }
    }

    fn at(&self, position: usize) -> Time {
        let position = i32::try_from(position + 1).unwrap_or(i32::MAX);
        self.start - self.step * position
    }
}

/// Dates before 1990 are defaults of software, not of publishers.
fn first_plausible() -> Time {
    DateTime::from_timestamp(631_152_000, 0).unwrap_or_default()
}

/// What to ask the store about a document: key, aliases and print of every entry it carries or withdraws.
pub fn question(refreshed: &Refreshed) -> Vec<Asked> {
    let carried = refreshed.entries.iter().map(|entry| Asked {
        key: entry.key.hash(),
        aliases: entry.aliases.iter().map(Key::hash).collect(),
        print: entry.print,
    });
    let leaving = refreshed.deleted.iter().chain(refreshed.held.iter().map(|(key, _)| key));
    carried.chain(leaving.map(|key| Asked { key: key.hash(), aliases: Vec::new(), print: Print::default() })).collect()
}

/// One entry of a [`question`].
#[derive(Debug, Clone)]
pub struct Asked {
    pub key: KeyHash,
    /// Asked only if the key is unknown.
    pub aliases: Vec<KeyHash>,
    /// Where the stored print is another one, the stored text is wanted.
    pub print: Print,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::normalize::identity::Offer;

    /// A store of one source in memory, so that a test is a list of documents.
    #[derive(Default)]
    struct Source {
        entries: Vec<Known>,
        keys: BTreeMap<KeyHash, usize>,
        aliases: BTreeMap<KeyHash, usize>,
        local: bool,
    }

    impl Source {
        /// One document at one time, as (id, title, text, link).
        fn refresh(&mut self, second: i64, document: &[(Option<&str>, &str, &str, Option<&str>)]) -> Changes {
            let stated: Vec<Stated> =
                document.iter().map(|(_, title, text, link)| stated(title, text, *link)).collect();
            self.refresh_stated(second, document.iter().map(|(id, ..)| *id).zip(stated).collect())
        }

        fn refresh_stated(&mut self, second: i64, document: Vec<(Option<&str>, Stated)>) -> Changes {
            let offers: Vec<Offer<'_>> = document.iter().map(|(id, stated)| Offer { id: *id, stated }).collect();
            let keys = identity::of_document(&offers, None);
            let entries = keys.into_iter().zip(&document).map(|((key, aliases), (_, stated))| Incoming {
                key,
                aliases,
                publishable: None,
                print: identity::printed(stated).1,
                json: identity::printed(stated).0,
                stated: stated.clone(),
                slug: None,
                fallback_date: None,
            });
            let refreshed = Refreshed { entries: entries.collect(), ..Refreshed::default() };
            let known = KnownEntries {
                entries: self.entries.clone(),
                by_key: self.keys.clone().into_iter().collect(),
                by_alias: self.aliases.clone().into_iter().collect(),
                gone: BTreeSet::new(),
            };
            let situation = Situation { now: at(second), first_fetch: self.entries.is_empty(), local: self.local };
            let changes = between(&known, refreshed, situation);
            self.apply(&changes, at(second));
            changes
        }

        fn apply(&mut self, changes: &Changes, now: Time) {
            for entry in &changes.new {
                let row = self.entries.len();
                self.keys.insert(entry.key.hash(), row);
                self.aliases.extend(entry.aliases.iter().map(|alias| (*alias, row)));
                self.entries.push(Known {
                    row: row as i64,
                    id: EntryId(row.to_string()),
                    key: entry.key.hash(),
                    print: entry.print,
                    first_seen: now,
                    effective: entry.effective,
                    updated: entry.updated,
                    silent: 0,
                    withdrawn: None,
                    stated: Some(entry.stated.clone()),
                });
            }
            for entry in &changes.changed {
                let row = entry.row as usize;
                let known = &mut self.entries[row];
                known.print = entry.print;
                known.updated = entry.updated;
                known.silent = entry.silent;
                known.stated = Some(entry.stated.clone());
                if let Some(key) = &entry.key {
                    self.aliases.insert(known.key, row);
                    known.key = key.hash();
                    self.keys.insert(key.hash(), row);
                }
                self.aliases.extend(entry.aliases.iter().map(|alias| (*alias, row)));
            }
        }
    }

    const LONG: &str = "A text that is long enough to be told from any other by itself: it goes on and on, over more than two hundred characters, about a town, a river, a bridge that was closed, and the people who walked around it.";

    fn at(second: i64) -> Time {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    fn stated(title: &str, text: &str, link: Option<&str>) -> Stated {
        let content = Some(Html(format!("<p>{text}</p>")));
        Stated { title: title.into(), content, link: link.map(Into::into), ..Stated::default() }
    }

    /// New, changed and significantly changed entries.
    fn counts(changes: &Changes) -> (usize, usize, usize) {
        let significant = changes.changed.iter().filter(|entry| entry.significant).count();
        (changes.new.len(), changes.changed.len(), significant)
    }

    #[test]
    fn the_same_document_changes_nothing() {
        let mut source = Source::default();
        let document = [(Some("a"), "One", "text", None), (Some("b"), "Two", "text", None)];
        assert_eq!(counts(&source.refresh(0, &document)), (2, 0, 0));
        assert_eq!(counts(&source.refresh(60, &document)), (0, 0, 0));
    }

    #[test]
    fn three_items_with_one_guid_are_three_and_stay_three() {
        let mut source = Source::default();
        let document = [(Some("a"), "One", "1", None), (Some("a"), "Two", "2", None), (Some("a"), "Three", "3", None)];
        assert_eq!(counts(&source.refresh(0, &document)), (3, 0, 0));
        assert_eq!(counts(&source.refresh(60, &document)), (0, 0, 0));
    }

    #[test]
    fn entries_with_neither_id_nor_link_stay_two() {
        let mut source = Source::default();
        let document = [(None, "One", "1", None), (None, "Two", "2", None)];
        assert_eq!(counts(&source.refresh(0, &document)), (2, 0, 0));
        assert_eq!(counts(&source.refresh(60, &document)), (0, 0, 0));
    }

    #[test]
    fn a_move_brings_nothing_back_as_new() {
        let posts = |base: &str, ids: [&str; 3]| ids.map(|id| (format!("{base}{id}"), id.to_owned()));
        let moves = [
            posts("http://old.example/2026/post-", ["1", "2", "3"]),
            posts("https://www.old.example/2026/post-", ["1", "2", "3"]),
            posts("https://new.example/2026/post-", ["1", "2", "3"]),
            posts("https://new.example/archives/?p=", ["101", "102", "103"]),
        ];
        let mut source = Source::default();
        for (round, urls) in moves.iter().enumerate() {
            let texts = ["first", "second", "third"].map(|word| format!("{word}: {LONG}"));
            let document: Vec<_> = urls
                .iter()
                .zip(&texts)
                .map(|((url, _), text)| (Some(url.as_str()), &text[..6], text.as_str(), Some(url.as_str())))
                .collect();
            let changes = source.refresh(round as i64 * 60, &document);
            assert_eq!(changes.new.len(), if round == 0 { 3 } else { 0 }, "round {round}");
        }
    }

    #[test]
    fn one_page_linked_every_day_is_an_entry_every_day() {
        let mut source = Source::default();
        let page = Some("https://example.org/live");
        assert_eq!(counts(&source.refresh(0, &[(Some("monday"), "Monday", "what happened", page)])), (1, 0, 0));
        assert_eq!(counts(&source.refresh(60, &[(Some("tuesday"), "Tuesday", "something else", page)])), (1, 0, 0));
    }

    #[test]
    fn a_corrected_title_moves_updated_only() {
        let mut source = Source::default();
        source.refresh(0, &[(Some("a"), "Teh title", LONG, None)]);
        let before = source.entries[0].clone();
        assert_eq!(counts(&source.refresh(600, &[(Some("a"), "The title", LONG, None)])), (0, 1, 1));
        assert_eq!(source.entries[0].effective, before.effective);
        assert_eq!(source.entries[0].updated, at(600));
    }

    #[test]
    fn small_changes_are_taken_in_three_times_and_a_nonce_for_ever_changes_nothing() {
        let mut source = Source::default();
        source.refresh(0, &[(Some("a"), "T", LONG, None)]);
        let mut written = 0;
        for poll in 1..50 {
            let text = format!("{LONG} <span data-nonce=\"{poll}\"></span>");
            let changes = source.refresh(poll * 60, &[(Some("a"), "T", &text, None)]);
            written += changes.changed.len();
            assert_eq!(source.entries[0].updated, at(0) - TimeDelta::seconds(1), "readers are told nothing");
        }
        assert_eq!(written, usize::from(SILENT_CHANGES));
        let rewritten =
            format!("{LONG} And then a whole new sentence was added to it, which is long enough to matter.");
        assert_eq!(counts(&source.refresh(9000, &[(Some("a"), "T", &rewritten, None)])), (0, 1, 1));
    }

    #[test]
    fn any_visible_change_of_a_local_article_counts() {
        let mut source = Source { local: true, ..Source::default() };
        source.refresh(0, &[(Some("a"), "T", "teh text", None)]);
        assert_eq!(counts(&source.refresh(60, &[(Some("a"), "T", "the text", None)])), (0, 1, 1));
    }

    #[test]
    fn dates_that_cannot_be_true_are_replaced_by_the_first_sight() {
        let check = |published: Option<Time>, want: Time| {
            let mut source = Source::default();
            source.refresh_stated(0, vec![(Some("x"), Stated { published: Some(at(-90)), ..stated("X", "x", None) })]);
            source.refresh_stated(60, vec![(Some("a"), Stated { published, ..stated("T", "t", None) })]);
            assert_eq!(source.entries[1].effective, want, "{published:?}");
        };
        check(Some(at(-1000)), at(-1000));
        check(Some(at(60 + 599)), at(60 + 599));
        check(Some(at(60 + 601)), at(60));
        check(DateTime::from_timestamp(0, 0), at(60));
        check(None, at(60));
    }

    #[test]
    fn undated_entries_of_a_first_fetch_stand_below_the_dated() {
        let mut source = Source::default();
        let dated = |second, title: &str| Stated { published: Some(at(second)), ..stated(title, title, None) };
        let document = vec![
            (Some("a"), stated("undated", "u", None)),
            (Some("b"), dated(-500, "old")),
            (Some("c"), dated(-10, "young")),
            (Some("d"), stated("undated too", "v", None)),
        ];
        source.refresh_stated(0, document);
        let order: Vec<Time> = source.entries.iter().map(|entry| entry.effective).collect();
        assert_eq!(order, [at(-501), at(-500), at(-10), at(-504)]);
    }

    #[test]
    fn an_archive_republished_with_new_dates_changes_no_order() {
        let mut source = Source::default();
        let dated = |second| Stated { published: Some(at(second)), ..stated("T", LONG, None) };
        source.refresh_stated(0, vec![(Some("a"), dated(-5000))]);
        source.refresh_stated(60, vec![(Some("a"), dated(50))]);
        assert_eq!(source.entries.len(), 1);
        assert_eq!(source.entries[0].effective, at(-5000));
    }

    #[test]
    fn what_stands_between_is_what_differs() {
        let check = |old: &str, new: &str, want: usize| assert_eq!(differing_chars(old, new), want, "{old} / {new}");
        check("the same", "the same", 0);
        check("the cat sat", "the dog sat", 3);
        check("", "abc", 3);
        check("aaaa", "aa", 2);
        check("über alles", "unter alles", 3);
    }
}
