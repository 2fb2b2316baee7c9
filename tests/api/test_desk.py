"""A channel's desk over HTTP: who waits, who has a conversation, what customers see, and what programs may do."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Coroutine
from itertools import product
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest
from tests.api.talking import V3, Json, Talker, ask, room, sign_up
from tests.hook import Receiver

from bongsu.core import limits

BASE = "/_bongsu/v1/channels"
HOUR = 3_600_000
TEMPLATE = {
    "name": "배송 출발",
    "reason": "delivery",
    "body": "#{name}님, 주문 #{order}이(가) 출발했습니다.",
    "variables": [{"name": "name", "characters_max": 20}, {"name": "order", "kind": "code", "characters_max": 20}],
    "buttons": [{"kind": "link", "label": "배송 조회", "url": "https://shop.example/track?order=#{order}"}],
}
FILLED = {"name": "김하나", "order": "A-17"}


class Shop(msgspec.Struct):
    """A channel with its owner, an editor and two agents. path: of the channel."""

    path: str
    account: str
    owner: Talker
    editor: Talker
    agent: Talker
    other: Talker

    @property
    def desk(self) -> str:
        return f"{self.path}/desk"


def key_holder(http: aiohttp.ClientSession, secret: str) -> Talker:
    """A program of the channel."""
    return Talker(http, {"user_id": "", "device_id": "", "access_token": secret})


async def keyed(talker: Talker, http: aiohttp.ClientSession, method: str, path: str, body: Json, key: str) -> Any:
    """(status, answer) of a write with an Idempotency-Key."""
    headers = {"Authorization": f"Bearer {talker.access_token}", "Idempotency-Key": key}
    return await ask(http, method, path, body, headers)


@pytest.fixture
async def shop(http: aiohttp.ClientSession) -> Shop:
    owner, editor, agent, other = [await sign_up(http, name) for name in ("owner", "editor", "agent", "other")]
    status, made = await owner.ask("POST", BASE, {"name": f"가게 {secrets.token_hex(6)}"})
    assert status == 201, made
    path = f"{BASE}/{made['channel_id']}"
    for person, role in ((editor, "editor"), (agent, "agent"), (other, "agent")):
        await owner.put(f"{path}/staff/{person.user_id}", {"role": role})
    return Shop(path, made["account"], owner, editor, agent, other)


@pytest.fixture
async def admin(http: aiohttp.ClientSession, database: asyncpg.Connection) -> Talker:
    person = await sign_up(http, "operator")
    await database.execute("UPDATE users SET is_admin = true WHERE user_id = $1", person.user_id)
    return await person.another_device()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


async def write(customer: Talker, shop: Shop, text: str) -> str:
    """The room in which it was written."""
    room_id = str((await customer.post(f"{shop.path}/conversation"))["room_id"])
    await customer.say(room_id, text)
    return room_id


async def found(shop: Shop, customer: Talker, state: str, who: Talker | None = None) -> str:
    """The path of the customer's conversation, once it is in this state."""
    while True:
        listed = await (who or shop.agent).get(f"{shop.desk}/conversations", customer=customer.user_id)
        for each in listed["conversations"]:
            if each["state"] == state:
                return f"{shop.desk}/conversations/{each['conversation_id']}"
        await asyncio.sleep(0.1)


async def answer(who: Talker, conversation: str, text: str) -> str:
    status, said = await who.ask("POST", f"{conversation}/messages", {"body": text})
    assert status == 201, said
    return str(said["message_id"])


async def heard(customer: Talker, room_id: str, count: int) -> list[Json]:
    """What the channel said in the room, once it is so much."""
    while True:
        events = (await customer.messages(room_id, limit=50))["chunk"][::-1]
        said = [each for each in events if each["type"] == "m.room.message" and each["sender"] != customer.user_id]
        if len(said) >= count:
            return said
        await asyncio.sleep(0.1)


async def make_key(shop: Shop, http: aiohttp.ClientSession, *scopes: str) -> tuple[Talker, str]:
    """(its holder, its id)"""
    status, made = await shop.owner.ask("POST", f"{shop.path}/keys", {"name": "프로그램", "scopes": list(scopes)})
    assert status == 201, made
    return key_holder(http, made["secret"]), made["key_id"]


# --- one voice ---


async def test_a_customer_hears_one_voice_of_whoever_has_the_conversation(shop: Shop, alice: Talker) -> None:
    room_id = await write(alice, shop, "재고 있나요?")
    conversation = await found(shop, alice, "waiting")
    assert (await shop.agent.get(conversation))["waiting_since"] > 0
    assert await shop.agent.refused("POST", f"{conversation}/messages", {"body": "x"}) == (409, "BONGSU_NOT_TAKEN")
    assert (await shop.agent.post(f"{conversation}/take"))["agent"] == shop.agent.user_id
    assert (await shop.agent.post(f"{conversation}/take"))["state"] == "open"
    status, refused = await shop.other.ask("POST", f"{conversation}/take")
    assert (status, refused["errcode"], refused["agent"]) == (409, "BONGSU_TAKEN", shop.agent.user_id)
    assert await shop.other.refused("POST", f"{conversation}/messages", {"body": "x"}) == (409, "BONGSU_TAKEN")
    await answer(shop.agent, conversation, "네, 있습니다")
    [said] = await heard(alice, room_id, 1)
    assert (said["sender"], said["content"]["body"]) == (shop.account, "네, 있습니다")
    assert shop.agent.user_id not in str(said)
    members = await alice.get(f"{room(room_id)}/joined_members")
    assert set(members["joined"]) == {alice.user_id, shop.account}
    await shop.agent.post(f"{conversation}/give", {"agent": shop.other.user_id})
    await answer(shop.other, conversation, "다른 사람이 이어받았습니다")
    assert [each["sender"] for each in await heard(alice, room_id, 2)] == [shop.account] * 2
    listed = (await shop.other.get(f"{conversation}/messages"))["messages"]
    assert [each.get("author") for each in listed] == [shop.other.user_id, shop.agent.user_id, None]
    assert [each["sender"] for each in listed] == ["channel", "channel", "customer"]
    await alice.post(f"{room(room_id)}/receipt/m.read/{said['event_id']}")
    listed = (await shop.other.get(f"{conversation}/messages"))["messages"]
    assert [each.get("read", False) for each in listed] == [False, True, False]
    had = [each["agent"] for each in (await shop.other.get(conversation))["assignments"]]
    assert had == [shop.agent.user_id, shop.other.user_id]
    assert (await shop.other.post(f"{conversation}/close"))["state"] == "closed"
    await write(alice, shop, "하나 더요")
    assert await found(shop, alice, "waiting") == conversation, "one conversation for each customer"
    stats = await shop.owner.get(f"{shop.desk}/stats")
    assert stats["first_answer_ms"]["count"] == stats["first_answer_by_person_ms"]["count"] == 1
    assert stats["waiting_now_ms"]["count"] == stats["conversations"]["waiting"] == 1
    audited = await shop.owner.get(f"{shop.path}/audit", verify="true")
    assert audited["faults"] == []
    assert [each["deed"]["action"] for each in audited["entries"]][-3:] == ["desk.take", "desk.give", "desk.close"]


async def test_who_waits_longest_comes_first(shop: Shop, http: aiohttp.ClientSession) -> None:
    customers = [await sign_up(http, f"customer{number}") for number in range(3)]
    for each in customers:
        await write(each, shop, "여보세요")
        await found(shop, each, "waiting")
    first = await shop.agent.get(f"{shop.desk}/conversations", state="unanswered", limit=2)
    second = await shop.agent.get(f"{shop.desk}/conversations", state="unanswered", **{"from": first["next_batch"]})
    listed = [each["customer"] for each in first["conversations"] + second["conversations"]]
    assert listed == [each.user_id for each in customers]
    conversation = await found(shop, customers[0], "waiting")
    await shop.agent.post(f"{conversation}/take")
    await answer(shop.agent, conversation, "네")
    listed = (await shop.agent.get(f"{shop.desk}/conversations"))["conversations"]
    assert [each["customer"] for each in listed] == [each.user_id for each in (*customers[1:], customers[0])]
    own = (await shop.agent.get(f"{shop.desk}/conversations", agent=shop.agent.user_id))["conversations"]
    assert [each["customer"] for each in own] == [customers[0].user_id]


async def test_a_list_tells_who_asks_and_what_was_said_last(shop: Shop, http: aiohttp.ClientSession) -> None:
    one, other = [await sign_up(http, name) for name in ("asker", "silent")]
    await one.put(f"{V3}/profile/{one.user_id}/displayname", {"displayname": "김하나_고객"})
    await shop.owner.put(shop.desk, {"greeting": "어서 오세요"})
    room_id = await write(one, shop, "재고 있나요?")
    await found(shop, one, "waiting")
    await heard(one, room_id, 1)
    await write(other, shop, "저기요")
    await found(shop, other, "waiting")
    first, second = (await shop.agent.get(f"{shop.desk}/conversations"))["conversations"]
    assert (first["name"], first["newest"]) == ("김하나_고객", {"sender": "customer", "body": "재고 있나요?"})
    assert second["newest"]["body"] == "저기요"
    for search, customers in (("하나_고", [one]), ("하나%고", []), (other.user_id[:5], [other]), ("\\", [])):
        listed = await shop.agent.get(f"{shop.desk}/conversations", search=search)
        assert [each["customer"] for each in listed["conversations"]] == [each.user_id for each in customers]
        assert listed["now"] >= first["waiting_since"]
    conversation = f"{shop.desk}/conversations/{first['conversation_id']}"
    for wrong in ("%00", "x" * 101):
        assert await shop.agent.refused("GET", f"{shop.desk}/conversations?search={wrong}") == (400, "M_INVALID_PARAM")
    assert (await shop.agent.get(conversation))["agreed"] == {}
    texts = await one.get(f"{BASE}/consents/texts")
    wish = {"text_version": texts["text_version"], "advertising": True}
    await one.put(f"{shop.path}/follow", wish)
    assert (await shop.agent.get(conversation))["agreed"] == {"follow": True, "advertising": True}
    await shop.agent.post(f"{conversation}/take")
    await answer(shop.agent, conversation, "네" * 200)
    await heard(one, room_id, 2)
    last = (await shop.agent.get(f"{shop.desk}/conversations", agent=shop.agent.user_id))["conversations"][0]
    assert last["newest"] == {"sender": "channel", "body": "네" * 120}
    assert (await shop.agent.get(shop.desk))["has_bot"] is False
    await make_key(shop, http, "desk:bot")
    assert (await shop.agent.get(shop.desk))["has_bot"] is True


async def test_agents_are_called_when_the_first_one_waits_and_when_theirs_writes(
    shop: Shop, alice: Talker, bob: Talker
) -> None:
    async def calls(who: Talker, count: int) -> list[Json]:
        while True:
            rooms = (await who.sync()).get("rooms", {})
            for room_id in rooms.get("invite", {}):
                await who.join(room_id)
            events = [each for joined in rooms.get("join", {}).values() for each in joined["timeline"]["events"]]
            said = [each["content"].get("bongsu.channel", {}) for each in events]
            if len(called := [each for each in said if each.get("about") == "desk.waiting"]) >= count:
                return called
            await asyncio.sleep(0.1)

    room_id = await write(alice, shop, "있나요?")
    conversation = await found(shop, alice, "waiting")
    await write(bob, shop, "저도요")
    await found(shop, bob, "waiting")
    for agent in (shop.agent, shop.other):
        [called] = await calls(agent, 1)
        assert called["conversation_id"] == conversation.rpartition("/")[2]
    await shop.agent.post(f"{conversation}/take")
    await answer(shop.agent, conversation, "네")
    for text in ("그럼", "하나 주세요"):
        await alice.say(room_id, text)
    assert len(await calls(shop.agent, 2)) == 2
    stats = await shop.agent.get(f"{shop.desk}/stats")
    assert stats["first_answer_ms"]["count"] == 1
    assert await calls(shop.editor, 0) == []
    await shop.agent.post(f"{conversation}/give", {"agent": shop.other.user_id})
    assert len(await calls(shop.other, 2)) == 2


async def test_two_agents_who_take_it_at_once_do_not_both_have_it(
    shop: Shop, alice: Talker, database: asyncpg.Connection
) -> None:
    await write(alice, shop, "급해요")
    conversation = await found(shop, alice, "waiting")
    tries = await asyncio.gather(*(each.ask("POST", f"{conversation}/take") for each in (shop.agent, shop.other) * 5))
    winners = {answer["agent"] for status, answer in tries if status == 200}
    assert len(winners) == 1
    assert {status for status, _ in tries} == {200, 409}
    conversation_id = conversation.rpartition("/")[2]
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute("INSERT INTO desk_assignments VALUES ($1, '@x:x', 0)", conversation_id)
    with pytest.raises(asyncpg.CheckViolationError):
        await database.execute("UPDATE desk_conversations SET agent = NULL WHERE conversation_id = $1", conversation_id)


async def test_notes_are_for_agents_alone(shop: Shop, alice: Talker, http: aiohttp.ClientSession) -> None:
    room_id = await write(alice, shop, "=1+1 환불해 주세요")
    conversation = await found(shop, alice, "waiting")
    await shop.agent.post(f"{conversation}/take")
    status, note = await shop.agent.ask("POST", f"{conversation}/notes", {"body": "단골 손님"})
    assert status == 201
    assert (await shop.other.get(f"{conversation}/notes"))["notes"] == [note]
    await answer(shop.agent, conversation, "처리했습니다")
    await heard(alice, room_id, 1)
    assert "단골" not in str(await alice.messages(room_id, limit=100)) + str(await alice.sync())
    pages = {}
    for path, query in product(("transcript.csv", "transcript"), ("", "?internal=true")):
        headers = {"Authorization": f"Bearer {shop.agent.access_token}", "Accept-Language": "ko"}
        async with http.get(f"{conversation}/{path}{query}", headers=headers) as response:
            assert response.status == 200
            assert response.headers["cache-control"] == "no-store"
            pages[path, query] = await response.text()
    for path in ("transcript.csv", "transcript"):
        assert "처리했습니다" in pages[path, ""]
        assert "단골" not in pages[path, ""]
        assert shop.agent.user_id not in pages[path, ""]
        assert "단골 손님" in pages[path, "?internal=true"]
        assert shop.agent.user_id in pages[path, "?internal=true"]
    assert "\"'=1+1" in pages["transcript.csv", ""], "no spreadsheet calculates what a customer wrote"
    for person in (alice, shop.editor):
        for path in ("", "/notes", "/messages", "/transcript", "/transcript.csv"):
            assert (await person.refused("GET", f"{conversation}{path}"))[0] == 403


async def test_an_away_text_is_said_once_while_it_is_closed(shop: Shop, alice: Talker) -> None:
    settings = {"greeting": "어서 오세요", "away_text": "지금은 쉽니다"}
    away = {**settings, "away_until": time.time_ns() // 1_000_000 + HOUR}
    assert (await shop.owner.put(shop.desk, away))["open_now"] is False
    room_id = await write(alice, shop, "계세요?")
    await heard(alice, room_id, 1)
    await alice.say(room_id, "계세요??")
    conversation = await found(shop, alice, "waiting")
    await shop.agent.post(f"{conversation}/take")
    await answer(shop.agent, conversation, "왔습니다")
    said = [each["content"]["body"] for each in await heard(alice, room_id, 2)]
    assert said == ["지금은 쉽니다", "왔습니다"]
    await shop.agent.post(f"{conversation}/close")
    assert (await shop.owner.put(shop.desk, settings))["open_now"] is True
    await alice.say(room_id, "다시 왔어요")
    assert (await heard(alice, room_id, 3))[-1]["content"]["body"] == "어서 오세요"
    await shop.owner.put(shop.desk, away)
    await alice.say(room_id, "문 닫았나요?")
    assert (await heard(alice, room_id, 4))[-1]["content"]["body"] == "지금은 쉽니다", "another stretch of closed hours"


async def test_who_is_gone_leaves_nobody_waiting_for_them(shop: Shop, alice: Talker) -> None:
    await write(alice, shop, "저기요")
    conversation = await found(shop, alice, "waiting")
    await shop.agent.post(f"{conversation}/take")
    await shop.owner.delete(f"{shop.path}/staff/{shop.agent.user_id}")
    assert (await shop.other.get(conversation))["state"] == "waiting"
    assert (await shop.agent.refused("POST", f"{conversation}/take"))[0] == 403
    unknown = {"agent": shop.editor.user_id}
    await shop.other.post(f"{conversation}/take")
    assert await shop.other.refused("POST", f"{conversation}/give", unknown) == (404, "M_NOT_FOUND")
    assert await shop.owner.refused("POST", f"{conversation}/messages", {"body": "x"}) == (409, "BONGSU_TAKEN")
    assert (await shop.owner.post(f"{conversation}/give_back"))["state"] == "waiting"


async def waits_for_a_lock(database: asyncpg.Connection, count: int) -> bool:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return int(await database.fetchval(sql)) >= count


async def test_nothing_is_done_in_the_name_of_who_was_dismissed_meanwhile(
    shop: Shop, alice: Talker, database: asyncpg.Connection
) -> None:
    await write(alice, shop, "저기요")
    conversation = await found(shop, alice, "waiting")
    async with database.transaction():
        locked = "SELECT FROM desk_conversations WHERE conversation_id = $1 FOR UPDATE"
        await database.execute(locked, conversation.rpartition("/")[2])
        taking = asyncio.create_task(shop.agent.ask("POST", f"{conversation}/take"))
        while not await waits_for_a_lock(database, 1):
            await asyncio.sleep(0.1)
        dismissing = asyncio.create_task(shop.owner.delete(f"{shop.path}/staff/{shop.agent.user_id}"))
        while not dismissing.done() and not await waits_for_a_lock(database, 2):
            await asyncio.sleep(0.1)
    assert (await taking)[0] == 200
    await dismissing
    assert (await shop.other.get(conversation))["state"] == "waiting", "who is dismissed leaves nobody waiting for them"


async def while_held(database: asyncpg.Connection, first: Talker, then: Talker, act: Coroutine[Any, Any, Json]) -> Json:
    """Who closes the channel locks its staff in the order of their ids. What waits for the first holds none behind."""
    lock = "SELECT FROM channel_staff WHERE user_id = $1 FOR NO KEY UPDATE NOWAIT"
    waits = "SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
    assert first.user_id < then.user_id
    async with database.transaction():
        await database.execute(lock, first.user_id)
        acting = asyncio.create_task(act)
        while not await database.fetch(waits):
            await asyncio.sleep(0.02)
        await database.execute(lock, then.user_id)
    return await acting


async def test_closing_a_channel_and_what_is_under_way_there_do_not_wait_for_each_other(
    shop: Shop, alice: Talker, database: asyncpg.Connection
) -> None:
    await write(alice, shop, "안녕하세요")
    conversation = await found(shop, alice, "waiting")
    await shop.other.post(f"{conversation}/take")
    giving = shop.other.post(f"{conversation}/give", {"agent": shop.agent.user_id})
    assert (await while_held(database, shop.agent, shop.other, giving))["agent"] == shop.agent.user_id
    path = f"{shop.path}/staff/{shop.editor.user_id}"
    await shop.owner.put(path, {"role": "owner"})
    taken = await while_held(database, shop.editor, shop.owner, shop.editor.put(path, {"role": "owner"}))
    assert {each["user_id"]: each["role"] for each in taken["staff"]}[shop.editor.user_id] == "owner"


async def test_who_deactivates_their_account_works_nowhere_and_leaves_nobody_waiting(
    shop: Shop, alice: Talker, admin: Talker
) -> None:
    await write(alice, shop, "저기요")
    conversation = await found(shop, alice, "waiting")
    await shop.agent.post(f"{conversation}/take")
    await deactivate(shop.agent)
    assert await found(shop, alice, "waiting", shop.other) == conversation
    await shop.other.post(f"{conversation}/take")
    assert await shop.other.refused("POST", f"{conversation}/give", {"agent": shop.agent.user_id}) == (
        404,
        "M_NOT_FOUND",
    )
    wrong = {"agent": "@a\x00b:test.example"}
    assert await shop.other.refused("POST", f"{conversation}/give", wrong) == (400, "M_INVALID_PARAM")
    while shop.agent.user_id in str(await shop.owner.get(f"{shop.path}/staff")):
        await asyncio.sleep(0.1)
    owning = f"{shop.path}/staff/{shop.editor.user_id}"
    assert await admin.refused("PUT", owning, {"role": "owner"}) == (403, "M_FORBIDDEN")
    await shop.other.post(f"{conversation}/close")
    await deactivate(shop.owner)
    assert (await admin.put(owning, {"role": "owner"}))["offered_to"] == shop.editor.user_id
    staff = (await shop.editor.put(owning, {"role": "owner"}))["staff"]
    assert {each["user_id"]: each["role"] for each in staff}[shop.editor.user_id] == "owner"


async def deactivate(person: Talker) -> None:
    auth = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": person.user_id}}
    await person.post(f"{V3}/account/deactivate", {"auth": {**auth, "password": person._password}})


async def test_kept_answers(shop: Shop) -> None:
    status, kept = await shop.editor.ask(
        "POST", f"{shop.desk}/replies", {"name": "영업시간", "body": "9시부터 6시까지"}
    )
    assert status == 201
    same = {"name": "영업시간", "body": "x"}
    assert await shop.agent.refused("POST", f"{shop.desk}/replies", same) == (409, "BONGSU_NAME_TAKEN")
    path = f"{shop.desk}/replies/{kept['reply_id']}"
    await shop.agent.put(path, {"name": "영업시간", "body": "10시부터"})
    assert [each["body"] for each in (await shop.agent.get(f"{shop.desk}/replies"))["replies"]] == ["10시부터"]
    await shop.agent.delete(path)
    assert await shop.agent.refused("DELETE", path) == (404, "M_NOT_FOUND")
    assert await shop.agent.refused("PUT", path, same) == (404, "M_NOT_FOUND")


# --- from any client ---


async def test_whoever_invites_a_channel_from_any_client_is_heard_from_the_first_word(
    shop: Shop, alice: Talker
) -> None:
    room_id = await alice.make_room(is_direct=True, preset="trusted_private_chat")
    await alice.say(room_id, "첫마디")
    await alice.post(f"{room(room_id)}/invite", {"user_id": shop.account})
    await alice.say(room_id, "둘째 마디")
    conversation = await found(shop, alice, "waiting")
    await shop.agent.post(f"{conversation}/take")
    await answer(shop.agent, conversation, "네")
    await heard(alice, room_id, 1)
    listed = (await shop.agent.get(f"{conversation}/messages"))["messages"]
    assert [each["content"]["body"] for each in listed] == ["네", "둘째 마디", "첫마디"]
    assert (await alice.post(f"{shop.path}/conversation"))["room_id"] == room_id
    other = await alice.make_room(is_direct=True, invite=[shop.account])
    while (await alice.state(other, "m.room.member", shop.account))["membership"] == "invite":
        await asyncio.sleep(0.1)
    assert (await alice.state(other, "m.room.member", shop.account))["membership"] == "leave"


async def test_who_invites_a_channel_into_an_encrypted_room_is_told_in_the_open(shop: Shop, alice: Talker) -> None:
    sealed = {"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}
    room_id = await alice.make_room(is_direct=True, initial_state=[sealed], invite=[shop.account])
    while not (invited := (await alice.sync()).get("rooms", {}).get("invite", {})):
        await asyncio.sleep(0.1)
    [plain] = invited
    await alice.join(plain)
    assert "암호화" in (await heard(alice, plain, 1))[0]["content"]["body"]
    assert (await alice.state(room_id, "m.room.member", shop.account))["membership"] == "leave"
    await alice.send(plain, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x"}, "m.room.encrypted")
    conversation = await found(shop, alice, "waiting")
    assert (await shop.agent.get(f"{conversation}/messages"))["messages"][0].get("sealed", False) in (True, False)
    said = await heard(alice, plain, 2)
    assert "암호화" in said[1]["content"]["body"]


async def test_who_left_comes_back_and_who_blocks_hears_nothing(shop: Shop, alice: Talker) -> None:
    room_id = await write(alice, shop, "안녕하세요")
    conversation = await found(shop, alice, "waiting")
    await alice.leave(room_id)
    assert await write(alice, shop, "다시 왔어요") == room_id
    await shop.agent.post(f"{conversation}/take")
    await alice.put(f"{shop.path}/block", {})
    assert await shop.agent.refused("POST", f"{conversation}/messages", {"body": "x"}) == (403, "M_FORBIDDEN")
    assert await alice.refused("POST", f"{shop.path}/conversation") == (403, "BONGSU_BLOCKED")


async def test_a_channel_that_was_sent_out_hears_nothing_and_answers_in_another_room(shop: Shop, alice: Talker) -> None:
    room_id = await alice.make_room(is_direct=True, preset="private_chat", invite=[shop.account])
    await alice.say(room_id, "여보세요")
    conversation = await found(shop, alice, "waiting")
    await shop.agent.post(f"{conversation}/take")
    await answer(shop.agent, conversation, "네")
    await heard(alice, room_id, 1)
    await alice.put(f"{shop.path}/follow", {"text_version": "2026-11"})
    await alice.post(f"{room(room_id)}/kick", {"user_id": shop.account})
    await alice.say(room_id, "우리끼리 비밀")
    await alice.say(room_id, "!해지")
    await answer(shop.agent, conversation, "어디 계세요?")
    while not (invited := (await alice.sync()).get("rooms", {}).get("invite", {})):
        await asyncio.sleep(0.1)
    [other] = invited
    await alice.join(other)
    assert [each["content"]["body"] for each in await heard(alice, other, 1)] == ["어디 계세요?"]
    assert (await alice.post(f"{shop.path}/conversation"))["room_id"] == other
    assert (await alice.get(shop.path))["mine"]["room_id"] == other
    for text in ("여기요", "다시 말해요"):
        await alice.say(other, text)
    while len(listed := (await shop.agent.get(f"{conversation}/messages"))["messages"]) < 3:
        await asyncio.sleep(0.1)
    assert "비밀" not in str(listed)
    assert (await alice.get(shop.path))["mine"]["follow"], "what is said behind its back is no command"


async def test_what_was_said_while_the_channel_was_away_is_not_read(shop: Shop, alice: Talker) -> None:
    room_id = await alice.make_room(is_direct=True, preset="private_chat", invite=[shop.account])
    await alice.say(room_id, "여보세요")
    conversation = await found(shop, alice, "waiting")
    await alice.set_state(room_id, "m.room.history_visibility", {"history_visibility": "joined"})
    await alice.post(f"{room(room_id)}/kick", {"user_id": shop.account})
    event_id = await alice.say(room_id, "우리끼리 비밀")
    await alice.post(f"{room(room_id)}/receipt/m.read/{event_id}")

    async def read() -> list[str]:
        listed = (await shop.agent.get(f"{shop.desk}/conversations"))["conversations"]
        told = (await shop.agent.get(f"{conversation}/messages"))["messages"]
        assert listed[0].get("newest", {}).get("body") in (None, told[0]["content"]["body"])
        return [each["content"]["body"] for each in told]

    assert await read() == ["여보세요"]
    await alice.post(f"{room(room_id)}/invite", {"user_id": shop.account})
    while (await alice.state(room_id, "m.room.member", shop.account))["membership"] != "join":
        await asyncio.sleep(0.1)
    await alice.say(room_id, "다시 왔군요")
    while len(await read()) < 2:
        await asyncio.sleep(0.1)
    assert await read() == ["다시 왔군요", "여보세요"]


async def test_what_was_said_last_in_one_room_is_heard_though_they_go_on_in_another(shop: Shop, alice: Talker) -> None:
    room_id = await write(alice, shop, "여보세요")
    conversation = await found(shop, alice, "waiting")
    await alice.put(f"{shop.path}/follow", {"text_version": "2026-11"})
    await alice.leave(room_id)
    other = await alice.make_room(is_direct=True, invite=[shop.account])
    while (await alice.state(other, "m.room.member", shop.account))["membership"] != "join":
        await asyncio.sleep(0.1)
    while (await alice.get(shop.path))["mine"].get("follow", False):
        await asyncio.sleep(0.1)
    await alice.say(other, "그만 받고 물어만 볼게요")
    while len((await shop.agent.get(f"{conversation}/messages"))["messages"]) != 1:
        await asyncio.sleep(0.1)


async def test_an_invitation_that_fails_holds_up_no_other(
    shop: Shop, alice: Talker, database: asyncpg.Connection
) -> None:
    """As many as are looked at together, which stand in the table as invitations and are none in their rooms."""
    rooms = await asyncio.gather(*(alice.make_room() for _ in range(limits.DESK_INVITED_MAX)))
    broken = "INSERT INTO members (user_id, room_id, membership, pos) SELECT $1, room_id, 'invite', pos FROM members"
    await database.execute(f"{broken} WHERE user_id = $2 AND room_id = ANY($3)", shop.account, alice.user_id, rooms)
    try:
        room_id = await alice.make_room(is_direct=True, invite=[shop.account])
        while (await alice.state(room_id, "m.room.member", shop.account))["membership"] != "join":
            await asyncio.sleep(0.1)
    finally:
        await database.execute("DELETE FROM members WHERE user_id = $1 AND room_id = ANY($2)", shop.account, rooms)


# --- the bot ---


async def test_a_bot_answers_first_and_hands_over(
    shop: Shop, alice: Talker, http: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await shop.owner.put(shop.desk, {"bot_first": True})
    bot, key_id = await make_key(shop, http, "desk:bot")
    room_id = await write(alice, shop, "영업시간이요")
    conversation = await found(shop, alice, "bot", bot)
    listed = (await bot.get(f"{conversation}/messages"))["messages"]
    assert [each["content"]["body"] for each in listed] == ["영업시간이요"]
    assert await shop.agent.refused("POST", f"{conversation}/messages", {"body": "x"}) == (409, "BONGSU_NOT_TAKEN")
    await answer(bot, conversation, "9시부터 6시까지입니다")
    [said] = await heard(alice, room_id, 1)
    assert (said["sender"], said["content"]["bongsu.channel"]["by"]) == (shop.account, "bot")
    assert (await bot.post(f"{conversation}/to_person"))["state"] == "waiting"
    assert (await bot.refused("GET", f"{conversation}/messages"))[0] == 403, "a bot reads what it answers alone"
    assert await bot.refused("POST", f"{conversation}/messages", {"body": "x"}) == (409, "BONGSU_NOT_WITH_BOT")
    assert (await bot.refused("POST", f"{conversation}/take"))[0] == 403
    assert (await shop.agent.refused("POST", f"{conversation}/to_person"))[0] == 403
    await shop.agent.post(f"{conversation}/take")
    assert (await shop.agent.post(f"{conversation}/to_bot"))["state"] == "bot"
    await alice.say(room_id, "듣고 있나요?")
    timer = f"desk.bot_silent/{conversation.rpartition('/')[2]}"
    while not await database.fetchval("SELECT 1 FROM timers WHERE timer_id = $1", timer):
        await asyncio.sleep(0.1)
    await database.execute(
        "UPDATE desk_conversations SET since_ts = since_ts - 3600000 WHERE conversation_id = $1",
        conversation.rpartition("/")[2],
    )
    await database.execute("UPDATE timers SET due_at = 0 WHERE timer_id = $1", timer)
    await found(shop, alice, "waiting")
    await shop.agent.post(f"{conversation}/to_bot")
    await shop.owner.delete(f"{shop.path}/keys/{key_id}")
    assert (await shop.agent.get(conversation))["state"] == "waiting", "a bot without a key answers nobody"
    assert await bot.refused("GET", f"{shop.desk}/conversations") == (401, "M_UNKNOWN_TOKEN")
    assert await shop.agent.refused("POST", f"{conversation}/to_bot") == (409, "BONGSU_NO_BOT")


# --- keys ---


async def test_a_key_is_told_once_and_opens_what_it_is_for(
    shop: Shop, http: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    body = {"name": "주문", "scopes": ["templates:send"]}
    status, made = await keyed(shop.owner, http, "POST", f"{shop.path}/keys", body, "k1")
    assert (status, made["secret"][:4]) == (201, "bck_")
    status, again = await keyed(shop.owner, http, "POST", f"{shop.path}/keys", body, "k1")
    assert (status, again["key_id"], "secret" in again) == (201, made["key_id"], False)
    stored = (
        await database.fetch("SELECT * FROM channel_keys"),
        await database.fetch("SELECT answer FROM idempotency_keys"),
    )
    assert made["secret"] not in str(stored)
    program = key_holder(http, made["secret"])
    assert (await program.get(f"{shop.path}/templates"))["templates"] == []
    while (await shop.owner.get(f"{shop.path}/keys"))["keys"][0].get("used_ts") is None:
        await asyncio.sleep(0.1)
    for path in (f"{shop.desk}/conversations", f"{shop.path}/webhooks", f"{shop.path}/keys", f"{shop.desk}/replies"):
        assert await program.refused("GET", path) == (403, "M_FORBIDDEN")
    assert (await program.refused("GET", f"{shop.path}/staff"))[0] == 401, "it is no person's token"
    status, elsewhere = await shop.owner.ask("POST", BASE, {"name": f"다른 {secrets.token_hex(6)}"})
    assert await program.refused("GET", f"{BASE}/{elsewhere['channel_id']}/templates") == (403, "M_FORBIDDEN")
    assert await key_holder(http, "bck_x").refused("GET", f"{shop.path}/templates") == (401, "M_UNKNOWN_TOKEN")
    for wrong in ({"name": "x", "scopes": []}, {"name": "x", "scopes": ["all"]}, {"name": "", "scopes": ["desk:bot"]}):
        assert (await shop.owner.refused("POST", f"{shop.path}/keys", wrong))[0] == 400
    await shop.owner.delete(f"{shop.path}/keys/{made['key_id']}")
    await shop.owner.delete(f"{shop.path}/keys/{made['key_id']}")
    assert await program.refused("GET", f"{shop.path}/templates") == (401, "M_UNKNOWN_TOKEN")


# --- templates ---


async def approved(shop: Shop, admin: Talker, **more: Any) -> str:
    """The path of a template that may be sent."""
    status, made = await shop.editor.ask("POST", f"{shop.path}/templates", {**TEMPLATE, **more})
    assert status == 201, made
    path = f"{shop.path}/templates/{made['template_id']}"
    await shop.editor.post(f"{path}/submit")
    await admin.post(f"{BASE}/templates/{made['template_id']}/1/approve")
    return path


async def test_a_template_is_approved_sent_once_and_followed(
    shop: Shop, admin: Talker, alice: Talker, http: aiohttp.ClientSession
) -> None:
    program, _ = await make_key(shop, http, "templates:send")
    template = await approved(shop, admin)
    body = {"to": alice.user_id, "variables": FILLED}
    assert await program.refused("POST", f"{template}/messages", body) == (400, "M_MISSING_PARAM")
    tries = await asyncio.gather(
        *(keyed(program, http, "POST", f"{template}/messages", body, "order-17") for _ in range(4))
    )
    assert tries[0][0] == 202
    assert all(each == tries[0] for each in tries)
    fate = f"{shop.path}/messages/{tries[0][1]['message_id']}"
    while (await program.get(fate))["state"] == "queued":
        await asyncio.sleep(0.1)
    invited = list((await alice.sync())["rooms"]["invite"])
    await alice.join(invited[0])
    [said] = await heard(alice, invited[0], 1)
    assert said["content"]["body"] == (
        "김하나님, 주문 A-17이(가) 출발했습니다.\n\n▶ 배송 조회 https://shop.example/track?order=A-17"
    )
    [button] = said["content"]["bongsu.channel"]["buttons"]
    assert button["url"] == "https://shop.example/track?order=A-17"
    delivered = await program.get(fate)
    assert (delivered["state"], delivered["event_id"]) == ("delivered", said["event_id"])
    await alice.post(f"{room(invited[0])}/receipt/m.read/{said['event_id']}")
    assert (await program.get(fate))["state"] == "read"
    assert len(await heard(alice, invited[0], 1)) == 1
    await alice.leave(invited[0])
    another = await alice.make_room(is_direct=True, invite=[shop.account])
    while (await alice.state(another, "m.room.member", shop.account))["membership"] == "invite":
        await asyncio.sleep(0.1)
    assert (await program.get(fate))["state"] == "read", "also after they speak in another room"
    wrong = {**body, "variables": {**FILLED, "name": "evil.example"}}
    assert (await keyed(program, http, "POST", f"{template}/messages", wrong, "k2"))[0] == 400
    nobody = {**body, "to": "@nobody-here:test.example"}
    assert (await keyed(program, http, "POST", f"{template}/messages", nobody, "k3"))[0] == 404
    await alice.put(f"{shop.path}/block", {})
    status, refused = await keyed(program, http, "POST", f"{template}/messages", body, "k4")
    assert (status, refused["errcode"]) == (403, "BONGSU_BLOCKED")


async def test_what_is_approved_stays_and_a_new_version_is_approved_anew(
    shop: Shop, admin: Talker, alice: Talker, http: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    template = await approved(shop, admin)
    template_id = template.rpartition("/")[2]
    second = await shop.editor.put(template, {**TEMPLATE, "body": "#{name}님, #{order} 도착"})
    assert (second["version"], second["state"]) == (2, "draft")
    with pytest.raises(asyncpg.RaiseError, match="never changed"):
        await database.execute("UPDATE channel_templates SET text = $2 WHERE template_id = $1", template_id, b"{}")
    body = {"to": alice.user_id, "variables": FILLED, "version": 2}
    status, refused = await keyed(shop.owner, http, "POST", f"{template}/messages", body, "k1")
    assert (status, refused["errcode"]) == (409, "BONGSU_NOT_APPROVED")
    await shop.editor.post(f"{template}/submit")
    assert await shop.editor.refused("PUT", template, TEMPLATE) == (409, "BONGSU_WRONG_STATE")
    assert [each["template_id"] for each in (await admin.get(f"{BASE}/templates"))["templates"]] == [template_id]
    decide = f"{BASE}/templates/{template_id}/2"
    for person in (shop.owner, alice):
        assert await person.refused("POST", f"{decide}/approve") == (403, "M_FORBIDDEN")
    refused = await admin.post(f"{decide}/refuse", {"why": "무엇이 도착하는지 알 수 없습니다"})
    assert (refused["state"], refused["why"]) == ("refused", "무엇이 도착하는지 알 수 없습니다")
    assert await admin.refused("POST", f"{decide}/approve") == (409, "BONGSU_WRONG_STATE")
    assert (await shop.editor.put(template, TEMPLATE))["version"] == 3
    versions = (await shop.editor.get(template))["templates"]
    assert [each["state"] for each in versions] == ["draft", "refused", "approved"]
    assert (await shop.editor.post(f"{template}/retire"))["version"] == 1
    status, refused = await keyed(shop.owner, http, "POST", f"{template}/messages", {**body, "version": None}, "k2")
    assert (status, refused["errcode"]) == (409, "BONGSU_NOT_APPROVED")
    assert (await shop.editor.refused("POST", f"{shop.path}/templates", {**TEMPLATE, "body": "#{none}"}))[0] == 400
    assert (await shop.editor.refused("POST", f"{shop.path}/templates", {**TEMPLATE, "reason": "sale"}))[0] == 400


async def test_what_is_written_after_it_was_taken_back_is_approved_by_another_number(shop: Shop, admin: Talker) -> None:
    status, made = await shop.editor.ask("POST", f"{shop.path}/templates", TEMPLATE)
    assert status == 201
    template, decide = f"{shop.path}/templates/{made['template_id']}", f"{BASE}/templates/{made['template_id']}"
    await shop.editor.post(f"{template}/submit")
    listed = (await admin.get(f"{BASE}/templates"))["templates"]
    [read] = [each for each in listed if each["template_id"] == made["template_id"]]
    assert (await shop.editor.post(f"{template}/withdraw"))["version"] == 2
    await shop.editor.put(template, {**TEMPLATE, "body": "#{name}님, #{order}을(를) 지금 사세요"})
    await shop.editor.post(f"{template}/submit")
    assert await admin.refused("POST", f"{decide}/{read['version']}/approve") == (404, "M_NOT_FOUND")
    assert "사세요" in (await admin.post(f"{decide}/2/approve"))["body"]


# --- webhooks ---


async def endpoint(shop: Shop, receiver: Receiver, *types: str, who: Talker | None = None) -> str:
    """Its path. The receiver knows its secret."""
    body = {"url": receiver.url, "types": list(types)}
    status, made = await (who or shop.owner).ask("POST", f"{shop.path}/webhooks", body)
    assert status == 201, made
    receiver.secrets.append(made["secret"])
    return f"{shop.path}/webhooks/{made['endpoint_id']}"


async def test_programs_are_told_in_order_and_signed(
    shop: Shop, alice: Talker, receiver: Receiver, http: aiohttp.ClientSession
) -> None:
    program, _ = await make_key(shop, http, "webhooks:manage")
    path = await endpoint(shop, receiver, who=program)
    await alice.put(f"{shop.path}/follow", {"text_version": "2026-11"})
    room_id = await write(alice, shop, "하나")
    for text in ("둘", "셋"):
        await alice.say(room_id, text)
    received = await receiver.heard("message.received", lambda found: len(found) == 3)
    assert [each["content"]["body"] for each in received] == ["하나", "둘", "셋"]
    assert {each["user_id"] for each in received} == {alice.user_id}
    conversation = await found(shop, alice, "waiting")
    await shop.agent.post(f"{conversation}/take")
    await answer(shop.agent, conversation, "네")
    [said] = await heard(alice, room_id, 1)
    await alice.post(f"{room(room_id)}/receipt/m.read/{said['event_id']}")
    [read] = await receiver.heard("message.read")
    assert (read["event_id"], read["conversation_id"]) == (said["event_id"], conversation.rpartition("/")[2])
    await alice.delete(f"{shop.path}/follow")
    await receiver.heard("follower.removed")
    kinds = [body["type"] for _, body in receiver.told]
    assert kinds[0] == "follower.added"
    assert "conversation.changed" in kinds
    assert len({webhook_id for webhook_id, _ in receiver.told}) == len(kinds)
    assert (await shop.owner.get(path))["owed"] == 0
    status, pinged = await shop.owner.ask("POST", f"{path}/ping")
    assert status == 202
    await receiver.heard("ping")
    assert receiver.told[-1][0] == pinged["webhook_id"]


async def test_a_secret_is_rotated_with_two_that_are_good(shop: Shop, receiver: Receiver) -> None:
    path = await endpoint(shop, receiver, "ping")
    [old] = receiver.secrets
    rotated = await shop.owner.post(f"{path}/rotate")
    assert rotated["secret"] != old
    assert "secret" not in await shop.owner.get(path)
    await shop.owner.ask("POST", f"{path}/ping")
    await receiver.heard("ping")
    assert len(receiver.signatures[-1].split(" ")) == 2
    receiver.secrets = [(await shop.owner.post(f"{path}/rotate", {"overlap_ms": 0}))["secret"]]
    await shop.owner.ask("POST", f"{path}/ping")
    await receiver.heard("ping", lambda found: len(found) == 2)
    assert len(receiver.signatures[-1].split(" ")) == 1
    assert (await shop.owner.refused("POST", f"{path}/rotate", {"overlap_ms": -1}))[0] == 400


async def test_what_fails_is_told_again_and_an_endpoint_that_fails_for_days_is_disabled(
    shop: Shop, receiver: Receiver, database: asyncpg.Connection
) -> None:
    path = await endpoint(shop, receiver, "ping")
    endpoint_id = path.rpartition("/")[2]
    receiver.status = 500
    await shop.owner.ask("POST", f"{path}/ping")
    await receiver.tried(2)
    assert len(set(receiver.ids)) == 1, "what is sent again has the same webhook-id"
    assert (await shop.owner.get(path))["last_failure"] == "it answered 500"
    days = 4 * 86_400_000
    await database.execute(
        "UPDATE webhook_endpoints SET failing_ts = failing_ts - $2, due_at = now() WHERE endpoint_id = $1",
        *(endpoint_id, days),
    )
    while "disabled_ts" not in await shop.owner.get(path):
        await asyncio.sleep(0.1)
    assert await shop.owner.refused("POST", f"{path}/ping") == (409, "BONGSU_DISABLED")
    while not (invited := (await shop.owner.sync()).get("rooms", {}).get("invite", {})):
        await asyncio.sleep(0.1)
    [notice] = invited
    await shop.owner.join(notice)
    assert "127.0.0.1" in (await heard(shop.owner, notice, 1))[0]["content"]["body"]
    receiver.status = 200
    assert "disabled_ts" not in await shop.owner.post(f"{path}/enable")
    await receiver.heard("ping")
    assert len(set(receiver.ids)) == 1, "what it was owed was kept"
    receiver.status = 410
    await shop.owner.ask("POST", f"{path}/ping")
    while "410" not in (await shop.owner.get(path)).get("disabled_why", ""):
        await asyncio.sleep(0.1)
    await shop.owner.delete(path)
    assert await shop.owner.refused("GET", path) == (404, "M_NOT_FOUND")


async def test_endpoints_that_are_none(shop: Shop) -> None:
    for wrong in (
        {"url": "ftp://shop.example/"},
        {"url": "https://a:b@shop.example/"},
        {"url": "x"},
        {"url": "https://shop.example/", "types": ["message"]},
    ):
        assert (await shop.owner.refused("POST", f"{shop.path}/webhooks", wrong))[0] == 400


async def test_a_public_address_is_not_called_over_plain_http(shop: Shop, receiver: Receiver) -> None:
    """Where private networks may be called, they alone may be so."""
    status, made = await shop.owner.ask(
        "POST", f"{shop.path}/webhooks", {"url": "http://192.0.2.1/", "types": ["ping"]}
    )
    assert status == 201
    path = f"{shop.path}/webhooks/{made['endpoint_id']}"
    await shop.owner.put(path, {"url": "http://1.1.1.1/", "types": ["ping"]})
    await shop.owner.ask("POST", f"{path}/ping")
    while (await shop.owner.get(path)).get("last_failure") != "it could not be reached":
        await asyncio.sleep(0.1)


# --- who may do what ---

OWNER, EDITOR, AGENT = "owner", "editor", "agent"
CUSTOMER, STRANGER = "customer", "stranger"
SENDER, BOT, HOOKS = "templates:send", "desk:bot", "webhooks:manage"
DESKERS = {OWNER, AGENT}
STAFF = {OWNER, EDITOR, AGENT}
TABLE: list[tuple[str, str, Json, set[str]]] = [
    ("GET", "/desk", {}, DESKERS),
    ("PUT", "/desk", {}, {OWNER}),
    ("GET", "/desk/conversations", {}, DESKERS | {BOT}),
    ("GET", "/desk/stats", {}, DESKERS),
    ("GET", "/desk/replies", {}, STAFF),
    ("POST", "/desk/replies", {"name": "n", "body": "b"}, STAFF),
    ("DELETE", "/desk/replies/none", {}, STAFF),
    ("GET", "/desk/conversations/none", {}, DESKERS | {BOT}),
    ("GET", "/desk/conversations/none/messages", {}, DESKERS | {BOT}),
    ("POST", "/desk/conversations/none/messages", {"body": "b"}, DESKERS | {BOT}),
    ("GET", "/desk/conversations/none/notes", {}, DESKERS),
    ("POST", "/desk/conversations/none/notes", {"body": "b"}, DESKERS),
    ("GET", "/desk/conversations/none/transcript", {}, DESKERS),
    ("GET", "/desk/conversations/none/transcript.csv", {}, DESKERS),
    ("POST", "/desk/conversations/none/take", {}, DESKERS),
    ("POST", "/desk/conversations/none/give", {"agent": "@x:x"}, DESKERS),
    ("POST", "/desk/conversations/none/give_back", {}, DESKERS),
    ("POST", "/desk/conversations/none/to_bot", {}, DESKERS),
    ("POST", "/desk/conversations/none/to_person", {}, {BOT}),
    ("POST", "/desk/conversations/none/close", {}, DESKERS | {BOT}),
    ("GET", "/templates", {}, STAFF | {SENDER}),
    ("POST", "/templates", TEMPLATE, {OWNER, EDITOR}),
    ("GET", "/templates/none", {}, STAFF | {SENDER}),
    ("PUT", "/templates/none", TEMPLATE, {OWNER, EDITOR}),
    ("POST", "/templates/none/submit", {}, {OWNER, EDITOR}),
    ("POST", "/templates/none/withdraw", {}, {OWNER, EDITOR}),
    ("POST", "/templates/none/retire", {}, {OWNER, EDITOR}),
    ("POST", "/templates/none/messages", {"to": "@x:x"}, {OWNER, EDITOR, SENDER}),
    ("GET", "/messages/none", {}, STAFF | {SENDER}),
    ("GET", "/keys", {}, {OWNER}),
    ("POST", "/keys", {"name": "k", "scopes": ["desk:bot"]}, {OWNER}),
    ("DELETE", "/keys/none", {}, {OWNER}),
    ("GET", "/webhooks", {}, {OWNER, HOOKS}),
    ("POST", "/webhooks", {"url": "https://shop.example/"}, {OWNER, HOOKS}),
    ("GET", "/webhooks/none", {}, {OWNER, HOOKS}),
    ("PUT", "/webhooks/none", {"url": "https://shop.example/"}, {OWNER, HOOKS}),
    ("DELETE", "/webhooks/none", {}, {OWNER, HOOKS}),
    ("POST", "/webhooks/none/rotate", {}, {OWNER, HOOKS}),
    ("POST", "/webhooks/none/enable", {}, {OWNER, HOOKS}),
    ("POST", "/webhooks/none/ping", {}, {OWNER, HOOKS}),
]


async def test_every_role_may_do_what_the_table_says(shop: Shop, alice: Talker, http: aiohttp.ClientSession) -> None:
    who = {OWNER: shop.owner, EDITOR: shop.editor, AGENT: shop.agent, STRANGER: alice}
    who |= {scope: (await make_key(shop, http, scope))[0] for scope in (SENDER, BOT, HOOKS)}
    wrong = []
    for number, (method, path, body, allowed) in enumerate(TABLE):
        for name, person in who.items():
            headers = {"Authorization": f"Bearer {person.access_token}", "Idempotency-Key": f"{number}"}
            async with http.request(method, f"{shop.path}{path}", json=body, headers=headers) as response:
                if (response.status == 403) == (name in allowed):
                    wrong.append((method, path, name, response.status))
                assert response.status < 500
    assert not wrong
    for method, path, body, _ in TABLE:
        status, refused = await ask(http, method, f"{shop.path}{path}", body)
        assert (status, refused["errcode"]) == (401, "M_MISSING_TOKEN")
    assert (await alice.refused("GET", f"{BASE}/templates"))[0] == 403
    assert V3  # the protocol's own paths know nothing of keys
    assert await who[BOT].refused("GET", f"{V3}/sync") == (401, "M_UNKNOWN_TOKEN")


async def test_a_closed_channel_has_no_desk(
    shop: Shop, alice: Talker, http: aiohttp.ClientSession, receiver: Receiver
) -> None:
    program, key_id = await make_key(shop, http, "webhooks:manage")
    told = await endpoint(shop, receiver, who=program)
    room_id = await write(alice, shop, "마지막")
    conversation = await found(shop, alice, "waiting")
    await shop.owner.post(f"{shop.path}/close")
    assert await program.refused("GET", told) == (401, "M_UNKNOWN_TOKEN")
    assert (await shop.owner.get(told))["disabled_why"] == "the channel was closed"
    assert await shop.owner.refused("POST", f"{told}/enable") == (409, "BONGSU_CHANNEL_CLOSED")
    assert (await shop.owner.get(f"{shop.path}/keys"))["keys"][0]["revoked_ts"] > 0
    assert await shop.owner.delete(f"{shop.path}/keys/{key_id}") == {}
    assert await shop.owner.delete(told) == {}
    assert await shop.agent.refused("POST", f"{conversation}/take") == (409, "BONGSU_CHANNEL_CLOSED")
    assert await alice.refused("POST", f"{shop.path}/conversation") == (409, "BONGSU_CHANNEL_CLOSED")
    assert (await alice.messages(room_id))["chunk"]
