-- A channel is handed over to somebody who says yes: to whom it is offered, and until when they may.
ALTER TABLE channels ADD COLUMN offered_to text;
ALTER TABLE channels ADD COLUMN offered_until bigint;
