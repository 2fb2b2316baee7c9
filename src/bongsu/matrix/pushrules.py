"""GET pushrules/ · GET pushrules/global/ · GET, PUT, DELETE pushrules/global/{kind}/{ruleId} ·
GET, PUT …/enabled, …/actions
"""

from collections.abc import Callable

from bongsu.core import pushrules
from bongsu.core.errors import bad_json
from bongsu.core.json import JsonObject, decode, encode
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Route, client_routes
from bongsu.rooms.personal import EditAccountData
from bongsu.store import personal
from bongsu.store.committer import Committer
from bongsu.store.database import Database

_TYPE = "m.push_rules"
_RULE = "/pushrules/global/{kind}/{rule_id}"
Edit = Callable[[JsonObject | None], JsonObject]


class PushRules:
    """What a person wants to be told of."""

    def __init__(self, database: Database, committer: Committer) -> None:
        self._database = database
        self._committer = committer

    def routes(self) -> list[Route]:
        return [
            *client_routes("GET", "/pushrules/", self.all, tier=Tier.PUSH),
            *client_routes("GET", "/pushrules", self.all, tier=Tier.PUSH),
            *client_routes("GET", "/pushrules/global/", self.all_global, tier=Tier.PUSH),
            *client_routes("GET", "/pushrules/global", self.all_global, tier=Tier.PUSH),
            *client_routes("GET", _RULE, self.get, tier=Tier.PUSH),
            *client_routes("PUT", _RULE, self.put, bucket="write", tier=Tier.PUSH),
            *client_routes("DELETE", _RULE, self.delete, bucket="write", tier=Tier.PUSH),
            *client_routes("GET", f"{_RULE}/enabled", self.enabled, tier=Tier.PUSH),
            *client_routes("PUT", f"{_RULE}/enabled", self.set_enabled, bucket="write", tier=Tier.PUSH),
            *client_routes("GET", f"{_RULE}/actions", self.actions, tier=Tier.PUSH),
            *client_routes("PUT", f"{_RULE}/actions", self.set_actions, bucket="write", tier=Tier.PUSH),
        ]

    async def _stored(self, request: Request) -> JsonObject | None:
        raw = await personal.account_data(self._database, request.requester.user_id, "", _TYPE)
        return None if raw is None else decode(raw)

    async def _ruleset(self, request: Request) -> JsonObject:
        return pushrules.ruleset(request.requester.user_id, await self._stored(request))

    async def _rule(self, request: Request) -> JsonObject:
        stored = await self._stored(request)
        return pushrules.get_rule(request.requester.user_id, stored, request.params["kind"], request.params["rule_id"])

    async def all(self, request: Request) -> Response:
        return reply({"global": await self._ruleset(request)})

    async def all_global(self, request: Request) -> Response:
        return reply(await self._ruleset(request))

    async def get(self, request: Request) -> Response:
        return reply(await self._rule(request))

    async def enabled(self, request: Request) -> Response:
        return reply({"enabled": (await self._rule(request))["enabled"]})

    async def actions(self, request: Request) -> Response:
        return reply({"actions": (await self._rule(request))["actions"]})

    async def put(self, request: Request) -> Response:
        kind, rule_id, body = request.params["kind"], request.params["rule_id"], await request.json()
        before, after = request.query.get("before"), request.query.get("after")
        return await self._edit(
            request, lambda stored: pushrules.put_rule(stored, kind, rule_id, body, before=before, after=after)
        )

    async def delete(self, request: Request) -> Response:
        kind, rule_id = request.params["kind"], request.params["rule_id"]
        return await self._edit(request, lambda stored: pushrules.delete_rule(stored, kind, rule_id))

    async def set_enabled(self, request: Request) -> Response:
        kind, rule_id = request.params["kind"], request.params["rule_id"]
        enabled = (await request.json()).get("enabled")
        if not isinstance(enabled, bool):
            raise bad_json("enabled must be true or false")
        return await self._edit(request, lambda stored: pushrules.set_enabled(stored, kind, rule_id, enabled))

    async def set_actions(self, request: Request) -> Response:
        kind, rule_id = request.params["kind"], request.params["rule_id"]
        actions = (await request.json()).get("actions")
        return await self._edit(request, lambda stored: pushrules.set_actions(stored, kind, rule_id, actions))

    async def _edit(self, request: Request, edit: Edit) -> Response:
        """Read, change and write in one commit: two clients that edit at once both keep their change."""

        def change(raw: bytes | None) -> bytes:
            return encode(edit(None if raw is None else decode(raw)))

        await self._committer.submit(EditAccountData(request.requester.user_id, "", _TYPE, change))
        return empty()
