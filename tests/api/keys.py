"""Keys as clients make them, for the tests of what a server does with them.

Only what a server verifies is really signed: the signatures of cross-signing.
"""

import base64
import json
import secrets
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.api.talking import V3, Json, Talker

CURVE = "signed_curve25519"


def unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


class Signer:
    """An ed25519 key. public: as others know it."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.public = unpadded(self._private.public_key().public_bytes_raw())

    @property
    def name(self) -> str:
        return f"ed25519:{self.public}"

    def sign(self, key: Json) -> str:
        """The signature of a key, which may have others already."""
        bare = {field: value for field, value in key.items() if field not in ("signatures", "unsigned")}
        text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return unpadded(self._private.sign(text.encode()))


def random_key() -> str:
    return unpadded(secrets.token_bytes(32))


def device_keys(talker: Talker, signer: Signer | None = None, **more: Any) -> Json:
    """signer: the device's own key, where it will sign something."""
    device_id = talker.device_id
    public = random_key() if signer is None else signer.public
    return {
        "user_id": talker.user_id,
        "device_id": device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {f"curve25519:{device_id}": random_key(), f"ed25519:{device_id}": public},
        "signatures": {talker.user_id: {f"ed25519:{device_id}": random_key()}},
        **more,
    }


def one_time_key(talker: Talker, **more: Any) -> Json:
    return {"key": random_key(), "signatures": {talker.user_id: {f"ed25519:{talker.device_id}": random_key()}}, **more}


def one_time_keys(talker: Talker, *key_ids: str) -> Json:
    return {f"{CURVE}:{key_id}": one_time_key(talker) for key_id in key_ids}


async def publish(talker: Talker, *key_ids: str, signer: Signer | None = None) -> Json:
    """Uploads an identity and one-time keys, and gives the identity."""
    keys = device_keys(talker, signer)
    await talker.post(f"{V3}/keys/upload", {"device_keys": keys, "one_time_keys": one_time_keys(talker, *key_ids)})
    return keys


async def query(talker: Talker, *others: Talker) -> Any:
    return await talker.post(f"{V3}/keys/query", {"device_keys": {other.user_id: [] for other in others}})


async def claim(talker: Talker, other: Talker, algorithm: str = CURVE) -> Json:
    """The key that was claimed, by its name; empty for none."""
    wanted = {other.user_id: {other.device_id: algorithm}}
    answer = await talker.post(f"{V3}/keys/claim", {"one_time_keys": wanted})
    keys: Json = answer["one_time_keys"].get(other.user_id, {}).get(other.device_id, {})
    return keys


def signing_key(talker: Talker, usage: str, signer: Signer, master: Signer | None = None) -> Json:
    """A cross-signing key, signed by the master key."""
    key: Json = {"user_id": talker.user_id, "usage": [usage], "keys": {signer.name: signer.public}}
    if master is not None:
        key["signatures"] = {talker.user_id: {master.name: master.sign(key)}}
    return key


def signing_keys(talker: Talker) -> tuple[Json, dict[str, Signer]]:
    """(body for an upload, the keys by usage)."""
    signers = {usage: Signer() for usage in ("master", "self_signing", "user_signing")}
    master = signers["master"]
    body = {
        f"{usage}_key": signing_key(talker, usage, signer, None if usage == "master" else master)
        for usage, signer in signers.items()
    }
    return body, signers
