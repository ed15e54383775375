//! Copies: which of a story's entries each section shows. Derived from entries and configuration, but for what was
//! published: that stays shown. Who is best says `duplicates::choice`; here stand only the rows.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, params};

use super::archives::touch;
use super::members::{section_names, section_rows};
use super::stories::{other, story_of};
use super::windows::{STORED, stored};
use super::{Store, StoreError, Stored, time};
use crate::duplicates;
use crate::duplicates::choice::{self, Copy, Standing};
use crate::model::Time;

/// Copies that are listed beside the one that is shown.
const MOST_LISTED: usize = 20;

/// Copies among which a choice is made: more of one story are spam.
const MOST_COMPARED: usize = 200;

/// What of the configuration decides about copies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manners {
    /// Row of a section, whether it shows one copy of a story only, and how many seconds it waits for better ones.
    pub sections: Vec<(i64, bool, i64)>,
    /// Row of a source, whether it is a folder of ours, and its priority.
    pub sources: Vec<(i64, bool, i32)>,
}

/// When something enters or leaves a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// A refresh: the choice is made at once, or after the section's `settle`.
    At(Time),
    /// The configuration changed: everything is placed before anything is chosen.
    Later,
}

/// How a section deals with copies.
#[derive(Debug, Clone, Copy)]
struct Manner {
    merges: bool,
    /// It did not until now: copies that it shows beside each other step back.
    anew: bool,
    settle: i64,
}

/// `merges` of a section that shows one copy of a story only, and of one that does so since the last configuration.
const MERGES: i64 = 1;
const MERGES_ANEW: i64 = 2;

impl Store {
    /// Take down what the configuration says about copies.
    pub async fn sync_manners(&self, manners: Manners) -> Result<(), StoreError> {
        self.write(move |db| {
            let sql = "UPDATE section SET settle = ?3,
                merges = CASE WHEN NOT ?2 THEN 0 WHEN merges = 0 THEN ?4 ELSE merges END
                WHERE id = ?1 AND (merges <> 0, settle) IS NOT (?2, ?3)";
            for (row, merges, settle) in &manners.sections {
                db.prepare_cached(sql)?.execute(params![row, merges, settle, MERGES_ANEW])?;
            }
            let sql = "UPDATE source SET local = ?2, priority = ?3 WHERE id = ?1 AND (local, priority) IS NOT (?2, ?3)";
            for (row, local, priority) in &manners.sources {
                db.prepare_cached(sql)?.execute(params![row, local, priority])?;
            }
            Ok(())
        })
        .await
    }

    /// After a change of the configuration, when every entry is placed: let each section choose among its copies.
    pub async fn choose_again(&self) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let done = move |db: &Connection| -> Result<Option<i64>, StoreError> {
                let sql = "SELECT DISTINCT story FROM entry WHERE story > ?1 ORDER BY story LIMIT 200";
                let mut statement = db.prepare_cached(sql)?;
                let stories: Vec<i64> = statement.query_map([after], |row| row.get(0))?.collect::<Result<_, _>>()?;
                for story in &stories {
                    for section in sections_of_story(db, *story)? {
                        arrange(db, section, *story, Moment::Later)?;
                    }
                }
                Ok(stories.last().copied())
            };
            match self.write(done).await? {
                Some(last) => after = last,
                None => break,
            }
        }
        self.write(|db| {
            db.execute("UPDATE section SET merges = ?1 WHERE merges = ?2", [MERGES, MERGES_ANEW])?;
            Ok(())
        })
        .await
    }

    /// Copies that are looked for now were never merged before.
    pub(super) async fn merge_anew(&self) -> Result<(), StoreError> {
        self.write(|db| {
            db.execute("UPDATE section SET merges = ?2 WHERE merges = ?1", [MERGES, MERGES_ANEW])?;
            Ok(())
        })
        .await
    }

    /// Does a section show one copy of a story only, as the store knows it?
    pub async fn merges(&self, section: i64) -> Result<bool, StoreError> {
        self.read(move |db| Ok(manner(db, section)?.merges)).await
    }

    /// Let the sections choose whose time to wait is over; the names of those that show something new now.
    pub async fn settle(&self, until: Time) -> Result<Vec<String>, StoreError> {
        self.write(move |db| {
            let sql = "SELECT section, story FROM settling WHERE until <= ?1 LIMIT 10000";
            let mut statement = db.prepare_cached(sql)?;
            let due: Vec<(i64, i64)> = statement
                .query_map([until.timestamp()], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let mut sections = BTreeSet::new();
            for (section, story) in due {
                stop_waiting(db, section, story)?;
                arrange(db, section, story, Moment::Later)?;
                sections.insert(section);
            }
            section_names(db, sections.into_iter())
        })
        .await
    }

    /// When the next choice is due; `None`: nothing waits.
    pub async fn next_settling(&self) -> Result<Option<Time>, StoreError> {
        self.read(|db| {
            let sql = "SELECT min(until) FROM settling";
            Ok(db.prepare_cached(sql)?.query_row([], |row| row.get::<_, Option<i64>>(0))?.map(time))
        })
        .await
    }
}

/// An entry of these sections was stored: hide it, show it or let it wait. `entered`: its new sections.
pub(super) fn entered(
    db: &Connection,
    row: i64,
    story: Option<i64>,
    sections: &[i64],
    local: bool,
    moment: Moment,
) -> Result<Option<Time>, StoreError> {
    let mut due: Option<Time> = None;
    for section in sections {
        let waits = match story {
            Some(first) if hides_at_once(db, *section, row, first)? => None,
            Some(first) => arrange(db, *section, first, moment)?,
            // Nothing is better than an article of our own.
            None if local => None,
            None => {
                let manner = manner(db, *section)?;
                if manner.merges && manner.settle > 0 { wait(db, *section, row, &manner, moment)? } else { None }
            }
        };
        if story.is_none() && waits.is_some() {
            let sql = "UPDATE member SET copy_of = ?2 WHERE section = ?1 AND entry = ?2
                AND effective = (SELECT effective FROM entry WHERE id = ?2)";
            db.prepare_cached(sql)?.execute([*section, row])?;
        }
        due = due.into_iter().chain(waits).min();
    }
    Ok(due)
}

/// The usual case: one of the story is shown already, and a newcomer takes its place behind it. Costs the same however
/// many there are of it.
fn hides_at_once(db: &Connection, section: i64, row: i64, first: i64) -> Result<bool, StoreError> {
    let sql =
        "SELECT m.copy_of FROM entry e JOIN member m ON m.section = ?1 AND m.effective = e.effective AND m.entry = e.id
        WHERE e.id = ?2";
    let stands_for = |entry: i64| -> Result<Option<Option<i64>>, StoreError> {
        Ok(db.prepare_cached(sql)?.query_row([section, entry], |row| row.get(0)).optional()?)
    };
    let shown = match stands_for(first)? {
        Some(None) => first,
        Some(Some(other)) if other != first && stands_for(other)? == Some(None) => other,
        _ => return Ok(false),
    };
    if !manner(db, section)?.merges {
        return Ok(false);
    }
    // A newcomer waits for its place.
    let sql = "UPDATE member SET copy_of = ?3 WHERE section = ?1 AND entry = ?2 AND copy_of = ?2
        AND effective = (SELECT effective FROM entry WHERE id = ?2)";
    Ok(db.prepare_cached(sql)?.execute([section, row, shown])? > 0)
}

pub(super) fn is_local(db: &Connection, source: i64) -> Result<bool, StoreError> {
    Ok(db.prepare_cached("SELECT local FROM source WHERE id = ?1")?.query_row([source], |row| row.get(0))?)
}

/// Sections in which an entry is shown itself.
pub(super) fn shown_in(db: &Connection, row: i64) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT effective, sections FROM entry WHERE id = ?1";
    let (effective, sections): (i64, String) =
        db.prepare_cached(sql)?.query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sql = "SELECT 1 FROM member WHERE section = ?1 AND effective = ?2 AND entry = ?3 AND copy_of IS NULL";
    let mut statement = db.prepare_cached(sql)?;
    let mut shown = Vec::new();
    for section in section_rows(&sections) {
        if statement.exists([section, effective, row])? {
            shown.push(section);
        }
    }
    Ok(shown)
}

/// Give every entry of a section's window the copies that it stands for there.
pub(super) fn attach(db: &Connection, section: i64, entries: &mut [Stored]) -> Result<(), StoreError> {
    let sql = "SELECT entry FROM member WHERE section = ?1 AND copy_of = ?2 AND entry <> ?2 ORDER BY entry LIMIT ?3";
    let most = i64::try_from(MOST_LISTED).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(sql)?;
    for entry in entries {
        let copies = statement.query_map(params![section, entry.row, most], |row| row.get::<_, i64>(0))?;
        for copy in copies {
            entry.copies.extend(by_row(db, copy?)?);
        }
    }
    Ok(())
}

/// The other copies of an entry's story, wherever they stand.
pub(super) fn others(db: &Connection, row: i64) -> Result<Vec<Stored>, StoreError> {
    let Some(first) = story_of(db, row)? else { return Ok(Vec::new()) };
    let sql =
        "SELECT id FROM entry WHERE (id = ?1 OR story = ?1) AND id <> ?2 AND withdrawn IS NULL ORDER BY id LIMIT ?3";
    let most = i64::try_from(MOST_LISTED).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(sql)?;
    let rows: Vec<i64> = statement.query_map([first, row, most], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.extend(by_row(db, row)?);
    }
    Ok(found)
}

/// Pages of our own articles among a story: they name its other members. Costs the same however many those are.
pub(super) fn pages(db: &Connection, story: Option<i64>) -> Result<Vec<String>, StoreError> {
    let Some(first) = story else { return Ok(Vec::new()) };
    let sql = "SELECT slug FROM entry WHERE id = ?1 AND slug IS NOT NULL AND withdrawn IS NULL
        UNION SELECT slug FROM entry WHERE story = ?1 AND source IN (SELECT id FROM source WHERE local = 1)
            AND slug IS NOT NULL AND withdrawn IS NULL";
    let mut statement = db.prepare_cached(sql)?;
    Ok(statement.query_map([first], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn by_row(db: &Connection, row: i64) -> Result<Option<Stored>, StoreError> {
    let sql = format!("{STORED} WHERE e.id = ?1");
    db.prepare_cached(&sql)?.query_row([row], |row| Ok(stored(row))).optional()?.transpose()
}

/// Let a section show one copy of a story. Returns until when it waits, if it does.
fn arrange(db: &Connection, section: i64, story: i64, moment: Moment) -> Result<Option<Time>, StoreError> {
    let manner = manner(db, section)?;
    let members = members(db, section, story)?;
    if !manner.merges {
        for member in &members {
            member.set(db, section, None)?;
        }
        return Ok(None);
    }
    let shown = members.iter().any(|member| member.copy_of.is_none());
    let local = members.iter().any(|member| member.copy.local);
    if shown || local {
        stop_waiting(db, section, story)?;
    } else if moment != Moment::Later || is_waiting(db, section, story)? {
        let due = wait(db, section, story, &manner, moment)?;
        if due.is_some() {
            for member in &members {
                member.set(db, section, Some(member.copy.row))?;
            }
            return Ok(due);
        }
    }
    let mut copies: Vec<(Copy, Standing)> = Vec::with_capacity(members.len());
    for member in &members {
        let standing = if member.copy_of.is_none() { Standing::Shown } else { Standing::Hidden };
        copies.push((member.copy.clone(), standing));
    }
    if choice::compares(&copies, manner.anew) {
        for (copy, _) in &mut copies {
            copy.completeness = other(db, copy.row)?.map_or(0, |other| duplicates::completeness(&other.shown()));
        }
    }
    let chosen = choice::shown(&copies, manner.anew);
    for member in &members {
        let stands_for_it = chosen.first().copied().filter(|_| !chosen.contains(&member.copy.row));
        member.set(db, section, stands_for_it)?;
    }
    Ok(None)
}

/// An entry is no copy of a story any more: it is shown itself, and the best of the others where it stood for them.
/// Returns until when they wait, if they do.
pub(super) fn leave(
    db: &Connection,
    row: i64,
    effective: i64,
    story: i64,
    moment: Moment,
) -> Result<Option<Time>, StoreError> {
    let mut due: Option<Time> = None;
    for section in sections_of_story(db, row)? {
        set_copy(db, section, row, effective, None)?;
        due = due.into_iter().chain(arrange(db, section, story, moment)?).min();
    }
    Ok(due)
}

/// An entry that stood for itself is a copy of a story from now on. Where it is shown it stays so; where it waited it
/// waits with the others, since the first of them came. Returns until when.
pub(super) fn joined(db: &Connection, row: i64, story: i64, moment: Moment) -> Result<Option<Time>, StoreError> {
    let sql = "INSERT INTO settling (section, story, until) SELECT section, ?2, until FROM settling WHERE story = ?1
        ON CONFLICT DO UPDATE SET until = min(until, excluded.until)";
    db.prepare_cached(sql)?.execute([row, story])?;
    db.prepare_cached("DELETE FROM settling WHERE story = ?1")?.execute([row])?;
    let sql = "SELECT sections FROM entry WHERE id = ?1";
    let sections: String = db.prepare_cached(sql)?.query_row([row], |row| row.get(0))?;
    let mut due: Option<Time> = None;
    for section in section_rows(&sections) {
        due = due.into_iter().chain(arrange(db, section, story, moment)?).min();
    }
    Ok(due)
}

fn manner(db: &Connection, section: i64) -> Result<Manner, StoreError> {
    let sql = "SELECT merges, settle FROM section WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        let merges: i64 = row.get(0)?;
        Ok(Manner { merges: merges != 0, anew: merges == MERGES_ANEW, settle: row.get(1)? })
    };
    Ok(db.prepare_cached(sql)?.query_row([section], read)?)
}

/// One copy in one section, as it stands.
struct Member {
    copy: Copy,
    effective: i64,
    copy_of: Option<i64>,
}

impl Member {
    fn set(&self, db: &Connection, section: i64, copy_of: Option<i64>) -> Result<(), StoreError> {
        if self.copy_of == copy_of { Ok(()) } else { set_copy(db, section, self.copy.row, self.effective, copy_of) }
    }
}

fn set_copy(db: &Connection, section: i64, row: i64, effective: i64, copy_of: Option<i64>) -> Result<(), StoreError> {
    let sql = "UPDATE member SET copy_of = ?4 WHERE section = ?1 AND effective = ?2 AND entry = ?3 RETURNING number";
    let values = params![section, effective, row, copy_of];
    let number: Option<Option<i64>> = db.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
    if let Some(number) = number.flatten() {
        touch(db, section, number)?;
    }
    Ok(())
}

fn members(db: &Connection, section: i64, story: i64) -> Result<Vec<Member>, StoreError> {
    const COLUMNS: &str = "SELECT e.id, s.local, s.priority, e.first_seen, e.effective, m.copy_of FROM entry e
        JOIN source s ON s.id = e.source
        JOIN member m ON m.section = ?1 AND m.effective = e.effective AND m.entry = e.id";
    let sql = format!("{COLUMNS} WHERE e.id = ?2 UNION ALL {COLUMNS} WHERE e.story = ?2 LIMIT ?3");
    let most = i64::try_from(MOST_COMPARED).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([section, story, most], |row| {
        Ok(Member {
            copy: Copy {
                row: row.get(0)?,
                local: row.get(1)?,
                priority: row.get(2)?,
                completeness: 0,
                first_seen: time(row.get(3)?),
            },
            effective: row.get(4)?,
            copy_of: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn sections_of_story(db: &Connection, story: i64) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT sections FROM entry WHERE id = ?1 OR story = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let texts: Vec<String> = statement.query_map([story], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut sections: Vec<i64> = texts.iter().flat_map(|text| section_rows(text)).collect();
    sections.sort_unstable();
    sections.dedup();
    Ok(sections)
}

/// Until when a story waits in a section: since its first copy came, not since the last.
fn wait(
    db: &Connection,
    section: i64,
    story: i64,
    manner: &Manner,
    moment: Moment,
) -> Result<Option<Time>, StoreError> {
    if let Moment::At(now) = moment
        && manner.settle > 0
    {
        let sql = "INSERT INTO settling (section, story, until) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        db.prepare_cached(sql)?.execute([section, story, now.timestamp() + manner.settle])?;
    }
    let sql = "SELECT until FROM settling WHERE section = ?1 AND story = ?2";
    let until: Option<i64> = db.prepare_cached(sql)?.query_row([section, story], |row| row.get(0)).optional()?;
    Ok(until.map(time))
}

fn is_waiting(db: &Connection, section: i64, story: i64) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM settling WHERE section = ?1 AND story = ?2";
    Ok(db.prepare_cached(sql)?.exists([section, story])?)
}

fn stop_waiting(db: &Connection, section: i64, story: i64) -> Result<(), StoreError> {
    db.prepare_cached("DELETE FROM settling WHERE section = ?1 AND story = ?2")?.execute([section, story])?;
    Ok(())
}
