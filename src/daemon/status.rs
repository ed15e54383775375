//! How the sources are, for everybody: `/status`, a page made for a request, and `/status.atom`, a document like others.
//!
//! What the public address makes for anybody costs the same however many ask: a page is made at most once in
//! `KEPT_FOR`, by the first who asks, and the others wait for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use url::Url;

use super::{Newsdesk, now, pages, rules};
use crate::config::settings::{Place, holds_secret};
use crate::model::Time;
use crate::render::discreet::discreet;
use crate::render::{page, troubles};
use crate::schedule::{Health, health, rhythm};
use crate::store::{Activity, PageCounts, SourceRow, Spells, StoreError};

/// Rows on one page of the status.
const ROWS: usize = 250;
/// A page of the status is as old as this, at most.
const KEPT_FOR: Duration = Duration::from_secs(2);

/// Pages of the status that were made lately, by number.
#[derive(Debug, Default)]
pub struct StatusPages {
    pages: tokio::sync::Mutex<BTreeMap<usize, (Instant, Vec<u8>)>>,
}

impl Newsdesk {
    /// `/status`, or with a number above 1 `/status/N`; `None`: there are fewer.
    pub(super) async fn status_page(&self, number: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let mut kept = self.status.pages.lock().await;
        kept.retain(|_, (made, _)| made.elapsed() < KEPT_FOR);
        if let Some((_, page)) = kept.get(&number) {
            return Ok(Some(page.clone()));
        }
        let Some(page) = self.make_status_page(number, now()).await? else { return Ok(None) };
        kept.insert(number, (Instant::now(), page.clone()));
        Ok(Some(page))
    }

    async fn make_status_page(&self, number: usize, now: Time) -> Result<Option<Vec<u8>>, StoreError> {
        let rows = self.store.sources().await?;
        let mut activity = self.store.activity(rows.iter().map(|row| row.row).collect(), now).await?;
        let pages = self.store.page_counts().await?;
        let mut rows: Vec<(Health, SourceRow, Activity)> = rows
            .into_iter()
            .map(|row| {
                let activity = activity.remove(&row.row).unwrap_or_default();
                (health_of(&row, &activity, now), row, activity)
            })
            .collect();
        // They come by name.
        rows.sort_by_key(|(health, ..)| *health);
        let mut counts: BTreeMap<Health, usize> = BTreeMap::new();
        rows.iter().for_each(|(health, ..)| *counts.entry(*health).or_default() += 1);
        let last = rows.len().div_ceil(ROWS).max(1);
        if number == 0 || number > last {
            return Ok(None);
        }
        // What is wrong with a rule is wrong with the whole: said once, on the first page.
        let rules = if number == 1 { rules::public(&self.settings, &self.store).await? } else { Vec::new() };
        let path = |number: usize| if number == 1 { "status".to_owned() } else { format!("status/{number}") };
        let page = page::StatusPage {
            site: pages::site(self),
            counts: counts.into_iter().map(|(health, count)| (mark(health), count)).collect(),
            sources: rows
                .iter()
                .skip((number - 1) * ROWS)
                .take(ROWS)
                .map(|row| self.status_row(row, pages.get(&row.1.row), now))
                .collect(),
            rules: rules
                .into_iter()
                .map(|rules::RuleRow { rule, hits, last }| page::RuleRow { rule, hits, last })
                .collect(),
            notices: self.public_notices(),
            pager: page::Pager {
                newer: (number > 1).then(|| path(number - 1)),
                older: (number < last).then(|| path(number + 1)),
            },
        };
        Ok(Some(page::status_page(&page).into()))
    }

    fn status_row(
        &self,
        (health, row, activity): &(Health, SourceRow, Activity),
        pages: Option<&PageCounts>,
        now: Time,
    ) -> page::SourceRow {
        let private = self.is_private(&row.name);
        let link = row.origin.as_ref().and_then(|origin| origin.link.clone().or_else(|| origin.feed.clone()));
        page::SourceRow {
            name: row.name.clone(),
            link: link.filter(|_| !private),
            mark: mark(*health),
            last_success: row.state.last_success,
            last_try: row.state.last_try,
            outcome: match &row.state.trouble {
                // An error text may name an address: of a private source only the step is said.
                Some(trouble) if private => {
                    with_status(row.state.http_status, format!("the step that failed: {}", trouble.stage))
                }
                Some(trouble) => {
                    let words = self.public_words(&row.name, &row.state.outcome);
                    format!("{}: {}", trouble.stage, with_status(row.state.http_status, words))
                }
                None => with_status(row.state.http_status, self.public_words(&row.name, &row.state.outcome)),
            },
            silence: (*health == Health::Quiet).then(|| health::silence(&activity.moments, now)).flatten(),
            failures: row.state.poll.failures,
            since: row.state.trouble.as_ref().map(|trouble| trouble.since),
            next_poll: row.state.next_poll,
            // It may name a hub.
            why: self.public_words(&row.name, &row.state.next_reason),
            advice: self.public_advice(row),
            entries: row.entries,
            full_text: pages.map(PageCounts::to_string),
            cut: row.cut().filter(|_| !private).map(|words| self.public_words(&row.name, &words)),
            rhythm: rhythm::in_words(&row.state.poll.seen),
            newest: row.newest,
            days: activity.days.clone(),
        }
    }

    /// The line that its owner should write; where the address is not for everybody, only that there is one.
    fn public_advice(&self, row: &SourceRow) -> Option<String> {
        let configured = Url::parse(&row.place).ok()?;
        let (url, why) = row.state.poll.suggestion(&configured)?;
        Some(match self.is_private(&row.name) || holds_secret(url) {
            true => format!("newsdesk status has the line to change ({why})"),
            false => format!("write url = \"{url}\" ({why})"),
        })
    }

    /// In public by name only; of a source that is configured no more nobody knows whether it was.
    pub(super) fn is_private(&self, source: &str) -> bool {
        self.sources.get(source).is_none_or(|source| source.private)
    }

    fn public_words(&self, source: &str, words: &str) -> String {
        let is_feed = self.sources.get(source).is_none_or(|source| matches!(source.place, Place::Feed(_)));
        discreet(words, is_feed)
    }

    /// `/status.atom`
    pub(super) fn troubles(&self, spells: Spells) -> Vec<u8> {
        let site = &self.site;
        let troubles = spells.spells.into_iter().map(|spell| troubles::Trouble {
            cause: (!self.is_private(&spell.source)).then(|| self.public_words(&spell.source, &spell.cause)),
            link: format!("{}status#{}", site.base, page::anchor(&spell.source)),
            began_id: spell.began_id,
            ended_id: spell.ended_id,
            source: spell.source,
            began: spell.began,
            ended: spell.ended,
            stage: spell.stage,
        });
        troubles::document(&troubles::Troubles {
            id: spells.feed_id,
            site: self.settings.site.title.clone(),
            base: site.base.clone(),
            hubs: site.hubs.clone(),
            created: self.sections.first().map(|(row, _)| row.created).unwrap_or_default(),
            troubles: troubles.collect(),
        })
    }
}

/// "304, nothing new": the words after the HTTP status of the last answer, where they do not say it themselves.
pub fn with_status(status: Option<u16>, words: String) -> String {
    match status.map(|status| status.to_string()) {
        Some(status) if !words.contains(&status) => format!("{status}, {words}"),
        _ => words,
    }
}

fn health_of(row: &SourceRow, activity: &Activity, now: Time) -> Health {
    let state = &row.state;
    Health::of(state.trouble.is_some(), state.last_try.is_some(), &state.poll, &activity.moments, now)
}

fn mark(health: Health) -> page::Mark {
    match health {
        Health::Failing => page::Mark::Failing,
        Health::Gone => page::Mark::Gone,
        Health::Quiet => page::Mark::Quiet,
        Health::Waiting => page::Mark::Waiting,
        Health::Well => page::Mark::Well,
    }
}
