//! Local articles as data: every file in `tests/fixtures/{plain,markdown,html}` is one case, `NAME.expect` its answer.
//!
//! `UPDATE_EXPECT=1` rewrites the answers; read the diff. A plain text whose name begins with `always-` or `never-` is
//! read with that `section-line`. Paths: `NAME.ext`, in the folder `news`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use newsdesk::model::Section;
use newsdesk::parse::article::{self, Article, LineUse, NotAnArticle, Options};
use newsdesk::parse::feed::{Attribution, Text};
use newsdesk::parse::plain::{SectionLine, Vocabulary};
use newsdesk::parse::{Limits, ParsedEntry};
use proptest::prelude::*;

#[test]
fn plain_text() {
    fixtures("plain");
}

#[test]
fn markdown() {
    fixtures("markdown");
}

#[test]
fn html() {
    fixtures("html");
}

/// The article that the reader of plain text exists for. It is not part of the repository.
#[test]
fn article_from_the_wire() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/examples/article-from-the-wire.txt");
    let Ok(bytes) = fs::read(&path) else {
        println!("skipped: {} is not there", path.display());
        return;
    };
    let text = String::from_utf8(bytes.clone()).unwrap();
    let blocks: Vec<&str> = text.split("\n\n").map(str::trim).filter(|block| !block.is_empty()).collect();
    let [_, title, paragraphs @ .., _, _] = blocks.as_slice() else { panic!("another shape than expected") };
    let windows = text.replace('\n', "\r\n").into_bytes();
    let bare = text.replace("Source: FT", "").replace("Leave a Reply", "").into_bytes();
    for (bytes, credited) in [(bytes, 1), (windows, 1), (bare, 0)] {
        let article = read(&bytes, "news/wire.txt").unwrap();
        let entry = &article.feed.entries[0];
        let html = entry.content.as_ref().unwrap().value.clone();
        let found: Vec<&str> = html
            .lines()
            .map(|line| line.strip_prefix("<p>").and_then(|line| line.strip_suffix("</p>")).unwrap())
            .collect();
        assert_eq!(entry.sections, ["politics", "world"]);
        assert_eq!(entry.title.as_ref().unwrap().value, *title);
        assert_eq!(entry.summary.as_ref().unwrap().value, paragraphs[0]);
        assert_eq!(found, paragraphs);
        assert_eq!(entry.attributions.len(), credited);
        assert!(entry.attributions.iter().all(|credit| credit.name == "FT"));
        assert!(!html.contains("Leave a Reply"));
    }
}

/// Every sample article is read without a warning, into a section of the example configuration.
#[test]
fn samples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("feeds/articles");
    let scan = newsdesk::fetch::folder::scan(&root).unwrap();
    assert!(scan.failures.is_empty() && scan.files.len() >= 6);
    for file in &scan.files {
        let bytes = newsdesk::fetch::folder::read(&root, &file.path, 1 << 20).unwrap();
        let article = read(&bytes, &file.path).unwrap();
        assert_eq!(article.warnings, [""; 0], "{}", file.path);
        assert!(article.files.iter().all(|file| root.join(file).is_file()), "{}", file.path);
        for entry in &article.feed.entries {
            let known = ["politics", "world", "technology", "science"];
            assert!(entry.title.is_some() && entry.content.is_some(), "{}", file.path);
            assert!(
                !entry.sections.is_empty() && entry.sections.iter().all(|name| known.contains(&&**name)),
                "{}",
                file.path
            );
        }
    }
}

#[test]
fn names_of_articles() {
    for name in ["a.txt", "a.md", "A.TXT", "x/y/ü.markdown", "a.b.html", "feed.atom", "2026.json", "_draft.md"] {
        assert!(article::is_article_name(name), "{name}");
    }
    for name in [
        "",
        "txt",
        ".txt",
        ".a.txt",
        "a",
        "a.txt~",
        "a.txt.swp",
        "a.tmp.txt",
        "a.part.md",
        "~$a.txt",
        "#a.txt",
        "x/.git/a.md",
        "a.jpg",
        "a.txt.crdownload",
        "x//a.txt",
        "a.docx",
    ] {
        assert!(!article::is_article_name(name), "{name}");
    }
}

#[test]
fn dates_without_a_zone_are_those_of_the_site() {
    let check = |path: &str, text: &str, want: &str| {
        let zone = chrono_tz::Tz::America__New_York;
        let (vocabulary, section_line, limits) = (vocabulary(), SectionLine::Auto, Limits::default());
        let options = Options {
            path,
            vocabulary: &vocabulary,
            section_line,
            residue: &[],
            full_text: false,
            zone,
            limits: &limits,
        };
        let article = article::read(text.as_bytes(), &options).unwrap();
        let published = article.feed.entries[0].published.map(|time| time.format("%F %R").to_string());
        assert_eq!(published.as_deref(), Some(want), "{path}");
    };
    check("a.txt", "A title\nDate: 2026-03-27 10:00\n\nThe text of it.\n", "2026-03-27 14:00");
    check("a.md", "---\ndate: 2026-03-27\n---\n# A title\n\nThe text.\n", "2026-03-27 04:00");
    check("b.md", "---\ndate: 2026-03-27T10:00:00Z\n---\n# A title\n\nThe text.\n", "2026-03-27 10:00");
    check("2026-03-27-a.txt", "A title\n\nThe text of it.\n", "2026-03-27 04:00");
    let page =
        |head: &str, body: &str| format!("<html><head><title>T</title>{head}</head><body>{body}<p>Text.</body></html>");
    check("a.html", &page("<meta name=date content='2026-03-27 10:00'>", ""), "2026-03-27 14:00");
    check("b.html", &page("", "<time>27 March 2026</time>"), "2026-03-27 04:00");
    let linked = "<script type='application/ld+json'>{\"@type\":\"Article\",\"datePublished\":\"2026-03-27\"}</script>";
    check("c.html", &page(linked, ""), "2026-03-27 04:00");
}

#[test]
fn dates_in_names() {
    let day = |path: &str| article::date_in_name(path, chrono_tz::Tz::UTC).map(|date| date.format("%F %T").to_string());
    for path in [
        "2026-03-27-title.txt",
        "2026-03-27.md",
        "x/2026-03-27_title.md",
        "2026_03_27 title.txt",
        "20260327-title.txt",
        "2026.03.27.txt",
        "x/2026-03-27-title/index.md",
        "2026-03-27Ttitle.txt",
    ] {
        assert_eq!(day(path).as_deref(), Some("2026-03-27 00:00:00"), "{path}");
    }
    for path in [
        "title.txt",
        "2026-03-32-a.txt",
        "2026-02-30.txt",
        "202603271.txt",
        "2026-03-271.txt",
        "2026-03_27.txt",
        "2026",
        "",
        "äöü2026-03-27.txt",
        "2026-03-27/a.txt",
        "1234567-a.txt",
    ] {
        assert_eq!(day(path), None, "{path}");
    }
}

#[test]
fn words_of_sections() {
    let vocabulary = vocabulary();
    for (words, section) in [
        ("Politics", Some("politics")),
        ("WESTMINSTER", Some("politics")),
        ("middle-east", Some("middle-east")),
        ("Middle East", Some("middle-east")),
        ("middle east", Some("middle-east")),
        ("nature & science", Some("science")),
        ("Foreign  Affairs", Some("world")),
        ("ЕВРОПА", Some("europa")),
        ("Foreign", None),
        ("World Politics", None),
        ("", None),
        ("Worldly", None),
    ] {
        assert_eq!(vocabulary.resolve(words), section, "{words}");
    }
}

#[test]
fn sub_folders_name_sections() {
    let article = read(b"Technology\n\nHow the letters travel\n\nBy cable.", "notes/middle-east/World/a.txt").unwrap();
    assert_eq!(article.feed.entries[0].sections, ["technology", "middle-east", "world"]);
    let feed = br#"{"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "1", "content_text": "Soup."}]}"#;
    assert_eq!(read(feed, "science/feed.json").unwrap().feed.entries[0].sections, ["science"]);
}

/// Every line becomes exactly one thing, and what is the body's stands in the published text, in its order.
fn check_lines(text: &str) {
    let article = match read(text.as_bytes(), "news/a.txt") {
        Ok(article) => article,
        Err(refused) => {
            let lines = || text.lines().filter(|line| !line.trim().is_empty());
            let headers = refused == NotAnArticle::NoText && lines().all(|line| line.contains(':'));
            assert!(headers || lines().count() == 0, "{refused}: {text:?}");
            return;
        }
    };
    let solid = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let entry = &article.feed.entries[0];
    assert!(!entry.title.as_ref().unwrap().value.is_empty());
    assert!(article.lines.windows(2).all(|pair| pair[0].number < pair[1].number));
    assert_eq!(article.lines.iter().map(|line| solid(&line.text)).collect::<String>(), solid(text));
    let html = entry.content.as_ref().map(|content| content.value.clone()).unwrap_or_default();
    let mut plain = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    let plain = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
    let plain = solid(&plain);
    let mut rest = plain.as_str();
    for line in article.lines.iter().filter(|line| line.used == LineUse::Body) {
        // The mark of a list's item is shown by the list.
        let unmarked = line.text.split_once(' ').map(|(_, text)| solid(text)).unwrap_or_default();
        let whole = solid(&line.text);
        let found = [&whole, &unmarked].into_iter().filter_map(|text| Some((rest.find(text.as_str())?, text.len())));
        let end = found.min().map(|(at, length)| at + length);
        rest = &rest[end.unwrap_or_else(|| panic!("{:?} is not in {html}", line.text))..];
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_line_of_any_text_is_accounted_for(text in "[ -~\n“”é中の—]{0,400}") {
        check_lines(&text);
    }

    #[test]
    fn every_line_of_shuffled_articles_is_accounted_for(
        lines in prop::collection::vec(prop::sample::select(REALISTIC), 0..24),
        wraps in prop::collection::vec(prop::bool::ANY, 24),
    ) {
        let ends = wraps.iter().map(|wrap| if *wrap { "\n" } else { "\n\n" });
        check_lines(&lines.iter().zip(ends).flat_map(|(line, end)| [*line, end]).collect::<String>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Read or refused, but answered.
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(prop::num::u8::ANY, 0..200)) {
        for name in ["a.txt", "a.md", "a.html", "a.xml", "a.json"] {
            let _ = read(&bytes, name);
        }
    }

    #[test]
    fn any_markup_is_answered(pieces in prop::collection::vec(prop::sample::select(MARKUP), 0..40)) {
        let text = pieces.concat();
        for name in ["a.txt", "a.md", "a.html", "a.xml"] {
            let _ = read(text.as_bytes(), name);
        }
    }
}

/// Pieces of markup that readers stumble over.
const MARKUP: &[&str] = &[
    "---\n",
    "+++\n",
    "title: a\n",
    "title = \"a\"\n",
    "date: 2026-03-27\n",
    "tags: [a, b]\n",
    "a: &a b\n",
    "c: *a\n",
    "- x\n",
    "# A\n",
    "\n\n",
    "\n",
    " ",
    "> ",
    "* ",
    "1. ",
    "[a](b.png)",
    "![",
    "[^1]",
    "[^1]: ",
    "~~",
    "`",
    "```\n",
    "|a|b|\n",
    "|-|-|\n",
    "<!-- more -->",
    "<!--",
    "-->",
    "<p>",
    "</p>",
    "<b>",
    "</b>",
    "<table>",
    "<tr>",
    "<td>",
    "</table>",
    "<svg>",
    "<style>",
    "<template>",
    "</template>",
    "<article>",
    "<h1>A",
    "</h1>",
    "<title>",
    "<meta charset=\"",
    "\">",
    "<a href='",
    "'",
    "<br/>",
    "<script type=\"application/ld+json\">",
    "{\"@type\": \"Article\", \"author\": [",
    "]}",
    "</script>",
    "<time datetime=\"2026\">",
    "<select>",
    "<option>",
    "<math>",
    "<base href=\"http://a.example/\">",
    "<?xml version=\"1.0\"?>",
    "<html>",
    "&amp;",
    "&#0;",
    "é",
    "中",
    "\u{0}",
    "\u{feff}",
    "<img src=x.png srcset=\"a.png 1x, ",
    "<![CDATA[",
    "]]>",
    "</",
    "<",
];

/// Lines that newsrooms and pages produce.
const REALISTIC: &[&str] = &[
    "",
    "Politics World",
    "POLITICS & TECH",
    "Politics Energy",
    "World",
    "Us and them",
    "Harbours agree on the dyke",
    "Ukraine: what we know so far",
    "and the sea behind it,",
    "By Jane Doe and René van der Berg",
    "By Friday the city had fallen",
    "Date: 2026-03-27",
    "Summary: a foot within ten years",
    "Title: Another title",
    "Image: how the press won",
    "LOWMOUTH, March 3 — The harbour master resigned.",
    "The dyke will be raised by a foot within ten years, paid for by all four harbours.",
    "The dyke will be raised by a foot within ten years, paid for by all four harbours according to the length of their \
     quays, the union of harbours said on Tuesday after a night of talks & tea at https://union.example/dyke.",
    "1. FC Koln won",
    "2. Bread",
    "3. Soup",
    "- one",
    "- two",
    "* three",
    "Related",
    "Share this:",
    "Source: FT",
    "Source: World Bank",
    "(Source: Reuters, AP)",
    "Originally published in The Gazette",
    "=====",
    "3 Comments",
    "Leave a Reply",
    "<script>alert(1)</script> & so on",
    "四个港口就堤坝达成协议。",
];

/// Nothing that a file holds overflows a stack or takes more than its size deserves.
#[test]
fn hostile_files_are_read_in_linear_time() {
    let cases: Vec<(&str, String)> = vec![
        ("lines.txt", "a\n".repeat(1_000_000)),
        ("blocks.txt", "a\n\n".repeat(100_000)),
        ("line.txt", "word ".repeat(1 << 17)),
        ("headers.txt", "Date: 2026-01-01\n".repeat(20_000)),
        ("sources.txt", format!("Title\n\n{}", "Source: FT\n".repeat(30_000))),
        ("residue.txt", format!("Title\n\nText\n\n{}", "Share this\n\n".repeat(80_000))),
        ("list.txt", format!("Title\n\n{}", "- a\n".repeat(60_000))),
        ("almost-list.txt", format!("Title\n\n{}", "1. a\n".repeat(60_000))),
        ("urls.txt", format!("Title\n\n{}", "http".repeat(250_000))),
        ("brackets.txt", format!("Title\n\nhttps://a.example/{}", ")".repeat(1 << 20))),
        ("stops.txt", "a.".repeat(200_000)),
        ("commas.txt", format!("By {}\n\nSource: {}", "A,".repeat(100_000), "A,".repeat(100_000))),
        ("divs.html", "<div>".repeat(50_000)),
        ("table.html", format!("<table>{}", "<div>".repeat(50_000))),
        ("templates.html", "<template>".repeat(50_000)),
        ("formatting.html", (0..40_000).map(|n| format!("<b a={n}><p>")).collect()),
        ("less.html", "<".repeat(1 << 20)),
        ("attributes.html", format!("<p {}>x", (0..100_000).map(|n| format!("a{n} ")).collect::<String>())),
        ("comments.html", "<!--".repeat(250_000)),
        ("scripts.html", "<script>".repeat(100_000)),
        ("paragraphs.html", "<p>a".repeat(60_000)),
        ("quotes.md", ">".repeat(1 << 17)),
        ("brackets.md", "[".repeat(1 << 18)),
        ("stars.md", "*a ".repeat(1 << 16)),
        ("ticks.md", (1..1_000).map(|n| "`".repeat(n) + " ").collect()),
        ("items.md", "- ".repeat(1 << 17)),
        ("links.md", "![](a.png)".repeat(100_000)),
        ("front.md", format!("---\n{}", "a: b\n".repeat(100_000))),
        ("nested.md", format!("---\na: {}\n---\n", "[".repeat(30_000))),
        ("nested-toml.md", format!("+++\na = {}\n+++\n", "[".repeat(30_000))),
        ("nested.json", "[".repeat(1 << 20)),
        ("linked.html", format!("<script type='application/ld+json'>{}</script><p>x", "[".repeat(1 << 20))),
    ];
    let mut slow = String::new();
    for (name, text) in cases {
        let started = std::time::Instant::now();
        // Refused or read: both are answers.
        let _ = read(text.as_bytes(), name);
        let took = started.elapsed();
        println!("{name}: {} KiB in {} ms", text.len() / 1024, took.as_millis());
        if took.as_secs() > 15 {
            writeln!(slow, "{name} took {took:?}").unwrap();
        }
    }
    assert!(slow.is_empty(), "{slow}");
}

fn fixtures(kind: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind);
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|ending| ending != "expect"));
    cases.sort();
    assert!(!cases.is_empty());
    let mut failures = String::new();
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let answer = answer(read(&fs::read(&case).unwrap(), &format!("news/{name}")));
        let expect = case.with_extension("expect");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&expect, &answer).unwrap();
        }
        let expected = fs::read_to_string(&expect).unwrap_or_default();
        if expected != answer {
            writeln!(failures, "=== {kind}/{name}\n--- expected\n{expected}--- found\n{answer}").unwrap();
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

fn read(bytes: &[u8], path: &str) -> Result<Article, NotAnArticle> {
    let name = path.rsplit('/').next().unwrap();
    let section_line = match name {
        name if name.starts_with("always-") => SectionLine::Always,
        name if name.starts_with("never-") => SectionLine::Never,
        _ => SectionLine::Auto,
    };
    let residue = ["you are reading the free edition".to_owned()];
    article::read(
        bytes,
        &Options {
            path,
            vocabulary: &vocabulary(),
            section_line,
            residue: &residue,
            full_text: false,
            zone: chrono_tz::Tz::UTC,
            limits: &Limits::default(),
        },
    )
}

fn vocabulary() -> Vocabulary {
    let section = |name: &str, title: &str, aliases: &[&str]| {
        Arc::new(Section {
            name: name.into(),
            title: title.into(),
            description: None,
            language: None,
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            sources: vec![],
            categories: vec![],
            include: vec![],
            limit: 50,
            max_age: None,
            keep: None,
            max_per_source: None,
            merges_copies: true,
            settle: chrono::TimeDelta::zero(),
            full_text: true,
            attribution: false,
        })
    };
    Vocabulary::new(&[
        section("politics", "Politics", &["Westminster"]),
        section("world", "World", &["Foreign Affairs"]),
        section("us", "US", &["United States", "U.S."]),
        section("technology", "Technology", &["Tech"]),
        section("science", "Science", &["Nature and Science"]),
        section("middle-east", "Middle East", &[]),
        section("europa", "Европа", &[]),
    ])
}

/// What became of an article, to be read by people.
fn answer(article: Result<Article, NotAnArticle>) -> String {
    let article = match article {
        Ok(article) => article,
        Err(refused) => return format!("refused: {refused}\n"),
    };
    let mut out = String::new();
    for entry in &article.feed.entries {
        entry_answer(entry, &mut out);
    }
    let mut field = |name: &str, value: String| {
        if !value.is_empty() {
            writeln!(out, "{name}: {value}").unwrap();
        }
    };
    field("files", article.files.join(", "));
    field("warnings", article.warnings.join("; "));
    field("lines", lines(&article));
    out
}

fn entry_answer(entry: &ParsedEntry, out: &mut String) {
    let mut field = |name: &str, value: String| {
        if !value.is_empty() {
            writeln!(out, "{name}: {value}").unwrap();
        }
    };
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.value.clone()).unwrap_or_default();
    let time = |time: &Option<newsdesk::model::Time>| time.map(|time| time.to_rfc3339()).unwrap_or_default();
    let people = entry.authors.iter().map(|person| {
        let parts = [&person.name, &person.email, &person.uri];
        parts.into_iter().flatten().cloned().collect::<Vec<_>>().join(" ")
    });
    field("title", text(&entry.title));
    field("sections", entry.sections.join(", "));
    field("categories", entry.categories.iter().map(|category| category.term.clone()).collect::<Vec<_>>().join(", "));
    field("authors", people.collect::<Vec<_>>().join("; "));
    field("published", time(&entry.published));
    field("updated", time(&entry.updated));
    field("link", entry.link.clone().unwrap_or_default());
    field("language", entry.language.clone().unwrap_or_default());
    field("image", entry.image.clone().unwrap_or_default());
    field("slug", entry.slug.clone().unwrap_or_default());
    field("draft", if entry.draft { "yes".to_owned() } else { String::new() });
    for enclosure in &entry.enclosures {
        let kind = enclosure.media_type.clone().unwrap_or_default();
        let length = enclosure.length.map(|length| length.to_string()).unwrap_or_default();
        field("enclosure", format!("{} {kind} {length}", enclosure.url).trim_end().to_owned());
    }
    for Attribution { name, url } in &entry.attributions {
        field("origin", format!("{name} {}", url.clone().unwrap_or_default()).trim_end().to_owned());
    }
    field("summary", text(&entry.summary));
    field("content", text(&entry.content).trim_end().replace('\n', "\n  "));
}

/// "1 section, 2 title, 3-9 body"
fn lines(article: &Article) -> String {
    let mut runs: Vec<(usize, usize, LineUse)> = Vec::new();
    for line in &article.lines {
        match runs.last_mut() {
            Some((_, last, used)) if *used == line.used => *last = line.number,
            _ => runs.push((line.number, line.number, line.used)),
        }
    }
    let run = |(first, last, used): &(usize, usize, LineUse)| {
        let used = format!("{used:?}").to_lowercase();
        if first == last { format!("{first} {used}") } else { format!("{first}-{last} {used}") }
    };
    runs.iter().map(run).collect::<Vec<_>>().join(", ")
}
