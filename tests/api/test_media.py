"""Photos and files through HTTP: what goes up comes down, whole, in parts and made small."""

import asyncio
import hashlib
import io
import json
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import aiohttp
import psutil  # type: ignore[import-untyped]
import pytest
from PIL import Image
from tests.server import SERVER_NAME
from yarl import URL

MEDIA = "/_matrix/client/v1/media"
MIB = 1024 * 1024


class Answer(NamedTuple):
    """What came back, complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Person:
    """Somebody with an access token, and the media endpoints as short calls."""

    def __init__(self, http: aiohttp.ClientSession, token: str) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, **query: Any) -> Answer:
        return await self.ask("GET", path, params=query)

    async def ask(self, method: str, path: str | URL, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        async with self.http.request(method, path, headers={**self.headers, **(headers or {})}, **more) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def upload(self, data: Any, kind: str | None = "application/octet-stream", **query: str) -> str:
        """ "server/media id" of a new file."""
        headers = {} if kind is None else {"Content-Type": kind}
        skip = ["Content-Type"] if kind is None else None
        answer = await self.ask(
            "POST", "/_matrix/media/v3/upload", headers, data=data, params=query, skip_auto_headers=skip
        )
        assert answer.status == 200, answer.body
        uri: str = answer.json()["content_uri"]
        assert uri.startswith("mxc://")
        return uri.removeprefix("mxc://")

    async def create(self) -> tuple[str, int]:
        answer = await self.ask("POST", "/_matrix/media/v1/create", json={})
        assert answer.status == 200
        body = answer.json()
        return body["content_uri"].removeprefix("mxc://"), body["unused_expires_at"]

    async def fill(self, item: str, data: bytes, kind: str = "text/plain") -> Answer:
        return await self.ask("PUT", f"/_matrix/media/v3/upload/{item}", {"Content-Type": kind}, data=data)

    async def download(self, item: str, headers: dict[str, str] | None = None) -> Answer:
        return await self.ask("GET", f"{MEDIA}/download/{item}", headers)

    async def thumbnail(self, item: str, width: int, height: int, **query: str) -> Answer:
        return await self.get(f"{MEDIA}/thumbnail/{item}", width=str(width), height=str(height), **query)


@pytest.fixture
async def http(base_url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url, timeout=aiohttp.ClientTimeout(60)) as session:
        yield session


@pytest.fixture
async def person(http: aiohttp.ClientSession) -> Person:
    return await _sign_up(http)


async def _sign_up(http: aiohttp.ClientSession) -> Person:
    body = {
        "username": f"p{uuid.uuid4().hex[:12]}",
        "password": "smoke by day, fire by night",
        "auth": {"type": "m.login.dummy"},
    }
    answer = await Person(http, "").ask("POST", "/_matrix/client/v3/register", {"Authorization": ""}, json=body)
    assert answer.status == 200, answer.body
    return Person(http, answer.json()["access_token"])


def refusal(answer: Answer, status: int, errcode: str) -> str:
    """Checks a refusal in the protocol's form; its sentence."""
    assert answer.status == status, answer.body
    body = answer.json()
    assert body["errcode"] == errcode
    assert body["error"]
    return str(body["error"])


def picture(
    width: int, height: int, mode: str = "RGB", form: str = "PNG", color: Any = (200, 30, 30), **save: Any
) -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), color).save(out, form, **save)
    return out.getvalue()


def shown(answer: Answer) -> Image.Image:
    assert answer.status == 200, answer.body
    image = Image.open(io.BytesIO(answer.body))
    assert answer.headers["Content-Type"] == f"image/{(image.format or '').lower()}"
    assert answer.headers["Content-Disposition"].startswith('inline; filename="thumbnail.')
    return image


# --- files ---


@pytest.mark.parametrize("prefix", ["v3", "r0"])
async def test_what_goes_up_comes_down(person: Person, prefix: str) -> None:
    data = secrets.token_bytes(700_000)
    answer = await person.ask("POST", f"/_matrix/media/{prefix}/upload", {"Content-Type": "image/png"}, data=data)
    item = answer.json()["content_uri"].removeprefix("mxc://")
    server_name, media_id = item.split("/")
    assert server_name == SERVER_NAME
    assert len(media_id) >= 24
    got = await person.download(item)
    assert got.status == 200
    assert got.body == data
    assert got.headers["Content-Type"] == "image/png"
    assert got.headers["Content-Length"] == "700000"
    assert got.headers["Content-Disposition"] == "inline"
    assert got.headers["ETag"] == f'"{hashlib.sha256(data).hexdigest()}"'
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none';")
    assert got.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert got.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert got.headers["Access-Control-Allow-Origin"] == "*"


async def test_many_uploads_at_once_where_rate_limits_are_off(person: Person) -> None:
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"half"
        await go_on.wait()
        yield b" and half"

    sending = [asyncio.create_task(person.upload(slow())) for _ in range(20)]
    await asyncio.sleep(0.2)
    go_on.set()
    assert len(set(await asyncio.gather(*sending))) == 20


async def test_an_upload_without_a_type_is_bytes(person: Person) -> None:
    got = await person.download(await person.upload(b"\x00\x01", kind=None))
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Disposition"] == "attachment"


async def test_an_empty_file(person: Person) -> None:
    got = await person.download(await person.upload(b""))
    assert (got.status, got.body, got.headers["Content-Length"]) == (200, b"", "0")


async def test_an_upload_of_unknown_length(person: Person) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(50):
            yield bytes([number]) * 10_000

    got = await person.download(await person.upload(pieces()))
    assert got.body == b"".join([bytes([number]) * 10_000 for number in range(50)])


async def test_the_same_bytes_are_two_files_and_one_blob(person: Person) -> None:
    data = secrets.token_bytes(1000)
    one, two = await person.upload(data, filename="a.bin"), await person.upload(data, "text/plain", filename="b.txt")
    assert one != two
    first, second = await person.download(one), await person.download(two)
    assert first.headers["ETag"] == second.headers["ETag"]
    assert first.headers["Content-Disposition"] == 'attachment; filename="a.bin"'
    assert second.headers["Content-Disposition"] == 'inline; filename="b.txt"'


async def test_file_names(person: Person) -> None:
    item = await person.upload(b"x", "image/png", filename="봉수 대.png")
    encoded = quote("봉수 대.png", safe="")
    got = await person.download(item)
    assert got.headers["Content-Disposition"] == f"inline; filename=\"__ _.png\"; filename*=utf-8''{encoded}"
    got = await person.download(f"{item}/other.png")
    assert got.headers["Content-Disposition"] == 'inline; filename="other.png"'
    got = await person.download(f"{item}/{quote('불.png')}")
    assert got.headers["Content-Disposition"].endswith("filename*=utf-8''%EB%B6%88.png")


async def test_config(person: Person) -> None:
    for path in (f"{MEDIA}/config", "/_matrix/media/v3/config"):
        answer = await person.get(path)
        assert answer.json()["m.upload.size"] >= MIB


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_matrix/media/v3/upload"),
        ("POST", "/_matrix/media/v1/create"),
        ("PUT", f"/_matrix/media/v3/upload/{SERVER_NAME}/abc"),
        ("GET", f"{MEDIA}/config"),
        ("GET", "/_matrix/media/v3/config"),
        ("GET", f"{MEDIA}/download/{SERVER_NAME}/abc"),
        ("GET", f"{MEDIA}/download/{SERVER_NAME}/abc/name"),
        ("GET", f"{MEDIA}/thumbnail/{SERVER_NAME}/abc?width=1&height=1"),
    ],
)
async def test_nothing_without_a_token(http: aiohttp.ClientSession, method: str, path: str) -> None:
    async with http.request(method, path) as answer:
        got = Answer(answer.status, answer.headers, await answer.read())
    refusal(got, 401, "M_MISSING_TOKEN")


@pytest.mark.parametrize("prefix", ["v3", "r0"])
async def test_access_without_a_token_is_frozen(person: Person, prefix: str) -> None:
    item = await person.upload(picture(10, 10), "image/png")
    for path in (f"download/{item}", f"download/{item}/name.png", f"thumbnail/{item}?width=32&height=32"):
        for headers in ({}, person.headers):
            async with person.http.get(f"/_matrix/media/{prefix}/{path}", headers=headers) as answer:
                got = Answer(answer.status, answer.headers, await answer.read())
            refusal(got, 404, "M_NOT_FOUND")


@pytest.mark.parametrize(
    "item",
    [
        "elsewhere.example/{id}",
        "test.example:8448/{id}",
        f"{SERVER_NAME}/nobodyMadeThisId",
        f"{SERVER_NAME}/..%2F..%2Fetc%2Fpasswd",
        f"{SERVER_NAME}/%2E%2E",
        f"{SERVER_NAME}/{{id}}%00",
        f"{SERVER_NAME}/{{id}}.png",
        f"{SERVER_NAME}/{'a' * 256}",
    ],
)
async def test_no_such_file(person: Person, base_url: str, item: str) -> None:
    real = (await person.upload(b"x")).split("/")[1]
    url = URL(f"{base_url}{MEDIA}/download/{item.format(id=real)}", encoded=True)
    refusal(await person.ask("GET", url), 404, "M_NOT_FOUND")


# --- parts of files, and files that the client has ---


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=999990-", 999_990, 1_000_000),
        ("bytes=999990-5000000", 999_990, 1_000_000),
        ("bytes=-5", 999_995, 1_000_000),
        ("bytes=-5000000", 0, 1_000_000),
        ("bytes=262143-262145", 262_143, 262_146),
    ],
)
async def test_a_range(person: Person, asked: str, start: int, end: int) -> None:
    data = secrets.token_bytes(1_000_000)
    got = await person.download(await person.upload(data), {"Range": asked})
    assert got.status == 206
    assert got.body == data[start:end]
    assert got.headers["Content-Range"] == f"bytes {start}-{end - 1}/1000000"
    assert got.headers["Content-Length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-20", "bytes=-0", f"bytes={'9' * 18}-"])
async def test_a_range_outside_the_file(person: Person, asked: str) -> None:
    got = await person.download(await person.upload(b"0123456789"), {"Range": asked})
    refusal(got, 416, "M_UNKNOWN")
    assert got.headers["Content-Range"] == "bytes */10"


@pytest.mark.parametrize(
    "asked", ["bytes=5-2", "bytes=-", "bytes=0-1,3-4", "pages=1-2", "bytes=a-b", "bytes", f"bytes={'9' * 10_000}-"]
)
async def test_what_is_no_single_range_gets_the_whole(person: Person, asked: str) -> None:
    got = await person.download(await person.upload(b"0123456789"), {"Range": asked})
    assert (got.status, got.body) == (200, b"0123456789")


async def test_a_client_that_has_the_file(person: Person) -> None:
    item = await person.upload(b"0123456789", "text/plain")
    tag = (await person.download(item)).headers["ETag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        got = await person.download(item, {"If-None-Match": known})
        assert (got.status, got.body, got.headers["ETag"]) == (304, b"", tag)
    assert (await person.download(item, {"If-None-Match": '"other"'})).status == 200


async def test_head(person: Person) -> None:
    item = await person.upload(b"0123456789", "text/plain", filename="ten.txt")
    got = await person.ask("HEAD", f"{MEDIA}/download/{item}")
    assert (got.status, got.body) == (200, b"")
    assert got.headers["Content-Length"] == "10"
    assert got.headers["Content-Disposition"] == 'inline; filename="ten.txt"'
    assert (await person.download(item)).status == 200  # the connection is in order


# --- ids first, files later ---


async def test_an_id_first_and_its_file_later(person: Person) -> None:
    item, expires_ms = await person.create()
    assert 23 * 3_600_000 < expires_ms - time.time() * 1000 < 25 * 3_600_000
    refusal(await person.get(f"{MEDIA}/download/{item}", timeout_ms="0"), 504, "M_NOT_YET_UPLOADED")
    refusal(
        await person.get(f"{MEDIA}/thumbnail/{item}", timeout_ms="50", width="9", height="9"), 504, "M_NOT_YET_UPLOADED"
    )
    answer = await person.fill(item, b"here it is")
    assert (answer.status, answer.json()) == (200, {})
    got = await person.download(item)
    assert (got.body, got.headers["Content-Type"]) == (b"here it is", "text/plain")
    refusal(await person.fill(item, b"here it is"), 409, "M_CANNOT_OVERWRITE_MEDIA")
    assert (await person.download(item)).body == b"here it is"


async def test_a_download_waits_for_its_upload(person: Person) -> None:
    item, _ = await person.create()
    began = time.monotonic()
    waiting = asyncio.create_task(person.get(f"{MEDIA}/download/{item}", timeout_ms="15000"))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await person.fill(item, b"at last")
    got = await waiting
    assert (got.status, got.body) == (200, b"at last")
    assert time.monotonic() - began < 5


async def test_ids_of_others_and_of_nobody(http: aiohttp.ClientSession, person: Person) -> None:
    item, _ = await person.create()
    other = await _sign_up(http)
    refusal(await other.fill(item, b"mine"), 403, "M_FORBIDDEN")
    refusal(await person.fill(f"{SERVER_NAME}/nobodyMadeThisId", b"x"), 404, "M_NOT_FOUND")
    refusal(await person.fill(f"elsewhere.example/{item.split('/')[1]}", b"x"), 404, "M_NOT_FOUND")
    done = await person.upload(b"x")
    refusal(await person.fill(done, b"y"), 409, "M_CANNOT_OVERWRITE_MEDIA")


async def test_two_uploads_for_one_id(person: Person) -> None:
    item, _ = await person.create()
    answers = await asyncio.gather(*(person.fill(item, bytes([number]) * 300_000) for number in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    winner = next(number for number, answer in enumerate(answers) if answer.status == 200)
    assert (await person.download(item)).body == bytes([winner]) * 300_000


# --- thumbnails ---


@pytest.mark.parametrize(
    ("asked", "method", "size"),
    [
        ((20, 20), "crop", (32, 32)),
        ((64, 64), "crop", (96, 96)),
        ((97, 10), "crop", (320, 320)),
        ((9999, 9999), "crop", (640, 640)),
        ((20, 20), "scale", (320, 160)),
        ((640, 480), "scale", (640, 320)),
        ((700, 500), "scale", (800, 400)),
        ((10**9, 1), "scale", (800, 400)),
        ((64, 64), None, (320, 160)),
    ],
)
async def test_sizes(person: Person, asked: tuple[int, int], method: str | None, size: tuple[int, int]) -> None:
    item = await person.upload(picture(2000, 1000), "image/png")
    query = {} if method is None else {"method": method}
    image = shown(await person.thumbnail(item, asked[0], asked[1], **query))
    assert image.size == size
    assert image.format == "JPEG"


async def test_a_thumbnail_is_made_once(person: Person) -> None:
    item = await person.upload(picture(1000, 1000, color=secrets.randbits(24)), "image/png")
    answers = await asyncio.gather(*(person.thumbnail(item, 96, 96, method="crop") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.headers["ETag"] for answer in answers}) == 1
    again = await person.ask(
        "GET",
        f"{MEDIA}/thumbnail/{item}?width=96&height=96&method=crop",
        {"If-None-Match": answers[0].headers["ETag"]},
    )
    assert again.status == 304


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF"])
async def test_what_is_transparent_stays_so(person: Person, form: str) -> None:
    item = await person.upload(picture(500, 500, "RGBA", form, color=(0, 0, 0, 0)), "image/png")
    image = shown(await person.thumbnail(item, 32, 32, method="crop"))
    assert (image.format, image.size) == ("PNG", (32, 32))
    assert image.convert("RGBA").getchannel("A").getextrema() == (0, 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16", "CMYK"])
async def test_rarer_kinds_of_pixels(person: Person, mode: str) -> None:
    color: Any = {"CMYK": (0, 255, 255, 0), "LA": (200, 255), "I;16": 200 * 256}.get(mode, 1 if mode == "1" else 200)
    form = "JPEG" if mode == "CMYK" else "PNG"
    item = await person.upload(picture(500, 400, mode, form, color=color), "image/png")
    image = shown(await person.thumbnail(item, 320, 240, method="scale"))
    assert image.size == (300, 240)
    if mode in ("L", "LA", "I;16"):
        assert image.convert("L").getpixel((100, 100)) == pytest.approx(200, abs=3)
    if mode == "CMYK":
        assert image.convert("RGB").getpixel((100, 100)) == pytest.approx((255, 0, 0), abs=12)


async def test_a_photo_stands_upright_and_says_nothing(person: Person) -> None:
    photo = Image.new("RGB", (800, 400), (0, 0, 255))
    photo.paste((255, 0, 0), (0, 0, 400, 400))  # the left half is red
    exif = photo.getexif()
    exif[0x0112] = 6  # turned: the left of the file is the top of the picture
    exif[0x010F] = "Maker of cameras"
    exif.get_ifd(0x8825)[2] = (37.0, 33.0, 0.0)
    out = io.BytesIO()
    photo.save(out, "JPEG", exif=exif, comment=b"taken at home")
    item = await person.upload(out.getvalue(), "image/jpeg")
    answer = await person.thumbnail(item, 320, 240, method="scale")
    image = shown(answer)
    assert image.size == (120, 240)
    assert image.convert("RGB").getpixel((60, 20)) == pytest.approx((255, 0, 0), abs=10)
    assert image.convert("RGB").getpixel((60, 220)) == pytest.approx((0, 0, 255), abs=10)
    assert not image.getexif()
    assert b"camera" not in answer.body
    assert b"home" not in answer.body


async def test_a_small_picture_is_its_own_thumbnail(person: Person) -> None:
    data = picture(40, 30)
    item = await person.upload(data, "image/png")
    for size in ((96, 96), (32, 32)):
        answer = await person.thumbnail(item, *size, method="scale")
        assert answer.body == data
    assert (shown(await person.thumbnail(item, 32, 32, method="crop"))).size == (30, 30)


async def test_a_crop_takes_the_middle(person: Person) -> None:
    wide = Image.new("RGB", (900, 300), (0, 255, 0))
    wide.paste((255, 0, 0), (300, 0, 600, 300))
    out = io.BytesIO()
    wide.save(out, "PNG")
    image = shown(await person.thumbnail(await person.upload(out.getvalue()), 96, 96, method="crop"))
    assert image.size == (96, 96)
    for x in (8, 48, 88):
        assert image.convert("RGB").getpixel((x, 48)) == pytest.approx((255, 0, 0), abs=12)


def film(frames: int, form: str, side: int = 400) -> bytes:
    images = [Image.new("RGB", (side, side), (number * 20 % 256, 40, 40)) for number in range(frames)]
    out = io.BytesIO()
    images[0].save(out, form, save_all=True, append_images=images[1:], duration=80, loop=0)
    return out.getvalue()


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
async def test_moving_pictures(person: Person, form: str) -> None:
    item = await person.upload(film(6, form), "image/gif")
    moving = shown(await person.thumbnail(item, 96, 96, method="crop", animated="true"))
    assert (moving.format, moving.size, getattr(moving, "n_frames", 1)) == ("WEBP", (96, 96), 6)
    for query in ({}, {"animated": "false"}):
        still = shown(await person.thumbnail(item, 96, 96, method="crop", **query))
        assert getattr(still, "n_frames", 1) == 1


async def test_a_small_moving_picture_stands_still_unless_asked(person: Person) -> None:
    data = film(5, "GIF", side=30)
    item = await person.upload(data, "image/gif")
    assert (await person.thumbnail(item, 32, 32, animated="true")).body == data
    assert getattr(shown(await person.thumbnail(item, 32, 32)), "n_frames", 1) == 1


async def test_animated_of_what_does_not_move(person: Person) -> None:
    item = await person.upload(picture(300, 300, form="JPEG"), "image/jpeg")
    assert (shown(await person.thumbnail(item, 96, 96, method="crop", animated="true"))).format == "JPEG"


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"%PDF-1.7", b"<svg xmlns='http://www.w3.org/2000/svg'/>", picture(50, 50, form="BMP")]
)
async def test_no_thumbnail_of_what_is_no_picture(person: Person, data: bytes) -> None:
    item = await person.upload(data, "image/png")
    refusal(await person.thumbnail(item, 32, 32), 400, "M_UNKNOWN")


@pytest.mark.parametrize(
    ("query", "errcode"),
    [
        ({"width": "32"}, "M_MISSING_PARAM"),
        ({"height": "32"}, "M_MISSING_PARAM"),
        ({"width": "0", "height": "32"}, "M_INVALID_PARAM"),
        ({"width": "-5", "height": "32"}, "M_INVALID_PARAM"),
        ({"width": "3.5", "height": "32"}, "M_INVALID_PARAM"),
        ({"width": "9" * 10_000, "height": "32"}, "M_INVALID_PARAM"),
        ({"width": "32", "height": "32", "method": "stretch"}, "M_INVALID_PARAM"),
        ({"width": "32", "height": "32", "animated": "maybe"}, "M_INVALID_PARAM"),
        ({"width": "32", "height": "32", "timeout_ms": "soon"}, "M_INVALID_PARAM"),
    ],
)
async def test_thumbnail_questions_that_make_no_sense(person: Person, query: dict[str, str], errcode: str) -> None:
    item = await person.upload(picture(40, 40), "image/png")
    answer = await person.get(f"{MEDIA}/thumbnail/{item}", **query)
    refusal(answer, 400, errcode)


# --- what it costs ---


async def test_a_large_file_costs_little_memory_and_blocks_nobody(person: Person, base_url: str) -> None:
    await person.download(await person.upload(secrets.token_bytes(MIB)))  # all code is loaded
    size = (await person.get(f"{MEDIA}/config")).json()["m.upload.size"]
    process = _process(base_url)
    pieces = min(100, size // MIB)
    before = process.memory_info().rss
    peak, slowest, done = before, 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal peak, slowest
        while not done.is_set():
            began = time.monotonic()
            assert (await person.get(f"{MEDIA}/config")).status == 200
            slowest = max(slowest, time.monotonic() - began)
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    block = secrets.token_bytes(MIB)
    item = await person.upload(_repeated(block, pieces))
    got = hashlib.sha256()
    async with person.http.get(f"{MEDIA}/download/{item}", headers=person.headers) as answer:
        async for piece in answer.content.iter_chunked(MIB):
            got.update(piece)
    done.set()
    await watching
    print(json.dumps({"MiB": pieces, "grown_MiB": round((peak - before) / MIB, 1), "slowest_s": round(slowest, 3)}))
    assert got.digest() == hashlib.sha256(block * pieces).digest()
    assert peak - before < 32 * MIB
    assert slowest < 1.0


async def _repeated(block: bytes, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield block


def _process(base_url: str) -> psutil.Process:
    port = urlsplit(base_url).port
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return psutil.Process(connection.pid)
    pytest.skip("the server runs elsewhere, so its memory cannot be seen")
