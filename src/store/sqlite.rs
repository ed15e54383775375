//! The embedded store: one SQLite file, one writing thread, a few reading connections.
//!
//! WAL, synchronous=FULL: what was published once survives a killed process and a power cut. Several writes may share a
//! commit. Where one of them fails, all are undone and each is carried out again in a transaction of its own, so that it
//! takes no other with it: a savepoint for each would copy every page that it changes, for what hardly ever happens.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::StoreError;
use super::queue::{Ending, MOST_IN_A_COMMIT, Queue, Work};
use super::stories::SharedIndex;

const MIGRATIONS: [&str; 13] = [
    include_str!("migrations/0001_entries.sql"),
    include_str!("migrations/0002_websub.sql"),
    include_str!("migrations/0003_withdrawal.sql"),
    include_str!("migrations/0004_archives.sql"),
    include_str!("migrations/0005_stories.sql"),
    include_str!("migrations/0006_troubles.sql"),
    include_str!("migrations/0007_full_text.sql"),
    include_str!("migrations/0008_mirror.sql"),
    include_str!("migrations/0009_packed.sql"),
    include_str!("migrations/0010_packed_once.sql"),
    include_str!("migrations/0011_file_repairs.sql"),
    include_str!("migrations/0012_made.sql"),
    include_str!("migrations/0013_short_states.sql"),
];
const READERS: usize = 4;
/// Statements that a connection keeps prepared: more than there are.
const STATEMENTS: usize = 256;

/// A handle to the store; a clone is cheap.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    /// `None`: it is open for reading only.
    writes: Option<Arc<Queue>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    readers: Mutex<Vec<Connection>>,
    /// Texts of the last days, to find copies among.
    stories: SharedIndex,
    /// Turns at the readers.
    reading: Semaphore,
    /// Held as long as the store is open, so that a second daemon is refused.
    _lock: Option<File>,
}

/// One write, what came of it, and who is told.
struct Write<T, F> {
    operation: F,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: Fn(&Connection) -> Result<T, StoreError> + Send> Work for Write<T, F> {
    fn run(&mut self, connection: &Connection) -> bool {
        let result = (self.operation)(connection);
        let well = result.is_ok();
        self.result = Some(result);
        well
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let told = match (self.result, committed) {
            (Some(Err(own)), _) | (_, Err(own)) => Err(own),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // Who asked may have gone; the write stands all the same.
        let _ = self.reply.send(told);
    }
}

/// The store as it is at one moment; see [`Store::view`].
pub struct View<'a>(pub(super) &'a Connection);

impl Store {
    /// Open for writing: refused while another process has it open so. Makes the file, its folder and its tables.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let open = |cause: Box<dyn std::error::Error + Send + Sync>| StoreError::Open { path: path.to_owned(), cause };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|cause| open(cause.into()))?;
        }
        let lock = lock(path)?;
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
            .map_err(|cause| cannot_open(path, cause))?;
        migrate(&mut connection, path)?;
        // A statement that may fail half-way keeps the pages that it changes, to undo them: few, and cheaper than a file.
        // Only now: what a migration sorts may be large.
        connection.pragma_update(None, "temp_store", "memory")?;
        // Before the writing thread begins, which would not end if this failed.
        let reader = reader(path)?;
        let writes = Arc::new(Queue::default());
        let taken = writes.clone();
        let runtime = Handle::try_current().ok();
        let thread = thread::Builder::new()
            .name("store".into())
            .spawn(move || write(&connection, &taken, runtime.as_ref()))
            .map_err(|cause| open(cause.into()))?;
        Ok(Store::new(path, reader, Some(writes), Some(thread), Some(lock)))
    }

    /// Open for reading only, beside a running daemon.
    pub fn open_read_only(path: &Path) -> Result<Store, StoreError> {
        let store = Store::new(path, reader(path)?, None, None, None);
        store.read_now(|connection| schema(connection, path))?;
        Ok(store)
    }

    fn new(
        path: &Path,
        reader: Connection,
        writes: Option<Arc<Queue>>,
        thread: Option<thread::JoinHandle<()>>,
        lock: Option<File>,
    ) -> Store {
        Store {
            shared: Arc::new(Shared {
                path: path.to_owned(),
                writes,
                thread: Mutex::new(thread),
                readers: Mutex::new(vec![reader]),
                stories: SharedIndex::default(),
                reading: Semaphore::new(READERS),
                _lock: lock,
            }),
        }
    }

    pub(super) fn stories(&self) -> &SharedIndex {
        &self.shared.stories
    }

    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Writes that wait for the writing thread.
    pub fn queued(&self) -> u64 {
        self.shared.writes.as_ref().map_or(0, |writes| writes.len() as u64)
    }

    /// Does it still write? Takes its turn among the writes, and changes nothing.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.write(|_| Ok(())).await
    }

    /// Carry out one write; returns when it is on the disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        operation: impl Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.enqueue(false, operation).await
    }

    /// The same for what nobody waits for at a screen: it may wait a moment for others, to share their commit.
    pub(super) async fn write_patiently<T: Send + 'static>(
        &self,
        operation: impl Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.enqueue(true, operation).await
    }

    async fn enqueue<T: Send + 'static>(
        &self,
        patient: bool,
        operation: impl Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let writes = self.shared.writes.as_ref().ok_or(StoreError::Closed)?;
        writes.put(Box::new(Write { operation, result: None, reply }), patient).await?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Look at one moment of the store, as often as needed and on one thread; never waits for a writer. For what takes
    /// several reads that have to fit together: nothing is written between them.
    pub async fn view<T: Send + 'static>(
        &self,
        look: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read(move |db| {
            let moment = db.unchecked_transaction()?;
            let found = look(&View(&moment))?;
            moment.commit()?;
            Ok(found)
        })
        .await
    }

    /// Carry out one read on a connection of its own: never waits for a writer.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        // More threads than connections would only open more of them.
        let _turn = self.shared.reading.acquire().await;
        match tokio::task::spawn_blocking(move || store.read_now(operation)).await {
            Ok(result) => result,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    /// One row by its key: quicker than to send it to another thread.
    pub(super) fn read_now<T>(
        &self,
        operation: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = lock_of(&self.shared.readers).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => reader(&self.shared.path)?,
        };
        let result = operation(&connection);
        let mut readers = lock_of(&self.shared.readers);
        if readers.len() < READERS {
            readers.push(connection);
        }
        result
    }

    /// Give back what connections that idle have kept of the file: the system holds it, too.
    pub async fn give_back(&self) {
        let store = self.clone();
        let of_readers = move || {
            // Taken one by one, so that a reader is missed by nobody for long.
            for _ in 0..READERS {
                let Some(reader) = lock_of(&store.shared.readers).pop() else { return };
                let _ = reader.release_memory();
                lock_of(&store.shared.readers).insert(0, reader);
            }
        };
        let _ = tokio::task::spawn_blocking(of_readers).await;
        let _ = self.write(|db| Ok(db.release_memory()?)).await;
    }

    /// Finish what was asked, write the log back into the file, close.
    pub async fn close(&self) {
        let store = self.clone();
        let closing = move || {
            if let Some(writes) = &store.shared.writes {
                writes.close();
            }
            if let Some(thread) = lock_of(&store.shared.thread).take() {
                let _ = thread.join();
            }
            lock_of(&store.shared.readers).clear();
        };
        let _ = tokio::task::spawn_blocking(closing).await;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(writes) = &self.writes {
            writes.close();
        }
    }
}

/// A poisoned lock guards plain data here: take it as it is.
fn lock_of<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// As long as it is held nobody else opens the store for writing.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let open = |cause: std::io::Error| StoreError::Open { path: path.to_owned(), cause: cause.into() };
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(name).map_err(open)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(open(cause)),
    }
}

fn cannot_open(path: &Path, cause: rusqlite::Error) -> StoreError {
    let path = path.to_owned();
    match cause.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::NotAStore { path, cause },
        _ => StoreError::Open { path, cause: cause.into() },
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    prepare_once(&connection)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -8192)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4000)?;
    Ok(connection)
}

/// A statement is planned once. Without QPSG SQLite plans it anew whenever other values are bound to it, which costs more
/// than most of ours do; there are no statistics that the values could be held against.
fn prepare_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn reader(path: &Path) -> Result<Connection, StoreError> {
    let open = |cause| cannot_open(path, cause);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(open)?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(open)?;
    prepare_once(&connection).map_err(open)?;
    connection.pragma_update(None, "query_only", true).map_err(open)?;
    connection.pragma_update(None, "cache_size", -2048).map_err(open)?;
    Ok(connection)
}

/// The number of the last migration; refused where it is one that is not known here.
fn schema(connection: &Connection, path: &Path) -> Result<i64, StoreError> {
    let found = connection.pragma_query_value(None, "user_version", |row| row.get(0));
    let found: i64 = found.map_err(|cause| cannot_open(path, cause))?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    Ok(found)
}

/// Forward only; a store that holds something is copied once before.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found = schema(connection, path)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > 0 && found < known {
        let copy = format!("{}.before-schema-{known}", path.display());
        if !Path::new(&copy).exists() {
            // A start that is killed here leaves no half of a copy under its name.
            let partial = format!("{copy}.partial");
            let failed =
                |cause: std::io::Error| StoreError::Open { path: partial.clone().into(), cause: Box::new(cause) };
            match std::fs::remove_file(&partial) {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => return Err(failed(cause)),
                Ok(()) | Err(_) => {}
            }
            connection.execute("VACUUM INTO ?1", [&partial])?;
            std::fs::File::open(&partial).and_then(|file| file.sync_all()).map_err(failed)?;
            std::fs::rename(&partial, &copy).map_err(failed)?;
        }
    }
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let version = index + 1;
        let failed = |cause| StoreError::Migrate { path: path.to_owned(), version, cause };
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(sql).map_err(failed)?;
        transaction.pragma_update(None, "user_version", i64::try_from(version).unwrap_or(i64::MAX)).map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}

/// The writing thread: take what waits, carry it out, commit once, tell everyone.
fn write(connection: &Connection, writes: &Queue, runtime: Option<&Handle>) {
    // Whatever ends this thread, nobody waits for it any more.
    let _end = Ending(writes);
    while writes.wait() {
        let mut together: Vec<Box<dyn Work>> = Vec::new();
        let mut well = begin(connection).is_ok();
        while (well || together.is_empty())
            && together.len() < MOST_IN_A_COMMIT
            && let Some(mut work) = writes.take()
        {
            well = well && work.run(connection);
            together.push(work);
        }
        if well && commit(connection).is_ok() {
            tell(together, runtime);
            continue;
        }
        undo(connection);
        for mut work in together {
            let done = begin(connection).and_then(|()| if work.run(connection) { commit(connection) } else { Ok(()) });
            undo(connection);
            work.finish(done);
        }
    }
    // So that what is left on the disk is one file; nothing is lost if this fails.
    let _ = connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)");
}

/// What was committed is told to all who wait: by one of their own threads, which needs no waking for each.
fn tell(together: Vec<Box<dyn Work>>, runtime: Option<&Handle>) {
    let several = together.len() > 1;
    let tell = move || together.into_iter().for_each(|work| work.finish(Ok(())));
    match runtime.filter(|_| several) {
        Some(runtime) => drop(runtime.spawn(async move { tell() })),
        None => tell(),
    }
}

fn begin(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)?)
}

fn commit(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.prepare_cached("COMMIT")?.execute([]).map(drop)?)
}

/// After what failed; a full disk may have undone the transaction already.
fn undo(connection: &Connection) {
    if !connection.is_autocommit() {
        let _ = connection.execute_batch("ROLLBACK");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fails_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("newsdesk.db")).unwrap();
        let put = async |key: String, fails: bool| {
            let written = store.write_patiently(move |db| {
                db.execute("INSERT INTO meta (key, value) VALUES (?1, 'x')", [&key])?;
                if fails { Err(StoreError::Damaged { what: "a test", cause: "on purpose".into() }) } else { Ok(()) }
            });
            written.await.is_ok()
        };
        let writes = (0..20).map(|n| put(n.to_string(), n % 7 == 3));
        let done = futures_util::future::join_all(writes).await;
        assert_eq!(done, (0..20).map(|n| n % 7 != 3).collect::<Vec<_>>());
        let keys = store.read(|db| {
            let sql = "SELECT CAST(key AS INTEGER) FROM meta WHERE value = 'x' ORDER BY 1";
            let mut statement = db.prepare(sql)?;
            let keys = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
            Ok(keys)
        });
        assert_eq!(keys.await.unwrap(), (0..20).filter(|n| n % 7 != 3).collect::<Vec<_>>());
        store.close().await;
    }
}
