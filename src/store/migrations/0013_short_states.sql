-- The states of sources leave out what is as it always is, and their moments are seconds since 1970. Nothing is rewritten:
-- both forms are read, and each poll writes the short one. Earlier versions cannot read that, and are told so by the number.
UPDATE meta SET value = value WHERE 0;
