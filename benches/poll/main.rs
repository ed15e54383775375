//! What polling costs when nothing has changed, and what hostile hosts can do to it:
//!
//! ```sh
//! cargo bench --bench poll                    # everything; about five minutes on two cores
//! cargo bench --bench poll -- unchanged 1000  # CPU of an all-304 cycle against a loop that fetches and discards
//! cargo bench --bench poll -- growth 1000 20000
//! cargo bench --bench poll -- hostile 1000 50
//! cargo bench --bench poll -- flat 10000      # polls of one process, hostile ones among them
//! ```
//!
//! An origin of our own serves every feed on a loopback address of its own: conditional, with latency where it is asked
//! for, and with hosts that drip, hang, reset, flood and bomb. Counted are CPU seconds (user and system) and peak memory
//! of whole processes, start and end included; an unchanged cycle is counted in a daemon that goes on, too. Quote the
//! ratios.

mod origin;
mod process;

use std::path::PathBuf;
use std::time::Duration;

use origin::{Origin, Report};
use process::{Cost, measure};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// As many requests at once as newsdesk has by default.
const AT_ONCE: usize = 64;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |at: usize, default: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(default);
    match arguments.first().map(String::as_str) {
        Some("--origin") => {
            let latency = Duration::from_millis(number(4, 0) as u64);
            runtime()?.block_on(origin::serve(number(1, 0), number(2, 0), number(3, 0), latency))
        }
        Some("--loop") => {
            let ports = arguments.iter().skip(2).map(|port| port.parse()).collect::<Result<Vec<u16>, _>>()?;
            runtime()?.block_on(fetch_and_discard(number(1, 0), &ports))
        }
        Some("unchanged") => unchanged(number(1, 1000), number(2, 5)),
        Some("growth") => growth(number(1, 1000), number(2, 20_000), number(3, 5)),
        Some("hostile") => hostile(number(1, 1000), number(2, 50), number(3, 3)),
        Some("flat") => flat(number(1, 10_000)),
        _ => {
            unchanged(1000, 5)?;
            growth(1000, 20_000, 5)?;
            hostile(1000, 50, 3)?;
            flat(10_000)
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// A scratch folder with a configuration; removed when it is dropped.
struct Desk {
    folder: PathBuf,
}

impl Desk {
    fn new(name: &str, origin: &Origin, schedule: &str) -> Result<Desk, Failure> {
        let folder = std::env::temp_dir().join(format!("newsdesk-bench-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut text = format!(
            "[fetch]\nallow-networks = [\"127.0.0.0/8\"]\nhost-interval = \"0s\"\ntotal-timeout = \"5s\"\nmax-body = \"1 MiB\"\n\
             [server]\nlisten = \"127.0.0.1:0\"\nadmin = \"unix:{}/admin\"\n[[section]]\nname = \"news\"\n",
            folder.display()
        );
        let ports = origin.ports();
        for feed in 0..origin.feeds() {
            let url = origin::url(feed, &ports);
            text.push_str(&format!(
                "[[source]]\nname = \"feed {feed}\"\nurl = \"{url}\"\nsections = [\"news\"]\n{schedule}\n"
            ));
        }
        std::fs::write(folder.join("newsdesk.toml"), text)?;
        Ok(Desk { folder })
    }

    fn command(&self, verb: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_newsdesk"));
        command.arg("--config").arg(self.folder.join("newsdesk.toml")).arg("--state").arg(&self.folder).args(verb);
        command
    }

    /// Ask every source once.
    fn update(&self) -> Result<Cost, Failure> {
        // Sources that fail are part of it: exit status 1.
        measure(&mut self.command(&["update", "--json"]), &[0, 1])
    }

    /// Until then an update would ask by itself.
    fn wait_for_the_daemon(&self) -> Result<(), Failure> {
        for _ in 0..600 {
            if self.folder.join("admin").exists() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("the daemon does not listen".into())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn discard(feeds: usize, ports: &[u16]) -> Result<Cost, Failure> {
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(["--loop", &feeds.to_string()]).args(ports.iter().map(u16::to_string));
    measure(&mut command, &[0])
}

/// All-304 cycles, ours and the loop's in turns: a process for each of them, and then a daemon that goes on.
fn unchanged(feeds: usize, rounds: usize) -> Result<(), Failure> {
    let mut origin = Origin::start(feeds, 0, Duration::ZERO)?;
    let desk = Desk::new("unchanged", &origin, "")?;
    let (cold, first) = (desk.update()?, origin.report()?);
    println!("{feeds} feeds, cold: {:.2} s CPU, peak {:.0} MiB, {} requests", cold.cpu, cold.peak, first.asked);
    compare("a process for each", feeds, rounds, &mut origin, || Ok(desk.update()?.cpu))?;
    let mut daemon = process::Daemon::start(desk.command(&["serve"]))?;
    desk.wait_for_the_daemon()?;
    compare("a daemon that goes on", feeds, rounds, &mut origin, || {
        let before = daemon.cpu()?;
        desk.update()?;
        Ok(daemon.cpu()? - before)
    })?;
    daemon.stop()
}

fn compare(
    who: &str,
    feeds: usize,
    rounds: usize,
    origin: &mut Origin,
    mut cycle: impl FnMut() -> Result<f64, Failure>,
) -> Result<(), Failure> {
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let ours = cycle()?;
        let report = all_conditional(origin)?;
        let theirs = discard(feeds, &origin.ports())?.cpu;
        origin.report()?;
        let each = |cpu: f64| cpu * 1e6 / feeds as f64;
        println!(
            "all 304, {who}: newsdesk {:.0} us a feed   fetch and discard {:.0} us a feed   ratio {:.2}   {}",
            each(ours),
            each(theirs),
            ours / theirs,
            conditional(&report)
        );
        ratios.push(ours / theirs);
    }
    println!("all 304, {feeds} feeds, {who}: median ratio {:.2} (at most 1.5)", median(ratios));
    Ok(())
}

/// What was asked in a cycle in which every feed is to be asked once, and conditionally.
fn all_conditional(origin: &mut Origin) -> Result<Report, Failure> {
    let report = origin.report()?;
    if report.asked != origin.feeds() || report.conditional != origin.feeds() {
        return Err(format!("a request was missing or not conditional: {}", conditional(&report)).into());
    }
    Ok(report)
}

fn conditional(report: &Report) -> String {
    format!("{} of {} requests conditional", report.conditional, report.asked)
}

/// The same cycle for few feeds and for many, in turns: what each of them costs.
fn growth(few: usize, many: usize, rounds: usize) -> Result<(), Failure> {
    let (mut small, mut large) = (Cycle::prepare(few)?, Cycle::prepare(many)?);
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        // One of few feeds is soon over: it is taken before and after.
        let before = [small.each()?, small.each()?];
        let theirs = large.each()?;
        let ours = median([&before[..], &[small.each()?]].concat());
        println!(
            "all 304: {few} feeds {ours:.0} us a feed   {many} feeds {theirs:.0} us a feed   ratio {:.2}",
            theirs / ours
        );
        ratios.push(theirs / ours);
    }
    for cycle in [&small, &large] {
        println!("{} feeds: peak {:.0} MiB (cold {:.0} MiB)", cycle.origin.feeds(), cycle.peak, cycle.cold);
    }
    println!("growth per feed, {few} to {many} feeds: median ratio {:.2} (at most 1.2)", median(ratios));
    Ok(())
}

/// Feeds that have been read once.
struct Cycle {
    origin: Origin,
    desk: Desk,
    /// MiB of the first reading, and at the most of all later ones.
    cold: f64,
    peak: f64,
}

impl Cycle {
    fn prepare(feeds: usize) -> Result<Cycle, Failure> {
        let mut origin = Origin::start(feeds, 0, Duration::ZERO)?;
        let desk = Desk::new(&format!("growth-{feeds}"), &origin, "")?;
        let cold = desk.update()?.peak;
        origin.report()?;
        Ok(Cycle { origin, desk, cold, peak: 0.0 })
    }

    /// Ask them all once; microseconds of CPU a feed.
    fn each(&mut self) -> Result<f64, Failure> {
        let ours = self.desk.update()?;
        all_conditional(&mut self.origin)?;
        self.peak = self.peak.max(ours.peak);
        Ok(ours.cpu * 1e6 / self.origin.feeds() as f64)
    }
}

/// A cycle of healthy feeds alone and beside hostile ones: from the first request to the answer to the last healthy one.
fn hostile(healthy: usize, hostile: usize, rounds: usize) -> Result<(), Failure> {
    let latency = Duration::from_millis(50);
    let mut alone = Origin::start(healthy, 0, latency)?;
    let mut beside = Origin::start(healthy, hostile, latency)?;
    let desks = (Desk::new("alone", &alone, "")?, Desk::new("beside", &beside, "")?);
    let mut ratios = Vec::new();
    for round in 0..=rounds {
        let (_, lonely) = (desks.0.update()?, alone.report()?);
        let (_, crowded) = (desks.1.update()?, beside.report()?);
        println!(
            "{healthy} healthy feeds{}: alone {:.2} s, beside {hostile} hostile ones {:.2} s",
            if round == 0 { ", cold" } else { "" },
            lonely.cycle.as_secs_f64(),
            crowded.cycle.as_secs_f64()
        );
        // The first time nobody knows who is hostile.
        if round > 0 {
            ratios.push(crowded.cycle.as_secs_f64() / lonely.cycle.as_secs_f64());
        }
    }
    println!("healthy feeds beside hostile ones: median ratio {:.2} (at most 1.10)", median(ratios));
    Ok(())
}

/// One process, so many polls, hostile ones among them: what its memory grows by from a quarter of the way on.
fn flat(polls: usize) -> Result<(), Failure> {
    let (feeds, hostile) = (300, 30);
    let mut origin = Origin::start(feeds, hostile, Duration::ZERO)?;
    let desk = Desk::new("flat", &origin, "schedule = \"* * * * * *\"")?;
    let mut daemon = process::Daemon::start(desk.command(&["serve", "--log", "json"]))?;
    let (mut asked, mut settled) = (0, None);
    while asked < polls + polls / 4 {
        std::thread::sleep(Duration::from_millis(500));
        asked += origin.report()?.asked;
        if asked > polls / 4 && settled.is_none() {
            settled = Some((asked, daemon.memory()?));
        }
    }
    let (from, before) = settled.ok_or("no polls")?;
    let after = daemon.memory()?;
    daemon.stop()?;
    println!(
        "memory after {from} polls {before:.1} MiB, after {asked} {after:.1} MiB: {:+.1} MiB (within 10)",
        after - before
    );
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The smallest thing that polls: every answer is a 304, and nothing is done with it.
async fn fetch_and_discard(feeds: usize, ports: &[u16]) -> Result<(), Failure> {
    // The provider may stand already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).user_agent("bare").build()?;
    let mut tasks = tokio::task::JoinSet::new();
    for feed in 0..feeds {
        if tasks.len() >= AT_ONCE {
            tasks.join_next().await.ok_or("no task")???;
        }
        let (client, url) = (client.clone(), origin::url(feed, ports));
        tasks.spawn(async move {
            let answer = client.get(url).header("if-none-match", origin::tag(feed)).send().await?;
            let status = answer.status().as_u16();
            answer.bytes().await?;
            if status == 304 { Ok(()) } else { Err(Failure::from(format!("{status} for a 304"))) }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}
