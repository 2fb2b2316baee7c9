"""Fills a server: accounts, pictures, rooms, and what of it has been read.

Cut short, it can be begun again: passwords are on the disk before they are anybody's, and the rooms come in one commit.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Final

from bongsu import demo_accounts
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.core.ids import user_id
from bongsu.core.json import encode
from bongsu.demo import Worker, pictures, story
from bongsu.demo.people import PEOPLE, Person
from bongsu.demo.pictures import Picture
from bongsu.demo.steps import File, RoomPlan
from bongsu.demo.telling import TellStory, Told
from bongsu.demo_accounts import DemoAccount
from bongsu.rooms.personal import SetAccountData, SetReceipt
from bongsu.store import people
from bongsu.store.committer import Operation
from bongsu.store.database import Connection
from bongsu.store.media import MediaStore, NewFile

Announce = Callable[[str], None]

_LETTERS: Final = (
    "abcdefghjkmnpqrstuvwxyz"  # without i, l and o: passwords are read from one screen and typed on another
)
_GROUPS: Final = 3
_GROUP_LETTERS: Final = 4  # 12 letters of 23: 54 bits
_MEDIA_ID_BYTES: Final = 24
_FACES: Final = frozenset(f"avatar-{person.localpart}" for person in PEOPLE)


async def make(worker: Worker, announce: Announce, now_ms: int) -> None:
    """Makes what is missing. Raises a Refusal when somebody who is not of the demo has one of its names."""
    announce("Making the demo: its people")
    await gather_people(worker)
    announce("Making the demo: its pictures")
    files = await _files(worker, user_id(PEOPLE[0].localpart, worker.settings.server_name))
    announce("Making the demo: its rooms")
    told: list[Told] = await worker.committer.submit(TellStory(story.PLANS, files, now_ms))
    await _settle(worker, told)


async def gather_people(worker: Worker) -> None:
    """Those who are missing, and the faces of those who have none. Raises as make() does."""
    name = worker.settings.server_name
    known = {account.user_id: account for account in demo_accounts.read(worker.settings.data)}
    accounts = [_account(person, name, known) for person in PEOPLE]
    missing = await _missing(worker, accounts, known)
    demo_accounts.write(worker.settings.data, accounts)
    for account in missing:
        await worker.accounts.add(account.user_id, account.password)
    await _show_faces(worker)


async def _show_faces(worker: Worker) -> None:
    for person in PEOPLE:
        user = user_id(person.localpart, worker.settings.server_name)
        if "avatar_url" not in await people.profile(worker.database, user):
            face = await draw(worker, user, f"avatar-{person.localpart}")
            await worker.database.write(partial(_set_profile, user=user, name=person.name, face=face.uri))


async def _set_profile(connection: Connection, user: str, name: str, face: str) -> None:
    await people.set_field(connection, user, "displayname", encode(name))
    await people.set_field(connection, user, "avatar_url", encode(face))


def _account(person: Person, server_name: str, known: dict[str, DemoAccount]) -> DemoAccount:
    user = user_id(person.localpart, server_name)
    password = known[user].password if user in known else _new_password()
    return DemoAccount(user, password, person.name, person.about)


async def _missing(worker: Worker, accounts: Sequence[DemoAccount], known: dict[str, DemoAccount]) -> list[DemoAccount]:
    """Those that are not made yet. A filling that was cut short left some, with their passwords in the file."""
    missing = [account for account in accounts if not await people.exists(worker.database, account.user_id)]
    for account in accounts:
        if account not in missing and account.user_id not in known:
            raise Refusal(400, "M_USER_IN_USE", f"{account.user_id} is somebody’s account, and not the demo’s")
    return missing


def _new_password() -> str:
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LETTERS)) for _ in range(_GROUPS))
    return "-".join(groups)


# --- files ---


async def _files(worker: Worker, owner: str) -> dict[str, File]:
    """Everything the story shows, uploaded; by file name."""
    files = {shown_as(name): await draw(worker, owner, name) for name in pictures.NAMES if name not in _FACES}
    notes = Picture(await asyncio.to_thread(pictures.notes_pdf), "application/pdf", 0, 0)
    checklist = Picture(story.CHECKLIST.encode(), "text/plain; charset=utf-8", 0, 0)
    for name, made in (("beacon-notes.pdf", notes), ("밤근무-점검표.txt", checklist)):
        files[name] = await _upload(worker, owner, name, made)
    return files


def shown_as(name: str) -> str:
    """The file name of a picture."""
    return f"{name}.{pictures.ending(name)}"


async def draw(worker: Worker, owner: str, name: str) -> File:
    """One of the pictures, uploaded."""
    return await _upload(worker, owner, shown_as(name), await asyncio.to_thread(pictures.draw, name))


async def _upload(worker: Worker, owner: str, name: str, made: Picture) -> File:
    stored = await worker.blobs.put(_once(made.body), limits.UPLOAD_BYTES_MAX)
    media_id = secrets.token_urlsafe(_MEDIA_ID_BYTES)
    new = NewFile(owner, stored.sha256, stored.size, made.content_type, name)
    await MediaStore(worker.database).add(media_id, new)
    uri = f"mxc://{worker.settings.server_name}/{media_id}"
    return File(uri, made.content_type, stored.size, made.width or None, made.height or None)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


# --- what is each person's own ---


async def _settle(worker: Worker, told: Sequence[Told]) -> None:
    """Who has read how far, which rooms are between two, which are kept on top."""
    name = worker.settings.server_name
    pairs = list(zip(story.PLANS, told, strict=True))
    receipts: list[Operation] = [
        SetReceipt(room.room_id, user_id(read.who, name), "m.read", room.events[read.up_to])
        for plan, room in pairs
        for read in plan.reads
    ]
    favourite = encode({"tags": {"m.favourite": {"order": 0.5}}})
    tags: list[Operation] = [
        SetAccountData(user_id(who, name), room.room_id, "m.tag", favourite)
        for plan, room in pairs
        for who in plan.favourite_of
    ]
    direct: list[Operation] = [
        SetAccountData(user, "", "m.direct", encode(content)) for user, content in _direct_rooms(pairs, name).items()
    ]
    await asyncio.gather(*(worker.committer.submit(operation) for operation in (*receipts, *tags, *direct)))


def _direct_rooms(pairs: Sequence[tuple[RoomPlan, Told]], server_name: str) -> dict[str, dict[str, list[str]]]:
    """The content of m.direct for each person: whom they talk with alone, and where."""
    found: dict[str, dict[str, list[str]]] = {}
    for plan, room in pairs:
        if plan.between:
            one, other = user_id(plan.creator, server_name), user_id(plan.between, server_name)
            found.setdefault(one, {}).setdefault(other, []).append(room.room_id)
            found.setdefault(other, {}).setdefault(one, []).append(room.room_id)
    return found
