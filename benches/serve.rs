//! Serving against nginx with the same bytes as static files, in one run: `cargo bench --bench serve`.
//!
//! ```sh
//! cargo bench --bench serve                                # rate, CPU per request, 10,000 slow connections
//! cargo bench --bench serve -- start                       # of a large store: from start to ready, memory, stop
//! cargo bench --bench serve -- start 1000000 20000 50      # so many entries, of so many sources, in so many sections
//! ```
//!
//! The real daemon serves a section of 100 entries and mirrors it; nginx serves the mirror, with sendfile, gzip_static and
//! an open file cache. `wrk` asks each in turn for the same document, plain, gzip and conditionally. Counted are answers
//! a second, and CPU time (user and system) of the server's processes for each; quote the ratios. Needs nginx and wrk.

mod desk;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use desk::{Failure, Size};

const ROUNDS: usize = 5;
const SECONDS: &str = "3s";
const SLOW: usize = 10_000;
/// Until a daemon that has started is at rest.
const REST: Duration = Duration::from_secs(5);
/// The same where every document is made anew after it is ready.
const REST_OF_ALL: Duration = Duration::from_secs(20);
const PATH: &str = "/news/atom.xml";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    let scratch = tempfile::tempdir()?;
    if arguments.first().map(String::as_str) == Some("start") {
        let size = Size { entries: number(1, 1_000_000), sources: number(2, 20_000), sections: number(3, 50) };
        return start_to_ready(scratch.path(), size);
    }
    more_files()?;
    let newsdesk = Newsdesk::start(scratch.path(), Size::of(1_000), "folder = \"public\"\nhub = \"none\"")?;
    newsdesk.until_ready()?;
    if !have("nginx") || !have("wrk") {
        println!("nginx or wrk is missing: only the slow connections are tried");
        return slow_connections(&newsdesk);
    }
    let nginx = Nginx::start(scratch.path())?;
    let answer = ask(newsdesk.port, "")?;
    let etag = field(&answer, "etag").ok_or("no validator")?;
    let theirs = field(&ask(nginx.port, "")?, "etag").ok_or("no validator")?;
    println!("{} KB; answers a second and microseconds of CPU for each, newsdesk / nginx", answer.len() / 1000);
    for (what, ours, theirs) in [
        ("plain", String::new(), String::new()),
        ("gzip ", "Accept-Encoding: gzip".to_owned(), "Accept-Encoding: gzip".to_owned()),
        ("304  ", format!("If-None-Match: {etag}"), format!("If-None-Match: {theirs}")),
    ] {
        let (mut rates, mut costs) = (Vec::new(), Vec::new());
        let mut last = String::new();
        for _ in 0..ROUNDS {
            let a = load(newsdesk.port, &ours, &[newsdesk.child.id()])?;
            let b = load(nginx.port, &theirs, &nginx.workers()?)?;
            rates.push(a.rate / b.rate);
            costs.push(a.cpu / b.cpu);
            last = format!("{:.0} / {:.0}, {:.1} / {:.1}", a.rate, b.rate, a.cpu * 1e6, b.cpu * 1e6);
        }
        println!("{what} rate {:.2}, CPU per request {:.2}   (last round {last})", median(rates), median(costs));
    }
    slow_connections(&newsdesk)
}

/// Ten thousand clients that say nothing, or half of a request; a new one is served.
fn slow_connections(newsdesk: &Newsdesk) -> Result<(), Failure> {
    let connect = |n: usize| -> Result<TcpStream, Failure> {
        let mut stream = TcpStream::connect(("127.0.0.1", newsdesk.port))?;
        if n.is_multiple_of(2) {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: slow\r\nX-")?;
        }
        Ok(stream)
    };
    let held: Vec<TcpStream> = (0..SLOW).map(connect).collect::<Result<_, _>>()?;
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        assert!(ask(newsdesk.port, "")?.starts_with(b"HTTP/1.1 200"));
        times.push(begun.elapsed().as_secs_f64());
    }
    println!("beside {} slow connections a new one is served in {:.1} ms", held.len(), median(times) * 1e3);
    Ok(())
}

fn start_to_ready(folder: &Path, size: Size) -> Result<(), Failure> {
    // Once, so that everything is published; then what a restart costs.
    let publish = "hub = \"none\"";
    let newsdesk = Newsdesk::start(folder, size, publish)?;
    newsdesk.until_ready()?;
    let ports = newsdesk.ports;
    newsdesk.stop()?;
    let (mut started, mut stopped, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let begun = Instant::now();
        let newsdesk = Newsdesk::at(ports, folder, size, publish)?;
        newsdesk.until_ready()?;
        started.push(begun.elapsed().as_secs_f64());
        std::thread::sleep(REST);
        held.push(newsdesk.memory()?);
        let begun = Instant::now();
        newsdesk.stop()?;
        stopped.push(begun.elapsed().as_secs_f64());
    }
    println!(
        "{} entries of {} sources in {} sections: start to ready {:.2} s, {:.0} MiB at rest, stop {:.2} s",
        size.entries,
        size.sources,
        size.sections,
        median(started),
        median(held),
        median(stopped)
    );
    // Another configuration has every document made anew; another rule has every entry placed anew before.
    let rule = "[[rule]]\nwhen = { title = { matches = \"nothing\" } }\nthen = { drop = true }";
    for (what, changed) in [
        ("another configuration", "hub = \"none\"\nmin-interval = \"9s\"".to_owned()),
        ("another rule", format!("hub = \"none\"\n{rule}")),
    ] {
        let begun = Instant::now();
        let newsdesk = Newsdesk::at(ports, folder, size, &changed)?;
        newsdesk.until_ready()?;
        let started = begun.elapsed().as_secs_f64();
        std::thread::sleep(REST_OF_ALL);
        println!("under {what}: start to ready {started:.2} s, {:.0} MiB at rest", newsdesk.memory()?);
        newsdesk.stop()?;
    }
    Ok(())
}

struct Newsdesk {
    child: Child,
    port: u16,
    /// That one, and the one of control.
    ports: (u16, u16),
}

impl Newsdesk {
    fn start(folder: &Path, size: Size, publish: &str) -> Result<Newsdesk, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(async {
            let desk = desk::open(folder, size).await?;
            desk::fill(&desk, size).await?;
            desk.store.close().await;
            Ok::<(), Failure>(())
        })?;
        Newsdesk::spawn(folder, size, publish)
    }

    fn spawn(folder: &Path, size: Size, publish: &str) -> Result<Newsdesk, Failure> {
        Newsdesk::at((free_port()?, free_port()?), folder, size, publish)
    }

    /// A restart is one only under the same configuration.
    fn at((port, admin): (u16, u16), folder: &Path, size: Size, publish: &str) -> Result<Newsdesk, Failure> {
        let ports = (port, admin);
        let (listen, admin) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{admin}"));
        desk::configuration(folder, size, &listen, &admin, publish)?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_newsdesk"));
        command.arg("--config").arg(folder.join("newsdesk.toml")).arg("--state").arg(folder.join("state")).arg("serve");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Newsdesk { child, port, ports })
    }

    fn until_ready(&self) -> Result<(), Failure> {
        let patience = Instant::now() + Duration::from_secs(600);
        while Instant::now() < patience {
            let answer =
                TcpStream::connect(("127.0.0.1", self.port)).ok().and_then(|stream| get(stream, "/readyz", "").ok());
            if answer.is_some_and(|answer| answer.starts_with(b"HTTP/1.1 200")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err("newsdesk does not become ready".into())
    }

    /// All that is resident, the program and its libraries too, in MiB.
    fn memory(&self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("newsdesk has ended")?;
        let kilobytes: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes / 1024.0)
    }

    fn stop(mut self) -> Result<(), Failure> {
        // SAFETY: kill(2) touches no memory of ours; the child is not reaped yet.
        unsafe { libc::kill(i32::try_from(self.child.id())?, libc::SIGTERM) };
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Newsdesk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Nginx {
    child: Child,
    port: u16,
}

impl Nginx {
    fn start(folder: &Path) -> Result<Nginx, Failure> {
        let port = free_port()?;
        let root = folder.join("public");
        let here = folder.display();
        let config = format!(
            "daemon off; pid {here}/nginx.pid; error_log {here}/nginx.log; worker_processes auto; worker_rlimit_nofile 30000;
            events {{ worker_connections 12000; }}
            http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; server_tokens off;
            client_body_temp_path {here}/body; proxy_temp_path {here}/proxy; fastcgi_temp_path {here}/fastcgi;
            uwsgi_temp_path {here}/uwsgi; scgi_temp_path {here}/scgi;
            open_file_cache max=1000; types {{ application/atom+xml xml; }}
            server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; gzip_static on; gzip_vary on; etag on;
            add_header Cache-Control \"public, max-age=60\"; add_header Access-Control-Allow-Origin \"*\"; }} }}",
            root = root.display()
        );
        let file = folder.join("nginx.conf");
        std::fs::write(&file, config)?;
        let child = Command::new("nginx").arg("-c").arg(&file).arg("-p").arg(folder).stderr(Stdio::null()).spawn()?;
        let nginx = Nginx { child, port };
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > patience {
                return Err(format!("nginx does not start; see {}", file.display()).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }

    fn workers(&self) -> Result<Vec<u32>, Failure> {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        Ok(children.split_whitespace().filter_map(|id| id.parse().ok()).collect())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            // SAFETY: kill(2) touches no memory of ours; the child is not reaped yet.
            unsafe { libc::kill(id, libc::SIGTERM) };
        }
        let _ = self.child.wait();
    }
}

struct Load {
    rate: f64,
    /// Seconds of CPU for each answer.
    cpu: f64,
}

fn load(port: u16, header: &str, processes: &[u32]) -> Result<Load, Failure> {
    let before = cpu_of(processes)?;
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c32", "-d", SECONDS]);
    if !header.is_empty() {
        command.args(["-H", header]);
    }
    let output = command.arg(format!("http://127.0.0.1:{port}{PATH}")).output()?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    let cpu = cpu_of(processes)? - before;
    let answers: f64 = words
        .lines()
        .find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok())
        .ok_or_else(|| format!("wrk said {words}"))?;
    let rate = words.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
    Ok(Load { rate: rate.ok_or("no rate")?, cpu: cpu / answers })
}

/// Seconds of user and system time so far.
fn cpu_of(processes: &[u32]) -> Result<f64, Failure> {
    let mut ticks = 0;
    for process in processes {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
        let after = stat.rsplit(") ").next().unwrap_or_default();
        ticks += after.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    }
    // SAFETY: sysconf(3) only answers a question.
    Ok(ticks as f64 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64)
}

fn ask(port: u16, header: &str) -> Result<Vec<u8>, Failure> {
    get(TcpStream::connect(("127.0.0.1", port))?, PATH, header)
}

fn get(mut stream: TcpStream, path: &str, header: &str) -> Result<Vec<u8>, Failure> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n{header}\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

fn field(answer: &[u8], name: &str) -> Option<String> {
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").and_then(|end| answer.get(..end))?;
    let head = String::from_utf8_lossy(head).into_owned();
    head.lines().find_map(|line| {
        line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    })
}

fn have(program: &str) -> bool {
    Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn free_port() -> Result<u16, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// As many open files as are allowed, for us and for those we start.
fn more_files() -> Result<(), Failure> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer, and holds what was answered.
    let set = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit)
    };
    match set {
        0 if limit.rlim_cur > SLOW as u64 + 1_000 => Ok(()),
        _ => Err(format!("{} open files are too few: ulimit -n 30000", limit.rlim_cur).into()),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
