"""Everybody of one drill: makes the accounts and rooms, starts the talk, and gathers what was read."""

import asyncio
import random
import uuid
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from bongsu.core import limits
from bongsu.drill.checker import Reading
from bongsu.drill.client import Account, Client, Doors
from bongsu.drill.people import Person
from bongsu.drill.photos import Album
from bongsu.drill.reader import Reader, pages_forth
from bongsu.drill.record import NOBODY, Attempt, Kind, Record, Word
from bongsu.drill.shown import Filed

PASSWORD: Final = "beacon fires at dusk"  # noqa: S105  # of accounts that exist for one run
_LOOK: Final = {"timeout": "0", "filter": '{"room":{"timeline":{"limit":5}},"presence":{"not_types":["*"]}}'}
_VANISHING_SHARE: Final = 8  # one light writer in so many hangs up in mid-commit, all the time
_ROOMS_OF_A_WRITER: Final = 2
Tell = Callable[[str], None]


class Sizes(NamedTuple):
    """How many take part. rate: messages a second of all light writers together; 0: as fast as they can."""

    writers: int = 120
    readers: int = 6
    people: int = 3
    rooms: int = 12
    rate: float = 400.0


class Crowd:
    """`stop` ends the talk. Nobody gives up a send: what was begun is repeated until it is acknowledged."""

    def __init__(self, doors: Doors, record: Record, album: Album, sizes: Sizes, seed: int) -> None:
        self.doors, self.record, self.album, self.sizes = doors, record, album, sizes
        self.stop = asyncio.Event()
        self.readers: list[Reader] = []
        self.people: list[Person] = []
        self._chance = random.Random(seed)  # noqa: S311
        self._all_read = False
        self._name = f"drill-{uuid.uuid4().hex[:8]}"  # the lab may have seen drills before
        self._users: dict[str, int] = {}
        self._rooms: dict[str, int] = {}
        self._writers: list[tuple[Client, list[str]]] = []
        self._accounts: dict[str, Account] = {}
        self._clients: list[Client] = []
        self._files: list[Filed] = []
        self._talk: list[asyncio.Task[None]] = []
        self._reading: list[asyncio.Task[None]] = []
        self._looking: list[asyncio.Task[None]] = []

    @property
    def everybody(self) -> list[Reader | Person]:
        """Who reads along."""
        return [*self.readers, *self.people]

    # --- before ---

    async def gather(self, tell: Tell) -> None:
        """Registers everybody and brings them into their rooms."""
        tell("making accounts")
        owner = await self._register("owner")
        names = [f"{role}{n}" for role, count in self._roles().items() for n in range(count)]
        await _each(names, self._register)
        tell("making rooms")
        for number in range(self.sizes.rooms):
            await self._make_room(self.client(owner), f"room {number}")
        await _each(self._memberships(), self._join)

    def _roles(self) -> dict[str, int]:
        sizes, sites = self.sizes, len(self.doors)
        return {"writer": sizes.writers, "reader": sizes.readers, "person": sizes.people, "lookout": sites, "late": 1}

    async def _register(self, name: str) -> Account:
        body = {"username": f"{self._name}-{name}", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        made = await self._stranger().call("POST", "/register", body=body, wait_seconds=limits.DRILL_PAGE_SECONDS)
        account = Account(made["user_id"], made["access_token"])
        self._accounts[name] = account
        return account

    def _stranger(self) -> Client:
        return self.client(Account("", ""), len(self._clients) % len(self.doors))

    async def _make_room(self, owner: Client, name: str) -> None:
        made = await owner.call(
            "POST", "/createRoom", body={"preset": "public_chat", "name": name}, wait_seconds=limits.DRILL_PAGE_SECONDS
        )
        self._rooms[made["room_id"]] = len(self._rooms)
        self.record.name_room(made["room_id"])

    def _memberships(self) -> list[tuple[Account, str]]:
        """The first room is the real clients' own: they check every answer, and would be the slowest of all."""
        rooms = list(self._rooms)
        busy = rooms[1:] or rooms
        pairs = [(self._accounts[f"person{n}"], rooms[0]) for n in range(self.sizes.people)]
        pairs += [(self._accounts[f"lookout{n}"], rooms[0]) for n in range(len(self.doors))]
        for name in ("late0", *(f"reader{n}" for n in range(self.sizes.readers))):
            pairs += [(self._accounts[name], room_id) for room_id in rooms]
        for number in range(self.sizes.writers):
            account = self._accounts[f"writer{number}"]
            mine = [busy[(number + step) % len(busy)] for step in range(min(_ROOMS_OF_A_WRITER, len(busy)))]
            client = self.client(account, number % len(self.doors), enrolled=True)
            self._writers.append((client, mine))
            pairs += [(account, room_id) for room_id in mine]
        return pairs

    async def _join(self, pair: tuple[Account, str]) -> None:
        account, room_id = pair
        client = self.client(account, self._rooms[room_id] % len(self.doors))
        await client.call("POST", f"/join/{quote(room_id)}", body={}, wait_seconds=limits.DRILL_PAGE_SECONDS)
        client.close()

    def client(self, account: Account, home: int = 0, *, enrolled: bool = False, pinned: bool = False) -> Client:
        """enrolled: the client sends, and what it sends is attributed to it."""
        number = self.record.enrol(account.user_id) if enrolled else NOBODY
        if enrolled:
            self._users[account.user_id] = number
        client = Client(self.doors, self.record, account, number=number, home=home, pinned=pinned)
        self._clients.append(client)
        return client

    # --- the talk ---

    async def start(self, folder: Path) -> None:
        """Readers take their first sync, then everybody talks."""
        self._seat_people(folder)
        self._seat_readers(folder)
        await asyncio.gather(*(one.sync() for one in self.everybody))
        self._reading = [asyncio.create_task(one.follow()) for one in self.everybody]
        for number, (client, rooms) in enumerate(self._writers):
            self._talk.append(asyncio.create_task(self._role(number, client, rooms)))
        for person in self.people:
            self._talk.append(asyncio.create_task(person.talk(self.album, self.stop, self._fork())))
        for site in range(len(self.doors)):
            self._looking += [asyncio.create_task(self._look(site, n)) for n in range(limits.DRILL_LOOKOUTS)]

    def _seat_people(self, folder: Path) -> None:
        """Real clients before the readers' files are opened: those name senders by number."""
        room_id = next(iter(self._rooms))
        for number in range(self.sizes.people):
            account = self._accounts[f"person{number}"]
            shown = self._filed(folder, f"person-{number}")
            person = Person(self.doors, self.record, account, number % len(self.doors), room_id, shown)
            self._users[account.user_id] = person.number
            self.people.append(person)

    def _seat_readers(self, folder: Path) -> None:
        for number in range(self.sizes.readers):
            client = self.client(self._accounts[f"reader{number}"], number % len(self.doors))
            shown = self._filed(folder, f"reader-{number}")
            reader = Reader(
                f"reader {number}", client, list(self._rooms), shown, rest_seconds=limits.DRILL_READER_REST_SECONDS
            )
            self.readers.append(reader)

    def _filed(self, folder: Path, name: str) -> Filed:
        filed = Filed(folder, name, self._rooms, self._users)
        self._files.append(filed)
        return filed

    def _fork(self) -> random.Random:
        return random.Random(self._chance.random())  # noqa: S311

    def _role(self, number: int, client: Client, rooms: Sequence[str]) -> Coroutine[Any, Any, None]:
        interval = self.sizes.writers / self.sizes.rate if self.sizes.rate else 0.0
        role = self._vanish if number % _VANISHING_SHARE == 0 else self._write
        return role(client, rooms, interval, self._fork())

    async def _write(self, client: Client, rooms: Sequence[str], interval: float, chance: random.Random) -> None:
        """One message after the other, in step with the rate; what an outage held up is not made up for."""
        while not self.stop.is_set():
            began = self.record.now
            await self._deliver(client, self.record.begin(client.number, chance.choice(rooms)))
            await asyncio.sleep(max(0.0, interval * chance.uniform(0.5, 1.5) - (self.record.now - began)))

    async def _deliver(self, client: Client, attempt: Attempt) -> None:
        event_id = await client.deliver(attempt)
        self.record.acknowledge(attempt, client.site, event_id)

    async def _vanish(self, client: Client, rooms: Sequence[str], interval: float, chance: random.Random) -> None:
        """Hangs up while its send is under way. It mostly comes back with the same transaction id."""
        while not self.stop.is_set():
            attempt = self.record.begin(client.number, chance.choice(rooms), Word.HUNG_UP_ON)
            await client.hang_up(attempt, chance.uniform(0, limits.DRILL_HANG_UP_SECONDS_MAX))
            if chance.random() < 0.7:
                await self._deliver(client, attempt)
            await asyncio.sleep(max(interval, limits.DRILL_REST_SECONDS) * chance.uniform(0.5, 1.5))

    async def _look(self, site: int, number: int) -> None:
        """Asks one site alone, several times a second, for a sync or for history: can it be read?"""
        account, room_id = self._accounts[f"lookout{site}"], next(iter(self._rooms))
        client = self.client(account, site)
        history = client.request("GET", f"/rooms/{quote(room_id)}/messages", query={"dir": "b", "limit": "5"})
        sync = client.request("GET", "/sync", query=_LOOK)
        await asyncio.sleep(number * limits.DRILL_LOOK_SECONDS / limits.DRILL_LOOKOUTS)
        while True:
            await client.ask(sync if number % 2 else history, Kind.LOOK)
            await asyncio.sleep(limits.DRILL_LOOK_SECONDS)

    def check_alive(self) -> None:
        """Raises when somebody's task ended by an error: then the record is not whole."""
        for task in (*self._talk, *self._reading, *self._looking):
            if task.done() and not task.cancelled():
                task.result()

    # --- after ---

    async def finish(self) -> bool:
        """Everybody's last send is acknowledged and every reader has read up to the last words; False: not in time."""
        self.stop.set()
        try:
            async with asyncio.timeout(limits.DRILL_FINISH_SECONDS):
                await asyncio.gather(*self._talk)
                await self._last_words()
                await asyncio.gather(*self._reading)
        except TimeoutError:
            return False
        self._all_read = True
        return True

    async def _last_words(self) -> None:
        speaker = self.client(self._accounts["owner"], enrolled=True)
        last = [self.record.begin(speaker.number, room_id, Word.LAST_WORD) for room_id in self._rooms]
        for one in self.everybody:
            one.fold.awaited.update(attempt.body for attempt in last if attempt.room_id in one.fold.rooms)
            one.is_ending = True
        for attempt in last:
            await self._deliver(speaker, attempt)

    def live_readings(self, room_id: str) -> list[Reading]:
        """What everybody who read along was shown of one room; not whole if the last words were not reached."""
        folds = [one.fold for one in self.everybody if room_id in one.fold.rooms]
        return [fold.reading(room_id)._replace(is_whole=self._all_read) for fold in folds]

    def late(self, site: int) -> Client:
        """Somebody who is in all rooms and asks this site alone."""
        return self.client(self._accounts["late0"], site, pinned=True)

    async def fresh_reader(self, folder: Path, site: int, name: str) -> Reader:
        """A new device at one site: its first sync, with pages back to the begin of every room."""
        client = await self._another_device("late0", site)
        reader = Reader(f"new device at {name}", client, list(self._rooms), self._filed(folder, f"fresh-{name}"))
        await reader.sync()
        return reader

    async def history(self, folder: Path, site: int, name: str) -> Reader:
        """All rooms at one site, read from their begin."""
        client = await self._another_device("late0", site)
        shown = self._filed(folder, f"forth-{name}")
        reader = Reader(f"history at {name}", client, list(self._rooms), shown)
        for room_id in self._rooms:
            await pages_forth(reader.ask, room_id, limits.PAGE_EVENTS_MAX, shown)
        return reader

    async def _another_device(self, name: str, site: int) -> Client:
        """A new sign-in of somebody who is in all rooms; it asks this site alone."""
        account = self._accounts[name]
        who = {"type": "m.id.user", "user": account.user_id}
        body = {"type": "m.login.password", "identifier": who, "password": PASSWORD}
        made = await self.client(account, site).call(
            "POST", "/login", body=body, wait_seconds=limits.DRILL_PAGE_SECONDS
        )
        return self.client(Account(account.user_id, made["access_token"]), site, pinned=True)

    async def close(self) -> None:
        tasks = [*self._talk, *self._reading, *self._looking]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for client in self._clients:
            client.close()
        for person in self.people:
            await person.close()
        for filed in self._files:
            filed.close()


async def _each(items: Sequence[Any], work: Callable[[Any], Coroutine[Any, Any, Any]]) -> None:
    """work(item) for all, some at a time."""
    todo = iter(items)

    async def worker() -> None:
        for item in todo:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(limits.DRILL_SETUP_AT_ONCE):
            group.create_task(worker())
