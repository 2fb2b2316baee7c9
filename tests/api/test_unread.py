"""How much is unread, through HTTP: what counts, in which thread, and what makes it read."""

from typing import Any

import aiohttp
import pytest
from tests.api.talking import V3, Json, Talker, relating, room, segment, sign_up

BY_THREAD = {"room": {"timeline": {"unread_thread_notifications": True}}}
READ = ("m.read", "m.read.private")


@pytest.fixture
async def carol(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "carol")


@pytest.fixture
async def room_id(alice: Talker, bob: Talker, carol: Talker) -> str:
    """Three people, so that no rule for conversations of two applies."""
    room_id = await alice.make_room(name="ours")
    await alice.bring(room_id, bob, carol)
    return room_id


async def room_part(reader: Talker, room_id: str, since: str | None = None, **query: Any) -> Json:
    part: Json = (await reader.sync(since, **query))["rooms"]["join"][room_id]
    return part


async def unread(reader: Talker, room_id: str, since: str | None = None) -> tuple[int, int]:
    """(notifications, highlights) of the whole room."""
    counts = (await room_part(reader, room_id, since))["unread_notifications"]
    return counts["notification_count"], counts["highlight_count"]


async def by_thread(reader: Talker, room_id: str, since: str | None = None) -> dict[str, tuple[int, int]]:
    """The same for "main" and for each thread by its root."""
    part = await room_part(reader, room_id, since, filter=BY_THREAD)
    counts = {"main": part["unread_notifications"], **part.get("unread_thread_notifications", {})}
    return {name: (each["notification_count"], each["highlight_count"]) for name, each in counts.items()}


async def read(who: Talker, room_id: str, event_id: str, kind: str = "m.read", **body: Any) -> None:
    await who.post(f"{room(room_id)}/receipt/{kind}/{segment(event_id)}", body)


async def answer(who: Talker, room_id: str, root: str, text: str, **more: Any) -> str:
    return await who.say(room_id, text, **relating("m.thread", root), **more)


def mention(*people: Talker) -> Json:
    return {"m.mentions": {"user_ids": [person.user_id for person in people]}}


async def rule(who: Talker, kind: str, rule_id: str, **body: Any) -> None:
    await who.put(f"{V3}/pushrules/global/{kind}/{segment(rule_id)}", {"actions": [], **body})


# --- what counts ---


async def test_others_coming_counts_for_those_alone_who_want_it(
    http: aiohttp.ClientSession, alice: Talker, bob: Talker, carol: Talker, room_id: str
) -> None:
    path = f"{V3}/pushrules/global/override/.m.rule.member_event/actions"
    await bob.put(path, {"actions": ["notify"]})
    await alice.bring(room_id, await sign_up(http, "dora"))
    await alice.say(room_id, "welcome")
    assert await unread(carol, room_id) == (1, 0)
    assert (await unread(bob, room_id))[0] >= 3  # carol came, dora was invited and came; and what was said


async def test_messages_count_until_they_are_read(alice: Talker, bob: Talker, room_id: str) -> None:
    first = await bob.sync()
    said = [await alice.say(room_id, f"{n}") for n in range(3)]
    assert await unread(bob, room_id) == (3, 0)
    assert await unread(bob, room_id, first["next_batch"]) == (3, 0)
    assert await unread(alice, room_id) == (0, 0)
    since = (await bob.sync())["next_batch"]
    await read(bob, room_id, said[1])
    assert await unread(bob, room_id, since) == (1, 0)
    assert await unread(bob, room_id) == (1, 0)
    await read(bob, room_id, said[2])
    assert await unread(bob, room_id) == (0, 0)
    await alice.say(room_id, "more")
    assert await unread(bob, room_id, since) == (1, 0)


async def test_what_came_before_one_came_in_does_not_count(alice: Talker, http: aiohttp.ClientSession) -> None:
    room_id = await alice.make_room(preset="public_chat")
    await alice.say(room_id, "before")
    late = await sign_up(http, "late")
    await late.join(room_id)
    assert await unread(late, room_id) == (0, 0)
    await alice.say(room_id, "after")
    assert await unread(late, room_id) == (1, 0)
    await late.leave(room_id)
    await alice.say(room_id, "while away")
    await late.join(room_id)
    assert await unread(late, room_id) == (0, 0)


async def test_what_is_not_for_reading_does_not_count(alice: Talker, bob: Talker, room_id: str) -> None:
    said = await bob.say(room_id, "mine")
    await alice.send(room_id, relating("m.annotation", said, key="👍"), "m.reaction")
    await alice.send(room_id, {"msgtype": "m.notice", "body": "a bot speaks"})
    await alice.set_state(room_id, "m.room.topic", {"topic": "x"})
    await alice.send(room_id, {"any": "thing"}, "org.example.other")
    other = await alice.say(room_id, "counts")
    edit = {"msgtype": "m.text", "body": "* y", "m.new_content": {"msgtype": "m.text", "body": "y"}}
    await alice.send(room_id, {**edit, **relating("m.replace", other)})
    assert await unread(bob, room_id) == (1, 0)
    await alice.redact(room_id, other)
    assert await unread(bob, room_id) == (0, 0)


async def test_mentions_are_highlights(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    await alice.say(room_id, "both", **mention(bob, carol))
    await alice.say(room_id, "carol", **mention(carol))
    said = await alice.say(room_id, "everybody", **{"m.mentions": {"room": True}})
    await bob.say(room_id, "everybody, by somebody who may not", **{"m.mentions": {"room": True}})
    assert await unread(carol, room_id) == (4, 3)
    await alice.redact(room_id, said)
    assert await unread(carol, room_id) == (3, 2)
    await alice.say(room_id, f"{bob.user_id} and bob by name", **{"m.mentions": {}})
    assert (await unread(carol, room_id))[1] == 2


async def test_muted_rooms_do_not_count(alice: Talker, bob: Talker, room_id: str) -> None:
    await alice.say(room_id, "before")
    since = (await bob.sync())["next_batch"]
    in_room = {"kind": "event_match", "key": "room_id", "pattern": room_id}
    await rule(bob, "override", room_id, conditions=[in_room])
    await alice.say(room_id, "x", **mention(bob))
    assert await unread(bob, room_id) == (0, 0)
    assert await unread(bob, room_id, since) == (0, 0)
    await bob.delete(f"{V3}/pushrules/global/override/{segment(room_id)}")
    assert await unread(bob, room_id) == (2, 1)


async def test_rules_for_rooms_senders_and_words(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    await rule(bob, "sender", carol.user_id)
    await carol.say(room_id, "not heard")
    await alice.say(room_id, "heard")
    assert await unread(bob, room_id) == (1, 0)
    await rule(bob, "content", "tea", pattern="tea", actions=["notify", {"set_tweak": "highlight"}])
    await carol.say(room_id, "Tea, anybody?")
    await carol.say(room_id, "a team")
    assert await unread(bob, room_id) == (2, 1)
    await rule(bob, "room", room_id)
    await alice.say(room_id, "not heard")
    assert (await unread(bob, room_id))[0] == 1


# --- what makes it read ---


@pytest.mark.parametrize("kind", READ)
async def test_receipts_of_either_kind(alice: Talker, bob: Talker, room_id: str, kind: str) -> None:
    said = [await alice.say(room_id, f"{n}") for n in range(4)]
    await read(bob, room_id, said[2], kind)
    assert await unread(bob, room_id) == (1, 0)
    other = next(each for each in READ if each != kind)
    await read(bob, room_id, said[0], other)
    assert await unread(bob, room_id) == (1, 0)
    await read(bob, room_id, said[3], other)
    assert await unread(bob, room_id) == (0, 0)


async def test_who_answers_has_read(alice: Talker, bob: Talker, room_id: str) -> None:
    await alice.say(room_id, "a question", **mention(bob))
    since = (await bob.sync())["next_batch"]
    await bob.say(room_id, "an answer")
    assert await unread(bob, room_id, since) == (0, 0)
    assert await unread(bob, room_id) == (0, 0)
    await alice.say(room_id, "thanks")
    assert await unread(bob, room_id) == (1, 0)
    await bob.set_state(room_id, "m.room.member", {"membership": "join", "displayname": "B"}, bob.user_id)
    assert await unread(bob, room_id) == (1, 0)


async def test_every_device_hears_that_it_was_read(alice: Talker, bob: Talker, room_id: str) -> None:
    tablet = await bob.another_device()
    said = await alice.say(room_id, "x")
    since = (await tablet.sync())["next_batch"]
    await read(bob, room_id, said, "m.read.private")
    assert await unread(tablet, room_id, since) == (0, 0)


# --- threads ---


async def test_threads_count_by_themselves_when_asked_to(alice: Talker, bob: Talker, room_id: str) -> None:
    root, other = await alice.say(room_id, "root"), await alice.say(room_id, "other root")
    since = (await bob.sync())["next_batch"]
    await answer(alice, room_id, root, "one")
    await answer(alice, room_id, root, "two", **mention(bob))
    await answer(alice, room_id, other, "three")
    for token in (None, since):
        assert await by_thread(bob, room_id, token) == {"main": (2, 0), root: (2, 1), other: (1, 0)}
        assert await unread(bob, room_id, token) == (5, 1)


async def test_receipts_in_threads(alice: Talker, bob: Talker, room_id: str) -> None:
    root = await alice.say(room_id, "root")
    first = await answer(alice, room_id, root, "one")
    await answer(alice, room_id, root, "two")
    main = await alice.say(room_id, "main")
    await read(bob, room_id, first, thread_id=root)
    assert await by_thread(bob, room_id) == {"main": (2, 0), root: (1, 0)}
    await read(bob, room_id, main, thread_id="main")
    assert await by_thread(bob, room_id) == {"main": (0, 0), root: (1, 0)}
    assert await unread(bob, room_id) == (1, 0)
    last = await answer(alice, room_id, root, "three", **mention(bob))
    assert await by_thread(bob, room_id) == {"main": (0, 0), root: (2, 1)}
    await read(bob, room_id, last)  # everything, whatever the thread
    assert await by_thread(bob, room_id) == {"main": (0, 0)}
    assert await unread(bob, room_id) == (0, 0)


async def test_an_unthreaded_receipt_reads_up_to_its_event(alice: Talker, bob: Talker, room_id: str) -> None:
    root = await alice.say(room_id, "root")
    await answer(alice, room_id, root, "one")
    main = await alice.say(room_id, "main")
    await answer(alice, room_id, root, "two")
    await read(bob, room_id, main)
    assert await by_thread(bob, room_id) == {"main": (0, 0), root: (1, 0)}


async def test_who_answers_in_a_thread_has_read_that_thread(alice: Talker, bob: Talker, room_id: str) -> None:
    root = await alice.say(room_id, "root")
    await answer(alice, room_id, root, "one")
    await answer(bob, room_id, root, "two")
    assert await by_thread(bob, room_id) == {"main": (1, 0)}
    await answer(alice, room_id, root, "three")
    await bob.say(room_id, "main")
    assert await by_thread(bob, room_id) == {"main": (0, 0), root: (1, 0)}


# --- long absences ---


async def test_counts_do_not_depend_on_what_is_in_memory(alice: Talker, bob: Talker, room_id: str) -> None:
    """More messages than a room keeps in memory, and an answer in a thread before the main timeline was read."""
    root = await alice.say(room_id, "root")
    since = (await bob.sync())["next_batch"]
    await answer(alice, room_id, root, "in the thread", **mention(bob))
    for n in range(70):
        await alice.say(room_id, f"{n}")
    seen = await alice.say(room_id, "seen")
    for n in range(70):
        await alice.say(room_id, f"{n}", **(mention(bob) if n == 3 else {}))
    assert await unread(bob, room_id, since) == (143, 2)
    await read(bob, room_id, seen, thread_id="main")
    assert await by_thread(bob, room_id) == {"main": (70, 1), root: (1, 1)}
    assert await unread(bob, room_id, since) == (71, 2)
