"""Push rules through HTTP: what everybody begins with, own rules in their order, and what is refused."""

import asyncio
from typing import Any

import pytest
from tests.api.talking import V3, Json, Talker, segment

GLOBAL = f"{V3}/pushrules/global"
KINDS = ("override", "content", "room", "sender", "underride")
INVALID, NOT_FOUND = (400, "M_INVALID_PARAM"), (404, "M_NOT_FOUND")


def at(kind: str, rule_id: str, part: str = "") -> str:
    return f"{GLOBAL}/{kind}/{segment(rule_id)}{part}"


async def own_ids(who: Talker, kind: str) -> list[str]:
    rules = (await who.get(f"{GLOBAL}/"))[kind]
    return [rule["rule_id"] for rule in rules if not rule["default"]]


async def told(who: Talker, since: str | None = None) -> Json | None:
    """The rules that a sync brings, if any."""
    events = (await who.sync(since)).get("account_data", {}).get("events", ())
    return next((event["content"] for event in events if event["type"] == "m.push_rules"), None)


async def put_content(who: Talker, rule_id: str, **query: Any) -> None:
    await who.put(at("content", rule_id), {"pattern": rule_id, "actions": ["notify"]}, **query)


async def test_what_everybody_begins_with(alice: Talker) -> None:
    everything = await alice.get(f"{V3}/pushrules/")
    rules = everything["global"]
    assert set(rules) == set(KINDS)
    assert rules == await alice.get(f"{GLOBAL}/")
    assert [kind for kind in KINDS if rules[kind]] == ["override", "underride"]
    assert all(rule["default"] for kind in KINDS for rule in rules[kind])
    assert rules["override"][0]["rule_id"] == ".m.rule.master"
    assert rules["override"][0]["enabled"] is False
    mention = await alice.get(at("override", ".m.rule.is_user_mention"))
    assert mention["conditions"][0]["value"] == alice.user_id
    assert mention["enabled"] is True
    assert await told(alice) == everything


@pytest.mark.parametrize(
    ("kind", "rule_id", "more"),
    [
        ("override", "mine", {"conditions": [{"kind": "room_member_count", "is": ">2"}]}),
        ("underride", "mine", {"conditions": []}),
        ("content", "tea & 봉수", {"pattern": "t?a*"}),
        ("room", "!room:x.example", {}),
        ("sender", "@person:x.example", {}),
    ],
)
async def test_an_own_rule_comes_changes_and_goes(alice: Talker, kind: str, rule_id: str, more: Json) -> None:
    since = (await alice.sync())["next_batch"]
    actions = ["notify", {"set_tweak": "sound", "value": "ring"}]
    assert await alice.put(at(kind, rule_id), {"actions": actions, **more}) == {}
    rule = {"rule_id": rule_id, "default": False, "enabled": True, "actions": actions, **more}
    assert await alice.get(at(kind, rule_id)) == rule
    assert await alice.get(at(kind, rule_id, "/enabled")) == {"enabled": True}
    assert await alice.get(at(kind, rule_id, "/actions")) == {"actions": actions}
    said = await told(alice, since)
    assert said is not None
    assert rule in said["global"][kind]
    assert await alice.put(at(kind, rule_id, "/enabled"), {"enabled": False}) == {}
    assert await alice.put(at(kind, rule_id, "/actions"), {"actions": []}) == {}
    assert await alice.get(at(kind, rule_id)) == {**rule, "enabled": False, "actions": []}
    assert await alice.delete(at(kind, rule_id)) == {}
    for part in ("", "/enabled", "/actions"):
        assert await alice.refused("GET", at(kind, rule_id, part)) == NOT_FOUND
    assert await alice.refused("DELETE", at(kind, rule_id)) == NOT_FOUND


async def test_predefined_rules_can_be_switched_and_given_other_actions(alice: Talker, bob: Talker) -> None:
    since = (await alice.sync())["next_batch"]
    rule = at("underride", ".m.rule.message")
    await alice.put(f"{rule}/enabled", {"enabled": False})
    await alice.put(f"{rule}/actions", {"actions": ["notify", {"set_tweak": "highlight"}]})
    changed = await alice.get(rule)
    assert (changed["enabled"], len(changed["actions"]), changed["default"]) == (False, 2, True)
    said = await told(alice, since)
    assert said is not None
    assert changed in said["global"]["underride"]
    assert (await bob.get(rule))["enabled"] is True
    assert await alice.refused("DELETE", rule) == INVALID
    assert await alice.refused("PUT", rule, {"actions": []}) == INVALID


async def test_the_order_of_own_rules(alice: Talker) -> None:
    await put_content(alice, "a")
    await put_content(alice, "b")
    assert await own_ids(alice, "content") == ["b", "a"]
    await put_content(alice, "c", before="a")
    assert await own_ids(alice, "content") == ["b", "c", "a"]
    await put_content(alice, "d", after="b")
    assert await own_ids(alice, "content") == ["b", "d", "c", "a"]
    await put_content(alice, "a", before="b", after="c")
    assert await own_ids(alice, "content") == ["a", "b", "d", "c"]
    await put_content(alice, "d")
    assert await own_ids(alice, "content") == ["a", "b", "d", "c"]
    body = {"pattern": "x", "actions": []}
    for query in ({"before": "none"}, {"after": "none"}, {"before": ".m.rule.contains_user_name"}):
        assert await alice.refused("PUT", at("content", "x"), body, **query) == (400, "M_UNKNOWN")
    assert await own_ids(alice, "content") == ["a", "b", "d", "c"]


async def test_own_rules_stand_between_the_master_and_the_predefined(alice: Talker) -> None:
    await alice.put(at("override", "mine"), {"actions": [], "conditions": []})
    ids = [rule["rule_id"] for rule in (await alice.get(f"{GLOBAL}/"))["override"]]
    assert ids[:2] == [".m.rule.master", "mine"]
    assert len(ids) > 5


async def test_rules_made_at_once_are_all_kept(alice: Talker) -> None:
    await asyncio.gather(*(put_content(alice, f"word{n}") for n in range(10)))
    assert set(await own_ids(alice, "content")) == {f"word{n}" for n in range(10)}


@pytest.mark.parametrize(
    ("path", "body", "refusal"),
    [
        (at("loud", "x"), {"actions": []}, INVALID),
        (at("override", ".mine"), {"actions": []}, INVALID),
        (at("override", "a/b"), {"actions": []}, INVALID),
        (at("override", "a\\b"), {"actions": []}, INVALID),
        (at("override", "x"), {}, (400, "M_MISSING_PARAM")),
        (at("override", "x"), {"actions": "notify"}, INVALID),
        (at("override", "x"), {"actions": ["shout"]}, INVALID),
        (at("override", "x"), {"actions": [], "conditions": [{"key": "x"}]}, INVALID),
        (at("override", "x"), {"actions": [], "conditions": [{"kind": "room_member_count", "is": "many"}]}, INVALID),
        (at("content", "x"), {"actions": []}, (400, "M_MISSING_PARAM")),
        (at("content", "x"), {"actions": [], "pattern": 5}, INVALID),
        (at("room", "not a room"), {"actions": []}, INVALID),
        (at("sender", "not a person"), {"actions": []}, INVALID),
        (at("override", "none", "/enabled"), {"enabled": True}, NOT_FOUND),
        (at("override", "none", "/actions"), {"actions": []}, NOT_FOUND),
        (at("override", ".m.rule.master", "/enabled"), {}, (400, "M_BAD_JSON")),
        (at("override", ".m.rule.master", "/enabled"), {"enabled": "yes"}, (400, "M_BAD_JSON")),
        (at("override", ".m.rule.master", "/actions"), {}, INVALID),
        (at("override", ".m.rule.master", "/actions"), {"actions": [1]}, INVALID),
    ],
)
async def test_what_is_refused(alice: Talker, path: str, body: Json, refusal: tuple[int, str]) -> None:
    before = await alice.get(f"{V3}/pushrules/")
    assert await alice.refused("PUT", path, body) == refusal
    assert await alice.get(f"{V3}/pushrules/") == before


async def test_unknown_kinds_and_rules(alice: Talker) -> None:
    assert await alice.refused("GET", at("loud", "x")) == INVALID
    assert await alice.refused("GET", at("override", "none")) == NOT_FOUND
    assert await alice.refused("DELETE", at("override", "none")) == NOT_FOUND
    assert await alice.refused("GET", f"{V3}/pushrules/device/") == (404, "M_UNRECOGNIZED")
