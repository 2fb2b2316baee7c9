"""The servers that are compared: how each is installed, configured, started and stopped.

Both get a PostgreSQL of their own (bench/postgres.py), a data folder, no rate limits, and listen on 127.0.0.1.
"""

import asyncio
import base64
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

import msgspec

from bench.postgres import Postgres, Unavailable, free_port
from bench.processes import Usage, cpu_seconds, memory_bytes, usage
from bongsu.drill.wire import Connection, request

ROOT: Final = Path(__file__).resolve().parent.parent
SERVER_NAME: Final = "bench.example"
SYNAPSE_VENV: Final = ROOT / ".make" / "synapse-venv"
SYNAPSE_LOCK: Final = ROOT / "bench" / "synapse.lock"
START_SECONDS_MAX = 90.0
STOP_SECONDS_MAX = 20.0
POLL_SECONDS = 0.005  # the resolution of the start-up time
NO_LIMIT: Final = {"per_second": 1_000_000, "burst_count": 1_000_000}


class Peer(Protocol):
    """A kind of server."""

    name: str

    def install(self) -> None:
        """Makes the program runnable. Raises Unavailable."""
        ...

    def version(self) -> str: ...

    def configure(self, folder: Path, postgres: Postgres, port: int) -> list[str]:
        """Writes what it needs into the folder; returns the command that starts it there."""
        ...


class Bongsu:
    """The server of this repository, from the environment that runs the benchmark."""

    name = "bongsu"

    def install(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "bongsu", "serve", "--help"], capture_output=True, check=False, cwd=ROOT
        )
        if done.returncode != 0:
            raise Unavailable(f"python -m bongsu serve: {_last_line(done.stderr)}")

    def version(self) -> str:
        return version("bongsu")

    def configure(self, folder: Path, postgres: Postgres, port: int) -> list[str]:
        data = folder / "data"
        data.mkdir(exist_ok=True)
        place = ["--data", str(data), "--dsn", postgres.dsn("bench"), "--host", "127.0.0.1", "--port", str(port)]
        rules = ["--open-registration", "--registration-secret", secrets.token_hex(16), "--no-rate-limits"]
        return [sys.executable, "-m", "bongsu", "serve", *place, "--server-name", SERVER_NAME, *rules]


class Synapse:
    """Synapse from its own package, pinned by hash, in an environment of its own."""

    name = "synapse"

    def __init__(self, presence: bool = True) -> None:
        self._presence = presence

    def install(self) -> None:
        mark = SYNAPSE_VENV / "installed.lock"
        if mark.exists() and mark.read_bytes() == SYNAPSE_LOCK.read_bytes():
            return
        shutil.rmtree(SYNAPSE_VENV, ignore_errors=True)
        python = str(SYNAPSE_VENV / "bin" / "python")
        _install_step([sys.executable, "-m", "venv", str(SYNAPSE_VENV)])
        _install_step([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", str(SYNAPSE_LOCK)])
        mark.write_bytes(SYNAPSE_LOCK.read_bytes())

    def version(self) -> str:
        line = next(line for line in SYNAPSE_LOCK.read_text().splitlines() if line.startswith("matrix-synapse=="))
        return line.split("==")[1].split()[0] + ("" if self._presence else ", presence off")

    def configure(self, folder: Path, postgres: Postgres, port: int) -> list[str]:
        key = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        (folder / "signing.key").write_text(f"ed25519 a_bench {key}\n")
        (folder / "log.json").write_bytes(msgspec.json.encode(_synapse_log(folder)))
        path = folder / "homeserver.yaml"  # JSON is YAML
        settings = {**_synapse_config(folder, postgres, port), "presence": {"enabled": self._presence}}
        path.write_bytes(msgspec.json.format(msgspec.json.encode(settings)))
        return [str(SYNAPSE_VENV / "bin" / "python"), "-m", "synapse.app.homeserver", "-c", str(path)]


def _install_step(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"cannot be installed: {_last_line(done.stderr)}")


def _last_line(text: bytes) -> str:
    return (text.decode(errors="replace").strip().splitlines() or ["no message"])[-1][:200]


def _synapse_log(folder: Path) -> dict[str, object]:
    file = {"class": "logging.FileHandler", "filename": str(folder / "homeserver.log"), "encoding": "utf8"}
    return {
        "version": 1,
        "handlers": {"file": file},
        "root": {"level": "WARNING", "handlers": ["file"]},
        "disable_existing_loggers": False,
    }


def _synapse_limits() -> dict[str, object]:
    single = "message registration registration_token_validity admin_redaction joins_per_room key_requests"
    more = "3pid_validation third_party_invite media_create delayed_event_mgmt room_creation reports"
    names = [*single.split(), *more.split(), "user_directory", "profile"]
    return {
        **{f"rc_{name}": NO_LIMIT for name in names},
        "rc_login": {"address": NO_LIMIT, "account": NO_LIMIT, "failed_attempts": NO_LIMIT},
        "rc_joins": {"local": NO_LIMIT, "remote": NO_LIMIT},
        "rc_invites": {"per_room": NO_LIMIT, "per_user": NO_LIMIT, "per_issuer": NO_LIMIT},
        "rc_presence": {"per_user": NO_LIMIT},
    }


def _synapse_config(folder: Path, postgres: Postgres, port: int) -> dict[str, object]:
    """Defaults wherever the load does not forbid them, the caches' sizes among them."""
    database = {"user": "bench", "dbname": "bench", "host": "127.0.0.1", "port": postgres.port}
    resources = [{"names": ["client"], "compress": False}]
    listener = {"port": port, "type": "http", "bind_addresses": ["127.0.0.1"], "resources": resources}
    return {
        "server_name": SERVER_NAME,
        "report_stats": False,
        "listeners": [listener],
        "database": {"name": "psycopg2", "args": {**database, "cp_min": 5, "cp_max": 10}},
        "log_config": str(folder / "log.json"),
        "media_store_path": str(folder / "media"),
        "signing_key_path": str(folder / "signing.key"),
        "pid_file": str(folder / "homeserver.pid"),
        "trusted_key_servers": [],
        "macaroon_secret_key": secrets.token_hex(16),
        "form_secret": secrets.token_hex(16),
        "enable_registration": True,
        "enable_registration_without_verification": True,
        "bcrypt_rounds": 4,  # registration is set-up, not measured
        **_synapse_limits(),
    }


class Server:
    """One peer with its PostgreSQL, running or stopped."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        self.peer = peer
        self.port = free_port()
        self._folder = folder
        self._postgres = Postgres(folder / "postgres")
        self._command: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def dsn(self) -> str:
        return self._postgres.dsn("bench")

    async def create(self) -> float:
        """Installs, makes the database and starts for the first time; seconds of that first start."""
        self.peer.install()
        await self._postgres.start()
        self._postgres.create_database("bench")
        self._command = self.peer.configure(self._folder, self._postgres, self.port)
        return await self.start()

    async def start(self, *options: str) -> float:
        """Seconds from the process's start until it answers /versions. options: more of the command line's."""
        with (self._folder / "server.log").open("ab") as log:
            started = time.monotonic()
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            self._process = subprocess.Popen(
                [*self._command, *options],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
            )
        await self._ready(started)
        return time.monotonic() - started

    async def _ready(self, started: float) -> None:
        while time.monotonic() - started < START_SECONDS_MAX:
            if self._process is None or self._process.poll() is not None:
                raise Unavailable(f"did not start: {_last_line((self._folder / 'server.log').read_bytes())}")
            if await self._answers():
                return
            await asyncio.sleep(POLL_SECONDS)
        raise Unavailable(f"did not answer within {START_SECONDS_MAX:.0f} s")

    async def _answers(self) -> bool:
        connection = Connection(self.port)
        try:
            reply = await asyncio.wait_for(connection.exchange(request("GET", "/_matrix/client/versions")), 5)
        except (OSError, TimeoutError):
            return False
        finally:
            connection.close()
        return reply.status == 200

    def stop(self) -> None:
        """Ends the server, not its PostgreSQL."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    async def restart(self, *options: str) -> float:
        """Seconds of the start."""
        self.stop()
        return await self.start(*options)

    def destroy(self) -> None:
        self.stop()
        self._postgres.stop()

    def usage(self) -> Usage:
        return usage(self.pid, self._postgres.pid)

    def memory_bytes(self) -> tuple[int, int]:
        """Of the server and of its PostgreSQL."""
        return memory_bytes(self.pid), memory_bytes(self._postgres.pid)

    async def settle(self, seconds_max: float = 20.0) -> None:
        """Waits until the server and its database are nearly idle: what an earlier step left behind is not measured."""
        for _ in range(int(seconds_max / 0.5)):
            before = cpu_seconds(self.pid) + cpu_seconds(self._postgres.pid)
            await asyncio.sleep(0.5)
            if cpu_seconds(self.pid) + cpu_seconds(self._postgres.pid) - before <= 0.03:
                return
