"""The status page of a single site: what it says, in which form, to whom; and that nothing is needed to say it."""

import os
import re
import signal
from collections.abc import AsyncIterator
from string import Formatter
from typing import Any

import aiohttp
import pytest
from tests.api.test_front_page import Elements
from tests.server import Server, data_folder
from tests.waiting import until

from bongsu.http.page import LANGUAGES, LOOK
from bongsu.status.document import Document, FeatureState, IncidentState, SiteState
from bongsu.status.features import FEATURES
from bongsu.status.render import PAGES, duration, render
from bongsu.status.texts import TEXTS, UNITS

SAID_SECONDS_MAX = 60.0
LINKS = {name: f"/x/{name}" for name in ("base_css", "status_css", "status_js", "icon_svg")}


async def status(http: aiohttp.ClientSession) -> dict[str, Any]:
    async with http.get("/status.json") as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        found: dict[str, Any] = await answer.json()
        return found


async def test_all_works_and_since_when(http: aiohttp.ClientSession) -> None:
    said = await until(lambda: status(http), lambda said: bool(said["level"] == "works"), SAID_SECONDS_MAX)
    assert [one["name"] for one in said["features"]] == [feature.key for feature in FEATURES]
    for one in said["features"]:
        assert (one["level"], one["sites"]) == ("works", {"local": "works"})
        assert said["started_ms"] <= one["since_ms"] <= said["now_ms"]
    assert [(one["name"], one["is_here"], one["answers"]) for one in said["sites"]] == [("local", True, True)]
    assert said["incident"] is None
    assert said["record_altered"] is False


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/json;q=0.5, text/html", "text/html"),
        ("*/*", "text/html"),
        ("", "text/html"),
    ],
)
async def test_who_asks_gets_the_form_they_like(http: aiohttp.ClientSession, accept: str, kind: str) -> None:
    async with http.get("/status", headers={"Accept": accept}) as answer:
        assert answer.content_type == kind
        assert "accept" in answer.headers["Vary"]


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_is_whole_and_loads_nothing_from_elsewhere(http: aiohttp.ClientSession, language: str) -> None:
    async with http.get("/status", headers={"Accept-Language": language}) as answer:
        text = await answer.text()
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["Content-Language"] == language
    assert f'<html lang="{language}"' in text
    assert "$" not in text, "a place of the template was left empty"
    found = Elements(text)
    assert not found.inline
    assert not [name for _, places in found.found for name in places if name == "style" or name.startswith("on")]
    named = [value for value in found.values("href", "src") if value.startswith("/status/assets/")]
    files = {path.name: path for path in (*LOOK.iterdir(), *PAGES.iterdir()) if path.suffix != ".html"}
    assert {address.split("/")[3].split("?")[0] for address in named} == set(files)
    for address in named:
        async with http.get(address) as answer:
            assert answer.status == 200
            assert "immutable" in answer.headers["Cache-Control"]


async def test_sites_tell_only_each_other(http: aiohttp.ClientSession) -> None:
    for path in ("probe", "facts"):
        async with http.get(f"/_bongsu/peer/v1/{path}") as without:
            assert without.status == 401
        async with http.get(f"/_bongsu/peer/v1/{path}", headers={"Authorization": "Bearer x"}) as wrong:
            assert wrong.status == 401


@pytest.fixture
async def alone() -> AsyncIterator[Server]:
    """A server whose database may be harmed."""
    with data_folder() as data_dir:
        yield Server.start(data_dir)


async def test_it_answers_while_the_database_stands_still(alone: Server) -> None:
    async with aiohttp.ClientSession(alone.base_url, timeout=aiohttp.ClientTimeout(5)) as http:
        await until(lambda: status(http), lambda said: bool(said["level"] == "works"), SAID_SECONDS_MAX)
        pid_file = next(alone.data_dir.rglob("postmaster.pid"))
        postgres = int(pid_file.read_text().split(maxsplit=1)[0])
        processes = [postgres, *_children(postgres)]
        try:
            _signal(processes, signal.SIGSTOP)
            said = await until(lambda: status(http), lambda said: bool(said["level"] == "stopped"), SAID_SECONDS_MAX)
            async with http.get("/status") as page:
                text = await page.text()
            assert TEXTS["en"]["some_stopped"] in text
        finally:
            _signal(processes, signal.SIGCONT)
        assert said["incident"]["since_ms"] <= said["now_ms"]
        assert "text" in said["incident"]["parts"]
        healed = await until(lambda: status(http), lambda said: bool(said["incidents"]), SAID_SECONDS_MAX)
        assert healed["incidents"][0]["since_ms"] == said["incident"]["since_ms"]


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        os.kill(pid, number)


# --- the drawing itself ---

NOW = 1_700_000_000_000


def document(level: str, *, text: str = "works", **changes: Any) -> Document:
    features = [FeatureState("text", 0, text, NOW - 65_000, {"a<b": text, "busan": "works"})]
    sites = [
        SiteState("a<b", True, True, False, False, NOW - 90_000, NOW),
        SiteState("busan", False, False, False, False, NOW - 61_000, NOW - 70_000),
    ]
    parts = {"text": "stopped", "site:busan": "stopped"}
    going_on = IncidentState(None, NOW - 65_000, None, parts, ["a<b"]) if level != "works" else None
    past = [IncidentState(3, NOW - 10**7, NOW - 10**7 + 61_000, parts, ["a<b", "busan"])]
    fields = {
        "name": "Bongsu",
        "version": "1",
        "server_name": "x<y",
        "site": "a<b",
        "now_ms": NOW,
        "started_ms": NOW - 90_000,
        "looked_ms": NOW - 1_000,
        "level": level,
        "features": features,
        "sites": sites,
        "incident": going_on,
        "incidents": past,
        "record_altered": False,
    }
    return Document(**{**fields, **changes})


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("level", ["works", "partly", "delayed", "stopped", "unknown"])
def test_every_state_is_drawn_escaped_and_in_words(language: str, level: str) -> None:
    text = render(document(level, text=level), language, LINKS).decode()
    assert "a<b" not in text
    assert "x<y" not in text
    assert "{" not in re.sub(r'data-lost="[^"]*"', "", text), "a place of a text was left empty"
    word = TEXTS[language]["unknown_level" if level == "unknown" else level]
    assert f'data-level="{level}"><span class="mark" aria-hidden="true"></span>' in text
    assert f'<span class="word">{word}</span>' in text


def test_knowledge_that_is_old_is_not_sold_as_new() -> None:
    text = render(document("works", looked_ms=NOW - 60_000), "en", LINKS).decode()
    assert TEXTS["en"]["blind"] in text
    assert TEXTS["en"]["all_works"] not in text


def test_an_altered_record_is_said() -> None:
    assert TEXTS["en"]["altered"] in render(document("works", record_altered=True), "en", LINKS).decode()


def test_durations_are_measured_and_rounded_down() -> None:
    assert duration(0, "en") == "0 s"
    assert duration(65_900, "en") == "1 min 5 s"
    assert duration(3_600_000 * 27, "ko") == "1일 3시간"


def test_no_language_lacks_a_text() -> None:
    for language in LANGUAGES:
        assert set(TEXTS[language]) == set(TEXTS["en"])
        assert len(UNITS[language]) == len(UNITS["en"])
        for key, text in TEXTS[language].items():
            places = sorted(name for _, name, _, _ in Formatter().parse(text) if name)
            assert places == sorted(name for _, name, _, _ in Formatter().parse(TEXTS["en"][key]) if name), key
        assert {feature.key for feature in FEATURES} <= set(TEXTS[language])
