"""A channel tells all its followers something, twice: the first time a room is made with each of them."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec

from bench.api import User, checked
from bench.figures import Better, Figure, latencies, per
from bench.load import Run, run
from bench.people import moved_in
from bench.scenarios.chat import DRAIN_SECONDS_MAX, SECONDS_MAX, ChatSpec, chat_job
from bench.scenarios.scenario import Measured, Step
from bench.sizes import Sizes
from bench.target import Target

CHANNELS = "/_bongsu/v1/channels"
TALK_RATE, TALK_SECONDS = 10.0, 10.0
LOOK_SECONDS = 0.5
ENDS_SECONDS_MAX = 1_800.0
SAID = """
SELECT count(*) AS messages, count(DISTINCT e.room_id) AS rooms, count(DISTINCT m.user_id) AS people FROM events e
JOIN members m ON m.room_id = e.room_id AND m.user_id <> e.sender AND m.membership = 'join'
WHERE e.sender = $1 AND e.type = 'm.room.message' AND position(convert_to($2, 'utf8') IN e.pdu) > 0
"""


class Broadcast:
    name = "broadcast"
    title = "A channel's broadcast"
    floors = ()

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes

    async def prepare(self, target: Target) -> None:
        if target.name != "bongsu":
            raise NotImplementedError("this server has no channels")
        await target.readers(self._sizes.readers)

    def steps(self) -> list[Step]:
        return [Step(f"{count} followers", self._at(count), 1) for count in self._sizes.followers]

    def _at(self, count: int) -> Callable[[Target], Awaitable[Measured]]:
        async def measure(target: Target) -> Measured:
            owner = await target.api.register(f"owner{count}")
            channel = await _asked(target, "POST", CHANNELS, owner, {"name": f"news for {count}"})
            path = f"{CHANNELS}/{channel['channel_id']}"
            account = (await _asked(target, "GET", path, owner))["account"]
            await _follow(target, channel["channel_id"], count)
            figures = []
            for turn in ("first", "next"):
                await target.server.settle()
                figures += await self._send(target, owner, path, account, count, turn)
            return Measured(figures)

        return measure

    async def _send(self, target: Target, owner: User, path: str, account: str, count: int, turn: str) -> list[Figure]:
        words = f"news {secrets.token_hex(6)}"
        body = {"body": words, "advertising": False}
        before, began = target.server.usage(), time.monotonic()
        made = await _asked(target, "POST", f"{path}/broadcasts", owner, body)
        talking = asyncio.create_task(self._talk(target))
        with target.stage(f"{turn} broadcast to {count:,}", count) as advance:
            ended = await _ended(target, owner, f"{path}/broadcasts/{made['broadcast_id']}", advance)
        seconds, used = time.monotonic() - began, target.server.usage() - before
        talk = (await talking).results[0]
        said = await _said(target, account, words)
        at, title = f"broadcast/{count}/{turn}", f"{count:,} followers, {turn} one: "
        wrong = sum(abs(said[key] - count) for key in ("messages", "rooms", "people")) + abs(ended["sent"] - count)
        return [
            Figure(f"{at}/seconds", f"{title}time", seconds, "s"),
            Figure(f"{at}/rate", f"{title}followers told", count / seconds, "1/s", Better.HIGHER),
            Figure(f"{at}/cpu_us", f"{title}server CPU a follower", per(used.server, count, 1e6), "µs"),
            Figure(f"{at}/postgres_us", f"{title}PostgreSQL CPU a follower", per(used.postgres, count, 1e6), "µs"),
            Figure(f"{at}/wrong", f"{title}messages missing, doubled or in other rooms", wrong, ""),
            *latencies(f"{at}/text", f"{title}text meanwhile, send to acknowledgement", talk.sends),
            Figure(f"{at}/text_lost", f"{title}text meanwhile, deliveries lost or late", talk.lost, ""),
        ]

    async def _talk(self, target: Target) -> Run:
        spec = ChatSpec(target.server.port, await target.readers(self._sizes.readers), TALK_RATE, TALK_SECONDS)
        longest = TALK_SECONDS + DRAIN_SECONDS_MAX + SECONDS_MAX
        outcome = await run(chat_job, [spec], target.server.usage, seconds_max=longest)
        target.moved(outcome.results[0].tokens)
        return outcome


async def _asked(target: Target, method: str, path: str, user: User, body: Any = None) -> Any:
    reply = await target.api.call(method, path, user, body)
    if reply.status not in (200, 201):
        checked(reply, f"{method} {path}")
    return msgspec.json.decode(reply.body)


async def _ended(target: Target, owner: User, path: str, advance: Callable[[], None]) -> Any:
    give_up_at, shown = time.monotonic() + ENDS_SECONDS_MAX, 0
    while True:
        found = await _asked(target, "GET", path, owner)
        for _ in range(found["sent"] - shown):
            advance()
        shown = found["sent"]
        if found["state"] not in ("scheduled", "running"):
            return found
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"{shown} were told in {ENDS_SECONDS_MAX:.0f} s")
        await asyncio.sleep(LOOK_SECONDS)


async def _follow(target: Target, channel_id: str, count: int) -> None:
    connection = await asyncpg.connect(target.server.dsn)
    try:
        people = [user.user_id for user in await moved_in(connection, count)]
        await connection.execute("INSERT INTO channel_followers SELECT $1, unnest($2::text[]), 1", channel_id, people)
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


async def _said(target: Target, account: str, words: str) -> dict[str, int]:
    connection = await asyncpg.connect(target.server.dsn)
    try:
        row = await connection.fetchrow(SAID, account, words)
    finally:
        await connection.close()
    assert row is not None
    return dict(row)
