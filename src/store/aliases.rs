//! Other keys under which an entry was ever known.

use rusqlite::{CachedStatement, Connection, params};

use super::StoreError;
use crate::normalize::identity::KeyHash;

/// Keys under which an entry was ever known; a source that invents new ones for ever is remembered by the newest.
const MOST_ALIASES: usize = 16;

/// The newest entry with an alias owns it: its text is the one that is compared.
pub(super) fn set_aliases(db: &Connection, source: i64, row: i64, aliases: &[KeyHash]) -> Result<(), StoreError> {
    let sql = "SELECT aliases FROM entry WHERE id = ?1";
    let known: Vec<u8> = db.prepare_cached(sql)?.query_row([row], |row| row.get(0))?;
    let mut all: Vec<&[u8]> = known.chunks_exact(16).collect();
    let fresh: Vec<&[u8]> = aliases.iter().map(|alias| &alias.0[..]).filter(|alias| !all.contains(alias)).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    Aliases::of(db, source)?.add(row, fresh.iter().copied())?;
    all.extend(fresh);
    let forgotten = all.len().saturating_sub(MOST_ALIASES);
    let mut statement = db.prepare_cached("DELETE FROM alias WHERE source = ?1 AND hash = ?2 AND entry = ?3")?;
    for alias in all.drain(..forgotten) {
        statement.execute(params![source, alias, row])?;
    }
    db.prepare_cached("UPDATE entry SET aliases = ?2 WHERE id = ?1")?.execute(params![row, all.concat()])?;
    Ok(())
}

/// Where the aliases of one source are added.
pub(super) struct Aliases<'db> {
    source: i64,
    /// Asks whether a link stands for two entries of the source, and so leads to none; `None`: no link of it does. Asked
    /// for first: an insert out of a SELECT would keep a journal of its own, which costs more than the row.
    shared: Option<CachedStatement<'db>>,
    put: CachedStatement<'db>,
}

impl Aliases<'_> {
    pub(super) fn of(db: &Connection, source: i64) -> Result<Aliases<'_>, StoreError> {
        let any = db.prepare_cached("SELECT 1 FROM shared_link WHERE source = ?1")?.exists([source])?;
        let sql = "SELECT 1 FROM shared_link WHERE source = ?1 AND hash = ?2";
        let shared = any.then(|| db.prepare_cached(sql)).transpose()?;
        let sql = "INSERT OR REPLACE INTO alias (source, hash, entry) VALUES (?1, ?2, ?3)";
        Ok(Aliases { source, shared, put: db.prepare_cached(sql)? })
    }

    pub(super) fn add<'a>(&mut self, row: i64, aliases: impl Iterator<Item = &'a [u8]>) -> Result<(), StoreError> {
        for alias in aliases {
            let leads_to_none = match &mut self.shared {
                Some(shared) => shared.exists(params![self.source, alias])?,
                None => false,
            };
            if !leads_to_none {
                self.put.execute(params![self.source, alias, row])?;
            }
        }
        Ok(())
    }
}

/// From now on this link of the source is no key.
pub(super) fn share_link(db: &Connection, source: i64, hash: KeyHash) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO shared_link (source, hash) VALUES (?1, ?2)";
    if db.prepare_cached(sql)?.execute(params![source, hash.0])? > 0 {
        db.prepare_cached("DELETE FROM alias WHERE source = ?1 AND hash = ?2")?.execute(params![source, hash.0])?;
    }
    Ok(())
}
