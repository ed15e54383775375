//! What remote feeds do to the sections they stand in: correct, repeat, take back, claim what is another's, smuggle.

use crate::support::{Desk, Seen, atom, json, rss, until};

fn desk(sources: &[&str]) -> Desk {
    let desk = Desk::new();
    let sources = sources.iter().map(|name| {
        let url = desk.origin.url(&format!("/{name}"));
        format!("[[source]]\nname = \"{name}\"\nurl = \"{url}\"\nsections = [\"news\"]\n")
    });
    let sources: String = sources.collect();
    desk.configure(&format!("[[section]]\nname = \"news\"\n{sources}"));
    desk
}

fn entry(desk: &Desk, title: &str) -> Seen {
    desk.feed("/news/atom.xml").into_iter().find(|entry| entry.title == title).unwrap()
}

#[test]
fn a_source_corrects_repeats_and_takes_back() {
    let desk = desk(&["feed"]);
    let (one, two) = (("tag:f,2026:1", "One", "2026-03-01T00:00:00Z"), ("tag:f,2026:2", "Two", "2026-03-02T00:00:00Z"));
    desk.origin.answer("/feed", 200, &[], atom("Feed", &[one, two]));
    let _daemon = desk.serve();
    desk.until_titles("news", &["Two", "One"]);
    let before = entry(&desk, "One");

    let corrected = (one.0, "One, corrected", "2026-03-05T00:00:00Z");
    desk.origin.answer("/feed", 200, &[], atom("Feed", &[corrected, two, two]));
    let report = desk.run(&["update", "--json"]).json();
    assert_eq!(report["sources"][0]["outcome"], "1 changed");
    assert_eq!(desk.titles("news"), ["Two", "One, corrected"], "a later date brings no entry to the top again");
    let now = entry(&desk, "One, corrected");
    assert_eq!((&now.id, now.published), (&before.id, before.published));

    // What a feed carries no longer stays; what it takes back goes.
    desk.origin.answer("/feed", 200, &[], atom("Feed", &[two]));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    assert_eq!(desk.titles("news").len(), 2);
    let deleted = "<at:deleted-entry xmlns:at=\"http://purl.org/atompub/tombstones/1.0\" ref=\"tag:f,2026:2\" when=\"2026-03-06T00:00:00Z\"/></feed>";
    desk.origin.answer("/feed", 200, &[], atom("Feed", &[corrected]).replace("</feed>", deleted));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    desk.until_titles("news", &["One, corrected"]);
}

#[test]
fn no_source_can_touch_the_entries_of_another() {
    let desk = desk(&["first", "second"]);
    let id = "https://first.example/story";
    desk.origin.answer("/first", 200, &[], atom("First", &[(id, "The story", "2026-03-01T00:00:00Z")])).answer(
        "/second",
        503,
        &[],
        "",
    );
    let _daemon = desk.serve();
    desk.until_titles("news", &["The story"]);
    // Later than the story, and earlier than its own entry, which it would take back otherwise.
    let claim = "<at:deleted-entry xmlns:at=\"http://purl.org/atompub/tombstones/1.0\" ref=\"https://first.example/story\" when=\"2026-03-01T12:00:00Z\"/></feed>";
    let impostor = atom("Second", &[(id, "Another story", "2026-03-02T00:00:00Z")]);
    desk.origin.answer("/second", 200, &[], impostor.replace("</feed>", claim));
    assert_eq!(desk.run(&["update", "second"]).code, Some(0));
    desk.until_titles("news", &["Another story", "The story"]);
    assert_eq!(entry(&desk, "The story").id, id);
    assert!(entry(&desk, "Another story").id.starts_with("urn:uuid:"));
}

#[test]
fn what_is_smuggled_in_does_no_harm() {
    let desk = desk(&["hostile"]);
    let content = "<p onclick='steal()'>Words <script>steal()</script><a href='javascript:steal()'>here</a>\
        <img src='x' onerror='steal()'><iframe src='https://evil.example/'></iframe><style>p{color:red}</style></p>";
    let items = serde_json::json!({ "version": "https://jsonfeed.org/version/1.1", "title": "<script>steal()</script>Feed", "items": [{
        "id": "tag:h,2026:1\u{1}]]>", "title": "AT&T <script>steal()</script> \u{0}\u{b}]]> \u{202e}end", "content_html": content,
        "url": "javascript:steal()", "date_published": "2026-03-01T00:00:00Z", "tags": ["<b>", "\"'>"],
        "authors": [{ "name": "<img src=x onerror=steal()>", "url": "javascript:steal()" }],
    }] });
    desk.origin.answer("/hostile", 200, &[], items.to_string());
    let _daemon = desk.serve();
    until("the hostile entry is there", || (desk.feed("/news/atom.xml").len() == 1).then_some(()));
    let read = ["atom.xml", "rss.xml", "feed.json"].map(|name| desk.feed(&format!("/news/{name}")).remove(0));
    assert_eq!((&read[0].id, &read[0].id), (&read[1].id, &read[2].id));
    assert!(read[0].title.starts_with("AT&T"), "{}", read[0].title);
    let id: String = url::form_urlencoded::byte_serialize(read[0].id.as_bytes()).collect();
    for path in
        ["/news/atom.xml", "/news/rss.xml", "/news/feed.json", "/", "/news/", "/status", &format!("/entries/{id}")]
    {
        let answer = desk.get(path);
        assert_eq!(answer.status, 200, "{path}");
        let text = answer.text();
        let is_page = answer.field("content-type").starts_with("text/html");
        for bad in
            ["onclick=", "onerror='", "href=\"javascript:", "href='javascript:", "<iframe", "evil.example", "color:red"]
        {
            assert!(!text.contains(bad), "{bad} in {path}: {text}");
        }
        assert!(!text.contains("\u{1}") && !text.contains('\u{0}') && !text.contains('\u{b}'), "{path}");
        assert!(!is_page || !text.contains("<script"), "{path}: {text}");
        assert!(!is_page || answer.field("content-security-policy").contains("default-src 'none'"), "{path}");
    }
}

#[test]
fn no_secret_is_told() {
    let desk = Desk::new();
    desk.origin
        .answer("/good", 200, &[], json("Good", &[("tag:g,2026:1", "Good", "2026-03-01T00:00:00Z")]))
        .answer("/bad", 500, &[], "")
        .answer("/basic", 200, &[], rss("Basic", &[("tag:b,2026:1", "Basic", "Mon, 02 Mar 2026 10:00:00 GMT")]));
    let password = desk.write("password", "hunter2\n");
    std::fs::set_permissions(&password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let url = |path: &str| desk.origin.url(path);
    desk.configure(&format!(
        "[[section]]\nname = \"news\"
[[source]]\nname = \"good\"\nurl = \"{}\"\nsections = [\"news\"]\n[[source]]\nname = \"bad\"\nurl = \"{}\"
[[source]]\nname = \"basic\"\nurl = \"{}\"\nsections = [\"news\"]\nusername = \"me\"\npassword-file = \"password\"\n",
        url("/good?token=hunter2"),
        url("/bad?access_token=hunter2"),
        url("/basic"),
    ));
    let _daemon = desk.serve();
    desk.until_titles("news", &["Basic", "Good"]);
    desk.until_status("bad", "has failed", |row| !row["stage"].is_null());
    let basic = desk.origin.asked().into_iter().find(|asked| asked.path == "/basic").unwrap();
    assert_eq!(basic.field("authorization"), Some("Basic bWU6aHVudGVyMg=="));
    for path in ["/", "/status", "/news/", "/news/atom.xml", "/news/rss.xml", "/news/feed.json", "/sources.opml"] {
        let text = desk.get(path).text();
        assert!(!text.contains("hunter2") && !text.contains(&desk.origin.address.to_string()), "{path}: {text}");
    }
    let ran = [desk.run(&["update"]), desk.run(&["status"]), desk.run(&["status", "--json"]), desk.run(&["check"])];
    let told = ran.iter().map(|ran| format!("{}{}", ran.out, ran.err)).collect::<String>() + &desk.log();
    assert!(!told.contains("hunter2") && !told.contains("bWU6aHVudGVyMg"), "{told}");
    assert!(told.contains("500"), "{told}");
}

#[test]
fn a_feed_of_thousands_is_taken_within_its_limits() {
    let desk = desk(&["long"]);
    let items: Vec<(String, String)> = (0..3000).map(|n| (format!("tag:l,2026:{n}"), format!("Entry {n}"))).collect();
    let date = |n: usize| format!("2026-{:02}-{:02}T{:02}:00:00Z", 1 + n / 700, 1 + n / 24 % 28, n % 24);
    let dates: Vec<String> = (0..3000).map(date).collect();
    let items: Vec<(&str, &str, &str)> =
        items.iter().zip(&dates).map(|((id, title), date)| (&**id, &**title, &**date)).collect();
    desk.origin.answer("/long", 200, &[], atom("Long", &items));
    let _daemon = desk.serve();
    until("the section is full", || (desk.feed("/news/atom.xml").len() == 50).then_some(()));
    let mut newest = items.clone();
    newest.sort_by(|a, b| b.2.cmp(a.2));
    let (shown, row) = (desk.feed("/news/rss.xml"), desk.status("long"));
    assert_eq!(shown[0].published.unwrap().to_rfc3339().replace("+00:00", "Z"), newest[0].2);
    assert!(shown.windows(2).all(|pair| pair[0].published >= pair[1].published));
    assert_eq!(row["entries"], 1000, "{row}");
    assert_ne!(row["repairs"].as_array().unwrap().len(), 0, "a limit that cuts says so: {row}");
}
