//! Discreet: an error as it may be told to everybody. Its words stay; addresses, and where things lie on our disk, go.

use std::net::{IpAddr, SocketAddr};

/// What stands in the place of an address.
const ADDRESS: &str = "(address)";
const PATH: &str = "(path)";
/// Longer words come from the other side; a page of ours has no room for them.
const MOST_CHARS: usize = 400;

/// The text without URLs, numeric addresses and absolute paths; with `hosts` without names of hosts too (a file of a
/// folder may be called like one).
pub fn discreet(text: &str, hosts: bool) -> String {
    let mut out = String::with_capacity(text.len().min(MOST_CHARS * 4));
    for (count, word) in text.split_whitespace().enumerate() {
        if count > 0 {
            out.push(' ');
        }
        let address = word.trim_matches(is_bracket).trim_end_matches(is_stop);
        let core = word.trim_matches(|c| is_bracket(c) || is_stop(c) || "[]".contains(c));
        let (hidden, stand_in) = if is_numeric_address(address) {
            (address, ADDRESS)
        } else if core.contains("://") || hosts && is_host(core) {
            (core, ADDRESS)
        } else if is_path(core) {
            (core, PATH)
        } else {
            out.push_str(word);
            continue;
        };
        let (before, after) = word.split_once(hidden).unwrap_or_default();
        out.extend([before, stand_in, after]);
    }
    let out = out.trim_start_matches(&format!("{ADDRESS}: ")).to_owned();
    match out.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => format!("{} …", out.get(..end).unwrap_or_default().trim_end()),
        None => out,
    }
}

fn is_bracket(c: char) -> bool {
    "(){}<>\"'“”‘’,;`".contains(c)
}

fn is_stop(c: char) -> bool {
    ":.!?=,;".contains(c)
}

fn is_numeric_address(word: &str) -> bool {
    let bare = word.split_once('/').map_or(word, |(address, _)| address);
    let bare = bare.trim_start_matches('[').trim_end_matches(']');
    // `::` alone is punctuation of programmers, not an address that anybody listens on.
    bare.len() > 2 && (bare.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok())
}

fn is_path(word: &str) -> bool {
    word.len() > 1 && word.starts_with('/') || word.contains(":/") || word.starts_with("~/")
}

fn is_host(word: &str) -> bool {
    let name = match word.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => word,
    };
    let Some((rest, last)) = name.trim_end_matches('.').rsplit_once('.') else { return name == "localhost" };
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    last.chars().count() >= 2 && last.chars().all(char::is_alphabetic) && rest.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_and_addresses_go() {
        let check = |text: &str, want: &str| assert_eq!(discreet(text, true), want, "{text}");
        check(
            "https://blog.example/feed?x=1: 404 Not Found: there is nothing there; check the address",
            "404 Not Found: there is nothing there; check the address",
        );
        check(
            "error sending request for url (http://10.0.0.3/feed): it is",
            "error sending request for url ((address)): it is",
        );
        check("10.0.0.3 is not a public address", "(address) is not a public address");
        check("connect to [::1]:8080, refused", "connect to (address), refused");
        check("tcp connect 192.168.1.1:80: refused", "tcp connect (address): refused");
        check("net 10.0.0.0/8 is private", "net (address) is private");
        check("lookup of intranet.corp.example: no", "lookup of (address): no");
        check("lookup of intranet.example:8080 and localhost", "lookup of (address) and (address)");
        check("this is a web page (\"Log in\"), not a feed", "this is a web page (\"Log in\"), not a feed");
        check("cannot read /srv/newsdesk/articles: denied", "cannot read (path): denied");
        check(
            "it took longer than 15.2s; std::io::Error; at 09:45",
            "it took longer than 15.2s; std::io::Error; at 09:45",
        );
    }

    #[test]
    fn a_file_of_a_folder_keeps_its_name() {
        assert_eq!(discreet("politics/notes.md: no title", false), "politics/notes.md: no title");
        assert_eq!(discreet("notes.md: no title", true), "(address): no title".trim_start_matches("(address): "));
    }

    #[test]
    fn nobody_fills_our_page() {
        assert!(discreet(&"word ".repeat(10_000), true).chars().count() < 410);
        assert!(discreet(&"x".repeat(10_000), true).chars().count() < 410);
    }
}
