"""The laboratory's own process: starts what a site runs, and starts it again when it ends, as systemd would.

    python -m bongsu.lab.supervisor DIR

It obeys each site's power switch. Faults are done by whoever asks for them, not by this process, so they do not wait.
"""

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from bongsu import logs
from bongsu.lab import power, programs, status
from bongsu.lab.laboratory import Lab, hold
from bongsu.lab.page import Page

log = structlog.get_logger("bongsu.lab")

LOOK_SECONDS: Final = 0.1
RESTART_SECONDS: Final = 0.5  # a pause before a program that ended starts again
ETCD_SECONDS_MAX: Final = 10.0  # that Patroni waits for etcd: without it, it does what it can


class Supervisor:
    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._has_database = asyncio.Event()

    async def run(self) -> None:
        tasks = [self._keep(name, site) for site in self._lab.sites for name in programs.ALL]
        await asyncio.gather(*tasks, self._wait_for_database(), Page(self._lab).run())

    async def _keep(self, name: str, site: str) -> None:
        """One program of one site, for ever."""
        switch = self._lab.place(site).power
        while True:
            if not power.is_on(switch):
                await asyncio.sleep(LOOK_SECONDS)
                continue
            await self._may_start(name, site)
            process = await asyncio.to_thread(self._lab.programs.start, name, site)
            log.info("started", site=site, program=name, pid=process.pid)
            await _ended(process)
            log.info("ended", site=site, program=name, code=process.returncode)
            await asyncio.sleep(RESTART_SECONDS)

    async def _may_start(self, name: str, site: str) -> None:
        if name == programs.PATRONI:
            await self._wait_for_etcd(site)
        if name == programs.WORKER:
            await self._has_database.wait()

    async def _wait_for_etcd(self, site: str) -> None:
        until = time.monotonic() + ETCD_SECONDS_MAX
        while time.monotonic() < until and power.is_on(self._lab.place(site).power):
            if await asyncio.to_thread(status.etcd_is_decided, self._lab.site(site)):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _wait_for_database(self) -> None:
        """The first start of all makes the database; workers that come earlier would only end and start again."""
        while not self._has_database.is_set():
            for site in self._lab.sites:
                if (self._lab.place(site).bongsu / "blobs").exists() or await asyncio.to_thread(
                    status.leads, self._lab.site(site)
                ):
                    self._has_database.set()
            await asyncio.sleep(LOOK_SECONDS)


async def _ended(process: "subprocess.Popen[bytes]") -> None:
    """Polled, because a process that is frozen or killed from outside tells nobody here."""
    while process.poll() is None:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_SECONDS)


async def _run(lab: Lab) -> None:
    running = asyncio.create_task(Supervisor(lab).run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with suppress(asyncio.CancelledError):
        await running


def main() -> None:
    logs.configure("json", "info")
    folder = Path(sys.argv[1])
    lock = hold(folder)
    if lock is None:
        sys.exit(f"another process keeps the laboratory in {folder}")
    asyncio.run(_run(Lab.load(folder)))


if __name__ == "__main__":
    main()
