"""Ids that are too long, look like others, hold NUL or slashes, or walk up the tree."""

import json
from urllib.parse import unquote

import pytest

from bongsu.core import limits
from tests.api.talking import room, segment
from tests.hostile.attack import PASSWORD, V1, V3, Attacker, Json, Person, nothing_changes, sign_up
from tests.server import SERVER_NAME, Server

pytestmark = pytest.mark.usefixtures("unharmed")

LONG = "x" * 256
EVENT_ID = "$" + "x" * 43
NO_ROOM = f"!nowhere:{SERVER_NAME}"
DUMMY = {"type": "m.login.dummy"}


# --- too long ---


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("PUT", "{room}/send/{long}/t", (400, "M_INVALID_PARAM")),
        ("PUT", "{room}/send/m.room.message/{long}", (400, "M_INVALID_PARAM")),
        ("PUT", "{room}/redact/{event}/{long}", (400, "M_INVALID_PARAM")),
        ("PUT", "{room}/redact/${long}/t", (400, "M_INVALID_PARAM")),
        ("PUT", "{room}/state/{long}", (400, "M_INVALID_PARAM")),
        ("PUT", "{room}/state/org.example.x/{long}", (400, "M_INVALID_PARAM")),
        ("PUT", "{room}/state/m.room.member/@{long}:test.example", (400, "M_INVALID_PARAM")),
        ("GET", "{room}/state/{long}", (400, "M_INVALID_PARAM")),
        ("GET", "{room}/state/org.example.x/{long}", (400, "M_INVALID_PARAM")),
        ("GET", "{room}/event/${long}", (404, "M_NOT_FOUND")),
        ("GET", "{room}/context/${long}", (404, "M_NOT_FOUND")),
        ("POST", "{room}/receipt/m.read/${long}", (400, "M_INVALID_PARAM")),
        ("POST", "{room}/receipt/{long}/{event}", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/rooms/!{long}:test.example/send/m.room.message/t", (403, "M_FORBIDDEN")),
        ("PUT", "{v3}/rooms/!{long}:test.example/state/m.room.name", (403, "M_FORBIDDEN")),
        ("GET", "{v3}/rooms/!{long}:test.example/messages?dir=b", (403, "M_FORBIDDEN")),
        ("POST", "{v3}/rooms/!{long}:test.example/join", (403, "M_FORBIDDEN")),
        ("POST", "{v3}/join/!{long}:test.example", (400, "M_INVALID_PARAM")),
        ("POST", "{v3}/knock/%23{long}:test.example", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/directory/room/%23{long}:test.example", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/directory/room/%23{long}:test.example", (400, "M_INVALID_PARAM")),
        ("DELETE", "{v3}/directory/room/%23{long}:test.example", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/directory/list/room/!{long}:test.example", (404, "M_NOT_FOUND")),
        ("GET", "{v1}/room_summary/!{long}:test.example", (400, "M_INVALID_PARAM")),
        ("GET", "{v1}/rooms/!{long}:test.example/hierarchy", (403, "M_FORBIDDEN")),
        ("GET", "{v1}/rooms/{room_id}/relations/{event}/{long}", (404, "M_NOT_FOUND")),
        ("GET", "{v3}/profile/@{long}:test.example", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/profile/{me}/{long}", (400, "M_KEY_TOO_LARGE")),
        ("PUT", "{v3}/profile/{me}/{long}", (400, "M_KEY_TOO_LARGE")),
        ("GET", "{v3}/presence/@{long}:test.example/status", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/user/{me}/filter/{long}", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/sync?filter={long}", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/user/{me}/account_data/{long}", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/user/{me}/account_data/{long}", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/user/{me}/rooms/{room_id}/account_data/{long}", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/user/{me}/rooms/!{long}:test.example/account_data/x", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/user/{me}/rooms/{room_id}/tags/{long}", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/devices/{long}", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/devices/{long}", (400, "M_INVALID_PARAM")),
        ("DELETE", "{v3}/devices/{long}", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/pushrules/global/override/{long}", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/register/available?username={long}", (400, "M_INVALID_USERNAME")),
    ],
)
async def test_an_id_over_255_bytes_is_refused(
    mallory: Person, room_id: str, method: str, path: str, wanted: tuple[int, str]
) -> None:
    """Also in letters of four bytes, of which 64 are too many."""
    for long in (LONG, segment("\U0001f525" * 64)):
        filled = path.format(
            room=room(room_id),
            room_id=segment(room_id),
            long=long,
            event=EVENT_ID,
            me=segment(mallory.user_id),
            v3=V3,
            v1=V1,
        )
        body: Json = {"actions": []} if "pushrules" in path else {} if method in ("POST", "PUT") else None
        async with nothing_changes(mallory):
            assert await mallory.refused(method, filled, body) == wanted


@pytest.mark.parametrize("where", ["invite", "kick", "ban", "unban"])
async def test_a_person_with_a_long_id_is_refused(mallory: Person, room_id: str, where: str) -> None:
    for user_id in (f"@{LONG}:{SERVER_NAME}", f"@x:{'x' * 300}", "@", "@:", "x", "", f"@\x00:{SERVER_NAME}"):
        async with nothing_changes(mallory):
            answer = await mallory.refused("POST", f"{room(room_id)}/{where}", {"user_id": user_id})
        assert answer == (400, "M_INVALID_PARAM")
        assert await mallory.refused("POST", f"{V3}/createRoom", {"invite": [user_id]}) == (400, "M_INVALID_PARAM")


async def test_ids_of_exactly_255_bytes_are_served(mallory: Person, room_id: str) -> None:
    name = "x" * limits.ID_BYTES_MAX
    fire = "\U0001f525" * 63 + "xxx"
    for event_type in (name, fire):
        await mallory.sets(room_id, event_type, {"a": 1}, event_type)
        got = await mallory.does("GET", f"{room(room_id)}/state/{segment(event_type)}/{segment(event_type)}")
        assert got == {"a": 1}
    await mallory.does("PUT", f"{room(room_id)}/send/{name}/{name}", {})
    await mallory.does("PUT", mallory.own(f"account_data/{segment(fire)}"), {"a": 1})
    assert await mallory.does("GET", mallory.own(f"account_data/{segment(fire)}")) == {"a": 1}


async def test_the_longest_user_id_lives_and_a_longer_one_does_not(target: Server, nobody: Attacker) -> None:
    room_for = limits.ID_BYTES_MAX - len(f"@:{SERVER_NAME}")
    for letters, wanted in ((room_for, 200), (room_for + 1, 400)):
        body = {"username": "y" * letters, "password": PASSWORD, "auth": DUMMY}
        answer = await nobody.ask("POST", f"{V3}/register", body)
        assert answer.status == wanted
    assert answer.errcode == "M_INVALID_USERNAME"


async def test_a_device_of_a_long_or_strange_id_is_refused(mallory: Person, nobody: Attacker) -> None:
    login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": mallory.user_id}}
    for device_id in (LONG, "\x00"):
        body = {**login, "password": PASSWORD, "device_id": device_id}
        assert await nobody.refused("POST", f"{V3}/login", body) == (400, "M_INVALID_PARAM")
    devices = (await mallory.does("GET", f"{V3}/devices"))["devices"]
    assert [device["device_id"] for device in devices] == [mallory.device_id]


# --- look-alikes ---


@pytest.mark.parametrize(
    "username",
    [
        "ａｄｍｉｎ",  # full width
        "аdmin",  # a Cyrillic а
        "admın",  # a dotless i
        "ad\u200bmin",  # a zero-width space
        "admin\u200d",
        "\ufeffadmin",
        "a\u0301dmin",  # a combining accent
        "ßadmin",
        "ſadmin",  # a long s
        "\u212aadmin",  # the Kelvin sign, which becomes an ASCII k when made small
        "ADM\u0130N",  # a dotted capital I
        "ad min",
        "admin ",
        " admin",
        "admin\n",
        "ad\x00min",
        "admin:x",
        "@admin",
        "admin@x",
        "ad%6din",
        "@admin:elsewhere.example",
        "봉수",
    ],
)
async def test_a_name_that_looks_like_another_cannot_be_had(nobody: Attacker, username: str) -> None:
    body = {"username": username, "password": PASSWORD, "auth": DUMMY}
    assert await nobody.refused("POST", f"{V3}/register", body) == (400, "M_INVALID_USERNAME")
    path = f"{V3}/register/available?username={segment(username)}"
    assert await nobody.refused("GET", path) == (400, "M_INVALID_USERNAME")
    login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": username}, "password": PASSWORD}
    assert await nobody.refused("POST", f"{V3}/login", login) == (403, "M_FORBIDDEN")


async def test_capitals_make_no_second_person(target: Server, nobody: Attacker) -> None:
    alice = await sign_up(target, "kim")
    localpart = alice.user_id[1:].partition(":")[0]
    for username in (localpart.upper(), localpart.title(), f"@{localpart.upper()}:{SERVER_NAME}"):
        body = {"username": username, "password": PASSWORD, "auth": DUMMY}
        assert await nobody.refused("POST", f"{V3}/register", body) == (400, "M_USER_IN_USE")
    kelvin = localpart.replace("k", "\u212a")
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": kelvin}, "password": PASSWORD}
    assert await nobody.refused("POST", f"{V3}/login", body) == (403, "M_FORBIDDEN")
    alice.close()


async def test_somebody_is_found_by_the_exact_id_only(mallory: Person, alice: Person, room_id: str) -> None:
    async with nothing_changes(mallory):
        for user_id, wanted in (
            (alice.user_id.upper(), (404, "M_NOT_FOUND")),
            (alice.user_id.replace("@a", "@A"), (404, "M_NOT_FOUND")),
            (alice.user_id.replace("@a", "@а"), (400, "M_INVALID_PARAM")),
            (alice.user_id + ".", (404, "M_NOT_FOUND")),
            (alice.user_id.replace(SERVER_NAME, "Test.Example"), (404, "M_NOT_FOUND")),
            (alice.user_id + "\u200b", (400, "M_INVALID_PARAM")),
        ):
            assert await mallory.refused("POST", f"{room(room_id)}/invite", {"user_id": user_id}) == wanted
            assert await mallory.refused("GET", f"{V3}/profile/{segment(user_id)}") == wanted


async def test_an_alias_means_the_room_of_exactly_that_text(mallory: Person, alice: Person, room_id: str) -> None:
    """The grammar of aliases admits all letters; what looks alike is another alias, and never the same room."""
    name = room_id[1:8].lower()
    alike = [f"chat-{name}", f"Chat-{name}", f"сhat-{name}", f"ｃhat-{name}", f"chat\u200b-{name}", f"chat-{name} "]
    rooms = {f"#{localpart}:{SERVER_NAME}": await mallory.makes_room() for localpart in alike}
    for alias, named in rooms.items():
        path = f"{V3}/directory/room/{segment(alias)}"
        assert await alice.refused("GET", path) == (404, "M_NOT_FOUND")
        await mallory.does("PUT", path, {"room_id": named})
    for alias, named in rooms.items():
        assert (await alice.does("GET", f"{V3}/directory/room/{segment(alias)}"))["room_id"] == named


@pytest.mark.parametrize(
    "alias", ["#x\x00y:{}", "#:{}", "#x", "#", "x:{}", "#x:", "#x:a b", "#x:{}\n", "#x:{}:99999999"]
)
async def test_an_alias_outside_the_grammar_is_refused(mallory: Person, room_id: str, alias: str) -> None:
    path = f"{V3}/directory/room/{segment(alias.format(SERVER_NAME))}"
    for method, body in (("GET", None), ("PUT", {"room_id": room_id}), ("DELETE", None)):
        assert await mallory.refused(method, path, body) == (400, "M_INVALID_PARAM")
    content = {"alias": alias.format(SERVER_NAME)}
    async with nothing_changes(mallory):
        state = f"{room(room_id)}/state/m.room.canonical_alias"
        assert await mallory.refused("PUT", state, content) == (400, "M_INVALID_PARAM")
        assert await mallory.refused("PUT", state, {"alt_aliases": list(content.values())}) == (400, "M_INVALID_PARAM")


async def test_the_alias_of_another_room_is_no_alias_of_this_one(mallory: Person, alice: Person, room_id: str) -> None:
    alias = f"#{room_id[1:9].lower()}:{SERVER_NAME}"
    await alice.does("PUT", f"{V3}/directory/room/{segment(alias)}", {"room_id": await alice.makes_room()})
    state = f"{room(room_id)}/state/m.room.canonical_alias"
    async with nothing_changes(mallory):
        assert await mallory.refused("PUT", state, {"alias": alias}) == (400, "M_BAD_ALIAS")
        taken = {"room_alias_name": alias[1:].partition(":")[0]}
        assert await mallory.refused("POST", f"{V3}/createRoom", taken) == (400, "M_ROOM_IN_USE")
        path = f"{V3}/directory/room/{segment(alias)}"
        assert await mallory.refused("PUT", path, {"room_id": room_id}) == (409, "M_UNKNOWN")
        assert await mallory.refused("DELETE", path) == (403, "M_FORBIDDEN")


# --- NUL and broken letters in paths and queries ---


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("PUT", "{room}/send/a%00b/t", (400, "M_INVALID_PARAM")),
        ("PUT", "{room}/send/m.room.message/%00", (400, "M_INVALID_PARAM")),
        ("PUT", "{room}/state/%00/x", (400, "M_INVALID_PARAM")),
        ("PUT", "{room}/state/x/%00", (400, "M_INVALID_PARAM")),
        ("PUT", "{room}/state/m.room.member/@%00:test.example", (400, "M_INVALID_PARAM")),
        ("PUT", "{room}/redact/$%00/t", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/rooms/!%00:test.example/send/m.room.message/t", (403, "M_FORBIDDEN")),
        ("GET", "{room}/state/%00", (400, "M_INVALID_PARAM")),
        ("GET", "{room}/event/%00", (404, "M_NOT_FOUND")),
        ("GET", "{room}/messages?dir=b&from=%00", (400, "M_INVALID_PARAM")),
        ("GET", "{room}/messages?dir=%00", (400, "M_INVALID_PARAM")),
        ("GET", "{room}/members?membership=%00", (400, "M_INVALID_PARAM")),
        ("GET", "{v1}/rooms/{room_id}/hierarchy?from=%00", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/publicRooms?since=n1!%00", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/publicRooms?server=%00", (404, "M_NOT_FOUND")),
        ("GET", "{v3}/sync?since=%00", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/sync?filter=%00", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/profile/%00", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/profile/{me}/%00", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/profile/{me}/%00", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/devices/%00", (400, "M_INVALID_PARAM")),
        ("DELETE", "{v3}/devices/%00", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/user/{me}/filter/%00", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/user/{me}/account_data/%00", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/user/{me}/rooms/{room_id}/tags/%00", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/pushrules/global/override/%00", (404, "M_NOT_FOUND")),
        ("PUT", "{v3}/pushrules/global/override/%00", (400, "M_INVALID_PARAM")),
        ("PUT", "{v3}/pushrules/global/override/x?before=%00", (400, "M_UNKNOWN")),
        ("GET", "{v3}/directory/list/room/%00", (404, "M_NOT_FOUND")),
        ("GET", "{v1}/room_summary/%00", (400, "M_INVALID_PARAM")),
        ("GET", "{v1}/media/download/test.example/%00", (404, "M_NOT_FOUND")),
        ("GET", "{v3}/register/available?username=%00", (400, "M_INVALID_USERNAME")),
        ("GET", "{room}/state/%ff", (400, "M_INVALID_PARAM")),
        ("GET", "{room}/state/%ed%a0%80", (400, "M_INVALID_PARAM")),
        ("GET", "{room}/state/%c0%af", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/sync?since=%ff", (400, "M_INVALID_PARAM")),
        ("GET", "{v3}/sync?since=%ed%a0%80", (400, "M_INVALID_PARAM")),
    ],
)
async def test_nul_and_broken_letters_are_refused(
    mallory: Person, room_id: str, method: str, path: str, wanted: tuple[int, str]
) -> None:
    me, here = segment(mallory.user_id), room(room_id)
    filled = path.format(room=here, room_id=segment(room_id), me=me, v3=V3, v1=V1)
    body: Json = {"actions": []} if "pushrules" in path else {"\x00": 1} if method == "PUT" else None
    async with nothing_changes(mallory):
        assert await mallory.refused(method, filled, body) == wanted


@pytest.mark.parametrize("part", ["types", "not_types", "senders", "not_senders", "rooms", "related_by_rel_types"])
async def test_nul_in_a_filter_is_refused(mallory: Person, room_id: str, part: str) -> None:
    sigil = {"senders": "@", "not_senders": "@", "rooms": "!"}.get(part, "")
    for name in (f"{sigil}\x00", f"{sigil}\x00*"):
        section = {part: [name]}
        whole = {"room": {"timeline": section}}
        for path in (
            f"{room(room_id)}/messages?dir=b&filter={segment(encoded(section))}",
            f"{room(room_id)}/context/{EVENT_ID}?filter={segment(encoded(section))}",
            f"{V3}/sync?set_presence=offline&filter={segment(encoded(whole))}",
        ):
            assert await mallory.refused("GET", path) == (400, "M_INVALID_PARAM")
        assert await mallory.refused("POST", mallory.own("filter"), whole) == (400, "M_INVALID_PARAM")


def encoded(value: object) -> str:
    return json.dumps(value)


async def test_a_registration_token_of_nul_is_not_valid(nobody: Attacker) -> None:
    path = f"{V1}/register/m.login.registration_token/validity?token="
    for token in ("%00", "x%00", LONG, "%F0%9F%94%A5", ""):
        assert (await nobody.ask("GET", path + token)).json == {"valid": False}


# --- slashes and paths ---


@pytest.mark.parametrize(
    "name", ["a/b", "/", "a%2Fb", "..", "../..", ".", "a b", "a?b#c", "a&b=c", "%", "%zz", "봉수", "\U0001f525"]
)
async def test_what_is_encoded_comes_back_as_it_was(mallory: Person, room_id: str, name: str) -> None:
    here = room(room_id)
    event_id = await mallory.sets(room_id, name, {"a": 1}, name)
    shown = await mallory.does("GET", f"{here}/event/{segment(event_id)}")
    assert (shown["type"], shown["state_key"]) == (name, name)
    assert await mallory.does("GET", f"{here}/state/{segment(name)}/{segment(name)}") == {"a": 1}
    said = await mallory.sends(room_id, {"a": 1}, name)
    assert (await mallory.does("GET", f"{here}/event/{segment(said)}"))["type"] == name
    await mallory.does("PUT", mallory.own(f"account_data/{segment(name)}"), {"name": name})
    assert await mallory.does("GET", mallory.own(f"account_data/{segment(name)}")) == {"name": name}
    await mallory.does("PUT", mallory.own(f"rooms/{segment(room_id)}/tags/{segment(name)}"), {})
    assert list((await mallory.does("GET", mallory.own(f"rooms/{segment(room_id)}/tags")))["tags"]) == [name]


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/..",
        "/../etc/passwd",
        "/_matrix",
        "/_matrix/",
        "/_matrix/client",
        "/_matrix/client/v3",
        "/_matrix/client/v3/",
        "/_matrix/client/v9/login",
        "/_matrix/client/v3/login/",
        "/_matrix/client/v3//login",
        "/_matrix//client/v3/login",
        "//_matrix/client/v3/login",
        "/_matrix/client/v3/../v3/login",
        "/_matrix/client/v3/%6cogin",
        "/_matrix/client/v3/login%00",
        "/_matrix/client/v3/login%2f",
        "/_matrix/client/v3/login;x",
        "/_matrix/client/v3/rooms//state",
        "/_matrix/client/v3/rooms/!x:y/state/a/b/c",
        "/_matrix/client/v3/sync/",
        "/_matrix/client/v3/account/whoami/x",
        "/_synapse/admin/v1/users",
        "/assets/..%2f..%2fetc/passwd",
    ],
)
async def test_there_is_nothing_at_other_paths(mallory: Person, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        assert await mallory.refused(method, path, {}) == (404, "M_UNRECOGNIZED")


@pytest.mark.parametrize(
    "name", ["..%2fserver.py", "%2e%2e%2f%2e%2e%2fmain.py", "start.html", "%00", ".", "..", "x" * 3000, ""]
)
async def test_files_of_the_page_are_those_that_are_named(nobody: Attacker, name: str) -> None:
    assert await nobody.refused("GET", f"/assets/{name}") == (404, "M_NOT_FOUND")


async def test_long_addresses_are_refused(mallory: Person, room_id: str) -> None:
    for path in (
        f"{room(room_id)}/state/{'x' * 5_000}",
        f"/{'x/' * 3_000}",
        f"{V3}/sync?{'x' * 65_520}",
        f"{V3}/sync?{'x' * 200_000}",
    ):
        assert await mallory.refused("GET", path) == (414, "M_TOO_LARGE")
    assert await mallory.refused("GET", f"{V3}/sync?since={'x' * 60_000}") == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize(
    "number", ["--5", "-", "5-", "+5", "%205", "5.0", "1e3", "0x5", "", "%D9%A3", "NaN", "9" * 30, "-1"]
)
async def test_what_is_no_whole_number_is_refused(mallory: Person, room_id: str, number: str) -> None:
    for path in (
        f"{V3}/publicRooms?limit={number}",
        f"{V3}/sync?set_presence=offline&timeout={number}",
        f"{room(room_id)}/messages?dir=b&limit={number}",
        f"{room(room_id, V1)}/threads?limit={number}",
        f"{room(room_id, V1)}/timestamp_to_event?ts={number}",
        f"{room(room_id, V1)}/hierarchy?max_depth={number}",
    ):
        assert await mallory.refused("GET", path) == (400, "M_INVALID_PARAM"), unquote(path)


async def test_a_query_may_have_a_hundred_fields(nobody: Attacker) -> None:
    for field in ("a", "a=1", "", "=", "%61=1", "a+b=1"):
        assert (await nobody.ask("GET", f"{V3}/publicRooms?{'&'.join([field] * 100)}")).status == 200
        path = f"{V3}/publicRooms?{'&'.join([field] * 101)}"
        assert await nobody.refused("GET", path) == (400, "M_INVALID_PARAM")
