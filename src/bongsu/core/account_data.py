"""Account data that the server itself obeys or changes (client-server API, "Ignoring users", "Invite permission" and
"Direct messaging").
"""

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


def followed(direct: JsonObject, old: str, new: str) -> JsonObject | None:
    """m.direct with a direct chat's successor beside it; None where there is nothing to change."""
    lists = {user: rooms for user, rooms in direct.items() if isinstance(rooms, list)}
    if any(new in rooms for rooms in lists.values()):
        return None
    changed = {user: [*rooms, new] for user, rooms in lists.items() if old in rooms}
    return {**direct, **changed} if changed else None
