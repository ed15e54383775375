//! Parse: the bytes of one document in, one [`ParsedFeed`] out.
//!
//! May use: `model`, tokenizers and decoders. Never: a clock, the disk, the network, `tokio`. What the document does
//! not say stays `None`; an id or a date is never invented. The readers of the `rss` and `atom_syndication` crates are
//! not used: one broken item loses them the document, 55 KB of nesting aborts the process. They write feeds (`render`).

pub mod article;
pub mod atom;
pub mod cdf;
pub mod charset;
pub mod date;
pub mod feed;
pub mod html;
pub mod json_feed;
pub mod markdown;
pub mod opml;
pub mod plain;
pub mod rss;
pub mod xml;

pub use feed::{Format, ParsedEntry, ParsedFeed};

/// What one document may hold. What is beyond is cut, and the cut is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Levels of nesting.
    pub depth: usize,
    /// Namespace declarations.
    pub namespaces: usize,
    pub entries: usize,
    /// Characters of a title.
    pub title: usize,
    /// Bytes of a URL.
    pub url: usize,
    /// Authors, and as many contributors and categories.
    pub people: usize,
    pub enclosures: usize,
    /// Bytes of one text.
    pub content: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 256,
            namespaces: 100,
            entries: 1_000,
            title: 1_000,
            url: 4_096,
            people: 50,
            enclosures: 20,
            content: 1 << 20,
        }
    }
}
