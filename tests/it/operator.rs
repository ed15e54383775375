//! What an operator asks for at three in the morning: what is wrong, is the store sound, a copy of it; and what the
//! program says about itself.

use std::path::Path;

use serde_json::Value;

use crate::support::{Daemon, Desk, Ran, rss};

const MARCH: &str = "Sun, 01 Mar 2026 10:00:00 GMT";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.origin.answer("/feed", 200, &[], rss("Feed", &[("tag:f,2026:1", "One", MARCH)]));
    desk.write("articles/a.md", "---\ntitle: Article\ndate: 2026-03-02\n---\nWords.\n");
    desk.configure(&format!(
        "[site]\nurl = \"http://127.0.0.1:{}/\"\n[[section]]\nname = \"news\"
[[source]]\nname = \"feed\"\nurl = \"{}\"\nsections = [\"news\"]\n[[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n",
        desk.port,
        desk.origin.url("/feed")
    ));
    desk
}

fn serving(desk: &Desk) -> Daemon {
    let daemon = desk.serve();
    desk.until_titles("news", &["Article", "One"]);
    daemon
}

/// What doctor says of one thing: verdict and words, with the cure.
fn finding(ran: &Ran, what: &str) -> (String, String) {
    let report = ran.json();
    let found = report["findings"].as_array().unwrap().iter().find(|finding| finding["what"] == what);
    let found = found.unwrap_or_else(|| panic!("{what} is not looked at: {report}"));
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (text("verdict"), format!("{} -> {}", text("words"), text("cure")))
}

#[test]
fn doctor_finds_nothing_wrong_where_nothing_is() {
    let desk = desk();
    let before = desk.run(&["doctor", "--json"]);
    assert_eq!(finding(&before, "store").0, "skipped");
    assert_eq!(finding(&before, "port").0, "well", "it is free");
    assert_eq!(finding(&before, "public address").0, "wrong", "nobody is there yet");
    assert_eq!(before.code, Some(1));

    let _daemon = serving(&desk);
    let ran = desk.run(&["doctor", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for what in ["configuration", "state", "folder desk", "store", "daemon", "port", "public address"] {
        assert_eq!(finding(&ran, what).0, "well", "{what}: {ran:?}");
    }
    for what in ["clock", "names", "authorities", "unit"] {
        finding(&ran, what);
    }
    let words = desk.run(&["doctor"]);
    assert!(words.out.contains("well   store") && words.out.contains("is sound: 2 entries"), "{}", words.out);
}

#[test]
fn doctor_names_the_cure_of_what_is_wrong() {
    let desk = desk();
    std::fs::remove_dir_all(desk.path("articles")).unwrap();
    desk.write("state/newsdesk.db", "this is no database, however much it is called one".repeat(100));
    let occupied = std::net::TcpListener::bind(("127.0.0.1", desk.port)).unwrap();
    let stranger = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = occupied.accept().unwrap();
            let _ = std::io::Read::read(&mut stream, &mut [0; 1000]);
            std::io::Write::write_all(&mut stream, b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello").unwrap();
        }
    });
    let ran = desk.run(&["doctor", "--json"]);
    stranger.join().unwrap();
    assert_eq!(ran.code, Some(1));
    for (what, words) in [
        ("folder desk", "does not exist"),
        ("store", "put a copy in its place"),
        ("port", "another program answers"),
        ("public address", "leads to something else"),
    ] {
        let (verdict, said) = finding(&ran, what);
        assert!(verdict == "wrong" && said.contains(words), "{what}: {verdict}: {said}");
    }
    desk.configure("wrong");
    let (verdict, said) = finding(&desk.run(&["doctor", "--json"]), "configuration");
    assert!(verdict == "wrong" && said.contains("newsdesk check"), "{said}");
}

#[test]
fn a_backup_is_whole_beside_a_running_daemon_and_can_be_gone_back_to() {
    let desk = desk();
    let daemon = serving(&desk);
    let copy = desk.path("copy.db");
    let copy = copy.to_str().unwrap();
    let ran = desk.run(&["store", "backup", "--json", copy]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!((&ran.json()["entries"], &ran.json()["file"]), (&2.into(), &copy.into()));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "secrets of subscribers stand in it");
    let again = desk.run(&["store", "backup", copy]);
    assert_eq!(again.code, Some(1));
    again.says(&["exists", "replaces nothing"]);
    let nowhere = desk.run(&["store", "backup", "/nowhere/copy.db"]);
    assert_eq!(nowhere.code, Some(1));
    nowhere.says(&["/nowhere/copy.db", "folder exists"]);
    assert!(!crate::support::files_below(&desk.path("")).iter().any(|file| file.to_string_lossy().contains("partial")));

    let before = desk.get("/news/atom.xml").revision();
    assert_eq!(daemon.stop().code(), Some(0));
    std::fs::remove_dir_all(desk.path("state")).unwrap();
    std::fs::create_dir(desk.path("state")).unwrap();
    std::fs::rename(copy, desk.path("state/newsdesk.db")).unwrap();
    let _daemon = desk.serve();
    assert_eq!(desk.get("/news/atom.xml").revision(), before);
    let ran = desk.run(&["store", "check", "--json"]);
    assert_eq!((ran.code, &ran.json()["sound"]), (Some(0), &Value::Bool(true)));
}

#[test]
fn a_store_moves_to_another_place_whole() {
    let desk = desk();
    let daemon = serving(&desk);
    let from = format!("sqlite:{}", desk.path("state/newsdesk.db").display());
    let to = format!("sqlite:{}", desk.path("moved.db").display());
    let ran = desk.run(&["store", "copy", &from, &to]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    ran.says(&["newsdesk.db", "another"]);
    assert!(!desk.path("moved.db").exists());
    let before = desk.get("/news/atom.xml").revision();
    assert_eq!(daemon.stop().code(), Some(0));
    let ran = desk.run(&["store", "copy", "--json", &from, &to]);
    assert_eq!((ran.code, &ran.json()["entries"]), (Some(0), &2.into()), "{ran:?}");
    let again = desk.run(&["store", "copy", &from, &to]);
    assert_eq!(again.code, Some(1));
    again.says(&["exists", "replaces nothing"]);
    for (wrong, words) in
        [("newsdesk.db", "write \"sqlite:newsdesk.db\""), ("postgres://db/newsdesk", "not available yet")]
    {
        let ran = desk.run(&["store", "copy", &from, wrong]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        ran.says(&[words]);
    }
    let nothing = format!("sqlite:{}", desk.path("nothing.db").display());
    assert_eq!(desk.run(&["store", "copy", &nothing, "sqlite:other.db"]).code, Some(1));
    assert!(!desk.path("nothing.db").exists() && !desk.path("other.db").exists());
    // The old one is left as it was; the moved one goes on where it stopped.
    std::fs::remove_dir_all(desk.path("state")).unwrap();
    let tables = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", format!("{tables}\n[store]\nurl = \"{to}\"\n"));
    let _daemon = desk.serve();
    assert_eq!(desk.get("/news/atom.xml").revision(), before);
}

#[test]
fn a_damaged_store_is_told_from_a_sound_one() {
    let desk = desk();
    desk.run(&["update"]);
    desk.run(&["store", "check"]).says(&["is sound: 2 entries"]);
    // A page in the middle is overwritten, as a failing disk does.
    let path = desk.path("state/newsdesk.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..].iter_mut().for_each(|byte| *byte = 0xA5);
    std::fs::write(&path, bytes).unwrap();
    let ran = desk.run(&["store", "check"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(desk.run(&["store", "backup", desk.path("copy.db").to_str().unwrap()]).code == Some(1));
    assert!(!desk.path("copy.db").exists());
    let elsewhere = Desk::new();
    elsewhere.configure("");
    let ran = elsewhere.run(&["store", "check"]);
    assert_eq!(ran.code, Some(1));
    ran.says(&["there is no store", "--state"]);
}

/// Every verb and sub-verb, as help lists them.
fn verbs(desk: &Desk, above: &[&str]) -> Vec<Vec<String>> {
    let mut arguments = above.to_vec();
    arguments.push("--help");
    let help = desk.run(&arguments).out;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names
        .flat_map(|name| {
            let path: Vec<&str> = above.iter().copied().chain([name]).collect();
            let below = verbs(desk, &path);
            std::iter::once(path.iter().map(|name| (*name).to_owned()).collect()).chain(below)
        })
        .collect()
}

#[test]
fn every_verb_shows_examples_of_itself() {
    let desk = Desk::new();
    let verbs = verbs(&desk, &[]);
    assert!(verbs.len() >= 14, "{verbs:?}");
    for verb in verbs {
        let mut arguments: Vec<&str> = verb.iter().map(String::as_str).collect();
        arguments.push("--help");
        let help = desk.run(&arguments).out;
        let example = format!("newsdesk {}", verb.join(" "));
        let (_, examples) =
            help.split_once("Examples:").unwrap_or_else(|| panic!("{example} has no examples:\n{help}"));
        assert!(examples.contains(&verb.join(" ")), "{example}:\n{help}");
    }
}

#[test]
fn the_program_describes_itself() {
    let desk = Desk::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = desk.run(&["schema"]);
    assert_eq!(schema.out, std::fs::read_to_string(root.join("config/newsdesk.schema.json")).unwrap());
    for shell in ["bash", "zsh", "fish"] {
        let completions = desk.run(&["completions", shell]);
        assert!(completions.code == Some(0) && completions.out.contains("confirm-missing"), "{shell}");
    }
    assert_eq!(desk.run(&["completions", "cmd.com"]).code, Some(2));
    let page = desk.run(&["man"]);
    assert!(page.out.contains(".TH newsdesk 1") && page.out.contains("newsdesk\\-reload(1)"), "{}", page.out);
    let folder = desk.path("man");
    assert_eq!(desk.run(&["man", "--folder", folder.to_str().unwrap()]).code, Some(0));
    for page in ["newsdesk.1", "newsdesk-serve.1", "newsdesk-store-backup.1"] {
        assert!(folder.join(page).exists(), "{page}");
    }
}

/// Whoever collects the log of a service reads why it did not start, too.
#[test]
fn as_json_the_log_is_json_to_its_last_words() {
    let desk = Desk::new();
    desk.write("newsdesk.toml", "[site]\ntitel = \"x\"\n[sit]\n");
    let refused = desk.run(&["serve", "--log", "json"]);
    assert_eq!(refused.code, Some(78), "{refused:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    desk.write("newsdesk.toml", format!("[server]\nlisten = \"127.0.0.1:{port}\"\nadmin = \"127.0.0.1:0\"\n"));
    let failed = desk.run(&["serve", "--log", "json"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    for (ran, stage) in [(refused, "configuration"), (failed, "serve")] {
        let lines: Vec<serde_json::Value> = ran.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().any(|line| line["stage"] == stage && line["level"] == "ERROR"), "{ran:?}");
    }
}
