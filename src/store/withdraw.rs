//! Withdrawal by hand, and finding the entries that somebody means.

use rusqlite::{Connection, OptionalExtension, params};

use super::apply::withdraw;
use super::copies::{self, Moment};
use super::members::{sections_of, set_members};
use super::stories::story_of;
use super::windows::{STORED, stored};
use super::{Applied, Store, StoreError, Stored};
use crate::model::{EntryId, Stated, Time};
use crate::normalize::identity::KeyHash;

/// How somebody names an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Id(String),
    Slug(String),
    /// Key of a link.
    Link(KeyHash),
    /// Row of a local source, and a path in its folder.
    File(i64, String),
}

/// What became of a wish to bring back what was withdrawn by hand.
#[derive(Debug, Clone)]
pub enum Undone {
    Back(Applied),
    /// It was never withdrawn, or not by hand: its source decides.
    NotByHand,
    /// The file of the article is no more.
    NoFile,
}

/// Answers of one look; nobody reads more.
const MOST_FOUND: i64 = 50;

impl Store {
    /// Every entry that may be meant, withdrawn ones too.
    pub async fn find(&self, wanted: Wanted) -> Result<Vec<Stored>, StoreError> {
        self.read(move |db| {
            let rows = match wanted {
                Wanted::Id(id) => rows(db, "SELECT id FROM entry WHERE published_id = ?1", params![id])?,
                Wanted::Slug(slug) => rows(db, "SELECT id FROM entry WHERE slug = ?1", params![slug])?,
                Wanted::Link(hash) => rows(
                    db,
                    "SELECT a.entry FROM source s CROSS JOIN alias a ON a.source = s.id AND a.hash = ?1
                    UNION SELECT e.id FROM source s CROSS JOIN entry e ON e.source = s.id AND e.key = ?1
                    ORDER BY 1 LIMIT ?2",
                    params![hash.0, MOST_FOUND],
                )?,
                Wanted::File(source, path) => rows(
                    db,
                    "SELECT id FROM entry WHERE source = ?1 AND (key_text = 'file ' || ?2
                    OR substr(key_text, 1, length(?2) + 7) = 'file ' || ?2 || '//') ORDER BY id LIMIT ?3",
                    params![source, path, MOST_FOUND],
                )?,
            };
            let mut statement = db.prepare_cached(&format!("{STORED} WHERE e.id = ?1"))?;
            rows.into_iter().map(|row| statement.query_row([row], |row| Ok(stored(row)))?).collect()
        })
        .await
    }

    /// Withdraw these entries, whatever their sources go on to carry.
    pub async fn withdraw(&self, entries: Vec<i64>, now: Time) -> Result<Applied, StoreError> {
        self.write(move |db| {
            let mut applied = Applied::default();
            for &row in &entries {
                withdraw(db, row, now, &mut applied)?;
                db.prepare_cached("UPDATE entry SET barred = 1 WHERE id = ?1")?.execute([row])?;
            }
            Ok(applied)
        })
        .await
    }

    /// Let an entry that was withdrawn by hand stand again where it stood; `place` says where that is.
    pub async fn undo_withdrawal(
        &self,
        entry: i64,
        now: Time,
        place: impl Fn(&str, &Stated, Time) -> Vec<String> + Send + 'static,
    ) -> Result<Undone, StoreError> {
        self.write(move |db| {
            let Some(found) = db
                .prepare_cached(&format!("{STORED} WHERE e.id = ?1 AND e.barred = 1"))?
                .query_row([entry], |row| Ok(stored(row)))
                .optional()?
                .transpose()?
            else {
                return Ok(Undone::NotByHand);
            };
            if !has_file(db, &found)? {
                return Ok(Undone::NoFile);
            }
            let mut applied = Applied::default();
            let sql = "UPDATE entry SET barred = 0, withdrawn = NULL WHERE id = ?1";
            db.prepare_cached(sql)?.execute([entry])?;
            let id = &found.entry.id.0;
            db.prepare_cached("DELETE FROM tombstone WHERE published_id = ?1")?.execute([id])?;
            let sections = place(&found.entry.source, &found.entry.stated, found.entry.first_seen);
            applied.settles = set_members(db, entry, &sections, Moment::At(now))?;
            applied.sections.extend(sections_of(db, entry)?);
            applied.changed.push(EntryId(id.clone()));
            applied.slugs.extend(found.entry.slug);
            applied.slugs.extend(copies::pages(db, story_of(db, entry)?)?);
            Ok(Undone::Back(applied))
        })
        .await
    }
}

fn rows(db: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<Vec<i64>, StoreError> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(values, |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Is the file of a local article still there? Whatever came over the network has none to miss.
fn has_file(db: &Connection, found: &Stored) -> Result<bool, StoreError> {
    let Some(path) = found.key_text.strip_prefix("file ") else { return Ok(true) };
    let path = path.split(crate::normalize::WITHIN).next().unwrap_or(path);
    let sql = "SELECT 1 FROM file f JOIN source s ON s.id = f.source WHERE s.name = ?1 AND f.path = ?2";
    Ok(db.prepare_cached(sql)?.exists([&found.entry.source, path])?)
}
