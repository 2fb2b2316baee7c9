-- What services share: timers, what is to be said, answers that are given again, and an audit; and bookings.

-- Whatever is due is done by one worker, and the row goes in the transaction that does it.
CREATE TABLE timers (
    timer_id text PRIMARY KEY,
    kind text NOT NULL,
    due_at bigint NOT NULL,
    payload bytea NOT NULL,
    tries integer NOT NULL DEFAULT 0
);
CREATE INDEX timers_due ON timers (due_at);

-- Events that services owe. A row goes in the commit that holds its event. One of room_id and user_id is there.
CREATE TABLE outbox (
    outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender text NOT NULL,
    room_id text,
    user_id text,
    type text NOT NULL,
    content bytea NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0,
    CHECK ((room_id IS NULL) <> (user_id IS NULL))
);
CREATE INDEX outbox_due ON outbox (due_at);

CREATE TABLE service_rooms (
    sender text NOT NULL,
    user_id text NOT NULL,
    room_id text NOT NULL,
    PRIMARY KEY (sender, user_id)
);

CREATE TABLE idempotency_keys (
    user_id text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    status smallint NOT NULL DEFAULT 0,
    answer bytea NOT NULL DEFAULT '',
    expires_at bigint NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_expire ON idempotency_keys (expires_at);

-- A chain for each subject; content as hashed, see core/chain.py.
CREATE TABLE audit_entries (
    subject text NOT NULL,
    number bigint NOT NULL,
    content bytea NOT NULL,
    hash text NOT NULL,
    PRIMARY KEY (subject, number)
);
CREATE FUNCTION audit_entries_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the audit are never changed or removed';
END
$$;
CREATE TRIGGER audit_entries_stay BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_entries_stay();
CREATE TRIGGER audit_entries_stay_all BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_stay();

-- Keys that sign what services give out (Ed25519, raw).
CREATE TABLE service_keys (
    purpose text PRIMARY KEY,
    private bytea NOT NULL
);

-- Times in ms. room_id: whose members alone may book. taken is kept by the trigger below, and nobody else.
CREATE TABLE booking_offers (
    offer_id text PRIMARY KEY,
    provider text NOT NULL,
    title text NOT NULL,
    place text NOT NULL,
    area text NOT NULL,
    starts_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    opens_at bigint NOT NULL,
    capacity integer NOT NULL CHECK (capacity > 0),
    hold_seconds integer NOT NULL DEFAULT 0,
    room_id text,
    state text NOT NULL DEFAULT 'announced' CHECK (state IN ('announced', 'open', 'closed')),
    taken integer NOT NULL DEFAULT 0,
    arrivals bigint NOT NULL DEFAULT 0,
    made_at bigint NOT NULL,
    CONSTRAINT booking_never_oversold CHECK (taken BETWEEN 0 AND capacity)
);
CREATE INDEX booking_offers_starts ON booking_offers (starts_at, offer_id);
CREATE INDEX booking_offers_provider ON booking_offers (provider);

CREATE TABLE bookings (
    booking_id text PRIMARY KEY,
    offer_id text NOT NULL REFERENCES booking_offers,
    user_id text NOT NULL,
    state text NOT NULL
        CHECK (state IN ('waiting', 'held', 'booked', 'arrived', 'no_show', 'cancelled', 'expired')),
    arrival bigint NOT NULL,
    made_at bigint NOT NULL,
    until bigint,
    UNIQUE (offer_id, arrival)
);
CREATE UNIQUE INDEX bookings_one_each ON bookings (offer_id, user_id)
    WHERE state NOT IN ('cancelled', 'expired');
CREATE INDEX bookings_waiting ON bookings (offer_id, arrival) WHERE state = 'waiting';
CREATE INDEX bookings_of_person ON bookings (user_id, made_at, booking_id);

-- How many places are taken follows from the bookings, whoever writes them.
CREATE FUNCTION booking_takes(state text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN state IN ('held', 'booked', 'arrived', 'no_show') THEN 1 ELSE 0 END
$$;
CREATE FUNCTION bookings_count() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    change integer := 0;
BEGIN
    IF TG_OP <> 'INSERT' THEN change := change - booking_takes(OLD.state); END IF;
    IF TG_OP <> 'DELETE' THEN change := change + booking_takes(NEW.state); END IF;
    IF change <> 0 THEN
        UPDATE booking_offers SET taken = taken + change WHERE offer_id = COALESCE(NEW.offer_id, OLD.offer_id);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER bookings_count AFTER INSERT OR DELETE OR UPDATE OF state ON bookings
    FOR EACH ROW EXECUTE FUNCTION bookings_count();

-- Who wants to hear of what is released. area '': anywhere.
CREATE TABLE booking_subscriptions (
    subscription_id text PRIMARY KEY,
    user_id text NOT NULL,
    area text NOT NULL,
    not_before bigint NOT NULL,
    not_after bigint NOT NULL
);
CREATE INDEX booking_subscriptions_area ON booking_subscriptions (area);
CREATE INDEX booking_subscriptions_person ON booking_subscriptions (user_id);
