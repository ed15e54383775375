-- When each source failed, and when it was well again: what /status.atom tells. The newest few thousand are kept.
CREATE TABLE spell (
    id     INTEGER PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES source (id),
    began  INTEGER NOT NULL,
    -- NULL: it lasts
    ended  INTEGER,
    -- the step that failed, and why, as it was when it began
    stage  TEXT NOT NULL,
    cause  TEXT NOT NULL,
    UNIQUE (source, began)
);

CREATE INDEX spell_that_lasts ON spell (source) WHERE ended IS NULL;

-- Those few that do not count among a source's entries.
CREATE INDEX entry_withdrawn ON entry (source) WHERE withdrawn IS NOT NULL;
