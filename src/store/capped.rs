//! The window of a section that takes only so many entries of one source: who brings thousands does not fill it, and
//! hides nobody.

use std::collections::HashMap;
use std::sync::LazyLock;

use rusqlite::{Connection, OptionalExtension, params};

use super::windows::{SHOWN, STANDING, StandingReader, glance};
use super::{Shown, Store, StoreError};
use crate::model::Standing;

/// So many members are looked at, by their index alone, before a section is content with what it has.
const MOST_LOOKED_AT: usize = 100_000;

impl Store {
    /// The newest entries of a section without their texts, at most so many of one source.
    pub async fn newest(&self, section: i64, count: usize, most: Option<usize>) -> Result<Vec<Standing>, StoreError> {
        self.view(move |view| view.newest(section, count, most)).await
    }
}

/// Where nothing caps, the window as it is.
pub(super) fn newest(
    db: &Connection,
    section: i64,
    count: usize,
    most: Option<usize>,
    reader: &mut StandingReader<'_>,
) -> Result<Vec<Standing>, StoreError> {
    match most {
        Some(most) => capped(db, section, count, most, reader),
        None => glance(db, Shown::Section(section), count, reader),
    }
}

/// The newest entries of a section, at most `most` of each source; all of those that share the date of a last one are
/// there too, so that `merge` can choose.
fn capped(
    db: &Connection,
    section: i64,
    count: usize,
    most: usize,
    reader: &mut StandingReader<'_>,
) -> Result<Vec<Standing>, StoreError> {
    static MEMBER: LazyLock<String> =
        LazyLock::new(|| format!("{STANDING} WHERE m.section = ?1 AND m.effective = ?2 AND m.entry = ?3"));
    let mut statement = db.prepare_cached(&MEMBER)?;
    let mut found = Vec::new();
    for (effective, entry) in members(db, section, count.max(1), most.max(1))? {
        found.extend(statement.query_row([section, effective, entry], |row| reader.one(row)).optional()?);
    }
    Ok(found)
}

/// Effective date and row of each.
fn members(db: &Connection, section: i64, count: usize, most: usize) -> Result<Vec<(i64, i64)>, StoreError> {
    let sql = format!(
        "SELECT m.effective, m.entry, m.source FROM member m WHERE m.section = ?1 AND {SHOWN}
        ORDER BY m.effective DESC, m.entry DESC"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let mut members = statement.query(params![section])?;
    let mut found = Vec::new();
    // Source -> how many it has, and the date of the last of them.
    let mut of_source: HashMap<i64, (usize, i64)> = HashMap::new();
    let (mut filled, mut last) = (0, i64::MAX);
    for _ in 0..MOST_LOOKED_AT {
        let Some(member) = members.next()? else { break };
        let effective: i64 = member.get(0)?;
        if found.len() >= count.saturating_mul(20) || (filled >= count && effective < last) {
            break;
        }
        let (has, of_last) = of_source.entry(member.get(2)?).or_insert((0, effective));
        if *has < most {
            (*has, *of_last) = (*has + 1, effective);
            (filled, last) = (filled + 1, effective);
        } else if *of_last != effective {
            continue;
        }
        found.push((effective, member.get(1)?));
    }
    Ok(found)
}
