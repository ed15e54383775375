//! The loop under a clock that stands still until it is moved on: days of polls against an origin on loopback. What is
//! due when is the business of `schedule` and its tables; here it is seen that the loop does so, whatever clocks do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::config::{self, Locations};
use crate::daemon::clock::held;

/// One host, and when it was asked for what.
#[derive(Clone)]
struct Origin {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, Time)>>>,
}

impl Origin {
    async fn start() -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Origin { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let host = origin.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(host.clone().answer(stream));
            }
        });
        origin
    }

    async fn answer(self, mut stream: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let path = head.split(' ').nth(1)?.to_owned();
        let now = wall();
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push((path.clone(), now));
        let (status, fields, body) = match &*path {
            "/gone" => ("404 Not Found", "", String::new()),
            "/busy" => ("503 Service Unavailable", "Retry-After: 7200\r\n", String::new()),
            // Another entry each hour.
            "/lively" => {
                let hour = now.timestamp() / 3600;
                let item = |hour: i64| format!("<item><guid>{hour}</guid><title>Of hour {hour}</title></item>");
                let items: String = (hour - 5..=hour).rev().map(item).collect();
                ("200 OK", "", format!("<rss version='2.0'><channel><title>Lively</title>{items}</channel></rss>"))
            }
            _ if head.to_ascii_lowercase().contains("if-none-match: \"1\"") => ("304 Not Modified", "", String::new()),
            _ => {
                let item = "<item><guid>1</guid><title>The only one</title></item>";
                let feed = format!("<rss version='2.0'><channel><title>{path}</title>{item}</channel></rss>");
                ("200 OK", "ETag: \"1\"\r\n", feed)
            }
        };
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.ok()
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// When this path was asked for, from `since` on.
    fn asked(&self, path: &str, since: Time) -> Vec<Time> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|(asked, at)| asked == path && *at >= since).map(|(_, at)| *at).collect()
    }
}

async fn origins() -> [Origin; 4] {
    [Origin::start().await, Origin::start().await, Origin::start().await, Origin::start().await]
}

struct Silent;

impl Serving for Silent {
    fn ready(&mut self) {}
    fn status(&mut self, _: String) {}
    fn reloading(&mut self) {}
    fn adopted(&mut self, _: &Newsdesk) {}
    fn reloaded(&mut self) {}
}

/// A daemon whose clock only we move.
struct Life {
    desk: Newsdesk,
    asks: mpsc::Sender<Ask>,
    /// How many of them.
    pings: AtomicU64,
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), StartError>>,
    /// While a thread for long work is busy, tokio does not move its paused clock by itself.
    _still: std::sync::mpsc::Sender<()>,
    _folder: TempDir,
}

impl Life {
    /// Born at this time with these sources.
    async fn begin(at: &str, sources: &str) -> Life {
        tokio::time::pause();
        let (still, moved) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || moved.recv());
        held::set(at.parse().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("newsdesk.toml");
        let text = format!(
            "[site]\ntimezone = 'Europe/Berlin'\n[fetch]\nallow-networks = ['127.0.0.0/8']\n{sources}\n[[section]]\nname = 'news'\n"
        );
        std::fs::write(&path, text).unwrap();
        let locations = Locations::from_env(Some(&folder.path().join("state")));
        let read = move || config::load(&path, &locations);
        let desk = Newsdesk::open(read().unwrap()).await.unwrap();
        let (asks, asked) = mpsc::channel(4);
        let (stop, stopped) = watch::channel(false);
        let events = Events { asks: asked, read: Arc::new(read), stop: stopped };
        let running = tokio::spawn(serve(desk.clone(), events, Silent));
        Life { desk, asks, pings: AtomicU64::new(0), stop, running, _still: still, _folder: folder }
    }

    /// Until all that is due has been asked, and answered.
    async fn settle(&self) {
        loop {
            // One turn in which it sees the time, and one after that.
            for _ in 0..2 {
                let (reply, turned) = oneshot::channel();
                self.pings.fetch_add(1, Ordering::Relaxed);
                self.asks.send(Ask::Ping { reply }).await.unwrap();
                turned.await.unwrap();
            }
            if self.desk.numbers.running.get() == 0 {
                return;
            }
            // Real time, for the sockets.
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_micros(300))).await.unwrap();
        }
    }

    /// Live on for so long, one event after the other.
    async fn live(&self, hours: i64) {
        let end = Instant::now() + Duration::from_secs(hours.unsigned_abs() * 3600);
        self.settle().await;
        while Instant::now() < end {
            let next = i64::try_from(self.desk.numbers.next_poll.get()).unwrap() - wall().timestamp();
            let step = Duration::from_secs(next.clamp(1, 300).unsigned_abs());
            tokio::time::advance(step.min(end - Instant::now())).await;
            self.settle().await;
        }
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        self.running.await.unwrap().unwrap();
    }
}

fn source(name: &str, origin: &Origin, schedule: &str) -> String {
    let schedule = if schedule.is_empty() { String::new() } else { format!("schedule = '{schedule}'\n") };
    format!("[[source]]\nname = '{name}'\nurl = 'http://{}/{name}'\nsections = ['news']\n{schedule}\n", origin.address)
}

fn gaps(asked: &[Time]) -> Vec<i64> {
    asked.windows(2).map(|pair| (pair[1] - pair[0]).num_seconds()).collect()
}

/// Seconds that a poll may be late: hosts are asked one thing a second.
const LATE: i64 = 5;

#[tokio::test]
async fn a_day_goes_by() {
    let [one, two, three, four] = origins().await;
    // On 29 March 2026 the clocks of Berlin go from 2 to 3 at 01:00 UTC.
    let sources = [
        source("hourly", &one, "0 * * * *"),
        source("nightly", &one, "30 2 * * *"),
        source("quiet", &two, ""),
        source("lively", &two, ""),
        source("gone", &three, ""),
        source("busy", &four, ""),
    ];
    let life = Life::begin("2026-03-28T12:00:30Z", &sources.concat()).await;
    let begin = wall();
    life.live(24).await;

    let hourly = one.asked("/hourly", begin + TimeDelta::minutes(1));
    assert_eq!(hourly.len(), 24, "{hourly:?}");
    assert!(hourly.iter().all(|at| at.timestamp() % 3600 <= LATE), "{hourly:?}");
    let nightly = one.asked("/nightly", begin + TimeDelta::minutes(1));
    assert_eq!(nightly.len(), 1, "the hour that is skipped does not skip it: {nightly:?}");
    let skipped: Time = "2026-03-29T01:00:00Z".parse().unwrap();
    assert!((0..=LATE).contains(&(nightly[0] - skipped).num_seconds()), "{nightly:?}");

    let lively = gaps(&two.asked("/lively", begin));
    assert!(lively.iter().all(|gap| *gap >= 900), "{lively:?}");
    assert!(lively.len() >= 20, "it learns that there is something each hour: {lively:?}");
    let quiet = gaps(&two.asked("/quiet", begin));
    assert!(quiet.len() > 2 && quiet.len() < lively.len() && quiet.is_sorted(), "ever more rarely: {quiet:?}");
    let gone = gaps(&three.asked("/gone", begin));
    assert!(gone.len() > 2 && gone.is_sorted(), "ever more rarely: {gone:?}");
    let busy = gaps(&four.asked("/busy", begin));
    assert!(busy.len() > 2 && busy.iter().all(|gap| *gap >= 7200), "no earlier than it wishes: {busy:?}");

    // Once in five minutes something may be due that time alone brings.
    let polls: usize = [&one, &two, &three, &four].iter().map(|origin| origin.count()).sum();
    let (turns, pings) = (life.desk.numbers.turns.get(), life.pings.load(Ordering::Relaxed));
    assert!(turns < pings + 10 * polls as u64 + 2 * 24 * 12, "{turns} turns, {pings} pings, {polls} polls");
    life.end().await;
}

#[tokio::test]
async fn a_machine_that_slept_asks_each_source_once_and_each_host_in_turn() {
    let [one, two, ..] = origins().await;
    let many: String = (0..20).map(|at| source(&format!("feed-{at}"), &one, "")).collect();
    let sources = [many, source("hourly", &two, "0 * * * *")].concat();
    let life = Life::begin("2026-05-05T05:05:05Z", &sources).await;
    life.live(1).await;

    held::jump(TimeDelta::hours(100));
    let woken = wall();
    // Nobody tells the loop: it looks at the clock by itself.
    tokio::time::advance(LONGEST_SLEEP).await;
    life.live(1).await;
    assert_eq!(two.asked("/hourly", woken).len(), 2, "what it missed, and the next");
    let mut starts = Vec::new();
    for at in 0..20 {
        let asked = one.asked(&format!("/feed-{at}"), woken);
        assert_eq!(asked.iter().filter(|at| **at < woken + TimeDelta::minutes(10)).count(), 1, "{asked:?}");
        starts.extend(asked);
    }
    starts.sort_unstable();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= TimeDelta::seconds(1)), "no burst: {starts:?}");
    life.end().await;
}

#[tokio::test]
async fn a_clock_that_is_set_back_holds_nobody_up() {
    let [one, two, ..] = origins().await;
    let sources = [source("quiet", &one, ""), source("hourly", &two, "0 * * * *")].concat();
    let life = Life::begin("2026-05-05T05:05:05Z", &sources).await;
    life.live(3).await;
    let before = (one.count(), two.count());

    held::jump(TimeDelta::days(-400));
    life.live(26).await;
    let (quiet, hourly) = (one.count() - before.0, two.count() - before.1);
    assert!((1..=26).contains(&quiet), "{quiet}");
    assert!((25..=27).contains(&hourly), "{hourly}");
    life.end().await;
}
