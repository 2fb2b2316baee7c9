"""Identifiers and their grammar (appendices, "Identifier Grammar"). Checks only; nothing here makes an id at random."""

import re
from typing import Final

from bongsu.core import limits
from bongsu.core.errors import invalid_param

_LOCALPART: Final = re.compile(r"[a-z0-9._=/+-]+")  # what new users may choose
_HISTORICAL_LOCALPART: Final = re.compile(r"[\x21-\x39\x3b-\x7e]*")  # what may be met
_SERVER_NAME: Final = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z.-]{1,255})(:[0-9]{1,5})?")
_OPAQUE: Final = re.compile(r"[0-9A-Za-z._~/+=-]+")
_EVENT_ID: Final = re.compile(r"\$([0-9A-Za-z_-]{43}|[0-9A-Za-z+/]{43})")  # a hash in one of two alphabets
_SERVER_EVENT_ID: Final = re.compile(r"\$[\x21-\x39\x3b-\x7e]+:.+")  # room versions 1 and 2
_HASH_ROOM_ID: Final = re.compile(r"![0-9A-Za-z_-]{43}")
_MEDIA_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,255}")
_SERVER_ROOM_ID: Final = re.compile(r"![^:\x00]+:.+", re.DOTALL)


def _fits(identifier: str) -> bool:
    return len(identifier.encode("utf-8", "surrogatepass")) <= limits.ID_BYTES_MAX


def is_server_name(name: str) -> bool:
    return _SERVER_NAME.fullmatch(name) is not None


def user_id(localpart: str, server_name: str) -> str:
    return f"@{localpart}:{server_name}"


def split(identifier: str) -> tuple[str, str]:
    """(localpart without sigil, server name). Server name is empty where there is none (room version 12 room ids)."""
    localpart, _, server = identifier[1:].partition(":")
    return localpart, server


def is_user_id(identifier: object) -> bool:
    if not isinstance(identifier, str) or not identifier.startswith("@") or not _fits(identifier):
        return False
    localpart, server = split(identifier)
    return bool(_HISTORICAL_LOCALPART.fullmatch(localpart)) and is_server_name(server)


def is_new_localpart(localpart: str, server_name: str) -> bool:
    """May a person register under this name? Lower-case ASCII only, so that look-alikes cannot be made."""
    return is_localpart(localpart) and _fits(user_id(localpart, server_name))


def is_localpart(localpart: str) -> bool:
    """Is it made of what new names are made of? It may be too long."""
    return _LOCALPART.fullmatch(localpart) is not None


def is_room_id(identifier: object) -> bool:
    if not isinstance(identifier, str) or not _fits(identifier):
        return False
    if _SERVER_ROOM_ID.fullmatch(identifier):
        return is_server_name(split(identifier)[1])
    return bool(_HASH_ROOM_ID.fullmatch(identifier))


def is_event_id(identifier: object) -> bool:
    if not isinstance(identifier, str) or not _fits(identifier):
        return False
    if _SERVER_EVENT_ID.fullmatch(identifier):
        return is_server_name(split(identifier)[1])
    return bool(_EVENT_ID.fullmatch(identifier))


def is_alias(identifier: object) -> bool:
    if not isinstance(identifier, str) or not identifier.startswith("#") or not _fits(identifier):
        return False
    localpart, server = split(identifier)
    return bool(localpart) and "\x00" not in localpart and is_server_name(server)


def is_media_id(identifier: str) -> bool:
    return bool(_MEDIA_ID.fullmatch(identifier))


def is_opaque(identifier: str) -> bool:
    """The protocol's opaque identifier grammar (room versions, session ids, client secrets)."""
    return bool(_OPAQUE.fullmatch(identifier)) and _fits(identifier)


def check_user_id(identifier: object) -> str:
    if not is_user_id(identifier):
        raise invalid_param("that is not a user id; it looks like @name:server")
    assert isinstance(identifier, str)
    return identifier


def check_text(value: str, name: str, bytes_max: int = limits.ID_BYTES_MAX) -> str:
    """An opaque string that the store must be able to hold: bounded, and without NUL."""
    if "\x00" in value or len(value.encode("utf-8", "surrogatepass")) > bytes_max:
        raise invalid_param(f"{name} must be at most {bytes_max} bytes and hold no NUL")
    return value
