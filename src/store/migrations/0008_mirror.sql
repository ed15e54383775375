-- What the static mirror lacks. Triggers fill these while there is a mirror (store/mirror.rs); `version` grows with every
-- change, so that what changed while it was written is written again.

CREATE TABLE unmirrored_entry (
    published_id TEXT PRIMARY KEY,
    version      INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- A moment inside a day of a section on which something changed.
CREATE TABLE unmirrored_day (
    section INTEGER NOT NULL,
    moment  INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (section, moment)
) WITHOUT ROWID;
