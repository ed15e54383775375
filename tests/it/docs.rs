//! What the documents say of the program is true of it: its messages are there, its commands are run as they stand.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Desk, Ran, files_below, rss};

const MARCH: &str = "Sun, 01 Mar 2026 10:00:00 GMT";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every message that the troubleshooting page explains is one that the program has.
#[test]
fn explained_messages_exist() {
    let source = sources(&root().join("src"));
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let messages: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`')).collect();
    assert!(!messages.is_empty());
    for message in messages {
        for part in message.split('…').map(str::trim).filter(|part| !part.is_empty()) {
            assert!(source.contains(part), "no message says {part:?}");
        }
    }
}

/// Every promise of the list is held by a test, and every test that it names is one.
#[test]
fn promises_are_held_by_tests_that_exist() {
    let list = fs::read_to_string(root().join("tests/README.md")).unwrap();
    // What stands between two promises, or between one and the next heading, belongs to the first.
    let promises: Vec<&str> = list.split("\n- ").skip(1).map(|rest| rest.split("\n\n").next().unwrap()).collect();
    assert!(!promises.is_empty());
    for promise in promises {
        let named: Vec<(&str, &str)> = promise.split('`').filter_map(|code| code.split_once(".rs::")).collect();
        assert!(!named.is_empty(), "nothing holds this: {promise}");
        for (file, test) in named {
            let text = fs::read_to_string(root().join(file).with_extension("rs"));
            let text = text.unwrap_or_else(|cause| panic!("{file}.rs: {cause}"));
            let before = text.split(&format!("fn {test}(")).next().filter(|before| before.len() < text.len());
            let before = before.unwrap_or_else(|| panic!("{file}.rs has no {test}"));
            let attribute = before.lines().rev().find(|line| line.trim_start().starts_with("#["));
            assert!(attribute.is_some_and(|line| line.contains("test]")), "{file}.rs: {test} is no test");
        }
    }
}

/// What the README shows of a typo is what is said about it in that line of the sample.
#[test]
fn the_typo_of_the_readme_is_answered_so() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let shown =
        readme.lines().skip_while(|line| !line.contains(": error: ")).take_while(|line| line.starts_with("    "));
    let shown: Vec<&str> = shown.map(|line| &line[4..]).collect();
    let line: usize = shown[0].split(':').nth(1).unwrap().parse().unwrap();
    let typo = shown[2].split_once("| ").unwrap().1;
    let sample = fs::read_to_string(root().join("config/newsdesk.toml")).unwrap();
    let mut lines: Vec<&str> = sample.lines().collect();
    lines[line - 1] = typo;
    let desk = Desk::new();
    desk.write("config/newsdesk.toml", lines.join("\n"));
    let mut check = Command::new(env!("CARGO_BIN_EXE_newsdesk"));
    check.args(["check", "--config", "config/newsdesk.toml"]).current_dir(desk.path("")).env_remove("NEWSDESK_CONFIG");
    let ran = Ran::from(check.output().unwrap());
    ran.says(&[&shown.join("\n")]);
}

/// Each link to a file of the repository leads to one.
#[test]
fn links_between_the_documents_lead_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            assert!(page.with_file_name(target).exists(), "{}: {target}", page.display());
        }
    }
}

#[test]
fn commands_of_cargo_name_what_is_there() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let commands = commands("cargo ");
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let words: Vec<&str> = command.split_whitespace().skip_while(|word| *word != "cargo").skip(1).collect();
        let right = match words[..] {
            ["test"] | ["build", "--release"] | ["doc", "--open"] | ["run", "--release", "--", "serve"] => true,
            ["build", "--profile", name] => manifest.contains(&format!("[profile.{name}]")),
            ["test", room] => root().join("tests/it").join(room).with_extension("rs").exists(),
            ["bench", "--bench", name, ref rest @ ..] => {
                let folder = root().join("benches").join(name);
                let source = if folder.is_dir() {
                    sources(&folder)
                } else {
                    fs::read_to_string(folder.with_extension("rs")).unwrap_or_default()
                };
                let is_there = manifest.contains(&format!("[[bench]]\nname = \"{name}\""));
                is_there
                    && match rest {
                        [] => true,
                        ["--", scenario] => source.contains(&format!("\"{scenario}\"")),
                        _ => false,
                    }
            }
            _ => false,
        };
        assert!(right, "what is this? {command}");
    }
}

/// Every command line of ours in the documents, with real things for what it only names. None of them leaves loopback.
#[test]
fn commands_of_newsdesk_do_what_they_are_shown_for() {
    let commands = commands("newsdesk ");
    assert!(commands.len() > 20, "{commands:?}");
    for command in commands {
        let desk = installed();
        let url = desk.origin.url("/").to_string().trim_end_matches('/').to_owned();
        let mut line = command.split("&&").next().unwrap().trim().to_owned();
        for (named, real) in [
            ("FILE|URL...", "articles/one.md"),
            ("ENTRY|URL|FILE", "articles/one.md"),
            ("backup|check|copy", "check"),
            ("/var/lib/newsdesk/", "state/"),
            ("/srv/newsdesk/newsdesk.db", "moved.db"),
            ("[SOURCE...]", "feed"),
            ("add URL", &format!("add {url}/page")),
            // Who types it is asked.
            ("newsdesk add", "newsdesk add --yes"),
            ("import FILE", "import list.opml"),
            ("backup FILE", "backup copy.db"),
            ("--config NEW", "--config new.toml"),
            ("NAME", "feed"),
            ("missing SOURCE", "missing feed"),
            ("https://example.org/feed.xml", &format!("{url}/feed")),
            ("https://example.org/", &format!("{url}/page")),
            ("/etc/newsdesk/", ""),
            ("/var/backups/", ""),
        ] {
            line = line.replace(named, real);
        }
        assert_eq!(line.matches("://").count(), line.matches(&url).count(), "{command} would ask somebody: {line}");

        let shell = |line: &str| {
            let path = format!("{}:{}", desk.path("bin").display(), std::env::var("PATH").unwrap());
            let mut shell = Command::new("sh");
            shell.arg("-euc").arg(line).current_dir(desk.path("")).env("PATH", path).env("HOME", desk.path(""));
            shell.env("NEWSDESK_CONFIG", desk.path("newsdesk.toml")).env("STATE_DIRECTORY", desk.path("state"));
            for name in ["NEWSDESK_LOG", "NOTIFY_SOCKET", "JOURNAL_STREAM", "RUNTIME_DIRECTORY"] {
                shell.env_remove(name);
            }
            shell
        };
        assert_eq!(Ran::from(shell("newsdesk update").output().unwrap()).code, Some(0));
        if line.contains("newsdesk serve") {
            let daemon = desk.spawn(shell(&format!("exec {line}")));
            daemon.ready();
            assert_eq!(daemon.stop().code(), Some(0), "{command}");
            continue;
        }
        let _daemon = line.contains("newsdesk reload").then(|| desk.serve());
        let ran = Ran::from(shell(&line).output().unwrap());
        // What doctor finds is the machine's; plan answers like diff.
        let may_find = ["newsdesk doctor", "newsdesk plan"].iter().any(|verb| line.contains(verb));
        assert!(ran.code == Some(0) || may_find && ran.code == Some(1), "{command}, run as {line}: {ran:?}");
    }
}

/// A desk with one feed, one folder, and what the commands name.
fn installed() -> Desk {
    let desk = Desk::new();
    desk.origin.answer("/feed", 200, &[], rss("Feed", &[("tag:f,2026:1", "One", MARCH)]));
    let head = "<link rel=\"alternate\" type=\"application/rss+xml\" href=\"/other\">";
    let page = format!("<!doctype html><html><head><title>A page</title>{head}</head><body></body></html>");
    desk.origin.answer("/page", 200, &[("Content-Type", "text/html")], page);
    desk.origin.answer("/other", 200, &[], rss("Other", &[("tag:o,2026:1", "Two", MARCH)]));
    desk.write("articles/one.md", "---\ntitle: Three\ndate: 2026-03-01\n---\nText.\n");
    desk.write(
        "list.opml",
        format!(
            "<opml version=\"2.0\"><head/><body><outline text=\"Other\" type=\"rss\" xmlUrl=\"{}\"/></body></opml>",
            desk.origin.url("/other")
        ),
    );
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\n[[source]]\nname = \"feed\"\nurl = \"{}\"\nsections = [\"news\"]\n\
         [[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n",
        desk.origin.url("/feed")
    ));
    fs::copy(desk.path("newsdesk.toml"), desk.path("new.toml")).unwrap();
    let sudo = desk.write("bin/sudo", "#!/bin/sh\nexec \"$@\"\n");
    fs::set_permissions(sudo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_newsdesk"), desk.path("bin/newsdesk")).unwrap();
    desk
}

/// The mirror, copied to another machine by the line that is shown for it; the other machine is a folder here.
#[test]
fn the_mirror_is_copied_as_it_is_shown() {
    if !Command::new("rsync").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: rsync is missing, so the mirror is not copied by it");
        return;
    }
    let desk = Desk::new();
    desk.configure("");
    let text = fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", text.replace("[publish]\n", "[publish]\nfolder = \"feeds\"\n"));
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let (here, there) = (desk.path("feeds"), desk.path("web1"));
    desk.write("web1/old.html", "what is no more");
    let lines = commands("rsync ");
    assert_eq!(lines.len(), 2, "{lines:?}");
    let line = lines.iter().find(|line| line.contains("web1.example:")).unwrap();
    let line = line
        .replace("web1.example:/srv/www/feeds/", &format!("{}/", there.display()))
        .replace("/srv/www/feeds/", &format!("{}/", here.display()));
    assert!(!line.contains("example"), "{line}");
    let ran = Ran::from(Command::new("sh").args(["-euc", &line]).output().unwrap());
    assert_eq!(ran.code, Some(0), "{line}: {ran:?}");
    let files = files_below(&here);
    assert!(files.len() > 10 && files == files_below(&there), "{files:?}");
    let meta = |root: &Path| {
        let metas = files.iter().map(|file| fs::metadata(root.join(file)).unwrap());
        metas.map(|meta| (meta.len(), meta.modified().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(meta(&there), meta(&here), "validators of web servers are made of these");
}

/// README.md and docs/*.md.
fn pages() -> Vec<PathBuf> {
    let documents = fs::read_dir(root().join("docs")).unwrap().flatten().map(|entry| entry.path());
    let mut pages: Vec<PathBuf> = documents.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

/// All that begin so, in blocks of code and within sentences.
fn commands(program: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for page in pages() {
        let text = fs::read_to_string(page).unwrap();
        let (mut blocks, mut sentences, mut fenced) = (Vec::new(), String::new(), false);
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if fenced || line.starts_with("    ") {
                blocks.push(line.trim().to_owned());
            } else {
                sentences += &line.replace("\\|", "|");
                sentences.push(' ');
            }
        }
        let spans = sentences.split('`').skip(1).step_by(2).map(str::to_owned);
        found.extend(blocks.into_iter().chain(spans).filter(|line| {
            let words = line.split_inclusive(' ').skip_while(|word| *word == "sudo " || word.contains('='));
            words.collect::<String>().starts_with(program)
        }));
    }
    found
}

/// The text of all modules.
fn sources(root: &Path) -> String {
    let mut text = String::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}
