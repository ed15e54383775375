//! A web server of our own on loopback that does as it is told, and behaves as badly as it is told: answers scripted by
//! path, in raw bytes where nothing else is bad enough. It counts what it is asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// What one path does.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// Status, header lines, body; Content-Length is added.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// 200 with an ETag, 304 to whoever sends it back.
    Tagged { etag: String, body: Vec<u8> },
    /// Exactly these bytes, then the connection closes.
    Raw(Vec<u8>),
    /// These bytes at once, the others one after the other with a pause, then silence.
    Drip(Vec<u8>, Vec<u8>, Duration),
    /// These bytes, then the same piece for ever.
    Endless(Vec<u8>, Vec<u8>),
    /// These bytes, then nothing, with the connection open.
    Silence(Vec<u8>),
    /// The connection is reset without an answer, after these bytes.
    Reset(Vec<u8>),
}

/// One request as it came in.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    /// Lower-case names.
    pub fields: Vec<(String, String)>,
}

impl Asked {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The running server; it ends with its runtime.
#[derive(Clone)]
pub struct Origin {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    paths: BTreeMap<String, Behaviour>,
    asked: Vec<Asked>,
    connections: usize,
}

impl Origin {
    pub async fn start() -> Origin {
        Origin::start_at("127.0.0.1:0").await
    }

    pub async fn start_at(address: &str) -> Origin {
        let listener = TcpListener::bind(address).await.expect("a loopback port");
        let origin = Origin { address: listener.local_addr().expect("bound"), state: Arc::default() };
        let state = origin.state.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                state.lock().expect("no panic inside").connections += 1;
                tokio::spawn(serve(stream, state.clone()));
            }
        });
        origin
    }

    pub fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).expect("a valid path")
    }

    pub fn on(&self, path: &str, behaviour: Behaviour) -> &Origin {
        self.state.lock().expect("no panic inside").paths.insert(path.to_owned(), behaviour);
        self
    }

    pub fn answer(&self, path: &str, status: u16, fields: &[(&str, &str)], body: impl AsRef<[u8]>) -> &Origin {
        let fields = fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        self.on(path, Behaviour::Answer(status, fields, body.as_ref().to_vec()))
    }

    pub fn redirect(&self, path: &str, status: u16, to: impl AsRef<str>) -> &Origin {
        self.answer(path, status, &[("Location", to.as_ref())], "a body that nobody reads")
    }

    pub fn raw(&self, path: &str, bytes: impl AsRef<[u8]>) -> &Origin {
        self.on(path, Behaviour::Raw(bytes.as_ref().to_vec()))
    }

    /// Every request so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().expect("no panic inside").asked.clone()
    }

    /// Requests for one path.
    pub fn count(&self, path: &str) -> usize {
        self.asked().iter().filter(|asked| asked.path == path).count()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().expect("no panic inside").connections
    }
}

/// Requests of one connection, until it closes.
async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    while let Some(asked) = read_head(&mut stream).await {
        let behaviour = {
            let mut state = state.lock().expect("no panic inside");
            state.asked.push(asked.clone());
            let path = asked.path.split('?').next().unwrap_or_default();
            state.paths.get(&asked.path).or_else(|| state.paths.get(path)).cloned()
        };
        let behaviour = behaviour.unwrap_or(Behaviour::Answer(404, Vec::new(), b"nothing here".to_vec()));
        if behave(&mut stream, behaviour, &asked).await.is_none() {
            return;
        }
    }
}

/// `None`: the connection is done.
async fn behave(stream: &mut TcpStream, behaviour: Behaviour, asked: &Asked) -> Option<()> {
    match behaviour {
        Behaviour::Answer(status, fields, body) => {
            let mut head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: {}\r\n", body.len());
            fields.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
            head.push_str("\r\n");
            let bytes =
                if status == 304 { head.replace(&format!("Content-Length: {}\r\n", body.len()), "") } else { head };
            stream.write_all(bytes.as_bytes()).await.ok()?;
            if status == 304 { Some(()) } else { stream.write_all(&body).await.ok() }
        }
        Behaviour::Tagged { etag, body } => {
            let known = asked.field("if-none-match") == Some(etag.as_str());
            let head = if known { "304 Not Modified" } else { "200 OK" };
            let length = if known { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
            let head = format!("HTTP/1.1 {head}\r\nETag: {etag}\r\n{length}\r\n");
            stream.write_all(head.as_bytes()).await.ok()?;
            if known { Some(()) } else { stream.write_all(&body).await.ok() }
        }
        Behaviour::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            None
        }
        Behaviour::Drip(head, bytes, pause) => {
            stream.write_all(&head).await.ok()?;
            for byte in bytes {
                stream.write_all(&[byte]).await.ok()?;
                stream.flush().await.ok()?;
                tokio::time::sleep(pause).await;
            }
            wait_for_the_end(stream).await
        }
        Behaviour::Endless(head, piece) => {
            stream.write_all(&head).await.ok()?;
            loop {
                stream.write_all(&piece).await.ok()?;
            }
        }
        Behaviour::Silence(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            wait_for_the_end(stream).await
        }
        Behaviour::Reset(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // Closed with no time to linger, the kernel sends a reset.
            let _ = stream.set_zero_linger();
            None
        }
    }
}

async fn wait_for_the_end(stream: &mut TcpStream) -> Option<()> {
    let mut rest = [0; 64];
    while stream.read(&mut rest).await.ok()? > 0 {}
    None
}

async fn read_head(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // Nobody sends a second request before the answer to the first.
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.ok()?;
        // 0x16: somebody tries to speak TLS, and hears words instead.
        if head.is_empty() && piece[0] == 0x16 {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            return None;
        }
        if read == 0 || head.len() > 64 * 1024 {
            return None;
        }
        head.extend(&piece[..read]);
    }
    let head: String = head.iter().copied().map(char::from).collect();
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let fields = lines.filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Some(Asked { path, fields })
}
