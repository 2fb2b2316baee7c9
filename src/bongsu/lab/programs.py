"""The three programs of a site, as they are started: etcd, Patroni with its PostgreSQL, and a Bongsu worker."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import yaml  # type: ignore[import-untyped]

from bongsu.cluster import binaries, settings
from bongsu.cluster.secrets import Secrets
from bongsu.cluster.topology import dsn
from bongsu.lab import inside, processes, view
from bongsu.lab.description import SERVER_NAME, Description, network
from bongsu.store.postgres_install import RunAs

FILE_NAME: Final = "bongsu.toml"
ETCD: Final = "etcd"
PATRONI: Final = "patroni"
WORKER: Final = "worker"
ALL: Final = (ETCD, PATRONI, WORKER)


class Program(msgspec.Struct, frozen=True):
    arguments: list[str]
    environment: dict[str, str]


class Programs:
    """What runs in the sites of one laboratory."""

    def __init__(self, description: Description, secrets: Secrets) -> None:
        self._lab = description
        self._secrets = secrets
        user = description.user
        self._who = RunAs(user.uid, user.gid, user.switch)
        etcd = Path(description.etcd)
        needed = [*view.programs(), etcd, Path(description.postgres_bin), Path(description.folder)]
        self._shown = view.behind_closed_doors(needed, self._who)

    def write_settings(self) -> None:
        """The files that Patroni reads, for the eyes of the sites' user alone."""
        for site in self._lab.cluster.sites:
            place = self._lab.place(site.name)
            folders = settings.Folders(
                self._lab.postgres_bin, str(place.postgres), str(place.passwords), str(place.first_statements)
            )
            told = settings.patroni(
                self._lab.cluster,
                site,
                profile=settings.PROFILES[self._lab.wishes.profile],
                secrets=self._secrets,
                folders=folders,
                networks=[network(self._lab)],
                memory=settings.Memory(),
            )
            self._write(place.patroni_settings, yaml.safe_dump(told, sort_keys=False))
            self._write(place.first_statements, settings.first_statements(self._secrets.application))
        self._write(Path(self._lab.folder) / FILE_NAME, self._for_commands())

    def _for_commands(self) -> str:
        """Settings of somebody who looks at all three from outside: bongsu doctor --config DIR/bongsu.toml."""
        told = {
            "data": self._lab.folder,
            "server_name": SERVER_NAME,
            "peers": [f"{site.name}={site.url}" for site in self._lab.cluster.sites],
            "peer_secret": self._secrets.peer,
            "dsn": self.dsn(self._lab.cluster.sites[0].name),
        }
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in told.items())

    def _write(self, path: Path, text: str) -> None:
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
        if self._who.switch:
            os.chown(path, self._who.uid, self._who.gid)

    def program(self, name: str, site: str) -> Program:
        return {ETCD: self._etcd, PATRONI: self._patroni, WORKER: self._worker}[name](site)

    def _etcd(self, site: str) -> Program:
        data = str(self._lab.place(site).etcd)
        arguments = settings.etcd_arguments(self._lab.cluster, self._lab.cluster.site(site), data)
        return Program([self._lab.etcd, *arguments], {"GOMAXPROCS": "1", **binaries.environment()})

    def _patroni(self, site: str) -> Program:
        file = self._lab.place(site).patroni_settings
        return Program([sys.executable, "-m", "bongsu.cluster.patroni", str(file)], {})

    def _worker(self, site: str) -> Program:
        wishes, cluster, here = self._lab.wishes, self._lab.cluster, self._lab.cluster.site(site)
        arguments = [
            *(sys.executable, "-m", "bongsu", "serve", "--site", site, "--server-name", SERVER_NAME),
            *("--host", here.address, "--port", str(here.http_port)),
            *("--peers", ",".join(cluster.peers(site)), "--data", str(self._lab.place(site).bongsu)),
            *("--public-sites", ",".join(one.url for one in cluster.local_first(site))),
            *("--patroni", here.patroni_url),
            *("--etcd", ",".join(one.etcd_url for one in cluster.local_first(site))),
            "--open-registration" if wishes.open_registration else "--no-open-registration",
            "--rate-limits" if wishes.rate_limits else "--no-rate-limits",
            *("--log-format", "json"),
        ]
        # secrets do not stand on a command line, where everybody reads them
        secret = {"BONGSU_DSN": self.dsn(site), "BONGSU_PEER_SECRET": self._secrets.peer}
        software = self._lab.place(site).software
        later = {"PYTHONPATH": str(software)} if software.exists() else {}
        return Program(arguments, {**secret, **later})

    def dsn(self, site: str) -> str:
        return dsn(
            self._lab.cluster.local_first(site),
            user=settings.APPLICATION,
            password=self._secrets.application,
            database=settings.APPLICATION,
        )

    def start(self, name: str, site: str) -> "subprocess.Popen[bytes]":
        program = self.program(name, site)
        with (self._lab.place(site).logs / f"{name}.log").open("ab") as log:
            return self.popen(site, program.arguments, environment=program.environment, stdout=log, stderr=log)

    def popen(
        self,
        site: str,
        arguments: Sequence[str],
        *,
        environment: dict[str, str] | None = None,
        as_root: bool = False,
        stdout: "int | object" = subprocess.DEVNULL,
        stderr: "int | object" = subprocess.DEVNULL,
    ) -> "subprocess.Popen[bytes]":
        """A process of the site: on its network, killed with it. Exits with 0 at once when the site is off."""
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", inside.__file__, self._told(site, as_root), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,  # type: ignore[arg-type]
            stderr=stderr,  # type: ignore[arg-type]
            env={**self._environment(site), **(environment or {})},
            cwd="/",
            start_new_session=True,
        )

    def _told(self, site: str, as_root: bool) -> str:
        namespace = self._lab.namespace(site)
        switches = self._who.switch and not as_root
        told = {
            "power": str(self._lab.place(site).power),
            "group": self.processes(site).group,
            "network": f"/run/netns/{namespace}" if namespace else None,
            "user": [self._who.uid, self._who.gid] if switches else None,
            "show": self._shown if switches else {},
        }
        return msgspec.json.encode(told).decode()

    def _environment(self, site: str) -> dict[str, str]:
        return {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self._lab.place(site).folder),
            "LC_ALL": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(view.source_folder()),
            processes.MARK: self.mark(site),
        }

    def processes(self, site: str) -> processes.Processes:
        return processes.of_site(f"{self._lab.name}.{self._lab.index(site)}", self.mark(site))

    def mark(self, site: str) -> str:
        return str(self._lab.place(site).folder)
