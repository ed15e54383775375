//! Any text is read as an article or refused; every line that is not blank ends up in exactly one place.

#![no_main]

use libfuzzer_sys::fuzz_target;
use newsdesk::parse::Limits;
use newsdesk::parse::article::{self, Options};
use newsdesk::parse::plain::{SectionLine, Vocabulary};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let vocabulary = Vocabulary::default();
    for section_line in [SectionLine::Auto, SectionLine::Always, SectionLine::Never] {
        let options =
            Options { path: "article.txt", vocabulary: &vocabulary, section_line, residue: &[], full_text: false, zone: chrono_tz::Tz::UTC, limits: &limits };
        let Ok(article) = article::read(bytes, &options) else { continue };
        assert!(article.lines.windows(2).all(|pair| pair[0].number < pair[1].number), "a line twice, or out of order");
        assert!(article.lines.iter().all(|line| !line.text.trim().is_empty()));
        assert!(article.feed.entries.len() <= 1);
    }
});
