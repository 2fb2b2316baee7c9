"""The doctor's round: every site is asked for its facts at once, each with a deadline."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from bongsu.core import limits
from bongsu.http.peers import Peer, PeerGone, Peers
from bongsu.status.doctor import Case, Heard
from bongsu.status.facts import FACTS_PATH, Facts
from bongsu.status.watch import PROBE_PATH, Said


async def ask_all(peers: Peers, sites: Sequence[Peer], now_ms: Callable[[], int]) -> Case:
    """What all of them answered."""
    heard = await asyncio.gather(*(_ask(peers, site, now_ms) for site in sites))
    return Case(tuple(heard), now_ms())


async def _ask(peers: Peers, site: Peer, now_ms: Callable[[], int]) -> Heard:
    """First for its clock, which is answered at once; the facts take as long as the slowest of them."""
    try:
        asked_ms = now_ms()
        status, said = await _get(peers, site, PROBE_PATH, limits.PROBE_SECONDS_MAX)
        half_ms = (now_ms() - asked_ms) / 2
        if status == 200:
            status, body = await _get(peers, site, FACTS_PATH, limits.FACTS_SECONDS_MAX)
        if status != 200:
            return Heard(site.name, None, status=status)
        offset_ms = msgspec.json.decode(said, type=Said).now_ms - asked_ms - half_ms
        facts = msgspec.json.decode(body, type=Facts)
    except PeerGone as error:
        return Heard(site.name, None, status=0, reason=f"{site.url}: {error.__cause__ or error}")
    except msgspec.MsgspecError:
        return Heard(site.name, None, status=200)
    return Heard(site.name, facts, offset_ms=offset_ms, uncertain_ms=half_ms)


async def _get(peers: Peers, site: Peer, path: str, seconds_max: float) -> tuple[int, bytes]:
    async with peers.ask(site, "GET", path, seconds_max=seconds_max, even_if_silent=True) as answer:
        return answer.status, await answer.read()
