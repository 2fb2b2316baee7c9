"""A copy of the whole database, taken while it works: full, or what changed since the copy before."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from bongsu.backup import manifest
from bongsu.backup.place import Base, Place
from bongsu.backup.problem import BackupFailed
from bongsu.backup.source import Source
from bongsu.core import limits
from bongsu.store import backups

log = structlog.get_logger(__name__)

_OPTIONS: Final = ("--format=plain", "--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256")


async def take(source: Source, place: Place, *, full: bool) -> Base:
    """Incremental where there is a copy young enough to build on, else full."""
    with place.alone():
        bases = place.bases()
        parent = None if full else parent_of_next(place, bases, datetime.now(UTC))
        if parent is not None:
            try:
                return await _take(source, place, parent)
            except BackupFailed as error:
                log.warning("backup_is_full_instead", reason=str(error))
        return await _take(source, place, None)


def parent_of_next(place: Place, bases: list[Base], now: datetime) -> Base | None:
    """The newest copy, unless its chain has grown long or old: each link is one more that must be whole."""
    if not bases:
        return None
    chain = place.chain(bases[-1])
    is_young = now - chain[0].finished_at < timedelta(days=limits.BACKUP_FULL_DAYS)
    return bases[-1] if is_young and len(chain) < limits.BACKUP_CHAIN_MAX else None


async def _take(source: Source, place: Place, parent: Base | None) -> Base:
    started_at = datetime.now(UTC)
    name = started_at.strftime("%Y%m%dT%H%M%S") + f"{started_at.microsecond // 1000:03}Z"
    files = place.unfinished(name)
    earlier = [f"--incremental={place.files(parent) / manifest.NAME}"] if parent else []
    before = await backups.position(source.live)
    await source.programs.connected("pg_basebackup", f"--pgdata={files}", *_OPTIONS, *earlier)
    after = await backups.position(source.live)
    return _kept(place, files, name, parent, started_at, (before, after))


def _kept(
    place: Place, files: Path, name: str, parent: Base | None, started_at: datetime, positions: tuple[int, int]
) -> Base:
    listed = manifest.read(files)
    if any(base.system_id != str(listed.system_id) for base in place.bases()):
        raise BackupFailed(f"{place.folder} holds copies of another database; give this one a place of its own")
    base = Base(
        id=name,
        parent=parent.id if parent else None,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        position_min=positions[0],
        position_max=positions[1],
        bytes=listed.bytes,
        timeline=listed.ranges[-1].timeline,
        start_lsn=listed.ranges[0].start,
        system_id=str(listed.system_id),
    )
    place.keep(files, base)
    return base
