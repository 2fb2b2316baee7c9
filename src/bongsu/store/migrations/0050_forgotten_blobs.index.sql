-- Files of the server itself by age: pictures of previews.
CREATE INDEX CONCURRENTLY media_of_nobody ON media (created_at) WHERE user_id = '';
