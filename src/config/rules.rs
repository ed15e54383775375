//! Rules: conditions and actions as written -> [`Rule`]; a rule that cannot work is refused.

use chrono::TimeDelta;
use toml::Spanned;
use toml::de::DeValue;

use super::check::Names;
use super::keys;
use super::sources::Sources;
use super::table::{Located, Table};
use super::value::{self, Checked, Wrong, listed};
use crate::sections::{Action, Condition, Field, Rule, Test};

/// What a rule may speak of.
pub(super) struct Scope<'s, 'a> {
    pub names: &'s Names,
    pub sources: &'s Sources<'a>,
}

/// Whose rules they are.
#[derive(Clone, Copy)]
pub(super) enum Of<'n> {
    Everything,
    /// Of one feed or folder, or of all in a list.
    Source(&'n str),
    Section(&'n str),
}

/// The rules of `[[rule]]`, of one source or of one section, in order; those with an error are missing.
pub(super) fn read(tables: Vec<Table<'_>>, of: Of<'_>, scope: &Scope<'_, '_>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let when = table.value("when").and_then(|value| nested(table, value, scope));
        let then = table.value("then").map(|value| actions(table, value, scope));
        let label = match of {
            Of::Everything => format!("rule {}", index + 1),
            Of::Source(source) => format!("rule {} of source {source}", index + 1),
            Of::Section(section) => format!("rule {} of section {section}", index + 1),
        };
        let (Some(when), Some(then)) = (when, then) else { continue };
        let rule = Rule { when, then, label };
        works(table, &rule, &rules, of, scope);
        rules.push(rule);
    }
    rules
}

/// A rule that cannot work is refused.
fn works(table: &Table<'_>, rule: &Rule, before: &[Rule], of: Of<'_>, scope: &Scope<'_, '_>) {
    let source = match of {
        Of::Source(name) if scope.sources.group(name).is_none() => Some(name),
        _ => None,
    };
    if let Some(why) = rule.when.impossible(source) {
        table.desk.error(&table.key_span("when"), Wrong::new("no entry can ever meet this").next(why));
    }
    if let Some(why) = rule.idle_action() {
        table.desk.error(&table.key_span("then"), Wrong::new(why).next("leave one of them out"));
    }
    if let Some(earlier) = before.iter().find(|earlier| rule.is_behind(earlier)) {
        let wrong = Wrong::new(format!("this rule is never asked: {} ends for the same entries", earlier.label));
        table.desk.error(&table.key_span("when"), wrong.next("put it before that one, or leave it out"));
    }
}

const FIELDS: [(&str, Field); 7] = [
    ("title", Field::Title),
    ("content", Field::Content),
    ("author", Field::Author),
    ("category", Field::Category),
    ("link", Field::Link),
    ("language", Field::Language),
    ("source", Field::Source),
];

/// Everything that stands in one table must hold. The depth of the calls is that of the file, which the TOML parser
/// bounds to 80. `None`: a part is wrong, and was complained about.
fn condition(table: &Table<'_>, scope: &Scope<'_, '_>) -> Option<Condition> {
    let mut parts = Vec::new();
    for (key, _) in table.present() {
        let field = FIELDS.iter().find(|(name, _)| *name == key).map(|(_, field)| *field);
        let part = match (key, field) {
            (name, Some(field)) => test(table, name, field, scope),
            ("all" | "any", _) => {
                let several = conditions(table, key, scope);
                several.map(|several| if key == "all" { Condition::All(several) } else { Condition::Any(several) })
            }
            ("not", _) => {
                let inner = table.value("not").and_then(|value| nested(table, value, scope));
                inner.map(|inner| Condition::Not(Box::new(inner)))
            }
            ("age", _) => age(table),
            ("has-enclosure", _) => table.flag("has-enclosure").map(|flag| Condition::HasEnclosure(flag.value)),
            _ => None, // an unknown key, refused already
        };
        parts.push(part);
    }
    if parts.is_empty() {
        let known: Vec<&str> = keys::CONDITION.iter().map(|key| key.name).collect();
        let wrong = Wrong::new("a condition that asks nothing").next(format!("with any of: {}", known.join(", ")));
        table.desk.error(&table.span, wrong);
        return None;
    }
    let mut parts: Vec<Condition> = parts.into_iter().collect::<Option<_>>()?;
    if parts.len() == 1 { parts.pop() } else { Some(Condition::All(parts)) }
}

/// A table of conditions inside of `table`.
fn nested<'a>(table: &Table<'a>, value: &'a Spanned<DeValue<'a>>, scope: &Scope<'_, '_>) -> Option<Condition> {
    condition(&table.as_table(value, keys::CONDITION, "a condition".to_owned())?, scope)
}

/// The list behind `all` or `any`.
fn conditions(table: &Table<'_>, key: &str, scope: &Scope<'_, '_>) -> Option<Vec<Condition>> {
    let value = table.value(key)?;
    let DeValue::Array(items) = value.get_ref() else {
        let wrong = Wrong::new(format!("{key} is a list of conditions"));
        table.desk.error(&value.span(), wrong.next(format!("as {key} = [{{ title = {{ contains = \"...\" }} }}]")));
        return None;
    };
    if items.is_empty() {
        table.desk.error(&value.span(), Wrong::new(format!("{key} without conditions")).next("name at least one"));
        return None;
    }
    let read: Vec<Option<Condition>> = items.iter().map(|item| nested(table, item, scope)).collect();
    read.into_iter().collect()
}

fn age(table: &Table<'_>) -> Option<Condition> {
    let older = table.table("age").duration("older-than")?;
    Some(Condition::OlderThan(TimeDelta::from_std(older).ok()?))
}

/// A text that must be equal, or `{ equals | contains | matches = ... }`.
fn test(table: &Table<'_>, name: &str, field: Field, scope: &Scope<'_, '_>) -> Option<Condition> {
    let value = table.value(name)?;
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        let equal = table.text(name, value::text)?;
        return tested(table, field, Located { value: Test::Equals(equal.value), span: equal.span }, scope);
    }
    let inner = table.as_table(value, keys::TEST, name.to_owned())?;
    let equals = inner.text("equals", value::text).map(|found| located(found, Test::Equals));
    let contains = inner.text("contains", value::text).map(|found| located(found, Test::Contains));
    let matches = inner.text("matches", value::regex).map(|found| located(found, Test::Matches));
    if inner.present().len() != 1 {
        let known: Vec<&str> = keys::TEST.iter().map(|key| key.name).collect();
        inner.desk.error(&inner.span, Wrong::new(format!("{name} is compared in one way")).next(listed(&known)));
        return None;
    }
    tested(table, field, equals.or(contains).or(matches)?, scope)
}

/// A condition on sources that names none can never hold.
fn tested(table: &Table<'_>, field: Field, test: Located<Test>, scope: &Scope<'_, '_>) -> Option<Condition> {
    if field != Field::Source || table.desk.is_broken() {
        return Some(Condition::Text(field, test.value));
    }
    let known = || scope.sources.names();
    let wrong = match &test.value {
        Test::Equals(name) => {
            if let Some(listed) = scope.sources.group(name) {
                let each = listed.iter().map(|name| Condition::Text(field, Test::Equals(name.clone())));
                return Some(Condition::Any(each.collect()));
            }
            (!scope.sources.has(name)).then(|| scope.sources.unknown(name))
        }
        Test::Contains(part) => {
            let part = part.to_lowercase();
            (!known().any(|name| name.to_lowercase().contains(&part))).then(|| Wrong::new("no source is named so"))
        }
        Test::Matches(regex) => {
            (!known().any(|name| regex.is_match(name))).then(|| Wrong::new("no source's name matches this"))
        }
    };
    match wrong {
        Some(wrong) => {
            table.desk.error(&test.span, wrong);
            None
        }
        None => Some(Condition::Text(field, test.value)),
    }
}

/// One table of actions, or a list of such; what stands in one table is done in the order of the file.
fn actions<'a>(table: &Table<'a>, value: &'a Spanned<DeValue<'a>>, scope: &Scope<'_, '_>) -> Vec<Action> {
    let label = || "then".to_owned();
    let items = match value.get_ref() {
        DeValue::Array(items) => items.iter().collect(),
        _ => vec![value],
    };
    let read = items.iter().map(|item| table.as_table(item, keys::ACTION, label()));
    let Some(tables) = read.collect::<Option<Vec<Table<'a>>>>() else { return Vec::new() };
    if tables.iter().all(|table| table.present().is_empty()) {
        let known: Vec<&str> = keys::ACTION.iter().map(|key| key.name).collect();
        let wrong = Wrong::new("a rule that does nothing").next(format!("with any of: {}", known.join(", ")));
        table.desk.error(&value.span(), wrong);
    }
    tables.iter().flat_map(|table| actions_of(table, scope)).collect()
}

fn actions_of(table: &Table<'_>, scope: &Scope<'_, '_>) -> Vec<Action> {
    let section = |name: &str| -> Option<String> {
        let stated = table.text(name, value::text)?;
        scope.names.section(&stated, table.desk)
    };
    let present = table.present();
    let read = present.into_iter().filter_map(|(key, _)| match key {
        "drop" => said(table, key).then_some(Action::Drop),
        "stop" => said(table, key).then_some(Action::Stop),
        "add-section" => section(key).map(Action::AddSection),
        "remove-section" => section(key).map(Action::RemoveSection),
        "add-category" => table.text(key, value::text).map(|text| Action::AddCategory(text.value)),
        "set-title" => set_title(&table.table(key)),
        _ => None, // an unknown key, refused already
    });
    read.collect()
}

/// `drop = false` says nothing.
fn said(table: &Table<'_>, key: &str) -> bool {
    match table.flag(key) {
        Some(flag) if !flag.value => {
            let wrong = Wrong::new(format!("{key} = false does nothing")).next("leave it out");
            table.desk.error(&flag.span, wrong);
            false
        }
        flag => flag.is_some(),
    }
}

fn set_title(table: &Table<'_>) -> Option<Action> {
    let matches = table.text("matches", value::regex);
    let with = table.text("with", |text| Ok::<_, Wrong>(text.to_owned()));
    let (matches, with) = (matches?.value, with?);
    match unknown_group(&with.value, &matches) {
        Ok(()) => Some(Action::SetTitle(matches, with.value)),
        Err(wrong) => {
            table.desk.error(&with.span, wrong);
            None
        }
    }
}

/// Every `$1` or `${name}` of a replacement must be a group: the others would silently become nothing.
fn unknown_group(with: &str, matches: &regex::Regex) -> Checked<()> {
    let mut rest = with;
    while let Some(at) = rest.find('$') {
        let (_, after) = rest.split_at(at + 1);
        if let Some(escaped) = after.strip_prefix('$') {
            rest = escaped;
            continue;
        }
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (group, next) = match braced {
            Some(found) => found,
            None => after.split_at(
                after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len(),
            ),
        };
        rest = next;
        if group.is_empty() {
            continue; // a lone dollar stands for itself
        }
        let known = match group.parse::<usize>() {
            Ok(number) => number < matches.captures_len(),
            Err(_) => matches.capture_names().flatten().any(|name| name == group),
        };
        if !known {
            let wrong = Wrong::new(format!("${group} is no group of the regular expression"));
            let digits = group.len() - group.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (number, letters) = group.split_at(digits);
            return Err(if !number.is_empty() && !letters.is_empty() {
                wrong.meant(format!("${{{number}}}{letters}"))
            } else {
                wrong.next(format!("it has {} groups; $0 is the whole match, $$ a dollar", matches.captures_len() - 1))
            });
        }
    }
    Ok(())
}

fn located<T>(found: Located<T>, wrap: impl FnOnce(T) -> Test) -> Located<Test> {
    Located { value: wrap(found.value), span: found.span }
}
