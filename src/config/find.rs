//! Where the configuration and the state are: flags first, then the environment, then the usual places.
//!
//! May look at the environment and ask whether a file is there; reads nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the configuration was found, and by whose word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// This file is meant; it need not exist if it was named outright.
    File {
        path: PathBuf,
        /// `--config`, `NEWSDESK_CONFIG` ...: how people call the place.
        by: &'static str,
    },
    /// There is none: built-in defaults. These were looked for, in this order.
    Nowhere { looked_for: Vec<PathBuf> },
}

impl Found {
    pub fn path(&self) -> Option<&Path> {
        match self {
            Found::File { path, .. } => Some(path),
            Found::Nowhere { .. } => None,
        }
    }
}

/// Where the unit of the system keeps its store, and its credentials.
const SYSTEM_STATE: &str = "/var/lib/newsdesk";
const SYSTEM_CREDENTIALS: &str = "/run/credentials/newsdesk.service";
const SYSTEM_CONFIG: &str = "/etc/newsdesk/newsdesk.toml";

/// Folders that the configuration takes as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locations {
    /// The store and whatever else must survive a restart. Need not exist yet.
    pub state_dir: PathBuf,
    /// systemd's `$CREDENTIALS_DIRECTORY`: a password file named without a slash is looked for here first.
    pub credentials_dir: Option<PathBuf>,
    /// Where control is reached if the configuration does not say: in systemd's `$RUNTIME_DIRECTORY`. `None`: on the
    /// loopback address.
    pub admin_socket: Option<PathBuf>,
}

impl Locations {
    /// `--state`, else `$STATE_DIRECTORY`, `$XDG_STATE_HOME/newsdesk`, `~/.local/state/newsdesk`.
    pub fn from_env(state: Option<&Path>) -> Locations {
        locations(state, &environment)
    }

    /// The same for whoever asks about a daemon instead of being one: where the configuration is that of the system, and
    /// the unit has run, its store and credentials are meant, not a second store in the home of whoever asks.
    pub fn of_daemon(state: Option<&Path>, config: &Found) -> Locations {
        // A link into a folder that only root can enter: it is there all the same.
        locations_of_daemon(state, config, &environment, &|path| path.symlink_metadata().is_ok())
    }
}

/// The configuration file: `--config`, else `NEWSDESK_CONFIG`, `$CONFIGURATION_DIRECTORY`, `./config/newsdesk.toml`,
/// `$XDG_CONFIG_HOME/newsdesk/newsdesk.toml`, `/etc/newsdesk/newsdesk.toml`.
pub fn find(explicit: Option<&Path>) -> Found {
    find_among(explicit, &environment, &|path| {
        // One that may not be looked at is the one that was meant: reading it says why it cannot be read.
        path.try_exists().unwrap_or(true)
    })
}

type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// An empty variable is an unset one.
fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

fn find_among(explicit: Option<&Path>, env: Environment<'_>, exists: &dyn Fn(&Path) -> bool) -> Found {
    if let Some(path) = explicit {
        return Found::File { path: path.to_path_buf(), by: "--config" };
    }
    if let Some(path) = env("NEWSDESK_CONFIG") {
        return Found::File { path: path.into(), by: "NEWSDESK_CONFIG" };
    }
    let mut candidates: Vec<(PathBuf, &'static str)> = Vec::new();
    // systemd joins several directories by colons.
    for dir in env("CONFIGURATION_DIRECTORY").iter().flat_map(std::env::split_paths) {
        candidates.push((dir.join("newsdesk.toml"), "$CONFIGURATION_DIRECTORY"));
    }
    candidates.push((PathBuf::from("config/newsdesk.toml"), "the working directory"));
    if let Some(dir) = xdg(env, "XDG_CONFIG_HOME", ".config") {
        candidates.push((dir.join("newsdesk/newsdesk.toml"), "$XDG_CONFIG_HOME"));
    }
    candidates.push((PathBuf::from(SYSTEM_CONFIG), "/etc"));
    match candidates.iter().find(|(path, _)| exists(path)) {
        Some((path, by)) => Found::File { path: path.clone(), by },
        None => Found::Nowhere { looked_for: candidates.into_iter().map(|(path, _)| path).collect() },
    }
}

fn locations(state: Option<&Path>, env: Environment<'_>) -> Locations {
    let from_systemd = || env("STATE_DIRECTORY").and_then(|dirs| std::env::split_paths(&dirs).next());
    let from_home = || xdg(env, "XDG_STATE_HOME", ".local/state").map(|dir| dir.join("newsdesk"));
    let state_dir = state.map(Path::to_path_buf).or_else(from_systemd).or_else(from_home);
    Locations {
        state_dir: state_dir.unwrap_or_else(|| PathBuf::from(SYSTEM_STATE)),
        credentials_dir: env("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        admin_socket: env("RUNTIME_DIRECTORY")
            .and_then(|dirs| std::env::split_paths(&dirs).next())
            .map(|dir| dir.join("admin.sock")),
    }
}

fn locations_of_daemon(
    state: Option<&Path>,
    config: &Found,
    env: Environment<'_>,
    exists: &dyn Fn(&Path) -> bool,
) -> Locations {
    let mut found = locations(state, env);
    let stated = state.is_some() || env("STATE_DIRECTORY").is_some();
    if config.path() == Some(Path::new(SYSTEM_CONFIG)) && exists(Path::new(SYSTEM_STATE)) {
        if !stated {
            found.state_dir = SYSTEM_STATE.into();
        }
        let credentials = Path::new(SYSTEM_CREDENTIALS);
        found.credentials_dir = found.credentials_dir.or_else(|| exists(credentials).then(|| credentials.into()));
    }
    found
}

/// The XDG base directory specification: a relative value is to be ignored.
fn xdg(env: Environment<'_>, variable: &str, below_home: &str) -> Option<PathBuf> {
    let stated = env(variable).map(PathBuf::from).filter(|dir| dir.is_absolute());
    stated.or_else(|| env("HOME").map(PathBuf::from).filter(|dir| dir.is_absolute()).map(|home| home.join(below_home)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        |name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
    }

    fn check(set: &[(&str, &str)], existing: &[&str], expected: Option<&str>) {
        let found = find_among(None, &env(set), &|path| existing.iter().any(|known| path == Path::new(known)));
        assert_eq!(found.path(), expected.map(Path::new), "{found:?}");
    }

    #[test]
    fn the_nearest_configuration_wins() {
        let home = ("HOME", "/home/ada");
        let all = ["/etc/newsdesk/newsdesk.toml", "/home/ada/.config/newsdesk/newsdesk.toml", "config/newsdesk.toml"];
        check(&[home], &all, Some("config/newsdesk.toml"));
        check(&[home], &all[..2], Some("/home/ada/.config/newsdesk/newsdesk.toml"));
        check(&[home, ("XDG_CONFIG_HOME", "/x")], &all[..2], Some("/etc/newsdesk/newsdesk.toml"));
        check(&[home, ("XDG_CONFIG_HOME", "x")], &all[..2], Some("/home/ada/.config/newsdesk/newsdesk.toml"));
        check(&[("CONFIGURATION_DIRECTORY", "/a:/b")], &["/b/newsdesk.toml"], Some("/b/newsdesk.toml"));
        check(&[("CONFIGURATION_DIRECTORY", "/a")], &all, Some("config/newsdesk.toml"));
        check(&[("NEWSDESK_CONFIG", "/missing")], &all, Some("/missing"));
        check(&[], &[], None);
    }

    #[test]
    fn who_asks_about_the_daemon_of_the_system_means_its_store() {
        let root = [("HOME", "/root")];
        let system = Found::File { path: SYSTEM_CONFIG.into(), by: "/etc" };
        let own = Found::File { path: "my.toml".into(), by: "--config" };
        let check = |state: Option<&str>, config: &Found, set: &[(&str, &str)], there: &[&str], expected: &str| {
            let exists = |path: &Path| there.iter().any(|known| path == Path::new(known));
            let found = locations_of_daemon(state.map(Path::new), config, &env(set), &exists);
            assert_eq!(found.state_dir, Path::new(expected), "{state:?} {config:?} {set:?} {there:?}");
            found.credentials_dir
        };
        let both = [SYSTEM_STATE, SYSTEM_CREDENTIALS];
        assert_eq!(check(None, &system, &root, &both, SYSTEM_STATE), Some(SYSTEM_CREDENTIALS.into()));
        assert_eq!(check(None, &system, &root, &both[..1], SYSTEM_STATE), None);
        check(None, &system, &root, &[], "/root/.local/state/newsdesk");
        check(None, &own, &root, &both, "/root/.local/state/newsdesk");
        check(Some("/other"), &system, &root, &both, "/other");
        check(None, &system, &[("STATE_DIRECTORY", "/unit")], &both, "/unit");
    }

    #[test]
    fn a_flag_outranks_everything() {
        let found = find_among(Some(Path::new("my.toml")), &env(&[("NEWSDESK_CONFIG", "/other")]), &|_| true);
        assert_eq!(found, Found::File { path: PathBuf::from("my.toml"), by: "--config" });
    }

    #[test]
    fn under_systemd_control_is_a_socket() {
        let admin = |set: &[(&str, &str)]| locations(None, &env(set)).admin_socket;
        assert_eq!(admin(&[("RUNTIME_DIRECTORY", "/run/newsdesk:/run/b")]), Some("/run/newsdesk/admin.sock".into()));
        assert_eq!(admin(&[]), None);
    }

    #[test]
    fn state_has_its_place() {
        let check = |state: Option<&str>, set: &[(&str, &str)], expected: &str| {
            assert_eq!(locations(state.map(Path::new), &env(set)).state_dir, Path::new(expected));
        };
        check(Some("s"), &[("STATE_DIRECTORY", "/var/lib/newsdesk")], "s");
        check(None, &[("STATE_DIRECTORY", "/var/lib/newsdesk:/b"), ("HOME", "/h")], "/var/lib/newsdesk");
        check(None, &[("XDG_STATE_HOME", "/x"), ("HOME", "/h")], "/x/newsdesk");
        check(None, &[("HOME", "/h")], "/h/.local/state/newsdesk");
        check(None, &[], "/var/lib/newsdesk");
    }
}
