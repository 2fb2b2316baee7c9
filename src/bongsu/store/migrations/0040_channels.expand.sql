-- Channels: a home with posts, staff, followers and what they agreed to, the official mark, and broadcasts.
-- Times in ms. account: the user id in whose name the channel speaks. skeleton: the name as eyes take it.
CREATE TABLE channels (
    channel_id text PRIMARY KEY,
    account text NOT NULL UNIQUE,
    owner text NOT NULL,
    name text NOT NULL,
    skeleton text NOT NULL,
    about text NOT NULL DEFAULT '',
    avatar text,
    hours bytea NOT NULL DEFAULT '[]',
    followers bigint NOT NULL DEFAULT 0,
    created_ts bigint NOT NULL,
    closed_ts bigint,
    closed_by text
);
CREATE INDEX channels_owner ON channels (owner);
CREATE INDEX channels_skeleton ON channels (skeleton);
CREATE INDEX channels_popular ON channels (followers DESC, channel_id) WHERE closed_ts IS NULL;

-- The owner stands here, too, so that whose a channel is and who works for it is one look.
CREATE TABLE channel_staff (
    channel_id text NOT NULL REFERENCES channels,
    user_id text NOT NULL,
    role text NOT NULL CHECK (role IN ('owner', 'editor', 'agent')),
    since_ts bigint NOT NULL,
    PRIMARY KEY (channel_id, user_id)
);
CREATE INDEX channel_staff_person ON channel_staff (user_id, channel_id);
CREATE UNIQUE INDEX channel_staff_one_owner ON channel_staff (channel_id) WHERE role = 'owner';

-- What the operator signed. A certified name looks like no other certified one.
CREATE TABLE channel_marks (
    channel_id text PRIMARY KEY REFERENCES channels,
    name text NOT NULL,
    skeleton text NOT NULL UNIQUE,
    account text NOT NULL,
    valid_from bigint NOT NULL,
    valid_until bigint NOT NULL,
    key_id text NOT NULL,
    signature text NOT NULL
);

CREATE TABLE channel_posts (
    post_id text PRIMARY KEY,
    channel_id text NOT NULL REFERENCES channels,
    author text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    picture text,
    made_ts bigint NOT NULL,
    edited_ts bigint
);
CREATE INDEX channel_posts_newest ON channel_posts (channel_id, made_ts, post_id);

-- Who follows now, and what they allow. How it came about stands in the audit, subject 'consent/{user_id}'.
CREATE TABLE channel_followers (
    channel_id text NOT NULL REFERENCES channels,
    user_id text NOT NULL,
    since_ts bigint NOT NULL,
    advertising boolean NOT NULL DEFAULT false,
    advertising_at_night boolean NOT NULL DEFAULT false,
    PRIMARY KEY (channel_id, user_id),
    CHECK (advertising OR NOT advertising_at_night)
);
CREATE INDEX channel_followers_person ON channel_followers (user_id, channel_id);

-- Whoever is here hears nothing of the channel, and it does not get through to them.
CREATE TABLE channel_blocks (
    channel_id text NOT NULL REFERENCES channels,
    user_id text NOT NULL,
    since_ts bigint NOT NULL,
    PRIMARY KEY (channel_id, user_id)
);
CREATE INDEX channel_blocks_person ON channel_blocks (user_id, channel_id);

CREATE TABLE channel_reports (
    report_id text PRIMARY KEY,
    channel_id text NOT NULL REFERENCES channels,
    user_id text NOT NULL,
    reason text NOT NULL,
    made_ts bigint NOT NULL
);
CREATE UNIQUE INDEX channel_reports_one_each ON channel_reports (channel_id, user_id);
CREATE INDEX channel_reports_newest ON channel_reports (made_ts, report_id);

-- cursor: followers up to this user id have had their turn; slice_to: those up to here have it now. next_at: when a
-- worker may take a slice, which for one that works on it is when its lease ends.
CREATE TABLE channel_broadcasts (
    broadcast_id text PRIMARY KEY,
    channel_id text NOT NULL REFERENCES channels,
    author text NOT NULL,
    content bytea NOT NULL,
    body text NOT NULL,
    advertising boolean NOT NULL,
    state text NOT NULL CHECK (state IN ('scheduled', 'running', 'done', 'cancelled')),
    starts_at bigint NOT NULL,
    made_ts bigint NOT NULL,
    began_ts bigint,
    ended_ts bigint,
    cursor text NOT NULL DEFAULT '',
    slice_to text,
    has_walked boolean NOT NULL DEFAULT false,
    audience bigint NOT NULL DEFAULT 0,
    sent bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT '-infinity'
);
CREATE INDEX channel_broadcasts_newest ON channel_broadcasts (channel_id, made_ts, broadcast_id);
CREATE INDEX channel_broadcasts_due ON channel_broadcasts (next_at) WHERE state = 'running' OR slice_to IS NOT NULL;

-- One row a follower who got it, with the place of the message: so nobody has it twice, and who read it can be counted.
CREATE TABLE channel_deliveries (
    broadcast_id text NOT NULL REFERENCES channel_broadcasts,
    user_id text NOT NULL,
    pos bigint NOT NULL,
    ts bigint NOT NULL,
    PRIMARY KEY (broadcast_id, user_id)
);

-- Followers who are to have it later: quiet hours, advertising at night, or a database that could not be written to.
CREATE TABLE channel_held (
    broadcast_id text NOT NULL REFERENCES channel_broadcasts,
    user_id text NOT NULL,
    due_at bigint NOT NULL,
    PRIMARY KEY (broadcast_id, user_id)
);
CREATE INDEX channel_held_due ON channel_held (broadcast_id, due_at, user_id);

-- Up to where what people say to channels was heard. Whoever moves it has the row until its commit.
CREATE TABLE channel_hearing (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    pos bigint NOT NULL
);
INSERT INTO channel_hearing (pos) SELECT pos FROM stream;
CREATE INDEX IF NOT EXISTS service_rooms_room ON service_rooms (room_id);
