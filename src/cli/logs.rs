//! Logs: one line per event, with source and stage. On a terminal for people, under systemd without the time that the
//! journal adds itself, as JSON where asked.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Style {
    Text,
    Json,
}

/// Write events to stderr. `NEWSDESK_LOG` names levels, as in `debug` or `newsdesk=debug,warn`.
pub fn start(style: Style) {
    let filter = EnvFilter::try_from_env("NEWSDESK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second subscriber in one process can only come from a test; the first one stays.
    let _ = match (style, journal) {
        (Style::Json, _) => builder.json().flatten_event(true).with_current_span(false).try_init(),
        (Style::Text, true) => builder.without_time().with_ansi(false).try_init(),
        (Style::Text, false) => builder.with_ansi(colours).try_init(),
    };
}
