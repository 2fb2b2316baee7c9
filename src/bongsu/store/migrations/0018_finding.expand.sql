-- What is found: texts of messages, previews of addresses, and what people report.

-- The current text of each message, room name and topic, folded (core/finding.py). `text_pos`: the event that the text
-- is from, which is the newest edit where there is one. `grams`: pairs of neighbouring characters, and one number each
-- for the room and for the stretch of the stream.
CREATE TABLE search_texts (
    pos bigint PRIMARY KEY,
    text_pos bigint NOT NULL,
    key smallint NOT NULL,
    text text NOT NULL,
    grams integer[] NOT NULL
);
CREATE INDEX search_texts_grams ON search_texts USING gin (grams) WITH (gin_pending_list_limit = 512);
CREATE INDEX search_texts_edits ON search_texts (text_pos) WHERE text_pos <> pos;

-- How far the texts are: all of (back_pos, pos]. What was there before this table is taken in backwards.
CREATE TABLE search_progress (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    pos bigint NOT NULL,
    back_pos bigint NOT NULL
);
INSERT INTO search_progress (pos, back_pos) SELECT pos, pos FROM stream;

-- What an address was about when it was last asked. `said`: the preview in JSON, null where there is none;
-- `claimed_until`: a worker asks it now.
CREATE TABLE url_previews (
    url_hash bytea PRIMARY KEY,
    url text NOT NULL,
    said bytea,
    fetched_at timestamptz,
    expires_at timestamptz,
    claimed_until timestamptz
);
CREATE INDEX url_previews_expires ON url_previews (expires_at);

CREATE TABLE reports (
    report_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reporter text NOT NULL,
    room_id text NOT NULL DEFAULT '',
    event_id text NOT NULL DEFAULT '',
    user_id text NOT NULL DEFAULT '',
    reason text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz
);
CREATE UNIQUE INDEX reports_open ON reports (reporter, room_id, event_id, user_id) WHERE closed_at IS NULL;
