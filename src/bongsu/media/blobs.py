"""The bytes of files, each under its SHA-256: `ab/cd/<sha256 in hex>` in one folder per site.

A blob never changes. It is written beside its place, brought to the disk, and then renamed, so that a name that can be
seen always holds all of its bytes; put() returns when a power cut can no longer take it. Disk work is done in threads
of its own, a chunk at a time.

Between being complete and being seen a blob is a draft: other sites can be given its bytes first, and when that fails
it is gone as if it had never come.
"""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
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
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Stored(msgspec.Struct, frozen=True):
    """A blob: its name (32 bytes) and its size in bytes."""

    sha256: bytes
    size: int


class Draft(Protocol):
    """A blob that is complete, and that nobody can see before keep()."""

    stored: Stored

    def read(self) -> AsyncIterator[bytes]:
        """All of it, in pieces; as often as wanted, and from its place once it was kept."""
        ...

    async def sync(self) -> None:
        """Brings the bytes to the disk, so that keep() finds little to do. 507 when that fails."""
        ...

    async def keep(self) -> Stored:
        """Gives it its name. After this a power cut cannot take it."""
        ...


class Blobs(Protocol):
    """Where bytes are kept."""

    def receive(self, stream: AsyncIterator[bytes], bytes_max: int) -> AbstractAsyncContextManager[Draft]:
        """All of the stream as a draft, which is gone at the end unless it was kept. 413 beyond bytes_max, 507 without
        room.
        """
        ...

    async def put(self, stream: AsyncIterator[bytes], bytes_max: int, expected: bytes | None = None) -> Stored:
        """receive() and keep(). Raises WrongBytes, and keeps nothing, when the bytes are not those of this name."""
        ...

    async def size(self, sha256: bytes) -> int | None:
        """In bytes; None when it is not here."""
        ...

    def read(self, sha256: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes start <= i < end in pieces. Raises BlobLost when they are not here."""
        ...

    async def is_whole(self, sha256: bytes, size: int | None = None) -> bool:
        """Is it here with this size, and did this process see that its bytes are those of its name?

        It is hashed when first asked about, and again when its file has changed.
        """
        ...

    async def check(self, sha256: bytes, bytes_per_second: int) -> bool:
        """Hashes it slowly, whatever is_whole() knows: disks go bad without a word."""
        ...


class BlobLost(Exception):
    """A blob that a row names is missing or too short on this site's disk."""


class WrongBytes(Exception):
    """What came under a name has another SHA-256."""


def cannot_read() -> Refusal:
    return Refusal(503, "M_UNKNOWN", "this file cannot be read now. Try again later.", headers={"retry-after": "60"})


def no_room() -> Refusal:
    return Refusal(507, "M_UNKNOWN", "this server has no room for more files; nothing was stored. Tell its operator.")


def file_too_large(bytes_max: int) -> Refusal:
    return too_large(f"a file may have at most {bytes_max} bytes")


class BlobFolder:
    """Blobs in a folder. open() first; several processes may share the folder."""

    def __init__(self, folder: Path, *, free_bytes_min: int = limits.DISK_FREE_BYTES_MIN) -> None:
        self.folder = folder
        self._free_bytes_min = free_bytes_min
        self._threads = ThreadPoolExecutor(limits.BLOB_THREADS_MAX, thread_name_prefix="blobs")
        self._is_full = False  # something did not fit, and there was no room since
        self._whole: OrderedDict[bytes, _Mark] = OrderedDict()

    async def open(self) -> None:
        """Makes the folder, and removes what uploads left behind that a crash ended long ago."""
        _tell_removed(await self._in_thread(self._prepare))

    async def sweep(self) -> None:
        """Removes what a crash left that was too young for that at the start."""
        _tell_removed(await self.on_disk(self._prepare))

    def close(self) -> None:
        self._threads.shutdown()

    @asynccontextmanager
    async def receive(self, stream: AsyncIterator[bytes], bytes_max: int) -> AsyncIterator["_Draft"]:
        file = await self._in_thread(self._temporary)
        try:
            yield _Draft(self, file, await self._fill(file, stream, bytes_max))
        finally:
            await asyncio.shield(self._in_thread(file.discard))

    async def put(self, stream: AsyncIterator[bytes], bytes_max: int, expected: bytes | None = None) -> Stored:
        async with self.receive(stream, bytes_max) as draft:
            if expected is not None and draft.stored.sha256 != expected:
                raise WrongBytes(expected.hex())
            return await draft.keep()

    async def _fill(self, file: "_TemporaryFile", stream: AsyncIterator[bytes], bytes_max: int) -> Stored:
        async for pieces in _chunks(stream):
            if file.size + sum(map(len, pieces)) > bytes_max:
                raise file_too_large(bytes_max)
            await self.on_disk(file.write, pieces)
        return await self.on_disk(file.finish)

    async def on_disk(self, work: Callable[..., T], *args: Any) -> T:
        """Work that writes, in a thread. 507 when the disk refuses."""
        try:
            return await self._in_thread(work, *args)
        except OSError as error:
            raise self._not_stored(error) from error

    def _not_stored(self, error: OSError) -> Refusal:
        log.error("blob_not_stored", error=repr(error))
        self._is_full = self._is_full or error.errno in _FULL
        return no_room()

    async def has_room(self) -> bool:
        """As far as is known: the disk is looked at only after something did not fit. Writes nothing."""
        if self._is_full:
            with contextlib.suppress(OSError):
                await self._in_thread(_check_room, self.folder, self._free_bytes_min)
                self._is_full = False
        return not self._is_full

    async def keep(self, file: "_TemporaryFile", stored: Stored) -> None:
        mark = await self.on_disk(file.keep, _path(self.folder, stored.sha256), self.folder)
        self._remember(stored.sha256, mark)

    async def is_whole(self, sha256: bytes, size: int | None = None) -> bool:
        mark = await self._in_thread(_mark, _path(self.folder, sha256))
        if mark is None or size not in (None, mark.size):
            return False
        if self._whole.get(sha256) != mark:
            if not await self._has_its_name(sha256, mark.size, None):
                return False
            self._remember(sha256, mark)
        return True

    async def check(self, sha256: bytes, bytes_per_second: int) -> bool:
        size = await self.size(sha256)
        is_whole = size is not None and await self._has_its_name(sha256, size, bytes_per_second)
        if not is_whole:
            self._whole.pop(sha256, None)
        return is_whole

    async def _has_its_name(self, sha256: bytes, size: int, bytes_per_second: int | None) -> bool:
        path, digest = _path(self.folder, sha256), hashlib.sha256()
        for start in range(0, size, limits.BLOB_HASH_BYTES):
            part = min(size - start, limits.BLOB_HASH_BYTES)
            try:
                await self._in_thread(_hash_part, path, digest, start, part)
            except (BlobLost, OSError):
                return False
            if bytes_per_second is not None:
                await asyncio.sleep(part / bytes_per_second)
        return digest.digest() == sha256

    def _remember(self, sha256: bytes, mark: "_Mark") -> None:
        self._whole[sha256] = mark
        if len(self._whole) > limits.BLOBS_KNOWN_WHOLE_MAX:
            self._whole.popitem(last=False)

    async def remove(self, sha256: bytes, young_seconds: float) -> bool:
        """It is not here any more. False: it was written within so many seconds, and stays."""
        return await self._in_thread(_remove, _path(self.folder, sha256), young_seconds)

    async def size(self, sha256: bytes) -> int | None:
        return await self._in_thread(_size, _path(self.folder, sha256))

    def read(self, sha256: bytes, start: int, end: int) -> AsyncIterator[bytes]:
        return self._pieces((_path(self.folder, sha256),), start, end)

    def read_file(self, path: Path, size: int) -> AsyncIterator[bytes]:
        """A file of this folder that is no blob, in pieces. Raises BlobLost when it is not there."""
        return self._pieces((path,), 0, size)

    async def _pieces(self, paths: tuple[Path, ...], start: int, end: int) -> AsyncIterator[bytes]:
        """Opens the file anew for each piece, so a client that stops reading holds no descriptor."""
        while start < end:
            piece = await self._in_thread(_piece, paths, start, min(end - start, limits.BLOB_CHUNK_BYTES))
            start += len(piece)
            yield piece

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    def _prepare(self) -> int:
        temporary = self.folder / _TEMPORARY
        temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
        oldest = time.time() - limits.BLOB_TEMPORARY_SECONDS_MAX
        left = [path for path in temporary.iterdir() if (_changed(path) or oldest) < oldest]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def read_draft(self, file: "_TemporaryFile", stored: Stored) -> AsyncIterator[bytes]:
        """From beside its place or, once it was kept, from there."""
        return self._pieces((file.path, _path(self.folder, stored.sha256)), 0, stored.size)

    def _temporary(self) -> "_TemporaryFile":
        path = self.folder / _TEMPORARY / secrets.token_hex(16)
        try:
            return _TemporaryFile(path, self._free_bytes_min)
        except OSError as error:
            raise self._not_stored(error) from error


class _Draft:
    """A temporary file that is complete."""

    def __init__(self, folder: BlobFolder, file: "_TemporaryFile", stored: Stored) -> None:
        self.stored = stored
        self._folder = folder
        self._file = file

    def read(self) -> AsyncIterator[bytes]:
        return self._folder.read_draft(self._file, self.stored)

    async def sync(self) -> None:
        await self._folder.on_disk(self._file.sync)

    async def keep(self) -> Stored:
        await self._folder.keep(self._file, self.stored)
        return self.stored

    async def keep_at(self, place: Path) -> None:
        """Keeps it as a file that is no blob. After this a power cut cannot take it."""
        await self._folder.on_disk(self._file.keep, place, self._folder.folder)


class _TemporaryFile:
    """A blob while it grows. Its calls run in threads; the lock makes discard() wait for a write that goes on."""

    def __init__(self, path: Path, free_bytes_min: int) -> None:
        self.size = 0
        self.path = path
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

    def finish(self) -> Stored:
        """All bytes are here, and others may read them."""
        with self._lock:
            self._file.flush()
            return Stored(self._hash.digest(), self.size)

    def sync(self) -> None:
        with self._lock:
            os.fsync(self._file.fileno())

    def keep(self, place: Path, folder: Path) -> "_Mark":
        """Gives the file its name. After this a power cut cannot take it."""
        with self._lock:
            os.fsync(self._file.fileno())
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _holding(place.parent, fcntl.LOCK_SH):
                self.path.replace(place)
            for parent in (place.parent, place.parent.parent, folder):
                _sync_folder(parent)
            return _marked(os.fstat(self._file.fileno()))

    def discard(self) -> None:
        """Closes the file, and removes it when it was not kept. A second call does nothing."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                with contextlib.suppress(OSError):
                    self._file.close()
                self.path.unlink(missing_ok=True)

    def _check_room(self) -> None:
        _check_room(self.path.parent, self._free_bytes_min)


def _check_room(folder: Path, free_bytes_min: int) -> None:
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < max(free_bytes_min, disk.f_frsize):
        raise OSError(errno.ENOSPC, "less is free on this disk than the database may need")


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


def _tell_removed(count: int) -> None:
    if count:
        log.info("temporary_files_removed", count=count)


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


def _piece(paths: tuple[Path, ...], start: int, size: int) -> bytes:
    """From the first of these files that is there."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
            piece = os.pread(file.fileno(), size, start)
            if piece:
                return piece
    raise BlobLost(paths[-1].name)


def _hash_part(path: Path, digest: "hashlib._Hash", start: int, size: int) -> None:
    end = start + size
    while start < end:
        piece = _piece((path,), start, min(end - start, limits.BLOB_CHUNK_BYTES))
        digest.update(piece)
        start += len(piece)


class _Mark(msgspec.Struct, frozen=True):
    """What changes when somebody changes a file."""

    inode: int
    changed_ns: int
    size: int


def _marked(found: os.stat_result) -> _Mark:
    return _Mark(found.st_ino, found.st_mtime_ns, found.st_size)


def _mark(path: Path) -> _Mark | None:
    try:
        return _marked(path.stat())
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _holding(folder: Path, how: int) -> Iterator[None]:
    """Between processes, too. how: shared by those who put files into the folder, or alone, to take one away."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _remove(path: Path, young_seconds: float) -> bool:
    """Nobody gives it new bytes between the look and the removal."""
    try:
        with _holding(path.parent, fcntl.LOCK_EX):
            if path.stat().st_mtime > time.time() - young_seconds:
                return False
            path.unlink()
    except FileNotFoundError:
        pass
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
