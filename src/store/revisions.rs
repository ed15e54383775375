//! Revisions: documents as they were published. Every start serves them unchanged.

use bytes::Bytes;
use rusqlite::params;

use super::{Store, StoreError, time};
use crate::model::Time;

/// The bytes of one path, until its content changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRevision {
    /// Below the base of the site, without a slash in front: `politics/atom.xml`.
    pub path: String,
    /// As it is; read back only where there is no gzip to make it of.
    pub body: Option<Bytes>,
    /// Its codings as they are sent, where they have been made and gain something.
    pub gzip: Option<Bytes>,
    pub brotli: Option<Bytes>,
    /// Strong validator of the bytes, without quotes.
    pub etag: String,
    /// Moves only with content and strictly grows.
    pub modified: Time,
    /// 1 for the first.
    pub counter: u64,
    /// Print of the configuration and version of the program that made the bytes.
    pub made_by: String,
}

/// The codings of a revision that was stored without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    pub path: String,
    /// Of the revision: another one is not meant.
    pub etag: String,
    pub gzip: Option<Bytes>,
    pub brotli: Option<Bytes>,
}

impl Store {
    pub async fn revisions(&self) -> Result<Vec<StoredRevision>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare(
                "SELECT path, body, etag, modified, counter, made_by, gzip, brotli FROM revision ORDER BY path",
            )?;
            let rows = statement.query_map([], |row| {
                let gzip = row.get::<_, Option<Vec<u8>>>(6)?.map(Bytes::from);
                Ok(StoredRevision {
                    path: row.get(0)?,
                    body: if gzip.is_some() { None } else { Some(row.get::<_, Vec<u8>>(1)?.into()) },
                    gzip,
                    brotli: row.get::<_, Option<Vec<u8>>>(7)?.map(Bytes::from),
                    etag: row.get(2)?,
                    modified: time(row.get(3)?),
                    counter: row.get::<_, i64>(4)?.unsigned_abs(),
                    made_by: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// What the feeds were made of whose documents stand here, by the path of the Atom one.
    pub async fn made(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare("SELECT path, print FROM made")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// All or none: the documents of one publication belong together. `made`: as [`Store::made`] gives it back.
    pub async fn put_revisions(
        &self,
        revisions: Vec<StoredRevision>,
        made: Vec<(String, String)>,
    ) -> Result<(), StoreError> {
        self.write(move |db| {
            let sql = "INSERT INTO revision (path, body, etag, modified, counter, made_by, gzip, brotli)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (path) DO UPDATE SET body = excluded.body,
                etag = excluded.etag, modified = excluded.modified, counter = excluded.counter,
                made_by = excluded.made_by, gzip = excluded.gzip, brotli = excluded.brotli";
            let mut statement = db.prepare_cached(sql)?;
            for revision in &revisions {
                let counter = i64::try_from(revision.counter).unwrap_or(i64::MAX);
                let StoredRevision { path, body, gzip, brotli, etag, modified, made_by, .. } = revision;
                let (gzip, brotli) = (gzip.as_deref(), brotli.as_deref());
                let body = body.as_deref().filter(|_| gzip.is_none()).unwrap_or_default();
                let modified = modified.timestamp();
                statement.execute(params![path, body, etag, modified, counter, made_by, gzip, brotli])?;
            }
            let mut statement = db.prepare_cached("INSERT OR REPLACE INTO made (path, print) VALUES (?1, ?2)")?;
            for (path, print) in &made {
                statement.execute([path, print])?;
            }
            Ok(())
        })
        .await
    }

    /// What was compressed later.
    pub async fn put_packed(&self, packed: Vec<Packed>) -> Result<(), StoreError> {
        if packed.is_empty() {
            return Ok(());
        }
        self.write(move |db| {
            let sql = "UPDATE revision SET gzip = ?3, brotli = ?4,
                body = CASE WHEN ?3 IS NULL THEN body ELSE x'' END WHERE path = ?1 AND etag = ?2";
            let mut statement = db.prepare_cached(sql)?;
            for Packed { path, etag, gzip, brotli } in &packed {
                statement.execute(params![path, etag, gzip.as_deref(), brotli.as_deref()])?;
            }
            Ok(())
        })
        .await
    }

    /// Documents of sections and sources that are no more.
    pub async fn remove_revisions(&self, paths: Vec<String>) -> Result<(), StoreError> {
        self.write(move |db| {
            for sql in ["DELETE FROM revision WHERE path = ?1", "DELETE FROM made WHERE path = ?1"] {
                let mut statement = db.prepare_cached(sql)?;
                for path in &paths {
                    statement.execute([path])?;
                }
            }
            Ok(())
        })
        .await
    }
}
