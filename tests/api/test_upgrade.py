"""Replacing a room by one of another version, through HTTP: what goes along, and what becomes of the old one."""

import asyncio
import secrets

import aiohttp
import pytest
from tests.api.talking import V3, Json, Talker, room, segment, sign_up
from tests.server import SERVER_NAME

VERSIONS = ("10", "11", "12")
CREATE, NAME, TOPIC, LEVELS = "m.room.create", "m.room.name", "m.room.topic", "m.room.power_levels"
JOIN_RULES, ALIAS, TOMBSTONE = "m.room.join_rules", "m.room.canonical_alias", "m.room.tombstone"
FORBIDDEN = (403, "M_FORBIDDEN")
COPIED: dict[str, Json] = {
    NAME: {"name": "moving"},
    TOPIC: {"topic": "soon"},
    "m.room.avatar": {"url": "mxc://x/y"},
    "m.room.server_acl": {"allow": ["*"]},
    "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
    "m.room.history_visibility": {"history_visibility": "joined"},
    "m.room.guest_access": {"guest_access": "forbidden"},
    JOIN_RULES: {"join_rule": "knock"},
}


def new_name() -> str:
    return f"upgraded-{secrets.token_hex(6)}"


async def upgrade(who: Talker, room_id: str, version: str, **more: object) -> str:
    body: Json = {"new_version": version, **more}
    new: str = (await who.post(f"{room(room_id)}/upgrade", body))["replacement_room"]
    return new


async def types(reader: Talker, room_id: str) -> list[str]:
    return [event["type"] for event in (await reader.messages(room_id, "f", limit=100))["chunk"]]


@pytest.mark.parametrize("old_version", VERSIONS)
@pytest.mark.parametrize("version", VERSIONS)
async def test_from_each_version_to_each(alice: Talker, bob: Talker, old_version: str, version: str) -> None:
    state = [{"type": kind, "content": content} for kind, content in COPIED.items()]
    content = {"type": "org.example.kind", "m.federate": False}
    old = await alice.make_room(room_version=old_version, initial_state=state, creation_content=content)
    await alice.bring(old, bob)
    since = (await bob.sync())["next_batch"]
    new = await upgrade(alice, old, version)
    create = await alice.state(new, CREATE)
    assert create["room_version"] == version
    assert create["predecessor"]["room_id"] == old
    newest = "m.room.member" if version == "12" else TOMBSTONE
    assert (await alice.event(old, create["predecessor"]["event_id"]))["type"] == newest
    assert create.get("creator") == (alice.user_id if version == "10" else None)
    assert {key: create[key] for key in content} == content
    for kind, expected in COPIED.items():
        assert await alice.state(new, kind) == expected
    levels = await alice.state(new, LEVELS)
    if version == "12":
        assert alice.user_id not in levels["users"]
        assert levels["events"][TOMBSTONE] > levels["state_default"]
    else:
        assert levels["users"][alice.user_id] == 100
    assert (await types(alice, new))[:3] == [CREATE, "m.room.member", LEVELS]
    assert (await alice.get(f"{room(new)}/joined_members"))["joined"].keys() == {alice.user_id}
    await alice.say(new, "moved")
    told = (await bob.sync(since))["rooms"]["join"][old]["timeline"]["events"]
    tombstone = next(event for event in told if event["type"] == TOMBSTONE)
    assert tombstone["content"]["replacement_room"] == new
    assert tombstone["content"]["body"]
    assert tombstone["sender"] == alice.user_id


async def test_the_old_room_is_closed(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    old = await alice.make_room()
    await alice.bring(old, bob)
    await bob.say(old, "still open")
    await upgrade(alice, old, "11")
    assert await bob.refused("PUT", f"{room(old)}/send/m.room.message/x", {"body": "x"}) == FORBIDDEN
    somebody = await sign_up(http, "somebody")
    assert await bob.refused("POST", f"{room(old)}/invite", {"user_id": somebody.user_id}) == FORBIDDEN
    levels = await bob.state(old, LEVELS)
    assert min(levels["events_default"], levels["invite"]) >= 50
    await alice.say(old, "the moderator may still explain")
    assert (await bob.messages(old))["chunk"]


async def test_levels_are_taken_along(alice: Talker, bob: Talker) -> None:
    old = await alice.make_room(room_version="11")
    await alice.bring(old, bob)
    levels = await alice.state(old, LEVELS)
    users = {alice.user_id: 100, bob.user_id: 50}
    await alice.set_state(old, LEVELS, {**levels, "users": users, "kick": 60, "events": {NAME: 33}})
    for version, expected in (("11", users), ("12", {bob.user_id: 50})):
        new = await upgrade(alice, old, version)
        copied = await alice.state(new, LEVELS)
        assert copied["users"] == expected
        assert (copied["kick"], copied["events"][NAME]) == (60, 33)
        assert copied["events_default"] == (0 if version == "11" else 50)  # the second time the old room was closed


async def test_names_move(alice: Talker, bob: Talker) -> None:
    name = new_name()
    alias = f"#{name}:{SERVER_NAME}"
    old = await alice.make_room(visibility="public", room_alias_name=name)
    new = await upgrade(alice, old, "12")
    found = await bob.get(f"{V3}/directory/room/{segment(alias)}")
    assert found["room_id"] == new
    assert await alice.get(f"{room(old)}/aliases") == {"aliases": []}
    assert await alice.get(f"{room(new)}/aliases") == {"aliases": [alias]}
    assert await alice.state(new, ALIAS) == {"alias": alias}
    assert await alice.state(old, ALIAS) == {}
    listed = [await bob.get(f"{V3}/directory/list/room/{segment(each)}") for each in (old, new)]
    assert [each["visibility"] for each in listed] == ["private", "public"]
    await bob.post(f"{V3}/join/{segment(alias)}")
    assert (await bob.get(f"{V3}/joined_rooms"))["joined_rooms"] == [new]


async def test_a_moderator_may_upgrade_when_levels_say_so(alice: Talker, bob: Talker) -> None:
    old = await alice.make_room(room_version="11", name="x")
    await alice.bring(old, bob)
    levels = await alice.state(old, LEVELS)
    events = {**levels["events"], TOMBSTONE: 50}
    await alice.set_state(old, LEVELS, {**levels, "events": events, "users": {**levels["users"], bob.user_id: 50}})
    for version in VERSIONS:
        new = await upgrade(bob, old, version)
        assert (await bob.state(new, NAME)) == {"name": "x"}
        assert (await bob.state(old, TOMBSTONE))["replacement_room"] == new


async def test_creators_of_the_new_room(alice: Talker, bob: Talker) -> None:
    old = await alice.make_room(room_version="12", creation_content={"additional_creators": [bob.user_id]})
    new = await upgrade(alice, old, "12")
    assert "additional_creators" not in await alice.state(new, CREATE)
    new = await upgrade(alice, old, "12", additional_creators=[bob.user_id])
    assert (await alice.state(new, CREATE))["additional_creators"] == [bob.user_id]
    assert bob.user_id not in (await alice.state(new, LEVELS))["users"]
    new = await upgrade(alice, old, "11", additional_creators=[bob.user_id])
    assert "additional_creators" not in await alice.state(new, CREATE)


async def test_upgrades_that_are_refused(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(name="stays")
    path = f"{room(room_id)}/upgrade"
    body = {"new_version": "11"}
    assert await bob.refused("POST", path, body) == FORBIDDEN
    await alice.bring(room_id, bob)
    before = await types(alice, room_id)
    assert await bob.refused("POST", path, body) == FORBIDDEN
    assert await alice.refused("POST", path, {"new_version": "13"}) == (400, "M_UNSUPPORTED_ROOM_VERSION")
    assert await alice.refused("POST", path, {"new_version": 11}) == (400, "M_BAD_JSON")
    assert await alice.refused("POST", path, {}) == (400, "M_MISSING_PARAM")
    more = {"new_version": "12", "additional_creators": ["nobody"]}
    assert await alice.refused("POST", path, more) == (400, "M_INVALID_PARAM")
    assert await alice.refused("POST", f"{room('!none:x.example')}/upgrade", body) == FORBIDDEN
    assert await types(alice, room_id) == before
    assert (await alice.get(f"{V3}/joined_rooms"))["joined_rooms"] == [room_id]


async def test_upgrading_at_once_makes_rooms_that_differ(alice: Talker) -> None:
    old = await alice.make_room()
    made = await asyncio.gather(*(upgrade(alice, old, "12") for _ in range(5)))
    assert len(set(made)) == 5
    assert (await alice.state(old, TOMBSTONE))["replacement_room"] in made


async def test_who_was_kept_out_stays_out(alice: Talker, bob: Talker) -> None:
    old = await alice.make_room(preset="public_chat", room_version="11")
    await bob.join(old)
    await alice.post(f"{room(old)}/ban", {"user_id": bob.user_id, "reason": "spam"})
    new = await upgrade(alice, old, "12")
    assert await alice.state(new, "m.room.member", bob.user_id) == {"membership": "ban", "reason": "spam"}
    assert await bob.refused("POST", f"{room(new)}/join", {}) == FORBIDDEN


async def test_who_is_not_let_in_takes_nothing_along(alice: Talker, bob: Talker) -> None:
    old = await alice.make_room(preset="public_chat")
    await bob.join(old)
    own = f"{V3}/user/{bob.user_id}/rooms"
    await bob.put(f"{own}/{segment(old)}/tags/u.work", {"order": 0.5})
    new = await alice.make_room(preset="private_chat", creation_content={"predecessor": {"room_id": old}})
    assert await bob.refused("POST", f"{room(new)}/join", {}) == FORBIDDEN
    assert await bob.get(f"{own}/{segment(new)}/tags") == {"tags": {}}
    options = {"creation_content": {"predecessor": {"room_id": old}}, "initial_state": [{"type": "m.room.create"}]}
    assert (await bob.ask("POST", f"{V3}/createRoom", options))[0] == 400
    before = (await bob.sync())["next_batch"]
    assert "account_data" not in await bob.sync(before)


@pytest.mark.parametrize("by_hand", [False, True])
async def test_what_people_set_for_the_room_goes_along(alice: Talker, bob: Talker, by_hand: bool) -> None:
    old = await alice.make_room(preset="public_chat", room_version="11")
    await bob.join(old)
    off = {"conditions": [{"kind": "event_match", "key": "room_id", "pattern": old}], "actions": []}
    for person in (alice, bob):
        own = f"{V3}/user/{person.user_id}"
        await person.put(f"{own}/rooms/{segment(old)}/tags/u.work", {"order": 0.5})
        await person.put(f"{own}/account_data/m.direct", {"@x:y.example": ["!other:y.example", old]})
        await person.put(f"{V3}/pushrules/global/room/{segment(old)}", {"actions": ["notify"]})
        await person.put(f"{V3}/pushrules/global/override/{segment(old)}", off)
        await person.put(f"{V3}/pushrules/global/override/{segment(old)}/enabled", {"enabled": False})
    if by_hand:
        new = await alice.make_room(preset="public_chat", creation_content={"predecessor": {"room_id": old}})
        await alice.set_state(old, TOMBSTONE, {"body": "moved", "replacement_room": new})
    else:
        new = await upgrade(alice, old, "12")
    since = (await bob.sync())["next_batch"]
    await bob.join(new)
    told = await bob.sync(since)
    assert {event["type"] for event in told["account_data"]["events"]} == {"m.direct", "m.push_rules"}
    assert told["rooms"]["join"][new]["account_data"]["events"][0]["content"] == {"tags": {"u.work": {"order": 0.5}}}
    for person in (alice, bob):
        own = f"{V3}/user/{person.user_id}"
        assert await person.get(f"{own}/rooms/{segment(new)}/tags") == {"tags": {"u.work": {"order": 0.5}}}
        assert (await person.get(f"{own}/account_data/m.direct"))["@x:y.example"] == ["!other:y.example", old, new]
        rule = await person.get(f"{V3}/pushrules/global/room/{segment(new)}")
        assert (rule["actions"], rule["enabled"]) == (["notify"], True)
        rule = await person.get(f"{V3}/pushrules/global/override/{segment(new)}")
        assert (rule["conditions"][0]["pattern"], rule["enabled"]) == (new, False)


async def test_a_later_choice_is_not_undone_by_coming_in_again(alice: Talker) -> None:
    old = await alice.make_room()
    rule = f"{V3}/pushrules/global/room"
    await alice.put(f"{rule}/{segment(old)}", {"actions": ["notify"]})
    new = await upgrade(alice, old, "12")
    await alice.put(f"{rule}/{segment(new)}", {"actions": []})
    await alice.set_state(new, JOIN_RULES, {"join_rule": "public"})
    await alice.leave(new)
    await alice.join(new)
    assert (await alice.get(f"{rule}/{segment(new)}"))["actions"] == []
