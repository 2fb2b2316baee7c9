-- Pictures of previews that a message or a room shows itself, which clients do with what a preview gave them: they stay.
ALTER TABLE media ADD COLUMN is_referred boolean NOT NULL DEFAULT false;
