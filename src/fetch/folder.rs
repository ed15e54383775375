//! Folders of articles: what is in them, and the bytes of one file. I/O only; `parse::article` reads the bytes.
//!
//! A path never leaves its folder: symbolic links may lead from file to file inside of it, and nowhere else.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

pub use super::watch::{FolderChanged, WatchError, Watcher};
use crate::parse::article::is_article_name;

/// What a folder holds at one moment.
#[derive(Debug, Default)]
pub struct Scan {
    /// Regular files whose names can be articles', sorted by path.
    pub files: Vec<FileFound>,
    /// What could not be looked at; everything else is in `files` all the same.
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
    #[error("{} cannot be read{}", path.display(), cure(cause))]
    Unreadable {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path} leads out of the folder; put the file itself there instead of a link")]
    LeadsOut { path: String },
    #[error("{path} is no regular file; remove it from the folder")]
    NotAFile { path: String },
    #[error("{path} is larger than {max_bytes} bytes; shorten it, or raise `max-body` in [fetch]")]
    TooLarge { path: String, max_bytes: u64 },
    #[error("the name of {} is not valid UTF-8; rename it", .0.display())]
    BadName(PathBuf),
    #[error("{} holds more than {MOST_FILES} articles; spread them over several sources", .0.display())]
    TooMany(PathBuf),
}

/// Articles that one folder may hold.
const MOST_FILES: usize = 500_000;

/// All that could be an article under `root`, sub-folders included. Hidden files and folders are passed over.
///
/// # Errors
/// When `root` itself cannot be read. What cannot be read below it is in [`Scan::failures`].
pub fn scan(root: &Path) -> Result<Scan, FolderError> {
    let root = real(root)?;
    let mut scan = Scan::default();
    let mut open = vec![String::new()];
    while let Some(folder) = open.pop() {
        let path = root.join(&folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(cause) if folder.is_empty() => return Err(failure(path, cause)),
            // Gone since its parent was listed.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            Err(cause) => {
                scan.failures.push(failure(path, cause));
                continue;
            }
        };
        for entry in entries {
            let seen =
                entry.map_err(|cause| failure(path.clone(), cause)).and_then(|entry| look(&root, &folder, &entry));
            match seen {
                Ok(Seen::Article(_)) if scan.files.len() >= MOST_FILES => return Err(FolderError::TooMany(root)),
                Ok(Seen::Article(file)) => scan.files.push(file),
                Ok(Seen::Folder(inner)) => open.push(inner),
                Ok(Seen::Nothing) => {}
                Err(failure) => scan.failures.push(failure),
            }
        }
    }
    scan.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(scan)
}

/// The bytes of the file `relative` under `root`, at most `max_bytes` of them.
pub fn read(root: &Path, relative: &str, max_bytes: u64) -> Result<Vec<u8>, FolderError> {
    let (file, held) = open(root, relative)?;
    let too_large = || FolderError::TooLarge { path: relative.to_owned(), max_bytes };
    if held.len() > max_bytes {
        return Err(too_large());
    }
    let cannot = |cause| failure(root.join(relative), cause);
    let bytes = read_at_most(&file, max_bytes.saturating_add(1)).map_err(cannot)?;
    if bytes.len() as u64 > max_bytes { Err(too_large()) } else { Ok(bytes) }
}

/// The file `relative` under `root`: never one that a link leads to outside of it, never a pipe.
pub fn open(root: &Path, relative: &str) -> Result<(File, Metadata), FolderError> {
    let root = real(root)?;
    let leads_out = || FolderError::LeadsOut { path: relative.to_owned() };
    if relative.is_empty() || Path::new(relative).components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(leads_out());
    }
    let path = root.join(relative);
    let cannot = |cause| failure(path.clone(), cause);
    let real_path = fs::canonicalize(&path).map_err(cannot)?;
    if !real_path.starts_with(&root) {
        return Err(leads_out());
    }
    // A link that was put there since is not followed; a pipe is not waited for.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(&real_path).map_err(cannot)?;
    let held = file.metadata().map_err(cannot)?;
    if !held.is_file() {
        return Err(FolderError::NotAFile { path: relative.to_owned() });
    }
    Ok((file, held))
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

/// What an entry of a folder is to us.
enum Seen {
    Article(FileFound),
    /// Relative to the root.
    Folder(String),
    Nothing,
}

fn look(root: &Path, folder: &str, entry: &fs::DirEntry) -> Result<Seen, FolderError> {
    let name = entry.file_name();
    let shown = name.to_string_lossy();
    if shown.starts_with('.') {
        return Ok(Seen::Nothing);
    }
    let kind = entry.file_type().map_err(|cause| failure(entry.path(), cause))?;
    let wanted = kind.is_dir() || is_article_name(&shown);
    if !wanted {
        return Ok(Seen::Nothing);
    }
    let name = name.to_str().ok_or_else(|| FolderError::BadName(entry.path()))?;
    let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    if kind.is_dir() {
        return Ok(Seen::Folder(path));
    }
    let held = if kind.is_symlink() { follow(root, &path)? } else { entry.metadata() };
    match held {
        Ok(held) if held.is_file() => {
            let modified = held.modified().map_err(|cause| failure(entry.path(), cause))?;
            Ok(Seen::Article(FileFound { path, size: held.len(), modified }))
        }
        // A folder behind a link is read where it is; a socket or a pipe is nobody's article.
        Ok(_) => Ok(Seen::Nothing),
        // Gone since the folder was listed.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && !kind.is_symlink() => Ok(Seen::Nothing),
        Err(cause) => Err(failure(entry.path(), cause)),
    }
}

/// What a link inside the folder leads to, unless that is outside.
fn follow(root: &Path, path: &str) -> Result<io::Result<fs::Metadata>, FolderError> {
    match fs::canonicalize(root.join(path)) {
        Ok(target) if target.starts_with(root) => Ok(fs::metadata(target)),
        Ok(_) => Err(FolderError::LeadsOut { path: path.to_owned() }),
        Err(cause) => Ok(Err(cause)),
    }
}

/// Where the folder really is.
fn real(root: &Path) -> Result<PathBuf, FolderError> {
    let missing = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => FolderError::Missing(root.to_owned()),
        io::ErrorKind::NotADirectory => FolderError::NotAFolder(root.to_owned()),
        _ => failure(root.to_owned(), cause),
    };
    let real = fs::canonicalize(root).map_err(missing)?;
    if fs::metadata(&real).map_err(missing)?.is_dir() {
        Ok(real)
    } else {
        Err(FolderError::NotAFolder(root.to_owned()))
    }
}

fn read_at_most(file: &File, bytes: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    file.take(bytes).read_to_end(&mut read)?;
    Ok(read)
}

fn failure(path: PathBuf, cause: io::Error) -> FolderError {
    FolderError::Unreadable { path, cause }
}

/// What helps, where that is known.
fn cure(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => {
            "; give the daemon's user the right to (chmod, chown; in a home directory, ProtectHome= of the unit stands in \
             the way)"
        }
        _ => "",
    }
}
