"""Three workers that are three sites to each other, on one pair of databases: to be killed, frozen and asked."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.server import SERVER_NAME, Server, data_folder
from tests.sites.pair import Pair, pair
from tests.waiting import until

NAMES = ("busan", "daejeon", "seoul")
SECRET = "a secret of three sites"
ANSWER_SECONDS_MAX = 90.0


class Trio:
    """sites by name. say(site, *words): runs the command with that site's settings."""

    def __init__(self, databases: Pair, sites: dict[str, Server]) -> None:
        self.databases = databases
        self.sites = sites

    async def status(self, site: str) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as http,
            http.get(f"{self.sites[site].base_url}/status.json") as answer,
        ):
            assert answer.status == 200
            found: dict[str, Any] = await answer.json()
            return found

    async def when(self, site: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The status of a site, once it is as wanted."""
        return await until(lambda: self.status(site), is_so, ANSWER_SECONDS_MAX)

    def say(self, site: str, *words: str) -> subprocess.CompletedProcess[str]:
        server = self.sites[site]
        command = [sys.executable, "-m", "bongsu", *words, "--data", str(server.data_dir)]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ), timeout=90)


def level(status: dict[str, Any], feature: str) -> str:
    found: str = next(one["level"] for one in status["features"] if one["name"] == feature)
    return found


def answers(status: dict[str, Any], site: str) -> bool | None:
    found: bool | None = next(one["answers"] for one in status["sites"] if one["name"] == site)
    return found


def _configure(server: Server, name: str, dsn: str, sites: dict[str, Server]) -> None:
    peers = [f"{other}={peer.base_url}" for other, peer in sites.items() if other != name]
    settings = {"site": name, "peers": peers, "peer_secret": SECRET, "dsn": dsn, "password_hashing": "fast"}
    server_settings = {**settings, "server_name": SERVER_NAME, "port": server.port}
    server.data_dir.mkdir()
    lines = (f"{key} = {json.dumps(value)}" for key, value in server_settings.items())
    (server.data_dir / "bongsu.toml").write_text("\n".join(lines))


@asynccontextmanager
async def trio() -> AsyncIterator[Trio]:
    with contextlib.ExitStack() as folders:
        async with pair() as databases:
            places: list[Path] = [folders.enter_context(data_folder(with_database=False)) for _ in NAMES]
            sites = {name: Server(place) for name, place in zip(NAMES, places, strict=True)}
            for name, server in sites.items():
                _configure(server, name, databases.dsn, sites)
                server.launch()
            for server in sites.values():
                server.wait_ready()
            try:
                yield Trio(databases, sites)
            finally:
                for server in sites.values():
                    if server.alive:
                        server.kill()
