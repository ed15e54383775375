//! What the static mirror lacks: pages of entries and of days that something changed since they were written.
//!
//! Triggers collect them inside the transaction of the change, whoever makes it, so that a daemon that is killed goes on
//! where it was. Where there is no mirror there are no triggers, and nothing is paid.

use rusqlite::{Connection, OptionalExtension, params};

use super::archives::integer;
use super::{Store, StoreError, time};
use crate::model::Time;

/// An entry, or a day of a section, whose page is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmirrored<T> {
    pub what: T,
    version: i64,
}

/// A section's row and a moment of the day.
pub type SectionDay = (i64, Time);

const META: &str = "mirror";

const ENTRY: &str = "INSERT INTO unmirrored_entry (published_id)";
const DAY: &str = "INSERT INTO unmirrored_day (section, moment)";
const AGAIN: &str = "ON CONFLICT DO UPDATE SET version = version + 1";

/// Name, event, table, condition -> what it adds.
fn triggers() -> Vec<(&'static str, String)> {
    let entry = |from: &str| format!("{ENTRY} {from} {AGAIN};");
    let day = |row: &str| format!("{DAY} VALUES ({row}.section, {row}.effective) {AGAIN};");
    // Every entry of a story says of the others where it is told too.
    let story = "SELECT published_id FROM entry WHERE NEW.story IS NOT NULL AND (story = NEW.story OR id = NEW.story)";
    let days = "SELECT m.section, m.effective FROM entry e JOIN member m
        ON m.section IN (SELECT id FROM section) AND m.effective = e.effective AND m.entry = e.id
        WHERE NEW.story IS NOT NULL AND (e.story = NEW.story OR e.id = NEW.story)";
    vec![
        ("mirror_entry_new AFTER INSERT ON entry", entry("VALUES (NEW.published_id)")),
        ("mirror_entry_gone AFTER DELETE ON entry", entry("VALUES (OLD.published_id)")),
        (
            "mirror_entry_changed AFTER UPDATE OF print, updated, effective, withdrawn, sections, data ON entry",
            format!(
                "{} {DAY} SELECT id, NEW.effective FROM section
                WHERE instr(' ' || NEW.sections || ' ', ' ' || id || ' ') > 0 {AGAIN};",
                entry("VALUES (NEW.published_id)")
            ),
        ),
        ("mirror_story AFTER UPDATE OF story ON entry", format!("{} {DAY} {days} {AGAIN};", entry(story))),
        ("mirror_member_new AFTER INSERT ON member", day("NEW")),
        ("mirror_member_gone AFTER DELETE ON member", day("OLD")),
        ("mirror_member_changed AFTER UPDATE OF copy_of ON member", day("NEW")),
    ]
}

impl Store {
    /// Begin to collect, or stop (`None`). Where pages are made otherwise from now on (`print`) or stand in another
    /// folder, all there are wait to be written.
    pub async fn collect_unmirrored(&self, print: Option<String>) -> Result<(), StoreError> {
        self.write(move |db| {
            if collected_for(db)? == print {
                return Ok(());
            }
            for (head, _) in triggers() {
                let name = head.split(' ').next().unwrap_or_default();
                db.execute_batch(&format!("DROP TRIGGER IF EXISTS {name};"))?;
            }
            db.execute_batch("DELETE FROM unmirrored_entry; DELETE FROM unmirrored_day;")?;
            match &print {
                Some(print) => begin(db, print),
                None => Ok(db.execute("DELETE FROM meta WHERE key = ?1", [META]).map(drop)?),
            }
        })
        .await
    }

    /// A section keeps nothing older than `before`: the days that time alone took from it since it was told last are to
    /// leave the mirror.
    pub async fn left_by_age(&self, section: i64, before: Time) -> Result<(), StoreError> {
        self.write_patiently(move |db| {
            if !db.prepare_cached("SELECT 1 FROM meta WHERE key = ?1")?.exists([META])? {
                return Ok(());
            }
            let key = format!("{META}-left-{section}");
            let sql = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1";
            let last: Option<i64> = db.prepare_cached(sql)?.query_row([&key], |row| row.get(0)).optional()?;
            // A day leaves as a whole, and may have begun before.
            let from = last.map_or(i64::MIN, |last| last - 2 * 86_400);
            let sql = format!(
                "{DAY} SELECT section, min(effective) FROM member WHERE section = ?1 AND effective >= ?2 AND effective < ?3
                GROUP BY effective / 900 {AGAIN}"
            );
            db.prepare_cached(&sql)?.execute([section, from, before.timestamp()])?;
            let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
            db.execute(sql, params![key, before.timestamp()])?;
            Ok(())
        })
        .await
    }

    /// Published ids of entries whose page is not as it should be, and which sections' days; nothing for whoever makes
    /// pages otherwise (`print`) than they are collected for, which is a configuration that is in force no more.
    pub async fn unmirrored_pages(
        &self,
        print: String,
        most: usize,
    ) -> Result<(Vec<Unmirrored<String>>, Vec<Unmirrored<SectionDay>>), StoreError> {
        self.read(move |db| {
            if collected_for(db)?.as_ref() != Some(&print) {
                return Ok((Vec::new(), Vec::new()));
            }
            let sql = "SELECT published_id, version FROM unmirrored_entry LIMIT ?1";
            let mut entries = db.prepare_cached(sql)?;
            let entries = entries
                .query_map([integer(most as u64)], |row| Ok(Unmirrored { what: row.get(0)?, version: row.get(1)? }))?;
            let sql = "SELECT section, moment, version FROM unmirrored_day LIMIT ?1";
            let mut days = db.prepare_cached(sql)?;
            let days = days.query_map([integer(most as u64)], |row| {
                Ok(Unmirrored { what: (row.get(0)?, time(row.get(1)?)), version: row.get(2)? })
            })?;
            Ok((entries.collect::<Result<_, _>>()?, days.collect::<Result<_, _>>()?))
        })
        .await
    }

    /// These were written; what changed meanwhile stays, and everything where `print` is in force no more.
    pub async fn mirrored_pages(
        &self,
        print: String,
        entries: Vec<Unmirrored<String>>,
        days: Vec<Unmirrored<SectionDay>>,
    ) -> Result<(), StoreError> {
        self.write(move |db| {
            if collected_for(db)?.as_ref() != Some(&print) {
                return Ok(());
            }
            let sql = "DELETE FROM unmirrored_entry WHERE published_id = ?1 AND version = ?2";
            let mut statement = db.prepare_cached(sql)?;
            for entry in &entries {
                statement.execute(params![entry.what, entry.version])?;
            }
            let sql = "DELETE FROM unmirrored_day WHERE section = ?1 AND moment = ?2 AND version = ?3";
            let mut statement = db.prepare_cached(sql)?;
            for day in &days {
                statement.execute(params![day.what.0, day.what.1.timestamp(), day.version])?;
            }
            Ok(())
        })
        .await
    }
}

/// The print of the pages that are collected; `None`: there is no mirror.
fn collected_for(db: &Connection) -> Result<Option<String>, StoreError> {
    let sql = "SELECT value FROM meta WHERE key = ?1";
    Ok(db.prepare_cached(sql)?.query_row([META], |row| row.get(0)).optional()?)
}

fn begin(db: &Connection, print: &str) -> Result<(), StoreError> {
    for (head, body) in triggers() {
        db.execute_batch(&format!("CREATE TRIGGER {head} BEGIN {body} END;"))?;
    }
    db.execute_batch(&format!("{ENTRY} SELECT published_id FROM entry;"))?;
    // A moment in each quarter of an hour: no day of any zone begins elsewhere.
    db.execute_batch(&format!("{DAY} SELECT section, min(effective) FROM member GROUP BY section, effective / 900;"))?;
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    db.execute(sql, [META, print])?;
    Ok(())
}
