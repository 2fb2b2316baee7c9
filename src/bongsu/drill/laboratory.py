"""The lab as a drill sees it (`Sites`): who leads, what can be done to it, and what it is made of."""

import platform
import subprocess
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import msgspec

from bongsu.drill.drill import Unprepared
from bongsu.drill.scenes import SCENES, playable
from bongsu.lab import Lab, LabFailed
from bongsu.lab.faults import possible
from bongsu.lab.status import SiteStatus

_PACKAGES: Final = ("bongsu", "patroni", "asyncpg", "uvloop", "matrix-nio")
_SECRET: Final = ("password", "secret", "token", "key")


def open_lab(folder: Path) -> "LabSites":
    """The lab that runs in this folder. Raises Unprepared when there is none."""
    try:
        return LabSites(Lab.load(folder))
    except LabFailed as error:
        raise Unprepared(str(error)) from None


class LabSites:
    """Implements `bongsu.drill.faults.Sites`."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab

    @property
    def names(self) -> Sequence[str]:
        return list(self._lab.sites)

    def url(self, site: str) -> str:
        return self._lab.url(site)

    def fault(self, name: str, site: str) -> None:
        self._lab.fault(name, site)

    def heal(self, site: str) -> None:
        self._lab.heal(site)

    def faults(self) -> Collection[str]:
        return possible(self._lab.description)

    def roles(self) -> Mapping[str, str]:
        """A standby that no commit waits for has not come back yet."""
        return {site.name: site.role if _is_useful(site) else "down" for site in self._lab.status().sites}

    def described(self) -> dict[str, Any]:
        told = self._lab.description
        versions = _versions()
        versions["postgresql"] = _first_line(Path(told.postgres_bin) / "postgres", "--version")
        versions["etcd"] = _first_line(Path(told.etcd), "--version")
        left_out = sorted(set(SCENES) - set(playable(self.faults())))
        return {
            "versions": versions,
            "configuration": {"lab": _open(msgspec.to_builtins(told))},
            "left_out": left_out,
        }


def _is_useful(site: SiteStatus) -> bool:
    return bool(site.serves and site.etcd and (site.database == "leader" or site.is_synchronous))


def _open(value: Any) -> Any:
    """Without whatever is called a secret."""
    if isinstance(value, dict):
        return {name: _open(part) for name, part in value.items() if not any(word in name for word in _SECRET)}
    return [_open(part) for part in value] if isinstance(value, list | tuple) else value


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _first_line(program: Path, option: str) -> str:
    done = subprocess.run([program, option], capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.partition("\n")[0]
