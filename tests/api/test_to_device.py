"""Messages from device to device: told once to each token, kept until they have arrived."""

import asyncio
import itertools
from typing import Any

import aiohttp
import pytest
from tests.api.keys import publish
from tests.api.talking import V3, Json, Talker, segment
from tests.server import Server

_txn_ids = (f"m{number}" for number in itertools.count())


async def send(
    sender: Talker, recipient: Talker, *bodies: str, device_id: str | None = None, txn_id: str | None = None
) -> None:
    for body in bodies:
        messages = {recipient.user_id: {device_id or recipient.device_id: {"body": body}}}
        await sender.put(f"{V3}/sendToDevice/m.test/{txn_id or next(_txn_ids)}", {"messages": messages})


async def sync(talker: Talker, since: str | None = None, **query: Any) -> Json:
    """One sync, which nobody's presence wakes."""
    return dict(await talker.sync(since, set_presence="offline", **query))


def bodies(answer: Json) -> list[str]:
    return [event["content"]["body"] for event in answer["to_device"]["events"]]


async def rows(server: Server, talker: Talker) -> int:
    """How many messages are still kept for the device."""
    import asyncpg

    [folder] = {path.parent for path in server.data_dir.rglob(".s.PGSQL.*") if path.is_socket()}
    connection = await asyncpg.connect(host=str(folder), user="postgres", database="bongsu")
    try:
        sql = "SELECT count(*) FROM to_device WHERE user_id = $1 AND device_id = $2"
        return int(await connection.fetchval(sql, talker.user_id, talker.device_id))
    finally:
        await connection.close()


async def test_a_message_arrives(alice: Talker, bob: Talker) -> None:
    await send(alice, bob, "hello")
    answer = await sync(bob)
    event = {"type": "m.test", "sender": alice.user_id, "content": {"body": "hello"}}
    assert answer["to_device"]["events"] == [event]
    assert bodies(await sync(bob, answer["next_batch"])) == []


async def test_a_waiting_sync_is_woken(alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession) -> None:
    since = (await sync(bob))["next_batch"]
    waiting = [asyncio.create_task(sync(device, since, timeout=10_000)) for device in (bob, bob.through(elsewhere))]
    await asyncio.sleep(0.3)
    await send(alice, bob, "wake up")
    for answer in await asyncio.wait_for(asyncio.gather(*waiting), 5):
        assert bodies(answer) == ["wake up"]


async def test_the_same_token_gets_the_same_messages(
    alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession
) -> None:
    first = (await sync(bob))["next_batch"]
    await send(alice, bob, "one", "two")
    there = bob.through(elsewhere)
    await sync(alice.through(elsewhere), (await sync(alice))["next_batch"])  # that worker knows what was sent
    answers = [await sync(device, first) for device in (bob, there, bob)]
    assert [bodies(answer) for answer in answers] == [["one", "two"]] * 3
    await send(alice, bob, "three")
    for device in (there, bob):
        answer = await sync(device, answers[0]["next_batch"], timeout=5_000)
        assert bodies(answer) == ["three"]


async def test_each_message_once_over_many_syncs(alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession) -> None:
    workers = itertools.cycle((bob, bob.through(elsewhere)))
    sent = [str(number) for number in range(40)]

    async def receive() -> list[str]:
        got: list[str] = []
        since = None
        while len(got) < len(sent):
            answer = await sync(next(workers), since, timeout=5_000)
            got += bodies(answer)
            since = answer["next_batch"]
        return got + bodies(await sync(bob, since))

    receiving = asyncio.create_task(receive())
    for body in sent:
        await send(alice, bob, body)
    assert await asyncio.wait_for(receiving, 20) == sent


async def test_many_messages_come_in_pieces(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    since = (await sync(bob))["next_batch"]
    sent = [str(number) for number in range(250)]
    await send(alice, bob, *sent)
    await alice.say(room_id, "hello")
    answers: list[Json] = []
    while len(answers) < 3:
        answers.append(await sync(bob, since, timeout=2_000))
        assert bodies(await sync(bob, since)) == bodies(answers[-1]), "the same token, the same messages"
        since = answers[-1]["next_batch"]
    assert [len(bodies(answer)) for answer in answers] == [100, 100, 50]
    assert [body for answer in answers for body in bodies(answer)] == sent
    assert [bool(answer.get("rooms")) for answer in answers] == [True, False, False]
    await bob.messages(room_id, **{"from": answers[0]["next_batch"]})


async def test_what_has_arrived_is_deleted(
    server: Server, alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession
) -> None:
    first = (await sync(bob))["next_batch"]
    await send(alice, bob, "one", "two")
    answer = await sync(bob, first)
    assert await rows(server, bob) == 2, "the answer may be lost on its way"
    await sync(bob.through(elsewhere), answer["next_batch"])
    for _ in range(50):
        if await rows(server, bob) == 0:
            return
        await asyncio.sleep(0.1)
    pytest.fail("messages that have arrived are kept")


async def test_a_message_for_every_device(alice: Talker, bob: Talker) -> None:
    phone = await bob.another_device()
    await send(alice, bob, "all", device_id="*")
    await send(alice, phone, "phone")
    assert bodies(await sync(bob)) == ["all"]
    assert bodies(await sync(phone)) == ["all", "phone"]


async def test_a_retry_sends_nothing(alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession) -> None:
    there = alice.through(elsewhere)
    await asyncio.gather(*(send(one, bob, "once", txn_id="same") for one in (alice, there) * 5))
    await send(there, bob, "other content, same id", txn_id="same")
    assert bodies(await sync(bob)) == ["once"]
    phone = await alice.another_device()
    await send(phone, bob, "from the phone", txn_id="same")
    assert bodies(await sync(bob)) == ["once", "from the phone"]


async def test_unknown_devices_get_nothing(alice: Talker, bob: Talker) -> None:
    messages = {
        bob.user_id: {"NOTHING": {"body": "a"}, bob.device_id: {"body": "b"}},
        "@nobody:test.example": {"*": {"body": "c"}},
        "not a user id": {"X": {"body": "d"}},
    }
    assert await alice.put(f"{V3}/sendToDevice/m.test/{next(_txn_ids)}", {"messages": messages}) == {}
    assert bodies(await sync(bob)) == ["b"]


async def test_messages_end_with_their_device(alice: Talker, bob: Talker) -> None:
    phone = await bob.another_device()
    await publish(phone, "A")
    await send(alice, phone, "too late")
    await phone.post(f"{V3}/logout")
    again = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": bob.user_id}}
    answer = await bob.post(f"{V3}/login", {**again, "password": bob._password, "device_id": phone.device_id})
    returned = Talker(bob._http, answer, bob._password)
    answer = await sync(returned)
    assert bodies(answer) == []
    assert answer["device_one_time_keys_count"] == {"signed_curve25519": 0}


async def test_signing_in_again_on_a_device_keeps_its_messages(alice: Talker, bob: Talker) -> None:
    await send(alice, bob, "kept")
    again = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": bob.user_id}}
    answer = await bob.post(f"{V3}/login", {**again, "password": bob._password, "device_id": bob.device_id})
    assert bodies(await Talker(bob._http, answer).sync()) == ["kept"]


async def test_messages_and_events_share_one_token(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    since = (await sync(bob))["next_batch"]
    await send(alice, bob, "the key")
    await alice.say(room_id, "the message")
    answer = await sync(bob, since)
    assert bodies(answer) == ["the key"]
    [event] = answer["rooms"]["join"][room_id]["timeline"]["events"]
    assert event["content"]["body"] == "the message"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"messages": []},
        {"messages": {"@a:b": []}},
        {"messages": {"@a:b": {"X": "content"}}},
        {"messages": {"@a:b": {"X": None}}},
    ],
)
async def test_wrong_shapes(alice: Talker, body: Any) -> None:
    status, errcode = await alice.refused("PUT", f"{V3}/sendToDevice/m.test/{next(_txn_ids)}", body)
    assert (status, errcode) in [(400, "M_BAD_JSON"), (400, "M_MISSING_PARAM")]


async def test_limits(alice: Talker, bob: Talker) -> None:
    def path() -> str:
        return f"{V3}/sendToDevice/m.test/{next(_txn_ids)}"

    large = {"messages": {bob.user_id: {bob.device_id: {"body": "x" * 70_000}}}}
    assert (await alice.refused("PUT", path(), large))[0] == 413
    many: Json = {"messages": {bob.user_id: {f"D{number}": {} for number in range(1_001)}}}
    assert (await alice.refused("PUT", path(), many))[0] == 413
    wrong = f"{V3}/sendToDevice/{segment('m.test')}/{segment('x' * 256)}"
    assert (await alice.refused("PUT", wrong, {"messages": {}}))[0] == 400
    assert await alice.refused("PUT", path(), {"messages": {"@a\x00:b": {"X": {}}}}) == (400, "M_INVALID_PARAM")
    assert bodies(await sync(bob)) == []
