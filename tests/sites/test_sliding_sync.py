"""Sliding sync while the primary is gone: what only reads goes on."""

import asyncio
import signal
from typing import Any

import pytest

from tests.order.sliding import PATH
from tests.order.workers import Person, Workers
from tests.server import Server, data_folder
from tests.sites.pair import pair

pytestmark = pytest.mark.xdist_group("sites")
LIST = {"rooms": {"ranges": [[0, 19]], "timeline_limit": 5, "required_state": [["m.room.member", "$LAZY"]]}}
LOST_SECONDS_MAX = 60.0


async def _slide(workers: Workers, at: int, person: Person, pos: str | None, **more: Any) -> tuple[int, Any]:
    body = {"lists": LIST, **more}
    return await workers.ask(at, "POST", PATH, body, token=person.token, pos=pos, set_presence="offline")


async def test_connections_go_on_and_begin_without_a_primary() -> None:
    async with pair() as sites:
        with data_folder(with_database=False) as one, data_folder(with_database=False) as two:
            servers = [Server(data, "--dsn", sites.dsn, "--password-hashing", "fast") for data in (one, two)]
            for server in servers:
                server.launch()
            for server in servers:
                await asyncio.to_thread(server.wait_ready)
            workers = Workers(servers)
            ann, ben = await workers.sign_up("ann"), await workers.sign_up("ben")
            den = await ann.make_room()
            await ann.bring(0, den, ben)
            other = await ben.make_room()
            _, answer = await _slide(workers, 0, ben, None)
            assert set(answer["rooms"]) == {den, other}
            said = await ann.say(0, den, "last words")
            sites.primary.signal(signal.SIGKILL)
            async with asyncio.timeout(LOST_SECONDS_MAX):
                _, answer = await _slide(workers, 0, ben, answer["pos"])
                assert [event["event_id"] for event in answer["rooms"][den]["timeline"]] == [said]
                _, answer = await _slide(workers, 1, ben, answer["pos"])  # who has read nothing of all this yet
                assert answer["rooms"] == {}
                _, fresh = await _slide(workers, 1, ben, None, conn_id="new")
                assert set(fresh["rooms"]) == {den, other}
                assert fresh["rooms"][den]["timeline"][-1]["event_id"] == said
                await sites.promote()
                said = await ann.say(1, den, "back again")
                _, answer = await _slide(workers, 1, ben, answer["pos"])
                assert [event["event_id"] for event in answer["rooms"][den]["timeline"]] == [said]
            await workers.close()
