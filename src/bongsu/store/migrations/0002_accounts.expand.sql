-- People, their devices and how they sign in.

CREATE TABLE users (
    user_id text PRIMARY KEY,
    password_hash text,
    is_admin boolean NOT NULL DEFAULT false,
    is_guest boolean NOT NULL DEFAULT false,
    deactivated_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE profiles (
    user_id text NOT NULL,
    key_name text NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (user_id, key_name)
);

CREATE TABLE devices (
    user_id text NOT NULL,
    device_id text NOT NULL,
    display_name text,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz,
    seen_address text,
    PRIMARY KEY (user_id, device_id)
);

-- Tokens are kept as SHA-256 only: who reads the database cannot sign in with what it holds.
CREATE TABLE access_tokens (
    token_hash bytea PRIMARY KEY,
    user_id text NOT NULL,
    device_id text NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX access_tokens_device ON access_tokens (user_id, device_id);

CREATE TABLE refresh_tokens (
    token_hash bytea PRIMARY KEY,
    user_id text NOT NULL,
    device_id text NOT NULL,
    access_token_hash bytea NOT NULL,
    next_token_hash bytea,  -- set when it was used; the old one stays good until the new access token is seen
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX refresh_tokens_device ON refresh_tokens (user_id, device_id);

CREATE TABLE login_tokens (
    token_hash bytea PRIMARY KEY,
    user_id text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX login_tokens_expires ON login_tokens (expires_at);

-- Kept as the hash of the session id; `request_hash` is keyed with the session id itself, so that passwords in a
-- request cannot be guessed from it.
CREATE TABLE uia_sessions (
    session_hash bytea PRIMARY KEY,
    purpose text NOT NULL,  -- method and path: a session opened for one thing authorises no other
    request_hash bytea NOT NULL,
    user_id text,
    completed text[] NOT NULL DEFAULT '{}',
    facts jsonb NOT NULL DEFAULT '{}',
    expires_at timestamptz NOT NULL
);
CREATE INDEX uia_sessions_expires ON uia_sessions (expires_at);

CREATE TABLE registration_tokens (
    token text PRIMARY KEY,
    uses_allowed integer,
    used integer NOT NULL DEFAULT 0,
    expires_at timestamptz
);

-- Rate limits, shared by all workers. Lost in a crash, and nobody minds.
CREATE UNLOGGED TABLE rate_limits (
    key text PRIMARY KEY,
    full_at timestamptz NOT NULL
);
