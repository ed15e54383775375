//! Neutral: a parsed document as one JSON value that knows nothing of formats, for people, scripts and tests.
//!
//! Stated ids and dates, resolved addresses, plain titles, cleaned HTML; what is not stated is `null` or `[]`.

use serde_json::{Value, json};

use super::clean;
use crate::model::{Category, Enclosure, Link, Person, Time};
use crate::parse::feed::{Format, ParsedEntry, ParsedFeed, ParsedSource, Text, TextKind};

/// The keys `format`, `feed`, `entries`; beside them `repairs` (kind -> count) and `dropped` (what of an article was
/// left out; always empty for feeds).
pub fn neutral(feed: &ParsedFeed) -> Value {
    json!({
        "format": format_name(feed.format),
        "feed": {
            "title": title(feed.title.as_ref()).0,
            "link": feed.link,
            "description": body(feed.subtitle.as_ref()),
            "id": feed.id,
            "updated": feed.updated.map(time),
            "published": feed.published.map(time),
            "language": feed.language,
            "authors": people(&feed.authors),
            "categories": terms(&feed.categories),
            "image": feed.image,
            "icon": feed.icon,
            "rights": feed.rights,
            "generator": feed.generator,
            "links": links(&feed.links),
            "hints": feed.hints,
            "complete": feed.complete,
            "deleted": feed.deleted.iter().map(|entry| json!({ "id": entry.id, "when": entry.when.map(time) })).collect::<Vec<_>>(),
        },
        "entries": feed.entries.iter().map(entry).collect::<Vec<_>>(),
        "repairs": feed.repairs.0,
        "dropped": [],
    })
}

fn entry(entry: &ParsedEntry) -> Value {
    let (title, title_type) = title(entry.title.as_ref());
    let (summary, content) = (body(entry.summary.as_ref()), body(entry.content.as_ref()));
    json!({
        "id": entry.id,
        "title": title,
        "title_type": title_type,
        "link": entry.link,
        "published": entry.published.map(time),
        "updated": entry.updated.map(time),
        "authors": people(&entry.authors),
        "contributors": people(&entry.contributors),
        "categories": terms(&entry.categories),
        "summary_type": body_kind(entry.summary.as_ref(), summary.as_ref()),
        "summary": summary,
        "content_type": body_kind(entry.content.as_ref(), content.as_ref()),
        "content": content,
        "enclosures": entry.enclosures.iter().map(enclosure).collect::<Vec<_>>(),
        "source": entry.source.as_ref().map(source),
        "image": entry.image,
        "comments": entry.comments,
        "language": entry.language,
        "rights": entry.rights,
        "links": links(&entry.links),
    })
}

fn links(links: &[Link]) -> Vec<Value> {
    links.iter().map(|link| json!({ "href": link.href, "rel": link.rel, "type": link.media_type })).collect()
}

fn source(source: &ParsedSource) -> Value {
    if source.title.is_none() && source.link.is_none() && source.feed.is_none() && source.id.is_none() {
        return Value::Null;
    }
    json!({ "title": source.title.as_ref().map(clean::title), "link": source.link.as_ref().or(source.feed.as_ref()), "id": source.id })
}

fn enclosure(enclosure: &Enclosure) -> Value {
    json!({ "url": enclosure.url, "type": enclosure.media_type, "length": enclosure.length, "seconds": enclosure.duration_secs })
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

/// How a body was meant, if anything of it is left.
fn body_kind(text: Option<&Text>, body: Option<&String>) -> Option<&'static str> {
    match text.filter(|_| body.is_some())?.kind {
        TextKind::Plain | TextKind::Undeclared => Some("text"),
        TextKind::Html => Some("html"),
    }
}

/// A title and its type: plain text as plain text; what was HTML stays HTML, if only with its special characters
/// escaped.
fn title(text: Option<&Text>) -> (Option<String>, Option<&'static str>) {
    let Some(text) = text else { return (None, None) };
    let plain = clean::title(text);
    if plain.is_empty() {
        return (None, None);
    }
    let is_html = match text.kind {
        TextKind::Plain => false,
        TextKind::Html => true,
        TextKind::Undeclared => !plain.split(' ').eq(text.value.split_whitespace()),
    };
    if is_html { (Some(clean::escape(&plain)), Some("html")) } else { (Some(plain), Some("text")) }
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
