"""Keys of end-to-end encryption, as far as a server looks at them: whose they are and what shape they have.

What devices sign of themselves is for clients to verify. Signatures of cross-signing are verified here: each must be
good, and of a key whose signature means something there (client-server API, "End-to-end encryption").
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec

from bongsu.core import ids, limits, signatures
from bongsu.core.errors import Refusal, forbidden, invalid_param, too_large
from bongsu.core.json import JsonObject, canonical, decode

MASTER: Final = "master"
SELF_SIGNING: Final = "self_signing"
USER_SIGNING: Final = "user_signing"
SIGNED_CURVE25519: Final = "signed_curve25519"  # the one algorithm of one-time keys that is in use

Signatures = dict[str, dict[str, str]]  # by user, then by "<algorithm>:<device id or public key>"


class DeviceKeys(msgspec.Struct):
    """The identity of a device. Some clients send it without signatures: it is their readers who check them."""

    user_id: str
    device_id: str
    algorithms: list[str]
    keys: dict[str, str]
    signatures: Signatures = {}


class KeyObject(msgspec.Struct):
    """A signed one-time or fallback key."""

    key: str
    signatures: Signatures


class CrossSigningKey(msgspec.Struct):
    user_id: str
    usage: list[str]
    keys: dict[str, str]
    signatures: Signatures = {}


class StoredKey(msgspec.Struct, frozen=True):
    """A one-time or fallback key. digest: of the key without its signatures, which may differ between two uploads."""

    algorithm: str
    key_id: str
    key: bytes
    digest: bytes


def invalid_signature(message: str) -> Refusal:
    return Refusal(400, "M_INVALID_SIGNATURE", message)


def essence(key: Mapping[str, Any]) -> bytes:
    """What signatures of a key are about: the key without them and without what servers add."""
    return canonical({name: value for name, value in key.items() if name not in ("signatures", "unsigned")})


def _fitting(key: Any, bytes_max: int) -> bytes:
    raw = canonical(key)
    if len(raw) > bytes_max:
        raise too_large(f"a key may have at most {bytes_max} bytes")
    return raw


def device_keys(checked: DeviceKeys, raw: Mapping[str, Any], user_id: str, device_id: str) -> bytes:
    """The keys as they are stored. 400 for those of another device."""
    if (checked.user_id, checked.device_id) != (user_id, device_id):
        raise invalid_param("device_keys must be those of the device that uploads them")
    stored = {"signatures": {}, **{name: value for name, value in raw.items() if name != "unsigned"}}
    return _fitting(stored, limits.DEVICE_KEYS_BYTES_MAX)


def stored_key(name: str, raw: Any) -> StoredKey:
    """A key by its name, "<algorithm>:<key id>"."""
    algorithm, _, key_id = name.partition(":")
    if not algorithm or not key_id:
        raise invalid_param("a key is named <algorithm>:<key id>")
    ids.check_text(name, "the name of a key")
    key = _fitting(raw, limits.ONE_TIME_KEY_BYTES_MAX)
    signed = essence(raw) if isinstance(raw, dict) else key
    return StoredKey(algorithm, key_id, key, sha256(signed).digest()[:16])


def stored_keys(raw: Mapping[str, Any]) -> list[StoredKey]:
    if len(raw) > limits.ONE_TIME_KEYS_MAX:
        raise too_large(f"a device may keep at most {limits.ONE_TIME_KEYS_MAX} one-time keys")
    return [stored_key(name, key) for name, key in raw.items()]


def fallback_keys(raw: Mapping[str, Any]) -> list[StoredKey]:
    """At most one of each algorithm."""
    keys = stored_keys(raw)
    if len({key.algorithm for key in keys}) < len(keys):
        raise invalid_param("there can be one fallback key of each algorithm")
    return keys


# --- cross-signing ---


class SigningKey(msgspec.Struct, frozen=True):
    """A key that signs other keys, as it is stored."""

    usage: str
    public_key: str
    key: bytes
    signatures: Signatures


def signing_key(usage: str, checked: CrossSigningKey, raw: JsonObject, user_id: str) -> SigningKey:
    """400 for a key of somebody else, for another use or of another shape."""
    if checked.user_id != user_id:
        raise invalid_param("cross-signing keys must be your own")
    if usage not in checked.usage:
        raise invalid_param(f'the usage of this key must be "{usage}"')
    if len(checked.keys) != 1:
        raise invalid_param("a cross-signing key has exactly one public key")
    [(name, value)] = checked.keys.items()
    algorithm, _, public_key = name.partition(":")
    if algorithm != "ed25519" or not public_key or public_key != value:
        raise invalid_param("a public key stands as ed25519:<key> before the same <key>")
    if not signatures.is_public_key(public_key):
        raise invalid_param("a public key is 32 bytes in base64")
    return SigningKey(usage, public_key, _fitting(raw, limits.DEVICE_KEYS_BYTES_MAX), checked.signatures)


def check_signed(new: Mapping[str, SigningKey], user_id: str, master_key: str | None) -> None:
    """The other keys must be signed by the master key: the new one or, if there is none, that of before."""
    if MASTER in new:
        master_key = new[MASTER].public_key
    if master_key is None:
        raise Refusal(400, "M_MISSING_PARAM", "there is no master key yet: upload one")
    for usage, key in new.items():
        if usage != MASTER:
            signed = essence(decode(key.key))
            good_signature(key.signatures, signed, user_id, f"{signatures.ED25519}{master_key}", master_key)


def check_no_device_has(new: Mapping[str, SigningKey], device_ids: set[str]) -> None:
    if any(key.public_key in device_ids for key in new.values()):
        raise forbidden("one of your devices has this key as its id")


class Signature(msgspec.Struct, frozen=True):
    """signer_key signed key_id (a device id or a master key) of user_id."""

    user_id: str
    key_id: str
    signer_id: str
    signer_key: str
    signature: str


class Signed(msgspec.Struct):
    """A device's keys or a master key, and who signed it."""

    signatures: Signatures


def good_signature(given: Signatures, signed: bytes, signer_id: str, signer_key: str, public_key: str) -> str:
    """The signature of exactly this key. 400 M_INVALID_SIGNATURE where it is missing or is none."""
    signature = given.get(signer_id, {}).get(signer_key)
    if signature is None:
        raise invalid_signature("it is not signed by a key that may sign it")
    if not signatures.is_good(public_key, signed, signature):
        raise invalid_signature(f"the signature by {signer_key} is not good")
    return signature
