-- Photos and files. The bytes lie in the blob folder under their SHA-256; these rows say what they are.

CREATE TABLE blobs (
    sha256 bytea PRIMARY KEY,
    size bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE media (
    media_id text PRIMARY KEY,
    user_id text NOT NULL,
    sha256 bytea REFERENCES blobs,  -- null: created, not uploaded yet
    content_type text,
    file_name text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz  -- of an id that waits for its upload
);
CREATE INDEX media_user_waiting ON media (user_id) WHERE sha256 IS NULL;

CREATE TABLE thumbnails (
    source bytea NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    method text NOT NULL,
    animated boolean NOT NULL,
    content_type text NOT NULL,
    sha256 bytea NOT NULL REFERENCES blobs,
    PRIMARY KEY (source, width, height, method, animated)
);
