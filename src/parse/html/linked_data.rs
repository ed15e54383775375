//! JSON-LD in a page: what schema.org's `Article` and its kinds say.

use chrono_tz::Tz;
use serde_json::{Map, Value};

use crate::model::{Person, Time};
use crate::parse::article::{date, web_address};

/// What the page's linked data says of the article. The first object that says a thing counts.
#[derive(Debug, Default)]
pub(super) struct LinkedData {
    pub headline: Option<String>,
    pub description: Option<String>,
    pub authors: Vec<Person>,
    pub published: Option<Time>,
    pub modified: Option<Time>,
    pub sections: Vec<String>,
    pub keywords: Vec<String>,
    pub image: Option<String>,
    pub language: Option<String>,
    pub url: Option<String>,
}

impl LinkedData {
    /// Takes in one script; `zone`: of dates that say none. The reader of JSON refuses deep nesting by itself.
    pub fn read(&mut self, json: &str, zone: Tz, warnings: &mut Vec<String>) {
        let mut open = match serde_json::from_str::<Value>(json.trim()) {
            Ok(value) => vec![value],
            Err(cause) => {
                warnings.push(format!("JSON-LD passed over: {cause}"));
                return;
            }
        };
        while let Some(value) = open.pop() {
            match value {
                Value::Array(values) => open.extend(values.into_iter().rev()),
                Value::Object(mut object) => {
                    if let Some(graph) = object.remove("@graph") {
                        open.push(graph);
                    }
                    if is_article(&object) {
                        self.take(&object, zone);
                    }
                }
                _ => {}
            }
        }
    }

    fn take(&mut self, object: &Map<String, Value>, zone: Tz) {
        let text = |key: &str| texts(object.get(key)).into_iter().next();
        let instant = |key: &str| text(key).as_deref().and_then(|text| date(text, zone));
        self.headline = self.headline.take().or_else(|| text("headline")).or_else(|| text("name"));
        self.description = self.description.take().or_else(|| text("description"));
        self.published = self.published.or_else(|| instant("datePublished"));
        self.modified = self.modified.or_else(|| instant("dateModified"));
        self.language = self.language.take().or_else(|| text("inLanguage"));
        self.url = self.url.take().or_else(|| text("url").as_deref().and_then(web_address));
        if self.authors.is_empty() {
            self.authors = people(object.get("author"));
        }
        if self.sections.is_empty() {
            self.sections = texts(object.get("articleSection"));
        }
        if self.keywords.is_empty() {
            let keywords = texts(object.get("keywords"));
            self.keywords =
                keywords.iter().flat_map(|list| list.split(',')).map(|word| word.trim().to_owned()).collect();
        }
        self.image = self.image.take().or_else(|| one_or_many(object.get("image")).find_map(image));
    }
}

/// An object whose type ends like those of articles do.
fn is_article(object: &Map<String, Value>) -> bool {
    const KINDS: [&str; 4] = ["Article", "Posting", "Report", "BlogPost"];
    texts(object.get("@type")).iter().any(|kind| KINDS.iter().any(|end| kind.ends_with(end)))
}

fn one_or_many(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (one, many) = match value {
        Some(Value::Array(values)) => (None, values.as_slice()),
        value => (value, &[][..]),
    };
    one.into_iter().chain(many)
}

/// Strings, and the `name` of objects.
fn texts(value: Option<&Value>) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Object(object) => object.get("name").and_then(Value::as_str).map(str::to_owned),
        value => value.as_str().map(str::to_owned),
    };
    one_or_many(value).filter_map(text).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
}

fn people(value: Option<&Value>) -> Vec<Person> {
    let person = |value: &Value| {
        let name = texts(Some(value)).into_iter().next().filter(|name| web_address(name).is_none())?;
        let field = |key: &str| value.get(key).and_then(Value::as_str);
        let email = field("email").map(|email| email.trim_start_matches("mailto:").to_owned());
        Some(Person { name: Some(name), email, uri: field("url").and_then(web_address) })
    };
    one_or_many(value).filter_map(person).collect()
}

fn image(value: &Value) -> Option<String> {
    let url = value.as_str().or_else(|| value.get("url").and_then(Value::as_str))?.trim();
    (!url.is_empty()).then(|| url.to_owned())
}
