"""The official mark of a channel: what the operator signed (Ed25519 over canonical JSON), for clients to verify.

Pure. Times in ms. What is signed is the canonical JSON of the fields of Certified; signatures and keys are in base64.
"""

import base64
from hashlib import sha256

import msgspec

from bongsu.core import ed25519
from bongsu.core.json import canonical
from bongsu.core.signatures import is_good


class Certified(msgspec.Struct, frozen=True):
    """A channel as it was looked at: a name or an account that changed since is not what was certified."""

    channel_id: str
    name: str
    account: str
    valid_from: int
    valid_until: int


def signed_bytes(certified: Certified) -> bytes:
    return canonical(msgspec.to_builtins(certified))


def sign(private: bytes, certified: Certified) -> str:
    """private: 32 bytes."""
    return base64.b64encode(ed25519.sign(private, signed_bytes(certified))).decode()


def public_of(private: bytes) -> str:
    return base64.b64encode(ed25519.public_of(private)).decode()


def key_id(public: str) -> str:
    """The name of a public key."""
    return f"ed25519:{sha256(public.encode()).hexdigest()[:12]}"


def is_valid(public: str, certified: Certified, signature: str, now_ms: int) -> bool:
    """Does the mark hold now? As every client asks it."""
    holds = certified.valid_from <= now_ms < certified.valid_until
    return holds and is_good(public, signed_bytes(certified), signature)
