-- Which sites hold which files. A row is written when a file becomes visible: one for each site that shall hold it.
-- Thumbnails have no rows here: they are made anew where they are missing.

CREATE TABLE blob_copies (
    sha256 bytea NOT NULL REFERENCES blobs,
    site text NOT NULL,
    held_at timestamptz,  -- since when the site has it on disk; null: it is to be brought there
    lost_at timestamptz,  -- when the site found that it has it no more
    due_at timestamptz NOT NULL DEFAULT now(),  -- when it is to be brought, or looked at again
    tries integer NOT NULL DEFAULT 0,  -- to bring it, without success
    PRIMARY KEY (sha256, site)
);
CREATE INDEX blob_copies_lacking ON blob_copies (site, due_at) WHERE held_at IS NULL;
CREATE INDEX blob_copies_held ON blob_copies (site, due_at) WHERE held_at IS NOT NULL;

-- Does any file name this blob, or is it a thumbnail?
CREATE INDEX media_sha256 ON media (sha256) WHERE sha256 IS NOT NULL;
