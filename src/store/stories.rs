//! Stories: which entries are one story. Looked for in the transaction that brings or changes an entry, so that two
//! sources with one story cannot miss each other. What is alike says `duplicates`; here stand only the rows. A story is
//! known by its first member: the others name its row.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::copies::{self, Moment, leave};
use super::pack::decode;
use super::{Store, StoreError, time};
use crate::duplicates::{self, Clues, Index, Text, WINDOW_HOURS};
use crate::model::{Html, Stated, Time};
use crate::normalize::full_text;

/// Changes when copies are found in another way: then every stored entry is looked at again.
const VERSION: &str = "1";
/// Changes when anchors are made in another way: then those of the last days are made anew.
const ANCHORS: &str = "2";

/// The index of texts, as far as it has been needed.
#[derive(Default)]
pub(super) struct Held {
    index: Index,
    loaded: bool,
    /// When old texts were last let go.
    forgot: Option<Time>,
    /// Texts that were compared lately, by row and print: a story that spreads is compared again and again.
    texts: HashMap<(i64, Vec<u8>), Text>,
}

/// A text takes up to 100 KB.
const MOST_TEXTS: usize = 64;

/// Shared with the writing thread.
pub(super) type SharedIndex = Arc<Mutex<Held>>;

/// An entry that has just been stored.
pub(super) struct Newcomer<'a> {
    pub row: i64,
    pub source: i64,
    pub seen: Time,
    pub clues: &'a Clues,
    /// Its native id, where another entry is published under it.
    pub taken_id: Option<&'a str>,
    pub stated: &'a Stated,
}

impl Store {
    /// Find the copies among entries that an earlier version stored without looking for them.
    pub async fn find_stories(&self) -> Result<(), StoreError> {
        self.renew_anchors().await?;
        if self.meta("stories").await?.as_deref() == Some(VERSION) {
            return Ok(());
        }
        let mut after = 0;
        loop {
            let index = self.stories().clone();
            match self.write(move |db| find_stories(db, &index, after)).await? {
                Some(last) => after = last,
                None => break,
            }
        }
        self.merge_anew().await?;
        self.choose_again().await?;
        self.set_meta("stories", VERSION.to_owned()).await
    }
}

impl Store {
    /// Texts that an earlier version stored stay comparable with those that come.
    async fn renew_anchors(&self) -> Result<(), StoreError> {
        if self.meta("anchors").await?.as_deref() == Some(ANCHORS) {
            return Ok(());
        }
        let mut after = 0;
        while let Some(last) = self.write(move |db| renew_anchors(db, after)).await? {
            after = last;
        }
        self.set_meta("anchors", ANCHORS.to_owned()).await
    }
}

fn renew_anchors(db: &Connection, after: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT e.id, e.data, p.data
        FROM story_text t JOIN entry e ON e.id = t.entry LEFT JOIN page p ON p.entry = e.id
        WHERE t.entry > ?1 ORDER BY t.entry LIMIT 500";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([after])?;
    let mut renew = db.prepare_cached("UPDATE story_text SET anchors = ?2 WHERE entry = ?1")?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let (_, clues) = compared(row.get_ref(1)?, row.get_ref(2)?)?;
        let row: i64 = row.get(0)?;
        renew.execute(params![row, bytes_of(&clues.anchors)])?;
        last = Some(row);
    }
    Ok(last)
}

/// A stored entry as it is compared: with the text of its page where its own is too short.
fn compared(data: ValueRef<'_>, page: ValueRef<'_>) -> Result<(Stated, Clues), StoreError> {
    let stated = decode(data.as_blob().unwrap_or_default())?;
    let clues = Clues::of(&stated);
    let page = page_text(page)?;
    let longer = page.and_then(|page| lengthened(&stated, &clues, &page));
    Ok(longer.unwrap_or((stated, clues)))
}

fn bytes_of(anchors: &[u32]) -> Vec<u8> {
    anchors.iter().flat_map(|anchor| anchor.to_le_bytes()).collect()
}

/// Look for the story of a new entry: the row of its first member, or `None` where it begins one.
pub(super) fn join(db: &Connection, index: &Mutex<Held>, newcomer: &Newcomer<'_>) -> Result<Option<i64>, StoreError> {
    let found = match by_link(db, newcomer)? {
        Some(first) => Some(first),
        None => match by_id(db, newcomer)? {
            Some(first) => Some(first),
            None => by_text(db, index, newcomer)?,
        },
    };
    match found {
        Some(first) => {
            db.prepare_cached("UPDATE entry SET story = ?2 WHERE id = ?1")?.execute([newcomer.row, first])?;
        }
        None => remember(db, index, newcomer.row, newcomer.seen, &newcomer.clues.anchors)?,
    }
    Ok(found)
}

/// An entry as it reads after a change.
pub(super) struct Edit<'a> {
    pub stated: &'a Stated,
    pub clues: &'a Clues,
    pub significant: bool,
}

/// What a changed text means for its story: a copy that says something else now stands for itself, and one that was too
/// short to be compared is looked for. Returns until when a section waits for better copies of it, if one does.
pub(super) fn changed(
    db: &Connection,
    index: &Mutex<Held>,
    row: i64,
    edit: &Edit<'_>,
    now: Time,
) -> Result<Option<Time>, StoreError> {
    let Some(own) = other(db, row)? else { return Ok(None) };
    let with_page = own.page.as_ref().and_then(|page| lengthened(edit.stated, edit.clues, page));
    let (stated, clues) = with_page.as_ref().map_or((edit.stated, edit.clues), |(stated, clues)| (stated, clues));
    if let Some(link) = clues.link {
        let sql = "INSERT INTO story_link (hash, entry) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        db.prepare_cached(sql)?.execute([link, row])?;
    }
    let Some(story) = own.story else {
        let due = if edit.significant { part(db, index, &own, stated, clues, now)? } else { None };
        if now - own.first_seen > TimeDelta::hours(WINDOW_HOURS) {
            return Ok(due);
        }
        if edit.significant && !was_compared(db, row)? {
            let source = own.source;
            let newcomer = Newcomer { row, source, seen: own.first_seen, clues, taken_id: None, stated };
            if let Some(first) = by_text(db, index, &newcomer)? {
                db.prepare_cached("UPDATE entry SET story = ?2 WHERE id = ?1")?.execute([row, first])?;
                return copies::joined(db, row, first, Moment::At(now));
            }
        }
        remember(db, index, row, own.first_seen, &clues.anchors)?;
        return Ok(due);
    };
    let Some(first) = other(db, story)? else { return Ok(None) };
    let stays = first.id == own.native || duplicates::same_words(stated, &first.compared());
    if stays || shares_link(db, row, story, clues)? {
        return Ok(None);
    }
    db.prepare_cached("UPDATE entry SET story = NULL WHERE id = ?1")?.execute([row])?;
    let due = leave(db, row, own.effective, story, Moment::At(now))?;
    remember(db, index, row, own.first_seen, &clues.anchors)?;
    Ok(due)
}

/// The first member of a story tells another one now: the next becomes the first of those that go on telling the old one.
fn part(
    db: &Connection,
    index: &Mutex<Held>,
    own: &Other,
    stated: &Stated,
    clues: &Clues,
    now: Time,
) -> Result<Option<Time>, StoreError> {
    let sql = "SELECT min(id) FROM entry WHERE story = ?1 AND withdrawn IS NULL";
    let heir: Option<i64> = db.prepare_cached(sql)?.query_row([own.row], |row| row.get(0))?;
    let Some(heir) = heir.map(|heir| other(db, heir)).transpose()?.flatten() else { return Ok(None) };
    let same_link = clues.link.is_some() && clues.link == duplicates::link(&heir.stated);
    if heir.native == own.id || same_link || duplicates::same_words(stated, &heir.compared()) {
        return Ok(None);
    }
    inherit(db, own.row, heir.row)?;
    if now - heir.first_seen <= TimeDelta::hours(WINDOW_HOURS) {
        remember(db, index, heir.row, heir.first_seen, &Clues::of(&heir.compared()).anchors)?;
    }
    leave(db, own.row, own.effective, heir.row, Moment::At(now))
}

/// A story that had this first member has another one.
fn inherit(db: &Connection, row: i64, heir: i64) -> Result<(), StoreError> {
    db.prepare_cached("UPDATE entry SET story = ?2 WHERE story = ?1")?.execute([row, heir])?;
    db.prepare_cached("UPDATE entry SET story = NULL WHERE id = ?1")?.execute([heir])?;
    db.prepare_cached("UPDATE OR IGNORE settling SET story = ?2 WHERE story = ?1")?.execute([row, heir])?;
    db.prepare_cached("DELETE FROM settling WHERE story = ?1")?.execute([row])?;
    Ok(())
}

/// The page of an entry was read: a teaser that was too short to be compared is compared by what stands there.
pub(super) fn page_read(db: &Connection, index: &Mutex<Held>, row: i64, now: Time) -> Result<Option<Time>, StoreError> {
    let Some(own) = other(db, row)? else { return Ok(None) };
    let clues = Clues::of(&own.stated);
    if own.withdrawn || !clues.anchors.is_empty() {
        return Ok(None);
    }
    changed(db, index, row, &Edit { stated: &own.stated, clues: &clues, significant: true }, now)
}

/// An entry with the text of its page, where its own is too short to be told from others.
fn lengthened(stated: &Stated, clues: &Clues, page: &Html) -> Option<(Stated, Clues)> {
    if !clues.anchors.is_empty() {
        return None;
    }
    let mut stated = stated.clone();
    full_text::put(&mut stated, page.clone());
    let clues = Clues::of(&stated);
    Some((stated, clues))
}

/// Its text was looked for already, or others have joined it: two stories never become one.
fn was_compared(db: &Connection, row: i64) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM story_text WHERE entry = ?1 UNION ALL SELECT 1 FROM entry WHERE story = ?1";
    Ok(db.prepare_cached(sql)?.exists([row])?)
}

/// Did another member of the story come first with this link?
fn shares_link(db: &Connection, row: i64, story: i64, clues: &Clues) -> Result<bool, StoreError> {
    let sql = "SELECT e.id FROM story_link l JOIN entry e ON e.id = l.entry
        WHERE l.hash = ?1 AND e.id <> ?2 AND (e.id = ?3 OR e.story = ?3)";
    Ok(clues.link.is_some() && db.prepare_cached(sql)?.exists(params![clues.link, row, story])?)
}

/// Row of the first member of an entry's story, if the story has more than one.
pub(super) fn story_of(db: &Connection, row: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT coalesce(story, CASE WHEN EXISTS (SELECT 1 FROM entry c WHERE c.story = e.id) THEN e.id END)
        FROM entry e WHERE id = ?1";
    Ok(db.prepare_cached(sql)?.query_row([row], |row| row.get(0)).optional()?.flatten())
}

/// An entry is about to be removed for good: another member becomes the first of its story.
pub(super) fn forget(db: &Connection, row: i64) -> Result<(), StoreError> {
    let sql = "SELECT min(id) FROM entry WHERE story = ?1";
    let heir: Option<i64> = db.prepare_cached(sql)?.query_row([row], |row| row.get(0))?;
    match heir {
        Some(heir) => inherit(db, row, heir)?,
        None => drop(db.prepare_cached("DELETE FROM settling WHERE story = ?1")?.execute([row])?),
    }
    db.prepare_cached("DELETE FROM story_text WHERE entry = ?1")?.execute([row])?;
    if let Some(own) = other(db, row)?
        && let Some(link) = duplicates::link(&own.stated)
    {
        let sql = "DELETE FROM story_link WHERE hash = ?1 AND entry = ?2";
        db.prepare_cached(sql)?.execute([link, row])?;
    }
    Ok(())
}

fn find_stories(db: &Connection, index: &Mutex<Held>, after: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT e.id, e.source, e.first_seen, e.data, p.data FROM entry e LEFT JOIN page p ON p.entry = e.id
        WHERE e.id > ?1 AND e.story IS NULL ORDER BY e.id LIMIT 500";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([after])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let (stated, clues) = compared(row.get_ref(3)?, row.get_ref(4)?)?;
        let (row, source, seen) = (row.get(0)?, row.get(1)?, time(row.get(2)?));
        join(db, index, &Newcomer { row, source, seen, clues: &clues, taken_id: None, stated: &stated })?;
        last = Some(row);
    }
    Ok(last)
}

/// Another entry, as far as a comparison needs it.
pub(super) struct Other {
    row: i64,
    source: i64,
    story: Option<i64>,
    id: String,
    /// Its key in words, without its kind: where it is an id, the native one.
    native: String,
    first_seen: Time,
    effective: i64,
    withdrawn: bool,
    /// As its source says it.
    stated: Stated,
    /// The text of its page.
    page: Option<Html>,
}

impl Other {
    /// As it is compared: with the text of its page where its own is too short.
    fn compared(&self) -> Cow<'_, Stated> {
        let longer = self.page.as_ref().and_then(|page| lengthened(&self.stated, &Clues::of(&self.stated), page));
        longer.map_or(Cow::Borrowed(&self.stated), |(stated, _)| Cow::Owned(stated))
    }

    /// As it is published: with the text of its page.
    pub fn shown(mut self) -> Stated {
        if let Some(page) = self.page {
            full_text::put(&mut self.stated, page);
        }
        self.stated
    }
}

const OTHER: &str =
    "SELECT e.id, e.source, e.story, e.published_id, e.key_text, e.first_seen, e.effective, e.withdrawn IS NOT NULL, e.data,
    p.data FROM entry e LEFT JOIN page p ON p.entry = e.id";

pub(super) fn other(db: &Connection, row: i64) -> Result<Option<Other>, StoreError> {
    let sql = format!("{OTHER} WHERE e.id = ?1");
    db.prepare_cached(&sql)?.query_row([row], |row| Ok(read_other(row))).optional()?.transpose()
}

fn read_other(row: &Row<'_>) -> Result<Other, StoreError> {
    let key: String = row.get(4)?;
    Ok(Other {
        row: row.get(0)?,
        source: row.get(1)?,
        story: row.get(2)?,
        id: row.get(3)?,
        native: key.strip_prefix("id ").unwrap_or_default().to_owned(),
        first_seen: time(row.get(5)?),
        effective: row.get(6)?,
        withdrawn: row.get(7)?,
        stated: decode(row.get_ref(8)?.as_blob().unwrap_or_default())?,
        page: page_text(row.get_ref(9)?)?,
    })
}

fn page_text(packed: ValueRef<'_>) -> Result<Option<Html>, StoreError> {
    let page = packed.as_blob_or_null().unwrap_or_default().map(decode).transpose()?;
    Ok(page.and_then(|page| page.content))
}

/// The story of the entry that came first with this link.
fn by_link(db: &Connection, newcomer: &Newcomer<'_>) -> Result<Option<i64>, StoreError> {
    let Some(link) = newcomer.clues.link else { return Ok(None) };
    let sql = "INSERT INTO story_link (hash, entry) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    if db.prepare_cached(sql)?.execute([link, newcomer.row])? > 0 {
        return Ok(None);
    }
    let sql = "SELECT entry FROM story_link WHERE hash = ?1";
    let holder: Option<i64> = db.prepare_cached(sql)?.query_row([link], |row| row.get(0)).optional()?;
    let take = |row: i64| -> Result<Option<i64>, StoreError> {
        let sql = "INSERT OR REPLACE INTO story_link (hash, entry) VALUES (?1, ?2)";
        db.prepare_cached(sql)?.execute([link, row])?;
        Ok(None)
    };
    match holder {
        None => take(newcomer.row),
        Some(NOBODY) => Ok(None),
        Some(holder) => match other(db, holder)? {
            // Who held it has another link now.
            Some(other) if duplicates::link(&other.stated) != Some(link) => take(newcomer.row),
            Some(other) if other.source == newcomer.source && other.withdrawn => take(newcomer.row),
            // A page that is linked every day.
            Some(other) if other.source == newcomer.source => take(NOBODY),
            Some(other) => free_of(db, other.story.unwrap_or(other.row), newcomer.source),
            None => take(newcomer.row),
        },
    }
}

/// In the place of an entry: the link names none.
const NOBODY: i64 = 0;

/// The story of the entry that is published under this one's native id, if link or text agree: ids can be stolen.
fn by_id(db: &Connection, newcomer: &Newcomer<'_>) -> Result<Option<i64>, StoreError> {
    let Some(id) = newcomer.taken_id else { return Ok(None) };
    let sql = format!("{OTHER} WHERE e.published_id = ?1");
    let holder = db.prepare_cached(&sql)?.query_row([id], |row| Ok(read_other(row))).optional()?.transpose()?;
    let Some(holder) = holder.filter(|holder| holder.source != newcomer.source) else { return Ok(None) };
    let same_link = newcomer.clues.link.is_some() && newcomer.clues.link == duplicates::link(&holder.stated);
    if !same_link && !duplicates::same_words(newcomer.stated, &holder.compared()) {
        return Ok(None);
    }
    free_of(db, holder.story.unwrap_or(holder.row), newcomer.source)
}

/// The story whose first member has the same text, if both were first seen within the window.
fn by_text(db: &Connection, index: &Mutex<Held>, newcomer: &Newcomer<'_>) -> Result<Option<i64>, StoreError> {
    if newcomer.clues.anchors.is_empty() {
        return Ok(None);
    }
    let mut held = index.lock().unwrap_or_else(PoisonError::into_inner);
    held.load(db, newcomer.seen)?;
    let mut own: Option<Text> = None;
    for row in held.index.candidates(newcomer.seen, &newcomer.clues.anchors) {
        let Some(candidate) = candidate(db, row)? else { continue };
        let apart = (newcomer.seen - candidate.first_seen).abs() > TimeDelta::hours(WINDOW_HOURS);
        if candidate.story.is_some() || candidate.source == newcomer.source || row == newcomer.row || apart {
            continue;
        }
        let own = own.get_or_insert_with(|| duplicates::text(newcomer.stated));
        let Some(text) = held.text(db, row, candidate.print)? else { continue };
        if own.likeness(text).is_some()
            && let Some(first) = free_of(db, row, newcomer.source)?
        {
            return Ok(Some(first));
        }
    }
    Ok(None)
}

/// Who may be alike, without the text.
struct Candidate {
    source: i64,
    story: Option<i64>,
    first_seen: Time,
    /// Of itself and its page. Another one: another text.
    print: Vec<u8>,
}

fn candidate(db: &Connection, row: i64) -> Result<Option<Candidate>, StoreError> {
    let sql = "SELECT e.source, e.story, e.first_seen, e.print, p.print
        FROM entry e LEFT JOIN page p ON p.entry = e.id WHERE e.id = ?1";
    let read = |row: &Row<'_>| {
        let (own, page) = (row.get_ref(3)?.as_blob()?, row.get_ref(4)?.as_blob_or_null()?);
        let print = [own, page.unwrap_or_default()].concat();
        Ok(Candidate { source: row.get(0)?, story: row.get(1)?, first_seen: time(row.get(2)?), print })
    };
    Ok(db.prepare_cached(sql)?.query_row([row], read).optional()?)
}

/// The story, unless the source says it already: what it says twice it means twice.
fn free_of(db: &Connection, first: i64, source: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT 1 FROM entry WHERE id = ?1 AND source = ?2 AND withdrawn IS NULL
        UNION ALL SELECT 1 FROM entry WHERE story = ?1 AND source = ?2 AND withdrawn IS NULL LIMIT 1";
    Ok((!db.prepare_cached(sql)?.exists([first, source])?).then_some(first))
}

/// Keep the text of the first member of a story for the window.
fn remember(db: &Connection, index: &Mutex<Held>, row: i64, seen: Time, anchors: &[u32]) -> Result<(), StoreError> {
    if anchors.is_empty() {
        return Ok(());
    }
    let mut held = index.lock().unwrap_or_else(PoisonError::into_inner);
    held.load(db, seen)?;
    held.forget(db, seen)?;
    let sql = "INSERT OR REPLACE INTO story_text (entry, seen, anchors) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![row, seen.timestamp(), bytes_of(anchors)])?;
    held.index.insert(seen, row, anchors);
    Ok(())
}

impl Held {
    fn text(&mut self, db: &Connection, row: i64, print: Vec<u8>) -> Result<Option<&Text>, StoreError> {
        let key = (row, print);
        if !self.texts.contains_key(&key) {
            let Some(other) = other(db, row)? else { return Ok(None) };
            if self.texts.len() >= MOST_TEXTS {
                self.texts.clear();
            }
            self.texts.insert(key.clone(), duplicates::text(&other.compared()));
        }
        Ok(self.texts.get(&key))
    }

    /// Once after a start.
    fn load(&mut self, db: &Connection, now: Time) -> Result<(), StoreError> {
        if self.loaded {
            return Ok(());
        }
        let oldest = now - TimeDelta::hours(WINDOW_HOURS);
        let mut statement = db.prepare("SELECT entry, seen, anchors FROM story_text WHERE seen >= ?1")?;
        let mut rows = statement.query([oldest.timestamp()])?;
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(2)?.as_blob().unwrap_or_default();
            let anchors: Vec<u32> = bytes.as_chunks().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect();
            self.index.insert(time(row.get(1)?), row.get(0)?, &anchors);
        }
        self.loaded = true;
        Ok(())
    }

    /// Once an hour.
    fn forget(&mut self, db: &Connection, now: Time) -> Result<(), StoreError> {
        if self.forgot.is_some_and(|last| (now - last).abs() < TimeDelta::hours(1)) {
            return Ok(());
        }
        let oldest = now - TimeDelta::hours(WINDOW_HOURS);
        db.prepare_cached("DELETE FROM story_text WHERE seen < ?1")?.execute([oldest.timestamp()])?;
        self.index.forget(now);
        self.forgot = Some(now);
        Ok(())
    }
}
