"""Pure rules of the protocol: no I/O, no clock, no randomness, no asyncio. Everything they need is passed in."""
