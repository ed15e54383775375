//! A newsdesk of any size for benchmarks: a configuration and a store in a scratch folder, filled through the store's own
//! operations. The texts are made up and differ from each other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta};
use newsdesk::changes::{Changes, NewEntry};
use newsdesk::config::{self, Locations};
use newsdesk::daemon::Newsdesk;
use newsdesk::duplicates::Clues;
use newsdesk::model::{Category, Html, Origin, Person, Stated, Time};
use newsdesk::normalize::identity::{self, Key};
use newsdesk::store::{Refresh, SourceState};

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Entries in a section's current document.
pub const LIMIT: usize = 100;
/// Entries in one write, at most.
const BATCH: usize = 500;

/// How many of what.
#[derive(Clone, Copy)]
pub struct Size {
    pub entries: usize,
    pub sources: usize,
    /// Every source stands in one of them, the first in the first.
    pub sections: usize,
}

impl Size {
    /// One section, "news", of a hundred sources.
    pub fn of(entries: usize) -> Size {
        Size { entries, sources: 100, sections: 1 }
    }
}

/// The name of the section of this number.
fn section(number: usize) -> String {
    if number == 0 { "news".to_owned() } else { format!("news-{number}") }
}

pub fn now() -> Time {
    DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default()
}

/// Write a configuration; nobody is ever asked.
pub fn configuration(folder: &Path, size: Size, listen: &str, admin: &str, publish: &str) -> Result<PathBuf, Failure> {
    let mut text = format!(
        "[site]\nurl = \"https://news.example/\"\n[server]\nlisten = \"{listen}\"\nadmin = \"{admin}\"\n\
         [publish]\n{publish}\n[schedule]\ndefault = \"0 0 1 1 *\"\n"
    );
    for number in 0..size.sections {
        text.push_str(&format!("[[section]]\nname = \"{}\"\ntitle = \"News\"\nlimit = {LIMIT}\n", section(number)));
    }
    for source in 0..size.sources {
        text.push_str(&format!(
            "[[source]]\nname = \"feed {source}\"\nurl = \"http://feed-{source}.example/\"\nsections = [\"{}\"]\n",
            section(source % size.sections)
        ));
    }
    let path = folder.join("newsdesk.toml");
    std::fs::write(&path, text)?;
    Ok(path)
}

pub async fn open(folder: &Path, size: Size) -> Result<Newsdesk, Failure> {
    let path = configuration(folder, size, "127.0.0.1:1", "127.0.0.1:2", "")?;
    let settings = config::load(&path, &Locations::from_env(Some(&folder.join("state"))))?;
    Ok(Newsdesk::open(settings).await?)
}

/// What an agency says of its story number `n`.
pub fn stated(n: usize) -> Stated {
    let paragraph = |k: usize| {
        let (a, b) = (n.wrapping_mul(2_654_435_761) % 9973, (n + k).wrapping_mul(40_503) % 7919);
        format!(
            "<p>The vote of chamber {a} took {b} minutes &amp; had been expected to take all night; its kitchen had been \
             told to stay open, see <a href=\"https://wire.example/record?id={n}&amp;part={k}\">the record</a>.</p>\n"
        )
    };
    Stated {
        title: format!("R&D: story number {n} of a long day, with a headline of common length"),
        link: Some(format!("https://wire.example/2026/story-{n}")),
        summary: Some(Html(format!(
            "<p>The vote {n} took nine minutes &amp; had been expected to take all night.</p>"
        ))),
        content: Some(Html((0..4).map(paragraph).collect())),
        authors: vec![Person { name: Some("Jane Doe".into()), ..Person::default() }],
        categories: vec![Category { term: "Budget".into(), ..Category::default() }],
        published: Some(date(n)),
        ..Stated::default()
    }
}

/// A minute apart, the last one a while ago.
fn date(n: usize) -> Time {
    now() - TimeDelta::days(1000) + TimeDelta::seconds(i64::try_from(n).unwrap_or_default() * 60)
}

pub async fn fill(desk: &Newsdesk, Size { entries, sources: count, sections }: Size) -> Result<(), Failure> {
    let known = desk.store.sources().await?;
    let sources: HashMap<&str, _> = known.iter().map(|source| (&*source.name, source)).collect();
    let batch = entries.div_ceil(count).clamp(1, BATCH);
    let mut n = 0;
    while n < entries {
        let number = (n / batch) % count;
        let (name, taken_by) = (format!("feed {number}"), section(number % sections));
        let source = sources.get(&*name).ok_or("no source")?;
        let new = (n..(n + batch).min(entries)).map(|n| {
            let stated = stated(n);
            let (json, print) = identity::printed(&stated);
            NewEntry {
                key: Key::Id(format!("story-{n}")),
                aliases: Vec::new(),
                publishable: Some(format!("https://wire.example/2026/story-{n}")),
                json,
                print,
                effective: date(n),
                updated: date(n),
                slug: None,
                sections: vec![String::new(), taken_by.clone()],
                // The texts are alike, and not to be taken for copies of each other.
                clues: Clues::default(),
                stated,
            }
        });
        let changes = Changes { new: new.collect(), ..Changes::default() };
        let refresh = Refresh {
            source: source.row,
            now: now(),
            changes,
            origin: Some(Origin {
                title: source.name.clone(),
                link: Some("https://wire.example/".into()),
                feed: Some("https://wire.example/feed".into()),
                ..Origin::default()
            }),
            feed_id: None,
            // Asked a while ago, and not again while this runs.
            state: SourceState {
                last_try: Some(now()),
                next_poll: Some(now() + TimeDelta::days(10_000)),
                ..source.state.clone()
            },
            files: Vec::new(),
            vanished: Vec::new(),
            pages: 0,
        };
        desk.store.apply_refresh(refresh).await?;
        n += batch;
    }
    Ok(())
}
