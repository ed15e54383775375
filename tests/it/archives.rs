//! Archives after RFC 5005, through the real binary: whoever follows prev-archive meets every entry once, whatever
//! arrives late; a document changes only when an entry in it does; another limit moves nothing.

use std::collections::BTreeMap;

use crate::support::{Answer, Desk, until};

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
const FORMATS: [&str; 3] = ["atom.xml", "rss.xml", "feed.json"];

fn desk(limit: usize) -> Desk {
    let desk = Desk::new();
    configure(&desk, limit);
    desk
}

fn configure(desk: &Desk, limit: usize) {
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\ntitle = \"News\"\nlimit = {limit}\n\n\
         [[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n"
    ));
    let text = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", text.replace("[publish]\n", "[publish]\nfolder = \"public\"\n"));
}

fn article(desk: &Desk, title: &str, day: u32, text: &str) {
    let text = format!("---\ntitle: {title}\ndate: 2026-03-{day:02}\n---\n{text}\n");
    // Renamed into place: taken at once.
    let made = desk.write(&format!("articles/.{title}.tmp"), text);
    std::fs::rename(made, desk.path(&format!("articles/{title}.md"))).unwrap();
}

/// Titles and the next document, of any of the three formats.
fn read(path: &str, answer: &Answer) -> (Vec<String>, Option<String>) {
    assert_eq!(answer.status, 200, "{path}");
    let local = |url: &str| format!("/{}", url.splitn(4, '/').nth(3).unwrap());
    if path.ends_with(".json") {
        let json = answer.json();
        let titles = json["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap().to_owned());
        return (titles.collect(), json["next_url"].as_str().map(local));
    }
    let text = answer.text();
    let titles = crate::support::read(path, &answer.body).into_iter().map(|entry| entry.title);
    let link = text.split('<').find(|tag| tag.contains("rel=\"prev-archive\""));
    let href = link.and_then(|tag| tag.split("href=\"").nth(1)?.split('"').next());
    (titles.collect(), href.map(local))
}

/// Every title on the way from the current document to the end, and the documents of the archive.
fn walk(desk: &Desk, name: &str) -> (Vec<String>, BTreeMap<String, Answer>) {
    let mut path = Some(format!("/news/{name}"));
    let (mut titles, mut documents) = (Vec::new(), BTreeMap::new());
    while let Some(here) = path {
        let answer = desk.get(&here);
        let (found, next) = read(&here, &answer);
        titles.extend(found);
        if here.contains("/archive/") {
            documents.insert(here, answer);
        }
        path = next;
    }
    (titles, documents)
}

fn bytes(documents: &BTreeMap<String, Answer>) -> Vec<(String, String, String, Vec<u8>)> {
    let row = |(path, answer): (&String, &Answer)| {
        (path.clone(), answer.field("etag").to_owned(), answer.field("last-modified").to_owned(), answer.body.clone())
    };
    documents.iter().map(row).collect()
}

fn sorted(mut titles: Vec<String>) -> Vec<String> {
    titles.sort();
    titles
}

fn names(numbers: impl Iterator<Item = u32>) -> Vec<String> {
    numbers.map(|number| format!("n{number:02}")).collect()
}

#[test]
fn who_follows_prev_archive_meets_every_entry_once() {
    let desk = desk(4);
    for day in 1..=9 {
        article(&desk, &format!("n{day:02}"), day, "Text.");
    }
    let daemon = desk.serve();
    desk.until_titles("news", &["n09", "n08", "n07", "n06", "n05"]);
    for name in FORMATS {
        let (titles, documents) = walk(&desk, name);
        assert_eq!(titles, names((1..=9).rev()), "{name}");
        assert_eq!(documents.len(), 2);
    }
    let (_, before) = walk(&desk, "atom.xml");
    let archive = &before["/news/archive/2/atom.xml"];
    let text = archive.text();
    for part in ["rel=\"self\"", "rel=\"current\"", "rel=\"prev-archive\"", "<fh:archive", "/news/archive/1/atom.xml"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    assert!(!text.contains("next-archive"), "its bytes would change");
    assert!(!before["/news/archive/1/atom.xml"].text().contains("prev-archive"));
    assert_eq!(archive.field("content-type"), "application/atom+xml; charset=utf-8");
    assert!(archive.field("link").contains("/news/archive/2/atom.xml>; rel=\"self\""), "{}", archive.field("link"));
    for fields in [("If-None-Match", archive.field("etag")), ("If-Modified-Since", archive.field("last-modified"))] {
        assert_eq!(desk.ask("GET", "/news/archive/2/atom.xml", &[fields]).status, 304, "{fields:?}");
    }
    let head = desk.ask("HEAD", "/news/archive/2/rss.xml", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    for missing in ["/news/archive/9/atom.xml", "/news/archive/0/atom.xml", "/archive/1/atom.xml"] {
        assert_eq!(desk.get(missing).status, 404, "{missing}");
    }

    // Late, with an old date.
    article(&desk, "late", 2, "Late.");
    desk.until_titles("news", &["n09", "n08", "n07", "n06", "n05", "late"]);
    let (titles, after) = walk(&desk, "rss.xml");
    assert_eq!(sorted(titles), sorted([names(1..=9), vec!["late".to_owned()]].concat()));
    assert_eq!(bytes(&walk(&desk, "atom.xml").1), bytes(&before), "nothing shifts");
    assert_eq!(after.len(), 2);
    for day in 10..=12 {
        article(&desk, &format!("n{day:02}"), day, "Text.");
        until("it is published", || desk.titles("news").contains(&format!("n{day:02}")).then_some(()));
    }
    let (titles, _) = walk(&desk, "feed.json");
    assert_eq!(sorted(titles), sorted([names(1..=12), vec!["late".to_owned()]].concat()));
    for (path, answer) in &before {
        assert_eq!(desk.get(path).revision(), answer.revision(), "{path}");
    }
    mirror_holds(&desk, "/news/archive/5/rss.xml");

    // The same after a restart, and under another limit.
    assert!(daemon.stop().success());
    configure(&desk, 6);
    let _daemon = desk.serve();
    until("the current document has grown", || (desk.titles("news").len() >= 6).then_some(()));
    for (path, answer) in &before {
        assert_eq!(desk.get(path).revision(), answer.revision(), "{path}");
    }
    let (titles, _) = walk(&desk, "atom.xml");
    assert_eq!(sorted(titles), sorted([names(1..=12), vec!["late".to_owned()]].concat()));
}

#[test]
fn a_document_changes_with_its_entries_alone() {
    let desk = desk(4);
    for day in 1..=8 {
        article(&desk, &format!("n{day:02}"), day, "Text.");
    }
    let _daemon = desk.serve();
    desk.until_titles("news", &["n08", "n07", "n06", "n05"]);
    let (_, before) = walk(&desk, "atom.xml");

    let modified = |answer: &Answer| httpdate::parse_http_date(answer.field("last-modified")).unwrap();
    let old = &before["/news/archive/1/atom.xml"];
    until("the next second", || (std::time::SystemTime::now() > modified(old) + SECOND).then_some(()));

    // Corrected: told in the current document, and written anew where it stands.
    article(&desk, "n02", 2, "Another text altogether, with more words than before.");
    desk.until_titles("news", &["n08", "n07", "n06", "n05", "n02"]);
    let changed = desk.get("/news/archive/1/atom.xml");
    assert!(changed.text().contains("Another text altogether"));
    assert_ne!(changed.field("etag"), old.field("etag"));
    assert!(modified(&changed) > modified(old), "Last-Modified grows");
    assert!(modified(&changed) <= std::time::SystemTime::now());
    let other = "/news/archive/2/atom.xml";
    assert_eq!(desk.get(other).revision(), before[other].revision());
    mirror_holds(&desk, "/news/archive/1/atom.xml");

    // Withdrawn: a gap, and older ones stay where they are.
    std::fs::remove_file(desk.path("articles/n03.md")).unwrap();
    until("a gap", || (!desk.get(other).text().contains("n03")).then_some(()));
    assert_eq!(read(other, &desk.get(other)).0, ["n04"]);
    assert_eq!(desk.get("/news/archive/1/atom.xml").revision(), changed.revision());
    mirror_holds(&desk, other);
}

fn mirror_holds(desk: &Desk, path: &str) {
    until(&format!("the mirror holds {path}"), || {
        let file = std::fs::read(desk.path("public").join(&path[1..])).ok()?;
        (file == desk.get(path).body).then_some(())
    });
}
