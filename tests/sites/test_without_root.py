"""A laboratory of somebody who is not root: loopback addresses, no cuts, everything else."""

import json
import os
import pwd
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bongsu.lab import inside, view
from bongsu.store.postgres_install import RunAs
from tests.sites.conftest import in_lab

pytestmark = in_lab

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def _prefix(home: Path) -> list[str]:
    """What makes a command an ordinary user's, who may be unable to walk to this Python."""
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    power = home / "power"
    power.write_text("on")
    power.chmod(0o644)
    shown = view.behind_closed_doors(view.programs(), RunAs(nobody.pw_uid, nobody.pw_gid, switch=True))
    told = {"power": str(power), "group": None, "network": None, "user": [nobody.pw_uid, nobody.pw_gid], "show": shown}
    return [sys.executable, "-I", "-S", inside.__file__, json.dumps(told)]


@pytest.fixture(scope="module")
def command(lab_folder: Path) -> Iterator[Command]:
    """bongsu lab …, as that user."""
    home = lab_folder / "home"
    home.mkdir()
    prefix = _prefix(home)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        line = [*prefix, sys.executable, "-m", "bongsu", "lab", *arguments, "--dir", str(home / "lab")]
        environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(view.source_folder())}
        return subprocess.run(line, env=environment, capture_output=True, text=True, check=False)

    put_up = run("up", "--detach")
    if "--etcd PATH" in put_up.stderr:
        pytest.skip(put_up.stderr)
    try:
        assert put_up.returncode == 0, put_up.stderr
        yield run
    finally:
        assert run("down", "--wipe").returncode == 0


def sites(command: Command) -> dict[str, str]:
    return {site["name"]: site["role"] for site in json.loads(command("status", "--json").stdout)["sites"]}


def leader(command: Command) -> str | None:
    return next((name for name, role in sites(command).items() if role == "leader"), None)


def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline


def test_a_site_burns_and_another_leads(command: Command) -> None:
    burnt = leader(command)
    assert burnt is not None
    assert command("burn", burnt).returncode == 0
    assert sites(command)[burnt] == "down"
    until(lambda: leader(command) not in (None, burnt))
    assert command("heal", burnt).returncode == 0
    until(lambda: sites(command)[burnt] == "standby")


def test_a_cut_is_refused_with_what_to_do_instead(command: Command) -> None:
    said = command("cut", "seoul")
    assert said.returncode == 1
    assert "as root" in said.stderr
    assert "freeze" in said.stderr
