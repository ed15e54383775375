//! All integration tests in one binary: fixtures as data for the pure rooms, black-box tests for the edges.

mod config;
mod corpus;
mod feeds;
mod render;
mod render_pages;
