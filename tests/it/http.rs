//! The door against a misbehaving origin: every limit, every redirect, every coding, every way to be refused.

use std::io::Write;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use newsdesk::config::settings::{Credentials, FetchSettings, Secret};
use newsdesk::fetch::http::{Answer, Document, Door, FetchError, Names, NotModified, Request, Validators, Way};
use newsdesk::schedule::Failure;
use url::Url;

use crate::origin::{Behaviour, Origin};

const LIMIT: u64 = 1 << 20;

pub fn settings() -> FetchSettings {
    FetchSettings {
        allow_networks: vec!["127.0.0.0/8".parse().unwrap()],
        max_body: LIMIT,
        // Never reached, also on a machine that does much else.
        connect_timeout: Duration::from_secs(20),
        first_byte_timeout: Duration::from_secs(20),
        idle_timeout: Duration::from_secs(20),
        total_timeout: Duration::from_secs(60),
        host_connections: 2,
        host_interval: Duration::ZERO,
        concurrency: 4,
        proxy: None,
    }
}

/// Limits of which one is reached before the others.
fn hurried(first_byte: u64, idle: u64, total: u64) -> Door {
    let settings = FetchSettings {
        first_byte_timeout: Duration::from_millis(first_byte),
        idle_timeout: Duration::from_millis(idle),
        total_timeout: Duration::from_millis(total),
        ..settings()
    };
    Door::new(&settings, None).unwrap()
}

/// One for all tests that need no other: it reads the machine's certificates when it is made.
pub fn door() -> Door {
    static DOOR: LazyLock<Door> = LazyLock::new(|| Door::new(&settings(), Some("https://desk.example/")).unwrap());
    DOOR.clone()
}

/// Names with their addresses, and no others.
pub fn names(table: &[(&str, &[&str])]) -> Names {
    let parsed = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    let table: Vec<_> = table.iter().map(|(name, addresses)| (name.to_string(), parsed(addresses))).collect();
    Names::Told(Arc::new(move |name| {
        let found = table.iter().find(|(known, _)| known == name);
        found.map(|(_, addresses)| addresses.clone()).unwrap_or_default()
    }))
}

/// All the way, with no queue of hosts between.
pub async fn go(door: &Door, request: Request<'_>) -> Result<Answer, FetchError> {
    let mut way = Way::to(request.url);
    loop {
        match door.go_on(request.clone(), way).await {
            Ok(Answer::Elsewhere(further)) => way = further,
            other => return other,
        }
    }
}

async fn get(url: &Url) -> Result<Answer, FetchError> {
    go(&door(), Request::feed(url, LIMIT)).await
}

async fn document(url: &Url) -> Document {
    match get(url).await {
        Ok(Answer::Document(document)) => document,
        other => panic!("{url}: {other:?}"),
    }
}

async fn failure(url: &Url) -> FetchError {
    match get(url).await {
        Err(error) => error,
        Ok(answer) => panic!("{url}: {answer:?}"),
    }
}

async fn check_failure(origin: &Origin, path: &str, kind: Failure) {
    let error = failure(&origin.url(path)).await;
    assert_eq!(error.kind(), kind, "{path}: {error} {error:?}");
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlibbed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotlied(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    let params = brotli::enc::BrotliEncoderParams { quality: 5, ..Default::default() };
    brotli::BrotliCompress(&mut &*bytes, &mut encoded, &params).unwrap();
    encoded
}

fn zstded(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

pub type Encode = fn(&[u8]) -> Vec<u8>;

pub const CODINGS: [(&str, Encode); 6] = [
    ("gzip", gzipped),
    ("x-gzip", gzipped),
    ("deflate", zlibbed),
    ("deflate", deflated),
    ("br", brotlied),
    ("zstd", zstded),
];

/// Text that does not compress to nothing.
fn text(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| b'a' + (at.wrapping_mul(at).wrapping_mul(2654435761) >> 16) as u8 % 26).collect()
}

#[tokio::test]
async fn a_plain_document_with_all_that_its_head_says() {
    let origin = Origin::start().await;
    let fields = [
        ("Content-Type", "application/rss+xml; charset=utf-8"),
        ("ETag", "W/\"a b,c\""),
        ("Last-Modified", "yesterday, about noon"),
        ("Cache-Control", "public, max-age=600"),
        ("Age", "100"),
        ("Link", "<https://hub.example/>; rel=\"hub\", </feed>; rel=self; type=\"a,b\""),
        ("Set-Cookie", "a=b"),
    ];
    origin.answer("/feed", 200, &fields, "<rss/>");
    let found = document(&origin.url("/feed#part")).await;
    assert_eq!(&found.body[..], b"<rss/>");
    assert_eq!(found.url, origin.url("/feed"));
    assert_eq!(found.content_type.as_deref(), Some("application/rss+xml; charset=utf-8"));
    assert_eq!(found.validators.etag.as_deref(), Some("W/\"a b,c\""));
    assert_eq!(found.validators.last_modified.as_deref(), Some("yesterday, about noon"));
    assert_eq!(found.freshness.max_age, Some(Duration::from_secs(600)));
    assert_eq!(found.freshness.age, Duration::from_secs(100));
    let links: Vec<_> = found.links.iter().map(|(rel, url)| format!("{rel} {url}")).collect();
    assert_eq!(links, ["hub https://hub.example/".to_owned(), format!("self {}", origin.url("/feed"))]);

    let asked = &origin.asked()[0];
    assert_eq!(
        asked.field("user-agent"),
        Some(concat!("newsdesk/", env!("CARGO_PKG_VERSION"), " (+https://desk.example/)"))
    );
    assert_eq!(asked.field("accept-encoding"), Some("gzip, br, zstd"));
    assert!(asked.field("accept").unwrap().starts_with("application/atom+xml"));
    for never in ["cookie", "referer", "if-none-match", "if-modified-since", "authorization"] {
        assert_eq!(asked.field(never), None, "{never}");
    }
}

#[tokio::test]
async fn validators_go_back_byte_for_byte_and_a_304_updates_them() {
    let origin = Origin::start().await;
    // Latin-1 in an ETag: not valid UTF-8 on the wire.
    let head = b"HTTP/1.1 200 OK\r\nETag: \"caf\xe9\"\r\nLast-Modified: Mon, 1 Jan 2024 0:00:00 CEST\r\nContent-Length: 1\r\n\r\nx";
    origin.raw("/feed", head);
    let first = document(&origin.url("/feed")).await;
    let kept: Validators = serde_json::from_str(&serde_json::to_string(&first.validators).unwrap()).unwrap();
    assert_eq!(kept, first.validators);

    origin.raw("/feed", "HTTP/1.1 304 Not Modified\r\nETag: \"new\"\r\nCache-Control: max-age=60\r\n\r\n");
    let url = origin.url("/feed");
    let request = Request { validators: Some(&kept), ..Request::feed(&url, LIMIT) };
    let Ok(Answer::NotModified(NotModified { validators, freshness, .. })) = door().get(request).await else {
        panic!()
    };
    let asked = &origin.asked()[1];
    assert_eq!(asked.field("if-none-match"), Some("\"caf\u{e9}\""));
    assert_eq!(asked.field("if-modified-since"), Some("Mon, 1 Jan 2024 0:00:00 CEST"));
    assert_eq!(validators.etag.as_deref(), Some("\"new\""));
    assert_eq!(validators.last_modified, kept.last_modified);
    assert_eq!(freshness.max_age, Some(Duration::from_secs(60)));
}

#[tokio::test]
async fn only_200_and_an_asked_for_304_are_success() {
    let origin = Origin::start().await;
    let cases = [
        (201, Failure::UnexpectedStatus),
        (203, Failure::UnexpectedStatus),
        (204, Failure::UnexpectedStatus),
        (206, Failure::UnaskedPartial),
        (226, Failure::UnexpectedStatus),
        (300, Failure::UnexpectedStatus),
        (304, Failure::UnaskedNotModified),
        (305, Failure::UnexpectedStatus),
        (400, Failure::Refused),
        (401, Failure::Refused),
        (403, Failure::Forbidden),
        (404, Failure::NotFound),
        (410, Failure::Gone),
        (418, Failure::Refused),
        (429, Failure::TooMany),
        (500, Failure::ServerError),
        (503, Failure::Unavailable),
        (599, Failure::ServerError),
        (999, Failure::UnexpectedStatus),
    ];
    for (status, kind) in cases {
        origin.answer("/odd", status, &[], "");
        check_failure(&origin, "/odd", kind).await;
    }
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms() {
    let origin = Origin::start().await;
    origin.answer("/seconds", 429, &[("Retry-After", "120")], "");
    assert_eq!(failure(&origin.url("/seconds")).await.retry_after().unwrap().num_seconds(), 120);
    let fields = [("Retry-After", "Sun, 06 Nov 1994 08:50:37 GMT"), ("Date", "Sunday, 06-Nov-94 08:49:37 GMT")];
    origin.answer("/date", 503, &fields, "");
    assert_eq!(failure(&origin.url("/date")).await.retry_after().unwrap().num_seconds(), 60);
    origin.answer("/odd", 429, &[("Retry-After", "soon")], "");
    assert_eq!(failure(&origin.url("/odd")).await.retry_after(), None);
    // On other answers it means nothing to us.
    origin.answer("/other", 404, &[("Retry-After", "120")], "");
    assert_eq!(failure(&origin.url("/other")).await.retry_after(), None);
}

#[tokio::test]
async fn redirects_are_followed_by_hand() {
    let origin = Origin::start().await;
    origin.redirect("/1", 301, "/2").redirect("/2", 302, "3?x=1#y").redirect("/3", 307, origin.url("/4"));
    origin.redirect("/4", 308, "//user:word@127.0.0.1:1/").redirect("/4", 308, "/5").redirect("/5", 303, "/6");
    origin.answer("/6", 200, &[], "here");
    let found = document(&origin.url("/1")).await;
    assert_eq!(found.url, origin.url("/6"));
    assert_eq!(found.hops.iter().map(|hop| hop.status).collect::<Vec<_>>(), [301, 302, 307, 308, 303]);
    assert_eq!(found.hops[1].to, origin.url("/3?x=1"));

    origin.redirect("/6", 301, "/7");
    check_failure(&origin, "/1", Failure::Redirects).await;
    assert_eq!(origin.count("/7"), 0, "the sixth redirect is not followed");
}

#[tokio::test]
async fn a_redirect_to_another_host_comes_back_for_its_turn() {
    let (home, other) = (Origin::start().await, Origin::start_at("127.0.0.2:0").await);
    home.redirect("/a", 301, "/b").redirect("/b", 302, other.url("/c"));
    other.redirect("/c", 308, "/d").answer("/d", 200, &[], "there");
    let url = home.url("/a");
    let Ok(Answer::Elsewhere(way)) = door().get(Request::feed(&url, LIMIT)).await else { panic!() };
    assert_eq!((way.url(), home.count("/b"), other.connections()), (&other.url("/c"), 1, 0));
    assert!(way.is_from(&home.url("/a#top")) && !way.is_from(way.url()));
    let Ok(Answer::Document(found)) = door().go_on(Request::feed(&url, LIMIT), way).await else { panic!() };
    assert_eq!(found.hops.iter().map(|hop| hop.status).collect::<Vec<_>>(), [301, 302, 308], "hops add up");
    assert_eq!((home.count("/a"), home.count("/b")), (1, 1), "nobody is asked twice");
}

#[tokio::test]
async fn redirects_that_lead_nowhere() {
    let origin = Origin::start().await;
    origin.redirect("/self", 301, "/self").redirect("/a", 302, "/b").redirect("/b", 302, "/a");
    origin.answer("/none", 301, &[], "").redirect("/file", 301, "file:///etc/passwd").redirect("/bad", 301, "http://[");
    origin.redirect("/long", 301, format!("/{}", "x".repeat(5000)));
    for path in ["/self", "/a", "/none", "/file", "/bad", "/long"] {
        check_failure(&origin, path, Failure::Redirects).await;
    }
    assert_eq!(origin.count("/self"), 1);
    assert_eq!(origin.count("/a") + origin.count("/b"), 2);
}

#[tokio::test]
async fn the_body_of_a_redirect_stays_unread() {
    let origin = Origin::start().await;
    let head = "HTTP/1.1 302 Found\r\nLocation: /end\r\nTransfer-Encoding: chunked\r\n\r\n";
    origin.on("/start", Behaviour::Endless(head.into(), b"4\r\nmore\r\n".to_vec())).answer("/end", 200, &[], "x");
    document(&origin.url("/start")).await;
}

#[tokio::test]
async fn credentials_and_headers_go_to_the_configured_origin_only() {
    let (home, other) = (Origin::start().await, Origin::start_at("127.0.0.2:0").await);
    home.redirect("/feed", 301, other.url("/feed"));
    other.redirect("/feed", 302, home.url("/back"));
    home.answer("/back", 200, &[], "x");
    let headers = [("X-Key".to_owned(), Secret("s3cret".to_owned()))];
    let credentials = Credentials { username: "me".to_owned(), password: Secret("word".to_owned()) };
    let url = home.url("/feed");
    let request = Request { headers: &headers, credentials: Some(&credentials), ..Request::feed(&url, LIMIT) };
    go(&door(), request).await.unwrap();
    assert_eq!(home.asked()[0].field("authorization"), Some("Basic bWU6d29yZA=="));
    assert_eq!(home.asked()[0].field("x-key"), Some("s3cret"));
    assert_eq!(other.asked()[0].field("authorization"), None);
    assert_eq!(other.asked()[0].field("x-key"), None);
    assert_eq!(home.asked()[1].field("x-key"), Some("s3cret"), "home again");

    // An adopted redirect is asked itself, but is not who the operator trusts.
    let adopted = other.url("/feed");
    let request = Request { url: &adopted, configured: &url, headers: &headers, ..Request::feed(&url, LIMIT) };
    go(&door(), request).await.unwrap();
    assert_eq!(other.asked()[1].field("x-key"), None);
}

#[tokio::test]
async fn userinfo_is_sent_as_credentials_and_never_shown() {
    let origin = Origin::start().await;
    let mut url = origin.url("/none?id=1&token=abc&api_key=def");
    url.set_username("m%65").unwrap();
    url.set_password(Some("p%40ss")).unwrap();
    let error = failure(&url).await;
    assert_eq!(origin.asked()[0].field("authorization"), Some("Basic bWU6cEBzcw=="));
    assert_eq!(origin.asked()[0].path, "/none?id=1&token=abc&api_key=def");
    let all = format!("{:#}", anyhow::Error::from(error));
    assert!(all.contains("/none?id=1&token=...&api_key=...: 404 Not Found"), "{all}");
    assert!(!all.contains("p%40ss") && !all.contains("abc"), "{all}");
}

#[tokio::test]
async fn headers_that_cannot_be_sent_are_the_settings_fault() {
    let origin = Origin::start().await;
    let url = origin.url("/");
    let headers = [("X-Key".to_owned(), Secret("two\r\nlines".to_owned()))];
    let error = door().get(Request { headers: &headers, ..Request::feed(&url, LIMIT) }).await.unwrap_err();
    assert_eq!(error.kind(), Failure::Settings);
    assert!(!format!("{error:?}").contains("lines"));
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn every_coding_is_decoded() {
    let origin = Origin::start().await;
    for length in [0, 1, 100, 16 * 1024, 300_000] {
        let plain = text(length);
        for (name, encode) in CODINGS {
            origin.answer("/feed", 200, &[("Content-Encoding", name)], encode(&plain));
            assert!(document(&origin.url("/feed")).await.body == plain, "{name} {length}");
        }
    }
}

#[tokio::test]
async fn a_body_in_many_members_or_frames_is_one_body() {
    let origin = Origin::start().await;
    for (name, encode) in [("gzip", gzipped as Encode), ("zstd", zstded)] {
        let body = [encode(b"one "), encode(b""), encode(b"two")].concat();
        origin.answer("/feed", 200, &[("Content-Encoding", name)], body);
        assert_eq!(&document(&origin.url("/feed")).await.body[..], b"one two", "{name}");
        let many = encode(b"").repeat(2000);
        origin.answer("/many", 200, &[("Content-Encoding", name)], many);
        check_failure(&origin, "/many", Failure::BadCoding).await;
    }
    // What follows a gzip stream and is none is nobody's loss.
    origin.answer("/feed", 200, &[("Content-Encoding", "gzip")], [gzipped(b"one"), vec![0; 20]].concat());
    assert_eq!(&document(&origin.url("/feed")).await.body[..], b"one");
}

#[tokio::test]
async fn bombs_stop_at_the_limit() {
    let origin = Origin::start().await;
    let zeros = vec![0; 8 << 20];
    for (name, encode) in CODINGS {
        let bomb = encode(&zeros);
        assert!(bomb.len() < 32 << 10, "{name}");
        origin.answer("/bomb", 200, &[("Content-Encoding", name)], bomb);
        check_failure(&origin, "/bomb", Failure::TooLarge).await;
    }
}

#[tokio::test]
async fn large_bodies_take_turns_and_all_arrive() {
    let origin = Origin::start().await;
    let plain = vec![b'x'; 3 << 20];
    origin.answer("/plain", 200, &[], &plain).answer("/gzip", 200, &[("Content-Encoding", "gzip")], gzipped(&plain));
    let (door, urls) = (door(), [origin.url("/plain"), origin.url("/gzip")]);
    let all = (0..24).map(|at| {
        let (door, url) = (door.clone(), urls[at % 2].clone());
        async move { door.get(Request::feed(&url, 4 << 20)).await }
    });
    for answer in futures_util::future::join_all(all).await {
        assert!(matches!(answer, Ok(Answer::Document(document)) if document.body.len() == plain.len()));
    }
}

#[tokio::test]
async fn codings_that_are_tricks() {
    let origin = Origin::start().await;
    let plain = text(50_000);
    for (name, encode) in CODINGS {
        let whole = encode(&plain);
        let field = [("Content-Encoding", name)];
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            origin.answer("/cut", 200, &field, &whole[..cut]);
            let kind = failure(&origin.url("/cut")).await.kind();
            // A zlib stream of one byte cannot be told from a bare one.
            assert!(matches!(kind, Failure::CutShort | Failure::BadCoding), "{name} cut at {cut}: {kind:?}");
        }
        let mut damaged = whole.clone();
        damaged.iter_mut().skip(whole.len() / 2).take(50).for_each(|byte| *byte ^= 0x5a);
        origin.answer("/damaged", 200, &field, damaged);
        let answer = get(&origin.url("/damaged")).await;
        // Only gzip and zlib always carry a checksum: elsewhere damage may pass for other text.
        assert!(answer.is_err() || !name.ends_with("gzip"), "{name}");
    }
    origin.answer("/twice", 200, &[("Content-Encoding", "gzip, gzip")], gzipped(&gzipped(b"x")));
    origin.answer("/lines", 200, &[("Content-Encoding", "gzip"), ("Content-Encoding", "br")], "x");
    origin.answer("/unknown", 200, &[("Content-Encoding", "compress")], "x");
    origin.answer("/lie", 200, &[("Content-Encoding", "gzip")], "<rss/>");
    for path in ["/twice", "/lines", "/unknown", "/lie"] {
        check_failure(&origin, path, Failure::BadCoding).await;
    }
    origin.answer("/identity", 200, &[("Content-Encoding", "identity, ")], "x");
    document(&origin.url("/identity")).await;
    // A gzip header with a name that has no end.
    let endless_name = [&b"\x1f\x8b\x08\x08\0\0\0\0\0\0"[..], &[b'n'; 100_000]].concat();
    origin.answer("/name", 200, &[("Content-Encoding", "gzip")], endless_name);
    check_failure(&origin, "/name", Failure::BadCoding).await;
}

#[tokio::test]
async fn limits_of_the_body() {
    let origin = Origin::start().await;
    origin.answer("/full", 200, &[], vec![b'x'; LIMIT as usize]);
    assert_eq!(document(&origin.url("/full")).await.body.len() as u64, LIMIT);
    origin.answer("/over", 200, &[], vec![b'x'; LIMIT as usize + 1]);
    origin.raw("/promise", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx");
    let endless = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    origin.on("/endless", Behaviour::Endless(endless.into(), [&b"1000\r\n"[..], &[b'x'; 4096], b"\r\n"].concat()));
    origin.on("/close", Behaviour::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 4096]));
    for path in ["/over", "/promise", "/endless", "/close"] {
        check_failure(&origin, path, Failure::TooLarge).await;
    }
}

#[tokio::test]
async fn bodies_that_end_too_early() {
    let origin = Origin::start().await;
    origin.raw("/length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    origin.raw("/chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    origin.raw("/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n");
    origin.raw("/vast-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello");
    origin.on("/reset", Behaviour::Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly".to_vec()));
    for path in ["/length", "/chunk", "/bad-chunk", "/vast-chunk", "/reset"] {
        check_failure(&origin, path, Failure::CutShort).await;
    }
}

#[tokio::test]
async fn answers_that_are_no_http() {
    let origin = Origin::start().await;
    let many: String = (0..200).map(|at| format!("X-{at}: y\r\n")).collect();
    origin.raw("/nothing", "").raw("/words", "hello there, what is it\r\n\r\n").raw("/old", "<rss/>");
    origin.raw("/many", format!("HTTP/1.1 200 OK\r\n{many}\r\nx"));
    origin.raw("/lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy");
    origin.raw("/nul", "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\nx");
    origin.on("/vast", Behaviour::Endless(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 4096]));
    for path in ["/nothing", "/words", "/old", "/many", "/lengths", "/nul", "/vast"] {
        check_failure(&origin, path, Failure::Protocol).await;
    }
    origin.on("/reset", Behaviour::Reset(Vec::new()));
    check_failure(&origin, "/reset", Failure::Protocol).await;
}

#[tokio::test]
async fn slips_of_small_servers_are_forgiven() {
    let origin = Origin::start().await;
    let head = "HTTP/1.1 200 OK\r\nBad Name: x\r\nno colon\r\nETag : \"1\"\r\nLink: <a>;\r\n rel=hub\r\n";
    origin.raw("/slips", format!("{head}Content-Length: 1\r\n\r\nx"));
    let found = document(&origin.url("/slips")).await;
    assert_eq!(found.validators.etag.as_deref(), Some("\"1\""));
    assert_eq!(found.links, [("hub".to_owned(), origin.url("/a"))]);
    // No length and no reason; the body ends with the connection.
    origin.raw("/bare", "HTTP/1.0 200\r\n\r\n<rss/>");
    assert_eq!(&document(&origin.url("/bare")).await.body[..], b"<rss/>");
    origin.raw("/empty", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n");
    assert!(document(&origin.url("/empty")).await.body.is_empty());
}

#[tokio::test]
async fn deadlines() {
    let origin = Origin::start().await;
    let slow = Duration::from_millis(20);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
    origin.on("/silent", Behaviour::Silence(Vec::new()));
    origin.on("/head", Behaviour::Drip(Vec::new(), [head.as_bytes(); 20].concat(), slow));
    origin.on("/stalled", Behaviour::Silence(format!("{head}some").into()));
    origin.on("/drip", Behaviour::Drip(head.into(), vec![b'x'; 10_000], slow));
    let long = 30_000;
    for (path, door, what) in [
        ("/silent", hurried(100, long, long), "the first byte took longer than 100ms"),
        ("/head", hurried(200, long, long), "the first byte took longer than 200ms"),
        ("/stalled", hurried(long, 100, long), "a part of the body took longer than 100ms"),
        // Never idle for long, but never done.
        ("/drip", hurried(long, long, 500), "the whole answer took longer than 500ms"),
    ] {
        let url = origin.url(path);
        let started = Instant::now();
        let error = door.get(Request::feed(&url, LIMIT)).await.unwrap_err();
        assert_eq!(error.kind(), Failure::Timeout, "{path}: {error:?}");
        assert!(error.to_string().contains(what), "{path}: {error}");
        assert!(started.elapsed() < Duration::from_secs(15), "{path}");
    }
    // Interim answers without end, and never a final one.
    origin.on("/interim", Behaviour::Endless(Vec::new(), b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec()));
    let url = origin.url("/interim");
    let kind = hurried(300, long, long).get(Request::feed(&url, LIMIT)).await.unwrap_err().kind();
    assert!(matches!(kind, Failure::Timeout | Failure::Protocol), "{kind:?}");
}

#[tokio::test]
async fn no_connection_and_no_tls() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = failure(&Url::parse(&format!("http://{address}/")).unwrap()).await;
    assert_eq!(error.kind(), Failure::Connect, "{error:?}");
    let origin = Origin::start().await;
    let error = failure(&Url::parse(&format!("https://{}/", origin.address)).unwrap()).await;
    assert_eq!(error.kind(), Failure::Tls, "{error:?}");
    let error = failure(&Url::parse("gopher://127.0.0.1/").unwrap()).await;
    assert_eq!(error.kind(), Failure::Settings);
}

/// No packet leaves for an address that is refused: every one of them would reach this origin's port on loopback or
/// nothing at all, and names come from a table.
#[tokio::test]
async fn refused_addresses_are_never_dialled() {
    let origin = Origin::start().await;
    let port = origin.address.port();
    let strict = FetchSettings { allow_networks: Vec::new(), ..settings() };
    let table =
        names(&[("loop.test", &["127.0.0.1"]), ("mapped.test", &["::ffff:127.0.0.1", "::1"]), ("empty.test", &[])]);
    let door = Door::with_names(&strict, None, table.clone()).unwrap();
    let spellings = [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "loop.test",
        "mapped.test",
    ];
    for host in spellings {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let error = door.get(Request::feed(&url, LIMIT)).await.unwrap_err();
        assert_eq!(error.kind(), Failure::AddressRefused, "{host}: {error:?}");
    }
    for host in ["unknown.test", "empty.test"] {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        assert_eq!(door.get(Request::feed(&url, LIMIT)).await.unwrap_err().kind(), Failure::Dns, "{host}");
    }
    assert_eq!(origin.connections(), 0);

    // Allowed for one port only: the literal and the name agree, and a redirect to another port is judged again.
    let other = Origin::start().await;
    let allowed = format!("127.0.0.1:{port}").parse().unwrap();
    let settings = FetchSettings { allow_networks: vec![allowed], ..settings() };
    let door = Door::with_names(&settings, None, table).unwrap();
    origin.answer("/feed", 200, &[], "x").redirect("/away", 302, other.url("/"));
    origin.redirect("/name", 302, format!("http://loop.test:{}/", other.address.port()));
    for host in ["127.0.0.1", "loop.test"] {
        let url = Url::parse(&format!("http://{host}:{port}/feed")).unwrap();
        door.get(Request::feed(&url, LIMIT)).await.unwrap();
    }
    for path in ["/away", "/name"] {
        let url = origin.url(path);
        let error = go(&door, Request::feed(&url, LIMIT)).await.unwrap_err();
        assert_eq!(error.kind(), Failure::AddressRefused, "{path}: {error:?}");
        assert_eq!(error.hops.len(), 1);
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn connections_are_kept_only_where_asked_for() {
    let origin = Origin::start().await;
    origin.on("/feed", Behaviour::Tagged { etag: "\"1\"".to_owned(), body: b"x".to_vec() });
    let (door, url) = (door(), origin.url("/feed"));
    let validators = Validators { etag: Some("\"1\"".to_owned()), ..Validators::default() };
    for keep in [false, true] {
        let before = origin.connections();
        for _ in 0..3 {
            let request = Request { validators: Some(&validators), keep, ..Request::feed(&url, LIMIT) };
            assert!(matches!(door.get(request).await, Ok(Answer::NotModified(_))));
        }
        assert_eq!(origin.connections() - before, if keep { 1 } else { 3 });
    }
}

#[tokio::test]
async fn a_proxy_is_used_only_when_configured_and_is_judged_itself() {
    let proxy = Origin::start().await;
    proxy.answer("http://feeds.example/atom.xml", 200, &[], "by way of the proxy");
    let settings = FetchSettings { proxy: Some(proxy.url("/")), ..settings() };
    let door = Door::with_names(&settings, None, names(&[])).unwrap();
    let url = Url::parse("http://feeds.example/atom.xml").unwrap();
    assert!(matches!(door.get(Request::feed(&url, LIMIT)).await, Ok(Answer::Document(_))));
    let refused = FetchSettings { allow_networks: Vec::new(), ..settings.clone() };
    assert!(Door::new(&refused, None).is_err());
    assert!(Door::new(&FetchSettings { proxy: Some(Url::parse("ftp://proxy/").unwrap()), ..settings }, None).is_err());
}

#[test]
fn a_contact_that_cannot_stand_in_a_header_is_refused() {
    assert!(Door::new(&settings(), Some("two\nlines")).is_err());
    assert!(Door::new(&settings(), Some("ops@desk.example")).is_ok());
}
