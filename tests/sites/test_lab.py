"""A laboratory's sites do what sites do when things are done to them."""

import json
import subprocess
import sys
import urllib.request

import pytest

from bongsu.lab import Lab
from bongsu.lab.disks import DiskFailed
from bongsu.lab.status import Status
from bongsu.lab.wire import WireFailed
from tests.sites.conftest import in_lab

pytestmark = in_lab


def command(lab: Lab, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """bongsu lab …, as a person types it."""
    line = [sys.executable, "-m", "bongsu", "lab", *arguments, "--dir", str(lab.folder)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def roles(lab: Lab) -> dict[str, str]:
    told = json.loads(command(lab, "status", "--json").stdout)
    return {site["name"]: site["role"] for site in told["sites"]}


def leader(lab: Lab) -> str:
    found = lab.leader()
    assert found is not None
    return found


def names_of(status: Status, role: str) -> list[str]:
    return [site.name for site in status.sites if site.role == role]


def needs_network(lab: Lab) -> None:
    if not lab.description.has_namespaces:
        pytest.skip("sites can be cut off only by root")


def test_one_leads_two_follow_and_all_serve(lab: Lab) -> None:
    assert sorted(roles(lab).values()) == ["leader", "standby", "standby"]
    told = json.loads(command(lab, "status", "--json").stdout)
    for site in told["sites"]:
        with urllib.request.urlopen(f"{site['url']}/_matrix/client/versions", timeout=10) as answer:
            assert answer.status == 200


def test_after_the_leader_burnt_another_leads_and_it_comes_back_by_itself(lab: Lab) -> None:
    burnt = leader(lab)
    assert command(lab, "burn", burnt).returncode == 0
    assert not lab.programs.processes(burnt).pids()
    lab.wait(lambda status: status.leader not in (None, burnt))
    assert roles(lab)[burnt] == "down"
    assert command(lab, "heal", burnt).returncode == 0
    assert lab.wait_whole().leader != burnt


def test_a_burnt_site_starts_nothing(lab: Lab) -> None:
    site = next(name for name in lab.sites if name != lab.leader())
    lab.fault("power_off", site)
    assert lab.popen(site, ["/bin/sleep", "60"]).wait(10) == 0
    assert not lab.programs.processes(site).pids()


def test_a_cut_leader_lives_and_is_replaced(lab: Lab) -> None:
    needs_network(lab)
    cut = leader(lab)
    assert command(lab, "cut", cut).returncode == 0
    found = lab.wait(lambda status: status.leader not in (None, cut))
    assert lab.pids(cut, "worker")
    assert next(site for site in found.sites if site.name == cut).faults == ("cut",)
    lab.heal(cut)
    lab.wait_whole()


@pytest.mark.parametrize("fault", ["cut_sites", "cut_out"])
def test_a_leader_whose_word_reaches_nobody_is_replaced_while_its_clients_reach_it(lab: Lab, fault: str) -> None:
    needs_network(lab)
    cut = leader(lab)
    lab.fault(fault, cut)
    lab.wait(lambda status: status.leader not in (None, cut) and cut not in names_of(status, "down"))


def test_a_leader_that_hears_nobody_is_replaced(lab: Lab) -> None:
    needs_network(lab)
    deaf = leader(lab)
    lab.fault("cut_in", deaf)
    lab.wait(lambda status: status.leader not in (None, deaf))


def test_a_frozen_leader_is_replaced_and_thaws_as_a_standby(lab: Lab) -> None:
    frozen = leader(lab)
    assert command(lab, "freeze", frozen).returncode == 0
    lab.wait(lambda status: status.leader not in (None, frozen))
    lab.heal(frozen)
    assert lab.wait_whole().leader != frozen


@pytest.mark.parametrize("program", ["worker", "etcd", "patroni"])
def test_what_is_killed_starts_again(lab: Lab, program: str) -> None:
    site = lab.sites[0]
    before = lab.pids(site, program)
    lab.fault(f"kill_{program}", site)
    lab.wait(lambda status: status.is_whole() and not set(before) & set(lab.pids(site, program)))
    assert lab.pids(site, program)


def test_postgresql_killed_alone_is_replaced_or_restarted(lab: Lab) -> None:
    pid_file = lab.place(leader(lab)).postgres / "postmaster.pid"
    before = pid_file.read_text().split()[0]
    lab.fault("kill_postgres", leader(lab))
    lab.wait(lambda status: status.is_whole() and pid_file.read_text().split()[0] != before)


def test_all_sites_lose_power_and_come_back(lab: Lab) -> None:
    lab.power_off_all()
    assert set(roles(lab).values()) == {"down"}
    lab.heal_all()
    lab.wait_whole()


def test_workers_are_restarted_one_after_the_other(lab: Lab) -> None:
    before = {site: lab.pids(site, "worker") for site in lab.sites}
    lab.restart_workers()
    assert all(set(lab.pids(site, "worker")).isdisjoint(before[site]) for site in lab.sites)


def test_what_is_not_there_is_said_in_one_line(lab: Lab) -> None:
    said = command(lab, "burn", "atlantis")
    assert (said.returncode, said.stderr.count("\n")) == (2, 1)
    assert "seoul" in said.stderr


def test_what_was_not_asked_for_is_said_to_be_missing(lab: Lab) -> None:
    with pytest.raises(DiskFailed, match="--disk-mb"):
        lab.fault("disk_full", lab.sites[0])
    if lab.description.has_namespaces:
        with pytest.raises(WireFailed, match="--delay-ms"):
            lab.stretch(lab.sites[0], delay_ms=1)
