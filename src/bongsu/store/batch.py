"""The rows of one commit."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from bongsu.store import streams
from bongsu.store.database import Connection
from bongsu.store.rows import (
    AccountData,
    DeviceList,
    Erased,
    Forgotten,
    KeyStock,
    Presence,
    Receipt,
    Redacted,
    Relation,
    Revocation,
    Segment,
    SmallRow,
    StoredEvent,
    ToDevice,
    Typing,
)

T = TypeVar("T")


class Wanted(msgspec.Struct):
    """What an operation will look at, so that a batch can read it all in a few queries.

    is_plain: it adds events and nothing else, so that a batch of its like is one statement.
    """

    room_ids: list[str] = []
    members: list[tuple[str, str]] = []
    txn_keys: list[bytes] = []
    is_plain: bool = False


class Rows:
    """Gathers what operations add; hands out positions; can be taken back to a mark when an operation is refused."""

    def __init__(self, pos: int) -> None:
        self.pos = pos
        self.events: list[StoredEvent] = []
        self.rooms: list[tuple[str, str, int, bool]] = []
        self.relations: list[Relation] = []
        self.redacted: list[Redacted] = []
        self.small: dict[type[Any], dict[tuple[Any, ...], SmallRow]] = {}
        self.statements: list[tuple[str, Sequence[Any]]] = []

    def next_pos(self) -> int:
        self.pos += 1
        return self.pos

    def add(self, key: tuple[Any, ...], row: SmallRow) -> None:
        """A row of a small table; within one commit a later row with the same key replaces the earlier."""
        rows = self.small.setdefault(type(row), {})
        rows.pop(key, None)
        rows[key] = row

    def mark(self) -> tuple[int, ...]:
        return (
            self.pos,
            len(self.events),
            len(self.rooms),
            len(self.relations),
            len(self.redacted),
            len(self.statements),
        )

    def back_to(self, mark: tuple[int, ...]) -> None:
        """Takes back what was added since the mark. Small rows are added last by every operation, so none is there."""
        self.pos = mark[0]
        lists: tuple[list[Any], ...] = (self.events, self.rooms, self.relations, self.redacted, self.statements)
        for rows, length in zip(lists, mark[1:], strict=True):
            del rows[length:]

    def write_at_once(
        self, connection: Connection, writer_id: uuid.UUID, batch: int, after: int, *, notify: bool
    ) -> Awaitable[bool]:
        """For plain events: commits them in one statement if the position is still `after`; False if it is not."""
        return streams.write_plain(connection, writer_id, batch, after, self.pos, self.events, notify=notify)

    async def write(self, connection: Connection, writer_id: uuid.UUID, batch: int) -> None:
        await streams.write_batch(connection, writer_id, batch, self.pos, self.events)
        if self.rooms:
            await streams.write_rooms(connection, self.rooms)
        state_events = [stored.event for stored in self.events if stored.event.state_key is not None]
        if state_events:
            await streams.write_state(connection, state_events)
        if self.relations:
            await streams.write_relations(connection, self.relations)
        if self.redacted:
            await streams.write_redacted(connection, self.redacted)
        for rows in self.small.values():
            await streams.write_rows(connection, list(rows.values()))
        for sql, arguments in self.statements:
            await connection.execute(sql, *arguments)

    def segment(self, after: int) -> Segment:
        """What the feed tells of this commit, once it is one."""
        events = [stored.event for stored in self.events]
        if not self.small:
            return Segment(after, self.pos, events)

        def of(kind: type[Any]) -> list[Any]:
            return sorted(self.small.get(kind, {}).values(), key=_position)

        return Segment(
            after,
            self.pos,
            events,
            of(Receipt),
            of(AccountData),
            of(Typing),
            of(Presence),
            of(Revocation),
            of(Forgotten),
            of(ToDevice),
            of(DeviceList),
            of(KeyStock),
            of(Erased),
        )


async def undoable(connection: Connection, work: Callable[[], Awaitable[T]]) -> T:
    """Runs `work` inside the transaction that is open; what it wrote is taken back when it raises, and no more."""
    await connection.execute("SAVEPOINT operation")
    try:
        result = await work()
    except BaseException:
        if not connection.is_closed():
            await connection.execute("ROLLBACK TO SAVEPOINT operation")
        raise
    await connection.execute("RELEASE SAVEPOINT operation")
    return result


def _position(row: msgspec.Struct) -> int:
    pos: int = row.pos  # type: ignore[attr-defined]
    return pos
