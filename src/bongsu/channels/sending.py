"""Broadcasts are sent: slice by slice, below messages, on whichever worker comes first, on another if that one dies.

A message costs what any message costs: one event in the room of the two. Its transaction id is the broadcast's, so that
a slice which is sent again, after a crash or by two workers at once, gives nobody a second one.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import structlog
from prometheus_client import Counter

from bongsu.channels.rooms import FirstWord
from bongsu.core import channels as rules
from bongsu.core import limits, versions
from bongsu.core.channels import State
from bongsu.core.errors import Refusal
from bongsu.core.events import MESSAGE, Draft
from bongsu.rooms.batch import Transaction
from bongsu.rooms.sending import FindSent, SendEvent
from bongsu.store import broadcasts as table
from bongsu.store.broadcasts import Outcome, Recipient, Slice
from bongsu.store.committer import Committer
from bongsu.store.database import Database
from bongsu.store.rooms import Reads
from bongsu.workflow.rounds import Rounds

log = structlog.get_logger(__name__)

BROADCAST: Final = Counter("bongsu_broadcast_total", "Followers whose turn in a broadcast has come", ["outcome"])

# (where to read, user ids, now) → until when those of them have quiet hours who have them now; all in ms
Quiet = Callable[[Reads, Sequence[str], int], Awaitable[Mapping[str, int]]]


class Plan(msgspec.Struct, frozen=True):
    """Whom a slice is said to now: in rooms as they are, in rooms to be made or changed, later, or not at all."""

    known: list[Recipient]
    new: list[Recipient]
    held: dict[str, int]
    refused: list[str]


def planned(piece: Slice, quiet: Mapping[str, int], now_ms: int) -> Plan:
    """Who is quiet for longer than a day gets it then all the same: it does not sound."""
    plan = Plan([], [], {}, [])
    latest = piece.began_ts + limits.BROADCAST_HELD_MS_MAX
    for person in piece.recipients:
        until = min(quiet.get(person.user_id, now_ms), latest)
        due = rules.due_at(now_ms, person.agreed, is_advertising=piece.broadcast.advertising, quiet_until=until)
        is_gone = person.membership in ("leave", "ban") and not person.is_back
        if due is None or not person.is_there or is_gone:
            plan.refused.append(person.user_id)
        elif due > now_ms:
            plan.held[person.user_id] = due
        else:
            (plan.known if person.is_at_hand else plan.new).append(person)
    return plan


def put_off(piece: Slice, plan: Plan, group: Sequence[Recipient], now_ms: int) -> list[Recipient]:
    """Those who may still get it now: night falls while a slice waits for its commits, too."""
    in_time = []
    for person in group:
        due = rules.due_at(now_ms, person.agreed, is_advertising=piece.broadcast.advertising)
        if due is not None and due > now_ms:
            plan.held[person.user_id] = due
        else:
            in_time.append(person)
    return in_time


def _transaction(piece: Slice) -> Transaction:
    return Transaction(piece.account, "", f"broadcast-{piece.broadcast.broadcast_id}")


class Sending:
    """run() for ever; hurry() when there is one to send. is_pressed: messages come first, and broadcasts wait.

    It takes half of the time of commits at most.
    """

    def __init__(
        self,
        database: Database,
        committer: Committer,
        new_room_id: Callable[[], str],
        now_ms: Callable[[], int],
        is_pressed: Callable[[], bool],
        quiet: Quiet,
    ) -> None:
        self._database = database
        self._committer = committer
        self._new_room_id = new_room_id
        self._now_ms = now_ms
        self._is_pressed = is_pressed
        self._quiet = quiet
        self._rounds = Rounds("broadcasts_wait", limits.DUE_ROUND_SECONDS)

    def hurry(self) -> None:
        self._rounds.hurry()

    async def run(self) -> None:
        await self._rounds.run(self._some)

    async def _some(self) -> bool:
        """One slice. False: nothing is to be sent now."""
        if self._is_pressed() or not self._database.has_primary or not await table.any_due(self._database):
            return False
        piece = await self._database.write(lambda connection: table.claim(connection, self._now_ms()))
        if piece is None:
            return False
        outcome = await self._send(piece)
        await self._database.write(lambda connection: table.finish(connection, piece, outcome))
        for name, people in (("sent", outcome.sent), ("held", outcome.held), ("refused", outcome.refused)):
            BROADCAST.labels(name).inc(len(people))
        return True

    async def _send(self, piece: Slice) -> Outcome:
        if piece.broadcast.state is not State.RUNNING:
            return await self._found(piece)
        now_ms = self._now_ms()
        quiet = await self._quiet(self._database, [person.user_id for person in piece.recipients], now_ms)
        plan = planned(piece, quiet, now_ms)
        sent: dict[str, str] = {}
        rooms = limits.BROADCAST_ROOMS_AT_ONCE
        groups = [plan.known, *(plan.new[start : start + rooms] for start in range(0, len(plan.new), rooms))]
        for group in groups:
            in_time = put_off(piece, plan, group, self._now_ms())
            for person, said in zip(in_time, await self._say(piece, in_time), strict=True):
                self._note(piece, plan, sent, person.user_id, said)
        return Outcome(sent, plan.refused, plan.held)

    async def _found(self, piece: Slice) -> Outcome:
        """Of one that was cancelled after its worker died: who got it is counted, and nobody else gets it."""
        there = [(person, person.room_id) for person in piece.recipients if person.room_id is not None]
        transaction = _transaction(piece)
        asked = (self._committer.submit(FindSent(room_id, MESSAGE, transaction)) for _, room_id in there)
        said = await asyncio.gather(*asked)
        return Outcome({person.user_id: each for (person, _), each in zip(there, said, strict=True) if each}, [], {})

    async def _say(self, piece: Slice, group: Sequence[Recipient]) -> list[Any]:
        """Event ids or errors, after a rest as long as it took, in which messages have the commits to themselves."""
        began = time.monotonic()
        operations = [self._operation(piece, person) for person in group]
        said = await asyncio.gather(*map(self._committer.submit, operations), return_exceptions=True)
        await asyncio.sleep(min(time.monotonic() - began, limits.REST_SECONDS_MAX))
        return said

    def _operation(self, piece: Slice, person: Recipient) -> SendEvent | FirstWord:
        broadcast, account, transaction = piece.broadcast, piece.account, _transaction(piece)
        if person.is_at_hand:
            assert person.room_id is not None
            draft = Draft(type=MESSAGE, sender=account, content=broadcast.content)
            return SendEvent(person.room_id, draft, transaction)
        version = versions.version(versions.DEFAULT)
        return FirstWord(
            channel_id=broadcast.channel_id,
            account=account,
            user_id=person.user_id,
            content=broadcast.content,
            txn_id=transaction.txn_id,
            version=version,
            new_room_id=None if version.room_id_is_hash else self._new_room_id(),
            is_back=person.is_back,
        )

    def _note(self, piece: Slice, plan: Plan, sent: dict[str, str], user_id: str, said: object) -> None:
        """What the database or a crowd holds up is tried again, for two days."""
        if isinstance(said, str):
            sent[user_id] = said
            return
        is_final = isinstance(said, Refusal) and said.status < 500 and said.status != 429
        if not is_final:
            log.warning("not_broadcast", broadcast_id=piece.broadcast.broadcast_id, error=repr(said))
        now_ms = self._now_ms()
        if is_final or now_ms > piece.began_ts + limits.BROADCAST_GIVEN_UP_MS:
            plan.refused.append(user_id)
        else:
            plan.held[user_id] = now_ms + limits.BROADCAST_RETRY_MS
