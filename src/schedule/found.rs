//! The feed that a web page led to: looked for once, remembered, and asked in the page's place from then on.
//!
//! The configured URL stays on record; when the operator writes another one, nothing is remembered. A source whose
//! configured URL once brought a feed is never searched: then a web page is a failure. Each candidate is asked by a poll
//! of its own, so that the search keeps to the budgets of hosts and goes on after a restart.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Failure;
use crate::model::{Time, compact};
use crate::parse::discover::{By, Candidate};

/// A page without a feed is searched again after this: it may have got one.
const SEARCH_AGAIN: TimeDelta = TimeDelta::days(7);
/// Tries of a candidate that fails for reasons that may pass.
const PATIENCE: u8 = 3;

/// What is remembered of a search; part of [`super::Poll`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    /// The configured URL that all this is about.
    #[serde(skip_serializing_if = "compact::usual")]
    configured: Option<String>,
    /// The configured URL itself brought a feed.
    #[serde(skip_serializing_if = "compact::usual")]
    is_feed: bool,
    /// Asked instead of the configured one.
    #[serde(skip_serializing_if = "compact::usual")]
    feed: Option<Url>,
    /// Further feeds that the page names; nobody has asked for them.
    #[serde(skip_serializing_if = "compact::usual")]
    others: Vec<Url>,
    /// While the search lasts: what is still to be asked, the next one first.
    #[serde(skip_serializing_if = "compact::usual")]
    candidates: Vec<Candidate>,
    /// Failures of that next one that may pass.
    #[serde(skip_serializing_if = "compact::usual")]
    tries: u8,
    /// When a search found nothing.
    #[serde(with = "compact::moment", skip_serializing_if = "compact::usual")]
    in_vain: Option<Time>,
}

/// How a search goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Ask [`Found::ask`] soon.
    Next,
    /// Nothing is left to be asked: the page has no feed.
    InVain,
    /// This is no matter of a search, or one for later: a failure like any other.
    Failure,
}

impl Found {
    /// The URL to ask now.
    pub fn ask<'a>(&'a self, configured: &'a Url) -> &'a Url {
        if !self.is_about(configured) {
            return configured;
        }
        self.feed.as_ref().or(self.candidates.first().map(|candidate| &candidate.url)).unwrap_or(configured)
    }

    /// The URL that the operator should write instead of the configured one.
    pub fn suggestion(&self, configured: &Url) -> Option<&Url> {
        self.feed.as_ref().filter(|_| self.is_about(configured))
    }

    /// Other feeds that the page names.
    pub fn others(&self) -> &[Url] {
        &self.others
    }

    pub fn is_searching(&self, configured: &Url) -> bool {
        self.is_about(configured) && !self.candidates.is_empty()
    }

    /// [`Found::ask`] was no feed but a web page, with these candidates. `succeeded`: the source was read well at some
    /// time.
    pub fn is_a_page(&mut self, configured: &Url, candidates: Vec<Candidate>, succeeded: bool, now: Time) -> Step {
        let unknown = self.configured.is_none();
        self.about(configured);
        if !self.candidates.is_empty() {
            return self.failed(configured, Failure::NotAFeed, now);
        }
        let fresh = self.in_vain.is_none_or(|at| now - at >= SEARCH_AGAIN || now < at);
        if self.is_feed || self.feed.is_some() || !fresh || (unknown && succeeded) {
            return Step::Failure;
        }
        self.candidates = candidates;
        self.go_on(now)
    }

    /// [`Found::ask`] was a feed. `true`: one that the search has found.
    pub fn succeeded(&mut self, configured: &Url) -> bool {
        self.about(configured);
        if self.candidates.is_empty() {
            self.is_feed |= self.feed.is_none();
            return false;
        }
        let found = self.candidates.remove(0);
        let stated = std::mem::take(&mut self.candidates).into_iter().filter(|candidate| candidate.by == By::Link);
        *self = Found {
            configured: self.configured.take(),
            feed: Some(found.url),
            others: stated.map(|candidate| candidate.url).collect(),
            ..Found::default()
        };
        true
    }

    /// [`Found::ask`] failed.
    pub fn failed(&mut self, configured: &Url, failure: Failure, now: Time) -> Step {
        self.about(configured);
        let Some(candidate) = self.candidates.first() else { return Step::Failure };
        self.tries = self.tries.saturating_add(1);
        if may_pass(failure, candidate.by) && self.tries < PATIENCE {
            return Step::Failure;
        }
        self.candidates.remove(0);
        self.go_on(now)
    }

    /// The same where nobody waits for a better time: the next candidate's turn.
    pub fn pass_over(&mut self, now: Time) -> Step {
        if self.candidates.is_empty() {
            return Step::Failure;
        }
        self.candidates.remove(0);
        self.go_on(now)
    }

    fn go_on(&mut self, now: Time) -> Step {
        self.tries = 0;
        if self.candidates.is_empty() {
            self.in_vain = Some(now);
            return Step::InVain;
        }
        Step::Next
    }

    fn is_about(&self, configured: &Url) -> bool {
        self.configured.as_deref() == Some(configured.as_str())
    }

    fn about(&mut self, configured: &Url) {
        if !self.is_about(configured) {
            *self = Found { configured: Some(configured.to_string()), ..Found::default() };
        }
    }
}

/// What the page names is worth waiting for; a guess only where the host asks for patience.
fn may_pass(failure: Failure, by: By) -> bool {
    use Failure::{Connect, CutShort, Dns, ServerError, Timeout, Tls, TooMany, Unavailable};
    matches!(failure, TooMany | Unavailable)
        || by == By::Link && matches!(failure, ServerError | Dns | Connect | Tls | Timeout | CutShort)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> Url {
        format!("https://example.org/{path}").parse().unwrap()
    }

    fn candidate(path: &str, by: By) -> Candidate {
        Candidate { url: url(path), by, title: None }
    }

    fn at(day: i64) -> Time {
        Time::from_timestamp(1_790_000_000 + day * 86_400, 0).unwrap()
    }

    /// Each step: "feed", "page" (that names `a` and `b`; `g` is a guess), or a failure. Expected: what is asked then.
    fn check(steps: &[(&str, &str)]) {
        let (mut found, configured) = (Found::default(), url(""));
        for (place, (step, asked)) in steps.iter().enumerate() {
            let named = || vec![candidate("a", By::Link), candidate("b", By::Link), candidate("g", By::Guess)];
            match *step {
                "feed" => drop(found.succeeded(&configured)),
                "page" => drop(found.is_a_page(&configured, named(), false, at(0))),
                "later page" => drop(found.is_a_page(&configured, named(), false, at(8))),
                "404" => drop(found.failed(&configured, Failure::NotFound, at(0))),
                "500" => drop(found.failed(&configured, Failure::ServerError, at(0))),
                "429" => drop(found.failed(&configured, Failure::TooMany, at(0))),
                other => panic!("{other}"),
            }
            assert_eq!(found.ask(&configured), &url(asked), "step {place}: {step}");
        }
    }

    #[test]
    fn the_first_candidate_that_is_a_feed_is_remembered() {
        check(&[("page", "a"), ("feed", "a"), ("feed", "a"), ("404", "a"), ("page", "a"), ("feed", "a")]);
        check(&[("page", "a"), ("404", "b"), ("feed", "b"), ("feed", "b")]);
        check(&[("page", "a"), ("page", "b"), ("404", "g"), ("feed", "g")]);
        let mut found = Found::default();
        found.is_a_page(&url(""), vec![candidate("a", By::Link), candidate("b", By::Link)], false, at(0));
        assert_eq!(found.suggestion(&url("")), None);
        assert!(found.succeeded(&url("")) && !found.succeeded(&url("")));
        assert_eq!((found.suggestion(&url("")), found.others()), (Some(&url("a")), &[url("b")][..]));
    }

    #[test]
    fn a_feed_that_turns_into_a_page_is_no_search() {
        check(&[("feed", ""), ("page", ""), ("later page", ""), ("feed", "")]);
        let mut found = Found::default();
        let named = vec![candidate("a", By::Link)];
        assert_eq!(found.is_a_page(&url(""), named.clone(), true, at(0)), Step::Failure, "it was read well before");
        // Another address is another matter.
        assert_eq!(found.is_a_page(&url("other"), named, true, at(0)), Step::Next);
    }

    #[test]
    fn a_search_in_vain_is_not_made_again_soon() {
        check(&[("page", "a"), ("404", "b"), ("404", "g"), ("404", ""), ("page", ""), ("later page", "a")]);
        let mut found = Found::default();
        assert_eq!(found.is_a_page(&url(""), Vec::new(), false, at(0)), Step::InVain);
        assert_eq!(found.is_a_page(&url(""), Vec::new(), false, at(1)), Step::Failure);
        // Found to be a feed meanwhile, it is one.
        check(&[("page", "a"), ("404", "b"), ("404", "g"), ("404", ""), ("feed", ""), ("later page", "")]);
    }

    #[test]
    fn what_may_pass_is_waited_for() {
        check(&[("page", "a"), ("500", "a"), ("500", "a"), ("500", "b"), ("500", "b"), ("feed", "b")]);
        check(&[("page", "a"), ("404", "b"), ("404", "g"), ("429", "g"), ("500", "")]);
        check(&[("page", "a"), ("404", "b"), ("404", "g"), ("500", "")]);
    }

    #[test]
    fn another_configured_address_forgets() {
        let mut found = Found::default();
        found.is_a_page(&url(""), vec![candidate("a", By::Link)], false, at(0));
        found.succeeded(&url(""));
        assert_eq!(found.ask(&url("z")), &url("z"));
        assert_eq!(found.suggestion(&url("z")), None);
        found.failed(&url("z"), Failure::NotFound, at(0));
        assert_eq!(found.ask(&url("")), &url(""));
    }
}
