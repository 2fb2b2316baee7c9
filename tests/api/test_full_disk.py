"""What a server on a full disk says of itself, and that nobody has to do anything once there is room again."""

import asyncio
import contextlib
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from tests.api.talking import V3, Json, room, sign_up
from tests.server import FOR_TESTS, Server, data_folder, stop_database

from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.media.blobs import BlobFolder

SECONDS_MAX = 30.0  # a look takes two; a machine may be busy
PAGE = 4096
LARGE = secrets.token_hex(25_000)  # more than what is left of a table's last pages
ROOMY = 4 * limits.DISK_FREE_BYTES_MIN


class Disk:
    """A file system in memory, of a size that changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _run("mount", "-t", "tmpfs", "-o", f"size={ROOMY},mode=755", "bongsu-test", str(folder))

    def fill(self) -> None:
        """Not one page more can be written."""
        disk = os.statvfs(self.folder)
        self._resize((disk.f_blocks - disk.f_bfree) * disk.f_frsize)

    def empty(self) -> None:
        self._resize(ROOMY)

    def gone(self) -> None:
        _run("umount", "--lazy", str(self.folder))

    def _resize(self, size: int) -> None:
        _run("mount", "-o", f"remount,size={max(size, PAGE)}", str(self.folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Disk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder.mkdir(exist_ok=True)
    try:
        disk = Disk(folder)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        yield disk
    finally:
        disk.gone()


@pytest.fixture(scope="module")
def small() -> Iterator[tuple[Server, Disk]]:
    """A server of its own, with its database and its files on such a disk."""
    with data_folder() as made, _small_disk(made.parent / "disk") as disk:
        data_dir = disk.folder / "data"
        _run("cp", "-a", str(made), str(data_dir))
        server = Server.start(data_dir, *FOR_TESTS)
        try:
            yield server, disk
        finally:
            disk.empty()
            server.stop()
            stop_database(data_dir)


@pytest.fixture
async def there(small: tuple[Server, Disk]) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(small[0].base_url, timeout=aiohttp.ClientTimeout(60)) as session:
        yield session


async def _ready(http: aiohttp.ClientSession) -> Json:
    async with http.get("/health/ready") as answer:
        assert answer.status == 200, "what can be read is served all the same"
        said: Json = await answer.json()
        return said


async def _until(asked: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        while not await asked():
            await asyncio.sleep(0.05)


async def test_ready_says_that_nothing_can_be_written(small: tuple[Server, Disk], there: aiohttp.ClientSession) -> None:
    _, disk = small
    alice = await sign_up(there, "alice")
    room_id = await alice.make_room()
    assert (await _ready(there)).items() >= {"writes": True, "files": True}.items()
    disk.fill()

    async def is_refused() -> bool:
        path = f"{room(room_id)}/send/m.room.message/{secrets.token_hex(8)}"
        status, answer = await alice.ask("PUT", path, {"msgtype": "m.text", "body": LARGE})
        assert status in (200, 503), answer
        return status == 503

    await _until(is_refused)
    assert (await _ready(there)).items() >= {"writes": False, "files": False}.items()
    await alice.get(f"{V3}/account/whoami")
    disk.empty()

    async def is_told() -> bool:
        return bool((await _ready(there))["writes"])

    await _until(is_told)
    assert await alice.say(room_id, LARGE)


async def test_ready_tells_of_files_apart(small: tuple[Server, Disk], there: aiohttp.ClientSession) -> None:
    """Files stop where the database still has its room."""
    server, _ = small
    alice = await sign_up(there, "alice")
    with _small_disk(server.data_dir / "blobs") as files:
        (files.folder / "tmp").mkdir()
        files.fill()
        authorized = {"Authorization": f"Bearer {alice.access_token}"}
        async with there.post("/_matrix/media/v3/upload", data=b"x" * PAGE, headers=authorized) as answer:
            assert answer.status == 507
        assert (await _ready(there)).items() >= {"writes": True, "files": False}.items()
        files.empty()
        assert (await _ready(there)).items() >= {"writes": True, "files": True}.items()


async def test_a_file_that_does_not_fit_is_remembered_until_there_is_room(tmp_path: Path) -> None:
    """ENOSPC from the kernel itself, without the reserve that uploads leave."""

    async def bytes_of_it() -> AsyncIterator[bytes]:
        yield b"x" * 64 * PAGE

    with _small_disk(tmp_path / "blobs") as disk:
        blobs = BlobFolder(disk.folder, free_bytes_min=0)
        await blobs.open()
        (disk.folder / "something").write_bytes(b"x")
        disk.fill()
        assert await blobs.has_room()
        with pytest.raises(Refusal) as refused:
            await blobs.put(bytes_of_it(), 10**6)
        assert refused.value.status == 507
        assert not await blobs.has_room()
        disk.empty()
        assert await blobs.has_room()
        assert await blobs.put(bytes_of_it(), 10**6)
        blobs.close()
