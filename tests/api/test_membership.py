"""Coming and going through HTTP: who may change whose membership, to what, and what the room shows of it."""

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.api.talking import V3, Json, Talker, room, segment, sign_up
from tests.server import SERVER_NAME

MEMBER, LEVELS, JOIN_RULES = "m.room.member", "m.room.power_levels", "m.room.join_rules"
VIA = "join_authorised_via_users_server"
FORBIDDEN = (403, "M_FORBIDDEN")


@pytest.fixture
async def carol(http: aiohttp.ClientSession) -> Talker:
    return await sign_up(http, "carol")


@pytest.fixture
async def room_id(alice: Talker, bob: Talker) -> str:
    """A private room of alice and bob, whose creator alice is."""
    room_id = await alice.make_room(name="ours")
    await alice.bring(room_id, bob)
    return room_id


async def act(who: Talker, verb: str, room_id: str, target: Talker, **more: Any) -> Json:
    answer: Json = await who.post(f"{room(room_id)}/{verb}", {"user_id": target.user_id, **more})
    return answer


async def act_refused(who: Talker, verb: str, room_id: str, target: str, **more: Any) -> tuple[int, str]:
    return await who.refused("POST", f"{room(room_id)}/{verb}", {"user_id": target, **more})


async def join_refused(who: Talker, room_id: str) -> tuple[int, str]:
    return await who.refused("POST", f"{room(room_id)}/join", {})


async def member(reader: Talker, room_id: str, whose: Talker) -> Json:
    content: Json = await reader.state(room_id, MEMBER, whose.user_id)
    return content


async def steps(reader: Talker, room_id: str, whose: Talker) -> list[str]:
    """What became of somebody in the room, event by event."""
    events = (await reader.messages(room_id, "f", limit=200, filter='{"types": ["m.room.member"]}'))["chunk"]
    return [event["content"]["membership"] for event in events if event["state_key"] == whose.user_id]


# --- join and leave ---


async def test_joining_and_leaving(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(preset="public_chat")
    assert await bob.post(f"{room(room_id)}/join", {"reason": "curious"}) == {"room_id": room_id}
    assert await member(alice, room_id, bob) == {"membership": "join", "reason": "curious"}
    assert await bob.post(f"{room(room_id)}/leave", {"reason": "bored"}) == {}
    assert await member(alice, room_id, bob) == {"membership": "leave", "reason": "bored"}
    await bob.post(f"{V3}/join/{segment(room_id)}")
    assert await steps(alice, room_id, bob) == ["join", "leave", "join"]


async def test_doing_it_twice_changes_nothing(alice: Talker, bob: Talker, carol: Talker) -> None:
    room_id = await alice.make_room(preset="public_chat")
    await asyncio.gather(*(bob.join(room_id) for _ in range(4)))
    await asyncio.gather(*(bob.leave(room_id) for _ in range(4)))
    await asyncio.gather(*(act(alice, "invite", room_id, carol) for _ in range(4)))
    assert await steps(alice, room_id, bob) == ["join", "leave"]
    assert await steps(alice, room_id, carol) == ["invite"]
    await asyncio.gather(*(act(alice, "ban", room_id, carol) for _ in range(4)))
    assert await steps(alice, room_id, carol) == ["invite", "ban"]


async def test_a_client_adds_words_of_its_own_to_a_join(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(preset="public_chat")
    forged = {"membership": "ban", "displayname": "Alice", "join_authorised_via_users_server": alice.user_id}
    await bob.join(room_id, reason="curious", **{"org.example.from": "a poster"}, **forged)
    expected = {"membership": "join", "reason": "curious", "org.example.from": "a poster"}
    assert await bob.state(room_id, "m.room.member", bob.user_id) == expected


async def test_joining_by_alias(alice: Talker, bob: Talker) -> None:
    room_id = await alice.make_room(preset="public_chat")
    alias = f"#{room_id[1:12].lower()}:{SERVER_NAME}"
    await alice.put(f"{V3}/directory/room/{segment(alias)}", {"room_id": room_id})
    assert await bob.post(f"{V3}/join/{segment(alias)}", via=SERVER_NAME) == {"room_id": room_id}
    none = f"#nothing-here:{SERVER_NAME}"
    assert await bob.refused("POST", f"{V3}/join/{segment(none)}", {}) == (404, "M_NOT_FOUND")
    assert await bob.refused("POST", f"{V3}/join/nonsense", {}) == (400, "M_INVALID_PARAM")


async def test_leaving_what_one_is_not_in(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    path = f"{room(room_id)}/leave"
    assert await carol.refused("POST", path, {}) == FORBIDDEN
    assert await carol.refused("POST", f"{room('!none:x.example')}/leave", {}) == FORBIDDEN
    await act(alice, "ban", room_id, carol)
    assert await carol.refused("POST", path, {}) == FORBIDDEN
    assert await carol.refused("POST", path, {"reason": 5}) == (400, "M_BAD_JSON")
    assert await bob.post(path) == {}


async def test_profile_is_shown_in_the_membership(alice: Talker, bob: Talker, room_id: str) -> None:
    await bob.put(f"{V3}/profile/{segment(bob.user_id)}/displayname", {"displayname": "Bob"})
    assert (await member(alice, room_id, bob))["displayname"] == "Bob"
    other = await alice.make_room(preset="public_chat", invite=[bob.user_id])
    assert await member(alice, other, bob) == {"membership": "invite", "displayname": "Bob"}
    await bob.join(other)
    assert await member(alice, other, bob) == {"membership": "join", "displayname": "Bob"}


# --- invitations ---


async def test_inviting(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    assert await join_refused(carol, room_id) == FORBIDDEN
    await act(bob, "invite", room_id, carol, reason="come")
    assert await member(bob, room_id, carol) == {"membership": "invite", "reason": "come"}
    assert (await alice.state(room_id, MEMBER, carol.user_id, format="event"))["sender"] == bob.user_id
    await carol.join(room_id)
    assert await act_refused(bob, "invite", room_id, carol.user_id) == FORBIDDEN
    assert await act_refused(bob, "invite", room_id, bob.user_id) == FORBIDDEN


async def test_a_refused_invitation_can_be_repeated(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    await act(alice, "invite", room_id, carol)
    await carol.post(f"{room(room_id)}/leave", {"reason": "no, thanks"})
    assert await member(alice, room_id, carol) == {"membership": "leave", "reason": "no, thanks"}
    assert await join_refused(carol, room_id) == FORBIDDEN
    await act(bob, "invite", room_id, carol)
    await act(alice, "kick", room_id, carol, reason="taken back")
    assert await join_refused(carol, room_id) == FORBIDDEN
    await act(alice, "invite", room_id, carol)
    await carol.join(room_id)
    assert await steps(alice, room_id, carol) == ["invite", "leave", "invite", "leave", "invite", "join"]


async def test_who_may_invite(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    levels = await alice.state(room_id, LEVELS)
    await alice.set_state(room_id, LEVELS, {**levels, "invite": 1})
    assert await act_refused(bob, "invite", room_id, carol.user_id) == FORBIDDEN
    assert await act_refused(carol, "invite", room_id, carol.user_id) == FORBIDDEN
    assert await act_refused(alice, "invite", "!none:x.example", carol.user_id) == FORBIDDEN
    unknown = f"@nobody-at-all:{SERVER_NAME}"
    assert await act_refused(alice, "invite", room_id, unknown) == (404, "M_NOT_FOUND")
    assert await act_refused(alice, "invite", room_id, "@x:elsewhere.example") == (404, "M_NOT_FOUND")
    assert await act_refused(alice, "invite", room_id, "nonsense") == (400, "M_INVALID_PARAM")
    path = f"{room(room_id)}/invite"
    assert await alice.refused("POST", path, {}) == (400, "M_MISSING_PARAM")
    by_mail = {"id_server": "x", "id_access_token": "x", "medium": "email", "address": "a@b.example"}
    assert await alice.refused("POST", path, by_mail) == (400, "M_THREEPID_NOT_FOUND")
    assert await steps(alice, room_id, carol) == []


# --- kicks and bans ---


async def test_kicking(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    assert await act_refused(bob, "kick", room_id, alice.user_id) == FORBIDDEN
    assert await act_refused(carol, "kick", room_id, bob.user_id) == FORBIDDEN
    assert await act_refused(alice, "kick", room_id, carol.user_id) == FORBIDDEN
    await act(alice, "kick", room_id, bob, reason="loud")
    assert await member(alice, room_id, bob) == {"membership": "leave", "reason": "loud"}
    assert await bob.refused("PUT", f"{room(room_id)}/send/m.room.message/x", {"body": "x"}) == FORBIDDEN
    assert await act_refused(alice, "kick", room_id, bob.user_id) == FORBIDDEN
    assert await join_refused(bob, room_id) == FORBIDDEN


async def test_banning(alice: Talker, bob: Talker, carol: Talker, http: aiohttp.ClientSession) -> None:
    room_id = await alice.make_room(preset="public_chat")
    await bob.join(room_id)
    assert await act_refused(bob, "ban", room_id, carol.user_id) == FORBIDDEN
    assert await act_refused(bob, "ban", room_id, alice.user_id) == FORBIDDEN
    await act(alice, "ban", room_id, bob, reason="spam")
    await act(alice, "ban", room_id, carol)  # who never was here
    assert await member(alice, room_id, bob) == {"membership": "ban", "reason": "spam"}
    for banned in (bob, carol):
        assert await join_refused(banned, room_id) == FORBIDDEN
        assert await act_refused(alice, "invite", room_id, banned.user_id) == FORBIDDEN
    assert await act_refused(bob, "unban", room_id, bob.user_id) == FORBIDDEN
    await act(alice, "unban", room_id, bob, reason="sorry")
    assert await member(alice, room_id, bob) == {"membership": "leave", "reason": "sorry"}
    assert await act_refused(alice, "unban", room_id, bob.user_id) == FORBIDDEN
    await bob.join(room_id)


async def test_moderators_reach_only_below_them(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    await alice.bring(room_id, carol)
    levels = await alice.state(room_id, LEVELS)
    await alice.set_state(room_id, LEVELS, {**levels, "users": {bob.user_id: 50, carol.user_id: 50}})
    for verb in ("kick", "ban"):
        assert await act_refused(bob, verb, room_id, carol.user_id) == FORBIDDEN
        assert await act_refused(bob, verb, room_id, alice.user_id) == FORBIDDEN
    await alice.set_state(room_id, LEVELS, {**levels, "users": {bob.user_id: 50}})
    await act(bob, "ban", room_id, carol)
    await act(bob, "unban", room_id, carol)


@pytest.mark.parametrize("verb", ["kick", "ban", "unban"])
async def test_malformed_requests(alice: Talker, room_id: str, verb: str) -> None:
    path = f"{room(room_id)}/{verb}"
    assert await alice.refused("POST", path, {}) == (400, "M_MISSING_PARAM")
    assert await alice.refused("POST", path, {"user_id": 5}) == (400, "M_BAD_JSON")
    assert await alice.refused("POST", path, {"user_id": "nonsense"}) == (400, "M_INVALID_PARAM")


# --- knocking ---


@pytest.fixture
async def knocked(alice: Talker, bob: Talker) -> str:
    """A room to knock on, with a name, where bob is too."""
    state = [{"type": JOIN_RULES, "content": {"join_rule": "knock"}}]
    room_id = await alice.make_room(initial_state=state, name="behind a door")
    await alice.bring(room_id, bob)
    return room_id


async def knock(who: Talker, room_id: str, **body: Any) -> Json:
    answer: Json = await who.post(f"{V3}/knock/{segment(room_id)}", body)
    return answer


async def test_a_knock_is_answered(alice: Talker, carol: Talker, knocked: str) -> None:
    assert await join_refused(carol, knocked) == FORBIDDEN
    assert await knock(carol, knocked, reason="please") == {"room_id": knocked}
    assert await knock(carol, knocked, reason="please") == {"room_id": knocked}
    assert await member(alice, knocked, carol) == {"membership": "knock", "reason": "please"}
    told = (await carol.sync())["rooms"]["knock"][knocked]["knock_state"]["events"]
    assert {"m.room.name", JOIN_RULES, MEMBER} <= {event["type"] for event in told}
    assert await join_refused(carol, knocked) == FORBIDDEN
    await act(alice, "invite", knocked, carol)
    await carol.join(knocked)
    assert await steps(alice, knocked, carol) == ["knock", "invite", "join"]


async def test_a_knock_is_taken_back_or_turned_down(alice: Talker, carol: Talker, knocked: str) -> None:
    await knock(carol, knocked)
    await carol.leave(knocked)
    await knock(carol, knocked)
    await act(alice, "kick", knocked, carol)
    await knock(carol, knocked)
    await act(alice, "ban", knocked, carol)
    assert await carol.refused("POST", f"{V3}/knock/{segment(knocked)}", {}) == FORBIDDEN
    assert await steps(alice, knocked, carol) == ["knock", "leave", "knock", "leave", "knock", "ban"]


async def test_where_nobody_can_knock(alice: Talker, bob: Talker, carol: Talker, room_id: str, knocked: str) -> None:
    assert await carol.refused("POST", f"{V3}/knock/{segment(room_id)}", {}) == FORBIDDEN
    assert await bob.refused("POST", f"{V3}/knock/{segment(knocked)}", {}) == FORBIDDEN
    await act(alice, "invite", knocked, carol)
    assert await carol.refused("POST", f"{V3}/knock/{segment(knocked)}", {}) == FORBIDDEN
    none = (404, "M_NOT_FOUND")
    assert await carol.refused("POST", f"{V3}/knock/{segment('!none:x.example')}", {}) == none
    assert await carol.refused("POST", f"{V3}/knock/{segment('#none:x.example')}", {}) == none


# --- restricted rooms ---


@pytest.mark.parametrize("version", ["10", "11", "12"])
@pytest.mark.parametrize("rule", ["restricted", "knock_restricted"])
async def test_members_of_another_room_may_join(
    alice: Talker, bob: Talker, carol: Talker, version: str, rule: str
) -> None:
    club = await alice.make_room(preset="public_chat")
    allow = [{"type": "m.room_membership", "room_id": "!none:x.example"}, {"type": "org.example.other"}]
    rules = {"join_rule": rule, "allow": [*allow, {"type": "m.room_membership", "room_id": club}]}
    state = [{"type": JOIN_RULES, "content": rules}]
    room_id = await alice.make_room(room_version=version, initial_state=state)
    for outsider in (bob, carol):
        assert await join_refused(outsider, room_id) == FORBIDDEN
    await bob.join(club)
    await bob.join(room_id)
    assert await member(alice, room_id, bob) == {"membership": "join", VIA: alice.user_id}
    await bob.leave(room_id)
    await bob.leave(club)
    assert await join_refused(bob, room_id) == FORBIDDEN
    await act(alice, "invite", room_id, bob)
    await bob.join(room_id)
    assert await member(alice, room_id, bob) == {"membership": "join"}
    await bob.join(club)
    await act(alice, "ban", room_id, bob)
    assert await join_refused(bob, room_id) == FORBIDDEN
    knocking = f"{V3}/knock/{segment(room_id)}"
    if rule == "knock_restricted":
        await carol.post(knocking)
    else:
        assert await carol.refused("POST", knocking, {}) == FORBIDDEN


async def test_nobody_vouches_for_themselves(alice: Talker, bob: Talker, carol: Talker) -> None:
    club = await alice.make_room(preset="public_chat")
    rules = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": club}]}
    room_id = await alice.make_room(initial_state=[{"type": JOIN_RULES, "content": rules}])
    path = f"{room(room_id)}/state/{MEMBER}/{segment(bob.user_id)}"
    claim = {"membership": "join", VIA: alice.user_id}
    assert await bob.refused("PUT", path, claim) == FORBIDDEN
    await carol.join(club)
    await carol.join(room_id)
    renamed = {"membership": "join", "displayname": "C", VIA: bob.user_id}
    await carol.set_state(room_id, MEMBER, renamed, carol.user_id)
    assert await member(alice, room_id, carol) == {"membership": "join", "displayname": "C", VIA: alice.user_id}


async def test_somebody_who_may_invite_must_be_inside(alice: Talker, bob: Talker, carol: Talker) -> None:
    club = await alice.make_room(preset="public_chat")
    rules = {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": club}]}
    levels = {"invite": 50}
    room_id = await alice.make_room(
        initial_state=[{"type": JOIN_RULES, "content": rules}], power_level_content_override=levels
    )
    for person in (bob, carol):
        await person.join(club)
    await bob.join(room_id)
    await alice.leave(room_id)
    assert await join_refused(carol, room_id) == FORBIDDEN


# --- forgetting ---


async def test_forgetting(alice: Talker, bob: Talker, room_id: str) -> None:
    path = f"{room(room_id)}/forget"
    assert await bob.refused("POST", path, {}) == (400, "M_UNKNOWN")
    await bob.leave(room_id)
    assert (await bob.messages(room_id))["chunk"]
    assert await bob.post(path) == {}
    assert await bob.post(path) == {}
    assert await bob.refused("GET", f"{room(room_id)}/messages", dir="b") == FORBIDDEN
    left = {"room": {"include_leave": True}}
    assert "rooms" not in await bob.sync(filter=left)
    await alice.invite(room_id, bob)
    assert room_id in (await bob.sync())["rooms"]["invite"]
    assert await bob.refused("POST", path, {}) == (400, "M_UNKNOWN")
    await bob.join(room_id)
    assert (await bob.messages(room_id))["chunk"]
    assert room_id in (await bob.sync())["rooms"]["join"]
    assert await bob.refused("POST", f"{room('!none:x.example')}/forget", {}) == FORBIDDEN


async def test_a_ban_can_be_forgotten_too(alice: Talker, bob: Talker, room_id: str) -> None:
    await act(alice, "ban", room_id, bob)
    await bob.post(f"{room(room_id)}/forget")
    assert await bob.refused("GET", f"{room(room_id)}/state") == FORBIDDEN
    assert await join_refused(bob, room_id) == FORBIDDEN


# --- membership as state ---


async def test_membership_set_as_state(alice: Talker, bob: Talker, carol: Talker, room_id: str) -> None:
    async def set_by(who: Talker, whose: Talker, membership: str) -> tuple[int, Any]:
        path = f"{room(room_id)}/state/{MEMBER}/{segment(whose.user_id)}"
        return await who.ask("PUT", path, {"membership": membership})

    assert (await set_by(alice, carol, "invite"))[0] == 200
    assert (await set_by(bob, carol, "join"))[1]["errcode"] == "M_FORBIDDEN"
    assert (await set_by(carol, carol, "join"))[0] == 200
    assert (await set_by(bob, carol, "leave"))[1]["errcode"] == "M_FORBIDDEN"
    assert (await set_by(alice, carol, "ban"))[0] == 200
    assert (await set_by(alice, carol, "leave"))[0] == 200
    assert (await set_by(alice, carol, "elsewhere"))[1]["errcode"] == "M_FORBIDDEN"
    assert await steps(alice, room_id, carol) == ["invite", "join", "ban", "leave"]
    path = f"{room(room_id)}/state/{MEMBER}/nobody"
    assert await alice.refused("PUT", path, {"membership": "invite"}) == (400, "M_INVALID_PARAM")
