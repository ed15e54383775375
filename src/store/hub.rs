//! Our WebSub hub: requests that wait to be confirmed, and confirmed subscriptions.

use chrono::TimeDelta;
use rusqlite::{Connection, OptionalExtension, Row, params};
use url::Url;

use super::{Store, StoreError, time};
use crate::model::Time;
use crate::websub::hub::{Mode, Pending, Subscription, Wish};

impl Store {
    /// Everything that the hub knows.
    pub async fn hub(&self) -> Result<(Vec<Subscription>, Vec<Pending>), StoreError> {
        self.read(|db| {
            let mut statement = db.prepare(&format!("{SUBSCRIPTION} ORDER BY id"))?;
            let subscriptions = statement.query_map([], |row| Ok(subscription(row)))?;
            let subscriptions = subscriptions.map(|row| row?).collect::<Result<_, _>>()?;
            let sql = "SELECT id, mode, topic, callback, secret, lease_secs, tries, due FROM hub_request ORDER BY id";
            let mut statement = db.prepare(sql)?;
            let pending = statement.query_map([], |row| Ok(pending(row)))?;
            let pending = pending.map(|row| row?).collect::<Result<_, StoreError>>()?;
            Ok((subscriptions, pending))
        })
        .await
    }

    /// Remember a wish until it is confirmed; an older one for the same is forgotten. Its row.
    pub async fn hub_ask(&self, wish: Wish, now: Time) -> Result<i64, StoreError> {
        self.write(move |db| {
            let Wish { mode, topic, callback, secret, lease } = &wish;
            db.prepare_cached("DELETE FROM hub_request WHERE topic = ?1 AND callback = ?2")?
                .execute(params![topic, callback.as_str()])?;
            let sql = "INSERT INTO hub_request (mode, topic, callback, secret, lease_secs, due)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let lease = lease.num_seconds();
            db.prepare_cached(sql)?.execute(params![
                mode.as_str(),
                topic,
                callback.as_str(),
                secret,
                lease,
                now.timestamp()
            ])?;
            Ok(db.last_insert_rowid())
        })
        .await
    }

    /// A wish is tried again later.
    pub async fn hub_ask_again(&self, row: i64, tries: usize, due: Time) -> Result<(), StoreError> {
        self.write_patiently(move |db| {
            let sql = "UPDATE hub_request SET tries = ?2, due = ?3 WHERE id = ?1";
            db.prepare_cached(sql)?.execute(params![row, count(tries), due.timestamp()])?;
            Ok(())
        })
        .await
    }

    /// A wish was confirmed and is carried out; `told`: what stands at its topic now. The subscription, if it is one that
    /// stands from now on. A wish that a newer one has replaced does nothing.
    pub async fn hub_confirm(
        &self,
        row: i64,
        told: String,
        lease_until: Time,
    ) -> Result<Option<Subscription>, StoreError> {
        self.write(move |db| {
            let sql = "DELETE FROM hub_request WHERE id = ?1 RETURNING id, mode, topic, callback, secret, lease_secs, tries, due";
            let found = db.prepare_cached(sql)?.query_row([row], |row| Ok(pending(row))).optional()?;
            let Some(Pending { wish, .. }) = found.transpose()? else { return Ok(None) };
            let callback = wish.callback.as_str();
            if wish.mode != Mode::Subscribe {
                db.prepare_cached("DELETE FROM hub_subscription WHERE topic = ?1 AND callback = ?2")?
                    .execute(params![wish.topic, callback])?;
                return Ok(None);
            }
            // A renewal changes nothing in what is still to be told.
            let sql = "INSERT INTO hub_subscription (topic, callback, secret, lease_until, told) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT (topic, callback) DO UPDATE SET secret = excluded.secret, lease_until = excluded.lease_until";
            db.prepare_cached(sql)?
                .execute(params![wish.topic, callback, wish.secret, lease_until.timestamp(), told])?;
            let sql = format!("{SUBSCRIPTION} WHERE topic = ?1 AND callback = ?2");
            let found = db.prepare_cached(&sql)?.query_row(params![wish.topic, callback], |row| Ok(subscription(row)))?;
            Ok(Some(found?))
        })
        .await
    }

    /// A wish that was not confirmed changes nothing.
    pub async fn hub_refuse(&self, row: i64) -> Result<(), StoreError> {
        self.write_patiently(move |db| {
            db.prepare_cached("DELETE FROM hub_request WHERE id = ?1")?.execute([row])?;
            Ok(())
        })
        .await
    }

    /// How far a subscriber was told.
    pub async fn hub_told(&self, row: i64, told: String, tries: usize, due: Option<Time>) -> Result<(), StoreError> {
        self.write_patiently(move |db| {
            let sql = "UPDATE hub_subscription SET told = ?2, tries = ?3, due = ?4 WHERE id = ?1";
            let due = due.map(|due| due.timestamp());
            db.prepare_cached(sql)?.execute(params![row, told, count(tries), due])?;
            Ok(())
        })
        .await
    }

    /// Subscriptions that are over.
    pub async fn hub_end(&self, rows: Vec<i64>) -> Result<(), StoreError> {
        self.write_patiently(move |db| end(db, &rows)).await
    }
}

const SUBSCRIPTION: &str = "SELECT id, topic, callback, secret, lease_until, told, tries, due FROM hub_subscription";

fn end(db: &Connection, rows: &[i64]) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached("DELETE FROM hub_subscription WHERE id = ?1")?;
    for row in rows {
        statement.execute([row])?;
    }
    Ok(())
}

fn subscription(row: &Row<'_>) -> Result<Subscription, StoreError> {
    Ok(Subscription {
        row: row.get(0)?,
        topic: row.get(1)?,
        callback: url(&row.get::<_, String>(2)?)?,
        secret: row.get(3)?,
        lease_until: time(row.get(4)?),
        told: row.get(5)?,
        tries: usize::try_from(row.get::<_, i64>(6)?).unwrap_or_default(),
        due: row.get::<_, Option<i64>>(7)?.map(time),
    })
}

fn pending(row: &Row<'_>) -> Result<Pending, StoreError> {
    let mode = match row.get::<_, String>(1)?.as_str() {
        "subscribe" => Mode::Subscribe,
        "unsubscribe" => Mode::Unsubscribe,
        _ => Mode::Denied,
    };
    let wish = Wish {
        mode,
        topic: row.get(2)?,
        callback: url(&row.get::<_, String>(3)?)?,
        secret: row.get(4)?,
        lease: TimeDelta::try_seconds(row.get(5)?).unwrap_or_default(),
    };
    let tries = usize::try_from(row.get::<_, i64>(6)?).unwrap_or_default();
    Ok(Pending { row: row.get(0)?, wish, tries, due: time(row.get(7)?) })
}

fn url(text: &str) -> Result<Url, StoreError> {
    Url::parse(text).map_err(|cause| StoreError::Damaged { what: "the callback of a subscriber", cause: cause.into() })
}

fn count(tries: usize) -> i64 {
    i64::try_from(tries).unwrap_or(i64::MAX)
}
