//! The past, a page for each day: from the front page and from a section everything that was ever published is reached.

use std::collections::BTreeSet;

use crate::support::{Desk, atom, until};

/// Paths of the links with this relation.
fn link(page: &str, relation: &str) -> Option<String> {
    let tag = page.split("<a ").find(|tag| tag.contains(&format!("rel=\"{relation}\"")))?;
    Some(tag.split("href=\"").nth(1)?.split('"').next()?.to_owned())
}

#[test]
fn older_entries_are_reached_day_by_day_and_stay_there() {
    let desk = Desk::new();
    // 130 entries on each of three days: a day of more than one page, and more days than the feed holds.
    let entries: Vec<(String, String, String)> = (0..390)
        .map(|n| {
            let (day, minute) = (1 + n / 130, n % 130);
            (
                format!("tag:d,{n}"),
                format!("Entry {n:03}"),
                format!("2026-03-{day:02}T{:02}:{:02}:00Z", 6 + minute / 60, minute % 60),
            )
        })
        .collect();
    let entries: Vec<(&str, &str, &str)> = entries.iter().map(|(id, title, date)| (&**id, &**title, &**date)).collect();
    desk.origin.answer("/feed", 200, &[], atom("Feed", &entries));
    desk.configure(&format!(
        "[site]\ntitle = \"The desk\"\nurl = \"https://news.example/desk\"\n[[section]]\nname = \"news\"\n\
         [[source]]\nname = \"feed\"\nurl = \"{}\"\nsections = [\"news\"]\n",
        desk.origin.url("/feed")
    ));
    let _daemon = desk.serve();
    until("the section is full", || (desk.feed("/desk/news/atom.xml").len() >= 50).then_some(()));
    for start in ["/desk/", "/desk/news/"] {
        let mut seen = BTreeSet::new();
        let (mut path, mut pages) = (start.to_owned(), Vec::new());
        loop {
            let answer = desk.get(&path);
            assert_eq!(answer.status, 200, "{path}");
            let page = answer.text();
            seen.extend(page.split("Entry ").skip(1).filter_map(|rest| rest.get(..3).map(str::to_owned)));
            pages.push(path.clone());
            let Some(older) = link(&page, "next") else { break };
            assert!(!pages.contains(&older), "{older} comes twice: {pages:?}");
            path = older;
        }
        assert_eq!(seen.len(), 390, "{start}: {pages:?}");
        let days = ["2026-03-03/", "2026-03-03/2/", "2026-03-02/", "2026-03-02/2/", "2026-03-01/", "2026-03-01/2/"];
        assert_eq!(pages[1..], days.map(|day| format!("{start}{day}")));
        // And back again, from the beginning of each day to that of the next.
        let mut back = vec![path.clone()];
        while let Some(newer) = link(&desk.get(&path).text(), "prev") {
            back.insert(0, newer.clone());
            path = newer;
        }
        let days = ["", "2026-03-03/", "2026-03-02/", "2026-03-01/", "2026-03-01/2/"];
        assert_eq!(back, days.map(|day| format!("{start}{day}")));
    }
    let page = desk.get("/desk/news/2026-03-02/").text();
    assert!(page.contains("<title>News, 2 March 2026 – The desk</title>"), "{page}");
    assert!(page.contains("rel=\"canonical\" href=\"https://news.example/desk/news/2026-03-02/\""));
    assert!(page.contains("href=\"https://news.example/desk/news/atom.xml\""), "the feeds are those of the section");
    assert_eq!(desk.get("/desk/news/2026-03-02").field("location"), "/desk/news/2026-03-02/");
    for nowhere in
        ["/desk/news/2026-04-01/", "/desk/news/2026-03-02/3/", "/desk/nothing/2026-03-02/", "/desk/news/9999-99-99/"]
    {
        assert_eq!(desk.get(nowhere).status, 404, "{nowhere}");
    }
}

#[test]
fn a_section_keeps_its_entries_for_as_many_days_as_it_says() {
    let desk = Desk::new();
    let now = chrono::Utc::now();
    let date = |days: i64| (now - chrono::TimeDelta::days(days)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let (new, old) = (date(1), date(100));
    desk.origin.answer("/feed", 200, &[], atom("Feed", &[("tag:d,1", "New", &new), ("tag:d,2", "Old", &old)]));
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\nlimit = 1\nkeep-days = 30\n[[section]]\nname = \"all\"\n\
         [[source]]\nname = \"feed\"\nurl = \"{}\"\nsections = [\"news\", \"all\"]\n",
        desk.origin.url("/feed")
    ));
    let _daemon = desk.serve();
    desk.until_titles("all", &["New", "Old"]);
    desk.until_titles("news", &["New"]);
    let status = |section: &str, date: &str| desk.get(&format!("/{section}/{}/", &date[..10])).status;
    assert_eq!((status("all", &old), status("news", &old), status("news", &new)), (200, 404, 200));
    let page = desk.get(&format!("/news/{}/", &new[..10])).text();
    assert_eq!(link(&page, "next"), None, "no link leads to what left");
    let told = desk.run(&["explain", "tag:d,2"]).out;
    assert!(told.contains("older than keep-days of the section"), "{told}");
}
