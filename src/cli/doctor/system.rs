//! This machine: folders and rights, the store, the clock, the unit.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, Utc};

use super::Finding;
use crate::config::Settings;
use crate::config::settings::Place;
use crate::daemon::chain;
use crate::fetch::folder;
use crate::store::{Store, StoreError};

/// With less room than this, a day of many entries may fill the disk.
const LEAST_ROOM: u64 = 256 << 20;
/// No clock that is right shows an earlier time than that at which this was written.
const WRITTEN: i64 = 1_764_000_000;

pub fn findings(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![state(&settings.store.path)];
    findings.extend(articles(settings));
    if let Some(mirror) = &settings.publish.folder {
        findings.push(writable(
            "mirror",
            mirror,
            "set another [publish] folder; the unit needs ReadWritePaths= for it",
        ));
    }
    findings.push(clock(Utc::now(), synchronised()));
    findings.push(unit());
    findings
}

fn state(store: &Path) -> Finding {
    let folder = store.parent().unwrap_or(Path::new("/"));
    let finding = writable("state", folder, "name another with --state");
    match room(&existing(folder)) {
        Some(room) if finding.cure.is_none() && room < LEAST_ROOM => {
            let words = format!("{}: {} MiB are left on its disk", folder.display(), room >> 20);
            Finding::doubtful("state", words, "free some space: a full disk loses nothing, but stops everything new")
        }
        _ => finding,
    }
}

/// Can files be made there, or the folder itself? The system is asked; nothing is written.
fn writable(what: &str, folder: &Path, otherwise: &str) -> Finding {
    let there = existing(folder);
    if may(&there, libc::W_OK | libc::X_OK) {
        let words = if there == folder { "may be written" } else { "does not exist yet and can be made" };
        return Finding::well(what, format!("{} {words}", folder.display()));
    }
    let words = format!("{} may not be written by this user", there.display());
    Finding::wrong(what, words, format!("give the right (chown, chmod), or {otherwise}"))
}

/// The folder, or the nearest one above it that exists.
fn existing(folder: &Path) -> PathBuf {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/")).to_owned()
}

fn may(path: &Path, rights: libc::c_int) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: the string ends with a zero and lives until the call returns.
    unsafe { libc::access(path.as_ptr(), rights) == 0 }
}

/// Bytes that are left to us on the disk of a folder.
fn room(folder: &Path) -> Option<u64> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero; statvfs fills the whole struct when it returns 0.
    let stat = unsafe {
        if libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    Some(stat.f_bavail * stat.f_frsize)
}

fn articles(settings: &Settings) -> Vec<Finding> {
    let folders = settings.sources.iter().filter_map(|source| match &source.place {
        Place::Folder(root) => Some((&source.name, root)),
        Place::Feed(_) => None,
    });
    let findings = folders.map(|(name, root)| {
        let what = format!("folder {name}");
        match folder::scan(root) {
            Ok(scan) => match scan.failures.first() {
                None => Finding::well(&what, format!("{}: {} files can be read", root.display(), scan.files.len())),
                Some(first) => {
                    let words = format!("{} ({} in all)", chain(first), scan.failures.len());
                    Finding::doubtful(&what, words, "the others are read all the same; newsdesk try FILE says more")
                }
            },
            Err(cause) => Finding::wrong(&what, chain(&cause), "the folder of a source has to be there and readable"),
        }
    });
    findings.collect()
}

pub async fn store(settings: &Settings) -> Finding {
    const WHAT: &str = "store";
    let path = &settings.store.path;
    if !path.exists() {
        return Finding::skipped(WHAT, format!("{} does not exist yet", path.display()));
    }
    let looked = async {
        let store = Store::open_read_only(path)?;
        let problems = store.problems().await?;
        let entries = if problems.is_empty() { store.count_entries().await? } else { 0 };
        Ok::<_, StoreError>((problems, entries, store.size_bytes()))
    };
    let restore = "stop the daemon and put a copy in its place: newsdesk store --help";
    match looked.await {
        Ok((problems, entries, bytes)) => match problems.first() {
            None => Finding::well(WHAT, format!("{} is sound: {entries} entries, {} MiB", path.display(), bytes >> 20)),
            Some(first) => Finding::wrong(WHAT, format!("{} is damaged: {first}", path.display()), restore),
        },
        Err(cause) => Finding::wrong(WHAT, chain(&cause), restore),
    }
}

fn clock(now: DateTime<Utc>, synchronised: Option<bool>) -> Finding {
    const WHAT: &str = "clock";
    let shown = now.format("%Y-%m-%d %H:%M:%S UTC");
    if now.timestamp() < WRITTEN {
        let words = format!("it shows {shown}, which is long past");
        return Finding::wrong(WHAT, words, "set it: timedatectl set-ntp true; dates of entries depend on it");
    }
    match synchronised {
        Some(false) => {
            Finding::doubtful(WHAT, format!("{shown}, but nothing keeps it right"), "timedatectl set-ntp true")
        }
        _ => Finding::well(WHAT, shown.to_string()),
    }
}

/// Is the clock disciplined by somebody? `None`: the kernel does not say.
fn synchronised() -> Option<bool> {
    #[cfg(target_os = "linux")]
    {
        let mut state = std::mem::MaybeUninit::<libc::timex>::zeroed();
        // SAFETY: zero is a valid timex that asks for no change; adjtimex only fills it.
        let (told, state) = unsafe { (libc::adjtimex(state.as_mut_ptr()), state.assume_init()) };
        (told >= 0).then_some(state.status & libc::STA_UNSYNC == 0)
    }
    #[cfg(not(target_os = "linux"))]
    None
}

/// The service of the system, where systemd runs.
fn unit() -> Finding {
    const WHAT: &str = "unit";
    if !Path::new("/run/systemd/system").exists() {
        return Finding::skipped(WHAT, "this system is not run by systemd");
    }
    let properties = "LoadState,ActiveState,SubState,Result,NRestarts,ExecMainStatus";
    match Command::new("systemctl").args(["show", "newsdesk.service", "-p", properties]).output() {
        Ok(asked) if asked.status.success() => judge_unit(&String::from_utf8_lossy(&asked.stdout)),
        _ => Finding::skipped(WHAT, "systemctl does not answer"),
    }
}

fn judge_unit(properties: &str) -> Finding {
    const WHAT: &str = "unit";
    let value = |name: &str| {
        let line = properties.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default()
    };
    if value("LoadState") != "loaded" {
        return Finding::skipped(WHAT, "newsdesk.service is not installed");
    }
    let restarts: u32 = value("NRestarts").parse().unwrap_or(0);
    match (value("ActiveState"), value("ExecMainStatus")) {
        ("active" | "reloading", _) if restarts == 0 => {
            Finding::well(WHAT, format!("newsdesk.service is {}", value("SubState")))
        }
        ("active" | "reloading", _) => {
            let words = format!("newsdesk.service runs, but was started anew {restarts} times by itself");
            Finding::doubtful(WHAT, words, "journalctl -u newsdesk -n 200 says why")
        }
        ("failed", "78") => {
            let words = "newsdesk.service does not start: its configuration is refused";
            Finding::wrong(WHAT, words, "newsdesk check; then systemctl start newsdesk")
        }
        ("failed", _) => {
            let words = format!("newsdesk.service has failed ({})", value("Result"));
            Finding::wrong(WHAT, words, "journalctl -u newsdesk -n 50 says why; then systemctl start newsdesk")
        }
        (state, _) => {
            let words = format!("newsdesk.service is {state}");
            Finding::doubtful(WHAT, words, "systemctl enable --now newsdesk, if it is meant to run")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_it_shows() {
        let check = |seconds: i64, synchronised: Option<bool>, want: Verdict| {
            let now = DateTime::from_timestamp(seconds, 0).unwrap();
            assert_eq!(clock(now, synchronised).verdict, want);
        };
        check(0, Some(true), Verdict::Wrong);
        check(WRITTEN, Some(true), Verdict::Well);
        check(WRITTEN, None, Verdict::Well);
        check(WRITTEN, Some(false), Verdict::Doubtful);
    }

    #[test]
    fn a_unit_is_judged_by_what_systemd_says() {
        let check = |load: &str, active: &str, restarts: &str, status: &str, want: Verdict| {
            let text = format!(
                "LoadState={load}\nActiveState={active}\nSubState=x\nNRestarts={restarts}\nExecMainStatus={status}\n"
            );
            assert_eq!(judge_unit(&text).verdict, want, "{text}");
        };
        check("not-found", "inactive", "0", "0", Verdict::Skipped);
        check("loaded", "active", "0", "0", Verdict::Well);
        check("loaded", "active", "3", "0", Verdict::Doubtful);
        check("loaded", "inactive", "0", "0", Verdict::Doubtful);
        check("loaded", "failed", "0", "78", Verdict::Wrong);
        check("loaded", "failed", "5", "1", Verdict::Wrong);
    }

    #[test]
    fn what_can_be_made_is_told_from_what_cannot() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(writable("state", &folder.path().join("a/b"), "").verdict, Verdict::Well);
    }
}
