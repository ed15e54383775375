//! A changed configuration under a running daemon: what is taken, what is refused, and who is not disturbed by it.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::origin::Behaviour;
use crate::support::{Desk, rss, until};

const MARCH: &str = "Sun, 01 Mar 2026 10:00:00 GMT";

/// Three feeds of one entry each: One, Two, Three.
fn desk() -> Desk {
    let desk = Desk::new();
    for (path, title) in [("/one", "One"), ("/two", "Two"), ("/three", "Three")] {
        let id = format!("tag:{title},2026:1");
        desk.origin.answer(path, 200, &[("ETag", "\"1\"")], rss(title, &[(&id, title, MARCH)]));
    }
    desk
}

fn source(desk: &Desk, name: &str, path: &str, more: &str) -> String {
    format!("[[source]]\nname = \"{name}\"\nurl = \"{}\"\n{more}\n", desk.origin.url(path))
}

const NEWS: &str = "sections = [\"news\"]";

/// A client that keeps its connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(desk: &Desk) -> Client {
        Client(BufReader::new(TcpStream::connect(("127.0.0.1", desk.port)).unwrap()))
    }

    fn get(&mut self, path: &str) -> (String, Vec<u8>) {
        write!(self.0.get_mut(), "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        let (mut status, mut length) = (String::new(), 0);
        self.0.read_line(&mut status).unwrap();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            if let Some(stated) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = stated.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status.trim().to_owned(), body)
    }
}

#[test]
fn what_changes_changes_live_and_nobody_else_notices() {
    let desk = desk();
    let news = "[[section]]\nname = \"news\"\n";
    desk.configure(&format!("{news}{}{}", source(&desk, "one", "/one", NEWS), source(&desk, "two", "/two", NEWS)));
    let daemon = desk.serve();
    let mut client = Client::connect(&desk);
    until("both are asked", || (desk.titles("news").len() == 2).then_some(()));
    assert_eq!(client.get("/news/").0, "HTTP/1.1 200 OK");
    let next_poll = desk.status("one")["next_poll"].clone();

    desk.write("articles/a.md", "---\ntitle: Article\ndate: 2026-03-02\n---\nWords.\n");
    desk.configure(&format!(
        "{news}title = \"The news\"\n[[section]]\nname = \"wires\"\nsources = [\"eins\"]\n{}{}\
         [[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n",
        source(&desk, "eins", "/one", NEWS),
        source(&desk, "three", "/three", "sections = [\"news\"]\nschedule = \"0 0 1 1 *\""),
    ));
    let ran = desk.run(&["reload", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report = ran.json();
    assert_eq!(report["ok"], true);
    let changes: Vec<&str> = report["changes"].as_array().unwrap().iter().filter_map(|words| words.as_str()).collect();
    assert_eq!(
        changes,
        [
            "source one: is now eins",
            "source two: removed, its entries leave the sections",
            "source desk: added",
            "source three: added",
            "section news: changed",
            "section wires: added"
        ]
    );

    // What the verdict says is so already: the section that is new has its entries, the source that is gone has none.
    assert_eq!(desk.titles("wires"), ["One"]);
    assert!(!desk.titles("news").contains(&"Two".to_owned()));
    desk.until_titles("news", &["Article", "One", "Three"]);
    assert!(desk.get("/news/").text().contains("The news"));
    let (status, body) = client.get("/wires/atom.xml");
    assert_eq!(status, "HTTP/1.1 200 OK", "the connection from before is still good");
    assert!(String::from_utf8_lossy(&body).contains(">One<"));
    assert_eq!((desk.origin.count("/one"), desk.origin.count("/two")), (1, 1), "nobody is asked again");
    assert_eq!(desk.status("eins")["next_poll"], next_poll);

    // A folder that came with the reload is watched.
    desk.write("articles/b.md", "---\ntitle: Second\ndate: 2026-03-03\n---\nWords.\n");
    desk.until_titles("news", &["Second", "Article", "One", "Three"]);

    // By signal, back to less: what belongs to no section is gone.
    desk.configure(&format!("{news}{}", source(&desk, "eins", "/one", NEWS)));
    daemon.signal(libc::SIGHUP);
    until("the section is gone", || (desk.get("/wires/atom.xml").status == 404).then_some(()));
    desk.until_titles("news", &["One"]);
    assert_eq!(desk.origin.count("/one"), 1);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn another_schedule_holds_at_once() {
    let desk = desk();
    desk.configure(&source(&desk, "one", "/one", "schedule = \"0 0 1 1 *\""));
    let _daemon = desk.serve();
    desk.until_status("one", "is asked", |row| row["mark"] == "well");
    desk.configure(&source(&desk, "one", "/one", "schedule = \"* * * * * *\""));
    assert_eq!(desk.run(&["reload"]).code, Some(0));
    until("it is asked by the new schedule", || (desk.origin.count("/one") > 1).then_some(()));
    // The same under another address is asked there, without what the first one said.
    desk.configure(&source(&desk, "one", "/two", "schedule = \"0 0 1 1 *\""));
    assert_eq!(desk.run(&["reload"]).code, Some(0));
    until("it is asked at its new address", || (desk.origin.count("/two") > 0).then_some(()));
    let asked = desk.origin.asked();
    let first = asked.iter().find(|request| request.path == "/two").unwrap();
    assert_eq!(first.field("if-none-match"), None);
}

/// A change while nobody was here is one all the same.
#[test]
fn another_schedule_holds_after_a_restart() {
    let desk = desk();
    desk.configure(&source(&desk, "one", "/one", "schedule = \"0 0 1 1 *\""));
    let daemon = desk.serve();
    desk.until_status("one", "is asked", |row| row["mark"] == "well");
    assert_eq!(daemon.stop().code(), Some(0));
    desk.configure(&source(&desk, "one", "/one", "schedule = \"* * * * * *\""));
    let daemon = desk.serve();
    until("it is asked by the new schedule", || (desk.origin.count("/one") > 1).then_some(()));
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_broken_configuration_changes_nothing_and_is_named_everywhere() {
    let desk = desk();
    let tables = format!("[[section]]\nname = \"news\"\n{}", source(&desk, "one", "/one", NEWS));
    desk.configure(&tables);
    let daemon = desk.serve();
    desk.until_titles("news", &["One"]);
    let before = desk.get("/news/atom.xml").revision().0;

    desk.configure(&format!("{tables}shedule = \"0 0 1 1 *\"\n[[section]]\nname = \"status\"\n"));
    let ran = desk.run(&["reload"]);
    assert_eq!(ran.code, Some(78), "{ran:?}");
    ran.says(&["newsdesk.toml:", "unknown key \"shedule\"", "^^^^^^^", "schedule", "2 errors", "stays"]);
    assert_eq!(desk.run(&["reload", "--json"]).json()["ok"], false);
    daemon.signal(libc::SIGHUP);
    until("the log says so three times", || (desk.log().matches("is refused").count() == 3).then_some(()));
    assert!(desk.log().contains("unknown key \"shedule\""), "{}", desk.log());
    let page = desk.get("/status").text();
    assert!(page.contains("is refused (2 errors)"), "{page}");
    assert!(!page.contains("newsdesk.toml"), "a path is nobody else's business");
    assert_eq!(desk.get("/news/atom.xml").revision().0, before, "its ETag: the date grows until it is not ahead");

    // Even status is told of it, although the file that it reads itself is wrong; mended, it is as if nothing had been.
    desk.configure(&tables);
    let status = desk.run(&["status", "--json"]).json();
    assert!(status["notices"][0].as_str().unwrap().contains("unknown key \"shedule\""), "{status}");
    assert!(desk.run(&["status"]).out.contains("! the configuration read at"));
    let ran = desk.run(&["reload"]);
    assert_eq!(ran.code, Some(0));
    ran.says(&["nothing is different"]);
    assert_eq!(desk.run(&["status", "--json"]).json()["notices"].as_array().unwrap().len(), 0);
    assert!(!desk.get("/status").text().contains("refused"));
    assert_eq!(desk.origin.count("/one"), 1);
}

#[test]
fn what_only_a_start_can_change_is_said_and_stays() {
    let desk = desk();
    desk.configure(&source(&desk, "one", "/one", ""));
    let _daemon = desk.serve();
    let text = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    let listen = format!("listen = \"127.0.0.1:{}\"", desk.port);
    desk.write("newsdesk.toml", text.replace(&listen, "listen = \"127.0.0.1:1\"") + "[store]\nurl = \"sqlite:b.db\"\n");
    let ran = desk.run(&["reload", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let kept = ran.json()["kept"].clone();
    assert!(kept[0].as_str().unwrap().starts_with("[server] listen stays"), "{kept}");
    assert!(kept[1].as_str().unwrap().starts_with("[store] url stays"), "{kept}");
    assert_eq!(desk.get("/").status, 200);
    assert!(desk.get("/status").text().contains("waits for a restart"));
    assert!(!desk.path("state/b.db").exists());
}

#[test]
fn nobody_answers() {
    let desk = desk();
    desk.configure("");
    let ran = desk.run(&["reload"]);
    assert_eq!(ran.code, Some(1));
    ran.says(&["no daemon answers", &desk.admin.to_string()]);
}

#[test]
fn the_service_manager_hears_of_a_reload() {
    let desk = desk();
    desk.configure(&source(&desk, "one", "/one", ""));
    let socket = UnixDatagram::bind(desk.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut command = desk.command(&["serve"]);
    command.env("NOTIFY_SOCKET", desk.path("notify"));
    let daemon = desk.spawn(command);
    let hear = |word: &str| {
        until(&format!("the service manager hears {word}"), || {
            let mut bytes = [0; 4096];
            let length = socket.recv(&mut bytes).ok()?;
            Some(String::from_utf8_lossy(&bytes[..length]).into_owned()).filter(|told| told.contains(word))
        })
    };
    hear("READY=1");
    daemon.signal(libc::SIGHUP);
    let told = hear("RELOADING=1");
    let usec = told.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(usec.parse::<u64>().unwrap() > 0, "{told}");
    hear("READY=1");
    desk.configure("wrong");
    daemon.signal(libc::SIGHUP);
    hear("RELOADING=1");
    hear("READY=1");
}

/// A poll that was under way when the configuration changed ends under the new one.
#[test]
fn another_schedule_holds_for_a_poll_that_is_under_way() {
    let desk = desk();
    desk.configure(&source(&desk, "one", "/slow", "schedule = \"0 0 1 1 *\""));
    let answer = rss("Slow", &[("tag:slow,2026:1", "Slow", MARCH)]);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
    let (first, rest) = answer.split_at(answer.len() - 8);
    let begin = (head + first).into_bytes();
    desk.origin.on("/slow", Behaviour::Drip(begin, rest.as_bytes().to_vec(), Duration::from_millis(400)));
    let _daemon = desk.serve();
    until("it is being asked", || (desk.origin.count("/slow") == 1).then_some(()));
    desk.configure(&source(&desk, "one", "/slow", "schedule = \"* * * * * *\""));
    assert_eq!(desk.run(&["reload"]).code, Some(0));
    until("it is asked by the new schedule", || (desk.origin.count("/slow") > 1).then_some(()));
}
