"""A data folder as it was at a moment: a copy is put together, the archived log is replayed on it, up to the target.

A position of the stream is found in two steps: everything is restored, the transaction of the last message at or before
the position is read from the row that it wrote, and a second restore stops right after that transaction. So it works
when the living database is gone, and no later message is in it, which a time of day cannot promise.
"""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from bongsu.backup import manifest
from bongsu.backup.place import Base, Place
from bongsu.backup.problem import BackupFailed
from bongsu.backup.programs import Programs
from bongsu.core import limits
from bongsu.store import backups
from bongsu.store.database import Database
from bongsu.store.embedded import EmbeddedPostgres
from bongsu.store.postgres_install import PostgresFailed, RunAs, run_as

Progress = Callable[[str], None]

_ARCHIVE: Final = "bongsu_archive"  # in the database's folder, so that its user can read it, whoever that is
_PARTIAL: Final = ".partial"  # of the log file that is being written
_CONFIGURATION: Final = "default_text_search_config = 'pg_catalog.english'\ninclude 'bongsu.conf'\n"
_LEFT_BEHIND: Final = (
    "standby.signal",
    "postgresql.base.conf",
    "patroni.dynamic.json",
    "local.conf",
    "postmaster.opts",
)
_RECOVERY: Final = f"""\
restore_command = 'cp "{_ARCHIVE}/%f" "%p"'
recovery_target_timeline = 'latest'
recovery_target_action = 'promote'
hot_standby = off
"""


class Latest(msgspec.Struct, frozen=True):
    """All that was archived."""


class At(msgspec.Struct, frozen=True):
    """The last transaction that committed until this time."""

    time: datetime


class Position(msgspec.Struct, frozen=True):
    """The last message at or before this position of the stream, and nothing after its transaction."""

    position: int


Target = Latest | At | Position


class Restored(msgspec.Struct, frozen=True):
    """What came of it. seconds: from the first byte copied to a database that answers."""

    base: str
    position: int
    seconds: float


def choose(bases: Sequence[Base], target: Target) -> Base:
    """The newest copy that was finished before the target."""
    fitting = [base for base in bases if _is_before(base, target)]
    if not fitting:
        oldest = (
            f"the oldest was finished at {bases[0].finished_at:%Y-%m-%d %H:%M:%S} UTC" if bases else "there is none"
        )
        raise BackupFailed(f"no copy is old enough for this moment: {oldest}")
    return fitting[-1]


def _is_before(base: Base, target: Target) -> bool:
    match target:
        case At(time=moment):
            return base.finished_at <= moment
        case Position(position=position):
            return base.position_max < position  # its transaction must be in the log that is replayed
    return True


async def restore(place: Place, programs: Programs, target: Target, into: Path, progress: Progress) -> Restored:
    """Makes the data folder `into`, which must be empty or absent. The database is stopped at the end."""
    began = time.monotonic()
    stop_at = _lines(target)
    if isinstance(target, Position):
        progress(f"Looking for the transaction that wrote position {target.position}")
        target, transaction = await _last_message(place, programs, target, into)
        stop_at = [f"recovery_target_xid = '{transaction}'"]
    base = choose(place.bases(), target)
    async with recovered(place, programs, base, into, stop_at, progress) as database:
        position = await backups.position(database)
    return Restored(base.id, position, time.monotonic() - began)


async def _last_message(place: Place, programs: Programs, target: Position, into: Path) -> tuple[Position, str]:
    """Where the last message before the target is, and its transaction."""
    choose(place.bases(), target)  # refused at once when it must be refused
    scratch = into.with_name(into.name + ".search")
    try:
        newest = choose(place.bases(), Latest())
        async with recovered(place, programs, newest, scratch, [], lambda _: None) as database:
            if (reached := await backups.position(database)) < target.position:
                raise BackupFailed(f"the backup ends at position {reached}, before {target.position}")
            found = await backups.last_message(database, target.position)
    finally:
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
    if found is None:
        raise BackupFailed(f"there is no message at or before position {target.position}")
    return Position(found[0]), found[1]


def _lines(target: Target) -> list[str]:
    return [f"recovery_target_time = '{target.time.isoformat()}'"] if isinstance(target, At) else []


@asynccontextmanager
async def recovered(
    place: Place, programs: Programs, base: Base, into: Path, stop_at: Sequence[str], progress: Progress
) -> AsyncIterator[Database]:
    """The copy with its log replayed, running in the data folder `into`; stopped at the end."""
    chain = place.chain(base)
    _make_empty(into)
    progress(f"Checking {len(chain)} {'copy' if len(chain) == 1 else 'copies'}")
    for one in chain:
        await asyncio.to_thread(manifest.check, place.files(one))
    progress("Putting the database together")
    files = into / "postgres"
    await programs.run("pg_combinebackup", "--no-sync", f"--output={files}", *(place.files(one) for one in chain))
    await asyncio.to_thread(_prepare, place, base, files, stop_at)
    progress("Replaying the log")
    async with _running(into) as database:
        await asyncio.to_thread(_tidy, files)
        yield database


@asynccontextmanager
async def _running(data: Path) -> AsyncIterator[Database]:
    postgres = EmbeddedPostgres(data, ready_seconds_max=limits.BACKUP_REPLAY_SECONDS_MAX)
    try:
        dsn = await postgres.start()
    except PostgresFailed as error:
        raise BackupFailed(f"the copy could not be brought to that moment: {error}") from None
    database = Database(dsn, connections_max=2)
    try:
        await database.open()
        yield database
    finally:
        await database.close()
        await postgres.stop()


def _make_empty(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise BackupFailed(f"{folder} is not empty; name a folder that is, or does not exist")
    folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)


def _prepare(place: Place, base: Base, files: Path, stop_at: Sequence[str]) -> None:
    """Settings of our own instead of those of the server that was copied, and the log at hand."""
    for name in _LEFT_BEHIND:
        (files / name).unlink(missing_ok=True)
    (files / "postgresql.conf").write_text(_CONFIGURATION)
    (files / "postgresql.auto.conf").write_text(_RECOVERY + "\n".join(stop_at) + "\n")
    (files / "recovery.signal").touch()
    stage_log(place.wal, files / _ARCHIVE, base.start_segment)
    who = run_as(files.parent / "nothing")
    if who.switch:
        _give(files, who)


def stage_log(wal: Path, target: Path, start_segment: str) -> None:
    """Copies the log from that file on. A file that is still being written counts as far as it goes."""
    target.mkdir(mode=0o700)
    for path in sorted(wal.iterdir(), key=lambda path: path.name.endswith(_PARTIAL)):
        name = path.name.removesuffix(_PARTIAL)
        is_needed = name.endswith(".history") or (len(name) == 24 and name[8:] >= start_segment)
        if is_needed and not (target / name).exists():
            shutil.copyfile(path, target / name)


def _give(folder: Path, who: RunAs) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, who.uid, who.gid, follow_symlinks=False)


def _tidy(files: Path) -> None:
    """After the replay: what only it needed goes, so that the folder is one like any other."""
    shutil.rmtree(files / _ARCHIVE)
    (files / "postgresql.auto.conf").write_text("")
