-- A key that signs tickets is followed by another in its time; each is known to devices before it signs anything.
ALTER TABLE service_keys ADD COLUMN made_at bigint NOT NULL DEFAULT (extract(epoch FROM now()) * 1000)::bigint;
