//! The configuration as read -> [`Settings`]: every rule of what may stand in it, every complaint in one run.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use chrono::TimeDelta;
use chrono_tz::Tz;
use toml::de::DeTable;

use super::complaint::Complaints;
use super::file::{self, File};
use super::find::Locations;
use super::keys;
use super::rules::{self, Of, Scope};
use super::settings::*;
use super::sources::{self, Context, Sources};
use super::table::{Desk, Located, Span, Table, mask_secrets};
use super::value::{self, Wrong, nearest};
use crate::model::{OriginName, OriginNames, Section};
use crate::schedule::queue::{self, Budget};

pub(super) fn settings(file: File, locations: &Locations) -> Result<Settings, Complaints> {
    let quoted = &file.quoted;
    let (tree, syntax_errors) = DeTable::parse_recoverable(&quoted.text);
    mask_secrets(tree.get_ref(), quoted);
    let desk = Desk::new(quoted, syntax_errors);
    let root = Table::new(&desk, keys::ROOT, Some(tree.get_ref()), 0..0, String::new());
    let paths = Paths::of(&file, locations);

    let site = site(&root.table("site"));
    let zone = site.timezone;
    let section_tables = root.tables("section");
    let sections = sections(&section_tables, &root, &site);
    let names = Names::of(&sections);
    let mut reading = Reading::default();
    let mut sources = sources::read(&root, &mut Context { paths: &paths, names: &names, zone, reading: &mut reading });
    let sections = link(sections, &names, &sources, &desk);
    let scope = Scope { names: &names, sources: &sources };
    let rules = rules::read(root.tables("rule"), Of::Everything, &scope);
    let section_rules = section_tables.iter().map(|table| {
        // One without a name is refused; its rules are read for their complaints.
        let name = table.plain("name").unwrap_or_default();
        let rules = rules::read(table.tables("rules"), Of::Section(&name), &scope);
        (name, rules)
    });
    let section_rules = section_rules.collect();
    sources.read_rules(&names);

    let publish = publish(&root.table("publish"), &paths, &sources, &site);
    let fetching = root.table("fetch");
    let fetch = fetch(&fetching);
    let settings = Settings {
        server: server(&root.table("server"), locations),
        store: store(&root.table("store"), locations),
        publish,
        hosts: hosts(&root, &fetch),
        fetch,
        schedule: schedule(&root.table("schedule"), zone),
        origins: origins(&root),
        residue: residue(&root.table("articles")),
        tracking_parameters: lower(fetching.texts("tracking-parameters", value::text)),
        site,
        sections: sections.into_iter().map(Arc::new).collect(),
        sources: sources.into_settings(),
        rules,
        section_rules,
        file: file.on_disk.then(|| paths.file.clone()),
        print: reading.print(&quoted.text),
        also_read: reading.files.into_iter().collect(),
        warnings: Vec::new(),
    };
    let complaints = desk.into_complaints();
    if complaints.has_errors() {
        return Err(complaints);
    }
    Ok(Settings { warnings: complaints.0, ..settings })
}

/// `[server] admin` alone, if it can be read.
pub(super) fn admin(file: &File) -> Option<AdminAddress> {
    let (tree, _) = DeTable::parse_recoverable(&file.quoted.text);
    let server = tree.get_ref().get("server")?.get_ref().as_table()?;
    value::admin(server.get("admin")?.get_ref().as_str()?).ok()
}

/// Resolves what stands in the file.
pub(super) struct Paths<'l> {
    /// Absolute.
    file: PathBuf,
    locations: &'l Locations,
}

impl<'l> Paths<'l> {
    fn of(file: &File, locations: &'l Locations) -> Paths<'l> {
        Paths { file: absolute(&file.quoted.path), locations }
    }

    /// Relative to the file that states it. `..` leaves the folder in which that file really is.
    pub fn beside(&self, stated: &str) -> PathBuf {
        let folder = self.file.parent().unwrap_or(Path::new("/"));
        let climbs = Path::new(stated).components().any(|part| part == Component::ParentDir);
        let real = if climbs { folder.canonicalize().ok() } else { None };
        let folder = real.as_deref().unwrap_or(folder);
        let mut plain = PathBuf::new();
        for part in folder.join(stated).components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    plain.pop();
                }
                other => plain.push(other),
            }
        }
        plain
    }

    /// A systemd credential, if a file of that bare name is one.
    pub fn credential(&self, stated: &str) -> Option<PathBuf> {
        let folder = self.locations.credentials_dir.as_ref().filter(|_| !stated.contains('/') && stated != "..")?;
        Some(folder.join(stated)).filter(|path| path.is_file())
    }
}

/// What is read besides the configuration itself.
#[derive(Default)]
pub(super) struct Reading {
    files: BTreeSet<PathBuf>,
    hasher: blake3::Hasher,
}

impl Reading {
    pub fn bytes(&mut self, path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
        // One that cannot be read now is watched all the same: it may come.
        self.files.insert(path.to_path_buf());
        let bytes = file::bounded(path, limit)?;
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(&bytes);
        Ok(bytes)
    }

    /// Of all that was read, in the order of the reading.
    fn print(&self, configuration: &str) -> String {
        let mut hasher = self.hasher.clone();
        hasher.update(configuration.as_bytes());
        hasher.finalize().to_hex().to_string()
    }
}

/// The sections by every word that can mean them.
pub(super) struct Names {
    sections: BTreeSet<String>,
    /// Name, title or alias, lower-case -> name.
    words: HashMap<String, String>,
}

impl Names {
    fn of(sections: &[Stated]) -> Names {
        let names = sections.iter().map(|stated| stated.section.name.clone()).collect();
        let mut words = HashMap::new();
        for section in sections.iter().map(|stated| &stated.section) {
            for word in [&section.name, &section.title].into_iter().chain(&section.aliases) {
                words.entry(word.to_lowercase()).or_insert_with(|| section.name.clone());
            }
        }
        Names { sections: names, words }
    }

    /// The name, if there is such a section; else it is complained about.
    pub fn section(&self, stated: &Located<String>, desk: &Desk<'_>) -> Option<String> {
        if self.sections.contains(&stated.value) {
            return Some(stated.value.clone());
        }
        if !desk.is_broken() {
            let wrong = Wrong::new(format!("there is no section {:?}", stated.value));
            let names = || self.sections.iter().map(String::as_str);
            let meant = self.by_word(&stated.value).map(str::to_owned).or_else(|| nearest(&stated.value, names()));
            desk.error(
                &stated.span,
                match meant {
                    Some(meant) => wrong.meant(format!("\"{meant}\"")),
                    None if self.sections.is_empty() => {
                        wrong.next(format!("add: [[section]] with name = {:?}", stated.value))
                    }
                    None => wrong.next(format!("sections: {}", names().collect::<Vec<_>>().join(", "))),
                },
            );
        }
        None
    }

    /// By name, title or alias, in any case.
    pub fn by_word(&self, word: &str) -> Option<&str> {
        self.words.get(&word.trim().to_lowercase()).map(String::as_str)
    }

    /// The names.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(String::as_str)
    }
}

fn site(table: &Table<'_>) -> Site {
    let url = table.text("url", value::site_url).map(|found| found.value);
    if !table.has("url") {
        let reason = "[site] has no url: links in the feeds use the address that newsdesk listens on";
        let next = "add: url = \"https://news.example.org/\" under [site], the address that readers use";
        if table.is_there() {
            table.desk.warn(&table.span, Wrong::new(reason).next(next));
        } else {
            table.desk.warn_of_all(Wrong::new(reason).next(next));
        }
    }
    Site {
        title: table.text_or_default("title", value::text),
        url,
        id: table.text("id", value::text).map(|found| found.value),
        language: table.text("language", value::language).map(|found| found.value),
        icon: table.text("icon", value::public_url).map(|found| found.value),
        contact: table.text("contact", value::contact).map(|found| found.value),
        timezone: table.text_or_default("timezone", value::time_zone),
    }
}

fn server(table: &Table<'_>, locations: &Locations) -> Server {
    let socket = locations.admin_socket.as_ref().filter(|_| !table.has("admin"));
    let server = Server {
        listen: table.text_or_default("listen", value::listen),
        admin: match socket {
            Some(socket) => AdminAddress::Unix(socket.clone()),
            None => table.text_or_default("admin", value::admin),
        },
    };
    let AdminAddress::Tcp(admin) = &server.admin else { return server };
    let span = table.key_span("admin");
    if *admin == server.listen && !admin.ends_with(":0") {
        let wrong = Wrong::new("the public and the admin address are the same").meant("\"127.0.0.1:8081\"");
        table.desk.error(&span, wrong.next("what changes something must not be public"));
    } else if !is_loopback(admin) {
        let wrong = Wrong::new("others than this machine can reach the admin address").meant("\"127.0.0.1:8081\"");
        table.desk.warn(&span, wrong.next("whoever reaches it controls newsdesk"));
    }
    server
}

fn is_loopback(address: &str) -> bool {
    match address.parse::<std::net::SocketAddr>() {
        Ok(address) => address.ip().to_canonical().is_loopback(),
        Err(_) => address.rsplit_once(':').is_some_and(|(host, _)| host.eq_ignore_ascii_case("localhost")),
    }
}

fn store(table: &Table<'_>, locations: &Locations) -> StoreSettings {
    let file = table.text_or_default("url", value::store);
    StoreSettings {
        path: absolute(&locations.state_dir.join(file)),
        keep: TimeDelta::days(table.number_or_default("keep-days")),
        keep_per_source: counted(table.number_or_default("keep-per-source")),
    }
}

fn publish(table: &Table<'_>, paths: &Paths<'_>, sources: &Sources<'_>, site: &Site) -> Publish {
    let folder = table.text("folder", value::path).map(|found| paths.beside(&found.value));
    if let Some(folder) = &folder {
        mirror_is_not_read(table, folder, sources);
    }
    let hub = table.text_or_default("hub", value::hub);
    if hub == Hub::Own && site.url.is_none() {
        let wrong = Wrong::new("a hub of our own needs the public address of the site: subscribers are sent there");
        table.desk.warn(&table.key_span("hub"), wrong.next("add: url = \"https://news.example.org/\" under [site]"));
    }
    Publish { folder, hub, min_interval: table.duration_or_default("min-interval") }
}

/// A mirror inside a folder of articles would be read as articles, and grow for ever.
fn mirror_is_not_read(table: &Table<'_>, mirror: &Path, sources: &Sources<'_>) {
    for (folder, name) in sources.folders() {
        if mirror.starts_with(folder) || folder.starts_with(mirror) {
            let wrong = Wrong::new(format!("the mirror and the folder of source {name:?} lie in one another"));
            table.desk.error(
                &table.key_span("folder"),
                wrong.next("what is published would be read as articles; name two folders"),
            );
        }
    }
}

fn fetch(table: &Table<'_>) -> FetchSettings {
    let settings = FetchSettings {
        allow_networks: values(table.texts("allow-networks", value::network)),
        max_body: table.size_or_default("max-body"),
        connect_timeout: table.duration_or_default("connect-timeout"),
        first_byte_timeout: table.duration_or_default("first-byte-timeout"),
        idle_timeout: table.duration_or_default("idle-timeout"),
        total_timeout: table.duration_or_default("total-timeout"),
        host_connections: counted(table.number_or_default("host-connections")),
        host_interval: table.duration_or_default("host-interval"),
        concurrency: counted(table.number_or_default("concurrency")),
        proxy: table.text("proxy", value::url).map(|found| found.value),
    };
    if settings.proxy.is_some() {
        let wrong = Wrong::new("with a proxy, only the proxy's own address is guarded");
        table.desk.warn(&table.key_span("proxy"), wrong.next("let the proxy refuse private addresses"));
    }
    settings
}

/// `[hosts.NAME]`: the name of a bucket, as it is told from a URL.
fn hosts(root: &Table<'_>, fetch: &FetchSettings) -> HashMap<String, Budget> {
    let mut hosts = HashMap::new();
    for (key, table) in root.named("hosts") {
        let usual = fetch.budget();
        let budget = Budget {
            connections: table.number("connections").map_or(usual.connections, counted),
            interval: table.duration("interval").and_then(|i| TimeDelta::from_std(i).ok()).unwrap_or(usual.interval),
        };
        let written = key.value.trim();
        let url = url::Url::parse(&format!("http://{written}/")).ok();
        match url.as_ref().map(queue::bucket).filter(|bucket| !bucket.is_empty()) {
            Some(bucket) if bucket == written => {
                hosts.insert(bucket, budget);
            }
            Some(bucket) => {
                let wrong = Wrong::new(format!("{written:?} is not what a budget is kept for"));
                let next = "one is kept for a whole domain as it is registered, or for an IP address with its port";
                root.desk.error(&key.span, wrong.meant(format!("[hosts.\"{bucket}\"]")).next(next));
            }
            None => {
                let wrong = Wrong::new(format!("{written:?} is no host"));
                root.desk.error(&key.span, wrong.next("write [hosts.\"example.org\"]"));
            }
        }
    }
    hosts
}

fn schedule(table: &Table<'_>, zone: Tz) -> ScheduleSettings {
    let delta = |name| TimeDelta::from_std(table.duration_or_default(name)).unwrap_or(TimeDelta::MAX);
    let settings = ScheduleSettings {
        default: table.text_or_default("default", |text| value::cadence(text, zone)),
        min: delta("min"),
        max: delta("max"),
        rescan: table.text_or_default("rescan", |text| value::cron(text, zone)),
        retention: table.text_or_default("retention", |text| value::cron(text, zone)),
    };
    if settings.min > settings.max {
        let key = if table.has("max") { "max" } else { "min" };
        table.desk.error(
            &table.key_span(key),
            Wrong::new("min is longer than max").next("min and max bound the adaptive interval"),
        );
    }
    settings
}

fn residue(table: &Table<'_>) -> Vec<String> {
    lower(table.texts("residue", value::text))
}

fn origins(root: &Table<'_>) -> OriginNames {
    let mut origins = OriginNames::new();
    let mut places: HashMap<String, Span> = HashMap::new();
    for (key, table) in root.named("origins") {
        let text = |name| table.text(name, value::public_url).map(|found: Located<url::Url>| found.value.to_string());
        let (url, feed) = (text("url"), text("feed"));
        let Some(name) = table.text("name", value::text) else { continue };
        let short = key.value.trim().to_lowercase();
        if let Some(first) = places.get(&short) {
            let wrong = Wrong::new(format!("the origin {:?} stands here twice", key.value));
            root.desk.error_with(&key.span, wrong.next("capitals make no difference"), first, "the first");
        }
        places.insert(short.clone(), key.span);
        origins.insert(short, OriginName { name: name.value, url, feed });
    }
    origins
}

/// A section as far as it can be read alone.
struct Stated {
    section: Section,
    /// Where its name stands.
    span: Span,
    sources: Vec<Located<String>>,
    include: Vec<Located<String>>,
}

fn sections(tables: &[Table<'_>], root: &Table<'_>, site: &Site) -> Vec<Stated> {
    let mut read: Vec<Stated> = Vec::new();
    let mut names: HashMap<String, Span> = HashMap::new();
    let mut words: HashMap<String, (String, Span)> = HashMap::new();
    for table in tables {
        let Some(stated) = section(table, site) else { continue };
        let name = &stated.section.name;
        // On many file systems the mirrors of "News" and "news" are one folder.
        if let Some(first) = names.get(&name.to_lowercase()) {
            let wrong = Wrong::new(format!("a second section is called {name:?}"));
            root.desk.error_with(&stated.span, wrong.next("every section has a name of its own"), first, "the first");
            continue;
        }
        names.insert(name.to_lowercase(), stated.span.clone());
        let own = [name, &stated.section.title].into_iter().chain(&stated.section.aliases);
        for word in own.map(|word| word.to_lowercase()).collect::<BTreeSet<_>>() {
            if let Some((other, _)) = words.get(&word) {
                let wrong = Wrong::new(format!("{word:?} means the sections {other:?} and {name:?}"));
                root.desk.warn(&stated.span, wrong.next(format!("articles that say it go to {other:?}")));
            } else {
                words.insert(word, (name.clone(), stated.span.clone()));
            }
        }
        read.push(stated);
    }
    read
}

fn section(table: &Table<'_>, site: &Site) -> Option<Stated> {
    let name = table.text("name", value::section_name);
    let title = table.text("title", value::text).map(|found| found.value);
    let merges_copies = table.choice_or_default("duplicates") == "merge";
    let settle = table.duration("settle").and_then(|settle| TimeDelta::from_std(settle).ok()).unwrap_or_default();
    if !merges_copies && !settle.is_zero() {
        let wrong = Wrong::new("settle waits for better copies, but duplicates = \"keep\" shows them all");
        table.desk.warn(&table.key_span("settle"), wrong.next("leave one of the two out"));
    }
    let section = Section {
        name: String::new(),
        title: String::new(),
        description: table.text("description", value::text).map(|found| found.value),
        language: table.text("language", value::language).map(|found| found.value).or_else(|| site.language.clone()),
        aliases: values(table.texts("aliases", value::text)),
        sources: Vec::new(),
        categories: values(table.texts("categories", value::text)),
        include: Vec::new(),
        limit: counted(table.number_or_default("limit")),
        max_age: table.duration("max-age").and_then(|age| TimeDelta::from_std(age).ok()),
        keep: table.number("keep-days").map(TimeDelta::days),
        max_per_source: table.number("max-per-source").map(counted),
        merges_copies,
        settle,
        full_text: table.choice_or_default("content") == "full",
        attribution: table.is_set("attribution"),
    };
    let (sources, include) = (table.texts("sources", value::text), table.texts("include", value::text));
    let name = name?;
    let title = title.unwrap_or_else(|| capitalised(&name.value));
    Some(Stated { section: Section { name: name.value, title, ..section }, span: name.span, sources, include })
}

/// Resolves what sections say of sources and of each other.
fn link(stated: Vec<Stated>, names: &Names, sources: &Sources<'_>, desk: &Desk<'_>) -> Vec<Section> {
    includes_end(&stated, desk);
    let linked = stated.into_iter().map(|Stated { mut section, sources: listed, include, .. }| {
        section.sources = listed.iter().flat_map(|name| sources.resolve(name, desk)).collect();
        section.include = include.iter().filter_map(|name| names.section(name, desk)).collect();
        section
    });
    linked.collect()
}

/// No section may include itself, over however many others.
fn includes_end(stated: &[Stated], desk: &Desk<'_>) {
    let index: HashMap<&str, usize> =
        stated.iter().enumerate().map(|(at, stated)| (stated.section.name.as_str(), at)).collect();
    #[derive(Clone, Copy, PartialEq)]
    enum Seen {
        Not,
        OnTheWay,
        Done,
    }
    let mut seen = vec![Seen::Not; stated.len()];
    for start in 0..stated.len() {
        // The way from `start`: a section and how many of its includes were followed.
        let mut way: Vec<(usize, usize)> = Vec::new();
        if seen.get(start) == Some(&Seen::Not) {
            way.push((start, 0));
        }
        while let Some((at, followed)) = way.last_mut() {
            let here = *at;
            let next = stated.get(here).and_then(|stated| stated.include.get(*followed));
            *followed += 1;
            if let Some(state) = seen.get_mut(here) {
                *state = if next.is_some() { Seen::OnTheWay } else { Seen::Done };
            }
            let Some(next) = next else {
                way.pop();
                continue;
            };
            let Some(&target) = index.get(next.value.as_str()) else { continue };
            match seen.get(target) {
                Some(Seen::OnTheWay) => {
                    let from = way.iter().position(|(at, _)| *at == target).unwrap_or(0);
                    let round = way.iter().skip(from).map(|(at, _)| *at).chain([target]);
                    let round: Vec<&str> =
                        round.filter_map(|at| stated.get(at)).map(|stated| stated.section.name.as_str()).collect();
                    let wrong = Wrong::new(format!("sections include each other: {}", round.join(" > ")));
                    desk.error(&next.span, wrong.next("take this one out"));
                }
                Some(Seen::Not) => way.push((target, 0)),
                _ => {}
            }
        }
    }
}

fn capitalised(name: &str) -> String {
    let spaced = name.replace(['-', '_'], " ");
    let mut letters = spaced.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

fn values<T>(located: Vec<Located<T>>) -> Vec<T> {
    located.into_iter().map(|found| found.value).collect()
}

fn lower(located: Vec<Located<String>>) -> Vec<String> {
    located.into_iter().map(|found| found.value.to_lowercase()).collect()
}

/// The bounds of every number are within usize, and none is negative.
fn counted(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

/// Where the working directory cannot be asked, a path stays as it is.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
