//! `newsdesk serve`: the daemon.

mod control;
mod listen;
mod manager;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::logs::{self, Style};
use super::{Failed, Place};
use crate::config::Settings;
use crate::config::settings::AdminAddress;
use crate::daemon::control::Ask;
use crate::daemon::{self, Events, Newsdesk, Serving, StartError};
use crate::serve::{self, admin};
use control::{Current, carry, local_names};
use listen::{Given, overrule};
use manager::Manager;

/// Run the daemon: refresh sources on their schedules, publish, serve
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk serve
  newsdesk --config /etc/newsdesk/newsdesk.toml --state /var/lib/newsdesk serve
  NEWSDESK_LOG=debug newsdesk serve --log json

It stops on SIGTERM or Ctrl-C: what is under way is finished first, within 10 seconds. On SIGHUP it reads its
configuration anew, as newsdesk reload does; one that is wrong changes nothing.")]
pub struct Arguments {
    /// How events are written to stderr
    #[arg(long, value_enum, default_value_t = Style::Text)]
    log: Style,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    logs::start(arguments.log);
    let settings = place.settings()?;
    for warning in &settings.warnings {
        tracing::warn!("{}", warning.reason);
    }
    let runtime = super::runtime()?;
    let served = runtime.block_on(serve(place, settings));
    // The store is closed; a name that is still being looked up cannot be called back, and is not waited for.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(place: &Place, mut settings: Settings) -> Result<(), StartError> {
    // Before anything that takes time: a hangup must not end what is only just starting.
    let hangups = signal(SignalKind::hangup());
    // Addresses first: a port that is taken is told before anything is touched.
    let given = Given::take()?;
    let manager = Arc::new(Manager::from_env());
    let addresses = given.addresses();
    if let Some(listen) = addresses.0.as_ref().filter(|listen| **listen != settings.server.listen) {
        tracing::warn!("systemd holds {listen}: [server] listen = {:?} is not used", settings.server.listen);
    }
    overrule(&mut settings, &addresses);
    let (listeners, admin_listener) = given.listeners(&settings).await?;
    // After an upgrade, or under another configuration, a large store is gone through once.
    let newsdesk = manager.patiently("bringing the store in line with the configuration", Newsdesk::open(settings));
    let newsdesk = newsdesk.await?;
    let (stop_sender, stop) = watch::channel(false);
    let (asks_sender, asks) = mpsc::channel(16);
    let current = Current::new(&newsdesk);
    let mut servers = JoinSet::new();
    for listener in listeners {
        let public = current.clone();
        servers.spawn(serve::run(listener, move |request| public.public().respond(request), stop.clone()));
    }
    let (carry, local) = (carry(current.clone(), asks_sender.clone()), local_names(&newsdesk.settings.server.admin));
    let control = move |request| admin::respond(request, carry.clone(), local.clone());
    servers.spawn(serve::run(admin_listener, control, stop.clone()));
    tokio::spawn(stop_on_signal(stop_sender.clone(), manager.clone()));
    let fed = manager.clone();
    let alive = move || fed.alive();
    let watchdog = sd_notify::watchdog_enabled();
    tokio::spawn(daemon::health::watch(newsdesk.clone(), asks_sender.clone(), watchdog, alive));
    match hangups {
        Ok(hangups) => drop(tokio::spawn(reload_on_signal(hangups, asks_sender))),
        Err(cause) => tracing::error!(%cause, "SIGHUP cannot be received; newsdesk reload does the same"),
    }
    let place = place.clone();
    let read = Arc::new(move || {
        let mut settings = place.read()?;
        overrule(&mut settings, &addresses);
        Ok(settings)
    });
    let result = daemon::run(newsdesk, Events { asks, read, stop }, Told { current, manager }).await;
    let _ = stop_sender.send(true);
    while servers.join_next().await.is_some() {}
    result
}

async fn reload_on_signal(mut hangups: Signal, asks: mpsc::Sender<Ask>) {
    while hangups.recv().await.is_some() {
        if asks.send(Ask::Reload { reply: None }).await.is_err() {
            return;
        }
    }
}

async fn stop_on_signal(stop: watch::Sender<bool>, manager: Arc<Manager>) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be received; stop this process with kill -9 only");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping: what is under way is finished first");
    manager.tell(&[NotifyState::Stopping]);
    let _ = stop.send(true);
    // Who asks twice does not want to wait.
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    std::process::exit(130);
}

/// Tells systemd and the person at the terminal.
struct Told {
    current: Current,
    manager: Arc<Manager>,
}

impl Serving for Told {
    fn ready(&mut self) {
        self.current.is_ready();
        let newsdesk = self.current.newsdesk();
        let admin = match &newsdesk.settings.server.admin {
            AdminAddress::Tcp(address) => address.clone(),
            AdminAddress::Unix(path) => path.display().to_string(),
        };
        tracing::info!("newsdesk {} serves {} (control on {admin})", env!("CARGO_PKG_VERSION"), newsdesk.site.base);
        self.manager.tell(&[NotifyState::Ready]);
    }

    fn status(&mut self, words: String) {
        self.manager.status(&words);
    }

    fn reloading(&mut self) {
        // The two belong together, so that a late READY of an earlier reload is not taken for this one's.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            self.manager.tell(&[NotifyState::Reloading, now]);
        }
    }

    fn adopted(&mut self, newsdesk: &Newsdesk) {
        self.current.put(newsdesk);
    }

    fn reloaded(&mut self) {
        self.manager.tell(&[NotifyState::Ready]);
    }
}
