"""What the sites say of themselves, asked from outside."""

import http.client
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal

import msgspec

from bongsu.cluster.topology import Cluster, Site

ANSWER_SECONDS_MAX: Final = 1.0
Role = Literal["leader", "standby", "down"]


class SiteStatus(msgspec.Struct, frozen=True, kw_only=True):
    """role: what clients find at `url`: down when no worker answers, else what its database is.

    database: what Patroni says of its PostgreSQL; serves: the worker is ready; etcd: it answers and has a leader;
    faults: what was done to the site and not healed.
    """

    name: str
    url: str
    role: Role
    database: Role
    serves: bool
    etcd: bool
    timeline: int | None
    is_synchronous: bool
    faults: tuple[str, ...]


class Status(msgspec.Struct, frozen=True):
    sites: tuple[SiteStatus, ...]

    @property
    def leader(self) -> str | None:
        """The site whose database leads."""
        return next((site.name for site in self.sites if site.database == "leader"), None)

    def is_whole(self) -> bool:
        """Every site serves and has etcd, and every standby would be asked for a commit."""
        leading = self.leader is not None
        return leading and all(
            site.serves and site.etcd and (site.database == "leader" or site.is_synchronous) for site in self.sites
        )


def ask(cluster: Cluster, faults: Callable[[str], Sequence[str]]) -> Status:
    """All sites at once; takes ANSWER_SECONDS_MAX when one is silent."""
    with ThreadPoolExecutor(4 * len(cluster.sites)) as pool:
        members = [pool.submit(_member, site) for site in cluster.sites]
        lives = [pool.submit(_answers, site, "/health/live") for site in cluster.sites]
        serves = [pool.submit(_answers, site, "/health/ready") for site in cluster.sites]
        etcds = [pool.submit(_has_etcd, site) for site in cluster.sites]
        found = [member.result() for member in members]
        leader = _leading(found)
        return Status(
            tuple(
                SiteStatus(
                    name=site.name,
                    url=site.url,
                    role=_database(member, leader) if lives[number].result() else "down",
                    database=_database(member, leader),
                    serves=serves[number].result(),
                    etcd=etcds[number].result(),
                    timeline=member.get("timeline"),
                    is_synchronous="quorum_standby" in member or "sync_standby" in member,
                    faults=tuple(faults(site.name)),
                )
                for number, (site, member) in enumerate(zip(cluster.sites, found, strict=True))
            )
        )


def _database(member: dict[str, Any], leader: dict[str, Any] | None) -> Role:
    if member is leader:
        return "leader"
    return "standby" if member.get("state") in ("running", "streaming") else "down"


def _leading(members: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """A leader that was cut off may go on saying that it is one; the newer timeline is right."""
    leaders = [one for one in members if one.get("role") in ("primary", "master") and one.get("state") == "running"]
    return max(leaders, key=lambda member: member.get("timeline") or 0, default=None)


def _member(site: Site) -> dict[str, Any]:
    found = _get(site.address, site.patroni_port, "/patroni")
    return found[1] if found else {}


def _answers(site: Site, path: str) -> bool:
    found = _get(site.address, site.http_port, path)
    return found is not None and found[0] == 200


def _has_etcd(site: Site) -> bool:
    found = _get(site.address, site.etcd_port, "/health")
    return found is not None and str(found[1].get("health")) == "true"


def etcd_is_decided(site: Site) -> bool:
    """Has etcd agreed on its version? Patroni asks once, at its start, which one it talks to."""
    found = _get(site.address, site.etcd_port, "/version")
    return found is not None and found[1].get("etcdcluster", "not_decided") != "not_decided"


def leads(site: Site) -> bool:
    """Has this site's database the lease?"""
    found = _get(site.address, site.patroni_port, "/primary")
    return found is not None and found[0] == 200


def _get(address: str, port: int, path: str) -> tuple[int, dict[str, Any]] | None:
    """(HTTP status, object); None when there is no answer."""
    connection = http.client.HTTPConnection(address, port, timeout=ANSWER_SECONDS_MAX)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        told = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    else:
        return answer.status, told if isinstance(told, dict) else {}
    finally:
        connection.close()
