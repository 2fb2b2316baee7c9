"""The output folder: written whole, and what changed is shown. Secrets are named, never shown."""

import difflib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bongsu.deploy import overview, secrets
from bongsu.deploy.authority import Authority
from bongsu.deploy.description import Deployment
from bongsu.deploy.host import Host, HostFile, host

_MANIFEST: Final = "host.json"
INSTALLER: Final = Path(__file__).with_name("install.py")


def write(deployment: Deployment, folder: Path, *, rejoins: str | None, packages: Path | None) -> list[str]:
    """Makes or renews the folder; returns the changes as lines of a diff. rejoins: a site whose disk is empty."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    known = secrets.keep(folder)
    authority = Authority(folder / "ca")
    authority.open()
    changes: list[str] = []
    for site in deployment.sites:
        made = host(deployment, site, known, authority, rejoins=site.name == rejoins)
        changes += _write_host(folder / site.name, made, packages)
    notes = (HostFile("/dns.zone", overview.dns(deployment)), HostFile("/STEPS.txt", overview.steps(deployment)))
    return changes + [line for note in notes for line in _write_file(folder, "", note)]


def _write_host(folder: Path, made: Host, packages: Path | None) -> list[str]:
    files = folder / "files"
    changes = [line for one in made.files for line in _write_file(files, made.site, one)]
    changes += list(_remove_others(files, {one.path for one in made.files}))
    slim = msgspec.structs.replace(made, files=tuple(msgspec.structs.replace(one, text="") for one in made.files))
    (folder / _MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(slim)))
    shutil.copyfile(INSTALLER, folder / INSTALLER.name)
    if packages is not None:
        shutil.copytree(packages, folder / "packages", dirs_exist_ok=True)
    return changes


def _write_file(root: Path, site: str, file: HostFile) -> list[str]:
    path = root / file.path.lstrip("/")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    before = path.read_text() if path.exists() else None
    if before != file.text:
        path.touch(mode=0o600)
        path.write_text(file.text)
    path.chmod(file.mode)
    return _changes(f"{site}{file.path}", before, file)


def _changes(name: str, before: str | None, file: HostFile) -> list[str]:
    if before == file.text:
        return []
    if before is None:
        return [f"new      {name}"]
    if file.is_secret:
        return [f"changed  {name} (it holds secrets)"]
    lines = difflib.unified_diff(before.splitlines(), file.text.splitlines(), name, name, lineterm="", n=1)
    return [f"changed  {name}", *lines]


def _remove_others(files: Path, kept: set[str]) -> Iterator[str]:
    """What an earlier description had and this one has not."""
    for path in sorted(files.rglob("*")):
        name = f"/{path.relative_to(files)}"
        if path.is_file() and name not in kept:
            path.unlink()
            yield f"removed  {files.parent.name}{name}"
