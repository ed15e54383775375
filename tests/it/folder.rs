//! Folders of articles: scanning, reading and watching a scratch folder.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use newsdesk::fetch::folder::{self, FileFound, FolderChanged, FolderError, QUIET, Watcher};
use tempfile::TempDir;
use tokio::sync::mpsc::{Receiver, channel};

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn paths(scan: &folder::Scan) -> Vec<&str> {
    scan.files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn a_scan_finds_articles_and_nothing_else() {
    let scratch = TempDir::new().unwrap();
    let root = scratch.path();
    for path in ["b.txt", "a.md", "world/c.html", "world/deep/er/d.XML", "e.json", "ü.txt"] {
        put(root, path, "text");
    }
    for path in
        [".hidden.txt", ".git/x.md", "a.txt~", "#a.txt#", "x.txt.part", "y.tmp.md", "photo.jpg", "~$doc.txt", "z.swp"]
    {
        put(root, path, "text");
    }
    fs::create_dir(root.join("folder.txt")).unwrap();
    let scan = folder::scan(root).unwrap();
    assert_eq!(paths(&scan), ["a.md", "b.txt", "e.json", "world/c.html", "world/deep/er/d.XML", "ü.txt"]);
    assert_eq!(scan.files[0].size, 4);
    assert!(scan.failures.is_empty());
}

#[test]
fn a_folder_may_be_deeper_than_any_stack() {
    let scratch = TempDir::new().unwrap();
    let mut path = scratch.path().to_owned();
    while path.as_os_str().len() < 3_500 {
        path.push("d");
    }
    fs::create_dir_all(&path).unwrap();
    fs::write(path.join("a.txt"), "text").unwrap();
    assert_eq!(folder::scan(scratch.path()).unwrap().files.len(), 1);
}

#[test]
fn links_never_lead_out_of_the_folder() {
    let scratch = TempDir::new().unwrap();
    let root = scratch.path().join("articles");
    put(&root, "a.txt", "inside");
    put(scratch.path(), "secret.txt", "outside");
    put(scratch.path(), "elsewhere/b.txt", "outside");
    symlink("a.txt", root.join("again.txt")).unwrap();
    symlink("../secret.txt", root.join("leak.txt")).unwrap();
    symlink("/etc/passwd", root.join("passwd.md")).unwrap();
    symlink("../elsewhere", root.join("elsewhere")).unwrap();
    symlink(".", root.join("loop")).unwrap();
    symlink("nowhere", root.join("broken.txt")).unwrap();
    let scan = folder::scan(&root).unwrap();
    assert_eq!(paths(&scan), ["a.txt", "again.txt"]);
    let failures: BTreeSet<String> = scan.failures.iter().map(ToString::to_string).collect();
    assert_eq!(failures.len(), 3, "{failures:?}");
    assert!(failures.iter().any(|failure| failure.starts_with("leak.txt leads out of the folder")));

    assert_eq!(folder::read(&root, "again.txt", 100).unwrap(), b"inside");
    for path in ["leak.txt", "passwd.md", "elsewhere/b.txt", "../secret.txt", "/etc/passwd", "a/../../secret.txt", ""] {
        let read = folder::read(&root, path, 100);
        assert!(matches!(read, Err(FolderError::LeadsOut { .. } | FolderError::Unreadable { .. })), "{path}: {read:?}");
    }
}

#[test]
fn what_cannot_be_read_says_so() {
    let scratch = TempDir::new().unwrap();
    let root = scratch.path();
    put(root, "a.txt", "12345");
    assert!(matches!(folder::scan(&root.join("none")), Err(FolderError::Missing(_))));
    assert!(matches!(folder::scan(&root.join("a.txt")), Err(FolderError::NotAFolder(_))));
    assert!(matches!(folder::read(root, "a.txt", 4), Err(FolderError::TooLarge { .. })));
    assert_eq!(folder::read(root, "a.txt", 5).unwrap(), b"12345");
    let pipe = std::ffi::CString::new(root.join("pipe.txt").to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    assert!(matches!(folder::read(root, "pipe.txt", 5), Err(FolderError::NotAFile { .. })));
    assert_eq!(paths(&folder::scan(root).unwrap()), ["a.txt"]);
}

#[test]
fn a_name_that_is_no_text_is_named() {
    use std::os::unix::ffi::OsStrExt;
    let scratch = TempDir::new().unwrap();
    fs::write(scratch.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.txt")), "text").unwrap();
    put(scratch.path(), "a.txt", "text");
    let scan = folder::scan(scratch.path()).unwrap();
    assert_eq!(paths(&scan), ["a.txt"]);
    assert!(matches!(scan.failures.as_slice(), [FolderError::BadName(_)]));
}

#[test]
fn files_settle() {
    let now = SystemTime::now();
    let file = |age: Duration| FileFound { path: "a.txt".into(), size: 1, modified: now - age };
    let change = |complete: &[&str], writing: &[&str]| FolderChanged {
        source: "desk".into(),
        complete: complete.iter().map(|path| (*path).to_owned()).collect(),
        writing: writing.iter().map(|path| (*path).to_owned()).collect(),
    };
    assert!(folder::settled(&file(QUIET), None, now));
    assert!(!folder::settled(&file(QUIET / 2), None, now));
    assert!(folder::settled(&file(Duration::ZERO), Some(&change(&["a.txt"], &[])), now));
    assert!(!folder::settled(&file(QUIET * 9), Some(&change(&[], &["a.txt"])), now));
    let future = FileFound { path: "a.txt".into(), size: 1, modified: now + QUIET };
    assert!(folder::settled(&future, None, now));
}

/// The next message, which must come within a second.
async fn next(changes: &mut Receiver<FolderChanged>) -> FolderChanged {
    tokio::time::timeout(Duration::from_secs(1), changes.recv()).await.expect("a change within a second").unwrap()
}

/// Messages until one says that `path` is complete.
async fn completed(changes: &mut Receiver<FolderChanged>, path: &str) -> FolderChanged {
    loop {
        let change = next(changes).await;
        if change.complete.contains(path) {
            return change;
        }
    }
}

#[tokio::test]
async fn saving_renaming_and_deleting_is_seen_at_once() {
    let scratch = TempDir::new().unwrap();
    let root = scratch.path().to_owned();
    put(&root, "old.txt", "text");
    let (sender, mut changes) = channel(100);
    let _watcher = Watcher::start(vec![("desk".into(), root.clone())], sender).unwrap();

    let saved = Instant::now();
    put(&root, "a.txt", "text");
    let change = completed(&mut changes, "a.txt").await;
    assert_eq!((change.source.as_str(), change.writing.len()), ("desk", 0));
    assert!(saved.elapsed() < Duration::from_millis(500));

    put(&root, ".b.txt.swp", "text");
    fs::rename(root.join(".b.txt.swp"), root.join("b.txt")).unwrap();
    completed(&mut changes, "b.txt").await;

    fs::remove_file(root.join("old.txt")).unwrap();
    assert!(next(&mut changes).await.complete.is_empty());

    put(&root, "world/news/c.txt", "text");
    loop {
        next(&mut changes).await;
        if paths(&folder::scan(&root).unwrap()).contains(&"world/news/c.txt") {
            break;
        }
    }
    // The sub-folder is watched by now, or will be looked at again.
    tokio::time::sleep(QUIET * 2).await;
    put(&root, "world/news/d.txt", "text");
    completed(&mut changes, "world/news/d.txt").await;
}

#[tokio::test]
async fn a_file_that_is_being_written_is_left_alone() {
    let scratch = TempDir::new().unwrap();
    let root = scratch.path().to_owned();
    let (sender, mut changes) = channel(100);
    let _watcher = Watcher::start(vec![("desk".into(), root.clone())], sender).unwrap();
    let mut slow = File::create(root.join("slow.txt")).unwrap();
    slow.write_all(b"half").unwrap();
    put(&root, "quick.txt", "text");
    let change = completed(&mut changes, "quick.txt").await;
    assert_eq!(change.writing, BTreeSet::from(["slow.txt".to_owned()]));
    // Quiet though open: somebody appends to it now and then.
    let change = next(&mut changes).await;
    assert!(change.writing.is_empty() && change.complete.is_empty());
    slow.write_all(b"whole").unwrap();
    drop(slow);
    completed(&mut changes, "slow.txt").await;
}

#[tokio::test]
async fn a_folder_that_vanishes_is_watched_again_when_it_returns() {
    let scratch = TempDir::new().unwrap();
    let root = scratch.path().join("later");
    let (sender, mut changes) = channel(100);
    let _watcher = Watcher::start(vec![("desk".into(), root.clone())], sender).unwrap();
    put(&root, "a.txt", "text");
    next(&mut changes).await;
    put(&root, "b.txt", "text");
    completed(&mut changes, "b.txt").await;

    fs::rename(&root, scratch.path().join("away")).unwrap();
    next(&mut changes).await;
    put(&root, "c.txt", "text");
    while !paths(&folder::scan(&root).unwrap()).contains(&"c.txt") {
        next(&mut changes).await;
    }
    next(&mut changes).await;
    put(&root, "d.txt", "text");
    completed(&mut changes, "d.txt").await;
}

#[tokio::test]
async fn the_watcher_ends_when_it_is_dropped() {
    let scratch = TempDir::new().unwrap();
    let (sender, mut changes) = channel(100);
    drop(Watcher::start(vec![("desk".into(), scratch.path().to_owned())], sender).unwrap());
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), changes.recv()).await.unwrap(), None);
}
