"""The start page: what a browser gets that opened the server's address."""

import asyncio
import gzip
import re
from html.parser import HTMLParser
from pathlib import Path
from string import Formatter
from typing import Any

import aiohttp
import pytest
from tests.api.talking import Talker
from yarl import URL

import bongsu.site
from bongsu.http.page import LANGUAGES, LOOK
from bongsu.site.texts import CLIENTS, REASONS, TEXTS

Attributes = dict[str, str | None]
PAGES = Path(bongsu.site.__file__).parent / "pages"


class Elements(HTMLParser):
    """Every element of a page with its attributes, and the text outside of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Attributes]] = []
        self.inline: list[str] = []
        self._tag = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self._tag in ("script", "style") and data.strip():
            self.inline.append(data)

    def values(self, *names: str) -> list[str]:
        return [value for _, attributes in self.found for name in names if (value := attributes.get(name)) is not None]


async def page(http: aiohttp.ClientSession, path: str = "/", **headers: str) -> str:
    async with http.get(path, headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        return await answer.text()


async def elements(http: aiohttp.ClientSession, path: str = "/") -> Elements:
    return Elements(await page(http, path))


@pytest.mark.parametrize(
    ("path", "accepted", "language"),
    [
        ("/", "", "en"),
        ("/", "ko", "ko"),
        ("/", "ko-KR,ko;q=0.9,en;q=0.8", "ko"),
        ("/", "en;q=0.5, ko;q=0.7", "ko"),
        ("/", "ko;q=0, en;q=0.1", "en"),
        ("/", "de, fr;q=0.9", "en"),
        ("/", "de, ko;q=0.2", "ko"),
        ("/", ";;;,q=1,ko;q=x", "ko"),
        ("/?lang=ko", "en", "ko"),
        ("/?lang=en", "ko", "en"),
        ("/?lang=xx", "ko", "ko"),
    ],
)
async def test_it_speaks_the_language_that_was_asked_for(
    http: aiohttp.ClientSession, path: str, accepted: str, language: str
) -> None:
    async with http.get(path, headers={"Accept-Language": accepted}) as answer:
        text = await answer.text()
        assert answer.headers["Content-Language"] == language
        assert "accept-language" in answer.headers["Vary"]
    assert f'<html lang="{language}"' in text
    assert TEXTS[language]["heading"] in text


async def test_nothing_is_inline_and_nothing_comes_from_elsewhere(http: aiohttp.ClientSession) -> None:
    async with http.get("/") as answer:
        policy = answer.headers["Content-Security-Policy"]
        found = Elements(await answer.text())
        assert "Set-Cookie" not in answer.headers
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    loaded = [
        attributes.get("href") or attributes.get("src") or attributes.get("srcset")
        for tag, attributes in found.found
        if tag in ("link", "script", "img", "source")
    ]
    assert loaded
    assert all(address is not None and re.match(r"/[^/]", address) for address in loaded)
    assert not found.inline
    assert not [
        name for _, attributes in found.found for name in attributes if name == "style" or name.startswith("on")
    ]


async def test_drawings_carry_no_script_and_no_style(http: aiohttp.ClientSession) -> None:
    for path in (*PAGES.glob("*.svg"), *LOOK.glob("*.svg")):
        drawing = path.read_text("utf-8")
        assert not re.search(r"<script|<style|style=|href=|\bon\w+=", drawing), path.name


async def test_every_file_it_names_is_there_for_ever(http: aiohttp.ClientSession) -> None:
    found = await elements(http)
    named = {value for value in found.values("href", "src", "srcset") if value.startswith("/assets/")}
    files = {path.name: path for path in (*LOOK.iterdir(), *PAGES.iterdir()) if path.suffix != ".html"}
    assert {address.split("/")[2].split("?")[0] for address in named} == set(files), "all files are used"
    for address in named:
        async with http.get(address) as answer:
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            body = await answer.read()
            tag = answer.headers["ETag"]
        assert body == files[address.split("/")[2].split("?")[0]].read_bytes()
        async with http.get(address, headers={"If-None-Match": tag}) as known:
            assert known.status == 304
            assert await known.read() == b""


async def test_a_file_under_an_old_name_is_not_kept(http: aiohttp.ClientSession) -> None:
    for address in ("/assets/start.css", "/assets/start.css?v=old"):
        async with http.get(address) as answer:
            assert answer.status == 200
            assert answer.headers["Cache-Control"] == "no-cache"


async def test_files_are_packed_for_who_can_unpack(http: aiohttp.ClientSession) -> None:
    async with http.get("/assets/start.js", headers={"Accept-Encoding": "identity"}) as plain:
        assert "Content-Encoding" not in plain.headers
        whole, tag = await plain.read(), plain.headers["ETag"]
    request = http.get("/assets/start.js", headers={"Accept-Encoding": "gzip"}, auto_decompress=False)
    async with request as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.headers["ETag"] != tag
        assert gzip.decompress(await packed.read()) == whole


@pytest.mark.parametrize("name", ["start.html", "none.css", "..%2ffront.py", "%2e%2e", ""])
async def test_no_other_file_is_given_out(http: aiohttp.ClientSession, name: str) -> None:
    async with http.get(URL(f"/assets/{name}", encoded=True)) as answer:
        assert answer.status == 404
        assert (await answer.json())["errcode"] in ("M_NOT_FOUND", "M_UNRECOGNIZED")


async def test_the_page_is_asked_for_again_and_known_again(http: aiohttp.ClientSession) -> None:
    async with http.get("/") as first:
        assert first.headers["Cache-Control"] == "no-cache"
        tag = first.headers["ETag"]
        length = first.headers["Content-Length"]
    async with http.get("/", headers={"If-None-Match": f'"other", {tag}'}) as known:
        assert known.status == 304
    async with http.head("/") as head:
        assert (head.status, head.headers["ETag"], head.headers["Content-Length"]) == (200, tag, length)
        assert await head.read() == b""


async def test_it_names_the_address_it_was_reached_by(http: aiohttp.ClientSession, base_url: str) -> None:
    assert f'<code id="address">{base_url}</code>' in await page(http)
    assert "http://chat.example:8448</code>" in await page(http, Host="chat.example:8448")
    proxied = {"Host": "chat.example", "X-Forwarded-Proto": "https"}
    assert "https://chat.example</code>" in await page(http, **proxied)


async def test_a_host_that_is_none_is_not_shown(http: aiohttp.ClientSession) -> None:
    text = await page(http, Host='evil"><img src=x>')
    assert "evil" not in text


async def test_without_a_demo_it_tells_how_to_get_an_account(http: aiohttp.ClientSession) -> None:
    text = await page(http)
    assert TEXTS["en"]["account_open"] in text
    assert 'class="persons"' not in text


# --- what it shows live ---


async def status(http: aiohttp.ClientSession) -> Any:
    async with http.get("/start.json") as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        return await answer.json()


async def test_the_status_follows_what_is_written(http: aiohttp.ClientSession, alice: Talker) -> None:
    before = await status(http)
    assert before["ready"] is True
    assert before["reason"] is None
    assert before["database_ms"] > 0
    assert before["now_ms"] >= before["started_ms"]
    await alice.post("/_matrix/client/v3/createRoom", {"name": "Hill"})
    await asyncio.sleep(1.1)  # a status is shared for a second
    after = await status(http)
    assert after["position"] > before["position"]
    assert after["started_ms"] == before["started_ms"]
    assert after["now_ms"] > before["now_ms"]


# --- page, script and languages fit together ---


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_script_finds_what_it_looks_for(http: aiohttp.ClientSession, language: str) -> None:
    script = (PAGES / "start.js").read_text("utf-8")
    found = await elements(http, f"/?lang={language}")
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r"(?:place|write)\(\"([\w-]+)\"", script)) - {"hint"}
    assert wanted <= set(ids)
    words = next(attributes for tag, attributes in found.found if tag == "template")
    spoken = {re.sub(r"[A-Z]", lambda m: "-" + m[0].lower(), name) for name in re.findall(r"words\.(\w+)", script)}
    assert {f"data-{name}" for name in spoken} == set(words) - {"id"}
    assert "$" not in await page(http, f"/?lang={language}"), "a place of the template was left empty"


async def test_both_languages_have_the_same_page(http: aiohttp.ClientSession) -> None:
    one, other = await elements(http, "/?lang=en"), await elements(http, "/?lang=ko")
    shape = [(tag, attributes.get("id")) for tag, attributes in one.found]
    korean = [(tag, attributes.get("id")) for tag, attributes in other.found]
    assert [entry for entry in shape if entry[0] != "code"] == [entry for entry in korean if entry[0] != "code"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_lacks_a_text(language: str) -> None:
    assert set(TEXTS[language]) == set(TEXTS["en"])
    for key, text in TEXTS[language].items():
        assert _places(text) == _places(TEXTS["en"][key]), key
    assert [client.name for client in CLIENTS[language]] == [client.name for client in CLIENTS["en"]]
    for client, same in zip(CLIENTS[language], CLIENTS["en"], strict=True):
        assert (client.link, len(client.steps)) == (same.link, len(same.steps))
        assert [_places(step) for step in client.steps] == [_places(step) for step in same.steps]


def test_every_reason_is_translated() -> None:
    health = (PAGES.parent / "health.py").read_text("utf-8")
    for language in set(LANGUAGES) - {"en"}:
        for reason in REASONS[language]:
            assert f'"{reason}"' in health
        assert len(REASONS[language]) == 4


def _places(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in Formatter().parse(text) if name)
