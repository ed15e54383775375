//! Watching folders of articles (inotify), so that a saved article is published at once.
//!
//! Events are gathered for a moment and become one message for each folder: scan it. The message knows which files are
//! complete and which are still being written. Where events cannot be had (network file systems) or get lost, the scan
//! on the schedule finds what changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use super::folder::QUIET;
use crate::parse::article::is_article_name;

/// Something in a source's folder changed: scan it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FolderChanged {
    /// Name of the source.
    pub source: String,
    /// Files that were closed after writing or renamed into place, relative to the folder: complete, however young.
    pub complete: BTreeSet<String>,
    /// Files that somebody is writing right now: to be left alone until they are reported again.
    pub writing: BTreeSet<String>,
}

/// Why folders cannot be watched; the re-scan on the schedule still finds every change.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error(
        "folders cannot be watched: the kernel gives no further inotify instance; raise fs.inotify.max_user_instances"
    )]
    Instances(#[source] notify::Error),
    #[error("{} cannot be watched whole: no inotify watches are left; raise fs.inotify.max_user_watches", .0.display())]
    Watches(PathBuf),
    #[error("{} cannot be watched", .0.display())]
    Folder(PathBuf, #[source] notify::Error),
    #[error("folders cannot be watched")]
    Thread(#[source] std::io::Error),
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    stop: mpsc::Sender<Message>,
}

impl Watcher {
    /// Watches every folder of `(source name, folder)`, sub-folders included. One that does not exist is watched from
    /// the moment on that it does.
    ///
    /// # Errors
    /// When nothing can be watched at all. A single folder that cannot be watched is logged, with the cure.
    pub fn start(folders: Vec<(String, PathBuf)>, sender: Sender<FolderChanged>) -> Result<Self, WatchError> {
        let (stop, messages) = mpsc::channel();
        let events = stop.clone();
        let handler = move |event| _ = events.send(Message::Event(event));
        let inotify = RecommendedWatcher::new(handler, Config::default().with_follow_symlinks(false))
            .map_err(WatchError::Instances)?;
        let folders = folders.into_iter().map(|(source, root)| Folder::new(source, root)).collect();
        let mut watch = Watch { inotify, folders, sender };
        // Before the caller scans for the first time, so that nothing falls between scan and watch.
        watch.attend(Instant::now());
        watch.folders.iter_mut().for_each(|folder| folder.urgent = None);
        let run = move || watch.run(&messages);
        std::thread::Builder::new().name("watch".to_owned()).spawn(run).map_err(WatchError::Thread)?;
        Ok(Self { stop })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Fails when the thread has ended by itself, because nobody listens any more.
        let _ = self.stop.send(Message::Stop);
    }
}

enum Message {
    Event(notify::Result<Event>),
    Stop,
}

/// Events of one save come together within this.
const GATHER: Duration = Duration::from_millis(20);

/// How often a folder that is not there is looked for.
const MISSING: Duration = Duration::from_millis(250);

/// How often it is checked that what is watched is still what stands at the path, and that a full channel has room.
const IDLE: Duration = Duration::from_secs(5);

/// How long to wait after watches ran out.
const EXHAUSTED: Duration = Duration::from_secs(300);

/// The state of the watching thread.
struct Watch {
    inotify: RecommendedWatcher,
    folders: Vec<Folder>,
    sender: Sender<FolderChanged>,
}

/// One watched folder, and what happened in it since it was last reported.
struct Folder {
    source: String,
    root: PathBuf,
    /// Where the events come from, and which folder that is (device, inode). `None`: not there.
    watched: Option<(PathBuf, (u64, u64))>,
    /// When to look whether it is there, and whether it is still the same.
    check: Option<Instant>,
    /// When to report what is complete or gone.
    urgent: Option<Instant>,
    complete: BTreeSet<String>,
    /// When each was last written to; reported when that is [`QUIET`] ago.
    writing: BTreeMap<String, Instant>,
}

impl Watch {
    fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let now = Instant::now();
            let next = self.folders.iter().flat_map(|folder| [folder.due(), folder.check]).flatten().min();
            let wait = next.map_or(IDLE, |next| next.saturating_duration_since(now));
            match messages.recv_timeout(wait) {
                Ok(Message::Event(event)) => self.happened(event, Instant::now()),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            self.attend(now);
            if !self.report(now) {
                return;
            }
        }
    }

    fn happened(&mut self, event: notify::Result<Event>, now: Instant) {
        match event {
            Ok(event) if event.need_rescan() => {
                // The kernel's queue overflowed: whatever was known of files is void.
                for folder in &mut self.folders {
                    folder.complete.clear();
                    folder.writing.clear();
                    folder.report_by(now + GATHER);
                    folder.check = Some(now);
                }
            }
            Ok(event) => {
                for path in &event.paths {
                    for folder in &mut self.folders {
                        folder.happened(event.kind, path, now);
                    }
                }
            }
            Err(cause) => {
                let place = cause.paths.first().cloned().unwrap_or_else(|| PathBuf::from("a sub-folder"));
                complain(None, &watch_error(place, cause));
            }
        }
    }

    /// Watches what has appeared, and lets go of what has gone.
    fn attend(&mut self, now: Instant) {
        for folder in &mut self.folders {
            if folder.check.is_none_or(|check| check > now) {
                continue;
            }
            let there = identity(&folder.root);
            if let Some((place, known)) = &folder.watched {
                if there == Some(*known) {
                    folder.check = Some(now + IDLE);
                    continue;
                }
                // It fails when the folder is gone, and its watches with it.
                let _ = self.inotify.unwatch(place);
                folder.watched = None;
                folder.report_by(now + GATHER);
            }
            folder.check = Some(now + MISSING);
            let Some(there) = there else { continue };
            let Ok(place) = fs::canonicalize(&folder.root) else { continue };
            match self.inotify.watch(&place, RecursiveMode::Recursive) {
                Ok(()) => folder.check = Some(now + IDLE),
                Err(cause) => {
                    complain(Some(&folder.source), &watch_error(folder.root.clone(), cause));
                    folder.check = Some(now + EXHAUSTED);
                }
            }
            // What was watched before the limit was reached is watched all the same.
            folder.watched = Some((place, there));
            folder.report_by(now + GATHER);
        }
    }

    /// Sends what is due; `false` when nobody listens any more.
    fn report(&mut self, now: Instant) -> bool {
        for folder in &mut self.folders {
            if folder.due().is_none_or(|due| due > now) {
                continue;
            }
            // What is no longer being written is old enough to be taken.
            folder.writing.retain(|_, last| *last + QUIET > now);
            let message = FolderChanged {
                source: folder.source.clone(),
                complete: folder.complete.clone(),
                writing: folder.writing.keys().cloned().collect(),
            };
            match self.sender.try_send(message) {
                Ok(()) => {
                    folder.complete.clear();
                    folder.urgent = None;
                }
                Err(TrySendError::Full(_)) => folder.urgent = Some(now + GATHER),
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        true
    }
}

impl Folder {
    fn new(source: String, root: PathBuf) -> Self {
        let check = Some(Instant::now());
        Self { source, root, watched: None, check, urgent: None, complete: BTreeSet::new(), writing: BTreeMap::new() }
    }

    fn report_by(&mut self, when: Instant) {
        self.urgent = Some(self.urgent.map_or(when, |due| due.min(when)));
    }

    /// When there is something to report.
    fn due(&self) -> Option<Instant> {
        let quiet = self.writing.values().min().map(|last| *last + QUIET);
        [self.urgent, quiet].into_iter().flatten().min()
    }

    /// Takes in one event at one path.
    fn happened(&mut self, kind: EventKind, path: &Path, now: Instant) {
        let Some((place, _)) = &self.watched else { return };
        let Ok(relative) = path.strip_prefix(place) else { return };
        if relative.as_os_str().is_empty() {
            // The folder itself: moved, removed, or its rights changed.
            if matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_) | ModifyKind::Metadata(_))) {
                self.check = Some(now);
                self.report_by(now + GATHER);
            }
            return;
        }
        let relative = relative.to_string_lossy().into_owned();
        if relative.split('/').any(|part| part.starts_with('.')) {
            return;
        }
        let article = is_article_name(&relative);
        match kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) if article => self.completed(relative, now),
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) if article && path.is_file() => {
                self.completed(relative, now);
            }
            // A folder may hold files that came before its watch did: it is looked at once more.
            EventKind::Create(CreateKind::Folder) | EventKind::Modify(ModifyKind::Name(RenameMode::To))
                if path.is_dir() =>
            {
                self.writing.insert(relative, now);
                self.report_by(now + GATHER);
            }
            EventKind::Modify(ModifyKind::Name(RenameMode::From)) | EventKind::Remove(RemoveKind::Folder) => {
                self.gone(&relative, now);
            }
            EventKind::Remove(_) if article => self.gone(&relative, now),
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) if article => {
                self.complete.remove(&relative);
                self.writing.insert(relative, now);
            }
            _ => {}
        }
    }

    fn completed(&mut self, relative: String, now: Instant) {
        self.writing.remove(&relative);
        self.complete.insert(relative);
        self.report_by(now + GATHER);
    }

    fn gone(&mut self, relative: &str, now: Instant) {
        self.complete.remove(relative);
        self.writing.remove(relative);
        self.report_by(now + GATHER);
    }
}

/// Which folder stands at a path (device, inode).
fn identity(root: &Path) -> Option<(u64, u64)> {
    let found = fs::metadata(root).ok().filter(fs::Metadata::is_dir)?;
    Some((found.dev(), found.ino()))
}

fn watch_error(place: PathBuf, cause: notify::Error) -> WatchError {
    match cause.kind {
        notify::ErrorKind::MaxFilesWatch => WatchError::Watches(place),
        _ => WatchError::Folder(place, cause),
    }
}

fn complain(source: Option<&str>, error: &WatchError) {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    tracing::warn!(source, stage = "fetch", "{error}{cause}; changes are found at the next re-scan");
}
