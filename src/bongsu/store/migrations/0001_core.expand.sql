-- The core's tables. Every row that a sync may show carries `pos`, its position in the one stream.

-- One row: the newest position handed out. Whoever updates it holds the right to write until its commit is done,
-- so positions are handed out in commit order and everything below a visible position is complete.
CREATE TABLE stream (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    pos bigint NOT NULL
);
INSERT INTO stream (pos) VALUES (0);

-- What the installation is: its server name (never changed once events exist) and its secrets.
CREATE TABLE server_facts (
    name text PRIMARY KEY,
    value text NOT NULL
);

-- The last batch each worker committed: how a worker learns whether a commit of unknown outcome took place.
CREATE TABLE writers (
    writer_id uuid PRIMARY KEY,
    batch bigint NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE rooms (
    room_id text PRIMARY KEY,
    version text NOT NULL,
    created_pos bigint NOT NULL,
    directory boolean NOT NULL DEFAULT false
);
CREATE INDEX rooms_directory ON rooms (room_id) WHERE directory;

-- A room's whole history, state events among them. `pdu` is canonical JSON as hashed; a redaction replaces it by the
-- redacted form, which has the same reference hash. The state at any position is the newest row of each
-- (type, state_key) at or below it, so state costs nothing per event.
CREATE TABLE events (
    pos bigint PRIMARY KEY,
    event_id text NOT NULL,
    room_id text NOT NULL,
    type text NOT NULL,
    sender text NOT NULL,
    state_key text,
    ts_ms bigint NOT NULL,
    pdu bytea NOT NULL,
    redacted_by text,
    sender_device text,
    txn_id text,
    txn_key bytea
);
CREATE UNIQUE INDEX events_event_id ON events (event_id);
CREATE UNIQUE INDEX events_txn_key ON events (txn_key) WHERE txn_key IS NOT NULL;
CREATE INDEX events_room ON events (room_id, pos);
CREATE INDEX events_state ON events (room_id, type, state_key, pos) WHERE state_key IS NOT NULL;
CREATE INDEX events_room_ts ON events (room_id, ts_ms, pos);

-- Current state but for members.
CREATE TABLE room_state (
    room_id text NOT NULL,
    type text NOT NULL,
    state_key text NOT NULL,
    pos bigint NOT NULL,
    PRIMARY KEY (room_id, type, state_key)
);

-- Current state of members; `pos` is the place of the m.room.member event, `joined_pos` of the first of the joins
-- that belong to the present (or last) stay. `forgotten_pos`: where the
-- person asked not to see the left room again.
CREATE TABLE members (
    user_id text NOT NULL,
    room_id text NOT NULL,
    membership text NOT NULL,
    pos bigint NOT NULL,
    joined_pos bigint,
    forgotten_pos bigint,
    PRIMARY KEY (user_id, room_id)
);
CREATE INDEX members_forgotten ON members (forgotten_pos) WHERE forgotten_pos IS NOT NULL;
CREATE INDEX members_room ON members (room_id, membership, user_id);

CREATE TABLE relations (
    room_id text NOT NULL,
    parent_id text NOT NULL,
    rel_type text NOT NULL,
    key text,  -- of an annotation
    pos bigint NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    sender text NOT NULL,
    PRIMARY KEY (parent_id, pos)
);
CREATE INDEX relations_room ON relations (room_id, rel_type, pos);
CREATE INDEX relations_event ON relations (event_id);

CREATE TABLE receipts (
    room_id text NOT NULL,
    user_id text NOT NULL,
    receipt_type text NOT NULL,
    thread_id text NOT NULL DEFAULT '',  -- '': unthreaded
    event_id text NOT NULL,
    event_pos bigint NOT NULL,
    ts_ms bigint NOT NULL,
    pos bigint NOT NULL,
    PRIMARY KEY (room_id, user_id, receipt_type, thread_id)
);
CREATE INDEX receipts_room_pos ON receipts (room_id, pos);
CREATE INDEX receipts_user ON receipts (user_id, room_id);
CREATE INDEX receipts_pos ON receipts (pos);

CREATE TABLE account_data (
    user_id text NOT NULL,
    room_id text NOT NULL DEFAULT '',  -- '': global
    type text NOT NULL,
    content bytea NOT NULL,
    pos bigint NOT NULL,
    PRIMARY KEY (user_id, room_id, type)
);
CREATE INDEX account_data_pos ON account_data (pos);

CREATE TABLE typing (
    room_id text NOT NULL,
    user_id text NOT NULL,
    until_ms bigint NOT NULL,
    pos bigint NOT NULL,
    PRIMARY KEY (room_id, user_id)
);
CREATE INDEX typing_pos ON typing (pos);

CREATE TABLE presence (
    user_id text PRIMARY KEY,
    state text NOT NULL,
    status_msg text,
    last_active_ms bigint NOT NULL,
    pos bigint NOT NULL
);
CREATE INDEX presence_pos ON presence (pos);

-- Sessions that ended, so that every worker drops what it remembered of them.
CREATE TABLE revocations (
    pos bigint PRIMARY KEY,
    user_id text NOT NULL,
    device_id text  -- null: all of the user's
);

CREATE TABLE aliases (
    alias text PRIMARY KEY,
    room_id text NOT NULL,
    creator text NOT NULL
);
CREATE INDEX aliases_room ON aliases (room_id);

CREATE TABLE filters (
    user_id text NOT NULL,
    filter_id text NOT NULL,
    filter bytea NOT NULL,
    PRIMARY KEY (user_id, filter_id)
);
