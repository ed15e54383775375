//! Sources: `[[source]]` as written, the outlines of OPML files and the secrets they name -> [`Source`]s.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono_tz::Tz;
use toml::de::DeValue;
use url::Url;

use super::check::{Names, Paths, Reading};
use super::complaint::Complaint;
use super::file::said;
use super::keys;
use super::rules::{self, Scope};
use super::settings::{Credentials, Place, Secret, SectionLine, Source, is_secret_word};
use super::table::{Desk, Located, Span, Table};
use super::value::{self, Wrong, nearest};
use crate::parse::opml;

/// An OPML list is other people's file; two hundred thousand bytes are a large one.
const MAX_OPML_BYTES: u64 = 16 << 20;
const MAX_OUTLINES: usize = 20_000;
/// A password or token.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// The sources as far as they could be read, in the order of the file.
#[derive(Default)]
pub(super) struct Sources<'a> {
    stated: Vec<Stated<'a>>,
    /// Every name, also of what could be read only in part; the key is lower-case.
    taken: HashMap<String, Taken>,
    /// Base of a name -> the last number that was given to make one unique.
    numbers: HashMap<String, usize>,
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

pub(super) fn read<'a>(
    root: &Table<'a>,
    paths: &Paths<'_>,
    names: &Names,
    zone: Tz,
    reading: &mut Reading,
) -> Sources<'a> {
    let mut sources = Sources::default();
    let mut lists = Vec::new();
    let mut places = HashMap::new();
    for table in root.tables("source") {
        // Without a name the rest is read all the same, for its complaints.
        let name = sources.take_name(&table).unwrap_or_default();
        let read = one(&table, &name, paths, names, zone, reading, &mut places);
        let index = sources.stated.len();
        let (template, list) = match read {
            Some(Read::Source(source)) => (Some(source), None),
            Some(Read::List(template, path)) => (None, Some((template, path))),
            None => (None, None),
        };
        sources.stated.push(Stated { table, name, sources: template.into_iter().collect() });
        lists.extend(list.map(|list| (index, list)));
    }
    // After all names of the file are known: an outline gives way to them.
    for (index, (template, path)) in lists {
        sources.read_list(index, &template, path, names, reading, &mut places);
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
            .map(|stated| rules::read(stated.table.tables("rules"), Some(&stated.name), &scope))
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

    /// The outlines of one OPML file. A bad outline loses only itself.
    fn read_list(
        &mut self,
        index: usize,
        template: &Source,
        path: Located<PathBuf>,
        names: &Names,
        reading: &mut Reading,
        places: &mut HashMap<String, String>,
    ) {
        let Some(stated) = self.stated.get(index) else { return };
        let (desk, group) = (stated.table.desk, stated.name.clone());
        let file = path.value;
        let bytes = match reading.bytes(&file, MAX_OPML_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => {
                let wrong = Wrong::new(format!("{} cannot be read: {}", file.display(), said(&error)));
                desk.error(&path.span, wrong.next("make the file, or take this source out"));
                return;
            }
        };
        let warn = |reason: String, meant: Option<String>, next: &str| {
            desk.push(&path.span, Complaint::warning(Some(&file), reason).meant(meant).next(next));
        };
        let mut outlines = match opml::outlines(&bytes) {
            Ok(outlines) => outlines,
            Err(error) => {
                desk.error(&path.span, Wrong::new(format!("{}: {error}", file.display())));
                return;
            }
        };
        if outlines.is_empty() {
            warn("no feed is listed in it".to_owned(), None, "an outline needs an xmlUrl");
        }
        if outlines.len() > MAX_OUTLINES {
            warn(format!("only the first {MAX_OUTLINES} feeds are taken"), None, "split the list");
            outlines.truncate(MAX_OUTLINES);
        }
        let mut unknown_folders = BTreeSet::new();
        let mut listed: Vec<Source> = Vec::with_capacity(outlines.len());
        // Place -> position in `listed`: a feed in two folders is one source in two sections.
        let mut seen: HashMap<String, usize> = HashMap::new();
        for outline in outlines {
            let mut url = match value::url(&outline.xml_url) {
                Ok(url) => url,
                Err(wrong) => {
                    let text = outline.text.as_deref().unwrap_or("without text");
                    warn(
                        format!("the outline {text:?} is left out: its address {}", wrong.reason),
                        wrong.meant,
                        "mend its xmlUrl",
                    );
                    continue;
                }
            };
            let mut sections = template.sections.clone();
            let folders = || outline.folders.iter().filter(|folder| !folder.trim().is_empty());
            let named: Vec<&str> = folders().filter_map(|folder| names.by_word(folder)).collect();
            if let (true, Some(folder)) = (named.is_empty(), folders().next_back())
                && unknown_folders.insert(folder.clone())
            {
                let meant = nearest(folder, names.all()).map(|word| format!("{word:?}"));
                let next = "its feeds are read all the same; an alias of a section would take them in";
                warn(format!("the folder {folder:?} names no section"), meant, next);
            }
            sections.extend(named.into_iter().map(str::to_owned));
            let credentials = take_userinfo(&mut url);
            let key = url.as_str().to_owned();
            if let Some(earlier) = seen.get(&key).and_then(|at| listed.get_mut(*at)) {
                add_sections(&mut earlier.sections, sections);
                continue;
            }
            if places.contains_key(&key) {
                continue; // a [[source]] or an earlier list says more about it
            }
            let name = self.free_name(outline.text.as_deref(), &url);
            places.insert(key.clone(), name.clone());
            seen.insert(key, listed.len());
            let private = template.private || credentials.is_some() || super::settings::holds_secret(&url);
            let mut source = Source { name, place: Place::Feed(url), credentials, private, ..template.clone() };
            source.sections.clear();
            add_sections(&mut source.sections, sections);
            source.listed_in = Some(file.clone());
            listed.push(source);
        }
        self.groups.insert(group, listed.iter().map(|source| source.name.clone()).collect());
        if let Some(stated) = self.stated.get_mut(index) {
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
}

enum Read {
    Source(Source),
    /// What every outline takes over, and the file.
    List(Source, Located<PathBuf>),
}

/// One `[[source]]` table.
fn one(
    table: &Table<'_>,
    name: &str,
    paths: &Paths<'_>,
    names: &Names,
    zone: Tz,
    reading: &mut Reading,
    places: &mut HashMap<String, String>,
) -> Option<Read> {
    let kind = kind(table);
    let url = table.text("url", value::url);
    let folder = table.text("folder", value::path);
    let opml = table.text("opml", value::path);
    if let Some(kind) = kind {
        refuse_what_does_not_fit(table, kind);
    }
    if table.is_set("full-text") {
        let wrong = Wrong::new("full-text is not available yet");
        table
            .desk
            .error(&table.key_span("full-text"), wrong.next("leave it out: entries have the text that the feed gives"));
    }
    let schedule = table.text("schedule", |text| value::cadence(text, zone)).map(|found| found.value);
    let stated: Vec<_> = table.texts("sections", value::text);
    let (headers, header_secret) = headers(table, paths, reading);
    let section_line = match table.choice_or_default("section-line").as_str() {
        "always" => SectionLine::Always,
        "never" => SectionLine::Never,
        _ => SectionLine::Auto,
    };
    let private = table.flag("private");
    let mut source = Source {
        name: name.to_owned(),
        place: Place::Folder(PathBuf::new()),
        sections: Vec::new(),
        priority: i32::try_from(table.number_or_default("priority")).unwrap_or_default(),
        schedule,
        headers,
        credentials: credentials(table, paths, reading),
        section_line,
        private: private.as_ref().is_some_and(|flag| flag.value),
        publish: table.is_set("publish"),
        rules: Vec::new(),
        listed_in: None,
    };
    add_sections(&mut source.sections, stated.iter().filter_map(|name| names.section(name, table.desk)).collect());

    match kind? {
        "url" => {
            let mut url = url?;
            if let Some(credentials) = take_userinfo(&mut url.value) {
                if source.credentials.is_some() {
                    let wrong = Wrong::new("a password in the address and a username beside it");
                    table.desk.error(&url.span, wrong.next("keep username and password-file, cut the address"));
                }
                source.credentials.get_or_insert(credentials);
            }
            let secret = header_secret || source.credentials.is_some() || super::settings::holds_secret(&url.value);
            if secret && private.is_some_and(|flag| !flag.value) {
                let wrong = Wrong::new("a source with a secret is private all the same");
                table.desk.warn(&table.key_span("private"), wrong.next("leave the key out"));
            }
            source.private |= secret;
            once(table, name, &url.span, url.value.as_str(), places);
            source.place = Place::Feed(url.value);
            Some(Read::Source(source))
        }
        "folder" => {
            let folder = folder?;
            let path = paths.beside(&folder.value);
            look_into(table, &folder.span, &path);
            once(table, name, &folder.span, &path.to_string_lossy(), places);
            source.place = Place::Folder(path);
            Some(Read::Source(source))
        }
        _ => {
            let opml = opml?;
            let path = paths.beside(&opml.value);
            Some(Read::List(source, Located { value: path, span: opml.span }))
        }
    }
}

/// Which of url, folder and opml it is.
fn kind(table: &Table<'_>) -> Option<&'static str> {
    let kinds: Vec<&'static str> = ["url", "folder", "opml"].into_iter().filter(|key| table.has(key)).collect();
    match kinds[..] {
        [kind] => Some(kind),
        [] => {
            let wrong = Wrong::new("a source needs one of url, folder and opml");
            table.desk.error(&table.span, wrong.next("as url = \"https://example.org/feed.xml\""));
            None
        }
        [first, second, ..] => {
            let wrong = Wrong::new(format!("a source is a {first} or a {second}, not both"));
            table.desk.error_with(
                &table.key_span(second),
                wrong.next("make two of it"),
                &table.key_span(first),
                "the first",
            );
            None
        }
    }
}

/// Keys that mean nothing for this kind of source.
fn refuse_what_does_not_fit(table: &Table<'_>, kind: &str) {
    for key in ["headers", "username", "password-file"] {
        if table.has(key) && kind != "url" {
            let wrong = Wrong::new(format!("{key} is for a source with a url"));
            let next =
                if kind == "opml" { "give the one feed that needs it a [[source]] of its own" } else { "leave it out" };
            table.desk.error(&table.key_span(key), wrong.next(next));
        }
    }
    if table.has("section-line") && kind != "folder" {
        let wrong = Wrong::new("section-line is for a source with a folder").next("leave it out");
        table.desk.error(&table.key_span("section-line"), wrong);
    }
}

/// Two sources at one place would fight over its entries.
fn once(table: &Table<'_>, name: &str, span: &Span, place: &str, places: &mut HashMap<String, String>) {
    if let Some(other) = places.insert(place.to_owned(), name.to_owned()) {
        let wrong = Wrong::new(format!("the source {other:?} reads this too"));
        table.desk.error(span, wrong.next("one source can stand in many sections: sections = [...]"));
    }
}

/// A folder may come later, so it only gives rise to warnings; a file never becomes one.
fn look_into(table: &Table<'_>, span: &Span, folder: &Path) {
    let shown = folder.display();
    let hidden = ["/home", "/root", "/run/user"].iter().any(|hidden| folder.starts_with(hidden));
    let unit = "the systemd unit hides home directories (ProtectHome); articles belong under /srv/newsdesk";
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => {
            let meant = folder.parent().map(|parent| format!("\"{}\"", parent.display()));
            let wrong = Wrong::new(format!("{shown} is a file")).next("name the folder that holds it");
            table.desk.error(span, Wrong { meant, ..wrong });
        }
        Ok(_) => {
            if let Err(error) = std::fs::read_dir(folder) {
                let wrong = Wrong::new(format!("{shown} cannot be read: {}", said(&error)));
                table.desk.warn(span, wrong.next(if hidden { unit } else { "let the user of newsdesk read it" }));
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let wrong = Wrong::new(format!("{shown} is not there (yet)"));
            table.desk.warn(span, wrong.next(if hidden { unit } else { "nothing is withdrawn while it is missing" }));
        }
        Err(error) => {
            let wrong = Wrong::new(format!("{shown} cannot be read: {}", said(&error)));
            table.desk.warn(span, wrong.next(if hidden { unit } else { "let the user of newsdesk read it" }));
        }
    }
}

/// `username` and `password-file` go together.
fn credentials(table: &Table<'_>, paths: &Paths<'_>, reading: &mut Reading) -> Option<Credentials> {
    let username = table.text("username", value::text);
    let password = secret_file(table, "password-file", paths, reading);
    for (one, other) in [("username", "password-file"), ("password-file", "username")] {
        if table.has("url") && table.has(one) && !table.has(other) {
            let wrong = Wrong::new(format!("{one} without {other}")).next(format!("add: {other} = \"...\""));
            table.desk.error(&table.key_span(one), wrong);
        }
    }
    Some(Credentials { username: username?.value, password: password? })
}

/// Header fields, and whether one of them is a secret.
fn headers(table: &Table<'_>, paths: &Paths<'_>, reading: &mut Reading) -> (Vec<(String, Secret)>, bool) {
    let mut fields = Vec::new();
    let mut secret = false;
    let Some(value) = table.value("headers") else { return (fields, secret) };
    let DeValue::Table(stated) = value.get_ref() else {
        let wrong = Wrong::new("headers is a table").next("as headers = { Accept-Language = \"en\" }");
        table.desk.error(&value.span(), wrong);
        return (fields, secret);
    };
    for (name, value) in stated {
        let (name, span) = (name.get_ref().as_ref(), name.span());
        if let Err(wrong) = header_name(name) {
            table.desk.error(&span, wrong);
            continue;
        }
        let text = match value.get_ref() {
            DeValue::String(text) => Some(text.trim().to_owned()),
            _ => {
                secret = true;
                let inner = table.as_table(value, keys::HEADER, format!("header {name}"));
                inner.and_then(|inner| secret_file(&inner, "file", paths, reading)).map(|secret| secret.0)
            }
        };
        secret |= is_secret_word(name);
        let Some(text) = text else { continue };
        if text.is_empty() || !text.bytes().all(|byte| byte == b'\t' || byte == b' ' || byte.is_ascii_graphic()) {
            let wrong = Wrong::new(format!("the value of header {name} is empty or not plain ASCII"));
            table.desk.error(&value.span(), wrong);
            continue;
        }
        fields.push((name.to_owned(), Secret(text)));
    }
    (fields, secret)
}

/// A token (RFC 9110 §5.1) that is not newsdesk's own business.
fn header_name(name: &str) -> value::Checked<()> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(token) {
        return Err(Wrong::new(format!("{name:?} is not the name of a header field")).next("letters, digits and -"));
    }
    match name.to_ascii_lowercase().as_str() {
        "user-agent" => Err(Wrong::new("newsdesk goes by its own name")
            .next("say who you are with contact in [site]; it stands in the User-Agent")),
        "host"
        | "connection"
        | "content-length"
        | "transfer-encoding"
        | "te"
        | "upgrade"
        | "keep-alive"
        | "accept"
        | "accept-encoding"
        | "if-none-match"
        | "if-modified-since"
        | "range"
        | "if-range"
        | "referer"
        | "proxy-authorization"
        | "proxy-connection" => Err(Wrong::new(format!("{name} is set by newsdesk itself")).next("leave it out")),
        _ => Ok(()),
    }
}

/// The content of a file that a key names, without line ends. A bare name is a systemd credential if there is one.
fn secret_file(table: &Table<'_>, key: &str, paths: &Paths<'_>, reading: &mut Reading) -> Option<Secret> {
    let stated = table.text(key, value::path)?;
    let credential = paths.credential(&stated.value);
    let path = credential.clone().unwrap_or_else(|| paths.beside(&stated.value));
    let refuse = |wrong: Wrong| {
        table.desk.error(&stated.span, wrong);
        None
    };
    let bytes = match reading.bytes(&path, MAX_SECRET_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            let wrong = Wrong::new(format!("{} cannot be read: {}", path.display(), said(&error)));
            return refuse(wrong.next("put the secret in that file, readable by newsdesk alone"));
        }
    };
    // systemd guards its own.
    if credential.is_none() && world_readable(&path) {
        let wrong = Wrong::new(format!("everyone on this machine can read {}", path.display()));
        table.desk.warn(&stated.span, wrong.next(format!("chmod o-r {}", path.display())));
    }
    match String::from_utf8(bytes) {
        Ok(text) if !text.trim().is_empty() && !text.trim().contains(char::is_control) => {
            Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        _ => refuse(Wrong::new(format!("{} does not hold one line of text", path.display()))),
    }
}

fn world_readable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o004 != 0)
}

/// Takes name and password out of an address, so that it can be shown.
fn take_userinfo(url: &mut Url) -> Option<Credentials> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let username = percent_decoded(url.username());
    let password = Secret(percent_decoded(url.password().unwrap_or_default()));
    // Both can fail only for addresses without a host, and http has one.
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(Credentials { username, password })
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).filter(|_| first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match escaped.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Each once, in order.
fn add_sections(to: &mut Vec<String>, sections: Vec<String>) {
    for section in sections {
        if !to.contains(&section) {
            to.push(section);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_leave_the_address() {
        let mut url = Url::parse("https://j%C3%B6rg:a%40b%zz@example.org/feed?a=b").unwrap();
        let credentials = take_userinfo(&mut url).unwrap();
        assert_eq!((credentials.username.as_str(), credentials.password.0.as_str()), ("jörg", "a@b%zz"));
        assert_eq!(url.as_str(), "https://example.org/feed?a=b");
        assert!(take_userinfo(&mut url).is_none());
    }

    #[test]
    fn a_file_that_everyone_can_read_is_noticed() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, expected) in [(0o600, false), (0o640, false), (0o644, true)] {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(world_readable(file.path()), expected, "{mode:o}");
        }
    }

    #[test]
    fn fields_that_are_newsdesks_own() {
        for (name, fine) in [
            ("Accept-Language", true),
            ("X-Key", true),
            ("User-Agent", false),
            ("HOST", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(header_name(name).is_ok(), fine, "{name}");
        }
    }
}
