//! Conditions of rules: what is asked of an entry.

use chrono::TimeDelta;
use regex::Regex;

use crate::model::{Stated, Time, is_possible};
use crate::normalize::clean;

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

/// Conditions are nested this deep at most; the configuration refuses more.
pub const DEEPEST_CONDITION: usize = 16;

impl Condition {
    pub(super) fn holds(&self, source: &str, stated: &Stated, first_seen: Time) -> bool {
        match self {
            Condition::All(all) => all.iter().all(|one| one.holds(source, stated, first_seen)),
            Condition::Any(any) => any.iter().any(|one| one.holds(source, stated, first_seen)),
            Condition::Not(one) => !one.holds(source, stated, first_seen),
            Condition::Text(Field::Content, test) => {
                let texts = stated.content.iter().chain(&stated.summary);
                texts.map(clean::visible).any(|text| test.holds(&text))
            }
            Condition::Text(field, test) => field.values(source, stated).any(|value| test.holds(value)),
            Condition::OlderThan(age) => {
                let date = stated.published.or(stated.updated).filter(|date| is_possible(*date, first_seen));
                date.is_some_and(|date| first_seen - date > *age)
            }
            Condition::HasEnclosure(wanted) => stated.enclosures.is_empty() != *wanted,
        }
    }
}

impl Field {
    fn values<'a>(self, source: &'a str, stated: &'a Stated) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        match self {
            Field::Title => Box::new(std::iter::once(stated.title.as_str())),
            // Looked at without its markup.
            Field::Content => Box::new(std::iter::empty()),
            Field::Author => Box::new(
                stated.authors.iter().flat_map(|author| author.name.iter().chain(&author.email)).map(String::as_str),
            ),
            Field::Category => {
                let words =
                    stated.categories.iter().flat_map(|category| [Some(&category.term), category.label.as_ref()]);
                Box::new(words.flatten().map(String::as_str))
            }
            Field::Link => Box::new(stated.link.iter().map(String::as_str)),
            Field::Language => Box::new(stated.language.iter().map(String::as_str)),
            Field::Source => Box::new(std::iter::once(source)),
        }
    }
}

impl Test {
    pub(super) fn holds(&self, value: &str) -> bool {
        match self {
            Test::Equals(text) => value.to_lowercase() == text.to_lowercase(),
            Test::Contains(text) => value.to_lowercase().contains(&text.to_lowercase()),
            Test::Matches(pattern) => pattern.is_match(value),
        }
    }
}
