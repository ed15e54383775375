//! CPU of one conditional request through the door against a bare loop of reqwest that fetches and discards:
//! `cargo bench --bench door`.
//!
//! The origin runs on a thread of its own and is not counted; both loops run on this thread, in turns, against the same
//! loopback hosts, with every answer a 304 and no connection kept (each host has one feed).

use std::net::SocketAddr;
use std::time::Duration;

use newsdesk::config::settings::FetchSettings;
use newsdesk::fetch::http::{Answer, Door, Request, Validators};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

const HOSTS: u8 = 250;
const ROUNDS: usize = 24;
const AT_ONCE: usize = 16;
const ETAG: &str = "\"65f0c1-4d2\"";

fn main() {
    let addresses = start_origin();
    let urls: Vec<Url> = addresses.iter().map(|at| format!("http://{at}/feed.xml").parse().expect("a URL")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let door = Door::new(&settings(), Some("https://desk.example/")).expect("a door");
    let bare = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(30))
        .user_agent("bare")
        .build()
        .expect("a client");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let our_time = cpu(|| runtime.block_on(all(&urls, |url| through_door(&door, url))));
        let their_time = cpu(|| runtime.block_on(all(&urls, |url| discarded(&bare, url))));
        // The first rounds warm up caches and pages.
        if round >= 4 {
            ours.push(our_time);
            theirs.push(their_time);
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(HOSTS);
    println!("304 through the door  {:6.1} us CPU", each(ours));
    println!("bare reqwest          {:6.1} us CPU", each(theirs));
    println!("ratio                 {:6.2}", ours.as_secs_f64() / theirs.as_secs_f64());
}

async fn all<'a, F: Future<Output = ()>>(urls: &'a [Url], ask: impl Fn(&'a Url) -> F) {
    use futures_util::StreamExt;
    futures_util::stream::iter(urls).for_each_concurrent(AT_ONCE, ask).await;
}

async fn through_door(door: &Door, url: &Url) {
    let validators = Validators { etag: Some(ETAG.to_owned()), ..Validators::default() };
    let request = Request { validators: Some(&validators), ..Request::feed(url, 1 << 20) };
    assert!(matches!(door.get(request).await, Ok(Answer::NotModified(_))), "{url}");
}

async fn discarded(client: &reqwest::Client, url: &Url) {
    let answer = client.get(url.clone()).header("if-none-match", ETAG).send().await.expect("an answer");
    assert_eq!(answer.status(), 304);
    answer.bytes().await.expect("a body");
}

/// CPU time, user and system, of this thread during `work`.
fn cpu(work: impl FnOnce()) -> Duration {
    let now = || {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: getrusage fills the structure that it is given; all zeros are a valid one.
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
            usage.assume_init()
        };
        let time = |at: libc::timeval| Duration::new(at.tv_sec as u64, at.tv_usec as u32 * 1000);
        time(usage.ru_utime) + time(usage.ru_stime)
    };
    let before = now();
    work();
    now() - before
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn settings() -> FetchSettings {
    FetchSettings {
        allow_networks: vec!["127.0.0.0/8".parse().expect("a network")],
        max_body: 16 << 20,
        connect_timeout: Duration::from_secs(5),
        first_byte_timeout: Duration::from_secs(15),
        idle_timeout: Duration::from_secs(10),
        total_timeout: Duration::from_secs(30),
        host_connections: 2,
        host_interval: Duration::ZERO,
        concurrency: AT_ONCE,
        proxy: None,
    }
}

/// One listener on each of many loopback addresses.
fn start_origin() -> Vec<SocketAddr> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            for host in 1..=HOSTS {
                let listener = TcpListener::bind(("127.0.1.".to_owned() + &host.to_string(), 0)).await.expect("a port");
                sender.send(listener.local_addr().expect("bound")).expect("somebody waits");
                tokio::spawn(async move {
                    while let Ok((stream, _)) = listener.accept().await {
                        tokio::spawn(answer(stream));
                    }
                });
            }
            drop(sender);
            std::future::pending::<()>().await;
        });
    });
    receiver.iter().collect()
}

async fn answer(mut stream: TcpStream) {
    let mut piece = [0; 4096];
    while stream.read(&mut piece).await.is_ok_and(|read| read > 0) {
        let head = format!("HTTP/1.1 304 Not Modified\r\nETag: {ETAG}\r\nCache-Control: max-age=300\r\n\r\n");
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
    }
}
