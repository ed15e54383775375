//! Documents of archives (RFC 5005): made when somebody asks, kept a while, and written once into the mirror.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::dirty::Dirty;
use super::material::TOMBSTONE_DAYS;
use super::work::{blocking, on_disk};
use super::{Newsdesk, chain};
use crate::merge::{self, Identity, current};
use crate::model::{Paging, Section, Time};
use crate::publish::{self, Revision, mirror};
use crate::render;
use crate::serve::public::Found;
use crate::store::{ArchiveRow, SectionRow, StoreError, StoredRevision};

/// Bytes of documents that are kept for the next who asks.
const MOST_KEPT: usize = 16 << 20;
/// Documents that are made at once for those who ask.
const MAKERS: usize = 2;
/// Documents written into the mirror between two looks at what else there is.
const BATCH: usize = 20;

/// The three documents of one number.
type Made = BTreeMap<&'static str, Arc<Revision>>;

/// What was made lately.
pub struct Shelves {
    made: Mutex<Recent>,
    makers: Semaphore,
    /// Passes over the mirror that wait for their turn: one is enough.
    pub(super) waiting: Semaphore,
}

#[derive(Default)]
struct Recent {
    /// By section and number; with the state of the entries it was made of, and when it was last asked for.
    made: BTreeMap<(i64, u64), (i64, u64, Made)>,
    asked: u64,
    bytes: usize,
}

impl Default for Shelves {
    fn default() -> Shelves {
        Shelves { made: Mutex::default(), makers: Semaphore::new(MAKERS), waiting: Semaphore::new(1) }
    }
}

impl Shelves {
    fn find(&self, key: (i64, u64), touched: i64) -> Option<Made> {
        let mut recent = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        recent.asked += 1;
        let asked = recent.asked;
        let (state, last, made) = recent.made.get_mut(&key)?;
        *last = asked;
        (*state == touched).then(|| made.clone())
    }

    fn keep(&self, key: (i64, u64), touched: i64, made: &Made) {
        let size = |made: &Made| made.values().map(|revision| 2 * revision.body().map_or(0, Bytes::len)).sum::<usize>();
        let mut recent = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = recent.asked;
        recent.bytes += size(made);
        if let Some((.., old)) = recent.made.insert(key, (touched, asked, made.clone())) {
            recent.bytes -= size(&old);
        }
        while recent.bytes > MOST_KEPT && recent.made.len() > 1 {
            let oldest = recent.made.iter().min_by_key(|(_, (_, asked, _))| *asked).map(|(key, _)| *key);
            let Some((.., old)) = oldest.and_then(|key| recent.made.remove(&key)) else { break };
            recent.bytes -= size(&old);
        }
    }
}

impl Newsdesk {
    /// `/SECTION/archive/N/NAME`
    pub(super) async fn archive_document(&self, section: &str, number: u64, name: &str) -> Result<Found, StoreError> {
        let found = self.sections.iter().find(|(row, _)| row.name == section && !section.is_empty());
        let Some((row, section)) = found else { return Ok(Found::Missing) };
        let Some(known) = self.store.archive(row.row, number).await? else {
            let shelf = self.store.shelf(row.row).await?;
            // Retention has taken it, and it does not come back.
            return Ok(if (1..shelf.from).contains(&number) { Found::Gone } else { Found::Missing });
        };
        let key = (row.row, number);
        let kept = |touched| self.archives.find(key, touched).and_then(|made| made.get(name).cloned());
        if let Some(revision) = kept(known.touched) {
            return Ok(Found::Revision(revision));
        }
        // The semaphore is never closed.
        let _turn = self.archives.makers.acquire().await;
        if let Some(revision) = kept(known.touched) {
            return Ok(Found::Revision(revision));
        }
        let Some((known, made)) = self.make_archive(row, section, known, super::now()).await? else {
            return Ok(Found::Failed);
        };
        self.archives.keep(key, known.touched, &made);
        Ok(made.get(name).cloned().map_or(Found::Missing, Found::Revision))
    }

    /// Make the documents of one number anew. `None`: they do not pass the gate.
    async fn make_archive(
        &self,
        row: &SectionRow,
        section: &Arc<Section>,
        known: ArchiveRow,
        now: Time,
    ) -> Result<Option<(ArchiveRow, Made)>, StoreError> {
        let number = known.document;
        let newsdesk = self.clone();
        let open = move |source: &str| newsdesk.source(source).is_some_and(|source| !source.private);
        let stored = self.store.archived(row.row, number, open).await?;
        let path = format!("{}/", row.name);
        let identity = Identity { id: row.feed_id.clone(), created: row.created, path: path.clone() };
        let paging = Paging::Archived { number, previous: number.checked_sub(1).filter(|number| *number > 0) };
        let (newsdesk, section) = (self.clone(), section.clone());
        let rendered = blocking(move || {
            let newest = stored.iter().map(|stored| stored.entry.updated).max();
            let mut feed = merge::feed(&section, identity, &newsdesk.site, newest, Vec::new(), paging);
            let entries = stored.into_iter().map(|stored| newsdesk.candidate(stored));
            // Who else carries a story may change for ever: only the current document says it.
            feed.entries = entries.map(|candidate| merge::feed_entry(candidate, &newsdesk.site)).collect();
            feed.entries.reverse();
            render::documents_checked(&feed)
        });
        let (documents, left) = match rendered.await {
            Ok(rendered) => rendered,
            Err(refused) => {
                tracing::error!(stage = "render", "{path}{}{number}/: {refused}", render::ARCHIVE);
                return Ok(None);
            }
        };
        for left in left {
            tracing::error!(stage = "render", "{path}: entry {} is left out of its archive: {}", left.id, left.reason);
        }
        let render::Documents { atom, rss, json } = documents;
        let print = publish::etag(&[atom.as_slice(), rss.as_slice(), json.as_slice()].concat());
        let Some(known) = self.store.made_archive(row.row, number, print, now).await? else { return Ok(None) };
        let made = [(render::ATOM, atom), (render::RSS, rss), (render::JSON, json)].map(|(name, body)| {
            let stored = StoredRevision {
                path: format!("{path}{}{number}/{name}", render::ARCHIVE),
                etag: publish::etag(&body),
                body: Some(body.into()),
                gzip: None,
                brotli: None,
                modified: known.modified,
                counter: known.counter,
                made_by: String::new(),
            };
            (name, Arc::new(publish::revive(stored)))
        });
        Ok(Some((known, made.into())))
    }

    /// Write what the mirror lacks of the archives. It may take long after a start with a new mirror; whatever is
    /// interrupted goes on the next time.
    pub(super) async fn mirror_archives(&self, root: &std::path::Path) {
        for (row, section) in self.sections.iter().filter(|(row, _)| !row.name.is_empty()) {
            if let Err(cause) = self.mirror_archive(root, row, section).await {
                tracing::error!(stage = "mirror", "{}", chain(&*cause));
            }
        }
    }

    async fn mirror_archive(
        &self,
        root: &std::path::Path,
        row: &SectionRow,
        section: &Arc<Section>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        loop {
            let numbers = self.store.unmirrored(row.row, BATCH).await?;
            if numbers.is_empty() {
                return Ok(());
            }
            let mut written = Vec::new();
            for number in numbers {
                let Some(known) = self.store.archive(row.row, number).await? else { continue };
                let touched = known.touched;
                let Some((known, made)) = self.make_archive(row, section, known, super::now()).await? else {
                    // It was named; what the gate refuses is not looked at again before something in it changes.
                    written.push(ArchiveRow {
                        document: number,
                        touched,
                        print: None,
                        modified: row.created,
                        counter: 0,
                    });
                    continue;
                };
                let (root, path) = (root.to_owned(), format!("{}/{}{number}/", row.name, render::ARCHIVE));
                on_disk(move || {
                    made.iter().try_for_each(|(name, revision)| {
                        mirror::write(&root, &format!("{path}{name}"), revision).map(drop)
                    })
                })
                .await?;
                written.push(ArchiveRow { touched, ..known });
            }
            self.store.mirrored(row.row, written).await?;
        }
    }

    /// At the start: documents that are made otherwise from now on, or stand in another folder, are written anew, and
    /// what no section keeps any more leaves the mirror.
    pub(super) async fn sweep_archives(&self) -> Result<(), StoreError> {
        let root = self.settings.publish.folder.clone();
        let mut wanted = BTreeMap::new();
        let (placer, private) = (self.placer.print(), self.private_sources());
        for (row, section) in self.sections.iter().filter(|(row, _)| !row.name.is_empty()) {
            let shelf = self.store.shelf(row.row).await?;
            let newest = root.as_ref().filter(|_| shelf.holds(shelf.newest())).is_some_and(|root| {
                let path = format!("{}/{}{}/{}", row.name, render::ARCHIVE, shelf.newest(), render::ATOM);
                root.join(mirror::file_of(&path)).exists()
            });
            let print = publish::etag(
                format!(
                    "{} {section:?} {:?} {} {:?} {root:?} {newest}",
                    env!("CARGO_PKG_VERSION"),
                    self.site,
                    placer,
                    private
                )
                .as_bytes(),
            );
            self.store.remake_archives(row.row, print).await?;
            wanted.insert(row.name.clone(), shelf.from..=shelf.newest());
        }
        let Some(root) = root else { return Ok(()) };
        let known = self.store.section_names().await?;
        let swept = on_disk(move || {
            known.into_iter().filter(|name| !name.is_empty()).try_for_each(|name| {
                #[allow(clippy::reversed_empty_ranges)]
                let keep = wanted.get(&name).cloned().unwrap_or(1..=0);
                mirror::sweep_archive(&root, &format!("{name}/{}", render::ARCHIVE), keep)
            })
        });
        if let Err(cause) = swept.await {
            tracing::error!(stage = "mirror", "{}", chain(&cause));
        }
        Ok(())
    }

    /// Retention drops whole documents, the oldest first; of a section with `keep-days` before the store's time.
    pub(super) async fn retire_archives(&self, before: Time, keep: usize, now: Time) -> Result<(), StoreError> {
        for (row, section) in self.sections.iter().filter(|(row, _)| !row.name.is_empty()) {
            let before = section.keep.map_or(before, |keep| before.max(now - keep));
            if section.keep.is_some() {
                self.store.left_by_age(row.row, before).await?;
            }
            while let Some(document) = self.store.drop_oldest_archive(row.row, before, keep).await? {
                tracing::info!("document {document} of the archive of {} was dropped", row.name);
                // The current document may have led to it.
                self.stale.lock().unwrap_or_else(PoisonError::into_inner).insert(row.name.clone());
                let Some(root) = self.settings.publish.folder.clone() else { continue };
                let path = format!("{}/{}{document}/", row.name, render::ARCHIVE);
                let removed = on_disk(move || {
                    [render::ATOM, render::RSS, render::JSON]
                        .into_iter()
                        .try_for_each(|name| mirror::remove(&root, &format!("{path}{name}")))
                });
                if let Err(cause) = removed.await {
                    tracing::error!(stage = "mirror", "{}", chain(&cause));
                }
            }
        }
        Ok(())
    }

    /// Corrections and withdrawals that were told of long enough leave the current documents.
    pub(super) async fn no_longer_told(&self, last: Time, now: Time) -> Dirty {
        let mut dirty = Dirty::default();
        match self.store.corrected_between(last - current::CORRECTED, now - current::CORRECTED).await {
            Ok(sections) => dirty.sections.extend(sections),
            Err(cause) => tracing::error!(stage = "store", "{}", chain(&cause)),
        }
        match self.store.withdrawn_between(last - TOMBSTONE_DAYS, now - TOMBSTONE_DAYS).await {
            Ok((sections, sources)) => {
                dirty.sections.extend(sections);
                let own =
                    self.settings.sources.iter().filter(|source| source.publish && sources.contains(&source.name));
                dirty.sources.extend(own.map(|source| source.name.clone()));
            }
            Err(cause) => tracing::error!(stage = "store", "{}", chain(&cause)),
        }
        dirty
    }
}
