"""What channels cost at most: who asks too much, or too early, is told so, and reads no more than a page."""

import asyncio
import secrets

import aiohttp
import asyncpg
import msgspec
import pytest
from tests.api.talking import Talker

from bongsu.core import limits
from bongsu.core.boards import distribution

BASE = "/_bongsu/v1/channels"
TEXT = {"text_version": "2026-11"}


async def make(owner: Talker) -> str:
    """The path of a new channel."""
    status, made = await owner.ask("POST", BASE, {"name": f"가게 {secrets.token_hex(6)}"})
    assert status == 201, made
    return f"{BASE}/{made['channel_id']}"


KEYED = [
    *("POST /keys", "POST /webhooks", "PUT /webhooks/w1", "POST /webhooks/w1/rotate", "POST /templates"),
    *("PUT /templates/t1", "POST /templates/t1/messages", "PUT /desk", "POST /desk/replies", "PUT /desk/replies/r1"),
    *(f"POST /desk/conversations/c1/{name}" for name in ("messages", "notes", "give")),
]


@pytest.mark.parametrize("route", KEYED)
async def test_what_is_asked_is_read_of_those_alone_who_may_ask(
    http: aiohttp.ClientSession, alice: Talker, route: str
) -> None:
    channel = await make(alice)
    method, path = route.split(" ")
    for token, refused in ((f"bck_{'x' * 43}", (401, "M_UNKNOWN_TOKEN")), (alice.access_token, (400, "M_NOT_JSON"))):
        async with http.request(
            method, f"{channel}{path}", data=b"{", headers={"Authorization": f"Bearer {token}"}
        ) as answer:
            assert (answer.status, (await answer.json())["errcode"]) == refused


async def test_one_account_cannot_make_and_close_channels_for_ever(
    alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    channel = await make(alice)
    await alice.post(f"{channel}/close")
    await database.execute(
        "INSERT INTO channels (channel_id, account, owner, name, skeleton, created_ts, closed_ts)"
        " SELECT left(channel_id, 8) || n, account || n, owner, name, skeleton, created_ts, closed_ts"
        " FROM channels, generate_series(1, $2::integer) AS n WHERE channel_id = $1",
        *(channel.rpartition("/")[2], limits.CHANNELS_EVER_OWNED_MAX - 1),
    )
    full = (403, "M_RESOURCE_LIMIT_EXCEEDED")
    assert await alice.refused("POST", BASE, {"name": "하나 더"}) == full
    other = await make(bob)
    assert await bob.refused("PUT", f"{other}/staff/{alice.user_id}", {"role": "owner"}) == full


async def test_a_transcript_of_any_length_comes_in_pieces(
    http: aiohttp.ClientSession, alice: Talker, bob: Talker
) -> None:
    channel = await make(alice)
    room_id = (await bob.post(f"{channel}/conversation"))["room_id"]
    texts = [f"{number:03}" for number in range(limits.DESK_TRANSCRIPT_PIECE + 1)]
    await asyncio.gather(*(bob.say(room_id, text) for text in texts[:-1]))
    while not (found := (await alice.get(f"{channel}/desk/conversations"))["conversations"]):
        await asyncio.sleep(0.1)
    talk = f"{channel}/desk/conversations/{found[0]['conversation_id']}"
    assert (await alice.ask("POST", f"{talk}/notes", {"body": "a note"}))[0] == 201
    await bob.say(room_id, texts[-1])
    for name in ("transcript", "transcript.csv"):
        headers = {"Authorization": f"Bearer {alice.access_token}"}
        async with http.get(f"{talk}/{name}", params={"internal": "true"}, headers=headers) as answer:
            said = await answer.text()
            assert "content-length" not in answer.headers, "nobody has it in memory as a whole"
        places = [said.index(f"{left}{text}{right}") for text in texts for left, right in [_ROUND[name]]]
        assert sorted(places[:-1]) == sorted(set(places[:-1]))
        assert max(places[:-1]) < said.index("a note") < places[-1]


_ROUND = {"transcript": ("<td>", "</td>"), "transcript.csv": ('"', '"')}


async def test_who_may_not_hand_a_channel_over_holds_up_nobody_who_names_one(
    alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    channel = await make(alice)
    async with database.transaction(), asyncio.timeout(20):
        await database.execute("SELECT pg_advisory_xact_lock(hashtextextended('channel names', 25))")
        for whose in (bob.user_id, alice.user_id):
            assert (await bob.refused("PUT", f"{channel}/staff/{whose}", {"role": "owner"}))[0] == 403
    await alice.put(f"{channel}/staff/{bob.user_id}", {"role": "owner"})
    await bob.put(f"{channel}/staff/{bob.user_id}", {"role": "owner"})


async def test_pings_that_nobody_takes_have_an_end(alice: Talker) -> None:
    channel = await make(alice)
    _, made = await alice.ask("POST", f"{channel}/webhooks", {"url": "http://192.0.2.1/", "types": ["ping"]})
    ping = f"{channel}/webhooks/{made['endpoint_id']}/ping"
    for _ in range(limits.WEBHOOK_PINGS_OWED_MAX):
        assert (await alice.ask("POST", ping))[0] == 202
    assert await alice.refused("POST", ping) == (403, "M_RESOURCE_LIMIT_EXCEEDED")


async def test_what_one_has_blocked_comes_in_pages(alice: Talker, bob: Talker) -> None:
    channels = [await make(alice) for _ in range(3)]
    for each in channels:
        await bob.put(f"{each}/block", {})
    first = await bob.get(f"{BASE}/blocked", limit=2)
    second = await bob.get(f"{BASE}/blocked", limit=2, **{"from": first["next_batch"]})
    found = [each["channel_id"] for each in first["channels"] + second["channels"]]
    assert found == sorted(each.rpartition("/")[2] for each in channels)
    assert "next_batch" not in second


async def test_what_somebody_agreed_to_for_a_channel_comes_in_pages(alice: Talker, bob: Talker) -> None:
    channel, other = await make(alice), await make(alice)
    for each in (other, channel, other):
        await bob.put(f"{each}/follow", TEXT)
        await bob.delete(f"{each}/follow")
    proof = f"{channel}/followers/{bob.user_id}/consents"
    first = await alice.get(proof, limit=1)
    second = await alice.get(proof, limit=1, **{"from": first["next_batch"]})
    third = await alice.get(proof, limit=1, **{"from": second["next_batch"]})
    assert [each["deed"]["action"] for each in first["entries"] + second["entries"]] == ["agreed", "withdrew"]
    assert third == {"entries": []}


async def test_how_long_people_waited_is_said_by_nearest_rank(alice: Talker, database: asyncpg.Connection) -> None:
    channel = await make(alice)
    channel_id = channel.rpartition("/")[2]
    empty = await alice.get(f"{channel}/desk/stats")
    assert empty["waiting_now_ms"] == msgspec.to_builtins(distribution([]))
    await database.execute(
        "INSERT INTO desk_conversations (conversation_id, channel_id, customer, room_id, newest_ts)"
        " VALUES ($1, $1, '@c:x', '!r', 1)",
        channel_id,
    )
    times = [7, 1, 30, 30, 2, 9, 1_000, 4]
    await database.executemany(
        "INSERT INTO desk_cases (conversation_id, number, channel_id, opened_ts, answered_ts, by_person_ts)"
        " VALUES ($1, $2, $1, 100, $3, $4)",
        [(channel_id, number, 100 + each, 200 if each < 5 else None) for number, each in enumerate(times)],
    )
    stats = await alice.get(f"{channel}/desk/stats")
    assert stats["first_answer_ms"] == msgspec.to_builtins(distribution(times))
    assert stats["first_answer_by_person_ms"] == msgspec.to_builtins(distribution([100] * 3))
