//! `newsdesk explain`: why an entry is where it is. A running daemon is asked; without one the store is read here.

use std::process::ExitCode;

use chrono::Utc;
use clap::Args;

use super::{Failed, Place, print, print_json};
use crate::config::Settings;
use crate::daemon::control;
use crate::daemon::explain::{Desk, Explanation, Explanations};
use crate::daemon::placer;
use crate::store::Store;

/// Say why an entry is where it is: who brought it, which rules saw it, which sections took it, what stands for it
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk explain https://example.org/story     by its link
  newsdesk explain urn:uuid:60a76c80-d399-11d9   by its id
  newsdesk explain articles/harbour.txt          by its file
  newsdesk explain --json URL | jq '.entries[].sections[] | select(.takes)'

Exit status: 0 found; 1 there is no such entry, or something failed; 78 the configuration is wrong.")]
pub struct Arguments {
    /// Id or link of an entry, its page on this site, or the file of an article
    entry: String,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let settings = place.settings()?;
    let found = super::runtime()?.block_on(explain(&settings, &arguments.entry))?;
    let Some(found) = found else {
        eprintln!(
            "there is no store at {} yet: start newsdesk serve, or run newsdesk update",
            settings.store.path.display()
        );
        return Ok(ExitCode::from(1));
    };
    if arguments.json {
        print_json(&found)?;
    } else if found.entries.is_empty() {
        eprintln!("no source has brought {:?}: newsdesk status says what was read, and when", arguments.entry);
    } else {
        print(&found.entries.iter().map(in_words).collect::<Vec<_>>().join("\n"))?;
    }
    Ok(ExitCode::from(u8::from(found.entries.is_empty())))
}

async fn explain(settings: &Settings, what: &str) -> Result<Option<Explanations>, Failed> {
    // A relative path means a file here, wherever the daemon runs.
    let asked = match std::path::absolute(what) {
        Ok(path) if path.is_file() => path.display().to_string(),
        _ => what.to_owned(),
    };
    let path = &settings.store.path;
    let told = control::explain(&settings.server.admin, &asked).await;
    let told = told.and_then(|body| serde_json::from_str::<Explanations>(&body).ok());
    // The daemon of another user has its store where we do not look; where there is one here, only the daemon that has
    // it open speaks for it.
    if told.as_ref().is_some_and(|told| told.store.as_deref() == Some(path)) || !super::is_there(path)? {
        return Ok(told.map(|told| Explanations { store: None, ..told }));
    }
    let store = Store::open_read_only(path)?;
    let placer = placer(settings);
    let desk = Desk { settings, placer: &placer, store: &store };
    Ok(Some(desk.explain(&asked, Utc::now()).await?))
}

fn in_words(entry: &Explanation) -> String {
    let time = |time: chrono::DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let mut lines = vec![entry.title.clone(), format!("  id          {}", entry.id)];
    lines.extend(entry.link.iter().map(|link| format!("  link        {link}")));
    lines.push(format!("  brought by  {}, first seen {}", entry.source, time(entry.first_seen)));
    lines.push(format!("  known by    {} ({} other keys)", entry.known_by, entry.aliases));
    lines.push(format!("  date        {}: {}", time(entry.effective), entry.effective_because));
    let small = match entry.silent_changes {
        0 => String::new(),
        count => format!(", {count} small changes since"),
    };
    lines.push(format!("  updated     {}{small}", time(entry.updated)));
    lines.extend(entry.withdrawn.map(|when| format!("  withdrawn   {}", time(when))));
    for (at, step) in entry.steps.iter().enumerate() {
        lines.push(format!("  {:<10}  {step}", if at == 0 { "steps" } else { "" }));
    }
    for section in &entry.sections {
        let name = if section.section.is_empty() { "(the site)" } else { &section.section };
        lines.push(format!("  {name:<10}  {}", section.outcome));
    }
    for (at, copy) in entry.copies.iter().enumerate() {
        let label = if at == 0 { "copies" } else { "" };
        lines.push(format!("  {label:<10}  {:?} of {} ({}): {}", copy.title, copy.source, copy.id, copy.because));
    }
    lines.join("\n") + "\n"
}
