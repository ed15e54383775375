//! Config: `newsdesk.toml` as written -> checked [`Settings`], or every complaint at once.

pub mod settings;

pub use settings::Settings;
