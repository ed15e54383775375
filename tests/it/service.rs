//! The daemon under a service manager, and as those see it who watch it: sockets handed over, the watchdog, control on a
//! Unix socket, metrics.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Desk, ask, rss, until};

const MARCH: &str = "Sun, 01 Mar 2026 10:00:00 GMT";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.origin.answer("/feed", 200, &[("ETag", "\"1\"")], rss("Feed", &[("tag:f,2026:1", "One", MARCH)]));
    desk
}

fn tables(desk: &Desk) -> String {
    format!(
        "[[section]]\nname = \"news\"\n[[source]]\nname = \"feed\"\nurl = \"{}\"\nsections = [\"news\"]\n",
        desk.origin.url("/feed")
    )
}

/// What the service manager is told, message by message.
struct Manager(UnixDatagram);

impl Manager {
    fn new(desk: &Desk) -> Manager {
        let socket = UnixDatagram::bind(desk.path("notify")).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Manager(socket)
    }

    fn next(&self) -> Option<String> {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..length]).into_owned())
    }

    fn hear(&self, word: &str) -> String {
        until(&format!("the service manager hears {word}"), || self.next().filter(|told| told.contains(word)))
    }
}

#[test]
fn the_watchdog_is_fed_while_the_store_makes_progress_and_no_longer() {
    let desk = desk();
    desk.configure(&tables(&desk));
    let manager = Manager::new(&desk);
    let mut command = desk.command(&["serve"]);
    command.env("NOTIFY_SOCKET", desk.path("notify")).env("WATCHDOG_USEC", "600000");
    let daemon = desk.spawn(command);
    manager.hear("READY=1");
    let status = manager.hear("STATUS=");
    assert!(status.starts_with("STATUS=1 source, 0 failing; next poll in "), "{status}");
    manager.hear("WATCHDOG=1");
    manager.hear("WATCHDOG=1");
    assert_eq!(desk.get("/healthz").status, 200);

    // Somebody holds the store: nothing can be written any more.
    let holder = rusqlite::Connection::open(desk.path("state/newsdesk.db")).unwrap();
    holder.busy_timeout(Duration::from_secs(30)).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let stuck = until("it is noticed", || Some(desk.get("/healthz")).filter(|answer| answer.status == 503));
    assert!(stuck.text().starts_with("the store has not answered for "), "{}", stuck.text());
    assert_eq!(ask(desk.admin, "GET", "/healthz", &[]).unwrap().status, 503);
    while manager.next().is_some() {}
    assert_eq!(desk.get("/news/").status, 200, "readers do not notice");
    assert!(manager.next().is_none_or(|told| !told.contains("WATCHDOG")));

    holder.execute_batch("ROLLBACK").unwrap();
    manager.hear("WATCHDOG=1");
    until("all is well again", || (desk.get("/healthz").status == 200).then_some(()));
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_service_manager_that_does_not_listen_holds_nothing_up() {
    let desk = desk();
    desk.configure(&tables(&desk));
    let manager = Manager::new(&desk);
    let others = UnixDatagram::unbound().unwrap();
    others.set_nonblocking(true).unwrap();
    let fill = || while others.send_to(b"X_OTHER=1", desk.path("notify")).is_ok() {};
    fill();
    let mut command = desk.command(&["serve"]);
    command.env("NOTIFY_SOCKET", desk.path("notify")).env("WATCHDOG_USEC", "600000");
    let daemon = desk.spawn(command);
    daemon.ready();
    desk.until_titles("news", &["One"]);
    // The first STATUS is due after a second, and finds no room either; the loop goes on.
    std::thread::sleep(Duration::from_millis(1500));
    desk.origin.answer("/feed", 200, &[], rss("Feed", &[("tag:f,2026:2", "Two", MARCH)]));
    assert_eq!(desk.run(&["update", "feed"]).code, Some(0));
    assert_eq!(desk.get("/healthz").status, 200);

    // It listens again: what it missed comes first, and then how things are now.
    let first = until("it is told something", || manager.next().filter(|told| !told.starts_with("X_OTHER")));
    assert_eq!(first, "READY=1\n");
    manager.hear("STATUS=1 source, 0 failing; next poll in ");

    fill();
    assert_eq!(desk.run(&["reload"]).code, Some(0), "a reload needs nobody to hear of it");
    manager.hear("RELOADING=1");
    manager.hear("READY=1");
    fill();
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn the_service_manager_is_told_what_it_was_not_told_before() {
    let desk = Desk::new();
    desk.configure("");
    let manager = Manager::new(&desk);
    let mut command = desk.command(&["serve"]);
    command.env("NOTIFY_SOCKET", desk.path("notify")).env("WATCHDOG_USEC", "600000");
    let _daemon = desk.spawn(command);
    manager.hear("STATUS=0 sources, 0 failing");
    // The watchdog is fed each 200 ms: three seconds.
    for _ in 0..15 {
        let told = until("the watchdog is fed", || manager.next());
        assert_eq!(told, "WATCHDOG=1\n");
    }
}

/// The daemon as systemd starts it with a socket that it holds: descriptor 3, and the number of the process.
pub fn with_socket(plain: &Command, listener: &TcpListener) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg("LISTEN_PID=$$ exec \"$0\" \"$@\"").arg(plain.get_program()).args(plain.get_args());
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", "public");
    for name in ["NEWSDESK_CONFIG", "NEWSDESK_LOG", "NOTIFY_SOCKET", "JOURNAL_STREAM", "STATE_DIRECTORY"] {
        command.env_remove(name);
    }
    let descriptor = listener.as_raw_fd();
    // SAFETY: dup2 is safe between fork and exec; the copy it makes is not closed by exec.
    unsafe {
        command.pre_exec(move || match libc::dup2(descriptor, 3) {
            3 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        })
    };
    command
}

#[test]
fn no_request_is_lost_across_a_restart() {
    let mut desk = desk();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    desk.configure(&tables(&desk));
    // What the configuration says of the address does not count.
    desk.port = listener.local_addr().unwrap().port();
    let daemon = desk.spawn(with_socket(&desk.command(&["serve"]), &listener));
    daemon.ready();
    desk.until_titles("news", &["One"]);

    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (over, answered, port) = (over.clone(), answered.clone(), desk.port);
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let answer = ask(port, "GET", "/news/atom.xml", &[]).expect("every request is answered");
                    assert_eq!(answer.status, 200);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let some_more = || {
        let before = answered.load(Ordering::Relaxed);
        until("requests are answered", || (answered.load(Ordering::Relaxed) > before + 20).then_some(()));
    };
    some_more();
    assert_eq!(daemon.stop().code(), Some(0));
    let daemon = desk.spawn(with_socket(&desk.command(&["serve"]), &listener));
    some_more();
    over.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert!(desk.log().contains("[server] listen"), "{}", desk.log());
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn control_on_a_unix_socket_serves_every_verb() {
    let desk = desk();
    let socket = desk.path("run/admin.sock");
    desk.configure(&tables(&desk));
    let text = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    let admin = format!("admin = \"127.0.0.1:{}\"", desk.admin);
    desk.write("newsdesk.toml", text.replace(&admin, &format!("admin = \"unix:{}\"", socket.display())));
    let _daemon = desk.serve();
    desk.until_titles("news", &["One"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&socket.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "only its owner controls it");
    assert_eq!(desk.run(&["update", "feed"]).code, Some(0));
    assert_eq!(desk.run(&["reload"]).code, Some(0));
    assert!(desk.run(&["status", "--json"]).json()["store"].is_string(), "the daemon itself has answered");
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("newsdesk_sources 1"), "{answer}");
}

#[test]
fn under_a_unit_control_is_in_its_runtime_directory() {
    let desk = desk();
    desk.configure(&tables(&desk));
    let text = std::fs::read_to_string(desk.path("newsdesk.toml")).unwrap();
    desk.write("newsdesk.toml", text.replace(&format!("admin = \"127.0.0.1:{}\"", desk.admin), ""));
    let run = |arguments: &[&str]| {
        let mut command = desk.command(arguments);
        command.env("RUNTIME_DIRECTORY", desk.path("run"));
        command
    };
    let daemon = desk.spawn(run(&["serve"]));
    daemon.ready();
    assert!(desk.path("run/admin.sock").exists());
    assert!(run(&["reload"]).output().unwrap().status.success(), "as ExecReload= asks");
}

/// The value of one sample.
fn sample(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is missing:\n{metrics}")).parse().unwrap()
}

#[test]
fn what_is_counted_is_told_on_the_admin_address_alone() {
    let desk = desk();
    desk.origin.answer("/bad", 500, &[], "");
    let bad = format!("[[source]]\nname = \"bad\"\nurl = \"{}\"\n", desk.origin.url("/bad"));
    desk.configure(&(tables(&desk) + &bad));
    let _daemon = desk.serve();
    desk.until_titles("news", &["One"]);
    desk.until_status("bad", "has failed", |row| row["mark"] == "failing");
    let length = rss("Feed", &[("tag:f,2026:1", "One", MARCH)]).len();
    desk.origin.answer("/feed", 304, &[], "");
    assert_eq!(desk.run(&["update", "feed"]).code, Some(0));
    desk.configure("wrong");
    desk.run(&["reload"]);
    assert_eq!(desk.get("/nothing").status, 404);

    let metrics = until("the gauges are set", || {
        let answer = ask(desk.admin, "GET", "/metrics", &[]).unwrap();
        assert_eq!(answer.field("content-type"), "text/plain; version=0.0.4; charset=utf-8");
        Some(answer.text()).filter(|text| text.contains("newsdesk_sources_failing 1"))
    });
    for (name, value) in [
        ("newsdesk_polls_total{outcome=\"changed\"}", 1.0),
        ("newsdesk_polls_total{outcome=\"not_modified\"}", 1.0),
        ("newsdesk_polls_total{outcome=\"fetch_failed\"}", 1.0),
        ("newsdesk_not_modified_saved_bytes_total", length as f64),
        ("newsdesk_entries_total{change=\"new\"}", 1.0),
        ("newsdesk_sources", 2.0),
        ("newsdesk_store_entries", 1.0),
        ("newsdesk_config_reloads_total{verdict=\"refused\"}", 1.0),
        ("newsdesk_config_last_reload_successful", 0.0),
        ("newsdesk_healthy", 1.0),
        ("newsdesk_http_requests_total{code=\"404\"}", 1.0),
        ("newsdesk_refresh_duration_seconds_count", 3.0),
    ] {
        assert_eq!(sample(&metrics, name), value, "{name}\n{metrics}");
    }
    for name in ["newsdesk_store_size_bytes", "newsdesk_revisions_total", "process_resident_memory_bytes"] {
        assert!(sample(&metrics, name) > 0.0, "{name}");
    }
    well_formed(&metrics);
    assert_eq!(desk.get("/metrics").status, 404, "nothing of it is public");
    let foreign = ask(desk.admin, "GET", "/metrics", &[("Origin", "https://elsewhere.example")]).unwrap();
    assert_eq!(foreign.status, 403);
    assert_eq!(ask(desk.admin, "POST", "/reload", &[("Content-Length", "0")]).unwrap().status, 403, "no web page can");
}

/// Each family is described before its samples, once; counters end in `_total`, nothing is told twice.
fn well_formed(metrics: &str) {
    let mut kinds = std::collections::BTreeMap::new();
    let mut seen = std::collections::BTreeSet::new();
    for line in metrics.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            assert!(kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(seen.insert(sample.to_owned()), "{line}");
            value.parse::<f64>().unwrap();
            let name = sample.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|ending| name.strip_suffix(ending));
            let described = |name: &str| kinds.contains_key(name);
            assert!(described(name) || family.is_some_and(described), "{line}");
        }
    }
}

/// Where systemd is at hand, its own judges read the units.
#[test]
fn the_units_are_right_and_closed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/systemd");
    let scratch = tempfile::tempdir().unwrap();
    for unit in ["newsdesk.service", "newsdesk.socket"] {
        let text = std::fs::read_to_string(folder.join(unit)).unwrap();
        std::fs::write(scratch.path().join(unit), text.replace("/usr/bin/newsdesk", "/bin/true")).unwrap();
    }
    let analyze =
        |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).current_dir(scratch.path()).output().ok();
    let Some(verified) = analyze(&["verify", "./newsdesk.service", "./newsdesk.socket"]) else {
        eprintln!("systemd-analyze is not at hand: the units are not judged");
        return;
    };
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(verified.status.success() && said.is_empty(), "{said}");
    let exposure = analyze(&["security", "--offline=true", "--threshold=15", "./newsdesk.service"]).unwrap();
    assert!(exposure.status.success(), "{}", String::from_utf8_lossy(&exposure.stdout));
}
