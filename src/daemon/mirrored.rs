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
        self.mirror_archives().await;
        // The semaphore is never closed.
        let _turn = self.mirror_turn.acquire().await;
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
                self.mirror_entry(root, id).await?;
            }
            self.mirror_days(root, days.iter().map(|day| day.what)).await?;
            self.store.mirrored_pages(print.clone(), entries, days).await?;
        }
    }

    async fn mirror_entry(&self, root: &Path, id: &str) -> Result<(), Failure> {
        let path = format!("entries/{}", encode_segment(id));
        let slug = self.store.entry_by_id(id.to_owned()).await?.and_then(|stored| stored.entry.slug);
        if let Some(slug) = slug
            && let Found::Page(page) = self.article_page(&slug).await?
        {
            let (root, path) = (root.to_owned(), format!("articles/{}/", encode_segment(&slug)));
            on_disk(move || mirror::write(&root, &path, &publish::of_page(page))).await?;
        }
        self.mirror_page(root, path, self.entry_page(id.to_owned()).await?).await.map(drop)
    }

    /// Each day once; a day that came or went changes what its neighbours point at.
    async fn mirror_days(&self, root: &Path, moments: impl Iterator<Item = SectionDay>) -> Result<(), Failure> {
        let zone = self.settings.site.timezone;
        let mut done: BTreeSet<(i64, NaiveDate)> = BTreeSet::new();
        let mut open: Vec<(i64, NaiveDate, bool)> =
            moments.map(|(section, moment)| (section, moment.with_timezone(&zone).date_naive(), true)).collect();
        while let Some((row, date, look_around)) = open.pop() {
            let Some((section, _)) = self.sections.iter().find(|(section, _)| section.row == row) else { continue };
            if !done.insert((row, date)) {
                continue;
            }
            let path = format!("{}{date}/", days::path_of(&section.name));
            let stood = root.join(mirror::file_of(&path)).exists();
            let mut stands = false;
            for part in 1..=MOST_PARTS {
                let found = self.day_page(&section.name, date, part).await?;
                let path = if part == 1 { path.clone() } else { format!("{path}{part}/") };
                let stood = part == 1 || root.join(mirror::file_of(&path)).exists();
                if !self.mirror_page(root, path, found).await? {
                    if !stood {
                        break;
                    }
                } else if part == 1 {
                    stands = true;
                }
            }
            if stood != stands && look_around {
                let around = self.store.span(row, days::stretch(date, zone), 0, 0).await?;
                let around = [around.newer, around.older].into_iter().flatten();
                let around = around.map(|moment| moment.with_timezone(&zone).date_naive());
                for near in around {
                    done.remove(&(row, near));
                    open.push((row, near, false));
                }
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
