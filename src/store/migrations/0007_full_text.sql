-- Pages of entries whose source asks for full texts: each is read once. Beside the entry, which stays as its source
-- gave it: its print, its likeness and its dates are the feed's.
CREATE TABLE page (
    entry   INTEGER PRIMARY KEY,
    source  INTEGER NOT NULL,
    -- when it may be asked for; NULL: that is done
    due     INTEGER,
    tries   INTEGER NOT NULL DEFAULT 0,
    -- in words, why there is no text of it
    trouble TEXT,
    -- the text, packed as entry.data is
    data    BLOB,
    -- of the text
    print   BLOB
);

CREATE INDEX page_due ON page (source, due) WHERE due IS NOT NULL;

-- Rows of entries are given again.
CREATE TRIGGER entry_leaves AFTER DELETE ON entry BEGIN
    DELETE FROM page WHERE entry = old.id;
END;
