"""Making a laboratory's folders and its description, and taking everything away again."""

import os
import secrets as randomness
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bongsu.cluster import binaries, secrets
from bongsu.lab import description, network, power
from bongsu.lab.description import Description, Place, User, Wishes
from bongsu.store import postgres_install
from bongsu.store.postgres_install import RunAs

SECRETS: Final = "secrets.json"
TOKEN_BYTES: Final = 24
_OWN: Final = ("bongsu.toml", "lab.log", "page.json", ".supervisor", "wires.json", "wire.log")

Progress = Callable[[str], None]


class LabFailed(Exception):
    """A laboratory cannot be put up; the message says why and what to do."""


def describe(folder: Path, wishes: Wishes, progress: Progress) -> Description:
    """Of a new laboratory. Claims its number."""
    has_namespaces = os.geteuid() == 0 and network.has_namespaces()
    etcd = binaries.etcd(Path(wishes.etcd) if wishes.etcd else None, _cache(), progress)
    who = postgres_install.run_as(folder / "any")
    postgres_bin = _postgres(who, has_namespaces, progress)
    number = network.claim(str(folder)) if has_namespaces else network.free_loopback()
    return Description(
        folder=str(folder),
        number=number,
        has_namespaces=has_namespaces,
        cluster=description.addresses(number, has_namespaces=has_namespaces),
        user=User(who.uid, who.gid, who.switch),
        etcd=str(etcd),
        postgres_bin=str(postgres_bin),
        wishes=wishes,
    )


def _postgres(who: RunAs, has_namespaces: bool, progress: Progress) -> Path:
    """Where processes get a view of their own, that user reaches the package where it is; elsewhere it is copied."""
    reader = RunAs(who.uid, who.gid, switch=False) if has_namespaces else who
    return postgres_install.binaries(reader, progress)


def _cache() -> Path:
    """For all laboratories of this person."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bongsu"


def make_folders(lab: Description) -> None:
    """Each site's folder belongs to the sites' user; the one above can be walked through."""
    Path(lab.folder).chmod(0o755 if lab.user.switch else 0o700)
    for site in lab.cluster.sites:
        place = lab.place(site.name)
        for folder in (place.folder, place.logs):
            folder.mkdir(exist_ok=True, mode=0o700)
            _give(folder, lab.user)
        place.faults.write_text("")
        with power.switched(place.power, on=True):
            pass


@contextmanager
def powered_off(place: Place) -> Iterator[None]:
    """Inside, nothing of this site starts; also of one that was never finished."""
    if not place.folder.exists():
        yield
        return
    with power.switched(place.power, on=False):
        yield


def make_data_folders(lab: Description) -> None:
    """On the sites' disks, once these are there."""
    for site in lab.cluster.sites:
        place = lab.place(site.name)
        place.bongsu.mkdir(exist_ok=True, mode=0o700)
        for folder in (place.disk, place.bongsu):
            _give(folder, lab.user)


def _give(path: Path, user: User) -> None:
    if user.switch:
        os.chown(path, user.uid, user.gid)


def make_secrets(folder: Path) -> secrets.Secrets:
    path = folder / SECRETS
    if not path.exists():
        secrets.write(secrets.make(lambda: randomness.token_urlsafe(TOKEN_BYTES)), path)
    return secrets.read(path)


def wipe(folder: Path) -> None:
    """Only what a laboratory made: a folder that was named by mistake keeps everything else."""
    for name in (*description.SITES, description.FILE, SECRETS, *_OWN):
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
