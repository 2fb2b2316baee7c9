"""Who may see a room's past, read from the two lists of changes that decide it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from bongsu.core.events import HISTORY_VISIBILITY, MEMBER
from bongsu.core.visibility import Visibility, value_of
from bongsu.store.rooms import Reads


class _Said(msgspec.Struct):
    membership: Any = None
    history_visibility: Any = None


class _Pdu(msgspec.Struct):
    content: _Said


_said: Final = msgspec.json.Decoder(_Pdu)

_VISIBILITY: Final = f"""
SELECT room_id, pos, type, pdu,
    $3 AND EXISTS (SELECT 1 FROM members m WHERE m.user_id = $2 AND m.room_id = changes.room_id
                   AND m.forgotten_pos IS NOT NULL) AS hidden
FROM (
    SELECT room_id, pos, type, pdu FROM events WHERE room_id = ANY($1) AND type = '{MEMBER}' AND state_key = $2
    UNION ALL
    SELECT room_id, pos, type, pdu FROM events
    WHERE room_id = ANY($1) AND type = '{HISTORY_VISIBILITY}' AND state_key = ''
) AS changes ORDER BY pos
"""


async def load(reads: Reads, room_id: str, user_id: str, erased: Mapping[str, int]) -> Visibility:
    """What this person may see of the room. Who has forgotten the room is a stranger to it. erased: Rooms.erased."""
    return (await load_many(reads, [room_id], user_id, erased))[room_id]


async def load_many(
    reads: Reads, room_ids: Sequence[str], user_id: str, erased: Mapping[str, int], *, though_forgotten: bool = False
) -> dict[str, Visibility]:
    """load() for several rooms in one query. though_forgotten: whoever has forgotten a room is no stranger to it."""
    memberships: dict[str, list[tuple[int, str]]] = {room_id: [] for room_id in room_ids}
    values: dict[str, list[tuple[int, str]]] = {room_id: [] for room_id in room_ids}
    for row in await reads.fetch(_VISIBILITY, list(room_ids), user_id, not though_forgotten):
        content = _said.decode(row["pdu"]).content
        if row["type"] == HISTORY_VISIBILITY:
            values[row["room_id"]].append((row["pos"], value_of(content.history_visibility)))
        elif not row["hidden"]:
            stated = content.membership
            memberships[row["room_id"]].append((row["pos"], stated if isinstance(stated, str) else "leave"))
    return {room_id: Visibility(memberships[room_id], values[room_id], erased) for room_id in memberships}
