"""What can happen to a site: every fault, what it does, and how it is taken back.

A fault returns when it has happened, not when its effects are over. heal() takes back whatever was done to a site.
"""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from bongsu.lab import power, processes, software
from bongsu.lab.description import Description
from bongsu.lab.disks import Disks
from bongsu.lab.network import Network, NoNetwork
from bongsu.lab.programs import ETCD, PATRONI, WORKER, Programs
from bongsu.lab.wire import Length, wished

SLOW: Final = Length(delay_ms=50.0, loss_percent=1.0)  # a cable to another continent, and a bad one


class UnknownFault(Exception):
    """There is no fault, or no site, of this name."""


class Faults:
    """Does things to the sites of one laboratory, from whichever process asks."""

    def __init__(self, description: Description, network: Network, programs: Programs) -> None:
        self._lab = description
        self._network = network
        self._disks = Disks(description)
        self._programs = programs

    def do(self, name: str, site: str) -> None:
        """Raises UnknownFault, NetworkFailed, DiskFailed."""
        self._check(site)
        if name not in FAULTS:
            raise UnknownFault(f"there is no fault {name}; there are {', '.join(FAULTS)}")
        FAULTS[name](self, site)
        if name not in _MOMENTARY:
            self._note(site, name)

    def heal(self, site: str) -> None:
        """The site is whole again; what was killed starts. Twice does nothing more."""
        self._check(site)
        self._programs.processes(site).thaw()
        self._network.heal(site)
        if "slow" in self.done(site):
            self._network.stretch(site, wished(self._lab))
        self._disks.empty(site)
        self._lab.place(site).faults.write_text("")
        with power.switched(self._lab.place(site).power, on=True):
            pass

    def done(self, site: str) -> list[str]:
        path = self._lab.place(site).faults
        return path.read_text().split() if path.exists() else []

    def _note(self, site: str, name: str) -> None:
        noted = self.done(site)
        self._lab.place(site).faults.write_text("\n".join([*(one for one in noted if one != name), name]))

    def _check(self, site: str) -> None:
        names = [one.name for one in self._lab.cluster.sites]
        if site not in names:
            raise UnknownFault(f"there is no site {site}; there are {', '.join(names)}")

    # --- the faults ---

    def power_off(self, site: str) -> None:
        """Its network goes first: a site without power sends no farewell to whom it talked to.

        Without namespaces it can only be killed, and the kernel says farewell in its place.
        """
        with suppress(NoNetwork):
            self._network.cut(site)
        with power.switched(self._lab.place(site).power, on=False):
            self._programs.processes(site).kill()

    def cut(self, site: str) -> None:
        self._network.cut(site)

    def cut_out(self, site: str) -> None:
        self._network.cut_out(site)

    def cut_in(self, site: str) -> None:
        self._network.cut_in(site)

    def cut_sites(self, site: str) -> None:
        """From the other sites, both ways; its clients still reach it."""
        self._network.cut_out(site)
        self._network.cut_in(site)

    def slow(self, site: str) -> None:
        """What it sends and what is sent to it takes long, and some is lost."""
        self._network.stretch(site, SLOW)

    def freeze(self, site: str) -> None:
        self._programs.processes(site).freeze()

    def disk_full(self, site: str) -> None:
        self._disks.fill(site)

    def kill_postgres(self, site: str) -> None:
        """The postmaster alone, as a crash would end it: its children see it and go."""
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = int((self._lab.place(site).postgres / "postmaster.pid").read_text().split(maxsplit=1)[0])
            os.kill(pid, signal.SIGKILL)

    def kill_patroni(self, site: str) -> None:
        self._kill(site, PATRONI)

    def kill_worker(self, site: str) -> None:
        self._kill(site, WORKER)

    def kill_etcd(self, site: str) -> None:
        self._kill(site, ETCD)

    def stop_worker(self, site: str) -> None:
        """Asked to end (SIGTERM), as a rolling restart does; it is started again when it has."""
        self._signal(site, WORKER, signal.SIGTERM)

    def upgrade_worker(self, site: str) -> None:
        """As stop_worker; what starts is a later version of Bongsu, which wants more of the tables. It stays."""
        software.upgrade(self._lab.place(site))
        self.stop_worker(site)

    def freeze_patroni(self, site: str) -> None:
        self._signal(site, PATRONI, signal.SIGSTOP)

    def _kill(self, site: str, program: str) -> None:
        self._signal(site, program, signal.SIGKILL)

    def _signal(self, site: str, program: str, number: signal.Signals) -> None:
        for pid in self.pids(site, program):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def pids(self, site: str, program: str) -> list[int]:
        """Of one program of a site, as its command line says."""
        return processes.saying(self._programs.processes(site).pids(), _TRAITS[program])


_TRAITS: Final = {ETCD: "--initial-cluster-token=", PATRONI: "bongsu.cluster.patroni", WORKER: " bongsu serve "}

FAULTS: Final[dict[str, Callable[[Faults, str], None]]] = {
    "power_off": Faults.power_off,
    "cut": Faults.cut,
    "cut_sites": Faults.cut_sites,
    "cut_out": Faults.cut_out,
    "cut_in": Faults.cut_in,
    "slow": Faults.slow,
    "freeze": Faults.freeze,
    "freeze_patroni": Faults.freeze_patroni,
    "disk_full": Faults.disk_full,
    "kill_postgres": Faults.kill_postgres,
    "kill_patroni": Faults.kill_patroni,
    "kill_worker": Faults.kill_worker,
    "stop_worker": Faults.stop_worker,
    "upgrade_worker": Faults.upgrade_worker,
    "kill_etcd": Faults.kill_etcd,
}
_MOMENTARY: Final = {  # nothing to heal
    *("kill_postgres", "kill_patroni", "kill_worker", "stop_worker", "upgrade_worker", "kill_etcd"),
}


def possible(lab: Description) -> list[str]:
    """The faults that this laboratory, as it was put up, can do."""
    missing = set() if lab.has_namespaces else {name for name in FAULTS if name.startswith("cut")}
    if not lab.wishes.disk_mb:
        missing.add("disk_full")
    if not (lab.has_namespaces and lab.wishes.has_wires):
        missing.add("slow")
    return [name for name in FAULTS if name not in missing]
