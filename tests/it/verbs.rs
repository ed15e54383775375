//! The verbs as scripts and people meet them: exit status, data on stdout, words on stderr.

use std::path::Path;

use crate::support::{Desk, Ran, atom, rss};

const WIRE: &str = "Politics World

A treaty is signed at last

Ministers of eleven countries signed the treaty on Tuesday after nine years of talks, and promised to bring it before their parliaments by the summer.

It enters into force once seven of them have agreed, which diplomats expect to happen within a year of the signing.

Source: FT

Leave a Reply
Your email address will not be published.
";

const TABLES: &str = "[origins.FT]\nname = \"Financial Times\"\nurl = \"https://www.ft.com/\"
[[section]]\nname = \"politics\"\n[[section]]\nname = \"world\"\n";

/// A folder with the wire article, a feed that answers and one that does not.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.origin.answer(
        "/good",
        200,
        &[],
        rss("Good", &[("tag:good,2026:1", "Good news", "Sun, 01 Mar 2026 10:00:00 GMT")]),
    );
    desk.origin.answer("/bad", 500, &[], "");
    desk.write("articles/wire.txt", WIRE);
    let (good, bad) = (desk.origin.url("/good"), desk.origin.url("/bad"));
    desk.configure(&format!(
        "{TABLES}[[source]]\nname = \"articles\"\nfolder = \"articles\"
[[source]]\nname = \"good\"\nurl = \"{good}\"\nsections = [\"world\"]\n[[source]]\nname = \"bad\"\nurl = \"{bad}\"\n"
    ));
    desk
}

fn outcomes(ran: &Ran) -> Vec<(String, bool)> {
    let report = ran.json();
    let sources = report["sources"].as_array().unwrap().iter();
    sources.map(|source| (source["source"].as_str().unwrap().to_owned(), source["ok"].as_bool().unwrap())).collect()
}

#[test]
fn update_alone_and_beside_a_daemon() {
    let desk = desk();
    let ran = desk.run(&["status"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""));
    ran.says(&["there is no store", "newsdesk serve"]);

    let alone = desk.run(&["update", "--json"]);
    let expected = [("articles", true), ("bad", false), ("good", true)].map(|(name, ok)| (name.to_owned(), ok));
    assert_eq!((alone.code, outcomes(&alone)), (Some(1), expected.to_vec()));
    let report = alone.json();
    assert!(report["published"].as_array().unwrap().iter().any(|path| path == "world/atom.xml"), "{report}");
    assert!(report["sources"][1]["outcome"].as_str().unwrap().contains("fetch: "), "{report}");
    assert!(report["sources"][1]["outcome"].as_str().unwrap().contains("500"), "{report}");
    assert_eq!(desk.run(&["update", "good", "articles"]).code, Some(0), "the sources that are named went well");

    let daemon = desk.serve();
    assert_eq!(desk.titles("politics"), ["A treaty is signed at last"]);
    let asked = desk.origin.count("/good");
    desk.origin.answer(
        "/good",
        200,
        &[],
        rss("Good", &[("tag:good,2026:2", "Better news", "Mon, 02 Mar 2026 10:00:00 GMT")]),
    );
    let beside = desk.run(&["update", "--json"]);
    assert_eq!((beside.code, outcomes(&beside)), (Some(1), expected.to_vec()));
    assert_eq!(desk.origin.count("/good"), asked + 1);
    // It is published when the answer comes.
    assert!(desk.titles("world").contains(&"Better news".to_owned()));
    let words = desk.run(&["update"]);
    assert_eq!((words.code, words.out.as_str()), (Some(1), ""), "data on stdout, words on stderr");
    words.says(&["2 refreshed, 1 failed"]);

    let unknown = desk.run(&["update", "goood"]);
    assert_eq!(unknown.code, Some(78));
    unknown.says(&["there is no source \"goood\"", "good"]);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn status_tells_of_every_source_with_and_without_a_daemon() {
    let desk = desk();
    desk.run(&["update"]);
    let alone = desk.run(&["status", "--json"]);
    assert_eq!(alone.code, Some(0));
    let report = alone.json();
    let names: Vec<&str> =
        report["sources"].as_array().unwrap().iter().filter_map(|row| row["source"].as_str()).collect();
    assert_eq!(names, ["articles", "bad", "good"]);
    let bad = crate::support::row(&report, "bad");
    assert_eq!((&bad["mark"], &bad["stage"], &bad["failures"]), (&"failing".into(), &"fetch".into(), &1.into()));
    assert!(bad["since"].is_string() && bad["last_success"].is_null(), "{bad}");
    let good = crate::support::row(&report, "good");
    assert_eq!(
        (&good["mark"], &good["entries"], &good["stage"]),
        (&"well".into(), &1.into(), &serde_json::Value::Null)
    );
    assert_eq!(good["newest"], "2026-03-01T10:00:00Z");

    let _daemon = desk.serve();
    let beside = desk.run(&["status"]);
    assert_eq!(beside.code, Some(0));
    assert!(
        beside.out.contains("bad") && beside.out.contains("500") && beside.out.contains("3 sources, 1 failing"),
        "{}",
        beside.out
    );
}

#[test]
fn a_daemon_whose_store_is_elsewhere_is_asked() {
    let desk = desk();
    let _daemon = desk.serve();
    desk.until_titles("politics", &["A treaty is signed at last"]);
    let status = Ran::from(desk.command(&["status", "--json", "--state", "other"]).output().unwrap());
    assert_eq!(status.code, Some(0), "{status:?}");
    assert_eq!(crate::support::row(&status.json(), "articles")["mark"], "well");
    let update = Ran::from(desk.command(&["update", "articles", "--state", "other"]).output().unwrap());
    assert_eq!(update.code, Some(0), "{update:?}");
    assert!(!desk.path("other").exists(), "no second store is begun");
}

#[test]
fn the_admin_address_answers_only_to_our_own_verbs() {
    let desk = Desk::new();
    desk.configure("");
    let _daemon = desk.serve();
    let host = format!("127.0.0.1:{}", desk.admin);
    let ask = |method: &str, path: &str, fields: &[(&str, &str)]| {
        crate::support::ask(desk.admin, method, path, fields).unwrap().status
    };
    assert_eq!(ask("GET", "/status.json", &[]), 200);
    assert_eq!(ask("GET", "/daemon.json", &[]), 200);
    assert_eq!(ask("GET", "/status.json", &[("Origin", "https://evil.example")]), 403);
    assert_eq!(ask("GET", "/status.json", &[("Origin", &format!("http://{host}"))]), 403);
    assert_eq!(ask("GET", "/status.json", &[("Sec-Fetch-Site", "cross-site")]), 403);
    assert_eq!(ask("POST", "/update", &[("Content-Length", "0")]), 403);
    assert_eq!(ask("POST", "/update", &[("Content-Length", "0"), ("newsdesk-control", "1")]), 200);
    assert_eq!(ask("GET", "/update", &[("newsdesk-control", "1")]), 404);
    // Control is not on the public address.
    assert_eq!(desk.ask("POST", "/update", &[("newsdesk-control", "1"), ("Content-Length", "0")]).status, 405);
    assert_eq!(desk.get("/status.json").status, 404);
    assert_eq!(desk.get("/daemon.json").status, 404);
}

#[test]
fn check_names_the_place_and_what_was_meant() {
    let desk = Desk::new();
    desk.configure("[[section]]\nname = \"politics\"\n[[source]]\nname = \"a\"\nfolder = \"x\"\nsection = [\"politics\"]\n[[source]]\nname = \"b\"\nfolder = \".\"\nsections = [\"politcs\"]\n");
    let ran = desk.run(&["check"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(78), ""));
    ran.says(&[
        "newsdesk.toml",
        "section = [\"politics\"]",
        "^^^^^^^",
        "did you mean sections?",
        "did you mean \"politics\"?",
    ]);
    let serve = desk.run(&["serve"]);
    assert_eq!(serve.code, Some(78), "the daemon does not start with it");
    serve.says(&["politcs", "^^^^^^^"]);

    let report = desk.run(&["check", "--json"]);
    assert_eq!(report.code, Some(78));
    let json = report.json();
    assert_eq!(json["right"], false);
    let complaints = json["complaints"].as_array().unwrap().iter().filter(|complaint| complaint["severity"] == "error");
    let complaints: Vec<_> = complaints.collect();
    assert_eq!(complaints.len(), 2, "all at once: {json}");
    assert!(complaints.iter().all(|complaint| complaint["place"]["line"].is_u64()), "{json}");
    assert!(
        complaints
            .iter()
            .any(|complaint| complaint["suggestion"].as_str().is_some_and(|near| near.contains("politics"))),
        "{json}"
    );

    desk.configure("[[section]]\nname = \"politics\"\n");
    let ran = desk.run(&["check"]);
    assert_eq!(ran.code, Some(0));
    ran.says(&["is right: 1 sections"]);
    assert_eq!(desk.run(&["check", "--json"]).json()["right"], true);
    let missing = Ran::from(desk.command(&["check"]).args(["--config", "nowhere.toml"]).output().unwrap());
    assert_ne!(missing.code, Some(0));
    missing.says(&["nowhere.toml"]);
}

#[test]
fn try_shows_what_would_become_of_an_article() {
    let desk = desk();
    let ran = desk.run(&["try", "articles/wire.txt"]);
    assert_eq!(ran.code, Some(0));
    for words in ["A treaty is signed at last", "politics, world", "Financial Times", "dropped", "Leave a Reply"] {
        assert!(ran.out.contains(words), "{words:?} is missing:\n{}", ran.out);
    }
    let tried = desk.run(&["try", "--json", "articles/wire.txt"]).json();
    assert_eq!(tried["sections"], serde_json::json!(["politics", "world"]));
    assert_eq!(tried["origin"]["name"], "Financial Times");
    assert_eq!(tried["document"], "articles/wire.txt");
    let dropped = tried["dropped"].as_array().unwrap();
    assert!(dropped.iter().any(|line| line == "Leave a Reply"), "{tried}");
    assert!(!Path::new(&desk.path("state/newsdesk.db")).exists(), "nothing is stored");
}

/// A file in the folder of a source is read as that source reads it, a file beside it for itself.
#[test]
fn try_reads_an_article_as_its_source_does() {
    let desk = Desk::new();
    desk.configure(
        "[[section]]\nname = \"news\"\n[[section]]\nname = \"politics\"\n[[section]]\nname = \"world\"\n\
         [[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\nsection-line = \"never\"\n\
         rules = [{ when = { title = \"A draft\" }, then = { drop = true } },\n\
         { when = { title = \"Politics\" }, then = { set-title = { matches = \"^.*$\", with = \"The port\" } } }]\n",
    );
    let article = "Politics\n\nThe harbour reopens\n\nIt was closed for nine years and is open again.\n";
    desk.write("articles/world/harbour.txt", article);
    desk.write("harbour.txt", article);
    desk.write("articles/draft.md", "---\ntitle: A draft\n---\nNot yet.\n");
    let ran = desk.run(&["try", "articles/world/harbour.txt"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    println!("{}", ran.out);
    assert_eq!(
        desk.run(&["try", "--json", "articles/world/harbour.txt"]).json()["sections"],
        serde_json::json!(["news", "world"])
    );
    assert_eq!(desk.run(&["try", "--json", "harbour.txt"]).json()["sections"], serde_json::json!(["politics"]));
    assert_eq!(desk.run(&["try", "--json", "articles/draft.md"]).json()["sections"], serde_json::json!([]));
    assert!(desk.run(&["try", "articles/draft.md"]).out.contains("rule 1 of source desk dropped it"));
}

#[test]
fn try_names_what_is_no_feed_and_goes_on() {
    let desk = desk();
    desk.write("feed.xml", atom("A feed", &[("tag:a,2026:1", "One", "2026-03-01T00:00:00Z")]));
    desk.write("login.xml", "<!doctype html><html><head><title>Log in</title></head><body>Who are you?</body></html>");
    let ran = desk.run(&["try", "--json", "login.xml", "feed.xml"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.json()["document"], "feed.xml");
    ran.says(&["login.xml: ", "Log in"]);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);

    let url = desk.origin.url("/good");
    let remote = desk.run(&["try", url.as_str()]);
    assert_eq!(remote.code, Some(0));
    assert!(remote.out.contains("Good news"), "{}", remote.out);
    let missing = desk.run(&["try", "nothing.xml"]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(1), ""));
    missing.says(&["nothing.xml", "No such file"]);
    let endless = desk.run(&["try", "/dev/zero"]);
    assert_eq!((endless.code, endless.out.as_str()), (Some(1), ""));
    endless.says(&["/dev/zero: ", "larger than 16777216 bytes", "max-body"]);
}
