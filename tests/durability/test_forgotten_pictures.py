"""Pictures that no preview shows any more go from every site, and nothing else does, whoever stores it meanwhile."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from bongsu.config import Settings
from bongsu.core import creation, limits, versions
from bongsu.core.events import MESSAGE, Draft
from bongsu.main import open_worker
from bongsu.media.blobs import BlobFolder
from bongsu.media.forgetting import Forgetting
from bongsu.rooms.batch import Transaction
from bongsu.rooms.creation import CreateRoom
from bongsu.rooms.sending import SendEvent
from bongsu.store import notices, search
from bongsu.store.database import Connection, Database
from bongsu.store.forgotten_blobs import ForgottenBlobs
from bongsu.store.media import MediaStore, NewFile, ThumbnailKey, ThumbnailRow, add_blob
from tests.waiting import until

SITES = ["a", "b", "c"]
SECONDS_MAX = 30.0
LONG_AGO = time.time() - 2 * limits.PREVIEW_PICTURE_KEPT_SECONDS


class Place(msgspec.Struct):
    """A site: its disk, and what forgets there."""

    blobs: BlobFolder
    forgetting: Forgetting

    async def has(self, sha256: bytes) -> bool:
        return await self.blobs.size(sha256) is not None


@pytest.fixture
async def places(two: tuple[Database, Database], tmp_path: Path) -> AsyncIterator[list[Place]]:
    made = []
    for number, site in enumerate(SITES):
        blobs = BlobFolder(tmp_path / site, free_bytes_min=0)
        await blobs.open()
        made.append(Place(blobs, Forgetting(blobs, ForgottenBlobs(two[number % 2]), site, SITES)))
    yield made
    for each in made:
        each.blobs.close()
    await two[0].execute("DELETE FROM blob_removals")


async def _bytes(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def store(places: list[Place], content: bytes, *, is_old: bool = True) -> bytes:
    """On every disk; the name."""
    for place in places:
        await place.blobs.put(_bytes(content), 10_000)
        if is_old:
            sha256 = hashlib.sha256(content).hexdigest()
            os.utime(place.blobs.folder / sha256[:2] / sha256[2:4] / sha256, (LONG_AGO, LONG_AGO))
    return hashlib.sha256(content).digest()


def file(sha256: bytes, user_id: str = "") -> NewFile:
    return NewFile(user_id, sha256, 5, "image/png", None, dict.fromkeys(SITES, True))


async def shown(database: Database, sha256: bytes, *, is_old: bool = True) -> str:
    """As a preview's picture; its media id."""
    media_id = f"preview_{sha256.hex()}"
    await MediaStore(database).add_once(media_id, file(sha256))
    if is_old:
        await database.execute("UPDATE media SET created_at = to_timestamp($2) WHERE media_id = $1", media_id, LONG_AGO)
    return media_id


@pytest.fixture
def contents() -> list[bytes]:
    """Five that nobody has stored."""
    return [os.urandom(5) for _ in range(5)]


async def forget(places: list[Place]) -> None:
    """All sites at once, until none finds more."""
    for _ in range(3):
        await asyncio.gather(*(place.forgetting.some() for place in places))


async def known(database: Database, sha256: bytes) -> bool:
    return bool(await database.fetch("SELECT FROM blobs WHERE sha256 = $1", sha256))


async def test_a_picture_that_no_preview_shows_goes_from_all_sites_with_its_thumbnails(
    two: tuple[Database, Database], places: list[Place], contents: list[bytes]
) -> None:
    picture, small, fresh = [await store(places, each) for each in contents[:3]]
    media_id, kept = await shown(two[0], picture), await shown(two[0], fresh, is_old=False)
    key = ThumbnailKey(picture, 32, 32, "crop", False)
    await MediaStore(two[0]).add_thumbnail(key, ThumbnailRow(small, 5, "image/png"))
    await forget(places)
    assert [await place.has(each) for place in places for each in (picture, small)] == [False] * 6
    assert await MediaStore(two[1]).find(media_id) is None
    assert await MediaStore(two[1]).thumbnail(key) is None
    assert not await two[1].fetch("SELECT FROM blob_copies WHERE sha256 = $1", picture)
    assert not await two[1].fetch("SELECT FROM blob_removals")
    assert await MediaStore(two[1]).find(kept) is not None
    assert all([await place.has(fresh) for place in places])


async def test_what_somebody_uploaded_or_another_picture_shows_stays(
    two: tuple[Database, Database], places: list[Place], contents: list[bytes]
) -> None:
    """So does what a preview has shown again."""
    uploaded, smaller, again = [await store(places, each) for each in contents[:3]]
    store_of = MediaStore(two[0])
    for each in (uploaded, smaller, again):
        await shown(two[0], each)
    await store_of.add(f"upload{uploaded.hex()}", file(uploaded, "@somebody:x"))
    key = ThumbnailKey(uploaded, 32, 32, "crop", False)
    await store_of.add_thumbnail(key, ThumbnailRow(smaller, 5, "image/png"))
    await shown(two[0], again, is_old=False)
    await forget(places)
    assert all([await place.has(each) for place in places for each in (uploaded, smaller, again)])
    assert all([await known(two[1], each) for each in (uploaded, smaller, again)])
    assert await store_of.find(f"preview_{uploaded.hex()}") is None
    assert await store_of.find(f"preview_{again.hex()}") is not None
    assert await store_of.thumbnail(key) is not None


async def test_a_picture_that_a_message_shows_itself_stays(
    dsn: str, tmp_path: Path, two: tuple[Database, Database], places: list[Place], contents: list[bytes]
) -> None:
    """The index of messages is behind by some seconds, and the picture would stay for a month."""
    said, bare = [await store(places, each) for each in contents[:2]]
    media_id, other = [await shown(two[0], each, is_old=False) for each in (said, bare)]
    user = f"@{said.hex()[:8]}:test.example"
    async with open_worker(Settings(dsn=dsn, data=tmp_path, server_name="test.example"), lambda _: None) as worker:
        await worker.database.write(lambda connection: notices.put_speaker(connection, user, "T"))
        version = versions.version(versions.DEFAULT)
        room_id = await worker.committer.submit(CreateRoom(user, version, creation.Options(), None))
        content = {"msgtype": "m.image", "body": "x", "url": f"mxc://test.example/{media_id}"}
        said_once = Transaction(user, "", "once")
        await worker.committer.submit(SendEvent(room_id, Draft(type=MESSAGE, sender=user, content=content), said_once))
        async with asyncio.timeout(SECONDS_MAX):
            while not await search.is_whole(two[0], worker.feed.pos):
                await two[0].write(search.keep_some)
    await two[0].execute("UPDATE media SET created_at = to_timestamp($1) WHERE user_id = ''", LONG_AGO)
    await forget(places)
    assert await MediaStore(two[1]).find(other) is None
    assert await MediaStore(two[1]).find(media_id) is not None
    assert all([await place.has(said) for place in places])


async def test_bytes_that_are_stored_again_are_not_removed(
    two: tuple[Database, Database], places: list[Place], contents: list[bytes]
) -> None:
    """Neither before nor after the row that names them: then they are young, later they are named."""
    picture = await store(places, contents[0])
    await shown(two[0], picture)
    assert await ForgottenBlobs(two[0]).forget_pictures(SITES, limits.PREVIEW_PICTURE_KEPT_SECONDS, 10) == 1
    await store(places[:1], contents[0], is_old=False)  # an upload, whose row is still to come
    await asyncio.gather(*(place.forgetting.some() for place in places[:2]))
    assert [await place.has(picture) for place in places] == [True, False, True]
    await MediaStore(two[0]).add(f"upload{picture.hex()}", file(picture, "@somebody:x"))
    assert not await two[1].fetch("SELECT FROM blob_removals WHERE sha256 = $1", picture), "at no site it is to go"
    await forget(places)
    assert [await place.has(picture) for place in places] == [True, False, True]
    assert await known(two[1], picture)


async def test_what_an_upload_is_about_to_name_is_not_forgotten(
    two: tuple[Database, Database], places: list[Place], contents: list[bytes]
) -> None:
    picture = await store(places, contents[0])
    await shown(two[0], picture)

    async def upload(connection: Connection) -> int:
        await add_blob(connection, picture, 5)
        found = await ForgottenBlobs(two[1]).forget_pictures(SITES, limits.PREVIEW_PICTURE_KEPT_SECONDS, 10)
        await connection.execute(
            "INSERT INTO media (media_id, user_id, sha256) VALUES ($1, '@somebody:x', $2)", picture.hex(), picture
        )
        return found

    assert await two[0].write(upload) == 0
    await forget(places)
    assert all([await place.has(picture) for place in places])


async def test_uploads_of_what_is_being_forgotten_are_kept_and_wait_for_nobody_in_a_circle(
    two: tuple[Database, Database], places: list[Place], contents: list[bytes]
) -> None:
    hashes = [await store(places, each) for each in contents]
    for each in hashes:
        await shown(two[0], each)
    forgotten = ForgottenBlobs(two[1])
    media = MediaStore(two[0])
    uploads = [media.add(f"upload{each.hex()}", file(each, "@somebody:x")) for each in reversed(hashes)]
    shows = [media.add_once(f"preview_{each.hex()}", file(each)) for each in hashes]
    forgets = [forgotten.forget_pictures(SITES, limits.PREVIEW_PICTURE_KEPT_SECONDS, 5) for _ in range(3)]
    await asyncio.gather(*forgets, *uploads, *shows)

    async def all_known() -> list[bool]:
        return [await known(two[1], each) for each in hashes]

    await until(all_known, all, SECONDS_MAX)
    assert not await two[1].fetch("SELECT FROM blob_removals WHERE sha256 = ANY($1)", hashes)
    for each in hashes:
        assert await media.find(f"upload{each.hex()}") is not None
