//! JSON Feed 1.0 and 1.1: which key means what. Wrong types and unknown keys cost nothing but themselves.

use serde_json::{Map, Value};

use super::feed::{Format, ParsedEntry, ParsedFeed, Text, TextKind};
use super::rss::plain_link;
use super::{Limits, NotAFeed, date};
use crate::model::{Category, Enclosure, Person, Time};

type Object = Map<String, Value>;

/// A whole document.
pub fn read(text: &str, limits: &Limits) -> Result<ParsedFeed, NotAFeed> {
    let value: Value =
        serde_json::Deserializer::from_str(text).into_iter().next().and_then(Result::ok).ok_or(NotAFeed::OtherJson)?;
    let Value::Object(root) = value else { return Err(NotAFeed::OtherJson) };
    let version = string(&root, "version").unwrap_or_default();
    let is_feed = version.contains("jsonfeed.org") || root.get("items").is_some_and(Value::is_array);
    if !is_feed {
        return Err(NotAFeed::OtherJson);
    }
    let mut feed = ParsedFeed {
        format: if version.trim_end_matches('/').ends_with("/1") { Format::JsonFeed10 } else { Format::JsonFeed11 },
        title: string(&root, "title").map(|value| text_of(value, TextKind::Plain)),
        subtitle: string(&root, "description").map(|value| text_of(value, TextKind::Plain)),
        link: string(&root, "home_page_url"),
        image: string(&root, "icon"),
        icon: string(&root, "favicon"),
        language: string(&root, "language"),
        authors: people(&root),
        ..ParsedFeed::default()
    };
    feed.links.extend(string(&root, "feed_url").map(|url| plain_link(url, "self")));
    feed.links.extend(string(&root, "next_url").map(|url| plain_link(url, "next")));
    let hubs = array(&root, "hubs").iter().filter_map(|hub| string(hub.as_object()?, "url"));
    feed.links.extend(hubs.map(|url| plain_link(url, "hub")));
    for item in array(&root, "items") {
        if let Some(item) = item.as_object() {
            super::keep(&mut feed, entry(item), limits);
        }
    }
    Ok(feed)
}

fn entry(item: &Object) -> ParsedEntry {
    let html = string(item, "content_html").map(|value| text_of(value, TextKind::Html));
    let plain = || string(item, "content_text").map(|value| text_of(value, TextKind::Plain));
    let mut entry = ParsedEntry {
        id: string(item, "id"),
        title: string(item, "title").map(|value| text_of(value, TextKind::Plain)),
        link: string(item, "url"),
        summary: string(item, "summary").map(|value| text_of(value, TextKind::Plain)),
        content: html.or_else(plain),
        authors: people(item),
        published: time(item, "date_published"),
        updated: time(item, "date_modified"),
        language: string(item, "language"),
        image: string(item, "image").or_else(|| string(item, "banner_image")),
        ..ParsedEntry::default()
    };
    entry.links.extend(string(item, "external_url").map(|url| plain_link(url, "related")));
    let tags = array(item, "tags").iter().filter_map(Value::as_str);
    entry.categories = tags.map(|term| Category { term: term.to_owned(), ..Category::default() }).collect();
    entry.enclosures = array(item, "attachments").iter().filter_map(|value| attachment(value.as_object()?)).collect();
    entry
}

fn attachment(object: &Object) -> Option<Enclosure> {
    let number =
        |key: &str| object.get(key).and_then(|value| value.as_u64().or_else(|| value.as_f64().map(|v| v as u64)));
    Some(Enclosure {
        url: string(object, "url")?,
        media_type: string(object, "mime_type"),
        length: number("size_in_bytes"),
        duration_secs: number("duration_in_seconds"),
        title: string(object, "title"),
    })
}

/// `authors` of 1.1, else `author` of 1.0.
fn people(object: &Object) -> Vec<Person> {
    let list = array(object, "authors").iter().chain(object.get("author"));
    let mut people: Vec<Person> = Vec::new();
    for person in list.filter_map(person) {
        if !people.contains(&person) {
            people.push(person);
        }
    }
    people
}

fn person(value: &Value) -> Option<Person> {
    let person = match value {
        Value::String(name) => Person { name: Some(name.clone()), ..Person::default() },
        Value::Object(object) => Person { name: string(object, "name"), email: None, uri: string(object, "url") },
        _ => return None,
    };
    (person != Person::default()).then_some(person)
}

fn time(object: &Object, key: &str) -> Option<Time> {
    date::parse(&string(object, key)?)
}

/// A string that is not blank; a number is taken as it is written.
fn string(object: &Object, key: &str) -> Option<String> {
    let text = match object.get(key)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let text: String = if super::charset::has_forbidden(text.as_bytes()) {
        text.chars().filter(|&c| super::xml::is_xml_char(c)).collect()
    } else {
        text
    };
    (!text.is_empty()).then_some(text)
}

fn array<'a>(object: &'a Object, key: &str) -> &'a [Value] {
    object.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn text_of(value: String, kind: TextKind) -> Text {
    Text { kind, value, base: None, language: None }
}
