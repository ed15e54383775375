//! Fetch: the one door to the network, and the folders of articles.
//!
//! May use: `model`, `config`, the words of `schedule`. It does I/O and decides nothing: when to ask is `schedule`'s,
//! what an answer means is `parse`'s.
//!
//! ```text
//! http      one GET through the door: validators, redirects, limits, deadlines, errors in words
//! exchange  one POST or GET through the same door, whatever is answered: hubs and their callbacks
//! coding    gzip, deflate, br, zstd: decoded while they stream, and counted
//! head      header fields: validators, freshness, links
//! error     what can go wrong, in words
//! names     names into addresses that may be contacted
//! address   the guard: which addresses are contacted at all
//! trust     the authorities that prove who a server is
//! folder    article files
//! watch     which of them were saved just now
//! ```

pub mod address;
pub mod coding;
pub mod error;
pub mod exchange;
pub mod folder;
mod head;
pub mod http;
mod names;
mod trust;
pub mod watch;

pub use http::{Answer, Door, FetchError, Request, Validators};
