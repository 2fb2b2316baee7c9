"""Web Push: what a browser's push service takes (RFC 8030), encrypted for the browser (RFC 8291), signed (RFC 8292).

The key that browsers know this server by is made once and kept in the database, so that all sites have the same.
"""

import base64
from collections import OrderedDict
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import http_ece  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey

from bongsu.core import limits
from bongsu.core.pushers import Pusher, decoded
from bongsu.store import pushing
from bongsu.store.database import Database

_ORIGINS_MAX: Final = 1_000  # signatures kept: there are a handful of push services
_RENEWED_SECONDS: Final = 3_600  # before a signature ends, it is made anew
_TTL_SECONDS: Final = int(limits.PUSH_GIVEN_UP_SECONDS)  # how long a push service keeps it for a browser that is away


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Vapid:
    """start() before anything is signed. contact: an address of mail or the web, for who runs a push service."""

    def __init__(self, contact: str, now_ms: Callable[[], int]) -> None:
        self._contact = contact
        self._now_ms = now_ms
        self._public = ""
        self._signing: ECKey | None = None
        self._signed: OrderedDict[str, tuple[int, str]] = OrderedDict()

    async def start(self, database: Database) -> None:
        """The key that was kept first is everybody's."""
        made = ec.generate_private_key(ec.SECP256R1())
        number = int(await pushing.web_push_key(database, str(made.private_numbers().private_value)))
        private = ec.derive_private_key(number, ec.SECP256R1())
        point = private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self._public = _text(point)
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._signing = ECKey.import_key(pem)

    def public_key(self) -> str:
        """The point, uncompressed, in URL-safe base64: what browsers subscribe with."""
        return self._public

    def authorization(self, url: str) -> str:
        """The header by which a push service knows who sends."""
        parts = urlsplit(url)
        return f"vapid t={self._token(f'{parts.scheme}://{parts.netloc}')}, k={self._public}"

    def _token(self, origin: str) -> str:
        now = self._now_ms() // 1000
        until, token = self._signed.get(origin, (0, ""))
        if until - _RENEWED_SECONDS < now:
            assert self._signing is not None
            until = now + limits.PUSH_VAPID_SECONDS
            claims = {"aud": origin, "exp": until, "sub": self._contact}
            token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, self._signing)
            self._signed[origin] = until, token
            if len(self._signed) > _ORIGINS_MAX:
                self._signed.popitem(last=False)
        return token


def sealed(pusher: Pusher, message: bytes) -> bytes:
    """The message, for nobody but the browser to read."""
    key = ec.generate_private_key(ec.SECP256R1())
    auth = decoded(pusher.data["auth"])
    body: bytes = http_ece.encrypt(message, private_key=key, dh=decoded(pusher.pushkey), auth_secret=auth)
    return body


def headers(vapid: Vapid, pusher: Pusher, *, is_urgent: bool) -> dict[str, str]:
    return {
        "authorization": vapid.authorization(pusher.url),
        "content-encoding": "aes128gcm",
        "content-type": "application/octet-stream",
        "ttl": str(_TTL_SECONDS),
        "urgency": "high" if is_urgent else "normal",
    }
