"""The bed board of a room: who waits for a bed, who has one, and who must answer next."""
