"""Fence before vote: how a standby becomes the leader without losing what the old one acknowledged.

The danger. Patroni's leader holds a lease; when it lapses, a standby compares positions with the others and takes it.
But a lapsed lease stops nobody: if only the old leader's Patroni is frozen, its PostgreSQL lives, standbys follow it,
and a standby confirms commits *after* its position was read. Those commits are acknowledged, and the new leader lacks
them. A lease is a promise about clocks. So here nothing rests on it.

The rule. A commit is acknowledged only when `sync` of the voters have confirmed it. Whoever wants to lead must first
know that too few voters to confirm anything still follow the old leader, and only then compares positions.

1. *Detach.* A member without a leader stops following, and proves it (detachment.py). From then on it confirms nothing.
2. *Vote.* It writes its position into etcd: "everything I ever confirmed lies at or below this, and I follow nobody".
   The vote hangs on the member's own lease in etcd, as its other keys do. It is written in a transaction that finds
   its key as it was before the member detached, and a vote taken back leaves an empty one: so a request that was
   delayed on its way cannot bring a vote back.
3. *Elect.* A candidate that has voted itself, finds `quorum` other voters at or below its own position (Patroni's own
   arithmetic, where quorum + sync covers all voters), and takes the leader's key in ONE etcd transaction that holds
   only if the key is absent and every vote it counted is still there, unchanged. The same transaction writes who was
   `elected`, and takes its own vote back: a leader is no voter. It also holds only if /sync (who votes, how many must
   agree) is as it was read, and writes it again: a late old leader then fails to change it after the election.
4. *Follow.* A member that has voted follows X only after ONE transaction that took its vote back and found X holding
   the leader's key. If it cannot do that, it follows nobody.
5. *Reign.* Whoever was elected last may take an absent key back without votes: only its own acknowledgements count
   since. Nobody else may, however good its reasons; this stops an old primary that wakes up after another one came
   and went.

Why nothing acknowledged is lost. Take an election, and the etcd revision r of its transaction. Each counted voter had
a vote at r, so it followed nobody at r, and by 4 can afterwards follow only who holds the key after r: the elected one
or a later one. The voters that were not counted are too few to confirm a commit. So after r the old leader
acknowledges nothing. What it acknowledged before was confirmed by some counted voter, lies at or below its vote, and
so at or below the position of the elected one, on the same history. etcd's order of revisions is the whole argument;
no clock and no timeout appears in it, so slow machines, long pauses and a wrong ttl cost time and nothing else.

Case by case:
- *Patroni frozen, PostgreSQL alive:* its commits find nobody to confirm them and hang until it is demoted.
- *A whole site frozen, then thawed:* the same; thawed, its Patroni finds another name in `elected` and cannot take the
  key back (5), not even if the new leader has died meanwhile.
- *One-way cuts:* a candidate needs etcd's majority and the votes in it; whoever cannot write there cannot vote, count
  or be elected, and whoever cannot be reached by standbys cannot be confirmed.
- *A stale view of etcd* (Patroni reads a cache): it leads to a transaction that fails.
- *A slow candidate:* votes that were taken back in between, even if the same ones came again, have another revision,
  and its transaction fails.
- *The elected one's followers:* they come by 4. It is still in recovery when the first ones come; that is a cascade on
  the same history, and its promotion starts a new timeline at or above all their positions.
- *A member that restarts in mid-race:* its vote ends with its lease; it stays detached, as PostgreSQL's file says. A
  new process does not know whether an old vote stands, so it takes it back (4) before it follows. A restarted
  PostgreSQL may have WAL on its disk that it has not replayed; a vote waits until it has (detachment.py).
- *A late one, or one that never voted:* it is not counted. Following anybody at any time does no harm.
- *False alarm:* the old leader takes its key back by 5; the voters follow it again by 4. No data moves.
- *Failsafe mode* (etcd is gone, the leader reaches everybody): members that did not vote keep following. One that
  voted comes back by 4 with "the key is absent" in place of a name: then no election can have happened since.
- *Paused:* Patroni holds no race, so nobody detaches. An operator's failover in a pause is a race, fenced like any.
- *Switchover and manual failover* go the same way. There is no override: with two sites gone etcd has no majority and
  nobody can be elected anyway; what is left then is in the runbook, with the fence switched off.
- *Cascades by `replicatefrom`* are refused at the start: rule 4 knows only the leader.

What it costs: a standby that was connected pays about a quarter of a second to detach, and as much to come back.
"""

from typing import Final, NamedTuple

import msgspec

VOTES: Final = "fence/votes/"
SUSPECTS: Final = "fence/suspects/"
ELECTED: Final = "fence/elected"
BROKEN: Final = "fence/broken"


class Cast(NamedTuple):
    """What a member wrote, and the etcd revision that a transaction can hold it to."""

    value: str
    revision: str
    lease: str | None = None


class Ballot(msgspec.Struct, frozen=True):
    """What etcd holds at one moment, read from its majority.

    votes: positions in bytes of WAL, by member. turns: revisions of the keys of votes, those taken back included.
    suspects: versions of the leader's key, by member that thinks its holder's site is gone.
    """

    elected: str | None = None
    votes: dict[str, Cast] = {}
    turns: dict[str, str] = {}
    suspects: dict[str, Cast] = {}
    is_breaker_resting: bool = False

    def position(self, member: str) -> int | None:
        cast = self.votes.get(member)
        return int(cast.value) if cast else None

    def stands(self, member: str, position: int, lease: str) -> bool:
        """Is this very vote there already? Writing it again would spoil the elections that count it."""
        cast = self.votes.get(member)
        return cast is not None and (cast.value, cast.lease) == (str(position), lease)


class Decision(NamedTuple):
    """Whether to go on, and the reason for the log."""

    holds: bool
    reason: str


class Voters(msgspec.Struct, frozen=True):
    """Patroni's /sync key: the leader that wrote it, all who count (it included), and how many others must agree."""

    leader: str
    members: frozenset[str]
    quorum: int


def may_be_elected(me: str, voters: Voters, ballot: Ballot) -> Decision:
    """Rule 3: my own vote, and `quorum` others at or below it. Someone outside the voters needs one vote more."""
    mine = ballot.position(me)
    if mine is None:
        return Decision(False, "I have not voted")
    others = voters.members - {me}
    agreeing = [name for name in others if (position := ballot.position(name)) is not None and position <= mine]
    needed = voters.quorum + (0 if me in voters.members else 1)
    reason = f"{len(agreeing)} of {needed} votes at or below {mine}: {', '.join(sorted(agreeing)) or 'none'}"
    return Decision(len(agreeing) >= needed, reason)


def may_reign_on(me: str, ballot: Ballot) -> Decision:
    """Rule 5. A cluster that never elected anybody belongs to whoever made it."""
    if ballot.elected in {None, me}:
        return Decision(True, "nobody else was elected since")
    return Decision(False, f"{ballot.elected} was elected since")


def has_quorum_voted(voters: Voters, ballot: Ballot) -> bool:
    """Enough members have detached that the leader's next commit finds nobody to confirm it."""
    return len(set(ballot.votes) & (voters.members - {voters.leader})) > voters.quorum


def is_worth_counting(me: str, voters: Voters, ballot: Ballot) -> bool:
    """Nobody who may still vote would change the outcome: a quorum stands, whoever of it is ahead."""
    return len(set(ballot.votes) & (voters.members | {me})) > voters.quorum
