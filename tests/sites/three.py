"""Three sites on one machine that share a database: a worker and a folder of files each."""

import asyncio
import hashlib
import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import asyncpg

from bongsu.store.embedded import EmbeddedPostgres
from tests.api.talking import V3
from tests.server import Server, data_folder, free_port, running

NAMES = ("busan", "daejeon", "seoul")
SECRET = "what the sites know each other by"
MEDIA = "/_matrix/client/v1/media"
UPLOAD = "/_matrix/media/v3/upload"
BLOBS = "/_bongsu/peer/v1/blobs"
SOON_SECONDS_MAX = 40.0
_names = (f"{secrets.token_hex(4)}-{number}" for number in itertools.count())


class Answer(NamedTuple):
    """What came back, complete."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Site:
    """One of them."""

    def __init__(self, name: str, folder: Path, http: aiohttp.ClientSession, dsn: str, port: int, *args: str) -> None:
        self.name = name
        self.blobs = folder / "blobs"
        self.server = Server(folder, "--dsn", dsn, "--site", name, "--password-hashing", "fast", *args, port=port)
        self._http = http
        self._folder, self._dsn, self._args = folder, dsn, args

    @asynccontextmanager
    async def second(self) -> AsyncIterator["Site"]:
        """A second worker of this site, to be started."""
        worker = Site(self.name, self._folder, self._http, self._dsn, free_port(), *self._args)
        try:
            yield worker
        finally:
            _end(worker.server)

    async def start(self) -> None:
        self.server.launch()
        await asyncio.to_thread(self.server.wait_ready)

    async def ask(
        self, method: str, path: str, token: str, headers: dict[str, str] | None = None, **more: Any
    ) -> Answer:
        headers = {"Authorization": f"Bearer {token}", **(headers or {})}
        url = self.server.base_url + path
        async with self._http.request(method, url, headers=headers, **more) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def peer(self, method: str, name: str, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        """As another site asks it for a blob."""
        return await self.ask(method, f"{BLOBS}/{name}", SECRET, headers, **more)

    def file(self, data: bytes) -> Path:
        name = hashlib.sha256(data).hexdigest()
        return self.blobs / name[:2] / name[2:4] / name

    def holds(self, data: bytes) -> bool:
        """Has it these bytes under their name?"""
        file = self.file(data)
        return file.exists() and file.read_bytes() == data

    def files(self) -> list[Path]:
        """All blobs, and what is on its way to become one."""
        return [path for path in self.blobs.rglob("*") if path.is_file()]

    async def metric(self, name: str) -> float:
        text = (await self.ask("GET", "/metrics", "")).body.decode()
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(name)), 0.0)


class Three:
    """The sites by name, their database, and somebody with an account."""

    def __init__(self, sites: dict[str, Site], admin: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.sites = sites
        self.admin = admin
        self.token = ""

    def __getitem__(self, name: str) -> Site:
        return self.sites[name]

    def others(self, name: str) -> list[Site]:
        return [site for site in self.sites.values() if site.name != name]

    async def sign_up(self) -> None:
        body = {"username": next(_names), "password": secrets.token_hex(8), "auth": {"type": "m.login.dummy"}}
        async with aiohttp.ClientSession() as http:
            url = next(iter(self.sites.values())).server.base_url
            async with http.post(f"{url}{V3}/register", json=body) as answer:
                self.token = (await answer.json())["access_token"]

    async def try_upload(self, at: str, data: Any, kind: str = "image/png") -> Answer:
        return await self[at].ask("POST", UPLOAD, self.token, {"Content-Type": kind}, data=data)

    async def upload(self, at: str, data: Any, kind: str = "image/png") -> str:
        """ "server/media id" of a new file."""
        answer = await self.try_upload(at, data, kind)
        assert answer.status == 200, answer
        return answer.body.decode().split("mxc://")[1].rstrip('"}')

    async def download(self, at: str, item: str, headers: dict[str, str] | None = None, method: str = "GET") -> Answer:
        return await self[at].ask(method, f"{MEDIA}/download/{item}", self.token, headers)

    async def thumbnail(self, at: str, item: str) -> Answer:
        return await self[at].ask("GET", f"{MEDIA}/thumbnail/{item}?width=96&height=96&method=crop", self.token)

    async def held(self, data: bytes) -> set[str]:
        """The sites that hold it, as the database knows."""
        rows = await self.admin.fetch(
            "SELECT site FROM blob_copies WHERE sha256 = $1 AND held_at IS NOT NULL", hashlib.sha256(data).digest()
        )
        return {row["site"] for row in rows}

    async def everywhere(self, data: bytes) -> None:
        """Returns when all sites hold it and the database knows."""
        await soon(lambda: all(site.holds(data) for site in self.sites.values()))
        await soon_known(self, data, set(self.sites))

    async def rows(self) -> int:
        count: int = await self.admin.fetchval("SELECT count(*) FROM media")
        return count


async def soon_known(three: Three, data: bytes, sites: set[str]) -> None:
    async with asyncio.timeout(SOON_SECONDS_MAX):
        while await three.held(data) != sites:
            await asyncio.sleep(0.05)


async def soon(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_SECONDS_MAX):
        while not is_so():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def three(
    names: tuple[str, ...] = NAMES,
    addresses: Mapping[str, str] | None = None,
    secrets_of: Mapping[str, str] | None = None,
    ports: Mapping[str, int] | None = None,
    lists_itself: bool = False,
) -> AsyncIterator[Three]:
    """Sites on new folders. addresses: of peers that are something else; secrets_of: sites with another secret.

    lists_itself: every site is given the same list of sites, itself included.
    """
    ports = {**{name: free_port() for name in names}, **(ports or {})}
    urls = {**{name: f"http://127.0.0.1:{ports[name]}" for name in names}, **(addresses or {})}
    async with AsyncExitStack() as ending:
        folder = ending.enter_context(data_folder())
        postgres = EmbeddedPostgres(folder)
        dsn = await postgres.start()
        ending.push_async_callback(postgres.stop)
        http = await ending.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)))
        sites = {}
        for name in names:
            peers = ",".join(f"{other}={url}" for other, url in urls.items() if lists_itself or other != name)
            secret = (secrets_of or {}).get(name, SECRET)
            args = ("--peers", peers, "--peer-secret", secret)
            sites[name] = Site(name, folder.parent / name, http, dsn, ports[name], *args)
            ending.callback(_end, sites[name].server)
        for site in sites.values():
            await site.start()
        admin = await asyncpg.connect(dsn)
        ending.push_async_callback(admin.close)
        made = Three(sites, admin)
        await made.sign_up()
        yield made


def _end(server: Server) -> None:
    if server in running:
        server.kill()
