//! Pages: what people see in a browser. No script, one stylesheet, plain links; made for a strict
//! Content-Security-Policy (`default-src 'none'; style-src 'self'; img-src * data:; media-src *`): drawings are inline SVG
//! that the stylesheet colours, nothing carries a style of its own.
//!
//! The types are plain data: whoever serves a page fills them in. Times are shown in [`Site::timezone`].

mod fit;
mod spark;
mod status;
mod view;

use chrono_tz::Tz;

use crate::model::{AlsoIn, Enclosure, Html, Person, Time};

/// What every page says of the site.
#[derive(Debug, Clone)]
pub struct Site {
    pub title: String,
    /// Absolute base of the site, with a slash at its end: `https://example.org/news/`.
    pub url: String,
    /// Path of `url`, with a slash at both ends: `/news/`. Links inside the site start with it.
    pub base_path: String,
    /// BCP 47 tag.
    pub language: Option<String>,
    pub timezone: Tz,
    /// Sections in the order of the configuration, for the navigation.
    pub sections: Vec<SectionLink>,
}

/// Name (path segment) and title of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionLink {
    pub name: String,
    pub title: String,
}

/// Somebody who is named, with an address if it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    pub name: String,
    /// Absolute URL.
    pub link: Option<String>,
}

/// One entry in a list.
#[derive(Debug, Clone)]
pub struct EntryLine {
    /// Plain text; may be empty.
    pub title: String,
    /// Absolute URL of the entry.
    pub link: String,
    /// Plain text; cut at about 300 characters where it is longer.
    pub summary: Option<String>,
    pub origin: Named,
    /// The effective date.
    pub published: Time,
    pub language: Option<String>,
    /// Its id, for `/entries/ID`; `None`: no such page is offered.
    pub id: Option<String>,
    pub also_in: Vec<AlsoIn>,
    /// Where it stands, as a word above it; empty where the page says so itself.
    pub sections: Vec<SectionLink>,
}

/// Other pages of the same list, as paths below the base.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pager {
    pub newer: Option<String>,
    pub older: Option<String>,
}

/// `/`: the newest entries of the whole site by day, and beside them all sections.
#[derive(Debug, Clone)]
pub struct SitePage {
    pub site: Site,
    pub description: Option<String>,
    pub sections: Vec<SectionCard>,
    /// Entries of the whole site, newest first.
    pub newest: Vec<EntryLine>,
    pub pager: Pager,
    /// Where the configuration is read from or looked for, as words for the operator of an empty site.
    pub configuration: Option<String>,
}

/// A section on the front page.
#[derive(Debug, Clone)]
pub struct SectionCard {
    pub name: String,
    pub title: String,
    pub description: Option<String>,
    pub language: Option<String>,
    /// A few, newest first.
    pub newest: Vec<EntryLine>,
}

/// `/SECTION/`: its entries, newest first, by day. Also `/sources/NAME/`, and one day of either a section or the site.
#[derive(Debug, Clone)]
pub struct SectionPage {
    pub site: Site,
    /// Path below the base with a slash at its end: `politics/`, `sources/bbc/`.
    pub path: String,
    pub title: String,
    pub description: Option<String>,
    pub language: Option<String>,
    pub entries: Vec<EntryLine>,
    /// The page of one day: its path below `path`, with a slash at its end, and its words.
    pub day: Option<(String, String)>,
    pub pager: Pager,
}

/// `/articles/SLUG`: a local article.
#[derive(Debug, Clone)]
pub struct ArticlePage {
    pub site: Site,
    /// Path below the base: `articles/SLUG`, percent-encoded.
    pub path: String,
    pub title: String,
    pub summary: Option<String>,
    pub content: Html,
    pub authors: Vec<Person>,
    pub published: Time,
    /// Shown if it is later than `published`.
    pub updated: Time,
    pub language: Option<String>,
    /// Whom it credits.
    pub origin: Option<Named>,
    /// Other sources that carry the same story.
    pub also_in: Vec<AlsoIn>,
    /// Where it appears; their feeds are the page's autodiscovery.
    pub sections: Vec<SectionLink>,
    pub categories: Vec<String>,
    pub image: Option<String>,
    pub enclosures: Vec<Enclosure>,
    pub rights: Option<String>,
    pub id: Option<String>,
}

/// `/entries/ID`: where an entry came from and where it appears.
#[derive(Debug, Clone)]
pub struct EntryPage {
    pub site: Site,
    pub id: String,
    pub title: String,
    pub link: String,
    pub summary: Option<String>,
    pub language: Option<String>,
    pub authors: Vec<Person>,
    pub categories: Vec<String>,
    /// Our source that brought it.
    pub source: Named,
    /// Whom it is credited to.
    pub origin: Named,
    /// As the source states them.
    pub stated_published: Option<Time>,
    pub stated_updated: Option<Time>,
    pub first_seen: Time,
    /// What feeds state as published, and what orders them.
    pub effective: Time,
    pub updated: Time,
    pub sections: Vec<SectionLink>,
    /// Why it stands there, or nowhere: a sentence a step.
    pub steps: Vec<String>,
    pub also_in: Vec<AlsoIn>,
}

/// `/status`: how every source is; those in trouble first.
#[derive(Debug, Clone)]
pub struct StatusPage {
    pub site: Site,
    /// Of one page of the table.
    pub sources: Vec<SourceRow>,
    /// Of all sources, so many of each mark.
    pub counts: Vec<(Mark, usize)>,
    /// How often each rule matched, on the first page.
    pub rules: Vec<RuleRow>,
    /// Sentences about the daemon as a whole (entries left out of a feed, a section that could not be published).
    pub notices: Vec<String>,
    pub pager: Pager,
}

/// One rule on the status page.
#[derive(Debug, Clone)]
pub struct RuleRow {
    /// "rule 3", "rule 1 of source wires".
    pub rule: String,
    /// Entries that it matched when they were taken in.
    pub hits: u64,
    /// `None`: it never did.
    pub last: Option<Time>,
}

/// One source on the status page.
#[derive(Debug, Clone)]
pub struct SourceRow {
    pub name: String,
    /// Its home page or feed; `None` for folders and private sources.
    pub link: Option<String>,
    pub mark: Mark,
    pub last_success: Option<Time>,
    pub last_try: Option<Time>,
    /// Outcome of the last try, in words; never an address of others.
    pub outcome: String,
    /// "nothing new for 12 days; its usual gap is 3 h".
    pub silence: Option<String>,
    /// In a row.
    pub failures: u32,
    /// Since when it fails.
    pub since: Option<Time>,
    pub next_poll: Option<Time>,
    /// Why then.
    pub why: String,
    /// What its owner should write into the configuration instead of what stands there.
    pub advice: Option<String>,
    /// Entries in the store.
    pub entries: u64,
    /// How far the pages behind them are; `None`: its full texts are not asked for.
    pub full_text: Option<String>,
    /// What was left out of what it brought, since it goes beyond a limit.
    pub cut: Option<String>,
    /// "every 3 h": how often it brings something; `None`: too little is known.
    pub rhythm: Option<String>,
    /// When the newest of them came out.
    pub newest: Option<Time>,
    /// Entries by day, oldest first, today last; none where nothing is known.
    pub days: Vec<u32>,
}

/// A source's health at a glance, in the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    Failing,
    /// The publisher said 410.
    Gone,
    /// It answers, but has been silent for much longer than usual.
    Quiet,
    /// Not asked yet.
    Waiting,
    Well,
}

/// The place of a source's row on the status page, whatever it is called.
pub fn anchor(source: &str) -> String {
    let hash = blake3::hash(source.as_bytes()).to_hex();
    format!("s{}", hash.get(..12).unwrap_or_default())
}

/// An error in the dress of the site.
#[derive(Debug, Clone)]
pub struct ErrorPage {
    pub site: Site,
    pub status: u16,
    pub title: String,
    /// What to do now.
    pub advice: String,
}

/// The one stylesheet, served as `style.css` below the base.
pub const STYLE: &str = include_str!("pages/style.css");

/// PNG of 144 by 144 pixels, served as `icon.png` below the base: what feeds name where the site states none of its own.
/// RSS allows no wider one.
pub fn icon() -> &'static [u8] {
    include_bytes!("pages/icon.png")
}

/// SVG, served as `favicon.svg` below the base with `image/svg+xml`.
pub fn favicon() -> &'static [u8] {
    include_bytes!("pages/favicon.svg")
}

/// `/`
pub fn site_page(page: &SitePage) -> String {
    view::site(page)
}

/// `/SECTION/` and `/sources/NAME/`
pub fn section_page(page: &SectionPage) -> String {
    view::section(page)
}

/// `/articles/SLUG`
pub fn article_page(page: &ArticlePage) -> String {
    view::article(page)
}

/// `/entries/ID`
pub fn entry_page(page: &EntryPage) -> String {
    view::entry(page)
}

/// `/status`
pub fn status_page(page: &StatusPage) -> String {
    status::status(page)
}

/// For any path that cannot be answered.
pub fn error_page(page: &ErrorPage) -> String {
    view::error(page)
}
