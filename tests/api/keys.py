"""Keys as clients make them, for the tests of what a server does with them. Nothing is really signed."""

import base64
import secrets
from typing import Any

from tests.api.talking import V3, Json, Talker

CURVE = "signed_curve25519"


def random_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def device_keys(talker: Talker, **more: Any) -> Json:
    device_id = talker.device_id
    return {
        "user_id": talker.user_id,
        "device_id": device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {f"curve25519:{device_id}": random_key(), f"ed25519:{device_id}": random_key()},
        "signatures": {talker.user_id: {f"ed25519:{device_id}": random_key()}},
        **more,
    }


def one_time_key(talker: Talker, **more: Any) -> Json:
    return {"key": random_key(), "signatures": {talker.user_id: {f"ed25519:{talker.device_id}": random_key()}}, **more}


def one_time_keys(talker: Talker, *key_ids: str) -> Json:
    return {f"{CURVE}:{key_id}": one_time_key(talker) for key_id in key_ids}


async def publish(talker: Talker, *key_ids: str) -> Json:
    """Uploads an identity and one-time keys, and gives the identity."""
    keys = device_keys(talker)
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


def signing_key(talker: Talker, usage: str, public_key: str, master_key: str | None = None) -> Json:
    """A cross-signing key, said to be signed by the master key."""
    key: Json = {"user_id": talker.user_id, "usage": [usage], "keys": {f"ed25519:{public_key}": public_key}}
    if master_key is not None:
        key["signatures"] = {talker.user_id: {f"ed25519:{master_key}": random_key()}}
    return key


def signing_keys(talker: Talker) -> tuple[Json, dict[str, str]]:
    """(body for an upload, public keys by usage)."""
    public = {usage: random_key() for usage in ("master", "self_signing", "user_signing")}
    master = public["master"]
    body = {
        f"{usage}_key": signing_key(talker, usage, key, None if usage == "master" else master)
        for usage, key in public.items()
    }
    return body, public
