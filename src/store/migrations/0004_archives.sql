-- Archives (RFC 5005): an entry gets a number when it is first shown in a section, and keeps it. The site's own row,
-- the first that is ever made, keeps no archive: its members stay without.
ALTER TABLE member ADD COLUMN number INTEGER;
-- last correction that readers are told of, once the entry has its number
ALTER TABLE member ADD COLUMN corrected INTEGER;

-- Those without a number come first, by date.
CREATE INDEX member_by_number ON member (section, number) WHERE section <> 1;
CREATE INDEX member_corrected ON member (section, corrected) WHERE corrected IS NOT NULL;

-- numbers given so far; never given again
ALTER TABLE section ADD COLUMN numbered INTEGER NOT NULL DEFAULT 0;
-- numbers in one document, chosen with the first of them; 0: none was given yet
ALTER TABLE section ADD COLUMN archive_size INTEGER NOT NULL DEFAULT 0;
-- the oldest document that retention has left
ALTER TABLE section ADD COLUMN archive_from INTEGER NOT NULL DEFAULT 1;
-- what of the configuration its archive documents were made with
ALTER TABLE section ADD COLUMN archive_print TEXT NOT NULL DEFAULT '';

-- Documents of archives, from when they are full. Their bytes are made from the entries when they are asked for.
CREATE TABLE archive (
    section  INTEGER NOT NULL REFERENCES section (id),
    document INTEGER NOT NULL,
    -- grows whenever an entry in it is corrected or leaves
    touched  INTEGER NOT NULL DEFAULT 0,
    -- hash of the bytes of all formats as last made, and since when they are so
    print    TEXT,
    modified INTEGER NOT NULL,
    counter  INTEGER NOT NULL DEFAULT 1,
    -- 1: it stands in the mirror as it is
    mirrored INTEGER NOT NULL DEFAULT 0,
    -- what was said of the sources when it became full: rows of source and kept_origin, "1:2 3:4"
    origins  TEXT NOT NULL,
    PRIMARY KEY (section, document)
) WITHOUT ROWID;

CREATE INDEX archive_to_mirror ON archive (section, document) WHERE mirrored = 0;

-- JSON of model::Origin, as archives say it for ever.
CREATE TABLE kept_origin (
    id   INTEGER PRIMARY KEY,
    json TEXT NOT NULL UNIQUE
);

-- configuration and version that made the bytes
ALTER TABLE revision ADD COLUMN made_by TEXT NOT NULL DEFAULT '';
