//! Who asked for an update waits here: for the sources that were named, then for the publication of what they brought.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use tokio::sync::oneshot;

use super::{Loop, Progress};
use crate::config::settings::Place;
use crate::daemon::control::{Ask, SourceReport, UpdateReport};
use crate::daemon::refresh::{Done, NOTHING_NEW, Refreshing, Wish};
use crate::daemon::{chain, now};
use crate::model::Time;

/// A host that asked to be left alone for longer is not waited for.
const LONGEST_PARKED: TimeDelta = TimeDelta::seconds(60);

/// Somebody waits for these sources to be refreshed and published.
pub(super) struct Waiting {
    pending: BTreeSet<String>,
    /// Folders that were being read when the wish came: the refresh after that one is the answer.
    next_refresh: BTreeSet<String>,
    /// Folders that are looked at once more, because a file had only just been written; and what was found so far.
    once_more: BTreeMap<String, String>,
    report: UpdateReport,
    reply: Option<oneshot::Sender<UpdateReport>>,
    progress: Option<Progress>,
    all: usize,
}

impl Loop {
    pub(super) fn asked(&mut self, ask: Ask) {
        match ask {
            Ask::Update { sources, confirm_missing, reply } => {
                self.asked_to_update(sources, confirm_missing, reply, None);
            }
            Ask::Reload { reply } => self.asked_to_reload(reply),
            Ask::Ping { reply } => {
                let _ = reply.send(());
            }
            Ask::Withdrawn(done) => {
                self.newsdesk.withdrawn(&done, &mut self.dirty);
                let settles = done.iter().filter_map(|(_, applied)| applied.settles);
                self.settles = self.settles.into_iter().chain(settles).min();
                self.tombstones_follow();
            }
        }
    }

    pub(super) fn asked_to_update(
        &mut self,
        sources: Vec<String>,
        confirm_missing: bool,
        reply: oneshot::Sender<UpdateReport>,
        progress: Option<Progress>,
    ) {
        let now = now();
        let all = self.newsdesk.settings.sources.iter().map(|source| source.name.clone());
        let named: BTreeSet<String> = if sources.is_empty() { all.collect() } else { sources.into_iter().collect() };
        let mut waiting = Waiting {
            all: named.len(),
            pending: named.clone(),
            next_refresh: BTreeSet::new(),
            once_more: BTreeMap::new(),
            report: UpdateReport::default(),
            reply: Some(reply),
            progress,
        };
        for name in named {
            let Some(source) = self.newsdesk.source(&name).cloned() else {
                waiting.note(SourceReport { source: name, ok: false, outcome: "there is no such source".to_owned() });
                continue;
            };
            match &source.place {
                Place::Feed(_) if self.polls.is_under_way(&name) => {}
                Place::Feed(_) => self.push(&source, now),
                Place::Folder(_) => {
                    self.wishes.insert(name.clone(), Wish { confirm_missing, ..Wish::default() });
                    if self.folders.get(&name).is_some_and(|folder| folder.running) {
                        waiting.next_refresh.insert(name.clone());
                    }
                    self.start_folder(&name, None);
                }
            }
        }
        self.waiting.push(waiting);
        self.answer_parked();
    }

    /// Does anybody wait for an update of this source?
    pub(super) fn is_waited_for(&self, source: &str) -> bool {
        self.waiting.iter().any(|waiting| waiting.pending.contains(source))
    }

    /// The same of one source, where nothing else has changed.
    pub(super) fn answer_if_parked(&mut self, source: &str) {
        if self.is_parked_for_long(source) {
            self.answer_parked();
        }
    }

    pub(super) fn is_parked_for_long(&self, waits: &str) -> bool {
        let now = now();
        self.polls.waits_for_parked(waits, now).is_some_and(|until| until - now > LONGEST_PARKED)
    }

    /// Nobody waits for a host that asked to be left alone for long: its sources keep their place.
    pub(super) fn answer_parked(&mut self) {
        self.answer_without_pages();
        let (now, polls, reading) = (now(), &self.polls, self.reading.held());
        for waiting in &mut self.waiting {
            let parked: Vec<(String, Time)> = waiting
                .pending
                .iter()
                // They have been asked: what is waited for are their pages.
                .filter(|name| !reading.contains(name.as_str()))
                .filter_map(|name| Some((name.clone(), polls.waits_for_parked(name, now)?)))
                .filter(|(_, until)| *until - now > LONGEST_PARKED)
                .collect();
            for (source, until) in parked {
                let outcome = format!("its host asks to be left alone until {until}, and is not asked before");
                waiting.note(SourceReport { source, ok: false, outcome });
            }
        }
        self.settle_waiting();
    }

    pub(super) fn answer_waiting(&mut self, refreshing: &Refreshing) {
        if self.waiting.is_empty() {
            return;
        }
        let name = &refreshing.source.name;
        let report = match &refreshing.result {
            Ok(Done { words, trouble: Some(trouble), .. }) => {
                SourceReport { source: name.clone(), ok: false, outcome: format!("{words}; {trouble}") }
            }
            Ok(done) => SourceReport { source: name.clone(), ok: true, outcome: done.words.clone() },
            Err(error) => {
                let outcome = format!("{}: {}", error.stage, chain(&*error.cause));
                SourceReport { source: name.clone(), ok: false, outcome }
            }
        };
        self.tell_waiting(report, refreshing.again.is_some());
    }

    /// `again`: the source is refreshed once more, at once.
    pub(super) fn tell_waiting(&mut self, report: SourceReport, again: bool) {
        for waiting in self.waiting.iter_mut().filter(|waiting| waiting.pending.contains(&report.source)) {
            if waiting.next_refresh.remove(&report.source) {
                continue;
            }
            if again && !waiting.once_more.contains_key(&report.source) {
                waiting.once_more.insert(report.source.clone(), report.outcome.clone());
                continue;
            }
            waiting.note(report.clone());
        }
        self.settle_waiting();
    }

    /// A publication has ended.
    pub(super) fn tell_published(&mut self, changed: &[String], trouble: Option<&String>) {
        let nothing_left = self.dirty.is_empty();
        for waiting in &mut self.waiting {
            waiting.report.published.extend_from_slice(changed);
            waiting.report.trouble = trouble.cloned().or(waiting.report.trouble.take());
            if waiting.pending.is_empty() && (nothing_left || trouble.is_some()) {
                waiting.done();
            }
        }
        self.waiting.retain(|waiting| waiting.reply.is_some());
    }

    /// Who waits for nothing any more gets the publication at once and then the answer.
    pub(super) fn settle_waiting(&mut self) {
        if !self.waiting.iter().any(|waiting| waiting.pending.is_empty()) {
            return;
        }
        if self.publishing.is_some() || self.reload.holds_publications() {
            return;
        }
        if self.dirty.is_empty() {
            for waiting in self.waiting.iter_mut().filter(|waiting| waiting.pending.is_empty()) {
                waiting.done();
            }
            self.waiting.retain(|waiting| waiting.reply.is_some());
        } else {
            self.start_publication();
        }
    }
}

impl Waiting {
    /// Sources go by other names now; those that are gone are given back, under the name that was asked for.
    pub fn follow(&mut self, stays: impl Fn(&String) -> Option<String>) -> Vec<String> {
        let (stay, gone): (Vec<String>, Vec<String>) =
            std::mem::take(&mut self.pending).into_iter().partition(|name| stays(name).is_some());
        self.pending = stay.iter().filter_map(&stays).chain(gone.iter().cloned()).collect();
        self.next_refresh = std::mem::take(&mut self.next_refresh).iter().filter_map(&stays).collect();
        let before = std::mem::take(&mut self.once_more);
        self.once_more = before.into_iter().filter_map(|(name, words)| Some((stays(&name)?, words))).collect();
        gone
    }

    pub fn note(&mut self, mut report: SourceReport) {
        self.pending.remove(&report.source);
        if let Some(before) = self.once_more.remove(&report.source).filter(|before| before != NOTHING_NEW) {
            report.outcome = format!("{before}; then {}", report.outcome);
        }
        if let Some(progress) = &mut self.progress {
            progress(self.all - self.pending.len(), self.all, &report);
        }
        self.report.sources.push(report);
    }

    fn done(&mut self) {
        self.report.sources.sort_by(|a, b| a.source.cmp(&b.source));
        self.report.published.sort();
        self.report.published.dedup();
        if let Some(reply) = self.reply.take() {
            // Whoever asked may have hung up.
            let _ = reply.send(std::mem::take(&mut self.report));
        }
    }
}
