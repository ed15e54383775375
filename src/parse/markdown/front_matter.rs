//! Front matter onto the fields of an entry: left their names, right ours.

use chrono_tz::Tz;

use super::value::{FrontMatter, Value, field};
use crate::model::{Category, Enclosure, Person, Time};
use crate::parse::ParsedEntry;
use crate::parse::article::{NotAnArticle, Options, date, file_reference, is_language, plain_text, web_address};
use crate::parse::feed::Attribution;

/// Takes over what the front matter states. A value that cannot be meant so is an error that names its line.
pub(super) fn apply(
    front: &FrontMatter<'_>,
    entry: &mut ParsedEntry,
    options: &Options<'_>,
    warnings: &mut Vec<String>,
) -> Result<(), NotAnArticle> {
    entry.title = text(front, &["title"])?.and_then(plain_text);
    // Hugo publishes at `publishDate` where there is one.
    entry.published = time(front, &["publishdate", "date", "published", "pubdate", "published_at"], options.zone)?;
    entry.updated =
        time(front, &["lastmod", "updated", "last_modified_at", "modified", "last-modified"], options.zone)?;
    entry.draft = draft(front)?;
    entry.authors = front.find(&["authors", "author"]).map(|(_, value)| people(value)).unwrap_or_default();
    let summary = text(front, &["summary", "description", "excerpt"])?;
    entry.summary = summary.and_then(plain_text);
    entry.language =
        text(front, &["language", "lang", "locale"])?.filter(|tag| is_language(tag)).map(|tag| tag.replace('_', "-"));
    entry.rights = text(front, &["rights", "copyright"])?.map(str::to_owned);
    entry.slug = text(front, &["slug"])?.map(str::to_owned);
    entry.link = link(front, warnings)?;
    entry.image = front
        .find(&["image", "images", "cover", "featured_image", "feature_image", "thumbnail", "banner"])
        .and_then(|(_, value)| value.items().iter().find_map(address));
    if let Some((_, value)) = front.find(&["enclosure", "enclosures", "audio"]) {
        entry.enclosures = value.items().iter().filter_map(enclosure).collect();
    }
    if let Some((_, value)) = front.find(&["source", "sources", "via"]) {
        entry.attributions = value.items().iter().filter_map(attribution).collect();
    }
    sections_and_categories(front, entry, options);
    Ok(())
}

/// A text, whatever scalar it is written as.
fn text<'a>(front: &'a FrontMatter<'_>, keys: &[&'static str]) -> Result<Option<&'a str>, NotAnArticle> {
    let Some((key, value)) = front.find(keys) else { return Ok(None) };
    match value.text() {
        Some(text) => Ok(Some(text)),
        None => Err(front.refuse(key, "must be a text, not a list or a table")),
    }
}

fn time(front: &FrontMatter<'_>, keys: &[&'static str], zone: Tz) -> Result<Option<Time>, NotAnArticle> {
    let Some((key, value)) = front.find(keys) else { return Ok(None) };
    // Jekyll's `published: false` is no date.
    if let Value::Truth(_) = value {
        return Ok(None);
    }
    let text = value.text().ok_or_else(|| front.refuse(key, "must be a date, not a list or a table"))?;
    let parsed =
        date(text, zone).ok_or_else(|| front.refuse(key, format!("{text:?} is no date; write it like 2026-03-27")))?;
    Ok(Some(parsed))
}

/// Held back: `draft: true`, or Jekyll's `published: false`.
fn draft(front: &FrontMatter<'_>) -> Result<bool, NotAnArticle> {
    let unpublished = matches!(front.find(&["published"]), Some((_, Value::Truth(false))));
    let Some((key, value)) = front.find(&["draft"]) else { return Ok(unpublished) };
    match value.text().map(str::to_lowercase).as_deref() {
        Some("true" | "yes" | "on" | "1") => Ok(true),
        Some("false" | "no" | "off" | "0") => Ok(unpublished),
        _ => Err(front.refuse(key, "must be true or false")),
    }
}

fn link(front: &FrontMatter<'_>, warnings: &mut Vec<String>) -> Result<Option<String>, NotAnArticle> {
    let Some(link) = text(front, &["link", "canonical", "canonical_url", "canonicalurl", "external_url"])? else {
        return Ok(None);
    };
    let address = web_address(link);
    if address.is_none() {
        warnings.push(format!("link {link:?} is no absolute URL and is left out"));
    }
    Ok(address)
}

/// Names, or tables of name, email and url; one or many.
fn people(value: &Value) -> Vec<Person> {
    let named = |name: &str| Person { name: Some(name.to_owned()), ..Person::default() };
    let mut people = Vec::new();
    for item in value.items() {
        match item {
            Value::Map(fields) => {
                let get = |keys: &[&str]| keys.iter().find_map(|key| field(fields, key)?.text()).map(str::to_owned);
                let person = Person { name: get(&["name"]), email: get(&["email"]), uri: get(&["url", "uri", "link"]) };
                if person != Person::default() {
                    people.push(person);
                }
            }
            item => {
                let Some(text) = item.text() else { continue };
                let several = text.split(',').all(|part| part.split_whitespace().count() > 1);
                let names = if several { text.split(',').collect() } else { vec![text] };
                people.extend(names.into_iter().map(str::trim).filter(|name| !name.is_empty()).map(named));
            }
        }
    }
    people
}

/// A URL or a relative path: as text, or as `src`, `url` or `path` of a table.
fn address(value: &Value) -> Option<String> {
    let text = match value {
        Value::Map(fields) => ["src", "url", "path", "image"].iter().find_map(|key| field(fields, key)?.text())?,
        value => value.text()?,
    };
    (web_address(text).is_some() || file_reference(text)).then(|| text.to_owned())
}

fn enclosure(value: &Value) -> Option<Enclosure> {
    let Value::Map(fields) = value else {
        return Some(Enclosure { url: address(value)?, ..Enclosure::default() });
    };
    let get = |keys: &[&str]| keys.iter().find_map(|key| field(fields, key)?.text());
    let url = get(&["url", "src", "path", "file"])?;
    (web_address(url).is_some() || file_reference(url)).then(|| Enclosure {
        url: url.to_owned(),
        media_type: get(&["type", "media_type", "mime"]).filter(|kind| kind.contains('/')).map(str::to_owned),
        length: get(&["length", "size"]).and_then(|length| length.parse().ok()),
        duration_secs: get(&["duration"]).and_then(|duration| duration.parse().ok()),
        title: get(&["title"]).map(str::to_owned),
    })
}

fn attribution(value: &Value) -> Option<Attribution> {
    let (name, url) = match value {
        Value::Map(fields) => {
            let url = field(fields, "url").and_then(Value::text).and_then(web_address);
            (field(fields, "name").and_then(Value::text).map(str::to_owned), url)
        }
        value => (
            value.text().filter(|text| web_address(text).is_none()).map(str::to_owned),
            value.text().and_then(web_address),
        ),
    };
    let host = || url::Url::parse(url.as_deref()?).ok()?.host_str().map(str::to_owned);
    Some(Attribution { name: name.or_else(host)?, url })
}

/// Words that name a section put the article in it; all others are categories.
fn sections_and_categories(front: &FrontMatter<'_>, entry: &mut ParsedEntry, options: &Options<'_>) {
    let mut terms: Vec<String> = Vec::new();
    for word in
        [&["sections"][..], &["section"]].iter().filter_map(|keys| front.find(keys)).flat_map(|(_, value)| words(value))
    {
        match options.vocabulary.resolve(&word) {
            Some(section) if entry.sections.iter().all(|known| known != section) => {
                entry.sections.push(section.to_owned())
            }
            Some(_) => {}
            None => terms.push(word),
        }
    }
    for keys in [["categories", "category"], ["tags", "tag"], ["keywords", "keyword"]] {
        terms.extend(front.find(&keys).iter().flat_map(|(_, value)| words(value)));
    }
    for term in terms {
        if entry.categories.len() <= options.limits.categories
            && entry.categories.iter().all(|known| !known.term.eq_ignore_ascii_case(&term))
        {
            entry.categories.push(Category { term, ..Category::default() });
        }
    }
}

/// The words of a list; of a single text, those between its commas.
fn words(value: &Value) -> Vec<String> {
    let split = |text: &str| -> Vec<String> {
        text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    match value {
        Value::List(items) => {
            items.iter().filter_map(Value::text).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        value => value.text().map(split).unwrap_or_default(),
    }
}
