//! Troubles: `/status.atom`, a feed of when sources failed and when they were well again (RFC 4287).
//!
//! Two entries for each trouble, its beginning and its end: a reader shows what is new, not what was changed. All that
//! stands in them was written down when it happened, so that the bytes change only when something happens.

use atom_syndication::{Category, Content, Entry, Feed, FixedDateTime, Generator, Link, Person, Text, WriteConfig};

use super::text;
use crate::model::Time;

/// File name, below the site's base.
pub const STATUS: &str = "status.atom";

/// Entries of the document, newest first; older ones have been seen or are history.
pub const MOST: usize = 50;

/// What is told of one trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Absolute IRIs; never change.
    pub began_id: String,
    pub ended_id: String,
    /// Name of the source.
    pub source: String,
    pub began: Time,
    /// `None`: it lasts.
    pub ended: Option<Time>,
    /// The step that failed.
    pub stage: String,
    /// In words for everybody; `None`: nobody's business.
    pub cause: Option<String>,
    /// The source's row on the status page. Absolute.
    pub link: String,
}

/// The feed around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Troubles {
    pub id: String,
    /// Title of the site.
    pub site: String,
    /// Absolute base of the site, with a slash at its end.
    pub base: String,
    pub hubs: Vec<String>,
    /// When the site was made: the `updated` of an empty feed.
    pub created: Time,
    pub troubles: Vec<Trouble>,
}

/// The document.
pub fn document(feed: &Troubles) -> Vec<u8> {
    let mut entries: Vec<(Time, Entry)> = feed.troubles.iter().flat_map(told).collect();
    entries.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.id.cmp(&other.id)));
    entries.truncate(MOST);
    let link = |href: String, rel: &str, kind: Option<&str>| Link {
        href: text::url(&href).into_owned(),
        rel: rel.to_owned(),
        mime_type: kind.map(str::to_owned),
        ..Link::default()
    };
    let mut links = vec![
        link(format!("{}{STATUS}", feed.base), "self", Some("application/atom+xml")),
        link(format!("{}status", feed.base), "alternate", Some("text/html")),
    ];
    links.extend(feed.hubs.iter().map(|hub| link(hub.clone(), "hub", None)));
    let site = Some(text::line(&feed.site)).filter(|site| !site.is_empty()).unwrap_or_else(|| "newsdesk".to_owned());
    let document = Feed {
        title: Text::plain(format!("{site}: how its sources are")),
        subtitle: Some(Text::plain("Which source began to fail, and which is well again.")),
        id: text::xml(&feed.id).into_owned(),
        updated: instant(entries.first().map_or(feed.created, |(at, _)| *at)),
        authors: vec![Person { name: site, ..Person::default() }],
        generator: Some(Generator { value: super::GENERATOR.to_owned(), uri: None, version: None }),
        lang: Some("en".to_owned()),
        links,
        entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        ..Feed::default()
    };
    let config = WriteConfig { write_document_declaration: false, indent_size: None };
    let declaration = b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n".to_vec();
    let mut bytes = document.write_with_config(declaration, config).unwrap_or_default(); // a Vec takes every write
    bytes.push(b'\n');
    bytes
}

fn told(trouble: &Trouble) -> Vec<(Time, Entry)> {
    let name =
        Some(text::line(&trouble.source)).filter(|name| !name.is_empty()).unwrap_or_else(|| "A source".to_owned());
    let cause = trouble.cause.as_deref().map(text::line).filter(|cause| !cause.is_empty());
    let cause = cause.map(|cause| format!("<p>{}</p>", text::escape_html(&cause))).unwrap_or_default();
    let stage = text::escape_html(&text::line(&trouble.stage));
    let began = entry(
        &trouble.began_id,
        format!("{name} fails"),
        format!(
            "<p>Since {}. The step that failed: {stage}.</p>{cause}<p>What it has brought stays; it is asked again by itself.</p>",
            moment(trouble.began)
        ),
        ("failing", trouble.began),
        &trouble.link,
    );
    let ended = trouble.ended.map(|at| {
        let content = format!(
            "<p>It had failed from {} to {}. The step that failed: {stage}.</p>{cause}",
            moment(trouble.began),
            moment(at)
        );
        entry(&trouble.ended_id, format!("{name} is well again"), content, ("well", at), &trouble.link)
    });
    std::iter::once(began).chain(ended).collect()
}

fn entry(id: &str, title: String, content: String, (term, at): (&str, Time), link: &str) -> (Time, Entry) {
    let entry = Entry {
        id: text::xml(id).into_owned(),
        title: Text::plain(title),
        updated: instant(at),
        published: Some(instant(at)),
        categories: vec![Category { term: term.to_owned(), scheme: None, label: None }],
        links: vec![Link {
            href: text::url(link).into_owned(),
            rel: "alternate".to_owned(),
            mime_type: Some("text/html".to_owned()),
            ..Link::default()
        }],
        content: Some(Content {
            value: Some(text::xml(&content).into_owned()),
            content_type: Some("html".to_owned()),
            ..Content::default()
        }),
        ..Entry::default()
    };
    (at, entry)
}

/// In UTC, so that the words do not change with the configured time zone.
fn moment(at: Time) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}

fn instant(time: Time) -> FixedDateTime {
    text::instant(time).fixed_offset()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn feed(troubles: Vec<Trouble>) -> Troubles {
        Troubles {
            id: "urn:uuid:5b0e6a7c-93a0-5d5c-9a8e-4a7f1e9b0c01".into(),
            site: "The <Daily> & Desk".into(),
            base: "https://news.example/desk/".into(),
            hubs: vec!["https://hub.example/".into()],
            created: at("2026-01-01T00:00:00Z"),
            troubles,
        }
    }

    fn trouble(n: u32, ended: Option<&str>) -> Trouble {
        Trouble {
            began_id: format!("urn:uuid:5b0e6a7c-93a0-5d5c-9a8e-4a7f1e9b{n:04}"),
            ended_id: format!("urn:uuid:5b0e6a7c-93a0-5d5c-9a8e-4a7f1e9c{n:04}"),
            source: "Slow \u{1}<Times>".into(),
            began: at("2026-03-28T09:45:00Z"),
            ended: ended.map(at),
            stage: "fetch".into(),
            cause: Some("no answer within <15> s".into()),
            link: "https://news.example/desk/status#s1".into(),
        }
    }

    #[test]
    fn a_beginning_and_an_end() {
        let document = document(&feed(vec![trouble(1, Some("2026-03-28T12:00:00Z")), trouble(2, None)]));
        let read = feed_rs::parser::parse(&document[..]).unwrap();
        let titles: Vec<String> = read.entries.iter().map(|entry| entry.title.clone().unwrap().content).collect();
        assert_eq!(titles, ["Slow <Times> is well again", "Slow <Times> fails", "Slow <Times> fails"]);
        let first = &read.entries[0];
        assert_eq!(first.published, Some(at("2026-03-28T12:00:00Z")));
        assert_eq!(
            first.content.clone().unwrap().body.unwrap(),
            "<p>It had failed from 28 March 2026, 09:45 UTC to 28 March 2026, 12:00 UTC. The step that failed: fetch.</p><p>no answer within &lt;15&gt; s</p>"
        );
        assert_eq!(read.updated, Some(at("2026-03-28T12:00:00Z")));
        assert!(
            read.links
                .iter()
                .any(|link| link.rel.as_deref() == Some("self") && link.href.ends_with("/desk/status.atom"))
        );
    }

    #[test]
    fn an_empty_one_is_a_feed_and_a_long_one_is_cut() {
        let empty = feed_rs::parser::parse(&document(&feed(Vec::new()))[..]).unwrap();
        assert_eq!((empty.entries.len(), empty.updated), (0, Some(at("2026-01-01T00:00:00Z"))));
        let many = (0..200).map(|n| trouble(n, Some("2026-03-28T12:00:00Z"))).collect();
        assert_eq!(feed_rs::parser::parse(&document(&feed(many))[..]).unwrap().entries.len(), MOST);
    }
}
