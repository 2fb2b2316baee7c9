"""Signing in by browser: OAuth 2.0 for apps, single sign-on for older ones, and the pages where people do it.

It stands upon the client-server API's own accounts and sessions (matrix/): a token that an app gets here is a session
like any other.
"""
