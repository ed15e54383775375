//! One story in several sources: one entry in every section that merges copies, chosen once, with the others beside it.

use std::path::Path;

use chrono::{DateTime, TimeDelta};
use newsdesk::changes::{self, Situation};
use newsdesk::model::{Html, Stated, Time};
use newsdesk::normalize::identity::{self, Gist, Keys, Offer};
use newsdesk::normalize::{Incoming, Refreshed};
use newsdesk::store::{Applied, Manners, Refresh, Shown, SourceState, Store};

use crate::support::{Desk, rss};

fn at(second: i64) -> Time {
    DateTime::from_timestamp(1_790_000_000 + second, 0).unwrap()
}

/// A text of 120 words that `seed` alone gives.
pub fn text(seed: u32) -> String {
    const WORDS: [&str; 32] = [
        "harbour", "council", "minister", "market", "bridge", "engine", "river", "teacher", "village", "signal",
        "winter", "budget", "window", "letter", "garden", "doctor", "station", "captain", "mountain", "silver",
        "copper", "island", "farmer", "museum", "forest", "ticket", "singer", "valley", "reporter", "cousin", "hammer",
        "planet",
    ];
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let words = (0..120).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        WORDS[(state >> 27) as usize]
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What one item of a document says.
#[derive(Clone, Default)]
struct Item {
    id: String,
    title: String,
    text: String,
    link: Option<String>,
}

fn item(id: &str, text: &str) -> Item {
    Item { id: format!("https://{id}/"), title: id.to_owned(), text: text.to_owned(), link: None }
}

/// A store with the sources `own` (a folder), `wire` and `blog`, and the sections `news` and, with every copy, `all`.
struct Scene {
    runtime: tokio::runtime::Runtime,
    store: Store,
    sources: Vec<i64>,
    sections: Vec<i64>,
    folder: tempfile::TempDir,
}

const OWN: usize = 0;
const WIRE: usize = 1;
const BLOG: usize = 2;

impl Scene {
    fn new(settle: i64) -> Scene {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (store, sources, sections) = runtime.block_on(Scene::open(&folder.path().join("store"), settle));
        Scene { runtime, store, sources, sections, folder }
    }

    async fn open(path: &Path, settle: i64) -> (Store, Vec<i64>, Vec<i64>) {
        let store = Store::open(path).unwrap();
        store.initialise(Some("https://example.org/".into())).await.unwrap();
        let names = ["own", "wire", "blog"].map(|name| (name.to_owned(), format!("https://{name}.example/")));
        let sources = store.sync_sources(names.to_vec()).await.unwrap();
        let rows = store.sync_sections(vec!["news".into(), "all".into()], at(0)).await.unwrap();
        let sections: Vec<i64> = rows.iter().map(|row| row.row).collect();
        let manners = Manners {
            sections: vec![(sections[0], true, 0), (sections[1], true, settle), (sections[2], false, 0)],
            sources: vec![(sources[OWN], true, 0), (sources[WIRE], false, 0), (sources[BLOG], false, 5)],
        };
        store.sync_manners(manners).await.unwrap();
        (store, sources, sections)
    }

    /// Stop and start again.
    fn restart(self) -> Scene {
        let Scene { runtime, store, folder, .. } = self;
        runtime.block_on(store.close());
        drop(store);
        let (store, sources, sections) = runtime.block_on(Scene::open(&folder.path().join("store"), 0));
        Scene { runtime, store, sources, sections, folder }
    }

    fn refresh(&self, source: usize, second: i64, items: &[Item]) -> Applied {
        self.runtime.block_on(self.write(source, second, items, Vec::new()))
    }

    /// Withdrawn by their owner.
    fn withdraw(&self, source: usize, second: i64, item: &Item) -> Applied {
        let asked = self.question(std::slice::from_ref(item));
        let row = self.runtime.block_on(async {
            let known = self.store.known(self.sources[source], changes::question(&asked)).await.unwrap().0;
            known.entries[0].row
        });
        self.runtime.block_on(self.write(source, second, &[], vec![row]))
    }

    fn question(&self, items: &[Item]) -> Refreshed {
        let stated: Vec<Stated> = items
            .iter()
            .map(|item| Stated {
                title: item.title.clone(),
                link: item.link.clone(),
                content: Some(Html(format!("<p>{}</p>", item.text))),
                ..Stated::default()
            })
            .collect();
        let gists: Vec<Gist> = stated.iter().map(Gist::of).collect();
        let offers: Vec<Offer<'_>> = items
            .iter()
            .zip(stated.iter().zip(&gists))
            .map(|(item, (stated, gist))| Offer { id: Some(&item.id), stated, gist })
            .collect();
        let Keys { of: keys, shared } = identity::of_document(&offers, None);
        let entries =
            keys.into_iter().zip(items.iter().zip(&stated)).map(|((key, aliases), (item, stated))| Incoming {
                key,
                aliases,
                publishable: Some(item.id.clone()),
                print: identity::printed(stated).1,
                json: identity::printed(stated).0,
                stated: stated.clone(),
                gist: Gist::of(stated),
                slug: None,
                fallback_date: None,
            });
        Refreshed { entries: entries.collect(), shared, ..Refreshed::default() }
    }

    async fn write(&self, source: usize, second: i64, items: &[Item], withdrawn: Vec<i64>) -> Applied {
        let refreshed = self.question(items);
        let row = self.sources[source];
        let (known, first_fetch) = self.store.known(row, changes::question(&refreshed)).await.unwrap();
        let situation = Situation { now: at(second), first_fetch, local: source == OWN, last_read: None };
        let mut changes = changes::between(&known, refreshed, situation);
        changes.withdrawn.extend(withdrawn);
        let everywhere = vec![String::new(), "news".to_owned(), "all".to_owned()];
        for entry in &mut changes.new {
            entry.sections = everywhere.clone();
        }
        for entry in &mut changes.changed {
            entry.sections = everywhere.clone();
        }
        let refresh = Refresh {
            source: row,
            now: at(second),
            changes,
            origin: None,
            feed_id: None,
            state: SourceState::default(),
            files: Vec::new(),
            vanished: Vec::new(),
            pages: 0,
        };
        self.store.apply_refresh(refresh).await.unwrap()
    }

    /// What a section shows, newest first: title, and the copies that it stands for.
    fn shows(&self, section: usize) -> Vec<String> {
        let window = self.runtime.block_on(self.store.window(Shown::Section(self.sections[section]), 50)).unwrap();
        window
            .iter()
            .map(|stored| {
                let copies = stored.copies.iter().map(|copy| format!(" ={}", copy.entry.stated.title));
                stored.entry.stated.title.clone() + &copies.collect::<String>()
            })
            .collect()
    }
}

const NEWS: usize = 1;
const ALL: usize = 2;

#[test]
fn one_story_from_three_sources_is_one_entry() {
    let scene = Scene::new(0);
    let story = text(1);
    scene.refresh(WIRE, 0, &[item("wire", &story)]);
    scene.refresh(BLOG, 60, &[item("blog", &story.to_uppercase())]);
    scene.refresh(OWN, 120, &[item("own", &format!("{story} And what it means for us."))]);
    assert_eq!(scene.shows(NEWS), ["wire =blog =own"]);
    assert_eq!(scene.shows(ALL), ["own", "blog", "wire"], "copies are kept apart where the section says so");
    // The same again changes nothing.
    scene.refresh(BLOG, 180, &[item("blog", &story.to_uppercase())]);
    assert_eq!(scene.shows(NEWS), ["wire =blog =own"]);
}

#[test]
fn the_next_best_takes_the_place_of_a_withdrawn_one() {
    let scene = Scene::new(0);
    let story = text(2);
    let [wire, blog, own] = ["wire", "blog", "own"].map(|id| item(id, &story));
    scene.refresh(WIRE, 0, std::slice::from_ref(&wire));
    scene.refresh(BLOG, 60, &[blog]);
    scene.refresh(OWN, 120, std::slice::from_ref(&own));
    scene.withdraw(WIRE, 180, &wire);
    assert_eq!(scene.shows(NEWS), ["own =blog"], "the local one is the best of the others");
    let tombstones = |section: usize| {
        let row = scene.sections[section];
        scene.runtime.block_on(scene.store.tombstones(row, at(0), at(999))).unwrap().len()
    };
    assert_eq!((tombstones(NEWS), tombstones(ALL)), (1, 1));
    // It comes back, and another one stands for it now: what is published is not hidden again.
    scene.refresh(WIRE, 240, &[wire]);
    assert_eq!(scene.shows(NEWS), ["own =wire =blog"]);
    scene.withdraw(OWN, 300, &own);
    assert_eq!(scene.shows(NEWS), ["wire =blog"], "by priority");
    assert_eq!(tombstones(NEWS), 1, "the wire's is gone, our own is there");
}

#[test]
fn a_copy_that_was_hidden_leaves_no_tombstone() {
    let scene = Scene::new(0);
    let [wire, blog] = ["wire", "blog"].map(|id| item(id, &text(3)));
    scene.refresh(WIRE, 0, &[wire]);
    scene.refresh(BLOG, 60, std::slice::from_ref(&blog));
    scene.withdraw(BLOG, 120, &blog);
    assert_eq!(scene.shows(NEWS), ["wire"]);
    let news = scene.runtime.block_on(scene.store.tombstones(scene.sections[NEWS], at(0), at(999))).unwrap();
    assert_eq!(news, [], "nobody has ever seen it there");
}

#[test]
fn a_chain_never_joins() {
    let scene = Scene::new(0);
    // Each shares nine tenths with the next, the ends share too little.
    let words: Vec<String> = text(4).split(' ').chain(text(5).split(' ')).map(str::to_owned).collect();
    let part = |from: usize| words[from..from + 120].join(" ");
    scene.refresh(WIRE, 0, &[item("first", &part(0))]);
    scene.refresh(BLOG, 60, &[item("second", &part(14))]);
    scene.refresh(OWN, 120, &[item("third", &part(28))]);
    assert_eq!(scene.shows(NEWS), ["third", "first =second"]);
}

#[test]
fn what_a_source_says_twice_it_means_twice() {
    let scene = Scene::new(0);
    let story = text(6);
    scene.refresh(WIRE, 0, &[item("one", &story), item("two", &story)]);
    assert_eq!(scene.shows(NEWS).len(), 2);
    scene.refresh(BLOG, 60, &[item("blog one", &story), item("blog two", &story)]);
    assert_eq!(scene.shows(NEWS).len(), 2, "each of them has one copy: {:?}", scene.shows(NEWS));
}

#[test]
fn one_link_is_one_story_and_one_page_linked_every_day_is_none() {
    let scene = Scene::new(0);
    let linked = |id: &str, text: &str, link: &str| Item { link: Some(link.to_owned()), ..item(id, text) };
    scene.refresh(WIRE, 0, &[linked("wire", "short", "https://www.paper.example/story/")]);
    // Far later than any text would be compared.
    scene.refresh(BLOG, 10_000_000, &[linked("blog", "quite another", "http://paper.example/story")]);
    assert_eq!(scene.shows(NEWS), ["wire =blog"]);

    let live = "https://paper.example/live";
    scene.refresh(WIRE, 10_000_060, &[linked("monday", "m", live)]);
    scene.refresh(WIRE, 10_000_120, &[linked("tuesday", "t", live)]);
    scene.refresh(BLOG, 10_000_180, &[linked("live", "l", live)]);
    assert_eq!(scene.shows(NEWS)[..3], ["live", "tuesday", "monday"]);
    scene.refresh(OWN, 10_000_240, &[linked("root", "r", "https://paper.example/")]);
    scene.refresh(BLOG, 10_000_300, &[linked("root too", "r", "https://paper.example/")]);
    assert_eq!(scene.shows(NEWS)[..2], ["root too", "root"]);
}

#[test]
fn one_id_is_one_story_only_where_the_text_agrees() {
    let scene = Scene::new(0);
    let titled = |title: &str, text: &str| Item { title: title.to_owned(), ..item("same", text) };
    scene.refresh(WIRE, 0, &[titled("wire", "Too short to be compared.")]);
    scene.refresh(BLOG, 60, &[titled("thief", "Something else altogether.")]);
    scene.refresh(OWN, 120, &[titled("own", "Too short to be compared.")]);
    assert_eq!(scene.shows(NEWS), ["thief", "wire =own"]);
}

#[test]
fn texts_of_an_earlier_version_are_compared_too() {
    let scene = Scene::new(0);
    let story = text(11);
    scene.refresh(WIRE, 0, &[item("wire", &story)]);
    let store = rusqlite::Connection::open(scene.folder.path().join("store")).unwrap();
    let earlier = "UPDATE story_text SET anchors = x'0102030405060708'; DELETE FROM meta WHERE key = 'anchors'";
    store.execute_batch(earlier).unwrap();
    drop(store);
    let scene = scene.restart();
    scene.runtime.block_on(scene.store.find_stories()).unwrap();
    scene.refresh(BLOG, 60, &[item("blog", &story)]);
    assert_eq!(scene.shows(NEWS), ["wire =blog"]);
}

#[test]
fn texts_are_compared_for_three_days_and_over_restarts() {
    let scene = Scene::new(0);
    let day = TimeDelta::days(1).num_seconds();
    let story = text(7);
    scene.refresh(WIRE, 0, &[item("wire", &story)]);
    let scene = scene.restart();
    scene.refresh(BLOG, 2 * day, &[item("blog", &story)]);
    assert_eq!(scene.shows(NEWS), ["wire =blog"]);
    scene.refresh(OWN, 4 * day, &[item("own", &story)]);
    assert_eq!(scene.shows(NEWS), ["own", "wire =blog"]);
}

#[test]
fn a_story_waits_for_better_copies() {
    let scene = Scene::new(120);
    let story = text(8);
    let applied = scene.refresh(BLOG, 0, &[item("blog", &story)]);
    assert_eq!(applied.settles, Some(at(120)));
    assert_eq!((scene.shows(NEWS).len(), scene.shows(0).len(), scene.shows(ALL).len()), (0, 1, 1));
    scene.refresh(WIRE, 60, &[item("wire", &story)]);
    let settle = |second: i64| scene.runtime.block_on(scene.store.settle(at(second))).unwrap();
    assert_eq!(settle(119), [""; 0]);
    assert_eq!(scene.shows(NEWS), [""; 0]);
    assert_eq!(settle(120), ["news"]);
    assert_eq!(scene.shows(NEWS), ["wire =blog"], "the one with the better priority");
    assert_eq!(scene.runtime.block_on(scene.store.next_settling()).unwrap(), None);

    // Nothing is better than an article of our own: nobody waits for it, and it ends the wait of others.
    let other = text(9);
    scene.refresh(BLOG, 300, &[item("blog two", &other)]);
    scene.refresh(OWN, 310, &[item("own", &other)]);
    assert_eq!(scene.shows(NEWS), ["own =blog two", "wire =blog"]);
    assert_eq!(scene.shows(0)[0], "blog two =own", "who does not wait shows the first");
}

#[test]
fn a_copy_that_says_something_else_now_stands_for_itself() {
    let scene = Scene::new(0);
    let story = text(10);
    scene.refresh(WIRE, 0, &[item("wire", &story)]);
    scene.refresh(BLOG, 60, &[item("blog", &story)]);
    scene.refresh(BLOG, 120, &[item("blog", &format!("{story} One sentence more."))]);
    assert_eq!(scene.shows(NEWS), ["wire =blog"]);
    scene.refresh(BLOG, 180, &[item("blog", &text(11))]);
    assert_eq!(scene.shows(NEWS), ["blog", "wire"]);
}

/// The first of a story may be the one that is rewritten: who carries the old text is hidden behind it no longer.
#[test]
fn a_first_copy_that_says_something_else_leaves_the_story_to_the_next() {
    let scene = Scene::new(0);
    let story = text(13);
    scene.refresh(WIRE, 0, &[item("wire", &story)]);
    scene.refresh(BLOG, 60, &[item("blog", &story)]);
    scene.refresh(OWN, 120, &[item("own", &story)]);
    scene.refresh(WIRE, 180, &[item("wire", &format!("{story} One sentence more."))]);
    assert_eq!(scene.shows(NEWS), ["wire =blog =own"]);
    scene.refresh(WIRE, 240, &[item("wire", &text(14))]);
    assert_eq!(scene.shows(NEWS), ["own =blog", "wire"]);
    scene.withdraw(OWN, 300, &item("own", &story));
    assert_eq!(scene.shows(NEWS), ["blog", "wire"]);
    // Who comes later with the old text finds the story, and its new text another.
    scene.refresh(OWN, 360, &[item("own two", &text(14))]);
    assert_eq!(scene.shows(NEWS), ["blog", "wire =own two"]);
}

#[test]
fn a_text_that_grows_long_enough_finds_its_story() {
    let story = text(20);
    let wire = item("wire", &story);
    let short = |id: &str| item(id, "More soon.");
    let copies = |scene: &Scene, id: &str| {
        let found = scene.runtime.block_on(scene.store.entry_by_id(format!("https://{id}/"))).unwrap().unwrap();
        found.copies.into_iter().map(|copy| copy.entry.stated.title).collect::<Vec<_>>()
    };
    let scene = Scene::new(0);
    scene.refresh(BLOG, 0, &[short("blog")]);
    scene.refresh(WIRE, 60, std::slice::from_ref(&wire));
    scene.refresh(BLOG, 120, &[item("blog", &story)]);
    assert_eq!(scene.shows(NEWS), ["wire", "blog"], "what was published is not hidden");
    assert_eq!(copies(&scene, "blog"), ["wire"]);
    scene.refresh(OWN, 180, &[item("own", &story)]);
    assert_eq!(scene.shows(NEWS), ["wire =own", "blog"]);
    scene.withdraw(WIRE, 240, &wire);
    assert_eq!(scene.shows(NEWS), ["blog =own"], "nobody needs a third one");

    // Where it still waits it waits with the others, since the first of them came, and steps back.
    let scene = Scene::new(600);
    scene.refresh(BLOG, 0, &[short("blog")]);
    scene.refresh(WIRE, 60, std::slice::from_ref(&wire));
    scene.refresh(BLOG, 120, &[item("blog", &story)]);
    assert_eq!(scene.shows(NEWS), [""; 0]);
    assert_eq!(scene.runtime.block_on(scene.store.settle(at(600))).unwrap(), ["news"]);
    assert_eq!(scene.shows(NEWS), ["wire =blog"]);

    // It is looked for once, and only while texts are compared.
    let scene = Scene::new(0);
    scene.refresh(BLOG, 0, &[item("blog", &text(21))]);
    scene.refresh(OWN, 0, &[short("own")]);
    scene.refresh(WIRE, 60, &[wire]);
    scene.refresh(BLOG, 120, &[item("blog", &story)]);
    scene.refresh(OWN, 4 * 86_400, &[item("own", &story)]);
    assert_eq!(copies(&scene, "wire"), [""; 0]);
}

#[test]
fn a_changed_configuration_chooses_again() {
    let scene = Scene::new(0);
    let story = text(12);
    for (source, id) in [(WIRE, "wire"), (BLOG, "blog"), (OWN, "own")] {
        scene.refresh(source, 0, &[item(id, &story)]);
    }
    let manners = |news: bool, all: bool| {
        let sections = vec![(scene.sections[NEWS], news, 0), (scene.sections[ALL], all, 0)];
        scene.runtime.block_on(async {
            scene.store.sync_manners(Manners { sections, sources: Vec::new() }).await.unwrap();
            scene.store.choose_again().await.unwrap();
        });
    };
    manners(false, true);
    assert_eq!(scene.shows(NEWS).len(), 3);
    assert_eq!(scene.shows(ALL), ["own =wire =blog"]);
    manners(true, true);
    assert_eq!(scene.shows(NEWS), ["own =wire =blog"]);

    // What was published before it became a copy stays, whatever else of the configuration changes.
    let scene = Scene::new(0);
    let longer = item("blog", &story);
    scene.refresh(BLOG, 0, &[item("blog", "Too short to be compared.")]);
    scene.refresh(WIRE, 60, &[item("wire", &story)]);
    scene.refresh(BLOG, 120, &[longer]);
    let before = scene.shows(NEWS);
    assert_eq!(before.len(), 2, "{before:?}");
    scene.runtime.block_on(scene.store.choose_again()).unwrap();
    assert_eq!(scene.shows(NEWS), before);
}

/// As readers see it: through the real program, in all three formats and on the pages.
#[test]
fn the_others_are_named_in_every_format() {
    let desk = Desk::new();
    let story = text(20);
    let document = |title: &str, headline: &str| {
        rss(title, &[(&format!("{title}:1"), headline, "Tue, 03 Mar 2026 08:00:00 +0000")])
            .replace(&format!("Text of {headline}."), &story)
            .replace(&format!("https://rss.example/{title}/1"), &format!("https://{title}.example/1"))
    };
    desk.origin.answer("/wire.xml", 200, &[], document("wire", "Harbour reopens"));
    desk.origin.answer("/blog.xml", 200, &[], document("blog", "Our harbour is open again"));
    let (wire, blog) = (desk.origin.url("/wire.xml"), desk.origin.url("/blog.xml"));
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\n[[section]]\nname = \"every\"\nduplicates = \"keep\"\ninclude = [\"news\"]\n\
         [[source]]\nname = \"wire\"\nurl = \"{wire}\"\nsections = [\"news\"]\n\
         [[source]]\nname = \"blog\"\nurl = \"{blog}\"\nsections = [\"news\"]\n\
         [[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n"
    ));
    desk.write("articles/harbour.md", format!("---\ntitle: The harbour\ndate: 2026-03-03T09:00:00Z\n---\n{story}\n"));
    assert_eq!(desk.run(&["update", "wire"]).code, Some(0));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let _daemon = desk.serve();
    assert_eq!(desk.titles("news"), ["Harbour reopens"], "it was published first");
    assert_eq!(desk.titles("every").len(), 3);
    for path in ["/news/atom.xml", "/news/rss.xml", "/news/feed.json", "/news/"] {
        let document = desk.get(path).text();
        assert!(document.contains("https://blog.example/1"), "{path}: {document}");
        assert!(document.contains("/articles/harbour"), "{path}: {document}");
    }
    // The copy has a page of its own, and names the others there.
    assert!(desk.get("/articles/harbour").text().contains("https://wire.example/1"));
}

/// A page in the mirror names the other copies as they come, change and go; nobody asks a server for it.
#[test]
fn a_mirrored_page_follows_its_story() {
    let desk = Desk::new();
    let story = text(20);
    let wire = |headline: Option<&str>| {
        let item = headline.map(|headline| ("wire:1", headline, "Tue, 03 Mar 2026 08:00:00 +0000"));
        let document = rss("wire", item.as_slice());
        document.replace(&format!("Text of {}.", headline.unwrap_or_default()), &story)
    };
    let url = desk.origin.url("/wire.xml");
    desk.origin.answer("/wire.xml", 200, &[], wire(None));
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\n\
         [[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n\
         [[source]]\nname = \"wire\"\nurl = \"{url}\"\nsections = [\"news\"]\n"
    ));
    let text = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", text.replace("[publish]\n", "[publish]\nfolder = \"public\"\n"));
    desk.write("articles/harbour.md", format!("---\ntitle: The harbour\ndate: 2026-03-03T09:00:00Z\n---\n{story}\n"));
    let page = || std::fs::read_to_string(desk.path("public/articles/harbour/index.html")).unwrap();
    assert_eq!(desk.run(&["update"]).code, Some(0));
    assert!(!page().contains("/wire/1"), "{}", page());
    desk.origin.answer("/wire.xml", 200, &[], wire(Some("Harbour reopens")));
    assert_eq!(desk.run(&["update", "wire"]).code, Some(0));
    assert!(page().contains("/wire/1"), "a copy came: {}", page());
    let ran = desk.run(&["withdraw", "https://rss.example/wire/1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!page().contains("/wire/1"), "and went: {}", page());
    let ran = desk.run(&["withdraw", "--undo", "https://rss.example/wire/1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(page().contains("/wire/1"), "and came back: {}", page());
}
