"""Signatures of JSON (appendices, "Signing JSON"): ed25519 over the canonical form."""

import base64
import binascii
from typing import Final

from bongsu.core import ed25519

ED25519: Final = "ed25519:"  # before the name of such a key
_KEY_BYTES: Final = 32


def _decode(text: str) -> bytes:
    """Base64 with or without padding. Raises ValueError for anything else."""
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def is_public_key(text: str) -> bool:
    """Could this be an ed25519 key?"""
    try:
        return len(_decode(text)) == _KEY_BYTES
    except ValueError:
        return False


def is_good(public_key: str, signed: bytes, signature: str) -> bool:
    """Did the holder of this key sign these bytes? Both texts in base64; nonsense is no signature."""
    try:
        return ed25519.is_good(_decode(public_key), signed, _decode(signature))
    except ValueError:
        return False
