-- Revisions as they are sent: a validator names the same bytes in every coding, whatever makes them.
ALTER TABLE revision ADD COLUMN gzip BLOB;
ALTER TABLE revision ADD COLUMN brotli BLOB;
