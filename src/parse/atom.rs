//! Atom 0.3 and 1.0 (RFC 4287): which element means what.

use base64::Engine;

use super::feed::{Deleted, Format, ParsedEntry, ParsedFeed, ParsedSource, Text, TextKind};
use super::reader::{Content, Element, Ns, Reader};
use super::rss::{self, Draft, date, last, set};
use super::{date, person};
use crate::model::{Category, Enclosure, Link, Person};

/// An element of the feed. `false`: none of Atom.
pub fn feed_element<'a>(
    reader: &mut Reader<'a>,
    element: &Element<'a>,
    feed: &mut ParsedFeed,
    draft: &mut Draft,
) -> bool {
    if !matches!(element.ns, Ns::Core | Ns::Atom) {
        return false;
    }
    match &*element.name {
        "id" => set(&mut feed.id, rss::link(reader, element)),
        "title" => set(&mut feed.title, construct(reader, element)),
        "subtitle" | "tagline" => set(&mut feed.subtitle, construct(reader, element)),
        "link" => link(reader, element, &mut feed.links, &mut draft.link),
        "author" => feed.authors.extend(self::person(reader, element)),
        "contributor" => feed.contributors.extend(self::person(reader, element)),
        "category" => feed.categories.extend(category(reader, element)),
        "generator" => set(&mut feed.generator, reader.value(element)),
        "icon" => set(&mut feed.icon, rss::link(reader, element)),
        "logo" => set(&mut feed.image, rss::link(reader, element)),
        "rights" | "copyright" => set(&mut feed.rights, reader.value(element)),
        "updated" | "modified" => last(&mut feed.updated, date(reader, element)),
        "published" | "issued" => last(&mut feed.published, date(reader, element)),
        _ => return false,
    }
    true
}

/// An element of an entry. `false`: none of Atom.
pub fn entry_element<'a>(
    reader: &mut Reader<'a>,
    element: &Element<'a>,
    entry: &mut ParsedEntry,
    draft: &mut Draft,
) -> bool {
    if !matches!(element.ns, Ns::Core | Ns::Atom) {
        return false;
    }
    match &*element.name {
        "id" => set(&mut entry.id, rss::link(reader, element)),
        "title" => set(&mut entry.title, construct(reader, element)),
        "summary" => rss::body(entry, construct(reader, element)),
        "content" => content(reader, element, entry),
        "link" => entry_link(reader, element, entry, draft),
        "author" => entry.authors.extend(self::person(reader, element)),
        "contributor" => entry.contributors.extend(self::person(reader, element)),
        "category" => entry.categories.extend(category(reader, element)),
        "rights" | "copyright" => set(&mut entry.rights, reader.value(element)),
        "updated" | "modified" => last(&mut entry.updated, date(reader, element)),
        "published" | "issued" => last(&mut entry.published, date(reader, element)),
        "created" => set(&mut draft.created, date(reader, element)),
        "source" => entry.source = source(reader, element),
        _ => return false,
    }
    true
}

/// A text construct (§3.1), with the types and modes of Atom 0.3.
pub fn construct<'a>(reader: &mut Reader<'a>, element: &Element<'a>) -> Option<Text> {
    let mut text = reader.construct(TextKind::Plain, String::new());
    let media_type = element.attribute("type").unwrap_or_default().to_ascii_lowercase();
    let mode = element.attribute("mode").unwrap_or_default().to_ascii_lowercase();
    match reader.content(element) {
        Content::Markup(value) => (text.kind, text.value) = (TextKind::Html, unwrap_div(value)),
        Content::Text(value) => {
            text.kind = kind(&media_type, &mode);
            text.value = match is_base64(&media_type, &mode).then(|| base64(&value)).flatten() {
                Some(decoded) => {
                    // Bytes of no declared kind of text: what has tags is HTML.
                    let is_html = decoded.contains("</") || decoded.contains("/>") || decoded.contains("<p");
                    text.kind = if is_html && media_type != "text/plain" { TextKind::Html } else { text.kind };
                    decoded
                }
                None => value.into_owned(),
            };
            if media_type.contains("xhtml") && mode != "escaped" {
                // Its text was resolved once, as XML; it is not to be resolved again.
                text.kind = TextKind::Plain;
            }
        }
    }
    (!text.value.trim().is_empty()).then_some(text)
}

fn kind(media_type: &str, mode: &str) -> TextKind {
    match media_type {
        "html" | "text/html" | "xhtml" | "application/xhtml+xml" => TextKind::Html,
        "" | "text" | "text/plain" if mode == "escaped" => TextKind::Undeclared,
        _ => TextKind::Plain,
    }
}

/// §4.1.3.3: content of any other media type is Base64, unless it is XML or text.
fn is_base64(media_type: &str, mode: &str) -> bool {
    mode == "base64"
        || (media_type.contains('/')
            && !media_type.starts_with("text/")
            && !media_type.ends_with("xml")
            && mode.is_empty())
}

fn base64(text: &str) -> Option<String> {
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=').collect();
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(packed).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Some(text.chars().filter(|&c| super::xml::is_xml_char(c)).collect())
}

/// The `div` around xhtml is not part of the content (§3.1.1.3).
fn unwrap_div(markup: String) -> String {
    let inner = markup.trim();
    let unwrapped = (|| {
        let after = inner.strip_prefix("<div")?;
        let open_end = after.find('>')?;
        let body = after[open_end + 1..].strip_suffix("</div>")?;
        (after[..open_end].trim().is_empty() && !body.contains("<div") && !body.contains("</div"))
            .then(|| body.to_owned())
    })();
    unwrapped.unwrap_or(markup)
}

/// `content`, in the document or outside of it.
fn content<'a>(reader: &mut Reader<'a>, element: &Element<'a>, entry: &mut ParsedEntry) {
    match element.attribute("src") {
        Some(src) => {
            let media_type = element.attribute("type").map(|value| value.into_owned());
            entry.links.push(Link {
                href: reader.resolve(&src),
                rel: "related".to_owned(),
                media_type,
                ..Link::default()
            });
        }
        None => set(&mut entry.content, construct(reader, element)),
    }
}

fn entry_link<'a>(reader: &mut Reader<'a>, element: &Element<'a>, entry: &mut ParsedEntry, draft: &mut Draft) {
    let rel = element.attribute("rel").unwrap_or_default().to_ascii_lowercase();
    if rel != "enclosure" {
        let before = entry.links.len();
        link(reader, element, &mut entry.links, &mut draft.link);
        if let Some(replies) = entry.links.get(before).filter(|link| link.rel == "replies") {
            let is_page = replies.media_type.as_deref().is_none_or(|media_type| media_type.contains("html"));
            if is_page && entry.comments.is_none() {
                entry.comments = Some(replies.href.clone());
            }
        }
        return;
    }
    let href = element.attribute("href").map(|href| reader.resolve(&href));
    let Some(url) = href.or_else(|| rss::link(reader, element)) else { return };
    entry.enclosures.push(Enclosure {
        url,
        media_type: element.attribute("type").map(|value| value.into_owned()),
        length: element.attribute("length").and_then(|value| value.parse().ok()),
        title: element.attribute("title").map(|value| value.into_owned()),
        ..Enclosure::default()
    });
}

/// A link (§4.2.7): the first alternate one goes to its own place, the page in HTML before any other.
pub fn link<'a>(reader: &mut Reader<'a>, element: &Element<'a>, links: &mut Vec<Link>, alternate: &mut Option<String>) {
    let Some(href) = element.attribute("href") else {
        let href = rss::link(reader, element);
        set(alternate, href);
        return;
    };
    let attribute = |name: &str| element.attribute(name).map(|value| value.into_owned());
    let rel = attribute("rel").unwrap_or_else(|| "alternate".to_owned());
    let rel = rel.strip_prefix("http://www.iana.org/assignments/relation/").unwrap_or(&rel).to_ascii_lowercase();
    let link = Link {
        href: reader.resolve(&href),
        rel,
        media_type: attribute("type"),
        title: attribute("title"),
        hreflang: attribute("hreflang"),
    };
    let is_page = link.media_type.as_deref().is_none_or(|media_type| media_type.contains("html"));
    if link.rel == "alternate" && is_page && alternate.is_none() {
        *alternate = Some(link.href);
    } else {
        links.push(link);
    }
}

/// A category (§4.2.2), or its term as text.
pub fn category<'a>(reader: &mut Reader<'a>, element: &Element<'a>) -> Option<Category> {
    let attribute = |name: &str| element.attribute(name).map(|value| value.into_owned());
    match attribute("term") {
        Some(term) => Some(Category { term, scheme: attribute("scheme"), label: attribute("label") }),
        None => match rss::category(reader, element) {
            Some(category) => Some(category),
            None => attribute("label").map(|term| Category { term, scheme: attribute("scheme"), label: None }),
        },
    }
}

/// A person construct (§3.2), or a person in one line.
pub fn person<'a>(reader: &mut Reader<'a>, element: &Element<'a>) -> Option<Person> {
    if let Some(line) = reader.text_only(element) {
        return person::from_line(&line);
    }
    let mut person = Person::default();
    while let Some(child) = reader.part(element.level) {
        match &*child.name {
            "name" => set(&mut person.name, reader.value(&child)),
            "email" => set(&mut person.email, reader.value(&child)),
            "uri" | "url" | "homepage" => set(&mut person.uri, rss::link(reader, &child)),
            _ => {}
        }
    }
    (person != Person::default()).then_some(person)
}

/// `atom:source` (§4.2.11).
fn source<'a>(reader: &mut Reader<'a>, element: &Element<'a>) -> Option<ParsedSource> {
    let mut source = ParsedSource::default();
    let mut links = Vec::new();
    while let Some(child) = reader.part(element.level) {
        match &*child.name {
            "id" => set(&mut source.id, reader.value(&child)),
            "title" => set(&mut source.title, construct(reader, &child)),
            "link" => link(reader, &child, &mut links, &mut source.link),
            "updated" | "modified" => set(&mut source.updated, date(reader, &child)),
            "icon" => set(&mut source.icon, rss::link(reader, &child)),
            "rights" => set(&mut source.rights, reader.value(&child)),
            "author" => source.authors.extend(self::person(reader, &child)),
            _ => {}
        }
    }
    source.feed = links.into_iter().find(|link| link.rel == "self").map(|link| link.href);
    (source != ParsedSource::default()).then_some(source)
}

/// `at:deleted-entry` (RFC 6721).
pub fn deleted(element: &Element<'_>) -> Option<Deleted> {
    let id = element.attribute("ref")?.into_owned();
    Some(Deleted { id, when: element.attribute("when").and_then(|when| date::parse(&when)) })
}

/// The format of a `<feed>` or `<entry>` element.
pub fn format<'a>(version: &str, mut declared: impl Iterator<Item = &'a str>) -> Format {
    match version.trim() {
        "0.1" | "0.2" | "0.3" => Format::Atom03,
        "1.0" => Format::Atom10,
        _ => {
            let known = declared.find_map(|uri| match uri.to_ascii_lowercase() {
                uri if uri.contains("www.w3.org/2005/atom") => Some(Format::Atom10),
                uri if uri.contains("purl.org/atom") => Some(Format::Atom03),
                _ => None,
            });
            known.unwrap_or(Format::Atom)
        }
    }
}
