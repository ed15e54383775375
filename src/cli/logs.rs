//! Logs: one line per event, with source and stage. For people on a terminal; under systemd as native fields of the
//! journal (`journalctl SOURCE=wires`); as JSON where asked.

use std::io::IsTerminal as _;
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt};

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Style {
    /// For people; where stderr is the journal, native fields of it
    Text,
    /// One object on a line
    Json,
}

/// Events go where programs read them: as JSON, or as fields of the journal.
static FOR_PROGRAMS: AtomicBool = AtomicBool::new(false);

/// Why this process ends: an event where programs read the log, plain words on stderr anywhere else.
pub fn last_words(stage: &str, words: &str) {
    if FOR_PROGRAMS.load(Ordering::Relaxed) {
        tracing::error!(stage, "{words}");
    } else {
        eprintln!("{words}");
    }
}

/// Write events to stderr. `NEWSDESK_LOG` names levels, as in `debug` or `newsdesk=debug,warn`.
pub fn start(style: Style) {
    let filter = EnvFilter::try_from_env("NEWSDESK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let journal = std::env::var("JOURNAL_STREAM").is_ok_and(|stream| Some(stream) == stream_of_stderr());
    // The journal's own socket may be out of reach all the same: then its lines have to do.
    let native = if journal && style == Style::Text { tracing_journald::layer().ok() } else { None };
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let events = tracing_subscriber::registry().with(filter);
    FOR_PROGRAMS.store(style == Style::Json || native.is_some(), Ordering::Relaxed);
    // A second subscriber in one process can only come from a test; the first one stays.
    let _ = match (style, native) {
        (Style::Json, _) => events.with(lines.json().flatten_event(true).with_current_span(false)).try_init(),
        (Style::Text, Some(native)) => {
            let native = native.with_field_prefix(None).with_syslog_identifier("newsdesk".to_owned());
            let native = native.with_priority_mappings(PriorityMappings {
                info: Priority::Informational,
                debug: Priority::Debug,
                trace: Priority::Debug,
                ..PriorityMappings::new()
            });
            events.with(native).try_init()
        }
        // The journal adds the time itself.
        (Style::Text, None) if journal => events.with(lines.without_time().with_ansi(false)).try_init(),
        (Style::Text, None) => events.with(lines.with_ansi(colours)).try_init(),
    };
}

/// Device and inode, as systemd names the stream that it connected.
fn stream_of_stderr() -> Option<String> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat fills the whole struct when it returns 0, and is given room for it.
    let stat = unsafe {
        if libc::fstat(std::io::stderr().as_raw_fd(), stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    Some(format!("{}:{}", stat.st_dev, stat.st_ino))
}
