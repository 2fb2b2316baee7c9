"""A rush: very many people want one of few places, all at the same moment, while others talk.

Each person asks on a connection of their own, again when they are told to come again, until they have an answer.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import asyncpg
import msgspec

from bench.api import User, checked
from bench.figures import Better, Figure, latencies, percentile
from bench.load import Gate, Run, run
from bench.people import moved_in
from bench.scenarios.chat import DRAIN_SECONDS_MAX, SECONDS_MAX, ChatResult, ChatSpec, chat_job
from bench.scenarios.scenario import Measured, Step, strangers_percent
from bench.sizes import Sizes
from bench.target import Target
from bongsu.drill.wire import Connection, Reply, request

OFFERS = "/_bongsu/v1/bookings/offers"
TALK_RATE, TALK_SECONDS = 20.0, 20.0
NO_ANSWER_SECONDS = 0.5  # until somebody whose connection broke tries again
FINAL = ("201", "BONGSU_SOLD_OUT")


class RushSpec(msgspec.Struct, frozen=True):
    port: int
    path: str  # of the offer
    tokens: list[str]


class Asked(msgspec.Struct):
    """One person. Seconds from the common start; answer: the status, or the error's code."""

    began: float
    ended: float
    answer: str
    tries: int
    token: str


class RushResult(msgspec.Struct):
    asked: list[Asked] = msgspec.field(default_factory=list)
    broken: int = 0
    put_off: int = 0


class _Answer(msgspec.Struct):
    errcode: str = ""
    retry_after_ms: int = 1_000


async def rush_job(spec: RushSpec | ChatSpec, gate: Gate) -> RushResult | ChatResult:
    """One kind of load process for both parts, because they start at one gate."""
    if isinstance(spec, ChatSpec):
        return await chat_job(spec, gate)
    result, connections = RushResult(), [Connection(spec.port) for _ in spec.tokens]
    begin = await gate.open()
    asking = [_ask(spec, *pair, begin, result) for pair in zip(connections, spec.tokens, strict=True)]
    await asyncio.gather(*asking)
    gate.done()
    for connection in connections:
        connection.close()
    return result


async def _ask(spec: RushSpec, connection: Connection, token: str, begin: float, result: RushResult) -> None:
    began, tries = time.monotonic() - begin, 0
    body = request("POST", f"{spec.path}/book", token, b"{}", "Idempotency-Key: rush")
    while True:
        tries += 1
        try:
            reply = await connection.exchange(body)
        except OSError:
            result.broken += 1
            await asyncio.sleep(NO_ANSWER_SECONDS)
            continue
        answer = _said(reply)
        if reply.status not in (429, 503):
            result.asked.append(
                Asked(began, time.monotonic() - begin, answer.errcode or str(reply.status), tries, token)
            )
            return
        result.put_off += 1
        await asyncio.sleep(answer.retry_after_ms / 1_000)


def _said(reply: Reply) -> _Answer:
    return msgspec.json.decode(reply.body, type=_Answer)


class Rush:
    name = "rush"
    title = "A rush for places"
    floors = ()

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._people: list[User] = []

    async def prepare(self, target: Target) -> None:
        if target.name != "bongsu":
            raise NotImplementedError("this server books nothing")
        connection = await asyncpg.connect(target.server.dsn)
        try:
            self._people = await moved_in(connection, self._sizes.rush)
        finally:
            await connection.close()
        await target.readers(self._sizes.readers)

    def steps(self) -> list[Step]:
        return [Step(f"{self._sizes.rush} people for {self._sizes.places} places", self._measure, 1)]

    async def _measure(self, target: Target) -> Measured:
        path = await self._offer(target)
        readers = await target.readers(self._sizes.readers)
        port = target.server.port
        chat = ChatSpec(port, readers, TALK_RATE, TALK_SECONDS)
        rush = RushSpec(port, path, [user.token for user in self._people])
        longest = TALK_SECONDS + DRAIN_SECONDS_MAX + SECONDS_MAX
        specs: list[RushSpec | ChatSpec] = [chat, rush]
        outcome: Run = await run(rush_job, specs, target.server.usage, seconds_max=longest)
        target.moved(outcome.results[0].tokens)
        return Measured(await self._figures(target, path, outcome))

    async def _offer(self, target: Target) -> str:
        provider = await target.api.register("provider")
        starts_at = time.time_ns() // 1_000_000 + 100_000_000
        body = {"title": "a rush", "place": "here", "starts_at": starts_at, "capacity": self._sizes.places}
        reply = await target.api.call("POST", OFFERS, provider, body)
        if reply.status != 201:
            checked(reply, "an offer")
        return f"{OFFERS}/{msgspec.json.decode(reply.body)['offer_id']}"

    async def _figures(self, target: Target, path: str, outcome: Run) -> list[Figure]:
        chat, rush = outcome.results
        counted = Counter(person.answer for person in rush.asked)
        winners = await _winners(target, path)
        told = sorted(person.token for person in rush.asked if person.answer == "201")
        names = {user.user_id: user.token for user in self._people}
        return [
            Figure("rush/people", "people", len(self._people), "", Better.NEITHER),
            Figure("rush/booked", "booked", len(winners), "", Better.NEITHER),
            Figure("rush/twice", "people booked twice", len(winners) - len(set(winners)), ""),
            Figure("rush/sold_out", "told that all is gone", counted["BONGSU_SOLD_OUT"], "", Better.NEITHER),
            Figure("rush/others", "other answers", sum(counted.values()) - sum(counted[key] for key in FINAL), ""),
            Figure("rush/untrue", "answers that the tables do not bear out", _untrue(winners, names, told), ""),
            Figure("rush/overtaken_s", "longest start before a winner's, of who got none", _overtaken(rush.asked), "s"),
            Figure("rush/put_off", "times that somebody was put off", rush.put_off, "", Better.NEITHER),
            Figure("rush/broken", "connections broken", rush.broken, ""),
            Figure("rush/half_s", "half of them are answered", percentile([a.ended for a in rush.asked], 0.5), "s"),
            Figure("rush/all_s", "all of them are answered", max(a.ended for a in rush.asked), "s"),
            *latencies("rush/text", "text meanwhile, send to acknowledgement", chat.sends),
            *latencies("rush/arrival", "text meanwhile, send to each reader", chat.arrivals),
            Figure("rush/text_lost", "text meanwhile, deliveries lost or late", chat.lost, ""),
            Figure("rush/strangers", "CPU used by strangers", strangers_percent(outcome), "%", Better.NEITHER),
        ]


async def _winners(target: Target, path: str) -> list[str]:
    connection = await asyncpg.connect(target.server.dsn)
    try:
        rows = await connection.fetch(
            "SELECT user_id FROM bookings WHERE offer_id = $1 AND state = 'booked'", path.rsplit("/", 1)[1]
        )
    finally:
        await connection.close()
    return [row["user_id"] for row in rows]


def _untrue(winners: Sequence[str], names: dict[str, str], told: list[str]) -> int:
    return len(set(told) ^ {names[user_id] for user_id in winners})


def _overtaken(asked: Sequence[Asked]) -> float:
    """By how much the first of those who got no place began before the last of those who got one."""
    winners = [person.began for person in asked if person.answer == "201"]
    losers = [person.began for person in asked if person.answer == "BONGSU_SOLD_OUT"]
    return max(0.0, max(winners) - min(losers)) if winners and losers else 0.0
