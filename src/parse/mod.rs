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

/// How much of a document is taken in. A limit that cuts is named in [`ParsedFeed::repairs`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Elements (or JSON values) inside each other; what lies deeper is passed over.
    pub depth: usize,
    /// Entries: the newest by stated date if all have one, else the first.
    pub entries: usize,
    /// Characters of a title.
    pub title_chars: usize,
    /// Bytes of an address; a longer one is dropped, since a cut one leads nowhere.
    pub url_bytes: usize,
    /// Authors, and contributors, of one entry or feed.
    pub people: usize,
    pub categories: usize,
    pub enclosures: usize,
    /// Links of one entry or feed besides the alternate one and the enclosures.
    pub links: usize,
    /// Bytes of a summary or content; cut at a character.
    pub text_bytes: usize,
    /// Bytes of a name, a term, a line of rights, a generator.
    pub name_bytes: usize,
    /// Bytes of an id; a longer one is replaced by its hash, never cut.
    pub id_bytes: usize,
    /// Namespace declarations in scope at once.
    pub namespaces: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 256,
            entries: 1000,
            title_chars: 1000,
            url_bytes: 4096,
            people: 50,
            categories: 50,
            enclosures: 20,
            links: 100,
            text_bytes: 1 << 20,
            name_bytes: 4096,
            id_bytes: 2048,
            namespaces: 100,
        }
    }
}
