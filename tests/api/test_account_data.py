"""What people keep with the server for themselves, through HTTP: account data and tags."""

import asyncio
from typing import Any

import pytest
from tests.api.talking import V3, Json, Talker, segment

FORBIDDEN = (403, "M_FORBIDDEN")
KIND = "org.example.settings"


@pytest.fixture
async def room_id(alice: Talker) -> str:
    return await alice.make_room()


def of(who: Talker, kind: str = KIND, room_id: str | None = None) -> str:
    place = f"{V3}/user/{segment(who.user_id)}"
    inside = "" if room_id is None else f"/rooms/{segment(room_id)}"
    return f"{place}{inside}/account_data/{segment(kind)}"


def tags_of(who: Talker, room_id: str, tag: str | None = None) -> str:
    path = f"{V3}/user/{segment(who.user_id)}/rooms/{segment(room_id)}/tags"
    return path if tag is None else f"{path}/{segment(tag)}"


def told(answer: Json, kind: str, room_id: str | None = None) -> list[Json]:
    """The contents of this type that a sync brings."""
    part = answer if room_id is None else answer.get("rooms", {}).get("join", {}).get(room_id, {})
    return [event["content"] for event in part.get("account_data", {}).get("events", ()) if event["type"] == kind]


@pytest.mark.parametrize("in_room", [False, True])
async def test_account_data_is_kept_and_told(alice: Talker, bob: Talker, room_id: str, in_room: bool) -> None:
    place = room_id if in_room else None
    path, other = of(alice, KIND, place), of(alice, KIND, None if in_room else room_id)
    tablet = await alice.another_device()
    since = (await tablet.sync())["next_batch"]
    assert await alice.refused("GET", path) == (404, "M_NOT_FOUND")
    content = {"theme": "dark", "size": 1.5, "nested": {"a": [1, None]}}
    assert await alice.put(path, content) == {}
    assert await tablet.get(path) == content
    for answer in (await tablet.sync(since), await tablet.sync()):
        assert told(answer, KIND, place) == [content]
    await alice.put(path, {"n": 1})
    await alice.put(path, {"n": 2})
    assert told(await tablet.sync(since), KIND, place) == [{"n": 2}]
    assert await alice.refused("GET", other) == (404, "M_NOT_FOUND")
    assert told(await bob.sync(), KIND) == []


async def test_new_account_data_wakes_who_waits(alice: Talker, room_id: str) -> None:
    tablet = await alice.another_device()
    quiet: Json = {"presence": {"types": []}}
    since = (await tablet.sync())["next_batch"]
    waiting = asyncio.create_task(tablet.sync(since, timeout=20_000, filter=quiet))
    await alice.put(of(alice), {"n": 1})
    answer = await waiting
    assert told(answer, KIND) == [{"n": 1}]
    waiting = asyncio.create_task(tablet.sync(answer["next_batch"], timeout=20_000, filter=quiet))
    await alice.put(of(alice, KIND, room_id), {"n": 2})
    assert told(await waiting, KIND, room_id) == [{"n": 2}]


@pytest.mark.parametrize("in_room", [False, True])
async def test_account_data_that_is_refused(alice: Talker, bob: Talker, room_id: str, in_room: bool) -> None:
    place = room_id if in_room else None
    for method, body in (("GET", None), ("PUT", {"n": 1})):
        assert await bob.refused(method, of(alice, KIND, place), body) == FORBIDDEN
    for kind in ("m.fully_read", "m.push_rules"):
        assert await alice.refused("PUT", of(alice, kind, place), {}) == (405, "M_BAD_JSON")
    path = of(alice, KIND, place)
    assert await alice.refused("PUT", path, [1]) == (400, "M_BAD_JSON")
    assert await alice.refused("PUT", path) == (400, "M_NOT_JSON")
    assert await alice.refused("PUT", path, {"x": "y" * 65_536}) == (413, "M_TOO_LARGE")
    assert await alice.refused("PUT", of(alice, "k" * 256, place), {}) == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", path) == (404, "M_NOT_FOUND")
    nowhere = of(alice, KIND, "nonsense")
    assert await alice.refused("PUT", nowhere, {}) == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", nowhere) == (400, "M_INVALID_PARAM")


async def test_push_rules_are_read_as_the_others_see_them(alice: Talker) -> None:
    rules = await alice.get(f"{V3}/pushrules/")
    assert await alice.get(of(alice, "m.push_rules")) == rules
    await alice.put(f"{V3}/pushrules/global/content/tea", {"pattern": "tea", "actions": []})
    changed = await alice.get(of(alice, "m.push_rules"))
    assert changed == await alice.get(f"{V3}/pushrules/")
    assert changed != rules
    assert told(await alice.sync(), "m.push_rules") == [changed]


# --- tags ---


async def test_tags(alice: Talker, room_id: str) -> None:
    since = (await alice.sync())["next_batch"]
    assert await alice.get(tags_of(alice, room_id)) == {"tags": {}}
    assert await alice.put(tags_of(alice, room_id, "m.favourite"), {"order": 0.25}) == {}
    assert await alice.put(tags_of(alice, room_id, "u.work / other"), {}) == {}
    expected = {"tags": {"m.favourite": {"order": 0.25}, "u.work / other": {}}}
    assert await alice.get(tags_of(alice, room_id)) == expected
    assert await alice.get(of(alice, "m.tag", room_id)) == expected
    for token in (since, None):
        assert told(await alice.sync(token), "m.tag", room_id) == [expected]
    await alice.put(tags_of(alice, room_id, "m.favourite"), {"order": 1})
    assert await alice.delete(tags_of(alice, room_id, "u.work / other")) == {}
    assert await alice.delete(tags_of(alice, room_id, "u.never set")) == {}
    assert told(await alice.sync(since), "m.tag", room_id) == [{"tags": {"m.favourite": {"order": 1}}}]


async def test_tags_set_at_once_are_all_kept(alice: Talker, room_id: str) -> None:
    names = [f"u.{n}" for n in range(12)]
    await asyncio.gather(*(alice.put(tags_of(alice, room_id, name), {}) for name in names))
    await asyncio.gather(*(alice.delete(tags_of(alice, room_id, name)) for name in names[:6]))
    assert set((await alice.get(tags_of(alice, room_id)))["tags"]) == set(names[6:])


async def test_tags_that_are_refused(alice: Talker, bob: Talker, room_id: str) -> None:
    path = tags_of(alice, room_id, "u.x")
    for method, body in (("PUT", {}), ("DELETE", None)):
        assert await bob.refused(method, path, body) == FORBIDDEN
    assert await bob.refused("GET", tags_of(alice, room_id)) == FORBIDDEN
    wrong: list[Any] = ["first", True, -0.1, 1.1]
    for order in wrong:
        assert await alice.refused("PUT", path, {"order": order}) == (400, "M_INVALID_PARAM")
    assert await alice.refused("PUT", tags_of(alice, room_id, "t" * 256), {}) == (400, "M_INVALID_PARAM")
    assert await alice.refused("PUT", tags_of(alice, "nonsense", "u.x"), {}) == (400, "M_INVALID_PARAM")
    assert await alice.get(tags_of(alice, room_id)) == {"tags": {}}
