"""What three sites agree on keeps its promises, whatever the profile."""

from typing import Any

import pytest
from patroni.config import Config  # type: ignore[import-untyped]

import bongsu.cluster.patroni  # noqa: F401 - gives back the umask that importing Patroni has set
from bongsu.cluster import secrets, settings
from bongsu.cluster.settings import FAST, PROFILES, SUPPORTED, Folders, Memory, Profile
from bongsu.cluster.topology import Cluster, Site, dsn

CLUSTER = Cluster(tuple(Site(name, f"10.0.0.{number}") for number, name in enumerate(("seoul", "daejeon", "busan"), 1)))
SECRETS = secrets.make(iter("abcdef").__next__)


def patroni(profile: Profile = FAST, site: str = "daejeon") -> dict[str, Any]:
    return settings.patroni(
        CLUSTER,
        CLUSTER.site(site),
        profile=profile,
        secrets=SECRETS,
        folders=Folders("/bin", "/data", "/pgpass", "/first.sql"),
        networks=["10.0.0.0/24"],
        memory=Memory(),
    )


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_a_lease_outlives_a_round_of_its_holder(profile: Profile) -> None:
    assert profile.ttl >= profile.loop_wait + 2 * profile.retry_timeout
    assert profile.holds()


def test_only_the_supported_profile_keeps_patronis_floors() -> None:
    assert (SUPPORTED.ttl >= 20, SUPPORTED.retry_timeout >= 3, SUPPORTED.changes) == (True, True, {})
    assert FAST.changes["minimum_ttl"] == FAST.ttl


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_two_of_three_sites_have_every_commit(profile: Profile) -> None:
    """The leader and one more: any two sites that are left then include one that has it."""
    shared = settings.shared(profile, Memory())
    on_disk = 1 + shared["synchronous_node_count"]
    left = len(CLUSTER.sites) - 1
    assert on_disk + left > len(CLUSTER.sites)
    assert (shared["synchronous_mode"], shared["synchronous_mode_strict"]) == ("quorum", True)
    parameters = shared["postgresql"]["parameters"]
    assert [parameters[name] for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["on"] * 3


def test_an_old_leader_can_be_wound_back() -> None:
    shared = settings.shared(FAST, Memory())
    assert shared["postgresql"]["use_pg_rewind"]
    assert shared["postgresql"]["parameters"]["wal_log_hints"] == "on"
    assert "data-checksums" in patroni()["bootstrap"]["initdb"]


def test_etcd_is_asked_nearby_first() -> None:
    hosts = patroni(site="busan")["etcd3"]["hosts"]
    assert hosts == ["10.0.0.3:2379", "10.0.0.1:2379", "10.0.0.2:2379"]


def test_every_site_names_all_three_members() -> None:
    members = {settings.etcd_arguments(CLUSTER, site, "/etcd")[6] for site in CLUSTER.sites}
    assert members == {
        "--initial-cluster=seoul=http://10.0.0.1:2380,daejeon=http://10.0.0.2:2380,busan=http://10.0.0.3:2380"
    }


def test_nobody_connects_without_a_password() -> None:
    rules = settings.access(["10.0.0.0/24"])
    assert rules[-1] == "host all all all reject"
    assert all(rule.endswith("scram-sha-256") for rule in rules[:-1])


def test_every_secret_is_another_one() -> None:
    assert len(set(vars_of(SECRETS))) == 6


def vars_of(made: secrets.Secrets) -> list[str]:
    return [made.superuser, made.replication, made.rewind, made.application, made.patroni, made.peer]


def test_an_address_names_hosts_in_order_and_hides_what_a_password_may_have() -> None:
    address = dsn(CLUSTER.local_first("busan"), user="bongsu", password="a/b@c", database="bongsu")
    assert address == "postgresql://bongsu:a%2Fb%40c@10.0.0.3:5432,10.0.0.1:5432,10.0.0.2:5432/bongsu"


def test_lowered_floors_keep_the_fast_profile_and_patronis_rule() -> None:
    from bongsu.cluster.patroni import lower_floors

    name = "_Config__get_and_maybe_adjust_int_value"
    before = getattr(Config, name)
    try:
        lower_floors(FAST.ttl)
        config = Config.__new__(Config)
        fast = {"ttl": 5, "retry_timeout": 2, "loop_wait": 1}
        config._validate_and_adjust_timeouts(fast)
        assert fast == {"ttl": 5, "retry_timeout": 2, "loop_wait": 1}
        wrong = {"ttl": 5, "retry_timeout": 8, "loop_wait": 1}
        config._validate_and_adjust_timeouts(wrong)
        assert wrong["loop_wait"] + 2 * wrong["retry_timeout"] <= wrong["ttl"]
    finally:
        setattr(Config, name, before)
