-- What sites saw go wrong and come back. Rows are only ever added; `hash` covers the entry and the hash before it.

CREATE TABLE incident_entries (
    number bigint PRIMARY KEY,  -- 1, 2, 3 … without a gap
    incident bigint,  -- null: of none
    site text NOT NULL,
    journal text NOT NULL,
    sequence bigint NOT NULL,  -- of the site's journal
    content bytea NOT NULL,  -- canonical JSON as hashed: all the columns before it, and what was seen
    hash text NOT NULL,
    UNIQUE (site, journal, sequence)
);

CREATE FUNCTION incident_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the incident record are never changed or removed';
END
$$;
CREATE TRIGGER incident_entries_stay BEFORE UPDATE OR DELETE ON incident_entries
    FOR EACH ROW EXECUTE FUNCTION incident_entries_stay();
CREATE TRIGGER incident_entries_stay_all BEFORE TRUNCATE ON incident_entries
    FOR EACH STATEMENT EXECUTE FUNCTION incident_entries_stay();

-- A commit that each site makes every few seconds, to know that commits succeed.
CREATE TABLE site_beats (
    site text PRIMARY KEY,
    seen_at timestamptz NOT NULL
);
