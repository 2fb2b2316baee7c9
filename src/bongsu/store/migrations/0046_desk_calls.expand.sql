-- Agents are told in a chat when a customer waits.
ALTER TABLE desk_settings ADD COLUMN calls boolean NOT NULL DEFAULT true;
