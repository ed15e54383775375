//! Full texts in the loop: which sources have pages to read, and who waits until they are read.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;

use chrono::TimeDelta;
use futures_util::FutureExt;
use tokio::task::{JoinError, JoinSet};

use super::Loop;
use crate::config::settings::Source;
use crate::daemon::clock::{now, wall};
use crate::daemon::full_text::{self, KnownRobots, Turn};
use crate::daemon::refresh::Refreshing;
use crate::fetch::http::Way;

/// A page that may be asked for only after this is none that somebody waits for.
const SOON: TimeDelta = TimeDelta::seconds(30);

/// Pages that are read, or looked for.
#[derive(Default)]
pub(super) struct Reading {
    pub turns: JoinSet<Turn>,
    robots: KnownRobots,
    /// Row of a source -> its refresh, which is told when its pages are read.
    held: HashMap<i64, Refreshing>,
}

impl Reading {
    /// Sources that were refreshed and wait for their pages.
    pub fn held(&self) -> HashSet<&str> {
        self.held.values().map(|refreshing| refreshing.source.name.as_str()).collect()
    }
}

impl Loop {
    /// Are there pages to be read of this source? `refreshing` is answered when they are.
    pub(super) fn look_for_pages(&mut self, source: &Source, refreshing: Option<Refreshing>) {
        let row = self.newsdesk.row(&source.name);
        if let Some(refreshing) = refreshing {
            self.reading.held.insert(row, refreshing);
        }
        let newsdesk = self.newsdesk.clone();
        self.reading.turns.spawn(async move { newsdesk.look_for_pages(row).await });
    }

    /// A turn of the queue of hosts is there.
    pub(super) fn start_pages(&mut self, key: &str, row: i64, ways: Vec<Way>) {
        let source = self.newsdesk.source_of(row);
        let Some(source) = source.filter(|source| source.full_text).cloned() else {
            self.polls.finished(key, None, wall());
            return;
        };
        let (newsdesk, robots) = (self.newsdesk.clone(), self.reading.robots.clone());
        self.reading.turns.spawn(async move {
            let turn = AssertUnwindSafe(newsdesk.read_pages(source.clone(), row, robots, ways)).catch_unwind().await;
            turn.unwrap_or_else(|_| {
                tracing::error!(source = %source.name, stage = "full text", "reading a page panicked, please report this");
                Turn { row, asked: true, next: Some((String::new(), now() + TimeDelta::hours(1))), ..Turn::default() }
            })
        });
    }

    pub(super) fn pages_read(&mut self, turn: Result<Turn, JoinError>) {
        let turn = match turn {
            Ok(turn) => turn,
            Err(cause) => {
                // Its pages wait in the store for the next refresh.
                tracing::error!(stage = "full text", "pages could not be looked for, please report this: {cause}");
                return;
            }
        };
        let key = full_text::key(turn.row);
        let taught = turn.asked && self.polls.finished(&key, turn.refused.as_ref(), wall());
        if taught {
            self.remember_hosts();
        }
        if let Some(source) = self.newsdesk.source_of(turn.row).cloned() {
            turn.applied.iter().for_each(|applied| self.take_in(&source, applied));
        }
        let soon = if turn.ways.is_empty() {
            let soon = turn.next.as_ref().is_some_and(|(_, due)| *due <= now() + SOON);
            if let Some((bucket, due)) = turn.next.filter(|_| !self.polls.is_under_way(&key)) {
                self.polls.push(&key, bucket, due);
            }
            soon
        } else {
            self.polls.go_on(&key, turn.ways, wall());
            true
        };
        if !soon && let Some(refreshing) = self.reading.held.remove(&turn.row) {
            self.answer_waiting(&refreshing);
        }
        if taught || self.is_parked_for_long(&key) {
            self.answer_parked();
        }
    }

    /// Nobody waits for pages of a host that asked to be left alone, either.
    pub(super) fn answer_without_pages(&mut self) {
        let rows = self.reading.held.keys().copied();
        let parked: Vec<i64> = rows.filter(|row| self.is_parked_for_long(&full_text::key(*row))).collect();
        for row in parked {
            if let Some(refreshing) = self.reading.held.remove(&row) {
                self.answer_waiting(&refreshing);
            }
        }
    }
}
