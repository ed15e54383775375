//! HTML articles: what `<meta>`, Open Graph, JSON-LD and `<time>` say, and the text of `<article>`.
//!
//! The body is `<article>`, else `<main>`, else `<body>` without the page's furniture; `normalize` sanitizes it.

pub(crate) mod bounds;
mod dom;
mod linked_data;
pub mod main_text;
pub(super) mod tags;

use chrono_tz::Tz;
use dom_query::{Document, NodeRef};
use url::Url;

use self::linked_data::LinkedData;
use super::article::{
    Article, NotAnArticle, Options, cut, date, html_text, is_language, of_entry, plain_text, web_address,
};
use super::feed::{ParsedEntry, Text};
use super::plain::first_sentence;
use crate::model::{Category, Enclosure, Person};

/// Reads one HTML article.
pub fn read(text: &str, options: &Options<'_>) -> Result<Article, NotAnArticle> {
    let mut warnings = Vec::new();
    // Scripts and styles are most of a page: the limit of a text is the body's, the page may be larger.
    let text = cut(text, options.limits.text_bytes.saturating_mul(PAGE_TO_TEXT), &mut warnings);
    let document = dom::build(text, options.limits.depth)?;
    let page = Page::read(&document, options.zone, &mut warnings);
    let body = body(&document);
    let first_heading = body.as_ref().and_then(|body| first(body, &["h1"])).map(|heading| words(&heading));
    let title = page.title(first_heading.as_deref());
    if let Some(body) = &body {
        drop_furniture(body, title.as_deref());
    }
    let plain = body.as_ref().map(words).unwrap_or_default();
    let content = body.as_ref().map(|body| body.inner_html().to_string()).unwrap_or_default();
    // Where nothing marks the text, everything on the page is in the body.
    let found =
        if options.full_text { main_text::of_document(dom::build(text, options.limits.depth)?, None) } else { None };
    let content = found.unwrap_or(content);
    let content = cut(content.trim(), options.limits.text_bytes, &mut warnings).to_owned();
    let has_content = !plain.is_empty() || tags::holds_media(&content);
    let title = title.or_else(|| (!plain.is_empty()).then(|| first_sentence(&plain)));
    let summary = page.first_of(&["description", "og:description", "twitter:description"]);
    let summary = summary.or_else(|| page.linked.description.clone()).or_else(|| first_paragraph(body.as_ref()?));
    let mut entry = ParsedEntry {
        title: title.as_deref().and_then(plain_text),
        summary: summary.as_deref().and_then(plain_text),
        content: has_content.then(|| html_text(content)).flatten(),
        ..ParsedEntry::default()
    };
    if entry.title.is_none() {
        return Err(NotAnArticle::NoText);
    }
    page.fill(&mut entry, body.as_ref(), options);
    let base = page.base();
    for text in [&mut entry.content, &mut entry.summary].into_iter().flatten() {
        *text = Text { base: base.clone(), language: entry.language.clone(), ..text.clone() };
    }
    Ok(Article { warnings, ..of_entry(entry) })
}

/// A page may be this many times as large as its text.
const PAGE_TO_TEXT: usize = 8;

/// What the head of a page says.
struct Page<'a> {
    document: &'a Document,
    /// Names in lower case and contents of `<meta>`, in order.
    meta: Vec<(String, String)>,
    linked: LinkedData,
    /// Of dates that say none.
    zone: Tz,
}

impl<'a> Page<'a> {
    fn read(document: &'a Document, zone: Tz, warnings: &mut Vec<String>) -> Self {
        let mut page = Page { document, meta: Vec::new(), linked: LinkedData::default(), zone };
        for node in document.root().descendants_it() {
            if node.has_name("meta") {
                let name = ["property", "name", "itemprop"].iter().find_map(|key| node.attr(key));
                if let (Some(name), Some(content)) = (name, node.attr("content")) {
                    page.meta.push((name.trim().to_ascii_lowercase(), content.trim().to_owned()));
                }
            } else if node.has_name("script") {
                let kind = node.attr("type").unwrap_or_default();
                if kind.trim().eq_ignore_ascii_case("application/ld+json") {
                    page.linked.read(&node.text(), zone, warnings);
                }
            }
        }
        page
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.meta.iter().filter(move |(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    fn first_of(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.all(name).next()).map(str::to_owned)
    }

    /// What the page says is its title. `<title>` often carries the site's name: a heading that it begins with is better.
    fn title(&self, heading: Option<&str>) -> Option<String> {
        let stated = self.first_of(&["og:title"]).or_else(|| self.linked.headline.clone());
        let heading = heading.filter(|heading| !heading.is_empty());
        let element =
            first(&self.document.root(), &["title"]).map(|title| words(&title)).filter(|title| !title.is_empty());
        let clean = match (element, heading) {
            (Some(title), Some(heading)) if title.contains(heading) => Some(heading.to_owned()),
            (title, heading) => title.or_else(|| heading.map(str::to_owned)),
        };
        stated.or(clean).or_else(|| self.first_of(&["twitter:title", "dc.title", "dcterms.title"]))
    }

    /// Everything but the texts.
    fn fill(&self, entry: &mut ParsedEntry, body: Option<&NodeRef<'_>>, options: &Options<'_>) {
        entry.authors = self.authors();
        entry.published = self
            .linked
            .published
            .or_else(|| {
                let names =
                    ["article:published_time", "datepublished", "pubdate", "date", "dc.date", "dcterms.created"];
                names.iter().find_map(|name| self.all(name).find_map(|text| date(text, self.zone)))
            })
            .or_else(|| self.time(body));
        entry.updated = self.linked.modified.or_else(|| {
            let names =
                ["article:modified_time", "og:updated_time", "datemodified", "last-modified", "dcterms.modified"];
            names.iter().find_map(|name| self.all(name).find_map(|text| date(text, self.zone)))
        });
        entry.link = self.canonical();
        let image = self.first_of(&["og:image", "og:image:url", "twitter:image", "twitter:image:src"]);
        entry.image = image.or_else(|| self.linked.image.clone());
        let language =
            first(&self.document.root(), &["html"]).and_then(|html| html.attr("lang")).map(|tag| tag.to_string());
        let language = language.or_else(|| self.first_of(&["og:locale"])).or_else(|| self.linked.language.clone());
        entry.language = language.map(|tag| tag.trim().replace('_', "-")).filter(|tag| is_language(tag));
        for url in self.all("og:audio").chain(self.all("og:video")) {
            entry.enclosures.push(Enclosure { url: url.to_owned(), ..Enclosure::default() });
        }
        self.sections_and_categories(entry, options);
    }

    fn sections_and_categories(&self, entry: &mut ParsedEntry, options: &Options<'_>) {
        let mut terms: Vec<String> = Vec::new();
        let stated = self.all("article:section").map(str::to_owned);
        for name in stated.chain(self.linked.sections.iter().cloned()) {
            match options.vocabulary.resolve(&name) {
                Some(section) if entry.sections.iter().all(|known| known != section) => {
                    entry.sections.push(section.to_owned());
                }
                Some(_) => {}
                None => terms.push(name),
            }
        }
        terms.extend(self.all("article:tag").map(str::to_owned));
        terms.extend(self.all("keywords").flat_map(|list| list.split(',')).map(str::to_owned));
        terms.extend(self.linked.keywords.iter().cloned());
        for term in terms.iter().map(|term| term.trim()).filter(|term| !term.is_empty()) {
            if entry.categories.iter().all(|known| !known.term.eq_ignore_ascii_case(term)) {
                entry.categories.push(Category { term: term.to_owned(), ..Category::default() });
            }
            if entry.categories.len() > options.limits.categories {
                break;
            }
        }
    }

    fn authors(&self) -> Vec<Person> {
        if !self.linked.authors.is_empty() {
            return self.linked.authors.clone();
        }
        let named = |name: &str| Person { name: Some(name.trim().to_owned()), ..Person::default() };
        // Open Graph has profiles there, people write names.
        let stated = ["author", "article:author", "dc.creator", "dcterms.creator", "parsely-author"];
        let found =
            stated.iter().map(|name| self.all(name).filter(|name| web_address(name).is_none()).collect::<Vec<_>>());
        let found = found.into_iter().find(|names| !names.is_empty()).unwrap_or_default();
        let mut people: Vec<Person> = found.into_iter().map(named).collect();
        if people.is_empty() {
            let linked = |node: &NodeRef<'_>| node.attr("rel").is_some_and(|rel| has_word(&rel, "author"));
            let link = self.document.root().descendants_it().find(|node| node.has_name("a") && linked(node));
            people.extend(link.map(|link| words(&link)).filter(|name| !name.is_empty()).map(|name| named(&name)));
        }
        people
    }

    /// The page's own address, as it states it.
    fn canonical(&self) -> Option<String> {
        let canonical = |node: &NodeRef<'_>| {
            node.has_name("link") && node.attr("rel").is_some_and(|rel| has_word(&rel, "canonical"))
        };
        let link = self.document.root().descendants_it().find(canonical).and_then(|link| link.attr("href"));
        link.and_then(|href| web_address(&href))
            .or_else(|| self.first_of(&["og:url"]).and_then(|url| web_address(&url)))
            .or_else(|| self.linked.url.clone())
    }

    /// The first `<time>` that says when the article was published, else the first in it.
    fn time(&self, body: Option<&NodeRef<'_>>) -> Option<crate::model::Time> {
        let instant = |node: &NodeRef<'_>| {
            let stated = node.attr("datetime").map(|value| value.to_string());
            date(stated.unwrap_or_else(|| words(node)).trim(), self.zone)
        };
        let says = |node: &NodeRef<'_>| {
            node.has_attr("pubdate") || node.attr("itemprop").is_some_and(|prop| has_word(&prop, "datePublished"))
        };
        let times = |root: &NodeRef<'_>| -> Vec<_> {
            root.descendants_it()
                .filter(|node| node.has_name("time"))
                .map(|node| (says(&node), instant(&node)))
                .collect()
        };
        let everywhere = times(&self.document.root());
        let said = everywhere.iter().find_map(|(says, time)| time.filter(|_| *says));
        said.or_else(|| times(body?).into_iter().find_map(|(_, time)| time))
    }

    /// `<base href>`, where it is absolute. Without one, what is relative lies beside the file.
    fn base(&self) -> Option<Url> {
        let href = first(&self.document.root(), &["base"])?.attr("href")?;
        Url::parse(&web_address(&href)?).ok()
    }
}

/// The element that holds the article: the longest `<article>`, else `<main>`, else `<body>`.
fn body(document: &Document) -> Option<NodeRef<'_>> {
    let root = document.root();
    let articles = root.descendants_it().filter(|node| node.has_name("article"));
    // An article inside of another (a comment, a teaser) is not measured: the outer one comes first and is longer.
    let mut seen = 0;
    let longest = articles.take_while(|_| {
        seen += 1;
        seen <= MOST_ARTICLES
    });
    let longest = longest.map(|node| (node.text().len(), node)).reduce(|a, b| if b.0 > a.0 { b } else { a });
    longest.map(|(_, node)| node).or_else(|| first(&root, &["main"])).or_else(|| first(&root, &["body"]))
}

/// Pages with more articles than this are lists.
const MOST_ARTICLES: usize = 50;

/// Takes out what belongs to the page and not to its text, and the heading that repeats the title.
fn drop_furniture(body: &NodeRef<'_>, title: Option<&str>) {
    const ALWAYS: [&str; 9] = ["script", "style", "noscript", "template", "form", "nav", "button", "dialog", "link"];
    const AROUND: [&str; 3] = ["header", "footer", "aside"];
    let whole_page = body.has_name("body");
    let furniture = |node: &NodeRef<'_>| {
        let named = |names: &[&str]| names.iter().any(|name| node.has_name(name));
        // A header in the page's <body> is furniture, unless the heading is in there.
        let around = whole_page && named(&AROUND) && first(node, &["h1"]).is_none();
        let hidden = node.has_attr("hidden") || node.attr("aria-hidden").is_some_and(|value| &*value == "true");
        let repeats = node.has_name("h1") && title.is_some_and(|title| words(node) == title.trim());
        named(&ALWAYS) || around || hidden || repeats
    };
    let nodes: Vec<NodeRef<'_>> = body.descendants_it().filter(|node| node.is_element() && furniture(node)).collect();
    for node in nodes {
        node.remove_from_parent();
    }
}

fn first_paragraph(body: &NodeRef<'_>) -> Option<String> {
    const SHORTEST: usize = 40;
    let mut paragraphs = body.descendants_it().filter(|node| node.has_name("p")).map(|node| words(&node));
    let mut first = None;
    for text in paragraphs.by_ref().filter(|text| !text.is_empty()).take(20) {
        if text.chars().count() >= SHORTEST {
            return Some(text);
        }
        first.get_or_insert(text);
    }
    first
}

fn first<'a>(root: &NodeRef<'a>, names: &[&str]) -> Option<NodeRef<'a>> {
    root.descendants_it().find(|node| names.iter().any(|name| node.has_name(name)))
}

/// The text of an element, on one line.
fn words(node: &NodeRef<'_>) -> String {
    node.text().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn has_word(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|one| one.eq_ignore_ascii_case(word))
}
