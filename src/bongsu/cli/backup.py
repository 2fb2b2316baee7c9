"""bongsu backup base | archive | verify | restore | list | prune"""

import asyncio
import json
import shutil
import signal
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from bongsu.backup import archive as archiving
from bongsu.backup import base as copies
from bongsu.backup import blobs, moment, record, restore, retention
from bongsu.backup.place import Base, Place
from bongsu.backup.problem import BackupFailed
from bongsu.backup.programs import Programs
from bongsu.backup.source import Source, open_source, programs_folder
from bongsu.backup.verify import Verified, verify
from bongsu.cli.options import Stop, Wrong, run_async, with_settings
from bongsu.config import Effective, Settings

T = TypeVar("T")

_SETTINGS: Final = (
    "data",
    "dsn",
    "backup_dsn",
    "backup_place",
    "backup_days",
    "postgres_bin",
    "log_format",
    "log_level",
)
_PLACE: Final = ("data", "backup_place", "backup_days", "log_format", "log_level")


@click.group("backup")
def command() -> None:
    """Copies in a second place, and the proof that they can be restored."""


@command.command("base")
@click.option("--full", is_flag=True, help="Copy everything, not only what changed since the copy before.")
@with_settings(*_SETTINGS)
def take_base(effective: Effective, full: bool) -> None:
    """Copy the database, and photos and files that the place lacks, while the server works."""

    async def work(settings: Settings, place: Place, source: Source) -> Base:
        base = await copies.take(source, place, full=full)
        await asyncio.to_thread(blobs.copy_new, settings.data / "blobs", place.blobs)
        return base

    base = _with_source(effective, work)
    data, place = effective.settings.data, str(_place(effective).folder)
    known = record.read(data)
    record.note(
        data,
        msgspec.structs.replace(
            known, finished_at=base.finished_at, position=base.position_min, bytes=base.bytes, place=place
        ),
    )
    click.echo(_line(base))


@command.command("archive")
@with_settings(*_SETTINGS)
def archive(effective: Effective) -> None:
    """Bring every change to the place as it happens. Runs until it is stopped."""

    async def work(settings: Settings, place: Place, source: Source) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await archiving.run(source.programs, place, settings.data / "blobs", stop)

    _with_source(effective, work)


@command.command("verify")
@click.option("--deep", is_flag=True, help="Hash every photo and file, not the newest alone.")
@click.option(
    "--scratch", type=click.Path(path_type=Path), help="Folder to restore into [default: <data>/backup/scratch]"
)
@with_settings(*_SETTINGS)
def verify_newest(effective: Effective, deep: bool, scratch: Path | None) -> None:
    """Restore the newest copy and the archived log beside the server, and compare. Ends with 1 if they differ."""
    data = effective.settings.data

    async def work(settings: Settings, place: Place, source: Source) -> Verified:
        folder = scratch or settings.data / "backup" / "scratch"
        if scratch is None:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)  # of a verification that was killed
        return await verify(source, place, folder, settings.data / "blobs", _say, deep=deep)

    found = _with_source(effective, work)
    known = msgspec.structs.replace(record.read(data), problems=found.problems)
    if not found.problems:
        known = msgspec.structs.replace(
            known,
            verified_at=datetime.now(UTC),
            verified_position=found.position,
            restore_seconds=round(found.seconds, 1),
        )
    record.note(data, known)
    for problem in found.problems:
        click.echo(f"bongsu: {problem}", err=True)
    click.echo(
        f"restored {found.base} to position {found.position} of {found.position_live} in {found.seconds:.1f} s:"
        f" {found.events} events, {found.blobs} photos and files"
    )
    if found.problems:
        raise SystemExit(1)


@command.command("restore")
@click.option("--to", "to", metavar="TIME|POSITION", help="The moment to go back to [default: all that was archived]")
@click.option("--into", required=True, type=click.Path(path_type=Path), help="Data folder to make; empty or absent")
@with_settings("data", "backup_place", "postgres_bin", "log_format", "log_level")
def restore_into(effective: Effective, to: str | None, into: Path) -> None:
    """Make a data folder as it was at a moment, for `bongsu serve --data`. The living server is not touched."""
    place, into = _place(effective), into.absolute()

    async def work() -> restore.Restored:
        programs = Programs(programs_folder(effective.settings.postgres_bin), "")
        restored = await restore.restore(place, programs, moment.parse(to), into, _say)
        _say("Copying photos and files")
        await asyncio.to_thread(blobs.copy_new, place.blobs, into / "blobs")
        return restored

    restored = _run(effective, work())
    click.echo(f"{into} is at position {restored.position}, from {restored.base}, after {restored.seconds:.1f} s")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object in each line.")
@with_settings(*_PLACE)
def list_bases(effective: Effective, as_json: bool) -> None:
    """List the copies in the place, oldest first."""
    for base in _place(effective).bases():
        click.echo(msgspec.json.encode(base).decode() if as_json else _line(base))


@command.command("prune")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@with_settings(*_PLACE)
def prune(effective: Effective, dry_run: bool) -> None:
    """Remove copies and log that no moment of the last --backup-days needs. Photos and files stay."""
    place = _place(effective)
    with place.alone():
        bases = place.bases()
        going = retention.removable(bases, datetime.now(UTC), effective.settings.backup_days)
        kept = [base for base in bases if base not in going]
        names = [path.name for path in place.wal.iterdir()]
        log_files = retention.unneeded_log(names, retention.first_needed(kept))
        for base in going:
            click.echo(_line(base))
            if not dry_run:
                place.remove(base)
        for name in log_files if not dry_run else ():
            (place.wal / name).unlink()
    click.echo(json.dumps({"copies": len(going), "log_files": len(log_files), "removed": not dry_run}))


def _place(effective: Effective) -> Place:
    folder = effective.settings.backup_place
    if folder is None:
        raise Wrong("no place for backups is set; name a folder elsewhere with --backup-place")
    place = Place(folder)
    try:
        place.open()
    except BackupFailed as error:
        raise Stop(str(error)) from None
    return place


def _with_source(effective: Effective, work: Callable[[Settings, Place, Source], Coroutine[Any, Any, T]]) -> T:
    """Runs `work` with the place and the living database."""
    place = _place(effective)

    async def run() -> T:
        settings = effective.settings
        async with open_source(settings.data, settings.dsn, settings.backup_dsn, settings.postgres_bin, _say) as source:
            return await work(settings, place, source)

    return _run(effective, run())


def _run(effective: Effective, work: Coroutine[Any, Any, T]) -> T:
    try:
        return run_async(effective, work)
    except BackupFailed as error:
        raise Stop(str(error)) from None


def _say(text: str) -> None:
    click.echo(text, err=True)


def _line(base: Base) -> str:
    kind = f"changes since {base.parent}" if base.parent else "full"
    finished = f"{base.finished_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{base.id}  {finished}  position {base.position_max}  {base.bytes / 1e6:.1f} MB  {kind}"
