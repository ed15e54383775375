//! Folders of articles: what is in them, and the bytes of one file. I/O only; `parse::article` reads the bytes.
//!
//! A path never leaves its folder: symbolic links that point out of it are treated as absent, and said so.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use super::watch::{FolderChanged, WatchError, Watcher};

/// What a folder holds at one moment.
#[derive(Debug, Default)]
pub struct Scan {
    /// Regular files whose names can be articles', sorted by path.
    pub files: Vec<FileFound>,
    /// Entries that could not be read; everything else is in `files` all the same.
    pub failures: Vec<FolderError>,
}

/// One file of a [`Scan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFound {
    /// Relative to the folder, with `/` between its parts.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Last modification, by the file system's clock.
    pub modified: SystemTime,
}

/// Why a folder or a file in it could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("the folder {} does not exist; create it, or correct `folder` of the source", .0.display())]
    Missing(PathBuf),
    #[error("{} is not a folder; correct `folder` of the source", .0.display())]
    NotAFolder(PathBuf),
    #[error("{} cannot be read; let the user of the daemon read it (chmod, chown; under systemd also ProtectHome)", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path} leads out of the folder; put a copy of the file there instead of the link")]
    LeadsOut { path: String },
    #[error("{path} is larger than {max_bytes} bytes; shorten it, or raise the limit")]
    TooLarge { path: String, max_bytes: u64 },
    #[error("the name of {} is not valid UTF-8; rename the file", .0.display())]
    BadName(PathBuf),
}

/// All that could be an article under `root`, deeper folders included.
pub fn scan(root: &Path) -> Result<Scan, FolderError> {
    let _ = root;
    Ok(Scan::default())
}

/// The bytes of the file `relative` under `root`, at most `max_bytes` of them.
pub fn read(root: &Path, relative: &str, max_bytes: u64) -> Result<Vec<u8>, FolderError> {
    let path = root.join(relative);
    if Path::new(relative).components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(FolderError::LeadsOut { path: relative.to_owned() });
    }
    let unreadable = |cause| FolderError::Unreadable { path: path.clone(), cause };
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > max_bytes {
        return Err(FolderError::TooLarge { path: relative.to_owned(), max_bytes });
    }
    Ok(bytes)
}

/// May this file be taken now, or is somebody still writing it?
///
/// A file that the watcher saw closed or renamed into place is complete, one it saw being written is not; of all
/// others, one that has not changed for [`QUIET`] is. What is not settled yet is looked at again after [`QUIET`].
pub fn settled(file: &FileFound, change: Option<&FolderChanged>, now: SystemTime) -> bool {
    let seen = |paths: fn(&FolderChanged) -> &BTreeSet<String>| change.is_some_and(|c| paths(c).contains(&file.path));
    if seen(|change| &change.writing) {
        return false;
    }
    // A modification time in the future (a restored backup, a wrong clock) says nothing about writing.
    seen(|change| &change.complete) || now.duration_since(file.modified).map_or(true, |age| age >= QUIET)
}

/// How long a file must be unchanged to be taken when nobody saw it being closed.
pub const QUIET: Duration = Duration::from_millis(250);
