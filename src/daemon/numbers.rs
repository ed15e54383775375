//! What the daemon counts, and `/metrics`. Names and units after the conventions of Prometheus.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Newsdesk;
use super::refresh::{Refreshing, Stage};
use crate::metrics::{Counter, Gauge, Histogram, Text};
use crate::model::Time;
use crate::serve::public::Answered;

/// How polls and scans end.
const OUTCOMES: [&str; 6] = ["changed", "unchanged", "not_modified", "fetch_failed", "parse_failed", "store_failed"];
/// Counting a million entries takes a moment: the number is that old at most.
const COUNTED_EVERY: Duration = Duration::from_secs(60);

/// Counters and gauges of one daemon.
#[derive(Debug)]
pub struct Numbers {
    started: Time,
    polls: [Counter; OUTCOMES.len()],
    saved_bytes: Counter,
    warnings: Counter,
    new: Counter,
    changed: Counter,
    withdrawn: Counter,
    pub refreshes: Histogram,
    pub publications: Histogram,
    pub failed_publications: Counter,
    pub revisions: Counter,
    pub reloads: Counter,
    pub refused_reloads: Counter,
    pub sources: Gauge,
    pub failing: Gauge,
    /// Feeds that wait for their time, or for their host's.
    pub waiting: Gauge,
    pub running: Gauge,
    /// Of the loop.
    pub turns: Counter,
    /// Seconds since 1970; 0: none.
    pub next_poll: Gauge,
    pub answered: Arc<Answered>,
    entries: Mutex<Option<(Instant, u64)>>,
}

impl Numbers {
    pub fn new(started: Time) -> Numbers {
        Numbers {
            started,
            polls: Default::default(),
            saved_bytes: Counter::default(),
            warnings: Counter::default(),
            new: Counter::default(),
            changed: Counter::default(),
            withdrawn: Counter::default(),
            refreshes: Histogram::default(),
            publications: Histogram::default(),
            failed_publications: Counter::default(),
            revisions: Counter::default(),
            reloads: Counter::default(),
            refused_reloads: Counter::default(),
            sources: Gauge::default(),
            failing: Gauge::default(),
            waiting: Gauge::default(),
            running: Gauge::default(),
            turns: Counter::default(),
            next_poll: Gauge::default(),
            answered: Arc::default(),
            entries: Mutex::new(None),
        }
    }

    /// A refresh has ended.
    pub(super) fn refreshed(&self, refreshing: &Refreshing) {
        let outcome = match &refreshing.result {
            Ok(done) if done.not_modified.is_some() => "not_modified",
            Ok(done) if done.stored() => "changed",
            Ok(_) => "unchanged",
            Err(error) => match error.stage {
                Stage::Fetch => "fetch_failed",
                Stage::Parse => "parse_failed",
                Stage::Store => "store_failed",
            },
        };
        let counters = OUTCOMES.iter().zip(&self.polls);
        counters.filter(|(name, _)| **name == outcome).for_each(|(_, counter)| counter.add(1));
        let Ok(done) = &refreshing.result else { return };
        self.saved_bytes.add(done.not_modified.unwrap_or_default());
        self.warnings.add(done.warnings as u64);
        self.new.add(done.applied.new.len() as u64);
        self.changed.add(done.applied.changed.len() as u64);
        self.withdrawn.add(done.applied.withdrawn.len() as u64);
    }
}

impl Newsdesk {
    /// Everything that is counted, for `/metrics`.
    pub async fn metrics(&self) -> String {
        let entries = self.counted_entries().await;
        let numbers = &self.numbers;
        let mut text = Text::default();
        let (name, help) = ("newsdesk_build_info", "The version that runs.");
        text.by((name, "gauge", help), "version", [(env!("CARGO_PKG_VERSION"), 1)]);
        let polls = OUTCOMES.iter().zip(&numbers.polls).map(|(outcome, count)| (*outcome, count.get()));
        text.by(("newsdesk_polls_total", "counter", "Polls of feeds and scans of folders."), "outcome", polls);
        text.counter(
            "newsdesk_not_modified_saved_bytes_total",
            "Bytes of documents that were not sent again, because the answer was 304.",
            numbers.saved_bytes.get(),
        );
        text.counter(
            "newsdesk_parse_warnings_total",
            "Repairs that documents needed, each kind once a document.",
            numbers.warnings.get(),
        );
        let changes = [("new", &numbers.new), ("changed", &numbers.changed), ("withdrawn", &numbers.withdrawn)];
        let changes = changes.map(|(name, counter)| (name, counter.get()));
        text.by(("newsdesk_entries_total", "counter", "Entries that were taken in."), "change", changes);
        text.counter("newsdesk_revisions_total", "Documents that were published anew.", numbers.revisions.get());
        text.counter(
            "newsdesk_publications_failed_total",
            "Publications that could not be stored.",
            numbers.failed_publications.get(),
        );
        text.gauge("newsdesk_sources", "Configured sources.", numbers.sources.get());
        text.gauge("newsdesk_sources_failing", "Sources whose last refresh failed.", numbers.failing.get());
        text.gauge("newsdesk_queue_sources", "Feeds that wait for their time or their host.", numbers.waiting.get());
        text.gauge("newsdesk_refreshes_running", "Refreshes under way.", numbers.running.get());
        text.counter("newsdesk_loop_turns_total", "How often the loop looked for what is due.", numbers.turns.get());
        text.gauge(
            "newsdesk_next_poll_timestamp_seconds",
            "When the next feed is asked; 0: none waits.",
            numbers.next_poll.get(),
        );
        if let Some(entries) = entries {
            text.gauge("newsdesk_store_entries", "Entries in the store, not withdrawn.", entries);
        }
        text.gauge("newsdesk_store_size_bytes", "Size of the store on the disk.", self.store.size_bytes());
        text.gauge("newsdesk_store_queue", "Writes that wait for the store.", self.store.queued());
        let reloads = [("taken", numbers.reloads.get()), ("refused", numbers.refused_reloads.get())];
        text.by(("newsdesk_config_reloads_total", "counter", "Reloads of the configuration."), "verdict", reloads);
        text.gauge(
            "newsdesk_config_last_reload_successful",
            "Is the configuration that was read last in force?",
            u8::from(self.standing().refused.is_none()),
        );
        let healthy = u8::from(self.health.trouble().is_none());
        text.gauge("newsdesk_healthy", "Do scheduler and store make progress?", healthy);
        text.histogram("newsdesk_refresh_duration_seconds", "Refreshes, from request to store.", &numbers.refreshes);
        text.histogram("newsdesk_publish_duration_seconds", "From store to live documents.", &numbers.publications);
        numbers.answered.write(&mut text);
        process(&mut text, numbers.started);
        text.finish()
    }

    async fn counted_entries(&self) -> Option<u64> {
        let known = *self.numbers.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, entries)) = known.filter(|(at, _)| at.elapsed() < COUNTED_EVERY) {
            return Some(entries);
        }
        let entries = self.store.count_entries().await.ok()?;
        *self.numbers.entries.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), entries));
        Some(entries)
    }
}

/// The usual numbers of a process, as far as the system tells them.
fn process(text: &mut Text, started: Time) {
    let started = started.timestamp();
    text.gauge("process_start_time_seconds", "When the process started, since 1970.", started);
    if let Some(seconds) = cpu_seconds() {
        text.counter("process_cpu_seconds_total", "Processor time, user and system.", seconds);
    }
    if let Some(bytes) = resident_bytes() {
        text.gauge("process_resident_memory_bytes", "Memory in use.", bytes);
    }
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        text.gauge("process_open_fds", "Open file descriptors.", files.count());
    }
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn cpu_seconds() -> Option<f64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: getrusage fills the whole struct when it returns 0, and is given room for it.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) != 0 {
            return None;
        }
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    Some(seconds(usage.ru_utime) + seconds(usage.ru_stime))
}
