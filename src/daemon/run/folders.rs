//! Folders in the loop: watched, read one pass at a time, looked at again when something came in meanwhile.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;

use super::Loop;
use crate::config::settings::Place;
use crate::daemon::refresh::Wish;
use crate::daemon::{Newsdesk, chain};
use crate::fetch::folder::{FolderChanged, Watcher};

/// A folder that is being read, and what came in meanwhile.
#[derive(Default)]
pub(super) struct FolderState {
    pub running: bool,
    again: Option<FolderChanged>,
}

/// Sources that are folders, and where they are.
pub(super) fn folders(newsdesk: &Newsdesk) -> Vec<(String, PathBuf)> {
    let folders = newsdesk.settings.sources.iter().filter_map(|source| match &source.place {
        Place::Folder(root) => Some((source.name.clone(), root.clone())),
        Place::Feed(_) => None,
    });
    folders.collect()
}

pub(super) fn watch_folders(newsdesk: &Newsdesk, sender: mpsc::Sender<FolderChanged>) -> Option<Watcher> {
    match Watcher::start(folders(newsdesk), sender) {
        Ok(watcher) => Some(watcher),
        Err(cause) => {
            tracing::warn!(stage = "fetch", "{}; changes are found at the next re-scan", chain(&cause));
            None
        }
    }
}

impl Loop {
    pub(super) fn start_folder(&mut self, name: &str, change: Option<FolderChanged>) {
        let Some(source) = self.newsdesk.source(name).cloned() else { return };
        let folder = self.folders.entry(name.to_owned()).or_default();
        if folder.running {
            let mut again = folder.again.take().unwrap_or_default();
            if let Some(change) = change {
                again.complete.extend(change.complete);
                again.writing.extend(change.writing);
            }
            again.source = name.to_owned();
            folder.again = Some(again);
            return;
        }
        folder.running = true;
        let wish = self.wishes.remove(name).unwrap_or_default();
        self.spawn(source, change, wish, Duration::ZERO);
    }

    pub(super) fn folder_changed(&mut self, change: FolderChanged) {
        let name = change.source.clone();
        self.start_folder(&name, Some(change));
    }

    pub(super) fn folder_finished(&mut self, name: &str, look_again: Option<Duration>) {
        let folder = self.folders.entry(name.to_owned()).or_default();
        folder.running = false;
        if let Some(change) = folder.again.take() {
            self.start_folder(name, Some(change));
        } else if let Some(wait) = look_again
            && let Some(source) = self.newsdesk.source(name).cloned()
        {
            folder.running = true;
            self.spawn(source, None, Wish::default(), wait);
        }
    }
}
