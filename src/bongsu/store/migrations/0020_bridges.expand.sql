-- Application services, looking after accounts, mail addresses of people, and what the server tells them.

-- Locked: signed in, and may do nothing but sign out. Suspended: may read, and change nothing that others see.
ALTER TABLE users ADD COLUMN locked boolean NOT NULL DEFAULT false;
ALTER TABLE users ADD COLUMN suspended boolean NOT NULL DEFAULT false;
ALTER TABLE users ADD COLUMN service_id text;  -- the application service that made the account

-- An application service, and how far it was told. `txn_body` is a transaction that was made and not yet answered: it
-- is sent again, unchanged and with its number, until it is. `told_pos` moves to `txn_to` when it is. One worker at a
-- time tells a service: whoever holds the lease; what a holder of before writes is refused by the fence.
CREATE TABLE services (
    service_id text PRIMARY KEY,
    registration bytea NOT NULL,  -- JSON, with its tokens
    told_pos bigint NOT NULL,
    txn_id bigint NOT NULL DEFAULT 0,
    txn_to bigint,
    txn_body bytea,
    tries integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    fence bigint NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity'
);

-- Rooms that an application service publishes under a network of its own.
CREATE TABLE network_rooms (
    service_id text NOT NULL,
    network_id text NOT NULL,
    room_id text NOT NULL,
    PRIMARY KEY (service_id, network_id, room_id)
);
CREATE INDEX network_rooms_room ON network_rooms (room_id);

-- Mail addresses that people have proven to be theirs. `address` is in the form that is compared.
CREATE TABLE third_party_ids (
    medium text NOT NULL,
    address text NOT NULL,
    user_id text NOT NULL,
    validated_ms bigint NOT NULL,
    added_ms bigint NOT NULL,
    PRIMARY KEY (medium, address)
);
CREATE INDEX third_party_ids_user ON third_party_ids (user_id);

-- Proofs under way: a link was sent to an address, and a click on it sets validated_at. A client names one by sid and
-- its secret; of secret and token the SHA-256 alone is kept. token_hash null: a mail went out that proves nothing.
CREATE TABLE validations (
    sid text PRIMARY KEY,
    purpose text NOT NULL,  -- register, password, add
    secret_hash bytea NOT NULL,
    address text NOT NULL,
    send_attempt bigint NOT NULL,
    token_hash bytea,
    next_link text,
    validated_at timestamptz,
    expires_at timestamptz NOT NULL,
    UNIQUE (purpose, secret_hash, address)
);
CREATE UNIQUE INDEX validations_token ON validations (token_hash) WHERE token_hash IS NOT NULL;
CREATE INDEX validations_expires ON validations (expires_at);

-- Mail that is owed. A row goes when the mail server has taken it, or when it is too old to be of use.
CREATE TABLE mails (
    mail_id text PRIMARY KEY,  -- also the Message-ID's left part: a mail that is sent twice is shown once
    recipient text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX mails_due ON mails (due_at);

-- The room in which the server speaks to a person.
CREATE TABLE notice_rooms (
    user_id text PRIMARY KEY,
    room_id text NOT NULL
);
CREATE INDEX notice_rooms_room ON notice_rooms (room_id);
