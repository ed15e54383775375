//! How often each rule matched: a rule that never did is one that its owner wants to hear of.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{Store, StoreError, time};
use crate::model::Time;

/// What is known of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleHits {
    /// Entries that it matched when they were placed.
    pub hits: u64,
    pub last: Time,
}

impl Store {
    /// By the print of the rule; one that never matched is not there.
    pub async fn rule_hits(&self) -> Result<BTreeMap<String, RuleHits>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached("SELECT rule, hits, last FROM rule_hit")?;
            let rows = statement.query_map([], |row| {
                let hits = RuleHits { hits: row.get::<_, i64>(1)?.unsigned_abs(), last: time(row.get(2)?) };
                Ok((row.get(0)?, hits))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Every stored entry was placed again: these are the counts now.
    pub async fn replace_hits(&self, hits: BTreeMap<String, u64>, now: Time) -> Result<(), StoreError> {
        self.write(move |db| {
            db.execute("DELETE FROM rule_hit", [])?;
            count_hits(db, &hits, now)
        })
        .await
    }
}

pub(super) fn count_hits(db: &Connection, hits: &BTreeMap<String, u64>, now: Time) -> Result<(), StoreError> {
    let sql = "INSERT INTO rule_hit (rule, hits, last) VALUES (?1, ?2, ?3)
        ON CONFLICT (rule) DO UPDATE SET hits = hits + excluded.hits, last = excluded.last";
    for (rule, count) in hits {
        let count = i64::try_from(*count).unwrap_or(i64::MAX);
        db.prepare_cached(sql)?.execute(params![rule, count, now.timestamp()])?;
    }
    Ok(())
}
