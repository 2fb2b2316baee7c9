"""The first sync of somebody in very many rooms comes in pieces, and says what one in a single piece would."""

import asyncio
import json
from typing import Any

import aiohttp
from tests.api.talking import V3, Json, Talker, room

from bongsu.core import limits

ROOMS = 2 * limits.FIRST_SYNC_PIECE_ROOMS + 30
AT_ONCE = 20


def no_doubles(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    assert len(found) == len(pairs), "a key stands twice in one object"
    return found


async def first_sync(http: aiohttp.ClientSession, person: Talker, **query: str) -> tuple[Json, bool]:
    """The reply, and whether it came in pieces."""
    headers = {"Authorization": f"Bearer {person.access_token}"}
    async with http.get(f"{V3}/sync", headers=headers, params=query) as answer:
        assert answer.status == 200
        raw = await answer.read()
        return json.loads(raw, object_pairs_hook=no_doubles), "Content-Length" not in answer.headers


async def make_rooms(person: Talker, count: int) -> list[str]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> str:
        async with gate:
            room_id = await person.make_room(name=f"room {number}")
            await person.put(
                f"{room(room_id)}/send/m.room.message/t{number}", {"msgtype": "m.text", "body": f"{number}"}
            )
            return room_id

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def test_many_rooms_come_in_pieces(http: aiohttp.ClientSession, alice: Talker, bob: Talker) -> None:
    room_ids = await make_rooms(alice, ROOMS)
    offered, knocked = await bob.make_room(preset="public_chat"), await bob.make_room(preset="private_chat")
    await bob.invite(offered, alice)
    await bob.put(f"{room(knocked)}/state/m.room.join_rules", {"join_rule": "knock"})
    await alice.post(f"{V3}/knock/{knocked}")
    left = await bob.make_room(preset="public_chat")
    await alice.join(left)
    await alice.leave(left)
    wanted = json.dumps({"room": {"include_leave": True}})
    said, is_in_pieces = await first_sync(http, alice, filter=wanted)
    assert is_in_pieces
    assert set(said["rooms"]) == {"join", "invite", "knock", "leave"}
    assert set(said["rooms"]["join"]) == set(room_ids)
    assert (list(said["rooms"]["invite"]), list(said["rooms"]["knock"])) == ([offered], [knocked])
    assert list(said["rooms"]["leave"]) == [left]
    for number, room_id in enumerate(room_ids):
        part = said["rooms"]["join"][room_id]
        assert part["timeline"]["events"][-1]["content"]["body"] == f"{number}"
        assert any(e["type"] == "m.room.create" for e in (*part["state"]["events"], *part["timeline"]["events"]))
    assert any(event["type"] == "m.push_rules" for event in said["account_data"]["events"])


async def test_what_happens_meanwhile_is_told_by_the_next_sync(http: aiohttp.ClientSession, alice: Talker) -> None:
    """All pieces are as of one position, however long a slow client takes."""
    room_ids = await make_rooms(alice, ROOMS)
    headers = {"Authorization": f"Bearer {alice.access_token}"}
    async with http.get(f"{V3}/sync", headers=headers) as answer:
        begin = await answer.content.readany()
        late = [
            await alice.put(f"{room(one)}/send/m.room.message/late", {"msgtype": "m.text", "body": "late"})
            for one in room_ids
        ]
        said = json.loads(begin + await answer.content.read(), object_pairs_hook=no_doubles)
    told = await alice.sync(said["next_batch"])
    first, second = (
        [e["event_id"] for part in s["rooms"]["join"].values() for e in part["timeline"]["events"]]
        for s in (said, told)
    )
    assert set(second) >= {event["event_id"] for event in late}
    assert not set(first) & set(second)


async def test_few_rooms_come_in_one_piece(http: aiohttp.ClientSession, alice: Talker) -> None:
    room_id = await alice.make_room()
    said, is_in_pieces = await first_sync(http, alice)
    assert not is_in_pieces
    assert list(said["rooms"]["join"]) == [room_id]


async def test_nobody_in_no_room_gets_no_rooms(http: aiohttp.ClientSession, alice: Talker) -> None:
    said, _ = await first_sync(http, alice)
    assert not said.get("rooms")


async def test_a_client_that_hangs_up_in_the_middle_frees_its_place(http: aiohttp.ClientSession, alice: Talker) -> None:
    await make_rooms(alice, ROOMS)
    headers = {"Authorization": f"Bearer {alice.access_token}"}
    for _ in range(3 * limits.ARRIVALS_AT_ONCE_MAX):
        answer = await http.get(f"{V3}/sync", headers=headers)
        await answer.content.readany()
        answer.close()
    said, _ = await first_sync(http, alice)
    assert len(said["rooms"]["join"]) == ROOMS
