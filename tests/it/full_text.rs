//! Full texts: the pages behind entries, read once, politely, and only where they say more than the feed.

use crate::support::{Desk, row, until};

const SENTENCE: &str = "Ministers of eleven countries signed the treaty on Tuesday, after nine years of talks, in the hall of the old mint. ";

fn page(mark: &str) -> String {
    let paragraphs = format!("<p>{mark} {}</p>", SENTENCE.repeat(3)).repeat(4);
    format!(
        "<!doctype html><html><head><title>{mark}</title></head><body><nav><a href=/>Home</a></nav>
        <div id=content><h1>{mark}</h1>{paragraphs}<p onclick=steal()><img src=picture.png> {SENTENCE}</p></div><div class=sidebar><p>Imprint</p></div></body></html>"
    )
}

/// An Atom feed of entries, each with its page on the origin.
fn feed(desk: &Desk, entries: &[(&str, &str)]) -> String {
    let entries = entries.iter().map(|(name, summary)| {
        format!(
            "<entry><id>tag:f,2026:{name}</id><title>{name}</title><link href=\"{}\"/><updated>2026-03-01T00:00:00Z</updated><summary>{summary}</summary></entry>",
            desk.origin.url(&format!("/{name}"))
        )
    });
    format!(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Feed</title><id>urn:f</id><updated>2026-03-01T00:00:00Z</updated>{}</feed>",
        entries.collect::<String>()
    )
}

fn desk(keys: &str) -> Desk {
    let desk = Desk::new();
    configure(&desk, keys);
    desk
}

fn configure(desk: &Desk, keys: &str) {
    let url = desk.origin.url("/feed");
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\n[[source]]\nname = \"wire\"\nurl = \"{url}\"\nsections = [\"news\"]\n{keys}\n"
    ));
}

/// Entries of the section, by title, as the JSON Feed of the mirror has them.
fn published(desk: &Desk, title: &str) -> serde_json::Value {
    let items = desk.get("/news/feed.json").json()["items"].as_array().cloned().unwrap_or_default();
    items.into_iter().find(|item| item["title"] == title).unwrap_or_default()
}

fn text(desk: &Desk, title: &str) -> String {
    published(desk, title)["content_html"].as_str().unwrap_or_default().to_owned()
}

fn pages(desk: &Desk) -> String {
    row(&desk.run(&["status", "--json"]).json(), "wire")["full_text"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn each_page_is_read_once_and_its_text_published() {
    let desk = desk("full-text = true");
    desk.origin.answer("/feed", 200, &[], feed(&desk, &[("one", "A teaser."), ("two", "Another teaser.")]));
    desk.origin.answer("/one", 200, &[("Content-Type", "text/html")], page("First")).answer(
        "/two",
        200,
        &[],
        page("Second"),
    );
    let _daemon = desk.serve();
    until("both texts are published", || {
        (text(&desk, "one").contains("eleven countries") && text(&desk, "two").contains("eleven countries"))
            .then_some(())
    });
    let one = published(&desk, "one");
    let content = one["content_html"].as_str().unwrap();
    assert!(content.contains(desk.origin.url("/picture.png").as_str()), "{content}");
    for foreign in ["Home", "Imprint", "onclick", "steal"] {
        assert!(!content.contains(foreign), "{foreign}: {content}");
    }
    assert_eq!(one["summary"], "A teaser.", "what the feed said is the teaser");
    assert_eq!((desk.origin.count("/one"), desk.origin.count("/two"), desk.origin.count("/robots.txt")), (1, 1, 1));
    assert_eq!(pages(&desk), "2 texts taken from pages, 0 waiting, 0 as the feed has them");
    let revision = desk.get("/news/atom.xml").revision();

    // Nothing new: nobody is asked but the feed, and nothing is published.
    desk.origin.answer(
        "/feed",
        200,
        &[],
        feed(&desk, &[("one", "A teaser."), ("two", "Another teaser.")]) + "<!-- again -->",
    );
    assert_eq!(desk.run(&["update", "--json"]).json()["sources"][0]["outcome"], "nothing new");
    assert_eq!((desk.origin.count("/feed"), desk.origin.count("/one"), desk.origin.count("/robots.txt")), (2, 1, 1));
    assert_eq!(desk.get("/news/atom.xml").revision(), revision);

    // A rewritten entry and a new one: their pages alone.
    let rewritten = format!("Now it reads quite differently: {SENTENCE}");
    desk.origin.answer("/one", 200, &[], page("Rewritten")).answer("/three", 200, &[], page("Third"));
    desk.origin.answer(
        "/feed",
        200,
        &[],
        feed(&desk, &[("one", &rewritten), ("two", "Another teaser."), ("three", "New.")]),
    );
    assert_eq!(desk.run(&["update"]).code, Some(0));
    assert!(
        text(&desk, "one").contains("Rewritten") && text(&desk, "three").contains("Third"),
        "an update waits for the pages"
    );
    assert_eq!(published(&desk, "one")["id"], one["id"]);
    assert_eq!((desk.origin.count("/one"), desk.origin.count("/two"), desk.origin.count("/three")), (2, 1, 1));
}

#[test]
fn an_update_without_a_daemon_brings_the_texts_too() {
    let desk = desk("full-text = true");
    desk.origin.answer("/feed", 200, &[], feed(&desk, &[("one", "A teaser.")])).answer("/one", 200, &[], page("First"));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    assert_eq!(pages(&desk), "1 texts taken from pages, 0 waiting, 0 as the feed has them");
    let daemon = desk.serve();
    assert!(text(&desk, "one").contains("eleven countries"));
    drop(daemon);
    // Configuration undoes it.
    configure(&desk, "");
    let _daemon = desk.serve();
    assert!(!desk.get("/news/feed.json").text().contains("eleven countries"));
    assert_eq!(desk.origin.count("/one"), 1);
}

#[test]
fn what_robots_txt_says_holds() {
    let desk = desk("full-text = true");
    let robots = "User-agent: *\nDisallow: /\n\nUser-agent: newsdesk\nDisallow: /private\nAllow: /private-not\n";
    desk.origin.answer("/robots.txt", 200, &[], robots);
    desk.origin.answer(
        "/feed",
        200,
        &[],
        feed(&desk, &[("private", "Teaser."), ("private-not", "Teaser."), ("open", "Teaser.")]),
    );
    for path in ["/private", "/private-not", "/open"] {
        desk.origin.answer(path, 200, &[], page("Text"));
    }
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let counts = ["/robots.txt", "/private", "/private-not", "/open"].map(|path| desk.origin.count(path));
    assert_eq!(counts, [1, 0, 1, 1]);
    assert_eq!(
        pages(&desk),
        "2 texts taken from pages, 0 waiting, 1 as the feed has them; last: its robots.txt asks to leave this page alone"
    );
    let asked = desk.origin.asked().into_iter().find(|asked| asked.path == "/open").unwrap();
    assert!(
        asked.field("user-agent").unwrap().starts_with("newsdesk/")
            && asked.field("accept").unwrap().starts_with("text/html")
    );
}

#[test]
fn a_page_that_leads_to_another_host_is_read_as_that_host_allows() {
    let (desk, elsewhere) = (desk("full-text = true"), Desk::new());
    desk.origin.answer("/feed", 200, &[], feed(&desk, &[("open", "Teaser."), ("closed", "Teaser.")]));
    desk.origin.redirect("/robots.txt", 301, elsewhere.origin.url("/rules"));
    elsewhere.origin.answer("/rules", 200, &[], "").answer("/robots.txt", 200, &[], "User-agent: *\nDisallow: /closed");
    for path in ["/open", "/closed"] {
        desk.origin.redirect(path, 302, elsewhere.origin.url(path));
        elsewhere.origin.answer(path, 200, &[], page("Text"));
    }
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let robots = "its robots.txt asks to leave this page alone";
    assert_eq!(pages(&desk), format!("1 texts taken from pages, 0 waiting, 1 as the feed has them; last: {robots}"));
    let here = ["/robots.txt", "/open", "/closed"].map(|path| desk.origin.count(path));
    let there = ["/rules", "/robots.txt", "/open", "/closed"].map(|path| elsewhere.origin.count(path));
    assert_eq!((here, there), ([1, 1, 1], [1, 1, 1, 0]));
}

#[test]
fn a_robots_txt_that_cannot_be_read_forbids_for_now() {
    let desk = desk("full-text = true");
    desk.origin.answer("/robots.txt", 500, &[], "");
    desk.origin.answer("/feed", 200, &[], feed(&desk, &[("one", "Teaser.")])).answer("/one", 200, &[], page("Text"));
    assert_eq!(desk.run(&["update"]).code, Some(0), "the source itself is well");
    assert_eq!(desk.origin.count("/one"), 0);
    assert!(pages(&desk).starts_with(
        "0 texts taken from pages, 1 waiting, 0 as the feed has them; last: its robots.txt cannot be read"
    ));
}

#[test]
fn failures_leave_the_feeds_own_text() {
    let desk = desk("full-text = true");
    let long = SENTENCE.repeat(20);
    let names = ["missing", "paywall", "pdf", "huge", "empty", "deep", "later"];
    let entries: Vec<(&str, &str)> = names.iter().map(|name| (*name, long.as_str())).collect();
    desk.origin.answer("/feed", 200, &[], feed(&desk, &entries));
    desk.origin.answer(
        "/paywall",
        200,
        &[],
        format!("<html><body><article><p>{SENTENCE}</p><p>Subscribe to read on.</p></article></body></html>"),
    );
    desk.origin.answer("/pdf", 200, &[("Content-Type", "application/pdf")], "%PDF-1.4 and so on");
    desk.origin.answer("/huge", 200, &[], "x".repeat(5 << 20)).answer("/empty", 200, &[], "");
    desk.origin.answer("/deep", 200, &[], "<div>".repeat(200_000)).answer("/later", 503, &[("Retry-After", "1")], "");
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let told = pages(&desk);
    assert!(told.starts_with("0 texts taken from pages, 1 waiting, 6 as the feed has them; last: "), "{told}");
    let _daemon = desk.serve();
    for name in names {
        assert!(desk.get("/news/feed.json").text().contains(&format!("\"{name}\"")), "{name}");
        let entry = published(&desk, name);
        let text = entry["content_html"].as_str().or(entry["summary"].as_str()).unwrap_or_default();
        assert!(text.contains("old mint") && text.len() > 1000, "{name}: {entry}");
    }
    for name in &names[..6] {
        assert_eq!(desk.origin.count(&format!("/{name}")), 1, "{name}");
    }
}

#[test]
fn a_first_fetch_asks_for_the_newest_pages_alone() {
    let desk = desk("full-text = true");
    let names: Vec<String> = (0..40).map(|n| format!("entry-{n}")).collect();
    let entries: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "Teaser.")).collect();
    for name in &names {
        desk.origin.answer(&format!("/{name}"), 200, &[], page(name));
    }
    desk.origin.answer("/feed", 200, &[], feed(&desk, &entries));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    assert_eq!(pages(&desk), "20 texts taken from pages, 0 waiting, 0 as the feed has them");
    assert_eq!(names.iter().map(|name| desk.origin.count(&format!("/{name}"))).sum::<usize>(), 20);
}

#[test]
fn credentials_open_the_pages_of_the_configured_origin_alone() {
    let (desk, elsewhere) = (Desk::new(), Desk::new());
    desk.write("token", "hunter2\n");
    configure(&desk, "full-text = true\ntoken-file = \"token\"");
    let foreign = feed(&elsewhere, &[("two", "Teaser.")]).split("<entry>").nth(1).unwrap().to_owned();
    let both = feed(&desk, &[("one", "Teaser.")]).replace("</feed>", &format!("<entry>{foreign}"));
    desk.origin.answer("/feed", 200, &[], both).answer("/one", 200, &[], page("First"));
    elsewhere.origin.answer("/two", 200, &[], page("Second"));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    assert!(pages(&desk).starts_with("2 texts"), "{}", pages(&desk));
    let token = |desk: &Desk, path: &str| {
        let asked = desk.origin.asked().into_iter().find(|asked| asked.path == path).unwrap();
        asked.field("authorization").map(str::to_owned)
    };
    assert_eq!((token(&desk, "/one").as_deref(), token(&elsewhere, "/two")), (Some("Bearer hunter2"), None));
    assert_eq!((token(&desk, "/robots.txt"), token(&elsewhere, "/robots.txt")), (None, None));
}

#[test]
fn an_html_page_in_a_folder_is_searched_for_its_text_where_asked() {
    let desk = Desk::new();
    desk.write("articles/story.html", page("A story"));
    let tables =
        "[[section]]\nname = \"news\"\n[[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n";
    desk.configure(tables);
    let daemon = desk.serve();
    desk.until_titles("news", &["A story"]);
    assert!(text(&desk, "A story").contains("Imprint"), "the whole body, as it stands");
    drop(daemon);
    desk.configure(&format!("{tables}full-text = true\n"));
    let _daemon = desk.serve();
    until("the text is found", || (!text(&desk, "A story").contains("Imprint")).then_some(()));
    assert!(text(&desk, "A story").contains("eleven countries"));
    assert_eq!(desk.titles("news").len(), 1);
}

/// A teaser is too short to be told from others; its page is not.
#[test]
fn a_teaser_finds_its_story_by_its_page() {
    let desk = Desk::new();
    let urls = [desk.origin.url("/agency"), desk.origin.url("/feed")];
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\nsettle = \"10m\"\n\
         [[source]]\nname = \"agency\"\nurl = \"{}\"\nsections = [\"news\"]\n\
         [[source]]\nname = \"wire\"\nurl = \"{}\"\nsections = [\"news\"]\nfull-text = true\n",
        urls[0], urls[1]
    ));
    let story = crate::stories::text(7);
    let page = |text: &str| {
        let paragraph = format!("<article><h1>one</h1><p>{text}</p></article>");
        desk.origin.answer("/one", 200, &[("Content-Type", "text/html")], format!("<!doctype html>{paragraph}"));
    };
    let wire = |summary: &str| {
        desk.origin.answer("/feed", 200, &[], feed(&desk, &[("one", summary)]));
    };
    let titles = || {
        let items = desk.get("/news/feed.json").json()["items"].as_array().cloned().unwrap_or_default();
        items.iter().map(|item| item["title"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    desk.origin.answer("/agency", 200, &[], feed(&desk, &[("agency", &story)]).replace("tag:f,2026:", "tag:a,2026:"));
    wire("A teaser.");
    page(&story);
    assert_eq!(desk.run(&["update", "agency"]).code, Some(0));
    assert_eq!(desk.run(&["update", "wire"]).code, Some(0));
    let daemon = desk.serve();
    assert_eq!(titles(), ["agency"]);
    let document = desk.get("/news/atom.xml").text();
    assert!(["/one", "/agency"].iter().all(|path| document.contains(desk.origin.url(path).as_str())), "{document}");

    // Another teaser for the same page changes nothing; another page makes it a story of its own.
    wire("Quite another teaser, at last.");
    assert_eq!(desk.run(&["update", "wire"]).code, Some(0));
    assert_eq!(titles(), ["agency"]);
    page(&crate::stories::text(8));
    wire(&format!("Now it reads quite differently: {SENTENCE}"));
    assert_eq!(desk.run(&["update", "wire"]).code, Some(0));
    until("it stands for itself", || (titles().len() == 2).then_some(()));
    drop(daemon);
}

#[test]
fn a_page_that_leads_elsewhere_on_its_host_is_read_as_that_host_allows() {
    let desk = desk("full-text = true");
    desk.origin.answer("/robots.txt", 200, &[], "User-agent: *\nDisallow: /members");
    desk.origin.answer("/feed", 200, &[], feed(&desk, &[("open", "Teaser."), ("closed", "Teaser.")]));
    desk.origin.redirect("/open", 302, "/pages/open").redirect("/closed", 302, "/members/closed");
    desk.origin.answer("/pages/open", 200, &[], page("Text")).answer("/members/closed", 200, &[], page("Text"));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    assert!(
        pages(&desk).starts_with("1 texts taken from pages, 0 waiting, 1 as the feed has them"),
        "{}",
        pages(&desk)
    );
    let paths = ["/open", "/closed", "/pages/open", "/members/closed", "/robots.txt"];
    assert_eq!(paths.map(|path| desk.origin.count(path)), [1, 1, 1, 0, 1]);
}

#[test]
fn what_is_rewritten_shows_no_text_of_before() {
    let desk = desk("full-text = true");
    desk.origin.answer("/feed", 200, &[], feed(&desk, &[("one", "A teaser.")])).answer("/one", 200, &[], page("First"));
    let _daemon = desk.serve();
    until("its text is there", || text(&desk, "one").contains("First").then_some(()));
    let rewritten = format!("Now it reads quite differently: {SENTENCE}");
    desk.origin.answer("/one", 404, &[], "").answer("/feed", 200, &[], feed(&desk, &[("one", &rewritten)]));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let now = published(&desk, "one").to_string();
    assert!(now.contains("quite differently") && !now.contains("First"), "{now}");
    assert!(
        pages(&desk).starts_with("0 texts taken from pages, 0 waiting, 1 as the feed has them"),
        "{}",
        pages(&desk)
    );
}
