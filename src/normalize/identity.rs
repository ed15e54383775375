//! Identity inside one source: by which key an entry is known again.
//!
//! The native id where it is not blank and unique in its document; else the canonical link if that is unique; else a
//! print of title, text and stated date. The other keys of the same entry are aliases: by them a source that changes
//! its ids, its scheme, its domain or its whole CMS brings nothing back as new (`changes` judges that).

use std::collections::BTreeMap;

use url::Url;

use crate::model::{Html, Stated};
use crate::normalize::clean;

/// A key is kept as the first 128 bits of its BLAKE3 hash: a hostile id costs what an honest one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KeyHash(pub [u8; 16]);

/// By what an entry is known inside its source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The native id, as stated.
    Id(String),
    /// The canonical link, without scheme and `www.`.
    Link(String),
    /// The native id without scheme, host and `www.`.
    Path(String),
    /// Title and text.
    Text(KeyHash),
    /// Title, text and stated date: the last resort; an alias of what goes by its link, should that turn out to be none.
    Print(KeyHash),
    /// A file below the folder of a local source, with the entry's own id if the file is a feed document.
    File(String),
}

impl Key {
    pub fn hash(&self) -> KeyHash {
        let (kind, text): (u8, &[u8]) = match self {
            Key::Id(text) => (1, text.as_bytes()),
            Key::Link(text) => (2, text.as_bytes()),
            Key::Path(text) => (3, text.as_bytes()),
            Key::Text(hash) => (4, &hash.0),
            Key::Print(hash) => (5, &hash.0),
            Key::File(text) => (6, text.as_bytes()),
        };
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind]);
        hasher.update(text);
        short(hasher)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Id(text) => write!(f, "id {text}"),
            Key::Link(text) => write!(f, "link {text}"),
            Key::Path(text) => write!(f, "path {text}"),
            Key::Text(_) => f.write_str("its text"),
            Key::Print(_) => f.write_str("its title, text and date"),
            Key::File(path) => write!(f, "file {path}"),
        }
    }
}

/// What of an entry is asked for several times, made once: for its identity, and to find its copies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gist {
    /// The text that a reader sees, its white space as it was written; never its title.
    pub words: String,
    /// Its link as a key; see [`link_key`].
    pub link: Option<String>,
}

impl Gist {
    pub fn of(stated: &Stated) -> Gist {
        Gist { words: stated.body().map(clean::words).unwrap_or_default(), link: link_key_of(stated) }
    }
}

/// The link of an entry as a key.
pub fn link_key_of(stated: &Stated) -> Option<String> {
    stated.link.as_deref().and_then(link_key)
}

/// What one entry of a document offers for its identity.
#[derive(Debug)]
pub struct Offer<'a> {
    pub id: Option<&'a str>,
    pub stated: &'a Stated,
    pub gist: &'a Gist,
}

/// Keys of one document.
#[derive(Debug, Default)]
pub struct Keys {
    /// Key and aliases of every entry, in order.
    pub of: Vec<(Key, Vec<Key>)>,
    /// Links that stand for two entries: no keys, here and from now on.
    pub shared: Vec<Key>,
}

/// Key and aliases of every entry of a document, in its order. `home` is the feed's own page: never a key.
pub fn of_document(offers: &[Offer<'_>], home: Option<&str>) -> Keys {
    let ids = occurrences(offers.iter().map(|offer| native_id(offer.id)));
    let home = home.and_then(|home| Url::parse(home).ok()).map(|home| bare(&home));
    let links: Vec<Option<&str>> =
        offers.iter().map(|offer| offer.gist.link.as_deref().filter(|key| home.as_deref() != Some(*key))).collect();
    let link_counts = occurrences(links.iter().copied());
    let mut prints: BTreeMap<KeyHash, u32> = BTreeMap::new();
    let keyed = offers.iter().zip(&links).map(|(offer, link)| {
        let unique_id = native_id(offer.id).filter(|id| ids.get(*id) == Some(&1));
        let unique_link = link.filter(|link| link_counts.get(link) == Some(&1));
        let text = text_hash(offer.stated, offer.gist);
        let mut aliases = Vec::with_capacity(3);
        let key = match (unique_id, unique_link) {
            (Some(id), _) => {
                aliases.extend(unique_link.map(|link| Key::Link(link.to_owned())));
                aliases.extend(path_of(id).map(Key::Path));
                Key::Id(id.to_owned())
            }
            (None, Some(link)) => {
                aliases.push(print_key(offer.stated, text, &mut prints));
                Key::Link(link.to_owned())
            }
            (None, None) => print_key(offer.stated, text, &mut prints),
        };
        aliases.push(Key::Text(text));
        (key, aliases)
    });
    let of = keyed.collect();
    let shared = link_counts.iter().filter(|(_, count)| **count > 1).map(|(link, _)| Key::Link((*link).to_owned()));
    Keys { of, shared: shared.collect() }
}

/// Which entries say again what another one of the document says, so that they are left out. Entries with the same id
/// are versions of one entry (RFC 4287 §4.1.1) if link, title and stated publication agree, or the text where there is no
/// title or no link: a feed that gives all its items one id means none. The newest version stays, else the first.
pub fn repeats(offers: &[Offer<'_>]) -> Vec<bool> {
    let mut repeats = vec![false; offers.len()];
    let mut newest = BTreeMap::new();
    for (at, Offer { id, stated, gist }) in offers.iter().enumerate() {
        let Some(id) = native_id(*id) else { continue };
        let text = (stated.title.is_empty() || stated.link.is_none()).then(|| text_hash(stated, gist));
        let place = newest.entry((id, &stated.link, &stated.title, stated.published, text)).or_insert(at);
        if *place != at {
            let newer = offers.get(*place).is_some_and(|before| stated.updated > before.stated.updated);
            let left_out = if newer { std::mem::replace(place, at) } else { at };
            repeats[left_out] = true;
        }
    }
    repeats
}

/// Print of what a reader sees of an entry: title and text, without markup and white space.
pub fn text_hash(stated: &Stated, gist: &Gist) -> KeyHash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(stated.title.as_bytes());
    hasher.update(&[0]);
    hasher.update(clean::collapse(&gist.words).as_bytes());
    short(hasher)
}

/// First 128 bits of the BLAKE3 hash of what an entry states: equal prints, equal entries.
pub type Print = [u8; 16];

/// Everything that is stated, as it is stored (JSON), and its print.
pub fn printed(stated: &Stated) -> (Vec<u8>, Print) {
    // Plain data with string keys always becomes JSON.
    let long = |html: &Option<Html>| html.as_ref().map_or(0, |html| html.0.len());
    let mut json = Vec::with_capacity(512 + (long(&stated.content) + long(&stated.summary)) * 9 / 8);
    let _ = serde_json::to_writer(&mut json, stated);
    let mut hasher = blake3::Hasher::new();
    hasher.update(&json);
    (json, short(hasher).0)
}

/// Entries that nothing tells apart are told apart by how many alike came before, so that none is lost.
fn print_key(stated: &Stated, text: KeyHash, seen: &mut BTreeMap<KeyHash, u32>) -> Key {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&text.0);
    hasher.update(&stated.published.or(stated.updated).map_or(0, |date| date.timestamp()).to_le_bytes());
    hasher.update(stated.link.as_deref().unwrap_or_default().as_bytes());
    for enclosure in &stated.enclosures {
        hasher.update(enclosure.url.as_bytes());
    }
    let print = short(hasher);
    let before = seen.entry(print).or_default();
    *before += 1;
    if *before == 1 {
        return Key::Print(print);
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&print.0);
    hasher.update(&before.to_le_bytes());
    Key::Print(short(hasher))
}

/// The link without scheme, `www.` and a slash at its end; `None` for the root of a site.
pub fn link_key(link: &str) -> Option<String> {
    let url = Url::parse(link).ok()?;
    let root = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    (!root).then(|| bare(&url))
}

fn bare(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix("www.").unwrap_or(host);
    format!("{host}{}", without_host(url))
}

fn without_host(url: &Url) -> String {
    let mut key = url.path().trim_end_matches('/').to_owned();
    for (mark, part) in [('?', url.query()), ('#', url.fragment())] {
        if let Some(part) = part {
            key.push(mark);
            key.push_str(part);
        }
    }
    key
}

/// What is left of an id that is a web address, or a tag, when its host goes: a move to a new domain keeps it.
fn path_of(id: &str) -> Option<String> {
    let path = match id.get(..4) {
        Some(scheme) if scheme.eq_ignore_ascii_case("tag:") => id.splitn(3, ':').nth(2)?.to_owned(),
        _ => {
            let url = Url::parse(id).ok().filter(|url| url.has_host())?;
            without_host(&url).trim_start_matches('/').to_owned()
        }
    };
    (path.len() >= 4).then_some(path)
}

fn native_id(id: Option<&str>) -> Option<&str> {
    id.map(str::trim).filter(|id| !id.is_empty())
}

fn occurrences<'a>(values: impl Iterator<Item = Option<&'a str>>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for value in values.flatten() {
        *counts.entry(value).or_insert(0) += 1;
    }
    counts
}

fn short(hasher: blake3::Hasher) -> KeyHash {
    let mut hash = [0; 16];
    hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    KeyHash(hash)
}

/// Is this a valid absolute IRI that a published id may be (RFC 4287 §4.2.6)? Only schemes that readers know.
pub fn is_publishable(id: &str) -> bool {
    let scheme = id.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let fits =
        id.len() <= 2048 && !id.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c));
    let percent_ok =
        id.split('%').skip(1).all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|b| b.is_ascii_hexdigit()));
    fits && percent_ok
        && match scheme.as_str() {
            "http" | "https" => {
                Url::parse(id).is_ok_and(|url| url.has_host() && url.username().is_empty() && url.password().is_none())
            }
            "urn" => is_urn(id),
            "tag" => is_tag(id),
            _ => false,
        }
}

/// RFC 8141 in outline; a UUID must be one (RFC 9562 §4).
fn is_urn(id: &str) -> bool {
    let mut parts = id.splitn(3, ':').skip(1);
    let (space, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match space.to_ascii_lowercase().as_str() {
        "" => false,
        "uuid" => rest.len() == 36 && uuid::Uuid::try_parse(rest).is_ok(),
        _ => rest.chars().any(|c| c != ':'),
    }
}

/// RFC 4151 §2.1: `tag:AUTHORITY,DATE:ANYTHING`.
fn is_tag(id: &str) -> bool {
    let Some((entity, _)) = id.split_once(':').and_then(|(_, rest)| rest.split_once(':')) else { return false };
    let Some((authority, date)) = entity.split_once(',') else { return false };
    let has_length = |(part, length): (&str, usize)| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = date.split('-').collect();
    !authority.is_empty() && parts.len() <= 3 && parts.into_iter().zip([4, 2, 2]).all(has_length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(title: &str, link: Option<&str>) -> Stated {
        Stated {
            title: title.into(),
            link: link.map(Into::into),
            content: Some(Html(format!("<p>{title}</p>"))),
            ..Stated::default()
        }
    }

    fn keys(entries: &[(Option<&str>, &str, Option<&str>)]) -> Vec<String> {
        let stated: Vec<Stated> = entries.iter().map(|(_, title, link)| stated(title, *link)).collect();
        let gists: Vec<Gist> = stated.iter().map(Gist::of).collect();
        let offers: Vec<Offer> = entries
            .iter()
            .zip(stated.iter().zip(&gists))
            .map(|((id, ..), (stated, gist))| Offer { id: *id, stated, gist })
            .collect();
        of_document(&offers, Some("https://example.org/blog/")).of.into_iter().map(|(key, _)| key.to_string()).collect()
    }

    #[test]
    fn the_native_id_then_the_link_then_a_print() {
        assert_eq!(keys(&[(Some("a"), "t", Some("https://example.org/1"))]), ["id a"]);
        assert_eq!(keys(&[(Some(" "), "t", Some("https://www.example.org/1/"))]), ["link example.org/1"]);
        assert_eq!(keys(&[(None, "t", None)]), ["its title, text and date"]);
    }

    #[test]
    fn a_doubled_id_is_no_id() {
        let both = keys(&[
            (Some("a"), "one", Some("https://example.org/1")),
            (Some("a"), "two", Some("https://example.org/2")),
            (Some("a"), "three", None),
        ]);
        assert_eq!(both, ["link example.org/1", "link example.org/2", "its title, text and date"]);
    }

    #[test]
    fn versions_of_one_entry_are_one() {
        let check = |entries: &[(&str, &str, Option<&str>, i64)], want: &[bool]| {
            let at = |seconds| crate::model::Time::from_timestamp(seconds, 0);
            let stated: Vec<Stated> = entries
                .iter()
                .map(|(_, title, link, updated)| Stated { updated: at(*updated), ..stated(title, *link) })
                .collect();
            let gists: Vec<Gist> = stated.iter().map(Gist::of).collect();
            let offers: Vec<Offer> = entries
                .iter()
                .zip(stated.iter().zip(&gists))
                .map(|((id, ..), (stated, gist))| Offer { id: Some(id), stated, gist })
                .collect();
            assert_eq!(repeats(&offers), want, "{entries:?}");
        };
        let link = Some("https://example.org/1");
        check(&[("a", "t", link, 1), ("a", "t", link, 1)], &[false, true]);
        check(&[("a", "t", link, 1), ("a", "t", link, 3), ("a", "t", link, 2)], &[true, false, true]);
        check(&[("a", "t", link, 1), ("a", "another", link, 1), ("a", "t", None, 1)], &[false, false, false]);
        check(&[("a", "t", None, 1), ("a", "t", None, 1), ("b", "t", None, 1)], &[false, true, false]);
    }

    #[test]
    fn roots_and_the_feeds_own_page_are_no_keys() {
        for link in ["https://example.org/", "http://www.example.org/blog"] {
            assert_eq!(keys(&[(None, "t", Some(link))]), ["its title, text and date"]);
        }
    }

    #[test]
    fn entries_that_nothing_tells_apart_stay_apart() {
        let (one, two) = (stated("same", None), stated("same", None));
        let gist = Gist::of(&one);
        let found = [&one, &two].map(|stated| Offer { id: None, stated, gist: &gist });
        let found = of_document(&found, None).of;
        assert_ne!(found[0].0, found[1].0);
    }

    #[test]
    fn publishable_ids() {
        for good in [
            "https://example.org/a?b=1#c",
            "urn:uuid:60a76c80-d399-11d9-b93C-0003939e0af6",
            "urn:isbn:0451450523",
            "tag:example.org,2003:3.2397",
            "tag:me@example.org,2003-04-05:a:b",
        ] {
            assert!(is_publishable(good), "{good}");
        }
        for bad in [
            "",
            "42",
            "a b",
            "https://",
            "urn:uuid:8d5261ba-bf62-ac81-946c-9276ea617917c",
            "urn:uuid:60a76c80d39911d9b93C0003939e0af6",
            "urn::x",
            "tag:example.org:x",
            "tag:example.org,03:x",
            "tag:,2003:x",
            "tag:example.org,2003-1-2:x",
            "http://x y/",
            "javascript:alert(1)",
            "urn:",
            "https://u:p@example.org/",
            "https://example.org/%zz",
        ] {
            assert!(!is_publishable(bad), "{bad}");
        }
    }
}
