//! Normalize: one [`ParsedFeed`] in, cleaned entries with their keys out. Every format obeys the same rules here.
//!
//! May use: `model`, the types of `parse`, the HTML cleaner. Never: a clock (`now` is a value), the disk, the network.

pub mod clean;
mod embed;
pub mod full_text;
mod html_tree;
pub mod identity;
pub mod links;
pub mod neutral;
mod sanitize;

use url::Url;

use crate::model::{Category, Enclosure, Html, Link, Origin, OriginNames, Person, Stated, Time};
use crate::parse::feed::{Attribution, ParsedSource, Text};
use crate::parse::{Format, ParsedEntry, ParsedFeed};
use identity::{Gist, Key, Keys, Offer, Print};

/// What is known beside the document itself.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Name of the source; the title of a feed that has none.
    pub source: &'a str,
    /// Where the document came from; `None`: a folder, or a private source, whose address appears nowhere.
    pub feed_url: Option<&'a str>,
    pub origins: &'a OriginNames,
    /// Query parameters that leave links besides the built-in ones.
    pub tracking: &'a [String],
    /// Set for a file of a folder.
    pub file: Option<&'a File<'a>>,
}

/// What a file's place says about the article in it.
#[derive(Debug)]
pub struct File<'a> {
    /// Relative to the folder, with `/`.
    pub path: &'a str,
    /// From its name, else its modification time when first seen: only for an article that states none.
    pub date: Time,
    /// The section that its sub-folder names.
    pub section: Option<&'a str>,
    /// When it is read: what is dated later is held back.
    pub now: Time,
}

/// Base of relative references in local articles; `merge` puts the article's own page in its place.
pub const ARTICLE_BASE: &str = "https://article.invalid/";

/// One document, normalized.
#[derive(Debug, Clone, Default)]
pub struct Refreshed {
    /// The feed's own metadata, without its id: that is chosen and kept by the store.
    pub origin: Origin,
    /// The feed's stated id, if it is an IRI that may be published.
    pub feed_id: Option<String>,
    pub hubs: Vec<String>,
    /// The feed's own address, as it states it (rel="self").
    pub own: Option<String>,
    pub entries: Vec<Incoming>,
    /// Native ids that the source withdraws itself, and when it did (RFC 6721).
    pub deleted: Vec<(Key, Option<Time>)>,
    /// Links that stand for two entries of the document.
    pub shared: Vec<Key>,
    /// Drafts and articles of the future, by the moment at which they come out; `None`: a draft.
    pub held: Vec<(Key, Option<Time>)>,
}

/// One entry, ready to be compared with what is known.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub key: Key,
    pub aliases: Vec<Key>,
    /// The native id, where it may be published as it is.
    pub publishable: Option<String>,
    pub stated: Stated,
    /// Of `stated`.
    pub gist: Gist,
    /// `stated` as it is stored.
    pub json: Vec<u8>,
    /// Of `stated`.
    pub print: Print,
    /// Wished last segment of a local article's page.
    pub slug: Option<String>,
    /// Date to use when none is stated (local articles: name or modification time).
    pub fallback_date: Option<Time>,
}

/// Clean and key every entry of a document.
pub fn document(parsed: ParsedFeed, context: &Context<'_>) -> Refreshed {
    let origin = feed_origin(&parsed, context);
    let home = parsed.link.as_deref();
    let texts: Vec<Stated> = parsed.entries.iter().map(|entry| stated(entry, &parsed, context)).collect();
    let gists: Vec<Gist> = texts.iter().map(Gist::of).collect();
    let offers: Vec<Offer<'_>> = parsed
        .entries
        .iter()
        .zip(texts.iter().zip(&gists))
        .map(|(entry, (stated, gist))| Offer { id: entry.id.as_deref(), stated, gist })
        .collect();
    let repeats = identity::repeats(&offers);
    let once = offers.into_iter().zip(&repeats).filter(|(_, repeats)| !**repeats);
    let offers: Vec<Offer<'_>> = once.map(|(offer, _)| offer).collect();
    let Keys { of: keys, shared } = match context.file {
        Some(file) => Keys { of: file_keys(file, &offers, parsed.format), shared: Vec::new() },
        None => identity::of_document(&offers, home),
    };
    let mut refreshed = Refreshed {
        feed_id: parsed.id.clone().filter(|id| identity::is_publishable(id)),
        hubs: parsed.links.iter().filter(|link| link.rel == "hub").map(|link| link.href.clone()).collect(),
        own: parsed.links.iter().find(|link| link.rel == "self").map(|link| link.href.clone()),
        deleted: parsed.deleted.iter().map(|gone| (native(gone.id.trim(), context.file), gone.when)).collect(),
        shared,
        origin,
        ..Refreshed::default()
    };
    let texts = texts.into_iter().zip(gists);
    let entries = parsed.entries.iter().zip(texts).zip(repeats).filter(|(_, repeats)| !repeats);
    for (((entry, (stated, gist)), _), (key, aliases)) in entries.zip(keys) {
        if let Some(moment) = held_back(entry, &stated, context.file) {
            refreshed.held.push((key, moment));
            continue;
        }
        let (json, print) = identity::printed(&stated);
        refreshed.entries.push(Incoming {
            key,
            aliases,
            publishable: entry
                .id
                .as_deref()
                .map(str::trim)
                .filter(|id| identity::is_publishable(id))
                .map(str::to_owned),
            print,
            json,
            stated,
            gist,
            slug: context.file.map(|file| wished_slug(entry, file, parsed.format)),
            fallback_date: context.file.map(|file| file.date),
        });
    }
    refreshed
}

/// A file is its path. Entries of a feed document in a folder are told apart by their own keys below it.
fn file_keys(file: &File<'_>, offers: &[Offer<'_>], format: Format) -> Vec<(Key, Vec<Key>)> {
    if format == Format::Article && offers.len() == 1 {
        let text = identity::text_hash(offers[0].stated, offers[0].gist);
        return vec![(Key::File(file.path.to_owned()), vec![Key::Text(text)])];
    }
    identity::of_document(offers, None)
        .of
        .into_iter()
        .map(|(key, aliases)| {
            let inner = match key {
                Key::Text(hash) | Key::Print(hash) => format!("print:{:032x}", u128::from_be_bytes(hash.0)),
                Key::Link(text) | Key::Path(text) => format!("link:{text}"),
                Key::Id(text) | Key::File(text) => text,
            };
            (Key::File(format!("{}{WITHIN}{inner}", file.path)), aliases)
        })
        .collect()
}

/// The key of an entry that its document names by id.
fn native(id: &str, file: Option<&File<'_>>) -> Key {
    match file {
        Some(file) => Key::File(format!("{}{WITHIN}{id}", file.path)),
        None => Key::Id(id.to_owned()),
    }
}

/// Parts the path of a feed document from the entry in it: no path has this in it.
pub const WITHIN: &str = "//";

/// `Some(None)`: a draft. `Some(Some(moment))`: dated in the future.
fn held_back(entry: &ParsedEntry, stated: &Stated, file: Option<&File<'_>>) -> Option<Option<Time>> {
    let file = file?;
    if entry.draft {
        return Some(None);
    }
    let date = stated.published.unwrap_or(file.date);
    (date > file.now).then_some(Some(date))
}

fn stated(entry: &ParsedEntry, feed: &ParsedFeed, context: &Context<'_>) -> Stated {
    let link = |href: &str| links::web(href, context.tracking);
    let content = body(entry.content.as_ref(), context);
    // A feed that gives one text in both places says it once; an article's single paragraph is its summary too.
    let summary = body(entry.summary.as_ref(), context)
        .filter(|text| feed.format == Format::Article || Some(text) != content.as_ref());
    let mut sections: Vec<String> = entry.sections.clone();
    sections.extend(context.file.and_then(|file| file.section).map(str::to_owned));
    sections.sort();
    sections.dedup();
    Stated {
        title: entry.title.as_ref().map(clean::title).unwrap_or_default(),
        link: entry.link.as_deref().and_then(link),
        links: entry
            .links
            .iter()
            .filter(|l| matches!(l.rel.as_str(), "related" | "via" | "replies" | "author" | "license"))
            .filter_map(|l| Some(Link { href: link(&l.href)?, ..l.clone() }))
            .collect(),
        summary,
        content,
        authors: people(&entry.authors),
        contributors: people(&entry.contributors),
        categories: categories(&entry.categories),
        published: entry.published,
        updated: entry.updated,
        language: entry.language.clone().or_else(|| feed.language.clone()),
        rights: entry.rights.as_deref().map(plain).filter(|text| !text.is_empty()),
        comments: entry.comments.as_deref().and_then(link),
        enclosures: entry.enclosures.iter().filter_map(|enclosure| file_link(enclosure, context)).collect(),
        image: entry.image.as_deref().and_then(|url| links::absolute(url, article_base(context).as_ref())),
        origin: entry_origin(entry, context),
        sections,
    }
}

/// Sanitized; what an article refers to by a relative address stands beside its file.
fn body(text: Option<&Text>, context: &Context<'_>) -> Option<Html> {
    match (text?, article_base(context)) {
        (text, Some(base)) if text.base.is_none() => clean::text(&Text { base: Some(base), ..text.clone() }),
        (text, _) => clean::text(text),
    }
}

fn people(people: &[Person]) -> Vec<Person> {
    let mut out: Vec<Person> = Vec::with_capacity(people.len());
    for person in people {
        let tidy = |text: &Option<String>| text.as_deref().map(plain).filter(|text| !text.is_empty());
        let person = Person { name: tidy(&person.name), email: tidy(&person.email), uri: tidy(&person.uri) };
        if person != Person::default() && !out.contains(&person) {
            out.push(person);
        }
    }
    out
}

fn categories(categories: &[Category]) -> Vec<Category> {
    let mut out: Vec<Category> = Vec::with_capacity(categories.len());
    for category in categories {
        let term = plain(&category.term);
        if !term.is_empty() && !out.iter().any(|known| known.term == term) {
            out.push(Category { term, ..category.clone() });
        }
    }
    out
}

fn file_link(enclosure: &Enclosure, context: &Context<'_>) -> Option<Enclosure> {
    Some(Enclosure { url: links::absolute(&enclosure.url, article_base(context).as_ref())?, ..enclosure.clone() })
}

/// Relative references of an article stand below its own folder.
fn article_base(context: &Context<'_>) -> Option<Url> {
    let file = context.file?;
    Url::parse(ARTICLE_BASE)
        .ok()?
        .join(&file.path.split('/').map(links::encode_segment).collect::<Vec<_>>().join("/"))
        .ok()
}

/// The origin that the entry carries itself: an Atom `source`, an RSS `source`, an article's attribution.
fn entry_origin(entry: &ParsedEntry, context: &Context<'_>) -> Option<Origin> {
    if let Some(source) = &entry.source {
        return parsed_source(source, context);
    }
    let names: Vec<(String, Option<String>, Option<String>)> =
        entry.attributions.iter().map(|attribution| credited(attribution, context.origins)).collect();
    let (_, url, feed) = names.first()?.clone();
    let title = names.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>().join(", ");
    Some(Origin { id: String::new(), title, link: url, feed, ..Origin::default() })
}

fn parsed_source(source: &ParsedSource, context: &Context<'_>) -> Option<Origin> {
    let url = |text: &Option<String>| text.as_deref().and_then(|text| links::web(text, context.tracking));
    let (link, feed) = (url(&source.link), url(&source.feed));
    let id = source.id.as_deref().map(str::trim).filter(|id| identity::is_publishable(id)).unwrap_or_default();
    let title = source.title.as_ref().map(clean::title).filter(|title| !title.is_empty());
    let title = title.or_else(|| link.as_deref().or(feed.as_deref()).and_then(links::host))?;
    Some(Origin {
        id: id.to_owned(),
        title,
        link,
        feed,
        updated: source.updated,
        icon: url(&source.icon),
        rights: source.rights.as_deref().map(plain),
        authors: people(&source.authors),
        ..Origin::default()
    })
}

/// Name, home page and feed of a credited publisher; an unknown one stands as it is.
fn credited(attribution: &Attribution, names: &OriginNames) -> (String, Option<String>, Option<String>) {
    match names.get(&attribution.name.to_lowercase()) {
        Some(known) => (known.name.clone(), attribution.url.clone().or_else(|| known.url.clone()), known.feed.clone()),
        None => (attribution.name.clone(), attribution.url.clone(), None),
    }
}

fn feed_origin(parsed: &ParsedFeed, context: &Context<'_>) -> Origin {
    let tidy = |text: Option<&str>| text.map(plain).filter(|text| !text.is_empty());
    let title = parsed.title.as_ref().map(clean::title).filter(|title| !title.is_empty());
    let private = context.file.is_none() && context.feed_url.is_none();
    Origin {
        id: String::new(),
        title: title.unwrap_or_else(|| context.source.to_owned()),
        link: if private { None } else { parsed.link.as_deref().and_then(|link| links::web(link, context.tracking)) },
        feed: context.feed_url.map(str::to_owned),
        updated: parsed.updated,
        subtitle: parsed.subtitle.as_ref().map(clean::title).filter(|text| !text.is_empty()),
        icon: parsed.icon.as_deref().or(parsed.image.as_deref()).and_then(|url| links::absolute(url, None)),
        rights: tidy(parsed.rights.as_deref()),
        language: tidy(parsed.language.as_deref()),
        authors: people(&parsed.authors),
    }
}

/// White space collapsed, characters that XML forbids removed.
fn plain(text: &str) -> String {
    clean::xml_safe(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The file's own slug, else its name without date and ending, else its title.
fn wished_slug(entry: &ParsedEntry, file: &File<'_>, format: Format) -> String {
    let name = file.path.rsplit('/').next().unwrap_or(file.path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let undated = links::without_date(stem);
    let title = entry.title.as_ref().map(clean::title).unwrap_or_default();
    // The name of a feed document is that of no entry in it.
    let undated = if format == Format::Article { undated } else { "" };
    [entry.slug.as_deref().unwrap_or_default(), undated, &title]
        .into_iter()
        .map(links::slug)
        .find(|slug| !slug.is_empty())
        .unwrap_or_else(|| "article".to_owned())
}
