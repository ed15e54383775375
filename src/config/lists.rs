//! OPML lists: each outline a feed, its folders words for sections.
//!
//! A list is other people's file: what is wrong with one outline loses that one alone.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use url::Url;

use super::complaint::Complaint;
use super::file::said;
use super::secrets::take_userinfo;
use super::settings::Credentials;
use super::sources::{Context, add_once};
use super::table::{Desk, Located, Span};
use super::value::{self, Wrong, nearest};
use crate::parse::opml::{self, Outline};

const MAX_BYTES: u64 = 16 << 20;
const MAX_OUTLINES: usize = 20_000;

/// One feed of a list.
pub(super) struct Listed {
    pub text: Option<String>,
    /// Without name and password.
    pub url: Url,
    pub credentials: Option<Credentials>,
    /// Those that its folders name.
    pub sections: Vec<String>,
}

/// The feeds of a file, each once: one that stands in two folders is in two sections. `None`: it is no list.
pub(super) fn read(path: &Located<PathBuf>, desk: &Desk<'_>, context: &mut Context<'_>) -> Option<Vec<Listed>> {
    let file = path.value.as_path();
    let refuse = |wrong: Wrong| {
        desk.error(&path.span, wrong);
        None
    };
    let bytes = match context.reading.bytes(file, MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            let wrong = Wrong::new(format!("{} cannot be read: {}", file.display(), said(&error)));
            return refuse(wrong.next("make the file, or take this source out"));
        }
    };
    let mut outlines = match opml::outlines(&bytes) {
        Ok(outlines) => outlines,
        Err(error) => return refuse(Wrong::new(format!("{}: {error}", file.display()))),
    };
    let mut list = List { file, span: &path.span, desk, unknown_folders: BTreeSet::new() };
    if outlines.is_empty() {
        list.warn(Wrong::new("no feed is listed in it").next("an outline needs an xmlUrl"));
    }
    if outlines.len() > MAX_OUTLINES {
        list.warn(Wrong::new(format!("only the first {MAX_OUTLINES} feeds are taken")).next("split the list"));
        outlines.truncate(MAX_OUTLINES);
    }
    let mut feeds: Vec<Listed> = Vec::with_capacity(outlines.len());
    let mut seen: HashMap<String, usize> = HashMap::new();
    for outline in outlines {
        let Some(feed) = list.feed(outline, context) else { continue };
        match seen.get(feed.url.as_str()).and_then(|at| feeds.get_mut(*at)) {
            Some(earlier) => add_once(&mut earlier.sections, feed.sections),
            None => {
                seen.insert(feed.url.to_string(), feeds.len());
                feeds.push(feed);
            }
        }
    }
    Some(feeds)
}

/// A list while it is read.
struct List<'l, 'd> {
    file: &'l Path,
    /// Where the configuration names it.
    span: &'l Span,
    desk: &'l Desk<'d>,
    /// Each is named once.
    unknown_folders: BTreeSet<String>,
}

impl List<'_, '_> {
    fn feed(&mut self, outline: Outline, context: &Context<'_>) -> Option<Listed> {
        let mut url = match value::url(&outline.xml_url) {
            Ok(url) => url,
            Err(wrong) => {
                let text = outline.text.as_deref().unwrap_or("without text");
                let reason = format!("the outline {text:?} is left out: its address {}", wrong.reason);
                self.warn(Wrong { reason, ..wrong }.next("mend its xmlUrl"));
                return None;
            }
        };
        let credentials = take_userinfo(&mut url);
        let folders = || outline.folders.iter().filter(|folder| !folder.trim().is_empty());
        let mut sections = Vec::new();
        let named = folders().filter_map(|folder| context.names.by_word(folder));
        add_once(&mut sections, named.map(str::to_owned).collect());
        if let (true, Some(innermost)) = (sections.is_empty(), folders().next_back())
            && self.unknown_folders.insert(innermost.clone())
        {
            let meant = nearest(innermost, context.names.all()).map(|name| format!("\"{name}\""));
            let wrong = Wrong::new(format!("the folder {innermost:?} names no section"));
            let wrong = wrong.next("its feeds are read all the same; an alias of a section would take them in");
            self.warn(Wrong { meant, ..wrong });
        }
        Some(Listed { text: outline.text, url, credentials, sections })
    }

    fn warn(&self, wrong: Wrong) {
        let complaint = Complaint::warning(Some(self.file), wrong.reason).meant(wrong.meant);
        self.desk.push(self.span, complaint.next(wrong.next.unwrap_or_default()));
    }
}
