-- Signing in by browser: OAuth 2.0, passkeys, second factors, and who a person is for other sites.
-- Whatever opens something is kept as its SHA-256 only.

CREATE TABLE browser_sessions (
    session_hash bytea PRIMARY KEY,
    user_id text NOT NULL,
    needs_code boolean NOT NULL,  -- the password was right, the second factor is missing
    proven_at timestamptz NOT NULL DEFAULT now(),  -- when the person last proved who they are
    expires_at timestamptz NOT NULL
);
CREATE INDEX browser_sessions_user ON browser_sessions (user_id);
CREATE INDEX browser_sessions_expires ON browser_sessions (expires_at);

CREATE TABLE oauth_clients (
    client_id text PRIMARY KEY,
    metadata jsonb NOT NULL,
    secret_hash bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz
);
CREATE INDEX oauth_clients_unused ON oauth_clients (created_at) WHERE used_at IS NULL;

-- What a person allowed an app and the app has yet to fetch: by a code, or on a device without a keyboard.
CREATE TABLE oauth_grants (
    grant_hash bytea PRIMARY KEY,
    client_id text NOT NULL,
    scope text NOT NULL,
    state text NOT NULL,  -- asked, allowed, denied, used
    user_id text,
    redirect_uri text,
    challenge text,
    nonce text,
    proven_at timestamptz,
    user_code text UNIQUE,
    poll_seconds integer NOT NULL DEFAULT 0,
    polled_at timestamptz,
    device_id text,  -- of the session it gave
    expires_at timestamptz NOT NULL
);
CREATE INDEX oauth_grants_expires ON oauth_grants (expires_at);

-- Which app a session belongs to, and the grant that opened it.
ALTER TABLE devices ADD COLUMN oauth_client_id text, ADD COLUMN oauth_grant bytea;

-- Refresh tokens whose successor is in use: whoever shows one again has stolen it, or was stolen from.
CREATE TABLE spent_refresh_tokens (
    token_hash bytea PRIMARY KEY,
    user_id text NOT NULL,
    device_id text NOT NULL,
    spent_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX spent_refresh_tokens_device ON spent_refresh_tokens (user_id, device_id);

CREATE TABLE passkeys (
    credential_id bytea PRIMARY KEY,
    user_id text NOT NULL,
    public_key bytea NOT NULL,
    sign_count bigint NOT NULL,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz
);
CREATE INDEX passkeys_user ON passkeys (user_id);

CREATE TABLE passkey_challenges (
    challenge_hash bytea PRIMARY KEY,
    purpose text NOT NULL,  -- whom, or what, it was made for
    expires_at timestamptz NOT NULL
);
CREATE INDEX passkey_challenges_expires ON passkey_challenges (expires_at);

CREATE TABLE one_time_codes (
    user_id text PRIMARY KEY,
    secret text NOT NULL,
    last_step bigint NOT NULL DEFAULT 0  -- a code is good once
);

CREATE TABLE recovery_codes (
    user_id text NOT NULL,
    code_hash bytea NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);

-- New cross-signing keys may be uploaded for some minutes without more proof.
CREATE TABLE cross_signing_resets (
    user_id text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);

-- Tokens that say who somebody is, and allow nothing else.
CREATE TABLE openid_tokens (
    token_hash bytea PRIMARY KEY,
    user_id text NOT NULL,
    scope text NOT NULL,
    oauth_grant bytea,
    expires_at timestamptz NOT NULL
);
CREATE INDEX openid_tokens_expires ON openid_tokens (expires_at);
CREATE INDEX openid_tokens_user ON openid_tokens (user_id);

CREATE TABLE identity_keys (
    key_id text PRIMARY KEY,
    private_pem text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
