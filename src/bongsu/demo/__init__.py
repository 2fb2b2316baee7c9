"""The demo: people, rooms and messages to look at, made with the operations that clients' requests become.

Everything but the question whether it is there already is loaded only when it is needed: drawing takes memory.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol

from bongsu import demo_accounts
from bongsu.config import Settings
from bongsu.core.errors import Refusal
from bongsu.core.ids import user_id
from bongsu.core.templates import Action
from bongsu.demo.asking import Served
from bongsu.demo.people import PEOPLE, SQUARE_ALIAS
from bongsu.store import directory, personal
from bongsu.store.committer import Committer
from bongsu.store.database import Connection, Database

SERVICES_FILLED: Final = "org.bongsu.demo"  # account data of the first of the people: the services are filled


class Stored(Protocol):
    """A file's bytes that were kept: their SHA-256 and how many."""

    @property
    def sha256(self) -> bytes: ...

    @property
    def size(self) -> int: ...


class Blobs(Protocol):
    """Keeps the bytes of files."""

    async def put(self, stream: AsyncIterator[bytes], bytes_max: int) -> Stored: ...


class Administration(Protocol):
    """Makes accounts."""

    async def add(self, username: str, password: str) -> str: ...


class Marks(Protocol):
    """Gives the official mark."""

    async def certify(self, connection: Connection, channel_id: str, days: int, actor: str) -> object: ...


class Templates(Protocol):
    """Decides on the texts of channels. which: a template and its version."""

    async def decide(
        self, connection: Connection, which: tuple[str, int], action: Action, why: str, actor: str
    ) -> object: ...


class Worker(Protocol):
    """What of a serving process the demo uses."""

    @property
    def settings(self) -> Settings: ...

    @property
    def database(self) -> Database: ...

    @property
    def committer(self) -> Committer: ...

    @property
    def accounts(self) -> Administration: ...

    @property
    def blobs(self) -> Blobs: ...

    @property
    def app(self) -> Served: ...

    @property
    def marks(self) -> Marks: ...

    @property
    def templates(self) -> Templates: ...


async def fill(worker: Worker, announce: Callable[[str], None]) -> Sequence[tuple[str, str]]:
    """(user id, password) of the demo's people, as far as this data folder knows them; makes them if need be."""
    try:
        await _fill(worker, announce)
    except Refusal as refusal:
        announce(f"The demo is not complete: {refusal.message}")
    known = demo_accounts.read(worker.settings.data)
    return [(account.user_id, account.password) for account in known]


async def _fill(worker: Worker, announce: Callable[[str], None]) -> None:
    settings = worker.settings
    if await directory.room_of(worker.database, f"#{SQUARE_ALIAS}:{settings.server_name}") is None:
        from bongsu.demo import filling

        await filling.make(worker, announce, time.time_ns() // 1_000_000)
    if not demo_accounts.read(settings.data):
        announce("The demo is there. Its passwords are in the data folder with which it was made.")
        return
    first = user_id(PEOPLE[0].localpart, settings.server_name)
    if await personal.account_data(worker.database, first, "", SERVICES_FILLED) is None:
        from bongsu.demo import services

        await services.fill(worker, announce)
