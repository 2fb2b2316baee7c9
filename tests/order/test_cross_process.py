"""Two workers are one server: what one acknowledged, the other shows at once, in the same order."""

import asyncio
import json
import random
import statistics
import time
from collections.abc import Callable

import pytest

from tests.api.talking import V3, room, segment
from tests.order.model import Json, Model, Told, position
from tests.order.sliding import SlidingDevice, SlidingModel
from tests.order.workers import Device, Person, Workers

SEEN_SECONDS_MAX = 10.0  # a hint takes milliseconds, a worker that misses it looks every second; a machine may be busy
HINTED_SECONDS_MAX = 0.25  # in the middle; without hints it would be half a second


@pytest.fixture
async def ann(workers: Workers) -> Person:
    return await workers.sign_up("ann")


@pytest.fixture
async def ben(workers: Workers) -> Person:
    return await workers.sign_up("ben")


@pytest.fixture
async def den(ann: Person, ben: Person) -> str:
    """A room with both."""
    room_id = await ann.make_room()
    await ann.bring(0, room_id, ben)
    return room_id


async def parked(person: Person, at: int) -> Device:
    """A device that knows everything and has nothing to be told."""
    device = await person.device(at)
    await device.sync(at)
    return device


# --- how fast ---


@pytest.mark.parametrize("writer", [0, 1])
async def test_a_parked_sync_at_the_other_worker_hears_at_once(
    ann: Person, ben: Person, den: str, writer: int, record_property: Callable[[str, object], None]
) -> None:
    reader = 1 - writer
    device = await parked(ben, reader)
    took: list[float] = []
    for number in range(30):
        answer = asyncio.ensure_future(device.sync(reader, timeout_ms=10_000))
        await asyncio.sleep(random.uniform(0.005, 0.02))
        begun = time.perf_counter()
        said = await ann.say(writer, den, f"{number}")
        events = (await answer)["rooms"]["join"][den]["timeline"]["events"]
        took.append(time.perf_counter() - begun)
        assert [event["event_id"] for event in events] == [said]
    milliseconds = [round(seconds * 1000, 1) for seconds in sorted(took)]
    print(f"sent at {writer}, read at {reader}: {milliseconds[15]} ms in the middle, {milliseconds[-1]} ms at most")
    record_property("milliseconds", milliseconds)
    assert statistics.median(took) < HINTED_SECONDS_MAX


# --- everything that syncs show ---


async def typing(ann: Person, den: str) -> None:
    path = f"{room(den)}/typing/{segment(ann.user_id)}"
    await ann.must(0, "PUT", path, {"typing": True, "timeout": 20_000})


async def presence(ann: Person, den: str) -> None:
    await ann.must(0, "PUT", f"{V3}/presence/{segment(ann.user_id)}/status", {"presence": "unavailable"})


async def receipt(ann: Person, den: str) -> None:
    said = await ann.say(0, den, "hello")
    await ann.read(0, den, said)


async def state(ann: Person, den: str) -> None:
    await ann.set_state(0, den, "m.room.topic", {"topic": "new"})


async def membership(ann: Person, den: str) -> None:
    await ann.change(0, den, "leave")


async def name(ann: Person, den: str) -> None:
    await ann.must(0, "PUT", f"{V3}/profile/{segment(ann.user_id)}/displayname", {"displayname": "Ann the First"})


SHOWN: dict[str, tuple[Callable[..., object], Callable[[Model, str, str], bool]]] = {
    "typing": (typing, lambda model, den, ann: ann in model.rooms[den].typing),
    "presence": (presence, lambda model, _, ann: model.presence.get(ann) == "unavailable"),
    "receipt": (receipt, lambda model, den, ann: ("m.read", ann, "") in model.rooms[den].receipts),
    "state": (state, lambda model, den, _: ("m.room.topic", "") in model.rooms[den].state),
    "membership": (membership, lambda model, den, _: model.rooms[den].summary["m.joined_member_count"] == 1),
    "name": (name, lambda model, den, ann: _name_of(model, den, ann) == "Ann the First"),
}


def _name_of(model: Model, den: str, ann: str) -> object:
    event = model.rooms[den].events.get(model.rooms[den].state["m.room.member", ann])
    return event["content"].get("displayname") if event else None


@pytest.mark.parametrize("what", list(SHOWN))
async def test_what_one_worker_takes_the_other_tells(ann: Person, ben: Person, den: str, what: str) -> None:
    act, holds = SHOWN[what]
    device = await parked(ben, 1)
    assert not holds(device.model, den, ann.user_id)
    waiting = asyncio.ensure_future(
        device.sync_until(lambda model: holds(model, den, ann.user_id), 1, SEEN_SECONDS_MAX + 1)
    )
    await act(ann, den)  # type: ignore[misc]
    await asyncio.wait_for(waiting, SEEN_SECONDS_MAX)


async def test_account_data_and_tags_reach_the_person_alone(ann: Person, ben: Person, den: str) -> None:
    mine, theirs = await parked(ann, 1), await parked(ben, 1)
    await ann.set_account_data(0, "org.bongsu.global", {"n": 1})
    await ann.set_account_data(0, "org.bongsu.room", {"n": 2}, den)
    tag = f"{V3}/user/{segment(ann.user_id)}/rooms/{segment(den)}/tags/m.favourite"
    await ann.must(0, "PUT", tag, {"order": 0.5})
    await mine.sync_until(lambda model: "m.tag" in model.rooms[den].account_data, 1)
    assert mine.model.account_data["org.bongsu.global"] == {"n": 1}
    assert mine.model.rooms[den].account_data["org.bongsu.room"] == {"n": 2}
    assert mine.model.rooms[den].account_data["m.tag"] == {"tags": {"m.favourite": {"order": 0.5}}}
    assert mine.model.next_batch is not None
    await theirs.catch_up(position(mine.model.next_batch), 1)
    assert not theirs.model.rooms[den].account_data


async def test_typing_ends_with_leaving(ann: Person, ben: Person, den: str) -> None:
    device = await parked(ben, 1)
    path = f"{room(den)}/typing/{segment(ann.user_id)}"
    await ann.must(0, "PUT", path, {"typing": True, "timeout": 300})
    await device.sync_until(lambda model: model.rooms[den].typing == [ann.user_id], 1)
    await ann.change(0, den, "leave")
    await device.sync_until(lambda model: model.rooms[den].typing == [], 1, 5.0)


# --- sessions ---


@pytest.mark.parametrize("everywhere", [False, True])
async def test_signing_out_at_one_worker_ends_the_session_at_the_other(ben: Person, everywhere: bool) -> None:
    device = await parked(ben, 1)
    path = f"{V3}/logout/all" if everywhere else f"{V3}/logout"
    status, _ = await device.workers.ask(0, "POST", path, {}, token=device.token)
    assert status == 200
    begun = time.monotonic()
    while (answer := await device.workers.ask(1, "GET", f"{V3}/account/whoami", token=device.token))[0] == 200:
        assert time.monotonic() - begun < SEEN_SECONDS_MAX
        await asyncio.sleep(0.01)
    assert (answer[0], answer[1]["errcode"]) == (401, "M_UNKNOWN_TOKEN")


# --- order ---


async def history(person: Person, at: int, room_id: str, page: int) -> tuple[list[Json], list[str]]:
    """(all events from the first on, the token after each page)."""
    events: list[Json] = []
    tokens: list[str] = []
    start = None
    while True:
        query: Json = {"dir": "f", "limit": page, "from": start}
        answer = await person.must(at, "GET", f"{room(room_id)}/messages", **query)
        events += answer["chunk"]
        start = answer.get("end")
        if start is None:
            return events, tokens
        tokens.append(start)


async def test_positions_follow_the_order_of_commits(ann: Person, den: str) -> None:
    """Each is acknowledged before the next is sent, now here, now there: so they lie in history."""
    before = position((await (await parked(ann, 0)).answer(0, None))["next_batch"])
    said = []
    for number in range(20):
        said.append(await ann.say(number % 2, den, f"{number}"))
        device = await ann.device(number % 2)
        now = position((await device.answer(number % 2, None))["next_batch"])
        assert now > before
        before = now
    for at in (0, 1):
        events, tokens = await history(ann, at, den, 1)
        assert [event["event_id"] for event in events if event["event_id"] in said] == said
        assert [position(token) for token in tokens] == sorted({position(token) for token in tokens})


async def test_everybody_reads_one_order(workers: Workers, ann: Person, den: str) -> None:
    """Six writers at both workers at once; readers with small windows go from one worker to the other."""
    writers = [await workers.sign_up(f"writer{number}") for number in range(6)]
    await ann.bring(0, den, *writers)
    readers = [await writers[number].device(number, room={"timeline": {"limit": 3}}) for number in range(4)]
    for reader in readers:
        await reader.sync()
    over = asyncio.Event()
    reading = [asyncio.ensure_future(_read(reader, number, over)) for number, reader in enumerate(readers)]
    times: dict[str, tuple[float, float]] = {}
    await asyncio.gather(*(_write(writer, number, den, times) for number, writer in enumerate(writers)))
    over.set()
    await asyncio.gather(*reading)
    events, _ = await history(ann, 0, den, 50)
    order = [event["event_id"] for event in events]
    assert order == [event["event_id"] for event in (await history(ann, 1, den, 7))[0]]
    assert set(times) <= set(order)
    ends = [position((await reader.sync())["next_batch"]) for reader in readers]  # of the last, too
    for reader in readers:
        await reader.catch_up(max(ends))
        await reader.close_gaps()
        assert reader.model.rooms[den].timeline == order
    _check_real_time(order, times)


async def _write(writer: Person, at: int, den: str, times: dict[str, tuple[float, float]]) -> None:
    for number in range(40):
        begun = time.perf_counter()
        said = await writer.say(at + number, den, f"{number}")
        times[said] = begun, time.perf_counter()


async def _read(reader: Device, at: int, over: asyncio.Event) -> None:
    while not over.is_set():
        await reader.sync(at, timeout_ms=500)
        at += 1


def _check_real_time(order: list[str], times: dict[str, tuple[float, float]]) -> None:
    """What was acknowledged before something else was sent lies before it."""
    newest_begun = float("-inf")
    for event_id in order:
        if event_id in times:
            begun, acknowledged = times[event_id]
            assert acknowledged > newest_begun
            newest_begun = max(newest_begun, begun)


async def test_a_token_is_good_at_the_other_worker_at_once(ann: Person, ben: Person, den: str) -> None:
    """Never behind, never ahead: what was read stays read, and what was acknowledged before is told."""
    device = await parked(ben, 0)
    for number in range(30):
        at = number % 2
        said = await ann.say(at, den, f"{number}")
        await device.sync(at)
        assert device.model.rooms[den].timeline[-1] == said
        assert device.model.next_batch is not None
        since = device.model.next_batch
        answer = await device.sync(1 - at)
        assert position(answer["next_batch"]) >= position(since)
        assert device.model.rooms[den].timeline[-1] == said


async def test_asking_again_gives_the_same_or_more(ann: Person, ben: Person, den: str) -> None:
    """An answer that was lost on the way can be asked for again, at any worker."""
    device = await parked(ben, 0)
    await ann.set_state(0, den, "m.room.topic", {"topic": "t"})
    said = [await ann.say(0, den, f"{number}") for number in range(3)]
    await ben.read(0, den, said[1])
    since = device.model.next_batch
    first = await device.answer(0, since)
    again = await device.answer(0, since)
    assert _comparable(first) == _comparable(again)
    await device.catch_up(position(first["next_batch"]), 1)
    more = await ann.say(1, den, "more")
    later = await device.answer(1, since)
    told = [event["event_id"] for event in first["rooms"]["join"][den]["timeline"]["events"]]
    assert [event["event_id"] for event in later["rooms"]["join"][den]["timeline"]["events"]] == [*told, more]


def _comparable(answer: Json) -> str:
    return json.dumps({key: value for key, value in answer.items() if key != "presence"}, sort_keys=True)


async def test_tokens_outlive_their_worker(workers: Workers, ann: Person, ben: Person, den: str) -> None:
    device = await parked(ben, 1)
    before = await ann.say(1, den, "before")
    await device.sync(1)
    workers.servers[1].kill()
    meanwhile = [await ann.say(0, den, f"{number}") for number in range(3)]
    workers.servers[1].restart()
    answer = await device.sync(1)
    assert [event["event_id"] for event in answer["rooms"]["join"][den]["timeline"]["events"]] == meanwhile
    assert device.model.rooms[den].timeline[-4:] == [before, *meanwhile]


# --- sliding sync ---


async def test_the_order_of_rooms_is_found_while_people_come_and_go(workers: Workers, ann: Person, ben: Person) -> None:
    """Rooms that the other worker has in memory and rooms that it has to look up change by turns."""
    rooms = [await ann.make_room(preset="public_chat") for _ in range(30)]
    for room_id in rooms:
        await ben.must(0, "POST", f"{room(room_id)}/join", {})
    session = await ann.device(1)
    device = SlidingDevice(workers, session.token, SlidingModel(Told(ann.user_id, {}, False)))

    async def come_and_go(room_id: str) -> None:
        for _ in range(50):
            await ann.must(0, "POST", f"{room(room_id)}/leave", {})
            await ann.must(0, "POST", f"{room(room_id)}/join", {})

    async with asyncio.TaskGroup() as together:
        acting = [together.create_task(come_and_go(room_id)) for room_id in rooms]
        while not all(task.done() for task in acting):
            await device.answer(1, None)
    assert len((await device.answer(1, None))["rooms"]["join"]) == len(rooms)
