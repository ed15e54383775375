//! Residue of web forms: what a page says around an article when it is copied as text.

use super::page::{QUOTES, width};

/// Does the line begin what readers wrote or may write under the article? Nothing of the article follows it.
pub(super) fn begins_comments(line: &str) -> bool {
    if width(line) > LONGEST {
        return false;
    }
    let line = plain(line);
    let begins = |start: &str| line.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    if MARKERS.contains(&line.as_str()) || begins("leave a reply cancel reply") || begins("leave a reply to") {
        return true;
    }
    let (count, rest) = line.split_once(' ').unwrap_or((&line, ""));
    let digits = !count.is_empty() && count.chars().all(|c| c.is_ascii_digit() || c == ',' || c == '.');
    let counted = digits || COUNTS.contains(&count);
    let (what, of) = rest.split_once(' ').unwrap_or((rest, ""));
    let titled = of.strip_prefix("on ").or_else(|| of.strip_prefix("to "));
    let quoted = titled.is_some_and(|title| title.starts_with(QUOTES));
    counted
        && match what {
            "comment" | "comments" => of.is_empty() || titled.is_some(),
            "thought" | "thoughts" => quoted || digits && of.starts_with("on "),
            "response" | "responses" | "reply" | "replies" => quoted,
            _ => false,
        }
}

/// Is the line residue of another kind: buttons, neighbours, newsletters? `further`: lines that the configuration adds.
pub(super) fn is_residue(line: &str, further: &[String]) -> bool {
    if width(line) > LONGEST {
        return false;
    }
    let line = plain(line);
    let after = |start: &str| line.strip_prefix(start).is_some_and(|rest| rest.starts_with([' ', ':']));
    LINES.contains(&line.as_str())
        || STARTS.iter().any(|start| after(start))
        || line.contains("(opens in new window)")
        || line.contains("newsletter") && NEWSLETTER.iter().any(|start| line == *start || after(start))
        || further.iter().any(|known| plain(known) == line)
}

const LONGEST: usize = 160;

/// Lower-case, single spaces, without marks and arrows around it.
fn plain(line: &str) -> String {
    let bare = line.trim_matches(|c: char| c.is_whitespace() || ":.…!*_#[]<>«»←→‹›|•·–—-".contains(c));
    bare.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

const MARKERS: [&str; 12] = [
    "leave a reply",
    "leave a comment",
    "leave a comment cancel reply",
    "leave your comment",
    "cancel reply",
    "post a comment",
    "post comment",
    "add a comment",
    "write a comment",
    "comments are closed",
    "no comments yet",
    "be the first to comment",
];

const COUNTS: [&str; 8] = ["no", "one", "two", "three", "four", "five", "six", "zero"];

const LINES: [&str; 47] = [
    "share",
    "share this",
    "share this article",
    "share this story",
    "share this post",
    "share this page",
    "share this with",
    "like this",
    "like",
    "like loading",
    "loading",
    "tweet",
    "print",
    "email",
    "e-mail",
    "facebook",
    "twitter",
    "whatsapp",
    "linkedin",
    "pinterest",
    "reddit",
    "tumblr",
    "telegram",
    "mastodon",
    "bluesky",
    "pocket",
    "copy link",
    "related",
    "related articles",
    "related posts",
    "related stories",
    "related content",
    "related reading",
    "related topics",
    "related news",
    "related links",
    "more on this story",
    "you may also like",
    "previous",
    "previous post",
    "previous article",
    "previous story",
    "next",
    "next post",
    "next article",
    "next story",
    "post navigation",
];

const STARTS: [&str; 14] = [
    "share on",
    "share via",
    "click to share",
    "click to email",
    "click to print",
    "follow us on",
    "previous post",
    "previous article",
    "previous story",
    "next post",
    "next article",
    "next story",
    "share this on",
    "like us on",
];

const NEWSLETTER: [&str; 10] = [
    "newsletter",
    "newsletters",
    "our newsletter",
    "subscribe",
    "sign up",
    "signup",
    "join",
    "get",
    "receive",
    "register",
];
