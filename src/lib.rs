//! newsdesk: local articles and remote feeds in, one merged feed per section out.
//!
//! ```text
//! fetch ──> parse ──> normalize ──> changes ──> store ──> merge ──> render ──> publish, serve
//! I/O       pure      pure          pure        I/O       pure      pure       I/O
//! ```
//!
//! Data moves right and never looks back. The middle is a functional core: values in, values out, no clock, disk,
//! network or `async`; the same store gives the same bytes. The ends and [`daemon`] are the shell: they do I/O and
//! decide nothing.
//!
//! | room | what it is | uses of ours |
//! |---|---|---|
//! | [`model`] | the plain data everyone speaks about, in RFC 4287 terms | nothing |
//! | [`parse`] | bytes of one document -> what it says | model |
//! | [`normalize`] | what it says -> entries: identity, dates, links, clean HTML | model, parse's types |
//! | [`changes`] | known + refreshed entries -> what the store must write | model, normalize's types, duplicates' clues |
//! | [`sections`] | rules and membership: which entry stands where | model |
//! | [`duplicates`] | one story in several sources: likeness, and which copy stands for it | model, normalize's text and links |
//! | [`merge`] | stored entries -> one section's feed | model, normalize's links |
//! | [`render`] | a feed -> bytes of RSS, Atom, JSON Feed and pages | model |
//! | [`schedule`] | what is known of a source + now -> when to ask again, and why | model, parse's hints and candidates |
//! | [`config`] | `newsdesk.toml` -> checked settings, or every complaint at once | model, schedule, sections |
//! | [`fetch`] | the one door to the network, and the folders of articles | model, config, schedule's words |
//! | [`websub`] | hub and subscriber as rules: what is sent, what an answer means | model, the guard, schedule's words |
//! | [`store`] | SQLite behind operations in the domain's words | model, changes, schedule's poll, the door's validators |
//! | [`metrics`] | counters and histograms, and the text that Prometheus reads | nothing |
//! | [`publish`] | rendered bytes -> stored revisions and the static mirror | model, store's rows |
//! | [`serve`] | HTTP for what was published | publish, metrics |
//! | [`daemon`] | the loop: refresh and publish in the order of the flow | all of the above |
//! | [`cli`] | arguments become calls | daemon, config |
//!
//! Every room may use `swar`: eight bytes of text at once.

// Nothing that comes from outside may end the process: what cannot fail says why, where it stands.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::panic,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

pub mod model;

mod swar;

pub mod parse;

pub mod normalize;

pub mod changes;

pub mod sections;

pub mod duplicates;

pub mod merge;

pub mod render;

pub mod schedule;

pub mod config;

pub mod fetch;

pub mod websub;

pub mod store;

pub mod metrics;

pub mod publish;

pub mod serve;

pub mod daemon;

pub mod cli;
