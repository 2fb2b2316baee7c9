"""Where things lie on a host, which port is whose, and who runs as whom."""

from typing import Final

import msgspec

from bongsu.cluster.topology import ETCD_PEER_PORT, ETCD_PORT, PATRONI_PORT, POSTGRES_PORT
from bongsu.deploy.description import Deployment, Site

CONFIG: Final = "/etc/bongsu"
TLS: Final = f"{CONFIG}/tls"
PROGRAMS: Final = "/opt/bongsu"
PYTHON: Final = f"{PROGRAMS}/bin/python"
OWN_POSTGRES: Final = "/opt/bongsu-postgresql/bin"  # a link that install.py makes: it lies deep in the package
DATA: Final = "/var/lib/bongsu"
DATABASE_DATA: Final = "/var/lib/bongsu-db"
DATABASE_RUN: Final = "/run/bongsu-db"
ETCD_DATA: Final = "/var/lib/bongsu-etcd"

WORKER_USER: Final = "bongsu"
DATABASE_USER: Final = "bongsu-db"  # a worker that is taken over must not reach the database's files
ETCD_USER: Final = "etcd"  # of Debian's package
PROXY_USER: Final = "haproxy"  # of Debian's package

WORKER_PORT: Final = 8010  # of the first worker; the next one has the next
PEER_PORT: Final = 8448  # sites among themselves, over TLS
HTTPS_PORT: Final = 443
HTTP_PORT: Final = 80
SITE_PORTS: Final = (POSTGRES_PORT, PATRONI_PORT, ETCD_PORT, ETCD_PEER_PORT, PEER_PORT)


class Names(msgspec.Struct, frozen=True):
    """A user's key, certificate and CA under /etc/bongsu/tls."""

    key: str
    certificate: str
    ca: str


def tls(user: str) -> Names:
    return Names(f"{TLS}/{user}.key", f"{TLS}/{user}.crt", f"{TLS}/ca.crt")


def postgres_bin(deployment: Deployment) -> str:
    return deployment.postgres_bin or OWN_POSTGRES


def is_tunnelled(deployment: Deployment) -> bool:
    """The package's PostgreSQL is built without TLS, so what goes between sites is wrapped in it (tunnel.py)."""
    return deployment.postgres_bin is None


def postgres_address(deployment: Deployment, site: Site) -> str:
    """Under which the PostgreSQL of a site is reached, from every host alike.

    With the tunnel: 127.0.77.N is site N's PostgreSQL, on whichever host one asks.
    """
    return f"127.0.77.{site.number}" if is_tunnelled(deployment) else site.address


def worker_ports(deployment: Deployment) -> range:
    return range(WORKER_PORT, WORKER_PORT + deployment.workers)


def with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
