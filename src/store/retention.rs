//! Retention: what is old leaves in small batches, each a write of its own, so that nobody waits for it.
//!
//! Of an entry that leaves its keys stay, as long as its source may still carry it: it is not taken in again.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use rusqlite::{Connection, OptionalExtension, params};

use super::archives::HELD;
use super::copies::Moment;
use super::ids::{id_hash, never_again};
use super::members::{sections_of, set_members};
use super::stories;
use super::{Store, StoreError};
use crate::model::Time;

/// Entries that leave in one write.
const BATCH: i64 = 100;
/// What a source has not carried for so long may come as new.
const FORGOTTEN: TimeDelta = TimeDelta::days(90);
/// So long nobody else may take the published id of an entry that is gone.
const RETIRED: TimeDelta = TimeDelta::days(3 * 365);
/// Nobody is told of a withdrawal after so long.
const TOLD: TimeDelta = TimeDelta::days(60);

/// What one batch of retention removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    pub removed: usize,
    /// Sections in which something stood that is gone.
    pub sections: BTreeSet<String>,
}

impl Store {
    /// Rows of the sources of which something is to leave: entries older than `before`, or beyond the newest `keep`, or
    /// memories of such.
    pub async fn expiring(&self, before: Time, keep: usize) -> Result<Vec<i64>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT source FROM entry GROUP BY source HAVING count(*) > ?2 OR min(effective) < ?1
                UNION SELECT DISTINCT source FROM gone ORDER BY source";
            let mut statement = db.prepare_cached(sql)?;
            let keep = i64::try_from(keep).unwrap_or(i64::MAX);
            let rows = statement.query_map([before.timestamp(), keep], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Remove a batch of one source's entries that are older than `before` or beyond the newest `keep`. Local articles
    /// live as long as their file, and as long again as anything after it is gone.
    pub async fn prune(&self, source: i64, before: Time, keep: usize, now: Time) -> Result<Pruned, StoreError> {
        self.write_patiently(move |db| {
            let mut pruned = Pruned::default();
            for row in expired(db, source, before, keep)? {
                pruned.sections.extend(sections_of(db, row)?);
                remove(db, row, now)?;
                pruned.removed += 1;
            }
            // Where the document has not been read since, it may carry them still.
            let sql = "DELETE FROM gone WHERE source = ?1 AND carried < ?2
                AND carried < (SELECT last_read FROM source WHERE id = ?1)";
            db.prepare_cached(sql)?.execute([source, (now - FORGOTTEN).timestamp()])?;
            Ok(pruned)
        })
        .await
    }

    /// Forget what nobody asks for any more: withdrawals that were announced long ago, ids that were free for years.
    pub async fn forget(&self, now: Time) -> Result<(), StoreError> {
        self.write_patiently(move |db| {
            db.execute("DELETE FROM tombstone WHERE withdrawn < ?1", [(now - TOLD).timestamp()])?;
            db.execute("DELETE FROM retired WHERE since < ?1", [(now - RETIRED).timestamp()])?;
            Ok(())
        })
        .await
    }
}

/// Entries that retention removes, a batch of them, the oldest first.
fn expired(db: &Connection, source: i64, before: Time, keep: usize) -> Result<Vec<i64>, StoreError> {
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    let crowded = nth_newest(db, source, keep.max(1) - 1)?;
    let before = before.timestamp();
    let (limit, row) = crowded.unwrap_or((i64::MIN, i64::MIN)).max((before, i64::MIN));
    let sql = format!(
        "SELECT e.id FROM entry e WHERE e.source = ?1 AND (e.effective, e.id) < (?2, ?3)
        AND (e.slug IS NULL OR e.withdrawn < ?4) AND NOT {HELD} ORDER BY e.effective, e.id LIMIT ?5"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map(params![source, limit, row, before, BATCH], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Date and row of the entry of a source that so many newer ones precede. The row decides where dates are the same: a
/// source that gives every entry one date is held to its number, too.
pub(super) fn nth_newest(db: &Connection, source: i64, newer: i64) -> Result<Option<(i64, i64)>, StoreError> {
    let sql = "SELECT effective, id FROM entry WHERE source = ?1 ORDER BY effective DESC, id DESC LIMIT 1 OFFSET ?2";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    Ok(db.prepare_cached(sql)?.query_row([source, newer], read).optional()?)
}

/// An entry with everything that leads to it. Of a remote one the keys stay; a file that returns makes its own again.
fn remove(db: &Connection, row: i64, now: Time) -> Result<(), StoreError> {
    set_members(db, row, &[], Moment::At(now))?;
    stories::forget(db, row)?;
    let sql = "SELECT source, key, aliases, published_id, slug IS NOT NULL FROM entry WHERE id = ?1";
    let (source, key, aliases, id, local): (i64, Vec<u8>, Vec<u8>, String, bool) = db
        .prepare_cached(sql)?
        .query_row([row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    let sql = "INSERT OR REPLACE INTO gone (source, hash, carried)
        SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM shared_link WHERE source = ?1 AND hash = ?2)";
    let mut gone = db.prepare_cached(sql)?;
    let mut statement = db.prepare_cached("DELETE FROM alias WHERE source = ?1 AND hash = ?2 AND entry = ?3")?;
    for hash in aliases.chunks_exact(16) {
        statement.execute(params![source, hash, row])?;
        if !local {
            gone.execute(params![source, hash, now.timestamp()])?;
        }
    }
    if !local {
        gone.execute(params![source, key, now.timestamp()])?;
    }
    let sql = "INSERT OR REPLACE INTO retired (hash, source, since) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![id_hash(&id), source, now.timestamp()])?;
    never_again(db, row)?;
    db.prepare_cached("DELETE FROM entry WHERE id = ?1")?.execute([row])?;
    Ok(())
}
