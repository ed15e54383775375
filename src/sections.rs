//! Sections: which entry stands in which section, by source, category, section line and rules.
//!
//! May use: `model`. Pure: the same entry under the same settings gives the same answer, so that `plan` and `explain`
//! are this very function with nothing written.

use chrono::TimeDelta;
use regex::Regex;

/// One `[[rule]]`, checked: when every condition holds, the actions are carried out in order.
#[derive(Debug, Clone)]
pub struct Rule {
    pub when: Condition,
    pub then: Vec<Action>,
    /// As people know it: "rule 3", "rule 1 of source wires".
    pub label: String,
}

#[derive(Debug, Clone)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// A field that holds several values (authors, categories) matches when one of them does.
    Text(Field, Test),
    OlderThan(TimeDelta),
    HasEnclosure(bool),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    Title,
    Content,
    Author,
    Category,
    Link,
    Language,
    Source,
}

/// Comparisons disregard case, but for a regular expression, which says so itself (`(?i)`).
#[derive(Debug, Clone)]
pub enum Test {
    Equals(String),
    Contains(String),
    Matches(Regex),
}

#[derive(Debug, Clone)]
pub enum Action {
    /// In no section at all.
    Drop,
    AddSection(String),
    RemoveSection(String),
    AddCategory(String),
    /// `set-title = { matches = "...", with = "$1" }`
    SetTitle(Regex, String),
    /// No later rule is asked.
    Stop,
}
