"""Finding rooms through HTTP: aliases, the published directory, summaries, and rooms that move to a successor."""

import asyncio
import secrets
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V1, V3, Talker, ask, room, segment, sign_up
from tests.server import SERVER_NAME


def new_alias(name: str = "room") -> str:
    return f"#{name}-{secrets.token_hex(6)}:{SERVER_NAME}"


def at(alias: str) -> str:
    return f"{V3}/directory/room/{segment(alias)}"


def listed(room_id: str) -> str:
    return f"{V3}/directory/list/room/{segment(room_id)}"


# --- aliases ---


async def test_alias_leads_to_its_room(alice: Talker, http: aiohttp.ClientSession) -> None:
    room_id, alias = await alice.make_room(), new_alias("방")
    assert await alice.put(at(alias), {"room_id": room_id}) == {}
    assert await ask(http, "GET", at(alias)) == (200, {"room_id": room_id, "servers": [SERVER_NAME]})
    assert await alice.get(f"{room(room_id)}/aliases") == {"aliases": [alias]}
    assert await alice.delete(at(alias)) == {}
    assert await alice.refused("GET", at(alias)) == (404, "M_NOT_FOUND")
    assert await alice.refused("DELETE", at(alias)) == (404, "M_NOT_FOUND")
    assert await alice.get(f"{room(room_id)}/aliases") == {"aliases": []}


async def test_alias_is_given_once(alice: Talker, bob: Talker) -> None:
    alias, own, other = new_alias(), await alice.make_room(), await bob.make_room()
    await alice.put(at(alias), {"room_id": own})
    assert await bob.refused("PUT", at(alias), {"room_id": other}) == (409, "M_UNKNOWN")
    assert await alice.refused("PUT", at(alias), {"room_id": own}) == (409, "M_UNKNOWN")
    body = {"room_alias_name": alias[1:].split(":")[0]}
    assert await bob.refused("POST", f"{V3}/createRoom", body) == (400, "M_ROOM_IN_USE")


async def test_a_race_for_an_alias_has_one_winner(http: aiohttp.ClientSession) -> None:
    people = [await sign_up(http, "racer") for _ in range(6)]
    rooms = [await person.make_room() for person in people]
    alias = new_alias()
    name = alias[1:].split(":")[0]
    races = [p.ask("PUT", at(alias), {"room_id": r}) for p, r in zip(people, rooms, strict=True)]
    races += [p.ask("POST", f"{V3}/createRoom", {"room_alias_name": name}) for p in people]
    answers = await asyncio.gather(*races)
    winners = [(index, answer) for index, (status, answer) in enumerate(answers) if status == 200]
    assert len(winners) == 1
    index, answer = winners[0]
    holder = rooms[index] if index < len(rooms) else answer["room_id"]
    assert (await people[0].get(at(alias)))["room_id"] == holder


@pytest.mark.parametrize("alias", ["room", "#room", f"#:{SERVER_NAME}", f"#a%00b:{SERVER_NAME}", "%23x:y%20z"])
async def test_malformed_aliases(alice: Talker, alias: str) -> None:
    path = f"{V3}/directory/room/{alias.replace('#', '%23')}"
    room_id = await alice.make_room()
    assert await alice.refused("PUT", path, {"room_id": room_id}) == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", path) == (400, "M_INVALID_PARAM")


async def test_alias_needs_a_room_one_is_in(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    assert await bob.refused("PUT", at(new_alias()), {"room_id": room_id}) == (403, "M_FORBIDDEN")
    assert await bob.refused("PUT", at(new_alias()), {"room_id": "!none:test.example"}) == (403, "M_FORBIDDEN")
    assert await bob.refused("PUT", at(new_alias()), {"room_id": 1}) == (400, "M_BAD_JSON")
    assert await bob.refused("PUT", at(new_alias()), {}) == (400, "M_MISSING_PARAM")
    elsewhere = "#room:elsewhere.example"
    assert await alice.refused("PUT", at(elsewhere), {"room_id": room_id}) == (400, "M_INVALID_PARAM")
    assert await bob.refused("GET", f"{room(room_id)}/aliases") == (403, "M_FORBIDDEN")


async def test_who_may_delete_an_alias(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    of_alice, of_bob = new_alias(), new_alias()
    await alice.put(at(of_alice), {"room_id": room_id})
    await bob.put(at(of_bob), {"room_id": room_id})
    assert await bob.refused("DELETE", at(of_alice)) == (403, "M_FORBIDDEN")
    assert await alice.delete(at(of_bob)) == {}
    second = new_alias()
    await bob.put(at(second), {"room_id": room_id})
    assert await bob.delete(at(second)) == {}


async def test_deleted_alias_leaves_the_canonical_alias(alice: Talker) -> None:
    room_id, main, other = await alice.make_room(), new_alias(), new_alias()
    for alias in (main, other):
        await alice.put(at(alias), {"room_id": room_id})
    await alice.set_state(room_id, "m.room.canonical_alias", {"alias": main, "alt_aliases": [other, main]})
    await alice.delete(at(main))
    assert await alice.get(f"{room(room_id)}/state/m.room.canonical_alias/") == {"alt_aliases": [other]}


async def test_world_readable_rooms_tell_their_aliases(alice: Talker, bob: Talker) -> None:
    room_id, alias = await alice.make_room(), new_alias()
    await alice.put(at(alias), {"room_id": room_id})
    await alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "world_readable"})
    assert await bob.get(f"{room(room_id)}/aliases") == {"aliases": [alias]}


# --- the published directory ---


async def test_publishing_and_taking_back(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    assert await ask(http, "GET", listed(room_id)) == (200, {"visibility": "private"})
    assert await bob.refused("PUT", listed(room_id), {"visibility": "public"}) == (403, "M_FORBIDDEN")
    assert await alice.refused("PUT", listed(room_id), {"visibility": "x"}) == (400, "M_BAD_JSON")
    assert await alice.put(listed(room_id), {}) == {}
    assert (await alice.get(listed(room_id)))["visibility"] == "public"
    await alice.put(listed(room_id), {"visibility": "private"})
    assert (await alice.get(listed(room_id)))["visibility"] == "private"
    for unknown in ("!none:test.example", "nonsense"):
        assert await alice.refused("GET", listed(unknown)) == (404, "M_NOT_FOUND")
        assert await alice.refused("PUT", listed(unknown), {}) == (404, "M_NOT_FOUND")


async def search(who: Talker, term: str | None = None, types: Any = None, **more: Any) -> Any:
    wanted: dict[str, Any] = {}
    if term is not None:
        wanted["generic_search_term"] = term
    if types is not None:
        wanted["room_types"] = types
    return await who.post(f"{V3}/publicRooms", {"filter": wanted, **more})


def ids(page: Any) -> list[str]:
    return [entry["room_id"] for entry in page["chunk"]]


async def test_what_the_directory_tells(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    alias = new_alias("beacons")
    room_id = await alice.make_room(
        visibility="public", name="봉수대 beacons", topic="연기와 불", room_alias_name=alias[1:].split(":")[0]
    )
    await alice.set_state(room_id, "m.room.avatar", {"url": "mxc://test.example/face"})
    await bob.join(room_id)
    expected = {
        "room_id": room_id,
        "num_joined_members": 2,
        "world_readable": False,
        "guest_can_join": False,
        "join_rule": "public",
        "name": "봉수대 beacons",
        "topic": "연기와 불",
        "avatar_url": "mxc://test.example/face",
        "canonical_alias": alias,
    }
    status, page = await ask(http, "GET", f"{V3}/publicRooms", limit=500)
    assert status == 200
    assert [entry for entry in page["chunk"] if entry["room_id"] == room_id] == [expected]
    assert page["total_room_count_estimate"] >= 1


async def test_search_by_name_topic_and_alias(alice: Talker) -> None:
    mark = secrets.token_hex(6)
    alias = new_alias(f"{mark}-alias")
    by_name = await alice.make_room(visibility="public", name=f"{mark} 부산의 봉수대")
    by_topic = await alice.make_room(visibility="public", name="x", topic=f'{mark} 100% "Smoke"_\\')
    by_alias = await alice.make_room(visibility="public", room_alias_name=alias[1:].split(":")[0])
    await alice.make_room(visibility="private", name=f"{mark} hidden")
    assert set(ids(await search(alice, mark))) == {by_name, by_topic, by_alias}
    assert by_name in ids(await search(alice, "부산의 봉"))
    assert ids(await search(alice, f"{mark} 부산")) == [by_name]
    assert ids(await search(alice, f'{mark} 100% "smoke"_\\')) == [by_topic]
    assert ids(await search(alice, f"{mark}-ALIAS")) == [by_alias]
    assert ids(await search(alice, f"{mark} 100_")) == []
    assert ids(await search(alice, f"{mark}%smoke")) == []
    assert (await search(alice, mark))["total_room_count_estimate"] == 3
    assert alice.user_id not in str(await search(alice, alice.user_id))


async def test_search_by_room_type(alice: Talker) -> None:
    mark = secrets.token_hex(6)
    plain = await alice.make_room(visibility="public", name=mark)
    space = await alice.make_room(visibility="public", name=mark, creation_content={"type": "m.space"})
    assert ids(await search(alice, mark, [None])) == [plain]
    assert ids(await search(alice, mark, ["m.space"])) == [space]
    assert set(ids(await search(alice, mark, ["m.space", None]))) == {plain, space}
    assert ids(await search(alice, mark, ["org.example.none"])) == []
    found = await search(alice, mark, ["m.space"])
    assert found["chunk"][0]["room_type"] == "m.space"
    assert ids(await search(alice, mark, [None, "m.space"], limit=1)) != []


async def test_directory_in_pages(alice: Talker, http: aiohttp.ClientSession) -> None:
    mark = secrets.token_hex(6)
    others = [await sign_up(http, "guest") for _ in range(2)]
    rooms = [await alice.make_room(visibility="public", name=f"{mark} {n}") for n in range(5)]
    for other in others:
        await other.join(rooms[3])
    await others[0].join(rooms[1])
    everything = ids(await search(alice, mark))
    assert everything[:2] == [rooms[3], rooms[1]]
    assert set(everything) == set(rooms)
    first = await search(alice, mark, limit=2)
    assert "prev_batch" not in first
    second = await search(alice, mark, limit=2, since=first["next_batch"])
    third = await search(alice, mark, limit=2, since=second["next_batch"])
    assert "next_batch" not in third
    assert [*ids(first), *ids(second), *ids(third)] == everything
    back = await search(alice, mark, limit=2, since=third["prev_batch"])
    assert ids(back) == ids(second)
    again = await search(alice, mark, limit=2, since=back["prev_batch"])
    assert ids(again) == ids(first)
    assert "prev_batch" not in again
    assert ids(await search(alice, mark, limit=2, since=again["next_batch"])) == ids(second)


async def test_questions_the_directory_refuses(alice: Talker, http: aiohttp.ClientSession) -> None:
    path = f"{V3}/publicRooms"
    assert (await ask(http, "POST", path, {}))[0] == 401
    assert await alice.refused("POST", path, {"since": "x"}) == (400, "M_INVALID_PARAM")
    assert await alice.refused("POST", path, {"limit": -1}) == (400, "M_INVALID_PARAM")
    assert await alice.refused("POST", path, {"limit": "1"}) == (400, "M_BAD_JSON")
    assert await alice.refused("GET", path, limit="x") == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", path, server="elsewhere.example") == (404, "M_NOT_FOUND")
    term = {"filter": {"generic_search_term": "a\x00b"}}
    assert await alice.refused("POST", path, term) == (400, "M_INVALID_PARAM")


async def test_contents_of_any_shape_break_nothing(alice: Talker) -> None:
    mark = secrets.token_hex(6)
    room_id = await alice.make_room(visibility="public", name=mark, creation_content={"type": "a\x00b", "x": ["\x00"]})
    await alice.set_state(room_id, "m.room.topic", {"topic": {"not": "text"}})
    await alice.set_state(room_id, "m.room.avatar", {"url": 7})
    entry = (await search(alice, mark))["chunk"][0]
    assert entry["name"] == mark
    assert "topic" not in entry
    assert "avatar_url" not in entry


# --- summaries ---


def summed_up(room_id_or_alias: str) -> str:
    return f"{V1}/room_summary/{segment(room_id_or_alias)}"


async def test_summary_of_an_open_room(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    alias = new_alias()
    room_id = await alice.make_room(preset="public_chat", name="open", room_alias_name=alias[1:].split(":")[0])
    status, anonymous = await ask(http, "GET", summed_up(room_id))
    assert status == 200
    assert "membership" not in anonymous
    assert anonymous["room_version"]
    assert (anonymous["name"], anonymous["num_joined_members"]) == ("open", 1)
    assert (await bob.get(summed_up(alias)))["membership"] == "leave"
    assert (await alice.get(summed_up(room_id)))["membership"] == "join"


async def test_summary_of_a_closed_room(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    room_id = await alice.make_room()
    assert await bob.refused("GET", summed_up(room_id)) == (404, "M_NOT_FOUND")
    assert (await ask(http, "GET", summed_up(room_id)))[0] == 404
    await alice.set_state(room_id, "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    await alice.invite(room_id, bob)
    said = await bob.get(summed_up(room_id))
    assert (said["membership"], said["join_rule"]) == ("invite", "invite")
    assert said["encryption"] == "m.megolm.v1.aes-sha2"
    assert await bob.refused("GET", summed_up("!none:test.example")) == (404, "M_NOT_FOUND")
    assert await bob.refused("GET", summed_up(new_alias())) == (404, "M_NOT_FOUND")
    assert await bob.refused("GET", summed_up("nonsense")) == (400, "M_INVALID_PARAM")


async def test_summary_of_a_restricted_room(alice: Talker, bob: Talker) -> None:
    club, room_id = await alice.make_room(preset="public_chat"), await alice.make_room()
    rule = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": club}]}
    await alice.set_state(room_id, "m.room.join_rules", rule)
    assert await bob.refused("GET", summed_up(room_id)) == (404, "M_NOT_FOUND")
    await bob.join(club)
    said = await bob.get(summed_up(room_id))
    assert said["allowed_room_ids"] == [club]
    assert said["join_rule"] == "restricted"


# --- successors ---


@pytest.mark.parametrize("version", ["11", "12"])
async def test_upgrade_takes_names_along(alice: Talker, bob: Talker, version: str) -> None:
    alias = new_alias()
    old = await alice.make_room(
        visibility="public", name="the room", room_version="11", room_alias_name=alias[1:].split(":")[0]
    )
    await bob.join(old)
    answer = await alice.post(f"{room(old)}/upgrade", {"new_version": version})
    new = answer["replacement_room"]
    assert new != old
    assert (await alice.get(f"{room(old)}/state/m.room.tombstone/"))["replacement_room"] == new
    create = await alice.get(f"{room(new)}/state/m.room.create/")
    assert create["room_version"] == version
    assert create["predecessor"]["room_id"] == old
    assert await alice.get(f"{room(new)}/state/m.room.name/") == {"name": "the room"}
    assert (await alice.get(at(alias)))["room_id"] == new
    assert (await alice.get(listed(old)))["visibility"] == "private"
    assert (await alice.get(listed(new)))["visibility"] == "public"


async def test_upgrades_that_are_refused(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    path = f"{room(room_id)}/upgrade"
    assert await alice.refused("POST", path, {"new_version": "99"}) == (400, "M_UNSUPPORTED_ROOM_VERSION")
    assert await alice.refused("POST", path, {}) == (400, "M_MISSING_PARAM")
    assert await bob.refused("POST", path, {"new_version": "11"}) == (403, "M_FORBIDDEN")
    assert await alice.refused("POST", f"{V3}/rooms/!none:x/upgrade", {"new_version": "11"}) == (403, "M_FORBIDDEN")
    more = {"new_version": "12", "additional_creators": ["nobody"]}
    assert await alice.refused("POST", path, more) == (400, "M_INVALID_PARAM")


async def test_additional_creators(alice: Talker, bob: Talker) -> None:
    old = await alice.make_room()
    body = {"new_version": "12", "additional_creators": [bob.user_id]}
    new = (await alice.post(f"{room(old)}/upgrade", body))["replacement_room"]
    create = await alice.get(f"{room(new)}/state/m.room.create/")
    assert create["additional_creators"] == [bob.user_id]
