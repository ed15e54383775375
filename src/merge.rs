//! Merge: stored entries of many sources in, one section's feed out.
//!
//! May use: `model`, the links of `normalize`. Pure: the same entries give the same feed; `now` only where a section has a `max-age`.
//! Order: effective date, newest first; then source priority; then id. A total order, so that ties never flicker.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Entry, Feed, FeedEntry, Html, Origin, Section, Time, Tombstone};
use crate::normalize::{ARTICLE_BASE, links};

/// An entry out of the store with its source's metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub entry: Entry,
    /// Of the source; the entry's own takes its place where it has one.
    pub origin: Origin,
    pub priority: i32,
}

/// What is true of the whole site: where links point and what every feed names.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Ends in a slash.
    pub base: String,
    pub hubs: Vec<String>,
    pub ttl_minutes: u32,
    pub language: Option<String>,
}

/// What identifies one feed, besides its section.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    pub id: String,
    /// When it was made: the `updated` of an empty one.
    pub created: Time,
    /// Path of its page below the site's base: empty or ending in a slash.
    pub path: String,
}

/// One section's feed.
pub fn feed(
    section: &Section,
    identity: Identity,
    site: &Site,
    candidates: Vec<Candidate>,
    deleted: Vec<Tombstone>,
    now: Time,
) -> Feed {
    let entries: Vec<FeedEntry> =
        chosen(section, candidates, now).into_iter().map(|candidate| feed_entry(candidate, site)).collect();
    let newest = entries.iter().map(|entry| entry.entry.updated).max();
    Feed {
        updated: newest.unwrap_or(identity.created),
        id: identity.id,
        title: section.title.clone(),
        description: section.description.clone(),
        language: section.language.clone().or_else(|| site.language.clone()),
        page: format!("{}{}", site.base, identity.path),
        icon: None,
        hubs: site.hubs.clone(),
        ttl_minutes: site.ttl_minutes,
        full_text: section.full_text,
        attribution: section.attribution,
        entries,
        deleted,
    }
}

/// How many entries of the store a section's feed may have to look at.
pub fn window(section: &Section) -> usize {
    // Those that a cap hides make room for older ones.
    if section.max_per_source.is_some() { section.limit.saturating_mul(10) } else { section.limit }
}

fn chosen(section: &Section, mut candidates: Vec<Candidate>, now: Time) -> Vec<Candidate> {
    candidates.sort_by(|a, b| {
        let order = |c: &Candidate| (std::cmp::Reverse(c.entry.effective), c.priority);
        order(a).cmp(&order(b)).then_with(|| a.entry.id.cmp(&b.entry.id))
    });
    let mut seen = BTreeSet::new();
    let mut of_source: BTreeMap<String, usize> = BTreeMap::new();
    candidates.retain(|candidate| {
        let young = section.max_age.is_none_or(|age| now - candidate.entry.effective <= age);
        let count = of_source.entry(candidate.entry.source.clone()).or_default();
        let room = section.max_per_source.is_none_or(|most| *count < most);
        let shown = young && room && seen.insert(candidate.entry.id.clone());
        *count += usize::from(shown);
        shown
    });
    candidates.truncate(section.limit);
    candidates
}

/// The entry as it is published: with its link, its origin and, for an article, its files below its own page.
pub fn feed_entry(candidate: Candidate, site: &Site) -> FeedEntry {
    let Candidate { mut entry, origin, .. } = candidate;
    let page = page(&entry, site);
    localize(&mut entry, &page);
    let own = entry.stated.origin.take();
    FeedEntry {
        link: entry.stated.link.clone().unwrap_or(page),
        origin: merged_origin(own, origin),
        also_in: Vec::new(),
        entry,
    }
}

/// `/articles/SLUG` of a local article, `/entries/ID` of any other.
pub fn page(entry: &Entry, site: &Site) -> String {
    match &entry.slug {
        Some(slug) => format!("{}articles/{}", site.base, links::encode_segment(slug)),
        None => format!("{}entries/{}", site.base, links::encode_segment(&entry.id.0)),
    }
}

/// What an entry carries itself outranks its source's; what it lacks is left out, but for the id that Atom demands.
fn merged_origin(own: Option<Origin>, source: Origin) -> Origin {
    match own {
        None => source,
        Some(own) if own.id.is_empty() => {
            let id = own.feed.clone().or_else(|| own.link.clone()).unwrap_or_else(|| source.id.clone());
            Origin { id, ..own }
        }
        Some(own) => own,
    }
}

/// References of a local article to its own files lead below its own page.
fn localize(entry: &mut Entry, page: &str) {
    if entry.slug.is_none() {
        return;
    }
    let below = format!("{page}/");
    let stated = &mut entry.stated;
    for Html(html) in stated.content.iter_mut().chain(stated.summary.iter_mut()) {
        if html.contains(ARTICLE_BASE) {
            *html = html.replace(ARTICLE_BASE, &below);
        }
    }
    let files = stated.enclosures.iter_mut().map(|enclosure| &mut enclosure.url).chain(stated.image.iter_mut());
    for url in files {
        if let Some(path) = url.strip_prefix(ARTICLE_BASE) {
            *url = format!("{below}{path}");
        }
    }
}
