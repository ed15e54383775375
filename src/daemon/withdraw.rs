//! Withdrawal by hand: which entry is meant, and what happens to it (DESIGN section 4).

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::dirty::Dirty;
use super::{LastRun, Newsdesk, StartError};
use crate::config::settings::Place;
use crate::model::id_of_name;
use crate::normalize::identity::{self, Key};
use crate::serve::admin::Withdraw;
use crate::serve::public::decode;
use crate::store::{Applied, StoreError, Stored, Undone, Wanted};

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithdrawReport {
    /// Those that are withdrawn now, or back.
    pub entries: Vec<Named>,
    /// Why there is none; holds what to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// An entry, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub id: String,
    pub title: String,
    pub source: String,
}

impl Newsdesk {
    /// Entries that an id, the address of a page (ours or the publisher's) or a file can mean.
    pub async fn find(&self, what: &str, path: &Path) -> Result<Vec<Stored>, StoreError> {
        for wanted in self.meanings(what, path) {
            let found = self.store.find(wanted).await?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    fn meanings(&self, what: &str, path: &Path) -> Vec<Wanted> {
        let mut meanings = vec![Wanted::Id(what.to_owned())];
        if let Some(page) = what.strip_prefix(&self.site.base).or_else(|| what.strip_prefix('/')) {
            let page = page.trim_end_matches('/');
            let name = page.strip_prefix("entries/").and_then(decode);
            meanings.extend(name.and_then(|name| id_of_name(&name)).map(Wanted::Id));
            meanings.extend(page.strip_prefix("articles/").and_then(decode).map(Wanted::Slug));
        }
        let web = crate::normalize::links::web(what, &self.settings.tracking_parameters);
        let link = web.and_then(|link| identity::link_key(&link));
        meanings.extend(link.map(|link| Wanted::Link(Key::Link(link).hash())));
        let real = path.canonicalize().ok();
        for source in &self.settings.sources {
            let Place::Folder(root) = &source.place else { continue };
            let real_root = root.canonicalize().ok();
            let inside = path
                .strip_prefix(root)
                .ok()
                .or_else(|| real.as_deref()?.strip_prefix(real_root.as_deref()?).ok())
                .and_then(Path::to_str);
            meanings.extend(inside.map(|path| Wanted::File(self.row(&source.name), path.to_owned())));
        }
        meanings
    }

    /// Withdraw an entry by hand, or undo that. What it changes for readers goes to whoever publishes.
    pub async fn withdraw(&self, wish: &Withdraw) -> Result<(WithdrawReport, Vec<(String, Applied)>), StoreError> {
        let refused =
            |trouble: String| (WithdrawReport { trouble: Some(trouble), ..WithdrawReport::default() }, Vec::new());
        let found = self.find(&wish.what, &wish.path).await?;
        let pending: Vec<&Stored> = found.iter().filter(|stored| wish.undo || stored.withdrawn.is_none()).collect();
        match (found.len(), pending.len()) {
            (0, _) => {
                return Ok(refused(format!(
                    "no entry is known by {:?}: give the id that its page /entries/ID shows, its link, or the file of an article",
                    wish.what
                )));
            }
            // Withdrawn by its source or its file: by hand it stays so.
            (_, 0) => {}
            (1.., 2..) if !wish.all => {
                let each = pending.iter().map(|stored| format!("  {}  {}", stored.entry.id, stored.entry.stated.title));
                let each: Vec<String> = each.collect();
                return Ok(refused(format!(
                    "{} entries are known by this; name one by its id, or add --all:\n{}",
                    each.len(),
                    each.join("\n")
                )));
            }
            _ => {}
        }
        let now = super::now();
        let mut done = Vec::new();
        let mut entries = Vec::new();
        for stored in &found {
            let applied = if wish.undo {
                let newsdesk = self.clone();
                let place = move |source: &str, stated: &crate::model::Stated, first_seen| {
                    newsdesk.placer.sections(source, stated, first_seen)
                };
                match self.store.undo_withdrawal(stored.row, now, place).await? {
                    Undone::Back(applied) => applied,
                    Undone::NotByHand if found.len() > 1 => continue,
                    Undone::NotByHand if stored.withdrawn.is_none() => {
                        return Ok(refused(format!("{} is not withdrawn", stored.entry.id)));
                    }
                    Undone::NotByHand => {
                        return Ok(refused(format!(
                            "{} was withdrawn by its source, not by hand: it comes back when its source brings it again",
                            stored.entry.id
                        )));
                    }
                    Undone::NoFile => {
                        return Ok(refused(format!(
                            "the file of {} is gone: bring it back, and undo this then",
                            stored.entry.id
                        )));
                    }
                }
            } else {
                self.store.withdraw(vec![stored.row], now).await?
            };
            let (id, title) = (stored.entry.id.0.clone(), stored.entry.stated.title.clone());
            entries.push(Named { id, title, source: stored.entry.source.clone() });
            done.push((stored.entry.source.clone(), applied));
        }
        Ok((WithdrawReport { entries, trouble: None }, done))
    }

    /// What withdrawals change.
    pub(super) fn withdrawn(&self, done: &[(String, Applied)], dirty: &mut Dirty) {
        for (name, applied) in done {
            if let Some(source) = self.source(name) {
                dirty.add(source, applied);
                dirty.urgent = true;
            }
        }
    }
}

/// `newsdesk withdraw` where no daemon runs: done, published, closed.
pub async fn withdraw(newsdesk: Newsdesk, wish: &Withdraw) -> Result<WithdrawReport, StartError> {
    let mut dirty = Dirty::default();
    if newsdesk.last_run().await? != LastRun::Whole {
        dirty = newsdesk.everything().await?;
    }
    let (report, done) = newsdesk.withdraw(wish).await?;
    newsdesk.withdrawn(&done, &mut dirty);
    if !dirty.is_empty() {
        newsdesk.publish(&dirty, super::now()).await.trouble.map_or(Ok(()), Err)?;
    }
    newsdesk.mark_all_published().await?;
    newsdesk.store.close().await;
    Ok(report)
}
