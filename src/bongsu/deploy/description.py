"""sites.toml: what an operator says about three sites, parsed once into typed values.

server_name = "example.org"            # in every user id; it can never change
public_name = "chat.example.org"       # where clients go; it resolves to all sites

[[site]]
name = "seoul"
address = "192.0.2.1"                  # how the other sites reach this one
public_name = "seoul.chat.example.org"
"""

import ipaddress
import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from bongsu.cluster.settings import PROFILES, Memory, Profile
from bongsu.config import is_site_name
from bongsu.core.ids import is_server_name

SITES: Final = 3  # two of them decide, so the loss of any one decides nothing
WORKERS_MAX: Final = 64


class DescriptionWrong(Exception):
    """One line: what is wrong in sites.toml."""


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One site. number: 1, 2, 3, in the order of the description; it must stay, for addresses come from it."""

    name: str
    address: str
    public_name: str
    public_address: str = ""
    number: int = 0

    @property
    def internal_name(self) -> str:
        """What its certificate is checked for; nothing resolves it."""
        return f"{self.name}.bongsu.internal"

    @property
    def shown_address(self) -> str:
        """The address clients reach."""
        return self.public_address or self.address


class Deployment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Three sites. postgres_bin: PostgreSQL's programs on the hosts, built with TLS; without it, the package's own."""

    server_name: str
    public_name: str
    sites: Annotated[tuple[Site, ...], Meta(min_length=SITES, max_length=SITES)] = msgspec.field(name="site")
    workers: Annotated[int, Meta(ge=1, le=WORKERS_MAX)] = 2
    backup_place: str = "/srv/bongsu-backup"
    backup_days: Annotated[int, Meta(ge=1, le=3650)] = 30
    open_registration: bool = False
    ssh_port: Annotated[int, Meta(ge=1, le=65535)] = 22
    shared_buffers_mb: Annotated[int, Meta(ge=64)] = 256
    connections: Annotated[int, Meta(ge=20, le=5000)] = 200
    switching: Literal["fast", "supported"] = "fast"
    postgres_bin: str | None = None

    @property
    def profile(self) -> Profile:
        """How soon a silent leader is replaced. "supported" is Patroni as it comes, and takes four times as long."""
        return PROFILES[self.switching]

    @property
    def memory(self) -> Memory:
        return Memory(self.shared_buffers_mb, self.connections)

    def others(self, site: Site) -> list[Site]:
        return [other for other in self.sites if other.name != site.name]

    def local_first(self, site: Site) -> list[Site]:
        return [site, *self.others(site)]


def read(path: Path) -> Deployment:
    """Raises DescriptionWrong."""
    try:
        deployment = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Deployment)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise DescriptionWrong(f"{path}: {error}") from None
    sites = tuple(msgspec.structs.replace(site, number=n) for n, site in enumerate(deployment.sites, 1))
    deployment = msgspec.structs.replace(deployment, sites=sites)
    for wrong in _wrong(deployment):
        raise DescriptionWrong(f"{path}: {wrong}")
    return deployment


def _wrong(deployment: Deployment) -> list[str]:
    sites = deployment.sites
    wrong = [f"{site.name!r} is no name for a site" for site in sites if not _is_name(site.name)]
    wrong += [f"{site.address!r} of {site.name} is no IP address" for site in sites if not _is_address(site.address)]
    named = [deployment.public_name, *(site.public_name for site in sites)]
    wrong += [f"{name!r} is no host name" for name in named if not _is_host(name)]
    if not is_server_name(deployment.server_name):
        wrong.append(f"{deployment.server_name!r} is no server name")
    for what in ("name", "address", "public_name"):
        if len({getattr(site, what) for site in sites}) < len(sites):
            wrong.append(f"two sites have the same {what}; three sites are three places")
    return wrong


def _is_name(text: str) -> bool:
    return is_site_name(text) and text != "ca"  # which has a folder of its own beside the sites'


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_host(text: str) -> bool:
    return is_server_name(text) and ":" not in text
