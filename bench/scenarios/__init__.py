"""The scenarios, each with what it builds, what it measures and what is promised of it."""
