//! The public address: what was published, and pages made for a request. It only reads; what does more is in `websub`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use futures_util::future::BoxFuture;
use hyper::{Method, StatusCode, header};

use super::file::OpenFile;
use super::websub::Endpoints;
use super::{Request, Response, answer};
use crate::metrics::{Counter, Histogram, Text};
use crate::model::id_of_name;
use crate::normalize::links::encode_segment;
use crate::publish::{Live, Media, Revision};

/// A page that is not kept but made for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// `/articles/SLUG`
    Article { slug: String },
    /// `/articles/SLUG/PATH`: a file that the article shows.
    ArticleFile { slug: String, path: String },
    /// `/entries/ID`
    Entry { id: String },
    /// `/SECTION/archive/N/NAME`
    Archive { section: String, number: u64, name: &'static str },
    /// `/SECTION/YYYY-MM-DD/`, without a section that of the site; further parts of a long day as `.../N/`.
    Day { section: String, date: NaiveDate, part: usize },
    /// `/status`, and further pages of it as `/status/N`.
    Status { page: usize },
    /// An error in the dress of the site.
    Error { status: u16, title: &'static str, advice: String },
}

/// What became of it.
#[derive(Debug)]
pub enum Found {
    Page(Vec<u8>),
    /// Made for a request, with validators of its own.
    Revision(Arc<Revision>),
    File {
        content_type: &'static str,
        file: OpenFile,
    },
    Missing,
    /// Withdrawn by its owner.
    Gone,
    Failed,
}

/// Makes pages out of what is stored.
pub type MakePage = Arc<dyn Fn(Wanted) -> BoxFuture<'static, Found> + Send + Sync>;

/// Everything that answering needs; a clone is cheap.
#[derive(Clone)]
pub struct Public {
    pub live: Arc<Live>,
    pub make: MakePage,
    /// Path of `[site] url`, with a slash at both ends.
    pub base_path: Arc<str>,
    /// Absolute base of the site, with a slash at its end.
    pub base: Arc<str>,
    /// Named in the Link header of every feed.
    pub hubs: Arc<[String]>,
    pub websub: Endpoints,
    /// Store, listener and first publication stand.
    pub ready: Arc<AtomicBool>,
    /// What does not make progress any more, in words.
    pub trouble: Arc<dyn Fn() -> Option<String> + Send + Sync>,
    pub answered: Arc<Answered>,
}

/// Requests by how they were answered, and how long that took.
#[derive(Debug, Default)]
pub struct Answered {
    statuses: [Counter; STATUSES.len()],
    others: Counter,
    took: Histogram,
}

const STATUSES: [u16; 13] = [200, 202, 204, 206, 304, 308, 400, 404, 405, 410, 416, 500, 503];

impl Answered {
    fn note(&self, status: StatusCode, took: Duration) {
        let known = STATUSES.iter().zip(&self.statuses).find(|(known, _)| **known == status.as_u16());
        known.map_or(&self.others, |(_, counter)| counter).add(1);
        self.took.note(took);
    }

    /// For `/metrics`.
    pub fn write(&self, text: &mut Text) {
        let names = STATUSES.map(|status| status.to_string());
        let samples = names.iter().map(String::as_str).zip(self.statuses.iter().map(Counter::get));
        let samples = samples.chain([("other", self.others.get())]);
        text.by(("newsdesk_http_requests_total", "counter", "Requests to the public address."), "code", samples);
        text.histogram("newsdesk_http_request_duration_seconds", "From request to answer.", &self.took);
    }
}

impl Public {
    pub async fn respond(self: Arc<Self>, request: Request) -> Response {
        let begun = Instant::now();
        if let Some(response) = self.live_now(&request) {
            self.answered.note(response.status(), begun.elapsed());
            return response;
        }
        let below = request.uri().path().strip_prefix(&*self.base_path).map(str::to_owned);
        let response = match self.websub.respond(below.as_deref().unwrap_or_default(), request).await {
            Ok(response) => response,
            Err(request) => self.read(request).await,
        };
        self.answered.note(response.status(), begun.elapsed());
        response
    }

    /// What is live is most of what is asked for: its answer stands ready.
    fn live_now(&self, request: &Request) -> Option<Response> {
        let method = request.method();
        let path = request.uri().path().strip_prefix(&*self.base_path)?;
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        let revision = self.live.get(path)?;
        let links = || if revision.media.is_feed() { self.links(path) } else { Vec::new() };
        Some(answer::revision(method, request.headers(), &revision, links))
    }

    async fn read(&self, request: Request) -> Response {
        let (method, asked) = (request.method().clone(), request.headers());
        if method == Method::OPTIONS {
            return allowed(answer::words(StatusCode::NO_CONTENT, ""));
        }
        if method != Method::GET && method != Method::HEAD {
            return allowed(answer::words(StatusCode::METHOD_NOT_ALLOWED, "this address only reads: GET or HEAD\n"));
        }
        let Some(path) = request.uri().path().strip_prefix(&*self.base_path) else {
            return self.outside(&method, asked, request.uri().path()).await;
        };
        let respelled = respelled(path);
        let path = respelled.as_deref().unwrap_or(path);
        match path {
            "healthz" => return self.health(),
            "readyz" if self.ready.load(Ordering::Acquire) => return answer::words(StatusCode::OK, "ready\n"),
            "readyz" => return answer::words(StatusCode::SERVICE_UNAVAILABLE, "not ready yet\n"),
            _ => {}
        }
        if let Some(revision) = self.live.get(path) {
            let links = || if revision.media.is_feed() { self.links(path) } else { Vec::new() };
            return answer::revision(&method, asked, &revision, links);
        }
        if self.live.get(&format!("{path}/")).is_some() {
            return answer::moved(&format!("{}{path}/", self.base_path));
        }
        if !path.ends_with('/') && day(&format!("{path}/")).is_some() {
            return answer::moved(&format!("{}{path}/", self.base_path));
        }
        match wanted(path) {
            Some(wanted) => self.made(&method, asked, path, wanted).await,
            None => self.error(&method, asked, Found::Missing).await,
        }
    }

    async fn made(&self, method: &Method, asked: &header::HeaderMap, path: &str, wanted: Wanted) -> Response {
        match (self.make)(wanted).await {
            Found::Revision(revision) => {
                answer::revision(method, asked, &revision, || vec![format!("<{}{path}>; rel=\"self\"", self.base)])
            }
            Found::Page(body) => answer::made(method, asked, StatusCode::OK, Media::Html, body),
            Found::File { content_type, file } => answer::file(method, asked, content_type, file),
            found => self.error(method, asked, found).await,
        }
    }

    async fn error(&self, method: &Method, asked: &header::HeaderMap, found: Found) -> Response {
        let (status, title, advice) = match found {
            Found::Gone => (StatusCode::GONE, "Withdrawn", "Its publisher took this page back."),
            Found::Failed => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something failed here",
                "The log of newsdesk says what; try again later.",
            ),
            _ => (StatusCode::NOT_FOUND, "No such page", "The sections and their feeds are on the front page."),
        };
        let page = Wanted::Error { status: status.as_u16(), title, advice: advice.to_owned() };
        match (self.make)(page).await {
            Found::Page(body) => answer::made(method, asked, status, Media::Html, body),
            _ => answer::words(status, format!("{title}. {advice}\n")),
        }
    }

    /// Liveness: whoever watches may start us anew when it is no more.
    fn health(&self) -> Response {
        match (self.trouble)() {
            None => answer::words(StatusCode::OK, "ok\n"),
            Some(trouble) => answer::words(StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")),
        }
    }

    /// A request that does not carry the path of `[site] url`: a person who typed the listen address.
    async fn outside(&self, method: &Method, asked: &header::HeaderMap, path: &str) -> Response {
        match path {
            "/healthz" => self.health(),
            "/readyz" if self.ready.load(Ordering::Acquire) => answer::words(StatusCode::OK, "ready\n"),
            "/" => answer::moved(&self.base_path),
            _ => self.error(method, asked, Found::Missing).await,
        }
    }

    /// RFC 8288: where the document lives, and who relays it (WebSub §4).
    fn links(&self, path: &str) -> Vec<String> {
        let mut links = vec![format!("<{}{path}>; rel=\"self\"", self.base)];
        links.extend(self.hubs.iter().map(|hub| format!("<{hub}>; rel=\"hub\"")));
        links
    }
}

fn allowed(mut response: Response) -> Response {
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD, OPTIONS"));
    response
}

fn wanted(path: &str) -> Option<Wanted> {
    if path == "status" {
        return Some(Wanted::Status { page: 1 });
    }
    if let Some(number) = path.strip_prefix("status/") {
        let page = number.parse().ok().filter(|page| *page > 1 && !number.starts_with(['+', '0']))?;
        return Some(Wanted::Status { page });
    }
    if let Some(id) = path.strip_prefix("entries/") {
        return decode(id).and_then(|name| id_of_name(&name)).map(|id| Wanted::Entry { id });
    }
    let Some(article) = path.strip_prefix("articles/") else {
        return archive(path).or_else(|| day(path));
    };
    match article.split_once('/') {
        None => decode(article).map(|slug| Wanted::Article { slug }),
        Some((slug, "")) => decode(slug).map(|slug| Wanted::Article { slug }),
        Some((slug, path)) => Some(Wanted::ArticleFile { slug: decode(slug)?, path: decode(path)? }),
    }
}

/// `SECTION/archive/N/NAME`, the number in its one spelling.
fn archive(path: &str) -> Option<Wanted> {
    let (section, rest) = path.split_once('/')?;
    let (number, name) = rest.strip_prefix("archive/")?.split_once('/')?;
    let name = ["atom.xml", "rss.xml", "feed.json"].into_iter().find(|known| *known == name)?;
    let plain = number.len() <= 15 && number.bytes().all(|b| b.is_ascii_digit()) && !number.starts_with('0');
    let number = number.parse().ok().filter(|_| plain)?;
    Some(Wanted::Archive { section: decode(section)?, number, name })
}

/// `SECTION/YYYY-MM-DD/` or `SECTION/YYYY-MM-DD/N/`, with or without the section; date and number in their one spelling.
fn day(path: &str) -> Option<Wanted> {
    let date_of = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|date| date.to_string() == text);
    let mut rest = path.strip_suffix('/')?;
    let mut part = 1;
    if let Some((before, number)) = rest.rsplit_once('/')
        && let Some(number) = number.parse().ok().filter(|n: &usize| *n > 1 && n.to_string() == number && *n < 10_000)
    {
        (rest, part) = (before, number);
    }
    let (section, date) =
        rest.rsplit_once('/').map_or((Some(String::new()), rest), |(name, date)| (decode(name), date));
    let section = section.filter(|name| !name.contains('/'))?;
    Some(Wanted::Day { section, date: date_of(date)?, part })
}

/// A path in the one spelling that is used for its equals (RFC 3986 §6.2.2): `%c3` for `%C3`, `%26` for `&`. `None`: it
/// is spelled so, or is no text.
fn respelled(path: &str) -> Option<String> {
    if path.bytes().all(|byte| byte == b'/' || byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        return None;
    }
    let segment = |text: &str| if text.is_empty() { Some(String::new()) } else { Some(encode_segment(&decode(text)?)) };
    let segments: Option<Vec<String>> = path.split('/').map(segment).collect();
    Some(segments?.join("/"))
}

/// Percent-decode; `None` where what comes out is no text.
pub fn decode(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_of_each_path() {
        let check = |path: &str, want: Option<&str>| assert_eq!(respelled(path).as_deref(), want, "{path}");
        check("politics/atom.xml", None);
        check("sources/A%20&%20%c3%b6/", Some("sources/A%20%26%20%C3%B6/"));
        check("entries/urn:uuid:1", Some("entries/urn%3Auuid%3A1"));
        check("articles/%2e%2E%2fetc", Some("articles/..%2Fetc"));
        check("articles/%ff", None);
    }

    #[test]
    fn paths_of_made_pages() {
        let check = |path: &str, want: Option<Wanted>| assert_eq!(wanted(path), want, "{path}");
        check("articles/a-b", Some(Wanted::Article { slug: "a-b".into() }));
        check("articles/%C3%A4rger", Some(Wanted::Article { slug: "ärger".into() }));
        check("articles/a/pics/x%20y.png", Some(Wanted::ArticleFile { slug: "a".into(), path: "pics/x y.png".into() }));
        for name in ["entries/urn~3Auuid~3A1", "entries/urn%3Auuid%3A1", "entries/urn%7E3auuid:1"] {
            check(name, Some(Wanted::Entry { id: "urn:uuid:1".into() }));
        }
        let archive = |number| Wanted::Archive { section: "a b".into(), number, name: "rss.xml" };
        check("a%20b/archive/12/rss.xml", Some(archive(12)));
        for wrong in ["a/archive/0/rss.xml", "a/archive/01/rss.xml", "a/archive/-1/rss.xml", "a/archive/1/x.xml"] {
            check(wrong, None);
        }
        check("a/archive/99999999999999999999999/rss.xml", None);
        let day = |section: &str, part| {
            let date = NaiveDate::from_ymd_opt(2026, 3, 28).unwrap();
            Some(Wanted::Day { section: section.into(), date, part })
        };
        check("2026-03-28/", day("", 1));
        check("a%20b/2026-03-28/", day("a b", 1));
        check("a/2026-03-28/2/", day("a", 2));
        for nowhere in
            ["a/2026-03-28/1/", "a/2026-03-28/02/", "a/2026-3-28/", "a/2026-02-30/", "a/b/2026-03-28/", "a/2/"]
        {
            check(nowhere, None);
        }
        check("status", Some(Wanted::Status { page: 1 }));
        check("status/2", Some(Wanted::Status { page: 2 }));
        for nowhere in ["status/", "status/1", "status/+2", "status/02", "status/x"] {
            check(nowhere, None);
        }
        check("articles/%ff", None);
        check("articles/%0", None);
        check("articles/", None);
        check("nothing", None);
    }
}
