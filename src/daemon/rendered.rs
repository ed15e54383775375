//! What of a feed is kept from one publication to the next, so that an unchanged entry is never loaded, rendered or
//! read back twice. Bounded by what the feeds hold; the bytes are those of the live documents themselves.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::model::{FeedEntry, Standing, Time};
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
}

impl Shelves {
    /// What is kept of one feed, to be renewed and put back; whatever fails meanwhile only makes the next time slower.
    pub fn take(&self, path: &str) -> Rendered {
        self.lock().remove(path).unwrap_or_default()
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

impl Rendered {
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
        render::settle(&mut self.fragments, bodies);
    }
}
