-- Whether somebody chose to wait, or only came before it opened. Urgent things are said before announcements.
ALTER TABLE bookings ADD COLUMN would_wait boolean NOT NULL DEFAULT true;
ALTER TABLE outbox ADD COLUMN priority smallint NOT NULL DEFAULT 0;

-- How many places are taken is counted once a statement: a row that is changed for each of thousands grows slow.
CREATE FUNCTION bookings_counted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE booking_offers o SET taken = o.taken + c.change FROM (
            SELECT offer_id, sum(booking_takes(state)) AS change FROM new_rows GROUP BY offer_id
        ) c WHERE o.offer_id = c.offer_id AND c.change <> 0;
    ELSIF TG_OP = 'DELETE' THEN
        UPDATE booking_offers o SET taken = o.taken - c.change FROM (
            SELECT offer_id, sum(booking_takes(state)) AS change FROM old_rows GROUP BY offer_id
        ) c WHERE o.offer_id = c.offer_id AND c.change <> 0;
    ELSE
        UPDATE booking_offers o SET taken = o.taken + c.change FROM (
            SELECT offer_id, sum(change) AS change FROM (
                SELECT offer_id, booking_takes(state) AS change FROM new_rows
                UNION ALL SELECT offer_id, -booking_takes(state) FROM old_rows
            ) each GROUP BY offer_id
        ) c WHERE o.offer_id = c.offer_id AND c.change <> 0;
    END IF;
    RETURN NULL;
END
$$;
DROP TRIGGER bookings_count ON bookings;
CREATE TRIGGER bookings_count_added AFTER INSERT ON bookings
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION bookings_counted();
CREATE TRIGGER bookings_count_changed AFTER UPDATE ON bookings
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION bookings_counted();
CREATE TRIGGER bookings_count_removed AFTER DELETE ON bookings
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION bookings_counted();
