"""Photos and files in the second place. A blob never changes, so copying is: whatever is not there yet."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"[0-9a-f]{64}")


def copy_new(source: Path, target: Path) -> int:
    """Copies the blobs that the target lacks; returns how many. What was copied is on the disk."""
    copied = 0
    for path in _all(source):
        copied += _copy(path, path_of(target, path.name))
    return copied


def path_of(folder: Path, name: str) -> Path:
    return folder / name[:2] / name[2:4] / name


def is_whole(folder: Path, name: str, size: int, *, hashed: bool) -> bool:
    """Is it there with its size and, if asked, its content?"""
    path = path_of(folder, name)
    if not path.is_file() or path.stat().st_size != size:
        return False
    if not hashed:
        return True
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == name


def _all(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("??/??/*") if _NAME.fullmatch(path.name))


def _copy(path: Path, target: Path) -> bool:
    if target.exists():
        return False
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with path.open("rb") as source, unfinished.open("wb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
    except FileNotFoundError:  # removed meanwhile
        unfinished.unlink(missing_ok=True)
        return False
    unfinished.replace(target)
    return True
