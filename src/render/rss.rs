//! RSS 2.0, written with the `rss` crate, in the manner of the RSS Advisory Board's profile.
//!
//! An item is the only one of a channel, cut out of its document. The crate writes `&` as `&amp;` and `<` as `&lt;`,
//! which readers of plain text in RSS disagree about; the profile's hexadecimal references are read alike by all, so
//! they are put in their places.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rss::extension::atom::{AtomExtension, Link};
use rss::extension::dublincore::DublinCoreExtension;
use rss::extension::itunes::ITunesItemExtension;
use rss::extension::{Extension, ExtensionMap};
use rss::{Category, Channel, Enclosure, Guid, Image, Item, Source};

use crate::model::{self, Feed, Paging};

use super::fragment::{Piece, is_absolute, is_media_type};
use super::text;

const ITEM: &[u8] = b"<item>";

const ITEM_TAIL: &[u8] = b"</channel></rss>";
/// Bytes after the last fragment, and between two of them.
pub(super) const TAIL: usize = 1 + ITEM_TAIL.len() + 1;
pub(super) const BETWEEN: usize = 1;

/// All that a head declares, whatever the entries use: an item's fragment stands in every document.
const NAMESPACES: [(&str, &str); 5] = [
    ("atom", "http://www.w3.org/2005/Atom"),
    ("content", "http://purl.org/rss/1.0/modules/content/"),
    ("dc", "http://purl.org/dc/elements/1.1/"),
    ("itunes", super::ITUNES),
    ("media", super::MEDIA),
];

pub(super) fn document<'a>(feed: &Feed, fragments: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let head = channel(feed).write_to(Vec::new()).unwrap_or_default(); // a Vec takes every write
    let head = head.strip_suffix(ITEM_TAIL).unwrap_or(&head);
    let body: usize = fragments.clone().map(|fragment| fragment.len() + 1).sum();
    let mut bytes = Vec::with_capacity(head.len() + body + 256);
    push_numeric(&mut bytes, head);
    bytes.push(b'\n');
    for fragment in fragments {
        bytes.extend_from_slice(fragment);
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(ITEM_TAIL);
    bytes.push(b'\n');
    bytes
}

/// `<item>...</item>`
pub(super) fn item(piece: &Piece<'_>) -> Vec<u8> {
    let text_bytes = piece.summary.as_ref().map_or(0, |s| s.len()) + piece.content.as_ref().map_or(0, |c| c.len());
    let channel = Channel { items: vec![item_of(piece)], ..Channel::default() };
    let whole = channel.write_to(Vec::with_capacity(2048 + text_bytes)).unwrap_or_default();
    let inner = find(&whole, ITEM).and_then(|at| whole.get(at + ITEM.len()..)).unwrap_or_default();
    let inner = inner.strip_suffix(ITEM_TAIL).unwrap_or(inner);
    let mut bytes = Vec::with_capacity(ITEM.len() + inner.len() + inner.len() / 16);
    bytes.extend_from_slice(ITEM);
    push_numeric(&mut bytes, inner);
    bytes
}

fn item_of(piece: &Piece<'_>) -> Item {
    let mut files = piece.enclosures();
    let first = files.next();
    Item {
        title: Some(piece.title.clone()),
        link: Some(piece.link.clone().into_owned()),
        // An item whose text shows nothing but pictures has them as its description: one is asked for.
        description: piece.teaser().or(piece.content.as_deref().map(Cow::Borrowed)).map(Cow::into_owned),
        categories: piece.categories.iter().map(category).collect(),
        comments: piece
            .stated
            .comments
            .as_deref()
            .map(|url| text::url(url).into_owned())
            .filter(|url| is_absolute(url)),
        enclosure: first.as_ref().map(|(url, file)| Enclosure {
            url: url.clone().into_owned(),
            length: file.length.unwrap_or_default().to_string(),
            mime_type: media_type(file),
        }),
        guid: Some(Guid { permalink: piece.id == piece.link, value: piece.id.clone().into_owned() }),
        pub_date: Some(text::rfc822(piece.published)),
        source: piece
            .origin
            .feed
            .as_ref()
            .map(|feed| Source { url: feed.clone(), title: Some(piece.origin.title.clone()) }),
        content: piece.content.as_ref().map(|html| html.clone().into_owned()),
        extensions: extensions(piece),
        atom_ext: atom_links(piece),
        itunes_ext: itunes(piece),
        dublin_core_ext: Some(dublin_core(piece)),
        ..Item::default()
    }
}

fn dublin_core(piece: &Piece<'_>) -> DublinCoreExtension {
    DublinCoreExtension {
        creators: piece.authors.iter().filter_map(|author| author.name.clone()).collect(),
        contributors: piece.contributors.iter().filter_map(|person| person.name.clone()).collect(),
        languages: piece.language.iter().cloned().collect(),
        rights: piece
            .stated
            .rights
            .as_deref()
            .map(text::line)
            .filter(|rights| !rights.is_empty())
            .into_iter()
            .collect(),
        sources: if piece.origin.feed.is_none() { vec![piece.origin.title.clone()] } else { Vec::new() },
        ..DublinCoreExtension::default()
    }
}

/// How long it plays, and its picture, where podcast players look: of an entry that has something to play.
fn itunes(piece: &Piece<'_>) -> Option<ITunesItemExtension> {
    let is_played =
        |file: &model::Enclosure| ["audio/", "video/"].iter().any(|kind| media_type(file).starts_with(kind));
    let (_, file) = piece.enclosures().find(|(_, file)| is_played(file))?;
    let duration = file.duration_secs.map(|seconds| seconds.to_string());
    let image = piece.image().map(Cow::into_owned);
    (duration.is_some() || image.is_some()).then(|| ITunesItemExtension { duration, image, ..Default::default() })
}

fn atom_links(piece: &Piece<'_>) -> Option<AtomExtension> {
    let mut links: Vec<Link> = piece
        .links
        .iter()
        .map(|link| Link {
            href: link.href.clone(),
            rel: link.rel.clone(),
            hreflang: link.hreflang.clone(),
            mime_type: link.media_type.clone(),
            title: link.title.clone(),
            length: None,
        })
        .collect();
    links.extend(piece.also_in.iter().filter(|other| is_absolute(&other.link)).map(|other| Link {
        href: other.link.clone(),
        rel: "related".to_owned(),
        title: Some(other.name.clone()).filter(|name| !name.is_empty()),
        ..Link::default()
    }));
    (!links.is_empty()).then_some(AtomExtension { links })
}

/// `atom:updated`, which RSS has no word for, and what one `enclosure` cannot say: further files, play times, titles,
/// the picture of the entry.
fn extensions(piece: &Piece<'_>) -> ExtensionMap {
    let mut map = ExtensionMap::new();
    let updated = Extension {
        name: "atom:updated".to_owned(),
        value: Some(text::rfc3339(piece.updated)),
        ..Extension::default()
    };
    map.entry("atom".to_owned()).or_default().insert("updated".to_owned(), vec![updated]);
    let files: Vec<Extension> = piece
        .enclosures()
        .enumerate()
        .filter(|(at, (_, file))| *at > 0 || file.duration_secs.is_some() || file.title.is_some())
        .map(|(_, (url, file))| media_content(&url, file))
        .collect();
    let thumbnail = piece.image().map(|url| Extension {
        name: "media:thumbnail".to_owned(),
        attrs: BTreeMap::from([("url".to_owned(), url.into_owned())]),
        ..Extension::default()
    });
    for (name, elements) in [("content", files), ("thumbnail", thumbnail.into_iter().collect())] {
        if !elements.is_empty() {
            map.entry("media".to_owned()).or_default().insert(name.to_owned(), elements);
        }
    }
    map
}

fn media_content(url: &str, file: &model::Enclosure) -> Extension {
    let kind = media_type(file);
    let medium = kind.split('/').next().filter(|kind| ["image", "audio", "video"].contains(kind)).map(str::to_owned);
    let attrs = [
        ("url", Some(url.to_owned())),
        ("type", Some(kind)),
        ("medium", medium),
        ("fileSize", file.length.filter(|bytes| *bytes > 0).map(|bytes| bytes.to_string())),
        ("duration", file.duration_secs.map(|secs| secs.to_string())),
    ];
    let title = file.title.as_deref().map(text::line).filter(|title| !title.is_empty()).map(|title| Extension {
        name: "media:title".to_owned(),
        value: Some(title),
        attrs: BTreeMap::from([("type".to_owned(), "plain".to_owned())]),
        ..Extension::default()
    });
    Extension {
        name: "media:content".to_owned(),
        value: None,
        attrs: attrs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
        children: title.map(|title| ("title".to_owned(), vec![title])).into_iter().collect(),
    }
}

/// RSS demands one. A file that states none gets it from its ending, else that of bytes.
fn media_type(file: &model::Enclosure) -> String {
    let stated = file.media_type.as_deref().filter(|kind| is_media_type(kind));
    stated.unwrap_or_else(|| text::media_type_by_ending(&file.url)).to_owned()
}

fn category(category: &model::Category) -> Category {
    Category { name: category.label.clone().unwrap_or_else(|| category.term.clone()), domain: category.scheme.clone() }
}

fn channel(feed: &Feed) -> Channel {
    let page = text::url(&feed.page).into_owned();
    let title = super::title(feed);
    let description = feed.description.as_deref().map(text::line).filter(|words| !words.is_empty());
    let paged = [
        ("self", Some(super::address(feed, super::RSS))),
        ("current", super::current(feed, super::RSS)),
        ("prev-archive", super::previous(feed, super::RSS)),
    ];
    let mut links: Vec<Link> = paged
        .into_iter()
        .filter_map(|(rel, href)| {
            let mime_type = Some("application/rss+xml".to_owned());
            Some(Link { href: href?, rel: rel.to_owned(), mime_type, ..Link::default() })
        })
        .collect();
    let is_archived = matches!(feed.paging, Paging::Archived { .. });
    let mut history = ExtensionMap::new();
    if is_archived {
        let archive = Extension { name: "fh:archive".to_owned(), ..Extension::default() };
        history.insert("fh".to_owned(), BTreeMap::from([("archive".to_owned(), vec![archive])]));
    }
    let namespaces = NAMESPACES.iter().copied().chain(is_archived.then_some(("fh", super::HISTORY)));
    links.extend(feed.hubs.iter().map(|hub| Link {
        href: text::url(hub).into_owned(),
        rel: "hub".to_owned(),
        ..Link::default()
    }));
    Channel {
        title: title.clone(),
        link: page.clone(),
        description: description.unwrap_or_else(|| title.clone()),
        language: feed.language.as_deref().and_then(text::language),
        copyright: feed.rights.as_deref().map(text::line).filter(|words| !words.is_empty()),
        last_build_date: Some(text::rfc822(feed.updated)),
        generator: Some(super::GENERATOR.to_owned()),
        docs: Some("https://www.rssboard.org/rss-specification".to_owned()),
        ttl: Some(feed.ttl_minutes.to_string()),
        image: feed.icon.as_deref().map(|icon| Image {
            url: text::url(icon).into_owned(),
            title,
            link: page,
            ..Image::default()
        }),
        atom_ext: Some(AtomExtension { links }),
        namespaces: namespaces.map(|(prefix, uri)| (prefix.to_owned(), uri.to_owned())).collect(),
        extensions: history,
        ..Channel::default()
    }
}

/// The crate's XML with `&` and `<` as hexadecimal references, wherever they stand outside of CDATA.
fn push_numeric(to: &mut Vec<u8>, xml: &[u8]) {
    let mut rest = xml;
    while let Some(at) = memchr::memchr2(b'&', b'<', rest) {
        let (before, found) = rest.split_at(at);
        to.extend_from_slice(before);
        let (written, taken): (&[u8], usize) = if found.starts_with(b"&amp;") {
            (b"&#x26;", 5)
        } else if found.starts_with(b"&lt;") {
            (b"&#x3C;", 4)
        } else {
            let cdata = found.starts_with(b"<![CDATA[");
            let whole = if cdata { find(found, b"]]>").map_or(found.len(), |end| end + 3) } else { 1 };
            (found.get(..whole).unwrap_or(found), whole)
        };
        to.extend_from_slice(written);
        rest = found.get(taken..).unwrap_or_default();
    }
    to.extend_from_slice(rest);
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_numeric_outside_of_cdata() {
        for (xml, numeric) in [
            ("<t>a &amp; &lt;b&gt;</t>", "<t>a &#x26; &#x3C;b&gt;</t>"),
            ("<t a=\"?a=1&amp;b\"/>", "<t a=\"?a=1&#x26;b\"/>"),
            ("<d><![CDATA[&amp;]]]]><![CDATA[>&lt;]]></d>&amp;", "<d><![CDATA[&amp;]]]]><![CDATA[>&lt;]]></d>&#x26;"),
            ("<![CDATA[&amp;", "<![CDATA[&amp;"),
            ("&", "&"),
            ("", ""),
        ] {
            let mut bytes = Vec::new();
            push_numeric(&mut bytes, xml.as_bytes());
            assert_eq!(String::from_utf8_lossy(&bytes), numeric);
        }
    }
}
