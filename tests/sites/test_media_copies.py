"""Photos in three sites: acknowledged when two have them, found from any, nothing served that is not what it was."""

import asyncio
import hashlib
import io
import os
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from aiohttp import web
from PIL import Image

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.http.peers import Peer, Peers
from bongsu.media.blobs import BlobFolder, BlobLost
from bongsu.media.copies import Copies
from bongsu.store.blob_copies import CopyStore
from bongsu.store.database import Database
from tests.server import free_port
from tests.sites.three import BLOBS, SECRET, UPLOAD, Answer, Site, Three, soon, soon_known, three

pytestmark = pytest.mark.xdist_group("sites")
MIB = 1024 * 1024


@pytest.fixture(scope="module")
async def sites() -> AsyncIterator[Three]:
    """Shared; each test leaves all three running."""
    async with three() as made:
        yield made


def _photo() -> bytes:
    out = io.BytesIO()
    noise = Image.frombytes("RGB", (64, 64), secrets.token_bytes(64 * 64 * 3))
    noise.resize((1200, 900)).save(out, "PNG")
    return out.getvalue()


def _is_refused(answer: Answer, status: int, errcode: str = "M_UNKNOWN") -> bool:
    return answer.status == status and f'"errcode":"{errcode}"'.encode() in answer.body


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _damage(file: Path) -> None:
    """Other bytes, the same length."""
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        opened.write(b"these are not the bytes that were here"[: file.stat().st_size // 3])


async def _restart(site: Site) -> None:
    await asyncio.to_thread(site.server.restart)


# --- an acknowledgement ---


@pytest.mark.parametrize("size", [0, 1, 300_000, 5 * MIB])
async def test_an_acknowledged_file_is_in_two_sites_and_then_in_three(sites: Three, size: int) -> None:
    data = secrets.token_bytes(size)
    item = await sites.upload("seoul", data)
    holders = [site.name for site in sites.sites.values() if site.holds(data)]
    assert "seoul" in holders
    assert len(holders) >= 2
    assert len(await sites.held(data)) >= 2
    await sites.everywhere(data)
    for name in sites.sites:
        assert (await sites.download(name, item)).body == data


async def test_an_id_that_waits_is_filled_in_two_sites(sites: Three) -> None:
    data = secrets.token_bytes(1000)
    made = await sites["busan"].ask("POST", "/_matrix/media/v1/create", sites.token, json={})
    item = made.body.decode().split("mxc://")[1].split('"')[0]
    filled = await sites["busan"].ask("PUT", f"/_matrix/media/v3/upload/{item}", sites.token, data=data)
    assert filled.status == 200
    assert sum(site.holds(data) for site in sites.sites.values()) >= 2
    assert (await sites.download("daejeon", item)).body == data


async def test_an_acknowledged_file_survives_the_site_that_took_it(sites: Three) -> None:
    files = [secrets.token_bytes(100_000) for _ in range(5)]
    items = [await sites.upload("seoul", data) for data in files]
    sites["seoul"].server.kill()
    for data, item in zip(files, items, strict=True):
        for name in ("busan", "daejeon"):
            assert (await sites.download(name, item)).body == data
    await _restart(sites["seoul"])


async def test_what_a_site_missed_is_brought_when_it_is_back(sites: Three) -> None:
    sites["busan"].server.kill()
    files = [secrets.token_bytes(50_000) for _ in range(40)]
    for data in files:
        await sites.upload("seoul", data)
        assert sites["daejeon"].holds(data)
    assert not any(map(sites["busan"].holds, files))
    assert await sites.held(files[0]) == {"seoul", "daejeon"}
    await _restart(sites["busan"])
    for data in files:
        await sites.everywhere(data)
    async with asyncio.timeout(10):
        while await sites["busan"].metric("bongsu_media_missing"):
            await asyncio.sleep(0.1)


async def test_two_workers_of_a_site_bring_each_file_once(sites: Three) -> None:
    sites["busan"].server.kill()
    files = [secrets.token_bytes(20_000) for _ in range(60)]
    for data in files:
        await sites.upload("seoul", data)
    await sites.admin.execute("UPDATE blob_copies SET due_at = now() WHERE held_at IS NULL")
    async with sites["busan"].second() as second:
        await asyncio.gather(_restart(sites["busan"]), second.start())
        for data in files:
            await sites.everywhere(data)
        name = 'bongsu_media_copies_total{what="brought"}'
        brought = [await worker.metric(name) for worker in (sites["busan"], second)]
    assert sum(brought) == len(files)


async def test_a_file_in_pieces_is_acknowledged_when_two_sites_have_it(sites: Three) -> None:
    data = secrets.token_bytes(2 * limits.UPLOAD_PIECE_BYTES_MIN)
    half = len(data) // 2
    made = await sites["seoul"].ask("POST", "/_matrix/media/v1/create", sites.token, json={})
    item = made.body.decode().split("mxc://")[1].split('"')[0]

    async def put(start: int, piece: bytes) -> Answer:
        path = f"/_bongsu/v1/uploads/{item}/{start}?size={len(data)}"
        return await sites["seoul"].ask("PUT", path, sites.token, data=piece)

    assert (await put(0, data[:half])).status == 200
    elsewhere = await sites["busan"].ask("GET", f"/_bongsu/v1/uploads/{item}", sites.token)
    assert b'"held":0' in elsewhere.body  # there it would begin anew
    sites["busan"].server.kill()
    sites["daejeon"].server.kill()
    assert _is_refused(await put(half, data[half:]), 503)
    assert not sites["seoul"].holds(data)
    await asyncio.gather(_restart(sites["busan"]), _restart(sites["daejeon"]))
    again = await put(len(data), b"")  # all is here; nothing has to be sent again
    assert (again.status, b'"is_whole":true' in again.body) == (200, True)
    assert sum(site.holds(data) for site in sites.sites.values()) >= 2
    assert (await sites.download("daejeon", item)).body == data


async def test_without_a_second_site_nothing_is_stored(sites: Three) -> None:
    sites["busan"].server.kill()
    sites["daejeon"].server.kill()
    data, rows, files = secrets.token_bytes(70_000), await sites.rows(), len(sites["seoul"].files())
    for _ in range(2):
        refused = await sites.try_upload("seoul", data)
        assert _is_refused(refused, 503)
        assert b"no other site" in refused.body
        assert int(refused.headers["Retry-After"]) > 0
    assert (await sites.rows(), len(sites["seoul"].files())) == (rows, files)
    assert await sites.held(data) == set()
    await _restart(sites["daejeon"])
    await sites.upload("seoul", data)
    assert sites["daejeon"].holds(data)
    await _restart(sites["busan"])
    await sites.everywhere(data)


async def test_a_frozen_site_holds_up_nobody(sites: Three) -> None:
    data = secrets.token_bytes(3 * MIB)
    sites["daejeon"].server.send_signal(signal.SIGSTOP)
    try:
        item = await sites.upload("seoul", data)
        assert sites["busan"].holds(data)
        sites["seoul"].file(data).unlink()
        assert (await sites.download("seoul", item)).body == data
    finally:
        sites["daejeon"].server.send_signal(signal.SIGCONT)
    await sites.everywhere(data)


async def test_one_photo_from_everybody_at_once(sites: Three) -> None:
    data = secrets.token_bytes(2 * MIB)
    items = await asyncio.gather(*(sites.upload(name, data) for name in list(sites.sites) * 5))
    assert len(set(items)) == 15
    await sites.everywhere(data)
    answers = await asyncio.gather(*(sites.download("busan", item) for item in items))
    assert {answer.body for answer in answers} == {data}


async def test_a_client_that_hangs_up_leaves_nothing_anywhere(sites: Three) -> None:
    rows, files = await sites.rows(), {name: len(site.files()) for name, site in sites.sites.items()}
    _, writer = await asyncio.open_connection("127.0.0.1", sites["seoul"].server.port)
    head = (
        f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {sites.token}\r\nContent-Length: 9000000\r\n\r\n"
    )
    writer.write(head.encode() + bytes(600_000))
    await writer.drain()
    await soon(lambda: len(sites["seoul"].files()) > files["seoul"])
    writer.transport.abort()
    await soon(lambda: {name: len(site.files()) for name, site in sites.sites.items()} == files)
    assert await sites.rows() == rows


# --- reading what is not here, or not right ---


def _cut(file: Path) -> None:
    os.truncate(file, 1000)


@pytest.mark.parametrize("harm", [Path.unlink, _damage, _cut], ids=["gone", "rotten", "short"])
async def test_a_file_that_is_not_right_is_read_from_another_site_and_restored(
    sites: Three, harm: Callable[[Path], None]
) -> None:
    data = secrets.token_bytes(MIB + 17)
    item = await sites.upload("seoul", data)
    await sites.everywhere(data)
    for headers, status, expected in (
        ({}, 200, data),
        ({"Range": "bytes=500000-600000"}, 206, data[500_000:600_001]),
        ({"Range": "bytes=-7"}, 206, data[-7:]),
    ):
        harm(sites["busan"].file(data))
        answer = await sites.download("busan", item, headers)
        assert (answer.status, answer.body) == (status, expected)
        assert sites["busan"].holds(data)
    harm(sites["busan"].file(data))
    told = await sites.download("busan", item, method="HEAD")
    assert (told.status, int(told.headers["Content-Length"])) == (200, len(data))
    await sites.everywhere(data)


async def test_many_readers_of_a_missing_file_bring_it_once(sites: Three) -> None:
    data = secrets.token_bytes(4 * MIB)
    item = await sites.upload("seoul", data)
    await sites.everywhere(data)
    name = 'bongsu_media_copies_total{what="brought"}'
    sites["busan"].file(data).unlink()
    await sites.download("busan", item)
    before = await sites["busan"].metric(name)
    sites["busan"].file(data).unlink()
    answers = await asyncio.gather(*(sites.download("busan", item) for _ in range(20)))
    assert {answer.body for answer in answers} == {data}
    assert await sites["busan"].metric(name) == before + 1


async def test_a_file_that_no_site_has_is_said_to_be_unreadable(sites: Three) -> None:
    data = secrets.token_bytes(2000)
    item = await sites.upload("seoul", data)
    await sites.everywhere(data)
    for site in sites.sites.values():
        _damage(site.file(data))
    for name in sites.sites:
        assert _is_refused(await sites.download(name, item), 503)
    sites["daejeon"].file(data).write_bytes(data)
    assert (await sites.download("seoul", item)).body == data


async def test_the_scrub_finds_what_went_bad_and_repairs_it(sites: Three) -> None:
    data = secrets.token_bytes(100_000)
    await sites.upload("seoul", data)
    await sites.everywhere(data)
    await _hurt(sites, data, lambda: _damage(sites["daejeon"].file(data)))
    assert await sites["daejeon"].metric('bongsu_media_checked_total{found="broken"}') >= 1
    await _hurt(sites, data, sites["busan"].file(data).unlink)  # alone: who looks for it elsewhere finds damage, too


async def _hurt(sites: Three, data: bytes, hurt: Callable[[], None]) -> None:
    """And until the scrub, whose turn is now, has mended it."""
    hurt()
    await sites.admin.execute("UPDATE blob_copies SET due_at = now() WHERE sha256 = $1", bytes.fromhex(_name(data)))
    await sites.everywhere(data)


async def test_files_from_before_there_were_sites_come_to_all(sites: Three) -> None:
    data = secrets.token_bytes(100_000)
    item = await sites.upload("seoul", data)
    await sites.everywhere(data)
    sites["busan"].file(data).unlink()
    await sites.admin.execute("DELETE FROM blob_copies")
    for site in sites.sites.values():
        site.server.kill()
        await _restart(site)
    await sites.everywhere(data)
    assert (await sites.download("busan", item)).body == data


# --- thumbnails ---


async def test_a_thumbnail_is_brought_from_where_it_was_made(sites: Three) -> None:
    item = await sites.upload("seoul", _photo())
    made = await sites.thumbnail("seoul", item)
    assert made.status == 200
    assert not any(site.holds(made.body) for site in sites.others("seoul"))
    assert (await sites.thumbnail("busan", item)).body == made.body
    assert sites["busan"].holds(made.body)
    _damage(sites["busan"].file(made.body))
    assert (await sites.thumbnail("busan", item)).body == made.body


async def test_a_thumbnail_that_no_site_has_is_made_anew(sites: Three) -> None:
    data = _photo()
    item = await sites.upload("seoul", data)
    made = await sites.thumbnail("seoul", item)
    sites["seoul"].file(made.body).unlink()
    await sites.everywhere(data)
    sites["daejeon"].file(data).unlink()  # so that its source has to be brought, too
    assert (await sites.thumbnail("daejeon", item)).body == made.body


# --- what sites ask each other ---


async def test_only_sites_may_ask(sites: Three) -> None:
    data = secrets.token_bytes(1000)
    item = await sites.upload("seoul", data)
    for method in ("PUT", "GET", "HEAD"):
        for token in ("", "wrong" * 5, SECRET[:-1], sites.token):
            answer = await sites["seoul"].ask(method, f"{BLOBS}/{_name(data)}", token, data=data)
            assert answer.status == 401
    assert (await sites.download("seoul", item)).body == data


TRICKS = [
    *("..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00" * 64, "0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 63 + "%0a"),
    *("٠" * 64, "%2f" * 64, "0" * 60 + "/../", "tmp", "", "0" * 63 + "."),
]


@pytest.mark.parametrize("trick", TRICKS)
async def test_a_name_is_nothing_but_a_name(sites: Three, trick: str) -> None:
    files = len(sites["seoul"].files())
    for method in ("PUT", "GET", "HEAD"):
        answer = await sites["seoul"].peer(method, trick, data=b"x" if method == "PUT" else None)
        assert answer.status in (400, 404), answer
    assert len(sites["seoul"].files()) == files


async def test_a_blob_is_taken_under_its_own_name_alone(sites: Three) -> None:
    data, files = secrets.token_bytes(300_000), len(sites["seoul"].files())
    assert _is_refused(await sites["seoul"].peer("PUT", _name(b"other"), data=data), 400)
    assert _is_refused(await sites["seoul"].peer("PUT", _name(data), data=bytes(101 * MIB)), 413, "M_TOO_LARGE")
    assert _is_refused(await sites["seoul"].peer("PUT", _name(data), data=_endless()), 411)
    assert len(sites["seoul"].files()) == files
    assert _is_refused(await sites["seoul"].peer("GET", _name(data)), 404, "M_NOT_FOUND")
    taken = await sites["seoul"].peer("PUT", _name(data), data=data)
    assert (taken.status, taken.body) == (200, b'{"site":"seoul"}')
    part = await sites["seoul"].peer("GET", _name(data), {"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, data[10:20])
    assert (await sites["seoul"].peer("HEAD", _name(data))).headers["Content-Length"] == "300000"


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(10):
        yield bytes(1000)


async def test_a_site_does_not_give_what_is_not_right(sites: Three) -> None:
    data = secrets.token_bytes(30_000)
    await sites.upload("seoul", data)
    await sites.everywhere(data)
    _damage(sites["busan"].file(data))
    for headers in ({}, {"Range": "bytes=0-9"}):
        assert (await sites["busan"].peer("GET", _name(data), headers)).status == 404
    await soon(lambda: sites["busan"].holds(data))
    await soon_known(sites, data, set(sites.sites))


# --- sites that are not what they should be ---


@asynccontextmanager
async def _answering(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """The address of something that answers every request."""
    app = web.Application(client_max_size=10 * MIB)
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _liar(data: bytes) -> AsyncIterator[str]:
    """A site that says it has everything, takes everything, and gives other bytes of the same length."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            await request.read()
            return web.json_response({"site": "liar"})
        return web.Response(body=bytes(len(data)))

    async with _answering(answer) as address:
        yield address


async def test_wrong_bytes_are_refused(sites: Three) -> None:
    data = secrets.token_bytes(500_000)
    async with _liar(data) as liar, three(("seoul", "busan"), addresses={"liar": liar}) as two:
        item = await two.upload("seoul", data)
        await soon(lambda: two["busan"].holds(data))
        two["seoul"].file(data).unlink()
        assert (await two.download("seoul", item)).body == data
        assert two["seoul"].holds(data)
        two["busan"].server.kill()
        two["seoul"].file(data).unlink()
        for headers in ({}, {"Range": "bytes=0-9"}):
            assert _is_refused(await two.download("seoul", item, headers), 503)
        assert two["seoul"].files() == []


async def test_an_address_where_something_else_says_yes_is_no_second_site() -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(text="<h1>Welcome</h1>", content_type="text/html")

    async with _answering(page) as elsewhere, three(("seoul",), addresses={"busan": elsewhere}) as lonely:
        assert _is_refused(await lonely.try_upload("seoul", b"one copy"), 503)
        assert lonely["seoul"].files() == []


async def test_a_second_site_that_dies_while_it_takes_a_file() -> None:
    """It has some of the bytes: nothing is acknowledged, and nothing stays."""
    async with three(("seoul", "busan")) as two:
        uploading = asyncio.create_task(two.try_upload("seoul", bytes(90 * MIB)))
        await soon(lambda: any(file.stat().st_size > MIB for file in two["busan"].files()))
        two["busan"].server.kill()
        assert _is_refused(await uploading, 503)
        assert (two["seoul"].files(), await two.rows()) == ([], 0)


async def test_a_site_with_another_secret_is_no_second_site() -> None:
    data = secrets.token_bytes(5000)
    async with three(("seoul", "busan"), secrets_of={"busan": "not what the others know"}) as two:
        assert _is_refused(await two.try_upload("seoul", data), 503)
        assert (two["seoul"].files(), two["busan"].files()) == ([], [])


async def test_an_address_that_leads_back_is_no_second_site() -> None:
    port = free_port()
    async with three(("seoul",), addresses={"busan": f"http://127.0.0.1:{port}"}, ports={"seoul": port}) as lonely:
        assert _is_refused(await lonely.try_upload("seoul", b"one copy"), 503)
        assert (lonely["seoul"].files(), await lonely.rows()) == ([], 0)


async def test_a_site_does_not_count_twice_when_all_are_given_the_same_list() -> None:
    port = free_port()
    own = {"seoul": f"http://127.0.0.1:{port}", "busan": "http://127.0.0.1:1"}
    async with three(("seoul",), addresses=own, ports={"seoul": port}, lists_itself=True) as lonely:
        assert _is_refused(await lonely.try_upload("seoul", b"one copy"), 503)
        assert (lonely["seoul"].files(), await lonely.rows()) == ([], 0)


# --- a disk without room ---


@asynccontextmanager
async def _full_site(sites: Three, folder: Path) -> AsyncIterator[Copies]:
    """A fourth site, in this process, whose disk takes nothing more."""
    blobs = BlobFolder(folder, free_bytes_min=2**60)
    await blobs.open()
    others = [Peer(site.name, site.server.base_url) for site in sites.sites.values()]
    peers = Peers("full", others, SECRET)
    copies = Copies(blobs, CopyStore(Database("postgresql://nowhere")), peers)
    try:
        yield copies
    finally:
        await copies.close()
        await peers.close()
        blobs.close()


async def test_a_site_without_room_passes_on_what_others_have(sites: Three, tmp_path: Path) -> None:
    data = secrets.token_bytes(3 * MIB)
    await sites.upload("seoul", data)
    await sites.everywhere(data)
    async with _full_site(sites, tmp_path) as copies:
        read = await copies.open(bytes.fromhex(_name(data)), len(data))
        assert b"".join([piece async for piece in read(0, len(data))]) == data
        assert b"".join([piece async for piece in read(7, 70_000)]) == data[7:70_000]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def test_a_site_without_room_does_not_pass_on_the_end_of_wrong_bytes(sites: Three, tmp_path: Path) -> None:
    data = secrets.token_bytes(3 * MIB)
    async with _liar(data) as liar, _full_site(sites, tmp_path) as copies:
        passed = copies._pass_on(Peer("liar", liar), bytes.fromhex(_name(data)), len(data), 0, len(data))
        with pytest.raises(BlobLost):
            assert [piece async for piece in passed]
        with pytest.raises(Refusal):
            await copies.open(bytes(32), len(data))


# --- what it costs ---


async def test_a_large_file_costs_every_site_little_memory(sites: Three) -> None:
    await sites.upload("seoul", secrets.token_bytes(MIB))
    processes = {name: psutil.Process(site.server.pid) for name, site in sites.sites.items()}
    before = {name: process.memory_info().rss for name, process in processes.items()}
    peak = dict(before)
    done = asyncio.Event()

    async def watch() -> None:
        while not done.is_set():
            for name, process in processes.items():
                peak[name] = max(peak[name], process.memory_info().rss)
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    block = secrets.token_bytes(MIB)
    item = await sites.upload("seoul", _repeated(block, 100))
    data = block * 100
    await sites.everywhere(data)
    sites["busan"].file(data).unlink()
    assert (await sites.download("busan", item)).body == data
    done.set()
    await watching
    grown = {name: round((peak[name] - before[name]) / MIB, 1) for name in before}
    print(grown)
    assert max(grown.values()) < 32


async def _repeated(block: bytes, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield block
