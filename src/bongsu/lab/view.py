"""Which folders a site's processes cannot walk through, and what they need from behind them."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import bongsu
from bongsu.store.postgres_install import RunAs, reaches


def programs() -> list[Path]:
    """What Python needs: itself, its library, its packages, and Bongsu's own source."""
    return [*map(Path, (sys.executable, sys.prefix, sys.base_prefix)), source_folder()]


def source_folder() -> Path:
    """The folder that has `bongsu` in it."""
    return Path(bongsu.__file__).resolve().parent.parent


def behind_closed_doors(paths: Iterable[Path], who: RunAs) -> dict[str, list[str]]:
    """The closed folders, each with the links, folders and files below it that lead to `paths`."""
    shown: dict[str, set[str]] = {}
    for path in paths:
        for step in _steps(path):
            closed = _closed(step, who)
            if closed is not None:
                shown.setdefault(str(closed), set()).add(str(step))
    return {closed: sorted(steps) for closed, steps in sorted(shown.items())}


def _steps(path: Path) -> Iterator[Path]:
    """Every link on the way to a path, and where it ends."""
    here, todo = Path("/"), list(path.absolute().parts[1:])
    while todo:
        here = here / todo.pop(0)
        if here.is_symlink():
            yield here
            target = here.parent / here.readlink()
            here, todo = Path("/"), [*Path(_without_dots(target)).parts[1:], *todo]
    yield here


def _without_dots(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/" + "/".join(parts)


def _closed(path: Path, who: RunAs) -> Path | None:
    """The topmost folder above a path (its links are resolved) that this user cannot walk through."""
    return next((parent for parent in reversed(path.parents) if not reaches(parent / "any", who)), None)
