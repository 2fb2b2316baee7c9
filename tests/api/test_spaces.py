"""Rooms in spaces through HTTP: order, depth, pages, and who may know of what."""

from typing import Any

from tests.api.talking import V1, Talker, room, segment
from tests.server import SERVER_NAME


async def make_space(who: Talker, **options: Any) -> str:
    return await who.make_room(creation_content={"type": "m.space"}, **options)


async def put(who: Talker, space: str, child: str, **more: Any) -> None:
    await who.set_state(space, "m.space.child", {"via": [SERVER_NAME], **more}, child)


async def hierarchy(reader: Talker, space: str, **query: Any) -> Any:
    return await reader.get(f"{room(space, V1)}/hierarchy", **query)


def ids(page: Any) -> list[str]:
    return [each["room_id"] for each in page["rooms"]]


async def test_children_come_before_siblings_in_their_order(alice: Talker) -> None:
    top, inner = await make_space(alice, name="top"), await make_space(alice, name="inner")
    first, second, deep = [await alice.make_room(name=f"{n}") for n in range(3)]
    await put(alice, top, second)
    await put(alice, top, inner, order="b")
    await put(alice, top, first, order="a", suggested=True)
    await put(alice, inner, deep)
    await put(alice, inner, top)
    page = await hierarchy(alice, top)
    assert ids(page) == [top, first, inner, deep, second]
    assert "next_batch" not in page
    assert page["rooms"][0]["room_type"] == "m.space"
    assert [child["state_key"] for child in page["rooms"][0]["children_state"]] == [first, inner, second]
    child = page["rooms"][0]["children_state"][0]
    assert child["content"] == {"via": [SERVER_NAME], "order": "a", "suggested": True}
    assert child["sender"] == alice.user_id
    assert child["origin_server_ts"] > 0
    assert page["rooms"][1]["children_state"] == []


async def test_depth_and_suggestions(alice: Talker) -> None:
    top, inner, deep = await make_space(alice), await make_space(alice), await alice.make_room()
    await put(alice, top, inner, suggested=True)
    await put(alice, inner, deep)
    assert ids(await hierarchy(alice, top, max_depth=0)) == [top]
    assert ids(await hierarchy(alice, top, max_depth=1)) == [top, inner]
    assert ids(await hierarchy(alice, top, suggested_only="true")) == [top, inner]


async def test_pages(alice: Talker) -> None:
    top = await make_space(alice)
    rooms = [await alice.make_room() for _ in range(5)]
    for n, child in enumerate(rooms):
        await put(alice, top, child, order=str(n))
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    for _ in range(4):
        page = await hierarchy(alice, top, **query)
        found += ids(page)
        if "next_batch" not in page:
            break
        query["from"] = page["next_batch"]
    assert found == [top, *rooms]
    path = f"{room(top, V1)}/hierarchy"
    assert await alice.refused("GET", path, **{"from": query["from"], "max_depth": 1}) == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", f"{path}?from=x") == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", path, limit=0) == (400, "M_INVALID_PARAM")


async def test_only_what_the_reader_may_know(alice: Talker, bob: Talker) -> None:
    top = await make_space(alice, preset="public_chat")
    closed, hidden, gone = await make_space(alice), await alice.make_room(preset="public_chat"), await alice.make_room()
    opened, invited = await alice.make_room(preset="public_chat"), await alice.make_room()
    for n, child in enumerate((closed, gone, opened, invited, f"!unknown:{SERVER_NAME}")):
        await put(alice, top, child, order=str(n))
    await put(alice, closed, hidden)
    await alice.set_state(top, "m.space.child", {}, gone)
    await alice.invite(invited, bob)
    assert ids(await hierarchy(bob, top)) == [top, opened, invited]
    assert ids(await hierarchy(alice, top)) == [top, closed, hidden, opened, invited]
    path = f"{room(closed, V1)}/hierarchy"
    assert await bob.refused("GET", path) == (403, "M_FORBIDDEN")
    assert await bob.refused("GET", f"{V1}/rooms/nonsense/hierarchy") == (403, "M_FORBIDDEN")


async def test_restricted_rooms_show_who_may_come_in(alice: Talker, bob: Talker) -> None:
    top, inside = await make_space(alice, preset="public_chat"), await alice.make_room()
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": top}]}
    await alice.set_state(inside, "m.room.join_rules", rule)
    await put(alice, top, inside)
    assert ids(await hierarchy(bob, top)) == [top]
    await bob.join(top)
    page = await hierarchy(bob, top)
    assert ids(page) == [top, inside]
    assert page["rooms"][1]["allowed_room_ids"] == [top]


async def test_rules_of_later_versions_open_no_room(alice: Talker, bob: Talker) -> None:
    top = await make_space(alice, preset="public_chat")
    await bob.join(top)
    allow = [{"type": "m.room_membership", "room_id": top}]
    shown = [top]
    rules = (("6", "knock", False), ("7", "knock", True), ("7", "restricted", False), ("8", "restricted", True))
    for version, rule, is_known in rules:
        child = await alice.make_room(room_version=version)
        await alice.set_state(child, "m.room.join_rules", {"join_rule": rule, "allow": allow})
        await put(alice, top, child, order=str(len(shown)))
        shown += [child] if is_known else []
        status, _ = await bob.ask("GET", f"{V1}/room_summary/{segment(child)}")
        assert status == (200 if is_known else 404)
    assert ids(await hierarchy(bob, top)) == shown
