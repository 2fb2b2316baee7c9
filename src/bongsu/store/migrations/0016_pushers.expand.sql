-- Where people's apps are told that something happened, and how far each of them was told.

-- `lane`: who is told by the same worker (push_lanes). `told_pos`: up to here everything was pushed or need not be; where
-- `owing` is false (a new one owes what came since it was set), the lane's `walked_pos` counts if it is further. `badge`: the count that the app was told last.
CREATE TABLE pushers (
    pusher_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL,
    app_id text NOT NULL,
    pushkey text NOT NULL,
    device_id text NOT NULL,  -- whose end is the pusher's; '' for an application service that named none
    kind text NOT NULL,
    app_display_name text NOT NULL,
    device_display_name text NOT NULL,
    profile_tag text,
    lang text NOT NULL,
    data bytea NOT NULL,  -- JSON
    set_at timestamptz NOT NULL DEFAULT now(),
    lane smallint NOT NULL,
    told_pos bigint NOT NULL,
    owing boolean NOT NULL DEFAULT false,
    badge integer NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    failing_since timestamptz,
    UNIQUE (user_id, app_id, pushkey)
);
CREATE INDEX pushers_pushkey ON pushers (pushkey);
CREATE INDEX pushers_lane ON pushers (lane);
CREATE INDEX pushers_set ON pushers (set_at);

-- One worker at a time tells the people of a lane; whoever held it before is refused by the fence. `walked_pos`: up to
-- here was looked at for everybody in the lane, and whatever is owed since before stands with the pusher.
CREATE TABLE push_lanes (
    lane smallint PRIMARY KEY,
    fence bigint NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    walked_pos bigint NOT NULL DEFAULT 0
);
INSERT INTO push_lanes (lane) SELECT * FROM generate_series(0, 31);

-- The workers that could hold lanes, so that each takes its share.
CREATE TABLE push_workers (
    worker_id uuid PRIMARY KEY,
    seen_until timestamptz NOT NULL
);
