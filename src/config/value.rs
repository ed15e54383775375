//! Single values: what is written between quotes -> a working type, or what is wrong with it.
//!
//! Pure. No reason quotes a value that may hold a secret.

use std::time::Duration;

use chrono_tz::Tz;
use regex::Regex;
use url::Url;

use super::keys::RESERVED_SECTIONS;
use super::settings::{AdminAddress, Cadence, Hub};
use crate::fetch::address::AllowNetwork;
use crate::schedule::cron::CronLine;

/// Why a value will not do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub reason: String,
    /// As it would be written.
    pub meant: Option<String>,
    pub next: Option<String>,
}

pub(super) type Checked<T> = Result<T, Wrong>;

impl Wrong {
    pub fn new(reason: impl Into<String>) -> Wrong {
        Wrong { reason: reason.into(), meant: None, next: None }
    }

    pub fn meant(mut self, meant: impl Into<String>) -> Wrong {
        self.meant = Some(meant.into());
        self
    }

    pub fn next(mut self, next: impl Into<String>) -> Wrong {
        self.next = Some(next.into());
        self
    }
}

/// One line of text.
pub(super) fn text(value: &str) -> Checked<String> {
    if value.trim().is_empty() {
        return Err(Wrong::new("is blank").next("write something, or leave the key out"));
    }
    if value.contains(char::is_control) {
        return Err(Wrong::new("holds a line break or another control character"));
    }
    if value.len() > 1000 {
        return Err(Wrong::new("is longer than 1000 bytes"));
    }
    Ok(value.trim().to_owned())
}

/// A path as it is written.
pub(super) fn path(value: &str) -> Checked<String> {
    if value.starts_with("~/") || value == "~" {
        let wrong = Wrong::new("~ is the shell's word, not a folder").next("write the path from / or from this file");
        let home = std::env::var("HOME").ok().filter(|home| home.starts_with('/'));
        return Err(Wrong {
            meant: home.map(|home| format!("\"{home}{}\"", value.get(1..).unwrap_or_default())),
            ..wrong
        });
    }
    if value.trim().is_empty() || value.contains('\0') || value.len() > 4096 {
        return Err(Wrong::new("is not a path").next("from / or from this file, as \"../articles\""));
    }
    Ok(value.to_owned())
}

/// An absolute http or https URL. The reasons do not quote it: it may hold a password.
pub(super) fn url(value: &str) -> Checked<Url> {
    let value = value.trim();
    let url = Url::parse(value).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase if looks_like_host(value) => {
            Wrong::new("is not an absolute URL").meant(format!("\"https://{value}\""))
        }
        url::ParseError::RelativeUrlWithoutBase => {
            Wrong::new("is not an absolute URL").next("a URL begins with https:// or http://")
        }
        other => Wrong::new(format!("is not a URL: {other}")),
    })?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        // An old way to say "open this in a feed reader".
        "feed" => {
            let rest = value.get("feed:".len()..).unwrap_or_default();
            let meant = if rest.starts_with("//") { format!("https:{rest}") } else { rest.to_owned() };
            let meant = Some(format!("\"{meant}\"")).filter(|_| !rest.contains(['@', '?']));
            let wrong = Wrong::new("feed: is no way to fetch something").next("a URL begins with https:// or http://");
            Err(Wrong { meant, ..wrong })
        }
        "file" => {
            Err(Wrong::new("a file is not fetched by URL").next("use folder = \"...\" for files on this machine"))
        }
        other => Err(Wrong::new(format!("{other}: is not supported")).next("a URL begins with https:// or http://")),
    }
}

/// A URL that stands in public documents.
pub(super) fn public_url(value: &str) -> Checked<Url> {
    let url = url(value)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Wrong::new("an address that everyone sees cannot hold a password"));
    }
    Ok(url)
}

/// The base of every link: no query, no fragment, a slash at its end.
pub(super) fn site_url(value: &str) -> Checked<Url> {
    let mut url = public_url(value)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong::new("the base of links cannot have a query or a fragment").next("cut it at the ? or #"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

/// A number with a unit, or several: "1h30m".
pub(super) fn duration(value: &str, least: u64, most: u64) -> Checked<Duration> {
    let malformed = || {
        let wrong = Wrong::new(format!("{value:?} is not a length of time"));
        let number = value.trim().parse::<u64>();
        match number {
            Ok(number) => wrong.meant(format!("\"{number}s\"")).next("units: ms, s, m, h, d, w"),
            Err(_) => wrong.next("write a number and a unit (ms, s, m, h, d, w), as \"15m\" or \"1h30m\""),
        }
    };
    let mut rest = value.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.len() - after.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let number: u64 = number.parse().map_err(|_| malformed())?;
        let millis: u64 = match unit.to_ascii_lowercase().as_str() {
            "ms" => 1,
            "s" | "sec" | "secs" | "second" | "seconds" => 1000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            "w" | "week" | "weeks" => 7 * 86_400_000,
            _ => return Err(malformed()),
        };
        let part = number.checked_mul(millis).map(Duration::from_millis);
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(malformed)?;
        rest = after.trim_start();
    }
    if value.trim().is_empty() {
        return Err(malformed());
    }
    if total < Duration::from_secs(least) || total > Duration::from_secs(most) {
        let (least, most) = (spoken(least), spoken(most));
        return Err(Wrong::new(format!("{value:?} is out of range")).next(format!("between {least} and {most}")));
    }
    Ok(total)
}

/// The largest unit that says it in a whole number.
pub(super) fn spoken(secs: u64) -> String {
    for (unit, name) in [(86_400, "d"), (3600, "h"), (60, "m")] {
        if secs >= unit && secs.is_multiple_of(unit) {
            return format!("\"{}{name}\"", secs / unit);
        }
    }
    format!("\"{secs}s\"")
}

/// Bytes: "16 MiB", "64 KiB", "1000000".
pub(super) fn size(value: &str, least: u64, most: u64) -> Checked<u64> {
    let malformed = || {
        Wrong::new(format!("{value:?} is not a size"))
            .next("write a number and a unit (B, KiB, MiB, GiB), as \"16 MiB\"")
    };
    let trimmed = value.trim();
    let digits = trimmed.len() - trimmed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = trimmed.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(malformed()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)).ok_or_else(malformed)?;
    if bytes < least || bytes > most {
        let range = format!("between {} KiB and {} MiB", least >> 10, most >> 20);
        return Err(Wrong::new(format!("{value:?} is out of range")).next(range));
    }
    Ok(bytes)
}

pub(super) fn cron(value: &str, zone: Tz) -> Checked<CronLine> {
    CronLine::parse(value, zone).map_err(|error| {
        let macro_of = || Some(format!("@{}", value.trim())).filter(|line| CronLine::parse(line, zone).is_ok());
        let meant = every(value).or_else(macro_of).map(|line| format!("\"{line}\""));
        Wrong { meant, ..Wrong::new(format!("not a cron line: {error}")) }
    })
}

pub(super) fn cadence(value: &str, zone: Tz) -> Checked<Cadence> {
    if value.trim().eq_ignore_ascii_case("adaptive") {
        return Ok(Cadence::Adaptive);
    }
    cron(value, zone).map(Cadence::Cron).map_err(|wrong| match nearest(value, ["adaptive"]) {
        Some(word) => Wrong::new(format!("{value:?} is no schedule")).meant(format!("\"{word}\"")),
        None => wrong.next("or \"adaptive\": from the source's own rhythm"),
    })
}

/// Who writes "15m" as a schedule means a cron line that comes round as often.
fn every(value: &str) -> Option<String> {
    let secs = duration(value, 60, 86_400).ok()?.as_secs();
    match (secs / 60, secs % 60) {
        (minutes @ 1..60, 0) if 60 % minutes == 0 => Some(format!("*/{minutes} * * * *")),
        (minutes @ 60.., 0) if minutes % 60 == 0 && 24 % (minutes / 60) == 0 => match minutes / 60 {
            1 => Some("0 * * * *".to_owned()),
            24 => Some("0 0 * * *".to_owned()),
            hours => Some(format!("0 */{hours} * * *")),
        },
        _ => None,
    }
}

pub(super) fn time_zone(value: &str) -> Checked<Tz> {
    let found = chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(value.trim()));
    found.copied().ok_or_else(|| {
        let wrong =
            Wrong::new(format!("{value:?} is not a time zone")).next("a name such as \"Europe/Berlin\", or \"UTC\"");
        // "Berlin" is as good as its full name.
        let word = value.trim().replace(' ', "_");
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let by_city = names().find(|name| name.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(&word)));
        match by_city.map(str::to_owned).or_else(|| nearest(&word, names())) {
            Some(name) => wrong.meant(format!("\"{name}\"")),
            None => wrong,
        }
    })
}

/// The shape of RFC 5646 tags; whether the language exists is not asked.
pub(super) fn language(value: &str) -> Checked<String> {
    let tag = value.trim();
    let fits = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = tag.split('-').next().unwrap_or_default();
    if (2..=8).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && tag.split('-').all(fits)
    {
        return Ok(tag.to_owned());
    }
    let wrong =
        Wrong::new(format!("{value:?} is not a language tag")).next("as \"en\", \"de-AT\" or \"pt-BR\" (BCP 47)");
    let dashed = tag.replace('_', "-");
    if dashed != tag && language(&dashed).is_ok() {
        return Err(wrong.meant(format!("\"{dashed}\"")));
    }
    Err(wrong)
}

/// A mail address or a URL, as it can stand in a User-Agent.
pub(super) fn contact(value: &str) -> Checked<String> {
    let contact = text(value)?;
    let plain = contact.bytes().all(|byte| byte.is_ascii_graphic() && !b"()\\".contains(&byte));
    let mail = contact.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    if plain && (mail || url(&contact).is_ok()) {
        return Ok(contact);
    }
    Err(Wrong::new("is neither a mail address nor a URL")
        .next("as \"editor@example.org\" or \"https://example.org/about\""))
}

/// `host:port`, as it can be listened on.
pub(super) fn listen(value: &str) -> Checked<String> {
    let address = value.trim();
    let help = "host and port, as \"127.0.0.1:8080\" or \"[::1]:8080\"";
    if address.parse::<std::net::SocketAddr>().is_ok() {
        return Ok(address.to_owned());
    }
    if let Some((_, rest)) = address.split_once("://") {
        let host = rest.trim_end_matches('/');
        return Err(Wrong::new("an address to listen on is not a URL").meant(format!("\"{host}\"")).next(help));
    }
    if let Ok(port) = address.trim_start_matches(':').parse::<u16>() {
        return Err(Wrong::new("the host is missing")
            .meant(format!("\"127.0.0.1:{port}\""))
            .next(format!("or \"0.0.0.0:{port}\" for every address of this machine")));
    }
    let Some((host, port)) = address.rsplit_once(':') else {
        return Err(Wrong::new("the port is missing").meant(format!("\"{address}:8080\"")).next(help));
    };
    if port.parse::<u16>().is_err() {
        return Err(Wrong::new(format!("{port:?} is not a port")).next("a number from 1 to 65535; 0 takes a free one"));
    }
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)) {
        return Err(Wrong::new(format!("{host:?} is not a host")).next(help));
    }
    Ok(address.to_owned())
}

/// `host:port`, or `unix:PATH` (absolute: it belongs to the machine, not to the configuration's folder).
pub(super) fn admin(value: &str) -> Checked<AdminAddress> {
    match value.trim().strip_prefix("unix:") {
        Some(path) if path.starts_with('/') => Ok(AdminAddress::Unix(path.into())),
        Some(_) => {
            Err(Wrong::new("the path of a socket must be absolute").next("as \"unix:/run/newsdesk/admin.sock\""))
        }
        None if value.trim().starts_with('/') => {
            Err(Wrong::new("a socket is named with unix:").meant(format!("\"unix:{}\"", value.trim())))
        }
        None => listen(value).map(AdminAddress::Tcp),
    }
}

/// `sqlite:FILE` -> the file.
pub(super) fn store(value: &str) -> Checked<String> {
    let value = value.trim();
    let lower = value.to_ascii_lowercase();
    if lower.starts_with("postgres:") || lower.starts_with("postgresql:") {
        return Err(Wrong::new("PostgreSQL as a store is not available yet")
            .meant("\"sqlite:newsdesk.db\"")
            .next("the embedded SQLite store needs no server"));
    }
    let Some(path) = value.strip_prefix("sqlite:") else {
        let file = if value.is_empty() || value.contains(':') { "newsdesk.db" } else { value };
        return Err(Wrong::new("is not a store").meant(format!("\"sqlite:{file}\"")));
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains('\0') {
        return Err(Wrong::new("the file is missing").meant("\"sqlite:newsdesk.db\""));
    }
    if path.contains(":memory:") || path.contains('?') {
        return Err(
            Wrong::new("the store must be a plain file").next("ids and dates once published must survive a restart")
        );
    }
    Ok(path.to_owned())
}

/// "own", "none" or the URL of a hub.
pub(super) fn hub(value: &str) -> Checked<Hub> {
    match value.trim() {
        "none" => Ok(Hub::None),
        "own" => Ok(Hub::Own),
        other => {
            public_url(other).map(Hub::At).map_err(|wrong| wrong.next("\"own\", \"none\", or the URL of a WebSub hub"))
        }
    }
}

pub(super) fn network(value: &str) -> Checked<AllowNetwork> {
    value.trim().parse::<AllowNetwork>().map_err(|error| Wrong::new(error.to_string()))
}

/// A segment of a URL that is not taken: letters of any script, digits, `-` and `_`.
pub(super) fn section_name(value: &str) -> Checked<String> {
    let fits = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    let usable = !value.is_empty() && value.chars().count() <= 64 && value.chars().all(fits);
    if !usable {
        let mut meant: String = value.trim().chars().map(|c| if fits(c) { c } else { '-' }).take(64).collect();
        while meant.contains("--") {
            meant = meant.replace("--", "-");
        }
        let meant = meant.trim_matches('-').to_lowercase();
        let wrong = Wrong::new(format!("{value:?} cannot be the address of a section"))
            .next("letters, digits, - and _, at most 64; what people read is the title");
        return Err(if meant.is_empty() { wrong } else { wrong.meant(format!("\"{meant}\"")) });
    }
    if RESERVED_SECTIONS.contains(&value.to_lowercase().as_str()) {
        return Err(Wrong::new(format!("{value:?} is the address of another page"))
            .next(format!("taken: {}", RESERVED_SECTIONS.join(", "))));
    }
    Ok(value.to_owned())
}

/// A name that can stand in a path without leading anywhere else.
pub(super) fn source_name(value: &str) -> Checked<String> {
    let name = text(value)?;
    if name.contains(['/', '\\']) || name.starts_with('.') || name.len() > 200 {
        return Err(Wrong::new("a source's name has no slash, no leading dot and at most 200 bytes")
            .meant(format!("\"{}\"", tame_source_name(&name))));
    }
    Ok(name)
}

/// The nearest that [`source_name`] takes.
pub(super) fn tame_source_name(value: &str) -> String {
    let spaced: String = value.chars().map(|c| if c.is_control() || "/\\".contains(c) { ' ' } else { c }).collect();
    let mut name = spaced.split_whitespace().collect::<Vec<_>>().join(" ").trim_start_matches('.').trim().to_owned();
    while name.len() > 180 {
        name.pop(); // leaves room for what makes it unique
    }
    name
}

pub(super) fn regex(value: &str) -> Checked<Regex> {
    if value.is_empty() {
        return Err(Wrong::new("an empty regular expression matches everything").next("say what is to be found"));
    }
    Regex::new(value).map_err(|error| {
        // The crate draws a picture of several lines; its last one is the reason.
        let whole = error.to_string();
        let reason = whole.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Wrong::new(format!("is not a regular expression: {reason}"))
            .next("in TOML, 'single quotes' keep backslashes as they are")
    })
}

/// One of a few words.
pub(super) fn choice(value: &str, words: &[&str]) -> Checked<String> {
    if words.contains(&value) {
        return Ok(value.to_owned());
    }
    let wrong = Wrong::new(format!("{value:?} is not a choice here")).next(format!("one of {}", listed(words)));
    Err(match nearest(value, words.iter().copied()) {
        Some(word) => wrong.meant(format!("\"{word}\"")),
        None => wrong,
    })
}

/// `"a", "b", "c"`
pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// The candidate that was probably meant: a third of the letters may be wrong.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let plain = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let wanted = plain(word);
    let candidates: Vec<&str> = candidates.into_iter().collect();
    // "section" for "sections".
    let plural = |candidate: &&&str| plain(candidate).strip_prefix(&wanted) == Some("s");
    if let Some(candidate) = candidates.iter().find(plural) {
        return Some((*candidate).to_owned());
    }
    // "password" for "password-file".
    let longer = |candidate: &&&str| plain(candidate).strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('-'));
    if let Some(candidate) = candidates.iter().find(longer) {
        return Some((*candidate).to_owned());
    }
    let allowed = (wanted.chars().count() / 3).clamp(1, 4);
    // What differs much in length cannot be near, and is not worth the comparison.
    let close = candidates.into_iter().filter(|candidate| candidate.len().abs_diff(word.len()) <= 16);
    let distances = close.map(|candidate| (strsim::osa_distance(&wanted, &plain(candidate)), candidate));
    let best =
        distances.min_by_key(|(distance, candidate)| (*distance, strsim::osa_distance(word, candidate), *candidate));
    let (distance, best) = best?;
    // A word of two letters is not "near" every other one.
    (distance <= allowed && distance < best.chars().count()).then(|| best.to_owned())
}

fn looks_like_host(value: &str) -> bool {
    let host = value.split('/').next().unwrap_or_default();
    host.contains('.') && !host.starts_with('.') && !value.contains([' ', '\'', '"', '@', '?'])
}

#[cfg(test)]
mod tests;
