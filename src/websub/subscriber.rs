//! Our subscriptions at other people's hubs: which hub a feed names, when it is asked, what its questions and pushes
//! mean, and how far it is trusted.
//!
//! The callback is unguessable and belongs to one source: what comes in there can reach no other. It stays the same when
//! a lease is renewed, and so does the secret: what is under way meanwhile still finds its way.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::host;
use crate::fetch::address::{self, AllowNetwork};
use crate::model::Time;
use crate::schedule::{NextPoll, span};

/// What we ask for (§9.2: a good default); hubs decide.
pub const LEASE: TimeDelta = TimeDelta::days(10);
/// No lease is believed for longer.
const LONGEST_LEASE: TimeDelta = TimeDelta::days(365);
/// A hub that did not take a request, or did not confirm it, is asked again after this, doubled each time up to a day.
const AGAIN: TimeDelta = TimeDelta::minutes(15);
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(24);
/// After a "denied" nothing is asked for so long.
const DENIED: TimeDelta = TimeDelta::days(7);
/// Requests to be let go; then the lease's end does it.
const FAREWELLS: u32 = 3;
/// A poll that found something first has only been quicker, if the push comes within this time.
const LATE: TimeDelta = TimeDelta::minutes(15);
/// The wait for a safety poll is the source's own, this many times, within these bounds.
const RARELY: i32 = 8;
const RAREST: (TimeDelta, TimeDelta) = (TimeDelta::hours(6), TimeDelta::hours(24));
/// Pushes in a row that a hub which missed again and again needs to be trusted.
const MOST_NEEDED: u32 = 8;
/// Characters of a challenge (§9.2: limit its length, refuse what is binary).
const CHALLENGE_LENGTH: usize = 512;

/// What a feed says about who relays it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advertised {
    pub hub: Url,
    /// Its own address (rel="self"): what is subscribed to.
    pub topic: Url,
}

/// §4: the Link header comes before the document. `hubs` and `own` are from the document, which was found at `found`.
/// Of several hubs the first with https.
pub fn advertised(header: &[(String, Url)], hubs: &[String], own: Option<&str>, found: &Url) -> Option<Advertised> {
    let named = |rel: &'static str| header.iter().filter(move |(name, _)| name == rel).map(|(_, url)| url.clone());
    let mut candidates: Vec<Url> = named("hub").collect();
    if candidates.is_empty() {
        candidates = hubs.iter().filter_map(|hub| found.join(hub).ok()).collect();
    }
    candidates.retain(is_web);
    let hub = candidates.iter().find(|hub| hub.scheme() == "https").or(candidates.first())?.clone();
    let own = named("self").next().or_else(|| found.join(own?).ok()).filter(is_web);
    let mut topic = own.unwrap_or_else(|| found.clone());
    topic.set_fragment(None);
    let short = |url: &Url| url.as_str().len() <= super::URL_LENGTH;
    (short(&hub) && short(&topic)).then_some(Advertised { hub, topic })
}

fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// The base of callbacks, if hubs can reach it: a public https site; or one at an address that `allow-networks` names, for
/// a hub in the same house.
pub fn callback_base<'a>(site: Option<&'a Url>, allow: &[AllowNetwork]) -> Option<&'a Url> {
    let site = site?;
    let port = site.port_or_known_default().unwrap_or(0);
    let literal = |ip| {
        let public = address::judge(ip, port, &[]).is_ok();
        let allowed = address::judge(ip, port, allow).is_ok();
        if public { site.scheme() == "https" } else { allowed }
    };
    let reachable = match site.host()? {
        Host::Domain(name) => site.scheme() == "https" && name != "localhost" && !name.ends_with(".localhost"),
        Host::Ipv4(ip) => literal(ip.into()),
        Host::Ipv6(ip) => literal(ip.into()),
    };
    reachable.then_some(site)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// We want to be told.
    Wanted,
    /// The hub does not want to.
    Denied,
    /// We do not want to be told any more: what is pushed is ignored.
    Leaving,
}

/// One source's subscription; a row of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Last segment of the callback.
    pub token: String,
    /// Where the hub reaches us.
    pub callback: Url,
    pub secret: String,
    #[serde(flatten)]
    pub at: Advertised,
    /// The configured address of the source: under another one it is another feed.
    pub place: String,
    pub phase: Phase,
    /// Confirmed until then.
    pub lease_until: Option<Time>,
    /// When the hub was asked, until it has confirmed.
    pub asked: Option<Time>,
    /// Requests since it last confirmed.
    pub requests: u32,
    /// When there is something to do.
    pub due: Time,
    pub trust: Trust,
    /// The last push that was taken in.
    pub pushed: Option<Time>,
}

/// How far a hub is trusted to tell everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Pushes since the last miss, and how many of them it takes.
    pub good: u32,
    pub needed: u32,
    /// When a poll found what had not been pushed, although the hub was trusted.
    pub missed: Option<Time>,
}

impl Default for Trust {
    fn default() -> Trust {
        Trust { good: 0, needed: 1, missed: None }
    }
}

impl Trust {
    pub fn is_given(&self) -> bool {
        self.good >= self.needed
    }

    fn pushed(&mut self, now: Time) {
        match self.missed.take() {
            // It was only late: as if nothing had been.
            Some(missed) if now - missed <= LATE => {
                self.needed = (self.needed / 2).max(1);
                self.good = self.needed;
            }
            _ => self.good = self.good.saturating_add(1),
        }
    }

    fn missed(&mut self, now: Time) {
        if self.is_given() {
            self.needed = (self.needed * 2).min(MOST_NEEDED);
            self.missed = Some(now);
        }
        self.good = 0;
    }
}

/// What is to be done with a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Ask,
    Forget,
    Wait(Time),
}

/// What a hub asks at the callback (§5.2, §5.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    pub mode: String,
    pub topic: String,
    pub challenge: String,
    pub lease: String,
}

impl Question {
    /// From the query of the callback; of a field that stands there twice, the last: hubs put theirs behind what was there.
    pub fn read(query: &str) -> Question {
        let mut question = Question::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "hub.mode" => question.mode = value.into_owned(),
                "hub.topic" => question.topic = value.into_owned(),
                "hub.challenge" => question.challenge = value.into_owned(),
                "hub.lease_seconds" => question.lease = value.into_owned(),
                _ => {}
            }
        }
        question
    }
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// 200 with this body.
    Echo(String),
    /// The same, and the subscription is over.
    Left(String),
    /// 200: we have heard that we are not wanted.
    Heard,
    /// 404: we did not ask for this.
    No,
}

impl Subscription {
    /// `token` and `secret` are nobody's to guess; `base` is our site's.
    pub fn begin(at: Advertised, place: &str, base: &Url, token: &str, secret: &str, now: Time) -> Subscription {
        Subscription {
            callback: callback(base, token),
            token: token.to_owned(),
            secret: secret.to_owned(),
            at,
            place: place.to_owned(),
            phase: Phase::Wanted,
            lease_until: None,
            asked: None,
            requests: 0,
            due: now,
            trust: Trust::default(),
            pushed: None,
        }
    }

    /// Is it what would be begun now: the same feed at the same hub, for the same source, with a callback that is still ours?
    pub fn is_for(&self, at: &Advertised, place: &str, base: &Url) -> bool {
        self.at == *at && self.place == place && self.callback == callback(base, &self.token)
    }

    /// Is the hub bound to push?
    pub fn is_live(&self, now: Time) -> bool {
        self.phase == Phase::Wanted && self.lease_until.is_some_and(|until| until > now)
    }

    pub fn step(&self, now: Time) -> Step {
        if self.due > now {
            return Step::Wait(self.due);
        }
        match self.phase {
            Phase::Wanted => Step::Ask,
            Phase::Denied => Step::Forget,
            // A hub that never took us on, or whose lease has run out, needs no farewell.
            Phase::Leaving if self.requests >= FAREWELLS || self.lease_until.is_none_or(|until| until <= now) => {
                Step::Forget
            }
            Phase::Leaving => Step::Ask,
        }
    }

    /// The source left the configuration, or its feed names another hub.
    pub fn leave(&mut self, now: Time) {
        if self.phase != Phase::Leaving {
            // One that was asked for and not yet confirmed may still be confirmed: not by us.
            (self.phase, self.requests, self.asked, self.due) = (Phase::Leaving, 0, None, now);
        }
    }

    /// The fields of the request that is about to be sent (§5.1).
    pub fn ask(&mut self, now: Time) -> Vec<(&'static str, String)> {
        self.asked = Some(now);
        self.requests = self.requests.saturating_add(1);
        self.due = now + self.patience(now);
        let mode = if self.phase == Phase::Leaving { "unsubscribe" } else { "subscribe" };
        let mut fields = vec![
            ("hub.mode", mode.to_owned()),
            ("hub.topic", self.at.topic.to_string()),
            ("hub.callback", self.callback.to_string()),
        ];
        if self.phase == Phase::Wanted {
            let lease = LEASE.num_seconds().to_string();
            fields.extend([("hub.lease_seconds", lease), ("hub.secret", self.secret.clone())]);
        }
        fields
    }

    /// The hub did not take the request: its status, if it answered.
    pub fn not_taken(&mut self, status: Option<u16>, retry_after: Option<TimeDelta>, now: Time) {
        if self.phase == Phase::Leaving && matches!(status, Some(400..=499)) {
            // It does not know us any more.
            (self.lease_until, self.asked, self.due) = (None, None, now);
        }
        // It may have confirmed before it answered.
        if self.asked.take().is_some() {
            self.due = now + self.patience(now).max(retry_after.unwrap_or_default().min(LONGEST_WAIT));
        }
    }

    /// Until the next request. One that must be through before a lease ends hurries, but not more than once a minute.
    fn patience(&self, now: Time) -> TimeDelta {
        let doubled = (AGAIN * (1 << self.requests.saturating_sub(1).min(8))).min(LONGEST_WAIT);
        match self.lease_until.filter(|until| *until > now) {
            Some(until) => doubled.min((until - now) / 2).max(TimeDelta::minutes(1)),
            None => doubled,
        }
    }

    /// A question at the callback.
    pub fn answer(&mut self, question: &Question, now: Time) -> Verdict {
        let same = Url::parse(&question.topic).is_ok_and(|topic| topic == self.at.topic);
        let challenge = &question.challenge;
        let sound =
            (1..=CHALLENGE_LENGTH).contains(&challenge.len()) && challenge.bytes().all(|byte| byte.is_ascii_graphic());
        match (question.mode.as_str(), self.phase) {
            ("denied", Phase::Wanted) if same => {
                (self.phase, self.lease_until, self.asked) = (Phase::Denied, None, None);
                self.due = now + DENIED;
                Verdict::Heard
            }
            ("denied", Phase::Denied | Phase::Leaving) if same => Verdict::Heard,
            _ if !same || !sound => Verdict::No,
            ("subscribe", Phase::Wanted) if self.asked.is_some() => match lease(&question.lease) {
                Some(lease) => {
                    self.confirmed(lease, now);
                    Verdict::Echo(challenge.clone())
                }
                None => Verdict::No,
            },
            // It makes sure that we are still there; nothing was asked, so nothing is taken from it.
            ("subscribe", Phase::Wanted) if self.is_live(now) => Verdict::Echo(challenge.clone()),
            ("unsubscribe", Phase::Leaving) => Verdict::Left(challenge.clone()),
            _ => Verdict::No,
        }
    }

    fn confirmed(&mut self, lease: TimeDelta, now: Time) {
        self.lease_until = Some(now + lease);
        (self.asked, self.requests) = (None, 0);
        // Ahead of its end, and not all on one day.
        let share = 70 + i32::from(blake3::hash(self.token.as_bytes()).as_bytes()[0] % 16);
        self.due = now + TimeDelta::milliseconds(lease.num_milliseconds() / 100 * i64::from(share));
    }

    /// A push with the right signature was taken in.
    pub fn note_push(&mut self, now: Time) {
        self.pushed = Some(now);
        self.trust.pushed(now);
    }

    /// A poll found something new.
    pub fn note_miss(&mut self, now: Time) {
        if self.is_live(now) {
            self.trust.missed(now);
        }
    }

    /// When to poll next after `from`, the last poll, where the schedule alone would say `normal`.
    pub fn pace(&self, normal: NextPoll, from: Time, now: Time) -> NextPoll {
        let Some(until) = self.lease_until.filter(|_| self.is_live(now) && self.trust.is_given()) else {
            return normal;
        };
        let wait = ((normal.at - from) * RARELY).clamp(RAREST.0, RAREST.1);
        let at = (from + wait).min(until).max(normal.at).max(now);
        NextPoll { at, reason: format!("in {}: {}; polled then to be sure", span(at - now), self.words(now)) }
    }

    /// For status.
    pub fn words(&self, now: Time) -> String {
        let hub = host(&self.at.hub);
        match (self.phase, self.lease_until.filter(|until| *until > now)) {
            (Phase::Leaving, _) => format!("leaving {hub}"),
            (Phase::Denied, _) => format!("{hub} does not want to push"),
            (Phase::Wanted, None) => format!("{hub} was asked to push"),
            (Phase::Wanted, Some(until)) => {
                let until = until.format("%Y-%m-%d %H:%M UTC");
                let doubt = match self.trust {
                    trust if trust.is_given() => "",
                    Trust { missed: Some(_), .. } => ", though it missed something: polled as if it were not",
                    Trust { .. } => ", though nothing has come yet: polled as if it were not",
                };
                format!("pushed by {hub}, lease until {until}{doubt}")
            }
        }
    }
}

fn callback(base: &Url, token: &str) -> Url {
    // Both end in what a path may hold: joining cannot fail.
    base.join(&format!("websub/{token}")).unwrap_or_else(|_| base.clone())
}

/// A positive number of seconds.
fn lease(stated: &str) -> Option<TimeDelta> {
    let seconds = stated.trim();
    let digits = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.then(|| seconds.parse::<i32>().unwrap_or(i32::MAX))?;
    (seconds > 0).then(|| TimeDelta::seconds(i64::from(seconds)).min(LONGEST_LEASE))
}

#[cfg(test)]
mod tests;
