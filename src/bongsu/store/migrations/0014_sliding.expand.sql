-- Sliding sync: what connections were told.

-- What a connection was told of rooms, where that is too much for its token. A version never changes.
CREATE TABLE sliding_connections (
    user_id text NOT NULL,
    device_id text NOT NULL,
    conn_id text NOT NULL,
    version bigint GENERATED ALWAYS AS IDENTITY,
    told bytea NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, device_id, conn_id, version)
);
CREATE INDEX sliding_connections_used ON sliding_connections (used_at);
