"""Too much: twice the load that one worker carries, and a crowd that comes all at once.

The load is text and, for each message, several things people do beside it. First the largest load is sought that the
worker carries with nothing given up; then it gets twice as much, with shedding and without. Then the worker is started
anew, knows nobody, and everybody of a lost site comes to it while others go on talking.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from io import BytesIO

import msgspec
from PIL import Image

from bench.api import User, checked
from bench.figures import Better, Figure, latencies, per, percentile
from bench.load import Gate, Run, run
from bench.scenarios.asides import MIX, AsidesResult, AsidesSpec, asides_job
from bench.scenarios.chat import DRAIN_SECONDS_MAX, SECONDS_MAX, ChatResult, ChatSpec, chat_job
from bench.scenarios.crowd import CrowdResult, CrowdSpec, crowd_job
from bench.scenarios.scenario import Measured, Step, strangers_percent
from bench.sizes import Sizes
from bench.target import Target

ASIDES = 6  # for each message
CARRIED_SECONDS = 0.5  # the 99th percentile of sends and deliveries within which a load counts as carried
CARRIED_SHARE = 0.99  # acknowledged of the sends due
SENDERS = 500  # connections to send over: waiting for an answer holds no other message back
PICTURES, PICTURE_SIDE = 8, 1200
CROWD_SECONDS_MAX = 240.0
TALK_RATE = 20.0  # messages a second while the crowd comes
WITHOUT = ("--no-shedding",)

Spec = ChatSpec | AsidesSpec | CrowdSpec
Result = ChatResult | AsidesResult | CrowdResult


async def overload_job(spec: Spec, gate: Gate) -> Result:
    """One kind of load process for all parts, because they start at one gate."""
    if isinstance(spec, ChatSpec):
        return await chat_job(spec, gate)
    if isinstance(spec, AsidesSpec):
        return await asides_job(spec, gate)
    return await crowd_job(spec, gate)


class Overload:
    name = "overload"
    title = "Overload: twice what one worker carries, and a crowd that comes at once"
    floors = ()

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._capacity = 0.0
        self._pictures: list[str] = []
        self._read: dict[str, str] = {}

    async def prepare(self, target: Target) -> None:
        if target.name != "bongsu":
            raise NotImplementedError("this server has nothing to switch off and on")
        readers = await target.readers(self._sizes.readers)
        people = {reader.room_id: reader.user for reader in readers}
        for room_id, user in people.items():
            self._read[room_id] = await target.api.send(user, room_id, "the first")
        self._pictures = [await _upload(target, readers[0].user) for _ in range(PICTURES)]
        await target.users(self._sizes.crowd)
        await target.groups(self._sizes.crowd // self._sizes.group_members)

    def steps(self) -> list[Step]:
        rounds = self._sizes.rounds
        return [
            Step("what it carries", self._seek_capacity, 1),
            Step("twice that, nothing given up", self._twice(*WITHOUT), rounds),
            Step("twice that", self._twice(), rounds),
            Step("a crowd, all let in at once", self._crowd(*WITHOUT), 1),
            Step("a crowd", self._crowd(), 1),
        ]

    # --- twice the load ---

    async def _seek_capacity(self, target: Target) -> Measured:
        await target.server.restart(*WITHOUT)
        for rate in self._sizes.overload_rates:
            await target.server.settle()
            outcome = await self._load(target, rate, self._sizes.overload_seconds / 2)
            if not _is_carried(outcome.results[0]):
                break
            self._capacity = rate
        if not self._capacity:
            return Measured([], f"does not carry {self._sizes.overload_rates[0]:.0f} messages/s")
        asides = self._capacity * ASIDES
        return Measured(
            [
                Figure("overload/capacity", "Messages carried", self._capacity, "1/s", Better.HIGHER),
                Figure("overload/asides", "Other requests beside them", asides, "1/s", Better.NEITHER),
            ]
        )

    def _twice(self, *options: str) -> Callable[[Target], Awaitable[Measured]]:
        async def measure(target: Target) -> Measured:
            await target.server.restart(*options)
            await self._load(target, self._capacity / 4, 3)
            outcome = await self._load(target, self._capacity * 2, self._sizes.overload_seconds)
            name = "without" if options else "with"
            shed = await _shed(target)
            return Measured(_twice_figures(f"overload/twice_{name}", f"{name} shedding: ", outcome, shed))

        return measure

    async def _load(self, target: Target, rate: float, seconds: float) -> Run:
        readers = await target.readers(self._sizes.readers)
        port = target.server.port
        chat = ChatSpec(port, readers, rate, seconds, SENDERS)
        asides = AsidesSpec(port, readers, self._pictures, self._read, rate * ASIDES, seconds)
        return await self._run(target, [chat, asides], seconds + DRAIN_SECONDS_MAX + SECONDS_MAX)

    async def _run(self, target: Target, specs: Sequence[Spec], seconds_max: float) -> Run:
        outcome = await run(overload_job, specs, target.server.usage, seconds_max=seconds_max)
        target.moved(outcome.results[0].tokens)
        return outcome

    # --- a crowd ---

    def _crowd(self, *options: str) -> Callable[[Target], Awaitable[Measured]]:
        async def measure(target: Target) -> Measured:
            readers = (await target.readers(self._sizes.readers))[: self._sizes.readers // 2]
            talking = {reader.user.user_id for reader in readers}
            people = [user for user in await target.users(self._sizes.crowd) if user.user_id not in talking]
            since = await target.api.next_batch(people[0])
            await target.server.restart(*options)
            before = sum(target.server.memory_bytes())
            seconds = CROWD_SECONDS_MAX if options else self._sizes.crowd_seconds
            port = target.server.port
            crowd = CrowdSpec(port, [user.token for user in people], since, seconds)
            chat = ChatSpec(port, readers, TALK_RATE, self._sizes.crowd_seconds)
            outcome = await self._run(target, [chat, crowd], CROWD_SECONDS_MAX + SECONDS_MAX)
            memory = sum(target.server.memory_bytes()) - before
            name = "at_once" if options else "by_and_by"
            title = "all let in at once: " if options else "by and by: "
            return Measured(_crowd_figures(f"overload/crowd_{name}", title, outcome, memory, len(people)))

        return measure


def _is_carried(result: ChatResult) -> bool:
    slowest = max(percentile(result.sends, 0.99), percentile(result.arrivals, 0.99))
    return slowest <= CARRIED_SECONDS and per(result.acknowledged, result.due) >= CARRIED_SHARE


def _text_figures(at: str, title: str, result: ChatResult) -> list[Figure]:
    acknowledged = per(result.acknowledged, result.due, 100)
    return [
        *latencies(f"{at}/send", f"{title}send to acknowledgement", result.sends),
        *latencies(f"{at}/arrival", f"{title}send to each reader", result.arrivals),
        Figure(f"{at}/acknowledged", f"{title}acknowledged of the sends due", acknowledged, "%", Better.HIGHER),
        Figure(f"{at}/lost", f"{title}deliveries lost or late", result.lost, ""),
        Figure(f"{at}/doubled", f"{title}deliveries doubled", result.doubled, ""),
    ]


def _twice_figures(at: str, title: str, outcome: Run, shed: float) -> list[Figure]:
    text, asides = outcome.results
    kinds = [
        Figure(
            f"{at}/{kind}",
            f"{title}{kind} answered",
            per(asides.served.get(kind, 0), asides.due[kind], 100),
            "%",
            Better.NEITHER,
        )
        for kind in dict.fromkeys(MIX)
    ]
    refused = percentile(asides.refused_seconds, 0.5) * 1e3
    return [
        *_text_figures(at, title, text),
        *kinds,
        Figure(f"{at}/shed", f"{title}requests shed", shed, "", Better.NEITHER),
        Figure(f"{at}/refused_p50_ms", f"{title}time to a refusal, p50", refused, "ms"),
        Figure(f"{at}/strangers", f"{title}CPU used by strangers", strangers_percent(outcome), "%", Better.NEITHER),
    ]


def _crowd_figures(at: str, title: str, outcome: Run, memory: int, people: int) -> list[Figure]:
    text, crowd = outcome.results
    admitted = sorted(crowd.admitted)
    return [
        Figure(f"{at}/people", f"{title}people", people, "", Better.NEITHER),
        Figure(f"{at}/admitted", f"{title}let in", per(len(admitted), people, 100), "%", Better.HIGHER),
        Figure(f"{at}/half_s", f"{title}half of them are in", _when(admitted, people // 2), "s"),
        Figure(f"{at}/most_s", f"{title}99 % of them are in", _when(admitted, people * 99 // 100), "s"),
        Figure(f"{at}/all_s", f"{title}all of them are in", _when(admitted, people), "s"),
        Figure(f"{at}/put_off", f"{title}times that somebody was put off", crowd.put_off, "", Better.NEITHER),
        Figure(f"{at}/wait_p50_s", f"{title}wait that was asked for, p50", percentile(crowd.waits, 0.5), "s"),
        Figure(f"{at}/broken", f"{title}connections broken", crowd.broken + crowd.others, ""),
        Figure(f"{at}/memory_mb", f"{title}memory they took", memory / 1e6, "MB"),
        *_text_figures(at, title, text),
        Figure(f"{at}/strangers", f"{title}CPU used by strangers", strangers_percent(outcome), "%", Better.NEITHER),
    ]


def _when(admitted: Sequence[float], count: int) -> float:
    """Seconds until so many were in; NaN when they never were."""
    return admitted[count - 1] if len(admitted) >= count else float("nan")


async def _shed(target: Target) -> float:
    """All that was shed since the start, as the server counts it."""
    metrics = checked(await target.api.call("GET", "/metrics"), "metrics").decode()
    lines = [line for line in metrics.splitlines() if line.startswith("bongsu_shed_total{")]
    return sum(float(line.split()[-1]) for line in lines)


class _Uploaded(msgspec.Struct):
    content_uri: str


async def _upload(target: Target, user: User) -> str:
    """A photo of noise, too large to be its own thumbnail."""
    picture, raw = BytesIO(), secrets.token_bytes(PICTURE_SIDE * PICTURE_SIDE * 3)
    Image.frombytes("RGB", (PICTURE_SIDE, PICTURE_SIDE), raw).save(picture, "JPEG", quality=60)
    reply = await target.api.call("POST", "/_matrix/media/v3/upload", user, picture.getvalue())
    return msgspec.json.decode(checked(reply, "upload"), type=_Uploaded).content_uri.removeprefix("mxc://")
