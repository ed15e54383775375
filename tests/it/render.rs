//! Render: what is written is read back by parsers that know nothing of ours (feed-rs, quick-xml, serde_json), and
//! compared with answers beside the fixtures (`UPDATE_EXPECT=1` rewrites them; read the diff).

use std::fs;
use std::path::{Path, PathBuf};

use newsdesk::model::{
    AlsoIn, Enclosure, Entry, EntryId, Feed, FeedEntry, Html, Origin, Paging, Person, Stated, Time, Tombstone,
};
use newsdesk::render::{self, Documents, Format};
use proptest::prelude::*;
use serde::Deserialize;

/// A feed as a fixture writes it down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeedFile {
    id: String,
    title: String,
    description: Option<String>,
    language: Option<String>,
    page: String,
    updated: Time,
    icon: Option<String>,
    rights: Option<String>,
    #[serde(default)]
    hubs: Vec<String>,
    #[serde(default = "yes")]
    full_text: bool,
    #[serde(default)]
    attribution: bool,
    entries: Vec<EntryFile>,
    #[serde(default)]
    deleted: Vec<(String, Time)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryFile {
    id: String,
    link: String,
    effective: Time,
    updated: Time,
    stated: Stated,
    origin: Origin,
    #[serde(default)]
    also_in: Vec<(String, String)>,
}

fn yes() -> bool {
    true
}

impl From<FeedFile> for Feed {
    fn from(file: FeedFile) -> Self {
        let deleted = file.deleted.into_iter().map(|(id, when)| Tombstone { id: EntryId(id), when });
        Self {
            id: file.id,
            title: file.title,
            description: file.description,
            language: file.language,
            page: file.page,
            updated: file.updated,
            icon: file.icon,
            rights: file.rights,
            hubs: file.hubs,
            ttl_minutes: 60,
            full_text: file.full_text,
            attribution: file.attribution,
            entries: file.entries.into_iter().map(FeedEntry::from).collect(),
            deleted: deleted.collect(),
            paging: Paging::Alone,
        }
    }
}

impl From<EntryFile> for FeedEntry {
    fn from(file: EntryFile) -> Self {
        Self {
            entry: Entry {
                id: EntryId(file.id),
                source: file.origin.title.clone(),
                stated: file.stated,
                first_seen: file.effective,
                effective: file.effective,
                updated: file.updated,
                slug: None,
            },
            origin: file.origin,
            link: file.link,
            also_in: file.also_in.into_iter().map(|(name, link)| AlsoIn { name, link }).collect(),
        }
    }
}

fn at(text: &str) -> Time {
    text.parse().expect("a date")
}

fn feed(entries: Vec<FeedEntry>) -> Feed {
    Feed {
        id: "urn:uuid:2f6d2fbc-7c5a-5d6e-9d4f-0d6a3f0f7a11".into(),
        title: "Politics & more".into(),
        description: None,
        language: Some("en".into()),
        page: "https://news.example/politics/".into(),
        updated: at("2026-03-28T09:00:00Z"),
        icon: None,
        rights: None,
        hubs: vec!["https://news.example/hub".into()],
        ttl_minutes: 60,
        full_text: true,
        attribution: false,
        entries,
        deleted: Vec::new(),
        paging: Paging::Alone,
    }
}

fn entry(n: u32, stated: Stated) -> FeedEntry {
    let time = at("2026-03-27T10:00:00Z") - chrono::TimeDelta::minutes(i64::from(n));
    FeedEntry {
        entry: Entry {
            id: EntryId(format!("tag:wire.example,2026:{n}")),
            source: "wire".into(),
            stated,
            first_seen: time,
            effective: time,
            updated: time,
            slug: None,
        },
        origin: Origin {
            id: "urn:uuid:7f5f8f7e-54a1-5f2b-8f40-0f3b8f5f6a22".into(),
            title: "The Wire".into(),
            ..Origin::default()
        },
        link: format!("https://wire.example/{n}"),
        also_in: Vec::new(),
    }
}

fn titled(title: &str) -> Stated {
    Stated { title: title.into(), content: Some(Html("<p>Text.</p>".into())), ..Stated::default() }
}

/// Published and checked, nothing left out.
fn published(feed: &Feed) -> Documents {
    let (documents, left) = render::documents_checked(feed).expect("the gate lets the feed through");
    assert_eq!(left, [], "nothing is left out");
    documents
}

/// What feed-rs reads: id, title, link, published, updated.
fn read(bytes: &[u8]) -> Vec<(String, String, String, Time, Option<Time>)> {
    let feed = feed_rs::parser::Builder::new().sanitize_content(false).build().parse(bytes).expect("feed-rs reads it");
    let read = feed.entries.into_iter().map(|entry| {
        let title = entry.title.map(|title| title.content).unwrap_or_default();
        let link = entry.links.first().map(|link| link.href.clone()).unwrap_or_default();
        (entry.id, title, link, entry.published.expect("published"), entry.updated)
    });
    read.collect()
}

#[test]
fn fixtures_read_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/render");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    cases.retain(|path| path.to_str().is_some_and(|name| name.ends_with(".input.json")));
    cases.sort();
    assert!(!cases.is_empty());
    for case in cases {
        let file: FeedFile =
            serde_json::from_slice(&fs::read(&case).unwrap()).unwrap_or_else(|e| panic!("{case:?}: {e}"));
        let documents = published(&file.into());
        let answer = |ending: &str| PathBuf::from(case.to_str().unwrap().replace(".input.json", ending));
        for (ending, bytes) in
            [(".atom.xml", &documents.atom), (".rss.xml", &documents.rss), (".feed.json", &documents.json)]
        {
            expect_file(&answer(ending), bytes);
        }
    }
}

fn expect_file(path: &Path, actual: &[u8]) {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        return fs::write(path, actual).unwrap();
    }
    let expected = fs::read(path).unwrap_or_else(|e| panic!("{path:?}: {e}; UPDATE_EXPECT=1 writes it"));
    let (actual, expected) = (String::from_utf8_lossy(actual), String::from_utf8_lossy(&expected));
    for (line, (actual, expected)) in actual.lines().zip(expected.lines()).enumerate() {
        assert_eq!(actual, expected, "{}:{}", path.display(), line + 1);
    }
    assert_eq!(actual.len(), expected.len(), "{}", path.display());
}

#[test]
fn the_same_ids_order_and_instants_in_all_three() {
    let titles = [
        "Plain",
        "AT&T < Verizon & </b> &amp; &copy;",
        "]]> ends nothing",
        "\u{1}control\u{8}\u{fffe}",
        "שלום עולם",
        "مرحبا",
        "👩‍🚀 emoji 🇩🇪",
        "",
        "  many \n\t spaces  ",
        "日本語の見出し",
    ];
    let entries = titles.iter().zip(1..).map(|(title, n)| entry(n, titled(title))).collect();
    let feed = feed(entries);
    let documents = published(&feed);
    let (atom, rss) = (read(&documents.atom), read(&documents.rss));
    let json: serde_json::Value = serde_json::from_slice(&documents.json).unwrap();
    let json = json["items"].as_array().unwrap();
    assert_eq!(atom.len(), titles.len());
    for (((wanted, atom), rss), json) in feed.entries.iter().zip(&atom).zip(&rss).zip(json) {
        let (id, link, time) = (&wanted.entry.id.0, &wanted.link, wanted.entry.effective);
        assert_eq!((&atom.0, &rss.0, json["id"].as_str()), (id, id, Some(id.as_str())));
        assert_eq!((&atom.2, &rss.2, json["url"].as_str()), (link, link, Some(link.as_str())));
        assert_eq!((atom.3, rss.3, at(json["date_published"].as_str().unwrap())), (time, time, time));
    }
    let seen: Vec<&str> = atom.iter().map(|entry| entry.1.as_str()).collect();
    assert_eq!(seen[1], titles[1], "a title is text, whatever it looks like");
    assert_eq!(rss[1].1, titles[1]);
    assert_eq!(seen[2], titles[2]);
    assert_eq!(seen[3], "control");
    assert_eq!(seen[7], "Text.", "the first words stand in for a missing title");
    assert_eq!(seen[8], "many spaces");
    assert!(json[7].get("title").is_none(), "JSON Feed may go without");
}

#[test]
fn titles_in_rss_use_the_references_of_the_profile() {
    let documents = published(&feed(vec![entry(1, titled("AT&T <b>"))]));
    let rss = String::from_utf8(documents.rss).unwrap();
    assert!(rss.contains("<title>AT&#x26;T &#x3C;b&gt;</title>"), "{rss}");
    assert!(rss.contains("<title>Politics &#x26; more</title>"), "{rss}");
}

#[test]
fn markup_reads_back_as_it_was() {
    let html = "<p>One ]]> two &amp; <a href=\"https://e.example/?a=1&amp;b=2\">three</a></p>\n<pre>  x </pre>";
    let stated = Stated {
        title: "T".into(),
        content: Some(Html(html.into())),
        summary: Some(Html("<p>S</p>".into())),
        ..Stated::default()
    };
    let documents = published(&feed(vec![entry(1, stated)]));
    for bytes in [&documents.atom, &documents.rss] {
        let feed = feed_rs::parser::Builder::new().sanitize_content(false).build().parse(bytes.as_slice()).unwrap();
        let entry = &feed.entries[0];
        assert_eq!(entry.content.as_ref().and_then(|content| content.body.as_deref()), Some(html));
        assert_eq!(entry.summary.as_ref().map(|summary| summary.content.as_str()), Some("<p>S</p>"));
    }
    let json: serde_json::Value = serde_json::from_slice(&documents.json).unwrap();
    assert_eq!(json["items"][0]["content_html"], html);
    assert_eq!(json["items"][0]["summary"], "S");
}

#[test]
fn a_megabyte_and_a_hundred_files_pass() {
    let content = "<p>Lorem &amp; ipsum ]]&gt; dolor.</p>".repeat(30_000);
    let enclosures = (0..100).map(|n| Enclosure {
        url: format!("https://cdn.example/{n} ü.mp3"),
        length: (n % 2 == 0).then_some(n),
        duration_secs: Some(n),
        title: Some(format!("Part {n} & more")),
        ..Enclosure::default()
    });
    let stated = Stated { content: Some(Html(content.clone())), enclosures: enclosures.collect(), ..Stated::default() };
    let documents = published(&feed(vec![entry(1, stated)]));
    let atom = feed_rs::parser::parse(documents.atom.as_slice()).unwrap();
    let rel = |rel: &str| atom.entries[0].links.iter().filter(|link| link.rel.as_deref() == Some(rel)).count();
    assert_eq!(rel("enclosure"), 100);
    assert_eq!(atom.entries[0].media.iter().map(|media| media.content.len()).sum::<usize>(), 100, "their play times");
    let json: serde_json::Value = serde_json::from_slice(&documents.json).unwrap();
    assert_eq!(json["items"][0]["attachments"].as_array().unwrap().len(), 100);
    assert_eq!(json["items"][0]["attachments"][7]["url"], "https://cdn.example/7%20%C3%BC.mp3");
    assert_eq!(json["items"][0]["content_html"], content);
    let rss = String::from_utf8(documents.rss).unwrap();
    assert_eq!(rss.matches("<enclosure ").count(), 1);
    assert_eq!(rss.matches("<media:content ").count(), 100);
}

#[test]
fn an_entry_of_nothing_is_still_one() {
    let documents = published(&feed(vec![entry(1, Stated::default())]));
    assert_eq!(read(&documents.atom)[0].1, "The Wire");
    assert_eq!(read(&documents.rss)[0].1, "The Wire");
    let json: serde_json::Value = serde_json::from_slice(&documents.json).unwrap();
    assert_eq!(json["items"][0]["content_text"], "The Wire");
    assert_eq!(json["items"][0]["authors"][0]["name"], "The Wire");
}

#[test]
fn an_empty_feed_is_three_documents() {
    let documents = published(&feed(Vec::new()));
    assert_eq!(read(&documents.atom), []);
    assert_eq!(read(&documents.rss), []);
    assert!(
        serde_json::from_slice::<serde_json::Value>(&documents.json).unwrap()["items"].as_array().unwrap().is_empty()
    );
}

#[test]
fn summaries_only_and_attribution() {
    let stated = Stated { content: Some(Html(format!("<p>{}</p>", "word ".repeat(100)))), ..titled("T") };
    let mut feed = feed(vec![entry(1, Stated { content: Some(Html(stated.content.clone().unwrap().0)), ..stated })]);
    feed.full_text = false;
    feed.attribution = true;
    feed.entries[0].origin.link = Some("https://wire.example/?a=1&b=2".into());
    let documents = published(&feed);
    let json: serde_json::Value = serde_json::from_slice(&documents.json).unwrap();
    let text = json["items"][0]["content_html"].as_str().unwrap();
    assert!(
        text.starts_with("<p>From <a href=\"https://wire.example/?a=1&amp;b=2\">The Wire</a></p>word word"),
        "{text}"
    );
    assert!(text.ends_with(" word…") && text.len() < 400, "{text}");
    assert!(!String::from_utf8(documents.rss).unwrap().contains("<content:encoded>"));
    assert!(!String::from_utf8(documents.atom).unwrap().contains("<content"));
}

#[test]
fn a_summary_that_is_the_whole_text_is_cut() {
    let whole = format!("<p>{}</p>", "word ".repeat(1000));
    let stated = Stated { title: "T".into(), summary: Some(Html(whole.clone())), ..Stated::default() };
    let mut feed = feed(vec![entry(1, stated)]);
    let text = |feed: &Feed| {
        let json: serde_json::Value = serde_json::from_slice(&published(feed).json).unwrap();
        json["items"][0]["content_html"].as_str().unwrap().to_owned()
    };
    assert_eq!(text(&feed), whole);
    feed.full_text = false;
    assert!(text(&feed).ends_with("word…") && text(&feed).len() < 320, "{}", text(&feed));
}

#[test]
fn a_bad_entry_is_left_out_and_named() {
    let mut bad_link = entry(2, titled("Relative"));
    bad_link.link = "/relative".into();
    let mut bad_id = entry(3, titled("Id with a control character"));
    bad_id.entry.id = EntryId("tag:wire.example,2026:\u{1}3".into());
    let mut no_iri = entry(4, titled("No IRI"));
    no_iri.entry.id = EntryId("4711".into());
    let twice = entry(1, titled("The same id again"));
    let mut late = entry(6, titled("A date that no format can say"));
    late.entry.effective = Time::MAX_UTC;
    let feed =
        feed(vec![entry(1, titled("Good")), bad_link, bad_id, no_iri, twice, late, entry(7, titled("Good too"))]);
    let (documents, left) = render::documents_checked(&feed).unwrap();
    let ids: Vec<String> = read(&documents.atom).into_iter().map(|entry| entry.0).collect();
    assert_eq!(ids, ["tag:wire.example,2026:1", "tag:wire.example,2026:7"]);
    assert_eq!(ids, read(&documents.rss).into_iter().map(|entry| entry.0).collect::<Vec<_>>());
    let named: Vec<&str> = left.iter().map(|left| left.id.0.as_str()).collect();
    assert_eq!(named.len(), 5);
    assert_eq!(named[0], "tag:wire.example,2026:2");
    assert!(left[0].reason.contains("not an absolute URL"), "{}", left[0].reason);
    assert!(left[1].reason.contains("not an absolute IRI"), "{}", left[1].reason);
    assert!(left[3].reason.contains("already"), "{}", left[3].reason);
    assert!(left[4].reason.contains("date"), "{}", left[4].reason);
}

#[test]
fn kept_fragments_change_no_byte() {
    let mut kept = render::Fragments::default();
    let mut feed = feed((1..6).map(|n| entry(n, titled("Before"))).collect());
    let mut check = |feed: &Feed| {
        let with = render::documents_with(feed, &mut kept).unwrap();
        assert_eq!(with, render::documents_checked(feed).unwrap());
        assert_eq!(with, render::documents_with(feed, &mut kept).unwrap());
        for (format, bytes) in [(Format::Atom, &with.0.atom), (Format::Rss, &with.0.rss), (Format::Json, &with.0.json)]
        {
            assert_eq!(&render::document(feed, format), bytes);
        }
    };
    check(&feed);
    feed.entries[2].entry.stated.title = "After, and its updated did not move".into();
    feed.entries.remove(0);
    check(&feed);
    feed.entries[1].also_in.push(AlsoIn { name: "Elsewhere".into(), link: "https://else.example/".into() });
    feed.attribution = true;
    check(&feed);
    feed.language = Some("de".into());
    check(&feed);
}

#[test]
fn a_feed_that_cannot_stand_is_refused() {
    let mut feed = feed(vec![entry(1, titled("Good"))]);
    feed.page = "/politics/".into();
    let refused = render::documents_checked(&feed).unwrap_err();
    assert_eq!(refused.document, "atom.xml");
}

#[test]
fn secrets_of_an_origin_without_addresses_stay_out() {
    let documents = published(&feed(vec![entry(1, titled("T"))]));
    let rss = String::from_utf8(documents.rss).unwrap();
    assert!(rss.contains("<dc:source>The Wire</dc:source>") && !rss.contains("<source"), "{rss}");
}

/// Other projects' feeds, read and cleaned by our own rooms: whatever they say passes the gate, and feed-rs reads it.
#[test]
fn what_real_feeds_say_passes_the_gate() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !corpus.is_dir() {
        return println!("skipped: there is no ../shared/corpus");
    }
    let mut files = Vec::new();
    let mut folders = vec![corpus];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
            if path.is_dir() { &mut folders } else { &mut files }.push(path);
        }
    }
    files.sort();
    let mut entries = 0;
    for file in files {
        let Some(feed) = feed_of(&fs::read(&file).unwrap()) else { continue };
        let (documents, left) = render::documents_checked(&feed).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert_eq!(left, [], "{}", file.display());
        let (atom, rss) = (read(&documents.atom), read(&documents.rss));
        assert_eq!((atom.len(), rss.len()), (feed.entries.len(), feed.entries.len()), "{}", file.display());
        entries += atom.len();
    }
    assert!(entries > 500, "{entries} entries");
}

/// A foreign document as a feed of ours; ids and dates are chosen as simply as can be.
fn feed_of(bytes: &[u8]) -> Option<Feed> {
    use newsdesk::{normalize, parse};
    let base = url::Url::parse("https://source.example/feed").ok()?;
    let input = parse::Input { bytes, content_type: None, base: Some(&base) };
    let parsed = parse::document(&input, &parse::Limits::default()).ok()?;
    let origins = Default::default();
    let context = normalize::Context {
        source: "source",
        feed_url: Some(base.as_str()),
        origins: &origins,
        tracking: &[],
        file: None,
    };
    let refreshed = normalize::document(parsed, &context);
    let entries = refreshed.entries.into_iter().zip(0..).map(|(incoming, n)| {
        let mut entry = entry(n, incoming.stated);
        entry.entry.id = EntryId(incoming.publishable.unwrap_or(entry.entry.id.0));
        entry.origin = entry.entry.stated.origin.clone().unwrap_or_else(|| refreshed.origin.clone());
        entry.link = entry.entry.stated.link.clone().unwrap_or(entry.link);
        entry
    });
    let mut feed = feed(entries.collect());
    let mut seen = std::collections::BTreeSet::new();
    feed.entries.retain(|entry| seen.insert(entry.entry.id.clone()));
    Some(feed)
}

/// Files and pictures survive from any format into any other, as our own parser reads them and as feed-rs does.
#[test]
fn enclosures_and_media_survive_from_any_format_into_any_other() {
    let file = |name: &str, kind: &str, length, duration_secs, title: Option<&str>| Enclosure {
        url: format!("https://cdn.example/{name}?a=1&b=2"),
        media_type: Some(kind.into()),
        length,
        duration_secs,
        title: title.map(str::to_owned),
    };
    let stated = Stated {
        enclosures: vec![
            file("one.mp3", "audio/mpeg", Some(12_345), Some(3671), None),
            file("two.mp4", "video/mp4", Some(99), Some(60), None),
            file("three.pdf", "application/pdf", Some(7), None, None),
        ],
        image: Some("https://cdn.example/cover.jpg?w=1&h=2".into()),
        comments: Some("https://wire.example/1#comments".into()),
        rights: Some("© The Wire & others".into()),
        link: Some("https://wire.example/1".into()),
        language: Some("de".into()),
        authors: vec![Person { name: Some("Jane Doe".into()), ..Person::default() }],
        ..titled("An episode")
    };
    let original = feed(vec![entry(1, stated)]);
    let bytes = |feed: &Feed| {
        let Documents { atom, rss, json } = published(feed);
        [("Atom", atom), ("RSS", rss), ("JSON Feed", json)]
    };
    let wanted = &original.entries[0].entry.stated;
    for (from, document) in bytes(&original) {
        let read = feed_of(&document).unwrap();
        let once = &read.entries[0].entry.stated;
        assert_eq!((&once.enclosures, &once.image), (&wanted.enclosures, &wanted.image), "out of {from}");
        assert_eq!((&once.authors, &once.title), (&wanted.authors, &wanted.title), "out of {from}");
        if from != "JSON Feed" {
            // It has no place for them.
            assert_eq!((&once.comments, &once.rights), (&wanted.comments, &wanted.rights), "out of {from}");
        }
        for (into, document) in bytes(&read) {
            let again = feed_of(&document).unwrap();
            let twice = &again.entries[0].entry.stated;
            assert_eq!((&twice.enclosures, &twice.image), (&wanted.enclosures, &wanted.image), "{from} into {into}");
        }
    }
    let rss = String::from_utf8(published(&original).rss).unwrap();
    assert!(rss.contains("<itunes:duration>3671</itunes:duration>"), "{rss}");
    assert!(rss.contains("<itunes:image href=\"https://cdn.example/cover.jpg?w=1&#x26;h=2\""), "{rss}");
    for (format, document) in bytes(&original) {
        let seen = feed_rs::parser::parse(document.as_slice()).unwrap();
        let entry = &seen.entries[0];
        let media = entry.media.iter().flat_map(|media| &media.content).filter_map(|content| content.url.as_ref());
        let links = entry.links.iter().map(|link| link.href.as_str());
        let urls: Vec<String> = media.map(|url| url.to_string()).chain(links.map(str::to_owned)).collect();
        for file in &wanted.enclosures {
            assert!(urls.contains(&file.url), "{format}: {urls:?}");
        }
    }
}

#[test]
fn opml_names_feeds_and_keeps_private_addresses() {
    use newsdesk::render::opml::{self, Outline};
    let outline = |text: &str, url: Option<&str>| Outline {
        text: text.into(),
        xml_url: url.map(str::to_owned),
        html_url: None,
        description: Some("\u{1}\"quoted\" & <more>".into()),
        language: Some("en_US".into()),
        sections: vec!["politics".into(), "world".into()],
    };
    let outlines = [outline("R&D ]]> \u{0}", Some("https://e.example/ä?a=1&b=2")), outline("Private", None)];
    let xml = opml::sources("What <we> read", &outlines);
    assert_eq!(well_formed(&xml), Ok(()));
    let xml = String::from_utf8(xml).unwrap();
    assert!(xml.contains("xmlUrl=\"https://e.example/%C3%A4?a=1&amp;b=2\""), "{xml}");
    assert!(xml.contains("text=\"R&amp;D ]]&gt;") && xml.contains("category=\"/politics,/world\""), "{xml}");
    assert_eq!(xml.matches("type=\"rss\"").count(), 1, "{xml}");
    assert_eq!(opml::sections("Empty", &[]), opml::sources("Empty", &[]));
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[&<>\"'\\]a-z ;#x0-9\u{0}\u{1}\u{b}\u{fffe}\u{ffff}\u{d7ff}\u{e000}\r\n]{0,40}",
        Just("]]>".to_owned()),
        Just("&#0;&#x1;&bogus;<![CDATA[".to_owned()),
    ]
}

fn any_url() -> impl Strategy<Value = String> {
    prop_oneof![
        any_text(),
        any_text().prop_map(|text| format!("https://example.org/{text}")),
        any_text().prop_map(|text| format!("https://{text}/")),
        Just("https://bücher.example/ä?q=[1]&x=%zz#a#b".to_owned()),
    ]
}

fn any_time() -> impl Strategy<Value = Time> {
    prop_oneof![
        any::<i64>().prop_map(|secs| Time::from_timestamp(secs, 0).unwrap_or(Time::MAX_UTC)),
        (0i64..2_000_000_000, 0u32..1_000_000_000).prop_map(|(s, n)| Time::from_timestamp(s, n).unwrap()),
        Just(Time::MIN_UTC),
    ]
}

prop_compose! {
    fn any_person()(name in proptest::option::of(any_text()), email in proptest::option::of(any_text()), uri in proptest::option::of(any_url())) -> Person {
        Person { name, email, uri }
    }
}

prop_compose! {
    fn any_origin()(
        id in any_url(), title in any_text(), link in proptest::option::of(any_url()), feed in proptest::option::of(any_url()),
        icon in proptest::option::of(any_url()), updated in proptest::option::of(any_time()), language in proptest::option::of(any_text()),
        authors in proptest::collection::vec(any_person(), 0..3), rights in proptest::option::of(any_text()),
    ) -> Origin {
        Origin { id, title, link, feed, updated, subtitle: rights.clone(), icon, rights, language, authors }
    }
}

prop_compose! {
    fn any_stated()(
        title in any_text(), summary in proptest::option::of(any_text()), content in proptest::option::of(any_text()),
        authors in proptest::collection::vec(any_person(), 0..3),
        terms in proptest::collection::vec((any_text(), proptest::option::of(any_url()), proptest::option::of(any_text())), 0..3),
        links in proptest::collection::vec((any_url(), prop_oneof![Just("via".to_owned()), Just("related".to_owned()), any_text()], proptest::option::of(any_text())), 0..3),
        files in proptest::collection::vec((any_url(), proptest::option::of(any_text()), any::<Option<u64>>()), 0..3),
        published in proptest::option::of(any_time()), extra in (proptest::option::of(any_text()), proptest::option::of(any_text()), proptest::option::of(any_url()), proptest::option::of(any_url())),
    ) -> Stated {
        use newsdesk::model::{Category, Link};
        Stated {
            title,
            summary: summary.map(Html),
            content: content.map(Html),
            contributors: authors.clone(),
            authors,
            categories: terms.into_iter().map(|(term, scheme, label)| Category { term, scheme, label }).collect(),
            links: links.into_iter().map(|(href, rel, title)| Link { href, rel, media_type: title.clone(), hreflang: title.clone(), title }).collect(),
            enclosures: files.into_iter().map(|(url, kind, n)| Enclosure { url, media_type: kind.clone(), length: n, duration_secs: n, title: kind }).collect(),
            published,
            language: extra.0,
            rights: extra.1,
            comments: extra.2,
            image: extra.3,
            ..Stated::default()
        }
    }
}

prop_compose! {
    fn any_entry()(
        id in any_url(), link in any_url(), stated in any_stated(), origin in any_origin(), effective in any_time(), updated in any_time(),
        also in proptest::collection::vec((any_text(), any_url()), 0..2),
    ) -> FeedEntry {
        FeedEntry {
            entry: Entry { id: EntryId(id), source: String::new(), stated, first_seen: effective, effective, updated, slug: None },
            origin,
            link,
            also_in: also.into_iter().map(|(name, link)| AlsoIn { name, link }).collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Any strings at all: three documents that strict parsers read, the same entries in each, the same bytes twice.
    #[test]
    fn any_feed_renders(
        entries in proptest::collection::vec(any_entry(), 0..4), title in any_text(), description in proptest::option::of(any_text()),
        language in proptest::option::of(any_text()), gone in proptest::collection::vec((any_text(), any_time()), 0..2),
        full_text in any::<bool>(), attribution in any::<bool>(),
    ) {
        let mut feed = feed(entries);
        (feed.title, feed.description, feed.language) = (title, description, language);
        (feed.full_text, feed.attribution) = (full_text, attribution);
        feed.deleted = gone.into_iter().map(|(id, when)| Tombstone { id: EntryId(id), when }).collect();
        let documents = render::documents(&feed);
        prop_assert_eq!(&documents, &render::documents(&feed));
        let (checked, left) = render::documents_checked(&feed).expect("only entries can be wrong here");
        for bytes in [&documents, &checked].into_iter().flat_map(|documents| [&documents.atom, &documents.rss]) {
            prop_assert_eq!(well_formed(bytes), Ok(()));
        }
        let json: serde_json::Value = serde_json::from_slice(&checked.json).unwrap();
        let kept = feed.entries.len() - left.len();
        prop_assert_eq!(json["items"].as_array().unwrap().len(), kept);
        prop_assert_eq!(feed_rs::parser::parse(checked.atom.as_slice()).map(|feed| feed.entries.len()).unwrap(), kept);
        prop_assert_eq!(feed_rs::parser::parse(checked.rss.as_slice()).map(|feed| feed.entries.len()).unwrap(), kept);
    }
}

/// By quick-xml's own checks, apart from those of the gate.
fn well_formed(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    let mut reader = quick_xml::NsReader::from_str(text);
    loop {
        match reader.read_event().map_err(|e| e.to_string())? {
            quick_xml::events::Event::Eof => return Ok(()),
            quick_xml::events::Event::Start(start) | quick_xml::events::Event::Empty(start) => {
                for attribute in start.attributes() {
                    attribute
                        .map_err(|e| e.to_string())?
                        .decoded_and_normalized_value(quick_xml::XmlVersion::Implicit1_0, reader.decoder())
                        .map_err(|e| e.to_string())?;
                }
            }
            quick_xml::events::Event::Text(text) => {
                let text = text.decode().map_err(|e| e.to_string())?;
                if let Some(c) = text.chars().find(|c| c.is_control() && !c.is_whitespace() && (*c as u32) < 0x20) {
                    return Err(format!("{c:?}"));
                }
            }
            _ => {}
        }
    }
}
