-- What must never change once chosen stands in this file: published ids, feed ids, slugs, effective dates, revisions.
-- Times are seconds since 1970 in UTC.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE source (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    -- url or folder: under a new name it is the same source
    place   TEXT NOT NULL UNIQUE,
    -- published id of its feed, chosen at the first successful refresh
    feed_id TEXT UNIQUE,
    -- 0: no longer configured; its entries are kept, and shown nowhere
    active  INTEGER NOT NULL DEFAULT 1,
    -- JSON: model::Origin
    origin  TEXT,
    -- JSON: store::SourceState
    state   TEXT NOT NULL DEFAULT '{}'
);

CREATE TABLE entry (
    id           INTEGER PRIMARY KEY,
    source       INTEGER NOT NULL REFERENCES source (id),
    -- hash of the key by which the source's next document names it
    key          BLOB NOT NULL,
    -- that key in words; for a local article 'file PATH'
    key_text     TEXT NOT NULL,
    published_id TEXT NOT NULL UNIQUE,
    slug         TEXT UNIQUE,
    first_seen   INTEGER NOT NULL,
    effective    INTEGER NOT NULL,
    updated      INTEGER NOT NULL,
    -- small changes taken in since the last significant one
    silent       INTEGER NOT NULL DEFAULT 0,
    -- by its owner: kept, so that it can come back as the same entry
    withdrawn    INTEGER,
    print        BLOB NOT NULL,
    -- its hashes in alias, 16 bytes each, the newest last: an index of their own would cost more than all entries
    aliases      BLOB NOT NULL DEFAULT x'',
    -- its rows in member: section ids, parted by spaces
    sections     TEXT NOT NULL DEFAULT '',
    -- first byte 0: JSON of model::Stated follows; 1: the same, compressed with zstd
    data         BLOB NOT NULL,
    UNIQUE (source, key)
);

CREATE INDEX entry_by_source ON entry (source, effective);

-- Other keys of an entry inside its source.
CREATE TABLE alias (
    source INTEGER NOT NULL,
    hash   BLOB NOT NULL,
    entry  INTEGER NOT NULL,
    PRIMARY KEY (source, hash)
) WITHOUT ROWID;

-- The site as a whole is the section with the empty name.
CREATE TABLE section (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    feed_id TEXT NOT NULL UNIQUE,
    created INTEGER NOT NULL
);

-- Derived from entries and configuration; rebuilt when the latter changes.
CREATE TABLE member (
    section   INTEGER NOT NULL REFERENCES section (id),
    effective INTEGER NOT NULL,
    entry     INTEGER NOT NULL,
    PRIMARY KEY (section, effective, entry)
) WITHOUT ROWID;

-- What its owner withdrew from a section (RFC 6721), until it comes back.
CREATE TABLE tombstone (
    section      INTEGER NOT NULL REFERENCES section (id),
    published_id TEXT NOT NULL,
    withdrawn    INTEGER NOT NULL,
    PRIMARY KEY (section, published_id)
) WITHOUT ROWID;

CREATE INDEX tombstone_by_id ON tombstone (published_id);

-- What retention removed while its source still carried it: not taken in again.
CREATE TABLE gone (
    source  INTEGER NOT NULL,
    hash    BLOB NOT NULL,
    -- when the source last carried it
    carried INTEGER NOT NULL,
    PRIMARY KEY (source, hash)
) WITHOUT ROWID;

-- Files of local sources, so that an unchanged one is not read again.
CREATE TABLE file (
    source   INTEGER NOT NULL REFERENCES source (id),
    path     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    -- nanoseconds since 1970
    modified INTEGER NOT NULL,
    -- when its article comes out, if it is held back
    held     INTEGER,
    -- why it could not be read as an article
    trouble  TEXT,
    -- JSON: paths of the files that its article shows
    shows    TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (source, path)
) WITHOUT ROWID;

-- Documents as published: the bytes stay until the content changes.
CREATE TABLE revision (
    path     TEXT PRIMARY KEY,
    body     BLOB NOT NULL,
    etag     TEXT NOT NULL,
    modified INTEGER NOT NULL,
    counter  INTEGER NOT NULL
) WITHOUT ROWID;
