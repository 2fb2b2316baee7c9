"""GET /_bongsu/v1/openapi.json: Bongsu's own interface, generated from routes and the types they read."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.json import JsonObject, encode
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Auth, Route

PREFIX: Final = "/_bongsu/v1/"
_REF: Final = "#/components/schemas/{name}"
_QUERY: Final[dict[str, JsonObject]] = {  # parameters that mean the same wherever they are
    "limit": {"type": "integer", "minimum": 1, "maximum": limits.PAGE_MAX},
    "since": {"type": "integer", "minimum": 0, "maximum": limits.INTEGER_MAX},
    "lang": {"type": "string", "enum": ["ko", "en"]},
    "from": {"type": "string", "description": "The next_batch of the page before"},
}
_COMMON: Final = (400, 429, 503)  # what every described route may answer


class Error(msgspec.Struct):
    """A refusal, in the protocol's form."""

    errcode: str
    error: str


class OpenApi:
    """routes: of the services; those that describe themselves are in it."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._body = encode(description(routes))

    def routes(self) -> list[Route]:
        return [Route("GET", f"{PREFIX}openapi.json", self.serve, Auth.NONE, "read", Tier.SERVICE)]

    async def serve(self, _: Request) -> Response:
        return Response(self._body, headers={"cache-control": "public, max-age=300"})


def description(routes: Iterable[Route]) -> JsonObject:
    """An OpenAPI 3.1 document."""
    told = [(route, route.described) for route in routes if route.described is not None]
    types = {Error: None} | {each: None for _, described in told for each in _types(described)}
    schemas, components = msgspec.json.schema_components(list(types), ref_template=_REF)
    named = dict(zip(types, schemas, strict=True))
    paths: dict[str, JsonObject] = {}
    for route, described in told:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, described, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Bongsu", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "accessToken": {"type": "http", "scheme": "bearer"},
                "channelKey": {"type": "http", "scheme": "bearer", "description": "A key with scopes, of a channel"},
            },
        },
    }


def _types(described: Described) -> list[Any]:
    return [each for each in (described.body, *described.answers.values()) if each is not None]


def _operation(route: Route, described: Described, named: dict[Any, Any]) -> JsonObject:
    operation: JsonObject = {
        "operationId": re.sub(r"[^a-z]+", "_", f"{route.method}{route.template.removeprefix(PREFIX)}".lower()),
        "summary": described.summary,
        "parameters": _parameters(route, described),
        "responses": _responses(route, described, named),
        "security": _security(route),
    }
    if described.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(named[described.body])}
    return operation


def _security(route: Route) -> list[JsonObject]:
    """Any one of them opens it."""
    if route.auth is Auth.NONE:
        return []
    return [{"accessToken": []}, *([{"channelKey": []}] if route.auth is Auth.KEYED else [])]


def _parameters(route: Route, described: Described) -> list[JsonObject]:
    text = {"type": "string"}
    found: list[JsonObject] = [
        {"name": name, "in": "path", "required": True, "schema": {**text, "minLength": 1}}
        for name in re.findall(r"{([a-z_]+)}", route.template)
    ]
    found += [{"name": name, "in": "query", "schema": _QUERY.get(name, text)} for name in described.query]
    if described.is_write:
        bounded = {**text, "minLength": 1, "maxLength": limits.IDEMPOTENCY_KEY_BYTES_MAX}
        told = "The same key and request get the same answer for a day. Without it, a repeated write is done again."
        found.append({"name": "Idempotency-Key", "in": "header", "schema": bounded, "description": told})
    return found


def _responses(route: Route, described: Described, named: dict[Any, Any]) -> JsonObject:
    refused = {"description": "Refused", "content": _json(named[Error])}
    statuses = {*_COMMON, *described.errors, *(() if route.auth is Auth.NONE else (401, 403))}
    if "{" in route.template:
        statuses.add(404)
    if described.is_write:
        statuses |= {409, 413}
    responses: JsonObject = {str(status): refused for status in sorted(statuses)}
    for status, codes in described.errors.items():
        responses[str(status)] = {**refused, "description": ", ".join(codes)}
    for status, answer in described.answers.items():
        content = {} if answer is None else {"content": _json(named[answer])}
        responses[str(status)] = {"description": "Done", **content}
    return responses


def _json(schema: Any) -> JsonObject:
    return {"application/json": {"schema": schema}}
