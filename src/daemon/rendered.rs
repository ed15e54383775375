//! What of a feed is kept from one publication to the next, so that an unchanged entry is never loaded, rendered or
//! read back twice. Bounded by what the feeds hold; the bytes are those of the live documents themselves, and while a
//! feed rests only the places in them are kept: the documents lie packed then.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::model::{FeedEntry, Standing, Time};
use crate::publish::{Live, Revision};
use crate::render::page::EntryLine;
use crate::render::{self, Fragment, Left, Manner};
use crate::store::Stored;

/// Every feed's, by the path of its page.
#[derive(Default)]
pub struct Shelves {
    feeds: Mutex<BTreeMap<String, Rendered>>,
}

/// The entries of one feed, in its order.
#[derive(Default)]
pub struct Rendered {
    manner: Manner,
    /// Row and version of each, and where it stands in `fragments` and `lines`, or why it is left out.
    entries: HashMap<i64, ([u8; 16], Result<usize, Left>)>,
    fragments: Vec<Fragment>,
    lines: Vec<EntryLine>,
    /// All fragments are parts of the live documents.
    settled: bool,
    /// The fragments hold no bytes while this says where they are.
    resting: Option<Resting>,
}

/// Where fragments stand in the documents of these validators: Atom, RSS, JSON Feed.
struct Resting {
    etags: [String; 3],
    places: Vec<[Range<usize>; 3]>,
}

impl Shelves {
    /// What is kept of one feed, to be renewed and put back; whatever fails meanwhile only makes the next time slower.
    pub fn take(&self, path: &str) -> Rendered {
        self.lock().remove(path).unwrap_or_default()
    }

    /// Until they are taken again, feeds keep of their bytes only the places in the live documents; and of these nothing is
    /// kept that can be unpacked.
    pub fn rest_all(&self, live: &Live) {
        // One after the other: whoever publishes meanwhile does not wait for all of them.
        let paths: Vec<String> = self.lock().keys().cloned().collect();
        paths.iter().for_each(|path| self.rest_in(path, live));
        live.rest_all();
    }

    /// The same of the feed with this page.
    pub fn rest(&self, path: &str, live: &Live) {
        self.rest_in(path, live);
        live.rest([render::ATOM, render::RSS, render::JSON, ""].map(|name| format!("{path}{name}")));
    }

    fn rest_in(&self, path: &str, live: &Live) {
        if let (Some(documents), Some(kept)) = (documents(path, live), self.lock().get_mut(path)) {
            kept.rest(&documents);
        }
    }

    pub fn put(&self, path: String, kept: Rendered) {
        self.lock().insert(path, kept);
    }

    pub fn knows(&self, path: &str) -> bool {
        self.lock().contains_key(path)
    }

    /// The first lines of every feed: those that are given, else those that are kept.
    pub fn newest(
        &self,
        mut given: BTreeMap<String, Vec<EntryLine>>,
        count: impl Fn(&str) -> usize,
    ) -> BTreeMap<String, Vec<EntryLine>> {
        for (path, kept) in self.lock().iter() {
            given.entry(path.clone()).or_insert_with(|| kept.newest(count(path)));
        }
        given
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Rendered>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those that are live of the feed whose page this is: Atom, RSS, JSON Feed.
fn documents(path: &str, live: &Live) -> Option<[Arc<Revision>; 3]> {
    let document = |name: &str| live.get(&format!("{path}{name}"));
    Some([document(render::ATOM)?, document(render::RSS)?, document(render::JSON)?])
}

impl Rendered {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of its bytes stand in these documents, or it does not rest.
    fn rest(&mut self, documents: &[Arc<Revision>; 3]) {
        if self.resting.is_some() || !self.settled || self.fragments.is_empty() {
            return;
        }
        let bodies = documents.each_ref().map(|document| document.body_once().unwrap_or_default());
        let places = render::places(&self.fragments, bodies.each_ref()).into_iter().map(|places| match places {
            [Some(atom), Some(rss), Some(json)] => Some([atom, rss, json]),
            _ => None,
        });
        let Some(places) = places.collect() else { return };
        for fragment in &mut self.fragments {
            fragment.parts().into_iter().for_each(|part| *part = Bytes::new());
        }
        self.resting = Some(Resting { etags: documents.each_ref().map(|document| document.etag.clone()), places });
    }

    /// With its bytes again; nothing, where the live documents of the feed are others by now. It unpacks them.
    pub fn woken(mut self, path: &str, live: &Live) -> Rendered {
        let Some(Resting { etags, places }) = self.resting.take() else { return self };
        let bodies = documents(path, live)
            .filter(|documents| documents.iter().zip(&etags).all(|(document, etag)| document.etag == *etag))
            .map(|documents| documents.map(|document| document.body_once().unwrap_or_default()));
        let Some(bodies) = bodies else { return Rendered::default() };
        for (fragment, places) in self.fragments.iter_mut().zip(places) {
            for ((part, body), place) in fragment.parts().into_iter().zip(&bodies).zip(places) {
                // What was unpacked whole once is not shorter now, unless it is damaged.
                if body.len() < place.end {
                    return Rendered::default();
                }
                *part = body.slice(place);
            }
        }
        self
    }

    /// What is kept, unless it was made for another manner of feed.
    pub fn of_manner(self, manner: Manner) -> Rendered {
        if self.manner == manner { self } else { Rendered { manner, ..Rendered::default() } }
    }

    /// Is this very version of the entry here?
    pub fn holds(&self, standing: &Standing) -> bool {
        self.entries.get(&standing.row).is_some_and(|(version, _)| *version == standing.version)
    }

    /// Bring it in line with what stands in the feed now. `loaded`: the entries that are not kept, by row.
    pub fn renew(
        &mut self,
        standings: &[Standing],
        mut loaded: BTreeMap<i64, Stored>,
        entry: &dyn Fn(Stored) -> FeedEntry,
        line: &dyn Fn(&FeedEntry) -> EntryLine,
    ) {
        let before = std::mem::take(self);
        self.manner = before.manner;
        let mut fragments: Vec<Option<(Fragment, EntryLine)>> =
            before.fragments.into_iter().zip(before.lines).map(Some).collect();
        let mut entries = before.entries;
        for standing in standings {
            let kept = entries.remove(&standing.row).filter(|(version, _)| *version == standing.version);
            let made = match kept {
                Some((_, Ok(at))) => fragments.get_mut(at).and_then(Option::take).map(Ok),
                Some((_, Err(left))) => Some(Err(left)),
                None => loaded.remove(&standing.row).map(|stored| {
                    let entry = entry(stored);
                    render::checked_fragment(&entry, &self.manner).map(|fragment| (fragment, line(&entry)))
                }),
            };
            // It was removed since it was seen to stand here.
            let Some(made) = made else { continue };
            let place = made.map(|(fragment, line)| {
                self.fragments.push(fragment);
                self.lines.push(line);
                self.fragments.len() - 1
            });
            self.entries.insert(standing.row, (standing.version, place));
        }
    }

    /// In the order of the feed.
    pub fn fragments(&self) -> &[Fragment] {
        &self.fragments
    }

    pub fn lines(&self) -> Vec<EntryLine> {
        self.lines.clone()
    }

    pub fn newest(&self, count: usize) -> Vec<EntryLine> {
        self.lines.iter().take(count).cloned().collect()
    }

    /// Those that did not pass the gate, by id.
    pub fn left(&self) -> impl Iterator<Item = &Left> {
        let mut left: Vec<&Left> = self.entries.values().filter_map(|(_, made)| made.as_ref().err()).collect();
        left.sort_by(|a, b| a.id.cmp(&b.id));
        left.into_iter()
    }

    /// Newest change of any entry.
    pub fn updated(&self) -> Option<Time> {
        self.fragments.iter().map(|fragment| fragment.updated).max()
    }

    /// From now on its bytes are those of the documents as they are served: Atom, RSS, JSON Feed.
    pub fn settle(&mut self, bodies: [&Bytes; 3]) {
        self.settled = render::settle(&mut self.fragments, bodies);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EntryId, Feed, Paging};
    use crate::publish::{etag, revise};

    fn feed() -> Feed {
        Feed {
            id: "urn:uuid:1".into(),
            title: "News".into(),
            description: None,
            language: None,
            page: "https://news.example/news/".into(),
            updated: Time::default(),
            icon: None,
            rights: None,
            hubs: Vec::new(),
            ttl_minutes: 60,
            full_text: true,
            attribution: false,
            entries: Vec::new(),
            deleted: Vec::new(),
            paging: Paging::Alone,
        }
    }

    fn fragment(n: usize) -> Fragment {
        let text = "words that come again ".repeat(n + 20);
        Fragment {
            id: EntryId(format!("urn:{n}")),
            published: Time::default(),
            updated: Time::default(),
            atom: format!("<entry><id>urn:{n}</id>{text}</entry>").into(),
            rss: format!("<item><guid>urn:{n}</guid>{text}</item>").into(),
            json: format!("{{\"id\":\"urn:{n}\",\"content_text\":\"{text}\"}}").into(),
        }
    }

    fn publish(live: &Live, fragments: &[Fragment]) {
        let document = |name: &str, format| (format!("news/{name}"), render::document_of(&feed(), fragments, format));
        let documents = vec![
            document(render::ATOM, render::Format::Atom),
            document(render::RSS, render::Format::Rss),
            document(render::JSON, render::Format::Json),
        ];
        let revised = revise(live, documents, "", Time::default());
        assert!(revised.iter().all(|(_, revision)| revision.prepare()), "compressed");
        live.put(revised.into_iter().map(|(stored, revision)| (stored.path, Arc::new(revision))));
    }

    #[test]
    fn what_rests_takes_no_room_and_wakes_as_it_was() {
        let (live, shelves) = (Live::default(), Shelves::default());
        let fragments: Vec<Fragment> = (0..5).map(fragment).collect();
        publish(&live, &fragments);
        let entries = (0..5).map(|n| (n as i64, ([0; 16], Ok(n)))).collect();
        shelves.put(
            "news/".into(),
            Rendered { entries, fragments: fragments.clone(), settled: true, ..Rendered::default() },
        );
        shelves.rest_all(&live);
        shelves.rest_all(&live);
        let kept = shelves.take("news/");
        assert!(
            kept.resting.is_some() && kept.fragments.iter().all(|f| f.atom.len() + f.rss.len() + f.json.len() == 0)
        );
        let document = live.get("news/atom.xml").unwrap();
        assert_eq!(etag(&document.body_once().unwrap()), document.etag, "served as before");
        let kept = kept.woken("news/", &live);
        assert!(kept.resting.is_none());
        assert_eq!(kept.fragments, fragments);

        // Made of others meanwhile: nothing is kept, and nothing of it taken for what it is not.
        shelves.put("news/".into(), kept);
        shelves.rest_all(&live);
        publish(&live, &fragments[1..]);
        let kept = shelves.take("news/").woken("news/", &live);
        assert!(kept.fragments.is_empty() && kept.entries.is_empty());

        // Not of these documents: it stays as it is.
        shelves.put("news/".into(), Rendered { fragments: vec![fragment(9)], settled: true, ..Rendered::default() });
        shelves.rest_all(&live);
        assert_eq!(shelves.take("news/").fragments, [fragment(9)]);
    }
}
