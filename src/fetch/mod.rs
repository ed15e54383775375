//! Fetch: the one door to the network, and the folders of articles.

pub mod address;
pub mod budget;
pub mod folder;
pub mod http;
pub mod watch;
