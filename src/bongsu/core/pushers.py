"""Pushers: where somebody's app is told that something happened (client-server API, "Push Notifications").

A pusher of kind "http" names a push gateway. One of kind "webpush" is a browser's push subscription (MSC4174): pushkey
is its public key, data.url (older clients: data.endpoint) its address and data.auth its secret.
"""

import binascii
import ipaddress
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from bongsu.core import base64url, limits
from bongsu.core.addresses import may_ask
from bongsu.core.errors import bad_json, invalid_param, missing_param
from bongsu.core.ids import check_text
from bongsu.core.json import JsonObject, encode

HTTP: Final = "http"
WEB_PUSH: Final = "webpush"
_UNSTABLE_WEB_PUSH: Final = "org.matrix.msc4174.webpush"
KINDS: Final = (HTTP, WEB_PUSH, _UNSTABLE_WEB_PUSH)
EVENT_ID_ONLY: Final = "event_id_only"
LANES: Final = 32  # as many as the table has rows
_GATEWAY_PATH: Final = "/_matrix/push/v1/notify"
_AUTH_BYTES: Final = 16
_NEEDED: Final = ("app_display_name", "device_display_name", "lang", "data")


class Key(msgspec.Struct, frozen=True):
    """Which of a person's pushers. append: other people's with the same key stay."""

    app_id: str
    pushkey: str
    append: bool = False


class Pusher(msgspec.Struct, frozen=True, kw_only=True):
    """What a client said of it. data: as the client sent it."""

    app_id: str
    pushkey: str
    kind: str
    app_display_name: str
    device_display_name: str
    profile_tag: str | None
    lang: str
    data: JsonObject

    @property
    def is_web_push(self) -> bool:
        return self.kind != HTTP

    @property
    def url(self) -> str:
        return address_of(self.kind, self.data)


def address_of(kind: str, data: JsonObject) -> str:
    url = data.get("url") if kind == HTTP else data.get("url", data.get("endpoint"))
    return url if isinstance(url, str) else ""


def lane_of(user_id: str) -> int:
    return binascii.crc32(user_id.encode()) % LANES


def parse_key(body: JsonObject) -> Key:
    for name in ("kind", "app_id", "pushkey"):
        if name not in body:
            raise missing_param(f"{name} is missing")
    app_id, pushkey = _text(body, "app_id", limits.APP_ID_BYTES_MAX), _text(body, "pushkey", limits.PUSHKEY_BYTES_MAX)
    if not app_id or not pushkey:
        raise invalid_param("app_id and pushkey must not be empty")
    append = body.get("append", False)
    if not isinstance(append, bool):
        raise bad_json("append must be true or false")
    return Key(app_id, pushkey, append)


def parse(body: JsonObject, key: Key, *, allows_private: bool) -> Pusher:
    """The pusher that a body sets. allows_private: gateways may stand in private networks, and speak plain HTTP."""
    missing = [name for name in _NEEDED if body.get(name) is None]
    if missing:
        raise missing_param(f"missing: {', '.join(missing)}")
    kind = _text(body, "kind", limits.ID_BYTES_MAX)
    if kind not in KINDS:
        raise invalid_param(f"kind must be {HTTP} or {WEB_PUSH}")
    pusher = Pusher(
        app_id=key.app_id,
        pushkey=key.pushkey,
        kind=kind,
        app_display_name=_text(body, "app_display_name", limits.DISPLAY_NAME_BYTES_MAX),
        device_display_name=_text(body, "device_display_name", limits.DISPLAY_NAME_BYTES_MAX),
        profile_tag=None if body.get("profile_tag") is None else _text(body, "profile_tag", limits.ID_BYTES_MAX),
        lang=_text(body, "lang", limits.ID_BYTES_MAX),
        data=_data(body["data"]),
    )
    _check(pusher, allows_private)
    return pusher


def _text(body: JsonObject, name: str, bytes_max: int) -> str:
    value = body[name]
    if not isinstance(value, str):
        raise bad_json(f"{name} must be a text")
    return check_text(value, name, bytes_max)


def _data(value: Any) -> JsonObject:
    if not isinstance(value, dict):
        raise bad_json("data must be an object")
    if len(encode(value)) > limits.PUSHER_DATA_BYTES_MAX:
        raise invalid_param(f"data may have at most {limits.PUSHER_DATA_BYTES_MAX} bytes")
    if value.get("format") not in (None, EVENT_ID_ONLY):
        raise invalid_param(f"data.format must be {EVENT_ID_ONLY}, or left out")
    return value


def _check(pusher: Pusher, allows_private: bool) -> None:
    if not pusher.url:
        raise missing_param("data.url is missing")
    parts = _parts(pusher.url)
    _check_address(parts, allows_private)
    if pusher.is_web_push:
        _check_subscription(pusher)
    elif parts.path != _GATEWAY_PATH:
        raise invalid_param(f"the path of data.url must be {_GATEWAY_PATH}")


def _parts(url: str) -> SplitResult:
    """The address, taken apart, if it can be one."""
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_place = False
    is_plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= limits.PUSH_URL_BYTES_MAX
    if not has_place or not is_plain or parts.username is not None or parts.fragment:
        raise invalid_param("data.url is no address that can be pushed to")
    return parts


def _check_address(parts: SplitResult, allows_private: bool) -> None:
    if parts.scheme != "https" and not (allows_private and parts.scheme == "http"):
        raise invalid_param("data.url must begin with https://")
    if not allows_private and _is_private_literal(parts.hostname or ""):
        raise invalid_param("data.url is not an address in the public internet")


def _is_private_literal(host: str) -> bool:
    """Names are looked up when something is sent; here only what needs no look."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return not may_ask(host, ())


def _check_subscription(pusher: Pusher) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec  # here, because it is large and few need it

    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), base64url.decode(pusher.pushkey))
    except ValueError:
        raise invalid_param("pushkey must be the subscription's P-256 public key, in URL-safe base64") from None
    auth = pusher.data.get("auth")
    if auth is None:
        raise missing_param("data.auth is missing")
    if not _is_secret(auth):
        raise invalid_param("data.auth must be the subscription's 16 bytes, in URL-safe base64")


def _is_secret(auth: object) -> bool:
    try:
        return isinstance(auth, str) and len(base64url.decode(auth)) == _AUTH_BYTES
    except ValueError:
        return False
