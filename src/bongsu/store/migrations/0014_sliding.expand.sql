-- Sliding sync: rooms by when something was last said in them, spaces among rooms, and what connections were told.

-- The types that bring a room to the top of a list: core/sliding.py has the same.
CREATE INDEX events_bumping ON events (room_id, pos) WHERE type IN (
    'm.room.create', 'm.room.message', 'm.room.encrypted', 'm.sticker', 'm.call.invite', 'm.poll.start',
    'org.matrix.msc3381.poll.start', 'm.beacon_info', 'org.matrix.msc3672.beacon_info');

-- Rooms that have a type, which few have: a second "type" stands in their first event.
CREATE INDEX events_typed_rooms ON events (room_id) WHERE type = 'm.room.create' AND state_key = ''
    AND position('"type":"'::bytea IN substring(pdu FROM position('"type":"'::bytea IN pdu) + 1)) > 0;

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
