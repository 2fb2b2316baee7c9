"""<data>/backup/last.json: what this site knows of its backups, for `bongsu doctor`."""

from datetime import datetime
from pathlib import Path

import msgspec

from bongsu.backup.place import write_whole


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The newest copy (finished_at, position, bytes, place) and the newest proof. Times are ISO 8601 in UTC."""

    finished_at: datetime | None = None
    position: int | None = None
    bytes: int | None = None
    place: str | None = None
    verified_at: datetime | None = None
    verified_position: int | None = None
    restore_seconds: float | None = None
    problems: list[str] = []


def _path(data: Path) -> Path:
    return data / "backup" / "last.json"


def read(data: Path) -> Record:
    """An empty record when there is none that can be read."""
    try:
        return msgspec.json.decode(_path(data).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return Record()


def note(data: Path, record: Record) -> None:
    path = _path(data)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(path, msgspec.json.format(msgspec.json.encode(record)))
