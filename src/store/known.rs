//! What is known of the entries of one document.

use std::collections::HashMap;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};

use super::pack::decode;
use super::{Store, StoreError, time};
use crate::changes::{Asked, Known, KnownEntries};
use crate::model::EntryId;
use crate::normalize::identity::KeyHash;

impl Store {
    /// What is known of the entries of one document, and whether it is the first of its source.
    pub async fn known(&self, source: i64, asked: Vec<Asked>) -> Result<(KnownEntries, bool), StoreError> {
        self.read(move |db| of_document(db, source, &asked)).await
    }

    /// The same on this thread, for one that may wait for the disk.
    pub fn known_now(&self, source: i64, asked: &[Asked]) -> Result<(KnownEntries, bool), StoreError> {
        self.read_now(|db| of_document(db, source, asked))
    }
}

fn of_document(db: &Connection, source: i64, asked: &[Asked]) -> Result<(KnownEntries, bool), StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM entry WHERE source = ?1)
        OR EXISTS (SELECT 1 FROM gone WHERE source = ?1)";
    let any: bool = db.prepare_cached(sql)?.query_row([source], |row| row.get(0))?;
    let known = if any { known(db, source, asked)? } else { KnownEntries::default() };
    // A folder or a feed that was empty at first has been read all the same.
    let sql = "SELECT 1 FROM source WHERE id = ?1 AND last_read IS NOT NULL";
    let read = any || db.prepare_cached(sql)?.exists([source])?;
    Ok((known, !read))
}

fn known(db: &Connection, source: i64, asked: &[Asked]) -> Result<KnownEntries, StoreError> {
    const COLUMNS: &str = "SELECT id, published_id, key, print, first_seen, effective, updated, silent, withdrawn, barred, data FROM entry";
    let mut by_key = db.prepare_cached(&format!("{COLUMNS} WHERE source = ?1 AND key = ?2"))?;
    let mut by_row = db.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
    let mut by_alias = db.prepare_cached("SELECT entry FROM alias WHERE source = ?1 AND hash = ?2")?;
    let mut gone = Marked::of(db, "gone", source)?;
    let mut shared = Marked::of(db, "shared_link", source)?;
    let mut known = KnownEntries::default();
    let mut places = HashMap::new();
    for asked in asked {
        let mut key = asked.key;
        if asked.is_link && shared.holds(key)? {
            known.shared.insert(key);
            key = asked.instead.unwrap_or(key);
        }
        let found = by_key.query_row(params![source, key.0], |row| Ok(known_row(row, Some(asked)))).optional()?;
        if let Some(found) = found {
            let at = known.add(found?, &mut places);
            known.by_key.insert(key, at);
            continue;
        }
        for hash in std::iter::once(&key).chain(&asked.aliases) {
            if gone.holds(*hash)? {
                known.gone.insert(*hash);
            }
            if shared.holds(*hash)? {
                known.shared.insert(*hash);
                continue;
            }
            let row: Option<i64> = by_alias.query_row(params![source, hash.0], |row| row.get(0)).optional()?;
            let found = match row {
                Some(row) => by_row.query_row([row], |row| Ok(known_row(row, None))).optional()?,
                None => by_key.query_row(params![source, hash.0], |row| Ok(known_row(row, None))).optional()?,
            };
            if let Some(found) = found {
                let at = known.add(found?, &mut places);
                known.by_alias.insert(*hash, at);
            }
        }
    }
    Ok(known)
}

/// Hashes of one source that are marked in one table: none at all for nearly every source.
struct Marked<'db> {
    source: i64,
    lookup: Option<CachedStatement<'db>>,
}

impl<'db> Marked<'db> {
    fn of(db: &'db Connection, table: &'static str, source: i64) -> Result<Marked<'db>, StoreError> {
        let any = db.prepare_cached(&format!("SELECT 1 FROM {table} WHERE source = ?1"))?.exists([source])?;
        let sql = format!("SELECT 1 FROM {table} WHERE source = ?1 AND hash = ?2");
        Ok(Marked { source, lookup: if any { Some(db.prepare_cached(&sql)?) } else { None } })
    }

    fn holds(&mut self, hash: KeyHash) -> Result<bool, StoreError> {
        let Some(lookup) = &mut self.lookup else { return Ok(false) };
        Ok(lookup.exists(params![self.source, hash.0])?)
    }
}

impl KnownEntries {
    fn add(&mut self, found: Known, places: &mut HashMap<i64, usize>) -> usize {
        let at = *places.entry(found.row).or_insert(self.entries.len());
        match self.entries.get_mut(at) {
            // Found by key first and by an alias now: keep the one that carries its text.
            Some(known) => known.stated = known.stated.take().or(found.stated),
            None => self.entries.push(found),
        }
        at
    }
}

/// `asked`: the text is left out where its print says that nothing changed.
fn known_row(row: &Row<'_>, asked: Option<&Asked>) -> Result<Known, StoreError> {
    let print: [u8; 16] = row.get(3)?;
    let withdrawn: Option<i64> = row.get(8)?;
    let wanted = asked.is_none_or(|asked| asked.print != print || withdrawn.is_some());
    Ok(Known {
        row: row.get(0)?,
        id: EntryId(row.get(1)?),
        key: KeyHash(row.get(2)?),
        print,
        first_seen: time(row.get(4)?),
        effective: time(row.get(5)?),
        updated: time(row.get(6)?),
        silent: row.get(7)?,
        withdrawn: withdrawn.map(time),
        barred: row.get(9)?,
        stated: if wanted { Some(decode(row.get_ref(10)?.as_blob().unwrap_or_default())?) } else { None },
    })
}
