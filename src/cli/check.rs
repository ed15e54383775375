//! `newsdesk check`: is the configuration right?

use std::process::ExitCode;

use clap::Args;

use super::{Failed, Place, print_json};
use crate::config::settings::Place as SourcePlace;
use crate::config::{self, Complaints, Found, Settings};
use crate::daemon::rules::{self, RuleRow};
use crate::store::Store;

/// Check the configuration: every error at once, with file, line and what was probably meant
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk check
  newsdesk --config new.toml check && mv new.toml newsdesk.toml

Exit status: 0 right (there may be warnings), 78 wrong.")]
pub struct Arguments {
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let path = match config::find(place.config.as_deref()) {
        Found::File { path, .. } => path,
        Found::Nowhere { looked_for } => {
            eprintln!(
                "no configuration found; newsdesk runs without one and shows a page that says what to add. Looked for:"
            );
            for path in looked_for {
                eprintln!("  {}", path.display());
            }
            return Ok(ExitCode::SUCCESS);
        }
    };
    let mut idle = Vec::new();
    let (complaints, words) = match config::load(&path, &place.locations) {
        Ok(settings) => {
            idle = never_matched(&settings);
            let feeds = settings.sources.iter().filter(|source| matches!(source.place, SourcePlace::Feed(_))).count();
            let folders = settings.sources.len() - feeds;
            let sections = settings.sections.len();
            let words = format!("{} is right: {sections} sections, {feeds} feeds, {folders} folders", path.display());
            (Complaints(settings.warnings), words)
        }
        Err(complaints) => (complaints, String::new()),
    };
    let wrong = complaints.has_errors();
    if arguments.json {
        print_json(
            &serde_json::json!({ "file": path, "right": !wrong, "complaints": complaints.0, "never_matched": idle }),
        )?;
    } else {
        if !complaints.0.is_empty() {
            eprintln!("{complaints}");
        }
        if !wrong {
            eprintln!("{words}");
        }
        if !idle.is_empty() {
            eprintln!("never matched an entry so far: {}", idle.join(", "));
        }
    }
    Ok(ExitCode::from(if wrong { super::CONFIGURATION } else { 0 }))
}

/// Rules that have matched none of the entries that a store holds, where there is one already.
fn never_matched(settings: &Settings) -> Vec<String> {
    if !settings.store.path.exists() {
        return Vec::new();
    }
    let asked = || -> Result<Vec<RuleRow>, Failed> {
        let store = Store::open_read_only(&settings.store.path)?;
        Ok(super::runtime()?.block_on(rules::report(settings, &store))?)
    };
    // A store that cannot be read is no fault of the configuration.
    let rows = asked().unwrap_or_default();
    rules::never_matched(&rows).into_iter().map(str::to_owned).collect()
}
