//! Sections: which entry stands in which section, by source, category, section line and rules.
//!
//! May use: `model`, the visible text of `normalize`. Pure: the same entry under the same settings gives the same answer, so that `plan` and `explain`
//! are this very function with nothing written.

mod condition;
mod contradiction;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regex::Regex;

use crate::model::{Category, Section, Stated, Time};

pub use condition::{Condition, DEEPEST_CONDITION, Field, Test};

/// One `[[rule]]`, checked: when every condition holds, the actions are carried out in order.
#[derive(Debug, Clone)]
pub struct Rule {
    pub when: Condition,
    pub then: Vec<Action>,
    /// As people know it: "rule 3", "rule 1 of source wires".
    pub label: String,
}

impl Rule {
    /// Under which its hits are counted: the rule itself and whose it is, not its place among others.
    pub fn print(&self) -> String {
        let of = self.label.split_once(" of ").map_or("", |(_, of)| of);
        let text = format!("{of}\n{:?}\n{:?}", self.when, self.then);
        blake3::hash(text.as_bytes()).to_hex().chars().take(32).collect()
    }
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

/// What of a source's configuration decides where its entries stand.
#[derive(Debug, Clone, Default)]
pub struct SourceRules {
    /// Sections that it names for every entry.
    pub sections: Vec<String>,
    /// Asked after the global ones.
    pub rules: Vec<Rule>,
}

/// Knows where every entry belongs. Built once for a configuration.
#[derive(Debug, Clone, Default)]
pub struct Placer {
    rules: Vec<Rule>,
    sources: BTreeMap<String, SourceRules>,
    /// Source -> sections that list it.
    by_source: BTreeMap<String, Vec<String>>,
    /// Category term in lower case -> sections that list it.
    by_category: BTreeMap<String, Vec<String>>,
    /// Section -> sections that include it, one step away.
    included_in: BTreeMap<String, BTreeSet<String>>,
    /// Section -> its own rules, asked after all others of what stands in it.
    of_section: BTreeMap<String, Vec<Rule>>,
    /// Sections that have rules, those before those that include them.
    order: Vec<String>,
}

/// Where an entry stands, and how that came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement {
    /// Names in order; the empty one, the site as a whole, is first unless a rule dropped the entry.
    pub sections: Vec<String>,
    /// One sentence a step, for people.
    pub steps: Vec<String>,
    /// Prints of the rules whose conditions held.
    pub hits: BTreeSet<String>,
}

impl Placer {
    pub fn new(sections: &[Arc<Section>], rules: &[Rule], sources: BTreeMap<String, SourceRules>) -> Placer {
        let mut placer = Placer { rules: rules.to_vec(), sources, ..Placer::default() };
        for section in sections {
            for source in &section.sources {
                placer.by_source.entry(source.clone()).or_default().push(section.name.clone());
            }
            for category in &section.categories {
                placer.by_category.entry(category.to_lowercase()).or_default().push(section.name.clone());
            }
            placer.included_in.entry(section.name.clone()).or_default();
            for included in &section.include {
                placer.included_in.entry(included.clone()).or_default().insert(section.name.clone());
            }
        }
        placer
    }

    /// With rules of sections, by name.
    pub fn with_section_rules(mut self, rules: &BTreeMap<String, Vec<Rule>>) -> Placer {
        self.of_section =
            rules.iter().filter(|(_, rules)| !rules.is_empty()).map(|(n, r)| (n.clone(), r.clone())).collect();
        let mut order: Vec<(usize, String)> = Vec::new();
        for name in self.of_section.keys() {
            // What a section reaches is more than what any that includes it does.
            let reached = self.closed(&BTreeSet::from([name.clone()]), &BTreeSet::new()).len();
            order.push((usize::MAX - reached, name.clone()));
        }
        order.sort();
        self.order = order.into_iter().map(|(_, name)| name).collect();
        self
    }

    /// Every rule, in the order in which they are asked.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        let of_sources = self.sources.values().flat_map(|source| &source.rules);
        self.rules
            .iter()
            .chain(of_sources)
            .chain(self.order.iter().filter_map(|name| self.of_section.get(name)).flatten())
    }

    /// Carry out the rules on a copy of what the source states, and say where the entry stands. The age that a rule
    /// asks for is the one at first sight, so that the answer never changes by itself.
    pub fn place(&self, source: &str, stated: &mut Stated, first_seen: Time) -> Placement {
        let found = self.walk(Found::default(), source, stated, first_seen);
        self.placement(found)
    }

    /// The same, with what every rule that was asked did, for people.
    pub fn trace(&self, source: &str, stated: &mut Stated, first_seen: Time) -> (Placement, Vec<String>) {
        let traced = Found { trace: Some(Vec::new()), ..Found::default() };
        let mut found = self.walk(traced, source, stated, first_seen);
        let mut asked = found.trace.take().unwrap_or_default();
        let direct = found.sections.clone();
        let placement = self.placement(found);
        for section in placement.sections.iter().filter(|name| !name.is_empty() && !direct.contains(*name)) {
            let includes = |inner: &&String| self.included_in.get(*inner).is_some_and(|outer| outer.contains(section));
            let through = placement.sections.iter().find(includes);
            asked.extend(through.map(|inner| format!("{section} includes {inner}")));
        }
        (placement, asked)
    }

    fn walk(&self, mut found: Found, source: &str, stated: &mut Stated, first_seen: Time) -> Found {
        self.by_origin(source, stated, &mut found);
        if let Some(trace) = &mut found.trace {
            trace.extend(found.steps.iter().cloned());
        }
        let own = self.sources.get(source).map(|source| source.rules.as_slice()).unwrap_or_default();
        for rule in self.rules.iter().chain(own) {
            if self.ask(&mut found, rule, None, source, stated, first_seen) == Next::Enough {
                break;
            }
        }
        if !found.dropped {
            self.ask_sections(&mut found, source, stated, first_seen);
        }
        found
    }

    /// Ask one rule. A category that it adds selects sections as one that the entry came with does.
    fn ask(
        &self,
        found: &mut Found,
        rule: &Rule,
        of: Option<&str>,
        source: &str,
        stated: &mut Stated,
        first_seen: Time,
    ) -> Next {
        let categories = stated.categories.len();
        let next = found.ask(rule, of, source, stated, first_seen);
        let told = found.steps.len();
        self.by_categories(stated.categories.get(categories..).unwrap_or_default(), found);
        let more = found.steps.get(told..).unwrap_or_default().to_vec();
        if let Some(trace) = &mut found.trace {
            trace.extend(more);
        }
        next
    }

    /// Only where the entry stands. Where no rule can change it, nothing is copied.
    pub fn sections(&self, source: &str, stated: &Stated, first_seen: Time) -> Vec<String> {
        self.placed(source, stated, first_seen).sections
    }

    /// The same, with the rules that saw it.
    pub fn placed(&self, source: &str, stated: &Stated, first_seen: Time) -> Placement {
        let own = self.sources.get(source).is_some_and(|source| !source.rules.is_empty());
        if own || !self.rules.is_empty() || !self.of_section.is_empty() {
            return self.place(source, &mut stated.clone(), first_seen);
        }
        let mut found = Found::default();
        self.by_origin(source, stated, &mut found);
        self.placement(found)
    }

    /// Rules of the sections in which the entry stands so far, each section's once, the inner before the outer.
    fn ask_sections(&self, found: &mut Found, source: &str, stated: &mut Stated, first_seen: Time) {
        let mut asked = BTreeSet::new();
        loop {
            let here = self.closed(&found.sections, &found.removed);
            let Some(section) = self.order.iter().find(|name| here.contains(*name) && !asked.contains(*name)) else {
                return;
            };
            asked.insert(section);
            for rule in self.of_section.get(section).into_iter().flatten() {
                if self.ask(found, rule, Some(section), source, stated, first_seen) == Next::Enough {
                    break;
                }
            }
        }
    }

    /// These sections and all that include them, over however many others, save what a rule took it out of.
    fn closed(&self, sections: &BTreeSet<String>, removed: &BTreeSet<String>) -> BTreeSet<String> {
        let known = |name: &&String| self.included_in.contains_key(*name) && !removed.contains(*name);
        let mut ahead: Vec<&String> = sections.iter().filter(known).collect();
        let mut here = BTreeSet::new();
        while let Some(name) = ahead.pop() {
            if here.insert(name.clone()) {
                ahead.extend(self.included_in.get(name).into_iter().flatten().filter(known));
            }
        }
        here
    }

    fn placement(&self, found: Found) -> Placement {
        let mut sections = Vec::new();
        if !found.dropped {
            sections.push(String::new());
            sections.extend(self.closed(&found.sections, &found.removed));
        }
        Placement { sections, steps: found.steps, hits: found.hits }
    }

    /// Changes when any entry could be placed otherwise.
    pub fn print(&self) -> String {
        blake3::hash(format!("{self:?}").as_bytes()).to_hex().to_string()
    }

    fn by_origin(&self, source: &str, stated: &Stated, found: &mut Found) {
        for section in self.by_source.get(source).into_iter().flatten() {
            found.add(section, format!("source {source} belongs to {section}"));
        }
        for section in self.sources.get(source).into_iter().flat_map(|source| &source.sections) {
            found.add(section, format!("source {source} names {section}"));
        }
        for section in &stated.sections {
            found.add(section, format!("the entry names {section}"));
        }
        self.by_categories(&stated.categories, found);
    }

    fn by_categories(&self, categories: &[Category], found: &mut Found) {
        for category in categories {
            for section in self.by_category.get(&category.term.to_lowercase()).into_iter().flatten() {
                if !found.removed.contains(section) {
                    found.add(section, format!("category {} belongs to {section}", category.term));
                }
            }
        }
    }
}

#[derive(Default)]
struct Found {
    sections: BTreeSet<String>,
    removed: BTreeSet<String>,
    dropped: bool,
    steps: Vec<String>,
    hits: BTreeSet<String>,
    /// What every rule did, where somebody wants to know.
    trace: Option<Vec<String>>,
}

#[derive(PartialEq, Eq)]
enum Next {
    Rule,
    Enough,
}

impl Found {
    fn add(&mut self, section: &str, why: String) {
        if self.sections.insert(section.to_owned()) {
            self.steps.push(why);
        }
    }

    fn remove(&mut self, section: &str, label: &str) {
        self.sections.remove(section);
        self.removed.insert(section.to_owned());
        self.steps.push(format!("{label} took it out of {section}"));
    }

    /// Ask one rule, and do what it says if it matches.
    fn ask(&mut self, rule: &Rule, of: Option<&str>, source: &str, stated: &mut Stated, first_seen: Time) -> Next {
        let holds = rule.when.holds(source, stated, first_seen);
        let before = self.steps.len();
        let next = if holds {
            self.hits.insert(rule.print());
            self.carry_out(rule, of, stated)
        } else {
            Next::Rule
        };
        if let Some(trace) = &mut self.trace {
            match self.steps.get(before..).unwrap_or_default() {
                _ if !holds => trace.push(format!("{} does not match", rule.label)),
                [] => trace.push(format!("{} matches and changes nothing", rule.label)),
                steps => trace.extend(steps.iter().cloned()),
            }
            if next == Next::Enough {
                trace.push(format!("{} is the last that is asked", rule.label));
            }
        }
        next
    }

    /// `of`: the section whose rule it is. What it changes in the entry holds wherever that stands; its drop takes the
    /// entry out of this section.
    fn carry_out(&mut self, rule: &Rule, of: Option<&str>, stated: &mut Stated) -> Next {
        for action in &rule.then {
            match action {
                Action::Drop => {
                    match of {
                        Some(section) => self.remove(section, &rule.label),
                        None => {
                            self.dropped = true;
                            self.steps.push(format!("{} dropped it", rule.label));
                        }
                    }
                    return Next::Enough;
                }
                Action::AddSection(section) => {
                    self.removed.remove(section);
                    self.add(section, format!("{} put it into {section}", rule.label));
                }
                Action::RemoveSection(section) => self.remove(section, &rule.label),
                Action::AddCategory(term) => {
                    if !stated.categories.iter().any(|category| category.term == *term) {
                        stated.categories.push(Category { term: term.clone(), ..Category::default() });
                        self.steps.push(format!("{} added category {term}", rule.label));
                    }
                }
                Action::SetTitle(pattern, with) => {
                    let title = pattern.replace_all(&stated.title, with.as_str()).trim().to_owned();
                    if !title.is_empty() && title != stated.title {
                        stated.title = title;
                        self.steps.push(format!("{} changed its title", rule.label));
                    }
                }
                Action::Stop => return Next::Enough,
            }
        }
        Next::Rule
    }
}

#[cfg(test)]
mod tests;
