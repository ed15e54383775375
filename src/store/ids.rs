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
    /// What is new may have to wait for better copies of itself.
    pub(super) settles: bool,
    /// Nothing is better than an article of our own.
    pub(super) local: bool,
    /// The next row of `entry`: above what retention has removed, too. SQLite would give that again, and whoever still
    /// names it (a page that is being read, a refresh on its way) would mean another entry.
    pub(super) next_row: i64,
    /// Ids are kept whose entries retention has removed.
    retired: bool,
}

impl Lookup {
    pub(super) fn new(db: &Connection, source: i64) -> Result<Lookup, StoreError> {
        let sql = "SELECT coalesce(feed_id, place) FROM source WHERE id = ?1";
        let feed = db.prepare_cached(sql)?.query_row([source], |row| row.get(0))?;
        let mut statement = db.prepare_cached("SELECT name, id FROM section")?;
        let sections = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let settles = db.prepare_cached("SELECT 1 FROM section WHERE settle > 0")?.exists([])?;
        let local = super::copies::is_local(db, source)?;
        let sql = "SELECT coalesce(max(id), 0) FROM entry";
        let last: i64 = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        let next_row = last.max(removed(db)?) + 1;
        let retired = db.prepare_cached("SELECT 1 FROM retired")?.exists([])?;
        Ok(Lookup { namespace: namespace(db)?, feed, sections, settles, local, next_row, retired })
    }

    /// The native id where it may be published and no other source ever had it, else a name-based UUID of feed and key
    /// (RFC 9562 §5.5). An entry that is stored may have it all the same: then see [`Lookup::free_id`].
    pub(super) fn wished_id(
        &self,
        db: &Connection,
        source: i64,
        key: KeyHash,
        native: Option<&str>,
    ) -> Result<String, StoreError> {
        match native {
            Some(native) if !self.is_retired(db, source, native)? => Ok(native.to_owned()),
            _ => Ok(self.made_id(key, 0)),
        }
    }

    /// What was once another's stays another's, although retention has removed its entry.
    fn is_retired(&self, db: &Connection, source: i64, id: &str) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM retired WHERE hash = ?1 AND source <> ?2";
        Ok(self.retired && db.prepare_cached(sql)?.exists(params![id_hash(id), source])?)
    }

    /// A made id that no stored entry has: a source whose key moved to another entry may offer the old name again.
    pub(super) fn free_id(&self, db: &Connection, key: KeyHash) -> Result<String, StoreError> {
        let mut taken = db.prepare_cached("SELECT 1 FROM entry WHERE published_id = ?1")?;
        let mut round = 0;
        loop {
            let made = self.made_id(key, round);
            if !taken.exists([&made])? {
                return Ok(made);
            }
            round += 1;
        }
    }

    fn made_id(&self, key: KeyHash, round: u32) -> String {
        let name = format!("entry:{}\n{:032x}\n{round}", self.feed, u128::from_be_bytes(key.0));
        let made = Uuid::new_v5(&self.namespace, name.as_bytes());
        made.urn().encode_lower(&mut Uuid::encode_buffer()).to_owned()
    }
}

const REMOVED: &str = "removed-row";

fn removed(db: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?1";
    Ok(db.prepare_cached(sql)?.query_row([REMOVED], |row| row.get(0)).optional()?.unwrap_or_default())
}

/// A row is about to be removed: it is given to no other entry. Only the highest could be.
pub(super) fn never_again(db: &Connection, row: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO meta (key, value) SELECT ?1, ?2 WHERE ?2 = (SELECT max(id) FROM entry)
        ON CONFLICT DO UPDATE SET value = excluded.value
            WHERE CAST(value AS INTEGER) < CAST(excluded.value AS INTEGER)";
    db.prepare_cached(sql)?.execute(params![REMOVED, row])?;
    Ok(())
}

/// The native id where no other feed has it, no section of ours either; else one made of the place.
pub(super) fn choose_feed_id(db: &Connection, source: i64, stated: Option<&str>) -> Result<(), StoreError> {
    let sql = "SELECT place FROM source WHERE id = ?1 AND feed_id IS NULL";
    let Some(place) = db.prepare_cached(sql)?.query_row([source], |row| row.get::<_, String>(0)).optional()? else {
        return Ok(());
    };
    let mut claim = db.prepare_cached(
        "UPDATE OR IGNORE source SET feed_id = ?2
         WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM section WHERE feed_id = ?2)",
    )?;
    if let Some(stated) = stated
        && claim.execute(params![source, stated])? > 0
    {
        return Ok(());
    }
    let namespace = namespace(db)?;
    for round in 0_u32.. {
        let name = if round == 0 { format!("source:{place}") } else { format!("source:{place}\n{round}") };
        let made = Uuid::new_v5(&namespace, name.as_bytes()).urn().to_string();
        // Who knows how ids are made here may have claimed it first.
        if claim.execute(params![source, made])? > 0 {
            break;
        }
    }
    Ok(())
}

/// A published id as it is remembered when its entry is gone.
pub(super) fn id_hash(id: &str) -> [u8; 16] {
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..16]);
    hash
}

/// The wished slug, or with the smallest number that makes it unique.
pub(super) fn free_slug(db: &Connection, wish: &str, key: KeyHash) -> Result<String, StoreError> {
    let mut taken = db.prepare_cached("SELECT 1 FROM entry WHERE slug = ?1")?;
    if !taken.exists([wish])? {
        return Ok(wish.to_owned());
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
        _ if text.len() <= 500 => text,
        _ => text.chars().take(500).collect(),
    }
}
