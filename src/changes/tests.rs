//! A source of documents in memory: what each of them changes.

use chrono::DateTime;

use super::*;
use crate::model::{Html, Origin};
use crate::normalize::identity::{self, Gist, Keys, Offer};

/// A store of one source in memory, so that a test is a list of documents.
#[derive(Default)]
struct Source {
    entries: Vec<Known>,
    keys: BTreeMap<KeyHash, usize>,
    aliases: BTreeMap<KeyHash, usize>,
    shared: BTreeSet<KeyHash>,
    gone: BTreeSet<KeyHash>,
    deleted: Vec<(Key, Option<Time>)>,
    local: bool,
    last_read: Option<Time>,
}

impl Source {
    /// One document at one time, as (id, title, text, link).
    fn refresh(&mut self, second: i64, document: &[(Option<&str>, &str, &str, Option<&str>)]) -> Changes {
        let stated: Vec<Stated> = document.iter().map(|(_, title, text, link)| stated(title, text, *link)).collect();
        self.refresh_stated(second, document.iter().map(|(id, ..)| *id).zip(stated).collect())
    }

    fn refresh_stated(&mut self, second: i64, document: Vec<(Option<&str>, Stated)>) -> Changes {
        let gists: Vec<Gist> = document.iter().map(|(_, stated)| Gist::of(stated)).collect();
        let offers: Vec<Offer<'_>> =
            document.iter().zip(&gists).map(|((id, stated), gist)| Offer { id: *id, stated, gist }).collect();
        let Keys { of, shared } = identity::of_document(&offers, None);
        let entries = of.into_iter().zip(&document).map(|((key, aliases), (_, stated))| Incoming {
            key,
            aliases,
            publishable: None,
            print: identity::printed(stated).1,
            json: identity::printed(stated).0,
            stated: stated.clone(),
            gist: Gist::of(stated),
            slug: None,
            fallback_date: None,
        });
        let deleted = std::mem::take(&mut self.deleted);
        let refreshed = Refreshed { entries: entries.collect(), deleted, shared, ..Refreshed::default() };
        let known = KnownEntries {
            entries: self.entries.clone(),
            by_key: self.keys.clone().into_iter().collect(),
            by_alias: self.aliases.clone().into_iter().collect(),
            gone: self.gone.clone(),
            shared: self.shared.clone(),
        };
        let first_fetch = self.entries.is_empty() && self.gone.is_empty();
        let situation = Situation { now: at(second), first_fetch, local: self.local, last_read: self.last_read };
        let changes = between(&known, refreshed, situation);
        self.last_read = Some(at(second));
        self.apply(&changes, at(second));
        changes
    }

    fn apply(&mut self, changes: &Changes, now: Time) {
        self.shared.extend(&changes.shared);
        for row in &changes.withdrawn {
            self.entries[*row as usize].withdrawn = Some(now);
        }
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
                barred: false,
                stated: Some(entry.stated.clone()),
            });
        }
        for entry in &changes.changed {
            let row = entry.row as usize;
            let known = &mut self.entries[row];
            known.print = entry.print;
            known.updated = entry.updated;
            known.silent = entry.silent;
            if !known.barred {
                known.withdrawn = None;
            }
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
    let rewritten = format!("{LONG} And then a whole new sentence was added to it, which is long enough to matter.");
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

/// Titles and texts that are told apart by nothing but themselves.
fn short<'a>(
    ids: &'a [String],
    links: &'a [String],
) -> Vec<(Option<&'a str>, &'static str, &'static str, Option<&'a str>)> {
    let pieces = [("Rain", "It rains."), ("Snow", "It snows."), ("Sun", "It shines.")];
    let named = pieces.iter().zip(ids).zip(links);
    named.map(|(((title, text), id), link)| (Some(id.as_str()), *title, *text, Some(link.as_str()))).collect()
}

#[test]
fn short_texts_survive_a_move_too() {
    let urls = |base: &str| ["1", "2", "3"].map(|number| format!("{base}{number}")).to_vec();
    let moves = [
        ("https, guid without a path", urls("http://old.example/?p="), urls("https://old.example/?p=")),
        ("domain", urls("http://old.example/?p="), urls("https://www.new.example/?p=")),
        ("tag", urls("tag:old.example,2020:post-"), urls("tag:new.example,2024:post-")),
        ("all ids", urls("42-"), urls("urn:uuid:00000000-0000-4000-8000-00000000000")),
    ];
    for (what, before, after) in &moves {
        let (old_links, new_links) = (urls("http://old.example/post/"), urls("https://new.example/archive/"));
        let mut source = Source::default();
        assert_eq!(source.refresh(0, &short(before, &old_links)).new.len(), 3, "{what}");
        let moved = source.refresh(60, &short(after, &new_links));
        assert_eq!((moved.new.len(), moved.migrated, moved.flood), (0, true, true), "{what}");
        let again = source.refresh(120, &short(after, &new_links));
        assert_eq!((counts(&again), again.flood), ((0, 0, 0), false), "{what}");
        assert_eq!(source.refresh(180, &short(before, &old_links)).new.len(), 0, "{what}, and back");
    }
}

#[test]
fn one_of_many_that_changes_its_id_is_the_same_only_if_more_agrees() {
    let check = |now: (&str, &str, Option<&str>), want: usize| {
        let mut source = Source::default();
        let others = [(Some("x"), "X", "x", None), (Some("y"), "Y", "y", None), (Some("z"), "Z", "z", None)];
        let link = Some("https://example.org/a");
        source.refresh(0, &[&others[..], &[(Some("a"), "Rain", "It rains.", link)]].concat());
        let (title, text, link) = now;
        assert_eq!(source.refresh(60, &[&others[..], &[(Some("b"), title, text, link)]].concat()).new.len(), want);
    };
    check(("Rain", "It rains.", Some("https://example.org/a")), 0);
    check(("Rain", "It rains a lot.", Some("https://example.org/a")), 0);
    check(("Rain", "It rains.", Some("https://example.org/b")), 1);
    check(("Rain", "It rains.", None), 1);
    check(("Snow", "It snows.", Some("https://example.org/a")), 1);
}

#[test]
fn a_link_that_a_source_used_for_two_entries_is_no_key_any_more() {
    let page = Some("https://example.org/live");
    let mut source = Source::default();
    let both = [(None, "Monday", "what happened", page), (None, "Tuesday", "something else", page)];
    assert_eq!(counts(&source.refresh(0, &both)), (2, 0, 0));
    assert_eq!(source.shared.len(), 1);
    assert_eq!(counts(&source.refresh(60, &both[1..])), (0, 0, 0), "known by its text, although it is alone now");
    assert_eq!(counts(&source.refresh(120, &[(None, "Wednesday", "news", page)])), (1, 0, 0));
    assert_eq!(counts(&source.refresh(180, &[(None, "Thursday", "news", page)])), (1, 0, 0));
    // Where two that have ids share their link, it confirms nothing either.
    let mut source = Source::default();
    let photo = |id| (Some(id), "Photo of the day", "See it.", page);
    let pair = |one, two| [photo(one), photo(two), (Some("c"), "C", "c", None), (Some("d"), "D", "d", None)];
    assert_eq!(source.refresh(0, &pair("1", "2")).new.len(), 4);
    assert_eq!(source.refresh(60, &pair("2", "3")).new.len(), 1);
    assert_eq!(source.refresh(120, &pair("3", "4")[1..]).new.len(), 1);
}

#[test]
fn a_counter_in_every_text_moves_nothing() {
    let mut source = Source::default();
    let text = |poll: i64| format!("Seen {poll} times. {LONG} {} people read this.", poll * 7);
    source.refresh(0, &[(Some("a"), "T", &text(0), None)]);
    let before = source.entries[0].clone();
    let mut written = 0;
    for poll in 1..=50 {
        written += source.refresh(poll * 60, &[(Some("a"), "T", &text(poll), None)]).changed.len();
        assert_eq!((source.entries[0].updated, source.entries[0].effective), (before.updated, before.effective));
    }
    assert_eq!(written, usize::from(SILENT_CHANGES));
}

#[test]
fn dates_alone_are_no_change() {
    let mut source = Source::default();
    let dated = |second| Stated { published: Some(at(second)), updated: Some(at(second)), ..stated("T", LONG, None) };
    source
        .refresh_stated(0, vec![(Some("a"), dated(-5000)), (Some("b"), Stated { title: "B".into(), ..dated(-9000) })]);
    let before: Vec<Time> = source.entries.iter().map(|entry| entry.updated).collect();
    for poll in 1..20 {
        let again = vec![(Some("a"), dated(poll * 60)), (Some("b"), Stated { title: "B".into(), ..dated(poll * 60) })];
        assert!(source.refresh_stated(poll * 60, again).is_empty());
    }
    assert_eq!(source.entries.iter().map(|entry| entry.updated).collect::<Vec<_>>(), before);
}

#[test]
fn a_newer_date_counts_only_with_another_text() {
    let mut source = Source::default();
    let said = |updated, text: &str| Stated { updated: Some(at(updated)), ..stated("T", text, None) };
    source.refresh_stated(0, vec![(Some("a"), said(-5000, "a text"))]);
    source.refresh_stated(600, vec![(Some("a"), said(500, "a test"))]);
    assert_eq!(source.entries[0].updated, at(500), "the source's own word");
    source.refresh_stated(1200, vec![(Some("a"), said(9000, "a tent"))]);
    assert_eq!(source.entries[0].updated, at(1200), "but never the future");
}

#[test]
fn what_is_dated_2037_is_neither_on_top_of_a_first_fetch_nor_in_the_future() {
    let year_2037 = DateTime::from_timestamp(2_114_380_800, 0).unwrap();
    let dated = |date, title: &str| Stated { published: Some(date), updated: Some(date), ..stated(title, title, None) };
    let mut source = Source::default();
    let document = vec![(Some("a"), dated(year_2037, "far")), (Some("b"), dated(at(-60), "near"))];
    source.refresh_stated(0, document);
    assert!(source.entries[0].effective < source.entries[1].effective);
    assert_eq!(source.entries[0].stated.as_ref().unwrap().published, Some(year_2037), "shown apart");
    source.refresh_stated(60, vec![(Some("c"), dated(year_2037, "later")), (Some("d"), dated(at(60 + 300), "clock"))]);
    assert_eq!((source.entries[2].effective, source.entries[2].updated), (at(60), at(60)));
    assert_eq!((source.entries[3].effective, source.entries[3].updated), (at(360), at(60)), "clocks may differ");
    let origin = Origin { updated: Some(year_2037), ..Origin::default() };
    assert_eq!(super::origin(None, origin, true, at(0)).updated, None);
}

#[test]
fn a_feed_that_states_the_moment_of_its_making_says_nothing() {
    let made = |second, title: &str| Origin { updated: Some(at(second)), title: title.into(), ..Origin::default() };
    let before = made(0, "F");
    assert_eq!(origin(Some(&before), made(600, "F"), false, at(600)), before);
    assert_eq!(origin(Some(&before), made(600, "F"), true, at(600)), made(600, "F"));
    assert_eq!(origin(Some(&before), made(600, "G"), false, at(600)), made(0, "G"));
}

#[test]
fn what_its_author_does_to_an_article_is_meant() {
    let mut source = Source { local: true, ..Source::default() };
    let tagged = |tag: i64| Stated {
        categories: vec![crate::model::Category { term: tag.to_string(), ..Default::default() }],
        ..stated("T", "text", None)
    };
    source.refresh_stated(0, vec![(Some("a"), tagged(0))]);
    for round in 1..10 {
        assert_eq!(counts(&source.refresh_stated(round * 60, vec![(Some("a"), tagged(round))])), (0, 1, 0), "{round}");
    }
}

#[test]
fn a_source_takes_back_its_own() {
    let mut source = Source::default();
    let said = |updated| Stated { updated: Some(at(updated)), ..stated("T", LONG, None) };
    let back = |when| vec![(Key::Id("a".into()), when)];
    source.refresh_stated(0, vec![(Some("a"), said(-100)), (Some("b"), stated("B", "b", None))]);
    // Carried and taken back in one document: the later word counts.
    source.deleted = back(Some(at(-200)));
    assert!(source.refresh_stated(60, vec![(Some("a"), said(-100))]).is_empty());
    source.deleted = back(None);
    assert!(source.refresh_stated(90, vec![(Some("a"), said(-100))]).is_empty());
    source.deleted = back(Some(at(100)));
    assert_eq!(source.refresh_stated(120, vec![(Some("a"), said(-100))]).withdrawn, [0]);
    for poll in 3..6 {
        source.deleted = back(Some(at(100)));
        assert!(source.refresh_stated(poll * 60, vec![(Some("a"), said(-100))]).is_empty(), "poll {poll}");
    }
    assert!(source.entries[0].withdrawn.is_some());
    // Never seen before, and taken back already.
    source.deleted = vec![(Key::Id("c".into()), Some(at(100)))];
    assert!(source.refresh_stated(600, vec![(Some("c"), said(0))]).is_empty());
    // Written again, and then taken back under the id that it had before a move.
    assert_eq!(counts(&source.refresh_stated(660, vec![(Some("a"), said(650))])), (0, 1, 0));
    assert_eq!(counts(&source.refresh_stated(720, vec![(Some("a2"), said(650))])), (0, 1, 0));
    source.deleted = back(Some(at(800)));
    assert_eq!(source.refresh_stated(780, vec![]).withdrawn, [0]);
}

#[test]
fn what_was_withdrawn_by_hand_stays_so() {
    let mut source = Source::default();
    source.refresh(0, &[(Some("a"), "T", LONG, None)]);
    source.entries[0].withdrawn = Some(at(10));
    source.entries[0].barred = true;
    let corrected = source.refresh(60, &[(Some("a"), "Another title", LONG, None)]);
    assert!(corrected.new.is_empty() && corrected.changed[0].barred, "kept up to date, shown nowhere");
    let renamed = source.refresh(120, &[(Some("b"), "Another title", LONG, None)]);
    assert_eq!((renamed.new.len(), renamed.changed.len()), (0, 1), "its new key is learned");
    assert!(source.refresh(180, &[(Some("b"), "Another title", LONG, None)]).is_empty());
    assert!(source.entries[0].withdrawn.is_some());
}

#[test]
fn what_retention_removed_stays_away_under_new_ids_too() {
    let urls = |base: &str| ["1", "2", "3"].map(|number| format!("{base}{number}")).to_vec();
    let mut source = Source::default();
    source.refresh(0, &short(&urls("http://old.example/?p="), &urls("http://old.example/")));
    source.gone = source.keys.keys().chain(source.aliases.keys()).copied().collect();
    source.entries.clear();
    source.keys.clear();
    source.aliases.clear();
    let changes = source.refresh(60, &short(&urls("id-"), &urls("https://new.example/")));
    assert_eq!(changes.new.len(), 0);
    assert!(changes.still_gone.len() >= 9, "remembered by the new keys from now on");
    assert_eq!(source.refresh(120, &[(Some("x"), "Rain", "It rains.", None)]).new.len(), 1, "one text is no proof");
}

#[test]
fn a_flood_is_a_first_fetch_or_an_archive_that_nobody_recognised() {
    let document = |base: &str, days: i64, count: usize| -> Vec<(String, Stated)> {
        let entry = |number: usize| {
            let published = Some(at(-86_400 * days - number as i64));
            let title = format!("{base} {number}");
            (format!("{base}-{number}"), Stated { published, ..stated(&title, &title, None) })
        };
        (0..count).map(entry).collect()
    };
    let mut source = Source::default();
    let mut refresh = |second, document: &[(String, Stated)]| {
        source.refresh_stated(second, document.iter().map(|(id, stated)| (Some(id.as_str()), stated.clone())).collect())
    };
    assert!(refresh(0, &document("first", 3, 12)).flood);
    assert!(!refresh(60, &document("news", 0, 12)).flood, "much news is news");
    assert!(!refresh(120, &document("late", 9, 4)).flood, "a few old ones are a few old ones");
    assert!(refresh(180, &document("again", 9, 12)).flood);
}
