//! The last step over a document that has been read: addresses made absolute, limits held.

use url::Url;

use super::feed::{ParsedEntry, ParsedFeed, ParsedSource, Repairs, Text};
use super::{Limits, is_absolute};
use crate::model::{Category, Enclosure, Link, Person, Time};

/// Resolve what has no xml:base of its own against the feed's link, then against where the document came from.
pub fn finish(feed: &mut ParsedFeed, came_from: Option<&Url>, limits: &Limits) {
    let mut repairs = std::mem::take(&mut feed.repairs);
    if feed.entries.len() > limits.entries {
        repairs.note("limit: entries");
    }
    newest_entries(feed, limits.entries);
    if let Some(link) = &mut feed.link {
        resolve(link, came_from);
    }
    let own = feed.link.as_deref().and_then(|link| Url::parse(link).ok()).filter(|url| !url.cannot_be_a_base());
    let base = own.as_ref().or(came_from);
    let mut bounds = Bounds { limits, base, repairs: &mut repairs };
    bounds.feed(feed);
    for entry in &mut feed.entries {
        bounds.entry(entry);
    }
    feed.repairs = repairs;
}

/// Keep the newest by stated date if all have one, else the first; their order stays.
pub fn newest_entries(feed: &mut ParsedFeed, limit: usize) {
    if feed.entries.len() <= limit {
        return;
    }
    let stated = |entry: &ParsedEntry| entry.published.or(entry.updated);
    let dates: Option<Vec<Time>> = feed.entries.iter().map(stated).collect();
    if let Some(dates) = dates {
        let mut order: Vec<usize> = (0..dates.len()).collect();
        order.sort_by_key(|&at| (std::cmp::Reverse(dates[at]), at));
        let mut keep = vec![false; dates.len()];
        order.iter().take(limit).for_each(|&at| keep[at] = true);
        let mut at = 0;
        feed.entries.retain(|_| {
            at += 1;
            keep[at - 1]
        });
    }
    feed.entries.truncate(limit);
    feed.repairs.note("limit: entries");
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
        self.name(&mut feed.language);
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
        self.name(&mut entry.language);
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
        self.name(&mut source.title);
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
        if text.base.is_none() {
            text.base = self.base.cloned();
        }
    }

    fn name(&mut self, name: &mut Option<String>) {
        if let Some(name) = name
            && cut_bytes(name, self.limits.name_bytes)
        {
            self.repairs.note("limit: name");
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
        let mut seen = std::collections::BTreeSet::new();
        enclosures.retain(|enclosure| seen.insert(enclosure.url.clone()));
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
