"""From an access token to who asks.

A token is looked up once and remembered. What ends a session writes a revocation into the stream, and every worker
drops what it remembers of it. A token that was read just before its end must not be remembered after: whoever is
reading keeps the revocations that come meanwhile, and reads again if one of them is about its token. Should the notice
of an end be lost, because a worker died between deleting and telling, what is remembered ends by itself some minutes
later (TOKEN_TRUSTED_SECONDS).
"""

import asyncio
import hashlib
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

import msgspec
import structlog

from bongsu.core import limits
from bongsu.core.errors import Refusal, limit_exceeded
from bongsu.core.requester import Requester
from bongsu.http.shedding import busy
from bongsu.store.accounts import Accounts, Holder, Seen
from bongsu.store.database import REFUSED
from bongsu.store.rows import Revocation, Segment

log = structlog.get_logger(__name__)

ACCESS_PREFIX: Final = "bst_"
_TRUSTED_MS: Final = limits.TOKEN_TRUSTED_SECONDS * 1_000
_READS_MAX: Final = 5  # of one token, when sessions of its person end again and again while it is read


@lru_cache(limits.TOKEN_HASHES_KEPT)
def token_hash(token: str) -> bytes:
    """How a token is stored: tokens are 256 random bits, so one plain SHA-256 gives nothing away."""
    return hashlib.sha256(token.encode()).digest()


def unknown_token(*, soft_logout: bool) -> Refusal:
    """soft_logout: the session goes on, the client needs a new token; else it has ended."""
    said = "this access token has expired" if soft_logout else "this session has ended; sign in again"
    return Refusal(401, "M_UNKNOWN_TOKEN", said, fields={"soft_logout": soft_logout})


class _Known(msgspec.Struct):
    requester: Requester
    expires_ms: int | None
    trusted_until_ms: int
    seen_ms: int = 0


def _ends(revocations: Iterable[Revocation], requester: Requester) -> bool:
    return any(row.user_id == requester.user_id and row.device_id in (None, requester.device_id) for row in revocations)


def _look_at_error(task: "asyncio.Task[_Known]") -> None:
    """Whoever waited has got it; that nobody waited any more is no news for the log."""
    if not task.cancelled():
        task.exception()


class Tokens:
    """authenticate() for the edge; apply() is the feed's; start() and stop() for writing when devices were seen."""

    def __init__(
        self, accounts: Accounts, now_ms: Callable[[], int], *, cached_max: int = limits.TOKENS_CACHED_MAX
    ) -> None:
        self._accounts = accounts
        self._now_ms = now_ms
        self._cached_max = cached_max
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._of_user: defaultdict[str, set[bytes]] = defaultdict(set)
        self._loading: dict[bytes, asyncio.Task[_Known]] = {}
        self._meanwhile: dict[bytes, list[Revocation]] = {}
        self._seen: dict[tuple[str, str], Seen] = {}
        self._writing: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._writing = asyncio.create_task(self._write_for_ever(), name="last seen")

    async def stop(self) -> None:
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])
        await self._write_seen()

    async def authenticate(self, token: str, address: str | None = None) -> Requester:
        """Who holds the token. 401 M_UNKNOWN_TOKEN for nobody, with soft_logout when it has merely expired."""
        if not token.startswith(ACCESS_PREFIX) or len(token) > limits.TOKEN_BYTES_MAX or not token.isascii():
            raise unknown_token(soft_logout=False)
        hashed = token_hash(token)
        now_ms = self._now_ms()
        known = self._remembered(hashed, now_ms)
        if known is None:
            known = await asyncio.shield(self._load(hashed))
        if known.expires_ms is not None and known.expires_ms <= now_ms:
            raise unknown_token(soft_logout=True)
        self._note_seen(known, address, now_ms)
        return known.requester

    def recognise(self, token_id: bytes, address: str | None = None) -> Requester | None:
        """Who holds the token with this hash, if that is known and needs no waiting."""
        now_ms = self._now_ms()
        known = self._known.get(token_id)
        if known is None or known.trusted_until_ms < now_ms or (known.expires_ms or now_ms + 1) <= now_ms:
            return None
        if known.requester.is_locked:
            return None
        self._note_seen(known, address, now_ms)
        return known.requester

    # --- reading ---

    def _remembered(self, hashed: bytes, now_ms: int) -> _Known | None:
        """What is known of the token. If that is old it is read again, but who asks now need not wait for it."""
        known = self._known.get(hashed)
        if known is None or known.trusted_until_ms + _TRUSTED_MS < now_ms:
            return None
        if known.trusted_until_ms < now_ms and len(self._loading) < limits.TOKENS_READ_AT_ONCE_MAX:
            self._load(hashed)
        self._known.move_to_end(hashed)
        return known

    def _load(self, hashed: bytes) -> asyncio.Task[_Known]:
        """Requests that come with one token at once share one query. A client that leaves does not stop it."""
        task = self._loading.get(hashed)
        if task is None:
            if len(self._loading) >= limits.TOKENS_READ_AT_ONCE_MAX:
                raise busy(limits.SHED_TEXT_RETRY_MS)
            task = self._loading[hashed] = asyncio.create_task(self._read_and_remember(hashed))
            task.add_done_callback(_look_at_error)
        return task

    async def _read_and_remember(self, hashed: bytes) -> _Known:
        try:
            for _ in range(_READS_MAX):
                self._meanwhile[hashed] = []
                known = await self._read(hashed)
                if not _ends(self._meanwhile[hashed], known.requester):
                    self._remember(hashed, known)
                    return known
            raise limit_exceeded(1_000)
        except Refusal as refusal:
            if refusal.status == 401:
                self._forget(hashed)
            raise
        finally:
            del self._loading[hashed], self._meanwhile[hashed]

    async def _read(self, hashed: bytes) -> _Known:
        holder = await self._accounts.holder(hashed)
        if holder is None:
            raise unknown_token(soft_logout=False)
        now_ms = self._now_ms()
        expires_ms = None if holder.expires_in_ms is None else now_ms + holder.expires_in_ms
        is_first_use = holder.first_use and (holder.expires_in_ms or 0) > 0
        if is_first_use and not await self._accounts.confirm_use(holder, hashed):
            raise unknown_token(soft_logout=False)
        return _Known(_requester(holder, hashed), expires_ms, now_ms + _TRUSTED_MS)

    def _remember(self, hashed: bytes, known: _Known) -> None:
        before = self._known.get(hashed)
        if before is not None:
            known.seen_ms = before.seen_ms
        self._known[hashed] = known
        self._known.move_to_end(hashed)
        self._of_user[known.requester.user_id].add(hashed)
        if len(self._known) > self._cached_max:
            self._forget(next(iter(self._known)))

    def _forget(self, hashed: bytes) -> None:
        known = self._known.pop(hashed, None)
        if known is None:
            return
        user_id = known.requester.user_id
        self._of_user[user_id].discard(hashed)
        if not self._of_user[user_id]:
            del self._of_user[user_id]

    def apply(self, segment: Segment) -> None:
        """The feed's: drops what has ended."""
        for row in segment.revocations:
            for hashed in list(self._of_user.get(row.user_id, ())):
                if _ends((row,), self._known[hashed].requester):
                    self._forget(hashed)
            for meanwhile in self._meanwhile.values():
                meanwhile.append(row)

    # --- last seen ---

    def _note_seen(self, known: _Known, address: str | None, now_ms: int) -> None:
        if now_ms - known.seen_ms < limits.SEEN_EVERY_SECONDS * 1_000:
            return
        requester = known.requester
        key = (requester.user_id, requester.device_id)
        if key in self._seen or len(self._seen) < limits.SEEN_WAITING_MAX:
            known.seen_ms = now_ms
            self._seen[key] = Seen(*key, now_ms, address)

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(limits.SEEN_WRITE_SECONDS)
            await self._write_seen()

    async def _write_seen(self) -> None:
        """What cannot be written is left out: it is only a hint to people, and the next request brings it again."""
        rows, self._seen = list(self._seen.values()), {}
        try:
            for start in range(0, len(rows), 1_000):
                await self._accounts.saw(rows[start : start + 1_000])
        except (Refusal, *REFUSED) as error:
            log.warning("last_seen_not_written", devices=len(rows), error=repr(error))


def _requester(holder: Holder, hashed: bytes) -> Requester:
    return Requester(
        user_id=holder.user_id,
        device_id=holder.device_id,
        token_id=hashed,
        is_guest=holder.is_guest,
        is_admin=holder.is_admin,
        is_locked=holder.is_locked,
        is_suspended=holder.is_suspended,
    )
