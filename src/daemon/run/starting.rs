//! What the loop starts: each source at its time, polls as the hosts that they ask allow.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{HOSTS, Loop, Task, reloading};
use crate::config::settings::{Place, Source};
use crate::daemon::STATES_AT_ONCE;
use crate::daemon::clock::{now, wall};
use crate::daemon::full_text;
use crate::daemon::polls::Start;
use crate::daemon::refresh::{Asks, Wish, asked_next};
use crate::fetch::folder::FolderChanged;
use crate::model::Time;
use crate::schedule;
use crate::store::{SourceState, StoreError};

impl Loop {
    /// Every source waits for its own time; folders are scanned at once, since they may have changed meanwhile.
    pub(super) async fn schedule_all(&mut self) -> Result<(), StoreError> {
        self.settles = self.newsdesk.store.next_settling().await?;
        self.remember_what_hosts_taught().await?;
        let now = now();
        let newsdesk = self.newsdesk.clone();
        for sources in newsdesk.settings.sources.chunks(STATES_AT_ONCE) {
            for (source, state) in sources.iter().zip(newsdesk.states_of(sources)?) {
                if let Some(trouble) = &state.trouble {
                    self.failing.insert(source.name.clone(), trouble.stage.clone());
                }
                self.schedule(source, Some(&state), now);
                if source.full_text {
                    self.look_for_pages(source, None);
                }
            }
        }
        Ok(())
    }

    pub(super) async fn remember_what_hosts_taught(&mut self) -> Result<(), StoreError> {
        let taught = self.newsdesk.store.meta(HOSTS).await?.unwrap_or_default();
        self.polls.teach(&taught, now());
        Ok(())
    }

    pub(super) fn schedule(&mut self, source: &Source, state: Option<&SourceState>, now: Time) {
        match &source.place {
            Place::Folder(_) => self.start_folder(&source.name, None),
            Place::Feed(_) => {
                let asks = state.and_then(|state| asked_next(source, state)).unwrap_or(Asks::Configured);
                self.polls.asks(&source.name, &asks);
                let known = state.and_then(|state| Some((state.next_poll?, state.last_try)));
                let (cadence, bounds) = reloading::pace(&self.newsdesk, source);
                let paced_by = state.and_then(|state| state.poll.paced_by);
                if let Some((_, Some(_))) = known
                    && paced_by.is_some_and(|print| print != cadence.print(bounds))
                {
                    return self.schedule_anew(&source.name, state, now);
                }
                let due = match known {
                    Some((next, last_try)) => schedule::resume(next, last_try, now),
                    None => schedule::first_poll(&source.name, now).at,
                };
                let due = state.map_or(due, |state| self.due_without_pushes(source, state, due, now));
                self.push(source, due);
            }
        }
    }

    pub(super) fn push(&mut self, source: &Source, due: Time) {
        match &source.place {
            Place::Feed(_) => self.polls.push(&source.name, source.bucket.clone(), due),
            Place::Folder(_) => self.appointments.scan(&source.name, due),
        }
    }

    /// Start whatever may start now.
    pub(super) fn start_due(&mut self) {
        while let Some(name) = self.appointments.due_folder(now()) {
            self.start_folder(&name, None);
        }
        while self.start_polls() {}
        if self.publication_due().is_some_and(|due| due <= Instant::now()) {
            self.start_publication();
        }
    }

    /// The polls that may start now. `true`: some went to the hosts that they ask instead, which may be ready.
    fn start_polls(&mut self) -> bool {
        // A second between two requests is a whole one.
        let (now, clock) = (wall(), Instant::now());
        let mut starting = Vec::new();
        while let Some(Start { source, host_refused, mut ways }) =
            self.polls.start(now, clock, |source| self.failing.contains_key(source))
        {
            if let Some(row) = full_text::row_of(&source) {
                self.start_pages(&source, row, ways);
                continue;
            }
            let Some(source) = self.newsdesk.source(&source).cloned() else { continue };
            if self.waits_for_push(&source) {
                continue;
            }
            starting.push((source, Wish { host_refused, way: ways.pop(), ..Wish::default() }));
        }
        self.ask_at_once(starting)
    }

    /// Polls that start together have their states read together.
    fn ask_at_once(&mut self, mut starting: Vec<(Arc<Source>, Wish)>) -> bool {
        // Where that fails each asks for its own, and says why it cannot have it.
        if let Ok(states) = self.newsdesk.states_of(starting.iter().map(|(source, _)| source)) {
            starting.iter_mut().zip(states).for_each(|((_, wish), state)| wish.state = Some(Box::new(state)));
        }
        let mut elsewhere = false;
        for (source, wish) in starting {
            // An update without a daemon learns only now which of them have moved, or were found on a page: they wait for
            // the host that they ask.
            let asks = wish.state.as_ref().filter(|_| wish.way.is_none()).and_then(|state| asked_next(&source, state));
            if asks.is_some_and(|asks| self.polls.asks(&source.name, &asks)) {
                self.polls.finished(&source.name, None, wall());
                self.push(&source, now());
                self.answer_if_parked(&source.name);
                elsewhere = true;
                continue;
            }
            self.spawn(source, None, wish, Duration::ZERO);
        }
        elsewhere
    }

    pub(super) fn spawn(&mut self, source: Arc<Source>, change: Option<FolderChanged>, wish: Wish, wait: Duration) {
        let (newsdesk, name) = (self.newsdesk.clone(), source.name.clone());
        let task = self.running.spawn(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            let begun = Instant::now();
            // Boxed: the task itself is moved several times before it runs.
            let refreshing = Box::pin(newsdesk.refresh(source, change, wish)).await;
            newsdesk.numbers.refreshes.note(begun.elapsed());
            refreshing
        });
        self.tasks
            .insert(task.id(), Task { source: name, generation: self.reload.generation, abort: task, pushed: false });
    }
}
