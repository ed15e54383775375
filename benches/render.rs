//! Rendering against the bare writers on the same entries: `cargo bench --bench render`.
//!
//! Each figure is the median CPU time of many runs in one process; only the ratios mean anything. "built and written" clones the
//! same strings into the crate's types first, as anything that holds entries has to; "written only" does not.

use std::hint::black_box;
use std::time::Duration;

use newsdesk::model::{Category, Entry, EntryId, Feed, FeedEntry, Html, Origin, Paging, Person, Stated, Time};
use newsdesk::render::{self, Format, Fragments};

const RUNS: usize = 400;

fn main() {
    let feed = feed(100);
    let channel = bare_rss(&feed);
    let bytes = render::document(&feed, Format::Rss).len();
    println!("{} entries, RSS document of {} KB", feed.entries.len(), bytes / 1000);
    let written = median(|| channel.write_to(Vec::new()).expect("written").len());
    let built = median(|| bare_rss(&feed).write_to(Vec::new()).expect("written").len());
    let ours = median(|| render::document(&feed, Format::Rss).len());
    let mut kept = Fragments::default();
    render::documents_with(&feed, &mut kept).expect("passes the gate");
    let again = median(|| render::documents_with(&feed, &mut kept).expect("passes the gate").0.rss.len());
    let all = median(|| render::documents(&feed).rss.len());
    let checked = median(|| render::documents_checked(&feed).expect("passes the gate").0.rss.len());
    let atom = bare_atom(&feed);
    let atom_written = median(|| atom.write_to(Vec::new()).expect("written").len());
    let atom_built = median(|| bare_atom(&feed).write_to(Vec::new()).expect("written").len());
    let atom_ours = median(|| render::document(&feed, Format::Atom).len());
    let line = |what: &str, time: Duration, against: Duration| {
        println!(
            "{what:<48} {:>8.3} ms  {:>5.2}x",
            time.as_secs_f64() * 1e3,
            time.as_secs_f64() / against.as_secs_f64()
        );
    };
    line("rss crate, written only", written, written);
    line("rss crate, built and written", built, written);
    line("newsdesk, RSS from entries", ours, written);
    line("atom_syndication, written only", atom_written, atom_written);
    line("atom_syndication, built and written", atom_built, atom_written);
    line("newsdesk, Atom from entries", atom_ours, atom_written);
    line("newsdesk, all three from entries", all, built + atom_built);
    line("newsdesk, all three from entries, gate", checked, built + atom_built);
    line("newsdesk, all three, fragments kept, gate", again, built + atom_built);
}

fn median(mut work: impl FnMut() -> usize) -> Duration {
    for _ in 0..RUNS / 10 {
        black_box(work());
    }
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = cpu_time();
            black_box(work());
            cpu_time().saturating_sub(start)
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}

/// CPU time of this thread: what else the machine does is not counted.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer; the clock always exists on Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Entries as newsrooms write them: a title, a summary, five paragraphs with a link, two authors, two categories.
fn feed(entries: u32) -> Feed {
    let start: Time = "2026-03-27T10:00:00Z".parse().expect("a date");
    let paragraph = "<p>The vote took nine minutes &amp; had been expected to take all night; the chamber's kitchen had been told \
                     to stay open, see <a href=\"https://wire.example/record?id=7&amp;part=2\">the record</a> of it.</p>\n";
    let entry = |n: u32| FeedEntry {
        entry: Entry {
            id: EntryId(format!("tag:wire.example,2026:{n}")),
            source: "wire".into(),
            stated: Stated {
                title: format!("R&D: story number {n} of a long day, with a headline of common length"),
                summary: Some(Html(
                    "<p>The vote took nine minutes &amp; had been expected to take all night.</p>".into(),
                )),
                content: Some(Html(paragraph.repeat(5))),
                authors: vec![
                    Person { name: Some("Jane Doe".into()), ..Person::default() },
                    Person { name: Some("René van der Berg".into()), ..Person::default() },
                ],
                categories: vec![
                    Category { term: "Politics".into(), ..Category::default() },
                    Category { term: "Budget".into(), ..Category::default() },
                ],
                published: Some(start),
                ..Stated::default()
            },
            first_seen: start,
            effective: start - chrono::TimeDelta::minutes(i64::from(n)),
            updated: start,
            slug: None,
        },
        origin: Origin {
            id: "https://wire.example/feed".into(),
            title: "The Wire".into(),
            link: Some("https://wire.example/".into()),
            feed: Some("https://wire.example/feed".into()),
            ..Origin::default()
        },
        link: format!("https://wire.example/2026/03/27/story-{n}"),
        also_in: Vec::new(),
    };
    Feed {
        id: "urn:uuid:2f6d2fbc-7c5a-5d6e-9d4f-0d6a3f0f7a11".into(),
        title: "Politics".into(),
        description: Some("What is decided, by whom, and what it costs.".into()),
        language: Some("en".into()),
        page: "https://news.example/politics/".into(),
        updated: start,
        icon: None,
        rights: None,
        hubs: vec!["https://news.example/hub".into()],
        ttl_minutes: 60,
        full_text: true,
        attribution: false,
        entries: (0..entries).map(entry).collect(),
        deleted: Vec::new(),
        paging: Paging::Alone,
    }
}

/// What a program without our model would hand to the rss crate.
fn bare_rss(feed: &Feed) -> rss::Channel {
    use rss::extension::dublincore::DublinCoreExtension;
    let item = |entry: &FeedEntry| {
        let stated = &entry.entry.stated;
        rss::Item {
            title: Some(stated.title.clone()),
            link: Some(entry.link.clone()),
            description: stated.summary.as_ref().map(|html| html.0.clone()),
            content: stated.content.as_ref().map(|html| html.0.clone()),
            categories: stated
                .categories
                .iter()
                .map(|c| rss::Category { name: c.term.clone(), domain: None })
                .collect(),
            guid: Some(rss::Guid { value: entry.entry.id.0.clone(), permalink: false }),
            pub_date: Some(entry.entry.effective.to_rfc2822()),
            source: entry.origin.feed.clone().map(|url| rss::Source { url, title: Some(entry.origin.title.clone()) }),
            dublin_core_ext: Some(DublinCoreExtension {
                creators: stated.authors.iter().filter_map(|author| author.name.clone()).collect(),
                ..DublinCoreExtension::default()
            }),
            ..rss::Item::default()
        }
    };
    rss::Channel {
        title: feed.title.clone(),
        link: feed.page.clone(),
        description: feed.description.clone().unwrap_or_default(),
        items: feed.entries.iter().map(item).collect(),
        ..rss::Channel::default()
    }
}

fn bare_atom(feed: &Feed) -> atom_syndication::Feed {
    use atom_syndication::{Category, Content, Entry, Link, Person, Source, Text};
    let entry = |entry: &FeedEntry| {
        let stated = &entry.entry.stated;
        Entry {
            title: Text::plain(stated.title.clone()),
            id: entry.entry.id.0.clone(),
            updated: entry.entry.updated.fixed_offset(),
            published: Some(entry.entry.effective.fixed_offset()),
            authors: stated
                .authors
                .iter()
                .map(|a| Person { name: a.name.clone().unwrap_or_default(), ..Person::default() })
                .collect(),
            categories: stated
                .categories
                .iter()
                .map(|c| Category { term: c.term.clone(), ..Category::default() })
                .collect(),
            links: vec![Link { href: entry.link.clone(), ..Link::default() }],
            source: Some(Source {
                id: entry.origin.id.clone(),
                title: Text::plain(entry.origin.title.clone()),
                updated: entry.entry.updated.fixed_offset(),
                links: entry.origin.link.iter().map(|href| Link { href: href.clone(), ..Link::default() }).collect(),
                ..Source::default()
            }),
            summary: stated.summary.as_ref().map(|html| Text::html(html.0.clone())),
            content: stated.content.as_ref().map(|html| Content {
                value: Some(html.0.clone()),
                content_type: Some("html".into()),
                ..Content::default()
            }),
            ..Entry::default()
        }
    };
    atom_syndication::Feed {
        title: Text::plain(feed.title.clone()),
        id: feed.id.clone(),
        updated: feed.updated.fixed_offset(),
        entries: feed.entries.iter().map(entry).collect(),
        ..atom_syndication::Feed::default()
    }
}
