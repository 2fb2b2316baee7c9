"""Previews of addresses: what a page says of itself, asked from a real server; and all the ways to be led astray."""

import asyncio
import gzip
import hashlib
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from tests.api.talking import V1, Json, Talker, ask
from tests.server import Server, free_port

from bongsu.core.addresses import may_ask, networks
from bongsu.media.fetching import Fetcher, NotFetched, Rules
from bongsu.media.pages import decoded

LEGACY = "/_matrix/media/v3/preview_url"
PATH = f"{V1}/media/preview_url"
_PORT = free_port()


def picture(width: int = 40, height: int = 30) -> bytes:
    """A PNG in one colour."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = zlib.compress((b"\0" + b"\x20\x80\xc0" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


class Site:
    """A server that anybody could have. pages: what it answers, by path; asked: the paths it was asked for."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.at = f"http://127.0.0.1:{port}"
        self.pages: dict[str, Callable[[web.Request], Awaitable[web.StreamResponse]]] = {}
        self.asked: list[str] = []
        self.agents: list[str] = []
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_route("GET", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, None, self.port).start()  # every address of this machine leads here

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        self.agents.append(request.headers.get("User-Agent", ""))
        page = self.pages.get(request.path)
        return web.Response(status=404) if page is None else await page(request)

    def put(self, path: str, body: bytes | str, kind: str = "text/html; charset=utf-8", **headers: str) -> str:
        """Its address."""
        content = body.encode() if isinstance(body, str) else body

        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(body=content, headers={"Content-Type": kind, **headers})

        self.pages[path] = answer
        return self.at + path

    def lead(self, path: str, to: str, status: int = 302) -> str:
        async def answer(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": to})

        self.pages[path] = answer
        return self.at + path


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    found = Site(_PORT)
    await found.start()
    yield found
    await found.stop()


@pytest.fixture(scope="module")
def curious(server: Server) -> Server:
    """A worker that may ask this machine on one port, as it may ask the internet on two."""
    options = ("--preview-ranges", "127.0.0.1/32", "--preview-ports", f"80,443,{_PORT}")
    return Server.start(server.data_dir, "--password-hashing", "fast", *options)


@pytest.fixture
async def reader(alice: Talker, curious: Server) -> AsyncIterator[Talker]:
    async with aiohttp.ClientSession(curious.base_url, timeout=aiohttp.ClientTimeout(60)) as session:
        yield alice.through(session)


async def preview(who: Talker, url: str, **query: Any) -> Json:
    answer: Json = await who.get(PATH, url=url, **query)
    return answer


async def no_preview(who: Talker, url: str) -> None:
    assert await who.refused("GET", PATH, url=url) == (404, "M_NOT_FOUND")


# --- what a page says ---


async def test_a_page_with_everything(reader: Talker, site: Site) -> None:
    site.put("/picture.png", picture(), "image/png")
    url = site.put(
        "/whole",
        """<!doctype html><html><head><title>Not this</title>
        <meta property="og:title" content="봉수대 &amp; 봉화">
        <meta property="og:description" content="불이 나도 이야기합니다">
        <meta property="og:site_name" content="Bongsu"><meta property="og:type" content="article">
        <meta property="og:image" content="/picture.png"><meta property="og:image:alt" content="A fire">
        <meta property="og:image:width" content="9999"><meta property="og:video" content="https://spy.example/v">
        </head></html>""",
    )
    said = await preview(reader, url, ts=1_700_000_000_000)
    image = said.pop("og:image")
    assert said == {
        "og:title": "봉수대 & 봉화",
        "og:description": "불이 나도 이야기합니다",
        "og:site_name": "Bongsu",
        "og:type": "article",
        "og:image:alt": "A fire",
        "og:image:type": "image/png",
        "og:image:width": 40,
        "og:image:height": 30,
        "matrix:image:size": len(picture()),
    }
    headers = {"Authorization": f"Bearer {reader.access_token}"}
    where = image.removeprefix("mxc://")
    async with reader._http.get(f"{V1}/media/download/{where}", headers=headers) as answer:
        assert (answer.status, answer.headers["Content-Type"], await answer.read()) == (200, "image/png", picture())


async def test_what_stands_in_for_properties(reader: Talker, site: Site) -> None:
    site.put("/first.png", picture(), "image/png")
    long = "A paragraph that is long enough to say what the page is about."
    url = site.put(
        "/plain",
        f"""<title> A   title </title><p>Menu</p><p>{long}</p>
        <img src="/dot.gif" width=1 height=1><img src="first.png">""",
    )
    said = await preview(reader, url)
    assert (said["og:title"], said["og:description"], said["og:image:width"]) == ("A title", long, 40)
    assert "/dot.gif" not in site.asked
    url = site.put(
        "/twitter",
        """<meta name="twitter:title" content="T"><meta name="description" content="D">
        <link rel="image_src" href="/first.png">""",
    )
    said = await preview(reader, url)
    assert (said["og:title"], said["og:description"], said["og:image:width"]) == ("T", "D", 40)


async def test_a_picture_is_its_own_preview(reader: Talker, site: Site) -> None:
    said = await preview(reader, site.put("/p.png", picture(3, 4), "image/png"))
    assert (said["og:image:width"], said["og:image:height"]) == (3, 4)
    svg = site.put("/p.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")
    assert await preview(reader, svg) == {}


async def test_oembed_says_what_the_page_does_not(reader: Talker, site: Site) -> None:
    site.put("/thumb.png", picture(), "image/png")
    embed = f'{{"title":"A film","provider_name":"Films","thumbnail_url":"{site.at}/thumb.png","html":"<iframe>"}}'
    site.put("/oembed", embed, "application/json")
    url = site.put("/film", '<link rel="alternate" type="application/json+oembed" href="/oembed?format=json">')
    said = await preview(reader, url)
    assert (said["og:title"], said["og:site_name"], said["og:image:width"]) == ("A film", "Films", 40)


@pytest.mark.parametrize(
    ("page", "kind", "title"),
    [
        ("<meta charset=euc-kr><title>한글 쪽</title>".encode("euc-kr"), "text/html", "한글 쪽"),
        ("<title>똠방각하</title>".encode("cp949"), "text/html; charset=KS_C_5601-1987", "똠방각하"),
        ("<title>아무 말 없는 쪽</title>".encode("cp949"), "text/html", "아무 말 없는 쪽"),
        ("<title>말 없는 쪽</title>".encode(), "text/html", "말 없는 쪽"),
        ("<title>日本</title>".encode("shift_jis"), 'text/html; charset="Shift_JIS"', "日本"),
        (
            "<meta http-equiv=Content-Type content='text/html; charset=gb2312'><title>中文</title>".encode("gbk"),
            "text/html",
            "中文",
        ),
        ("\ufeff<title>mark</title>".encode("utf-16"), "text/html", "mark"),
        (b"<title>ok</title>", "text/html; charset=hex_codec", "ok"),
    ],
)
async def test_character_sets(page: bytes, kind: str, title: str) -> None:
    assert f"<title>{title}</title>" in decoded(page, kind)


async def test_a_korean_page_of_old(reader: Talker, site: Site) -> None:
    page = '<html><head><meta charset="euc-kr"><title>옛날 게시판</title></head></html>'.encode("euc-kr")
    assert (await preview(reader, site.put("/old", page, "text/html")))["og:title"] == "옛날 게시판"


async def test_a_packed_page(reader: Talker, site: Site) -> None:
    page = gzip.compress(b"<title>packed</title>")
    url = site.put("/packed", page, **{"Content-Encoding": "gzip"})
    assert (await preview(reader, url))["og:title"] == "packed"


# --- how often a page is asked ---


async def test_a_page_is_asked_once(reader: Talker, site: Site) -> None:
    url = site.put("/once", "<title>once</title>")
    answers = await asyncio.gather(*(preview(reader, url) for _ in range(5)))
    again = await preview(reader, f"{url}#part")
    old = await reader.get(LEGACY, url=url)
    assert [answer["og:title"] for answer in (*answers, again, old)] == ["once"] * 7
    assert site.asked.count("/once") == 1
    assert "Bongsu" in site.agents[0]


async def test_two_workers_ask_once(alice: Talker, server: Server, curious: Server, site: Site) -> None:
    options = ("--preview-ranges", "127.0.0.1/32", "--preview-ports", str(_PORT))
    second = Server.start(server.data_dir, "--password-hashing", "fast", *options)

    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return web.Response(text="<title>slow</title>", content_type="text/html")

    site.pages["/slow"] = slow
    async with aiohttp.ClientSession(curious.base_url) as one, aiohttp.ClientSession(second.base_url) as two:
        askers = (alice.through(one), alice.through(two))
        answers = await asyncio.gather(*(preview(asker, f"{site.at}/slow") for asker in askers))
    second.stop()
    assert [answer["og:title"] for answer in answers] == ["slow", "slow"]
    assert site.asked.count("/slow") == 1


async def test_a_worker_that_died_while_it_asked_is_not_waited_for_for_ever(
    reader: Talker, site: Site, server: Server
) -> None:
    url = site.put("/claimed", "<title>claimed</title>")
    [folder] = {path.parent for path in server.data_dir.rglob(".s.PGSQL.*") if path.is_socket()}
    tables = await asyncpg.connect(host=str(folder), user="postgres", database="bongsu")
    digest = hashlib.sha256(url.encode()).digest()
    await tables.execute(
        "INSERT INTO url_previews (url_hash, url, expires_at, claimed_until)"
        " VALUES ($1, $2, now(), now() + interval '1 second')",
        digest,
        url,
    )
    await tables.close()
    assert (await preview(reader, url))["og:title"] == "claimed"


async def test_a_page_that_is_not_there_is_not_asked_again_at_once(reader: Talker, site: Site) -> None:
    for _ in range(2):
        await no_preview(reader, f"{site.at}/missing")
    assert site.asked == ["/missing"]


# --- led astray ---


async def test_redirects_are_followed_a_few_times(reader: Talker, site: Site) -> None:
    site.put("/end", "<title>end</title>")
    assert (await preview(reader, site.lead("/short", "/end", 301)))["og:title"] == "end"
    await no_preview(reader, site.lead("/round", "/round"))
    assert site.asked.count("/round") == 6


@pytest.mark.parametrize(
    "to",
    [
        "http://127.0.0.2:{port}/secret",
        "http://[::1]:{port}/secret",
        "http://[::ffff:127.0.0.2]:{port}/secret",
        "http://127.0.0.1:{other}/secret",
        "http://0.0.0.0:{port}/secret",
        "http://2130706434:{port}/secret",
        "http://0x7f.2:{port}/secret",
        "http://169.254.169.254/latest/meta-data/",
        "http://user@127.0.0.1:{port}/secret",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
    ],
)
async def test_a_redirect_leads_nowhere_private(reader: Talker, site: Site, server: Server, to: str) -> None:
    """127.0.0.1 is allowed here, and nothing else of this machine."""
    site.put("/secret", "<title>secret</title>")
    place = to.format(port=site.port, other=server.port)
    path = f"/to/{abs(hash(place))}"
    await no_preview(reader, site.lead(path, place))
    assert site.asked == [path]


async def test_pictures_are_not_fetched_from_private_places(reader: Talker, site: Site) -> None:
    site.put("/inside.png", picture(), "image/png")
    url = site.put(
        "/leads", f'<title>t</title><meta property="og:image" content="http://127.0.0.2:{site.port}/inside.png">'
    )
    assert await preview(reader, url) == {"og:title": "t"}
    assert site.asked == ["/leads"]


async def test_this_server_asks_nothing_private_by_itself(alice: Talker, site: Site) -> None:
    """The shared worker of these tests has no setting: the ports are the web's, and this machine is private."""
    assert await alice.refused("GET", PATH, url=site.put("/x", "x")) == (400, "M_INVALID_PARAM")
    for place in (
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://10.0.0.1/",
        "https://192.168.0.1/",
    ):
        await no_preview(alice, place)
    assert site.asked == []


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "0.0.0.0", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.0.8", "198.18.0.1", "203.0.113.7", "192.88.99.1"),
        *("::", "::1", "::ffff:8.8.8.8", "::ffff:127.0.0.1", "::8.8.8.8", "fe80::1", "fe80::1%eth0", "fc00::1"),
        *("fd12::1", "ff02::1", "fec0::1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1"),
        *("2001:db8::1", "3fff::1", "100::1", "4000::1", "nothing", ""),
    ],
)
def test_no_private_address_is_asked(address: str) -> None:
    assert not may_ask(address, ())


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "2001:4860::8888"])
def test_the_internet_is_asked(address: str) -> None:
    assert may_ask(address, ())


def test_an_operator_opens_ranges() -> None:
    opened = networks(["10.7.0.0/16", "fd00::/8"])
    assert may_ask("10.7.1.1", opened)
    assert may_ask("fd12::1", opened)
    assert not may_ask("10.8.1.1", opened)
    assert not may_ask("::ffff:10.7.1.1", opened)


class NameServer:
    """Answers each question with the next of its answers. questions: the names it was asked for."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.questions: list[str] = []

    async def look_up(self, host: str, _: int) -> Sequence[str]:
        self.questions.append(host)
        if not self._answers:
            raise OSError("no such name")
        return self._answers.pop(0)


async def fetched(site: Site, names: NameServer, url: str) -> bytes:
    rules = Rules(networks(["127.0.0.1/32"]), frozenset((80, site.port)), seconds=5)
    fetcher = Fetcher(rules, names.look_up)
    try:
        return (await fetcher.get(url, accept="*/*", bytes_max=1_000)).body
    finally:
        await fetcher.close()


async def test_a_name_is_looked_up_once_and_that_address_is_asked(site: Site) -> None:
    site.put("/page", "found")
    names = NameServer(["127.0.0.1"], ["127.0.0.2"])
    assert await fetched(site, names, f"http://rebinding.example:{site.port}/page") == b"found"
    assert names.questions == ["rebinding.example"]


@pytest.mark.parametrize("second", ["127.0.0.2", "10.0.0.1", "::1", "::ffff:127.0.0.2", "64:ff9b::7f00:2"])
async def test_a_name_that_changes_between_two_steps_leads_nowhere(site: Site, second: str) -> None:
    """DNS rebinding: the first answer is an address that may be asked, the second is not."""
    site.put("/page", "found")
    start = site.lead("/go", f"http://rebinding.example:{site.port}/page").replace("127.0.0.1", "rebinding.example")
    names = NameServer(["127.0.0.1"], [second])
    with pytest.raises(NotFetched):
        await fetched(site, names, start)
    assert site.asked == ["/go"]
    assert names.questions == ["rebinding.example", "rebinding.example"]


async def test_private_addresses_among_others_are_left_out(site: Site) -> None:
    site.put("/page", "found")
    names = NameServer(["127.0.0.2", "::1", "127.0.0.1"])
    assert await fetched(site, names, f"http://mixed.example:{site.port}/page") == b"found"
    with pytest.raises(NotFetched):
        await fetched(site, NameServer(["127.0.0.2", "10.0.0.1"]), f"http://mixed.example:{site.port}/page")
    with pytest.raises(NotFetched):
        await fetched(site, NameServer(), f"http://nowhere.example:{site.port}/page")
    assert site.asked == ["/page"]


# --- heavy, slow and broken pages ---


async def test_a_large_page_is_read_to_its_limit(reader: Talker, site: Site) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        answer = web.StreamResponse(headers={"Content-Type": "text/html"})
        await answer.prepare(request)
        await answer.write(b"<title>endless</title>")
        while sent < 100_000_000:
            await answer.write(b"<i>" * 20_000)
            sent += 60_000
        return answer

    site.pages["/endless"] = endless
    await preview_or_none(reader, f"{site.at}/endless")
    assert sent < 20_000_000


async def preview_or_none(who: Talker, url: str) -> Json | None:
    status, answer = await who.ask("GET", PATH, url=url)
    assert status in (200, 404), answer
    return answer if status == 200 else None


async def test_a_bomb_is_not_unpacked(reader: Talker, site: Site) -> None:
    page = gzip.compress(b"<title>small</title>" + b" " * 200_000_000, compresslevel=1)
    url = site.put("/bomb", page, **{"Content-Encoding": "gzip"})
    assert (await preview(reader, url))["og:title"] == "small"
    site.put("/bomb.png", gzip.compress(picture() + b"\0" * 50_000_000), "image/png", **{"Content-Encoding": "gzip"})
    assert await preview(reader, f"{site.at}/bomb.png") == {}


async def test_a_page_that_nests_without_end_hurts_nobody(reader: Talker, site: Site) -> None:
    url = site.put("/deep", "<title>deep</title>" + "<div>" * 100_000)
    asked = asyncio.create_task(preview_or_none(reader, url))
    for _ in range(5):
        async with asyncio.timeout(2):
            await reader.get("/_matrix/client/versions")
        await asyncio.sleep(0.1)
    assert await asked is None
    assert (await preview(reader, site.put("/after", "<title>after</title>")))["og:title"] == "after"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\xff\xfe\x00<", {}),
        (b"<" * 200_000, {}),
        (b"<meta property=og:title content=" + b"'" * 100_000, {}),
        (b"", {}),
        (b"not packed", {"Content-Encoding": "gzip"}),
        (b"<title>x</title>", {"Content-Encoding": "br"}),
    ],
)
async def test_broken_pages(reader: Talker, site: Site, body: bytes, headers: dict[str, str]) -> None:
    path = f"/broken/{zlib.crc32(body + str(headers).encode())}"
    await preview_or_none(reader, site.put(path, body, **headers))


async def test_a_server_that_is_no_web_server(reader: Talker) -> None:
    async def speak(incoming: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        await incoming.readline()
        out.write(b"220 mail.example ESMTP\r\n" * 10)
        out.close()

    server = await asyncio.start_server(speak, "127.0.0.1", _PORT, family=socket.AF_INET)
    await no_preview(reader, f"http://127.0.0.1:{_PORT}/mail")
    server.close()
    await server.wait_closed()
    await no_preview(reader, f"http://127.0.0.1:{_PORT}/gone")


async def test_other_files_have_nothing_to_show(reader: Talker, site: Site) -> None:
    assert await preview(reader, site.put("/file.zip", b"PK", "application/zip")) == {}


# --- what is refused ---


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({}, (400, "M_MISSING_PARAM")),
        ({"url": ""}, (400, "M_INVALID_PARAM")),
        ({"url": "example.org"}, (400, "M_INVALID_PARAM")),
        ({"url": "ftp://example.org/"}, (400, "M_INVALID_PARAM")),
        ({"url": "javascript:alert(1)"}, (400, "M_INVALID_PARAM")),
        ({"url": "http://a:b@example.org/"}, (400, "M_INVALID_PARAM")),
        ({"url": "http://example.org:22/"}, (400, "M_INVALID_PARAM")),
        ({"url": "http://example.org:99999/"}, (400, "M_INVALID_PARAM")),
        ({"url": "http://[::1/"}, (400, "M_INVALID_PARAM")),
        ({"url": "http://exa\nmple.org/"}, (400, "M_INVALID_PARAM")),
        ({"url": "http://\0/"}, (400, "M_INVALID_PARAM")),
        ({"url": "http://" + "a" * 64 + ".xn--\u0301/"}, (400, "M_INVALID_PARAM")),
        ({"url": "http://example.org/" + "a" * 2_048}, (400, "M_INVALID_PARAM")),
        ({"url": "http://127.0.0.1/", "ts": "soon"}, (400, "M_INVALID_PARAM")),
        ({"url": "http://no-such-name.invalid/"}, (404, "M_NOT_FOUND")),
    ],
)
async def test_wrong_addresses(alice: Talker, query: Json, answer: tuple[int, str]) -> None:
    assert await alice.refused("GET", PATH, **query) == answer


async def test_strangers_are_shown_nothing(http: aiohttp.ClientSession) -> None:
    for path in (PATH, LEGACY):
        status, answer = await ask(http, "GET", path, url="http://example.org/")
        assert (status, answer["errcode"]) == (401, "M_MISSING_TOKEN")


async def test_an_operator_switches_it_off(alice: Talker, server: Server) -> None:
    worker = Server.start(server.data_dir, "--password-hashing", "fast", "--no-url-previews")
    async with aiohttp.ClientSession(worker.base_url) as session:
        answer = await alice.through(session).refused("GET", PATH, url="http://example.org/")
    worker.stop()
    assert answer == (404, "M_UNRECOGNIZED")
