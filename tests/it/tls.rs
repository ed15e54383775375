//! Secure connections: whom newsdesk believes, and what it says of those whom it does not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{Desk, Ran, atom, rss};

/// A web server on loopback behind TLS, with one feed for whoever gets that far.
struct Secure {
    port: u16,
    /// First lines of the requests that came through.
    asked: Arc<Mutex<Vec<String>>>,
}

type Stream = StreamOwned<ServerConnection, std::net::TcpStream>;

impl Secure {
    fn start(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Secure {
        Secure::answering(chain, key, "http/1.1", answer)
    }

    fn answering(
        chain: Vec<CertificateDer<'static>>,
        key: &KeyPair,
        protocol: &str,
        answer: impl Fn(Stream, &Mutex<Vec<String>>) -> std::io::Result<()> + Send + 'static,
    ) -> Secure {
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![protocol.into()];
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let secure = Secure { port: listener.local_addr().unwrap().port(), asked: Arc::default() };
        let asked = secure.asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(config.clone()).unwrap();
                // Whoever does not believe us hangs up.
                let _ = answer(StreamOwned::new(connection, stream), &asked);
            }
        });
        secure
    }

    fn source(&self, name: &str, host: &str) -> String {
        let url = format!("https://{host}:{}/feed", self.port);
        format!("[[source]]\nname = \"{name}\"\nurl = \"{url}\"\nsections = [\"news\"]\n")
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: Stream, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    asked.lock().unwrap().extend(String::from_utf8_lossy(&head).lines().next().map(str::to_owned));
    let feed = atom("Secure", &[("tag:s,2026:1", "One", "2026-03-01T00:00:00Z")]);
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{feed}", feed.len())?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// An authority of our own, as it stands in a file that the machine trusts.
fn authority(desk: &Desk) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "An authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    desk.write("authorities.pem", authority.pem());
    authority
}

/// A server with a certificate of that authority for these names, which holds from one year to another.
fn certified(by: &CertifiedIssuer<'static, KeyPair>, names: &[&str], years: (i32, i32)) -> Secure {
    let (chain, key) = certificate(by, names, years);
    Secure::start(chain, &key)
}

fn certificate(
    by: &CertifiedIssuer<'static, KeyPair>,
    names: &[&str],
    years: (i32, i32),
) -> (Vec<CertificateDer<'static>>, KeyPair) {
    let mut params = CertificateParams::new(names.iter().map(|name| name.to_string()).collect::<Vec<_>>()).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, by).unwrap();
    (vec![certificate.der().clone()], key)
}

const ALWAYS: (i32, i32) = (2000, 2900);

/// An update on a machine that trusts whoever stands in this file of the desk.
fn update(desk: &Desk, sources: &str, authorities: &str) -> Ran {
    desk.configure(&format!("[[section]]\nname = \"news\"\n{sources}"));
    let mut command = desk.command(&["update"]);
    command.env("SSL_CERT_FILE", desk.path(authorities)).env_remove("SSL_CERT_DIR");
    Ran::from(command.output().unwrap())
}

#[test]
fn a_server_of_a_trusted_authority_is_believed() {
    let desk = Desk::new();
    let secure = certified(&authority(&desk), &["localhost", "127.0.0.1"], ALWAYS);
    let both = secure.source("by name", "localhost") + &secure.source("by address", "127.0.0.1");
    let ran = update(&desk, &both, "authorities.pem");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(secure.asked(), ["GET /feed HTTP/1.1", "GET /feed HTTP/1.1"]);
}

#[test]
fn a_server_whom_nobody_vouches_for_is_asked_nothing() {
    let desk = Desk::new();
    let authority = authority(&desk);
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let own = Secure::start(vec![own.cert.der().clone()], &own.signing_key);
    // As `openssl req -x509` makes them: an authority that is its own server.
    let made_by_hand = Secure::start(vec![authority.der().clone()], authority.key());
    let old = certified(&authority, &["localhost"], (2000, 2001));
    let early = certified(&authority, &["localhost"], (2800, 2900));
    let other = certified(&authority, &["feeds.example"], ALWAYS);
    let clock = "its certificate is out of date, or the clock of this machine is wrong";
    for (name, secure, words) in [
        ("self-signed", &own, "nobody whom this machine trusts vouches for its certificate; if it is one of your own"),
        ("by hand", &made_by_hand, "its certificate proves nothing; its owner has to mend it"),
        ("old", &old, clock),
        ("early", &early, clock),
        ("other", &other, "its certificate is for another name; check the address"),
    ] {
        let ran = update(&desk, &secure.source(name, "localhost"), "authorities.pem");
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let url = format!("https://localhost:{}/feed", secure.port);
        ran.says(&[&format!("{name}: fetch: {url}: no secure connection; {words}")]);
        assert_eq!(secure.asked(), [""; 0], "{name}: neither path nor credentials went out");
    }
}

/// The authorities are read when a server first has to be proved: until then it does not matter whether they can be.
#[test]
fn a_machine_without_authorities_reads_what_needs_none() {
    let desk = Desk::new();
    let secure = certified(&authority(&desk), &["localhost"], ALWAYS);
    let plain = rss("Plain", &[("tag:p,2026:1", "Plain", "Sun, 01 Mar 2026 10:00:00 GMT")]);
    desk.origin.answer("/plain", 200, &[], plain);
    let url = desk.origin.url("/plain");
    let plain = format!("[[source]]\nname = \"plain\"\nurl = \"{url}\"\nsections = [\"news\"]\n");
    assert_eq!(update(&desk, &plain, "missing.pem").code, Some(0));
    let ran = update(&desk, &(plain + &secure.source("secure", "localhost")), "missing.pem");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    ran.says(&["secure: fetch: ", "whom this machine trusts cannot be read; install ca-certificates"]);
    assert!(!ran.err.contains("plain: fetch"), "{ran:?}");
    assert_eq!(secure.asked(), [""; 0]);
}

/// HTTP/2 by hand (RFC 9113 §4.1): the type and flags of a frame on a stream, and what is in it.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Answer the first request of an HTTP/2 connection with `fields` fields of 4 KB each and a feed.
fn answer_with_fields(mut stream: Stream, fields: usize) -> std::io::Result<()> {
    let [data, headers, settings, continuation] = [0, 1, 4, 9];
    let (end_stream, end_headers) = (1, 4);
    let mut preface = [0; 24];
    stream.read_exact(&mut preface)?;
    stream.write_all(&frame(settings, 0, 0, &[]))?;
    // What is asked, does not matter here; the first request of a client is stream 1.
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload)?;
        if head[3] == headers {
            break;
        }
    }
    // RFC 7541: 200 from the static table, then literal fields without indexing.
    let mut list = vec![0x88];
    for n in 0..fields {
        // 127 and the rest in groups of seven bits: 3873 is 0x1e * 128 + 0x21.
        list.extend([&[0x00, 7], format!("x-{n:05}").as_bytes(), &[0x7f, 0xa1, 0x1e], &[b'v'; 4000]].concat());
    }
    let parts: Vec<&[u8]> = list.chunks(16_384).collect();
    for (n, part) in parts.iter().enumerate() {
        let flags = if n + 1 == parts.len() { end_headers } else { 0 };
        stream.write_all(&frame(if n == 0 { headers } else { continuation }, flags, 1, part))?;
    }
    let feed = atom("Secure", &[("tag:s,2026:1", "One", "2026-03-01T00:00:00Z")]);
    stream.write_all(&frame(data, end_stream, 1, feed.as_bytes()))?;
    stream.flush()?;
    // Until the client hangs up.
    std::io::copy(&mut stream, &mut std::io::sink()).map(drop)
}

/// HTTP/2 has no bound of its own on the fields of an answer, and a field may come in any number of frames.
#[test]
fn fields_without_end_over_http2_fail_and_a_few_do_no_harm() {
    let desk = Desk::new();
    let (chain, key) = certificate(&authority(&desk), &["localhost"], ALWAYS);
    let secure =
        |fields| Secure::answering(chain.clone(), &key, "h2", move |stream, _| answer_with_fields(stream, fields));
    let servers = [("few", secure(12)), ("more than 64 KiB", secure(17)), ("without end", secure(10_000))];
    let sources: String = servers.iter().map(|(name, secure)| secure.source(name, "localhost")).collect();
    let ran = update(&desk, &sources, "authorities.pem");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    ran.says(&["more than 64 KiB: fetch: ", "without end: fetch: "]);
    assert!(!ran.err.contains("few: fetch"), "{ran:?}");
}
