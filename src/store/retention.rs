//! Retention: what is old leaves in small batches, each a write of its own, so that nobody waits for it.

use chrono::TimeDelta;
use rusqlite::{Connection, OptionalExtension, params};

use super::members::set_members;
use super::{Store, StoreError};
use crate::model::Time;

impl Store {
    /// Remove a batch of remote entries older than `before` or beyond the newest `keep` of their source; how many.
    pub async fn prune(&self, before: Time, keep: usize, now: Time) -> Result<usize, StoreError> {
        self.write(move |db| {
            let found = expired(db, before, keep)?;
            let forgotten = (now - TimeDelta::days(90)).timestamp();
            db.execute("DELETE FROM gone WHERE carried < ?1", [forgotten])?;
            for (row, source, key) in &found {
                let sql = "INSERT OR REPLACE INTO gone (source, hash, carried) VALUES (?1, ?2, ?3)";
                db.prepare_cached(sql)?.execute(params![source, key, now.timestamp()])?;
                remove(db, *row)?;
            }
            Ok(found.len())
        })
        .await
    }
}

/// Row, source and key of entries that retention removes, a batch of them. Local articles live as long as their file.
fn expired(db: &Connection, before: Time, keep: usize) -> Result<Vec<(i64, i64, Vec<u8>)>, StoreError> {
    const BATCH: usize = 200;
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    let sql = "SELECT source, count(*), min(effective) FROM entry GROUP BY source";
    let mut statement = db.prepare_cached(sql)?;
    let sources: Vec<(i64, i64, i64)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let mut found: Vec<(i64, i64, Vec<u8>)> = Vec::new();
    for (source, count, oldest) in sources {
        let sql = "SELECT effective FROM entry WHERE source = ?1 ORDER BY effective DESC LIMIT 1 OFFSET ?2";
        let crowded = if count > keep {
            db.prepare_cached(sql)?.query_row([source, keep - 1], |row| row.get(0)).optional()?
        } else {
            None
        };
        let limit = crowded.unwrap_or(i64::MIN).max(before.timestamp());
        if oldest < limit {
            let sql = "SELECT id, source, key FROM entry WHERE source = ?1 AND effective < ?2 AND slug IS NULL ORDER BY effective LIMIT ?3";
            let mut statement = db.prepare_cached(sql)?;
            let room = i64::try_from(BATCH.saturating_sub(found.len())).unwrap_or(0);
            let rows =
                statement.query_map(params![source, limit, room], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            found.extend(rows.collect::<Result<Vec<_>, _>>()?);
        }
        if found.len() >= BATCH {
            break;
        }
    }
    Ok(found)
}

/// An entry with everything that leads to it.
fn remove(db: &Connection, row: i64) -> Result<(), StoreError> {
    set_members(db, row, &[])?;
    let sql = "SELECT source, aliases FROM entry WHERE id = ?1";
    let (source, aliases): (i64, Vec<u8>) =
        db.prepare_cached(sql)?.query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut statement = db.prepare_cached("DELETE FROM alias WHERE source = ?1 AND hash = ?2 AND entry = ?3")?;
    for hash in aliases.chunks_exact(16) {
        statement.execute(params![source, hash, row])?;
    }
    db.prepare_cached("DELETE FROM entry WHERE id = ?1")?.execute([row])?;
    Ok(())
}
