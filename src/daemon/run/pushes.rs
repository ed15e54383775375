//! Pushes in the loop: one source is read one document at a time, whether it was fetched or pushed.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::TimeDelta;

use super::{Loop, Task};
use crate::config::settings::{Place, Source};
use crate::daemon::Newsdesk;
use crate::daemon::clock::{now, wall};
use crate::daemon::push::{Event, Pushed};
use crate::daemon::refresh::Refreshing;
use crate::model::Time;
use crate::schedule::{self, Cadence};
use crate::store::SourceState;

/// Pushes of one source that wait; of more, the oldest are left to a poll.
const WAITING: usize = 4;
/// Pushes that are read at once.
const AT_ONCE: usize = 8;

impl Loop {
    pub(super) fn pushed(&mut self, event: Event) {
        match event {
            Event::Came(pushed) => {
                let waiting = self.pushes.entry(pushed.row).or_default();
                if waiting.len() >= WAITING {
                    waiting.pop_front();
                }
                waiting.push_back(pushed);
                self.start_pushes();
            }
            Event::Lost(row) => {
                if let Some(source) = self.newsdesk.source_of(row).cloned()
                    && self.is_idle(&source.name)
                {
                    let state = self.newsdesk.store.state(row).ok();
                    let due = state.and_then(|state| unpushed(&self.newsdesk, &source, &state)).unwrap_or_else(now);
                    self.push(&source, due.max(now()));
                }
            }
        }
    }

    fn is_idle(&self, name: &str) -> bool {
        !self.tasks.values().any(|task| task.source == name)
    }

    /// Whoever waits and whose source nobody else is reading.
    pub(super) fn start_pushes(&mut self) {
        if self.pushes.is_empty() {
            return;
        }
        let mut running = self.tasks.values().filter(|task| task.pushed).count();
        let rows: Vec<i64> = self.pushes.keys().copied().collect();
        for row in rows {
            if running >= AT_ONCE {
                return;
            }
            let Some(source) = self.newsdesk.source_of(row).cloned() else {
                self.pushes.remove(&row);
                continue;
            };
            if !self.is_idle(&source.name) {
                continue;
            }
            let next = self.pushes.get_mut(&row).and_then(VecDeque::pop_front);
            if self.pushes.get(&row).is_none_or(VecDeque::is_empty) {
                self.pushes.remove(&row);
            }
            if let Some(pushed) = next {
                running += 1;
                self.spawn_push(source, pushed);
            }
        }
    }

    fn spawn_push(&mut self, source: Arc<Source>, pushed: Pushed) {
        // Until it is through, no poll of it begins.
        self.polls.remove(&source.name);
        let (newsdesk, name) = (self.newsdesk.clone(), source.name.clone());
        let abort = self.running.spawn(async move { newsdesk.read_push(source, pushed).await });
        let task = Task { source: name, generation: self.reload.generation, abort: abort.clone(), pushed: true };
        self.tasks.insert(abort.id(), task);
    }

    /// A poll that was asked for by hand while a push is read waits for it.
    pub(super) fn waits_for_push(&mut self, source: &Source) -> bool {
        let pushed = self.tasks.values().any(|task| task.pushed && task.source == source.name);
        if pushed {
            self.polls.finished(&source.name, None, wall());
            self.push(source, now() + TimeDelta::seconds(1));
        }
        pushed
    }

    /// A push is through: what it brought is published, and the source waits for its poll as before.
    pub(super) fn push_finished(&mut self, refreshing: &Refreshing) {
        let source = &refreshing.source;
        if !self.polls.waits(&source.name) {
            // Whoever asked for an update meanwhile is answered by a poll.
            let next = if self.is_waited_for(&source.name) { now() } else { refreshing.next.at.max(now()) };
            self.push(source, next);
        }
        match &refreshing.result {
            Ok(done) => {
                tracing::info!(source = %source.name, stage = "push", "{}", done.words);
                self.take_in(source, &done.applied);
                if source.full_text {
                    self.look_for_pages(source, None);
                }
            }
            Err(error) => {
                tracing::warn!(source = %source.name, stage = %error.stage, "{}", crate::daemon::chain(&*error.cause));
            }
        }
    }

    /// When a source is due that was last asked before this start. What was pushed meanwhile is lost: it is asked at its
    /// own pace again, not at that of a trusted hub.
    pub(super) fn due_without_pushes(&self, source: &Source, state: &SourceState, due: Time, now: Time) -> Time {
        if !self.newsdesk.counts_on_pushes(self.newsdesk.row(&source.name), now) {
            return due;
        }
        unpushed(&self.newsdesk, source, state).map_or(due, |at| due.min(at.max(now)))
    }
}

/// The next poll as if nothing were ever pushed.
fn unpushed(newsdesk: &Newsdesk, source: &Source, state: &SourceState) -> Option<Time> {
    let schedule = &newsdesk.settings.schedule;
    let cadence = source.schedule.as_ref().unwrap_or(&schedule.default);
    let bounds = schedule::Bounds { min: schedule.min, max: schedule.max };
    match (&source.place, cadence) {
        (Place::Feed(_), Cadence::Adaptive) => {
            Some(schedule::next_poll(cadence, bounds, &state.poll, state.last_try?, &source.name).at)
        }
        _ => state.next_poll,
    }
}
