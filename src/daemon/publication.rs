//! From stored entries to live documents: window, merge, render, gate, revision, mirror. Each step is a room of its own;
//! here stands only their order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use super::refresh::{blocking, on_disk};
use super::{Newsdesk, pages};
use crate::config::settings::{Hub, Source};
use crate::merge::{self, Candidate, Identity};
use crate::model::{Feed, Section, Time, Tombstone};
use crate::publish::{self, mirror};
use crate::render;
use crate::store::{Applied, SectionRow, Shown, StoreError, Stored};

/// A withdrawn entry is announced after this time: editors delete and write anew, checkouts come in pieces.
pub const TOMBSTONE_DELAY: TimeDelta = TimeDelta::seconds(60);
/// Announced for this long (RFC 6721).
const TOMBSTONE_DAYS: TimeDelta = TimeDelta::days(30);
/// Waits before each try to reach the hub.
const HUB_RETRIES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(60)];
/// Entries of each section on the front page.
const ON_THE_FRONT: usize = 5;

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
    /// A person saved a file and waits.
    pub urgent: bool,
}

impl Dirty {
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty() && self.sources.is_empty() && self.slugs.is_empty() && self.withdrawn.is_empty()
    }

    pub fn add(&mut self, source: &Source, applied: &Applied) {
        self.sections.extend(applied.sections.iter().cloned());
        if source.publish && !applied.sections.is_empty() {
            self.sources.insert(source.name.clone());
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
        self.urgent |= other.urgent;
    }
}

/// What a publication brought.
#[derive(Debug, Default)]
pub struct Published {
    /// Paths whose bytes are new.
    pub changed: Vec<String>,
}

/// Entries and identity of one feed, out of the store.
struct Material {
    section: Arc<Section>,
    identity: Identity,
    stored: Vec<Stored>,
    deleted: Vec<Tombstone>,
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
                material.push(self.section_material(row, section, now).await?);
            }
        }
        for source in self.settings.sources.iter().filter(|source| dirty.sources.contains(&source.name)) {
            material.push(self.source_material(source).await?);
        }
        let front = if dirty.sections.is_empty() { None } else { Some(self.front_page().await?) };
        let newsdesk = self.clone();
        let serving = self.serving.load(Ordering::Acquire);
        let rendered = blocking(move || {
            let (stored, revisions) = newsdesk.render(material, front, now);
            if serving {
                revisions.iter().for_each(|(_, revision)| revision.prepare());
            }
            (stored, revisions)
        });
        let (stored, revisions) = rendered.await;
        let changed: Vec<String> = revisions.iter().map(|(path, _)| path.clone()).collect();
        if !stored.is_empty() {
            self.store.put_revisions(stored).await?;
        }
        self.live.put(revisions.clone());
        self.mirror(revisions, dirty).await;
        Ok(Published { changed })
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
    ) -> Result<Material, StoreError> {
        let stored = self.store.window(Shown::Section(row.row), merge::window(section)).await?;
        let deleted = self.store.tombstones(row.row, now - TOMBSTONE_DAYS, now - TOMBSTONE_DELAY).await?;
        let path = if row.name.is_empty() { String::new() } else { format!("{}/", row.name) };
        let identity = Identity { id: row.feed_id.clone(), created: row.created, path };
        Ok(Material { section: section.clone(), identity, stored, deleted })
    }

    async fn source_material(&self, source: &Source) -> Result<Material, StoreError> {
        let row = self.store.source(self.row(&source.name)).await?;
        let origin = row.origin.unwrap_or_default();
        let section = Section {
            title: if origin.title.is_empty() { source.name.clone() } else { origin.title },
            description: origin.subtitle,
            language: origin.language,
            ..super::site_section(&self.settings)
        };
        let stored = self.store.window(Shown::Source(row.row), section.limit).await?;
        let path = format!("sources/{}/", crate::normalize::links::encode_segment(&source.name));
        let created = stored.iter().map(|entry| entry.entry.first_seen).min().unwrap_or_default();
        Ok(Material {
            section: section.into(),
            identity: Identity { id: origin.id, created, path },
            stored,
            deleted: Vec::new(),
        })
    }

    async fn front_page(&self) -> Result<Vec<(Arc<Section>, Vec<Stored>)>, StoreError> {
        let mut front = Vec::new();
        for (row, section) in &self.sections {
            front.push((section.clone(), self.store.window(Shown::Section(row.row), ON_THE_FRONT).await?));
        }
        Ok(front)
    }

    fn render(
        &self,
        material: Vec<Material>,
        front: Option<Vec<(Arc<Section>, Vec<Stored>)>>,
        now: Time,
    ) -> (Vec<crate::store::StoredRevision>, Vec<(String, Arc<publish::Revision>)>) {
        let mut documents = Vec::new();
        for Material { section, identity, stored, deleted } in material {
            let path = identity.path.clone();
            let candidates = self.candidates(stored);
            let feed = merge::feed(&section, identity, &self.site, candidates, deleted, now);
            documents.extend(self.documents(&path, &feed));
            if !path.is_empty() {
                documents.push((path.clone(), pages::section(self, &path, &feed)));
            }
        }
        if let Some(front) = front {
            let feeds: BTreeMap<String, Feed> = front
                .into_iter()
                .map(|(section, stored)| {
                    let few = Section { limit: ON_THE_FRONT, ..(*section).clone() };
                    let identity = Identity { id: String::new(), created: now, path: String::new() };
                    let feed = merge::feed(&few, identity, &self.site, self.candidates(stored), Vec::new(), now);
                    (section.name.clone(), feed)
                })
                .collect();
            documents.push((String::new(), pages::front(self, &feeds)));
            documents.extend(pages::fixed(self));
        }
        publish::revise(&self.live, documents, now)
            .into_iter()
            .map(|(stored, revision)| (stored.clone(), (stored.path, Arc::new(revision))))
            .unzip()
    }

    /// The three formats of one feed, if they pass the gate; what does not is named and left out.
    fn documents(&self, path: &str, feed: &Feed) -> Vec<(String, Vec<u8>)> {
        let mut notices = Vec::new();
        let documents = match render::documents_checked(feed) {
            Ok((documents, left)) => {
                notices.extend(
                    left.iter().map(|left| format!("{}: entry {} is left out: {}", feed.title, left.id, left.reason)),
                );
                vec![
                    (format!("{path}{}", render::ATOM), documents.atom),
                    (format!("{path}{}", render::RSS), documents.rss),
                    (format!("{path}{}", render::JSON), documents.json),
                ]
            }
            Err(refused) => {
                notices.push(format!("{} stays as it was: {refused}", feed.title));
                Vec::new()
            }
        };
        for notice in &notices {
            tracing::error!(stage = "render", "{notice}");
        }
        self.notices.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), notices);
        documents
    }

    /// Stored entries with the rules of the configuration carried out on a copy.
    pub(super) fn candidates(&self, stored: Vec<Stored>) -> Vec<Candidate> {
        stored
            .into_iter()
            .map(|Stored { mut entry, origin, .. }| {
                self.placer.place(&entry.source, &mut entry.stated, entry.first_seen);
                let priority = self.sources.get(&entry.source).map_or(0, |source| source.priority);
                Candidate { entry, origin, priority }
            })
            .collect()
    }

    /// Bring the static mirror in line; a mirror that cannot be written is named and tried again next time.
    async fn mirror(&self, revisions: Vec<(String, Arc<publish::Revision>)>, dirty: &Dirty) {
        let Some(root) = self.settings.publish.folder.clone() else { return };
        let mut articles = Vec::new();
        for slug in &dirty.slugs {
            match self.article_files(slug).await {
                Ok(files) => articles.extend(files),
                Err(cause) => tracing::error!(stage = "mirror", "{}", super::chain(&cause)),
            }
        }
        let withdrawn: Vec<String> = dirty.withdrawn.difference(&dirty.slugs).cloned().collect();
        let written = on_disk(move || {
            for (path, revision) in &revisions {
                mirror::write(&root, path, revision)?;
            }
            for (path, bytes) in &articles {
                mirror::copy(&root, path, bytes)?;
            }
            for slug in &withdrawn {
                mirror::remove_article(&root, slug)?;
            }
            Ok::<(), mirror::MirrorError>(())
        })
        .await;
        if let Err(cause) = written {
            tracing::error!(stage = "mirror", "{}", super::chain(&cause));
        }
    }

    /// At the start: documents of sections that are no more leave the store, the tree and the mirror.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        let mut wanted: BTreeSet<String> = pages::fixed(self).into_iter().map(|(path, _)| path).collect();
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
        let live: Vec<(String, Arc<publish::Revision>)> =
            self.live.paths().into_iter().filter_map(|path| Some((path.clone(), self.live.get(&path)?))).collect();
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
            tracing::error!(stage = "mirror", "{}", super::chain(&cause));
        }
        Ok(())
    }
}
