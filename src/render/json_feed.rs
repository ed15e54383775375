//! JSON Feed 1.1, written with `serde_json`.

use std::borrow::Cow;

use serde::Serialize;

use crate::model::{self, Feed};

use super::fragment::{Piece, is_media_type};
use super::text;

pub(super) fn document<'a>(feed: &Feed, fragments: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<u8> {
    let head = serde_json::to_vec(&head(feed)).unwrap_or_default(); // plain data always serializes
    let head = head.strip_suffix(b"}").unwrap_or(&head);
    let body: usize = fragments.clone().map(|fragment| fragment.len() + 2).sum();
    let mut bytes = Vec::with_capacity(head.len() + body + 32);
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(b",\"items\":[");
    for (at, fragment) in fragments.enumerate() {
        bytes.extend_from_slice(if at == 0 { b"\n" } else { b",\n" });
        bytes.extend_from_slice(fragment);
    }
    bytes.extend_from_slice(b"\n]}\n");
    bytes
}

/// Bytes after the last fragment, and between two of them.
pub(super) const TAIL: usize = 4;
pub(super) const BETWEEN: usize = 2;

/// `{...}`
pub(super) fn item(piece: &Piece<'_>) -> Vec<u8> {
    serde_json::to_vec(&item_of(piece)).unwrap_or_default()
}

#[derive(Serialize)]
struct Head {
    version: &'static str,
    title: String,
    home_page_url: String,
    /// Of a document of an archive too, the one that new entries come in: it identifies the feed.
    feed_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icon: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hubs: Vec<Hub>,
    _newsdesk: HeadExtension,
}

#[derive(Serialize)]
struct Hub {
    #[serde(rename = "type")]
    kind: &'static str,
    url: String,
}

/// What JSON Feed has no word for: the feed's permanent id, its last change and the terms it is published under.
#[derive(Serialize)]
struct HeadExtension {
    id: String,
    updated: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rights: Option<String>,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_html: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Cow<'a, str>>,
    date_published: String,
    date_modified: String,
    authors: Vec<Author<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment<'a>>,
    _newsdesk: Extension<'a>,
}

#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Attachment<'a> {
    url: Cow<'a, str>,
    mime_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_in_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_in_seconds: Option<u64>,
}

#[derive(Serialize)]
struct Extension<'a> {
    origin: Origin<'a>,
    /// The date as the source states it, which is not always the one that orders feeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    stated: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also_in: Vec<AlsoIn<'a>>,
}

#[derive(Serialize)]
struct Origin<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    feed: Option<&'a str>,
}

#[derive(Serialize)]
struct AlsoIn<'a> {
    name: &'a str,
    url: &'a str,
}

fn item_of<'a>(piece: &'a Piece<'_>) -> Item<'a> {
    let content_html = piece.content.as_deref().or(piece.summary.as_deref());
    let summary = piece.summary.as_deref().filter(|_| piece.content.is_some());
    Item {
        id: &piece.id,
        url: &piece.link,
        title: piece.titled.then_some(&*piece.title),
        content_html,
        content_text: content_html.is_none().then_some(&*piece.title),
        summary: summary.map(|html| text::visible(html, html.len())).filter(|seen| !seen.is_empty()),
        image: piece.image(),
        date_published: text::rfc3339(piece.published),
        date_modified: text::rfc3339(piece.updated),
        authors: piece.authors.iter().map(author).collect(),
        tags: piece.categories.iter().map(|category| category.label.as_deref().unwrap_or(&category.term)).collect(),
        language: piece.language.as_deref(),
        attachments: piece.enclosures().map(|(url, file)| attachment(url, file)).collect(),
        _newsdesk: Extension {
            origin: Origin {
                name: &piece.origin.title,
                url: piece.origin.link.as_deref(),
                feed: piece.origin.feed.as_deref(),
            },
            stated: piece.stated.published.map(text::rfc3339),
            also_in: piece.also_in.iter().map(|other| AlsoIn { name: &other.name, url: &other.link }).collect(),
        },
    }
}

fn author(person: &model::Person) -> Author<'_> {
    let mail = || person.email.as_ref().map(|email| Cow::Owned(format!("mailto:{email}")));
    Author {
        name: person.name.as_deref().unwrap_or_default(),
        url: person.uri.as_deref().map(Cow::Borrowed).or_else(mail),
    }
}

fn attachment<'a>(url: Cow<'a, str>, file: &'a model::Enclosure) -> Attachment<'a> {
    let stated = file.media_type.as_deref().filter(|kind| is_media_type(kind));
    Attachment {
        url,
        mime_type: stated.unwrap_or_else(|| text::media_type_by_ending(&file.url)),
        title: file.title.as_deref().map(text::line).filter(|title| !title.is_empty()),
        size_in_bytes: file.length,
        duration_in_seconds: file.duration_secs,
    }
}

fn head(feed: &Feed) -> Head {
    let page = text::url(&feed.page).into_owned();
    Head {
        version: "https://jsonfeed.org/version/1.1",
        title: super::title(feed),
        feed_url: format!("{page}{}", super::JSON),
        home_page_url: page,
        next_url: super::previous(feed, super::JSON),
        description: feed.description.as_deref().map(text::line).filter(|words| !words.is_empty()),
        icon: feed.icon.as_deref().map(|icon| text::url(icon).into_owned()),
        language: feed.language.as_deref().and_then(text::language),
        hubs: feed.hubs.iter().map(|hub| Hub { kind: "WebSub", url: text::url(hub).into_owned() }).collect(),
        _newsdesk: HeadExtension {
            id: text::xml(&feed.id).into_owned(),
            updated: text::rfc3339(feed.updated),
            rights: feed.rights.as_deref().map(text::line).filter(|words| !words.is_empty()),
        },
    }
}
