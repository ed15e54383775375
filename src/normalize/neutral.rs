//! Neutral: a parsed document as one JSON value that knows nothing of formats, for people, scripts and tests.
//!
//! Stated ids and dates, resolved addresses, plain titles, cleaned HTML; what is not stated is `null` or `[]`.

use serde_json::{Value, json};

use super::clean;
use crate::model::{Category, Enclosure, Person, Time};
use crate::parse::feed::{Format, ParsedEntry, ParsedFeed, ParsedSource, Text, TextKind};

/// The keys `format`, `feed`, `entries`; beside them `repairs` (kind -> count) and `dropped` (what of an article was
/// left out; always empty for feeds).
pub fn neutral(feed: &ParsedFeed) -> Value {
    json!({
        "format": format_name(feed.format),
        "feed": {
            "title": title(feed.title.as_ref()),
            "link": feed.link,
            "description": body(feed.subtitle.as_ref()),
            "id": feed.id,
            "updated": feed.updated.map(time),
            "published": feed.published.map(time),
            "language": feed.language,
            "authors": people(&feed.authors),
            "categories": terms(&feed.categories),
            "image": feed.image,
        },
        "entries": feed.entries.iter().map(entry).collect::<Vec<_>>(),
        "repairs": feed.repairs.0,
        "dropped": [],
    })
}

fn entry(entry: &ParsedEntry) -> Value {
    json!({
        "id": entry.id,
        "title": title(entry.title.as_ref()),
        "title_type": kind(entry.title.as_ref()),
        "link": entry.link,
        "published": entry.published.map(time),
        "updated": entry.updated.map(time),
        "authors": people(&entry.authors),
        "categories": terms(&entry.categories),
        "summary": body(entry.summary.as_ref()),
        "summary_type": kind(entry.summary.as_ref()),
        "content": body(entry.content.as_ref()),
        "content_type": kind(entry.content.as_ref()),
        "enclosures": entry.enclosures.iter().map(enclosure).collect::<Vec<_>>(),
        "source": entry.source.as_ref().map(source),
    })
}

fn source(source: &ParsedSource) -> Value {
    if source.title.is_none() && source.link.is_none() && source.feed.is_none() && source.id.is_none() {
        return Value::Null;
    }
    json!({ "title": source.title, "link": source.link.as_ref().or(source.feed.as_ref()), "id": source.id })
}

fn enclosure(enclosure: &Enclosure) -> Value {
    json!({ "url": enclosure.url, "type": enclosure.media_type, "length": enclosure.length.map(|length| length.to_string()) })
}

fn people(people: &[Person]) -> Vec<Value> {
    people.iter().map(|person| json!({ "name": person.name, "email": person.email, "uri": person.uri })).collect()
}

fn terms(categories: &[Category]) -> Vec<&str> {
    categories.iter().map(|category| category.term.as_str()).collect()
}

fn body(text: Option<&Text>) -> Option<String> {
    clean::text(text?).map(|html| html.0)
}

/// Plain text as plain text; what was HTML stays HTML, if only with its special characters escaped.
fn title(text: Option<&Text>) -> Option<String> {
    let text = text?;
    let plain = clean::title(text);
    let decoded =
        text.kind == TextKind::Undeclared && plain != text.value.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(if text.kind == TextKind::Html || decoded { clean::escape(&plain) } else { plain })
        .filter(|title| !title.is_empty())
}

fn kind(text: Option<&Text>) -> Option<&'static str> {
    text.map(|text| match text.kind {
        TextKind::Plain | TextKind::Undeclared => "text",
        TextKind::Html => "html",
    })
}

fn time(time: Time) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The short name of a format.
pub fn format_name(format: Format) -> &'static str {
    match format {
        Format::Rss090 => "rss090",
        Format::Rss091Netscape => "rss091n",
        Format::Rss091UserLand => "rss091u",
        Format::Rss092 => "rss092",
        Format::Rss093 => "rss093",
        Format::Rss094 => "rss094",
        Format::Rss10 => "rss10",
        Format::Rss20 => "rss20",
        Format::Rss => "rss",
        Format::Atom03 => "atom03",
        Format::Atom10 => "atom10",
        Format::Atom => "atom",
        // The neutral shape has no names for them.
        Format::Cdf | Format::Rss11 => "",
        Format::JsonFeed10 => "json1",
        Format::JsonFeed11 => "json11",
        Format::Article => "article",
    }
}
