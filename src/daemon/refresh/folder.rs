//! One pass over a folder of articles: what changed in it, which files cannot be read, what has vanished.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SubsecRound, Utc};

use super::document::repairs_in_words;
use super::{Done, RefreshError, Refreshing, Stage, Wish, in_words};
use crate::changes::{self, Situation};
use crate::config::settings::Source;
use crate::daemon::work::on_disk;
use crate::daemon::{Newsdesk, chain};
use crate::fetch::folder::{self, FileFound, FolderChanged};
use crate::model::{Origin, Time};
use crate::normalize::{self, Context, File, Refreshed};
use crate::parse::{Limits, article};
use crate::schedule::{Failure, NextPoll, Outcome};
use crate::store::{FileRow, Refresh, SourceState, Trouble};

impl Newsdesk {
    #[expect(clippy::too_many_arguments, reason = "one step of the refresh, not an interface")]
    pub(super) async fn refresh_folder(
        &self,
        source: Arc<Source>,
        row: i64,
        root: &std::path::Path,
        mut state: Box<SourceState>,
        change: Option<FolderChanged>,
        wish: Wish,
        now: Time,
    ) -> Refreshing {
        let known_files = match self.store.files(row).await {
            Ok(files) => files,
            Err(cause) => return self.store_failed(source, cause.into(), now),
        };
        let reading = if source.full_text { format!("{} full text", self.reading) } else { self.reading.clone() };
        let reread = state.body_hash.as_deref() != Some(&*reading);
        let read = {
            let (newsdesk, source, root) = (self.clone(), source.clone(), root.to_owned());
            on_disk(move || newsdesk.read_folder(&source, &root, known_files, change, reread, now)).await
        };
        let mut read = match read {
            Ok(read) => read,
            Err(cause) => {
                let outcome = Outcome::Failed { failure: Failure::Refused, retry_after: None, frozen: false };
                return self
                    .failed(
                        source.clone(),
                        row,
                        state,
                        outcome,
                        RefreshError::new(&source, Stage::Fetch, cause.into()),
                        now,
                    )
                    .await;
            }
        };
        // Nothing is there that any of them could have become.
        let emptied = if read.found == 0 { read.missing(&source.name, 0, wish.confirm_missing) } else { None };
        if emptied.is_some() {
            read.vanished.clear();
        }
        let vanished = self.store.entries_of_files(row, read.vanished.clone()).await;
        let known = self.store.known(row, changes::question(&read.refreshed)).await;
        let (vanished_rows, (mut known, first_fetch)) = match (vanished, known) {
            (Ok(vanished), Ok(known)) => (vanished, known),
            (Err(cause), _) | (_, Err(cause)) => return self.store_failed(source, cause.into(), now),
        };
        // Only a file that is no more can have become another one: a copy is a new article.
        let free: BTreeSet<i64> = vanished_rows.iter().map(|(_, row)| *row).collect();
        let entries = &known.entries;
        known.by_alias.retain(|_, at| {
            entries.get(*at).is_some_and(|entry| free.contains(&entry.row) || entry.withdrawn.is_some())
        });
        let situation = Situation { now, first_fetch, local: true, last_read: None };
        let mut changes =
            self.placed(&source.name, changes::between(&known, std::mem::take(&mut read.refreshed), situation), now);
        let renamed: BTreeSet<i64> = changes.changed.iter().map(|entry| entry.row).collect();
        // A folder that was given another name takes all of its files with it: none of them is missing.
        let moved: BTreeSet<&String> =
            vanished_rows.iter().filter(|(_, row)| renamed.contains(row)).map(|(path, _)| path).collect();
        let missing = emptied.or_else(|| read.missing(&source.name, moved.len(), wish.confirm_missing));
        if missing.is_some() {
            read.vanished.retain(|path| moved.contains(path));
        } else {
            changes.withdrawn.extend(free.difference(&renamed));
        }
        let words = in_words(&changes);
        state.body_hash = Some(reading);
        state.repairs = std::mem::take(&mut read.repairs);
        let before = state.trouble.take();
        let mut next = self.well(&source, &mut state, &words, now);
        if let Some(moment) = read.next_held.filter(|moment| *moment < next.at) {
            next = NextPoll { at: moment, reason: "an article dated in the future comes out then".to_owned() };
            (state.next_poll, state.next_reason) = (Some(next.at), next.reason.clone());
        }
        let stage = if missing.is_some() { Stage::Fetch } else { Stage::Parse };
        let trouble = missing.or_else(|| read.trouble());
        if let Some(cause) = &trouble {
            state.outcome = format!("{words}; {cause}");
            let since = before.as_ref().map_or(now, |before| before.since);
            state.trouble = Some(Trouble { stage: stage.to_string(), cause: cause.clone(), since });
        }
        let origin = Origin { title: self.folder_title(&source), ..Origin::default() };
        let refresh = Refresh {
            source: row,
            now,
            changes,
            origin: Some(origin),
            feed_id: None,
            state: *state,
            files: read.files,
            vanished: read.vanished,
            pages: 0,
        };
        let applied = match self.store.apply_refresh(refresh).await {
            Ok(applied) => applied,
            Err(cause) => return self.store_failed(source, cause.into(), now),
        };
        // Said once when it begins; status has it as long as it lasts.
        for failure in &read.fresh {
            tracing::warn!(source = %source.name, stage = "parse", "{failure}");
        }
        if let Some(cause) = &trouble
            && read.fresh.is_empty()
            && before.is_none_or(|before| before.cause != *cause)
        {
            tracing::warn!(source = %source.name, %stage, "{cause}");
        }
        let result = Ok(Done { applied, words, trouble, ..Done::default() });
        Refreshing { again: read.again, ..Refreshing::ended(source, result, next) }
    }

    fn folder_title(&self, source: &Source) -> String {
        // Articles are the site's own: they are signed with its name, not with that of a folder.
        if source.publish { source.name.clone() } else { self.settings.site.title.clone() }
    }

    fn read_folder(
        &self,
        source: &Source,
        root: &std::path::Path,
        known: Vec<FileRow>,
        change: Option<FolderChanged>,
        reread: bool,
        now: Time,
    ) -> Result<FolderRead, folder::FolderError> {
        let scan = folder::scan(root)?;
        let mut read = FolderRead { known: known.len(), ..FolderRead::default() };
        read.failures.extend(scan.failures.iter().map(|failure| chain(failure)));
        let mut known: BTreeMap<String, FileRow> = known.into_iter().map(|file| (file.path.clone(), file)).collect();
        let wall = SystemTime::now();
        for found in scan.files.iter().filter(|found| article::is_article_name(&found.path)) {
            read.found += 1;
            let before = known.remove(&found.path);
            let modified = nanoseconds(found.modified);
            let due = |file: &FileRow| file.held.is_some_and(|held| held <= now);
            // What could not be read is tried again: a right that is given changes neither size nor time.
            let same = |file: &FileRow| {
                file.size == found.size && file.modified == modified && file.trouble.is_none() && !due(file)
            };
            if let Some(before) = before.as_ref().filter(|file| !reread && same(file)) {
                read.still_held(before.held);
                read.repaired(before);
                continue;
            }
            if !folder::settled(found, change.as_ref(), wall) {
                read.again = Some(folder::QUIET);
                continue;
            }
            let file = self.read_file(source, root, found, before, now, &mut read);
            read.repaired(&file);
            read.files.push(file);
        }
        // What could not even be looked at has not vanished.
        read.vanished = known.into_keys().collect();
        if scan.failures.iter().any(|failure| matches!(failure, folder::FolderError::Unreadable { .. })) {
            read.vanished.clear();
        }
        Ok(read)
    }

    fn read_file(
        &self,
        source: &Source,
        root: &std::path::Path,
        found: &FileFound,
        before: Option<FileRow>,
        now: Time,
        read: &mut FolderRead,
    ) -> FileRow {
        let (told, shown, known) =
            before.map(|before| (before.trouble, before.shows, before.repairs)).unwrap_or_default();
        let mut row = FileRow {
            path: found.path.clone(),
            size: found.size,
            modified: nanoseconds(found.modified),
            held: None,
            trouble: None,
            repairs: Vec::new(),
            shows: Vec::new(),
        };
        match self.read_article(source, root, found, now) {
            Ok(ReadArticle { refreshed, shows, repairs }) => {
                for repair in repairs.iter().filter(|repair| !known.contains(repair)) {
                    tracing::warn!(source = %source.name, stage = "parse", "{}: {repair}", found.path);
                }
                (row.shows, row.repairs) = (shows, repairs);
                row.held = refreshed.held.iter().filter_map(|(_, moment)| *moment).min();
                read.still_held(row.held);
                read.refreshed.entries.extend(refreshed.entries);
                read.refreshed.held.extend(refreshed.held);
                read.refreshed.deleted.extend(refreshed.deleted);
            }
            Err(cause) => {
                let words = format!("{}: {}", found.path, chain(&*cause));
                read.failures.push(words.clone());
                if told.as_ref() != Some(&words) {
                    read.fresh.push(words.clone());
                }
                row.trouble = Some(words);
                // The entry that it had stays, and what it shows with it.
                (row.shows, row.repairs) = (shown, known);
            }
        }
        row
    }

    fn read_article(
        &self,
        source: &Source,
        root: &std::path::Path,
        found: &FileFound,
        now: Time,
    ) -> Result<ReadArticle, Box<dyn std::error::Error + Send + Sync>> {
        let bytes = folder::read(root, &found.path, self.settings.fetch.max_body)?;
        let options = article::Options {
            path: &found.path,
            vocabulary: &self.vocabulary,
            section_line: source.section_line,
            residue: &self.settings.residue,
            full_text: source.full_text,
            zone: self.settings.site.timezone,
            limits: &Limits::default(),
        };
        let article = article::read(&bytes, &options)?;
        let modified = DateTime::<Utc>::from(found.modified).trunc_subsecs(0).min(now);
        let file = File {
            path: &found.path,
            date: article::date_in_name(&found.path, options.zone).unwrap_or(modified),
            section: self.vocabulary.of_folder(&found.path),
            now,
        };
        let context = Context {
            source: &source.name,
            feed_url: None,
            origins: &self.settings.origins,
            tracking: &self.settings.tracking_parameters,
            file: Some(&file),
        };
        let mut repairs = article.warnings;
        repairs.extend(repairs_in_words(&article.feed));
        Ok(ReadArticle { refreshed: normalize::document(article.feed, &context), shows: article.files, repairs })
    }
}

/// One file, read.
struct ReadArticle {
    refreshed: Refreshed,
    /// Paths of the files that it shows.
    shows: Vec<String>,
    /// What was cut, mended or left out, in words.
    repairs: Vec<String>,
}

/// A folder, read.
#[derive(Default)]
struct FolderRead {
    refreshed: Refreshed,
    /// Files that were read now.
    files: Vec<FileRow>,
    vanished: Vec<String>,
    /// In words: files that could not be read as articles.
    failures: Vec<String>,
    /// Those of them that were found just now.
    fresh: Vec<String>,
    /// What was cut, mended or left out of any file, read now or before: at most [`MOST_REPAIRS`].
    repairs: Vec<String>,
    /// The next moment at which a held article comes out.
    next_held: Option<Time>,
    again: Option<Duration>,
    known: usize,
    found: usize,
}

/// So many files may go at once before somebody is asked.
const MANY: usize = 10;
/// So many repairs are told of one folder.
const MOST_REPAIRS: usize = 100;

impl FolderRead {
    fn repaired(&mut self, file: &FileRow) {
        let room = MOST_REPAIRS.saturating_sub(self.repairs.len());
        self.repairs.extend(file.repairs.iter().take(room).map(|repair| format!("{}: {repair}", file.path)));
    }

    fn still_held(&mut self, held: Option<Time>) {
        self.next_held = self.next_held.into_iter().chain(held).min();
    }

    /// Why nothing is withdrawn although files are missing; `None`: they may go. `moved`: those that are elsewhere now.
    fn missing(&self, source: &str, moved: usize, confirmed: bool) -> Option<String> {
        let gone = self.vanished.len() - moved.min(self.vanished.len());
        let emptied = self.found == 0 && self.known > 0;
        if gone == 0 || confirmed || !(emptied || (gone > MANY && gone * 10 > self.known)) {
            return None;
        }
        Some(format!(
            "{gone} of {} files are missing, which looks like a folder that was not mounted: nothing was withdrawn. Bring them back, or, if they are meant to go, run: newsdesk update --confirm-missing {source:?}",
            self.known
        ))
    }

    fn trouble(&self) -> Option<String> {
        let first = self.failures.first()?;
        Some(match self.failures.len() {
            1 => first.clone(),
            count => format!("{first} (and {} more files)", count - 1),
        })
    }
}

fn nanoseconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |nanos| -nanos),
    }
}
