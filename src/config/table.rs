//! Reading tables: a key by its name and kind, with its place; whatever is wrong is noted and reading goes on.

#![cfg_attr(
    not(test),
    expect(
        clippy::expect_used,
        clippy::panic,
        reason = "which key is asked for, and its kind and default, stand in the code and never in a file; tests read every key and every default"
    )
)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::complaint::{Complaint, Complaints, Quoted, Severity};
use super::keys::{self, Key, Kind};
use super::value::{self, Checked, Wrong, nearest};

pub(super) type Span = Range<usize>;

/// Nobody reads more of them, and each quotes its line.
const MAX_COMPLAINTS: usize = 1000;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub value: T,
    pub span: Span,
}

/// Where the complaints about one file are gathered.
pub(super) struct Desk<'a> {
    pub quoted: &'a Quoted,
    /// With the offset they are about, for their order.
    complaints: RefCell<Vec<(usize, Complaint)>>,
    /// Lines that are no TOML: what was read of them is not worth a word.
    broken_lines: BTreeSet<usize>,
}

impl<'a> Desk<'a> {
    pub fn new(quoted: &'a Quoted, syntax_errors: Vec<toml::de::Error>) -> Desk<'a> {
        let mut desk = Desk { quoted, complaints: RefCell::default(), broken_lines: BTreeSet::new() };
        for error in syntax_errors {
            let span = error.span().unwrap_or(0..0);
            desk.error(&span, Wrong::new(error.message()));
            desk.broken_lines.insert(quoted.place(&span).line);
        }
        desk
    }

    /// With a syntax error, a name that seems unknown may stand in what could not be read.
    pub fn is_broken(&self) -> bool {
        !self.broken_lines.is_empty()
    }

    pub fn error(&self, span: &Span, wrong: Wrong) {
        self.complain(span, Severity::Error, wrong);
    }

    pub fn warn(&self, span: &Span, wrong: Wrong) {
        self.complain(span, Severity::Warning, wrong);
    }

    /// About the file as a whole.
    pub fn warn_of_all(&self, wrong: Wrong) {
        let path = Some(self.quoted.path.as_path()).filter(|path| !path.as_os_str().is_empty());
        let complaint = Complaint::warning(path, wrong.reason).meant(wrong.meant);
        self.push(&(0..0), Complaint { next: wrong.next, ..complaint });
    }

    /// An error that has to do with an earlier place.
    pub fn error_with(&self, span: &Span, wrong: Wrong, other: &Span, what: &str) {
        self.error(span, wrong);
        if let Some((_, complaint)) = self.complaints.borrow_mut().last_mut() {
            complaint.also = Some(self.quoted.also(other, what));
        }
    }

    /// About another file, or about none; stands where `span` is.
    pub fn push(&self, span: &Span, complaint: Complaint) {
        let mut complaints = self.complaints.borrow_mut();
        if complaints.len() < MAX_COMPLAINTS {
            complaints.push((span.start, complaint));
        }
    }

    pub fn into_complaints(self) -> Complaints {
        let mut complaints = self.complaints.into_inner();
        complaints.sort_by_key(|(offset, _)| *offset);
        complaints.dedup();
        Complaints(complaints.into_iter().map(|(_, complaint)| complaint).collect())
    }

    fn complain(&self, span: &Span, severity: Severity, wrong: Wrong) {
        let place = self.quoted.place(span);
        if self.broken_lines.contains(&place.line) {
            return;
        }
        let mut complaint = Complaint::error(Some(&self.quoted.path), wrong.reason).meant(wrong.meant);
        complaint.severity = severity;
        complaint = complaint.at(place);
        if let Some(next) = wrong.next {
            complaint = complaint.next(next);
        }
        self.push(span, complaint);
    }
}

/// One table, read key by key.
#[derive(Clone)]
pub(super) struct Table<'a> {
    pub desk: &'a Desk<'a>,
    keys: &'static [Key],
    /// `None`: the table is not there, every key has its default.
    table: Option<&'a DeTable<'a>>,
    /// Its header, or the whole of an inline table.
    pub span: Span,
    /// As people write it: `[[section]]`.
    pub label: String,
}

impl<'a> Table<'a> {
    /// Refuses what is not among `keys`, and misses what is required.
    pub fn new(
        desk: &'a Desk<'a>,
        keys: &'static [Key],
        table: Option<&'a DeTable<'a>>,
        span: Span,
        label: String,
    ) -> Table<'a> {
        let this = Table { desk, keys, table, span, label };
        for key in table.iter().flat_map(|table| table.keys()) {
            if !keys.iter().any(|known| known.name == key.get_ref().as_ref()) {
                desk.error(&key.span(), unknown_key(key.get_ref(), keys, &this.label));
            }
        }
        for key in keys.iter().filter(|key| key.required && table.is_some()) {
            if this.get(key.name).is_none() {
                let wrong = Wrong::new(format!("{} has no {}", this.label, key.name));
                desk.error(&this.span, wrong.next(format!("add: {} = {}", key.name, key.kind.sample())));
            }
        }
        this
    }

    /// Does it stand in the file?
    pub fn is_there(&self) -> bool {
        self.table.is_some()
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Where a key stands, else where the table does.
    pub fn key_span(&self, name: &str) -> Span {
        let found = self.table.and_then(|table| table.get_key_value(name));
        found.map_or_else(|| self.span.clone(), |(key, _)| key.span())
    }

    /// The keys that are there, in the order of the file.
    pub fn present(&self) -> Vec<(&'a str, Span)> {
        let mut present: Vec<_> = self
            .table
            .iter()
            .flat_map(|table| table.iter())
            .map(|(key, _)| (key.get_ref().as_ref(), key.span()))
            .collect();
        present.sort_by_key(|(_, span)| span.start);
        present
    }

    /// A text that `parse` understands. Without it, and with one that is wrong, `None`.
    pub fn text<T>(&self, name: &str, parse: impl Fn(&str) -> Checked<T>) -> Option<Located<T>> {
        let value = self.get(name)?;
        self.parsed(name, value, parse)
    }

    /// The same with the default of the table of keys in its place.
    pub fn text_or_default<T>(&self, name: &str, parse: impl Fn(&str) -> Checked<T>) -> T {
        if let Some(found) = self.text(name, &parse) {
            return found.value;
        }
        // Defaults are constants, and a test reads them all.
        let default = self.key(name).default.expect("the key has a default");
        parse(default.trim_matches('"')).expect("the default is valid")
    }

    /// A list of texts; those that are wrong are missing.
    pub fn texts<T>(&self, name: &str, parse: impl Fn(&str) -> Checked<T>) -> Vec<Located<T>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        match value.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|item| self.parsed(name, item, &parse)).collect(),
            other => {
                let wrong = Wrong::new(format!("{name} is a list, not {}", described(other)));
                let meant = matches!(other, DeValue::String(_)).then(|| format!("[{}]", self.written(value.span())));
                self.desk.error(&value.span(), Wrong { meant, ..wrong });
                Vec::new()
            }
        }
    }

    /// `None`: absent, or wrong.
    pub fn flag(&self, name: &str) -> Option<Located<bool>> {
        let value = self.get(name)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(Located { value: *flag, span: value.span() }),
            other => {
                let meant = match other {
                    DeValue::String(word) if ["true", "yes", "on"].contains(&word.as_ref()) => Some("true"),
                    DeValue::String(word) if ["false", "no", "off"].contains(&word.as_ref()) => Some("false"),
                    _ => None,
                };
                let wrong = Wrong::new(format!("{name} is true or false, not {}", described(other)));
                self.desk.error(&value.span(), Wrong { meant: meant.map(str::to_owned), ..wrong });
                None
            }
        }
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.flag(name).is_some_and(|flag| flag.value)
    }

    /// Within the bounds of its kind. `None`: absent, or wrong.
    pub fn number(&self, name: &str) -> Option<i64> {
        let Kind::Number(least, most) = self.key(name).kind else { panic!("{name} is not declared a number") };
        let value = self.get(name)?;
        let DeValue::Integer(written) = value.get_ref() else {
            let wrong = Wrong::new(format!("{name} is a whole number, not {}", described(value.get_ref())));
            let meant = match value.get_ref() {
                DeValue::String(text) => text.trim().parse::<i64>().ok().map(|number| number.to_string()),
                _ => None,
            };
            self.desk.error(&value.span(), Wrong { meant, ..wrong });
            return None;
        };
        match i64::from_str_radix(written.as_str(), written.radix()) {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                let wrong = Wrong::new(format!("{name} is out of range"));
                self.desk.error(&value.span(), wrong.next(format!("from {least} to {most}")));
                None
            }
        }
    }

    pub fn number_or_default(&self, name: &str) -> i64 {
        // Defaults are constants, and a test reads them all.
        let default = || self.key(name).default.and_then(|text| text.parse().ok()).expect("the key has a number");
        self.number(name).unwrap_or_else(default)
    }

    /// Within the bounds of its kind. `None`: absent, or wrong.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        let Kind::Duration(least, most) = self.key(name).kind else { panic!("{name} is not declared a duration") };
        self.text(name, |text| value::duration(text, least, most)).map(|found| found.value)
    }

    pub fn duration_or_default(&self, name: &str) -> Duration {
        let Kind::Duration(least, most) = self.key(name).kind else { panic!("{name} is not declared a duration") };
        self.text_or_default(name, |text| value::duration(text, least, most))
    }

    pub fn size_or_default(&self, name: &str) -> u64 {
        let Kind::Size(least, most) = self.key(name).kind else { panic!("{name} is not declared a size") };
        self.text_or_default(name, |text| value::size(text, least, most))
    }

    pub fn choice_or_default(&self, name: &str) -> String {
        let Kind::Choice(words) = self.key(name).kind else { panic!("{name} is not declared a choice") };
        self.text_or_default(name, |text| value::choice(text, words))
    }

    /// A sub-table, there or not.
    pub fn table(&self, name: &str) -> Table<'a> {
        let (Kind::Table(keys) | Kind::Named(keys)) = self.key(name).kind else {
            panic!("{name} is not declared a table")
        };
        let label = self.label_of(name);
        let stated = self.get(name).and_then(|value| self.as_table(value, keys, label.clone()));
        stated.unwrap_or_else(|| Table::new(self.desk, keys, None, self.span.clone(), label))
    }

    /// `[[name]]` or a list of inline tables.
    pub fn tables(&self, name: &str) -> Vec<Table<'a>> {
        let Kind::Tables(keys) = self.key(name).kind else { panic!("{name} is not declared a list of tables") };
        let Some(value) = self.get(name) else { return Vec::new() };
        let label = if self.label.is_empty() { format!("[[{name}]]") } else { format!("a table of {name}") };
        match value.get_ref() {
            DeValue::Array(items) => items.iter().filter_map(|item| self.as_table(item, keys, label.clone())).collect(),
            DeValue::Table(_) => {
                let wrong = Wrong::new(format!("there may be several of {name}")).meant(format!("[[{name}]]"));
                self.desk.error(&value.span(), wrong.next("two brackets begin one of several tables"));
                self.as_table(value, keys, label).into_iter().collect()
            }
            other => {
                let wrong = Wrong::new(format!("{name} is a table, not {}", described(other)));
                self.desk.error(&value.span(), wrong.meant(format!("[[{name}]]")));
                Vec::new()
            }
        }
    }

    /// The tables `[name.X]`, with X.
    pub fn named(&self, name: &str) -> Vec<(Located<String>, Table<'a>)> {
        let Kind::Named(keys) = self.key(name).kind else { panic!("{name} is not declared a table of tables") };
        let Some(value) = self.get(name) else { return Vec::new() };
        let DeValue::Table(table) = value.get_ref() else {
            let wrong = Wrong::new(format!("{name} is a table, not {}", described(value.get_ref())));
            self.desk.error(&value.span(), wrong.next(format!("as [{name}.X]")));
            return Vec::new();
        };
        let each = table.iter().filter_map(|(key, value)| {
            let table = self.as_table(value, keys, format!("[{name}.{}]", key.get_ref()))?;
            Some((Located { value: key.get_ref().to_string(), span: key.span() }, table))
        });
        each.collect()
    }

    /// A value as it is, for shapes that only one key has.
    pub fn value(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.get(name)
    }

    /// A value read as a table of `keys`; one that is none is complained about.
    pub fn as_table(&self, value: &'a Spanned<DeValue<'a>>, keys: &'static [Key], label: String) -> Option<Table<'a>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Table::new(self.desk, keys, Some(table), value.span(), label));
        }
        let wrong = Wrong::new(format!("{label} is a table, not {}", described(value.get_ref())));
        self.desk.error(&value.span(), wrong.next(format!("with any of: {}", names(keys))));
        None
    }

    fn parsed<T>(
        &self,
        name: &str,
        value: &'a Spanned<DeValue<'a>>,
        parse: impl Fn(&str) -> Checked<T>,
    ) -> Option<Located<T>> {
        let span = value.span();
        let checked = match value.get_ref() {
            DeValue::String(text) => parse(text).map_err(|mut wrong| {
                // "is blank", "is not a URL" ask for a subject.
                if wrong.reason.starts_with("is ") || wrong.reason.starts_with("holds ") {
                    wrong.reason = format!("{name} {}", wrong.reason);
                }
                wrong
            }),
            other => {
                let meant = match other {
                    DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_) => {
                        let written = self.written(span.clone());
                        parse(written).map_or_else(|wrong| wrong.meant, |_| Some(format!("\"{written}\"")))
                    }
                    _ => None,
                };
                Err(Wrong { meant, ..Wrong::new(format!("{name} is a text in quotes, not {}", described(other))) })
            }
        };
        match checked {
            Ok(value) => Some(Located { value, span }),
            Err(wrong) => {
                self.desk.error(&span, wrong);
                None
            }
        }
    }

    /// A text as it stands, right or wrong.
    pub fn plain(&self, name: &str) -> Option<String> {
        self.get(name)?.get_ref().as_str().map(str::to_owned)
    }

    fn get(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        debug_assert!(self.keys.iter().any(|key| key.name == name), "{name} is not declared");
        self.table.and_then(|table| table.get(name))
    }

    /// Only declared keys are asked for: what the code reads and what people may write is the same list.
    fn key(&self, name: &str) -> &'static Key {
        self.keys.iter().find(|key| key.name == name).expect("only declared keys are read")
    }

    fn label_of(&self, name: &str) -> String {
        if self.label.is_empty() { format!("[{name}]") } else { name.to_owned() }
    }

    fn written(&self, span: Span) -> &str {
        self.desk.quoted.text.get(span).unwrap_or_default()
    }
}

/// Notes what must not be quoted: header values and whatever is called a secret.
pub(super) fn mask_secrets(root: &DeTable<'_>, quoted: &Quoted) {
    // An own stack instead of recursion; the parser bounds the depth besides.
    let mut open: Vec<_> = root.iter().map(|(key, value)| (value, is_secret_key(key.get_ref()))).collect();
    while let Some((value, secret)) = open.pop() {
        match value.get_ref() {
            DeValue::Table(table) => {
                for (key, value) in table {
                    // A path is no secret.
                    let name = key.get_ref().as_ref();
                    open.push((value, name != "file" && (secret || is_secret_key(name))));
                }
            }
            DeValue::Array(items) => open.extend(items.iter().map(|item| (item, secret))),
            _ if secret => quoted.mask(value.span()),
            _ => {}
        }
    }
}

fn is_secret_key(name: &str) -> bool {
    let name = name.to_lowercase();
    name == "headers"
        || (!name.ends_with("-file")
            && ["password", "passwd", "secret", "token", "authorization", "api-key", "cookie"]
                .iter()
                .any(|word| name.contains(word)))
}

fn unknown_key(name: &str, known: &[Key], label: &str) -> Wrong {
    let here = if label.is_empty() { "the configuration" } else { label };
    let wrong = Wrong::new(format!("unknown key {name:?} in {here}"));
    if let Some(meant) = nearest(name, known.iter().map(|key| key.name)) {
        return wrong.meant(meant);
    }
    // Right key, wrong place.
    let elsewhere = keys::ROOT.iter().find(|table| match table.kind {
        Kind::Table(keys) | Kind::Tables(keys) => keys.iter().any(|key| key.name == name),
        _ => false,
    });
    let next = match elsewhere {
        Some(Key { name: table, kind: Kind::Tables(_), .. }) => format!("it belongs to [[{table}]]"),
        Some(Key { name: table, .. }) => format!("it belongs to [{table}]"),
        None => format!("known here: {}", names(known)),
    };
    wrong.next(next)
}

fn names(keys: &[Key]) -> String {
    keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}

fn described(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl Kind {
    /// How one is written, for "add: name = ...".
    fn sample(&self) -> &'static str {
        match self {
            Kind::Condition => "{ title = { contains = \"...\" } }",
            Kind::Actions => "{ drop = true }",
            Kind::Duration(..) => "\"30d\"",
            Kind::Regex => "'...'",
            _ => "\"...\"",
        }
    }
}
