-- Whether somebody had a place: who only waited gave none back.
ALTER TABLE bookings ADD COLUMN had_place boolean NOT NULL DEFAULT true;

-- A wait whose owner goes, or is that no longer, is due at once: nobody looks after it.
CREATE FUNCTION board_waits_unowned(room text, gone text) RETURNS void LANGUAGE sql AS $$
    UPDATE board_requests
    SET due_ms = least(due_ms, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
    WHERE room_id = room AND owner = gone AND due_ms IS NOT NULL AND state <> 'closed'
$$;
CREATE OR REPLACE FUNCTION board_role_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM board_people WHERE room_id = NEW.room_id AND user_id = NEW.user_id;
    PERFORM board_waits_unowned(NEW.room_id, NEW.user_id);
    RETURN NULL;
END
$$;
CREATE FUNCTION board_role_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM board_waits_unowned(NEW.room_id, NEW.user_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER board_role_changes AFTER UPDATE OF role, hospital ON board_people FOR EACH ROW
    WHEN (OLD.role <> NEW.role OR NEW.role = 'provider' AND OLD.hospital <> NEW.hospital)
    EXECUTE FUNCTION board_role_changes();

-- The lines of offers that are there end in time, too.
INSERT INTO timers (timer_id, kind, due_at, payload)
    SELECT 'booking.last/' || offer_id, 'booking.last', greatest(starts_at, ends_at - 1800000),
        convert_to(json_build_object('offer_id', offer_id)::text, 'UTF8')
    FROM booking_offers WHERE state <> 'closed';
