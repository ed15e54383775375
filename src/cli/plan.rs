//! `newsdesk plan`: what a changed configuration would do, before it is live.

use std::process::ExitCode;

use chrono::Utc;
use clap::Args;

use super::{CONFIGURATION, Failed, Place, is_final, print, print_json};
use crate::daemon::plan::{self, Named, Plan, SectionPlan};
use crate::store::Store;

/// Say what every section would gain, lose and reorder if this configuration were live; nothing is touched
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk plan --config new.toml
  newsdesk plan --config new.toml --json | jq '.sections[].loses'
  newsdesk plan --config new.toml && echo the same

It is worked out from the stored entries, beside a running daemon too. What a new source will bring is not known.

Exit status, as of diff: 0 nothing would change; 1 something would; 2 it could not be found out; 78 the configuration
is wrong.")]
pub struct Arguments {
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// 1 means something else here.
const TROUBLE: u8 = 2;

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    match planned(place, arguments) {
        Ok(plan) => Ok(ExitCode::from(u8::from(plan.changes))),
        // Who reads no further knows enough.
        Err(Failed::Output(cause)) if cause.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::from(1)),
        Err(wrong @ Failed::Configuration(_)) => Err(wrong),
        Err(failed) => {
            eprintln!("newsdesk: {}", crate::daemon::chain(&failed));
            Ok(ExitCode::from(if is_final(&failed) { CONFIGURATION } else { TROUBLE }))
        }
    }
}

fn planned(place: &Place, arguments: &Arguments) -> Result<Plan, Failed> {
    let settings = place.settings()?;
    let path = &settings.store.path;
    if !super::is_there(path)? {
        let words = format!("there is no store at {} to look at; name its folder with --state", path.display());
        return Err(Failed::Refused(words));
    }
    let plan = super::runtime()?.block_on(async {
        let store = Store::open_read_only(path)?;
        plan::plan(&settings, &store, Utc::now()).await
    })?;
    if arguments.json {
        print_json(&plan)?;
    } else {
        print(&in_words(&plan))?;
    }
    Ok(plan)
}

fn in_words(plan: &Plan) -> String {
    let mut lines: Vec<String> = plan.sources.clone();
    for section in &plan.sections {
        lines.extend(of_section(section));
    }
    if !plan.changes {
        lines.push("no section would change".to_owned());
    }
    lines.join("\n") + "\n"
}

fn of_section(plan: &SectionPlan) -> Vec<String> {
    let name = if plan.section.is_empty() { "the site" } else { &plan.section };
    let fate = if plan.fate == "changed" { String::new() } else { format!(" ({})", plan.fate) };
    let counts = format!("{} more, {} fewer, {} moved", plan.gains.len(), plan.loses.len(), plan.moves.len());
    let mut lines = vec![format!("{name}{fate}: {counts}")];
    let listed = |mark: char, entries: &[Named]| -> Vec<String> {
        entries.iter().map(|entry| format!("  {mark} {}  {}", entry.title, entry.id)).collect()
    };
    lines.extend(listed('+', &plan.gains));
    lines.extend(listed('-', &plan.loses));
    lines.extend(listed('~', &plan.moves));
    lines
}
