"""Spaces: rooms that hold rooms (client-server API, "Spaces")."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from bongsu.core import ids
from bongsu.core.events import Event
from bongsu.core.json import JsonObject

CHILD: Final = "m.space.child"
SPACE: Final = "m.space"
_ORDER_LENGTH_MAX: Final = 50  # the protocol's number


def children(state: Iterable[Event], *, suggested_only: bool) -> list[Event]:
    """The m.space.child events that name a child, in the order in which clients show them."""
    found = [event for event in state if event.type == CHILD and _names_child(event)]
    if suggested_only:
        found = [event for event in found if event.content.get("suggested") is True]
    return sorted(found, key=_place)


def _names_child(event: Event) -> bool:
    """Without `via` a child was taken out again."""
    via: Any = event.content.get("via")
    return isinstance(via, list) and bool(via) and ids.is_room_id(event.state_key)


def _place(event: Event) -> tuple[bool, str, int, str]:
    order: Any = event.content.get("order")
    valid = isinstance(order, str) and len(order) <= _ORDER_LENGTH_MAX and all(" " <= each <= "~" for each in order)
    return not valid, order if valid else "", event.ts_ms, event.state_key or ""


def stripped(event: Event) -> JsonObject:
    """A child as the hierarchy tells of it."""
    return {
        "type": event.type,
        "state_key": event.state_key,
        "content": msgspec.Raw(event.content_json),
        "sender": event.sender,
        "origin_server_ts": event.ts_ms,
    }
