"""The fence's keys in etcd, and the transactions on them. The rules are in fence.py.

Everything here reads from etcd's majority, never from Patroni's cache.
"""

import base64
from collections.abc import Callable
from typing import Any

from patroni.exceptions import DCSError  # type: ignore[import-untyped]

from bongsu.cluster.fence import BROKEN, ELECTED, SUSPECTS, VOTES, Ballot, Cast

Compare = dict[str, Any]
Fields = dict[str, Any]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decoded(text: str) -> str:
    return base64.b64decode(text).decode()


def is_absent(key: str) -> Compare:
    return {"key": encoded(key), "target": "CREATE", "create_revision": "0"}


def is_value(key: str, value: str) -> Compare:
    return {"key": encoded(key), "target": "VALUE", "value": encoded(value)}


def is_revision(key: str, revision: str) -> Compare:
    return {"key": encoded(key), "target": "MOD", "mod_revision": revision}


def put(key: str, value: str, lease: str | None = None) -> Fields:
    fields = {"key": encoded(key), "value": encoded(value)}
    return {"request_put": fields | ({"lease": lease} if lease else {})}


def delete(key: str) -> Fields:
    return {"request_delete_range": {"key": encoded(key)}}


def guarded(fields: Fields, leader_key: str, conditions: list[Compare], effects: list[Fields]) -> Fields:
    """Patroni's transaction, with the fence's conditions and effects wherever it would create the leader's key.

    Patroni creates it in two places: when it wins a race, and nested, when a leader's lease was lost. All else passes.
    """
    failure = [
        {name: guarded(part, leader_key, conditions, effects) if name == "request_txn" else part}
        for step in fields.get("failure", [])
        for name, part in step.items()
    ]
    changed = fields | ({"failure": failure} if failure else {})
    if is_absent(leader_key) not in fields["compare"]:
        return changed
    return changed | {"compare": [*fields["compare"], *conditions], "success": [*fields["success"], *effects]}


def read_ballot(prefix: str, reply: Fields) -> Ballot:
    """What etcd answered to a range over `prefix`."""
    found = {
        decoded(kv["key"]).removeprefix(prefix): Cast(decoded(kv.get("value", "")), kv["mod_revision"], kv.get("lease"))
        for kv in reply.get("kvs", [])
    }
    elected = found.get(ELECTED)
    votes = _under(VOTES, found)
    return Ballot(
        elected=elected.value if elected else None,
        votes={name: cast for name, cast in votes.items() if cast.value},
        turns={name: cast.revision for name, cast in votes.items()},
        suspects=_under(SUSPECTS, found),
        is_breaker_resting=BROKEN in found,
    )


def _under(folder: str, found: dict[str, Cast]) -> dict[str, Cast]:
    return {name.removeprefix(folder): cast for name, cast in found.items() if name.startswith(folder)}


class BallotBox:
    """The keys of one cluster, as one member writes them. Raises DCSError when etcd does not answer in time."""

    def __init__(self, dcs: Any, me: str) -> None:
        self._dcs = dcs
        self._me = me
        self._prefix: str = dcs.client_path("")

    @property
    def leader_key(self) -> str:
        return str(self._dcs.leader_path)

    def key(self, name: str) -> str:
        return self._prefix + name

    def read(self) -> Ballot:
        return read_ballot(self._prefix, self._ask(self._dcs._client.prefix, self.key("fence/"), False))

    def cast(self, position: int, before: Ballot) -> bool:
        """Rule 2. `before` was read before detaching. The lease is the one that Patroni keeps alive for this member."""
        lease = self._dcs._lease
        if lease is None:  # Patroni is about to ask for one; the next round has it
            return False
        if before.stands(self._me, position, lease):
            return True
        unchanged = is_revision(self._vote, before.turns.get(self._me, "0"))
        return self._transact([unchanged], [put(self._vote, str(position), lease)])

    def suspect(self, leader_version: str) -> None:
        if self._dcs._lease is not None:
            self._transact([], [put(self.key(SUSPECTS + self._me), leader_version, self._dcs._lease)])

    def trust(self) -> None:
        self._transact([], [delete(self.key(SUSPECTS + self._me))])

    def release(self, leader: str | None) -> bool:
        """Rule 4: the vote is taken back if `leader` holds the key, or with None if nobody does."""
        holds = is_value(self.leader_key, leader) if leader else is_absent(self.leader_key)
        return self._transact([holds], [self._no_vote()])

    def crown(self) -> bool:
        """Whoever holds the key by another way than an election (a new cluster; a time without fence) is elected."""
        return self._transact([is_value(self.leader_key, self._me)], [put(self.key(ELECTED), self._me)])

    def break_lease(self, leader: str, version: str, ballot: Ballot, rest_seconds: int) -> bool:
        """The leader's key goes, if it is exactly the one suspected, all votes stand, and no other went lately."""
        rest = self._dcs._client.lease_grant(rest_seconds)
        exactly = [is_value(self.leader_key, leader), is_revision(self.leader_key, version)]
        conditions = [*exactly, *self.unchanged(ballot), is_absent(self.key(BROKEN))]
        return self._transact(conditions, [delete(self.leader_key), put(self.key(BROKEN), self._me, rest)])

    def unchanged(self, ballot: Ballot) -> list[Compare]:
        """Conditions: every vote that was read still stands."""
        return [is_revision(self.key(VOTES + name), cast.revision) for name, cast in sorted(ballot.votes.items())]

    def reigning(self, ballot: Ballot | None) -> list[Compare]:
        """Conditions of rule 5."""
        elected = self.key(ELECTED)
        return [is_absent(elected) if ballot and ballot.elected is None else is_value(elected, self._me)]

    def effects(self) -> list[Fields]:
        """Of an election, in its own transaction."""
        return [put(self.key(ELECTED), self._me), self._no_vote()]

    @property
    def _vote(self) -> str:
        return self.key(VOTES + self._me)

    def _no_vote(self) -> Fields:
        return put(self._vote, "")

    def _transact(self, compare: list[Compare], success: list[Fields]) -> bool:
        client = self._dcs._client

        def call(one: Any, retry: Any = None) -> Fields:
            return dict(one.call_rpc("/kv/txn", {"compare": compare, "success": success}, retry))

        return bool(self._ask(client.handle_auth_errors, call).get("succeeded"))

    def _ask(self, call: Callable[..., Fields], *arguments: Any) -> Fields:
        """Asked again for retry_timeout: an election among the etcds takes a second or two."""
        try:
            return dict(self._dcs.retry(call, *arguments))
        except DCSError:
            raise
        except Exception as error:  # what etcd, HTTP and Patroni's retrying may raise has no common name
            raise DCSError(f"etcd: {error!r}") from error
