//! From stored entries to live documents: window, merge, render, gate, revision, mirror. Each step is a room of its own;
//! here stands only their order.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use super::rendered::Rendered;
use super::work::{blocking, on_disk};
use super::{Newsdesk, pages};
use crate::config::settings::{Hub, Source};
use crate::merge::{self, Candidate, Identity, current};
use crate::model::{Entry, Feed, FeedEntry, Origin, Paging, Section, Standing, Time};
use crate::publish::{self, mirror};
use crate::render::{self, Manner, page, troubles};
use crate::store::{Applied, Reach, SectionRow, Shown, Spells, Standings, StoreError, Stored, StoredRevision};

/// A withdrawn entry is announced after this time: editors delete and write anew, checkouts come in pieces.
pub const TOMBSTONE_DELAY: TimeDelta = TimeDelta::seconds(60);
/// Announced for this long (RFC 6721).
const TOMBSTONE_DAYS: TimeDelta = TimeDelta::days(30);
/// Waits before each try to reach the hub.
const HUB_RETRIES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(60)];
/// Entries of each section on the front page, and of the whole site.
const ON_THE_FRONT: usize = 4;
pub const NEWEST_ON_THE_FRONT: usize = 40;

/// Lines of the feed with this page that the front page shows.
fn on_the_front(path: &str) -> usize {
    if path.is_empty() { NEWEST_ON_THE_FRONT } else { ON_THE_FRONT }
}

/// What may look different now.
#[derive(Debug, Clone, Default)]
pub struct Dirty {
    /// Names of sections; the empty one is the site.
    pub sections: BTreeSet<String>,
    /// Names of sources that are published on their own.
    pub sources: BTreeSet<String>,
    /// Article pages to make again, for the mirror.
    pub slugs: BTreeSet<String>,
    /// Article pages that are gone.
    pub withdrawn: BTreeSet<String>,
    /// A source began to fail, or is well again.
    pub troubles: bool,
    /// Sections and sources that something changed of which readers are to be told, and those that a flood changed.
    told: BTreeSet<Changed>,
    flooded: BTreeSet<Changed>,
    /// The mirror lacks something of what is live.
    unmirrored: bool,
    /// A person saved a file and waits.
    pub urgent: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Changed {
    Section(String),
    Source(String),
}

impl Dirty {
    pub fn is_empty(&self) -> bool {
        let documents = self.sections.is_empty() && self.sources.is_empty() && !self.troubles;
        documents && self.slugs.is_empty() && self.withdrawn.is_empty() && !self.unmirrored
    }

    pub fn add(&mut self, source: &Source, applied: &Applied) {
        self.sections.extend(applied.sections.iter().cloned());
        let changed = if applied.flood { &mut self.flooded } else { &mut self.told };
        changed.extend(applied.sections.iter().cloned().map(Changed::Section));
        if source.publish && !applied.sections.is_empty() {
            self.sources.insert(source.name.clone());
            changed.insert(Changed::Source(source.name.clone()));
        }
        self.slugs.extend(applied.slugs.iter().cloned());
        self.withdrawn.extend(applied.withdrawn.iter().filter_map(|withdrawn| withdrawn.slug.clone()));
    }

    /// What could not be published stays to be done.
    pub fn merge(&mut self, other: Dirty) {
        self.sections.extend(other.sections);
        self.sources.extend(other.sources);
        self.slugs.extend(other.slugs);
        self.withdrawn.extend(other.withdrawn);
        self.troubles |= other.troubles;
        self.unmirrored |= other.unmirrored;
        self.told.extend(other.told);
        self.flooded.extend(other.flooded);
        self.urgent |= other.urgent;
    }

    /// Is anybody to be told that this document changed? Not where only a flood changed it: a first fetch, or a source
    /// that changed all its ids.
    fn is_told(&self, path: &str) -> bool {
        // What it tells of is no entry.
        if path == troubles::STATUS {
            return true;
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let changed = match folder.strip_prefix("sources/") {
            Some(name) => {
                let names = self.sources.iter().find(|source| crate::normalize::links::encode_segment(source) == name);
                Changed::Source(names.cloned().unwrap_or_default())
            }
            None => Changed::Section(folder.split('/').next().unwrap_or_default().to_owned()),
        };
        self.told.contains(&changed) || !self.flooded.contains(&changed)
    }
}

/// What a publication brought.
#[derive(Debug, Default)]
pub struct Published {
    /// Paths whose bytes are new.
    pub changed: Vec<String>,
    /// Atom documents of the feeds that were made anew, whether or not their bytes are new: not of those of which
    /// nothing had changed.
    pub feeds: Vec<String>,
    /// Those of them that somebody is told of: all but what only a flood changed.
    pub told: Vec<String>,
    /// What the mirror could not be brought to: to be tried again.
    pub unmirrored: Option<Dirty>,
}

/// One feed, out of the store: of the entries that stand in it unchanged, nothing but their place.
struct Material {
    /// Of its page, below the base.
    path: String,
    feed: Feed,
    standings: Vec<Standing>,
    /// Of all that its documents are made of.
    print: String,
    /// New and changed ones, by row.
    loaded: BTreeMap<i64, Stored>,
    kept: Rendered,
    /// Not published now: the front page wants to know its newest.
    front_only: bool,
}

/// Three documents and a page of one feed, ready to become revisions.
struct Made {
    path: String,
    kept: Rendered,
    print: String,
    /// Absent where the feed cannot be published as it is.
    documents: Option<render::Documents>,
    page: Option<Vec<u8>>,
    front_only: bool,
}

/// All that one publication brings.
struct Laid {
    /// What is new of it.
    stored: Vec<StoredRevision>,
    /// The same, by path, to be served.
    revisions: Vec<(String, Arc<publish::Revision>)>,
    /// Path of the Atom document of each feed that was made, and print of what it was made of.
    made: Vec<(String, String)>,
}

impl Newsdesk {
    /// Everything that there is: at the start, and when time alone may have changed something.
    pub async fn everything(&self) -> Result<Dirty, StoreError> {
        let own = self.settings.sources.iter().filter(|source| source.publish);
        Ok(Dirty {
            sections: self.sections.iter().map(|(row, _)| row.name.clone()).collect(),
            sources: own.map(|source| source.name.clone()).collect(),
            slugs: if self.settings.publish.folder.is_some() {
                self.store.slugs().await?.into_iter().collect()
            } else {
                BTreeSet::new()
            },
            ..Dirty::default()
        })
    }

    /// Publish what is dirty. What cannot be stored does not go live, and nothing that was live is lost.
    pub async fn publish(&self, dirty: &Dirty, now: Time) -> Result<Published, StoreError> {
        let mut material = Vec::new();
        for (row, section) in &self.sections {
            if dirty.sections.contains(&row.name) {
                material.extend(self.section_material(row, section, now).await?);
            }
        }
        // It shows what stands in the sections, and nothing else that may change.
        let lacks = pages::FIXED.iter().any(|path| self.live.get(path).is_none());
        let with_front = !material.is_empty() || lacks && !dirty.sections.is_empty();
        for source in self.settings.sources.iter().filter(|source| dirty.sources.contains(&source.name)) {
            material.extend(self.source_material(source, now).await?);
        }
        if with_front {
            let made = material.iter().map(|material| material.path.clone()).collect();
            material.extend(self.rest_of_the_front(&made, now).await?);
        }
        let spells = self.store.spells(troubles::MOST).await?;
        let newsdesk = self.clone();
        let serving = self.serving.load(Ordering::Acquire);
        let rendered = blocking(move || {
            let mut laid = newsdesk.render(material, with_front, spells, now);
            if serving {
                for (stored, (_, revision)) in laid.stored.iter_mut().zip(&laid.revisions) {
                    revision.prepare();
                    (stored.gzip, stored.brotli) = (revision.gzip().cloned(), revision.brotli().cloned());
                }
            }
            laid
        });
        let Laid { stored, revisions, made } = rendered.await;
        let changed: Vec<String> = revisions.iter().map(|(path, _)| path.clone()).collect();
        if !stored.is_empty() || !made.is_empty() {
            self.store.put_revisions(stored, made.clone()).await?;
        }
        self.live.put(revisions.clone());
        let feeds = made.iter().map(|(path, _)| path.clone()).collect();
        self.live.note_made(made);
        let unmirrored = self.mirror(revisions, dirty).await;
        let told = changed.iter().filter(|path| dirty.is_told(path)).cloned().collect();
        Ok(Published { changed, feeds, told, unmirrored })
    }

    /// Tell the hub which documents changed (WebSub §6 leaves the words to hub and publisher; these are the usual ones).
    /// A hub that does not answer is asked again twice; its subscribers poll meanwhile.
    pub async fn announce(&self, changed: Vec<String>) {
        let hub = match &self.settings.publish.hub {
            Hub::None => return,
            Hub::Own => return self.hub_published(changed),
            Hub::At(hub) => hub,
        };
        let feeds = changed.iter().filter(|path| publish::Media::of_path(path).is_feed());
        let topics: Vec<String> = feeds.map(|path| format!("{}{path}", self.site.base)).collect();
        if topics.is_empty() {
            return;
        }
        let mut fields = vec![("hub.mode", "publish")];
        fields.extend(topics.iter().map(|topic| ("hub.url", topic.as_str())));
        for wait in HUB_RETRIES {
            tokio::time::sleep(wait).await;
            match self.door.post_form(hub, &fields).await {
                Ok(()) => return,
                Err(cause) => tracing::warn!(stage = "announce", "{}", super::chain(&cause)),
            }
        }
    }

    async fn section_material(
        &self,
        row: &SectionRow,
        section: &Arc<Section>,
        now: Time,
    ) -> Result<Option<Material>, StoreError> {
        let priority = |source: &str| self.sources.get(source).map_or(0, |source| source.priority);
        let deleted = self.store.tombstones(row.row, now - TOMBSTONE_DAYS, now - TOMBSTONE_DELAY).await?;
        let path = if row.name.is_empty() { String::new() } else { format!("{}/", row.name) };
        let (standings, paging) = if row.name.is_empty() {
            let found = self.store.newest(row.row, section.limit, section.max_per_source).await?;
            (merge::newest(section, found, &priority, now), Paging::Alone)
        } else {
            self.store.number(row.row, current::size(section), now).await?;
            let reach = Reach {
                window: section.limit,
                most_per_source: section.max_per_source,
                documents: current::reach(section, &self.store.shelf(row.row).await?),
                corrected_since: now - current::CORRECTED,
                corrected: current::most_corrected(section),
            };
            let Standings { shelf, window, latest, corrected } = self.store.standings(row.row, reach).await?;
            let current = current::current(section, &shelf, window, latest, corrected, &priority, now);
            (current.entries, Paging::Current { previous: current.previous })
        };
        let identity = Identity { id: row.feed_id.clone(), created: row.created, path: path.clone() };
        let feed = merge::feed(section, identity, &self.site, None, deleted, paging);
        self.changed_material(path, Some(row.row), feed, standings).await
    }

    async fn source_material(&self, source: &Source, now: Time) -> Result<Option<Material>, StoreError> {
        let row = self.store.source(self.row(&source.name)).await?;
        // A feed has no id before its source was first read.
        let Some(origin) = row.origin.filter(|origin| !origin.id.is_empty()) else { return Ok(None) };
        let origin = self.told_origin(&source.name, origin);
        let section = Section {
            title: if origin.title.is_empty() { source.name.clone() } else { origin.title },
            description: origin.subtitle,
            language: origin.language,
            ..super::site_section(&self.settings)
        };
        let found = self.store.glance(Shown::Source(row.row), section.limit).await?;
        let standings = merge::newest(&section, found, &|_| 0, now);
        let deleted = self.store.tombstones_of_source(row.row, now - TOMBSTONE_DAYS, now - TOMBSTONE_DELAY).await?;
        let path = format!("sources/{}/", crate::normalize::links::encode_segment(&source.name));
        // Without entries: when the last one left, else when the site was made.
        let left = deleted.iter().map(|tombstone| tombstone.when).max();
        let made = self.sections.first().map(|(site, _)| site.created);
        let created = row.newest.or(left).or(made).unwrap_or_default();
        let identity = Identity { id: origin.id, created, path: path.clone() };
        let feed = merge::feed(&section, identity, &self.site, None, deleted, Paging::Alone);
        self.changed_material(path, None, Feed { icon: origin.icon, rights: origin.rights, ..feed }, standings).await
    }

    /// Nothing where the live documents were made of the very same.
    async fn changed_material(
        &self,
        path: String,
        row: Option<i64>,
        feed: Feed,
        standings: Vec<Standing>,
    ) -> Result<Option<Material>, StoreError> {
        let print = self.print_of(&feed, &standings);
        let names = [render::ATOM, render::RSS, render::JSON, ""].map(|name| format!("{path}{name}"));
        if self.live.is_made_of(&names[0], &print) && names.iter().all(|name| self.live.get(name).is_some()) {
            return Ok(None);
        }
        Ok(Some(Material { print, ..self.material(path, row, feed, standings).await? }))
    }

    /// Of all that the documents of a feed are made of, this program included.
    fn print_of(&self, feed: &Feed, standings: &[Standing]) -> String {
        let mut print = blake3::Hasher::new();
        print.update(self.publication_print().as_bytes());
        print.update(program().as_bytes());
        print.update(format!("{feed:?}").as_bytes());
        for Standing { row, version, effective, updated, .. } in standings {
            print.update(&row.to_le_bytes());
            print.update(version);
            print.update(&effective.timestamp().to_le_bytes());
            print.update(&updated.timestamp().to_le_bytes());
        }
        print.finalize().to_hex().chars().take(32).collect()
    }

    /// Load what is not kept from the last time.
    async fn material(
        &self,
        path: String,
        row: Option<i64>,
        feed: Feed,
        standings: Vec<Standing>,
    ) -> Result<Material, StoreError> {
        let mut kept = self.rendered.take(&path);
        if kept.rests() {
            let (newsdesk, path) = (self.clone(), path.clone());
            kept = blocking(move || kept.woken(&path, &newsdesk.live)).await;
        }
        let kept = kept.of_manner(Manner::of(&feed));
        let missing = standings.iter().filter(|standing| !kept.holds(standing)).map(|standing| standing.row);
        let loaded = self.store.entries(row, missing.collect()).await?;
        let loaded = loaded.into_iter().map(|stored| (stored.row, stored)).collect();
        Ok(Material { path, feed, standings, print: String::new(), loaded, kept, front_only: false })
    }

    /// The front page shows the newest of every section: those that are not published now and were not before, as after
    /// a start, are looked at for it alone.
    async fn rest_of_the_front(&self, made: &BTreeSet<String>, now: Time) -> Result<Vec<Material>, StoreError> {
        let priority = |source: &str| self.sources.get(source).map_or(0, |source| source.priority);
        let mut rest = Vec::new();
        for (row, section) in &self.sections {
            let path = if row.name.is_empty() { String::new() } else { format!("{}/", row.name) };
            if !made.contains(&path) && !self.rendered.knows(&path) {
                let few = Section { limit: on_the_front(&path), ..(**section).clone() };
                let found = self.store.newest(row.row, few.limit, few.max_per_source).await?;
                let standings = merge::newest(&few, found, &priority, now);
                let identity = Identity { id: String::new(), created: now, path: path.clone() };
                let feed = merge::feed(&few, identity, &self.site, None, Vec::new(), Paging::Alone);
                let material = self.material(path, Some(row.row), feed, standings).await?;
                rest.push(Material { front_only: true, ..material });
            }
        }
        Ok(rest)
    }

    fn render(&self, material: Vec<Material>, with_front: bool, spells: Spells, now: Time) -> Laid {
        let mut made: Vec<Made> = material.into_iter().map(|material| self.made(material)).collect();
        let (mut documents, mut prints) = (Vec::new(), Vec::new());
        for made in &mut made {
            if !made.front_only {
                // What was left out, or refused as a whole, status tells: it has to be found again after the next start.
                let is_whole = made.documents.is_some() && made.kept.left().next().is_none();
                let print = if is_whole { std::mem::take(&mut made.print) } else { String::new() };
                prints.push((format!("{}{}", made.path, render::ATOM), print));
            }
            documents.extend(made.page.take().map(|page| (made.path.clone(), page)));
            if let Some(render::Documents { atom, rss, json }) = made.documents.take() {
                documents.push((format!("{}{}", made.path, render::ATOM), atom));
                documents.push((format!("{}{}", made.path, render::RSS), rss));
                documents.push((format!("{}{}", made.path, render::JSON), json));
            }
        }
        let mut lines = BTreeMap::new();
        for Made { path, kept, .. } in &made {
            lines.insert(path.clone(), kept.newest(on_the_front(path)));
        }
        if with_front {
            documents.push((String::new(), pages::front(self, &self.rendered.newest(lines, on_the_front))));
            documents.extend(pages::fixed(self));
        }
        documents.push((troubles::STATUS.to_owned(), self.troubles(spells)));
        let (stored, revisions): (Vec<_>, Vec<_>) =
            publish::revise(&self.live, documents, &self.publication_print(), now)
                .into_iter()
                .map(|(stored, revision)| (stored.clone(), (stored.path, Arc::new(revision))))
                .unzip();
        for Made { path, mut kept, front_only, .. } in made {
            if front_only {
                // There are no documents of it.
                self.rendered.put(path, kept);
                continue;
            }
            let bodies = [render::ATOM, render::RSS, render::JSON].map(|name| {
                let path = format!("{path}{name}");
                let new = revisions.iter().find(|(new, _)| *new == path).map(|(_, revision)| revision.clone());
                new.or_else(|| self.live.get(&path)).and_then(|revision| revision.body().cloned()).unwrap_or_default()
            });
            kept.settle(bodies.each_ref());
            self.rendered.put(path, kept);
        }
        Laid { stored, revisions, made: prints }
    }

    /// One feed: what changed is rendered and read back, the rest is kept; head, entries, tail pass the gate.
    fn made(&self, material: Material) -> Made {
        let Material { path, mut feed, standings, print, loaded, mut kept, front_only } = material;
        let placed: RefCell<BTreeMap<String, Vec<String>>> = RefCell::default();
        let entry = |stored: Stored| {
            if path.is_empty() {
                // Only the front page says of its entries where else they stand.
                let Entry { id, source, stated, first_seen, .. } = &stored.entry;
                placed.borrow_mut().insert(id.0.clone(), self.placer.sections(source, stated, *first_seen));
            }
            merge::feed_entry(self.candidate(stored), &self.site)
        };
        let line = |shown: &FeedEntry| {
            let names = placed.borrow_mut().remove(&shown.entry.id.0).unwrap_or_default();
            page::EntryLine { sections: self.section_links(&names), ..pages::line(shown) }
        };
        kept.renew(&standings, loaded, &entry, &line);
        if front_only {
            return Made { path, kept, print, documents: None, page: None, front_only };
        }
        feed.updated = kept.updated().unwrap_or(feed.updated);
        let documents = self.documents(&path, &feed, &kept);
        let page = (!path.is_empty()).then(|| pages::section(self, &path, &feed, kept.lines()));
        Made { path, kept, print, documents, page, front_only }
    }

    /// The three formats of one feed, if they pass the gate; what does not is named and left out.
    fn documents(&self, path: &str, feed: &Feed, kept: &Rendered) -> Option<render::Documents> {
        let left = kept.left();
        let mut notices: Vec<String> =
            left.map(|left| format!("{}: entry {} is left out: {}", feed.title, left.id, left.reason)).collect();
        let documents = match render::documents_of(feed, kept.fragments()) {
            Ok(documents) => Some(documents),
            Err(refused) => {
                notices.push(format!("{} stays as it was: {refused}", feed.title));
                None
            }
        };
        let mut known = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(path.to_owned(), notices.clone()).unwrap_or_default();
        // What was said when it began needs no repeating.
        for notice in notices.iter().filter(|notice| !before.contains(notice)) {
            tracing::error!(stage = "render", "{notice}");
        }
        documents
    }

    /// A stored entry with the rules of the configuration carried out on a copy.
    pub(super) fn candidate(&self, stored: Stored) -> Candidate {
        let Stored { mut entry, origin, copies, .. } = stored;
        self.placer.place(&entry.source, &mut entry.stated, entry.first_seen);
        let told = |entry: Entry, origin| {
            let origin = self.told_origin(&entry.source, origin);
            (entry, origin)
        };
        let (entry, origin) = told(entry, origin);
        let copies = copies.into_iter().map(|copy| told(copy.entry, copy.origin)).collect();
        Candidate { entry, origin, copies }
    }

    /// Of a private source nothing but its name; its id stands for itself without naming a place.
    fn told_origin(&self, source: &str, origin: Origin) -> Origin {
        if !self.is_private(source) {
            return origin;
        }
        let id = if origin.id.is_empty() {
            String::new()
        } else {
            Uuid::new_v5(&Uuid::NAMESPACE_URL, origin.id.as_bytes()).urn().to_string()
        };
        Origin { id, title: source.to_owned(), updated: origin.updated, language: origin.language, ..Origin::default() }
    }

    /// Names of sources that are private, which changes what is said of them in old documents too.
    pub(super) fn private_sources(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.settings.sources.iter().filter(|source| source.private).map(|source| source.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    /// Bring the static mirror in line; what of it cannot be written is named, and to be tried again.
    async fn mirror(&self, mut revisions: Vec<(String, Arc<publish::Revision>)>, dirty: &Dirty) -> Option<Dirty> {
        let root = self.settings.publish.folder.clone()?;
        if self.mirror_is_behind.load(Ordering::Relaxed) {
            revisions = self.everything_live();
        }
        let mut withdrawn = dirty.withdrawn.clone();
        let folder = root.clone();
        let mut written = on_disk(move || {
            revisions.iter().try_for_each(|(path, revision)| mirror::write(&folder, path, revision).map(drop))
        })
        .await;
        for slug in &dirty.slugs {
            if written.is_err() {
                break;
            }
            match self.article_files(slug).await {
                // It was changed, and withdrawn since.
                Ok(None) => {}
                Ok(Some(files)) => {
                    withdrawn.remove(slug);
                    let (folder, slug) = (root.clone(), slug.clone());
                    written = on_disk(move || files.mirror(&folder, &slug)).await;
                }
                Err(cause) => {
                    tracing::error!(stage = "mirror", "{}", super::chain(&cause));
                    withdrawn.remove(slug);
                }
            }
        }
        if written.is_ok() {
            written = on_disk(move || withdrawn.iter().try_for_each(|slug| mirror::remove_article(&root, slug))).await;
        }
        self.mirror_is_behind.store(written.is_err(), Ordering::Relaxed);
        let cause = written.err()?;
        tracing::error!(stage = "mirror", "{}; it is tried again", super::chain(&cause));
        Some(Dirty {
            slugs: dirty.slugs.clone(),
            withdrawn: dirty.withdrawn.clone(),
            unmirrored: true,
            ..Dirty::default()
        })
    }

    fn everything_live(&self) -> Vec<(String, Arc<publish::Revision>)> {
        self.live.paths().into_iter().filter_map(|path| Some((path.clone(), self.live.get(&path)?))).collect()
    }

    /// At the start: documents of sections that are no more leave the store, the tree and the mirror.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        self.sweep_archives().await?;
        self.sweep_pages().await?;
        let mut wanted: BTreeSet<String> = pages::fixed(self).into_iter().map(|(path, _)| path).collect();
        wanted.insert(troubles::STATUS.to_owned());
        let sections = self
            .sections
            .iter()
            .map(|(row, _)| if row.name.is_empty() { String::new() } else { format!("{}/", row.name) });
        let sources = self.settings.sources.iter().filter(|source| source.publish);
        let sources =
            sources.map(|source| format!("sources/{}/", crate::normalize::links::encode_segment(&source.name)));
        for path in sections.chain(sources) {
            wanted.extend([render::ATOM, render::RSS, render::JSON].map(|name| format!("{path}{name}")));
            wanted.insert(path);
        }
        let orphans = publish::orphans(&self.live, &wanted);
        if !orphans.is_empty() {
            self.store.remove_revisions(orphans.clone()).await?;
            self.live.remove(&orphans);
        }
        let Some(root) = self.settings.publish.folder.clone() else { return Ok(()) };
        let slugs: BTreeSet<String> = self.store.slugs().await?.into_iter().collect();
        let live = self.everything_live();
        let swept = on_disk(move || {
            for path in &orphans {
                mirror::remove(&root, path)?;
            }
            for slug in mirror::stale_articles(&root, &slugs) {
                mirror::remove_article(&root, &slug)?;
            }
            // What was stored but not mirrored when the last run was killed.
            for (path, revision) in &live {
                mirror::write(&root, path, revision)?;
            }
            Ok::<(), mirror::MirrorError>(())
        })
        .await;
        if let Err(cause) = swept {
            self.mirror_is_behind.store(true, Ordering::Relaxed);
            tracing::error!(stage = "mirror", "{}", super::chain(&cause));
        }
        Ok(())
    }
}

/// Which program this is: of two builds of one version, each makes its documents once.
fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let meta = std::env::current_exe().and_then(std::fs::metadata).ok();
        format!("{:?}", meta.map(|meta| (meta.len(), meta.modified().ok())))
    })
}
