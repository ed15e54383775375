//! A new configuration in the loop: read aside, adopted between two steps, settled in the background, published, told.
//!
//! What is under way goes on: a request that was begun under the old configuration is finished and kept. Only a source
//! that is no more, or that is elsewhere now, is let go. Publications wait until every entry has its new place, so that
//! no half-filled section is ever seen.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::folders::{folders, watch_folders};
use super::{Loop, Serving};
use crate::config::settings::{Place, Source};
use crate::daemon::clock::{now, wall};
use crate::daemon::control::SourceReport;
use crate::daemon::dirty::Dirty;
use crate::daemon::polls::under_new_names;
use crate::daemon::reload::{Read, ReloadReport, Standing, keep_what_is_bound, one_line, refusal};
use crate::daemon::work::on_disk;
use crate::daemon::{Newsdesk, chain};
use crate::fetch::folder::{FolderChanged, Watcher};
use crate::model::Time;
use crate::schedule::{self, Cadence};
use crate::store::{SourceState, StoreError};

/// What could not be placed is tried again after this.
const AFTER_TROUBLE: Duration = Duration::from_secs(30);

pub(super) type Reply = oneshot::Sender<ReloadReport>;

/// How far a reload has come.
#[derive(Default)]
pub(super) struct Reload {
    read: Option<Read>,
    /// Where folders that are watched anew report.
    changes: Option<mpsc::Sender<FolderChanged>>,
    step: Step,
    report: ReloadReport,
    replies: Vec<Reply>,
    /// Somebody asked while one was under way: the file may have changed since it was read.
    again: Option<Vec<Reply>>,
    /// Counts the configurations.
    pub generation: u64,
    /// Something was stored under an older configuration: entries are placed once more from then on.
    pub misplaced: Option<Instant>,
    /// Sources that were let go may have left entries in sections.
    orphans: bool,
}

#[derive(Default)]
enum Step {
    #[default]
    Idle,
    Reading(JoinHandle<Result<Renewed, ReloadReport>>),
    /// In force. A publication of the old one may still be under way.
    Adopted,
    Settling(JoinHandle<Result<Dirty, StoreError>>),
    /// The publication that shows it.
    Publishing,
    /// Now it can be told.
    Done,
}

/// A configuration that can be adopted.
pub(super) struct Renewed {
    newsdesk: Newsdesk,
    /// `None`: the same folders are watched as before.
    watcher: Option<Option<Watcher>>,
    report: ReloadReport,
}

/// What a step brought.
pub(super) enum Came {
    Read(Box<Result<Renewed, ReloadReport>>),
    Settled(Result<Dirty, StoreError>),
}

impl Reload {
    pub fn new(read: Read, changes: mpsc::Sender<FolderChanged>) -> Reload {
        Reload { read: Some(read), changes: Some(changes), ..Reload::default() }
    }

    /// Nothing is published while entries move between sections.
    pub fn holds_publications(&self) -> bool {
        matches!(self.step, Step::Adopted | Step::Settling(_))
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.step, Step::Idle) && self.misplaced.is_none()
    }
}

/// The next thing that a reload waits for; for ever if there is none.
pub(super) async fn came(reload: &mut Reload) -> Came {
    match &mut reload.step {
        Step::Reading(reading) => Came::Read(Box::new(ended(reading.await))),
        Step::Settling(settling) => Came::Settled(ended(settling.await)),
        Step::Idle | Step::Adopted | Step::Publishing | Step::Done => pending().await,
    }
}

/// Neither is ever aborted while somebody waits for it.
fn ended<T>(joined: Result<T, tokio::task::JoinError>) -> T {
    joined.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}

impl Loop {
    pub(super) fn asked_to_reload(&mut self, reply: Option<Reply>) {
        self.reload.again.get_or_insert_default().extend(reply);
    }

    /// Take the next step that waits for nothing.
    pub(super) fn go_on_reloading(&mut self, serving: &mut impl Serving) {
        if matches!(self.reload.step, Step::Done) {
            self.reload.step = Step::Idle;
            let report = std::mem::take(&mut self.reload.report);
            let numbers = &self.newsdesk.numbers;
            if report.ok {
                numbers.reloads.add(1)
            } else {
                numbers.refused_reloads.add(1)
            }
            for reply in self.reload.replies.drain(..) {
                // Whoever asked may have hung up.
                let _ = reply.send(report.clone());
            }
            serving.reloaded();
        }
        let settled = matches!(self.reload.step, Step::Idle);
        if settled && let Some(replies) = self.reload.again.take() {
            serving.reloading();
            self.reload.replies = replies;
            self.start_reading();
        }
        let old_ones = || self.tasks.values().any(|task| task.generation < self.reload.generation);
        let misplaced = self.reload.misplaced.is_some_and(|from| from <= Instant::now()) && !old_ones();
        let may_settle = match self.reload.step {
            Step::Adopted => true,
            Step::Idle => misplaced,
            _ => false,
        };
        if may_settle && self.publishing.is_none() {
            let anew = misplaced && self.reload.misplaced.take().is_some();
            let orphans = std::mem::take(&mut self.reload.orphans);
            self.reload.step = Step::Settling(tokio::spawn(settle(self.newsdesk.clone(), anew, orphans)));
        }
    }

    fn start_reading(&mut self) {
        let (Some(read), Some(changes)) = (self.reload.read.clone(), self.reload.changes.clone()) else { return };
        let old = self.newsdesk.clone();
        self.reload.step = Step::Reading(tokio::spawn(async move { renew(&old, read, changes).await }));
    }

    pub(super) fn reload_came(&mut self, came: Came, serving: &mut impl Serving) {
        match came {
            Came::Read(read) => match *read {
                Ok(renewed) => self.adopt(renewed, serving),
                Err(refused) => {
                    self.reload.report = refused;
                    self.reload.step = Step::Done;
                }
            },
            Came::Settled(settled) => {
                match settled {
                    Ok(everything) => self.dirty.merge(everything),
                    Err(cause) => {
                        let words = chain(&cause);
                        tracing::error!(stage = "store", "entries keep their old places for now: {words}");
                        self.reload.misplaced = Some(Instant::now() + AFTER_TROUBLE);
                        self.reload.report.trouble = Some(words);
                    }
                }
                self.reload.step = Step::Publishing;
                if self.dirty.is_empty() {
                    self.reload.step = Step::Done;
                } else {
                    self.start_publication();
                }
            }
        }
    }

    /// A publication has ended; nothing but the one that shows a reload can be under way in its last step.
    pub(super) fn reload_published(&mut self, trouble: Option<&String>) {
        if matches!(self.reload.step, Step::Publishing) {
            self.reload.step = Step::Done;
            self.reload.report.trouble = self.reload.report.trouble.take().or(trouble.cloned());
        }
    }

    /// From here on the new configuration is in force.
    fn adopt(&mut self, renewed: Renewed, serving: &mut impl Serving) {
        let Renewed { newsdesk, watcher, report } = renewed;
        self.reload.report = report;
        self.reload.step = Step::Adopted;
        self.reload.generation += 1;
        let old = std::mem::replace(&mut self.newsdesk, newsdesk);
        serving.adopted(&self.newsdesk);
        self.newsdesk.hub_renewed();
        self.newsdesk.pushes_renewed();
        self.polls.configure(&self.newsdesk.settings);
        let now = now();
        self.appointments.replan(&self.newsdesk.settings.schedule.retention, now);
        self.follow_names(&old);
        self.schedule_changed(&old, now);
        if let Some(watcher) = watcher {
            self.watcher = watcher;
        }
    }

    /// Whatever is kept under a source's name moves along with it; what is gone, or elsewhere now, is let go.
    fn follow_names(&mut self, old: &Newsdesk) {
        let names = self.newsdesk.renamed_from(old);
        let place = |desk: &Newsdesk, name: &str| desk.source(name).map(|source| source.place.clone());
        let stays = |name: &String| {
            let now = names.get(name).cloned().flatten()?;
            (place(old, name) == place(&self.newsdesk, &now)).then_some(now)
        };
        for (name, _) in names.iter().filter(|(name, now)| stays(name).as_ref() != Some(*name) || now.is_none()) {
            self.polls.remove(name);
            self.appointments.forget(name);
            if stays(name).is_none() {
                // Whoever it was has nothing to say any more.
                let tasks = self.tasks.values().filter(|task| task.source == *name);
                tasks.for_each(|task| task.abort.abort());
                self.polls.finished(name, None, wall());
                self.reload.orphans = true;
            }
        }
        self.tasks.retain(|_, task| match stays(&task.source) {
            Some(name) => {
                task.source = name;
                true
            }
            None => false,
        });
        self.polls.follow(stays);
        under_new_names(&mut self.folders, stays);
        under_new_names(&mut self.wishes, stays);
        self.failing = std::mem::take(&mut self.failing)
            .into_iter()
            .filter_map(|(name, stage)| Some((stays(&name)?, stage)))
            .collect();
        for waiting in &mut self.waiting {
            let gone: Vec<String> = waiting.follow(stays);
            for source in gone {
                let outcome = "it was removed or moved while it was waited for".to_owned();
                waiting.note(SourceReport { source, ok: false, outcome });
            }
        }
    }

    /// New sources are asked as at a start, those with another schedule at the time that it names; the others wait on.
    fn schedule_changed(&mut self, old: &Newsdesk, now: Time) {
        let before: std::collections::BTreeMap<String, String> =
            self.newsdesk.renamed_from(old).into_iter().filter_map(|(was, is)| Some((is?, was))).collect();
        // The same files are read otherwise.
        let reread = self.newsdesk.reading != old.reading;
        for source in self.newsdesk.settings.sources.clone() {
            let name = &source.name;
            let known = before.get(name).and_then(|was| old.source(was));
            let stays = known.filter(|known| known.place == source.place);
            let under_way = self.tasks.values().any(|task| task.source == *name);
            match (&source.place, stays) {
                (_, None) => self.schedule(&source, self.state_of(&source).as_ref(), now),
                (Place::Folder(_), Some(known)) => {
                    if reread || reads_otherwise(known, &source) || known.name != *name {
                        self.start_folder(name, None);
                    }
                }
                (Place::Feed(_), Some(_)) if under_way => {}
                (Place::Feed(_), Some(known)) => {
                    if pace(old, known) != pace(&self.newsdesk, &source) {
                        self.schedule_anew(name, self.state_of(&source).as_ref(), now);
                    } else if known.name != *name {
                        self.schedule(&source, self.state_of(&source).as_ref(), now);
                    }
                }
            }
        }
    }

    /// What is kept about its polls; where that cannot be read it is asked like a new one.
    fn state_of(&self, source: &Arc<Source>) -> Option<SourceState> {
        let read = self.newsdesk.states_of([source]);
        read.inspect_err(|cause| tracing::error!(stage = "store", "{}", chain(cause))).ok()?.pop()
    }

    /// A poll or push that was under way when the configuration changed goes by the schedule of now.
    pub(super) fn keep_pace(&mut self, source: &Arc<Source>, now: Time) {
        if matches!(source.place, Place::Folder(_)) {
            return;
        }
        let (cadence, bounds) = pace(&self.newsdesk, source);
        let state = self.state_of(source);
        if state.as_ref().is_some_and(|state| state.poll.paced_by.is_some_and(|print| print != cadence.print(bounds))) {
            self.schedule_anew(&source.name, state.as_ref(), now);
        }
    }

    /// Another schedule counts from the last try on.
    pub(super) fn schedule_anew(&mut self, name: &str, state: Option<&SourceState>, now: Time) {
        let Some(source) = self.newsdesk.source(name).cloned() else { return };
        let Some((state, tried)) = state.and_then(|state| Some((state, state.last_try?))) else {
            return self.schedule(&source, state, now);
        };
        let (cadence, bounds) = pace(&self.newsdesk, &source);
        let mut state = state.clone();
        let mut next = schedule::next_poll(&cadence, bounds, &state.poll, tried.min(now), name);
        if next.at < now {
            // Ticks that have passed under the old schedule were never this one's.
            next = match cadence {
                Cadence::Cron(_) => schedule::next_poll(&cadence, bounds, &state.poll, now, name),
                Cadence::Adaptive => schedule::NextPoll { at: now, ..next },
            };
        }
        (state.next_poll, state.next_reason) = (Some(next.at), next.reason);
        state.poll.paced_by = Some(cadence.print(bounds));
        self.push(&source, next.at);
        let (store, row) = (self.newsdesk.store.clone(), self.newsdesk.row(name));
        self.aside.spawn(async move {
            if let Err(cause) = store.record_poll(row, Box::new(state)).await {
                tracing::error!(stage = "store", "{}", chain(&cause));
            }
        });
    }
}

/// Are the same files of a folder read in another way?
fn reads_otherwise(one: &Source, other: &Source) -> bool {
    one.section_line != other.section_line || one.full_text != other.full_text
}

/// When a source is asked.
pub(super) fn pace(newsdesk: &Newsdesk, source: &Source) -> (Cadence, schedule::Bounds) {
    let schedule = &newsdesk.settings.schedule;
    let cadence = source.schedule.as_ref().unwrap_or(&schedule.default).clone();
    (cadence, schedule::Bounds { min: schedule.min, max: schedule.max })
}

/// Read the file and make ready what it asks for; nothing that is in force is touched before all of it can be.
async fn renew(old: &Newsdesk, read: Read, changes: mpsc::Sender<FolderChanged>) -> Result<Renewed, ReloadReport> {
    let mut settings = match on_disk(move || read()).await {
        Ok(settings) => settings,
        Err(complaints) => {
            let refusal = refusal(&complaints, now());
            tracing::error!(
                stage = "config",
                "the configuration is refused, the one before stays in force: {}",
                refusal.first
            );
            let file = complaints.0.iter().find_map(|complaint| complaint.file.clone());
            old.set_standing(Standing { refused: Some(refusal), kept: old.standing().kept });
            return Err(ReloadReport { file, trouble: Some(complaints.to_string()), ..ReloadReport::default() });
        }
    };
    let mut report = ReloadReport { ok: true, file: settings.file.clone(), ..ReloadReport::default() };
    report.kept = keep_what_is_bound(&old.settings, &mut settings);
    report.warnings = settings.warnings.iter().map(one_line).collect();
    let failed = |words: String| {
        tracing::error!(stage = "config", "the configuration cannot be taken, the one before stays in force: {words}");
        let refusal = crate::daemon::reload::Refusal { at: now(), errors: 1, first: words.clone() };
        old.set_standing(Standing { refused: Some(refusal), kept: old.standing().kept });
        ReloadReport { ok: false, trouble: Some(words), ..report.clone() }
    };
    let newsdesk = old.renewed(settings).await.map_err(|cause| failed(chain(&cause)))?;
    // The new ones are watched before the old ones are let go, so that nothing falls between.
    let watcher = match folders(old) == folders(&newsdesk) {
        true => None,
        false => {
            let newsdesk = newsdesk.clone();
            Some(on_disk(move || watch_folders(&newsdesk, changes)).await)
        }
    };
    report.changes = newsdesk.differences(old);
    old.set_standing(Standing { refused: None, kept: report.kept.clone() });
    let file = report.file.as_ref().map_or("the defaults".to_owned(), |file| file.display().to_string());
    let what = if report.changes.is_empty() { "nothing is different".to_owned() } else { report.changes.join(", ") };
    tracing::info!(stage = "config", "{file} is in force: {what}");
    for words in report.kept.iter().chain(&report.warnings) {
        tracing::warn!(stage = "config", "{words}");
    }
    Ok(Renewed { newsdesk, watcher, report })
}

/// Give every entry its place, and sweep out what belongs to no section any more. What is to be published then.
async fn settle(newsdesk: Newsdesk, anew: bool, orphans: bool) -> Result<Dirty, StoreError> {
    if orphans {
        newsdesk.store.clear_inactive().await?;
    }
    newsdesk.place_again(anew).await?;
    newsdesk.sweep().await?;
    newsdesk.everything().await
}
