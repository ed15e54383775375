//! What a configuration would do to every section, if it were live: worked out from the stored entries by the functions
//! that publish, with nothing written.
//!
//! Compared with what is published: the documents as they are live. Entries that a new source or folder would bring are
//! not known before its first refresh.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{place, placer, site_section};
use crate::config::Settings;
use crate::config::settings::{Place, Source};
use crate::duplicates::{self, choice};
use crate::merge::{self, current};
use crate::model::{Section, Shelf, Standing, Time};
use crate::publish;
use crate::render;
use crate::store::{Store, StoreError, Whole};

/// See the module.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// Something would be different.
    pub changes: bool,
    /// Only those that would be different; the empty name is the site as a whole.
    pub sections: Vec<SectionPlan>,
    /// Sources that come, go, or are called otherwise.
    pub sources: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SectionPlan {
    pub section: String,
    /// "new", "gone" or "changed".
    pub fate: String,
    pub gains: Vec<Named>,
    pub loses: Vec<Named>,
    /// Entries that would stand in another order among those that stay.
    pub moves: Vec<Named>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Named {
    pub id: String,
    pub title: String,
}

/// Members of one section that are looked at beyond what its documents can show.
const MOST_OF_A_SECTION: usize = 20_000;

pub async fn plan(settings: &Settings, store: &Store, now: Time) -> Result<Plan, StoreError> {
    let places: Vec<(String, String)> =
        settings.sources.iter().map(|source| (source.name.clone(), place(source))).collect();
    let rows = store.matching(places).await?;
    let sources: HashMap<i64, Arc<Source>> =
        rows.iter().zip(&settings.sources).filter_map(|(row, source)| Some(((*row)?, source.clone()))).collect();
    let placer = placer(settings);
    let mut drafts = BTreeMap::new();
    let site = Arc::new(site_section(settings));
    for section in std::iter::once(&site).chain(&settings.sections) {
        let row = store.section(section.name.clone()).await?;
        let shelf = match row {
            Some(row) => store.shelf(row).await?,
            None => Shelf::default(),
        };
        let merges = match row {
            Some(row) => store.merges(row).await?,
            None => true,
        };
        let anew = section.merges_copies && !merges;
        drafts.insert(section.name.clone(), Draft { section: section.clone(), row, shelf, anew, members: Vec::new() });
    }
    let mut after = 0;
    loop {
        let batch = store.whole_entries(after).await?;
        let Some(last) = batch.last().map(|whole| whole.row) else { break };
        after = last;
        for whole in &batch {
            let Some(source) = sources.get(&whole.source) else { continue };
            for name in placer.sections(&source.name, &whole.stated, whole.first_seen) {
                if let Some(draft) = drafts.get_mut(&name) {
                    draft.add(whole, source);
                }
            }
        }
    }
    let live = live(store).await?;
    let mut plan = Plan { sources: changed_sources(store, settings, &rows).await?, ..Plan::default() };
    let priority = |name: &str| settings.sources.iter().find(|source| source.name == name).map_or(0, |s| s.priority);
    for (name, draft) in drafts {
        let entries = draft.document(&priority, now);
        let before = live.get(&name);
        let titles = store.entries(None, entries.iter().map(|standing| standing.row).collect()).await?;
        let after: Vec<Named> = titles
            .into_iter()
            .map(|stored| Named { id: stored.entry.id.0, title: stored.entry.stated.title })
            .collect();
        let change = compare(&name, before, &after);
        plan.sections.extend(change);
    }
    let configured: BTreeSet<&str> = settings.sections.iter().map(|section| section.name.as_str()).collect();
    for (name, entries) in &live {
        if !name.is_empty() && !configured.contains(name.as_str()) {
            let (section, fate) = (name.clone(), "gone".to_owned());
            plan.sections.push(SectionPlan { section, fate, loses: entries.clone(), ..SectionPlan::default() });
        }
    }
    plan.changes = !plan.sections.is_empty() || !plan.sources.is_empty();
    Ok(plan)
}

/// What is live of every section, in order.
async fn live(store: &Store) -> Result<BTreeMap<String, Vec<Named>>, StoreError> {
    let mut live = BTreeMap::new();
    for revision in store.revisions().await? {
        let Some(folder) = revision.path.strip_suffix(render::JSON) else { continue };
        let name = folder.trim_end_matches('/').to_owned();
        if name.contains('/') {
            continue;
        }
        let revision = publish::revive(revision);
        let document = revision.body().and_then(|body| serde_json::from_slice(body).ok());
        let document: serde_json::Value = document.unwrap_or_default();
        let text = |item: &serde_json::Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
        let items = document["items"].as_array().into_iter().flatten();
        let items = items.map(|item| Named { id: text(item, "id"), title: text(item, "title") });
        live.insert(name, items.collect());
    }
    Ok(live)
}

async fn changed_sources(store: &Store, settings: &Settings, rows: &[Option<i64>]) -> Result<Vec<String>, StoreError> {
    let known: BTreeMap<i64, String> = store.sources().await?.into_iter().map(|row| (row.row, row.name)).collect();
    let mut words = Vec::new();
    for (row, source) in rows.iter().zip(&settings.sources) {
        match row.and_then(|row| known.get(&row)) {
            None => words.push(format!("source {}: new, its entries come with its first refresh", source.name)),
            Some(name) if *name != source.name => words.push(format!("source {name}: would be called {}", source.name)),
            Some(_) => {}
        }
    }
    let kept: BTreeSet<i64> = rows.iter().flatten().copied().collect();
    let gone = known.iter().filter(|(row, _)| !kept.contains(row));
    words.extend(gone.map(|(_, name)| format!("source {name}: would go, and its entries with it")));
    Ok(words)
}

/// What would be different; `None`: nothing.
fn compare(section: &str, before: Option<&Vec<Named>>, after: &[Named]) -> Option<SectionPlan> {
    let fate = if before.is_some() { "changed" } else { "new" };
    let before = before.map(Vec::as_slice).unwrap_or_default();
    let ids = |entries: &[Named]| entries.iter().map(|entry| entry.id.clone()).collect::<BTreeSet<String>>();
    let (known, wanted) = (ids(before), ids(after));
    let without = |entries: &[Named], other: &BTreeSet<String>, inside: bool| {
        entries.iter().filter(|entry| other.contains(&entry.id) == inside).cloned().collect::<Vec<Named>>()
    };
    let (stay_before, stay_after) = (without(before, &wanted, true), without(after, &known, true));
    let moves = stay_before.iter().zip(&stay_after).filter(|(was, is)| was.id != is.id).map(|(_, is)| is.clone());
    let plan = SectionPlan {
        section: section.to_owned(),
        fate: fate.to_owned(),
        gains: without(after, &known, false),
        loses: without(before, &wanted, false),
        moves: moves.collect(),
    };
    let same = plan.gains.is_empty() && plan.loses.is_empty() && plan.moves.is_empty() && fate == "changed";
    (!same).then_some(plan)
}

/// One section as it would be.
struct Draft {
    section: Arc<Section>,
    row: Option<i64>,
    shelf: Shelf,
    /// It begins to show one copy of a story only.
    anew: bool,
    members: Vec<Member>,
}

struct Member {
    standing: Standing,
    story: Option<i64>,
    copy: choice::Copy,
    shown: choice::Standing,
}

impl Draft {
    fn add(&mut self, whole: &Whole, source: &Source) {
        let place = whole.places.iter().find(|place| Some(place.section) == self.row);
        let shown = place.is_some_and(|place| place.copy_of.is_none() && place.waits.is_none());
        self.members.push(Member {
            standing: Standing {
                row: whole.row,
                id: whole.id.clone(),
                source: source.name.clone(),
                effective: whole.effective,
                updated: whole.updated,
                number: place.and_then(|place| place.number),
                corrected: place.and_then(|place| place.corrected),
                version: [0; 16],
            },
            story: whole.story,
            copy: choice::Copy {
                row: whole.row,
                local: matches!(source.place, Place::Folder(_)),
                priority: source.priority,
                completeness: if whole.story.is_some() { duplicates::completeness(&whole.stated) } else { 0 },
                first_seen: whole.first_seen,
            },
            shown: if shown { choice::Standing::Shown } else { choice::Standing::Hidden },
        });
        let most = MOST_OF_A_SECTION + self.section.limit * 20;
        if self.members.len() > most * 2 {
            self.members.sort_by_key(|member| std::cmp::Reverse(member.standing.effective));
            let old = self.members.split_off(most);
            // Those with the newest numbers may stand in the current document whatever their date is.
            let after = self.after();
            self.members.extend(old.into_iter().filter(|member| member.standing.number > Some(after)));
        }
    }

    /// Numbers after this one may stand in the current document.
    fn after(&self) -> u64 {
        let reach = current::reach(&self.section, &self.shelf);
        self.shelf.last_of(self.shelf.newest().saturating_sub(reach))
    }

    /// The entries of its current document, in order.
    fn document(mut self, priority: merge::Priority<'_>, now: Time) -> Vec<Standing> {
        let hidden = self.hidden();
        self.members.retain(|member| !hidden.contains(&member.standing.row));
        let mut standings: Vec<Standing> = self.members.iter().map(|member| member.standing.clone()).collect();
        if self.section.name.is_empty() {
            return merge::newest(&self.section, standings, priority, now);
        }
        self.number(&mut standings);
        let since = now - current::CORRECTED;
        let corrected = standings.iter().filter(|standing| standing.corrected > Some(since)).cloned();
        let mut corrected: Vec<Standing> = corrected.collect();
        corrected.sort_by_key(|standing| (std::cmp::Reverse(standing.corrected), standing.row));
        corrected.truncate(self.section.limit);
        // All of them are the window: what the store would not look at stands in no document.
        current::current(&self.section, &self.shelf, standings, Vec::new(), corrected, priority, now).entries
    }

    /// Copies that another one would stand for.
    fn hidden(&self) -> BTreeSet<i64> {
        if !self.section.merges_copies {
            return BTreeSet::new();
        }
        let mut stories: BTreeMap<i64, Vec<(choice::Copy, choice::Standing)>> = BTreeMap::new();
        for member in &self.members {
            if let Some(story) = member.story {
                stories.entry(story).or_default().push((member.copy.clone(), member.shown));
            }
        }
        let hidden = stories.values().flat_map(|copies| {
            let shown = choice::shown(copies, self.anew);
            copies.iter().map(|(copy, _)| copy.row).filter(move |row| !shown.contains(row))
        });
        hidden.collect()
    }

    /// Newcomers get the numbers that they would be given.
    fn number(&mut self, standings: &mut [Standing]) {
        if self.shelf.size == 0 {
            self.shelf.size = current::size(&self.section);
            self.shelf.from = self.shelf.from.max(1);
        }
        let mut new: Vec<&mut Standing> = standings.iter_mut().filter(|standing| standing.number.is_none()).collect();
        new.sort_by_key(|standing| (standing.effective, standing.row));
        for standing in new {
            self.shelf.numbered += 1;
            standing.number = Some(self.shelf.numbered);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_different() {
        let named = |ids: &str| -> Vec<Named> {
            ids.chars().map(|id| Named { id: id.to_string(), title: String::new() }).collect()
        };
        let check = |before: Option<&str>, after: &str, want: Option<(&str, &str, &str)>| {
            let words = |entries: &[Named]| entries.iter().map(|entry| entry.id.as_str()).collect::<String>();
            let plan = compare("s", before.map(named).as_ref(), &named(after));
            let found = plan.map(|plan| (words(&plan.gains), words(&plan.loses), words(&plan.moves)));
            let want = want.map(|(gains, loses, moves)| (gains.to_owned(), loses.to_owned(), moves.to_owned()));
            assert_eq!(found, want, "{before:?} {after}");
        };
        check(Some("abc"), "abc", None);
        check(Some("abc"), "abcd", Some(("d", "", "")));
        check(Some("abc"), "ac", Some(("", "b", "")));
        check(Some("abc"), "bac", Some(("", "", "ba")));
        check(Some("abc"), "dcb", Some(("d", "a", "cb")));
        check(None, "", Some(("", "", "")));
        check(None, "a", Some(("a", "", "")));
    }
}
