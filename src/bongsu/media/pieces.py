"""Large files that come piece by piece, so that an upload goes on where it was cut off.

GET /_bongsu/v1/uploads/{server_name}/{media_id}          how much of it is here
PUT /_bongsu/v1/uploads/{server_name}/{media_id}/{start}  the bytes from there on; with the last of them the file

The id comes from POST /_matrix/media/v1/create. `tag` says which bytes these are, so that those of another file (the
same one, encrypted anew) are not put together with them; of one id the last tag counts. A piece is on this site's disk,
fsynced, when it is answered; any worker of the site goes on from there. It acknowledges no file, and no other site has
it: there an upload begins anew. With the last piece all of them become one blob, which goes the way of every upload:
the disks of two sites, then the row. Where that fails the pieces stay, and an empty piece at the end tries it again.
"""

import asyncio
import contextlib
import math
import os
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param
from bongsu.media.blobs import BlobFolder, BlobLost, cannot_read

log = structlog.get_logger(__name__)

_FOLDER: Final = "pieces"


class Piece(msgspec.Struct, frozen=True, order=True):
    """Bytes start <= i < end of a file."""

    start: int
    end: int


class Pieces:
    """Files that are not whole yet, in a folder beside the blobs: `pieces/{media id}.{tag}/{start}-{end}`.

    name: such a media id and tag.
    """

    def __init__(self, blobs: BlobFolder) -> None:
        self._blobs = blobs
        self._folder = blobs.folder / _FOLDER

    async def held(self, name: str) -> list[Piece]:
        """From the beginning on, without a gap."""
        return await self._blobs.on_disk(_held, self._folder / name)

    async def add(self, name: str, start: int, total: int, stream: AsyncIterator[bytes]) -> Piece:
        """A power cut cannot take it any more. 413 beyond the file's end or a piece's size."""
        bytes_max = min(limits.UPLOAD_PIECE_BYTES_MAX, total - start)
        async with self._blobs.receive(stream, bytes_max) as draft:
            piece = Piece(start, start + draft.stored.size)
            if draft.stored.size < limits.UPLOAD_PIECE_BYTES_MIN and piece.end < total:
                raise invalid_param(
                    f"a piece has at least {limits.UPLOAD_PIECE_BYTES_MIN} bytes, unless it is the last"
                )
            if piece.end > piece.start:
                await draft.keep_at(self._place(name, piece))
            return piece

    async def read(self, name: str, pieces: Sequence[Piece]) -> AsyncIterator[bytes]:
        """All their bytes. 503 when another worker has just made the file, or nobody wanted it for a day."""
        try:
            for piece in pieces:
                async for part in self._blobs.read_file(self._place(name, piece), piece.end - piece.start):
                    yield part
        except BlobLost:
            raise cannot_read() from None

    async def drop_others(self, media_id: str, name: str) -> None:
        """One wording of a file is kept at a time: whoever begins another does not go on with the one before."""
        await self._blobs.on_disk(_remove_others, self._folder, media_id, name)

    async def drop(self, name: str) -> None:
        await self._blobs.on_disk(_remove, self._folder / name)

    async def sweep_for_ever(self) -> None:
        """Forgets files whose last piece never came, and what a crash left of uploads. Several workers of a site may
        do it at once.
        """
        while True:
            try:
                await self._blobs.sweep()
                oldest = time.time() - limits.UPLOAD_PIECES_SECONDS
                removed = await self._blobs.on_disk(_sweep, self._folder, oldest)
                if removed:
                    log.info("unfinished_uploads_removed", count=removed)
            except Refusal as refusal:
                log.warning("unfinished_uploads_stay", error=refusal.message)
            await asyncio.sleep(limits.UPLOAD_PIECES_SWEEP_SECONDS)

    def _place(self, name: str, piece: Piece) -> Path:
        return self._folder / name / f"{piece.start}-{piece.end}"


def _held(folder: Path) -> list[Piece]:
    try:
        found = sorted(_piece(path.name) for path in folder.iterdir())
    except FileNotFoundError:
        return []
    held: list[Piece] = []
    for piece in found:
        if piece.start == (held[-1].end if held else 0):  # two tries of one piece may have ended differently
            held.append(piece)
    return held


def _piece(name: str) -> Piece:
    start, _, end = name.partition("-")
    return Piece(int(start), int(end))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _remove_others(folder: Path, media_id: str, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(f"{media_id}.") and entry.name != name:
                _remove(Path(entry))


def _changed(entry: "os.DirEntry[str]") -> float:
    """When its newest piece came; for ever, when another worker has just removed it."""
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def _sweep(folder: Path, oldest: float) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    old = [Path(entry) for entry in os.scandir(folder) if _changed(entry) < oldest]
    for path in old:
        _remove(path)
    return len(old)
