"""What one sync promises, each promise by itself: past faults and the corners that histories seldom reach."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.api.talking import V3, relating, room, segment
from tests.order.model import Json, position
from tests.order.workers import Device, Person, Workers

MESSAGES_ONLY = {"timeline": {"types": ["m.room.message"]}}


@pytest.fixture
async def ann(workers: Workers) -> Person:
    return await workers.sign_up("ann")


@pytest.fixture
async def ben(workers: Workers) -> Person:
    return await workers.sign_up("ben")


@asynccontextmanager
async def asleep(workers: Workers, at: int) -> AsyncIterator[None]:
    """A worker that sees nothing for a while, then everything at once."""
    workers.servers[at].send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        workers.servers[at].send_signal(signal.SIGCONT)


async def the_room(ann: Person, *others: Person, **options: Any) -> str:
    room_id = await ann.make_room(**options)
    await ann.bring(0, room_id, *others)
    return room_id


def shown(answer: Json, room_id: str, section: str = "join") -> list[str]:
    """Ids of the timeline of one room."""
    said = answer.get("rooms", {}).get(section, {}).get(room_id, {"timeline": {"events": []}})
    return [event["event_id"] for event in said["timeline"]["events"]]


def state_ids(answer: Json, room_id: str, section: str = "join", part: str = "state") -> set[str]:
    return {event["event_id"] for event in answer["rooms"][section][room_id][part]["events"]}


async def known(person: Person, at: int = 0, **told: Any) -> Device:
    """A device that has synced once."""
    device = await person.device(at, **told)
    await device.sync(at)
    return device


# --- whole rooms ---


@pytest.mark.parametrize("state_after", [False, True])
async def test_state_that_the_filter_hides_from_the_timeline_is_told_as_state(
    ann: Person, ben: Person, state_after: bool
) -> None:
    room_id = await the_room(ann)
    await ann.say(0, room_id, "before")
    topic = await ann.set_state(0, room_id, "m.room.topic", {"topic": "it"})
    await ann.say(0, room_id, "after")
    device = await ann.device(state_after=state_after, room=MESSAGES_ONLY)
    answer = await device.sync()
    assert topic in state_ids(answer, room_id, part="state_after" if state_after else "state")


async def test_full_state_leaves_the_timeline_as_it_is(ann: Person) -> None:
    room_id = await the_room(ann)
    device = await known(ann)
    assert device.model.rooms[room_id].timeline
    said = await ann.say(0, room_id, "new")
    answer = await device.sync(full_state="true")
    assert shown(answer, room_id) == [said]
    assert len(state_ids(answer, room_id)) == len(await ann.must(0, "GET", f"{room(room_id)}/state"))
    answer = await device.sync(full_state="true")
    assert shown(answer, room_id) == []
    assert not answer["rooms"]["join"][room_id]["timeline"]["limited"]


async def test_who_comes_back_is_told_of_a_gap(ann: Person, ben: Person) -> None:
    """What the device knew from the first stay may be told again, but then as a timeline that begins anew."""
    room_id = await the_room(ann, ben)
    device = await known(ben)
    await ben.change(0, room_id, "leave")
    await device.sync()
    await ann.say(0, room_id, "meanwhile")
    await ann.bring(0, room_id, ben)
    answer = await device.sync()
    assert answer["rooms"]["join"][room_id]["timeline"]["limited"]
    await device.close_gaps()
    fresh = await known(ben)
    await fresh.close_gaps()
    assert device.model.rooms[room_id].timeline == fresh.model.rooms[room_id].timeline


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("left_again", [False, True])
async def test_what_changed_while_somebody_was_away_stands(
    ann: Person, ben: Person, fresh: bool, left_again: bool
) -> None:
    """A change that Ben saw, one that was hidden from him, and then he is back: the second holds as state."""
    hidden = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
    room_id = await the_room(ann, ben, initial_state=[hidden])
    device = await ben.device(room={"include_leave": True})
    if not fresh:
        await device.sync()
    await ann.set_state(0, room_id, "m.room.topic", {"topic": "seen"})
    await ben.change(0, room_id, "leave")
    topic = await ann.set_state(0, room_id, "m.room.topic", {"topic": "not seen"})
    secret = await ann.say(0, room_id, "not seen")
    await ann.bring(0, room_id, ben)
    if left_again:
        await ben.change(0, room_id, "leave")
    await device.sync()
    assert device.model.rooms[room_id].state["m.room.topic", ""] == topic
    assert not {topic, secret} & set(device.model.rooms[room_id].timeline)


@pytest.mark.parametrize("lazy", [False, True])
async def test_whoever_changed_while_somebody_was_away_for_a_moment_is_told(
    workers: Workers, ann: Person, ben: Person, lazy: bool
) -> None:
    """Ben goes and comes back between two syncs: his device still knows the members of before."""
    cho = await workers.sign_up("cho")
    hidden = {"type": "m.room.history_visibility", "content": {"history_visibility": "joined"}}
    room_id = await the_room(ann, ben, cho, initial_state=[hidden])
    device = await known(ben, room={"state": {"lazy_load_members": lazy}})
    assert device.model.rooms[room_id].member(cho.user_id)
    await ben.change(0, room_id, "leave")
    gone = await cho.set_state(0, room_id, "m.room.member", {"membership": "leave"}, cho.user_id)
    await ann.bring(0, room_id, ben)
    await device.sync()
    assert device.model.rooms[room_id].member(cho.user_id) == gone


async def test_a_stay_between_two_syncs_is_a_gap(ann: Person, ben: Person) -> None:
    room_id = await the_room(ann, ben)
    device = await known(ben)
    await ben.change(0, room_id, "leave")
    await device.sync()
    await ann.bring(0, room_id, ben)
    await ann.say(0, room_id, "meanwhile")
    await ben.change(0, room_id, "leave")
    answer = await device.sync()
    assert answer["rooms"]["leave"][room_id]["timeline"]["limited"]


# --- rooms somebody left ---


@pytest.mark.parametrize("again", [False, True])
async def test_who_is_banned_after_leaving_sees_nothing_of_between(ann: Person, ben: Person, again: bool) -> None:
    room_id = await the_room(ann, ben)
    device = await known(ben)
    await ben.change(0, room_id, "leave")
    if again:
        await device.sync()
    secret = await ann.say(0, room_id, "now that ben is gone")
    topic = await ann.set_state(0, room_id, "m.room.topic", {"topic": "without ben"})
    await ann.change(0, room_id, "ban", ben)
    answer = await device.sync()
    told = {*shown(answer, room_id, "leave"), *state_ids(answer, room_id, "leave")}
    assert told
    assert not told & {secret, topic}
    wanted = {"include_leave": True, "timeline": {"limit": 1}}
    for state_after in (False, True):
        part = "state_after" if state_after else "state"
        fresh = await (await ben.device(state_after=state_after, room=wanted)).sync()
        told = {*shown(fresh, room_id, "leave"), *state_ids(fresh, room_id, "leave", part)}
        assert not told & {secret, topic}


async def test_own_leaving_is_shown_as_after_it(ann: Person, ben: Person) -> None:
    room_id = await the_room(ann, ben)
    device = await known(ben)
    await ben.change(0, room_id, "leave")
    answer = await device.sync()
    leaving = answer["rooms"]["leave"][room_id]["timeline"]["events"][-1]
    assert leaving["unsigned"]["membership"] == "leave"


@pytest.mark.parametrize("at", [0, 1])
async def test_a_forgotten_room_is_left_on_other_devices_too(ann: Person, ben: Person, at: int) -> None:
    room_id = await the_room(ann, ben)
    device = await known(ben)
    await ben.change(0, room_id, "leave")
    await ben.change(0, room_id, "forget")
    await device.sync(at)
    assert room_id not in device.model.where("join")


# --- unread counts ---


@pytest.mark.parametrize("kind", ["m.read", "m.read.private"])
async def test_reading_is_told_to_devices_that_want_no_receipts(ann: Person, ben: Person, kind: str) -> None:
    room_id = await the_room(ann, ben)
    device = await known(ben, room={"ephemeral": {"types": []}})
    said = await ann.say(0, room_id, "hello")
    await device.sync()
    assert device.model.rooms[room_id].unread["notification_count"] == 1
    await ben.read(0, room_id, said, kind)
    await device.sync()
    assert device.model.rooms[room_id].unread["notification_count"] == 0


async def test_a_redacted_message_is_no_longer_unread(workers: Workers, ann: Person, ben: Person) -> None:
    room_id = await the_room(ann, ben)
    device = await known(ben)
    said = await ann.say(0, room_id, "hello")
    await device.sync()
    assert device.model.rooms[room_id].unread["notification_count"] == 1
    await ann.redact(0, room_id, said)
    await device.sync()
    assert device.model.rooms[room_id].unread["notification_count"] == 0


@pytest.mark.parametrize("at", [0, 1])
async def test_who_comes_back_has_read_everything(ann: Person, ben: Person, at: int) -> None:
    room_id = await the_room(ann, ben)
    device = await known(ben, at)
    await ann.say(0, room_id, "hello")
    await device.sync_until(lambda model: model.rooms[room_id].unread["notification_count"] == 1, at)
    await ben.change(at, room_id, "leave")
    await device.sync(at)
    await ann.bring(at, room_id, ben)
    await device.sync(at)
    assert device.model.rooms[room_id].unread["notification_count"] == 0


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("fresh", [False, True])
async def test_a_name_in_a_message_is_a_highlight_at_every_worker(
    ann: Person, ben: Person, at: int, fresh: bool
) -> None:
    """Also at a worker where the person never wrote: it does not know their membership yet."""
    rule = {"conditions": [{"kind": "contains_display_name"}], "actions": ["notify", {"set_tweak": "highlight"}]}
    await ben.must(0, "PUT", f"{V3}/pushrules/global/override/name", rule)
    await ben.must(0, "PUT", f"{V3}/profile/{segment(ben.user_id)}/displayname", {"displayname": "Zorro"})
    room_id = await the_room(ann, ben)
    device = await ben.device(at)
    if not fresh:
        await device.sync(at)
    await ann.say(0, room_id, "Zorro, look")
    await device.catch_up(position((await device.answer(0, None))["next_batch"]), at)
    assert device.model.rooms[room_id].unread == {"notification_count": 1, "highlight_count": 1}


async def test_counts_survive_reading_and_syncing_at_the_same_time(ann: Person, ben: Person) -> None:
    room_id = await the_room(ann, ben)
    device = await known(ben)
    for _ in range(25):
        said = [await ann.say(0, room_id, "hello") for _ in range(3)]
        reading = [_soon(ben.read(0, room_id, event_id)) for event_id in said]
        await asyncio.gather(*reading, *(_soon(device.answer(0, since)) for since in (None, device.seen[0]) * 2))
        await device.sync()
        assert device.model.rooms[room_id].unread["notification_count"] == 0
        await ann.say(0, room_id, "one more")
        syncs = [_soon(device.answer(0, since)) for since in (None, device.seen[0], device.model.next_batch) * 2]
        await asyncio.gather(*syncs, _soon(ann.say(0, room_id, "and one")))
        await device.sync()
        assert device.model.rooms[room_id].unread["notification_count"] == 2


async def _soon(work: Awaitable[Any]) -> None:
    await asyncio.sleep(random.uniform(0, 0.006))
    await work


# --- summaries, receipts ---


async def test_a_room_that_loses_its_name_is_called_after_its_people(ann: Person, ben: Person) -> None:
    room_id = await the_room(ann, ben, name="den")
    device = await known(ben)
    assert "m.heroes" not in device.model.rooms[room_id].summary
    await ann.set_state(0, room_id, "m.room.name", {})
    await device.sync()
    assert device.model.rooms[room_id].summary["m.heroes"] == [ann.user_id]


async def test_heroes_are_those_who_are_in(workers: Workers, ann: Person, ben: Person) -> None:
    cho = await workers.sign_up("cho")
    room_id = await the_room(ann, ben, cho)
    await cho.change(0, room_id, "leave")
    assert (await known(ben)).model.rooms[room_id].summary["m.heroes"] == [ann.user_id]
    device = await known(ben)
    await ann.change(0, room_id, "leave")
    await device.sync()
    assert set(device.model.rooms[room_id].summary["m.heroes"]) == {ann.user_id, cho.user_id}


async def test_of_two_receipts_at_one_event_the_unthreaded_is_told(ann: Person, ben: Person) -> None:
    room_id = await the_room(ann, ben)
    said = await ann.say(0, room_id, "hello")
    device = await known(ann)
    await ben.read(0, room_id, said)
    await ben.read(0, room_id, said, thread_id="main")
    await device.sync()
    assert ("m.read", ben.user_id, "") in device.model.rooms[room_id].receipts


# --- what another worker wrote ---


async def test_a_token_from_the_middle_of_what_a_worker_read_at_once(
    workers: Workers, ann: Person, ben: Person
) -> None:
    """Worker 1 reads a receipt and an event as one segment; the token stands between them."""
    room_id, other = await the_room(ann, ben), await the_room(ann, ben)
    said = await ann.say(0, other, "hello")
    device, here = await known(ben, 1), await known(ben, 0)
    await device.sync(1)
    async with asleep(workers, 1):
        await ann.read(0, other, said)
        await here.sync(0)
        device.model.next_batch = here.model.next_batch
        news = await ann.say(0, room_id, "news")
        await here.sync(0)
    answer = await device.sync(1)
    assert shown(answer, room_id) == [news]


async def test_history_is_complete_up_to_a_token_of_another_worker(workers: Workers, ann: Person) -> None:
    room_id = await the_room(ann)
    device = await known(ann, 1)
    async with asleep(workers, 1):
        said = await asyncio.gather(*(ann.say(0, room_id, f"{n}") for n in range(400)))
        token = (await device.answer(0, device.model.next_batch))["next_batch"]
        asking = asyncio.ensure_future(device.messages(1, room_id, token, device.model.next_batch, 500))
        await asyncio.sleep(0.1)  # the question lies there when the worker wakes, and there is much to read
    status, page = await asking
    assert status == 200
    assert {event["event_id"] for event in page["chunk"]} == set(said)


async def test_typing_that_ended_before_a_worker_knew_the_room(workers: Workers, ann: Person, ben: Person) -> None:
    room_id = await the_room(ann, ben)
    device = await known(ben, 0)
    path = f"{room(room_id)}/typing/{segment(ann.user_id)}"
    await ann.must(0, "PUT", path, {"typing": True, "timeout": 30_000})
    await device.sync(0)
    assert device.model.rooms[room_id].typing == [ann.user_id]
    await ann.must(0, "PUT", path, {"typing": False})
    await device.sync(1)
    assert device.model.rooms[room_id].typing == []


async def test_state_of_the_type_of_redactions_redacts_nothing(workers: Workers, ann: Person) -> None:
    room_id = await the_room(ann)
    devices = [await known(ann, at) for at in (0, 1)]
    said = await ann.say(0, room_id, "stays")
    status, _ = await ann.ask(0, "PUT", f"{room(room_id)}/state/m.room.redaction/", {"redacts": said})
    assert status in (200, 400)
    for at, device in enumerate(devices):
        await device.sync_until(lambda model: said in model.rooms[room_id].timeline, at)
        assert device.model.rooms[room_id].events[said]["content"]["body"] == "stays"


async def test_going_and_coming_back_in_one_commit(workers: Workers, ann: Person) -> None:
    """What worker 0 saw happen, worker 1 reads from the tables: both say when the present stay began."""
    people = [await workers.sign_up("guest") for _ in range(12)]
    room_id = await the_room(ann, *people, preset="public_chat")
    devices = [await known(person) for person in people]
    async with asleep(workers, 0):
        acts = [person.change(0, room_id, action) for person in people for action in ("leave", "join")]
        acting = asyncio.gather(*acts)
        await asyncio.sleep(0.2)  # all of it lies there when the worker wakes
    await acting
    for device in devices:
        here = await device.answer(0, device.model.next_batch)
        device.model.next_batch = here["next_batch"]
        await device.catch_up(position(here["next_batch"]))
    for device in devices:
        since = device.seen[0]
        here, there = await device.answer(0, since), await device.answer(1, since)
        assert {name: set(part) for name, part in here["rooms"].items()} == {
            name: set(part) for name, part in there["rooms"].items()
        }
        if room_id in here["rooms"].get("join", {}):
            assert state_ids(here, room_id) == state_ids(there, room_id)
            assert shown(here, room_id) == shown(there, room_id)


async def test_a_room_is_found_while_strangers_come_in(workers: Workers, ann: Person) -> None:
    """Worker 1 reads the room anew again and again, because people it does not know come and go at worker 0."""
    room_id = await the_room(ann, preset="public_chat")
    crowd = [await workers.sign_up("guest") for _ in range(40)]
    device = await known(ann, 1)
    coming = asyncio.gather(*(guest.change(0, room_id, "join") for guest in crowd[:20]))
    over = asyncio.ensure_future(_one_by_one(crowd[20:], room_id))
    while not (coming.done() and over.done()):
        await device.sync(1)
        await (await ann.device(1)).sync(1)
    await coming
    await over


async def _one_by_one(people: list[Person], room_id: str) -> None:
    for person in people:
        await person.change(0, room_id, "join")


# --- long ways back ---


@pytest.mark.parametrize("limit", [10, 1000])
async def test_more_happened_than_a_worker_keeps_in_memory(ann: Person, ben: Person, limit: int) -> None:
    """A device comes back to a worker that reads the room only now, after 200 events."""
    room_id = await the_room(ann)
    wanted = {"timeline": {"limit": limit}}
    device, followed = await known(ann, 0, room=wanted), await known(ann, 0, room=wanted)
    topic = await ann.set_state(0, room_id, "m.room.topic", {"topic": "early"})
    for _ in range(4):
        await asyncio.gather(*(ann.say(0, room_id, "x") for _ in range(50)))
        await followed.sync(0)
    now = position(followed.model.next_batch or "s0")
    await device.catch_up(now, 1)
    fresh = await ann.device(1, room=wanted)
    await fresh.catch_up(now, 1)
    for model in (device.model, followed.model, fresh.model):
        assert model.rooms[room_id].state["m.room.topic", ""] == topic
    for each in (device, followed, fresh):
        await each.close_gaps(1)
    assert device.model.rooms[room_id].timeline == followed.model.rooms[room_id].timeline
    assert device.model.rooms[room_id].timeline == fresh.model.rooms[room_id].timeline


async def test_a_filter_that_matches_little_leaves_no_silent_gap(ann: Person) -> None:
    """More happened than one sync looks at, and what the filter wants lies at its far end."""
    room_id = await the_room(ann)
    device = await known(ann, room={"timeline": {"types": ["org.bongsu.wanted"]}})
    wanted = await ann.send(0, room_id, {}, "org.bongsu.wanted")
    await asyncio.gather(*(ann.say(0, room_id, "x") for _ in range(1_050)))
    answer = await device.sync()
    assert shown(answer, room_id) == [wanted] or answer["rooms"]["join"][room_id]["timeline"]["limited"]


async def test_reactions_edits_and_threads_come_with_what_they_belong_to(ann: Person) -> None:
    """Bundled the same at the worker that wrote them and at the other."""
    room_id = await the_room(ann)
    root = await ann.say(0, room_id, "root")
    await ann.send(0, room_id, {"msgtype": "m.text", "body": "aside", **relating("m.thread", root)})
    new: Json = {"msgtype": "m.text", "body": "new"}
    edit = await ann.send(0, room_id, {**new, "m.new_content": new, **relating("m.replace", root)})
    for at in (0, 1):
        device = await known(ann, at)
        bundled = device.model.rooms[room_id].events[root]["unsigned"]["m.relations"]
        assert bundled["m.thread"]["count"] == 1
        assert bundled["m.replace"]["event_id"] == edit


# --- tokens ---


@pytest.mark.parametrize("token", ["x", "s", "s-1", "s01", "s1.5", "s1_2", "1", "s99999999999999999999", "s１"])
async def test_a_token_nobody_made(ann: Person, token: str) -> None:
    for at in (0, 1):
        status, answer = await ann.ask(at, "GET", f"{V3}/sync", since=token)
        assert (status, answer["errcode"]) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize("at", [0, 1])
async def test_a_token_from_the_future_begins_anew(ann: Person, at: int) -> None:
    room_id = await the_room(ann)
    device = await ann.device(at)
    answer = await device.answer(at, "s999999999", timeout_ms=30_000)
    assert shown(answer, room_id)
    assert position(answer["next_batch"]) < 999999999
