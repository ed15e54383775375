//! The public corpus: other projects' feed documents, each with the result that a careful parser reaches.
//!
//! It lies beside the repository in `../shared/corpus`, where there is one; its README tells the shape and how a match
//! is judged. The table that is printed says per folder and per field how many documents match; the test fails when a
//! share falls below the floors written down here. `CORPUS_DIFF=1` prints every difference as well; `CORPUS=FOLDER`
//! reads another folder of the same shape, for which nothing is promised.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use newsdesk::normalize::neutral::neutral;
use newsdesk::parse::{self, Input, Limits, xml};
use serde_json::Value;
use url::Url;

/// Least share in percent: of documents read at all, of those whose core is right, of those right in every field, of
/// those with dangerous HTML that came out safe and with their text.
const FLOORS: [(&str, f64); 4] = [("accepted", 100.0), ("core", 99.5), ("all fields", 99.5), ("made safe", 99.0)];

/// What a document must get right to have its core right.
const CORE: [&str; 12] = [
    "count",
    "format",
    "feed.title",
    "feed.link",
    "feed.id",
    "feed.updated",
    "title",
    "link",
    "id",
    "dates",
    "bodies",
    "feed.published",
];

/// Documents in which a specification contradicts the expectation, with the field and the reason. They are counted as
/// the table's own row and not as faults.
const DIFFERENT_BY_SPECIFICATION: [(&str, &str, &str); 35] = [
    ("atom-crate/content_text_cdata.xml", "bodies", TEXT_IS_TEXT),
    ("atom-crate/content_text_cdata_escaped.xml", "bodies", TEXT_IS_TEXT),
    ("atom-crate/content_text_plain_escaped.xml", "bodies", TEXT_IS_TEXT),
    ("atom-crate/source.xml", "source", SOURCE_LINK),
    ("atoma/atom/unicode.xml", "source", SOURCE_LINK),
    ("fp-wellformed/atom10/entry_source_author_email.xml", "source", SOURCE_LINK),
    ("fp-wellformed/atom10/entry_source_author_map_author.xml", "source", SOURCE_LINK),
    ("fp-wellformed/atom10/entry_source_author_uri.xml", "source", SOURCE_LINK),
    ("fp-wellformed/atom10/entry_source_authors_uri.xml", "source", SOURCE_LINK),
    ("fp-wellformed/atom10/entry_source_authors_url.xml", "source", SOURCE_LINK),
    ("newsboat/atom10_feed_authors.xml", "source", SOURCE_LINK),
    ("fp-entities/rang.xml", "feed.title", "HTML 13.5: rang is U+27E9; U+232A was HTML 4"),
    ("fp-wellformed/base/http_entry_id_base_content_location.xml", "id", RELATIVE_ID),
    ("fp-wellformed/base/http_entry_id_base_docuri.xml", "id", RELATIVE_ID),
    (
        "fp-wellformed/rss/item_category_image.xml",
        "title",
        "RSS 2.0: the title of an image is not the title of the item",
    ),
    ("fp-wellformed/rss/item_description_not_a_doctype.xml", "bodies", BOGUS_COMMENT),
    ("fp-wellformed/sanitize/xml_declaration_unexpected_character.xml", "feed.title", BOGUS_COMMENT),
    ("fp-wellformed/sanitize/item_content_encoded_script_nested_cdata.xml", "bodies", BOGUS_COMMENT),
    ("fp-wellformed/sanitize/feed_subtitle_crazy.xml", "feed.description", SCRIPT_DATA),
    ("fp-wellformed/sanitize/feed_tagline_crazy.xml", "feed.description", SCRIPT_DATA),
    ("fp-wellformed/sanitize/feed_title_crazy.xml", "feed.title", SCRIPT_DATA),
    ("fp-wellformed/sanitize/item_content_encoded_crazy.xml", "bodies", SCRIPT_DATA),
    ("newsboat/rss091_1.xml", "bodies", EOF_IN_TAG),
    ("newsboat/rss092_1.xml", "bodies", EOF_IN_TAG),
    ("newsboat/rss10_1.xml", "feed.image", RDF_IMAGE),
    ("rss-crate/rss090.xml", "feed.image", RDF_IMAGE),
    ("rss-crate/rss1.xml", "feed.image", RDF_IMAGE),
    ("rss-crate/syndication.xml", "feed.image", RDF_IMAGE),
    ("rss-crate/rss090.xml", "format", "the namespace of RSS 0.90 under Netscape's other host"),
    ("podcast/example.xml", "feed.description", "RSS 2.0: description is required, itunes:subtitle an addition"),
    ("podcast/example.xml", "feed.id", "Podcasting 2.0: podcast:guid of the channel, not the guid of its live item"),
    ("rss-crate/dublincore.xml", "source", DC_SOURCE),
    ("rss-crate/dublincore_altprefix.xml", "source", DC_SOURCE),
    (
        "atom-crate/text_html.xml",
        "feed.title",
        "RFC 4287 3.1.1.2: html has no child elements; the CDATA section is its markup",
    ),
    ("atom-crate/text_xhtml.xml", "feed.title", "RFC 4287 3.1.1.3: CDATA inside xhtml is text"),
];

const TEXT_IS_TEXT: &str = "RFC 4287 3.1.1.1: in type=text a less-than sign is a less-than sign";
const SOURCE_LINK: &str = "RFC 4287 4.2.11: neither an id nor an author's uri is the source's link";
const RELATIVE_ID: &str = "RFC 4287 4.2.6: an id does not depend on where the document was fetched";
const BOGUS_COMMENT: &str = "HTML 13.2.5.41: <! and anything that is no declaration is a comment";
const SCRIPT_DATA: &str = "HTML 13.2.5.20: what stands in script and comments is not text";
const EOF_IN_TAG: &str = "HTML 13.2.5.8: a tag that never ends is dropped";
const RDF_IMAGE: &str = "RSS 1.0 5.4: the image beside the channel is the channel's";
const DC_SOURCE: &str = "Dublin Core: source is what the resource is derived from";

#[test]
fn corpus() {
    let other = std::env::var_os("CORPUS").map(PathBuf::from);
    let root = other.clone().unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"));
    if !root.is_dir() {
        println!("skipped: no corpus at {}", root.display());
        return;
    }
    let mut table = Table::default();
    for document in documents(&root) {
        let name = document.strip_prefix(&root).unwrap_or(&document).display().to_string();
        table.add(&name, judge(&document));
    }
    println!("{table}");
    if other.is_some() {
        return;
    }
    let below: Vec<String> = FLOORS
        .iter()
        .map(|(what, floor)| (what, floor, table.share(what)))
        .filter(|(_, floor, share)| share < floor)
        .map(|(what, floor, share)| format!("{what}: {share:.2} % is below the floor of {floor} %"))
        .collect();
    assert!(below.is_empty(), "{}", below.join("\n"));
}

/// What became of one document.
enum Judged {
    Refused { expected_entries: bool, why: String },
    Read { wrong: BTreeMap<&'static str, (Value, Value)>, hazard: Option<bool> },
}

fn judge(document: &Path) -> Judged {
    let expected: Value = serde_json::from_slice(&fs::read(answer_of(document)).unwrap()).unwrap();
    let bytes = fs::read(document).unwrap();
    let header = |name: &str| expected["_oracle"]["headers"][name].as_str().map(str::to_owned);
    let base = header("content-location").and_then(|location| Url::parse(&location).ok());
    let content_type = header("content-type");
    let input = Input { bytes: &bytes, content_type: content_type.as_deref(), base: base.as_ref() };
    match parse::document(&input, &Limits::default()) {
        Err(why) => {
            let expected_entries = expected["entries"].as_array().is_some_and(|entries| !entries.is_empty());
            Judged::Refused { expected_entries, why: why.to_string() }
        }
        Ok(feed) => {
            let found = neutral(&feed);
            let wrong = differences(&expected, &found);
            let is_hazard = expected["_oracle"]["hazard"].as_bool() == Some(true);
            let text_kept =
                !["bodies", "feed.description", "title", "feed.title"].iter().any(|field| wrong.contains_key(field));
            let hazard = is_hazard.then(|| text_kept && is_safe(&found));
            Judged::Read { wrong, hazard }
        }
    }
}

/// Every field that does not match: what was expected, what was found.
fn differences(expected: &Value, found: &Value) -> BTreeMap<&'static str, (Value, Value)> {
    let mut wrong = BTreeMap::new();
    let mut check = |field: &'static str, matches: bool, expected: &Value, found: &Value| {
        if !matches {
            wrong.entry(field).or_insert_with(|| (expected.clone(), found.clone()));
        }
    };
    check("format", expected["format"] == found["format"], &expected["format"], &found["format"]);
    let (ours, theirs) = (&found["feed"], &expected["feed"]);
    let alternates = &expected["_oracle"]["alternates"];
    let text_fields = [("feed.title", "title"), ("feed.description", "description")];
    for (field, key) in text_fields {
        check(field, text(&theirs[key]) == text(&ours[key]), &theirs[key], &ours[key]);
    }
    check("feed.link", same_link(&theirs["link"], &ours["link"], &alternates["feed"]), &theirs["link"], &ours["link"]);
    for (field, key) in [("feed.id", "id"), ("feed.image", "image")] {
        check(field, address(&theirs[key]) == address(&ours[key]), &theirs[key], &ours[key]);
    }
    let dates_match = same_dates(theirs, ours);
    check("feed.updated", dates_match, &dates(theirs), &dates(ours));
    check(
        "feed.language",
        lower(&theirs["language"]) == lower(&ours["language"]),
        &theirs["language"],
        &ours["language"],
    );
    check("feed.authors", same_people(&theirs["authors"], &ours["authors"]), &theirs["authors"], &ours["authors"]);
    check(
        "feed.categories",
        contains(&theirs["categories"], &ours["categories"], lower),
        &theirs["categories"],
        &ours["categories"],
    );

    let none = Vec::new();
    let theirs = expected["entries"].as_array().unwrap_or(&none);
    let ours = found["entries"].as_array().unwrap_or(&none);
    check("count", theirs.len() == ours.len(), &theirs.len().into(), &ours.len().into());
    for (at, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
        check("id", address(&theirs["id"]) == address(&ours["id"]), &theirs["id"], &ours["id"]);
        check("title", text(&theirs["title"]) == text(&ours["title"]), &theirs["title"], &ours["title"]);
        let link_matches = same_link(&theirs["link"], &ours["link"], &alternates[at.to_string()]);
        check("link", link_matches, &theirs["link"], &ours["link"]);
        check("dates", same_dates(theirs, ours), &dates(theirs), &dates(ours));
        check("bodies", bodies(theirs) == bodies(ours) || one_body(theirs, ours), &both(theirs), &both(ours));
        check("authors", same_people(&theirs["authors"], &ours["authors"]), &theirs["authors"], &ours["authors"]);
        let same = contains(&theirs["categories"], &ours["categories"], lower);
        check("categories", same, &theirs["categories"], &ours["categories"]);
        let same = contains(&theirs["enclosures"], &ours["enclosures"], enclosure);
        check("enclosures", same, &theirs["enclosures"], &ours["enclosures"]);
        check("source", same_source(&theirs["source"], &ours["source"]), &theirs["source"], &ours["source"]);
    }
    wrong
}

fn bodies(entry: &Value) -> (String, String) {
    (text(&entry["summary"]), text(&entry["content"]))
}

/// Both sides have but one body, whatever its name.
fn one_body(theirs: &Value, ours: &Value) -> bool {
    let single = |(summary, content): (String, String)| match (summary.is_empty(), content.is_empty()) {
        (true, _) => Some(content),
        (_, true) => Some(summary),
        // A content that is also the summary is one body.
        _ => (summary == content).then_some(summary),
    };
    matches!((single(bodies(theirs)), single(bodies(ours))), (Some(theirs), Some(ours)) if theirs == ours)
}

fn both(entry: &Value) -> Value {
    serde_json::json!([entry["summary"], entry["content"]])
}

fn dates(record: &Value) -> Value {
    serde_json::json!([record["published"], record["updated"]])
}

fn same_dates(theirs: &Value, ours: &Value) -> bool {
    let single = |record: &Value| match (record["published"].as_str(), record["updated"].as_str()) {
        (Some(date), None) | (None, Some(date)) => Some(date.to_owned()),
        (Some(published), Some(updated)) if published == updated => Some(published.to_owned()),
        _ => None,
    };
    dates(theirs) == dates(ours) || single(theirs).is_some() && single(theirs) == single(ours)
}

fn same_link(theirs: &Value, ours: &Value, alternates: &Value) -> bool {
    let ours = address(ours);
    address(theirs) == ours || alternates.as_array().is_some_and(|all| all.iter().any(|link| address(link) == ours))
}

fn same_source(theirs: &Value, ours: &Value) -> bool {
    theirs.is_null() == ours.is_null()
        && text(&theirs["title"]) == text(&ours["title"])
        && address(&theirs["link"]) == address(&ours["link"])
        && address(&theirs["id"]) == address(&ours["id"])
}

/// Every expected person is there, by name or by address.
fn same_people(theirs: &Value, ours: &Value) -> bool {
    let none = Vec::new();
    let ours = ours.as_array().unwrap_or(&none);
    let same = |theirs: &Value, ours: &Value| {
        let by = |key: &str| !text(&theirs[key]).is_empty() && text(&theirs[key]) == text(&ours[key]);
        by("name") || by("email") || (theirs["name"].is_null() && theirs["email"].is_null() && by("uri"))
    };
    theirs.as_array().unwrap_or(&none).iter().all(|theirs| ours.iter().any(|ours| same(theirs, ours)))
}

fn contains<K: Ord>(theirs: &Value, ours: &Value, key: impl Fn(&Value) -> K) -> bool {
    let none = Vec::new();
    let ours: BTreeSet<K> = ours.as_array().unwrap_or(&none).iter().map(&key).collect();
    theirs.as_array().unwrap_or(&none).iter().all(|theirs| ours.contains(&key(theirs)))
}

fn enclosure(value: &Value) -> String {
    format!("{} {} {}", address(&value["url"]), text(&value["type"]), text(&value["length"]))
}

fn lower(value: &Value) -> String {
    text(value).to_lowercase()
}

/// An address or id: `http://host` is `http://host/`.
fn address(value: &Value) -> String {
    let address = text(value);
    match Url::parse(&address) {
        Ok(url) if url.has_host() && url.path() == "/" && !address.ends_with('/') && url.query().is_none() => {
            address + "/"
        }
        _ => address,
    }
}

/// Text without tags, references resolved, white space collapsed.
fn text(value: &Value) -> String {
    let value = match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let mut out = String::new();
    let mut rest = value.as_str();
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        let is_tag = rest[at + 1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        match rest[at..].find('>').filter(|_| is_tag) {
            Some(end) => rest = &rest[at + end + 1..],
            None => {
                out.push('<');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    let resolved = xml::unescape(&out, &mut Default::default()).into_owned();
    resolved.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// No markup that runs anything is left.
fn is_safe(found: &Value) -> bool {
    let mut bodies = vec![&found["feed"]["description"]];
    for entry in found["entries"].as_array().into_iter().flatten() {
        bodies.extend([&entry["summary"], &entry["content"]]);
    }
    bodies.into_iter().filter_map(Value::as_str).all(|html| {
        let lower = html.to_lowercase();
        let tags: Vec<&str> = lower.split('<').skip(1).map(|tag| tag.split('>').next().unwrap_or("")).collect();
        let dangerous = [
            "script", "style", "iframe", "object", "embed", "applet", "form", "input", "meta", "link", "base", "frame",
        ];
        tags.iter().all(|tag| {
            let name = tag.split([' ', '/']).next().unwrap_or("");
            !dangerous.contains(&name)
                && !tag.contains("javascript:")
                && !tag.contains(" on")
                && !tag.contains(" style=")
        })
    })
}

fn answer_of(document: &Path) -> PathBuf {
    let mut name = document.as_os_str().to_owned();
    name.push(".expected.json");
    name.into()
}

/// Every document that has an answer, in order.
fn documents(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if answer_of(&path).is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Matched and total, by folder and by field.
#[derive(Default)]
struct Table {
    rows: BTreeMap<String, BTreeMap<&'static str, (u32, u32)>>,
}

const FIELDS: [&str; 19] = [
    "count",
    "format",
    "title",
    "link",
    "id",
    "dates",
    "bodies",
    "authors",
    "categories",
    "enclosures",
    "source",
    "feed.title",
    "feed.link",
    "feed.id",
    "feed.updated",
    "feed.description",
    "feed.language",
    "feed.authors",
    "feed.categories",
];

impl Table {
    fn add(&mut self, name: &str, judged: Judged) {
        let folder = name.split('/').next().unwrap_or("").to_owned();
        let mut count = |what: &'static str, matched: bool| {
            for row in [folder.clone(), "all".to_owned()] {
                let (hits, total) = self.rows.entry(row).or_default().entry(what).or_default();
                *hits += u32::from(matched);
                *total += 1;
            }
        };
        let verbose = std::env::var_os("CORPUS_DIFF").is_some();
        match judged {
            Judged::Refused { expected_entries, why } => {
                if verbose {
                    println!("{name}: refused: {why}");
                }
                count("accepted", !expected_entries);
                count("core", false);
                count("all fields", false);
            }
            Judged::Read { mut wrong, hazard } => {
                for (file, field, _) in DIFFERENT_BY_SPECIFICATION {
                    if file == name && wrong.remove(field).is_some() {
                        count("by specification", true);
                    }
                }
                if verbose {
                    for (field, (expected, found)) in &wrong {
                        println!("{name}: {field}:\n    expected {expected}\n    found    {found}");
                    }
                    if hazard == Some(false) {
                        println!("{name}: not made safe");
                    }
                }
                count("accepted", true);
                count("core", !CORE.iter().any(|field| wrong.contains_key(field)));
                count("all fields", wrong.is_empty());
                for field in FIELDS {
                    count(field, !wrong.contains_key(field));
                }
                if let Some(safe) = hazard {
                    count("made safe", safe);
                }
            }
        }
    }

    /// Percent of all documents.
    fn share(&self, what: &str) -> f64 {
        match self.rows.get("all").and_then(|row| row.get(what)) {
            Some((hits, total)) => f64::from(*hits) * 100.0 / f64::from((*total).max(1)),
            None => 0.0,
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (folder, row) in &self.rows {
            writeln!(f, "{folder}")?;
            for what in ["accepted", "core", "all fields", "made safe", "by specification"].iter().chain(&FIELDS) {
                if let Some((hits, total)) = row.get(what) {
                    let share = f64::from(*hits) * 100.0 / f64::from(*total);
                    writeln!(f, "    {what:<18} {hits:>5} of {total:>5}  {share:6.2} %")?;
                }
            }
        }
        Ok(())
    }
}
