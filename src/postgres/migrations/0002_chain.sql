-- The link of the journal's chain over the last record: which history this is a copy of. NULL where
-- that is not known.
ALTER TABLE vobee_export ADD COLUMN IF NOT EXISTS chain BYTEA;
