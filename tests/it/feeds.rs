//! Feed documents of our own: one fixture for each thing the public corpus has not, hostile ones made on the spot, and
//! properties that hold for any bytes whatever.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use newsdesk::normalize::{clean, neutral::neutral};
use newsdesk::parse::{self, Input, Limits, NotAFeed, ParsedFeed, charset, date, opml};
use proptest::prelude::*;

/// Every `NAME` is one document, `NAME.expect` what becomes of it. `UPDATE_EXPECT=1` rewrites the answers; read the diff.
#[test]
fn fixtures() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut cases = 0;
    for folder in ["rss", "atom", "cdf", "json_feed"] {
        let mut files: Vec<PathBuf> =
            fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_none_or(|ending| ending != "expect")) {
            let found =
                serde_json::to_string_pretty(&neutral(&read(&fs::read(file).unwrap()).unwrap())).unwrap() + "\n";
            let mut answer = file.clone().into_os_string();
            answer.push(".expect");
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                fs::write(&answer, &found).unwrap();
            }
            let expected = fs::read_to_string(&answer).unwrap_or_default();
            assert_eq!(found, expected, "{}", file.display());
            cases += 1;
        }
    }
    assert!(cases > 0);
}

fn read(bytes: &[u8]) -> Result<ParsedFeed, NotAFeed> {
    parse::document(&Input { bytes, content_type: None, base: None }, &Limits::default())
}

/// What is no feed says what it is.
#[test]
fn what_is_no_feed() {
    let check = |text: &str, expected: &str| match read(text.as_bytes()) {
        Ok(feed) => panic!("{text:?} is read as {:?}", feed.format),
        Err(error) => assert_eq!(error.to_string(), expected),
    };
    check("", "the document is empty");
    check(" \n ", "the document is empty");
    check(
        "<!DOCTYPE html><html><head><title>Log  in</title></head><body><p>x",
        "this is a web page (\"Log in\"), not a feed",
    );
    check("<html><body>", "this is a web page, not a feed");
    check(
        "<opml version='2.0'><body/></opml>",
        "this is a list of feeds (OPML), not a feed; name it as `opml` of a source",
    );
    check("<?xml version='1.0'?><svg/>", "this is XML (<svg>), but no feed");
    check("{\"a\": 1}", "this is JSON, but no JSON Feed: it has no list of items");
    check("Service unavailable", "this is no feed; it begins with \"Service unavailable\"");
    check("%PDF-1.7 x", "this is a PDF file, not a feed");
}

/// Documents that try to cost time or memory out of proportion. A step that grows with the square of the size would take
/// minutes here.
#[test]
fn hostile_documents_cost_linear_time() {
    let many = |piece: &str, size: usize| piece.repeat(size / piece.len());
    let item = |inside: String| {
        format!("<rss version=\"2.0\"><channel><title>t</title><item><title>x</title>{inside}</item></channel></rss>")
    };
    let size = 1_000_000;
    let description = |markup: String| item(format!("<description><![CDATA[{markup}]]></description>"));
    let cases: Vec<(&str, String)> = vec![
        ("deep elements", item(many("<a>", size))),
        ("deep media groups", item(many("<media:group>", size))),
        (
            "deep xhtml",
            format!(
                "<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry><content type=\"xhtml\">{}",
                many("<div>", size)
            ),
        ),
        ("deep html", description(many("<div>", size))),
        ("deep html that seems closed", description(many("<b></i>", size))),
        ("misnested html", description(many("<a><div></a>", size))),
        ("formatting without end", description(many("<p><font size=1>", size))),
        (
            "formatting in every paragraph",
            description(format!(
                "<p>{}{}",
                (0..250).map(|n| format!("<b id={n}>")).collect::<String>(),
                many("<p>x", size)
            )),
        ),
        ("formatting that is adopted", description(many("<b><i><div></b>", size))),
        ("formatting around blocks", description(many(&format!("<b>{}</b>", "<div>".repeat(12)), size))),
        (
            "attributes in every paragraph",
            description(format!(
                "<p><b {}>{}",
                (0..500).map(|n| format!("a{n} ")).collect::<String>(),
                many("<p>x", size)
            )),
        ),
        (
            "attributes that are compared",
            description(format!(
                "{}{}",
                (0..250)
                    .map(|n| format!("<b id={n} {}>", (0..100).map(|n| format!("a{n} ")).collect::<String>()))
                    .collect::<String>(),
                many("<b></b>", size)
            )),
        ),
        (
            "attributes of an end tag",
            description(format!("</p {}>", (0..150_000).map(|n| format!("a{n} ")).collect::<String>())),
        ),
        ("quotes that are names", description(format!("<i =\">{}", many("<div>", size)))),
        ("quotes in values", description(format!("<a b=c=\">{}", many("<div>", size)))),
        ("html behind a comment", description(format!("<!--<x a=\"-->{}", many("<div>", size)))),
        ("html behind a title", description(format!("<title><x a=\"</title>{}", many("<div>", size)))),
        ("lists in lists", description(format!("{}{}", many("<dd><li>", size / 2), many("</x>", size / 2)))),
        ("cells in a picture", description(format!("<svg>{}{}", many("<td>", size / 2), many("</x>", size / 2)))),
        (
            "attributes behind a comment",
            description(format!("<!--><i {}>", (0..150_000).map(|n| format!("a{n} ")).collect::<String>())),
        ),
        ("tables", description(many("<table><tr><td>", size))),
        ("html attributes", description(format!("<p {}>x</p>", many("a b=c ", size)))),
        ("attributes", item(format!("<guid {}>x</guid>", many("a='b' ", size)))),
        (
            "namespaces on one element",
            format!(
                "<rss {}><channel/></rss>",
                (0..100_000).map(|n| format!("xmlns:n{n}='u{n}' ")).collect::<String>()
            ),
        ),
        ("namespaces on many", item(many("<a xmlns:x='y'><x:b/></a>", size))),
        ("namespaces on nested", item(many("<a xmlns:x='y'>", size))),
        (
            "entity declarations",
            format!("<!DOCTYPE rss [{}]>{}", many("<!ENTITY a \"&b;&b;\">", size), item("&a;".into())),
        ),
        ("entities", item(format!("<description>{}</description>", many("&amp;&eacute;&#38;", size)))),
        ("lone ampersands", item(format!("<description>{}</description>", many("&", size)))),
        ("less-than signs", item(format!("<description>{}</description>", many("< <", size)))),
        ("quotes that never close", item(many("<a b=\"> <a b='>", size))),
        ("quotes before the last one", item(format!("{}\"x", many("<a b=\">", size)))),
        ("comments without end", item(many("<!-- ", size))),
        ("instructions without end", item(many("<? ", size))),
        ("sections without end", item(many("<x><![CDATA[", size))),
        ("sections in sections", item(many("<x><![CDATA[</x>", size))),
        ("sections in small letters", item(many("<x><![cdata[</x>", size))),
        ("openings that are no sections", item(many("<x><![CDATA[<![x</x>", size))),
        (
            "a long language",
            format!("<rss xml:lang=\"{}\"><channel>{}", many("a", size), many("<item><title>x</title></item>", size)),
        ),
        (
            "a long base",
            format!(
                "<feed xml:base=\"http://e.example/{}\">{}",
                many("a", size),
                many("<entry><title/></entry>", size)
            ),
        ),
        (
            "a long link",
            format!(
                "<rss><channel><link>http://e.example/{}</link>{}",
                many("a", size),
                many("<item><description>a &lt;b></description></item>", size)
            ),
        ),
        ("doctypes", many("<!DOCTYPE x [", size)),
        ("end tags", item(many("</x>", size))),
        ("end tags of what is open", item(many("<a><b></a>", size))),
        ("items in items", many("<item><title>x", size)),
        (
            "huge title",
            format!("<rss><channel><item><title>{}</title></item></channel></rss>", many("word ", 4 * size)),
        ),
        ("huge name", item(format!("<{}>", many("x", size)))),
        ("huge id", item(format!("<guid>{}</guid>", many("x", size)))),
        ("text in pieces", item(format!("<description>{}</description>", many("<![CDATA[x]]>&amp;", size)))),
        ("many enclosures", item(many("<enclosure url='http://e.example/a'/>", size))),
        ("many categories", item(many("<category>c</category>", size))),
        ("many links", item(many("<link rel='self' href='http://e.example/a'/>", size))),
        ("deep json", format!("{{\"version\":\"https://jsonfeed.org/version/1.1\",\"x\":{}", many("[", size))),
        (
            "deep json objects",
            format!("{{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[{}", many("{\"a\":", size)),
        ),
        (
            "authors of json",
            format!(
                "{{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[{{\"id\":1,\"authors\":[{}0]}}]}}",
                (0..100_000).map(|n| format!("\"a{n}\",")).collect::<String>()
            ),
        ),
        ("control characters", item(format!("<description>{}</description>", many("\u{1}\u{FFFE}", size)))),
        ("not utf-8", item(String::new())),
        (
            "a long title with tags",
            format!("<rss><channel><item><title>{}</title></item></channel></rss>", many("&lt;b&gt;&lt;/i&gt;", size)),
        ),
    ];
    for (name, document) in cases {
        let start = cpu_time();
        if let Ok(feed) = read(document.as_bytes()) {
            let shown = neutral(&feed).to_string();
            assert!(shown.len() < 6 * document.len() + 100_000, "{name}: {} bytes", shown.len());
        }
        let took = cpu_time() - start;
        println!("{:>8.3} s for {:>9} bytes: {name}", took.as_secs_f64(), document.len());
        assert!(took < Duration::from_secs(30), "{name} took {took:?}");
    }
}

/// CPU time of this thread: a busy machine is no fault of the parser.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "clock_gettime");
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Of a million entries a thousand are kept: the newest if all are dated, else the first.
#[test]
fn entries_are_limited() {
    let limits = Limits { entries: 100, ..Limits::default() };
    let document = |item: &dyn Fn(u32) -> String| {
        let items: String = (0..10_000).map(item).collect();
        format!("<rss version=\"2.0\"><channel>{items}</channel></rss>")
    };
    let ids = |document: &str| {
        let feed =
            parse::document(&Input { bytes: document.as_bytes(), content_type: None, base: None }, &limits).unwrap();
        assert!(feed.repairs.0.contains_key("limit: entries"));
        feed.entries.iter().map(|entry| entry.id.clone().unwrap_or_default().parse().unwrap()).collect::<Vec<u32>>()
    };
    let dated = |n: u32| format!("<item><guid>{n}</guid><pubDate>{}</pubDate></item>", 1_600_000_000 + n);
    assert_eq!(ids(&document(&dated)), (9_900..10_000).collect::<Vec<u32>>());
    for undated in [0, 99, 100, 150, 5_000, 9_999] {
        let one_undated = |n: u32| if n == undated { format!("<item><guid>{n}</guid></item>") } else { dated(n) };
        assert_eq!(ids(&document(&one_undated)), (0..100).collect::<Vec<u32>>(), "{undated}");
    }
}

const SAMPLES: [&str; 4] = [
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<rss version=\"2.0\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\"><channel>\
     <title>Tést &amp; more</title><link>http://e.example/</link><item><title>One</title><guid isPermaLink=\"false\">a</guid>\
     <description>&lt;p&gt;x&lt;/p&gt;</description></item><item><title><![CDATA[Two <b>2</b>]]></title><guid>b</guid>\
     <content:encoded><![CDATA[<p>y</p>]]></content:encoded><pubDate>Mon, 03 Sep 2012 10:00:00 GMT</pubDate></item></channel></rss>",
    "<a:feed xmlns:a=\"http://www.w3.org/2005/Atom\"><a:title type=\"xhtml\"><div xmlns=\"http://www.w3.org/1999/xhtml\">T&eacute;</div>\
     </a:title><a:entry><a:id>a</a:id><a:title>One</a:title><a:content type=\"html\">&lt;b>x&lt;/b></a:content></a:entry>\
     <a:entry><a:id>b</a:id><a:link href='/x'/></a:entry></a:feed>",
    "<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns=\"http://purl.org/rss/1.0/\"><channel><title>T</title>\
     </channel><item rdf:about=\"a\"><title>One</title></item><item rdf:about=\"b\"><title>Two</title></item></rdf:RDF>",
    "{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"T\\u00e9\",\"items\":[{\"id\":1,\"content_text\":\"x\"},\
     {\"id\":\"b\",\"content_html\":\"<p>y\",\"tags\":[\"z\"]}]}",
];

/// Cut at every byte, a document gives at least its complete entries.
#[test]
fn complete_entries_of_a_cut_document_count() {
    for sample in SAMPLES {
        let ends: Vec<usize> = ["</item>", "</a:entry>", "},", "}]"]
            .iter()
            .flat_map(|end| sample.match_indices(end).map(|(at, end)| at + end.len()))
            .collect();
        for cut in 0..sample.len() {
            let complete = ends.iter().filter(|end| **end <= cut).count();
            let found = read(&sample.as_bytes()[..cut]).map_or(0, |feed| feed.entries.len());
            assert!(
                found >= complete,
                "cut at {cut}: {found} of {complete} in {}",
                &sample[..sample.floor_char_boundary(cut)]
            );
        }
    }
}

/// Everything in a document that a reader might meet, and nothing that XML 1.0 forbids.
fn check_output(feed: &ParsedFeed) {
    let shown = neutral(feed);
    let mut left = vec![&shown];
    while let Some(value) = left.pop() {
        match value {
            serde_json::Value::String(text) => assert!(!charset::has_forbidden(text.as_bytes()), "{text:?}"),
            serde_json::Value::Array(values) => left.extend(values),
            serde_json::Value::Object(map) => left.extend(map.values()),
            _ => {}
        }
    }
}

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "<item>",
            "</item>",
            "<entry>",
            "</entry>",
            "<title>",
            "</title>",
            "<title/>",
            "<description>",
            "</description>",
            "<link>",
            "</link>",
            "<link href='x'/>",
            "<guid>",
            "</guid>",
            "<![CDATA[",
            "]]>",
            "<!--",
            "-->",
            "<?x",
            "?>",
            "<!DOCTYPE x [",
            "]>",
            "&amp;",
            "&lt;b&gt;",
            "&#0;",
            "&#x80;",
            "&#55555555555;",
            "&nbsp;",
            "&",
            "<",
            ">",
            "\"",
            "'",
            "=",
            "<b>",
            "</b>",
            "<br>",
            "<p class=\"",
            "<img src='a.png' width=1 height=1>",
            "<media:group>",
            "<media:content url='x'>",
            "</media:group>",
            "<author>",
            "</author>",
            "<name>",
            "<content type='xhtml'>",
            "<content type='base64'>",
            "</content>",
            "<source>",
            "xmlns:a='b'",
            "xml:base='http://e.example/'",
            "\u{1}",
            "\u{FFFF}",
            "\u{85}",
            "é",
            "â€¦",
            "<rss>",
            "<channel>",
            "<feed>",
            "<pubDate>Mon, 03 Sep 2012",
            "</pubDate>",
            "{",
            "}",
            "[",
            "]",
            "\"items\":",
            ",",
            "\\u0001",
            "<style>",
            "<script>",
            "</script>",
            "<table>",
            "<td>",
            "<svg>",
            "<math>",
            "<iframe src='//youtube.com/embed/a'>",
            "<template>",
            "<select>",
        ])
        .prop_map(str::to_owned),
        "[ -~]{0,8}",
        ".{0,4}",
    ]
}

fn documents() -> impl Strategy<Value = String> {
    let head = prop::sample::select(vec![
        "",
        "<rss version='2.0'><channel>",
        "<rss><channel><item>",
        "<feed xmlns='http://www.w3.org/2005/Atom'><entry>",
        "<rdf:RDF>",
        "<CHANNEL><ITEM>",
        "{\"version\":\"https://jsonfeed.org/version/1.1\",\"items\":[{",
        "<?xml version='1.0' encoding='utf-16'?><rss>",
    ]);
    (head, prop::collection::vec(piece(), 0..60)).prop_map(|(head, pieces)| head.to_owned() + &pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_document_is_read_or_refused(text in documents()) {
        if let Ok(feed) = read(text.as_bytes()) {
            check_output(&feed);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), header in "[ -~]{0,30}") {
        let decoded = charset::decode(&bytes, Some(&header));
        prop_assert!(!charset::has_forbidden(decoded.text.as_bytes()));
        let _ = opml::outlines(&bytes);
        let document = [b"<rss><channel><item><title>".as_slice(), &bytes].concat();
        if let Ok(feed) = read(&document) {
            check_output(&feed);
        }
    }

    #[test]
    fn a_sample_with_changed_bytes_is_read_or_refused(
        sample in prop::sample::select(SAMPLES.to_vec()), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        let mut bytes = sample.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(feed) = read(&bytes) {
            check_output(&feed);
        }
    }

    #[test]
    fn any_text_is_a_date_or_none(text in "\\PC{0,40}", parts in "[0-9a-zA-Z:+/., -]{0,40}") {
        let _ = (date::parse(&text), date::parse(&parts));
    }

    /// What was cleaned is clean: a second time changes nothing that is seen.
    #[test]
    fn cleaned_html_is_safe_and_stays(pieces in prop::collection::vec(piece(), 0..40)) {
        let once = clean::html(&pieces.concat(), None);
        prop_assert!(!charset::has_forbidden(once.0.as_bytes()));
        let lower = once.0.to_ascii_lowercase();
        for dangerous in ["<script", "<style", "<iframe", "<svg", "<math", "<template", " onerror=", "javascript:"] {
            prop_assert!(!lower.contains(dangerous), "{}", once.0);
        }
        let twice = clean::html(&once.0, None);
        prop_assert_eq!(clean::visible(&once), clean::visible(&twice));
    }
}
