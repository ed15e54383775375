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
