//! Everything that is known of one entry, or of one after the other, for `explain` and `plan`: read only.

use rusqlite::{Connection, OptionalExtension, params};

use super::copies::others;
use super::members::section_rows;
use super::pack::decode;
use super::stories::story_of;
use super::windows::{STORED, stored};
use super::{Store, StoreError, Stored, time};
use crate::model::{EntryId, Stated, Time};
use crate::normalize::identity::KeyHash;

/// By what an entry is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    /// Its published id.
    Id(String),
    /// Last segment of a local article's page.
    Slug(String),
    /// Key or alias in any source.
    Key(KeyHash),
    /// Path below the folder of a source.
    File { source: i64, path: String },
}

/// What is known of one entry.
#[derive(Debug, Clone)]
pub struct Dossier {
    /// With the others of its story as copies.
    pub stored: Stored,
    /// Small changes taken in since the last significant one.
    pub silent: u8,
    /// Other keys under which it is known again.
    pub aliases: usize,
    /// Row of the first member of its story.
    pub story: Option<i64>,
    pub places: Vec<Standpoint>,
}

/// Where it stands in one section, by the rows of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standpoint {
    /// Row of the section.
    pub section: i64,
    /// The entry that is shown in its place.
    pub copy_of: Option<i64>,
    /// Until then it waits for better copies.
    pub waits: Option<Time>,
    pub number: Option<u64>,
    /// Last correction that readers are told of.
    pub corrected: Option<Time>,
}

/// A stored entry with where it stands, for those who go through all of them.
#[derive(Debug, Clone)]
pub struct Whole {
    pub row: i64,
    pub id: EntryId,
    /// Row of its source.
    pub source: i64,
    pub stated: Stated,
    pub first_seen: Time,
    pub effective: Time,
    pub updated: Time,
    pub story: Option<i64>,
    pub places: Vec<Standpoint>,
}

/// Entries that are read at once.
const BATCH: usize = 500;

/// One name may mean entries of several sources.
const MOST_FOUND: usize = 20;

impl Store {
    /// Rows of the entries that are meant, each once, withdrawn ones too.
    pub async fn seek(&self, sought: Vec<Sought>) -> Result<Vec<i64>, StoreError> {
        self.read(move |db| {
            let mut rows: Vec<i64> = Vec::new();
            for sought in &sought {
                for row in seek(db, sought)? {
                    if !rows.contains(&row) && rows.len() < MOST_FOUND {
                        rows.push(row);
                    }
                }
            }
            Ok(rows)
        })
        .await
    }

    pub async fn dossier(&self, row: i64) -> Result<Option<Dossier>, StoreError> {
        self.read(move |db| dossier(db, row)).await
    }

    /// A batch of the entries that are not withdrawn, from `after` on in order of rows; none is left where it is empty.
    pub async fn whole_entries(&self, after: i64) -> Result<Vec<Whole>, StoreError> {
        self.read(move |db| whole_entries(db, after)).await
    }
}

fn seek(db: &Connection, sought: &Sought) -> Result<Vec<i64>, StoreError> {
    let collect = |sql: &str, values: &[&dyn rusqlite::ToSql]| -> Result<Vec<i64>, StoreError> {
        let mut statement = db.prepare_cached(sql)?;
        let rows = statement.query_map(values, |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    match sought {
        Sought::Id(id) => collect("SELECT id FROM entry WHERE published_id = ?1", &[id]),
        Sought::Slug(slug) => collect("SELECT id FROM entry WHERE slug = ?1", &[slug]),
        Sought::Key(KeyHash(hash)) => collect(
            "SELECT e.id FROM source s JOIN entry e ON e.source = s.id AND e.key = ?1
            UNION SELECT a.entry FROM source s JOIN alias a ON a.source = s.id AND a.hash = ?1 ORDER BY 1",
            &[hash],
        ),
        Sought::File { source, path } => collect(
            "SELECT id FROM entry WHERE source = ?1
            AND (key_text = 'file ' || ?2 OR substr(key_text, 1, length(?2) + 6) = 'file ' || ?2 || '#') ORDER BY id",
            &[source, path],
        ),
    }
}

fn dossier(db: &Connection, row: i64) -> Result<Option<Dossier>, StoreError> {
    let sql = format!("{STORED} WHERE e.id = ?1");
    let found = db.prepare_cached(&sql)?.query_row([row], |row| Ok(stored(row))).optional()?;
    let Some(mut stored) = found.transpose()? else { return Ok(None) };
    stored.copies = others(db, row)?;
    let sql = "SELECT silent, length(aliases) / 16, sections FROM entry WHERE id = ?1";
    let (silent, aliases, sections): (u8, i64, String) =
        db.prepare_cached(sql)?.query_row([row], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let story = story_of(db, row)?;
    let places = standpoints(db, row, stored.entry.effective.timestamp(), &sections, story)?;
    Ok(Some(Dossier { stored, silent, aliases: usize::try_from(aliases).unwrap_or_default(), story, places }))
}

fn whole_entries(db: &Connection, after: i64) -> Result<Vec<Whole>, StoreError> {
    let sql = "SELECT id, published_id, source, data, first_seen, effective, updated, sections FROM entry
        WHERE id > ?1 AND withdrawn IS NULL ORDER BY id LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![after, BATCH as i64])?;
    let mut found = Vec::with_capacity(BATCH);
    while let Some(entry) = rows.next()? {
        let (row, effective): (i64, i64) = (entry.get(0)?, entry.get(5)?);
        let story = story_of(db, row)?;
        found.push(Whole {
            row,
            id: EntryId(entry.get(1)?),
            source: entry.get(2)?,
            stated: decode(entry.get_ref(3)?.as_blob().unwrap_or_default())?,
            first_seen: time(entry.get(4)?),
            effective: time(effective),
            updated: time(entry.get(6)?),
            places: standpoints(db, row, effective, &entry.get::<_, String>(7)?, story)?,
            story,
        });
    }
    Ok(found)
}

fn standpoints(
    db: &Connection,
    row: i64,
    effective: i64,
    sections: &str,
    story: Option<i64>,
) -> Result<Vec<Standpoint>, StoreError> {
    let sql = "SELECT m.copy_of, m.number, w.until, m.corrected FROM member m
        LEFT JOIN settling w ON w.section = m.section AND w.story = ?4
        WHERE m.section = ?1 AND m.effective = ?2 AND m.entry = ?3";
    let mut statement = db.prepare_cached(sql)?;
    let mut places = Vec::new();
    for section in section_rows(sections) {
        let place = statement.query_row(params![section, effective, row, story.unwrap_or(row)], |found| {
            let copy_of: Option<i64> = found.get(0)?;
            Ok(Standpoint {
                section,
                copy_of: copy_of.filter(|other| *other != row),
                waits: found.get::<_, Option<i64>>(2)?.filter(|_| copy_of == Some(row)).map(time),
                number: found.get::<_, Option<i64>>(1)?.map(i64::unsigned_abs),
                corrected: found.get::<_, Option<i64>>(3)?.map(time),
            })
        });
        places.extend(place.optional()?);
    }
    Ok(places)
}
