//! Origins that misbehave, seen through the real binary: each costs its own source one poll and is told in words; what
//! was read before stays, the others are none the worse, and with the first good answer all is forgotten.

use std::io::{BufRead, Write};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::http::CODINGS;
use crate::origin::Behaviour;
use crate::support::{Desk, atom, row};

const OK: &str = "HTTP/1.1 200 OK\r\n";

/// A way to misbehave, and what is said of it: the step, a status where there was one, and words.
type Case = (String, Behaviour, &'static str, Option<u16>, String);

fn case(name: &str, behaviour: Behaviour, stage: &'static str, status: Option<u16>, words: &str) -> Case {
    (name.to_owned(), behaviour, stage, status, words.to_owned())
}

fn raw(bytes: impl AsRef<[u8]>) -> Behaviour {
    Behaviour::Raw(bytes.as_ref().to_vec())
}

fn answer(status: u16, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> Behaviour {
    let fields = fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Behaviour::Answer(status, fields, body.as_ref().to_vec())
}

fn entry(name: &str, n: usize) -> (String, String) {
    (format!("tag:{name},2026:{n}").replace(' ', "-"), format!("{name} {n}"))
}

/// The feed of a source, with so many entries.
fn feed(name: &str, entries: usize) -> String {
    let entries: Vec<_> = (1..=entries).map(|n| entry(name, n)).collect();
    let entries: Vec<_> = entries.iter().map(|(id, title)| (&**id, &**title, "2026-03-01T00:00:00Z")).collect();
    atom(name, &entries)
}

fn connections() -> Vec<Case> {
    let slowly = Duration::from_millis(50);
    let length = format!("{OK}Content-Length: 100000\r\n\r\n");
    let chunked = format!("{OK}Transfer-Encoding: chunked\r\n\r\n");
    let late = "took longer than 3s; it is asked again later";
    let large = "it is larger than 1048576 bytes; if that is right, raise max-body under [fetch]";
    let cut = "the connection ended before the body did";
    let not_http = "its answer is not HTTP that can be understood";
    let piece = [&b"1000\r\n"[..], &[b' '; 4096], b"\r\n"].concat();
    vec![
        case("silence", Behaviour::Silence(vec![]), "fetch", None, &format!("the first byte {late}")),
        case("half a head", Behaviour::Silence(OK.into()), "fetch", None, &format!("the first byte {late}")),
        case(
            "dripping head",
            Behaviour::Drip(OK.into(), vec![b'x'; 9000], slowly),
            "fetch",
            None,
            &format!("the first byte {late}"),
        ),
        case(
            "half a body",
            Behaviour::Silence((length.clone() + "<feed>").into()),
            "fetch",
            None,
            &format!("a part of the body {late}"),
        ),
        case(
            "dripping body",
            Behaviour::Drip(length.into(), vec![b' '; 9000], slowly),
            "fetch",
            None,
            "the whole answer took longer than 5s",
        ),
        case(
            "endless body",
            Behaviour::Endless(format!("{OK}\r\n").into(), vec![b' '; 4096]),
            "fetch",
            Some(200),
            large,
        ),
        case("endless chunks", Behaviour::Endless(chunked.clone().into(), piece), "fetch", Some(200), large),
        case("vast promise", raw(format!("{OK}Content-Length: 99999999999\r\n\r\n<feed>")), "fetch", Some(200), large),
        case("endless head", Behaviour::Endless(format!("{OK}X: ").into(), vec![b'x'; 4096]), "fetch", None, not_http),
        case("a thousand fields", raw(format!("{OK}{}\r\n<feed>", "X: y\r\n".repeat(1000))), "fetch", None, not_http),
        case(
            "two lengths",
            raw(format!("{OK}Content-Length: 6\r\nContent-Length: 7\r\n\r\n<feed>")),
            "fetch",
            None,
            not_http,
        ),
        case("negative length", raw(format!("{OK}Content-Length: -6\r\n\r\n<feed>")), "fetch", None, not_http),
        case(
            "overflowing length",
            raw(format!("{OK}Content-Length: 99999999999999999999999\r\n\r\n<feed>")),
            "fetch",
            None,
            not_http,
        ),
        case("too long a length", raw(format!("{OK}Content-Length: 100\r\n\r\n<feed>")), "fetch", Some(200), cut),
        case(
            "too short a length",
            raw(format!("{OK}Content-Length: 5\r\n\r\n<feed>")),
            "parse",
            Some(200),
            "this is no feed; it begins with \"<feed\"",
        ),
        case("bad chunk", raw(format!("{chunked}zz\r\n<feed>\r\n0\r\n\r\n")), "fetch", Some(200), cut),
        case("vast chunk", raw(format!("{chunked}fffffffffffffffff\r\n<feed>")), "fetch", Some(200), cut),
        case("unended chunks", raw(format!("{chunked}6\r\n<feed>\r\n")), "fetch", Some(200), cut),
        case("reset at once", Behaviour::Reset(vec![]), "fetch", None, not_http),
        case(
            "reset later",
            Behaviour::Reset(format!("{OK}Content-Length: 100\r\n\r\n<feed>").into()),
            "fetch",
            Some(200),
            cut,
        ),
        case("closed at once", raw(""), "fetch", None, not_http),
        case("no head", raw("<feed/>"), "fetch", None, not_http),
        case("other protocol", raw("220 mail.example ESMTP ready\r\n"), "fetch", None, not_http),
        case(
            "endless interim answers",
            Behaviour::Drip(vec![], "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(900).into(), slowly),
            "fetch",
            None,
            &format!("the first byte {late}"),
        ),
    ]
}

fn codings() -> Vec<Case> {
    let cannot = "its body cannot be decoded: ";
    let mut cases = Vec::new();
    for (at, (name, encode)) in CODINGS.into_iter().enumerate() {
        let field = [("Content-Encoding", name)];
        let whole = encode(feed("x", 200).as_bytes());
        let half = &whole[..whole.len() / 2];
        let bomb = answer(200, &field, encode(&vec![b' '; 4 << 20]));
        cases.push(case(&format!("bomb {at} {name}"), bomb, "fetch", Some(200), "it is larger than 1048576 bytes"));
        cases.push(case(&format!("half {at} {name}"), answer(200, &field, half), "fetch", Some(200), cannot));
        cases.push(case(&format!("lie {at} {name}"), answer(200, &field, "<feed/>"), "fetch", Some(200), cannot));
    }
    let twice = answer(200, &[("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")], "x");
    let unknown = answer(200, &[("Content-Encoding", "sdch")], "x");
    cases.push(case("coded twice", twice, "fetch", Some(200), "it is encoded more than once"));
    cases.push(case("coded unknown", unknown, "fetch", Some(200), "its content coding \"sdch\" is none of gzip"));
    cases.push(case(
        "coded in Latin-1",
        raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gz\xefp\r\n\r\nx"),
        "fetch",
        Some(200),
        "its content coding",
    ));
    cases
}

fn statuses() -> Vec<Case> {
    let mut cases = vec![
        case(
            "206 unasked",
            answer(206, &[("Content-Range", "bytes 0-5/100")], "<feed>"),
            "fetch",
            Some(206),
            "it answered 206 (a part of the document), though the whole was asked for",
        ),
        case(
            "304 unasked",
            answer(304, &[("ETag", "\"1\"")], ""),
            "fetch",
            Some(304),
            "it answered 304 (not modified), though nothing was remembered to compare with",
        ),
        case("status 99", raw("HTTP/1.1 99 Less\r\n\r\n"), "fetch", None, "not HTTP"),
        case("status 1000", raw("HTTP/1.1 1000 More\r\n\r\n"), "fetch", None, "not HTTP"),
        case("status in words", raw("HTTP/1.1 fine\r\n\r\n"), "fetch", None, "not HTTP"),
        case(
            "101 unasked",
            raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
            "fetch",
            Some(101),
            "101 Switching Protocols: not an answer to what was asked",
        ),
        case(
            "page in its place",
            answer(200, &[("Content-Type", "application/atom+xml")], "<!doctype html><title>Log in</title>"),
            "parse",
            Some(200),
            "this is a web page (\"Log in\"), not a feed",
        ),
        case("nothing in its place", answer(200, &[], ""), "parse", Some(200), "the document is empty"),
        case(
            "other XML in its place",
            answer(200, &[], "<error>no</error>"),
            "parse",
            Some(200),
            "this is XML (<error>), but no feed",
        ),
    ];
    for (status, words) in [
        (201, "201 Created: not an answer to what was asked"),
        (204, "204 No Content: not an answer to what was asked"),
        (205, "205 Reset Content: not an answer to what was asked"),
        (299, "299: not an answer to what was asked"),
        (300, "300 Multiple Choices: not an answer to what was asked"),
        (400, "400 Bad Request: it refuses the request"),
        (401, "401 Unauthorized: it wants credentials: set username and password-file, or token-file"),
        (402, "402 Payment Required: it refuses the request"),
        (403, "403 Forbidden: it does not want us"),
        (404, "404 Not Found: there is nothing there"),
        (407, "407 Proxy Authentication Required: the proxy wants credentials"),
        (418, "418 I'm a teapot: it refuses the request"),
        (451, "451 Unavailable For Legal Reasons: it refuses the request"),
        (500, "500 Internal Server Error: its server is in trouble; it is asked again later"),
        (502, "502 Bad Gateway: its server is in trouble"),
        (503, "503 Service Unavailable: not available now; it is asked again later"),
        (599, "599: its server is in trouble"),
        (600, "600: not an answer to what was asked"),
        (999, "999: not an answer to what was asked"),
    ] {
        let fields = [("Retry-After", "99999999"), ("Location", "/elsewhere")];
        // Of 503 it would be obeyed.
        let fields = if status == 503 { &[][..] } else { &fields[..] };
        cases.push(case(&format!("status {status}"), answer(status, fields, "<feed/>"), "fetch", Some(status), words));
    }
    cases
}

fn redirects(desk: &Desk) -> Vec<Case> {
    for n in 0..6 {
        desk.origin.redirect(&format!("/hop/{n}"), 302, format!("/hop/{}", n + 1));
    }
    desk.origin.redirect("/ping", 302, "/pong").redirect("/pong", 302, "/ping");
    let away = |to: &str| answer(302, &[("Location", to)], "");
    vec![
        case("circle", away("/ping"), "fetch", None, "its redirect (302) leads back to where we have been"),
        case("sixth redirect", away("/hop/1"), "fetch", None, "its redirect (302) is the 6th in a row, one too many"),
        case("redirect to nowhere", answer(301, &[], ""), "fetch", None, "its redirect (301) leads nowhere"),
        case(
            "redirect to a file",
            away("file:///etc/passwd"),
            "fetch",
            None,
            "leads out of http and https, to \"file\"",
        ),
        case("redirect inwards", away("http://127.0.0.1.:1/"), "fetch", None, "no connection; its server is down"),
        case(
            "redirect to a long URL",
            away(&format!("/{}", "x".repeat(5000))),
            "fetch",
            None,
            "more than 4096 characters",
        ),
        case(
            "redirect in Latin-1",
            raw(b"HTTP/1.1 302 Found\r\nLocation: /caf\xe9\r\n\r\n"),
            "fetch",
            Some(404),
            "404 Not Found",
        ),
    ]
}

#[test]
fn whoever_misbehaves_harms_nobody_else_and_is_forgiven() {
    let desk = Desk::new();
    let cases: Vec<Case> = [connections(), codings(), statuses(), redirects(&desk)].concat();
    let path = |name: &str| format!("/{}", name.replace([' ', '-'], "_"));
    let source =
        |name: &str, url: String| format!("[[source]]\nname = \"{name}\"\nurl = \"{url}\"\nsections = [\"news\"]\n");
    let mut tables =
        "max-body = \"1 MiB\"\nfirst-byte-timeout = \"3s\"\nidle-timeout = \"3s\"\ntotal-timeout = \"5s\"\n\
                      [[section]]\nname = \"news\"\nlimit = 1000\n"
            .to_owned();
    for (name, ..) in &cases {
        tables += &source(name, desk.origin.url(&path(name)).into());
        desk.origin.answer(&path(name), 200, &[], feed(name, 1));
    }
    // Beside them, on their own host and on another one.
    tables += &source("here", desk.origin.url("/here").into());
    tables += &source("there", format!("http://localhost:{}/there", desk.origin.address.port()));
    desk.configure(&tables);
    let well = |entries: usize| {
        for name in ["here", "there"] {
            desk.origin.answer(&path(name), 200, &[], feed(name, entries));
        }
    };
    well(1);
    let first = desk.run(&["update", "--json"]);
    assert_eq!(first.code, Some(0), "{}", first.err);

    well(2);
    for (name, behaviour, ..) in &cases {
        desk.origin.on(&path(name), behaviour.clone());
    }
    let told = desk.run(&["update", "--json"]);
    assert_eq!(told.code, Some(1), "{}", told.err);
    let (told, status) = (told.json(), desk.run(&["status", "--json"]).json());
    for name in ["here", "there"] {
        assert_eq!(row(&told, name)["outcome"], "1 new");
    }
    let mut wrong = Vec::new();
    for (name, _, stage, http_status, words) in &cases {
        let (told, row) = (row(&told, name), row(&status, name));
        let outcome = told["outcome"].as_str().unwrap();
        let as_said = told["ok"] == false && outcome.starts_with(stage) && outcome.contains(words.as_str());
        let expected = (1, Some(1), http_status.map(u64::from), Some(*stage), Some("failing"));
        let is = (
            row["entries"].as_u64().unwrap(),
            row["failures"].as_u64(),
            row["http_status"].as_u64(),
            row["stage"].as_str(),
            row["mark"].as_str(),
        );
        let next = time(&row["next_poll"]) - Utc::now();
        if !as_said || is != expected || next <= TimeDelta::zero() || next > TimeDelta::hours(24) {
            wrong.push(format!("{name}: {outcome}\n    {is:?}, next in {next}: {}", row["why"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // What they had brought is read on, and the first good answer makes all of it good.
    let daemon = desk.serve();
    let mut expected: Vec<String> = cases.iter().map(|(name, ..)| entry(name, 1).1).collect();
    expected.extend(["here", "there"].iter().flat_map(|name| [entry(name, 1).1, entry(name, 2).1]));
    expected.sort();
    let mut titles = desk.titles("news");
    titles.sort();
    assert_eq!(titles, expected);
    for (name, ..) in &cases {
        desk.origin.answer(&path(name), 200, &[], feed(name, 2));
    }
    let again = desk.run(&["update"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    let status = desk.run(&["status", "--json"]).json();
    for (name, ..) in &cases {
        let row = row(&status, name);
        let is = (row["mark"].as_str(), row["failures"].as_u64(), row["entries"].as_u64(), row["stage"].is_null());
        assert_eq!(is, (Some("well"), Some(0), Some(2), true), "{name}: {row}");
    }
    drop(daemon);
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no time"))
}

/// Fields that say too much, too little or the same twice: the document is read, and the next poll comes within a day and
/// the tenth by which sources are spread.
#[test]
fn odd_fields_harm_nobody() {
    let desk = Desk::new();
    let huge = "99999999999999999999999999";
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("huge max-age", format!("Cache-Control: max-age={huge}\r\n").into()),
        ("large max-age", "Cache-Control: max-age=4294967295\r\n".into()),
        ("negative max-age", "Cache-Control: max-age=-1\r\n".into()),
        ("two max-ages", "Cache-Control: max-age=5\r\nCache-Control: max-age=99999999\r\n".into()),
        ("max-age in words", "Cache-Control: max-age=\"soon\", max-age\r\n".into()),
        ("huge Age", format!("Cache-Control: max-age=60\r\nAge: {huge}\r\n").into()),
        ("negative Age", "Cache-Control: max-age=60\r\nAge: -99999999\r\n".into()),
        ("Expires in ten thousand years", "Expires: Fri, 31 Dec 9999 23:59:59 GMT\r\n".into()),
        ("Expires before all time", "Expires: Thu, 01 Jan 0000 00:00:00 GMT\r\n".into()),
        ("Expires 0", "Expires: 0\r\nExpires: -1\r\n".into()),
        (
            "Date in ten thousand years",
            "Date: Fri, 31 Dec 9999 23:59:59 GMT\r\nExpires: Fri, 31 Dec 9999 23:59:59 GMT\r\n".into(),
        ),
        ("Retry-After with a 200", format!("Retry-After: {huge}\r\n").into()),
        ("two ETags", "ETag: \"1\"\r\nETag: \"2\"\r\n".into()),
        ("long ETag", format!("ETag: \"{}\"\r\n", "x".repeat(9000)).into()),
        ("ETag in Latin-1", b"ETag: \"\xe9\xff\x80\"\r\nLast-Modified: \xe9\r\n".to_vec()),
        ("empty validators", "ETag:\r\nLast-Modified: \r\n".into()),
        ("media type of noise", b"Content-Type: \xff\xfe; charset=\xe9\r\n".to_vec()),
        ("long media type", format!("Content-Type: text/{}\r\n", "x".repeat(9000)).into()),
        ("many links", "Link: <https://a.example/>; rel=hub\r\n".repeat(80).into()),
        ("broken links", "Link: <<<>;;;rel=\"\r\nLink: http://[; rel=hub\r\nLink: <http://[>; rel=hub\r\n".into()),
        ("interim answers", Vec::new()),
    ];
    let mut tables = "[[section]]\nname = \"news\"\n".to_owned();
    for (at, (name, fields)) in cases.iter().enumerate() {
        let url = desk.origin.url(&format!("/{at}"));
        tables += &format!("[[source]]\nname = \"{name}\"\nurl = \"{url}\"\nsections = [\"news\"]\n");
        let body = feed(name, 1).replace("<title>", "<ttl>99999999999999</ttl><title>");
        let interim = if *name == "interim answers" {
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n"
        } else {
            ""
        };
        let end = format!("Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        desk.origin.raw(&format!("/{at}"), [interim.as_bytes(), OK.as_bytes(), fields, end.as_bytes()].concat());
    }
    desk.configure(&tables);
    for outcome in ["1 new", "200, the same bytes"] {
        let told = desk.run(&["update", "--json"]);
        assert_eq!(told.code, Some(0), "{}", told.err);
        let (told, status) = (told.json(), desk.run(&["status", "--json"]).json());
        for (name, _) in &cases {
            assert_eq!(row(&told, name)["outcome"], outcome, "{name}");
            let row = row(&status, name);
            let next = time(&row["next_poll"]) - Utc::now();
            assert!(next > TimeDelta::zero() && next <= TimeDelta::minutes(24 * 66), "{name}: in {next}: {row}");
            assert_eq!((row["mark"].as_str(), row["entries"].as_u64()), (Some("well"), Some(1)), "{name}: {row}");
        }
    }
}

/// A host that asks to be left alone for ever is left alone for a day.
#[test]
fn retry_after_is_obeyed_for_a_day_at_most() {
    let desk = Desk::new();
    let far = ["9999999999", "99999999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"];
    let near = ["-5", "soon", "0", "Thu, 01 Jan 1970 00:00:00 GMT", ""];
    let mut tables = String::new();
    for (at, value) in far.iter().chain(&near).enumerate() {
        let origin = desk.another_origin();
        origin.answer("/feed", if at % 2 == 0 { 429 } else { 503 }, &[("Retry-After", value)], "");
        tables += &format!("[[source]]\nname = \"{at}\"\nurl = \"{}\"\n", origin.url("/feed"));
    }
    desk.configure(&tables);
    assert_eq!(desk.run(&["update"]).code, Some(1));
    let status = desk.run(&["status", "--json"]).json();
    for at in 0..far.len() + near.len() {
        let row = row(&status, &at.to_string());
        let (next, why) = (time(&row["next_poll"]) - Utc::now(), row["why"].as_str().unwrap());
        let parked = at < far.len();
        let within = if parked { 23 * 60..=24 * 66 } else { 0..=3 * 60 };
        assert!(within.contains(&next.num_minutes()), "{at}: in {next}: {why}");
        assert_eq!(why.contains("parked by the host for 24 h"), parked, "{at}: {why}");
    }
}

#[test]
fn what_another_answer_left_on_a_kept_connection_is_no_fault_of_the_source() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = connections.clone();
    // The first answer of a connection is good, whatever is asked next meets bytes that are no HTTP.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            std::thread::spawn(move || {
                let mut reader = std::io::BufReader::new(stream.try_clone().unwrap());
                let mut stream = stream;
                for asked in 0..2 {
                    let mut head = String::new();
                    while !head.ends_with("\r\n\r\n") {
                        if reader.read_line(&mut head).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let answer = match (asked, head.starts_with("GET /begin ")) {
                        (0, true) => "HTTP/1.1 302 Found\r\nLocation: /feed\r\nContent-Length: 0\r\n\r\n".to_owned(),
                        (0, false) => {
                            let body = feed("kept", 1);
                            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                        }
                        _ => "left over\r\n\r\n".to_owned(),
                    };
                    let _ = stream.write_all(answer.as_bytes());
                }
            });
        }
    });
    let desk = Desk::new();
    desk.configure(&format!(
        "[[section]]\nname = \"news\"\n[[source]]\nname = \"kept\"\nurl = \"http://127.0.0.1:{port}/begin\"\nsections = [\"news\"]\n"
    ));
    let told = desk.run(&["update", "--json"]);
    assert_eq!(row(&told.json(), "kept")["outcome"], "1 new", "{told:?}");
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 2, "once more, and not again and again");
}
