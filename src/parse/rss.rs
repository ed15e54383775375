//! RSS 0.90 to 2.0, RSS 1.0 and 1.1: which element means what. An adapter is a table; rules are elsewhere.

use super::date;
use super::feed::{Format, ParsedEntry, ParsedFeed, ParsedSource, Text, TextKind};
use super::reader::{Content, Element, Ns, Reader};
use crate::model::{Category, Enclosure, Link, Person, Time};

/// What is only clear when the whole entry (or feed) has been read.
#[derive(Debug, Default)]
pub struct Draft {
    /// `dc:date`: published, unless that is said otherwise.
    pub date: Option<Time>,
    /// `created`, `dcterms:created`: published, unless anything else says so.
    pub created: Option<Time>,
    /// A guid that is a permalink.
    pub permalink: Option<String>,
    /// `rdf:about`: an id, if no other is given.
    pub about: Option<String>,
    /// `dc:title`, `media:title`: if there is no other.
    pub title: Option<Text>,
    /// A text under another name than the format's own, if there is no other.
    pub summary: Option<Text>,
    /// `itunes:subtitle`, `media:description`: if there is no other at all.
    pub teaser: Option<Text>,
    pub content: Option<Text>,
    /// The first link without a relation that says otherwise.
    pub link: Option<String>,
    /// feedburner:origLink: the address before it was counted.
    pub original_link: Option<String>,
    /// Seconds of play of an enclosure that does not say it itself.
    pub duration_secs: Option<u64>,
    /// `itunes:author` and the like: if nobody else is named.
    pub authors: Vec<Person>,
    pub image: Option<String>,
    /// `sy:updatePeriod` in minutes, `sy:updateFrequency`.
    pub update_period: Option<u32>,
    pub update_frequency: Option<u32>,
}

impl Draft {
    pub fn finish_entry(self, entry: &mut ParsedEntry) {
        entry.title = entry.title.take().or(self.title);
        entry.summary = entry.summary.take().or(self.summary);
        entry.content = entry.content.take().or(self.content);
        if entry.summary.is_none() && entry.content.is_none() {
            entry.summary = self.teaser;
        }
        entry.link = self.original_link.or(entry.link.take()).or(self.link);
        entry.link = entry.link.take().or_else(|| alternate(&mut entry.links)).or(self.permalink);
        entry.id = entry.id.take().or(self.about);
        entry.image = entry.image.take().or(self.image);
        if entry.authors.is_empty() {
            entry.authors = self.authors;
        }
        match (entry.published, entry.updated) {
            (None, _) => entry.published = self.date.or(self.created),
            (_, None) => entry.updated = self.date,
            _ => {}
        }
        if let (Some(duration), [first, ..]) = (self.duration_secs, &mut *entry.enclosures) {
            first.duration_secs.get_or_insert(duration);
        }
    }

    pub fn finish(self, feed: &mut ParsedFeed) {
        feed.title = feed.title.take().or(self.title);
        feed.subtitle = feed.subtitle.take().or(self.teaser).or(self.summary);
        feed.link = feed.link.take().or(self.link).or_else(|| alternate(&mut feed.links));
        feed.id = feed.id.take().or(self.about);
        feed.image = feed.image.take().or(self.image);
        if feed.authors.is_empty() {
            feed.authors = self.authors;
        }
        match (feed.published, feed.updated) {
            (_, None) => feed.updated = self.date,
            (None, _) => feed.published = self.date,
            _ => {}
        }
        feed.hints.update_minutes =
            self.update_period.map(|minutes| (minutes / self.update_frequency.unwrap_or(1).max(1)).max(1));
    }
}

/// An alternate link of another kind than a page, when there is no page.
fn alternate(links: &mut Vec<Link>) -> Option<String> {
    let at = links.iter().position(|link| link.rel == "alternate")?;
    Some(links.remove(at).href)
}

/// What the attributes of `rss`, `channel` and the like say.
pub fn wrapper(reader: &Reader<'_>, feed: &mut ParsedFeed) {
    if feed.language.is_none() {
        feed.language = reader.language().map(str::to_owned);
    }
}

/// What the attributes of an item say.
pub fn entry_attributes(element: &Element<'_>, entry: &mut ParsedEntry) {
    entry.id = element.attribute("about").map(|about| about.into_owned());
}

/// An element of the channel. `false`: none of RSS.
pub fn feed_element<'a>(
    reader: &mut Reader<'a>,
    element: &Element<'a>,
    feed: &mut ParsedFeed,
    draft: &mut Draft,
) -> bool {
    if !matches!(element.ns, Ns::Core) {
        return false;
    }
    match &*element.name {
        "title" => set(&mut feed.title, text(reader, element, TextKind::Undeclared)),
        "description" => set(&mut feed.subtitle, text(reader, element, TextKind::Html)),
        "link" if element.attribute("href").is_some() => return false,
        "link" => set(&mut feed.link, link(reader, element)),
        "language" => set(&mut feed.language, reader.value(element)),
        "copyright" => set(&mut feed.rights, reader.value(element)),
        "generator" => set(&mut feed.generator, reader.value(element)),
        "managingeditor" | "author" => feed.authors.extend(person_line(reader, element)),
        "pubdate" => last(&mut feed.published, date(reader, element)),
        "lastbuilddate" => last(&mut feed.updated, date(reader, element)),
        "category" => feed.categories.extend(category(reader, element)),
        "image" => image(reader, element, feed),
        "ttl" => set(&mut feed.hints.ttl_minutes, reader.value(element).and_then(|text| text.parse().ok())),
        "skiphours" => skip_hours(reader, element, feed),
        "skipdays" => skip_days(reader, element, feed),
        "cloud" => {}
        "textinput" => {}
        _ => return false,
    }
    let _ = draft;
    true
}

/// An element of an item. `false`: none of RSS.
pub fn entry_element<'a>(
    reader: &mut Reader<'a>,
    element: &Element<'a>,
    entry: &mut ParsedEntry,
    draft: &mut Draft,
) -> bool {
    if element.ns != Ns::Core {
        return false;
    }
    match &*element.name {
        "title" => last(&mut entry.title, text(reader, element, TextKind::Undeclared)),
        "link" if element.attribute("href").is_some() => return false,
        "link" => last(&mut entry.link, link(reader, element)),
        "description" => body(entry, text(reader, element, TextKind::Html)),
        "tags" => super::extensions::keywords(reader, element, &mut entry.categories),
        "guid" => guid(reader, element, entry, draft),
        "pubdate" => last(&mut entry.published, date(reader, element)),
        "author" => entry.authors.extend(person_line(reader, element)),
        "category" => entry.categories.extend(category(reader, element)),
        "comments" => set(&mut entry.comments, link(reader, element)),
        "enclosure" => entry.enclosures.extend(enclosure(reader, element)),
        "source" => entry.source = entry.source.take().or_else(|| source(reader, element)),
        _ => return false,
    }
    true
}

/// `<guid isPermaLink="true">`: an id, and the link when there is no other.
fn guid<'a>(reader: &mut Reader<'a>, element: &Element<'a>, entry: &mut ParsedEntry, draft: &mut Draft) {
    let is_permalink = element.attribute("ispermalink").is_none_or(|value| !value.eq_ignore_ascii_case("false"));
    let Some(id) = reader.value(element) else { return };
    if is_permalink && super::is_absolute(&id) && id.starts_with("http") {
        draft.permalink = Some(id.clone());
    }
    entry.id = Some(id);
}

fn enclosure<'a>(reader: &Reader<'a>, element: &Element<'a>) -> Option<Enclosure> {
    let url =
        element.attribute("url").or_else(|| element.attribute("href")).or_else(|| element.attribute("resource"))?;
    Some(Enclosure {
        url: reader.resolve(&url),
        media_type: element.attribute("type").map(|value| value.into_owned()),
        length: element.attribute("length").and_then(|value| value.parse().ok()),
        ..Enclosure::default()
    })
}

/// `<source url="...">Title</source>`
fn source<'a>(reader: &mut Reader<'a>, element: &Element<'a>) -> Option<ParsedSource> {
    let feed = element.attribute("url").map(|url| reader.resolve(&url));
    let title = text(reader, element, TextKind::Undeclared);
    (feed.is_some() || title.is_some()).then(|| ParsedSource { title, feed, ..ParsedSource::default() })
}

pub fn category<'a>(reader: &mut Reader<'a>, element: &Element<'a>) -> Option<Category> {
    let scheme = element.attribute("domain").map(|domain| domain.into_owned());
    let term = reader.own_text(element)?;
    Some(Category { term, scheme, label: None })
}

fn image<'a>(reader: &mut Reader<'a>, element: &Element<'a>, feed: &mut ParsedFeed) {
    while let Some(child) = reader.part(element.level) {
        if &*child.name == "url" {
            set(&mut feed.image, link(reader, &child));
        }
    }
}

fn skip_hours<'a>(reader: &mut Reader<'a>, element: &Element<'a>, feed: &mut ParsedFeed) {
    while let Some(child) = reader.part(element.level) {
        let hour = reader.value(&child).and_then(|hour| hour.parse::<u8>().ok()).filter(|hour| *hour <= 24);
        // Some count 1 to 24.
        if let Some(hour) = hour.map(|hour| hour % 24).filter(|hour| !feed.hints.skip_hours.contains(hour)) {
            feed.hints.skip_hours.push(hour);
        }
    }
}

fn skip_days<'a>(reader: &mut Reader<'a>, element: &Element<'a>, feed: &mut ParsedFeed) {
    while let Some(child) = reader.part(element.level) {
        let day = reader.value(&child).and_then(|day| day.parse::<chrono::Weekday>().ok());
        let day = day.and_then(|day| u8::try_from(day.num_days_from_monday()).ok());
        if let Some(day) = day.filter(|day| !feed.hints.skip_days.contains(day)) {
            feed.hints.skip_days.push(day);
        }
    }
}

/// The first value stands.
pub fn set<T>(field: &mut Option<T>, value: Option<T>) {
    if field.is_none() {
        *field = value;
    }
}

/// The last value that can be read stands: of dates stated twice, the later statement is the correction.
pub fn last<T>(field: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field = value;
    }
}

/// A text under a name that says little: the first is the summary, a second one the content.
pub fn body(entry: &mut ParsedEntry, text: Option<Text>) {
    if entry.summary.is_none() {
        entry.summary = text;
    } else {
        set(&mut entry.content, text);
    }
}

/// A text element; markup that is not escaped makes it HTML.
pub fn text<'a>(reader: &mut Reader<'a>, element: &Element<'a>, kind: TextKind) -> Option<Text> {
    let mut text = reader.construct(kind, String::new());
    match reader.content(element) {
        Content::Text(value) if value.trim().is_empty() => return None,
        Content::Text(value) => text.value = value.into_owned(),
        Content::Markup(value) => (text.kind, text.value) = (TextKind::Html, value),
    }
    Some(text)
}

/// An address as the text of an element.
pub fn link<'a>(reader: &mut Reader<'a>, element: &Element<'a>) -> Option<String> {
    let base = reader.base().cloned();
    let href = reader.value(element)?;
    match base {
        Some(base) if !super::is_absolute(&href) => Some(base.join(&href).map_or(href, Into::into)),
        _ => Some(href),
    }
}

pub fn date<'a>(reader: &mut Reader<'a>, element: &Element<'a>) -> Option<Time> {
    let text = reader.value(element)?;
    let date = date::parse(&text);
    if date.is_none() {
        reader.repairs().note("date that cannot be read");
    }
    date
}

/// A person in one line, or with children as in Atom.
pub fn person_line<'a>(reader: &mut Reader<'a>, element: &Element<'a>) -> Option<Person> {
    super::atom::person(reader, element)
}

/// `Link` with nothing but an address and its relation.
pub fn plain_link(href: String, rel: &str) -> Link {
    Link { href, rel: rel.to_owned(), ..Link::default() }
}

/// The format of an `<rss>` element.
pub fn format(version: &str, doctype: &str) -> Format {
    match version.trim() {
        "0.90" => Format::Rss090,
        "0.91" if doctype.to_ascii_lowercase().contains("netscape") => Format::Rss091Netscape,
        "0.91" => Format::Rss091UserLand,
        "0.92" => Format::Rss092,
        "0.93" => Format::Rss093,
        "0.94" => Format::Rss094,
        version if version.starts_with('2') => Format::Rss20,
        _ => Format::Rss,
    }
}

/// The format of an `<rdf:RDF>` element, by the namespaces it declares.
pub fn rdf_format<'a>(mut declared: impl Iterator<Item = &'a str>) -> Format {
    let netscape =
        declared.any(|uri| uri.contains("netscape.com/rdf/simple/0.9") || uri.contains("netscape.com/publish"));
    if netscape { Format::Rss090 } else { Format::Rss10 }
}
