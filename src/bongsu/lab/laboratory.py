"""Three sites on one machine: put up, harmed, healed, asked, taken down. What commands, the drill and tests use."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from bongsu.cluster import secrets
from bongsu.cluster.topology import Site, dsn
from bongsu.lab import building, description, disks, network, status, view
from bongsu.lab.building import LabFailed, Progress
from bongsu.lab.description import Description, Wishes
from bongsu.lab.disks import Disks
from bongsu.lab.faults import Faults
from bongsu.lab.programs import WORKER, Programs
from bongsu.lab.status import Status
from bongsu.lab.wire import Length

FOLDER: Final = Path("data/lab")
PAGE: Final = "page.json"  # written by the laboratory's own process
WHOLE_SECONDS_MAX: Final = 120.0
LOOK_SECONDS: Final = 0.2
SUPERVISOR_SECONDS_MAX: Final = 10.0


class Lab:
    """A laboratory that was put up (Lab.load finds it by its folder). Any number of processes may use it at once."""

    def __init__(self, told: Description) -> None:
        self.description = told
        self.folder = Path(told.folder)
        self.secrets = secrets.read(self.folder / building.SECRETS)
        self.programs = Programs(told, self.secrets)
        self.network = network.of(told)
        self.disks = Disks(told)
        self._faults = Faults(told, self.network, self.programs)

    @classmethod
    def load(cls, folder: Path = FOLDER) -> "Lab":
        """Raises LabFailed when there is none."""
        try:
            return cls(description.read(folder.absolute()))
        except FileNotFoundError:
            raise LabFailed(f"there is no laboratory in {folder}: bongsu lab up --dir {folder}") from None

    # --- the sites ---

    @property
    def sites(self) -> list[str]:
        return [site.name for site in self.description.cluster.sites]

    def site(self, name: str) -> Site:
        return self.description.cluster.site(name)

    def url(self, site: str) -> str:
        """Where clients reach it."""
        return self.site(site).url

    def place(self, site: str) -> description.Place:
        """Its folders and files."""
        return self.description.place(site)

    def status(self) -> Status:
        return status.ask(self.description.cluster, self._faults.done)

    def leader(self) -> str | None:
        """The site whose database leads, as far as can be seen from outside."""
        return self.status().leader

    def wait(self, is_so: Callable[[Status], bool], seconds: float = WHOLE_SECONDS_MAX) -> Status:
        """The first status that is so. Raises TimeoutError with the last one."""
        until = time.monotonic() + seconds
        while not is_so(found := self.status()):
            if time.monotonic() > until:
                raise TimeoutError(f"after {seconds:.0f} s: {msgspec.json.encode(found).decode()}")
            time.sleep(LOOK_SECONDS)
        return found

    def wait_whole(self, seconds: float = WHOLE_SECONDS_MAX) -> Status:
        """Every site serves, one leads, the others follow."""
        return self.wait(Status.is_whole, seconds)

    @property
    def page(self) -> str | None:
        """The live page's address, for a browser on this machine."""
        path = self.folder / PAGE
        return str(msgspec.json.decode(path.read_bytes())["url"]) if path.exists() else None

    # --- faults ---

    def fault(self, name: str, site: str) -> None:
        """One of bongsu.lab.faults.FAULTS; returns when it has happened."""
        self._faults.do(name, site)

    def heal(self, site: str) -> None:
        """Takes back everything that was done to a site; what was killed starts."""
        self._faults.heal(site)

    def power_off_all(self) -> None:
        """The whole country in the dark. heal_all() is the morning after."""
        for site in self.sites:
            if self.description.has_namespaces:
                self.fault("cut", site)  # all at once, before the first process dies
        for site in self.sites:
            self.fault("power_off", site)

    def stretch(self, site: str, *, delay_ms: float = 0.0, loss_percent: float = 0.0) -> None:
        """Makes a site's cable longer, in a laboratory that was put up with a delay or loss (which may be 0).

        Raises WireFailed. Taken back by stretching it to 0, not by heal().
        """
        self.network.stretch(site, Length(delay_ms, loss_percent))

    def restart_workers(self, seconds: float = WHOLE_SECONDS_MAX) -> None:
        """One site after the other: asked to end, and the next only when it serves again."""
        for site in self.sites:
            before = self.pids(site, WORKER)
            self.fault("stop_worker", site)
            self.wait(partial(self._is_new, site, before), seconds)

    def _is_new(self, site: str, before: list[int], status: Status) -> bool:
        serves = any(one.name == site and one.serves for one in status.sites)
        return serves and not set(before) & set(self.pids(site, WORKER))

    def heal_all(self) -> None:
        for site in self.sites:
            self.heal(site)

    def pids(self, site: str, program: str) -> list[int]:
        """Processes of "etcd", "patroni" or "worker" in a site."""
        return self._faults.pids(site, program)

    # --- from inside ---

    def popen(self, site: str, arguments: Sequence[str], **options: Any) -> "subprocess.Popen[bytes]":
        """A program inside a site: on its network, as its user, killed and frozen with it."""
        return self.programs.popen(site, arguments, **options)

    def dsn(self, *sites: str, superuser: bool = False) -> str:
        """Of the databases of these sites (none named: all), for the workers' role or PostgreSQL's superuser."""
        chosen = [self.site(name) for name in sites or self.sites]
        if superuser:
            return dsn(chosen, user="postgres", password=self.secrets.superuser, database="bongsu")
        return dsn(chosen, user="bongsu", password=self.secrets.application, database="bongsu")

    # --- up and down ---

    @classmethod
    def up(cls, folder: Path = FOLDER, wishes: Wishes | None = None, progress: Progress = lambda _: None) -> "Lab":
        """Puts one up and returns while its sites start; wait_whole() tells when they serve.

        A folder that had one before keeps its data. Raises LabFailed, EtcdMissing, PostgresFailed, NetworkFailed.
        """
        folder, wishes = folder.absolute(), wishes or Wishes()
        disks.check(wishes.disk_mb)
        if is_up(folder):
            raise LabFailed(f"the laboratory in {folder} is up; bongsu lab down --dir {folder} ends it")
        folder.mkdir(parents=True, exist_ok=True)
        told = _described(folder, wishes, progress)
        try:
            building.make_secrets(folder)
            building.make_folders(told)
            description.write(told)
            lab = cls(told)
            lab._start()
        except BaseException:
            down(folder)
            raise
        return lab

    def _start(self) -> None:
        self.disks.up()
        building.make_data_folders(self.description)
        self.network.up()
        self.programs.write_settings()
        for site in self.sites:
            self.programs.processes(site).make()
        _start_supervisor(self.folder)

    def down(self, *, wipe: bool = False) -> None:
        down(self.folder, wipe=wipe)


def _described(folder: Path, wishes: Wishes, progress: Progress) -> Description:
    """Of a laboratory that was here before, with its addresses (etcd knows its members by them), or of a new one."""
    try:
        before = description.read(folder)
    except (FileNotFoundError, msgspec.MsgspecError):
        return building.describe(folder, wishes, progress)
    down(folder)
    if wishes.disk_mb != before.wishes.disk_mb:
        raise LabFailed(f"the laboratory in {folder} has disks of another size; --fresh makes a new one")
    if before.has_namespaces and not network.claim_again(before.number, str(folder)):
        raise LabFailed(
            f"another laboratory has the addresses that the one in {folder} had:"
            f" bongsu lab up --fresh --dir {folder} makes a new one"
        )
    return msgspec.structs.replace(before, wishes=wishes)


def _start_supervisor(folder: Path) -> None:
    with (folder / "lab.log").open("ab") as log:
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "bongsu.lab.supervisor", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": str(view.source_folder())},
            start_new_session=True,
        )
    until = time.monotonic() + SUPERVISOR_SECONDS_MAX
    while not is_up(folder):
        if time.monotonic() > until:
            raise LabFailed(f"the laboratory's own process did not start; {folder / 'lab.log'} says why")
        time.sleep(0.02)


# --- the laboratory's own process ---


def hold(folder: Path) -> IO[str] | None:
    """Being the one process that keeps this laboratory running, for as long as the file is open."""
    lock = (folder / ".supervisor").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def is_up(folder: Path) -> bool:
    """Does a process keep this laboratory running?"""
    return _supervisor(folder) is not None


def _supervisor(folder: Path) -> int | None:
    try:
        with (folder / ".supervisor").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        text = (folder / ".supervisor").read_text()
        return int(text) if text else None
    return None


def down(folder: Path, *, wipe: bool = False) -> None:
    """Ends everything that a laboratory started or made, also after a crash; twice does nothing more.

    The data stays, unless it is wiped.
    """
    folder = folder.absolute()
    _end_supervisor(folder)
    (folder / PAGE).unlink(missing_ok=True)
    try:
        told = description.read(folder)
    except (FileNotFoundError, msgspec.MsgspecError):
        told = None
    if told is not None and not network.of(told).is_anothers():
        _remove(told)
    network.remove_left(str(folder))
    if wipe:
        building.wipe(folder)


def _end_supervisor(folder: Path) -> None:
    until = time.monotonic() + SUPERVISOR_SECONDS_MAX
    while (pid := _supervisor(folder)) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if time.monotonic() > until else signal.SIGTERM)
        time.sleep(0.02)


def _remove(told: Description) -> None:
    programs = Programs(told, secrets.read(Path(told.folder) / building.SECRETS))
    for site in told.cluster.sites:
        with building.powered_off(told.place(site.name)):
            processes = programs.processes(site.name)
            processes.kill()
            processes.remove()
    network.of(told).down()
    Disks(told).down()
