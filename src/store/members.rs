//! Which entry stands in which section: derived from entries and configuration, and rebuilt when the latter changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::archives::touch;
use super::copies::{self, Moment};
use super::pack::decode;
use super::stories;
use super::{Store, StoreError, time};
use crate::model::{Stated, Time};

impl Store {
    /// Place a batch of stored entries anew, from `after` on in order of rows. The last row of it, until none is left, and
    /// what `place` counted of the rules on the way.
    pub async fn replace_members(
        &self,
        after: i64,
        place: impl Fn(&str, &Stated, Time, &mut BTreeMap<String, u64>) -> Vec<String> + Send + 'static,
    ) -> Result<Option<(i64, BTreeMap<String, u64>)>, StoreError> {
        self.write(move |db| {
            let sql = "SELECT e.id, s.name, e.first_seen, e.data FROM entry e JOIN source s ON s.id = e.source
                WHERE e.id > ?1 AND e.withdrawn IS NULL AND s.active = 1 ORDER BY e.id LIMIT 500";
            let mut statement = db.prepare_cached(sql)?;
            let mut rows = statement.query([after])?;
            let (mut last, mut hits) = (None, BTreeMap::new());
            while let Some(row) = rows.next()? {
                let id: i64 = row.get(0)?;
                let stated = decode(row.get_ref(3)?.as_blob().unwrap_or_default())?;
                let sections = place(&row.get::<_, String>(1)?, &stated, time(row.get(2)?), &mut hits);
                set_members(db, id, &sections, Moment::Later)?;
                last = Some(id);
            }
            Ok(last.map(|last| (last, hits)))
        })
        .await
    }
}

/// Puts entries into sections.
pub(super) struct Members<'db>(CachedStatement<'db>);

impl Members<'_> {
    pub(super) fn of(db: &Connection) -> Result<Members<'_>, StoreError> {
        let sql =
            "INSERT OR IGNORE INTO member (section, effective, entry, source, copy_of) VALUES (?1, ?2, ?3, ?4, ?5)";
        Ok(Members(db.prepare_cached(sql)?))
    }

    /// `waits`: for the choice among copies.
    pub(super) fn add(
        &mut self,
        row: i64,
        source: i64,
        effective: i64,
        sections: &[i64],
        waits: bool,
    ) -> Result<(), StoreError> {
        for section in sections {
            self.0.execute(params![*section, effective, row, source, waits.then_some(row)])?;
        }
        Ok(())
    }
}

pub(super) fn joined(rows: &[i64]) -> String {
    let mut joined = String::new();
    for row in rows {
        if !joined.is_empty() {
            joined.push(' ');
        }
        // Writing into a string never fails.
        let _ = write!(joined, "{row}");
    }
    joined
}

/// Let an entry stand in these sections and no others. Returns until when it waits for better copies, if it does.
pub(super) fn set_members(
    db: &Connection,
    row: i64,
    sections: &[String],
    moment: Moment,
) -> Result<Option<Time>, StoreError> {
    let sql = "SELECT effective, sections, source FROM entry WHERE id = ?1";
    let (effective, known, source): (i64, String, i64) =
        db.prepare_cached(sql)?.query_row([row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut wanted = Vec::with_capacity(sections.len());
    let mut statement = db.prepare_cached("SELECT id FROM section WHERE name = ?1")?;
    for section in sections {
        wanted.extend(statement.query_row([section], |row| row.get::<_, i64>(0)).optional()?);
    }
    wanted.sort_unstable();
    let known: Vec<i64> = section_rows(&known).collect();
    if known == wanted {
        return Ok(None);
    }
    let sql = "DELETE FROM member WHERE section = ?1 AND effective = ?2 AND entry = ?3 RETURNING number";
    let mut statement = db.prepare_cached(sql)?;
    let left: Vec<i64> = known.iter().filter(|section| !wanted.contains(section)).copied().collect();
    for section in &left {
        let number: Option<Option<i64>> =
            statement.query_row([*section, effective, row], |row| row.get(0)).optional()?;
        // It leaves a gap.
        if let Some(number) = number.flatten() {
            touch(db, *section, number)?;
        }
    }
    let new: Vec<i64> = wanted.iter().filter(|section| !known.contains(section)).copied().collect();
    let story = stories::story_of(db, row)?;
    Members::of(db)?.add(row, source, effective, &new, story.is_some())?;
    db.prepare_cached("UPDATE entry SET sections = ?2 WHERE id = ?1")?.execute(params![row, joined(&wanted)])?;
    match (moment, story) {
        (Moment::Later, _) => Ok(None),
        (Moment::At(_), None) => copies::entered(db, row, None, &new, copies::is_local(db, source)?, moment),
        // The best of those who stay takes the place of one that leaves.
        (Moment::At(_), Some(_)) => copies::entered(db, row, story, &[left, new].concat(), false, moment),
    }
}

pub(super) fn section_rows(text: &str) -> impl Iterator<Item = i64> + '_ {
    text.split(' ').filter_map(|row| row.parse().ok())
}

pub(super) fn sections_of(db: &Connection, row: i64) -> Result<Vec<String>, StoreError> {
    let text: String =
        db.prepare_cached("SELECT sections FROM entry WHERE id = ?1")?.query_row([row], |row| row.get(0))?;
    section_names(db, section_rows(&text))
}

pub(super) fn sections_of_source(db: &Connection, source: i64) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare_cached("SELECT DISTINCT sections FROM entry WHERE source = ?1")?;
    let texts: Vec<String> = statement.query_map([source], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let rows: BTreeSet<i64> = texts.iter().flat_map(|text| section_rows(text)).collect();
    section_names(db, rows.into_iter())
}

pub(super) fn section_names(db: &Connection, rows: impl Iterator<Item = i64>) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare_cached("SELECT name FROM section WHERE id = ?1")?;
    let mut names = Vec::new();
    for row in rows {
        names.extend(statement.query_row([row], |row| row.get::<_, String>(0)).optional()?);
    }
    names.sort();
    Ok(names)
}
