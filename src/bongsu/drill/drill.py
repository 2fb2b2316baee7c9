"""One drill from the gathering of the crowd to the evidence."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from bongsu.core import limits
from bongsu.drill.checker import Violation
from bongsu.drill.client import Doors
from bongsu.drill.crowd import Crowd, Sizes
from bongsu.drill.evidence import Evidence, shown
from bongsu.drill.faults import Happened, Sites, Trouble
from bongsu.drill.judging import judge, read_back
from bongsu.drill.machine import facts
from bongsu.drill.outages import Felts
from bongsu.drill.photos import Album
from bongsu.drill.record import Kind, Outcome, Record, Written
from bongsu.drill.scenes import programme
from bongsu.drill.verdict import Fate, manners, safety, summaries, times

_FIRST = (200, Outcome.HUNG_UP)  # tries of a send that are not repeated because of a failure


class Plan(NamedTuple):
    """It goes on until all three are reached: faults, seconds of load, acknowledged messages."""

    scenes: Sequence[str]
    faults: int
    seconds: float
    messages: int
    seed: int
    sizes: Sizes
    calm_seconds: float = limits.DRILL_CALM_SECONDS


class Teller(Protocol):
    """Who watches: a progress line, or nobody."""

    def follow(self, record: Record) -> None: ...

    def say(self, what: str, done: int = 0, of: int = 0) -> None: ...

    def began(self, scene: str, number: int, of: int) -> None: ...

    def ended(self, happened: Happened) -> None: ...


class Unprepared(Exception):
    """The drill could not be run; the message says why."""


class Drill:
    """out: where the record and the report go."""

    def __init__(self, sites: Sites, plan: Plan, out: Path, teller: Teller) -> None:
        self._sites, self._plan, self._out, self._teller = sites, plan, out, teller
        names = list(sites.names)
        self._record = Record(out / "record", names)
        self._album = Album(out / "record" / "photos.jsonl", plan.seed)
        doors = Doors([sites.url(name) for name in names])
        self._crowd = Crowd(doors, self._record, self._album, plan.sizes, plan.seed)
        self._trouble = Trouble(sites, self._record)
        self._faults: list[Happened] = []
        self._load = (0.0, 0.0)

    async def run(self) -> Evidence:
        """Raises Unprepared when the sites are not whole at the begin."""
        begun, began = datetime.now(UTC).astimezone(), time.monotonic()
        try:
            await self._prepare()
            await self._play()
            all_answered = await self._end()
            violations = await self._judge()
        finally:
            await self._crowd.close()
            self._record.close()
        return self._evidence(begun, time.monotonic() - began, violations, all_answered)

    @property
    def written(self) -> Written:
        """The record of a run that is over."""
        record = self._record
        return Written(record.folder, record.sites, record.clients, record.rooms)

    # --- in order ---

    async def _prepare(self) -> None:
        self._teller.say("waiting for the sites")
        if not await self._trouble.whole():
            raise Unprepared(f"the sites are not whole: {await self._trouble.roles()}")
        async with asyncio.timeout(limits.DRILL_FINISH_SECONDS):
            await self._crowd.gather(self._teller.say)
            await self._crowd.start(self._out / "record" / "shown")
        self._teller.follow(self._record)

    async def _play(self) -> None:
        began = self._record.now
        await self._calm()
        for scene in programme(self._plan.scenes, self._plan.seed):
            if self._is_enough(self._record.now - began):
                break
            self._teller.began(scene, len(self._faults) + 1, self._plan.faults)
            self._faults.append(await self._trouble.play(len(self._faults), scene))
            self._teller.ended(self._faults[-1])
            if self._faults[-1].ready is None:
                break  # no site is hurt while another has not come back
            await self._calm()
        self._load = began, self._record.now

    def _is_enough(self, seconds: float) -> bool:
        plan = self._plan
        return (
            len(self._faults) >= plan.faults and seconds >= plan.seconds and self._record.acknowledged >= plan.messages
        )

    async def _calm(self) -> None:
        await asyncio.sleep(self._plan.calm_seconds)
        self._crowd.check_alive()

    async def _end(self) -> bool:
        """Whether every send was answered in the end."""
        self._teller.say("waiting for the last acknowledgements and the readers")
        return await self._crowd.finish()

    async def _judge(self) -> list[Violation]:
        await self._trouble.whole()
        roles = await self._trouble.roles()
        up = {site: place for place, site in enumerate(self._sites.names) if roles[site] != "down"}
        back = await read_back(self._crowd, self._out / "record" / "shown", up, self._teller.say)
        self._record.flush()
        live, photos = self._crowd.live_readings, self._album.photos
        return await judge(self.written, live, back, photos, list(up), self._teller.say)

    # --- what is left behind ---

    def _evidence(self, begun: datetime, seconds: float, violations: list[Violation], all_answered: bool) -> Evidence:
        written = self.written
        felts = Felts(written)
        fates = [Fate(happened, felts.of(happened)) for happened in self._faults]
        counts = self._counts(written)
        described = self._sites.described()
        return Evidence(
            begun=begun.isoformat(timespec="seconds"),
            seconds=seconds,
            load=self._load,
            seed=self._plan.seed,
            checks=[
                *safety(violations, counts),
                *manners(self._record.outcomes, int(not all_answered)),
                *times(fates),
            ],
            counts=counts,
            answers=_answers(self._record.outcomes),
            fates=fates,
            summaries=summaries(fates),
            violations=shown(violations),
            violations_count=len(violations),
            machine=facts(self._out),
            versions=described.get("versions", {}),
            configuration={"drill": _plain(self._plan), **described.get("configuration", {})},
            left_out=described.get("left_out", []),
        )

    def _counts(self, written: Written) -> dict[str, int]:
        outcomes = self._record.outcomes
        return {
            "faults": len(self._faults),
            "sends": self._record.started,
            "acknowledged": written.acknowledged_sends(),
            "photos": len(self._album.photos),
            "tries": sum(outcomes.values()),
            "syncs": outcomes[Kind.SYNC, 200],
            "hung_up": outcomes[Kind.SEND, Outcome.HUNG_UP],
            "repeated": sum(
                n for (kind, outcome), n in outcomes.items() if kind == Kind.SEND and outcome not in _FIRST
            ),
            "clients": sum(self._plan.sizes[:3]),
            "rooms": len(self._record.rooms),
        }


def _answers(outcomes: Counter[tuple[int, int]]) -> dict[str, int]:
    """ "send 200" → how often; an end without an answer by its name."""
    return {
        f"{Kind(kind).name.lower()} {outcome if outcome >= 100 else Outcome(outcome).name.lower().replace('_', ' ')}": n
        for (kind, outcome), n in sorted(outcomes.items())
    }


def _plain(plan: Plan) -> dict[str, object]:
    return {**plan._asdict(), "scenes": list(plan.scenes), "sizes": plan.sizes._asdict()}
