"""Which operations of the protocol a test run asked for, with which answers: written down where BONGSU_TEST_SEEN says.

Every request that a test makes in its own process is noted, whatever client made it. Each process appends to a file of
its own, a line for everything new, so that runs with several processes, and several runs, add up.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

VARIABLE = "BONGSU_TEST_SEEN"


class Sight(NamedTuple):
    """One kind of answer in one test. path: as it was asked for; test: file::name, without its parameters."""

    method: str
    path: str
    status: int
    test: str


class _Notes:
    """One process's file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"{os.getpid()}.tsv").open("a", buffering=1, encoding="utf-8")
        self._known: set[Sight] = set()

    def add(self, sight: Sight) -> None:
        if sight not in self._known:
            self._known.add(sight)
            self._file.write("\t".join(map(str, sight)) + "\n")


@cache
def _notes() -> _Notes | None:
    named = os.environ.get(VARIABLE)
    return _Notes(Path(named)) if named else None


def note(method: str, path: str, status: int, body: Any = None) -> None:
    """Notes one answer, if a folder is named."""
    notes = _notes()
    if notes is not None:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").partition("[")[0].partition(" ")[0]
        notes.add(Sight(method.upper(), _told_apart(path, body), status, test))


def listen() -> None:
    """Notes every answer that aiohttp brings to this process from now on, if a folder is named."""
    if os.environ.get(VARIABLE):
        _listen()


def _listen() -> None:
    asked = aiohttp.ClientSession._request

    async def ask(session: Any, method: str, url: Any, **options: Any) -> Any:
        response = await asked(session, method, url, **options)
        note(method, response.url.raw_path_qs, response.status, options.get("json"))
        return response

    aiohttp.ClientSession._request = ask  # type: ignore[method-assign, assignment]


def _told_apart(address: str, body: Any) -> str:
    """The path, and of the query and the body what two operations with one path differ in."""
    path, _, query = address.partition("?")
    if path.endswith("/events") and "room_id=" in query:
        return f"{path}?room_id"
    return f"{path}?medium" if isinstance(body, dict) and "medium" in body else path


def sights(folder: Path) -> Iterator[Sight]:
    """All that was noted there."""
    for file in sorted(folder.glob("*.tsv")):
        for line in file.read_text("utf-8").splitlines():
            method, path, status, test = line.split("\t")
            yield Sight(method, path, int(status), test)
