"""/etc/bongsu/etcd.yml: who leads is decided here, by two of three."""

from typing import Any

from bongsu.cluster import settings
from bongsu.cluster.topology import ETCD_PEER_PORT, ETCD_PORT
from bongsu.deploy.description import Deployment, Site
from bongsu.deploy.place import ETCD_DATA, ETCD_USER, tls, with_port
from bongsu.deploy.secrets import Secrets


def config(deployment: Deployment, site: Site, secrets: Secrets, *, rejoins: bool) -> dict[str, Any]:
    """rejoins: an empty disk joins two sites that live. Otherwise all three begin together."""
    client, peer = _url(site.address, ETCD_PORT), _url(site.address, ETCD_PEER_PORT)
    return {
        "name": site.name,
        "data-dir": ETCD_DATA,
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": ",".join(f"{one.name}={_url(one.address, ETCD_PEER_PORT)}" for one in deployment.sites),
        "initial-cluster-token": secrets.etcd_token,
        "initial-cluster-state": "existing" if rejoins else "new",
        "client-transport-security": _security(),
        "peer-transport-security": _security(),
        **settings.ETCD,
        "enable-grpc-gateway": True,  # etcd 3.4 forgets its default when it reads a file, and Patroni asks through it
    }


def _url(address: str, port: int) -> str:
    return f"https://{with_port(address, port)}"


def _security() -> dict[str, Any]:
    names = tls(ETCD_USER)
    return {
        "cert-file": names.certificate,
        "key-file": names.key,
        "trusted-ca-file": names.ca,
        "client-cert-auth": True,
    }
