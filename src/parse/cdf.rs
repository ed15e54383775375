//! CDF, the Channel Definition Format of 1997: channels of items, each with an address, a title and an abstract. What
//! it shares with RSS is read there.

use super::feed::{ParsedEntry, ParsedFeed, TextKind};
use super::reader::{Element, Ns, Reader};
use super::rss::{set, text};

/// What the attributes of a channel say.
pub fn wrapper(reader: &Reader<'_>, element: &Element<'_>, feed: &mut ParsedFeed) {
    set(&mut feed.link, address(reader, element));
    feed.updated = feed.updated.or_else(|| modified(element));
}

/// What the attributes of an item say.
pub fn entry_attributes(reader: &Reader<'_>, element: &Element<'_>, entry: &mut ParsedEntry) {
    entry.link = address(reader, element);
    entry.updated = modified(element);
}

/// An element of a channel. `false`: none of CDF.
pub fn feed_element<'a>(reader: &mut Reader<'a>, element: &Element<'a>, feed: &mut ParsedFeed) -> bool {
    match (element.ns, &*element.name) {
        (Ns::Core, "abstract") => set(&mut feed.subtitle, text(reader, element, TextKind::Html)),
        (Ns::Core, "a") => set(&mut feed.link, address(reader, element)),
        (Ns::Core, "logo") => set(&mut feed.image, address(reader, element)),
        _ => return false,
    }
    true
}

/// An element of an item. `false`: none of CDF.
pub fn entry_element<'a>(reader: &mut Reader<'a>, element: &Element<'a>, entry: &mut ParsedEntry) -> bool {
    match (element.ns, &*element.name) {
        (Ns::Core, "abstract") => set(&mut entry.summary, text(reader, element, TextKind::Html)),
        (Ns::Core, "a") => set(&mut entry.link, address(reader, element)),
        (Ns::Core, "logo") => set(&mut entry.image, address(reader, element)),
        _ => return false,
    }
    true
}

fn address(reader: &Reader<'_>, element: &Element<'_>) -> Option<String> {
    element.attribute("href").map(|href| reader.resolve(&href))
}

fn modified(element: &Element<'_>) -> Option<crate::model::Time> {
    super::date::parse(&element.attribute("lastmod")?)
}
