-- When a channel's name or picture was changed last (ms): rooms that were made before still show the old one.
ALTER TABLE channels ADD COLUMN shown_ts bigint NOT NULL DEFAULT 0;
