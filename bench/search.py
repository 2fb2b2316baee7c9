"""How fast messages are found among very many, what their index takes on the disk, and how long it takes to make.

    python bench/search.py [messages]      200,000 unless told

Messages are put into the tables directly, in 50 rooms; then a worker makes them searchable and is asked over HTTP.
"""

import asyncio
import bisect
import itertools
import json
import random
import secrets
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import aiohttp
import asyncpg
from tests.api.talking import V3, Talker, sign_up
from tests.server import Server, data_folder

ROOMS = 50
TRIES = 20
_random = random.Random(7)


def _words() -> list[str]:
    """Korean-looking words; the first are the commonest."""
    syllables = [chr(0xAC00 + _random.randrange(11_172)) for _ in range(800)]
    weights = [1 / rank for rank in range(1, 801)]
    return ["".join(_random.choices(syllables, weights, k=_random.randint(1, 4))) for _ in range(8_000)]


class Talk:
    """Messages of three to fifteen words, as common as words of a language are (Zipf)."""

    def __init__(self) -> None:
        self.words = _words()
        self._reach = list(itertools.accumulate(1 / rank for rank in range(1, len(self.words) + 1)))

    def message(self) -> str:
        return " ".join(self._word() for _ in range(_random.randint(3, 15)))

    def _word(self) -> str:
        return self.words[bisect.bisect(self._reach, _random.uniform(0, self._reach[-1]))]


async def fill(tables: asyncpg.Connection, rooms: Sequence[str], sender: str, count: int, talk: Talk) -> None:
    pos = await tables.fetchval("SELECT pos FROM stream")
    rows = [_row(pos + number, rooms[number % len(rooms)], sender, talk.message()) for number in range(1, count + 1)]
    columns = ["pos", "event_id", "room_id", "type", "sender", "ts_ms", "pdu"]
    await tables.copy_records_to_table("events", records=rows, columns=columns)
    await tables.execute("UPDATE stream SET pos = $1", pos + count)
    await tables.execute("ANALYZE events")


def _row(pos: int, room_id: str, sender: str, body: str) -> tuple[Any, ...]:
    pdu = {
        "auth_events": [],
        "content": {"body": body, "msgtype": "m.text"},
        "depth": pos,
        "hashes": {"sha256": "x"},
        "origin_server_ts": 1_700_000_000_000 + pos,
        "prev_events": [],
        "room_id": room_id,
        "sender": sender,
        "type": "m.room.message",
    }
    encoded = json.dumps(pdu, ensure_ascii=False, separators=(",", ":")).encode()
    event_id = "$" + secrets.token_urlsafe(32)
    return pos, event_id, room_id, "m.room.message", sender, pdu["origin_server_ts"], encoded


async def until_indexed(tables: asyncpg.Connection) -> float:
    began = time.monotonic()
    while await tables.fetchval("SELECT p.pos < s.pos OR p.back_pos > 0 FROM search_progress p, stream s"):
        await asyncio.sleep(0.5)
    return time.monotonic() - began


async def timed(ask: Callable[[], Awaitable[Any]]) -> tuple[str, int]:
    """(median and worst time of an answer, its count)."""
    times, count = [], 0
    for _ in range(TRIES):
        began = time.perf_counter()
        answer = await ask()
        times.append((time.perf_counter() - began) * 1000)
        count = answer["search_categories"]["room_events"]["count"]
    return f"{statistics.median(times):7.1f} ms, worst {max(times):7.1f} ms", count


async def measure(server: Server, count: int) -> None:
    talk = Talk()
    async with aiohttp.ClientSession(server.base_url) as http:
        reader = await sign_up(http, "reader")
        rooms = [await reader.make_room() for _ in range(ROOMS)]
        [folder] = {path.parent for path in server.data_dir.rglob(".s.PGSQL.*") if path.is_socket()}
        tables = await asyncpg.connect(host=str(folder), user="postgres", database="bongsu")
        await fill(tables, rooms, reader.user_id, count, talk)
        server.kill()
        server.restart()
        seconds = await until_indexed(tables)
        print(f"{count} messages indexed in {seconds:.0f} s ({count / seconds:.0f} a second)")
        await say_sizes(tables, count)
        await tables.execute("VACUUM ANALYZE search_texts")
        await say_times(reader, rooms, talk)
        await tables.close()


async def say_sizes(tables: asyncpg.Connection, count: int) -> None:
    for name in ("events", "search_texts"):
        table = await tables.fetchval("SELECT pg_table_size($1::regclass)", name)
        indexes = await tables.fetchval("SELECT pg_indexes_size($1::regclass)", name)
        print(f"{name}: {table / count:.0f} bytes a message, and {indexes / count:.0f} in its indexes")


async def say_times(reader: Talker, rooms: Sequence[str], talk: Talk) -> None:
    rare = max(talk.words[-50:], key=len)
    common = [word for word in talk.words[:50] if len(word) > 1]
    terms = {
        "the commonest word": common[0],
        "a common word": common[-1],
        "a rare word": rare,
        "no word": "뷁뷁",
        "two words": f"{common[0]} {common[-1]}",
        "one letter": talk.words[0][:1],
    }
    for (name, term), order in itertools.product(terms.items(), ("rank", "recent")):
        took, found = await timed(partial(search, reader, term, order_by=order))
        print(f"{name:20} {order:7} {took}  ({found} in the window)")
    took, found = await timed(partial(search, reader, common[0], filter={"rooms": [rooms[0]]}))
    print(f"{'in one room':20} {'rank':7} {took}  ({found} in the window)")


async def search(reader: Talker, term: str, **criteria: Any) -> Any:
    return await reader.post(f"{V3}/search", {"search_categories": {"room_events": {"search_term": term, **criteria}}})


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with data_folder() as folder:
        asyncio.run(measure(Server.start(folder, "--password-hashing", "fast"), count))


main()
