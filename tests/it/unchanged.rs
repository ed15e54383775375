//! What has not changed is not made again: not by a look at everything, and not by the next start.

use newsdesk::config::{self, Locations};
use newsdesk::daemon::Newsdesk;
use newsdesk::model::Time;

use crate::support::Desk;

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
            let mut published = newsdesk.publish(&everything, now).await.unwrap();
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
