//! From one changed entry to new documents, in small stores and in large ones: `cargo bench --bench merge`.
//!
//! ```sh
//! cargo bench --bench merge                   # 10,000 and 1,000,000 stored entries; the large store takes minutes to fill
//! cargo bench --bench merge -- 10000 100000
//! ```
//!
//! Counted is the CPU time of the whole process, median of many runs. A publication loads what changed, renders and reads
//! it back, lays the documents of all formats together, passes the gate, compresses with gzip and brotli and stores.
//! "query and render" leaves gate, compression and storing out, and stands against the smallest program that could do it:
//! an indexed query of a plain table of 10,000 rows, and the rss crate.

mod desk;

use std::time::Duration;

use chrono::TimeDelta;
use desk::{Failure, LIMIT, now, stated};
use newsdesk::changes::{ChangedEntry, Changes};
use newsdesk::daemon::Newsdesk;
use newsdesk::merge::{self, Candidate, Identity, current};
use newsdesk::model::{Paging, Time};
use newsdesk::normalize::identity;
use newsdesk::render::{self, Format, Fragment, Manner, fragment};
use newsdesk::store::{Reach, Refresh, Shown, Standings, View};

const RUNS: usize = 60;

fn main() -> Result<(), Failure> {
    // As the daemon does, for both programs.
    newsdesk::daemon::memory::keep();
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let sizes = if sizes.is_empty() { vec![10_000, 1_000_000] } else { sizes };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let scratch = tempfile::tempdir()?;
    let bare = bare(&scratch.path().join("bare.db"))?;
    let mut published = Vec::new();
    for size in sizes {
        let folder = tempfile::tempdir()?;
        let (publication, rendering, smallest) = runtime.block_on(measure(folder.path(), size, &bare))?;
        println!(
            "{size:>8} entries: publication of one changed entry {:.2} ms; query and render {:.3} ms, {:.2} of the bare program ({:.3} ms)",
            publication.as_secs_f64() * 1e3,
            rendering.as_secs_f64() * 1e3,
            rendering.as_secs_f64() / smallest.as_secs_f64(),
            smallest.as_secs_f64() * 1e3
        );
        published.push(publication.as_secs_f64());
    }
    if let (Some(first), Some(last)) = (published.first(), published.last()) {
        println!("growth of a publication: {:.2}", last / first);
    }
    Ok(())
}

/// A publication; query and rendering; the same by the bare program.
async fn measure(
    folder: &std::path::Path,
    size: usize,
    bare: &rusqlite::Connection,
) -> Result<(Duration, Duration, Duration), Failure> {
    let sizes = desk::Size::of(size);
    let desk = desk::open(folder, sizes).await?;
    let begun = std::time::Instant::now();
    desk::fill(&desk, sizes).await?;
    println!("{size:>8} entries: stored in {:.0} s", begun.elapsed().as_secs_f64());
    let mut dirty = desk.everything().await?;
    desk.publish(&dirty, now()).await;
    dirty.sections.retain(|name| name == "news");
    dirty.sources.clear();
    dirty.slugs.clear();
    let section = desk.store.section("news".into()).await?.ok_or("no section")?;
    let newest = desk.store.window(Shown::Section(section), LIMIT).await?;
    let rows: Vec<i64> = newest.iter().map(|stored| stored.row).collect();
    let mut publications = Vec::new();
    for run in 0..RUNS {
        let moment = now() + TimeDelta::seconds(10 * (run as i64 + 1));
        change(&desk, rows[(run * 37) % rows.len()], run, moment).await?;
        let start = cpu_time();
        let published = desk.publish(&dirty, moment).await;
        for path in &published.changed {
            desk.live.get(path).ok_or("not live")?.prepare();
        }
        publications.push(cpu_time() - start);
        assert!(published.changed.iter().any(|path| path == "news/rss.xml"), "{:?}", published.changed);
    }
    let (rendering, smallest) = rendering(&desk, section, &rows, bare).await?;
    desk.store.close().await;
    Ok((median(publications), rendering, smallest))
}

/// The title of one entry is corrected.
async fn change(desk: &Newsdesk, row: i64, run: usize, now: Time) -> Result<(), Failure> {
    let stored = desk.store.entries(None, vec![row]).await?.pop().ok_or("gone")?;
    let mut stated = stored.entry.stated;
    stated.title = format!("Corrected {run} times: {}", stated.title.rsplit(": ").next().unwrap_or_default());
    let (json, print) = identity::printed(&stated);
    let changed = ChangedEntry {
        row,
        first_seen: stored.entry.first_seen,
        key: None,
        aliases: Vec::new(),
        json,
        print,
        stated,
        updated: now,
        silent: 0,
        significant: true,
        sections: vec![String::new(), "news".to_owned()],
        barred: false,
        clues: newsdesk::duplicates::Clues::default(),
    };
    let source = desk.store.sources().await?.into_iter().find(|source| source.name == stored.entry.source);
    let source = source.ok_or("no source")?;
    let refresh = Refresh {
        source: source.row,
        now,
        changes: Changes { changed: vec![changed], ..Changes::default() },
        origin: None,
        feed_id: None,
        state: source.state,
        files: Vec::new(),
        vanished: Vec::new(),
        pages: 0,
    };
    desk.store.apply_refresh(refresh).await?;
    Ok(())
}

/// One changed entry to the RSS document, the others kept; in turns with the bare program, since a machine's pace changes.
async fn rendering(
    desk: &Newsdesk,
    row: i64,
    rows: &[i64],
    bare: &rusqlite::Connection,
) -> Result<(Duration, Duration), Failure> {
    let section = desk.settings.sections[0].clone();
    let identity = || Identity { id: "urn:uuid:1".into(), created: now(), path: "news/".into() };
    let feed = merge::feed(&section, identity(), &desk.site, Some(now()), Vec::new(), Paging::Alone);
    let manner = Manner::of(&feed);
    let made = |stored| -> Fragment {
        let newsdesk::store::Stored { entry, origin, .. } = stored;
        fragment::make(&merge::feed_entry(Candidate { entry, origin, copies: Vec::new() }, &desk.site), &manner)
    };
    let shelf = desk.store.shelf(row).await?;
    let reach = Reach {
        window: section.limit,
        most_per_source: section.max_per_source,
        documents: current::reach(&section, &shelf),
        corrected_since: now() - current::CORRECTED,
        corrected: section.limit,
    };
    let mut kept: std::collections::HashMap<i64, Fragment> = desk
        .store
        .entries(Some(row), rows.to_vec())
        .await?
        .into_iter()
        .map(|stored| (stored.row, made(stored)))
        .collect();
    let section = std::sync::Arc::new(section);
    let (mut times, mut smallest) = (Vec::new(), Vec::new());
    for run in 0..RUNS * 5 {
        let start = cpu_time();
        let document = bare_document(bare)?;
        smallest.push(cpu_time() - start);
        assert!(document.len() > 50_000);
        let changed = rows[(run * 37) % rows.len()];
        let start = cpu_time();
        let seen = section.clone();
        let look = move |view: &View<'_>| {
            let Standings { shelf, window, latest, corrected } = view.standings(row, reach)?;
            let current = current::current(&seen, &shelf, window, latest, corrected, &|_| 0, now());
            Ok((current, view.entries(Some(row), &[changed])?))
        };
        let (current, loaded) = desk.store.view(look).await?;
        for stored in loaded {
            kept.insert(stored.row, made(stored));
        }
        let fragments: Vec<Fragment> =
            current.entries.iter().filter_map(|standing| kept.get(&standing.row).cloned()).collect();
        let document = render::document_of(&feed, &fragments, Format::Rss);
        times.push(cpu_time() - start);
        assert!(fragments.len() >= LIMIT && document.len() > 50_000);
    }
    Ok((median(times), median(smallest)))
}

/// The smallest program: a plain table with an index, the newest rows, the rss crate.
fn bare(path: &std::path::Path) -> Result<rusqlite::Connection, Failure> {
    let db = rusqlite::Connection::open(path)?;
    db.execute_batch(
        "PRAGMA journal_mode = wal; CREATE TABLE entry (id INTEGER PRIMARY KEY, section TEXT, effective INTEGER, guid TEXT,
        title TEXT, link TEXT, summary TEXT, content TEXT, author TEXT, category TEXT, source TEXT, feed TEXT);
        CREATE INDEX by_date ON entry (section, effective); BEGIN",
    )?;
    let mut insert = db.prepare("INSERT INTO entry VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)")?;
    for n in 0..10_000 {
        let s = stated(n);
        let (published, link) = (s.published.map(|time| time.timestamp()), s.link.clone());
        let author = s.authors[0].name.clone();
        let (summary, content) = (s.summary.map(|html| html.0), s.content.map(|html| html.0));
        let category = s.categories[0].term.clone();
        let feed = ("The wire", "https://wire.example/feed");
        insert.execute(rusqlite::params![
            "news", published, s.link, s.title, link, summary, content, author, category, feed.0, feed.1
        ])?;
    }
    drop(insert);
    db.execute_batch("COMMIT")?;
    Ok(db)
}

fn bare_document(db: &rusqlite::Connection) -> Result<Vec<u8>, Failure> {
    let sql = "SELECT guid, title, link, summary, content, author, category, source, feed, effective FROM entry
        WHERE section = ?1 ORDER BY effective DESC LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let items = statement.query_map(rusqlite::params!["news", LIMIT as i64], |row| {
        let date = chrono::DateTime::from_timestamp(row.get(9)?, 0).unwrap_or_default();
        Ok(rss::Item {
            guid: Some(rss::Guid { value: row.get(0)?, permalink: false }),
            title: row.get(1)?,
            link: row.get(2)?,
            description: row.get(3)?,
            content: row.get(4)?,
            pub_date: Some(date.to_rfc2822()),
            dublin_core_ext: Some(rss::extension::dublincore::DublinCoreExtension {
                creators: vec![row.get(5)?],
                ..Default::default()
            }),
            categories: vec![rss::Category { name: row.get(6)?, domain: None }],
            source: Some(rss::Source { title: row.get(7)?, url: row.get(8)? }),
            ..rss::Item::default()
        })
    })?;
    let channel = rss::Channel {
        title: "News".into(),
        link: "https://news.example/news/".into(),
        description: "News".into(),
        items: items.collect::<Result<_, _>>()?,
        ..rss::Channel::default()
    };
    Ok(channel.write_to(Vec::new())?)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Of the whole process, whatever thread did the work.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer; the clock always exists on Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
