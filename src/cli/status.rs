//! `newsdesk status`: how every source is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::Utc;
use clap::Args;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Failed, Place, print, print_json};
use crate::config::Settings;
use crate::config::settings::without_secrets;
use crate::daemon::rules::{self, RuleRow};
use crate::daemon::status::with_status;
use crate::daemon::{Newsdesk, control};
use crate::model::Time;
use crate::schedule::{Health, health, rhythm};
use crate::store::{Activity, PageCounts, SourceRow, Store, StoreError};
use crate::websub::subscriber::Phase;

/// How every source is: last success, last try, next poll and why
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  newsdesk status
  newsdesk status --json | jq '.sources[] | select(.failures > 0)'")]
pub struct Arguments {
    /// One JSON object on stdout
    #[arg(long)]
    json: bool,
}

/// The state of every configured source.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub sources: Vec<Row>,
    /// About the daemon as a whole: a configuration that was refused, entries left out of a feed.
    #[serde(default)]
    pub notices: Vec<String>,
    /// The store that a daemon serves; `null`: none runs.
    #[serde(default)]
    pub store: Option<PathBuf>,
    /// Every rule, with how often it matched.
    #[serde(default)]
    pub rules: Vec<RuleRow>,
}

/// The state of one source. Times in UTC.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub source: String,
    /// "well", "quiet", "waiting", "failing", "gone".
    pub mark: String,
    pub last_success: Option<Time>,
    pub last_try: Option<Time>,
    /// Of the last answer; `null`: there was none, or the source is a folder.
    #[serde(default)]
    pub http_status: Option<u16>,
    /// In words.
    pub outcome: String,
    /// Which step failed; `null` after a success.
    pub stage: Option<String>,
    pub since: Option<Time>,
    /// In a row.
    pub failures: u32,
    pub next_poll: Option<Time>,
    pub why: String,
    /// The line that the configuration should hold instead of the one it has, and why.
    #[serde(default)]
    pub advice: Option<String>,
    /// "pushed by HUB, lease until T"; `null`: it names no hub, or there is no address that one could push to.
    #[serde(default)]
    pub push: Option<String>,
    /// How far the pages behind its entries are, in words; `null`: its full texts are not asked for.
    #[serde(default)]
    pub full_text: Option<String>,
    pub entries: u64,
    pub newest: Option<Time>,
    /// It answers, but has been silent for much longer than usual: "nothing new for 12 days; its usual gap is 3 h".
    #[serde(default)]
    pub quiet: Option<String>,
    /// How often it brings something, as far as we have seen: "every 3 h". `null`: too little is known.
    #[serde(default)]
    pub rhythm: Option<String>,
    pub repairs: Vec<String>,
    /// Those of them that left something out, in words; of a folder, all of them.
    #[serde(default)]
    pub cut: Option<String>,
}

pub fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Failed> {
    let settings = place.settings()?;
    let path = &settings.store.path;
    let report = super::runtime()?.block_on(async {
        let told = control::status(&settings.server.admin).await;
        let told = told.and_then(|body| serde_json::from_str::<Report>(&body).ok());
        // The daemon of another user, as under systemd, has its store where we do not look; where there is one here, only
        // the daemon that has it open speaks for it.
        if told.as_ref().is_some_and(|told| told.store.as_deref() == Some(path)) || !super::is_there(path)? {
            return Ok::<_, Failed>(told);
        }
        Ok(Some(report(&settings, &Store::open_read_only(path)?).await?))
    })?;
    let Some(report) = report else {
        eprintln!("there is no store at {} yet: start newsdesk serve, or run newsdesk update", path.display());
        return Ok(ExitCode::from(1));
    };
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&table(&report, Utc::now()))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn report(settings: &Settings, store: &Store) -> Result<Report, StoreError> {
    // A store that no daemon of this version has opened yet has none.
    let mut pushes = store.pushes().await.unwrap_or_default();
    // Of one that is left and one that is begun, the second counts.
    pushes.sort_by_key(|(_, subscription)| subscription.phase != Phase::Leaving);
    let (rows, now) = (store.sources().await?, Utc::now());
    let mut words: BTreeMap<i64, String> =
        pushes.into_iter().map(|(source, subscription)| (source, subscription.words(now))).collect();
    // Nor has it these.
    let pages = store.page_counts().await.unwrap_or_default();
    let mut activity = store.activity(rows.iter().map(|row| row.row).collect(), now).await?;
    let sources = rows.into_iter().map(|source| {
        let (push, full_text) = (words.remove(&source.row), pages.get(&source.row).map(read_pages));
        let activity = activity.remove(&source.row).unwrap_or_default();
        Row { push, full_text, ..row(source, &activity, now) }
    });
    let sources = sources.collect();
    // A store that no daemon of this version has opened yet counts none.
    let rules = rules::report(settings, store).await.unwrap_or_default();
    Ok(Report { sources, notices: Vec::new(), store: None, rules })
}

/// What the daemon itself says.
pub async fn report_of_daemon(newsdesk: &Newsdesk) -> Result<Report, StoreError> {
    let store = Some(newsdesk.store.path().to_owned());
    Ok(Report { notices: newsdesk.notices(), store, ..report(&newsdesk.settings, &newsdesk.store).await? })
}

fn read_pages(pages: &PageCounts) -> String {
    let trouble = pages.trouble.as_ref().map(|trouble| format!("; last: {trouble}")).unwrap_or_default();
    format!("{pages}{trouble}")
}

/// A feed that was found on a web page, or that has moved, is asked where it is; the file is its owner's to change.
fn advice(row: &SourceRow) -> Option<String> {
    let configured = Url::parse(&row.place).ok()?;
    let (url, why) = row.state.poll.suggestion(&configured)?;
    Some(format!("write url = \"{}\" ({why})", without_secrets(url)))
}

fn row(row: SourceRow, activity: &Activity, now: Time) -> Row {
    let (advice, cut) = (advice(&row), row.cut());
    let state = row.state;
    let health = Health::of(state.trouble.is_some(), state.last_try.is_some(), &state.poll, &activity.moments, now);
    // In the words that scripts know: who is quiet is well, and says so beside it.
    let mark = if health == Health::Quiet { Health::Well } else { health };
    Row {
        source: row.name,
        mark: mark.word().to_owned(),
        last_success: state.last_success,
        last_try: state.last_try,
        http_status: state.http_status,
        outcome: state.outcome,
        since: state.trouble.as_ref().map(|trouble| trouble.since),
        stage: state.trouble.map(|trouble| trouble.stage),
        failures: state.poll.failures,
        next_poll: state.next_poll,
        why: state.next_reason,
        advice,
        push: None,
        full_text: None,
        entries: row.entries,
        newest: row.newest,
        quiet: (health == Health::Quiet).then(|| health::silence(&activity.moments, now)).flatten(),
        rhythm: rhythm::in_words(&state.poll.seen),
        cut,
        repairs: state.repairs,
    }
}

fn table(report: &Report, now: Time) -> String {
    let name_width = report.sources.iter().map(|row| row.source.chars().count()).max().unwrap_or(6).max(6);
    let mut text = format!(
        "{:<name_width$}  {:<7}  {:>12}  {:>11}  {:>6}  {:>9}  {:>11}  {:>11}  {:>7}  OUTCOME\n",
        "SOURCE", "IS", "LAST SUCCESS", "LAST TRY", "FAILED", "NEXT POLL", "NEWEST", "RHYTHM", "ENTRIES"
    );
    let ago = |time: Option<Time>, none: &str| match time {
        None => none.to_owned(),
        Some(time) if time > now => format!("in {}", span(time - now)),
        Some(time) => format!("{} ago", span(now - time)),
    };
    for row in &report.sources {
        let next = row.next_poll.map_or("-".to_owned(), |time| match time <= now {
            true => "now".to_owned(),
            false => format!("in {}", span(time - now)),
        });
        text.push_str(&format!(
            "{:<name_width$}  {:<7}  {:>12}  {:>11}  {:>6}  {next:>9}  {:>11}  {:>11}  {:>7}  {}\n",
            row.source,
            if row.quiet.is_some() { "quiet" } else { &row.mark },
            ago(row.last_success, "never"),
            ago(row.last_try, "never"),
            row.failures,
            ago(row.newest, "-"),
            row.rhythm.as_deref().unwrap_or("-"),
            row.entries,
            outcome(row)
        ));
    }
    let failing = report.sources.iter().filter(|row| row.stage.is_some()).count();
    text.push_str(&format!("{} sources, {failing} failing\n", report.sources.len()));
    let idle = rules::never_matched(&report.rules);
    if !idle.is_empty() {
        text.push_str(&format!("never matched: {}\n", idle.join(", ")));
    }
    for notice in &report.notices {
        text.push_str(&format!("! {notice}\n"));
    }
    text
}

/// What the last try brought, with its status; what is silent, when the next one is and why, and what to change.
fn outcome(row: &Row) -> String {
    let stage = row.stage.as_ref().map(|stage| format!("{stage}: ")).unwrap_or_default();
    let outcome = with_status(row.http_status, row.outcome.clone());
    let why = Some(&row.why).filter(|why| !why.is_empty()).map(|why| format!("next: {why}"));
    // The reason of a next poll that is rare says it, too.
    let push = row.push.clone().filter(|push| !row.why.contains(push));
    let further = [row.quiet.clone(), row.cut.clone(), why, push, row.advice.clone(), row.full_text.clone()]
        .into_iter()
        .flatten();
    further.fold(format!("{stage}{outcome}"), |told, more| format!("{told}; {more}"))
}

fn span(span: chrono::TimeDelta) -> String {
    let seconds = span.num_seconds().max(0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Poll;
    use crate::store::{SourceState, Trouble};
    use chrono::TimeDelta;

    fn now() -> Time {
        "2026-03-02T12:00:00Z".parse().unwrap()
    }

    /// A source that is asked every hour, whose latest entries came out every hour until so many hours ago.
    fn source(name: &str, silent: i64, state: SourceState) -> Row {
        let moments: Vec<Time> = (0..10).rev().map(|n| now() - TimeDelta::hours(silent + n)).collect();
        let poll = Poll { seen: moments.clone(), ..state.poll };
        let state = SourceState {
            last_try: Some(now() - TimeDelta::minutes(5)),
            last_success: state.last_success.or(Some(now() - TimeDelta::minutes(5))),
            next_poll: Some(now() + TimeDelta::minutes(25)),
            next_reason: "in 30 min: half of the usual gap of 1 h".to_owned(),
            poll,
            ..state
        };
        let place = "https://example.org/feed".to_owned();
        let newest = moments.last().copied();
        let activity = Activity { moments, ..Activity::default() };
        row(
            SourceRow { row: 1, name: name.to_owned(), place, origin: None, state, entries: 10, newest },
            &activity,
            now(),
        )
    }

    #[test]
    fn every_source_says_what_its_owner_needs() {
        let well = SourceState { http_status: Some(200), outcome: "3 new".to_owned(), ..SourceState::default() };
        let unchanged =
            SourceState { http_status: Some(304), outcome: "304 not modified".to_owned(), ..SourceState::default() };
        let since = now() - TimeDelta::days(3);
        let cause = "https://example.org/feed: 404 Not Found: there is nothing there; check the address".to_owned();
        let broken = SourceState {
            http_status: Some(404),
            outcome: cause.clone(),
            trouble: Some(Trouble { stage: "fetch".to_owned(), cause, since }),
            last_success: Some(since),
            poll: Poll { failures: 7, ..Poll::default() },
            ..SourceState::default()
        };
        let sources = vec![source("wires", 1, well), source("blog", 24 * 9, unchanged), source("broken", 1, broken)];
        let told = table(&Report { sources, notices: Vec::new(), store: None, rules: Vec::new() }, now());
        let expected = [
            "SOURCE  IS       LAST SUCCESS     LAST TRY  FAILED  NEXT POLL       NEWEST       RHYTHM  ENTRIES  OUTCOME",
            "wires   well        5 min ago    5 min ago       0  in 25 min   60 min ago    every 1 h       10  \
             200, 3 new; next: in 30 min: half of the usual gap of 1 h",
            "blog    quiet       5 min ago    5 min ago       0  in 25 min   9 days ago    every 1 h       10  \
             304 not modified; nothing new for 9 days; its usual gap is 1 h; next: in 30 min: half of the usual gap of 1 h",
            "broken  failing    3 days ago    5 min ago       7  in 25 min   60 min ago    every 1 h       10  \
             fetch: https://example.org/feed: 404 Not Found: there is nothing there; check the address; \
             next: in 30 min: half of the usual gap of 1 h",
            "3 sources, 1 failing",
        ];
        assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    }
}
