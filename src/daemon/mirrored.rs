//! The rest of the mirror: what is made for a request on the public address stands here as files, so that no link is
//! dead: pages of entries, of articles that something else changed, of days, and the status.
//!
//! It runs beside everything else, in small batches, after each publication. What is to be written the store knows
//! (`store::mirror`), so that an interrupted pass goes on the next time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;

use super::work::on_disk;
use super::{Newsdesk, chain, days};
use crate::model::{Time, entry_name};
use crate::normalize::links::encode_segment;
use crate::publish::{self, mirror};
use crate::serve::public::Found;
use crate::store::{SectionDay, Unmirrored};

/// Pages written between two looks at what else there is.
const BATCH: usize = 100;
/// Parts of one day's page; nobody turns more of them.
const MOST_PARTS: usize = 1_000;

/// It is written first of all, so a mirror without it is a new one.
const STATUS_PAGE: &str = "status";

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Newsdesk {
    /// Whatever a publication leaves to be written: archives, then pages. It may take long with a new mirror.
    pub async fn mirror_rest(&self) {
        let Some(root) = self.settings.publish.folder.clone() else { return };
        // Whoever waits already will do what is to be done by then.
        let Ok(waiting) = self.archives.waiting.try_acquire() else { return };
        // The semaphore is never closed.
        let _turn = self.mirror_turn.acquire().await;
        drop(waiting);
        self.mirror_archives(&root).await;
        let written = match self.mirror_status(&root).await {
            Ok(()) => self.mirror_pages(&root).await,
            failed => failed,
        };
        if let Err(cause) = written {
            tracing::error!(stage = "mirror", "{}", chain(&*cause));
        }
    }

    /// At the start and after a reload: what the configuration makes differently is collected, and days of sections
    /// that are no more leave.
    pub(super) async fn sweep_pages(&self) -> Result<(), crate::store::StoreError> {
        let root = self.settings.publish.folder.clone();
        let print = self.mirror_print();
        let is_new = |root: &PathBuf| !root.join(mirror::file_of(STATUS_PAGE)).exists();
        if root.as_ref().is_some_and(is_new) {
            // A folder that is not there yet, or that somebody emptied, is filled from the beginning.
            self.store.collect_unmirrored(None).await?;
        }
        self.store.collect_unmirrored(print).await?;
        let Some(root) = root else { return Ok(()) };
        let wanted: BTreeSet<String> = self.sections.iter().map(|(row, _)| row.name.clone()).collect();
        let gone: Vec<String> =
            self.store.section_names().await?.into_iter().filter(|name| !wanted.contains(name)).collect();
        let swept =
            on_disk(move || gone.iter().try_for_each(|name| mirror::remove_days(&root, &encode_segment(name)))).await;
        if let Err(cause) = swept {
            tracing::error!(stage = "mirror", "{}", chain(&cause));
        }
        Ok(())
    }

    /// What decides how the pages look, and where they stand; `None`: there is no mirror.
    fn mirror_print(&self) -> Option<String> {
        let root = self.settings.publish.folder.as_ref()?;
        let sections: Vec<_> = self.sections.iter().map(|(_, section)| section).collect();
        let known =
            (env!("CARGO_PKG_VERSION"), &self.site, sections, self.placer.print(), self.private_sources(), root);
        Some(publish::etag(format!("{known:?}").as_bytes()))
    }

    /// Ends where another configuration came into force meanwhile, whose own pass waits for its turn.
    async fn mirror_pages(&self, root: &Path) -> Result<(), Failure> {
        let Some(print) = self.mirror_print() else { return Ok(()) };
        loop {
            let (entries, days) = self.store.unmirrored_pages(print.clone(), BATCH).await?;
            if entries.is_empty() && days.is_empty() {
                return Ok(());
            }
            for Unmirrored { what: id, .. } in &entries {
                match self.mirror_entry(root, id).await {
                    // It stands in the way of none of the others.
                    Err(cause) if cause.downcast_ref::<mirror::MirrorError>().is_some_and(|at| at.is_of_its_name()) => {
                        tracing::warn!(stage = "mirror", "{}", chain(&*cause));
                    }
                    written => written?,
                }
            }
            self.mirror_days(root, days.iter().map(|day| day.what)).await?;
            self.store.mirrored_pages(print.clone(), entries, days).await?;
        }
    }

    async fn mirror_entry(&self, root: &Path, id: &str) -> Result<(), Failure> {
        let path = format!("entries/{}", entry_name(id));
        let slug = self.store.entry_by_id(id.to_owned()).await?.and_then(|stored| stored.entry.slug);
        if let Some(slug) = slug {
            let root = root.to_owned();
            match self.article_page(&slug).await? {
                Found::Page(page) => {
                    let path = format!("articles/{}/", encode_segment(&slug));
                    on_disk(move || mirror::write(&root, &path, &publish::of_page(page))).await?;
                }
                // Written a moment ago, while it was being withdrawn.
                _ => on_disk(move || mirror::remove_article(&root, &slug)).await?,
            }
        }
        self.mirror_page(root, path, self.entry_page(id.to_owned()).await?).await.map(drop)
    }

    /// Each day once, and those beside one that came or went, since they point at it.
    async fn mirror_days(&self, root: &Path, moments: impl Iterator<Item = SectionDay>) -> Result<(), Failure> {
        let days: BTreeSet<(i64, NaiveDate)> = moments.map(|(section, moment)| (section, self.date(moment))).collect();
        // Beside one that comes they are written first: once it stands nobody sees that it is new.
        let mut beside = BTreeSet::new();
        for day in &days {
            if !self.day_stands(root, *day) {
                beside.extend(self.days_beside(*day).await?);
            }
        }
        for day in beside.difference(&days) {
            self.mirror_day(root, *day).await?;
        }
        let mut beside = BTreeSet::new();
        for day in &days {
            self.mirror_day(root, *day).await?;
            if !self.day_stands(root, *day) {
                beside.extend(self.days_beside(*day).await?);
            }
        }
        for day in beside.difference(&days) {
            self.mirror_day(root, *day).await?;
        }
        Ok(())
    }

    fn date(&self, moment: Time) -> NaiveDate {
        moment.with_timezone(&self.settings.site.timezone).date_naive()
    }

    /// Below the base; `None`: its section is no more.
    fn day_path(&self, (row, date): (i64, NaiveDate)) -> Option<(&str, String)> {
        let (section, _) = self.sections.iter().find(|(section, _)| section.row == row)?;
        Some((&section.name, format!("{}{date}/", days::path_of(&section.name))))
    }

    fn day_stands(&self, root: &Path, day: (i64, NaiveDate)) -> bool {
        self.day_path(day).is_some_and(|(_, path)| root.join(mirror::file_of(&path)).exists())
    }

    /// The nearest ones before and after it on which something stands.
    async fn days_beside(&self, (row, date): (i64, NaiveDate)) -> Result<Vec<(i64, NaiveDate)>, Failure> {
        let span = self.store.span(row, days::stretch(date, self.settings.site.timezone), 0, 0).await?;
        Ok([span.newer, span.older].into_iter().flatten().map(|moment| (row, self.date(moment))).collect())
    }

    /// Its parts as they are now; those that it has no more leave.
    async fn mirror_day(&self, root: &Path, day: (i64, NaiveDate)) -> Result<(), Failure> {
        let Some((section, path)) = self.day_path(day) else { return Ok(()) };
        for part in 1..=MOST_PARTS {
            let path = if part == 1 { path.clone() } else { format!("{path}{part}/") };
            let stood = root.join(mirror::file_of(&path)).exists();
            let found = self.day_page(section, day.1, part).await?;
            if !self.mirror_page(root, path, found).await? && !stood {
                break;
            }
        }
        Ok(())
    }

    async fn mirror_status(&self, root: &Path) -> Result<(), Failure> {
        for number in 1.. {
            let path = if number == 1 { STATUS_PAGE.to_owned() } else { format!("{STATUS_PAGE}/{number}") };
            let stands = root.join(mirror::file_of(&path)).exists();
            let found = self.status_page(number).await?.map_or(Found::Missing, Found::Page);
            if !self.mirror_page(root, path, found).await? && !stands {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Write a page, or take it away where there is none any more; is there one?
    async fn mirror_page(&self, root: &Path, path: String, found: Found) -> Result<bool, Failure> {
        let root: PathBuf = root.to_owned();
        let page = match found {
            Found::Page(page) => Some(page),
            _ => None,
        };
        let written = on_disk(move || match page {
            Some(page) => mirror::write(&root, &path, &publish::of_page(page)).map(|_| true),
            None => mirror::remove(&root, &path).map(|()| false),
        });
        Ok(written.await?)
    }
}
