"""When a change is a change. Pure: looks in, states out.

A state worsens when two looks within the window were as bad, so that one lost packet is no news. It betters only when
nothing within the window was as bad, so that what fails every second time is not "well" in between. `since_ms` is
always the moment of a look, the first that saw the present state; nothing is promised for the future.
"""

import enum
from collections.abc import Iterable, Mapping

import msgspec

from bongsu.core import limits


class Level(enum.IntEnum):
    """How well something works, best first. PARTLY: through some sites, or with a site missing."""

    WORKS = 0
    PARTLY = 1
    DELAYED = 2
    STOPPED = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class Look(msgspec.Struct, frozen=True):
    """One measurement. at_ms: milliseconds since the epoch."""

    at_ms: int
    level: Level


class Track(msgspec.Struct, frozen=True):
    """The state of one thing. level: None until two looks agree that there is one. turned_ms: the first look of those
    that were better than the level and not yet long enough.
    """

    level: Level | None = None
    since_ms: int = 0
    looks: tuple[Look, ...] = ()
    turned_ms: int | None = None


def observe(track: Track, look: Look) -> Track:
    """The state after one more look. Looks come in order; one from before the last is left out."""
    if track.looks and look.at_ms < track.looks[-1].at_ms:
        return track
    looks = _window((*track.looks, look), look.at_ms)
    if look.level == track.level:  # nothing changes: so it is nearly always
        return msgspec.structs.replace(track, looks=looks, turned_ms=None)
    track = msgspec.structs.replace(track, looks=looks, turned_ms=_turned(track, look))
    if track.level is None:
        return _begun(track)
    worse = _second_worst(looks)
    if worse is not None and worse > track.level:
        since = next(seen.at_ms for seen in looks if seen.level >= worse)
        return msgspec.structs.replace(track, level=worse, since_ms=since, turned_ms=None)
    return _bettered(track, look.at_ms)


def _window(looks: tuple[Look, ...], now_ms: int) -> tuple[Look, ...]:
    gone = max(0, len(looks) - limits.STATUS_LOOKS_MAX)
    while looks[gone].at_ms <= now_ms - limits.STATUS_WINDOW_MS:
        gone += 1
    return looks[gone:]


def _turned(track: Track, look: Look) -> int | None:
    if track.level is None or look.level >= track.level:
        return None
    return look.at_ms if track.turned_ms is None else track.turned_ms


def _second_worst(looks: tuple[Look, ...]) -> Level | None:
    """The worst level that two looks reached."""
    return sorted((seen.level for seen in looks), reverse=True)[1] if len(looks) > 1 else None


def _begun(track: Track) -> Track:
    level = _second_worst(track.looks)
    if level is None:
        return track
    since = next(seen.at_ms for seen in track.looks if seen.level >= level)
    return msgspec.structs.replace(track, level=level, since_ms=since)


def _bettered(track: Track, now_ms: int) -> Track:
    """A look that stands alone after a long silence betters nothing."""
    if track.turned_ms is None or len(track.looks) < 2 or now_ms - track.turned_ms < limits.STATUS_WINDOW_MS:
        return track
    level = max(seen.level for seen in track.looks)
    assert track.level is not None
    if level >= track.level:
        return track
    return msgspec.structs.replace(track, level=level, since_ms=track.turned_ms, turned_ms=None)


def together(levels: Iterable[Level]) -> Level:
    """A feature over all sites that answer: people whose site cannot serve them find another that can."""
    known = list(levels)
    best, worst = min(known, default=Level.STOPPED), max(known, default=Level.STOPPED)
    return Level.PARTLY if best is Level.WORKS and worst > best else best


class Episode(msgspec.Struct, frozen=True):
    """A time in which something was not well, as one site sees it now. ended_ms: None while it lasts."""

    since_ms: int
    parts: tuple[str, ...]
    ended_ms: int | None = None


def episode_after(episode: Episode | None, tracks: Mapping[str, Track], now_ms: int) -> Episode | None:
    """What goes on, given the states. It is over when all has been well for a while; None: there is nothing."""
    bad = {name: track for name, track in tracks.items() if (track.level or 0) > Level.WORKS}
    if bad:
        since = min(track.since_ms for track in bad.values())
        known = episode.parts if episode else ()
        since = min(since, episode.since_ms) if episode else since
        return Episode(since, tuple(dict.fromkeys((*known, *sorted(bad)))))
    if episode is None:
        return None
    ended = max((tracks[name].since_ms for name in episode.parts if name in tracks), default=now_ms)
    is_over = now_ms - ended > limits.INCIDENT_QUIET_MS
    return None if is_over else msgspec.structs.replace(episode, ended_ms=ended)
