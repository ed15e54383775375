//! The admin address: control for the verbs that ask a running daemon. Loopback or a Unix socket by default.
//!
//! Refused to requests from other origins: whatever carries an Origin, a foreign Host or lacks our own header was sent by
//! a browser on behalf of somebody else.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hyper::{Method, StatusCode, header};

use super::{Request, Response, answer};

/// Sent by our own verbs; no web page can add it to a request without being asked for leave, which is never given.
pub const CONTROL_HEADER: &str = "newsdesk-control";

/// What the admin address can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Refresh these sources, or all, now. Answers when it is published.
    Update { sources: Vec<String>, confirm_missing: bool },
    /// Everything about every source, as JSON.
    Status,
    /// Who answers, as JSON.
    Identity,
    /// The way of one entry, as JSON.
    Explain { entry: String },
    /// What is counted, as Prometheus reads it.
    Metrics,
    /// Do scheduler and store make progress?
    Health,
    /// Withdraw entries by hand, or undo that.
    Withdraw(Withdraw),
    /// Read the configuration anew. Answers when it is in force and published, or refused.
    Reload,
}

/// Status and JSON body of the answer.
pub type Carry = Arc<dyn Fn(Command) -> BoxFuture<'static, (StatusCode, String)> + Send + Sync>;

/// Answer one request on the admin address. `local`: the names under which it may be asked.
pub async fn respond(request: Request, carry: Carry, local: Arc<[String]>) -> Response {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let foreign = headers.contains_key(header::ORIGIN)
        || headers.get("sec-fetch-site").is_some_and(|site| site != "none")
        || !local.iter().any(|name| name == host);
    if foreign {
        return answer::words(StatusCode::FORBIDDEN, "this address answers only to newsdesk on this machine\n");
    }
    let ours = headers.contains_key(CONTROL_HEADER);
    let command = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz") => Command::Health,
        (&Method::GET, "/metrics") => Command::Metrics,
        (&Method::GET, "/status.json") => Command::Status,
        (&Method::GET, "/daemon.json") => Command::Identity,
        (&Method::GET, "/explain") if ours => explain(request.uri().query().unwrap_or_default()),
        (&Method::POST, "/update") if ours => update(request.uri().query().unwrap_or_default()),
        (&Method::POST, "/reload") if ours => Command::Reload,
        (&Method::POST, "/withdraw") if ours => withdraw(request.uri().query().unwrap_or_default()),
        (&Method::POST, _) if !ours => {
            return answer::words(StatusCode::FORBIDDEN, format!("send the header {CONTROL_HEADER}: 1\n"));
        }
        _ => {
            return answer::words(
                StatusCode::NOT_FOUND,
                "there are /status.json, /daemon.json, /metrics, /healthz, POST /update, POST /reload and POST /withdraw\n",
            );
        }
    };
    let media = match command {
        Command::Metrics => crate::metrics::Text::MEDIA_TYPE,
        Command::Health => "text/plain; charset=utf-8",
        Command::Update { .. }
        | Command::Status
        | Command::Identity
        | Command::Explain { .. }
        | Command::Withdraw(_)
        | Command::Reload => "application/json",
    };
    let (status, body) = carry(command).await;
    let mut response = answer::words(status, body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media));
    response
}

fn explain(query: &str) -> Command {
    let entry = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "entry");
    Command::Explain { entry: entry.map(|(_, value)| value.into_owned()).unwrap_or_default() }
}

fn update(query: &str) -> Command {
    let mut sources = Vec::new();
    let mut confirm_missing = false;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "source" => sources.push(value.into_owned()),
            "confirm-missing" => confirm_missing = true,
            _ => {}
        }
    }
    Command::Update { sources, confirm_missing }
}

fn withdraw(query: &str) -> Command {
    let mut wish = Withdraw::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "what" => wish.what = value.into_owned(),
            "path" => wish.path = value.into_owned().into(),
            "undo" => wish.undo = true,
            "all" => wish.all = true,
            _ => {}
        }
    }
    Command::Withdraw(wish)
}

/// What somebody wants to be gone, or back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withdraw {
    /// An id, an address or a file, as it was given.
    pub what: String,
    /// The same as an absolute path.
    pub path: PathBuf,
    pub undo: bool,
    /// Every entry that is meant, although there are several.
    pub all: bool,
}

impl Withdraw {
    /// As it is asked for.
    pub fn query(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::from("/withdraw?"));
        query.append_pair("what", &self.what).append_pair("path", &self.path.to_string_lossy());
        for (name, set) in [("undo", self.undo), ("all", self.all)] {
            if set {
                query.append_pair(name, "1");
            }
        }
        query.finish()
    }
}
