"""Every change as it happens: pg_receivewal writes the database's log into the place, and blobs are copied beside it.

The slot makes the database keep what the place does not have yet, up to max_slot_wal_keep_size: a place that is gone
for longer must not fill the database's disk. After that a new copy is needed, and `verify` says so.
"""

import asyncio
from pathlib import Path
from typing import Final

import structlog

from bongsu.backup import blobs
from bongsu.backup.place import Place
from bongsu.backup.problem import BackupFailed
from bongsu.backup.programs import Programs, stop
from bongsu.core import limits
from bongsu.store.backups import SLOT

log = structlog.get_logger(__name__)

_LAST_LINES: Final = 5


async def run(programs: Programs, place: Place, blob_folder: Path, until: asyncio.Event) -> None:
    """Archives until the event is set. A database that is gone is tried again without end, each time with a line."""
    copying = asyncio.create_task(_copy_blobs(blob_folder, place))
    try:
        while not until.is_set():
            try:
                await _receive(programs, place, until)
            except BackupFailed as error:
                log.warning("archive_interrupted", reason=str(error))
            await _pause(until, limits.BACKUP_RETRY_SECONDS)
    finally:
        copying.cancel()
        await asyncio.wait([copying])


async def _receive(programs: Programs, place: Place, until: asyncio.Event) -> None:
    """One run of pg_receivewal. A standby that was built anew has lost the slot, so it is asked for each time."""
    slot = f"--slot={SLOT}"
    await programs.connected("pg_receivewal", slot, "--create-slot", "--if-not-exists")
    options = (f"--directory={place.wal}", "--synchronous", "--status-interval=1", "--no-loop")
    process = await programs.connect("pg_receivewal", slot, *options)
    log.info("archiving", place=str(place.wal))
    try:
        ended = asyncio.create_task(_ended(process))
        stopped = asyncio.create_task(until.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        await stop(process)
        said = await ended
    except asyncio.CancelledError:
        await stop(process)
        raise
    if not until.is_set():
        raise BackupFailed(said or "pg_receivewal ended")


async def _ended(process: asyncio.subprocess.Process) -> str:
    """The last lines it said. It may run for months, so the others are let go."""
    assert process.stderr is not None
    lines: list[str] = []
    async for line in process.stderr:
        lines = [*lines, line.decode(errors="replace").strip()][-_LAST_LINES:]
    await process.wait()
    return "; ".join(lines)


async def _copy_blobs(source: Path, place: Place) -> None:
    while True:
        try:
            copied = await asyncio.to_thread(blobs.copy_new, source, place.blobs)
            if copied:
                log.info("blobs_archived", count=copied)
        except OSError as error:
            log.error("blobs_not_archived", reason=str(error))
        await asyncio.sleep(limits.BACKUP_BLOBS_SECONDS)


async def _pause(until: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await until.wait()
    except TimeoutError:
        return
