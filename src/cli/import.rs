//! `newsdesk import`: the feeds of another reader become sources of the configuration.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use url::Url;

use super::{Failed, Place, edited, print, print_json};
use crate::config::edit::{self, Additions, NewSource};
use crate::config::settings::without_secrets;
use crate::parse::newsboat::{self, What};
use crate::parse::opml;

/// Bytes of a list, and feeds in it.
const MAX_BYTES: u64 = 16 << 20;
const MAX_FEEDS: usize = 20_000;

/// Add the feeds of an OPML list, or of newsboat's urls file, to the configuration
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk import --dry-run feeds.opml      what would be taken, and why the rest would not
  newsdesk import feeds.opml --create-sections
  newsdesk import ~/.newsboat/urls
  curl https://planet.example/opml.xml | newsdesk import -

Folders of the list and tags of newsboat name sections, by name, title or alias; others are left aside, or made with
--create-sections. The lines go to the end of the configuration file; nothing else in it is touched. Nobody is asked for
a feed now: a running daemon reads the file anew, and newsdesk status tells how they are.

Exit status: 0 what could be taken was; 1 nothing could; 78 the configuration is wrong.")]
pub struct Arguments {
    /// OPML, or newsboat's urls; - is stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Make a section of every folder or tag that is none yet
    #[arg(long)]
    create_sections: bool,
    /// Print the lines that would be written
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// What became of the list.
#[derive(Debug, Default, Serialize)]
struct Report {
    taken: Vec<NewSource>,
    /// Names of the sections that were made.
    sections: Vec<String>,
    /// Already there, or no feed.
    skipped: Vec<Left>,
    refused: Vec<Left>,
    /// Folders and tags that name no section.
    unknown: Vec<String>,
    written: bool,
}

/// Something that was not taken.
#[derive(Debug, Serialize)]
struct Left {
    what: String,
    why: String,
}

/// A feed of a list, whichever it was.
struct Listed {
    /// For people: the line of the file, or the text of the outline.
    what: String,
    title: Option<String>,
    url: String,
    /// Words that may name sections.
    words: Vec<String>,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let mut additions = edited::open(place)?;
    let bytes = read(&arguments.file).map_err(Failed::Refused)?;
    let mut report = Report::default();
    let listed =
        listed(&bytes, &mut report).map_err(|why| Failed::Refused(format!("{}: {why}", arguments.file.display())))?;
    take(listed, &mut additions, arguments.create_sections, &mut report);
    report.taken = additions.new_sources().to_vec();
    report.sections = additions.new_sections().iter().map(|(name, _)| name.clone()).collect();
    let something = !report.taken.is_empty();
    report.written = something && !arguments.dry_run;
    if report.written {
        edited::write(&additions)?;
    }
    if arguments.json {
        print_json(&report)?;
    } else {
        tell(&report, arguments.dry_run);
        if arguments.dry_run {
            print(additions.lines().trim_start())?;
        }
    }
    if report.written {
        super::runtime()?.block_on(edited::reload(&additions.settings.server.admin));
    }
    let in_vain = !something && !report.refused.is_empty();
    Ok(ExitCode::from(u8::from(in_vain)))
}

fn read(file: &std::path::Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let source: Box<dyn std::io::Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(|cause| format!("{}: {cause}", file.display()))?)
    };
    source.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|cause| format!("{}: {cause}", file.display()))?;
    match bytes.len() as u64 > MAX_BYTES {
        true => Err(format!("{} is larger than {} MiB; split it", file.display(), MAX_BYTES >> 20)),
        false => Ok(bytes),
    }
}

/// The feeds of a list; what is none is in the report.
fn listed(bytes: &[u8], report: &mut Report) -> Result<Vec<Listed>, String> {
    let begins = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    // Two bytes a character, or a tag: no line of newsboat begins so.
    let mut feeds = if begins.starts_with(b"<") || begins.starts_with(b"\xFF\xFE") || begins.starts_with(b"\xFE\xFF") {
        let outlines = opml::outlines(bytes).map_err(|cause| cause.to_string())?;
        outlines.into_iter().map(of_outline).collect()
    } else {
        of_newsboat(bytes, report)
    };
    if feeds.len() > MAX_FEEDS {
        let why = format!("only the first {MAX_FEEDS} feeds are taken; split the list");
        report.refused.push(Left { what: format!("{} feeds", feeds.len() - MAX_FEEDS), why });
        feeds.truncate(MAX_FEEDS);
    }
    Ok(feeds)
}

fn of_outline(outline: opml::Outline) -> Listed {
    let title = outline.text.filter(|text| !text.trim().is_empty());
    Listed {
        what: title.clone().unwrap_or_else(|| shown(&outline.xml_url)),
        title,
        url: outline.xml_url,
        words: outline.folders,
    }
}

fn of_newsboat(bytes: &[u8], report: &mut Report) -> Vec<Listed> {
    let mut feeds = Vec::new();
    for line in newsboat::lines(bytes) {
        let what = format!("line {}", line.number);
        match line.what {
            What::Feed { url, title, tags } => {
                feeds.push(Listed { what: format!("{what}, {}", shown(&url)), title, url, words: tags })
            }
            What::Query(name) => {
                let why = "a query is a view of other feeds; a section with rules does the same".to_owned();
                report.skipped.push(Left { what: format!("{what}, query {name:?}"), why });
            }
            What::Refused(why) => report.refused.push(Left { what, why }),
        }
    }
    feeds
}

fn take(listed: Vec<Listed>, additions: &mut Additions, create: bool, report: &mut Report) {
    let mut feeds: Vec<(Listed, Url, Vec<String>)> = Vec::with_capacity(listed.len());
    let mut seen: HashMap<String, usize> = HashMap::new();
    for feed in listed {
        let url = match edit::address(&feed.url) {
            Ok(url) if url.username().is_empty() && url.password().is_none() => url,
            Ok(_) => {
                let why = "its address holds a name or a password: write it by hand, with username and password-file";
                report.refused.push(Left { what: feed.what, why: why.to_owned() });
                continue;
            }
            Err(why) => {
                report.refused.push(Left { what: feed.what, why });
                continue;
            }
        };
        let sections = sections(&feed.words, additions, create, report);
        // A feed in two folders stands in two sections.
        match seen.get(url.as_str()).and_then(|at| feeds.get_mut(*at)) {
            Some((_, _, known)) => {
                let more: Vec<String> = sections.into_iter().filter(|name| !known.contains(name)).collect();
                known.extend(more);
            }
            None => {
                seen.insert(url.to_string(), feeds.len());
                feeds.push((feed, url, sections));
            }
        }
    }
    for (feed, url, sections) in feeds {
        if let Some(name) = additions.reads(&url) {
            let why = format!("the source {name:?} reads it already");
            report.skipped.push(Left { what: feed.what, why });
            continue;
        }
        let name = additions.free_name(feed.title.as_deref(), &url);
        additions.add(NewSource { name, url, sections });
    }
}

fn sections(words: &[String], additions: &mut Additions, create: bool, report: &mut Report) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    for word in words.iter().filter(|word| !word.trim().is_empty()) {
        let made = if create { additions.make_section(word) } else { None };
        match made.or_else(|| additions.section(word).map(str::to_owned)) {
            Some(name) if sections.contains(&name) => {}
            Some(name) => sections.push(name),
            None if report.unknown.contains(word) => {}
            None => report.unknown.push(word.clone()),
        }
    }
    sections
}

/// An address in words for people, without what is secret in it.
fn shown(url: &str) -> String {
    Url::parse(url).map_or_else(|_| url.chars().take(80).collect(), |url| without_secrets(&url))
}

fn tell(report: &Report, dry_run: bool) {
    for source in &report.taken {
        let sections =
            if source.sections.is_empty() { String::new() } else { format!(" in {}", source.sections.join(", ")) };
        eprintln!("taken    {}{sections}: {}", source.name, without_secrets(&source.url));
    }
    for name in &report.sections {
        eprintln!("section  {name} is made");
    }
    for (word, left) in [("skipped", &report.skipped), ("refused", &report.refused)] {
        left.iter().for_each(|Left { what, why }| eprintln!("{word}  {what}: {why}"));
    }
    for word in &report.unknown {
        eprintln!("no section is called {word:?}: --create-sections makes it");
    }
    let would = if dry_run { " (nothing was written)" } else { "" };
    let (taken, skipped, refused) = (report.taken.len(), report.skipped.len(), report.refused.len());
    eprintln!("{taken} taken, {skipped} skipped, {refused} refused{would}");
}
