//! Retention: old entries leave the store on their schedule, a small batch at a time.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::Newsdesk;
use crate::model::Time;
use crate::store::StoreError;

impl Newsdesk {
    /// What is due leaves; what that changes for readers is taken by [`Newsdesk::take_stale`].
    pub(super) async fn retire(&self, now: Time) {
        match self.retire_all(now).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!("{removed} old entries left the store"),
            Err(cause) => tracing::error!(stage = "store", "{}", super::chain(&cause)),
        }
    }

    async fn retire_all(&self, now: Time) -> Result<usize, StoreError> {
        let (before, keep) = (now - self.settings.store.keep, self.settings.store.keep_per_source);
        // Whole documents of archives, the oldest first; their entries are free to leave then.
        self.retire_archives(before, keep, now).await?;
        let mut removed = 0;
        for source in self.store.expiring(before, keep).await? {
            loop {
                let pruned = self.store.prune(source, before, keep, now).await?;
                removed += pruned.removed;
                self.stale.lock().unwrap_or_else(PoisonError::into_inner).extend(pruned.sections);
                if pruned.removed == 0 {
                    break;
                }
            }
        }
        self.store.forget(now).await?;
        Ok(removed)
    }

    /// Sections out of which retention took something since they were asked for last.
    pub(super) fn take_stale(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.stale.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
