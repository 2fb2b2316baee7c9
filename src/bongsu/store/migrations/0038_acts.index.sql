-- By what people write of an offer; how often somebody gave a place back; and what is old enough to be forgotten.
CREATE INDEX CONCURRENTLY booking_offers_code ON booking_offers (substr(offer_id, 2, 6));
CREATE INDEX CONCURRENTLY bookings_given_back ON bookings (offer_id, user_id) WHERE state IN ('cancelled', 'expired');
CREATE INDEX CONCURRENTLY board_assignments_ended ON board_assignments (ended_ms) WHERE reason <> '';
CREATE INDEX CONCURRENTLY board_access_day ON board_access (day);
