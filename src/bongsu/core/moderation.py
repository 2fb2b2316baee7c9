"""What is left to people whose account was locked or suspended (client-server API, "Account locking", "… suspension").

Who is locked can sign out, and nothing else. Who is suspended reads, leaves rooms and takes back their own messages,
but changes nothing that others see.
"""

from typing import Final

from bongsu.core.errors import Refusal
from bongsu.core.requester import Requester

_LOCKED_MAY: Final = frozenset({"logout", "logout/all"})
_SUSPENDED_MAY_NOT: Final = frozenset(
    {
        ("POST", "createRoom"),
        ("POST", "join/{room_id_or_alias}"),
        ("POST", "knock/{room_id_or_alias}"),
        ("POST", "rooms/{room_id}/join"),
        ("POST", "rooms/{room_id}/invite"),
        ("POST", "rooms/{room_id}/kick"),
        ("POST", "rooms/{room_id}/ban"),
        ("POST", "rooms/{room_id}/unban"),
        ("POST", "rooms/{room_id}/upgrade"),
        ("PUT", "rooms/{room_id}/send/{event_type}/{txn_id}"),
        ("PUT", "rooms/{room_id}/state/{event_type}/{state_key}"),
        ("PUT", "rooms/{room_id}/state/{event_type}"),
        ("PUT", "profile/{user_id}/{key_name}"),
        ("DELETE", "profile/{user_id}/{key_name}"),
        ("PUT", "directory/room/{room_alias}"),
        ("DELETE", "directory/room/{room_alias}"),
        ("PUT", "directory/list/room/{room_id}"),
        ("POST", "account/3pid/delete"),
    }
)


def locked() -> Refusal:
    return Refusal(
        401, "M_USER_LOCKED", "this account is locked; ask who runs this server", fields={"soft_logout": True}
    )


def suspended() -> Refusal:
    return Refusal(403, "M_USER_SUSPENDED", "this account is suspended: it can read, but not take part")


def check(requester: Requester, method: str, template: str) -> None:
    """Refuses what the requester's account may not do now. template: of the route, such as /_matrix/client/v3/sync."""
    if not (requester.is_locked or requester.is_suspended):
        return
    path = template.split("/", 4)[-1]
    if requester.is_locked and path not in _LOCKED_MAY:
        raise locked()
    if requester.is_suspended and (method, path) in _SUSPENDED_MAY_NOT:
        raise suspended()
