"""What stands in one site only, and whatever else would turn a fire into a disaster. Pure: facts in, findings out.

Each check is a function of all that was heard; CHECKS is the list. A check that lacks its facts says nothing: what
could not be found out is a finding of its own.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.status.facts import Facts, Member
from bongsu.status.findings import Finding, Severity

_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_SECRETS: Final = {"peer_secret", "registration_secret", "dsn", "server_name"}
_WELL: Final = {"running", "streaming", "in archive recovery"}
_SAFE_COMMITS: Final = {"on", "remote_apply"}
_LEADERS: Final = {"leader", "master", "primary", "standby_leader"}


class Heard(msgspec.Struct, frozen=True):
    """What a site answered. status: of HTTP, 0 for silence; offset_ms: its clock minus the asker's, uncertain by
    uncertain_ms (half of the round trip).
    """

    site: str
    facts: Facts | None
    status: int = 200
    reason: str = ""
    offset_ms: float = 0.0
    uncertain_ms: float = 0.0


class Case(msgspec.Struct, frozen=True):
    """All that the doctor knows. now_ms: by the asker's clock."""

    heard: tuple[Heard, ...]
    now_ms: int

    @property
    def facts(self) -> list[tuple[str, Facts]]:
        return [(one.site, one.facts) for one in self.heard if one.facts is not None]


Findings = Iterator[Finding]
CRITICAL, WARNING, UNKNOWN, NOTE = Severity.CRITICAL, Severity.WARNING, Severity.UNKNOWN, Severity.NOTE


def examine(case: Case) -> list[Finding]:
    """All findings, in the order of the checks."""
    return [finding for check in CHECKS for finding in check(case)]


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _grade(is_bad: bool, is_worse: bool) -> Severity | None:
    if is_worse:
        return CRITICAL
    return WARNING if is_bad else None


# --- sites ---


def sites_there_are(case: Case) -> Findings:
    if len(case.heard) == 1:
        yield Finding("one_site", WARNING)
    elif len(case.heard) == 2:
        yield Finding("two_sites", CRITICAL, {"sites": _names(one.site for one in case.heard)})


def sites_that_do_not_tell(case: Case) -> Findings:
    for one in case.heard:
        if one.facts is None and one.status:
            yield Finding("site_refuses", CRITICAL, {"site": one.site, "status": str(one.status)})
        elif one.facts is None:
            yield Finding("site_silent", CRITICAL, {"site": one.site, "reason": one.reason})


def machines(case: Case) -> Findings:
    by_machine: dict[str, list[str]] = {}
    for site, facts in case.facts:
        by_machine.setdefault(facts.machine, []).append(site)
    for sites in by_machine.values():
        if len(sites) > 1:
            yield Finding("one_machine", WARNING, {"sites": _names(sites)})


def clocks(case: Case) -> Findings:
    """Only what is apart for certain: the way there may have taken longer than the way back."""
    for one, other in combinations([one for one in case.heard if one.facts], 2):
        apart = abs(one.offset_ms - other.offset_ms)
        sure = apart - one.uncertain_ms - other.uncertain_ms
        severity = _grade(sure > limits.CLOCKS_APART_MS_MAX, sure > limits.CLOCKS_APART_MS_CRITICAL)
        if severity:
            yield Finding("clocks_apart", severity, {"one": one.site, "other": other.site, "ms": f"{apart:.0f}"})


def versions(case: Case) -> Findings:
    if len({facts.version for _, facts in case.facts}) > 1:
        said = ", ".join(f"{site} {facts.version}" for site, facts in case.facts)
        yield Finding("versions_differ", WARNING, {"versions": said})


def settings(case: Case) -> Findings:
    names = sorted({name for _, facts in case.facts for name in facts.hashes})
    for name in names:
        if len({facts.hashes.get(name) for _, facts in case.facts}) > 1:
            is_secret = name in _SECRETS
            values = {"setting": name, "sites": _names(site for site, _ in case.facts)}
            yield Finding(
                "secret_differs" if is_secret else "settings_differ", CRITICAL if is_secret else WARNING, values
            )


def known_sites(case: Case) -> Findings:
    everybody = {name for _, facts in case.facts for name in facts.sites}
    for site, facts in case.facts:
        if set(facts.sites) != everybody:
            values = {"site": site, "known": _names(facts.sites), "all": _names(everybody)}
            yield Finding("sites_differ", CRITICAL, values)


def features(case: Case) -> Findings:
    """Nothing in one site only: each service in two at least."""
    if len(case.facts) < 2:
        return
    counts = Counter(feature for _, facts in case.facts for feature in facts.features)
    for feature, count in counts.items():
        if count == 1:
            site = next(site for site, facts in case.facts if feature in facts.features)
            yield Finding("feature_one_site", CRITICAL, {"feature": feature, "site": site})


def disks(case: Case) -> Findings:
    for site, facts in case.facts:
        share = facts.disk_free / max(1, facts.disk_total)
        is_tight = facts.disk_free < limits.DISK_FREE_BYTES_MIN
        severity = _grade(share < limits.DISK_FREE_SHARE_MIN, is_tight or share < limits.DISK_FREE_SHARE_CRITICAL)
        if severity:
            values = {"site": site, "free": _gib(facts.disk_free), "total": _gib(facts.disk_total)}
            yield Finding("disk_full", severity, {**values, "share": f"{share * 100:.0f}"})


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


# --- the database ---


def durability(case: Case) -> Findings:
    for site, facts in case.facts:
        if facts.database is None:
            continue
        found = facts.database.settings
        for name in ("fsync", "full_page_writes"):
            if found.get(name) != "on":
                yield Finding(
                    "database_unsafe", CRITICAL, {"site": site, "setting": name, "value": str(found.get(name))}
                )
        commit = str(found.get("synchronous_commit"))
        if commit not in _SAFE_COMMITS:
            yield Finding("commit_unsafe", CRITICAL, {"site": site, "value": commit})
        if len(case.heard) > 1 and not facts.database.is_standby and not found.get("synchronous_standby_names"):
            yield Finding("not_synchronous", CRITICAL, {"site": site})
        if found.get("data_checksums") == "off":
            yield Finding("no_checksums", WARNING, {"site": site})


def standbys(case: Case) -> Findings:
    """As the primary sees them. Every site asks the same primary: the first that could is enough."""
    seen = next((facts.database for _, facts in case.facts if facts.database and not facts.database.is_standby), None)
    if seen is None or len(case.heard) < 2:
        return
    following = [standby for standby in seen.standbys if standby.state == "streaming"]
    names = _names(standby.name for standby in following) or "-"
    wanted = len(case.heard) - 1
    if len(following) < wanted:
        yield Finding(
            "standby_missing", CRITICAL, {"count": str(len(following)), "wanted": str(wanted), "names": names}
        )
    if following and not any(standby.sync_state in ("sync", "quorum") for standby in following):
        yield Finding("standby_not_counted", CRITICAL, {"names": names})
    for standby in seen.standbys:
        yield from _behind(standby.name, standby.behind_bytes)


def _behind(name: str, behind: int | None) -> Findings:
    behind = behind or 0
    severity = _grade(behind > limits.STANDBY_BEHIND_BYTES_MAX, behind > limits.STANDBY_BEHIND_BYTES_CRITICAL)
    if severity:
        yield Finding("standby_behind", severity, {"name": name, "mib": f"{behind / 2**20:.0f}"})


def patroni(case: Case) -> Findings:
    site, members = next(((site, facts.patroni) for site, facts in case.facts if facts.patroni), ("", None))
    if members is None:
        return
    leaders = [member for member in members if member.role in _LEADERS]
    if len(leaders) != 1:
        yield Finding("no_leader", CRITICAL, {"site": site, "count": str(len(leaders))})
    for member in members:
        if member.state not in _WELL:
            yield Finding("member_ill", CRITICAL, {"name": member.name, "state": member.state or "?"})
        yield from _behind(member.name, member.lag_bytes)
    yield from _in_one_place("Patroni", members)


def _in_one_place(what: str, members: Sequence[Member]) -> Findings:
    """A majority of them at one address. One alone is no majority of several, but is one of one."""
    counts = Counter(member.host for member in members if member.host)
    for host, count in counts.items():
        if count > len(members) // 2 and len(members) > 1:
            values = {"what": what, "host": host, "count": str(count), "total": str(len(members))}
            yield Finding("quorum_one_place", CRITICAL, values)


def etcd(case: Case) -> Findings:
    for site, facts in case.facts:
        if facts.etcd is not None and facts.etcd.ill:
            left, total = len(facts.etcd.healthy), len(facts.etcd.healthy) + len(facts.etcd.ill)
            severity = CRITICAL if left <= total // 2 + 1 else WARNING  # the next loss ends every decision
            values = {"site": site, "urls": _names(facts.etcd.ill), "left": str(left), "total": str(total)}
            yield Finding("etcd_ill", severity, values)
    members = next((facts.etcd.members for _, facts in case.facts if facts.etcd and facts.etcd.members), None)
    if members is not None and len(members) < 3:
        yield Finding("etcd_few", CRITICAL, {"count": str(len(members))})
    yield from _in_one_place("etcd", members or [])


# --- what is needed afterwards ---


def backups(case: Case) -> Findings:
    """The newest of all sites counts: one place outside of the databases is enough."""
    made = [(facts.backup.finished_ms, site) for site, facts in case.facts if facts.backup and facts.backup.finished_ms]
    if not made:
        if case.facts and not any("backup" in facts.unknown for _, facts in case.facts):
            yield Finding("backup_missing", WARNING)
        return
    newest, site = max(made)
    hours = (case.now_ms - newest) // _HOUR_MS
    severity = _grade(hours >= limits.BACKUP_AGE_HOURS_MAX, hours >= limits.BACKUP_AGE_HOURS_CRITICAL)
    if severity:
        yield Finding("backup_old", severity, {"hours": str(hours), "site": site})
    proved = max((facts.backup.verified_ms or 0 for _, facts in case.facts if facts.backup), default=0)
    if case.now_ms - proved > limits.BACKUP_VERIFIED_DAYS_MAX * _DAY_MS:
        when = f"{(case.now_ms - proved) // _DAY_MS} d" if proved else "0"
        yield Finding("backup_unproved", WARNING, {"when": when})


def certificates(case: Case) -> Findings:
    for site, facts in case.facts:
        for one in facts.certificates:
            days = (one.ends_ms - case.now_ms) // _DAY_MS
            severity = _grade(days < limits.CERTIFICATE_DAYS_MIN, days < limits.CERTIFICATE_DAYS_CRITICAL)
            if severity:
                yield Finding("certificate_ends", severity, {"name": one.name, "days": str(days), "site": site})


def media(case: Case) -> Findings:
    for site, facts in case.facts:
        if facts.media_missing:
            yield Finding("media_missing", WARNING, {"site": site, "count": str(facts.media_missing)})


def record(case: Case) -> Findings:
    for site, facts in case.facts:
        if facts.record_altered:
            yield Finding("record_altered", CRITICAL, {"site": site})


# --- capacity ---


def capacity(case: Case) -> Findings:
    """Can the sites carry the measured peak without one of them? A worker can take one core, a machine all it has."""
    total = len(case.heard)
    if total < 2:
        return
    unmeasured = [site for site, facts in case.facts if facts.load is None or facts.load.worker_peak is None]
    if unmeasured or len(case.facts) < total:
        yield Finding("capacity_unknown", NOTE, {"sites": _names(unmeasured) or "-"})
        return
    workers = [facts.load.worker_peak or 0.0 for _, facts in case.facts if facts.load]
    machine_of = {facts.machine: facts.load.machine_peak or 0.0 for _, facts in case.facts if facts.load}
    hours = min(case.now_ms - facts.load.since_ms for _, facts in case.facts if facts.load) / _HOUR_MS
    yield _fit("workers", sum(workers), total, hours)
    if len(machine_of) == total:  # sites that share a machine say nothing of machines
        yield _fit("machines", sum(machine_of.values()), total, hours)


def _fit(what: str, used: float, total: int, hours: float) -> Finding:
    share = used / (total - 1)
    values = {"what": what, "share": f"{share * 100:.0f}", "left": str(total - 1), "total": str(total)}
    if share > limits.LOAD_SHARE_MAX:
        return Finding("capacity", WARNING, values)
    return Finding("capacity_fits", NOTE, {**values, "hours": f"{hours:.1f}"})


# --- what is not known ---


def not_known(case: Case) -> Findings:
    for site, facts in case.facts:
        for what, reason in facts.unknown.items():
            yield Finding("not_found_out", UNKNOWN, {"site": site, "what": what, "reason": reason})
        if len(case.heard) > 1:
            for what, known in (("patroni", facts.patroni), ("etcd", facts.etcd)):
                if known is None and what not in facts.unknown:
                    yield Finding("not_named", UNKNOWN, {"site": site, "what": what})


CHECKS: Final[tuple[Callable[[Case], Findings], ...]] = (
    sites_there_are,
    sites_that_do_not_tell,
    machines,
    known_sites,
    features,
    settings,
    versions,
    clocks,
    durability,
    standbys,
    patroni,
    etcd,
    disks,
    media,
    backups,
    certificates,
    record,
    capacity,
    not_known,
)
