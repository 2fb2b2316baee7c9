"""What is acknowledged is on the disk at that moment, not on its way there.

A kill -9 cannot show this, because the kernel keeps what a dead process has written. So the database is asked, by its
own counters and positions of the write-ahead log, and the system calls of an upload are traced.
"""

import asyncio
import contextlib
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

import aiohttp
import asyncpg
import pytest

from bongsu.drill.client import Doors
from tests.durability.load import Crowd
from tests.durability.notes import opened, superuser
from tests.server import Server, data_folder
from tests.sites.three import three

pytestmark = pytest.mark.xdist_group("heavy")  # not beside others that load the whole machine

SENDS = 40
PROVEN_SHARE_MIN = 0.8  # of samples: a checkpoint or vacuum may write between an answer and our question
REPORT_SECONDS = 1.2  # a session of PostgreSQL reports its counters at most once a second
COUNTED_SECONDS_MAX = 15.0
SYNCHRONOUS_DEFAULTS = (
    "ALTER ROLE bongsu SET synchronous_commit = off",
    "ALTER DATABASE bongsu SET synchronous_commit = off",
    "ALTER ROLE bongsu IN DATABASE bongsu SET synchronous_commit = off",
)
_IS_FLUSHED = "SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()"
_FSYNCS = "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"

Admin: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture(scope="module")
def quiet_server() -> Iterator[Server]:
    """A server of our own: nobody else may write while its log is watched."""
    with data_folder() as data_dir:
        yield Server.start(data_dir)


@pytest.fixture
async def crowd(quiet_server: Server) -> AsyncIterator[Crowd]:
    crowd = Crowd(Doors([quiet_server.base_url]), senders=1, rooms=1, readers=0)
    yield crowd
    crowd.close()


def _dsn(server: Server) -> str:
    socket_dir = (server.data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[4]
    return f"postgresql://bongsu@/bongsu?host={quote(socket_dir)}"


async def _share_flushed(crowd: Crowd, admin: Admin) -> float:
    """Of so many acknowledged sends, the share for which all of the log was on the disk when the answer came."""
    flushed = 0
    for _ in range(SENDS):
        await crowd.say()
        flushed += await admin.fetchval(_IS_FLUSHED)
    return flushed / SENDS


async def test_the_database_is_set_to_keep_its_promise(quiet_server: Server) -> None:
    async with opened(_dsn(quiet_server)) as database:
        shown = {
            name: await database.fetchval(f"SHOW {name}") for name in ("fsync", "full_page_writes", "data_checksums")
        }
        sessions = [await database.fetchval("SHOW synchronous_commit")]
        own = await database.connect()
        sessions.append(await own.fetchval("SHOW synchronous_commit"))
        await own.close()
    assert shown == dict.fromkeys(shown, "on")
    assert sessions == ["on", "on"]


async def test_every_acknowledged_batch_was_flushed(quiet_server: Server, crowd: Crowd) -> None:
    """One sender that waits for each answer: so many answers, at least so many fsyncs of the log."""
    await crowd.gather("flush")
    async with superuser(_dsn(quiet_server)) as admin:
        assert await admin.fetchval("SHOW wal_sync_method") in ("fdatasync", "fsync"), "others are not counted as fsync"
        await asyncio.sleep(REPORT_SECONDS)
        await crowd.say()
        before, sent = await admin.fetchval(_FSYNCS), SENDS
        for _ in range(SENDS):
            await crowd.say()
        deadline = time.monotonic() + COUNTED_SECONDS_MAX
        while (counted := await admin.fetchval(_FSYNCS) - before) < sent and time.monotonic() < deadline:
            await asyncio.sleep(REPORT_SECONDS)
            await crowd.say()  # a session reports all of its work when it next does something
            sent += 1
    assert counted >= sent


async def test_the_log_is_on_the_disk_when_the_answer_comes(quiet_server: Server, crowd: Crowd) -> None:
    await crowd.gather("position")
    async with superuser(_dsn(quiet_server)) as admin:
        assert await _share_flushed(crowd, admin) >= PROVEN_SHARE_MIN


async def test_the_question_can_be_answered_with_no(quiet_server: Server) -> None:
    """The same question after commits that do not wait for the disk."""
    flushed = 0
    async with superuser(_dsn(quiet_server)) as admin:
        await admin.execute("CREATE TABLE hasty (n integer); SET synchronous_commit = off")
        for number in range(SENDS):
            await admin.execute("INSERT INTO hasty VALUES ($1)", number)
            flushed += await admin.fetchval(_IS_FLUSHED)
        await admin.execute("DROP TABLE hasty")
    assert flushed / SENDS < PROVEN_SHARE_MIN


async def test_defaults_that_do_not_wait_for_the_disk_are_overridden(quiet_server: Server, crowd: Crowd) -> None:
    """An operator or a tuning guide may have set synchronous_commit = off for the role or the database."""
    async with superuser(_dsn(quiet_server)) as admin:
        for statement in SYNCHRONOUS_DEFAULTS:
            await admin.execute(statement)
        try:
            quiet_server.kill()
            await asyncio.to_thread(quiet_server.restart)
            async with _session(_dsn(quiet_server)) as session:
                assert await session.fetchval("SHOW synchronous_commit") == "off", "the defaults are planted"
            await crowd.gather("overridden")
            assert await _share_flushed(crowd, admin) >= PROVEN_SHARE_MIN
        finally:
            for statement in SYNCHRONOUS_DEFAULTS:
                await admin.execute(statement.replace("SET synchronous_commit = off", "RESET synchronous_commit"))


@contextlib.asynccontextmanager
async def _session(dsn: str) -> AsyncIterator[Admin]:
    session = await asyncpg.connect(dsn)
    try:
        yield session
    finally:
        await session.close()


# --- files ---


async def test_an_upload_is_on_the_disk_when_the_answer_comes(
    quiet_server: Server, crowd: Crowd, tmp_path: Path
) -> None:
    """The file, then its name: both are brought to the disk before the client is told."""
    await crowd.gather("upload")
    device = await crowd.another_device()
    headers = {"authorization": f"Bearer {device.account.token}", "content-type": "text/plain"}
    url = f"{quiet_server.base_url}/_matrix/media/v3/upload"
    blobs = quiet_server.data_dir / "blobs"
    with _traced(quiet_server.pid, tmp_path):
        async with aiohttp.ClientSession() as http, http.post(url, data=b"a photo", headers=headers) as response:
            answered_at = time.time()
            assert response.status == 200, await response.text()
    calls = _calls(tmp_path, blobs)
    written = [at for at, call, what in calls if call == "fsync" and f"{blobs}/tmp/" in what]
    named = [at for at, call, _ in calls if call == "rename"]
    folders = [at for at, call, what in calls if call == "fsync" and f"{blobs}/tmp/" not in what]
    assert len(written) == len(named) == 1, calls
    assert folders, calls
    assert written[0] < named[0] < max(folders) < answered_at, calls


async def test_a_copy_is_on_the_disk_of_a_second_site_when_the_answer_comes(tmp_path: Path) -> None:
    async with three(("seoul", "busan")) as two:
        await two.upload("seoul", b"to open what is opened once")
        with _traced(two["busan"].server.pid, tmp_path):
            await two.upload("seoul", b"a photo")
            answered_at = time.time()
        calls = _calls(tmp_path, two["busan"].blobs)
    written = [at for at, call, what in calls if call == "fsync" and "/tmp/" in what.partition("blobs")[2]]
    named = [at for at, call, _ in calls if call == "rename"]
    folders = [at for at, call, what in calls if call == "fsync" and "/tmp/" not in what.partition("blobs")[2]]
    assert len(written) == len(named) == 1, calls
    assert written[0] < named[0] < max(folders) < answered_at, calls


@contextlib.contextmanager
def _traced(pid: int, folder: Path) -> Iterator[None]:
    """Follows a process with strace, which writes a file for each of its threads."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    calls = "trace=fsync,fdatasync,rename,renameat,renameat2"
    command = ["strace", "-ff", "-y", "-ttt", "-T", "-e", calls, "-o", str(folder / "thread"), "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        said = strace.stderr.readline()
        if "attached" not in said:
            strace.terminate()
            pytest.skip(f"strace may not attach here: {said.strip()}")
        try:
            yield
        finally:
            strace.terminate()


_CALL = re.compile(r"(?P<at>[\d.]+) (?P<name>fsync|fdatasync|rename)\w*\((?P<what>.*)\) = 0 <(?P<took>[\d.]+)>")


def _calls(traces: Path, folder: Path) -> list[tuple[float, str, str]]:
    """(when it had returned, in seconds since the epoch; call; what it was about) in this folder, in order."""
    lines = [line for trace in traces.iterdir() for line in trace.read_text().splitlines()]
    matches = [match for line in lines if (match := _CALL.match(line)) and str(folder) in match["what"]]
    return sorted((float(m["at"]) + float(m["took"]), m["name"].replace("fdata", "f"), m["what"]) for m in matches)
