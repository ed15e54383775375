//! What stands in a section: floods that fill none, withdrawals by hand, and what comes back.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};

use crate::support::{Desk, atom, until};

fn desk(section: &str, sources: &[&str]) -> Desk {
    let desk = Desk::new();
    let mut tables = format!("[[section]]\nname = \"news\"\n{section}\n");
    for name in sources {
        let url = desk.origin.url(&format!("/{name}"));
        let _ = write!(tables, "[[source]]\nname = \"{name}\"\nurl = \"{url}\"\nsections = [\"news\"]\n");
    }
    desk.configure(&tables);
    desk
}

/// Entries one minute apart, the newest at `newest`.
fn archive(name: &str, count: usize, newest: DateTime<Utc>) -> String {
    let entries: Vec<(String, String, String)> = (0..count)
        .map(|number| {
            let date = newest - TimeDelta::minutes(number as i64);
            (format!("tag:{name},2026:{number}"), format!("{name} {number}"), date.to_rfc3339())
        })
        .collect();
    let entries: Vec<(&str, &str, &str)> =
        entries.iter().map(|(id, title, date)| (id.as_str(), title.as_str(), date.as_str())).collect();
    atom(name, &entries)
}

#[test]
fn a_first_fetch_of_500_leaves_room_for_the_news_of_the_day() {
    let desk = desk("limit = 40\nmax-per-source = 10", &["daily", "archive"]);
    let today = Utc::now() - TimeDelta::hours(2);
    desk.origin.answer("/daily", 200, &[], archive("daily", 30, today)).answer("/archive", 503, &[], "");
    let _daemon = desk.serve();
    until("the news is there", || (desk.titles("news").len() == 10).then_some(()));
    // All of them are newer than the news, and more than any window holds.
    desk.origin.answer("/archive", 200, &[], archive("archive", 500, Utc::now()));
    assert_eq!(desk.run(&["update", "archive"]).code, Some(0));
    let titles = desk.titles("news");
    let of = |name: &str| titles.iter().filter(|title| title.starts_with(name)).count();
    assert_eq!((of("archive"), of("daily")), (10, 10), "{titles:?}");
    let expected: Vec<String> = (0..10).map(|number| format!("archive {number}")).collect();
    assert_eq!(titles[..10], expected);
}

#[test]
fn what_is_withdrawn_by_hand_stays_away_until_that_is_undone() {
    let desk = desk("", &["feed"]);
    let (one, two) = (("tag:f,2026:1", "One", "2026-03-01T00:00:00Z"), ("tag:f,2026:2", "Two", "2026-03-02T00:00:00Z"));
    desk.origin.answer("/feed", 200, &[], atom("Feed", &[one, two]));
    let daemon = desk.serve();
    desk.until_titles("news", &["Two", "One"]);
    let before = desk.feed("/news/atom.xml").remove(0);

    let ran = desk.run(&["withdraw", "http://www.atom.example/Feed/2"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.says(&["tag:f,2026:2 is withdrawn", "Two"]);
    desk.until_titles("news", &["One"]);
    assert_eq!(desk.get("/entries/tag%3Af%2C2026%3A2").status, 410);

    // Its source goes on to carry it, and corrects it too.
    let corrected = (two.0, "Two, corrected", two.2);
    desk.origin.answer("/feed", 200, &[], atom("Feed", &[one, corrected]));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    assert_eq!(desk.titles("news"), ["One"]);
    assert_eq!(daemon.stop().code(), Some(0));

    // Without a daemon the same is done here.
    let page = format!("http://127.0.0.1:{}/entries/tag%3Af%2C2026%3A2", desk.port);
    let back = desk.run(&["withdraw", "--undo", "--json", &page]).json();
    assert_eq!(back["entries"][0]["id"], "tag:f,2026:2");
    let ran = desk.run(&["withdraw", "tag:f,2026:1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let _daemon = desk.serve();
    let now = desk.feed("/news/atom.xml");
    assert_eq!((now.len(), &now[0].id, now[0].published), (1, &before.id, before.published));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    desk.until_titles("news", &["Two, corrected"]);

    let ran = desk.run(&["withdraw", "tag:f,2026:99"]);
    assert_eq!(ran.code, Some(1));
    ran.says(&["no entry is known by \"tag:f,2026:99\"", "give the id"]);
    let ran = desk.run(&["withdraw", "--undo", "tag:f,2026:2"]);
    assert_eq!(ran.code, Some(1));
    ran.says(&["tag:f,2026:2 is not withdrawn"]);
}

#[test]
fn the_article_of_a_file_is_withdrawn_and_the_file_stays() {
    let desk = Desk::new();
    let text = "The council said on Tuesday that the bridge over the river would be closed for repairs until the end of summer.";
    let folder =
        desk.write("articles/bridge.txt", format!("Bridge is closed\n\n{text}\n")).parent().unwrap().to_owned();
    desk.write("articles/road.txt", format!("Road is open\n\n{text} The road is open.\n"));
    let source = format!("[[source]]\nname = \"desk\"\nfolder = {:?}\nsections = [\"news\"]\n", folder.display());
    desk.configure(&format!("[[section]]\nname = \"news\"\n{source}"));
    let _daemon = desk.serve();
    until("both are there", || (desk.titles("news").len() == 2).then_some(()));
    let before: Vec<_> = desk.feed("/news/atom.xml");
    let page = until("its page", || Some(desk.get("/articles/bridge")).filter(|page| page.status == 200));
    assert!(page.text().contains("Bridge is closed"));

    assert_eq!(desk.run(&["withdraw", "articles/bridge.txt"]).code, Some(0));
    desk.until_titles("news", &["Road is open"]);
    assert_eq!(desk.get("/articles/bridge").status, 410);
    // Saved again, it stays away.
    desk.write("articles/bridge.txt", format!("Bridge is closed, again\n\n{text}\n"));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    assert_eq!(desk.titles("news"), ["Road is open"]);
    assert_eq!(desk.run(&["withdraw", "--undo", "articles/bridge.txt"]).code, Some(0));
    until("it is back", || (desk.titles("news").len() == 2).then_some(()));
    let after = desk.feed("/news/atom.xml");
    let ids = |feed: &[crate::support::Seen]| {
        let mut ids: Vec<_> = feed.iter().map(|entry| (entry.id.clone(), entry.published)).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&after), ids(&before), "the same entries with the same dates");
}

#[test]
fn a_rule_that_never_matched_is_named_and_hits_are_counted() {
    let desk = Desk::new();
    let url = desk.origin.url("/feed");
    let tables = format!(
        "[[section]]\nname = \"news\"\nrules = [{{ when = {{ title = {{ contains = \"two\" }} }}, then = {{ drop = true }} }}]\n\
         [[section]]\nname = \"all\"\ninclude = [\"news\"]\n\
         [[source]]\nname = \"feed\"\nurl = \"{url}\"\nsections = [\"news\", \"all\"]\n\
         [[rule]]\nwhen = {{ title = \"never said\" }}\nthen = {{ drop = true }}\n"
    );
    desk.configure(&tables);
    let (one, two) = (("tag:f,2026:1", "One", "2026-03-01T00:00:00Z"), ("tag:f,2026:2", "Two", "2026-03-02T00:00:00Z"));
    desk.origin.answer("/feed", 200, &[], atom("Feed", &[one, two]));
    let daemon = desk.serve();
    desk.until_titles("news", &["One"]);
    desk.until_titles("all", &["Two", "One"]);
    let report = desk.run(&["status", "--json"]).json();
    let hits: Vec<(&str, u64)> = report["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["rule"].as_str().unwrap(), row["hits"].as_u64().unwrap()))
        .collect();
    assert_eq!(hits, [("rule 1", 0), ("rule 1 of section news", 1)]);
    assert!(desk.run(&["status"]).out.contains("never matched: rule 1\n"));
    desk.run(&["check"]).says(&["never matched an entry so far: rule 1"]);
    assert_eq!(daemon.stop().code(), Some(0));
    // Another rule is asked of what is stored, too.
    desk.configure(&tables.replace("never said", "One"));
    let _daemon = desk.serve();
    desk.until_titles("all", &["Two"]);
    let report = desk.run(&["status", "--json"]).json();
    assert_eq!(report["rules"][0]["hits"], 1);
}

#[test]
fn a_rule_that_cannot_work_is_refused() {
    let desk = Desk::new();
    let rule = |when: &str, then: &str| format!("[[rule]]\nwhen = {when}\nthen = {then}\n");
    let drop = "{ drop = true }";
    for (rules, says) in [
        (rule("{ title = { matches = '' } }", drop), "an empty regular expression"),
        (
            rule("{ title = \"x\" }", "[{ drop = true }, { add-category = \"y\" }]"),
            "what stands after drop is never done",
        ),
        (rule("{ all = [{ title = \"x\" }, { title = \"y\" }] }", drop), "no entry can ever meet this"),
        (rule("{ title = \"x\" }", drop) + &rule("{ title = \"x\" }", "{ add-category = \"y\" }"), "is never asked"),
        (rule("{ source = \"nobody\" }", drop), "there is no source"),
        (rule("{ title = \"x\" }", "{ add-section = \"nowhere\" }"), "there is no section"),
    ] {
        desk.configure(&rules);
        let ran = desk.run(&["check"]);
        assert_eq!(ran.code, Some(78), "{rules}");
        ran.says(&[says]);
    }
}
