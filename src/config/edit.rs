//! Sources and sections added to a configuration file, which otherwise stays as its owner wrote it.
//!
//! New tables go behind the last line: TOML takes `[[source]]` anywhere, and nothing of a hand-written file is touched.
//! The whole is checked as a start would, then takes the place of the old file in one step, with its rights.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use url::Url;

use super::complaint::{Complaints, Quoted};
use super::file::{self, said};
use super::find::Locations;
use super::settings::{Place, Settings};
use super::value::{self, nearest};
use super::{check, keys};

/// A `[[source]]` with a url, as it will be written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NewSource {
    pub name: String,
    pub url: Url,
    /// Names of sections.
    pub sections: Vec<String>,
}

/// A configuration file and what is to be added to it.
#[derive(Debug)]
pub struct Additions {
    path: PathBuf,
    locations: Locations,
    /// Bytes of the file as it was read; `None`: there is none yet.
    before: Option<Vec<u8>>,
    pub settings: Settings,
    sources: Vec<NewSource>,
    /// Name and title.
    sections: Vec<(String, String)>,
    /// Names of sources, lower-case.
    names: HashSet<String>,
    /// Address -> name of the source that reads it.
    places: HashMap<String, String>,
    /// Name, title or alias of a section, lower-case -> its name.
    words: BTreeMap<String, String>,
}

/// Why the file stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("with what was to be added the configuration would be wrong, so that nothing was written:\n{0}")]
    Wrong(Complaints),
    #[error("{path} cannot be written: {reason}; write the lines into it yourself, or run this as its owner")]
    Io { path: PathBuf, reason: String },
    #[error("{path} was changed by somebody else meanwhile, so that nothing was written; run this again")]
    Changed { path: PathBuf },
}

impl Additions {
    /// Reads the file, which must be right as it is; one that is not there yet begins empty.
    pub fn open(path: &Path, locations: &Locations) -> Result<Additions, Complaints> {
        let is_there = path.try_exists().unwrap_or(true);
        let settings = if is_there { super::load(path, locations)? } else { super::defaults(locations) };
        // Read once more, byte for byte; should somebody have changed it in between, the check at the end says so.
        let before = if is_there { fs::read(path).ok() } else { None };
        let mut words = BTreeMap::new();
        for section in &settings.sections {
            for word in [&section.name, &section.title].into_iter().chain(&section.aliases) {
                words.entry(word.to_lowercase()).or_insert_with(|| section.name.clone());
            }
        }
        let places = settings.sources.iter().filter_map(|source| match &source.place {
            Place::Feed(url) => Some((same_place(url), source.name.clone())),
            Place::Folder(_) => None,
        });
        Ok(Additions {
            path: path.to_path_buf(),
            locations: locations.clone(),
            before,
            sources: Vec::new(),
            sections: Vec::new(),
            names: settings.sources.iter().map(|source| source.name.to_lowercase()).collect(),
            places: places.collect(),
            words,
            settings,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The source that reads this address already; scheme, `www.` and a slash at the end make no difference.
    pub fn reads(&self, url: &Url) -> Option<&str> {
        self.places.get(&same_place(url)).map(String::as_str)
    }

    /// Is there a source of that name, in any case?
    pub fn has_name(&self, name: &str) -> bool {
        self.names.contains(&name.to_lowercase())
    }

    /// A name that no source has yet: the wish, else the host; then with the host, then with a number.
    pub fn free_name(&self, wish: Option<&str>, url: &Url) -> String {
        let host = url.host_str().unwrap_or("feed").trim_start_matches("www.");
        let base = Some(value::tame_source_name(wish.unwrap_or_default())).filter(|name| !name.is_empty());
        let base = base.unwrap_or_else(|| value::tame_source_name(host));
        let with_host = value::tame_source_name(&format!("{base} ({host})"));
        let numbered = (2..).map(|number| format!("{with_host} {number}"));
        let mut names = [base, with_host.clone()].into_iter().chain(numbered);
        names.find(|name| !self.has_name(name)).unwrap_or_default()
    }

    /// The section that a word means: its name, title or an alias, in any case.
    pub fn section(&self, word: &str) -> Option<&str> {
        self.words.get(&word.trim().to_lowercase()).map(String::as_str)
    }

    /// What to say of a word that means no section.
    pub fn no_section(&self, word: &str) -> String {
        let names = || self.settings.sections.iter().map(|section| section.name.as_str());
        let known = names().collect::<Vec<_>>().join(", ");
        match nearest(word, names()) {
            Some(meant) => format!("there is no section {word:?}; did you mean {meant:?}?"),
            None if known.is_empty() => format!("there is no section {word:?}, nor any other; add a [[section]] first"),
            None => format!("there is no section {word:?}; sections: {known}"),
        }
    }

    /// A section of that title from now on; its name. `None`: no address can be made of it.
    pub fn make_section(&mut self, title: &str) -> Option<String> {
        if let Some(known) = self.section(title) {
            return Some(known.to_owned());
        }
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        let fits = |c: char| if c.is_alphanumeric() || c == '_' { c } else { '-' };
        let slug: String = title.to_lowercase().chars().map(fits).take(50).collect();
        let slug = slug.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
        let base = if keys::RESERVED_SECTIONS.contains(&slug.as_str()) { format!("{slug}-section") } else { slug };
        let numbered = (2..).map(|number| format!("{base}-{number}"));
        let taken = |name: &String| self.words.contains_key(&name.to_lowercase());
        let name = std::iter::once(base.clone()).chain(numbered).find(|name| !taken(name))?;
        value::section_name(&name).ok()?;
        for word in [&name, &title] {
            self.words.entry(word.to_lowercase()).or_insert_with(|| name.clone());
        }
        self.sections.push((name.clone(), title));
        Some(name)
    }

    pub fn add(&mut self, source: NewSource) {
        self.names.insert(source.name.to_lowercase());
        self.places.insert(same_place(&source.url), source.name.clone());
        self.sources.push(source);
    }

    /// Name and title of the sections that are made.
    pub fn new_sections(&self) -> &[(String, String)] {
        &self.sections
    }

    pub fn new_sources(&self) -> &[NewSource] {
        &self.sources
    }

    /// The lines that are added.
    pub fn lines(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        for (name, title) in &self.sections {
            let _ = writeln!(text, "\n[[section]]\nname = {}\ntitle = {}", quoted(name), quoted(title));
        }
        for source in &self.sources {
            let _ =
                writeln!(text, "\n[[source]]\nname = {}\nurl = {}", quoted(&source.name), quoted(source.url.as_str()));
            if !source.sections.is_empty() {
                let names: Vec<String> = source.sections.iter().map(|name| quoted(name)).collect();
                let _ = writeln!(text, "sections = [{}]", names.join(", "));
            }
        }
        text
    }

    /// Checks the whole and puts it in the place of the file.
    pub fn write(&self) -> Result<Settings, EditError> {
        let before = self.before.clone().unwrap_or_default();
        let mut text = String::from_utf8_lossy(&before).into_owned();
        let ends = if text.contains("\r\n") { "\r\n" } else { "\n" };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(ends);
        }
        let lines = self.lines().replace('\n', ends);
        text.push_str(if text.is_empty() { lines.trim_start() } else { &lines });
        let shown = text.trim_start_matches('\u{feff}').to_owned();
        let file = file::File { quoted: Quoted::new(self.path.clone(), shown), on_disk: true };
        let settings = check::settings(file, &self.locations).map_err(EditError::Wrong)?;
        self.replace(text.as_bytes())?;
        Ok(settings)
    }

    fn replace(&self, bytes: &[u8]) -> Result<(), EditError> {
        let failed = |cause: std::io::Error| EditError::Io { path: self.path.clone(), reason: said(&cause) };
        // Behind a link lies the file that is meant.
        let path = if self.before.is_some() { self.path.canonicalize().map_err(failed)? } else { self.path.clone() };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let new = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
        let written = self.write_beside(&path, &new, bytes).map_err(failed);
        let swapped = written.and_then(|()| {
            if self.before != fs::read(&path).ok() {
                return Err(EditError::Changed { path: self.path.clone() });
            }
            fs::rename(&new, &path).map_err(failed)
        });
        if swapped.is_err() {
            // It may never have come to be.
            let _ = fs::remove_file(&new);
            return swapped;
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    fn write_beside(&self, path: &Path, new: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let known = self.before.as_ref().map(|_| fs::metadata(path)).transpose()?;
        // Nobody else reads it before it has the rights of the old one.
        let mode = if known.is_some() { 0o600 } else { 0o666 };
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(new)?;
        file.write_all(bytes)?;
        if let Some(known) = known {
            // Only root can give a file away; then the rights alone are kept.
            let _ = std::os::unix::fs::fchown(&file, Some(known.uid()), Some(known.gid()));
            file.set_permissions(known.permissions())?;
        }
        file.sync_all()
    }
}

/// An address as people type it: without a scheme, https is meant.
pub fn address(text: &str) -> Result<Url, String> {
    let read = value::url(text).or_else(|wrong| match wrong.meant.as_deref().map(|meant| meant.trim_matches('"')) {
        Some(meant) if meant.starts_with("https://") => value::url(meant),
        _ => Err(wrong),
    });
    read.map_err(|wrong| {
        let meant = wrong.meant.map(|meant| format!("; did you mean {meant}?"));
        let next = wrong.next.map(|next| format!("; {next}"));
        format!("the address cannot be used: {}{}", wrong.reason, meant.or(next).unwrap_or_default())
    })
}

/// Two addresses of one feed, as far as their looks tell.
fn same_place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{port}{}{query}", host.trim_start_matches("www."), url.path().trim_end_matches('/'))
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Scratch {
        folder: tempfile::TempDir,
    }

    impl Scratch {
        fn with(text: &str) -> Scratch {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("newsdesk.toml"), text).unwrap();
            Scratch { folder }
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("newsdesk.toml")
        }

        fn open(&self) -> Additions {
            let locations = Locations { state_dir: "/state".into(), credentials_dir: None, admin_socket: None };
            Additions::open(&self.path(), &locations).unwrap()
        }

        fn text(&self) -> String {
            fs::read_to_string(self.path()).unwrap()
        }
    }

    fn source(name: &str, url: &str, sections: &[&str]) -> NewSource {
        let sections = sections.iter().map(|name| (*name).to_owned()).collect();
        NewSource { name: name.to_owned(), url: url.parse().unwrap(), sections }
    }

    const WRITTEN: &str = "# by hand\n[site]   # spaced\ntitle='x'\n\n[[section]]\nname = \"news\"\naliases = [\"Neues\"]\n\n[[source]]\nname = \"A\"\nurl = \"https://www.example.org/feed/\" # the first\n[[rule]]\nwhen = { title = \"x\" }\nthen = { drop = true } # end";

    #[test]
    fn what_was_there_stays_byte_for_byte() {
        for (ends, before) in [("\n", WRITTEN.to_owned()), ("\r\n", WRITTEN.replace('\n', "\r\n"))] {
            let scratch = Scratch::with(&before);
            fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o640)).unwrap();
            let mut additions = scratch.open();
            additions.add(source("B \"b\"", "https://b.example/?a=\"", &["news"]));
            let settings = additions.write().unwrap();
            assert_eq!(settings.sources[1].name, "B \"b\"");
            let expected =
                "\n\n[[source]]\nname = \"B \\\"b\\\"\"\nurl = \"https://b.example/?a=%22\"\nsections = [\"news\"]\n";
            assert_eq!(scratch.text(), before + &expected.replace('\n', ends));
            assert_eq!(fs::metadata(scratch.path()).unwrap().permissions().mode() & 0o777, 0o640);
            assert_eq!(fs::read_dir(scratch.folder.path()).unwrap().count(), 1, "nothing is left beside it");
        }
    }

    #[test]
    fn what_would_be_wrong_is_not_written() {
        let before = "source = [{ name = \"a\", url = \"https://a.example/\" }]\n";
        let scratch = Scratch::with(before);
        let mut additions = scratch.open();
        additions.add(source("b", "https://b.example/", &[]));
        assert!(matches!(additions.write(), Err(EditError::Wrong(_))));
        assert_eq!(scratch.text(), before);
        let scratch = Scratch::with("");
        let mut additions = scratch.open();
        additions.add(source("b", "https://b.example/", &["nowhere"]));
        assert!(matches!(additions.write(), Err(EditError::Wrong(_))));
    }

    #[test]
    fn another_hand_is_noticed_and_a_link_is_kept() {
        let scratch = Scratch::with("");
        let mut additions = scratch.open();
        additions.add(source("b", "https://b.example/", &[]));
        fs::write(scratch.path(), "# meanwhile\n").unwrap();
        assert!(matches!(additions.write(), Err(EditError::Changed { .. })));
        assert_eq!(scratch.text(), "# meanwhile\n");
        let real = scratch.folder.path().join("real.toml");
        fs::rename(scratch.path(), &real).unwrap();
        std::os::unix::fs::symlink(&real, scratch.path()).unwrap();
        let mut additions = scratch.open();
        additions.add(source("b", "https://b.example/", &[]));
        additions.write().unwrap();
        assert!(fs::symlink_metadata(scratch.path()).unwrap().is_symlink());
        assert!(fs::read_to_string(real).unwrap().starts_with("# meanwhile\n\n[[source]]\n"));
    }

    #[test]
    fn a_file_that_is_not_there_is_made() {
        let scratch = Scratch::with("");
        fs::remove_file(scratch.path()).unwrap();
        let mut additions = scratch.open();
        additions.add(source("b", "https://b.example/", &[]));
        additions.write().unwrap();
        assert_eq!(scratch.text(), "[[source]]\nname = \"b\"\nurl = \"https://b.example/\"\n");
    }

    #[test]
    fn names_and_places_are_known_again() {
        let additions = Scratch::with(WRITTEN).open();
        for (url, known) in [
            ("http://example.org/feed", Some("A")),
            ("https://www.example.org/feed/", Some("A")),
            ("https://example.org/feed?a", None),
            ("https://example.org:8443/feed", None),
        ] {
            assert_eq!(additions.reads(&url.parse().unwrap()), known, "{url}");
        }
        let free = |wish: Option<&str>| additions.free_name(wish, &"https://www.b.example/x".parse().unwrap());
        assert_eq!(
            (free(Some("a")), free(Some("C/d")), free(None)),
            ("a (b.example)".into(), "C d".into(), "b.example".into())
        );
        assert_eq!((additions.section("NEUES "), additions.section("x")), (Some("news"), None));
        assert!(additions.no_section("nwes").contains("did you mean \"news\""));
    }

    #[test]
    fn sections_are_made_of_titles() {
        let scratch = Scratch::with(WRITTEN);
        let mut additions = scratch.open();
        let mut made = |title: &str| additions.make_section(title);
        assert_eq!(made("Neues").as_deref(), Some("news"));
        assert_eq!(made("Art &  Culture").as_deref(), Some("art-culture"));
        assert_eq!(made("art-culture").as_deref(), Some("art-culture"));
        assert_eq!(made("Status").as_deref(), Some("status-section"));
        assert_eq!(made("Наука").as_deref(), Some("наука"));
        assert_eq!(made("!!"), None);
        assert_eq!(additions.new_sections()[0], ("art-culture".to_owned(), "Art & Culture".to_owned()));
        additions.write().unwrap();
    }

    #[test]
    fn addresses_as_people_type_them() {
        let check = |text: &str, expected: &str| {
            let said = address(text).map_or_else(|said| said, String::from);
            assert!(said.contains(expected), "{text}: {said}");
        };
        check("https://example.org/feed", "https://example.org/feed");
        check("example.org/feed", "https://example.org/feed");
        check("feed://example.org/feed", "https://example.org/feed");
        check("file:///etc/passwd", "use folder");
        check("", "is not an absolute URL");
    }
}
