//! What has to be published, collected until somebody does.

use std::collections::BTreeSet;

use crate::config::settings::Source;
use crate::render::troubles;
use crate::store::Applied;

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
    pub(super) told: BTreeSet<Changed>,
    pub(super) flooded: BTreeSet<Changed>,
    /// The mirror lacks something of what is live.
    pub(super) unmirrored: bool,
    /// A person saved a file and waits.
    pub urgent: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Changed {
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
    pub(super) fn is_told(&self, path: &str) -> bool {
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
