//! `explain` and `plan`: why an entry is where it is, and what another configuration would do, beside a running daemon.

use serde_json::Value;

use crate::support::{Desk, Ran, rss};

const STORY: &str = "The harbour of the old town is open again after nine months of work on its northern wall, and the first \
     ferry left for the islands at noon with three hundred people on board. The council had promised the opening for the \
     spring; the storm of February, which took away a part of the scaffolding, cost it ten weeks and about two million.";

/// Two sources with one story, a rule, and a section that takes two entries of a source.
fn desk() -> Desk {
    let desk = Desk::new();
    let date = |day: u32| format!("{day:02} Mar 2026 08:00:00 +0000");
    let story = |text: String, headline: &str| text.replace(&format!("Text of {headline}."), STORY);
    let wire = rss(
        "wire",
        &[
            ("wire:1", "Harbour reopens", &date(4)),
            ("wire:2", "Sponsored words", &date(3)),
            ("wire:3", "Second", &date(2)),
            ("wire:4", "Third", &date(1)),
        ],
    );
    let blog = rss("blog", &[("blog:1", "Our harbour", &date(4))]);
    desk.origin.answer("/wire.xml", 200, &[], story(wire, "Harbour reopens"));
    desk.origin.answer("/blog.xml", 200, &[], story(blog, "Our harbour"));
    desk.configure(&configuration(&desk, "max-per-source = 2", ""));
    desk.write("articles/own.md", "---\ntitle: Own words\ndate: 2026-03-05T08:00:00Z\n---\nA few of them.\n");
    assert_eq!(desk.run(&["update", "wire"]).code, Some(0));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    desk
}

fn configuration(desk: &Desk, section: &str, more: &str) -> String {
    let (wire, blog) = (desk.origin.url("/wire.xml"), desk.origin.url("/blog.xml"));
    format!(
        "[[section]]\nname = \"news\"\n{section}\n[[section]]\nname = \"wide\"\ninclude = [\"news\"]\n\
         [[section]]\nname = \"empty\"\n\
         [[source]]\nname = \"wire\"\nurl = \"{wire}\"\nsections = [\"news\"]\n\
         [[source]]\nname = \"blog\"\nurl = \"{blog}\"\nsections = [\"news\"]\n\
         [[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n\
         [[rule]]\nwhen = {{ title = {{ contains = \"sponsored\" }} }}\nthen = {{ drop = true }}\n{more}"
    )
}

fn explained(desk: &Desk, what: &str) -> Value {
    let ran = desk.run(&["explain", "--json", what]);
    assert_eq!(ran.code, Some(0), "{what}: {ran:?}");
    let found = ran.json();
    assert_eq!(found["entries"].as_array().unwrap().len(), 1, "{what}: {found}");
    found["entries"][0].clone()
}

fn section<'a>(entry: &'a Value, name: &str) -> &'a Value {
    entry["sections"].as_array().unwrap().iter().find(|section| section["section"] == name).unwrap()
}

#[test]
fn an_entry_tells_its_way() {
    let desk = desk();
    tells_its_way(&desk);
    let _daemon = desk.serve();
    tells_its_way(&desk);
}

fn tells_its_way(desk: &Desk) {
    let first = explained(desk, "https://rss.example/wire/1");
    assert_eq!((first["source"].as_str(), first["title"].as_str()), (Some("wire"), Some("Harbour reopens")));
    assert_eq!(first["known_by"], "id wire:1");
    assert_eq!(first["effective_because"], "the source states it");
    let steps = first["steps"].to_string();
    for words in ["source wire names news", "rule 1 does not match", "wide includes news"] {
        assert!(steps.contains(words), "{words}: {steps}");
    }
    assert_eq!(section(&first, "news")["position"], 2, "{first}");
    assert_eq!(section(&first, "empty")["takes"], false);
    assert_eq!(first["copies"][0]["title"], "Our harbour");
    assert_eq!(first["copies"][0]["because"], "100 % of the shorter text stands in the longer");

    let copy = explained(desk, "https://rss.example/blog/1");
    assert_eq!(section(&copy, "news")["represented_by"], first["id"]);
    assert_eq!(section(&copy, "news")["outcome"], "\"Harbour reopens\" of wire stands for it");

    let dropped = explained(desk, "https://rss.example/wire/2");
    assert_eq!(section(&dropped, "news")["outcome"], "a rule dropped it");
    assert!(dropped["steps"].to_string().contains("rule 1 dropped it"));

    let crowded = explained(desk, "https://rss.example/wire/4");
    assert_eq!(section(&crowded, "wide")["position"], 4);
    let outcome = section(&crowded, "news")["outcome"].as_str().unwrap();
    assert!(outcome.starts_with("not shown: its source has max-per-source newer ones there"), "{outcome}");

    let own = explained(desk, desk.path("articles/own.md").to_str().unwrap());
    assert_eq!((own["title"].as_str(), own["known_by"].as_str()), (Some("Own words"), Some("file own.md")));
    let page = format!("http://127.0.0.1:{}/articles/own", desk.port);
    for what in ["articles/own.md", own["id"].as_str().unwrap(), &page] {
        assert_eq!(explained(desk, what)["id"], own["id"], "{what}");
    }

    let nobody = desk.run(&["explain", "https://rss.example/nowhere"]);
    assert_eq!((nobody.code, nobody.out.as_str()), (Some(1), ""));
    nobody.says(&["no source has brought"]);
    let words = desk.run(&["explain", "https://rss.example/blog/1"]).out;
    assert!(words.contains("Our harbour") && words.contains("stands for it"), "{words}");
}

/// Exit status and report of a plan for another configuration of the same desk.
fn plan(desk: &Desk, section: &str, more: &str) -> (Option<i32>, Value) {
    let file = desk.path("new.toml");
    let live = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    let head = live.split("[[section]]").next().unwrap();
    std::fs::write(&file, format!("{head}{}", configuration(desk, section, more))).unwrap();
    let mut command = desk.command(&["plan", "--json"]);
    command.env("NEWSDESK_CONFIG", &file);
    let arguments: Vec<_> = command.get_args().skip(2).map(ToOwned::to_owned).collect();
    let mut command = std::process::Command::new(command.get_program());
    let ran = Ran::from(command.arg("--config").arg(&file).args(arguments).output().unwrap());
    (ran.code, ran.json())
}

fn titles(plan: &Value, name: &str, what: &str) -> Vec<String> {
    let section = plan["sections"].as_array().unwrap().iter().find(|section| section["section"] == name);
    let entries = section.and_then(|section| section[what].as_array().cloned()).unwrap_or_default();
    entries.iter().map(|entry| entry["title"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn another_configuration_is_planned_and_nothing_is_touched() {
    let desk = desk();
    is_planned(&desk);
    let daemon = desk.serve();
    // Two updates within one second date the second revision into the next one, and until then it may not be said
    // (RFC 9110 §8.8.2.1): the date stands once that second has come.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let before = desk.get("/news/atom.xml").revision();
    is_planned(&desk);
    assert_eq!(desk.get("/news/atom.xml").revision(), before);
    drop(daemon);
    let nothing = desk.run(&["--state", "nowhere", "plan"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
}

fn is_planned(desk: &Desk) {
    let (code, same) = plan(desk, "max-per-source = 2", "");
    assert_eq!((code, same["changes"].as_bool()), (Some(0), Some(false)), "{same}");

    let (code, wider) = plan(desk, "", "");
    assert_eq!(code, Some(1));
    assert_eq!(titles(&wider, "news", "gains"), ["Third"]);
    assert_eq!(titles(&wider, "wide", "gains"), [""; 0]);

    let (_, apart) = plan(desk, "max-per-source = 2\nduplicates = \"keep\"", "");
    assert_eq!(titles(&apart, "news", "gains"), ["Our harbour"]);

    let rule = "[[rule]]\nwhen = { source = \"wire\" }\nthen = { remove-section = \"news\" }\n";
    let (_, without) = plan(desk, "max-per-source = 2", rule);
    assert_eq!(titles(&without, "news", "loses"), ["Harbour reopens", "Second"]);
    assert_eq!(titles(&without, "news", "gains"), ["Our harbour"], "the next best stands for the story");

    let (_, more) = plan(desk, "max-per-source = 2", "[[section]]\nname = \"own\"\nsources = [\"desk\"]\n");
    assert_eq!(titles(&more, "own", "gains"), ["Own words"]);
}
