"""GET /_bongsu/v1/account/export: all that is kept of a person, as one ZIP file of JSON.

It is made while it is read: a page of rows, then what they are packed into, and nothing of it stays in memory.
"""

import asyncio
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from typing import IO, Any, Final

from bongsu.core import limits
from bongsu.core.json import JsonObject, encode
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Route
from bongsu.store.database import Database
from bongsu.store.own_data import OwnData

_PATH: Final = "/_bongsu/v1/account/export"
_READ_ME: Final = """\
이 파일에는 서버가 보관하는 내 정보가 들어 있습니다. 이름이 .jsonl로 끝나는 파일은 한 줄이 한 건입니다.
This file holds what the server keeps of you. In files whose names end with .jsonl each line is one thing.

account.json       계정과 메일 주소 / your account and mail addresses
profile.json       프로필 / your profile
devices.json       로그인한 기기 / devices that are signed in
pushers.json       알림을 받는 앱 / apps that are told of news
account_data.jsonl 설정 / settings that your apps keep
rooms.jsonl        참여하는 방과 참여했던 방 / chats that you are or were in
messages.jsonl     내가 보낸 메시지와 변경 / what you sent; encrypted messages are as they are kept, encrypted
consents.jsonl     채널에 동의하고 철회한 기록 / what you agreed to for channels, and withdrew
bookings.jsonl     예약과 대기 / your bookings, and where you wait
wishes.json        빈자리 알림을 받는 곳과 때 / where and when you want to hear of free places
reports.jsonl      신고한 것 / what you reported
passkeys.json      패스키의 이름과 쓴 때 / your passkeys' names, and when they were used
uploads.jsonl      올린 파일의 목록 / a list of the files that you uploaded
"""


class _Sink:
    """What a ZIP file is written to: it is taken out again in pieces."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.size = 0

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        self.size += len(piece)
        return len(piece)

    def flush(self) -> None:
        """Everything is where it is taken from."""

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return taken


class Export:
    """now_ms: what the files in it are dated by."""

    def __init__(self, database: Database, server_name: str, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._server_name = server_name
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        told = Described("Everything that is kept of oneself, as a ZIP file", {200: None})
        return [Route("GET", _PATH, self.download, bucket="export", tier=Tier.HISTORY, described=told)]

    async def download(self, request: Request) -> Response:
        data = OwnData(self._database, request.requester.user_id, self._server_name)
        account = await data.account()  # if nothing can be read, this is the refusal
        headers = {"content-disposition": 'attachment; filename="bongsu.zip"', "cache-control": "no-store"}
        pieces = _Packing(data, account, time.gmtime(self._now_ms() / 1000)).pieces()
        return Response(pieces, content_type="application/zip", headers=headers)


class _Packing:
    def __init__(self, data: OwnData, account: JsonObject, at: time.struct_time) -> None:
        self._data = data
        self._account = account
        self._at = (at.tm_year, at.tm_mon, at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec)
        self._sink = _Sink()
        self._room_ids: list[str] = []

    async def pieces(self) -> AsyncIterator[bytes]:
        sink: Any = self._sink
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            self._small(archive, "README.txt", _READ_ME.encode())
            for name, value in await self._whole():
                self._small(archive, name, encode(value))
            for name, lines in self._long():
                with archive.open(self._entry(name), "w", force_zip64=True) as file:
                    async for piece in self._lines(file, lines):
                        yield piece
        yield self._sink.take()

    async def _whole(self) -> list[tuple[str, object]]:
        data = self._data
        return [
            ("account.json", self._account),
            ("profile.json", await data.profile()),
            ("devices.json", await data.devices()),
            ("pushers.json", await data.pushers()),
            ("passkeys.json", await data.passkeys()),
            ("wishes.json", await data.wishes()),
        ]

    def _long(self) -> Iterator[tuple[str, AsyncIterator[JsonObject]]]:
        """Rooms first: they say where to look for messages."""
        yield "account_data.jsonl", self._data.account_data()
        yield "rooms.jsonl", self._rooms()
        yield "messages.jsonl", self._messages()
        yield "consents.jsonl", self._data.consents()
        yield "bookings.jsonl", self._data.bookings()
        yield "reports.jsonl", self._data.reports()
        yield "uploads.jsonl", self._data.uploads()

    async def _rooms(self) -> AsyncIterator[JsonObject]:
        async for room in self._data.rooms():
            self._room_ids.append(room["room_id"])
            yield room

    async def _messages(self) -> AsyncIterator[JsonObject]:
        for room_id in self._room_ids:
            async for event in self._data.said_in(room_id):
                yield event

    def _small(self, archive: zipfile.ZipFile, name: str, body: bytes) -> None:
        archive.writestr(self._entry(name), body)

    def _entry(self, name: str) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, self._at)
        entry.compress_type = zipfile.ZIP_DEFLATED
        return entry

    async def _lines(self, file: IO[bytes], lines: AsyncIterator[JsonObject]) -> AsyncIterator[bytes]:
        """Others have their turn whenever a piece is full."""
        unpacked = 0
        async for line in lines:
            body = encode(line) + b"\n"
            file.write(body)
            unpacked += len(body)
            if unpacked >= limits.OWN_DATA_PIECE_BYTES:
                unpacked = 0
                await asyncio.sleep(0)
                if self._sink.size:
                    yield self._sink.take()
