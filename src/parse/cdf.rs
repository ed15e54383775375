//! CDF, the Channel Definition Format of 1997: channels of items, each with an address, a title and an abstract.

use super::Limits;
use super::feed::{ParsedEntry, ParsedFeed, TextKind};
use super::reader::{Element, Reader};
use super::rss::{set, text};

/// A whole document. Channels inside channels are read as one.
pub fn feed<'a>(reader: &mut Reader<'a>, root: &Element<'a>, feed: &mut ParsedFeed, limits: &Limits) {
    set(&mut feed.link, address(reader, root));
    let mut level = root.level;
    loop {
        let Some(element) = reader.child(level) else {
            if level <= root.level {
                return;
            }
            level = reader.level();
            continue;
        };
        match &*element.name {
            "title" => set(&mut feed.title, text(reader, &element, TextKind::Undeclared)),
            "abstract" => set(&mut feed.subtitle, text(reader, &element, TextKind::Html)),
            "a" => set(&mut feed.link, address(reader, &element)),
            "logo" => set(&mut feed.image, address(reader, &element)),
            "channel" => level = element.level,
            "item" => {
                let entry = item(reader, &element);
                super::keep(feed, entry, limits);
            }
            _ => {}
        }
    }
}

fn item<'a>(reader: &mut Reader<'a>, element: &Element<'a>) -> ParsedEntry {
    let mut entry = ParsedEntry { link: address(reader, element), ..ParsedEntry::default() };
    let modified = element.attribute("lastmod").and_then(|date| super::date::parse(&date));
    entry.updated = modified;
    while let Some(child) = reader.child(element.level) {
        match &*child.name {
            "title" => set(&mut entry.title, text(reader, &child, TextKind::Undeclared)),
            "abstract" => set(&mut entry.summary, text(reader, &child, TextKind::Html)),
            "a" => set(&mut entry.link, address(reader, &child)),
            "logo" => set(&mut entry.image, address(reader, &child)),
            _ => {}
        }
    }
    entry
}

fn address(reader: &Reader<'_>, element: &Element<'_>) -> Option<String> {
    element.attribute("href").map(|href| reader.resolve(&href))
}
