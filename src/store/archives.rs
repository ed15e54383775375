//! Archives: the numbers of entries in their sections, and the documents that are full (RFC 5005).
//!
//! A number is given when an entry is first shown, and never again. What a full document says of sources is kept as it
//! was then: a feed that renames itself changes no old document.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, params};

use super::capped::newest;
use super::members::section_rows;
use super::retention::nth_newest;
use super::windows::{SHOWN, STANDING, STORED, StandingReader, stored};
use super::{Store, StoreError, Stored, View, time};
use crate::model::{Origin, Shelf, Standing, Time};

/// Numbers given in one write, so that no other waits long for its turn.
const BATCH: usize = 2000;

/// One full document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveRow {
    pub document: u64,
    /// Grows whenever an entry in it is corrected or leaves.
    pub touched: i64,
    /// Hash of its bytes as last made. `None`: nobody has asked yet.
    pub print: Option<String>,
    /// Moves only with content and strictly grows.
    pub modified: Time,
    pub counter: u64,
}

/// What a section's current document may have to hold.
#[derive(Debug, Clone, Default)]
pub struct Standings {
    pub shelf: Shelf,
    /// The newest by date.
    pub window: Vec<Standing>,
    /// The newest by number.
    pub latest: Vec<Standing>,
    /// Corrected lately, the last correction first.
    pub corrected: Vec<Standing>,
}

/// How much of each is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    pub window: usize,
    /// Of one source in the window.
    pub most_per_source: Option<usize>,
    /// Documents before the newest whose entries are among the latest.
    pub documents: u64,
    pub corrected_since: Time,
    pub corrected: usize,
}

impl Store {
    /// Give numbers to the entries that have none yet, by date among themselves, a batch at a time. `size` is the number
    /// of entries in a document, taken where the section has none yet.
    pub async fn number(&self, section: i64, size: u64, now: Time) -> Result<(), StoreError> {
        let waiting = |db: &Connection| {
            let sql = format!("SELECT 1 FROM member m INDEXED BY member_by_number WHERE {UNNUMBERED} LIMIT 1");
            Ok(db.prepare_cached(&sql)?.exists([section])?)
        };
        if !self.read_now(waiting)? {
            return Ok(());
        }
        while self.write(move |db| number(db, section, size, now)).await? == BATCH {}
        Ok(())
    }

    /// All that decides what stands in the current document of a section, as of one moment.
    pub async fn standings(&self, section: i64, reach: Reach) -> Result<Standings, StoreError> {
        self.view(move |view| view.standings(section, reach)).await
    }

    pub async fn shelf(&self, section: i64) -> Result<Shelf, StoreError> {
        self.read(move |db| shelf(db, section)).await
    }

    /// A full document, if it is there.
    pub async fn archive(&self, section: i64, document: u64) -> Result<Option<ArchiveRow>, StoreError> {
        self.read(move |db| {
            if !shelf(db, section)?.holds(document) {
                return Ok(None);
            }
            let sql = format!("{ARCHIVE} WHERE section = ?1 AND document = ?2");
            let row = db.prepare_cached(&sql)?.query_row([section, integer(document)], archive_row);
            Ok(row.optional()?)
        })
        .await
    }

    /// The entries of a full document, with what was said of their sources when it became full. `open`: sources of
    /// which more than a name may be said; of any other the present is told, since it may be private by now.
    pub async fn archived(
        &self,
        section: i64,
        document: u64,
        open: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Vec<Stored>, StoreError> {
        self.read(move |db| {
            let shelf = shelf(db, section)?;
            let kept = kept_origins(db, section, document)?;
            let sql = format!(
                "{STORED} JOIN member m ON m.entry = e.id WHERE m.section = ?1 AND m.section <> 1
                AND m.number BETWEEN ?2 AND ?3 AND {SHOWN} ORDER BY m.number"
            );
            let numbers = (shelf.last_of(document.saturating_sub(1)) + 1, shelf.last_of(document));
            let mut statement = db.prepare_cached(&sql)?;
            let rows = statement.query_map([section, integer(numbers.0), integer(numbers.1)], |row| {
                Ok((stored(row), row.get::<_, i64>(12)?))
            })?;
            let mut found = Vec::new();
            for row in rows {
                let (stored, source) = row?;
                let mut stored = stored?;
                if let Some(origin) = kept.get(&source).filter(|_| open(&stored.entry.source)) {
                    stored.origin = Origin { id: stored.origin.id, ..origin.clone() };
                }
                stored.origin.updated = None;
                found.push(stored);
            }
            Ok(found)
        })
        .await
    }

    /// The bytes of a document were made: since when they are so. They are new where their hash is.
    pub async fn made_archive(
        &self,
        section: i64,
        document: u64,
        print: String,
        now: Time,
    ) -> Result<Option<ArchiveRow>, StoreError> {
        let known = self.archive(section, document).await?;
        if known.as_ref().is_none_or(|known| known.print.as_ref() == Some(&print)) {
            return Ok(known);
        }
        self.write(move |db| {
            // Nobody was shown anything before the first making: that one moves nothing.
            let sql =
                "UPDATE archive SET modified = CASE WHEN print IS NULL THEN modified ELSE max(?4, modified + 1) END,
                counter = counter + (print IS NOT NULL), print = ?3, mirrored = 0
                WHERE section = ?1 AND document = ?2 AND print IS NOT ?3";
            db.prepare_cached(sql)?.execute(params![section, integer(document), print, now.timestamp()])?;
            let sql = format!("{ARCHIVE} WHERE section = ?1 AND document = ?2");
            let row = db.prepare_cached(&sql)?.query_row([section, integer(document)], archive_row);
            Ok(row.optional()?)
        })
        .await
    }

    /// Documents that do not stand in the mirror as they are, the oldest first.
    pub async fn unmirrored(&self, section: i64, most: usize) -> Result<Vec<u64>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT document FROM archive INDEXED BY archive_to_mirror
                WHERE section = ?1 AND mirrored = 0 ORDER BY document LIMIT ?2";
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map(params![section, integer(most as u64)], |row| row.get::<_, i64>(0))?;
            Ok(rows.map(|row| row.map(i64::unsigned_abs)).collect::<Result<_, _>>()?)
        })
        .await
    }

    /// These were written, unless they were touched meanwhile.
    pub async fn mirrored(&self, section: i64, documents: Vec<ArchiveRow>) -> Result<(), StoreError> {
        self.write(move |db| {
            let sql = "UPDATE archive SET mirrored = 1 WHERE section = ?1 AND document = ?2 AND touched = ?3";
            let mut statement = db.prepare_cached(sql)?;
            for row in &documents {
                statement.execute(params![section, integer(row.document), row.touched])?;
            }
            Ok(())
        })
        .await
    }

    /// Where documents are made otherwise from now on (`print`), or stand in another folder, all are written anew.
    pub async fn remake_archives(&self, section: i64, print: String) -> Result<(), StoreError> {
        self.write(move |db| {
            let sql = "UPDATE section SET archive_print = ?2 WHERE id = ?1 AND archive_print <> ?2";
            if db.execute(sql, params![section, print])? > 0 {
                db.execute("UPDATE archive SET mirrored = 0, touched = touched + 1 WHERE section = ?1", [section])?;
            }
            Ok(())
        })
        .await
    }

    /// Row of a section by its name.
    pub async fn section(&self, name: String) -> Result<Option<i64>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT id FROM section WHERE name = ?1";
            Ok(db.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Names of all sections that ever were.
    pub async fn section_names(&self) -> Result<Vec<String>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached("SELECT name FROM section ORDER BY name")?;
            Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Names of sections with entries whose last correction lies between two moments.
    pub async fn corrected_between(&self, after: Time, until: Time) -> Result<Vec<String>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT s.name FROM section s WHERE EXISTS (SELECT 1 FROM member m WHERE m.section = s.id
                AND m.corrected > ?1 AND m.corrected <= ?2 AND m.corrected IS NOT NULL)";
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map([after.timestamp(), until.timestamp()], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Retention: the oldest document of a section goes as a whole when nothing keeps it: all its entries may leave by
    /// their age (`before`) or because their source has more than `keep`; or one of its sources has so many more that
    /// the store would grow without end. Local articles stay in the store, not in the archive. The document that went.
    pub async fn drop_oldest_archive(
        &self,
        section: i64,
        before: Time,
        keep: usize,
    ) -> Result<Option<u64>, StoreError> {
        self.write(move |db| drop_oldest(db, section, before, keep)).await
    }
}

impl View<'_> {
    pub fn shelf(&self, section: i64) -> Result<Shelf, StoreError> {
        shelf(self.0, section)
    }

    /// As [`Store::newest`].
    pub fn newest(&self, section: i64, count: usize, most: Option<usize>) -> Result<Vec<Standing>, StoreError> {
        newest(self.0, section, count, most, &mut StandingReader::new(self.0)?)
    }

    /// As [`Store::standings`].
    pub fn standings(&self, section: i64, reach: Reach) -> Result<Standings, StoreError> {
        let mut reader = StandingReader::new(self.0)?;
        let shelf = self.shelf(section)?;
        let window = newest(self.0, section, reach.window, reach.most_per_source, &mut reader)?;
        // Numbers below the lowest of the newest by date are behind the current document in any case.
        let lowest = window.iter().filter_map(|standing| standing.number).min();
        let behind = lowest.map_or(shelf.newest(), |lowest| (lowest - 1).checked_div(shelf.size).unwrap_or_default());
        let farthest = shelf.newest().saturating_sub(reach.documents);
        let after = shelf.last_of(behind.clamp(farthest, shelf.newest()));
        let oldest = window.iter().map(|standing| standing.effective).min();
        let (latest, corrected) = match oldest {
            Some(oldest) if shelf.size > 0 => (
                latest(self.0, section, after, oldest, &mut reader)?,
                corrected(self.0, section, reach, oldest, &mut reader)?,
            ),
            _ => Default::default(),
        };
        Ok(Standings { shelf, window, latest, corrected })
    }
}

/// The planner would look at every member of the section.
const UNNUMBERED: &str = "m.section = ?1 AND m.section <> 1 AND m.number IS NULL AND m.copy_of IS NULL";
const ARCHIVE: &str = "SELECT document, touched, print, modified, counter FROM archive";

fn archive_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<ArchiveRow> {
    Ok(ArchiveRow {
        document: row.get::<_, i64>(0)?.unsigned_abs(),
        touched: row.get(1)?,
        print: row.get(2)?,
        modified: time(row.get(3)?),
        counter: row.get::<_, i64>(4)?.unsigned_abs(),
    })
}

pub(super) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn shelf(db: &Connection, section: i64) -> Result<Shelf, StoreError> {
    let sql = "SELECT numbered, archive_size, archive_from FROM section WHERE id = ?1";
    let found = db.prepare_cached(sql)?.query_row([section], |row| {
        Ok(Shelf {
            numbered: row.get::<_, i64>(0)?.unsigned_abs(),
            size: row.get::<_, i64>(1)?.unsigned_abs(),
            from: row.get::<_, i64>(2)?.unsigned_abs(),
        })
    });
    Ok(found.optional()?.unwrap_or_default())
}

/// What is younger than `oldest` stands in the window already.
fn latest(
    db: &Connection,
    section: i64,
    after: u64,
    oldest: Time,
    reader: &mut StandingReader<'_>,
) -> Result<Vec<Standing>, StoreError> {
    static LATEST: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{STANDING} WHERE m.section = ?1 AND m.section <> 1 AND m.number > ?2 AND +m.effective <= ?3 AND {SHOWN}
            ORDER BY m.number"
        )
    });
    let mut statement = db.prepare_cached(&LATEST)?;
    reader.all(statement.query([section, integer(after), oldest.timestamp()])?)
}

/// The same holds of what was corrected.
fn corrected(
    db: &Connection,
    section: i64,
    reach: Reach,
    oldest: Time,
    reader: &mut StandingReader<'_>,
) -> Result<Vec<Standing>, StoreError> {
    static CORRECTED: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{STANDING} WHERE m.section = ?1 AND m.corrected > ?2 AND m.corrected IS NOT NULL
            AND +m.effective <= ?4 AND {SHOWN} ORDER BY m.corrected DESC, m.entry LIMIT ?3"
        )
    });
    let mut statement = db.prepare_cached(&CORRECTED)?;
    let (since, most) = (reach.corrected_since.timestamp(), integer(reach.corrected as u64));
    reader.all(statement.query(params![section, since, most, oldest.timestamp()])?)
}

/// One batch; how many were given. Documents that are full now begin to exist.
fn number(db: &Connection, section: i64, size: u64, now: Time) -> Result<usize, StoreError> {
    let before = shelf(db, section)?;
    let size = if before.size == 0 { size.max(1) } else { before.size };
    let sql = format!(
        "SELECT m.effective, m.entry FROM member m INDEXED BY member_by_number WHERE {UNNUMBERED} ORDER BY m.effective, m.entry LIMIT ?2"
    );
    let waiting: Vec<(i64, i64)> = db
        .prepare_cached(&sql)?
        .query_map(params![section, integer(BATCH as u64)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let sql = "UPDATE member SET number = ?4 WHERE section = ?1 AND effective = ?2 AND entry = ?3";
    let mut give = db.prepare_cached(sql)?;
    let mut shelf = Shelf { size, ..before };
    for (effective, entry) in &waiting {
        shelf.numbered += 1;
        give.execute([section, *effective, *entry, integer(shelf.numbered)])?;
    }
    let sql = "UPDATE section SET numbered = ?2, archive_size = ?3 WHERE id = ?1";
    db.prepare_cached(sql)?.execute([section, integer(shelf.numbered), integer(size)])?;
    let mut origins = HashMap::new();
    for document in before.numbered / size + 1..=shelf.newest() {
        let said = keep_origins(db, section, shelf, document, &mut origins)?;
        let sql = "INSERT INTO archive (section, document, modified, origins) VALUES (?1, ?2, ?3, ?4)";
        db.prepare_cached(sql)?.execute(params![section, integer(document), now.timestamp(), said])?;
    }
    Ok(waiting.len())
}

/// What is said now of the sources of one document: "row of source:row of kept_origin ...".
fn keep_origins(
    db: &Connection,
    section: i64,
    shelf: Shelf,
    document: u64,
    known: &mut HashMap<i64, Option<i64>>,
) -> Result<String, StoreError> {
    let sql = format!(
        "SELECT m.source FROM member m
        WHERE m.section = ?1 AND m.section <> 1 AND m.number BETWEEN ?2 AND ?3 AND {SHOWN}"
    );
    let numbers = (shelf.last_of(document - 1) + 1, shelf.last_of(document));
    let sources: BTreeSet<i64> = db
        .prepare_cached(&sql)?
        .query_map([section, integer(numbers.0), integer(numbers.1)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut said = Vec::new();
    for source in sources {
        let kept = match known.get(&source) {
            Some(kept) => *kept,
            None => {
                let kept = keep_origin(db, source)?;
                known.insert(source, kept);
                kept
            }
        };
        said.extend(kept.map(|kept| format!("{source}:{kept}")));
    }
    Ok(said.join(" "))
}

fn keep_origin(db: &Connection, source: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT feed_id, origin FROM source WHERE id = ?1";
    let (id, json): (Option<String>, Option<String>) =
        db.prepare_cached(sql)?.query_row([source], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // Its `updated` moves with every poll, its id never.
    let Some(origin) = super::sources::origin(id, json)? else { return Ok(None) };
    let origin = Origin { updated: None, id: String::new(), ..origin };
    let json = serde_json::to_string(&origin)
        .map_err(|cause| StoreError::Damaged { what: "the metadata of a feed", cause: cause.into() })?;
    db.prepare_cached("INSERT OR IGNORE INTO kept_origin (json) VALUES (?1)")?.execute([&json])?;
    let sql = "SELECT id FROM kept_origin WHERE json = ?1";
    Ok(Some(db.prepare_cached(sql)?.query_row([&json], |row| row.get(0))?))
}

fn kept_origins(db: &Connection, section: i64, document: u64) -> Result<BTreeMap<i64, Origin>, StoreError> {
    let sql = "SELECT origins FROM archive WHERE section = ?1 AND document = ?2";
    let text: Option<String> =
        db.prepare_cached(sql)?.query_row([section, integer(document)], |row| row.get(0)).optional()?;
    let mut kept = BTreeMap::new();
    let mut statement = db.prepare_cached("SELECT json FROM kept_origin WHERE id = ?1")?;
    for pair in text.as_deref().unwrap_or_default().split(' ') {
        let Some((source, row)) = pair.split_once(':') else { continue };
        let (Ok(source), Ok(row)) = (source.parse::<i64>(), row.parse::<i64>()) else { continue };
        let json: Option<String> = statement.query_row([row], |row| row.get(0)).optional()?;
        if let Some(json) = json {
            let origin = serde_json::from_str(&json)
                .map_err(|cause| StoreError::Damaged { what: "the metadata of a feed", cause: cause.into() })?;
            kept.insert(source, origin);
        }
    }
    Ok(kept)
}

/// An entry was corrected: every document that holds it is to be made again, and where it has a number the current
/// document tells of it (`told`: a correction that readers are told of).
pub(super) fn corrected_now(db: &Connection, entry: i64, told: bool, now: Time) -> Result<(), StoreError> {
    for (section, effective, number) in numbers_of(db, entry)? {
        touch(db, section, number)?;
        if told {
            let sql = "UPDATE member SET corrected = ?4 WHERE section = ?1 AND effective = ?2 AND entry = ?3";
            db.prepare_cached(sql)?.execute([section, effective, entry, now.timestamp()])?;
        }
    }
    Ok(())
}

/// The document in which a number stands is to be made again.
pub(super) fn touch(db: &Connection, section: i64, number: i64) -> Result<(), StoreError> {
    let sql = "UPDATE archive SET touched = touched + 1, mirrored = 0 WHERE section = ?1
        AND document = (?2 + (SELECT archive_size FROM section WHERE id = ?1) - 1)
            / (SELECT archive_size FROM section WHERE id = ?1)";
    db.prepare_cached(sql)?.execute([section, number])?;
    Ok(())
}

/// Section, effective date and number of an entry wherever it has one.
fn numbers_of(db: &Connection, entry: i64) -> Result<Vec<(i64, i64, i64)>, StoreError> {
    let sql = "SELECT effective, sections FROM entry WHERE id = ?1";
    let (effective, sections): (i64, String) =
        db.prepare_cached(sql)?.query_row([entry], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sql = "SELECT number FROM member WHERE section = ?1 AND effective = ?2 AND entry = ?3";
    let mut statement = db.prepare_cached(sql)?;
    let mut found = Vec::new();
    for section in section_rows(&sections) {
        let number: Option<Option<i64>> =
            statement.query_row([section, effective, entry], |row| row.get(0)).optional()?;
        found.extend(number.flatten().map(|number| (section, effective, number)));
    }
    Ok(found)
}

/// A source may hold so many times what retention leaves it, while documents keep its entries.
const MOST_OVER: i64 = 2;

fn drop_oldest(db: &Connection, section: i64, before: Time, keep: usize) -> Result<Option<u64>, StoreError> {
    let shelf = shelf(db, section)?;
    let oldest = shelf.from.max(1);
    if !shelf.holds(oldest) {
        return Ok(None);
    }
    let keep = integer(keep as u64);
    let sql = format!(
        "SELECT e.source, e.effective, e.id, e.first_seen, e.slug IS NOT NULL FROM member m JOIN entry e ON e.id = m.entry
        WHERE m.section = ?1 AND m.section <> 1 AND m.number BETWEEN ?2 AND ?3 AND {SHOWN}"
    );
    let numbers = (shelf.last_of(oldest - 1) + 1, shelf.last_of(oldest));
    let entries: Vec<(i64, i64, i64, i64, bool)> = db
        .prepare_cached(&sql)?
        .query_map([section, integer(numbers.0), integer(numbers.1)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut free = true;
    let mut forced = false;
    for (source, effective, row, first_seen, local) in entries {
        let before = before.timestamp();
        if local {
            // It is in nobody's way while its file exists, and what was written long ago may have come today.
            free &= effective < before && first_seen < before;
            continue;
        }
        let old = effective < before || first_seen < before;
        let crowded = !old && nth_newest(db, source, keep - 1)?.is_some_and(|limit| (effective, row) < limit);
        free &= old || crowded;
        // What the source has too much of stands here, not only somewhere.
        forced |= crowded && nth_newest(db, source, keep.saturating_mul(MOST_OVER))?.is_some();
    }
    if !free && !forced {
        return Ok(None);
    }
    db.prepare_cached("UPDATE section SET archive_from = ?2 WHERE id = ?1")?.execute([section, integer(oldest + 1)])?;
    db.prepare_cached("DELETE FROM archive WHERE section = ?1 AND document = ?2")?
        .execute([section, integer(oldest)])?;
    Ok(Some(oldest))
}

/// True for an entry `e` that a document still holds: retention lets it stay until that is dropped.
pub(super) const HELD: &str = "EXISTS (SELECT 1 FROM section s JOIN member m
    ON m.section = s.id AND m.effective = e.effective AND m.entry = e.id
    WHERE s.archive_size > 0 AND m.number > (s.archive_from - 1) * s.archive_size
    AND m.number <= s.numbered / s.archive_size * s.archive_size)";
