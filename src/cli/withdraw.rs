//! `newsdesk withdraw`: an entry leaves the feeds, and readers are told. A running daemon is asked to do it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failed, Place, print_json};
use crate::daemon::control::{self, AskError};
use crate::daemon::withdraw::{self, WithdrawReport};
use crate::daemon::{Newsdesk, StartError};
use crate::serve::admin::Withdraw;
use crate::store::StoreError;

/// Take an entry out of every feed, whatever its source goes on to carry, and tell readers that it is gone
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk withdraw tag:example.org,2026:17        by its id
  newsdesk withdraw https://example.org/a-mistake  by its link, or by its page on our site
  newsdesk withdraw articles/draft.txt             the article of a file, which may stay where it is
  newsdesk withdraw --undo articles/draft.txt      back, with the id and the date that it had

The entry leaves the feeds at once; after a minute, and for 30 days, they say that it was withdrawn (at:deleted-entry).

Exit status: 0 done; 1 there is no such entry, or it is not clear which is meant.
A running daemon is asked to do it; without one the store is opened here.")]
pub struct Arguments {
    /// An id, a link, the address of a page on our site, or a file in a folder that is read
    #[arg(value_name = "ENTRY|URL|FILE")]
    what: String,
    /// Let it stand again
    #[arg(long)]
    undo: bool,
    /// Every entry that is meant, where several have that link
    #[arg(long)]
    all: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let settings = place.settings()?;
    let path = std::path::absolute(&arguments.what).unwrap_or_else(|_| PathBuf::from(&arguments.what));
    let wish = Withdraw { what: arguments.what.clone(), path, undo: arguments.undo, all: arguments.all };
    let admin = settings.server.admin.clone();
    let report = super::runtime()?.block_on(async {
        if control::identity(&admin).await.is_some_and(|daemon| daemon.speaks_for(&settings.store.path)) {
            return asked(control::ask(&admin, "POST", &wish.query()).await?);
        }
        super::not_as_root_for_another(&settings.store.path)?;
        match Newsdesk::open(settings).await {
            Ok(newsdesk) => Ok(withdraw::withdraw(newsdesk, &wish).await?),
            Err(StartError::Store(StoreError::InUse { .. })) => {
                asked(control::ask(&admin, "POST", &wish.query()).await?)
            }
            Err(cause) => Err(cause.into()),
        }
    })?;
    if arguments.json {
        print_json(&report)?;
    } else {
        tell(&report, arguments.undo);
    }
    Ok(ExitCode::from(u8::from(report.trouble.is_some())))
}

fn asked(body: String) -> Result<WithdrawReport, Failed> {
    serde_json::from_str(&body).map_err(|cause| AskError::Refused(cause.to_string()).into())
}

fn tell(report: &WithdrawReport, undo: bool) {
    for entry in &report.entries {
        let what = if undo { "stands again" } else { "is withdrawn" };
        eprintln!("{} {what} ({:?}, from {})", entry.id, entry.title, entry.source);
    }
    if let Some(trouble) = &report.trouble {
        eprintln!("{trouble}");
    }
}
