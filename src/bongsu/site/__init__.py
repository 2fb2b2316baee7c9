"""This site: its health, its front page, its figures for monitoring."""
