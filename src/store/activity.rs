//! Activity: what sources have brought lately, for those who look after them. Asked of one index only, and of no more
//! of it than thirty days and a few entries a source.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{Store, StoreError, time};
use crate::model::Time;

/// Days that are counted, today included.
pub const DAYS: usize = 30;
/// Latest distinct moments that are told.
const MOMENTS: i64 = 17;
/// Entries of one source that are counted; who brings more a month is busy enough.
const MOST_COUNTED: i64 = 20_000;

/// What one source has brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// Entries by the day (in UTC) that feeds state as published, oldest first, today last; always [`DAYS`] of them.
    ///
    /// Not by the day on which they were first seen: of a source that was added today all that it holds would have come today.
    pub days: Vec<u32>,
    /// When the latest entries came out, oldest first.
    pub moments: Vec<Time>,
}

impl Store {
    /// What these sources have brought, by row.
    pub async fn activity(&self, sources: Vec<i64>, now: Time) -> Result<BTreeMap<i64, Activity>, StoreError> {
        self.read(move |db| sources.into_iter().map(|source| Ok((source, activity(db, source, now)?))).collect()).await
    }
}

fn activity(db: &Connection, source: i64, now: Time) -> Result<Activity, StoreError> {
    const DAY: i64 = 86_400;
    let today = now.timestamp().div_euclid(DAY);
    let first = today - (DAYS as i64 - 1);
    let mut days = vec![0_u32; DAYS];
    // Both are answered by entry_by_source alone; no row of the table is read.
    let sql = "SELECT day, count(*) FROM (SELECT effective / 86400 AS day FROM entry INDEXED BY entry_by_source
        WHERE source = ?1 AND effective >= ?2 AND effective < ?3 ORDER BY effective DESC LIMIT ?4) GROUP BY day";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![source, first * DAY, (today + 1) * DAY, MOST_COUNTED])?;
    while let Some(row) = rows.next()? {
        let (day, count): (i64, u32) = (row.get(0)?, row.get(1)?);
        if let Some(slot) = usize::try_from(day - first).ok().and_then(|at| days.get_mut(at)) {
            *slot = count;
        }
    }
    let sql = "SELECT DISTINCT effective FROM entry INDEXED BY entry_by_source
        WHERE source = ?1 ORDER BY effective DESC LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([source, MOMENTS], |row| Ok(time(row.get(0)?)))?;
    let mut moments: Vec<Time> = rows.collect::<Result<_, _>>()?;
    moments.reverse();
    Ok(Activity { days, moments })
}
