"""The edge: parse, limit, authenticate, rate-limit, answer. Nothing behind it sees a byte that was not checked here."""
