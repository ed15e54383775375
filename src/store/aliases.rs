//! Other keys under which an entry was ever known.

use rusqlite::{Connection, params};

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
    add_aliases(db, source, row, fresh.iter().copied())?;
    all.extend(fresh);
    let forgotten = all.len().saturating_sub(MOST_ALIASES);
    let mut statement = db.prepare_cached("DELETE FROM alias WHERE source = ?1 AND hash = ?2 AND entry = ?3")?;
    for alias in all.drain(..forgotten) {
        statement.execute(params![source, alias, row])?;
    }
    db.prepare_cached("UPDATE entry SET aliases = ?2 WHERE id = ?1")?.execute(params![row, all.concat()])?;
    Ok(())
}

pub(super) fn add_aliases<'a>(
    db: &Connection,
    source: i64,
    row: i64,
    aliases: impl Iterator<Item = &'a [u8]>,
) -> Result<(), StoreError> {
    // A link that stands for two entries leads to none. Asked for first: an insert out of a SELECT would keep a journal
    // of its own, which costs more than the row.
    let any = db.prepare_cached("SELECT 1 FROM shared_link WHERE source = ?1")?.exists([source])?;
    let mut shared = db.prepare_cached("SELECT 1 FROM shared_link WHERE source = ?1 AND hash = ?2")?;
    let sql = "INSERT OR REPLACE INTO alias (source, hash, entry) VALUES (?1, ?2, ?3)";
    let mut statement = db.prepare_cached(sql)?;
    for alias in aliases {
        if !(any && shared.exists(params![source, alias])?) {
            statement.execute(params![source, alias, row])?;
        }
    }
    Ok(())
}

/// From now on this link of the source is no key.
pub(super) fn share_link(db: &Connection, source: i64, hash: KeyHash) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO shared_link (source, hash) VALUES (?1, ?2)";
    if db.prepare_cached(sql)?.execute(params![source, hash.0])? > 0 {
        db.prepare_cached("DELETE FROM alias WHERE source = ?1 AND hash = ?2")?.execute(params![source, hash.0])?;
    }
    Ok(())
}
