"""Services hear what is said to them in rooms, so that they work from any Matrix client.

Each worker sees every commit, and looks into the table only when one may hold something for a service. What is found
is obeyed by whichever worker takes it (store/commands.py).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog
from prometheus_client import Counter

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.http.ratelimit import RateLimiter
from bongsu.rooms.membership import Leave
from bongsu.store.commands import Commands, Ear, Heard, is_worth_looking, take_in
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.feed import Feed
from bongsu.store.rows import Segment
from bongsu.workflow.rounds import Rounds

log = structlog.get_logger(__name__)

HEARD = Counter("bongsu_commands_total", "What people told services in rooms", ["outcome"])


class Listener(Protocol):
    """A service. Both answer the person, and take the row (store.commands.take) with what they write.

    act: raises the Refusal that a request would get, and has changed nothing then. refuse: tells the person so.
    """

    @property
    def ear(self) -> Ear: ...

    async def act(self, heard: Heard) -> None: ...

    async def refuse(self, heard: Heard, refusal: Refusal) -> None: ...


class Commanding:
    """apply() is the feed's, run() for ever. boards: the speaker of rooms that carry a board.

    is_pressed: then messages come first, and services wait as they do elsewhere.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        committer: Committer,
        limiter: RateLimiter,
        listeners: Sequence[Listener],
        boards: str,
        is_pressed: Callable[[], bool],
    ) -> None:
        self._database = database
        self._feed = feed
        self._committer = committer
        self._limiter = limiter
        self._listeners = {listener.ear.speaker: listener for listener in listeners}
        self._ears = {listener.ear.speaker: listener.ear for listener in listeners}
        self._boards = boards
        self._is_pressed = is_pressed
        self._commands = Commands(database)
        self._rounds = Rounds("not_heard", limits.ROUND_SECONDS)
        self._wanted_to = 0
        self._heard_to = -1

    def apply(self, segment: Segment) -> None:
        if any(is_worth_looking(event, self._ears) for event in segment.events):
            self._wanted_to = segment.to
            self._rounds.hurry()

    def hurry(self) -> None:
        self._rounds.hurry()

    async def run(self) -> None:
        self._wanted_to = max(self._wanted_to, self._feed.pos)
        await self._rounds.run(self._some)

    async def _some(self) -> bool:
        """True: there may be more to do at once."""
        if self._is_pressed() or not self._database.has_primary:
            return False
        more = await self._listen()
        if not await self._commands.any_due():
            return more
        claimed = await self._commands.claim(limits.COMMANDS_AT_ONCE_MAX)
        await asyncio.gather(*(self._obey(heard, tries) for heard, tries in claimed))
        return more or bool(claimed)

    async def _listen(self) -> bool:
        """Nothing is read while nobody said anything that may be for a service."""
        if self._heard_to >= self._wanted_to:
            return False
        reached = await self._database.write(lambda connection: take_in(connection, self._ears, self._boards))
        if reached is not None:
            self._heard_to = reached
        return reached is not None

    async def _obey(self, heard: Heard, tries: int) -> None:
        try:
            outcome = await self._try(self._listeners[heard.service], heard, tries)
        except Exception as error:
            outcome = await self._failed(heard, tries, error)
        HEARD.labels(outcome).inc()

    async def _try(self, listener: Listener, heard: Heard, tries: int) -> str:
        """What is tried again for no fault of the person's is no second command."""
        try:
            if tries == 1:
                await self._limiter.spend_for("command", heard.user_id)
        except Refusal as refusal:
            return await self._too_many(listener, heard, refusal)
        if not heard.said:
            await self._decline(heard)
        try:
            await listener.act(heard)
        except Refusal as refusal:
            if refusal.status >= 500 or refusal.status == 429:
                raise
            await listener.refuse(heard, refusal)
            return "refused"
        return "done"

    async def _decline(self, heard: Heard) -> None:
        """The service speaks with each person in a room that it has made; there the person hears how."""
        leave = Leave(room_id=heard.room_id, sender=heard.service, target=heard.service)
        with suppress(Refusal):
            await self._committer.submit(leave)

    async def _too_many(self, listener: Listener, heard: Heard, refusal: Refusal) -> str:
        """It is said now and then: an answer to each would be as much work as the commands."""
        try:
            await self._limiter.spend_for("command_refused", heard.user_id)
        except Refusal:
            await self._commands.remove(heard.pos)
        else:
            await listener.refuse(heard, refusal)
        return "too_many"

    async def _failed(self, heard: Heard, tries: int, error: Exception) -> str:
        """It is tried again; what always fails is given up, and said to be; what cannot be answered goes."""
        is_of_the_moment = isinstance(error, Refusal) and (error.status >= 500 or error.status == 429)
        if not is_of_the_moment:
            log.error("command_failed", pos=heard.pos, tries=tries, exc_info=error)
        if tries < limits.COMMAND_TRIES_MAX and (is_of_the_moment or not isinstance(error, Refusal)):
            await self._commands.postpone(heard.pos, limits.COMMAND_RETRY_SECONDS)
            return "postponed"
        with suppress(Exception):
            await self._listeners[heard.service].refuse(heard, _given_up())
        await self._commands.remove(heard.pos)
        return "given_up"


def _given_up() -> Refusal:
    return Refusal(503, "M_UNKNOWN", "it could not be done, and is given up; please say it again later")
