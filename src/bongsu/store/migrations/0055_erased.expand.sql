-- Since when somebody wants to be erased: who comes into a room later sees nothing of what they said there. 0: wanted,
-- and its place in the stream is not yet found.
ALTER TABLE users ADD COLUMN erased_pos bigint;
