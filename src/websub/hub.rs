//! Our hub: what a request asks for, whether it is taken, what is sent to callbacks, and what their answers mean.
//!
//! A request is answered 202 and then verified (§5.3) with a challenge that is used once; only what its callback has
//! confirmed replaces what was. A delivery carries the whole topic as it is at that moment, so that of several changes
//! the newest wins. One that fails is tried again up to [`RETRIES`]; the subscription stays until its lease ends, and the
//! next change is tried anew, as §7 demands. Only 410 ends it before.

use chrono::TimeDelta;
use url::{Host, Url};

use super::{SECRET_LENGTH, URL_LENGTH, with_parameters};
use crate::fetch::address::{self, AllowNetwork};
use crate::model::Time;

/// Bytes of a request: topic and callback with every character escaped, and a little.
pub const REQUEST_LENGTH: usize = 16 * 1024;
/// Subscriptions in all, of one topic, of one callback's host; requests that wait to be verified, in all and of one host.
pub const MOST: usize = 10_000;
pub const MOST_OF_A_TOPIC: usize = 2_000;
pub const MOST_OF_A_HOST: usize = 200;
pub const MOST_PENDING: usize = 1_000;
pub const MOST_PENDING_OF_A_HOST: usize = 200;
/// Requests of one client at once, and then one in each period.
pub const BURST: i32 = 120;
pub const PERIOD: TimeDelta = TimeDelta::seconds(1);
/// To callbacks: in all, and to one host.
pub const AT_ONCE: usize = 64;
pub const AT_ONCE_TO_A_HOST: usize = 2;

/// §9.2: ten days are a good default. A lease asked for is kept between the others.
const LEASE: TimeDelta = TimeDelta::days(10);
const SHORTEST_LEASE: TimeDelta = TimeDelta::minutes(5);
const LONGEST_LEASE: TimeDelta = TimeDelta::days(30);

/// Before the tries of a delivery after the first: ten hours in all.
pub const RETRIES: [TimeDelta; 8] = [
    TimeDelta::seconds(5),
    TimeDelta::seconds(20),
    TimeDelta::minutes(1),
    TimeDelta::minutes(5),
    TimeDelta::minutes(20),
    TimeDelta::hours(1),
    TimeDelta::hours(3),
    TimeDelta::hours(6),
];
/// Before the tries of a verification that found nobody; any answer at all is final.
const VERIFICATION_RETRIES: [TimeDelta; 2] = [TimeDelta::seconds(10), TimeDelta::minutes(2)];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Subscribe,
    Unsubscribe,
    /// Said by us: the topic is no more.
    Denied,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Subscribe => "subscribe",
            Mode::Unsubscribe => "unsubscribe",
            Mode::Denied => "denied",
        }
    }
}

/// What somebody asks for; nobody has confirmed it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub mode: Mode,
    /// Path of one of our feeds below the site's base.
    pub topic: String,
    pub callback: Url,
    pub secret: Option<String>,
    pub lease: TimeDelta,
}

/// A wish that waits to be confirmed by its callback; a row of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub row: i64,
    pub wish: Wish,
    pub tries: usize,
    pub due: Time,
}

/// A confirmed subscription; a row of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub row: i64,
    pub topic: String,
    pub callback: Url,
    pub secret: Option<String>,
    pub lease_until: Time,
    /// ETag of what it was told last, or of what stood there when it subscribed. Another one is live: it must be told.
    pub told: String,
    /// Failed tries to tell it the next.
    pub tries: usize,
    /// When it is tried again; `None`: nothing has failed.
    pub due: Option<Time>,
}

/// A request that is not taken: status and words for the developer of the client (§5.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub words: String,
    /// Seconds.
    pub retry_after: Option<i64>,
}

impl Refusal {
    fn new(status: u16, words: impl Into<String>) -> Refusal {
        Refusal { status, words: words.into(), retry_after: None }
    }

    /// Of a client that asks too often.
    pub fn too_often(wait: TimeDelta) -> Refusal {
        let words = "too many requests; this hub takes one a second";
        Refusal { retry_after: Some(wait.num_seconds() + 1), ..Refusal::new(429, words) }
    }
}

/// What a request is judged by.
pub struct House<'a> {
    /// Absolute base of the site, with a slash at its end.
    pub base: &'a str,
    /// Is there a feed at this path?
    pub is_topic: &'a dyn Fn(&str) -> bool,
    pub allow: &'a [AllowNetwork],
}

/// A form of the fields of §5.1. Fields that are not known are ignored, those that are known may stand only once.
pub fn wish(form: &[u8], house: &House<'_>) -> Result<Wish, Refusal> {
    let mut fields: [Option<String>; 5] = Default::default();
    for (name, value) in url::form_urlencoded::parse(form) {
        let names = ["hub.mode", "hub.topic", "hub.callback", "hub.secret", "hub.lease_seconds"];
        let Some(field) = names.iter().position(|known| *known == name).and_then(|at| fields.get_mut(at)) else {
            continue;
        };
        if field.replace(value.into_owned()).is_some() {
            return Err(Refusal::new(400, format!("{name} stands there twice")));
        }
    }
    let [mode, topic, callback, secret, lease] = fields;
    let required = |field: Option<String>, name: &str| {
        field.filter(|value| !value.is_empty()).ok_or_else(|| Refusal::new(400, format!("{name} is missing")))
    };
    let mode = match required(mode, "hub.mode")?.as_str() {
        "subscribe" => Mode::Subscribe,
        "unsubscribe" => Mode::Unsubscribe,
        "publish" => {
            return Err(Refusal::new(
                400,
                "this hub announces the feeds of its own site, by itself; nobody needs to ping it",
            ));
        }
        _ => return Err(Refusal::new(400, "hub.mode is subscribe or unsubscribe")),
    };
    Ok(Wish {
        mode,
        topic: own_topic(&required(topic, "hub.topic")?, house)?,
        callback: own_callback(&required(callback, "hub.callback")?, house)?,
        secret: checked_secret(secret)?,
        lease: granted(lease.as_deref().filter(|_| mode == Mode::Subscribe))?,
    })
}

fn own_topic(stated: &str, house: &House<'_>) -> Result<String, Refusal> {
    let unknown = || {
        let words = "hub.topic is no feed of this site; take the address that the feed gives as rel=\"self\"";
        Refusal::new(404, words)
    };
    // However it is escaped (§5.1.1), it is one URL.
    let topic = Url::parse(stated).ok().filter(|_| stated.len() <= URL_LENGTH).ok_or_else(unknown)?;
    let path = topic.as_str().strip_prefix(house.base).filter(|path| (house.is_topic)(path)).ok_or_else(unknown)?;
    Ok(path.to_owned())
}

fn own_callback(stated: &str, house: &House<'_>) -> Result<Url, Refusal> {
    let refused = |words: &str| Err(Refusal::new(400, format!("hub.callback {words}")));
    if stated.len() > URL_LENGTH {
        return refused(&format!("is longer than {URL_LENGTH} characters"));
    }
    let Ok(callback) = Url::parse(stated) else { return refused("is no URL") };
    if !matches!(callback.scheme(), "http" | "https") {
        return refused("is neither http nor https");
    }
    if !callback.username().is_empty() || callback.password().is_some() || callback.fragment().is_some() {
        return refused("has userinfo or a fragment, which cannot be sent");
    }
    let port = callback.port_or_known_default().unwrap_or(0);
    let ip = match callback.host() {
        Some(Host::Ipv4(ip)) => Some(ip.into()),
        Some(Host::Ipv6(ip)) => Some(ip.into()),
        // A name is judged where it is dialled, at every attempt.
        Some(Host::Domain(_)) | None => None,
    };
    if ip.is_some_and(|ip| address::judge(ip, port, house.allow).is_err()) {
        return refused("is at an address that is not public");
    }
    // What listens there does not speak HTTP, and might be misled by it.
    if port < 1024 && !matches!(port, 80 | 443) {
        return refused("is at a port that this hub does not contact");
    }
    Ok(callback)
}

fn checked_secret(stated: Option<String>) -> Result<Option<String>, Refusal> {
    match stated.filter(|secret| !secret.is_empty()) {
        Some(secret) if secret.len() > SECRET_LENGTH => {
            Err(Refusal::new(400, "hub.secret must be less than 200 bytes long"))
        }
        secret => Ok(secret),
    }
}

fn granted(stated: Option<&str>) -> Result<TimeDelta, Refusal> {
    let Some(stated) = stated.map(str::trim).filter(|stated| !stated.is_empty()) else { return Ok(LEASE) };
    if !stated.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::new(400, "hub.lease_seconds is a positive decimal number"));
    }
    // One too large to be held is more than the longest.
    let seconds = stated.parse::<i32>().unwrap_or(i32::MAX);
    Ok(TimeDelta::seconds(i64::from(seconds)).clamp(SHORTEST_LEASE, LONGEST_LEASE))
}

/// How full the hub is, seen from one wish.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filling {
    /// The wish's topic and callback are subscribed already.
    pub known: bool,
    pub all: usize,
    pub of_topic: usize,
    pub of_host: usize,
    /// Not counting an older wish for the same.
    pub pending: usize,
    pub pending_of_host: usize,
}

/// Is there room? A renewal takes no room of its own.
pub fn admit(mode: Mode, filling: Filling) -> Result<(), Refusal> {
    let Filling { known, all, of_topic, of_host, pending, pending_of_host } = filling;
    let later = |words: &str| Err(Refusal { retry_after: Some(60), ..Refusal::new(503, words) });
    if mode == Mode::Unsubscribe && !known {
        return Err(Refusal::new(404, "there is no such subscription"));
    }
    if pending >= MOST_PENDING || pending_of_host >= MOST_PENDING_OF_A_HOST {
        return later("too many requests wait to be verified; ask again in a minute");
    }
    if known {
        return Ok(());
    }
    if of_host + pending_of_host >= MOST_OF_A_HOST {
        return Err(Refusal::new(403, format!("this hub keeps at most {MOST_OF_A_HOST} subscriptions of one host")));
    }
    if all >= MOST || of_topic >= MOST_OF_A_TOPIC {
        return later("this hub is full; ask again when leases have ended, or poll");
    }
    Ok(())
}

/// The GET that asks a callback whether it meant it (§5.3), or tells it that it was denied (§5.2).
pub fn question(wish: &Wish, base: &str, challenge: &str) -> Url {
    let topic = format!("{base}{}", wish.topic);
    let lease = wish.lease.num_seconds().to_string();
    let mut fields = vec![("hub.mode", wish.mode.as_str()), ("hub.topic", &topic)];
    match wish.mode {
        Mode::Subscribe => fields.extend([("hub.challenge", challenge), ("hub.lease_seconds", &lease)]),
        Mode::Unsubscribe => fields.push(("hub.challenge", challenge)),
        Mode::Denied => fields.push(("hub.reason", "this feed is not published any more")),
    }
    with_parameters(&wish.callback, &fields)
}

/// What the answer to a question means; `None`: nobody answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Confirmed,
    Refused,
    /// Ask again then.
    Later(Time),
}

pub fn verdict(answer: Option<(u16, &[u8])>, challenge: &str, tries: usize, now: Time) -> Verdict {
    match answer {
        Some((200..=299, body)) if body == challenge.as_bytes() => Verdict::Confirmed,
        Some(_) => Verdict::Refused,
        None => match VERIFICATION_RETRIES.get(tries) {
            Some(wait) => Verdict::Later(now + *wait),
            None => Verdict::Refused,
        },
    }
}

/// Header fields of a delivery (§7), besides its Content-Type.
pub fn delivery(base: &str, topic: &str, hub: &str, secret: Option<&str>, body: &[u8]) -> Vec<(&'static str, String)> {
    let links = format!("<{hub}>; rel=\"hub\", <{base}{topic}>; rel=\"self\"");
    let mut fields = vec![("link", links)];
    fields.extend(secret.map(|secret| (super::signature::HEADER, super::signature::sign(secret, body))));
    fields
}

/// What the answer to a delivery means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Received,
    /// 410: the subscription is over.
    Ended,
    /// Try again then.
    Later(Time),
    /// This one is lost; the next change is tried anew.
    GivenUp,
}

/// `status`: `None`, nobody answered. `tries`: that failed before. `row` spreads those that failed together.
pub fn told(status: Option<u16>, tries: usize, row: i64, now: Time) -> Told {
    match status {
        Some(200..=299) => Told::Received,
        Some(410) => Told::Ended,
        _ => match RETRIES.get(tries) {
            Some(wait) => Told::Later(now + *wait + *wait * i32::try_from(row.rem_euclid(32)).unwrap_or(0) / 128),
            None => Told::GivenUp,
        },
    }
}

#[cfg(test)]
mod tests;
