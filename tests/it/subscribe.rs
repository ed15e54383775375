//! Sources come and go by verbs: `add`, `import` and `export`, and the file that its owner wrote by hand.

use serde_json::json;

use crate::support::{Desk, Ran, atom};

const PAGE: &str =
    "<!doctype html><title>A site</title><link rel=alternate type='application/atom+xml' href='/feed.atom'>
<link rel=alternate type='application/rss+xml' title='Podcast' href='/podcast.rss'>";

fn desk() -> Desk {
    let desk = Desk::new();
    let known = desk.origin.url("/known/");
    desk.configure(&format!("# by hand\n[[section]]\nname = \"news\"  # ours\ntitle = \"The news\"\n\n[[source]]\nname = \"known\"\nurl = \"{known}\"\nschedule = \"0 0 1 1 *\"\n# end"));
    let entries =
        [("tag:f,2026:1", "Older", "2026-03-01T00:00:00Z"), ("tag:f,2026:2", "Newer", "2026-03-02T00:00:00Z")];
    desk.origin.answer("/", 200, &[], PAGE).answer("/feed.atom", 200, &[], atom("A \"feed\"", &entries));
    desk
}

fn file(desk: &Desk) -> String {
    std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap()
}

fn refused(desk: &Desk, arguments: &[&str], words: &[&str]) {
    let before = file(desk);
    let ran = desk.run(arguments);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    ran.says(words);
    assert_eq!(file(desk), before, "{arguments:?}");
}

#[test]
fn add_finds_shows_and_writes_beside_a_daemon() {
    let desk = desk();
    let before = file(&desk);
    let _daemon = desk.serve();
    let home = desk.origin.url("/");
    let shown = desk.run(&["add", home.as_str(), "--section", "the NEWS"]);
    assert_eq!(shown.code, Some(1), "{shown:?}");
    shown.says(&[
        "/feed.atom",
        "also there",
        "/podcast.rss",
        "A \"feed\"",
        "atom10, 2 entries",
        "2026-03-02  Newer",
        "--yes",
    ]);
    assert!(shown.err.find("Newer") < shown.err.find("Older"));
    let lines = format!(
        "[[source]]\nname = \"A \\\"feed\\\"\"\nurl = \"{}\"\nsections = [\"news\"]\n",
        desk.origin.url("/feed.atom")
    );
    assert_eq!((shown.out.as_str(), file(&desk)), (lines.as_str(), before.clone()));

    let added = desk.run(&["add", home.as_str(), "--section", "the NEWS", "--yes"]);
    assert_eq!(added.code, Some(0), "{added:?}");
    added.says(&["written to", "2 sources in all", "in force"]);
    assert_eq!(file(&desk), format!("{before}\n\n{lines}"), "what was there stays byte for byte");
    desk.until_titles("news", &["Newer", "Older"]);
    assert_eq!(desk.origin.count("/"), 2, "the daemon asks the feed, not the page");
}

#[test]
fn add_refuses_what_is_there_and_says_what_to_do() {
    let desk = desk();
    let home = desk.origin.url("/");
    assert_eq!(desk.run(&["add", home.as_str(), "-y", "--name", "mine"]).code, Some(0));
    refused(&desk, &["add", home.as_str(), "-y"], &["\"mine\" reads this already"]);
    refused(&desk, &["add", desk.origin.url("/feed.atom").as_str(), "-y"], &["\"mine\" reads this already"]);
    refused(&desk, &["add", desk.origin.url("/known").as_str(), "-y"], &["\"known\" reads this already"]);
    refused(&desk, &["add", "https://new.example/", "-y", "--name", "Mine"], &["\"Mine\" already", "--name"]);
    refused(&desk, &["add", "https://new.example/", "-y", "-s", "nwes"], &["no section \"nwes\"", "\"news\""]);
    refused(&desk, &["add", "https://me:hunter2@new.example/", "-y"], &["password-file"]);
    refused(&desk, &["add", "file:///etc/passwd", "-y"], &["folder = "]);
    desk.origin.answer("/empty", 200, &[], "<!doctype html><title>Nothing</title>");
    refused(&desk, &["add", desk.origin.url("/empty").as_str(), "-y"], &["without a feed"]);
    refused(&desk, &["add", desk.origin.url("/missing").as_str(), "-y"], &["404", "check the address"]);

    desk.write("newsdesk.toml", "[sources]\n");
    let ran = desk.run(&["add", home.as_str(), "-y"]);
    assert_eq!((ran.code, file(&desk).as_str()), (Some(78), "[sources]\n"));
}

#[test]
fn add_says_what_it_did_to_scripts() {
    let desk = desk();
    desk.origin.redirect("/old", 301, "/feed.atom");
    let old = desk.origin.url("/old");
    let asked = desk.run(&["add", old.as_str(), "--json"]);
    assert_eq!((asked.code, &asked.json()["written"]), (Some(1), &json!(false)));
    let added = desk.run(&["add", old.as_str(), "--json", "-y", "--name", "wire"]);
    assert_eq!(added.code, Some(0));
    let json = added.json();
    assert_eq!(json["url"], desk.origin.url("/feed.atom").as_str(), "moved for good: the new address is written");
    assert_eq!((&json["name"], &json["written"], &json["sections"]), (&json!("wire"), &json!(true), &json!([])));
}

const OPML: &str = r#"<?xml version="1.0"?><opml version="1.1"><head><title>mine</title></head><body>
<outline text="News"><outline text="Europe">
  <outline text="One" xmlUrl="https://one.example/feed"/>
  <outline text="One" xmlUrl="https://two.example/feed"/>
</outline></outline>
<outline text="Science &amp; more"><outline text="One again" xmlUrl="https://one.example/feed"/></outline>
<outline text="Known" xmlUrl="KNOWN"/>
<outline text="Secret" xmlUrl="https://me:hunter2@secret.example/feed"/>
<outline text="Local" xmlUrl="file:///home/me/feed.xml"/>
</body></opml>"#;

fn names(report: &serde_json::Value, list: &str) -> Vec<String> {
    let rows = report[list].as_array().unwrap().iter();
    rows.map(|row| format!("{} {}", row["name"].as_str().or(row["what"].as_str()).unwrap(), row["sections"])).collect()
}

#[test]
fn import_takes_a_list_and_says_what_it_left() {
    let desk = desk();
    let before = file(&desk);
    desk.write("feeds.opml", OPML.replace("KNOWN", desk.origin.url("/known").as_str()));
    let dry = desk.run(&["import", "feeds.opml", "--dry-run"]);
    assert_eq!((dry.code, file(&desk)), (Some(0), before.clone()));
    assert!(dry.out.starts_with("[[source]]\nname = \"One\"\n"), "{dry:?}");
    dry.says(&[
        "2 taken, 1 skipped, 2 refused (nothing was written)",
        "\"known\" reads it already",
        "password-file",
        "\"Europe\"",
    ]);
    assert!(!format!("{dry:?}").contains("hunter2"));

    let ran = desk.run(&["import", "feeds.opml", "--json", "--create-sections"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    assert_eq!(
        names(&report, "taken"),
        ["One [\"news\",\"europe\",\"science-more\"]", "One (two.example) [\"news\",\"europe\"]"]
    );
    assert_eq!(report["sections"], json!(["europe", "science-more"]));
    assert_eq!((names(&report, "skipped").len(), names(&report, "refused").len()), (1, 2));
    assert!(file(&desk).starts_with(&before) && file(&desk).contains("title = \"Science & more\""));
    assert_eq!(desk.run(&["check"]).code, Some(0));

    let again = desk.run(&["import", "feeds.opml", "--json"]).json();
    assert_eq!(
        (names(&again, "taken").len(), names(&again, "skipped").len(), &again["written"]),
        (0, 3, &json!(false))
    );
    desk.write("empty.opml", "");
    assert_eq!(desk.run(&["import", "empty.opml"]).code, Some(0), "an empty urls file holds nothing");
    desk.write("page.html", "<html><body>no list</body></html>");
    refused(&desk, &["import", "page.html"], &["page.html", "no OPML"]);
    refused(&desk, &["import", "missing.opml"], &["missing.opml", "No such file"]);
}

#[test]
fn import_reads_newsboat() {
    let desk = desk();
    desk.write(
        "urls",
        "# mine\nhttps://one.example/feed news \"~The first\"\n\"query:Unread:unread = \\\"yes\\\"\"\n\
         \"exec:~/bin/feed\" news\n\"filter:sed:https://x.example/\"\nhttps://two.example/feed other !\n",
    );
    let report = desk.run(&["import", "urls", "--json"]);
    assert_eq!(report.code, Some(0));
    let json = report.json();
    assert_eq!(names(&json, "taken"), ["The first [\"news\"]", "two.example []"]);
    assert_eq!((names(&json, "skipped").len(), names(&json, "refused").len()), (1, 2));
    assert_eq!(json["unknown"], json!(["other"]));
    assert_eq!(json["refused"][0]["what"], "line 4");
}

#[test]
fn export_and_import_are_inverse() {
    let desk = desk();
    desk.write("feeds.opml", OPML.replace("KNOWN", desk.origin.url("/known").as_str()));
    assert_eq!(desk.run(&["import", "feeds.opml", "--create-sections"]).code, Some(0));
    let exported = desk.run(&["export"]);
    assert_eq!(exported.code, Some(0));
    let other = Desk::new();
    other.configure("").write("feeds.opml", &exported.out);
    assert_eq!(other.run(&["import", "feeds.opml", "--create-sections"]).code, Some(0));
    assert_eq!(other.run(&["export"]).out, exported.out);
}

#[test]
fn export_keeps_private_sources_to_itself() {
    let desk = desk();
    desk.write("password", "hunter2\n");
    let url = desk.origin.url("/");
    desk.configure(&format!(
        "[[source]]\nname = \"page\"\nurl = \"{url}\"\n[[source]]\nname = \"key\"\nurl = \"https://a.example/?token=hunter2\"\nschedule = \"0 0 1 1 *\"\n\
         [[source]]\nname = \"basic\"\nurl = \"https://b.example/\"\nusername = \"me\"\npassword-file = \"password\"\n"
    ));
    let exported: Ran = desk.run(&["export"]);
    assert!(exported.out.contains("text=\"key\"") && exported.out.contains("text=\"basic\""), "{exported:?}");
    assert!(
        !exported.out.contains("hunter2") && !exported.out.contains("a.example") && !exported.out.contains("b.example")
    );
    let all = desk.run(&["export", "--with-private-addresses"]).out;
    assert!(
        all.contains("https://a.example/?token=hunter2") && all.contains("https://b.example/") && !all.contains("me:")
    );
    assert_eq!(desk.run(&["update", "page"]).code, Some(0));
    assert!(desk.run(&["export"]).out.contains("/feed.atom"), "the feed that was found, not the page");
}
