-- Channels' accounts look for invitations among the rooms of all their customers.
CREATE INDEX CONCURRENTLY members_invited ON members (user_id) WHERE membership = 'invite';
