-- A board goes with its room when that is upgraded. audited_as: the room in which its audit began; null: this one.
ALTER TABLE boards ADD COLUMN audited_as text;
CREATE TABLE board_moves (
    room_id text PRIMARY KEY,
    new_room_id text NOT NULL
);
ALTER TABLE board_people DROP CONSTRAINT board_people_room_id_fkey,
    ADD CONSTRAINT board_people_board FOREIGN KEY (room_id) REFERENCES boards ON UPDATE CASCADE;
ALTER TABLE board_beds DROP CONSTRAINT board_beds_room_id_fkey,
    ADD CONSTRAINT board_beds_board FOREIGN KEY (room_id) REFERENCES boards ON UPDATE CASCADE;
ALTER TABLE board_requests DROP CONSTRAINT board_requests_room_id_fkey,
    ADD CONSTRAINT board_requests_board FOREIGN KEY (room_id) REFERENCES boards ON UPDATE CASCADE;

-- What somebody is on a board ends when they leave the room, or are sent away, however that happens.
DELETE FROM board_people p WHERE NOT EXISTS (
    SELECT FROM members m WHERE m.room_id = p.room_id AND m.user_id = p.user_id AND m.membership = 'join');
CREATE FUNCTION board_role_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM board_people WHERE room_id = NEW.room_id AND user_id = NEW.user_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER board_role_ends AFTER UPDATE OF membership ON members FOR EACH ROW
    WHEN (OLD.membership = 'join' AND NEW.membership <> 'join') EXECUTE FUNCTION board_role_ends();

-- version: grows with whatever changes how many places are free. published_version: what it was when the hospital spoke.
ALTER TABLE board_beds ADD COLUMN version bigint NOT NULL DEFAULT 0,
    ADD COLUMN published_version bigint NOT NULL DEFAULT 0;
CREATE FUNCTION board_bed_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE board_beds SET version = version + 1 WHERE bed_id = NEW.bed_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER board_bed_changes AFTER INSERT OR UPDATE OF ended_ms ON board_assignments
    FOR EACH ROW EXECUTE FUNCTION board_bed_changes();

-- A patient waits once on a board. Those who waited twice before have the second request's id behind their name.
UPDATE board_requests r SET patient = r.patient || '-' || left(r.request_id, 6)
    WHERE r.state <> 'closed' AND EXISTS (
        SELECT FROM board_requests o WHERE o.room_id = r.room_id AND o.patient = r.patient AND o.state <> 'closed'
            AND (o.created_ms, o.request_id) < (r.created_ms, r.request_id));
CREATE UNIQUE INDEX board_requests_patient ON board_requests (room_id, patient) WHERE state <> 'closed';

-- Lists of what goes on do not walk through what is over.
CREATE INDEX board_requests_open ON board_requests (room_id, waiting_since_ms, request_id) WHERE state <> 'closed';
CREATE INDEX board_beds_offered ON board_beds (room_id, bed_id) WHERE NOT is_withdrawn;
