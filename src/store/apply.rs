//! One refresh, written whole or not at all.

use std::collections::BTreeSet;
use std::sync::Mutex;

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::aliases::{Aliases, set_aliases, share_link};
use super::copies::{self, Moment};
use super::files::write_files;
use super::full_text::want_pages;
use super::hits::count_hits;
use super::ids::{Lookup, choose_feed_id, free_slug, key_text};
use super::members::{Members, joined, sections_of, sections_of_source, set_members};
use super::pack::encode;
use super::sources::{Written, write_state};
use super::stories::{self, Held, Newcomer, story_of};
use super::{FileRow, SourceState, Store, StoreError, Withdrawn, archives};
use crate::changes::{self, ChangedEntry, Changes, NewEntry};
use crate::model::{EntryId, Origin, Time};
use crate::normalize::identity::KeyHash;

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
    /// Pages of new and rewritten entries that are to be read for their full texts, at most.
    pub pages: usize,
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
    /// A first fetch or a mass change of ids: shown, but announced to nobody.
    pub flood: bool,
    /// When the first of the stories that wait for better copies is to be chosen.
    pub settles: Option<Time>,
}

impl Store {
    /// Write one refresh.
    pub async fn apply_refresh(&self, refresh: Refresh) -> Result<Applied, StoreError> {
        let index = self.stories().clone();
        if refresh.files.is_empty() && refresh.vanished.is_empty() {
            self.write_patiently(move |db| apply(db, &index, &refresh)).await
        } else {
            // Somebody has just saved an article.
            self.write(move |db| apply(db, &index, &refresh)).await
        }
    }
}

fn apply(db: &Connection, index: &Mutex<Held>, refresh: &Refresh) -> Result<Applied, StoreError> {
    let Refresh { source, now, changes, pages, .. } = refresh;
    let (source, now) = (*source, *now);
    let rewritten = changes.changed.iter().filter(|entry| entry.significant && !entry.barred).map(|entry| entry.row);
    let rewritten: Vec<i64> = rewritten.collect();
    let mut applied = Applied { flood: changes.flood, ..Applied::default() };
    if let Some(origin) = &refresh.origin {
        choose_feed_id(db, source, refresh.feed_id.as_deref())?;
        if write_origin(db, source, origin.clone(), changes.is_told(), now)? {
            // atom:source of every entry of it says something else now.
            applied.sections.extend(sections_of_source(db, source)?);
        }
    }
    for hash in &changes.shared {
        share_link(db, source, *hash)?;
    }
    if !changes.new.is_empty() {
        let mut arrivals = Arrivals::new(db, index, Arrival { source, now })?;
        for entry in &changes.new {
            arrivals.insert(entry, &mut applied)?;
        }
    }
    // Before the changed ones are compared with others, which is not to go by what their pages said before.
    if *pages > 0 {
        want_pages(db, source, &rewritten, *pages, now)?;
    }
    for entry in &changes.changed {
        update(db, index, Arrival { source, now }, entry, &mut applied)?;
    }
    for row in &changes.withdrawn {
        withdraw(db, *row, now, &mut applied)?;
    }
    for hash in &changes.still_gone {
        let sql = "INSERT OR REPLACE INTO gone (source, hash, carried) VALUES (?1, ?2, ?3)";
        db.prepare_cached(sql)?.execute(params![source, hash.0, now.timestamp()])?;
    }
    count_hits(db, &changes.hits, now)?;
    write_files(db, source, &refresh.files, &refresh.vanished)?;
    write_state(db, source, &Written::of(&refresh.state)?, Some(now))?;
    Ok(applied)
}

/// The feed's metadata; did it change?
fn write_origin(db: &Connection, source: i64, origin: Origin, told: bool, now: Time) -> Result<bool, StoreError> {
    let damaged =
        |cause: serde_json::Error| StoreError::Damaged { what: "the metadata of a feed", cause: cause.into() };
    let known: Option<String> =
        db.prepare_cached("SELECT origin FROM source WHERE id = ?1")?.query_row([source], |row| row.get(0))?;
    let known: Option<Origin> = known.map(|json| serde_json::from_str(&json)).transpose().map_err(damaged)?;
    let origin = changes::origin(known.as_ref(), origin, told, now);
    if known.as_ref() == Some(&origin) {
        return Ok(false);
    }
    let json = serde_json::to_string(&origin).map_err(damaged)?;
    db.prepare_cached("UPDATE source SET origin = ?2 WHERE id = ?1")?.execute(params![source, json])?;
    Ok(true)
}

/// From where and when something comes.
#[derive(Clone, Copy)]
struct Arrival {
    source: i64,
    now: Time,
}

/// New entries of one refresh: what each of them needs is looked up and prepared once.
struct Arrivals<'db> {
    db: &'db Connection,
    index: &'db Mutex<Held>,
    arrival: Arrival,
    lookup: Lookup,
    entry: CachedStatement<'db>,
    aliases: Aliases<'db>,
    members: Members<'db>,
}

impl<'db> Arrivals<'db> {
    fn new(db: &'db Connection, index: &'db Mutex<Held>, arrival: Arrival) -> Result<Arrivals<'db>, StoreError> {
        let sql = "INSERT INTO entry
            (id, source, key, key_text, published_id, slug, first_seen, effective, updated, print, data, aliases, sections)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
            ON CONFLICT (published_id) DO NOTHING";
        Ok(Arrivals {
            db,
            index,
            arrival,
            lookup: Lookup::new(db, arrival.source)?,
            entry: db.prepare_cached(sql)?,
            aliases: Aliases::of(db, arrival.source)?,
            members: Members::of(db)?,
        })
    }

    fn insert(&mut self, entry: &NewEntry, applied: &mut Applied) -> Result<(), StoreError> {
        let Arrivals { db, arrival: Arrival { source, now }, lookup, .. } = self;
        let (db, source, now) = (*db, *source, *now);
        let row = lookup.next_row;
        let key = entry.key.hash();
        let slug = entry.slug.as_deref().map(|slug| free_slug(db, slug, key)).transpose()?;
        let aliases: Vec<u8> = entry.aliases.iter().flat_map(|alias| alias.0).collect();
        let mut sections: Vec<i64> =
            entry.sections.iter().filter_map(|name| lookup.sections.get(name).copied()).collect();
        sections.sort_unstable();
        let key_text = key_text(&entry.key);
        let data = encode(&entry.json)?;
        let joined = joined(&sections);
        let mut put = |id: &str| {
            self.entry.execute(params![
                row,
                source,
                key.0,
                key_text,
                id,
                slug,
                now.timestamp(),
                entry.effective.timestamp(),
                entry.updated.timestamp(),
                entry.print,
                data,
                aliases,
                joined,
            ])
        };
        let mut id = lookup.wished_id(db, source, key, entry.publishable.as_deref())?;
        if put(&id)? == 0 {
            id = lookup.free_id(db, key)?;
            put(&id)?;
        }
        lookup.next_row += 1;
        self.aliases.add(row, aliases.chunks_exact(16))?;
        let newcomer = Newcomer {
            row,
            source,
            seen: now,
            clues: &entry.clues,
            taken_id: entry.publishable.as_deref().filter(|native| *native != id),
            stated: &entry.stated,
        };
        let story = stories::join(db, self.index, &newcomer)?;
        self.members.add(row, source, entry.effective.timestamp(), &sections, story.is_some())?;
        if story.is_some() || lookup.settles {
            let waits = copies::entered(db, row, story, &sections, lookup.local, Moment::At(now))?;
            applied.settles = applied.settles.into_iter().chain(waits).min();
        }
        for name in &entry.sections {
            if !applied.sections.contains(name) {
                applied.sections.insert(name.clone());
            }
        }
        applied.new.push(EntryId(id));
        applied.slugs.extend(slug);
        applied.slugs.extend(copies::pages(db, story)?);
        Ok(())
    }
}

fn update(
    db: &Connection,
    index: &Mutex<Held>,
    Arrival { source, now }: Arrival,
    entry: &ChangedEntry,
    applied: &mut Applied,
) -> Result<(), StoreError> {
    let mut aliases = entry.aliases.clone();
    if let Some(key) = &entry.key {
        // The key it had stays known as an alias: a source may go back.
        let sql = "SELECT key FROM entry WHERE id = ?1";
        aliases.push(KeyHash(db.prepare_cached(sql)?.query_row([entry.row], |row| row.get(0))?));
        let sql = "UPDATE OR IGNORE entry SET key = ?2, key_text = ?3 WHERE id = ?1";
        db.prepare_cached(sql)?.execute(params![entry.row, key.hash().0, key_text(key)])?;
    }
    set_aliases(db, source, entry.row, &aliases)?;
    applied.sections.extend(sections_of(db, entry.row)?);
    // It may have been withdrawn by hand since it was compared.
    let sql =
        "UPDATE entry SET updated = ?2, silent = ?3, withdrawn = iif(barred, withdrawn, NULL), print = ?4, data = ?5
        WHERE id = ?1 RETURNING published_id, slug, barred";
    let data = encode(&entry.json)?;
    let values = params![entry.row, entry.updated.timestamp(), entry.silent, entry.print, data];
    let (id, slug, barred): (String, Option<String>, bool) =
        db.prepare_cached(sql)?.query_row(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    if barred || entry.barred {
        return Ok(());
    }
    db.prepare_cached("DELETE FROM tombstone WHERE published_id = ?1")?.execute([&id])?;
    applied.slugs.extend(copies::pages(db, story_of(db, entry.row)?)?);
    let edit = stories::Edit { stated: &entry.stated, clues: &entry.clues, significant: entry.significant };
    let due = stories::changed(db, index, entry.row, &edit, now)?;
    applied.settles = applied.settles.into_iter().chain(due).min();
    let waits = set_members(db, entry.row, &entry.sections, Moment::At(now))?;
    applied.settles = applied.settles.into_iter().chain(waits).min();
    archives::corrected_now(db, entry.row, entry.significant, now)?;
    applied.sections.extend(entry.sections.iter().cloned());
    applied.changed.push(EntryId(id));
    applied.slugs.extend(slug);
    applied.slugs.extend(copies::pages(db, story_of(db, entry.row)?)?);
    Ok(())
}

pub(super) fn withdraw(db: &Connection, row: i64, now: Time, applied: &mut Applied) -> Result<(), StoreError> {
    applied.sections.extend(sections_of(db, row)?);
    let sql = "UPDATE entry SET withdrawn = ?2 WHERE id = ?1 AND withdrawn IS NULL RETURNING published_id, slug";
    let left = db
        .prepare_cached(sql)?
        .query_row(params![row, now.timestamp()], |row| Ok(Withdrawn { id: EntryId(row.get(0)?), slug: row.get(1)? }))
        .optional()?;
    if let Some(left) = &left {
        let sql = "INSERT OR REPLACE INTO tombstone (section, published_id, withdrawn) VALUES (?1, ?2, ?3)";
        // A copy that another one stood for was never published there.
        for section in copies::shown_in(db, row)? {
            db.prepare_cached(sql)?.execute(params![section, left.id.0, now.timestamp()])?;
        }
    }
    applied.slugs.extend(copies::pages(db, story_of(db, row)?)?);
    set_members(db, row, &[], Moment::At(now))?;
    applied.withdrawn.extend(left);
    Ok(())
}
