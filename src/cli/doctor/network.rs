//! The network: names, trusted authorities, our two addresses, and whether the public one leads here.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::{Host, Url};

use super::Finding;
use crate::config::Settings;
use crate::config::settings::{AdminAddress, Place};
use crate::daemon::{chain, control};
use crate::fetch::http::{Answer, Door, Request};

/// Names of hosts that are looked up.
const MOST_NAMES: usize = 5;
/// Nobody waits longer for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_BYTES: u64 = 64 << 10;

pub async fn findings(settings: &Settings) -> Vec<Finding> {
    let running = control::identity(&settings.server.admin).await.is_some();
    vec![
        names(settings).await,
        authorities(settings),
        daemon(settings, running),
        port(&settings.server.listen, running).await,
        reachable(settings).await,
    ]
}

fn feeds(settings: &Settings) -> impl Iterator<Item = &Url> {
    settings.sources.iter().filter_map(|source| match &source.place {
        Place::Feed(url) => Some(url),
        Place::Folder(_) => None,
    })
}

async fn names(settings: &Settings) -> Finding {
    const WHAT: &str = "names";
    let hosts = feeds(settings).filter_map(|url| match url.host() {
        Some(Host::Domain(name)) => Some(name.to_owned()),
        _ => None,
    });
    let hosts: BTreeSet<String> = hosts.collect();
    let asked: Vec<String> = hosts.into_iter().take(MOST_NAMES).collect();
    let mut lost = Vec::new();
    for host in &asked {
        let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), 443))).await;
        if !found.is_ok_and(|found| found.is_ok_and(|mut addresses| addresses.next().is_some())) {
            lost.push(host.as_str());
        }
    }
    match (asked.len(), lost.len()) {
        (0, _) => Finding::skipped(WHAT, "no source has a host whose name would have to be looked up"),
        (_, 0) => Finding::well(WHAT, format!("{} can be looked up", asked.join(", "))),
        (all, count) if all == count => {
            let words = format!("none can be looked up: {}", lost.join(", "));
            Finding::wrong(WHAT, words, "the resolver does not answer: see /etc/resolv.conf and the network")
        }
        _ => {
            let words = format!("cannot be looked up: {}", lost.join(", "));
            Finding::doubtful(WHAT, words, "a typing error, or hosts that are no more")
        }
    }
}

fn authorities(settings: &Settings) -> Finding {
    const WHAT: &str = "authorities";
    if !feeds(settings).any(|url| url.scheme() == "https") {
        return Finding::skipped(WHAT, "no source is asked by https");
    }
    let found = rustls_native_certs::load_native_certs();
    match found.certs.len() {
        0 => {
            let first = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
            let words = format!("no certificate authority is trusted, every https source fails{first}");
            Finding::wrong(WHAT, words, "install ca-certificates")
        }
        count => Finding::well(WHAT, format!("{count} are trusted")),
    }
}

fn daemon(settings: &Settings, running: bool) -> Finding {
    let shown = match &settings.server.admin {
        AdminAddress::Tcp(address) => address.clone(),
        AdminAddress::Unix(path) => path.display().to_string(),
    };
    match running {
        true => Finding::well("daemon", format!("it answers on {shown}")),
        false => {
            Finding::doubtful("daemon", format!("none answers on {shown}"), "newsdesk serve, if one is meant to run")
        }
    }
}

async fn port(address: &str, running: bool) -> Finding {
    const WHAT: &str = "port";
    match health(address).await {
        Some(answer) if answer.ends_with("\r\n\r\nok\n") => {
            return Finding::well(WHAT, format!("newsdesk answers on {address}"));
        }
        Some(answer) if answer.contains("has not answered for") => {
            let words = answer.lines().last().unwrap_or_default().to_owned();
            return Finding::wrong(WHAT, words, "restart it; newsdesk store check says whether the store is sound");
        }
        Some(_) => {
            let words = format!("another program answers on {address}");
            return Finding::wrong(WHAT, words, "stop it, or set another address: [server] listen");
        }
        None => {}
    }
    if running {
        let words = format!("a daemon runs, but not on {address}");
        return Finding::doubtful(WHAT, words, "newsdesk.socket may hold another address; else restart the daemon");
    }
    match TcpListener::bind(address).await {
        Ok(_) => Finding::well(WHAT, format!("{address} is free")),
        Err(cause) => {
            let words = format!("{address} cannot be listened on: {cause}");
            Finding::wrong(WHAT, words, "set another address: [server] listen; a port below 1024 needs a right")
        }
    }
}

/// What an address says of its health, head included; `None`: nobody is there.
async fn health(address: &str) -> Option<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer).await.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    };
    tokio::time::timeout(PATIENCE, exchange).await.ok().flatten()
}

/// A web server that serves the folder has the feed and no health to tell of.
async fn is_mirror(door: &Door, feed: &url::Url, most_bytes: u64) -> bool {
    match tokio::time::timeout(PATIENCE, door.get(Request::feed(feed, most_bytes))).await {
        Ok(Ok(Answer::Document(document))) => document.body.windows(8).any(|part| part == b"newsdesk"),
        Ok(Ok(_) | Err(_)) | Err(_) => false,
    }
}

/// Does the public address lead to a newsdesk?
async fn reachable(settings: &Settings) -> Finding {
    const WHAT: &str = "public address";
    let Some(base) = &settings.site.url else {
        return Finding::skipped(WHAT, "[site] url is not set");
    };
    let (Ok(url), Ok(feed)) = (base.join("healthz"), base.join(crate::render::ATOM)) else {
        return Finding::skipped(WHAT, "[site] url is no base");
    };
    let door = match Door::new(&settings.fetch, settings.site.contact.as_deref()) {
        Ok(door) => door,
        Err(cause) => return Finding::wrong(WHAT, chain(&cause), "nothing remote can be asked before that is mended"),
    };
    let pass_on = format!("the web server in front has to pass {} on to [server] listen, path included", base.path());
    match tokio::time::timeout(PATIENCE, door.get(Request::feed(&url, MOST_BYTES))).await {
        Ok(Ok(Answer::Document(document))) if *document.body == *b"ok\n" => {
            Finding::well(WHAT, format!("{base} leads to a newsdesk"))
        }
        _ if settings.publish.folder.is_some() && is_mirror(&door, &feed, settings.fetch.max_body).await => {
            Finding::well(WHAT, format!("{base} leads to a mirror of newsdesk"))
        }
        Ok(Ok(_)) => Finding::wrong(WHAT, format!("{base} leads to something else"), pass_on),
        Ok(Err(cause)) if chain(&cause).contains("allow-networks") => {
            let words = format!("{base} is a private address for this machine, and is not asked");
            Finding::doubtful(WHAT, words, "look at it from outside")
        }
        Ok(Err(cause)) => Finding::wrong(WHAT, chain(&cause), pass_on),
        Err(_) => Finding::wrong(WHAT, format!("{base} does not answer within {} s", PATIENCE.as_secs()), pass_on),
    }
}
