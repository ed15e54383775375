//! Web pages that lead to feeds: looked for once, remembered, shown.

use crate::origin::Origin;
use crate::support::{Desk, atom, row, rss};

const PAGE: &str = "<!doctype html><html><head><title>A site</title>
<link rel=alternate type='application/rss+xml' title='A site: Comments' href='/comments/feed'>
<link rel=alternate type='application/rss+xml' title='A site' href='feed.rss'>
<link rel=alternate type='application/atom+xml' title='A site' href='feed.atom'>
</head><body><a href='/blog/feed'>feed</a></body></html>";

fn desk(path: &str) -> Desk {
    let desk = Desk::new();
    let url = desk.origin.url(path);
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\n[[source]]\nname = \"site\"\nurl = \"{url}\"\nsections = [\"news\"]\n"
    ));
    desk
}

fn feed(title: &str) -> String {
    let date = if title == "Two" { "2026-02-01T00:00:00Z" } else { "2026-03-01T00:00:00Z" };
    atom("Feed", &[(&format!("tag:f,2026:{title}"), title, date)])
}

/// Everything that was asked for, in order.
fn asked(origin: &Origin) -> Vec<String> {
    origin.asked().into_iter().map(|asked| asked.path).collect()
}

#[test]
fn a_page_leads_to_its_feed_which_is_remembered() {
    let desk = desk("/blog/");
    desk.origin.answer("/blog/", 200, &[("Content-Type", "text/html")], PAGE);
    desk.origin.answer("/blog/feed.atom", 200, &[("ETag", "\"1\"")], feed("One"));
    let daemon = desk.serve();
    desk.until_titles("news", &["One"]);
    assert_eq!(asked(&desk.origin), ["/blog/", "/blog/feed.atom"], "one request for each step, the best first");
    let status = desk.status("site");
    let line = format!("write url = \"{}\" (found on the web page)", desk.origin.url("/blog/feed.atom"));
    assert_eq!(
        (&status["mark"], &status["advice"], &status["failures"]),
        (&"well".into(), &line.clone().into(), &0.into())
    );
    assert!(desk.run(&["status"]).out.contains(&line));
    assert!(desk.get("/news/atom.xml").text().contains("/blog/feed.atom"), "atom:source names the feed, not the page");
    daemon.kill();

    let _daemon = desk.serve();
    desk.origin.answer("/blog/feed.atom", 200, &[], feed("Two"));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    desk.until_titles("news", &["One", "Two"]);
    assert_eq!(desk.origin.count("/blog/"), 1, "the page is not asked again");
    let conditional = desk.origin.asked().into_iter().find(|asked| asked.field("if-none-match").is_some()).unwrap();
    assert_eq!(conditional.path, "/blog/feed.atom");

    // From now on a page in the feed's place is a failure.
    desk.origin.answer("/blog/feed.atom", 200, &[], PAGE);
    let failed = desk.run(&["update", "--json"]);
    assert_eq!(failed.code, Some(1));
    assert!(failed.json()["sources"][0]["outcome"].as_str().unwrap().contains("web page"), "{failed:?}");
    assert_eq!(desk.origin.count("/blog/") + desk.origin.count("/blog/feed.rss"), 1);
}

#[test]
fn the_usual_places_are_asked_where_a_page_names_none_that_is_there() {
    let desk = desk("/");
    desk.origin.answer(
        "/",
        200,
        &[],
        "<!doctype html><title>A site</title><link rel=alternate type='application/atom+xml' href=/gone><p>Hello",
    );
    desk.origin.answer("/feed", 200, &[], "<!doctype html><title>Everything is this page</title>");
    desk.origin.answer("/rss.xml", 200, &[], rss("Feed", &[("tag:f,2026:1", "One", "Mon, 02 Mar 2026 10:00:00 GMT")]));
    let ran = desk.run(&["update", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.json()["sources"][0]["outcome"], "1 new");
    assert_eq!(asked(&desk.origin), ["/", "/gone", "/feed", "/feed/", "/atom.xml", "/rss.xml"]);
    let advice = row(&desk.run(&["status", "--json"]).json(), "site")["advice"].to_string();
    assert!(advice.contains("/rss.xml"), "{advice}");
}

#[test]
fn a_page_without_a_feed_is_searched_once() {
    let desk = desk("/");
    desk.origin.answer("/", 200, &[], "<!doctype html><title>A site</title>");
    for round in 1..=2 {
        let ran = desk.run(&["update", "--json"]);
        assert_eq!(ran.code, Some(1));
        let outcome = ran.json()["sources"][0]["outcome"].as_str().unwrap().to_owned();
        assert!(outcome.starts_with("parse: this is a web page"), "{outcome}");
        assert_eq!(desk.origin.count("/"), round);
        assert_eq!(desk.origin.count("/index.xml"), 1, "{:?}", asked(&desk.origin));
    }
    let status = row(&desk.run(&["status", "--json"]).json(), "site");
    assert_eq!((&status["mark"], &status["failures"], &status["advice"]), (&"failing".into(), &2.into(), &().into()));
}

#[test]
fn what_used_to_be_a_feed_is_not_searched() {
    let desk = desk("/blog/");
    desk.origin.answer("/blog/", 200, &[], feed("One"));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    desk.origin.answer("/blog/", 200, &[], PAGE).answer("/blog/feed.atom", 200, &[], feed("Not ours"));
    let ran = desk.run(&["update", "--json"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.json()["sources"][0]["outcome"].as_str().unwrap().contains("\"A site\""), "{ran:?}");
    assert_eq!(asked(&desk.origin), ["/blog/", "/blog/"]);
}

#[test]
fn a_feed_elsewhere_is_told_no_secret() {
    let desk = Desk::new();
    let elsewhere = Desk::new();
    let page = format!(
        "<!doctype html><link rel=alternate type='application/atom+xml' href='{}'>",
        elsewhere.origin.url("/feed")
    );
    desk.origin.answer("/", 200, &[], page);
    elsewhere.origin.answer("/feed", 200, &[], feed("One"));
    desk.write("password", "hunter2\n");
    desk.configure(&format!(
        "[[source]]\nname = \"site\"\nurl = \"{}\"\nusername = \"me\"\npassword-file = \"password\"\nheaders = {{ X-Key = \"hunter2\" }}\n",
        desk.origin.url("/")
    ));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let page = desk.origin.asked().remove(0);
    assert_eq!((page.field("x-key"), page.field("authorization").is_some()), (Some("hunter2"), true));
    let feed = elsewhere.origin.asked().remove(0);
    assert_eq!((feed.field("x-key"), feed.field("authorization")), (None, None));
}

#[test]
fn try_shows_the_feed_of_a_page() {
    let desk = desk("/blog/");
    desk.origin.answer("/blog/", 200, &[], PAGE).answer("/blog/feed.atom", 200, &[], feed("One"));
    let page = desk.origin.url("/blog/");
    let ran = desk.run(&["try", page.as_str()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for words in ["its feed is", "/blog/feed.atom", "another feed is", "/blog/feed.rss", "One"] {
        assert!(ran.out.contains(words), "{words:?} is missing:\n{}", ran.out);
    }
    let json = desk.run(&["try", "--json", page.as_str()]).json();
    assert_eq!(json["found"], desk.origin.url("/blog/feed.atom").as_str());
    // A page that is another host's by now.
    let there = format!("http://localhost:{}/blog/", desk.origin.address.port());
    desk.origin.redirect("/left", 301, &there);
    let left = desk.origin.url("/left");
    let json = desk.run(&["try", "--json", left.as_str()]).json();
    assert_eq!(json["found"], format!("{there}feed.atom"));
    let none = desk.origin.url("/nothing");
    desk.origin.answer("/nothing", 200, &[], "<!doctype html><title>Nothing</title>");
    let ran = desk.run(&["try", none.as_str()]);
    assert_eq!(ran.code, Some(1));
    ran.says(&["web page without a feed", "as url"]);
}

#[test]
fn whoever_waits_is_shown_the_first_feed_that_is_there() {
    let desk = desk("/");
    let nobody = crate::support::free_port();
    desk.origin.answer(
        "/",
        200,
        &[],
        format!(
            "<!doctype html><link rel=alternate type='application/atom+xml' href='http://127.0.0.1:{nobody}/'>
            <link rel=alternate type='application/atom+xml' href=/busy><link rel=alternate type='application/atom+xml' href=/feed>"
        ),
    );
    desk.origin.answer("/busy", 503, &[], "").answer("/feed", 200, &[], feed("One"));
    let page = desk.origin.url("/");
    let json = desk.run(&["try", "--json", page.as_str()]).json();
    assert_eq!(json["found"], desk.origin.url("/feed").as_str());
    assert_eq!(asked(&desk.origin), ["/", "/busy", "/feed"]);
}
