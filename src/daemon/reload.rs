//! A changed configuration under a running daemon: taken whole, or not at all.
//!
//! Store, live documents and connections stay as they are; around them a new [`Newsdesk`] is made. What only a start can
//! change keeps its value, and that is said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use super::{Newsdesk, StartError};
use crate::config::settings::{AdminAddress, Source};
use crate::config::{Complaint, Complaints, Settings, Severity};
use crate::fetch::http::Door;
use crate::model::Time;

/// Finds and reads the configuration anew.
pub type Read = Arc<dyn Fn() -> Result<Settings, Complaints> + Send + Sync>;

/// How a reload went.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReloadReport {
    /// The file is in force now, but for what is `kept`.
    pub ok: bool,
    /// `None`: there is none, and the defaults hold.
    pub file: Option<PathBuf>,
    /// "source wires: added".
    pub changes: Vec<String>,
    /// What keeps its old value until a restart.
    pub kept: Vec<String>,
    pub warnings: Vec<String>,
    /// Why the old configuration stays in force, or what went wrong afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What stands in the file and is not in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The last reload was refused.
    pub refused: Option<Refusal>,
    /// What waits for a restart.
    pub kept: Vec<String>,
}

/// A configuration that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub at: Time,
    pub errors: usize,
    /// The first of them, in one line, for the owner's eyes: it names files.
    pub first: String,
}

impl Standing {
    /// For anybody to read: no path, no value.
    pub fn in_public(&self) -> Vec<String> {
        let refused = self.refused.iter().map(|refusal| {
            format!(
                "The configuration that was read at {} is refused ({}); the one before stays in force. newsdesk check says what is wrong.",
                refusal.at.format("%Y-%m-%d %H:%M UTC"),
                counted(refusal.errors, "error")
            )
        });
        refused
            .chain((!self.kept.is_empty()).then(|| "Part of the configuration waits for a restart.".to_owned()))
            .collect()
    }

    /// For the owner.
    pub fn notices(&self) -> Vec<String> {
        let refused = self.refused.iter().map(|refusal| {
            let at = refusal.at.format("%Y-%m-%d %H:%M UTC");
            format!("the configuration read at {at} is refused, the one before stays in force: {}", refusal.first)
        });
        refused.chain(self.kept.iter().cloned()).collect()
    }
}

impl Newsdesk {
    /// What stands in the file and is not in force.
    pub fn standing(&self) -> Standing {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_standing(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// The same newsdesk with these settings; the old one goes on until it is let go.
    pub(super) async fn renewed(&self, settings: Settings) -> Result<Newsdesk, StartError> {
        let (old, new) = (&self.settings, &settings);
        let same_door = old.fetch == new.fetch && old.site.contact == new.site.contact;
        let door = match same_door {
            true => self.door.clone(),
            false => Door::new(&new.fetch, new.site.contact.as_deref())?,
        };
        Ok(Newsdesk::around(self.kept.clone(), settings, door).await?)
    }

    /// What became of the sources of another configuration: their names before and now, by the row that they kept.
    pub(super) fn renamed_from(&self, old: &Newsdesk) -> BTreeMap<String, Option<String>> {
        let now: BTreeMap<i64, &String> = self.rows.iter().map(|(name, row)| (*row, name)).collect();
        old.rows.iter().map(|(name, row)| (name.clone(), now.get(row).map(|name| (*name).clone()))).collect()
    }

    /// What is different, in words.
    pub(super) fn differences(&self, old: &Newsdesk) -> Vec<String> {
        let mut words = Vec::new();
        let before = self.renamed_from(old);
        let mut known = BTreeSet::new();
        for (was, is) in &before {
            let Some(is) = is else {
                words.push(format!("source {was}: removed, its entries leave the sections"));
                continue;
            };
            known.insert(is);
            match (old.source(was), self.source(is)) {
                _ if was != is => words.push(format!("source {was}: is now {is}")),
                (Some(was), Some(is)) if !same_source(was, is) => words.push(format!("source {}: changed", is.name)),
                _ => {}
            }
        }
        let new = self.rows.keys().filter(|name| !known.contains(name));
        words.extend(new.map(|name| format!("source {name}: added")));
        let sections = |desk: &Newsdesk| -> BTreeMap<String, String> {
            let sections = desk.settings.sections.iter();
            sections.map(|section| (section.name.clone(), format!("{section:?}"))).collect()
        };
        let (was, is) = (sections(old), sections(self));
        for (name, text) in &is {
            match was.get(name) {
                None => words.push(format!("section {name}: added")),
                Some(before) if before != text => words.push(format!("section {name}: changed")),
                Some(_) => {}
            }
        }
        words.extend(was.keys().filter(|name| !is.contains_key(*name)).map(|name| format!("section {name}: removed")));
        let (was, is) = (&old.settings, &self.settings);
        let tables = [
            ("[site]", format!("{:?}", was.site) != format!("{:?}", is.site)),
            ("[store]", format!("{:?}", was.store) != format!("{:?}", is.store)),
            ("[publish]", format!("{:?}", was.publish) != format!("{:?}", is.publish)),
            (
                "[fetch]",
                was.fetch != is.fetch || was.hosts != is.hosts || was.tracking_parameters != is.tracking_parameters,
            ),
            ("[schedule]", format!("{:?}", was.schedule) != format!("{:?}", is.schedule)),
            ("[articles]", was.residue != is.residue),
            ("[origins]", format!("{:?}", was.origins) != format!("{:?}", is.origins)),
            ("[[rule]]", format!("{:?}", was.rules) != format!("{:?}", is.rules)),
        ];
        words.extend(tables.iter().filter(|(_, changed)| *changed).map(|(table, _)| format!("{table}: changed")));
        words
    }
}

fn same_source(a: &Source, b: &Source) -> bool {
    // Their text hides secrets.
    a.place == b.place
        && a.headers == b.headers
        && a.credentials.as_ref().map(|known| &known.password) == b.credentials.as_ref().map(|known| &known.password)
        && format!("{a:?}") == format!("{b:?}")
}

/// What is bound at the start stays as it was; each such wish is said in one sentence.
pub(super) fn keep_what_is_bound(old: &Settings, new: &mut Settings) -> Vec<String> {
    let mut kept = Vec::new();
    if new.server.listen != old.server.listen {
        kept.push(format!("[server] listen stays {} until a restart", old.server.listen));
        new.server.listen.clone_from(&old.server.listen);
    }
    if new.server.admin != old.server.admin {
        kept.push(format!("[server] admin stays {} until a restart", shown(&old.server.admin)));
        new.server.admin.clone_from(&old.server.admin);
    }
    if new.store.path != old.store.path {
        kept.push(format!("[store] url stays {} until a restart", old.store.path.display()));
        new.store.path.clone_from(&old.store.path);
    }
    kept
}

fn shown(admin: &AdminAddress) -> String {
    match admin {
        AdminAddress::Tcp(address) => address.clone(),
        AdminAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// All complaints in one line, which a log can hold.
pub(super) fn refusal(complaints: &Complaints, now: Time) -> Refusal {
    let errors = || complaints.0.iter().filter(|complaint| complaint.severity == Severity::Error);
    let first = errors().next().map(one_line).unwrap_or_default();
    let errors = errors().count();
    let more =
        if errors > 1 { format!(" (and {} more; newsdesk check names them all)", errors - 1) } else { String::new() };
    Refusal { at: now, errors, first: format!("{first}{more}") }
}

/// One complaint without the quoted line.
pub(super) fn one_line(complaint: &Complaint) -> String {
    let mut words = String::new();
    if let Some(file) = &complaint.file {
        words.push_str(&format!("{}:", file.display()));
        if let Some(place) = &complaint.place {
            words.push_str(&format!("{}:{}:", place.line, place.column));
        }
        words.push(' ');
    }
    words.push_str(&complaint.reason);
    if let Some(meant) = &complaint.suggestion {
        words.push_str(&format!("; did you mean {meant}?"));
    }
    words
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
