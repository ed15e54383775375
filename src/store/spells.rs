//! Spells: when each source failed, and when it was well again. Written with the state of the source, in the same
//! transaction, so that neither is ever told without the other.

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::sources::namespace;
use super::{SourceState, Store, StoreError, Trouble, time};
use crate::model::Time;

/// Spells that are kept; a source that fails and recovers at every poll drives out none but the oldest.
const KEPT: i64 = 5_000;

/// A time in which a source failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spell {
    /// Of its beginning, as a published id; never changes, whatever the source is called.
    pub began_id: String,
    /// Of its end.
    pub ended_id: String,
    /// Name of the source.
    pub source: String,
    pub began: Time,
    /// `None`: it lasts.
    pub ended: Option<Time>,
    /// The step that failed.
    pub stage: String,
    /// With its causes, as it was when it began; may hold addresses.
    pub cause: String,
}

/// The spells of all configured sources.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spells {
    /// Published id of the feed that tells of them.
    pub feed_id: String,
    /// By what happened last to each, newest first.
    pub spells: Vec<Spell>,
}

impl Store {
    /// The newest spells, at most `count`.
    pub async fn spells(&self, count: usize) -> Result<Spells, StoreError> {
        self.read(move |db| {
            let namespace = namespace(db)?;
            let urn = |name: String| Uuid::new_v5(&namespace, name.as_bytes()).urn().to_string();
            let sql = "SELECT p.source, s.name, p.began, p.ended, p.stage, p.cause
                FROM spell p JOIN source s ON s.id = p.source WHERE s.active = 1
                ORDER BY coalesce(p.ended, p.began) DESC, p.id DESC LIMIT ?1";
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map([i64::try_from(count).unwrap_or(i64::MAX)], |row| {
                let (source, began): (i64, i64) = (row.get(0)?, row.get(2)?);
                Ok(Spell {
                    began_id: urn(format!("trouble:{source}:{began}")),
                    ended_id: urn(format!("well:{source}:{began}")),
                    source: row.get(1)?,
                    began: time(began),
                    ended: row.get::<_, Option<i64>>(3)?.map(time),
                    stage: row.get(4)?,
                    cause: row.get(5)?,
                })
            })?;
            Ok(Spells { feed_id: urn("status".to_owned()), spells: rows.collect::<Result<_, _>>()? })
        })
        .await
    }
}

/// What the state of a source says of spells.
pub(super) enum Standing {
    Well {
        since: Time,
    },
    Failing(Trouble),
    /// What our own outage breaks is nobody's trouble.
    Frozen,
}

impl Standing {
    pub fn of(state: &SourceState) -> Standing {
        match &state.trouble {
            Some(_) if state.poll.frozen => Standing::Frozen,
            Some(trouble) => Standing::Failing(trouble.clone()),
            None => Standing::Well { since: state.last_success.or(state.last_try).unwrap_or_default() },
        }
    }
}

/// Begin or end a spell, as the source stands.
pub(super) fn note(db: &Connection, source: i64, standing: &Standing) -> Result<(), StoreError> {
    match standing {
        Standing::Frozen => {}
        Standing::Failing(trouble) => {
            let sql = "INSERT INTO spell (source, began, stage, cause) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (source, began) DO NOTHING";
            let began = db.prepare_cached(sql)?.execute(params![
                source,
                trouble.since.timestamp(),
                trouble.stage,
                trouble.cause
            ])?;
            if began > 0 {
                let sql = "DELETE FROM spell WHERE id <= ?1";
                db.prepare_cached(sql)?.execute([db.last_insert_rowid() - KEPT])?;
            }
        }
        Standing::Well { since } => {
            // A look costs less than to change nothing, and nearly all are well.
            let lasts = "SELECT 1 FROM spell WHERE source = ?1 AND ended IS NULL";
            if !db.prepare_cached(lasts)?.exists([source])? {
                return Ok(());
            }
            let sql = "UPDATE spell SET ended = max(began, ?2) WHERE source = ?1 AND ended IS NULL";
            db.prepare_cached(sql)?.execute([source, since.timestamp()])?;
        }
    }
    Ok(())
}
