//! Every key of `newsdesk.toml`, once: its kind, its default as it would be written, and what it is for.
//!
//! The reader refuses what is not here and takes its defaults from here; the JSON Schema is made of it; a test holds
//! the example file against it.

/// One key of one table.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// As it would be written; `None`: the key may be absent and then nothing stands in its place.
    pub default: Option<&'static str>,
    /// One line in plain words.
    pub doc: &'static str,
    pub required: bool,
}

/// What may stand behind a key.
#[derive(Debug)]
pub enum Kind {
    /// One line of text, not blank.
    Text,
    Flag,
    /// A whole number between the two.
    Number(i64, i64),
    /// http or https.
    Url,
    /// Relative to the file that states it.
    Path,
    /// "500ms", "10s", "15m", "24h", "30d", "1h30m"; between two numbers of seconds.
    Duration(u64, u64),
    /// "16 MiB"; between two numbers of bytes.
    Size(u64, u64),
    /// Five fields as crontab(5) reads them, or six with seconds.
    Cron,
    /// A cron line, or "adaptive".
    Cadence,
    /// Name in the IANA time zone database.
    TimeZone,
    /// BCP 47 tag.
    Language,
    /// Mail address or URL.
    Contact,
    /// `host:port`.
    Listen,
    /// `host:port` or `unix:PATH`.
    Admin,
    /// `sqlite:FILE`.
    Store,
    /// "own", "none" or a URL.
    Hub,
    /// Address or network, with or without a port.
    Network,
    /// Letters, digits, `-` and `_`: a segment of a URL.
    SectionName,
    /// A name that is no path.
    SourceName,
    /// A regular expression.
    Regex,
    /// What stands in the place of a match; may be empty.
    Replacement,
    Choice(&'static [&'static str]),
    List(&'static Kind),
    /// Header fields: a text, or `{ file = "..." }`.
    Headers,
    /// A text that must be equal, or a table of `TEST`.
    Test,
    /// A table of `CONDITION`; in a list, several.
    Condition,
    Conditions,
    /// A table of `ACTION`, or a list of such.
    Actions,
    /// One `[table]`.
    Table(&'static [Key]),
    /// `[table.NAME]`, any number.
    Named(&'static [Key]),
    /// `[[table]]`, any number.
    Tables(&'static [Key]),
}

const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, default: None, doc, required: false }
}

impl Key {
    const fn or(mut self, default: &'static str) -> Key {
        self.default = Some(default);
        self
    }

    const fn required(mut self) -> Key {
        self.required = true;
        self
    }
}

const DAY: u64 = 86_400;
const YEAR: u64 = 365 * DAY;
const MIB: u64 = 1 << 20;

/// The file as a whole.
pub const ROOT: &[Key] = &[
    key("site", Kind::Table(SITE), "The site as a whole."),
    key("server", Kind::Table(SERVER), "Where newsdesk listens."),
    key("store", Kind::Table(STORE), "Where entries are kept, and for how long."),
    key("publish", Kind::Table(PUBLISH), "What happens to the finished feeds besides being served."),
    key("fetch", Kind::Table(FETCH), "How other people's servers are asked."),
    key("hosts", Kind::Named(HOST), "What single domains may be asked; for all others [fetch] says it."),
    key("schedule", Kind::Table(SCHEDULE), "When sources are asked."),
    key("articles", Kind::Table(ARTICLES), "How local articles are read."),
    key("origins", Kind::Named(ORIGIN), "Publishers by the short name under which articles credit them."),
    key("section", Kind::Tables(SECTION), "A named stream with feeds and a page of its own."),
    key(
        "source",
        Kind::Tables(SOURCE),
        "Something that is read: a feed, a folder of articles or an OPML list of feeds.",
    ),
    key("rule", Kind::Tables(RULE), "A condition on entries and what is done with those that meet it."),
];

pub const SITE: &[Key] = &[
    key("title", Kind::Text, "Title of the whole site.").or(r#""newsdesk""#),
    key("url", Kind::Url, "Public address, the base of every link; without it links use the listen address."),
    key("id", Kind::Text, "Seed of ids that must survive a change of the url, chosen once."),
    key("language", Kind::Language, "Language of the site, and of sections that state none (BCP 47)."),
    key(
        "icon",
        Kind::Url,
        "Picture that feeds show beside their name: PNG or JPEG, at most 144 pixels wide; absent: newsdesk's own.",
    ),
    key("contact", Kind::Contact, "Mail address or URL by which a publisher can reach you; sent with every request."),
    key(
        "timezone",
        Kind::TimeZone,
        "Time zone of cron lines, of the times on pages, and of dates in your articles that state none.",
    )
    .or(r#""UTC""#),
];

pub const SERVER: &[Key] = &[
    key("listen", Kind::Listen, "Public address: feeds and pages.").or(r#""127.0.0.1:8080""#),
    key("admin", Kind::Admin, "Address for what changes something; loopback, or unix:PATH. Under systemd it is unix:/run/newsdesk/admin.sock.")
        .or(r#""127.0.0.1:8081""#),
];

pub const STORE: &[Key] = &[
    key("url", Kind::Store, "SQLite file; a relative path lies in the state directory.").or(r#""sqlite:newsdesk.db""#),
    key("keep-days", Kind::Number(1, 36_500), "Entries older than this many days leave the store.").or("365"),
    key("keep-per-source", Kind::Number(1, 1_000_000), "Entries kept of one source; the oldest leave first.")
        .or("10000"),
];

pub const PUBLISH: &[Key] = &[
    key("folder", Kind::Path, "Folder that mirrors what is published, for any web server; absent: none."),
    key("hub", Kind::Hub, "WebSub hub that the feeds name: \"own\", \"none\", or the URL of one that is pinged.")
        .or(r#""none""#),
    key("min-interval", Kind::Duration(0, 3600), "Least time between two publications that remote feeds cause.")
        .or(r#""10s""#),
];

pub const FETCH: &[Key] = &[
    key(
        "allow-networks",
        Kind::List(&Kind::Network),
        "Private addresses that may be asked all the same, by us and on behalf of whoever subscribes at a hub of ours.",
    )
    .or("[]"),
    key("max-body", Kind::Size(1024, 1024 * MIB), "Largest document, decompressed.").or(r#""16 MiB""#),
    key("connect-timeout", Kind::Duration(1, 600), "Until a connection stands.").or(r#""5s""#),
    key("first-byte-timeout", Kind::Duration(1, 600), "Until an answer begins.").or(r#""15s""#),
    key("idle-timeout", Kind::Duration(1, 600), "Between two pieces of an answer.").or(r#""10s""#),
    key("total-timeout", Kind::Duration(1, 3600), "For a whole answer; anew for each host that redirects lead to.")
        .or(r#""30s""#),
    key("host-connections", Kind::Number(1, 64), "Connections to one domain at once.").or("2"),
    key("host-interval", Kind::Duration(0, 3600), "Least time between two requests to one domain.").or(r#""1s""#),
    key("concurrency", Kind::Number(1, 1024), "Requests at once in all.").or("64"),
    key("proxy", Kind::Url, "Proxy for all requests; the environment's is never used."),
    key(
        "tracking-parameters",
        Kind::List(&Kind::Text),
        "Query parameters that leave links, besides utm_* and the like.",
    )
    .or("[]"),
];

/// `[hosts."example.org"]`
pub const HOST: &[Key] = &[
    key("connections", Kind::Number(1, 64), "Connections to it at once; absent: host-connections of [fetch]."),
    key("interval", Kind::Duration(0, DAY), "Least time between two requests to it; absent: host-interval of [fetch]."),
];

pub const SCHEDULE: &[Key] = &[
    key("default", Kind::Cadence, "For sources that state none: \"adaptive\", or a cron line.").or(r#""adaptive""#),
    key("min", Kind::Duration(60, 30 * DAY), "Shortest adaptive interval.").or(r#""15m""#),
    key("max", Kind::Duration(60, 30 * DAY), "Longest adaptive interval.").or(r#""24h""#),
    key("rescan", Kind::Cron, "When folders are read again although nothing was seen to change.")
        .or(r#""*/10 * * * *""#),
    key("retention", Kind::Cron, "When old entries leave the store.").or(r#""30 3 * * *""#),
];

pub const ARTICLES: &[Key] =
    &[key("residue", Kind::List(&Kind::Text), "Further lines of web forms that plain-text articles drop.").or("[]")];

pub const ORIGIN: &[Key] = &[
    key("name", Kind::Text, "Full name.").required(),
    key("url", Kind::Url, "Home page."),
    key("feed", Kind::Url, "Its feed."),
];

/// Section names that are taken by other pages (DESIGN.md, section 4).
pub const RESERVED_SECTIONS: &[&str] = &[
    "articles", "entries", "sources", "status", "hub", "websub", "archive", "healthz", "readyz", "metrics", "assets",
    "sections",
];

pub const SECTION: &[Key] = &[
    key("name", Kind::SectionName, "Its address: /NAME/.").required(),
    key("title", Kind::Text, "For people; absent: the name with a capital letter."),
    key("description", Kind::Text, "One sentence about it."),
    key("language", Kind::Language, "Absent: the site's."),
    key("aliases", Kind::List(&Kind::Text), "Further words by which articles may name it.").or("[]"),
    key("sources", Kind::List(&Kind::Text), "Sources whose every entry belongs here.").or("[]"),
    key("categories", Kind::List(&Kind::Text), "Categories whose entries belong here.").or("[]"),
    key("include", Kind::List(&Kind::Text), "Other sections whose entries belong here too.").or("[]"),
    key("limit", Kind::Number(1, 1000), "Entries in the feed.").or("50"),
    key("max-age", Kind::Duration(3600, 100 * YEAR), "Older entries leave the feed; absent: no limit."),
    key("max-per-source", Kind::Number(1, 1000), "Entries of one source in the feed; absent: no limit."),
    key(
        "keep-days",
        Kind::Number(1, 36_500),
        "Entries older than this many days leave its feed, archive and days; absent: as long as the store keeps them.",
    ),
    key("duplicates", Kind::Choice(&["merge", "keep"]), "One story from several sources: one entry, or one for each.")
        .or(r#""merge""#),
    key("settle", Kind::Duration(0, DAY), "How long a story waits for better copies of itself.").or(r#""0s""#),
    key("content", Kind::Choice(&["full", "summary"]), "Whole texts, or summaries only.").or(r#""full""#),
    key("attribution", Kind::Flag, "Begin each text with \"From NAME\": many readers hide the source.").or("false"),
    key(
        "rules",
        Kind::Tables(RULE),
        "Rules for what stands in it, asked after all others; their drop takes it out of here.",
    ),
];

pub const SOURCE: &[Key] = &[
    key("name", Kind::SourceName, "Shown wherever the source is; unique.").required(),
    key("url", Kind::Url, "Address of a feed, or of a page that names one."),
    key("folder", Kind::Path, "Folder of articles, read with its sub-folders and watched."),
    key("opml", Kind::Path, "OPML file: each outline is a source, its folders name sections."),
    key("sections", Kind::List(&Kind::Text), "Sections of its every entry.").or("[]"),
    key("priority", Kind::Number(-1000, 1000), "The smaller, the more it is preferred among copies.").or("0"),
    key("schedule", Kind::Cadence, "Absent: the default of [schedule]."),
    key("headers", Kind::Headers, "Header fields sent to it; a value may come from { file = \"...\" }."),
    key("username", Kind::Text, "For servers that ask for a password."),
    key("password-file", Kind::Path, "File with the password; a name without a slash may be a systemd credential."),
    key("token-file", Kind::Path, "File with a bearer token, for servers that ask for one; or a systemd credential."),
    key("full-text", Kind::Flag, "Take the text from the pages that new entries link to, where it is longer.")
        .or("false"),
    key("section-line", Kind::Choice(&["auto", "always", "never"]), "Does the first line of an article name sections?")
        .or(r#""auto""#),
    key("private", Kind::Flag, "Appears in public by name only.").or("false"),
    key("publish", Kind::Flag, "Publish it on its own too, under /sources/NAME/.").or("false"),
    key("rules", Kind::Tables(RULE), "Rules for its entries alone."),
];

pub const RULE: &[Key] = &[
    key("when", Kind::Condition, "Conditions; all of a table's must hold.").required(),
    key("then", Kind::Actions, "What is done, in order.").required(),
];

pub const CONDITION: &[Key] = &[
    key("all", Kind::Conditions, "Every one holds."),
    key("any", Kind::Conditions, "At least one holds."),
    key("not", Kind::Condition, "It does not hold."),
    key("title", Kind::Test, "The title."),
    key("content", Kind::Test, "Text and summary, without markup."),
    key("author", Kind::Test, "One of the authors."),
    key("category", Kind::Test, "One of the categories."),
    key("link", Kind::Test, "The address of the page."),
    key("language", Kind::Test, "The language tag."),
    key("source", Kind::Test, "The name of the source."),
    key("age", Kind::Table(AGE), "How old it is."),
    key("has-enclosure", Kind::Flag, "Does a file come with it?"),
];

pub const AGE: &[Key] =
    &[key("older-than", Kind::Duration(60, 100 * YEAR), "Since it was published, as \"30d\".").required()];

/// One of them.
pub const TEST: &[Key] = &[
    key("equals", Kind::Text, "The whole, in any case."),
    key("contains", Kind::Text, "Somewhere in it, in any case."),
    key("matches", Kind::Regex, "A regular expression; (?i) disregards case."),
];

pub const ACTION: &[Key] = &[
    key("drop", Kind::Flag, "In no section at all."),
    key("add-section", Kind::Text, "Put it into a section."),
    key("remove-section", Kind::Text, "Keep it out of a section."),
    key("add-category", Kind::Text, "Give it a category: sections that list it take the entry."),
    key("set-title", Kind::Table(SET_TITLE), "Replace in its title."),
    key("stop", Kind::Flag, "Ask no later rule."),
];

pub const SET_TITLE: &[Key] = &[
    key("matches", Kind::Regex, "A regular expression.").required(),
    key("with", Kind::Replacement, "What stands in its place; $1 is the first group.").required(),
];

/// `headers = { NAME = { file = "..." } }`
pub const HEADER: &[Key] = &[key("file", Kind::Path, "File with the value.").required()];
