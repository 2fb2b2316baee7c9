"""The proof of a backup: it is restored into a scratch folder, started, and compared with the living database."""

import asyncio
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bongsu.backup import blobs
from bongsu.backup.place import Place
from bongsu.backup.problem import BackupFailed
from bongsu.backup.restore import Latest, choose, recovered
from bongsu.backup.source import Source
from bongsu.core import limits
from bongsu.store import backups


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """position: up to where the restored database and the living one are the same. problems: empty when all is well."""

    base: str
    position: int
    position_live: int
    events: int
    blobs: int
    seconds: float
    problems: list[str]


async def verify(
    source: Source, place: Place, scratch: Path, blob_folder: Path, progress: Callable[[str], None], *, deep: bool
) -> Verified:
    """deep: every photo and file is hashed, not the newest alone."""
    before = await backups.mark(source.live)
    problems = await _wait_for_archive(source, before)
    base = choose(place.bases(), Latest())
    began = time.monotonic()
    try:
        async with recovered(place, source.programs, base, scratch, [], progress) as database:
            seconds = time.monotonic() - began
            position = await backups.position(database)
            counts = await backups.count_read(database)
            progress("Comparing with the living database")
            here, there = await backups.contents(database, position), await backups.contents(source.live, position)
            named = await backups.blobs(database)
    finally:
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)
    problems += _differences(before.position, here, there, counts)
    problems += await asyncio.to_thread(_lost_blobs, named, blob_folder, place, deep)
    return Verified(
        base=base.id,
        position=position,
        position_live=before.position,
        events=here.events,
        blobs=len(named),
        seconds=seconds,
        problems=problems,
    )


async def _wait_for_archive(source: Source, goal: backups.Mark) -> list[str]:
    """The archive is a moment behind; what is committed now must be in it soon."""
    until = time.monotonic() + limits.BACKUP_BEHIND_SECONDS_MAX
    while True:
        reached = await backups.archived_lsn(source.upstream, backups.SLOT)
        if reached is None:
            return ["nothing archives the log now; start: bongsu backup archive"]
        if reached >= goal.lsn:
            return []
        if time.monotonic() > until:
            return [f"the archive is {goal.lsn - reached} bytes behind"]
        await asyncio.sleep(0.1)


def _differences(goal: int, here: backups.Contents, there: backups.Contents, counts: dict[str, int]) -> list[str]:
    problems = []
    if here.position < goal:
        problems.append(f"the backup ends at position {here.position}; the database was at {goal}")
    if here != there:
        problems.append(f"up to position {here.position} the backup holds {here}, the database {there}")
    if counts["events"] != here.events:
        problems.append(f"the backup has {counts['events']} readable events, not {here.events}")
    return problems


def _lost_blobs(named: list[tuple[str, int]], blob_folder: Path, place: Place, deep: bool) -> list[str]:
    """Whatever a row of the backup names must be in the place, or come there now."""
    if not place.blobs.is_dir():
        raise BackupFailed(f"{place.blobs} is gone")
    blobs.copy_new(blob_folder, place.blobs)
    hashed = len(named) if deep else limits.BACKUP_BLOBS_HASHED
    lost = [
        name
        for number, (name, size) in enumerate(named)
        if not blobs.is_whole(place.blobs, name, size, hashed=number < hashed)
    ]
    return (
        [f"{len(lost)} photos and files are missing or damaged in {place.blobs}: {', '.join(lost[:3])}"] if lost else []
    )
