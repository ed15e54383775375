//! Header lines: a known key, a colon and a value that fits it.

use chrono_tz::Tz;

use super::names::people;
use super::page::width;
use super::vocabulary::Vocabulary;
use crate::model::Person;
use crate::parse::article::{date, file_reference, is_language, web_address};

/// One header line, understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Header {
    /// A date, as it is written.
    Published(String),
    /// A date, as it is written.
    Updated(String),
    Authors(Vec<Person>),
    /// Section names, and the words that name none.
    Sections(Vec<String>, Vec<String>),
    Categories(Vec<String>),
    Title(String),
    Link(String),
    Language(String),
    Summary(String),
    Image(String),
    /// A key of a form that nobody filled in.
    Blank,
}

impl Header {
    /// Could any words be this value? Then the line may as well be a title with a colon in it.
    pub fn may_be_a_title(&self) -> bool {
        matches!(self, Header::Sections(..) | Header::Categories(_) | Header::Summary(_) | Header::Blank)
    }
}

/// The header that a line is; `None` if its key is unknown or its value does not fit.
pub(super) fn read(line: &str, vocabulary: &Vocabulary) -> Option<Header> {
    let (key, value) = line.split_once([':', '：'])?;
    let value = value.trim();
    if key.len() > LONGEST_KEY {
        return None;
    }
    let key = key.trim().to_lowercase();
    if value.is_empty() {
        return KEYS.contains(&key.as_str()).then_some(Header::Blank);
    }
    let is_date = || date(value, Tz::UTC).is_some();
    match key.as_str() {
        "date" | "published" => is_date().then(|| Header::Published(value.to_owned())),
        "updated" => is_date().then(|| Header::Updated(value.to_owned())),
        "author" | "authors" | "by" => people(value).filter(|people| !people.is_empty()).map(Header::Authors),
        "section" | "sections" => sections(value, vocabulary),
        "category" | "categories" | "tag" | "tags" | "keyword" | "keywords" => terms(value).map(Header::Categories),
        "title" => Some(Header::Title(value.to_owned())),
        "link" | "url" => web_address(value).map(Header::Link),
        "language" => is_language(value).then(|| Header::Language(value.to_owned())),
        "summary" => Some(Header::Summary(value.to_owned())),
        "image" => (web_address(value).is_some() || file_reference(value)).then(|| Header::Image(value.to_owned())),
        _ => None,
    }
}

const LONGEST_KEY: usize = 20;

/// Keys that may be left blank.
const KEYS: [&str; 20] = [
    "date",
    "published",
    "updated",
    "author",
    "authors",
    "by",
    "section",
    "sections",
    "category",
    "categories",
    "tag",
    "tags",
    "keyword",
    "keywords",
    "title",
    "link",
    "url",
    "language",
    "summary",
    "image",
];

fn sections(value: &str, vocabulary: &Vocabulary) -> Option<Header> {
    if width(value) > super::section_line::WIDEST {
        return None;
    }
    let reading = super::section_line::read(value, vocabulary)?;
    Some(Header::Sections(reading.sections, reading.unknown))
}

/// "a, b; c"
fn terms(value: &str) -> Option<Vec<String>> {
    const LONGEST_TERM: usize = 60;
    let terms: Vec<String> =
        value.split([',', ';']).map(str::trim).filter(|term| !term.is_empty()).map(str::to_owned).collect();
    (!terms.is_empty() && terms.iter().all(|term| width(term) <= LONGEST_TERM)).then_some(terms)
}
