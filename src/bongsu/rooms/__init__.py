"""Rooms as this worker knows them, and every way to change one. Endpoints come here; from here it goes to the store."""
