"""The services do what their description says: schemathesis asks whatever it allows, and looks at the answers."""

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import aiohttp
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.api.boards import Board
from tests.api.talking import Json, Talker

BASE = "/_bongsu/v1/bookings"
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
SETTINGS = hypothesis.settings(
    max_examples=3,
    derandomize=True,  # the same requests each time
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Told(NamedTuple):
    """Somebody who may do everything, and ids of what is there."""

    token: str
    ids: Mapping[str, str]


@pytest.fixture
async def told(board: Board, http: aiohttp.ClientSession) -> Told:
    who = board.people["coordinator"]
    bed_id, request_id = await board.bed(free=3), await board.wish()
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": bed_id})
    offer = {"title": "t", "place": "p", "starts_at": time.time_ns() // 1_000_000 + 86_400_000, "capacity": 9}
    status, made = await who.ask("POST", f"{BASE}/offers", offer)
    assert status == 201
    status, booked = await who.ask("POST", f"{BASE}/offers/{made['offer_id']}/book", {})
    assert status == 201
    channel = await _channel(who, board.people["observer"])
    ids = {
        **channel,
        "room_id": board.room_id,
        "bed_id": bed_id,
        "request_id": request_id,
        "offer_id": made["offer_id"],
        "booking_id": booked["booking_id"],
        "user_id": board.people["observer"].user_id,
    }
    return Told(who.access_token, ids)


async def _channel(owner: Talker, customer: Talker) -> dict[str, str]:
    """Ids of a channel, a customer's conversation with it, and what its programs need."""

    async def made(path: str, body: Json, by: Talker = owner) -> Json:
        status, answer = await by.ask("POST", f"/_bongsu/v1/channels{path}", body)
        assert status in (200, 201), answer
        return dict(answer)

    channel_id = (await made("", {"name": f"가게 {secrets.token_hex(4)}"}))["channel_id"]
    await customer.say((await made(f"/{channel_id}/conversation", {}, customer))["room_id"], "여보세요")
    endpoint = await made(f"/{channel_id}/webhooks", {"url": "https://shop.example/", "types": ["ping"]})
    template = await made(f"/{channel_id}/templates", {"name": "t", "reason": "order", "body": "b"})
    key = await made(f"/{channel_id}/keys", {"name": "k", "scopes": ["desk:bot"]})
    kept = await made(f"/{channel_id}/desk/replies", {"name": "r", "body": "b"})
    while not (listed := (await owner.get(f"/_bongsu/v1/channels/{channel_id}/desk/conversations"))["conversations"]):
        await asyncio.sleep(0.1)
    return {
        "channel_id": channel_id,
        "conversation_id": listed[0]["conversation_id"],
        "endpoint_id": endpoint["endpoint_id"],
        "template_id": template["template_id"],
        "key_id": key["key_id"],
        "reply_id": kept["reply_id"],
    }


def examine(base_url: str, document: dict[str, Any], told: Told) -> list[str]:
    """What is not as it is described."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=base_url)
    headers = {"Authorization": f"Bearer {told.token}"}
    wrong: list[str] = []
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        for known in ({}, {name: told.ids[name] for name in told.ids if f"{{{name}}}" in operation.path}):
            wrong += _wrong(operation, headers, known)
    return wrong


def _wrong(operation: Any, headers: Mapping[str, str], known: Mapping[str, str]) -> list[str]:
    """known: ids that are there; without any, ids are whatever the description allows."""
    if "{" in operation.path and not known and not operation.path.endswith("}"):
        return []

    @SETTINGS
    @hypothesis.given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        case.path_parameters.update(known)
        case.call_and_validate(headers=dict(headers), checks=CHECKS)

    try:
        ask()
    except Exception as error:
        return [f"{operation.label}: {error}"]
    return []


async def test_every_operation_answers_as_it_is_described(
    base_url: str, http: aiohttp.ClientSession, told: Told
) -> None:
    async with http.get("/_bongsu/v1/openapi.json") as response:
        document = await response.json()
    wrong = await asyncio.to_thread(examine, base_url, document, told)
    assert not wrong, "\n\n".join(wrong)
