//! Front matter as values, whichever language it is written in.

use std::fmt;

use serde_json::Value as Json;

use crate::parse::article::NotAnArticle;

/// The front matter of a file.
#[derive(Debug)]
pub(super) struct FrontMatter<'a> {
    /// Keys in lower case, as Hugo reads them.
    pub fields: Vec<(String, Value)>,
    /// Between the fences, to find the line of a key.
    text: &'a str,
}

/// One value. Numbers and dates are the text they are written as.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Nothing,
    Truth(bool),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// Parts the front matter from the text behind it.
pub(super) fn split(text: &str) -> Result<(Option<FrontMatter<'_>>, &str), NotAnArticle> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let fence = first.trim_end();
    let ends: &[&str] = match fence {
        "---" => &["---", "..."],
        "+++" => &["+++"],
        _ => return Ok((None, text)),
    };
    let Some((front, body)) = until_fence(rest, ends) else {
        // A rule above a text that has no keys is a rule.
        let keyed = rest.lines().next().is_some_and(|line| line.contains([':', '=']));
        let reason = format!("it is opened by {fence} but never closed; end it with a line of {fence}");
        return if keyed { Err(NotAnArticle::FrontMatter { line: 1, reason }) } else { Ok((None, text)) };
    };
    if front.len() > LONGEST {
        let reason = format!("it is longer than {LONGEST} bytes; shorten it");
        return Err(NotAnArticle::FrontMatter { line: 1, reason });
    }
    let value = if fence == "---" { yaml(front)? } else { toml(front)? };
    match value {
        Value::Map(fields) => Ok((Some(FrontMatter { fields, text: front }), body)),
        Value::Nothing => Ok((None, body)),
        // Two rules with words between them.
        _ if fence == "---" => Ok((None, text)),
        _ => Err(NotAnArticle::FrontMatter { line: 2, reason: "it must be keys and values".to_owned() }),
    }
}

/// Bytes of front matter.
const LONGEST: usize = 64 * 1024;

impl FrontMatter<'_> {
    /// The error that `key` has a value which cannot be taken.
    pub fn refuse(&self, key: &str, reason: impl fmt::Display) -> NotAnArticle {
        let names = |line: &str| {
            let line = line.trim_start_matches([' ', '"', '\'']);
            line.get(..key.len()).is_some_and(|start| start.eq_ignore_ascii_case(key))
                && line
                    .get(key.len()..)
                    .is_some_and(|rest| rest.trim_start_matches([' ', '"', '\'']).starts_with([':', '=']))
        };
        let line = self.text.lines().position(names).unwrap_or_default() + 2;
        NotAnArticle::FrontMatter { line, reason: format!("{key}: {reason}") }
    }

    /// The value of the first of these keys that has one, at the top or where Zola and Hugo keep what is theirs not.
    pub fn find(&self, keys: &[&'static str]) -> Option<(&'static str, &Value)> {
        let top = keys.iter().find_map(|key| Some((*key, field(&self.fields, key)?)));
        top.or_else(|| {
            ["taxonomies", "extra", "params"].iter().find_map(|table| match field(&self.fields, table)? {
                Value::Map(fields) => keys.iter().find_map(|key| Some((*key, field(fields, key)?))),
                _ => None,
            })
        })
    }
}

/// The value of a key that has one.
pub(super) fn field<'a>(fields: &'a [(String, Value)], key: &str) -> Option<&'a Value> {
    let blank = |value: &Value| match value {
        Value::Nothing => true,
        Value::Text(text) => text.trim().is_empty(),
        _ => false,
    };
    fields.iter().find(|(name, value)| name == key && !blank(value)).map(|(_, value)| value)
}

impl Value {
    /// As one text; `None` for lists, maps and nothing.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text.trim()),
            Value::Truth(true) => Some("true"),
            Value::Truth(false) => Some("false"),
            Value::Nothing | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The values of a list; any other value is a list of one.
    pub fn items(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            value => std::slice::from_ref(value),
        }
    }
}

/// What stands before the first line that is one of `ends`, and what stands behind it.
fn until_fence<'a>(text: &'a str, ends: &[&str]) -> Option<(&'a str, &'a str)> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        if ends.contains(&line.trim_end()) {
            return Some((text.get(..start)?, text.get(end..)?));
        }
        start = end;
    }
    None
}

/// Anchors may be used, but not to make much out of little.
fn yaml(text: &str) -> Result<Value, NotAnArticle> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_nodes: 10_000,
            max_events: 40_000,
            max_aliases: 50,
            max_anchors: 50,
            max_documents: 1,
            max_recorded_anchor_events: 2_000,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        with_snippet: false,
    };
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Value::Nothing);
    }
    let value: Json = serde_saphyr::from_str_with_options(text, options).map_err(|cause| {
        let line = cause.location().map_or(1, |location| usize::try_from(location.line()).unwrap_or(1));
        let words = one_line(&cause.to_string());
        // Its own count of lines begins below the fence.
        let reason = match words.split_once(" at line ") {
            Some((words, _)) if words.starts_with("budget breached") => {
                "it is nested too deep, or makes much out of little by anchors; write it out".to_owned()
            }
            Some((words, _)) => words.to_owned(),
            None => words,
        };
        NotAnArticle::FrontMatter { line: line + 1, reason }
    })?;
    Ok(from_json(value))
}

fn toml(text: &str) -> Result<Value, NotAnArticle> {
    let table: toml::Table = text.parse().map_err(|cause: toml::de::Error| {
        let start = cause.span().map_or(0, |span| span.start);
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 2;
        NotAnArticle::FrontMatter { line, reason: one_line(cause.message()) }
    })?;
    Ok(from_toml(toml::Value::Table(table)))
}

// Both readers bound the depth of what they read, and with it the depth of these two.

fn from_json(value: Json) -> Value {
    match value {
        Json::Null => Value::Nothing,
        Json::Bool(truth) => Value::Truth(truth),
        Json::Number(number) => Value::Text(number.to_string()),
        Json::String(text) => Value::Text(text),
        Json::Array(values) => Value::List(values.into_iter().map(from_json).collect()),
        Json::Object(fields) => {
            Value::Map(fields.into_iter().map(|(key, value)| (key.to_lowercase(), from_json(value))).collect())
        }
    }
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::Boolean(truth) => Value::Truth(truth),
        toml::Value::String(text) => Value::Text(text),
        toml::Value::Integer(number) => Value::Text(number.to_string()),
        toml::Value::Float(number) => Value::Text(number.to_string()),
        toml::Value::Datetime(when) => Value::Text(when.to_string()),
        toml::Value::Array(values) => Value::List(values.into_iter().map(from_toml).collect()),
        toml::Value::Table(fields) => {
            Value::Map(fields.into_iter().map(|(key, value)| (key.to_lowercase(), from_toml(value))).collect())
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
