//! OPML 2.0: what we offer and what we read, for any reader's import.

use super::text;

/// One outline: a feed by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// Shown text; never empty.
    pub text: String,
    /// The feed; `None`: named only (a folder, a private source).
    pub xml_url: Option<String>,
    /// Home page.
    pub html_url: Option<String>,
    pub description: Option<String>,
    /// BCP 47.
    pub language: Option<String>,
    /// Sections, as OPML categories (`/politics`).
    pub sections: Vec<String>,
}

/// `/sections.opml`: the feeds we offer, the whole site's first.
pub fn sections(title: &str, feeds: &[Outline]) -> Vec<u8> {
    document(title, feeds)
}

/// `/sources.opml`: what we read. Private sources and folders by name only.
pub fn sources(title: &str, sources: &[Outline]) -> Vec<u8> {
    document(title, sources)
}

fn document(title: &str, outlines: &[Outline]) -> Vec<u8> {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<opml version=\"2.0\">\n<head><title>");
    xml.push_str(&text::escape_html(&text::line(title)));
    xml.push_str("</title></head>\n<body>\n");
    for outline in outlines {
        xml.push_str("<outline");
        let name = Some(text::line(&outline.text)).filter(|name| !name.is_empty()).unwrap_or_else(|| "Untitled".into());
        let url = |url: &Option<String>| url.as_deref().map(|url| text::url(url).into_owned());
        let sections: Vec<String> = outline.sections.iter().map(|name| format!("/{}", text::line(name))).collect();
        let attributes = [
            ("text", Some(name.clone())),
            ("title", Some(name)),
            ("type", outline.xml_url.as_ref().map(|_| "rss".to_owned())),
            ("xmlUrl", url(&outline.xml_url)),
            ("htmlUrl", url(&outline.html_url)),
            ("description", outline.description.as_deref().map(text::line)),
            ("language", outline.language.as_deref().and_then(text::language)),
            ("category", Some(sections.join(",")).filter(|list| !list.is_empty())),
        ];
        for (name, value) in attributes {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                xml.extend([" ", name, "=\"", &text::escape_html(&value), "\""]);
            }
        }
        xml.push_str("/>\n");
    }
    xml.push_str("</body>\n</opml>\n");
    xml.into_bytes()
}
