//! Serve: HTTP for what was published, on the public address; control on the admin address, apart.
//!
//! The public address only reads, but for the two endpoints of WebSub. May use: `publish`, `websub`. Pages that are made for a request come
//! from a function that the daemon hands in, so that nothing here knows the store.
//! HTTP/1.1 by hyper with a limit on headers, on the time they may take, and on connections.

pub mod admin;
pub mod answer;
pub mod file;
pub mod public;
pub mod websub;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::Method;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, watch};

use websub::Peer;

pub type Request = hyper::Request<Incoming>;
/// In memory as a whole, or a file that is read as it is sent.
pub type Body = Either<Full<Bytes>, file::Pieces>;
pub type Response = hyper::Response<Body>;

/// A slow client may take this long to send its request, an idle one to send its next.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// One that reads nothing of its answer for so long has gone: its connection is closed by the kernel, and what it held is
/// free.
#[cfg(target_os = "linux")]
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const MOST_HEADERS: usize = 64;
const MOST_HEADER_BYTES: usize = 16 << 10;
/// Idle and slow clients count; beyond it new ones wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 20_000;
/// What the kernel takes of an answer at once, so that a feed is handed over whole: in the pieces that it takes by itself
/// costs a third more. Only of so many connections, since whoever does not read holds as much memory.
const SEND_BUFFER: usize = 256 << 10;
const WITH_SEND_BUFFER: usize = 1000;
/// After the word to stop, answers under way get this long.
const DRAIN: Duration = Duration::from_secs(5);
/// A connection on which nothing was asked yet gets this long: its request may be on the way.
const LAST_WORD: Duration = Duration::from_millis(500);

/// Where connections come from.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Accept until `stop` says so, then finish what is under way. `respond` answers one request.
pub async fn run<R, F>(listener: Listener, respond: R, mut stop: watch::Receiver<bool>)
where
    R: Fn(Request) -> F + Clone + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { break };
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = accept(&listener) => match accepted {
                Ok((stream, peer)) => {
                    if let Accepted::Tcp(stream) = &stream
                        && MOST_CONNECTIONS - places.available_permits() <= WITH_SEND_BUFFER
                    {
                        let _ = socket2::SockRef::from(stream).set_send_buffer_size(SEND_BUFFER);
                    }
                    let (respond, stop) = (respond.clone(), stop.clone());
                    connections.spawn(async move {
                        match stream {
                            Accepted::Tcp(stream) => serve_connection(stream, peer, respond, stop).await,
                            Accepted::Unix(stream) => serve_connection(stream, peer, respond, stop).await,
                        }
                        drop(place);
                    });
                }
                // Out of file descriptors: whoever leaves makes room.
                Err(cause) => {
                    tracing::warn!(%cause, "cannot accept a connection; raise LimitNOFILE if this goes on");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, drained).await;
}

/// Until the word is given, or whoever would give it is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// One connection, of either kind.
enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
}

async fn accept(listener: &Listener) -> std::io::Result<(Accepted, Peer)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            // Answers are written whole: waiting for more only delays them.
            let _ = stream.set_nodelay(true);
            #[cfg(target_os = "linux")]
            let _ = socket2::SockRef::from(&stream).set_tcp_user_timeout(Some(READ_TIMEOUT));
            Ok((Accepted::Tcp(stream), Peer(Some(peer.ip()))))
        }
        Listener::Unix(listener) => Ok((Accepted::Unix(listener.accept().await?.0), Peer(None))),
    }
}

async fn serve_connection<R, F>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    respond: R,
    mut stop: watch::Receiver<bool>,
) where
    R: Fn(Request) -> F + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let asked = Arc::new(Notify::new());
    let first = asked.clone();
    let service = service_fn(move |mut request: Request| {
        first.notify_one();
        // Who only reads is nobody in particular.
        if request.method() != Method::GET {
            request.extensions_mut().insert(peer);
        }
        let response = respond(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MOST_HEADERS)
        .max_buf_size(MOST_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // A client that goes away or sends nonsense is its own affair.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stopped(&mut stop) => {
            // hyper closes at once what was never read from, although a request may be on its way.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = asked.notified() => {}
                () = tokio::time::sleep(LAST_WORD) => return,
            }
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}
