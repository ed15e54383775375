//! Any bytes, with any header, become text without characters that XML 1.0 forbids.

#![no_main]

use libfuzzer_sys::fuzz_target;
use newsdesk::parse::charset;

fuzz_target!(|input: (&str, &[u8])| {
    let (content_type, bytes) = input;
    for content_type in [None, Some(content_type)] {
        let decoded = charset::decode(bytes, content_type);
        assert!(!charset::has_forbidden(decoded.text.as_bytes()));
        // No encoding makes more than three bytes of UTF-8 out of one.
        assert!(decoded.text.len() <= 3 * bytes.len());
    }
});
