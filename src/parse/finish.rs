//! The last step over a document that has been read: addresses made absolute, limits held.

use std::collections::HashMap;

use url::Url;

use super::feed::{ParsedEntry, ParsedFeed, ParsedSource, Repairs, Text, TextKind};
use super::{Limits, is_absolute};
use crate::model::{Category, Enclosure, Link, Person};

/// Resolve what has no xml:base of its own against the feed's link, then against where the document came from.
pub fn finish(feed: &mut ParsedFeed, came_from: Option<&Url>, limits: &Limits) {
    let mut repairs = std::mem::take(&mut feed.repairs);
    if feed.entries.len() > limits.entries {
        repairs.note("limit: entries");
        limit_entries(&mut feed.entries, limits.entries);
    }
    if let Some(link) = &mut feed.link {
        resolve(link, came_from);
    }
    let own = feed.link.as_deref().and_then(|link| Url::parse(link).ok()).filter(|url| !url.cannot_be_a_base());
    let own = own.filter(|url| url.as_str().len() <= limits.url_bytes);
    let base = own.as_ref().or(came_from);
    let mut bounds = Bounds { limits, base, repairs: &mut repairs };
    bounds.feed(feed);
    for entry in &mut feed.entries {
        bounds.entry(entry);
    }
    feed.repairs = repairs;
}

pub fn is_dated(entry: &ParsedEntry) -> bool {
    entry.published.or(entry.updated).is_some()
}

/// Keep the first ones, in case that one follows without a date, and the newest ones, in case that none does. The first
/// entry beyond the limit that has no date is kept as the sign of it, as the last.
pub fn thin_out(entries: &mut Vec<ParsedEntry>, limit: usize) {
    match entries.iter().position(|entry| !is_dated(entry)) {
        Some(undated) if undated < limit => entries.truncate(limit),
        Some(undated) => {
            entries.drain(limit..undated);
            entries.truncate(limit + 1);
        }
        None => {
            let newest = newest(entries, limit);
            let mut at = 0;
            entries.retain(|_| {
                at += 1;
                at <= limit || newest[at - 1]
            });
        }
    }
}

/// Keep the newest by stated date if all have one, else the first; their order stays.
fn limit_entries(entries: &mut Vec<ParsedEntry>, limit: usize) {
    if entries.iter().all(is_dated) {
        let newest = newest(entries, limit);
        let mut keep = newest.into_iter();
        entries.retain(|_| keep.next().unwrap_or(false));
    }
    entries.truncate(limit);
}

/// Which entries are among the newest; of equal dates, those that come first.
fn newest(entries: &[ParsedEntry], limit: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&at| (std::cmp::Reverse(entries[at].published.or(entries[at].updated)), at));
    let mut newest = vec![false; entries.len()];
    order.iter().take(limit).for_each(|&at| newest[at] = true);
    newest
}

/// The limits, and the base of what has none.
struct Bounds<'a> {
    limits: &'a Limits,
    base: Option<&'a Url>,
    repairs: &'a mut Repairs,
}

impl Bounds<'_> {
    fn feed(&mut self, feed: &mut ParsedFeed) {
        self.id(&mut feed.id);
        self.title(&mut feed.title);
        self.text(&mut feed.subtitle);
        self.url(&mut feed.link);
        self.links(&mut feed.links);
        self.url(&mut feed.icon);
        self.url(&mut feed.image);
        self.language(&mut feed.language);
        self.name(&mut feed.rights);
        self.name(&mut feed.generator);
        self.people(&mut feed.authors);
        self.people(&mut feed.contributors);
        self.categories(&mut feed.categories);
        self.first(&mut feed.deleted, self.limits.entries, "limit: deleted entries");
    }

    fn entry(&mut self, entry: &mut ParsedEntry) {
        self.id(&mut entry.id);
        self.title(&mut entry.title);
        self.url(&mut entry.link);
        self.links(&mut entry.links);
        self.text(&mut entry.summary);
        self.text(&mut entry.content);
        self.people(&mut entry.authors);
        self.people(&mut entry.contributors);
        self.categories(&mut entry.categories);
        self.language(&mut entry.language);
        self.name(&mut entry.rights);
        self.url(&mut entry.comments);
        self.enclosures(&mut entry.enclosures);
        self.url(&mut entry.image);
        if let Some(source) = &mut entry.source {
            self.source(source);
        }
    }

    fn source(&mut self, source: &mut ParsedSource) {
        self.id(&mut source.id);
        self.title(&mut source.title);
        self.url(&mut source.link);
        self.url(&mut source.feed);
        self.url(&mut source.icon);
        self.name(&mut source.rights);
        self.people(&mut source.authors);
    }

    /// A cut id would be another id.
    fn id(&mut self, id: &mut Option<String>) {
        if let Some(id) = id.as_mut().filter(|id| id.len() > self.limits.id_bytes) {
            *id = format!("hash:{}", blake3::hash(id.as_bytes()).to_hex());
            self.repairs.note("limit: id");
        }
    }

    fn title(&mut self, title: &mut Option<Text>) {
        let Some(text) = title else { return };
        self.context(text);
        // Markup is cut where the title is made plain; here only memory is held.
        if cut_chars(&mut text.value, self.limits.title_chars.saturating_mul(4)) {
            self.repairs.note("limit: title");
        }
    }

    fn text(&mut self, text: &mut Option<Text>) {
        let Some(text) = text else { return };
        self.context(text);
        if cut_bytes(&mut text.value, self.limits.text_bytes) {
            self.repairs.note("limit: text");
        }
    }

    fn context(&mut self, text: &mut Text) {
        if text.base.is_none() && text.kind != TextKind::Plain {
            text.base = self.base.cloned();
        }
        if let Some(mended) = decoded_twice(&text.value) {
            text.value = mended;
            self.repairs.note("UTF-8 decoded twice");
        }
    }

    fn name(&mut self, name: &mut Option<String>) {
        if let Some(name) = name
            && cut_bytes(name, self.limits.name_bytes)
        {
            self.repairs.note("limit: name");
        }
    }

    /// A tag after RFC 5646, as far as it can be made one: some write `en_US`.
    fn language(&mut self, language: &mut Option<String>) {
        let Some(tag) = language else { return };
        let subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
        let mended = tag.trim().replace('_', "-");
        if mended.len() <= 35 && mended.split('-').all(subtag) {
            *tag = mended;
        } else {
            *language = None;
            self.repairs.note("language that is none");
        }
    }

    fn url(&mut self, url: &mut Option<String>) {
        if let Some(url) = url {
            resolve(url, self.base);
        }
        if url.as_ref().is_some_and(|url| url.len() > self.limits.url_bytes) {
            *url = None;
            self.repairs.note("limit: address");
        }
    }

    /// `false`: too long to be kept.
    fn required_url(&mut self, url: &mut String) -> bool {
        resolve(url, self.base);
        let fits = url.len() <= self.limits.url_bytes;
        if !fits {
            self.repairs.note("limit: address");
        }
        fits
    }

    fn links(&mut self, links: &mut Vec<Link>) {
        self.first(links, self.limits.links, "limit: links");
        links.retain_mut(|link| self.required_url(&mut link.href));
        for link in links {
            self.name(&mut link.title);
        }
    }

    fn enclosures(&mut self, enclosures: &mut Vec<Enclosure>) {
        enclosures.retain_mut(|enclosure| self.required_url(&mut enclosure.url));
        if enclosures.len() < 2 {
            return;
        }
        // One file named twice (`enclosure` and `media:content`) is one: what the first leaves out, the other may say.
        let mut places: HashMap<String, usize> = HashMap::new();
        let mut once: Vec<Enclosure> = Vec::new();
        for enclosure in enclosures.drain(..) {
            match places.get(&enclosure.url).and_then(|at| once.get_mut(*at)) {
                Some(first) => {
                    first.media_type = first.media_type.take().or(enclosure.media_type);
                    first.length = first.length.or(enclosure.length);
                    first.duration_secs = first.duration_secs.or(enclosure.duration_secs);
                    first.title = first.title.take().or(enclosure.title);
                }
                None => {
                    places.insert(enclosure.url.clone(), once.len());
                    once.push(enclosure);
                }
            }
        }
        *enclosures = once;
        self.first(enclosures, self.limits.enclosures, "limit: enclosures");
    }

    fn people(&mut self, people: &mut Vec<Person>) {
        self.first(people, self.limits.people, "limit: people");
        for person in people {
            self.name(&mut person.name);
            self.name(&mut person.email);
            self.url(&mut person.uri);
        }
    }

    fn categories(&mut self, categories: &mut Vec<Category>) {
        self.first(categories, self.limits.categories, "limit: categories");
        for category in categories {
            if cut_bytes(&mut category.term, self.limits.name_bytes) {
                self.repairs.note("limit: name");
            }
            self.name(&mut category.scheme);
            self.name(&mut category.label);
        }
    }

    fn first<T>(&mut self, list: &mut Vec<T>, limit: usize, kind: &'static str) {
        if list.len() > limit {
            list.truncate(limit);
            self.repairs.note(kind);
        }
    }
}

/// "â€¦" is an ellipsis whose bytes somebody took for windows-1252. Only when the whole text makes sense that way.
fn decoded_twice(text: &str) -> Option<String> {
    // The first byte of such a sequence became a letter from U+00C2 to U+00F4, all of which begin with this byte.
    let first = memchr::memchr(0xC3, text.as_bytes()).filter(|&first| text.as_bytes()[..first].is_ascii())?;
    let mut from_first = text[first..].chars().map(windows_1252_byte);
    if !matches!((from_first.next()?, from_first.next()?), (Some(0xC2..=0xF4), Some(0x80..=0xBF))) {
        return None;
    }
    let bytes: Option<Vec<u8>> = text.chars().map(windows_1252_byte).collect();
    String::from_utf8(bytes?).ok().filter(|mended| mended.chars().all(super::xml::is_xml_char))
}

fn windows_1252_byte(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ (0..0x80 | 0xA0..0x100) => u8::try_from(code).ok(),
        _ => (0x80..=0x9F).find(|&byte| super::xml::windows_1252(u32::from(byte)) == Some(c)),
    }
}

fn resolve(url: &mut String, base: Option<&Url>) {
    if let Some(base) = base
        && !is_absolute(url)
        && let Ok(absolute) = base.join(url)
    {
        *url = absolute.into();
    }
}

fn cut_chars(text: &mut String, limit: usize) -> bool {
    if text.len() <= limit {
        return false;
    }
    match text.char_indices().nth(limit) {
        Some((at, _)) => {
            text.truncate(at);
            true
        }
        None => false,
    }
}

fn cut_bytes(text: &mut String, limit: usize) -> bool {
    if text.len() <= limit {
        return false;
    }
    text.truncate(text.floor_char_boundary(limit));
    true
}
