"""People without an account: how they come, where they may go, and what is not theirs to do."""

import os

import aiohttp
import pytest
from tests.api.allowed import allowed
from tests.api.talking import V1, V3, Talker, ask, room, segment

from bongsu.core.guests import MAY

NOT_FOR_GUESTS = (403, "M_GUEST_ACCESS_FORBIDDEN")
ACCESS, VISIBILITY = "m.room.guest_access", "m.room.history_visibility"


@pytest.fixture
async def guest(http: aiohttp.ClientSession) -> Talker:
    body = {"initial_device_display_name": "a browser", "username": "wanted", "password": "x", "device_id": "MINE"}
    status, answer = await ask(http, "POST", f"{V3}/register", body, kind="guest")
    if status == 403 and "BONGSU_TEST_BASE_URL" in os.environ:
        pytest.skip("this server takes no guests")
    assert status == 200
    return Talker(http, answer)


async def open_room(host: Talker, access: str = "can_join", **more: object) -> str:
    state = [{"type": ACCESS, "content": {"guest_access": access}}]
    return await host.make_room(preset="public_chat", initial_state=state, **more)


async def test_a_guest_chooses_the_name_of_the_device_alone(guest: Talker) -> None:
    assert "wanted" not in guest.user_id
    assert guest.device_id != "MINE"
    who = await guest.get(f"{V3}/account/whoami")
    assert who == {"user_id": guest.user_id, "device_id": guest.device_id, "is_guest": True}
    (device,) = (await guest.get(f"{V3}/devices"))["devices"]
    assert device["display_name"] == "a browser"


async def test_a_server_without_guests_says_so(elsewhere: aiohttp.ClientSession) -> None:
    status, answer = await ask(elsewhere, "POST", f"{V3}/register", {}, kind="guest")
    assert (status, answer["errcode"]) == NOT_FOR_GUESTS


async def test_a_guest_comes_in_where_the_room_says_so(alice: Talker, guest: Talker) -> None:
    room_id = await open_room(alice)
    await guest.join(room_id)
    await guest.say(room_id, "hello")
    await guest.put(f"{V3}/profile/{segment(guest.user_id)}/displayname", {"displayname": "A guest"})
    synced = await guest.sync()
    assert room_id in synced["rooms"]["join"]
    await guest.put(f"{room(room_id)}/typing/{segment(guest.user_id)}", {"typing": True, "timeout": 5000})
    await guest.leave(room_id)


@pytest.mark.parametrize("access", ["forbidden", "org.example"])
async def test_a_guest_stays_out_of_other_rooms(alice: Talker, guest: Talker, access: str) -> None:
    room_id = await open_room(alice, access, room_alias_name=f"guests-{segment(access)}-{guest.device_id.lower()}")
    assert await guest.refused("POST", f"{room(room_id)}/join", {}) == NOT_FOR_GUESTS
    assert await guest.refused("POST", f"{V3}/join/{segment(room_id)}", {}) == NOT_FOR_GUESTS
    await alice.invite(room_id, guest)
    assert await guest.refused("POST", f"{room(room_id)}/join", {}) == NOT_FOR_GUESTS
    assert await guest.refused("GET", f"{room(room_id)}/messages", dir="b") == (403, "M_FORBIDDEN")


async def test_the_join_rule_holds_for_guests(alice: Talker, guest: Talker) -> None:
    room_id = await alice.make_room(preset="private_chat")
    assert (await alice.state(room_id, ACCESS))["guest_access"] == "can_join"
    assert await guest.refused("POST", f"{room(room_id)}/join", {}) == (403, "M_FORBIDDEN")
    await alice.bring(room_id, guest)


async def test_guests_go_when_the_room_is_closed_to_them(alice: Talker, bob: Talker, guest: Talker) -> None:
    room_id = await open_room(alice)
    await guest.join(room_id)
    await bob.join(room_id)
    await alice.set_state(room_id, ACCESS, {"guest_access": "forbidden"})
    joined = (await alice.get(f"{room(room_id)}/joined_members"))["joined"]
    assert set(joined) == {alice.user_id, bob.user_id}
    assert room_id not in (await guest.get(f"{V3}/joined_rooms"))["joined_rooms"]
    assert await guest.refused("PUT", f"{room(room_id)}/send/m.room.message/x", {"body": "x"}) == (403, "M_FORBIDDEN")


async def test_a_guest_reads_what_the_world_may(alice: Talker, guest: Talker) -> None:
    room_id = await open_room(alice, "forbidden")
    await alice.set_state(room_id, VISIBILITY, {"history_visibility": "world_readable"})
    event_id = await alice.say(room_id, "for all")
    for path in ("state", "members", f"event/{segment(event_id)}", f"context/{segment(event_id)}", "initialSync"):
        await guest.get(f"{room(room_id)}/{path}")
    assert (await guest.messages(room_id, limit=1))["chunk"][0]["event_id"] == event_id
    assert (await guest.get(f"{V3}/events", room_id=room_id))["chunk"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", f"{V3}/createRoom", {}),
        ("POST", f"{V3}/rooms/!r/invite", {"user_id": "@a:b"}),
        ("POST", f"{V3}/knock/!r", {}),
        ("PUT", f"{V3}/rooms/!r/state/m.room.name/", {}),
        ("PUT", f"{V3}/rooms/!r/redact/$e/t", {}),
        ("PUT", f"{V3}/directory/room/%23a%3Ab", {"room_id": "!r"}),
        ("POST", "/_matrix/media/v3/upload", {}),
        ("POST", f"{V1}/login/get_token", {}),
        ("POST", f"{V3}/account/password", {}),
        ("PUT", f"{V3}/presence/@a:b/status", {"presence": "online"}),
        ("DELETE", f"{V3}/devices/D", {}),
    ],
)
async def test_what_is_not_for_guests(guest: Talker, method: str, path: str, body: object) -> None:
    assert await guest.refused(method, path, body) == NOT_FOR_GUESTS


async def test_a_guest_has_no_picture(guest: Talker) -> None:
    path = f"{V3}/profile/{segment(guest.user_id)}/avatar_url"
    assert await guest.refused("PUT", path, {"avatar_url": "mxc://a/b"}) == NOT_FOR_GUESTS


async def test_the_table_names_endpoints_that_there_are(http: aiohttp.ClientSession) -> None:
    for method, path in MAY:
        found = [await allowed(http, f"/_matrix/client/{version}/{path}") for version in ("v3", "v1")]
        found += [await allowed(http, f"/_matrix/client/{prefix}{path}") for prefix in ("", "unstable/")]
        assert any(method in methods for methods in found), (method, path)
