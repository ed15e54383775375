//! The origin: feeds and troublemakers, each on a loopback address of its own, in a process of its own.
//!
//! It is asked on its standard input and reports on its standard output, a line for each.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;

/// Listeners of one process: systems limit its files.
const PER_PROCESS: usize = 9_000;

/// All processes, seen from outside.
pub struct Origin {
    parts: Vec<Part>,
    feeds: usize,
}

struct Part {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    port: u16,
}

/// What was asked since the last report.
pub struct Report {
    pub asked: usize,
    pub conditional: usize,
    /// From the first request to the last answer of a healthy feed.
    pub cycle: Duration,
}

impl Origin {
    /// The hostile ones come after the healthy ones.
    pub fn start(healthy: usize, hostile: usize, latency: Duration) -> Result<Origin, Failure> {
        let feeds = healthy + hostile;
        let parts = (0..feeds).step_by(PER_PROCESS).map(|from| {
            let until = feeds.min(from + PER_PROCESS);
            Part::start([from, healthy.clamp(from, until), until, latency.as_millis() as usize])
        });
        Ok(Origin { parts: parts.collect::<Result<_, _>>()?, feeds })
    }

    pub fn feeds(&self) -> usize {
        self.feeds
    }

    /// One for each process.
    pub fn ports(&self) -> Vec<u16> {
        self.parts.iter().map(|part| part.port).collect()
    }

    pub fn report(&mut self) -> Result<Report, Failure> {
        let mut whole = Report { asked: 0, conditional: 0, cycle: Duration::ZERO };
        for part in &mut self.parts {
            let report = part.report()?;
            whole.asked += report.asked;
            whole.conditional += report.conditional;
            whole.cycle = whole.cycle.max(report.cycle);
        }
        Ok(whole)
    }
}

impl Part {
    fn start(arguments: [usize; 4]) -> Result<Part, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--origin")
            .args(arguments.map(|number| number.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().ok_or("no input")?;
        let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut port = String::new();
        output.read_line(&mut port)?;
        let port = port.trim().parse().map_err(|_| "the origin did not start: are there enough file descriptors?")?;
        Ok(Part { child, input, output, port })
    }

    fn report(&mut self) -> Result<Report, Failure> {
        self.input.write_all(b"\n")?;
        self.input.flush()?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let mut numbers = line.split_whitespace().filter_map(|number| number.parse::<u64>().ok());
        let (Some(asked), Some(conditional), Some(micros)) = (numbers.next(), numbers.next(), numbers.next()) else {
            return Err(format!("the origin said {line:?}").into());
        };
        let (asked, conditional) = (usize::try_from(asked)?, usize::try_from(conditional)?);
        Ok(Report { asked, conditional, cycle: Duration::from_micros(micros) })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn url(feed: usize, ports: &[u16]) -> String {
    let port = ports.get(feed / PER_PROCESS).copied().unwrap_or_default();
    format!("http://{}:{port}/feed/{feed}.xml", address(feed))
}

pub fn tag(feed: usize) -> String {
    format!("\"tag-{feed}\"")
}

fn address(feed: usize) -> Ipv4Addr {
    let [_, _, high, low] = u32::try_from(feed + 1).unwrap_or(1).to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

#[derive(Default)]
struct Counts {
    asked: AtomicUsize,
    conditional: AtomicUsize,
    /// Microseconds since the start.
    first: AtomicU64,
    last: AtomicU64,
}

/// Hosts from `from` on answer after `latency`; those from `healthy` to `end` misbehave.
pub async fn serve(from: usize, healthy: usize, end: usize, latency: Duration) -> Result<(), Failure> {
    many_files();
    let counts: Arc<Counts> = Arc::default();
    let first = TcpListener::bind((address(from), 0)).await?;
    let port = first.local_addr()?.port();
    let mut listeners = vec![first];
    for feed in from + 1..end {
        listeners.push(TcpListener::bind((address(feed), port)).await?);
    }
    for (feed, listener) in (from..).zip(listeners) {
        let counts = counts.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if feed < healthy {
                    tokio::spawn(answer(stream, feed, latency, counts.clone()));
                } else {
                    tokio::spawn(misbehave(stream, feed - healthy, counts.clone()));
                }
            }
        });
    }
    println!("{port}");
    tokio::task::spawn_blocking(move || {
        for _ in std::io::stdin().lines() {
            let taken = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
            let (first, last) = (counts.first.swap(0, Ordering::Relaxed), counts.last.swap(0, Ordering::Relaxed));
            println!("{} {} {}", taken(&counts.asked), taken(&counts.conditional), last.saturating_sub(first));
        }
    })
    .await?;
    Ok(())
}

/// As many listeners as the system lets us have.
fn many_files() {
    // SAFETY: both calls are given a pointer to a structure that lives through them.
    unsafe {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

fn micros() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    // 0 means never.
    START.get_or_init(Instant::now).elapsed().as_micros() as u64 + 1
}

async fn asked(stream: &mut TcpStream, counts: &Counts) -> Option<String> {
    let mut head = Vec::new();
    let mut piece = [0; 2048];
    while !head.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        head.extend_from_slice(piece.get(..read)?);
    }
    let _ = counts.first.compare_exchange(0, micros(), Ordering::Relaxed, Ordering::Relaxed);
    counts.asked.fetch_add(1, Ordering::Relaxed);
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    counts.conditional.fetch_add(usize::from(head.contains("if-none-match:")), Ordering::Relaxed);
    Some(head)
}

async fn answer(mut stream: TcpStream, feed: usize, latency: Duration, counts: Arc<Counts>) -> Option<()> {
    loop {
        let head = asked(&mut stream, &counts).await?;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let tag = tag(feed);
        let answer = if head.contains(&format!("if-none-match: {tag}")) {
            format!("HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n")
        } else {
            let (body, kind) = (document(feed), "application/rss+xml");
            let length = body.len();
            format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nETag: {tag}\r\nContent-Length: {length}\r\n\r\n{body}")
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
        counts.last.fetch_max(micros(), Ordering::Relaxed);
    }
}

/// A small blog.
fn document(feed: usize) -> String {
    let mut text = format!(
        "<rss version=\"2.0\"><channel><title>Feed {feed}</title><link>https://feed-{feed}.example/</link><description>Notes</description>\n"
    );
    for item in 0..5 {
        text.push_str(&format!(
            "<item><title>Entry {item} of feed {feed}</title><link>https://feed-{feed}.example/{item}</link><guid isPermaLink=\"false\">feed-{feed}-entry-{item}</guid>\
             <pubDate>{}</pubDate><description>&lt;p&gt;What happened in entry {item}, in a few words and a &lt;a href=\"/more\"&gt;link&lt;/a&gt;.&lt;/p&gt;</description></item>\n",
            chrono::DateTime::from_timestamp(1_700_000_000 + (feed as i64) * 61 + i64::from(item) * 86_400, 0).unwrap_or_default().to_rfc2822()
        ));
    }
    text + "</channel></rss>\n"
}

/// Each of the hostile hosts in its own way.
async fn misbehave(mut stream: TcpStream, way: usize, counts: Arc<Counts>) -> Option<()> {
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    asked(&mut stream, &counts).await?;
    match way % 8 {
        // Silence.
        0 => std::future::pending::<()>().await,
        // One byte now and then.
        1 => {
            stream.write_all(format!("{OK}Content-Length: 100000\r\n\r\n").as_bytes()).await.ok()?;
            loop {
                stream.write_all(b"x").await.ok()?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        // No end.
        2 => {
            stream.write_all(format!("{OK}\r\n").as_bytes()).await.ok()?;
            loop {
                stream.write_all(&[b'x'; 4096]).await.ok()?;
            }
        }
        // A bomb.
        3 => {
            let bomb = bomb();
            let head = format!("{OK}Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(bomb).await.ok()?;
        }
        // A reset.
        4 => {
            let _ = stream.set_zero_linger();
        }
        // A flood of header fields.
        5 => {
            stream.write_all(OK.as_bytes()).await.ok()?;
            loop {
                stream.write_all(b"X-Flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n").await.ok()?;
            }
        }
        // A body that is shorter than it says, and deep.
        6 => {
            let body = format!("<rss><channel><item>{}", "<a>".repeat(100_000));
            let head = format!("{OK}Content-Length: {}\r\n\r\n", body.len() + 1);
            stream.write_all(head.as_bytes()).await.ok()?;
            stream.write_all(body.as_bytes()).await.ok()?;
        }
        // A part that nobody asked for.
        _ => stream.write_all(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 1\r\n\r\nx").await.ok()?,
    }
    Some(())
}

/// A gigabyte of zeros, packed.
fn bomb() -> &'static [u8] {
    static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
    BOMB.get_or_init(|| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let zeros = vec![0; 1 << 20];
        (0..1024).for_each(|_| drop(std::io::Write::write_all(&mut encoder, &zeros)));
        encoder.finish().unwrap_or_default()
    })
}
