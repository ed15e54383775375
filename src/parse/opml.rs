//! OPML: a list of feeds, each with its folders, read as tolerantly as the feeds themselves.

use super::reader::Reader;
use super::{Limits, charset};

/// One feed of the list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// `text`, else `title`.
    pub text: Option<String>,
    pub xml_url: String,
    pub html_url: Option<String>,
    /// Texts of the outlines around it, outermost first, and its own `category`.
    pub folders: Vec<String>,
}

/// Why a document is no list of feeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOpml {
    #[error("the list is empty")]
    Empty,
    #[error("this is no OPML: it has no <opml> and no <outline>{}", .root.as_ref().map(|root| format!(", but <{root}>")).unwrap_or_default())]
    NoOutlines { root: Option<String> },
}

/// Every outline with an xmlUrl, in the order of the document.
pub fn outlines(bytes: &[u8]) -> Result<Vec<Outline>, NotOpml> {
    if bytes.trim_ascii().is_empty() {
        return Err(NotOpml::Empty);
    }
    let decoded = charset::decode(bytes, None);
    let mut reader = Reader::new(&decoded.text, None, &Limits::default());
    let mut outlines = Vec::new();
    let mut folders: Vec<(usize, String)> = Vec::new();
    let (mut level, mut is_opml, mut root) = (0, false, None);
    loop {
        let Some(element) = reader.child(level) else {
            if level == 0 {
                break;
            }
            level = reader.level();
            folders.retain(|(at, _)| *at <= level);
            continue;
        };
        level = element.level;
        root.get_or_insert_with(|| element.name.to_string());
        is_opml |= matches!(&*element.name, "opml" | "outline");
        if element.name != "outline" {
            continue;
        }
        let attribute = |name: &str| element.attribute(name).map(|value| value.trim().to_owned());
        let text = attribute("text").or_else(|| attribute("title"));
        match attribute("xmlurl") {
            Some(xml_url) => {
                let mut around: Vec<String> = folders.iter().map(|(_, name)| name.clone()).collect();
                let category = attribute("category").unwrap_or_default();
                let own =
                    category.split(',').flat_map(|path| path.split('/')).map(str::trim).filter(|name| !name.is_empty());
                for name in own {
                    if !around.iter().any(|known| known == name) {
                        around.push(name.to_owned());
                    }
                }
                outlines.push(Outline { text, xml_url, html_url: attribute("htmlurl"), folders: around });
            }
            None => folders.extend(text.map(|text| (element.level, text))),
        }
    }
    if is_opml { Ok(outlines) } else { Err(NotOpml::NoOutlines { root }) }
}
