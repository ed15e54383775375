//! What is served right now, and what the admin address carries out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use hyper::StatusCode;
use tokio::sync::{mpsc, oneshot};

use crate::cli::status;
use crate::config::settings::{AdminAddress, Hub};
use crate::daemon::control::{Ask, Identity};
use crate::daemon::{self, Newsdesk};
use crate::serve::admin::{self, Command};
use crate::serve::public::Public;
use crate::serve::websub::Endpoints;

/// What is served right now; a reload puts another in its place between two requests.
#[derive(Clone)]
pub struct Current {
    both: Arc<RwLock<(Newsdesk, Arc<Public>)>>,
    ready: Arc<AtomicBool>,
}

impl Current {
    pub fn new(newsdesk: &Newsdesk) -> Current {
        let ready = Arc::new(AtomicBool::new(false));
        let both = (newsdesk.clone(), Arc::new(public(newsdesk, ready.clone())));
        Current { both: Arc::new(RwLock::new(both)), ready }
    }

    pub fn public(&self) -> Arc<Public> {
        self.both.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    pub fn newsdesk(&self) -> Newsdesk {
        self.both.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub fn put(&self, newsdesk: &Newsdesk) {
        let both = (newsdesk.clone(), Arc::new(public(newsdesk, self.ready.clone())));
        *self.both.write().unwrap_or_else(PoisonError::into_inner) = both;
    }

    /// The first publication stands.
    pub fn is_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }
}

fn public(newsdesk: &Newsdesk, ready: Arc<AtomicBool>) -> Public {
    let (maker, watched) = (newsdesk.clone(), newsdesk.clone());
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
        trouble: Arc::new(move || watched.health.trouble()),
        answered: newsdesk.numbers.answered.clone(),
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

/// What the admin address does with a command.
pub fn carry(current: Current, asks: mpsc::Sender<Ask>) -> admin::Carry {
    Arc::new(move |command| {
        let (newsdesk, asks) = (current.newsdesk(), asks.clone());
        Box::pin(async move {
            match command {
                Command::Status => match status::report_of_daemon(&newsdesk).await {
                    Ok(report) => (StatusCode::OK, serde_json::to_string(&report).unwrap_or_default()),
                    Err(cause) => (StatusCode::INTERNAL_SERVER_ERROR, daemon::chain(&cause)),
                },
                Command::Identity => {
                    (StatusCode::OK, serde_json::to_string(&Identity::of(&newsdesk)).unwrap_or_default())
                }
                Command::Explain { entry } => match newsdesk.explain(&entry).await {
                    Ok(found) => (StatusCode::OK, serde_json::to_string(&found).unwrap_or_default()),
                    Err(cause) => (StatusCode::INTERNAL_SERVER_ERROR, daemon::chain(&cause)),
                },
                Command::Update { sources, confirm_missing } => {
                    let ask = |reply| Ask::Update { sources, confirm_missing, reply };
                    answer(&asks, ask).await
                }
                Command::Withdraw(wish) => withdraw(&newsdesk, &asks, &wish).await,
                Command::Reload => answer(&asks, |reply| Ask::Reload { reply: Some(reply) }).await,
                Command::Metrics => (StatusCode::OK, newsdesk.metrics().await),
                Command::Health => match newsdesk.health.trouble() {
                    None => (StatusCode::OK, "ok\n".to_owned()),
                    Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")),
                },
            }
        })
    })
}

/// Done here; the loop publishes what it changes.
async fn withdraw(newsdesk: &Newsdesk, asks: &mpsc::Sender<Ask>, wish: &admin::Withdraw) -> (StatusCode, String) {
    match newsdesk.withdraw(wish).await {
        Ok((report, done)) => {
            // A loop that has ended publishes at its next start.
            let _ = asks.send(Ask::Withdrawn(done)).await;
            (StatusCode::OK, serde_json::to_string(&report).unwrap_or_default())
        }
        Err(cause) => (StatusCode::INTERNAL_SERVER_ERROR, daemon::chain(&cause)),
    }
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

/// Under these names, and no other, the admin address may be asked: a page that points its own name at us is refused.
pub fn local_names(admin: &AdminAddress) -> Arc<[String]> {
    match admin {
        AdminAddress::Tcp(address) => {
            let port = address.rsplit_once(':').map_or("", |(_, port)| port);
            [address.clone(), format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")].into()
        }
        AdminAddress::Unix(_) => ["localhost".to_owned()].into(),
    }
}
