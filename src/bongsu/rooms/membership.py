"""Coming and going: join, leave, invite, knock, kick, ban, unban."""

from collections.abc import Iterable

import msgspec

from bongsu.core import guests, ids, limits, summary
from bongsu.core.errors import Refusal, forbidden, not_found
from bongsu.core.events import CREATE, GUEST_ACCESS, JOIN_RULES, MEMBER, POWER_LEVELS, Draft
from bongsu.core.json import JsonObject
from bongsu.core.quiet import CALLS
from bongsu.rooms.batch import RoomBatch
from bongsu.rooms.room import WorkingRoom
from bongsu.rooms.sending import visible_room
from bongsu.rooms.succession import take_along
from bongsu.store import people
from bongsu.store import rooms as room_table
from bongsu.store.batch import Wanted
from bongsu.store.rows import Forgotten

_RESTRICTED = ("restricted", "knock_restricted")
_NOT_FOR_CLIENTS = (
    *("membership", "reason", "displayname", "avatar_url", "is_direct"),
    *("third_party_signed", "third_party_invite", "join_authorised_via_users_server"),
)


def own_words(body: JsonObject) -> JsonObject:
    """What a client puts into its membership beside what the protocol defines."""
    return {key: value for key, value in body.items() if key not in _NOT_FOR_CLIENTS}


class _OfOne(msgspec.Struct, frozen=True, kw_only=True):
    """A change of `target`'s membership by `sender`."""

    room_id: str
    sender: str
    target: str
    reason: str | None = None

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.sender), (self.room_id, self.target)])

    def content(self, membership: str, more: JsonObject | None = None) -> JsonObject:
        reason = {} if self.reason is None else {"reason": self.reason}
        return {"membership": membership, **(more or {}), **reason}

    async def set(self, batch: RoomBatch, room: WorkingRoom, content: JsonObject) -> None:
        draft = Draft(type=MEMBER, sender=self.sender, state_key=self.target, content=content)
        await batch.set_member(room, draft)


class Join(_OfOne, frozen=True, kw_only=True):
    """The person comes in; already in is fine. The result is the room id. more: see own_words()."""

    is_guest: bool = False
    more: JsonObject = {}

    async def run(self, batch: RoomBatch) -> str:
        room = await batch.room(self.room_id)
        await batch.know_members(room, [self.target])
        before = room.membership(self.target)
        if before == "join":
            return room.room_id
        access = room.get(GUEST_ACCESS)
        if self.is_guest and not guests.admits(access.content if access else None):
            raise guests.no_guests("this room is not for guests: make an account first")
        profile = await people.member_profile(batch.connection, self.target)
        content = self.content("join", {**self.more, **profile})
        if before != "invite" and _is_restricted(room):
            content["join_authorised_via_users_server"] = await _who_vouches(batch, room, self.target)
        await self.set(batch, room, content)
        await take_along(batch, room, self.target)
        return room.room_id


class Knock(_OfOne, frozen=True, kw_only=True):
    """The person asks to be let in."""

    async def run(self, batch: RoomBatch) -> str:
        room = await batch.room(self.room_id)
        await batch.know_members(room, [self.target])
        if room.membership(self.target) == "knock":
            return room.room_id
        await self.set(batch, room, self.content("knock", await people.member_profile(batch.connection, self.target)))
        return room.room_id


class Invite(_OfOne, frozen=True, kw_only=True):
    """Somebody inside asks somebody outside to come in; asking again makes no second event.

    calls: a service that needs them to act now (core/quiet.py). It asks again, for the invited hear of nothing else.
    """

    is_direct: bool = False
    calls: bool = False

    async def run(self, batch: RoomBatch) -> None:
        room = await visible_room(batch, self.room_id, self.sender)
        await batch.know_members(room, [self.target])
        await _check_invited_exists(batch, self.target)
        if room.membership(self.target) == "invite" and not self.calls:
            return
        more = await people.member_profile(batch.connection, self.target)
        if self.is_direct:
            more["is_direct"] = True
        if self.calls:
            more[CALLS] = True
        await self.set(batch, room, self.content("invite", more))


class Leave(_OfOne, frozen=True, kw_only=True):
    """The person goes, refuses an invitation or takes back a knock; having gone is fine."""

    async def run(self, batch: RoomBatch) -> None:
        room = await batch.room(self.room_id)
        await batch.know_members(room, [self.target])
        present = room.get(MEMBER, self.target)
        if present is not None and room.membership(self.target) == "leave":
            return
        await self.set(batch, room, self.content("leave"))


class Kick(_OfOne, frozen=True, kw_only=True):
    """Somebody inside sends somebody out."""

    async def run(self, batch: RoomBatch) -> None:
        room = await visible_room(batch, self.room_id, self.sender)
        await batch.know_members(room, [self.target])
        if room.membership(self.target) not in ("join", "invite", "knock"):
            raise forbidden(f"{self.target} is not in this room")
        await self.set(batch, room, self.content("leave"))


class Ban(_OfOne, frozen=True, kw_only=True):
    """Somebody inside keeps somebody out."""

    async def run(self, batch: RoomBatch) -> None:
        room = await visible_room(batch, self.room_id, self.sender)
        await batch.know_members(room, [self.target])
        if room.membership(self.target) == "ban":
            return
        await self.set(batch, room, self.content("ban"))


class Unban(_OfOne, frozen=True, kw_only=True):
    """Takes a ban back. The person is then outside, and may be invited."""

    async def run(self, batch: RoomBatch) -> None:
        room = await visible_room(batch, self.room_id, self.sender)
        await batch.know_members(room, [self.target])
        if room.membership(self.target) != "ban":
            raise forbidden(f"{self.target} is not banned from this room")
        await self.set(batch, room, self.content("leave"))


class Forget(msgspec.Struct, frozen=True):
    """The person does not want to see a left room again."""

    room_id: str
    user_id: str

    def wanted(self) -> Wanted:
        return Wanted([self.room_id], [(self.room_id, self.user_id)])

    async def run(self, batch: RoomBatch) -> None:
        room = await batch.room(self.room_id)
        await batch.know_members(room, [self.user_id])
        if room.membership(self.user_id) in ("join", "invite", "knock"):
            raise Refusal(400, "M_UNKNOWN", "leave the room first, then forget it")
        batch.rows.add((self.room_id, self.user_id), Forgotten(batch.rows.next_pos(), self.room_id, self.user_id))


def _is_restricted(room: WorkingRoom) -> bool:
    rules = room.get(JOIN_RULES)
    rule = str(rules.content.get("join_rule")) if rules else "invite"
    return rule in _RESTRICTED and room.version.knows_join_rule(rule)


async def _check_invited_exists(batch: RoomBatch, user_id: str) -> None:
    if not ids.is_user_id(user_id):
        raise Refusal(400, "M_INVALID_PARAM", "that is not a user id; it looks like @name:server")
    if ids.split(user_id)[1] != batch.server_name or not await people.exists(batch.connection, user_id):
        raise not_found(f"there is no {user_id} on this server")


# --- restricted joins ---


async def _who_vouches(batch: RoomBatch, room: WorkingRoom, user_id: str) -> str:
    """The member in whose name a restricted join is allowed: one who may invite. Refuses if no rule allows it."""
    state = {kind: event for kind in (CREATE, JOIN_RULES) if (event := room.get(kind)) is not None}
    room_ids = summary.allowed_room_ids(state)[: limits.ALLOWED_ROOMS_MAX]
    inside = await room_table.members(batch.connection, [(room_id, user_id) for room_id in room_ids])
    if not any(event.content.get("membership") == "join" for event in inside.values()):
        raise forbidden("this room is for members of certain other rooms, or by invitation")
    return await _somebody_who_may_invite(batch, room)


async def _somebody_who_may_invite(batch: RoomBatch, room: WorkingRoom) -> str:
    power = room.power
    assert power is not None
    candidates = [user for user in _named(room, power.creators) if power.of(user) >= power.invite]
    await batch.know_members(room, candidates)
    for user in candidates:
        if room.membership(user) == "join":
            return user
    for user in await room_table.members_of(batch.connection, room.room_id, "join"):
        if power.of(user) < power.invite:
            continue
        await batch.know_members(room, [user])
        if room.membership(user) == "join":
            return user
    raise Refusal(403, "M_FORBIDDEN", "nobody who could let you in is in this room")


def _named(room: WorkingRoom, creators: Iterable[str]) -> list[str]:
    levels = room.get(POWER_LEVELS)
    users = levels.content.get("users") if levels else None
    return [*creators, *(users if isinstance(users, dict) else {})]
