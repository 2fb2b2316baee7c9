"""Names, pictures and whatever else people show of themselves, through HTTP."""

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V3, Json, Talker, ask, room, segment
from tests.server import SERVER_NAME

PICTURE = f"mxc://{SERVER_NAME}/picture"
NOT_FOUND, INVALID, FORBIDDEN = (404, "M_NOT_FOUND"), (400, "M_INVALID_PARAM"), (403, "M_FORBIDDEN")
MEMBER = "m.room.member"


def of(who: Talker | str, key: str | None = None) -> str:
    user_id = who if isinstance(who, str) else who.user_id
    path = f"{V3}/profile/{segment(user_id)}"
    return path if key is None else f"{path}/{segment(key)}"


async def show(who: Talker, key: str, value: Any) -> None:
    assert await who.put(of(who, key), {key: value}) == {}


async def test_a_profile_is_shown_to_everybody(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    for key in ("displayname", "avatar_url", "m.tz"):
        assert await bob.refused("GET", of(alice, key)) == NOT_FOUND
    await show(alice, "displayname", "앨리스")
    await show(alice, "avatar_url", PICTURE)
    await show(alice, "m.tz", "Asia/Seoul")
    expected = {"displayname": "앨리스", "avatar_url": PICTURE, "m.tz": "Asia/Seoul"}
    assert await bob.get(of(alice)) == expected
    for key, value in expected.items():
        assert await bob.get(of(alice, key)) == {key: value}
        assert await ask(http, "GET", of(alice, key)) == (200, {key: value})
    await show(alice, "displayname", "A.")
    assert await alice.delete(of(alice, "m.tz")) == {}
    assert await alice.delete(of(alice, "m.tz")) == {}
    assert await bob.get(of(alice)) == {"displayname": "A.", "avatar_url": PICTURE}
    assert await bob.refused("GET", of(alice, "m.tz")) == NOT_FOUND


@pytest.mark.parametrize("value", ["text", 5, 1.5, True, None, [1, "x"], {"a": {"b": None}}, ""])
async def test_own_fields_hold_anything(alice: Talker, bob: Talker, value: Any) -> None:
    await show(alice, "org.example.field", value)
    assert await bob.get(of(alice, "org.example.field")) == {"org.example.field": value}
    assert await bob.get(of(alice)) == {"org.example.field": value}


@pytest.mark.parametrize("key", ["displayname", "avatar_url"])
async def test_a_name_or_picture_is_taken_away(alice: Talker, bob: Talker, key: str) -> None:
    room_id = await alice.make_room(invite=[bob.user_id])
    value = PICTURE if key == "avatar_url" else "A"
    for nothing in ("", None):
        await show(alice, key, value)
        assert (await alice.state(room_id, MEMBER, alice.user_id))[key] == value
        await show(alice, key, nothing)
        assert await bob.refused("GET", of(alice, key)) == NOT_FOUND
        assert await alice.state(room_id, MEMBER, alice.user_id) == {"membership": "join"}
    await show(alice, key, value)
    await alice.delete(of(alice, key))
    assert await alice.state(room_id, MEMBER, alice.user_id) == {"membership": "join"}


async def test_rooms_show_the_change(alice: Talker, bob: Talker) -> None:
    rooms = [await alice.make_room() for _ in range(3)]
    for room_id in rooms:
        await alice.bring(room_id, bob)
    left = rooms.pop()
    await bob.leave(left)
    since = (await alice.sync())["next_batch"]
    await show(bob, "displayname", "Bob")
    await show(bob, "org.example.field", 1)
    changes = (await alice.sync(since))["rooms"]["join"]
    assert set(changes) == set(rooms)
    for part in changes.values():
        (event,) = part["timeline"]["events"]
        assert (event["type"], event["state_key"]) == (MEMBER, bob.user_id)
        assert event["content"] == {"membership": "join", "displayname": "Bob"}
        assert event["unsigned"]["prev_content"] == {"membership": "join"}
    joined = (await alice.get(f"{room(rooms[0])}/joined_members"))["joined"]
    assert joined == {alice.user_id: {}, bob.user_id: {"display_name": "Bob"}}


async def test_changes_at_once_are_all_kept(alice: Talker) -> None:
    fields = {f"org.example.f{n}": n for n in range(8)}
    await asyncio.gather(*(show(alice, key, value) for key, value in fields.items()))
    assert await alice.get(of(alice)) == fields


async def test_rooms_end_with_the_name_that_the_profile_has(alice: Talker) -> None:
    rooms = [await alice.make_room() for _ in range(4)]
    for _ in range(3):
        await asyncio.gather(*(show(alice, "displayname", f"name {n}") for n in range(6)))
        name = (await alice.get(of(alice)))["displayname"]
        assert [(await alice.state(room_id, MEMBER, alice.user_id))["displayname"] for room_id in rooms] == [name] * 4


async def test_who_is_not_there_has_no_profile(alice: Talker) -> None:
    nobody = f"@nobody-at-all:{SERVER_NAME}"
    assert await alice.refused("GET", of(nobody)) == NOT_FOUND
    assert await alice.refused("GET", of(nobody, "displayname")) == NOT_FOUND
    assert await alice.refused("GET", of("nonsense")) == INVALID
    assert await alice.get(of(alice)) == {}


async def test_profiles_are_their_owners(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    assert await bob.refused("PUT", of(alice, "displayname"), {"displayname": "x"}) == FORBIDDEN
    assert await bob.refused("DELETE", of(alice, "displayname")) == FORBIDDEN
    status, answer = await ask(http, "PUT", of(alice, "displayname"), {"displayname": "x"})
    assert (status, answer["errcode"]) == (401, "M_MISSING_TOKEN")
    assert await alice.get(of(alice)) == {}


@pytest.mark.parametrize(
    ("key", "body", "refusal"),
    [
        ("displayname", {}, (400, "M_MISSING_PARAM")),
        ("displayname", {"name": "x"}, (400, "M_MISSING_PARAM")),
        ("displayname", {"displayname": 5}, (400, "M_BAD_JSON")),
        ("displayname", ["x"], (400, "M_BAD_JSON")),
        ("displayname", {"displayname": "x" * 257}, INVALID),
        ("avatar_url", {"avatar_url": {}}, (400, "M_BAD_JSON")),
        ("avatar_url", {"avatar_url": "https://example.org/x.png"}, INVALID),
        ("m.tz", {"m.tz": 5}, (400, "M_BAD_JSON")),
        ("Upper", {"Upper": 1}, INVALID),
        ("1x", {"1x": 1}, INVALID),
        ("x" * 256, {"x" * 256: 1}, (400, "M_KEY_TOO_LARGE")),
        ("org.example.large", {"org.example.large": "x" * 65_536}, (400, "M_PROFILE_TOO_LARGE")),
    ],
)
async def test_what_cannot_be_shown(alice: Talker, key: str, body: Any, refusal: tuple[int, str]) -> None:
    await show(alice, "org.example.kept", 1)
    assert await alice.refused("PUT", of(alice, key), body) == refusal
    assert await alice.get(of(alice)) == {"org.example.kept": 1}


async def test_a_picture_elsewhere_is_not_told_of_members(alice: Talker) -> None:
    """Membership set as state may hold anything; who asks for members gets pictures that clients can load."""
    room_id = await alice.make_room()
    odd: Json = {"membership": "join", "displayname": 5, "avatar_url": "https://example.org/x.png"}
    await alice.set_state(room_id, MEMBER, odd, alice.user_id)
    assert await alice.get(f"{room(room_id)}/joined_members") == {"joined": {alice.user_id: {}}}
