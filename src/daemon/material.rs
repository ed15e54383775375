//! What a feed is made of, out of the store: head, places of its entries, and of these whatever is not kept from the last
//! time; nothing where the live documents were made of the very same. All of one feed is seen at one moment of the store.
//! Rules are carried out here, and of private sources only the name goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use chrono::TimeDelta;
use uuid::Uuid;

use super::Newsdesk;
use super::publication::TOMBSTONE_DELAY;
use super::rendered::Rendered;
use crate::config::settings::Source;
use crate::merge::{self, Candidate, Identity, current};
use crate::model::{Entry, Feed, Origin, Paging, Section, Standing, Time};
use crate::render::{self, Manner};
use crate::store::{Reach, SectionRow, Shown, SourceRow, Standings, StoreError, Stored, View};

/// Announced for this long (RFC 6721).
pub(super) const TOMBSTONE_DAYS: TimeDelta = TimeDelta::days(30);
/// Entries of each section on the front page, and of the whole site.
const ON_THE_FRONT: usize = 4;
pub const NEWEST_ON_THE_FRONT: usize = 40;

/// Lines of the feed with this page that the front page shows.
pub(super) fn on_the_front(path: &str) -> usize {
    if path.is_empty() { NEWEST_ON_THE_FRONT } else { ON_THE_FRONT }
}

/// Of a section by its name; of the whole site without one.
fn page_of(section: &str) -> String {
    if section.is_empty() { String::new() } else { format!("{section}/") }
}

/// One feed, out of the store: of the entries that stand in it unchanged, nothing but their place.
pub(super) struct Material {
    /// Of its page, below the base.
    pub path: String,
    pub feed: Feed,
    pub standings: Vec<Standing>,
    /// Of all that its documents are made of.
    pub print: String,
    /// New and changed ones, by row.
    pub loaded: BTreeMap<i64, Stored>,
    pub kept: Rendered,
    /// Not published now: the front page wants to know its newest.
    pub front_only: bool,
}

impl Newsdesk {
    pub(super) async fn section_material(
        &self,
        row: &SectionRow,
        section: &Arc<Section>,
        now: Time,
    ) -> Result<Option<Material>, StoreError> {
        if !row.name.is_empty() {
            self.store.number(row.row, current::size(section), now).await?;
        }
        let (newsdesk, row, section) = (self.clone(), row.clone(), section.clone());
        self.store.view(move |view| newsdesk.section_seen(view, &row, &section, now)).await
    }

    fn section_seen(
        &self,
        view: &View<'_>,
        row: &SectionRow,
        section: &Section,
        now: Time,
    ) -> Result<Option<Material>, StoreError> {
        let priority = |source: &str| self.sources.get(source).map_or(0, |source| source.priority);
        let deleted = view.tombstones(row.row, now - TOMBSTONE_DAYS, now - TOMBSTONE_DELAY)?;
        let path = page_of(&row.name);
        let (standings, paging) = if row.name.is_empty() {
            let found = view.newest(row.row, section.limit, section.max_per_source)?;
            (merge::newest(section, found, &priority, now), Paging::Alone)
        } else {
            let reach = Reach {
                window: section.limit,
                most_per_source: section.max_per_source,
                documents: current::reach(section, &view.shelf(row.row)?),
                corrected_since: now - current::CORRECTED,
                corrected: current::most_corrected(section),
            };
            let Standings { shelf, window, latest, corrected } = view.standings(row.row, reach)?;
            let current = current::current(section, &shelf, window, latest, corrected, &priority, now);
            (current.entries, Paging::Current { previous: current.previous })
        };
        let identity = Identity { id: row.feed_id.clone(), created: row.created, path: path.clone() };
        let feed = merge::feed(section, identity, &self.site, None, deleted, paging);
        self.changed_material(view, path, Some(row.row), feed, standings)
    }

    pub(super) async fn source_material(&self, source: &Source, now: Time) -> Result<Option<Material>, StoreError> {
        let row = self.store.source(self.row(&source.name)).await?;
        let (newsdesk, name) = (self.clone(), source.name.clone());
        self.store.view(move |view| newsdesk.source_seen(view, &name, row, now)).await
    }

    fn source_seen(
        &self,
        view: &View<'_>,
        name: &str,
        row: SourceRow,
        now: Time,
    ) -> Result<Option<Material>, StoreError> {
        // A feed has no id before its source was first read.
        let Some(origin) = row.origin.filter(|origin| !origin.id.is_empty()) else { return Ok(None) };
        let origin = self.told_origin(name, origin);
        let section = Section {
            title: if origin.title.is_empty() { name.to_owned() } else { origin.title },
            description: origin.subtitle,
            language: origin.language,
            ..super::site_section(&self.settings)
        };
        let found = view.glance(Shown::Source(row.row), section.limit)?;
        let standings = merge::newest(&section, found, &|_| 0, now);
        let deleted = view.tombstones_of_source(row.row, now - TOMBSTONE_DAYS, now - TOMBSTONE_DELAY)?;
        let path = format!("sources/{}/", crate::normalize::links::encode_segment(name));
        // Without entries: when the last one left, else when the site was made.
        let left = deleted.iter().map(|tombstone| tombstone.when).max();
        let made = self.sections.first().map(|(site, _)| site.created);
        let created = row.newest.or(left).or(made).unwrap_or_default();
        let identity = Identity { id: origin.id, created, path: path.clone() };
        let feed = merge::feed(&section, identity, &self.site, None, deleted, Paging::Alone);
        self.changed_material(view, path, None, Feed { icon: origin.icon, rights: origin.rights, ..feed }, standings)
    }

    /// Nothing where the live documents were made of the very same.
    fn changed_material(
        &self,
        view: &View<'_>,
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
        Ok(Some(Material { print, ..self.material(view, path, row, feed, standings)? }))
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
    fn material(
        &self,
        view: &View<'_>,
        path: String,
        row: Option<i64>,
        feed: Feed,
        standings: Vec<Standing>,
    ) -> Result<Material, StoreError> {
        let kept = self.rendered.take(&path).woken(&path, &self.live).of_manner(Manner::of(&feed));
        let missing = standings.iter().filter(|standing| !kept.holds(standing)).map(|standing| standing.row);
        let loaded = view.entries(row, &missing.collect::<Vec<i64>>())?;
        let loaded = loaded.into_iter().map(|stored| (stored.row, stored)).collect();
        Ok(Material { path, feed, standings, print: String::new(), loaded, kept, front_only: false })
    }

    /// The front page shows the newest of every section: those that are not published now and were not before, as after
    /// a start, are looked at for it alone.
    pub(super) async fn rest_of_the_front(
        &self,
        made: &BTreeSet<String>,
        now: Time,
    ) -> Result<Vec<Material>, StoreError> {
        let mut rest = Vec::new();
        for (row, section) in &self.sections {
            let path = page_of(&row.name);
            if !made.contains(&path) && !self.rendered.knows(&path) {
                let (newsdesk, row, section) = (self.clone(), row.row, section.clone());
                rest.push(self.store.view(move |view| newsdesk.front_seen(view, path, row, &section, now)).await?);
            }
        }
        Ok(rest)
    }

    fn front_seen(
        &self,
        view: &View<'_>,
        path: String,
        row: i64,
        section: &Section,
        now: Time,
    ) -> Result<Material, StoreError> {
        let priority = |source: &str| self.sources.get(source).map_or(0, |source| source.priority);
        let few = Section { limit: on_the_front(&path), ..section.clone() };
        let found = view.newest(row, few.limit, few.max_per_source)?;
        let standings = merge::newest(&few, found, &priority, now);
        let identity = Identity { id: String::new(), created: now, path: path.clone() };
        let feed = merge::feed(&few, identity, &self.site, None, Vec::new(), Paging::Alone);
        let material = self.material(view, path, Some(row), feed, standings)?;
        Ok(Material { front_only: true, ..material })
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
}

/// Which program this is: of two builds of one version, each makes its documents once.
fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let meta = std::env::current_exe().and_then(std::fs::metadata).ok();
        format!("{:?}", meta.map(|meta| (meta.len(), meta.modified().ok())))
    })
}
