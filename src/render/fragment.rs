//! Fragment: one entry as it stands in the three documents.
//!
//! First a `Piece`: everything that a format may need, cleaned and decided once, so that the formats cannot disagree.
//! Then the three renderings of it. A fragment depends on the entry and on the [`Manner`] of its feed, on nothing else,
//! and may be kept as long as both are the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::model::{
    AlsoIn, Category, Enclosure, Entry, EntryId, Feed, FeedEntry, Html, Link, Origin, Person, Stated, Time, YEAR_1990,
};

use super::text;

/// How a feed wants its entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manner {
    /// Whole text or summary only.
    pub full_text: bool,
    /// Begin each text with "From NAME".
    pub attribution: bool,
    /// The feed's language; entries in another one say so.
    pub language: Option<String>,
}

impl Manner {
    pub fn of(feed: &Feed) -> Self {
        Self {
            full_text: feed.full_text,
            attribution: feed.attribution,
            language: feed.language.as_deref().and_then(text::language),
        }
    }
}

/// One entry, rendered. A clone shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    pub id: EntryId,
    pub published: Time,
    pub updated: Time,
    /// `<entry>...</entry>`
    pub atom: Bytes,
    /// `<item>...</item>`
    pub rss: Bytes,
    /// `{...}`
    pub json: Bytes,
}

impl Fragment {
    /// Its bytes in each format: Atom, RSS, JSON Feed.
    pub fn parts(&mut self) -> [&mut Bytes; 3] {
        [&mut self.atom, &mut self.rss, &mut self.json]
    }
}

/// The fragments of one feed, kept from one revision to the next.
#[derive(Debug, Clone, Default)]
pub struct Fragments {
    manner: Option<Manner>,
    kept: BTreeMap<EntryId, (Print, Fragment)>,
}

/// Hash of all that a fragment depends on, besides the manner.
pub(super) type Print = blake3::Hash;

impl Fragments {
    /// What is kept, unless it was made for another manner of feed.
    pub(super) fn of_manner(self, manner: &Manner) -> Self {
        if self.manner.as_ref() == Some(manner) { self } else { Self::default() }
    }

    /// The fragment of this very entry, if it is kept.
    pub(super) fn take(&mut self, id: &EntryId, print: &Print) -> Option<Fragment> {
        let (kept, fragment) = self.kept.remove(id)?;
        (kept == *print).then_some(fragment)
    }

    pub(super) fn keep(manner: Manner, prints: Vec<Print>, fragments: Vec<Fragment>) -> Self {
        let kept = prints.into_iter().zip(fragments).map(|(print, fragment)| (fragment.id.clone(), (print, fragment)));
        Self { manner: Some(manner), kept: kept.collect() }
    }
}

pub(super) fn print(entry: &FeedEntry) -> Print {
    let FeedEntry { entry: Entry { id, stated, effective, updated, .. }, origin, link, also_in } = entry;
    let also_in: Vec<(&str, &str)> = also_in.iter().map(|other| (&*other.name, &*other.link)).collect();
    let all = (id, stated, effective, updated, origin, link, also_in);
    blake3::hash(&serde_json::to_vec(&all).unwrap_or_default()) // plain data always serializes
}

/// Renders one entry in the three formats.
pub fn make(entry: &FeedEntry, manner: &Manner) -> Fragment {
    let piece = Piece::of(entry, manner);
    Fragment {
        id: entry.entry.id.clone(),
        published: entry.entry.effective,
        updated: entry.entry.updated,
        atom: super::atom::entry(&piece).into(),
        rss: super::rss::item(&piece).into(),
        json: super::json_feed::item(&piece).into(),
    }
}

/// What the formats say of an entry. Texts hold only characters that XML may carry; URLs are those of RFC 3986.
pub(super) struct Piece<'a> {
    pub stated: &'a Stated,
    pub id: Cow<'a, str>,
    /// Never empty: the entry's, else its first words, else the name of where it comes from.
    pub title: String,
    /// The title is the entry's own.
    pub titled: bool,
    pub link: Cow<'a, str>,
    /// Its own, else its origin's; only where it is not what the feed says.
    pub language: Option<String>,
    /// HTML. Absent where the source gives none, and in a feed of summaries where there is no text at all.
    pub summary: Option<Cow<'a, str>>,
    /// HTML, in feeds of whole texts.
    pub content: Option<Cow<'a, str>>,
    pub published: Time,
    pub updated: Time,
    /// At least one: the entry's, else its origin's, else the origin's name.
    pub authors: Vec<Person>,
    pub contributors: Vec<Person>,
    pub categories: Vec<Category>,
    pub links: Vec<Link>,
    pub origin: Origin,
    pub also_in: Vec<AlsoIn>,
}

impl<'a> Piece<'a> {
    pub fn of(entry: &'a FeedEntry, manner: &Manner) -> Self {
        let stated = &entry.entry.stated;
        let origin = origin(&entry.origin);
        let own_title = text::line(&stated.title);
        let from = manner.attribution.then(|| attribution(&origin));
        let (summary, content) = texts(stated, manner.full_text);
        Self {
            stated,
            id: text::xml(&entry.entry.id.0),
            titled: !own_title.is_empty(),
            title: if own_title.is_empty() { derived_title(stated, &origin) } else { own_title },
            link: text::url(&entry.link),
            language: [&stated.language, &entry.origin.language]
                .into_iter()
                .find_map(|tag| text::language(tag.as_deref()?))
                .filter(|language| manner.language.as_ref() != Some(language)),
            summary: summary.map(|html| attributed(html, from.as_deref())),
            content: content.map(|html| attributed(html, from.as_deref())),
            published: text::instant(entry.entry.effective),
            updated: text::instant(entry.entry.updated),
            authors: authors(stated, &origin),
            contributors: stated.contributors.iter().filter_map(person).collect(),
            categories: stated.categories.iter().filter_map(category).collect(),
            links: stated.links.iter().filter_map(|link| self::link(link, &entry.link)).collect(),
            origin,
            also_in: entry.also_in.iter().map(also_in).collect(),
        }
    }

    /// Files with an address that a document may carry.
    pub fn enclosures(&self) -> impl Iterator<Item = (Cow<'_, str>, &Enclosure)> {
        let files = self.stated.enclosures.iter().map(|file| (text::url(&file.url), file));
        files.filter(|(url, _)| is_absolute(url))
    }

    /// The picture of the entry.
    pub fn image(&self) -> Option<Cow<'_, str>> {
        self.stated.image.as_deref().map(text::url).filter(|url| is_absolute(url))
    }

    /// What a list shows below the title, as HTML: the summary, else the beginning of the content.
    pub fn teaser(&self) -> Option<Cow<'_, str>> {
        match (&self.summary, &self.content) {
            (Some(summary), _) => Some(Cow::Borrowed(summary)),
            (None, Some(content)) => excerpt_html(content).map(Cow::Owned),
            (None, None) => None,
        }
    }
}

/// Summary and content as a feed of this kind carries them.
fn texts(stated: &Stated, full_text: bool) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    let summary = given(stated.summary.as_ref());
    let content = given(stated.content.as_ref());
    match full_text {
        true => (summary, content),
        false => (summary.map(short).or_else(|| excerpt_html(&content?).map(Cow::Owned)), None),
    }
}

fn given(html: Option<&Html>) -> Option<Cow<'_, str>> {
    html.filter(|html| !html.0.trim().is_empty()).map(|html| text::xml(&html.0))
}

/// A summary as it is while it is short, else its beginning: what a source calls its summary is often the whole text.
fn short(summary: Cow<'_, str>) -> Cow<'_, str> {
    const SHORT: usize = 2 * text::EXCERPT_CHARS;
    match summary.len() > SHORT && text::visible(&summary, SHORT).chars().count() > SHORT {
        true => excerpt_html(&summary).map_or(summary, Cow::Owned),
        false => summary,
    }
}

/// The beginning of a text, as HTML. `None`: there is nothing to see in it (a lone image).
fn excerpt_html(html: &str) -> Option<String> {
    let seen = text::visible(html, text::EXCERPT_CHARS);
    (!seen.is_empty()).then(|| text::escape_html(&text::excerpt(&seen, text::EXCERPT_CHARS)))
}

/// `<p>From <a href="...">NAME</a></p>`: many readers hide where an entry comes from.
fn attribution(origin: &Origin) -> String {
    let name = text::escape_html(&origin.title);
    match &origin.link {
        Some(link) => format!("<p>From <a href=\"{}\">{name}</a></p>", text::escape_html(link)),
        None => format!("<p>From {name}</p>"),
    }
}

fn attributed<'a>(html: Cow<'a, str>, from: Option<&str>) -> Cow<'a, str> {
    match from {
        Some(from) => Cow::Owned([from, &html].concat()),
        None => html,
    }
}

/// Atom and RSS need a title: the first words of the text, else the name of where the entry comes from.
fn derived_title(stated: &Stated, origin: &Origin) -> String {
    [&stated.summary, &stated.content]
        .into_iter()
        .flatten()
        .map(|html| text::visible(&html.0, text::DERIVED_TITLE_CHARS))
        .find(|seen| !seen.is_empty())
        .map_or_else(|| origin.title.clone(), |seen| text::excerpt(&seen, text::DERIVED_TITLE_CHARS))
}

fn authors(stated: &Stated, origin: &Origin) -> Vec<Person> {
    let own: Vec<Person> = stated.authors.iter().filter_map(person).collect();
    match (own.is_empty(), origin.authors.is_empty()) {
        (false, _) => own,
        (true, false) => origin.authors.clone(),
        (true, true) => vec![Person { name: Some(origin.title.clone()), ..Person::default() }],
    }
}

/// With a name in any case: Atom demands one. An address that is none is left out.
fn person(person: &Person) -> Option<Person> {
    let filled = |field: &Option<String>| field.as_deref().map(text::line).filter(|text| !text.is_empty());
    let email = filled(&person.email).filter(|email| is_email(email));
    let uri = filled(&person.uri).map(|uri| text::url(&uri).into_owned()).filter(|uri| is_absolute(uri));
    let name = filled(&person.name).or_else(|| filled(&person.email)).or_else(|| uri.clone())?;
    Some(Person { name: Some(name), email, uri })
}

fn is_email(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b))
    };
    text.split_once('@').is_some_and(|(local, domain)| plain(local) && plain(domain) && domain.contains('.'))
}

fn category(category: &Category) -> Option<Category> {
    let term = text::line(&category.term);
    (!term.is_empty()).then(|| Category {
        term,
        scheme: category.scheme.as_deref().map(|s| text::url(s).into_owned()).filter(|s| is_absolute(s)),
        label: category.label.as_deref().map(text::line).filter(|label| !label.is_empty()),
    })
}

/// Links that lead a reader on. `self` and `hub` are the feed's own business, and another `alternate` of the same type
/// is forbidden (RFC 4287 §4.1.2).
fn link(link: &Link, alternate: &str) -> Option<Link> {
    let carried = ["related", "via", "replies", "license", "author", "payment"].contains(&link.rel.as_str());
    let href = text::url(&link.href);
    (carried && is_absolute(&href) && link.href != alternate).then(|| Link {
        href: href.into_owned(),
        rel: link.rel.clone(),
        media_type: link.media_type.as_deref().filter(|t| is_media_type(t)).map(str::to_owned),
        title: link.title.as_deref().map(text::line).filter(|title| !title.is_empty()),
        hreflang: link.hreflang.as_deref().and_then(text::language),
    })
}

/// `type/subtype`, optionally with parameters.
pub(super) fn is_media_type(text: &str) -> bool {
    let token =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b));
    let essence = text.split(';').next().unwrap_or_default().trim();
    let parameters = text.bytes().all(|b| matches!(b, b' '..=b'~'));
    parameters && essence.split_once('/').is_some_and(|(kind, sub)| token(kind) && token(sub))
}

/// A URL that a document may carry: absolute, with something after the scheme.
pub(super) fn is_absolute(url: &str) -> bool {
    text::has_scheme(url.as_bytes()) && !url.ends_with(':')
}

fn also_in(other: &AlsoIn) -> AlsoIn {
    AlsoIn { name: text::line(&other.name), link: text::url(&other.link).into_owned() }
}

fn origin(origin: &Origin) -> Origin {
    let address = |url: &Option<String>| url.as_deref().map(|u| text::url(u).into_owned()).filter(|u| is_absolute(u));
    let words = |field: &Option<String>| field.as_deref().map(text::line).filter(|text| !text.is_empty());
    let (link, feed) = (address(&origin.link), address(&origin.feed));
    let id = Some(text::xml(&origin.id).into_owned()).filter(|id| is_absolute(id));
    let id = id.or_else(|| feed.clone()).or_else(|| link.clone());
    let title = text::line(&origin.title);
    Origin {
        // An id is needed only by atom:source; a name that has none yet gets one that every run makes the same.
        id: id.unwrap_or_else(|| uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, title.as_bytes()).urn().to_string()),
        title: if title.is_empty() {
            link.clone().or_else(|| feed.clone()).unwrap_or_else(|| "Unknown".to_owned())
        } else {
            title
        },
        link,
        feed,
        // Feeds are younger than that; such a date is a default of some program.
        updated: origin.updated.map(text::instant).filter(|updated| updated.timestamp() >= YEAR_1990),
        subtitle: words(&origin.subtitle),
        icon: address(&origin.icon),
        rights: words(&origin.rights),
        language: origin.language.as_deref().and_then(text::language),
        authors: origin.authors.iter().filter_map(person).collect(),
    }
}
