//! Discovery: a web page in, the feeds that it names out, best first, and the usual places behind them.
//!
//! Three ways, each less sure than the one before: `<link rel="alternate">` with the media type of a feed (what browsers
//! and readers have agreed on), links of the text that look like feeds of the same site, and guesses. Which of them is a
//! feed, only asking can tell. The page is scanned tag by tag, without a tree: the work is linear in its size.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use url::Url;

use super::html::tags;
use super::{Input, charset, xml};

/// Feeds of each kind that are worth asking for.
const LINKS: usize = 5;
const ANCHORS: usize = 3;
/// Tags that are looked at, characters of a title and of an address.
const MOST_SEEN: usize = 200;
const TITLE_CHARS: usize = 200;
const URL_LENGTH: usize = 4096;

/// Where feeds lie when a page does not say so: the places of WordPress, Jekyll, Hugo, Ghost and their like.
const AT_THE_ROOT: [&str; 8] =
    ["/feed", "/feed/", "/atom.xml", "/rss.xml", "/index.xml", "/feed.xml", "/feed.json", "/rss"];
/// The same beside a page that is not the front page; fewer, since the root is asked as well.
const BESIDE_THE_PAGE: [&str; 4] = ["feed/", "atom.xml", "rss.xml", "index.xml"];

/// An address that may be a feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub url: Url,
    pub by: By,
    /// As the page calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// How a candidate was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The page names it as its feed.
    Link,
    /// The page links to it, and it looks like a feed.
    Anchor,
    /// Feeds often lie there.
    Guess,
}

/// What a page may have for feeds, best first; `input.base` is where it was found.
pub fn candidates(input: &Input<'_>) -> Vec<Candidate> {
    let Some(page) = input.base else { return Vec::new() };
    let text = decoded(input);
    let mut seen: Vec<Seen> = Vec::new();
    let mut base: Option<String> = None;
    let (mut links, mut anchors) = (0, 0);
    tags::each(&text, &mut |tag| {
        if base.is_none() && tag.is("base") {
            base = tag.value("href").map(str::to_owned);
        } else if links < MOST_SEEN && tag.is("link") {
            let found = linked(&tag);
            links += usize::from(found.is_some());
            seen.extend(found);
        } else if anchors < MOST_SEEN && tag.is("a") {
            let found = anchored(&tag);
            anchors += usize::from(found.is_some());
            seen.extend(found);
        }
    });
    let base = base.and_then(|href| page.join(unescaped(&href).trim()).ok()).unwrap_or_else(|| page.clone());
    let mut stated: Vec<Judged> = Vec::new();
    for one in &seen {
        let Some(url) = address(&base, &one.href).filter(|url| *url != without_fragment(page)) else { continue };
        if one.by == By::Anchor && !(looks_like_a_feed(&url) && is_of_the_site(&url, page)) {
            continue;
        }
        stated.push(Judged::new(one, url, page, stated.len()));
    }
    ranked(stated).chain(guesses(page)).fold(Chosen::default(), Chosen::with).candidates
}

/// The page as text: what its head declares counts where the header of the answer is silent.
fn decoded<'a>(input: &Input<'a>) -> std::borrow::Cow<'a, str> {
    let stated = input.content_type.filter(|stated| stated.to_ascii_lowercase().contains("charset="));
    let declared = tags::declared_charset(input.bytes).map(|charset| format!("text/html; charset={charset}"));
    charset::decode(input.bytes, stated.or(declared.as_deref()).or(input.content_type)).text
}

/// A tag that may name a feed.
struct Seen {
    href: String,
    title: Option<String>,
    by: By,
    kind: Kind,
}

/// Formats by preference: Atom says most and is read alike everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Atom,
    Rss,
    Json,
    Unknown,
}

/// `<link rel="alternate" type="..." href="...">`, or `rel="feed"`.
fn linked(tag: &tags::Tag<'_>) -> Option<Seen> {
    let rel = tag.value("rel")?.to_ascii_lowercase();
    let has = |word: &str| rel.split_ascii_whitespace().any(|one| one == word);
    let href = unescaped(tag.value("href")?.trim());
    let media_type = tag.value("type").unwrap_or_default();
    let kind = if has("alternate") && !has("stylesheet") {
        of_media_type(media_type, &href)
    } else {
        has("feed").then(|| of_media_type(media_type, &href).unwrap_or(Kind::Unknown))
    };
    let title = tag.value("title").map(|title| line(&unescaped(title))).filter(|title| !title.is_empty());
    Some(Seen { kind: kind?, href, title, by: By::Link })
}

fn anchored(tag: &tags::Tag<'_>) -> Option<Seen> {
    let href = unescaped(tag.value("href")?.trim());
    // Judged once it is resolved; here only what can be no feed is left behind.
    let lower = href.to_ascii_lowercase();
    if !["feed", "rss", "atom", "rdf", "index.xml"].iter().any(|word| lower.contains(word)) {
        return None;
    }
    let kind = match () {
        () if lower.contains("atom") => Kind::Atom,
        () if lower.ends_with(".json") => Kind::Json,
        () => Kind::Rss,
    };
    let title = tag.value("title").map(|title| line(&unescaped(title))).filter(|title| !title.is_empty());
    Some(Seen { href, title, by: By::Anchor, kind })
}

/// The format that a media type says; `None`: it is no feed's.
fn of_media_type(stated: &str, href: &str) -> Option<Kind> {
    let essence = stated.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = essence.split_once('/').map(|(_, subtype)| subtype).unwrap_or_default();
    match subtype.trim_start_matches("x-").trim_start_matches("x.") {
        "atom+xml" | "atom" => Some(Kind::Atom),
        "rss+xml" | "rss" => Some(Kind::Rss),
        "feed+json" => Some(Kind::Json),
        // WordPress names its API so, on every page.
        "json" => href.to_ascii_lowercase().contains("feed").then_some(Kind::Json),
        // RDF may be somebody's card, XML anything.
        "rdf+xml" | "xml" => Some(Kind::Unknown),
        _ => None,
    }
}

/// What stands of a feed in the order of preference.
struct Judged {
    class: Class,
    /// What it is called, without the words for formats: feeds called alike are one in several formats.
    name: String,
    kind: Kind,
    position: usize,
    candidate: Candidate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// The feed of the very category, tag or author that the page is about.
    OfThePage,
    Main,
    /// Of some category, tag or author.
    Part,
    Comments,
}

impl Judged {
    fn new(seen: &Seen, url: Url, page: &Url, position: usize) -> Judged {
        let title = seen.title.clone();
        Judged {
            class: class(&url, title.as_deref().unwrap_or_default(), page),
            name: name(title.as_deref().unwrap_or_default()),
            kind: seen.kind,
            position,
            candidate: Candidate { url, by: seen.by, title },
        }
    }
}

fn class(url: &Url, title: &str, page: &Url) -> Class {
    const COMMENTS: [&str; 7] = ["comment", "kommentar", "comentario", "comentário", "commenti", "reacties", "replies"];
    const PARTS: [&str; 9] = ["category", "categories", "tag", "tags", "author", "authors", "label", "topic", "search"];
    let title = title.to_lowercase();
    let path = url.path().to_ascii_lowercase();
    if COMMENTS.iter().any(|word| title.contains(word)) || path.contains("comment") {
        return Class::Comments;
    }
    let is_part = path.split('/').any(|segment| PARTS.contains(&segment))
        || url.query().is_some_and(|query| query.starts_with("s="));
    match is_part {
        false => Class::Main,
        true if page.path().len() > 1 && url.path().starts_with(page.path().trim_end_matches('/')) => Class::OfThePage,
        true => Class::Part,
    }
}

/// A title without the words that only name a format.
fn name(title: &str) -> String {
    const FORMATS: [&str; 12] =
        ["rss", "rss2", "atom", "json", "rdf", "xml", "feed", "feeds", "0.91", "0.92", "1.0", "2.0"];
    let words = title.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | ']' | ',' | ':' | '|' | '/'));
    let words = words.map(str::to_lowercase).filter(|word| word.chars().any(char::is_alphanumeric));
    words.filter(|word| !FORMATS.contains(&word.as_str()) && word != "1.1").collect::<Vec<_>>().join(" ")
}

/// Links before anchors, main feeds before parts before comments; then as the page has them, but of feeds that are called
/// alike Atom first.
fn ranked(stated: Vec<Judged>) -> impl Iterator<Item = Candidate> {
    let first_of = |one: &Judged| {
        let alike = |other: &&Judged| {
            (other.class, &other.name, other.candidate.by) == (one.class, &one.name, one.candidate.by)
        };
        stated.iter().find(alike).map_or(one.position, |first| first.position)
    };
    let groups: Vec<usize> = stated.iter().map(first_of).collect();
    let mut order: Vec<(usize, Judged)> = groups.into_iter().zip(stated).collect();
    order.sort_by_key(|(group, one)| (one.candidate.by, one.class, *group, one.kind, one.position));
    order.into_iter().map(|(_, one)| one.candidate)
}

fn guesses(page: &Url) -> impl Iterator<Item = Candidate> {
    let folder = page.path().rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = BESIDE_THE_PAGE.iter().filter(move |_| !folder.is_empty());
    let places: Vec<Url> = beside.chain(&AT_THE_ROOT).filter_map(|place| plain(page).join(place).ok()).collect();
    places.into_iter().map(|url| Candidate { url, by: By::Guess, title: None })
}

/// Each address once, and no more of a kind than is worth asking.
#[derive(Default)]
struct Chosen {
    candidates: Vec<Candidate>,
    urls: BTreeSet<String>,
    links: usize,
    anchors: usize,
}

impl Chosen {
    fn with(mut self, candidate: Candidate) -> Chosen {
        let full = match candidate.by {
            By::Link => self.links >= LINKS,
            By::Anchor => self.anchors >= ANCHORS,
            By::Guess => false,
        };
        if !full && self.urls.insert(candidate.url.to_string()) {
            self.links += usize::from(candidate.by == By::Link);
            self.anchors += usize::from(candidate.by == By::Anchor);
            self.candidates.push(candidate);
        }
        self
    }
}

/// An address of the web, as a page writes it: relative, or in the old `feed:` scheme.
fn address(base: &Url, href: &str) -> Option<Url> {
    let lower = href.get(..7).map(str::to_ascii_lowercase).unwrap_or_default();
    let href = match href.get(5..) {
        Some(rest) if lower == "feed://" => format!("http:{rest}"),
        Some(rest) if lower.starts_with("feed:h") => rest.to_owned(),
        _ => href.to_owned(),
    };
    let url = base.join(&href).ok().map(|url| without_fragment(&url))?;
    let plain = url.username().is_empty() && url.password().is_none();
    (matches!(url.scheme(), "http" | "https") && plain && url.has_host() && url.as_str().len() <= URL_LENGTH)
        .then_some(url)
}

/// By its last segment: `feed`, `rss`, `atom`, `feed.xml`, `news.rss` ...
fn looks_like_a_feed(url: &Url) -> bool {
    let path = url.path().trim_end_matches('/').to_ascii_lowercase();
    let last = path.rsplit('/').next().unwrap_or_default();
    match last.rsplit_once('.') {
        None => matches!(last, "feed" | "feeds" | "rss" | "rss2" | "atom" | "rdf"),
        Some((_, "rss" | "atom" | "rdf")) => true,
        Some((stem, "xml")) => stem == "index" || ["feed", "rss", "atom"].iter().any(|word| stem.contains(word)),
        Some((stem, "json")) => stem == "feed",
        Some((stem, "php")) => ["feed", "rss", "atom"].iter().any(|word| stem.contains(word)),
        Some(_) => false,
    }
}

/// Of the same registrable domain, or of a host that is there for feeds. A page links to other people's feeds, too.
fn is_of_the_site(url: &Url, page: &Url) -> bool {
    let domain = |url: &Url| url.host_str().map(|host| psl::domain_str(host).unwrap_or(host).to_owned());
    domain(url) == domain(page)
        || url.host_str().is_some_and(|host| host.starts_with("feeds.") || host.starts_with("feed."))
}

fn without_fragment(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_fragment(None);
    url
}

/// Without query and fragment, from which a guess would learn nothing.
fn plain(url: &Url) -> Url {
    let mut url = without_fragment(url);
    url.set_query(None);
    url
}

fn unescaped(value: &str) -> String {
    xml::unescape(value, &mut Default::default()).into_owned()
}

fn line(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(TITLE_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(page: &str, html: &str) -> Vec<Candidate> {
        let base = Url::parse(page).unwrap();
        candidates(&Input { bytes: html.as_bytes(), content_type: Some("text/html"), base: Some(&base) })
    }

    /// What the page itself names, best first.
    fn check(page: &str, html: &str, expected: &[&str]) {
        let found = found(page, html);
        let named: Vec<&str> = found.iter().filter(|one| one.by != By::Guess).map(|one| one.url.as_str()).collect();
        assert_eq!(named, expected, "{html}");
    }

    fn link(media_type: &str, title: &str, href: &str) -> String {
        format!("<link rel='alternate' type='{media_type}' title='{title}' href='{href}'>")
    }

    const HOME: &str = "https://example.org/";

    #[test]
    fn links_are_resolved() {
        let rss = |href| link("application/rss+xml", "", href);
        check("https://example.org/blog/post", &rss("feed.xml"), &["https://example.org/blog/feed.xml"]);
        check("https://example.org/blog/post", &rss("/feed.xml#top"), &["https://example.org/feed.xml"]);
        check(HOME, &rss("//cdn.example.org/f?a=1&amp;b=2"), &["https://cdn.example.org/f?a=1&b=2"]);
        check(HOME, &rss("https://example.org/?a=1&#038;b=2"), &["https://example.org/?a=1&b=2"]);
        let based = format!("{}<base href='/en/'><base href='/fr/'>", rss("feed.xml"));
        check("https://example.org/x/y", &based, &["https://example.org/en/feed.xml"]);
        check(HOME, &rss("feed://example.org/rss"), &["http://example.org/rss"]);
        check(HOME, &rss("feed:https://example.org/rss"), &["https://example.org/rss"]);
        for bad in ["", "javascript:alert(1)", "ftp://example.org/feed", "https://me:pw@example.org/feed", "https://["]
        {
            check(HOME, &rss(bad), &[]);
        }
        check(HOME, &rss(&format!("/{}", "a".repeat(5000))), &[]);
    }

    #[test]
    fn only_types_of_feeds_count() {
        for (media_type, counts) in [
            ("application/atom+xml", true),
            ("Application/RSS+XML; charset=utf-8", true),
            ("application/feed+json", true),
            ("application/x.atom+xml", true),
            ("text/xml", true),
            ("application/rdf+xml", true),
            ("application/json+oembed", false),
            ("text/xml+oembed", false),
            ("application/json", false),
            ("text/html", false),
            ("text/css", false),
            ("", false),
        ] {
            let named: &[&str] = if counts { &["https://example.org/x"] } else { &[] };
            check(HOME, &link(media_type, "", "/x"), named);
        }
        check(HOME, &link("application/json", "", "/feed.json"), &["https://example.org/feed.json"]);
        check(HOME, "<link rel='feed' href='/x'>", &["https://example.org/x"]);
        check(HOME, "<link rel='stylesheet alternate' type='application/rss+xml' href='/x'>", &[]);
        check(HOME, "<LINK REL=\"Home Alternate\" TYPE=application/rss+xml HREF=/x />", &["https://example.org/x"]);
        check(HOME, "<!-- <link rel=alternate type=application/rss+xml href=/x> -->", &[]);
        check(HOME, "<script>'<link rel=alternate type=application/rss+xml href=/x>'</script>", &[]);
    }

    #[test]
    fn the_main_feed_comes_first_and_atom_among_equals() {
        let (rss, atom) = ("application/rss+xml", "application/atom+xml");
        let page = [
            link(rss, "Site &raquo; Comments Feed", "/comments/feed/"),
            link(rss, "Site &raquo; Feed", "/feed/"),
            link(atom, "Site &raquo; Atom Feed", "/feed/atom/"),
            link(atom, "Another podcast", "/podcast.atom"),
            link(rss, "Site &raquo; News Category Feed", "/category/news/feed/"),
        ]
        .concat();
        let of = |paths: &[&str]| paths.iter().map(|path| format!("https://example.org{path}")).collect::<Vec<_>>();
        let expected = of(&["/feed/atom/", "/feed/", "/podcast.atom", "/category/news/feed/", "/comments/feed/"]);
        check(HOME, &page, &expected.iter().map(String::as_str).collect::<Vec<_>>());
        let expected = of(&["/category/news/feed/", "/feed/atom/", "/feed/", "/podcast.atom", "/comments/feed/"]);
        let category = "https://example.org/category/news/";
        check(category, &page, &expected.iter().map(String::as_str).collect::<Vec<_>>());
        let formats = [
            link(rss, "RSS 2.0", "/r"),
            link("application/feed+json", "JSON Feed", "/j"),
            link(atom, "Atom 1.0", "/a"),
        ];
        let expected = of(&["/a", "/r", "/j"]);
        check(HOME, &formats.concat(), &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn plain_links_count_where_they_look_like_feeds_of_the_site() {
        for (href, counts) in [
            ("/rss", true),
            ("/blog/feed/", true),
            ("/news.rss", true),
            ("/index.xml", true),
            ("https://feeds.elsewhere.net/example.rss", true),
            ("https://www.example.org/atom.xml", true),
            ("https://elsewhere.net/feed", false),
            ("https://reader.net/subscribe/https://example.org/feed", false),
            ("/feedback", false),
            ("/sitemap.xml", false),
            ("/how-rss-works.html", false),
        ] {
            let named = found(HOME, &format!("<a href='{href}'>x</a>")).iter().any(|one| one.by == By::Anchor);
            assert_eq!(named, counts, "{href}");
        }
        let both = format!("<a href='/atom.xml'>Atom</a>{}", link("application/rss+xml", "", "/x"));
        check(HOME, &both, &["https://example.org/x", "https://example.org/atom.xml"]);
    }

    #[test]
    fn the_usual_places_come_last() {
        let found_at =
            |page: &str| found(page, "<p>").into_iter().map(|one| one.url.path().to_owned()).collect::<Vec<_>>();
        assert_eq!(found_at(HOME), AT_THE_ROOT);
        assert_eq!(found_at("https://example.org/blog/?page=2")[..2], ["/blog/feed/", "/blog/atom.xml"]);
        let all = found(HOME, &link("application/rss+xml", "", "/feed"));
        assert_eq!((all[0].by, all.len()), (By::Link, AT_THE_ROOT.len()), "nobody is asked twice");
    }

    #[test]
    fn a_hostile_page_is_read_in_bounds() {
        let many: String = (0..50_000).map(|n| link("application/rss+xml", "t", &format!("/{n}"))).collect();
        let found = found(HOME, &many);
        assert_eq!(found.len(), LINKS + AT_THE_ROOT.len());
        for html in [
            "<",
            "<link",
            "<link rel='",
            "<!--",
            "<script>",
            "<a href=x",
            "<link rel=alternate type=\"application/rss+xml\" href",
        ] {
            check(HOME, &html.repeat(1000), &[]);
        }
    }

    #[test]
    fn titles_are_read_in_the_charset_of_the_page() {
        let page = b"<meta charset=iso-8859-1><link rel=alternate type=application/rss+xml title='Caf\xe9 &amp; more' href=/f>";
        let base = Url::parse(HOME).unwrap();
        let found = candidates(&Input { bytes: page, content_type: Some("text/html"), base: Some(&base) });
        assert_eq!(found[0].title.as_deref(), Some("Café & more"));
    }
}
