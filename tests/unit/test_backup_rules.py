"""Which copies may go, which one a moment is restored from, and what a manifest notices."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bongsu.backup import manifest, moment, record
from bongsu.backup.base import parent_of_next
from bongsu.backup.place import Base, Place
from bongsu.backup.problem import BackupFailed
from bongsu.backup.programs import without_password
from bongsu.backup.restore import At, Latest, Position, choose, stage_log
from bongsu.backup.retention import first_needed, removable, unneeded_log
from bongsu.core import limits

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def _base(number: int, parent: int | None = None, *, days_old: float = 0, lsn: str = "0/2000028") -> Base:
    finished = NOW - timedelta(days=days_old)
    return Base(
        id=f"{number:04}",
        parent=None if parent is None else f"{parent:04}",
        started_at=finished,
        finished_at=finished,
        position_min=number * 10,
        position_max=number * 10 + 5,
        bytes=1,
        timeline=1,
        start_lsn=lsn,
        system_id="7",
    )


@st.composite
def _histories(draw: st.DrawFn) -> list[Base]:
    """Copies oldest first; each is full or builds on the one before."""
    ages = sorted(draw(st.lists(st.integers(0, 100), max_size=12, unique=True)), reverse=True)
    fulls = [draw(st.booleans()) for _ in ages]
    return [_base(n, None if n == 0 or fulls[n] else n - 1, days_old=age) for n, age in enumerate(ages)]


@given(_histories(), st.integers(1, 60), st.data())
def test_every_moment_of_the_promised_days_can_still_be_restored(
    bases: list[Base], days: int, data: st.DataObject
) -> None:
    gone = removable(bases, NOW, days)
    kept = [base for base in bases if base not in gone]
    age = data.draw(st.integers(0, days))
    target = At(NOW - timedelta(days=age))
    before = [base for base in bases if base.finished_at <= target.time]
    if before:
        assert choose(kept, target) == choose(bases, target)
    assert all(base.parent is None or base.parent in {one.id for one in kept} for base in kept)
    assert len(kept) >= min(len(bases), limits.BACKUP_COPIES_MIN)


def test_what_is_older_than_the_promise_goes() -> None:
    bases = [_base(0, days_old=50), _base(1, 0, days_old=45), _base(2, days_old=40), _base(3, days_old=35), _base(4)]
    assert [base.id for base in removable(bases, NOW, 30)] == ["0002", "0001", "0000"]


def test_log_from_before_the_oldest_copy_goes_and_nothing_else() -> None:
    names = ["000000010000000000000001", "000000010000000000000002.partial", "000000010000000000000003"]
    first = first_needed([_base(0, lsn="0/3000028"), _base(1, lsn="1/0")])
    assert first == "0000000000000003"
    assert unneeded_log([*names, "00000002.history"], first) == names[:2]
    assert unneeded_log(names, first_needed([])) == []


def test_start_segments_of_a_long_life() -> None:
    assert _base(0, lsn="2A/FE000028").start_segment == "0000002A000000FE"


def test_the_newest_copy_before_the_moment_is_taken() -> None:
    bases = [_base(1, days_old=3), _base(2, days_old=2), _base(3, days_old=1)]
    assert choose(bases, Latest()).id == "0003"
    assert choose(bases, Position(26)).id == "0002"
    assert choose(bases, Position(25)).id == "0001", "what a copy holds already is in no log after it"
    assert choose(bases, At(NOW - timedelta(days=1.5))).id == "0002"
    with pytest.raises(BackupFailed, match="no copy is old enough"):
        choose(bases, Position(15))
    with pytest.raises(BackupFailed, match="there is none"):
        choose([], Latest())


def test_a_moment_is_a_position_or_a_time() -> None:
    assert moment.parse("42") == Position(42)
    assert moment.parse("2026-05-01T12:00") == At(datetime(2026, 5, 1, 12, tzinfo=UTC))
    assert moment.parse("2026-05-01T12:00:00+09:00") == At(datetime(2026, 5, 1, 3, tzinfo=UTC))
    with pytest.raises(BackupFailed):
        moment.parse("yesterday")


def test_a_chain_ends_when_it_is_old_or_long(tmp_path: Path) -> None:
    def next_after(number: int, bases: list[Base]) -> str | None:
        place = Place(tmp_path / str(number))
        place.folder.mkdir()
        place.open()
        for base in bases:
            files = place.unfinished(base.id)
            files.mkdir()
            place.keep(files, base)
        parent = parent_of_next(place, place.bases(), NOW)
        return parent.id if parent else None

    young = [_base(0, days_old=6), _base(1, 0)]
    long = [_base(0), *(_base(n, n - 1) for n in range(1, limits.BACKUP_CHAIN_MAX))]
    assert next_after(0, []) is None
    assert next_after(1, young) == "0001"
    assert next_after(2, [_base(0, days_old=7), _base(1, 0)]) is None
    assert next_after(3, long[:-1]) == long[-2].id
    assert next_after(4, long) is None


def test_a_manifest_notices_what_is_missing_short_or_changed(tmp_path: Path) -> None:
    content = b"x" * 100
    files = [{"Path": "a", "Size": 100, "Checksum": hashlib.sha256(content).hexdigest()}]
    listed = {"System-Identifier": 7, "Files": files, "WAL-Ranges": []}
    (tmp_path / manifest.NAME).write_text(json.dumps(listed))
    for bad, said in ((None, "missing"), (b"x" * 99, "99 bytes"), (b"x" * 99 + b"y", "other content")):
        if bad is not None:
            (tmp_path / "a").write_bytes(bad)
        with pytest.raises(BackupFailed, match=said):
            manifest.check(tmp_path)
    (tmp_path / "a").write_bytes(content)
    manifest.check(tmp_path)


def test_a_log_file_that_is_being_written_counts_until_it_is_whole(tmp_path: Path) -> None:
    wal = tmp_path / "wal"
    wal.mkdir()
    for name in ("00000001" + "0" * 15 + "1", "00000001" + "0" * 15 + "2", "00000002.history"):
        (wal / name).write_text("whole")
    for name in ("00000001" + "0" * 15 + "2.partial", "00000001" + "0" * 15 + "3.partial"):
        (wal / name).write_text("part")
    stage_log(wal, tmp_path / "staged", "0" * 15 + "2")
    staged = {path.name[-9:]: path.read_text() for path in (tmp_path / "staged").iterdir()}
    assert staged == {"000000002": "whole", "000000003": "part", "2.history": "whole"}


def test_passwords_do_not_stand_among_arguments() -> None:
    address, password = without_password("postgresql://a:p%40ss@h1:5432,h2:5432/db?sslmode=verify-full")
    assert address == "postgresql://a@h1:5432,h2:5432/db?sslmode=verify-full"
    assert password == "p@ss"
    socket = "postgresql://postgres@/bongsu?host=/run/x"
    assert without_password(socket) == (socket, "")


def test_the_record_survives_and_a_broken_one_is_empty(tmp_path: Path) -> None:
    written = record.Record(finished_at=NOW, position=4, bytes=5, place="/x")
    record.note(tmp_path, written)
    assert record.read(tmp_path) == written
    (tmp_path / "backup" / "last.json").write_text("{")
    assert record.read(tmp_path) == record.Record()
