//! Any text is a date or none; a date that is written out again is the same instant.

#![no_main]

use libfuzzer_sys::fuzz_target;
use newsdesk::parse::date;

fuzz_target!(|text: &str| {
    if let Some(time) = date::parse(text) {
        assert_eq!(date::parse(&time.to_rfc3339()), Some(time), "{text:?}");
        assert_eq!(date::parse(&time.to_rfc2822()), Some(time), "{text:?}");
    }
});
