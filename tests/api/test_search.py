"""Searching for messages: what is found, in which order, by whom, and what is no longer found."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.api.talking import V3, Json, Talker, relating, segment, sign_up
from tests.server import Server, data_folder
from tests.waiting import until


@pytest.fixture
async def tables(server: Server) -> AsyncIterator[asyncpg.Connection]:
    [folder] = {path.parent for path in server.data_dir.rglob(".s.PGSQL.*") if path.is_socket()}
    connection = await asyncpg.connect(host=str(folder), user="postgres", database="bongsu")
    yield connection
    await connection.close()


async def until_indexed(tables: asyncpg.Connection) -> None:
    """Waits until everything that was written stands in the index."""

    async def left() -> Any:
        return await tables.fetchval("SELECT s.pos - p.pos + p.back_pos FROM search_progress p, stream s")

    await until(left, lambda rest: rest == 0, 20)


async def search(who: Talker, term: str, next_batch: str | None = None, **criteria: Any) -> Json:
    """The room_events part of an answer."""
    body = {"search_categories": {"room_events": {"search_term": term, **criteria}}}
    answer = await who.post(f"{V3}/search", body, next_batch=next_batch)
    found: Json = answer["search_categories"]["room_events"]
    return found


async def bodies(who: Talker, term: str, **criteria: Any) -> list[str]:
    found = await search(who, term, **criteria)
    return [result["result"]["content"].get("body", "") for result in found["results"]]


def ids_of(found: Json) -> list[str]:
    return [result["result"]["event_id"] for result in found["results"]]


async def all_pages(who: Talker, term: str, **criteria: Any) -> list[str]:
    """The ids of all results, page after page."""
    found = await search(who, term, **criteria)
    ids = ids_of(found)
    while "next_batch" in found:
        found = await search(who, term, found["next_batch"], **criteria)
        ids += ids_of(found)
    return ids


@pytest.mark.parametrize(
    ("said", "term"),
    [
        ("오늘 점심은 칼국수입니다", "국수"),
        ("오늘 점심은 칼국수입니다", "입니"),
        ("오늘 점심은 칼국수입니다", "칼국수 오늘"),
        ("오늘 점심은 칼국수입니다", "칼"),
        ("한글 낱말", "\u1112\u1161\u11ab\u1100\u1173\u11af"),  # typed as single letters, as some systems do
        ("Grüße aus ÜBERLINGEN", "überl"),
        ("Grüße aus ÜBERLINGEN", "GRÜSSE"),
        ("日本語の文章です", "文章"),
        ("100%_sure\\thing", "0%_s"),
        ("100%_sure\\thing", "e\\t"),
        ("🐳🐙 in the sea", "🐳🐙"),
        ('said "one two" there', '"one two"'),
    ],
)
async def test_any_two_characters_find_a_message_at_once(alice: Talker, said: str, term: str) -> None:
    here = await alice.make_room()
    event_id = await alice.say(here, said)
    await alice.say(here, "etwas anderes")
    assert ids_of(await search(alice, term)) == [event_id]


async def test_what_is_in_the_index_is_found_as_well(alice: Talker, tables: asyncpg.Connection) -> None:
    here = await alice.make_room(name="산책 모임", topic="매주 토요일 아침")
    event_id = await alice.say(here, "내일은 북한산에 갑니다")
    await until_indexed(tables)
    assert ids_of(await search(alice, "북한산")) == [event_id]
    assert ids_of(await search(alice, '"한산에 갑니"')) == [event_id]
    assert len(ids_of(await search(alice, "산"))) == 2
    assert await bodies(alice, "갑니북한") == []
    assert len((await search(alice, "토요일", keys=["content.topic"]))["results"]) == 1
    assert (await search(alice, "토요일", keys=["content.body"]))["results"] == []
    assert (await search(alice, "산책"))["results"][0]["result"]["type"] == "m.room.name"


async def test_another_worker_finds_it_at_once(alice: Talker, elsewhere: aiohttp.ClientSession) -> None:
    here = await alice.make_room()
    there = alice.through(elsewhere)
    for number in range(5):
        event_id = await alice.say(here, f"번개 {number}호 소식")
        assert ids_of(await search(there, f"{number}호 번개")) == [event_id]


async def test_old_messages_are_indexed_backwards(alice: Talker, tables: asyncpg.Connection) -> None:
    """As after the migration of a database that has messages: nothing is indexed, and all of it is old."""
    here = await alice.make_room()
    event_id = await alice.say(here, "아주 오래된 이야기")
    edited = await alice.say(here, "틀린 글짜")
    await alice.say(here, "* 맞는 글자", **_replacing(edited, "맞는 글자"))
    await until_indexed(tables)
    await tables.execute("DELETE FROM search_texts")
    await tables.execute("UPDATE search_progress SET back_pos = pos")
    await alice.say(here, "something new")
    await until_indexed(tables)
    assert ids_of(await search(alice, "오래된")) == [event_id]
    assert ids_of(await search(alice, "맞는 글자")) == [edited]
    assert ids_of(await search(alice, "글짜")) == []


async def test_no_message_holds_the_others_up(alice: Talker, tables: asyncpg.Connection) -> None:
    """Texts that are none, relations that lead nowhere, and what no database takes: the next message is indexed."""
    here = await alice.make_room()
    replacing = {"rel_type": "m.replace", "event_id": "$nothing"}
    for content in (
        {"body": 1},
        {"body": ["a"]},
        {"body": None},
        {"body": "a\0b\u2028c"},
        {"body": "\U0010ffff" * 16_000},
        {"body": "".join(chr(0xAC00 + n % 11_172) for n in range(20_000))},
        {"body": "x", "m.new_content": [1], "m.relates_to": replacing},
        {"body": "x", "m.new_content": {"body": {}}, "m.relates_to": replacing},
        {"body": "x", "m.relates_to": {"rel_type": "m.replace", "event_id": 5}},
        {"body": "x", "m.relates_to": "m.replace"},
        {"body": "ΐ" * 20_000},
    ):
        await alice.send(here, content)
    await alice.set_state(here, "m.room.topic", {"topic": {"a": 1}})
    last = await alice.say(here, "마지막 말")
    await until_indexed(tables)
    assert ids_of(await search(alice, "마지막")) == [last]
    assert await tables.fetchval("SELECT count(*) FROM search_texts WHERE text = '마지막 말'") >= 1


async def test_the_index_is_caught_up_after_a_crash() -> None:
    with data_folder() as folder:
        worker = Server.start(folder, "--password-hashing", "fast")
        async with aiohttp.ClientSession(worker.base_url) as session:
            person = await sign_up(session, "alice")
            here = await person.make_room()
            said = [await person.say(here, f"정전 {number}") for number in range(30)]
        worker.kill()
        worker.restart()
        [socket] = {path.parent for path in folder.rglob(".s.PGSQL.*") if path.is_socket()}
        tables = await asyncpg.connect(host=str(socket), user="postgres", database="bongsu")
        await until_indexed(tables)
        assert await tables.fetchval("SELECT count(*) FROM search_texts WHERE text LIKE '정전%'") == 30
        await tables.close()
        async with aiohttp.ClientSession(worker.base_url) as session:
            found = await search(person.through(session), "정전", order_by="recent", filter={"limit": 50})
        assert ids_of(found) == said[::-1]


# --- edits and redactions ---


def _replacing(event_id: str, text: str) -> Json:
    return {**relating("m.replace", event_id), "m.new_content": {"msgtype": "m.text", "body": text}}


@pytest.mark.parametrize("indexed", [False, True])
async def test_the_current_text_is_found(alice: Talker, tables: asyncpg.Connection, indexed: bool) -> None:
    here = await alice.make_room()
    event_id = await alice.say(here, "처음 쓴 문장")
    if indexed:
        await until_indexed(tables)
    edit_id = await alice.say(here, "* 고친 문장", **_replacing(event_id, "고친 문장"))
    assert ids_of(await search(alice, "처음")) == []
    found = await search(alice, "고친")
    assert ids_of(found) == [event_id]
    assert found["results"][0]["result"]["unsigned"]["m.relations"]["m.replace"]["event_id"] == edit_id
    if indexed:
        await until_indexed(tables)
        assert ids_of(await search(alice, "고친")) == [event_id]
    await alice.redact(here, edit_id)
    assert ids_of(await search(alice, "고친")) == []
    assert ids_of(await search(alice, "처음")) == [event_id]
    await until_indexed(tables)
    assert ids_of(await search(alice, "고친")) == []
    assert ids_of(await search(alice, "처음")) == [event_id]


@pytest.mark.parametrize("indexed", [False, True])
async def test_a_redacted_message_is_never_found(alice: Talker, tables: asyncpg.Connection, indexed: bool) -> None:
    here = await alice.make_room()
    event_id = await alice.say(here, "지워질 비밀")
    await alice.say(here, "* 다시 쓴 비밀", **_replacing(event_id, "다시 쓴 비밀"))
    if indexed:
        await until_indexed(tables)
    await alice.redact(here, event_id)
    assert ids_of(await search(alice, "비밀")) == []
    await until_indexed(tables)
    assert ids_of(await search(alice, "비밀")) == []
    assert await tables.fetchval("SELECT count(*) FROM search_texts WHERE text LIKE '%쓴 비밀%'") == 0


async def test_other_peoples_edits_change_nothing(alice: Talker, bob: Talker) -> None:
    here = await alice.make_room()
    await alice.bring(here, bob)
    event_id = await alice.say(here, "앨리스의 말")
    await bob.say(here, "* 밥의 말", **_replacing(event_id, "밥이 끼워 넣은 말"))
    assert ids_of(await search(alice, "앨리스의")) == [event_id]
    assert ids_of(await search(alice, "끼워")) == []


async def test_encrypted_events_are_not_found(alice: Talker) -> None:
    here = await alice.make_room()
    await alice.send(here, {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgAEnABC"}, "m.room.encrypted")
    assert ids_of(await search(alice, "AwgAEn")) == []


# --- who finds what ---


async def test_only_what_may_be_seen_is_found(alice: Talker, bob: Talker) -> None:
    visibility = {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}}
    here = await alice.make_room(initial_state=[visibility])
    before = await alice.say(here, "까마귀 하나")
    await alice.bring(here, bob)
    during = await alice.say(here, "까마귀 둘")
    await bob.leave(here)
    after = await alice.say(here, "까마귀 셋")
    await alice.say(here, "* 까마귀 백로", **_replacing(during, "까마귀 백로"))
    assert ids_of(await search(alice, "까마귀", order_by="recent")) == [after, during, before]
    assert ids_of(await search(bob, "까마귀")) == []
    assert (await search(bob, "백로"))["count"] == 0


async def test_left_rooms_are_searched_up_to_leaving(alice: Talker, bob: Talker) -> None:
    here = await alice.make_room()
    first = await alice.say(here, "두루미 하나")
    await alice.bring(here, bob)
    second = await alice.say(here, "두루미 둘")
    await bob.leave(here)
    await alice.say(here, "두루미 셋")
    found = await search(bob, "두루미", order_by="recent", include_state=True)
    assert ids_of(found) == [second, first]
    await bob.post(f"{V3}/rooms/{here}/forget")
    assert ids_of(await search(bob, "두루미")) == []


async def test_strangers_find_nothing(alice: Talker, bob: Talker) -> None:
    here = await alice.make_room()
    await alice.say(here, "우리끼리 이야기")
    assert ids_of(await search(bob, "우리끼리", filter={"rooms": [here]})) == []


# --- order, pages, groups ---


async def test_closer_matches_stand_first(alice: Talker) -> None:
    here = await alice.make_room()
    exact = await alice.say(here, "고래")
    often = await alice.say(here, "고래 고래 고래 이야기를 하는 사람")
    inside = await alice.say(here, "저 바다에는 돌고래도 살고 아무튼 긴 이야기가 이어집니다")
    assert ids_of(await search(alice, "고래", order_by="rank")) == [exact, often, inside]
    assert ids_of(await search(alice, "고래", order_by="recent")) == [inside, often, exact]
    found = await search(alice, "고래")
    ranks = [result["rank"] for result in found["results"]]
    assert ranks == sorted(ranks, reverse=True)
    assert found["highlights"] == ["고래"]
    assert found["count"] == 3


@pytest.mark.parametrize("order_by", ["rank", "recent"])
async def test_pages_add_up(alice: Talker, tables: asyncpg.Connection, order_by: str) -> None:
    here, there = await alice.make_room(), await alice.make_room()
    said = [await alice.say(room, f"기차 {'철도 ' * (n % 4)}") for n in range(12) for room in (here, there)]
    await until_indexed(tables)
    said.append(await alice.say(here, "기차"))
    whole = ids_of(await search(alice, "기차", order_by=order_by, filter={"limit": 50}))
    assert sorted(whole) == sorted(said)
    assert await all_pages(alice, "기차", order_by=order_by, filter={"limit": 4}) == whole
    if order_by == "recent":
        assert whole == said[::-1]


async def test_groups_can_be_gone_on_with(alice: Talker, bob: Talker) -> None:
    here, there = await alice.make_room(), await alice.make_room()
    await alice.bring(here, bob)
    for number in range(4):
        await alice.say(here, f"가을바람 {number}")
        await bob.say(here, f"가을바람 {number}")
        await alice.say(there, f"가을바람 {number}")
    asked: Json = {
        "order_by": "recent",
        "filter": {"limit": 5},
        "groupings": {"group_by": [{"key": "room_id"}, {"key": "sender"}]},
    }
    found = await search(alice, "가을바람", **asked)
    groups = found["groups"]
    assert set(groups["room_id"]) == {here, there}
    assert set(groups["sender"]) == {alice.user_id, bob.user_id}
    grouped = [event_id for group in groups["room_id"].values() for event_id in group["results"]]
    assert sorted(grouped) == sorted(ids_of(found))
    assert groups["room_id"][there]["order"] == 0
    further = await search(alice, "가을바람", groups["room_id"][there]["next_batch"], **asked)
    assert {result["result"]["room_id"] for result in further["results"]} == {there}
    assert len(groups["room_id"][there]["results"]) + len(further["results"]) == 4
    by_bob = await search(alice, "가을바람", groups["sender"][bob.user_id]["next_batch"], **asked)
    assert {result["result"]["sender"] for result in by_bob["results"]} == {bob.user_id}


async def test_a_filter_narrows(alice: Talker, bob: Talker) -> None:
    here, there = await alice.make_room(), await alice.make_room()
    await alice.bring(here, bob)
    mine = await alice.say(here, "나무 심기")
    his = await bob.say(here, "나무 베기")
    elsewhere = await alice.say(there, "나무 타기")
    picture = await alice.say(there, "나무 사진", msgtype="m.image", url="mxc://test.example/tree")
    everything = {mine, his, elsewhere, picture}
    for wanted, expected in (
        ({}, everything),
        ({"rooms": [here]}, {mine, his}),
        ({"not_rooms": [here]}, {elsewhere, picture}),
        ({"senders": [bob.user_id]}, {his}),
        ({"not_senders": [bob.user_id]}, everything - {his}),
        ({"types": ["m.room.n*"]}, set()),
        ({"types": ["m.room.mess*"]}, everything),
        ({"contains_url": True}, {picture}),
        ({"rooms": []}, set()),
    ):
        assert set(ids_of(await search(alice, "나무", filter=wanted))) == expected, wanted


async def test_a_room_is_searched_with_what_it_was_before(alice: Talker) -> None:
    old = await alice.make_room(room_version="10")
    before = await alice.say(old, "이사 가기 전")
    new = (await alice.post(f"{V3}/rooms/{segment(old)}/upgrade", {"new_version": "11"}))["replacement_room"]
    after = await alice.say(new, "이사 간 뒤")
    other = await alice.say(await alice.make_room(), "이사 안 간 방")
    assert ids_of(await search(alice, "이사", order_by="recent", filter={"rooms": [new]})) == [after, before]
    assert ids_of(await search(alice, "이사", order_by="recent", filter={"rooms": [old]})) == [before]
    assert other in ids_of(await search(alice, "이사"))


# --- what comes with a result ---


async def test_context_surrounds_a_result(alice: Talker) -> None:
    here = await alice.make_room()
    before = [await alice.say(here, f"before {number}") for number in range(3)]
    event_id = await alice.say(here, "딱따구리")
    after = [await alice.say(here, f"after {number}") for number in range(3)]
    asked = {"before_limit": 2, "after_limit": 1, "include_profile": True}
    found = await search(alice, "딱따구리", event_context=asked)
    [result] = found["results"]
    context = result["context"]
    assert result["result"]["event_id"] == event_id
    assert [event["event_id"] for event in context["events_before"]] == before[:0:-1]
    assert [event["event_id"] for event in context["events_after"]] == after[:1]
    assert set(context["profile_info"]) == {alice.user_id}
    earlier = await alice.messages(here, "b", **{"from": context["start"]}, limit=1)
    later = await alice.messages(here, "f", **{"from": context["end"]}, limit=1)
    assert earlier["chunk"][0]["event_id"] == before[0]
    assert later["chunk"][0]["event_id"] == after[1]


async def test_state_comes_with_the_results(alice: Talker, bob: Talker) -> None:
    here = await alice.make_room(name="상태가 있는 방")
    await alice.bring(here, bob)
    await alice.say(here, "올빼미")
    state = (await search(alice, "올빼미", include_state=True))["state"][here]
    names = {(event["type"], event["state_key"]) for event in state}
    assert {("m.room.name", ""), ("m.room.member", bob.user_id), ("m.room.create", "")} <= names


# --- what is refused ---


async def test_a_search_for_nothing_finds_nothing(alice: Talker) -> None:
    assert (await search(alice, " "))["results"] == []
    assert await alice.post(f"{V3}/search", {"search_categories": {}}) == {"search_categories": {}}


@pytest.mark.parametrize(
    ("criteria", "code"),
    [
        ({}, "M_MISSING_PARAM"),
        ({"search_term": 1}, "M_BAD_JSON"),
        ({"search_term": "x" * 256}, "M_INVALID_PARAM"),
        ({"search_term": "a\0b"}, "M_INVALID_PARAM"),
        ({"search_term": "x", "order_by": "best"}, "M_BAD_JSON"),
        ({"search_term": "x", "keys": ["content.secret"]}, "M_BAD_JSON"),
        ({"search_term": "x", "filter": {"limit": -1}}, "M_INVALID_PARAM"),
        ({"search_term": "x", "groupings": {"group_by": [{"key": "type"}]}}, "M_BAD_JSON"),
        ({"search_term": "x", "event_context": 5}, "M_BAD_JSON"),
    ],
)
async def test_a_wrong_search_is_refused(alice: Talker, criteria: Json, code: str) -> None:
    body = {"search_categories": {"room_events": criteria}}
    assert await alice.refused("POST", f"{V3}/search", body) == (400, code)


@pytest.mark.parametrize(
    "token", ["", "x", "ÿ", "W10", "bnVsbA", "WyJ4Il0", "WzEsMiwzLCJ0eXBlIiwiIl0", "Wy0xXQ", "A" * 5_000]
)
async def test_a_strange_token_is_refused(alice: Talker, token: str) -> None:
    await alice.make_room()
    body = {"search_categories": {"room_events": {"search_term": "x"}}}
    answer = await alice.refused("POST", f"{V3}/search", body, next_batch=token)
    assert answer == (400, "M_INVALID_PARAM")


async def test_a_token_of_somebody_else_shows_nothing_more(alice: Talker, bob: Talker) -> None:
    here = await alice.make_room()
    for _ in range(3):
        await alice.say(here, "귓속말")
    asked: Json = {"filter": {"limit": 1}, "groupings": {"group_by": [{"key": "room_id"}]}}
    found = await search(alice, "귓속말", **asked)
    for token in (found["next_batch"], found["groups"]["room_id"][here]["next_batch"]):
        assert ids_of(await search(bob, "귓속말", token, **asked)) == []


async def test_a_search_that_takes_too_long_is_given_up(alice: Talker, tables: asyncpg.Connection) -> None:
    await alice.say(await alice.make_room(), "언제까지나")
    async with tables.transaction():
        await tables.execute("LOCK TABLE search_texts IN ACCESS EXCLUSIVE MODE")
        body = {"search_categories": {"room_events": {"search_term": "언제"}}}
        assert await alice.refused("POST", f"{V3}/search", body) == (503, "M_UNKNOWN")
    assert await bodies(alice, "언제") == ["언제까지나"]


async def test_a_full_page_says_where_to_look_on(alice: Talker) -> None:
    room_id = await alice.make_room()
    said = [await alice.say(room_id, f"exactly {number}") for number in range(4)]
    asked: Json = {"order_by": "recent", "filter": {"limit": 2, "rooms": [room_id]}}
    first = await search(alice, "exactly", **asked)
    second = await search(alice, "exactly", first["next_batch"], **asked)
    assert [*ids_of(first), *ids_of(second)] == said[::-1]
    last = await search(alice, "exactly", second["next_batch"], **asked)
    assert (ids_of(last), last["count"], "next_batch" in last) == ([], 4, False)
