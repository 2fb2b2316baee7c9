-- The bed board of a room. Times are milliseconds since the epoch.
CREATE TABLE boards (
    room_id text PRIMARY KEY,
    title text NOT NULL,
    created_by text NOT NULL,
    created_ms bigint NOT NULL
);

-- What people are on a board. Members of the room who are not listed look on. phone: at work, for the contact tree.
CREATE TABLE board_people (
    room_id text NOT NULL REFERENCES boards,
    user_id text NOT NULL,
    role text NOT NULL CHECK (role IN ('requester', 'coordinator', 'provider', 'observer')),
    hospital text NOT NULL DEFAULT '',
    on_call boolean NOT NULL DEFAULT false,
    phone text NOT NULL DEFAULT '',
    PRIMARY KEY (room_id, user_id)
);

-- Beds of one hospital that can do the same. Each single one is a row of board_places.
CREATE TABLE board_beds (
    bed_id text PRIMARY KEY,
    room_id text NOT NULL REFERENCES boards,
    hospital text NOT NULL,
    kinds text[] NOT NULL,
    lat double precision,
    lon double precision,
    area text NOT NULL,
    note text NOT NULL,
    published_by text NOT NULL,
    published_ms bigint NOT NULL,
    valid_until_ms bigint NOT NULL,
    is_withdrawn boolean NOT NULL DEFAULT false
);
CREATE INDEX board_beds_room ON board_beds (room_id, bed_id);

CREATE TABLE board_places (
    bed_id text NOT NULL REFERENCES board_beds,
    place integer NOT NULL,
    is_open boolean NOT NULL DEFAULT true,
    PRIMARY KEY (bed_id, place)
);

-- due_ms: when an unanswered request goes a tier further; null when nobody waits for an answer.
CREATE TABLE board_requests (
    request_id text PRIMARY KEY,
    room_id text NOT NULL REFERENCES boards,
    patient text NOT NULL,
    severity text NOT NULL,
    needs text[] NOT NULL,
    lat double precision,
    lon double precision,
    area text NOT NULL,
    note text NOT NULL,
    requested_by text NOT NULL,
    created_ms bigint NOT NULL,
    deadline_ms bigint NOT NULL,
    state text NOT NULL,
    owner text NOT NULL,
    waiting_since_ms bigint NOT NULL,
    tier integer NOT NULL DEFAULT 0,
    due_ms bigint,
    closed_ms bigint,
    CHECK ((state IN ('waiting', 'offered')) = (due_ms IS NOT NULL))
);
CREATE INDEX board_requests_room ON board_requests (room_id, waiting_since_ms, request_id);
CREATE INDEX board_requests_due ON board_requests (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX board_requests_closed ON board_requests (closed_ms) WHERE closed_ms IS NOT NULL AND patient <> '';

-- Who was given which bed. No bed is given twice, and nobody is given two: two rows would stand in one index.
CREATE TABLE board_assignments (
    assignment_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id text NOT NULL REFERENCES board_requests,
    bed_id text NOT NULL,
    place integer NOT NULL,
    assigned_by text NOT NULL,
    assigned_ms bigint NOT NULL,
    ended_ms bigint,
    ending text,  -- decline, transfer, withdraw, close
    reason text NOT NULL DEFAULT '',
    FOREIGN KEY (bed_id, place) REFERENCES board_places
);
CREATE UNIQUE INDEX board_assignments_bed ON board_assignments (bed_id, place) WHERE ended_ms IS NULL;
CREATE UNIQUE INDEX board_assignments_request ON board_assignments (request_id) WHERE ended_ms IS NULL;
CREATE INDEX board_assignments_of ON board_assignments (request_id);

-- Each wait for a bed, and how long it was; null while it lasts, and for who never got one.
CREATE TABLE board_waits (
    request_id text NOT NULL REFERENCES board_requests,
    began_ms bigint NOT NULL,
    took_ms bigint,
    room_id text NOT NULL,
    PRIMARY KEY (request_id, began_ms)
);
CREATE INDEX board_waits_room ON board_waits (room_id, began_ms);

-- Who looked at what, on which day.
CREATE TABLE board_access (
    room_id text NOT NULL,
    user_id text NOT NULL,
    what text NOT NULL,
    day bigint NOT NULL,  -- since the epoch
    times bigint NOT NULL,
    PRIMARY KEY (room_id, day, user_id, what)
);
