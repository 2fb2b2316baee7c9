-- What 0012 and 0020 say of secrets, put right.
COMMENT ON COLUMN one_time_codes.secret IS 'Not hashed: the codes are computed from it';
COMMENT ON COLUMN identity_keys.private_pem IS 'Not hashed: it signs';
COMMENT ON COLUMN validations.token_hash IS 'Never null; of a mail that proves nothing, the hash of a token nobody was sent';

-- Apps that nobody has signed in with for long.
CREATE INDEX oauth_clients_used ON oauth_clients (used_at) WHERE used_at IS NOT NULL;
