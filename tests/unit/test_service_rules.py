"""Registrations of application services: which are ones, and whom they answer for."""

from typing import Any

import pytest

from bongsu.core.errors import Refusal
from bongsu.core.services import Service, merged, parse, protocol_for_clients

TOKENS = {"as_token": "a" * 32, "hs_token": "h" * 32}
LEAST: dict[str, Any] = {"id": "gram", "sender_localpart": "grambot", **TOKENS}


def service(**more: Any) -> Service:
    return Service(parse({**LEAST, **more}), "x.example")


def test_the_least_registration() -> None:
    told = service(url="", namespaces={"users": None})
    assert told.registration.url is None
    assert told.sender == "@grambot:x.example"
    assert (told.has_user(told.sender), told.owns_user(told.sender)) == (True, True)
    assert not told.has_user("@gram_ann:x.example")
    assert told.registration.rate_limited
    assert told.ephemeral_names == []


def test_namespaces() -> None:
    users = [{"regex": "@gram_.*:x\\.example", "exclusive": True}, {"regex": "@.*:x\\.example"}]
    told = service(namespaces={"users": users, "aliases": [{"regex": "#gram_", "exclusive": True}], "rooms": []})
    assert told.owns_user("@gram_ann:x.example")
    assert (told.has_user("@ann:x.example"), told.owns_user("@ann:x.example")) == (True, False)
    assert not told.has_user("@gram_ann:elsewhere.example")
    assert (told.owns_alias("#gram_hall:x.example"), told.owns_alias("#a#gram_:x.example")) == (True, False)
    assert not told.has_room("!room:x.example")


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"receive_ephemeral": True}, ["ephemeral"]),
        ({"push_ephemeral": True}, ["ephemeral"]),
        ({"de.sorunome.msc2409.push_ephemeral": True}, ["de.sorunome.msc2409.ephemeral"]),
    ],
)
def test_words_for_ephemeral_events(said: dict[str, bool], names: list[str]) -> None:
    assert service(**said).ephemeral_names == names


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": ""},
        {"id": "a/b"},
        {"as_token": "short"},
        {"hs_token": "h" * 20 + "\n"},
        {"url": "ftp://x"},
        {"namespaces": {"users": [{"regex": "("}]}},
        {"namespaces": {"users": [{"regex": "x" * 2_000}]}},
        {"namespaces": {"users": ["@gram_.*"]}},
        {"sender_localpart": 5},
    ],
)
def test_registrations_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        parse({**LEAST, **wrong})
    with pytest.raises(Refusal):
        parse([LEAST])


def test_protocols() -> None:
    said = {"user_fields": ["a"], "location_fields": [], "field_types": {}, "instances": [{"network_id": "n"}, 5]}
    shown = protocol_for_clients("gram", said)
    assert shown is not None
    assert shown["instances"] == [{"network_id": "n", "instance_id": "gram|n"}]
    assert merged([shown, shown])["instances"] == shown["instances"] * 2
    wrong: list[Any] = [None, [], {"user_fields": []}, {**said, "field_types": 5}, {**said, "user_fields": "a"}]
    for nonsense in wrong:
        assert protocol_for_clients("gram", nonsense) is None
