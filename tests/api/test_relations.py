"""Edits, threads, references and reactions through HTTP: bundled with their parents, and asked for."""

from typing import Any

import aiohttp
import pytest
from tests.api.talking import V1, Json, Talker, relating, room, segment, sign_up

MESSAGE = "m.room.message"


@pytest.fixture
async def room_id(alice: Talker, bob: Talker) -> str:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    return room_id


def new_text(text: str) -> Json:
    return {"msgtype": "m.text", "body": text, "m.new_content": {"msgtype": "m.text", "body": text}}


async def edit(who: Talker, room_id: str, event_id: str, text: str) -> str:
    return await who.send(room_id, {**new_text(text), **relating("m.replace", event_id)})


async def answer(who: Talker, room_id: str, root: str, text: str) -> str:
    return await who.say(room_id, text, **relating("m.thread", root))


async def refer(who: Talker, room_id: str, event_id: str) -> str:
    return await who.send(room_id, relating("m.reference", event_id), "org.example.ref")


async def react(who: Talker, room_id: str, event_id: str, key: str) -> str:
    return await who.send(room_id, relating("m.annotation", event_id, key=key), "m.reaction")


async def event(reader: Talker, room_id: str, event_id: str) -> Any:
    return await reader.get(f"{room(room_id)}/event/{segment(event_id)}")


async def bundle(reader: Talker, room_id: str, event_id: str) -> Any:
    """The bundled aggregations of an event, which must be the same on its own and on a page."""
    alone = (await event(reader, room_id, event_id)).get("unsigned", {}).get("m.relations")
    page = (await reader.messages(room_id, limit=100))["chunk"]
    on_page = next(each for each in page if each["event_id"] == event_id)["unsigned"].get("m.relations")
    assert on_page == alone
    return alone


async def children(reader: Talker, room_id: str, event_id: str, *types: str, **query: Any) -> Any:
    path = "/".join([room(room_id, V1), "relations", segment(event_id), *map(segment, types)])
    return await reader.get(path, **query)


def ids(events: list[Json]) -> list[str]:
    return [each["event_id"] for each in events]


# --- bundles ---


async def test_newest_edit_is_bundled_whole(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "first")
    await edit(alice, room_id, said, "second")
    third = await edit(alice, room_id, said, "third")
    bundled = (await bundle(bob, room_id, said))["m.replace"]
    assert bundled["event_id"] == third
    assert bundled["content"]["m.new_content"]["body"] == "third"
    assert bundled["sender"] == alice.user_id
    assert bundled["room_id"] == room_id
    original = await event(bob, room_id, said)
    assert original["content"]["body"] == "first"


async def test_edits_that_do_not_count(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "mine")
    await edit(bob, room_id, said, "not mine")
    await alice.send(room_id, {**new_text("x"), **relating("m.replace", said)}, "org.example.other")
    assert await bundle(alice, room_id, said) is None
    await alice.say(room_id, "no new content", **relating("m.replace", said))
    assert await bundle(alice, room_id, said) is None
    first = await edit(alice, room_id, said, "an edit")
    await edit(alice, room_id, first, "an edit of an edit")
    assert await bundle(alice, room_id, first) is None


async def test_redactions_take_edits_away(alice: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "said")
    first = await edit(alice, room_id, said, "first")
    second = await edit(alice, room_id, said, "second")
    await alice.redact(room_id, second)
    assert (await bundle(alice, room_id, said))["m.replace"]["event_id"] == first
    await alice.redact(room_id, said)
    assert await bundle(alice, room_id, said) is None


async def test_thread_is_summed_up(alice: Talker, bob: Talker, room_id: str, http: aiohttp.ClientSession) -> None:
    carol = await sign_up(http, "carol")
    await alice.bring(room_id, carol)
    root = await alice.say(room_id, "root")
    await answer(bob, room_id, root, "one")
    latest = await answer(bob, room_id, root, "two")
    await edit(bob, room_id, latest, "two, better")
    for reader, took_part in ((alice, True), (bob, True), (carol, False)):
        summary = (await bundle(reader, room_id, root))["m.thread"]
        assert summary["count"] == 2
        assert summary["current_user_participated"] is took_part
        assert summary["latest_event"]["event_id"] == latest
        edited = summary["latest_event"]["unsigned"]["m.relations"]["m.replace"]
        assert edited["content"]["m.new_content"]["body"] == "two, better"
    await bob.redact(room_id, latest)
    assert (await bundle(alice, room_id, root))["m.thread"]["count"] == 1


async def test_references_are_listed(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "said")
    expected = [await refer(who, room_id, said) for who in (alice, bob, bob)]
    assert await bundle(bob, room_id, said) == {"m.reference": {"chunk": [{"event_id": each} for each in expected]}}


async def test_reactions_are_not_bundled(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "said")
    await react(bob, room_id, said, "👍")
    assert await bundle(bob, room_id, said) is None


async def test_who_left_sees_no_later_relations(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "said")
    seen = await answer(alice, room_id, said, "seen")
    await bob.leave(room_id)
    await answer(alice, room_id, said, "unseen")
    await edit(alice, room_id, said, "unseen")
    bundled = await bundle(bob, room_id, said)
    assert bundled.keys() == {"m.thread"}
    assert bundled["m.thread"]["count"] == 1
    assert bundled["m.thread"]["latest_event"]["event_id"] == seen
    assert ids((await children(bob, room_id, said))["chunk"]) == [seen]


# --- /relations ---


async def test_children_by_type(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "said")
    thread = await answer(alice, room_id, said, "answer")
    reaction = await react(bob, room_id, said, "👍")
    replaced = await edit(alice, room_id, said, "edited")
    everything = await children(bob, room_id, said)
    assert ids(everything["chunk"]) == [replaced, reaction, thread]
    assert "next_batch" not in everything
    assert "recursion_depth" not in everything
    assert ids((await children(bob, room_id, said, dir="f"))["chunk"]) == [thread, reaction, replaced]
    assert ids((await children(bob, room_id, said, "m.annotation"))["chunk"]) == [reaction]
    assert ids((await children(bob, room_id, said, "m.annotation", "m.reaction"))["chunk"]) == [reaction]
    assert (await children(bob, room_id, said, "m.annotation", MESSAGE))["chunk"] == []


@pytest.mark.parametrize("direction", ["b", "f"])
async def test_children_in_pages(alice: Talker, room_id: str, direction: str) -> None:
    said = await alice.say(room_id, "said")
    expected = [await refer(alice, room_id, said) for _ in range(7)]
    found: list[str] = []
    query: dict[str, Any] = {"limit": 3, "dir": direction}
    for _ in range(4):
        page = await children(alice, room_id, said, **query)
        found += ids(page["chunk"])
        assert ("prev_batch" in page) == ("from" in query)
        if "next_batch" not in page:
            break
        query["from"] = page["next_batch"]
    assert found == (expected if direction == "f" else expected[::-1])
    assert len(page["chunk"]) == 1


async def test_children_of_children(alice: Talker, room_id: str) -> None:
    said = await alice.say(room_id, "said")
    line = [said]
    for _ in range(5):
        line.append(await refer(alice, room_id, line[-1]))
    reaction = await react(alice, room_id, line[1], "👍")
    page = await children(alice, room_id, said, recurse="true", limit=50)
    assert page["recursion_depth"] == 3
    assert set(ids(page["chunk"])) == {*line[1:4], reaction}
    assert ids((await children(alice, room_id, said, "m.annotation", recurse="true"))["chunk"]) == [reaction]
    assert ids((await children(alice, room_id, said, recurse="false"))["chunk"]) == [line[1]]


async def test_children_of_what_may_not_be_seen(alice: Talker, http: aiohttp.ClientSession, room_id: str) -> None:
    said = await alice.say(room_id, "said")
    stranger = await sign_up(http, "stranger")
    path = f"{room(room_id, V1)}/relations/"
    assert await stranger.refused("GET", path + segment(said)) == (404, "M_NOT_FOUND")
    assert await alice.refused("GET", path + "%24nothing") == (404, "M_NOT_FOUND")
    assert await alice.refused("GET", path + segment(said), limit=0) == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", path + segment(said) + "?from=x") == (400, "M_INVALID_PARAM")


# --- /threads ---


async def test_threads_liveliest_first(alice: Talker, bob: Talker, room_id: str) -> None:
    path = f"{room(room_id, V1)}/threads"
    assert await alice.get(path) == {"chunk": []}
    roots = [await alice.say(room_id, f"root {n}") for n in range(5)]
    for root in roots:
        await answer(alice, room_id, root, "answer")
    await answer(bob, room_id, roots[1], "once more")
    order = [roots[1], roots[4], roots[3], roots[2], roots[0]]
    page = await bob.get(path, limit=100)
    assert ids(page["chunk"]) == order
    assert page["chunk"][0]["unsigned"]["m.relations"]["m.thread"]["count"] == 2
    first = await bob.get(path, limit=2)
    second = await bob.get(path, limit=2, **{"from": first["next_batch"]})
    third = await bob.get(path, limit=2, **{"from": second["next_batch"]})
    assert [*ids(first["chunk"]), *ids(second["chunk"]), *ids(third["chunk"])] == order
    assert "next_batch" not in third


async def test_threads_somebody_took_part_in(alice: Talker, bob: Talker, room_id: str) -> None:
    path = f"{room(room_id, V1)}/threads"
    of_alice, of_bob = await alice.say(room_id, "alice"), await bob.say(room_id, "bob")
    await answer(alice, room_id, of_alice, "monologue")
    await answer(alice, room_id, of_bob, "to bob")
    assert ids((await bob.get(path, include="participated"))["chunk"]) == [of_bob]
    assert ids((await alice.get(path, include="participated"))["chunk"]) == [of_bob, of_alice]
    await answer(bob, room_id, of_alice, "joins in")
    assert ids((await bob.get(path, include="participated"))["chunk"]) == [of_alice, of_bob]


async def test_threads_refuse(alice: Talker, http: aiohttp.ClientSession, room_id: str) -> None:
    path = f"{room(room_id, V1)}/threads"
    stranger = await sign_up(http, "stranger")
    assert await stranger.refused("GET", path) == (403, "M_FORBIDDEN")
    assert await alice.refused("GET", path, limit=0) == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", path, include="x") == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", f"{path}?from=x") == (400, "M_INVALID_PARAM")
