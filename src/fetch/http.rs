//! The one door to the network: a GET through the guard, within limits and deadlines, with redirects followed by hand and
//! handed back where they lead to a host with a budget of its own.
//!
//! No cookies, no Referer, no proxy but a configured one, no forged browser. What the door does not know it does not
//! guess: 200 and 304 are success, everything else is a [`FetchError`] in words.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use chrono::Utc;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, redirect};
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::address::{self, AllowNetwork};
use super::coding::{self, Body};
pub use super::error::FetchError;
use super::error::{Cause, Trouble, shown, tls_advice};
use super::head;
pub use super::head::Validators;
pub use super::names::Names;
use super::names::{Guard, NameError, PORT};
use super::trust;
use crate::config::settings::{Credentials, FetchSettings, Secret};
pub use crate::schedule::moved::Hop;
use crate::schedule::{Freshness, queue};

/// What is accepted where a feed is wanted.
pub const ACCEPT_FEED: &str = "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, \
     application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, text/html;q=0.5, */*;q=0.1";

const REDIRECTS: usize = 5;
/// Characters of a redirect's target, of a media type.
const URL_LENGTH: usize = 4 * 1024;
const MEDIA_TYPE_LENGTH: usize = 1024;
/// Bytes of a body that is large, and how many of those are read at once.
const LARGE: usize = 2 * 1024 * 1024;
const LARGE_AT_ONCE: usize = 8;
/// HTTP/2 header lists; HTTP/1 has hyper's own bounds of 100 fields and 400 KiB.
const HEADER_LIST: u32 = 64 * 1024;
/// How long a connection is kept where the host is about to be asked again.
const KEPT_FOR: Duration = Duration::from_secs(15);

/// See the module. A clone is cheap and shares all.
#[derive(Clone)]
pub struct Door {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    /// Closes its connections: an idle one kept for each of thousands of hosts costs more than it saves.
    pub(super) closing: Client,
    /// Keeps one for a short time.
    keeping: Client,
    /// Bodies beyond [`LARGE`] take turns: hostile ones, all as large as is allowed, must not fill the memory together.
    large: Semaphore,
    pub(super) settings: FetchSettings,
}

/// One GET.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Asked by [`Door::get`]; [`Door::go_on`] asks where its way leads.
    pub url: &'a Url,
    /// Whose origin is trusted with `headers` and `credentials`: the configured URL, also where another one is asked.
    pub configured: &'a Url,
    /// From the last success of this source, unless the answer must be whole.
    pub validators: Option<&'a Validators>,
    pub headers: &'a [(String, Secret)],
    /// Else the userinfo of `configured`, if it has any.
    pub credentials: Option<&'a Credentials>,
    pub accept: &'static str,
    /// Bytes of decoded body.
    pub max_body: u64,
    /// The host is about to be asked again: keep the connection for a moment.
    pub keep: bool,
    /// Hand every redirect back, also one within the budget of the same host: its target may not be wanted.
    pub each_hop: bool,
}

impl<'a> Request<'a> {
    /// A plain request for a feed.
    pub fn feed(url: &'a Url, max_body: u64) -> Request<'a> {
        Request {
            url,
            configured: url,
            validators: None,
            headers: &[],
            credentials: None,
            accept: ACCEPT_FEED,
            max_body,
            keep: false,
            each_hop: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    NotModified(NotModified),
    Document(Document),
    /// A redirect leads to a host with a budget of its own, or anywhere ([`Request::each_hop`]): it is asked by
    /// [`Door::go_on`], once it may be.
    Elsewhere(Way),
}

/// 304: what is remembered is still right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotModified {
    /// Where it was said, after redirects.
    pub url: Url,
    pub hops: Vec<Hop>,
    /// To be remembered from now on.
    pub validators: Validators,
    pub freshness: Freshness,
}

/// 200: read to its end and decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Where it was found, after redirects; without userinfo and fragment.
    pub url: Url,
    pub hops: Vec<Hop>,
    pub body: Bytes,
    /// As stated.
    pub content_type: Option<String>,
    /// To be remembered, once the document has been taken in.
    pub validators: Validators,
    pub freshness: Freshness,
    /// Link header: relation (lower-case) and absolute target ("hub", "self").
    pub links: Vec<(String, Url)>,
}

/// Why there is no door.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    #[error("[site] contact {0:?} cannot stand in a header: write a URL or a mail address")]
    Contact(String),
    #[error("[fetch] proxy {0}: only http://HOST:PORT and https://HOST:PORT can be used")]
    Proxy(String),
    #[error("[fetch] proxy")]
    ProxyAddress(#[source] address::Refused),
    #[error("secure connections cannot be made")]
    Trust(#[source] rustls::Error),
    #[error("the HTTP client cannot be made")]
    Client(#[source] reqwest::Error),
}

impl Door {
    /// `contact`: `[site] contact`, part of the User-Agent.
    pub fn new(settings: &FetchSettings, contact: Option<&str>) -> Result<Door, DoorError> {
        Door::with_names(settings, contact, Names::System)
    }

    pub fn with_names(settings: &FetchSettings, contact: Option<&str>, names: Names) -> Result<Door, DoorError> {
        // Another part of the process may have installed one already: then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let guard = Arc::new(Guard { names, allow: settings.allow_networks.clone() });
        let agent = user_agent(contact)?;
        let trust = trust::config().map_err(DoorError::Trust)?;
        let client = |idle: usize| {
            let mut builder = Client::builder()
                .tls_backend_preconfigured(trust.clone())
                .user_agent(agent.clone())
                .default_headers(HeaderMap::from_iter([(
                    header::ACCEPT_ENCODING,
                    HeaderValue::from_static(coding::ACCEPTED),
                )]))
                .redirect(redirect::Policy::none())
                .referer(false)
                .no_proxy()
                .dns_resolver(guard.clone())
                .connect_timeout(settings.connect_timeout)
                .pool_max_idle_per_host(idle)
                .pool_idle_timeout(KEPT_FOR)
                // Every wait has a deadline of ours; six settings of the socket cost as much as to open it.
                .tcp_keepalive(None)
                .tcp_keepalive_interval(None)
                .tcp_keepalive_retries(None)
                .tcp_user_timeout(None)
                .http2_max_header_list_size(HEADER_LIST)
                // Small servers' slips that harm nobody: we pass nothing on to anyone who could read it in another way.
                .http1_ignore_invalid_headers_in_responses(true)
                .http1_allow_spaces_after_header_name_in_responses(true)
                .http1_allow_obsolete_multiline_headers_in_responses(true);
            if let Some(proxy) = &settings.proxy {
                builder = builder.proxy(checked_proxy(proxy, settings)?);
            }
            builder.build().map_err(DoorError::Client)
        };
        let (closing, keeping) = (client(0)?, client(1)?);
        Ok(Door {
            shared: Arc::new(Shared {
                closing,
                keeping,
                large: Semaphore::new(LARGE_AT_ONCE),
                settings: settings.clone(),
            }),
        })
    }

    /// Asks, follows redirects as far as the budget of one host reaches, reads to the end. In all it takes no longer than
    /// `total_timeout`.
    pub async fn get(&self, request: Request<'_>) -> Result<Answer, FetchError> {
        let way = Way::to(request.url);
        self.go_on(request, way).await
    }

    /// The same from where redirects have led already.
    pub async fn go_on(&self, request: Request<'_>, mut way: Way) -> Result<Answer, FetchError> {
        let limit = self.shared.settings.total_timeout;
        let answer = match tokio::time::timeout(limit, self.follow(&request, &mut way)).await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble::Timeout { what: "the whole answer", after: limit }),
        };
        answer.map_err(|trouble| FetchError { shown: shown(&way.url), url: way.url, hops: way.hops, trouble })
    }

    async fn follow(&self, request: &Request<'_>, way: &mut Way) -> Result<Answer, Trouble> {
        loop {
            let known = request.validators.filter(|known| known.fit(&way.url, way.first.is_some()));
            let response = self.send(request, known, &way.url).await?;
            let now = Utc::now();
            match response.status().as_u16() {
                // The body of a redirect stays unread.
                status @ (301 | 302 | 303 | 307 | 308) => {
                    let bucket = queue::bucket(&way.url);
                    way.turn(status, response.headers())?;
                    if request.each_hop || queue::bucket(&way.url) != bucket {
                        // Nobody waits for a host that is not contacted.
                        self.judge(&way.url)?;
                        return Ok(Answer::Elsewhere(way.clone()));
                    }
                }
                200 => return self.read(request, way, response).await.map(Answer::Document),
                304 => {
                    let known = known.ok_or(Trouble::UnaskedNotModified)?;
                    let validators = known.updated(response.headers(), &way.url);
                    let freshness = head::freshness(response.headers(), now);
                    let (url, hops) = (way.url.clone(), std::mem::take(&mut way.hops));
                    return Ok(Answer::NotModified(NotModified { url, hops, validators, freshness }));
                }
                206 => return Err(Trouble::UnaskedPartial),
                status => {
                    let may_return = matches!(status, 429 | 503);
                    let retry_after = may_return.then(|| head::retry_after(response.headers(), now)).flatten();
                    return Err(Trouble::Status { status, retry_after });
                }
            }
        }
    }

    /// One request, up to the head of its answer.
    async fn send(&self, request: &Request<'_>, known: Option<&Validators>, url: &Url) -> Result<Response, Trouble> {
        self.judge(url)?;
        let mut outgoing = reqwest::Request::new(Method::GET, url.clone());
        *outgoing.headers_mut() = fields(request, known, url)?;
        if !request.keep {
            return self.answer(&self.shared.closing, outgoing).await;
        }
        let again = outgoing.try_clone().map(Box::new);
        match (self.answer(&self.shared.keeping, outgoing).await, again) {
            // What was understood as no HTTP may be what another source of the host left behind on a kept connection
            // (RFC 9112 §6.3: bytes after an answer); one of its own settles it.
            (Err(Trouble::Protocol(_)), Some(again)) => self.answer(&self.shared.closing, *again).await,
            (answer, _) => answer,
        }
    }

    /// What is sent is handed over at once: who waits for the answer does not keep it.
    fn answer(
        &self,
        client: &Client,
        outgoing: reqwest::Request,
    ) -> impl Future<Output = Result<Response, Trouble>> + use<'_> {
        let settings = &self.shared.settings;
        let port = settings.proxy.as_ref().unwrap_or(outgoing.url()).port_or_known_default().unwrap_or(0);
        let answer = PORT.scope(port, client.execute(outgoing));
        async move {
            let answer = within("the first byte", settings.first_byte_timeout, answer).await?;
            answer.map_err(|error| refusal(error, settings.connect_timeout))
        }
    }

    /// Addresses written as such never come to the resolver. With a proxy, it alone is contacted.
    pub(super) fn judge(&self, url: &Url) -> Result<(), Trouble> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Trouble::Scheme(url.scheme().to_owned()));
        }
        let settings = &self.shared.settings;
        if settings.proxy.is_some() {
            return Ok(());
        }
        Ok(judge_literal(url, &settings.allow_networks)?)
    }

    async fn read(&self, request: &Request<'_>, way: &mut Way, mut response: Response) -> Result<Document, Trouble> {
        let idle = self.shared.settings.idle_timeout;
        let now = Utc::now();
        let limit = request.max_body;
        if response.content_length().is_some_and(|promised| promised > limit) {
            return Err(Trouble::TooLarge { limit });
        }
        // A coding in other letters than ASCII is unknown, whatever it is.
        let codings = response.headers().get_all(header::CONTENT_ENCODING);
        let mut turn = None;
        let mut body = Body::new(codings.iter().map(|value| value.to_str().unwrap_or("(unreadable)")), limit)?;
        while let Some(piece) = within("a part of the body", idle, response.chunk()).await?.map_err(cut_short)? {
            let mut paused = body.push(&piece)?;
            loop {
                if body.len() > LARGE && turn.is_none() {
                    turn = self.shared.large.acquire().await.ok();
                }
                let Some(rest) = paused else { break };
                tokio::task::yield_now().await;
                paused = body.go_on(rest)?;
            }
        }
        let head = response.headers();
        Ok(Document {
            body: body.finish()?.into(),
            content_type: head::lenient(head, header::CONTENT_TYPE).filter(|stated| stated.len() <= MEDIA_TYPE_LENGTH),
            validators: Validators::of(head, &way.url),
            freshness: head::freshness(head, now),
            links: head::links(head, &way.url),
            url: way.url.clone(),
            hops: std::mem::take(&mut way.hops),
        })
    }
}

/// How far redirects have led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What was asked first, once a redirect has led away from it.
    first: Option<Url>,
    url: Url,
    hops: Vec<Hop>,
}

impl Way {
    /// The way that begins there.
    pub fn to(url: &Url) -> Way {
        Way { first: None, url: clean(url), hops: Vec::new() }
    }

    /// Whom it leads to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Did it begin there?
    pub fn is_from(&self, url: &Url) -> bool {
        *self.first.as_ref().unwrap_or(&self.url) == clean(url)
    }

    fn turn(&mut self, status: u16, head: &HeaderMap) -> Result<(), Trouble> {
        let refused = |why: &str| Err(Trouble::Redirect(format!("its redirect ({status}) {why}; check the address")));
        let Some(target) = head::lenient(head, header::LOCATION) else { return refused("leads nowhere") };
        let Ok(to) = self.url.join(target.trim()) else { return refused("leads to what is no URL") };
        if !matches!(to.scheme(), "http" | "https") {
            return refused(&format!("leads out of http and https, to {:?}", to.scheme()));
        }
        if to.as_str().len() > URL_LENGTH {
            return refused(&format!("leads to a URL of more than {URL_LENGTH} characters"));
        }
        let to = clean(&to);
        if self.hops.len() >= REDIRECTS {
            return refused(&format!("is the {}th in a row, one too many", REDIRECTS + 1));
        }
        if to == self.url || self.first.as_ref() == Some(&to) || self.hops.iter().any(|hop| hop.to == to) {
            return refused("leads back to where we have been");
        }
        self.hops.push(Hop { status, to: to.clone() });
        let before = std::mem::replace(&mut self.url, to);
        self.first.get_or_insert(before);
        Ok(())
    }
}

/// The header fields of one request.
fn fields(request: &Request<'_>, known: Option<&Validators>, url: &Url) -> Result<HeaderMap, Trouble> {
    let mut fields = HeaderMap::new();
    if is_of_one_origin(url, request.configured) {
        for (name, value) in request.headers {
            let forbidden = || Trouble::Header(name.clone());
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| forbidden())?;
            let mut value = HeaderValue::from_bytes(value.0.as_bytes()).map_err(|_| forbidden())?;
            value.set_sensitive(true);
            fields.insert(key, value);
        }
        if let Some(value) = authorization(request) {
            fields.insert(header::AUTHORIZATION, value);
        }
    }
    fields.insert(header::ACCEPT, HeaderValue::from_static(request.accept));
    if let Some(validators) = known {
        validators.put(&mut fields);
    }
    Ok(fields)
}

/// Of http and https, the only ones that are asked (RFC 6454 §5).
fn is_of_one_origin(one: &Url, other: &Url) -> bool {
    let port = one.port_or_known_default() == other.port_or_known_default();
    port && one.scheme() == other.scheme() && one.host() == other.host()
}

/// Basic (RFC 7617), from the source's credentials or its URL's userinfo.
fn authorization(request: &Request<'_>) -> Option<HeaderValue> {
    let configured = request.configured;
    let (username, password) = match request.credentials {
        Some(credentials) => (credentials.username.clone().into_bytes(), credentials.password.0.clone().into_bytes()),
        None if configured.username().is_empty() && configured.password().is_none() => return None,
        None => (percent_decoded(configured.username()), percent_decoded(configured.password().unwrap_or_default())),
    };
    let pair = [username.as_slice(), b":", password.as_slice()].concat();
    // Base64 holds nothing that a header value may not.
    let mut value = HeaderValue::from_str(&format!("Basic {}", BASE64.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |digit: &u8| char::from(*digit).to_digit(16);
        rest = match (first, after) {
            (b'%', [high, low, after @ ..]) if hex(high).is_some() && hex(low).is_some() => {
                decoded.push((hex(high).unwrap_or(0) * 16 + hex(low).unwrap_or(0)) as u8);
                after
            }
            _ => {
                decoded.push(*first);
                after
            }
        };
    }
    decoded
}

fn user_agent(contact: Option<&str>) -> Result<HeaderValue, DoorError> {
    let version = env!("CARGO_PKG_VERSION");
    let agent = match contact {
        Some(contact) => format!("newsdesk/{version} (+{contact})"),
        None => format!("newsdesk/{version}"),
    };
    let plain = agent.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let value = HeaderValue::from_str(&agent).ok().filter(|_| plain);
    value.ok_or_else(|| DoorError::Contact(contact.unwrap_or_default().to_owned()))
}

fn checked_proxy(proxy: &Url, settings: &FetchSettings) -> Result<reqwest::Proxy, DoorError> {
    if !matches!(proxy.scheme(), "http" | "https") {
        return Err(DoorError::Proxy(shown(proxy)));
    }
    judge_literal(proxy, &settings.allow_networks).map_err(DoorError::ProxyAddress)?;
    reqwest::Proxy::all(proxy.clone()).map_err(|_| DoorError::Proxy(shown(proxy)))
}

fn judge_literal(url: &Url, allow: &[AllowNetwork]) -> Result<(), address::Refused> {
    let port = url.port_or_known_default().unwrap_or(0);
    match url.host() {
        Some(Host::Ipv4(ip)) => address::judge(ip.into(), port, allow),
        Some(Host::Ipv6(ip)) => address::judge(ip.into(), port, allow),
        Some(Host::Domain(_)) | None => Ok(()),
    }
}

/// Without userinfo and fragment, which are nobody's business on the wire.
pub(super) fn clean(url: &Url) -> Url {
    let mut url = url.clone();
    if url.username().is_empty() && url.password().is_none() && url.fragment().is_none() {
        return url;
    }
    // Both fail only for URLs without a host, which have no userinfo either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    url
}

pub(super) async fn within<T>(
    what: &'static str,
    after: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Trouble> {
    tokio::time::timeout(after, work).await.map_err(|_| Trouble::Timeout { what, after })
}

/// The client's errors in ours: found by what lies at their bottom.
pub(super) fn refusal(error: reqwest::Error, connect_timeout: Duration) -> Trouble {
    let error = error.without_url();
    if error.is_timeout() {
        return Trouble::Timeout { what: "connecting", after: connect_timeout };
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(here) = cause {
        match here.downcast_ref::<NameError>() {
            Some(NameError::Refused(why)) => return Trouble::Address(why.clone()),
            Some(_) => return Trouble::Dns(Cause::from(error)),
            None => {}
        }
        if let Some(advice) = tls(here).map(tls_advice) {
            return Trouble::Tls { advice, source: Cause::from(error) };
        }
        cause = here.source();
    }
    if error.is_connect() { Trouble::Connect(Cause::from(error)) } else { Trouble::Protocol(Cause::from(error)) }
}

/// An I/O error hides what it was made of from `source`, and may be made of another one.
fn tls<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    while let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref()) {
        error = inner;
    }
    error.downcast_ref()
}

pub(super) fn cut_short(error: reqwest::Error) -> Trouble {
    Trouble::CutShort(Cause::from(error.without_url()))
}
