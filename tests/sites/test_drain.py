"""The leading site is emptied under load, then takes clients again: no request of anybody fails on the way."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bongsu.lab import Lab
from tests.order.workers import Person, Workers
from tests.server import Server
from tests.sites.conftest import in_lab

pytestmark = in_lab

SENDERS = 4  # in each site
SECONDS = 3.0  # of load before, between and after
SECONDS_MAX = 150.0  # for all of it


@pytest.fixture
async def workers(lab: Lab) -> AsyncIterator[Workers]:
    """What stands in the sites, in their order; every answer above 499 fails the test."""
    workers = Workers([cast(Server, SimpleNamespace(base_url=lab.url(site))) for site in lab.sites])
    yield workers
    await workers.close()


async def site(lab: Lab, data: Path, *arguments: str) -> None:
    """bongsu site …, as an operator types it."""
    here = lab.place(lab.sites[0])
    options = ["--patroni-config", str(here.patroni_settings), "--dsn", lab.dsn(), "--data", str(data)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bongsu", "site", *arguments, *options), stdout=-1, stderr=-2
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


class Load:
    """People in every site who write and read there until they are told to stop."""

    def __init__(self, person: Person, room_id: str) -> None:
        self.person, self.room_id = person, room_id
        self.acknowledged: list[str] = []
        self.is_over = False  # nobody begins to write
        self.is_silent = False  # nobody writes

    async def write(self, at: int) -> None:
        while not self.is_over:
            self.acknowledged.append(await self.person.say(at, self.room_id, f"{at}"))

    async def read(self, at: int) -> list[str]:
        """The event ids that one device was told, in order."""
        token: dict[str, Any] = {}
        seen: list[str] = []
        while not (self.is_silent and set(self.acknowledged) <= set(seen)):
            answer = await self.person.must(at, "GET", "/_matrix/client/v3/sync", timeout=200, filter=WIDE, **token)
            token = {"since": answer["next_batch"]}
            timeline = answer["rooms"]["join"].get(self.room_id, {}).get("timeline", {}) if "rooms" in answer else {}
            assert not (timeline.get("limited") and seen), "too little was asked for"
            seen += [event["event_id"] for event in timeline.get("events", ()) if event["type"] == "m.room.message"]
        return seen


WIDE = '{"room":{"timeline":{"limit":1000}}}'


async def test_the_leading_site_is_emptied_under_load(lab: Lab, workers: Workers, tmp_path: Path) -> None:
    emptied = lab.leader()
    assert emptied is not None
    person = await workers.sign_up("drain")
    load = Load(person, await person.make_room())
    sites = range(len(lab.sites))
    async with asyncio.timeout(SECONDS_MAX), asyncio.TaskGroup() as group:
        readers = [group.create_task(load.read(at)) for at in sites]
        writers = [group.create_task(load.write(at)) for at in sites for _ in range(SENDERS)]
        await asyncio.sleep(SECONDS)
        await site(lab, tmp_path, "drain", emptied, "--yes")
        assert lab.leader() not in (None, emptied)
        await asyncio.sleep(SECONDS)
        await site(lab, tmp_path, "return", emptied)
        await site(lab, tmp_path, "promote", emptied, "--yes")
        await asyncio.sleep(SECONDS)
        load.is_over = True
        await asyncio.wait(writers)
        load.is_silent = True
    told = [reader.result() for reader in readers]
    assert set(told[0]) == set(load.acknowledged)
    assert len(told[0]) == len(load.acknowledged) > 100
    assert told[0] == told[1] == told[2]
