//! `newsdesk serve`: the daemon.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use clap::Args;
use hyper::StatusCode;
use sd_notify::NotifyState;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use super::logs::{self, Style};
use super::{Failed, Place, status};
use crate::config::Settings;
use crate::config::settings::{AdminAddress, Hub};
use crate::daemon::control::Ask;
use crate::daemon::{self, Events, Newsdesk, Serving, StartError};
use crate::serve::admin::{self, Command};
use crate::serve::public::Public;
use crate::serve::websub::Endpoints;
use crate::serve::{self, Listener};

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
    let reader = place.clone();
    let served = runtime.block_on(serve(settings, Arc::new(move || reader.read())));
    // The store is closed; a name that is still being looked up cannot be called back, and is not waited for.
    runtime.shutdown_background();
    served?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: Settings, read: daemon::reload::Read) -> Result<(), StartError> {
    // Before anything that takes time: a hangup must not end what is only just starting.
    let hangups = signal(SignalKind::hangup());
    // Both addresses first: a port that is taken is told before anything is touched.
    let listener = listen(&settings.server.listen).await?;
    let admin_listener = listen_admin(&settings.server.admin).await?;
    let newsdesk = Newsdesk::open(settings).await?;
    let (stop_sender, stop) = watch::channel(false);
    let (asks_sender, asks) = mpsc::channel(16);
    let ready = Arc::new(AtomicBool::new(false));
    let current = Current::new(&newsdesk, ready);
    let local = local_names(&newsdesk.settings.server.admin);
    let carry = carry(current.clone(), asks_sender.clone());
    let public = current.clone();
    let servers = [
        tokio::spawn(serve::run(listener, move |request| public.public().respond(request), stop.clone())),
        tokio::spawn(serve::run(
            admin_listener,
            move |request| admin::respond(request, carry.clone(), local.clone()),
            stop.clone(),
        )),
    ];
    tokio::spawn(stop_on_signal(stop_sender.clone()));
    match hangups {
        Ok(hangups) => drop(tokio::spawn(reload_on_signal(hangups, asks_sender))),
        Err(cause) => tracing::error!(%cause, "SIGHUP cannot be received; newsdesk reload does the same"),
    }
    let result = daemon::run(newsdesk, Events { asks, read, stop }, Told { current }).await;
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
        websub: endpoints(newsdesk),
        ready,
    }
}

fn endpoints(newsdesk: &Newsdesk) -> Endpoints {
    let (expecting, answering) = (newsdesk.clone(), newsdesk.clone());
    Endpoints::new(
        newsdesk.settings.publish.hub == Hub::Own,
        newsdesk.settings.fetch.max_body,
        Arc::new(move |token| expecting.expects_push(token)),
        Arc::new(move |call| {
            let newsdesk = answering.clone();
            Box::pin(async move { newsdesk.websub(call).await })
        }),
    )
}

/// What is served right now; a reload puts another in its place between two requests.
#[derive(Clone)]
struct Current {
    both: Arc<RwLock<(Newsdesk, Arc<Public>)>>,
    ready: Arc<AtomicBool>,
}

impl Current {
    fn new(newsdesk: &Newsdesk, ready: Arc<AtomicBool>) -> Current {
        let both = (newsdesk.clone(), Arc::new(public(newsdesk, ready.clone())));
        Current { both: Arc::new(RwLock::new(both)), ready }
    }

    fn public(&self) -> Arc<Public> {
        self.both.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    fn newsdesk(&self) -> Newsdesk {
        self.both.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn put(&self, newsdesk: &Newsdesk) {
        let both = (newsdesk.clone(), Arc::new(public(newsdesk, self.ready.clone())));
        *self.both.write().unwrap_or_else(PoisonError::into_inner) = both;
    }
}

fn carry(current: Current, asks: mpsc::Sender<Ask>) -> admin::Carry {
    Arc::new(move |command| {
        let (newsdesk, asks) = (current.newsdesk(), asks.clone());
        Box::pin(async move {
            match command {
                Command::Status => match status::report_of_daemon(&newsdesk).await {
                    Ok(report) => (StatusCode::OK, serde_json::to_string(&report).unwrap_or_default()),
                    Err(cause) => (StatusCode::INTERNAL_SERVER_ERROR, daemon::chain(&cause)),
                },
                Command::Update { sources, confirm_missing } => {
                    let ask = |reply| Ask::Update { sources, confirm_missing, reply };
                    answer(&asks, ask).await
                }
                Command::Reload => answer(&asks, |reply| Ask::Reload { reply: Some(reply) }).await,
            }
        })
    })
}

/// Ask the loop, and wait for what it says.
async fn answer<T: serde::Serialize>(
    asks: &mpsc::Sender<Ask>,
    ask: impl FnOnce(oneshot::Sender<T>) -> Ask,
) -> (StatusCode, String) {
    let (reply, answer) = oneshot::channel();
    if asks.send(ask(reply)).await.is_ok()
        && let Ok(report) = answer.await
    {
        return (StatusCode::OK, serde_json::to_string(&report).unwrap_or_default());
    }
    (StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping\n".to_owned())
}

async fn reload_on_signal(mut hangups: Signal, asks: mpsc::Sender<Ask>) {
    while hangups.recv().await.is_some() {
        if asks.send(Ask::Reload { reply: None }).await.is_err() {
            return;
        }
    }
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
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
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
}

impl Serving for Told {
    fn ready(&mut self) {
        self.current.ready.store(true, Ordering::Release);
        let newsdesk = self.current.newsdesk();
        let admin = match &newsdesk.settings.server.admin {
            AdminAddress::Tcp(address) => address.clone(),
            AdminAddress::Unix(path) => path.display().to_string(),
        };
        tracing::info!("newsdesk {} serves {} (control on {admin})", env!("CARGO_PKG_VERSION"), newsdesk.site.base);
        let _ = sd_notify::notify(&[NotifyState::Ready]);
    }

    fn status(&mut self, words: String) {
        let _ = sd_notify::notify(&[NotifyState::Status(&words)]);
    }

    fn reloading(&mut self) {
        // The two belong together, so that a late READY of an earlier reload is not taken for this one's.
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            let _ = sd_notify::notify(&[NotifyState::Reloading, now]);
        }
    }

    fn adopted(&mut self, newsdesk: &Newsdesk) {
        self.current.put(newsdesk);
    }

    fn reloaded(&mut self) {
        let _ = sd_notify::notify(&[NotifyState::Ready]);
    }
}
