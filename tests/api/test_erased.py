"""Somebody who wants to be erased: who comes into the room later reads nothing of theirs; who was there still does."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest
from tests.api.talking import V1, V3, Json, Talker, relating, room, segment, sign_up
from tests.server import FOR_TESTS, Server

SECRET = "비밀 찻집"
NAME = "Alice the Erased"
SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
SECONDS_MAX = 30.0  # a start takes one; a machine may be busy
_PLACE = "SELECT erased_pos FROM users WHERE user_id = $1"
PUBLIC: Json = {"preset": "public_chat", "name": "the room's name"}


class Past:
    """A room in which Alice said much. The first id is of what she said first."""

    def __init__(self, alice: Talker, there: Talker, room_id: str, said: list[str]) -> None:
        self.alice = alice
        self.there = there
        self.room_id = room_id
        self.said = said


@pytest.fixture
async def past(http: aiohttp.ClientSession, alice: Talker) -> Past:
    await alice.put(f"{V3}/profile/{segment(alice.user_id)}/displayname", {"displayname": NAME})
    room_id = await alice.make_room(**PUBLIC)
    there = await sign_up(http, "there")
    await there.join(room_id)
    first = await alice.say(room_id, SECRET)
    edit = {"m.new_content": {"msgtype": "m.text", "body": f"{SECRET} edited"}}
    said = [
        first,
        await alice.say(room_id, f"* {SECRET}", **relating("m.replace", first), **edit),
        await alice.say(room_id, f"{SECRET} in a thread", **relating("m.thread", first)),
        await alice.set_state(room_id, "org.example.place", {"body": SECRET}, alice.user_id),
    ]
    await there.say(room_id, "as you say", **relating("m.thread", first))
    return Past(alice, there, room_id, said)


async def _erase(who: Talker, *, erase: bool = True) -> None:
    auth = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": who.user_id}}
    await who.post(f"{V3}/account/deactivate", {"auth": {**auth, "password": who._password}, "erase": erase})


async def _everything(who: Talker, past: Past) -> AsyncIterator[tuple[str, Json]]:
    """All ways to read the room, by name."""
    at, first = room(past.room_id), segment(past.said[0])
    yield "sync", await who.sync()
    yield (
        "lazy sync",
        await who.sync(filter={"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 50}}}),
    )
    yield "federation", await who.sync(filter={"event_format": "federation", "room": {"timeline": {"limit": 50}}})
    wanted = {"ranges": [[0, 9]], "timeline_limit": 50, "required_state": [["*", "*"]]}
    yield "sliding sync", await who.post(SLIDING, {"lists": {"all": wanted}})
    yield "messages", await who.messages(past.room_id, limit=100)
    yield "lazy messages", await who.messages(past.room_id, limit=100, filter='{"lazy_load_members":true}')
    yield "memberships", await who.messages(past.room_id, limit=100, filter='{"types":["m.room.member"]}')
    for event_id in past.said:
        yield "event", await who.event(past.room_id, event_id)
        yield "old event", await who.get(f"{V3}/events/{segment(event_id)}")
        yield "context", await who.get(f"{at}/context/{segment(event_id)}", limit=100)
    yield "relations", await who.get(f"{room(past.room_id, V1)}/relations/{first}")
    yield "threads", await who.get(f"{room(past.room_id, V1)}/threads")
    yield "state", {"events": await who.get(f"{at}/state")}
    yield "one state", await who.state(past.room_id, "org.example.place", past.alice.user_id)
    yield "members", await who.get(f"{at}/members")
    yield "initial sync", await who.get(f"{at}/initialSync", limit=100)
    yield "whole initial sync", await who.get(f"{V3}/initialSync", limit=100)
    yield "search", await _search(who, "찻집")


async def _search(who: Talker, term: str) -> Json:
    wanted = {"search_term": term, "event_context": {"include_profile": True}, "include_state": True}
    found: Json = await who.post(f"{V3}/search", {"search_categories": {"room_events": wanted}})
    del found["search_categories"]["room_events"]["highlights"]  # what was asked for
    return found


async def _tells(who: Talker, past: Past) -> set[str]:
    """The ways in which somebody is told anything of what Alice said, or of her name."""
    told = set()
    async for way, answer in _everything(who, past):
        text = json.dumps(answer, ensure_ascii=False)
        if SECRET in text or "찻집" in text or NAME in text:
            told.add(way)
    return told


async def test_who_comes_later_reads_nothing_of_it(
    http: aiohttp.ClientSession, elsewhere: aiohttp.ClientSession, past: Past, bob: Talker
) -> None:
    between = await sign_up(http, "between")
    await between.join(past.room_id)
    before = await _tells(past.there, past)
    assert len(before) >= 16, "what is looked for is to be found by who may see it"
    await _erase(past.alice)
    await bob.join(past.room_id)
    assert await _tells(bob, past) == set()
    assert await _tells(bob.through(elsewhere), past) == set()
    assert await _tells(past.there, past) >= before - {"members", "state", "one state"}
    assert await _tells(between.through(elsewhere), past) >= {"sync", "messages", "event", "context", "search"}
    found = await _search(bob, "찻집")
    assert found["search_categories"]["room_events"]["results"] == []


async def test_what_is_left_is_what_a_redaction_leaves(past: Past, bob: Talker) -> None:
    await _erase(past.alice)
    await bob.join(past.room_id)
    event = await bob.event(past.room_id, past.said[0])
    assert (event["type"], event["sender"], event["content"]) == ("m.room.message", past.alice.user_id, {})
    assert "redacted_because" not in event["unsigned"], "nobody sent a redaction"
    assert "m.replace" not in event["unsigned"].get("m.relations", {})
    assert (await past.there.event(past.room_id, past.said[0]))["content"]["body"] == SECRET
    assert (await bob.state(past.room_id, "m.room.name"))["name"] == PUBLIC["name"], "the room's own state stays"
    members = (await bob.messages(past.room_id, limit=100, filter='{"types":["m.room.member"]}'))["chunk"]
    own = [event["content"] for event in members if event["state_key"] == past.alice.user_id]
    assert own == [{"membership": "leave"}, {"membership": "join"}]


async def test_who_goes_and_comes_back_reads_what_they_were_there_for(past: Past, bob: Talker) -> None:
    await bob.join(past.room_id)
    heard = await past.alice.say(past.room_id, SECRET)
    await bob.leave(past.room_id)
    missed = await past.alice.say(past.room_id, SECRET)
    await _erase(past.alice)
    await bob.join(past.room_id)
    assert (await bob.event(past.room_id, past.said[0]))["content"]["body"] == SECRET
    assert (await bob.event(past.room_id, heard))["content"]["body"] == SECRET
    assert (await bob.event(past.room_id, missed))["content"] == {}


async def test_a_room_that_the_world_reads(past: Past, bob: Talker) -> None:
    world = {"history_visibility": "world_readable"}
    await past.alice.set_state(past.room_id, "m.room.history_visibility", world)
    said = await past.alice.say(past.room_id, SECRET)
    assert (await bob.event(past.room_id, said))["content"]["body"] == SECRET
    await _erase(past.alice)
    assert (await bob.event(past.room_id, said))["content"] == {}


async def test_an_account_that_ends_without_being_erased(past: Past, bob: Talker) -> None:
    await _erase(past.alice, erase=False)
    await bob.join(past.room_id)
    assert (await bob.event(past.room_id, past.said[0]))["content"]["body"] == SECRET


async def test_being_erased_goes_on_after_a_crash(
    server: Server, past: Past, bob: Talker, database: asyncpg.Connection
) -> None:
    """The account had ended, and the worker with it, before the rest was done."""
    await _erase(past.alice, erase=False)
    await database.execute("UPDATE users SET erased_pos = 0 WHERE user_id = $1", past.alice.user_id)
    worker = Server.start(server.data_dir, *FOR_TESTS)
    try:
        async with aiohttp.ClientSession(worker.base_url) as there:
            async with asyncio.timeout(SECONDS_MAX):
                while not await database.fetchval(_PLACE, past.alice.user_id):
                    await asyncio.sleep(0.02)
            await bob.join(past.room_id)
            assert (await bob.through(there).event(past.room_id, past.said[0]))["content"] == {}
            assert (await bob.event(past.room_id, past.said[0]))["content"] == {}
    finally:
        worker.stop()
