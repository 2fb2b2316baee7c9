"""The units of systemd for one host. Each runs one program as one user, and comes back by itself."""

import msgspec

from bongsu.deploy.description import Deployment
from bongsu.deploy.place import (
    CONFIG,
    DATA,
    DATABASE_DATA,
    DATABASE_RUN,
    DATABASE_USER,
    ETCD_DATA,
    ETCD_USER,
    PYTHON,
    WORKER_USER,
    is_tunnelled,
    worker_ports,
)

_HARDENED = """\
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
LockPersonality=yes
"""


class Unit(msgspec.Struct, frozen=True):
    """enabled: as which instances it starts with the host ("" for itself); none: something else starts it."""

    name: str
    text: str
    enabled: tuple[str, ...] = ("",)


def units(deployment: Deployment) -> list[Unit]:
    """In the order in which they are started first."""
    tunnel = [Unit("bongsu-tunnel.service", _tunnel())] if is_tunnelled(deployment) else []
    return [
        Unit("bongsu-firewall.service", _firewall()),
        Unit("bongsu-etcd.service", _etcd()),
        *tunnel,
        Unit("bongsu-patroni.service", _patroni(bool(tunnel))),
        Unit("bongsu-worker@.service", _worker(), tuple(map(str, worker_ports(deployment)))),
        Unit("bongsu-proxy.service", _proxy()),
        Unit("bongsu-archive.service", _archive(deployment)),
        Unit("bongsu-backup.service", _backup(deployment, "base", "prune"), ()),
        Unit("bongsu-backup.timer", _timer("A copy of the database every night", "*-*-* 02:00:00")),
        Unit("bongsu-backup-verify.service", _backup(deployment, "verify"), ()),
        Unit("bongsu-backup-verify.timer", _timer("A restored copy every morning", "*-*-* 05:00:00")),
    ]


def _service(description: str, after: str, body: str) -> str:
    return f"""\
[Unit]
Description={description}
After=network-online.target {after}
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
{body}
[Install]
WantedBy=multi-user.target
"""


def _firewall() -> str:
    return f"""\
[Unit]
Description=Bongsu: closes to strangers what only sites may reach
Before=network-pre.target
Wants=network-pre.target
DefaultDependencies=no
After=local-fs.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {CONFIG}/firewall.nft
ExecReload=/usr/sbin/nft -f {CONFIG}/firewall.nft

[Install]
WantedBy=multi-user.target
"""


def _etcd() -> str:
    body = f"""\
Type=notify
User={ETCD_USER}
ExecStart=/usr/bin/etcd --config-file={CONFIG}/etcd.yml
Restart=always
RestartSec=1
LimitNOFILE=65536
# Who leads is decided here: it comes before everything else on this host.
Nice=-10
IOSchedulingClass=best-effort
IOSchedulingPriority=0
OOMScoreAdjust=-900
{_HARDENED}ReadWritePaths={ETCD_DATA}
"""
    return _service("Bongsu: etcd", "", body)


def _tunnel() -> str:
    return _service("Bongsu: PostgreSQL between sites, in TLS", "", _haproxy("tunnel"))


def _proxy() -> str:
    return _service("Bongsu: TLS for clients and sites", "", _haproxy("proxy"))


def _haproxy(name: str) -> str:
    return f"""\
Type=notify
ExecStart=/usr/sbin/haproxy -Ws -f {CONFIG}/{name}.cfg
ExecReload=/usr/sbin/haproxy -Ws -f {CONFIG}/{name}.cfg -c -q
ExecReload=/bin/kill -USR2 $MAINPID
KillMode=mixed
Restart=always
RestartSec=1
SuccessExitStatus=143
# haproxy takes as many connections as this allows, two files for each.
LimitNOFILE=80000
OOMScoreAdjust=-500
{_HARDENED}"""


def _patroni(needs_tunnel: bool) -> str:
    body = f"""\
User={DATABASE_USER}
Environment=PYTHONUNBUFFERED=1
ExecStart={PYTHON} -m bongsu.cluster.patroni {CONFIG}/patroni.yml
ExecReload=/bin/kill -HUP $MAINPID
# PostgreSQL is Patroni's to stop; what it leaves behind after that goes.
KillMode=mixed
TimeoutStopSec=60
Restart=always
RestartSec=1
RuntimeDirectory={DATABASE_RUN.removeprefix("/run/")}
RuntimeDirectoryMode=0700
LimitNOFILE=65536
OOMScoreAdjust=-800
{_HARDENED}ReadWritePaths={DATABASE_DATA}
"""
    after = "bongsu-etcd.service" + (" bongsu-tunnel.service" if needs_tunnel else "")
    return _service("Bongsu: PostgreSQL under Patroni", after, body)


def _worker() -> str:
    body = f"""\
User={WORKER_USER}
ExecStart={PYTHON} -m bongsu serve --config {CONFIG}/bongsu.toml --port %i
TimeoutStopSec=60
Restart=always
RestartSec=1
LimitNOFILE=200000
{_HARDENED}ReadWritePaths={DATA}
"""
    return _service("Bongsu: a worker on port %i", "bongsu-patroni.service", body)


def _archive(deployment: Deployment) -> str:
    body = f"""\
User={WORKER_USER}
ExecStart={PYTHON} -m bongsu backup archive --config {CONFIG}/bongsu.toml
Restart=always
RestartSec=10
{_HARDENED}ReadWritePaths={DATA} -{deployment.backup_place}
"""
    return _service("Bongsu: every change to the backup's place", "bongsu-patroni.service", body)


def _backup(deployment: Deployment, *commands: str) -> str:
    runs = "".join(f"ExecStart={PYTHON} -m bongsu backup {one} --config {CONFIG}/bongsu.toml\n" for one in commands)
    return f"""\
[Unit]
Description=Bongsu: backup {" and ".join(commands)}
After=bongsu-archive.service

[Service]
Type=oneshot
User={WORKER_USER}
{runs}# People come first.
Nice=10
IOSchedulingClass=idle
{_HARDENED}ReadWritePaths={DATA} -{deployment.backup_place}
"""


def _timer(description: str, when: str) -> str:
    return f"""\
[Unit]
Description=Bongsu: {description}

[Timer]
OnCalendar={when}
# Sites do not all copy at once.
RandomizedDelaySec=2h
FixedRandomDelay=yes
Persistent=yes

[Install]
WantedBy=timers.target
"""
