//! `newsdesk reload`: the running daemon reads its configuration anew, and the verdict is waited for.

use std::process::ExitCode;

use clap::Args;

use super::{Failed, Place, print_json};
use crate::config::settings::AdminAddress;
use crate::config::{self, Found};
use crate::daemon::control::{self, AskError};
use crate::daemon::reload::ReloadReport;

/// Let the running daemon read its configuration anew, and say what came of it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk check && newsdesk reload
  newsdesk reload --json | jq .changes

Nothing is interrupted: connections stay open, sources wait for their own time. A configuration that is wrong changes
nothing. The addresses and the store are those of the start until the next one.

Exit status: 0 it is in force; 1 no daemon answers, or something failed; 78 the configuration is wrong.")]
pub struct Arguments {
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    // The daemon may well be asked to read a file that is wrong: that is for it to say.
    let admin = match config::find(place.config.as_deref()) {
        Found::File { path, .. } => config::admin_address(&path, &place.locations),
        Found::Nowhere { .. } => config::defaults(&place.locations).server.admin,
    };
    let report = super::runtime()?.block_on(ask(&admin))?;
    if arguments.json {
        print_json(&report)?;
    } else {
        tell(&report);
    }
    Ok(ExitCode::from(match (report.ok, &report.trouble) {
        (true, None) => 0,
        (true, Some(_)) => 1,
        (false, _) => super::CONFIGURATION,
    }))
}

pub(super) async fn ask(admin: &AdminAddress) -> Result<ReloadReport, AskError> {
    let body = control::ask(admin, "POST", "/reload").await?;
    serde_json::from_str(&body).map_err(|cause| AskError::Refused(cause.to_string()))
}

pub(super) fn tell(report: &ReloadReport) {
    if let Some(trouble) = &report.trouble {
        eprintln!("{trouble}");
    }
    let file = report.file.as_ref().map_or("no configuration file".to_owned(), |file| file.display().to_string());
    if !report.ok {
        eprintln!("{file} is refused; the configuration that was in force stays");
        return;
    }
    for line in report.warnings.iter().chain(&report.changes).chain(&report.kept) {
        eprintln!("{line}");
    }
    match report.changes.len() {
        0 => eprintln!("{file} is in force; nothing is different"),
        1 => eprintln!("{file} is in force, 1 change"),
        count => eprintln!("{file} is in force, {count} changes"),
    }
}
