"""Tickets that can be checked without a network: what is booked, signed with Ed25519 (RFC 8032).

A ticket is "B1." payload "." signature, both in base64url without padding; signed is all before the last point.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

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
    signed = f"{_VERSION}.{_text(msgspec.json.encode(ticket))}"
    return f"{signed}.{_text(Ed25519PrivateKey.from_private_bytes(private).sign(signed.encode()))}"


def public_of(private: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def check(public: Sequence[bytes], text: str) -> Ticket:
    """The ticket, if it was issued with one of these keys. 400 for any other."""
    signed, _, signature = text.rpartition(".")
    version, _, payload = signed.partition(".")
    try:
        if version != _VERSION or len(text) > _BYTES_MAX:
            raise ValueError
        if not any(_is_signed(key, _bytes(signature), signed.encode("ascii")) for key in public):
            raise ValueError
        return msgspec.json.decode(_bytes(payload), type=Ticket)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise invalid_param("this is no ticket of this server") from None


def _is_signed(public: bytes, signature: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
