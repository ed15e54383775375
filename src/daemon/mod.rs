//! Daemon: the shell. One loop over events; `refresh` and `publish` in the order of the flow.
//!
//! It does I/O and decides nothing: when a source is due says `schedule`, what changed says `changes`, where an entry
//! stands says `sections`, what a feed looks like say `merge` and `render`.

mod archives;
mod clock;
pub mod control;
mod days;
mod dirty;
pub mod explain;
mod full_text;
pub mod health;
mod hub;
mod material;
pub mod memory;
mod mirrored;
mod numbers;
mod pages;
pub mod plan;
mod polls;
mod publication;
mod push;
mod pushed;
mod refresh;
pub mod reload;
mod rendered;
mod retire;
pub mod rules;
mod run;
pub mod search;
pub mod status;
mod stories;
pub mod withdraw;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clock::now;
use url::Url;

use crate::config::Settings;
use crate::config::settings::{Hub, Place, Source};
use crate::fetch::http::{Door, DoorError};
use crate::merge;
use crate::model::{Section, Stated, Time};
use crate::parse::plain::Vocabulary;
use crate::publish::{self, Live};
use crate::schedule::{Bounds, Cadence, Failure, Outage, Poll};
use crate::sections::{Placer, SourceRules};
use crate::store::{Packed, SectionRow, SourceState, Store, StoreError};

pub use refresh::{RefreshError, Stage};
pub use run::{Events, Progress, Serving, run, update};

/// A running newsdesk: configuration, store and door, and what is live. A clone is cheap.
#[derive(Clone)]
pub struct Newsdesk {
    shared: Arc<Shared>,
}

/// What outlives a configuration: a reload makes a new [`Shared`] around it.
pub struct Kept {
    pub store: Store,
    pub live: Arc<Live>,
    /// Clients are going to ask for compressed bytes.
    serving: AtomicBool,
    outage: Mutex<Outage>,
    /// What the gate had to say at the last publication, by path.
    notices: Mutex<BTreeMap<String, Vec<String>>>,
    /// Sections out of which retention took something.
    stale: Mutex<BTreeSet<String>>,
    /// One pass over the mirror at a time, across reloads: what an old configuration writes, the new one writes over.
    mirror_turn: tokio::sync::Semaphore,
    /// Something of it could not be written: the next publication writes all of it again.
    mirror_is_behind: AtomicBool,
    /// What stands in the file and not in force.
    standing: Mutex<reload::Standing>,
    /// The way to our own hub.
    hub: hub::Hub,
    pub health: health::Health,
    pub numbers: numbers::Numbers,
    /// Our subscriptions at other hubs.
    pushes: push::Pushes,
}

/// What one configuration makes of it; see [`Newsdesk`].
pub struct Shared {
    kept: Arc<Kept>,
    pub settings: Arc<Settings>,
    pub site: merge::Site,
    /// Path of the site's base, with a slash at both ends.
    pub base_path: String,
    sources: BTreeMap<String, Arc<Source>>,
    rows: BTreeMap<String, i64>,
    /// Sources that are not alone on their host: a connection is worth keeping for the next.
    shared_hosts: BTreeSet<String>,
    /// The site itself, with the empty name, first.
    sections: Vec<(SectionRow, Arc<Section>)>,
    door: Door,
    placer: Placer,
    vocabulary: Vocabulary,
    /// Changes when the same bytes of an article are read in another way; of a feed.
    reading: String,
    feed_reading: String,
    /// Of what has no line of its own: made once, since every poll writes it down.
    adaptive_print: u64,
    /// Rendered entries of every feed, from one publication to the next.
    rendered: rendered::Shelves,
    archives: archives::Shelves,
    status: status::StatusPages,
}

impl Deref for Newsdesk {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl Deref for Shared {
    type Target = Kept;

    fn deref(&self) -> &Kept {
        &self.kept
    }
}

/// Why a newsdesk does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Door(#[from] DoorError),
    #[error("the sockets that the service manager hands over cannot be used; see the socket unit")]
    Given {
        #[source]
        cause: std::io::Error,
    },
    #[error("cannot listen on {address}{}", .hint)]
    Listen {
        address: String,
        hint: &'static str,
        #[source]
        cause: std::io::Error,
    },
}

impl Newsdesk {
    /// Open the store, bring it in line with the configuration, and load what was published last.
    pub async fn open(settings: Settings) -> Result<Newsdesk, StartError> {
        // To read a configuration takes several times what is left of it.
        memory::give_back();
        let door = Door::new(&settings.fetch, settings.site.contact.as_deref())?;
        let store = Store::open(&settings.store.path)?;
        let site_url = settings.site.url.as_ref().map(Url::to_string);
        store.initialise(settings.site.id.clone().or(site_url)).await?;
        let kept = Kept {
            store,
            mirror_turn: tokio::sync::Semaphore::new(1),
            mirror_is_behind: AtomicBool::new(false),
            live: Arc::new(Live::default()),
            serving: AtomicBool::new(false),
            outage: Mutex::new(Outage::default()),
            notices: Mutex::new(BTreeMap::new()),
            stale: Mutex::default(),
            standing: Mutex::new(reload::Standing::default()),
            hub: hub::Hub::default(),
            health: health::Health::default(),
            numbers: numbers::Numbers::new(now()),
            pushes: push::Pushes::default(),
        };
        let newsdesk = Newsdesk::around(Arc::new(kept), settings, door).await?;
        newsdesk.load_revisions().await?;
        newsdesk.load_pushes().await?;
        newsdesk.place_again(false).await?;
        newsdesk.store.find_stories().await?;
        Ok(newsdesk)
    }

    /// Bring the store's rows in line with these settings, and put them to work.
    async fn around(kept: Arc<Kept>, settings: Settings, door: Door) -> Result<Newsdesk, StoreError> {
        let places = settings.sources.iter().map(|source| (source.name.clone(), place(source))).collect();
        let rows = kept.store.sync_sources(places).await?;
        let names = settings.sections.iter().map(|section| section.name.clone()).collect();
        let section_rows = kept.store.sync_sections(names, now()).await?;
        let newsdesk = Newsdesk::assemble(kept, settings, door, rows, section_rows);
        newsdesk.sync_manners().await?;
        Ok(newsdesk)
    }

    fn assemble(
        kept: Arc<Kept>,
        settings: Settings,
        door: Door,
        rows: Vec<i64>,
        section_rows: Vec<SectionRow>,
    ) -> Newsdesk {
        let base = base(&settings);
        let icon = settings.site.icon.as_ref().map_or_else(|| format!("{base}icon.png"), Url::to_string);
        let site_section = Arc::new(site_section(&settings));
        let sections = std::iter::once(site_section).chain(settings.sections.iter().cloned());
        let shared = Shared {
            kept,
            door,
            base_path: base.path().to_owned(),
            site: merge::Site {
                base: base.to_string(),
                hubs: hubs(&settings, &base),
                ttl_minutes: 15,
                language: settings.site.language.clone(),
                icon,
            },
            rows: settings.sources.iter().map(|source| source.name.clone()).zip(rows).collect(),
            shared_hosts: shared_hosts(&settings),
            sources: settings.sources.iter().map(|source| (source.name.clone(), source.clone())).collect(),
            sections: section_rows.into_iter().zip(sections).collect(),
            placer: placer(&settings),
            vocabulary: Vocabulary::new(&settings.sections),
            reading: Newsdesk::reading_print(&settings),
            feed_reading: Newsdesk::feed_reading_print(&settings),
            rendered: rendered::Shelves::default(),
            archives: archives::Shelves::default(),
            adaptive_print: Cadence::Adaptive.print(Bounds { min: settings.schedule.min, max: settings.schedule.max }),
            status: status::StatusPages::default(),
            settings: Arc::new(settings),
        };
        Newsdesk { shared: Arc::new(shared) }
    }

    /// What the last run left of its publications. From now on something may lack.
    async fn last_run(&self) -> Result<LastRun, StoreError> {
        let known = self.store.meta(PUBLISHED).await?.unwrap_or_default();
        let print = self.publication_print();
        let last = match known.strip_prefix(CUT) {
            None if known == print => LastRun::Whole,
            Some(known) if known == print => LastRun::Cut,
            _ => LastRun::Other,
        };
        if last == LastRun::Other {
            self.store.set_meta(PUBLISHED, String::new()).await?;
        } else {
            self.mark_mostly_published().await?;
        }
        Ok(last)
    }

    /// Everything that there is was published with this configuration and program; what comes from now on may lack.
    async fn mark_mostly_published(&self) -> Result<(), StoreError> {
        self.store.set_meta(PUBLISHED, format!("{CUT}{}", self.publication_print())).await
    }

    async fn mark_all_published(&self) -> Result<(), StoreError> {
        self.store.set_meta(PUBLISHED, self.publication_print()).await
    }

    fn publication_print(&self) -> String {
        // The base apart: an address that a reload could not change is another one after the next start.
        format!("{} {} {}", env!("CARGO_PKG_VERSION"), self.settings.print, self.site.base)
    }

    async fn load_revisions(&self) -> Result<(), StoreError> {
        let stored = self.store.revisions().await?;
        self.live.note_made(self.store.made().await?);
        let revived = work::blocking(move || {
            stored
                .into_iter()
                .map(|stored| (stored.path.clone(), Arc::new(publish::revive(stored))))
                .collect::<Vec<_>>()
        })
        .await;
        self.live.put(revived);
        Ok(())
    }

    /// From now on every revision is compressed before it goes live, and those that are live already now.
    async fn prepare_to_serve(&self) -> Result<(), StoreError> {
        self.serving.store(true, Ordering::Release);
        let live = self.live.clone();
        let (damaged, packed) = work::blocking(move || {
            let live = live.paths().into_iter().filter_map(|path| Some((path.clone(), live.get(&path)?)));
            let (sound, damaged): (Vec<_>, Vec<_>) = live.partition(|(_, revision)| revision.is_sound());
            let packed: Vec<_> = sound.into_iter().filter(|(_, revision)| revision.prepare()).collect();
            (damaged.into_iter().map(|(path, _)| path).collect::<Vec<_>>(), packed)
        })
        .await;
        if !damaged.is_empty() {
            let paths: Vec<String> = damaged.iter().map(|path| format!("/{path}")).collect();
            tracing::error!(stage = "store", "damaged in the store, and made anew: {}", paths.join(", "));
            self.live.remove(&damaged);
            self.store.remove_revisions(damaged).await?;
        }
        let packed = packed.into_iter().map(|(path, revision)| Packed {
            path,
            etag: revision.etag.clone(),
            gzip: revision.gzip().cloned(),
            brotli: revision.brotli().cloned(),
        });
        self.store.put_packed(packed.collect()).await
    }

    /// Hand back to the system what the last work took, and keep what rests packed.
    pub async fn give_back(self) {
        self.store.give_back().await;
        work::blocking(move || {
            self.rendered.rest_all(&self.live);
            memory::give_back();
        })
        .await;
    }

    /// Where a changed configuration places entries otherwise, every stored entry is placed anew; or in any case.
    async fn place_again(&self, anew: bool) -> Result<(), StoreError> {
        self.keep_pages().await?;
        let print = self.placement_print();
        let known = self.store.meta("placement").await?;
        if !anew && known.as_deref() == Some(&*print) {
            return Ok(());
        }
        if known.is_some() {
            tracing::info!(stage = "store", "the configuration places entries otherwise: each is looked at once");
        }
        let mut after = 0;
        let mut hits = BTreeMap::new();
        loop {
            let newsdesk = self.clone();
            let place = move |source: &str, stated: &Stated, first_seen: Time, hits: &mut BTreeMap<String, u64>| {
                let placement = newsdesk.placer.placed(source, stated, first_seen);
                rules::count(hits, placement.hits);
                placement.sections
            };
            let Some((last, of_batch)) = self.store.replace_members(after, place).await? else { break };
            after = last;
            for (rule, count) in of_batch {
                *hits.entry(rule).or_default() += count;
            }
        }
        self.store.choose_again().await?;
        self.store.replace_hits(hits, now()).await?;
        self.store.set_meta("placement", print).await
    }

    /// A source by its name.
    pub fn source(&self, name: &str) -> Option<&Arc<Source>> {
        self.sources.get(name)
    }

    /// What is kept about the polls of these sources, in their order. Of many it takes much room.
    fn states_of<'a>(
        &self,
        sources: impl IntoIterator<Item = &'a Arc<Source>>,
    ) -> Result<Vec<SourceState>, StoreError> {
        let rows: Vec<i64> = sources.into_iter().map(|source| self.row(&source.name)).collect();
        self.store.states_of(&rows)
    }

    fn row(&self, name: &str) -> i64 {
        // Every configured source was given a row when the store was opened; 0 is nobody's.
        self.rows.get(name).copied().unwrap_or_default()
    }

    /// Note how a host answered; is what fails our own line?
    fn outage_is_ours(&self, source: &Source, failure: Option<Failure>, poll: &Poll, now: Time) -> bool {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        outage.note(source.bucket.clone(), failure, poll.proven(), now);
        failure.is_some_and(|failure| outage.freezes(poll, failure, now))
    }
}

/// What the documents that stand in the store are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastRun {
    /// All that is stored, by this configuration and program.
    Whole,
    /// The same but for the last changes: that run was killed.
    Cut,
    /// Something else.
    Other,
}

/// What is kept about so many sources is in memory together at most: that of one takes 2 KB.
const STATES_AT_ONCE: usize = 256;

/// Where the store says by which configuration and program its documents were published; with [`CUT`] in front, that not
/// all that is stored may be among it.
const PUBLISHED: &str = "all-published";
const CUT: &str = "cut ";

/// What knows where every entry belongs.
pub fn placer(settings: &Settings) -> Placer {
    let rules = |source: &Arc<Source>| SourceRules { sections: source.sections.clone(), rules: source.rules.clone() };
    let by_source = settings.sources.iter().map(|source| (source.name.clone(), rules(source))).collect();
    Placer::new(&settings.sections, &settings.rules, by_source).with_section_rules(&settings.section_rules)
}

/// The address or folder under which a source is known again when its name changes.
fn place(source: &Source) -> String {
    match &source.place {
        Place::Feed(url) => url.to_string(),
        Place::Folder(path) => path.display().to_string(),
    }
}

fn shared_hosts(settings: &Settings) -> BTreeSet<String> {
    let mut hosts: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for source in &settings.sources {
        if let Place::Feed(url) = &source.place {
            // Names of one domain share a budget, but no connection.
            hosts.entry(url.origin().ascii_serialization()).or_default().push(&source.name);
        }
    }
    hosts.into_values().filter(|names| names.len() > 1).flatten().map(str::to_owned).collect()
}

/// The hub that the documents name.
fn hubs(settings: &Settings, base: &Url) -> Vec<String> {
    match &settings.publish.hub {
        Hub::None => Vec::new(),
        Hub::Own => vec![format!("{base}hub")],
        Hub::At(url) => vec![url.to_string()],
    }
}

/// Base of every link: `[site] url`, else the listen address, or this machine where that is every address.
fn base(settings: &Settings) -> Url {
    let every = settings.server.listen.parse::<SocketAddr>().ok().filter(|address| address.ip().is_unspecified());
    let host = every.map_or(settings.server.listen.clone(), |address| format!("localhost:{}", address.port()));
    let listen = || Url::parse(&format!("http://{host}/")).ok();
    #[expect(clippy::expect_used, reason = "a constant")]
    let fallback = || Url::parse("http://127.0.0.1:8080/").expect("a constant that parses");
    settings.site.url.clone().or_else(listen).unwrap_or_else(fallback)
}

/// The site as a whole, as a section of everything.
fn site_section(settings: &Settings) -> Section {
    Section {
        name: String::new(),
        title: settings.site.title.clone(),
        description: None,
        language: settings.site.language.clone(),
        aliases: Vec::new(),
        sources: Vec::new(),
        categories: Vec::new(),
        include: Vec::new(),
        limit: 50,
        max_age: None,
        keep: None,
        max_per_source: None,
        merges_copies: true,
        settle: chrono::TimeDelta::zero(),
        full_text: true,
        attribution: false,
    }
}

/// An error with its causes in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        // Some libraries repeat their cause in their own words.
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = next.source();
    }
    text
}
