"""PostgreSQL's own programs: pg_basebackup, pg_receivewal, pg_combinebackup, pg_archivecleanup."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from bongsu.backup.problem import BackupFailed

_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_TOLD_BYTES_MAX: Final = 2_000


class Programs:
    """The programs of one folder, run for one database. A password goes in the environment: arguments can be seen."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self._folder = folder
        self._address, password = without_password(dsn)
        self._environment = _ENVIRONMENT | ({"PGPASSWORD": password} if password else {})

    async def run(self, program: str, *arguments: str | Path) -> None:
        """Runs to the end; raises BackupFailed with what the program said."""
        process = await self._start(program, arguments)
        try:
            _, said = await process.communicate()
        except BaseException:
            await stop(process)
            raise
        if process.returncode != 0:
            raise BackupFailed(f"{program}: {said.decode(errors='replace').strip()[-_TOLD_BYTES_MAX:]}")

    async def connected(self, program: str, *arguments: str | Path) -> None:
        await self.run(program, f"--dbname={self._address}", "--no-password", *arguments)

    async def connect(self, program: str, *arguments: str | Path) -> asyncio.subprocess.Process:
        """A program that goes on until it is stopped; its standard error is the caller's to read."""
        return await self._start(program, (f"--dbname={self._address}", "--no-password", *arguments))

    async def _start(self, program: str, arguments: Sequence[str | Path]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            self._folder / program,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            cwd="/",
            start_new_session=True,  # Ctrl-C is for Bongsu, which ends them in order
        )


async def stop(process: asyncio.subprocess.Process) -> None:
    """SIGINT: these programs then leave whole files."""
    if process.returncode is None:
        process.send_signal(2)
        await process.wait()


def without_password(dsn: str) -> tuple[str, str]:
    """The address, and the password that stood in it ("" for none)."""
    parts = urlsplit(dsn)
    account, at, hosts = parts.netloc.rpartition("@")
    name, _, password = account.partition(":")
    return urlunsplit(parts._replace(netloc=f"{name}{at}{hosts}")), unquote(password)


def usable(folder: Path) -> bool:
    return os.access(folder / "pg_basebackup", os.X_OK)
