"""Tickets that can be checked without a network: what is booked, signed with Ed25519 (RFC 8032).

A ticket is "B1." payload "." signature, both in base64url without padding; signed is all before the last point.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from bongsu.core import base64url, ed25519
from bongsu.core.errors import invalid_param

_VERSION: Final = "B1"
_BYTES_MAX: Final = 1_024


class Ticket(msgspec.Struct, frozen=True):
    """No name: who checks it sees that it is real, for what, and that each is used once. Times in ms."""

    booking_id: str
    offer_id: str
    starts_at: int
    ends_at: int


def issue(private: bytes, ticket: Ticket) -> str:
    """private: 32 bytes."""
    signed = f"{_VERSION}.{base64url.encode(msgspec.json.encode(ticket))}"
    return f"{signed}.{base64url.encode(ed25519.sign(private, signed.encode()))}"


def check(public: Sequence[bytes], text: str) -> Ticket:
    """The ticket, if it was issued with one of these keys. 400 for any other."""
    signed, _, signature = text.rpartition(".")
    version, _, payload = signed.partition(".")
    try:
        if version != _VERSION or len(text) > _BYTES_MAX:
            raise ValueError
        if not any(ed25519.is_good(key, signed.encode("ascii"), base64url.decode(signature)) for key in public):
            raise ValueError
        return msgspec.json.decode(base64url.decode(payload), type=Ticket)
    except (ValueError, msgspec.MsgspecError):
        raise invalid_param("this is no ticket of this server") from None
