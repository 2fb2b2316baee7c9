"""What a laboratory is, as its file DIR/lab.json says: everything else follows from it.

Below DIR each site has a folder: etcd, a disk with postgres and bongsu (media and the like), logs, and two small files
that every process of the laboratory obeys: `power` (on or off) and `faults` (what was done to it).
"""

from pathlib import Path
from typing import Final

import msgspec

from bongsu.cluster.topology import Cluster, Site

SITES: Final = ("seoul", "daejeon", "busan")
FILE: Final = "lab.json"
SERVER_NAME: Final = "lab.bongsu"


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the person who puts it up may choose.

    delay_ms, loss_percent: one way, between any two sites; None: the cables cost nothing and cannot be made longer.
    disk_mb: of each site's own small disk; 0: it has none of its own.
    """

    profile: str = "fast"
    delay_ms: float | None = None
    loss_percent: float | None = None
    disk_mb: int = 0
    rate_limits: bool = False
    open_registration: bool = True
    etcd: str | None = None

    @property
    def has_wires(self) -> bool:
        return self.delay_ms is not None or self.loss_percent is not None


class User(msgspec.Struct, frozen=True):
    """Whom the sites' processes run as. switch: root starts them and they become this user."""

    uid: int
    gid: int
    switch: bool


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """number: tells this laboratory from others on this machine, in addresses and names."""

    folder: str
    number: int
    has_namespaces: bool
    cluster: Cluster
    user: User
    etcd: str
    postgres_bin: str
    wishes: Wishes

    def index(self, site: str) -> int:
        """1, 2, 3: the last part of a site's address. Raises KeyError."""
        return self.cluster.sites.index(self.cluster.site(site)) + 1

    @property
    def name(self) -> str:
        """Of its bridge, and the beginning of other names: fits the 15 characters of a network device."""
        return f"bongsu{self.number}"

    def namespace(self, site: str) -> str | None:
        return f"{self.name}-{site}" if self.has_namespaces else None

    def place(self, site: str) -> "Place":
        return Place(Path(self.folder) / site)


class Place(msgspec.Struct, frozen=True):
    """The folders and files of one site."""

    folder: Path

    @property
    def etcd(self) -> Path:
        return self.folder / "etcd"

    @property
    def disk(self) -> Path:
        return self.folder / "disk"

    @property
    def postgres(self) -> Path:
        return self.disk / "postgres"

    @property
    def bongsu(self) -> Path:
        return self.disk / "bongsu"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def software(self) -> Path:
        """A later version of Bongsu than the one that put the laboratory up, where the site has one."""
        return self.folder / "software"

    @property
    def patroni_settings(self) -> Path:
        return self.folder / "patroni.yml"

    @property
    def passwords(self) -> Path:
        return self.folder / "pgpass"

    @property
    def first_statements(self) -> Path:
        return self.folder / "first.sql"

    @property
    def power(self) -> Path:
        return self.folder / "power"

    @property
    def faults(self) -> Path:
        return self.folder / "faults"


def addresses(number: int, *, has_namespaces: bool) -> Cluster:
    network = f"10.77.{number}" if has_namespaces else f"127.0.{77 + number}"
    return Cluster(tuple(Site(name, f"{network}.{index}") for index, name in enumerate(SITES, start=1)))


def host_address(number: int) -> str:
    """Of this machine, in the sites' network."""
    return f"10.77.{number}.254"


def network(description: Description) -> str:
    """From where the sites' databases are reached. Whoever comes from this machine has its first loopback address."""
    return f"10.77.{description.number}.0/24" if description.has_namespaces else "127.0.0.0/8"


def write(description: Description) -> None:
    """Replaces the file in one step. Programs find the sites in it without knowing more of it."""
    path = Path(description.folder) / FILE
    told = msgspec.to_builtins(description)
    told["sites"] = [
        {
            "name": site.name,
            "url": site.url,
            "address": site.address,
            "namespace": description.namespace(site.name),
            "folder": str(description.place(site.name).folder),
            "patroni": site.patroni_url,
            "etcd": site.etcd_url,
        }
        for site in description.cluster.sites
    ]
    unfinished = path.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")
    unfinished.rename(path)


def read(folder: Path) -> Description:
    """Raises FileNotFoundError when no laboratory was made there."""
    return msgspec.json.decode((folder / FILE).read_bytes(), type=Description)
