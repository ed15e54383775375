//! Retention: old entries leave the store on their schedule, a small batch at a time.

use std::collections::BTreeSet;
use std::sync::PoisonError;

use super::Newsdesk;
use crate::model::Time;
use crate::store::StoreError;

impl Newsdesk {
    /// What is due leaves; what that changes for readers is taken by [`Newsdesk::take_stale`].
    pub(super) async fn retire(&self, now: Time) {
        match self.retire_all(now).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!("{removed} old entries left the store"),
            Err(cause) => tracing::error!(stage = "store", "{}", super::chain(&cause)),
        }
    }

    async fn retire_all(&self, now: Time) -> Result<usize, StoreError> {
        let (before, keep) = (now - self.settings.store.keep, self.settings.store.keep_per_source);
        // Whole documents of archives, the oldest first; their entries are free to leave then.
        self.retire_archives(before, keep, now).await?;
        let mut removed = 0;
        for source in self.store.expiring(before, keep).await? {
            loop {
                let pruned = self.store.prune(source, before, keep, now).await?;
                removed += pruned.removed;
                self.stale.lock().unwrap_or_else(PoisonError::into_inner).extend(pruned.sections);
                if pruned.removed == 0 {
                    break;
                }
            }
        }
        self.store.forget(now).await?;
        Ok(removed)
    }

    /// Sections out of which retention took something since they were asked for last.
    pub(super) fn take_stale(&self) -> BTreeSet<String> {
        std::mem::take(&mut *self.stale.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::changes::{Changes, NewEntry};
    use crate::config::{self, Locations};
    use crate::model::Stated;
    use crate::normalize::identity::{Key, printed};
    use crate::serve::public::Found;
    use crate::store::Refresh;

    const CONFIGURATION: &str = r#"
        [store]
        keep-days = 100
        keep-per-source = 1000
        [publish]
        folder = "public"
        [[section]]
        name = "news"
        limit = 4
        [[source]]
        name = "wire"
        url = "http://wire.example/"
        sections = ["news"]
        "#;

    /// Entries 0, 1, 2... of the wire, this many days old.
    async fn write(desk: &Newsdesk, first: usize, ages: &[i64], now: Time) {
        write_as(desk, first, ages, now, false).await;
    }

    /// `local`: as articles of our own, with pages.
    async fn write_as(desk: &Newsdesk, first: usize, ages: &[i64], now: Time, local: bool) {
        let entries = ages.iter().enumerate().map(|(at, age)| {
            let (name, effective) = (format!("story {}", first + at), now - TimeDelta::days(*age));
            let stated = Stated { title: name.clone(), published: Some(effective), ..Stated::default() };
            let (json, print) = printed(&stated);
            NewEntry {
                key: Key::Id(name),
                aliases: Vec::new(),
                publishable: None,
                json,
                print,
                effective,
                updated: effective,
                slug: local.then(|| format!("story-{}", first + at)),
                sections: vec![String::new(), "news".to_owned()],
                clues: Default::default(),
                stated,
            }
        });
        let source = desk.store.sources().await.unwrap().remove(0);
        let refresh = Refresh {
            source: source.row,
            now: now - TimeDelta::days(ages[0]),
            changes: Changes { new: entries.collect(), ..Changes::default() },
            origin: None,
            feed_id: None,
            state: source.state,
            files: Vec::new(),
            vanished: Vec::new(),
            pages: 0,
        };
        desk.store.apply_refresh(refresh).await.unwrap();
    }

    /// Status of each document from the first on, and the validators of those that stand.
    async fn documents(desk: &Newsdesk, count: u64) -> Vec<Result<(String, Time), u16>> {
        let mut found = Vec::new();
        for number in 1..=count {
            found.push(match desk.archive_document("news", number, "atom.xml").await.unwrap() {
                Found::Revision(revision) => Ok((revision.etag.clone(), revision.modified)),
                Found::Gone => Err(410),
                _ => Err(404),
            });
        }
        found
    }

    #[tokio::test]
    async fn archives_lose_whole_documents_from_their_oldest_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("newsdesk.toml");
        std::fs::write(&path, CONFIGURATION).unwrap();
        let settings = config::load(&path, &Locations::from_env(Some(&folder.path().join("state")))).unwrap();
        let root = settings.publish.folder.clone().unwrap();
        let desk = Newsdesk::open(settings).await.unwrap();
        let now = super::super::now();
        // Two entries a document: both old; both old; one of them young; both young; one waits for the next.
        write(&desk, 0, &[400, 390, 380, 370], now).await;
        write(&desk, 4, &[360], now).await;
        write(&desk, 5, &[20, 10, 9, 8], now).await;
        let everything = desk.everything().await.unwrap();
        assert!(desk.publish(&everything, now).await.trouble.is_none());
        desk.mirror_archives(&root).await;
        let file = |number: u64| root.join(format!("news/archive/{number}/atom.xml"));
        let before = documents(&desk, 5).await;
        assert!(before[..4].iter().all(Result::is_ok) && before[4] == Err(404), "{before:?}");
        assert!((1..=4).all(|number| file(number).exists()));

        desk.retire(now).await;
        let after = documents(&desk, 5).await;
        assert_eq!(after[..2], [Err(410), Err(410)]);
        assert_eq!(after[2..], before[2..], "what stays does not change");
        assert_eq!((1..=4).map(|number| file(number).exists()).collect::<Vec<_>>(), [false, false, true, true]);
        let left = desk.store.count_entries().await.unwrap();
        assert_eq!(left, 5, "an old entry stays as long as a document holds it");

        desk.store.close().await;
    }

    /// An article of our own stays while its file exists; its documents go when all in them is old and came long ago.
    #[tokio::test]
    async fn archives_keep_articles_of_our_own_that_are_young_or_new_here() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("newsdesk.toml");
        std::fs::write(&path, CONFIGURATION).unwrap();
        let settings = config::load(&path, &Locations::from_env(Some(&folder.path().join("state")))).unwrap();
        let desk = Newsdesk::open(settings).await.unwrap();
        let now = super::super::now();
        // Old when they came, long ago; old, and come today; young.
        write_as(&desk, 0, &[400, 390], now, true).await;
        write_as(&desk, 2, &[5, 380], now, true).await;
        write_as(&desk, 4, &[3, 2, 1], now, true).await;
        let everything = desk.everything().await.unwrap();
        assert!(desk.publish(&everything, now).await.trouble.is_none());
        let before = documents(&desk, 3).await;
        assert!(before.iter().all(Result::is_ok), "{before:?}");
        desk.retire(now).await;
        let after = documents(&desk, 3).await;
        assert_eq!(after[0], Err(410));
        assert_eq!(after[1..], before[1..]);
        assert!(desk.take_stale().contains("news"), "its current document may lead there");
        assert_eq!(desk.store.count_entries().await.unwrap(), 7);
        desk.store.close().await;
    }
}
