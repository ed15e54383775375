//! When to publish: at once after a saved article, else at most once in the interval; one publication at a time.

use std::future::pending;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::{Instant, sleep_until};

use super::Loop;
use crate::daemon::LastRun;
use crate::daemon::chain;
use crate::daemon::clock::{now, wall};
use crate::daemon::dirty::Dirty;
use crate::daemon::publication::{Published, TOMBSTONE_DELAY};

/// What could not be published is tried again after this.
const AFTER_TROUBLE: Duration = Duration::from_secs(30);
/// The first publication waits so long for the first scan of the folders.
const FIRST_SCAN: Duration = Duration::from_secs(3);

pub(super) type Publishing = tokio::task::JoinHandle<(Dirty, Published)>;

/// Waits for the publication under way; for ever if there is none.
pub(super) async fn published(publishing: &mut Option<Publishing>) -> (Dirty, Published) {
    let Some(handle) = publishing else { return pending().await };
    let done = handle.await;
    *publishing = None;
    match done {
        Ok(done) => done,
        Err(panicked) if panicked.is_panic() => std::panic::resume_unwind(panicked.into_panic()),
        Err(_) => (Dirty::default(), Published::default()),
    }
}

impl Loop {
    /// What is stored and what the folders hold, live before anybody is told that we are ready. Where the last run had
    /// published with this very configuration, its documents are live already: then that is only what changed in the
    /// folders since.
    pub(super) async fn first_publication(&mut self, last_run: LastRun) {
        let patience = Instant::now() + FIRST_SCAN;
        while self.folders.values().any(|folder| folder.running) && Instant::now() < patience {
            tokio::select! {
                Some(finished) = self.running.join_next_with_id() => self.finished(finished),
                () = sleep_until(patience) => {}
            }
        }
        if last_run == LastRun::Other {
            self.everything_is_dirty().await;
        }
        if !self.dirty.is_empty() {
            self.start_publication();
            let done = published(&mut self.publishing).await;
            self.published(done);
        }
        if last_run == LastRun::Other
            && self.dirty.is_empty()
            && let Err(cause) = self.newsdesk.mark_mostly_published().await
        {
            tracing::error!(stage = "store", "{}", chain(&cause));
        }
        // What was withdrawn right before the last stop is announced, too.
        self.tombstones_follow();
        // A file saved right after the start is not to wait for the interval.
        self.last_publication = None;
    }

    /// Once we are ready: what time alone has changed while nobody was here, and what a killed run stored and did not
    /// publish any more, is looked for aside.
    pub(super) async fn look_at_everything(&mut self, last_run: LastRun) {
        if last_run != LastRun::Other {
            self.everything_is_dirty().await;
            self.started = true;
        } else {
            // To publish everything takes several times what is left of it.
            self.aside.spawn(self.newsdesk.clone().give_back());
        }
    }

    async fn everything_is_dirty(&mut self) {
        match self.newsdesk.everything().await {
            Ok(everything) => self.dirty.merge(everything),
            Err(cause) => tracing::error!(stage = "store", "{}", chain(&cause)),
        }
    }

    /// A mirror that could not be written is tried again although nothing else is to be published.
    pub(super) fn mirror_again(&mut self) {
        if let Some((unmirrored, _)) = self.unmirrored.take_if(|(_, due)| *due <= Instant::now()) {
            self.dirty.merge(unmirrored);
        }
    }

    /// What was withdrawn up to now is announced when its time has come.
    pub(super) fn tombstones_follow(&mut self) {
        self.tombstones.insert(now() + TOMBSTONE_DELAY + TimeDelta::seconds(1));
    }

    pub(super) fn publication_due(&self) -> Option<Instant> {
        if self.once || self.dirty.is_empty() || self.publishing.is_some() || self.reload.holds_publications() {
            return None;
        }
        let Some((at, second)) = self.last_publication else { return Some(Instant::now()) };
        // Last-Modified counts seconds and strictly grows without running ahead: one publication in each.
        let next_second = at + second;
        let interval = self.newsdesk.settings.publish.min_interval;
        Some(if self.dirty.urgent { next_second } else { next_second.max(at + interval) })
    }

    pub(super) fn start_publication(&mut self) {
        if let Some((unmirrored, _)) = self.unmirrored.take() {
            self.dirty.merge(unmirrored);
        }
        let (newsdesk, dirty, once) = (self.newsdesk.clone(), std::mem::take(&mut self.dirty), self.once);
        let rest = 1_000_u64.saturating_sub(u64::from(wall().timestamp_subsec_millis()));
        self.last_publication = Some((Instant::now(), Duration::from_millis(rest)));
        self.publishing = Some(tokio::spawn(async move {
            let begun = Instant::now();
            // Whoever ends now waits for no better copies.
            let settled = if once { newsdesk.settle(crate::model::Time::MAX_UTC).await.map(|_| ()) } else { Ok(()) };
            let published = match settled {
                Ok(()) => newsdesk.publish(&dirty, now()).await,
                Err(cause) => Published { trouble: Some(cause), ..Published::default() },
            };
            newsdesk.numbers.publications.note(begun.elapsed());
            newsdesk.numbers.revisions.add(published.changed.len() as u64);
            newsdesk.numbers.failed_publications.add(u64::from(published.trouble.is_some()));
            (dirty, published)
        }));
    }

    pub(super) fn published(&mut self, (dirty, published): (Dirty, Published)) {
        let Published { changed, told, unmirrored, trouble, .. } = published;
        self.unmirrored = unmirrored.map(|dirty| (dirty, Instant::now() + AFTER_TROUBLE));
        let trouble = trouble.map(|cause| {
            let words = chain(&cause);
            tracing::error!(stage = "publish", "{words}");
            self.dirty.merge(Dirty { urgent: false, ..dirty });
            self.last_publication = Some((Instant::now(), AFTER_TROUBLE));
            words
        });
        if std::mem::take(&mut self.started) {
            self.aside.spawn(self.newsdesk.clone().give_back());
        }
        if !changed.is_empty() {
            tracing::info!(stage = "publish", "published {} documents", changed.len());
        }
        self.newsdesk.hub_hushed(changed.iter().filter(|path| !told.contains(path)).cloned().collect());
        if !told.is_empty() {
            let newsdesk = self.newsdesk.clone();
            self.aside.spawn(async move { newsdesk.announce(told).await });
        }
        if self.newsdesk.settings.publish.folder.is_some() && !self.once {
            let newsdesk = self.newsdesk.clone();
            self.aside.spawn(async move { newsdesk.mirror_rest().await });
        }
        self.reload_published(trouble.as_ref());
        self.tell_published(&changed, trouble.as_ref());
    }
}
