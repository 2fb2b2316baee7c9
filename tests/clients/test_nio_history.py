"""The past through matrix-nio: paged, filtered, limited, and the same however it is read."""

from typing import Any

import nio  # type: ignore[import-untyped]

from tests.clients.person import People, Person, ok, photo

PAGES_MAX = 50


async def pages(reader: Person, room_id: str, start: str | None, **options: Any) -> list[nio.Event]:
    """Every event from `start` to the end of that direction."""
    events: list[nio.Event] = []
    for _ in range(PAGES_MAX):
        page = await ok(reader.client.room_messages(room_id, start, **options), nio.RoomMessagesResponse)
        events += page.chunk
        if not page.end or not page.chunk:
            return events
        start = page.end
    raise AssertionError(f"{room_id} did not end after {PAGES_MAX} pages")


def bodies(events: list[nio.Event]) -> list[str]:
    return [event.body for event in events if isinstance(event, nio.RoomMessage)]


async def test_paging_back_to_the_first_event(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    said = [await (alice, bob)[n % 2].say(room_id, f"message {n}") for n in range(45)]
    await bob.sees(room_id, said[-1])
    back = await pages(bob, room_id, bob.client.next_batch, limit=10)
    assert [event.event_id for event in back if isinstance(event, nio.RoomMessage)] == said[::-1]
    assert isinstance(back[-1], nio.RoomCreateEvent)
    ids = [event.event_id for event in back]
    assert len(set(ids)) == len(ids)
    forth = await pages(bob, room_id, None, limit=7, direction=nio.MessageDirection.front)
    assert [event.event_id for event in forth] == ids[::-1]
    assert [event.source["content"] for event in forth] == [event.source["content"] for event in back[::-1]]


async def test_paging_from_the_start_of_the_timeline(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    said = [await alice.say(room_id, f"message {n}") for n in range(25)]
    await bob.sees(room_id, said[-1])
    phone = await people.another_device(bob)
    first = (await phone.sync(sync_filter={"room": {"timeline": {"limit": 5}}})).rooms.join[room_id].timeline
    assert first.limited is True
    assert [event.event_id for event in first.events] == said[-5:]
    before = await pages(phone, room_id, first.prev_batch, limit=10)
    assert [event.event_id for event in before if isinstance(event, nio.RoomMessage)] == said[:-5][::-1]


async def test_newcomer_reads_shared_history(people: People) -> None:
    room_id, (alice, _) = await people.group("alice", "bob")
    for n in range(5):
        await alice.say(room_id, f"before {n}")
    (carol,) = await people.sign_up("carol")
    await ok(alice.client.room_invite(room_id, carol.user_id), nio.RoomInviteResponse)
    await carol.join(room_id)
    await carol.sees(room_id, await alice.say(room_id, "after"))
    events = await pages(carol, room_id, carol.client.next_batch)
    assert bodies(events) == ["after", *(f"before {n}" for n in (4, 3, 2, 1, 0))]


async def test_newcomer_cannot_read_what_was_for_members(people: People) -> None:
    closed = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}
    room_id, (alice, _) = await people.group("alice", "bob", initial_state=[closed])
    secret = await alice.say(room_id, "before")
    (carol,) = await people.sign_up("carol")
    await ok(alice.client.room_invite(room_id, carol.user_id), nio.RoomInviteResponse)
    await carol.join(room_id)
    await carol.sees(room_id, await alice.say(room_id, "after"))
    assert carol.bodies(room_id) == ["after"]
    assert bodies(await pages(carol, room_id, carol.client.next_batch)) == ["after"]
    hidden = await ok(carol.client.room_get_event(room_id, secret), nio.RoomGetEventError)
    assert hidden.status_code in ("M_NOT_FOUND", "M_FORBIDDEN")


async def test_context(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    said = [await alice.say(room_id, f"message {n}") for n in range(12)]
    await bob.sees(room_id, said[-1])
    around = await ok(bob.client.room_context(room_id, said[6], limit=6), nio.RoomContextResponse)
    assert around.event.event_id == said[6]
    assert [event.event_id for event in around.events_before] == said[3:6][::-1]
    assert [event.event_id for event in around.events_after] == said[7:10]
    assert any(isinstance(event, nio.RoomCreateEvent) for event in around.state)
    earlier = await ok(bob.client.room_messages(room_id, around.start, limit=3), nio.RoomMessagesResponse)
    assert [event.event_id for event in earlier.chunk] == said[:3][::-1]
    later = await ok(
        bob.client.room_messages(room_id, around.end, limit=5, direction=nio.MessageDirection.front),
        nio.RoomMessagesResponse,
    )
    assert [event.event_id for event in later.chunk] == said[10:]


async def test_history_can_be_filtered(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    uri = await alice.upload(photo(32, 32), "image/png", "beacon.png")
    for n in range(3):
        await alice.say(room_id, f"alice {n}")
        await bob.say(room_id, f"bob {n}")
    await alice.send(room_id, "m.room.message", {"msgtype": "m.image", "body": "beacon.png", "url": uri})
    await bob.sees(room_id, await alice.say(room_id, "that was it"))

    async def read(event_filter: dict[str, Any]) -> list[str]:
        return bodies(await pages(bob, room_id, bob.client.next_batch, limit=2, message_filter=event_filter))

    assert await read({"senders": [bob.user_id]}) == ["bob 2", "bob 1", "bob 0"]
    assert await read({"contains_url": True}) == ["beacon.png"]
    assert await read({"types": ["m.room.member"]}) == []
    hers = await read({"types": ["m.room.message"], "not_senders": [bob.user_id]})
    assert hers == ["that was it", "beacon.png", "alice 2", "alice 1", "alice 0"]


async def test_a_limited_timeline_has_its_gap_filled(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    await bob.sees(room_id, await alice.say(room_id, "seen"))
    since = bob.client.next_batch
    missed = [await alice.say(room_id, f"missed {n}") for n in range(12)]
    await alice.sees(room_id, missed[-1])
    room_filter = {"timeline": {"limit": 3}}
    filter_id = (await ok(bob.client.upload_filter(room=room_filter), nio.UploadFilterResponse)).filter_id
    timeline = (await bob.sync(sync_filter=filter_id)).rooms.join[room_id].timeline
    assert timeline.limited is True
    assert [event.event_id for event in timeline.events] == missed[-3:]
    gap = await pages(bob, room_id, timeline.prev_batch, end=since, limit=4)
    assert [event.event_id for event in gap] == missed[:-3][::-1]


async def test_state_changed_in_the_gap_is_in_the_state(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    await bob.sees(room_id, await alice.say(room_id, "seen"))
    await alice.set_state(room_id, "m.room.name", {"name": "renamed in the gap"})
    missed = [await alice.say(room_id, f"missed {n}") for n in range(5)]
    await alice.sees(room_id, missed[-1])
    joined = (await bob.sync(sync_filter={"room": {"timeline": {"limit": 2}}})).rooms.join[room_id]
    assert (joined.timeline.limited, len(joined.timeline.events)) == (True, 2)
    assert [event.name for event in joined.state if isinstance(event, nio.RoomNameEvent)] == ["renamed in the gap"]
    assert bob.room(room_id).name == "renamed in the gap"


async def test_sync_with_a_filter(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")
    await bob.create(name="another room")
    only = {
        "room": {
            "rooms": [room_id],
            "timeline": {"types": ["m.room.message"], "not_senders": [carol.user_id], "limit": 50},
            "state": {"types": ["m.room.name"]},
            "ephemeral": {"types": []},
        },
        "presence": {"types": []},
        "account_data": {"types": []},
    }
    await alice.say(room_id, "heard")
    await carol.say(room_id, "not heard")
    await alice.set_state(room_id, "m.room.topic", {"topic": "not shown"})
    last = await alice.say(room_id, "heard too")
    await bob.sees(room_id, last)
    phone = await people.another_device(bob)
    answer = await phone.sync(sync_filter=only)
    assert phone.find(room_id, last) is not None
    assert phone.bodies(room_id) == ["heard", "heard too"]
    assert {type(event) for event in phone.timeline[room_id]} == {nio.RoomMessageText}
    assert (answer.rooms.join[room_id].state, answer.presence_events, answer.account_data_events) == ([], [], [])
    assert list(answer.rooms.join) == [room_id]


async def test_lazily_loaded_members(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol", name="a named room")
    await bob.sees(room_id, await alice.say(room_id, "only she spoke"))
    phone = await people.another_device(bob)
    lazy = {"room": {"state": {"lazy_load_members": True}, "timeline": {"limit": 1}}}
    state = (await phone.sync(sync_filter=lazy)).rooms.join[room_id].state
    members = {event.state_key for event in state if isinstance(event, nio.RoomMemberEvent)}
    assert alice.user_id in members
    assert carol.user_id not in members
    event_id = await carol.say(room_id, "now I speak")
    while phone.find(room_id, event_id) is None:
        answer = await phone.sync(3_000, sync_filter=lazy)
    state = answer.rooms.join[room_id].state
    assert [event.state_key for event in state if isinstance(event, nio.RoomMemberEvent)] == [carol.user_id]
    assert phone.room(room_id).joined_count == 3


async def test_an_older_token_gives_the_same_again(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    token = bob.client.next_batch
    said = [await alice.say(room_id, f"message {n}") for n in range(4)]
    await bob.sees(room_id, said[-1])
    for since in (token, token):
        answer = await bob.sync(since=since)
        assert [event.event_id for event in answer.rooms.join[room_id].timeline.events] == said
    quiet = await bob.sync()
    assert room_id not in quiet.rooms.join


async def test_increments_add_up_to_a_fresh_sync(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol", name="first name")
    await ok(bob.client.set_displayname("Bobby"), nio.ProfileSetDisplayNameResponse)
    await alice.set_state(room_id, "m.room.name", {"name": "second name"})
    await ok(alice.client.room_kick(room_id, carol.user_id), nio.RoomKickResponse)
    await alice.sync()
    await ok(alice.client.update_room_topic(room_id, "what we do"), nio.RoomPutStateResponse)
    levels = await ok(alice.client.room_get_state_event(room_id, "m.room.power_levels"), nio.RoomGetStateEventResponse)
    powers = {**levels.content, "users": {**levels.content.get("users", {}), bob.user_id: 42}}
    last = await alice.set_state(room_id, "m.room.power_levels", powers)
    await alice.sees(room_id, last)
    fresh = await people.another_device(alice)
    await fresh.sync()
    assert fold(fresh, room_id) == fold(alice, room_id)
    assert fold(fresh, room_id)["name"] == "second name"


def fold(person: Person, room_id: str) -> dict[str, Any]:
    """What a client shows of a room."""
    room = person.room(room_id)
    return {
        "name": room.name,
        "topic": room.topic,
        "join_rule": room.join_rule,
        "history_visibility": room.history_visibility,
        "members": {user.user_id: (user.display_name, user.power_level, user.invited) for user in room.users.values()},
        "powers": room.power_levels.users,
        "count": room.joined_count,
        "version": room.room_version,
    }
