"""Fills a server: accounts, pictures, rooms, and what of it has been read. A second time changes nothing."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol

from bongsu.config import Settings
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.core.ids import user_id
from bongsu.core.json import encode
from bongsu.demo import accounts as account_file
from bongsu.demo import pictures, story
from bongsu.demo.accounts import Account
from bongsu.demo.people import PEOPLE
from bongsu.demo.pictures import Picture
from bongsu.demo.steps import File, RoomPlan
from bongsu.demo.telling import TellStory, Told
from bongsu.matrix.administration import Administration
from bongsu.media.blobs import Blobs
from bongsu.rooms.personal import SetAccountData, SetReceipt
from bongsu.store import directory, people
from bongsu.store.committer import Committer
from bongsu.store.database import Connection, Database
from bongsu.store.media import MediaStore, NewFile

Announce = Callable[[str], None]

_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz"  # without i, l and o: passwords are read from one screen and typed on another
_GROUPS: Final = 3
_GROUP_LETTERS: Final = 4  # 12 letters of 23: 54 bits
_MEDIA_ID_BYTES: Final = 24


class Worker(Protocol):
    """What of a serving process the demo uses."""

    settings: Settings
    database: Database
    committer: Committer
    accounts: Administration
    blobs: Blobs


async def tell(worker: Worker, announce: Announce, now_ms: int) -> Sequence[Account]:
    """Makes what is missing. Raises a Refusal when somebody who is not of the demo has one of its names."""
    name = worker.settings.server_name
    known = {account.user_id: account for account in account_file.read(worker.settings.data)}
    ours = [user_id(person.localpart, name) for person in PEOPLE]
    missing = await _missing(worker, ours, known)
    accounts = [known.get(user) or Account(user, _new_password()) for user in ours]
    announce("Making the demo: its people")
    account_file.write(worker.settings.data, accounts)
    for account in accounts:
        if account.user_id in missing:
            await worker.accounts.add(account.user_id, account.password)
    announce("Making the demo: its pictures")
    files = await _files(worker, ours[0])
    await worker.database.write(lambda connection: _set_profiles(connection, name, files))
    announce("Making the demo: its rooms")
    told: list[Told] = await worker.committer.submit(TellStory(story.PLANS, files, now_ms))
    await _settle(worker, told)
    return accounts


async def is_told(database: Database, server_name: str) -> bool:
    return await directory.room_of(database, f"#{story.SQUARE_ALIAS}:{server_name}") is not None


async def _missing(worker: Worker, ours: Sequence[str], known: dict[str, Account]) -> set[str]:
    """Those who have no account yet. A filling that was cut short left some, with their passwords in the file."""
    missing = {user for user in ours if not await people.exists(worker.database, user)}
    strangers = [user for user in ours if user not in missing and user not in known]
    if strangers:
        raise Refusal(400, "M_USER_IN_USE", f"{strangers[0]} is somebody’s account and not the demo’s")
    return missing


def _new_password() -> str:
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS))
    return "-".join(groups)


# --- files ---


async def _files(worker: Worker, owner: str) -> dict[str, File]:
    """Everything the story shows, uploaded; by file name."""
    return dict([await _upload(worker, owner, name, made) async for name, made in _made()])


async def _made() -> AsyncIterator[tuple[str, Picture]]:
    for name in pictures.NAMES:
        picture = await asyncio.to_thread(pictures.draw, name)
        yield f"{name}.{'png' if picture.content_type == 'image/png' else 'jpg'}", picture
    yield "beacon-notes.pdf", Picture(await asyncio.to_thread(pictures.notes_pdf), "application/pdf", 0, 0)
    yield "밤근무-점검표.txt", Picture(story.CHECKLIST.encode(), "text/plain; charset=utf-8", 0, 0)


async def _upload(worker: Worker, owner: str, name: str, made: Picture) -> tuple[str, File]:
    stored = await worker.blobs.put(_once(made.body), limits.UPLOAD_BYTES_MAX)
    media_id = secrets.token_urlsafe(_MEDIA_ID_BYTES)
    new = NewFile(owner, stored.sha256, stored.size, made.content_type, name)
    await MediaStore(worker.database).add(media_id, new)
    uri = f"mxc://{worker.settings.server_name}/{media_id}"
    return name, File(uri, made.content_type, stored.size, made.width or None, made.height or None)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _set_profiles(connection: Connection, server_name: str, files: dict[str, File]) -> None:
    for person in PEOPLE:
        user = user_id(person.localpart, server_name)
        await people.set_field(connection, user, "displayname", encode(person.name))
        await people.set_field(connection, user, "avatar_url", encode(files[f"avatar-{person.localpart}.png"].uri))


# --- what is each person's own ---


async def _settle(worker: Worker, told: Sequence[Told]) -> None:
    """Who has read how far, which rooms are between two, which are kept on top."""
    name = worker.settings.server_name
    pairs = list(zip(story.PLANS, told, strict=True))
    receipts = [
        SetReceipt(room.room_id, user_id(read.who, name), "m.read", room.events[read.up_to])
        for plan, room in pairs
        for read in plan.reads
    ]
    favourite = encode({"tags": {"m.favourite": {"order": 0.5}}})
    tags = [
        SetAccountData(user_id(who, name), room.room_id, "m.tag", favourite)
        for plan, room in pairs
        for who in plan.favourite_of
    ]
    direct = [
        SetAccountData(user, "", "m.direct", encode(content)) for user, content in _direct_rooms(pairs, name).items()
    ]
    await asyncio.gather(*(worker.committer.submit(operation) for operation in (*receipts, *tags, *direct)))


def _direct_rooms(pairs: Sequence[tuple[RoomPlan, Told]], server_name: str) -> dict[str, dict[str, list[str]]]:
    """The content of m.direct for each person: whom they talk with alone, and where."""
    found: dict[str, dict[str, list[str]]] = {}
    for plan, room in pairs:
        if plan.is_direct:
            one, other = (user_id(who, server_name) for who in (plan.creator, plan.steps[0].who))
            found.setdefault(one, {}).setdefault(other, []).append(room.room_id)
            found.setdefault(other, {}).setdefault(one, []).append(room.room_id)
    return found
