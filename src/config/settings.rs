//! The configuration as working types: checked, resolved, ready to use. Nothing in here can be wrong any more.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use chrono_tz::Tz;
use url::Url;

use super::complaint::Complaint;
use crate::fetch::address::AllowNetwork;
use crate::model::{OriginNames, Section};
pub use crate::parse::plain::SectionLine;
use crate::schedule::cron::CronLine;
use crate::schedule::queue::Budget;
use crate::sections::Rule;

pub use crate::schedule::Cadence;

/// Everything that `newsdesk.toml` says, with defaults filled in and paths made absolute.
#[derive(Debug, Clone)]
pub struct Settings {
    pub site: Site,
    pub server: Server,
    pub store: StoreSettings,
    pub publish: Publish,
    pub fetch: FetchSettings,
    /// Budgets of single buckets; all others have that of `fetch`.
    pub hosts: HashMap<String, Budget>,
    pub schedule: ScheduleSettings,
    pub origins: OriginNames,
    /// Further lines of web forms that articles drop (`[articles] residue`), lower-case.
    pub residue: Vec<String>,
    /// Query parameters that leave links, besides the built-in ones.
    pub tracking_parameters: Vec<String>,
    pub sections: Vec<Arc<Section>>,
    /// In the order of the file; those of an OPML file stand where it was named.
    pub sources: Vec<Arc<Source>>,
    /// Global rules, in order.
    pub rules: Vec<Rule>,
    /// Rules of single sections, by name.
    pub section_rules: BTreeMap<String, Vec<Rule>>,
    /// The file this was read from; `None`: built-in defaults.
    pub file: Option<PathBuf>,
    /// Files beside it that were read too (OPML, secrets): a change of one is a change of the configuration.
    pub also_read: Vec<PathBuf>,
    /// Hash of all that was read. Two nodes with one print publish the same bytes.
    pub print: String,
    /// What its owner should know although it works.
    pub warnings: Vec<Complaint>,
}

#[derive(Debug, Clone)]
pub struct Site {
    pub title: String,
    /// Base of every link, with a slash at its end. `None`: the listen address stands in, with a warning.
    pub url: Option<Url>,
    /// Seed of ids that must survive a change of the url.
    pub id: Option<String>,
    /// BCP 47 tag.
    pub language: Option<String>,
    /// Picture of every section's feeds. `None`: newsdesk's own.
    pub icon: Option<Url>,
    /// Whom a publisher may write to: a URL or mail address, part of the User-Agent.
    pub contact: Option<String>,
    pub timezone: Tz,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `host:port` of the public address.
    pub listen: String,
    pub admin: AdminAddress,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAddress {
    /// `host:port`
    Tcp(String),
    Unix(PathBuf),
}

#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The SQLite file.
    pub path: PathBuf,
    /// Entries older than this leave the store.
    pub keep: TimeDelta,
    pub keep_per_source: usize,
}

#[derive(Debug, Clone)]
pub struct Publish {
    /// Folder of the static mirror; `None`: no mirror.
    pub folder: Option<PathBuf>,
    pub hub: Hub,
    /// At most one publication caused by remote feeds in this time.
    pub min_interval: Duration,
}

/// The WebSub hub that the documents name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hub {
    None,
    /// Ours, at `/hub`.
    Own,
    /// Somebody else's: it is pinged.
    At(Url),
}

#[derive(Clone, PartialEq)]
pub struct FetchSettings {
    /// Non-public networks that may be contacted all the same.
    pub allow_networks: Vec<AllowNetwork>,
    /// Bytes of decoded body.
    pub max_body: u64,
    pub connect_timeout: Duration,
    /// Until the head of the answer is there.
    pub first_byte_timeout: Duration,
    /// Between two pieces of a body.
    pub idle_timeout: Duration,
    pub total_timeout: Duration,
    /// Connections at once to one registrable domain.
    pub host_connections: usize,
    /// Least time between the starts of two requests to one registrable domain.
    pub host_interval: Duration,
    /// Requests at once in all.
    pub concurrency: usize,
    pub proxy: Option<Url>,
}

#[derive(Debug, Clone)]
pub struct ScheduleSettings {
    /// For sources without a schedule of their own.
    pub default: Cadence,
    /// Bounds of the adaptive interval.
    pub min: TimeDelta,
    pub max: TimeDelta,
    /// When folders are read again although nothing was seen to change.
    pub rescan: CronLine,
    pub retention: CronLine,
}

/// One source, checked.
#[derive(Debug, Clone)]
pub struct Source {
    /// Unique. Shown wherever the source is.
    pub name: String,
    pub place: Place,
    /// Of its address ([`bucket`](crate::schedule::queue::bucket)); empty: a folder has none.
    pub bucket: Arc<str>,
    /// Sections by name, whatever the entries say.
    pub sections: Vec<String>,
    /// The smaller, the more it is preferred among ties and copies. Default 0.
    pub priority: i32,
    /// `None`: the default of `[schedule]`.
    pub schedule: Option<Cadence>,
    /// Sent with every request to the source's own origin.
    pub headers: Vec<(String, Secret)>,
    pub credentials: Option<Credentials>,
    pub section_line: SectionLine,
    /// In public by name only: said so, or its address holds a secret.
    pub private: bool,
    /// Take the text from the pages that entries link to; in a folder, look for it in HTML pages.
    pub full_text: bool,
    /// Published on its own under `/sources/NAME/`.
    pub publish: bool,
    pub rules: Vec<Rule>,
    /// The OPML file that lists it; `None`: the configuration itself.
    pub listed_in: Option<PathBuf>,
}

/// Shown without what its address keeps secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    Feed(Url),
    /// Read recursively.
    Folder(PathBuf),
}

#[derive(Debug, Clone)]
pub struct Credentials {
    pub username: String,
    pub password: Secret,
}

/// A value that must not be shown: in no log, dump or error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl FetchSettings {
    /// What a host may be asked of which nothing else is said.
    pub fn budget(&self) -> Budget {
        let interval = TimeDelta::from_std(self.host_interval).unwrap_or(TimeDelta::seconds(1));
        Budget { connections: self.host_connections, interval }
    }
}

impl std::fmt::Debug for FetchSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchSettings")
            .field("allow_networks", &self.allow_networks)
            .field("max_body", &self.max_body)
            .field("connect_timeout", &self.connect_timeout)
            .field("first_byte_timeout", &self.first_byte_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("host_connections", &self.host_connections)
            .field("host_interval", &self.host_interval)
            .field("concurrency", &self.concurrency)
            .field("proxy", &self.proxy.as_ref().map(without_secrets))
            .finish()
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Feed(url) => f.debug_tuple("Feed").field(&without_secrets(url)).finish(),
            Place::Folder(path) => f.debug_tuple("Folder").field(path).finish(),
        }
    }
}

/// Does an address hold a password or a key? Such a source is private.
pub fn holds_secret(url: &Url) -> bool {
    let userinfo = !url.username().is_empty() || url.password().is_some();
    userinfo || url.query_pairs().any(|(name, value)| !value.is_empty() && is_secret_word(&name))
}

/// The address as it may be shown to its owner, in logs and in errors: no name, no password, no secret value.
pub fn without_secrets(url: &Url) -> String {
    if !holds_secret(url) {
        return url.to_string();
    }
    let mut shown = url.clone();
    // Both can fail only for addresses without a host, and those hold no userinfo.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    if url.query().is_some() {
        let hide = |name: &str, value: &str| if is_secret_word(name) { "...".to_owned() } else { value.to_owned() };
        let pairs = url.query_pairs().map(|(name, value)| (hide(&name, &value), name));
        shown.query_pairs_mut().clear().extend_pairs(pairs.map(|(value, name)| (name, value)));
    }
    shown.to_string()
}

/// Is something of that name a secret? Parameters and header fields are told by their words: `torrent_pass` and `authkey`
/// are secrets, `author` and `keyword` are none.
pub fn is_secret_word(name: &str) -> bool {
    const WORDS: [&str; 7] = ["authorization", "sig", "pwd", "cookie", "jwt", "passcode", "passphrase"];
    const PARTS: [&str; 6] = ["token", "secret", "passw", "signature", "credential", "apikey"];
    let name = name.to_lowercase();
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        WORDS.contains(&word)
            || PARTS.iter().any(|part| word.contains(part))
            || word.ends_with("key")
            || word.ends_with("pass") && !word.ends_with("compass")
            || word.contains("auth") && !word.contains("author")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_secrets() {
        for (address, shown) in [
            ("https://example.org/feed?a=b", "https://example.org/feed?a=b"),
            ("https://me:hunter2@example.org/feed", "https://example.org/feed"),
            ("https://example.org/?access_token=hunter2&a=b", "https://example.org/?access_token=...&a=b"),
            ("https://example.org/?X-Amz-Signature=hunter2", "https://example.org/?X-Amz-Signature=..."),
            ("https://example.org/?apiKey=hunter2", "https://example.org/?apiKey=..."),
            ("https://example.org/?passkey=hunter2", "https://example.org/?passkey=..."),
            ("https://example.org/?torrent_pass=hunter2", "https://example.org/?torrent_pass=..."),
            ("https://example.org/?authkey=hunter2&pass=hunter2", "https://example.org/?authkey=...&pass=..."),
            ("https://example.org/?accessKey=hunter2&pwd=hunter2", "https://example.org/?accessKey=...&pwd=..."),
            ("https://example.org/?author=me&keyword=news", "https://example.org/?author=me&keyword=news"),
            ("https://example.org/?userpass=hunter2", "https://example.org/?userpass=..."),
            ("https://example.org/?passage=John+3&keys=1", "https://example.org/?passage=John+3&keys=1"),
            ("https://example.org/?authors=us&compass=n", "https://example.org/?authors=us&compass=n"),
        ] {
            let url = Url::parse(address).unwrap();
            assert_eq!(without_secrets(&url), shown);
            assert_eq!(holds_secret(&url), address.contains("hunter2"));
            assert_eq!(format!("{:?}", Place::Feed(url)), format!("Feed({shown:?})"));
        }
    }
}
