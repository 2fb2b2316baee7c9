"""All files of one host, with owner and mode. Whatever holds a secret is its reader's alone."""

from typing import Any, Final

import msgspec

from bongsu.cluster.settings import KERNEL
from bongsu.deploy import etcd, firewall, patroni, proxy, tunnel, units, worker
from bongsu.deploy.authority import Authority, Certificate
from bongsu.deploy.description import Deployment, Site
from bongsu.deploy.place import (
    CONFIG,
    DATA,
    DATABASE_DATA,
    DATABASE_USER,
    ETCD_DATA,
    ETCD_USER,
    PROGRAMS,
    TLS,
    WORKER_USER,
    is_tunnelled,
)
from bongsu.deploy.secrets import Secrets

SECRET: Final = 0o600


class HostFile(msgspec.Struct, frozen=True):
    """One file. once: it is put there when there is none, and never replaced."""

    path: str
    text: str
    mode: int = 0o644
    owner: str = "root"
    once: bool = False

    @property
    def is_secret(self) -> bool:
        return self.mode & 0o077 == 0


class Folder(msgspec.Struct, frozen=True):
    path: str
    mode: int
    owner: str


class Account(msgspec.Struct, frozen=True):
    """A user of the host, made when there is none."""

    name: str
    home: str


class Host(msgspec.Struct, frozen=True):
    """What install.py reads, besides the files' texts."""

    site: str
    programs: str
    packages: tuple[str, ...]
    accounts: tuple[Account, ...]
    folders: tuple[Folder, ...]
    files: tuple[HostFile, ...]
    starts: tuple[str, ...]
    stops: tuple[str, ...]


def host(deployment: Deployment, site: Site, secrets: Secrets, authority: Authority, *, rejoins: bool) -> Host:
    all_units = units.units(deployment)
    own = (CONFIG, TLS)
    return Host(
        site=site.name,
        programs=PROGRAMS,
        packages=("etcd-server", "etcd-client", "haproxy", "nftables", "openssl", "python3-venv"),
        accounts=(Account(WORKER_USER, DATA), Account(DATABASE_USER, DATABASE_DATA)),
        folders=(
            *(Folder(path, 0o755, "root") for path in own),
            Folder(DATA, 0o700, WORKER_USER),
            Folder(DATABASE_DATA, 0o700, DATABASE_USER),
            Folder(ETCD_DATA, 0o700, ETCD_USER),
        ),
        files=(
            *_configuration(deployment, site, secrets, rejoins=rejoins),
            *_certificates(deployment, site, authority),
            *(HostFile(f"/etc/systemd/system/{unit.name}", unit.text) for unit in all_units),
        ),
        starts=tuple(unit.name.replace("@", f"@{one}") for unit in all_units for one in unit.enabled),
        stops=("etcd.service", "haproxy.service"),  # Debian's own, which start when the packages come
    )


def _configuration(deployment: Deployment, site: Site, secrets: Secrets, *, rejoins: bool) -> list[HostFile]:
    files = [
        HostFile(
            f"{CONFIG}/etcd.yml", _yaml(etcd.config(deployment, site, secrets, rejoins=rejoins)), SECRET, ETCD_USER
        ),
        HostFile(f"{CONFIG}/patroni.yml", _yaml(patroni.config(deployment, site, secrets)), SECRET, DATABASE_USER),
        HostFile(patroni.FIRST_STATEMENTS, patroni.first_statements(secrets), SECRET, DATABASE_USER),
        HostFile(f"{CONFIG}/bongsu.toml", worker.config(deployment, site, secrets), SECRET, WORKER_USER),
        HostFile(f"{CONFIG}/proxy.cfg", proxy.config(deployment, site)),
        HostFile(f"{CONFIG}/firewall.nft", firewall.rules(deployment, site)),
        HostFile("/etc/sysctl.d/60-bongsu.conf", "".join(f"{name} = {value}\n" for name, value in KERNEL.items())),
    ]
    if is_tunnelled(deployment):
        files.append(HostFile(f"{CONFIG}/tunnel.cfg", tunnel.config(deployment, site)))
    return files


def _certificates(deployment: Deployment, site: Site, authority: Authority) -> list[HostFile]:
    """One key for each user that needs one, so that none reads another's."""
    names = [site.address, site.internal_name]
    database, voter, edge = (authority.issue(f"{site.name}-{role}", names) for role in ("database", "etcd", "site"))
    public = authority.issue(f"{site.name}-public", [deployment.public_name, site.public_name])
    return [
        HostFile(f"{TLS}/ca.crt", authority.open()),
        *_pair(DATABASE_USER, database),
        *_pair(ETCD_USER, voter),
        HostFile(f"{TLS}/site.pem", edge.both, SECRET),
        # Until the operator puts one there that browsers trust.
        HostFile(f"{TLS}/public.pem", public.both, SECRET, once=True),
    ]


def _pair(user: str, certificate: Certificate) -> list[HostFile]:
    return [
        HostFile(f"{TLS}/{user}.key", certificate.key, SECRET, user),
        HostFile(f"{TLS}/{user}.crt", certificate.certificate),
    ]


def _yaml(value: dict[str, Any]) -> str:
    import yaml  # type: ignore[import-untyped] # of the extra "cluster"; one server alone needs it nowhere

    return f"# Written by `bongsu site init`\n{yaml.safe_dump(value, sort_keys=False, allow_unicode=True)}"
