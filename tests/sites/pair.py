"""A primary and its synchronous standby, two real PostgreSQL servers on loopback, to be killed, frozen and promoted."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg

from bongsu.store.database import Database
from bongsu.store.migrations import migrate
from bongsu.store.postgres_install import binaries, run_as
from tests.server import free_port

READY_SECONDS_MAX = 60.0

_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_log_hints = on
hot_standby_feedback = on
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 200ms
shared_buffers = 32MB
max_connections = 60
"""
_ACCESS = "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"


class Node:
    """One PostgreSQL server in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._who = run_as(folder)
        self._bin = binaries(self._who, lambda _: None)
        self._process: subprocess.Popen[bytes] | None = None
        if self._who.switch:
            folder.mkdir(mode=0o700)
            os.chown(folder, self._who.uid, self._who.gid)

    def make_primary(self) -> None:
        self._run("initdb", "-D", str(self._folder), "-U", "postgres", "-A", "trust", "--no-sync")
        (self._folder / "pg_hba.conf").write_text(_ACCESS)

    def make_standby(self, of: "Node") -> None:
        source = f"host=127.0.0.1 port={of.port} user=postgres application_name=standby"
        self._run("pg_basebackup", "-D", str(self._folder), "-d", source, "-R", "-c", "fast", "--no-sync")

    def configure(self, text: str = "") -> None:
        (self._folder / "postgresql.conf").write_text(f"{_SETTINGS}port = {self.port}\n{text}\n")

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._folder], stdout=log, stderr=log, **self._who.popen()
            )

    def signal(self, number: signal.Signals) -> None:
        """To the server and all its sessions, as when the machine stops."""
        assert self._process is not None
        for pid in [*_children(self._process.pid), self._process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()

    async def reload(self, text: str) -> None:
        self.configure(text)
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    async def admin(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A session of the superuser, when the server is ready."""
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            try:
                return await asyncpg.connect(host="127.0.0.1", port=self.port, user="postgres", database="postgres")
            except (OSError, asyncpg.PostgresError):
                assert time.monotonic() < deadline, (self._folder / "log").read_text()
                await asyncio.sleep(0.05)

    async def ask(self, sql: str) -> object:
        admin = await self.admin()
        try:
            return await admin.fetchval(sql)
        finally:
            await admin.close()

    def _run(self, program: str, *args: str) -> None:
        subprocess.run([self._bin / program, *args], check=True, capture_output=True, **self._who.popen())


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Pair:
    """dsn names both; bongsu's tables are there, and every commit waits for the standby."""

    def __init__(self, primary: Node, standby: Node) -> None:
        self.primary = primary
        self.standby = standby
        self.dsn = f"postgresql://postgres@127.0.0.1:{standby.port},127.0.0.1:{primary.port}/postgres"

    async def promote(self) -> None:
        """The standby takes over, and waits for nobody."""
        await self.standby.reload("")
        await self.standby.ask("SELECT pg_promote()")


@asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    parent = Path(tempfile.mkdtemp(prefix="bongsu-pair-"))
    parent.chmod(0o755)
    primary, standby = Node(parent / "primary"), Node(parent / "standby")
    try:
        primary.make_primary()
        primary.configure()
        primary.start()
        await primary.ask("SELECT 1")
        standby.make_standby(primary)
        standby.configure()
        standby.start()
        await primary.reload("synchronous_standby_names = 'ANY 1 (standby)'")
        await _until(primary, "SELECT sync_state = 'quorum' FROM pg_stat_replication")
        made = Database(f"postgresql://postgres@127.0.0.1:{primary.port}/postgres")
        await made.open()
        await migrate(made)
        await made.close()
        yield Pair(primary, standby)
    finally:
        standby.stop()
        primary.stop()
        shutil.rmtree(parent, ignore_errors=True)


async def _until(node: Node, question: str) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while not await node.ask(question):
        assert time.monotonic() < deadline, question
        await asyncio.sleep(0.05)
