//! `newsdesk export`: the feeds that are read, as OPML for any other reader.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;

use super::{Failed, Place, print};
use crate::config::settings::Place as SourcePlace;
use crate::render::opml::{self, Outline};
use crate::store::{SourceRow, Store};

/// Write the feeds that are read as OPML to stdout
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk export > feeds.opml
  newsdesk export --with-private-addresses > backup.opml

Private sources stand in it by name only: an address with a key in it opens the feed to whoever reads the list.
Passwords, tokens and headers are never exported, and folders of articles are no feeds.")]
pub struct Arguments {
    /// Write the addresses of private sources too, with the keys in them
    #[arg(long)]
    with_private_addresses: bool,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let settings = place.settings()?;
    // What the store has learned is worth telling; without one the configuration says enough.
    let path = &settings.store.path;
    let rows = match path.exists() {
        true => super::runtime()?.block_on(async { Store::open_read_only(path)?.sources().await })?,
        false => Vec::new(),
    };
    let rows: BTreeMap<String, SourceRow> = rows.into_iter().map(|row| (row.name.clone(), row)).collect();
    let outlines = settings.sources.iter().filter_map(|source| {
        let SourcePlace::Feed(url) = &source.place else { return None };
        let shown = !source.private || arguments.with_private_addresses;
        let row = rows.get(&source.name);
        // Other readers want the feed, not the page on which it was found.
        let url = row.and_then(|row| row.state.poll.suggestion(url)).map_or(url, |(found, _)| found);
        let home = row.and_then(|row| row.origin.as_ref()?.link.clone());
        Some(Outline {
            text: source.name.clone(),
            xml_url: shown.then(|| url.to_string()),
            html_url: home.filter(|_| shown),
            description: None,
            language: None,
            sections: source.sections.clone(),
        })
    });
    let outlines: Vec<Outline> = outlines.collect();
    print(&String::from_utf8_lossy(&opml::sources(&settings.site.title, &outlines)))?;
    Ok(ExitCode::SUCCESS)
}
