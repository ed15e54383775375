//! What has not changed is not made again: not by a look at everything, and not by the next start.

use newsdesk::config::{self, Locations};
use newsdesk::daemon::Newsdesk;
use newsdesk::model::Time;

use crate::support::{Desk, until};

const TABLES: &str = "[[section]]\nname = \"news\"\n[[section]]\nname = \"sport\"\n
[[source]]\nname = \"desk\"\nfolder = \"articles\"\npublish = true\nsections = [\"news\"]
[[source]]\nname = \"ball\"\nfolder = \"ball\"\nsections = [\"sport\"]\n";

fn article(title: &str) -> String {
    format!("---\ntitle: {title}\ndate: 2026-03-01T08:00:00Z\n---\nWhat {title} has to say.\n")
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.configure(TABLES);
    desk.write("articles/a.md", article("Alpha"));
    desk.write("ball/b.md", article("Beta"));
    desk
}

/// Which look follows a rest.
const AFTER_A_REST: usize = 3;

/// The next start: feeds that a look at everything makes anew, and how many documents become new by it.
fn looks(desk: &Desk, times: usize) -> Vec<(Vec<String>, usize)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let locations = Locations::from_env(Some(&desk.path("state")));
        let newsdesk = Newsdesk::open(config::load(&desk.path("newsdesk.toml"), &locations).unwrap()).await.unwrap();
        let now: Time = "2026-03-02T08:00:00Z".parse().unwrap();
        let mut seen = Vec::new();
        for turn in 0..times {
            let everything = newsdesk.everything().await.unwrap();
            if turn == AFTER_A_REST {
                // All is made again, of what rests.
                newsdesk.clone().give_back().await;
                newsdesk.live.note_made(newsdesk.live.paths().into_iter().map(|path| (path, String::new())));
            }
            let mut published = newsdesk.publish(&everything, now).await;
            published.feeds.sort();
            seen.push((published.feeds, published.changed.len()));
        }
        newsdesk.store.close().await;
        seen
    })
}

#[test]
fn what_has_not_changed_is_not_made_again() {
    let desk = desk();
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let nothing = (Vec::new(), 0);
    // Another program has made the documents: each feed once, and every byte is as it was.
    let first = looks(&desk, AFTER_A_REST + 1);
    assert_eq!(
        first[0],
        (["atom.xml", "news/atom.xml", "sources/desk/atom.xml", "sport/atom.xml"].map(String::from).to_vec(), 0)
    );
    assert_eq!(first[1..AFTER_A_REST], [nothing.clone(), nothing.clone()]);
    assert_eq!(first[AFTER_A_REST], first[0], "out of a rest comes what went into it");
    assert_eq!(looks(&desk, 1)[0], nothing, "the next start");
    // One article of one section; its documents stand in the store when it is looked at everything.
    desk.write("ball/b.md", article("Beta, corrected"));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    assert_eq!(looks(&desk, 2)[1], nothing);
    let made = |tables: &str| {
        desk.configure(tables);
        looks(&desk, 2)
    };
    // Another configuration is another feed.
    let changed = made(&TABLES.replace("name = \"sport\"\n", "name = \"sport\"\ntitle = \"Ball games\"\n"));
    assert_eq!(changed[0].0.len(), 4);
    assert!(changed[0].1 >= 4, "{changed:?}");
    assert_eq!(changed[1], nothing);
}

#[test]
fn what_is_damaged_in_the_store_is_made_anew() {
    let desk = desk();
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let paths = ["news/rss.xml", "news/atom.xml", "sport/", "sources.opml", ""];
    let store = rusqlite::Connection::open(desk.path("state/newsdesk.db")).unwrap();
    for path in paths {
        let damage = "UPDATE revision SET gzip = x'1f8b08', body = x'' WHERE path = ?1";
        assert_eq!(store.execute(damage, [path]).unwrap(), 1, "{path}");
    }
    drop(store);
    let _daemon = desk.serve();
    for path in paths {
        until(&format!("/{path} is served again"), || (desk.get(&format!("/{path}")).status == 200).then_some(()));
    }
    assert_eq!(desk.titles("news"), ["Alpha"]);
    assert!(desk.log().contains("damaged in the store, and made anew: /, /news/atom.xml"), "{}", desk.log());
}

/// After a start the front page shows of a section that stays as it was what it showed before, in the same order.
#[test]
fn the_front_page_is_the_same_after_a_start() {
    let desk = Desk::new();
    desk.configure(
        "[[section]]\nname = \"news\"\n[[section]]\nname = \"sport\"\n
[[source]]\nname = \"late\"\nfolder = \"late\"\npriority = 5\nsections = [\"news\"]
[[source]]\nname = \"first\"\nfolder = \"first\"\npriority = 1\nsections = [\"news\"]
[[source]]\nname = \"ball\"\nfolder = \"ball\"\nsections = [\"sport\"]\n",
    );
    for n in 0..8 {
        for source in ["late", "first"] {
            desk.write(&format!("{source}/{n}.md"), article(&format!("{source}-{n}")));
        }
    }
    desk.write("ball/b.md", article("Beta"));
    let shown = |desk: &Desk| -> Vec<String> {
        let page = String::from_utf8(desk.get("/").body).unwrap();
        let words = page.split(|c: char| !(c.is_alphanumeric() || c == '-'));
        words.filter(|word| word.starts_with("first-") || word.starts_with("late-")).map(str::to_owned).collect()
    };
    let daemon = desk.serve();
    desk.until_titles("sport", &["Beta"]);
    let before = until("the front page shows them", || Some(shown(&desk)).filter(|shown| shown.len() > 16));
    daemon.stop();
    let _daemon = desk.serve();
    desk.write("ball/b.md", article("Beta, corrected"));
    desk.until_titles("sport", &["Beta, corrected"]);
    assert_eq!(shown(&desk), before);
}

/// More feeds than are made together: each is there, the front page shows the newest of all, and what the store refuses
/// in the middle takes nothing back and is published later.
#[test]
fn many_feeds_are_published_in_portions() {
    const SECTIONS: usize = 20;
    let desk = Desk::new();
    let mut tables = String::new();
    for n in 0..SECTIONS {
        tables.push_str(&format!(
            "[[section]]\nname = \"s{n:02}\"\n[[source]]\nname = \"desk-{n:02}\"\nfolder = \"d{n:02}\"\nsections = [\"s{n:02}\"]\n"
        ));
        desk.write(&format!("d{n:02}/a.md"), article(&format!("Title-{n:02}")));
    }
    desk.configure(&tables);
    let published = |n: usize, title: &str| desk.titles(&format!("s{n:02}")) == [title];
    let _daemon = desk.serve();
    until("all sections", || (0..SECTIONS).all(|n| published(n, &format!("Title-{n:02}"))).then_some(()));
    until("the front page", || {
        let page = String::from_utf8(desk.get("/").body).unwrap();
        (0..SECTIONS).all(|n| page.contains(&format!("Title-{n:02}"))).then_some(())
    });
    let store = rusqlite::Connection::open(desk.path("state/newsdesk.db")).unwrap();
    store
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE UPDATE ON revision WHEN new.path = 's14/atom.xml'
            BEGIN SELECT raise(ABORT, 'refused for a test'); END",
        )
        .unwrap();
    for n in 0..SECTIONS {
        desk.write(&format!("d{n:02}/a.md"), article(&format!("Corrected-{n:02}")));
    }
    until("the first portion", || published(0, "Corrected-00").then_some(()));
    until("why the rest is not there", || desk.log().contains("refused for a test").then_some(()));
    assert!(published(14, "Title-14"), "what was live stays");
    store.execute_batch("DROP TRIGGER refuse").unwrap();
    // Whatever comes next, or the next try by itself, brings the rest too.
    assert_eq!(desk.run(&["reload"]).code, Some(0));
    until("the rest", || (0..SECTIONS).all(|n| published(n, &format!("Corrected-{n:02}"))).then_some(()));
}
