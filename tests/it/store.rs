//! The store's contract: what was chosen once stays, what two sources claim is settled, what was withdrawn comes back.

use std::path::Path;

use chrono::{DateTime, TimeDelta};
use newsdesk::changes::{self, Changes, Situation};
use newsdesk::model::{Html, Origin, Stated, Time};
use newsdesk::normalize::identity::{self, Gist, Key, Keys, Offer};
use newsdesk::normalize::{Incoming, Refreshed};
use newsdesk::store::{Applied, Refresh, Shown, SourceState, Store, StoreError, StoredRevision};

fn at(second: i64) -> Time {
    DateTime::from_timestamp(1_790_000_000 + second, 0).expect("a valid time")
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(work)
}

async fn open(path: &Path) -> Store {
    let store = Store::open(path).expect("a store");
    store.initialise(Some("https://example.org/".into())).await.expect("a namespace");
    store
}

/// One document of a source, as (id, title); every entry stands in `politics` and on the site.
async fn refresh(store: &Store, source: i64, second: i64, document: &[(&str, &str)]) -> Applied {
    let stated: Vec<Stated> = document
        .iter()
        .map(|(_, title)| Stated {
            title: (*title).into(),
            content: Some(Html(format!("<p>{title}</p>"))),
            ..Stated::default()
        })
        .collect();
    let gists: Vec<Gist> = stated.iter().map(Gist::of).collect();
    let offers: Vec<Offer<'_>> = document
        .iter()
        .zip(stated.iter().zip(&gists))
        .map(|((id, _), (stated, gist))| Offer { id: Some(id), stated, gist })
        .collect();
    let Keys { of: keys, shared } = identity::of_document(&offers, None);
    let entries =
        keys.into_iter().zip(document.iter().zip(&stated)).map(|((key, aliases), ((id, _), stated))| Incoming {
            key,
            aliases,
            publishable: Some((*id).to_owned()).filter(|id| identity::is_publishable(id)),
            print: identity::printed(stated).1,
            json: identity::printed(stated).0,
            stated: stated.clone(),
            gist: Gist::of(stated),
            slug: None,
            fallback_date: None,
        });
    let refreshed = Refreshed { entries: entries.collect(), shared, ..Refreshed::default() };
    let (known, first_fetch) = store.known(source, changes::question(&refreshed)).await.expect("what is known");
    let situation = Situation { now: at(second), first_fetch, local: false, last_read: None };
    let mut changes = changes::between(&known, refreshed, situation);
    let everywhere = vec![String::new(), "politics".to_owned()];
    changes.new.iter_mut().for_each(|entry| entry.sections = everywhere.clone());
    changes.changed.iter_mut().for_each(|entry| entry.sections = everywhere.clone());
    write(store, source, second, changes).await
}

async fn write(store: &Store, source: i64, second: i64, changes: Changes) -> Applied {
    let refresh = Refresh {
        source,
        now: at(second),
        changes,
        origin: Some(Origin { title: "A feed".into(), ..Origin::default() }),
        feed_id: None,
        state: SourceState { outcome: format!("at {second}"), ..SourceState::default() },
        files: Vec::new(),
        vanished: Vec::new(),
        pages: 0,
    };
    store.apply_refresh(refresh).await.expect("a refresh")
}

fn named(names: &[(&str, &str)]) -> Vec<(String, String)> {
    names.iter().map(|(name, place)| ((*name).to_owned(), (*place).to_owned())).collect()
}

async fn politics(store: &Store) -> i64 {
    let rows = store.sync_sections(vec!["politics".into()], at(0)).await.expect("sections");
    rows.iter().find(|row| row.name == "politics").expect("the section").row
}

async fn ids(store: &Store, section: i64) -> Vec<String> {
    let window = store.window(Shown::Section(section), 50).await.expect("a window");
    window.into_iter().map(|stored| stored.entry.id.0).collect()
}

#[test]
fn two_sources_that_claim_one_id_stay_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let section = politics(&store).await;
        let rows =
            store.sync_sources(named(&[("a", "https://a.example/"), ("b", "https://b.example/")])).await.expect("rows");
        let claimed = [("https://a.example/1", "The story")];
        refresh(&store, rows[0], 0, &claimed).await;
        refresh(&store, rows[1], 60, &[("https://a.example/1", "Another story")]).await;
        let ids = ids(&store, section).await;
        assert_eq!(ids.len(), 2);
        assert!(
            ids.contains(&"https://a.example/1".to_owned()) && ids.iter().any(|id| id.starts_with("urn:uuid:")),
            "{ids:?}"
        );
        // The second never overwrites the first.
        refresh(&store, rows[1], 120, &[("https://a.example/1", "A forgery")]).await;
        let first = store.entry_by_id("https://a.example/1".into()).await.expect("a read").expect("the entry");
        assert_eq!((first.entry.source.as_str(), first.entry.stated.title.as_str()), ("a", "The story"));
    });
}

#[test]
fn everything_is_there_again_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/er/s.db");
    let before = run(async {
        let store = open(&path).await;
        let section = politics(&store).await;
        let rows = store.sync_sources(named(&[("a", "https://a.example/")])).await.expect("rows");
        refresh(&store, rows[0], 0, &[("1", "One"), ("2", "Two")]).await;
        let revision = StoredRevision {
            path: "politics/atom.xml".into(),
            body: Some("<feed/>".into()),
            gzip: Some("packed".into()),
            brotli: None,
            etag: "e".into(),
            modified: at(9),
            counter: 3,
            made_by: String::new(),
        };
        store
            .put_revisions(vec![revision], vec![("politics/atom.xml".into(), "print".into())])
            .await
            .expect("a revision");
        let window = store.window(Shown::Section(section), 50).await.expect("a window");
        store.close().await;
        window
    });
    run(async {
        let store = open(&path).await;
        let section = politics(&store).await;
        assert_eq!(store.window(Shown::Section(section), 50).await.expect("a window"), before);
        let revisions = store.revisions().await.expect("revisions");
        assert_eq!(
            (&revisions[0].body, revisions[0].gzip.as_deref(), revisions[0].counter, revisions[0].modified),
            (&None, Some(&b"packed"[..]), 3, at(9)),
            "kept once: packed"
        );
        assert_eq!(store.made().await.expect("prints"), [("politics/atom.xml".to_owned(), "print".to_owned())]);
        store.remove_revisions(vec!["politics/atom.xml".into()]).await.expect("gone");
        assert_eq!(store.made().await.expect("prints"), []);
        assert_eq!(store.states_of(&[1]).expect("states")[0].outcome, "at 0");
    });
}

#[test]
fn a_second_daemon_and_a_newer_schema_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.db");
    run(async {
        let store = open(&path).await;
        assert!(matches!(Store::open(&path), Err(StoreError::InUse { .. })));
        assert!(Store::open_read_only(&path).is_ok(), "who only reads is welcome");
        store.close().await;
    });
    rusqlite::Connection::open(&path)
        .and_then(|db| db.pragma_update(None, "user_version", 9999))
        .expect("a newer schema");
    assert!(matches!(Store::open(&path), Err(StoreError::Newer { found: 9999, .. })));
}

#[test]
fn sources_keep_their_rows_under_new_names_and_places() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let sync = async |names: &[(&str, &str)]| store.sync_sources(named(names)).await.expect("rows");
        let first = sync(&[("a", "https://a.example/"), ("b", "https://b.example/")]).await;
        assert_eq!(sync(&[("b", "https://a.example/"), ("a", "https://b.example/")]).await, first, "names swapped");
        assert_eq!(sync(&[("new", "https://a.example/"), ("a", "https://b.example/")]).await, first, "renamed");
        assert_eq!(sync(&[("new", "https://moved.example/"), ("a", "https://b.example/")]).await, first, "moved");
        let fewer = sync(&[("a", "https://b.example/")]).await;
        assert_eq!(fewer, first[1..]);
        let back = sync(&[("new", "https://moved.example/"), ("a", "https://b.example/")]).await;
        assert_eq!(back, first, "a source that comes back is the same");
    });
}

#[test]
fn withdrawn_hidden_and_back_as_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let section = politics(&store).await;
        let rows = store.sync_sources(named(&[("a", "https://a.example/")])).await.expect("rows");
        refresh(&store, rows[0], 0, &[("1", "One"), ("2", "Two")]).await;
        let before = ids(&store, section).await;
        let known = store.window(Shown::Section(section), 1).await.expect("a window");
        let left = write(&store, rows[0], 60, Changes { withdrawn: vec![known[0].row], ..Changes::default() }).await;
        assert_eq!(left.withdrawn[0].id, known[0].entry.id);
        assert!(left.sections.contains("politics"));
        assert_eq!(ids(&store, section).await, before[1..]);
        let tombstones = store.tombstones(section, at(0), at(60)).await.expect("tombstones");
        assert_eq!((tombstones[0].id.clone(), tombstones[0].when), (known[0].entry.id.clone(), at(60)));
        let (sections, sources) = store.withdrawn_between(at(59), at(60)).await.expect("names");
        assert!(sections.iter().eq(["", "politics"]) && sources.iter().eq(["a"]), "{sections:?} {sources:?}");
        assert_eq!(store.withdrawn_between(at(60), at(600)).await.expect("names"), Default::default());
        refresh(&store, rows[0], 120, &[("1", "One"), ("2", "Two")]).await;
        assert_eq!(ids(&store, section).await, before);
        assert!(store.tombstones(section, at(0), at(600)).await.expect("tombstones").is_empty());
    });
}

#[test]
fn what_retention_removed_is_not_taken_in_again() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let section = politics(&store).await;
        let rows = store.sync_sources(named(&[("a", "https://a.example/")])).await.expect("rows");
        refresh(&store, rows[0], 0, &[("1", "One"), ("2", "Two"), ("3", "Three")]).await;
        let soon = at(0) + TimeDelta::days(1);
        let long_ago = at(0) - TimeDelta::days(365);
        assert_eq!(store.expiring(long_ago, 2).await.expect("sources"), rows);
        let pruned = store.prune(rows[0], long_ago, 2, soon).await.expect("a batch");
        assert_eq!((pruned.removed, pruned.sections.contains("politics")), (1, true));
        assert_eq!(store.prune(rows[0], long_ago, 2, soon).await.expect("a batch").removed, 0);
        let again = refresh(&store, rows[0], 90_000, &[("1", "One"), ("2", "Two"), ("3", "Three")]).await;
        assert!(again.new.is_empty());
        assert_eq!(ids(&store, section).await.len(), 2);
    });
}

/// Undated ones that come together have one date: the number that a source may keep holds for them all the same.
#[test]
fn entries_of_one_date_are_held_to_their_number() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let section = politics(&store).await;
        let rows = store.sync_sources(named(&[("a", "https://a.example/")])).await.expect("rows");
        refresh(&store, rows[0], 0, &[("0", "Zero")]).await;
        refresh(&store, rows[0], 60, &[("1", "One"), ("2", "Two"), ("3", "Three"), ("4", "Four")]).await;
        let dates = store.window(Shown::Section(section), 9).await.expect("a window");
        assert_eq!(dates.iter().filter(|stored| stored.entry.effective == at(60)).count(), 4);
        let soon = at(0) + TimeDelta::days(1);
        let pruned = store.prune(rows[0], at(0) - TimeDelta::days(365), 2, soon).await.expect("a batch");
        assert_eq!((pruned.removed, ids(&store, section).await.len()), (3, 2));
    });
}

#[test]
fn the_row_of_a_removed_entry_is_never_anothers() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let path = folder.path().join("s.db");
        let store = open(&path).await;
        let section = politics(&store).await;
        let sources = named(&[("a", "https://a.example/"), ("b", "https://b.example/")]);
        let rows = store.sync_sources(sources).await.expect("rows");
        let entries = async |store: &Store| {
            let window = store.window(Shown::Section(section), 9).await.expect("a window");
            let mut entries: Vec<i64> = window.iter().map(|stored| stored.row).collect();
            entries.sort_unstable();
            entries
        };
        refresh(&store, rows[0], 0, &[("1", "One"), ("2", "Two"), ("3", "Three")]).await;
        let first = entries(&store).await;
        let removed = store.prune(rows[0], at(0) + TimeDelta::days(1), 9, at(0) + TimeDelta::days(2)).await;
        assert_eq!((first.len(), removed.expect("a batch").removed), (3, 3));
        store.close().await;
        drop(store);
        // Whoever still names an old row finds nothing there, also after a restart.
        let store = open(&path).await;
        refresh(&store, rows[1], 60, &[("4", "Four"), ("5", "Five")]).await;
        let second = entries(&store).await;
        assert_eq!(second.len(), 2);
        assert!(second.iter().all(|row| Some(row) > first.last()), "{first:?} {second:?}");
    });
}

#[test]
fn a_source_of_its_own_tells_what_was_withdrawn() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        politics(&store).await;
        let sources = named(&[("a", "https://a.example/"), ("b", "https://b.example/")]);
        let rows = store.sync_sources(sources).await.expect("rows");
        refresh(&store, rows[0], 0, &[("1", "One"), ("2", "Two")]).await;
        let known = store.window(Shown::Source(rows[0]), 1).await.expect("a window");
        write(&store, rows[0], 60, Changes { withdrawn: vec![known[0].row], ..Changes::default() }).await;
        let told = async |source: i64, after, until| {
            let found = store.tombstones_of_source(source, at(after), at(until)).await.expect("tombstones");
            found.into_iter().map(|tombstone| (tombstone.id, tombstone.when)).collect::<Vec<_>>()
        };
        assert_eq!(told(rows[0], 0, 60).await, [(known[0].entry.id.clone(), at(60))]);
        assert_eq!((told(rows[0], 0, 59).await, told(rows[0], 60, 99).await), (vec![], vec![]));
        assert_eq!(told(rows[1], 0, 99).await, [], "it is another's");
        refresh(&store, rows[0], 120, &[("1", "One"), ("2", "Two")]).await;
        assert_eq!(told(rows[0], 0, 999).await, [], "it is back");
    });
}

#[test]
fn a_pass_of_an_old_configuration_takes_nothing_from_the_new_one() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let section = politics(&store).await;
        let rows = store.sync_sources(named(&[("a", "https://a.example/")])).await.expect("rows");
        store.collect_unmirrored(Some("old".into())).await.expect("a mirror");
        refresh(&store, rows[0], 1, &[("1", "One")]).await;
        let (entries, days) = store.unmirrored_pages("old".into(), 99).await.expect("pages");
        assert_eq!((entries.len(), days.iter().any(|day| day.what.0 == section)), (1, true));
        store.collect_unmirrored(Some("new".into())).await.expect("a reload");
        store.mirrored_pages("old".into(), entries, days).await.expect("the old pass ends");
        assert_eq!(store.unmirrored_pages("old".into(), 99).await.expect("pages"), (vec![], vec![]));
        let (entries, days) = store.unmirrored_pages("new".into(), 99).await.expect("pages");
        assert_eq!((entries.len(), days.is_empty()), (1, false), "all of it waits for the new pass");
    });
}

#[test]
fn days_that_a_section_keeps_no_more_leave_the_mirror() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let section = politics(&store).await;
        let rows = store.sync_sources(named(&[("a", "https://a.example/")])).await.expect("rows");
        let day = |days: i64| at(0) + TimeDelta::days(days);
        let left = async |days: i64| {
            store.left_by_age(section, day(days)).await.expect("it is noted");
            let (entries, days) = store.unmirrored_pages("one".into(), 99).await.expect("pages");
            let sections: Vec<i64> = days.iter().map(|day| day.what.0).collect();
            store.mirrored_pages("one".into(), entries, days).await.expect("they are written");
            sections
        };
        refresh(&store, rows[0], 0, &[("1", "One")]).await;
        assert_eq!(left(1).await, [0; 0], "there is no mirror");
        store.collect_unmirrored(Some("one".into())).await.expect("a mirror");
        assert_eq!(left(-9).await.len(), 2, "a new mirror: section and site");
        assert_eq!(left(-8).await, [0; 0]);
        assert_eq!(left(1).await, [section]);
        // The day may not have been over.
        assert_eq!((left(9).await, left(19).await), (vec![section], vec![]));
    });
}

#[test]
fn one_date_for_many_entries_is_one_window_in_one_order() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let section = politics(&store).await;
        let rows = store.sync_sources(named(&[("a", "https://a.example/")])).await.expect("rows");
        refresh(&store, rows[0], 0, &[("0", "first")]).await;
        let many: Vec<(String, String)> = (1..30).map(|n| (n.to_string(), format!("entry {n}"))).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(id, title)| (id.as_str(), title.as_str())).collect();
        refresh(&store, rows[0], 60, &many).await;
        let window = store.window(Shown::Section(section), 10).await.expect("a window");
        assert_eq!(window.len(), 29, "all that share the last one's date are there, so that merge can choose");
    });
}

#[test]
fn a_key_is_looked_up_by_what_it_is() {
    assert_ne!(Key::Id("x".into()).hash(), Key::Link("x".into()).hash());
}

#[test]
fn what_a_source_still_carries_is_never_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let rows = store.sync_sources(named(&[("a", "https://a.example/")])).await.expect("rows");
        let document = [("1", "One"), ("2", "Two"), ("3", "Three")];
        refresh(&store, rows[0], 0, &document).await;
        let long_ago = at(0) - TimeDelta::days(365);
        let day = |days: i64| at(0) + TimeDelta::days(days);
        let prune = async |days| store.prune(rows[0], long_ago, 2, day(days)).await.expect("a batch").removed;
        assert_eq!(prune(1).await, 1);
        // Nothing but 304 for half a year: the document that was read last is still the one that stands there.
        assert_eq!(prune(180).await, 0);
        let seconds = |days: i64| days * 86_400;
        assert!(refresh(&store, rows[0], seconds(181), &document).await.new.is_empty());
        assert!(refresh(&store, rows[0], seconds(300), &document).await.new.is_empty());
        // Gone from the document for less than 90 days, and for more.
        assert!(refresh(&store, rows[0], seconds(310), &document[..1]).await.new.is_empty());
        assert_eq!(prune(380).await, 0);
        assert!(refresh(&store, rows[0], seconds(381), &document).await.new.is_empty());
        refresh(&store, rows[0], seconds(382), &document[..1]).await;
        prune(480).await;
        assert_eq!(refresh(&store, rows[0], seconds(481), &document).await.new.len(), 1);
    });
}

#[test]
fn a_published_id_stays_its_sources_when_retention_has_removed_the_entry() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let section = politics(&store).await;
        let rows =
            store.sync_sources(named(&[("a", "https://a.example/"), ("b", "https://b.example/")])).await.expect("rows");
        refresh(&store, rows[0], 0, &[("tag:a.example,2026:1", "One")]).await;
        let later = at(0) + TimeDelta::days(400);
        let before = later - TimeDelta::days(365);
        assert_eq!(store.prune(rows[0], before, 10, later).await.expect("a batch").removed, 1);
        refresh(&store, rows[1], 400 * 86_400, &[("tag:a.example,2026:1", "A forgery")]).await;
        let taken = ids(&store, section).await;
        assert!(taken.len() == 1 && taken[0].starts_with("urn:uuid:"), "{taken:?}");
    });
}

#[test]
fn a_local_article_outlives_retention_and_its_withdrawal_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let rows = store.sync_sources(named(&[("desk", "/srv/articles")])).await.expect("rows");
        let article = |name: &str| changes::NewEntry {
            key: Key::File(name.into()),
            aliases: Vec::new(),
            publishable: None,
            clues: Default::default(),
            stated: Stated { title: name.into(), ..Stated::default() },
            json: serde_json::to_vec(&Stated { title: name.into(), ..Stated::default() }).expect("plain data"),
            print: Default::default(),
            effective: at(0),
            updated: at(0),
            slug: Some(name.into()),
            sections: vec![String::new()],
        };
        write(&store, rows[0], 0, Changes { new: vec![article("a.txt"), article("b.txt")], ..Changes::default() })
            .await;
        let years = |years: i64| at(0) + TimeDelta::days(365 * years);
        let prune =
            async |now: Time| store.prune(rows[0], now - TimeDelta::days(365), 1, now).await.expect("a batch").removed;
        assert_eq!(prune(years(5)).await, 0);
        let b = store.entry_by_slug("b.txt".into()).await.expect("a read").expect("the entry");
        write(&store, rows[0], 5 * 365 * 86_400, Changes { withdrawn: vec![b.row], ..Changes::default() }).await;
        assert_eq!(prune(years(5)).await, 0, "it may come back");
        assert_eq!(prune(years(7)).await, 1);
        // A file that returns after all that has the id that it had.
        write(&store, rows[0], 8 * 365 * 86_400, Changes { new: vec![article("b.txt")], ..Changes::default() }).await;
        let again = store.entry_by_slug("b.txt".into()).await.expect("a read").expect("the entry");
        assert_eq!(again.entry.id, b.entry.id);
    });
}

#[test]
fn a_source_that_brings_hundreds_fills_no_capped_window() {
    let folder = tempfile::tempdir().expect("a folder");
    run(async {
        let store = open(&folder.path().join("s.db")).await;
        let section = politics(&store).await;
        let rows =
            store.sync_sources(named(&[("a", "https://a.example/"), ("b", "https://b.example/")])).await.expect("rows");
        refresh(&store, rows[0], 0, &[("0", "first")]).await;
        refresh(&store, rows[1], 0, &[("0", "first")]).await;
        refresh(&store, rows[0], 60, &[("1", "one"), ("2", "two")]).await;
        for second in 0..300 {
            let (id, title) = (format!("m{second}"), format!("many {second}"));
            refresh(&store, rows[1], 120 + second, &[(&id, &title)]).await;
        }
        let window = async |count, most| store.newest(section, count, Some(most)).await.expect("a window");
        let found = window(8, 5).await;
        let of = |source: &str| found.iter().filter(|standing| standing.source == source).count();
        assert_eq!((of("a"), of("b")), (3, 5));
        // Of entries that share a date all are there, as the order among them is for others to say.
        assert_eq!(window(6, 1).await.len(), 3, "one of b, two of a that share a date");
    });
}
