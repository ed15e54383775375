//! From stored entries to live documents: window, merge, render, gate, revision, mirror. Each step is a room of its own;
//! here stands only their order.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;

use super::dirty::Dirty;
use super::material::{Material, on_the_front};
use super::rendered::Rendered;
use super::work::{blocking, on_disk};
use super::{Newsdesk, pages};
use crate::config::settings::{Hub, Source};
use crate::merge;
use crate::model::{Entry, Feed, FeedEntry, Section, Time};
use crate::publish::{self, mirror};
use crate::render::{self, page, troubles};
use crate::store::{SectionRow, Spells, StoreError, Stored, StoredRevision};

/// A withdrawn entry is announced after this time: editors delete and write anew, checkouts come in pieces.
pub const TOMBSTONE_DELAY: TimeDelta = TimeDelta::seconds(60);
/// Waits before each try to reach the hub.
const HUB_RETRIES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(60)];
/// So many feeds are loaded, rendered, compressed and stored together: all those of a large site at once would take several
/// times the memory that is left of them.
const PORTION: usize = 8;

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
    /// Why it ended early. What is named above is live, and the rest is as it was.
    pub trouble: Option<StoreError>,
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
    /// Nothing of it was kept.
    from_nothing: bool,
}

/// A feed that is to be published.
enum Wanted<'a> {
    Section(&'a (SectionRow, Arc<Section>)),
    Source(&'a Source),
}

/// What the last portion of a publication brings besides its feeds.
struct Last {
    with_front: bool,
    spells: Spells,
}

/// All that one portion brings.
struct Laid {
    /// What is new of it.
    stored: Vec<StoredRevision>,
    /// The same, by path, to be served.
    revisions: Vec<(String, Arc<publish::Revision>)>,
    /// Path of the Atom document of each feed that was made, and print of what it was made of.
    made: Vec<(String, String)>,
    /// Pages of feeds of which nothing was kept before, so that everything changed, and nothing tells that it will again soon.
    from_nothing: Vec<String>,
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

    /// Publish what is dirty. What cannot be stored does not go live, and nothing that was live is lost. The documents of
    /// one feed go live together; those of many feeds in portions, the front page with the last one.
    pub async fn publish(&self, dirty: &Dirty, now: Time) -> Published {
        let mut published = Published::default();
        published.trouble = self.publish_portions(dirty, now, &mut published).await.err();
        published.told = published.changed.iter().filter(|path| dirty.is_told(path)).cloned().collect();
        published.unmirrored = match published.trouble {
            None => self.mirror(&published.changed, dirty).await,
            // All of it is dirty still.
            Some(_) => self.mirror(&published.changed, &Dirty::default()).await,
        };
        published
    }

    async fn publish_portions(&self, dirty: &Dirty, now: Time, published: &mut Published) -> Result<(), StoreError> {
        let (mut portion, mut paths) = (Vec::new(), BTreeSet::new());
        let sections = self.sections.iter().filter(|(row, _)| dirty.sections.contains(&row.name)).map(Wanted::Section);
        let sources = self.settings.sources.iter().filter(|source| dirty.sources.contains(&source.name));
        let wanted: Vec<Wanted<'_>> = sections.chain(sources.map(|source| Wanted::Source(source))).collect();
        for feed in wanted {
            if portion.len() == PORTION {
                self.publish_portion(std::mem::take(&mut portion), None, now, published).await?;
            }
            let material = match feed {
                Wanted::Section((row, section)) => self.section_material(row, section, now).await?,
                Wanted::Source(source) => self.source_material(source, now).await?,
            };
            paths.extend(material.as_ref().map(|material| material.path.clone()));
            portion.extend(material);
        }
        // It shows what stands in the sections, and nothing else that may change.
        let lacks = pages::FIXED.iter().any(|path| self.live.get(path).is_none());
        let with_front = !paths.is_empty() || lacks && !dirty.sections.is_empty();
        if with_front {
            portion.extend(self.rest_of_the_front(&paths, now).await?);
        }
        let spells = self.store.spells(troubles::MOST).await?;
        self.publish_portion(portion, Some(Last { with_front, spells }), now, published).await
    }

    /// From what feeds are made of to documents that are stored and live.
    async fn publish_portion(
        &self,
        portion: Vec<Material>,
        last: Option<Last>,
        now: Time,
        published: &mut Published,
    ) -> Result<(), StoreError> {
        let newsdesk = self.clone();
        let serving = self.serving.load(Ordering::Acquire);
        let rendered = blocking(move || {
            let mut laid = newsdesk.render(portion, last, now);
            if serving {
                for (stored, (_, revision)) in laid.stored.iter_mut().zip(&laid.revisions) {
                    revision.prepare();
                    (stored.gzip, stored.brotli) = (revision.gzip().cloned(), revision.brotli().cloned());
                }
            }
            laid
        });
        let Laid { stored, revisions, made, from_nothing } = rendered.await;
        if !stored.is_empty() || !made.is_empty() {
            self.store.put_revisions(stored, made.clone()).await?;
        }
        published.changed.extend(revisions.iter().map(|(path, _)| path.clone()));
        self.live.put(revisions);
        published.feeds.extend(made.iter().map(|(path, _)| path.clone()));
        self.live.note_made(made);
        if serving {
            let newsdesk = self.clone();
            blocking(move || from_nothing.iter().for_each(|path| newsdesk.rendered.rest(path, &newsdesk.live))).await;
        }
        Ok(())
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

    fn render(&self, portion: Vec<Material>, last: Option<Last>, now: Time) -> Laid {
        let mut made: Vec<Made> = portion.into_iter().map(|material| self.made(material)).collect();
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
        if let Some(Last { with_front, spells }) = last {
            if with_front {
                let lines = made.iter().map(|made| (made.path.clone(), made.kept.newest(on_the_front(&made.path))));
                let newest = self.rendered.newest(lines.collect(), on_the_front);
                documents.push((String::new(), pages::front(self, &newest)));
                documents.extend(pages::fixed(self));
            }
            documents.push((troubles::STATUS.to_owned(), self.troubles(spells)));
        }
        let (stored, revisions): (Vec<_>, Vec<_>) =
            publish::revise(&self.live, documents, &self.publication_print(), now)
                .into_iter()
                .map(|(stored, revision)| (stored.clone(), (stored.path, Arc::new(revision))))
                .unzip();
        let mut from_nothing = Vec::new();
        for Made { path, mut kept, front_only, from_nothing: is_from_nothing, .. } in made {
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
            if is_from_nothing {
                from_nothing.push(path.clone());
            }
            self.rendered.put(path, kept);
        }
        Laid { stored, revisions, made: prints, from_nothing }
    }

    /// One feed: what changed is rendered and read back, the rest is kept; head, entries, tail pass the gate.
    fn made(&self, material: Material) -> Made {
        let Material { path, mut feed, standings, print, loaded, mut kept, front_only } = material;
        let from_nothing = kept.is_empty();
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
            return Made { path, kept, print, documents: None, page: None, front_only, from_nothing };
        }
        feed.updated = kept.updated().unwrap_or(feed.updated);
        let documents = self.documents(&path, &feed, &kept);
        let page = (!path.is_empty()).then(|| pages::section(self, &path, &feed, kept.lines()));
        Made { path, kept, print, documents, page, front_only, from_nothing }
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

    /// Bring the static mirror in line; what of it cannot be written is named, and to be tried again.
    async fn mirror(&self, changed: &[String], dirty: &Dirty) -> Option<Dirty> {
        let root = self.settings.publish.folder.clone()?;
        let revisions =
            if self.mirror_is_behind.load(Ordering::Relaxed) { self.everything_live() } else { self.live_of(changed) };
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
        self.live_of(&self.live.paths())
    }

    fn live_of(&self, paths: &[String]) -> Vec<(String, Arc<publish::Revision>)> {
        paths.iter().filter_map(|path| Some((path.clone(), self.live.get(path)?))).collect()
    }

    /// Those of these documents that the mirror has no longer, now that they are taken out of it.
    async fn without_mirrored(&self, paths: Vec<String>) -> Vec<String> {
        let Some(root) = self.settings.publish.folder.clone() else { return paths };
        let remove = move |path: &String| {
            let removed = mirror::remove(&root, path);
            removed.inspect_err(|cause| tracing::error!(stage = "mirror", "{}", super::chain(cause))).is_ok()
        };
        on_disk(move || paths.into_iter().filter(remove).collect()).await
    }

    /// At the start: documents of sections that are no more leave the store, the tree and the mirror.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        self.sweep_archives().await?;
        self.sweep_pages().await?;
        let mut wanted = BTreeSet::from(pages::FIXED.map(str::to_owned));
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
            self.live.remove(&orphans);
            // What the mirror keeps for now is known to the next start, too.
            let gone = self.without_mirrored(orphans).await;
            self.store.remove_revisions(gone).await?;
        }
        let Some(root) = self.settings.publish.folder.clone() else { return Ok(()) };
        let slugs: BTreeSet<String> = self.store.slugs().await?.into_iter().collect();
        let live = self.everything_live();
        let swept = on_disk(move || {
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
