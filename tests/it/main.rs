//! All integration tests in one binary: fixtures as data for the pure rooms, black-box tests for the edges.

mod archives;
mod articles;
mod config;
mod corpus;
mod credentials;
mod cron;
mod daemon;
mod discovery;
mod exchange;
mod feeds;
mod folder;
mod folders;
mod http;
mod hub;
mod origin;
mod peer;
mod reload;
mod render;
mod render_pages;
mod service;
mod sources;
mod store;
mod subscribe;
mod support;
mod survive;
mod verbs;
