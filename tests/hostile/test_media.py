"""Files and pictures made to hurt: bombs, stalls, floods, injected headers, full disks. The server says no and lives.

Most tests need limits that no operator would set, so they serve the real routes, over a real port and a real
PostgreSQL, with settings of their own.
"""

import asyncio
import io
import json
import os
import secrets
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.core.requester import Requester
from bongsu.http import server
from bongsu.http.app import App
from bongsu.http.router import Router
from bongsu.http.shedding import Shedding
from bongsu.media.blobs import BlobFolder
from bongsu.media.routes import Media
from bongsu.media.uploads import UploadRules
from bongsu.media.workers import Clocks, Workers
from bongsu.store.database import Database
from bongsu.store.embedded import EmbeddedPostgres
from bongsu.store.migrations import migrate
from tests.server import SERVER_NAME, data_folder

MIB = 1024 * 1024
MEDIA = "/_matrix/client/v1/media"
UPLOAD = "/_matrix/media/v3/upload"
SMALL = UploadRules(bytes_max=MIB, idle_seconds=0.4, waiting_max=3)
QUICK = server.Clocks(linger_seconds=0.3)

Reply = tuple[int, dict[str, str], bytes]


class _Names:
    """A token is a user's name; "guest" is one."""

    async def authenticate(self, token: str, address: str | None = None) -> Requester:
        return Requester(user_id=f"@{token}:{SERVER_NAME}", device_id="D", is_guest=token == "guest")


class _NoLimits:
    async def spend(self, bucket: str, requester: Requester | None, address: str) -> None:
        pass


class Served:
    """The media routes on a port, and short calls to them."""

    def __init__(self, http: aiohttp.ClientSession, port: int, folder: Path, media: Media, workers: Workers) -> None:
        self.http = http
        self.port = port
        self.folder = folder
        self.media = media
        self.workers = workers
        self.ahead_ms = 0  # how far the service's clock is ahead

    async def ask(
        self, method: str, path: str, headers: dict[str, str] | None = None, token: str = "a", **more: Any
    ) -> Reply:
        headers = {"Authorization": f"Bearer {token}", **(headers or {})}
        async with self.http.request(method, path, headers=headers, **more) as answer:
            return answer.status, dict(answer.headers), await answer.read()

    async def upload(self, data: Any, kind: str = "image/png", **query: str) -> str:
        status, _, body = await self.ask("POST", UPLOAD, {"Content-Type": kind}, data=data, params=query)
        assert status == 200, body
        return str(json.loads(body)["content_uri"]).removeprefix("mxc://")

    async def create(self, token: str = "a") -> Reply:
        return await self.ask("POST", "/_matrix/media/v1/create", token=token)

    async def thumbnail(self, item: str, size: str = "width=96&height=96&method=crop", **query: str) -> Reply:
        return await self.ask("GET", f"{MEDIA}/thumbnail/{item}?{size}", params=query)

    async def thumbnail_of(self, data: bytes, **query: str) -> Reply:
        return await self.thumbnail(await self.upload(data), **query)

    async def raw(self, head: str, *pieces: bytes, pause: float = 0.0) -> bytes:
        """What comes back on a connection of its own until the server closes it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(head.replace("\n", "\r\n").encode() + b"\r\n")
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(pause)
            async with asyncio.timeout(10):
                return await reader.read()
        finally:
            writer.close()

    def temporary(self) -> list[Path]:
        return list((self.folder / "tmp").iterdir())

    def blobs(self) -> list[Path]:
        return [path for path in self.folder.glob("??/??/*") if path.is_file()]


@pytest.fixture(scope="module")
async def database() -> AsyncIterator[Database]:
    with data_folder() as folder:
        postgres = EmbeddedPostgres(folder)
        database = Database(await postgres.start())
        await database.open()
        await migrate(database)
        yield database
        await database.close()
        await postgres.stop()


Serve = Callable[..., Any]


@pytest.fixture
def serve(database: Database, tmp_path: Path) -> Serve:
    """Serves with settings; at the end nothing is left in the folder of temporary files, and no process."""

    @asynccontextmanager
    async def serving(
        uploads: UploadRules = SMALL,
        workers: Workers | None = None,
        free_bytes_min: int = 0,
        legacy_access: bool = False,
    ) -> AsyncIterator[Served]:
        blobs = BlobFolder(tmp_path / "blobs", free_bytes_min=free_bytes_min)
        await blobs.open()
        workers = workers or Workers(count=1)
        media = Media(
            database,
            blobs,
            server_name=SERVER_NAME,
            now_ms=lambda: time.time_ns() // 1_000_000 + served.ahead_ms,
            uploads=uploads,
            workers=workers,
            legacy_access=legacy_access,
        )
        app = App(Router(media.routes()), _Names(), _NoLimits(), Shedding())
        stop, ports = asyncio.Event(), asyncio.Queue[int]()
        running = asyncio.create_task(
            server.run(
                app, host="127.0.0.1", port=0, ready=ports.put_nowait, stop=stop, drain_seconds=1, clocks=QUICK,
                draining=media.drain,
            )
        )  # fmt: skip
        port = await asyncio.wait_for(ports.get(), 5)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", timeout=aiohttp.ClientTimeout(30)) as http:
                served = Served(http, port, tmp_path / "blobs", media, workers)
                yield served
        finally:
            stop.set()
            await asyncio.wait_for(running, 10)
            await media.close()
            left = served.temporary()
            blobs.close()
        assert (left, workers.pids) == ([], [])

    return serving


def refusal(reply: Reply, status: int, errcode: str) -> dict[str, Any]:
    assert reply[0] == status, reply
    body: dict[str, Any] = json.loads(reply[2])
    assert body["errcode"] == errcode
    assert body["error"]
    return body


def picture(width: int, height: int, form: str = "PNG", **save: Any) -> bytes:
    out = io.BytesIO()
    noise = Image.frombytes("RGB", (64, 64), secrets.token_bytes(64 * 64 * 3))
    noise.resize((width, height)).save(out, form, **save)
    return out.getvalue()


async def _eventually(is_so: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.02)


# --- uploads that are too much, too slow, or never end ---


async def test_too_large_is_said_before_a_byte_is_sent(serve: Serve) -> None:
    async with serve() as served:
        for length in (MIB + 1, 10**15, 10**40):
            head = f"POST {UPLOAD} HTTP/1.1\nHost: x\nAuthorization: Bearer a\nContent-Length: {length}\n"
            answer = await served.raw(head)
            assert answer.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 ")), answer
            assert length > 10**18 or b"M_TOO_LARGE" in answer
        assert served.temporary() == []


async def test_too_large_is_said_when_it_shows(serve: Serve) -> None:
    async with serve() as served:
        head = f"POST {UPLOAD} HTTP/1.1\nHost: x\nAuthorization: Bearer a\nTransfer-Encoding: chunked\n"
        piece = b"10000\r\n" + bytes(0x10000) + b"\r\n"
        answer = await served.raw(head, *[piece] * 24, pause=0.002)
        assert answer.startswith(b"HTTP/1.1 413 "), answer
        assert b"M_TOO_LARGE" in answer
        assert (served.temporary(), served.blobs()) == ([], [])


async def test_exactly_the_largest(serve: Serve) -> None:
    async with serve() as served:
        assert (await served.ask("GET", f"{MEDIA}/download/{await served.upload(bytes(MIB))}"))[2] == bytes(MIB)
        refusal(await served.ask("POST", UPLOAD, data=bytes(MIB + 1)), 413, "M_TOO_LARGE")


async def test_nobody_fills_the_disks_of_all_alone(serve: Serve, database: Database) -> None:
    next_day = "UPDATE media SET created_at = now() - interval '1 day'"
    await database.execute(next_day)  # after what other tests have uploaded
    async with serve(UploadRules(bytes_max=MIB, day_bytes_max=MIB)) as served:
        item = json.loads((await served.create())[2])["content_uri"].removeprefix("mxc://")
        await served.upload(bytes(MIB // 2))
        await served.upload(bytes(MIB // 2 + 1))  # the same day; what it had is all that is counted
        blobs = served.blobs()
        for method, path in (
            ("POST", UPLOAD),
            ("POST", "/_matrix/media/v1/create"),
            ("PUT", f"{UPLOAD}/{item}"),
            ("PUT", f"/_bongsu/v1/uploads/{item}/0?size=3"),
        ):
            refusal(await served.ask(method, path, data=b"abc"), 403, "BONGSU_UPLOADS_OF_DAY")
        assert served.blobs() == blobs
        await database.execute(next_day)
        assert (await served.ask("PUT", f"{UPLOAD}/{item}", data=b"abc"))[0] == 200


async def test_an_upload_that_stands_still(serve: Serve) -> None:
    async with serve() as served:
        head = f"POST {UPLOAD} HTTP/1.1\nHost: x\nAuthorization: Bearer a\nContent-Length: 100000\n"
        began = time.monotonic()
        answer = await served.raw(head, bytes(1000))
        assert answer.startswith(b"HTTP/1.1 408 "), answer
        assert 0.3 < time.monotonic() - began < 5
        assert served.temporary() == []


async def test_a_client_that_hangs_up(serve: Serve) -> None:
    async with serve(UploadRules(bytes_max=10 * MIB, idle_seconds=20)) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        head = f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nContent-Length: 9000000\r\n\r\n"
        writer.write(head.encode() + bytes(600_000))
        await writer.drain()
        await _eventually(lambda: any(path.stat().st_size > 0 for path in served.temporary()))
        writer.transport.abort()
        await _eventually(lambda: served.temporary() == [])
        assert served.blobs() == []


async def test_a_server_that_stops_during_an_upload(serve: Serve) -> None:
    async with serve(UploadRules(idle_seconds=20)) as served:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        head = f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nContent-Length: 9000000\r\n\r\n"
        writer.write(head.encode() + bytes(600_000))
        await _eventually(lambda: any(path.stat().st_size > 0 for path in served.temporary()))
    writer.close()  # the fixture saw that nothing is left


async def test_too_many_uploads_of_one_person(serve: Serve) -> None:
    async with serve(UploadRules(idle_seconds=20)) as served:
        writers = []
        for _ in range(limits.UPLOADS_PER_USER_MAX):
            _, writer = await asyncio.open_connection("127.0.0.1", served.port)
            head = f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer a\r\nContent-Length: 9\r\n\r\n"
            writer.write(head.encode())
            writers.append(writer)
        await _eventually(lambda: len(served.temporary()) == limits.UPLOADS_PER_USER_MAX)
        answer = await served.ask("POST", UPLOAD, data=b"x")
        assert refusal(answer, 429, "M_LIMIT_EXCEEDED")["retry_after_ms"] > 0
        assert (await served.ask("POST", UPLOAD, data=b"x", token="b"))[0] == 200
        for writer in writers:
            writer.transport.abort()
        await _eventually(lambda: served.temporary() == [])
        assert (await served.ask("POST", UPLOAD, data=b"x"))[0] == 200


async def test_guests_do_not_upload(serve: Serve) -> None:
    async with serve() as served:
        refusal(await served.ask("POST", UPLOAD, data=b"x", token="guest"), 403, "M_GUEST_ACCESS_FORBIDDEN")
        refusal(await served.create("guest"), 403, "M_GUEST_ACCESS_FORBIDDEN")


# --- disks ---


async def test_no_room_on_the_disk(serve: Serve) -> None:
    async with serve(free_bytes_min=2**60) as served:
        body = refusal(await served.ask("POST", UPLOAD, data=bytes(1000)), 507, "M_UNKNOWN")
        assert "no room" in body["error"]
        assert (served.temporary(), served.blobs()) == ([], [])


_SMALL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from bongsu.core.errors import Refusal
from bongsu.media.blobs import BlobFolder

async def stream():
    for _ in range(40):
        yield bytes(65_536)

async def main():
    blobs = BlobFolder(Path(sys.argv[1]), free_bytes_min=0)
    await blobs.open()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
    try:
        await blobs.put(stream(), 10_000_000)
    except Refusal as refused:
        print(refused.status)

asyncio.run(main())
"""


def test_a_write_that_fails(tmp_path: Path) -> None:
    """The kernel refuses to let the file grow, as on a full disk."""
    done = subprocess.run(
        [sys.executable, "-c", _SMALL_DISK, tmp_path], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.splitlines()[-1] == "507", done
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_what_a_crash_left(tmp_path: Path) -> None:
    blobs = BlobFolder(tmp_path)
    await blobs.open()
    old, new = tmp_path / "tmp" / "old", tmp_path / "tmp" / "new"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (time.time() - 3700,) * 2)
    await blobs.open()
    assert list((tmp_path / "tmp").iterdir()) == [new]
    blobs.close()


async def test_a_file_that_the_disk_lost(serve: Serve) -> None:
    async with serve() as served:
        item = await served.upload(picture(200, 200))
        for path in served.blobs():
            path.unlink()
        refusal(await served.ask("GET", f"{MEDIA}/download/{item}"), 503, "M_UNKNOWN")
        refusal(await served.thumbnail(item), 503, "M_UNKNOWN")


async def test_a_thumbnail_that_the_disk_lost(serve: Serve) -> None:
    async with serve() as served:
        item = await served.upload(picture(200, 200))
        originals = served.blobs()
        first = await served.thumbnail(item)
        for path in set(served.blobs()) - set(originals):
            path.unlink()
        assert (await served.thumbnail(item))[2] == first[2]


# --- ids that wait ---


async def test_waiting_ids_are_few_and_expire(serve: Serve) -> None:
    async with serve() as served:
        items = [json.loads((await served.create())[2])["content_uri"].removeprefix("mxc://") for _ in range(3)]
        refusal(await served.create(), 429, "M_LIMIT_EXCEEDED")
        assert (await served.create("b"))[0] == 200
        assert (await served.ask("PUT", f"{UPLOAD}/{items[0]}", data=b"x"))[0] == 200
        assert (await served.create())[0] == 200
        served.ahead_ms = 25 * 3_600_000
        assert (await served.ask("GET", f"{MEDIA}/download/{items[0]}"))[0] == 200
        refusal(await served.ask("GET", f"{MEDIA}/download/{items[1]}"), 404, "M_NOT_FOUND")
        refusal(await served.ask("PUT", f"{UPLOAD}/{items[1]}", data=b"x"), 404, "M_NOT_FOUND")
        assert (await served.create())[0] == 200


async def test_many_who_ask_for_ids_at_once(serve: Serve) -> None:
    async with serve() as served:
        answers = await asyncio.gather(*(served.create("c") for _ in range(12)))
        assert sorted(status for status, _, _ in answers) == [200] * 3 + [429] * 9


async def test_a_stop_answers_downloads_that_wait(serve: Serve) -> None:
    async with serve() as served:
        item = json.loads((await served.create("d"))[2])["content_uri"].removeprefix("mxc://")
        waiting = asyncio.create_task(served.ask("GET", f"{MEDIA}/download/{item}?timeout_ms=20000"))
        await asyncio.sleep(0.2)
        began = time.monotonic()
        served.media.drain()
        refusal(await waiting, 504, "M_NOT_YET_UPLOADED")
        assert time.monotonic() - began < 10  # it would wait for 20


async def test_an_upload_at_another_worker_is_seen(serve: Serve, database: Database) -> None:
    async with serve() as served:
        item = json.loads((await served.create("e"))[2])["content_uri"].removeprefix("mxc://")
        waiting = asyncio.create_task(served.ask("GET", f"{MEDIA}/download/{item}?timeout_ms=10000"))
        await asyncio.sleep(0.2)
        await served.upload(b"elsewhere")
        await database.execute(
            "UPDATE media SET content_type = 'text/plain', expires_at = NULL, sha256 = "
            "(SELECT sha256 FROM blobs WHERE size = 9 LIMIT 1) WHERE media_id = $1",
            item.split("/")[1],
        )
        assert (await waiting)[0] == 200


# --- what an uploader says of a file ---


@pytest.mark.parametrize(
    "kind",
    ["text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "text/xml", "application/xhtml+xml", "text/javascript"],
)
async def test_what_could_run_is_never_shown_in_place(serve: Serve, kind: str) -> None:
    async with serve() as served:
        item = await served.upload(b"<script>alert(1)</script>", kind, filename="page.html")
        _, headers, _ = await served.ask("GET", f"{MEDIA}/download/{item}")
        assert headers["Content-Disposition"] == 'attachment; filename="page.html"'
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("sandbox;")
        assert kind.lower().startswith(headers["Content-Type"].partition(";")[0])


@pytest.mark.parametrize(
    "kind", ["text/plain\tx", "image/png, text/html", "image/png;\x7f", "image/\xe9", "x" * 300, 'a/b;c="\\"']
)
async def test_a_content_type_that_is_none(serve: Serve, kind: str) -> None:
    async with serve() as served:
        head = f"POST {UPLOAD} HTTP/1.1\nHost: x\nAuthorization: Bearer a\nConnection: close\nContent-Length: 1\n"
        answer = await served.raw(f"{head}Content-Type: {kind}\n", b"x")
        if answer.startswith(b"HTTP/1.1 400"):
            return  # the edge knows it is no header
        item = json.loads(answer.split(b"\r\n\r\n")[1])["content_uri"].removeprefix("mxc://")
        _, headers, _ = await served.ask("GET", f"{MEDIA}/download/{item}")
        assert headers["Content-Type"] == "application/octet-stream"
        assert headers["Content-Disposition"] == "attachment"


@pytest.mark.parametrize(
    "name",
    ["a%0d%0aSet-Cookie:%20x=1", "%22;%20filename=evil.exe", "a%00b", "%e2%80%aetxt.exe", "..%2f..%2fetc%2fpasswd"],
)
async def test_a_file_name_that_injects(serve: Serve, name: str) -> None:
    async with serve() as served:
        head = f"POST {UPLOAD}?filename={name} HTTP/1.1\nHost: x\nAuthorization: Bearer a\nConnection: close\n"
        answer = await served.raw(f"{head}Content-Length: 1\n", b"x")
        item = json.loads(answer.split(b"\r\n\r\n")[1])["content_uri"].removeprefix("mxc://")
        for path in (f"{MEDIA}/download/{item}", f"{MEDIA}/download/{item}/{name}"):
            get = f"GET {path} HTTP/1.1\nHost: x\nAuthorization: Bearer a\nConnection: close\n"
            answer = await served.raw(get)
            assert answer.startswith(b"HTTP/1.1 200 ")
            lines = answer.split(b"\r\n\r\n")[0].lower().split(b"\r\n")
            disposition = [line for line in lines if line.startswith(b"content-disposition: ")]
            assert len(disposition) == 1
            assert disposition[0].count(b'"') == 2
            assert b"/" not in disposition[0]
            assert not [line for line in lines if line.startswith(b"set-cookie")]


async def test_old_clients_when_allowed(serve: Serve) -> None:
    async with serve(legacy_access=True) as served:
        item = await served.upload(picture(100, 100), filename="p.png")
        for path in (f"download/{item}", f"download/{item}/x.png", f"thumbnail/{item}?width=32&height=32"):
            for prefix in ("v3", "r0"):
                async with served.http.get(f"/_matrix/media/{prefix}/{path}") as answer:
                    assert answer.status == 200
                    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")


# --- pictures ---


def _png(width: int, height: int, *more: tuple[bytes, bytes], data: bytes = b"") -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), *more, (b"IDAT", data), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _deflated(size: int) -> bytes:
    """This many zero bytes, about a thousandth of it: the same piece again and again, and the sum that zeros have."""
    squeeze = zlib.compressobj(9, wbits=-15)
    piece = squeeze.compress(bytes(MIB)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return b"\x78\xda" + piece * (size // MIB) + squeeze.flush() + struct.pack(">HH", size % 65_521, 1)


def _webp(width: int, height: int) -> bytes:
    small = picture(64, 64, "WEBP", lossless=True)
    bits = struct.unpack_from("<I", small, 21)[0]
    packed = struct.pack("<I", (bits & ~0xFFFFFFF) | (width - 1) | ((height - 1) << 14))
    return small[:21] + packed + small[25:]


def _gif(frames: int, side: int) -> bytes:
    """Each frame of 1x1 costs 23 bytes in the file and a whole screen of side x side in memory."""
    head = b"GIF89a" + struct.pack("<HHBBB", side, side, 0xF0, 0, 0) + bytes(3) + b"\xff" * 3
    one = b"\x21\xf9\x04\x04\x05\x00\x00\x00," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + one * frames + b";"


BOMBS = {
    "png of 4 terapixels": (_png(2_000_000, 2_000_000), 413),
    "png just too large": (_png(10_000, 5_001), 413),
    "png without data": (_png(2_000, 2_000), 400),
    "png that inflates far beyond its size": (_png(600, 600, data=_deflated(400 * MIB)), 200),
    "png with a text that inflates": (_png(600, 600, (b"zTXt", b"a\x00\x00" + _deflated(600 * MIB))), 400),
    "png with a profile that inflates": (_png(600, 600, (b"iCCP", b"a\x00\x00" + _deflated(600 * MIB))), 400),
    "webp of 268 megapixels": (_webp(16_383, 16_383), 400),
    "jpeg of 4 gigapixels": (
        b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01",
        413,
    ),
    "jpeg of nothing": (b"\xff\xd8\xff\xe0" + bytes(64), 400),
    "gif of nothing": (b"GIF89a" + bytes(64), 400),
    "a text file with a picture's first bytes": (b"\x89PNG\r\n\x1a\n" + b"hello" * 100, 400),
}


@pytest.mark.parametrize("name", BOMBS)
async def test_bombs(serve: Serve, name: str) -> None:
    data, expected = BOMBS[name]
    async with serve() as served:
        began = time.monotonic()
        status, _, body = await served.thumbnail_of(data)
        took = time.monotonic() - began
        assert status == expected, body
        assert status == 200 or json.loads(body)["errcode"] == {400: "M_UNKNOWN", 413: "M_TOO_LARGE"}[status]
        assert took < limits.THUMBNAIL_SECONDS_MAX
        assert (await served.thumbnail_of(picture(200, 200)))[0] == 200


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
async def test_a_picture_that_ends_too_early(serve: Serve, form: str) -> None:
    data = picture(400, 400, form)
    async with serve() as served:
        for end in (20, len(data) // 2):
            refusal(await served.thumbnail_of(data[:end]), 400, "M_UNKNOWN")


async def test_random_damage(serve: Serve) -> None:
    """Whatever is broken in a picture: an answer in the protocol's form, and a server that goes on."""
    async with serve() as served:
        for form in ("JPEG", "PNG", "GIF", "WEBP"):
            whole = picture(150, 150, form)
            for _ in range(8):
                data = bytearray(whole)
                for _ in range(6):
                    data[secrets.randbelow(len(data) - 30) + 20] = secrets.randbelow(256)
                status, _, body = await served.thumbnail_of(bytes(data), animated="true")
                assert status == 200 or json.loads(body)["errcode"] in ("M_UNKNOWN", "M_TOO_LARGE"), body


@pytest.mark.parametrize(
    ("frames", "side", "moves"),
    [
        (limits.ANIMATION_FRAMES_MAX, 100, True),
        (limits.ANIMATION_FRAMES_MAX + 1, 100, False),
        (limits.ANIMATION_PIXELS_MAX // 10**6, 1000, True),
        (limits.ANIMATION_PIXELS_MAX // 10**6 + 1, 1000, False),
        (40_000, 1000, False),
    ],
)
async def test_long_films(serve: Serve, frames: int, side: int, moves: bool) -> None:
    async with serve() as served:
        item = await served.upload(_gif(frames, side), "image/gif")
        status, headers, _ = await served.thumbnail(item, animated="true")
        assert (status, headers["Content-Type"]) == (200, "image/webp" if moves else "image/jpeg")
        assert (await served.thumbnail(item))[1]["Content-Type"] == "image/jpeg"


async def test_a_picture_that_takes_too_long(serve: Serve, tmp_path: Path) -> None:
    """The worker is killed; the picture is remembered, so the next who asks does not start another."""
    started = tmp_path / "started"
    command = ("/bin/sh", "-c", f"echo >> {started}; exec sleep 60")
    async with serve(workers=Workers(count=1, clocks=Clocks(job_seconds=0.3), command=command)) as served:
        item = await served.upload(picture(3000, 2000, "JPEG"))
        for _ in range(3):
            refusal(await served.thumbnail(item), 413, "M_TOO_LARGE")
        assert started.read_text() == "\n"
        assert served.workers.pids == []
        assert (await served.ask("GET", f"{MEDIA}/download/{item}"))[0] == 200
        served.ahead_ms = round(limits.THUMBNAIL_REFUSED_SECONDS * 1000) + 1
        refusal(await served.thumbnail(item), 413, "M_TOO_LARGE")
        assert started.read_text() == "\n\n"


async def test_a_worker_that_dies(serve: Serve) -> None:
    async with serve() as served:
        assert (await served.thumbnail_of(picture(200, 200)))[0] == 200
        [pid] = served.workers.pids
        os.kill(pid, signal.SIGSTOP)  # so that it holds the next picture when it is killed
        waiting = asyncio.create_task(served.thumbnail_of(picture(300, 300)))
        await asyncio.sleep(0.5)
        os.kill(pid, signal.SIGKILL)
        refusal(await waiting, 413, "M_TOO_LARGE")
        assert (await served.thumbnail_of(picture(200, 200)))[0] == 200
        assert served.workers.pids != [pid]


async def test_a_worker_that_died_between_two_pictures(serve: Serve) -> None:
    async with serve() as served:
        assert (await served.thumbnail_of(picture(200, 200)))[0] == 200
        [pid] = served.workers.pids
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.3)
        assert (await served.thumbnail_of(picture(300, 300)))[0] == 200


async def test_no_worker_can_be_started(serve: Serve) -> None:
    async with serve(workers=Workers(command=("/nonexistent/python",))) as served:
        reply = await served.thumbnail_of(picture(200, 200))
        refusal(reply, 503, "M_UNKNOWN")
        assert int(reply[1]["Retry-After"]) > 0


async def test_a_worker_that_talks_nonsense(serve: Serve) -> None:
    for code in ("print('x' * 9)", "import sys; sys.stdout.write('\\0\\0\\0\\2hi')", "raise SystemExit(1)"):
        async with serve(workers=Workers(command=(sys.executable, "-c", code))) as served:
            refusal(await served.thumbnail_of(picture(200, 200)), 413, "M_TOO_LARGE")


async def test_more_pictures_than_the_queue_holds(serve: Serve) -> None:
    async with serve(workers=Workers(count=1, queue_max=2)) as served:
        items = [await served.upload(picture(1500 + number, 1500, "JPEG")) for number in range(8)]
        replies = await asyncio.gather(*(served.thumbnail(item) for item in items))
        statuses = sorted(status for status, _, _ in replies)
        assert statuses == [200] * 3 + [429] * 5
        refused = next(reply for reply in replies if reply[0] == 429)
        assert refusal(refused, 429, "M_LIMIT_EXCEEDED")["retry_after_ms"] > 0
        assert int(refused[1]["Retry-After"]) > 0
        assert (await served.thumbnail(items[-1]))[0] == 200


async def test_an_unused_worker_ends(serve: Serve) -> None:
    async with serve(workers=Workers(count=2, clocks=Clocks(idle_seconds=0.2))) as served:
        assert served.workers.pids == []  # nothing is started before it is needed
        assert (await served.thumbnail_of(picture(200, 200)))[0] == 200
        await _eventually(lambda: served.workers.pids == [])
        assert (await served.thumbnail_of(picture(210, 200)))[0] == 200


async def test_a_worker_knows_no_secrets_and_keeps_to_its_limits(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BONGSU_DSN", "postgresql://secret")
    async with serve() as served:
        await served.thumbnail_of(picture(200, 200))
        [pid] = served.workers.pids
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()
        bounds = {
            line[:20].strip(): line[20:].split()[:2] for line in Path(f"/proc/{pid}/limits").read_text().split("\n")
        }
        assert bounds["Max address space"] == [str(limits.THUMBNAIL_MEMORY_BYTES_MAX)] * 2
        assert bounds["Max file size"] == ["0", "0"]
        assert int(bounds["Max cpu time"][0]) <= limits.THUMBNAIL_CPU_SECONDS_MAX + 2


async def test_put_refuses_what_is_too_large_without_a_length(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)

    blobs = BlobFolder(tmp_path, free_bytes_min=0)
    await blobs.open()
    with pytest.raises(Refusal) as refused:
        await blobs.put(endless(), 5 * MIB)
    assert refused.value.errcode == "M_TOO_LARGE"
    assert list((tmp_path / "tmp").iterdir()) == []
    blobs.close()


async def test_a_file_whose_last_piece_never_comes(serve: Serve) -> None:
    async with serve() as served:
        item = json.loads((await served.create())[2])["content_uri"].removeprefix("mxc://")
        data = secrets.token_bytes(limits.UPLOAD_PIECE_BYTES_MIN)
        status, _, _ = await served.ask("PUT", f"/_bongsu/v1/uploads/{item}/0?size={len(data) + 1}", data=data)
        assert status == 200
        folder = served.folder / "pieces" / f"{item.split('/')[1]}.0"
        assert [path.stat().st_size for path in folder.iterdir()] == [len(data)]
        sweep, *_ = served.media.sweeps()
        long_ago = time.time() - limits.UPLOAD_PIECES_SECONDS - 1
        os.utime(folder, (long_ago, long_ago))
        cut = served.folder / "tmp" / "cut"  # by a crash just before the start, and too young for it then
        cut.write_bytes(data)
        os.utime(cut, (long_ago, long_ago))
        sweeping = asyncio.create_task(sweep())
        await _eventually(lambda: not folder.exists() and not cut.exists())
        sweeping.cancel()
        status, _, body = await served.ask("GET", f"/_bongsu/v1/uploads/{item}")
        assert (status, json.loads(body)["held"]) == (200, 0)


async def test_no_room_for_a_piece(serve: Serve) -> None:
    async with serve(free_bytes_min=2**62) as served:
        item = json.loads((await served.create())[2])["content_uri"].removeprefix("mxc://")
        refusal(await served.ask("PUT", f"/_bongsu/v1/uploads/{item}/0?size=3", data=b"abc"), 507, "M_UNKNOWN")
        assert served.blobs() == []
