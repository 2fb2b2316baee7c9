"""From every earlier schema to this one, while a process of the earlier version serves on.

The earlier versions come out of this repository's own history: the last commit that had a schema's files as they are
today. Outside of a clone with its history there is nothing to start from, and the tests say so.
"""

import asyncio
import io
import itertools
import subprocess
import tarfile
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from tests.api.keys import publish
from tests.api.talking import V3, Json, Talker, relating, room, segment, sign_up
from tests.server import Server, data_folder

from bongsu.store.database import Database
from bongsu.store.embedded import EmbeddedPostgres
from bongsu.store.migrations import known

ROOT = Path(__file__).parents[2]
FOLDER = "src/bongsu/store/migrations"
WITHOUT_HISTORY = "not a clone with its whole history: earlier versions cannot be started"
PAUSE_SECONDS = 0.02
LIMIT_ONE = {"room": {"timeline": {"limit": 1}}}


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def has_history() -> bool:
    try:
        return git("rev-parse", "--is-shallow-repository").strip() == b"false"
    except (OSError, subprocess.CalledProcessError):
        return False


class Earlier(NamedTuple):
    """The last commit with this schema. names: of its migrations."""

    commit: str
    names: frozenset[str]

    @property
    def title(self) -> str:
        return f"{len(self.names)}-{max(self.names)}"


def _files(commit: str) -> frozenset[tuple[str, str]]:
    """(hash, name) of each migration."""
    lines = (line.split() for line in git("ls-tree", commit, f"{FOLDER}/").decode().splitlines())
    return frozenset((line[2], Path(line[3]).name) for line in lines if line[3].endswith((".expand.sql", ".index.sql")))


@cache
def earlier_versions() -> list[Earlier]:
    """Those whose files stand unchanged among today's; a version that was never released may have been replaced."""
    if not has_history():
        return []
    commits = git("log", "--first-parent", "--format=%H", "HEAD", "--", FOLDER).decode().split()
    today = _files("HEAD")
    found: dict[frozenset[tuple[str, str]], str] = {}
    for later, commit in itertools.pairwise(commits):
        files = _files(commit)
        if files and files < today:
            found.setdefault(files, f"{later}^1")
    names = [frozenset(name.partition(".")[0] for _, name in files) for files in found]
    return [Earlier(*each) for each in zip(found.values(), names, strict=True)]


@pytest.fixture(scope="module")
async def postgres() -> AsyncIterator[EmbeddedPostgres]:
    with data_folder() as folder:
        embedded = EmbeddedPostgres(Path(folder))
        await embedded.start()
        yield embedded
        await embedded.stop()


async def _emptied(postgres: EmbeddedPostgres) -> str:
    """The address of a database without tables."""
    database = Database(postgres.dsn)
    await database.open()
    await database.execute("DROP SCHEMA public CASCADE")
    await database.execute("CREATE SCHEMA public")
    await database.close()
    return postgres.dsn


def _unpacked(commit: str, into: Path) -> Path:
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit, "src"))) as archive:
        archive.extractall(into, filter="data")
    return into / "src"


async def _applied(dsn: str) -> set[str]:
    database = Database(dsn)
    await database.open()
    rows = await database.fetch("SELECT name FROM migrations")
    await database.close()
    return {row["name"] for row in rows}


class Lives:
    """What two people leave in the tables of an earlier version."""

    def __init__(self, alice: Talker, bob: Talker, has_devices: bool) -> None:
        self.alice, self.bob, self.has_devices = alice, bob, has_devices
        self.room_id = self.since = ""

    async def begin(self) -> None:
        alice, bob = self.alice, self.bob
        self.room_id = room_id = await alice.make_room(name="before", preset="public_chat", visibility="public")
        await bob.join(room_id)
        first = await alice.say(room_id, "first")
        await bob.say(room_id, "in a thread", **relating("m.thread", first))
        await bob.send(room_id, relating("m.annotation", first, key="+"), "m.reaction")
        await alice.redact(room_id, await alice.say(room_id, "taken back"))
        await bob.post(f"{room(room_id)}/receipt/m.read/{segment(first)}")
        await bob.put(f"{V3}/user/{segment(bob.user_id)}/rooms/{segment(room_id)}/tags/u.kept", {"order": 0.5})
        await bob.put(f"{V3}/profile/{segment(bob.user_id)}/displayname", {"displayname": "Bob"})
        self.since = (await bob.sync())["next_batch"]
        if self.has_devices:
            await self._write_to_devices()

    async def _write_to_devices(self) -> None:
        alice, bob = self.alice, self.bob
        await publish(alice)
        message = {"messages": {bob.user_id: {bob.device_id: {"waits": True}}}}
        await alice.put(f"{V3}/sendToDevice/org.example/1", message)

    async def check(self, alice: Talker, bob: Talker) -> None:
        """All of it is there, for devices of then."""
        if self.has_devices:
            await self._check_devices(alice, bob)
        whole = (await bob.sync())["rooms"]["join"][self.room_id]
        assert whole["account_data"]["events"] == [{"type": "m.tag", "content": {"tags": {"u.kept": {"order": 0.5}}}}]
        assert await alice.state(self.room_id, "m.room.name") == {"name": "before"}
        assert (await alice.state(self.room_id, "m.room.member", bob.user_id))["displayname"] == "Bob"
        shown = (await alice.messages(self.room_id, "f", limit=30))["chunk"]
        texts = [event["content"].get("body") for event in shown if event["type"] == "m.room.message"]
        assert texts[:3] == ["first", "in a thread", None]

    async def _check_devices(self, alice: Talker, bob: Talker) -> None:
        told = await bob.sync(self.since)
        assert [event["content"] for event in told["to_device"]["events"]] == [{"waits": True}]
        keys = await bob.post(f"{V3}/keys/query", {"device_keys": {alice.user_id: []}})
        assert alice.device_id in keys["device_keys"][alice.user_id]


class Chatter:
    """Somebody who writes without end, and lets others have the machine in between. `sent`: what was acknowledged."""

    def __init__(self, who: Talker, room_id: str) -> None:
        self.sent: list[str] = []
        self._task = asyncio.create_task(self._talk(who, room_id))

    async def _talk(self, who: Talker, room_id: str) -> None:
        while True:
            self.sent.append(await who.say(room_id, f"number {len(self.sent)}"))
            await asyncio.sleep(PAUSE_SECONDS)

    async def stop(self) -> list[str]:
        self._task.cancel()
        await asyncio.wait([self._task])
        assert self._task.cancelled(), self._task.exception()
        return self.sent


@pytest.mark.skipif(not has_history(), reason=WITHOUT_HISTORY)
@pytest.mark.parametrize("earlier", earlier_versions(), ids=lambda each: each.title)
async def test_an_earlier_version_serves_on(earlier: Earlier, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    dsn = await _emptied(postgres)
    options = ("--password-hashing", "fast", "--dsn", dsn)
    old = Server(tmp_path / "old", *options, source=_unpacked(earlier.commit, tmp_path / "code"))
    new = Server(tmp_path / "new", *options)
    old.launch()
    try:
        await asyncio.to_thread(old.wait_ready)
        assert await _applied(dsn) == earlier.names
        await _live_through(old, new, "0004_devices" in earlier.names)
        assert await _applied(dsn) == {each.name for each in known() if each.half != "contract"}
    finally:
        for server in (old, new):
            if server.alive:
                await asyncio.to_thread(server.stop)


async def _live_through(old: Server, new: Server, has_devices: bool) -> None:
    async with aiohttp.ClientSession(old.base_url) as before, aiohttp.ClientSession(new.base_url) as after:
        alice, bob, carol = [await sign_up(before, name) for name in ("alice", "bob", "carol")]
        lives = Lives(alice, bob, has_devices)
        await lives.begin()
        await carol.join(lives.room_id)
        chatter = Chatter(carol, lives.room_id)
        new.launch()
        await asyncio.to_thread(new.wait_ready)  # it has migrated
        sent = [*await chatter.stop(), await carol.say(lives.room_id, "after the migration")]
        for reader in (carol, carol.through(after)):
            await _has(reader, lives.room_id, sent)
        await lives.check(alice.through(after), bob.through(after))
        await _both_work(before, after, lives.room_id)


async def _has(reader: Talker, room_id: str, sent: list[str]) -> None:
    shown: list[str] = []
    start: Json = {}
    while len(shown) < len(sent):
        page = await reader.messages(room_id, limit=1_000, **start)
        shown += [event["event_id"] for event in page["chunk"] if event["sender"] == reader.user_id]
        if "end" not in page:
            break
        start = {"from": page["end"]}
    assert [event_id for event_id in shown if event_id in set(sent)] == sent[::-1]


async def _both_work(before: aiohttp.ClientSession, after: aiohttp.ClientSession, room_id: str) -> None:
    """Each writes, and the other one tells of it."""
    for here, there in ((before, after), (after, before)):
        dave = await sign_up(here, "dave")
        await dave.join(room_id)
        event_id = await dave.say(room_id, "here")
        seen = (await dave.through(there).sync(filter=LIMIT_ONE))["rooms"]["join"][room_id]["timeline"]["events"]
        assert [event["event_id"] for event in seen] == [event_id]
        assert (await dave.through(there).another_device()).user_id == dave.user_id
