-- Who was erased is read at every start, and looked for in the stream; there are few.
CREATE INDEX CONCURRENTLY users_erased ON users (erased_pos) WHERE erased_pos IS NOT NULL;
