//! A folder of articles under a running daemon, and while it was down: what is done to files shows in the feeds.

use std::fs;
use std::path::Path;

use crate::support::{Answer, Desk, Seen, until};

const TABLES: &str =
    "[[section]]\nname = \"news\"\n[[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n";

/// An article dated on a day of March 2026: the later, the higher up.
fn article(title: &str, day: u32, words: &str) -> String {
    format!("---\ntitle: {title}\ndate: 2026-03-{day:02}T08:00:00Z\n---\n{words}\n")
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.configure(TABLES);
    for (name, title, day) in [("a.md", "Alpha", 1), ("deep/b.md", "Beta", 2), ("c.md", "Gamma", 3)] {
        desk.write(&format!("articles/{name}"), article(title, day, &format!("What {title} has to say.")));
    }
    desk
}

fn entry(desk: &Desk, title: &str) -> Seen {
    let feed = desk.feed("/news/atom.xml");
    feed.into_iter().find(|entry| entry.title == title).unwrap_or_else(|| panic!("no entry {title:?}"))
}

fn ids(desk: &Desk) -> Vec<String> {
    desk.feed("/news/atom.xml").into_iter().map(|entry| entry.id).collect()
}

/// The same entry: its id, its date and its page.
fn assert_same(now: &Seen, before: &Seen) {
    assert_eq!((&now.id, now.published, &now.link), (&before.id, before.published, &before.link));
}

fn page(desk: &Desk, entry: &Seen) -> Answer {
    let link = url::Url::parse(entry.link.as_deref().unwrap()).unwrap();
    desk.get(link.path())
}

#[test]
fn what_is_done_to_files_shows_at_once() {
    let desk = desk();
    let _daemon = desk.serve();
    desk.until_titles("news", &["Gamma", "Beta", "Alpha"]);

    desk.write(
        "articles/d.txt",
        "Delta comes last\n\nIts first paragraph is long enough to be one, and it ends as sentences do.\n",
    );
    desk.until_titles("news", &["Delta comes last", "Gamma", "Beta", "Alpha"]);
    let delta = entry(&desk, "Delta comes last");
    assert_eq!(page(&desk, &delta).status, 200);

    // Copied, touched or restored: the date that it was given stays.
    let beta = entry(&desk, "Beta");
    desk.write("articles/deep/b.md", article("Beta, corrected", 2, "What Beta should have said."));
    desk.until_titles("news", &["Delta comes last", "Gamma", "Beta, corrected", "Alpha"]);
    assert_same(&entry(&desk, "Beta, corrected"), &beta);

    let before = ids(&desk);
    fs::create_dir_all(desk.path("articles/old")).unwrap();
    fs::rename(desk.path("articles/deep/b.md"), desk.path("articles/old/bb.md")).unwrap();
    assert_eq!(desk.run(&["update", "desk"]).code, Some(0));
    assert_eq!(ids(&desk), before, "a renamed file is the same entry");
    desk.write("articles/old/bb.md", article("Beta, twice corrected", 2, "What Beta says at last."));
    desk.until_titles("news", &["Delta comes last", "Gamma", "Beta, twice corrected", "Alpha"]);
    assert_same(&entry(&desk, "Beta, twice corrected"), &beta);

    let (gamma, words) = (entry(&desk, "Gamma"), fs::read(desk.path("articles/c.md")).unwrap());
    fs::remove_file(desk.path("articles/c.md")).unwrap();
    desk.until_titles("news", &["Delta comes last", "Beta, twice corrected", "Alpha"]);
    assert_eq!(page(&desk, &gamma).status, 410);
    desk.write("articles/c.md", words);
    desk.until_titles("news", &["Delta comes last", "Gamma", "Beta, twice corrected", "Alpha"]);
    assert_same(&entry(&desk, "Gamma"), &gamma);
    assert_eq!(page(&desk, &gamma).status, 200);

    // Neither is an article: a hidden file, an editor's backup.
    desk.write("articles/.hidden.md", article("Hidden", 9, "No."));
    desk.write("articles/a.md~", article("Backup", 9, "No."));
    desk.write("articles/draft.md", "---\ntitle: Draft\ndraft: true\n---\nNot yet.\n");
    assert_eq!(desk.run(&["update", "desk"]).code, Some(0));
    assert_eq!(desk.titles("news").len(), 4);
}

#[test]
fn what_was_done_while_the_daemon_was_down_shows_after_its_start() {
    let desk = desk();
    let daemon = desk.serve();
    desk.until_titles("news", &["Gamma", "Beta", "Alpha"]);
    let before: Vec<Seen> = ["Alpha", "Beta", "Gamma"].map(|title| entry(&desk, title)).to_vec();
    assert_eq!(daemon.stop().code(), Some(0));

    desk.write("articles/a.md", article("Alpha, corrected", 1, "What Alpha should have said."));
    fs::rename(desk.path("articles/deep/b.md"), desk.path("articles/b.md")).unwrap();
    fs::remove_file(desk.path("articles/c.md")).unwrap();
    desk.write("articles/d.md", article("Delta", 4, "New here."));
    let daemon = desk.serve();
    desk.until_titles("news", &["Delta", "Beta", "Alpha, corrected"]);
    assert_same(&entry(&desk, "Alpha, corrected"), &before[0]);
    assert_same(&entry(&desk, "Beta"), &before[1]);
    assert_eq!(page(&desk, &before[2]).status, 410);
    assert_eq!(daemon.stop().code(), Some(0));

    desk.write("articles/c.md", article("Gamma", 3, "What Gamma has to say."));
    let _daemon = desk.serve();
    desk.until_titles("news", &["Delta", "Gamma", "Beta", "Alpha, corrected"]);
    assert_same(&entry(&desk, "Gamma"), &before[2]);
}

#[test]
fn a_folder_that_is_emptied_or_vanishes_withdraws_nothing() {
    let desk = desk();
    let daemon = desk.serve();
    desk.until_titles("news", &["Gamma", "Beta", "Alpha"]);
    let feed = desk.get("/news/atom.xml").revision();
    let unchanged = || assert_eq!(desk.get("/news/atom.xml").revision(), feed);

    fs::rename(desk.path("articles"), desk.path("elsewhere")).unwrap();
    let row = desk.until_status("desk", "the folder is missed", |row| !row["stage"].is_null());
    assert!(row["outcome"].as_str().unwrap().contains("does not exist; create it"), "{row}");
    assert_eq!(desk.run(&["update", "desk"]).code, Some(1));
    unchanged();
    fs::rename(desk.path("elsewhere"), desk.path("articles")).unwrap();
    desk.until_status("desk", "the folder is back", |row| row["stage"].is_null());
    unchanged();

    fs::rename(desk.path("articles"), desk.path("elsewhere")).unwrap();
    fs::create_dir(desk.path("articles")).unwrap();
    let cure = |row: &serde_json::Value| row["outcome"].as_str().unwrap().contains("update --confirm-missing");
    desk.until_status("desk", "status names the cure", cure);
    let ran = desk.run(&["update", "desk"]);
    assert_eq!(ran.code, Some(1), "somebody has to look: {ran:?}");
    ran.says(&["3 of 3 files are missing", "nothing was withdrawn"]);
    unchanged();
    assert_eq!(daemon.stop().code(), Some(0));
    let _daemon = desk.serve();
    desk.until_status("desk", "status still names the cure", cure);
    unchanged();

    let ran = desk.run(&["update", "--confirm-missing", "desk"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(desk.titles("news").len(), 0);
    desk.write("articles/c.md", article("Gamma", 3, "What Gamma has to say."));
    desk.until_titles("news", &["Gamma"]);
    assert!(desk.status("desk")["stage"].is_null());
}

/// Many files are gone at once, and none is missing.
#[test]
fn a_renamed_folder_keeps_its_entries() {
    let desk = desk();
    for day in 4..24 {
        desk.write(&format!("articles/deep/{day}.md"), article(&format!("Day {day}"), day, &format!("Of day {day}.")));
    }
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let daemon = desk.serve();
    let before = ids(&desk);
    assert_eq!(before.len(), 23);
    fs::rename(desk.path("articles/deep"), desk.path("articles/deeper")).unwrap();
    let ran = desk.run(&["update", "desk"]);
    assert_eq!((ran.code, ids(&desk)), (Some(0), before), "{ran:?}");
    assert!(desk.status("desk")["stage"].is_null());
    drop(daemon);
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_others_go_on() {
    let desk = desk();
    let _daemon = desk.serve();
    desk.until_titles("news", &["Gamma", "Beta", "Alpha"]);
    let alpha = entry(&desk, "Alpha");
    desk.write("articles/a.md", "---\ntitle: [never closed\n---\nWords.\n");
    let row = desk.until_status("desk", "the broken file is named", |row| !row["stage"].is_null());
    assert!(row["outcome"].as_str().unwrap().contains("a.md"), "{row}");
    assert_same(&entry(&desk, "Alpha"), &alpha);
    desk.write("articles/deep/b.md", article("Beta, corrected", 2, "What Beta should have said."));
    desk.until_titles("news", &["Gamma", "Beta, corrected", "Alpha"]);
    desk.write("articles/picture.txt", [0x89, b'P', b'N', b'G', 0, 1, 2, 3, 0, 0xff, 0xfe, 0, 0, 7].repeat(50));
    until("both are named", || {
        let outcome = desk.status("desk")["outcome"].as_str().unwrap().to_owned();
        (outcome.contains("a.md") && outcome.contains("1 more")).then_some(())
    });
    let ran = desk.run(&["update", "desk"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    ran.says(&["a.md"]);
    assert_eq!(desk.titles("news"), ["Gamma", "Beta, corrected", "Alpha"]);
    fs::remove_file(desk.path("articles/picture.txt")).unwrap();
    desk.write("articles/a.md", article("Alpha, mended", 1, "What Alpha has to say."));
    desk.until_titles("news", &["Gamma", "Beta, corrected", "Alpha, mended"]);
    desk.until_status("desk", "all is well again", |row| row["stage"].is_null());
}

#[test]
fn what_is_left_out_of_a_file_is_said_as_long_as_it_is() {
    let desk = desk();
    let daemon = desk.serve();
    desk.until_titles("news", &["Gamma", "Beta", "Alpha"]);
    let authors: Vec<String> = (0..60).map(|n| format!("Person {n}")).collect();
    let many = |title: &str, authors: &[String]| {
        let authors = serde_json::to_string(authors).unwrap();
        format!("---\ntitle: {title}\ndate: 2026-03-01T08:00:00Z\nauthors: {authors}\n---\nWhat it has to say.\n")
    };
    desk.write("articles/a.md", many("Alpha", &authors));
    let said = |row: &serde_json::Value| row["cut"].as_str().is_some_and(|words| words.starts_with("a.md: authors"));
    desk.until_status("desk", "it says what it left out", said);
    assert!(desk.log().contains("a.md: authors beyond 50 left out"), "{}", desk.log());
    // Another file, and another start: it is not read again, and still said.
    desk.write("articles/c.md", article("Gamma, corrected", 3, "What Gamma should have said."));
    desk.until_titles("news", &["Gamma, corrected", "Beta", "Alpha"]);
    assert!(said(&desk.status("desk")));
    daemon.stop();
    let _daemon = desk.serve();
    assert!(said(&desk.status("desk")));
    let page = String::from_utf8(desk.get("/status").body).unwrap();
    assert!(page.contains("a.md: authors beyond 50 left out"), "{page}");
    let told = desk.run(&["status"]).out;
    assert!(told.contains("a.md: authors beyond 50 left out"), "{told}");
    desk.write("articles/a.md", many("Alpha", &authors[..50]));
    desk.until_status("desk", "nothing is left out any more", |row| row["cut"].is_null());
}

#[test]
fn a_feed_document_in_a_folder_takes_back_its_own_entries() {
    let desk = desk();
    let document = |name: &str, deleted: &str| {
        let entry = |n: u32| {
            format!(
                "<entry><id>tag:example.org,2026:{n}</id><title>{name} {n}</title><updated>2026-04-0{n}T00:00:00Z</updated></entry>"
            )
        };
        let entries: String = (1..=2).filter(|n| deleted.is_empty() || *n != 1).map(entry).collect();
        format!(
            "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:at='http://purl.org/atompub/tombstones/1.0'><title>x</title>{entries}{deleted}</feed>"
        )
    };
    desk.write("articles/one.xml", document("One", ""));
    desk.write("articles/two.xml", document("Two", ""));
    let _daemon = desk.serve();
    let all = ["One 2", "Two 2", "One 1", "Two 1", "Gamma", "Beta", "Alpha"];
    until("all stand there", || (desk.titles("news").len() == all.len()).then_some(()));
    let gone = "<at:deleted-entry ref='tag:example.org,2026:1' when='2026-04-03T00:00:00Z'/>";
    desk.write("articles/one.xml", document("One", gone));
    until("it is gone", || (!desk.titles("news").contains(&"One 1".to_owned())).then_some(()));
    assert!(desk.titles("news").contains(&"Two 1".to_owned()), "another document's entry of that id is not meant");
    assert_eq!(desk.titles("news").len(), all.len() - 1);
}

#[test]
fn what_may_not_be_read_is_named_and_withdraws_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let desk = desk();
    // Root may read anything; nobody may not.
    let mut command = desk.command(&["serve"]);
    let mut version = desk.command(&["--version"]);
    // SAFETY: geteuid(2) touches nothing.
    if unsafe { libc::geteuid() } == 0 {
        mode(&desk.path("."), 0o777);
        command.uid(65534).gid(65534);
        version.uid(65534).gid(65534);
        if !version.output().is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: the program cannot be run as nobody, so a file that may not be read is not tried");
            return;
        }
    }
    let daemon = desk.spawn(command);
    daemon.ready();
    desk.until_titles("news", &["Gamma", "Beta", "Alpha"]);
    let (deep, file) = (desk.path("articles/deep"), desk.path("articles/c.md"));
    for (path, name, others) in [(&deep, "deep", 0o755), (&file, "c.md", 0o644)] {
        mode(path, 0);
        if path == &file {
            // Only what has changed is read again.
            fs::write(path, article("Gamma, corrected", 3, "What Gamma should have said.")).ok();
            fs::File::options()
                .write(true)
                .open(path)
                .and_then(|file| file.set_modified(std::time::SystemTime::UNIX_EPOCH))
                .ok();
        }
        desk.run(&["update", "desk"]);
        let row = desk.until_status("desk", "what may not be read is named", |row| !row["stage"].is_null());
        let outcome = row["outcome"].as_str().unwrap();
        assert!(outcome.contains(name) && outcome.contains("cannot be read") && outcome.contains("chmod"), "{row}");
        assert_eq!(desk.titles("news"), ["Gamma", "Beta", "Alpha"], "nothing is withdrawn");
        mode(path, others);
    }
    assert_eq!(desk.run(&["update", "desk"]).code, Some(0));
}

#[test]
fn an_article_dated_in_the_future_comes_out_at_its_moment() {
    let desk = desk();
    let _daemon = desk.serve();
    desk.until_titles("news", &["Gamma", "Beta", "Alpha"]);
    let moment = chrono::Utc::now() + chrono::TimeDelta::seconds(4);
    let text = format!("---\ntitle: Embargoed\ndate: {}\n---\nNot before its time.\n", moment.to_rfc3339());
    desk.write("articles/embargoed.md", text);
    desk.run(&["update", "desk"]);
    let titles = desk.titles("news");
    assert!(titles.len() == 3 || chrono::Utc::now() >= moment, "{titles:?}");
    desk.until_titles("news", &["Embargoed", "Gamma", "Beta", "Alpha"]);
    assert_eq!(entry(&desk, "Embargoed").published.map(|time| time.timestamp()), Some(moment.timestamp()));
}

#[test]
fn what_is_saved_during_the_start_is_not_missed() {
    let desk = desk();
    let all: Vec<String> = (0..40).map(|n| format!("Saved {n:02}")).collect();
    let _daemon = std::thread::scope(|scope| {
        scope.spawn(|| {
            for (n, title) in all.iter().enumerate() {
                desk.write(&format!("articles/start-{n:02}.md"), article(title, 20, "While it starts."));
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        });
        desk.serve()
    });
    until("every one is published", || {
        let seen = desk.feed("/news/atom.xml").into_iter().filter(|entry| all.contains(&entry.title)).count();
        (seen == all.len()).then_some(())
    });
}
