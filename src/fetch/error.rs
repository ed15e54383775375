//! What can go wrong at the door, in words: what happened, and what to do. No secret stands in them.

use chrono::TimeDelta;
use url::Url;

use super::address;
use super::coding::CodingError;
use crate::config::settings::is_secret_word;
use crate::schedule::Failure;
use crate::schedule::moved::Hop;

pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A request that brought nothing. Printed with its causes by `{:#}` of anyhow.
#[derive(thiserror::Error)]
#[error("{shown}: {trouble}")]
pub struct FetchError {
    /// The URL that failed, fit to be shown.
    pub shown: String,
    /// The URL that failed, with its secrets: of a redirect's target, not of what was asked for.
    pub url: Url,
    /// Redirects that led there.
    pub hops: Vec<Hop>,
    #[source]
    pub trouble: Trouble,
}

/// The URL with its secrets stays out of this, too.
impl std::fmt::Debug for FetchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchError").field("shown", &self.shown).field("trouble", &self.trouble).finish()
    }
}

impl FetchError {
    /// What it means for the schedule.
    pub fn kind(&self) -> Failure {
        self.trouble.kind()
    }

    /// The status of the answer, as far as its body was not the trouble.
    pub fn status(&self) -> Option<u16> {
        match self.trouble {
            Trouble::Status { status, .. } => Some(status),
            Trouble::UnaskedNotModified => Some(304),
            Trouble::UnaskedPartial => Some(206),
            Trouble::TooLarge { .. } | Trouble::Coding(_) | Trouble::CutShort(_) => Some(200),
            _ => None,
        }
    }

    /// Retry-After of a 429 or 503, relative to when it came.
    pub fn retry_after(&self) -> Option<TimeDelta> {
        match self.trouble {
            Trouble::Status { retry_after, .. } => retry_after,
            _ => None,
        }
    }
}

/// The trouble itself, without the name of the one who has it.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("{status}{}: {}", reason(*status), advice(*status))]
    Status { status: u16, retry_after: Option<TimeDelta> },
    #[error("its name does not resolve; check it, or the resolver of this machine")]
    Dns(#[source] Cause),
    #[error("no connection; its server is down, or a firewall stands between")]
    Connect(#[source] Cause),
    #[error("no secure connection; {advice}")]
    Tls { advice: &'static str, source: Cause },
    #[error("{what} took longer than {after:?}; it is asked again later")]
    Timeout { what: &'static str, after: std::time::Duration },
    #[error("it is larger than {limit} bytes; if that is right, raise max-body under [fetch]")]
    TooLarge { limit: u64 },
    #[error("its body cannot be decoded: {0}")]
    Coding(CodingError),
    #[error("the connection ended before the body did")]
    CutShort(#[source] Cause),
    #[error("it is not contacted")]
    Address(#[from] address::Refused),
    #[error("{0}")]
    Redirect(String),
    #[error("it answered 304 (not modified), though nothing was remembered to compare with")]
    UnaskedNotModified,
    #[error("it answered 206 (a part of the document), though the whole was asked for")]
    UnaskedPartial,
    #[error("its answer is not HTTP that can be understood")]
    Protocol(#[source] Cause),
    #[error("the header {0:?} of the source cannot be sent: its name or value holds characters that HTTP forbids")]
    Header(String),
    #[error("only http and https are fetched, not {0:?}")]
    Scheme(String),
}

impl Trouble {
    fn kind(&self) -> Failure {
        match self {
            Trouble::Status { status: 410, .. } => Failure::Gone,
            Trouble::Status { status: 404, .. } => Failure::NotFound,
            Trouble::Status { status: 403, .. } => Failure::Forbidden,
            Trouble::Status { status: 429, .. } => Failure::TooMany,
            Trouble::Status { status: 503, .. } => Failure::Unavailable,
            Trouble::Status { status: 400..=499, .. } => Failure::Refused,
            Trouble::Status { status: 500..=599, .. } => Failure::ServerError,
            Trouble::Status { .. } => Failure::UnexpectedStatus,
            Trouble::Dns(_) => Failure::Dns,
            Trouble::Connect(_) => Failure::Connect,
            Trouble::Tls { .. } => Failure::Tls,
            Trouble::Timeout { .. } => Failure::Timeout,
            Trouble::TooLarge { .. } | Trouble::Coding(CodingError::TooLarge(_)) => Failure::TooLarge,
            Trouble::Coding(CodingError::CutShort(_)) | Trouble::CutShort(_) => Failure::CutShort,
            Trouble::Coding(_) => Failure::BadCoding,
            Trouble::Address(_) => Failure::AddressRefused,
            Trouble::Redirect(_) => Failure::Redirects,
            Trouble::UnaskedNotModified => Failure::UnaskedNotModified,
            Trouble::UnaskedPartial => Failure::UnaskedPartial,
            Trouble::Protocol(_) => Failure::Protocol,
            Trouble::Header(_) | Trouble::Scheme(_) => Failure::Settings,
        }
    }
}

impl From<CodingError> for Trouble {
    fn from(error: CodingError) -> Trouble {
        match error {
            CodingError::TooLarge(limit) => Trouble::TooLarge { limit },
            other => Trouble::Coding(other),
        }
    }
}

/// What to do where no secure connection came about.
pub(super) fn tls_advice(error: &rustls::Error) -> &'static str {
    use rustls::{CertificateError as Bad, Error};
    match error {
        Error::InvalidCertificate(Bad::UnknownIssuer) => {
            "nobody whom this machine trusts vouches for its certificate; if it is one of your own, add its authority to \
             this machine's ca-certificates"
        }
        Error::InvalidCertificate(
            Bad::Expired | Bad::ExpiredContext { .. } | Bad::NotValidYet | Bad::NotValidYetContext { .. },
        ) => "its certificate is out of date, or the clock of this machine is wrong",
        Error::InvalidCertificate(Bad::NotValidForName | Bad::NotValidForNameContext { .. }) => {
            "its certificate is for another name; check the address"
        }
        Error::InvalidCertificate(_) => "its certificate proves nothing; its owner has to mend it",
        Error::General(_) => {
            "whom this machine trusts cannot be read; install ca-certificates, newsdesk doctor looks at them"
        }
        _ => "its server speaks TLS in another way, or not at all; check the address and its port",
    }
}

/// A URL as it may stand in logs and on pages: without userinfo and fragment, secret-looking query values hidden.
pub fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs without a host, which have no userinfo either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_fragment(None);
    if let Some(query) = url.query() {
        let hidden: Vec<String> = query.split('&').map(hide).collect();
        url.set_query(Some(&hidden.join("&")));
    }
    url.into()
}

/// More than what makes a source private: to hide too much in a log harms nobody. The rest is left as it is written.
fn hide(pair: &str) -> String {
    const LOOKS_SECRET: [&str; 4] = ["key", "auth", "sig", "pass"];
    let is_secret =
        |name: &str| is_secret_word(name) || LOOKS_SECRET.iter().any(|part| name.to_ascii_lowercase().contains(part));
    match (pair.split_once('='), url::form_urlencoded::parse(pair.as_bytes()).next()) {
        (Some((key, _)), Some((name, _))) if is_secret(&name) => format!("{key}=..."),
        _ => pair.to_owned(),
    }
}

fn reason(status: u16) -> String {
    let reason = reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    reason.map(|reason| format!(" {reason}")).unwrap_or_default()
}

fn advice(status: u16) -> &'static str {
    match status {
        401 => "it wants credentials: set username and password-file, or token-file, on the source",
        403 => "it does not want us; a contact under [site] may help its owner to decide",
        404 => "there is nothing there; check the address",
        407 => "the proxy wants credentials",
        410 => "gone for good, as it says; take it out, or leave it: it is asked once a month",
        429 => "we asked too often; it is left alone for a while",
        503 => "not available now; it is asked again later",
        400..=499 => "it refuses the request; check the address",
        500..=599 => "its server is in trouble; it is asked again later",
        _ => "not an answer to what was asked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_secret_and_is_written_as_it_was() {
        for (address, expected) in [
            ("https://me:hunter2@example.org/feed?a=b%20c&d=+#hunter2", "https://example.org/feed?a=b%20c&d=+"),
            ("https://example.org/?user=a&pwd=hunter2", "https://example.org/?user=a&pwd=..."),
            ("https://example.org/?p%61ssword=hunter2&a", "https://example.org/?p%61ssword=...&a"),
            ("https://example.org/?by=me&Cookie=hunter2", "https://example.org/?by=me&Cookie=..."),
            ("https://example.org/?urlsig=hunter2&key1=hunter2", "https://example.org/?urlsig=...&key1=..."),
        ] {
            assert_eq!(shown(&address.parse().unwrap()), expected);
        }
    }
}
