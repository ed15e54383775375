//! Header fields: validators byte for byte, freshness, links.

use std::str;

use chrono::TimeDelta;
use reqwest::header::{self, AsHeaderName, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::{Time, compact};
use crate::schedule::{Freshness, hints};

/// A validator longer than this is none: sent back, it would be refused for ever.
const VALIDATOR: usize = 2 * 1024;
/// Links of one head, characters of one target.
const LINKS: usize = 20;
const LINK_LENGTH: usize = 4 * 1024;

/// What a later request is made conditional with (RFC 9110 §8.8): sent back byte for byte, never re-formatted, never
/// invented. One `char` stands for one byte, so that bytes beyond ASCII survive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Validators {
    /// With its quotes and `W/`.
    #[serde(skip_serializing_if = "compact::usual")]
    pub etag: Option<String>,
    /// Whatever it looks like.
    #[serde(skip_serializing_if = "compact::usual")]
    pub last_modified: Option<String>,
    /// Who gave them: a validator says nothing of any other document. `None`: not known, whoever is asked.
    #[serde(skip_serializing_if = "compact::usual")]
    pub of: Option<String>,
}

impl Validators {
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }

    pub(super) fn of(head: &HeaderMap, url: &Url) -> Validators {
        Validators {
            etag: verbatim(head, header::ETAG),
            last_modified: verbatim(head, header::LAST_MODIFIED),
            of: Some(url.to_string()),
        }
    }

    /// May they be sent to `url`? One that a redirect named may differ in its query: storage services sign it anew each
    /// time.
    pub(super) fn fit(&self, url: &Url, redirected: bool) -> bool {
        let Some(of) = self.of.as_ref().filter(|_| !self.is_empty()) else { return !self.is_empty() };
        of == url.as_str()
            || redirected && Url::parse(of).is_ok_and(|of| of.origin() == url.origin() && of.path() == url.path())
    }

    /// After a 304: what it states replaces what was known (RFC 9111 §4.3.4).
    pub(super) fn updated(&self, head: &HeaderMap, url: &Url) -> Validators {
        let by = Validators::of(head, url);
        Validators {
            etag: by.etag.or_else(|| self.etag.clone()),
            last_modified: by.last_modified.or_else(|| self.last_modified.clone()),
            of: by.of,
        }
    }

    pub(super) fn put(&self, head: &mut HeaderMap) {
        if let Some(value) = self.etag.as_deref().and_then(bytes) {
            head.insert(header::IF_NONE_MATCH, value);
        }
        if let Some(value) = self.last_modified.as_deref().and_then(bytes) {
            head.insert(header::IF_MODIFIED_SINCE, value);
        }
    }
}

pub(super) fn freshness(head: &HeaderMap, now: Time) -> Freshness {
    let cache_control = head.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    Freshness::from_fields(
        cache_control,
        text(head, header::AGE),
        text(head, header::EXPIRES),
        text(head, header::DATE),
        now,
    )
}

pub(super) fn retry_after(head: &HeaderMap, now: Time) -> Option<TimeDelta> {
    hints::retry_after(text(head, header::RETRY_AFTER)?, text(head, header::DATE), now)
}

/// The first field line of that name, if it is ASCII.
pub(super) fn text(head: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    head.get(name)?.to_str().ok()
}

/// The first field line of that name as UTF-8, else as ISO 8859-1: servers put both into Location.
pub(super) fn lenient(head: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    let value = head.get(name)?.as_bytes();
    Some(str::from_utf8(value).map(str::to_owned).unwrap_or_else(|_| latin1(value)))
}

/// The Link fields (RFC 8288) as relation and target, one for each relation; the targets resolved against `base`.
pub(super) fn links(head: &HeaderMap, base: &Url) -> Vec<(String, Url)> {
    let mut found = Vec::new();
    for line in head.get_all(header::LINK) {
        let line = latin1(line.as_bytes());
        let mut rest = line.as_str();
        while let Some((target, relations, after)) = link(rest) {
            rest = after;
            if relations.is_empty() || target.len() > LINK_LENGTH {
                continue;
            }
            let Some(target) = base.join(target).ok().filter(|url| url.as_str().len() <= LINK_LENGTH) else { continue };
            // Each relation has a target of its own, and one field may name a hundred thousand of them.
            let relations = relations.split_ascii_whitespace().take(LINKS - found.len());
            found.extend(relations.map(|rel| (rel.to_ascii_lowercase(), target.clone())));
            if found.len() >= LINKS {
                return found;
            }
        }
    }
    found
}

/// The first `<target>; rel="..."` of a Link field: target, relations, what follows it.
fn link(line: &str) -> Option<(&str, &str, &str)> {
    let (_, line) = line.split_once('<')?;
    let (target, mut rest) = line.split_once('>')?;
    let mut relations = "";
    loop {
        rest = rest.trim_start();
        let Some(after) = rest.strip_prefix(';') else { break };
        let (name, value, after) = parameter(after);
        // Of several, the first counts (RFC 8288 §3.3).
        if relations.is_empty() && name.eq_ignore_ascii_case("rel") {
            relations = value;
        }
        rest = after;
    }
    Some((target.trim(), relations, rest))
}

/// ` name="value"` or ` name=value` or ` name`: name, value, what follows it.
fn parameter(text: &str) -> (&str, &str, &str) {
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(value) = rest.strip_prefix('=') else { return (name.trim(), "", rest) };
    let value = value.trim_start();
    let (value, rest) = match value.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
        None => value.split_at(value.find([';', ',']).unwrap_or(value.len())),
    };
    (name.trim(), value.trim(), rest)
}

fn verbatim(head: &HeaderMap, name: impl AsHeaderName) -> Option<String> {
    let value = head.get(name)?.as_bytes();
    (!value.is_empty() && value.len() <= VALIDATOR).then(|| latin1(value))
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The way back. `None`: not what a head can hold, so it never came from one.
fn bytes(text: &str) -> Option<HeaderValue> {
    let bytes = text.chars().map(|byte| u8::try_from(u32::from(byte)).ok()).collect::<Option<Vec<u8>>>()?;
    HeaderValue::from_bytes(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_few_however_many_are_named() {
        let base = Url::parse("https://example.org/").unwrap();
        let check = |field: &str, expected: &[(&str, &str)]| {
            let mut head = HeaderMap::new();
            head.append(header::LINK, HeaderValue::from_str(field).unwrap());
            let found = links(&head, &base);
            let found: Vec<(&str, &str)> = found.iter().map(|(rel, target)| (rel.as_str(), target.as_str())).collect();
            assert_eq!(found, expected);
        };
        let hub = ("hub", "https://example.org/hub");
        check("</hub>; rel=\"hub self\"", &[hub, ("self", "https://example.org/hub")]);
        check(&format!("</hub>; rel=\"{}\"", "hub ".repeat(50_000)), &[hub; LINKS]);
        check(&"</hub>; rel=hub, ".repeat(5_000), &[hub; LINKS]);
        // Longer once it is written as a URL has to be.
        check(&format!("</{}>; rel=hub, </hub>; rel=hub", "\"".repeat(LINK_LENGTH - 1)), &[hub]);
        check("</hub>, </hub>; rel=hub", &[hub]);
    }
}
