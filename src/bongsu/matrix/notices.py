"""What the server tells people, each in a room of their own (client-server API, "Server notices").

A notice has an id, and nobody is sent the same one twice: telling everybody can be broken off and begun again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from hashlib import sha256

import msgspec

from bongsu.core import ids, limits, usernames, versions
from bongsu.core.errors import Refusal, invalid_param
from bongsu.rooms.notices import SendNotice
from bongsu.store import notices as table
from bongsu.store.committer import Committer
from bongsu.store.database import Database

_NAME = "Server notices · 서버 알림"


class Told(msgspec.Struct):
    """How many people were sent a notice, had it already, or could not be reached."""

    sent: int = 0
    known: int = 0
    refused: int = 0

    @property
    def people(self) -> int:
        return self.sent + self.known + self.refused


def notice_id(text: str) -> str:
    """By default a notice is known by its text."""
    return sha256(text.encode()).hexdigest()[:16]


class Notices:
    """send() to some people, send_to_all() to everybody. new_room_id: makes a fresh id, for versions without hashes."""

    def __init__(
        self, database: Database, committer: Committer, new_room_id: Callable[[], str], server_name: str
    ) -> None:
        self._database = database
        self._committer = committer
        self._new_room_id = new_room_id
        self._speaker = ids.user_id(usernames.SPEAKER, server_name)

    async def send(self, people: Sequence[str], text: str, known_as: str) -> Told:
        """Raises the refusal for the first of a few people who cannot be told."""
        _check(text, known_as)
        await self._prepare()
        told = Told()
        for user_id in people:
            await self._send(user_id, text, known_as, told)
        return told

    async def send_to_all(self, text: str, known_as: str) -> AsyncIterator[Told]:
        """Says how far it is after each page of people."""
        _check(text, known_as)
        await self._prepare()
        told, after = Told(), ""
        while page := await table.people_after(self._database, self._speaker, after, limits.NOTICE_PEOPLE_PAGE):
            for start in range(0, len(page), limits.NOTICES_AT_ONCE_MAX):
                some = page[start : start + limits.NOTICES_AT_ONCE_MAX]
                await asyncio.gather(*(self._try(user_id, text, known_as, told) for user_id in some))
                yield told
            after = page[-1]

    async def count(self) -> int:
        return await table.people_count(self._database, self._speaker)

    async def _prepare(self) -> None:
        await self._database.write(lambda connection: table.put_speaker(connection, self._speaker, _NAME))

    async def _send(self, user_id: str, text: str, known_as: str, told: Told) -> None:
        version = versions.version(versions.DEFAULT)
        notice = SendNotice(
            speaker=self._speaker,
            user_id=user_id,
            notice_id=known_as,
            text=text,
            room_name=_NAME,
            version=version,
            new_room_id=None if version.room_id_is_hash else self._new_room_id(),
        )
        if await self._committer.submit(notice):
            told.sent += 1
        else:
            told.known += 1

    async def _try(self, user_id: str, text: str, known_as: str, told: Told) -> None:
        """Whoever wants no invitations, or is deactivated just now, is left out; a database that is away is not."""
        try:
            await self._send(user_id, text, known_as, told)
        except Refusal as refusal:
            if refusal.status >= 500:
                raise
            told.refused += 1


def _check(text: str, known_as: str) -> None:
    ids.check_text(known_as, "the id of the notice", limits.TXN_ID_BYTES_MAX)
    if not text.strip() or not known_as:
        raise invalid_param("there is nothing to tell")
    ids.check_text(text, "the notice", limits.NOTICE_BYTES_MAX)
