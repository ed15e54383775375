//! How often each rule matched, for those who wrote it: one that never did is probably wrong.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::config::settings::Source;
use crate::model::Time;
use crate::store::{Store, StoreError};

/// One rule and its hits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleRow {
    /// "rule 3", "rule 1 of source wires".
    pub rule: String,
    /// Entries that it matched when they were taken in.
    pub hits: u64,
    pub last: Option<Time>,
}

/// Every rule of the configuration, in order.
pub async fn report(settings: &Settings, store: &Store) -> Result<Vec<RuleRow>, StoreError> {
    rows(settings, store, |_| true).await
}

/// The same for everybody: without the rules of private sources.
pub async fn public(settings: &Settings, store: &Store) -> Result<Vec<RuleRow>, StoreError> {
    rows(settings, store, |source| !source.private).await
}

async fn rows(settings: &Settings, store: &Store, told: fn(&Source) -> bool) -> Result<Vec<RuleRow>, StoreError> {
    let hits = store.rule_hits().await?;
    let rules = settings.rules.iter();
    let of_sources = settings.sources.iter().filter(|source| told(source)).flat_map(|source| &source.rules);
    let of_sections = settings.section_rules.values().flatten();
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for rule in rules.chain(of_sources).chain(of_sections) {
        // Every outline of a list has the rules of the list.
        let print = rule.print();
        if seen.insert((rule.label.clone(), print.clone())) {
            let known = hits.get(&print);
            let (hits, last) = known.map_or((0, None), |known| (known.hits, Some(known.last)));
            rows.push(RuleRow { rule: rule.label.clone(), hits, last });
        }
    }
    Ok(rows)
}

/// Labels of those that never matched.
pub fn never_matched(rows: &[RuleRow]) -> Vec<&str> {
    rows.iter().filter(|row| row.hits == 0).map(|row| row.rule.as_str()).collect()
}

/// Once more for each of these.
pub fn count(hits: &mut BTreeMap<String, u64>, of: BTreeSet<String>) {
    for rule in of {
        *hits.entry(rule).or_default() += 1;
    }
}
