//! Our subscriptions at other people's hubs, each with its source.

use rusqlite::params;

use super::{Store, StoreError};
use crate::websub::subscriber::Subscription;

impl Store {
    /// Every subscription, with the row of its source.
    pub async fn pushes(&self) -> Result<Vec<(i64, Subscription)>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare("SELECT source, state FROM push ORDER BY token")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
            rows.map(|row| {
                let (source, state) = row?;
                let subscription = serde_json::from_str(&state)
                    .map_err(|cause| StoreError::Damaged { what: "a subscription at a hub", cause: cause.into() })?;
                Ok((source, subscription))
            })
            .collect()
        })
        .await
    }

    pub async fn put_pushes(&self, subscriptions: Vec<(i64, Subscription)>) -> Result<(), StoreError> {
        self.write(move |db| {
            let sql = "INSERT INTO push (token, source, state) VALUES (?1, ?2, ?3)
                ON CONFLICT (token) DO UPDATE SET state = excluded.state";
            let mut statement = db.prepare_cached(sql)?;
            for (source, subscription) in &subscriptions {
                let state = serde_json::to_string(subscription)
                    .map_err(|cause| StoreError::Damaged { what: "a subscription at a hub", cause: cause.into() })?;
                statement.execute(params![subscription.token, source, state])?;
            }
            Ok(())
        })
        .await
    }

    pub async fn remove_push(&self, token: String) -> Result<(), StoreError> {
        self.write(move |db| {
            db.prepare_cached("DELETE FROM push WHERE token = ?1")?.execute([&token])?;
            Ok(())
        })
        .await
    }
}
