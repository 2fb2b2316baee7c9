"""Backups of room keys: versions, keys, which of two stays, and who may see them."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from tests.api.keys import random_key
from tests.api.talking import V3, Json, Talker, ask, segment, sign_up

VERSION = f"{V3}/room_keys/version"
KEYS = f"{V3}/room_keys/keys"
ALGORITHM = "m.megolm_backup.v1.curve25519-aes-sha2"
ROOM, OTHER = "!one:test.example", "!two:test.example"
NOT_FOUND = (404, "M_NOT_FOUND")


def description(**more: Any) -> Json:
    return {"algorithm": ALGORITHM, "auth_data": {"public_key": random_key(), "signatures": {}}, **more}


def key(index: int = 0, forwarded: int = 0, verified: bool = False, **more: Any) -> Json:
    data = {"ephemeral": random_key(), "ciphertext": random_key(), "mac": random_key()}
    return {
        "first_message_index": index,
        "forwarded_count": forwarded,
        "is_verified": verified,
        "session_data": data,
        **more,
    }


async def make(talker: Talker) -> str:
    return str((await talker.post(VERSION, description()))["version"])


def at(room_id: str, session_id: str | None = None) -> str:
    return "/".join([KEYS, segment(room_id), *([] if session_id is None else [segment(session_id)])])


@asynccontextmanager
async def tables(server: Any) -> AsyncIterator[Any]:
    """A connection to the server's database."""
    import asyncpg

    [folder] = {path.parent for path in server.data_dir.rglob(".s.PGSQL.*") if path.is_socket()}
    connection = await asyncpg.connect(host=str(folder), user="postgres", database="bongsu")
    try:
        yield connection
    finally:
        await connection.close()


async def delete(talker: Talker, path: str, **query: Any) -> Any:
    status, answer = await talker.ask("DELETE", path, **query)
    assert status == 200, answer
    return answer


async def state(talker: Talker, version: str) -> tuple[str, int]:
    """(etag, count)"""
    shown = await talker.get(f"{VERSION}/{version}")
    return shown["etag"], shown["count"]


# --- versions ---


async def test_a_new_backup(alice: Talker) -> None:
    body = description()
    version = (await alice.post(VERSION, body))["version"]
    shown = {**body, "version": version, "count": 0, "etag": "0"}
    assert await alice.get(VERSION) == await alice.get(f"{VERSION}/{version}") == shown


async def test_the_latest_one(alice: Talker, elsewhere: aiohttp.ClientSession) -> None:
    first = await make(alice)
    second = await make(alice.through(elsewhere))
    assert first != second
    assert (await alice.get(VERSION))["version"] == second
    assert (await alice.get(f"{VERSION}/{first}"))["version"] == first


async def test_backups_made_at_once(alice: Talker, elsewhere: aiohttp.ClientSession) -> None:
    made = await asyncio.gather(*(make(one) for one in (alice, alice.through(elsewhere)) * 5))
    assert len(set(made)) == 10
    assert (await alice.get(VERSION))["version"] == max(made, key=int)


async def test_there_is_none(alice: Talker, bob: Talker) -> None:
    version = await make(bob)
    assert await alice.refused("GET", VERSION) == NOT_FOUND
    for path in (f"{VERSION}/{version}", f"{VERSION}/nonsense"):
        assert await alice.refused("GET", path) == NOT_FOUND
        assert await alice.refused("PUT", path, description()) == NOT_FOUND
        assert await alice.refused("DELETE", path) == NOT_FOUND
    for path in (KEYS, at(ROOM), at(ROOM, "s")):
        assert await alice.refused("GET", path, version=version) == NOT_FOUND
        assert await alice.refused("DELETE", path, version=version) == NOT_FOUND


@pytest.mark.parametrize("version", ["0", "01", "-1", "+1", "1.0", "9" * 30, "٣", "", "%00"])
async def test_versions_that_never_were(alice: Talker, version: str) -> None:
    await make(alice)
    for method in ("GET", "DELETE"):
        path = f"{VERSION}/{segment(version)}"
        assert await alice.refused(method, path) in (NOT_FOUND, (404, "M_UNRECOGNIZED"), (405, "M_UNRECOGNIZED"))
    assert await alice.refused("GET", KEYS, version=version) == NOT_FOUND
    assert await alice.refused("PUT", KEYS, {"rooms": {}}, version=version) == NOT_FOUND


async def test_what_stands_beside_the_keys_can_change(alice: Talker) -> None:
    version = await make(alice)
    other = description()
    assert await alice.put(f"{VERSION}/{version}", {**other, "version": version}) == {}
    assert (await alice.get(VERSION))["auth_data"] == other["auth_data"]
    third = description()
    assert await alice.put(f"{VERSION}/{version}", third) == {}
    assert (await alice.get(VERSION))["auth_data"] == third["auth_data"]


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"algorithm": "m.other"}, "M_INVALID_PARAM"),
        ({"version": "77"}, "M_INVALID_PARAM"),
        ({"auth_data": "text"}, "M_BAD_JSON"),
        ({"auth_data": None}, "M_BAD_JSON"),
        ({"algorithm": 7}, "M_BAD_JSON"),
        ({"algorithm": "x" * 300}, "M_INVALID_PARAM"),
        ({"auth_data": {"half": 0.5}}, "M_BAD_JSON"),
    ],
)
async def test_a_wrong_change(alice: Talker, change: Json, errcode: str) -> None:
    version = await make(alice)
    before = await alice.get(VERSION)
    assert await alice.refused("PUT", f"{VERSION}/{version}", description(**change)) == (400, errcode)
    assert await alice.get(VERSION) == before


@pytest.mark.parametrize("left_out", ["algorithm", "auth_data"])
async def test_what_a_backup_needs(alice: Talker, left_out: str) -> None:
    body = {name: value for name, value in description().items() if name != left_out}
    assert await alice.refused("POST", VERSION, body) == (400, "M_MISSING_PARAM")
    assert await alice.refused("GET", VERSION) == NOT_FOUND


async def test_a_deleted_backup(alice: Talker) -> None:
    first, second = await make(alice), await make(alice)
    await alice.put(KEYS, {"rooms": {ROOM: {"sessions": {"s": key()}}}}, version=second)
    for _ in range(2):
        assert await alice.delete(f"{VERSION}/{second}") == {}, "a second time is as good as the first"
    assert (await alice.get(VERSION))["version"] == first
    assert await alice.refused("GET", f"{VERSION}/{second}") == NOT_FOUND
    assert await alice.refused("GET", KEYS, version=second) == NOT_FOUND
    assert await alice.refused("PUT", KEYS, {"rooms": {}}, version=second) == NOT_FOUND
    assert await alice.refused("PUT", f"{VERSION}/{second}", description()) == NOT_FOUND
    third = await make(alice)
    assert third not in (first, second), "no version is used again"
    assert await alice.get(KEYS, version=third) == {"rooms": {}}


async def test_only_so_many(alice: Talker) -> None:
    versions = [await make(alice) for _ in range(100)]
    assert await alice.refused("POST", VERSION, description()) == (400, "M_INVALID_PARAM")
    await alice.delete(f"{VERSION}/{versions[0]}")
    await make(alice)


# --- keys ---


async def test_one_key(alice: Talker) -> None:
    version = await make(alice)
    path, stored = at(ROOM, "a/session+id="), key(3, 1, True)
    assert await alice.put(path, stored, version=version) == {"etag": "1", "count": 1}
    assert await alice.get(path, version=version) == stored
    assert await state(alice, version) == ("1", 1)
    assert await delete(alice, path, version=version) == {"etag": "2", "count": 0}
    assert await delete(alice, path, version=version) == {"etag": "2", "count": 0}
    assert await alice.refused("GET", path, version=version) == NOT_FOUND


async def test_keys_of_a_room_and_of_all(alice: Talker, elsewhere: aiohttp.ClientSession) -> None:
    version = await make(alice)
    one, two, three = key(), key(), key()
    assert await alice.get(KEYS, version=version) == {"rooms": {}}
    assert await alice.get(at(ROOM), version=version) == {"sessions": {}}
    assert (await alice.put(at(ROOM), {"sessions": {"a": one, "b": two}}, version=version))["count"] == 2
    rooms = {OTHER: {"sessions": {"a": three}}, ROOM: {"sessions": {}}}
    assert (await alice.put(KEYS, {"rooms": rooms}, version=version))["count"] == 3

    there = alice.through(elsewhere)
    assert await there.get(at(ROOM), version=version) == {"sessions": {"a": one, "b": two}}
    everything = {ROOM: {"sessions": {"a": one, "b": two}}, OTHER: {"sessions": {"a": three}}}
    assert await there.get(KEYS, version=version) == {"rooms": everything}

    assert (await delete(alice, at(ROOM), version=version))["count"] == 1
    assert await alice.get(KEYS, version=version) == {"rooms": {OTHER: everything[OTHER]}}
    assert (await delete(alice, KEYS, version=version))["count"] == 0
    assert await alice.get(KEYS, version=version) == {"rooms": {}}


async def test_old_clients_use_r0(alice: Talker) -> None:
    r0 = "/_matrix/client/r0/room_keys"
    version = (await alice.post(f"{r0}/version", description()))["version"]
    await alice.put(f"{r0}/keys", {"rooms": {ROOM: {"sessions": {"s": key()}}}}, version=version)
    assert (await alice.get(f"{r0}/version"))["count"] == 1


WORST_TO_BEST = [
    key(5, 5, False),
    key(5, 4, False),
    key(4, 9, False),
    key(0, 0, False),
    key(9, 9, True),
    key(9, 0, True),
    key(2, 3, True),
]


async def test_the_better_key_stays(alice: Talker) -> None:
    version = await make(alice)
    path = at(ROOM, "s")
    for worse, better in itertools.pairwise(WORST_TO_BEST):
        for first, second in ((worse, better), (better, worse), (better, {**better, "session_data": {"x": "y"}})):
            await delete(alice, path, version=version)
            etag = (await alice.put(path, first, version=version))["etag"]
            after = await alice.put(path, second, version=version)
            assert await alice.get(path, version=version) == better
            assert after["count"] == 1
            assert (after["etag"] != etag) == (first is worse), "the etag tells of changes"


async def test_the_better_of_many_at_once(alice: Talker, elsewhere: aiohttp.ClientSession) -> None:
    """Two devices store the same sessions at the same time, on two workers."""
    version = await make(alice)
    both = [{f"s{number}": key(verified=bool((number + device) % 2)) for number in range(50)} for device in (0, 1)]
    talkers = (alice, alice.through(elsewhere))
    puts = [one.put(at(ROOM), {"sessions": keys}, version=version) for one, keys in zip(talkers, both, strict=True)]
    await asyncio.gather(*puts)
    found = (await alice.get(at(ROOM), version=version))["sessions"]
    assert found == {f"s{number}": both[(number + 1) % 2][f"s{number}"] for number in range(50)}
    assert (await state(alice, version))[1] == 50


async def test_keys_go_into_the_newest_backup_alone(alice: Talker) -> None:
    old = await make(alice)
    await alice.put(at(ROOM, "s"), key(), version=old)
    new = await make(alice)
    bodies = {KEYS: {"rooms": {}}, at(ROOM): {"sessions": {}}, at(ROOM, "s"): key(verified=True)}
    for path, body in bodies.items():
        status, answer = await alice.ask("PUT", path, body, version=old)
        assert (status, answer["errcode"]) == (403, "M_WRONG_ROOM_KEYS_VERSION")
        assert answer["current_version"] == new
        assert await alice.refused("PUT", path, body, version="77") == NOT_FOUND
    assert (await alice.get(at(ROOM, "s"), version=old))["is_verified"] is False, "an old one can be read"
    assert (await delete(alice, KEYS, version=old))["count"] == 0, "and be emptied"


async def test_a_version_that_is_made_while_keys_are_stored(alice: Talker, elsewhere: aiohttp.ClientSession) -> None:
    """Whatever is acknowledged is there; whatever is not names the newer version."""
    old = await make(alice)
    there = alice.through(elsewhere)
    puts = [alice.ask("PUT", at(ROOM, f"s{number}"), key(), version=old) for number in range(20)]
    new, *answers = await asyncio.gather(make(there), *puts)
    stored = [f"s{number}" for number, (status, _) in enumerate(answers) if status == 200]
    assert sorted((await alice.get(at(ROOM), version=old))["sessions"]) == sorted(stored)
    assert all(answer["current_version"] == new for status, answer in answers if status != 200)


async def test_a_large_backup_comes_whole(alice: Talker) -> None:
    """In pieces on its way, over rooms that end inside of one."""
    version = await make(alice)
    rooms = {f"!{name}:test.example": {f"{name}{number}": key() for number in range(700)} for name in "abc"}
    for room_id, sessions in rooms.items():
        await alice.put(at(room_id), {"sessions": sessions}, version=version)
    whole = {room_id: {"sessions": sessions} for room_id, sessions in rooms.items()}
    assert await alice.get(KEYS, version=version) == {"rooms": whole}
    more = {f"m{number}": key() for number in range(600)}
    await alice.put(at("!a:test.example"), {"sessions": more}, version=version)
    found = await alice.get(at("!a:test.example"), version=version)
    assert found == {"sessions": {**rooms["!a:test.example"], **more}}
    exactly = {f"e{number}": key() for number in range(1_000)}
    await alice.put(at("!e:test.example"), {"sessions": exactly}, version=version)
    assert await alice.get(at("!e:test.example"), version=version) == {"sessions": exactly}


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"first_message_index": "0"}, "M_BAD_JSON"),
        ({"first_message_index": -1}, "M_BAD_JSON"),
        ({"first_message_index": 2**53}, "M_BAD_JSON"),
        ({"first_message_index": True}, "M_BAD_JSON"),
        ({"forwarded_count": None}, "M_BAD_JSON"),
        ({"forwarded_count": 0.5}, "M_BAD_JSON"),
        ({"is_verified": "true"}, "M_BAD_JSON"),
        ({"is_verified": 1}, "M_BAD_JSON"),
        ({"session_data": "text"}, "M_BAD_JSON"),
        ({"session_data": {"half": 0.5}}, "M_BAD_JSON"),
    ],
)
async def test_wrong_keys_change_nothing(alice: Talker, change: Json, errcode: str) -> None:
    version = await make(alice)
    wrong = key(**change)
    bodies = {
        at(ROOM, "s"): wrong,
        at(ROOM): {"sessions": {"a": key(), "s": wrong}},
        KEYS: {"rooms": {OTHER: {"sessions": {"a": key()}}, ROOM: {"sessions": {"s": wrong}}}},
    }
    for path, body in bodies.items():
        assert await alice.refused("PUT", path, body, version=version) == (400, errcode)
    assert await state(alice, version) == ("0", 0)


async def test_what_a_key_needs(alice: Talker) -> None:
    version = await make(alice)
    for name in key():
        body = {field: value for field, value in key().items() if field != name}
        assert await alice.refused("PUT", at(ROOM, "s"), body, version=version) == (400, "M_MISSING_PARAM")
    assert await alice.refused("PUT", at(ROOM), {}, version=version) == (400, "M_MISSING_PARAM")
    assert await alice.refused("PUT", KEYS, {}, version=version) == (400, "M_MISSING_PARAM")
    assert await alice.refused("PUT", KEYS, {"rooms": {ROOM: {}}}, version=version) == (400, "M_MISSING_PARAM")


async def test_a_version_must_be_named(alice: Talker) -> None:
    await make(alice)
    bodies = {KEYS: {"rooms": {}}, at(ROOM): {"sessions": {}}, at(ROOM, "s"): key()}
    for path, body in bodies.items():
        for method in ("PUT", "GET", "DELETE"):
            refused = await alice.refused(method, path, body if method == "PUT" else None)
            assert refused == (400, "M_MISSING_PARAM")


async def test_names_that_are_none(alice: Talker) -> None:
    version = await make(alice)
    for room_id, session_id in (
        ("one", "s"),
        ("!" + "x" * 255, "s"),
        (ROOM, "x" * 256),
        (ROOM, "\x00"),
        ("!\x00", "s"),
    ):
        bodies = {at(room_id, session_id): key(), KEYS: {"rooms": {room_id: {"sessions": {session_id: key()}}}}}
        for path, body in bodies.items():
            assert await alice.refused("PUT", path, body, version=version) == (400, "M_INVALID_PARAM")
    assert await alice.refused("GET", at("!\x00", "s"), version=version) == (400, "M_INVALID_PARAM")
    assert await state(alice, version) == ("0", 0)


async def test_what_is_too_large(alice: Talker) -> None:
    version = await make(alice)
    large = key(session_data={"ciphertext": "x" * 3_100})
    assert await alice.refused("PUT", at(ROOM, "s"), large, version=version) == (413, "M_TOO_LARGE")
    auth = description(auth_data={"signatures": "x" * 70_000})
    assert await alice.refused("POST", VERSION, auth) == (413, "M_TOO_LARGE")
    assert await alice.refused("PUT", f"{VERSION}/{version}", auth) == (413, "M_TOO_LARGE")


async def test_too_many_keys(alice: Talker, server: Any) -> None:
    version = await make(alice)
    sessions = {f"s{number}": key() for number in range(501)}
    both = {ROOM: {"sessions": sessions}, OTHER: {"sessions": sessions}}
    assert await alice.refused("PUT", KEYS, {"rooms": both}, version=version) == (413, "M_TOO_LARGE")
    assert await state(alice, version) == ("0", 0)

    await alice.put(at(ROOM, "s"), key(5), version=version)
    async with tables(server) as connection:
        await connection.execute("UPDATE key_backups SET keys = 500000 WHERE user_id = $1", alice.user_id)
    assert await alice.refused("PUT", at(ROOM, "t"), key(), version=version) == (413, "M_TOO_LARGE")
    assert await alice.refused("GET", at(ROOM, "t"), version=version) == NOT_FOUND
    better = key(4)
    await alice.put(at(ROOM, "s"), better, version=version)
    assert await alice.get(at(ROOM, "s"), version=version) == better, "one that is replaced takes no room"


async def test_names_in_any_writing(alice: Talker) -> None:
    version = await make(alice)
    room_id, session_id = '!"방\\/\n:test.example', 'ses"sion\\/\n열쇠'
    stored = key()
    await alice.put(KEYS, {"rooms": {room_id: {"sessions": {session_id: stored}}}}, version=version)
    assert await alice.get(KEYS, version=version) == {"rooms": {room_id: {"sessions": {session_id: stored}}}}
    assert await alice.get(at(room_id, session_id), version=version) == stored


# --- who ---


async def test_others_keys_are_out_of_reach(alice: Talker, bob: Talker) -> None:
    hers, his = await make(alice), await make(bob)
    assert hers == his, "versions count up for each person"
    await alice.put(at(ROOM, "s"), key(), version=hers)
    assert await bob.get(KEYS, version=his) == {"rooms": {}}
    await delete(bob, KEYS, version=his)
    assert (await state(alice, hers))[1] == 1


async def test_all_of_it_needs_a_token(http: aiohttp.ClientSession) -> None:
    for method, path in (
        ("POST", VERSION),
        ("GET", VERSION),
        ("PUT", KEYS),
        ("GET", at(ROOM)),
        ("DELETE", at(ROOM, "s")),
    ):
        status, answer = await ask(http, method, path, version="1")
        assert (status, answer["errcode"]) == (401, "M_MISSING_TOKEN")


async def test_another_device_restores(alice: Talker) -> None:
    version = await make(alice)
    stored = key()
    await alice.put(at(ROOM, "s"), stored, version=version)
    phone = await alice.another_device()
    await alice.post(f"{V3}/logout")
    assert (await phone.get(VERSION))["version"] == version
    assert await phone.get(at(ROOM, "s"), version=version) == stored


async def test_backups_end_with_their_account(alice: Talker, server: Any) -> None:
    somebody = await sign_up(alice._http, "leaver")
    version = await make(somebody)
    await somebody.put(at(ROOM, "s"), key(), version=version)
    identifier = {"type": "m.id.user", "user": somebody.user_id}
    auth = {"type": "m.login.password", "identifier": identifier, "password": somebody._password}
    await somebody.post(f"{V3}/account/deactivate", {"auth": auth})
    async with tables(server) as connection:
        for table in ("key_backup_owners", "key_backups", "backed_up_keys"):
            sql = f"SELECT count(*) FROM {table} WHERE user_id = $1"
            assert await connection.fetchval(sql, somebody.user_id) == 0
