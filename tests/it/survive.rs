//! What must not be lost: kill -9 at any moment, the word to stop in the middle of things, a full disk, a store that is
//! in use or too new. Each trouble names the thing and the next step.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use crate::origin::Behaviour;
use crate::support::{Daemon, Desk, Ran, Seen, atom, rss, until};

const SOURCES: usize = 24;
const ROUNDS: usize = 6;

/// A feed whose last bytes come slowly.
fn slowly(body: &str, pause: u64) -> Behaviour {
    let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let (first, last) = body.split_at(body.len() - 4);
    Behaviour::Drip((head + first).into_bytes(), last.into(), Duration::from_millis(pause))
}

/// Of each source, the entries up to a round; every round brings another one.
fn entries_until(source: usize, round: usize) -> String {
    let items: Vec<(String, String, String)> = (0..=round)
        .map(|n| {
            (
                format!("tag:s{source},2026:{n}"),
                format!("S{source} N{n}"),
                format!("2026-03-{:02}T{source:02}:00:00Z", n + 1),
            )
        })
        .collect();
    let items: Vec<(&str, &str, &str)> = items.iter().map(|(id, title, date)| (&**id, &**title, &**date)).collect();
    atom(&format!("S{source}"), &items)
}

/// Everything that was ever served, by title.
#[derive(Default)]
struct Served(BTreeMap<String, Seen>);

impl Served {
    /// What was served before is served again, the same, and nothing twice.
    fn note(&mut self, feed: Vec<Seen>) {
        let now: BTreeMap<String, Seen> = feed.iter().map(|entry| (entry.title.clone(), entry.clone())).collect();
        assert_eq!(now.len(), feed.len(), "an entry is doubled");
        for (title, before) in &self.0 {
            assert_eq!(now.get(title), Some(before), "{title} was served before");
        }
        self.0 = now;
    }
}

#[test]
fn kill_9_loses_nothing_and_doubles_nothing() {
    let desk = Desk::new();
    desk.origin.answer(
        "/quiet",
        200,
        &[],
        rss("Quiet", &[("tag:quiet,2026:1", "Quiet", "Sun, 01 Mar 2026 10:00:00 GMT")]),
    );
    let source = |n: usize| {
        let url = desk.origin.url(&format!("/{n}"));
        format!("[[source]]\nname = \"s{n}\"\nurl = \"{url}\"\nsections = [\"busy\"]\nschedule = \"* * * * * *\"\n")
    };
    let sources: String = (0..SOURCES).map(source).collect();
    let quiet = desk.origin.url("/quiet");
    desk.configure(&format!(
        "[[section]]\nname = \"busy\"\nlimit = 1000\n[[section]]\nname = \"quiet\"\n
[[source]]\nname = \"quiet\"\nurl = \"{quiet}\"\nsections = [\"quiet\"]\n{sources}"
    ));
    let mut served = Served::default();
    let mut daemon = desk.serve();
    desk.until_titles("quiet", &["Quiet"]);
    let unchanged = desk.get("/quiet/atom.xml").revision();
    for round in 0..ROUNDS {
        for n in 0..SOURCES {
            desk.origin.on(&format!("/{n}"), slowly(&entries_until(n, round), (n as u64 * 7 + round as u64 * 13) % 60));
        }
        // Some of this round is there, the rest is under way: being fetched, stored or published.
        let enough = round * SOURCES + 1 + round * 3 % SOURCES;
        until(&format!("round {round} has begun to show"), || {
            served.note(desk.feed("/busy/atom.xml"));
            (served.0.len() >= enough).then_some(())
        });
        daemon.kill();
        daemon = desk.serve();
        served.note(desk.feed("/busy/atom.xml"));
        assert_eq!(desk.get("/quiet/atom.xml").revision(), unchanged, "nothing changed here");
        assert_eq!(desk.origin.count("/quiet"), 1, "a restart asks nobody early");
    }
    until("everything is there", || {
        served.note(desk.feed("/busy/atom.xml"));
        (served.0.len() == SOURCES * ROUNDS).then_some(())
    });
    served.note(desk.feed("/busy/rss.xml"));
    let last = desk.get("/busy/atom.xml").revision();
    daemon.kill();
    let _daemon = desk.serve();
    assert_eq!(desk.get("/busy/atom.xml").revision(), last);
}

#[test]
fn kill_9_while_articles_are_published() {
    let desk = Desk::new();
    desk.configure("[[section]]\nname = \"news\"\nlimit = 1000\n[[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n");
    let config = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", config.replace("[publish]\n", "[publish]\nfolder = \"public\"\n"));
    let mut served = Served::default();
    let mut daemon = desk.serve();
    for round in 0..8 {
        for n in 0..4 {
            let text = format!("---\ntitle: A{round}.{n}\ndate: 2026-03-{:02}\n---\nWords of it.\n", round + 1);
            desk.write(&format!("articles/{round}-{n}.md"), text);
        }
        // A moment that is another one in each round: before it is seen, read, stored, published, mirrored.
        std::thread::sleep(Duration::from_millis(25 * round));
        served.note(desk.feed("/news/atom.xml"));
        daemon.kill();
        daemon = desk.serve();
        served.note(desk.feed("/news/atom.xml"));
    }
    until("every article is there", || {
        served.note(desk.feed("/news/atom.xml"));
        (served.0.len() == 32).then_some(())
    });
    for name in ["news/atom.xml", "news/feed.json", "rss.xml"] {
        until("the mirror holds what is served", || {
            let mirrored = std::fs::read(desk.path("public").join(name)).ok()?;
            (mirrored == desk.get(&format!("/{name}")).body).then_some(())
        });
    }
}

#[test]
fn the_word_to_stop_is_heard_while_a_source_drips() {
    let desk = Desk::new();
    let drip =
        Behaviour::Drip(b"HTTP/1.1 200 OK\r\n\r\n<rss>".to_vec(), vec![b' '; 100_000], Duration::from_millis(20));
    desk.origin.on("/drip", drip).answer(
        "/good",
        200,
        &[],
        rss("Good", &[("tag:g,2026:1", "Good", "Sun, 01 Mar 2026 10:00:00 GMT")]),
    );
    let (drip, good) = (desk.origin.url("/drip"), desk.origin.url("/good"));
    desk.configure(&format!(
        "total-timeout = \"600s\"\n[[section]]\nname = \"news\"\n[[source]]\nname = \"drip\"\nurl = \"{drip}\"
[[source]]\nname = \"good\"\nurl = \"{good}\"\nsections = [\"news\"]\n"
    ));
    let daemon = desk.serve();
    until("the dripping source is asked", || (desk.origin.count("/drip") > 0).then_some(()));
    desk.until_titles("news", &["Good"]);
    // Nor do clients hold it up that send nothing, or half of a request.
    let mut slow = [(), ()].map(|()| TcpStream::connect(("127.0.0.1", desk.port)).unwrap());
    slow[1].write_all(b"GET / HTTP/1.1\r\nHost: h").unwrap();
    assert_eq!(daemon.stop().code(), Some(0));
    assert!(desk.log().contains("stopping"), "{}", desk.log());

    // What it had is there, and the source that was cut off is asked again.
    let _daemon = desk.serve();
    assert_eq!(desk.titles("news"), ["Good"]);
    until("the dripping source is asked again", || (desk.origin.count("/drip") > 1).then_some(()));
}

#[test]
fn an_endless_body_stops_at_the_limit() {
    let desk = Desk::new();
    desk.origin.on("/endless", Behaviour::Endless(b"HTTP/1.1 200 OK\r\n\r\n<rss>".to_vec(), vec![b'a'; 4096]));
    let url = desk.origin.url("/endless");
    desk.configure(&format!("max-body = \"256 KiB\"\n[[source]]\nname = \"endless\"\nurl = \"{url}\"\n"));
    let ran = desk.run(&["update"]);
    assert_eq!(ran.code, Some(1));
    ran.says(&["endless: fetch: ", "larger than 262144 bytes", "max-body"]);
}

#[test]
fn a_second_daemon_is_refused_in_words() {
    let desk = Desk::new();
    desk.configure("");
    let mut daemon = desk.serve();
    let same_port = desk.run(&["serve"]);
    assert_eq!(same_port.code, Some(1));
    same_port.says(&[&format!("cannot listen on 127.0.0.1:{}", desk.port), "[server]"]);

    // Other addresses, the same store.
    let other = Desk::new();
    other.configure("");
    let state = desk.path("state");
    let same_store = Ran::from(other.command(&["serve", "--state"]).arg(&state).output().unwrap());
    assert_eq!(same_store.code, Some(1));
    same_store.says(&[state.to_str().unwrap(), "in use by another newsdesk", "--state"]);
    // An update that finds the store in use asks the daemon; at these addresses there is none.
    let update = Ran::from(other.command(&["update", "--state"]).arg(&state).output().unwrap());
    assert_eq!(update.code, Some(1));
    update.says(&["no daemon answers", &other.admin.to_string()]);
    assert!(daemon.is_running());
    assert_eq!(desk.get("/").status, 200);
}

#[test]
fn a_socket_that_a_killed_daemon_left_is_no_obstacle() {
    let desk = Desk::new();
    desk.configure("");
    let config = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    let tcp = format!("127.0.0.1:{}", desk.admin);
    desk.write("newsdesk.toml", config.replace(&tcp, &format!("unix:{}", desk.path("run/admin.sock").display())));
    desk.serve().kill();
    assert!(desk.path("run/admin.sock").exists());
    let _daemon = desk.serve();
    let ran = desk.run(&["update", "--json"]);
    assert_eq!((ran.code, ran.json()["sources"].as_array().map(Vec::len)), (Some(0), Some(0)), "{ran:?}");
    let second = desk.run(&["serve"]);
    assert_eq!(second.code, Some(1));
    second.says(&["cannot listen on", "[server]"]);
}

#[test]
fn a_store_of_a_newer_program_is_left_alone() {
    let desk = Desk::new();
    desk.configure("");
    assert_eq!(desk.run(&["update"]).code, Some(0));
    let store = rusqlite::Connection::open(desk.path("state/newsdesk.db")).unwrap();
    store.pragma_update(None, "user_version", 1000).unwrap();
    drop(store);
    for verb in ["serve", "update", "status"] {
        let ran = desk.run(&[verb]);
        assert_eq!(ran.code, Some(78), "{ran:?}");
        ran.says(&["newsdesk.db", "newer newsdesk", "schema 1000"]);
    }
}

#[test]
fn a_start_that_is_killed_at_any_moment_can_be_repeated() {
    let desk = Desk::new();
    desk.write("articles/a.md", "---\ntitle: Alpha\ndate: 2026-03-01\n---\nWords.\n");
    desk.configure(
        "[[section]]\nname = \"news\"\n[[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n",
    );
    let mut served = Served::default();
    for round in 0..12 {
        let daemon = desk.serve_unready();
        // Migrating, scanning, publishing: as far as it has come by then.
        std::thread::sleep(Duration::from_millis(round * 17));
        daemon.kill();
    }
    let daemon = desk.serve();
    served.note(desk.feed("/news/atom.xml"));
    assert_eq!(served.0.len(), 1);
    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(desk.run(&["status"]).code, Some(0));
}

#[test]
fn what_is_no_store_is_left_alone_and_named() {
    let desk = Desk::new();
    desk.configure("");
    let words = "No database, but somebody's letter. ".repeat(200);
    desk.write("state/newsdesk.db", &words);
    for verb in ["serve", "update", "status"] {
        let ran = desk.run(&[verb]);
        assert_eq!(ran.code, Some(78), "{ran:?}");
        ran.says(&["newsdesk.db", "no store of newsdesk", "move it away"]);
    }
    assert_eq!(std::fs::read_to_string(desk.path("state/newsdesk.db")).unwrap(), words);
}

#[test]
fn a_state_folder_that_cannot_be_made_is_named() {
    let desk = Desk::new();
    desk.configure("");
    desk.write("state", "a file, not a folder");
    let ran = desk.run(&["serve"]);
    assert_eq!(ran.code, Some(1));
    ran.says(&["cannot open the store", "state", "check that its folder"]);
}

/// The daemon with its state on a disk of two mebibytes, mounted where only it sees it.
fn on_a_small_disk(desk: &Desk) -> Option<Daemon> {
    std::fs::create_dir_all(desk.path("state")).unwrap();
    let small = |command: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["-rm", "sh", "-c", &format!("mount -t tmpfs -o size=2m tmpfs \"$0\" && {command}")]);
        unshare.arg(desk.path("state"));
        unshare
    };
    if !small("true").output().is_ok_and(|output| output.status.success()) {
        return None;
    }
    let program = desk.command(&["serve"]);
    let mut command = small("exec \"$@\"");
    command.arg(program.get_program()).args(program.get_args()).current_dir(desk.path("."));
    Some(desk.spawn(command))
}

/// A feed of thirty entries; `filler` makes the text of each.
fn large(filler: impl Fn(u32) -> String) -> String {
    let items = (0..30).map(|n| {
        let id = format!("tag:large,2026:{n}");
        serde_json::json!({ "id": id, "title": id, "date_published": "2026-03-01T00:00:00Z", "content_text": filler(n) })
    });
    let items: Vec<serde_json::Value> = items.collect();
    serde_json::json!({ "version": "https://jsonfeed.org/version/1.1", "title": "Large", "items": items }).to_string()
}

#[test]
fn a_full_disk_is_named_and_the_rest_goes_on() {
    let desk = Desk::new();
    desk.origin
        .answer("/small", 200, &[], rss("Small", &[("tag:s,2026:1", "Small", "Sun, 01 Mar 2026 10:00:00 GMT")]))
        .answer("/large", 404, &[], "");
    let (small, large_url) = (desk.origin.url("/small"), desk.origin.url("/large"));
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\n[[source]]\nname = \"small\"\nurl = \"{small}\"\nsections = [\"news\"]
[[source]]\nname = \"large\"\nurl = \"{large_url}\"\nsections = [\"news\"]\n"
    ));
    let Some(mut daemon) = on_a_small_disk(&desk) else {
        eprintln!("skipped: a small disk cannot be mounted here, so a full one is not tried");
        return;
    };
    daemon.ready();
    desk.until_titles("news", &["Small"]);
    let noise = |n: u32, words: u32| {
        (0..words).map(|word| blake3::hash(&(n * 5000 + word).to_le_bytes()).to_hex().to_string() + " ").collect()
    };
    // What does not compress has no room among the entries.
    desk.origin.answer("/large", 200, &[], large(|n| noise(n, 3000)));
    let report = update_by_hand(&desk);
    let row = report["sources"].as_array().unwrap().iter().find(|row| row["source"] == "large").unwrap();
    assert_eq!(row["ok"], false);
    assert!(row["outcome"].as_str().unwrap().starts_with("store: the disk is full"), "{row}");
    let log = desk.log();
    assert!(log.contains("free some space"), "{log}");
    // A disk that is full is no reason to ask anybody more often.
    let (_, next) = log.split_once("next try ").unwrap();
    let next = format!("{}Z", next.get(..19).unwrap().replace(' ', "T"));
    let next: chrono::DateTime<chrono::Utc> = next.parse().unwrap();
    assert!(next - chrono::Utc::now() > chrono::TimeDelta::minutes(10), "{log}");
    // Less of it has it there, and then none among the documents, which say it in every format and coding.
    desk.origin.answer("/large", 200, &[], large(|n| noise(n, 300)));
    let report = update_by_hand(&desk);
    assert!(report["trouble"].as_str().is_some_and(|words| words.starts_with("the disk is full")), "{report}");
    assert!(daemon.is_running());
    assert_eq!(desk.titles("news"), ["Small"], "nothing that was there is lost");
}

/// As `newsdesk update` asks: that would not find the store, on a disk that only the daemon sees.
fn update_by_hand(desk: &Desk) -> serde_json::Value {
    let fields = [("newsdesk-control", "1"), ("Content-Length", "0")];
    crate::support::ask(desk.admin, "POST", "/update", &fields).unwrap().json()
}

#[test]
fn the_service_manager_is_told() {
    let desk = Desk::new();
    desk.origin.answer("/feed", 200, &[], rss("Feed", &[("tag:f,2026:1", "One", "Sun, 01 Mar 2026 10:00:00 GMT")]));
    let url = desk.origin.url("/feed");
    desk.write("articles/a.md", "---\ntitle: Alpha\ndate: 2026-03-01\n---\nWords.\n");
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\n[[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]
[[source]]\nname = \"feed\"\nurl = \"{url}\"\n"
    ));
    let socket = UnixDatagram::bind(desk.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut command = desk.command(&["serve", "--log", "json"]);
    command.env("NOTIFY_SOCKET", desk.path("notify"));
    let daemon = desk.spawn(command);
    let mut told = String::new();
    let mut wait_for = |word: &str| {
        until(&format!("the service manager hears {word}"), || {
            let mut bytes = [0; 4096];
            if let Ok(length) = socket.recv(&mut bytes) {
                told.push_str(&String::from_utf8_lossy(&bytes[..length]));
                told.push('\n');
            }
            told.contains(word).then(|| told.clone())
        })
    };
    let before = wait_for("READY=1");
    assert!(!before.contains("STOPPING"), "{before}");
    // What it says is so: the feeds answer, with what the folder holds.
    assert_eq!(desk.get("/readyz").status, 200);
    assert_eq!(desk.titles("news"), ["Alpha"]);
    assert!(wait_for("STATUS=").contains("2 sources"));
    daemon.signal(libc::SIGTERM);
    wait_for("STOPPING=1");
    let mut daemon = daemon;
    assert_eq!(daemon.ended().code(), Some(0));
    for line in desk.log().lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|cause| panic!("{cause}: {line}"));
        assert!(event["level"].is_string() && event["message"].is_string(), "{line}");
    }
}
