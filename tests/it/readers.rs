//! Real readers: programs that people use subscribe over HTTP, see every title, date, author, content and enclosure, and
//! on the second load nothing twice. What is not installed is left out, and that is said; `.ci/run` installs what it can.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Daemon, Desk, until};

const TITLE: &str = "Grüße & <b> \"quoted\" – 你好";

/// Said to whoever runs the tests, whether they pass or not.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}

/// Where a program is, if it is anywhere.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        say(&format!("left out: {name} is not installed"));
    }
    found
}

/// A desk with entries that have everything a reader can show.
fn desk() -> (Desk, Daemon) {
    let desk = Desk::new();
    let items = format!(
        "<item><guid isPermaLink=\"false\">tag:r,2026:1</guid><title>{}</title><dc:creator>Jürgen Ömer</dc:creator>\
         <link>https://wire.example/1?a=b&amp;c=d</link><pubDate>Mon, 02 Mar 2026 10:00:00 +0100</pubDate>\
         <description>The teaser of one.</description>\
         <content:encoded><![CDATA[<p>The whole <em>text</em> of one, &lt;angled&gt;.</p>]]></content:encoded>\
         <enclosure url=\"https://wire.example/1.mp3?x=1&amp;y=2\" type=\"audio/mpeg\" length=\"12345\"/></item>\
         <item><guid isPermaLink=\"false\">tag:r,2026:2</guid><title>A film</title><dc:creator>The Editor</dc:creator>\
         <link>https://wire.example/2</link><pubDate>Sun, 01 Mar 2026 23:59:59 GMT</pubDate>\
         <description>The whole text of two.</description>\
         <enclosure url=\"https://wire.example/2.mp4\" type=\"video/mp4\" length=\"7\"/></item>",
        "Grüße &amp;amp; &amp;lt;b&amp;gt; \"quoted\" – 你好"
    );
    let feed = format!(
        "<rss version=\"2.0\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\">\
         <channel><title>The Wire</title><link>https://wire.example/</link>{items}</channel></rss>"
    );
    desk.origin.answer("/wire", 200, &[("Content-Type", "application/rss+xml; charset=utf-8")], feed);
    desk.write(
        "articles/local.md",
        "---\ntitle: A local article\ndate: 2026-02-28T08:00:00Z\nauthor: Jane Doe\n---\nThe whole text of three.\n",
    );
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\ntitle = \"The news\"\nsources = [\"wire\", \"articles\"]\n\
         [[source]]\nname = \"wire\"\nurl = \"{}\"\n[[source]]\nname = \"articles\"\nfolder = \"articles\"\n",
        desk.origin.url("/wire")
    ));
    let daemon = desk.serve();
    desk.until_titles("news", &[TITLE, "A film", "A local article"]);
    (desk, daemon)
}

fn base(desk: &Desk) -> String {
    format!("http://127.0.0.1:{}/news/", desk.port)
}

/// What each entry must be shown with, newest first.
fn expected(desk: &Desk) -> Value {
    let ids: Vec<String> = desk.feed("/news/atom.xml").into_iter().map(|entry| entry.id).collect();
    let entry = |at: usize, title: &str, published: i64, author: &str, text: &str, enclosure: Option<&str>| json!({ "id": ids[at], "title": title, "published": published, "author": author, "text": text, "enclosure": enclosure });
    json!([
        entry(0, TITLE, 1_772_442_000, "Jürgen Ömer", "text", Some("https://wire.example/1.mp3?x=1&y=2")),
        entry(1, "A film", 1_772_409_599, "The Editor", "The whole text of two.", Some("https://wire.example/2.mp4")),
        entry(2, "A local article", 1_772_265_600, "Jane Doe", "The whole text of three.", None),
    ])
}

fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = format!("{}{}", words(&output.stdout), words(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

#[test]
fn newsboat_shows_everything_once() {
    let Some(newsboat) = program("newsboat") else { return };
    let (desk, _daemon) = desk();
    for name in ["atom.xml", "rss.xml"] {
        let (urls, cache) = (desk.write("urls", format!("{}{name}\n", base(&desk))), desk.path(&format!("{name}.db")));
        let config = desk.write("newsboat-config", "");
        let reload = || {
            let mut command = Command::new(&newsboat);
            command.arg("-u").arg(&urls).arg("-c").arg(&cache).arg("-C").arg(&config).args(["-x", "reload"]);
            run(command.env("HOME", desk.path(".")).env("LC_ALL", "C.UTF-8").env("TERM", "dumb"))
        };
        reload();
        let first = items(&cache);
        for wanted in expected(&desk).as_array().unwrap() {
            let of = |item: &&Item| item.guid == wanted["id"].as_str().unwrap();
            let item = first.iter().find(of).unwrap_or_else(|| panic!("{name}: {wanted} is not in {first:?}"));
            let seen = json!({ "id": item.guid, "title": item.title, "published": item.published, "author": item.author,
                "text": wanted["text"], "enclosure": Some(&item.enclosure).filter(|url| !url.is_empty()) });
            assert_eq!(&seen, wanted, "{name}");
            assert!(item.content.contains(wanted["text"].as_str().unwrap()), "{name}: {item:?}");
        }
        reload();
        assert_eq!(items(&cache), first, "{name}: nothing twice, and nothing new");
    }
    say("newsboat: 3 entries of both formats, whole, and nothing twice");
}

#[derive(Debug, PartialEq)]
struct Item {
    guid: String,
    title: String,
    author: String,
    published: i64,
    content: String,
    enclosure: String,
    unread: bool,
}

fn items(cache: &Path) -> Vec<Item> {
    let db = rusqlite::Connection::open(cache).unwrap();
    let sql = "SELECT guid, title, author, pubDate, content, coalesce(enclosure_url, ''), unread FROM rss_item ORDER BY pubDate DESC";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        Ok(Item {
            guid: row.get(0)?,
            title: row.get(1)?,
            author: row.get(2)?,
            published: row.get(3)?,
            content: row.get(4)?,
            enclosure: row.get(5)?,
            unread: row.get(6)?,
        })
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn sfeed_shows_everything_once() {
    let (Some(update), Some(_curl)) = (program("sfeed_update"), program("curl")) else { return };
    let (desk, _daemon) = desk();
    let folder = desk.path("sfeed");
    let feeds = ["atom.xml", "rss.xml"].map(|name| format!("feed \"{name}\" \"{}{name}\"\n", base(&desk)));
    let rc = format!("sfeedpath=\"{}\"\nfeeds() {{\n{}}}\n", folder.display(), feeds.concat());
    let rc = desk.write("sfeedrc", rc);
    let load = || {
        run(Command::new(&update).arg(&rc).env("HOME", desk.path(".")).env("LC_ALL", "C.UTF-8"));
        ["atom.xml", "rss.xml"].map(|name| std::fs::read_to_string(folder.join(name)).unwrap())
    };
    let first = load();
    let expected = expected(&desk);
    for lines in &first {
        // sfeed(5): timestamp, title, link, content, content type, id, author, enclosure, categories.
        let rows: Vec<Vec<&str>> = lines.lines().map(|line| line.split('\t').collect()).collect();
        assert_eq!(rows.len(), 3, "{lines}");
        for wanted in expected.as_array().unwrap() {
            let found = rows.iter().find(|row| row[5] == wanted["id"].as_str().unwrap());
            let row = found.unwrap_or_else(|| panic!("{wanted} is not in {lines}"));
            let seen = json!({ "id": row[5], "title": row[1], "published": row[0].parse::<i64>().unwrap(), "author": row[6],
                "text": wanted["text"], "enclosure": Some(row[7]).filter(|url| !url.is_empty()) });
            assert_eq!(&seen, wanted);
            assert!(row[3].contains(wanted["text"].as_str().unwrap()), "{lines}");
        }
    }
    assert_eq!(load(), first, "nothing twice, and nothing new");
    say("sfeed: 3 entries of both formats, whole, and nothing twice");
}

/// A Python in which readers are installed: `$NEWSDESK_READERS`, a virtual environment; `.ci/run` makes it.
fn python() -> Option<PathBuf> {
    let found = std::env::var_os("NEWSDESK_READERS").map(|folder| Path::new(&folder).join("bin/python"));
    let found = found.filter(|python| python.is_file());
    if found.is_none() {
        say(
            "left out: Python's readers; NEWSDESK_READERS names no virtual environment with feedparser, reader, rss2email",
        );
    }
    found
}

fn with_python(reader: &str) {
    let Some(python) = python() else { return };
    let (desk, _daemon) = desk();
    let expected = desk.write("expected.json", expected(&desk).to_string());
    let scratch = desk.path(reader);
    std::fs::create_dir(&scratch).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/readers.py");
    let mut command = Command::new(python);
    command.arg(script).args([reader, &base(&desk)]).arg(expected).arg(scratch).stdin(Stdio::null());
    let output = command.env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match output.status.code() {
        Some(0) => say(&said),
        Some(3) => say(&format!("left out: {said}")),
        _ => panic!("{said}\n{}", String::from_utf8_lossy(&output.stderr)),
    }
}

#[test]
fn feedparser_sees_everything_once() {
    with_python("feedparser");
}

#[test]
fn the_library_reader_sees_everything_once() {
    with_python("reader");
}

#[test]
fn rss2email_mails_everything_once() {
    with_python("rss2email");
}

#[test]
fn a_list_that_is_offered_can_be_read_again() {
    let (desk, _daemon) = desk();
    let offered = newsdesk::parse::opml::outlines(&desk.get("/sections.opml").body).unwrap();
    let names: Vec<&str> = offered.iter().filter_map(|outline| outline.text.as_deref()).collect();
    assert_eq!(names, ["newsdesk", "The news"]);
    assert_eq!(offered[1].xml_url, format!("{}atom.xml", base(&desk)));

    // What one desk reads, another one reads likewise: names, addresses and sections.
    let other = Desk::new();
    other.write("list.opml", desk.get("/sources.opml").body);
    other.configure("[[section]]\nname = \"news\"\n[[source]]\nname = \"list\"\nopml = \"list.opml\"\n");
    let _other = other.serve();
    until("the other desk has read the same feed", || (other.status("wire")["mark"] == "well").then_some(()));
    let wire = newsdesk::parse::opml::outlines(&other.get("/sources.opml").body).unwrap();
    assert_eq!(wire[0].xml_url, desk.origin.url("/wire").as_str());
}
