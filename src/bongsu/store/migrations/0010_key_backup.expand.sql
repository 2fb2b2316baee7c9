-- Room keys that people keep with the server, encrypted by a key that it never sees.

-- One row per person who ever had a backup: whoever changes one locks it. Versions count up and are never used again,
-- so a version up to the newest one that is not there was deleted.
CREATE TABLE key_backup_owners (
    user_id text PRIMARY KEY,
    newest bigint NOT NULL
);

CREATE TABLE key_backups (
    user_id text NOT NULL,
    version bigint NOT NULL,
    algorithm text NOT NULL,
    auth_data bytea NOT NULL,  -- JSON
    etag bigint NOT NULL DEFAULT 0,  -- counts the changes of its keys
    keys bigint NOT NULL DEFAULT 0,  -- how many there are
    PRIMARY KEY (user_id, version)
);

CREATE TABLE backed_up_keys (
    user_id text NOT NULL,
    version bigint NOT NULL,
    room_id text NOT NULL,
    session_id text NOT NULL,
    first_message_index bigint NOT NULL,
    forwarded_count bigint NOT NULL,
    is_verified boolean NOT NULL,
    session_data bytea NOT NULL,  -- JSON
    PRIMARY KEY (user_id, version, room_id, session_id)
);
