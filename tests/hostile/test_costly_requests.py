"""Requests made to cost the server much more than they cost to send. While one is worked on, everybody else waits."""

import json
from collections.abc import Mapping

import pytest

from bongsu.core import limits
from tests.api.talking import room, segment
from tests.hostile.attack import V1, V3, Answer, Json, Person, nothing_changes

pytestmark = pytest.mark.usefixtures("unharmed")

COST_SECONDS_MAX = 0.5  # the fastest of three tries on a busy machine; measured on an idle one: at most 0.03
TRIES = 3
BYTES = limits.BODY_BYTES_MAX - 100
VALUES = limits.JSON_VALUES_MAX - 10


async def fastest(person: Person, method: str, path: str, body: Json | bytes | None = None) -> Answer:
    """The answer that came soonest; it must have come soon."""
    answers = [await person.ask(method, path, body) for _ in range(TRIES)]
    best = min(answers, key=lambda answer: answer.seconds)
    assert best.seconds < COST_SECONDS_MAX, f"{method} {path[:100]} took {best.seconds:.3f} s"
    return best


def filled(piece: bytes, count: int) -> bytes:
    """An array of so many of these."""
    return b'{"a":[' + b",".join([piece] * count) + b"]}"


MANY: Mapping[str, bytes] = {
    "arrays": filled(b"[]", BYTES // 3),
    "objects": filled(b"{}", BYTES // 3),
    "numbers": filled(b"1", BYTES // 2),
    "fractions": filled(b"1.5", BYTES // 4),
    "texts": filled(b'""', BYTES // 3),
    "keys": b"{" + b",".join(b'"%x":1' % number for number in range(BYTES // 10)) + b"}",
    "nests": filled(b"[" * 97 + b"]" * 97, BYTES // 195),
}
MOST: Mapping[str, bytes] = {
    "arrays": filled(b"[]", VALUES // 2),
    "objects": filled(b"{}", VALUES // 2),
    "numbers": filled(b"1", VALUES),
    "nests": filled(b"[" * 97 + b"]" * 97, VALUES // 98),
    "a text of brackets": b'{"a":"' + b"[" * (VALUES // 2) + b"x" * (BYTES - VALUES) + b'"}',
    "a text of escapes": b'{"a":"' + b"\\ud83d\\udd25" * (BYTES // 12) + b'","b":' + b"[" * 98 + b"]" * 98 + b"}",
    "white space": b" " * BYTES + b"{}",
    "one long number": b'{"a":' + b"1" * BYTES + b"}",
    "one long fraction": b'{"a":0.' + b"1" * BYTES + b"}",
    "one long exponent": b'{"a":1e' + b"1" * BYTES + b"}",
}


def bodies_go_to(person: Person, room_id: str) -> list[tuple[str, str]]:
    return [
        ("PUT", f"{room(room_id)}/send/m.room.message/t"),
        ("PUT", f"{room(room_id)}/state/org.example.x"),
        ("PUT", person.own("account_data/org.example.x")),
        ("POST", person.own("filter")),
        ("POST", f"{V3}/login"),
    ]


@pytest.mark.parametrize("body", MANY.values(), ids=MANY)
async def test_more_values_than_an_event_could_hold_are_not_read(mallory: Person, room_id: str, body: bytes) -> None:
    async with nothing_changes(mallory):
        for method, path in bodies_go_to(mallory, room_id):
            answer = await fastest(mallory, method, path, body)
            assert answer.refusal == (413, "M_TOO_LARGE")


@pytest.mark.parametrize("body", MOST.values(), ids=MOST)
async def test_the_costliest_body_that_is_read_costs_little(mallory: Person, room_id: str, body: bytes) -> None:
    for method, path in bodies_go_to(mallory, room_id):
        answer = await fastest(mallory, method, path, body)
        assert answer.status in (200, 400, 413)


async def many_types(person: Person, room_id: str) -> None:
    """Events of so many types that a filter has much to compare."""
    for number in range(200):
        await person.sends(room_id, {"a": {"b": {"c": number}}}, f"org.example.{'x' * 200}{number}")


async def test_a_filter_cannot_hold_many_patterns(mallory: Person, room_id: str) -> None:
    patterns = [f"*{number}*b" for number in range(limits.FILTER_PATTERNS_MAX + 1)]
    for part in ("types", "not_types"):
        for section in ("timeline", "state", "ephemeral", "account_data"):
            answer = await mallory.refused("POST", mallory.own("filter"), {"room": {section: {part: patterns}}})
            assert answer == (400, "M_INVALID_PARAM")
        path = f"{room(room_id)}/messages?dir=b&filter={segment(json.dumps({part: patterns}))}"
        assert await mallory.refused("GET", path) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    "wanted",
    [
        {"room": {"timeline": {"types": [f"*{n}*b" for n in range(limits.FILTER_PATTERNS_MAX)], "limit": 1_000}}},
        {"room": {"timeline": {"types": ["*x" * 300 + f"*{n}" for n in range(100)], "limit": 1_000}}},
        {"room": {"timeline": {"not_types": [f"t{n}" for n in range(7_000)], "limit": 1_000}}},
        {"room": {"timeline": {"senders": [f"@{n}" for n in range(7_000)], "limit": 1_000}}},
        {"room": {"rooms": [f"!{n}" for n in range(7_000)]}},
        {"room": {"timeline": {"limit": 1_000}}, "event_fields": [f"x{n}" for n in range(7_000)]},
        {"room": {"timeline": {"limit": 1_000}}, "event_fields": ["content." + "a." * 30_000]},
        {"room": {"timeline": {"limit": 1_000}}, "event_fields": ["content" + "\\\\.a" * 10_000]},
        {"room": {"timeline": {"limit": 10**25}, "state": {"limit": 10**25}}},
    ],
    ids=["patterns", "stars", "types", "senders", "rooms", "fields", "deep fields", "escapes", "limits"],
)
async def test_the_costliest_filter_costs_little(mallory: Person, room_id: str, wanted: Json) -> None:
    await many_types(mallory, room_id)
    filter_id = (await mallory.does("POST", mallory.own("filter"), wanted))["filter_id"]
    answer = await fastest(mallory, "GET", f"{V3}/sync?set_presence=offline&filter={filter_id}")
    assert answer.status == 200


async def test_numbers_in_queries_are_lowered_to_what_is_served(mallory: Person, room_id: str) -> None:
    await many_types(mallory, room_id)
    here, v1, much = room(room_id), room(room_id, V1), 10**15
    for path in (
        f"{here}/messages?dir=b&limit={much}",
        f"{v1}/threads?limit={much}",
        f"{v1}/hierarchy?limit={much}&max_depth={much}",
        f"{V3}/publicRooms?limit={much}",
        f"{V3}/sync?set_presence=offline&since=s1&timeout=0&full_state=true",
    ):
        assert (await fastest(mallory, "GET", path)).status == 200


async def test_searching_for_patterns_costs_little(mallory: Person) -> None:
    await mallory.makes_room(visibility="public", preset="public_chat", name="a" * 30_000, topic="a" * 30_000)
    for term in ("%" * 255, "a%" * 127, "_" * 255, "\\" * 255, "a" * 254 + "b", "\x00", '"', "ı" * 100):
        answer = await fastest(mallory, "POST", f"{V3}/publicRooms", {"filter": {"generic_search_term": term}})
        assert answer.refusal == (400, "M_INVALID_PARAM") if term == "\x00" else answer.status == 200
    answer = await mallory.ask("POST", f"{V3}/publicRooms", {"filter": {"generic_search_term": "x" * 256}})
    assert answer.refusal == (400, "M_INVALID_PARAM")


async def test_searching_messages_comes_to_an_end(mallory: Person, room_id: str) -> None:
    """Texts that hold every pair of what is looked for, and it nowhere; numbers that no server would serve."""
    for text in ("a" * 60_000, "ab" * 30_000, "a b " * 15_000, "%_" * 30_000):
        await mallory.says(room_id, text)
    for term in (
        "%" * 255,
        "a%" * 127,
        "\\" * 255,
        "a" * 254 + "b",
        "ab" * 127,
        "a b c d e f g h i",
        "ı" * 100,
        '"' * 255,
    ):
        body = {"search_categories": {"room_events": {"search_term": term, "event_context": {"before_limit": 10**9}}}}
        assert (await mallory.ask("POST", f"{V3}/search", body)).status == 200
        people = await mallory.ask("POST", f"{V3}/user_directory/search", {"search_term": term, "limit": 10**9})
        assert people.status == 200


async def test_push_rules_cost_their_owner_little(mallory: Person, alice: Person, room_id: str) -> None:
    """Patterns that are slow to match are bounded when they are set, and texts that are slow when they are judged."""
    await alice.does("POST", f"{room(room_id)}/join", {})
    rules = f"{V3}/pushrules/global"
    for number, pattern in enumerate(("*a" * 120, "?" * 120, "a*" * 120 + "b")):
        answer = await alice.ask("PUT", f"{rules}/content/rule{number}", {"actions": ["notify"], "pattern": pattern})
        assert answer.status == 200
    refused = await alice.refused("PUT", f"{rules}/content/more", {"actions": [], "pattern": "?" * 120})
    assert refused == (400, "M_INVALID_PARAM")
    refused = await alice.refused("PUT", f"{rules}/content/long", {"actions": [], "pattern": "x" * 256})
    assert refused == (400, "M_INVALID_PARAM")
    since = (await alice.syncs())["next_batch"]
    await mallory.says(room_id, "a" * 60_000)
    assert (await fastest(alice, "GET", f"{V3}/sync?set_presence=offline&since={since}")).status == 200


async def test_a_space_that_holds_itself_is_walked_once(mallory: Person) -> None:
    rooms = [await mallory.makes_room(creation_content={"type": "m.space"}) for _ in range(5)]
    for parent in rooms:
        for child in rooms:
            await mallory.sets(parent, "m.space.child", {"via": ["x"]}, child)
    answer = await fastest(mallory, "GET", f"{room(rooms[0], V1)}/hierarchy")
    assert sorted(found["room_id"] for found in answer.json["rooms"]) == sorted(rooms)


async def test_more_room_keys_than_one_request_may_store(mallory: Person) -> None:
    """As many keys as one request may hold, then far more, which are not looked at one by one."""
    body = {"algorithm": "org.example.x", "auth_data": {}}
    version = (await mallory.does("POST", f"{V3}/room_keys/version", body))["version"]
    key = {"first_message_index": 0, "forwarded_count": 0, "is_verified": False, "session_data": {}}
    path = f"{V3}/room_keys/keys?version={version}"
    for count, status in ((limits.KEY_BACKUP_KEYS_AT_ONCE_MAX, 200), (5_000, 413)):
        rooms: Json = {f"!{number}": {"sessions": {}} for number in range(100)}
        for number in range(count):
            rooms[f"!{number % 100}"]["sessions"][str(number)] = key
        answer = await mallory.ask("PUT", path, {"rooms": rooms})
        assert answer.status == status
    stored = await mallory.ask("GET", f"{V3}/room_keys/version")
    assert stored.json["count"] == limits.KEY_BACKUP_KEYS_AT_ONCE_MAX


async def test_a_thousand_signatures_that_are_none(mallory: Person, alice: Person) -> None:
    """Each is looked at, and each comes back."""
    keys = {"user_id": mallory.user_id, "device_id": mallory.device_id, "algorithms": [], "keys": {}, "signatures": {}}
    await mallory.does("POST", f"{V3}/keys/upload", {"device_keys": keys})
    forged = {name: {**keys, "signatures": {mallory.user_id: {"ed25519:x": "x" * 86}}} for name in map(str, range(999))}
    bodies = {mallory.user_id: {**forged, mallory.device_id: keys}}
    answer = await mallory.ask("POST", f"{V3}/keys/signatures/upload", bodies)
    assert len(answer.json["failures"][mallory.user_id]) == 1_000
