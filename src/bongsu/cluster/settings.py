"""Settings of etcd, Patroni and PostgreSQL in three sites, as functions of the sites alone.

What they promise together: a COMMIT returns when two of three sites have the row on disk (quorum, strict: nobody is
acknowledged by one site alone), and the leader is whoever holds a lease in etcd, which two of three sites grant.

A lease must outlive one round of its holder, in which etcd may be silent twice: loop_wait + 2 x retry_timeout <= ttl.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bongsu.cluster.secrets import Secrets
from bongsu.cluster.topology import Cluster, Site

APPLICATION: Final = "bongsu"  # the role and the database that workers use


class Profile(msgspec.Struct, frozen=True):
    """How fast a lost leader is replaced, in seconds. changes: what bongsu.cluster.patroni is to change in Patroni."""

    name: str
    ttl: int
    retry_timeout: int
    loop_wait: int
    changes: dict[str, int | bool]

    def holds(self) -> bool:
        """Does the lease outlive a round of its holder?"""
        return self.ttl >= self.loop_wait + 2 * self.retry_timeout


_CHANGES: Final[dict[str, int | bool]] = {"minimum_ttl": 5, "fence": True, "lease_breaker": True}
FAST: Final = Profile("fast", ttl=5, retry_timeout=2, loop_wait=1, changes=_CHANGES)
SUPPORTED: Final = Profile("supported", ttl=20, retry_timeout=8, loop_wait=1, changes={})
PROFILES: Final = {profile.name: profile for profile in (FAST, SUPPORTED)}

KERNEL: Final = {
    "net.ipv4.tcp_retries2": "4",  # a connection to a burnt site ends after 3 s, not after 15 minutes
}


class Memory(msgspec.Struct, frozen=True):
    """What PostgreSQL may take."""

    shared_buffers_mb: int = 64
    connections: int = 100


class Folders(msgspec.Struct, frozen=True):
    """Where a site's Patroni finds things. postgres_bin: PostgreSQL's programs; first_statements: an SQL file."""

    postgres_bin: str
    postgres_data: str
    passwords: str
    first_statements: str


# --- etcd ---


ETCD: Final = {
    "heartbeat-interval": 100,  # ms; sites are few milliseconds apart: ten are missed before a new election
    "election-timeout": 1000,
    "pre-vote": True,  # a site that comes back does not unseat a leader that is well
    "auto-compaction-mode": "periodic",
    "auto-compaction-retention": "1h",
    "logger": "zap",
    "log-level": "warn",
}


def etcd_arguments(cluster: Cluster, site: Site, data: str) -> list[str]:
    """Of etcd 3.4 or newer."""
    values = {
        "name": site.name,
        "data-dir": data,
        "listen-client-urls": site.etcd_url,
        "advertise-client-urls": site.etcd_url,
        "listen-peer-urls": site.etcd_peer_url,
        "initial-advertise-peer-urls": site.etcd_peer_url,
        "initial-cluster": ",".join(f"{one.name}={one.etcd_peer_url}" for one in cluster.sites),
        "initial-cluster-token": cluster.scope,
        "initial-cluster-state": "new",
    }
    return [f"--{name}={value}" for name, value in values.items()] + [
        f"--{name}={str(value).lower() if value is True else value}" for name, value in ETCD.items()
    ]


# --- Patroni ---

INITDB: Final[tuple[str | dict[str, str], ...]] = (
    "data-checksums",
    {"encoding": "UTF8"},
    {"locale": "C"},
    {"locale-provider": "builtin"},  # one order of texts on every machine, whatever its C library
    {"builtin-locale": "C.UTF-8"},
)


def patroni(
    cluster: Cluster,
    site: Site,
    *,
    profile: Profile,
    secrets: Secrets,
    folders: Folders,
    networks: Sequence[str],
    memory: Memory,
) -> dict[str, Any]:
    """A site's patroni.yml. networks: from where databases and workers connect."""
    address = f"{site.address}:{site.patroni_port}"
    return {
        "scope": cluster.scope,
        "name": site.name,
        "bongsu": profile.changes,  # read by bongsu.cluster.patroni; Patroni passes over it
        "restapi": {
            "listen": address,
            "connect_address": address,
            "authentication": {"username": "patroni", "password": secrets.patroni},
        },
        "etcd3": {
            "hosts": [f"{one.address}:{one.etcd_port}" for one in cluster.local_first(site.name)],
            "use_proxies": True,  # these hosts in this order: the nearest first
        },
        "bootstrap": {
            "dcs": shared(profile, memory),
            "initdb": list(INITDB),
            "post_bootstrap": f"{folders.postgres_bin}/psql -X -q -v ON_ERROR_STOP=1 -f {folders.first_statements}",
        },
        "postgresql": _postgresql(site, secrets, folders, networks),
        "watchdog": {"mode": "off"},
        "tags": {},
    }


def shared(profile: Profile, memory: Memory) -> dict[str, Any]:
    """What all sites agree on; it stands in etcd, and can be changed there while they run."""
    return {
        "ttl": profile.ttl,
        "retry_timeout": profile.retry_timeout,
        "loop_wait": profile.loop_wait,
        "synchronous_mode": "quorum",
        "synchronous_mode_strict": True,  # one site alone acknowledges nothing
        "synchronous_node_count": 1,  # besides the leader's: two sites have it on disk
        "maximum_lag_on_failover": 1048576,
        "failsafe_mode": True,  # all etcd dead: a leader that reaches every site goes on
        "primary_start_timeout": 0,  # a crashed leader is replaced at once, not restarted first
        "primary_stop_timeout": 5,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "remove_data_directory_on_rewind_failure": True,  # then it is copied anew: the others have everything
            "remove_data_directory_on_diverged_timelines": True,
            "parameters": postgres(memory),
        },
    }


def _postgresql(site: Site, secrets: Secrets, folders: Folders, networks: Sequence[str]) -> dict[str, Any]:
    address = f"{site.address}:{site.postgres_port}"
    return {
        "listen": address,
        "connect_address": address,
        "bin_dir": folders.postgres_bin,
        "data_dir": folders.postgres_data,
        "pgpass": folders.passwords,
        "authentication": {
            "superuser": {"username": "postgres", "password": secrets.superuser},
            "replication": {"username": "replicator", "password": secrets.replication},
            "rewind": {"username": "rewind", "password": secrets.rewind},
        },
        "parameters": {"unix_socket_directories": ""},
        "pg_hba": access(networks),
        "create_replica_methods": ["basebackup"],
        "basebackup": [{"checkpoint": "fast"}],
    }


def access(networks: Sequence[str]) -> list[str]:
    """pg_hba.conf: everybody shows a password, and only from where the sites are."""
    kinds = ("replication replicator", f"{APPLICATION} {APPLICATION}", "all postgres,rewind")
    rules = [f"host {kind} {network} scram-sha-256" for network in networks for kind in kinds]
    return [*rules, "host all all all reject"]


# --- PostgreSQL ---


def postgres(memory: Memory) -> dict[str, str | int | float]:
    """Parameters that all sites share."""
    return {
        # a commit that returned is on disk, here and in a second site
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "wal_log_hints": "on",  # pg_rewind can bring an old leader back
        # replication
        "wal_level": "replica",
        "hot_standby": "on",
        "max_wal_senders": 10,
        "max_replication_slots": 10,
        "wal_keep_size": "256MB",  # a site that was away for a while catches up without a copy
        "max_wal_size": "1GB",
        "checkpoint_timeout": "5min",
        "wal_compression": "on",
        "max_standby_streaming_delay": "2s",  # a standby votes when it has replayed all: no reader holds that up
        "max_standby_archive_delay": "2s",  # the same, for WAL that it reads from its own disk
        # a silent site is noticed in seconds
        "wal_retrieve_retry_interval": "100ms",  # twice in every switch: to detach, and to follow the new leader
        "wal_receiver_timeout": "5s",
        "wal_sender_timeout": "5s",
        "wal_receiver_status_interval": "1s",
        "tcp_user_timeout": "3s",
        "tcp_keepalives_idle": 1,
        "tcp_keepalives_interval": 1,
        "tcp_keepalives_count": 3,
        "client_connection_check_interval": "1s",
        "idle_in_transaction_session_timeout": "5min",
        # size
        "shared_buffers": f"{memory.shared_buffers_mb}MB",
        "max_connections": memory.connections,
        "max_worker_processes": 4,
        "max_parallel_workers_per_gather": 0,
        "io_method": "sync",
        # planning
        "jit": "off",
        "random_page_cost": 1.1,
        # log
        "log_line_prefix": "%m [%p] %q%a ",
        "log_timezone": "UTC",
        "timezone": "UTC",
        "log_min_duration_statement": "2s",
        "log_lock_waits": "on",
    }


def first_statements(application_password: str) -> str:
    """SQL that a new cluster begins with: Bongsu's role and its database. The password has no quote in it."""
    assert "'" not in application_password
    return (
        f"CREATE ROLE {APPLICATION} LOGIN PASSWORD '{application_password}';\n"
        f"GRANT pg_monitor TO {APPLICATION};\n"
        f"CREATE DATABASE {APPLICATION} OWNER {APPLICATION};\n"
    )
