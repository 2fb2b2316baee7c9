"""python -m bongsu.cluster.patroni FILE.yml: Patroni, with what Bongsu changes in it.

What is changed is said in FILE.yml, in a section that Patroni itself passes over; without it this is Patroni as it
comes, with its supported settings:

    bongsu:
      minimum_ttl: 5        # seconds; Patroni takes no ttl below 20 and no retry_timeout below 3
      fence: true           # fence before vote: see fence.py
      lease_breaker: true   # see breaker.py; needs the fence

CLUSTER_PROFILE=fast in the environment is short for all three. Everything is
done in two seams (a floor of Config; the class Ha, replaced by one derived from it), and only on the one version of
Patroni that it was tried with: on another, or if a method that is replaced has another signature, nothing starts.
"""

import inspect
import logging
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import patroni.__main__  # type: ignore[import-untyped]
import patroni.postgresql  # type: ignore[import-untyped]  # ha needs it loaded first
import yaml  # type: ignore[import-untyped]
from patroni import ha, version
from patroni.config import Config  # type: ignore[import-untyped]
from patroni.dcs import Leader  # type: ignore[import-untyped]
from patroni.exceptions import DCSError  # type: ignore[import-untyped]
from patroni.file_perm import pg_perm  # type: ignore[import-untyped]

from bongsu.cluster.ballots import BallotBox, Compare, Fields, guarded, is_revision, put
from bongsu.cluster.breaker import Breaker
from bongsu.cluster.detachment import detach
from bongsu.cluster.disk import TAG, Disk, heir
from bongsu.cluster.fence import Ballot, Voters, is_worth_counting, may_be_elected, may_reign_on

PROFILE: Final = "CLUSTER_PROFILE"
PATRONI_VERSION: Final = "4.1.5"
RETRY_TIMEOUT_MIN: Final = 1  # seconds; with ttl 5 and loop_wait 1 there is room for 2
RACE_SECONDS_MAX: Final = 1.0  # how long a candidate waits for the others' votes before its loop goes on
ASK_SECONDS_MAX: Final = 1.0  # for the former leader's REST; Patroni waits 2
_POLL_SECONDS: Final = 0.03

_FLOOR: Final = "_Config__get_and_maybe_adjust_int_value"
_SIGNATURES: Final = {
    _FLOOR: "(self, config: Dict[str, Any], param: str, min_value: int) -> int",
    "process_unhealthy_cluster": "(self) -> str",
    "acquire_lock": "(self) -> bool",
    "update_lock": "(self, update_status: bool = False) -> bool",
    "fetch_nodes_statuses": "(self, members: List[patroni.dcs.Member]) -> List[patroni.ha._MemberStatus]",
    "get_effective_tags": "(self) -> Dict[str, Any]",
    "_get_node_to_follow": "(self, cluster: patroni.dcs.Cluster) -> "
    "Union[patroni.dcs.Leader, patroni.dcs.Member, NoneType]",
}

log: Final = logging.getLogger(__name__)
_UMASK: Final = os.umask(pg_perm.orig_umask)  # Patroni's import sets its own; whoever only reads this file keeps theirs


class Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The section `bongsu` of FILE.yml."""

    minimum_ttl: int | None = None
    fence: bool = False
    lease_breaker: bool = False


FAST: Final = Changes(minimum_ttl=5, fence=True, lease_breaker=True)


class NotStarted(Exception):
    """What is asked for cannot be had; the message says what to do."""


def changes_in(document: dict[str, Any], environ: dict[str, str]) -> Changes:
    """What FILE.yml and the environment ask for. Raises NotStarted."""
    section = document.get("bongsu")
    if section is None:
        return FAST if environ.get(PROFILE) == "fast" else Changes()
    try:
        changes = msgspec.convert(section, Changes)
    except msgspec.ValidationError as error:
        raise NotStarted(f"section bongsu: {error}") from None
    if changes.lease_breaker and not changes.fence:
        raise NotStarted("section bongsu: lease_breaker needs fence: a broken lease alone stops nobody")
    if changes.fence and (document.get("tags") or {}).get("replicatefrom"):
        raise NotStarted("the fence knows no cascades: take the tag replicatefrom away")
    return changes


def check_patroni() -> None:
    """Raises NotStarted unless this is the Patroni that was tried, and what is replaced looks as it did."""
    if version.__version__ != PATRONI_VERSION:
        raise NotStarted(
            f"Patroni is {version.__version__}; what Bongsu changes was tried with {PATRONI_VERSION} only. Install "
            "that, or take the section bongsu out of the file and use Patroni's supported settings"
        )
    for name, expected in _SIGNATURES.items():
        found = str(inspect.signature(getattr(Config if name == _FLOOR else ha.Ha, name)))
        if found != expected:
            raise NotStarted(f"Patroni's {name} is {found}, expected {expected}")


def lower_floors(minimum_ttl: int) -> None:
    """Patroni's floors for ttl (20) and retry_timeout (3) are for slow stores and networks; etcd here answers in ms."""
    floors = {"ttl": minimum_ttl, "retry_timeout": RETRY_TIMEOUT_MIN}
    original = getattr(Config, _FLOOR)

    def adjust(self: Any, config: dict[str, Any], param: str, min_value: int) -> int:
        return int(original(self, config, param, min(min_value, floors.get(param, min_value))))

    setattr(Config, _FLOOR, adjust)


class Election(NamedTuple):
    """What is added to the transaction that creates the leader's key."""

    conditions: list[Compare]
    effects: list[Fields]


class FencedHa(ha.Ha):  # type: ignore[misc]
    """Patroni's decisions, with the rules of fence.py around four of them: race, acquire, hold, follow."""

    has_breaker = False

    def __init__(self, patroni: Any) -> None:
        super().__init__(patroni)
        self.box = BallotBox(self.dcs, self.state_handler.name)
        self._ballot: Ballot | None = None  # of the race that is on
        self._creation = self._renewal()  # how the leader's key may be created just now
        self._may_have_voted = True  # a process before this one may have
        self._is_crowned = False
        self._disk = Disk(self.state_handler.data_dir)
        self._guard_transactions()
        self.breaker: Breaker | None = Breaker(self) if self.has_breaker else None
        if self.breaker:
            self.breaker.start()

    # --- rules 1 to 3: a race ---

    def process_unhealthy_cluster(self) -> str:
        if not self._is_fenced():
            return str(super().process_unhealthy_cluster())
        self._ballot = self._convene()
        try:
            return str(super().process_unhealthy_cluster())
        finally:
            self._ballot = None

    def fetch_nodes_statuses(self, members: list[Any]) -> list[Any]:
        """In a race, what the others' votes say, in place of what their REST says."""
        if self._ballot is None:
            return list(super().fetch_nodes_statuses(members))
        ballot = self._ballot
        return [self._status(member, ballot) for member in members]

    def acquire_lock(self) -> bool:
        election = self._election(self._ballot) if self._ballot else Election([], self.box.effects())
        if election is None:
            self._give_up_manual_failover()
            return False
        self._creation = election
        try:
            return bool(super().acquire_lock())
        finally:
            self._creation = self._renewal()

    def _give_up_manual_failover(self) -> None:
        """Who was chosen by hand lacks what another may have acknowledged: then the best one is to lead."""
        if self.cluster.failover:
            log.warning("Manual failover to me would lose data; giving it up")
            self.dcs.manual_failover("", "", version=self.cluster.failover.version)

    def voters(self) -> Voters:
        sync = self.cluster.sync
        return Voters(sync.leader or "", frozenset(sync.members), sync.quorum)

    def _is_fenced(self) -> bool:
        """Where a quorum confirms commits, and a race may come out of this."""
        is_race = not self.is_paused() or bool(self.cluster.failover)
        return is_race and bool(self.quorum_commit_mode_is_active()) and not self.is_standby_cluster()

    def _convene(self) -> Ballot:
        """Detach, vote, and wait a little for the others."""
        if not self._is_standby() or not self._vote():
            return self.box.read()  # whoever has no vote is not elected; a primary may reign on
        deadline = time.monotonic() + RACE_SECONDS_MAX
        while True:
            ballot = self.box.read()
            if is_worth_counting(self.state_handler.name, self.voters(), ballot) or time.monotonic() > deadline:
                return ballot
            time.sleep(_POLL_SECONDS)

    def _is_standby(self) -> bool:
        postgresql = self.state_handler
        return bool(postgresql.is_running()) and not postgresql.is_starting() and not postgresql.is_primary()

    def _vote(self) -> bool:
        before = self.box.read()
        position = detach(self.state_handler)
        if position is None:
            log.info("Not voting: it is not proven that nobody is followed")
            return False
        self._may_have_voted = True
        self.state_handler.reset_cluster_info_state(self.cluster, self.patroni)  # it read its position before
        return self.box.cast(position, before)

    def _status(self, member: Any, ballot: Ballot) -> Any:
        position = ballot.position(member.name)
        if position is None:
            return self._status_of_silent(member)
        data = {"tags": member.data.get("tags") or {}, "timeline": member.data.get("timeline", 0)}
        return ha._MemberStatus(member, True, True, position, data)

    def _status_of_silent(self, member: Any) -> Any:
        """No vote, no voice; but a former leader that lives and is only late is left to take its key back."""
        if not self.cluster.sync.leader_matches(member.name) or self._was_broken():
            return ha._MemberStatus.unknown(member)
        try:
            response = self.patroni.request(member, timeout=ASK_SECONDS_MAX, retries=0)
            status = ha._MemberStatus.from_api_response(member, msgspec.json.decode(response.data))
        except Exception as error:
            log.info("Former leader %s does not answer: %r", member.name, error)
            return ha._MemberStatus.unknown(member)
        return status if status.in_recovery is False else ha._MemberStatus.unknown(member)

    def _was_broken(self) -> bool:
        return self._ballot is not None and self._ballot.is_breaker_resting

    def _renewal(self) -> Election:
        return Election(self.box.reigning(None), self.box.effects())

    def _election(self, ballot: Ballot) -> Election | None:
        name = self.state_handler.name
        if self.state_handler.is_primary() or self.cluster.sync.leader == name:
            decision = may_reign_on(name, ballot)
            if decision.holds:
                return Election(self.box.reigning(ballot), self.box.effects())
            if self.state_handler.is_primary():
                log.warning("Not taking the leader's key: %s", decision.reason)
                return None
        decision = may_be_elected(name, self.voters(), ballot)
        log.info("%s: %s", "Standing for leader" if decision.holds else "Not standing for leader", decision.reason)
        return self._election_by_vote(ballot) if decision.holds else None

    def _election_by_vote(self, ballot: Ballot) -> Election:
        """Who votes must be as it was read, too; what a late leader writes about that then comes too late."""
        sync = self.cluster.sync
        value = self.dcs.sync_state(sync.leader, sync.voters, sync.quorum)
        rewritten = put(self.dcs.sync_path, msgspec.json.encode(value).decode())
        conditions = [*self.box.unchanged(ballot), is_revision(self.dcs.sync_path, str(sync.version))]
        return Election(conditions, [*self.box.effects(), rewritten])

    # --- rule 4: follow ---

    def _get_node_to_follow(self, cluster: Any) -> Any:
        node = super()._get_node_to_follow(cluster)
        return node if node is not None and self._may_follow(cluster.leader, node) else None

    def _may_follow(self, leader: Any, node: Any) -> bool:
        if self.breaker and leader and self.breaker.held == str(leader.version):
            return False
        if not self._may_have_voted:
            return True
        try:
            is_released = self.box.release(node.name if leader and leader.version else None)
        except DCSError as error:
            log.warning("Not following %s: %r", node.name, error)
            return False
        self._may_have_voted = not is_released
        return is_released

    # --- rule 5: reign ---

    def update_lock(self, update_status: bool = False) -> bool:
        is_held = bool(super().update_lock(update_status))
        if is_held and not self._is_crowned:
            with suppress(DCSError):  # the next round has another try
                self._is_crowned = self.box.crown()
        if is_held and self._disk.is_full():
            self._hand_over()
        return is_held

    # --- a full disk (disk.py) ---

    def get_effective_tags(self) -> dict[str, Any]:
        tags = dict(super().get_effective_tags())
        return {**tags, TAG: True} if self._disk.is_full() else tags

    def _hand_over(self) -> None:
        """Asks for a switchover, which Patroni's next round begins."""
        if self.cluster.failover or not self._is_fenced() or self.is_paused():
            return
        members = [(member.name, member.data) for member in self.cluster.members]
        name = heir(members, self.cluster.sync.members, self.state_handler.name)
        if name is not None and self._disk.may_hand_over():
            log.warning("No room left on this disk; handing over to %s", name)
            with suppress(DCSError):
                self.dcs.manual_failover(self.state_handler.name, name)

    def _guard_transactions(self) -> None:
        """The one door to etcd that all creations of the leader's key pass."""
        client = self.dcs._client
        call_rpc = client.call_rpc

        def call(method: str, fields: dict[str, Any], retry: Any = None) -> Any:
            if method == "/kv/txn":
                fields = guarded(fields, self.box.leader_key, *self._creation)
            return call_rpc(method, fields, retry)

        client.call_rpc = call

    # --- the lease breaker's view ---

    def leader_to_watch(self) -> Leader | None:
        leader = self.cluster.leader
        if leader is None or not leader.version or leader.name == self.state_handler.name or self.is_paused():
            return None
        return leader if self.quorum_commit_mode_is_active() and not self.is_standby_cluster() else None

    def member_names(self) -> list[str]:
        return [member.name for member in self.cluster.members]

    def hold(self, version: str) -> bool:
        """Follows the holder of this version no more, and votes. False: not now."""
        with self._async_executor:
            if self._async_executor.busy or not self._is_standby() or not self._is_led_by(version):
                return False
            if self.breaker:
                self.breaker.held = version
            return self._vote()

    def _is_led_by(self, version: str) -> bool:
        return self.cluster.leader is not None and str(self.cluster.leader.version) == version


def apply(changes: Changes) -> None:
    """Raises NotStarted."""
    if changes == Changes():
        return
    check_patroni()
    if changes.minimum_ttl is not None:
        lower_floors(changes.minimum_ttl)
    if changes.fence:
        FencedHa.has_breaker = changes.lease_breaker
        ha.Ha = FencedHa


def main() -> None:
    try:
        document = yaml.safe_load(Path(sys.argv[-1]).read_text("utf-8")) if len(sys.argv) > 1 else {}
        apply(changes_in(document or {}, dict(os.environ)))
    except (NotStarted, OSError) as error:
        sys.exit(f"bongsu.cluster.patroni: {error}")
    os.umask(_UMASK)
    patroni.__main__.main()


if __name__ == "__main__":  # Patroni's own child processes import this file again, and must change nothing
    main()
