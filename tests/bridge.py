"""A bridge as the tests need one: a real HTTP service that takes transactions, makes people and rooms, and may fail."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from tests.server import SERVER_NAME

Json = dict[str, Any]
AS_TOKEN, HS_TOKEN = "as-0123456789abcdef", "hs-0123456789abcdef"


class Bridge:
    """What it was told, in order. status: of its answers to transactions; hangs: it takes them and never answers;
    makes: what it does when it is asked.
    """

    def __init__(self, name: str = "bridge", as_token: str = AS_TOKEN) -> None:
        self.name = name
        self.as_token = as_token
        self.port = 0
        self.status = 200
        self.hangs = False
        self.tries: list[tuple[str, bytes]] = []
        self.taken: list[tuple[str, Json]] = []
        self.asked: list[str] = []
        self.pings: list[Json] = []
        self.ping_status = 200
        self.makes: Any = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_put("/_matrix/app/v1/transactions/{txn_id}", self._transaction)
        app.router.add_post("/_matrix/app/v1/ping", self._ping)
        app.router.add_get("/_matrix/app/v1/{kind:users|rooms}/{what}", self._query)
        app.router.add_get("/_matrix/app/v1/thirdparty/{tail:.*}", self._third_party)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def events(self) -> list[Json]:
        """All that was taken, each transaction once, in the order in which they first came."""
        return [event for _, body in dict(self.taken).items() for event in body["events"]]

    @property
    def ephemeral(self) -> list[Json]:
        return [event for _, body in dict(self.taken).items() for event in body.get("ephemeral", [])]

    def write(self, folder: Path, *, with_url: bool = True) -> Path:
        """Its registration, as bridges generate it."""
        path = folder / f"{self.name}.yaml"
        lines = [
            f"id: {self.name}",
            f"url: http://127.0.0.1:{self.port}" if with_url else "url: null",
            f"as_token: {self.as_token}",
            f"hs_token: {HS_TOKEN}",
            f"sender_localpart: {self.name}bot",
            "rate_limited: false",
            "receive_ephemeral: true",
            "protocols: [gram]",
            "namespaces:",
            "  users:",
            f"    - regex: '@{self.name}_.*:{SERVER_NAME}'",
            "      exclusive: true",
            "  aliases:",
            f"    - regex: '#{self.name}_.*:{SERVER_NAME}'",
            "      exclusive: true",
            "  rooms:",
        ]
        path.write_text("\n".join(lines) + "\n")
        return path

    def _is_known(self, request: web.Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {HS_TOKEN}"

    async def _transaction(self, request: web.Request) -> web.Response:
        if not self._is_known(request):
            return web.json_response({"errcode": "M_FORBIDDEN"}, status=403)
        txn_id, raw = request.match_info["txn_id"], await request.read()
        self.tries.append((txn_id, raw))
        if self.hangs:
            await asyncio.sleep(3_600)
        if self.status == 200:
            self.taken.append((txn_id, json.loads(raw)))
        return web.json_response({}, status=self.status)

    async def _ping(self, request: web.Request) -> web.Response:
        self.pings.append(await request.json())
        if self.hangs:
            await asyncio.sleep(3_600)
        return web.json_response({}, status=self.ping_status)

    async def _query(self, request: web.Request) -> web.Response:
        what = unquote(request.match_info["what"])
        self.asked.append(what)
        is_made = self.makes is not None and await self.makes(what)
        return web.json_response({} if is_made else {"errcode": "M_NOT_FOUND"}, status=200 if is_made else 404)

    async def _third_party(self, request: web.Request) -> web.Response:
        tail, query = request.match_info["tail"], request.query
        gram = {"protocol": "gram", "fields": {"name": "ann"}}
        user = {**gram, "userid": f"@{self.name}_ann:{SERVER_NAME}"}
        location = {**gram, "alias": f"#{self.name}_hall:{SERVER_NAME}"}
        answers: dict[str, Any] = {
            "protocol/gram": {
                "user_fields": ["name"],
                "location_fields": ["name"],
                "icon": "mxc://test.example/icon",
                "field_types": {"name": {"regexp": ".+", "placeholder": "ann"}},
                "instances": [{"network_id": "gramnet", "desc": "Gram", "fields": {}}],
            },
            "user/gram": [user] if query.get("name") == "ann" else [],
            "user": [user] if query.get("userid") == user["userid"] else [],
            "location/gram": [location, {"alias": 5}] if query.get("name") == "hall" else [],
            "location": [location] if query.get("alias") == location["alias"] else [],
        }
        if tail not in answers:
            return web.json_response({"errcode": "M_NOT_FOUND"}, status=404)
        return web.json_response(answers[tail])
