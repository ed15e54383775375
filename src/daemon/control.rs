//! What can be asked of a running daemon, and how another process asks it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;

use super::Newsdesk;
use super::reload::ReloadReport;
use crate::config::settings::AdminAddress;
use crate::serve::admin::CONTROL_HEADER;
use crate::store::Applied;

/// A wish, with a place for the answer.
#[derive(Debug)]
pub enum Ask {
    /// Does the loop still turn?
    Ping {
        reply: oneshot::Sender<()>,
    },
    /// Read the configuration anew.
    Reload {
        reply: Option<oneshot::Sender<ReloadReport>>,
    },
    Update {
        sources: Vec<String>,
        confirm_missing: bool,
        reply: oneshot::Sender<UpdateReport>,
    },
    /// Entries were withdrawn by hand, or are back: by the names of their sources.
    Withdrawn(Vec<(String, Applied)>),
}

/// How an update went.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct UpdateReport {
    pub sources: Vec<SourceReport>,
    /// Paths whose bytes are new.
    pub published: Vec<String>,
    /// Why nothing could be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// How one source went.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SourceReport {
    pub source: String,
    pub ok: bool,
    /// "3 new, 1 changed"; or the step that failed and why.
    pub outcome: String,
}

impl UpdateReport {
    pub fn failed(&self) -> usize {
        self.sources.iter().filter(|source| !source.ok).count()
    }
}

/// Why a running daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(
        "no daemon answers on the admin address {0}: start newsdesk serve, wait for the newsdesk update that is under way, or name the daemon's own configuration with --config"
    )]
    Unreachable(String, #[source] std::io::Error),
    #[error("the daemon answered {0}")]
    Refused(String),
}

/// Longer than any update takes: sources are asked in parallel, each within its deadline.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A daemon tells who and how it is at once.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// One request to the admin address of a running daemon; the body of the answer.
pub async fn ask(address: &AdminAddress, method: &str, path: &str) -> Result<String, AskError> {
    let (shown, host) = match address {
        AdminAddress::Tcp(address) => (address.clone(), address.clone()),
        AdminAddress::Unix(path) => (path.display().to_string(), "localhost".to_owned()),
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{CONTROL_HEADER}: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    let exchange = async {
        match address {
            AdminAddress::Tcp(address) => exchange(TcpStream::connect(address).await?, &request).await,
            AdminAddress::Unix(path) => exchange(UnixStream::connect(path).await?, &request).await,
        }
    };
    let answer = match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(answer) => answer.map_err(|cause| AskError::Unreachable(shown, cause))?,
        Err(_) => return Err(AskError::Refused("nothing within an hour".to_owned())),
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    match status {
        "200" => Ok(body.to_owned()),
        _ => Err(AskError::Refused(format!("{status} {}", body.trim()))),
    }
}

/// Who answers on the admin address.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Identity {
    /// The file of the store that it has open.
    pub store: PathBuf,
    pub version: String,
}

impl Identity {
    pub fn of(newsdesk: &Newsdesk) -> Identity {
        Identity { store: newsdesk.store.path().to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Does it speak for the store at `path`? Where there is none, the daemon of another user, as under systemd, has its
    /// own where we do not look.
    pub fn speaks_for(&self, path: &Path) -> bool {
        self.store == path || !path.try_exists().unwrap_or(true)
    }
}

/// The daemon that answers on the admin address, asked for nothing that takes it any time; `None`: none does.
pub async fn identity(address: &AdminAddress) -> Option<Identity> {
    serde_json::from_str(&told(address, "/daemon.json").await?).ok()
}

/// The status report of a daemon that answers on the admin address; `None`: none does.
pub async fn status(address: &AdminAddress) -> Option<String> {
    told(address, "/status.json").await
}

/// What a daemon that answers on the admin address knows of an entry; `None`: none does.
pub async fn explain(address: &AdminAddress, entry: &str) -> Option<String> {
    let mut path = url::form_urlencoded::Serializer::new(String::from("/explain?"));
    let path = path.append_pair("entry", entry).finish();
    told(address, &path).await
}

/// Whatever else may have taken that address is not waited for.
async fn told(address: &AdminAddress, path: &str) -> Option<String> {
    tokio::time::timeout(ANSWERS_WITHIN, ask(address, "GET", path)).await.ok()?.ok()
}

async fn exchange(mut stream: impl AsyncReadExt + AsyncWriteExt + Unpin, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
