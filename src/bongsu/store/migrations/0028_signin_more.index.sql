-- Whether an app still has a session.
CREATE INDEX CONCURRENTLY devices_oauth_client ON devices (oauth_client_id) WHERE oauth_client_id IS NOT NULL;
