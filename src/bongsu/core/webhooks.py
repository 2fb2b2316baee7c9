"""Telling a shop's programs what happened, after the Standard Webhooks specification: names, signatures, pauses."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from bongsu.core import limits
from bongsu.core.addresses import may_ask
from bongsu.core.errors import invalid_param
from bongsu.core.json import JsonObject, encode

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how all of them begin
SECRET_BYTES: Final = 32  # the specification allows 24 to 64
_SCHEMES: Final = ("https", "http")


class Type(StrEnum):
    """What can be told. PING: asked for, to see whether all works."""

    PING = "ping"
    MESSAGE_RECEIVED = "message.received"
    MESSAGE_READ = "message.read"
    CONVERSATION_CHANGED = "conversation.changed"
    FOLLOWER_ADDED = "follower.added"
    FOLLOWER_REMOVED = "follower.removed"
    BROADCAST_FINISHED = "broadcast.finished"
    TEMPLATE_DECIDED = "template.decided"


def secret(random: bytes) -> str:
    """random: SECRET_BYTES of it."""
    return SECRET_PREFIX + base64.b64encode(random).decode()


def signatures(secrets: Sequence[str], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The header webhook-signature: one of each secret that is good now. timestamp: seconds."""
    said = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join(f"v1,{_signature(secret, said)}" for secret in secrets)


def _signature(secret: str, said: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a secret is whsec_ and base64") from None
    return base64.b64encode(hmac.digest(key, said, hashlib.sha256)).decode()


def payload(kind: Type, timestamp: str, data: JsonObject) -> bytes:
    """timestamp: when it happened, as in RFC 3339."""
    return encode({"type": kind.value, "timestamp": timestamp, "data": data})


def check_types(types: Sequence[str]) -> list[str]:
    """Those that are wanted, each once; none: all."""
    known = {each.value for each in Type}
    if odd := [each for each in types if each not in known]:
        raise invalid_param(f"there is no event {odd[0][:100]!r}: there are {', '.join(sorted(known))}")
    return sorted(set(types))


def check_url(url: str, *, allows_private: bool) -> str:
    """allows_private: receivers may stand in private networks, and over plain HTTP there alone."""
    if len(url) > limits.WEBHOOK_URL_CHARACTERS_MAX or not url.isascii() or any(each <= " " for each in url):
        raise invalid_param(f"a url has at most {limits.WEBHOOK_URL_CHARACTERS_MAX} characters, and is percent-encoded")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises for what is none
    except ValueError:
        raise invalid_param("url is no address") from None
    if parts.scheme not in (_SCHEMES if allows_private else _SCHEMES[:1]) or not parts.hostname:
        raise invalid_param("url must begin with https:// and name a host")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise invalid_param("url must hold no user name, password or fragment")
    if not allows_private and _is_private(parts.hostname):
        raise invalid_param("url must name a public host")
    return url


def _is_private(host: str) -> bool:
    """An address that nobody may call. What a name stands for is looked at when it is called."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return not may_ask(host, ())


def pause_seconds(tries: int, random: float, retry_after: float = 0.0) -> float:
    """Until the next try after so many failures: about doubled each time. random: from 0 to 1, so that those who
    failed together do not come back together. retry_after: what the receiver asks for."""
    doubled = limits.WEBHOOK_RETRY_SECONDS_MIN * 2.0 ** min(tries - 1, 20)
    jittered = min(doubled, limits.WEBHOOK_RETRY_SECONDS_MAX) * (0.5 + random)
    return max(jittered, min(retry_after, limits.WEBHOOK_RETRY_SECONDS_MAX))
