//! Upkeep: how large the store is, whether it is sound, and a copy of it, all beside a running daemon.

use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::{Store, StoreError, sqlite};

/// Problems beyond this many are counted only.
const MOST_PROBLEMS: usize = 100;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0} exists: name a file that does not, a copy replaces nothing")]
    Exists(PathBuf),
    #[error("cannot write {path}; check that its folder exists, may be written and has room for the whole store")]
    Write {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("cannot copy the store to {path}; check that its folder exists, may be written and has room for the whole")]
    Copy {
        path: PathBuf,
        #[source]
        cause: rusqlite::Error,
    },
    #[error("the copy is damaged and was removed ({0}): the store is damaged too; see newsdesk store check")]
    Damaged(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A finished copy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Copied {
    pub file: PathBuf,
    pub bytes: u64,
    pub entries: u64,
}

impl Store {
    /// Entries that are not withdrawn.
    pub async fn count_entries(&self) -> Result<u64, StoreError> {
        self.read(|db| Ok(count(db)?)).await
    }

    /// On the disk, with what is still in the log.
    pub fn size_bytes(&self) -> u64 {
        let log = with_ending(self.path(), "-wal");
        [self.path(), &log].iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len()).sum()
    }

    /// What is wrong with the file, in the words of SQLite and of ours; empty: it is sound. Reads all of it.
    pub async fn problems(&self) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let mut problems = integrity(db)?;
            let mut orphans = db.prepare("PRAGMA foreign_key_check")?;
            let orphans = orphans.query_map([], |row| row.get::<_, String>(0))?;
            problems.extend(
                orphans
                    .map(|table| Ok(format!("a row of {} refers to nothing", table?)))
                    .collect::<Result<Vec<_>, rusqlite::Error>>()?,
            );
            let mut states = db.prepare("SELECT name, state FROM source")?;
            let mut rows = states.query([])?;
            while let Some(row) = rows.next()? {
                let (name, state): (String, String) = (row.get(0)?, row.get(1)?);
                if let Err(cause) = serde_json::from_str::<super::SourceState>(&state) {
                    problems.push(format!("the state of source {name} cannot be read: {cause}"));
                }
            }
            let count = problems.len();
            problems.truncate(MOST_PROBLEMS);
            if count > MOST_PROBLEMS {
                problems.push(format!("and {} more", count - MOST_PROBLEMS));
            }
            Ok(problems)
        })
        .await
    }
}

/// Copy the store at `path` to `to`, which must not exist: one state of it, whatever is written meanwhile. The copy is
/// read back whole before it gets its name.
pub fn backup(path: &Path, to: &Path) -> Result<Copied, BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    // Says what a path that holds no store is.
    drop(Store::open_read_only(path)?);
    let partial = with_ending(to, ".partial");
    let _ = fs::remove_file(&partial);
    let copied = copy(path, &partial).and_then(|entries| {
        let write = |cause| BackupError::Write { path: to.to_owned(), cause };
        let file = File::open(&partial).map_err(write)?;
        file.sync_all().map_err(write)?;
        let bytes = file.metadata().map_err(write)?.len();
        // Does not replace what somebody else put there meanwhile.
        fs::hard_link(&partial, to).map_err(write)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(write)?;
        Ok(Copied { file: to.to_owned(), bytes, entries })
    });
    let _ = fs::remove_file(&partial);
    copied
}

/// The same of a store that moves: refused while a daemon writes to it, since what came after would stay behind.
pub fn relocate(path: &Path, to: &Path) -> Result<Copied, BackupError> {
    drop(Store::open_read_only(path)?);
    let _alone = sqlite::lock(path)?;
    backup(path, to)
}

fn copy(path: &Path, partial: &Path) -> Result<u64, BackupError> {
    let failed = |cause| BackupError::Copy { path: partial.to_owned(), cause };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // Private feeds and the secrets of subscribers stand in it: an empty file that its owner alone may read is filled.
    let mut closed = File::options();
    closed.write(true).create_new(true).mode(0o600);
    closed.open(partial).map_err(|cause| BackupError::Write { path: partial.to_owned(), cause })?;
    let store = Connection::open_with_flags(path, flags).map_err(failed)?;
    store.busy_timeout(std::time::Duration::from_secs(10)).map_err(failed)?;
    // One read transaction: writers go on, and the backup interface's beginning anew at every write is avoided.
    store.execute("VACUUM INTO ?1", [partial.to_string_lossy()]).map_err(failed)?;
    let copy = Connection::open_with_flags(partial, flags).map_err(failed)?;
    if let Some(problem) = integrity(&copy).map_err(failed)?.into_iter().next() {
        return Err(BackupError::Damaged(problem));
    }
    count(&copy).map_err(failed)
}

fn integrity(db: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut check = db.prepare("PRAGMA integrity_check")?;
    let lines = check.query_map([], |row| row.get::<_, String>(0))?;
    lines.filter(|line| line.as_ref().map_or(true, |line| line != "ok")).collect()
}

fn count(db: &Connection) -> rusqlite::Result<u64> {
    let count: i64 = db.query_row("SELECT count(*) FROM entry WHERE withdrawn IS NULL", [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
