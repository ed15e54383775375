//! Merge: stored entries of many sources in, one section's feed out; [`current`] says what of them stands beside an archive.
//!
//! May use: `model`, the links of `normalize`. Pure: the same entries give the same feed; `now` only where a section has a `max-age` or `keep-days`.
//! Order: effective date, newest first; then source priority; then id. A total order, so that ties never flicker.

pub mod current;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{
    AlsoIn, Entry, Feed, FeedEntry, Html, Origin, Paging, Section, Standing, Time, Tombstone, entry_name,
};
use crate::normalize::{ARTICLE_BASE, links};

/// An entry out of the store with its source's metadata.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub entry: Entry,
    /// Of the source; the entry's own takes its place where it has one.
    pub origin: Origin,
    /// Other copies of the same story, and their sources' metadata.
    pub copies: Vec<(Entry, Origin)>,
}

/// What is true of the whole site: where links point and what every feed names.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Ends in a slash.
    pub base: String,
    pub hubs: Vec<String>,
    pub ttl_minutes: u32,
    pub language: Option<String>,
    /// Picture of every section. Absolute.
    pub icon: String,
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

/// One section's feed, without its entries; `updated` is the newest change of any of them.
pub fn feed(
    section: &Section,
    identity: Identity,
    site: &Site,
    updated: Option<Time>,
    deleted: Vec<Tombstone>,
    paging: Paging,
) -> Feed {
    Feed {
        updated: updated.unwrap_or(identity.created),
        id: identity.id,
        title: section.title.clone(),
        description: section.description.clone(),
        language: section.language.clone().or_else(|| site.language.clone()),
        page: format!("{}{}", site.base, identity.path),
        icon: Some(site.icon.clone()),
        rights: None,
        // What is in an archive never changes by itself: there is nothing to push.
        hubs: if matches!(paging, Paging::Archived { .. }) { Vec::new() } else { site.hubs.clone() },
        ttl_minutes: site.ttl_minutes,
        full_text: section.full_text,
        attribution: section.attribution,
        entries: Vec::new(),
        deleted,
        paging,
    }
}

/// Ranks sources among ties: the smaller, the more preferred.
pub type Priority<'a> = &'a dyn Fn(&str) -> i32;

/// The newest entries of a feed without an archive, in their order.
pub fn newest(section: &Section, found: Vec<Standing>, priority: Priority<'_>, now: Time) -> Vec<Standing> {
    let mut shown = capped(section, found, priority, now);
    shown.truncate(section.limit);
    shown
}

/// Why an entry that stands in a section is not in its current document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    TooOld,
    /// The section keeps nothing so old.
    NotKept,
    /// Its source fills the room that it has.
    SourceFull,
    /// There are so many newer ones.
    Beyond,
}

impl std::fmt::Display for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Hidden::TooOld => "not shown: older than max-age allows",
            Hidden::NotKept => "not shown: older than keep-days of the section",
            Hidden::SourceFull => "not shown: its source has max-per-source newer ones there",
            Hidden::Beyond => "not shown: there are limit newer ones",
        })
    }
}

/// `window`: the newest of the section, as for its document.
pub fn why_hidden(section: &Section, window: &[Standing], source: &str, effective: Time, now: Time) -> Hidden {
    if section.max_age.is_some_and(|age| now - effective > age) {
        return Hidden::TooOld;
    }
    if section.keep.is_some_and(|keep| now - effective > keep) {
        return Hidden::NotKept;
    }
    let newer = window.iter().filter(|other| other.source == source && other.effective >= effective);
    match section.max_per_source {
        Some(most) if newer.count() >= most => Hidden::SourceFull,
        _ => Hidden::Beyond,
    }
}

/// In order, each once, without those that a cap hides.
fn capped(section: &Section, mut found: Vec<Standing>, priority: Priority<'_>, now: Time) -> Vec<Standing> {
    sort(&mut found, priority);
    let mut seen = BTreeSet::new();
    let mut of_source: BTreeMap<String, usize> = BTreeMap::new();
    found.retain(|standing| {
        let room = match section.max_per_source {
            None => true,
            Some(most) => of_source.get(&standing.source).is_none_or(|count| *count < most),
        };
        let shown = is_young(section, standing, now) && room && seen.insert(standing.row);
        if shown && section.max_per_source.is_some() {
            *of_source.entry(standing.source.clone()).or_default() += 1;
        }
        shown
    });
    found
}

fn sort(found: &mut [Standing], priority: Priority<'_>) {
    found.sort_by(|a, b| {
        let order = |s: &Standing| (std::cmp::Reverse(s.effective), priority(&s.source));
        order(a).cmp(&order(b)).then_with(|| a.id.cmp(&b.id))
    });
}

fn is_young(section: &Section, standing: &Standing, now: Time) -> bool {
    let age = now - standing.effective;
    section.max_age.is_none_or(|most| age <= most) && section.keep.is_none_or(|most| age <= most)
}

/// The entry as it is published: with its link, its origin and, for an article, its files below its own page.
pub fn feed_entry(candidate: Candidate, site: &Site) -> FeedEntry {
    let Candidate { mut entry, origin, copies, .. } = candidate;
    let page = page(&entry, site);
    localize(&mut entry, &page);
    let own = entry.stated.origin.take();
    FeedEntry {
        link: entry.stated.link.clone().unwrap_or(page),
        origin: merged_origin(own, origin),
        also_in: copies.into_iter().map(|(copy, origin)| also_in(copy, origin, site)).collect(),
        entry,
    }
}

fn also_in(copy: Entry, origin: Origin, site: &Site) -> AlsoIn {
    let link = copy.stated.link.clone().unwrap_or_else(|| page(&copy, site));
    AlsoIn { name: merged_origin(copy.stated.origin, origin).title, link }
}

/// `/articles/SLUG` of a local article, `/entries/ID` of any other.
pub fn page(entry: &Entry, site: &Site) -> String {
    match &entry.slug {
        Some(slug) => format!("{}articles/{}", site.base, links::encode_segment(slug)),
        None => format!("{}entries/{}", site.base, entry_name(&entry.id.0)),
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
