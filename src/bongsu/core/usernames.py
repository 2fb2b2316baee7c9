"""Names that people type: the one they want to have, and the one they sign in with."""

from typing import Final

from bongsu.core import ids, limits
from bongsu.core.errors import Refusal
from bongsu.core.services import exclusive

SPEAKER: Final = "server-notices"  # in whose name the server speaks to people
BOOKINGS: Final = "bookings"  # and services
BOARDS: Final = "bed-board"
CHANNELS: Final = "channels"  # speaks to those who run channels
CHANNEL: Final = "channel-"  # begins the names of channels' accounts
SERVICES: Final = (BOOKINGS, BOARDS, CHANNELS)
_RESERVED: Final = frozenset({SPEAKER, *SERVICES})


def new_user_id(username: str, server_name: str) -> str:
    """The user id for a wanted name. Capitals become small, as phones write them; the rest must fit the grammar."""
    if username.startswith("@") and username.endswith(f":{server_name}"):
        username = ids.split(username)[0]
    localpart = _lower(username)
    if len(username) > limits.USERNAME_BYTES_MAX or not ids.is_new_localpart(localpart, server_name):
        raise Refusal(400, "M_INVALID_USERNAME", _why_not(localpart, server_name))
    if _is_reserved(localpart):
        raise exclusive("this user name")
    return ids.user_id(localpart, server_name)


def _why_not(localpart: str, server_name: str) -> str:
    if localpart.startswith("@"):
        return f"user ids here look like @name:{server_name}; the name alone will do"
    if ids.is_localpart(localpart):
        return "this user name is too long"
    return "a user name is made of a-z, 0-9 and . _ = - / +"


def known_user_id(user: str, server_name: str) -> str | None:
    """The user id somebody means who types a user name or a whole user id. None: nobody's here."""
    localpart, server = ids.split(user) if user.startswith("@") else (user, server_name)
    user_id = ids.user_id(_lower(localpart), server_name)
    return user_id if server == server_name and ids.is_user_id(user_id) else None


def is_servers(user_id: str) -> bool:
    """Is it one in whose name the server, a service or a channel speaks?"""
    return _is_reserved(ids.split(user_id)[0])


def _is_reserved(localpart: str) -> bool:
    return localpart in _RESERVED or localpart.startswith(CHANNEL)


def _lower(localpart: str) -> str:
    """Only A-Z have small letters here: some look-alikes (such as the Kelvin sign) would become ASCII by lower()."""
    return localpart.lower() if localpart.isascii() else localpart
