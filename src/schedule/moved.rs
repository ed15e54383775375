//! Permanent redirects (301, 308): followed at once, remembered only when they have proved themselves.
//!
//! The configured URL stays on record. A redirect is adopted after three successful polls in a row through the same
//! all-permanent chain to a feed with overlapping ids, and left again when the adopted URL fails three times in a row.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::compact;

const AGREEING: u32 = 3;
const FAILING: u32 = 3;

/// What is remembered of a source's redirects; part of [`super::Poll`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Moved {
    /// The configured URL that all this is about: when the operator writes another one, nothing is remembered.
    #[serde(skip_serializing_if = "compact::usual")]
    configured: Option<String>,
    /// Asked instead of the configured one.
    #[serde(skip_serializing_if = "compact::usual")]
    adopted: Option<Url>,
    /// Targets of the last poll's redirects, if all were permanent and the document was the same feed.
    #[serde(skip_serializing_if = "compact::usual")]
    chain: Vec<Url>,
    /// Polls in a row that went through `chain`.
    #[serde(skip_serializing_if = "compact::usual")]
    agreed: u32,
    /// Failures in a row of the adopted URL.
    #[serde(skip_serializing_if = "compact::usual")]
    failed: u32,
}

/// One redirect that was followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    pub to: Url,
}

impl Hop {
    fn permanent(&self) -> bool {
        matches!(self.status, 301 | 308)
    }
}

impl Moved {
    /// The URL to ask now.
    pub fn ask<'a>(&'a self, configured: &'a Url) -> &'a Url {
        match &self.adopted {
            Some(adopted) if self.is_about(configured) => adopted,
            _ => configured,
        }
    }

    /// The URL that the operator should write instead of the configured one.
    pub fn suggestion(&self, configured: &Url) -> Option<&Url> {
        self.adopted.as_ref().filter(|_| self.is_about(configured))
    }

    /// A poll of [`Moved::ask`] succeeded through `hops`. `same_feed`: it was not modified, or is a feed some of whose
    /// ids are known. `true`: from now on another URL is asked.
    pub fn succeeded(&mut self, configured: &Url, hops: &[Hop], same_feed: bool) -> bool {
        self.about(configured);
        self.failed = 0;
        let Some(last) = hops.last().filter(|_| same_feed && hops.iter().all(Hop::permanent)) else {
            self.forget_chain();
            return false;
        };
        let same_chain = self.chain.iter().eq(hops.iter().map(|hop| &hop.to));
        self.agreed = if same_chain { self.agreed + 1 } else { 1 };
        self.chain = hops.iter().map(|hop| hop.to.clone()).collect();
        if self.agreed < AGREEING {
            return false;
        }
        // A chain that ends where the operator pointed us is no move.
        self.adopted = Some(last.to.clone()).filter(|to| to != configured);
        self.forget_chain();
        true
    }

    /// A poll of [`Moved::ask`] failed. `true`: from now on the configured URL is asked again.
    pub fn failed(&mut self, configured: &Url) -> bool {
        self.about(configured);
        self.forget_chain();
        if self.adopted.is_none() {
            return false;
        }
        self.failed += 1;
        if self.failed < FAILING {
            return false;
        }
        *self = Moved { configured: Some(configured.to_string()), ..Moved::default() };
        true
    }

    fn is_about(&self, configured: &Url) -> bool {
        self.configured.as_deref() == Some(configured.as_str())
    }

    fn about(&mut self, configured: &Url) {
        if !self.is_about(configured) {
            *self = Moved { configured: Some(configured.to_string()), ..Moved::default() };
        }
    }

    fn forget_chain(&mut self) {
        self.chain.clear();
        self.agreed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> Url {
        format!("https://example.org/{path}").parse().unwrap()
    }

    /// Each step: "" a success without redirect, "301 b 308 c" one through them, "other 301 b" to another feed, "x" a
    /// failure. Expected: what is asked after each.
    fn check(steps: &[(&str, &str)]) {
        let (mut moved, configured) = (Moved::default(), url("a"));
        for (at, (step, asked)) in steps.iter().enumerate() {
            if *step == "x" {
                moved.failed(&configured);
            } else {
                let words: Vec<&str> = step.split_whitespace().filter(|word| *word != "other").collect();
                let hops = words.chunks(2).map(|hop| Hop { status: hop[0].parse().unwrap(), to: url(hop[1]) });
                moved.succeeded(&configured, &hops.collect::<Vec<_>>(), !step.starts_with("other"));
            }
            assert_eq!(moved.ask(&configured), &url(asked), "step {at}: {step}");
        }
    }

    #[test]
    fn three_agreeing_successes_adopt() {
        check(&[("301 b", "a"), ("301 b", "a"), ("301 b", "b"), ("", "b")]);
        check(&[("301 b 308 c", "a"), ("308 b 301 c", "a"), ("301 b 308 c", "c")]);
    }

    #[test]
    fn anything_else_begins_anew() {
        check(&[("301 b", "a"), ("301 b", "a"), ("301 c", "a"), ("301 b", "a"), ("301 b", "a"), ("301 b", "b")]);
        check(&[("301 b", "a"), ("301 b", "a"), ("", "a"), ("301 b", "a")]);
        check(&[("301 b", "a"), ("301 b", "a"), ("x", "a"), ("301 b", "a")]);
        check(&[("301 b", "a"), ("301 b", "a"), ("301 c 301 b", "a"), ("301 c 301 b", "a")]);
        check(&[("301 b", "a"), ("301 b", "a"), ("other 301 b", "a"), ("301 b", "a")]);
        for status in [302, 303, 307] {
            let step = format!("301 b {status} c");
            check(&[(&step, "a"), (&step, "a"), (&step, "a"), (&step, "a")]);
        }
    }

    #[test]
    fn three_failures_in_a_row_go_back() {
        let adopted = [("301 b", "a"), ("301 b", "a"), ("301 b", "b")];
        check(&[&adopted[..], &[("x", "b"), ("x", "b"), ("x", "a"), ("x", "a")]].concat());
        check(&[&adopted[..], &[("x", "b"), ("x", "b"), ("", "b"), ("x", "b"), ("x", "b"), ("x", "a")]].concat());
    }

    #[test]
    fn an_adopted_address_may_move_on_and_home() {
        let adopted = [("301 b", "a"), ("301 b", "a"), ("301 b", "b")];
        check(&[&adopted[..], &[("301 c", "b"), ("301 c", "b"), ("301 c", "c")]].concat());
        check(&[&adopted[..], &[("301 a", "b"), ("301 a", "b"), ("301 a", "a")]].concat());
    }

    #[test]
    fn another_configured_address_forgets() {
        let (mut moved, first, second) = (Moved::default(), url("a"), url("z"));
        let hops = [Hop { status: 301, to: url("b") }];
        for polls in 1..=3 {
            assert_eq!(moved.succeeded(&first, &hops, true), polls == 3);
        }
        assert_eq!(moved.suggestion(&first), Some(&url("b")));
        assert_eq!(moved.ask(&second), &second);
        assert_eq!(moved.suggestion(&second), None);
        moved.failed(&second);
        assert_eq!(moved.ask(&first), &first);
    }
}
