//! Sources: `[[source]]` as written -> [`Source`]s; `lists` brings the feeds of OPML files, `secrets` the passwords.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono_tz::Tz;
use url::Url;

use super::check::{Names, Paths, Reading};
use super::file::said;
use super::lists::{self, Listed};
use super::rules::{self, Scope};
use super::secrets::{bearer, credentials, headers, take_userinfo};
use super::settings::{Place, SectionLine, Source, holds_secret};
use super::table::{Desk, Located, Span, Table};
use super::value::{self, Wrong, nearest};
use crate::schedule::queue;

/// What reading a source needs besides its table.
pub(super) struct Context<'c> {
    pub paths: &'c Paths<'c>,
    pub names: &'c Names,
    pub zone: Tz,
    pub reading: &'c mut Reading,
}

/// The sources as far as they could be read, in the order of the file.
#[derive(Default)]
pub(super) struct Sources<'a> {
    stated: Vec<Stated<'a>>,
    /// Every name, also of what could be read only in part; the key is lower-case.
    taken: HashMap<String, Taken>,
    /// Base of a name -> the last number that was given to make one unique.
    numbers: HashMap<String, usize>,
    /// Address or folder -> the name of the source that reads it.
    places: HashMap<String, String>,
    /// Name of an OPML source -> the names of its outlines.
    groups: BTreeMap<String, Vec<String>>,
}

/// A name as written, and where.
struct Taken {
    name: String,
    span: Span,
}

/// One `[[source]]` and what it became: one source, or those of an OPML file.
struct Stated<'a> {
    table: Table<'a>,
    name: String,
    sources: Vec<Source>,
}

pub(super) fn read<'a>(root: &Table<'a>, context: &mut Context<'_>) -> Sources<'a> {
    let mut sources = Sources::default();
    let mut lists = Vec::new();
    for table in root.tables("source") {
        // Without a name the rest is read all the same, for its complaints.
        let name = sources.take_name(&table).unwrap_or_default();
        let (source, list) = match sources.read_one(&table, &name, context) {
            Some(Read::Source(source)) => (Some(source), None),
            Some(Read::List(template, path)) => (None, Some((template, path))),
            None => (None, None),
        };
        lists.extend(list.map(|(template, path)| (sources.stated.len(), template, path)));
        sources.stated.push(Stated { table, name, sources: source.into_iter().collect() });
    }
    // After all names of the file are known: an outline gives way to them.
    for (index, template, path) in lists {
        let listed = lists::read(&path, root.desk, context);
        sources.take_list(index, &template, &path.value, listed.unwrap_or_default());
    }
    sources
}

impl<'a> Sources<'a> {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all().map(|source| source.name.as_str())
    }

    /// Is there a source of that name, in any case?
    pub fn has(&self, name: &str) -> bool {
        self.taken.contains_key(&name.to_lowercase())
    }

    /// The outlines of the OPML source of that name.
    pub fn group(&self, name: &str) -> Option<&[String]> {
        self.groups.get(name).map(Vec::as_slice)
    }

    /// The names behind one that a section lists.
    pub fn resolve(&self, stated: &Located<String>, desk: &Desk<'_>) -> Vec<String> {
        if let Some(group) = self.group(&stated.value) {
            return group.to_vec();
        }
        if self.taken.get(&stated.value.to_lowercase()).is_some_and(|taken| taken.name == stated.value) {
            return vec![stated.value.clone()];
        }
        if !desk.is_broken() {
            desk.error(&stated.span, self.unknown(&stated.value));
        }
        Vec::new()
    }

    pub fn unknown(&self, name: &str) -> Wrong {
        let wrong = Wrong::new(format!("there is no source {name:?}"));
        match nearest(name, self.names().chain(self.groups.keys().map(String::as_str))) {
            Some(meant) => wrong.meant(format!("\"{meant}\"")),
            None => wrong.next("name it as its [[source]] does"),
        }
    }

    /// The rules of single sources: they may speak of all sections and sources, so they are read last.
    pub fn read_rules(&mut self, names: &Names) {
        let scope = Scope { names, sources: self };
        let read: Vec<_> = self
            .stated
            .iter()
            .map(|stated| rules::read(stated.table.tables("rules"), rules::Of::Source(&stated.name), &scope))
            .collect();
        for (stated, rules) in self.stated.iter_mut().zip(read) {
            for source in &mut stated.sources {
                source.rules.clone_from(&rules);
            }
        }
    }

    /// The folders that are read, each with the name of its source.
    pub fn folders(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.all().filter_map(|source| match &source.place {
            Place::Folder(folder) => Some((folder.as_path(), source.name.as_str())),
            Place::Feed(_) => None,
        })
    }

    pub fn into_settings(self) -> Vec<Arc<Source>> {
        self.stated.into_iter().flat_map(|stated| stated.sources).map(Arc::new).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Source> {
        self.stated.iter().flat_map(|stated| &stated.sources)
    }

    /// The name of a `[[source]]`, if no other has it.
    fn take_name(&mut self, table: &Table<'_>) -> Option<String> {
        let name = table.text("name", value::source_name)?;
        match self.taken.entry(name.value.to_lowercase()) {
            Entry::Vacant(free) => {
                free.insert(Taken { name: name.value.clone(), span: name.span });
            }
            Entry::Occupied(taken) => {
                let wrong = Wrong::new(format!("a second source is called {:?}", name.value));
                let wrong = wrong.next("every source has a name of its own");
                table.desk.error_with(&name.span, wrong, &taken.get().span, "the first");
            }
        }
        Some(name.value)
    }

    /// The feeds of an OPML file become sources, save those that a `[[source]]` or an earlier list says more about.
    fn take_list(&mut self, index: usize, template: &Source, file: &Path, feeds: Vec<Listed>) {
        let mut listed = Vec::with_capacity(feeds.len());
        for Listed { text, url, credentials, sections } in feeds {
            if self.places.contains_key(url.as_str()) {
                continue;
            }
            let name = self.free_name(text.as_deref(), &url);
            self.places.insert(url.to_string(), name.clone());
            let private = template.private || credentials.is_some() || holds_secret(&url);
            let mut source = Source { name, credentials, private, ..template.clone() };
            add_once(&mut source.sections, sections);
            source.bucket = queue::bucket(&url).into();
            source.place = Place::Feed(url);
            source.listed_in = Some(file.to_path_buf());
            listed.push(source);
        }
        if let Some(stated) = self.stated.get_mut(index) {
            self.groups.insert(stated.name.clone(), listed.iter().map(|source| source.name.clone()).collect());
            stated.sources = listed;
        }
    }

    /// The outline's text, else its host; with the host, then with a number if another source has that name.
    fn free_name(&mut self, text: Option<&str>, url: &Url) -> String {
        let host = url.host_str().unwrap_or("feed").trim_start_matches("www.");
        let base = Some(value::tame_source_name(text.unwrap_or_default())).filter(|name| !name.is_empty());
        let base = base.unwrap_or_else(|| value::tame_source_name(host));
        let with_host = value::tame_source_name(&format!("{base} ({host})"));
        let mut candidate = base;
        if self.taken.contains_key(&candidate.to_lowercase()) {
            candidate = with_host.clone();
        }
        while self.taken.contains_key(&candidate.to_lowercase()) {
            let number = self.numbers.entry(with_host.to_lowercase()).or_insert(1);
            *number += 1;
            candidate = format!("{with_host} {number}");
        }
        self.taken.insert(candidate.to_lowercase(), Taken { name: candidate.clone(), span: 0..0 });
        candidate
    }

    /// One `[[source]]` table. `None`: what it reads is wrong.
    fn read_one(&mut self, table: &Table<'_>, name: &str, context: &mut Context<'_>) -> Option<Read> {
        // Everything is read before anything is given up, for its complaints.
        let kind = kind(table);
        let url = table.text("url", value::url);
        let folder = table.text("folder", value::path);
        let opml = table.text("opml", value::path);
        let common = common(table, name, context);
        match kind? {
            Kind::Url => {
                let mut url = url?;
                let source = with_url(common, &mut url, table);
                self.once(table, name, &url.span, url.value.as_str());
                let bucket = queue::bucket(&url.value).into();
                Some(Read::Source(Source { place: Place::Feed(url.value), bucket, ..source }))
            }
            Kind::Folder => {
                let folder = folder?;
                let path = context.paths.beside(&folder.value);
                look_into(table, &folder.span, &path);
                self.once(table, name, &folder.span, &path.to_string_lossy());
                Some(Read::Source(Source { place: Place::Folder(path), ..common }))
            }
            Kind::Opml => opml.map(|opml| {
                let path = context.paths.beside(&opml.value);
                Read::List(common, Located { value: path, span: opml.span })
            }),
        }
    }

    /// Two sources at one place would fight over its entries.
    fn once(&mut self, table: &Table<'_>, name: &str, span: &Span, place: &str) {
        if let Some(other) = self.places.insert(place.to_owned(), name.to_owned()) {
            let wrong = Wrong::new(format!("the source {other:?} reads this too"));
            table.desk.error(span, wrong.next("one source can stand in many sections: sections = [...]"));
        }
    }
}

enum Read {
    Source(Source),
    /// What every outline takes over, and the file.
    List(Source, Located<PathBuf>),
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Url,
    Folder,
    Opml,
}

/// What all kinds of sources have; the place is still missing.
fn common(table: &Table<'_>, name: &str, context: &mut Context<'_>) -> Source {
    let zone = context.zone;
    let stated = table.texts("sections", value::text);
    let mut sections = Vec::new();
    let known = stated.iter().filter_map(|name| context.names.section(name, table.desk));
    add_once(&mut sections, known.collect());
    let (mut headers, mut secret) = headers(table, context);
    let token = bearer(table, &headers, context);
    secret |= table.has("token-file");
    headers.extend(token);
    let credentials = credentials(table, context);
    Source {
        name: name.to_owned(),
        place: Place::Folder(PathBuf::new()),
        bucket: Arc::default(),
        sections,
        priority: i32::try_from(table.number_or_default("priority")).unwrap_or_default(),
        schedule: table.text("schedule", |text| value::cadence(text, zone)).map(|found| found.value),
        headers,
        private: table.is_set("private") || secret || credentials.is_some(),
        credentials,
        section_line: match table.choice_or_default("section-line").as_str() {
            "always" => SectionLine::Always,
            "never" => SectionLine::Never,
            _ => SectionLine::Auto,
        },
        publish: table.is_set("publish"),
        full_text: table.is_set("full-text"),
        rules: Vec::new(),
        listed_in: None,
    }
}

/// A feed: what is secret in its address is taken out of it, or makes the source private.
fn with_url(mut source: Source, url: &mut Located<Url>, table: &Table<'_>) -> Source {
    if let Some(credentials) = take_userinfo(&mut url.value) {
        if source.credentials.is_some() {
            let wrong = Wrong::new("a password in the address and a username beside it");
            table.desk.error(&url.span, wrong.next("keep username and password-file, cut the address"));
        } else if table.has("token-file") {
            let wrong = Wrong::new("a password in the address and a token-file beside it");
            table.desk.error(&url.span, wrong.next("keep token-file, cut the address"));
        }
        source.credentials.get_or_insert(credentials);
        source.private = true;
    }
    source.private |= holds_secret(&url.value);
    if source.private && table.has("private") && !table.is_set("private") {
        let wrong = Wrong::new("a source with a secret is private all the same");
        table.desk.warn(&table.key_span("private"), wrong.next("leave the key out"));
    }
    source
}

/// Which of url, folder and opml it is; keys that mean nothing for it are refused.
fn kind(table: &Table<'_>) -> Option<Kind> {
    const KINDS: [(&str, Kind); 3] = [("url", Kind::Url), ("folder", Kind::Folder), ("opml", Kind::Opml)];
    let stated: Vec<(&str, Kind)> = KINDS.into_iter().filter(|(key, _)| table.has(key)).collect();
    match stated[..] {
        [(_, kind)] => {
            refuse_what_does_not_fit(table, kind);
            Some(kind)
        }
        [] => {
            let wrong = Wrong::new("a source needs one of url, folder and opml");
            table.desk.error(&table.span, wrong.next("as url = \"https://example.org/feed.xml\""));
            None
        }
        [(first, _), (second, _), ..] => {
            let wrong = Wrong::new(format!("a source is a {first} or a {second}, not both")).next("make two of it");
            table.desk.error_with(&table.key_span(second), wrong, &table.key_span(first), "the first");
            None
        }
    }
}

fn refuse_what_does_not_fit(table: &Table<'_>, kind: Kind) {
    for key in ["headers", "username", "password-file", "token-file"] {
        if table.has(key) && kind != Kind::Url {
            let next = match kind {
                Kind::Opml => "give the one feed that needs it a [[source]] of its own",
                _ => "leave it out",
            };
            let wrong = Wrong::new(format!("{key} is for a source with a url"));
            table.desk.error(&table.key_span(key), wrong.next(next));
        }
    }
    if table.has("section-line") && kind != Kind::Folder {
        let wrong = Wrong::new("section-line is for a source with a folder").next("leave it out");
        table.desk.error(&table.key_span("section-line"), wrong);
    }
}

/// A folder may come later, so it only gives rise to warnings; a file never becomes one.
fn look_into(table: &Table<'_>, span: &Span, folder: &Path) {
    let shown = folder.display();
    let hidden = ["/home", "/root", "/run/user"].iter().any(|hidden| folder.starts_with(hidden));
    let unit = "the systemd unit hides home directories (ProtectHome); articles belong under /srv/newsdesk";
    let warn = |reason: String, next: &str| {
        table.desk.warn(span, Wrong::new(reason).next(if hidden { unit } else { next }));
    };
    let unreadable = |error: &std::io::Error| {
        warn(format!("{shown} cannot be read: {}", said(error)), "let the user of newsdesk read it");
    };
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            let meant = folder.parent().map(|parent| format!("\"{}\"", parent.display()));
            let wrong = Wrong::new(format!("{shown} is a file")).next("name the folder that holds it");
            table.desk.error(span, Wrong { meant, ..wrong });
        }
        Ok(_) => {
            if let Err(error) = std::fs::read_dir(folder) {
                unreadable(&error);
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            warn(format!("{shown} is not there (yet)"), "nothing is withdrawn while it is missing");
        }
        Err(error) => unreadable(&error),
    }
}

/// Each once, in order; most sources have one, which takes no room for more.
pub(super) fn add_once(to: &mut Vec<String>, names: Vec<String>) {
    for name in names {
        if !to.contains(&name) {
            to.reserve_exact(1);
            to.push(name);
        }
    }
}
