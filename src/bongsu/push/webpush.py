"""Web Push: what a browser's push service takes (RFC 8030), encrypted for the browser (RFC 8291), signed (RFC 8292).

The key that browsers know this server by is made once and kept in the database, so that all sites have the same.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bongsu.core import base64url, limits
from bongsu.core.pushers import Pusher
from bongsu.store import pushing
from bongsu.store.database import Database

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from joserfc.jwk import ECKey

_ORIGINS_MAX: Final = 1_000  # signatures kept: there are a handful of push services
_RENEWED_SECONDS: Final = 3_600  # before a signature ends, it is made anew
_TTL_SECONDS: Final = int(limits.PUSH_GIVEN_UP_SECONDS)  # how long a push service keeps it for a browser that is away


class Vapid:
    """The key and what it signs. contact: an address of mail or the web, for who runs a push service.

    The libraries take 9 MB and are loaded when a browser is told something, or by who asks for the key first of all.
    """

    def __init__(self, contact: str, database: Database, now_ms: Callable[[], int]) -> None:
        self._contact = contact
        self._database = database
        self._now_ms = now_ms
        self._public = ""
        self._signing: ECKey | None = None
        self._signed: OrderedDict[str, tuple[int, str]] = OrderedDict()

    async def start(self) -> None:
        self._public = await pushing.web_push_public(self._database) or ""

    async def public_key(self) -> str:
        """The point, uncompressed, in URL-safe base64: what browsers subscribe with."""
        if not self._public:
            await self._key()
        return self._public

    async def _key(self) -> "ECKey":
        """The key that was kept first is everybody's."""
        if self._signing is None:
            private = _private(int(await pushing.web_push_key(self._database, _new_number)))
            public = _point(private)
            if not self._public and self._database.has_primary:
                await pushing.keep_web_push_public(self._database, public)
            self._public, self._signing = public, _signing(private)
        return self._signing

    async def authorization(self, url: str) -> str:
        """The header by which a push service knows who sends."""
        parts = urlsplit(url)
        token = await self._token(f"{parts.scheme}://{parts.netloc}")
        return f"vapid t={token}, k={await self.public_key()}"

    async def _token(self, origin: str) -> str:
        from joserfc import jwt

        now = self._now_ms() // 1000
        until, token = self._signed.get(origin, (0, ""))
        if until - _RENEWED_SECONDS < now:
            until = now + limits.PUSH_VAPID_SECONDS
            claims = {"aud": origin, "exp": until, "sub": self._contact}
            token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, await self._key())
            self._signed[origin] = until, token
            if len(self._signed) > _ORIGINS_MAX:
                self._signed.popitem(last=False)
        return token


def _new_number() -> str:
    from cryptography.hazmat.primitives.asymmetric import ec

    return str(ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value)


def _private(number: int) -> "EllipticCurvePrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.derive_private_key(number, ec.SECP256R1())


def _point(private: "EllipticCurvePrivateKey") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return base64url.encode(private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


def _signing(private: "EllipticCurvePrivateKey") -> "ECKey":
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from joserfc.jwk import ECKey

    return ECKey.import_key(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def sealed(pusher: Pusher, message: bytes) -> bytes:
    """The message, for nobody but the browser to read."""
    import http_ece  # type: ignore[import-untyped]
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    auth = base64url.decode(pusher.data["auth"])
    body: bytes = http_ece.encrypt(message, private_key=key, dh=base64url.decode(pusher.pushkey), auth_secret=auth)
    return body


async def headers(vapid: Vapid, pusher: Pusher, *, is_urgent: bool) -> dict[str, str]:
    return {
        "authorization": await vapid.authorization(pusher.url),
        "content-encoding": "aes128gcm",
        "content-type": "application/octet-stream",
        "ttl": str(_TTL_SECONDS),
        "urgency": "high" if is_urgent else "normal",
    }
