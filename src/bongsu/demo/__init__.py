"""The demo: people, rooms and messages to look at, made with the operations that clients' requests become.

Everything but the question whether it is there already is loaded only when it is needed: drawing takes memory.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

from bongsu import demo_accounts
from bongsu.config import Settings
from bongsu.core.errors import Refusal
from bongsu.demo.people import SQUARE_ALIAS
from bongsu.store import directory
from bongsu.store.committer import Committer
from bongsu.store.database import Database


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


async def fill(worker: Worker, announce: Callable[[str], None]) -> Sequence[tuple[str, str]]:
    """(user id, password) of the demo's people, as far as this data folder knows them; makes them if need be."""
    settings = worker.settings
    if await directory.room_of(worker.database, f"#{SQUARE_ALIAS}:{settings.server_name}") is None:
        from bongsu.demo import filling

        try:
            await filling.make(worker, announce, time.time_ns() // 1_000_000)
        except Refusal as refusal:
            announce(f"No demo was made: {refusal.message}")
            return ()
    known = demo_accounts.read(settings.data)
    if not known:
        announce("The demo is there. Its passwords are in the data folder with which it was made.")
    return [(account.user_id, account.password) for account in known]
