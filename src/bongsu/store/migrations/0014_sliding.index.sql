-- Sliding sync: rooms by when something was last said in them, and spaces among rooms.

-- The types that bring a room to the top of a list: core/sliding.py has the same.
CREATE INDEX CONCURRENTLY events_bumping ON events (room_id, pos) WHERE type IN (
    'm.room.create', 'm.room.message', 'm.room.encrypted', 'm.sticker', 'm.call.invite', 'm.poll.start',
    'org.matrix.msc3381.poll.start', 'm.beacon_info', 'org.matrix.msc3672.beacon_info');

-- Rooms that have a type, which few have: a second "type" stands in their first event.
CREATE INDEX CONCURRENTLY events_typed_rooms ON events (room_id) WHERE type = 'm.room.create' AND state_key = ''
    AND position('"type":"'::bytea IN substring(pdu FROM position('"type":"'::bytea IN pdu) + 1)) > 0;
