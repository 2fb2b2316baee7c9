"""The doctor's checks, case by case: a healthy cluster has no findings, and each fault has its own."""

from collections.abc import Callable
from string import Formatter

import msgspec
import pytest

from bongsu.status.doctor import Case, Heard, examine
from bongsu.status.facts import Backup, Certificate, Etcd, Facts, Member
from bongsu.status.findings import TEXTS, Finding, Severity, exit_code, sorted_by_weight
from bongsu.status.load import LoadFacts
from bongsu.store.replication import DatabaseFacts, Standby

NOW = 1_700_000_000_000
DAY = 86_400_000
SITES = ("busan", "daejeon", "seoul")
SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "synchronous_standby_names": "ANY 1 (busan,daejeon)",
    "data_checksums": "on",
}


def healthy(site: str) -> Facts:
    """A site of three, each on a machine of its own, with a backup of tonight."""
    members = [Member(name, f"10.0.{number}.1", "replica", "streaming", 0) for number, name in enumerate(SITES)]
    members[2] = Member("seoul", "10.0.2.1", "leader", "running")
    return Facts(
        site=site,
        version="1.0",
        now_ms=NOW,
        sites=list(SITES),
        features=["text", "sign_in"],
        machine=f"machine of {site}",
        hashes={"registration_secret": "aa", "presence": "bb"},
        disk_free=50 * 2**30,
        disk_total=100 * 2**30,
        database=DatabaseFacts(
            False, dict(SAFE), [Standby(name, "streaming", "quorum", 0) for name in SITES[:2]], 10**9
        ),
        patroni=members,
        etcd=Etcd([Member(m.name, m.host) for m in members], [f"http://{m.host}:2379" for m in members], []),
        backup=Backup(NOW - DAY // 4, NOW - 3 * DAY),
        certificates=[Certificate("https://chat.example.org", NOW + 60 * DAY)],
        media_missing=0,
        load=LoadFacts(4, NOW - DAY, 0.2, 0.3),
        unknown={},
    )


Change = Callable[[dict[str, Heard]], None]


def findings_after(change: Change) -> list[Finding]:
    """Notes left out."""
    heard = {site: Heard(site, healthy(site), uncertain_ms=2.0) for site in SITES}
    change(heard)
    return [finding for finding in examine(Case(tuple(heard.values()), NOW)) if finding.severity]


def facts_of(heard: dict[str, Heard], site: str) -> Facts:
    facts = heard[site].facts
    assert facts is not None
    return facts


def everywhere(change: Callable[[Facts], None]) -> Change:
    def apply(heard: dict[str, Heard]) -> None:
        for site in heard:
            change(facts_of(heard, site))

    return apply


def setting(name: str, value: str) -> Change:
    def change(facts: Facts) -> None:
        assert facts.database is not None
        facts.database.settings[name] = value

    return everywhere(change)


def at(site: str, **changes: object) -> Change:
    def change(heard: dict[str, Heard]) -> None:
        facts = facts_of(heard, site)
        for name, value in changes.items():
            setattr(facts, name, value)

    return change


def all_with(**changes: object) -> Change:
    def change(facts: Facts) -> None:
        for name, value in changes.items():
            setattr(facts, name, value)

    return everywhere(change)


def hearing(site: str, **changes: object) -> Change:
    def change(heard: dict[str, Heard]) -> None:
        heard[site] = msgspec.structs.replace(heard[site], **changes)

    return change


def only(*sites: str) -> Change:
    def change(heard: dict[str, Heard]) -> None:
        for site in set(SITES) - set(sites):
            del heard[site]
        for site in sites:
            facts_of(heard, site).sites = list(sites)

    return change


def standbys(*those: Standby) -> Change:
    def change(facts: Facts) -> None:
        assert facts.database is not None
        facts.database = msgspec.structs.replace(facts.database, standbys=list(those))

    return everywhere(change)


def members(*those: Member) -> Change:
    return all_with(patroni=list(those))


GOOD = Standby("busan", "streaming", "quorum", 0)
LEADER = Member("seoul", "10.0.2.1", "leader", "running")
REPLICAS = (
    Member("busan", "10.0.0.1", "replica", "streaming", 0),
    Member("daejeon", "10.0.1.1", "replica", "streaming"),
)
E1, E2, E3 = (Member(site, f"10.0.{number}.1") for number, site in enumerate(SITES))
URLS = ["http://10.0.0.1:2379", "http://10.0.1.1:2379", "http://10.0.2.1:2379"]
W, C, U = Severity.WARNING, Severity.CRITICAL, Severity.UNKNOWN


def test_a_healthy_cluster_has_no_findings() -> None:
    found = findings_after(lambda _: None)
    assert found == []
    assert exit_code(found) == 0


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        (only("seoul"), "one_site", W),
        (only("seoul", "busan"), "two_sites", C),
        (hearing("busan", facts=None, status=0, reason="no route"), "site_silent", C),
        (hearing("busan", facts=None, status=401), "site_refuses", C),
        (at("busan", machine="machine of seoul"), "one_machine", W),
        (at("busan", sites=["busan", "seoul"]), "sites_differ", C),
        (at("busan", features=["text", "sign_in", "mail"]), "feature_one_site", C),
        (at("busan", hashes={"registration_secret": "zz", "presence": "bb"}), "secret_differs", C),
        (at("busan", hashes={"registration_secret": "aa", "presence": "zz"}), "settings_differ", W),
        (at("busan", version="1.1"), "versions_differ", W),
        (hearing("busan", offset_ms=510.0), "clocks_apart", W),
        (hearing("busan", offset_ms=-6_000.0), "clocks_apart", C),
        (setting("fsync", "off"), "database_unsafe", C),
        (setting("full_page_writes", "off"), "database_unsafe", C),
        (setting("synchronous_commit", "local"), "commit_unsafe", C),
        (setting("synchronous_commit", "remote_write"), "commit_unsafe", C),
        (setting("synchronous_standby_names", ""), "not_synchronous", C),
        (setting("data_checksums", "off"), "no_checksums", W),
        (standbys(GOOD), "standby_missing", C),
        (standbys(GOOD, Standby("daejeon", "startup", "", 0)), "standby_missing", C),
        (standbys(GOOD, Standby("daejeon", "streaming", "quorum", 100 * 2**20)), "standby_behind", W),
        (standbys(GOOD, Standby("daejeon", "streaming", "quorum", 2 * 2**30)), "standby_behind", C),
        (
            standbys(Standby("busan", "streaming", "async", 0), Standby("daejeon", "streaming", "async", 0)),
            "standby_not_counted",
            C,
        ),
        (members(*REPLICAS), "no_leader", C),
        (members(LEADER, REPLICAS[0], Member("daejeon", "10.0.1.1", "replica", "start failed")), "member_ill", C),
        (members(LEADER, REPLICAS[0], Member("daejeon", "10.0.0.1", "replica", "streaming")), "quorum_one_place", C),
        (all_with(etcd=Etcd([E1, E2, Member("seoul", "10.0.1.1")], URLS, [])), "quorum_one_place", C),
        (all_with(etcd=Etcd([E1, E2], URLS[:2], [])), "etcd_few", C),
        (at("seoul", etcd=Etcd([E1, E2, E3], URLS[:2], URLS[2:])), "etcd_ill", C),
        (at("seoul", disk_free=10 * 2**30), "disk_full", W),
        (at("seoul", disk_free=2 * 2**30), "disk_full", C),
        (at("seoul", disk_total=2**30, disk_free=2**28), "disk_full", C),
        (at("seoul", media_missing=4), "media_missing", W),
        (all_with(backup=None), "backup_missing", W),
        (all_with(backup=Backup(NOW - 30 * DAY // 24, NOW)), "backup_old", W),
        (all_with(backup=Backup(NOW - 4 * DAY, NOW)), "backup_old", C),
        (all_with(backup=Backup(NOW, None)), "backup_unproved", W),
        (all_with(backup=Backup(NOW, NOW - 40 * DAY)), "backup_unproved", W),
        (at("seoul", certificates=[Certificate("x", NOW + 10 * DAY)]), "certificate_ends", W),
        (at("seoul", certificates=[Certificate("x", NOW - DAY)]), "certificate_ends", C),
        (at("busan", record_altered=True), "record_altered", C),
        (all_with(load=LoadFacts(4, NOW - DAY, 0.6, 0.1)), "capacity", W),
        (all_with(load=LoadFacts(4, NOW - DAY, 0.1, 0.7)), "capacity", W),
        (at("seoul", patroni=None), "not_named", U),
        (at("seoul", etcd=None, unknown={"etcd": "no answer"}), "not_found_out", U),
    ],
)
def test_each_fault_is_found(change: Change, code: str, severity: Severity) -> None:
    found = [finding for finding in findings_after(change) if finding.code == code]
    assert {finding.severity for finding in found} == {severity}


@pytest.mark.parametrize(
    "change",
    [
        hearing("busan", offset_ms=499.0),
        hearing("busan", offset_ms=900.0, uncertain_ms=500.0),
        at("busan", backup=None),
        at("busan", media_missing=None),
        all_with(load=LoadFacts(4, NOW - DAY, 0.5, 0.5)),
    ],
)
def test_what_is_well_enough_is_not_said(change: Change) -> None:
    assert findings_after(change) == []


def test_peaks_of_sites_on_one_machine_are_not_added_up() -> None:
    def change(facts: Facts) -> None:
        facts.machine, facts.load = "one", LoadFacts(4, NOW - DAY, 0.1, 0.9)

    assert {finding.code for finding in findings_after(everywhere(change))} == {"one_machine"}


def test_an_unmeasured_peak_is_a_note() -> None:
    heard = tuple(Heard(site, healthy(site)) for site in SITES)
    facts = heard[0].facts
    assert facts is not None
    facts.load = None
    (found,) = examine(Case(heard, NOW))
    assert (found.code, found.severity) == ("capacity_unknown", Severity.NOTE)


@pytest.mark.parametrize(
    ("severities", "code"),
    [([], 0), ([Severity.NOTE], 0), ([W], 1), ([W, U], 3), ([U, C], 2), ([C, W], 2)],
)
def test_exit_codes_are_those_of_monitoring_plugins(severities: list[Severity], code: int) -> None:
    findings = [Finding("one_site", severity) for severity in severities]
    assert exit_code(findings) == code
    assert [exit_code([finding]) for finding in sorted_by_weight(findings)][:1] == ([code] if findings else [])


def test_both_languages_say_all_and_name_the_same_values() -> None:
    assert set(TEXTS["ko"]) == set(TEXTS["en"])
    for code, texts in TEXTS["en"].items():
        for english, korean in zip(texts, TEXTS["ko"][code], strict=True):
            assert set(_places(korean)) == set(_places(english)), code


def test_every_finding_can_be_put_into_words() -> None:
    changes = (only("seoul"), at("busan", version="1.1"), setting("fsync", "off"), all_with(backup=Backup(NOW, None)))
    for change in changes:
        for finding in findings_after(change):
            for language in ("en", "ko"):
                assert all(finding.said(language))


def _places(text: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text) if name]
