//! `newsdesk try`: what would become of a file or a feed, without touching anything.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use chrono::{SubsecRound, Utc};
use clap::Args;
use serde_json::{Value, json};
use url::Url;

use super::{Failed, Place, print, print_json};
use crate::config::settings::{self, SectionLine, Source};
use crate::config::{self, Settings};
use crate::daemon::chain;
use crate::daemon::search::discover;
use crate::fetch::http::{Door, Request};
use crate::model::{Stated, Time};
use crate::normalize::{self, Context, File, Refreshed, clean, neutral};
use crate::parse::article::{self, Article, Line, LineUse};
use crate::parse::plain::Vocabulary;
use crate::parse::{self, Limits};
use crate::sections::{Placer, SourceRules};

/// Show what would be published of files or feeds, and what was dropped or repaired
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk try feeds/articles/*.txt
  newsdesk try https://example.org/feed.xml
  newsdesk try https://example.org/      the feed of this page
  newsdesk try --json *.xml > documents.jsonl
  newsdesk try --content-type 'text/xml; charset=koi8-r' --base https://example.org/ feed.xml

Sections, origins and rules are those of the configuration, if one is found; a file in the folder of a
source, or its address, is read as that source's. Nothing is stored.
Exit status: 1 if a document is neither a feed nor an article.")]
pub struct Arguments {
    /// Files or URLs
    #[arg(required = true, value_name = "FILE|URL")]
    documents: Vec<String>,
    /// One JSON object a line and document
    #[arg(long)]
    json: bool,
    /// As if files had come with this Content-Type header
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// As if files had come from here: base of relative addresses
    #[arg(long, value_name = "URL")]
    base: Option<Url>,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let settings = place.settings().unwrap_or_else(|failed| {
        eprintln!("{}\nthe configuration is left aside: sections and origins are not known\n", chain(&failed));
        config::defaults(&place.locations)
    });
    let reader = Reader::new(&settings, arguments);
    let mut bad = false;
    for name in &arguments.documents {
        match reader.read(name) {
            Ok(tried) if arguments.json => print_json(&tried.json(&reader))?,
            Ok(tried) => print(&tried.words(&reader))?,
            Err(cause) => {
                eprintln!("{name}: {}", chain(&*cause));
                bad = true;
            }
        }
    }
    Ok(ExitCode::from(u8::from(bad)))
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

struct Reader<'a> {
    settings: &'a Settings,
    arguments: &'a Arguments,
    vocabulary: Vocabulary,
    placer: Placer,
    now: Time,
}

/// One document, read as the daemon would.
struct Tried {
    name: String,
    /// The source that it is a document of, else itself.
    source: String,
    /// The feed that stood on a web page of that name, and the others there.
    found: Option<(Url, Vec<Url>)>,
    neutral: Value,
    article: Option<(Vec<Line>, Vec<String>)>,
    refreshed: Refreshed,
}

impl<'a> Reader<'a> {
    fn new(settings: &'a Settings, arguments: &'a Arguments) -> Reader<'a> {
        let rules = settings.sources.iter().map(|source| {
            (source.name.clone(), SourceRules { sections: source.sections.clone(), rules: source.rules.clone() })
        });
        Reader {
            settings,
            arguments,
            vocabulary: Vocabulary::new(&settings.sections),
            placer: Placer::new(&settings.sections, &settings.rules, rules.collect::<BTreeMap<_, _>>())
                .with_section_rules(&settings.section_rules),
            now: Utc::now().trunc_subsecs(0),
        }
    }

    fn read(&self, name: &str) -> Result<Tried, Cause> {
        if let Ok(url) = Url::parse(name)
            && matches!(url.scheme(), "http" | "https")
        {
            return self.read_url(name, &url);
        }
        let bytes = read_file(name, self.settings.fetch.max_body)?;
        let path = Path::new(name);
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let input = parse::Input {
            bytes: &bytes,
            content_type: self.arguments.content_type.as_deref(),
            base: self.arguments.base.as_ref(),
        };
        // What people write is an article by its ending; anything else is a feed if it can be one.
        if matches!(ending.as_str(), "txt" | "md" | "markdown") {
            return self.read_article(name, &bytes);
        }
        match parse::document(&input, &Limits::default()) {
            Ok(feed) => Ok(self.feed(name, feed)),
            Err(_) if matches!(ending.as_str(), "html" | "htm") => self.read_article(name, &bytes),
            Err(cause) => Err(cause.into()),
        }
    }

    fn read_url(&self, name: &str, url: &Url) -> Result<Tried, Cause> {
        let fetch = &self.settings.fetch;
        let door = Door::new(fetch, self.settings.site.contact.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let found = runtime.block_on(discover(&door, Request::feed(url, fetch.max_body), fetch))?;
        let on_page = (found.url != *url).then_some((found.url, found.others));
        Ok(Tried { found: on_page, ..self.feed(name, found.feed) })
    }

    /// The source that brings this document: its folder, or its address.
    fn source_of(&self, name: &str) -> Option<(&'a Source, String)> {
        let file = Path::new(name).canonicalize().ok();
        let url = Url::parse(name).ok();
        self.settings.sources.iter().find_map(|source| {
            let path = match &source.place {
                settings::Place::Feed(feed) => (url.as_ref() == Some(feed)).then(String::new),
                settings::Place::Folder(root) => {
                    let path = file.as_ref()?.strip_prefix(root.canonicalize().ok()?).ok()?;
                    path.to_str().map(str::to_owned)
                }
            };
            Some((&**source, path?))
        })
    }

    fn feed(&self, name: &str, feed: parse::ParsedFeed) -> Tried {
        let neutral = neutral::neutral(&feed);
        let source = self.source_of(name).map_or(name, |(source, _)| &*source.name);
        let context = Context { source, feed_url: None, file: None, ..self.context(name) };
        Tried {
            name: name.to_owned(),
            source: source.to_owned(),
            found: None,
            neutral,
            article: None,
            refreshed: normalize::document(feed, &context),
        }
    }

    fn context<'b>(&'b self, name: &'b str) -> Context<'b> {
        Context {
            source: name,
            feed_url: None,
            origins: &self.settings.origins,
            tracking: &self.settings.tracking_parameters,
            file: None,
        }
    }

    fn read_article(&self, name: &str, bytes: &[u8]) -> Result<Tried, Cause> {
        let source = self.source_of(name);
        let alone = Path::new(name).file_name().and_then(|name| name.to_str()).unwrap_or(name);
        let path = source.as_ref().map_or(alone, |(_, path)| path);
        let limits = Limits::default();
        let options = article::Options {
            path,
            vocabulary: &self.vocabulary,
            section_line: source.as_ref().map_or(SectionLine::Auto, |(source, _)| source.section_line),
            residue: &self.settings.residue,
            full_text: source.as_ref().is_some_and(|(source, _)| source.full_text),
            zone: self.settings.site.timezone,
            limits: &limits,
        };
        let Article { feed, lines, warnings, .. } = article::read(bytes, &options)?;
        let modified = std::fs::metadata(name).and_then(|meta| meta.modified()).map_or(self.now, Time::from);
        let file = File {
            path,
            date: article::date_in_name(path, options.zone).unwrap_or(modified.trunc_subsecs(0).min(self.now)),
            section: self.vocabulary.of_folder(path),
            now: self.now,
        };
        let mut neutral = neutral::neutral(&feed);
        let dropped = lines.iter().filter(|line| line.used == LineUse::Dropped && !line.text.trim().is_empty());
        neutral["dropped"] = dropped.map(|line| line.text.trim().to_owned()).collect();
        let source = source.as_ref().map_or(name, |(source, _)| &*source.name);
        let refreshed = normalize::document(feed, &Context { file: Some(&file), ..self.context(source) });
        let (name, source) = (name.to_owned(), source.to_owned());
        Ok(Tried { name, source, found: None, neutral, article: Some((lines, warnings)), refreshed })
    }

    /// The entry as it would be published, and where: by the rules that saw it, in words.
    fn placed(&self, source: &str, stated: &Stated) -> (Stated, Vec<String>, Vec<String>) {
        let mut stated = stated.clone();
        let placement = self.placer.place(source, &mut stated, self.now);
        let sections = placement.sections.into_iter().filter(|name| !name.is_empty());
        (stated, sections.collect(), placement.steps)
    }
}

/// A file, or what a pipe or a device gives, within the limit that holds for documents from elsewhere.
fn read_file(name: &str, most: u64) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::new();
    std::fs::File::open(name)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(format!("it is larger than {most} bytes; if that is right, raise max-body under [fetch]").into());
    }
    Ok(bytes)
}

impl Tried {
    fn json(&self, reader: &Reader<'_>) -> Value {
        let mut value = self.neutral.clone();
        value["document"] = json!(self.name);
        if let Some((found, others)) = &self.found {
            value["found"] = json!(found);
            value["other_feeds"] = json!(others);
        }
        if let Some((_, warnings)) = &self.article {
            value["warnings"] = json!(warnings);
            let entries = self.refreshed.entries.iter();
            value["sections"] = entries.flat_map(|entry| reader.placed(&self.source, &entry.stated).1).collect();
            let origin = self.refreshed.entries.first().and_then(|entry| entry.stated.origin.as_ref());
            value["origin"] = origin.map_or(Value::Null, |origin| json!({ "name": origin.title, "link": origin.link }));
        }
        value
    }

    fn words(&self, reader: &Reader<'_>) -> String {
        let mut text = format!("{}\n", self.name);
        if let Some((found, others)) = &self.found {
            text.push_str(&format!("  a web page; its feed is {found}\n"));
            others.iter().for_each(|other| text.push_str(&format!("  another feed is {other}\n")));
        }
        text.push_str("  read as ");
        text.push_str(self.neutral["format"].as_str().filter(|name| !name.is_empty()).unwrap_or("a feed"));
        if !self.refreshed.origin.title.is_empty() && self.article.is_none() {
            text.push_str(&format!(", \"{}\"", self.refreshed.origin.title));
        }
        text.push('\n');
        for entry in &self.refreshed.entries {
            let (stated, sections, steps) = reader.placed(&self.source, &entry.stated);
            text.push_str(&format!("\n  {}\n", if stated.title.is_empty() { "(no title)" } else { &stated.title }));
            let mut row = |name: &str, value: String| {
                if !value.is_empty() {
                    text.push_str(&format!("    {name:<9} {value}\n"));
                }
            };
            row("sections", sections.join(", "));
            row("because", steps.join("; "));
            row("link", stated.link.clone().unwrap_or_default());
            let date = stated.published.or(stated.updated);
            row("date", date.or(entry.fallback_date).map(|date| date.to_rfc3339()).unwrap_or_default());
            let authors =
                stated.authors.iter().filter_map(|person| person.name.clone().or_else(|| person.email.clone()));
            row("authors", authors.collect::<Vec<_>>().join(", "));
            row("origin", stated.origin.as_ref().map(|origin| origin.title.clone()).unwrap_or_default());
            row("known by", entry.key.to_string());
            let body = stated.summary.as_ref().or(stated.content.as_ref()).map(clean::visible).unwrap_or_default();
            row("text", body.chars().take(200).collect());
            if let Some(content) = &stated.content {
                row("length", format!("{} characters", clean::visible(content).chars().count()));
            }
            row("files", stated.enclosures.iter().map(|file| file.url.clone()).collect::<Vec<_>>().join(", "));
        }
        for (_, moment) in &self.refreshed.held {
            match moment {
                Some(moment) => text.push_str(&format!("\n  held back until {moment}\n")),
                None => text.push_str("\n  held back: a draft\n"),
            }
        }
        self.notes(&mut text);
        text.push('\n');
        text
    }

    fn notes(&self, text: &mut String) {
        if let Some((lines, warnings)) = &self.article {
            for line in lines.iter().filter(|line| line.used == LineUse::Dropped && !line.text.trim().is_empty()) {
                text.push_str(&format!("  dropped   line {}: {}\n", line.number, line.text.trim()));
            }
            for warning in warnings {
                text.push_str(&format!("  note      {warning}\n"));
            }
        }
        for (kind, count) in self.neutral["repairs"].as_object().into_iter().flatten() {
            text.push_str(&format!("  repaired  {kind} ({count})\n"));
        }
    }
}
