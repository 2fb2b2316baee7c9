"""`python -m tests.conformance`: runs the tests that speak the protocol; writes docs/conformance.md from what they saw.

    --seen FOLDER     what is seen is kept there and added to; with --no-run nothing is run
    --list            nothing is run: only what answers at all is brought up to date
    --missing         nothing is written: the documented answers that no test saw are listed

It needs the Matrix specification's files: see tests/api/schema.py.
"""

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import aiohttp

from tests.api.allowed import allowed
from tests.api.schema import ROOT, VARIABLE, Specification, specification
from tests.seen import VARIABLE as SEEN
from tests.seen import Sight, sights
from tests.server import Server, data_folder

DOCUMENT = ROOT / "docs" / "conformance.md"
FOLDERS = ("tests/api", "tests/clients", "tests/hostile", "tests/order")
_WORKS, _REFUSES, _LACKS = "works", "refuses", "not there"
_FILES_SHOWN = 3
_HEAD = """# Conformance

Every operation of the Matrix client-server API, whether it works, the HTTP statuses that tests saw, and the tests that
saw them. An operation *refuses* where Bongsu answers as documented, but with errors alone: what it is for is not to be
had here. The answers were checked against the specification's schemas. Written by `make conformance`; a test compares
the second column with the server.

"""
_COLUMNS = "| operation | | statuses | tests |\n|---|---|---|---|\n"
_ROW = re.compile(r"\| `(?P<method>[A-Z]+) (?P<path>\S+)` (?P<name>\w+) \| (?P<works>[a-z ]+) \| (?P<seen>.*) \|")


class Row(NamedTuple):
    """One operation as the document tells of it. is_there: is it answered? seen: the last two columns."""

    method: str
    path: str
    name: str
    is_there: bool
    seen: str

    def line(self) -> str:
        return f"| `{self.method} {self.path}` {self.name} | {self.verdict} | {self.seen} |"

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in self.seen.partition(" |")[0].split()]

    @property
    def verdict(self) -> str:
        if not self.is_there:
            return _LACKS
        return _WORKS if not self.statuses or min(self.statuses) < 400 else _REFUSES


def rows(text: str) -> list[Row]:
    """What the document says."""
    found = (_ROW.fullmatch(line) for line in text.splitlines())
    return [Row(m["method"], m["path"], m["name"], m["works"] != _LACKS, m["seen"]) for m in found if m is not None]


def render(table: Iterable[Row]) -> str:
    told = list(table)
    count = [row.verdict for row in told].count
    sums = f"Of {len(told)}, {count(_WORKS)} work, {count(_REFUSES)} refuse, {count(_LACKS)} are not there."
    return f"{_HEAD}{sums}\n\n{_COLUMNS}" + "\n".join(row.line() for row in told) + "\n"


# --- what answers ---


async def answering(told: Specification, base_url: str) -> set[tuple[str, str]]:
    """(method, path) of the operations that a running server answers."""
    found = set()
    async with aiohttp.ClientSession(base_url) as http:
        for each in told.endpoints():
            if each["method"] in await allowed(http, each["path"]):
                found.add((each["method"], each["path"]))
    return found


def _answering(told: Specification) -> set[tuple[str, str]]:
    with data_folder() as data_dir:
        server = Server.start(data_dir, "--password-hashing", "fast")
        return asyncio.run(answering(told, server.base_url))


# --- what was seen ---


def by_operation(told: Specification, noted: Iterable[Sight]) -> dict[str, list[Sight]]:
    """What was seen of each operation, by its name."""
    found: dict[str, list[Sight]] = {}
    for sight in noted:
        name = told.name_of(sight.method, sight.path)
        if name is not None:
            found.setdefault(name, []).append(sight)
    return found


def _columns(seen: Iterable[Sight]) -> str:
    statuses = " ".join(map(str, sorted({sight.status for sight in seen})))
    by_file: dict[str, set[str]] = {}
    for sight in seen:
        file, _, test = sight.test.partition("::")
        if test:
            by_file.setdefault(file, set()).add(test)
    most = sorted(by_file, key=lambda file: (-len(by_file[file]), file))
    files = ", ".join(file.removeprefix("tests/") for file in most[:_FILES_SHOWN])
    more = ", …" if len(most) > _FILES_SHOWN else ""
    return f"{statuses} | {sum(map(len, by_file.values()))} in {files}{more}" if by_file else " | "


def table(told: Specification, works: set[tuple[str, str]], seen: Mapping[str, str]) -> list[Row]:
    """seen: the last two columns by operation."""
    made = []
    for each in told.endpoints():
        key, name = (each["method"], each["path"]), each["operationId"]
        made.append(Row(*key, name, key in works, seen.get(name, " | ") if key in works else " | "))
    return made


def missing(told: Specification, seen: Mapping[str, list[Sight]], works: set[tuple[str, str]]) -> list[str]:
    """The documented answers of the operations that work which no test saw."""
    lines = []
    for each in told.endpoints():
        had = {sight.status for sight in seen.get(each["operationId"], ())}
        lacks = [status for status in told.statuses(each["operationId"]) if status not in had]
        if lacks and (each["method"], each["path"]) in works:
            lines.append(f"{each['method']} {each['path']} {each['operationId']}: {' '.join(map(str, lacks))}")
    return lines


# --- the command ---


def _run(folder: Path) -> int:
    environment = {**os.environ, SEEN: str(folder)}
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", *FOLDERS]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance")
    parser.add_argument("--seen", type=Path, help="folder of what is seen, added to")
    parser.add_argument("--no-run", action="store_true", help="run nothing: take what is in the folder")
    parser.add_argument("--list", action="store_true", help="bring up to date which operations answer")
    parser.add_argument("--missing", action="store_true", help="list documented answers that no test saw")
    return parser.parse_args()


def main() -> int:
    told = specification()
    if told is None:
        sys.exit(f"the Matrix specification is not here: name its folder in {VARIABLE}")
    asked = _asked()
    if asked.list:
        seen = {row.name: row.seen for row in rows(DOCUMENT.read_text("utf-8"))}
        DOCUMENT.write_text(render(table(told, _answering(told), seen)), "utf-8")
        return 0
    folder = asked.seen or Path(tempfile.mkdtemp(prefix="bongsu-seen-"))
    failed = 0 if asked.no_run else _run(folder)
    found = by_operation(told, sights(folder))
    works = _answering(told)
    if asked.missing:
        print("\n".join(missing(told, found, works)))
    else:
        columns = {name: _columns(noted) for name, noted in found.items()}
        DOCUMENT.write_text(render(table(told, works, columns)), "utf-8")
    return failed


if __name__ == "__main__":
    sys.exit(main())
