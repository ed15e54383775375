//! Answers: one revision to one request, after RFC 9110: HEAD, content negotiation of codings, conditional requests.

use std::time::SystemTime;

use bytes::Bytes;
use chrono::SubsecRound;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};

use super::file::{self, OpenFile, Part};
use super::{Body, Response};
use crate::model::Time;
use crate::publish::{DAMAGED, Media, Revision, etag};

/// Pages load nothing from elsewhere but pictures and sound, and run no script.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src * data:; media-src *; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const CACHE: &str = "public, max-age=60";
static EMPTY: Bytes = Bytes::new();

/// The coding of a body (RFC 9110 §8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Brotli,
}

/// Answer with a revision: 200 with the best coding the client takes, or 304 where it has these bytes. `links` are the
/// values of the Link header (RFC 8288); asked for once, since the head of an answer is made once.
pub fn revision(
    method: &Method,
    asked: &HeaderMap,
    revision: &Revision,
    links: impl FnOnce() -> Vec<String>,
) -> Response {
    if is_refused(asked, &revision.etag, revision.modified) {
        return precondition_failed();
    }
    let coding = select(asked, revision);
    let fresh = is_fresh(asked, revision);
    let body = match coding {
        _ if fresh => Some(&EMPTY),
        Coding::Gzip => revision.gzip(),
        Coding::Brotli => revision.brotli(),
        Coding::Identity => revision.body(),
    };
    let Some(body) = body else {
        return words(StatusCode::INTERNAL_SERVER_ERROR, DAMAGED);
    };
    let place = coding as usize + if fresh { 3 } else { 0 };
    let made = || head(revision, coding, fresh, &links());
    let head = match revision.heads.get(place) {
        Some(known) => known.get_or_init(made).clone(),
        None => made(),
    };
    let mut response = Response::new(whole(body.clone()));
    *response.headers_mut() = head;
    // A clock was set back: no date of an answer may lie in the future (RFC 9110 §8.8.2.1).
    let now = SystemTime::now();
    if SystemTime::from(revision.modified) > now {
        set(response.headers_mut(), header::LAST_MODIFIED, &httpdate::fmt_http_date(now));
    }
    if fresh {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    without_body_for_head(method, response)
}

fn head(revision: &Revision, coding: Coding, fresh: bool, links: &[String]) -> HeaderMap {
    let tag = match coding {
        Coding::Identity => format!("\"{}\"", revision.etag),
        Coding::Gzip => format!("\"{}-gzip\"", revision.etag),
        Coding::Brotli => format!("\"{}-br\"", revision.etag),
    };
    let mut headers = HeaderMap::with_capacity(16);
    set(&mut headers, header::ETAG, &tag);
    set(&mut headers, header::LAST_MODIFIED, &http_date(revision.modified));
    set(&mut headers, header::CACHE_CONTROL, CACHE);
    set(&mut headers, header::VARY, "Accept-Encoding");
    for link in links {
        if let Ok(value) = HeaderValue::from_str(link) {
            headers.append(header::LINK, value);
        }
    }
    if revision.media.is_feed() || revision.media == Media::Opml {
        set(&mut headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        set(&mut headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, "ETag, Link");
    }
    if fresh {
        return headers;
    }
    describe(&mut headers, revision.media);
    match coding {
        Coding::Identity => {}
        Coding::Gzip => set(&mut headers, header::CONTENT_ENCODING, "gzip"),
        Coding::Brotli => set(&mut headers, header::CONTENT_ENCODING, "br"),
    }
    headers
}

/// Answer with bytes made for this request; their hash is their validator.
pub fn made(method: &Method, asked: &HeaderMap, status: StatusCode, media: Media, body: Vec<u8>) -> Response {
    let tag = etag(&body);
    let body = Bytes::from(body);
    let made = Revision::new(media, body.clone(), tag, Time::default(), 0);
    // Made for one request: gzip, which is quick, is all that pays.
    let (coding, body) = match made.gzip().filter(|_| takes(asked, "gzip")) {
        Some(packed) => (Coding::Gzip, packed.clone()),
        None => (Coding::Identity, body),
    };
    let tag = if coding == Coding::Gzip { format!("\"{}-gzip\"", made.etag) } else { format!("\"{}\"", made.etag) };
    let fresh = status == StatusCode::OK && tag_matches(asked, &made.etag).unwrap_or(false);
    let mut response = Response::new(whole(if fresh { Bytes::new() } else { body }));
    *response.status_mut() = if fresh { StatusCode::NOT_MODIFIED } else { status };
    let headers = response.headers_mut();
    set(headers, header::ETAG, &tag);
    set(headers, header::VARY, "Accept-Encoding");
    set(headers, header::CACHE_CONTROL, if status == StatusCode::OK { "no-cache" } else { "no-store" });
    if !fresh {
        describe(headers, media);
        if coding == Coding::Gzip {
            set(headers, header::CONTENT_ENCODING, "gzip");
        }
    }
    without_body_for_head(method, response)
}

/// A file that an article shows, or the range of it that is asked for: never run as a page of ours, whatever is in it.
pub fn file(method: &Method, asked: &HeaderMap, content_type: &str, found: OpenFile) -> Response {
    if is_refused(asked, &found.tag, found.modified) {
        return precondition_failed();
    }
    let modified = http_date(found.modified);
    let length = found.length;
    let fresh = is_had(asked, &found.tag, found.modified);
    let part = match file::asked(asked, length, &found.tag, &modified) {
        _ if fresh || method != Method::GET => file::Asked::Whole,
        part => part,
    };
    let mut headers = HeaderMap::with_capacity(12);
    set(&mut headers, header::ETAG, &format!("\"{}\"", found.tag));
    set(&mut headers, header::LAST_MODIFIED, &modified);
    set(&mut headers, header::CACHE_CONTROL, CACHE);
    set(&mut headers, header::ACCEPT_RANGES, "bytes");
    if !fresh {
        set(&mut headers, header::CONTENT_TYPE, content_type);
        set(&mut headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        set(&mut headers, header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; sandbox");
    }
    let (status, sent) = match part {
        _ if fresh => (StatusCode::NOT_MODIFIED, None),
        file::Asked::Whole => (StatusCode::OK, Some(Part::whole(length))),
        file::Asked::Part(part) => {
            let range = format!("bytes {}-{}/{length}", part.first, part.end - 1);
            set(&mut headers, header::CONTENT_RANGE, &range);
            (StatusCode::PARTIAL_CONTENT, Some(part))
        }
        file::Asked::Nothing => {
            set(&mut headers, header::CONTENT_RANGE, &format!("bytes */{length}"));
            (StatusCode::RANGE_NOT_SATISFIABLE, None)
        }
    };
    let body = match sent {
        None => whole(Bytes::new()),
        Some(part) => {
            set(&mut headers, header::CONTENT_LENGTH, &part.length().to_string());
            if method == Method::HEAD { whole(Bytes::new()) } else { Body::Right(found.pieces(part)) }
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A body that stands in memory as a whole.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Body::Left(Full::new(bytes.into()))
}

/// Plain words for machines and probes.
pub fn words(status: StatusCode, text: impl Into<String>) -> Response {
    let mut response = Response::new(whole(text.into()));
    *response.status_mut() = status;
    set(response.headers_mut(), header::CONTENT_TYPE, "text/plain; charset=utf-8");
    set(response.headers_mut(), header::CACHE_CONTROL, "no-store");
    response
}

/// 308: the same method at another path of this site.
pub fn moved(location: &str) -> Response {
    let mut response = words(StatusCode::PERMANENT_REDIRECT, format!("see {location}\n"));
    set(response.headers_mut(), header::LOCATION, location);
    response
}

fn describe(headers: &mut HeaderMap, media: Media) {
    set(headers, header::CONTENT_TYPE, media.content_type());
    set(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if matches!(media, Media::Html | Media::Svg) {
        set(headers, header::CONTENT_SECURITY_POLICY, PAGE_POLICY);
        set(headers, header::REFERRER_POLICY, "no-referrer");
    }
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// The length of what a GET would bring stays; hyper sends no body to a HEAD.
fn without_body_for_head(method: &Method, mut response: Response) -> Response {
    if method == Method::HEAD {
        let length = hyper::body::Body::size_hint(response.body()).exact().unwrap_or_default();
        if response.status() != StatusCode::NOT_MODIFIED {
            set(response.headers_mut(), header::CONTENT_LENGTH, &length.to_string());
        }
        *response.body_mut() = whole(Bytes::new());
    }
    response
}

fn select(asked: &HeaderMap, revision: &Revision) -> Coding {
    if asked.contains_key(header::ACCEPT_ENCODING) {
        if takes(asked, "br") && revision.brotli().is_some() {
            return Coding::Brotli;
        }
        if takes(asked, "gzip") && revision.gzip().is_some() {
            return Coding::Gzip;
        }
    }
    Coding::Identity
}

/// Does Accept-Encoding (RFC 9110 §12.5.3) name the coding, or `*`, with a weight above zero?
fn takes(asked: &HeaderMap, coding: &str) -> bool {
    let mut star = None;
    for value in asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()) {
        for item in value.split(',') {
            let mut parts = item.split(';');
            let name = parts.next().unwrap_or_default().trim();
            let weight =
                parts.find_map(|part| part.trim().strip_prefix("q=")?.trim().parse::<f32>().ok()).unwrap_or(1.0);
            if name.eq_ignore_ascii_case(coding) || (coding == "gzip" && name.eq_ignore_ascii_case("x-gzip")) {
                return weight > 0.0;
            }
            if name == "*" {
                star = Some(weight > 0.0);
            }
        }
    }
    star.unwrap_or(false)
}

/// 412: the client means other bytes than these, so that it would join what does not belong together.
fn precondition_failed() -> Response {
    words(StatusCode::PRECONDITION_FAILED, "it has changed; ask again without If-Match and If-Unmodified-Since\n")
}

/// If-Match, else If-Unmodified-Since (RFC 9110 §13.2.2, before all others): do they ask for something else?
fn is_refused(asked: &HeaderMap, tag: &str, modified: Time) -> bool {
    if asked.contains_key(header::IF_MATCH) {
        let values = asked.get_all(header::IF_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
        // Strong comparison: a weak tag never matches.
        return !tags.any(|wanted| wanted == "*" || wanted.starts_with('"') && is_of(wanted, tag));
    }
    let since = asked.get(header::IF_UNMODIFIED_SINCE).and_then(|value| value.to_str().ok());
    let since = since.and_then(|text| httpdate::parse_http_date(text).ok());
    // No date of ours lies in the future, whatever the clock was when it was made.
    since.is_some_and(|since| Time::from(since) < modified.min(SystemTime::now().into()).trunc_subsecs(0))
}

/// Is this the tag in any of its codings?
fn is_of(wanted: &str, tag: &str) -> bool {
    let opaque = wanted.trim_matches('"');
    opaque.strip_suffix("-gzip").or_else(|| opaque.strip_suffix("-br")).unwrap_or(opaque) == tag
}

fn is_fresh(asked: &HeaderMap, revision: &Revision) -> bool {
    is_had(asked, &revision.etag, revision.modified)
}

/// Has the client these bytes? If-None-Match outranks If-Modified-Since (RFC 9110 §13.2.2).
fn is_had(asked: &HeaderMap, tag: &str, modified: Time) -> bool {
    tag_matches(asked, tag).unwrap_or_else(|| {
        let since = asked.get(header::IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
        let since = since.and_then(|text| httpdate::parse_http_date(text).ok());
        since.is_some_and(|since| Time::from(since) >= modified)
    })
}

/// Weak comparison with any coding of the revision: whichever the client kept, its content is this one.
fn tag_matches(asked: &HeaderMap, tag: &str) -> Option<bool> {
    let mut present = false;
    for value in asked.get_all(header::IF_NONE_MATCH) {
        present = true;
        let Ok(value) = value.to_str() else { continue };
        for candidate in value.split(',').map(str::trim) {
            if candidate == "*" || is_of(candidate.strip_prefix("W/").unwrap_or(candidate), tag) {
                return Some(true);
            }
        }
    }
    present.then_some(false)
}

fn http_date(time: Time) -> String {
    httpdate::fmt_http_date(time.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::revive;
    use crate::store::StoredRevision;

    fn ask(headers: &[(&'static str, &str)]) -> (u16, Option<String>, HeaderMap) {
        let stored = StoredRevision {
            path: "atom.xml".into(),
            body: Some("<entry/>".repeat(500).into()),
            gzip: None,
            brotli: None,
            etag: "tag".into(),
            modified: Time::from_timestamp(784_111_777, 0).unwrap(),
            counter: 1,
            made_by: String::new(),
        };
        let mut asked = HeaderMap::new();
        for (name, value) in headers {
            asked.append(*name, value.parse().unwrap());
        }
        let links = || vec!["<https://example.org/atom.xml>; rel=\"self\"".to_owned()];
        let response = revision(&Method::GET, &asked, &revive(stored), links);
        let coding = response.headers().get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), coding, response.headers().clone())
    }

    #[test]
    fn the_best_coding_that_is_taken() {
        let check = |accept: &str, want: Option<&str>| {
            assert_eq!(ask(&[("accept-encoding", accept)]).1.as_deref(), want, "{accept}")
        };
        check("gzip, deflate, br", Some("br"));
        check("gzip", Some("gzip"));
        check("br;q=0, gzip;q=0.5", Some("gzip"));
        check("*", Some("br"));
        check("*;q=0", None);
        check("identity", None);
        assert_eq!(ask(&[]).1, None);
    }

    #[test]
    fn conditional_requests() {
        let check = |headers: &[(&'static str, &str)], want: u16| assert_eq!(ask(headers).0, want, "{headers:?}");
        check(&[], 200);
        check(&[("if-none-match", "\"tag\"")], 304);
        check(&[("if-match", "\"old\"")], 412);
        check(&[("if-match", "\"old\", \"tag\"")], 200);
        check(&[("if-match", "\"tag-gzip\"")], 200);
        check(&[("if-match", "W/\"tag\"")], 412);
        check(&[("if-match", "*"), ("if-none-match", "\"tag\"")], 304);
        check(&[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], 412);
        check(&[("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], 200);
        check(&[("if-unmodified-since", "nonsense")], 200);
        check(&[("if-match", "\"tag\""), ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], 200);
        check(&[("if-none-match", "W/\"tag-gzip\", \"other\"")], 304);
        check(&[("if-none-match", "*")], 304);
        check(&[("if-none-match", "\"other\""), ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], 200);
        check(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], 304);
        check(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], 200);
        check(&[("if-modified-since", "nonsense")], 200);
    }

    #[test]
    fn no_answer_is_dated_in_the_future() {
        let revision = Revision::new(
            Media::Atom,
            "<feed/>".into(),
            "tag".into(),
            Time::from_timestamp(4_102_444_800, 0).unwrap(),
            1,
        );
        let answer = super::revision(&Method::GET, &HeaderMap::new(), &revision, Vec::new);
        let modified = answer.headers().get(header::LAST_MODIFIED).unwrap().to_str().unwrap();
        assert!(httpdate::parse_http_date(modified).unwrap() <= SystemTime::now());
    }

    #[test]
    fn one_tag_for_each_coding_and_the_headers_of_a_feed() {
        let headers = ask(&[("accept-encoding", "gzip")]).2;
        let get = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        assert_eq!(get("etag"), "\"tag-gzip\"");
        assert_eq!(get("vary"), "Accept-Encoding");
        assert_eq!(get("content-type"), "application/atom+xml; charset=utf-8");
        assert_eq!(get("access-control-allow-origin"), "*");
        assert!(get("link").contains("rel=\"self\""));
        assert_eq!(get("last-modified"), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
