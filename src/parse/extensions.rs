//! The modules that feeds mix in: Dublin Core, content, Media RSS, iTunes, threading and the rest, where the model has a
//! place for what they say.

use super::atom;
use super::feed::{ParsedEntry, ParsedFeed, ParsedSource, TextKind};
use super::reader::{Element, Ns, Reader};
use super::rss::{self, Draft, date, last, set, text};
use crate::model::{Category, Enclosure, Person};

/// An element of the feed that is not the format's own.
pub fn feed_element<'a>(
    reader: &mut Reader<'a>,
    element: &Element<'a>,
    feed: &mut ParsedFeed,
    draft: &mut Draft,
) -> bool {
    match (element.ns, &*element.name) {
        (Ns::Dc, "title") => set(&mut draft.title, text(reader, element, TextKind::Undeclared)),
        (Ns::Dc, "description") => set(&mut draft.summary, text(reader, element, TextKind::Html)),
        (Ns::Dc, "language") => set(&mut feed.language, reader.value(element)),
        (Ns::Dc | Ns::DcTerms, "rights") => set(&mut feed.rights, reader.value(element)),
        (Ns::Dc, "creator" | "author") => feed.authors.extend(atom::person(reader, element)),
        (Ns::Dc, "contributor") => feed.contributors.extend(atom::person(reader, element)),
        (Ns::Dc, "subject") => feed.categories.extend(rss::category(reader, element)),
        (Ns::Dc, "date") => set(&mut draft.date, date(reader, element)),
        (Ns::DcTerms, "issued") => last(&mut feed.published, date(reader, element)),
        (Ns::DcTerms, "modified") => last(&mut feed.updated, date(reader, element)),
        (Ns::Sy, "updateperiod") => draft.update_period = reader.value(element).and_then(|period| minutes(&period)),
        (Ns::Sy, "updatefrequency") => {
            draft.update_frequency = reader.value(element).and_then(|text| text.parse().ok())
        }
        (Ns::Itunes | Ns::GooglePlay, "author") => draft.authors.extend(atom::person(reader, element)),
        (Ns::Itunes, "owner") => owner(reader, element, draft),
        (Ns::Itunes | Ns::GooglePlay, "image") => set(&mut draft.image, image(reader, element)),
        (Ns::Itunes, "subtitle") => set(&mut draft.teaser, text(reader, element, TextKind::Html)),
        (Ns::Itunes, "summary") => set(&mut draft.summary, text(reader, element, TextKind::Html)),
        (Ns::Podcast, "guid") => set(&mut draft.about, reader.value(element)),
        (Ns::Itunes | Ns::GooglePlay, "category") => itunes_category(reader, element, &mut feed.categories),
        (Ns::Itunes | Ns::Media, "keywords") => keywords(reader, element, &mut feed.categories),
        (Ns::Media, "thumbnail") => set(&mut draft.image, image(reader, element)),
        (Ns::History, "complete") => feed.complete = true,
        (Ns::Tombstones, "deleted-entry") => feed.deleted.extend(atom::deleted(element)),
        (Ns::Admin, "generatoragent") => set(&mut feed.generator, image(reader, element)),
        (Ns::Unknown | Ns::Xhtml, _) => return false,
        _ => return false,
    }
    true
}

/// An element of an entry that is not the format's own.
pub fn entry_element<'a>(
    reader: &mut Reader<'a>,
    element: &Element<'a>,
    entry: &mut ParsedEntry,
    draft: &mut Draft,
) -> bool {
    match (element.ns, &*element.name) {
        (Ns::Content, "encoded") => set(&mut entry.content, text(reader, element, TextKind::Html)),
        (Ns::Xhtml, "body" | "div") | (Ns::Core, "body" | "fullitem") => {
            set(&mut draft.content, text(reader, element, TextKind::Html));
        }
        (Ns::Dc, "title") => set(&mut draft.title, text(reader, element, TextKind::Undeclared)),
        (Ns::Dc, "description") => set(&mut draft.summary, text(reader, element, TextKind::Html)),
        (Ns::Dc, "creator" | "author") => entry.authors.extend(atom::person(reader, element)),
        (Ns::Dc, "contributor") => entry.contributors.extend(atom::person(reader, element)),
        (Ns::Dc, "subject") => entry.categories.extend(rss::category(reader, element)),
        (Ns::Dc, "date") => set(&mut draft.date, date(reader, element)),
        (Ns::Dc, "language") => entry.language = reader.value(element).or(entry.language.take()),
        (Ns::Dc | Ns::DcTerms, "rights") => set(&mut entry.rights, reader.value(element)),
        (Ns::Dc, "source") => {
            let title = text(reader, element, TextKind::Undeclared);
            set(&mut entry.source, title.map(|title| ParsedSource { title: Some(title), ..ParsedSource::default() }));
        }
        (Ns::DcTerms, "issued") => last(&mut entry.published, date(reader, element)),
        (Ns::DcTerms, "created") => set(&mut draft.created, date(reader, element)),
        (Ns::DcTerms, "modified") => last(&mut entry.updated, date(reader, element)),
        (Ns::FeedBurner, "origlink") => set(&mut draft.original_link, rss::link(reader, element)),
        (Ns::Itunes, "author") => draft.authors.extend(atom::person(reader, element)),
        (Ns::Itunes | Ns::GooglePlay, "image") => set(&mut draft.image, image(reader, element)),
        (Ns::Itunes, "summary") => set(&mut draft.summary, text(reader, element, TextKind::Html)),
        (Ns::Itunes, "subtitle") => set(&mut draft.teaser, text(reader, element, TextKind::Html)),
        (Ns::Itunes, "duration") => draft.duration_secs = reader.value(element).and_then(|text| seconds(&text)),
        (Ns::Itunes, "title") => set(&mut draft.title, text(reader, element, TextKind::Undeclared)),
        (Ns::Itunes | Ns::GooglePlay, "category") => itunes_category(reader, element, &mut entry.categories),
        (Ns::Itunes | Ns::Media, "keywords") => keywords(reader, element, &mut entry.categories),
        (Ns::Media, _) => media(reader, element, entry, draft),
        (Ns::Podcast, "person") => {}
        _ => return false,
    }
    true
}

/// Media RSS: a content, or a group of them, each with its own words.
fn media<'a>(reader: &mut Reader<'a>, element: &Element<'a>, entry: &mut ParsedEntry, draft: &mut Draft) {
    let floor = element.level;
    let mut next = Some(element.clone());
    let mut level = floor;
    loop {
        let Some(element) = next.take().or_else(|| reader.part(level)) else {
            if level <= floor {
                return;
            }
            level = reader.level();
            continue;
        };
        match &*element.name {
            "group" => level = element.level,
            "content" => {
                entry.enclosures.extend(media_content(reader, &element));
                level = element.level;
            }
            "thumbnail" => set(&mut draft.image, image(reader, &element)),
            "title" => set(&mut draft.title, text(reader, &element, TextKind::Undeclared)),
            "description" | "text" => set(&mut draft.teaser, text(reader, &element, TextKind::Html)),
            "keywords" => keywords(reader, &element, &mut entry.categories),
            "category" => entry.categories.extend(rss::category(reader, &element)),
            "credit" => draft.authors.extend(atom::person(reader, &element)),
            _ => {}
        }
        if level == floor && element.level == floor && !matches!(&*element.name, "group" | "content") {
            return;
        }
    }
}

fn media_content(reader: &Reader<'_>, element: &Element<'_>) -> Option<Enclosure> {
    let attribute = |name: &str| element.attribute(name);
    let url = attribute("url")?;
    let medium = || attribute("medium").map(|medium| medium.into_owned()).filter(|medium| medium.contains('/'));
    Some(Enclosure {
        url: reader.resolve(&url),
        media_type: attribute("type").map(|value| value.into_owned()).or_else(medium),
        length: attribute("filesize").and_then(|value| value.parse().ok()),
        duration_secs: attribute("duration").and_then(|value| seconds(&value)),
        title: None,
    })
}

/// A picture as the attribute of an element, or its text.
fn image<'a>(reader: &mut Reader<'a>, element: &Element<'a>) -> Option<String> {
    let named = ["href", "url", "src", "resource"].iter().find_map(|name| element.attribute(name));
    match named {
        Some(href) => Some(reader.resolve(&href)),
        None => rss::link(reader, element),
    }
}

fn owner<'a>(reader: &mut Reader<'a>, element: &Element<'a>, draft: &mut Draft) {
    let mut person = Person::default();
    while let Some(child) = reader.part(element.level) {
        match &*child.name {
            "name" => set(&mut person.name, reader.value(&child)),
            "email" => set(&mut person.email, reader.value(&child)),
            _ => {}
        }
    }
    if person != Person::default() {
        draft.authors.push(person);
    }
}

/// `itunes:category` nests one level.
fn itunes_category<'a>(reader: &mut Reader<'a>, element: &Element<'a>, categories: &mut Vec<Category>) {
    let mut push = |element: &Element<'_>| {
        let term = element.attribute("text").map(|term| term.into_owned());
        categories.extend(term.map(|term| Category { term, ..Category::default() }));
    };
    push(element);
    while let Some(child) = reader.part(element.level) {
        push(&child);
    }
}

pub fn keywords<'a>(reader: &mut Reader<'a>, element: &Element<'a>, categories: &mut Vec<Category>) {
    let Some(text) = reader.value(element) else { return };
    let separator = if text.contains(',') { ',' } else { ' ' };
    let terms = text.split(separator).map(str::trim).filter(|term| !term.is_empty());
    categories.extend(terms.map(|term| Category { term: term.to_owned(), ..Category::default() }));
}

/// `3723`, `62:03`, `1:02:03`.
pub fn seconds(text: &str) -> Option<u64> {
    let mut parts = text.trim().split(':').map(|part| part.trim().parse::<f64>().ok().filter(|part| *part >= 0.0));
    let total = parts.try_fold((0.0, 0), |(total, count), part| Some((total * 60.0 + part?, count + 1)));
    total.filter(|(total, count)| *count <= 3 && *total < 1e9).map(|(total, _)| total as u64)
}

/// `sy:updatePeriod`
fn minutes(period: &str) -> Option<u32> {
    match period.to_ascii_lowercase().as_str() {
        "hourly" => Some(60),
        "daily" => Some(24 * 60),
        "weekly" => Some(7 * 24 * 60),
        "monthly" => Some(30 * 24 * 60),
        "yearly" => Some(365 * 24 * 60),
        _ => None,
    }
}
