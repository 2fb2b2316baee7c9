"""/etc/bongsu/bongsu.toml: the workers of one site, and its backups."""

import json
from typing import Any

from bongsu.cluster.topology import ETCD_PORT, PATRONI_PORT, POSTGRES_PORT
from bongsu.deploy.description import Deployment, Site
from bongsu.deploy.place import (
    CONFIG,
    DATA,
    PEER_PORT,
    WORKER_PORT,
    WORKER_USER,
    is_tunnelled,
    postgres_address,
    postgres_bin,
    tls,
    with_port,
)
from bongsu.deploy.secrets import Secrets


def config(deployment: Deployment, site: Site, secrets: Secrets) -> str:
    settings: dict[str, Any] = {
        "data": DATA,
        "host": "127.0.0.1",
        "port": WORKER_PORT,
        "server_name": deployment.server_name,
        "public_base_url": f"https://{deployment.public_name}",
        "public_sites": [f"https://{one.public_name}" for one in deployment.local_first(site)],
        "trusted_proxies": ["127.0.0.1"],
        "dsn": _dsn(deployment, deployment.local_first(site), "bongsu", secrets.bongsu),
        "site": site.name,
        "peers": [f"{one.name}=https://{with_port(one.address, PEER_PORT)}" for one in deployment.others(site)],
        "peer_secret": secrets.peer,
        "peer_ca": tls(WORKER_USER).ca,
        "patroni": f"https://{with_port(site.address, PATRONI_PORT)}",
        "etcd": [f"https://{with_port(one.address, ETCD_PORT)}" for one in deployment.local_first(site)],
        "peer_certificate": tls(WORKER_USER).certificate,
        "peer_key": tls(WORKER_USER).key,
        "patroni_config": f"{CONFIG}/patroni.yml",
        "open_registration": deployment.open_registration,
        "registration_secret": secrets.registration,
        "backup_place": deployment.backup_place,
        "backup_dsn": _dsn(deployment, [site], "bongsu_backup", secrets.backup),
        "backup_days": deployment.backup_days,
        "postgres_bin": postgres_bin(deployment),
        "log_format": "json",
    }
    head = "# Written by `bongsu site init`; what each means: bongsu serve --help\n"
    return head + "".join(f"{name} = {_toml(value)}\n" for name, value in settings.items())


def _dsn(deployment: Deployment, sites: list[Site], name: str, password: str) -> str:
    hosts = ",".join(with_port(postgres_address(deployment, site), POSTGRES_PORT) for site in sites)
    how = "sslmode=disable"  # to this host's own end of the tunnel, on a loopback address
    if not is_tunnelled(deployment):
        how = f"sslmode=verify-full&sslrootcert={tls(WORKER_USER).ca}"
    return f"postgresql://{name}:{password}@{hosts}/bongsu?{how}"


def _toml(value: Any) -> str:
    """Texts, numbers, truths and lists of texts: in TOML they are written as in JSON."""
    return json.dumps(value, ensure_ascii=False)
