"""Names for a relay of calls, and what the operator says of the server: with settings, and without."""

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.api.talking import V3, Talker, ask
from tests.server import Server

URIS = ("turn:turn.example.org?transport=udp", "turns:turn.example.org:443")
SECRET = "known-to-the-relay"
KEY = "6yhHGKhCiXTSEN2ksjV7kX_N6rBQZ3Xb-M7LlC6NS-s"


@pytest.fixture
async def told(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    """A worker of the same server that was told of a relay and of who looks after it."""
    options = [
        *("--turn-uris", ",".join(URIS), "--turn-secret", SECRET, "--turn-seconds", "600"),
        *("--support-admin", "admin@example.org,@admin:example.org", "--support-security", "hole@example.org"),
        *("--support-page", "https://example.org/help", "--policy-server-key", KEY),
    ]
    worker = Server.start(server.data_dir, "--password-hashing", "fast", *options)
    async with aiohttp.ClientSession(worker.base_url) as session:
        yield session
    worker.stop()


async def test_the_relay_can_check_what_it_is_shown(alice: Talker, told: aiohttp.ClientSession) -> None:
    before = int(time.time())
    answer = await alice.through(told).get(f"{V3}/voip/turnServer")
    assert answer["uris"] == list(URIS)
    assert answer["ttl"] == 600
    until, _, user_id = answer["username"].partition(":")
    assert user_id == alice.user_id
    assert before + 600 <= int(until) <= int(time.time()) + 600
    expected = hmac.new(SECRET.encode(), answer["username"].encode(), hashlib.sha1).digest()
    assert base64.b64decode(answer["password"]) == expected
    support = {
        "contacts": [
            {"role": "m.role.admin", "email_address": "admin@example.org"},
            {"role": "m.role.admin", "matrix_id": "@admin:example.org"},
            {"role": "m.role.security", "email_address": "hole@example.org"},
        ],
        "support_page": "https://example.org/help",
    }
    assert await ask(told, "GET", "/.well-known/matrix/support") == (200, support)
    policy = {"public_keys": {"ed25519": KEY}}
    assert await ask(told, "GET", "/.well-known/matrix/policy_server") == (200, policy)


async def test_without_a_relay_nothing_is_told(http: aiohttp.ClientSession, alice: Talker) -> None:
    headers = {"Authorization": f"Bearer {alice.access_token}"}
    assert await ask(http, "GET", f"{V3}/voip/turnServer", headers=headers, pruned=True) == (200, {})
    status, answer = await ask(http, "GET", f"{V3}/voip/turnServer")
    assert (status, answer["errcode"]) == (401, "M_MISSING_TOKEN")


@pytest.mark.parametrize("name", ["support", "policy_server"])
async def test_without_settings_nothing_is_said(http: aiohttp.ClientSession, name: str) -> None:
    status, answer = await ask(http, "GET", f"/.well-known/matrix/{name}")
    assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")
