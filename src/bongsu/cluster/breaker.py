"""The lease breaker: when the leader's whole site is gone, nobody waits for its lease.

A lease must be long enough for a machine that is merely slow, and most of a switch is waiting for it. The fence makes
that wait needless for safety: what an old leader may still acknowledge is decided by who follows it, not by its lease.
What is left to decide is only whether a switch is *wanted*, and there a site that is gone looks different from one that
is slow: the kernel answers a TCP connection even when no process gets to run.

So each member knocks at the leader's two doors (PostgreSQL, Patroni), five times a second. When both have been refused
or silent for SILENCE_SECONDS, it says so in etcd, naming the exact version of the leader's key. When most members say
so of the same version, each detaches and votes (fence.py); from then on the leader acknowledges nothing. When a quorum
has voted, the key is deleted, in one transaction that finds that version of the key, these votes, and no other broken
lease within REST_SECONDS. Then Patroni's usual race is on.

- *One member alone* (its own link is bad) changes nothing: it goes on following until others agree.
- *A frozen site* (processes stopped, kernel alive) answers and keeps its lease: it is replaced when that lapses.
- *The leader is back* before the key is gone: suspicion ends, the voters follow it again.
- *The key is gone although the leader lives* (the others could not reach it, etcd's majority could): it finds its key
  absent, is still the elected one, and either takes it back or steps down. Nothing was acknowledged meanwhile.
- *Flapping:* one broken lease in REST_SECONDS for the whole cluster; the next loss waits for the lease.
"""

import logging
import socket
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

from bongsu.cluster.ballots import BallotBox
from bongsu.cluster.fence import Ballot, Voters, has_quorum_voted

KNOCK_EVERY_SECONDS: Final = 0.2
KNOCK_SECONDS_MAX: Final = 0.4  # a TCP handshake between sites takes milliseconds
SILENCE_SECONDS: Final = 1.0  # from the first knock that nobody answered
KNOCKS_MIN: Final = 3  # a thread that slept through the silence has not knocked; one lost packet is no silence
AGREE_SECONDS_MAX: Final = 0.5  # how long to wait for the others' suspicion before knocking again
AGREE_POLL_SECONDS: Final = 0.05
REST_SECONDS: Final = 20  # a flapping network switches three times a minute at most

log: Final = logging.getLogger(__name__)


class Silence:
    """How long, and through how many knocks, nobody has answered. Seconds of a clock that only goes on."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._knocks = 0

    def note(self, knocked_at: float, is_answered: bool) -> None:
        if is_answered:
            self._since, self._knocks = None, 0
            return
        self._since = knocked_at if self._since is None else self._since
        self._knocks += 1

    def is_long(self, now: float) -> bool:
        return self._since is not None and now - self._since >= SILENCE_SECONDS and self._knocks >= KNOCKS_MIN


def is_agreed(ballot: Ballot, version: str, members: Iterable[str]) -> bool:
    """Most of all members, the suspected leader included, suspect exactly this version of the leader's key."""
    everybody = set(members)
    suspecting = {name for name, cast in ballot.suspects.items() if cast.value == version} & everybody
    return len(suspecting) > len(everybody) // 2


def is_breakable(ballot: Ballot, version: str, members: Iterable[str], voters: Voters) -> bool:
    return not ballot.is_breaker_resting and is_agreed(ballot, version, members) and has_quorum_voted(voters, ballot)


def doors(member: Any) -> list[tuple[str, int]]:
    """Where a member's PostgreSQL and Patroni listen, as it wrote into etcd."""
    urls = [urlsplit(url) for url in (member.conn_url, member.api_url) if url]
    return [(url.hostname, url.port) for url in urls if url.hostname and url.port]


def knock(door: tuple[str, int]) -> bool:
    try:
        socket.create_connection(door, timeout=KNOCK_SECONDS_MAX).close()
    except OSError:
        return False
    return True


class Breaker(threading.Thread):
    """Beside Patroni's loop. `site` is the FencedHa; whatever touches PostgreSQL holds Patroni's own lock."""

    def __init__(self, site: Any) -> None:
        super().__init__(name="lease-breaker", daemon=True)
        self._site = site
        self._box: BallotBox = site.box
        self._silence = Silence()
        self._watched: str | None = None  # version of the leader's key
        self._is_suspecting = False
        self._knocked_at = time.monotonic()
        self._knockers = ThreadPoolExecutor(2, "knock")
        self.held: str | None = None  # the version whose holder is not followed for now

    def run(self) -> None:
        while True:
            time.sleep(max(0.0, self._knocked_at + KNOCK_EVERY_SECONDS - time.monotonic()))
            self._knocked_at = time.monotonic()
            try:
                self._step()
            except Exception as error:  # etcd or PostgreSQL is away; the lease decides then, as without a breaker
                log.info("Lease breaker: %r", error)

    def _step(self) -> None:
        leader = self._site.leader_to_watch()
        version = leader and str(leader.version)
        if version != self._watched:
            self._begin(version)
        if leader is None:
            return
        answered = any(self._knockers.map(knock, doors(leader.member)))
        self._silence.note(self._knocked_at, answered)
        if self._silence.is_long(time.monotonic()):
            self._suspect(leader.name, str(leader.version))
        elif answered:
            self._trust()

    def _begin(self, version: str | None) -> None:
        self._watched, self._silence = version, Silence()
        self._trust()

    def _trust(self) -> None:
        if self.held is not None:
            self.held = None
            self._site.wakeup()  # and follows again
        if self._is_suspecting:
            self._box.trust()
            self._is_suspecting = False

    def _suspect(self, leader: str, version: str) -> None:
        ballot = self._box.read()
        if ballot.is_breaker_resting:
            return
        if not self._is_suspecting:
            log.warning("Lease breaker: %s has not answered for %s s", leader, SILENCE_SECONDS)
            self._box.suspect(version)
            self._is_suspecting = True
        if self._is_agreed_soon(version):
            self._break(leader, version)

    def _is_agreed_soon(self, version: str) -> bool:
        """The others notice within one knock of each other."""
        deadline = time.monotonic() + AGREE_SECONDS_MAX
        while not is_agreed(self._box.read(), version, self._site.member_names()):
            if time.monotonic() > deadline:
                return False
            time.sleep(AGREE_POLL_SECONDS)
        return True

    def _break(self, leader: str, version: str) -> None:
        if self.held != version:
            log.warning("Lease breaker: most members agree; detaching from %s", leader)
        if not self._site.hold(version):
            return
        ballot = self._voted_soon()
        if is_breakable(ballot, version, self._site.member_names(), self._site.voters()):
            is_broken = self._box.break_lease(leader, version, ballot, REST_SECONDS)
            log.warning("Lease breaker: the lease of %s is %s", leader, "broken" if is_broken else "gone already")
            self._site.wakeup()  # Patroni's watch on etcd passes over what this process deleted itself

    def _voted_soon(self) -> Ballot:
        deadline = time.monotonic() + AGREE_SECONDS_MAX
        while not has_quorum_voted(self._site.voters(), ballot := self._box.read()) and time.monotonic() < deadline:
            time.sleep(AGREE_POLL_SECONDS)
        return ballot
