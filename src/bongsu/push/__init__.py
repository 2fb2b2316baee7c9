"""Telling people's apps that something happened: who is concerned, what to say, and saying it until it is heard."""
