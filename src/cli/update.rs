//! `newsdesk update`: refresh now, publish, and say how it went. A running daemon is asked to do it.

use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::logs::{self, Style};
use super::{Failed, Place, print_json};
use crate::config::settings::AdminAddress;
use crate::config::{Complaint, Complaints, Settings};
use crate::daemon::control::{self, SourceReport, UpdateReport};
use crate::daemon::{self, Newsdesk, Progress, StartError};
use crate::store::StoreError;

/// Refresh sources now, publish what changed, and say how it went
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk update                        every source
  newsdesk update wires bbc-world        these two
  newsdesk update --json | jq .          for scripts
  newsdesk update --confirm-missing desk files missing from the folder are meant to be gone

Exit status: 0 all went well; 1 a source failed; 78 the configuration is wrong.
A running daemon is asked to do it; without one the store is opened here.")]
pub struct Arguments {
    /// Names of sources [default: all]
    sources: Vec<String>,
    /// Withdraw the articles of files that are missing from these sources, however many they are
    #[arg(long, requires = "sources")]
    confirm_missing: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    if std::env::var_os("NEWSDESK_LOG").is_some() {
        logs::start(Style::Text);
    }
    let settings = place.settings()?;
    unknown_sources(&settings, &arguments.sources)?;
    let runtime = super::runtime()?;
    let updated = runtime.block_on(update(settings, arguments));
    // A name that is still being looked up when somebody interrupts cannot be called back, and is not waited for.
    runtime.shutdown_background();
    let (report, who) = updated?;
    if arguments.json {
        print_json(&report)?;
    } else {
        tell(&report, who);
    }
    Ok(ExitCode::from(u8::from(report.failed() > 0 || report.trouble.is_some())))
}

fn unknown_sources(settings: &Settings, names: &[String]) -> Result<(), Failed> {
    let known = |name: &&String| settings.sources.iter().any(|source| source.name == **name);
    let unknown = names.iter().filter(|name| !known(name)).map(|name| {
        let nearest = settings
            .sources
            .iter()
            .map(|source| (strsim::jaro_winkler(name, &source.name), &source.name))
            .filter(|(likeness, _)| *likeness > 0.75)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let complaint = Complaint::error(settings.file.as_deref(), format!("there is no source {name:?}"));
        complaint.meant(nearest.map(|(_, near)| format!("{near:?}"))).next("newsdesk status lists them")
    });
    let complaints: Vec<Complaint> = unknown.collect();
    if complaints.is_empty() { Ok(()) } else { Err(Failed::Configuration(Complaints(complaints))) }
}

/// Who did the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// This process, which told of each failure as it came.
    Us,
    TheDaemon,
}

async fn update(settings: Settings, arguments: &Arguments) -> Result<(UpdateReport, Who), Failed> {
    let admin = settings.server.admin.clone();
    // What has it open is asked first: root may open any store, and that of a service is not root's to write.
    if control::identity(&admin).await.is_some_and(|daemon| daemon.speaks_for(&settings.store.path)) {
        return ask(&admin, arguments).await;
    }
    super::not_as_root_for_another(&settings.store.path)?;
    match Newsdesk::open(settings).await {
        Ok(newsdesk) => {
            let (stop_sender, stop) = watch::channel(false);
            tokio::spawn(stop_on_signal(stop_sender));
            let progress = if arguments.json { Box::new(|_: usize, _: usize, _: &SourceReport| {}) } else { bar() };
            let (sources, confirm_missing) = (arguments.sources.clone(), arguments.confirm_missing);
            Ok((daemon::update(newsdesk, sources, confirm_missing, stop, progress).await?, Who::Us))
        }
        Err(StartError::Store(StoreError::InUse { .. })) => ask(&admin, arguments).await,
        Err(cause) => Err(cause.into()),
    }
}

async fn ask(admin: &AdminAddress, arguments: &Arguments) -> Result<(UpdateReport, Who), Failed> {
    let mut query = url::form_urlencoded::Serializer::new(String::from("/update?"));
    query.extend_pairs(arguments.sources.iter().map(|source| ("source", source)));
    if arguments.confirm_missing {
        query.append_pair("confirm-missing", "1");
    }
    let spinner = super::spinner("the running daemon refreshes".to_owned());
    let body = control::ask(admin, "POST", &query.finish()).await;
    spinner.finish_and_clear();
    let body = body?;
    let unreadable = |cause: serde_json::Error| control::AskError::Refused(cause.to_string());
    Ok((serde_json::from_str(&body).map_err(unreadable)?, Who::TheDaemon))
}

async fn stop_on_signal(stop: watch::Sender<bool>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    let _ = stop.send(true);
}

/// A bar on a terminal, nothing elsewhere; failures are told as they come.
fn bar() -> Progress {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    Box::new(move |done, all, report| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        bar.set_message(report.source.clone());
        if !report.ok {
            let line = format!("{}: {}", report.source, report.outcome);
            bar.suspend(|| eprintln!("{line}"));
        }
        if done == all {
            bar.finish_and_clear();
        }
    })
}

fn tell(report: &UpdateReport, who: Who) {
    for source in report.sources.iter().filter(|source| who == Who::TheDaemon && !source.ok) {
        eprintln!("{}: {}", source.source, source.outcome);
    }
    let failed = report.failed();
    let well = report.sources.len() - failed;
    let quiet = |outcome: &str| outcome == "nothing new" || outcome.starts_with("304") || outcome.starts_with("200");
    let brought = report.sources.iter().filter(|source| source.ok && !quiet(&source.outcome));
    for source in brought {
        eprintln!("{}: {}", source.source, source.outcome);
    }
    eprintln!("{well} refreshed, {failed} failed, {} documents published", report.published.len());
    if let Some(trouble) = &report.trouble {
        eprintln!("nothing could be published: {trouble}");
    }
}
