//! The way of an entry, step by step: who brought it, which rules saw it, which sections took it, and where it stands.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{base, place, site_section};
use crate::config::Settings;
use crate::config::settings::{Place, Source};
use crate::duplicates;
use crate::merge::{self, current};
use crate::model::{Entry, Section, Time};
use crate::normalize::identity::{Key, link_key};
use crate::sections::Placer;
use crate::store::{Dossier, Reach, Sought, Standings, Standpoint, Store, StoreError, Stored};

/// All that was found under one name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Explanations {
    /// Of the daemon that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<PathBuf>,
    pub entries: Vec<Explanation>,
}

/// One entry. Times in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub id: String,
    pub title: String,
    pub link: Option<String>,
    /// Who brought it.
    pub source: String,
    /// By what the source's next document names it, in words.
    pub known_by: String,
    /// Other keys under which it is known again.
    pub aliases: usize,
    pub first_seen: Time,
    pub stated_published: Option<Time>,
    pub stated_updated: Option<Time>,
    pub effective: Time,
    /// Where the effective date comes from.
    pub effective_because: String,
    pub updated: Time,
    /// Small changes that readers were not told of.
    pub silent_changes: u8,
    pub withdrawn: Option<Time>,
    /// What put it into sections, and what every rule that was asked did, in order.
    pub steps: Vec<String>,
    pub sections: Vec<Verdict>,
    /// The others of its story.
    pub copies: Vec<Twin>,
}

/// What one section makes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Empty: the site as a whole.
    pub section: String,
    pub takes: bool,
    /// In words: shown, represented by, hidden by a cap, waiting, not taken.
    pub outcome: String,
    /// From 1, where its current document shows it.
    pub position: Option<usize>,
    /// The document of the archive that holds it.
    pub archive: Option<u64>,
    /// Id of the copy that stands for it.
    pub represented_by: Option<String>,
}

/// Another entry of the same story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    pub id: String,
    pub title: String,
    pub source: String,
    /// Why they are one story.
    pub because: String,
}

/// What a configuration says, as far as an explanation needs it.
pub struct Desk<'a> {
    pub settings: &'a Settings,
    pub placer: &'a Placer,
    pub store: &'a Store,
}

impl Desk<'_> {
    /// `what`: an id, an address, or the path of an article.
    pub async fn explain(&self, what: &str, now: Time) -> Result<Explanations, StoreError> {
        let mut entries = Vec::new();
        for row in self.store.seek(self.sought(what).await?).await? {
            if let Some(dossier) = self.store.dossier(row).await? {
                entries.push(self.explained(dossier, now).await?);
            }
        }
        Ok(Explanations { store: None, entries })
    }

    async fn sought(&self, what: &str) -> Result<Vec<Sought>, StoreError> {
        let mut sought = vec![Sought::Id(what.to_owned()), Sought::Key(Key::Id(what.to_owned()).hash())];
        let base = base(self.settings).to_string();
        let below = |path: &str| {
            let rest = what.strip_prefix(&format!("{base}{path}/"))?;
            let rest = rest.split(['?', '#', '/']).next().unwrap_or(rest);
            Some(percent_decoded(rest))
        };
        sought.extend(below("entries").map(Sought::Id));
        sought.extend(below("articles").map(Sought::Slug));
        if Url::parse(what).is_ok_and(|url| url.has_host()) {
            sought.extend(link_key(what).map(|link| Sought::Key(Key::Link(link).hash())));
        } else {
            sought.push(Sought::Slug(what.to_owned()));
            sought.extend(self.files(what).await?);
        }
        Ok(sought)
    }

    /// The path as it is, below the folder of a source; or as it stands there.
    async fn files(&self, what: &str) -> Result<Vec<Sought>, StoreError> {
        let full = std::path::absolute(what).unwrap_or_else(|_| what.into());
        let places = self.settings.sources.iter().map(|source| (source.name.clone(), place(source)));
        let rows = self.store.matching(places.collect()).await?;
        let mut sought = Vec::new();
        for (source, row) in self.settings.sources.iter().zip(rows) {
            let (Place::Folder(root), Some(row)) = (&source.place, row) else { continue };
            let below = |full: &Path, root: &Path| Some(full.strip_prefix(root).ok()?.to_string_lossy().into_owned());
            let relative = below(&full, root).or_else(|| below(&real(&full)?, &real(root)?));
            let relative = relative.unwrap_or_else(|| what.to_owned());
            sought.push(Sought::File { source: row, path: relative });
        }
        Ok(sought)
    }

    async fn explained(&self, dossier: Dossier, now: Time) -> Result<Explanation, StoreError> {
        let Stored { entry, key_text, withdrawn, .. } = &dossier.stored;
        let mut stated = entry.stated.clone();
        let (placement, asked) = self.placer.trace(&entry.source, &mut stated, entry.first_seen);
        let site = site_section(self.settings);
        let mut sections = Vec::new();
        for section in std::iter::once(&site).chain(self.settings.sections.iter().map(|section| &**section)) {
            let taken = placement.sections.contains(&section.name);
            sections.push(self.verdict(section, taken, &placement.sections, &dossier, now).await?);
        }
        let own = &dossier.stored;
        let copies = own.copies.iter().map(|copy| Twin {
            id: copy.entry.id.0.clone(),
            title: copy.entry.stated.title.clone(),
            source: copy.entry.source.clone(),
            because: because(entry, &copy.entry),
        });
        Ok(Explanation {
            id: entry.id.0.clone(),
            title: entry.stated.title.clone(),
            link: entry.stated.link.clone(),
            source: entry.source.clone(),
            known_by: key_text.clone(),
            aliases: dossier.aliases,
            first_seen: entry.first_seen,
            stated_published: entry.stated.published,
            stated_updated: entry.stated.updated,
            effective: entry.effective,
            effective_because: effective_because(entry),
            updated: entry.updated,
            silent_changes: dossier.silent,
            withdrawn: *withdrawn,
            steps: asked,
            copies: copies.collect(),
            sections,
        })
    }

    async fn verdict(
        &self,
        section: &Section,
        taken: bool,
        taken_by: &[String],
        dossier: &Dossier,
        now: Time,
    ) -> Result<Verdict, StoreError> {
        let verdict = |takes: bool, outcome: String| Verdict {
            section: section.name.clone(),
            takes,
            outcome,
            position: None,
            archive: None,
            represented_by: None,
        };
        if !taken {
            let outcome = match (section.name.is_empty(), taken_by.is_empty()) {
                (_, true) => "a rule dropped it",
                (true, false) => "a rule took it out",
                (false, false) => {
                    "neither its source, a category, its own words, an included section nor a rule puts it there"
                }
            };
            return Ok(verdict(false, outcome.to_owned()));
        }
        if dossier.stored.withdrawn.is_some() {
            return Ok(verdict(false, "withdrawn by its owner".to_owned()));
        }
        let row = self.store.section(section.name.clone()).await?;
        let place = row.and_then(|row| dossier.places.iter().find(|place| place.section == row));
        let Some(place) = place else {
            return Ok(verdict(
                true,
                "it belongs there by this configuration, and is placed when that is in force".to_owned(),
            ));
        };
        if let Some(until) = place.waits {
            return Ok(verdict(true, format!("waits for better copies until {}", shown(until))));
        }
        if let Some(other) = place.copy_of {
            let other = self.store.entries(None, vec![other]).await?.pop();
            let (id, words) = other.map_or((None, "another copy".to_owned()), |other| {
                let words = format!("{:?} of {}", other.entry.stated.title, other.entry.source);
                (Some(other.entry.id.0), words)
            });
            return Ok(Verdict { represented_by: id, ..verdict(true, format!("{words} stands for it")) });
        }
        self.standing(section, place, &dossier.stored, verdict(true, String::new()), now).await
    }

    /// Shown itself: in which documents?
    async fn standing(
        &self,
        section: &Section,
        place: &Standpoint,
        stored: &Stored,
        verdict: Verdict,
        now: Time,
    ) -> Result<Verdict, StoreError> {
        let priority = |name: &str| {
            let source: Option<&Source> = self.settings.sources.iter().find(|source| source.name == name).map(|s| &**s);
            source.map_or(0, |source| source.priority)
        };
        let shelf = self.store.shelf(place.section).await?;
        let reach = Reach {
            window: section.limit,
            most_per_source: section.max_per_source,
            documents: current::reach(section, &shelf),
            corrected_since: now - current::CORRECTED,
            corrected: current::most_corrected(section),
        };
        let Standings { shelf, window, latest, corrected } = self.store.standings(place.section, reach).await?;
        let entries = match section.name.is_empty() {
            true => merge::newest(section, window.clone(), &priority, now),
            false => current::current(section, &shelf, window.clone(), latest, corrected, &priority, now).entries,
        };
        let position = entries.iter().position(|standing| standing.row == stored.row).map(|at| at + 1);
        let archive = place.number.filter(|_| shelf.size > 0).map(|number| number.div_ceil(shelf.size));
        let archive = archive.filter(|document| shelf.holds(*document));
        let mut outcome = match position {
            Some(position) => format!("shown at place {position} of {}", entries.len()),
            None => merge::why_hidden(section, &window, &stored.entry.source, stored.entry.effective, now).to_string(),
        };
        if let Some(document) = archive {
            outcome.push_str(&format!("; in archive document {document}"));
        }
        Ok(Verdict { outcome, position, archive, ..verdict })
    }
}

fn real(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

fn percent_decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn effective_because(entry: &Entry) -> String {
    let stated = &entry.stated;
    match (stated.published, stated.updated) {
        (Some(published), _) if published == entry.effective => "the source states it".to_owned(),
        (Some(published), _) => format!("the stated {} cannot be true, or changed later", shown(published)),
        (None, Some(updated)) if updated == entry.effective => "the source states only when it was changed".to_owned(),
        (None, _) if entry.effective == entry.first_seen => "none is stated: when it was first seen".to_owned(),
        (None, _) => "none is stated: from its file, or below the dated ones of the first fetch".to_owned(),
    }
}

fn because(one: &Entry, other: &Entry) -> String {
    let link = duplicates::link(&one.stated);
    if link.is_some() && link == duplicates::link(&other.stated) {
        return "the same link".to_owned();
    }
    match duplicates::text(&one.stated).likeness(&duplicates::text(&other.stated)) {
        Some(likeness) => {
            format!("{:.0} % of the shorter text stands in the longer", (likeness.contained * 100.0).floor())
        }
        None if duplicates::same_words(&one.stated, &other.stated) => "the same id and the same words".to_owned(),
        None => "both are like the first of their story".to_owned(),
    }
}

fn shown(time: Time) -> String {
    time.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

impl super::Newsdesk {
    /// What a running daemon says of an entry.
    pub async fn explain(&self, what: &str) -> Result<Explanations, StoreError> {
        let desk = Desk { settings: &self.settings, placer: &self.placer, store: &self.store };
        let found = desk.explain(what, super::now()).await?;
        Ok(Explanations { store: Some(self.store.path().to_owned()), ..found })
    }
}
