-- Blobs that nothing names any more, and that are to go from the disk of a site. Whoever stores the same bytes again
-- takes the rows away. site: '' where there is one alone.
CREATE TABLE blob_removals (
    sha256 bytea NOT NULL,
    site text NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (sha256, site)
);
CREATE INDEX blob_removals_due ON blob_removals (site, due_at);
