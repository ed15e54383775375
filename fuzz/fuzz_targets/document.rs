//! Any bytes are read as a feed or refused; what is read holds its limits, and nothing in it, cleaned, is a character
//! that XML 1.0 forbids or markup that runs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use newsdesk::normalize::{clean, neutral::neutral};
use newsdesk::parse::{self, Input, Limits, charset};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { entries: 20, ..Limits::default() };
    let Ok(feed) = parse::document(&Input { bytes, content_type: None, base: None }, &limits) else { return };
    assert!(feed.entries.len() <= limits.entries);
    assert!(!charset::has_forbidden(neutral(&feed).to_string().as_bytes()));
    for text in feed.entries.iter().flat_map(|entry| [&entry.summary, &entry.content]).flatten() {
        let Some(html) = clean::text(text) else { continue };
        let lower = html.0.to_ascii_lowercase();
        for dangerous in ["<script", "<style", "<iframe", "<svg", "<math", "<template", "<form"] {
            assert!(!lower.contains(dangerous), "{}", html.0);
        }
    }
});
