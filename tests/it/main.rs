//! All integration tests in one binary: fixtures as data for the pure rooms, black-box tests for the edges.

mod articles;
mod config;
mod corpus;
mod cron;
mod feeds;
mod folder;
mod http;
mod origin;
mod render;
mod render_pages;
mod store;
