//! `newsdesk serve`: the daemon.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use hyper::StatusCode;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use super::logs::{self, Style};
use super::{Failed, Place, status};
use crate::config::Settings;
use crate::config::settings::AdminAddress;
use crate::daemon::control::Ask;
use crate::daemon::{self, Events, Newsdesk, Serving, StartError};
use crate::serve::admin::{self, Command};
use crate::serve::public::Public;
use crate::serve::{self, Listener};

/// Run the daemon: refresh sources on their schedules, publish, serve
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk serve
  newsdesk --config /etc/newsdesk/newsdesk.toml --state /var/lib/newsdesk serve
  NEWSDESK_LOG=debug newsdesk serve --log json

It stops on SIGTERM or Ctrl-C: what is under way is finished first, within 10 seconds.")]
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
    let served = runtime.block_on(serve(settings));
    // The store is closed; a name that is still being looked up cannot be called back, and is not waited for.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: Settings) -> Result<(), StartError> {
    // Both addresses first: a port that is taken is told before anything is touched.
    let listener = listen(&settings.server.listen).await?;
    let admin_listener = listen_admin(&settings.server.admin).await?;
    let newsdesk = Newsdesk::open(settings).await?;
    let (stop_sender, stop) = watch::channel(false);
    let (asks_sender, asks) = mpsc::channel(16);
    let ready = Arc::new(AtomicBool::new(false));
    let public = public(&newsdesk, ready.clone());
    let local = local_names(&newsdesk.settings.server.admin);
    let carry = carry(newsdesk.clone(), asks_sender);
    let servers = [
        tokio::spawn(serve::run(listener, move |request| public.clone().respond(request), stop.clone())),
        tokio::spawn(serve::run(
            admin_listener,
            move |request| admin::respond(request, carry.clone(), local.clone()),
            stop.clone(),
        )),
    ];
    tokio::spawn(stop_on_signal(stop_sender.clone()));
    let told = Told { ready, base: newsdesk.site.base.clone(), admin: newsdesk.settings.server.admin.clone() };
    let result = daemon::run(newsdesk, Events { asks, stop }, told).await;
    let _ = stop_sender.send(true);
    for server in servers {
        let _ = server.await;
    }
    result
}

fn public(newsdesk: &Newsdesk, ready: Arc<AtomicBool>) -> Public {
    let maker = newsdesk.clone();
    Public {
        live: newsdesk.live.clone(),
        make: Arc::new(move |wanted| {
            let newsdesk = maker.clone();
            Box::pin(async move { newsdesk.page(wanted).await })
        }),
        base_path: newsdesk.base_path.as_str().into(),
        base: newsdesk.site.base.as_str().into(),
        hubs: newsdesk.site.hubs.clone().into(),
        ready,
    }
}

fn carry(newsdesk: Newsdesk, asks: mpsc::Sender<Ask>) -> admin::Carry {
    Arc::new(move |command| {
        let (newsdesk, asks) = (newsdesk.clone(), asks.clone());
        Box::pin(async move {
            match command {
                Command::Status => match status::report(&newsdesk.store).await {
                    Ok(report) => (StatusCode::OK, serde_json::to_string(&report).unwrap_or_default()),
                    Err(cause) => (StatusCode::INTERNAL_SERVER_ERROR, daemon::chain(&cause)),
                },
                Command::Update { sources, confirm_missing } => {
                    let (reply, answer) = oneshot::channel();
                    let stopping = (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping\n".to_owned());
                    if asks.send(Ask::Update { sources, confirm_missing, reply }).await.is_err() {
                        return stopping;
                    }
                    match answer.await {
                        Ok(report) => (StatusCode::OK, serde_json::to_string(&report).unwrap_or_default()),
                        Err(_) => stopping,
                    }
                }
            }
        })
    })
}

/// Under these names, and no other, the admin address may be asked: a page that points its own name at us is refused.
fn local_names(admin: &AdminAddress) -> Arc<[String]> {
    match admin {
        AdminAddress::Tcp(address) => {
            let port = address.rsplit_once(':').map_or("", |(_, port)| port);
            [address.clone(), format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")].into()
        }
        AdminAddress::Unix(_) => ["localhost".to_owned()].into(),
    }
}

async fn listen(address: &str) -> Result<Listener, StartError> {
    TcpListener::bind(address).await.map(Listener::Tcp).map_err(|cause| cannot_listen(address, cause))
}

async fn listen_admin(address: &AdminAddress) -> Result<Listener, StartError> {
    match address {
        AdminAddress::Tcp(address) => listen(address).await,
        AdminAddress::Unix(path) => {
            let shown = path.display().to_string();
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder).map_err(|cause| cannot_listen(&shown, cause))?;
            }
            // A socket that nobody answers on is what a killed daemon left behind.
            if path.exists() && tokio::net::UnixStream::connect(path).await.is_err() {
                let _ = std::fs::remove_file(path);
            }
            UnixListener::bind(path).map(Listener::Unix).map_err(|cause| cannot_listen(&shown, cause))
        }
    }
}

fn cannot_listen(address: &str, cause: std::io::Error) -> StartError {
    let hint = match cause.kind() {
        std::io::ErrorKind::AddrInUse => {
            "; another program, or another newsdesk, has it: stop that one, or set another address in [server]"
        }
        std::io::ErrorKind::PermissionDenied => "; ports below 1024 need a right: use a higher one behind a proxy",
        std::io::ErrorKind::AddrNotAvailable => "; no interface of this machine has that address",
        _ => "; see [server] in the configuration",
    };
    StartError::Listen { address: address.to_owned(), hint, cause }
}

async fn stop_on_signal(stop: watch::Sender<bool>) {
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
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
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
    ready: Arc<AtomicBool>,
    base: String,
    admin: AdminAddress,
}

impl Serving for Told {
    fn ready(&mut self) {
        self.ready.store(true, Ordering::Release);
        let admin = match &self.admin {
            AdminAddress::Tcp(address) => address.clone(),
            AdminAddress::Unix(path) => path.display().to_string(),
        };
        tracing::info!("newsdesk {} serves {} (control on {admin})", env!("CARGO_PKG_VERSION"), self.base);
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    }

    fn status(&mut self, words: String) {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Status(&words)]);
    }
}
