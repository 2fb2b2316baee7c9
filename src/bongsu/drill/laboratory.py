"""The lab as a drill sees it (`Sites`): its names for faults, who leads, and what it is made of."""

import importlib
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from bongsu import __version__
from bongsu.drill.drill import Unprepared

_PACKAGES: Final = ("patroni", "asyncpg", "uvloop", "matrix-nio")


def open_lab(folder: Path) -> "LabSites":
    """The lab that runs in this folder. Raises Unprepared when there is none."""
    lab = importlib.import_module("bongsu.lab").Lab
    try:
        return LabSites(lab(folder))
    except FileNotFoundError:
        raise Unprepared(f"there is no lab in {folder}: start one with `bongsu lab up --detach`") from None


class LabSites:
    """Implements `bongsu.drill.faults.Sites`."""

    def __init__(self, lab: Any) -> None:
        self._lab = lab

    @property
    def names(self) -> Sequence[str]:
        return [site.name for site in self._lab.sites]

    def url(self, site: str) -> str:
        url: str = self._lab.url(site)
        return url

    def fault(self, name: str, site: str) -> None:
        self._lab.fault(name, site)

    def heal(self, site: str) -> None:
        self._lab.heal(site)

    def roles(self) -> Mapping[str, str]:
        return {site["name"]: site["role"] for site in self._lab.status()["sites"]}

    def described(self) -> dict[str, Any]:
        return {"versions": _versions(), "configuration": {}}


def _versions() -> dict[str, str]:
    found = {"bongsu": __version__, "python": platform.python_version(), "kernel": platform.release()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
