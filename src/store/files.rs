//! Files of local sources as they were last read.

use rusqlite::{Connection, params};

use super::{FileRow, Store, StoreError, time};

impl Store {
    /// Files of a local source as they were last read.
    pub async fn files(&self, source: i64) -> Result<Vec<FileRow>, StoreError> {
        self.read(move |db| {
            let sql =
                "SELECT path, size, modified, held, trouble, shows, repairs FROM file WHERE source = ?1 ORDER BY path";
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map([source], |row| {
                Ok(FileRow {
                    path: row.get(0)?,
                    size: row.get::<_, i64>(1)?.unsigned_abs(),
                    modified: row.get(2)?,
                    held: row.get::<_, Option<i64>>(3)?.map(time),
                    trouble: row.get(4)?,
                    shows: serde_json::from_str(&row.get::<_, String>(5)?).unwrap_or_default(),
                    repairs: serde_json::from_str(&row.get::<_, String>(6)?).unwrap_or_default(),
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
                AND (key_text = 'file ' || ?2 OR substr(key_text, 1, length(?2) + 7) = 'file ' || ?2 || '//')";
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
}

pub(super) fn write_files(
    db: &Connection,
    source: i64,
    files: &[FileRow],
    vanished: &[String],
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO file (source, path, size, modified, held, trouble, shows, repairs)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut statement = db.prepare_cached(sql)?;
    for file in files {
        let json = |texts: &Vec<String>| serde_json::to_string(texts).unwrap_or_default();
        let (shows, repairs) = (json(&file.shows), json(&file.repairs));
        let size = i64::try_from(file.size).unwrap_or(i64::MAX);
        let held = file.held.map(|held| held.timestamp());
        statement.execute(params![source, file.path, size, file.modified, held, file.trouble, shows, repairs])?;
    }
    let mut statement = db.prepare_cached("DELETE FROM file WHERE source = ?1 AND path = ?2")?;
    for path in vanished {
        statement.execute(params![source, path])?;
    }
    Ok(())
}
