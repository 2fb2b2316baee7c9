"""Acting for others, in rooms of others, with powers one has not; and rooms that are born malformed."""

from typing import Any

import pytest

from bongsu.core import limits
from tests.api.talking import room, segment
from tests.hostile.attack import V1, V3, Attacker, Json, Person, nothing_changes
from tests.server import SERVER_NAME

pytestmark = pytest.mark.usefixtures("unharmed")

FORBIDDEN = (403, "M_FORBIDDEN")
NOT_FOUND = (404, "M_NOT_FOUND")
EVENT_ID = "$" + "x" * 43


# --- in somebody else's name ---


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "{room}/typing/{alice}", {"typing": True}),
        ("PUT", "{v3}/presence/{alice}/status", {"presence": "online"}),
        ("PUT", "{v3}/profile/{alice}/displayname", {"displayname": "x"}),
        ("PUT", "{v3}/profile/{alice}/avatar_url", {"avatar_url": "mxc://x/y"}),
        ("PUT", "{v3}/profile/{alice}/org.example.x", {"org.example.x": 1}),
        ("DELETE", "{v3}/profile/{alice}/displayname", None),
        ("POST", "{v3}/user/{alice}/filter", {}),
        ("GET", "{v3}/user/{alice}/filter/x", None),
        ("PUT", "{v3}/user/{alice}/account_data/m.direct", {}),
        ("GET", "{v3}/user/{alice}/account_data/m.direct", None),
        ("PUT", "{v3}/user/{alice}/rooms/{room_id}/account_data/x", {}),
        ("GET", "{v3}/user/{alice}/rooms/{room_id}/account_data/x", None),
        ("GET", "{v3}/user/{alice}/rooms/{room_id}/tags", None),
        ("PUT", "{v3}/user/{alice}/rooms/{room_id}/tags/x", {}),
        ("DELETE", "{v3}/user/{alice}/rooms/{room_id}/tags/x", None),
    ],
)
async def test_nobody_acts_in_the_name_of_another(
    mallory: Person, alice: Person, room_id: str, method: str, path: str, body: Json
) -> None:
    """Nor in the name of somebody who does not exist, nor by another spelling of one's own."""
    await alice.does("POST", f"{room(room_id)}/join", {})
    for name in (alice.user_id, f"@nobody:{SERVER_NAME}", mallory.user_id.upper(), mallory.user_id + " ", ""):
        filled = path.format(v3=V3, room=room(room_id), room_id=segment(room_id), alice=segment(name) or "%20")
        async with nothing_changes(mallory):
            assert await mallory.refused(method, filled, body) == FORBIDDEN


async def test_another_persons_filter_is_unknown(mallory: Person, alice: Person) -> None:
    filter_id = (await alice.does("POST", alice.own("filter"), {"room": {"rooms": []}}))["filter_id"]
    assert await mallory.refused("GET", mallory.own(f"filter/{filter_id}")) == NOT_FOUND
    assert await mallory.refused("GET", f"{V3}/sync?filter={filter_id}") == (400, "M_INVALID_PARAM")


async def test_another_persons_device_is_out_of_reach(mallory: Person, alice: Person) -> None:
    path = f"{V3}/devices/{alice.device_id}"
    assert await mallory.refused("GET", path) == NOT_FOUND
    assert await mallory.refused("PUT", path, {"display_name": "x"}) == NOT_FOUND
    auth = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": alice.user_id}, "password": "x"}
    answer = await mallory.ask("DELETE", path, {"auth": auth})
    assert answer.refusal == (401, "M_FORBIDDEN")
    assert (await alice.does("GET", f"{V3}/devices"))["devices"][0].get("display_name") is None


async def test_presence_of_a_stranger_is_not_told(mallory: Person, alice: Person) -> None:
    await alice.does("PUT", f"{V3}/presence/{segment(alice.user_id)}/status", {"presence": "online"})
    assert await mallory.refused("GET", f"{V3}/presence/{segment(alice.user_id)}/status") == FORBIDDEN


# --- in rooms one is not in, and in rooms that do not exist ---

IN_A_ROOM: list[tuple[str, str, Json]] = [
    ("PUT", "send/m.room.message/t", {}),
    ("PUT", "send/m.room.redaction/t", {"redacts": EVENT_ID}),
    ("PUT", "state/m.room.name", {"name": "x"}),
    ("PUT", "state/m.room.member/{me}", {"membership": "leave"}),
    ("PUT", "redact/{event}/t", {}),
    ("PUT", "typing/{me}", {"typing": True}),
    ("PUT", "typing/{me}", {"typing": False}),
    ("POST", "receipt/m.read/{event}", {}),
    ("POST", "receipt/m.read.private/{event}", {}),
    ("POST", "read_markers", {"m.read": EVENT_ID}),
    ("POST", "invite", {"user_id": "{nobody}"}),
    ("POST", "invite", {"user_id": "{alice}"}),
    ("POST", "kick", {"user_id": "{nobody}"}),
    ("POST", "kick", {"user_id": "{alice}"}),
    ("POST", "ban", {"user_id": "{alice}"}),
    ("POST", "unban", {"user_id": "{alice}"}),
    ("POST", "leave", {}),
    ("POST", "upgrade", {"new_version": "12"}),
    ("GET", "state", None),
    ("GET", "state/m.room.name", None),
    ("GET", "members", None),
    ("GET", "joined_members", None),
    ("GET", "messages?dir=b", None),
    ("GET", "aliases", None),
]
NOT_TOLD: list[tuple[str, str, tuple[int, str]]] = [
    ("{room}/event/{event}", "GET", NOT_FOUND),
    ("{room}/context/{event}", "GET", FORBIDDEN),
    ("{v1}/relations/{event}", "GET", NOT_FOUND),
    ("{v1}/threads", "GET", FORBIDDEN),
    ("{v1}/hierarchy", "GET", FORBIDDEN),
    ("{v1}/timestamp_to_event?ts=1&dir=f", "GET", FORBIDDEN),
]


@pytest.mark.parametrize(("method", "path", "body"), IN_A_ROOM)
async def test_a_room_of_others_answers_like_no_room(
    mallory: Person, alice: Person, method: str, path: str, body: Json
) -> None:
    """The whole answer is the same, so that nobody learns which rooms exist."""
    private = await alice.makes_room(name="private")
    event = segment(await alice.says(private, "x"))
    if body and "user_id" in body:
        body = {"user_id": body["user_id"].format(alice=alice.user_id, nobody=f"@nobody:{SERVER_NAME}")}
    answers = []
    for room_id in (private, "!" + "x" * 43, f"!nowhere:{SERVER_NAME}", "!room:elsewhere.example", "nonsense"):
        filled = path.format(me=segment(mallory.user_id), event=event)
        async with nothing_changes(alice):
            answer = await mallory.ask(method, f"{room(room_id)}/{filled}", body)
        answers.append((answer.refusal, answer.body))
    assert set(answers) == {(FORBIDDEN, answers[0][1])}


@pytest.mark.parametrize(("path", "method", "wanted"), NOT_TOLD)
async def test_what_is_in_a_room_of_others_is_not_told(
    mallory: Person, alice: Person, path: str, method: str, wanted: tuple[int, str]
) -> None:
    private = await alice.makes_room(name="private")
    event = segment(await alice.says(private, "x"))
    answers = []
    for room_id in (private, "!" + "x" * 43, f"!nowhere:{SERVER_NAME}"):
        answer = await mallory.ask(method, path.format(room=room(room_id), v1=room(room_id, V1), event=event))
        answers.append((answer.refusal, answer.body))
    assert set(answers) == {(wanted, answers[0][1])}


async def test_a_private_room_cannot_be_entered(mallory: Person, alice: Person) -> None:
    private = await alice.makes_room(name="private")
    async with nothing_changes(alice):
        for path in (f"{room(private)}/join", f"{V3}/join/{segment(private)}", f"{V3}/knock/{segment(private)}"):
            assert await mallory.refused("POST", path, {}) == FORBIDDEN
        signed = {
            "mxid": mallory.user_id,
            "sender": alice.user_id,
            "token": "x",
            "signatures": {"x": {"ed25519:0": "y"}},
        }
        body = {"third_party_signed": signed, "membership": "join", "join_authorised_via_users_server": alice.user_id}
        assert await mallory.refused("POST", f"{room(private)}/join", body) == FORBIDDEN


async def test_who_was_banned_stays_out(mallory: Person, alice: Person) -> None:
    room_id = await alice.makes_room(preset="public_chat")
    await mallory.does("POST", f"{room(room_id)}/join", {})
    await alice.does("POST", f"{room(room_id)}/ban", {"user_id": mallory.user_id})
    async with nothing_changes(alice):
        for path in ("join", "leave"):
            assert await mallory.refused("POST", f"{room(room_id)}/{path}", {}) == FORBIDDEN
        unban = {"user_id": mallory.user_id}
        assert await mallory.refused("POST", f"{room(room_id)}/unban", unban) == FORBIDDEN
        assert await mallory.refused("POST", f"{V3}/knock/{segment(room_id)}", {}) == FORBIDDEN
        member = f"{room(room_id)}/state/m.room.member/{segment(mallory.user_id)}"
        assert await mallory.refused("PUT", member, {"membership": "leave"}) == FORBIDDEN


# --- memberships and powers, forged ---


async def _in_alices_room(mallory: Person, alice: Person, **options: Any) -> str:
    room_id = await alice.makes_room(preset="public_chat", **options)
    await mallory.does("POST", f"{room(room_id)}/join", {})
    return room_id


@pytest.mark.parametrize(
    ("whose", "content", "wanted"),
    [
        ("alice", {"membership": "leave"}, FORBIDDEN),
        ("alice", {"membership": "ban"}, FORBIDDEN),
        ("alice", {"membership": "join", "displayname": "fool"}, FORBIDDEN),
        ("alice", {"membership": "invite"}, FORBIDDEN),
        ("alice", {"membership": "knock"}, FORBIDDEN),
        ("nobody", {"membership": "join"}, FORBIDDEN),
        ("nobody", {"membership": "ban"}, FORBIDDEN),
        ("nobody", {"membership": "leave"}, FORBIDDEN),
        ("mallory", {"membership": "invite"}, FORBIDDEN),
        ("mallory", {"membership": "knock"}, FORBIDDEN),
        ("mallory", {"membership": "ban"}, FORBIDDEN),
        ("mallory", {"membership": "owner"}, FORBIDDEN),
        ("mallory", {"membership": "JOIN"}, FORBIDDEN),
        ("mallory", {"membership": "join\x00"}, FORBIDDEN),
        ("mallory", {"membership": ""}, FORBIDDEN),
        ("mallory", {"membership": None}, (400, "M_BAD_JSON")),
        ("mallory", {"membership": ["join"]}, (400, "M_BAD_JSON")),
        ("mallory", {"membership": 5}, (400, "M_BAD_JSON")),
        ("mallory", {}, (400, "M_BAD_JSON")),
        ("nobody", {"membership": "invite", "third_party_invite": {}}, FORBIDDEN),
        ("nobody", {"membership": "invite", "third_party_invite": 5}, FORBIDDEN),
        (
            "nobody",
            {
                "membership": "invite",
                "third_party_invite": {"signed": {"mxid": f"@nobody:{SERVER_NAME}", "token": "\x00", "signatures": 5}},
            },
            FORBIDDEN,
        ),
    ],
)
async def test_a_membership_cannot_be_forged(
    mallory: Person, alice: Person, whose: str, content: Json, wanted: tuple[int, str]
) -> None:
    room_id = await _in_alices_room(mallory, alice, power_level_content_override={"invite": 50})
    names = {"alice": alice.user_id, "mallory": mallory.user_id, "nobody": f"@nobody:{SERVER_NAME}"}
    path = f"{room(room_id)}/state/m.room.member/{segment(names[whose])}"
    async with nothing_changes(alice):
        assert await mallory.refused("PUT", path, content) == wanted


async def test_who_vouches_is_for_the_server_to_say(mallory: Person, alice: Person) -> None:
    room_id = await _in_alices_room(mallory, alice)
    await mallory.sets(
        room_id,
        "m.room.member",
        {"membership": "join", "displayname": "m", "join_authorised_via_users_server": alice.user_id},
        mallory.user_id,
    )
    member = await alice.does("GET", f"{room(room_id)}/state/m.room.member/{segment(mallory.user_id)}")
    assert member == {"membership": "join", "displayname": "m"}


@pytest.mark.parametrize("state_key", ["", "x", "@x", "alice", f"@x\x00:{SERVER_NAME}"])
async def test_a_membership_of_nobody_is_refused(mallory: Person, room_id: str, state_key: str) -> None:
    path = f"{room(room_id)}/state/m.room.member/{segment(state_key)}"
    async with nothing_changes(mallory):
        assert await mallory.refused("PUT", path, {"membership": "join"}) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize("version", ["10", "11", "12"])
async def test_power_cannot_be_taken(mallory: Person, alice: Person, version: str) -> None:
    room_id = await _in_alices_room(mallory, alice, room_version=version)
    here = room(room_id)
    levels = await alice.does("GET", f"{here}/state/m.room.power_levels")
    async with nothing_changes(alice):
        for content in (
            {**levels, "users": {**levels["users"], mallory.user_id: 100}},
            {**levels, "users_default": 100},
            {"users": {mallory.user_id: 9_007_199_254_740_991}},
            {},
        ):
            assert await mallory.refused("PUT", f"{here}/state/m.room.power_levels", content) == FORBIDDEN
        for event_type in ("m.room.name", "m.room.join_rules", "m.room.history_visibility", "m.room.tombstone"):
            assert await mallory.refused("PUT", f"{here}/state/{event_type}", {}) == FORBIDDEN
        for verb in ("kick", "ban"):
            assert await mallory.refused("POST", f"{here}/{verb}", {"user_id": alice.user_id}) == FORBIDDEN
        assert await mallory.refused("POST", f"{here}/upgrade", {"new_version": version}) == FORBIDDEN
        published = f"{V3}/directory/list/room/{segment(room_id)}"
        assert await mallory.refused("PUT", published, {"visibility": "private"}) == FORBIDDEN


@pytest.mark.parametrize("version", ["10", "11", "12"])
async def test_nobody_rises_above_their_own_level(mallory: Person, alice: Person, version: str) -> None:
    users = {mallory.user_id: 50, **({} if version == "12" else {alice.user_id: 100})}
    override = {"users": users, "events": {"m.room.power_levels": 50}}
    room_id = await _in_alices_room(mallory, alice, room_version=version, power_level_content_override=override)
    path = f"{room(room_id)}/state/m.room.power_levels"
    levels = await alice.does("GET", path)
    too_high: list[Json] = [
        {"users": {**users, mallory.user_id: 51}},
        {"users": {**users, f"@accomplice:{SERVER_NAME}": 51}},
        *([] if version == "12" else [{"users": {**users, alice.user_id: 0}}]),
        {"users_default": 51},
        {"ban": 51},
        {"events": {"m.room.power_levels": 51}},
        {"notifications": {"room": 51}},
    ]
    malformed: list[Json] = [
        {"ban": "50"},
        {"ban": True},
        {"ban": None},
        {"users": []},
        {"users": {"x": 1}},
        {"events": 5},
        *([{"users": {**users, alice.user_id: 0}}] if version == "12" else []),  # a creator, who has no level
    ]
    async with nothing_changes(alice):
        for change in too_high:
            assert await mallory.refused("PUT", path, {**levels, **change}) == FORBIDDEN
        for change in malformed:
            assert await mallory.refused("PUT", path, {**levels, **change}) == (400, "M_BAD_JSON")


async def test_state_named_after_somebody_is_theirs(mallory: Person, alice: Person, room_id: str) -> None:
    async with nothing_changes(mallory):
        path = f"{room(room_id)}/state/org.example.x/{segment(alice.user_id)}"
        assert await mallory.refused("PUT", path, {}) == FORBIDDEN


@pytest.mark.parametrize("state_key", ["", "x"])
async def test_a_room_is_created_once(mallory: Person, room_id: str, state_key: str) -> None:
    path = f"{room(room_id)}/state/m.room.create/{state_key}"
    async with nothing_changes(mallory):
        assert await mallory.refused("PUT", path, {"room_version": "12", "type": "m.space"}) == INVALID_PARAM


# --- redactions ---


async def test_what_others_said_cannot_be_redacted(mallory: Person, alice: Person) -> None:
    room_id = await _in_alices_room(mallory, alice)
    elsewhere = await alice.makes_room(preset="public_chat")
    said, there = await alice.says(room_id, "x"), await alice.says(elsewhere, "x")
    create = (await alice.does("GET", f"{room(room_id)}/messages?dir=f&limit=1"))["chunk"][0]["event_id"]
    here = room(room_id)
    async with nothing_changes(alice):
        for event_id, wanted in (
            (said, FORBIDDEN),
            (create, FORBIDDEN),
            (there, NOT_FOUND),
            (EVENT_ID, NOT_FOUND),
            ("nonsense", (400, "M_INVALID_PARAM")),
            ("$x:test.example", NOT_FOUND),
        ):
            assert await mallory.refused("PUT", f"{here}/redact/{segment(event_id)}/t", {}) == wanted
            answer = await mallory.refused("PUT", f"{here}/send/m.room.redaction/t", {"redacts": event_id})
            assert answer == wanted
        for redacts in (5, None, [said], {"a": said}):
            answer = await mallory.refused("PUT", f"{here}/send/m.room.redaction/t", {"redacts": redacts})
            assert answer == (400, "M_INVALID_PARAM")
    assert (await alice.does("GET", f"{here}/event/{segment(said)}"))["content"]["body"] == "x"


@pytest.mark.parametrize("version", ["10", "11", "12"])
async def test_a_redaction_names_what_it_was_sent_to(mallory: Person, alice: Person, version: str) -> None:
    """A `redacts` in the content cannot point the redaction at another event than the one that was judged."""
    room_id = await _in_alices_room(mallory, alice, room_version=version)
    said, own = await alice.says(room_id, "alice's"), await mallory.says(room_id, "own")
    body = {"redacts": said, "reason": "x"}
    path = f"{room(room_id)}/redact/{segment(own)}/t"
    redaction = (await mallory.does("PUT", path, body))["event_id"]
    shown = await alice.does("GET", f"{room(room_id)}/event/{segment(redaction)}")
    assert (shown["redacts"], shown["content"]["redacts"]) == (own, own)
    assert (await alice.does("GET", f"{room(room_id)}/event/{segment(said)}"))["content"]["body"] == "alice's"
    assert (await alice.does("GET", f"{room(room_id)}/event/{segment(own)}"))["content"] == {}


async def test_a_redaction_is_no_state(mallory: Person, room_id: str) -> None:
    """As state it would pass by the rules for redactions."""
    said = await mallory.says(room_id, "x")
    async with nothing_changes(mallory):
        for state_key in ("", "x"):
            path = f"{room(room_id)}/state/m.room.redaction/{state_key}"
            assert await mallory.refused("PUT", path, {"redacts": said}) == (400, "M_INVALID_PARAM")
        state = [{"type": "m.room.redaction", "content": {"redacts": said}}]
        answer = await mallory.refused("POST", f"{V3}/createRoom", {"initial_state": state})
        assert answer == (400, "M_INVALID_PARAM")


async def test_a_reason_is_a_text(mallory: Person, room_id: str) -> None:
    said = segment(await mallory.says(room_id, "x"))
    async with nothing_changes(mallory):
        for reason in (5, ["x"], {"a": 1}, True):
            answer = await mallory.refused("PUT", f"{room(room_id)}/redact/{said}/t", {"reason": reason})
            assert answer == (400, "M_BAD_JSON")


# --- rooms born malformed ---

BAD_JSON, INVALID_PARAM, INVALID_STATE = (400, "M_BAD_JSON"), (400, "M_INVALID_PARAM"), (400, "M_INVALID_ROOM_STATE")


@pytest.mark.parametrize("version", ["10", "11", "12"])
@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ({"additional_creators": 5}, BAD_JSON),
        ({"additional_creators": "@a:test.example"}, BAD_JSON),
        ({"additional_creators": [{}]}, BAD_JSON),
        ({"additional_creators": [[]]}, BAD_JSON),
        ({"additional_creators": [None]}, BAD_JSON),
        ({"predecessor": 5}, BAD_JSON),
        ({"predecessor": "!x:y"}, BAD_JSON),
        ({"predecessor": {}}, BAD_JSON),
        ({"predecessor": {"room_id": 5}}, BAD_JSON),
        ({"m.federate": "no"}, BAD_JSON),
        ({"m.federate": 0}, BAD_JSON),
        ({"m.federate": None}, BAD_JSON),
        ({"type": 5}, BAD_JSON),
        ({"type": ["m.space"]}, BAD_JSON),
        ({"org.example.x": 1.5}, BAD_JSON),
        ({"org.example.x": 2**53}, BAD_JSON),
        ({"org.example.x": "x" * 70_000}, (413, "M_TOO_LARGE")),
    ],
)
async def test_a_create_event_of_a_wrong_form_is_refused(
    mallory: Person, version: str, content: Json, wanted: tuple[int, str]
) -> None:
    async with nothing_changes(mallory):
        for preset in ("private_chat", "trusted_private_chat", "public_chat"):
            body = {"room_version": version, "preset": preset, "creation_content": content}
            assert await mallory.refused("POST", f"{V3}/createRoom", body) == wanted


async def test_what_the_server_says_of_a_room_cannot_be_said_for_it(mallory: Person, alice: Person) -> None:
    lies = {"creator": alice.user_id, "room_version": "1"}
    for version, creator in (("10", mallory.user_id), ("11", None), ("12", None)):
        room_id = await mallory.makes_room(room_version=version, creation_content=lies)
        create = await mallory.does("GET", f"{room(room_id)}/state/m.room.create")
        assert (create["room_version"], create.get("creator")) == (version, creator)


async def test_creators_must_be_people(mallory: Person) -> None:
    async with nothing_changes(mallory):
        for user in ("@a", "a", "", "@\x00:x", "@a:b c", "@" + "x" * 300 + ":y"):
            body = {"room_version": "12", "creation_content": {"additional_creators": [user]}}
            assert await mallory.refused("POST", f"{V3}/createRoom", body) == BAD_JSON


@pytest.mark.parametrize("version", ["10", "11", "12"])
@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ({"users": 5}, BAD_JSON),
        ({"users": None}, BAD_JSON),
        ({"users": {"x": 1}}, BAD_JSON),
        ({"users": {"@a:b\x00": 1}}, BAD_JSON),
        ({"users": {"@a:b": "100"}}, BAD_JSON),
        ({"users": {"@a:b": True}}, BAD_JSON),
        ({"users": {"@a:b": {}}}, BAD_JSON),
        ({"events": []}, BAD_JSON),
        ({"events": {"x": None}}, BAD_JSON),
        ({"notifications": "all"}, BAD_JSON),
        ({"ban": "50"}, BAD_JSON),
        ({"ban": 50.0}, BAD_JSON),
        ({"ban": None}, BAD_JSON),
        ({"ban": 10**20}, BAD_JSON),
        ({"invite": True}, BAD_JSON),
        ({"users_default": -(10**20)}, BAD_JSON),
        ({"org.example.x": 0.5}, BAD_JSON),
        ({"org.example.x": "x" * 70_000}, (413, "M_TOO_LARGE")),
    ],
)
async def test_power_levels_of_a_wrong_form_make_no_room(
    mallory: Person, version: str, override: Json, wanted: tuple[int, str]
) -> None:
    async with nothing_changes(mallory):
        body = {"room_version": version, "power_level_content_override": override}
        assert await mallory.refused("POST", f"{V3}/createRoom", body) == wanted
        levels = {"type": "m.room.power_levels", "content": override}
        body = {"room_version": version, "initial_state": [levels]}
        assert await mallory.refused("POST", f"{V3}/createRoom", body) == wanted


@pytest.mark.parametrize("version", ["10", "11"])
async def test_a_room_that_locks_its_maker_out_is_not_made(mallory: Person, version: str) -> None:
    overrides: list[Json] = [
        {"users": {mallory.user_id: 5}},
        {"state_default": 1_000},
        {"events": {"m.room.name": 1_000}},
        {"users": {}},
    ]
    for override in overrides:
        body = {"room_version": version, "name": "x", "power_level_content_override": override}
        async with nothing_changes(mallory):
            assert await mallory.refused("POST", f"{V3}/createRoom", body) == INVALID_STATE


async def test_a_creator_has_no_level(mallory: Person) -> None:
    body = {"room_version": "12", "power_level_content_override": {"users": {mallory.user_id: 100}}}
    async with nothing_changes(mallory):
        assert await mallory.refused("POST", f"{V3}/createRoom", body) == BAD_JSON


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ({"type": "m.room.create", "content": {}}, INVALID_PARAM),
        ({"type": "m.room.member", "state_key": "@a:b", "content": {"membership": "join"}}, INVALID_PARAM),
        ({"type": "x\x00", "content": {}}, INVALID_PARAM),
        ({"type": "x", "state_key": "\x00", "content": {}}, INVALID_PARAM),
        ({"type": "x" * 256, "content": {}}, INVALID_PARAM),
        ({"type": "x", "state_key": "x" * 256, "content": {}}, INVALID_PARAM),
        ({"type": "x", "state_key": "@somebody:else", "content": {}}, INVALID_STATE),
        ({"type": "x", "content": {"a": 1.5}}, BAD_JSON),
        ({"type": "x", "content": {"a": "x" * 70_000}}, (413, "M_TOO_LARGE")),
        ({"type": "x", "content": []}, BAD_JSON),
        ({"type": "x", "content": None}, BAD_JSON),
        ({"type": 5, "content": {}}, BAD_JSON),
        ({"type": "x", "state_key": 5, "content": {}}, BAD_JSON),
        ({"type": "x"}, (400, "M_MISSING_PARAM")),
        ({"content": {}}, (400, "M_MISSING_PARAM")),
        ({}, (400, "M_MISSING_PARAM")),
    ],
)
async def test_initial_state_of_a_wrong_form_makes_no_room(
    mallory: Person, entry: Json, wanted: tuple[int, str]
) -> None:
    async with nothing_changes(mallory):
        right = {"type": "org.example.x", "content": {}}
        for entries in ([entry], [right, entry]):
            assert await mallory.refused("POST", f"{V3}/createRoom", {"initial_state": entries}) == wanted


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"visibility": "secret"}, INVALID_PARAM),
        ({"preset": "anarchy"}, INVALID_PARAM),
        ({"room_version": "0"}, (400, "M_UNSUPPORTED_ROOM_VERSION")),
        ({"room_version": "12\x00"}, (400, "M_UNSUPPORTED_ROOM_VERSION")),
        ({"room_version": ""}, (400, "M_UNSUPPORTED_ROOM_VERSION")),
        ({"room_alias_name": "a:b"}, INVALID_PARAM),
        ({"room_alias_name": "\x00"}, INVALID_PARAM),
        ({"room_alias_name": ""}, INVALID_PARAM),
        ({"room_alias_name": "x" * 256}, INVALID_PARAM),
        ({"invite": ["@nobody-at-all:test.example"]}, NOT_FOUND),
        ({"invite": ["@a:elsewhere.example"]}, NOT_FOUND),
        ({"invite": ["nonsense"]}, INVALID_PARAM),
        ({"invite": ["@a:test.example"] * (limits.INVITES_PER_CREATE_MAX + 1)}, INVALID_PARAM),
        ({"initial_state": [{"type": "x", "content": {}}] * (limits.INITIAL_STATE_MAX + 1)}, INVALID_PARAM),
        ({"invite_3pid": [{}]}, (400, "M_THREEPID_NOT_FOUND")),
        ({"name": "x" * 70_000}, (413, "M_TOO_LARGE")),
        ({"topic": "x" * 70_000}, (413, "M_TOO_LARGE")),
    ],
)
async def test_a_room_is_made_whole_or_not_at_all(mallory: Person, options: Json, wanted: tuple[int, str]) -> None:
    async with nothing_changes(mallory):
        assert await mallory.refused("POST", f"{V3}/createRoom", options) == wanted
    assert (await mallory.does("GET", f"{V3}/joined_rooms"))["joined_rooms"] == []


@pytest.mark.parametrize("creators", [["@a"], [""], ["@a:b\x00"], ["x"]])
async def test_an_upgrade_to_a_malformed_room_is_refused(mallory: Person, room_id: str, creators: list[str]) -> None:
    path = f"{room(room_id)}/upgrade"
    async with nothing_changes(mallory):
        body = {"new_version": "12", "additional_creators": creators}
        assert await mallory.refused("POST", path, body) == INVALID_PARAM
        for version in ("0", "13", "12\x00", ""):
            answer = await mallory.refused("POST", path, {"new_version": version})
            assert answer == (400, "M_UNSUPPORTED_ROOM_VERSION")


async def test_strangers_are_told_nothing_by_name(nobody: Attacker, alice: Person) -> None:
    """Whether somebody has an account is not told by signing in, be it at all or by how long it takes."""
    login: Json = {"type": "m.login.password", "password": "not the right one"}
    answers = set()
    for user in (alice.user_id, f"@nobody-{alice.user_id[1:]}", "@a:elsewhere.example", "\x00", ""):
        answer = await nobody.ask("POST", f"{V3}/login", {**login, "identifier": {"type": "m.id.user", "user": user}})
        answers.add((answer.refusal, answer.body))
    assert answers == {(FORBIDDEN, answers.copy().pop()[1])}
