"""A private PostgreSQL in the data folder, for one machine and no database of its own.

    <data>/postgres        the database's files        <data>/logs/postgres.log   what it says
    <data>/run             its socket, for us alone    <data>/.postgres.*         the two locks

Several processes share it. Each holds a shared lock on `.postgres.users` while it uses the database; whoever gets that
lock for itself is the last one and stops the server. The kernel drops the locks of a process that dies, so no list of
processes can go stale. `.postgres.lock` makes starting and stopping one at a time. A server whose Bongsu was killed
goes on, and the next Bongsu adopts it.

When root starts Bongsu and PostgreSQL's user cannot walk to the data folder (/root/…), the server gets the folder as
an open file descriptor. It changes into its folder at start and works with relative names from then on.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import itertools
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec
import structlog

from bongsu import pace
from bongsu.store.postgres_install import MAJOR, PostgresFailed, Progress, RunAs, binaries, reaches, run_as

log = structlog.get_logger(__name__)

SOCKET_PATH_BYTES_MAX: Final = 107  # sockaddr_un on Linux; macOS has 103
LOG_BYTES_MAX: Final = 8 * 1024 * 1024  # kept twice: the log and the one before it
LOCK_SECONDS_MAX: Final = 90.0  # another process may be stopping a busy server
READY_SECONDS_MAX: Final = 600.0  # recovery replays at most max_wal_size of log
STOP_SECONDS_MAX: Final = 30.0  # a fast stop writes what is in memory; then it is cut short (recovery repairs)
WATCH_SECONDS: Final = 0.25  # how soon a dead server is noticed where the system does not tell at once
LOG_LOOK_SECONDS: Final = 5.0  # how often its log is kept within bounds
RETRY_SECONDS_MAX: Final = 5.0  # between attempts to start a server that does not start

_SOCKET_NAME: Final = ".s.PGSQL.5432"
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}

SETTINGS: Final = """\
# Written by Bongsu at every start. Put settings of your own into local.conf beside this file.

# --- who may connect: a socket that only its owner can reach; no network ---
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100                # several Bongsu processes with ten each, and tools

# --- a commit that returned is on disk ---
fsync = on
synchronous_commit = on
full_page_writes = on
wal_log_hints = on                   # pg_rewind can then bring an old primary back without a full copy
wal_level = replica                  # pg_basebackup works while the server runs
summarize_wal = on                   # so that a backup can hold what changed, and no more
max_slot_wal_keep_size = 8GB         # an archive that is gone for long must not fill this disk
wal_compression = on                 # pglz, the one this build has: full pages shrink to a third

# --- few, spread checkpoints: each makes the next change of every page cost 8 kB of log ---
checkpoint_timeout = 15min
max_wal_size = 2GB
min_wal_size = 128MB

# --- memory of a small machine ---
shared_buffers = 128MB
work_mem = 8MB                       # sorts of one page of results
maintenance_work_mem = 64MB
io_method = sync                     # three processes less; the data of a small office fits in memory
max_parallel_workers_per_gather = 0  # queries are short, and /dev/shm of a container is 64 MB
max_worker_processes = 4

# --- planning ---
jit = off                            # compiling costs more than our queries
random_page_cost = 1.1               # solid-state disks

# --- nothing waits for ever ---
idle_in_transaction_session_timeout = 5min  # a lost client must not hold back vacuum
tcp_keepalives_idle = 60
log_lock_waits = on
log_min_duration_statement = 2s
log_line_prefix = '%m [%p] %q%a '
log_timezone = 'UTC'
timezone = 'UTC'
cluster_name = 'bongsu'

include 'local.conf'
"""

_ACCESS: Final = """\
# Written by Bongsu. The socket's folder is open to its owner alone (mode 0700), so no password is asked there.
local all all trust
local replication all trust
"""

_FIRST_STATEMENTS: Final = """\
CREATE ROLE bongsu LOGIN;
GRANT pg_monitor TO bongsu;
CREATE DATABASE bongsu OWNER bongsu;
"""


class _Postmaster(msgspec.Struct, frozen=True):
    """What postmaster.pid says about a server."""

    pid: int
    socket_dir: str
    is_ready: bool


def _quiet(_: str) -> None:
    pass


class EmbeddedPostgres:
    """The private PostgreSQL of one data folder.

    start() → DSN for asyncpg; supervise() restarts a server that died, until cancelled; stop() leaves it, and stops
    the server when nobody else uses it.
    """

    def __init__(self, data_dir: Path, *, ready_seconds_max: float = READY_SECONDS_MAX) -> None:
        self._data = data_dir.absolute()
        self._ready_seconds_max = ready_seconds_max
        self._cluster = self._data / "postgres"
        self._log = self._data / "logs" / "postgres.log"
        self._log_start = 0  # where the log of the running server begins
        self._users: int | None = None  # descriptor that holds the shared lock
        self._child: subprocess.Popen[bytes] | None = None  # the server, when it was this process that started it
        self._postmaster: _Postmaster | None = None

    # --- what the application calls ---

    async def start(self, progress: Progress = _quiet) -> str:
        """Makes the database when there is none, starts it when it does not run; the DSN once it answers."""
        return await asyncio.to_thread(self._start, progress)

    async def stop(self) -> None:
        await asyncio.to_thread(self._leave)

    async def supervise(self) -> None:
        """Runs until cancelled. A server that is gone is started again; attempts never end, each is logged."""
        pause = WATCH_SECONDS
        while True:
            await self._until_gone()
            if await self._restarted():
                pause = WATCH_SECONDS
            else:
                pause = min(2 * pause, RETRY_SECONDS_MAX)
                await asyncio.sleep(pause)

    async def _until_gone(self) -> None:
        while self._is_alive():
            self._bound_log()
            try:
                process = os.pidfd_open(self.pid or 0)
            except (AttributeError, OSError):  # another system than Linux, or one that does not let us
                await asyncio.sleep(WATCH_SECONDS)
            else:
                await _ends(process, LOG_LOOK_SECONDS)

    @property
    def dsn(self) -> str:
        assert self._postmaster is not None, "start() first"
        return f"postgresql://bongsu@/bongsu?host={quote(self._postmaster.socket_dir, safe='/')}"

    @property
    def pid(self) -> int | None:
        """The server's process id, as last seen."""
        return None if self._postmaster is None else self._postmaster.pid

    # --- joining and leaving ---

    def _start(self, progress: Progress) -> str:
        self._data.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        with self._alone():
            users = os.open(self._data / ".postgres.users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(users, fcntl.LOCK_SH)
                self._ensure_cluster(progress)
                self._ensure_running(progress)
            except BaseException:
                os.close(users)
                raise
            self._users = users
        return self.dsn

    def _leave(self) -> None:
        if self._users is None:
            return
        users, self._users = self._users, None
        try:
            with self._alone():
                if _taken(users, fcntl.LOCK_EX):
                    self._shut_down()
        finally:
            os.close(users)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else starts or stops this server meanwhile."""
        lock = os.open(self._data / ".postgres.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until = time.monotonic() + LOCK_SECONDS_MAX
            while not _taken(lock, fcntl.LOCK_EX):
                if time.monotonic() > until:
                    raise PostgresFailed(f"another process has held {self._data / '.postgres.lock'} for too long")
                time.sleep(0.02)
            yield
        finally:
            os.close(lock)

    # --- making it ---

    def _ensure_cluster(self, progress: Progress) -> None:
        if self._cluster.exists() and any(self._cluster.iterdir()):
            _check_version(self._cluster)
            return
        progress("Creating the database; this happens once")
        who = run_as(self._cluster)
        unfinished = self._cluster.with_name("postgres.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        _private_folder(unfinished, who)
        self._initialise(unfinished, who, progress)
        unfinished.rename(self._cluster)  # a database that is half made never gets its name
        _sync_folder(self._data)

    def _initialise(self, folder: Path, who: RunAs, progress: Progress) -> None:
        programs = binaries(who, progress)
        with _place(folder, who) as (place, descriptors):

            def run(command: list[str], said: str = "") -> None:
                done = subprocess.run(  # noqa: S603 -- our own programs
                    command,
                    input=said.encode(),
                    capture_output=True,
                    check=False,
                    cwd="/",
                    env=_ENVIRONMENT,
                    pass_fds=descriptors,
                    umask=0o077,
                    **who.popen(),
                )
                told = (done.stdout + done.stderr).decode(errors="replace")
                if done.returncode != 0 or "ERROR:" in told:
                    raise PostgresFailed(f"the database could not be made in {self._data}: {_reason(told)}")

            run([str(programs / "initdb"), "-D", place, "-U", "postgres", *_INITDB_OPTIONS])
            run([str(programs / "postgres"), "--single", "-D", place, "postgres"], _FIRST_STATEMENTS)
        with (folder / "postgresql.conf").open("a") as conf:
            conf.write("\ninclude 'bongsu.conf'\n")

    # --- running it ---

    def _ensure_running(self, progress: Progress) -> None:
        if self._running() is None:
            self._child = None
            self._clear_remains()
            progress(f"Starting PostgreSQL {MAJOR}")
            self._launch(progress)
        self._wait_until_ready(progress)

    def _running(self) -> _Postmaster | None:
        found = _read_pid_file(self._cluster / "postmaster.pid")
        if found is None:
            return None
        return found if self._is_postmaster(found.pid) or _accepts(found.socket_dir) else None

    def _is_postmaster(self, pid: int) -> bool:
        """Is this process a living PostgreSQL in our folder? Process ids come again, above all in containers."""
        try:
            if not Path("/proc/self").exists():
                os.kill(pid, 0)  # macOS: alive is all we learn; PostgreSQL itself will look closer
                return True
            name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
            return name == "postgres" and rest.split()[0] not in "ZX" and self._works_here(pid)
        except OSError:
            return False

    def _works_here(self, pid: int) -> bool:
        try:
            return os.path.samestat(os.stat(f"/proc/{pid}/cwd"), self._cluster.stat())
        except PermissionError:
            return os.stat(f"/proc/{pid}").st_uid == self._cluster.stat().st_uid  # root without all rights (containers)

    def _clear_remains(self) -> None:
        """After kill -9: processes without their server end, and a pid file that names a stranger goes."""
        for pid in self._orphans():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGQUIT)
        until = time.monotonic() + 2
        while orphans := self._orphans():
            if time.monotonic() > until:
                for pid in orphans:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)

    def _orphans(self) -> list[int]:
        if not Path("/proc/self").exists():
            return []
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and self._is_orphan(int(name))]

    def _is_orphan(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            return os.path.samestat(os.stat(f"/proc/{pid}/cwd"), self._cluster.stat()) and self._is_postmaster(pid)
        return False

    def _launch(self, progress: Progress) -> None:
        who = run_as(self._cluster)
        sockets = self._socket_folder(who)
        for name in (_SOCKET_NAME, f"{_SOCKET_NAME}.lock"):  # left by kill -9, naming a process id that may be taken
            (sockets / name).unlink(missing_ok=True)
        self._write_settings(who, sockets)
        postgres = binaries(who, progress) / "postgres"
        self._log.parent.mkdir(exist_ok=True, mode=0o700)
        self._bound_log()
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        with _place(self._cluster, who) as (place, descriptors), self._log.open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603 -- our own program
                [str(postgres), "-D", place],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=_ENVIRONMENT,
                pass_fds=descriptors,
                start_new_session=True,  # Ctrl-C is for Bongsu, which stops the server when its own work is done
                umask=0o077,
                **who.popen(),
            )

    def _write_settings(self, who: RunAs, sockets: Path) -> None:
        folder = str(sockets).replace("'", "''")
        _write(self._cluster / "bongsu.conf", f"unix_socket_directories = '{folder}'\n{SETTINGS}", who)
        _write(self._cluster / "pg_hba.conf", _ACCESS, who)
        if not (self._cluster / "local.conf").exists():
            _write(self._cluster / "local.conf", "# Settings of your own; they win over bongsu.conf.\n", who)

    def _socket_folder(self, who: RunAs) -> Path:
        """<data>/run, or a short path elsewhere when that one is too long or closed to PostgreSQL's user."""
        folder = self._data / "run"
        if len(os.fsencode(folder / _SOCKET_NAME)) > SOCKET_PATH_BYTES_MAX or not reaches(folder, who):
            name = hashlib.sha256(os.fsencode(self._data.resolve())).hexdigest()[:12]
            folder = Path("/tmp") / f"bongsu-{who.uid}-{name}"  # noqa: S108 -- owner and mode are checked below
        _private_folder(folder, who)
        return folder

    def _wait_until_ready(self, progress: Progress) -> None:
        began = time.monotonic()
        is_told = False
        while True:
            found = _read_pid_file(self._cluster / "postmaster.pid")
            if found is not None and found.is_ready and (self._child is None or self._child.pid == found.pid):
                self._postmaster = found
                return
            self._check_starting(began)
            if not is_told and time.monotonic() - began > 2:
                is_told = True
                progress("PostgreSQL is repairing its files after a hard stop")
            time.sleep(0.02)

    def _check_starting(self, began: float) -> None:
        gone = self._running() is None if self._child is None else self._child.poll() is not None
        if gone or time.monotonic() - began > self._ready_seconds_max:
            self._child = None
            raise PostgresFailed(f"PostgreSQL did not start: {self._why()}; all it said is in {self._log}")

    def _is_alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return self._postmaster is not None and self._is_postmaster(self._postmaster.pid)

    async def _restarted(self) -> bool:
        log.warning("postgres_is_gone", pid=self.pid)
        try:
            await asyncio.to_thread(self._restart)
        except (PostgresFailed, OSError) as error:
            log.error("postgres_did_not_start", error=str(error))
            return False
        log.warning("postgres_started_again", pid=self.pid)
        return True

    def _restart(self) -> None:
        with self._alone():
            if not (self._cluster / "PG_VERSION").exists():
                raise PostgresFailed(f"{self._cluster} is gone")  # an empty database must not take its place
            self._ensure_running(_quiet)

    def _shut_down(self) -> None:
        """Fast stop: transactions under way are rolled back, everything else is written."""
        found = _read_pid_file(self._cluster / "postmaster.pid")
        if found is None or not self._is_postmaster(found.pid):
            return
        for number, seconds in ((signal.SIGINT, STOP_SECONDS_MAX), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(found.pid, number)
            if self._ended(found.pid, seconds):
                break
            log.warning("postgres_does_not_stop", signal=number.name)
        self._child = self._postmaster = None
        if Path(found.socket_dir) != self._data / "run":
            with contextlib.suppress(OSError):
                Path(found.socket_dir).rmdir()  # it stands in /tmp

    def _ended(self, pid: int, seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._child is not None:
                self._child.poll()
            if not self._is_postmaster(pid):
                return True
            time.sleep(0.01)
        return False

    # --- its log ---

    def _bound_log(self) -> None:
        """The server appends, so that the file can be copied away and cut to nothing while it writes.

        A log that cannot be cut, on a full disk perhaps, is no reason to leave a dead server dead.
        """
        with contextlib.suppress(OSError):
            if self._log.stat().st_size > LOG_BYTES_MAX:
                shutil.copyfile(self._log, self._log.with_suffix(".log.1"))
                os.truncate(self._log, 0)

    def _why(self) -> str:
        """What the server said last since it was started, in one line."""
        try:
            with self._log.open("rb") as said:
                said.seek(self._log_start)
                return _reason(said.read(LOG_BYTES_MAX).decode(errors="replace"))
        except OSError as error:
            return f"its log cannot be read ({error.strerror})"


_INITDB_OPTIONS: Final = (
    "--encoding=UTF8",
    "--locale=C",  # order of code points: the same on every machine, whatever its C library does
    "--locale-provider=builtin",  # upper and lower case of all scripts, from PostgreSQL's own tables
    "--builtin-locale=C.UTF-8",
    "--data-checksums",
    "--auth=trust",
)


def _check_version(cluster: Path) -> None:
    """A folder that is no database of ours is not touched: what it holds may be all that is left of one."""
    version = cluster / "PG_VERSION"
    found = version.read_text(errors="replace").strip() if version.exists() else ""
    if not found:
        raise PostgresFailed(
            f"{cluster} is no whole database (its PG_VERSION is missing); restore it, or move it away to begin anew"
        )
    if found != str(MAJOR):
        raise PostgresFailed(
            f"{cluster} belongs to PostgreSQL {found}; this Bongsu brings {MAJOR}."
            f" Give that one by --dsn, or move its contents with pg_dump"
        )


def _reason(said: str) -> str:
    """The line of a log that tells why, with its details: PostgreSQL says the reason first. No hints: to somebody whose
    files are damaged it says to make new ones.
    """
    lines = said.splitlines()
    fatal = next((n for n, line in enumerate(lines) if re.search("(FATAL|PANIC|ERROR|error): ", line)), None)
    if fatal is None:
        return " ".join(lines[-1:]) or "it said nothing"
    if "contains errors" in lines[fatal]:
        fatal = max((n for n in range(fatal) if "LOG: " in lines[n]), default=fatal)  # it was said before
    more = itertools.takewhile(re.compile("DETAIL: ").search, lines[fatal + 1 :])
    told = (re.sub(r"^.*?(LOG|FATAL|PANIC|ERROR|error|DETAIL): +", "", line) for line in (lines[fatal], *more))
    return ". ".join(line.rstrip(".") for line in told)


async def _ends(process: int, seconds: float) -> None:
    """Waits for the end of a process, and so long at most. Closes its descriptor."""
    loop, ended = asyncio.get_running_loop(), pace.Bell()
    loop.add_reader(process, ended.set)
    try:
        await ended.comes(seconds)
    finally:
        loop.remove_reader(process)
        os.close(process)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_pid_file(path: Path) -> _Postmaster | None:
    try:
        lines = path.read_text().splitlines()
        return _Postmaster(int(lines[0]), lines[4].strip(), len(lines) > 7 and lines[7].strip() == "ready")
    except (OSError, ValueError, IndexError):
        return None


def _accepts(socket_dir: str) -> bool:
    """Does a server listen there? It may live in another container that shares this folder."""
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(f"{socket_dir}/{_SOCKET_NAME}")
    except OSError:
        return False
    return True


@contextlib.contextmanager
def _place(folder: Path, who: RunAs) -> Iterator[tuple[str, tuple[int, ...]]]:
    """(name of the folder for a process of that user, descriptors the process must inherit)."""
    if reaches(folder, who):
        yield str(folder), ()
        return
    if not Path("/proc/self/fd").exists():
        raise PostgresFailed(f"PostgreSQL's user cannot reach {folder}: choose another --data folder")
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _private_folder(folder: Path, who: RunAs) -> None:
    """A folder of that user which nobody else can enter. Refuses one that somebody else made."""
    try:
        folder.mkdir(mode=0o700)
        if who.switch:
            os.chown(folder, who.uid, who.gid)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != who.uid or stat.S_IMODE(found.st_mode) & 0o077:
            raise PostgresFailed(f"{folder} must be a folder that belongs to user {who.uid} with mode 0700") from None


def _write(path: Path, text: str, who: RunAs) -> None:
    if path.exists() and path.read_text() == text:
        return
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(text)
    unfinished.chmod(0o600)
    if who.switch:
        os.chown(unfinished, who.uid, who.gid)
    unfinished.replace(path)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
