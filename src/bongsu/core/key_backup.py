"""Room keys in a backup: what shape they have. What is in them only the person's devices can read."""

from collections.abc import Iterable
from typing import Annotated

import msgspec

from bongsu.core import ids, limits
from bongsu.core.errors import invalid_param, too_large
from bongsu.core.json import JsonObject, canonical

Count = Annotated[int, msgspec.Meta(ge=0, le=limits.INTEGER_MAX)]


class KeyData(msgspec.Struct):
    """One room key as clients send it. session_data: encrypted."""

    first_message_index: Count
    forwarded_count: Count
    is_verified: bool
    session_data: JsonObject


class BackedUpKey(msgspec.Struct, frozen=True):
    """One room key as it is stored. session_data: JSON."""

    room_id: str
    session_id: str
    first_message_index: int
    forwarded_count: int
    is_verified: bool
    session_data: bytes


def backed_up_key(room_id: str, session_id: str, key: KeyData) -> BackedUpKey:
    """413 for one that is larger than any real one, 400 for names that are none."""
    if not room_id.startswith("!"):
        raise invalid_param("room ids begin with !")
    ids.check_text(room_id, "a room id")
    ids.check_text(session_id, "a session id")
    raw = bounded(key.session_data, "session_data", limits.KEY_BACKUP_KEY_BYTES_MAX)
    return BackedUpKey(room_id, session_id, key.first_message_index, key.forwarded_count, key.is_verified, raw)


def bounded(value: JsonObject, name: str, bytes_max: int) -> bytes:
    """The value as JSON; 413 where that is too long."""
    raw = canonical(value)
    if len(raw) > bytes_max:
        raise too_large(f"{name} may have at most {bytes_max} bytes")
    return raw


def columns(keys: Iterable[BackedUpKey]) -> list[list[object]]:
    """The keys as one list for each field, in the order of the fields."""
    rows = [msgspec.structs.astuple(key) for key in keys]
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in BackedUpKey.__struct_fields__]
