-- JSON: what was cut, mended or left out of a file, in words.
ALTER TABLE file ADD COLUMN repairs TEXT NOT NULL DEFAULT '[]';
