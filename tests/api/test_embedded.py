"""The private PostgreSQL: made, started, shared, killed, adopted, stopped. Every test ends real processes."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from bongsu.store import embedded
from bongsu.store.embedded import EmbeddedPostgres
from bongsu.store.postgres_install import PostgresFailed


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """One data folder for the whole file; each test leaves its server stopped."""
    with tempfile.TemporaryDirectory(prefix="bongsu-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder) / "data"


@pytest.fixture
async def postgres(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    postgres = EmbeddedPostgres(data_dir)
    try:
        await postgres.start()
        yield postgres
    finally:
        await postgres.stop()
        assert not _is_alive(_pid_in_file(data_dir))


@contextlib.asynccontextmanager
async def _supervised(postgres: EmbeddedPostgres) -> AsyncIterator[None]:
    task = asyncio.create_task(postgres.supervise())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _pid_in_file(data_dir: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    return None


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


async def _ask(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=5)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def _wait_for_answer(dsn: str, seconds: float = 10) -> float:
    """Seconds until the server answers."""
    began = time.monotonic()
    while True:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await _ask(dsn, "SELECT 1")
            return time.monotonic() - began
        assert time.monotonic() - began < seconds, "the server does not come back"
        await asyncio.sleep(0.02)


async def _wait_dead(pid: int) -> None:
    for _ in range(500):
        if not _is_alive(pid):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"process {pid} lives on")


def _other_process(data_dir: Path) -> subprocess.Popen[str]:
    """Another Bongsu on the folder: prints the server's process id when it has it; leaves when its stdin closes."""
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from bongsu.store.embedded import EmbeddedPostgres\n"
        "async def run():\n"
        "    postgres = EmbeddedPostgres(Path(sys.argv[1]))\n"
        "    await postgres.start()\n"
        "    print(postgres.pid, flush=True)\n"
        "    sys.stdin.read()\n"
        "    await postgres.stop()\n"
        "asyncio.run(run())\n"
    )
    command = [sys.executable, "-c", program, str(data_dir)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _told_pid(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def _let_go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == 0
    if process.stdout is not None:
        process.stdout.close()


async def test_it_is_made_once_and_keeps_what_was_written(data_dir: Path) -> None:
    told: list[str] = []
    postgres = EmbeddedPostgres(data_dir)
    dsn = await postgres.start(told.append)
    await _ask(dsn, "CREATE TABLE IF NOT EXISTS kept (word text)")
    await _ask(dsn, "INSERT INTO kept VALUES ('봉수')")
    await postgres.stop()
    assert told[0] == "Creating the database; this happens once"

    told.clear()
    dsn = await postgres.start(told.append)
    assert told == ["Starting PostgreSQL 18"]
    assert await _ask(dsn, "SELECT word FROM kept") == "봉수"
    await postgres.stop()


async def test_it_is_set_up_to_keep_its_word_and_to_itself(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    wanted = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "wal_log_hints": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
    }
    for name, value in wanted.items():
        assert await _ask(postgres.dsn, f"SELECT current_setting('{name}')") == value, name
    assert await _ask(postgres.dsn, "SELECT current_user || ' ' || current_database()") == "bongsu bongsu"
    assert await _ask(postgres.dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = 'bongsu'") is False
    assert await _ask(postgres.dsn, "SELECT lower('ÄÉŽ') || (SELECT 'b' < 'É')::text") == "äéžtrue"
    for folder in ("postgres", "run"):
        assert (data_dir / folder).stat().st_mode & 0o077 == 0


async def test_settings_of_ones_own_win(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    local = data_dir / "postgres" / "local.conf"
    before = local.read_text()
    local.write_text("work_mem = '33MB'\n")
    await postgres.stop()
    assert await _ask(await postgres.start(), "SELECT current_setting('work_mem')") == "33MB"
    local.write_text(before)


async def test_a_killed_server_is_started_again(postgres: EmbeddedPostgres) -> None:
    await _ask(postgres.dsn, "CREATE TABLE IF NOT EXISTS survives (word text)")
    await _ask(postgres.dsn, "INSERT INTO survives VALUES ('yes')")
    dsn, old = postgres.dsn, postgres.pid
    assert old is not None
    async with _supervised(postgres):
        os.kill(old, signal.SIGKILL)
        await _wait_dead(old)
        assert await _wait_for_answer(dsn) < 3
        assert await _ask(dsn, "SELECT word FROM survives LIMIT 1") == "yes"
        async with asyncio.timeout(10):
            while postgres.pid == old:
                await asyncio.sleep(0.01)
        assert postgres.dsn == dsn


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux tells")
async def test_the_system_tells_of_a_servers_end(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to ask again and again."""
    for name in ("WATCH_SECONDS", "LOG_LOOK_SECONDS"):
        monkeypatch.setattr(embedded, name, 3_600.0)
    dsn, old = postgres.dsn, postgres.pid
    assert old is not None
    async with _supervised(postgres):
        await asyncio.sleep(0.1)  # it waits
        os.kill(old, signal.SIGKILL)
        await _wait_dead(old)
        await _wait_for_answer(dsn)


async def test_a_server_that_loses_a_backend_goes_on(postgres: EmbeddedPostgres) -> None:
    async with _supervised(postgres):
        connection = await asyncpg.connect(postgres.dsn)
        os.kill(connection.get_server_pid(), signal.SIGKILL)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await connection.fetchval("SELECT 1")
        connection.terminate()
        assert await _wait_for_answer(postgres.dsn) < 5


async def test_everything_killed_starts_cleanly(data_dir: Path) -> None:
    other = _other_process(data_dir)
    pid = _told_pid(other)
    other.kill()
    other.wait()
    os.kill(pid, signal.SIGKILL)
    await _wait_dead(pid)
    assert _pid_in_file(data_dir) == pid  # the file of the dead
    postgres = EmbeddedPostgres(data_dir)
    assert await _ask(await postgres.start(), "SELECT 1") == 1
    assert postgres.pid != pid
    await postgres.stop()


async def test_a_pid_file_that_names_a_stranger_is_no_obstacle(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    await postgres.stop()
    for stranger in (os.getpid(), os.getppid(), 1):
        lines = [stranger, data_dir / "postgres", int(time.time()), 5432, data_dir / "run", "", "1 1", "ready"]
        text = "".join(f"{line}\n" for line in lines)
        (data_dir / "postgres" / "postmaster.pid").write_text(text)
        (data_dir / "run" / ".s.PGSQL.5432.lock").write_text(text)
        assert await _ask(await postgres.start(), "SELECT 1") == 1
        assert postgres.pid != stranger
        await postgres.stop()


async def test_a_server_whose_bongsu_was_killed_is_adopted(data_dir: Path) -> None:
    other = _other_process(data_dir)
    pid = _told_pid(other)
    other.kill()
    other.wait()
    assert _is_alive(pid)
    postgres = EmbeddedPostgres(data_dir)
    dsn = await postgres.start()
    assert postgres.pid == pid
    async with _supervised(postgres):  # and is watched like a child
        os.kill(pid, signal.SIGKILL)
        await _wait_dead(pid)
        assert await _wait_for_answer(dsn) < 3
    await postgres.stop()
    assert not _is_alive(postgres.pid)


async def test_two_processes_share_it_and_the_last_stops_it(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    other = _other_process(data_dir)
    pid = _told_pid(other)
    assert pid == postgres.pid
    _let_go(other)
    assert await _ask(postgres.dsn, "SELECT 1") == 1  # not the last

    other = _other_process(data_dir)
    assert _told_pid(other) == pid
    dsn = postgres.dsn
    await postgres.stop()
    assert await _ask(dsn, "SELECT 1") == 1  # the first to come, not the last to leave
    _let_go(other)
    assert not _is_alive(pid)


async def test_a_killed_sharer_does_not_keep_it_running(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    other = _other_process(data_dir)
    pid = _told_pid(other)
    other.kill()
    other.wait()
    await postgres.stop()
    assert not _is_alive(pid)


async def test_many_start_at_once_and_make_one(data_dir: Path) -> None:
    others = [_other_process(data_dir) for _ in range(4)]
    pids = {_told_pid(other) for other in others}
    assert len(pids) == 1
    for other in others:
        _let_go(other)
    assert not _is_alive(pids.pop())


async def test_a_long_path_has_its_socket_elsewhere() -> None:
    with tempfile.TemporaryDirectory(prefix="bongsu-") as folder:
        Path(folder).chmod(0o755)
        data_dir = Path(folder) / ("long" * 20) / "it's a folder % of ours" / "data"
        data_dir.mkdir(parents=True)
        postgres = EmbeddedPostgres(data_dir)
        try:
            assert await _ask(await postgres.start(), "SELECT 1") == 1
        finally:
            await postgres.stop()


async def test_the_log_is_bounded(postgres: EmbeddedPostgres, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOG_BYTES_MAX", 2_000)
    monkeypatch.setattr(embedded, "LOG_LOOK_SECONDS", embedded.WATCH_SECONDS)
    log = data_dir / "logs" / "postgres.log"
    async with _supervised(postgres):
        for _ in range(60):
            with contextlib.suppress(asyncpg.PostgresError):
                await _ask(postgres.dsn, f"SELECT {'x' * 100}")
        await asyncio.sleep(3 * embedded.WATCH_SECONDS)
        assert log.stat().st_size < 2_000
        assert log.with_suffix(".log.1").stat().st_size > 2_000


async def test_a_log_that_cannot_be_cut_does_not_end_the_watch(
    postgres: EmbeddedPostgres, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = data_dir / "logs" / "postgres.log.1"
    before.unlink(missing_ok=True)
    before.mkdir()  # as on a full disk, copying the log there fails
    monkeypatch.setattr(embedded, "LOG_BYTES_MAX", 0)
    dsn, old = postgres.dsn, postgres.pid
    assert old is not None
    async with _supervised(postgres):
        await asyncio.sleep(2 * embedded.WATCH_SECONDS)
        os.kill(old, signal.SIGKILL)
        await _wait_dead(old)
        await _wait_for_answer(dsn)
    before.rmdir()


async def test_files_of_another_postgresql_are_not_touched(data_dir: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="bongsu-") as folder:
        cluster = Path(folder) / "postgres"
        cluster.mkdir()
        (cluster / "PG_VERSION").write_text("17\n")
        with pytest.raises(PostgresFailed, match="belongs to PostgreSQL 17; this Bongsu brings 18"):
            await EmbeddedPostgres(Path(folder)).start()
        assert [path.name for path in cluster.iterdir()] == ["PG_VERSION"]


async def test_what_stops_it_from_starting_is_told(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    await postgres.stop()
    local = data_dir / "postgres" / "local.conf"
    before = local.read_text()
    local.write_text("shared_buffers = 'plenty'\n")
    with pytest.raises(PostgresFailed, match=r"^PostgreSQL did not start: [^\n]*shared_buffers[^\n]*$"):
        await postgres.start()
    local.write_text(before)
    await postgres.start()


async def test_a_database_that_vanishes_is_not_replaced_by_an_empty_one() -> None:
    with tempfile.TemporaryDirectory(prefix="bongsu-") as folder:
        Path(folder).chmod(0o755)
        postgres = EmbeddedPostgres(Path(folder) / "data")
        await postgres.start()
        pid = postgres.pid
        assert pid is not None
        async with _supervised(postgres):
            (Path(folder) / "data" / "postgres").rename(Path(folder) / "moved")
            os.kill(pid, signal.SIGQUIT)
            await asyncio.sleep(4 * embedded.WATCH_SECONDS)
            assert not (Path(folder) / "data" / "postgres").exists()
        await postgres.stop()


async def test_a_half_made_database_is_made_anew() -> None:
    with tempfile.TemporaryDirectory(prefix="bongsu-") as folder:
        Path(folder).chmod(0o755)
        half = Path(folder) / "data" / "postgres.new"
        half.mkdir(parents=True)
        (half / "PG_VERSION").write_text("18\n")
        postgres = EmbeddedPostgres(Path(folder) / "data")
        try:
            assert await _ask(await postgres.start(), "SELECT 1") == 1
            assert not half.exists()
        finally:
            await postgres.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can close a folder to PostgreSQL's user")
async def test_root_in_a_folder_that_is_closed_to_others() -> None:
    with tempfile.TemporaryDirectory(prefix="bongsu-") as folder:  # mode 0700
        postgres = EmbeddedPostgres(Path(folder) / "data")
        try:
            dsn = await postgres.start()
            owner = (Path(folder) / "data" / "postgres").stat().st_uid
            assert owner != 0
            assert Path(f"/proc/{postgres.pid}").stat().st_uid == owner
            assert Path(folder).stat().st_mode & 0o777 == 0o700  # left as it was
            async with _supervised(postgres):
                assert postgres.pid is not None
                os.kill(postgres.pid, signal.SIGKILL)
                await asyncio.sleep(embedded.WATCH_SECONDS)
                assert await _wait_for_answer(dsn) < 3
        finally:
            await postgres.stop()
