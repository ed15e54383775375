//! Rules that can never do anything: what contradicts itself is said when the configuration is read, not noticed years later.

use super::{Action, Condition, Field, Rule, Test};

impl Condition {
    /// Why no entry can ever meet this; `None`: one may. `source`: whose entries alone are asked. The depth of the calls is
    /// that of the file, which is bounded.
    pub fn impossible(&self, source: Option<&str>) -> Option<String> {
        match self {
            Condition::All(all) => all.iter().find_map(|one| one.impossible(source)).or_else(|| {
                let pairs =
                    all.iter().enumerate().flat_map(|(at, one)| all.iter().skip(at + 1).map(move |two| (one, two)));
                pairs.into_iter().find_map(|(one, two)| contradict(one, two))
            }),
            Condition::Any(any) => {
                let all: Option<Vec<String>> = any.iter().map(|one| one.impossible(source)).collect();
                all?.into_iter().next()
            }
            Condition::Text(Field::Source, test) => source
                .filter(|source| !test.holds(source))
                .map(|source| format!("all its entries are of source {source:?}")),
            Condition::Not(one) => match (&**one, source) {
                (Condition::Text(Field::Source, test), Some(source)) if test.holds(source) => {
                    Some(format!("all its entries are of source {source:?}"))
                }
                _ => None,
            },
            Condition::Text(..) | Condition::OlderThan(_) | Condition::HasEnclosure(_) => None,
        }
    }
}

fn contradict(one: &Condition, two: &Condition) -> Option<String> {
    match (one, two) {
        (Condition::HasEnclosure(one), Condition::HasEnclosure(two)) if one != two => {
            Some("has-enclosure cannot be true and false".to_owned())
        }
        (Condition::Text(field, Test::Equals(value)), Condition::Text(other, test))
        | (Condition::Text(other, test), Condition::Text(field, Test::Equals(value)))
            if field == other && is_single(*field) && !may_hold(test, value) =>
        {
            Some(format!("what equals {value:?} does not meet the other condition on the same"))
        }
        (condition, Condition::Not(not)) | (Condition::Not(not), condition)
            if format!("{not:?}") == format!("{condition:?}") =>
        {
            Some("a condition and its opposite cannot both hold".to_owned())
        }
        _ => None,
    }
}

/// Equality disregards case, so an expression may match in another case than is written.
fn may_hold(test: &Test, value: &str) -> bool {
    match test {
        Test::Matches(pattern) => {
            pattern.is_match(value)
                || pattern.is_match(&value.to_lowercase())
                || pattern.as_str().contains(char::is_uppercase)
        }
        test => test.holds(value),
    }
}

/// Of these an entry has one; it may have several authors and categories.
fn is_single(field: Field) -> bool {
    matches!(field, Field::Title | Field::Link | Field::Language | Field::Source)
}

impl Rule {
    /// Which part of it is never carried out.
    pub fn idle_action(&self) -> Option<String> {
        let ends = self.then.iter().position(|action| matches!(action, Action::Drop | Action::Stop));
        if let Some(at) = ends
            && at + 1 < self.then.len()
        {
            let word = if matches!(self.then.get(at), Some(Action::Drop)) { "drop" } else { "stop" };
            return Some(format!("what stands after {word} is never done"));
        }
        self.then.iter().find_map(|action| match action {
            Action::AddSection(name)
                if self.then.iter().any(|a| matches!(a, Action::RemoveSection(n) if n == name)) =>
            {
                Some(format!("it puts entries into {name:?} and takes them out of it"))
            }
            _ => None,
        })
    }

    /// Does an entry that meets `earlier` never come to this one, which asks the same?
    pub fn is_behind(&self, earlier: &Rule) -> bool {
        let ends = earlier.then.iter().any(|action| matches!(action, Action::Drop | Action::Stop));
        ends && format!("{:?}", self.when) == format!("{:?}", earlier.when)
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn what_contradicts_itself() {
        let title = |test| Condition::Text(Field::Title, test);
        let equals = |text: &str| title(Test::Equals(text.into()));
        let contains = |text: &str| title(Test::Contains(text.into()));
        let check = |condition: Condition, source: Option<&str>, impossible: bool| {
            assert_eq!(condition.impossible(source).is_some(), impossible, "{condition:?}");
        };
        check(Condition::All(vec![equals("Rain"), equals("snow")]), None, true);
        check(Condition::All(vec![equals("Rain"), contains("RAI")]), None, false);
        check(Condition::All(vec![contains("sun"), equals("Rain")]), None, true);
        check(Condition::All(vec![equals("Rain"), title(Test::Matches(Regex::new("^rain$").unwrap()))]), None, false);
        check(Condition::All(vec![equals("Rain"), title(Test::Matches(Regex::new("^snow$").unwrap()))]), None, true);
        check(Condition::All(vec![Condition::HasEnclosure(true), Condition::HasEnclosure(false)]), None, true);
        check(Condition::All(vec![equals("Rain"), Condition::Not(Box::new(equals("Rain")))]), None, true);
        let tag = |text: &str| Condition::Text(Field::Category, Test::Equals(text.into()));
        check(Condition::All(vec![tag("a"), tag("b")]), None, false);
        let from = |name: &str| Condition::Text(Field::Source, Test::Equals(name.into()));
        check(from("wires"), None, false);
        check(from("wires"), Some("Wires"), false);
        check(from("wires"), Some("desk"), true);
        check(Condition::Any(vec![from("wires"), from("other")]), Some("desk"), true);
        check(Condition::Any(vec![from("wires"), from("desk")]), Some("desk"), false);
        check(Condition::Not(Box::new(from("desk"))), Some("desk"), true);
    }

    #[test]
    fn what_is_never_done() {
        let rule = |then| Rule { when: Condition::HasEnclosure(true), then, label: "rule 1".into() };
        let (add, remove) = (Action::AddSection("a".into()), Action::RemoveSection("a".into()));
        assert!(rule(vec![Action::Drop, add.clone()]).idle_action().is_some());
        assert!(rule(vec![add.clone(), Action::Stop]).idle_action().is_none());
        assert!(rule(vec![add.clone(), remove]).idle_action().is_some());
        assert!(rule(vec![add.clone()]).is_behind(&rule(vec![Action::Drop])));
        assert!(!rule(vec![Action::Drop]).is_behind(&rule(vec![add])));
    }
}
