"""Three Debian hosts on one machine, each with a file system, a network and processes of its own.

A host's root is this machine's, copied on write (overlayfs), so that the real installer makes it a site: it adds users,
writes to /etc and /opt, and no other host sees it. There is no systemd in it; `start` reads a unit as installed and
runs what it says, as the user it says, again whenever it ends. Everything a host ran ends with its first process.
"""

import contextlib
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bongsu

BRIDGE = "bdeploy"
NETWORK = "10.78.0"
OURS = f"{NETWORK}.254"  # the test's own address on the hosts' network
SOURCE = Path(bongsu.__file__).parent.parent
_PROGRAMS = ("etcd", "etcdctl", "haproxy", "nft", "ip", "unshare", "nsenter", "setpriv", "prlimit")
_FIRST_PROCESS = """
import os, sys, time
print("up", flush=True)
while True:
    try:
        os.wait()  # takes leave of orphans, as every first process must
    except ChildProcessError:
        time.sleep(0.05)
"""


def why_not() -> str | None:
    """What is missing here for such hosts; None: nothing."""
    if os.geteuid() != 0:
        return "hosts in network namespaces need root"
    if "overlay" not in Path("/proc/filesystems").read_text():
        return "this kernel has no overlayfs"
    missing = [
        name
        for name in ("etcd", "etcdctl", "haproxy", "nft", "ip", "unshare", "nsenter", "setpriv")
        if not _found(name)
    ]
    return f"missing here: {', '.join(missing)}" if missing else None


def _found(program: str) -> bool:
    return shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is not None


def run(*command: str | Path, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


class Host:
    """One host, running nothing but its first process until something is started."""

    def __init__(self, name: str, address: str, folder: Path) -> None:
        self.name = name
        self.address = address
        self.root = folder / "root"
        self._folder = folder
        self._namespace = f"bdeploy-{name}"
        self._first: subprocess.Popen[str] | None = None
        self._units: dict[str, subprocess.Popen[bytes]] = {}

    def boot(self) -> None:
        """Also after `crash`: what was on its disk is there again."""
        self._cable()
        for part in ("root", "upper", "work"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o755)
        options = f"lowerdir=/,upperdir={self._folder}/upper,workdir={self._folder}/work"
        inside = (
            f"mount -t overlay overlay -o {options} {self.root} && cd {self.root} && mount -t proc proc proc"
            f" && mount --rbind /dev dev && mount -t tmpfs tmpfs run && hostname {self.name}"
            f" && exec chroot . {sys.executable} -c {shlex.quote(_FIRST_PROCESS)}"
        )
        new = (
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--pid",
            "--uts",
            "--ipc",
            "--fork",
            "--kill-child",
        )
        self._first = subprocess.Popen(
            ["ip", "netns", "exec", self._namespace, *new, "sh", "-c", inside],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._first.stdout is not None
        assert self._first.stdout.readline() == "up\n"

    def _cable(self) -> None:
        here, there = f"bd-{self.name[:8]}", self._namespace
        run("ip", "netns", "add", there)
        run("ip", "link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", there)
        run("ip", "link", "set", here, "master", BRIDGE, "up")
        run("ip", "-n", there, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for link in ("lo", "eth0"):
            run("ip", "-n", there, "link", "set", link, "up")

    def crash(self) -> None:
        """Power off: every process at once, and the network."""
        if self._first is not None:
            os.killpg(self._first.pid, signal.SIGKILL)
            self._first.wait()
        for process in self._units.values():
            process.wait()
        self._first, self._units = None, {}
        run("ip", "link", "del", f"bd-{self.name[:8]}", check=False)
        run("ip", "netns", "del", self._namespace, check=False)

    def wipe(self) -> None:
        """A new disk, while it is off."""
        assert self._first is None
        for part in ("upper", "work"):
            shutil.rmtree(self._folder / part)

    def run(self, *command: str | Path, user: str = "root", check: bool = True) -> str:
        """A command inside, to its end."""
        return run(*self._inside(user), *command, check=check)

    def start(self, unit: str) -> None:
        """What systemd would do with an installed unit."""
        parsed = Unit.read(self.root_path("/etc/systemd/system"), unit)
        if parsed.runtime_directory:
            self.run("install", "-d", "-m", "0700", "-o", parsed.user, f"/run/{parsed.runtime_directory}")
        again = "" if parsed.is_oneshot else "sleep 1; "
        loop = "; ".join(parsed.commands) if parsed.is_oneshot else f"while :; do {parsed.commands[0]}; {again}done"
        if parsed.is_oneshot:
            self.run("sh", "-ec", loop, user=parsed.user)
            return
        with (self._folder / f"{unit}.log").open("ab") as log:
            self._units[unit] = subprocess.Popen(
                [*self._inside(parsed.user, parsed.environment, parsed.files_max), "sh", "-c", loop],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def runs(self, unit: str) -> bool:
        return unit in self._units

    def stop(self, unit: str) -> None:
        """All of its processes end at once, and nothing starts them again."""
        loop = self._units.pop(unit)
        os.killpg(loop.pid, signal.SIGKILL)
        loop.wait()

    def root_path(self, path: str) -> Path:
        """A path of the host, as seen from here."""
        assert self._first is not None
        return Path(f"/proc/{self._pid()}/root{path}")

    def log(self, lines: int = 25) -> str:
        """The newest lines of every unit."""
        tails = []
        for path in sorted(self._folder.glob("*.log")):
            tails.append(f"--- {self.name} {path.name}\n" + "\n".join(path.read_text().splitlines()[-lines:]))
        return "\n".join(tails)

    def _pid(self) -> int:
        """Of the host's first process, as this machine counts."""
        assert self._first is not None
        (pid,) = Path(f"/proc/{self._first.pid}/task/{self._first.pid}/children").read_text().split()
        return int(pid)

    def _inside(self, user: str, environment: tuple[str, ...] = (), files_max: str = "1024") -> list[str]:
        """The command that runs what follows in here, with nothing of the test's own environment."""
        enter = ["nsenter", "--target", str(self._pid()), "--all", "--root"]
        home = ("HOME=/nonexistent", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8")
        clean = ["env", "--chdir=/", "-i", *home, f"PYTHONPATH={SOURCE}", *environment]
        switch = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"] if user != "root" else []
        files = min(int(files_max), resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # not everywhere may root have more
        return [*enter, *clean, "prlimit", f"--nofile={files}:{files}", *switch]


class Unit:
    """What a unit of systemd says, as far as the hosts here go by it."""

    def __init__(self, lines: list[str], instance: str) -> None:
        said = [tuple(line.replace("%i", instance).split("=", 1)) for line in lines if "=" in line and line[0] != "#"]
        self.user = next((value for name, value in said if name == "User"), "root")
        self.commands = [value for name, value in said if name == "ExecStart"]
        self.environment = tuple(value for name, value in said if name == "Environment")
        self.runtime_directory = next((value for name, value in said if name == "RuntimeDirectory"), "")
        self.files_max = next((value for name, value in said if name == "LimitNOFILE"), "1024")
        self.is_oneshot = ("Type", "oneshot") in said

    @classmethod
    def read(cls, folder: Path, name: str) -> "Unit":
        stem, at, instance = name.removesuffix(".service").partition("@")
        return cls((folder / f"{stem}{at}.service").read_text().splitlines(), instance)


@contextlib.contextmanager
def hosts(names: tuple[str, ...]) -> Iterator[list[Host]]:
    """Booted hosts with one network. At the end nothing of them is left."""
    folder = Path(tempfile.mkdtemp(prefix="bongsu-hosts-"))
    folder.chmod(0o755)
    made: list[Host] = []
    _clear()
    try:
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "addr", "add", f"{OURS}/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        for number, name in enumerate(names, 1):
            made.append(Host(name, f"{NETWORK}.{number}", folder / name))
            made[-1].boot()
        yield made
    finally:
        for host in made:
            host.crash()
        _clear()
        shutil.rmtree(folder, ignore_errors=True)


def _clear() -> None:
    """What a run left behind that was killed; its processes ended with it."""
    for line in run("ip", "netns", "list").splitlines():
        if line.startswith("bdeploy-"):
            run("ip", "netns", "del", line.split()[0])
    for line in run("ip", "-brief", "link").splitlines():
        if line.startswith("bd-"):
            run("ip", "link", "del", line.split("@")[0], check=False)
    run("ip", "link", "del", BRIDGE, check=False)
