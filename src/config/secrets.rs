//! Secrets: passwords, tokens and header fields, out of files, systemd credentials and addresses.
//!
//! May read the files that the configuration names for them. Nothing here puts a secret into a complaint.

use std::path::Path;

use toml::de::DeValue;
use url::Url;

use super::file::said;
use super::keys;
use super::settings::{Credentials, Secret, is_secret_word};
use super::sources::Context;
use super::table::Table;
use super::value::{self, Checked, Wrong};

/// A password or token.
const MAX_SECRET_BYTES: u64 = 64 << 10;

/// `username` and `password-file` go together.
pub(super) fn credentials(table: &Table<'_>, context: &mut Context<'_>) -> Option<Credentials> {
    let username = table.text("username", value::text);
    let password = secret_file(table, "password-file", context);
    for (one, other) in [("username", "password-file"), ("password-file", "username")] {
        if table.has("url") && table.has(one) && !table.has(other) {
            let wrong = Wrong::new(format!("{one} without {other}")).next(format!("add: {other} = \"...\""));
            table.desk.error(&table.key_span(one), wrong);
        }
    }
    Some(Credentials { username: username?.value, password: password? })
}

/// `token-file`: what stands behind "Bearer" (RFC 6750); as a header field, since it is sent like one.
pub(super) fn bearer(
    table: &Table<'_>,
    headers: &[(String, Secret)],
    context: &mut Context<'_>,
) -> Option<(String, Secret)> {
    let token = secret_file(table, "token-file", context);
    let stated = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let other = if table.has("username") { Some("a username") } else { stated.then_some("an Authorization header") };
    if let (true, Some(other)) = (table.has("token-file"), other) {
        let wrong = Wrong::new(format!("token-file and {other} are two ways to say who asks"));
        table.desk.error(&table.key_span("token-file"), wrong.next("keep one of them"));
    }
    let token = token?;
    let b64token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if !token.0.bytes().all(b64token) {
        let wrong = Wrong::new("the file of token-file does not hold a bearer token");
        let next = "a token has no spaces; anything else goes into headers = { Authorization = { file = \"...\" } }";
        table.desk.error(&table.key_span("token-file"), wrong.next(next));
        return None;
    }
    Some(("Authorization".to_owned(), Secret(format!("Bearer {}", token.0))))
}

/// Header fields, and whether one of them is a secret.
pub(super) fn headers(table: &Table<'_>, context: &mut Context<'_>) -> (Vec<(String, Secret)>, bool) {
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
                inner.and_then(|inner| secret_file(&inner, "file", context)).map(|secret| secret.0)
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

/// Takes name and password out of an address, so that it can be shown.
pub(super) fn take_userinfo(url: &mut Url) -> Option<Credentials> {
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

/// A token (RFC 9110 §5.1) that is not newsdesk's own business.
fn header_name(name: &str) -> Checked<()> {
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
fn secret_file(table: &Table<'_>, key: &str, context: &mut Context<'_>) -> Option<Secret> {
    let stated = table.text(key, value::path)?;
    let credential = context.paths.credential(&stated.value);
    let path = credential.clone().unwrap_or_else(|| context.paths.beside(&stated.value));
    let refuse = |wrong: Wrong| {
        table.desk.error(&stated.span, wrong);
        None
    };
    let bytes = match context.reading.bytes(&path, MAX_SECRET_BYTES) {
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

/// Bytes that are no escapes stay as they are.
fn percent_decoded(text: &str) -> String {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match (first, hex(after.first()), hex(after.get(1))) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(first));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_leave_the_address() {
        let mut url = Url::parse("https://j%C3%B6rg:a%40b%zz%+1@example.org/feed?a=b").unwrap();
        let credentials = take_userinfo(&mut url).unwrap();
        assert_eq!((credentials.username.as_str(), credentials.password.0.as_str()), ("jörg", "a@b%zz%+1"));
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
