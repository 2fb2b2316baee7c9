"""The network between the sites of a laboratory, and how it is cut.

Root has a network namespace for each site, joined by a bridge of this machine. A cut is silent, as a burnt or cut-off
site is: nothing is refused, no carrier is lost, packets go nowhere. A whole site is cut at its port of the bridge; one
direction between two sites is cut by an address of the link layer that nobody has.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from bongsu.cluster.settings import KERNEL
from bongsu.cluster.topology import HTTP_PORT
from bongsu.lab import processes, view, wire
from bongsu.lab.description import Description, host_address
from bongsu.lab.wire import Length, WireFailed

NOBODY: Final = "02:62:6f:6e:00:00"
HOST: Final = 254
NUMBERS: Final = range(256)
DEVICE: Final = "eth0"
ALIAS_BYTES_MAX: Final = 255
_DISABLED, _FORWARDING = "0", "3"  # states of a bridge's port


class NetworkFailed(Exception):
    """The machine does not do what was asked of its network; the message says what and why."""


class NoNetwork(NetworkFailed):
    """There is no network between the sites that could be cut."""


class Network(Protocol):
    def up(self) -> None: ...

    def down(self) -> None: ...

    def is_anothers(self) -> bool: ...

    def cut(self, site: str) -> None:
        """Nothing reaches the site or leaves it."""

    def cut_out(self, site: str) -> None:
        """Nothing from this site reaches the other sites; clients, and what the others send, do."""

    def cut_in(self, site: str) -> None:
        """Nothing from the other sites reaches this site; clients, and what it sends, do."""

    def heal(self, site: str) -> None: ...

    def stretch(self, site: str, length: Length) -> None:
        """Makes its cable longer. Raises WireFailed."""


def of(description: Description) -> Network:
    return Namespaces(description) if description.has_namespaces else Loopback()


def has_namespaces() -> bool:
    """Can this process make network namespaces and bridges?"""
    name = f"bongsu-trial-{id(NOBODY) % 10_000}"
    if shutil.which("ip") is None or shutil.which("bridge") is None:
        return False
    made = _run(["ip", "netns", "add", name])
    _run(["ip", "netns", "del", name])
    return made is None


def claim(folder: str) -> int:
    """A number no other laboratory has: whose bridge could be made first. It says which folder it belongs to."""
    for number in NUMBERS:
        if claim_again(number, folder):
            return number
    raise NetworkFailed("no bridge can be made for the sites: see what `ip link add trial type bridge` says")


def claim_again(number: int, folder: str) -> bool:
    """False when another laboratory has this number."""
    name = f"bongsu{number}"
    if _run(["ip", "link", "add", name, "type", "bridge", "forward_delay", "0", "stp_state", "0"]) is not None:
        return False
    _do(["ip", "link", "set", name, "alias", folder[:ALIAS_BYTES_MAX]])
    return True


def remove_left(folder: str) -> None:
    """What stands for this folder although the folder no longer says so: it was removed by hand."""
    for path in Path("/sys/class/net").glob("bongsu*"):
        if _claimed_for(path.name) == folder[:ALIAS_BYTES_MAX]:
            _remove_named(path.name)


def _claimed_for(bridge: str) -> str | None:
    """The folder of the laboratory that has it. None: there is no such bridge."""
    with suppress(OSError):
        return (Path("/sys/class/net") / bridge / "ifalias").read_text().rstrip("\n")
    return None


def _remove_named(name: str) -> None:
    for group in processes.groups(name):
        group.kill()
        group.remove()
    for port in Path("/sys/class/net").glob(f"{name}.*"):
        _run(["ip", "link", "del", port.name])
    for namespace in Path("/run/netns").glob(f"{name}-*"):
        _run(["ip", "netns", "del", namespace.name])
    _run(["ip", "link", "del", name])


def free_loopback() -> int:
    """A number whose loopback addresses nobody listens on."""
    return next(number for number in range(128) if _is_free(f"127.0.{77 + number}.1"))


def _is_free(address: str) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, HTTP_PORT))
        except OSError:
            return False
        return True


class Loopback:
    """Addresses of this machine's own loopback: there is nothing between the sites that could be cut."""

    def up(self) -> None:
        pass

    def down(self) -> None:
        pass

    def is_anothers(self) -> bool:
        return False

    def cut(self, site: str) -> None:
        self._cannot()

    def cut_out(self, site: str) -> None:
        self._cannot()

    def cut_in(self, site: str) -> None:
        self._cannot()

    def heal(self, site: str) -> None:
        pass

    def stretch(self, site: str, length: Length) -> None:
        self._cannot()

    def _cannot(self) -> None:
        raise NoNetwork(
            "without root the sites share this machine's loopback, which cannot be cut:"
            " run `bongsu lab up` as root, or use burn (power off) or freeze"
        )


class Namespaces:
    """A namespace for each site, a bridge between them; this machine has an address there, for clients."""

    def __init__(self, description: Description) -> None:
        self._lab = description
        self._bridge = description.name
        self._sites = [site.name for site in description.cluster.sites]
        self._mark = f"{description.folder}/wire"
        self._carriers = processes.of_site(f"{description.name}.wire", self._mark)
        self._netem: bool | None = None

    # --- making and removing ---

    def up(self) -> None:
        """The bridge is there already: it is how the number was claimed."""
        _do(["ip", "link", "set", self._bridge, "address", self._mac(HOST), "up"])
        _do(["ip", "addr", "replace", f"{host_address(self._lab.number)}/24", "dev", self._bridge])
        for site in self._sites:
            _do(["ip", "netns", "add", self._namespace(site)])
        self._lay_cables()
        for site in self._sites:
            self._connect(site)
        for site in self._sites:
            self.heal(site)

    def _lay_cables(self) -> None:
        """Between each site and the bridge. Long ones only where that was asked for: they cost something."""
        has_wires = self._lab.wishes.has_wires
        if has_wires:
            for site in self._sites:
                wire.set_length(Path(self._lab.folder), site, wire.wished(self._lab))
        if has_wires and not self._has_netem():
            self._carriers.make()
            wire.start(self._lab, self._environment(), self._carriers.group)
            return
        for site in self._sites:
            names = ["name", DEVICE, "netns", self._namespace(site)]
            _do(["ip", "link", "add", self._port(site), "type", "veth", "peer", *names])

    def _connect(self, site: str) -> None:
        namespace, port = self._namespace(site), self._port(site)
        _do(["ip", "link", "set", port, "master", self._bridge, "up"])
        self._inside(
            site,
            "link set lo up",
            f"link set {DEVICE} address {self._mac(self._lab.index(site))} up",
            f"addr add {self._lab.cluster.site(site).address}/24 dev {DEVICE}",
        )
        for name, value in KERNEL.items():
            _do(["ip", "netns", "exec", namespace, "sysctl", "-qw", f"{name}={value}"])
        if self._lab.wishes.has_wires and self._has_netem():
            self.stretch(site, wire.lengths(Path(self._lab.folder))[site])

    def is_anothers(self) -> bool:
        """Does another laboratory have the number since this one went down?"""
        return _claimed_for(self._bridge) not in {None, self._lab.folder[:ALIAS_BYTES_MAX]}

    def down(self) -> None:
        """Also what a laboratory left that was killed half-way. The other end of each cable goes with its namespace."""
        self._carriers.kill()
        self._carriers.remove()
        for site in self._sites:
            _run(["ip", "link", "del", self._port(site)])
            _run(["ip", "netns", "del", self._namespace(site)])
        _run(["ip", "link", "del", self._bridge])

    # --- cutting and healing ---

    def cut(self, site: str) -> None:
        self._set_port(site, _DISABLED)

    def cut_out(self, site: str) -> None:
        others = [self._lab.index(other) for other in self._others(site)]
        self._inside(site, *(self._neighbour(other, NOBODY) for other in others))

    def cut_in(self, site: str) -> None:
        for other in self._others(site):
            self._inside(other, self._neighbour(self._lab.index(site), NOBODY))

    def heal(self, site: str) -> None:
        """Every address that leads to or from this site is right again."""
        mine = self._lab.index(site)
        everybody = [*map(self._lab.index, self._others(site)), HOST]
        self._inside(site, *(self._neighbour(one, self._mac(one)) for one in everybody))
        for other in self._others(site):
            self._inside(other, self._neighbour(mine, self._mac(mine)))
        _batch(["ip"], [self._neighbour(mine, self._mac(mine), self._bridge)])
        self._set_port(site, _FORWARDING)

    def stretch(self, site: str, length: Length) -> None:
        if not self._lab.wishes.has_wires:
            raise WireFailed("the cables are short: put the laboratory up with --delay-ms (0 will do) to change them")
        wire.set_length(Path(self._lab.folder), site, length)
        if self._has_netem():
            _do(wire.netem(self._port(site), length))
            _do(wire.netem(DEVICE, length, namespace=self._namespace(site)))

    def _has_netem(self) -> bool:
        if self._netem is None:
            self._netem = wire.has_netem()
        return self._netem

    def _set_port(self, site: str, state: str) -> None:
        _do(["bridge", "link", "set", "dev", self._port(site), "state", state])

    # --- names ---

    def _others(self, site: str) -> list[str]:
        return [other for other in self._sites if other != site]

    def _namespace(self, site: str) -> str:
        return f"{self._lab.name}-{site}"

    def _port(self, site: str) -> str:
        return f"{self._lab.name}.{self._lab.index(site)}"

    def _mac(self, index: int) -> str:
        return f"02:62:6f:6e:{self._lab.number:02x}:{index:02x}"

    def _neighbour(self, index: int, mac: str, device: str = DEVICE) -> str:
        """Fixed addresses: nothing is asked for, so a cut is silent from its first packet on."""
        return f"neigh replace 10.77.{self._lab.number}.{index} lladdr {mac} nud permanent dev {device}"

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(view.source_folder()), processes.MARK: self._mark}

    def _inside(self, site: str, *commands: str) -> None:
        _batch(["ip", "-n", self._namespace(site)], commands)


# --- commands ---


def _run(command: Sequence[str], said: str = "") -> str | None:
    """What went wrong, or None."""
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=False)  # noqa: S603
    return None if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def _do(command: Sequence[str], said: str = "") -> None:
    wrong = _run(command, said)
    if wrong is not None:
        raise NetworkFailed(f"{' '.join(command)}: {wrong}")


def _batch(command: Sequence[str], lines: Sequence[str]) -> None:
    _do([*command, "-batch", "-"], "\n".join(lines) + "\n")
