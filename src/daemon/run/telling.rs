//! What the loop says: to the log when a source begins or ceases to fail, to the service manager in one line, to
//! `/metrics` in numbers.

use chrono::TimeDelta;

use super::Loop;
use crate::daemon::refresh::{Refreshing, Stage};
use crate::daemon::{chain, now};

impl Loop {
    pub(super) fn note(&mut self, refreshing: &Refreshing) {
        self.newsdesk.numbers.refreshed(refreshing);
        let name = &refreshing.source.name;
        match &refreshing.result {
            Ok(done) if done.trouble.is_some() => {
                // Each of its troubles was said where it was found.
                self.failing.insert(name.clone(), Stage::Parse.to_string());
                tracing::debug!(source = %name, "{}", done.words);
            }
            Ok(done) => {
                if self.failing.remove(name).is_some() {
                    tracing::info!(source = %name, stage = "refresh", "well again: {}", done.words);
                } else if done.applied.sections.is_empty() {
                    tracing::debug!(source = %name, "{}", done.words);
                } else {
                    tracing::info!(source = %name, stage = "refresh", "{}", done.words);
                }
            }
            Err(error) => {
                let cause = chain(&*error.cause);
                let stage = error.stage.to_string();
                if self.failing.insert(name.clone(), stage.clone()) != Some(stage) {
                    tracing::warn!(source = %name, stage = %error.stage, "{cause}; next try {}", refreshing.next.at);
                } else {
                    // It was said when it began; the status page has the rest.
                    tracing::debug!(source = %name, stage = %error.stage, "{cause}");
                }
            }
        }
    }

    /// "412 sources, 9 failing; next poll in 4 s".
    pub(super) fn words(&self) -> String {
        let sources = self.newsdesk.settings.sources.len();
        words(sources, self.failing.len(), self.running.len(), self.polls.next().map(|at| at - now()))
    }

    pub(super) fn count(&self) {
        let numbers = &self.newsdesk.numbers;
        numbers.turns.add(1);
        numbers.sources.set(self.newsdesk.settings.sources.len() as u64);
        numbers.failing.set(self.failing.len() as u64);
        numbers.waiting.set(self.polls.waiting() as u64);
        numbers.running.set(self.running.len() as u64);
        numbers.next_poll.set(self.polls.next().map_or(0, |at| at.timestamp().max(0).unsigned_abs()));
    }
}

fn words(sources: usize, failing: usize, running: usize, next: Option<TimeDelta>) -> String {
    let source = if sources == 1 { "source" } else { "sources" };
    let now = if running == 0 { String::new() } else { format!(", {running} being asked") };
    let next = next.map_or(String::new(), |wait| format!("; next poll in {} s", wait.num_seconds().max(0)));
    format!("{sources} {source}, {failing} failing{now}{next}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_the_service_manager() {
        let check = |sources, failing, running, next: Option<i64>, want: &str| {
            assert_eq!(words(sources, failing, running, next.map(TimeDelta::seconds)), want);
        };
        check(412, 9, 0, Some(4), "412 sources, 9 failing; next poll in 4 s");
        check(1, 0, 1, None, "1 source, 0 failing, 1 being asked");
        check(0, 0, 0, None, "0 sources, 0 failing");
        check(2, 0, 0, Some(-3), "2 sources, 0 failing; next poll in 0 s");
    }
}
