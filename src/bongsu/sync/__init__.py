"""What a device is told: who waits for what, what changed since a token, and how it is said."""
