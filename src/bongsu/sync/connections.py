"""The places of sliding sync connections: opened from a token, kept for the next one."""

import asyncio

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store import sliding as table
from bongsu.store.database import REFUSED, Database, unavailable
from bongsu.sync.told import Knowledge, Place, Telling, Token, pack, unknown_pos, unpack

_Version = tuple[str, str, str, int]


class Connections:
    """open() a place, keep() what was told; run() looks after the table."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[_Version, tuple[Knowledge, int]] = {}  # with their bytes, the last used last
        self._bytes_known = 0
        self._used: set[_Version] = set()

    async def open(self, name: table.Place, token: Token) -> Place:
        """M_UNKNOWN_POS when what the token builds on is not kept any more."""
        own = unpack(token.since) if token.since else Knowledge()
        return Place(token, await self._base((*name, token.version)), own)

    async def _base(self, version: _Version) -> Knowledge:
        if not version[3]:
            return Knowledge()
        if version in self._known:
            known, _ = self._known[version]
        else:
            told = await table.told(self._database, version[:3], version[3])
            if told is None:
                raise unknown_pos()
            known = unpack(told)
        self._used.add(version)
        return self._remember(version, known)  # the last to be forgotten

    def _remember(self, version: _Version, base: Knowledge) -> Knowledge:
        _, before = self._known.pop(version, (base, 0))
        size = before or _size(base)
        self._known[version] = base, size
        self._bytes_known += size - before
        while self._bytes_known > limits.SLIDING_TOLD_CACHED_BYTES_MAX and len(self._known) > 1:
            self._bytes_known -= self._known.pop(next(iter(self._known)))[1]
        return base

    async def keep(self, name: table.Place, place: Place, telling: Telling, pos: int) -> Token:
        """The token after an answer that tells everything up to `pos`."""
        if not telling.changes_anything:
            return Token(pos, place.token.version, place.token.since)
        own = telling.over_the_same()
        since = pack(own)
        is_over = place.base_configs + len(own.configs) > limits.SLIDING_CONFIGS_MAX
        if len(since) <= limits.SLIDING_TOKEN_BYTES_MAX and not is_over:
            return Token(pos, place.token.version, since)
        if not self._database.has_primary:
            if len(since) <= limits.SLIDING_TOKEN_BYTES_AWAY_MAX:
                return Token(pos, place.token.version, since)
            raise unavailable()
        base = telling.whole()
        packed = pack(base)
        if len(packed) > limits.SLIDING_TOLD_BYTES_MAX:
            raise unknown_pos()
        version = await table.remember(self._database, name, place.token.version, packed)
        self._remember((*name, version), base)
        return Token(pos, version, pack(telling.over_a_new_one()))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(limits.SLIDING_SWEEP_SECONDS)
            used, self._used = self._used, set()
            try:
                await table.sweep(self._database, used)
            except (Refusal, *REFUSED):  # the next time will do
                self._used |= used


def _size(base: Knowledge) -> int:
    """About the bytes that it takes in memory."""
    pairs = (pair for config in base.configs for pair in config.pairs)
    return 1_000 + 100 * len(base.rooms) + sum(200 + len(kind) + len(key) for kind, key in pairs)
