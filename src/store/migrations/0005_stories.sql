-- One story in several sources: which entries are copies of one another, and which of them a section shows. Derived
-- from entries and configuration, but for the choice that was published: that one stays.

-- Row of the first member of the story; NULL: it is the first itself, or has no copies.
ALTER TABLE entry ADD COLUMN story INTEGER;

CREATE INDEX entry_by_story ON entry (story, source) WHERE story IS NOT NULL;

-- Row of the entry that stands for it in this section; its own row: it waits for the choice. NULL: shown itself.
ALTER TABLE member ADD COLUMN copy_of INTEGER;

CREATE INDEX member_copies ON member (section, copy_of) WHERE copy_of IS NOT NULL;

-- Only who is shown has a number to be asked for.
DROP INDEX member_by_number;
CREATE INDEX member_by_number ON member (section, number) WHERE section <> 1 AND copy_of IS NULL;

-- What of the configuration decides about copies.
ALTER TABLE section ADD COLUMN merges INTEGER NOT NULL DEFAULT 1;
ALTER TABLE section ADD COLUMN settle INTEGER NOT NULL DEFAULT 0;
ALTER TABLE source ADD COLUMN local INTEGER NOT NULL DEFAULT 0;
ALTER TABLE source ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;

-- First members of stories by their text, for 72 hours: anchors of four bytes each. In memory they are an index.
CREATE TABLE story_text (
    entry   INTEGER PRIMARY KEY,
    seen    INTEGER NOT NULL,
    anchors BLOB NOT NULL
);

-- Hash of a canonical link and who came first with it; 0: a source uses it for several entries, so it names none.
CREATE TABLE story_link (
    hash  INTEGER PRIMARY KEY,
    entry INTEGER NOT NULL
);

-- Stories that wait in a section for better copies of themselves (`settle`).
CREATE TABLE settling (
    section INTEGER NOT NULL,
    -- row of the first member
    story   INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (section, story)
) WITHOUT ROWID;
