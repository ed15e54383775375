//! Names that are chosen once: published ids of entries and feeds, and slugs of articles. A unique index decides between
//! two who want the same.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::StoreError;
use super::sources::namespace;
use crate::normalize::identity::{Key, KeyHash};

/// What every new entry of one refresh asks for, looked up once.
pub(super) struct Lookup {
    pub(super) namespace: Uuid,
    /// Published id of the feed, else its place: with the key it makes a name for an id.
    pub(super) feed: String,
    /// Name of a section -> its row.
    pub(super) sections: HashMap<String, i64>,
}

impl Lookup {
    pub(super) fn new(db: &Connection, source: i64) -> Result<Lookup, StoreError> {
        let sql = "SELECT coalesce(feed_id, place) FROM source WHERE id = ?1";
        let feed = db.prepare_cached(sql)?.query_row([source], |row| row.get(0))?;
        let mut statement = db.prepare_cached("SELECT name, id FROM section")?;
        let sections = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok(Lookup { namespace: namespace(db)?, feed, sections })
    }
}

pub(super) fn choose_feed_id(db: &Connection, source: i64, stated: Option<String>) -> Result<(), StoreError> {
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

/// The native id where it may be published and is free, else a name-based UUID of source and key (RFC 9562 §5.5).
pub(super) fn published_id(
    db: &Connection,
    key: KeyHash,
    native: Option<String>,
    lookup: &Lookup,
) -> Result<String, StoreError> {
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
pub(super) fn free_slug(db: &Connection, wish: String, key: KeyHash) -> Result<String, StoreError> {
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
pub(super) fn key_text(key: &Key) -> String {
    let text = key.to_string();
    match key {
        Key::File(_) => text,
        _ => text.chars().take(500).collect(),
    }
}
