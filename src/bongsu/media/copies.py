"""The same file in several sites: an upload goes to two before it is acknowledged, a read finds it in any.

Upload: the bytes are complete beside their place here, all other sites are given them at once, and the first that has
them on its disk suffices. The others go on behind the acknowledgement. When none can take them there is no upload:
never one copy that is taken for two.

Reading: what this site lacks, or what is not the bytes of its name any more, is brought from the site that answers
first, compared with its name, kept, and only then served. Bytes that were not compared are not served, which costs a
large file that is missing here the time to bring all of it. Only a site whose disk has no room passes on what the other
site compared. A single site does none of this.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from functools import partial

import msgspec
import structlog
from prometheus_client import Counter

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.http.peers import Answer, Peer, PeerGone, Peers
from bongsu.media.blobs import BlobLost, Blobs, Draft, WrongBytes, cannot_read
from bongsu.store.blob_copies import CopyStore

log = structlog.get_logger(__name__)

COPIES = Counter("bongsu_media_copies_total", "Copies of files to and from other sites", ["what"])
PATH = "/_bongsu/peer/v1/blobs"
ADDRESSEE = "x-bongsu-site"  # of a blob that is given: an address may lead elsewhere, even back here

Read = Callable[[int, int], AsyncIterator[bytes]]  # bytes start <= i < end, in pieces


class Taken(msgspec.Struct, frozen=True):
    """What a site says when a blob is on its disk: its own name, so that nobody takes itself for another."""

    site: str


def no_second_site() -> Refusal:
    return Refusal(
        503,
        "M_UNKNOWN",
        "no other site can keep a copy of this file now, so it was not stored at all. Try again.",
        headers={"retry-after": "5"},
    )


class Copies:
    """peers: None for a single site, as without any other site in it."""

    def __init__(self, blobs: Blobs, store: CopyStore, peers: Peers | None) -> None:
        self._blobs = blobs
        self._store = store
        self._peers = peers
        self.site = "" if peers is None else peers.site
        self._others = [] if peers is None else [peer for peer in peers.all if peer.name != self.site]
        self._sending: set[asyncio.Task[bool]] = set()
        self._finding: dict[bytes, asyncio.Task[Read]] = {}
        self._fetches = asyncio.Semaphore(limits.FETCHES_MAX)
        self._notes: dict[bytes, bool] = {}

    @property
    def is_alone(self) -> bool:
        return not self._others

    @property
    def sites(self) -> list[str]:
        """All of them, this one first."""
        return [self.site, *(peer.name for peer in self._others)]

    async def close(self) -> None:
        """What is still being sent or brought is left to the repair."""
        tasks = [*self._sending, *self._finding.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # --- upload ---

    async def keep(self, draft: Draft) -> dict[str, bool]:
        """Keeps it here and in one more site; which sites hold it by now, for its row. 503 when there is no second."""
        if self.is_alone:
            await draft.keep()
            return {}
        _, sending = await asyncio.gather(draft.sync(), self._send_to_one(draft))
        await draft.keep()
        return {self.site: True, **{peer.name: _was_sent(task) for peer, task in sending.items()}}

    async def _send_to_one(self, draft: Draft) -> dict[Peer, asyncio.Task[bool]]:
        """Gives it to all, and returns when one has it."""
        sending = {peer: asyncio.create_task(self._send(peer, draft)) for peer in self._others}
        for task in sending.values():
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        waiting = set(sending.values())
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if any(map(_was_sent, done)):
                self._let_go_on(waiting)
                return sending
        log.error("no_second_site", sha256=draft.stored.sha256.hex())
        COPIES.labels("refused").inc()
        raise no_second_site()

    def _let_go_on(self, waiting: set[asyncio.Task[bool]]) -> None:
        if len(self._sending) > limits.COPIES_UNDER_WAY_MAX:
            for task in waiting:
                task.cancel()

    async def _send(self, peer: Peer, draft: Draft) -> bool:
        """Is it on that site's disk? A connection that was kept open may have died: it is tried twice."""
        is_there = await self._send_once(peer, draft, False) or await self._send_once(peer, draft, True)
        if is_there:
            COPIES.labels("sent").inc()
        return is_there

    async def _send_once(self, peer: Peer, draft: Draft, even_if_silent: bool) -> bool:
        stored = draft.stored
        try:
            async with self._need().ask(
                peer,
                "PUT",
                _path(stored.sha256),
                body=draft.read(),
                headers={"content-length": str(stored.size), ADDRESSEE: peer.name},
                seconds_max=limits.COPY_SECONDS_MIN + stored.size / limits.COPY_BYTES_PER_SECOND_MIN,
                even_if_silent=even_if_silent,
            ) as answer:
                return await _has_taken(peer, answer)
        except (PeerGone, BlobLost):
            return False

    # --- reading ---

    async def open(self, sha256: bytes, size: int) -> Read:
        """Reads a blob, wherever it is. 503 when no site can give it now."""
        if self.is_alone:
            return await self._open_here(sha256, size)
        task = self._finding.get(sha256)
        if task is None:
            task = self._finding[sha256] = asyncio.create_task(self._find(sha256, size))
            task.add_done_callback(lambda done: self._forget(sha256, done))
        return await asyncio.shield(task)

    async def can_open(self, sha256: bytes, size: int) -> bool:
        try:
            await self.open(sha256, size)
        except Refusal:
            return False
        return True

    async def bring(self, sha256: bytes, size: int) -> bool:
        """Brings it here from whichever site has it. 507 without room."""
        async with self._fetches, aclosing(self._holders(sha256, size)) as holders:
            async for peer in holders:
                if await self._fetch(peer, sha256, size):
                    COPIES.labels("brought").inc()
                    self.note(sha256, is_held=True)
                    return True
        return False

    async def _open_here(self, sha256: bytes, size: int) -> Read:
        if await self._blobs.size(sha256) != size:
            log.error("blob_lost", sha256=sha256.hex())
            raise cannot_read()
        return partial(self._blobs.read, sha256)

    def _forget(self, sha256: bytes, done: asyncio.Task[Read]) -> None:
        del self._finding[sha256]
        if not done.cancelled():
            done.exception()  # seen: whoever asked may have gone

    async def _find(self, sha256: bytes, size: int) -> Read:
        here = partial(self._blobs.read, sha256)
        if await self._blobs.is_whole(sha256, size):
            return here
        log.warning("blob_not_here", sha256=sha256.hex())
        self.note(sha256, is_held=False)
        try:
            if await self.bring(sha256, size):
                return here
        except Refusal:  # no room here
            return await self._open_there(sha256, size)
        log.error("blob_lost", sha256=sha256.hex())
        raise cannot_read()

    async def _holders(self, sha256: bytes, size: int) -> AsyncGenerator[Peer, None]:
        """The sites that say they have it, the first to answer first."""
        asked = [asyncio.create_task(self._ask_whether(peer, sha256, size)) for peer in self._others]
        try:
            for answered in asyncio.as_completed(asked):
                if (peer := await answered) is not None:
                    yield peer
        finally:
            for task in asked:
                task.cancel()

    async def _ask_whether(self, peer: Peer, sha256: bytes, size: int) -> Peer | None:
        for even_if_silent in (False, True):
            try:
                async with self._need().ask(
                    peer,
                    "HEAD",
                    _path(sha256),
                    seconds_max=limits.PEER_HEAD_SECONDS_MAX,
                    even_if_silent=even_if_silent,
                ) as answer:
                    return peer if (answer.status, answer.length) == (200, size) else None
            except PeerGone:
                continue
        return None

    async def _fetch(self, peer: Peer, sha256: bytes, size: int) -> bool:
        try:
            async with self._need().ask(peer, "GET", _path(sha256)) as answer:
                if answer.status != 200 or answer.length != size:
                    return False
                await self._blobs.put(answer.pieces(), size, sha256)
                return True
        except PeerGone:
            return False
        except WrongBytes:
            log.error("peer_sent_wrong_bytes", peer=peer.name, sha256=sha256.hex())
            COPIES.labels("wrong").inc()
            return False

    # --- reading without room to keep ---

    async def _open_there(self, sha256: bytes, size: int) -> Read:
        async with aclosing(self._holders(sha256, size)) as holders:
            async for peer in holders:
                return partial(self._pass_on, peer, sha256, size)
        raise cannot_read()

    async def _pass_on(self, peer: Peer, sha256: bytes, size: int, start: int, end: int) -> AsyncIterator[bytes]:
        """What the other site compared with the name before it answered. Of the whole, the last piece is held back
        until this site has compared it, too.
        """
        if start == end:
            return
        digest, held = hashlib.sha256(), b""
        wanted = {"range": f"bytes={start}-{end - 1}"}
        async with self._need().ask(peer, "GET", _path(sha256), headers=wanted) as answer:
            if answer.status != 206 or answer.length != end - start:
                raise BlobLost(sha256.hex())
            async for piece in answer.pieces():
                yield held
                digest.update(piece)
                held = piece
        if end - start == size and digest.digest() != sha256:
            raise BlobLost(sha256.hex())
        yield held

    # --- what this site knows of its own copies, written a little later ---

    def note(self, sha256: bytes, *, is_held: bool) -> None:
        """A copy came here, or was found to be lost. Should the note be lost, the repair finds out.

        A site speaks for itself alone: what another one knew of it may be older than its loss.
        """
        if len(self._notes) < limits.COPY_NOTES_MAX:
            self._notes[sha256] = is_held

    async def run(self) -> None:
        """Writes the notes, for ever."""
        while not self.is_alone:
            await asyncio.sleep(limits.COPY_NOTES_SECONDS)
            await self._write_notes()

    async def _write_notes(self) -> None:
        notes, self._notes = self._notes, {}
        held = [sha256 for sha256, is_held in notes.items() if is_held]
        lost = [sha256 for sha256, is_held in notes.items() if not is_held]
        try:
            if held:
                await self._store.set_arrived(self.site, held)
            if lost:
                await self._store.set_lost(self.site, lost)
        except Refusal as refusal:
            log.warning("copies_not_noted", count=len(notes), error=refusal.message)
            self._notes = {**notes, **self._notes}
        except Exception:
            log.exception("copies_not_noted", count=len(notes))

    def _need(self) -> Peers:
        assert self._peers is not None, "a single site asks nobody"
        return self._peers


def _path(sha256: bytes) -> str:
    return f"{PATH}/{sha256.hex()}"


def _was_sent(task: asyncio.Task[bool]) -> bool:
    return task.done() and not task.cancelled() and task.result()


async def _has_taken(peer: Peer, answer: Answer) -> bool:
    """Did the site of that name store it?"""
    said = await answer.read() if (answer.length or 0) <= limits.PEER_ANSWER_BYTES_MAX else b""
    try:
        taken = msgspec.json.decode(said, type=Taken) if answer.status == 200 else None
    except msgspec.DecodeError:
        taken = None
    if taken == Taken(peer.name):
        return True
    log.error("copy_refused", peer=peer.name, status=answer.status, said=said[:200].decode(errors="replace"))
    return False
