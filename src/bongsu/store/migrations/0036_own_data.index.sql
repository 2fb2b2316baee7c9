-- What somebody has uploaded.
CREATE INDEX CONCURRENTLY media_user ON media (user_id, media_id) WHERE sha256 IS NOT NULL;
