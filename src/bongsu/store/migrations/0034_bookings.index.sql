-- Each kind of timer takes its turn; what is said goes to each person in its order; what is over is never walked over.
CREATE INDEX CONCURRENTLY timers_kind_due ON timers (kind, due_at);
CREATE INDEX CONCURRENTLY outbox_order ON outbox (priority, outbox_id);
CREATE INDEX CONCURRENTLY outbox_to ON outbox (sender, coalesce(user_id, room_id), outbox_id);
CREATE INDEX CONCURRENTLY bookings_unwilling ON bookings (offer_id, arrival) WHERE state = 'waiting' AND NOT would_wait;
CREATE INDEX CONCURRENTLY bookings_held ON bookings (offer_id) WHERE state = 'held';
CREATE INDEX CONCURRENTLY booking_offers_coming ON booking_offers (starts_at, offer_id) WHERE state <> 'closed';
