"""Making rooms through HTTP: what each preset and each room version begins with, and what no room can begin with."""

import asyncio
import secrets
from typing import Any

import pytest
from tests.api.talking import V3, Json, Talker, room, segment
from tests.server import SERVER_NAME

VERSIONS = ("10", "11", "12")
PRESETS = {  # join rule, history visibility, guest access
    "private_chat": ("invite", "shared", "can_join"),
    "trusted_private_chat": ("invite", "shared", "can_join"),
    "public_chat": ("public", "shared", "forbidden"),
}
CREATE = f"{V3}/createRoom"
NAME, TOPIC, JOIN_RULES = "m.room.name", "m.room.topic", "m.room.join_rules"
LEVELS, ALIAS, GUESTS = "m.room.power_levels", "m.room.canonical_alias", "m.room.guest_access"
VISIBILITY, MEMBER, CREATED = "m.room.history_visibility", "m.room.member", "m.room.create"


def new_name() -> str:
    return f"room-{secrets.token_hex(6)}"


def initial(event_type: str, content: Json, **more: Any) -> Json:
    return {"type": event_type, "content": content, **more}


async def history(reader: Talker, room_id: str) -> list[Json]:
    """All events of the room, oldest first."""
    events: list[Json] = (await reader.messages(room_id, "f", limit=100))["chunk"]
    return events


async def keys(reader: Talker, room_id: str) -> list[str]:
    """What happened in the room: its events' types in their order, of members with what became of them."""
    return [
        f"{event['type']}: {event['content']['membership']}" if event["type"] == MEMBER else event["type"]
        for event in await history(reader, room_id)
    ]


# --- presets and versions ---


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("preset", PRESETS)
async def test_a_preset_in_each_version(alice: Talker, bob: Talker, preset: str, version: str) -> None:
    room_id = await alice.make_room(preset=preset, room_version=version, invite=[bob.user_id])
    create = await alice.state(room_id, CREATED, format="event")
    assert create["content"]["room_version"] == version
    assert create["sender"] == alice.user_id
    assert create["content"].get("creator") == (alice.user_id if version == "10" else None)
    assert (await alice.state(room_id, JOIN_RULES))["join_rule"] == PRESETS[preset][0]
    assert (await alice.state(room_id, VISIBILITY))["history_visibility"] == PRESETS[preset][1]
    assert (await alice.state(room_id, GUESTS))["guest_access"] == PRESETS[preset][2]
    levels = await alice.state(room_id, LEVELS)
    is_trusted = preset == "trusted_private_chat"
    if version == "12":
        assert levels["users"] == {}
        assert create["content"].get("additional_creators") == ([bob.user_id] if is_trusted else None)
        assert levels["events"]["m.room.tombstone"] > max(levels["events"][LEVELS], levels["state_default"])
        assert room_id == "!" + create["event_id"][1:]
    else:
        assert levels["users"] == {alice.user_id: 100, **({bob.user_id: 100} if is_trusted else {})}
        assert "additional_creators" not in create["content"]
        assert room_id.endswith(f":{SERVER_NAME}")
    await bob.join(room_id)
    renaming = ("PUT", f"{room(room_id)}/state/{NAME}/", {"name": "by bob"})
    if is_trusted:
        assert (await bob.ask(*renaming))[0] == 200
    else:
        assert await bob.refused(*renaming) == (403, "M_FORBIDDEN")


async def test_visibility_chooses_the_preset(alice: Talker) -> None:
    for visibility, rule in (("public", "public"), ("private", "invite"), (None, "invite")):
        room_id = await alice.make_room(**({"visibility": visibility} if visibility else {}))
        assert (await alice.state(room_id, JOIN_RULES))["join_rule"] == rule
        listed = await alice.get(f"{V3}/directory/list/room/{segment(room_id)}")
        assert listed["visibility"] == (visibility or "private")
    room_id = await alice.make_room(visibility="public", preset="private_chat")
    assert (await alice.state(room_id, JOIN_RULES))["join_rule"] == "invite"


async def test_the_default_version_is_the_one_of_the_capabilities(alice: Talker) -> None:
    stated = (await alice.get(f"{V3}/capabilities"))["capabilities"]["m.room_versions"]
    assert stated["default"] in stated["available"]
    room_id = await alice.make_room()
    assert (await alice.state(room_id, CREATED))["room_version"] == stated["default"]


@pytest.mark.parametrize("version", ["0", "01", "13", "org.example.none", ""])
async def test_unsupported_versions(alice: Talker, version: str) -> None:
    assert await alice.refused("POST", CREATE, {"room_version": version}) == (400, "M_UNSUPPORTED_ROOM_VERSION")


# --- what a room begins with ---


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_order_of_events(alice: Talker, bob: Talker, version: str) -> None:
    name = new_name()
    room_id = await alice.make_room(
        room_version=version,
        room_alias_name=name,
        name="a name",
        topic="a topic",
        invite=[bob.user_id],
        initial_state=[
            initial("org.example.first", {"n": 1}, state_key="k"),
            initial(VISIBILITY, {"history_visibility": "joined"}),
            initial(TOPIC, {"topic": "overwritten"}),
        ],
    )
    assert await keys(alice, room_id) == [
        CREATED,
        f"{MEMBER}: join",
        LEVELS,
        ALIAS,
        JOIN_RULES,
        GUESTS,
        "org.example.first",
        VISIBILITY,
        NAME,
        TOPIC,
        f"{MEMBER}: invite",
    ]
    assert await alice.state(room_id, ALIAS) == {"alias": f"#{name}:{SERVER_NAME}"}
    assert await alice.state(room_id, NAME) == {"name": "a name"}
    topic = await alice.state(room_id, TOPIC)
    assert topic["topic"] == "a topic"
    assert topic["m.topic"]["m.text"][0]["body"] == "a topic"
    assert await alice.state(room_id, "org.example.first", "k") == {"n": 1}
    events = await history(alice, room_id)
    assert [event["origin_server_ts"] for event in events] == sorted(event["origin_server_ts"] for event in events)


async def test_initial_state_overrides_the_preset(alice: Talker) -> None:
    levels = {"users": {}, "events_default": 7}
    room_id = await alice.make_room(
        preset="public_chat",
        initial_state=[
            initial(JOIN_RULES, {"join_rule": "knock"}, state_key=""),
            initial(GUESTS, {"guest_access": "can_join"}),
            initial(LEVELS, levels),
            initial(NAME, {"name": "from the state"}),
        ],
    )
    assert await alice.state(room_id, JOIN_RULES) == {"join_rule": "knock"}
    assert await alice.state(room_id, GUESTS) == {"guest_access": "can_join"}
    assert await alice.state(room_id, LEVELS) == levels
    assert await alice.state(room_id, NAME) == {"name": "from the state"}
    said = await keys(alice, room_id)
    assert len(said) == len(set(said))
    assert said.index(LEVELS) == 2


@pytest.mark.parametrize("version", VERSIONS)
async def test_power_levels_overridden(alice: Talker, bob: Talker, version: str) -> None:
    override = {"users_default": 25, "events": {NAME: 25}, "invite": 30}
    room_id = await alice.make_room(room_version=version, power_level_content_override=override)
    levels = await alice.state(room_id, LEVELS)
    assert {key: levels[key] for key in override} == override
    assert levels["ban"] == 50
    await alice.bring(room_id, bob)
    await bob.set_state(room_id, NAME, {"name": "bob may"})
    assert await bob.refused("PUT", f"{room(room_id)}/state/{TOPIC}/", {"topic": "no"}) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize("version", VERSIONS)
async def test_creation_content(alice: Talker, bob: Talker, version: str) -> None:
    content = {"type": "m.space", "m.federate": False, "org.example.x": [1], "creator": "@x:y", "room_version": "1"}
    room_id = await alice.make_room(room_version=version, creation_content=content)
    create = await alice.state(room_id, CREATED)
    assert create.pop("creator", None) == (alice.user_id if version == "10" else None)
    assert create == {"type": "m.space", "m.federate": False, "org.example.x": [1], "room_version": version}


async def test_creators_of_version_12(alice: Talker, bob: Talker) -> None:
    more = {"additional_creators": ["@other:elsewhere.example", bob.user_id]}
    room_id = await alice.make_room(
        room_version="12", preset="trusted_private_chat", invite=[bob.user_id], creation_content=more
    )
    create = await alice.state(room_id, CREATED)
    assert create["additional_creators"] == ["@other:elsewhere.example", bob.user_id]
    await bob.join(room_id)
    levels = await bob.state(room_id, LEVELS)
    for creator in (alice, bob):
        named = {**levels, "users": {creator.user_id: 100}}
        assert await alice.refused("PUT", f"{room(room_id)}/state/{LEVELS}/", named) == (400, "M_BAD_JSON")
    everything = {**levels, "events": {LEVELS: 2**53 - 1}, "state_default": 2**53 - 1, "ban": 2**53 - 1}
    await alice.set_state(room_id, LEVELS, everything)
    await bob.set_state(room_id, LEVELS, levels)
    kick = {"user_id": bob.user_id}
    assert await alice.refused("POST", f"{room(room_id)}/kick", kick) == (403, "M_FORBIDDEN")
    body = {"room_version": "12", "creation_content": {"additional_creators": "nobody"}}
    assert await alice.refused("POST", CREATE, body) == (400, "M_BAD_JSON")
    body = {"room_version": "12", "creation_content": {"additional_creators": ["nobody"]}}
    assert await alice.refused("POST", CREATE, body) == (400, "M_BAD_JSON")
    room_id = await alice.make_room(room_version="11", creation_content={"additional_creators": [bob.user_id]})
    await alice.bring(room_id, bob)
    assert await bob.refused("PUT", f"{room(room_id)}/state/{NAME}/", {"name": "x"}) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize("is_direct", [True, False])
async def test_invitations(alice: Talker, bob: Talker, is_direct: bool) -> None:
    invited = [bob.user_id, bob.user_id, alice.user_id]
    room_id = await alice.make_room(invite=invited, is_direct=is_direct, name="for two")
    member = await alice.state(room_id, MEMBER, bob.user_id)
    assert member["membership"] == "invite"
    assert member.get("is_direct", False) is is_direct
    assert (await keys(alice, room_id)).count(f"{MEMBER}: invite") == 1
    told = (await bob.sync())["rooms"]["invite"][room_id]["invite_state"]["events"]
    own = next(event for event in told if event["state_key"] == bob.user_id)
    assert own["content"].get("is_direct", False) is is_direct


# --- refusals, which must leave nothing behind ---


async def test_alias_taken(alice: Talker, bob: Talker) -> None:
    name = new_name()
    body = {"room_alias_name": name}
    room_id = await alice.make_room(**body)
    assert (await bob.get(f"{V3}/directory/room/{segment(f'#{name}:{SERVER_NAME}')}"))["room_id"] == room_id
    assert await bob.refused("POST", CREATE, body) == (400, "M_ROOM_IN_USE")
    assert (await bob.get(f"{V3}/joined_rooms"))["joined_rooms"] == []


@pytest.mark.parametrize(
    ("body", "errcode"),
    [
        ({"visibility": "secret"}, "M_INVALID_PARAM"),
        ({"preset": "loud_chat"}, "M_INVALID_PARAM"),
        ({"preset": 1}, "M_BAD_JSON"),
        ({"invite": "@a:b"}, "M_BAD_JSON"),
        ({"invite": ["nobody"]}, "M_INVALID_PARAM"),
        ({"invite": [f"@u{n}:{SERVER_NAME}" for n in range(101)]}, "M_INVALID_PARAM"),
        ({"room_alias_name": "a:b"}, "M_INVALID_PARAM"),
        ({"room_alias_name": ""}, "M_INVALID_PARAM"),
        ({"room_alias_name": "x" * 255}, "M_INVALID_PARAM"),
        ({"name": 5}, "M_BAD_JSON"),
        ({"initial_state": [{"content": {}}]}, "M_MISSING_PARAM"),
        ({"initial_state": [{"type": "x", "content": 1}]}, "M_BAD_JSON"),
        ({"initial_state": [initial(CREATED, {})]}, "M_INVALID_PARAM"),
        ({"initial_state": [initial(MEMBER, {"membership": "join"}, state_key="@a:b")]}, "M_INVALID_PARAM"),
        ({"initial_state": [initial("m.room.redaction", {"redacts": "$x"})]}, "M_INVALID_PARAM"),
        ({"initial_state": [initial("x", {"n": 1.5})]}, "M_BAD_JSON"),
        ({"initial_state": [initial(LEVELS, {"ban": "50"})]}, "M_BAD_JSON"),
        ({"power_level_content_override": {"users": {"nobody": 1}}}, "M_BAD_JSON"),
        ({"creation_content": []}, "M_BAD_JSON"),
        ({"invite_3pid": [{}]}, "M_THREEPID_NOT_FOUND"),
    ],
)
async def test_what_no_room_can_begin_with(alice: Talker, body: Json, errcode: str) -> None:
    assert await alice.refused("POST", CREATE, body) == (400, errcode)
    assert (await alice.get(f"{V3}/joined_rooms"))["joined_rooms"] == []
    assert "rooms" not in await alice.sync()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_state_that_forbids_itself(alice: Talker, version: str) -> None:
    """Nobody could set the name once the initial levels hold; in version 12 a creator has no level to be set."""
    override = {"users": {alice.user_id: 10}}
    body = {"room_version": version, "name": "x", "power_level_content_override": override}
    errcode = "M_BAD_JSON" if version == "12" else "M_INVALID_ROOM_STATE"
    assert await alice.refused("POST", CREATE, body) == (400, errcode)
    assert (await alice.get(f"{V3}/joined_rooms"))["joined_rooms"] == []


async def test_invited_people_must_exist(alice: Talker, bob: Talker) -> None:
    body = {"invite": [bob.user_id, f"@nobody-at-all:{SERVER_NAME}"]}
    assert await alice.refused("POST", CREATE, body) == (404, "M_NOT_FOUND")
    assert (await alice.get(f"{V3}/joined_rooms"))["joined_rooms"] == []
    assert "rooms" not in await bob.sync()


async def test_many_rooms_at_once_are_all_different(alice: Talker) -> None:
    """In version 12 the id is a hash: two rooms made alike in one commit must not become one."""
    for version in VERSIONS:
        made = await asyncio.gather(*(alice.make_room(room_version=version) for _ in range(8)))
        assert len(set(made)) == 8
