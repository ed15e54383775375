//! `newsdesk add`: a feed, or the page that leads to one, becomes a source of the configuration.

use std::io::{BufRead as _, IsTerminal as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use url::Url;

use super::{Failed, Place, edited, print, print_json};
use crate::config::edit::{self, Additions, NewSource};
use crate::config::settings::holds_secret;
use crate::daemon::search::{Discovered, discover};
use crate::fetch::http::{Door, Request};
use crate::normalize::{self, Context, neutral};

/// Add a feed to the configuration: find it, show it, write a [[source]]
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk add https://example.org/               find the feed of this page, show it, ask
  newsdesk add example.org -s world -y            put it into a section, without asking
  newsdesk add https://example.org/feed --name Wire --yes --json | jq -r .url

The lines go to the end of the configuration file; nothing else in it is touched. A running daemon is asked to reload.
Where nobody can be asked and --yes is not given, the lines are printed and nothing is written.

Exit status: 0 it was added; 1 it was not; 78 the configuration is wrong.")]
pub struct Arguments {
    /// Address of a feed, or of a page that leads to one
    #[arg(value_name = "URL")]
    url: String,
    /// Section that its entries belong to, by name, title or alias; may be given several times
    #[arg(long, short, value_name = "SECTION")]
    section: Vec<String>,
    /// Name of the source [default: the title of the feed]
    #[arg(long, short, value_name = "NAME")]
    name: Option<String>,
    /// Write it without asking
    #[arg(long, short)]
    yes: bool,
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let mut additions = edited::open(place)?;
    let (url, sections) = asked(&additions, arguments).map_err(Failed::Refused)?;
    let runtime = super::runtime()?;
    let found = runtime.block_on(find(&additions, &url))?;
    let source = source(&additions, arguments, found_at(&found), &found, sections).map_err(Failed::Refused)?;
    preview(&additions, &url, &source, &found);
    additions.add(source.clone());
    let write = arguments.yes || (!arguments.json && confirmed(&additions));
    let done = if write {
        edited::write(&additions)?;
        true
    } else {
        false
    };
    if arguments.json {
        let file = additions.path();
        let (url, name, sections) = (&source.url, &source.name, &source.sections);
        let others = &found.others;
        print_json(
            &json!({ "url": url, "name": name, "sections": sections, "other_feeds": others, "file": file, "written": done }),
        )?;
    } else if !done {
        print(additions.lines().trim_start())?;
    }
    if done {
        runtime.block_on(edited::reload(&additions.settings.server.admin));
    } else {
        eprintln!("nothing was written; --yes writes it");
    }
    Ok(ExitCode::from(u8::from(!done)))
}

/// What can be said against it before anybody is asked.
fn asked(additions: &Additions, arguments: &Arguments) -> Result<(Url, Vec<String>), String> {
    let url = edit::address(&arguments.url)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "the address holds a name or a password: write the [[source]] by hand, with username and password-file"
                .to_owned(),
        );
    }
    refuse_known(additions, &url)?;
    if let Some(name) = &arguments.name
        && additions.has_name(name)
    {
        return Err(format!("there is a source {name:?} already; choose another --name"));
    }
    let mut sections: Vec<String> = Vec::new();
    for word in &arguments.section {
        let name = additions.section(word).ok_or_else(|| additions.no_section(word))?;
        if !sections.iter().any(|known| known == name) {
            sections.push(name.to_owned());
        }
    }
    Ok((url, sections))
}

fn refuse_known(additions: &Additions, url: &Url) -> Result<(), String> {
    match additions.reads(url) {
        Some(name) => Err(format!(
            "the source {name:?} reads this already; a source can stand in many sections: sections = [...]"
        )),
        None => Ok(()),
    }
}

async fn find(additions: &Additions, url: &Url) -> Result<Discovered, Failed> {
    let fetch = &additions.settings.fetch;
    let door = Door::new(fetch, additions.settings.site.contact.as_deref()).map_err(crate::daemon::StartError::from)?;
    discover(&door, Request::feed(url, fetch.max_body), fetch).await.map_err(|cause| Failed::Discover(Box::new(cause)))
}

/// Where the feed is: a redirect for good is its publisher's word.
fn found_at(found: &Discovered) -> Url {
    let hops = &found.document.hops;
    let for_good = !hops.is_empty() && hops.iter().all(|hop| matches!(hop.status, 301 | 308));
    if for_good { found.document.url.clone() } else { found.url.clone() }
}

fn source(
    additions: &Additions,
    arguments: &Arguments,
    url: Url,
    found: &Discovered,
    sections: Vec<String>,
) -> Result<NewSource, String> {
    refuse_known(additions, &url)?;
    let title = found.feed.title.as_ref().map(normalize::clean::title);
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => additions.free_name(title.as_deref(), &url),
    };
    Ok(NewSource { name, url, sections })
}

/// What was found, for whoever decides.
fn preview(additions: &Additions, asked: &Url, source: &NewSource, found: &Discovered) {
    let shape = neutral::neutral(&found.feed);
    let context = Context {
        source: &source.name,
        feed_url: None,
        origins: &additions.settings.origins,
        tracking: &additions.settings.tracking_parameters,
        file: None,
    };
    let refreshed = normalize::document(found.feed.clone(), &context);
    if source.url != *asked {
        eprintln!("found       {}", source.url);
    }
    for other in &found.others {
        eprintln!("also there  {other}");
    }
    eprintln!("title       {}", refreshed.origin.title);
    let format = shape["format"].as_str().unwrap_or_default();
    eprintln!("format      {format}, {} entries", refreshed.entries.len());
    let mut entries: Vec<_> = refreshed.entries.iter().map(|entry| &entry.stated).collect();
    entries.sort_by_key(|stated| std::cmp::Reverse(stated.published.or(stated.updated)));
    for stated in entries.into_iter().take(NEWEST) {
        let date =
            stated.published.or(stated.updated).map_or("undated".into(), |date| date.format("%Y-%m-%d").to_string());
        eprintln!("{date:<10}  {}", if stated.title.is_empty() { "(no title)" } else { &stated.title });
    }
    if source.sections.is_empty() {
        eprintln!("sections    none of its own: --section puts it into one");
    } else {
        eprintln!("sections    {}", source.sections.join(", "));
    }
    if holds_secret(&source.url) {
        eprintln!("private     its address holds a secret: it appears in public by name only");
    }
}

const NEWEST: usize = 3;

/// Does somebody at the terminal say yes?
fn confirmed(additions: &Additions) -> bool {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return false;
    }
    eprint!("\n{}\nadd these lines to {}? [y/N] ", additions.lines().trim(), additions.path().display());
    let mut answer = String::new();
    // Whoever cannot be heard has not said yes.
    let heard = std::io::stdin().lock().read_line(&mut answer).is_ok();
    heard && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
