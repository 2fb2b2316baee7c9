"""An operation with a fault of its own fails alone: the others of its batch are stored once, and the worker goes on."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from bongsu.store.batch import Rows, Wanted
from bongsu.store.database import unavailable
from bongsu.store.rows import StoredEvent
from tests.durability.notes import Note, Notes, PlainNote, Worker, stored, worker
from tests.durability.wire import Break, wire_to

ANSWER_SECONDS_MAX = 10.0  # a commit takes milliseconds; a machine may be busy
NOWHERE = "!nowhere"


class Fault(Exception):
    """What nobody foresaw."""


class Careless(Notes):
    """A batch that trips over a room that somebody wants; with `turned_away`, nobody's rooms can be read just then."""

    turned_away = 0

    async def prepare(self, wanted: Sequence[Wanted]) -> None:
        if any(NOWHERE in want.room_ids for want in wanted):
            raise Fault
        if Careless.turned_away:
            Careless.turned_away -= 1
            raise unavailable()


def _wanting_badly(_: Note) -> Wanted:
    raise Fault


def _wanting_the_unreadable(note: Note) -> Wanted:
    return Wanted([NOWHERE], is_plain=note.is_plain)


def _running_into(error: BaseException) -> Any:
    async def run(_: Note, __: Notes) -> int:
        raise error

    return run


def _add_no_event(_: Note, rows: Rows, __: int) -> None:
    rows.events.append(StoredEvent(None, b"", None))  # type: ignore[arg-type]


FAULTS: dict[str, tuple[dict[str, Any], type[BaseException]]] = {
    "wanted": ({"wanted": _wanting_badly}, Fault),
    "prepare": ({"wanted": _wanting_the_unreadable}, Fault),
    "run": ({"run": _running_into(Fault())}, Fault),
    "own time-out": ({"run": _running_into(TimeoutError("its own"))}, TimeoutError),
    "cancelled": ({"run": _running_into(asyncio.CancelledError())}, RuntimeError),
    "write": ({"_add": _add_no_event}, AttributeError),
}


async def _submit(target: Worker, note: Note) -> int:
    async with asyncio.timeout(ANSWER_SECONDS_MAX):
        pos: int = await target.committer.submit(note)
    return pos


@pytest.mark.parametrize("kind", [Note, PlainNote], ids=["transaction", "statement"])
@pytest.mark.parametrize("where", FAULTS)
async def test_a_fault_fails_alone(dsn: str, kind: type[Note], where: str) -> None:
    members, told = FAULTS[where]
    prefix = f"@fault {kind.__name__} {where}"
    faulty = type("Faulty", (kind,), members)(f"{prefix} faulty")
    notes = [kind(f"{prefix} {number}") for number in range(7)]
    async with worker(dsn, make_batch=Careless) as ours:
        batch = [*notes[:3], faulty, *notes[3:]]
        outcomes = await asyncio.gather(*(_submit(ours, note) for note in batch), return_exceptions=True)
        later = await _submit(ours, kind(f"{prefix} later"))
    assert type(outcomes.pop(3)) is told
    found = await stored(dsn, prefix)
    assert found.pop(f"{prefix} later") == [later]
    assert found == {note.name: [pos] for note, pos in zip(notes, outcomes, strict=True)}


@pytest.mark.parametrize("kind", [Note, PlainNote], ids=["transaction", "statement"])
async def test_a_fault_beside_a_lost_commit_leaves_no_doubt(dsn: str, kind: type[Note]) -> None:
    """The commit of the others took place and its answer is lost: they are looked up, and not stored again."""
    prefix = f"@fault beside {kind.__name__}"
    faulty = type("Faulty", (kind,), FAULTS["run"][0])(f"{prefix} faulty")
    notes = [kind(f"{prefix} {number}") for number in range(3)]
    async with wire_to(dsn) as wire, worker(dsn, wire.dsn) as ours:
        await _submit(ours, kind(f"@before {prefix}"))
        wire.plan.append(Break.AFTER)
        answers = await asyncio.gather(*(_submit(ours, note) for note in [*notes, faulty]), return_exceptions=True)
        assert not wire.plan
    assert isinstance(answers.pop(), Fault)
    assert await stored(dsn, prefix) == {note.name: [pos] for note, pos in zip(notes, answers, strict=True)}
    assert [note.runs for note in notes] == [1, 1, 1]


async def test_rooms_that_cannot_be_read_just_then_are_read_again(dsn: str) -> None:
    """A refusal of the reading pool concerns the moment: nobody is refused for it, and the worker goes on."""
    note = PlainNote("@fault turned away")
    Careless.turned_away = 2
    async with worker(dsn, make_batch=Careless) as ours:
        pos = await _submit(ours, note)
    assert not Careless.turned_away
    assert await stored(dsn, note.name) == {note.name: [pos]}
