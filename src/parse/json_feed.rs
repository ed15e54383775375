//! JSON Feed 1.0 and 1.1: which key means what. Wrong types and unknown keys cost nothing but themselves.

use super::feed::{Format, ParsedEntry, ParsedFeed, Text, TextKind};
use super::json::{Json, Scan};
use super::rss::plain_link;
use super::{Limits, NotAFeed, date};
use crate::model::{Category, Enclosure, Person, Time};

/// Values in one item, and in one member of the feed: far more than any has.
const VALUES: usize = 20_000;

/// A whole document, item by item.
pub fn read(text: &str, limits: &Limits) -> Result<ParsedFeed, NotAFeed> {
    let mut scan = Scan::new(text, limits.depth);
    let mut feed = ParsedFeed::default();
    let mut members = Vec::new();
    let mut has_items = false;
    if scan.eat(b'{') {
        while let Some(key) = scan.key() {
            if key == "items" && scan.eat(b'[') {
                has_items = true;
                items(&mut scan, &mut feed, limits);
            } else {
                let value = scan.value(VALUES);
                if members.len() < VALUES {
                    members.push((key, value));
                }
            }
        }
    }
    if scan.cut {
        feed.repairs.note("document cut short");
    }
    if scan.mended > 0 {
        feed.repairs.0.insert("word that is no JSON", scan.mended);
    }
    let root = Json::Object(members);
    let version = string(&root, "version").unwrap_or_default();
    if !has_items && !version.contains("jsonfeed.org") {
        return Err(NotAFeed::OtherJson);
    }
    let is_first = version.trim_end_matches('/').ends_with("/1");
    feed.format = if is_first { Format::JsonFeed10 } else { Format::JsonFeed11 };
    members_of_feed(&root, &mut feed, limits);
    Ok(feed)
}

fn items(scan: &mut Scan<'_>, feed: &mut ParsedFeed, limits: &Limits) {
    while scan.element() {
        let item = scan.value(VALUES);
        if matches!(item, Json::Object(_)) {
            feed.entries.push(entry(&item, limits));
            super::settle(&mut feed.entries, scan.cut, limits);
        }
    }
}

fn members_of_feed(root: &Json<'_>, feed: &mut ParsedFeed, limits: &Limits) {
    feed.title = string(root, "title").map(|value| text_of(value, TextKind::Plain));
    feed.subtitle = string(root, "description").map(|value| text_of(value, TextKind::Plain));
    feed.link = string(root, "home_page_url");
    feed.image = string(root, "icon");
    feed.icon = string(root, "favicon");
    feed.language = string(root, "language");
    feed.authors = people(root, limits.people);
    feed.links.extend(string(root, "feed_url").map(|url| plain_link(url, "self")));
    feed.links.extend(string(root, "next_url").map(|url| plain_link(url, "next")));
    let hubs = array(root, "hubs").iter().filter_map(|hub| string(hub, "url"));
    feed.links.extend(hubs.map(|url| plain_link(url, "hub")));
}

fn entry(item: &Json<'_>, limits: &Limits) -> ParsedEntry {
    let html = string(item, "content_html").map(|value| text_of(value, TextKind::Html));
    let plain = || string(item, "content_text").map(|value| text_of(value, TextKind::Plain));
    let mut entry = ParsedEntry {
        id: string(item, "id"),
        title: string(item, "title").map(|value| text_of(value, TextKind::Plain)),
        link: string(item, "url"),
        summary: string(item, "summary").map(|value| text_of(value, TextKind::Plain)),
        content: html.or_else(plain),
        authors: people(item, limits.people),
        published: time(item, "date_published"),
        updated: time(item, "date_modified"),
        language: string(item, "language"),
        image: string(item, "image").or_else(|| string(item, "banner_image")),
        ..ParsedEntry::default()
    };
    entry.links.extend(string(item, "external_url").map(|url| plain_link(url, "related")));
    let tags = array(item, "tags").iter().filter_map(Json::as_str);
    entry.categories = tags.map(|term| Category { term: term.to_owned(), ..Category::default() }).collect();
    entry.enclosures = array(item, "attachments").iter().filter_map(attachment).collect();
    entry
}

fn attachment(object: &Json<'_>) -> Option<Enclosure> {
    // As a float, since some write bytes and seconds so; a cast to an integer saturates.
    let number = |key: &str| Some(string(object, key)?.parse::<f64>().ok().filter(|number| *number >= 0.0)? as u64);
    Some(Enclosure {
        url: string(object, "url")?,
        media_type: string(object, "mime_type"),
        length: number("size_in_bytes"),
        duration_secs: number("duration_in_seconds"),
        title: string(object, "title"),
    })
}

/// `authors` of 1.1, else `author` of 1.0; no more than one beyond `most`.
fn people(object: &Json<'_>, most: usize) -> Vec<Person> {
    let list = array(object, "authors").iter().chain(object.get("author"));
    let mut people: Vec<Person> = Vec::new();
    for person in list.filter_map(person) {
        if people.len() > most {
            break;
        }
        if !people.contains(&person) {
            people.push(person);
        }
    }
    people
}

fn person(value: &Json<'_>) -> Option<Person> {
    let person = match value {
        Json::String(name) => Person { name: Some(name.trim().to_owned()), ..Person::default() },
        value => Person { name: string(value, "name"), email: None, uri: string(value, "url") },
    };
    (person != Person::default()).then_some(person)
}

fn time(object: &Json<'_>, key: &str) -> Option<Time> {
    date::parse(&string(object, key)?)
}

/// A string that is not blank; a number is taken as it is written.
fn string(object: &Json<'_>, key: &str) -> Option<String> {
    let text = match object.get(key)? {
        Json::String(text) => text.trim(),
        Json::Number(number) => number,
        _ => return None,
    };
    (!text.is_empty()).then(|| text.to_owned())
}

fn array<'a>(object: &'a Json<'a>, key: &str) -> &'a [Json<'a>] {
    object.get(key).and_then(Json::as_array).unwrap_or_default()
}

fn text_of(value: String, kind: TextKind) -> Text {
    Text { kind, value, base: None, language: None }
}
