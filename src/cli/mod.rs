//! Command line: arguments become calls. Data goes to stdout, words to stderr.
//!
//! Exit status: 0 done; 1 something failed; 2 the arguments are wrong; 78 the configuration is (sysexits' EX_CONFIG), or
//! the store belongs to a newer program: starting again would not help.

mod add;
mod check;
mod describe;
mod doctor;
mod edited;
mod explain;
mod export;
mod import;
mod logs;
mod plan;
mod reload;
mod serve;
mod status;
mod store;
mod try_out;
mod update;
mod withdraw;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::edit::EditError;
use crate::config::{self, Complaints, Found, Locations, Settings};
use crate::daemon::StartError;
use crate::store::StoreError;

/// RSS and Atom feed producer and aggregator: local articles and remote feeds in, one merged feed per section out.
#[derive(Debug, Parser)]
#[command(name = "newsdesk", version, about, max_term_width = 100, propagate_version = true, after_help = EXAMPLES)]
struct Arguments {
    /// Configuration file [else: $NEWSDESK_CONFIG, ./config/newsdesk.toml, ~/.config/newsdesk/newsdesk.toml,
    /// /etc/newsdesk/newsdesk.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the store [else: $STATE_DIRECTORY, ~/.local/state/newsdesk]
    #[arg(long, global = true, value_name = "FOLDER")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  newsdesk serve                         run the daemon with the configuration found
  newsdesk check                         is the configuration right? all errors at once
  newsdesk try article.txt               what would become of this file
  newsdesk try https://example.org/feed  what would become of this feed
  newsdesk update wires                  refresh one source now, publish, and say how it went
  newsdesk status                        every source: last success, next poll and why
  newsdesk explain https://example.org/1 why this entry is where it is
  newsdesk plan --config new.toml        what a changed configuration would do
  newsdesk add https://example.org/      find the feed of this page and write it into the configuration
  newsdesk import feeds.opml             the feeds of another reader; newsdesk export goes the other way
  newsdesk reload                        let the running daemon read its configuration anew
  newsdesk doctor                        what is wrong around it, and the cure of each
  newsdesk store backup FILE             a copy of everything, beside the running daemon";

#[derive(Debug, Subcommand)]
enum Verb {
    Serve(serve::Arguments),
    Update(update::Arguments),
    Check(check::Arguments),
    Try(try_out::Arguments),
    Status(status::Arguments),
    Explain(explain::Arguments),
    Plan(plan::Arguments),
    Add(add::Arguments),
    Import(import::Arguments),
    Export(export::Arguments),
    Reload(reload::Arguments),
    Withdraw(withdraw::Arguments),
    Doctor(doctor::Arguments),
    Store(store::Arguments),
    Schema(describe::Schema),
    Completions(describe::Completions),
    Man(describe::Man),
}

/// Why a verb could not do its work.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Configuration(Complaints),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ask(#[from] crate::daemon::control::AskError),
    #[error(transparent)]
    Discover(Box<crate::daemon::search::DiscoverError>),
    #[error(transparent)]
    Edit(#[from] EditError),
    #[error(transparent)]
    Backup(#[from] crate::store::upkeep::BackupError),
    /// In words for whoever asked.
    #[error("{0}")]
    Refused(String),
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
}

/// Run the verb that the arguments name.
pub fn main() -> ExitCode {
    crate::daemon::memory::keep();
    let arguments = Arguments::parse();
    let state = arguments.state.as_deref();
    let locations = if matches!(arguments.verb, Verb::Serve(_)) {
        Locations::from_env(state)
    } else {
        let mut locations = Locations::of_daemon(state, &config::find(arguments.config.as_deref()));
        // One that may not be looked at is there: asking it says what is missing.
        if Path::new(SYSTEM_SOCKET).try_exists().unwrap_or(true) {
            locations.admin_socket.get_or_insert_with(|| SYSTEM_SOCKET.into());
        }
        locations
    };
    let place = Place { config: arguments.config, locations };
    let result = match arguments.verb {
        Verb::Serve(verb) => serve::run(&place, &verb),
        Verb::Update(verb) => update::run(&place, &verb),
        Verb::Check(verb) => check::run(&place, &verb),
        Verb::Try(verb) => try_out::run(&place, &verb),
        Verb::Status(verb) => status::run(&place, &verb),
        Verb::Explain(verb) => explain::run(&place, &verb),
        Verb::Plan(verb) => plan::run(&place, &verb),
        Verb::Add(verb) => add::run(&place, &verb),
        Verb::Import(verb) => import::run(&place, &verb),
        Verb::Export(verb) => export::run(&place, &verb),
        Verb::Reload(verb) => reload::run(&place, &verb),
        Verb::Withdraw(verb) => withdraw::run(&place, &verb),
        Verb::Doctor(verb) => doctor::run(&place, &verb),
        Verb::Store(verb) => store::run(&place, &verb),
        Verb::Schema(verb) => describe::schema(&verb),
        Verb::Completions(verb) => describe::completions(&verb),
        Verb::Man(verb) => describe::man(&verb),
    };
    match result {
        Ok(code) => code,
        // The reader of a pipe may stop early: that is no failure of ours.
        Err(Failed::Output(cause)) if cause.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(Failed::Configuration(complaints)) => {
            logs::last_words("configuration", &complaints.to_string());
            ExitCode::from(CONFIGURATION)
        }
        Err(failed) => {
            logs::last_words("serve", &format!("newsdesk: {}", crate::daemon::chain(&failed)));
            ExitCode::from(if is_final(&failed) { CONFIGURATION } else { 1 })
        }
    }
}

const CONFIGURATION: u8 = 78;

/// Where the daemon of the system is asked, by those who may.
const SYSTEM_SOCKET: &str = "/run/newsdesk/admin.sock";

fn is_final(failed: &Failed) -> bool {
    let (Failed::Store(cause) | Failed::Start(StartError::Store(cause))) = failed else { return false };
    // No other start mends it.
    matches!(cause, StoreError::Newer { .. } | StoreError::NotAStore { .. })
}

/// Is there a store? One that may not be looked at is there, and somebody else's.
fn is_there(store: &Path) -> Result<bool, Failed> {
    store.try_exists().map_err(|cause| {
        let words = "newsdesk runs as a service here: ask with sudo, or name another folder with --state";
        Failed::Refused(format!("{} cannot be looked at: {cause}; {words}", store.display()))
    })
}

/// No daemon has it open: root, who may open any, would leave files in it that its owner could not write any more.
fn not_as_root_for_another(store: &Path) -> Result<(), Failed> {
    use std::os::unix::fs::MetadataExt as _;
    // SAFETY: geteuid(2) cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    match store.metadata() {
        Ok(metadata) if is_root && metadata.uid() != 0 => Err(Failed::Refused(format!(
            "{} belongs to another user, and no daemon answers that could do it: start it (systemctl start newsdesk), or \
             be that user",
            store.display()
        ))),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Where the configuration and the state are.
#[derive(Clone)]
struct Place {
    config: Option<PathBuf>,
    locations: Locations,
}

impl Place {
    /// The configuration as it is found, or the defaults where there is none.
    fn settings(&self) -> Result<Settings, Failed> {
        self.read().map_err(Failed::Configuration)
    }

    fn read(&self) -> Result<Settings, Complaints> {
        match config::find(self.config.as_deref()) {
            Found::File { path, .. } => config::load(&path, &self.locations),
            Found::Nowhere { .. } => Ok(config::defaults(&self.locations)),
        }
    }
}

/// On a terminal, while something takes long; nothing elsewhere.
fn spinner(what: String) -> indicatif::ProgressBar {
    let spinner = indicatif::ProgressBar::new_spinner();
    if let Ok(style) = indicatif::ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        spinner.set_style(style);
    }
    spinner.set_message(what);
    spinner.enable_steady_tick(std::time::Duration::from_millis(200));
    spinner
}

fn runtime() -> Result<tokio::runtime::Runtime, Failed> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failed::Runtime)
}

/// One line of JSON on stdout.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failed> {
    let text = serde_json::to_string(value).map_err(|cause| Failed::Output(cause.into()))?;
    print(&format!("{text}\n"))
}

fn print(text: &str) -> Result<(), Failed> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failed::Output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_well_formed() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
