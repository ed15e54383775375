//! Entries: what is known of them, one refresh written whole, and the windows that feeds are merged from.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta};
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::sources::{namespace, origin, write_state};
use super::{FileRow, SourceState, Store, StoreError, Stored, Withdrawn};
use crate::changes::{Asked, ChangedEntry, Changes, Known, KnownEntries, NewEntry};
use crate::model::{Entry, EntryId, Origin, Stated, Time, Tombstone};
use crate::normalize::identity::{Key, KeyHash};

/// One refresh of one source: entries, metadata, validators, next poll. Written whole or not at all.
#[derive(Debug, Clone)]
pub struct Refresh {
    pub source: i64,
    /// When the document was asked for.
    pub now: Time,
    pub changes: Changes,
    /// The feed's metadata, where the document states any.
    pub origin: Option<Origin>,
    /// Its native id, if it may be published; taken when no id was chosen yet and no other feed has it.
    pub feed_id: Option<String>,
    pub state: SourceState,
    /// Files that were read, and files that are no more.
    pub files: Vec<FileRow>,
    pub vanished: Vec<String>,
}

/// What a refresh changed for readers.
#[derive(Debug, Clone, Default)]
pub struct Applied {
    /// Names of the sections whose documents may look different now; the empty one is the site.
    pub sections: BTreeSet<String>,
    pub new: Vec<EntryId>,
    pub changed: Vec<EntryId>,
    pub withdrawn: Vec<Withdrawn>,
    /// Pages of local articles that are to be made again.
    pub slugs: BTreeSet<String>,
}

/// Which entries a window shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Row of a section.
    Section(i64),
    /// Row of a source.
    Source(i64),
}

impl Store {
    /// What is known of the entries of one document.
    pub async fn known(&self, source: i64, asked: Vec<Asked>) -> Result<(KnownEntries, bool), StoreError> {
        self.read(move |db| {
            let sql = "SELECT EXISTS (SELECT 1 FROM entry WHERE source = ?1)
                OR EXISTS (SELECT 1 FROM gone WHERE source = ?1)";
            let any: bool = db.prepare_cached(sql)?.query_row([source], |row| row.get(0))?;
            let known = if any { known(db, source, &asked)? } else { KnownEntries::default() };
            Ok((known, !any))
        })
        .await
    }

    /// Write one refresh.
    pub async fn apply_refresh(&self, refresh: Refresh) -> Result<Applied, StoreError> {
        if refresh.files.is_empty() && refresh.vanished.is_empty() {
            self.write_patiently(move |db| apply(db, refresh)).await
        } else {
            // Somebody has just saved an article.
            self.write(move |db| apply(db, refresh)).await
        }
    }

    /// The newest entries, by effective date; all of those that share the last one's date are there too.
    pub async fn window(&self, shown: Shown, count: usize) -> Result<Vec<Stored>, StoreError> {
        self.read(move |db| window(db, shown, count)).await
    }

    /// What was withdrawn from a section between two moments, newest first.
    pub async fn tombstones(&self, section: i64, after: Time, until: Time) -> Result<Vec<Tombstone>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT published_id, withdrawn FROM tombstone WHERE section = ?1 AND withdrawn > ?2 AND withdrawn <= ?3
                ORDER BY withdrawn DESC, published_id LIMIT 200";
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map([section, after.timestamp(), until.timestamp()], |row| {
                Ok(Tombstone { id: EntryId(row.get(0)?), when: time(row.get(1)?) })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
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

    /// Files of a local source as they were last read.
    pub async fn files(&self, source: i64) -> Result<Vec<FileRow>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT path, size, modified, held, trouble, shows FROM file WHERE source = ?1 ORDER BY path";
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map([source], |row| {
                Ok(FileRow {
                    path: row.get(0)?,
                    size: row.get::<_, i64>(1)?.unsigned_abs(),
                    modified: row.get(2)?,
                    held: row.get::<_, Option<i64>>(3)?.map(time),
                    trouble: row.get(4)?,
                    shows: serde_json::from_str(&row.get::<_, String>(5)?).unwrap_or_default(),
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Rows and keys of entries that came out of these files and are not withdrawn.
    pub async fn entries_of_files(&self, source: i64, paths: Vec<String>) -> Result<Vec<(String, i64)>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT id FROM entry WHERE source = ?1 AND withdrawn IS NULL
                AND (key_text = 'file ' || ?2 OR substr(key_text, 1, length(?2) + 6) = 'file ' || ?2 || '#')";
            let mut statement = db.prepare_cached(sql)?;
            let mut found = Vec::new();
            for path in paths {
                let rows = statement.query_map(params![source, path], |row| row.get::<_, i64>(0))?;
                for row in rows {
                    found.push((path.clone(), row?));
                }
            }
            Ok(found)
        })
        .await
    }

    /// Place a batch of stored entries anew, from `after` on in order of rows; the last row of it, until none is left.
    pub async fn replace_members(
        &self,
        after: i64,
        place: impl Fn(&str, &Stated, Time) -> Vec<String> + Send + 'static,
    ) -> Result<Option<i64>, StoreError> {
        self.write(move |db| {
            let sql = "SELECT e.id, s.name, e.first_seen, e.data FROM entry e JOIN source s ON s.id = e.source
                WHERE e.id > ?1 AND e.withdrawn IS NULL AND s.active = 1 ORDER BY e.id LIMIT 500";
            let mut statement = db.prepare_cached(sql)?;
            let mut rows = statement.query([after])?;
            let mut last = None;
            while let Some(row) = rows.next()? {
                let id: i64 = row.get(0)?;
                let stated = decode(row.get_ref(3)?.as_blob().unwrap_or_default())?;
                let sections = place(&row.get::<_, String>(1)?, &stated, time(row.get(2)?));
                set_members(db, id, &sections)?;
                last = Some(id);
            }
            Ok(last)
        })
        .await
    }

    /// Remove a batch of remote entries older than `before` or beyond the newest `keep` of their source; how many.
    pub async fn prune(&self, before: Time, keep: usize, now: Time) -> Result<usize, StoreError> {
        self.write(move |db| {
            let found = expired(db, before, keep)?;
            let forgotten = (now - TimeDelta::days(90)).timestamp();
            db.execute("DELETE FROM gone WHERE carried < ?1", [forgotten])?;
            for (row, source, key) in &found {
                let sql = "INSERT OR REPLACE INTO gone (source, hash, carried) VALUES (?1, ?2, ?3)";
                db.prepare_cached(sql)?.execute(params![source, key, now.timestamp()])?;
                remove(db, *row)?;
            }
            Ok(found.len())
        })
        .await
    }
}

/// Row, source and key of entries that retention removes, a batch of them. Local articles live as long as their file.
fn expired(db: &Connection, before: Time, keep: usize) -> Result<Vec<(i64, i64, Vec<u8>)>, StoreError> {
    const BATCH: usize = 200;
    let keep = i64::try_from(keep).unwrap_or(i64::MAX);
    let sql = "SELECT source, count(*), min(effective) FROM entry GROUP BY source";
    let mut statement = db.prepare_cached(sql)?;
    let sources: Vec<(i64, i64, i64)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let mut found: Vec<(i64, i64, Vec<u8>)> = Vec::new();
    for (source, count, oldest) in sources {
        let sql = "SELECT effective FROM entry WHERE source = ?1 ORDER BY effective DESC LIMIT 1 OFFSET ?2";
        let crowded = if count > keep {
            db.prepare_cached(sql)?.query_row([source, keep - 1], |row| row.get(0)).optional()?
        } else {
            None
        };
        let limit = crowded.unwrap_or(i64::MIN).max(before.timestamp());
        if oldest < limit {
            let sql = "SELECT id, source, key FROM entry WHERE source = ?1 AND effective < ?2 AND slug IS NULL ORDER BY effective LIMIT ?3";
            let mut statement = db.prepare_cached(sql)?;
            let room = i64::try_from(BATCH.saturating_sub(found.len())).unwrap_or(0);
            let rows =
                statement.query_map(params![source, limit, room], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            found.extend(rows.collect::<Result<Vec<_>, _>>()?);
        }
        if found.len() >= BATCH {
            break;
        }
    }
    Ok(found)
}

fn known(db: &Connection, source: i64, asked: &[Asked]) -> Result<KnownEntries, StoreError> {
    const COLUMNS: &str =
        "SELECT id, published_id, key, print, first_seen, effective, updated, silent, withdrawn, data FROM entry";
    let mut by_key = db.prepare_cached(&format!("{COLUMNS} WHERE source = ?1 AND key = ?2"))?;
    let mut by_row = db.prepare_cached(&format!("{COLUMNS} WHERE id = ?1"))?;
    let mut by_alias = db.prepare_cached("SELECT entry FROM alias WHERE source = ?1 AND hash = ?2")?;
    let mut gone = db.prepare_cached("SELECT 1 FROM gone WHERE source = ?1 AND hash = ?2")?;
    let mut known = KnownEntries::default();
    let mut places = std::collections::HashMap::new();
    for asked in asked {
        let found = by_key.query_row(params![source, asked.key.0], |row| Ok(known_row(row, Some(asked)))).optional()?;
        if let Some(found) = found {
            let at = known.add(found?, &mut places);
            known.by_key.insert(asked.key, at);
            continue;
        }
        if gone.exists(params![source, asked.key.0])? {
            known.gone.insert(asked.key);
            continue;
        }
        for hash in std::iter::once(&asked.key).chain(&asked.aliases) {
            let row: Option<i64> = by_alias.query_row(params![source, hash.0], |row| row.get(0)).optional()?;
            let found = match row {
                Some(row) => by_row.query_row([row], |row| Ok(known_row(row, None))).optional()?,
                None => by_key.query_row(params![source, hash.0], |row| Ok(known_row(row, None))).optional()?,
            };
            if let Some(found) = found {
                let at = known.add(found?, &mut places);
                known.by_alias.insert(*hash, at);
            }
        }
    }
    Ok(known)
}

impl KnownEntries {
    fn add(&mut self, found: Known, places: &mut std::collections::HashMap<i64, usize>) -> usize {
        let at = *places.entry(found.row).or_insert(self.entries.len());
        match self.entries.get_mut(at) {
            // Found by key first and by an alias now: keep the one that carries its text.
            Some(known) => known.stated = known.stated.take().or(found.stated),
            None => self.entries.push(found),
        }
        at
    }
}

/// `asked`: the text is left out where its print says that nothing changed.
fn known_row(row: &Row<'_>, asked: Option<&Asked>) -> Result<Known, StoreError> {
    let print: [u8; 16] = row.get(3)?;
    let withdrawn: Option<i64> = row.get(8)?;
    let wanted = asked.is_none_or(|asked| asked.print != print || withdrawn.is_some());
    Ok(Known {
        row: row.get(0)?,
        id: EntryId(row.get(1)?),
        key: KeyHash(row.get(2)?),
        print,
        first_seen: time(row.get(4)?),
        effective: time(row.get(5)?),
        updated: time(row.get(6)?),
        silent: row.get(7)?,
        withdrawn: withdrawn.map(time),
        stated: if wanted { Some(decode(row.get_ref(9)?.as_blob().unwrap_or_default())?) } else { None },
    })
}

fn apply(db: &Connection, refresh: Refresh) -> Result<Applied, StoreError> {
    let Refresh { source, now, changes, origin, feed_id, state, files, vanished } = refresh;
    let mut applied = Applied::default();
    if let Some(origin) = &origin {
        let json = serde_json::to_string(origin)
            .map_err(|cause| StoreError::Damaged { what: "the metadata of a feed", cause: cause.into() })?;
        let changed = db
            .prepare_cached("UPDATE source SET origin = ?2 WHERE id = ?1 AND origin IS NOT ?2")?
            .execute(params![source, json])?;
        choose_feed_id(db, source, feed_id)?;
        if changed > 0 {
            // atom:source of every entry of it says something else now.
            applied.sections.extend(sections_of_source(db, source)?);
        }
    }
    if !changes.new.is_empty() {
        let lookup = Lookup::new(db, source)?;
        for entry in changes.new {
            insert(db, source, now, entry, &lookup, &mut applied)?;
        }
    }
    for entry in changes.changed {
        update(db, source, entry, &mut applied)?;
    }
    for row in changes.withdrawn {
        withdraw(db, row, now, &mut applied)?;
    }
    for hash in changes.still_gone {
        let sql = "UPDATE gone SET carried = ?3 WHERE source = ?1 AND hash = ?2";
        db.prepare_cached(sql)?.execute(params![source, hash.0, now.timestamp()])?;
    }
    write_files(db, source, &files, &vanished)?;
    write_state(db, source, &state)?;
    Ok(applied)
}

/// An entry with everything that leads to it.
fn remove(db: &Connection, row: i64) -> Result<(), StoreError> {
    set_members(db, row, &[])?;
    let sql = "SELECT source, aliases FROM entry WHERE id = ?1";
    let (source, aliases): (i64, Vec<u8>) =
        db.prepare_cached(sql)?.query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut statement = db.prepare_cached("DELETE FROM alias WHERE source = ?1 AND hash = ?2 AND entry = ?3")?;
    for hash in aliases.chunks_exact(16) {
        statement.execute(params![source, hash, row])?;
    }
    db.prepare_cached("DELETE FROM entry WHERE id = ?1")?.execute([row])?;
    Ok(())
}

fn choose_feed_id(db: &Connection, source: i64, stated: Option<String>) -> Result<(), StoreError> {
    let sql = "SELECT place FROM source WHERE id = ?1 AND feed_id IS NULL";
    let Some(place) = db.prepare_cached(sql)?.query_row([source], |row| row.get::<_, String>(0)).optional()? else {
        return Ok(());
    };
    let claim = "UPDATE OR IGNORE source SET feed_id = ?2 WHERE id = ?1";
    if let Some(stated) = stated
        && db.prepare_cached(claim)?.execute(params![source, stated])? > 0
    {
        return Ok(());
    }
    let made = Uuid::new_v5(&namespace(db)?, format!("source:{place}").as_bytes()).urn().to_string();
    db.prepare_cached(claim)?.execute(params![source, made])?;
    Ok(())
}

/// What every new entry of one refresh asks for, looked up once.
struct Lookup {
    namespace: Uuid,
    /// Published id of the feed, else its place: with the key it makes a name for an id.
    feed: String,
    /// Name of a section -> its row.
    sections: HashMap<String, i64>,
}

impl Lookup {
    fn new(db: &Connection, source: i64) -> Result<Lookup, StoreError> {
        let sql = "SELECT coalesce(feed_id, place) FROM source WHERE id = ?1";
        let feed = db.prepare_cached(sql)?.query_row([source], |row| row.get(0))?;
        let mut statement = db.prepare_cached("SELECT name, id FROM section")?;
        let sections = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok(Lookup { namespace: namespace(db)?, feed, sections })
    }
}

fn insert(
    db: &Connection,
    source: i64,
    now: Time,
    entry: NewEntry,
    lookup: &Lookup,
    applied: &mut Applied,
) -> Result<(), StoreError> {
    let key = entry.key.hash();
    let id = published_id(db, key, entry.publishable, lookup)?;
    let slug = entry.slug.map(|slug| free_slug(db, slug, key)).transpose()?;
    let aliases: Vec<u8> = entry.aliases.iter().flat_map(|alias| alias.0).collect();
    let mut rows: Vec<i64> = entry.sections.iter().filter_map(|name| lookup.sections.get(name).copied()).collect();
    rows.sort_unstable();
    let sql = "INSERT INTO entry
        (source, key, key_text, published_id, slug, first_seen, effective, updated, print, data, aliases, sections)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    db.prepare_cached(sql)?.execute(params![
        source,
        key.0,
        key_text(&entry.key),
        id,
        slug,
        now.timestamp(),
        entry.effective.timestamp(),
        entry.updated.timestamp(),
        entry.print,
        encode(&entry.json)?,
        aliases,
        joined(&rows),
    ])?;
    let row = db.last_insert_rowid();
    add_aliases(db, source, row, aliases.chunks_exact(16))?;
    add_members(db, row, entry.effective.timestamp(), &rows)?;
    applied.sections.extend(entry.sections);
    applied.new.push(EntryId(id));
    applied.slugs.extend(slug);
    Ok(())
}

fn update(db: &Connection, source: i64, entry: ChangedEntry, applied: &mut Applied) -> Result<(), StoreError> {
    applied.sections.extend(sections_of(db, entry.row)?);
    let sql = "UPDATE entry SET updated = ?2, silent = ?3, withdrawn = NULL, print = ?4, data = ?5 WHERE id = ?1
        RETURNING published_id, slug, aliases, key";
    let values = params![entry.row, entry.updated.timestamp(), entry.silent, entry.print, encode(&entry.json)?];
    let (id, slug, known, old_key): (String, Option<String>, Vec<u8>, [u8; 16]) =
        db.prepare_cached(sql)?.query_row(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let mut aliases = entry.aliases;
    db.prepare_cached("DELETE FROM tombstone WHERE published_id = ?1")?.execute([&id])?;
    if let Some(key) = &entry.key {
        let hash = key.hash();
        // The key it had stays known as an alias: a source may go back.
        aliases.push(KeyHash(old_key));
        let sql = "UPDATE OR IGNORE entry SET key = ?2, key_text = ?3 WHERE id = ?1";
        db.prepare_cached(sql)?.execute(params![entry.row, hash.0, key_text(key)])?;
    }
    set_aliases(db, source, entry.row, &known, &aliases)?;
    set_members(db, entry.row, &entry.sections)?;
    applied.sections.extend(entry.sections);
    applied.changed.push(EntryId(id));
    applied.slugs.extend(slug);
    Ok(())
}

fn withdraw(db: &Connection, row: i64, now: Time, applied: &mut Applied) -> Result<(), StoreError> {
    applied.sections.extend(sections_of(db, row)?);
    let sql = "UPDATE entry SET withdrawn = ?2 WHERE id = ?1 AND withdrawn IS NULL RETURNING published_id, slug";
    let left = db
        .prepare_cached(sql)?
        .query_row(params![row, now.timestamp()], |row| Ok(Withdrawn { id: EntryId(row.get(0)?), slug: row.get(1)? }))
        .optional()?;
    if let Some(left) = &left {
        let text: String =
            db.prepare_cached("SELECT sections FROM entry WHERE id = ?1")?.query_row([row], |row| row.get(0))?;
        let sql = "INSERT OR REPLACE INTO tombstone (section, published_id, withdrawn) VALUES (?1, ?2, ?3)";
        for section in section_rows(&text) {
            db.prepare_cached(sql)?.execute(params![section, left.id.0, now.timestamp()])?;
        }
    }
    set_members(db, row, &[])?;
    applied.withdrawn.extend(left);
    Ok(())
}

/// The native id where it may be published and is free, else a name-based UUID of source and key (RFC 9562 §5.5).
fn published_id(db: &Connection, key: KeyHash, native: Option<String>, lookup: &Lookup) -> Result<String, StoreError> {
    let mut taken = db.prepare_cached("SELECT 1 FROM entry WHERE published_id = ?1")?;
    if let Some(native) = native
        && !taken.exists([&native])?
    {
        return Ok(native);
    }
    let mut round = 0_u32;
    loop {
        let name = format!("entry:{}\n{:032x}\n{round}", lookup.feed, u128::from_be_bytes(key.0));
        let made = Uuid::new_v5(&lookup.namespace, name.as_bytes()).urn().to_string();
        // A source whose key moved to another entry may offer the old name again.
        if !taken.exists([&made])? {
            return Ok(made);
        }
        round += 1;
    }
}

/// The wished slug, or with the smallest number that makes it unique.
fn free_slug(db: &Connection, wish: String, key: KeyHash) -> Result<String, StoreError> {
    let mut taken = db.prepare_cached("SELECT 1 FROM entry WHERE slug = ?1")?;
    if !taken.exists([&wish])? {
        return Ok(wish);
    }
    for number in 2..100 {
        let slug = format!("{wish}-{number}");
        if !taken.exists([&slug])? {
            return Ok(slug);
        }
    }
    Ok(format!("{wish}-{:032x}", u128::from_be_bytes(key.0)))
}

/// Keys in words are for people: a hostile one is cut.
fn key_text(key: &Key) -> String {
    let text = key.to_string();
    match key {
        Key::File(_) => text,
        _ => text.chars().take(500).collect(),
    }
}

/// Keys under which an entry was ever known; a source that invents new ones for ever is remembered by the newest.
const MOST_ALIASES: usize = 16;

/// The newest entry with an alias owns it: its text is the one that is compared.
fn set_aliases(db: &Connection, source: i64, row: i64, known: &[u8], aliases: &[KeyHash]) -> Result<(), StoreError> {
    let mut all: Vec<&[u8]> = known.chunks_exact(16).collect();
    let fresh: Vec<&[u8]> = aliases.iter().map(|alias| &alias.0[..]).filter(|alias| !all.contains(alias)).collect();
    if fresh.is_empty() {
        return Ok(());
    }
    add_aliases(db, source, row, fresh.iter().copied())?;
    all.extend(fresh);
    let forgotten = all.len().saturating_sub(MOST_ALIASES);
    let mut statement = db.prepare_cached("DELETE FROM alias WHERE source = ?1 AND hash = ?2 AND entry = ?3")?;
    for alias in all.drain(..forgotten) {
        statement.execute(params![source, alias, row])?;
    }
    db.prepare_cached("UPDATE entry SET aliases = ?2 WHERE id = ?1")?.execute(params![row, all.concat()])?;
    Ok(())
}

fn add_aliases<'a>(
    db: &Connection,
    source: i64,
    row: i64,
    aliases: impl Iterator<Item = &'a [u8]>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO alias (source, hash, entry) VALUES (?1, ?2, ?3)
        ON CONFLICT (source, hash) DO UPDATE SET entry = excluded.entry";
    let mut statement = db.prepare_cached(sql)?;
    for alias in aliases {
        statement.execute(params![source, alias, row])?;
    }
    Ok(())
}

fn add_members(db: &Connection, row: i64, effective: i64, sections: &[i64]) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO member (section, effective, entry) VALUES (?1, ?2, ?3)";
    let mut statement = db.prepare_cached(sql)?;
    for section in sections {
        statement.execute([*section, effective, row])?;
    }
    Ok(())
}

fn joined(rows: &[i64]) -> String {
    rows.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
}

/// Let an entry stand in these sections and no others.
pub(super) fn set_members(db: &Connection, row: i64, sections: &[String]) -> Result<(), StoreError> {
    let sql = "SELECT effective, sections FROM entry WHERE id = ?1";
    let (effective, known): (i64, String) =
        db.prepare_cached(sql)?.query_row([row], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut wanted = Vec::with_capacity(sections.len());
    let mut statement = db.prepare_cached("SELECT id FROM section WHERE name = ?1")?;
    for section in sections {
        wanted.extend(statement.query_row([section], |row| row.get::<_, i64>(0)).optional()?);
    }
    wanted.sort_unstable();
    let known: Vec<i64> = section_rows(&known).collect();
    if known == wanted {
        return Ok(());
    }
    let mut statement = db.prepare_cached("DELETE FROM member WHERE section = ?1 AND effective = ?2 AND entry = ?3")?;
    for section in known.iter().filter(|section| !wanted.contains(section)) {
        statement.execute([*section, effective, row])?;
    }
    let new: Vec<i64> = wanted.iter().filter(|section| !known.contains(section)).copied().collect();
    add_members(db, row, effective, &new)?;
    db.prepare_cached("UPDATE entry SET sections = ?2 WHERE id = ?1")?.execute(params![row, joined(&wanted)])?;
    Ok(())
}

fn section_rows(text: &str) -> impl Iterator<Item = i64> + '_ {
    text.split(' ').filter_map(|row| row.parse().ok())
}

fn sections_of(db: &Connection, row: i64) -> Result<Vec<String>, StoreError> {
    let text: String =
        db.prepare_cached("SELECT sections FROM entry WHERE id = ?1")?.query_row([row], |row| row.get(0))?;
    section_names(db, section_rows(&text))
}

fn sections_of_source(db: &Connection, source: i64) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare_cached("SELECT DISTINCT sections FROM entry WHERE source = ?1")?;
    let texts: Vec<String> = statement.query_map([source], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let rows: BTreeSet<i64> = texts.iter().flat_map(|text| section_rows(text)).collect();
    section_names(db, rows.into_iter())
}

fn section_names(db: &Connection, rows: impl Iterator<Item = i64>) -> Result<Vec<String>, StoreError> {
    let mut statement = db.prepare_cached("SELECT name FROM section WHERE id = ?1")?;
    let mut names = Vec::new();
    for row in rows {
        names.extend(statement.query_row([row], |row| row.get::<_, String>(0)).optional()?);
    }
    names.sort();
    Ok(names)
}

fn write_files(db: &Connection, source: i64, files: &[FileRow], vanished: &[String]) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO file (source, path, size, modified, held, trouble, shows)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut statement = db.prepare_cached(sql)?;
    for file in files {
        let shows = serde_json::to_string(&file.shows).unwrap_or_default();
        let size = i64::try_from(file.size).unwrap_or(i64::MAX);
        let held = file.held.map(|held| held.timestamp());
        statement.execute(params![source, file.path, size, file.modified, held, file.trouble, shows])?;
    }
    let mut statement = db.prepare_cached("DELETE FROM file WHERE source = ?1 AND path = ?2")?;
    for path in vanished {
        statement.execute(params![source, path])?;
    }
    Ok(())
}

const STORED: &str =
    "SELECT e.id, e.published_id, s.name, e.first_seen, e.effective, e.updated, e.slug, e.key_text, e.withdrawn,
    e.data, s.feed_id, s.origin FROM entry e JOIN source s ON s.id = e.source";

fn window(db: &Connection, shown: Shown, count: usize) -> Result<Vec<Stored>, StoreError> {
    let count = i64::try_from(count.max(1)).unwrap_or(i64::MAX);
    let (row, oldest, entries) = match shown {
        Shown::Section(row) => (
            row,
            "SELECT effective FROM member WHERE section = ?1 ORDER BY effective DESC LIMIT 1 OFFSET ?2",
            format!(
                "{STORED} JOIN member m ON m.entry = e.id WHERE m.section = ?1 AND m.effective >= ?2
                ORDER BY m.effective DESC, m.entry DESC LIMIT ?3"
            ),
        ),
        Shown::Source(row) => (
            row,
            "SELECT effective FROM entry WHERE source = ?1 AND withdrawn IS NULL ORDER BY effective DESC LIMIT 1 OFFSET ?2",
            format!(
                "{STORED} WHERE e.source = ?1 AND e.withdrawn IS NULL AND e.effective >= ?2
                ORDER BY e.effective DESC, e.id DESC LIMIT ?3"
            ),
        ),
    };
    let oldest: Option<i64> =
        db.prepare_cached(oldest)?.query_row(params![row, count - 1], |row| row.get(0)).optional()?;
    let mut statement = db.prepare_cached(&entries)?;
    // So many may share one date; a window stays bounded whatever a source states.
    let most = count.saturating_mul(20);
    let rows = statement.query_map(params![row, oldest.unwrap_or(i64::MIN), most], |row| Ok(stored(row)))?;
    rows.map(|row| row?).collect()
}

fn one(db: &Connection, condition: &str, value: &str) -> Result<Option<Stored>, StoreError> {
    let sql = format!("{STORED} WHERE {condition}");
    let found = db.prepare_cached(&sql)?.query_row([value], |row| Ok(stored(row))).optional()?;
    let Some(mut found) = found.transpose()? else { return Ok(None) };
    found.sections = sections_of(db, found.row)?.into_iter().filter(|name| !name.is_empty()).collect();
    Ok(Some(found))
}

fn stored(row: &Row<'_>) -> Result<Stored, StoreError> {
    let source: String = row.get(2)?;
    let fallback = || Origin { title: source.clone(), ..Origin::default() };
    Ok(Stored {
        row: row.get(0)?,
        key_text: row.get(7)?,
        withdrawn: row.get::<_, Option<i64>>(8)?.map(time),
        origin: origin(row.get(10)?, row.get(11)?)?.unwrap_or_else(fallback),
        sections: Vec::new(),
        entry: Entry {
            id: EntryId(row.get(1)?),
            stated: decode(row.get_ref(9)?.as_blob().unwrap_or_default())?,
            first_seen: time(row.get(3)?),
            effective: time(row.get(4)?),
            updated: time(row.get(5)?),
            slug: row.get(6)?,
            source,
        },
    })
}

pub(super) fn time(seconds: i64) -> Time {
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// Texts shorter than this gain nothing from compression.
const WORTH_COMPRESSING: usize = 400;
/// No honest entry is larger: its texts are bounded when they are read.
const LARGEST: usize = 64 << 20;

thread_local! {
    // Making a context costs more than packing an entry with it.
    static PACKER: RefCell<zstd::bulk::Compressor<'static>> =
        RefCell::new(zstd::bulk::Compressor::new(3).unwrap_or_default());
    static UNPACKER: RefCell<zstd::bulk::Decompressor<'static>> =
        RefCell::new(zstd::bulk::Decompressor::new().unwrap_or_default());
}

fn encode(json: &[u8]) -> Result<Vec<u8>, StoreError> {
    let damaged =
        |cause: Box<dyn std::error::Error + Send + Sync>| StoreError::Damaged { what: "an entry to be written", cause };
    if json.len() >= WORTH_COMPRESSING {
        let packed = PACKER.with_borrow_mut(|packer| packer.compress(json)).map_err(|cause| damaged(cause.into()))?;
        if packed.len() + 5 < json.len() {
            let length = u32::try_from(json.len()).map_err(|cause| damaged(cause.into()))?;
            let mut data = Vec::with_capacity(packed.len() + 5);
            data.push(1);
            data.extend_from_slice(&length.to_le_bytes());
            data.extend_from_slice(&packed);
            return Ok(data);
        }
    }
    let mut data = Vec::with_capacity(json.len() + 1);
    data.push(0);
    data.extend_from_slice(json);
    Ok(data)
}

fn decode(data: &[u8]) -> Result<Stated, StoreError> {
    let damaged = |cause: Box<dyn std::error::Error + Send + Sync>| StoreError::Damaged { what: "an entry", cause };
    let stated = match data.split_first() {
        Some((0, json)) => serde_json::from_slice(json),
        Some((1, rest)) => {
            let (length, packed) = rest.split_first_chunk::<4>().ok_or_else(|| damaged("cut short".into()))?;
            let length = (u32::from_le_bytes(*length) as usize).min(LARGEST);
            let json = UNPACKER.with_borrow_mut(|unpacker| unpacker.decompress(packed, length));
            let json = json.map_err(|cause| damaged(cause.into()))?;
            serde_json::from_slice(&json)
        }
        _ => return Err(damaged("of no known kind".into())),
    };
    stated.map_err(|cause| damaged(cause.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Html;

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        for length in [0, 10, 5000] {
            let stated =
                Stated { title: "T".into(), content: Some(Html("<p>é</p>".repeat(length))), ..Stated::default() };
            assert_eq!(decode(&encode(&serde_json::to_vec(&stated).unwrap()).unwrap()).unwrap(), stated);
        }
        assert!(decode(&[]).is_err());
        assert!(decode(&[1, 255, 255, 255, 255, 0]).is_err());
    }
}
