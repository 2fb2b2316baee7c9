"""Rooms of every version through HTTP: made, used, redacted, entered by each join rule, and upgraded."""

import json
import os
import re

import aiohttp
import pytest
from tests.api.talking import V1, V3, Talker, relating, room, segment, sign_up
from tests.server import SERVER_NAME, Server

from bongsu.core import pdu, versions
from bongsu.store.database import Database
from bongsu.store.embedded import EmbeddedPostgres

VERSIONS = [str(number) for number in range(1, 13)]
FORBIDDEN = (403, "M_FORBIDDEN")
LEVELS, JOIN_RULES, CREATE, NAME = "m.room.power_levels", "m.room.join_rules", "m.room.create", "m.room.name"
FORMS = {"1": rf"\$[^:]+:{SERVER_NAME}", "2": rf"\$[^:]+:{SERVER_NAME}", "3": r"\$[A-Za-z0-9+/]{43}"}


async def test_all_are_stable(alice: Talker) -> None:
    said = (await alice.get(f"{V3}/capabilities"))["capabilities"]["m.room_versions"]
    assert said == {"default": "12", "available": dict.fromkeys(VERSIONS, "stable")}


@pytest.mark.parametrize("version", VERSIONS)
async def test_talking_in_it(alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession, version: str) -> None:
    room_id = await alice.make_room(room_version=version, name="old", preset="private_chat")
    await alice.bring(room_id, bob)
    since = (await bob.sync())["next_batch"]
    first = await alice.say(room_id, "first")
    assert re.fullmatch(FORMS.get(version, r"\$[A-Za-z0-9_-]{43}"), first)
    thread = await bob.say(room_id, "answer", **relating("m.thread", first))
    await bob.send(room_id, relating("m.annotation", first, key="+"), "m.reaction")
    assert (await bob.event(room_id, first))["content"]["body"] == "first"
    assert (await bob.through(elsewhere).event(room_id, thread))["content"]["body"] == "answer"
    around = await bob.get(f"{room(room_id)}/context/{segment(first)}", limit=4)
    assert around["event"]["event_id"] == first
    related = await alice.get(f"{room(room_id, V1)}/relations/{segment(first)}")
    assert len(related["chunk"]) == 2
    await bob.post(f"{room(room_id)}/receipt/m.read/{segment(thread)}")
    timeline = (await bob.sync(since))["rooms"]["join"][room_id]["timeline"]["events"]
    assert [event["event_id"] for event in timeline][:2] == [first, thread]


@pytest.mark.parametrize("version", VERSIONS)
async def test_redactions_in_it(alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession, version: str) -> None:
    room_id = await alice.make_room(room_version=version)
    await alice.bring(room_id, bob)
    hers, his = await alice.say(room_id, "hers"), await bob.say(room_id, "his")
    path = f"{room(room_id)}/redact/{segment(hers)}/x"
    assert await bob.refused("PUT", path, {}) == FORBIDDEN  # though in versions 1 and 2 the event would be permitted
    for who, target in ((bob, his), (alice, hers)):
        redaction = await who.redact(room_id, target, reason="slip")
        for reader in (alice, bob.through(elsewhere)):
            event = await reader.event(room_id, target)
            assert event["content"] == {}
            assert event["unsigned"]["redacted_because"]["event_id"] == redaction
            assert event["unsigned"]["redacted_because"]["redacts"] == target
    rules = await alice.set_state(room_id, JOIN_RULES, {"join_rule": "invite", "allow": [], "x": 1})
    await alice.redact(room_id, rules)
    kept = {"join_rule": "invite", **({"allow": []} if int(version) >= 8 else {})}
    assert await alice.state(room_id, JOIN_RULES) == kept


@pytest.mark.parametrize("version", VERSIONS)
async def test_knocking(alice: Talker, bob: Talker, version: str) -> None:
    room_id = await alice.make_room(room_version=version)
    await alice.set_state(room_id, JOIN_RULES, {"join_rule": "knock"})
    path = f"{V3}/knock/{segment(room_id)}"
    if int(version) < 7:
        assert await bob.refused("POST", path, {}) == FORBIDDEN
        return
    await bob.post(path)
    await alice.invite(room_id, bob)
    await bob.join(room_id)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("rule", "since"), [("restricted", 8), ("knock_restricted", 10)])
async def test_restricted_joins(alice: Talker, bob: Talker, version: str, rule: str, since: int) -> None:
    space = await alice.make_room(preset="public_chat")
    room_id = await alice.make_room(room_version=version)
    allow = [{"type": "m.room_membership", "room_id": space}, {"type": "org.example"}]
    await alice.set_state(room_id, JOIN_RULES, {"join_rule": rule, "allow": allow})
    path = f"{room(room_id)}/join"
    assert await bob.refused("POST", path, {}) == FORBIDDEN
    await bob.join(space)
    if int(version) < since:
        assert await bob.refused("POST", path, {}) == FORBIDDEN
        return
    await bob.join(room_id)
    member = await alice.state(room_id, "m.room.member", bob.user_id)
    assert member["join_authorised_via_users_server"] == alice.user_id


@pytest.mark.parametrize("version", ["1", "5", "6", "9", "10"])
async def test_levels_as_texts(alice: Talker, bob: Talker, version: str) -> None:
    room_id = await alice.make_room(room_version=version)
    await alice.bring(room_id, bob)
    content = {**await alice.state(room_id, LEVELS), "users": {alice.user_id: "100", bob.user_id: " 50"}}
    path = f"{room(room_id)}/state/{LEVELS}/"
    if version == "10":
        assert await alice.refused("PUT", path, content) == (400, "M_BAD_JSON")
        return
    await alice.put(path, content)
    await bob.set_state(room_id, NAME, {"name": "by a moderator"})
    new = (await alice.post(f"{room(room_id)}/upgrade", {"new_version": "10"}))["replacement_room"]
    assert (await alice.state(new, LEVELS))["users"] == {alice.user_id: 100, bob.user_id: 50}


@pytest.mark.parametrize("version", ["1", "5", "6", "12"])
async def test_fractions(alice: Talker, version: str) -> None:
    room_id = await alice.make_room(room_version=version)
    path, content = f"{room(room_id)}/send/org.example.number/x", {"half": 0.5, "long": 2**60}
    if int(version) > 5:
        assert await alice.refused("PUT", path, content) == (400, "M_BAD_JSON")
        return
    event_id = (await alice.put(path, content))["event_id"]
    assert (await alice.event(room_id, event_id))["content"] == content
    state_id = await alice.set_state(room_id, "org.example.state", content)
    assert await alice.set_state(room_id, "org.example.state", content) == state_id
    await alice.redact(room_id, event_id)
    assert (await alice.event(room_id, event_id))["content"] == {}


@pytest.mark.parametrize("version", ["1", "5", "6"])
async def test_aliases_events(alice: Talker, bob: Talker, version: str) -> None:
    room_id = await alice.make_room(room_version=version)
    await alice.bring(room_id, bob)
    path = f"{room(room_id)}/state/m.room.aliases"
    status, _ = await bob.ask("PUT", f"{path}/{SERVER_NAME}", {"aliases": []})
    assert status == (200 if version != "6" else 403)
    status, _ = await alice.ask("PUT", f"{path}/elsewhere.example", {"aliases": []})
    assert status == (200 if version == "6" else 403)


NEIGHBOURS = [(str(number), str(number + 1)) for number in range(1, 12)]
TO_LAST = [(version, "12") for version in VERSIONS[:10]]
FROM_LAST = [("12", version) for version in VERSIONS]


@pytest.mark.parametrize(("old_version", "version"), [*NEIGHBOURS, *TO_LAST, *FROM_LAST])
async def test_upgrades(alice: Talker, bob: Talker, old_version: str, version: str) -> None:
    old = await alice.make_room(room_version=old_version, name="moves")
    await alice.bring(old, bob)
    await alice.set_state(old, JOIN_RULES, {"join_rule": "restricted", "allow": []})
    new = (await alice.post(f"{room(old)}/upgrade", {"new_version": version}))["replacement_room"]
    create = await alice.state(new, CREATE)
    assert create["room_version"] == version
    assert create["predecessor"]["room_id"] == old
    assert create.get("creator") == (alice.user_id if int(version) < 11 else None)
    assert (await alice.state(new, JOIN_RULES))["join_rule"] == ("restricted" if int(version) > 7 else "invite")
    assert await alice.state(new, NAME) == {"name": "moves"}
    assert await bob.refused("POST", f"{room(new)}/join", {}) == FORBIDDEN
    await alice.bring(new, bob)
    await bob.say(new, "here")
    assert await bob.refused("PUT", f"{room(old)}/send/m.room.message/x", {"body": "x"}) == FORBIDDEN
    await alice.post(f"{room(new)}/upgrade", {"new_version": "11"})


async def test_events_of_a_restored_worker_cite_what_was_written_before(
    alice: Talker, elsewhere: aiohttp.ClientSession, http: aiohttp.ClientSession
) -> None:
    """Workers take turns in a room whose events are cited by hash: each reads what the other wrote."""
    room_id = await alice.make_room(room_version="1")
    other = alice.through(elsewhere)
    sent = [await who.say(room_id, str(number)) for number, who in enumerate([other, alice, other, alice])]
    carol = await sign_up(http, "carol")
    await other.invite(room_id, carol)
    await carol.join(room_id)
    shown = (await carol.messages(room_id, limit=20))["chunk"]
    assert [event["event_id"] for event in shown if event["type"] == "m.room.message"] == sent[::-1]


@pytest.mark.skipif("BONGSU_TEST_BASE_URL" in os.environ, reason="the tables of a server from outside are not at hand")
@pytest.mark.parametrize("version", ["1", "2"])
async def test_events_name_the_hashes_of_those_before_them(
    alice: Talker, elsewhere: aiohttp.ClientSession, server: Server, version: str
) -> None:
    """As other servers would check it: each hash that is named is that of the event, before and after a redaction."""
    room_id = await alice.make_room(room_version=version)
    for who in (alice, alice.through(elsewhere)):
        await who.redact(room_id, await who.say(room_id, "x"))
    postgres = EmbeddedPostgres(server.data_dir)
    database = Database(await postgres.start())
    await database.open()
    rows = await database.fetch("SELECT event_id, pdu FROM events WHERE room_id = $1 ORDER BY pos", room_id)
    await database.close()
    await postgres.stop()
    found = {row["event_id"]: json.loads(row["pdu"]) for row in rows}
    hashes = {event_id: pdu.reference(versions.version(version), event) for event_id, event in found.items()}
    for event_id, event in found.items():
        assert event["event_id"] == event_id
        for cited, named in [*event["prev_events"], *event["auth_events"]]:
            assert named == {"sha256": hashes[cited]}
    named = {cited for event in found.values() for cited, _ in event["prev_events"]}
    assert len(named) == len(found) - 1
