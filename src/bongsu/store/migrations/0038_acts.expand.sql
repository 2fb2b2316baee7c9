-- What people tell services by messages and reactions. A row is there from when the event was heard until the commit
-- that holds its effect. about: what the service's own message says that is answered (JSON).
CREATE TABLE commands (
    pos bigint PRIMARY KEY,
    service text NOT NULL,
    room_id text NOT NULL,
    user_id text NOT NULL,
    event_id text NOT NULL,
    said text NOT NULL,
    is_reaction boolean NOT NULL,
    about bytea,
    due_at timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0
);
CREATE INDEX commands_due ON commands (due_at);
CREATE INDEX commands_of ON commands (room_id, user_id, pos);

-- How far the stream was listened to. What was said before this table is not obeyed.
CREATE TABLE commands_heard (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    pos bigint NOT NULL
);
INSERT INTO commands_heard (pos) SELECT pos FROM stream;

-- What people say on the telephone and write in commands: requests and beds of a board are counted.
ALTER TABLE boards ADD COLUMN last_request integer NOT NULL DEFAULT 0, ADD COLUMN last_bed integer NOT NULL DEFAULT 0;
ALTER TABLE board_requests ADD COLUMN number integer;
ALTER TABLE board_beds ADD COLUMN number integer;
UPDATE board_requests r SET number = n.number FROM (
    SELECT request_id, row_number() OVER (PARTITION BY room_id ORDER BY created_ms, request_id) AS number
    FROM board_requests
) n WHERE n.request_id = r.request_id;
UPDATE board_beds b SET number = n.number FROM (
    SELECT bed_id, row_number() OVER (PARTITION BY room_id ORDER BY published_ms, bed_id) AS number FROM board_beds
) n WHERE n.bed_id = b.bed_id;
UPDATE boards b SET
    last_request = coalesce((SELECT max(number) FROM board_requests r WHERE r.room_id = b.room_id), 0),
    last_bed = coalesce((SELECT max(number) FROM board_beds d WHERE d.room_id = b.room_id), 0);
CREATE UNIQUE INDEX board_requests_number ON board_requests (room_id, number);
CREATE UNIQUE INDEX board_beds_number ON board_beds (room_id, number);
CREATE FUNCTION board_request_numbered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE boards SET last_request = last_request + 1 WHERE room_id = NEW.room_id
        RETURNING last_request INTO NEW.number;
    RETURN NEW;
END
$$;
CREATE TRIGGER board_request_numbered BEFORE INSERT ON board_requests
    FOR EACH ROW EXECUTE FUNCTION board_request_numbered();
CREATE FUNCTION board_bed_numbered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM board_beds WHERE bed_id = NEW.bed_id) THEN
        UPDATE boards SET last_bed = last_bed + 1 WHERE room_id = NEW.room_id RETURNING last_bed INTO NEW.number;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER board_bed_numbered BEFORE INSERT ON board_beds
    FOR EACH ROW EXECUTE FUNCTION board_bed_numbered();

-- How long somebody waited who got no bed.
ALTER TABLE board_waits ADD COLUMN gave_up_ms bigint;

-- Whom administrators let tell everybody who subscribed of what they release.
CREATE TABLE booking_announcers (
    user_id text PRIMARY KEY,
    named_by text NOT NULL,
    named_at bigint NOT NULL
);

-- Offers that are closed already are forgotten in their time, too (core/limits.BOOKING_KEPT_DAYS).
INSERT INTO timers (timer_id, kind, due_at, payload)
    SELECT 'booking.forget/' || offer_id, 'booking.forget', ends_at + 180 * 86400000::bigint,
           convert_to(json_build_object('offer_id', offer_id)::text, 'UTF8')
    FROM booking_offers WHERE state = 'closed';
