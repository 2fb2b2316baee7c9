"""Which sites there are, and where each of their parts answers."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

import msgspec

HTTP_PORT: Final = 8008
PATRONI_PORT: Final = 8009
POSTGRES_PORT: Final = 5432
ETCD_PORT: Final = 2379
ETCD_PEER_PORT: Final = 2380


class Site(msgspec.Struct, frozen=True):
    """One site. All its parts answer on one address; clients reach its workers at `url`."""

    name: str
    address: str
    http_port: int = HTTP_PORT
    patroni_port: int = PATRONI_PORT
    postgres_port: int = POSTGRES_PORT
    etcd_port: int = ETCD_PORT
    etcd_peer_port: int = ETCD_PEER_PORT

    @property
    def url(self) -> str:
        return f"http://{self.address}:{self.http_port}"

    @property
    def patroni_url(self) -> str:
        return f"http://{self.address}:{self.patroni_port}"

    @property
    def etcd_url(self) -> str:
        return f"http://{self.address}:{self.etcd_port}"

    @property
    def etcd_peer_url(self) -> str:
        return f"http://{self.address}:{self.etcd_peer_port}"


class Cluster(msgspec.Struct, frozen=True):
    """All sites of one server, in an order that never changes. Three: two of them decide."""

    sites: tuple[Site, ...]
    scope: str = "bongsu"

    def site(self, name: str) -> Site:
        """Raises KeyError."""
        return {site.name: site for site in self.sites}[name]

    def others(self, name: str) -> list[Site]:
        return [site for site in self.sites if site.name != name]

    def local_first(self, name: str) -> list[Site]:
        """The near one first: a program that asks them in turn then asks through no other site."""
        return [self.site(name), *self.others(name)]

    def peers(self, name: str) -> list[str]:
        """The other sites, as the setting `peers` has them."""
        return [f"{site.name}={site.url}" for site in self.others(name)]


def dsn(sites: Sequence[Site], *, user: str, password: str, database: str) -> str:
    """postgresql:// address that names these sites' databases, in this order."""
    hosts = ",".join(f"{site.address}:{site.postgres_port}" for site in sites)
    return f"postgresql://{quote(user)}:{quote(password, safe='')}@{hosts}/{database}"
