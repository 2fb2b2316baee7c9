"""What people without an account may do (client-server API, "Guest Access"): read, and talk where rooms let them in."""

from collections.abc import Mapping
from typing import Any, Final

from bongsu.core.errors import Refusal

CAN_JOIN: Final = "can_join"  # what m.room.guest_access says where guests may come in

_READ: Final = (
    *("sync", "events", "joined_rooms", "capabilities", "versions", "account/whoami", "devices", "devices/{device_id}"),
    *("rooms/{room_id}/initialSync", "rooms/{room_id}/messages", "rooms/{room_id}/event/{event_id}"),
    *("rooms/{room_id}/context/{event_id}", "rooms/{room_id}/timestamp_to_event", "rooms/{room_id}/threads"),
    *("rooms/{room_id}/state", "rooms/{room_id}/state/{event_type}", "rooms/{room_id}/state/{event_type}/{state_key}"),
    *("rooms/{room_id}/members", "rooms/{room_id}/joined_members", "rooms/{room_id}/hierarchy"),
    *("rooms/{room_id}/relations/{event_id}", "rooms/{room_id}/relations/{event_id}/{rel_type}"),
    "rooms/{room_id}/relations/{event_id}/{rel_type}/{event_type}",
    *("profile/{user_id}", "profile/{user_id}/{key_name}", "user/{user_id}/filter/{filter_id}", "keys/changes"),
    *(
        "directory/room/{room_alias}",
        "room_summary/{room_id_or_alias}",
        "im.nheko.summary/summary/{room_id_or_alias}",
        "pushrules",
        "pushrules/",
    ),
    *("media/config", "media/download/{server_name}/{media_id}", "media/download/{server_name}/{media_id}/{file_name}"),
    "media/thumbnail/{server_name}/{media_id}",
)
_POST: Final = (
    *("join/{room_id_or_alias}", "rooms/{room_id}/join", "rooms/{room_id}/leave", "rooms/{room_id}/forget"),
    *("rooms/{room_id}/receipt/{receipt_type}/{event_id}", "rooms/{room_id}/read_markers", "publicRooms"),
    *("keys/upload", "keys/query", "keys/claim", "user/{user_id}/filter", "logout", "logout/all"),
)
_PUT: Final = (
    *("rooms/{room_id}/send/{event_type}/{txn_id}", "rooms/{room_id}/typing/{user_id}", "devices/{device_id}"),
    *("sendToDevice/{event_type}/{txn_id}", "profile/{user_id}/{key_name}"),
)
MAY: Final = frozenset(
    [*(("GET", path) for path in _READ), *(("POST", path) for path in _POST), *(("PUT", path) for path in _PUT)]
)


def no_guests(message: str) -> Refusal:
    return Refusal(403, "M_GUEST_ACCESS_FORBIDDEN", message)


def check(method: str, template: str, params: Mapping[str, str]) -> None:
    """Refuses a guest what is not for guests. template, params: of the route, such as /_matrix/client/v3/sync."""
    path = template.split("/", 4)[-1]
    if ("GET" if method == "HEAD" else method, path) not in MAY:
        raise no_guests("this is not for guests: make an account first")
    if method == "PUT" and params.get("key_name", "displayname") != "displayname":
        raise no_guests("guests have a display name and no other profile")


def admits(guest_access: Mapping[str, Any] | None) -> bool:
    """Does a room with this m.room.guest_access let guests in?"""
    return guest_access is not None and guest_access.get("guest_access") == CAN_JOIN
