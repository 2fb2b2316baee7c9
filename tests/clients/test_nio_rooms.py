"""Rooms through matrix-nio: made, found, entered, changed and left, as the others see it."""

import uuid

import nio  # type: ignore[import-untyped]
import pytest
from nio.responses import PublicRoomsResponse  # type: ignore[import-untyped]

from tests.clients.person import People, Person, ok, refused, status_of


async def invite(host: Person, room_id: str, guest: Person) -> None:
    await ok(host.client.room_invite(room_id, guest.user_id), nio.RoomInviteResponse)


async def sees_membership(person: Person, room_id: str, of: Person, membership: str) -> nio.RoomMemberEvent:
    """Waits until the newest membership that `person` saw of somebody is this one."""

    def newest(person: Person) -> nio.RoomMemberEvent | None:
        changes = [
            event
            for event in person.timeline[room_id]
            if isinstance(event, nio.RoomMemberEvent) and event.state_key == of.user_id
        ]
        return changes[-1] if changes and changes[-1].membership == membership else None

    return await person.until(f"{of.name} as {membership}", newest)


async def test_private_group(people: People) -> None:
    alice, bob, carol = await people.sign_up("alice", "bob", "carol")
    room_id = await alice.create(
        preset=nio.RoomPreset.private_chat,
        name="Fishing at dawn",
        topic="bring bait",
        invite=[bob.user_id],
    )
    invited = await bob.until("the invite", lambda bob: bob.client.invited_rooms.get(room_id))
    assert (invited.name, invited.inviter) == ("Fishing at dawn", alice.user_id)
    await sees_membership(alice, room_id, bob, "invite")
    await refused(carol.client.join(room_id), "M_FORBIDDEN")
    await bob.join(room_id)
    await sees_membership(alice, room_id, bob, "join")
    await refused(bob.client.room_invite(room_id, alice.user_id), "M_FORBIDDEN")  # she is in the room already
    await invite(alice, room_id, carol)
    await carol.until("the invite", lambda carol: carol.client.invited_rooms.get(room_id))
    await carol.join(room_id)
    for person in (alice, bob, carol):
        await sees_membership(person, room_id, carol, "join")
        room = person.room(room_id)
        assert (room.name, room.topic, room.join_rule) == ("Fishing at dawn", "bring bait", "invite")
        assert set(room.users) == {alice.user_id, bob.user_id, carol.user_id}
        assert room.joined_count == 3
    members = await ok(carol.client.joined_members(room_id), nio.JoinedMembersResponse)
    assert {member.user_id for member in members.members} == {alice.user_id, bob.user_id, carol.user_id}
    assert (await ok(carol.client.joined_rooms(), nio.JoinedRoomsResponse)).rooms == [room_id]


async def test_direct_room(people: People) -> None:
    alice, bob = await people.sign_up("alice", "bob")
    await ok(alice.client.set_displayname("Alice"), nio.ProfileSetDisplayNameResponse)
    await ok(bob.client.set_displayname("Bob"), nio.ProfileSetDisplayNameResponse)
    room_id = await alice.create(preset=nio.RoomPreset.trusted_private_chat, is_direct=True, invite=[bob.user_id])
    await alice.request("PUT", f"/user/{alice.user_id}/account_data/m.direct", {bob.user_id: [room_id]})
    direct = await bob.until("the invite", lambda bob: direct_flag(bob, room_id))
    assert direct is True
    await bob.join(room_id)
    await alice.until("bob in the room", lambda alice: alice.room(room_id).joined_count == 2)
    await bob.until("the room", lambda bob: bob.room(room_id).joined_count == 2)
    assert alice.room(room_id).display_name == "Bob"
    assert bob.room(room_id).display_name == "Alice"
    rooms = await ok(alice.client.list_direct_rooms(), nio.DirectRoomsResponse)
    assert rooms.rooms == {bob.user_id: [room_id]}
    await alice.sees(room_id, await bob.set_state(room_id, "m.room.topic", {"topic": "as much his room as hers"}))


def direct_flag(person: Person, room_id: str) -> bool | None:
    """What the invite says of the room: is it a talk between two?"""
    flags = [
        event.content.get("is_direct")
        for event in person.invites[room_id]
        if isinstance(event, nio.InviteMemberEvent) and event.state_key == person.user_id
    ]
    return flags[-1] if flags else None


async def test_declined_invite(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    (carol,) = await people.sign_up("carol")
    await invite(alice, room_id, carol)
    await carol.until("the invite", lambda carol: carol.client.invited_rooms.get(room_id))
    await ok(carol.client.room_leave(room_id), nio.RoomLeaveResponse)
    await carol.until("that the room is left", lambda carol: room_id in carol.left)
    for person in (alice, bob):
        assert (await sees_membership(person, room_id, carol, "leave")).sender == carol.user_id
    assert room_id not in (await ok(carol.client.joined_rooms(), nio.JoinedRoomsResponse)).rooms


async def test_withdrawn_invite(people: People) -> None:
    room_id, (alice, _) = await people.group("alice", "bob")
    (carol,) = await people.sign_up("carol")
    await invite(alice, room_id, carol)
    await carol.until("the invite", lambda carol: carol.client.invited_rooms.get(room_id))
    await ok(alice.client.room_kick(room_id, carol.user_id), nio.RoomKickResponse)
    await carol.until("that the invite is gone", lambda carol: room_id in carol.left)
    await refused(carol.client.join(room_id), "M_FORBIDDEN")


async def test_name_and_topic(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")
    await alice.set_state(room_id, "m.room.name", {"name": "해돋이 낚시"})
    await ok(alice.client.update_room_topic(room_id, "five o'clock"), nio.RoomPutStateResponse)
    for person in (alice, bob, carol):
        await person.until("the topic", lambda person: person.room(room_id).topic == "five o'clock")
        assert person.room(room_id).name == "해돋이 낚시"
    await refused(bob.client.room_put_state(room_id, "m.room.name", {"name": "mine"}), "M_FORBIDDEN")
    kept = await ok(carol.client.room_get_state_event(room_id, "m.room.name"), nio.RoomGetStateEventResponse)
    assert kept.content == {"name": "해돋이 낚시"}


async def test_power_can_be_given(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")
    levels = (
        await ok(alice.client.room_get_state_event(room_id, "m.room.power_levels"), nio.RoomGetStateEventResponse)
    ).content
    levels["users"] = {**levels.get("users", {}), bob.user_id: 50}
    await alice.set_state(room_id, "m.room.power_levels", levels)
    await carol.until("bob's power", lambda carol: carol.room(room_id).power_levels.get_user_level(bob.user_id) == 50)
    name_id = await bob.set_state(room_id, "m.room.name", {"name": "bob's"})
    await carol.sees(room_id, name_id)
    assert carol.room(room_id).name == "bob's"
    await ok(bob.client.room_kick(room_id, carol.user_id, "too loud"), nio.RoomKickResponse)
    assert (await sees_membership(alice, room_id, carol, "leave")).content["reason"] == "too loud"


async def test_kick_and_return(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")
    await refused(bob.client.room_kick(room_id, carol.user_id), "M_FORBIDDEN")
    await ok(alice.client.room_kick(room_id, bob.user_id, "cool down"), nio.RoomKickResponse)
    for person in (alice, bob, carol):
        kick = await sees_membership(person, room_id, bob, "leave")
        assert (kick.sender, kick.content["reason"]) == (alice.user_id, "cool down")
    assert room_id in bob.left
    assert bob.user_id not in carol.room(room_id).users
    unheard = await alice.say(room_id, "he cannot hear this")
    await carol.sees(room_id, unheard)
    await refused(bob.client.room_send(room_id, "m.room.message", {"msgtype": "m.text", "body": "hey"}), "M_FORBIDDEN")
    await refused(bob.client.join(room_id), "M_FORBIDDEN")
    await bob.sync()
    assert bob.find(room_id, unheard) is None
    await invite(alice, room_id, bob)
    await bob.join(room_id)
    await sees_membership(carol, room_id, bob, "join")
    await bob.sees(room_id, await alice.say(room_id, "welcome back"))


async def test_ban_and_unban(people: People) -> None:
    room_id, (alice, bob, carol) = await people.group("alice", "bob", "carol")
    await ok(alice.client.room_ban(room_id, bob.user_id, "spam"), nio.RoomBanResponse)
    for person in (alice, bob, carol):
        ban = await sees_membership(person, room_id, bob, "ban")
        assert (ban.sender, ban.content["reason"]) == (alice.user_id, "spam")
    assert room_id in bob.left
    await refused(alice.client.room_invite(room_id, bob.user_id), "M_FORBIDDEN", "M_BAD_STATE")
    await refused(bob.client.join(room_id), "M_FORBIDDEN", "M_BAD_STATE")
    await refused(bob.client.room_leave(room_id), "M_FORBIDDEN")
    await ok(alice.client.room_unban(room_id, bob.user_id), nio.RoomUnbanResponse)
    await sees_membership(carol, room_id, bob, "leave")
    await invite(alice, room_id, bob)
    await bob.join(room_id)
    await sees_membership(carol, room_id, bob, "join")


async def test_leave_and_forget(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    before = await alice.say(room_id, "before")
    await bob.sees(room_id, before)
    await ok(bob.client.room_leave(room_id), nio.RoomLeaveResponse)
    assert (await sees_membership(alice, room_id, bob, "leave")).sender == bob.user_id
    await alice.say(room_id, "after")
    await bob.until("that the room is left", lambda bob: room_id in bob.left)
    page = await ok(bob.client.room_messages(room_id, bob.client.next_batch), nio.RoomMessagesResponse)
    assert [event.body for event in page.chunk if isinstance(event, nio.RoomMessage)] == ["before"]
    await ok(bob.client.room_forget(room_id), nio.RoomForgetResponse)
    await refused(bob.client.room_messages(room_id, bob.client.next_batch), "M_FORBIDDEN")
    fresh = await people.another_device(bob)
    everything = await fresh.sync(sync_filter={"room": {"include_leave": True}})
    assert room_id not in everything.rooms.leave


async def test_knock(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    (carol,) = await people.sign_up("carol")
    await refused(carol.client.room_knock(room_id), "M_FORBIDDEN")
    await alice.set_state(room_id, "m.room.join_rules", {"join_rule": "knock"})
    await ok(carol.client.room_knock(room_id, "let me in"), nio.RoomKnockResponse)
    for person in (alice, bob):
        assert (await sees_membership(person, room_id, carol, "knock")).content["reason"] == "let me in"
    await invite(alice, room_id, carol)
    await carol.join(room_id)
    await sees_membership(bob, room_id, carol, "join")


async def test_profile_changes_are_seen(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    picture = f"mxc://{alice.user_id.partition(':')[2]}/picture"
    await ok(alice.client.set_displayname("앨리스"), nio.ProfileSetDisplayNameResponse)
    await ok(alice.client.set_avatar(picture), nio.ProfileSetAvatarResponse)
    await bob.until("her picture", lambda bob: bob.room(room_id).avatar_url(alice.user_id) == picture)
    assert bob.room(room_id).user_name(alice.user_id) == "앨리스"
    profile = await ok(bob.client.get_profile(alice.user_id), nio.ProfileGetResponse)
    assert (profile.displayname, profile.avatar_url) == ("앨리스", picture)
    other_room = await alice.create(invite=[bob.user_id])
    await bob.join(other_room)
    await bob.until("the other room", lambda bob: alice.user_id in bob.room(other_room).users)
    assert bob.room(other_room).user_name(alice.user_id) == "앨리스"


async def test_unknown_profile(people: People) -> None:
    (alice,) = await people.sign_up("alice")
    nobody = f"@nobody-{uuid.uuid4().hex}:{alice.user_id.partition(':')[2]}"
    assert await status_of(alice.client.get_profile(nobody)) == 404


async def test_room_directory(people: People) -> None:
    alice, bob = await people.sign_up("alice", "bob")
    word = f"harbour{uuid.uuid4().hex[:12]}"
    shown = await alice.create(
        visibility=nio.RoomVisibility.public,
        preset=nio.RoomPreset.public_chat,
        alias=word,
        name=f"The {word}",
        topic="boats",
    )
    hidden = await alice.create(preset=nio.RoomPreset.public_chat, name=f"Not the {word}")
    found = await ok(bob.client.list_public_rooms(filter_generic_search_term=word), PublicRoomsResponse)
    assert [room.room_id for room in found.public_rooms] == [shown]
    entry = found.public_rooms[0]
    alias = f"#{word}:{alice.user_id.partition(':')[2]}"
    assert (entry.name, entry.topic, entry.canonical_alias, entry.num_joined_members) == (
        f"The {word}",
        "boats",
        alias,
        1,
    )
    visibility = await ok(bob.client.room_get_visibility(hidden), nio.RoomGetVisibilityResponse)
    assert visibility.visibility == "private"
    await bob.join(alias)
    await sees_membership(alice, shown, bob, "join")
    await bob.until("the room", lambda bob: bob.room(shown).canonical_alias == alias)
    assert bob.room(shown).join_rule == "public"


async def test_aliases(people: People) -> None:
    alice, bob = await people.sign_up("alice", "bob")
    room_id = await alice.create(preset=nio.RoomPreset.public_chat)
    alias = f"#quay-{uuid.uuid4().hex[:12]}:{alice.user_id.partition(':')[2]}"
    await refused(bob.client.room_resolve_alias(alias), "M_NOT_FOUND")
    await ok(alice.client.room_put_alias(alias, room_id), nio.RoomPutAliasResponse)
    resolved = await ok(bob.client.room_resolve_alias(alias), nio.RoomResolveAliasResponse)
    assert resolved.room_id == room_id
    await alice.set_state(room_id, "m.room.canonical_alias", {"alias": alias})
    await bob.join(alias)
    await bob.until("the address", lambda bob: bob.room(room_id).canonical_alias == alias)
    assert await status_of(bob.client.room_delete_alias(alias)) == 403
    await ok(alice.client.room_delete_alias(alias), nio.RoomDeleteAliasResponse)
    await refused(bob.client.room_resolve_alias(alias), "M_NOT_FOUND")


async def test_space(people: People) -> None:
    alice, bob = await people.sign_up("alice", "bob")
    server_name = alice.user_id.partition(":")[2]
    space_id = await alice.create(space=True, name="The village", preset=nio.RoomPreset.public_chat)
    child_id = await alice.create(name="The well", preset=nio.RoomPreset.public_chat)
    await alice.set_state(space_id, "m.space.child", {"via": [server_name]}, child_id)
    await bob.join(space_id)
    await bob.until("the child", lambda bob: child_id in bob.room(space_id).children)
    assert bob.room(space_id).room_type == "m.space"
    hierarchy = await ok(bob.client.space_get_hierarchy(space_id, limit=10, max_depth=1), nio.SpaceGetHierarchyResponse)
    assert [(room["room_id"], room["name"]) for room in hierarchy.rooms] == [
        (space_id, "The village"),
        (child_id, "The well"),
    ]


@pytest.mark.parametrize("version", ["1", "6", "9"])
async def test_rooms_of_older_versions(people: People, version: str) -> None:
    alice, bob = await people.sign_up("alice", "bob")
    room_id = await alice.create(room_version=version, invite=[bob.user_id])
    await bob.until("the invite", lambda bob: bob.client.invited_rooms.get(room_id))
    await bob.join(room_id)
    hers = await alice.say(room_id, "hers")
    his = await bob.say(room_id, "his")
    await alice.sees(room_id, his)
    await ok(alice.client.room_read_markers(room_id, his, his), nio.RoomReadMarkersResponse)
    await ok(alice.client.room_redact(room_id, his, "slip"), nio.RoomRedactResponse)
    redacted = await bob.until("the redaction", lambda bob: _redaction_of(bob, room_id, his))
    assert redacted is not None
    assert redacted.reason == "slip"
    await ok(bob.client.room_context(room_id, hers, limit=2), nio.RoomContextResponse)
    await ok(alice.client.room_kick(room_id, bob.user_id), nio.RoomKickResponse)
    await bob.until("having been sent out", lambda bob: room_id in bob.left)
    assert alice.room(room_id).room_version == version


def _redaction_of(person: Person, room_id: str, event_id: str) -> nio.RedactionEvent | None:
    events = person.timeline[room_id]
    return next((e for e in events if isinstance(e, nio.RedactionEvent) and e.redacts == event_id), None)
