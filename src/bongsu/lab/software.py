"""A later version of Bongsu for one site: a copy of this one, whose tables have more columns.

So a laboratory can be upgraded under load, site by site, while the version before still serves beside it.
"""

import shutil
from pathlib import Path
from typing import Final

from bongsu.lab import view
from bongsu.lab.description import Place

_MIGRATIONS: Final = Path("bongsu/store/migrations")
_FIRST: Final = 9001  # far behind the real ones
_TABLES: Final = ("events", "members", "users")  # what every message reads or writes, and what every request does


def upgrade(place: Place) -> int:
    """Makes the next version for this site, which its worker runs from its next start on; the version's number."""
    number = _version(place) + 1
    unfinished = place.folder / "software.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    source = place.software if place.software.exists() else view.source_folder()
    shutil.copytree(source / "bongsu", unfinished / "bongsu", ignore=shutil.ignore_patterns("__pycache__"))
    name = f"{_FIRST + number - 1}_later.expand.sql"
    (unfinished / _MIGRATIONS / name).write_text(_expand(number), encoding="utf-8")
    _replace(place, unfinished)
    return number


def _version(place: Place) -> int:
    """0: the one that put the laboratory up."""
    return len(list((place.software / _MIGRATIONS).glob("9???_later.expand.sql")))


def _expand(number: int) -> str:
    return "".join(f"ALTER TABLE {table} ADD COLUMN later_{number} text;\n" for table in _TABLES)


def _replace(place: Place, unfinished: Path) -> None:
    """The running worker has read its modules; what it has not, it may read from either version."""
    before = place.folder / "software.old"
    shutil.rmtree(before, ignore_errors=True)
    if place.software.exists():
        place.software.rename(before)
    unfinished.rename(place.software)
