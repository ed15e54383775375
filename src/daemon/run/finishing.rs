//! What has finished is taken in: what it brought is to be published, what its host taught is kept, who waits is answered.

use chrono::TimeDelta;
use tokio::task::{Id, JoinError};
use tokio::time::Instant;

use super::{HOSTS, Loop, Task};
use crate::config::settings::{Place, Source};
use crate::daemon::chain;
use crate::daemon::clock::{now, wall};
use crate::daemon::control::SourceReport;
use crate::daemon::refresh::{Done, Refreshing};
use crate::store::Applied;

/// So many refreshes that have finished are taken at once, before anything else is looked at.
const MOST_TOGETHER: usize = 64;

impl Loop {
    /// This one, and those that have finished with it: writes share a commit.
    pub(super) async fn finished_together(&mut self, first: Result<(Id, Refreshing), JoinError>) {
        self.finished(first);
        // The others have been told, too, and have only to come to their end.
        tokio::task::yield_now().await;
        for _ in 1..MOST_TOGETHER {
            let Some(next) = self.running.try_join_next_with_id() else { return };
            self.finished(next);
        }
    }

    pub(super) fn finished(&mut self, finished: Result<(Id, Refreshing), JoinError>) {
        let (task, mut refreshing) = match finished {
            Ok(finished) => finished,
            Err(panicked) => return self.panicked(&panicked),
        };
        // One that was let go may still have come to its end: its source is no more.
        let Some(task) = self.tasks.remove(&task) else { return };
        if let Some(source) = self.newsdesk.source(&task.source) {
            refreshing.source = source.clone();
        }
        let now = now();
        if task.generation < self.reload.generation && refreshing.result.as_ref().is_ok_and(Done::stored) {
            self.reload.misplaced.get_or_insert_with(Instant::now);
        }
        let source = refreshing.source.clone();
        let outpaced = task.generation < self.reload.generation;
        if task.pushed {
            self.push_finished(&refreshing);
            if outpaced && !self.is_waited_for(&source.name) {
                self.keep_pace(&source, now);
            }
            return self.start_pushes();
        }
        if self.polls.finished(&source.name, refreshing.refused.as_ref(), wall()) {
            self.remember_hosts();
            self.answer_parked();
        }
        if let Some(way) = refreshing.way.take() {
            self.polls.go_on(&source.name, vec![way], wall());
            self.start_pushes();
            return self.answer_if_parked(&source.name);
        }
        if let Some(asks) = &refreshing.asks {
            self.polls.asks(&source.name, asks);
        }
        self.push(&source, refreshing.next.at.max(now));
        self.start_pushes();
        if refreshing.searching {
            // The search may go on with a host that is to be left alone.
            return self.answer_parked();
        }
        if outpaced {
            self.keep_pace(&source, now);
        }
        let failed = self.failing.contains_key(&source.name);
        self.note(&refreshing);
        self.dirty.troubles |= failed != self.failing.contains_key(&source.name);
        if let Ok(done) = &refreshing.result {
            if matches!(source.place, Place::Folder(_)) && !done.applied.sections.is_empty() {
                self.dirty.urgent = true;
            }
            self.take_in(&source, &done.applied);
        }
        if let Place::Folder(_) = &source.place {
            self.folder_finished(&source.name, refreshing.again);
        }
        let is_feed = matches!(source.place, Place::Feed(_));
        if source.full_text && is_feed && refreshing.result.is_ok() {
            return self.look_for_pages(&source, Some(refreshing));
        }
        self.answer_waiting(&refreshing);
    }

    /// Something was stored: it is to be published, now and when what waits with it has waited long enough.
    pub(super) fn take_in(&mut self, source: &Source, applied: &Applied) {
        self.dirty.add(source, applied);
        self.settles = self.settles.into_iter().chain(applied.settles).min();
        if !applied.withdrawn.is_empty() {
            self.tombstones_follow();
        }
    }

    /// What hosts have taught is not to be learned again after a restart.
    pub(super) fn remember_hosts(&mut self) {
        let Some(json) = self.polls.taught() else { return };
        let store = self.newsdesk.store.clone();
        self.aside.spawn(async move {
            if let Err(cause) = store.set_meta(HOSTS, json).await {
                tracing::error!(stage = "store", "{}", chain(&cause));
            }
        });
    }

    /// A refresh that panicked is a defect of ours: it is named, the others go on, the source is asked again in an hour.
    fn panicked(&mut self, panicked: &JoinError) {
        let Some(Task { source: name, .. }) = self.tasks.remove(&panicked.id()) else { return };
        tracing::error!(source = %name, stage = "refresh", "its refresh panicked, please report this: {panicked}");
        let now = now();
        self.polls.finished(&name, None, wall());
        if self.folders.contains_key(&name) {
            self.folder_finished(&name, None);
        }
        if let Some(source) = self.newsdesk.source(&name).cloned() {
            self.push(&source, now + TimeDelta::hours(1));
        }
        let report = SourceReport { source: name, ok: false, outcome: "a defect of newsdesk; see its log".to_owned() };
        self.tell_waiting(report, false);
    }
}
