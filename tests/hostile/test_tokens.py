"""Tokens that are nobody's, somebody else's or used up: access tokens, sync tokens, transaction ids."""

import hmac
import secrets
from collections.abc import Callable

import pytest

from tests.api.talking import room, segment
from tests.hostile.attack import (
    PASSWORD,
    V1,
    V3,
    Attacker,
    Json,
    Person,
    nothing_changes,
)
from tests.server import Server

pytestmark = pytest.mark.usefixtures("unharmed")

WHOAMI = f"{V3}/account/whoami"
UNKNOWN = (401, "M_UNKNOWN_TOKEN")
MISSING = (401, "M_MISSING_TOKEN")


async def sign_in(person: Person) -> Person:
    """The same person on another device."""
    body = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": person.user_id},
        "password": PASSWORD,
    }
    attacker = Attacker(person.server)
    answer = await attacker.ask("POST", f"{V3}/login", body)
    attacker.close()
    return Person(person.server, answer.json)


# --- access tokens ---

SPOILT: dict[str, Callable[[str], str]] = {
    "a letter less": lambda token: token[:-1],
    "a letter more": lambda token: token + "a",
    "capitals": str.upper,
    "the prefix alone": lambda token: token[:4],
    "another prefix": lambda token: "bsr_" + token[4:],
    "something behind it": lambda token: token + " x",
    "a comma behind it": lambda token: f"{token},{token}",
    "quotes": lambda token: f'"{token}"',
    "not ours": lambda _: "syt_YWxpY2U_abcdefghijklmnopqrst_0a1B2c",
    "huge": lambda _: "bst_" + "x" * 10_000,
    "letters of another alphabet": lambda token: token[:-1] + "é",
    "random": lambda _: "bst_" + secrets.token_urlsafe(32),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
async def test_a_token_that_is_nobodys_is_refused(mallory: Person, spoil: Callable[[str], str]) -> None:
    assert mallory.token is not None
    spoilt = spoil(mallory.token)
    for path in (WHOAMI, f"{V3}/sync", f"{V3}/profile/{mallory.user_id}", f"{V3}/joined_rooms"):
        headers = [("Authorization", f"Bearer {spoilt}")]
        answer = await mallory.ask("GET", path, headers=headers)
        assert (answer.refusal, answer.json["soft_logout"]) == (UNKNOWN, False)
        joint = "&" if "?" in path else "?"
        answer = await mallory.ask("GET", f"{path}{joint}access_token={segment(spoilt)}", headers=[])
        assert answer.refusal == UNKNOWN


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "{}", "Basic {}", "Token {}", "Bearer{}", "Bearer:{}"])
async def test_a_header_of_another_form_carries_no_token(mallory: Person, value: str) -> None:
    headers = [("Authorization", value.format(mallory.token))]
    assert await mallory.refused("GET", WHOAMI, headers=headers) == MISSING
    assert await mallory.refused("GET", f"{WHOAMI}?access_token={mallory.token}", headers=headers) == MISSING


async def test_without_a_token_nothing_is_served(nobody: Attacker, mallory: Person, room_id: str) -> None:
    here = room(room_id)
    for method, path in (
        ("GET", WHOAMI),
        ("GET", f"{V3}/sync"),
        ("GET", f"{here}/state"),
        ("GET", f"{here}/messages?dir=b"),
        ("PUT", f"{here}/send/m.room.message/t"),
        ("POST", f"{V3}/createRoom"),
        ("POST", f"{V3}/join/{segment(room_id)}"),
        ("POST", f"{V3}/logout/all"),
        ("PUT", f"{V3}/profile/{mallory.user_id}/displayname"),
        ("POST", f"{V3}/account/deactivate"),
        ("GET", f"{V1}/media/download/a/b"),
    ):
        async with nothing_changes(nobody):
            assert await nobody.refused(method, path, {} if method != "GET" else None) == MISSING


async def test_the_token_of_a_session_that_ended_is_refused(mallory: Person) -> None:
    other = await sign_in(mallory)
    token = other.token
    await other.does("POST", f"{V3}/logout", {})
    assert await other.refused("GET", WHOAMI) == UNKNOWN
    assert await other.refused("POST", f"{V3}/logout", {}) == UNKNOWN
    assert await other.refused("GET", f"{WHOAMI}?access_token={token}", headers=[]) == UNKNOWN
    assert (await mallory.does("GET", WHOAMI))["device_id"] == mallory.device_id
    other.close()


async def test_refresh_and_login_tokens_are_no_access_tokens(target: Server, nobody: Attacker) -> None:
    answer = await nobody.ask(
        "POST",
        f"{V3}/register",
        {
            "username": f"m-{secrets.token_hex(6)}",
            "password": PASSWORD,
            "auth": {"type": "m.login.dummy"},
            "refresh_token": True,
        },
    )
    refresh = answer.json["refresh_token"]
    assert await nobody.refused("GET", f"{WHOAMI}?access_token={refresh}") == UNKNOWN
    access = answer.json["access_token"]
    assert await nobody.refused("POST", f"{V3}/refresh", {"refresh_token": access}) == UNKNOWN
    for garbage in ("", "bsr_", "bsr_\x00", "x" * 10_000, "bsr_" + "x" * 60):
        assert await nobody.refused("POST", f"{V3}/refresh", {"refresh_token": garbage}) == UNKNOWN
        login = {"type": "m.login.token", "token": garbage}
        assert await nobody.refused("POST", f"{V3}/login", login) == (403, "M_FORBIDDEN")


# --- sync tokens ---

GARBAGE = (
    "",
    "x",
    "s",
    "s-1",
    "s01",
    "S1",
    " s1",
    "s1 ",
    "s1_2",
    "s1.5",
    "s١",
    "s" + "9" * 19,
    "1",
    "t1",
    "s72594_4483_1934",
)


@pytest.mark.parametrize("token", GARBAGE)
async def test_a_token_this_server_did_not_make_is_refused(mallory: Person, room_id: str, token: str) -> None:
    said = segment(await mallory.says(room_id, "x"))
    here, v1, text = room(room_id), room(room_id, V1), segment(token)
    for path in (
        f"{V3}/sync?set_presence=offline&since={text}",
        f"{here}/messages?dir=b&from={text}",
        f"{here}/messages?dir=f&from={text}",
        f"{here}/messages?dir=b&to={text}",
        f"{here}/members?at={text}",
        f"{v1}/relations/{said}?from={text}",
        f"{v1}/relations/{said}?to={text}",
        f"{v1}/hierarchy?from={text}",
    ):
        assert await mallory.refused("GET", path) == (400, "M_INVALID_PARAM")
    if token:
        assert await mallory.refused("GET", f"{V3}/publicRooms?since={text}") == (400, "M_INVALID_PARAM")
    await mallory.sends(room_id, {"m.relates_to": {"rel_type": "m.thread", "event_id": said.replace("%24", "$")}})
    assert await mallory.refused("GET", f"{v1}/threads?from={text}") == (400, "M_INVALID_PARAM")


async def test_a_token_from_the_future_begins_anew(mallory: Person, room_id: str) -> None:
    """A server that went back to an older primary serves those who have seen more; nobody waits for that future."""
    fresh = await mallory.syncs()
    for ahead in (1, 1_000, 10**17):
        token = f"s{await mallory.position() + ahead}"
        again = await mallory.syncs(since=token, timeout=30_000)
        assert again["next_batch"] == fresh["next_batch"]
        assert again["rooms"] == fresh["rooms"]
        assert (await mallory.does("GET", f"{room(room_id)}/messages?dir=f&from={token}"))["chunk"] == []
        back = await mallory.does("GET", f"{room(room_id)}/messages?dir=b&limit=100&from={token}")
        assert len(back["chunk"]) == await _events_in(mallory, room_id)


async def _events_in(person: Person, room_id: str) -> int:
    return len((await person.does("GET", f"{room(room_id)}/messages?dir=f&limit=100"))["chunk"])


async def test_the_token_of_somebody_else_shows_nothing_of_theirs(mallory: Person, alice: Person) -> None:
    """Tokens are positions of the one stream: with another's, one sees one's own news since then."""
    private = await alice.makes_room(name="nobody else's")
    token = (await alice.syncs())["next_batch"]
    own = await mallory.makes_room()
    await alice.says(private, "nobody else's")
    seen = await mallory.syncs(since=token)
    assert list(seen["rooms"]["join"]) == [own]
    assert "nobody else's" not in str(seen)
    for path in (f"messages?dir=b&from={token}", "state", "members", "state/m.room.name", f"members?at={token}"):
        assert await mallory.refused("GET", f"{room(private)}/{path}") == (403, "M_FORBIDDEN")


# --- transaction ids ---


async def test_a_transaction_id_used_again_changes_nothing(mallory: Person, room_id: str) -> None:
    here = room(room_id)
    path = f"{here}/send/m.room.message/again"
    first = (await mallory.does("PUT", path, {"body": "first"}))["event_id"]
    async with nothing_changes(mallory):
        for body in (
            {"body": "second"},
            {"body": "first"},
            {},
            {"m.relates_to": {"rel_type": "m.thread", "event_id": first}},
        ):
            assert (await mallory.does("PUT", path, body))["event_id"] == first
        assert await mallory.refused("PUT", path, b"nope") == (400, "M_NOT_JSON")
        assert await mallory.refused("PUT", path, {"body": "x" * 70_000}) == (413, "M_TOO_LARGE")
    assert (await mallory.does("GET", f"{here}/event/{segment(first)}"))["content"] == {"body": "first"}


async def test_a_redaction_used_again_changes_nothing(mallory: Person, room_id: str) -> None:
    here = room(room_id)
    one, two = await mallory.says(room_id, "one"), await mallory.says(room_id, "two")
    first = (await mallory.does("PUT", f"{here}/redact/{segment(one)}/again", {}))["event_id"]
    async with nothing_changes(mallory):
        answer = await mallory.does("PUT", f"{here}/redact/{segment(two)}/again", {"reason": "another"})
        assert answer["event_id"] == first
        path = f"{here}/send/m.room.redaction/again"
        assert (await mallory.does("PUT", path, {"redacts": two}))["event_id"] == first
    assert (await mallory.does("GET", f"{here}/event/{segment(two)}"))["content"]["body"] == "two"


async def test_a_transaction_id_is_its_devices_alone(mallory: Person, alice: Person, room_id: str) -> None:
    """Another device, person, room or kind of event with the same id makes another event."""
    await alice.does("POST", f"{room(room_id)}/join", {})
    other = await sign_in(mallory)
    elsewhere = await mallory.makes_room()
    path = "/send/m.room.message/same"
    sent = [
        (await mallory.does("PUT", room(room_id) + path, {"body": "1"}))["event_id"],
        (await other.does("PUT", room(room_id) + path, {"body": "2"}))["event_id"],
        (await alice.does("PUT", room(room_id) + path, {"body": "3"}))["event_id"],
        (await mallory.does("PUT", room(elsewhere) + path, {"body": "4"}))["event_id"],
        (await mallory.does("PUT", f"{room(room_id)}/send/m.room.other/same", {"body": "5"}))["event_id"],
    ]
    assert len(set(sent)) == 5
    shown = await alice.does("GET", f"{room(room_id)}/event/{segment(sent[0])}")
    assert "transaction_id" not in shown.get("unsigned", {})
    other.close()


async def test_transaction_ids_do_not_run_into_event_types(mallory: Person, room_id: str) -> None:
    """What is kept apart by a separator cannot be shifted across it."""
    sent = []
    for event_type, txn_id in (("a", "b/c"), ("a/b", "c"), ("a", "b%00c"), ("a%00b", "c"), ("a%2Fb", "c")):
        path = f"{room(room_id)}/send/{segment(event_type) if '%' not in event_type else event_type}"
        answer = await mallory.ask("PUT", f"{path}/{txn_id if '%' in txn_id else segment(txn_id)}", {})
        sent.append(answer.json.get("event_id", answer.refusal))
    assert sent[2:4] == [(400, "M_INVALID_PARAM")] * 2
    assert sent[0] != sent[1]
    assert sent[1] == sent[4]


async def test_a_refused_event_leaves_its_transaction_id_free(mallory: Person, alice: Person, room_id: str) -> None:
    path = f"{room(room_id)}/send/m.room.message/free"
    assert await alice.refused("PUT", path, {"body": "not in here"}) == (403, "M_FORBIDDEN")
    await alice.does("POST", f"{room(room_id)}/join", {})
    assert (await alice.does("PUT", path, {"body": "now"}))["event_id"].startswith("$")


# --- the operator's secret ---


async def test_who_does_not_know_the_secret_makes_no_account(nobody: Attacker) -> None:
    path = "/_synapse/admin/v1/register"
    body: Json = {"username": f"admin-{secrets.token_hex(6)}", "password": PASSWORD, "admin": True}
    for guess in ("", "\x00", "guess", "x" * 10_000):
        nonce = (await nobody.ask("GET", path)).json["nonce"]
        said = "\0".join((nonce, body["username"], body["password"], "admin"))
        mac = hmac.digest(guess.encode(), said.encode(), "sha1").hex()
        for proof in (mac, "", "0" * 40, "é", "\x00"):
            answer = await nobody.refused("POST", path, {**body, "nonce": nonce, "mac": proof})
            assert answer == (403 if proof == mac else 400, "M_UNKNOWN")  # a nonce is good for one try
    for nonce in ("", "\x00", "x" * 10_000, "0" * 64):
        assert await nobody.refused("POST", path, {**body, "nonce": nonce, "mac": ""}) == (400, "M_UNKNOWN")
    login = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": body["username"]}}
    assert await nobody.refused("POST", f"{V3}/login", {**login, "password": PASSWORD}) == (403, "M_FORBIDDEN")
