//! Pages: what people see, against answers in `fixtures/render/pages` (`UPDATE_EXPECT=1` rewrites them), and what must
//! hold for any of them: no script, no inline style, all foreign text escaped.

use std::fs;
use std::path::Path;

use newsdesk::model::{AlsoIn, Enclosure, Html, Person, Time};
use newsdesk::render::page::*;

fn at(text: &str) -> Time {
    text.parse().expect("a date")
}

fn site() -> Site {
    let section = |name: &str, title: &str| SectionLink { name: name.into(), title: title.into() };
    Site {
        title: "The Daily Desk".into(),
        url: "https://news.example/desk/".into(),
        base_path: "/desk/".into(),
        language: Some("en".into()),
        timezone: chrono_tz::Europe::Berlin,
        sections: vec![
            section("politics", "Politics"),
            section("world", "World"),
            section("technology", "Technology"),
            section("ثقافة", "ثقافة"),
        ],
    }
}

fn named(name: &str, link: &str) -> Named {
    Named { name: name.into(), link: Some(link.into()).filter(|link: &String| !link.is_empty()) }
}

fn line(title: &str, summary: &str, origin: &str, published: &str) -> EntryLine {
    EntryLine {
        title: title.into(),
        link: "https://wire.example/story?id=1&part=2".into(),
        summary: Some(summary.into()).filter(|summary: &String| !summary.is_empty()),
        origin: named(origin, "https://wire.example/"),
        published: at(published),
        language: None,
        id: Some("tag:wire.example,2026:1".into()),
        also_in: Vec::new(),
        sections: Vec::new(),
    }
}

fn lines() -> Vec<EntryLine> {
    let mut budget = line(
        "Budget passes after the shortest debate in a generation",
        "The vote took nine minutes. It had been expected to take all night, and the chamber's kitchen had been told to stay open until four in the morning.",
        "Financial Times",
        "2026-03-28T09:30:00Z",
    );
    budget.also_in = vec![AlsoIn { name: "The Wire".into(), link: "https://wire.example/budget".into() }];
    let mut arabic = line(
        "البرلمان يقرّ الميزانية بأغلبية كبيرة",
        "أقرّ البرلمان الميزانية بأغلبية كبيرة بعد تسع دقائق.",
        "أخبار",
        "2026-03-28T08:00:00Z",
    );
    arabic.language = Some("ar".into());
    vec![
        budget,
        arabic,
        line("R&D <gets> \"more\"", "", "The Wire", "2026-03-27T23:30:00Z"),
        line(
            "",
            "A thought without a title, which goes on for rather longer than a title should and then for some more.",
            "A micro blog",
            "2026-03-27T12:00:00Z",
        ),
        line(
            "Strike ends: trains run again from Monday",
            "Both sides said that they had won.",
            "The Wire",
            "2026-03-26T07:05:00Z",
        ),
    ]
}

fn card(name: &str, title: &str, description: &str, newest: Vec<EntryLine>) -> SectionCard {
    let description = Some(description.to_owned()).filter(|words| !words.is_empty());
    SectionCard { name: name.into(), title: title.into(), description, language: None, newest }
}

fn site_with(sections: Vec<SectionCard>) -> String {
    let is_empty = sections.is_empty();
    let site = Site { sections: if is_empty { Vec::new() } else { site().sections }, ..site() };
    let mut newest = if is_empty { Vec::new() } else { lines() };
    newest.iter_mut().zip(&site.sections).for_each(|(line, section)| line.sections = vec![section.clone()]);
    site_page(&SitePage {
        site,
        description: Some("What four desks have read for you.".into()).filter(|_| !is_empty),
        sections,
        newest,
        pager: Pager::default(),
        configuration: Some("/etc/newsdesk/newsdesk.toml".into()).filter(|_| is_empty),
    })
}

fn section_with(language: &str, entries: Vec<EntryLine>) -> String {
    section_page(&SectionPage {
        site: site(),
        path: "politics/".into(),
        title: "Politics".into(),
        description: Some("What is decided, by whom, and what it costs.".into()),
        language: Some(language.into()),
        entries,
        day: None,
        pager: Pager { newer: None, older: Some("politics/2026-03-26/".into()) },
    })
}

fn rtl_section() -> String {
    let mut entries = lines();
    entries.iter_mut().for_each(|entry| {
        (entry.title, entry.summary) =
            ("البرلمان يقرّ الميزانية".into(), Some("أقرّ البرلمان الميزانية بعد تسع دقائق من النقاش.".into()))
    });
    section_page(&SectionPage {
        site: Site { title: "المكتب اليومي".into(), language: Some("ar".into()), ..site() },
        path: "%D8%AB%D9%82%D8%A7%D9%81%D8%A9/".into(),
        title: "ثقافة".into(),
        description: Some("كتب وأفلام وموسيقى".into()),
        language: Some("ar".into()),
        entries,
        day: None,
        pager: Pager { newer: Some("%D8%AB%D9%82%D8%A7%D9%81%D8%A9/2026-03-29/".into()), older: None },
    })
}

fn article() -> String {
    let content = Html(ARTICLE.into());
    article_with(content)
}

const ARTICLE: &str = "<p>The vote took nine minutes. It had been expected to take all night, and the chamber's kitchen had been told to stay open until four.</p>\n\
        <p>Members filed out past the soup. “I have never seen the like,” said one of them, who had; see <a href=\"https://parliament.example/votes\">the record</a>.</p>\n\
        <h2>What it costs</h2>\n<ul><li>Roads: 4 billion</li><li>Schools: 7 billion</li></ul>\n\
        <blockquote><p>A budget is a letter to people who cannot yet write back.</p></blockquote>\n\
        <p>The upper house takes it up on <em>Monday</em>.</p>";

/// The page of an article with this text.
pub fn article_with(content: Html) -> String {
    let link = |name: &str, title: &str| SectionLink { name: name.into(), title: title.into() };
    article_page(&ArticlePage {
        site: site(),
        path: "articles/budget-passes".into(),
        title: "Budget passes after the shortest debate in a generation".into(),
        summary: Some("The vote took nine minutes. It had been expected to take all night.".into()),
        content,
        authors: vec![
            Person { name: Some("Jane Doe".into()), ..Person::default() },
            Person {
                name: Some("René van der Berg".into()),
                uri: Some("https://rené.example/".into()),
                ..Person::default()
            },
        ],
        published: at("2026-03-28T09:30:00Z"),
        updated: at("2026-03-28T11:02:00Z"),
        language: Some("en-GB".into()),
        origin: Some(named("Financial Times", "https://www.ft.com/")),
        also_in: vec![AlsoIn { name: "The other paper".into(), link: "https://other.example/1".into() }],
        sections: vec![link("politics", "Politics"), link("world", "World")],
        categories: vec!["Budget".into(), "R&D".into()],
        image: None,
        enclosures: vec![Enclosure {
            url: "https://news.example/desk/articles/interview.mp3".into(),
            media_type: Some("audio/mpeg".into()),
            length: Some(4_194_304),
            duration_secs: Some(754),
            title: Some("The interview".into()),
        }],
        rights: Some("© 2026 The Daily Desk".into()),
        id: Some("urn:uuid:5b0e6a7c-93a0-5d5c-9a8e-4a7f1e9b0c01".into()),
    })
}

fn provenance() -> String {
    entry_page(&EntryPage {
        site: site(),
        id: "urn:uuid:5b0e6a7c-93a0-5d5c-9a8e-4a7f1e9b0c01".into(),
        title: "Strike ends: trains run again from Monday".into(),
        link: "https://wire.example/2026/03/27/strike".into(),
        summary: Some("Both sides said that they had won.".into()),
        language: None,
        authors: vec![Person { name: Some("Wire staff".into()), ..Person::default() }],
        categories: vec!["Transport".into()],
        source: named("wire", "https://wire.example/feed"),
        origin: named("The Wire", "https://wire.example/"),
        stated_published: Some(at("2026-03-29T22:15:30Z")),
        stated_updated: None,
        first_seen: at("2026-03-27T22:20:00Z"),
        effective: at("2026-03-27T22:20:00Z"),
        updated: at("2026-03-27T22:20:00Z"),
        sections: vec![SectionLink { name: "world".into(), title: "World".into() }],
        steps: vec!["source wire belongs to world".into(), "rule 2 takes it out of politics".into()],
        also_in: vec![AlsoIn { name: "The Other Wire".into(), link: "https://other.example/strike".into() }],
    })
}

fn health() -> String {
    let row = |name: &str, mark, outcome: &str, failures, why: &str| SourceRow {
        name: name.into(),
        link: Some("https://wire.example/".into()),
        mark,
        last_success: Some(at("2026-03-28T09:30:00Z")).filter(|_| mark != Mark::Waiting),
        last_try: Some(at("2026-03-28T09:45:00Z")).filter(|_| mark != Mark::Waiting),
        outcome: outcome.into(),
        silence: (mark == Mark::Quiet).then(|| "nothing new for 12 days; its usual gap is 3 h".into()),
        failures,
        since: Some(at("2026-03-27T03:00:00Z")).filter(|_| failures > 0),
        next_poll: Some(at("2026-03-28T10:15:00Z")),
        why: why.into(),
        advice: None,
        entries: 1234,
        full_text: None,
        cut: None,
        rhythm: (mark == Mark::Well).then(|| "every 3 h".into()),
        newest: Some(at("2026-03-28T09:15:00Z")).filter(|_| mark != Mark::Waiting),
        days: (0..30).map(|day| if mark == Mark::Waiting { 0 } else { day * day % 7 }).collect(),
    };
    let mut folder = row("articles", Mark::Well, "6 files, nothing new", 0, "watched; re-scanned at 04:10");
    folder.link = None;
    folder.last_try = folder.last_success;
    let mut moved = row("The Wire", Mark::Well, "304, nothing new", 0, "half of its usual gap of 1 h");
    moved.advice = Some("write url = \"https://wire.example/atom.xml\" (it has moved for good)".into());
    moved.cut = Some("limit: entries (1)".into());
    moved.full_text = Some("31 texts taken from pages, 2 waiting, 4 as the feed has them".into());
    let rule = |rule: &str, hits, last| RuleRow { rule: rule.into(), hits, last };
    status_page(&StatusPage {
        site: site(),
        counts: vec![(Mark::Failing, 1), (Mark::Gone, 1), (Mark::Quiet, 1), (Mark::Waiting, 1), (Mark::Well, 2)],
        sources: vec![
            row("Slow Times", Mark::Failing, "fetch: no answer within 15 s", 4, "4 failures: 15 min × 2⁴, then jitter"),
            row("Old Planet", Mark::Gone, "the publisher says that it is gone (410)", 1, "asked again once a month"),
            row("Monthly", Mark::Quiet, "304, nothing new", 0, "silent for 12 days"),
            row("أخبار", Mark::Waiting, "", 0, "first poll"),
            folder,
            moved,
        ],
        rules: vec![
            rule("rule 1", 1204, Some(at("2026-03-28T09:15:00Z"))),
            rule("rule 1 of source أخبار & <Co>", 1, Some(at("2026-03-27T18:00:00Z"))),
            rule("rule 1 of section politics", 0, None),
        ],
        notices: vec![
            "politics: one entry of “The Wire” was left out of the feeds: its link is not an absolute URL".into(),
        ],
        pager: Pager { newer: None, older: Some("status/2".into()) },
    })
}

pub fn pages() -> Vec<(&'static str, String)> {
    let some = |n: usize| lines().into_iter().take(n).collect::<Vec<_>>();
    let cards = vec![
        card("politics", "Politics", "What is decided, by whom, and what it costs.", some(3)),
        card("world", "World", "", some(1)),
        card("technology", "Technology", "Machines and the people who keep them.", Vec::new()),
        card("ثقافة", "ثقافة", "كتب وأفلام وموسيقى", some(2).split_off(1)),
    ];
    vec![
        ("site", site_with(cards)),
        ("site-empty", site_with(Vec::new())),
        ("section", section_with("en", lines())),
        ("section-empty", section_with("en", Vec::new())),
        ("section-rtl", rtl_section()),
        ("article", article()),
        ("entry", provenance()),
        ("status", health()),
        (
            "error",
            error_page(&ErrorPage {
                site: site(),
                status: 404,
                title: "There is nothing here".into(),
                advice: "The address may be old or mistyped. The sections above hold what there is.".into(),
            }),
        ),
    ]
}

#[test]
fn pages_read_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/render/pages");
    for (name, page) in pages() {
        let path = folder.join(name).with_extension("html");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, &page).unwrap();
            continue;
        }
        let expected = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}; UPDATE_EXPECT=1 writes it"));
        for (line, (actual, expected)) in page.lines().zip(expected.lines()).enumerate() {
            assert_eq!(actual, expected, "{}:{}", path.display(), line + 1);
        }
        assert_eq!(page.len(), expected.len(), "{}", path.display());
    }
}

#[test]
fn no_page_needs_more_than_a_strict_policy_allows() {
    for (name, page) in pages() {
        assert!(page.starts_with("<!DOCTYPE html>"), "{name}");
        for forbidden in ["<script", " style=", "<style", "javascript:", " onclick=", "http-equiv"] {
            assert!(!page.contains(forbidden), "{name} holds {forbidden}");
        }
        assert_eq!(page.matches("<h1").count(), 1, "{name} has one heading");
    }
}

#[test]
fn autodiscovery_names_atom_first() {
    for (page, url) in [
        (section_with("en", Vec::new()), "https://news.example/desk/politics/"),
        (article(), "https://news.example/desk/politics/"),
    ] {
        let types: Vec<&str> =
            page.match_indices("<link rel=\"alternate\"").take(3).map(|(at, _)| &page[at..]).collect();
        for (tag, (kind, file)) in types.iter().zip([
            ("application/atom+xml", "atom.xml"),
            ("application/rss+xml", "rss.xml"),
            ("application/feed+json", "feed.json"),
        ]) {
            let tag = &tag[..tag.find('>').unwrap()];
            assert!(tag.contains(kind) && tag.ends_with(&format!("href=\"{url}{file}\"")), "{tag}");
        }
    }
}

#[test]
fn foreign_text_stays_text() {
    let nasty = "</title><script>alert(1)</script>\" onload=\"x\u{0}";
    let mut entry = line(nasty, nasty, nasty, "2026-03-28T09:30:00Z");
    entry.link = "javascript:alert(1)".into();
    entry.origin.link = Some("data:text/html,<script>alert(1)</script>".into());
    let page = section_with(nasty, vec![entry]);
    assert!(!page.contains("<script") && !page.contains("javascript:") && !page.contains("data:text"), "{page}");
    assert!(!page.contains('\u{0}') && !page.contains("onload=\"x"), "{page}");
}
