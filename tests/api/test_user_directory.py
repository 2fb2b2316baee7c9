"""Finding people: by which part of a name, who is found by whom, and which rooms are shared."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V1, V3, Json, Talker, ask, segment, sign_up
from tests.server import Server

OPEN = {"preset": "public_chat"}


async def found(who: Talker, term: str, **more: Any) -> list[str]:
    return [person["user_id"] for person in (await search(who, term, **more))["results"]]


async def search(who: Talker, term: str, **more: Any) -> Json:
    answer: Json = await who.post(f"{V3}/user_directory/search", {"search_term": term, **more})
    return answer


async def call(who: Talker, name: str) -> None:
    await who.put(f"{V3}/profile/{segment(who.user_id)}/displayname", {"displayname": name})


@pytest.fixture
def mark() -> str:
    """Something that no other test's people have in their names."""
    return "".join(chr(0xAC00 + secrets.randbelow(11_172)) for _ in range(4))


@pytest.mark.parametrize(
    ("name", "term"),
    [
        ("{}김철수", "철수"),
        ("{}김철수", "김철"),
        ("{}Émilie Noël", "émil"),
        ("{}Émilie Noël", "NOËL émilie"),
        ("{}李小龍", "小龍"),
        ("{}100%_sure", "0%_s"),
        ('{}"quoted"', 'quoted"'),
    ],
)
async def test_any_part_of_a_name_finds_a_person(alice: Talker, bob: Talker, mark: str, name: str, term: str) -> None:
    here = await alice.make_room()
    await alice.bring(here, bob)
    await call(bob, name.format(mark))
    assert await found(alice, f"{term} {mark}") == [bob.user_id]
    assert await found(alice, f"{mark}zz") == []


async def test_who_is_found(alice: Talker, bob: Talker, mark: str) -> None:
    await call(bob, mark)
    assert await found(alice, mark) == []
    private = await bob.make_room()
    assert await found(alice, mark) == []
    await bob.bring(private, alice)
    assert await found(alice, mark) == [bob.user_id]
    await bob.leave(private)
    assert await found(alice, mark) == []
    public = await bob.make_room(**OPEN)
    assert await found(alice, mark) == [bob.user_id]
    await bob.leave(public)
    assert await found(alice, mark) == []
    readable = {"type": "m.room.history_visibility", "content": {"history_visibility": "world_readable"}}
    await bob.make_room(initial_state=[readable])
    assert await found(alice, mark) == [bob.user_id]


async def test_a_person_is_found_by_id_and_shown_with_what_they_show(alice: Talker, bob: Talker) -> None:
    await bob.make_room(**OPEN)
    await bob.put(f"{V3}/profile/{segment(bob.user_id)}/avatar_url", {"avatar_url": "mxc://test.example/face"})
    name = bob.user_id[1:].partition(":")[0]
    shown = {"user_id": bob.user_id, "display_name": name, "avatar_url": "mxc://test.example/face"}
    for term in (name, name[4:], bob.user_id, name.upper()):
        answer = await search(alice, term)
        assert [person["user_id"] for person in answer["results"]] == [bob.user_id]
        assert answer["results"][0] == shown or "display_name" not in answer["results"][0]
    assert await found(alice, "test.example") == []


async def test_the_closest_stand_first(http: aiohttp.ClientSession, alice: Talker, mark: str) -> None:
    names = [f"{mark}", f"{mark} 둘째", f"우리{mark}들"]
    people = [await sign_up(http, "someone") for _ in names]
    for person, name in zip(people, names, strict=True):
        await call(person, name)
        await person.make_room(**OPEN)
    ids = [person.user_id for person in people]
    assert await found(alice, mark) == ids
    assert await search(alice, mark, limit=2) == {**await search(alice, mark, limit=2), "limited": True}
    assert await found(alice, mark, limit=2) == ids[:2]
    assert (await search(alice, mark, limit=3))["limited"] is False
    await alice.bring(await alice.make_room(), people[1])
    assert (await found(alice, mark))[:2] == ids[:2]


async def test_who_closed_their_account_is_not_found(alice: Talker, bob: Talker, mark: str) -> None:
    await call(bob, mark)
    await alice.bring(await alice.make_room(), bob)
    assert await found(alice, mark) == [bob.user_id]
    proof = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": bob.user_id}}
    await bob.post(f"{V3}/account/deactivate", {"auth": {**proof, "password": bob._password}})
    assert await found(alice, mark) == []


@pytest.fixture
async def open_house(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    worker = Server.start(server.data_dir, "--password-hashing", "fast", "--user-directory-all")
    async with aiohttp.ClientSession(worker.base_url) as session:
        yield session
    worker.stop()


async def test_a_setting_lets_everybody_find_everybody(
    alice: Talker, bob: Talker, mark: str, open_house: aiohttp.ClientSession
) -> None:
    await call(bob, mark)
    assert await found(alice, mark) == []
    assert await found(alice.through(open_house), mark) == [bob.user_id]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"search_term": None}, "M_BAD_JSON"),
        ({"search_term": "x" * 256}, "M_INVALID_PARAM"),
        ({"search_term": "a\0"}, "M_INVALID_PARAM"),
        ({"search_term": "x", "limit": -1}, "M_INVALID_PARAM"),
        ({"search_term": "x", "limit": "1"}, "M_BAD_JSON"),
    ],
)
async def test_a_wrong_search_is_refused(alice: Talker, body: Json, code: str) -> None:
    assert await alice.refused("POST", f"{V3}/user_directory/search", body) == (400, code)


async def test_a_search_for_nothing_finds_nobody(alice: Talker) -> None:
    assert await search(alice, "  ") == {"results": [], "limited": False}


# --- mutual rooms ---


async def test_rooms_that_both_are_in(alice: Talker, bob: Talker) -> None:
    shared = [await alice.make_room(), await alice.make_room()]
    for room_id in shared:
        await alice.bring(room_id, bob)
    await alice.invite(await alice.make_room(), bob)
    left = await alice.make_room()
    await alice.bring(left, bob)
    await bob.leave(left)
    expected = {"joined": sorted(shared), "count": 2}
    assert await alice.get(f"{V1}/mutual_rooms", user_id=bob.user_id) == expected
    assert await bob.get(f"{V1}/mutual_rooms", user_id=alice.user_id) == expected
    rest = await alice.get(f"{V1}/mutual_rooms", user_id=bob.user_id, **{"from": min(shared)})
    assert rest == {"joined": [max(shared)], "count": 2}
    assert await alice.get(f"{V1}/mutual_rooms", user_id="@nobody:elsewhere.example") == {"joined": [], "count": 0}


async def test_wrong_questions_about_mutual_rooms(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    path = f"{V1}/mutual_rooms"
    assert await alice.refused("GET", path) == (400, "M_MISSING_PARAM")
    assert await alice.refused("GET", path, user_id=alice.user_id) == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", path, user_id="nobody") == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", path, user_id=bob.user_id, **{"from": "x"}) == (400, "M_INVALID_PARAM")
    status, answer = await ask(http, "GET", path)
    assert (status, answer["errcode"]) == (401, "M_MISSING_TOKEN")
