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
    /// Regular files that are not hidden, sorted by path.
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

/// Files of one folder that are looked at; more is a mistake in the configuration.
pub const MOST_FILES: usize = 200_000;
/// Folders inside folders.
const DEEPEST: usize = 64;

/// Every regular file under `root` that is not hidden, deeper folders included. A link counts as what it leads to, if
/// that lies under `root` too; a link to a folder is passed over, since the folder itself is read.
pub fn scan(root: &Path) -> Result<Scan, FolderError> {
    let unreadable = |cause| FolderError::Unreadable { path: root.to_owned(), cause };
    match std::fs::metadata(root) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return Err(FolderError::NotAFolder(root.to_owned())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Err(FolderError::Missing(root.to_owned())),
        Err(cause) => return Err(unreadable(cause)),
    }
    let real_root = root.canonicalize().map_err(unreadable)?;
    std::fs::read_dir(root).map_err(unreadable)?;
    let mut scan = Scan::default();
    let mut folders = vec![(root.to_owned(), String::new(), 0)];
    while let Some((folder, prefix, depth)) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(cause) => {
                scan.failures.push(FolderError::Unreadable { path: folder, cause });
                continue;
            }
        };
        for entry in entries.flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                scan.failures.push(FolderError::BadName(entry.path()));
                continue;
            };
            if name.starts_with('.') {
                continue;
            }
            match look(&entry, &real_root, format!("{prefix}{name}")) {
                Ok(Looked::File(file)) if scan.files.len() < MOST_FILES => scan.files.push(file),
                Ok(Looked::Folder) if depth < DEEPEST => folders.push((entry.path(), format!("{prefix}{name}/"), depth + 1)),
                Ok(_) => {}
                Err(failure) => scan.failures.push(failure),
            }
        }
    }
    scan.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(scan)
}

enum Looked {
    File(FileFound),
    Folder,
    /// A socket, a device, a link to a folder, or gone since it was listed.
    Other,
}

fn look(entry: &std::fs::DirEntry, real_root: &Path, path: String) -> Result<Looked, FolderError> {
    let full = entry.path();
    let unreadable = |cause| FolderError::Unreadable { path: full.clone(), cause };
    let kind = entry.file_type().map_err(unreadable)?;
    if kind.is_dir() {
        return Ok(Looked::Folder);
    }
    let is_link = kind.is_symlink();
    if is_link && !full.canonicalize().is_ok_and(|target| target.starts_with(real_root)) {
        return Err(FolderError::LeadsOut { path });
    }
    match std::fs::metadata(&full) {
        Ok(meta) if meta.is_file() => {
            Ok(Looked::File(FileFound { path, size: meta.len(), modified: meta.modified().map_err(unreadable)? }))
        }
        Ok(_) => Ok(Looked::Other),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Looked::Other),
        Err(cause) => Err(unreadable(cause)),
    }
}

/// The bytes of the file `relative` under `root`, at most `max_bytes` of them.
pub fn read(root: &Path, relative: &str, max_bytes: u64) -> Result<Vec<u8>, FolderError> {
    let path = root.join(relative);
    if Path::new(relative).components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(FolderError::LeadsOut { path: relative.to_owned() });
    }
    let unreadable = |cause| FolderError::Unreadable { path: path.clone(), cause };
    let inside = root.canonicalize().and_then(|root| Ok(path.canonicalize()?.starts_with(root))).map_err(unreadable)?;
    if !inside {
        return Err(FolderError::LeadsOut { path: relative.to_owned() });
    }
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
