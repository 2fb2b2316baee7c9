"""What people take along from a room that was replaced into its successor, when they come into that.

It is only what the successor has nothing of yet: a later choice is not undone by coming in again.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from bongsu.core import account_data, ids, pushrules
from bongsu.core.errors import Refusal
from bongsu.core.events import CREATE
from bongsu.core.json import JsonObject, decode, encode
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.personal import EditAccountData
from bongsu.rooms.room import WorkingRoom
from bongsu.store import personal

Follow = Callable[[JsonObject, str, str], JsonObject | None]  # (content, old room, new room) -> content, if it changes

_TAGS: Final = "m.tag"


async def take_along(batch: RoomBatch, room: WorkingRoom, user_id: str) -> None:
    """The person's tags, push rules and mark of a direct chat. To be called last, when nothing can be refused any more:
    a commit does not take such rows back (Rows.back_to).
    """
    old = _predecessor(room)
    if old is None:
        return
    tags = await personal.account_data(batch.connection, user_id, old, _TAGS)
    if tags is not None:
        await EditAccountData(user_id, room.room_id, _TAGS, lambda present: present or tags).run(batch)
    for kind, follow in _FOLLOWED:
        present = await personal.account_data(batch.connection, user_id, "", kind)
        if present is not None and follow(decode(present), old, room.room_id) is not None:
            await EditAccountData(user_id, "", kind, partial(_changed, follow, old, room.room_id)).run(batch)


def _changed(follow: Follow, old: str, new: str, present: bytes | None) -> bytes:
    changed = follow(decode(present or b"{}"), old, new)
    return encode(changed) if changed is not None else present or b"{}"


def _predecessor(room: WorkingRoom) -> str | None:
    create = room.get(CREATE)
    named = create.content.get("predecessor") if create else None
    old = named.get("room_id") if isinstance(named, dict) else None
    return old if isinstance(old, str) and ids.is_room_id(old) and old != room.room_id else None


def _rules(stored: JsonObject, old: str, new: str) -> JsonObject | None:
    try:
        return pushrules.followed(stored, old, new)
    except Refusal:  # the person may have no more rules
        return None


_FOLLOWED: Final[tuple[tuple[str, Follow], ...]] = (("m.push_rules", _rules), ("m.direct", account_data.followed))
