"""People who keep talking through disasters: they send, hang up, retry, read along, and write down all that they saw.

They are the drill's clients (bongsu.drill.client, .reader) with a record in memory. What they recorded is judged by
bongsu.drill.checker.
"""

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote

from bongsu.drill.checker import Reading, Send
from bongsu.drill.client import Account, Client, Doors
from bongsu.drill.reader import TOPIC, Reader, Remembered, pages_forth
from bongsu.drill.record import NOBODY, Attempt, Kind, Outcome
from bongsu.drill.wire import Reply

_OWN = re.compile(r"(?<=/)[!$@%][^/]*|(?<=m.room.message/).*|\b[0-9]+\b")  # names, transaction ids, seconds
PASSWORD = "beacon fires at dusk"
PATIENT_SECONDS = 10.0  # a client that leaves a silent server be
LIVE_TIMELINE = 5  # events a live reader takes at once: little, so that syncs are limited and gaps have to be filled
PAGE = 100
FAR_FUTURE_SECONDS = 60.0  # no single call may take longer, however many times it is repeated


class Refused(NamedTuple):
    """A refusal, without what is another one each time."""

    asked: str
    status: int
    errcode: str
    error: str

    @property
    def is_under_pressure(self) -> bool:
        """A server gave up something, or let people in by and by; with rate limits off, nobody asks too much."""
        return self.status == 429 and not self.error.startswith("Too many requests")


def _refused(raw: bytes, said: Mapping[str, Any], status: int) -> Refused:
    asked = raw.split(b" HTTP", 1)[0].split(b"?", 1)[0].decode()
    return Refused(_OWN.sub("…", asked), status, said.get("errcode", ""), _OWN.sub("…", said.get("error", "")))


class Attempted:
    """A send while its client still tries."""

    def __init__(self, client: str, attempt: Attempt, started: float) -> None:
        self.client, self.attempt, self.started = client, attempt, started
        self.acknowledged: list[str] = []

    def recorded(self) -> Send:
        attempt = self.attempt
        return Send(self.client, attempt.room_id, attempt.txn_id, attempt.body, self.started, tuple(self.acknowledged))


class Records:
    """All that happened to the clients of one run. Times are seconds since its begin."""

    def __init__(self) -> None:
        self.sends: list[Attempted] = []
        self.acknowledged_at: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.refusals: Counter[Refused] = Counter()
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def tried(self, start: float, client: int, site: int, kind: Kind, outcome: int, send: int = NOBODY) -> None:
        self.statuses[str(outcome) if outcome >= 100 else Outcome(outcome).name] += 1

    def refuse(self, refused: Refused) -> None:
        self.refusals[refused] += 1

    def begin(self, client: str, room_id: str, body: str) -> Attempted:
        number = len(self.sends)
        attempted = Attempted(client, Attempt(number, room_id, f"{body} {number}"), self.now)
        self.sends.append(attempted)
        return attempted

    def acknowledge(self, attempted: Attempted, event_id: str) -> None:
        attempted.acknowledged.append(event_id)
        self.acknowledged_at.append(self.now)

    def outage_seconds(self, since: float, until: float) -> float:
        """The longest time in which nobody was acknowledged."""
        times = [since, *(at for at in self.acknowledged_at if since < at < until), until]
        return max(after - before for before, after in pairwise(times))


class Noting(Client):
    """Writes down what it was refused, in the server's words, and comes again when it is told to."""

    def __init__(self, doors: Doors, records: Records, account: Account, **more: Any) -> None:
        super().__init__(doors, records, account, **more)
        self._records = records

    async def ask(self, raw: bytes, kind: Kind, send: int = NOBODY, wait_seconds: float = 0) -> Reply | None:
        reply = await super().ask(raw, kind, send, wait_seconds)
        if reply is not None and reply.status != 200:
            said = json.loads(reply.body)
            self._records.refuse(_refused(raw, said, reply.status))
            await asyncio.sleep(said.get("retry_after_ms", 0) / 1000)
        return reply


# --- who sends ---


async def deliver(client: Client, records: Records, attempted: Attempted) -> None:
    """Repeats one send until it is acknowledged."""
    records.acknowledge(attempted, await client.deliver(attempted.attempt))


async def set_topic(client: Client, records: Records, attempted: Attempted) -> None:
    """State has no transaction id: setting what is set already makes no second event."""
    path = f"/rooms/{quote(attempted.attempt.room_id)}/state/{TOPIC}"
    answer = await client.call("PUT", path, body={"topic": attempted.attempt.body})
    records.acknowledge(attempted, answer["event_id"])


async def talk(
    client: Client, records: Records, rooms: Sequence[str], stop: asyncio.Event, chance: random.Random
) -> None:
    """Sends one message after the other; each is repeated until it is acknowledged."""
    while not stop.is_set():
        await deliver(client, records, records.begin(client.account.user_id, chance.choice(rooms), "said"))
        await asyncio.sleep(chance.uniform(0, 0.03))


async def retitle(client: Client, records: Records, room_id: str, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await set_topic(client, records, records.begin(client.account.user_id, room_id, "topic"))
        await asyncio.sleep(0.3)


async def vanish(
    client: Client, records: Records, rooms: Sequence[str], stop: asyncio.Event, chance: random.Random
) -> None:
    """Hangs up while its send is under way. It mostly comes back with the same transaction id."""
    while not stop.is_set():
        attempted = records.begin(client.account.user_id, chance.choice(rooms), "hung up on")
        await client.hang_up(attempted.attempt, chance.uniform(0, 0.008))
        await asyncio.sleep(chance.uniform(0, 0.1))
        if chance.random() < 0.7:
            await deliver(client, records, attempted)


async def ask_ahead(client: Client, stop: asyncio.Event) -> None:
    """Comes with a token from the future, as after a change to a server that does not have it all yet."""
    little = json.dumps({"room": {"timeline": {"limit": 1}}, "presence": {"not_types": ["*"]}})
    while not stop.is_set():
        await client.call("GET", "/sync", query={"since": "s999999999", "filter": little})
        await asyncio.sleep(0.2)


# --- the run ---


class Crowd:
    """Everybody of one run: makes the accounts and rooms, starts the talk, and gathers the readings."""

    def __init__(self, doors: Doors, *, senders: int, rooms: int, readers: int) -> None:
        self.records = Records()
        self.doors = doors
        self.readers: list[Reader] = []
        self.rooms: list[str] = []
        self.first_token = ""
        self._clients: list[Client] = []
        self._counts = senders, rooms, readers
        self._people: list[Account] = []
        self._stop = asyncio.Event()
        self._talk: list[asyncio.Task[None]] = []
        self._reading: list[asyncio.Task[None]] = []

    def close(self) -> None:
        for client in self._clients:
            client.close()

    async def gather(self, name: str = "p") -> None:
        """Registers everybody (p0, p1, …) and brings all of them into all rooms."""
        senders, rooms, readers = self._counts
        async with asyncio.timeout(FAR_FUTURE_SECONDS):
            self._people = [await self._register(f"{name}{number}") for number in range(senders + readers)]
            owner = self._client(self._people[0])
            for _ in range(rooms):
                created = await owner.call("POST", "/createRoom", body={"preset": "public_chat"})
                self.rooms.append(created["room_id"])
            for account in self._people[1:]:
                for room_id in self.rooms:
                    await self._client(account).call("POST", f"/join/{quote(room_id)}", body={})

    async def _register(self, name: str) -> Account:
        auth = {"type": "m.login.dummy"}
        body = {"username": name, "password": PASSWORD, "auth": auth}
        made = await self._client(Account(name, "")).call("POST", "/register", body=body)
        return Account(made["user_id"], made["access_token"])

    async def another_device(self, number: int = -1) -> Client:
        """A new sign-in of somebody who is in all rooms."""
        account = self._people[number]
        body = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": account.user_id},
            "password": PASSWORD,
        }
        made = await self._client(account).call("POST", "/login", body=body)
        return self._client(Account(account.user_id, made["access_token"]))

    def _client(self, account: Account, home: int = 0, patience: float = PATIENT_SECONDS) -> Client:
        client = Noting(self.doors, self.records, account, home=home, patience_seconds=patience)
        self._clients.append(client)
        return client

    def _reader(self, name: str, client: Client, timeline: int = LIVE_TIMELINE) -> Reader:
        return Reader(name, client, self.rooms, Remembered(), timeline=timeline, page=PAGE)

    async def say(self) -> None:
        """One message of the first person, acknowledged."""
        account = self._people[0]
        async with asyncio.timeout(FAR_FUTURE_SECONDS):
            said = self.records.begin(account.user_id, self.rooms[0], "said")
            await deliver(self._client(account), self.records, said)

    async def start(self) -> None:
        """Readers take their first sync, then everybody talks."""
        senders = self._counts[0]
        for number, account in enumerate(self._people[senders:]):
            self.readers.append(self._reader(f"live {number}", self._client(account, number)))
        await asyncio.gather(*(reader.sync() for reader in self.readers))
        self.first_token = self.readers[0].fold.token if self.readers else ""
        self._reading = [asyncio.create_task(reader.follow()) for reader in self.readers]
        self._talk = [asyncio.create_task(self._role(number)) for number in range(senders)]
        self._talk.append(asyncio.create_task(ask_ahead(self._client(self._people[0]), self._stop)))

    def _role(self, number: int) -> Coroutine[Any, Any, None]:
        """One sets topics, every third hangs up, one in four is impatient: it repeats what is still under way."""
        chance = random.Random(number)
        account = self._people[number]
        client = self._client(account, number, patience=0.4 if number % 4 == 1 else PATIENT_SECONDS)
        if number == 0:
            return retitle(client, self.records, self.rooms[0], self._stop)
        if number % 3 == 0:
            return vanish(client, self.records, self.rooms, self._stop, chance)
        return talk(client, self.records, self.rooms, self._stop, chance)

    def check_alive(self) -> None:
        """Fails when somebody's task ended by an error."""
        for task in (*self._talk, *self._reading):
            if task.done() and not task.cancelled():
                task.result()

    async def finish(self) -> None:
        """Everybody says the last word and is acknowledged; every reader reads up to the last words."""
        self._stop.set()
        async with asyncio.timeout(FAR_FUTURE_SECONDS):
            await asyncio.gather(*self._talk)
            last = [self.records.begin(self._people[0].user_id, room_id, "last word") for room_id in self.rooms]
            for reader in self.readers:
                reader.fold.awaited.update(attempted.attempt.body for attempted in last)
                reader.is_ending = True
            speaker = self._client(self._people[0])
            await asyncio.gather(*(deliver(speaker, self.records, attempted) for attempted in last))
            await asyncio.gather(*self._reading)

    async def fresh_readings(self, name: str) -> list[Reading]:
        """What a new device sees: a first sync with pages back, one event at a time, and pages from the begin."""
        reader = self._reader(f"{name}, sync and pages back", await self.another_device(), timeline=1)
        forth = Remembered()
        async with asyncio.timeout(FAR_FUTURE_SECONDS):
            await reader.sync()
            for room_id in self.rooms:
                await pages_forth(reader.ask, room_id, PAGE, forth)
        return [
            *reader.fold.readings,
            *(Reading(f"{name}, pages forth", room_id, forth.stretches(room_id)) for room_id in self.rooms),
        ]

    async def replayed_readings(self, name: str) -> list[Reading]:
        """What an old device sees that was away since before the talk began: its first token, used once more."""
        senders = self._counts[0]
        old = self.readers[0]
        reader = self._reader(name, self._client(self._people[senders]))
        reader.fold.token = self.first_token
        async with asyncio.timeout(FAR_FUTURE_SECONDS):
            await reader.sync()
        return [before_and_after(old, self.first_token, reading) for reading in reader.fold.readings]


def before_and_after(old: Reader, token: str, reading: Reading) -> Reading:
    """A replay begins at the old reader's first token, so what that one saw up to there comes before it."""
    first = old.fold.reading(reading.room_id)
    count = [stretch.ends for stretch in first.stretches].index(token) + 1
    return reading._replace(stretches=(*first.stretches[:count], *reading.stretches), state=None)
