"""Does the harm of a scene, and watches until the sites are whole again."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from bongsu.core import limits
from bongsu.drill.record import Record
from bongsu.drill.scenes import SCENES, Loss, Scene, Who

_UP: Final = ("leader", "standby")


class Sites(Protocol):
    """Three sites that can be hurt. All calls may block."""

    @property
    def names(self) -> Sequence[str]: ...

    def url(self, site: str) -> str:
        """Where clients find the site."""

    def fault(self, name: str, site: str) -> None: ...

    def heal(self, site: str) -> None:
        """Ends every fault of the site and starts what does not run."""

    def roles(self) -> Mapping[str, str]:
        """site → leader, standby or down."""

    def faults(self) -> Collection[str]:
        """The names that fault() knows."""

    def described(self) -> dict[str, Any]:
        """Versions and configuration, for the report; no secrets."""


class Happened(msgspec.Struct):
    """One fault of a run. Times on the run's clock; ready: None when the sites did not become whole again in time."""

    number: int
    scene: str
    loss: Loss
    hit: list[str]
    leader_before: str
    began: float
    healed: float = 0.0
    ready: float | None = None
    leader_after: str = ""

    @property
    def ended(self) -> float:
        """The end of the time that is this fault's doing."""
        return self.healed + limits.DRILL_READY_SECONDS if self.ready is None else self.ready


class Trouble:
    """Plays scenes on the sites."""

    def __init__(self, sites: Sites, record: Record) -> None:
        self._sites, self._record = sites, record

    async def play(self, number: int, name: str) -> Happened:
        """One scene from its begin until the sites are whole again, or too much time has passed."""
        scene = SCENES[name]
        cast = _cast(await self.roles(), number)
        hit = sorted({site for act in scene.acts for site in cast[act.who]})
        happened = Happened(number, name, scene.loss, hit, cast[Who.LEADER][0], self._record.now)
        try:
            await self._hurt(scene, cast, happened.began)
        finally:  # a drill that is broken off leaves whole sites behind
            happened.healed = self._record.now
            await asyncio.gather(*(asyncio.to_thread(self._sites.heal, site) for site in hit))
        await self._recovered(happened)
        return happened

    async def _hurt(self, scene: Scene, cast: Mapping[Who, Sequence[str]], began: float) -> None:
        for act in scene.acts:
            await self._until(began + act.at_seconds)
            await asyncio.gather(*(asyncio.to_thread(self._sites.fault, act.what, site) for site in cast[act.who]))
        await self._until(began + scene.hold_seconds)

    async def roles(self) -> dict[str, str]:
        return dict(await asyncio.to_thread(self._sites.roles))

    async def _until(self, at: float) -> None:
        await asyncio.sleep(max(0.0, at - self._record.now))

    async def _recovered(self, happened: Happened) -> None:
        deadline = happened.healed + limits.DRILL_READY_SECONDS
        while self._record.now < deadline:
            asked = self._record.now
            roles = await self.roles()
            if is_whole(roles) and self._serves(happened.healed):
                happened.ready, happened.leader_after = asked, _leader(roles)
                return
            await asyncio.sleep(limits.DRILL_WATCH_SECONDS)

    def _serves(self, since: float) -> bool:
        """Every site was read, and a write was acknowledged, since then."""
        record = self._record
        return min(record.looked_at) > since and max(record.newest_by_site) > since

    async def whole(self) -> bool:
        """Waits until all sites are up with one leader; False: not in time."""
        deadline = self._record.now + limits.DRILL_READY_SECONDS
        while not is_whole(await self.roles()):
            if self._record.now > deadline:
                return False
            await asyncio.sleep(limits.DRILL_WATCH_SECONDS)
        return True


def is_whole(roles: Mapping[str, str]) -> bool:
    return all(role in _UP for role in roles.values()) and list(roles.values()).count("leader") == 1


def _leader(roles: Mapping[str, str]) -> str:
    return next((site for site, role in roles.items() if role == "leader"), "")


def _cast(roles: Mapping[str, str], number: int) -> dict[Who, list[str]]:
    """Who plays whom; the two that follow take turns."""
    leader = _leader(roles)
    others = sorted((site for site in roles if site != leader), reverse=number % 2 == 1)
    return {Who.LEADER: [leader], Who.STANDBY: others[:1], Who.OTHER_STANDBY: others[1:2], Who.ALL: list(roles)}
