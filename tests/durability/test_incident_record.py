"""The incident record in its table: read when there is more of it."""

from pathlib import Path

import pytest

from bongsu.status.incidents import Began
from bongsu.status.journal import Line
from bongsu.status.record import Record
from bongsu.store import incidents
from bongsu.store.database import Database
from bongsu.store.incidents import EntryRow


async def test_it_is_read_again_when_there_is_more_and_not_before(
    two: tuple[Database, Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    entries = incidents.entries

    async def counted(database: Database, recent: int | None = None) -> list[EntryRow]:
        rows = await entries(database, recent)
        read.append(len(rows))
        return rows

    monkeypatch.setattr(incidents, "entries", counted)
    record = Record(two[0], tmp_path)
    lines = [Line("journal", sequence, Began("here", sequence, ("here",))) for sequence in (1, 2)]
    for number in (1, 2):
        assert record.lacks(lines[:number])
        assert await record.merge(lines[:number]) == 1
        assert not record.lacks(lines[:number])
        for _ in range(3):
            await record.look_after("here")
            await record.recent()
    assert len(read) == 2
    assert read[1] == read[0] + 1


async def test_a_record_that_is_as_it_was_noted_needs_no_commit(two: tuple[Database, Database], tmp_path: Path) -> None:
    record = Record(two[0], tmp_path)
    await record.merge([Line("another journal", 1, Began("there", 1, ("there",)))])

    async def beat_at() -> object:
        return await two[1].fetchval("SELECT seen_at FROM site_beats WHERE site = 'there'")

    await record.look_after("there")
    before = await beat_at()
    assert before is not None
    await record.look_after("there")
    assert await beat_at() == before
    await record.merge([Line("another journal", sequence, Began("there", sequence, ("there",))) for sequence in (1, 2)])
    await record.look_after("there")
    assert await beat_at() != before
