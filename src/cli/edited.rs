//! What `add` and `import` share: the configuration file that is added to, and the daemon that is told so.

use crate::config::edit::Additions;
use crate::config::settings::AdminAddress;
use crate::config::{self, Found};
use crate::daemon::control;

use super::{Failed, Place, reload};

/// The configuration file; one that `--config` names need not be there yet.
pub fn open(place: &Place) -> Result<Additions, Failed> {
    match config::find(place.config.as_deref()) {
        Found::File { path, .. } => Additions::open(&path, &place.locations).map_err(Failed::Configuration),
        Found::Nowhere { looked_for } => {
            let looked = looked_for.iter().map(|path| format!("\n  {}", path.display())).collect::<String>();
            Err(Failed::Refused(format!(
                "there is no configuration file to add to; --config FILE makes one. Looked for:{looked}"
            )))
        }
    }
}

/// Writes what was added, and says where.
pub fn write(additions: &Additions) -> Result<(), Failed> {
    let settings = additions.write()?;
    eprintln!("written to {}: {} sources in all", additions.path().display(), settings.sources.len());
    Ok(())
}

/// A running daemon reads the file anew.
pub async fn reload(admin: &AdminAddress) {
    if control::identity(admin).await.is_none() {
        return;
    }
    match reload::ask(admin).await {
        Ok(report) => reload::tell(&report),
        Err(cause) => eprintln!("{}; run newsdesk reload", crate::daemon::chain(&cause)),
    }
}
