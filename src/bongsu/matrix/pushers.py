"""GET /pushers · POST /pushers/set · GET /_bongsu/v1/webpush"""

from collections.abc import Awaitable, Callable

from bongsu.core import pushers
from bongsu.core.json import JsonObject
from bongsu.core.pushers import Pusher
from bongsu.core.tiers import Tier
from bongsu.http.authentication import unknown_token
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Auth, Route, client_routes
from bongsu.store import pushers as table
from bongsu.store.database import Database


class Pushers:
    """web_push_key: what browsers subscribe with, in URL-safe base64; heard: is told of whom a pusher was set."""

    def __init__(
        self,
        database: Database,
        web_push_key: Callable[[], Awaitable[str]],
        heard: Callable[[str], None],
        *,
        allows_private: bool,
    ) -> None:
        self._database = database
        self._web_push_key = web_push_key
        self._heard = heard
        self._allows_private = allows_private

    def routes(self) -> list[Route]:
        return [
            *client_routes("GET", "/pushers", self.all, tier=Tier.PUSH),
            *client_routes("POST", "/pushers/set", self.set, bucket="write", tier=Tier.PUSH),
            Route("GET", "/_bongsu/v1/webpush", self.web_push, Auth.NONE, tier=Tier.PUSH),
        ]

    async def all(self, request: Request) -> Response:
        found = await table.of_person(self._database, request.requester.user_id)
        return reply({"pushers": [_shown(pusher) for pusher in found]})

    async def set(self, request: Request) -> Response:
        body = await request.json()
        key = pushers.parse_key(body)
        who = request.requester
        if body["kind"] is None:
            await table.delete(self._database, who.user_id, key)
            return empty()
        pusher = pushers.parse(body, key, allows_private=self._allows_private)
        if not await table.put(self._database, who.user_id, who.device_id, pusher, key):
            raise unknown_token(soft_logout=False)
        self._heard(who.user_id)
        return empty()

    async def web_push(self, _: Request) -> Response:
        return reply({"enabled": True, "vapid": await self._web_push_key()})


def _shown(pusher: Pusher) -> JsonObject:
    shown: JsonObject = {
        "app_id": pusher.app_id,
        "pushkey": pusher.pushkey,
        "kind": pusher.kind,
        "app_display_name": pusher.app_display_name,
        "device_display_name": pusher.device_display_name,
        "lang": pusher.lang,
        "data": pusher.data,
    }
    if pusher.profile_tag is not None:
        shown["profile_tag"] = pusher.profile_tag
    if pusher.is_web_push:
        shown["activated"] = True
    return shown
