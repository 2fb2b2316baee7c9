"""Backups of a living server: taken, kept up to date, proven, restored to a moment; and each way they can be bad.

The restored folder is served, and people find in it what they wrote until that moment, and nothing later.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.api.talking import V3, Talker, segment, sign_up
from tests.server import STOP_SECONDS_MAX, Server, data_folder

PHOTO = b"\x89PNG" + bytes(range(256)) * 40


class Backups:
    """`bongsu backup` on one data folder, as an operator types it."""

    def __init__(self, data: Path, place: Path) -> None:
        self.data = data
        self.place = place
        self._archive: subprocess.Popen[bytes] | None = None

    def run(self, *args: str, refused: bool = False) -> str:
        """What the command printed. It must end well, or, if `refused`, must not."""
        done = subprocess.run(self._command(*args), capture_output=True, text=True, check=False, timeout=120)
        assert (done.returncode != 0) == refused, f"{args}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def start_archive(self) -> None:
        with (self.place.parent / "archive.log").open("ab") as log:
            self._archive = subprocess.Popen(self._command("archive"), stdout=log, stderr=log, start_new_session=True)

    def stop_archive(self) -> None:
        assert self._archive is not None
        self._archive.terminate()
        assert self._archive.wait(STOP_SECONDS_MAX) == 0

    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "backup" / "last.json").read_bytes())
        return found

    def copies(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run("list", "--json").splitlines()]

    def _command(self, *args: str) -> list[str]:
        options = ["--data", str(self.data), "--backup-place", str(self.place), "--log-level", "warning"]
        return [sys.executable, "-m", "bongsu", "backup", *args, *options]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with data_folder() as data_dir:
        yield Server.start(data_dir, "--password-hashing", "fast")


@pytest.fixture(scope="module")
def backups(server: Server) -> Iterator[Backups]:
    """A place with a full copy, and the archive running."""
    place = server.data_dir.parent / "place"
    place.mkdir()
    backups = Backups(server.data_dir, place)
    backups.start_archive()
    backups.run("base")
    yield backups
    backups.stop_archive()


@pytest.fixture
async def http(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.base_url) as http:
        yield http


@pytest.fixture
async def alice(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "alice")


async def _room(person: Talker) -> str:
    room: str = (await person.post(f"{V3}/createRoom", {}))["room_id"]
    return room


async def _say(person: Talker, room: str, *texts: str) -> None:
    for text in texts:
        body = {"msgtype": "m.text", "body": text}
        await person.put(f"{V3}/rooms/{segment(room)}/send/m.room.message/{segment(text)}", body)


async def _heard(person: Talker, room: str) -> list[str]:
    page = await person.get(f"{V3}/rooms/{segment(room)}/messages", dir="b", limit=100)
    return [event["content"]["body"] for event in reversed(page["chunk"]) if event["type"] == "m.room.message"]


async def _upload(http: aiohttp.ClientSession, person: Talker) -> str:
    headers = {"Authorization": f"Bearer {person.access_token}"}
    async with http.post("/_matrix/media/v3/upload", data=PHOTO, headers=headers) as answer:
        address: str = (await answer.json())["content_uri"]
    return address.removeprefix("mxc://")


async def _position(http: aiohttp.ClientSession) -> int:
    async with http.get("/health/ready") as answer:
        return int((await answer.json())["position"])


async def test_what_was_written_after_the_copy_is_restored_too(
    http: aiohttp.ClientSession, backups: Backups, alice: Talker
) -> None:
    room = await _room(alice)
    await _say(alice, room, "one", "two")
    backups.run("base")
    await _say(alice, room, "three")
    photo = await _upload(http, alice)
    position = await _position(http)

    said = backups.run("verify")

    assert f"to position {position} of {position}" in said
    record = backups.record()
    assert record["verified_position"] == position
    assert record["problems"] == []
    assert record["verified_at"] > record["finished_at"]
    assert record["place"] == str(backups.place)
    assert backups.copies()[-1]["parent"] == backups.copies()[-2]["id"]
    folder = backups.data.parent / "restored"
    backups.run("restore", "--into", str(folder))
    restored = Server.start(folder, "--password-hashing", "fast")
    try:
        async with aiohttp.ClientSession(restored.base_url) as elsewhere:
            again = alice.through(elsewhere)
            assert await _heard(again, room) == ["one", "two", "three"]
            await _say(again, room, "four")
            headers = {"Authorization": f"Bearer {alice.access_token}"}
            async with elsewhere.get(f"/_matrix/client/v1/media/download/{photo}", headers=headers) as answer:
                assert await answer.read() == PHOTO
    finally:
        restored.stop()
        shutil.rmtree(folder)
    assert await _heard(alice, room) == ["one", "two", "three"], "the living server was touched"


async def test_a_position_is_restored_exactly(http: aiohttp.ClientSession, backups: Backups, alice: Talker) -> None:
    room = await _room(alice)
    await _say(alice, room, "kept")
    position = await _position(http)
    await _say(alice, room, "a mistake", "another")

    assert await _heard_at(backups, str(position), alice, room) == ["kept"]


async def test_a_position_without_a_message_takes_nothing_later(
    http: aiohttp.ClientSession, backups: Backups, alice: Talker
) -> None:
    room = await _room(alice)
    await _say(alice, room, "kept")
    await alice.put(f"{V3}/user/{segment(alice.user_id)}/account_data/org.example.mark", {})  # a position of its own
    position = await _position(http)
    await _say(alice, room, "a mistake")

    assert await _heard_at(backups, str(position), alice, room) == ["kept"]


async def test_a_position_that_was_never_reached_is_refused(backups: Backups, tmp_path: Path) -> None:
    said = backups.run("restore", "--to", "999999", "--into", str(backups.data.parent / "z"), refused=True)
    assert "before 999999" in said


async def test_a_time_is_restored(http: aiohttp.ClientSession, backups: Backups, alice: Talker) -> None:
    room = await _room(alice)
    await _say(alice, room, "kept")
    moment = datetime.now(UTC).isoformat()
    await _say(alice, room, "a mistake")
    await _say(alice, room, "another")  # recovery stops at the first commit after the moment, so there must be one

    assert await _heard_at(backups, moment, alice, room) == ["kept"]


async def _heard_at(backups: Backups, to: str, person: Talker, room: str) -> list[str]:
    """What the room says in a folder that was restored to that moment."""
    folder = backups.data.parent / "restored"
    print(backups.run("restore", "--to", to, "--into", str(folder)))
    restored = Server.start(folder, "--password-hashing", "fast")
    try:
        async with aiohttp.ClientSession(restored.base_url) as http:
            return await _heard(person.through(http), room)
    finally:
        restored.stop()
        shutil.rmtree(folder)


async def test_a_moment_before_the_first_copy_is_refused(backups: Backups, tmp_path: Path) -> None:
    said = backups.run("restore", "--to", "2001-01-01T00:00:00Z", "--into", str(tmp_path / "x"), refused=True)
    assert "no copy is old enough" in said


async def test_a_moment_that_has_not_come_is_refused(backups: Backups, tmp_path: Path) -> None:
    said = backups.run(
        "restore", "--to", "2101-01-01T00:00:00Z", "--into", str(backups.data.parent / "y"), refused=True
    )
    assert "before configured recovery target was reached" in said
    shutil.rmtree(backups.data.parent / "y")


async def test_a_folder_with_something_in_it_is_left_alone(backups: Backups, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("")
    assert "not empty" in backups.run("restore", "--into", str(tmp_path), refused=True)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


async def test_a_photo_that_is_damaged_in_the_place_is_found(
    http: aiohttp.ClientSession, backups: Backups, alice: Talker
) -> None:
    await _upload(http, alice)
    backups.run("base")
    (copy,) = backups.place.glob("blobs/??/??/*")
    copy.write_bytes(bytes(len(PHOTO)))

    assert "photos and files are missing or damaged" in backups.run("verify", refused=True)

    copy.unlink()  # it is copied anew
    backups.run("verify")


async def test_a_damaged_copy_is_found(backups: Backups) -> None:
    victim = max((backups.place / "base" / backups.copies()[0]["id"] / "base").rglob("*"), key=_size)
    content = victim.read_bytes()
    verified_at = backups.record()["verified_at"]
    victim.write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    try:
        assert "is damaged" in backups.run("verify", refused=True)
        assert backups.record()["verified_at"] == verified_at
    finally:
        victim.write_bytes(content)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


async def test_an_archive_that_stands_still_is_found_and_catches_up(backups: Backups, alice: Talker) -> None:
    room = await _room(alice)
    backups.stop_archive()
    await _say(alice, room, "nobody archived this")
    try:
        said = backups.run("verify", refused=True)
        assert "nothing archives the log now" in said
        assert "the backup ends at position" in said
        assert backups.record()["problems"]
    finally:
        backups.start_archive()
    _wait_for(backups)
    assert backups.record()["problems"] == []


def _wait_for(backups: Backups) -> None:
    """Until the archive is connected again."""
    deadline = time.monotonic() + 30
    while subprocess.run(backups._command("verify"), capture_output=True, check=False).returncode != 0:
        assert time.monotonic() < deadline


async def test_another_database_is_not_mixed_into_a_place(backups: Backups) -> None:
    with data_folder(with_database=False) as other:
        Server.start(other)
        assert "copies of another database" in Backups(other, backups.place).run("base", refused=True)


def test_a_folder_without_a_database_stays_without_one(backups: Backups, tmp_path: Path) -> None:
    assert "there is no database" in Backups(tmp_path, backups.place).run("base", refused=True)
    assert not list(tmp_path.iterdir())


async def test_what_no_moment_needs_goes_and_the_rest_can_be_restored(backups: Backups) -> None:
    backups.run("base", "--full")
    backups.run("base")
    backups.run("base")
    before = backups.copies()
    _age(backups.place, [copy["id"] for copy in before[:-2]], "2001-01-01T00:00:00Z")
    _age(backups.place, [before[-3]["id"]], "2001-01-02T00:00:00Z")

    backups.run("prune", "--backup-days", "30")

    assert [copy["id"] for copy in backups.copies()] == [copy["id"] for copy in before[-3:]]
    backups.run("verify")


def _age(place: Path, names: list[str], finished_at: str) -> None:
    for name in names:
        path = place / "base" / f"{name}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"finished_at": finished_at}))


def test_a_place_that_is_not_mounted_is_not_made(server: Server) -> None:
    nowhere = server.data_dir.parent / "unmounted"
    assert "is its disk mounted" in Backups(server.data_dir, nowhere).run("base", refused=True)
    assert not nowhere.exists()
