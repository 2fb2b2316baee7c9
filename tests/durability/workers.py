"""Three workers on one database as the drill's sites: the smallest thing that it can hurt."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bongsu import __version__
from tests.server import Server


class Workers:
    """Implements `bongsu.drill.faults.Sites` with kill -9 alone. The first living worker is called the leader."""

    def __init__(self, data_dir: Path) -> None:
        self._servers = {name: Server.start(data_dir) for name in ("hanyang", "dongnae", "uiju")}

    @property
    def names(self) -> Sequence[str]:
        return list(self._servers)

    def url(self, site: str) -> str:
        return self._servers[site].base_url

    def fault(self, name: str, site: str) -> None:
        assert name in self.faults(), f"workers know no {name}"
        self._servers[site].kill()

    def heal(self, site: str) -> None:
        self._servers[site].restart()

    def roles(self) -> Mapping[str, str]:
        roles = {name: "standby" if server.alive else "down" for name, server in self._servers.items()}
        living = [name for name, role in roles.items() if role != "down"]
        return roles | dict.fromkeys(living[:1], "leader")

    def faults(self) -> Sequence[str]:
        return ("kill_worker", "power_off")

    def described(self) -> dict[str, Any]:
        return {"versions": {"bongsu": __version__}, "configuration": {"workers": len(self._servers)}}
