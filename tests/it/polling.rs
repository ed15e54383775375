//! Manners and memory of polls, seen through the real binary: what is asked again, when, of whom, and with what.

use newsdesk::schedule::first_poll;

use crate::origin::{Asked, Behaviour};
use crate::support::{Desk, atom, row, until};

const DATE: &str = "2026-03-01T00:00:00Z";

fn source(desk: &Desk, name: &str, path: &str) -> String {
    format!("[[source]]\nname = \"{name}\"\nurl = \"{}\"\nsections = [\"news\"]\n", desk.origin.url(path))
}

fn configure(desk: &Desk, sources: &str) {
    desk.configure(&format!("[[section]]\nname = \"news\"\n{sources}"));
}

/// An update of everything, and the row of a source afterwards.
fn update(desk: &Desk, name: &str) -> serde_json::Value {
    desk.run(&["update"]);
    row(&desk.run(&["status", "--json"]).json(), name)
}

fn of<'a>(asked: &'a [Asked], path: &str) -> Vec<&'a Asked> {
    asked.iter().filter(|asked| asked.path == path).collect()
}

#[test]
fn a_feed_that_moves_for_good_is_followed_and_left_again() {
    let desk = Desk::new();
    configure(&desk, &source(&desk, "wires", "/old"));
    desk.origin.redirect("/old", 301, "/new");
    desk.origin.answer("/new", 200, &[("ETag", "\"1\"")], atom("Wires", &[("tag:w,1", "One", DATE)]));
    for polls in 1..=3 {
        assert_eq!(desk.origin.count("/old"), polls - 1);
        update(&desk, "wires");
    }
    let told = update(&desk, "wires");
    assert_eq!(desk.origin.count("/old"), 3, "after three agreeing polls the new address is asked");
    let line = format!("url = \"{}\"", desk.origin.url("/new"));
    assert!(told["advice"].as_str().unwrap().contains(&line), "{told}");
    assert!(desk.run(&["status"]).out.contains(&line));
    // Three failures there, and the configured one is asked again.
    desk.origin.answer("/new", 500, &[], "");
    for _ in 0..3 {
        update(&desk, "wires");
    }
    assert_eq!(desk.origin.count("/old"), 3);
    desk.origin.answer("/old", 200, &[], atom("Wires", &[("tag:w,1", "One", DATE)]));
    let told = update(&desk, "wires");
    assert_eq!((told["mark"].as_str(), told["advice"].is_null()), (Some("well"), true), "{told}");
    assert_eq!(desk.origin.count("/old"), 4);
}

#[test]
fn validators_are_of_a_document_that_was_read_and_of_no_other() {
    let desk = Desk::new();
    configure(&desk, &source(&desk, "wires", "/feed"));
    let feed = atom("Wires", &[("tag:w,1", "One", DATE)]);
    desk.origin.answer("/feed", 200, &[("ETag", "\"1\""), ("Last-Modified", "yesterday")], &feed);
    update(&desk, "wires");
    // A page in its place, with validators of its own: a failure, and nothing is remembered of it.
    desk.origin.answer("/feed", 200, &[("ETag", "\"page\"")], "<!doctype html><title>Maintenance</title>");
    update(&desk, "wires");
    desk.origin.answer("/feed", 200, &[], &feed);
    update(&desk, "wires");
    // The same bytes without validators: replaced together, by nothing.
    update(&desk, "wires");
    let sent: Vec<_> = of(&desk.origin.asked(), "/feed")
        .iter()
        .map(|asked| {
            (asked.field("if-none-match").map(str::to_owned), asked.field("if-modified-since").map(str::to_owned))
        })
        .collect();
    let first = (Some("\"1\"".to_owned()), Some("yesterday".to_owned()));
    assert_eq!(sent, [(None, None), first.clone(), first, (None, None)]);

    // Another address under the same name: what was remembered is not of it.
    desk.origin.answer("/feed", 200, &[("ETag", "\"2\"")], &feed);
    update(&desk, "wires");
    configure(&desk, &source(&desk, "wires", "/other"));
    desk.origin.on("/other", Behaviour::Tagged { etag: "\"2\"".to_owned(), body: feed.replace("One", "Two").into() });
    update(&desk, "wires");
    assert_eq!(of(&desk.origin.asked(), "/other")[0].field("if-none-match"), None);
    assert!(desk.run(&["status"]).out.contains("1 changed"), "what it holds was read");
}

#[test]
fn a_reader_that_reads_otherwise_asks_once_unconditionally() {
    let desk = Desk::new();
    let sources = source(&desk, "wires", "/feed");
    configure(&desk, &sources);
    let body = atom("Wires", &[("tag:w,1", "One", DATE)]).into_bytes();
    desk.origin.on("/feed", Behaviour::Tagged { etag: "\"1\"".to_owned(), body });
    update(&desk, "wires");
    update(&desk, "wires");
    desk.configure(&format!("tracking-parameters = [\"from\"]\n[[section]]\nname = \"news\"\n{sources}"));
    update(&desk, "wires");
    update(&desk, "wires");
    // A title is no other way to read a feed.
    desk.configure(&format!(
        "tracking-parameters = [\"from\"]\n[[section]]\nname = \"news\"\ntitle = \"N\"\n{sources}"
    ));
    update(&desk, "wires");
    let conditional: Vec<bool> =
        desk.origin.asked().iter().map(|asked| asked.field("if-none-match").is_some()).collect();
    assert_eq!(conditional, [false, true, false, true, true]);
}

#[test]
fn a_parked_host_is_left_alone_by_all_its_sources_over_a_restart() {
    let desk = Desk::new();
    let host = format!("[hosts.\"{}\"]\nconnections = 1\n", desk.origin.address);
    let sources: String = (0..5).map(|n| source(&desk, &format!("feed {n}"), &format!("/{n}"))).collect();
    let sources = host + &sources;
    configure(&desk, &sources);
    for n in 0..5 {
        desk.origin.answer(&format!("/{n}"), 429, &[("Retry-After", "3600")], "");
    }
    let asked = || desk.origin.asked().len();
    let daemon = desk.serve();
    until("one of them was told off", || (asked() == 1).then_some(()));
    until("the host's wish is in the store", || {
        let report = desk.run(&["status", "--json"]).json();
        let told = report["sources"].as_array().unwrap().iter().filter(|row| row["http_status"] == 429).count();
        (told == 1).then_some(())
    });
    assert!(daemon.stop().success());
    // A new source of another host, that is asked after all of theirs would be.
    let now = chrono::Utc::now();
    let last = |name: &String| first_poll(name, now).at - now == chrono::TimeDelta::seconds(5);
    let marker = (0..).map(|n| format!("marker {n}")).find(last).unwrap();
    let url = format!("http://localhost:{}/marker", desk.origin.address.port());
    configure(&desk, &(sources + &format!("[[source]]\nname = \"{marker}\"\nurl = \"{url}\"\n")));
    let daemon = desk.serve();
    until("the marker is asked", || (desk.origin.count("/marker") == 1).then_some(()));
    let report = desk.run(&["status", "--json"]).json();
    let mut why = report["sources"].as_array().unwrap().iter().filter_map(|row| row["why"].as_str());
    assert!(why.any(|why| why.contains("parked by the host for 1 h")), "{report}");
    assert!(daemon.stop().success());
    assert_eq!(asked(), 2, "one of five, and the marker");
}

/// The same origin under another name, and in another budget.
fn elsewhere(desk: &Desk, path: &str) -> String {
    format!("http://localhost:{}{path}", desk.origin.address.port())
}

#[test]
fn a_feed_that_moves_to_another_host_is_followed_there() {
    let desk = Desk::new();
    configure(&desk, &source(&desk, "wires", "/old"));
    let feed = atom("Wires", &[("tag:w,1", "One", DATE)]);
    desk.origin.redirect("/old", 301, elsewhere(&desk, "/new")).redirect("/new", 308, "/newer");
    desk.origin.on("/newer", Behaviour::Tagged { etag: "\"1\"".to_owned(), body: feed.into() });
    for polls in 1..=3 {
        let told = update(&desk, "wires");
        let status = if polls == 1 { 200 } else { 304 };
        assert_eq!((told["mark"].as_str(), told["http_status"].as_u64()), (Some("well"), Some(status)), "{told}");
        assert_eq!((desk.origin.count("/old"), desk.origin.count("/newer")), (polls, polls));
    }
    let told = update(&desk, "wires");
    assert!(told["advice"].as_str().unwrap().contains(&elsewhere(&desk, "/newer")), "{told}");
    assert_eq!((desk.origin.count("/old"), desk.origin.count("/newer")), (3, 4));
}

#[test]
fn a_redirect_waits_for_the_host_that_it_leads_to() {
    let desk = Desk::new();
    let parked = format!("[[source]]\nname = \"parked\"\nurl = \"{}\"\n", elsewhere(&desk, "/parked"));
    configure(&desk, &parked);
    desk.origin.answer("/parked", 429, &[("Retry-After", "3600")], "");
    assert_eq!(update(&desk, "parked")["http_status"], 429);
    // Two of another host, the second after the first.
    desk.origin.redirect("/feed", 302, elsewhere(&desk, "/there"));
    let now = chrono::Utc::now();
    let after = |name: &str, seconds: i64| first_poll(name, now).at - now == chrono::TimeDelta::seconds(seconds);
    let name = |seconds: i64| (0..).map(|n| format!("feed {n}")).find(|name| after(name, seconds)).unwrap();
    let both = source(&desk, &name(2), "/feed") + &source(&desk, &name(5), "/marker");
    configure(&desk, &(parked + &both));
    let daemon = desk.serve();
    until("both are asked", || (desk.origin.count("/feed") + desk.origin.count("/marker") == 2).then_some(()));
    assert!(daemon.stop().success());
    assert_eq!(desk.origin.count("/there"), 0, "its host is parked, whoever is led there");
    let told = row(&desk.run(&["status", "--json"]).json(), &name(2));
    assert_eq!((told["failures"].as_u64(), told["stage"].is_null()), (Some(0), true), "that is no failure: {told}");
}

#[test]
fn what_is_gone_is_shown_as_gone_and_its_entries_stay() {
    let desk = Desk::new();
    configure(&desk, &source(&desk, "wires", "/feed"));
    desk.origin.answer("/feed", 200, &[], atom("Wires", &[("tag:w,1", "One", DATE)]));
    update(&desk, "wires");
    desk.origin.answer("/feed", 410, &[], "");
    let told = update(&desk, "wires");
    assert_eq!((told["mark"].as_str(), told["http_status"].as_u64()), (Some("gone"), Some(410)), "{told}");
    assert!(told["why"].as_str().unwrap().contains("asked again after a day"), "{told}");
    let told = update(&desk, "wires");
    assert!(told["why"].as_str().unwrap().contains("every month"), "{told}");
    assert_eq!((told["entries"].as_u64(), told["failures"].as_u64()), (Some(1), Some(2)));
    desk.origin.answer("/feed", 200, &[], atom("Wires", &[("tag:w,1", "One", DATE)]));
    let told = update(&desk, "wires");
    assert_eq!((told["mark"].as_str(), told["http_status"].as_u64()), (Some("well"), Some(200)), "{told}");
}

#[test]
fn a_poll_that_is_killed_is_simply_repeated() {
    let desk = Desk::new();
    configure(&desk, &source(&desk, "wires", "/feed"));
    let body = atom("Wires", &[("tag:w,1", "One", DATE)]);
    let (begin, rest) = body.split_at(body.len() / 2);
    let head = format!("HTTP/1.1 200 OK\r\nETag: \"half\"\r\nContent-Length: {}\r\n\r\n{begin}", body.len());
    desk.origin.on("/feed", Behaviour::Silence(head.into_bytes()));
    let daemon = desk.serve();
    until("it is being asked", || (desk.origin.count("/feed") == 1).then_some(()));
    daemon.kill();
    let told = row(&desk.run(&["status", "--json"]).json(), "wires");
    assert!(told["last_try"].is_null() && told["next_poll"].is_null(), "nothing was written down: {told}");
    desk.origin.answer("/feed", 200, &[], begin.to_owned() + rest);
    let _daemon = desk.serve();
    desk.until_titles("news", &["One"]);
    assert_eq!(of(&desk.origin.asked(), "/feed")[1].field("if-none-match"), None, "half of it is no document");
}

#[test]
fn the_environment_names_no_proxy() {
    let desk = Desk::new();
    configure(&desk, &source(&desk, "wires", "/feed"));
    desk.origin.answer("/feed", 200, &[], atom("Wires", &[("tag:w,1", "One", DATE)]));
    let mut command = desk.command(&["update", "--json"]);
    // Nobody listens there: with a proxy, nothing would come.
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9/");
    }
    let ran = crate::support::Ran::from(command.output().unwrap());
    assert_eq!(ran.json()["sources"][0]["ok"], true, "{ran:?}");
    assert_eq!(desk.origin.count("/feed"), 1);
}

/// Nobody sits before a command until a host that asked for a day of rest has had it.
#[test]
fn an_update_does_not_wait_for_a_host_that_asked_to_be_left_alone() {
    let desk = Desk::new();
    let host = format!("[hosts.\"{}\"]\nconnections = 1\n", desk.origin.address);
    configure(&desk, &(host + &source(&desk, "a", "/a") + &source(&desk, "b", "/b")));
    for path in ["/a", "/b"] {
        desk.origin.answer(path, 429, &[("Retry-After", "3600")], "");
    }
    let ran = desk.run(&["update"]);
    assert_eq!((ran.code, desk.origin.asked().len()), (Some(1), 1), "{ran:?}");
    ran.says(&["asks to be left alone until"]);
    let again = desk.run(&["update"]);
    assert_eq!((again.code, desk.origin.asked().len()), (Some(1), 1), "the next one knows it, too: {again:?}");
}

/// Without a daemon, too, a host is asked no more by those that have moved to it than it may be.
#[test]
fn what_has_moved_waits_for_the_host_that_it_asks() {
    let (desk, there) = (Desk::new(), Desk::new());
    let host = format!("[hosts.\"{}\"]\nconnections = 1\n", there.origin.address);
    configure(&desk, &(host + &source(&desk, "a", "/a") + &source(&desk, "b", "/b")));
    for path in ["/a", "/b"] {
        desk.origin.redirect(path, 301, there.origin.url(path));
        there.origin.answer(path, 200, &[], atom("Wires", &[(&format!("tag:w,{path}"), "One", DATE)]));
    }
    for _ in 0..3 {
        assert_eq!(desk.run(&["update"]).code, Some(0));
    }
    assert_eq!((desk.origin.asked().len(), there.origin.asked().len()), (6, 6));
    for path in ["/a", "/b"] {
        there.origin.answer(path, 429, &[("Retry-After", "3600")], "");
    }
    for _ in 0..2 {
        let ran = desk.run(&["update"]);
        ran.says(&["asks to be left alone until"]);
        assert_eq!((desk.origin.asked().len(), there.origin.asked().len()), (6, 7), "{ran:?}");
    }
}

#[test]
fn a_redirect_to_a_host_that_asked_to_be_left_alone_is_not_waited_for() {
    let (desk, there) = (Desk::new(), Desk::new());
    let at =
        |name: &str, url: url::Url| format!("[[source]]\nname = \"{name}\"\nurl = \"{url}\"\nsections = [\"news\"]\n");
    configure(&desk, &at("strict", there.origin.url("/strict")));
    there.origin.answer("/strict", 429, &[("Retry-After", "3600")], "");
    assert_eq!(desk.run(&["update"]).code, Some(1));
    configure(&desk, &(at("strict", there.origin.url("/strict")) + &source(&desk, "led", "/led")));
    desk.origin.redirect("/led", 302, there.origin.url("/led"));
    let ran = desk.run(&["update", "led"]);
    assert_eq!((ran.code, there.origin.asked().len()), (Some(1), 1), "{ran:?}");
    ran.says(&["led", "asks to be left alone until"]);
}

/// A 304 confirms what was said before (RFC 9111 §4.3.4), a 200 says it anew.
#[test]
fn the_same_bytes_keep_no_promise_that_they_do_not_repeat() {
    let desk = Desk::new();
    configure(&desk, &source(&desk, "wires", "/feed"));
    let feed = atom("Wires", &[("tag:w,1", "One", DATE)]);
    desk.origin.answer("/feed", 200, &[("Cache-Control", "max-age=86400")], &feed);
    let wait = |told: serde_json::Value| {
        told["next_poll"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap() - chrono::Utc::now()
    };
    assert!(wait(update(&desk, "wires")) > chrono::TimeDelta::hours(23));
    desk.origin.answer("/feed", 200, &[], &feed);
    let told = update(&desk, "wires");
    assert_eq!(told["outcome"], "200, the same bytes");
    assert!(wait(told.clone()) < chrono::TimeDelta::hours(3), "{told}");
}
