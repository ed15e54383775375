//! The windows that feeds are merged from, and single entries by their names.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Rows};

use super::copies;
use super::full_text::with_text;
use super::members::section_names;
use super::pack::decode;
use super::sources::origin;
use super::{Store, StoreError, Stored, View, time};
use crate::model::{Entry, EntryId, Origin, Standing, Time, Tombstone};

/// Which entries a window shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Row of a section.
    Section(i64),
    /// Row of a source.
    Source(i64),
}

/// A stretch of a section.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Span {
    pub entries: Vec<Stored>,
    /// There are more of them, older ones, in the same stretch.
    pub more: bool,
    /// The nearest entry after the stretch, and before it.
    pub newer: Option<Time>,
    pub older: Option<Time>,
}

impl Store {
    /// The newest entries, by effective date; all of those that share the last one's date are there too.
    pub async fn window(&self, shown: Shown, count: usize) -> Result<Vec<Stored>, StoreError> {
        self.read(move |db| window(db, shown, count)).await
    }

    /// Entries of a section between two moments, the first included, newest first, after the first `skip` of them; and
    /// what there is on both sides.
    pub async fn span(
        &self,
        section: i64,
        (from, to): (Time, Time),
        skip: usize,
        count: usize,
    ) -> Result<Span, StoreError> {
        self.read(move |db| span(db, section, from.timestamp(), to.timestamp(), skip, count)).await
    }

    /// Entries by their rows, in this order, with the copies that they stand for in a section; those that are gone by
    /// now are left out.
    pub async fn entries(&self, section: Option<i64>, rows: Vec<i64>) -> Result<Vec<Stored>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.read(move |db| View(db).entries(section, &rows)).await
    }

    /// What was withdrawn from a section between two moments, newest first.
    pub async fn tombstones(&self, section: i64, after: Time, until: Time) -> Result<Vec<Tombstone>, StoreError> {
        self.read(move |db| View(db).tombstones(section, after, until)).await
    }

    /// What was withdrawn of a source between two moments, newest first.
    pub async fn tombstones_of_source(
        &self,
        source: i64,
        after: Time,
        until: Time,
    ) -> Result<Vec<Tombstone>, StoreError> {
        self.read(move |db| View(db).tombstones_of_source(source, after, until)).await
    }

    /// Names of sections and of sources of which something was withdrawn between two moments.
    pub async fn withdrawn_between(
        &self,
        after: Time,
        until: Time,
    ) -> Result<(BTreeSet<String>, BTreeSet<String>), StoreError> {
        self.read(move |db| {
            let names = |sql: &str| -> Result<BTreeSet<String>, StoreError> {
                let mut statement = db.prepare_cached(sql)?;
                let rows = statement.query_map([after.timestamp(), until.timestamp()], |row| row.get(0))?;
                Ok(rows.collect::<Result<_, _>>()?)
            };
            let sections = "SELECT DISTINCT s.name FROM tombstone t JOIN section s ON s.id = t.section
                WHERE t.withdrawn > ?1 AND t.withdrawn <= ?2";
            let sources = "SELECT DISTINCT s.name FROM entry e INDEXED BY entry_withdrawn
                JOIN source s ON s.id = e.source WHERE e.withdrawn IS NOT NULL AND e.withdrawn > ?1 AND e.withdrawn <= ?2";
            Ok((names(sections)?, names(sources)?))
        })
        .await
    }

    pub async fn entry_by_id(&self, id: String) -> Result<Option<Stored>, StoreError> {
        self.read(move |db| one(db, "e.published_id = ?1", &id)).await
    }

    pub async fn entry_by_slug(&self, slug: String) -> Result<Option<Stored>, StoreError> {
        self.read(move |db| one(db, "e.slug = ?1", &slug)).await
    }

    /// Pages of local articles that stand, in order.
    pub async fn slugs(&self) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let sql = "SELECT slug FROM entry WHERE slug IS NOT NULL AND withdrawn IS NULL ORDER BY slug";
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

impl View<'_> {
    /// The newest entries without their texts, by effective date; all of those that share the last one's date are there
    /// too.
    pub fn glance(&self, shown: Shown, count: usize) -> Result<Vec<Standing>, StoreError> {
        glance(self.0, shown, count, &mut StandingReader::new(self.0)?)
    }

    /// As [`Store::entries`].
    pub fn entries(&self, section: Option<i64>, rows: &[i64]) -> Result<Vec<Stored>, StoreError> {
        static BY_ROW: LazyLock<String> = LazyLock::new(|| format!("{STORED} WHERE e.id = ?1"));
        let mut statement = self.0.prepare_cached(&BY_ROW)?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            found.extend(statement.query_row([row], |row| Ok(stored(row))).optional()?.transpose()?);
        }
        if let Some(section) = section {
            copies::attach(self.0, section, &mut found)?;
        }
        Ok(found)
    }

    /// As [`Store::tombstones`].
    pub fn tombstones(&self, section: i64, after: Time, until: Time) -> Result<Vec<Tombstone>, StoreError> {
        let sql =
            "SELECT published_id, withdrawn FROM tombstone WHERE section = ?1 AND withdrawn > ?2 AND withdrawn <= ?3
            ORDER BY withdrawn DESC, published_id LIMIT 200";
        tombstones(self.0, sql, section, after, until)
    }

    /// As [`Store::tombstones_of_source`].
    pub fn tombstones_of_source(&self, source: i64, after: Time, until: Time) -> Result<Vec<Tombstone>, StoreError> {
        let sql = "SELECT published_id, withdrawn FROM entry
            WHERE source = ?1 AND withdrawn IS NOT NULL AND withdrawn > ?2 AND withdrawn <= ?3
            ORDER BY withdrawn DESC, published_id LIMIT 200";
        tombstones(self.0, sql, source, after, until)
    }
}

fn tombstones(db: &Connection, sql: &str, of: i64, after: Time, until: Time) -> Result<Vec<Tombstone>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([of, after.timestamp(), until.timestamp()], |row| {
        Ok(Tombstone { id: EntryId(row.get(0)?), when: time(row.get(1)?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Of an entry `e` with its source `s`.
pub(super) const STORED: &str =
    "SELECT e.id, e.published_id, s.name, e.first_seen, e.effective, e.updated, e.slug, e.key_text, e.withdrawn,
    e.data, s.feed_id, s.origin, e.source, p.data FROM entry e JOIN source s ON s.id = e.source
    LEFT JOIN page p ON p.entry = e.id";

/// Of a member `m` of a section, for [`StandingReader`].
pub(super) const STANDING: &str =
    "SELECT e.id, e.published_id, m.source, m.effective, e.updated, e.print, m.number, m.corrected,
    CASE WHEN EXISTS (SELECT 1 FROM member n WHERE n.section = m.section AND n.copy_of = m.entry) THEN
    (SELECT group_concat(hex(c.print) || coalesce(o.origin, ''), char(0)) FROM member n JOIN entry c ON c.id = n.entry
        JOIN source o ON o.id = c.source WHERE n.section = m.section AND n.copy_of = m.entry)
    END, p.print FROM member m JOIN entry e ON e.id = m.entry LEFT JOIN page p ON p.entry = e.id";

/// Of a source, where there are no numbers.
const OF_SOURCE: &str =
    "SELECT e.id, e.published_id, e.source, e.effective, e.updated, e.print, NULL, NULL, NULL, p.print
    FROM entry e LEFT JOIN page p ON p.entry = e.id";

/// Members that stand in their section themselves.
pub(super) const SHOWN: &str = "m.copy_of IS NULL";

/// So many may share one date; a window stays bounded whatever a source states.
const MOST_OF_ONE_DATE: i64 = 20;
const MOST_RESERVED: usize = 256;

/// The date of the last entry of a window, and how many may have it.
fn edge(db: &Connection, shown: Shown, count: usize) -> Result<(i64, i64, i64), StoreError> {
    let count = i64::try_from(count.max(1)).unwrap_or(i64::MAX);
    let (row, oldest) = match shown {
        Shown::Section(row) => (
            row,
            format!(
                "SELECT m.effective FROM member m WHERE m.section = ?1 AND {SHOWN}
                ORDER BY m.effective DESC LIMIT 1 OFFSET ?2"
            ),
        ),
        Shown::Source(row) => (
            row,
            "SELECT effective FROM entry WHERE source = ?1 AND withdrawn IS NULL
            ORDER BY effective DESC LIMIT 1 OFFSET ?2"
                .to_owned(),
        ),
    };
    let oldest = db.prepare_cached(&oldest)?.query_row([row, count - 1], |row| row.get(0)).optional()?;
    Ok((row, oldest.unwrap_or(i64::MIN), count.saturating_mul(MOST_OF_ONE_DATE)))
}

fn window(db: &Connection, shown: Shown, count: usize) -> Result<Vec<Stored>, StoreError> {
    let (row, oldest, most) = edge(db, shown, count)?;
    let entries = match shown {
        Shown::Section(_) => format!(
            "{STORED} JOIN member m ON m.entry = e.id WHERE m.section = ?1 AND m.effective >= ?2 AND {SHOWN}
            ORDER BY m.effective DESC, m.entry DESC LIMIT ?3"
        ),
        Shown::Source(_) => format!(
            "{STORED} WHERE e.source = ?1 AND e.withdrawn IS NULL AND e.effective >= ?2
            ORDER BY e.effective DESC, e.id DESC LIMIT ?3"
        ),
    };
    let mut statement = db.prepare_cached(&entries)?;
    let rows = statement.query_map([row, oldest, most], |row| Ok(stored(row)))?;
    let mut entries: Vec<Stored> = rows.map(|row| row?).collect::<Result<_, StoreError>>()?;
    if let Shown::Section(row) = shown {
        copies::attach(db, row, &mut entries)?;
    }
    Ok(entries)
}

fn span(db: &Connection, section: i64, from: i64, to: i64, skip: usize, count: usize) -> Result<Span, StoreError> {
    let sql = format!(
        "{STORED} JOIN member m ON m.entry = e.id
        WHERE m.section = ?1 AND m.effective >= ?2 AND m.effective < ?3 AND {SHOWN}
        ORDER BY m.effective DESC, m.entry DESC LIMIT ?4 OFFSET ?5"
    );
    let bound = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(&sql)?;
    let rows =
        statement.query_map([section, from, to, bound(count.saturating_add(1)), bound(skip)], |row| Ok(stored(row)))?;
    let mut entries: Vec<Stored> = rows.map(|row| row?).collect::<Result<_, StoreError>>()?;
    let more = entries.len() > count;
    entries.truncate(count);
    copies::attach(db, section, &mut entries)?;
    let nearest = |condition: &str, moment: i64| -> Result<Option<Time>, StoreError> {
        let sql = format!(
            "SELECT m.effective FROM member m WHERE m.section = ?1 AND {SHOWN} AND m.effective {condition} LIMIT 1"
        );
        Ok(db.prepare_cached(&sql)?.query_row([section, moment], |row| row.get(0)).optional()?.map(time))
    };
    Ok(Span {
        entries,
        more,
        newer: nearest(">= ?2 ORDER BY m.effective", to)?,
        older: nearest("< ?2 ORDER BY m.effective DESC", from)?,
    })
}

/// The newest, and all that share the date of the last of them.
pub(super) fn glance(
    db: &Connection,
    shown: Shown,
    count: usize,
    reader: &mut StandingReader<'_>,
) -> Result<Vec<Standing>, StoreError> {
    static OF_SECTION: LazyLock<String> = LazyLock::new(|| {
        format!("{STANDING} WHERE m.section = ?1 AND {SHOWN} ORDER BY m.effective DESC, m.entry DESC LIMIT ?2")
    });
    static OF_A_SOURCE: LazyLock<String> = LazyLock::new(|| {
        format!("{OF_SOURCE} WHERE e.source = ?1 AND e.withdrawn IS NULL ORDER BY e.effective DESC, e.id DESC LIMIT ?2")
    });
    let (row, entries) = match shown {
        Shown::Section(row) => (row, &OF_SECTION),
        Shown::Source(row) => (row, &OF_A_SOURCE),
    };
    let count = count.max(1);
    let most = i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(MOST_OF_ONE_DATE);
    let mut statement = db.prepare_cached(entries)?;
    // In order of an index, so that no more is read than is taken.
    let mut rows = statement.query([row, most])?;
    let mut found: Vec<Standing> = Vec::with_capacity(count.min(MOST_RESERVED));
    while let Some(row) = rows.next()? {
        let standing = reader.one(row)?;
        if found.get(count - 1).is_some_and(|last| last.effective != standing.effective) {
            break;
        }
        found.push(standing);
    }
    Ok(found)
}

/// Reads what stands in a feed. What is said of a source is the same for all its entries: it is looked up once.
pub(super) struct StandingReader<'a> {
    source: CachedStatement<'a>,
    /// Name, and hash of the published id and the metadata, by row.
    sources: HashMap<i64, (String, [u8; 32])>,
    /// What the version of an entry is the hash of.
    whole: Vec<u8>,
}

impl<'a> StandingReader<'a> {
    pub(super) fn new(db: &'a Connection) -> Result<StandingReader<'a>, StoreError> {
        let source = db.prepare_cached("SELECT name, feed_id, origin FROM source WHERE id = ?1")?;
        Ok(StandingReader { source, sources: HashMap::new(), whole: Vec::new() })
    }

    pub(super) fn all(&mut self, mut rows: Rows<'_>) -> Result<Vec<Standing>, StoreError> {
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(self.one(row)?);
        }
        Ok(found)
    }

    pub(super) fn one(&mut self, row: &Row<'_>) -> rusqlite::Result<Standing> {
        let updated: i64 = row.get(4)?;
        let mut whole = std::mem::take(&mut self.whole);
        whole.clear();
        let (source, said) = self.source(row.get(2)?)?;
        whole.extend_from_slice(row.get_ref(5)?.as_blob().unwrap_or_default());
        whole.extend_from_slice(&updated.to_le_bytes());
        whole.extend_from_slice(said);
        // What is said of its copies and on its page: a null byte stands in no text of them.
        for column in [8, 9] {
            whole.extend_from_slice(row.get_ref(column)?.as_bytes_or_null()?.unwrap_or_default());
            whole.push(0);
        }
        let mut print = [0; 16];
        print.copy_from_slice(&blake3::hash(&whole).as_bytes()[..16]);
        let standing = Standing {
            row: row.get(0)?,
            id: EntryId(row.get(1)?),
            source: source.clone(),
            effective: time(row.get(3)?),
            updated: time(updated),
            number: row.get::<_, Option<i64>>(6)?.map(i64::unsigned_abs),
            corrected: row.get::<_, Option<i64>>(7)?.map(time),
            version: print,
        };
        self.whole = whole;
        Ok(standing)
    }

    fn source(&mut self, row: i64) -> rusqlite::Result<&(String, [u8; 32])> {
        Ok(match self.sources.entry(row) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(new) => {
                let read = |row: &Row<'_>| {
                    let mut said = blake3::Hasher::new();
                    for column in [1, 2] {
                        said.update(row.get_ref(column)?.as_bytes_or_null()?.unwrap_or_default());
                        said.update(&[0]);
                    }
                    Ok((row.get(0)?, *said.finalize().as_bytes()))
                };
                new.insert(self.source.query_row([row], read)?)
            }
        })
    }
}

fn one(db: &Connection, condition: &str, value: &str) -> Result<Option<Stored>, StoreError> {
    let sql = format!("{STORED} WHERE {condition}");
    let found = db.prepare_cached(&sql)?.query_row([value], |row| Ok(stored(row))).optional()?;
    let Some(mut found) = found.transpose()? else { return Ok(None) };
    let shown = section_names(db, copies::shown_in(db, found.row)?.into_iter())?;
    found.sections = shown.into_iter().filter(|name| !name.is_empty()).collect();
    found.copies = copies::others(db, found.row)?;
    Ok(Some(found))
}

pub(super) fn stored(row: &Row<'_>) -> Result<Stored, StoreError> {
    let source: String = row.get(2)?;
    let fallback = || Origin { title: source.clone(), ..Origin::default() };
    Ok(Stored {
        row: row.get(0)?,
        key_text: row.get(7)?,
        withdrawn: row.get::<_, Option<i64>>(8)?.map(time),
        origin: origin(row.get(10)?, row.get(11)?)?.unwrap_or_else(fallback),
        sections: Vec::new(),
        copies: Vec::new(),
        entry: Entry {
            id: EntryId(row.get(1)?),
            stated: with_text(
                decode(row.get_ref(9)?.as_blob().unwrap_or_default())?,
                row.get_ref(13)?.as_blob_or_null().unwrap_or_default(),
            )?,
            first_seen: time(row.get(3)?),
            effective: time(row.get(4)?),
            updated: time(row.get(5)?),
            slug: row.get(6)?,
            source,
        },
    })
}
