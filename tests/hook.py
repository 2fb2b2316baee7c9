"""A shop's program that is told by webhooks: a real HTTP service that checks signatures and may fail."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable

from aiohttp import web

from tests.api.talking import Json
from tests.waiting import until

SECONDS_MAX = 60.0


class Receiver:
    """told: what it took, in order, each with its webhook-id. status: of its answers; hangs: it never answers.

    ids: of every try, also of those that it refused. secrets: by any of which a try must be signed.
    """

    def __init__(self) -> None:
        self.port = 0
        self.status = 200
        self.hangs = False
        self.secrets: list[str] = []
        self.told: list[tuple[str, Json]] = []
        self.ids: list[str] = []
        self.signatures: list[str] = []
        self.faults: list[str] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/hook", self._hook)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        assert not self.faults, self.faults

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def of(self, kind: str) -> list[Json]:
        return [body["data"] for _, body in self.told if body["type"] == kind]

    async def heard(self, kind: str, is_so: Callable[[list[Json]], bool] = bool) -> list[Json]:
        """What it was told of a kind, once that is as wanted."""

        async def found() -> list[Json]:
            return self.of(kind)

        return await until(found, is_so, SECONDS_MAX)

    async def tried(self, count: int) -> None:
        async def tries() -> int:
            return len(self.ids)

        await until(tries, lambda found: found >= count, SECONDS_MAX)

    async def _hook(self, request: web.Request) -> web.Response:
        raw = await request.read()
        webhook_id, timestamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        self.ids.append(webhook_id)
        self.signatures.append(request.headers["webhook-signature"])
        if abs(time.time() - int(timestamp)) > 300:
            self.faults.append(f"{webhook_id} is of another time")
        if self.secrets and not self._is_signed(request.headers["webhook-signature"], webhook_id, timestamp, raw):
            self.faults.append(f"{webhook_id} is signed by nobody")
        if self.hangs:
            await asyncio.sleep(3_600)
        if self.status < 300:
            self.told.append((webhook_id, json.loads(raw)))
        return web.Response(status=self.status)

    def _is_signed(self, given: str, webhook_id: str, timestamp: str, raw: bytes) -> bool:
        said = f"{webhook_id}.{timestamp}.".encode() + raw
        keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in self.secrets]
        good = {f"v1,{base64.b64encode(hmac.digest(key, said, hashlib.sha256)).decode()}" for key in keys}
        return bool(good.intersection(given.split(" ")))
