//! `newsdesk doctor`: everything around newsdesk that has to be right, and what to do where it is not.

mod network;
mod system;

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{Failed, Place, print, print_json};
use crate::config::{self, Found, Settings, Severity};

/// Examine everything that newsdesk needs, and name the cure of what is wrong
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk doctor
  sudo newsdesk --state /var/lib/newsdesk doctor   the service of the system
  newsdesk doctor --json | jq '.findings[] | select(.verdict == \"wrong\")'

It looks at configuration, folders and rights, the store, clock, names, trusted authorities, addresses, the systemd unit,
and whether the public address leads here. Nothing is changed.
Exit status: 0 nothing is wrong (there may be doubts); 1 something is.")]
pub struct Arguments {
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Well,
    /// It works, but perhaps not as its owner thinks.
    Doubtful,
    Wrong,
    /// There is nothing to look at.
    Skipped,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// "store", "clock".
    what: String,
    verdict: Verdict,
    words: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

impl Finding {
    fn well(what: &str, words: impl Into<String>) -> Finding {
        Finding { what: what.to_owned(), verdict: Verdict::Well, words: words.into(), cure: None }
    }

    fn skipped(what: &str, words: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Skipped, ..Finding::well(what, words) }
    }

    fn doubtful(what: &str, words: impl Into<String>, cure: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Doubtful, cure: Some(cure.into()), ..Finding::well(what, words) }
    }

    fn wrong(what: &str, words: impl Into<String>, cure: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Wrong, cure: Some(cure.into()), ..Finding::well(what, words) }
    }
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let (settings, mut findings) = configuration(place);
    let runtime = super::runtime()?;
    runtime.block_on(async {
        findings.extend(system::findings(&settings));
        findings.push(system::store(&settings).await);
        findings.extend(network::findings(&settings).await);
    });
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    let wrong = findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
    if arguments.json {
        print_json(&serde_json::json!({ "well": wrong == 0, "findings": findings }))?;
    } else {
        print(&table(&findings))?;
        eprintln!("{} looked at, {wrong} wrong", findings.len());
    }
    Ok(ExitCode::from(u8::from(wrong > 0)))
}

/// With a file that is wrong, the rest is judged by the defaults.
fn configuration(place: &Place) -> (Settings, Vec<Finding>) {
    const WHAT: &str = "configuration";
    let path = match config::find(place.config.as_deref()) {
        Found::File { path, .. } => path,
        Found::Nowhere { .. } => {
            let words = "there is none: the defaults hold, and nothing is read";
            let finding = Finding::doubtful(
                WHAT,
                words,
                "newsdesk --config newsdesk.toml add URL begins one; newsdesk check says where it is looked for",
            );
            return (config::defaults(&place.locations), vec![finding]);
        }
    };
    match config::load(&path, &place.locations) {
        Ok(settings) => {
            let sources = settings.sources.len();
            let words = format!("{}: {} sections, {sources} sources", path.display(), settings.sections.len());
            let warnings = settings.warnings.iter().map(|warning| {
                let cure = warning.next.clone().unwrap_or_else(|| "newsdesk check shows the place".to_owned());
                Finding::doubtful(WHAT, warning.reason.clone(), cure)
            });
            let findings = std::iter::once(Finding::well(WHAT, words)).chain(warnings).collect();
            (settings, findings)
        }
        Err(complaints) => {
            let errors = complaints.0.iter().filter(|complaint| complaint.severity == Severity::Error).count();
            let words = format!("{}: {errors} errors", path.display());
            let finding = Finding::wrong(WHAT, words, "newsdesk check names each with its place");
            (config::defaults(&place.locations), vec![finding])
        }
    }
}

fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let mark = match finding.verdict {
            Verdict::Well => "well ",
            Verdict::Doubtful => "hmm  ",
            Verdict::Wrong => "WRONG",
            Verdict::Skipped => "-    ",
        };
        text.push_str(&format!("{mark}  {:<width$}  {}\n", finding.what, finding.words));
        if let Some(cure) = &finding.cure {
            text.push_str(&format!("       {:<width$}  -> {cure}\n", ""));
        }
    }
    text
}
