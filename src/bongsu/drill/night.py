"""A night of a regional headquarters with forty hospitals, in which a data centre burns: to watch, judged in the end.

Everybody works through the interface that people's screens use, and knows nothing of the sites but their addresses. A
night is some minutes long. Health centres ask for beds, two coordinators give them away beside each other, hospitals
take or refuse; the leading site burns in the middle and comes back later.
"""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import aiohttp
import msgspec

from bongsu.core import limits
from bongsu.drill.caller import API, SERVICES, Answer, Caller
from bongsu.drill.faults import Sites

PASSWORD: Final = "beacon fires at dusk"  # noqa: S105  # of accounts that exist for one night
KINDS: Final = ("icu", "isolation", "dialysis", "birth", "children")
AREAS: Final = ("서울", "인천", "수원", "성남", "고양", "용인", "부천", "안산")
SEVERITIES: Final = ("critical", "urgent", "urgent", "ordinary")
BOARD: Final = "io.bongsu.board"
_ACTS: Final = ("request", "assign", "accept", "decline", "arrive", "close")
_LOOK_SECONDS: Final = 1.0
Acts = Counter[tuple[str, str]]  # what, of which request
_COORDINATORS: Final = 2
_TAKES, _REFUSES = 0.8, 0.92  # of offers, by chance; the rest stays unanswered for a while


class Size(NamedTuple):
    """at: shares of the night at which the site burns and comes back."""

    hospitals: int = 40
    centres: int = 12
    patients: int = 150
    seconds: float = 180.0
    burns_at: float = 0.4
    back_at: float = 0.7


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What an onlooker sees. unanswered: calls that wait for a site just now."""

    seconds: float
    leader: str
    burnt: str
    waiting: int
    longest_wait_seconds: float
    states: dict[str, int]
    unanswered: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the board's own record says of everything that people were told. Lists of what should not be there."""

    acknowledged: int
    lost: list[str]
    doubled: list[str]
    overfull_beds: list[str]
    chain_faults: list[Any]
    unsaid: list[str]  # in the room
    longest_silence_seconds: float  # in which no write was acknowledged
    time_to_assign_ms: dict[str, Any]
    still_waiting: int

    @property
    def is_kept(self) -> bool:
        return not (self.lost or self.doubled or self.overfull_beds or self.chain_faults or self.unsaid)


class Compared(NamedTuple):
    lost: Acts
    doubled: Acts
    unsaid: Acts


class Place(NamedTuple):
    """Where to watch, and as whom."""

    room_id: str
    user: str
    password: str


class Night:
    """say: told what happens, in a line; show: each second what is to be seen."""

    def __init__(
        self, sites: Sites, size: Size, seed: int, say: Callable[[str], None], show: Callable[[Moment], None]
    ) -> None:
        self._sites, self._size, self._say, self._show = sites, size, say, show
        self._chance = random.Random(seed)  # noqa: S311
        self._acts: list[tuple[str, str]] = []  # acknowledged: what, of which request
        self._when: list[float] = []
        self._offers: set[int | None] = set()
        self._unanswered = 0
        self._burnt = ""
        self._is_over = False
        self._began = 0.0
        self._coordinators: list[Caller] = []
        self._hospitals: dict[str, Caller] = {}
        self._centres: list[Caller] = []
        self._room_id = ""

    async def run(self, ready: Callable[[Place], None] = lambda _: None) -> Verdict:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            await self._prepare(http)
            ready(Place(self._room_id, self._coordinators[0].user_id, PASSWORD))
            await self._play()
            await self._whole()
            return await self._judge()

    @property
    def _at(self) -> str:
        return f"{SERVICES}/boards/{quote(self._room_id, safe='')}"

    # --- before ---

    async def _prepare(self, http: aiohttp.ClientSession) -> None:
        self._say("people come on duty")
        run = uuid.uuid4().hex[:6]
        names = [
            *(f"night-{run}-headquarters-{n + 1}" for n in range(_COORDINATORS)),
            *(f"night-{run}-hospital-{n + 1:02}" for n in range(self._size.hospitals)),
            *(f"night-{run}-centre-{n + 1:02}" for n in range(self._size.centres)),
        ]
        people = await _together([self._come(http, name, n) for n, name in enumerate(names)])
        self._coordinators = people[:_COORDINATORS]
        hospitals = people[_COORDINATORS : _COORDINATORS + self._size.hospitals]
        self._hospitals = {f"병원 {n + 1:02}": each for n, each in enumerate(hospitals)}
        self._centres = people[_COORDINATORS + self._size.hospitals :]
        await self._open_board(people)
        self._say(f"{len(self._hospitals)} hospitals publish their beds")
        await _together([self._publish(name, each) for name, each in self._hospitals.items()])

    async def _come(self, http: aiohttp.ClientSession, name: str, number: int) -> Caller:
        urls = [self._sites.url(site) for site in self._sites.names]
        home = number % len(urls)
        person = Caller(http, urls[home:] + urls[:home], self._count)
        await person.register(name, PASSWORD)
        return person

    def _count(self, change: int) -> None:
        self._unanswered += change

    async def _open_board(self, people: Sequence[Caller]) -> None:
        head = self._coordinators[0]
        invited = [each.user_id for each in people[1:]]
        room = {"preset": "private_chat", "invite": invited, "name": "수도권 병상 배정 · Regional bed board"}
        self._room_id = (await head.call("POST", f"{API}/createRoom", room)).body["room_id"]
        await _together([each.call("POST", f"{API}/join/{quote(self._room_id)}", {}) for each in people[1:]])
        _done(await head.call("POST", self._at, {"title": "수도권"}))
        for each in self._coordinators[1:]:
            await self._appoint(each, "coordinator")
        for each in self._centres:
            await self._appoint(each, "requester")
        for name, each in self._hospitals.items():
            await self._appoint(each, "provider", hospital=name)

    async def _appoint(self, person: Caller, role: str, **more: str) -> None:
        path = f"{self._at}/roles/{quote(person.user_id)}"
        _done(await self._coordinators[0].call("PUT", path, {"role": role, **more}))

    async def _publish(self, name: str, hospital: Caller) -> None:
        kinds = self._chance.sample(KINDS, self._chance.randint(2, 4))
        body = {"kinds": kinds, "free": self._chance.randint(2, 5), "place": self._place(), "hospital": name}
        _done(await hospital.call("POST", f"{self._at}/beds", body))

    def _place(self) -> dict[str, Any]:
        chance = self._chance
        lat, lon = round(chance.uniform(37.2, 37.7), 4), round(chance.uniform(126.6, 127.2), 4)
        return {"lat": lat, "lon": lon, "area": chance.choice(AREAS)}

    # --- the night ---

    async def _play(self) -> None:
        self._began = time.monotonic()
        work: list[Coroutine[Any, Any, None]] = [
            *(self._centre(each) for each in self._centres),
            *(self._coordinate(each) for each in self._coordinators),
            *(self._take_patients(name, each) for name, each in self._hospitals.items()),
            self._watch(),
        ]
        async with asyncio.TaskGroup() as tasks:
            for each in work:
                tasks.create_task(each)
            tasks.create_task(self._burn())
            await asyncio.sleep(self._size.seconds)
            self._is_over = True

    async def _burn(self) -> None:
        """The leading site, in the middle of everything; nobody is told."""
        await asyncio.sleep(self._size.seconds * self._size.burns_at)
        roles = await asyncio.to_thread(self._sites.roles)
        self._burnt = next((site for site, role in roles.items() if role == "leader"), self._sites.names[0])
        self._say(f"a fire in {self._burnt}: everything there is gone")
        await asyncio.to_thread(self._sites.fault, "power_off", self._burnt)
        await asyncio.sleep(self._size.seconds * (self._size.back_at - self._size.burns_at))
        self._say(f"{self._burnt} is put up again")
        await asyncio.to_thread(self._sites.heal, self._burnt)
        self._burnt = ""

    async def _centre(self, centre: Caller) -> None:
        """Patients come at any time."""
        count = self._size.patients // len(self._centres)
        until = self._size.seconds * 0.9
        for at in sorted(self._chance.uniform(0, until) for _ in range(count)):
            await asyncio.sleep(max(0.0, self._began + at - time.monotonic()))
            chance = self._chance
            body = {"severity": chance.choice(SEVERITIES), "needs": [chance.choice(KINDS)], "place": self._place()}
            self._note("request", await centre.call("POST", f"{self._at}/requests", body))

    async def _coordinate(self, person: Caller) -> None:
        """Gives the one who waits longest the best bed. The other may be faster: then this one is told so."""
        while not self._is_over:
            waiting = (await person.call("GET", f"{self._at}/requests?state=waiting&limit=10")).body["requests"]
            for row in waiting:
                at = f"{self._at}/requests/{row['request_id']}"
                found = (await person.call("GET", f"{at}/suggestions")).body["suggestions"]
                if found:
                    self._note("assign", await person.call("POST", f"{at}/assignment", {"bed_id": found[0]["bed_id"]}))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _take_patients(self, name: str, hospital: Caller) -> None:
        """Accepts, refuses, or leaves unanswered for a while; patients arrive, and go."""
        steps: dict[str, Callable[[str, dict[str, Any]], Awaitable[Answer | None]]] = {
            "offered": lambda at, row: self._answer(hospital, at, row),
            "accepted": lambda at, row: self._later(hospital, f"{at}/arrive", row),
        }
        while not self._is_over:
            await asyncio.sleep(self._chance.uniform(1, 3) * _LOOK_SECONDS)
            for state, step in steps.items():
                found = await hospital.call("GET", f"{self._at}/requests?state={state}")
                for row in found.body["requests"]:
                    if row["hospital"] == name:
                        await step(f"{self._at}/requests/{row['request_id']}", row)

    async def _answer(self, hospital: Caller, at: str, row: dict[str, Any]) -> None:
        chance = self._chance.random()
        body = {"offer_id": row["offer_id"]}
        if chance < _TAKES:
            self._note("accept", await hospital.call("POST", f"{at}/accept", body))
        elif chance < _REFUSES:
            body["reason"] = self._chance.choice(("의료진 부족", "장비 점검", "격리실 사용 중"))
            self._note("decline", await hospital.call("POST", f"{at}/decline", body))

    async def _later(self, hospital: Caller, path: str, row: dict[str, Any]) -> None:
        if self._chance.random() < 1 / 3:
            self._note("arrive", await hospital.call("POST", path, {"offer_id": row["offer_id"]}))

    def _note(self, what: str, answer: Answer) -> None:
        """Only what was acknowledged is a promise. Two who offer the same bed at once made one offer."""
        if not answer.is_done:
            return
        self._when.append(time.monotonic())
        offer_id = answer.body.get("offer_id") if what == "assign" else None
        if offer_id is None or offer_id not in self._offers:
            self._acts.append((what, answer.body["request_id"]))
        self._offers.add(offer_id)

    async def _watch(self) -> None:
        while not self._is_over:
            with_all = await self._coordinators[0].call("GET", f"{self._at}/requests?limit=500")
            rows = with_all.body["requests"]
            waits = [row["waited_ms"] for row in rows if row["state"] == "waiting"]
            moment = Moment(
                seconds=time.monotonic() - self._began,
                leader=await asyncio.to_thread(self._leader),
                burnt=self._burnt,
                waiting=len(waits),
                longest_wait_seconds=max(waits, default=0) / 1_000,
                states=dict(Counter(row["state"] for row in rows)),
                unanswered=self._unanswered,
            )
            self._show(moment)
            await asyncio.sleep(_LOOK_SECONDS)

    def _leader(self) -> str:
        return next((site for site, role in self._sites.roles().items() if role == "leader"), "")

    # --- the morning ---

    async def _whole(self) -> None:
        """A site that has just come back may show what was a moment ago: the record is read when none does."""
        async with asyncio.timeout(limits.DRILL_READY_SECONDS):
            while True:
                roles = await asyncio.to_thread(self._sites.roles)
                if "down" not in roles.values():
                    return
                await asyncio.sleep(_LOOK_SECONDS)

    async def _judge(self) -> Verdict:
        self._say("the morning: what the board's record says")
        entries, faults = await self._record()
        deeds = Counter((each["deed"]["action"], each["deed"]["details"].get("request_id", "")) for each in entries)
        found = compared(Counter(self._acts), deeds, await self._said())
        head = self._coordinators[0]
        stats = (await head.call("GET", f"{self._at}/stats")).body
        gaps = [after - before for before, after in zip(self._when, self._when[1:], strict=False)]
        return Verdict(
            acknowledged=len(self._acts),
            lost=_named(found.lost),
            doubled=_named(found.doubled),
            overfull_beds=[bed["bed_id"] for bed in await self._beds() if not 0 <= bed["free"] <= bed["places"]],
            chain_faults=faults,
            unsaid=_named(found.unsaid),
            longest_silence_seconds=max(gaps, default=0.0),
            time_to_assign_ms=stats["time_to_assign_ms"],
            still_waiting=stats["waiting_now"],
        )

    async def _beds(self) -> list[dict[str, Any]]:
        beds: list[dict[str, Any]] = (await self._coordinators[0].call("GET", f"{self._at}/beds?limit=200")).body[
            "beds"
        ]
        return beds

    async def _record(self) -> tuple[list[dict[str, Any]], list[Any]]:
        entries: list[dict[str, Any]] = []
        faults: list[Any] = []
        after = "&verify=true"
        while True:
            path = f"{self._at}/audit?limit=200{after}"
            page = (await self._coordinators[0].call("GET", path)).body
            entries += page["entries"]
            faults += page.get("faults", [])  # of the whole chain, told with the first page
            if "next_batch" not in page:
                return [each for each in entries if each["deed"]["action"] in _ACTS], faults
            after = f"&from={page['next_batch']}"

    async def _said(self) -> Acts:
        """The acts that the room was told, each as often as it was."""
        said: Acts = Counter()
        at, token = f"{API}/rooms/{quote(self._room_id)}/messages?dir=b&limit=500", ""
        while True:
            page = (await self._coordinators[-1].call("GET", f"{at}{token and f'&from={token}'}")).body
            told = [each["content"][BOARD] for each in page["chunk"] if BOARD in each.get("content", {})]
            said.update((each["what"], each.get("request_id", "")) for each in told if each["what"] in _ACTS)
            if "end" not in page:
                return said
            token = quote(page["end"])


def compared(told: Acts, deeds: Acts, said: Acts) -> "Compared":
    """told: what people were told is done; deeds: the board's record; said: what the room was told."""
    return Compared(told - deeds, deeds - told, (deeds - said) + (said - deeds))


async def _together(work: Sequence[Awaitable[Any]]) -> list[Any]:
    """All of it, some at once, the results in order."""
    turn = asyncio.Semaphore(limits.DRILL_SETUP_AT_ONCE)

    async def one(each: Awaitable[Any]) -> Any:
        async with turn:
            return await each

    return list(await asyncio.gather(*map(one, work)))


def _done(answer: Answer) -> None:
    if not answer.is_done:
        raise RuntimeError(f"the night could not begin: {answer.status} {answer.body}")


def _named(acts: Acts) -> list[str]:
    return sorted(f"{what} {request_id}" for what, request_id in acts.elements())
