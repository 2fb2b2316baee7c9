-- Who types no more is asked every second; whoever has ever typed in a room has a row.
CREATE INDEX CONCURRENTLY typing_until ON typing (until_ms) WHERE until_ms > 0;
