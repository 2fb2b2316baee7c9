"""A push gateway and a browser's push service as the tests need them: real HTTP services that may fail."""

import asyncio
import base64
import json
import secrets
import time
from typing import Any

import http_ece  # type: ignore[import-untyped]
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey

from tests.api.talking import V3, Json, Talker
from tests.waiting import until

SECONDS_MAX = 30.0


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Browser:
    """A subscription, and what came for it, decrypted."""

    def __init__(self, vapid: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.auth = secrets.token_bytes(16)
        self.vapid = vapid
        self.told: list[Json] = []
        self.headers: list[dict[str, str]] = []
        self.status = 201
        self.retry_after: str | None = None
        self.tries = 0

    @property
    def pushkey(self) -> str:
        form = serialization.PublicFormat.UncompressedPoint
        return b64(self.key.public_key().public_bytes(serialization.Encoding.X962, form))

    def check_sender(self, origin: str, authorization: str) -> None:
        """As a push service does: signed by the key that the browser subscribed with, for this service."""
        assert authorization.startswith("vapid t=")
        token, key = authorization.removeprefix("vapid t=").split(", k=")
        assert key == self.vapid
        point = unb64(key)
        signer = ECKey.import_key({"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])})
        claims = jwt.decode(token, signer, algorithms=["ES256"]).claims
        assert claims["aud"] == origin
        assert time.time() < claims["exp"] <= time.time() + 24 * 3600
        assert claims["sub"].startswith(("mailto:", "https:"))


class Gateway:
    """told: every notification that it took, in order. status: of its answers; hangs: it takes and never answers;
    rejects: pushkeys that it does not know; may_answer: it answers once this is set.
    """

    def __init__(self) -> None:
        self.port = 0
        self.status = 200
        self.retry_after: str | None = None
        self.hangs = False
        self.rejects: set[str] = set()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.told: list[Json] = []
        self.tries = 0
        self.browsers: dict[str, Browser] = {}
        self.faults: list[BaseException] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/_matrix/push/v1/notify", self._notify)
        app.router.add_post("/browser/{name}", self._push)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        assert not self.faults, self.faults

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/_matrix/push/v1/notify"

    def for_key(self, pushkey: str) -> list[Json]:
        return [each for each in self.told if any(device["pushkey"] == pushkey for device in each["devices"])]

    def event_ids(self, pushkey: str) -> list[str]:
        return [each["event_id"] for each in self.for_key(pushkey) if "event_id" in each]

    async def came(self, pushkey: str, event_id: str) -> Json:
        """The notification about an event, when it has come."""

        async def found() -> list[Json]:
            return [each for each in self.for_key(pushkey) if each.get("event_id") == event_id]

        return (await until(found, bool, SECONDS_MAX))[0]

    async def _notify(self, request: web.Request) -> web.Response:
        self.tries += 1
        said = await request.json()
        if self.hangs:
            await asyncio.sleep(3_600)
        rejects = set(self.rejects)
        await self.may_answer.wait()
        if self.status != 200:
            headers = {} if self.retry_after is None else {"retry-after": self.retry_after}
            return web.json_response({}, status=self.status, headers=headers)
        self.told.append(said["notification"])
        keys = [device["pushkey"] for device in said["notification"]["devices"]]
        return web.json_response({"rejected": [key for key in keys if key in rejects]})

    async def _push(self, request: web.Request) -> web.Response:
        browser = self.browsers[request.match_info["name"]]
        browser.tries += 1
        if browser.status >= 300:
            headers = {} if browser.retry_after is None else {"retry-after": browser.retry_after}
            return web.Response(status=browser.status, headers=headers)
        try:
            browser.check_sender(self.origin, request.headers["authorization"])
            assert request.headers["content-encoding"] == "aes128gcm"
            raw = await request.read()
            assert len(raw) <= 4096
            message = http_ece.decrypt(raw, private_key=browser.key, auth_secret=browser.auth)
        except BaseException as fault:  # a test sees it at the end
            self.faults.append(fault)
            raise
        browser.headers.append({name.lower(): value for name, value in request.headers.items()})
        browser.told.append(json.loads(message))
        return web.Response(status=browser.status)


def pusher(gateway: Gateway, pushkey: str, **more: Any) -> Json:
    """What a client says to be told through the gateway."""
    data = {"url": gateway.url, **more.pop("data", {})}
    names = {"app_display_name": "Test", "device_display_name": "Phone", "lang": "en"}
    return {"kind": "http", "app_id": "org.example.test", "pushkey": pushkey, **names, "data": data, **more}


async def add_pusher(who: Talker, gateway: Gateway, **more: Any) -> str:
    """Sets a pusher and returns its key."""
    pushkey = more.pop("pushkey", secrets.token_hex(8))
    await who.post(f"{V3}/pushers/set", pusher(gateway, pushkey, **more))
    return str(pushkey)
