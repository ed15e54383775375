//! `newsdesk store`: a copy of the store, and whether it is sound, beside a running daemon too; and its way to another
//! place.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Failed, Place, print_json};
use crate::config;
use crate::daemon::{chain, control};
use crate::store::upkeep::{self, BackupError, Copied};
use crate::store::{Store, StoreError};

/// Copy the store, or check it; the daemon may go on
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk store backup /backup/newsdesk-$(date +%F).db
  newsdesk store check
  newsdesk store copy sqlite:newsdesk.db sqlite:/srv/newsdesk/newsdesk.db

To go back to a copy: stop the daemon, put the copy in the place of newsdesk.db in the state directory, remove
newsdesk.db-wal and newsdesk.db-shm beside it, give it to the user of the others there
(chown --reference=.), start the daemon.")]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Backup(Backup),
    Check(Check),
    Copy(Copy),
}

/// Copy the store into a new file: one state of it, whatever is written meanwhile, read back before it gets its name
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk store backup /backup/newsdesk-$(date +%F).db
  newsdesk store backup --json /backup/newsdesk.db | jq .entries

Exit status: 0 the copy is complete and on the disk; 1 there is none.")]
struct Backup {
    /// A file that does not exist yet
    file: PathBuf,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Bring a store to another place, as [store] url names both; nothing may write to it meanwhile
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk store copy sqlite:newsdesk.db sqlite:/srv/newsdesk/newsdesk.db

Stop the daemon first. Then write the new url into [store], and start it: ids, dates and subscribers are the same. The old
store is left as it was.

Exit status: 0 the copy is complete and on the disk; 1 there is none.")]
struct Copy {
    /// Where it is: sqlite:FILE
    #[arg(value_parser = config::store_file)]
    from: PathBuf,
    /// Where it is to be: sqlite:FILE, which does not exist yet
    #[arg(value_parser = config::store_file)]
    to: PathBuf,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// Read the whole store and name what is damaged
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk store check
  newsdesk store check --json | jq .problems

Exit status: 0 it is sound; 1 it is damaged.")]
struct Check {
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    match &arguments.verb {
        Verb::Backup(arguments) => {
            let path = path(place)?;
            copied(&path, arguments.json, || upkeep::backup(&path, &arguments.file))
        }
        Verb::Check(arguments) => check(&path(place)?, arguments),
        Verb::Copy(Copy { from, to, json }) => copied(from, *json, || upkeep::relocate(from, to)),
    }
}

/// Ours, or that of the daemon that answers: under systemd it is where we would not look.
fn path(place: &Place) -> Result<PathBuf, Failed> {
    let settings = place.settings()?;
    if super::is_there(&settings.store.path)? {
        return Ok(settings.store.path);
    }
    let daemon = super::runtime()?.block_on(control::identity(&settings.server.admin));
    daemon.map(|daemon| daemon.store).ok_or_else(|| {
        let path = settings.store.path.display();
        Failed::Refused(format!("there is no store at {path}: name its folder with --state"))
    })
}

/// Copy, and say what there is of it.
fn copied(path: &Path, json: bool, copy: impl FnOnce() -> Result<Copied, BackupError>) -> Result<ExitCode, Failed> {
    let spinner = super::spinner(format!("copying {}", path.display()));
    let copied = copy();
    spinner.finish_and_clear();
    let copied = copied?;
    if json {
        print_json(&copied)?;
    } else {
        let mebibytes = copied.bytes as f64 / f64::from(1 << 20);
        eprintln!("{}: {} entries, {mebibytes:.1} MiB", copied.file.display(), copied.entries);
    }
    Ok(ExitCode::SUCCESS)
}

fn check(path: &Path, arguments: &Check) -> Result<ExitCode, Failed> {
    let spinner = super::spinner(format!("reading {}", path.display()));
    let looked = super::runtime()?.block_on(async {
        let store = match Store::open_read_only(path) {
            // So damaged that nothing of it can be read: that is an answer, too.
            Err(damaged @ StoreError::NotAStore { .. }) => return Ok((vec![chain(&damaged)], None)),
            store => store?,
        };
        let problems = store.problems().await?;
        let entries = if problems.is_empty() { Some(store.count_entries().await?) } else { None };
        Ok::<_, Failed>((problems, entries))
    });
    spinner.finish_and_clear();
    let (problems, entries) = looked?;
    if arguments.json {
        print_json(&json!({ "store": path, "sound": problems.is_empty(), "problems": problems, "entries": entries }))?;
    } else if let Some(entries) = entries {
        eprintln!("{} is sound: {entries} entries", path.display());
    } else {
        problems.iter().for_each(|problem| eprintln!("{problem}"));
        eprintln!("{} is damaged: stop the daemon and put a copy in its place (newsdesk store --help)", path.display());
    }
    Ok(ExitCode::from(u8::from(!problems.is_empty())))
}
