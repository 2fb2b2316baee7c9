"""Every site watches every site: a look every two seconds, what was learnt in memory, each change a line in a file.

A look waits for nobody: the sites are asked at once, each with a deadline, and what a database would have to say is not
needed to answer people.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec
import structlog
from prometheus_client import Gauge

from bongsu import __version__, pace
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.http.peers import Peer, PeerGone, Peers
from bongsu.status import rules
from bongsu.status.features import FEATURES, Part, level_of
from bongsu.status.incidents import Began, Entry, Incident, Seen
from bongsu.status.journal import Journal
from bongsu.status.probes import SelfProbe
from bongsu.status.record import Record
from bongsu.status.rules import Episode, Level, Look, Track

log = structlog.get_logger(__name__)

PROBE_PATH: Final = "/_bongsu/peer/v1/probe"
ALONE: Final = "local"  # what a site is called that was given no name
_PARTS: Final = {part.value: part for part in Part}
_LEVELS: Final = tuple(Level)
_FEATURE: Final = Gauge("bongsu_feature_level", "0 works, 1 partly, 2 delayed, 3 stopped", ["feature"])
_ANSWERS: Final = Gauge("bongsu_site_answers", "1 when the site answered the last look of this worker", ["site"])
_NOTED_MAX: Final = 1_000  # changes that wait for a disk
Work = Callable[[], Awaitable[None]]


class Said(msgspec.Struct, frozen=True):
    """What a site says of itself. age_ms: of the measurement; levels by part; pressure: what it gives up now
    (core/tiers.py). is_leaving: it is being emptied, or stops, because somebody wants it.
    """

    site: str
    version: str
    now_ms: int
    age_ms: int
    is_leaving: bool
    pressure: int
    levels: dict[str, int]


class SiteView(msgspec.Struct):
    """A site as it was last seen from here. answered_ms: its last answer; None: never. said: None while it is silent.
    refuses: it answers, and knows us not. was_leaving: so it said last.
    """

    name: str
    answered_ms: int | None = None
    said: Said | None = None
    refuses: bool = False
    was_leaving: bool = False


def site_part(name: str) -> str:
    """How the record calls a site that does not answer."""
    return f"site:{name}"


class Watch:
    """start() and stop() it. tracks: by feature, by "site:NAME", and by "NAME/feature" for a feature as one site has
    it. past: the incidents of the record, as they were last read, oldest first.
    """

    def __init__(
        self,
        site: str,
        peers: Peers,
        probe: SelfProbe,
        journal: Journal,
        record: Record,
        *,
        now_ms: Callable[[], int],
        is_leaving: Callable[[], bool],
        pressure: Callable[[], int],
        can_write: Callable[[], bool],
    ) -> None:
        self.site = site or ALONE
        self._others = [peer for peer in peers.all if peer.name != site]  # all sites may be given the same list
        self.views = {name: SiteView(name) for name in sorted((self.site, *(peer.name for peer in self._others)))}
        self.tracks: dict[str, Track] = {}
        self.episode: Episode | None = None
        self.looked_ms: int | None = None
        self.past: list[Incident] = []
        self.record = record
        self.journal = journal
        self._peers = peers
        self._probe = probe
        self._now_ms = now_ms
        self._began_ms = now_ms()
        self._is_leaving = is_leaving
        self._pressure = pressure
        self._can_write = can_write
        self._own: tuple[int, dict[Part, Level]] = (0, {})
        self._unwritten: deque[Entry] = deque(maxlen=_NOTED_MAX)
        self._read_at = float("-inf")
        self._noted = pace.Bell()
        self._tasks: list[asyncio.Task[None]] = []
        for feature in FEATURES:
            _FEATURE.labels(feature.key).set_function(partial(self._level_of, feature.key))

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._for_ever(self._look_and_note, _rest), name="status"),
            asyncio.create_task(self._for_ever(self._bring_in, self._until_noted), name="incident record"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._probe.stop()
        self.journal.close()

    async def _for_ever(self, work: Work, rest: Work) -> None:
        while True:
            try:
                await work()
            except Exception:  # what watches the others must not die of anything
                log.exception("status_look_failed")
            await rest()

    # --- looking ---

    def said(self) -> Said:
        """What this site tells the others of itself."""
        measured_ms, levels = self._own
        now_ms = self._now_ms()
        by_name = {part.value: int(level) for part, level in levels.items()}
        return Said(self.site, __version__, now_ms, now_ms - measured_ms, self._is_leaving(), self._pressure(), by_name)

    async def look(self) -> None:
        """Asks every site once, this one among them, and draws the conclusions."""
        asking = asyncio.gather(*(self._ask(peer) for peer in self._others))
        levels = await self._probe.look()
        await asking
        now_ms = self._now_ms()
        self._know_own(levels, now_ms)
        before = dict(self.tracks)
        self._conclude(now_ms)
        self.looked_ms = now_ms
        self._note_changes(before, now_ms)
        self.episode = rules.episode_after(self.episode, self._noted_tracks(), now_ms)

    def _know_own(self, levels: dict[Part, Level], now_ms: int) -> None:
        others = [peer for peer in self._others if self._is_judged(peer, now_ms)]
        if others:
            levels[Part.COPY] = Level.WORKS if any(self._answers(peer.name) for peer in others) else Level.STOPPED
        self._own = now_ms, levels
        view = self.views[self.site]
        view.answered_ms, view.said = now_ms, self.said()

    async def _ask(self, peer: Peer) -> None:
        view = self.views[peer.name]
        try:
            async with self._peers.ask(
                peer, "GET", PROBE_PATH, seconds_max=limits.PROBE_SECONDS_MAX, even_if_silent=True
            ) as answer:
                body = await answer.read()
                view.refuses = answer.status in (401, 404)
                view.said = msgspec.json.decode(body, type=Said) if answer.status == 200 else None
                view.answered_ms = self._now_ms()
                view.was_leaving = view.said is not None and view.said.is_leaving
        except (PeerGone, msgspec.MsgspecError):
            view.said = None
        _ANSWERS.labels(peer.name).set(self._answers(peer.name))

    def _answers(self, name: str) -> bool:
        return self.views[name].said is not None

    # --- concluding ---

    def _conclude(self, now_ms: int) -> None:
        for peer in self._others:
            if not self._is_judged(peer, now_ms):
                continue
            is_well = self._answers(peer.name) or self._left_as_planned(self.views[peer.name], now_ms)
            self._observe(site_part(peer.name), Level.WORKS if is_well else Level.STOPPED, now_ms)
        known = {name: view.said for name, view in self.views.items() if view.said and _is_fresh(view.said)}
        for feature in FEATURES:
            levels = {name: level_of(feature, _levels(said), said.pressure) for name, said in known.items()}
            for name, level in levels.items():
                self._observe(f"{name}/{feature.key}", level, now_ms)
            self._observe(feature.key, rules.together(levels.values()), now_ms)

    def _level_of(self, key: str) -> Level:
        return self.tracks.get(key, Track()).level or Level.WORKS

    def _is_judged(self, peer: Peer, now_ms: int) -> bool:
        """Sites may start together: one that was never seen is no news at first."""
        return self.views[peer.name].answered_ms is not None or now_ms - self._began_ms > limits.STATUS_START_MS

    @staticmethod
    def _left_as_planned(view: SiteView, now_ms: int) -> bool:
        return view.was_leaving and now_ms - (view.answered_ms or 0) < limits.LEAVING_SILENT_MS

    def _observe(self, key: str, level: Level, now_ms: int) -> None:
        self.tracks[key] = rules.observe(self.tracks.get(key, Track()), Look(now_ms, level))

    def _noted_tracks(self) -> dict[str, Track]:
        return {key: track for key, track in self.tracks.items() if "/" not in key}

    # --- noting ---

    def _note_changes(self, before: dict[str, Track], now_ms: int) -> None:
        for key, track in self._noted_tracks().items():
            was = before.get(key, Track()).level or Level.WORKS
            if track.level is not None and track.level != was:
                self._unwritten.append(Seen(self.site, now_ms, key, track.level, track.since_ms))
                log.warning("state_changed", part=key, to=track.level.word, since_ms=track.since_ms)

    async def _look_and_note(self) -> None:
        await self.look()
        if self._unwritten or not self.journal.is_open:
            await asyncio.to_thread(self._write_down)
            if self.record.lacks(self.journal.lines):
                self._noted.set()

    def _write_down(self) -> None:
        """A worker that takes the journal over begins with what is not well now: it may stand there already."""
        try:
            if not self.journal.is_open:
                if not self.journal.open():
                    self._unwritten.clear()
                    return
                self._unwritten = deque(self._beginning(), maxlen=_NOTED_MAX)
            while self._unwritten:
                self.journal.append(self._unwritten[0])
                self._unwritten.popleft()
        except OSError as error:
            log.error("journal_not_written", waiting=len(self._unwritten), error=str(error))

    def _beginning(self) -> list[Entry]:
        now_ms = self._now_ms()
        bad = ((key, track) for key, track in self._noted_tracks().items() if (track.level or 0) > Level.WORKS)
        seen = (Seen(self.site, now_ms, key, Level(track.level or 0), track.since_ms) for key, track in bad)
        return [Began(self.site, now_ms, tuple(self.views)), *seen]

    # --- the record ---

    async def _until_noted(self) -> None:
        """It is read now and then; what could not be brought in is tried again soon."""
        soon = limits.PROBE_EVERY_SECONDS
        if not self.record.lacks(self.journal.lines):
            soon = max(soon, self._read_at + limits.INCIDENTS_READ_EVERY_SECONDS + pace.BEAT_SECONDS - time.monotonic())
        await self._noted.comes(soon)
        self._noted.clear()

    async def _bring_in(self) -> None:
        if not self._can_write():
            return
        with contextlib.suppress(Refusal):  # said where it was found out; the journal keeps what waits
            added = await self.record.merge(self.journal.lines)
            if added or time.monotonic() - self._read_at > limits.INCIDENTS_READ_EVERY_SECONDS:
                await self.record.look_after(self.site)
                self.past = await self.record.recent()
                self._read_at = time.monotonic()


async def _rest() -> None:
    await pace.pause(limits.PROBE_EVERY_SECONDS)


def _is_fresh(said: Said) -> bool:
    return said.age_ms <= limits.STATUS_STALE_MS


def _levels(said: Said) -> dict[Part, Level]:
    """A site of another version may measure what this one does not know."""
    return {_PARTS[name]: _LEVELS[min(level, Level.STOPPED)] for name, level in said.levels.items() if name in _PARTS}
