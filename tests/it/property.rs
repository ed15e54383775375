//! Whatever happens to sources, texts, ids, configuration and process: what was published once keeps its id and date, no
//! document holds an id twice, every order is total, and the same store gives the same bytes.
//!
//! The real store on a scratch file, and the pure rooms as the daemon joins them; nothing waits and nothing is random but
//! the plan. `NEWSDESK_PROPERTY_CASES=2000` runs more of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use newsdesk::changes::{self, Situation};
use newsdesk::merge::{self, Candidate, Identity, Site};
use newsdesk::model::{Category, Section, Time};
use newsdesk::normalize::{self, Context};
use newsdesk::parse::feed::{ParsedEntry, ParsedFeed, Text, TextKind};
use newsdesk::render;
use newsdesk::sections::{Action, Condition, Field, Placer, Rule, SourceRules, Test};
use newsdesk::store::{Refresh, SectionRow, Shown, SourceState, Store, Wanted};
use proptest::prelude::*;
use proptest::test_runner::Config;

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    /// A source publishes one more story; `alike`: with a title that others have, too.
    Write {
        source: usize,
        dated: Dated,
        alike: bool,
    },
    /// The text of a story is written anew, or only a word of it.
    Edit {
        source: usize,
        story: usize,
        whole: bool,
    },
    /// Every id and link of a source changes.
    Move {
        source: usize,
    },
    /// All items have one id, or none at all.
    Ids {
        source: usize,
        manner: Manner,
    },
    Refresh {
        source: usize,
    },
    /// A source takes a story out of its document, or back in.
    Drop {
        source: usize,
        story: usize,
    },
    TakeBack {
        source: usize,
        story: usize,
    },
    Withdraw {
        source: usize,
        story: usize,
    },
    Configure {
        manner: usize,
    },
    Restart,
    Retire,
    Later {
        hours: i64,
    },
}

#[derive(Debug, Clone, Copy)]
enum Dated {
    Now,
    Before(i64),
    Year2037,
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Manner {
    Own,
    One,
    None,
}

fn step() -> impl Strategy<Value = Step> {
    let source = || 0..3_usize;
    let story = || 0..8_usize;
    let dated = prop_oneof![
        3 => Just(Dated::Now),
        3 => (0..500_i64).prop_map(Dated::Before),
        1 => Just(Dated::Year2037),
        1 => Just(Dated::Never),
    ];
    let manner = prop_oneof![2 => Just(Manner::Own), 1 => Just(Manner::One), 1 => Just(Manner::None)];
    prop_oneof![
        6 => (source(), dated, any::<bool>()).prop_map(|(source, dated, alike)| Step::Write { source, dated, alike }),
        3 => (source(), story(), any::<bool>()).prop_map(|(source, story, whole)| Step::Edit { source, story, whole }),
        1 => source().prop_map(|source| Step::Move { source }),
        1 => (source(), manner).prop_map(|(source, manner)| Step::Ids { source, manner }),
        8 => source().prop_map(|source| Step::Refresh { source }),
        1 => (source(), story()).prop_map(|(source, story)| Step::Drop { source, story }),
        1 => (source(), story()).prop_map(|(source, story)| Step::TakeBack { source, story }),
        1 => (source(), story()).prop_map(|(source, story)| Step::Withdraw { source, story }),
        1 => (0..4_usize).prop_map(|manner| Step::Configure { manner }),
        1 => Just(Step::Restart),
        1 => Just(Step::Retire),
        2 => (1..2000_i64).prop_map(|hours| Step::Later { hours }),
    ]
}

#[derive(Debug, Clone)]
struct Story {
    number: usize,
    title: String,
    text: String,
    published: Option<Time>,
    version: usize,
    gone: bool,
    taken_back: bool,
}

struct Feed {
    stories: Vec<Story>,
    domain: usize,
    manner: Manner,
}

struct World {
    store: Option<Store>,
    path: std::path::PathBuf,
    now: Time,
    feeds: Vec<Feed>,
    rows: Vec<i64>,
    sections: Vec<Arc<Section>>,
    section_rows: Vec<SectionRow>,
    placer: Placer,
    written: usize,
    /// Row of an entry -> what must never change.
    known: BTreeMap<i64, (String, Time, Time)>,
}

const NAMES: [&str; 3] = ["first", "second", "third"];

fn start() -> Time {
    DateTime::from_timestamp(1_780_000_000, 0).expect("a valid time")
}

fn section(name: &str, max_per_source: Option<usize>) -> Section {
    Section {
        name: name.into(),
        title: format!("About {name}"),
        aliases: Vec::new(),
        sources: if name == "all" { NAMES.map(str::to_owned).to_vec() } else { Vec::new() },
        categories: vec!["even".into()],
        include: Vec::new(),
        limit: 6,
        max_per_source,
        description: None,
        language: None,
        max_age: None,
        keep: None,
        merges_copies: true,
        settle: TimeDelta::zero(),
        full_text: true,
        attribution: false,
    }
}

impl World {
    async fn new(path: &Path) -> World {
        let mut world = World {
            store: None,
            path: path.to_owned(),
            now: start(),
            feeds: (0..3).map(|_| Feed { stories: Vec::new(), domain: 0, manner: Manner::Own }).collect(),
            rows: Vec::new(),
            sections: Vec::new(),
            section_rows: Vec::new(),
            placer: Placer::default(),
            written: 0,
            known: BTreeMap::new(),
        };
        world.open().await;
        world.configure(0).await;
        world
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("it is open")
    }

    async fn open(&mut self) {
        if let Some(store) = self.store.take() {
            store.close().await;
        }
        let store = Store::open(&self.path).expect("a store");
        store.initialise(Some("https://example.org/".into())).await.expect("a namespace");
        self.store = Some(store);
    }

    /// Names, caps and rules change; places stay.
    async fn configure(&mut self, manner: usize) {
        let suffix = if manner == 3 { " renamed" } else { "" };
        let places = NAMES.map(|name| (format!("{name}{suffix}"), format!("https://{name}.example/")));
        self.rows = self.store().sync_sources(places.to_vec()).await.expect("rows");
        let cap = if manner == 1 { Some(2) } else { None };
        let mut all = section("all", cap);
        all.sources = places.iter().map(|(name, _)| name.clone()).collect();
        self.sections = vec![Arc::new(all), Arc::new(section("even", None))];
        let names = self.sections.iter().map(|section| section.name.clone()).collect();
        self.section_rows = self.store().sync_sections(names, start()).await.expect("sections").split_off(1);
        let odd = Condition::Text(Field::Title, Test::Contains("odd".into()));
        let rule = Rule { when: odd, then: vec![Action::Drop], label: "rule 1".into() };
        let rules = if manner == 2 { vec![rule] } else { Vec::new() };
        let sources = places.iter().map(|(name, _)| (name.clone(), SourceRules::default())).collect();
        self.placer = Placer::new(&self.sections, &rules, sources);
        self.place_again().await;
    }

    /// Whatever is derived from the entries, made anew.
    async fn place_again(&self) {
        let mut after = 0;
        loop {
            let placer = self.placer.clone();
            let place = move |source: &str, stated: &_, seen, _: &mut _| placer.sections(source, stated, seen);
            match self.store().replace_members(after, place).await.expect("members") {
                Some((last, _)) => after = last,
                None => break,
            }
        }
        self.store().choose_again().await.expect("copies");
    }

    fn source_name(&self, source: usize) -> String {
        self.sections[0].sources[source].clone()
    }

    async fn take(&mut self, step: &Step) {
        match step {
            Step::Write { source, dated, alike } => {
                self.written += 1;
                let number = self.written;
                let parity = if number.is_multiple_of(2) { "even" } else { "odd" };
                let title = if *alike { "Photo of the day".to_owned() } else { format!("Story {number} is {parity}") };
                let published = match dated {
                    Dated::Now => Some(self.now),
                    Dated::Before(hours) => Some(self.now - TimeDelta::hours(*hours)),
                    Dated::Year2037 => DateTime::from_timestamp(2_114_380_800, 0),
                    Dated::Never => None,
                };
                let text = format!("{parity} {}", format!("word{number} and so on ").repeat(number % 5 * 4 + 1));
                let story = Story { number, title, text, published, version: 0, gone: false, taken_back: false };
                self.feeds[*source].stories.insert(0, story);
            }
            Step::Edit { source, story, whole } => {
                if let Some(story) = self.story(*source, *story) {
                    story.version += 1;
                    let more =
                        if *whole { "a sentence that is long enough to matter to everybody who reads it" } else { "x" };
                    story.text = format!("{} {more} {}", story.text, story.version);
                }
            }
            Step::Move { source } => self.feeds[*source].domain += 1,
            Step::Ids { source, manner } => self.feeds[*source].manner = *manner,
            Step::Drop { source, story } => {
                if let Some(story) = self.story(*source, *story) {
                    story.gone = !story.gone;
                }
            }
            Step::TakeBack { source, story } => {
                if let Some(story) = self.story(*source, *story) {
                    story.taken_back = !story.taken_back;
                }
            }
            Step::Refresh { source } => self.refresh(*source).await,
            Step::Withdraw { source, story } => {
                let domain = self.feeds[*source].domain;
                let Some(number) = self.story(*source, *story).map(|story| story.number) else { return };
                let id = Wanted::Id(id(*source, domain, number));
                let found = self.store().find(id).await.expect("a look");
                let rows = found.iter().map(|stored| stored.row).collect();
                self.store().withdraw(rows, self.now).await.expect("a withdrawal");
            }
            Step::Configure { manner } => self.configure(*manner).await,
            Step::Restart => self.open().await,
            Step::Retire => {
                let before = self.now - TimeDelta::days(60);
                for source in self.store().expiring(before, 5).await.expect("sources") {
                    while self.store().prune(source, before, 5, self.now).await.expect("a batch").removed > 0 {}
                }
                // The row of what is gone may be another entry's later.
                for (row, (id, ..)) in self.known.clone() {
                    let stays = self.store().entry_by_id(id).await.expect("a read");
                    if stays.is_none_or(|stored| stored.row != row) {
                        self.known.remove(&row);
                    }
                }
            }
            Step::Later { hours } => self.now += TimeDelta::hours(*hours),
        }
    }

    fn story(&mut self, source: usize, story: usize) -> Option<&mut Story> {
        self.feeds[source].stories.get_mut(story)
    }

    async fn refresh(&mut self, source: usize) {
        self.now += TimeDelta::seconds(60);
        let parsed = document(source, &self.feeds[source], self.now);
        let name = self.source_name(source);
        let url = format!("https://{}.example/", NAMES[source]);
        let context =
            Context { source: &name, feed_url: Some(&url), origins: &Default::default(), tracking: &[], file: None };
        let refreshed = normalize::document(parsed, &context);
        let row = self.rows[source];
        let (known, first_fetch) = self.store().known(row, changes::question(&refreshed)).await.expect("what is known");
        let (origin, feed_id) = (refreshed.origin.clone(), refreshed.feed_id.clone());
        let situation = Situation { now: self.now, first_fetch, local: false, last_read: None };
        let mut changes = changes::between(&known, refreshed, situation);
        for entry in &mut changes.new {
            entry.sections = self.placer.sections(&name, &entry.stated, self.now);
        }
        for entry in &mut changes.changed {
            entry.sections = self.placer.sections(&name, &entry.stated, entry.first_seen);
        }
        let refresh = Refresh {
            source: row,
            now: self.now,
            changes,
            origin: Some(origin),
            feed_id,
            state: SourceState::default(),
            files: Vec::new(),
            vanished: Vec::new(),
            pages: Default::default(),
        };
        self.store().apply_refresh(refresh).await.expect("a refresh");
    }

    /// All that must hold after every step.
    async fn check(&mut self) {
        let mut once = Vec::new();
        for (row, section) in self.section_rows.clone().iter().zip(self.sections.clone()) {
            let first = self.documents(row, &section).await;
            assert_eq!(self.documents(row, &section).await, first, "the same store gives the same bytes");
            once.push(first);
            let stored = self.store().window(Shown::Section(row.row), 1000).await.expect("a window");
            let ids: BTreeSet<&str> = stored.iter().map(|stored| stored.entry.id.0.as_str()).collect();
            assert_eq!(ids.len(), stored.len(), "no id stands twice");
            for stored in &stored {
                let entry = &stored.entry;
                let now = (entry.id.0.clone(), entry.effective, entry.first_seen);
                let before = self.known.entry(stored.row).or_insert_with(|| now.clone());
                assert_eq!(*before, now, "what was chosen once stays");
                assert!(entry.updated <= self.now, "no change lies in the future");
                assert!(entry.effective <= entry.first_seen + TimeDelta::minutes(10));
            }
        }
    }

    /// The three formats of one section, as they would be published.
    async fn documents(&self, row: &SectionRow, section: &Section) -> Vec<Vec<u8>> {
        let standings = self.store().newest(row.row, section.limit, section.max_per_source).await.expect("a window");
        let mut backwards = standings.clone();
        backwards.reverse();
        let chosen = merge::newest(section, standings, &|_| 0, self.now);
        assert_eq!(merge::newest(section, backwards, &|_| 0, self.now), chosen, "the order is total");
        let rows = chosen.iter().map(|standing| standing.row).collect();
        let stored = self.store().entries(Some(row.row), rows).await.expect("entries");
        let site = Site {
            base: "https://example.org/".into(),
            hubs: Vec::new(),
            ttl_minutes: 15,
            language: None,
            icon: "https://example.org/icon.png".into(),
        };
        let identity = Identity { id: row.feed_id.clone(), created: row.created, path: format!("{}/", row.name) };
        let newest = stored.iter().map(|stored| stored.entry.updated).max();
        let entries = stored.into_iter().map(|stored| {
            let copies = stored.copies.into_iter().map(|copy| (copy.entry, copy.origin)).collect();
            let candidate = Candidate { copies, entry: stored.entry, origin: stored.origin };
            merge::feed_entry(candidate, &site)
        });
        let entries: Vec<_> = entries.collect();
        let feed = newsdesk::model::Feed {
            entries,
            ..merge::feed(section, identity, &site, newest, Vec::new(), newsdesk::model::Paging::Alone)
        };
        let (documents, left) = render::documents_checked(&feed).expect("it passes the gate");
        assert!(left.is_empty(), "{left:?}");
        vec![documents.atom, documents.rss, documents.json]
    }
}

fn id(source: usize, domain: usize, number: usize) -> String {
    format!("https://{}-{domain}.example/posts/{number}", NAMES[source])
}

fn document(source: usize, feed: &Feed, now: Time) -> ParsedFeed {
    let carried = feed.stories.iter().filter(|story| !story.gone).take(8);
    let text = |value: &str, kind| Text { value: value.into(), kind, base: None, language: None };
    let entries = carried.map(|story| ParsedEntry {
        id: match feed.manner {
            Manner::Own => Some(id(source, feed.domain, story.number)),
            Manner::One => Some("one".into()),
            Manner::None => None,
        },
        title: Some(text(&story.title, TextKind::Plain)),
        link: Some(id(source, feed.domain, story.number)),
        content: Some(text(&story.text, TextKind::Plain)),
        categories: vec![Category {
            term: if story.number.is_multiple_of(2) { "even" } else { "odd" }.into(),
            ..Category::default()
        }],
        published: story.published,
        ..ParsedEntry::default()
    });
    let back = feed.stories.iter().filter(|story| story.taken_back);
    ParsedFeed {
        title: Some(text(NAMES[source], TextKind::Plain)),
        updated: Some(now),
        entries: entries.collect(),
        deleted: back
            .map(|story| newsdesk::parse::feed::Deleted { id: id(source, feed.domain, story.number), when: Some(now) })
            .collect(),
        ..ParsedFeed::default()
    }
}

#[test]
fn whatever_happens_what_was_published_stays() {
    let cases = std::env::var("NEWSDESK_PROPERTY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(12);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let plan = prop::collection::vec(step(), 1..40);
    proptest!(Config { cases, failure_persistence: None, ..Config::default() }, |(steps in plan)| {
        let folder = tempfile::tempdir().expect("a folder");
        runtime.block_on(async {
            let mut world = World::new(&folder.path().join("s.db")).await;
            for step in &steps {
                world.take(step).await;
                world.check().await;
            }
            // A process that begins anew, and everything derived from the entries made again, gives the same bytes.
            let mut before = Vec::new();
            for (row, section) in world.section_rows.clone().iter().zip(world.sections.clone()) {
                before.push(world.documents(row, &section).await);
            }
            world.open().await;
            world.place_again().await;
            for ((row, section), before) in world.section_rows.clone().iter().zip(world.sections.clone()).zip(before) {
                assert_eq!(world.documents(row, &section).await, before);
            }
            world.store.take().expect("it is open").close().await;
        });
    });
}
