//! The attribution: whom an article credits at its end.

use super::page::width;
use crate::parse::article::web_address;
use crate::parse::feed::Attribution;

/// Whom a line credits: "Source: FT", "Via: X", "(Source: X)", "Originally published in X"; `None` for other lines.
pub(super) fn read(line: &str) -> Option<Vec<Attribution>> {
    let bare = bracketed(line);
    let value = after_key(bare).or_else(|| after_phrase(bare))?.trim();
    if value.is_empty() || width_besides_urls(line) > WIDEST || says_a_sentence(value) {
        return None;
    }
    let credits = credits(value);
    (!credits.is_empty()).then_some(credits)
}

const WIDEST: usize = 80;

fn bracketed(line: &str) -> &str {
    let inner = |open, close| line.strip_prefix(open).and_then(|rest: &str| rest.strip_suffix(close));
    inner('(', ')').or_else(|| inner('[', ']')).unwrap_or(line).trim()
}

fn after_key(line: &str) -> Option<&str> {
    let (key, value) = line.split_once([':', '：'])?;
    ["source", "sources", "via"].contains(&key.trim().to_lowercase().as_str()).then_some(value)
}

/// "Originally published in The Paper", with or without "This article was" in front.
fn after_phrase(line: &str) -> Option<&str> {
    let mut rest = line;
    for known in [&["this"][..], &["article", "story", "post", "piece"], &["was"]] {
        rest = after_word(rest, known).unwrap_or(rest);
    }
    rest = after_word(rest, &["originally"])?;
    rest = after_word(rest, &["published", "appeared"])?;
    after_word(rest, &["in", "at", "on", "by"])
}

/// What follows the first word, if that is one of `known`.
fn after_word<'a>(text: &'a str, known: &[&str]) -> Option<&'a str> {
    let (word, rest) = text.split_once(' ')?;
    let word = word.trim_end_matches(':').to_lowercase();
    known.contains(&word.as_str()).then(|| rest.trim_start())
}

/// Addresses may be as long as they are.
fn width_besides_urls(line: &str) -> usize {
    line.split_whitespace()
        .map(|word| if url(word).is_some() { 1 } else { width(word) + 1 })
        .sum::<usize>()
        .saturating_sub(1)
}

/// Does a full stop stand in it, other than in an address, an initial or a company's name?
fn says_a_sentence(value: &str) -> bool {
    value.split_whitespace().any(|word| {
        let Some(bare) = word.trim_end_matches([')', ']', ',', '"', '”']).strip_suffix('.') else { return false };
        let initials = bare.split('.').all(|part| part.chars().count() == 1);
        url(word).is_none() && !initials && !["Inc", "Ltd", "Co", "Corp", "St", "Dr"].contains(&bare)
    })
}

/// Names by comma, each with the address beside it. An address alone belongs to the name before it, if that has none.
fn credits(value: &str) -> Vec<Attribution> {
    let mut credits: Vec<Attribution> = Vec::new();
    for part in parts(value) {
        let address = part.iter().find_map(|word| url(word));
        let words: Vec<&str> = part.into_iter().filter(|word| url(word).is_none()).collect();
        let name = words.join(" ");
        let name = name.trim_matches(|c: char| c.is_whitespace() || "–—-:|<>".contains(c));
        match (address, credits.last_mut()) {
            (None, _) if name.is_empty() => {}
            (Some(address), Some(last)) if name.is_empty() && last.url.is_none() => last.url = Some(address),
            (Some(address), _) if name.is_empty() => {
                credits.push(Attribution { name: host(&address), url: Some(address) });
            }
            (address, _) => credits.push(Attribution { name: name.to_owned(), url: address }),
        }
    }
    credits
}

/// The words between commas; a comma inside an address separates nothing.
fn parts(value: &str) -> Vec<Vec<&str>> {
    let mut parts = vec![Vec::new()];
    for word in value.split_whitespace() {
        let whole = url(word).is_some();
        let mut pieces = if whole { vec![word] } else { word.split([',', ';']).collect() };
        if whole && word.ends_with([',', ';']) {
            pieces.push("");
        }
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                parts.push(Vec::new());
            }
            if let Some(part) = parts.last_mut().filter(|_| !piece.is_empty()) {
                part.push(piece);
            }
        }
    }
    parts
}

/// The address that a word is, brackets around it aside.
fn url(word: &str) -> Option<String> {
    let bare = word.trim_matches(['(', ')', '[', ']', '<', '>', ',', ';']);
    match bare.strip_prefix("www.") {
        Some(_) => web_address(&format!("https://{bare}")),
        None => web_address(bare),
    }
}

fn host(address: &str) -> String {
    let host = url::Url::parse(address).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_else(|| address.to_owned());
    host.strip_prefix("www.").map_or(host.clone(), str::to_owned)
}
