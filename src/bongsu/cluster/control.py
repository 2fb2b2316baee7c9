"""Who leads the database, and handing that over: by Patroni's own tool, which knows every site's certificates."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

_SECONDS_MAX: Final = 60.0
_TOOL: Final = "from patroni.ctl import ctl; ctl()"  # patronictl, whatever folder its script is in


class Refused(Exception):
    """Patroni did not do it; the message is what it said."""


class Member(msgspec.Struct, frozen=True):
    """One site, as Patroni lists it. role: Leader, Quorum Standby, Replica…"""

    name: str = msgspec.field(name="Member")
    role: str = msgspec.field(name="Role")
    state: str = msgspec.field(name="State")


def members(patroni_config: Path) -> list[Member]:
    """All sites of the cluster. Raises Refused when no etcd answers."""
    return msgspec.json.decode(_patronictl(patroni_config, "list", "--format", "json"), type=list[Member])


def leader_of(all_members: Sequence[Member]) -> str | None:
    return next((member.name for member in all_members if member.role == "Leader"), None)


def heir(all_members: Sequence[Member], of: str) -> str | None:
    """Another site that has all that was acknowledged, or already leads."""
    fit = [m.name for m in all_members if m.name != of and m.role in ("Leader", "Quorum Standby", "Sync Standby")]
    return fit[0] if fit else None


def said(all_members: Sequence[Member]) -> str:
    return ", ".join(f"{member.name}: {member.role} {member.state}" for member in all_members)


def hand_over(patroni_config: Path, to: str) -> None:
    """Makes this site the leading one. From a living leader nothing is lost or broken off in the middle; if it is dead,
    Patroni allows it only to a site that has everything.
    """
    present = leader_of(members(patroni_config))
    if present is None:
        _patronictl(patroni_config, "failover", "--candidate", to, "--force")
    elif present != to:
        _patronictl(patroni_config, "switchover", "--leader", present, "--candidate", to, "--force")


def _patronictl(patroni_config: Path, *words: str) -> str:
    command: list[Any] = [sys.executable, "-c", _TOOL, "-c", patroni_config, *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise Refused(f"no answer in {_SECONDS_MAX:.0f} s") from None
    if done.returncode != 0 or "failed" in done.stdout.lower():
        raise Refused((done.stderr.strip() or done.stdout.strip() or "patronictl said nothing").splitlines()[-1])
    return done.stdout
