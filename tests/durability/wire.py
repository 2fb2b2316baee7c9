"""A wire between the store and PostgreSQL that can break at the worst moment: around a COMMIT."""

import asyncio
import contextlib
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

_SOCKET_NAME = ".s.PGSQL.5432"
_COMMIT = b"COMMIT;"


class Break(Enum):
    """What happens to one COMMIT. In every case the client learns only that its connection is gone."""

    NONE = auto()
    BEFORE = auto()  # it never reaches the server
    AFTER = auto()  # it is carried out, and the answer is lost
    MEANWHILE = auto()  # the client is cut off at once, while the server is still at it


class Wire:
    """`plan` says what happens to the next COMMITs, in order; when it is empty they pass."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn = f"{dsn.partition('?')[0]}?host={quote(str(folder))}"
        self.plan: deque[Break] = deque()
        self.broken = 0
        self._path = folder / _SOCKET_NAME
        self._server_path = f"{parse_qs(urlsplit(dsn).query)['host'][0]}/{_SOCKET_NAME}"
        self._lines: set[asyncio.Task[None]] = set()

    async def listen(self) -> asyncio.Server:
        return await asyncio.start_unix_server(self._accept, self._path)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self._server_path)
            with contextlib.suppress(OSError):
                await _Line(self, reader, writer, server_reader, server_writer).run()
            server_writer.close()
        finally:
            writer.close()
            self._lines.discard(line)

    async def close(self) -> None:
        for line in self._lines:
            line.cancel()
        if self._lines:
            await asyncio.wait(self._lines)


class _Line:
    """One connection through the wire."""

    def __init__(
        self,
        wire: Wire,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        self._wire = wire
        self._reader, self._writer = reader, writer
        self._server_reader, self._server_writer = server_reader, server_writer

    async def run(self) -> None:
        """Until either side hangs up."""
        ways = {asyncio.create_task(self._forth()), asyncio.create_task(self._back())}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)

    async def _back(self) -> None:
        while data := await self._server_reader.read(65_536):
            self._writer.write(data)
            await self._writer.drain()

    async def _forth(self) -> None:
        while data := await self._reader.read(65_536):
            kind = self._wire.plan.popleft() if _COMMIT in data and self._wire.plan else Break.NONE
            if kind is not Break.NONE:
                self._wire.broken += 1
            if kind is Break.BEFORE:
                return
            if kind is Break.AFTER:
                self._writer.transport.pause_reading()
                await self._swallow(data)
                return
            self._server_writer.write(data)
            if kind is Break.MEANWHILE:
                self._writer.transport.abort()
                await asyncio.sleep(5)  # holds the server's side until its answer finds nobody
                return
            await self._server_writer.drain()

    async def _swallow(self, commit: bytes) -> None:
        """Sends a COMMIT and keeps its answer to itself."""
        self._writer.transport.abort()
        self._server_writer.write(commit)
        await asyncio.sleep(0.2)


@asynccontextmanager
async def wire_to(dsn: str) -> AsyncIterator[Wire]:
    with tempfile.TemporaryDirectory(prefix="bongsu-wire-") as folder:
        wire = Wire(dsn, Path(folder))
        server = await wire.listen()
        try:
            yield wire
        finally:
            server.close()
            await wire.close()
