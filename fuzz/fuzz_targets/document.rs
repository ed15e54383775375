//! Any bytes are read as a feed or refused; what is read holds its limits, and nothing in it, cleaned, is a character
//! that XML 1.0 forbids or markup that runs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use newsdesk::normalize::{clean, neutral::neutral};
use newsdesk::parse::{self, Input, Limits, charset};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { entries: 20, ..Limits::default() };
    let Ok(feed) = parse::document(&Input { bytes, content_type: None, base: None }, &limits) else { return };
    assert!(feed.entries.len() <= limits.entries);
    let shown = neutral(&feed);
    let mut left = vec![&shown];
    while let Some(value) = left.pop() {
        match value {
            Value::String(text) => assert!(!charset::has_forbidden(text.as_bytes()), "{text:?}"),
            Value::Array(values) => left.extend(values),
            Value::Object(members) => left.extend(members.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    for text in feed.entries.iter().flat_map(|entry| [&entry.summary, &entry.content]).flatten() {
        let Some(html) = clean::text(text) else { continue };
        let lower = html.0.to_ascii_lowercase();
        for dangerous in ["<script", "<style", "<iframe", "<svg", "<math", "<template", "<form"] {
            assert!(!lower.contains(dangerous), "{}", html.0);
        }
    }
});
