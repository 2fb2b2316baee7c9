-- How much somebody uploaded in a day is looked at before they upload more.
CREATE INDEX CONCURRENTLY media_user_day ON media (user_id, created_at) WHERE sha256 IS NOT NULL;
