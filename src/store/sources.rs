//! Sources and sections as the store knows them: rows that keep their ids when names and addresses change.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, params};
use url::Url;
use uuid::Uuid;

use super::spells::Standing;
use super::{SourceState, Store, StoreError};
use crate::model::{Origin, Time};

/// A configured source and its row.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRow {
    pub row: i64,
    pub name: String,
    /// Its url or folder, as configured.
    pub place: String,
    /// With the published feed id, once one is chosen.
    pub origin: Option<Origin>,
    pub state: SourceState,
    /// Entries that are kept and not withdrawn.
    pub entries: u64,
    /// Effective date of the newest of them.
    pub newest: Option<Time>,
}

impl SourceRow {
    /// What was left out of its last document since it goes beyond a limit; of a folder, also what was mended in its
    /// files. In words, the first of it.
    pub fn cut(&self) -> Option<String> {
        const TOLD: usize = 3;
        let is_feed = Url::parse(&self.place).is_ok();
        let cut = |repair: &&String| !is_feed || repair.starts_with("limit");
        let cut: Vec<&str> = self.state.repairs.iter().filter(cut).map(String::as_str).collect();
        let first = cut.get(..TOLD.min(cut.len())).unwrap_or_default().join("; ");
        let what = if is_feed { "more than is taken of one document: " } else { "" };
        let more = cut.len().saturating_sub(TOLD);
        let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
        (!cut.is_empty()).then(|| format!("{what}{first}{more}"))
    }
}

/// A section, or with the empty name the site as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionRow {
    pub row: i64,
    pub name: String,
    /// Published id of its feed; never changes.
    pub feed_id: String,
    pub created: Time,
}

impl Store {
    /// Choose, once for this store, the namespace in which ids are made; what is given later changes nothing.
    pub async fn initialise(&self, seed: Option<String>) -> Result<(), StoreError> {
        self.write(move |db| {
            let namespace = match &seed {
                Some(seed) => Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes()),
                None => Uuid::new_v4(),
            };
            let sql = "INSERT INTO meta (key, value) VALUES ('namespace', ?1) ON CONFLICT DO NOTHING";
            db.execute(sql, [namespace.to_string()])?;
            Ok(())
        })
        .await
    }

    /// A fact about the store as a whole.
    pub async fn meta(&self, key: &'static str) -> Result<Option<String>, StoreError> {
        self.read(move |db| meta(db, key)).await
    }

    pub async fn set_meta(&self, key: &'static str, value: String) -> Result<(), StoreError> {
        self.write(move |db| {
            let sql =
                "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            db.execute(sql, [key, &value])?;
            Ok(())
        })
        .await
    }

    /// Bring the rows in line with the configured sources, each a name and a place (url or folder). A known place under
    /// a new name is the same source renamed; a known name with a new place is the same source moved. Returns the rows
    /// in the order asked.
    pub async fn sync_sources(&self, sources: Vec<(String, String)>) -> Result<Vec<i64>, StoreError> {
        self.write(move |db| sync_sources(db, &sources)).await
    }

    /// Make the rows of sections that are new; the site's own, with the empty name, is always there.
    pub async fn sync_sections(&self, names: Vec<String>, now: Time) -> Result<Vec<SectionRow>, StoreError> {
        self.write(move |db| {
            let namespace = namespace(db)?;
            let mut rows = Vec::new();
            for name in std::iter::once("").chain(names.iter().map(String::as_str)) {
                let feed_id = Uuid::new_v5(&namespace, format!("section:{name}").as_bytes()).urn().to_string();
                let sql =
                    "INSERT INTO section (name, feed_id, created) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING";
                db.execute(sql, params![name, feed_id, now.timestamp()])?;
                let sql = "SELECT id, name, feed_id, created FROM section WHERE name = ?1";
                rows.push(db.query_row(sql, [name], |row| {
                    Ok(SectionRow {
                        row: row.get(0)?,
                        name: row.get(1)?,
                        feed_id: row.get(2)?,
                        created: super::time(row.get(3)?),
                    })
                })?);
            }
            Ok(rows)
        })
        .await
    }

    /// Entries of sources that are not configured any more stand in no section.
    pub async fn clear_inactive(&self) -> Result<(), StoreError> {
        self.write(|db| {
            let mut statement = db.prepare_cached("SELECT id FROM source WHERE active = 0")?;
            let inactive: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            inactive.into_iter().try_for_each(|row| clear_members(db, row))
        })
        .await
    }

    /// The rows that these sources would have, each a name and a place; `None`: it would be new.
    pub async fn matching(&self, sources: Vec<(String, String)>) -> Result<Vec<Option<i64>>, StoreError> {
        self.read(move |db| Ok(matching(&known_sources(db)?, &sources))).await
    }

    /// What is kept about the polls of one source.
    pub fn state(&self, row: i64) -> Result<Box<SourceState>, StoreError> {
        self.read_now(|db| {
            let mut statement = db.prepare_cached("SELECT state FROM source WHERE id = ?1")?;
            statement.query_row([row], |row| Ok(parse_state(row.get_ref(0)?.as_str()?)))?
        })
    }

    /// The same of several sources, in the order asked.
    pub fn states_of(&self, rows: &[i64]) -> Result<Vec<SourceState>, StoreError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.read_now(|db| {
            let _one_view = db.unchecked_transaction()?;
            let mut statement = db.prepare_cached("SELECT state FROM source WHERE id = ?1")?;
            rows.iter()
                .map(|row| {
                    statement.query_row([row], |row| Ok(parse_state(row.get_ref(0)?.as_str()?)))?.map(|state| *state)
                })
                .collect()
        })
    }

    /// Everything about one source.
    pub async fn source(&self, row: i64) -> Result<SourceRow, StoreError> {
        self.read(move |db| {
            let sql = format!("{SOURCE} WHERE s.id = ?1");
            db.prepare_cached(&sql)?.query_row([row], |row| Ok(source_row(row)))?
        })
        .await
    }

    /// Everything about every configured source, by name.
    pub async fn sources(&self) -> Result<Vec<SourceRow>, StoreError> {
        self.read(|db| {
            let sql = format!("{SOURCE} WHERE s.active = 1 ORDER BY s.name");
            let mut statement = db.prepare_cached(&sql)?;
            let rows = statement.query_map([], |row| Ok(source_row(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    /// Only what a poll without new content leaves behind.
    pub async fn record_poll(&self, row: i64, state: Box<SourceState>) -> Result<(), StoreError> {
        // Here, so that the writing thread has less to do, and the state ends where it began.
        let written = Written::of(&state)?;
        drop(state);
        self.write_patiently(move |db| write_state(db, row, &written, None)).await
    }
}

const SOURCE: &str = "SELECT s.id, s.name, s.feed_id, s.origin, s.state,
    (SELECT count(*) FROM entry e INDEXED BY entry_by_source WHERE e.source = s.id)
        - (SELECT count(*) FROM entry e WHERE e.source = s.id AND e.withdrawn IS NOT NULL),
    (SELECT max(e.effective) FROM entry e WHERE e.source = s.id AND e.withdrawn IS NULL), s.place FROM source s";

fn source_row(row: &rusqlite::Row<'_>) -> Result<SourceRow, StoreError> {
    let state: String = row.get(4)?;
    Ok(SourceRow {
        row: row.get(0)?,
        name: row.get(1)?,
        place: row.get(7)?,
        origin: origin(row.get(2)?, row.get(3)?)?,
        state: *parse_state(&state)?,
        entries: row.get::<_, i64>(5)?.unsigned_abs(),
        newest: row.get::<_, Option<i64>>(6)?.map(super::time),
    })
}

/// The origin with the published feed id in its place.
pub(super) fn origin(feed_id: Option<String>, json: Option<String>) -> Result<Option<Origin>, StoreError> {
    let Some(json) = json else { return Ok(None) };
    let mut origin: Origin = serde_json::from_str(&json)
        .map_err(|cause| StoreError::Damaged { what: "the metadata of a feed", cause: cause.into() })?;
    origin.id = feed_id.unwrap_or_default();
    Ok(Some(origin))
}

fn parse_state(json: &str) -> Result<Box<SourceState>, StoreError> {
    serde_json::from_str(json)
        .map_err(|cause| StoreError::Damaged { what: "the state of a source", cause: cause.into() })
}

/// A state as it is written.
pub(super) struct Written {
    json: Vec<u8>,
    standing: Standing,
}

impl Written {
    pub fn of(state: &SourceState) -> Result<Written, StoreError> {
        // That of a source that is well takes about half of it.
        let mut json = Vec::with_capacity(1024);
        serde_json::to_writer(&mut json, state)
            .map_err(|cause| StoreError::Damaged { what: "the state of a source", cause: cause.into() })?;
        Ok(Written { json, standing: Standing::of(state) })
    }
}

/// `read`: when a whole document was taken in.
pub(super) fn write_state(db: &Connection, row: i64, state: &Written, read: Option<Time>) -> Result<(), StoreError> {
    let sql = "UPDATE source SET state = ?2, last_read = coalesce(?3, last_read) WHERE id = ?1";
    let json = ToSqlOutput::Borrowed(ValueRef::Text(&state.json));
    db.prepare_cached(sql)?.execute(params![row, json, read.map(|read| read.timestamp())])?;
    super::spells::note(db, row, &state.standing)
}

pub(super) fn meta(db: &Connection, key: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT value FROM meta WHERE key = ?1";
    Ok(db.prepare_cached(sql)?.query_row([key], |row| row.get(0)).optional()?)
}

pub(super) fn namespace(db: &Connection) -> Result<Uuid, StoreError> {
    let text = meta(db, "namespace")?.unwrap_or_default();
    Uuid::parse_str(&text)
        .map_err(|cause| StoreError::Damaged { what: "the namespace of its ids", cause: cause.into() })
}

/// Row, name, place, and whether it is configured.
type KnownSource = (i64, String, String, bool);

fn known_sources(db: &Connection) -> Result<Vec<KnownSource>, StoreError> {
    let mut statement = db.prepare("SELECT id, name, place, active FROM source ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The row of each source, by its place, else by its name.
fn matching(known: &[KnownSource], sources: &[(String, String)]) -> Vec<Option<i64>> {
    let by_place: BTreeMap<&str, i64> = known.iter().map(|(row, _, place, _)| (place.as_str(), *row)).collect();
    let by_name: BTreeMap<&str, i64> = known.iter().map(|(row, name, ..)| (name.as_str(), *row)).collect();
    let mut taken: BTreeSet<i64> =
        sources.iter().filter_map(|(_, place)| by_place.get(place.as_str()).copied()).collect();
    let mut found: Vec<Option<i64>> = Vec::with_capacity(sources.len());
    for (name, place) in sources {
        let same_name = || by_name.get(name.as_str()).copied().filter(|row| taken.insert(*row));
        found.push(by_place.get(place.as_str()).copied().or_else(same_name));
    }
    found
}

/// The usual start, at which nothing is to be written: these sources are the active ones, each under its name and place.
fn as_before(db: &Connection, sources: &[(String, String)]) -> Result<Option<Vec<i64>>, StoreError> {
    let places = sources.iter().enumerate().map(|(at, (name, place))| (name.as_str(), (at, place.as_str())));
    let places: HashMap<&str, (usize, &str)> = places.collect();
    let (mut rows, mut found) = (vec![0; sources.len()], 0);
    let mut statement = db.prepare("SELECT id, name, place FROM source WHERE active = 1")?;
    let mut known = statement.query([])?;
    while let Some(row) = known.next()? {
        let text = |column| row.get_ref(column)?.as_str().map_err(rusqlite::Error::from);
        match places.get(text(1)?) {
            Some((at, place)) if text(2)? == *place => {
                rows[*at] = row.get(0)?;
                found += 1;
            }
            _ => return Ok(None),
        }
    }
    Ok((found == sources.len()).then_some(rows))
}

fn sync_sources(db: &Connection, sources: &[(String, String)]) -> Result<Vec<i64>, StoreError> {
    if let Some(rows) = as_before(db, sources)? {
        return Ok(rows);
    }
    let known = known_sources(db)?;
    let found = matching(&known, sources);
    // Names and places are unique: step aside first, so that two sources can swap theirs.
    db.execute(
        "UPDATE source SET active = 0, name = char(1) || id || ' ' || name, place = char(1) || id || ' ' || place",
        [],
    )?;
    let mut rows = Vec::with_capacity(sources.len());
    for ((name, place), row) in sources.iter().zip(found) {
        rows.push(match row {
            Some(row) => {
                let sql = "UPDATE source SET name = ?2, place = ?3, active = 1 WHERE id = ?1";
                db.prepare_cached(sql)?.execute(params![row, name, place])?;
                row
            }
            None => {
                db.prepare_cached("INSERT INTO source (name, place) VALUES (?1, ?2)")?.execute([name, place])?;
                db.last_insert_rowid()
            }
        });
    }
    let kept: BTreeSet<i64> = rows.iter().copied().collect();
    // Those that are no longer configured get their own back, unless it is taken now.
    for (row, name, place, _) in &known {
        if !kept.contains(row) {
            let sql = "UPDATE OR IGNORE source SET name = ?2, place = ?3 WHERE id = ?1";
            db.prepare_cached(sql)?.execute(params![row, name, place])?;
        }
    }
    for (row, ..) in known.iter().filter(|(row, .., active)| *active && !kept.contains(row)) {
        clear_members(db, *row)?;
    }
    let before: BTreeMap<i64, &str> = known.iter().map(|(row, _, place, _)| (*row, place.as_str())).collect();
    for ((_, place), row) in sources.iter().zip(&rows) {
        if before.get(row).is_some_and(|before| *before != place) {
            moved(db, *row)?;
        }
    }
    Ok(rows)
}

fn clear_members(db: &Connection, source: i64) -> Result<(), StoreError> {
    let sql = "SELECT id FROM entry WHERE source = ?1 AND sections <> ''";
    let entries: Vec<i64> = db.prepare_cached(sql)?.query_map([source], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let clear = |entry| super::members::set_members(db, entry, &[], super::copies::Moment::Later).map(|_| ());
    entries.into_iter().try_for_each(clear)
}

/// What one address said of its document says nothing of another's: it is asked soon, and unconditionally.
fn moved(db: &Connection, source: i64) -> Result<(), StoreError> {
    let state: String = db.query_row("SELECT state FROM source WHERE id = ?1", [source], |row| row.get(0))?;
    let state = parse_state(&state)?;
    let state = SourceState { validators: Default::default(), body_hash: None, next_poll: None, ..*state };
    write_state(db, source, &Written::of(&state)?, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_earlier_versions_are_read() {
        let before = r#"{"validators":{"etag":"\"a\"","of":"http://e.example/feed"},"body_hash":"64aa 1","body_bytes":63170,
            "poll":{"last_try":"2026-11-28T11:17:01Z","last_success":"2026-11-28T11:17:01Z","failures":0,"last_failure":null,
            "frozen":false,"frozen_since":null,"frozen_times":0,"gone_since":null,"gone_times":0,"limited_at":null,
            "limited_times":0,"parked_until":null,"hints":{"ttl_minutes":60,"skip_hours":[],"skip_days":[],
            "update_minutes":null},"freshness":{"max_age":null,"age":{"secs":0,"nanos":0},"expires":null},
            "seen":["2026-11-28T11:16:14Z"],"found":{"configured":"http://e.example/feed","is_feed":true,"tries":0},
            "moved":{"configured":"http://e.example/feed","adopted":null,"chain":[],"agreed":0,"failed":0},"paced_by":7},
            "next_poll":"2026-11-28T12:21:31Z","next_reason":"in 1 h","last_try":"2026-11-28T11:17:01Z",
            "last_success":"2026-11-28T11:17:01Z","http_status":304,"outcome":"304 not modified","trouble":null,"repairs":[]}"#;
        let state = parse_state(before).unwrap();
        assert_eq!(state.next_poll, "2026-11-28T12:21:31Z".parse().ok());
        assert_eq!((state.poll.seen.len(), state.poll.hints.ttl_minutes, state.http_status), (1, Some(60), Some(304)));
        let now = serde_json::to_string(&state).unwrap();
        assert!(now.len() < 560, "{now}");
        assert_eq!(parse_state(&now).unwrap(), state);
        assert_eq!(serde_json::to_string(&SourceState::default()).unwrap(), "{}");
    }
}
