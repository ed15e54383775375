//! One story in several sources: what the configuration says of it, and stories whose time to wait is over.

use super::Newsdesk;
use crate::config::settings::Place;
use crate::model::Time;
use crate::store::{Manners, StoreError};

impl Newsdesk {
    /// Take down for the store what decides about copies.
    pub(super) async fn sync_manners(&self) -> Result<(), StoreError> {
        let sections =
            self.sections.iter().map(|(row, section)| (row.row, section.merges_copies, section.settle.num_seconds()));
        let sources = self
            .settings
            .sources
            .iter()
            .map(|source| (self.row(&source.name), matches!(source.place, Place::Folder(_)), source.priority));
        let manners = Manners { sections: sections.collect(), sources: sources.collect() };
        self.store.sync_manners(manners).await
    }

    /// Changes when an entry could be placed otherwise, or hidden behind another one or not.
    pub(super) fn placement_print(&self) -> String {
        let apart: Vec<&str> = self
            .sections
            .iter()
            .filter(|(_, section)| !section.merges_copies)
            .map(|(row, _)| row.name.as_str())
            .collect();
        format!("{} {}", self.placer.print(), apart.join(" "))
    }

    /// Let sections choose whose time to wait is over; their names, and when that is due again.
    pub(super) async fn settle(&self, now: Time) -> Result<(Vec<String>, Option<Time>), StoreError> {
        let changed = self.store.settle(now).await?;
        Ok((changed, self.store.next_settling().await?))
    }
}
