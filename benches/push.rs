//! From a saved article to a subscriber's callback: the real `newsdesk serve` with a hub of its own.
//!
//! ```sh
//! cargo bench --bench push               # 20 articles, 1 subscriber
//! cargo bench --bench push -- 10 200     # 10 articles, 200 subscribers: the first and the last of them
//! ```
//!
//! An article is renamed into the folder; the clock runs from then until its title has come to the callback. Articles are
//! saved some seconds apart: documents carry whole seconds, so that two within one wait for the next.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// No delivery takes so long.
const PATIENCE: Duration = Duration::from_secs(30);
const APART: Duration = Duration::from_millis(2300);

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (articles, subscribers) = (numbers.next().unwrap_or(20), numbers.next().unwrap_or(1));
    let scratch = std::env::temp_dir().join(format!("newsdesk-bench-push-{}", std::process::id()));
    std::fs::create_dir_all(scratch.join("articles"))?;
    let result = measure(&scratch, articles, subscribers);
    std::fs::remove_dir_all(&scratch)?;
    result
}

fn measure(scratch: &Path, articles: usize, subscribers: usize) -> Result<(), Failure> {
    let (port, admin) = (free_port()?, free_port()?);
    let config = scratch.join("newsdesk.toml");
    std::fs::write(
        &config,
        format!(
            "[site]\nurl = \"http://127.0.0.1:{port}/\"\n[server]\nlisten = \"127.0.0.1:{port}\"\n\
             admin = \"127.0.0.1:{admin}\"\n[publish]\nhub = \"own\"\n[fetch]\nallow-networks = [\"127.0.0.0/8\"]\n\
             [[section]]\nname = \"news\"\n[[source]]\nname = \"desk\"\nfolder = \"articles\"\nsections = [\"news\"]\n"
        ),
    )?;
    let mut serve = Command::new(env!("CARGO_BIN_EXE_newsdesk"));
    serve.arg("--config").arg(&config).arg("--state").arg(scratch).arg("serve");
    let daemon = Running(serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    until(|| ask(port, "GET", "/readyz", "").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")))?;
    let (callback, delivered) = callbacks()?;
    for number in 0..subscribers {
        let form = format!(
            "hub.mode=subscribe&hub.topic=http%3A%2F%2F127.0.0.1%3A{port}%2Fnews%2Fatom.xml\
             &hub.callback=http%3A%2F%2F127.0.0.1%3A{callback}%2F{number}&hub.secret=secret"
        );
        until(|| {
            let taken = ask(port, "POST", "/hub", &form).is_ok_and(|answer| answer.starts_with("HTTP/1.1 202"));
            if !taken {
                std::thread::sleep(Duration::from_secs(1));
            }
            taken
        })?;
    }
    // Until all are confirmed.
    std::thread::sleep(Duration::from_secs(2) + Duration::from_millis(10) * u32::try_from(subscribers)?);

    let (mut first, mut last) = (Vec::new(), Vec::new());
    for number in 0..articles {
        let title = format!("Article-{number}-of-the-bench");
        let hidden = scratch.join("articles/.hidden");
        std::fs::write(&hidden, format!("---\ntitle: {title}\n---\nA paragraph of the article.\n"))?;
        let begun = Instant::now();
        std::fs::rename(&hidden, scratch.join(format!("articles/{number}.md")))?;
        let mut seen = 0;
        while seen < subscribers {
            let (when, body) = delivered.recv_timeout(PATIENCE)?;
            if body.contains(&title) {
                seen += 1;
                if seen == 1 {
                    first.push(when - begun);
                }
                if seen == subscribers {
                    last.push(when - begun);
                }
            }
        }
        std::thread::sleep(APART);
    }
    drop(daemon);
    println!("saved article to callback, {articles} articles, {subscribers} subscribers");
    println!("  first told: {}", figures(&mut first));
    if subscribers > 1 {
        println!("  last told:  {}", figures(&mut last));
    }
    Ok(())
}

fn figures(times: &mut [Duration]) -> String {
    times.sort();
    let at = |share: usize| times.get(times.len().saturating_sub(1) * share / 100).copied().unwrap_or_default();
    format!("median {:?}, least {:?}, most {:?}", at(50), at(0), at(100))
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A subscriber that confirms everything and tells when what came.
fn callbacks() -> Result<(u16, Receiver<(Instant, String)>), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (sender, delivered) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let Ok((head, body)) = request(&stream) else { return };
                let when = Instant::now();
                let challenge = head.split("hub.challenge=").nth(1).and_then(|rest| rest.split(['&', ' ']).next());
                let answer = challenge.unwrap_or_default();
                // At once: in pieces it would wait for the other side's acknowledgement of the first.
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
                let _ = (&stream).write_all(answer.as_bytes());
                if head.starts_with("POST") {
                    let _ = sender.send((when, body));
                }
            });
        }
    });
    Ok((port, delivered))
}

fn request(mut stream: &TcpStream) -> Result<(String, String), Failure> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|end| end + 4);
        if let Some(end) = end {
            let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
            let lower = head.to_ascii_lowercase();
            let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if bytes.len() >= end + length.unwrap_or(0) {
                return Ok((head, String::from_utf8_lossy(bytes.get(end..).unwrap_or_default()).into_owned()));
            }
        }
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Err("the connection ended".into());
        }
        bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
    }
}

fn ask(port: u16, method: &str, path: &str, form: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn until(mut done: impl FnMut() -> bool) -> Result<(), Failure> {
    let patience = Instant::now() + PATIENCE * 10;
    while !done() {
        if Instant::now() > patience {
            return Err("waited in vain".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
