//! The configuration from outside: what is refused and how it is said, and the example that everybody starts from.
//!
//! Every `tests/fixtures/config/NAME.toml` is one case, `NAME.expect` its answer: the complaints as people read them,
//! or what the settings say. `UPDATE_EXPECT=1` rewrites the answers; read the diff.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use newsdesk::config::keys::{self, Key, Kind};
use newsdesk::config::settings::{AdminAddress, Cadence, Hub, Place, ScheduleSettings, Site};
use newsdesk::config::{self, Complaints, Locations, Settings};
use url::Url;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn locations() -> Locations {
    Locations {
        state_dir: PathBuf::from("/state"),
        credentials_dir: Some(root().join("tests/fixtures/config/credentials")),
        admin_socket: None,
    }
}

#[test]
fn cases() {
    let folder = root().join("tests/fixtures/config");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|found| found.unwrap().path()).collect();
    cases.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    cases.sort();
    assert!(cases.len() > 5);
    let mut wrong = Vec::new();
    for case in cases {
        let shown = match config::load(&case, &locations()) {
            Ok(settings) => summary(&settings),
            Err(complaints) => format!("{complaints}\n"),
        };
        let real = root().canonicalize().unwrap();
        let shown = shown.replace(&format!("{}/", root().display()), "").replace(&format!("{}/", real.display()), "");
        assert!(!shown.contains("hunter2"), "{}: a secret is shown:\n{shown}", case.display());
        let answer = case.with_extension("expect");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&answer, &shown).unwrap();
        } else if fs::read_to_string(&answer).unwrap_or_default() != shown {
            wrong.push(format!("{}:\n{shown}", answer.display()));
        }
    }
    assert!(wrong.is_empty(), "these answers differ (UPDATE_EXPECT=1 rewrites them):\n\n{}", wrong.join("\n"));
}

#[test]
fn the_example_runs_as_it_is() {
    let settings = loaded(&root().join("config/newsdesk.toml"));
    let sections: Vec<&str> = settings.sections.iter().map(|section| section.name.as_str()).collect();
    assert_eq!(sections, ["politics", "world", "technology", "science"]);
    assert_eq!(settings.origins["ft"].name, "Financial Times");
    assert_eq!(settings.publish.folder.as_deref(), Some(root().canonicalize().unwrap().join("feeds/public").as_path()));
    assert_eq!(settings.store.path, Path::new("/state/newsdesk.db"));
    let folders = settings.sources.iter().filter(|source| matches!(source.place, Place::Folder(_)));
    assert_eq!(folders.map(|source| source.name.as_str()).collect::<Vec<_>>(), ["articles"]);
    let listed: Vec<_> = settings.sources.iter().filter(|source| source.listed_in.is_some()).collect();
    assert!((5..=8).contains(&listed.len()));
    assert!(listed.iter().all(|source| source.sections.len() == 1), "every folder of the sample list is a section");
    // What it warns of is the missing url alone.
    assert_eq!(settings.warnings.len(), 1, "{}", Complaints(settings.warnings));
}

/// Those of the package and the container.
#[test]
fn what_is_installed_is_right() {
    for name in ["config/debian/newsdesk.toml", "config/container/newsdesk.toml"] {
        let settings = loaded(&root().join(name));
        assert_eq!((settings.sections.len(), settings.sources.len()), (1, 1), "{name}");
    }
}

#[test]
fn every_commented_line_of_the_example_is_valid() {
    let scratch = tempfile::tempdir().unwrap();
    let config = scratch.path().join("config");
    fs::create_dir_all(config.join("secrets")).unwrap();
    fs::create_dir_all(scratch.path().join("feeds/articles")).unwrap();
    fs::copy(root().join("feeds/subscriptions.opml"), scratch.path().join("feeds/subscriptions.opml")).unwrap();
    for secret in ["wire-token", "wire-password"] {
        fs::write(config.join("secrets").join(secret), "hunter2\n").unwrap();
    }
    let example = fs::read_to_string(root().join("config/newsdesk.toml")).unwrap();
    let lines = example.lines().map(|line| match line.strip_prefix('#') {
        Some(key) if key.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => key,
        _ => line,
    });
    let file = config.join("newsdesk.toml");
    fs::write(&file, lines.collect::<Vec<_>>().join("\n")).unwrap();
    let settings = loaded(&file);
    assert_eq!(settings.site.url.as_ref().map(|url| url.as_str()), Some("https://news.example.org/"));
    let budget = &settings.hosts["example.org"];
    assert_eq!((budget.connections, budget.interval.num_seconds()), (1, 30));
    let mine = settings.sources.iter().find(|source| source.name == "my feed").unwrap();
    assert!(mine.private && mine.credentials.is_some() && mine.headers.len() == 2 && mine.rules.len() == 1);
    assert!(!format!("{settings:?}").contains("hunter2"));
}

/// Each key stands in the example, with its default if it has one.
#[test]
fn the_example_shows_every_key() {
    let example = fs::read_to_string(root().join("config/newsdesk.toml")).unwrap();
    // A key may stand in several places, so a table is looked at as a whole.
    let mut tables: Vec<(String, String)> = Vec::new();
    for line in example.lines() {
        let plain = line.strip_prefix('#').unwrap_or(line);
        match plain.strip_prefix('[') {
            Some(header) => tables.push((header.trim_matches(['[', ']']).to_owned(), String::new())),
            None => {
                if let Some((_, lines)) = tables.last_mut() {
                    writeln!(lines, "{plain}").unwrap();
                }
            }
        }
    }
    let shows = |table: &str, key: &Key| {
        let begins = |name: &str| name == table || name.starts_with(&format!("{table}."));
        let lines = tables.iter().filter(|(name, _)| begins(name)).flat_map(|(_, lines)| lines.lines());
        let stated = lines.filter_map(|line| line.split_once(" = ")).filter(|(name, _)| *name == key.name);
        let values: Vec<&str> = stated.map(|(_, value)| value).collect();
        let commented = example.contains(&format!("#{} = ", key.name));
        // What is only shown as an example is not the default.
        let default = key.default.filter(|_| commented && !matches!(key.kind, Kind::List(_) | Kind::Flag));
        assert!(!values.is_empty(), "[{table}] {} is not in the example", key.name);
        if let Some(default) = default {
            assert!(values.contains(&default), "[{table}] {}: {values:?}, but the default is {default}", key.name);
        }
    };
    for table in keys::ROOT {
        if let Kind::Table(keys) | Kind::Named(keys) | Kind::Tables(keys) = table.kind {
            keys.iter().for_each(|key| shows(table.name, key));
        }
    }
    let rules = example.split("# Rules:").nth(1).unwrap();
    for key in keys::CONDITION.iter().chain(keys::TEST).chain(keys::ACTION).chain(keys::SET_TITLE).chain(keys::AGE) {
        assert!(rules.contains(key.name), "{} is not in the example's text on rules", key.name);
    }
}

/// What may be written and what is read is one list: a date fits no key, so every key must complain about it.
#[test]
fn every_key_is_read() {
    for (table, keys) in keys::ROOT.iter().filter_map(|table| match table.kind {
        Kind::Table(keys) => Some((format!("[{}]", table.name), keys)),
        Kind::Named(keys) => Some((format!("[{}.x]", table.name), keys)),
        Kind::Tables(keys) => Some((format!("[[{}]]", table.name), keys)),
        _ => None,
    }) {
        for key in keys {
            let text = format!("{table}\n{} = 1979-05-27\n", key.name);
            let complaints = complaints_about(&text);
            assert!(complaints_on(&complaints, 2), "{text}{complaints}");
        }
    }
    for (keys, before) in [
        (keys::CONDITION, "[[rule]]\nthen = { drop = true }\n[rule.when]\n"),
        (keys::TEST, "[[rule]]\nthen = { drop = true }\n[rule.when.title]\n"),
        (keys::AGE, "[[rule]]\nthen = { drop = true }\n[rule.when.age]\n"),
        (keys::ACTION, "[[rule]]\nwhen = { title = \"a\" }\n[rule.then]\n"),
        (keys::SET_TITLE, "[[rule]]\nwhen = { title = \"a\" }\n[rule.then.set-title]\n"),
    ] {
        for key in keys {
            let complaints = complaints_about(&format!("{before}{} = 1979-05-27\n", key.name));
            assert!(complaints_on(&complaints, 4), "{before}{}\n{complaints}", key.name);
        }
    }
}

/// `UPDATE_EXPECT=1` writes the files anew.
#[test]
fn schema_and_reference_are_those_of_the_keys() {
    let made = [
        ("config/newsdesk.schema.json", format!("{:#}\n", newsdesk::config::schema::schema())),
        ("docs/configuration.md", newsdesk::config::reference::reference()),
    ];
    for (file, made) in made {
        let file = root().join(file);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&file, &made).unwrap();
        }
        let stands = fs::read_to_string(&file).unwrap_or_default();
        assert!(stands == made, "UPDATE_EXPECT=1 cargo test writes {file:?} anew");
    }
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let settings = config::defaults(&locations());
    assert_eq!(settings.server.listen, "127.0.0.1:8080");
    assert_eq!(settings.server.admin, AdminAddress::Tcp("127.0.0.1:8081".to_owned()));
    assert_eq!(settings.store.path, Path::new("/state/newsdesk.db"));
    assert!(settings.file.is_none() && settings.sections.is_empty() && settings.sources.is_empty());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let missing = scratch.path().join("none.toml");
    let shown = config::load(&missing, &locations()).unwrap_err().to_string();
    assert!(shown.starts_with(&format!("{}: error: cannot be read: No such file", missing.display())), "{shown}");
    let shown = config::load(scratch.path(), &locations()).unwrap_err().to_string();
    assert!(shown.contains("it is a folder"), "{shown}");
    let latin = scratch.path().join("latin.toml");
    fs::write(&latin, b"[site]\ntitle = \"Caf\xe9\"\n").unwrap();
    let shown = config::load(&latin, &locations()).unwrap_err().to_string();
    assert!(shown.contains(":2:13: error: is not UTF-8 text"), "{shown}");
}

/// As an editor on another system leaves it: a byte order mark, and lines that end in two characters.
#[test]
fn a_file_from_elsewhere() {
    let complaints = complaints_about("\u{feff}[site]\r\ntitle = \"A\"\r\nurl = \"https://example.org/\"\r\n");
    assert!(complaints.0.is_empty(), "{complaints}");
    let shown = complaints_about("\u{feff}titel = 1\r\n[site]\r\nlimt = 1\r\n").to_string();
    assert!(shown.contains(":1:1: error"), "{shown}");
    assert!(shown.contains("\n3 | limt = 1\n"), "{shown}");
}

/// Whatever the bytes, there is an answer: every prefix of a large file, and every single byte lost.
#[test]
fn broken_files_are_refused_calmly() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("newsdesk.toml");
    let text = fs::read_to_string(root().join("tests/fixtures/config/whole.toml")).unwrap();
    let characters: Vec<char> = text.chars().collect();
    for at in (0..characters.len()).step_by(29) {
        let cut: String = characters[..at].iter().collect();
        let without: String = characters[..at].iter().chain(&characters[at + 1..]).collect();
        for text in [cut, without] {
            fs::write(&file, text).unwrap();
            if let Err(complaints) = config::load(&file, &locations()) {
                assert!(complaints.has_errors() && !complaints.to_string().contains("hunter2"));
            }
        }
    }
    fs::write(&file, format!("a = {}", "[".repeat(10_000))).unwrap();
    assert!(config::load(&file, &locations()).is_err());
    let deep = format!("[[rule]]\nthen = {{ drop = true }}\nwhen = {}", "{ not = ".repeat(10_000));
    fs::write(&file, deep).unwrap();
    assert!(config::load(&file, &locations()).is_err());
}

/// The print follows what is read: the file, the lists and the secrets that it names.
#[test]
fn the_print_follows_every_file() {
    let scratch = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(scratch.path().join(name), text).unwrap();
    let print = || loaded(&scratch.path().join("newsdesk.toml")).print;
    let opml = |url: &str| format!("<opml version=\"2.0\"><body><outline text=\"A\" xmlUrl=\"{url}\"/></body></opml>");
    write("list.opml", &opml("https://example.org/a"));
    write("newsdesk.toml", "[[source]]\nname = \"list\"\nopml = \"list.opml\"\n");
    let first = print();
    assert_eq!(first, print());
    write("list.opml", &opml("https://example.org/b"));
    let second = print();
    assert_ne!(first, second);
    write("newsdesk.toml", "# the same\n[[source]]\nname = \"list\"\nopml = \"list.opml\"\n");
    assert_ne!(second, print());
}

fn loaded(path: &Path) -> Settings {
    config::load(path, &locations()).unwrap_or_else(|complaints| panic!("{complaints}"))
}

fn complaints_on(complaints: &Complaints, line: usize) -> bool {
    complaints.0.iter().any(|complaint| complaint.place.as_ref().is_some_and(|place| place.line == line))
}

fn complaints_about(text: &str) -> Complaints {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("a.toml");
    fs::write(&file, text).unwrap();
    config::load(&file, &locations()).err().unwrap_or(Complaints(Vec::new()))
}

fn cadence(cadence: &Cadence) -> String {
    match cadence {
        Cadence::Adaptive => "adaptive".to_owned(),
        Cadence::Cron(line) => line.to_string(),
    }
}

/// What matters of the settings, a line for each thing.
fn summary(settings: &Settings) -> String {
    let mut out = String::new();
    let Settings { site, server, store, publish, fetch, schedule, .. } = settings;
    let Site { title, url, id, language, icon, contact, timezone } = site;
    let (url, icon) = (url.as_ref().map(Url::as_str), icon.as_ref().map(Url::as_str));
    writeln!(out, "site {title:?} {url:?} {id:?} {language:?} {icon:?} {contact:?} {timezone}").unwrap();
    writeln!(out, "{server:?}\n{store:?}\n{fetch:?}").unwrap();
    let hub = match &publish.hub {
        Hub::None => "none".to_owned(),
        Hub::Own => "own".to_owned(),
        Hub::At(url) => url.to_string(),
    };
    writeln!(out, "publish {:?} {hub:?} {:?}", publish.folder, publish.min_interval).unwrap();
    let ScheduleSettings { default, min, max, rescan, retention } = schedule;
    writeln!(out, "schedule {} {min} {max} {rescan}, {retention}", cadence(default)).unwrap();
    writeln!(out, "residue {:?}, tracking {:?}", settings.residue, settings.tracking_parameters).unwrap();
    settings.origins.iter().for_each(|origin| writeln!(out, "{origin:?}").unwrap());
    settings.sections.iter().for_each(|section| writeln!(out, "{section:?}").unwrap());
    settings.sources.iter().for_each(|source| writeln!(out, "{source:?}").unwrap());
    settings.rules.iter().for_each(|rule| writeln!(out, "{rule:?}").unwrap());
    writeln!(out, "also read {:?}", settings.also_read).unwrap();
    settings.warnings.iter().for_each(|warning| writeln!(out, "\n{warning}").unwrap());
    out
}
