"""A wire between the store and PostgreSQL that can break at the worst moment: around a commit."""

import asyncio
import contextlib
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

_SOCKET_NAME = ".s.PGSQL.5432"
_PIECE_BYTES_MAX = 65_536


class Break(Enum):
    """What happens to one commit. Of a broken one the store learns only that its connection is gone."""

    NONE = "passes"
    BEFORE = "never reaches the database"
    AFTER = "is carried out and its answer is lost"
    MEANWHILE = "is still under way when the connection breaks"
    LATER = "is carried out and answered; the connection breaks at the next word"


class Wire:
    """`plan` says what happens to the next commits, in order; when it is empty they pass.

    A commit is a COMMIT, or a statement outside a transaction that carries `mark`, and so commits by itself; those are
    counted in `at_once`.
    """

    def __init__(self, dsn: str, folder: Path, mark: bytes) -> None:
        self.dsn = f"{dsn.partition('?')[0]}?host={quote(str(folder), safe='/')}"
        self.plan: deque[Break] = deque()
        self.at_once = 0
        self.mark = mark
        self.path = folder / _SOCKET_NAME
        self._server_path = f"{parse_qs(urlsplit(dsn).query)['host'][0]}/{_SOCKET_NAME}"
        self._lines: set[asyncio.Task[None]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        server_reader, server_writer = await asyncio.open_unix_connection(self._server_path)
        try:
            await _Line(self, reader, writer, server_reader, server_writer).run()
        finally:
            self._lines.discard(line)
            for end in (writer, server_writer):
                end.transport.abort()

    def next(self) -> Break:
        return self.plan.popleft() if self.plan else Break.NONE

    async def close(self) -> None:
        lines = list(self._lines)
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)


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
        self._is_in_transaction = False
        self._is_broken = False
        self._is_last_word = False

    async def run(self) -> None:
        """Until either side hangs up or the line breaks."""
        ways = {asyncio.create_task(self._forth()), asyncio.create_task(self._back())}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _back(self) -> None:
        """The database's words. Once the line is broken they are kept from the store."""
        while (data := await self._server_reader.read(_PIECE_BYTES_MAX)) and not self._is_broken:
            self._writer.write(data)

    async def _forth(self) -> None:
        while data := await self._reader.read(_PIECE_BYTES_MAX):
            kind = self._wire.next() if self._commits(data) else Break.NONE
            if kind is Break.BEFORE or self._is_last_word:
                return
            self._is_broken = kind in (Break.AFTER, Break.MEANWHILE)
            self._is_last_word = kind is Break.LATER
            self._server_writer.write(data)
            if kind is Break.MEANWHILE:
                self._writer.transport.abort()
                await asyncio.Event().wait()  # the database's side stays until it has answered, see _back

    def _commits(self, data: bytes) -> bool:
        was_in_transaction = self._is_in_transaction
        if b"BEGIN" in data:
            self._is_in_transaction = True
        elif b"COMMIT" in data or b"ROLLBACK" in data:
            self._is_in_transaction = False
            return b"COMMIT" in data
        elif not was_in_transaction and self._wire.mark in data:
            self._wire.at_once += 1
            return True
        return False


@asynccontextmanager
async def wire_to(dsn: str, mark: bytes = b"@") -> AsyncIterator[Wire]:
    with tempfile.TemporaryDirectory(prefix="bongsu-wire-") as folder:
        wire = Wire(dsn, Path(folder), mark)
        server = await asyncio.start_unix_server(wire.accept, wire.path)
        try:
            yield wire
        finally:
            server.close()
            with contextlib.suppress(OSError):
                await wire.close()
