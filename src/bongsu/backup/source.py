"""The living database that backups are taken from, and whom its programs speak to."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec

from bongsu.backup.problem import BackupFailed
from bongsu.backup.programs import Programs
from bongsu.store.database import Database
from bongsu.store.embedded import EmbeddedPostgres
from bongsu.store.postgres_install import RunAs, binaries, run_as


class Source(msgspec.Struct, frozen=True):
    """live: what people's messages are written to. upstream: the server whose log is archived; with several sites it
    may be another one, this site's own."""

    live: Database
    upstream: Database
    programs: Programs


@asynccontextmanager
async def open_source(
    data: Path, dsn: str | None, backup_dsn: str | None, postgres_bin: Path | None, progress: Callable[[str], None]
) -> AsyncIterator[Source]:
    """Without a dsn it is the data folder's own PostgreSQL, started when it does not run."""
    async with AsyncExitStack() as closing:
        if dsn is None:
            if not (data / "postgres" / "PG_VERSION").exists():
                raise BackupFailed(f"there is no database in {data}; name it with --data or --dsn")
            own = EmbeddedPostgres(data)
            dsn = await own.start(progress)
            closing.push_async_callback(own.stop)
            backup_dsn = _as_superuser(dsn)  # over the socket, which only its owner can reach
        live = await _opened(closing, dsn)
        upstream = await _opened(closing, backup_dsn) if backup_dsn and backup_dsn != dsn else live
        yield Source(live, upstream, Programs(programs_folder(postgres_bin), backup_dsn or dsn))


def programs_folder(postgres_bin: Path | None) -> Path:
    """The given folder, or the package's own: these programs run as whoever runs Bongsu."""
    if postgres_bin is not None:
        return postgres_bin
    who = run_as(Path("/nonexistent"))
    return binaries(RunAs(who.uid, who.gid, False), lambda _: None)


async def _opened(closing: AsyncExitStack, dsn: str) -> Database:
    database = Database(dsn, connections_max=2)
    closing.push_async_callback(database.close)
    await database.open()
    return database


def _as_superuser(dsn: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace("bongsu@", "postgres@")))
