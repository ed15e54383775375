//! View: what the templates ask of the data. Text is escaped by the templates; only sanitized HTML goes in as it is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use askama::Template;
use chrono::{Datelike, NaiveDate};

use super::{ArticlePage, EntryLine, EntryPage, ErrorPage, Named, SectionCard, SectionPage, Site, SitePage, fit};
use crate::model::{AlsoIn, Enclosure, Person, Time, entry_name};
use crate::render::{self, text};

pub(super) fn site(page: &SitePage) -> String {
    let mut frame = Frame::new(&page.site, "site", &page.site.title);
    frame.here = "/".to_owned();
    frame.description = page.description.as_deref();
    frame.canonical = Some(page.site.url.clone());
    let days = days(&page.site, &page.newest);
    finish(SiteTemplate { page, frame, days })
}

pub(super) fn section(page: &SectionPage) -> String {
    let headline = match &page.day {
        Some((_, day)) => format!("{}, {day}", page.title),
        None => page.title.clone(),
    };
    let mut frame = Frame::new(&page.site, "section", &headline);
    frame.here = text::url(page.path.trim_end_matches('/')).into_owned();
    frame.speak(page.language.as_deref());
    frame.description = page.description.as_deref();
    let below = page.day.as_ref().map_or("", |(path, _)| path.as_str());
    frame.canonical = Some(text::url(&format!("{}{}{below}", page.site.url, page.path)).into_owned());
    frame.feeds = page.site.feeds_below(&page.path, &page.title);
    let days = days(&page.site, &page.entries);
    finish(SectionTemplate { page, frame, days })
}

pub(super) fn article(page: &ArticlePage) -> String {
    let mut frame = Frame::new(&page.site, "reading", &page.title);
    frame.description = page.summary.as_deref();
    frame.canonical = Some(text::url(&format!("{}{}", page.site.url, page.path)).into_owned());
    let sections = page.sections.iter();
    let of_sections = sections
        .flat_map(|section| page.site.feeds_below(&format!("{}/", text::segment(&section.name)), &section.title));
    frame.feeds = of_sections.chain(frame.feeds).collect();
    let seen = text::visible(&page.content.0, DECK_COMPARED);
    let shown = |words: &&str| !seen.is_empty() && seen.starts_with(&text::excerpt_start(words, DECK_COMPARED / 2));
    let image = page.image.as_deref().filter(|url| may_link(url) && !page.content.0.contains(*url));
    let language = page.language.as_deref().and_then(text::language);
    finish(ArticleTemplate {
        rtl: language.as_deref().is_some_and(is_rtl),
        lang: language,
        deck: page.summary.as_deref().filter(|words| !shown(words)),
        image,
        content: fit::fit(&page.content.0),
        files: page.enclosures.iter().filter(|file| may_link(&file.url)).map(File::of).collect(),
        page,
        frame,
    })
}

pub(super) fn entry(page: &EntryPage) -> String {
    let headline =
        headline(&page.title, page.summary.as_deref(), &page.origin.name, text::DERIVED_TITLE_CHARS).into_owned();
    let mut frame = Frame::new(&page.site, "reading", &headline);
    frame.hidden = true;
    let dates = vec![
        ("Published, as the source says", page.stated_published, ""),
        ("Updated, as the source says", page.stated_updated, ""),
        ("First seen here", Some(page.first_seen), ""),
        ("Published, as our feeds say", Some(page.effective), "This date orders the feeds."),
        ("Last significant change", Some(page.updated), ""),
    ];
    let lang = page.language.as_deref().and_then(text::language);
    finish(EntryTemplate { link: href(&page.link), lang, dates, page, frame })
}

pub(super) fn error(page: &ErrorPage) -> String {
    let mut frame = Frame::new(&page.site, "reading", &page.title);
    frame.hidden = true;
    finish(ErrorTemplate { page, frame })
}

/// Writing into a string cannot fail. Characters that no document may hold are removed here, for all pages.
pub(super) fn finish(template: impl Template) -> String {
    let page = template.render().unwrap_or_default();
    let page = match text::xml(&page) {
        Cow::Borrowed(_) => page,
        Cow::Owned(clean) => clean,
    };
    // HTML forbids these as well; they are rare, and looked for only where something like them is.
    if !page.chars().any(is_noncharacter) {
        return page;
    }
    page.chars().filter(|c| !is_noncharacter(*c)).collect()
}

fn is_noncharacter(c: char) -> bool {
    ('\u{FDD0}'..='\u{FDEF}').contains(&c) || u32::from(c) & 0xFFFE == 0xFFFE
}

/// Visible characters by which a summary is recognised as the beginning of the text.
const DECK_COMPARED: usize = 120;

#[derive(Template)]
#[template(path = "site.html")]
struct SiteTemplate<'a> {
    page: &'a SitePage,
    frame: Frame<'a>,
    days: Vec<Day<'a>>,
}

#[derive(Template)]
#[template(path = "section.html")]
struct SectionTemplate<'a> {
    page: &'a SectionPage,
    frame: Frame<'a>,
    days: Vec<Day<'a>>,
}

#[derive(Template)]
#[template(path = "article.html")]
struct ArticleTemplate<'a> {
    page: &'a ArticlePage,
    frame: Frame<'a>,
    lang: Option<String>,
    rtl: bool,
    content: String,
    /// The summary, where it is not the beginning of the text anyway.
    deck: Option<&'a str>,
    image: Option<&'a str>,
    files: Vec<File<'a>>,
}

#[derive(Template)]
#[template(path = "entry.html")]
struct EntryTemplate<'a> {
    page: &'a EntryPage,
    frame: Frame<'a>,
    lang: Option<String>,
    link: &'a str,
    dates: Vec<(&'static str, Option<Time>, &'static str)>,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'a> {
    page: &'a ErrorPage,
    frame: Frame<'a>,
}

/// What is around every page.
pub(super) struct Frame<'a> {
    pub(super) site: &'a Site,
    /// Class of `main`.
    pub(super) kind: &'static str,
    pub(super) headline: String,
    pub(super) title: String,
    language: Option<String>,
    pub(super) rtl: bool,
    pub(super) description: Option<&'a str>,
    pub(super) canonical: Option<String>,
    /// Autodiscovery, Atom first: the page's own, else the site's.
    pub(super) feeds: Vec<FeedLink>,
    /// Path of the section that is open, or "/".
    here: String,
    /// Not for search engines.
    pub(super) hidden: bool,
}

impl<'a> Frame<'a> {
    pub(super) fn new(site: &'a Site, kind: &'static str, headline: &str) -> Self {
        let headline = if headline.trim().is_empty() { "Untitled" } else { headline };
        let title = match headline == site.title {
            true => headline.to_owned(),
            false => format!("{headline} – {}", site.title),
        };
        let mut frame = Self {
            site,
            kind,
            headline: headline.to_owned(),
            title,
            language: None,
            rtl: false,
            description: None,
            canonical: None,
            feeds: site.feeds_below("", &site.title),
            here: String::new(),
            hidden: false,
        };
        frame.speak(site.language.as_deref());
        frame
    }

    pub(super) fn is_front(&self) -> bool {
        self.here == "/"
    }

    pub(super) fn is_open(&self, section: &str) -> bool {
        self.here == text::segment(section)
    }

    /// What the page is written in. Where nobody said, our own words are what is known of it.
    pub(super) fn lang(&self) -> &str {
        self.language.as_deref().unwrap_or("en")
    }

    /// Of foreign words whose language nobody stated: that of the site, where it has one; else unknown, which HTML
    /// writes as an empty tag.
    fn is_unspoken(&self) -> bool {
        self.language.is_none()
    }

    /// The page's language, if it is known.
    fn speak(&mut self, language: Option<&str>) {
        if let Some(language) = language.and_then(text::language) {
            self.rtl = is_rtl(&language);
            self.language = Some(language);
        }
    }
}

/// One document, as autodiscovery and as something to subscribe to.
pub(super) struct FeedLink {
    /// "Atom"
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) title: String,
    pub(super) href: String,
}

impl Site {
    pub(super) fn section_path(&self, name: &str) -> String {
        format!("{}{}/", self.base_path, text::segment(name))
    }

    fn entry_path(&self, id: &str) -> String {
        format!("{}entries/{}", self.base_path, entry_name(id))
    }

    fn feeds_below(&self, path: &str, title: &str) -> Vec<FeedLink> {
        let documents = [
            ("Atom", render::ATOM, "application/atom+xml"),
            ("RSS", render::RSS, "application/rss+xml"),
            ("JSON Feed", render::JSON, "application/feed+json"),
        ];
        let link = |(name, file, kind)| FeedLink {
            name,
            kind,
            title: format!("{title} ({name})"),
            href: text::url(&format!("{}{path}{file}", self.url)).into_owned(),
        };
        documents.into_iter().map(link).collect()
    }

    fn feeds_of(&self, section: &SectionCard) -> Vec<FeedLink> {
        self.feeds_below(&format!("{}/", text::segment(&section.name)), &section.title)
    }

    pub(super) fn machine(&self, time: &Time) -> String {
        text::rfc3339(*time)
    }

    /// `10:05`
    fn time(&self, time: &Time) -> String {
        text::instant(*time).with_timezone(&self.timezone).format("%H:%M").to_string()
    }

    /// `27 March 2026, 10:05`
    fn day_and_time(&self, time: &Time) -> String {
        text::instant(*time).with_timezone(&self.timezone).format("%-d %B %Y, %H:%M").to_string()
    }

    /// `27 Mar 2026, 10:05`
    pub(super) fn short(&self, time: &Time) -> String {
        text::instant(*time).with_timezone(&self.timezone).format("%-d %b %Y, %H:%M").to_string()
    }

    /// `27 Mar`
    fn short_day(&self, time: &Time) -> String {
        text::instant(*time).with_timezone(&self.timezone).format("%-d %b").to_string()
    }

    fn day(&self, time: &Time) -> NaiveDate {
        text::instant(*time).with_timezone(&self.timezone).date_naive()
    }

    pub(super) fn zone(&self) -> &'static str {
        self.timezone.name()
    }
}

/// The entries of one calendar day.
struct Day<'a> {
    /// `2026-03-27`
    date: String,
    anchor: String,
    /// `Friday`
    weekday: String,
    /// `27 March 2026`
    heading: String,
    entries: Vec<&'a EntryLine>,
}

/// By day, newest first; the order within a day is that of the feed.
fn days<'a>(site: &Site, entries: &'a [EntryLine]) -> Vec<Day<'a>> {
    let mut by_day: BTreeMap<NaiveDate, Vec<&EntryLine>> = BTreeMap::new();
    for entry in entries {
        by_day.entry(site.day(&entry.published)).or_default().push(entry);
    }
    let day = |(date, entries): (NaiveDate, Vec<_>)| Day {
        date: date.format("%Y-%m-%d").to_string(),
        anchor: format!("d{:04}{:02}{:02}", date.year(), date.month(), date.day()),
        weekday: date.format("%A").to_string(),
        heading: date.format("%-d %B %Y").to_string(),
        entries,
    };
    by_day.into_iter().rev().map(day).collect()
}

impl EntryLine {
    fn lang(&self) -> Option<String> {
        self.language.as_deref().and_then(text::language)
    }

    fn href(&self) -> &str {
        href(&self.link)
    }

    fn direction(&self) -> &'static str {
        if self.lang().as_deref().is_some_and(is_rtl) { "rtl" } else { "ltr" }
    }

    fn titled(&self) -> bool {
        !self.title.trim().is_empty()
    }

    /// An entry without a title is shown by its words alone.
    fn headline(&self) -> Cow<'_, str> {
        headline(&self.title, self.summary.as_deref(), &self.origin.name, text::EXCERPT_CHARS)
    }

    fn teaser(&self) -> Option<String> {
        let words = self.summary.as_deref().map(str::trim).filter(|words| !words.is_empty() && self.titled())?;
        Some(text::excerpt(words, text::EXCERPT_CHARS))
    }
}

fn headline<'a>(title: &'a str, summary: Option<&str>, origin: &'a str, chars: usize) -> Cow<'a, str> {
    let words = summary.map(text::line).filter(|words| !words.is_empty());
    match (title.trim(), words) {
        ("", Some(words)) => Cow::Owned(text::excerpt(&words, chars)),
        ("", None) => Cow::Borrowed(if origin.trim().is_empty() { "Untitled" } else { origin }),
        (title, _) => Cow::Borrowed(title),
    }
}

impl Named {
    fn href(&self) -> Option<&str> {
        self.link.as_deref().filter(|url| may_link(url))
    }
}

impl AlsoIn {
    fn href(&self) -> &str {
        href(&self.link)
    }
}

impl Person {
    fn href(&self) -> Option<&str> {
        self.uri.as_deref().filter(|url| may_link(url))
    }

    fn shown(&self) -> &str {
        [&self.name, &self.email, &self.uri].into_iter().flatten().next().map_or("", String::as_str)
    }
}

impl SectionCard {
    fn lang(&self) -> Option<String> {
        self.language.as_deref().and_then(text::language)
    }
}

/// A file beside an article.
struct File<'a> {
    url: &'a str,
    name: String,
    audio: bool,
    video: bool,
    /// `audio/mpeg, 4.2 MB, 12:34`
    details: String,
}

impl<'a> File<'a> {
    fn of(file: &'a Enclosure) -> Self {
        let kind = file.media_type.as_deref().unwrap_or_else(|| text::media_type_by_ending(&file.url));
        let path = file.url.split(['?', '#']).next().unwrap_or_default();
        let last = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&file.url);
        let name = file.title.as_deref().map(text::line).filter(|title| !title.is_empty());
        let details = [Some(kind.to_owned()), file.length.filter(|n| *n > 0).map(size), file.duration_secs.map(clock)];
        Self {
            url: &file.url,
            name: name.unwrap_or_else(|| last.to_owned()),
            audio: kind.starts_with("audio/"),
            video: kind.starts_with("video/"),
            details: details.into_iter().flatten().collect::<Vec<_>>().join(", "),
        }
    }
}

/// `4.2 MB`, in thousands of bytes as shops and browsers count.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// `1:02:03` or `12:34`
fn clock(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// Only where a click can do no harm: never `javascript:` or `data:`.
pub(super) fn may_link(url: &str) -> bool {
    let scheme = url.split(':').next().unwrap_or_default().to_ascii_lowercase();
    text::has_scheme(url.as_bytes())
        && ["http", "https", "mailto", "ftp", "gemini", "gopher", "magnet", "news", "nntp", "tel"].contains(&&*scheme)
}

/// The address, or the top of the page where it may not be linked.
fn href(url: &str) -> &str {
    if may_link(url) { url } else { "#main" }
}

/// Languages written from right to left, and any language in such a script.
fn is_rtl(language: &str) -> bool {
    let mut parts = language.split('-');
    let primary = parts.next().unwrap_or_default().to_ascii_lowercase();
    let script = parts.find(|part| part.len() == 4 && part.bytes().all(|b| b.is_ascii_alphabetic()));
    match script.map(str::to_ascii_lowercase).as_deref() {
        Some(script) => ["arab", "hebr", "syrc", "thaa", "nkoo", "adlm", "rohg"].contains(&script),
        None => ["ar", "arc", "ckb", "dv", "fa", "he", "iw", "ps", "sd", "syr", "ug", "ur", "yi"].contains(&&*primary),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn direction_follows_language_and_script() {
        for (language, rtl) in [("ar", true), ("he-IL", true), ("en", false), ("az-Arab", true), ("ur-Latn", false)] {
            assert_eq!(is_rtl(language), rtl, "{language}");
        }
    }

    #[test]
    fn only_harmless_schemes_are_linked() {
        for (url, linked) in [
            ("https://e.example/", true),
            ("MAILTO:a@e.example", true),
            ("javascript:alert(1)", false),
            ("JavaScript:alert(1)", false),
            ("data:text/html,x", false),
            ("/relative", false),
            ("", false),
        ] {
            assert_eq!(may_link(url), linked, "{url}");
        }
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(
            (size(999), size(4_250_000), clock(754), clock(3723)),
            ("999 bytes".into(), "4.2 MB".into(), "12:34".into(), "1:02:03".into())
        );
    }
}
