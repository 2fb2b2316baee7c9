"""The outbox is emptied: each row becomes an event once, on whichever worker comes first."""

import asyncio
import time
from collections.abc import Callable, Mapping

import structlog
from prometheus_client import Counter

from bongsu.core import limits, versions
from bongsu.core.errors import Refusal
from bongsu.store import notices
from bongsu.store.committer import Committer
from bongsu.store.database import Connection, Database
from bongsu.store.outbox import ANNOUNCED, CALLING, Outbox
from bongsu.workflow.posting import PostOne
from bongsu.workflow.rounds import Rounds

log = structlog.get_logger(__name__)

POSTED = Counter("bongsu_outbox_total", "What services said", ["outcome"])


class Poster:
    """run() for ever; hurry() when this worker has put something in. names: of the services' accounts, by user id.

    is_pressed: messages come first, and only who must act now is called. It takes half of the time of commits at most.
    """

    def __init__(
        self,
        database: Database,
        committer: Committer,
        new_room_id: Callable[[], str],
        names: Mapping[str, str],
        is_pressed: Callable[[], bool],
    ) -> None:
        self._database = database
        self._outbox = Outbox(database)
        self._committer = committer
        self._new_room_id = new_room_id
        self._names = dict(names)
        self._is_pressed = is_pressed
        self._rounds = Rounds("outbox_waits", limits.DUE_ROUND_SECONDS)
        self._has_accounts = False

    def hurry(self) -> None:
        self._rounds.hurry()

    async def run(self) -> None:
        await self._rounds.run(self._look)

    async def _look(self) -> bool:
        await self._know_accounts()
        return await self._outbox.any_due(self._said_now()) and await self._some()

    def _said_now(self) -> int:
        return CALLING if self._is_pressed() else ANNOUNCED

    async def _some(self) -> bool:
        claimed = await self._outbox.claim(limits.OUTBOX_AT_ONCE_MAX, self._said_now())
        began = time.monotonic()
        await asyncio.gather(*(self._post(outbox_id, tries) for outbox_id, tries in claimed))
        await asyncio.sleep(min(time.monotonic() - began, limits.REST_SECONDS_MAX))
        return bool(claimed)

    async def _know_accounts(self) -> None:
        """They are there before anything is said, so that people find and invite them."""
        if not self._has_accounts:
            await self._database.write(self._make_accounts)
            self._has_accounts = True

    async def _make_accounts(self, connection: Connection) -> None:
        for user_id, name in self._names.items():
            await notices.put_speaker(connection, user_id, name)

    async def _post(self, outbox_id: int, tries: int) -> None:
        """Who wants no invitations, or is gone, is not told; what the database or a crowd holds up is tried again."""
        version = versions.version(versions.DEFAULT)
        new_room_id = None if version.room_id_is_hash else self._new_room_id()
        post = PostOne(outbox_id=outbox_id, names=self._names, version=version, new_room_id=new_room_id)
        try:
            await self._committer.submit(post)
            POSTED.labels("posted").inc()
        except Refusal as refusal:
            if refusal.status < 500 and refusal.status != 429:
                POSTED.labels("refused").inc()
                log.warning("post_refused", errcode=refusal.errcode, reason=refusal.message)
                await self._outbox.remove(outbox_id)
                return
            POSTED.labels("postponed").inc()
            await self._outbox.postpone(outbox_id, _pause(tries))
        except Exception:  # a fault of one must not hold up the others
            POSTED.labels("failed").inc()
            log.exception("post_failed", outbox_id=outbox_id, tries=tries)
            await self._outbox.postpone(outbox_id, _pause(tries))


def _pause(tries: int) -> float:
    return min(limits.OUTBOX_RETRY_SECONDS_MIN * 2.0 ** min(tries - 1, 20), limits.OUTBOX_RETRY_SECONDS_MAX)
