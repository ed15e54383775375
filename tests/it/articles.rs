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
        &Options { path, vocabulary: &vocabulary(), section_line, residue: &residue, limits: &Limits::default() },
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
            max_per_source: None,
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
