-- What is kept packed is not kept as it is besides.
UPDATE revision SET body = x'' WHERE gzip IS NOT NULL;
