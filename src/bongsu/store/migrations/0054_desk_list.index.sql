-- A desk's list of all conversations, whatever their state, is read in its order: who waits longest, then the newest.
CREATE INDEX CONCURRENTLY desk_conversations_all ON desk_conversations (channel_id, place, conversation_id);
