//! Watching folders of articles (inotify), so that a saved article is published at once.
//!
//! A file that is closed after writing or renamed into place is reported after a few milliseconds, so that a checkout of
//! many files is one report; one that is written and never closed, when it has been quiet. A folder that does not exist,
//! or is deleted and made again, is found by looking once a second.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::Sender;

use super::folder::QUIET;

/// What happens within this time is one report.
const TOGETHER: Duration = Duration::from_millis(30);
/// Folders that come, go and come back are looked for so often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

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
    #[error("folders cannot be watched; if inotify has run out, raise fs.inotify.max_user_instances")]
    Start(#[source] notify::Error),
    #[error("folders cannot be watched: no thread could be started")]
    Thread(#[source] std::io::Error),
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    stop: Arc<AtomicBool>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Watcher {
    /// Watches every folder of `(source name, folder)`, those that do not exist yet included.
    pub fn start(folders: Vec<(String, PathBuf)>, sender: Sender<FolderChanged>) -> Result<Self, WatchError> {
        let (raw, events) = mpsc::channel();
        let notify = notify::recommended_watcher(move |event| {
            // The receiver is gone when watching has ended.
            let _ = raw.send(event);
        });
        let notify = notify.map_err(WatchError::Start)?;
        let stop = Arc::new(AtomicBool::new(false));
        let folders = folders.into_iter().map(|(source, root)| Folder::new(source, root)).collect();
        let mut watching = Watching { notify, folders, sender, stop: stop.clone() };
        watching.look();
        std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || watching.run(&events))
            .map_err(WatchError::Thread)?;
        Ok(Watcher { stop })
    }
}

struct Watching {
    notify: RecommendedWatcher,
    folders: Vec<Folder>,
    sender: Sender<FolderChanged>,
    stop: Arc<AtomicBool>,
}

struct Folder {
    source: String,
    root: PathBuf,
    /// As the system names it in events.
    real: PathBuf,
    /// Device and inode while it is watched.
    watched: Option<(u64, u64)>,
    /// The last failure to watch it was told.
    told: bool,
    complete: BTreeSet<String>,
    writing: BTreeMap<String, Instant>,
    /// When to report.
    due: Option<Instant>,
}

impl Watching {
    fn run(&mut self, events: &mpsc::Receiver<notify::Result<Event>>) {
        let mut looked = Instant::now();
        while !self.stop.load(Ordering::Acquire) {
            let now = Instant::now();
            let next = self.folders.iter().filter_map(Folder::next).min();
            let wait = next.map_or(LOOK_AGAIN, |next| next.saturating_duration_since(now)).min(LOOK_AGAIN);
            match events.recv_timeout(wait) {
                Ok(Ok(event)) => self.event(&event),
                Ok(Err(cause)) => {
                    tracing::warn!(stage = "fetch", "watching folders: {cause}; they are scanned again");
                    self.everything_changed();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if looked.elapsed() >= LOOK_AGAIN {
                looked = Instant::now();
                self.look();
            }
            if !self.report() {
                return;
            }
        }
    }

    fn event(&mut self, event: &Event) {
        if event.need_rescan() {
            return self.everything_changed();
        }
        for path in &event.paths {
            for folder in &mut self.folders {
                if let Ok(inside) = path.strip_prefix(&folder.real) {
                    folder.event(event.kind, inside);
                }
            }
        }
    }

    fn everything_changed(&mut self) {
        for folder in &mut self.folders {
            folder.changed();
        }
    }

    /// Watch what exists and is not watched; notice what was replaced.
    fn look(&mut self) {
        for folder in &mut self.folders {
            let found = std::fs::metadata(&folder.root).ok().filter(std::fs::Metadata::is_dir);
            let found = found.map(|meta| (meta.dev(), meta.ino()));
            if found == folder.watched {
                continue;
            }
            if folder.watched.take().is_some() {
                // It is gone or another one now; what was watched has ended with it.
                let _ = self.notify.unwatch(&folder.real);
                folder.changed();
            }
            if found.is_none() {
                continue;
            }
            folder.real = folder.root.canonicalize().unwrap_or_else(|_| folder.root.clone());
            match self.notify.watch(&folder.real, RecursiveMode::Recursive) {
                Ok(()) => {
                    folder.watched = found;
                    folder.told = false;
                    folder.changed();
                }
                Err(cause) if !folder.told => {
                    folder.told = true;
                    let cure = match cause.kind {
                        notify::ErrorKind::MaxFilesWatch => "raise fs.inotify.max_user_watches",
                        _ => "changes are found at the next re-scan",
                    };
                    tracing::warn!(source = %folder.source, stage = "fetch", "cannot watch the folder: {cause}; {cure}");
                }
                Err(_) => {}
            }
        }
    }

    /// Tell what is due; `false`: nobody listens any more.
    fn report(&mut self) -> bool {
        let now = Instant::now();
        for folder in &mut self.folders {
            folder.take_quiet(now);
            if folder.due.is_none_or(|due| due > now) {
                continue;
            }
            folder.due = None;
            let change = FolderChanged {
                source: folder.source.clone(),
                complete: std::mem::take(&mut folder.complete),
                writing: folder.writing.keys().cloned().collect(),
            };
            if self.sender.blocking_send(change).is_err() {
                return false;
            }
        }
        true
    }
}

impl Folder {
    fn new(source: String, root: PathBuf) -> Folder {
        let real = root.clone();
        let (complete, writing) = (BTreeSet::new(), BTreeMap::new());
        Folder { source, root, real, watched: None, told: false, complete, writing, due: None }
    }

    fn event(&mut self, kind: EventKind, inside: &Path) {
        let Some(path) = inside.to_str().map(str::to_owned) else { return };
        match kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Modify(ModifyKind::Name(_)) => {
                self.writing.remove(&path);
                self.complete.insert(path);
                self.changed();
            }
            EventKind::Create(CreateKind::File) | EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => {
                self.complete.remove(&path);
                self.writing.insert(path, Instant::now());
            }
            EventKind::Remove(_) => {
                self.writing.remove(&path);
                self.complete.remove(&path);
                self.changed();
            }
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Metadata(_)) => self.changed(),
            EventKind::Access(_) | EventKind::Modify(ModifyKind::Other) | EventKind::Any | EventKind::Other => {}
        }
    }

    fn changed(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + TOGETHER);
    }

    /// What was written without being closed is complete when it has been quiet.
    fn take_quiet(&mut self, now: Instant) {
        let quiet: Vec<String> =
            self.writing.iter().filter(|(_, last)| now.duration_since(**last) >= QUIET).map(|(path, _)| path.clone()).collect();
        for path in quiet {
            self.writing.remove(&path);
            self.complete.insert(path);
            self.changed();
        }
    }

    fn next(&self) -> Option<Instant> {
        let quiet = self.writing.values().min().map(|last| *last + QUIET);
        self.due.into_iter().chain(quiet).min()
    }
}
