//! `newsdesk check`: is the configuration right?

use std::process::ExitCode;

use clap::Args;

use super::{Failed, Place, print_json};
use crate::config::settings::Place as SourcePlace;
use crate::config::{self, Complaints, Found};

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
    let (complaints, words) = match config::load(&path, &place.locations) {
        Ok(settings) => {
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
        print_json(&serde_json::json!({ "file": path, "right": !wrong, "complaints": complaints.0 }))?;
    } else {
        if !complaints.0.is_empty() {
            eprintln!("{complaints}");
        }
        if !wrong {
            eprintln!("{words}");
        }
    }
    Ok(ExitCode::from(if wrong { super::CONFIGURATION } else { 0 }))
}
