//! The reference of `newsdesk.toml` in Markdown, made of the table of keys: `docs/configuration.md` is this, printed.

use std::fmt::Write as _;

use super::keys::{self, Key, Kind};

/// The whole page.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for table in keys::ROOT {
        let (heading, keys) = match &table.kind {
            Kind::Table(keys) => (format!("[{}]", table.name), *keys),
            Kind::Named(keys) => (format!("[{}.NAME]", table.name), *keys),
            Kind::Tables(keys) => (format!("[[{}]]", table.name), *keys),
            _ => continue,
        };
        section(&mut page, &heading, table.doc, keys);
    }
    section(&mut page, "when", "Conditions of a rule. Everything in one table must hold.", keys::CONDITION);
    section(&mut page, "when, for a text", "One of these, or a text alone, which must be equal.", keys::TEST);
    section(&mut page, "then", "What a rule does; one table, or a list of tables in order.", keys::ACTION);
    page
}

const HEAD: &str = "\
# The configuration, key by key

Made of the same table of keys that newsdesk reads its configuration with; `newsdesk schema` prints it for editors.
[config/newsdesk.toml](../config/newsdesk.toml) shows every key in its place and runs as it is. Unknown keys are refused,
with the nearest name. Paths are relative to the file that states them.
";

fn section(page: &mut String, heading: &str, doc: &str, keys: &'static [Key]) {
    // Writing to a String cannot fail.
    let _ = write!(page, "\n## `{heading}`\n\n{doc}\n\n| key | value | default | what |\n|---|---|---|---|\n");
    rows(page, "", keys);
}

/// Inner tables stand with their keys behind a dot: no table holds itself, so that this ends.
fn rows(page: &mut String, before: &str, keys: &'static [Key]) {
    let mut left: Vec<(String, &'static Key)> = keys.iter().rev().map(|key| (before.to_owned(), key)).collect();
    while let Some((before, key)) = left.pop() {
        let name = format!("{before}{}", key.name);
        if let Kind::Table(inner) = &key.kind {
            left.extend(inner.iter().rev().map(|key| (format!("{name}."), key)));
            continue;
        }
        let required = if key.required { " Required." } else { "" };
        let default = key.default.map(|default| format!("`{default}`")).unwrap_or_default();
        let doc = key.doc.replace('|', "\\|");
        let _ = writeln!(page, "| `{name}` | {} | {default} | {doc}{required} |", kind(&key.kind));
    }
}

/// What may stand behind a key, in words.
fn kind(kind: &'static Kind) -> String {
    match kind {
        Kind::Text | Kind::SourceName | Kind::Replacement => "text".to_owned(),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Number(least, most) => format!("{least} to {most}"),
        Kind::Url => "http(s) URL".to_owned(),
        Kind::Path => "path".to_owned(),
        Kind::Duration(least, most) => format!("time, {} to {}", duration(*least), duration(*most)),
        Kind::Size(least, most) => format!("size, {} to {}", size(*least), size(*most)),
        Kind::Cron => "cron line".to_owned(),
        Kind::Cadence => "`\"adaptive\"` or cron line".to_owned(),
        Kind::TimeZone => "IANA time zone".to_owned(),
        Kind::Language => "language tag".to_owned(),
        Kind::Contact => "mail address or URL".to_owned(),
        Kind::Listen => "`host:port`".to_owned(),
        Kind::Admin => "`host:port` or `unix:PATH`".to_owned(),
        Kind::Store => "`sqlite:FILE`".to_owned(),
        Kind::Hub => "`\"own\"`, `\"none\"` or URL".to_owned(),
        Kind::Network => "address or network, with or without a port".to_owned(),
        Kind::SectionName => "segment of a URL".to_owned(),
        Kind::Regex => "regular expression".to_owned(),
        Kind::Choice(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        Kind::List(item) => format!("list: {}", self::kind(item)),
        Kind::Headers => "table: name = text or `{ file = PATH }`".to_owned(),
        Kind::Test => "text, or a table as below".to_owned(),
        Kind::Condition => "conditions".to_owned(),
        Kind::Conditions => "list of conditions".to_owned(),
        Kind::Actions => "actions".to_owned(),
        Kind::Table(_) | Kind::Named(_) | Kind::Tables(_) => "table".to_owned(),
    }
}

/// In the largest unit that divides it.
fn duration(secs: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let (unit, name) =
        units.into_iter().find(|(unit, _)| secs >= *unit && secs.is_multiple_of(*unit)).unwrap_or((1, "s"));
    format!("{}{name}", secs / unit)
}

fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")];
    let (unit, name) =
        units.into_iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit)).unwrap_or((1, "B"));
    format!("{} {name}", bytes / unit)
}
