//! Publish: rendered bytes in; stored revisions, the live tree and the static mirror out.
//!
//! A revision exists only if the bytes of its path changed. It is compressed once, stored, then swapped in, then
//! mirrored: what a client was given once is there after a power cut. May use: `model`, `store`'s rows.

pub mod mirror;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use chrono::{SubsecRound, TimeDelta};
use hyper::HeaderMap;

use crate::model::Time;
use crate::store::StoredRevision;

/// Media types of what is published (RFC 9110 §8.3). XML and text name their charset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Atom,
    Rss,
    JsonFeed,
    Html,
    Opml,
    Css,
    Svg,
    Png,
}

impl Media {
    pub fn content_type(self) -> &'static str {
        match self {
            Media::Atom => "application/atom+xml; charset=utf-8",
            Media::Rss => "application/rss+xml; charset=utf-8",
            Media::JsonFeed => "application/feed+json",
            Media::Html => "text/html; charset=utf-8",
            Media::Opml => "text/x-opml; charset=utf-8",
            Media::Css => "text/css; charset=utf-8",
            Media::Svg => "image/svg+xml",
            Media::Png => "image/png",
        }
    }

    /// By the path below the site's base; what has no ending is a page.
    pub fn of_path(path: &str) -> Media {
        // An id may end as a file does.
        if path.starts_with("entries/") {
            return Media::Html;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        match name {
            "atom.xml" | "status.atom" => Media::Atom,
            "rss.xml" => Media::Rss,
            "feed.json" => Media::JsonFeed,
            _ => match name.rsplit_once('.').map(|(_, ending)| ending) {
                Some("opml") => Media::Opml,
                Some("css") => Media::Css,
                Some("svg") => Media::Svg,
                Some("png") => Media::Png,
                _ => Media::Html,
            },
        }
    }

    /// What is none is compressed already.
    fn is_text(self) -> bool {
        self != Media::Png
    }

    pub fn is_feed(self) -> bool {
        matches!(self, Media::Atom | Media::Rss | Media::JsonFeed)
    }
}

/// Where a revision cannot be unpacked any more.
pub const DAMAGED: &str = "what the store holds of this document is damaged; the next start makes it anew";

/// The bytes of one path as they are served, in every coding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    pub media: Media,
    body: OnceLock<Option<Bytes>>,
    gzip: OnceLock<Option<Bytes>>,
    brotli: OnceLock<Option<Bytes>>,
    /// Of the identity bytes, without quotes; a coding adds its own suffix (RFC 9110 §8.8.3.3).
    pub etag: String,
    /// Moves only with content and strictly grows.
    pub modified: Time,
    pub counter: u64,
    /// Heads of answers, by coding and status, as whoever serves it made them first.
    pub heads: [OnceLock<HeaderMap>; 6],
}

impl Revision {
    pub fn new(media: Media, body: Bytes, etag: String, modified: Time, counter: u64) -> Revision {
        let (gzip, brotli, heads) = (OnceLock::new(), OnceLock::new(), Default::default());
        Revision { media, body: Some(body).into(), gzip, brotli, etag, modified, counter, heads }
    }

    /// As it is. Unpacked once somebody asks, since nearly all take it packed; `None` where what is packed is damaged.
    pub fn body(&self) -> Option<&Bytes> {
        self.body.get_or_init(|| self.gzip.get()?.as_ref().and_then(|packed| unpacked(packed))).as_ref()
    }

    /// The same for one who needs it this once.
    pub fn body_once(&self) -> Option<Bytes> {
        match self.body.get() {
            Some(known) => known.clone(),
            None => self.gzip.get()?.as_ref().and_then(|packed| unpacked(packed)),
        }
    }

    /// Can it be unpacked?
    pub fn is_sound(&self) -> bool {
        self.body.get().is_some_and(Option::is_some) || self.body_once().is_some()
    }

    /// Without what can be unpacked again; `None` where nothing is.
    fn packed(&self) -> Option<Revision> {
        let is_unpacked = self.body.get().is_some() && self.gzip.get().is_some_and(Option::is_some);
        is_unpacked.then(|| Revision { body: OnceLock::new(), ..self.clone() })
    }

    /// Made once; `None` where compression gains nothing.
    pub fn gzip(&self) -> Option<&Bytes> {
        self.gzip.get_or_init(|| self.text().and_then(gzip)).as_ref()
    }

    /// Made once; `None` where compression gains nothing.
    pub fn brotli(&self) -> Option<&Bytes> {
        self.brotli.get_or_init(|| self.text().and_then(brotli)).as_ref()
    }

    fn text(&self) -> Option<&[u8]> {
        self.body().filter(|_| self.media.is_text()).map(|body| &body[..])
    }

    /// Compress now, before anybody asks: not on an async thread. Was there anything to do that gained something?
    pub fn prepare(&self) -> bool {
        let known = self.gzip.get().is_some() && self.brotli.get().is_some();
        let gained = self.gzip().is_some() || self.brotli().is_some();
        gained && !known
    }
}

/// What is served right now. Readers never wait for a publication.
#[derive(Debug, Default)]
pub struct Live {
    tree: RwLock<BTreeMap<String, Arc<Revision>>>,
    /// Path of the Atom document of a feed -> print of all that its documents were made of.
    made: RwLock<BTreeMap<String, String>>,
}

impl Live {
    pub fn get(&self, path: &str) -> Option<Arc<Revision>> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    pub fn paths(&self) -> Vec<String> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// All of one publication at once.
    pub fn put(&self, revisions: impl IntoIterator<Item = (String, Arc<Revision>)>) {
        self.tree.write().unwrap_or_else(PoisonError::into_inner).extend(revisions);
    }

    pub fn remove(&self, paths: &[String]) {
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        let mut made = self.made.write().unwrap_or_else(PoisonError::into_inner);
        for path in paths {
            tree.remove(path);
            made.remove(path);
        }
    }

    /// Nothing is served that would not be without; what is kept packed as well is kept so alone.
    pub fn rest_all(&self) {
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        tree.values_mut().for_each(rest);
    }

    /// The same of these.
    pub fn rest(&self, paths: impl IntoIterator<Item = String>) {
        let mut tree = self.tree.write().unwrap_or_else(PoisonError::into_inner);
        for path in paths {
            tree.get_mut(&path).map(rest);
        }
    }

    /// Were the documents of the feed whose Atom document this is made of that?
    pub fn is_made_of(&self, atom: &str, print: &str) -> bool {
        self.made.read().unwrap_or_else(PoisonError::into_inner).get(atom).is_some_and(|made| made == print)
    }

    /// Path of the Atom document of each feed, and print of what it was made of.
    pub fn note_made(&self, made: impl IntoIterator<Item = (String, String)>) {
        self.made.write().unwrap_or_else(PoisonError::into_inner).extend(made);
    }
}

fn rest(revision: &mut Arc<Revision>) {
    if let Some(packed) = revision.packed() {
        *revision = Arc::new(packed);
    }
}

/// What has to be stored and swapped in: paths whose bytes differ from the live ones. `made_by`: print of the configuration
/// and version.
pub fn revise(
    live: &Live,
    documents: Vec<(String, Vec<u8>)>,
    made_by: &str,
    now: Time,
) -> Vec<(StoredRevision, Revision)> {
    let now = now.trunc_subsecs(0);
    let mut revised = Vec::new();
    for (path, body) in documents {
        let before = live.get(&path);
        let etag = etag(&body);
        if before.as_ref().is_some_and(|before| before.etag == etag && before.is_sound()) {
            continue;
        }
        let (modified, counter) = match &before {
            Some(before) => (now.max(before.modified + TimeDelta::seconds(1)), before.counter + 1),
            None => (now, 1),
        };
        let made_by = made_by.to_owned();
        let body = Some(kept(body));
        let stored = StoredRevision { etag, path, body, gzip: None, brotli: None, modified, counter, made_by };
        let revision = revive(stored.clone());
        revised.push((stored, revision));
    }
    revised
}

/// A stored revision, ready to be served.
pub fn revive(stored: StoredRevision) -> Revision {
    let media = Media::of_path(&stored.path);
    let (body, heads) = (stored.body.map_or_else(OnceLock::new, |body| Some(body).into()), Default::default());
    let StoredRevision { etag, modified, counter, .. } = stored;
    let (gzip, brotli) = (OnceLock::new(), OnceLock::new());
    let revision = Revision { media, body, gzip, brotli, etag, modified, counter, heads };
    // A validator names bytes: those that were sent under it once.
    for (kept, known) in [(&revision.gzip, stored.gzip), (&revision.brotli, stored.brotli)] {
        if known.is_some() {
            let _ = kept.set(known);
        }
    }
    revision
}

/// A page that is made anew whenever it is asked for, as it stands now.
pub fn of_page(body: Vec<u8>) -> Revision {
    Revision::new(Media::Html, body.into(), String::new(), Time::default(), 0)
}

/// 128 bits of the BLAKE3 hash in hexadecimal digits.
pub fn etag(body: &[u8]) -> String {
    blake3::hash(body).to_hex().chars().take(32).collect()
}

/// Paths that are live but belong to nothing that is published any more.
pub fn orphans(live: &Live, wanted: &BTreeSet<String>) -> Vec<String> {
    live.paths().into_iter().filter(|path| !wanted.contains(path)).collect()
}

/// Shorter bodies fit one packet as they are.
const WORTH_COMPRESSING: usize = 1000;

fn gzip(body: &[u8]) -> Option<Bytes> {
    if body.len() < WORTH_COMPRESSING {
        return None;
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 3), flate2::Compression::new(6));
    encoder.write_all(body).ok()?;
    encoder.finish().ok().filter(|packed| packed.len() < body.len()).map(kept)
}

fn brotli(body: &[u8]) -> Option<Bytes> {
    if body.len() < WORTH_COMPRESSING {
        return None;
    }
    let mut packed = Vec::with_capacity(body.len() / 3);
    let parameters = brotli::enc::BrotliEncoderParams { quality: 5, lgwin: 20, ..Default::default() };
    brotli::BrotliCompress(&mut &body[..], &mut packed, &parameters).ok()?;
    (packed.len() < body.len()).then(|| kept(packed))
}

fn unpacked(gzip: &[u8]) -> Option<Bytes> {
    let mut body = Vec::with_capacity(gzip.len() * 5);
    flate2::read::GzDecoder::new(gzip).read_to_end(&mut body).ok()?;
    Some(kept(body))
}

/// What stays for long takes no more room than it has bytes.
fn kept(mut bytes: Vec<u8>) -> Bytes {
    bytes.shrink_to_fit();
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time::from_timestamp(second, 999_000_000).unwrap()
    }

    fn publish(live: &Live, body: &str, now: Time) -> usize {
        let revised = revise(live, vec![("politics/atom.xml".into(), body.into())], "", now);
        let count = revised.len();
        live.put(revised.into_iter().map(|(stored, revision)| (stored.path, Arc::new(revision))));
        count
    }

    #[test]
    fn a_revision_only_when_bytes_change() {
        let live = Live::default();
        assert_eq!(publish(&live, "one", at(10)), 1);
        let first = live.get("politics/atom.xml").unwrap();
        assert_eq!(publish(&live, "one", at(20)), 0);
        assert!(Arc::ptr_eq(&first, &live.get("politics/atom.xml").unwrap()), "what was compressed stays so");
        assert_eq!((first.modified.timestamp(), first.counter), (10, 1));
        assert_eq!(publish(&live, "two", at(5)), 1);
        let second = live.get("politics/atom.xml").unwrap();
        assert_eq!(
            (second.modified.timestamp(), second.counter),
            (11, 2),
            "Last-Modified grows even if the clock does not"
        );
        assert_ne!(first.etag, second.etag);
    }

    fn stored(body: Option<Bytes>, gzip: Option<Bytes>) -> Revision {
        let (path, etag, made_by) = ("rss.xml".into(), "e".into(), String::new());
        revive(StoredRevision { path, body, gzip, brotli: None, etag, modified: at(1), counter: 1, made_by })
    }

    #[test]
    fn compressed_once_and_back_again() {
        let body = "a line that comes again and again\n".repeat(200);
        let revision = stored(Some(body.clone().into()), None);
        let mut back = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&revision.gzip().unwrap()[..]), &mut back)
            .unwrap();
        assert_eq!(back, body);
        let again = |body: Option<&Bytes>| body.map(|body| body.as_ptr());
        assert_eq!(again(revision.gzip()), again(revision.gzip()), "made once, whoever asks");
        assert_eq!(again(revision.brotli()), again(revision.brotli()));
        assert!(revision.brotli().unwrap().len() < body.len() / 10);
        assert!(gzip(b"short").is_none());

        let packed = revision.gzip().unwrap().clone();
        let kept = stored(None, Some(packed.clone()));
        assert_eq!(kept.body().unwrap(), body.as_bytes());
        assert_eq!(kept.gzip().unwrap(), &packed);
        assert_eq!(kept.brotli(), revision.brotli(), "the same bytes, packed the same way");
        assert_eq!(stored(None, Some(packed.slice(..packed.len() - 9))).body(), None, "damage is no document");
    }
}
