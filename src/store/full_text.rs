//! Pages of entries: which are still to be read, and the texts that were found on them.
//!
//! An entry is stored first, with the feed's own text, and its page is noted in the same transaction; the text comes later
//! and stands beside it. So nothing that is published waits for other people's pages, a killed process forgets none, and
//! the entry itself, by which the next document is compared, is what the feed said. Copies of it are looked for by its
//! page only where the feed's text is too short for that.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension, params};

use super::archives::corrected_now;
use super::copies::pages;
use super::members::sections_of;
use super::pack::{decode, encode};
use super::stories::{self, Held, story_of};
use super::{Applied, Store, StoreError, time};
use crate::model::{EntryId, Html, Stated, Time};
use crate::normalize::full_text;

/// A page that is to be read.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedPage {
    pub entry: i64,
    /// What the feed says.
    pub stated: Stated,
    /// Times that it was asked for in vain.
    pub tries: u32,
    pub due: Time,
}

/// What came of one.
#[derive(Debug, Clone, PartialEq)]
pub enum PageOutcome {
    Text(Html),
    /// There is none to be had, in words.
    None(String),
    /// It may be had later.
    Later {
        due: Time,
        trouble: String,
    },
}

/// The pages of one source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PageCounts {
    pub taken: u64,
    pub waiting: u64,
    /// The feed's own text stands.
    pub without: u64,
    /// Of the newest entry that has any.
    pub trouble: Option<String>,
}

/// How far they are; the trouble is not for everybody.
impl fmt::Display for PageCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PageCounts { taken, waiting, without, trouble: _ } = self;
        write!(f, "{taken} texts taken from pages, {waiting} waiting, {without} as the feed has them")
    }
}

impl Store {
    /// The next page of this source: the newest entry's of those that are due first.
    pub async fn wanted_page(&self, source: i64, now: Time) -> Result<Option<WantedPage>, StoreError> {
        self.read(move |db| {
            // What is due now is as good as what was due before: the newest goes first.
            let sql = "SELECT p.entry, e.data, p.tries, p.due FROM page p JOIN entry e ON e.id = p.entry
                WHERE p.source = ?1 AND p.due IS NOT NULL AND e.withdrawn IS NULL
                ORDER BY max(p.due, ?2), e.effective DESC, p.entry DESC LIMIT 1";
            let mut statement = db.prepare_cached(sql)?;
            let found = statement.query_row(params![source, now.timestamp()], |row| {
                let stated = decode(row.get_ref(1)?.as_blob().unwrap_or_default());
                Ok((row.get(0)?, stated, row.get(2)?, row.get(3)?))
            });
            let Some((entry, stated, tries, due)) = found.optional()? else { return Ok(None) };
            Ok(Some(WantedPage { entry, stated: stated?, tries, due: time(due) }))
        })
        .await
    }

    /// Write down what came of a page.
    pub async fn put_page(&self, entry: i64, outcome: PageOutcome, now: Time) -> Result<Applied, StoreError> {
        let index = self.stories().clone();
        self.write_patiently(move |db| put_page(db, &index, entry, &outcome, now)).await
    }

    /// Sources that want no full texts, any more, show what their feeds say.
    pub async fn keep_pages(&self, sources: Vec<i64>) -> Result<(), StoreError> {
        let any: bool =
            self.read(|db| Ok(db.query_row("SELECT EXISTS (SELECT 1 FROM page)", [], |row| row.get(0))?)).await?;
        if !any {
            return Ok(());
        }
        self.write(move |db| {
            let mut statement = db.prepare("SELECT DISTINCT source FROM page")?;
            let known: Vec<i64> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            for source in known.iter().filter(|source| !sources.contains(source)) {
                db.execute("DELETE FROM page WHERE source = ?1", [source])?;
            }
            Ok(())
        })
        .await
    }

    /// How far the pages of every source are, by its row.
    pub async fn page_counts(&self) -> Result<BTreeMap<i64, PageCounts>, StoreError> {
        self.read(|db| {
            let sql = "SELECT source, count(data), count(due), sum(due IS NULL AND data IS NULL),
                (SELECT trouble FROM page q WHERE q.source = page.source AND q.trouble IS NOT NULL ORDER BY q.entry DESC LIMIT 1)
                FROM page GROUP BY source";
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([], |row| {
                let count = |at: usize| row.get::<_, i64>(at).map(i64::unsigned_abs);
                Ok((row.get(0)?, PageCounts { taken: count(1)?, waiting: count(2)?, without: count(3)?, trouble: row.get(4)? }))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

/// Note the pages of entries that came with this refresh, the newest `most` of them, and of those that were rewritten.
pub(super) fn want_pages(
    db: &Connection,
    source: i64,
    rewritten: &[i64],
    most: usize,
    now: Time,
) -> Result<(), StoreError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let sql = "INSERT OR IGNORE INTO page (entry, source, due) SELECT id, source, ?2 FROM entry
        WHERE source = ?1 AND first_seen = ?2 AND withdrawn IS NULL ORDER BY effective DESC, id DESC LIMIT ?3";
    let new = db.prepare_cached(sql)?.execute(params![source, now.timestamp(), most])?;
    let left = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(new).min(rewritten.len());
    let (read_again, too_many) = rewritten.split_at(left);
    // The text that it has stays until the new one is there.
    let sql = "INSERT INTO page (entry, source, due) VALUES (?1, ?2, ?3)
        ON CONFLICT (entry) DO UPDATE SET due = excluded.due, tries = 0, trouble = NULL";
    let mut statement = db.prepare_cached(sql)?;
    for entry in read_again {
        statement.execute(params![entry, source, now.timestamp()])?;
    }
    // Where there is to be no new one, what the feed says now is better than what its page said before.
    let sql = "UPDATE page SET data = NULL, print = NULL WHERE entry = ?1";
    let mut statement = db.prepare_cached(sql)?;
    for entry in too_many {
        statement.execute([entry])?;
    }
    Ok(())
}

fn put_page(
    db: &Connection,
    index: &Mutex<Held>,
    entry: i64,
    outcome: &PageOutcome,
    now: Time,
) -> Result<Applied, StoreError> {
    let mut applied = Applied::default();
    match outcome {
        PageOutcome::Text(text) => {
            let stated = Stated { content: Some(text.clone()), ..Stated::default() };
            let json = serde_json::to_vec(&stated)
                .map_err(|cause| StoreError::Damaged { what: "an entry to be written", cause: cause.into() })?;
            let print = blake3::hash(&json);
            let sql = "UPDATE page SET due = NULL, trouble = NULL, data = ?2, print = ?3 WHERE entry = ?1";
            if db.prepare_cached(sql)?.execute(params![entry, encode(&json)?, print.as_bytes()])? > 0 {
                applied = text_changed(db, index, entry, now)?;
            }
        }
        PageOutcome::None(trouble) => {
            let sql = "SELECT 1 FROM page WHERE entry = ?1 AND data IS NOT NULL";
            let outdated = db.prepare_cached(sql)?.exists([entry])?;
            // What stood there before the entry was rewritten is not what it says now.
            let sql = "UPDATE page SET due = NULL, trouble = ?2, data = NULL, print = NULL WHERE entry = ?1";
            db.prepare_cached(sql)?.execute(params![entry, trouble])?;
            if outdated {
                applied = text_changed(db, index, entry, now)?;
            }
        }
        PageOutcome::Later { due, trouble } => {
            let sql = "UPDATE page SET due = ?2, tries = tries + 1, trouble = ?3 WHERE entry = ?1";
            db.prepare_cached(sql)?.execute(params![entry, due.timestamp(), trouble])?;
        }
    }
    Ok(applied)
}

/// Another text is published of this entry.
fn text_changed(db: &Connection, index: &Mutex<Held>, entry: i64, now: Time) -> Result<Applied, StoreError> {
    let mut applied = Applied::default();
    let sql = "SELECT published_id FROM entry WHERE id = ?1";
    let id: Option<String> = db.prepare_cached(sql)?.query_row([entry], |row| row.get(0)).optional()?;
    applied.changed.extend(id.map(EntryId));
    applied.sections.extend(sections_of(db, entry)?);
    // Nobody is told that the entry has changed: it has not.
    corrected_now(db, entry, false, now)?;
    applied.slugs.extend(pages(db, story_of(db, entry)?)?);
    applied.settles = stories::page_read(db, index, entry, now)?;
    applied.slugs.extend(pages(db, story_of(db, entry)?)?);
    Ok(applied)
}

/// The entry as it is published: with the text of its page, if there is one.
pub(super) fn with_text(mut stated: Stated, page: Option<&[u8]>) -> Result<Stated, StoreError> {
    if let Some(text) = page.map(decode).transpose()?.and_then(|page| page.content) {
        full_text::put(&mut stated, text);
    }
    Ok(stated)
}
