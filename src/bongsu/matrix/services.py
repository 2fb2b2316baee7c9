"""What clients and application services ask of each other through this server.

POST /_matrix/client/v1/appservice/{service_id}/ping
PUT  /directory/list/appservice/{network_id}/{room_id}
GET  /thirdparty/protocols · /thirdparty/protocol/{protocol}
GET  /thirdparty/location · /thirdparty/location/{protocol} · /thirdparty/user · /thirdparty/user/{protocol}
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from bongsu.core import ids, services
from bongsu.core.errors import Refusal, forbidden, invalid_param, not_found
from bongsu.core.json import JsonObject
from bongsu.core.services import Service
from bongsu.core.tiers import Tier
from bongsu.http.request import Request
from bongsu.http.response import Response, empty, reply
from bongsu.http.router import Route, client_routes
from bongsu.http.service_calls import ServiceCalls, ServiceSilent, ask_all
from bongsu.http.services import Services
from bongsu.matrix.service_tellings import ServiceTellings
from bongsu.rooms.services import SetOnNetwork
from bongsu.store.committer import Committer

_APP = "/_matrix/app/v1"


class _Ping(msgspec.Struct):
    transaction_id: str | None = None


class _Visibility(msgspec.Struct):
    visibility: Literal["public", "private"]


class ServiceEndpoints:
    """Ping, networks of rooms, and who is who on the other side of a bridge."""

    def __init__(self, known: Services, calls: ServiceCalls, tellings: ServiceTellings, committer: Committer) -> None:
        self._services = known
        self._calls = calls
        self._tellings = tellings
        self._committer = committer

    def routes(self) -> list[Route]:
        listed = "/directory/list/appservice/{network_id}/{room_id}"
        lookups = {
            "/thirdparty/protocols": self.protocols,
            "/thirdparty/protocol/{protocol}": self.protocol,
            "/thirdparty/location": self.location,
            "/thirdparty/location/{protocol}": self.locations,
            "/thirdparty/user": self.user,
            "/thirdparty/user/{protocol}": self.users,
        }
        return [
            Route("POST", "/_matrix/client/v1/appservice/{service_id}/ping", self.ping, bucket="write"),
            *client_routes("PUT", listed, self.list_on_network, bucket="write"),
            *(
                route
                for path, handler in lookups.items()
                for route in client_routes("GET", path, handler, bucket="search", tier=Tier.SEARCH)
            ),
        ]

    # --- for services ---

    async def ping(self, request: Request) -> Response:
        transaction_id = (await request.read(_Ping)).transaction_id
        service = await self._own(request, request.params["service_id"])
        if service.registration.url is None:
            raise Refusal(400, "M_URL_NOT_SET", "the registration of this application service has no url")
        began = time.monotonic()
        try:
            answer = await self._calls.ping(service, transaction_id)
        except ServiceSilent as silence:
            status, errcode = (504, "M_CONNECTION_TIMEOUT") if silence.timed_out else (502, "M_CONNECTION_FAILED")
            raise Refusal(status, errcode, str(silence)) from None
        if not 200 <= answer.status < 300:
            said = {"status": answer.status, "body": answer.body.decode(errors="replace")}
            raise Refusal(502, "M_BAD_STATUS", f"the service answered {answer.status}", fields=said)
        await self._tellings.try_now(service.id)
        return reply({"duration_ms": round((time.monotonic() - began) * 1_000)})

    async def list_on_network(self, request: Request) -> Response:
        published = (await request.read(_Visibility)).visibility == "public"
        service = await self._own(request)
        network_id = ids.check_text(request.params["network_id"], "the network's id")
        room_id = request.params["room_id"]
        if not ids.is_room_id(room_id):
            raise not_found("there is no such room")
        user_id = request.requester.user_id
        await self._committer.submit(SetOnNetwork(service.id, network_id, room_id, user_id, published))
        return empty()

    async def _own(self, request: Request, service_id: str | None = None) -> Service:
        """The service that asks, which must be the one that is named."""
        asks = request.requester.service_id
        service = None if asks is None else await self._services.by_id(asks)
        if service is None or service_id not in (None, service.id):
            raise forbidden("this needs the application service's own as_token")
        return service

    # --- for clients ---

    async def protocols(self, _: Request) -> Response:
        names = {name for service in await self._services.current() for name in service.registration.protocols or ()}
        ordered = sorted(names)
        found = await asyncio.gather(*(self._protocol(name) for name in ordered))
        return reply({name: said for name, said in zip(ordered, found, strict=True) if said is not None})

    async def protocol(self, request: Request) -> Response:
        said = await self._protocol(request.params["protocol"])
        if said is None:
            raise not_found("no application service here speaks this protocol")
        return reply(said)

    async def _protocol(self, protocol: str) -> JsonObject | None:
        speakers = await self._speakers(protocol)
        path = f"{_APP}/thirdparty/protocol/{quote(protocol, safe='')}"
        said = await ask_all([self._protocol_of(service, path) for service in speakers])
        return services.merged(said) if said else None

    async def _protocol_of(self, service: Service, path: str) -> JsonObject | None:
        return services.protocol_for_clients(service.id, await self._calls.ask(service, path))

    async def _speakers(self, protocol: str | None) -> list[Service]:
        """Services with an address that speak this protocol; None for any."""
        return [
            service
            for service in await self._services.current()
            if service.registration.url
            and service.registration.protocols
            and (protocol is None or protocol in service.registration.protocols)
        ]

    async def location(self, request: Request) -> Response:
        alias = request.query.need("alias")
        if not ids.is_alias(alias):
            raise invalid_param("that is not an alias; one looks like #name:server")
        return await self._look_up(None, "location", {"alias": alias}, "alias")

    async def locations(self, request: Request) -> Response:
        return await self._look_up(request.params["protocol"], "location", _fields(request), "alias")

    async def user(self, request: Request) -> Response:
        user_id = ids.check_user_id(request.query.need("userid"))
        return await self._look_up(None, "user", {"userid": user_id}, "userid")

    async def users(self, request: Request) -> Response:
        return await self._look_up(request.params["protocol"], "user", _fields(request), "userid")

    async def _look_up(self, protocol: str | None, what: str, query: Mapping[str, str], name: str) -> Response:
        """What all services that may know say. name: the member that each answer must have."""
        path = f"{_APP}/thirdparty/{what}" + ("" if protocol is None else f"/{quote(protocol, safe='')}")
        speakers = await self._speakers(protocol)
        said = await ask_all([self._calls.ask(service, path, query) for service in speakers])
        found = [each for answer in said if isinstance(answer, list) for each in answer if _is_found(each, name)]
        if not found:
            raise not_found("no application service here knows of that")
        return reply(found)


def _fields(request: Request) -> dict[str, str]:
    """The query without what is meant for this server."""
    return {key: value for key, value in request.query.pairs() if key not in ("access_token", "user_id", "device_id")}


def _is_found(each: Any, name: str) -> bool:
    return (
        isinstance(each, dict)
        and isinstance(each.get(name), str)
        and isinstance(each.get("protocol"), str)
        and isinstance(each.get("fields"), dict)
    )
