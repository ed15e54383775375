//! A newsdesk of a test's own: the real binary, its configuration and state in a scratch folder, an origin on loopback
//! that does as it is told, and a client that sees every byte. Conditions are waited for, times are not measured.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::origin::Origin;

/// Only reached when something is broken: the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(90);

/// Look until there is something to see.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < patience, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// One installation.
pub struct Desk {
    folder: TempDir,
    pub origin: Origin,
    pub port: u16,
    pub admin: u16,
    runtime: Runtime,
}

impl Desk {
    pub fn new() -> Desk {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let origin = runtime.block_on(Origin::start());
        let folder = tempfile::tempdir().unwrap();
        Desk { folder, origin, port: free_port(), admin: free_port(), runtime }
    }

    /// Another origin, and another host.
    pub fn another_origin(&self) -> Origin {
        self.runtime.block_on(Origin::start())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Write a file of the scratch folder, its folders included.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A configuration for these addresses; `tables` may begin with further keys of `[fetch]`.
    pub fn configure(&self, tables: &str) -> &Desk {
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:{}"
admin = "127.0.0.1:{}"
[publish]
min-interval = "0s"
[schedule]
rescan = "0 0 1 1 *"
[fetch]
allow-networks = ["127.0.0.0/8"]
host-interval = "0s"
host-connections = 32
{tables}"#,
            self.port, self.admin
        );
        self.write("newsdesk.toml", text);
        self
    }

    /// The program with this configuration and state.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_newsdesk"));
        command.args(["--config".as_ref(), self.path("newsdesk.toml").as_os_str()]);
        command.args(["--state".as_ref(), self.path("state").as_os_str()]);
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        for name in ["NEWSDESK_CONFIG", "NEWSDESK_LOG", "NOTIFY_SOCKET", "JOURNAL_STREAM", "STATE_DIRECTORY"] {
            command.env_remove(name);
        }
        command
    }

    /// Run a verb to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(self.command(arguments).output().unwrap())
    }

    /// Start the daemon and wait until it is ready.
    pub fn serve(&self) -> Daemon {
        let daemon = self.serve_unready();
        daemon.ready();
        daemon
    }

    pub fn serve_unready(&self) -> Daemon {
        self.spawn(self.command(&["serve"]))
    }

    /// A daemon that was prepared in another way, with its words in a file.
    pub fn spawn(&self, mut command: Command) -> Daemon {
        let log = self.path("log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Daemon { child, port: self.port, log }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[])
    }

    pub fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        ask(self.port, method, path, fields).unwrap()
    }

    /// A feed as an independent reader sees it. It must be there.
    pub fn feed(&self, path: &str) -> Vec<Seen> {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}");
        read(path, &answer.body)
    }

    /// Titles of an Atom feed, top down; none where there is no feed yet.
    pub fn titles(&self, section: &str) -> Vec<String> {
        self.feed(&format!("/{section}/atom.xml")).into_iter().map(|entry| entry.title).collect()
    }

    /// Wait for these titles, top down.
    pub fn until_titles(&self, section: &str, titles: &[&str]) {
        let mut seen = Vec::new();
        let what = format!("{section} shows {titles:?}");
        let patience = Instant::now() + PATIENCE;
        while seen != titles {
            assert!(Instant::now() < patience, "waited in vain: {what}, but it shows {seen:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(30));
            seen = self.titles(section);
        }
    }

    /// One source, as the running daemon tells it on its admin address.
    pub fn status(&self, source: &str) -> Value {
        let answer = ask(self.admin, "GET", "/status.json", &[]).unwrap();
        row(&answer.json(), source)
    }

    /// Wait until the status of a source is as wanted; that status.
    pub fn until_status(&self, source: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(&format!("{source}: {what}"), || Some(self.status(source)).filter(&wanted))
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Whatever is published, by path, with its bytes and validators.
    pub fn documents(&self, paths: &[&str]) -> Vec<(String, Answer)> {
        paths.iter().map(|path| (path.to_string(), self.get(path))).collect()
    }
}

/// What failed a test stands in the daemon's own words.
impl Drop for Desk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon said:\n{}", self.log());
        }
    }
}

/// The row of one source in a status report.
pub fn row(report: &Value, source: &str) -> Value {
    let rows = report["sources"].as_array().unwrap();
    rows.iter().find(|row| row["source"] == source).cloned().unwrap_or(Value::Null)
}

/// A running `newsdesk serve`; killed when it is dropped.
pub struct Daemon {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Daemon {
    pub fn ready(&self) {
        until("the daemon is ready", || {
            ask(self.port, "GET", "/readyz", &[]).ok().filter(|answer| answer.status == 200)
        });
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: kill(2) touches no memory of ours; the child is not reaped before `wait`.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and its exit status.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(libc::SIGTERM);
        self.ended()
    }

    pub fn ended(&mut self) -> ExitStatus {
        let log = self.log.clone();
        until(&format!("the daemon ends; log {}", log.display()), || self.child.try_wait().unwrap())
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A verb that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    /// The one line on stdout.
    pub fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap()
    }

    /// Every word is among what was said to people.
    pub fn says(&self, words: &[&str]) {
        for word in words {
            assert!(self.err.contains(word), "{word:?} is missing:\n{}", self.err);
        }
    }
}

/// An answer, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Lower-case names.
    fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Empty where the header is not there.
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|cause| panic!("{cause}: {}", self.text()))
    }

    /// What tells one revision from the next.
    pub fn revision(&self) -> Revision {
        (self.field("etag").to_owned(), self.field("last-modified").to_owned(), self.body.clone())
    }
}

/// ETag, Last-Modified, bytes.
pub type Revision = (String, String, Vec<u8>);

/// One request on a connection of its own.
pub fn ask(port: u16, method: &str, path: &str, fields: &[(&str, &str)]) -> std::io::Result<Answer> {
    exchange(port, method, path, fields, b"")
}

/// The same with a body. A server may answer and close before it has read all of it.
pub fn exchange(port: u16, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    for (name, value) in fields {
        let _ = write!(request, "{name}: {value}\r\n");
    }
    stream.write_all(format!("{request}\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    if body.is_empty() {
        stream.read_to_end(&mut bytes)?;
    } else {
        let _ = stream.write_all(body);
        let _ = stream.read_to_end(&mut bytes);
    }
    let ended = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").ok_or_else(ended)?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(ended)?;
    let fields = lines.filter_map(|line| line.split_once(": "));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let mut answer = Answer { status, fields, body: bytes[end + 4..].to_vec() };
    if answer.field("transfer-encoding") == "chunked" {
        answer.body = unchunked(&answer.body).ok_or_else(ended)?;
    }
    Ok(answer)
}

/// Web servers send in pieces what newsdesk sends whole.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(line + 2..line + 2 + length)?);
        rest = rest.get(line + 4 + length..)?;
    }
}

/// One entry, as feed-rs reads it out of any of the three formats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub title: String,
    pub published: Option<DateTime<Utc>>,
    pub link: Option<String>,
}

/// A document, read by feed-rs.
pub fn read(path: &str, bytes: &[u8]) -> Vec<Seen> {
    let feed = feed_rs::parser::parse(bytes).unwrap_or_else(|cause| panic!("{path}: {cause}"));
    let entries = feed.entries.into_iter().map(|entry| Seen {
        id: entry.id,
        title: entry.title.map(|title| title.content).unwrap_or_default(),
        published: entry.published,
        link: entry.links.into_iter().map(|link| link.href).next(),
    });
    entries.collect()
}

/// An RSS 2.0 document of (guid, title, RFC 822 date).
pub fn rss(feed: &str, items: &[(&str, &str, &str)]) -> String {
    let mut text = format!("<rss version=\"2.0\"><channel><title>{feed}</title><link>https://rss.example/</link>\n");
    for (guid, title, date) in items {
        let _ = writeln!(
            text,
            "<item><guid isPermaLink=\"false\">{guid}</guid><title>{title}</title><pubDate>{date}</pubDate>\
             <link>https://rss.example/{}/{}</link><description>Text of {title}.</description></item>",
            feed.replace(' ', "-"),
            guid.rsplit(':').next().unwrap_or_default()
        );
    }
    text + "</channel></rss>\n"
}

/// An Atom document of (id, title, RFC 3339 date).
pub fn atom(feed: &str, entries: &[(&str, &str, &str)]) -> String {
    let mut text = format!(
        "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>{feed}</title><id>urn:feed:{feed}</id>\
         <link href=\"https://atom.example/\"/><updated>2026-03-01T00:00:00Z</updated>\n"
    );
    for (id, title, date) in entries {
        let _ = writeln!(
            text,
            "<entry><id>{id}</id><title>{title}</title><published>{date}</published><updated>{date}</updated>\
             <link href=\"https://atom.example/{}/{}\"/><summary>Text of {title}.</summary></entry>",
            feed.replace(' ', "-"),
            id.rsplit(':').next().unwrap_or_default()
        );
    }
    text + "</feed>\n"
}

/// A JSON Feed document of (id, title, RFC 3339 date).
pub fn json(title: &str, items: &[(&str, &str, &str)]) -> String {
    let items = items.iter().map(|(id, title, date)| {
        serde_json::json!({ "id": id, "title": title, "date_published": date, "content_text": format!("Text of {title}.") })
    });
    let items: Vec<Value> = items.collect();
    serde_json::json!({ "version": "https://jsonfeed.org/version/1.1", "title": title, "items": items }).to_string()
}

/// Files below a folder, sorted, relative; what goes while we look is left out.
pub fn files_below(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    found.iter().map(|path| path.strip_prefix(root).unwrap().to_owned()).collect()
}

/// Below the range that outgoing connections use, so that nobody else takes it between now and the daemon's start;
/// each test process looks in a place of its own.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % 110) as u16 * 100;
    loop {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 11_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
