//! The other end of WebSub on loopback: a subscriber's callbacks, or a hub, that do as they are told and keep what came.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use url::Url;

use crate::support::{Answer, until};

/// How one path answers GET and POST.
#[derive(Clone, Debug)]
pub struct Manner {
    pub get: Reply,
    pub post: Reply,
}

#[derive(Clone, Debug)]
pub enum Reply {
    /// 200 with the challenge of the request.
    Echo,
    Words(u16, String),
    Redirect(u16, String),
    /// Takes the request and says nothing.
    Silence,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Came {
    pub method: String,
    /// With its query.
    pub url: Url,
    /// Lower-case names.
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Came {
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A parameter of its query, or of its form.
    pub fn parameter(&self, name: &str) -> String {
        let form = url::form_urlencoded::parse(&self.body);
        let all = self.url.query_pairs().chain(form);
        all.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).next().unwrap_or_default()
    }
}

#[derive(Clone)]
pub struct Peer {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    manners: BTreeMap<String, Manner>,
    came: Vec<Came>,
    /// Connections that nobody answers stay open.
    silent: Vec<TcpStream>,
}

impl Peer {
    pub fn start() -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Peer { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let state = peer.state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        peer
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A path that is not told anything confirms and takes whatever comes.
    pub fn on(&self, path: &str, get: Reply, post: Reply) {
        self.state.lock().unwrap().manners.insert(path.to_owned(), Manner { get, post });
    }

    /// What came to one path by one method.
    pub fn came(&self, method: &str, path: &str) -> Vec<Came> {
        let state = self.state.lock().unwrap();
        state.came.iter().filter(|came| came.method == method && came.url.path() == path).cloned().collect()
    }

    /// Wait for the nth, counted from 1.
    pub fn nth(&self, method: &str, path: &str, nth: usize) -> Came {
        until(&format!("{method} {path}, the {nth}th"), || self.came(method, path).into_iter().nth(nth - 1))
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let came = read(&mut reader)?;
        let reply = {
            let mut state = state.lock().unwrap();
            state.came.push(came.clone());
            let manner = state.manners.get(came.url.path()).cloned();
            let manner = manner.unwrap_or(Manner { get: Reply::Echo, post: Reply::Words(202, String::new()) });
            if came.method == "GET" { manner.get } else { manner.post }
        };
        let (status, fields, body) = match reply {
            Reply::Echo => (200, String::new(), came.parameter("hub.challenge")),
            Reply::Words(status, words) => (status, String::new(), words),
            Reply::Redirect(status, to) => (status, format!("Location: {to}\r\n"), String::new()),
            Reply::Silence => {
                state.lock().unwrap().silent.push(reader.into_inner());
                return None;
            }
        };
        let answer = format!("HTTP/1.1 {status} Told\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len());
        reader.get_mut().write_all(answer.as_bytes()).ok()?;
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Came> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut fields = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        fields.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let length =
        fields.iter().find(|(name, _)| name == "content-length").map_or(Some(0), |(_, value)| value.parse().ok())?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Came { method, url: Url::parse(&format!("http://peer{path}")).ok()?, fields, body })
}

/// One request with a body. A server may answer and close before it has read all of it.
pub fn send(port: u16, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
    let length = body.len().to_string();
    let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("Content-Length", length.as_str())]).collect();
    crate::support::exchange(port, method, path, &fields, body).unwrap()
}

/// A form to a hub.
pub fn post_form(port: u16, path: &str, fields: &[(&str, &str)]) -> Answer {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    send(port, "POST", path, &[("Content-Type", "application/x-www-form-urlencoded")], form.as_bytes())
}
