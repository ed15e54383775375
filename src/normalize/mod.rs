//! Normalize: one `ParsedFeed` in, cleaned entries with their keys out.

pub mod clean;
pub mod neutral;
