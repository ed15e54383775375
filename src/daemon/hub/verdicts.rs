//! Who follows what: subscriptions that come, stay and go by what callbacks answer. What an answer means is decided in
//! `websub::hub`; here it is written down.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use url::Url;

use super::super::chain;
use super::super::clock::wall;
use super::{Desk, Work};
use crate::fetch::FetchError;
use crate::fetch::exchange::Answered;
use crate::model::Time;
use crate::schedule::queue;
use crate::serve::websub::Said;
use crate::store::StoreError;
use crate::websub;
use crate::websub::hub::{self, Filling, Mode, Pending, Subscription, Told, Verdict, Wish};

impl Desk {
    /// A request to the hub: is there room, then it is written down, and its callback is asked.
    pub(super) async fn wished(&mut self, wish: Wish) -> Said {
        if let Err(refusal) = hub::admit(wish.mode, self.filling(&wish)) {
            return refusal.into();
        }
        let now = wall();
        let row = match self.newsdesk.store.hub_ask(wish.clone(), now).await {
            Ok(row) => row,
            Err(cause) => {
                tracing::error!(stage = "store", "{}", chain(&cause));
                return Said { retry_after: Some(60), ..Said::new(503, "the hub cannot write; ask again in a minute") };
            }
        };
        let same = |pending: &Pending| pending.wish.topic == wish.topic && pending.wish.callback == wish.callback;
        let older: Vec<i64> = self.pending.values().filter(|pending| same(pending)).map(|older| older.row).collect();
        older.into_iter().for_each(|row| self.drop_pending(row));
        self.wait(Pending { row, wish, tries: 0, due: now });
        Said::new(202, "")
    }

    fn filling(&self, wish: &Wish) -> Filling {
        let bucket = queue::bucket(&wish.callback);
        let of_topic = self.by_topic.get(&wish.topic);
        let same = |row: &i64| self.subscriptions.get(row).is_some_and(|known| known.callback == wish.callback);
        let here = |callback: &url::Url| queue::bucket(callback) == bucket;
        let others = self.pending.values().map(|pending| &pending.wish);
        let others = others.filter(|other| other.topic != wish.topic || other.callback != wish.callback);
        Filling {
            known: of_topic.is_some_and(|rows| rows.iter().any(same)),
            all: self.subscriptions.len(),
            of_topic: of_topic.map_or(0, BTreeSet::len),
            of_host: self.of_host.get(&bucket).copied().unwrap_or_default(),
            pending: others.clone().count(),
            pending_of_host: others.filter(|other| here(&other.callback)).count(),
        }
    }

    fn drop_pending(&mut self, row: i64) {
        self.pending.remove(&row);
        self.fresh.remove(&Work::Ask(row).name());
        self.again.remove(&Work::Ask(row).name());
    }

    pub(super) async fn asked(
        &mut self,
        row: i64,
        challenge: &str,
        answer: Result<Answered, FetchError>,
        now: Time,
    ) -> Result<(), StoreError> {
        // A newer wish for the same may have taken its place.
        let Some(pending) = self.pending.get(&row).cloned() else { return Ok(()) };
        let (store, wish) = (self.newsdesk.store.clone(), pending.wish);
        let heard = answer.as_ref().ok().map(|answer| (answer.status, answer.body.as_slice()));
        let to = websub::host(&wish.callback);
        match hub::verdict(heard, challenge, pending.tries, now) {
            Verdict::Later(due) => {
                let tries = pending.tries + 1;
                self.wait(Pending { row, wish, tries, due });
                store.hub_ask_again(row, tries, due).await
            }
            Verdict::Confirmed if wish.mode != Mode::Denied => {
                self.drop_pending(row);
                let told = self.live_etag(&wish.topic).unwrap_or_default();
                let confirmed = store.hub_confirm(row, told, now + wish.lease).await?;
                tracing::info!(stage = "announce", "{to}: {} {}", wish.mode.as_str(), wish.topic);
                let same = |known: &&Subscription| known.topic == wish.topic && known.callback == wish.callback;
                match (confirmed, self.subscriptions.values().find(same).map(|known| known.row)) {
                    (Some(mut subscription), _) => {
                        let row = subscription.row;
                        // What was told a moment ago may not be on the disk yet.
                        if let Some(known) = self.subscriptions.get(&row) {
                            subscription.told.clone_from(&known.told);
                            (subscription.tries, subscription.due) = (known.tries, known.due);
                        }
                        self.know(subscription);
                        self.tell(row);
                    }
                    (None, Some(row)) => self.forget(row),
                    (None, None) => {}
                }
                Ok(())
            }
            Verdict::Confirmed | Verdict::Refused => {
                self.drop_pending(row);
                if wish.mode != Mode::Denied {
                    let why = answer.map_or_else(|error| chain(&error.trouble), |answer| answer.status.to_string());
                    tracing::debug!(stage = "announce", "{to} did not confirm to {}: {why}", wish.mode.as_str());
                }
                store.hub_refuse(row).await
            }
        }
    }

    /// Is this row the subscription that was told?
    pub(super) fn is_still(&self, row: i64, (topic, callback): &(String, Url)) -> bool {
        self.subscriptions.get(&row).is_some_and(|held| held.topic == *topic && held.callback == *callback)
    }

    pub(super) async fn told(
        &mut self,
        row: i64,
        etag: String,
        answer: Result<Answered, FetchError>,
        now: Time,
    ) -> Result<(), StoreError> {
        let store = self.newsdesk.store.clone();
        let Some(subscription) = self.subscriptions.get_mut(&row) else { return Ok(()) };
        let (to, topic) = (websub::host(&subscription.callback), &subscription.topic);
        let status = answer.as_ref().ok().map(|answer| answer.status);
        let why = || match (&answer, status) {
            (Err(error), _) => chain(&error.trouble),
            (Ok(_), status) => status.unwrap_or_default().to_string(),
        };
        match hub::told(status, subscription.tries, row, now) {
            Told::Received => {
                (subscription.told, subscription.tries, subscription.due) = (etag.clone(), 0, None);
                // The next one does not wait for the disk. A kill in between only tells this one once more.
                tokio::spawn(async move {
                    if let Err(cause) = store.hub_told(row, etag, 0, None).await {
                        tracing::error!(stage = "store", "{}", chain(&cause));
                    }
                });
                Ok(())
            }
            Told::GivenUp => {
                tracing::warn!(stage = "announce", "{to}: {topic} is not delivered, its hub gives up: {}", why());
                (subscription.told, subscription.tries, subscription.due) = (etag.clone(), 0, None);
                store.hub_told(row, etag, 0, None).await
            }
            Told::Later(due) => {
                tracing::debug!(stage = "announce", "{to}: {topic} is not delivered yet: {}", why());
                subscription.tries += 1;
                subscription.due = Some(due);
                store.hub_told(row, subscription.told.clone(), subscription.tries, Some(due)).await
            }
            Told::Ended => {
                tracing::info!(stage = "announce", "{to}: ends its subscription of {topic}");
                self.forget(row);
                store.hub_end(vec![row]).await
            }
        }
    }

    /// Leases are over when they end (§5.3.1).
    pub(super) async fn expire(&mut self) {
        let now = wall();
        let over = self.subscriptions.values().filter(|subscription| subscription.lease_until <= now);
        let over: Vec<i64> = over.map(|subscription| subscription.row).collect();
        if over.is_empty() {
            return;
        }
        over.iter().for_each(|row| self.forget(*row));
        if let Err(cause) = self.newsdesk.store.hub_end(over).await {
            tracing::error!(stage = "store", "{}", chain(&cause));
        }
    }

    /// Who follows a feed that is no more is told so (§5.2).
    pub(super) async fn end_topics(&mut self) {
        if !self.newsdesk.has_hub() {
            return;
        }
        let live = self.newsdesk.live.clone();
        let over = self.subscriptions.values().filter(|subscription| live.get(&subscription.topic).is_none());
        let over: Vec<Subscription> = over.cloned().collect();
        for Subscription { row, topic, callback, .. } in over {
            self.forget(row);
            let wish = Wish { mode: Mode::Denied, topic, callback, secret: None, lease: TimeDelta::zero() };
            let written = match self.newsdesk.store.hub_ask(wish.clone(), wall()).await {
                Ok(asked) => {
                    self.wait(Pending { row: asked, wish, tries: 0, due: wall() });
                    self.newsdesk.store.hub_end(vec![row]).await
                }
                Err(cause) => Err(cause),
            };
            if let Err(cause) = written {
                tracing::error!(stage = "store", "{}", chain(&cause));
            }
        }
    }
}
