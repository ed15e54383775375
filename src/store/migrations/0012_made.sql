-- By the path of its Atom document, what a feed was made of: while it is the same, nothing of it has to be made again.
CREATE TABLE made (
    path  TEXT PRIMARY KEY,
    print TEXT NOT NULL
) WITHOUT ROWID;
