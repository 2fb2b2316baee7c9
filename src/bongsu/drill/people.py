"""Real Matrix clients (matrix-nio): they talk, send photos and read along, with the same manners as the light ones."""

import asyncio
import io
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import aiohttp
import nio  # type: ignore[import-untyped]

from bongsu.core import limits
from bongsu.drill.client import MESSAGE, Account, Doors
from bongsu.drill.photos import Album
from bongsu.drill.reader import LONG_POLL_MS, Fold, Shown
from bongsu.drill.record import NOBODY, Attempt, Kind, Outcome, Record, Word

T = TypeVar("T")
_PHOTO_EVERY: Final = 3  # one message in three is a photo
_PAUSE_SECONDS: Final = (0.3, 1.2)  # between two things somebody says


class Person:
    """Somebody with a real client on one device. `fold` is what the client was told."""

    def __init__(self, doors: Doors, record: Record, account: Account, home: int, room_id: str, shown: Shown) -> None:
        logging.getLogger("nio").setLevel(logging.CRITICAL)  # faults are expected here, and are recorded
        self.number = record.enrol(account.user_id)
        self.is_ending = False
        self.fold = Fold(f"matrix-nio {self.number}", [room_id], self._page, shown, limits.DRILL_TIMELINE_EVENTS)
        self._doors, self._record, self._room_id = doors, record, room_id
        self._home = self._site = home
        self._home_after = 0.0
        config = nio.AsyncClientConfig(
            max_limit_exceeded=0, max_timeouts=0, request_timeout=limits.DRILL_PAGE_SECONDS, encryption_enabled=False
        )
        self._client = nio.AsyncClient(doors.base_urls[home], account.user_id, config=config)
        self._client.access_token, self._client.user_id = account.token, account.user_id

    async def close(self) -> None:
        await self._client.close()

    async def _call(
        self, make: Callable[[], Awaitable[Any]], kind: type[T], purpose: Kind, send: int = NOBODY, wait: float = 0
    ) -> T:
        """The answer, which is of this kind, of the first try that succeeds, wherever."""
        failures = 0
        while True:
            answer = await self._try(make, purpose, send, wait)
            if isinstance(answer, kind):
                return answer
            failures += 1
            self._turn_elsewhere()
            if failures % len(self._doors) == 0:
                await asyncio.sleep(limits.DRILL_REST_SECONDS)

    async def _try(self, make: Callable[[], Awaitable[Any]], purpose: Kind, send: int, wait: float) -> Any:
        started, site = self._record.now, self._site
        try:
            async with asyncio.timeout(limits.DRILL_PATIENCE_SECONDS + wait):
                answer = await make()
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            self._record.tried(started, self.number, site, purpose, _outcome(error), send)
            return None
        self._record.tried(started, self.number, site, purpose, _status(answer), send)
        return answer

    def _turn_elsewhere(self) -> None:
        if self._site == self._home:
            self._home_after = self._record.now + limits.DRILL_RETURN_SECONDS
        self._move((self._site + 1) % len(self._doors))

    def _move(self, site: int) -> None:
        self._site = site
        self._client.homeserver = self._doors.base_urls[site]

    # --- what they say ---

    async def talk(self, album: Album, stop: asyncio.Event, chance: random.Random) -> None:
        """Texts and photos, each repeated until it is acknowledged."""
        said = 0
        while not stop.is_set():
            if self._record.now > self._home_after:
                self._move(self._home)
            said += 1
            await (self._show(album) if said % _PHOTO_EVERY == 0 else self._say())
            await asyncio.sleep(chance.uniform(*_PAUSE_SECONDS))

    async def _say(self) -> None:
        attempt = self._record.begin(self.number, self._room_id)
        await self._send(attempt, {"msgtype": "m.text", "body": attempt.body})

    async def _show(self, album: Album) -> None:
        """The photo first; when its upload is acknowledged, the message that shows it."""
        data = album.next()

        async def upload() -> Any:
            return (await self._client.upload(io.BytesIO(data), "image/png", "photo.png", filesize=len(data)))[0]

        answer = await self._call(upload, nio.UploadResponse, Kind.UPLOAD)
        album.acknowledge(answer.content_uri, data, self._record.now)
        self._record.photos += 1
        attempt = self._record.begin(self.number, self._room_id, Word.PHOTO)
        await self._send(attempt, {"msgtype": "m.image", "body": attempt.body, "url": answer.content_uri})

    async def _send(self, attempt: Attempt, content: Mapping[str, Any]) -> None:
        answer = await self._call(
            lambda: self._client.room_send(self._room_id, MESSAGE, dict(content), tx_id=attempt.txn_id),
            nio.RoomSendResponse,
            Kind.SEND,
            attempt.number,
        )
        self._record.acknowledge(attempt, self._site, answer.event_id)

    # --- what they read ---

    async def follow(self) -> None:
        """Syncs until told that the run ends, and then until all that is awaited was seen."""
        while not self.is_ending or self.fold.awaited:
            await self.sync(LONG_POLL_MS)

    async def sync(self, timeout_ms: int = 0) -> None:
        answer = await self._call(
            lambda: self._client.sync(timeout=timeout_ms, since=self.fold.token or None),
            nio.SyncResponse,
            Kind.SYNC,
            wait=timeout_ms / 1000 if self.fold.token else limits.DRILL_PAGE_SECONDS,
        )
        joined = {room_id: _room(info) for room_id, info in answer.rooms.join.items()}
        await self.fold.take({"next_batch": answer.next_batch, "rooms": {"join": joined}})

    async def _page(self, room_id: str, query: Mapping[str, str]) -> Any:
        answer = await self._call(
            lambda: self._client.room_messages(
                room_id,
                query["from"],
                end=query.get("to"),
                limit=int(query["limit"]),
                direction=nio.MessageDirection.back,
            ),
            nio.RoomMessagesResponse,
            Kind.OTHER,
            wait=limits.DRILL_PAGE_SECONDS,
        )
        page = {"start": answer.start, "chunk": [event.source for event in answer.chunk]}
        return page | ({"end": answer.end} if answer.end else {})


def _room(info: Any) -> dict[str, Any]:
    """One room of nio's answer, as the protocol writes it."""
    timeline = info.timeline
    return {
        "timeline": {
            "events": [event.source for event in timeline.events],
            "limited": timeline.limited,
            "prev_batch": timeline.prev_batch,
        },
        "state": {"events": [event.source for event in info.state]},
    }


def _status(answer: Any) -> int:
    response = getattr(answer, "transport_response", None)
    return Outcome.GARBLED if response is None else int(response.status)


def _outcome(error: Exception) -> Outcome:
    if isinstance(error, TimeoutError):
        return Outcome.SILENT
    if isinstance(error, aiohttp.ClientConnectorError):
        return Outcome.REFUSED
    return Outcome.GARBLED if isinstance(error, ValueError) else Outcome.BROKEN
