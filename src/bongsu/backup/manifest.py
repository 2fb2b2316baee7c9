"""backup_manifest, PostgreSQL's own list of a copy's files with their SHA-256: read and checked.

pg_verifybackup does the same, and is not used: the one in the PostgreSQL package of PyPI ends at once with a
segmentation fault.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bongsu.backup.problem import BackupFailed

NAME: Final = "backup_manifest"


class _File(msgspec.Struct, frozen=True, rename="pascal"):
    path: str = msgspec.field(name="Path", default="")
    encoded_path: str = msgspec.field(name="Encoded-Path", default="")
    size: int = 0
    checksum: str = ""


class _Range(msgspec.Struct, frozen=True):
    timeline: int = msgspec.field(name="Timeline")
    start: str = msgspec.field(name="Start-LSN")
    end: str = msgspec.field(name="End-LSN")


class Manifest(msgspec.Struct, frozen=True):
    """What a copy holds, and the piece of the log that makes it whole."""

    system_id: int = msgspec.field(name="System-Identifier")
    files: list[_File] = msgspec.field(name="Files")
    ranges: list[_Range] = msgspec.field(name="WAL-Ranges")

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)


def read(folder: Path) -> Manifest:
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise BackupFailed(f"the copy in {folder} has no readable list of its files: {error}") from None


def check(folder: Path) -> None:
    """Every file is there, has its size and its hash. Raises BackupFailed with the first that has not."""
    for wrong in _wrong(folder):
        raise BackupFailed(f"the copy in {folder} is damaged: {wrong}. Take a full one: bongsu backup base --full")


def _wrong(folder: Path) -> Iterator[str]:
    for file in read(folder).files:
        name = file.path or bytes.fromhex(file.encoded_path).decode("utf-8", "surrogateescape")
        path = folder / name
        if not path.is_file():
            yield f"{name} is missing"
        elif path.stat().st_size != file.size:
            yield f"{name} has {path.stat().st_size} bytes, not {file.size}"
        elif _sha256(path) != file.checksum:
            yield f"{name} has other content than when it was copied"


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
