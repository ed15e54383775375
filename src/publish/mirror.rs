//! The static mirror: the published tree as files, for any web server, CDN or object store.
//!
//! Every file is written beside its place, synced and renamed, so that a reader sees the old bytes or the new ones.
//! A page is `index.html` in the folder of its path. `.gz` and `.br` stand beside what is worth compressing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::Revision;

/// Names what could not be written, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("mirror: cannot write {path}; check space and rights of the folder in [publish], it is tried again by itself")]
pub struct MirrorError {
    pub path: PathBuf,
    #[source]
    pub cause: io::Error,
}

/// Where a path of the site stands below the mirror. Web servers look for files by decoded names.
pub fn file_of(path: &str) -> PathBuf {
    let parts = path.split('/').map(decoded).filter(|part| !["", ".", ".."].contains(&part.as_str()));
    let mut file: PathBuf = parts.collect();
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_page = name.is_empty() || super::Media::of_path(path) == super::Media::Html;
    if is_page {
        file.push("index.html");
    }
    file
}

impl MirrorError {
    /// No file can have this name, today or another day: an id may be longer than names of files are.
    pub fn is_of_its_name(&self) -> bool {
        self.cause.kind() == io::ErrorKind::InvalidFilename
    }
}

/// One segment of a path; as it stands where what it stands for could be no name of a file.
fn decoded(part: &str) -> String {
    if !part.contains('%') || part.contains(['&', '=']) {
        return part.to_owned();
    }
    let bytes: Vec<u8> = url::form_urlencoded::parse(part.replace('+', "%2B").as_bytes())
        .next()
        .map(|(name, _)| name.into_owned().into_bytes())
        .unwrap_or_default();
    match String::from_utf8(bytes) {
        Ok(name) if !name.contains(['/', '\0', '\u{fffd}']) && !name.starts_with('.') => name,
        _ => part.to_owned(),
    }
}

/// Write one document and its compressed siblings; does nothing where the bytes stand already.
pub fn write(root: &Path, path: &str, revision: &Revision) -> Result<bool, MirrorError> {
    let file = root.join(file_of(path));
    let Some(body) = revision.body_once() else {
        // What stands there is better, and the others are not to wait.
        tracing::error!(stage = "mirror", "{path}: {}", super::DAMAGED);
        return Ok(false);
    };
    let same = fs::metadata(&file).is_ok_and(|meta| meta.len() == body.len() as u64)
        && fs::read(&file).is_ok_and(|bytes| bytes == body);
    if same {
        return Ok(false);
    }
    for (ending, bytes) in [(".gz", revision.gzip()), (".br", revision.brotli())] {
        let sibling = with_ending(&file, ending);
        match bytes {
            Some(bytes) => replace(&sibling, bytes)?,
            None => remove_file(&sibling)?,
        }
    }
    replace(&file, &body)?;
    Ok(true)
}

/// Take a document away, its siblings, and folders that are empty then.
pub fn remove(root: &Path, path: &str) -> Result<(), MirrorError> {
    let file = root.join(file_of(path));
    for sibling in [file.clone(), with_ending(&file, ".gz"), with_ending(&file, ".br")] {
        remove_file(&sibling)?;
    }
    let mut folder = file.parent();
    while let Some(parent) = folder.filter(|parent| *parent != root && parent.starts_with(root)) {
        if fs::remove_dir(parent).is_err() {
            break; // not empty
        }
        folder = parent.parent();
    }
    Ok(())
}

/// Documents of an archive (`politics/archive/`) that are not among those to keep. Whatever else stands there is not ours.
pub fn sweep_archive(root: &Path, path: &str, keep: RangeInclusive<u64>) -> Result<(), MirrorError> {
    let Ok(entries) = fs::read_dir(root.join(path)) else { return Ok(()) };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
    let mut stale: Vec<u64> = numbers.filter(|number| !keep.contains(number)).collect();
    stale.sort_unstable();
    for number in stale {
        for name in ["atom.xml", "rss.xml", "feed.json"] {
            remove(root, &format!("{path}{number}/{name}"))?;
        }
    }
    Ok(())
}

/// Pages of the days of a section (`politics/2026-03-28/`). Whatever else stands there is not ours.
pub fn remove_days(root: &Path, section: &str) -> Result<(), MirrorError> {
    let Ok(entries) = fs::read_dir(root.join(decoded(section))) else { return Ok(()) };
    let is_day = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.parse::<chrono::NaiveDate>().is_ok());
    for folder in entries.flatten().filter(|entry| is_day(&entry.file_name())).map(|entry| entry.path()) {
        fs::remove_dir_all(&folder).map_err(|cause| MirrorError { path: folder, cause })?;
    }
    Ok(())
}

/// Copy a file that an article shows, unless it stands there with the same length and time.
pub fn copy(root: &Path, path: &str, from: &mut File, held: &fs::Metadata) -> Result<(), MirrorError> {
    let file: PathBuf =
        root.join(path.split('/').filter(|part| !part.is_empty() && *part != "..").collect::<PathBuf>());
    let modified = held.modified().ok();
    let stands = |there: &fs::Metadata| there.len() == held.len() && there.modified().ok() == modified;
    if modified.is_some() && fs::metadata(&file).is_ok_and(|there| stands(&there)) {
        return Ok(());
    }
    replace_with(&file, |new| {
        io::copy(from, new)?;
        modified.map_or(Ok(()), |modified| new.set_modified(modified))
    })
}

/// Pages of articles in the mirror that are no longer wanted: a withdrawal while the daemon was down.
pub fn stale_articles(root: &Path, wanted: &BTreeSet<String>) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root.join("articles")) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut stale: Vec<String> = names.filter(|name| !wanted.contains(name)).collect();
    stale.sort();
    stale
}

/// Files below one article's page that it shows no more. `keep`: paths below the root; compressed siblings stay with theirs.
pub fn sweep_article(root: &Path, slug: &str, keep: &BTreeSet<String>) -> Result<(), MirrorError> {
    let mut folders = vec![root.join("articles").join(slug)];
    let mut seen = 0;
    while let Some(folder) = folders.get(seen).cloned() {
        seen += 1;
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
            let sibling_of = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".br"));
            if !keep.contains(&name) && !sibling_of.is_some_and(|file| keep.contains(file)) {
                remove_file(&path)?;
            }
        }
    }
    // The innermost first; those that are not empty stay.
    folders.iter().rev().for_each(|folder| drop(fs::remove_dir(folder)));
    Ok(())
}

/// Remove everything that was published below one article's page.
pub fn remove_article(root: &Path, slug: &str) -> Result<(), MirrorError> {
    let folder = root.join("articles").join(slug);
    match fs::remove_dir_all(&folder) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(MirrorError { path: folder, cause }),
        _ => Ok(()),
    }
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Write, sync, rename, sync the folder.
fn replace(file: &Path, bytes: &[u8]) -> Result<(), MirrorError> {
    replace_with(file, |new| new.write_all(bytes))
}

fn replace_with(file: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), MirrorError> {
    let failed = |cause| MirrorError { path: file.to_owned(), cause };
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.newsdesk-new"));
    let written = File::create(&temporary).and_then(|mut new| {
        write(&mut new)?;
        new.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, file));
    if renamed.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    renamed.map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn remove_file(file: &Path) -> Result<(), MirrorError> {
    match fs::remove_file(file) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(MirrorError { path: file.to_owned(), cause }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Time;
    use crate::publish::revive;
    use crate::store::StoredRevision;

    fn revision(path: &str, body: &str) -> Revision {
        revive(StoredRevision {
            path: path.into(),
            body: Some(body.to_owned().into()),
            gzip: None,
            brotli: None,
            etag: String::new(),
            modified: Time::default(),
            counter: 1,
            made_by: String::new(),
        })
    }

    #[test]
    fn pages_are_folders() {
        let check = |path: &str, want: &str| assert_eq!(file_of(path), PathBuf::from(want));
        check("", "index.html");
        check("politics/", "politics/index.html");
        check("politics/atom.xml", "politics/atom.xml");
        check("articles/a-b", "articles/a-b/index.html");
        check("articles/version-1.2", "articles/version-1.2/index.html");
        check("sources/A%20%26%20%C3%B6/rss.xml", "sources/A & ö/rss.xml");
        check("sources/A+b%3Dc%26d/", "sources/A+b=c&d/index.html");
        check("sources/%2e%2e%2fetc/", "sources/%2e%2e%2fetc/index.html");
        check("../../etc/atom.xml", "etc/atom.xml");
    }

    #[test]
    fn written_whole_with_siblings_and_removed_without_a_trace() {
        let root = tempfile::tempdir().unwrap();
        let long = revision("politics/atom.xml", &"<entry/>".repeat(500));
        assert!(write(root.path(), "politics/atom.xml", &long).unwrap());
        assert!(!write(root.path(), "politics/atom.xml", &long).unwrap());
        assert!(root.path().join("politics/atom.xml.gz").exists());
        let short = revision("politics/atom.xml", "<feed/>");
        assert!(write(root.path(), "politics/atom.xml", &short).unwrap());
        assert!(!root.path().join("politics/atom.xml.gz").exists(), "a stale sibling would be served");
        remove(root.path(), "politics/atom.xml").unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
