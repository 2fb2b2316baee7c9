"""Account data that the server itself obeys (client-server API, "Ignoring users" and "Invite permission")."""

from typing import Final

from bongsu.core.json import JsonObject

IGNORED_USERS: Final = "m.ignored_user_list"
INVITES: Final = "m.invite_permission_config"


def ignored_users(content: JsonObject) -> frozenset[str]:
    """Whose messages and invitations the person does not want to see."""
    named = content.get("ignored_users")
    return frozenset(named) if isinstance(named, dict) else frozenset()


def blocks_invites(content: JsonObject) -> bool:
    """Does the person want no invitations at all?"""
    return content.get("default_action") == "block"
