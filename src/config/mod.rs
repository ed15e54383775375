//! Config: `newsdesk.toml` as written -> checked [`Settings`], or every complaint at once.
//!
//! May use: `model`, `schedule` (cron lines), `sections` (rules), `parse::opml`; reads the configuration and the files
//! that it names (OPML, secrets); writes what `add` and `import` add. Never: the network, the store, a clock.

pub mod edit;
pub mod find;
pub mod keys;
pub mod reference;
pub mod schema;

mod file;

mod table;

mod value;

mod check;

mod sources;

mod lists;

mod secrets;

mod rules;

pub mod settings;

pub mod complaint;

use std::path::{Path, PathBuf};

pub use complaint::{Complaint, Complaints, Severity};
pub use find::{Found, Locations, find};
pub use settings::Settings;

/// Reads `path` and the OPML and secret files that it names. Warnings are in [`Settings::warnings`]; when there is an
/// error, all errors and warnings of the run come back together.
pub fn load(path: &Path, locations: &Locations) -> Result<Settings, Complaints> {
    check::settings(file::read(path)?, locations)
}

/// Where the daemon of this configuration is asked, as far as can be told: the rest of the file may be wrong.
pub fn admin_address(path: &Path, locations: &Locations) -> settings::AdminAddress {
    let stated = || check::admin(&file::read(path).ok()?);
    stated().unwrap_or_else(|| defaults(locations).server.admin)
}

/// The file of a store that is named as in `[store] url`; else what is wrong with it, and what to write.
pub fn store_file(url: &str) -> Result<PathBuf, String> {
    value::store(url).map(PathBuf::from).map_err(|value::Wrong { reason, meant, next }| {
        let further = [meant.map(|meant| format!("write {meant}")), next];
        let words = std::iter::once(reason).chain(further.into_iter().flatten());
        format!("{url:?}: {}", words.collect::<Vec<_>>().join("; "))
    })
}

/// What holds with no configuration at all: nothing is read, nothing but an empty site is published.
pub fn defaults(locations: &Locations) -> Settings {
    #[expect(clippy::expect_used, reason = "locations are not checked here, and a test reads the empty configuration")]
    check::settings(file::empty(), locations).expect("the built-in defaults are valid")
}
