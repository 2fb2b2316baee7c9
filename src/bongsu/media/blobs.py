"""The bytes of files, each under its SHA-256: `ab/cd/<sha256 in hex>` in one folder per site.

A blob never changes. It is written beside its place, brought to the disk, and then renamed, so that a name that can be
seen always holds all of its bytes; put() returns when a power cut can no longer take it. Disk work is done in threads
of its own, a chunk at a time.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, Final, Protocol, TypeVar

import msgspec
import structlog

from bongsu.core import limits
from bongsu.core.errors import Refusal, too_large

log = structlog.get_logger(__name__)

T = TypeVar("T")
_TEMPORARY: Final = "tmp"


class Stored(msgspec.Struct, frozen=True):
    """A blob: its name (32 bytes) and its size in bytes."""

    sha256: bytes
    size: int


class Blobs(Protocol):
    """Where bytes are kept."""

    async def put(self, stream: AsyncIterator[bytes], bytes_max: int) -> Stored:
        """Keeps all of the stream, or nothing of it when that fails. 413 beyond bytes_max, 507 without room."""
        ...

    async def size(self, sha256: bytes) -> int | None:
        """In bytes; None when it is not here."""
        ...

    def read(self, sha256: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes start <= i < end in pieces. Raises BlobLost when they are not here."""
        ...


class BlobLost(Exception):
    """A blob that a row names is missing or too short on this site's disk."""


def cannot_read() -> Refusal:
    return Refusal(503, "M_UNKNOWN", "this file cannot be read now. Try again later.", headers={"retry-after": "60"})


def no_room() -> Refusal:
    return Refusal(507, "M_UNKNOWN", "this server has no room for more files; nothing was stored. Tell its operator.")


def file_too_large(bytes_max: int) -> Refusal:
    return too_large(f"a file may have at most {bytes_max} bytes")


class BlobFolder:
    """Blobs in a folder. open() first; several processes may share the folder."""

    def __init__(self, folder: Path, *, free_bytes_min: int = limits.DISK_FREE_BYTES_MIN) -> None:
        self._folder = folder
        self._free_bytes_min = free_bytes_min
        self._threads = ThreadPoolExecutor(limits.BLOB_THREADS_MAX, thread_name_prefix="blobs")

    async def open(self) -> None:
        """Makes the folder, and removes what uploads left behind that a crash ended."""
        removed = await self._in_thread(self._prepare)
        if removed:
            log.info("temporary_files_removed", count=removed)

    def close(self) -> None:
        self._threads.shutdown()

    async def put(self, stream: AsyncIterator[bytes], bytes_max: int) -> Stored:
        file = await self._in_thread(self._temporary)
        try:
            async for pieces in _chunks(stream):
                if file.size + sum(map(len, pieces)) > bytes_max:
                    raise file_too_large(bytes_max)
                await self._in_thread(file.write, pieces)
            return await self._in_thread(file.keep, self._folder)
        except OSError as error:
            log.error("blob_not_stored", error=repr(error))
            raise no_room() from error
        finally:
            await asyncio.shield(self._in_thread(file.discard))

    async def size(self, sha256: bytes) -> int | None:
        return await self._in_thread(_size, _path(self._folder, sha256))

    async def read(self, sha256: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        """Opens the file anew for each piece, so a client that stops reading holds no descriptor."""
        path = _path(self._folder, sha256)
        while start < end:
            piece = await self._in_thread(_piece, path, start, min(end - start, limits.BLOB_CHUNK_BYTES))
            start += len(piece)
            yield piece

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    def _prepare(self) -> int:
        temporary = self._folder / _TEMPORARY
        temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
        oldest = time.time() - limits.BLOB_TEMPORARY_SECONDS_MAX
        left = [path for path in temporary.iterdir() if (_changed(path) or oldest) < oldest]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def _temporary(self) -> "_TemporaryFile":
        path = self._folder / _TEMPORARY / secrets.token_hex(16)
        try:
            return _TemporaryFile(path, self._free_bytes_min)
        except OSError as error:
            log.error("blob_not_stored", error=repr(error))
            raise no_room() from error


class _TemporaryFile:
    """A blob while it grows. Its calls run in threads; the lock makes discard() wait for a write that goes on."""

    def __init__(self, path: Path, free_bytes_min: int) -> None:
        self.size = 0
        self._path = path
        self._free_bytes_min = free_bytes_min
        self._hash = hashlib.sha256()
        self._lock = Lock()
        self._is_open = True
        self._check_room()
        self._file = path.open("xb")

    def write(self, pieces: list[bytes]) -> None:
        with self._lock:
            self._check_room()
            for piece in pieces:
                self._hash.update(piece)
                self._file.write(piece)
                self.size += len(piece)

    def keep(self, folder: Path) -> Stored:
        """Gives the file its name. After this a power cut cannot take it."""
        with self._lock:
            sha256 = self._hash.digest()
            place = _path(folder, sha256)
            self._file.flush()
            os.fsync(self._file.fileno())
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.replace(place)
            for parent in (place.parent, place.parent.parent, folder):
                _sync_folder(parent)
            return Stored(sha256, self.size)

    def discard(self) -> None:
        """Closes the file, and removes it when it was not kept. A second call does nothing."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                with contextlib.suppress(OSError):
                    self._file.close()
                self._path.unlink(missing_ok=True)

    def _check_room(self) -> None:
        disk = os.statvfs(self._path.parent)
        if disk.f_bavail * disk.f_frsize < self._free_bytes_min:
            raise OSError("less is free on this disk than the database may need")


async def _chunks(stream: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Gathers pieces of a network's size into ones that are worth a trip to a thread."""
    pieces: list[bytes] = []
    size = 0
    async for piece in stream:
        pieces.append(piece)
        size += len(piece)
        if size >= limits.BLOB_CHUNK_BYTES:
            yield pieces
            pieces, size = [], 0
    if pieces:
        yield pieces


def _path(folder: Path, sha256: bytes) -> Path:
    name = sha256.hex()
    return folder / name[:2] / name[2:4] / name


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _changed(path: Path) -> float | None:
    """When a temporary file was last written; None when another process just removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _piece(path: Path, start: int, size: int) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            piece = os.pread(file.fileno(), size, start)
    except FileNotFoundError:
        raise BlobLost(path.name) from None
    if not piece:
        raise BlobLost(path.name)
    return piece


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
