-- Withdrawn by hand: whatever its source says, it stays so until that is undone.
ALTER TABLE entry ADD COLUMN barred INTEGER NOT NULL DEFAULT 0;

-- When a document of the source was last read: what retention removed is forgotten only by what came later.
ALTER TABLE source ADD COLUMN last_read INTEGER;

-- So that a window can leave out what a source has too much of without looking at the entries.
ALTER TABLE member ADD COLUMN source INTEGER NOT NULL DEFAULT 0;
UPDATE member SET source = (SELECT e.source FROM entry e WHERE e.id = member.entry);

-- Links that a source once used for two entries: no keys any more.
CREATE TABLE shared_link (
    source INTEGER NOT NULL,
    hash   BLOB NOT NULL,
    PRIMARY KEY (source, hash)
) WITHOUT ROWID;

-- How often each rule matched an entry that was placed, by the print of the rule.
CREATE TABLE rule_hit (
    rule TEXT PRIMARY KEY,
    hits INTEGER NOT NULL,
    last INTEGER NOT NULL
) WITHOUT ROWID;

-- Published ids of entries that retention removed, by hash: no other source may take them.
CREATE TABLE retired (
    hash   BLOB PRIMARY KEY,
    source INTEGER NOT NULL,
    since  INTEGER NOT NULL
) WITHOUT ROWID;
