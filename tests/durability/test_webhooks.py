"""Workers are killed between hearing a customer and telling the shop's program: nothing is lost, and order is kept."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bongsu.store.database import Database
from tests.api.talking import Json, Talker, sign_up
from tests.hook import SECONDS_MAX, Receiver
from tests.server import Server
from tests.waiting import until

BASE = "/_bongsu/v1/channels"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def workers(dsn: str, tmp_path: Path) -> AsyncIterator[list[Server]]:
    """Two on the database of these tests."""
    how = ("--dsn", dsn, "--password-hashing", "fast", "--webhook-private-addresses")
    started = [await asyncio.to_thread(Server.start, tmp_path / name, *how) for name in ("one", "two")]
    yield started
    for each in started:
        if each.alive:
            each.stop()


async def test_a_program_hears_every_customer_over_kills(
    workers: list[Server], two: tuple[Database, Database], receiver: Receiver
) -> None:
    async with aiohttp.ClientSession(workers[0].base_url) as http:
        owner, customer = await sign_up(http, "owner"), await sign_up(http, "customer")
        channel = await _shop(owner, receiver)
        room_id = (await customer.post(f"{channel}/conversation"))["room_id"]
        said = [await customer.say(room_id, f"before {number}") for number in range(3)]
        await receiver.heard("message.received", lambda found: len(found) == 3)
        receiver.hangs = True
        said += [await customer.say(room_id, f"under way {number}") for number in range(5)]
        await receiver.tried(4)
        said.append(await customer.say(room_id, "just before"))
        for each in workers:  # whoever hears and tells, and whoever could take over
            each.kill()
    receiver.hangs = False
    await two[0].execute("UPDATE webhook_endpoints SET lease_until = now()")  # as if the lease had ended
    await asyncio.to_thread(workers[1].restart)
    async with aiohttp.ClientSession(workers[1].base_url) as http:
        said.append(await customer.through(http).say(room_id, "after"))
        await receiver.heard("message.received", lambda found: len({each["event_id"] for each in found}) == len(said))
        await _is_whole(owner.through(http), channel, receiver, said)


async def _shop(owner: Talker, receiver: Receiver) -> str:
    """The path of a channel whose messages the receiver is told of."""
    _, made = await owner.ask("POST", BASE, {"name": f"가게 {secrets.token_hex(6)}"})
    channel = f"{BASE}/{made['channel_id']}"
    body = {"url": receiver.url, "types": ["message.received"]}
    _, endpoint = await owner.ask("POST", f"{channel}/webhooks", body)
    receiver.secrets = [endpoint["secret"]]
    return channel


async def _is_whole(owner: Talker, channel: str, receiver: Receiver, said: list[str]) -> None:
    """Each message was heard once, and told in its order; what came twice has one id."""
    told = [(webhook_id, body["data"]["event_id"]) for webhook_id, body in receiver.told]
    assert list(dict.fromkeys(event_id for _, event_id in told)) == said
    assert len(set(told)) == len(said), "a message that is told twice is told under one id"

    async def listed() -> list[Json]:
        return list((await owner.get(f"{channel}/webhooks"))["endpoints"])

    [endpoint] = await until(listed, lambda found: found[0]["owed"] == 0, SECONDS_MAX)
    assert "disabled_ts" not in endpoint
    [conversation] = (await owner.get(f"{channel}/desk/conversations"))["conversations"]
    assert conversation["state"] == "waiting"
