"""People one does not want to hear of, through HTTP: ignored ones, and invitations that are blocked."""

from typing import Any

import aiohttp
import pytest
from tests.api.talking import V1, V3, Json, Talker, relating, room, segment, sign_up

MESSAGE, MEMBER = "m.room.message", "m.room.member"
BLOCKED = (403, "M_INVITE_BLOCKED")


@pytest.fixture
async def carol(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "carol")


@pytest.fixture
async def room_id(alice: Talker, bob: Talker, carol: Talker) -> str:
    room_id = await alice.make_room(name="ours")
    await alice.bring(room_id, bob, carol)
    return room_id


async def set_account_data(who: Talker, kind: str, content: Json) -> None:
    await who.put(f"{V3}/user/{segment(who.user_id)}/account_data/{kind}", content)


async def ignore(who: Talker, *people: Talker) -> None:
    await set_account_data(who, "m.ignored_user_list", {"ignored_users": {person.user_id: {} for person in people}})


async def room_part(reader: Talker, room_id: str, since: str | None = None) -> Json:
    part: Json = (await reader.sync(since))["rooms"]["join"][room_id]
    return part


def bodies(part: Json) -> list[str]:
    return [event["content"]["body"] for event in part["timeline"]["events"] if event["type"] == MESSAGE]


async def test_ignored_people_are_not_heard(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    await carol.say(room_id, "before")
    await ignore(bob, carol)
    since = (await bob.sync())["next_batch"]
    await carol.say(room_id, "ignored", **{"m.mentions": {"user_ids": [bob.user_id]}})
    await alice.say(room_id, "heard")
    for token, expected in ((since, ["heard"]), (None, ["heard"])):
        part = await room_part(bob, room_id, token)
        assert bodies(part) == expected
        assert part["unread_notifications"] == {"notification_count": 1, "highlight_count": 0}
    assert bodies(await room_part(alice, room_id, None)) == ["before", "ignored", "heard"]
    await ignore(bob)
    assert bodies(await room_part(bob, room_id)) == ["before", "ignored", "heard"]
    await carol.say(room_id, "heard again")
    assert bodies(await room_part(bob, room_id, since))[-1] == "heard again"


async def test_what_ignored_people_make_of_the_room_is_told(
    alice: Talker, bob: Talker, carol: Talker, room_id: str
) -> None:
    await ignore(bob, alice, carol)
    since = (await bob.sync())["next_batch"]
    await alice.say(room_id, "not heard")
    await alice.set_state(room_id, "m.room.name", {"name": "renamed"})
    await carol.leave(room_id)
    events = (await room_part(bob, room_id, since))["timeline"]["events"]
    assert [event["type"] for event in events] == ["m.room.name", MEMBER]


async def test_ignored_people_do_not_count_in_threads(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    root, hers = await alice.say(room_id, "root"), await carol.say(room_id, "hers")
    latest = await alice.say(room_id, "heard", **relating("m.thread", root))
    await carol.say(room_id, "not heard", **relating("m.thread", root))
    await alice.say(room_id, "an answer", **relating("m.thread", hers))
    await carol.say(room_id, "alone", **relating("m.thread", await alice.say(room_id, "empty")))
    await ignore(bob, carol)
    chunk = (await bob.get(f"{room(room_id, V1)}/threads"))["chunk"]
    shown = {event["event_id"]: event for event in chunk}
    thread = shown[root]["unsigned"]["m.relations"]["m.thread"]
    assert (thread["count"], thread["latest_event"]["event_id"]) == (1, latest)
    assert shown[hers]["content"] == {}
    event = await alice.event(room_id, root)
    assert event["unsigned"]["m.relations"]["m.thread"]["count"] == 2
    timeline = (await room_part(bob, room_id))["timeline"]["events"]
    synced = next(event for event in timeline if event["event_id"] == root)
    assert synced["unsigned"]["m.relations"]["m.thread"]["count"] == 1


async def test_ignored_people_do_not_invite(alice: Talker, bob: Talker, carol: Talker) -> None:
    await ignore(bob, carol)
    since = (await bob.sync())["next_batch"]
    await carol.make_room(invite=[bob.user_id])
    heard = await alice.make_room(invite=[bob.user_id])
    for token in (since, None):
        assert set((await bob.sync(token))["rooms"]["invite"]) == {heard}


@pytest.mark.parametrize("content", [{}, {"ignored_users": []}, {"ignored_users": {"nobody": 1}}, {"ignored_users": 5}])
async def test_a_list_of_another_form_ignores_nobody(alice: Talker, bob: Talker, room_id: str, content: Json) -> None:
    await set_account_data(bob, "m.ignored_user_list", content)
    await alice.say(room_id, "heard")
    assert bodies(await room_part(bob, room_id)) == ["heard"]


async def test_invitations_are_blocked(alice: Talker, bob: Talker, room_id: str, carol: Talker) -> None:
    old = await alice.make_room(invite=[bob.user_id])
    new = await alice.make_room()
    since = (await bob.sync())["next_batch"]
    await set_account_data(bob, "m.invite_permission_config", {"default_action": "block"})
    own_state = f"{room(new)}/state/{MEMBER}/{segment(bob.user_id)}"
    asked: list[tuple[str, str, Any]] = [
        ("POST", f"{room(new)}/invite", {"user_id": bob.user_id}),
        ("PUT", own_state, {"membership": "invite"}),
        ("POST", f"{V3}/createRoom", {"invite": [bob.user_id]}),
    ]
    for method, path, body in asked:
        assert await alice.refused(method, path, body) == BLOCKED
    assert await alice.refused("GET", own_state) == (404, "M_NOT_FOUND")
    assert "invite" not in (await bob.sync())["rooms"]
    assert await carol.refused("POST", f"{room(new)}/invite", {"user_id": bob.user_id}) == (403, "M_FORBIDDEN")
    assert room_id in (await bob.sync())["rooms"]["join"]
    await set_account_data(bob, "m.invite_permission_config", {})
    await alice.invite(new, bob)
    assert set((await bob.sync())["rooms"]["invite"]) == {old, new}
    assert set((await bob.sync(since))["rooms"]["invite"]) == {new}
