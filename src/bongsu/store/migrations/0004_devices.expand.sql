-- Keys of end-to-end encryption, and messages from device to device. The server keeps both and can read neither.

-- As uploaded. What others sign of it later stands in key_signatures.
CREATE TABLE device_keys (
    user_id text NOT NULL,
    device_id text NOT NULL,
    keys bytea NOT NULL,
    PRIMARY KEY (user_id, device_id)
);

-- A claimed key is forgotten, its digest is not: a late retry of its upload must not bring it back.
CREATE TABLE one_time_keys (
    user_id text NOT NULL,
    device_id text NOT NULL,
    algorithm text NOT NULL,
    key_id text NOT NULL,
    key bytea,  -- null: claimed
    digest bytea NOT NULL,
    pos bigint NOT NULL,  -- of the upload: the oldest is claimed first
    claimed_at timestamptz,
    PRIMARY KEY (user_id, device_id, algorithm, key_id)
);
CREATE INDEX one_time_keys_oldest ON one_time_keys (user_id, device_id, algorithm, pos, key_id) WHERE key IS NOT NULL;

CREATE TABLE fallback_keys (
    user_id text NOT NULL,
    device_id text NOT NULL,
    algorithm text NOT NULL,
    key_id text NOT NULL,
    key bytea NOT NULL,
    digest bytea NOT NULL,
    used boolean NOT NULL DEFAULT false,
    PRIMARY KEY (user_id, device_id, algorithm)
);

-- How many keys a device has left, so that a sync need not count them.
CREATE TABLE key_stocks (
    user_id text NOT NULL,
    device_id text NOT NULL,
    one_time bytea NOT NULL,  -- JSON: unclaimed keys by algorithm
    unused_fallback text[] NOT NULL,  -- algorithms
    pos bigint NOT NULL,
    PRIMARY KEY (user_id, device_id)
);
CREATE INDEX key_stocks_pos ON key_stocks (pos);

CREATE TABLE cross_signing_keys (
    user_id text NOT NULL,
    usage text NOT NULL,  -- master, self_signing, user_signing
    public_key text NOT NULL,
    key bytea NOT NULL,
    PRIMARY KEY (user_id, usage)
);

-- key_id: a device id, or the public key of a master key.
CREATE TABLE key_signatures (
    user_id text NOT NULL,
    key_id text NOT NULL,
    signer_id text NOT NULL,
    signer_key text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (user_id, key_id, signer_id, signer_key)
);
CREATE INDEX key_signatures_signer ON key_signatures (signer_id, signer_key);

-- Where the keys of a person's devices last changed. seen_by '': everybody who shares a room with the person;
-- else somebody who signed their master key, which nobody else is shown.
CREATE TABLE device_lists (
    user_id text NOT NULL,
    seen_by text NOT NULL DEFAULT '',
    pos bigint NOT NULL,
    PRIMARY KEY (user_id, seen_by)
);
CREATE INDEX device_lists_pos ON device_lists (pos);

-- A message is deleted when its device has asked for what comes after it.
CREATE TABLE to_device (
    pos bigint PRIMARY KEY,
    user_id text NOT NULL,
    device_id text NOT NULL,
    sender text NOT NULL,
    type text NOT NULL,
    content bytea NOT NULL
);
CREATE INDEX to_device_device ON to_device (user_id, device_id, pos);

-- Requests that were carried out, by the transaction key of their sender's device.
CREATE TABLE to_device_sent (
    user_id text NOT NULL,
    device_id text NOT NULL,
    txn_key bytea NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, device_id, txn_key)
);
