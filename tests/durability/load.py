"""People who keep talking through disasters: they send, hang up, retry, read along, and write down all that they saw.

Every client is a safe one: it repeats the same transaction id until it is answered, whatever went wrong, and a reader
repeats the same token. What they recorded is judged by checker.py.
"""

import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import aiohttp

from tests.durability.checker import Reading, Seen, Send, Stretch

API = "/_matrix/client/v3"
PASSWORD = "beacon fires at dusk"
MESSAGE, TOPIC = "m.room.message", "m.room.topic"
PAUSE_SECONDS = 0.05  # before a try is repeated: less and a dead server is asked thousands of times
LONG_POLL_MS = 2_000
LIVE_TIMELINE = 5  # events a live reader takes at once: little, so that syncs are limited and gaps have to be filled
PAGE = 100
FAR_FUTURE_SECONDS = 60.0  # no single call may take longer, however many times it is repeated


class Account(NamedTuple):
    user_id: str
    token: str


class Attempted:
    """A send while its client still tries."""

    def __init__(self, client: str, room_id: str, txn_id: str, body: str, started: float) -> None:
        self.client, self.room_id, self.txn_id, self.body, self.started = client, room_id, txn_id, body, started
        self.acknowledged: list[str] = []

    def recorded(self) -> Send:
        return Send(self.client, self.room_id, self.txn_id, self.body, self.started, tuple(self.acknowledged))


class Records:
    """All that happened to the clients of one run. Times are seconds since its begin."""

    def __init__(self) -> None:
        self.sends: list[Attempted] = []
        self.acknowledged_at: list[float] = []
        self.statuses: Counter[str] = Counter()
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def begin(self, client: str, room_id: str, body: str) -> Attempted:
        number = len(self.sends)
        attempted = Attempted(client, room_id, f"t{number}", f"{body} {number}", self.now)
        self.sends.append(attempted)
        return attempted

    def acknowledge(self, attempted: Attempted, event_id: str) -> None:
        attempted.acknowledged.append(event_id)
        self.acknowledged_at.append(self.now)

    def outage_seconds(self, since: float, until: float) -> float:
        """The longest time in which nobody was acknowledged."""
        times = [since, *(at for at in self.acknowledged_at if since < at < until), until]
        return max(after - before for before, after in pairwise(times))


class Doors:
    """Where the workers answer. Clients that find one shut go to the next."""

    def __init__(self, base_urls: list[str]) -> None:
        self.base_urls = base_urls

    def at(self, place: int) -> str:
        return self.base_urls[place % len(self.base_urls)]


class Client:
    """One device. `patience`: seconds after which it hangs up on a call that is no long poll."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        doors: Doors,
        records: Records,
        account: Account,
        place: int = 0,
        patience: float = 10.0,
    ) -> None:
        self.account = account
        self.doors = doors
        self.records = records
        self.place = place
        self._http = http
        self._patience = patience

    async def call(
        self, method: str, path: str, *, body: object = None, query: Mapping[str, str] | None = None, wait: float = 0
    ) -> dict[str, Any]:
        """The answer of the first try that succeeds. Tries for ever: the caller bounds the time."""
        while True:
            answer = await self._try(method, path, body, query, wait)
            if answer is not None:
                return answer
            self.place += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _try(
        self, method: str, path: str, body: object, query: Mapping[str, str] | None, wait: float
    ) -> dict[str, Any] | None:
        try:
            async with self._http.request(
                method,
                self.doors.at(self.place) + API + path,
                json=body,
                params=query,
                headers={"authorization": f"Bearer {self.account.token}"},
                timeout=aiohttp.ClientTimeout(total=self._patience + wait),
            ) as response:
                answer: dict[str, Any] = await response.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self.records.statuses[type(error).__name__] += 1
            return None
        self.records.statuses[str(response.status)] += 1
        return answer if response.status == 200 else None

    async def deliver(self, attempted: Attempted) -> None:
        """Repeats one send until it is acknowledged."""
        content = {"msgtype": "m.text", "body": attempted.body}
        answer = await self.call("PUT", send_path(attempted), body=content)
        self.records.acknowledge(attempted, answer["event_id"])

    async def set_topic(self, attempted: Attempted) -> None:
        """State has no transaction id: setting what is set already makes no second event."""
        path = f"/rooms/{quote(attempted.room_id)}/state/{TOPIC}"
        answer = await self.call("PUT", path, body={"topic": attempted.body})
        self.records.acknowledge(attempted, answer["event_id"])


def send_path(attempted: Attempted) -> str:
    return f"/rooms/{quote(attempted.room_id)}/send/{MESSAGE}/{attempted.txn_id}"


# --- who sends ---


async def talk(client: Client, rooms: Sequence[str], stop: asyncio.Event, chance: random.Random) -> None:
    """Sends one message after the other; each is repeated until it is acknowledged."""
    while not stop.is_set():
        attempted = client.records.begin(client.account.user_id, chance.choice(rooms), "said")
        await client.deliver(attempted)
        await asyncio.sleep(chance.uniform(0, 0.03))


async def retitle(client: Client, room_id: str, stop: asyncio.Event) -> None:
    while not stop.is_set():
        await client.set_topic(client.records.begin(client.account.user_id, room_id, "topic"))
        await asyncio.sleep(0.3)


async def vanish(client: Client, rooms: Sequence[str], stop: asyncio.Event, chance: random.Random) -> None:
    """Hangs up while its send is under way. It mostly comes back with the same transaction id."""
    while not stop.is_set():
        attempted = client.records.begin(client.account.user_id, chance.choice(rooms), "hung up on")
        await _hang_up(client, attempted, chance.uniform(0, 0.008))
        await asyncio.sleep(chance.uniform(0, 0.1))
        if chance.random() < 0.7:
            await client.deliver(attempted)


async def ask_ahead(client: Client, stop: asyncio.Event) -> None:
    """Comes with a token from the future, as after a change to a server that does not have it all yet."""
    little = json.dumps({"room": {"timeline": {"limit": 1}}, "presence": {"not_types": ["*"]}})
    while not stop.is_set():
        await client.call("GET", "/sync", query={"since": "s999999999", "filter": little})
        await asyncio.sleep(0.2)


async def _hang_up(client: Client, attempted: Attempted, after_seconds: float) -> None:
    """Writes a whole request and aborts the connection before the answer is read."""
    address = urlsplit(client.doors.at(client.place))
    body = json.dumps({"msgtype": "m.text", "body": attempted.body}).encode()
    head = (
        f"PUT {API}{send_path(attempted)} HTTP/1.1\r\nhost: {address.netloc}\r\n"
        f"authorization: Bearer {client.account.token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    try:
        _, writer = await asyncio.open_connection(address.hostname, address.port)
    except OSError:
        client.place += 1
        return
    writer.write(head.encode() + body)
    await asyncio.sleep(after_seconds)
    writer.transport.abort()


# --- who reads ---


class Reader:
    """Follows its rooms with one chain of tokens, and fills what a limited sync left out."""

    def __init__(self, name: str, client: Client, rooms: Sequence[str], timeline: int = LIVE_TIMELINE) -> None:
        self.name = name
        self.tokens: list[str] = []
        self.bodies: set[str] = set()
        self._client = client
        self._rooms = rooms
        self._filter = json.dumps({"room": {"timeline": {"limit": timeline}}, "presence": {"not_types": ["*"]}})
        self._stretches: dict[str, list[Stretch]] = {room_id: [] for room_id in rooms}
        self._state: defaultdict[str, dict[tuple[str, str], str]] = defaultdict(dict)

    @property
    def readings(self) -> list[Reading]:
        return [
            Reading(self.name, room_id, tuple(self._stretches[room_id]), True, self._state[room_id])
            for room_id in self._rooms
        ]

    async def follow(self, last: Iterable[str] | None = None) -> None:
        """Syncs until every body of `last` was seen; without it until cancelled."""
        wanted = None if last is None else set(last)
        while wanted is None or not wanted <= self.bodies:
            await self.sync(LONG_POLL_MS)

    async def sync(self, timeout_ms: int = 0) -> None:
        """One sync from the newest token."""
        query = {"timeout": str(timeout_ms), "filter": self._filter}
        since = self.tokens[-1] if self.tokens else ""
        if since:
            query["since"] = since
        answer = await self._client.call("GET", "/sync", query=query, wait=timeout_ms / 1000)
        joined = answer.get("rooms", {}).get("join", {})
        parts = [
            await self._part(room_id, joined.get(room_id, {}), since, answer["next_batch"]) for room_id in self._rooms
        ]
        for room_id, stretches in zip(self._rooms, parts, strict=True):  # all of the answer or nothing of it
            self._keep(room_id, joined.get(room_id, {}), stretches)
        self.tokens.append(answer["next_batch"])

    async def _part(self, room_id: str, room: Mapping[str, Any], since: str, until: str) -> list[Stretch]:
        timeline = room.get("timeline", {})
        newest = seen_of(timeline.get("events", []))
        if not timeline.get("limited"):
            return [Stretch(since, until, newest)]
        begins = timeline["prev_batch"]
        return [*await pages_back(self._client, room_id, begins, since), Stretch(begins, until, newest)]

    def _keep(self, room_id: str, room: Mapping[str, Any], stretches: Iterable[Stretch]) -> None:
        for stretch in stretches:
            self._add(self._stretches[room_id], stretch)
            self.bodies.update(seen.body for seen in stretch.events if seen.body)
        for event in [*room.get("state", {}).get("events", []), *room.get("timeline", {}).get("events", [])]:
            if "state_key" in event:
                self._state[room_id][event["type"], event["state_key"]] = event["event_id"]

    @staticmethod
    def _add(stretches: list[Stretch], new: Stretch) -> None:
        """Silence after silence is one silence."""
        if stretches and not new.events and not stretches[-1].events and stretches[-1].ends == new.begins:
            stretches[-1] = stretches[-1]._replace(ends=new.ends)
        else:
            stretches.append(new)


async def pages_back(client: Client, room_id: str, from_: str, to: str) -> list[Stretch]:
    """History between two tokens, read from the newer to the older; to "": from the room's begin."""
    found: list[Stretch] = []
    while True:
        query = {"dir": "b", "from": from_, "limit": str(PAGE)} | ({"to": to} if to else {})
        page = await client.call("GET", f"/rooms/{quote(room_id)}/messages", query=query)
        found.append(Stretch(page.get("end", to), page["start"], seen_of(reversed(page["chunk"]))))
        if "end" not in page:
            return found[::-1]
        from_ = page["end"]


async def pages_forth(client: Client, room_id: str) -> list[Stretch]:
    """The whole history, read from its begin."""
    found: list[Stretch] = []
    query = {"dir": "f", "limit": str(PAGE)}
    while True:
        page = await client.call("GET", f"/rooms/{quote(room_id)}/messages", query=query)
        found.append(Stretch(page["start"], page.get("end", "the end"), seen_of(page["chunk"])))
        if "end" not in page:
            return found
        query["from"] = page["end"]


def seen_of(events: Iterable[Mapping[str, Any]]) -> tuple[Seen, ...]:
    return tuple(Seen(event["event_id"], event["sender"], _body(event)) for event in events)


def _body(event: Mapping[str, Any]) -> str | None:
    body = event["content"].get({MESSAGE: "body", TOPIC: "topic"}.get(event["type"], ""))
    return body if isinstance(body, str) else None


# --- the run ---


class Crowd:
    """Everybody of one run: makes the accounts and rooms, starts the talk, and gathers the readings."""

    def __init__(self, http: aiohttp.ClientSession, doors: Doors, *, senders: int, rooms: int, readers: int) -> None:
        self.records = Records()
        self.doors = doors
        self.readers: list[Reader] = []
        self.rooms: list[str] = []
        self._http = http
        self._counts = senders, rooms, readers
        self._people: list[Account] = []
        self._stop = asyncio.Event()
        self._talk: list[asyncio.Task[None]] = []
        self._reading: list[asyncio.Task[None]] = []

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

    def _client(self, account: Account, place: int = 0, patience: float = 10.0) -> Client:
        return Client(self._http, self.doors, self.records, account, place, patience)

    async def say(self) -> None:
        """One message of the first person, acknowledged."""
        account = self._people[0]
        async with asyncio.timeout(FAR_FUTURE_SECONDS):
            await self._client(account).deliver(self.records.begin(account.user_id, self.rooms[0], "said"))

    async def start(self) -> None:
        """Readers take their first sync, then everybody talks."""
        senders = self._counts[0]
        for number, account in enumerate(self._people[senders:]):
            self.readers.append(Reader(f"live {number}", self._client(account, number), self.rooms))
        await asyncio.gather(*(reader.sync() for reader in self.readers))
        self._reading = [asyncio.create_task(reader.follow()) for reader in self.readers]
        self._talk = [asyncio.create_task(self._role(number)) for number in range(senders)]
        self._talk.append(asyncio.create_task(ask_ahead(self._client(self._people[0]), self._stop)))

    def _role(self, number: int) -> Coroutine[Any, Any, None]:
        """One sets topics, every third hangs up, one in four is impatient: it repeats what is still under way."""
        chance = random.Random(number)
        account = self._people[number]
        client = self._client(account, number, patience=0.4 if number % 4 == 1 else 10.0)
        if number == 0:
            return retitle(client, self.rooms[0], self._stop)
        if number % 3 == 0:
            return vanish(client, self.rooms, self._stop, chance)
        return talk(client, self.rooms, self._stop, chance)

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
            speaker = self._client(self._people[0])
            await asyncio.gather(*(speaker.deliver(attempted) for attempted in last))
        for task in self._reading:
            task.cancel()
        await asyncio.wait(self._reading)
        await self.read_to_end(attempted.body for attempted in last)

    async def read_to_end(self, last: Iterable[str]) -> None:
        words = list(last)
        async with asyncio.timeout(FAR_FUTURE_SECONDS):
            await asyncio.gather(*(reader.follow(words) for reader in self.readers))

    async def fresh_readings(self, name: str) -> list[Reading]:
        """What a new device sees: a first sync with pages back, one event at a time, and pages from the begin."""
        device = await self.another_device()
        reader = Reader(f"{name}, sync and pages back", device, self.rooms, timeline=1)
        async with asyncio.timeout(FAR_FUTURE_SECONDS):
            await reader.sync()
            forth = [
                Reading(f"{name}, pages forth", room_id, tuple(await pages_forth(device, room_id)))
                for room_id in self.rooms
            ]
        return [*reader.readings, *forth]

    async def replayed_readings(self, name: str) -> list[Reading]:
        """What an old device sees that was away since before the talk began: its first token, used once more."""
        senders = self._counts[0]
        old = self.readers[0]
        reader = Reader(name, self._client(self._people[senders]), self.rooms)
        reader.tokens = old.tokens[:1]
        async with asyncio.timeout(FAR_FUTURE_SECONDS):
            await reader.sync()
        return [before_and_after(old, reader, reading) for reading in reader.readings]


def before_and_after(old: Reader, new: Reader, reading: Reading) -> Reading:
    """A replay begins at the old reader's first token, so what that one saw up to there comes before it."""
    first = next(own for own in old.readings if own.room_id == reading.room_id)
    count = [stretch.ends for stretch in first.stretches].index(new.tokens[0]) + 1
    return reading._replace(stretches=(*first.stretches[:count], *reading.stretches), state=None)
