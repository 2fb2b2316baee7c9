"""PDUs against a plain second implementation, published vectors and the redaction tables of each room version."""

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bongsu.core import events, limits, pdu
from bongsu.core.errors import Refusal
from bongsu.core.events import Draft, Event
from bongsu.core.versions import VERSIONS, RoomVersion, version

VERSION_NAMES = ["10", "11", "12"]
SENDER = "@sender:here.example"
OLD_ROOM = "!room:here.example"
HASH_ROOM = "!" + "a" * 43
AUTH = ["$" + letter * 43 for letter in "cpm"]


# --- a plain implementation: dictionaries, the standard library, and the tables of the specification ---

TOP_LEVEL = {
    "event_id", "type", "room_id", "sender", "state_key", "content", "hashes", "signatures", "depth", "prev_events",
    "auth_events", "origin_server_ts",
}  # fmt: skip
KEPT: dict[str, dict[str, set[str]]] = {
    "10": {
        "m.room.member": {"membership", "join_authorised_via_users_server"},
        "m.room.create": {"creator"},
        "m.room.join_rules": {"join_rule", "allow"},
        "m.room.power_levels": {
            "ban", "events", "events_default", "kick", "redact", "state_default", "users", "users_default",
        },
        "m.room.history_visibility": {"history_visibility"},
    },
}  # fmt: skip
KEPT["11"] = {
    **KEPT["10"],
    "m.room.power_levels": KEPT["10"]["m.room.power_levels"] | {"invite"},
    "m.room.redaction": {"redacts"},
}
KEPT["12"] = KEPT["11"]


def plain_redact(name: str, event: dict[str, Any]) -> dict[str, Any]:
    top = TOP_LEVEL | ({"prev_state", "origin", "membership"} if name == "10" else set())
    result = {key: value for key, value in event.items() if key in top}
    content = event["content"]
    if event["type"] == "m.room.create" and name != "10":
        return result
    result["content"] = {key: content[key] for key in content if key in KEPT[name].get(event["type"], set())}
    invite = content.get("third_party_invite")
    if event["type"] == "m.room.member" and name != "10" and isinstance(invite, dict):
        result["content"]["third_party_invite"] = {key: invite[key] for key in invite if key == "signed"}
    return result


def plain_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def plain_hash(value: Any) -> bytes:
    return hashlib.sha256(plain_json(value)).digest()


def plain_build(name: str, room_id: str | None, draft: Draft, depth: int, ts_ms: int) -> tuple[str, bytes]:
    content = dict(draft.content)
    event: dict[str, Any] = {
        "auth_events": AUTH,
        "content": content,
        "depth": min(depth, 2**53 - 1),
        "origin_server_ts": ts_ms,
        "prev_events": AUTH[:1],
        "sender": draft.sender,
        "type": draft.type,
    }
    if room_id is not None:
        event["room_id"] = room_id
    if draft.state_key is not None:
        event["state_key"] = draft.state_key
    if draft.redacts is not None:
        (event if name == "10" else content)["redacts"] = draft.redacts
    event["hashes"] = {"sha256": base64.b64encode(plain_hash(event)).decode().rstrip("=")}
    reference = base64.urlsafe_b64encode(plain_hash(plain_redact(name, event))).decode().rstrip("=")
    return "$" + reference, plain_json(event)


def room_of(version: RoomVersion, event_type: str = events.MESSAGE) -> str | None:
    if not version.room_id_is_hash:
        return OLD_ROOM
    return None if event_type == events.CREATE else HASH_ROOM


def built(name: str, draft: Draft, *, depth: int = 7, ts_ms: int = 1_700_000_000_000) -> pdu.Built:
    rules = version(name)
    return pdu.build(
        rules,
        room_id=room_of(rules, draft.type),
        draft=draft,
        auth_events=AUTH,
        prev_events=AUTH[:1],
        depth=depth,
        ts_ms=ts_ms,
    )


def message(body: str = "hello", **content: Any) -> Draft:
    return Draft(type=events.MESSAGE, sender=SENDER, content={"msgtype": "m.text", "body": body, **content})


# --- building ---

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
known_keys = sorted({key for table in KEPT["12"].values() for key in table} | {"creator", "third_party_invite", "body"})
contents = st.dictionaries(st.sampled_from(known_keys) | texts, values | st.just({"signed": {"a": 1}, "b": 2}))
drafts = st.builds(
    Draft,
    type=st.sampled_from([*KEPT["12"], "m.room.create", "m.room.message", "m.room.encrypted", "한글.形"]) | texts,
    sender=st.just(SENDER) | texts,
    content=contents,
    state_key=st.none() | texts,
    redacts=st.none() | st.just("$" + "r" * 43),
)


@pytest.mark.parametrize("name", VERSION_NAMES)
@settings(max_examples=150, deadline=None)
@given(draft=drafts, depth=st.integers(1, 2**60), ts_ms=st.integers(0, 2**53 - 1))
def test_build_gives_what_the_plain_implementation_gives(name: str, draft: Draft, depth: int, ts_ms: int) -> None:
    event_id, plain = plain_build(name, room_of(version(name), draft.type), draft, depth, ts_ms)
    made = built(name, draft, depth=depth, ts_ms=ts_ms)
    assert made.pdu == plain
    assert made.event_id == event_id
    assert made.content_json == plain_json(json.loads(plain)["content"])


@pytest.mark.parametrize("name", VERSION_NAMES)
@given(draft=drafts)
@settings(max_examples=60, deadline=None)
def test_hashes_of_a_read_pdu_are_those_it_was_built_with(name: str, draft: Draft) -> None:
    made = built(name, draft)
    whole = json.loads(made.pdu)
    whole |= {"unsigned": {"age": 5}, "signatures": {"here.example": {"ed25519:a": "c2ln"}}}
    assert pdu.event_id(version(name), whole) == made.event_id
    assert pdu.content_hash(whole) == whole["hashes"]["sha256"]


@pytest.mark.parametrize("name", VERSION_NAMES)
def test_the_event_id_survives_redaction_but_not_a_change(name: str) -> None:
    rules = version(name)
    made = built(name, Draft(type=events.MEMBER, sender=SENDER, content={"membership": "join"}, state_key=SENDER))
    whole = json.loads(made.pdu)
    assert pdu.event_id(rules, pdu.redact(rules, whole)) == made.event_id
    assert pdu.event_id(rules, {**whole, "depth": 8}) != made.event_id


def test_content_hashes_of_the_published_vectors() -> None:
    """Matrix specification, appendices, "Cryptographic Test Vectors", event signing."""
    common = {"origin": "domain", "origin_server_ts": 1000000, "signatures": {}, "unsigned": {"age_ts": 1000000}}
    minimal = {
        **common, "room_id": "!x:domain", "sender": "@a:domain", "hashes": {}, "type": "X", "content": {},
        "prev_events": [], "auth_events": [], "depth": 3,
    }  # fmt: skip
    redactable = {
        **common, "content": {"body": "Here is the message content"}, "event_id": "$0:domain",
        "type": "m.room.message", "room_id": "!r:domain", "sender": "@u:domain",
    }  # fmt: skip
    assert pdu.content_hash(minimal) == "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos"
    assert pdu.content_hash(redactable) == "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g"


def test_a_version_12_room_is_named_after_its_create_event() -> None:
    made = built("12", Draft(type=events.CREATE, sender=SENDER, content={"room_version": "12"}, state_key=""))
    assert made.room_id == "!" + made.event_id[1:]
    assert len(made.room_id) == 44
    assert "room_id" not in json.loads(made.pdu)


@pytest.mark.parametrize("name", ["10", "11"])
def test_older_rooms_keep_the_room_id_they_are_given(name: str) -> None:
    made = built(name, Draft(type=events.CREATE, sender=SENDER, content={"room_version": name}, state_key=""))
    assert made.room_id == OLD_ROOM
    assert json.loads(made.pdu)["room_id"] == OLD_ROOM


@pytest.mark.parametrize(("name", "room_id"), [("11", None), ("12", OLD_ROOM)])
def test_a_create_event_with_a_room_id_of_the_wrong_kind_is_a_programming_error(name: str, room_id: str | None) -> None:
    draft = Draft(type=events.CREATE, sender=SENDER, content={"room_version": name}, state_key="")
    with pytest.raises(AssertionError):
        pdu.build(version(name), room_id=room_id, draft=draft, auth_events=[], prev_events=[], depth=1, ts_ms=1)


@pytest.mark.parametrize("name", VERSION_NAMES)
def test_the_largest_event_is_accepted_and_one_byte_more_is_not(name: str) -> None:
    room_left = limits.EVENT_BYTES_MAX - len(built(name, message("")).pdu)
    assert len(built(name, message("x" * room_left)).pdu) == limits.EVENT_BYTES_MAX
    assert refused(name, message("x" * (room_left + 1))) == (413, "M_TOO_LARGE")


@pytest.mark.parametrize("name", VERSION_NAMES)
@pytest.mark.parametrize("field", ["sender", "type", "state_key", "redacts"])
def test_identifiers_have_255_bytes_not_characters(name: str, field: str) -> None:
    base: dict[str, Any] = {"type": "t", "sender": SENDER, "content": {}, "state_key": "", "redacts": None}
    built(name, Draft(**{**base, field: "x" * 255}))
    built(name, Draft(**{**base, field: "봉" * 85}))
    assert refused(name, Draft(**{**base, field: "x" * 256})) == (413, "M_TOO_LARGE")
    assert refused(name, Draft(**{**base, field: "봉" * 86})) == (413, "M_TOO_LARGE")


def test_a_room_id_has_255_bytes() -> None:
    with pytest.raises(Refusal, match="room_id"):
        pdu.build(version("10"), room_id="!" + "x" * 255, draft=message(), auth_events=[], prev_events=[], depth=1,
                  ts_ms=1)  # fmt: skip


@pytest.mark.parametrize("number", [0.5, 2**53, -(2**53)])
def test_numbers_that_canonical_json_lacks_are_refused(number: float) -> None:
    assert refused("12", message(n={"deep": [number]})) == (400, "M_BAD_JSON")


def refused(name: str, draft: Draft) -> tuple[int, str]:
    with pytest.raises(Refusal) as caught:
        built(name, draft)
    return caught.value.status, caught.value.errcode


# --- redaction ---

FULL: dict[str, dict[str, Any]] = {
    "m.room.create": {"creator": SENDER, "room_version": "x", "m.federate": False, "type": "m.space"},
    "m.room.member": {
        "membership": "join", "displayname": "n", "avatar_url": "mxc://a/b", "reason": "r",
        "join_authorised_via_users_server": "@a:here.example",
        "third_party_invite": {"display_name": "d", "signed": {"token": "t"}},
    },
    "m.room.join_rules": {"join_rule": "restricted", "allow": [{"type": "m.room_membership"}], "x": 1},
    "m.room.power_levels": {
        "ban": 1, "events": {"a": 1}, "events_default": 2, "invite": 3, "kick": 4, "notifications": {"room": 5},
        "redact": 6, "state_default": 7, "users": {SENDER: 8}, "users_default": 9,
    },
    "m.room.history_visibility": {"history_visibility": "shared", "x": 1},
    "m.room.redaction": {"redacts": "$e", "reason": "r"},
    "m.room.aliases": {"aliases": ["#a:here.example"]},
    "m.room.message": {"msgtype": "m.text", "body": "b"},
    "m.room.name": {"name": "n"},
    "m.room.third_party_invite": {"public_key": "k", "display_name": "d"},
}  # fmt: skip
LOST = {
    ("m.room.create", "10"): {"room_version", "m.federate", "type"},
    ("m.room.create", "11"): set(),
    ("m.room.member", "10"): {"displayname", "avatar_url", "reason", "third_party_invite"},
    ("m.room.member", "11"): {"displayname", "avatar_url", "reason"},
    ("m.room.join_rules", "10"): {"x"},
    ("m.room.join_rules", "11"): {"x"},
    ("m.room.power_levels", "10"): {"notifications", "invite"},
    ("m.room.power_levels", "11"): {"notifications"},
    ("m.room.history_visibility", "10"): {"x"},
    ("m.room.history_visibility", "11"): {"x"},
    ("m.room.redaction", "10"): {"redacts", "reason"},
    ("m.room.redaction", "11"): {"reason"},
}


@pytest.mark.parametrize("name", VERSION_NAMES)
@pytest.mark.parametrize("event_type", sorted(FULL))
def test_redaction_keeps_exactly_the_keys_of_the_table(event_type: str, name: str) -> None:
    content = FULL[event_type]
    kept = pdu.redact_content(version(name), event_type, content)
    lost = LOST.get((event_type, "10" if name == "10" else "11"), set(content))
    assert set(content) - set(kept) == lost
    for key in set(kept) - {"third_party_invite"}:
        assert kept[key] == content[key]
    assert kept is not content


@pytest.mark.parametrize(
    ("invite", "kept"),
    [
        ({"display_name": "d", "signed": {"a": 1}}, {"third_party_invite": {"signed": {"a": 1}}}),
        ({"display_name": "d"}, {"third_party_invite": {}}),
        ("text", {}),
    ],
)
def test_only_the_signed_part_of_a_third_party_invite_stays(invite: object, kept: dict[str, Any]) -> None:
    assert pdu.redact_content(version("11"), events.MEMBER, {"third_party_invite": invite}) == kept


@pytest.mark.parametrize("name", VERSION_NAMES)
def test_redaction_of_a_whole_pdu(name: str) -> None:
    whole = {key: key for key in TOP_LEVEL} | {
        "type": events.MESSAGE, "content": {"body": "b"}, "unsigned": {}, "redacts": "$x", "origin": "here.example",
        "prev_state": [], "membership": "join", "x": 1,
    }  # fmt: skip
    redacted = pdu.redact(version(name), whole)
    old = {"origin", "prev_state", "membership"} if name == "10" else set()
    assert set(redacted) == TOP_LEVEL | old
    assert redacted["content"] == {}
    assert whole["content"] == {"body": "b"}


# --- where a redaction names its target ---


def redaction(target: str | None, **content: Any) -> Draft:
    return Draft(type=events.REDACTION, sender=SENDER, content=content, redacts=target)


def test_redacts_stands_at_the_top_in_version_10_and_in_the_content_since_11() -> None:
    for name in VERSION_NAMES:
        whole = json.loads(built(name, redaction("$target", reason="r")).pdu)
        assert ("redacts" in whole, "redacts" in whole["content"]) == (name == "10", name != "10")
        assert pdu.parse(built(name, redaction("$target")).pdu).target(version(name)) == "$target"


@pytest.mark.parametrize(
    ("name", "draft", "target"),
    [
        ("10", redaction("$a"), "$a"),
        ("10", redaction(None, redacts="$b"), None),
        ("11", redaction("$a"), "$a"),
        ("11", redaction(None, redacts="$b"), "$b"),
        ("12", redaction(None, redacts=["$b"]), None),
        ("12", message(redacts="$b"), None),
    ],
)
def test_redacts_of_a_draft(name: str, draft: Draft, target: str | None) -> None:
    assert pdu.redacts_of(version(name), draft) == target


# --- reading, and the client form ---


def test_parse_gives_back_what_was_built() -> None:
    made = built("12", Draft(type=events.NAME, sender=SENDER, content={"name": "봉수"}, state_key=""), depth=2**60)
    view = pdu.parse(made.pdu)
    assert (view.type, view.sender, view.state_key, view.room_id) == (events.NAME, SENDER, "", HASH_ROOM)
    assert (view.auth_events, view.prev_events, view.depth) == (AUTH, AUTH[:1], limits.INTEGER_MAX)
    assert view.origin_server_ts == 1_700_000_000_000
    assert bytes(view.content) == made.content_json
    assert list(view.hashes) == ["sha256"]


def event_of(draft: Draft, **fields: Any) -> Event:
    return Event(
        pos=1, event_id="$e", room_id=OLD_ROOM, type=draft.type, sender=SENDER, state_key=draft.state_key, ts_ms=12,
        depth=3, content_json=plain_json(draft.content), **fields,
    )  # fmt: skip


def test_client_form_of_a_message() -> None:
    event = event_of(message('안녕 "you" \u2028 \x01'))
    expected = {
        "content": event.content, "event_id": "$e", "origin_server_ts": 12, "sender": SENDER, "type": events.MESSAGE,
    }  # fmt: skip
    assert json.loads(pdu.client_event(event, with_room_id=False)) == expected
    assert json.loads(pdu.client_event(event, with_room_id=True)) == {**expected, "room_id": OLD_ROOM}


def test_client_form_of_state_has_its_state_key_even_if_empty() -> None:
    event = event_of(Draft(type=events.NAME, sender=SENDER, content={}, state_key=""))
    assert json.loads(pdu.client_event(event, with_room_id=False))["state_key"] == ""


@pytest.mark.parametrize("content", [{"reason": "r"}, {"reason": "r", "redacts": "$target"}])
def test_client_form_of_a_redaction_names_the_target_in_both_places(content: dict[str, Any]) -> None:
    event = event_of(redaction(None, **content), redacts="$target")
    shown = json.loads(pdu.client_event(event, with_room_id=False))
    assert shown["redacts"] == "$target"
    assert shown["content"] == {"reason": "r", "redacts": "$target"}


def test_unsigned_is_added_at_the_end() -> None:
    client = pdu.client_event(event_of(message()), with_room_id=True)
    whole = json.loads(pdu.with_unsigned(client, b'{"age":5,"transaction_id":"t"}'))
    assert whole.pop("unsigned") == {"age": 5, "transaction_id": "t"}
    assert whole == json.loads(client)


# --- versions ---


def test_an_unknown_version_is_refused_by_its_own_code() -> None:
    for name in ("", "0", "13", "12 ", "org.example"):
        with pytest.raises(Refusal) as caught:
            version(name)
        assert (caught.value.status, caught.value.errcode) == (400, "M_UNSUPPORTED_ROOM_VERSION")


def test_versions_are_named_as_they_are_looked_up() -> None:
    assert {name: rules.name for name, rules in VERSIONS.items()} == {str(n): str(n) for n in range(1, 13)}
