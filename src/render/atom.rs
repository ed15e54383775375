//! Atom 1.0 (RFC 4287), written with `atom_syndication`.
//!
//! The crate writes an `atom:source` without a known date as 1970 and attributes of extensions as they are; both are
//! seen to here. Its document is cut: an entry is its own document without the namespace, the feed's is head and tail.

use std::collections::BTreeMap;

use atom_syndication::{
    Category, Content, Entry, Feed as AtomFeed, FixedDateTime, Generator, Link, Person, Source, Text, WriteConfig,
    extension::Extension,
};

use crate::model::{self, Feed, Paging, Time, Tombstone};

use super::fragment::{Piece, is_absolute, is_media_type};
use super::text;

const DECLARATION: &[u8] = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";
const ENTRY_START: &[u8] = b"<entry xmlns=\"http://www.w3.org/2005/Atom\">";
const FEED_END: &[u8] = b"</feed>";
/// Bytes after the last fragment, and between two of them.
pub(super) const TAIL: usize = 1 + FEED_END.len() + 1;
pub(super) const BETWEEN: usize = 1;
const BARE: WriteConfig = WriteConfig { write_document_declaration: false, indent_size: None };

/// Namespace of `at:deleted-entry` (RFC 6721).
const TOMBSTONES: &str = "http://purl.org/atompub/tombstones/1.0";

pub(super) fn document<'a>(feed: &Feed, fragments: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let head = head(feed).write_with_config(Vec::new(), BARE).unwrap_or_default(); // a Vec takes every write
    let head = head.strip_suffix(FEED_END).unwrap_or(&head);
    let body: usize = fragments.clone().map(|fragment| fragment.len() + 1).sum();
    let mut bytes = Vec::with_capacity(DECLARATION.len() + head.len() + body + FEED_END.len() + 2);
    bytes.extend_from_slice(DECLARATION);
    bytes.extend_from_slice(head);
    bytes.push(b'\n');
    for fragment in fragments {
        bytes.extend_from_slice(fragment);
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(FEED_END);
    bytes.push(b'\n');
    bytes
}

/// `<entry>...</entry>`, in the namespace of the feed around it.
pub(super) fn entry(piece: &Piece<'_>) -> Vec<u8> {
    let text_bytes = piece.summary.as_ref().map_or(0, |s| s.len()) + piece.content.as_ref().map_or(0, |c| c.len());
    let room = Vec::with_capacity(1024 + text_bytes + text_bytes / 4);
    let whole = entry_of(piece).write_with_config(room, BARE).unwrap_or_default();
    match whole.strip_prefix(ENTRY_START) {
        Some(inner) => [b"<entry>".as_slice(), inner].concat(),
        None => whole,
    }
}

fn entry_of(piece: &Piece<'_>) -> Entry {
    let lang = &piece.language;
    Entry {
        title: Text { lang: lang.clone(), ..Text::plain(piece.title.clone()) },
        id: piece.id.clone().into_owned(),
        updated: instant(piece.updated),
        authors: piece.authors.iter().map(person).collect(),
        contributors: piece.contributors.iter().map(person).collect(),
        categories: piece.categories.iter().map(category).collect(),
        links: links(piece),
        published: Some(instant(piece.published)),
        rights: piece.stated.rights.as_deref().map(text::line).filter(|rights| !rights.is_empty()).map(Text::plain),
        source: Some(source(piece)),
        summary: summary(piece).map(|text| Text { lang: lang.clone(), ..text }),
        content: piece.content.as_ref().map(|html| Content {
            value: Some(html.clone().into_owned()),
            content_type: Some("html".to_owned()),
            lang: lang.clone(),
            ..Content::default()
        }),
        extensions: media(piece),
        ..Entry::default()
    }
}

/// An entry of no text at all says its title again, as JSON Feed has to: validators ask for words.
fn summary(piece: &Piece<'_>) -> Option<Text> {
    match (&piece.summary, &piece.content) {
        (Some(html), _) => Some(Text::html(html.clone())),
        (None, Some(_)) => None,
        (None, None) => Some(Text::html(text::escape_html(&piece.title))),
    }
}

fn links(piece: &Piece<'_>) -> Vec<Link> {
    let mut links = vec![Link { href: piece.link.clone().into_owned(), ..Link::default() }];
    links.extend(piece.links.iter().map(|link| Link {
        href: link.href.clone(),
        rel: link.rel.clone(),
        hreflang: link.hreflang.clone(),
        mime_type: link.media_type.clone(),
        title: link.title.clone(),
        length: None,
    }));
    let comments = piece.stated.comments.as_deref().map(text::url).filter(|url| is_absolute(url));
    if let Some(href) = comments.filter(|url| links.iter().all(|link| link.rel != "replies" || link.href != **url)) {
        links.push(Link { href: href.into_owned(), rel: "replies".to_owned(), ..Link::default() });
    }
    links.extend(piece.also_in.iter().filter(|other| is_absolute(&other.link)).map(|other| Link {
        href: other.link.clone(),
        rel: "related".to_owned(),
        title: Some(other.name.clone()).filter(|name| !name.is_empty()),
        ..Link::default()
    }));
    links.extend(piece.enclosures().map(|(href, enclosure)| Link {
        href: href.into_owned(),
        rel: "enclosure".to_owned(),
        mime_type: enclosure.media_type.clone().filter(|kind| is_media_type(kind)),
        title: enclosure.title.as_deref().map(text::line).filter(|title| !title.is_empty()),
        length: enclosure.length.map(|bytes| bytes.to_string()),
        hreflang: None,
    }));
    links
}

/// What Atom has no word for: play times, and the picture of the entry.
fn media(piece: &Piece<'_>) -> BTreeMap<String, BTreeMap<String, Vec<Extension>>> {
    let element = |name: &str, attrs: Vec<(&str, Option<String>)>| Extension {
        name: format!("media:{name}"),
        attrs: attrs
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), text::escape_html(&text::xml(&value?)))))
            .collect(),
        ..Extension::default()
    };
    let played = piece.enclosures().filter_map(|(url, file)| {
        let seconds = file.duration_secs?;
        let stated = file.media_type.clone().filter(|kind| is_media_type(kind));
        let length = file.length.map(|bytes| bytes.to_string());
        let attrs = [("url", Some(url.into_owned())), ("type", stated), ("fileSize", length)];
        Some(element("content", attrs.into_iter().chain([("duration", Some(seconds.to_string()))]).collect()))
    });
    let thumbnail = piece.image().map(|url| element("thumbnail", vec![("url", Some(url.into_owned()))]));
    let elements = [("content", played.collect::<Vec<_>>()), ("thumbnail", thumbnail.into_iter().collect())];
    let elements: BTreeMap<String, Vec<Extension>> = elements
        .into_iter()
        .filter(|(_, elements)| !elements.is_empty())
        .map(|(name, elements)| (name.to_owned(), elements))
        .collect();
    if elements.is_empty() { BTreeMap::new() } else { BTreeMap::from([("media".to_owned(), elements)]) }
}

fn source(piece: &Piece<'_>) -> Source {
    let origin = &piece.origin;
    let link = |href: &Option<String>, rel: &str| {
        href.as_ref().map(|href| Link { href: href.clone(), rel: rel.to_owned(), ..Link::default() })
    };
    Source {
        title: Text { lang: origin.language.clone(), ..Text::plain(origin.title.clone()) },
        id: origin.id.clone(),
        // The element is required. A source that states none was last seen to change with this entry.
        updated: instant(origin.updated.unwrap_or(piece.updated)),
        authors: origin.authors.iter().map(person).collect(),
        icon: origin.icon.clone(),
        links: [link(&origin.link, "alternate"), link(&origin.feed, "self")].into_iter().flatten().collect(),
        rights: origin.rights.clone().map(Text::plain),
        subtitle: origin.subtitle.clone().map(Text::plain),
        ..Source::default()
    }
}

fn head(feed: &Feed) -> AtomFeed {
    let link = |href: String, rel: &str, kind: Option<&str>| Link {
        href,
        rel: rel.to_owned(),
        mime_type: kind.map(str::to_owned),
        ..Link::default()
    };
    let page = text::url(&feed.page);
    let mut links = vec![
        link(super::address(feed, super::ATOM), "self", Some("application/atom+xml")),
        link(page.into_owned(), "alternate", Some("text/html")),
    ];
    let paged = [("current", super::current(feed, super::ATOM)), ("prev-archive", super::previous(feed, super::ATOM))];
    let atom = Some("application/atom+xml");
    links.extend(paged.into_iter().filter_map(|(rel, href)| Some(link(href?, rel, atom))));
    links.extend(feed.hubs.iter().map(|hub| link(text::url(hub).into_owned(), "hub", None)));
    let mut extensions = deleted(&feed.deleted);
    if matches!(feed.paging, Paging::Archived { .. }) {
        let archive = Extension { name: "fh:archive".to_owned(), ..Extension::default() };
        extensions.insert("fh".to_owned(), BTreeMap::from([("archive".to_owned(), vec![archive])]));
    }
    let used = [("at", TOMBSTONES), ("fh", super::HISTORY)];
    let used = used.into_iter().filter(|(prefix, _)| extensions.contains_key(*prefix));
    // Whatever the entries use: a fragment stands in every document.
    let namespaces = used.chain([("media", super::MEDIA)]);
    AtomFeed {
        title: Text::plain(super::title(feed)),
        id: text::xml(&feed.id).into_owned(),
        updated: instant(feed.updated),
        generator: Some(Generator { value: super::GENERATOR.to_owned(), uri: None, version: None }),
        icon: feed.icon.as_deref().map(|icon| text::url(icon).into_owned()),
        links,
        rights: feed.rights.as_deref().map(text::line).filter(|words| !words.is_empty()).map(Text::plain),
        subtitle: feed.description.as_deref().map(text::line).filter(|words| !words.is_empty()).map(Text::plain),
        lang: feed.language.as_deref().and_then(text::language),
        namespaces: namespaces.map(|(prefix, uri)| (prefix.to_owned(), uri.to_owned())).collect(),
        extensions,
        ..AtomFeed::default()
    }
}

/// What its owner withdrew. The crate writes the attributes of extensions as they are given.
fn deleted(tombstones: &[Tombstone]) -> BTreeMap<String, BTreeMap<String, Vec<Extension>>> {
    let element = |tombstone: &Tombstone| Extension {
        name: "at:deleted-entry".to_owned(),
        attrs: BTreeMap::from([
            ("ref".to_owned(), text::escape_html(&text::xml(&tombstone.id.0))),
            ("when".to_owned(), text::rfc3339(tombstone.when)),
        ]),
        ..Extension::default()
    };
    match tombstones {
        [] => BTreeMap::new(),
        _ => BTreeMap::from([(
            "at".to_owned(),
            BTreeMap::from([("deleted-entry".to_owned(), tombstones.iter().map(element).collect())]),
        )]),
    }
}

fn person(person: &model::Person) -> Person {
    Person {
        name: person.name.clone().unwrap_or_default(),
        email: person.email.clone(),
        uri: person.uri.clone(),
        ..Person::default()
    }
}

fn category(category: &model::Category) -> Category {
    Category { term: category.term.clone(), scheme: category.scheme.clone(), label: category.label.clone() }
}

fn instant(time: Time) -> FixedDateTime {
    text::instant(time).fixed_offset()
}
