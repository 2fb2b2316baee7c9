"""/etc/bongsu/patroni.yml: PostgreSQL of one site, kept by Patroni."""

from typing import Any, Final

from bongsu.cluster import settings
from bongsu.cluster.topology import ETCD_PORT, PATRONI_PORT, POSTGRES_PORT
from bongsu.deploy.description import Deployment, Site
from bongsu.deploy.place import (
    CONFIG,
    DATABASE_DATA,
    DATABASE_RUN,
    DATABASE_USER,
    is_tunnelled,
    postgres_address,
    postgres_bin,
    tls,
    with_port,
)
from bongsu.deploy.secrets import Secrets

SCOPE: Final = "bongsu"
BACKUP_ROLE: Final = "bongsu_backup"  # and the name of its replication slot
FIRST_STATEMENTS: Final = f"{CONFIG}/first.sql"


def config(deployment: Deployment, site: Site, secrets: Secrets) -> dict[str, Any]:
    names = tls(DATABASE_USER)
    return {
        "scope": SCOPE,
        "name": site.name,
        "bongsu": deployment.profile.changes,  # read by bongsu.cluster.patroni
        "restapi": {
            "listen": with_port(site.address, PATRONI_PORT),
            "connect_address": with_port(site.address, PATRONI_PORT),
            "certfile": names.certificate,
            "keyfile": names.key,
            "cafile": names.ca,
            "verify_client": "required",
            "authentication": {"username": "patroni", "password": secrets.patroni},
        },
        "ctl": {"cacert": names.ca, "certfile": names.certificate, "keyfile": names.key},
        "etcd3": {
            "hosts": [with_port(one.address, ETCD_PORT) for one in deployment.local_first(site)],
            "use_proxies": True,  # these hosts in this order: the nearest first
            "protocol": "https",
            "cacert": names.ca,
            "cert": names.certificate,
            "key": names.key,
        },
        "bootstrap": {
            "dcs": _shared(deployment),
            "initdb": list(settings.INITDB),
            "post_bootstrap": f"{postgres_bin(deployment)}/psql -X -q -v ON_ERROR_STOP=1 -f {FIRST_STATEMENTS}",
        },
        "postgresql": _postgresql(deployment, site, secrets),
        "watchdog": {"mode": "off"},
        "tags": {},
    }


# Of real hosts alone: a laboratory has no archive.
_FOR_BACKUPS: Final = {
    "summarize_wal": "on",  # so that a backup can hold what changed, and no more
    "max_slot_wal_keep_size": "8GB",  # an archive that is gone for long must not fill the leader's disk
}


def _shared(deployment: Deployment) -> dict[str, Any]:
    """What all sites agree on: the laboratory's, in which it is measured, and what only a host has."""
    shared = settings.shared(deployment.profile, deployment.memory)
    postgresql = shared["postgresql"]
    parameters = {**postgresql["parameters"], **_FOR_BACKUPS}
    own_slots = [{"name": BACKUP_ROLE, "type": "physical"}]  # of each site's own archive; Patroni leaves it alone
    return {**shared, "ignore_slots": own_slots, "postgresql": {**postgresql, "parameters": parameters}}


def first_statements(secrets: Secrets) -> str:
    """SQL that a new cluster begins with: roles of the workers and of the archive, and the database."""
    assert "'" not in secrets.backup
    return (
        f"{settings.first_statements(secrets.bongsu)}"
        f"CREATE ROLE {BACKUP_ROLE} LOGIN REPLICATION PASSWORD '{secrets.backup}';\n"
        f"GRANT pg_monitor TO {BACKUP_ROLE};\n"
    )


def _postgresql(deployment: Deployment, site: Site, secrets: Secrets) -> dict[str, Any]:
    address = with_port(postgres_address(deployment, site), POSTGRES_PORT)
    return {
        "listen": address,
        "connect_address": address,
        "bin_dir": postgres_bin(deployment),
        "data_dir": f"{DATABASE_DATA}/postgres",
        "pgpass": f"{DATABASE_RUN}/pgpass",
        "use_unix_socket": True,
        "authentication": {
            "superuser": _account(deployment, "postgres", secrets.postgres),
            "replication": _account(deployment, "replicator", secrets.replicator),
            "rewind": _account(deployment, "rewind", secrets.rewind),
        },
        "parameters": {"unix_socket_directories": DATABASE_RUN, "unix_socket_permissions": "0700", **_tls(deployment)},
        "pg_hba": access(deployment),
        "create_replica_methods": ["basebackup"],
        "basebackup": [{"checkpoint": "fast"}],
    }


def _account(deployment: Deployment, name: str, password: str) -> dict[str, str]:
    account = {"username": name, "password": password}
    if not is_tunnelled(deployment):
        account |= {"sslmode": "verify-full", "sslrootcert": tls(DATABASE_USER).ca}
    return account


def _tls(deployment: Deployment) -> dict[str, str]:
    if is_tunnelled(deployment):
        return {}
    names = tls(DATABASE_USER)
    return {
        "ssl": "on",
        "ssl_cert_file": names.certificate,
        "ssl_key_file": names.key,
        "ssl_ca_file": names.ca,
        "ssl_min_protocol_version": "TLSv1.3",
    }


def access(deployment: Deployment) -> list[str]:
    """pg_hba.conf. The socket's folder is open to its owner alone; over the network everybody shows a password."""
    how, sources = "host", ["127.0.0.0/8"]
    if not is_tunnelled(deployment):
        how, sources = "hostssl", [_network(site.address) for site in deployment.sites]
    rules = ["local all all trust"]
    for source in sources:
        rules += [
            f"{how} replication replicator,bongsu_backup {source} scram-sha-256",
            f"{how} bongsu bongsu,bongsu_backup {source} scram-sha-256",
            f"{how} postgres postgres,rewind {source} scram-sha-256",
        ]
    return [*rules, "host all all all reject"]


def _network(address: str) -> str:
    return f"{address}/128" if ":" in address else f"{address}/32"
