//! The two endpoints of the public address that do more than read: `POST /hub`, and `GET` and `POST /websub/TOKEN`.
//! Bodies are read within limits of size, time and number; what they mean is decided elsewhere.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Limited};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{Request, Response, answer};
use crate::websub::{hub, rate, signature};

/// A whole body has to come within this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a push waits for room before its hub is told to come again.
const ROOM_TIMEOUT: Duration = Duration::from_secs(5);
/// Bodies of pushes that are in memory at once: so many pieces of that size.
const PIECE: u64 = 1 << 20;
const PIECES: usize = 64;

/// The address of the other end of a connection; none where that is a Unix socket.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub Option<IpAddr>);

/// What came in on one of them.
#[derive(Debug)]
pub enum Call {
    /// A request to our hub.
    Wish { client: String, form: Bytes },
    /// A hub's question at a callback of ours.
    Question { token: String, query: String },
    /// A hub's delivery there.
    Push(Push),
}

/// A delivery as it came.
#[derive(Debug)]
pub struct Push {
    pub token: String,
    pub body: Bytes,
    pub content_type: Option<String>,
    pub content_encoding: Vec<String>,
    /// X-Hub-Signature.
    pub signature: Option<String>,
    /// Its part of the memory for such bodies, given back with it.
    pub room: OwnedSemaphorePermit,
}

/// The answer: words, or a challenge sent back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub status: u16,
    pub words: String,
    /// Seconds.
    pub retry_after: Option<i64>,
}

impl Said {
    pub fn new(status: u16, words: impl Into<String>) -> Said {
        Said { status, words: words.into(), retry_after: None }
    }
}

impl From<hub::Refusal> for Said {
    fn from(refusal: hub::Refusal) -> Said {
        Said { status: refusal.status, words: refusal.words, retry_after: refusal.retry_after }
    }
}

pub type Answerer = Arc<dyn Fn(Call) -> BoxFuture<'static, Said> + Send + Sync>;

/// The endpoints, with those who decide handed in. A clone is cheap.
#[derive(Clone)]
pub struct Endpoints {
    /// Is there a hub of our own?
    pub has_hub: bool,
    /// Does a subscription of ours have this token? Bodies for others are not read.
    pub expects: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    pub answer: Answerer,
    /// Bytes of a push.
    pub max_body: u64,
    room: Arc<Semaphore>,
}

impl Endpoints {
    pub fn new(
        has_hub: bool,
        max_body: u64,
        expects: Arc<dyn Fn(&str) -> bool + Send + Sync>,
        answer: Answerer,
    ) -> Endpoints {
        Endpoints { has_hub, expects, answer, max_body, room: Arc::new(Semaphore::new(PIECES)) }
    }

    /// `path` below the site's base. A request that is for neither comes back.
    pub async fn respond(&self, path: &str, request: Request) -> Result<Response, Request> {
        match (path, path.strip_prefix("websub/"), request.method()) {
            ("hub", ..) if !self.has_hub => Err(request),
            ("hub", _, &Method::POST) => Ok(self.hub(request).await),
            ("hub", _, &Method::GET | &Method::HEAD) => Ok(methods(
                answer::words(
                    StatusCode::OK,
                    "This is the WebSub hub of this site: POST hub.mode, hub.topic, hub.callback\n",
                ),
                "GET, HEAD, POST",
            )),
            ("hub", ..) => Ok(methods(answer::words(StatusCode::METHOD_NOT_ALLOWED, "POST\n"), "GET, HEAD, POST")),
            (_, Some(token), &Method::GET) => Ok(self.question(token, &request).await),
            (_, Some(token), &Method::POST) => Ok(self.push(token, request).await),
            (_, Some(_), _) => Ok(methods(answer::words(StatusCode::METHOD_NOT_ALLOWED, "GET or POST\n"), "GET, POST")),
            (_, None, _) => Err(request),
        }
    }

    async fn hub(&self, request: Request) -> Response {
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.0);
        let client = rate::client(peer, text(request.headers(), "x-forwarded-for").as_deref());
        let media_type = text(request.headers(), "content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if media_type != crate::fetch::exchange::FORM {
            return said(Said::new(415, "send a form: application/x-www-form-urlencoded"));
        }
        match body(request, hub::REQUEST_LENGTH).await {
            Ok(form) => said((self.answer)(Call::Wish { client, form }).await),
            Err(refused) => refused,
        }
    }

    async fn question(&self, token: &str, request: &Request) -> Response {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let mut response = said((self.answer)(Call::Question { token: token.to_owned(), query }).await);
        // §9.2: what is sent back is never run as a page.
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
        response
    }

    async fn push(&self, token: &str, request: Request) -> Response {
        if !(self.expects)(token) {
            // 410 ends what a hub may still hold.
            return said(Said::new(410, "there is no subscription here"));
        }
        let headers = request.headers();
        let promised = text(headers, "content-length").and_then(|length| length.parse::<u64>().ok());
        if promised.is_some_and(|promised| promised > self.max_body) {
            return too_large();
        }
        // What is packed may be as large as any once it is unpacked.
        let packed = headers.contains_key(header::CONTENT_ENCODING);
        let length = promised.filter(|_| !packed).unwrap_or(self.max_body);
        let pieces = length.div_ceil(PIECE).max(1);
        let pieces = u32::try_from(pieces).unwrap_or(u32::MAX).min(PIECES as u32);
        let Ok(Ok(room)) = timeout(ROOM_TIMEOUT, self.room.clone().acquire_many_owned(pieces)).await else {
            return said(Said { retry_after: Some(60), ..Said::new(503, "too much at once; come again") });
        };
        let content_type = text(headers, "content-type");
        let content_encoding = headers.get_all(header::CONTENT_ENCODING).iter();
        let content_encoding =
            content_encoding.map(|value| value.to_str().unwrap_or("(unreadable)").to_owned()).collect();
        let signature = text(headers, signature::HEADER);
        let token = token.to_owned();
        match body(request, usize::try_from(self.max_body).unwrap_or(usize::MAX)).await {
            Ok(body) => {
                let push = Push { token, body, content_type, content_encoding, signature, room };
                said((self.answer)(Call::Push(push)).await)
            }
            Err(refused) => refused,
        }
    }
}

/// A body that is no larger and comes in time, or the answer to one that does not.
async fn body(request: Request, most: usize) -> Result<Bytes, Response> {
    match timeout(BODY_TIMEOUT, Limited::new(request.into_body(), most).collect()).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(cause)) if cause.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(said(Said::new(400, "the body ended before its end"))),
        Err(_) => Err(said(Said::new(408, "the body took too long"))),
    }
}

fn too_large() -> Response {
    said(Said::new(413, "that is more than is read here"))
}

fn said(said: Said) -> Response {
    let status = StatusCode::from_u16(said.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer::words(status, "");
    if let Some(seconds) = said.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    *response.body_mut() = answer::whole(said.words);
    response
}

fn methods(mut response: Response, allowed: &'static str) -> Response {
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
