"""Rooms of a sliding sync, said in the form of MSC4186."""

from collections.abc import Container, Sequence

import msgspec

from bongsu.core import tokens
from bongsu.core.events import AVATAR, MEMBER, NAME, Event
from bongsu.core.json import JsonObject
from bongsu.core.requester import Requester
from bongsu.rooms import clientform
from bongsu.rooms.cache import Rooms
from bongsu.rooms.room import Room
from bongsu.sync.pieces import Kind, Piece
from bongsu.sync.say import Speaker, Voice
from bongsu.sync.shelf import Shelf
from bongsu.sync.slices import RoomSlice


class SlidingSpeaker:
    """Says the pieces of one answer."""

    def __init__(self, rooms: Rooms, speaker: Speaker) -> None:
        self._rooms = rooms
        self._speaker = speaker

    async def say(
        self, pieces: Sequence[Piece], requester: Requester, shelf: Shelf, direct: Container[str], since: int
    ) -> JsonObject:
        """Rooms by id. direct: those the person calls direct ones; since: where the connection stood."""
        voice = await self._speaker.voice([piece.part for piece in pieces if piece.part is not None], requester)
        said: JsonObject = {}
        for piece in pieces:
            room = await self._rooms.get(piece.room_id)
            told = self._outside(piece, room) if piece.part is None else _inside(piece, piece.part, room, voice, since)
            if piece.kind is not Kind.LEFT:
                told["bump_stamp"] = shelf.order.get(piece.room_id, piece.wanted.membership.pos)
            if piece.room_id in direct:
                told["is_dm"] = True
            said[piece.room_id] = told
        return said

    @staticmethod
    def _outside(piece: Piece, room: Room) -> JsonObject:
        """Somebody invited, or who knocks, is told no more than the stripped state has."""
        return {"initial": True, **_face(room, None), "invite_state": piece.stripped, "stripped_state": piece.stripped}


def _inside(piece: Piece, part: RoomSlice, room: Room, voice: Voice, since: int) -> JsonObject:
    is_known = piece.kind not in (Kind.INITIAL, Kind.GROWN)
    state = part.visibility.shown_all(piece.required_state)
    said: JsonObject = {
        "required_state": [msgspec.Raw(e) for e in clientform.plain_events(state, with_room_id=False)],
        "timeline": voice.timeline(part),
        "prev_batch": tokens.format(part.prev_batch),
        "limited": part.limited,
        "num_live": sum(event.pos > since for event in part.timeline) if since else 0,
    }
    if piece.kind is Kind.INITIAL:
        said["initial"] = True
    if piece.kind is Kind.GROWN and piece.wanted.wants_more_timeline:
        said["unstable_expanded_timeline"] = True
    if piece.kind is Kind.LEFT:
        return said
    said |= _face(room, part if is_known else None)
    said["joined_count"] = room.joined_count
    said["invited_count"] = room.invited_count
    said |= part.unread.get("unread_notifications", {})
    if "m.heroes" in part.summary:
        said["heroes"] = [_hero(user_id, part, room) for user_id in part.summary["m.heroes"]]
    return said


def _face(room: Room, news: RoomSlice | None) -> JsonObject:
    """The room's name and picture. news: said only if they changed in it, a picture that was taken away as null."""
    changed = None if news is None else {event.type for event in (*news.state, *news.timeline)}
    said: JsonObject = {}
    name, avatar = _stated(room.get(NAME), "name"), _stated(room.get(AVATAR), "url")
    if name is not None and (changed is None or NAME in changed):
        said["name"] = name
    if (changed is None and avatar is not None) or (changed is not None and AVATAR in changed):
        said["avatar"] = avatar
    return said


def _stated(event: Event | None, key: str) -> str | None:
    value = None if event is None else event.content.get(key)
    return value if isinstance(value, str) and value else None


def _hero(user_id: str, part: RoomSlice, room: Room) -> JsonObject:
    """Somebody after whom the room is called, as they call themselves there."""
    found = (event for event in part.state if event.type == MEMBER and event.state_key == user_id)
    event = next(found, None) or room.members.get(user_id)
    said: JsonObject = {"user_id": user_id}
    for key, name in (("displayname", "displayname"), ("avatar_url", "avatar_url")):
        if (value := _stated(event, name)) is not None:
            said[key] = value
    return said
