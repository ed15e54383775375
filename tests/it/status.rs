//! How the sources are, as everybody may see it: the page, and the feed of troubles.

use newsdesk::model::Time;
use newsdesk::render::page::anchor;
use newsdesk::schedule::Poll;
use newsdesk::store::{SourceState, Spells, Store, Trouble};

use crate::support::{Answer, Desk, atom, read, rss, until};

fn desk(sources: &[(&str, &str)]) -> Desk {
    let desk = Desk::new();
    let sources: String = sources
        .iter()
        .map(|(name, path)| {
            format!("[[source]]\nname = \"{name}\"\nurl = \"{}\"\nsections = [\"news\"]\n", desk.origin.url(path))
        })
        .collect();
    desk.configure(&format!("[site]\ntitle = \"The desk\"\n[[section]]\nname = \"news\"\n{sources}"));
    desk
}

/// The row of one source, as HTML.
fn row(page: &Answer, source: &str) -> String {
    let text = page.text();
    let start = format!("<tr id=\"{}\">", anchor(source));
    let row = text.split(&start).nth(1).and_then(|rest| rest.split("</tr>").next());
    row.unwrap_or_else(|| panic!("no row of {source} in {text}")).to_owned()
}

fn until_row(desk: &Desk, source: &str, words: &str) -> String {
    until(&format!("the row of {source} says {words}"), || {
        Some(row(&desk.get("/status"), source)).filter(|row| row.contains(words))
    })
}

#[test]
fn quiet_is_told_from_broken_and_nobody_is_shown_an_address() {
    let desk =
        desk(&[("busy", "/busy"), ("silent", "/silent"), ("broken", "/broken"), ("secret", "/secret?token=hunter2")]);
    let days = |month: u32| -> Vec<(String, String, String)> {
        (1..=9)
            .map(|day| {
                (format!("tag:{month},{day}"), format!("Entry {day}"), format!("20{month:02}-03-0{day}T00:00:00Z"))
            })
            .collect()
    };
    fn borrowed(days: &[(String, String, String)]) -> Vec<(&str, &str, &str)> {
        days.iter().map(|(id, title, date)| (&**id, &**title, &**date)).collect()
    }
    let now = chrono::Utc::now();
    let moments: Vec<String> =
        (0..9).map(|n| (now - chrono::TimeDelta::days(n)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)).collect();
    let busy: Vec<(String, String, String)> = moments
        .iter()
        .enumerate()
        .map(|(n, moment)| (format!("tag:b,{n}"), format!("Busy {n}"), moment.clone()))
        .collect();
    desk.origin
        .answer("/busy", 200, &[], atom("Busy", &borrowed(&busy)))
        .answer("/silent", 200, &[], atom("Silent", &borrowed(&days(11))))
        .answer("/broken", 500, &[], "")
        .answer("/secret", 404, &[], "");
    let _daemon = desk.serve();

    let busy = until_row(&desk, "busy", "Well");
    assert!(busy.contains("<svg class=\"spark\" role=\"img\""), "{busy}");
    assert!(busy.contains("<title>9 entries in 30 days, at most 1 a day, the last one "), "{busy}");
    let silent = until_row(&desk, "silent", "Quiet");
    assert!(silent.contains("its usual gap is 24 h") && !silent.contains("<svg"), "{silent}");
    let broken = until_row(&desk, "broken", "Failing");
    assert!(broken.contains("500 Internal Server Error") && broken.contains("Next poll"), "{broken}");
    let secret = until_row(&desk, "secret", "Failing");
    assert!(secret.contains("the step that failed: fetch") && !secret.contains("there is nothing there"), "{secret}");

    let told = desk.status("silent");
    assert_eq!(told["mark"], "well", "the words that scripts know stay");
    assert!(
        told["quiet"].as_str().unwrap().contains("its usual gap is 24 h") && desk.status("busy")["quiet"].is_null()
    );

    let page = desk.get("/status");
    let text = page.text();
    assert!(!text.contains(&desk.origin.address.to_string()) && !text.contains("hunter2"), "{text}");
    let place = |source: &str| text.find(&anchor(source)).unwrap();
    assert!(place("broken") < place("silent") && place("silent") < place("busy"), "those in trouble come first");
    assert!(page.field("content-security-policy").contains("style-src 'self'") && !text.contains(" style="));
    assert_eq!(desk.get("/status/2").status, 404);
}

#[test]
fn what_its_owner_should_write_is_shown_but_no_secret() {
    let desk = Desk::new();
    let entry = |n: usize| {
        let feed = atom("Wire", &[(&format!("tag:w,{n}"), "Entry", "2026-03-01T00:00:00Z")]);
        feed.replace("https://atom.example/", desk.origin.url("/").as_str())
    };
    let page = |feed: &str| format!("<!doctype html><link rel=alternate type='application/atom+xml' href='{feed}'>");
    desk.origin.answer("/open", 200, &[], page("/open.xml")).answer("/open.xml", 200, &[], entry(1));
    desk.origin.answer("/private", 200, &[], page("/private.xml")).answer("/private.xml", 200, &[], entry(2));
    desk.origin.answer("/signed", 200, &[], page("/signed.xml?token=hunter2")).answer(
        "/signed.xml",
        200,
        &[],
        entry(3),
    );
    let source = |name: &str, key: &str| {
        let url = desk.origin.url(&format!("/{name}"));
        format!("[[source]]\nname = \"{name}\"\nurl = \"{url}\"\nsections = [\"news\"]\n{key}\n")
    };
    let all = source("open", "full-text = true") + &source("private", "private = true") + &source("signed", "");
    desk.configure(&format!("[[section]]\nname = \"news\"\n{all}"));
    let _daemon = desk.serve();
    let line = format!("write url = &#34;{}&#34; (found on the web page)", desk.origin.url("/open.xml"));
    until_row(&desk, "open", &line);
    until_row(&desk, "open", "0 texts taken from pages, 0 waiting, 1 as the feed has them");
    for hidden in ["private", "signed"] {
        let row = until_row(&desk, hidden, "newsdesk status has the line to change (found on the web page)");
        assert!(!row.contains(".xml") && !row.contains("texts taken"), "{row}");
    }
    let text = desk.get("/status").text();
    assert!(!text.contains("hunter2") && !text.contains("private.xml"), "{text}");
    let told = desk.run(&["status"]).out;
    assert!(
        told.contains("/private.xml") && told.contains("/signed.xml?token=...") && !told.contains("hunter2"),
        "{told}"
    );
}

#[test]
fn how_often_a_rule_matched_is_shown_but_not_of_private_sources() {
    let desk = Desk::new();
    let feed = |id: &str, title: &str| atom("Feed", &[(id, title, "2026-03-01T00:00:00Z")]);
    desk.origin.answer("/open", 200, &[], feed("tag:o,1", "One")).answer("/private", 200, &[], feed("tag:p,1", "One"));
    let source = |name: &str, path: &str, key: &str| {
        let rule = "{ when = { title = \"One\" }, then = { add-category = \"first\" } }";
        format!("[[source]]\nname = \"{name}\"\nurl = \"{}\"\n{key}\nrules = [{rule}]\n", desk.origin.url(path))
    };
    let sources = source("Us & <them>", "/open", "") + &source("hidden", "/private", "private = true");
    let rule = "[[rule]]\nwhen = { title = \"never said\" }\nthen = { drop = true }\n";
    desk.configure(&format!("{sources}{rule}"));
    let _daemon = desk.serve();
    until_row(&desk, "hidden", "Well");
    until_row(&desk, "Us & <them>", "Well");
    let text = desk.get("/status").text();
    assert!(text.contains("<li><bdi>rule 1</bdi>: has never matched</li>"), "{text}");
    assert!(
        text.contains("<bdi>rule 1 of source Us &#38; &#60;them&#62;</bdi>: matched 1 entry, last <time"),
        "{text}"
    );
    assert!(!text.contains("of source hidden"), "{text}");
}

#[test]
fn troubles_are_a_feed_that_changes_only_with_them() {
    let desk = desk(&[("wire", "/wire"), ("secret", "/secret?token=hunter2"), ("good", "/good")]);
    desk.origin.answer("/wire", 500, &[], "").answer("/secret", 403, &[], "").answer(
        "/good",
        200,
        &[],
        rss("Good", &[]),
    );
    let daemon = desk.serve();
    let titles = || -> Vec<String> { desk.feed("/status.atom").into_iter().map(|entry| entry.title).collect() };
    until("both troubles are told", || (titles().len() == 2).then_some(()));
    let first = desk.get("/status.atom");
    assert_eq!(first.field("content-type"), "application/atom+xml; charset=utf-8");
    assert!(first.field("link").contains("/status.atom>; rel=\"self\""));
    let text = first.text();
    assert!(!text.contains("hunter2") && !text.contains(&desk.origin.address.to_string()), "{text}");
    assert!(
        text.contains("500 Internal Server Error") && !text.contains("Forbidden") && !text.contains("want us"),
        "a private source by its name only: {text}"
    );
    let ids = |answer: &Answer| -> Vec<String> {
        read("status.atom", &answer.body).into_iter().map(|entry| entry.id).collect()
    };
    let known = ids(&first);

    // The same trouble again is no news.
    desk.run(&["update"]);
    assert_eq!(desk.get("/status.atom").revision(), first.revision());

    desk.origin.answer("/wire", 200, &[], rss("Wire", &[("tag:w,1", "News", "Mon, 02 Mar 2026 10:00:00 GMT")]));
    desk.run(&["update", "wire"]);
    until("the end of it is told", || titles().contains(&"wire is well again".to_owned()).then_some(()));
    let second = desk.get("/status.atom");
    let all = ids(&second);
    assert_eq!((all.len(), known.iter().all(|id| all.contains(id))), (3, true));

    // A restart tells nothing anew, a second spell is another one.
    assert_eq!(daemon.stop().code(), Some(0));
    let _daemon = desk.serve();
    assert_eq!(desk.get("/status.atom").revision(), second.revision());
    let last = chrono::Utc::now().timestamp();
    until("another second", || (chrono::Utc::now().timestamp() > last).then_some(()));
    desk.origin.answer("/wire", 500, &[], "");
    until("the second trouble is told", || {
        desk.run(&["update", "wire"]);
        (titles().len() == 4).then_some(())
    });
}

fn at(second: i64) -> Time {
    Time::from_timestamp(1_790_000_000 + second, 0).unwrap()
}

/// As a poll at `second` leaves it; `since`: when its trouble began.
fn state(second: i64, since: Option<i64>, frozen: bool) -> SourceState {
    SourceState {
        last_try: Some(at(second)),
        last_success: since.is_none().then(|| at(second)),
        trouble: since.map(|since| Trouble { stage: "fetch".into(), cause: format!("at {second}"), since: at(since) }),
        poll: Poll { frozen, ..Poll::default() },
        ..SourceState::default()
    }
}

#[test]
fn a_spell_is_written_down_once_and_what_our_outage_breaks_never() {
    let folder = tempfile::tempdir().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(&folder.path().join("s.db")).unwrap();
        store.initialise(Some("https://example.org/".into())).await.unwrap();
        let place = |name: &str| (name.to_owned(), format!("https://{name}.example/"));
        let rows = store.sync_sources(vec![place("a"), place("b")]).await.unwrap();
        let told = |spells: &Spells| -> Vec<(String, Time, Option<Time>, String)> {
            spells.spells.iter().map(|s| (s.source.clone(), s.began, s.ended, s.cause.clone())).collect()
        };
        for (row, second, since, frozen) in [
            (rows[0], 0, None, false),
            (rows[0], 10, Some(10), false),
            (rows[0], 20, Some(10), false),
            (rows[1], 25, Some(25), true),
            (rows[0], 30, None, false),
            (rows[0], 40, None, false),
            // What began in an outage of ours and outlasts it is the source's own.
            (rows[1], 50, Some(25), false),
            (rows[0], 60, Some(60), false),
        ] {
            store.record_poll(row, Box::new(state(second, since, frozen))).await.unwrap();
        }
        let spells = store.spells(10).await.unwrap();
        let line = |source: &str, began, ended: Option<i64>, cause: &str| {
            (source.to_owned(), at(began), ended.map(at), cause.to_owned())
        };
        let wanted = [line("a", 60, None, "at 60"), line("a", 10, Some(30), "at 10"), line("b", 25, None, "at 50")];
        assert_eq!(told(&spells), wanted);
        assert_eq!(store.spells(1).await.unwrap().spells.len(), 1);

        // Its ids are the source's, whatever it is called; one that is configured no more is not told of.
        let renamed = ("c".to_owned(), "https://a.example/".to_owned());
        store.sync_sources(vec![renamed]).await.unwrap();
        let after = store.spells(10).await.unwrap();
        let ids = |spells: &Spells| -> Vec<String> {
            spells
                .spells
                .iter()
                .filter(|s| s.source != "b")
                .flat_map(|s| [s.began_id.clone(), s.ended_id.clone()])
                .collect()
        };
        assert_eq!((ids(&after), after.feed_id), (ids(&spells), spells.feed_id));
        assert!(after.spells.iter().all(|spell| spell.source == "c"));
        store.close().await;
    });
}
