//! The daemon as its readers and its publishers see it: what goes in, what comes out, how it asks and how it answers.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

use crate::origin::Behaviour;
use crate::support::{Answer, Desk, Revision, Seen, atom, files_below, json, read, rss, until};

const DATES_RFC822: [&str; 3] =
    ["Sun, 01 Mar 2026 10:00:00 GMT", "Mon, 02 Mar 2026 10:00:00 +0100", "Tue, 03 Mar 2026 05:00:00 EST"];

/// Three formats of the same section, read by feed-rs: they must tell the same.
fn in_all_formats(desk: &Desk, section: &str) -> Vec<Seen> {
    let [atom, rss, json] = ["atom.xml", "rss.xml", "feed.json"].map(|name| desk.feed(&format!("{section}/{name}")));
    let facts = |feed: &[Seen]| -> Vec<_> {
        feed.iter().map(|seen| (seen.id.clone(), seen.title.clone(), seen.published)).collect()
    };
    assert_eq!(facts(&atom), facts(&rss));
    assert_eq!(facts(&atom), facts(&json));
    atom
}

#[test]
fn good_sources_are_merged_and_bad_ones_named() {
    let desk = Desk::new();
    let items: Vec<(&str, &str, &str)> = [("tag:rss,2026:1", "R1"), ("tag:rss,2026:2", "R2"), ("tag:rss,2026:3", "R3")]
        .into_iter()
        .zip(DATES_RFC822)
        .map(|((id, title), date)| (id, title, date))
        .collect();
    let torn = rss("Torn", &[("tag:torn,2026:1", "T1", DATES_RFC822[0]), ("tag:torn,2026:2", "T2", DATES_RFC822[1])]);
    let torn = &torn[..torn.find("T2").unwrap()];
    desk.origin
        .answer("/of/rss", 200, &[("Content-Type", "application/rss+xml")], rss("Wires", &items))
        .answer("/of/atom", 200, &[], atom("Members", &[("tag:atom,2026:1", "A1", "2026-03-02T09:30:00.5+02:00")]))
        .answer("/of/json", 200, &[], json("Notes", &[("tag:json,2026:1", "J1", "2026-03-02T12:00:00Z")]))
        .answer("/of/torn", 200, &[], torn)
        .answer("/of/login", 200, &[("Content-Type", "text/html")], "<!doctype html><title>Log in</title><form></form>")
        .on(
            "/of/slow",
            Behaviour::Drip(b"HTTP/1.1 200 OK\r\n\r\n<rss>".to_vec(), vec![b' '; 600], Duration::from_millis(100)),
        )
        .answer("/of/gone", 410, &[], "")
        .raw("/of/cut", "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n<rss version=\"2.0\"><channel>");
    // None of the places where a feed is looked for when a page names none.
    let names = ["rss", "atom", "json", "torn", "login", "slow", "gone", "cut"];
    let sources: String = names
        .iter()
        .map(|name| {
            format!(
                "[[source]]\nname = \"{name}\"\nurl = \"{}\"\nsections = [\"news\"]\n",
                desk.origin.url(&format!("/of/{name}"))
            )
        })
        .collect();
    desk.configure(&format!("total-timeout = \"2s\"\n[[section]]\nname = \"news\"\n{sources}"));
    let mut daemon = desk.serve();

    desk.until_titles("news", &["R3", "J1", "R2", "A1", "R1", "T1"]);
    let seen = in_all_formats(&desk, "/news");
    assert_eq!(in_all_formats(&desk, ""), seen, "the site shows the same");
    assert_eq!(seen[0].id, "tag:rss,2026:3", "a native id that is an IRI is the published one");
    assert_eq!(seen[0].published.unwrap().to_rfc3339(), "2026-03-03T10:00:00+00:00");
    assert_eq!(seen[0].link.as_deref(), Some("https://rss.example/Wires/3"));

    for (source, mark, stage, words) in [
        ("login", "failing", "parse", "a web page without a feed"),
        ("slow", "failing", "fetch", "took longer"),
        ("gone", "gone", "fetch", "410"),
        ("cut", "failing", "fetch", "ended before"),
    ] {
        let row = desk.until_status(source, "has failed", |row| !row["stage"].is_null());
        assert_eq!((row["mark"].as_str(), row["stage"].as_str()), (Some(mark), Some(stage)), "{row}");
        assert!(row["outcome"].as_str().unwrap().contains(words), "{row}");
        assert!(row["next_poll"].is_string() && row["why"] != "", "{row}");
    }
    assert_ne!(desk.status("torn")["repairs"].as_array().unwrap().len(), 0);
    assert_eq!(desk.status("rss")["mark"], "well");
    assert!(daemon.is_running());
    assert_eq!(desk.get("/status").status, 200);
    assert_eq!(desk.feed("/news/atom.xml").len(), 6);
}

const DOCUMENTS: [&str; 9] = [
    "/",
    "/atom.xml",
    "/rss.xml",
    "/feed.json",
    "/news/",
    "/news/atom.xml",
    "/news/rss.xml",
    "/news/feed.json",
    "/sections.opml",
];

fn revisions(desk: &Desk) -> Vec<(String, Revision)> {
    desk.documents(&DOCUMENTS).into_iter().map(|(path, answer)| (path, answer.revision())).collect()
}

#[test]
fn a_second_poll_is_conditional_and_publishes_nothing() {
    let desk = Desk::new();
    // Neither is what it should be; both go back as they came.
    let (etag, modified) = ("W/\"a, b\"-\"c\"", "Tue, 3 Mar 2026 7:00:00 UTC");
    let feed = atom("Members", &[("tag:a,2026:1", "One", "2026-03-01T00:00:00Z")]);
    desk.origin.answer("/feed", 200, &[("ETag", etag), ("Last-Modified", modified)], &feed);
    let source = |name: &str| {
        format!(
            "[[source]]\nname = \"{name}\"\nurl = \"{}\"\nsections = [\"news\"]\n",
            desk.origin.url(&format!("/{name}"))
        )
    };
    desk.configure(&format!("[[section]]\nname = \"news\"\n{}", source("feed")));
    let daemon = desk.serve();
    desk.until_titles("news", &["One"]);
    let before = revisions(&desk);

    desk.origin.answer("/feed", 304, &[], "");
    let ran = desk.run(&["update", "--json", "feed"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.json()["sources"][0]["outcome"], "304 not modified");
    assert_eq!(ran.json()["published"].as_array().unwrap().len(), 0);
    let asked = desk.origin.asked();
    assert_eq!((asked[0].field("if-none-match"), asked[0].field("if-modified-since")), (None, None));
    assert_eq!((asked[1].field("if-none-match"), asked[1].field("if-modified-since")), (Some(etag), Some(modified)));
    assert!(asked[1].field("user-agent").unwrap().starts_with("newsdesk/"));
    assert_eq!(revisions(&desk), before);

    // The same bytes again, without a 304: nothing is new either.
    desk.origin.answer("/feed", 200, &[("ETag", "\"other\"")], &feed);
    assert_eq!(desk.run(&["update", "--json"]).json()["published"].as_array().unwrap().len(), 0);
    assert_eq!(revisions(&desk), before);

    assert_eq!(daemon.stop().code(), Some(0));
    let next_poll = crate::support::row(&desk.run(&["status", "--json"]).json(), "feed")["next_poll"].clone();
    desk.origin.answer("/fresh", 200, &[], json("Fresh", &[]));
    desk.configure(&format!("[[section]]\nname = \"news\"\n{}{}", source("feed"), source("fresh")));
    let _daemon = desk.serve();
    // Once a source that is new has been asked, one that was due had been asked too.
    until("the new source is asked", || (desk.origin.count("/fresh") > 0).then_some(()));
    assert_eq!(desk.origin.count("/feed"), 3, "a restart asks nobody early");
    assert_eq!(desk.status("feed")["next_poll"], next_poll);
    let now = revisions(&desk);
    assert!(before.iter().zip(&now).all(|(before, now)| before == now), "a restart publishes nothing new");
}

/// A desk with one article whose feeds are long enough to be compressed.
fn with_articles(url: &str, publish: &str) -> Desk {
    let desk = Desk::new();
    let text =
        "A paragraph that is long enough to be one, about what was said and done that day in the city. ".repeat(20);
    desk.write("articles/news/one.md", format!("---\ntitle: One\ndate: 2026-03-01\n---\n{text}\n"));
    desk.write("articles/news/two.md", format!("---\ntitle: Two & <three>\ndate: 2026-03-02\n---\n{text}\n"));
    desk.configure(&format!(
        "[site]\ntitle = \"The desk\"\n{url}\n[[section]]\nname = \"news\"\n[[source]]\nname = \"articles\"\nfolder = \"articles\"\n"
    ));
    let config = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", config.replace("[publish]\n", &format!("[publish]\n{publish}\n")));
    desk
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}

fn unbrotli(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn answers_are_http_as_readers_and_caches_expect_it() {
    let desk = with_articles("url = \"https://news.example/desk\"", "");
    let _daemon = desk.serve();
    desk.until_titles("desk/news", &["Two & <three>", "One"]);
    for (path, media) in [
        ("/desk/news/atom.xml", "application/atom+xml; charset=utf-8"),
        ("/desk/news/rss.xml", "application/rss+xml; charset=utf-8"),
        ("/desk/feed.json", "application/feed+json"),
        ("/desk/news/", "text/html; charset=utf-8"),
        ("/desk/sections.opml", "text/x-opml; charset=utf-8"),
    ] {
        let whole = desk.get(path);
        assert_eq!((whole.status, whole.field("content-type")), (200, media), "{path}");
        assert_eq!(whole.field("content-length"), whole.body.len().to_string());
        assert_eq!(whole.field("cache-control"), "public, max-age=60");
        assert_eq!(whole.field("vary"), "Accept-Encoding");
        let is_feed = media.contains("feed") || media.contains("+xml");
        assert_eq!(
            whole.field("link").contains(&format!("<https://news.example{path}>; rel=\"self\"")),
            is_feed,
            "{path}"
        );
        assert_eq!(whole.field("access-control-allow-origin") == "*", is_feed || media.contains("opml"), "{path}");
        unchanged_for_those_who_have_it(&desk, path, &whole);
        in_codings(&desk, path, &whole);
    }
    let unconditional = desk.ask("GET", "/desk/news/atom.xml", &[("If-None-Match", "\"other\"")]);
    assert_eq!(unconditional.status, 200);
    assert_eq!(desk.ask("POST", "/desk/news/atom.xml", &[("Content-Length", "0")]).status, 405);
    assert_eq!(desk.ask("DELETE", "/desk/", &[]).field("allow"), "GET, HEAD, OPTIONS");
    assert_eq!(desk.ask("OPTIONS", "/desk/", &[]).status, 204);
}

fn unchanged_for_those_who_have_it(desk: &Desk, path: &str, whole: &Answer) {
    let (etag, modified) = (whole.field("etag"), whole.field("last-modified"));
    assert!(etag.starts_with('"') && modified.ends_with("GMT"), "{path}: {etag} {modified}");
    for fields in [
        vec![("If-None-Match", etag)],
        vec![("If-None-Match", "\"other\", *")],
        vec![("If-Modified-Since", modified)],
        vec![("If-None-Match", etag), ("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT")],
    ] {
        for method in ["GET", "HEAD"] {
            let answer = desk.ask(method, path, &fields);
            assert_eq!(
                (answer.status, answer.body.len(), answer.field("etag")),
                (304, 0, etag),
                "{method} {path} {fields:?}"
            );
        }
    }
    let head = desk.ask("HEAD", path, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    for name in ["content-type", "content-length", "etag", "last-modified", "link"] {
        assert_eq!(head.field(name), whole.field(name), "{path}");
    }
}

fn in_codings(desk: &Desk, path: &str, whole: &Answer) {
    for (coding, decode) in [("gzip", gunzip as fn(&[u8]) -> Vec<u8>), ("br", unbrotli)] {
        let coded = desk.ask("GET", path, &[("Accept-Encoding", coding)]);
        if coded.field("content-encoding").is_empty() {
            assert!(whole.body.len() < 1024, "{path} is worth compressing");
            continue;
        }
        assert_eq!(coded.field("content-encoding"), coding);
        assert_eq!(decode(&coded.body), whole.body, "{path}");
        assert_ne!(coded.field("etag"), whole.field("etag"), "one validator for each coding");
        let again = desk.ask("GET", path, &[("Accept-Encoding", coding), ("If-None-Match", coded.field("etag"))]);
        assert_eq!(again.status, 304);
    }
}

#[test]
fn pages_lead_to_feeds_and_live_below_the_path_of_the_site() {
    let desk = with_articles("url = \"https://news.example/desk\"", "");
    let _daemon = desk.serve();
    desk.until_titles("desk/news", &["Two & <three>", "One"]);
    let page = desk.get("/desk/news/").text();
    for name in ["atom.xml", "rss.xml", "feed.json"] {
        let link = page.split('<').find(|tag| tag.starts_with("link") && tag.contains(&format!("news/{name}")));
        let link = link.unwrap_or_else(|| panic!("no autodiscovery of {name} in {page}"));
        assert!(link.contains("alternate") && link.contains("type="), "{link}");
    }
    assert!(desk.get("/desk/").text().contains("application/atom+xml"));
    assert!(page.contains("Two &#38; &#60;three&#62;"), "{page}");

    let entry = desk.feed("/desk/news/atom.xml").remove(1);
    assert_eq!(entry.link.as_deref(), Some("https://news.example/desk/articles/one"));
    let article = desk.get("/desk/articles/one");
    assert_eq!((article.status, article.text().contains("application/atom+xml")), (200, true));
    let id = url::form_urlencoded::byte_serialize(entry.id.as_bytes()).collect::<String>();
    assert_eq!(desk.get(&format!("/desk/entries/{id}")).status, 200);

    assert_eq!(desk.get("/").field("location"), "/desk/");
    assert_eq!(desk.get("/desk/news").field("location"), "/desk/news/");
    for nowhere in
        ["/news/atom.xml", "/desk/nothing", "/desk/articles/..%2F..%2Fnewsdesk.toml", "/desk/articles/one/one.md"]
    {
        let answer = desk.get(nowhere);
        assert_eq!((answer.status, answer.field("content-type")), (404, "text/html; charset=utf-8"), "{nowhere}");
        assert!(answer.text().contains("/desk/"), "the page leads home");
    }
}

#[test]
fn a_changed_configuration_keeps_what_was_published() {
    let desk = Desk::new();
    desk.origin.answer(
        "/feed",
        200,
        &[],
        atom("Members", &[("no-iri-1", "One", "2026-03-01T00:00:00Z"), ("no-iri-2", "Two", "2026-03-02T00:00:00Z")]),
    );
    let source = |name: &str| format!("[[source]]\nname = \"{name}\"\nurl = \"{}\"\n", desk.origin.url("/feed"));
    let section = |name: &str, source: &str| format!("[[section]]\nname = \"{name}\"\nsources = [{source}]\n");
    let restart = |daemon: crate::support::Daemon, tables: String| {
        assert_eq!(daemon.stop().code(), Some(0));
        desk.configure(&tables);
        desk.serve()
    };
    desk.configure(&format!("{}{}", section("news", "\"first\""), source("first")));
    let daemon = desk.serve();
    desk.until_titles("news", &["Two", "One"]);
    let before = desk.feed("/news/atom.xml");

    let daemon = restart(
        daemon,
        format!("{}{}{}", section("news", "\"renamed\""), section("more", "\"renamed\""), source("renamed")),
    );
    assert_eq!(desk.feed("/news/atom.xml"), before, "a source under a new name is the same one");
    assert_eq!(desk.feed("/more/atom.xml"), before, "a new section shows what is there");
    assert_eq!(desk.origin.count("/feed"), 1, "and is no reason to ask");

    let daemon = restart(
        daemon,
        format!("[site]\nurl = \"https://news.example/\"\n{}{}", section("more", "\"renamed\""), source("renamed")),
    );
    assert_eq!(desk.get("/news/atom.xml").status, 404, "a section that is no more");
    assert_eq!(desk.get("/news/").status, 404);
    let ids = |feed: Vec<Seen>| feed.into_iter().map(|seen| seen.id).collect::<Vec<_>>();
    assert_eq!(ids(desk.feed("/more/atom.xml")), ids(before.clone()), "no id hangs on the address of the site");

    let daemon = restart(daemon, section("more", ""));
    assert_eq!(desk.titles("more").len(), 0, "what came from a source that is no more has left");
    let _daemon = restart(daemon, format!("{}{}", section("more", "\"again\""), source("again")));
    desk.until_titles("more", &["Two", "One"]);
    assert_eq!(ids(desk.feed("/more/atom.xml")), ids(before), "it is back as it was");
}

#[test]
fn a_source_is_published_on_its_own_under_any_name() {
    let desk = Desk::new();
    desk.origin.answer("/feed", 200, &[], atom("Wires", &[("tag:w,2026:1", "One", "2026-03-01T00:00:00Z")]));
    let url = desk.origin.url("/feed");
    desk.configure(&format!("[[source]]\nname = \"Wires & Söhne\"\nurl = \"{url}\"\npublish = true\n"));
    let _daemon = desk.serve();
    for path in ["/sources/Wires%20%26%20S%C3%B6hne", "/sources/Wires%20&%20S%c3%b6hne"] {
        until(&format!("{path} is there"), || (desk.get(&format!("{path}/atom.xml")).status == 200).then_some(()));
        assert_eq!(in_all_formats(&desk, path)[0].title, "One");
        assert_eq!(desk.get(&format!("{path}/")).status, 200);
    }
}

/// As docs/scale-out.md says of desks that read each other.
#[test]
fn a_desk_that_reads_another_keeps_ids_dates_and_origins() {
    let inner = Desk::new();
    inner.origin.answer(
        "/feed",
        200,
        &[],
        rss("Far away", &[("tag:f,2026:1", "One", "Sun, 01 Mar 2026 10:00:00 GMT")]),
    );
    let tables = |url: &str| {
        format!("[[section]]\nname = \"news\"\n[[source]]\nname = \"a\"\nurl = \"{url}\"\nsections = [\"news\"]\n")
    };
    inner.configure(&tables(inner.origin.url("/feed").as_str()));
    let _inner = inner.serve();
    inner.until_titles("news", &["One"]);
    for (number, name) in ["atom.xml", "rss.xml", "feed.json"].iter().enumerate() {
        let outer = Desk::new();
        outer.configure(&tables(&format!("http://127.0.0.1:{}/news/{name}", inner.port)));
        let _outer = outer.serve();
        outer.until_titles("news", &["One"]);
        assert_eq!(outer.feed("/news/atom.xml"), inner.feed("/news/atom.xml"), "{name}");
        let text = outer.get("/news/atom.xml").text();
        assert!(number == 2 || text.contains("<title>Far away</title>"), "{name}: {text}");
    }
}

#[test]
fn an_opml_list_is_a_source_of_each_of_its_feeds() {
    let desk = Desk::new();
    for name in ["a", "b"] {
        let id = format!("tag:{name},2026:1");
        desk.origin.answer(&format!("/{name}"), 200, &[], atom(name, &[(&id, name, "2026-03-01T00:00:00Z")]));
    }
    let outline = |name: &str| {
        format!("<outline text=\"Feed {name}\" type=\"rss\" xmlUrl=\"{}\"/>", desk.origin.url(&format!("/{name}")))
    };
    let list = format!(
        "<opml version=\"2.0\"><body><outline text=\"World\">{}</outline>{}</body></opml>",
        outline("a"),
        outline("b")
    );
    desk.write("list.opml", list);
    desk.configure(
        "[[section]]\nname = \"world\"\n[[section]]\nname = \"all\"\nsources = [\"members\"]\n[[source]]\nname = \"members\"\nopml = \"list.opml\"\n",
    );
    let _daemon = desk.serve();
    desk.until_titles("all", &["a", "b"]);
    desk.until_titles("world", &["a"]);
    assert_eq!(desk.status("Feed b")["mark"], "well");
    let sources = desk.get("/sources.opml").text();
    assert!(sources.contains(desk.origin.url("/b").as_str()), "{sources}");
    assert!(desk.get("/sections.opml").text().contains("/world/atom.xml"));
}

/// Links of the mirror's pages to our own site, as paths, that no file stands for.
fn dead_links(desk: &Desk) -> BTreeSet<String> {
    let root = desk.path("public");
    let stands = |path: &str| {
        let path = path.trim_matches('/').replace("%3A", ":");
        root.join(&path).is_file() || root.join(&path).join("index.html").is_file()
    };
    let pages = files_below(&root).into_iter().filter(|path| path.ends_with("index.html"));
    let pages = pages.map(|page| std::fs::read_to_string(root.join(page)).unwrap_or_default());
    let ours = |page: String| -> Vec<String> {
        let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let paths = links.filter_map(|link| Some(link.split_once(&format!(":{}/", desk.port))?.1.to_owned()));
        paths.map(|path| path.split(['#', '?']).next().unwrap_or_default().to_owned()).collect()
    };
    pages.flat_map(ours).filter(|path| !stands(path)).collect()
}

#[test]
fn no_link_of_the_static_mirror_is_dead() {
    let desk = with_articles("", "folder = \"public\"");
    for day in 1..=9 {
        // More than the newest hundred, so that the past begins.
        let stories = if day == 2 { 3 } else { 30 };
        for number in 0..stories {
            let text =
                format!("---\ntitle: Old {day} {number}\ndate: 2025-03-0{day}\n---\nStory {number} of day {day}.\n");
            desk.write(&format!("articles/news/old-{day}-{number}.md"), text);
        }
    }
    let daemon = desk.serve();
    let page = |path: &str| std::fs::read_to_string(desk.path("public").join(path)).unwrap_or_default();
    until("the mirror has pages of the past", || {
        (page("news/2025-03-01/index.html").contains("Old 1 29") && page("2025-03-01/index.html").contains("Old 1 0"))
            .then_some(())
    });
    until("no link is dead", || dead_links(&desk).is_empty().then_some(()));
    assert!(page("status/index.html").contains("articles"));
    let entries = || std::fs::read_dir(desk.path("public/entries")).map_or(0, Iterator::count);
    until("every entry has its page", || (entries() == 245).then_some(()));

    // A day that is over in the middle: its neighbours point past it, and the entry's own page goes.
    assert!(page("news/2025-03-03/index.html").contains("news/2025-03-02/"));
    for number in 0..3 {
        std::fs::remove_file(desk.path(&format!("articles/news/old-2-{number}.md"))).unwrap();
    }
    until("a day that nothing stands on leaves", || {
        (!desk.path("public/news/2025-03-02").exists()
            && !page("news/2025-03-03/index.html").contains("news/2025-03-02/")
            && entries() == 242)
            .then_some(())
    });
    // Several days that come at once: those that stood on both sides point at them.
    for day in ["2025-03-02", "2025-02-27", "2025-02-26"] {
        desk.write(&format!("articles/news/come-{day}.md"), format!("---\ntitle: Come\ndate: {day}\n---\nOf {day}.\n"));
    }
    until("days that came are pointed at from both sides", || {
        let older =
            |day: &str, other: &str| page(&format!("news/{day}/index.html")).contains(&format!("news/{other}/"));
        (older("2025-03-03", "2025-03-02")
            && older("2025-03-01", "2025-03-02")
            && older("2025-03-01", "2025-02-27")
            && older("2025-02-27", "2025-02-26"))
        .then_some(())
    });
    until("no link is dead after a withdrawal", || dead_links(&desk).is_empty().then_some(()));

    // A title of the site that changes while nobody runs stands on every page.
    daemon.stop();
    let config = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", config.replace("The desk", "Renamed"));
    let _daemon = desk.serve();
    until("every page is made anew", || {
        let pages = files_below(&desk.path("public")).into_iter().filter(|path| path.ends_with("index.html"));
        pages
            .map(|page| std::fs::read_to_string(desk.path("public").join(page)).unwrap_or_default())
            .all(|page| page.contains("Renamed"))
            .then_some(())
    });
}

#[test]
fn the_static_mirror_holds_what_is_served() {
    let desk = with_articles("", "folder = \"public\"");
    desk.write("articles/news/pic.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>");
    desk.write(
        "articles/news/shown.md",
        "---\ntitle: Shown\ndate: 2026-03-03\n---\n![a picture](pic.svg) and words.\n",
    );
    let _daemon = desk.serve();
    desk.until_titles("news", &["Shown", "Two & <three>", "One"]);
    let mirrored = |file: &str| std::fs::read(desk.path("public").join(file)).ok();
    for (path, file) in [
        ("/news/atom.xml", "news/atom.xml"),
        ("/news/rss.xml", "news/rss.xml"),
        ("/feed.json", "feed.json"),
        ("/", "index.html"),
        ("/news/", "news/index.html"),
        ("/style.css", "style.css"),
        ("/sections.opml", "sections.opml"),
        ("/articles/one", "articles/one/index.html"),
        ("/articles/shown/news/pic.svg", "articles/shown/news/pic.svg"),
    ] {
        until(&format!("{file} is what is served at {path}"), || {
            let served = desk.get(path);
            (served.status == 200 && mirrored(file).as_ref() == Some(&served.body)).then_some(())
        });
    }
    for file in ["news/atom.xml", "news/rss.xml", "feed.json", "index.html"] {
        let plain = mirrored(file).unwrap();
        assert_eq!(gunzip(&mirrored(&format!("{file}.gz")).unwrap()), plain, "{file}");
        assert_eq!(unbrotli(&mirrored(&format!("{file}.br")).unwrap()), plain, "{file}");
    }
    until("nothing half written is left", || {
        let left = files_below(&desk.path("public"));
        (!left.iter().any(|path| path.to_string_lossy().contains("newsdesk-new"))).then_some(())
    });
    assert_eq!(read("mirror", &mirrored("news/atom.xml").unwrap()).len(), 3);

    // What is withdrawn leaves the mirror, too.
    std::fs::remove_file(desk.path("articles/news/one.md")).unwrap();
    until("the page of a deleted article leaves the mirror", || {
        (!desk.path("public/articles/one").exists()).then_some(())
    });
    assert_eq!(desk.get("/articles/one").status, 410);
    // A picture that the article shows no more leaves with the next version of it.
    desk.write("articles/news/shown.md", "---\ntitle: Shown\ndate: 2026-03-03\n---\nOnly words.\n");
    until("the picture leaves", || (!desk.path("public/articles/shown/news").exists()).then_some(()));
    let page = || String::from_utf8(mirrored("articles/shown/index.html").unwrap_or_default()).unwrap();
    until("the page stays", || page().contains("Only words").then_some(()));
    assert!(mirrored("articles/two/index.html").is_some());
}

#[test]
fn a_private_source_appears_by_name_only() {
    let desk = Desk::new();
    let feed = |path: &str| {
        format!(
            "<feed xmlns='http://www.w3.org/2005/Atom'><id>http://moleskin.example/id</id><title>Moleskin paper</title>\
             <subtitle>Moleskin words</subtitle><icon>http://moleskin.example/icon.png</icon><rights>Moleskin rights</rights>\
             <author><name>Moleskin editor</name></author><link href='http://moleskin.example/home'/>\
             <link rel='self' href='http://moleskin.example/feed'/><updated>2026-03-01T00:00:00Z</updated>\
             <entry><id>urn:x:{path}</id><title>Told {path}</title><link href='http://told.example/{path}'/>\
             <author><name>A reporter</name></author><updated>2026-03-01T00:00:00Z</updated>\
             <content>What {path} says, in words of its own.</content></entry></feed>"
        )
    };
    desk.origin.answer("/quiet", 200, &[("content-type", "application/atom+xml")], feed("quiet"));
    let configure = |private: bool| {
        desk.configure(&format!(
            "[[section]]\nname = \"news\"\n[[source]]\nname = \"Quiet one\"\nurl = \"{}\"\nsections = [\"news\"]\npublish = true\nprivate = {private}\n",
            desk.origin.url("/quiet")
        ));
        let text = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
        desk.write("newsdesk.toml", text.replace("[publish]\n", "[publish]\nfolder = \"public\"\n"));
    };
    configure(false);
    let daemon = desk.serve();
    desk.until_titles("news", &["Told quiet"]);
    assert!(desk.get("/news/atom.xml").text().contains("Moleskin paper"));
    let seen = desk.feed("/news/atom.xml");

    configure(true);
    assert_eq!(desk.run(&["reload"]).code, Some(0));
    let told = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        text.contains("moleskin") || text.contains(desk.origin.url("/quiet").as_str())
    };
    let paths = [
        "/atom.xml",
        "/rss.xml",
        "/feed.json",
        "/",
        "/news/",
        "/news/atom.xml",
        "/news/rss.xml",
        "/news/feed.json",
        "/status",
        "/status.atom",
        "/sources.opml",
        "/sections.opml",
        "/2026-03-01/",
        "/sources/Quiet%20one/atom.xml",
        "/sources/Quiet%20one/rss.xml",
        "/sources/Quiet%20one/feed.json",
        "/sources/Quiet%20one/",
    ];
    let entry = format!("/entries/{}", seen[0].id.replace(':', "%3A"));
    for path in paths.iter().copied().chain([entry.as_str()]) {
        until(&format!("{path} names the source and nothing else of it"), || {
            let answer = desk.get(path);
            (answer.status == 200 && !told(&answer.body)).then_some(())
        });
    }
    assert!(desk.get("/news/atom.xml").text().contains("<title>Quiet one</title>"));
    assert_eq!(desk.feed("/news/atom.xml")[0].id, seen[0].id);
    let told_files = || -> Vec<std::path::PathBuf> {
        let files = files_below(&desk.path("public")).into_iter();
        let plain =
            files.filter(|file| !["gz", "br"].map(Some).contains(&file.extension().and_then(|end| end.to_str())));
        plain.filter(|file| told(&std::fs::read(desk.path("public").join(file)).unwrap_or_default())).collect()
    };
    until("the mirror, too, names it and nothing else of it", || told_files().is_empty().then_some(()));
    daemon.stop();
}

/// What a full disk kept out of the mirror is written with the next publication, not only what that one changes.
#[test]
fn a_mirror_that_could_not_be_written_catches_up() {
    let desk = with_articles("", "folder = \"public\"");
    let _daemon = desk.serve();
    let mirrored = |words: &str| {
        let feed = std::fs::read_to_string(desk.path("public/news/atom.xml")).unwrap_or_default();
        feed.contains(words).then_some(())
    };
    until("the mirror is there", || mirrored("<entry>"));
    let front = std::fs::read(desk.path("public/index.html")).unwrap();
    until("something is in its way", || {
        // Its pages may still be on their way.
        let _ = std::fs::remove_dir_all(desk.path("public"));
        std::fs::write(desk.path("public"), "in the way").ok()
    });
    // The second is published when the first has failed to be mirrored.
    for title in ["Lost at first", "Lost, too"] {
        let text = format!("---\ntitle: {title}\ndate: 2026-03-20T08:00:00Z\n---\nWords of it.\n");
        desk.write(&format!("articles/news/{}.md", title.len()), text);
        until("it is published", || desk.titles("news").iter().any(|shown| shown == title).then_some(()));
    }
    std::fs::remove_file(desk.path("public")).unwrap();
    desk.write("articles/news/next.md", "---\ntitle: The next\ndate: 2026-03-21T08:00:00Z\n---\nWords of it.\n");
    until("the mirror has caught up", || mirrored("The next"));
    until("whole", || desk.path("public/style.css").exists().then_some(()));
    let articles = || std::fs::read_dir(desk.path("public/articles")).map_or(0, Iterator::count);
    until("with the pages that it missed", || (articles() >= 3).then_some(()));
    assert_ne!(std::fs::read(desk.path("public/index.html")).unwrap(), front);
}

/// An id of any length is an entry; where no file can have its name, the others' pages are written all the same.
#[test]
fn an_id_too_long_for_a_file_keeps_no_other_page_from_the_mirror() {
    let desk = with_articles("", "folder = \"public\"");
    let long = format!("https://wire.example/{}", "ж".repeat(60));
    let feed =
        atom("Wire", &[(&long, "Long", "2026-03-05T08:00:00Z"), ("tag:w,2026:1", "Short", "2026-03-04T08:00:00Z")]);
    desk.origin.answer("/feed", 200, &[], feed);
    let text = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    let source =
        format!("[[source]]\nname = \"wire\"\nurl = \"{}\"\nsections = [\"news\"]\n", desk.origin.url("/feed"));
    desk.write("newsdesk.toml", text + &source);
    let _daemon = desk.serve();
    let entries = || std::fs::read_dir(desk.path("public/entries")).map_or(0, Iterator::count);
    until("the others have their pages", || (entries() == 3).then_some(()));
    until("and the days", || desk.path("public/news/2026-03-05/index.html").exists().then_some(()));
    assert!(desk.log().contains("File name too long"), "{}", desk.log());
}

/// A recording is longer than any document that is read: it is sent as it is read, as a whole or the part that a player
/// asks for, and lies in the mirror.
#[test]
fn a_recording_beside_an_article_is_served_whole_and_in_parts() {
    let desk = Desk::new();
    let sound: Vec<u8> = (0..900_000_u32).map(|n| (n % 251) as u8).collect();
    desk.write("articles/talk.mp3", &sound);
    desk.write("articles/talk.md", "---\ntitle: Talk\ndate: 2026-03-03\n---\n[Listen](talk.mp3) to it.\n");
    desk.configure(
        "[[section]]\nname = \"news\"\n[[source]]\nname = \"own\"\nfolder = \"articles\"\nsections = [\"news\"]\n",
    );
    let config = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    let config = config.replace("[fetch]\n", "[fetch]\nmax-body = \"2 KiB\"\n");
    assert!(config.contains("max-body"), "{config}");
    desk.write("newsdesk.toml", config.replace("[publish]\n", "[publish]\nfolder = \"public\"\n"));
    let daemon = desk.serve();
    desk.until_titles("news", &["Talk"]);
    let path = "/articles/talk/talk.mp3";
    let whole = desk.get(path);
    assert_eq!((whole.status, whole.field("content-type"), whole.field("accept-ranges")), (200, "audio/mpeg", "bytes"));
    assert!(whole.body == sound, "{} bytes came", whole.body.len());
    let head = desk.ask("HEAD", path, &[]);
    assert_eq!((head.status, head.field("content-length"), head.body.len()), (200, "900000", 0));
    let tag = whole.field("etag");
    assert_eq!(desk.ask("GET", path, &[("If-None-Match", tag)]).status, 304);
    assert_eq!(desk.ask("GET", path, &[("If-Modified-Since", whole.field("last-modified"))]).status, 304);
    let part = desk.ask("GET", path, &[("Range", "bytes=300000-799999"), ("If-Range", tag)]);
    assert_eq!((part.status, part.field("content-range")), (206, "bytes 300000-799999/900000"));
    assert!(part.body == sound[300_000..800_000], "{} bytes came", part.body.len());
    assert_eq!(desk.ask("GET", path, &[("Range", "bytes=-1")]).body, sound[899_999..]);
    let beyond = desk.ask("GET", path, &[("Range", "bytes=900000-")]);
    assert_eq!((beyond.status, beyond.field("content-range")), (416, "bytes */900000"));
    until("it is mirrored", || {
        std::fs::read(desk.path("public/articles/talk/talk.mp3")).ok().filter(|bytes| *bytes == sound)
    });
    desk.write("articles/talk.mp3", b"another");
    assert_eq!(desk.ask("GET", path, &[("Range", "bytes=0-1"), ("If-Range", tag)]).body, b"another");
    assert_eq!(daemon.stop().code(), Some(0));
}
